"""Clips as RTP packets, by FFmpeg's own muxer: each write callback of PyAV is one RTP or RTCP packet."""

from __future__ import annotations

import base64
import struct
from fractions import Fraction

import av


def _text(data: bytes) -> str:
    return base64.b64encode(data).decode()


class Clip:
    """Packets of a file of one stream, and how RTSP describes them."""

    def __init__(self, path: str, fps: float | None):
        self.path = path
        self.container = av.open(path)
        kind = "audio" if path.endswith((".wav",)) else "video"
        self.kind = kind
        self.stream = next(s for s in self.container.streams if s.type == kind)
        self.codec = self.stream.codec_context.name
        self.packets = []  # (seconds dts, seconds pts, key, bytes)
        for i, p in enumerate(self.container.demux(self.stream)):
            if not p.size:
                continue
            if path.endswith((".h264", ".h265")) or p.pts is None:
                d = q = i / (fps or 25)
            else:
                d, q = float(p.dts * p.time_base), float(p.pts * p.time_base)
            self.packets.append((d, q, p.is_keyframe, bytes(p)))
        first = self.packets[0][0]
        step = 1 / fps if fps else (self.packets[1][0] - first)
        self.length = self.packets[-1][0] - first + step
        self.width, self.height = (
            (self.stream.codec_context.width, self.stream.codec_context.height) if kind == "video" else (0, 0)
        )

    def params(self):
        """Parameter sets for the SDP."""
        data = self.packets[0][3]
        ex = bytes(self.stream.codec_context.extradata or b"")
        nals = annexb(data) if data[:3] in (b"\0\0\1",) or data[:4] == b"\0\0\0\1" else []
        nals += annexb(ex)
        if ex[:1] == b"\1" and self.codec == "h264":
            n, pos = ex[5] & 31, 6
            for _ in range(n):
                (size,) = struct.unpack(">H", ex[pos : pos + 2])
                nals.append(ex[pos + 2 : pos + 2 + size])
                pos += 2 + size
            n = ex[pos]
            pos += 1
            for _ in range(n):
                (size,) = struct.unpack(">H", ex[pos : pos + 2])
                nals.append(ex[pos + 2 : pos + 2 + size])
                pos += 2 + size
        return nals

    def sdp(self, port: int = 0, pt: int = 96) -> str:
        if self.kind == "audio":
            return "m=audio 0 RTP/AVP 0\r\na=rtpmap:0 PCMU/8000\r\n"
        if self.codec == "mjpeg":
            return "m=video 0 RTP/AVP 26\r\na=rtpmap:26 JPEG/90000\r\n"
        nals = self.params()
        if self.codec == "h264":
            sps = next(n for n in nals if n[0] & 31 == 7)
            pps = next(n for n in nals if n[0] & 31 == 8)
            return (
                f"m=video 0 RTP/AVP {pt}\r\na=rtpmap:{pt} H264/90000\r\na=fmtp:{pt} packetization-mode=1; "
                f"sprop-parameter-sets={_text(sps)},{_text(pps)}; profile-level-id={sps[1:4].hex().upper()}\r\n"
            )
        v, s, p = (next(n for n in nals if (n[0] >> 1) & 63 == k) for k in (32, 33, 34))
        return (
            f"m=video 0 RTP/AVP {pt}\r\na=rtpmap:{pt} H265/90000\r\na=fmtp:{pt} sprop-vps={_text(v)}; "
            f"sprop-sps={_text(s)}; sprop-pps={_text(p)}\r\n"
        )


def annexb(data: bytes) -> list[bytes]:
    out, i = [], data.find(b"\0\0\1")
    while i >= 0:
        j = data.find(b"\0\0\1", i + 3)
        nal = data[i + 3 : j if j >= 0 else len(data)]
        out.append(nal.rstrip(b"\0") if j >= 0 else nal)
        i = j
    return [n for n in out if n]


class Packer:
    """RTP packets of one elementary stream. SSRC, sequence numbers and base of time stamps go on over ``replace``."""

    def __init__(self, clip: Clip, size: int = 1400):
        self.got: list[bytes] = []
        self.seq = None
        self.ssrc = b""
        self.ts_fix = 0
        self.base_ts = None
        self.replace(clip, size)

    def replace(self, clip: Clip, size: int = 1400):
        self.codec = clip.codec
        pt = {"h264": "96", "hevc": "96", "mjpeg": "26", "pcm_mulaw": "0"}[clip.codec]
        self.out = av.open(
            self,
            "w",
            format="rtp",
            buffer_size=size,
            options={
                "payload_type": pt,
                **(
                    {"ssrc": str(int.from_bytes(self.ssrc, "big", signed=True)), "seq": str((self.seq + 1) & 0xFFFF)}
                    if self.ssrc
                    else {}
                ),
            },
        )
        self.stream = self.out.add_stream_from_template(clip.stream)
        self.base = Fraction(1, 90000) if clip.kind == "video" else Fraction(1, 8000)

    def write(self, data) -> int:
        self.got.append(bytes(data))
        return len(data)

    def pack(self, data: bytes, dts: float, pts: float, key: bool) -> list[bytes]:
        p = av.Packet(data)
        p.time_base = self.base
        p.dts, p.pts = int(dts / self.base), int(pts / self.base)
        p.is_keyframe = key
        p.stream = self.stream
        self.got.clear()
        self.out.mux(p)
        for g in self.got:
            if not 200 <= g[1] <= 204:
                self.seq = struct.unpack(">H", g[2:4])[0]
                self.ssrc = g[8:12]
        return list(self.got)
