"""A clip: packets as they came, in a container of their own. Nothing is encoded anew."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Any

import av
import av.error

from countline.types import ClipForm

__all__ = ["CutFile", "form_of"]

_MP4 = frozenset({"av1", "h264", "hevc", "mpeg4", "vp9"})
"""What browsers and players take in MP4; the rest goes into Matroska."""
_IN_BAND = frozenset({"h264", "hevc"})
"""Whose parameter sets may stand in the stream alone. Then only a transport stream can be begun with its first packet."""
_FORMS = {
    "mp4": ClipForm("mp4", "video/mp4"),
    "matroska": ClipForm("mkv", "video/x-matroska"),
    "mpegts": ClipForm("ts", "video/mp2t"),
}
_FORMATS = {form.extension: name for name, form in _FORMS.items()}


def form_of(stream: Any) -> ClipForm:
    """What clips of an open stream are."""
    context = stream.codec_context
    codec = context.codec.canonical_name
    if codec in _IN_BAND and not context.extradata:
        return _FORMS["mpegts"]
    return _FORMS["mp4" if codec in _MP4 else "matroska"]


class CutFile:
    """See :class:`countline.types.CutPackets`."""

    def __init__(self, packets: Sequence[Any], template: Any, form: ClipForm, short: str) -> None:
        self._packets, self._template, self._form = packets, template, form
        self.short = short

    @property
    def size(self) -> int:
        return sum(packet.size for packet in self._packets)

    def write(self) -> bytes:
        """The file, whose time begins at 0. Raises ValueError."""
        if not self._packets:
            raise ValueError("there is nothing of it")
        target = io.BytesIO()
        try:
            with av.open(target, "w", format=_FORMATS[self._form.extension]) as container:
                stream = container.add_stream_from_template(self._template)
                base, last = _first(self._packets), -1
                for packet in self._packets:
                    # A copy: several clips may need the same packet, and the muxer changes what it is given.
                    copy: Any = av.Packet(bytes(packet))
                    dts = packet.dts if packet.dts is not None else packet.pts
                    dts = last + 1 if dts is None else max(dts - base, last + 1)
                    copy.dts = last = dts
                    copy.pts = dts if packet.pts is None else max(packet.pts - base, dts)
                    copy.duration, copy.time_base = packet.duration, packet.time_base
                    copy.is_keyframe = packet.is_keyframe
                    copy.stream = stream
                    container.mux(copy)
        except av.error.FFmpegError as error:
            raise ValueError(f"cannot be written as {self._form.extension}: {error}") from None
        return target.getvalue()


def _first(packets: Sequence[Any]) -> int:
    first = packets[0]
    return int(first.dts if first.dts is not None else first.pts or 0)
