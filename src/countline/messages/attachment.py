"""Pictures that go with messages. Pure: the JPEG encoder and the store are handed in."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable
from typing import Any, NamedTuple

from countline.config.messages import AttachConfig
from countline.messages.scope import Scope
from countline.messages.time import rfc3339
from countline.types import Frame, Message

__all__ = ["Attached", "Attacher", "ObjectPlace"]

_LEAST_QUALITY = 30
_LEAST_SIDE = 16


class ObjectPlace(NamedTuple):
    """An output that holds objects."""

    output: str
    """Its name."""
    url: Callable[[Message, str | None], str]
    """(picture, what stands before the object's name instead of the store's own address) -> its URL."""


class Attached(NamedTuple):
    """What became of a picture."""

    text: str
    """For the message: base64, or a URL."""
    picture: Message | None = None
    """With ``as: object``: the picture as a message of its own, for the output that holds objects and no other."""
    begin: Callable[[], None] | None = None
    """With ``as: clip``: to be called once it is certain that a message names it."""


class Attacher:
    """Makes the picture of a message: base64 text or a URL; None where there are no pixels (replay, DeepStream
    probe), the box lies outside the picture, or nothing small enough can be made.

    Parameters
    ----------
    encode: (BGR picture (h, w, 3) uint8, longest side in pixels, quality 1-100) -> JPEG.
    store: (folder, relative name, content), writes a file; only for ``as: file``.
    place: where pictures become objects; only for ``as: object``.
    definition: name of the message definition.
    """

    def __init__(
        self,
        config: AttachConfig,
        encode: Callable[[Any, int, int], bytes],
        store: Callable[[str, str, bytes], None] | None = None,
        place: ObjectPlace | None = None,
        definition: str = "",
    ) -> None:
        self.config = config
        self.made = 0
        self.too_large = 0
        """Pictures left out because they do not fit into ``max_bytes``."""
        self._encode = encode
        self._store = store
        self._place = place
        self._definition = definition

    def __call__(self, scope: Scope, frame: Frame | None) -> Attached | None:
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
        if self._place is not None:
            return self._object(self._place, scope, data)
        if self._store is None or self.config.folder is None:
            return Attached(b64encode(data).decode())
        name = f"{rfc3339(scope.info.time)[:10]}/{scope.id}.jpg"
        self._store(self.config.folder, name, data)
        base = self.config.folder if self.config.url is None else self.config.url
        return Attached(f"{base.rstrip('/')}/{name}")

    def _object(self, place: ObjectPlace, scope: Scope, data: bytes) -> Attached:
        """The picture has the id of the message that names it, so that its object is the same one on every run."""
        picture = Message(
            scope.id,
            data,
            time=scope.info.time,
            definition=self._definition,
            source=scope.source.name,
            content_type="image/jpeg",
            outputs=(place.output,),
        )
        return Attached(place.url(picture, self.config.url), picture)

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
