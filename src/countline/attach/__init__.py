"""What attachments need from the outside world: a JPEG encoder and a folder."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from countline.errors import MissingExtra
from countline.private_files import make_folder, open_private

__all__ = ["encode_image", "store"]


def encode_image(picture: Any, max_side: int, quality: int) -> bytes:
    """JPEG of a BGR picture (h, w, 3) uint8, scaled down so that its longest side is at most ``max_side`` pixels.

    Raises MissingExtra without OpenCV (extra [view]), ValueError for a picture that cannot be encoded."""
    try:
        import cv2
    except ImportError:
        raise MissingExtra("opencv-python-headless", "view", what_for="attaching pictures to messages") from None
    height, width = picture.shape[:2]
    scale = max_side / max(height, width)
    if scale < 1:
        size = (max(1, round(width * scale)), max(1, round(height * scale)))
        picture = cv2.resize(picture, size, interpolation=cv2.INTER_AREA)
    done, data = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, quality])
    if not done:
        raise ValueError(f"a picture of {width}x{height} pixels cannot be encoded as JPEG")
    return bytes(data)


def store(folder: str, name: str, data: bytes) -> None:
    """Write ``folder/name`` so that a reader sees the whole file or none; folders are made. Raises OSError."""
    path = Path(folder) / name
    make_folder(path.parent)
    part = path.with_name(f".{path.name}.part")
    with open_private(part, "wb") as file:
        file.write(data)
    os.replace(part, path)
