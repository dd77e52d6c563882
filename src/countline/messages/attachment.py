"""Pictures that go with messages. Pure: the JPEG encoder and the store are handed in."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable
from typing import Any

from countline.config.messages import AttachConfig
from countline.messages.scope import Scope
from countline.messages.time import rfc3339
from countline.types import Frame

__all__ = ["Attacher"]

_LEAST_QUALITY = 30
_LEAST_SIDE = 16


class Attacher:
    """Makes the ``{attachment}`` of a message: base64 text or a URL; None where there are no pixels (replay, DeepStream
    probe), the box lies outside the picture, or nothing small enough can be made.

    Parameters
    ----------
    encode: (BGR picture (h, w, 3) uint8, longest side in pixels, quality 1-100) -> JPEG.
    store: (folder, relative name, content), writes a file; only for ``as: file``.
    """

    def __init__(
        self,
        config: AttachConfig,
        encode: Callable[[Any, int, int], bytes],
        store: Callable[[str, str, bytes], None] | None,
    ) -> None:
        self.config = config
        self.made = 0
        self.too_large = 0
        """Pictures left out because they do not fit into ``max_bytes``."""
        self._encode = encode
        self._store = store

    def __call__(self, scope: Scope, frame: Frame | None) -> str | None:
        """The attachment for this scope's event and frame. Raises what the store raises (OSError)."""
        if frame is None:
            return None
        picture: Any = frame.image
        if self.config.what == "crop":
            picture = self._crop(picture, scope.event.box)
        if picture is None:
            return None
        data = self._fit(picture)
        if data is None:
            self.too_large += 1
            return None
        self.made += 1
        if self._store is None or self.config.folder is None:
            return b64encode(data).decode()
        name = f"{rfc3339(scope.info.time)[:10]}/{scope.id}.jpg"
        self._store(self.config.folder, name, data)
        base = self.config.folder if self.config.url is None else self.config.url
        return f"{base.rstrip('/')}/{name}"

    def _crop(self, picture: Any, box: tuple[float, float, float, float] | None) -> Any:
        if box is None:
            return None
        height, width = picture.shape[:2]
        left, top, right, bottom = box
        dx, dy = (right - left) * self.config.margin, (bottom - top) * self.config.margin
        x0, x1 = max(0, int(left - dx)), min(width, int(right + dx + 1))
        y0, y1 = max(0, int(top - dy)), min(height, int(bottom + dy + 1))
        return picture[y0:y1, x0:x1] if x1 > x0 and y1 > y0 else None

    def _fit(self, picture: Any) -> bytes | None:
        """JPEG of at most ``max_bytes``: quality is lowered first, then the size."""
        side = min(self.config.max_side, max(picture.shape[:2]))
        quality = self.config.quality
        while True:
            data = self._encode(picture, side, quality)
            if len(data) <= self.config.max_bytes:
                return data
            if quality > _LEAST_QUALITY:
                quality = max(_LEAST_QUALITY, quality - 15)
            elif side > _LEAST_SIDE:
                side = max(_LEAST_SIDE, side * 7 // 10)
            else:
                return None
