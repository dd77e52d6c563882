"""Pixels: the same as OpenCV's, scaled straight from the decoder's format, from any thread."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import av
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from countline.demo import clip_path
from countline.video import ArrayPicture, open_source
from countline.video.picture import AvPicture, fit

from .conftest import config, encode, picture

cv2 = pytest.importorskip("cv2")


def test_bgr_equals_opencv() -> None:
    capture = cv2.VideoCapture(str(clip_path()))
    for number, frame in enumerate(open_source(config(clip_path()), 0)):
        same = capture.read()[1]
        assert np.abs(frame.image.astype(int) - same).max() <= 1
        if number == 20:
            break
    capture.release()


def test_bgr_is_converted_once_and_contiguous() -> None:
    frame = next(iter(open_source(config(clip_path()), 0)))
    assert frame.image is frame.picture.bgr()
    assert frame.image.flags.c_contiguous
    assert frame.image.shape == (576, 768, 3)


@pytest.mark.parametrize("matrix", ["bt709", "smpte170m"])
def test_declared_colour_matrix_is_used(tmp_path: Path, matrix: str) -> None:
    """A flat colour is written with a declared matrix; the pixels must be those of that matrix's own formula."""
    code, (kr, kb) = {"bt709": (1, (0.2126, 0.0722)), "smpte170m": (6, (0.299, 0.114))}[matrix]
    luma, cb, cr = 100, 90, 180

    def declare(stream: object) -> None:
        stream.codec_context.colorspace = code  # type: ignore[attr-defined]
        stream.codec_context.color_range = 1  # type: ignore[attr-defined]

    path = tmp_path / "flat.mkv"
    with av.open(str(path), "w") as out:
        stream = out.add_stream("ffv1", rate=10)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        declare(stream)
        planes = np.concatenate([np.full(64 * 48, luma), np.full(32 * 24, cb), np.full(32 * 24, cr)]).astype(np.uint8)
        frame = av.VideoFrame.from_ndarray(planes.reshape(72, 64), "yuv420p")
        frame.colorspace, frame.color_range, frame.pts = code, 1, 0
        out.mux(stream.encode(frame))
        out.mux(stream.encode())
    y, u, v = (luma - 16) / 219, (cb - 128) / 224, (cr - 128) / 224
    red, blue = y + 2 * (1 - kr) * v, y + 2 * (1 - kb) * u
    green = (y - kr * red - kb * blue) / (1 - kr - kb)
    expected = np.round(np.clip(np.array([blue, green, red]) * 255, 0, 255))
    got = next(iter(open_source(config(path), 0)))
    assert np.abs(got.image[24, 32].astype(float) - expected).max() <= 2
    assert np.abs(got.picture.letterbox(32, 32)[0][10, 10].astype(float) - expected).max() <= 2


def test_letterbox_places_top_left_and_pads_with_0() -> None:
    frame = next(iter(open_source(config(clip_path()), 0)))
    small, scale = frame.picture.letterbox(416, 416)
    assert small.shape == (416, 416, 3)
    assert small.dtype == np.uint8
    assert scale == 416 / 768
    assert not small[312:].any()
    reference = cv2.resize(frame.image, (416, 312), interpolation=cv2.INTER_AREA).astype(int)
    assert np.abs(small[:312].astype(int) - reference).mean() < 3
    tall, scale = frame.picture.letterbox(416, 200)
    assert scale == 200 / 576
    assert not tall[:, round(768 * scale) :].any()
    assert tall[:, : round(768 * scale)].any(axis=2).mean() > 0.9


