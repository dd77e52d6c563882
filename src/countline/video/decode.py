"""Packets to frames, with an account of each one that is left out."""

from __future__ import annotations

import struct
import time
from collections import Counter, deque
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Literal

import av
import av.error

from countline.video.clock import to_ns
from countline.video.orientation import UPRIGHT, Orientation, Orientations
from countline.video.ring import Mark, Ring
from countline.video.shed import Shed

__all__ = [
    "DAMAGED_PACKET", "DAMAGED_PICTURE", "INCOMPLETE", "MOST_ERRORS", "NO_PICTURE", "UNDECODABLE", "UNREADABLE",
    "Decoded", "Decoding", "jpeg_is_complete",
]  # fmt: skip

MOST_ERRORS = 1000
"""Broken packets in a row after which an input counts as not readable at all."""

DAMAGED_PACKET = "damaged-packet"
"""The container says that a part of it was lost on the way; its frame is left out."""
DAMAGED_PICTURE = "damaged-picture"
"""The decoder had to make up a part of it."""
UNDECODABLE = "undecodable"
"""The decoder refused the packet."""
UNREADABLE = "unreadable"
"""The container broke off or is broken at that place."""
INCOMPLETE = "incomplete"
"""A JPEG without its end, where others of the stream have one."""
NO_PICTURE = "no-picture"
"""The decoder took the packet and gave no picture for it, for want of an earlier one (before the first key frame), or
because damaged ones stood at the very end."""

_ONE_PICTURE_EACH = frozenset({"ffv1", "h264", "hevc", "libdav1d", "mjpeg", "mpeg1video", "mpeg2video", "png"})
"""Decoders that give one picture for each packet; only of H.264 two packets may be the fields of one picture."""
_WITH_EXIF = frozenset({"mjpeg", "png", "tiff", "webp"})
_HEAD = 64 * 1024
_REORDERING = 16
"""Most frames that a decoder holds back."""
_REORDERED = frozenset({"h264", "hevc"})
"""Codecs whose pictures FFmpeg cannot put in order without the container's help."""
_SPLIT = frozenset({"concat", "hls", "mpeg", "mpegts"})
_TRANSPORT_CLOCK = Fraction(1, 90_000)


@dataclass(slots=True)
class Decoded:
    """A decoded frame; ``pts`` in ns by the container's own time stamps; ``sent`` the sender's wall clock in ns since the
    Unix epoch, where it told it."""

    frame: av.VideoFrame
    pts: int | None
    sent: int | None = None
    orientation: Orientation = UPRIGHT
    interlaced: bool = False
    """The decoder gave two fields of different moments in one picture."""
    mark: Mark | None = None
    """Its place among the packets that are remembered."""
    key: int = 0
    """How many that need no other had come, where it is one of them; else 0."""


@dataclass(slots=True, eq=False)
class _Tag:
    """What is known of a packet and not of its frame; goes through the decoder with it, whatever the order."""

    damaged: bool = False
    sent: int | None = None
    coded: bytes = b""


