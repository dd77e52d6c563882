"""Pictures on a device become the network's input as pictures on the host do."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from device_frames import DevicePicture
from stand_in import StandIn

from countline.detect.gpu_request import input_of
from countline.detect.preprocess import IMAGENET_MEAN, IMAGENET_STD, InputBinder, Preprocess
from countline.detect.runtime import TensorSpec
from countline.detect.signature import Signature
from countline.gpu.stage import Input, Letterbox, OnHost
from countline.types import Frame
from countline.video.orientation import Orientation, of_exif
from countline.video.picture import AvPicture, fit

SIDE = 160
HOWS = {
    "bgr with mean and deviation": Preprocess("bgr", 1.0, (103.53, 116.28, 123.675), (57.375, 57.12, 58.395), pad=0),
    "bgr as it is": Preprocess("bgr", 1.0),
    "rgb from 0 to 1": Preprocess(),
    "rgb with mean and deviation": Preprocess(mean=IMAGENET_MEAN, std=IMAGENET_STD, pad=116),
    "done by the network": Preprocess("bgr", inside=True, pad=0),
}


def plain(**changes: object) -> Input:
    form = Input(SIDE, SIDE, np.dtype(np.uint8), False, False, (1, 1, 1), (0, 0, 0), 0.0, True)
    return replace(form, **changes)  # type: ignore[arg-type]


def written(gpu: StandIn, form: Input, *pictures: object) -> np.ndarray:
    queue = gpu.queue()
    box = Letterbox(gpu, queue, form, len(pictures), np.dtype(np.float32))
    given, contents = [], []
    for picture in pictures:
        given.append(picture if isinstance(picture, OnHost) else picture.tensor())
        wide, high = (picture.content) if isinstance(picture, OnHost) else (picture.width, picture.height)
        contents.append(fit(wide, high, form.width, form.height)[:2])
    box.fill(given, contents)
    size = len(pictures) * form.width * form.height * 3
    content = queue.read(box.memory, size * form.dtype.itemsize).view(form.dtype)
    shape = (3, form.height, form.width) if form.planes else (form.height, form.width, 3)
    return content.reshape(len(pictures), *shape).astype(np.float32)


def close(got: np.ndarray, want: np.ndarray) -> None:
    """libswscale shares colours between two pixels of a row, and rounds at each step; the kernel does not."""
    off = np.abs(got - want.astype(np.float32))
    assert off.mean() < 1.5
    assert np.percentile(off, 99) < 10
    assert np.abs((got - want).mean(axis=(0, 1))).max() < 2.5


@pytest.mark.parametrize("deep", [False, True])
def test_a_device_picture_becomes_what_the_host_makes_of_it(stand_in: StandIn, street: list[Frame], deep: bool) -> None:
    frame = street[2].picture.frame
    got = written(stand_in, plain(), DevicePicture(frame, deep=deep))[0]
    close(got, AvPicture(frame).letterbox(SIDE, SIDE)[0])


@pytest.mark.parametrize("number", range(1, 9))
def test_turned_and_mirrored_pictures_stand_upright(stand_in: StandIn, street: list[Frame], number: int) -> None:
    frame, how = street[0].picture.frame, of_exif(number)
    assert isinstance(how, Orientation)
    got = written(stand_in, plain(), DevicePicture(frame, how))[0]
    close(got, AvPicture(frame, how).letterbox(SIDE, SIDE)[0])


@pytest.mark.parametrize("matrix", ["bt601", "bt709", "bt2020", "smpte240m"])
@pytest.mark.parametrize("full", [False, True])
def test_grey_stays_grey_and_primaries_are_where_the_matrix_puts_them(
    stand_in: StandIn, matrix: str, full: bool
) -> None:
    weights = {
        "bt601": (0.299, 0.114),
        "bt709": (0.2126, 0.0722),
        "bt2020": (0.2627, 0.0593),
        "smpte240m": (0.212, 0.087),
    }
    red, blue = weights[matrix]
    for rgb in ((128, 128, 128), (255, 0, 0), (0, 255, 0), (0, 0, 255), (10, 200, 90)):
        y = red * rgb[0] + (1 - red - blue) * rgb[1] + blue * rgb[2]
        u, v = (rgb[2] - y) / (2 * (1 - blue)), (rgb[0] - y) / (2 * (1 - red))
        scale = (1.0, 1.0, 0.0) if full else (219 / 255, 224 / 255, 16.0)
        import av

        frame = av.VideoFrame(64, 64, "nv12")
        picture = DevicePicture(frame)
        planes = picture.tensor()
        rows = planes.owner
        assert isinstance(rows, np.ndarray)
        rows[:64] = round(y * scale[0] + scale[2])
        for place, value in enumerate((u, v)):
            rows[64:, place::2] = min(255, round(value * scale[1] + 128))
        picture._planes_there = replace(planes, matrix=matrix, full=full)  # type: ignore[arg-type]
        got = written(stand_in, plain(width=32, height=32), picture)[0]
        assert np.abs(got - np.array(rgb[::-1], np.float32)).max() <= 3, (rgb, got[0, 0])


@pytest.mark.parametrize("kind", HOWS)
@pytest.mark.parametrize("planes", [False, True])
@pytest.mark.parametrize("dtype", [np.float16, np.uint8])
def test_numbers_are_those_that_the_host_feeds(
    stand_in: StandIn, street: list[Frame], kind: str, planes: bool, dtype: type
) -> None:
    how = HOWS[kind]
    shape = (None, 3, 96, 128) if planes else (None, 96, 128, 3)
    port = TensorSpec("images", shape, np.dtype(dtype))
    signature = Signature(port, (128, 96), planes, None, how, (), "")  # type: ignore[arg-type]
    frame = street[1]
    pixels, scale = frame.picture.letterbox(128, 96)
    wide, high, _ = fit(frame.info.width, frame.info.height, 128, 96)
    want = InputBinder(port, how, (128, 96), planes).fill([frame], 1)[0].astype(np.float32)
    got = written(stand_in, input_of(port, how, signature), OnHost(pixels, (wide, high)))
    off = np.abs(got - want)
    assert off.max() <= (0.02 if dtype == np.float16 else 1e-4) * max(1.0, np.abs(want).max() / 10), (off.max(), scale)


def test_a_batch_holds_device_and_host_pictures_side_by_side(stand_in: StandIn, street: list[Frame]) -> None:
    first, second = street[0].picture, street[3].picture
    host, _ = second.letterbox(SIDE, SIDE)
    content = fit(second.width, second.height, SIDE, SIDE)[:2]
    got = written(stand_in, plain(), DevicePicture(first.frame), OnHost(host, content), DevicePicture(second.frame))
    close(got[0], first.letterbox(SIDE, SIDE)[0])
    assert np.array_equal(got[1], host)
    close(got[2], host)
