"""However a picture lies in its file, what is given out stands upright."""

from __future__ import annotations

import struct
from pathlib import Path

import av
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from countline.types import Analytics, RuleInfo, Tracks
from countline.video import open_source, probe
from countline.video.orientation import Orientation, of_exif, of_matrix, orientation_of
from countline.view.annotate import AnnotatedVideo

from .conftest import config, encode
from .making import oriented_image

MATRICES = {
    1: (1, 0, 0, 1), 2: (-1, 0, 0, 1), 3: (-1, 0, 0, -1), 4: (1, 0, 0, -1),
    5: (0, 1, 1, 0), 6: (0, 1, -1, 0), 7: (0, -1, -1, 0), 8: (0, -1, 1, 0),
}  # fmt: skip
"""a, b, c, d of the display matrix for each of EXIF's eight orientations (x right, y down)."""
# EXIF 2.3: which corner of the upright picture the first row and the first column of the stored one are.
STORED = {
    1: lambda p: p, 2: lambda p: p[:, ::-1], 3: lambda p: p[::-1, ::-1], 4: lambda p: p[::-1],
    5: lambda p: p.swapaxes(0, 1), 6: lambda p: np.rot90(p), 7: lambda p: np.rot90(p, 2).swapaxes(0, 1),
    8: lambda p: np.rot90(p, 3),
}  # fmt: skip
"""From the upright picture to the stored one."""


