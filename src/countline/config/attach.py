"""What a user can say of pictures and clips that go with messages."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from pydantic import ConfigDict, Field, model_validator

from countline.config.base import Model
from countline.config.faults import ConfigFault

__all__ = ["AttachConfig"]


class AttachConfig(Model):
    """A picture or a clip that goes with the message; the template names it ``{attachment}``."""

    what: Literal["crop", "snapshot"] = "crop"
    """crop: the object of the event; snapshot: the whole picture."""
    as_: Literal["base64", "file", "object", "clip"] = Field(default="base64", alias="as")
    """base64: in the message; file: written to ``folder``; object: put into an object store, as a message of its own that
    waits in the outbox; clip: some seconds of the video as it came, to ``folder`` where that is set, else into an object store.
    With file, object and clip the message carries the URL."""
    before: float = Field(default=5.0, ge=0, le=120)
    """With clip: seconds before the frame; the clip begins at the last key frame up to there."""
    after: float = Field(default=5.0, ge=0, le=120)
    """With clip: seconds behind the frame."""
    output: str | None = None
    """With object and clip: name of the output (``object_store``) that the picture goes to; may be left out where there is one only."""
    folder: str | None = None
    """Folder for files and clips; made if absent. Files lie in one folder a day: ``<folder>/2026-11-22/<message id>.jpg``."""
    url: str | None = None
    """What stands in the message before ``2026-11-22/<message id>.jpg``; the folder, or the store's own URL, unless set."""
    margin: float = Field(default=0.1, ge=0, le=5)
    """Border around a crop, as a part of the box's width and height."""
    max_side: int = Field(default=640, ge=16)
    """Longest side in pixels; larger pictures are scaled down."""
    max_bytes: int = Field(default=200_000, ge=1000)
    """Largest JPEG; quality, then size are lowered until it fits. With clip, where it is 8,000,000 unless set: the most bytes of a source's
    video that are kept in memory, and so in a clip; what does not fit is left out at its beginning or its end."""
    quality: int = Field(default=85, ge=1, le=100)
    """JPEG quality to begin with."""

    model_config = ConfigDict(populate_by_name=True)

    @model_validator(mode="after")
    def _folder(self) -> AttachConfig:
        if self.as_ == "file" and not self.folder:
            raise ConfigFault("attachments as files need a folder", fix="add e.g. folder: snapshots")
        for word, wanted in (("folder", "file"), ("output", "object")):
            if getattr(self, word) is not None and self.as_ not in (wanted, "clip"):
                raise ConfigFault(f"'{word}' is for attachments as: {wanted}", fix=f"write as: {wanted}", loc=(word,))
        if self.folder is not None and self.output is not None:
            raise ConfigFault("'folder' and 'output' exclude each other", fix="keep one of them", loc=("output",))
        of_pictures, of_clips = ("what", "margin", "max_side", "quality"), ("before", "after")
        for word in of_pictures if self.as_ == "clip" else of_clips:
            if word in self.model_fields_set:
                kind = "pictures" if self.as_ == "clip" else "clips (as: clip)"
                raise ConfigFault(f"'{word}' is for {kind}", fix="leave it out", loc=(word,))
        return self

    @property
    def crops(self) -> bool:
        """Whether it shows the object of an event."""
        return self.as_ != "clip" and self.what == "crop"

    @property
    def stored(self) -> bool:
        """Whether it goes into an object store."""
        return self.as_ == "object" or (self.as_ == "clip" and self.folder is None)

    @property
    def clip_bytes(self) -> int:
        """Most bytes of a clip."""
        return self.max_bytes if "max_bytes" in self.model_fields_set else 8_000_000

    def no_store(self, stores: Sequence[str], known: Sequence[str]) -> tuple[str, str] | None:
        """What is wrong with ``output`` and what to do, or None. ``stores``: names of the outputs that hold objects, among
        all that are ``known``."""
        if not self.stored or self.output in stores or (self.output is None and len(stores) == 1):
            return None
        if not stores:
            fix = "add an output, e.g. `- object_store: {url: s3://bucket/pictures}`"
        else:
            fix = f"write output: {stores[0]}" + (f"; others are {', '.join(stores[1:])}" if stores[1:] else "")
        if self.output is None:
            reason = (
                "there is no output that holds objects" if not stores else "there are several outputs that hold objects"
            )
        elif self.output in known:
            reason = f"the output '{self.output}' cannot hold pictures, only an object_store can"
        else:
            reason = f"there is no output '{self.output}'"
        return f"the pictures have no place: {reason}", fix

    def store_of(self, stores: Sequence[str]) -> str:
        """The output that pictures go to, of those that hold objects; as :meth:`no_store` has found it to be right."""
        return self.output if self.output is not None else stores[0]
