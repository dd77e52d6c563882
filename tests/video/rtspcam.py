"""An RTSP camera that can be broken in every way, on PyAV alone (no server to install).

FFmpeg's own RTP muxer packs the packets (H.264, H.265, MJPEG, PCMU, AAC) and makes RTCP sender reports; each write callback
of PyAV is one RTP or RTCP packet. The rest is RTSP in asyncio: OPTIONS DESCRIBE SETUP PLAY TEARDOWN GET_PARAMETER, TCP
interleaved and UDP, Basic and Digest, TLS, redirect.

Each attribute of a Camera is a fault that can be switched on and off while it runs.
"""

from __future__ import annotations

# ruff: noqa: ASYNC110 - settings change from outside, without events
import asyncio
import base64
import hashlib
import os
import random
import socket
import ssl
import struct
import threading
import time
from dataclasses import dataclass, field

from rtp_packets import Clip, Packer


def _md5(text):
    return hashlib.md5(text.encode()).hexdigest()


@dataclass
class Camera:
    clip: Clip
    loop: bool = True
    live: bool = False  # clients join a shared clock in the middle of the clip; else each starts the clip at 0
    frozen: bool = False  # nothing is sent, connection stays
    silent: bool = False  # RTSP requests are not answered either
    loss: float = 0.0  # share of RTP packets left out
    no_key: bool = False  # key frames are left out
    ts_offset: int = 0  # added to RTP time stamps (90 kHz)
    ntp_offset: float = 0.0  # seconds added to the NTP time of sender reports
    no_rtcp: bool = False
    redirect: str = ""
    status: int = 0  # DESCRIBE answers this
    gone: bool = False  # publisher gone: streams are closed (TEARDOWN from the server), DESCRIBE 404
    next_clip: Clip | None = None
    catch_up: bool = False  # after a freeze: send what was missed in a burst (True) or skip it
    rate: float = 0.0  # bytes a second that the link carries; 0: all
    jitter: float = 0.0
    epoch: float = field(default_factory=time.monotonic)
    stats: dict = field(default_factory=lambda: {"describe": 0, "play": 0, "bye": 0, "packets": 0, "401": 0})
    published: dict = field(default_factory=dict)


class Server:
    def __init__(self, cameras: dict[str, Camera], users: dict[str, str] | None = None, digest: bool = True):
        self.cameras, self.users, self.digest = cameras, users, digest
        self.sessions: set[Session] = set()
        self.servers = []
        self.open = 0

    async def start(self, host: str, port: int, tls: ssl.SSLContext | None = None):
        s = await asyncio.start_server(self._client, host, port, ssl=tls, backlog=256)
        self.servers.append(s)
        return s.sockets[0].getsockname()[1]

    async def _client(self, reader, writer):
        s = Session(self, reader, writer)
        self.sessions.add(s)
        try:
            await s.run()
        except (ConnectionError, asyncio.IncompleteReadError, TimeoutError, ssl.SSLError, OSError):
            pass
        finally:
            self.sessions.discard(s)
            s.end()

    def kick(self, path: str | None = None):
        for s in list(self.sessions):
            if path is None or s.path == path:
                s.end()