class Decoding:
    """Decodes one stream of an open container.

    Packets that cannot be decoded are counted in ``lost`` and passed over, and so are frames that demuxer or decoder mark
    as damaged: what it paints over a gap looks like moving objects, while a tracker bridges a missing frame.
    """

    def __init__(self, container: Any, stream: Any, *, live: bool = False) -> None:
        self.lost: Counter[str] = Counter()
        self.packets = 0
        self.keys = 0
        """Pictures that need no other."""
        self.skipped = 0
        """Pictures that the decoder passed over, as it was set to."""
        self.mode: Shed = "DEFAULT"
        """What the decoder is to pass over; set from outside."""
        self._mode: Shed = "DEFAULT"
        self._skip: Shed | Literal["ALL"] = "DEFAULT"
        """What the decoder was told."""
        self.rest: int | None = None
        """Pictures before this time (ns, by the container's stamps) are passed over, key frames, too, and so are others until a key
        frame comes; set from outside."""
        self.resting = False
        self.vanished = 0
        self._pictures = 0
        self._shown = 0
        self._behind: int | None = None
        self._unsure = 0
        """Frames after a change of ``mode`` before which others may have been passed over."""
        self._last: int | None = None
        self._key: int | None = None
        """PTS of the last key frame, in the container's ticks."""
        self.heard = time.monotonic()
        self.waited = 0.0
        self._live = live and container.format.name != "hls"  # over TCP nothing is lost on the way
        self._told = live
        """Whether the sender may tell its wall clock."""
        self._late = container.format.name in _SPLIT and stream.time_base == _TRANSPORT_CLOCK
        self._container = container
        self._stream = stream
        self._context = stream.codec_context
        self._context.copy_opaque = True
        self._stamps: deque[int | None] | None = None
        if container.format.name == "avi" and self._context.name in _REORDERED:
            self._stamps = deque()
        self._orientations = Orientations()
        self._exif = self._context.name in _WITH_EXIF
        self._jpeg = self._context.name == "mjpeg"
        self.ring: Ring | None = None
        """Takes each packet, for clips."""
        self._sent = 0
        """Packets from which a picture is to be expected."""
        self._seen = 0
        """Pictures that came, and packets that are counted in ``lost`` and gave none."""
        self._paired = False
        self._ends = False  # JPEGs of this stream have an end mark; those of some recorders have none
        self._failures = 0

    def frames(self) -> Iterator[Decoded]:
        """Frames in the order of presentation. Raises av.FFmpegError when the input broke off."""
        for packet, damaged in self._judged(self._packets()):
            yield from self._decode(packet, damaged)
        self._settle()

    def _packets(self) -> Iterator[Any]:
        packets = self._container.demux(self._stream)
        while True:
            began = time.monotonic()
            try:
                packet = next(packets)
            except StopIteration:
                return
            except av.error.InvalidDataError:
                self._failed(UNREADABLE)
                packets = self._container.demux(self._stream)
                continue
            if packet.size:
                self.packets += 1
                self.heard = time.monotonic()
                self.waited += self.heard - began
                if self.ring is not None:
                    self.ring.add(packet)
            yield packet

    def _judged(self, packets: Iterator[Any]) -> Iterator[tuple[Any, bool]]:
        """Packets, and whether a part of each was lost on the way.

        Where FFmpeg has to split a byte stream into pictures, it hands out a picture when the next one's bytes come, with
        that one's mark: then the mark belongs to the packet after the marked one. And where transport streams were
        joined end to end, it takes the seam for a loss, though nothing is missing: there the clock steps back, or (in a
        file) a key frame follows.
        """
        before = False
        for packet in packets:
            if not self._late:
                yield packet, packet.is_corrupt
                continue
            damaged, before = before, packet.is_corrupt
            if not damaged or not packet.size:
                yield packet, False
                continue
            following = next(packets, None)
            yield packet, following is None or not self._seam(packet, following)
            if following is not None:
                before, also = following.is_corrupt, before
                yield following, also

    def _seam(self, packet: Any, following: Any) -> bool:
        if following.dts is not None and packet.dts is not None and following.dts < packet.dts:
            return True
        return bool(following.is_keyframe) and not self._live

    def _decode(self, packet: Any, damaged: bool) -> Iterator[Decoded]:
        if packet.size:
            self._rest(packet)
            self._note(packet, damaged)
        mode: Shed | Literal["ALL"] = "ALL" if self.resting else self.mode
        # Pictures after those that were passed over refer to them; only from a key frame on are they whole again.
        if mode != self._skip and (self._skip not in ("NONKEY", "ALL") or mode == "ALL" or packet.is_keyframe):
            self._skip = self._context.skip_frame = mode
        if self._skip != "ALL" and self._mode != self._skip:
            self._mode, self._unsure = self._skip, _REORDERING
        if packet.size and self._needless(packet):
            return
        try:
            frames = packet.decode()
        except av.error.EOFError:
            return
        except (av.error.InvalidDataError, ValueError, av.error.PatchWelcomeError, OSError):
            self._failed(UNDECODABLE)
            self._seen += 1
            self._stamp(None)
            return
        for frame in frames:
            self._failures = 0
            self._seen += 1
            stamp = self._stamp(frame.pts)
            interlaced = frame.interlaced_frame
            self._paired = self._paired or (interlaced and self._context.name == "h264")
            tag = frame.opaque
            if tag is None:
                tag = _NOTHING
            if tag.damaged:  # counted when its packet came
                self._seen -= 1
                continue
            if frame.is_corrupt:
                self.lost[DAMAGED_PICTURE] += 1
                continue
            self._count_vanished()
            pts = to_ns(stamp, frame.time_base)
            mark = self.ring.mark(pts) if self.ring is not None else None
            upright = self._orientations.of(frame, tag.coded)
            yield Decoded(frame, pts, tag.sent, upright, interlaced, mark, self.keys if frame.key_frame else 0)

    def _needless(self, packet: Any) -> bool:
        """The decoder would pass over it. That alone takes the interpreter from other threads three times, and back. Not where it still
        holds pictures that come out when others go in."""
        if packet.is_keyframe:
            self._key = packet.pts
        rest = packet.pts is None or packet.pts != self._key  # RTP brings a picture in several packets
        passed = self._skip == "ALL" or (self._skip == "NONKEY" and not packet.is_keyframe and rest)
        return passed and not self._context.has_b_frames

    def _rest(self, packet: Any) -> None:
        """Whether pictures are passed over from this packet on. Only where pictures come in the order of presentation: of others,
        some before a key frame come behind it."""
        # A packet's time base is a fraction that is made when it is asked for: only where it is needed.
        stamp = None if self.rest is None else to_ns(packet.pts, packet.time_base)
        if stamp is None or self.rest is None or stamp >= self.rest:
            if packet.is_keyframe:
                self.resting, self.rest = False, None
        elif not self._context.has_b_frames:
            self.resting = True

    def _count_vanished(self) -> None:
        """Pictures of which packets came and that were never shown, since the first one that was."""
        self._shown += 1
        if self._behind is None:  # before a key frame there is nothing to show
            self._behind = self._pictures - self._shown
        if self._mode != "DEFAULT" or self._unsure:  # nobody knows how many were passed over
            self._unsure = max(self._unsure - 1, 0)
            behind = self._pictures - self._shown - self.vanished
            self.skipped += max(behind - self._behind, 0)
            self._behind = behind
        elif not self._paired:
            self.vanished = max(self.vanished, self._pictures - self._shown - self._behind)

    def _note(self, packet: Any, damaged: bool) -> None:
        """That a part of it was lost on the way (transport streams); with RTSP the sender's wall clock, which FFmpeg
        computes from RTCP sender reports; and where EXIF may stand."""
        self._sent += not packet.is_discard
        if packet.pts is None or packet.pts != self._last:  # RTP brings a picture in several packets
            self._pictures += 1
            self.keys += bool(packet.is_keyframe)
            if self.resting:
                self.skipped += 1
                self._behind = None if self._behind is None else self._behind + 1
            self._last = packet.pts
        if self._stamps is not None:
            self._stamps.append(packet.pts)
        reason, sent = DAMAGED_PACKET if damaged else "", _sent(packet) if self._told else None
        if self._jpeg and not reason:
            ends = jpeg_is_complete(bytes(packet))
            reason = INCOMPLETE if self._ends and not ends else ""
            self._ends = self._ends or ends
        damaged = bool(reason)
        if damaged:
            self.lost[reason] += 1
            self._seen += 1
        if damaged or sent is not None or self._exif:
            packet.opaque = _Tag(damaged, sent, bytes(memoryview(packet)[:_HEAD]) if self._exif else b"")

    def _stamp(self, own: int | None) -> int | None:
        """PTS of the next frame. AVI numbers its packets and does not say when each is shown; frames come out in their
        order, so the next frame has the next number."""
        if self._stamps:
            return self._stamps.popleft()
        return own

    def _failed(self, reason: str) -> None:
        self.lost[reason] += 1
        self._failures += 1
        if self._failures > MOST_ERRORS:
            raise av.error.InvalidDataError(0, f"{MOST_ERRORS} broken packets in a row")

    def _settle(self) -> None:
        """At the end: packets of which nothing was heard."""
        missing = self._sent - self._seen - self.skipped
        if missing > 0 and not self._paired and self._context.name in _ONE_PICTURE_EACH and missing * 2 < self._sent:
            self.lost[NO_PICTURE] += missing


_NOTHING = _Tag()


def jpeg_is_complete(data: bytes) -> bool:
    """False for a JPEG that breaks off: decoders paint the missing part grey and say nothing. True for all else."""
    if data[:2] != b"\xff\xd8":
        return True
    place = 2
    # Over the segments, whose content may hold a small JPEG of its own, to the picture.
    while data[place : place + 1] == b"\xff" and place + 4 <= len(data):
        mark, size = data[place + 1], int.from_bytes(data[place + 2 : place + 4], "big")
        if mark == 0xFF:  # fill byte
            place += 1
            continue
        place += 2 + size
        if mark == 0xDA:
            return data.find(b"\xff\xd9", place) >= 0
    return data.find(b"\xff\xd9", place) >= 0


def _sent(packet: Any) -> int | None:
    if packet.pts is None:
        return None
    try:
        if packet.has_sidedata("prft"):
            (micros,) = struct.unpack_from("<q", bytes(packet.get_sidedata("prft")))
            return int(micros) * 1000
    except (ValueError, KeyError):  # a PyAV that does not know this side data
        pass
    return None
