"""Clips that go with messages: the message names it at once, and it is delivered when its end is there. Pure: what cuts is handed in."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Protocol

from countline.config.attach import AttachConfig
from countline.messages.attachment import Attached, ObjectPlace
from countline.messages.scope import Scope
from countline.messages.time import rfc3339
from countline.types import Frame, Message

__all__ = ["ClipAttacher", "ClipMaker", "ClipOrder"]


class ClipOrder(Protocol):
    """What becomes of a clip."""

    @property
    def name(self) -> str:
        """What it is called in the log."""
        ...

    def deliver(self, data: bytes) -> Message | None:
        """Put the finished file where it belongs: written where that is a folder, else as a message for the outbox. Raises OSError."""
        ...


class ClipMaker(Protocol):
    """Cuts clips from what sources remember."""

    def want(self, sources: Sequence[str], before: float, max_bytes: int) -> None:
        """These sources are to remember so many seconds, and so many bytes at most."""
        ...

    def begin(self, frame: Frame, before: float, after: float, order: ClipOrder) -> None:
        """Cut one round this frame."""
        ...

    def impossible(self, frame: Frame) -> None:
        """None can be cut round this frame: count it."""
        ...


class _Order:
    def __init__(self, message: Message, url: str, store: Callable[[bytes], None] | None) -> None:
        self._message, self.name, self._store = message, url, store

    def deliver(self, data: bytes) -> Message | None:
        if self._store is None:
            return replace(self._message, value=data)
        self._store(data)
        return None


class ClipAttacher:
    """Orders the clip of a message and gives its URL; None where there is no video (replay, DeepStream probe, folders of images) or no key
    frame yet.

    Parameters
    ----------
    clips: cuts them.
    store: (folder, relative name, content), writes a file; where clips go into a folder.
    place: where they become objects, else.
    definition: name of the message definition.
    sources: names of the sources that they may be of.
    """

    def __init__(
        self,
        config: AttachConfig,
        clips: ClipMaker,
        store: Callable[[str, str, bytes], None] | None,
        place: ObjectPlace | None,
        definition: str,
        sources: Sequence[str],
    ) -> None:
        self.config = config
        self._clips, self._store, self._place, self._definition = clips, store, place, definition
        clips.want(sources, config.before, config.clip_bytes)

    def __call__(self, scope: Scope, frame: Frame | None) -> Attached | None:
        """The clip for this scope's frame."""
        if frame is None:
            return None
        form = frame.mark.form() if frame.mark is not None else None
        if form is None:
            self._clips.impossible(frame)
            return None
        message = Message(
            scope.id,
            b"",
            time=scope.info.time,
            definition=self._definition,
            source=scope.source.name,
            content_type=form.content_type,
            outputs=() if self._place is None else (self._place.output,),
        )
        url, store = self._where(message, form.extension)
        order = _Order(message, url, store)
        return Attached(url, None, lambda: self._clips.begin(frame, self.config.before, self.config.after, order))

    def _where(self, message: Message, extension: str) -> tuple[str, Callable[[bytes], None] | None]:
        """The URL of a clip, and what writes it where it is a file."""
        if self._place is not None:
            return self._place.url(message, self.config.url), None
        folder, store = self.config.folder, self._store
        assert folder is not None
        assert store is not None
        name = f"{rfc3339(message.time)[:10]}/{message.id}.{extension}"
        base = folder if self.config.url is None else self.config.url
        return f"{base.rstrip('/')}/{name}", lambda data: store(folder, name, data)