class Session:
    def __init__(self, server, reader, writer):
        self.server, self.reader, self.writer = server, reader, writer
        self.path = ""
        self.cam: Camera | None = None
        self.task = None
        self.udp = None
        self.channel = 0
        self.id = f"{random.randrange(1 << 32):08x}"
        self.nonce = os.urandom(8).hex()
        self.closed = False

    def end(self):
        if self.closed:
            return
        self.closed = True
        if self.task:
            self.task.cancel()
            if self.cam:
                self.cam.stats["bye"] += 1
        if self.udp:
            for u in self.udp:
                u.close()
        try:
            self.writer.close()
        except Exception:
            pass

    async def run(self):
        while True:
            b = await self.reader.readexactly(1)
            if b == b"$":
                head = await self.reader.readexactly(3)
                await self.reader.readexactly(struct.unpack(">H", head[1:])[0])
                continue
            text = b + await self.reader.readuntil(b"\r\n\r\n")
            lines = text.decode("latin1").split("\r\n")
            try:
                method, url, _ = lines[0].split(" ", 2)
            except ValueError:
                return
            h = {k.strip().lower(): v.strip() for k, _, v in (line.partition(":") for line in lines[1:] if line)}
            if n := int(h.get("content-length", 0)):
                await self.reader.readexactly(n)
            while self.cam and self.cam.silent:
                await asyncio.sleep(0.1)
            if not await self.handle(method, url, h):
                return

    def reply(self, cseq, code=200, body="", **extra):
        why = {
            200: "OK",
            302: "Found",
            401: "Unauthorized",
            404: "Not Found",
            461: "Unsupported Transport",
            503: "Service Unavailable",
        }.get(code, "X")
        out = [f"RTSP/1.0 {code} {why}", f"CSeq: {cseq}", "Server: rtspcam"]
        out += [f"{k.replace('_', '-')}: {v}" for k, v in extra.items()]
        if body:
            out.append(f"Content-Length: {len(body)}")
        self.writer.write(("\r\n".join(out) + "\r\n\r\n" + body).encode())

    def allowed(self, method, url, h) -> bool:
        users = self.server.users
        if users is None:
            return True
        a = h.get("authorization", "")
        if a.startswith("Basic "):
            u, _, p = base64.b64decode(a[6:]).decode().partition(":")
            return users.get(u) == p
        if a.startswith("Digest "):
            f = {}
            for part in a[7:].split(","):
                k, _, v = part.strip().partition("=")
                f[k] = v.strip('"')
            p = users.get(f.get("username", ""))
            if p is None or f.get("nonce") != self.nonce:
                return False
            return f.get("response") == _md5(
                _md5(f"{f['username']}:cam:{p}") + f":{self.nonce}:" + _md5(f"{method}:{f['uri']}")
            )
        return False

    async def handle(self, method, url, h) -> bool:
        cseq = h.get("cseq", "0")
        path = url.split("://", 1)[-1].partition("/")[2].split("?")[0].split("/trackID")[0].strip("/")
        if method == "OPTIONS":
            self.reply(cseq, Public="OPTIONS, DESCRIBE, SETUP, PLAY, TEARDOWN, GET_PARAMETER")
            return True
        if method != "TEARDOWN" and not self.allowed(method, url, h):
            c = self.server.cameras.get(path)
            if c:
                c.stats["401"] += 1
            auth = f'Digest realm="cam", nonce="{self.nonce}"' if self.server.digest else 'Basic realm="cam"'
            self.reply(cseq, 401, WWW_Authenticate=auth)
            return True
        cam = self.server.cameras.get(path)
        if method == "DESCRIBE":
            if cam:
                cam.stats["describe"] += 1
            if cam is None or cam.gone:
                self.reply(cseq, 404)
                return True
            self.cam, self.path = cam, path
            while cam.silent:
                await asyncio.sleep(0.1)
            if cam.redirect:
                self.reply(cseq, 302, Location=cam.redirect)
                return True
            if cam.status:
                self.reply(cseq, cam.status)
                return True
            body = "v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\ns=cam\r\nc=IN IP4 0.0.0.0\r\nt=0 0\r\na=control:*\r\n"
            body += f"{cam.clip.sdp()}a=control:trackID=0\r\n"
            self.reply(cseq, body=body, Content_Type="application/sdp", Content_Base=url.rstrip("/") + "/")
            return True
        if method == "SETUP":
            self.cam, self.path = cam, path
            if cam is None:
                self.reply(cseq, 404)
                return True
            t = h.get("transport", "")
            if "TCP" in t:
                self.reply(cseq, Transport="RTP/AVP/TCP;unicast;interleaved=0-1", Session=f"{self.id};timeout=60")
            else:
                ports = [int(x) for x in t.split("client_port=")[1].split(";")[0].split("-")]
                peer = self.writer.get_extra_info("peername")
                fam = socket.AF_INET6 if ":" in peer[0] else socket.AF_INET
                self.udp = []
                for port in ports:
                    u = socket.socket(fam, socket.SOCK_DGRAM)
                    u.bind(
                        (
                            ("::1" if fam == socket.AF_INET6 else "127.0.0.1")
                            if peer[0] in ("::1", "127.0.0.1")
                            else self.writer.get_extra_info("sockname")[0],
                            0,
                        )
                    )
                    u.connect((peer[0], port))
                    u.setblocking(False)
                    self.udp.append(u)
                sp = [u.getsockname()[1] for u in self.udp]
                self.reply(
                    cseq,
                    Transport=f"RTP/AVP;unicast;client_port={ports[0]}-{ports[1]};server_port={sp[0]}-{sp[1]}",
                    Session=f"{self.id};timeout=60",
                )
            return True
        if method == "PLAY":
            cam.stats["play"] += 1
            self.reply(cseq, Session=self.id, Range="npt=0-")
            self.task = asyncio.create_task(self.play())
            return True
        if method == "TEARDOWN":
            self.reply(cseq, Session=self.id)
            return False
        self.reply(cseq, Session=self.id)
        return True

    async def send(self, rtp: bytes):
        cam = self.cam
        rtcp = 200 <= rtp[1] <= 204
        if rtcp:
            if cam.no_rtcp:
                return
            if rtp[1] == 200:
                ntp = struct.unpack(">Q", rtp[8:16])[0] + int(cam.ntp_offset * (1 << 32))
                rtp = rtp[:8] + struct.pack(">Q", ntp & (2**64 - 1)) + rtp[16:]
                if cam.ts_offset:
                    (ts,) = struct.unpack(">I", rtp[16:20])
                    rtp = rtp[:16] + struct.pack(">I", (ts + cam.ts_offset) & 0xFFFFFFFF) + rtp[20:]
        else:
            if cam.loss and random.random() < cam.loss:
                return
            if cam.ts_offset:
                (ts,) = struct.unpack(">I", rtp[4:8])
                rtp = rtp[:4] + struct.pack(">I", (ts + cam.ts_offset) & 0xFFFFFFFF) + rtp[8:]
        cam.stats["packets"] += 1
        if cam.rate:
            await asyncio.sleep(len(rtp) / cam.rate)
        if self.udp:
            try:
                self.udp[1 if rtcp else 0].send(rtp)
            except (BlockingIOError, ConnectionError, OSError):
                pass
        else:
            self.writer.write(b"$" + bytes([self.channel + rtcp]) + struct.pack(">H", len(rtp)) + rtp)

    async def play(self):
        try:
            await self._play()
        except asyncio.CancelledError:
            raise
        except OSError:
            pass  # the other side went away
        self.writer.close()

    async def _play(self):
        cam = self.cam
        clip = cam.clip
        packer = Packer(clip)
        began = cam.epoch if cam.live else time.monotonic()
        turn, i = 0, 0
        if cam.live:
            turn, into = divmod(time.monotonic() - began, clip.length)
            i = next((k for k, p in enumerate(clip.packets) if p[0] - clip.packets[0][0] >= into), 0)
        shift = 0.0
        origin = None
        skipping = False
        while True:
            if cam.gone:
                return
            if cam.next_clip is not None and cam.next_clip is not clip and cam.next_clip.kind == clip.kind:
                # in mid-stream, as when somebody changes the camera's settings: same session, new packets
                now = time.monotonic() - began
                clip = cam.clip = cam.next_clip
                shift, turn, i = now, 0, 0
                if clip.codec != packer.codec:
                    packer.replace(clip)
            d, q, key, data = clip.packets[i]
            first = clip.packets[0][0]
            at = shift + turn * clip.length + d - first
            pts = shift + turn * clip.length + q - first
            i += 1
            if i == len(clip.packets):
                if not cam.loop:
                    return
                i, turn = 0, turn + 1
            late = time.monotonic() - (began + at)
            if late < 0:
                await asyncio.sleep(-late)
            elif late > 1.0 and not cam.catch_up:
                skipping = True
                if i % 50 == 0:
                    await asyncio.sleep(0)
            while cam.frozen or cam.silent:
                await asyncio.sleep(0.02)
                skipping = not cam.catch_up
            if skipping:
                if time.monotonic() - (began + at) > 0.3 or not key:
                    continue
                skipping = False
            if cam.no_key and key:
                continue
            if cam.jitter:
                await asyncio.sleep(random.random() * cam.jitter)
            if origin is None:
                origin = at  # the muxer's sender reports take 0 for the time of its first packet
            for rtp in packer.pack(data, at - origin, pts - origin, key):
                await self.send(rtp)
            if not self.udp:
                await self.writer.drain()


class Running:
    """A server in a thread of its own. Cameras are changed by their attributes, from the test."""

    def __init__(self, cameras: dict[str, Camera], **options) -> None:
        tls, self._host = options.pop("tls", None), options.pop("host", "127.0.0.1")
        self.server = Server(cameras, **options)
        self.port = 0
        self._loop = asyncio.new_event_loop()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._run, args=(tls,), daemon=True)
        self._thread.start()
        if not self._ready.wait(20):
            raise TimeoutError("the camera does not start")

    def _run(self, tls) -> None:
        asyncio.set_event_loop(self._loop)
        self.port = self._loop.run_until_complete(self.server.start(self._host, 0, tls))
        self._ready.set()
        self._loop.run_forever()

    def kick(self, path: str | None = None) -> None:
        """Close all connections, or those of one camera."""
        self._loop.call_soon_threadsafe(self.server.kick, path)

    def close(self) -> None:
        asyncio.run_coroutine_threadsafe(self._end(), self._loop).result(20)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    async def _end(self) -> None:
        for server in self.server.servers:
            server.close()
        self.server.kick()
        rest = asyncio.all_tasks() - {asyncio.current_task()}
        for task in rest:
            task.cancel()
        await asyncio.gather(*rest, return_exceptions=True)
