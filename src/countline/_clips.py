"""What a frame knows of the encoded video around it. Re-exported by ``countline.types`` and
``countline.protocols``."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from countline._frames import SourceInfo

__all__ = ["ClipForm", "CutPackets", "FrameMark", "RememberingSource"]


@dataclass(frozen=True, slots=True)
class ClipForm:
    """What the file of a clip is."""

    extension: str
    """mp4, mkv or ts: by the codec."""
    content_type: str


class CutPackets(Protocol):
    """Encoded video from some seconds before a frame to some seconds after it."""

    short: str
    """Why less is there than was asked for; empty if all is: 'begin' (the connection or file began later, or there was no key frame),
    'end' (it ended before), 'bytes' (it would have taken more memory than it may)."""

    @property
    def size(self) -> int:
        """Bytes of the packets."""
        ...

    def write(self) -> bytes:
        """The file. Raises ValueError where its container cannot hold it."""
        ...


class FrameMark(Protocol):
    """Where a frame lies among the packets of its source that are remembered; keeps them as long as it lives."""

    def form(self) -> ClipForm | None:
        """What a clip round this frame will be; None where none can be cut: there is no key frame before it."""
        ...

    def cut(self, before: float, after: float, done: Callable[[CutPackets], None]) -> Callable[[], None]:
        """Have ``done`` called once, from any thread, when the packets ``after`` seconds behind the frame are there, or it is known that
        they will not come. Returns what ends the wait at once."""
        ...


@runtime_checkable
class RememberingSource(Protocol):
    """What a source offers besides if clips can be cut from it: its frames have a :class:`FrameMark`."""

    info: SourceInfo

    def remember(self, seconds: float, max_bytes: int) -> None:
        """Keep the encoded video of so many seconds before each frame, from the next packet on, in at most so many bytes; none if that
        is 0. From any thread."""
        ...