def upright(height: int = 48, width: int = 64) -> np.ndarray:
    """Four corners of different colours: red, green / blue, white."""
    image = np.full((height, width, 3), 255, np.uint8)
    image[: height // 2, : width // 2] = (0, 0, 255)
    image[: height // 2, width // 2 :] = (0, 255, 0)
    image[height // 2 :, : width // 2] = (255, 0, 0)
    return image


def corners(image: np.ndarray) -> list[str]:
    """Colours of the corners, row by row."""
    height, width = image.shape[:2]
    names = {(0, 0, 1): "red", (0, 1, 0): "green", (1, 0, 0): "blue", (1, 1, 1): "white"}
    places = [(y, x) for y in (height // 4, height * 3 // 4) for x in (width // 4, width * 3 // 4)]
    return [names.get(tuple((image[y, x] > 127).astype(int).tolist()), "?") for y, x in places]


UPRIGHT = ["red", "green", "blue", "white"]


def turned_video(path: Path, orientation: int) -> Path:
    """A video of the stored picture whose header holds the display matrix."""
    stored = np.ascontiguousarray(STORED[orientation](upright()))
    with av.open(str(path), "w") as out:
        stream = out.add_stream("libx264", rate=10, options={"bf": "0", "crf": "10"})
        stream.height, stream.width, stream.pix_fmt = *stored.shape[:2], "yuv420p"
        for _ in range(4):
            out.mux(stream.encode(av.VideoFrame.from_ndarray(stored, "bgr24")))
        out.mux(stream.encode())
    data = bytearray(path.read_bytes())
    a, b, c, d = MATRICES[orientation]
    width, height = stored.shape[1], stored.shape[0]
    # The movement brings the picture back to where it was, as recorders write it.
    x, y = (width if a + c < 0 else 0), (height if b + d < 0 else 0)
    one = 1 << 16
    struct.pack_into(
        ">9i", data, data.index(b"tkhd") + 4 + 40, a * one, b * one, 0, c * one, d * one, 0, x * one, y * one, 1 << 30
    )
    path.write_bytes(data)
    return path


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_display_matrix_is_applied_mirrors_too(tmp_path: Path, orientation: int) -> None:
    path = turned_video(tmp_path / "a.mp4", orientation)
    frame = next(iter(open_source(config(path), 0)))
    assert (frame.info.height, frame.info.width) == frame.image.shape[:2] == (48, 64)
    assert corners(frame.image) == UPRIGHT
    assert frame.image.flags.c_contiguous
    small, scale = frame.picture.letterbox(32, 32)
    assert scale == 0.5
    assert corners(small[:24]) == UPRIGHT, "what the detector sees, whose boxes are then boxes of the upright picture"
    assert not small[24:].any()


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["jpeg", "jpeg-big-endian", "png", "webp", "tiff"])
def test_exif_of_images_is_applied(tmp_path: Path, kind: str, orientation: int) -> None:
    path = tmp_path / f"a.{kind.split('-')[0]}"
    path.write_bytes(oriented_image(np.ascontiguousarray(STORED[orientation](upright())), orientation, kind))
    frame = next(iter(open_source(config(path), 0)))
    assert (frame.info.height, frame.info.width) == frame.image.shape[:2] == (48, 64)
    assert corners(frame.image) == UPRIGHT


@pytest.mark.parametrize("orientation", [2, 5, 7])
def test_exif_in_a_stream_of_jpegs_is_applied(tmp_path: Path, orientation: int) -> None:
    """Cameras write it into each picture of a Motion JPEG."""
    picture = oriented_image(np.ascontiguousarray(STORED[orientation](upright())), orientation, "jpeg")
    (tmp_path / "a.mjpeg").write_bytes(picture * 5)
    frames = list(open_source(config(tmp_path / "a.mjpeg"), 0))
    assert len(frames) == 5
    assert all(corners(frame.image) == UPRIGHT for frame in frames)


@pytest.mark.parametrize("orientation", [2, 5, 6])
def test_an_annotated_video_is_upright(tmp_path: Path, orientation: int) -> None:
    source = open_source(config(turned_video(tmp_path / "a.mp4", orientation)), 0)
    annotated = AnnotatedVideo(tmp_path / "out.mp4", list[RuleInfo](), [])
    for frame in source:
        annotated(frame, Analytics(frame.info, Tracks.empty()))
    annotated.close()
    image = next(iter(open_source(config(tmp_path / "out.mp4"), 0))).image
    assert image.shape == (48, 64, 3)
    assert corners(image)[2:] == ["blue", "white"], "the counts stand over the upper half"


def test_the_doctor_says_how_a_picture_lies(tmp_path: Path) -> None:
    words = {
        2: "64x48 (mirrored)",
        3: "64x48 (turned by 180°)",
        6: "64x48 (turned by 270°)",
        7: "64x48 (mirrored and turned by 270°)",
    }
    for orientation, said in words.items():
        assert said in probe(config(turned_video(tmp_path / f"{orientation}.mp4", orientation))).detail


@given(st.integers(1, 8))
def test_the_two_ways_of_writing_it_agree(orientation: int) -> None:
    a, b, c, d = MATRICES[orientation]
    assert of_matrix(struct.pack("=9i", a << 16, b << 16, 0, c << 16, d << 16, 0, 0, 0, 1 << 30)) == of_exif(
        orientation
    )
    image = upright(4, 6)
    assert np.array_equal(of_exif(orientation).apply(np.ascontiguousarray(STORED[orientation](image))), image)


@given(st.integers(1, 8), st.integers(1, 1 << 20), st.integers(1, 1 << 20))
def test_a_matrix_that_scales_keeps_its_orientation(orientation: int, across: int, down: int) -> None:
    a, b, c, d = MATRICES[orientation]
    matrix = struct.pack("=9i", a * across, b * across, 0, c * down, d * down, 0, 0, 0, 1 << 30)
    assert of_matrix(matrix) == of_exif(orientation)


@pytest.mark.parametrize("matrix", [(46341, 46341, -46341, 46341), (0, 0, 0, 0), (65536, 0, 0, 0)])
def test_an_angle_between_is_left_as_it_is(matrix: tuple[int, int, int, int]) -> None:
    a, b, c, d = matrix
    assert of_matrix(struct.pack("=9i", a, b, 0, c, d, 0, 0, 0, 1 << 30)) is None


@given(st.integers())
def test_other_exif_values_are_upright(value: int) -> None:
    assert of_exif(value) == Orientation() or 2 <= value <= 8


HEADS = [b"", b"\xff\xd8\xff\xe1\0\x20Exif\0\0II*\0", b"\x89PNG\r\n\x1a\n", b"RIFF1234WEBP", b"MM\0*"]


@given(st.binary(max_size=300), st.sampled_from(HEADS))
def test_broken_exif_is_no_error(noise: bytes, head: bytes) -> None:
    class Frame:
        rotation = 0

        @property
        def side_data(self) -> object:
            raise ValueError("31 is not a valid Type")

    assert orientation_of(Frame(), head + noise).degrees % 180 == 0


def test_a_plain_video_is_given_as_it_is(tmp_path: Path) -> None:
    frame = next(iter(open_source(config(encode(tmp_path / "a.mp4", 1)), 0)))
    assert frame.picture.orientation == Orientation()  # type: ignore[attr-defined]