def test_letterbox_maps_places_back() -> None:
    """A white block's corners, found in the small picture, lie where they are in the large one."""
    for width, height in ((768, 576), (1920, 1080), (1001, 333), (300, 901)):
        image = np.zeros((height, width, 3), np.uint8)
        box = np.array([width // 4, height // 3, width // 4 * 3, height // 3 * 2])
        image[box[1] : box[3], box[0] : box[2]] = 255
        small, scale = ArrayPicture(image).letterbox(416, 416)
        rows, columns = np.nonzero(small[..., 0] > 127)
        found = np.array([columns.min(), rows.min(), columns.max() + 1, rows.max() + 1])
        assert np.abs(found / scale - box).max() <= 1 / scale


@given(st.integers(1, 8000), st.integers(1, 8000), st.integers(1, 1280), st.integers(1, 1280))
def test_fit_stays_inside_and_keeps_one_scale(width: int, height: int, into_width: int, into_height: int) -> None:
    w, h, scale = fit(width, height, into_width, into_height)
    assert 1 <= w <= into_width
    assert 1 <= h <= into_height
    assert scale == min(into_width / width, into_height / height)
    assert abs(w - width * scale) <= 0.5 + 1e-6 or w == 1
    assert abs(h - height * scale) <= 0.5 + 1e-6 or h == 1


def test_array_picture_is_the_users_array() -> None:
    image = picture(3, 70, 50)
    own = ArrayPicture(image)
    assert own.bgr() is image
    assert (own.width, own.height) == (70, 50)
    same, scale = own.letterbox(70, 50)
    assert scale == 1.0
    assert np.array_equal(same, image)
    same[:] = 0
    assert image.any(), "what is given out is not the user's memory"
    sliced = ArrayPicture(image[:, ::2])
    assert np.array_equal(sliced.bgr(), image[:, ::2])
    with pytest.raises(ValueError, match="uint8"):
        ArrayPicture(np.zeros((4, 4, 3), np.float32))  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="height, width, 3"):
        ArrayPicture(np.zeros((4, 4), np.uint8))


def test_pictures_may_be_converted_from_many_threads() -> None:
    source = open_source(config(clip_path()), 0)
    frames = [frame for _, frame in zip(range(24), source, strict=False)]
    expected = [(f.picture.letterbox(416, 416)[0], f.image.copy()) for f in frames]
    again = [f for _, f in zip(range(24), open_source(config(clip_path()), 0), strict=False)]
    jobs = [f for f in again for _ in range(4)]
    with ThreadPoolExecutor(4) as pool:
        small = list(pool.map(lambda f: f.picture.letterbox(416, 416)[0], jobs))
        large = list(pool.map(lambda f: f.image, jobs))
    for position, (a, b) in enumerate(zip(small, large, strict=True)):
        assert np.array_equal(a, expected[position // 4][0])
        assert np.array_equal(b, expected[position // 4][1])


@pytest.mark.parametrize("degrees", [0, 90, 180, -90])
def test_rotation_that_phones_declare_is_applied(tmp_path: Path, degrees: int) -> None:
    if not hasattr(av.VideoStream, "set_display_rotation"):
        pytest.skip("this PyAV cannot write a rotation into a file")
    path = encode(tmp_path / "phone.mp4", 3, size=(96, 64), prepare=lambda s: s.set_display_rotation(degrees))
    frame = next(iter(open_source(config(path), 0)))
    capture = cv2.VideoCapture(str(path))  # turns pictures upright, too
    upright = capture.read()[1]
    capture.release()
    assert (frame.info.height, frame.info.width) == frame.image.shape[:2] == upright.shape[:2]
    assert np.abs(frame.image.astype(int) - upright).max() <= 1
    assert frame.image.flags.c_contiguous
    small, scale = frame.picture.letterbox(48, 48)
    height, width = (round(n * scale) for n in upright.shape[:2])
    reference = cv2.resize(upright, (width, height), interpolation=cv2.INTER_AREA).astype(int)
    assert np.abs(small[:height, :width].astype(int) - reference).mean() < 6
    assert not small[height:].any()
    assert not small[:, width:].any()


def test_the_decoders_memory_is_not_given_out() -> None:
    """A decoder that already gives BGR needs no conversion; drawing on the image must not change its frame."""
    frame = av.VideoFrame.from_ndarray(picture(0, 64, 48), "bgr24")
    before = frame.to_ndarray().copy()
    AvPicture(frame).bgr()[:] = 0
    assert np.array_equal(frame.to_ndarray(), before)
