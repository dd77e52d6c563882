"""RTSP cameras with the faults of real ones: what state a source is in, what is said, and that it comes back."""

from __future__ import annotations

import datetime
import ipaddress
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from rtp_packets import Clip
from rtspcam import Camera, Running

from countline.types import Frame, TimeQuality
from countline.video import backoff, open_source, probe, reader_thread
from countline.video.live import LiveSource
from ports import free_port

from .conftest import Site, config, encode

Start = Callable[..., tuple[Camera, Running, str]]


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """20 s, a key frame twice a second."""
    path = tmp_path_factory.mktemp("clip") / "cam.h264"
    return encode(path, 200, format="h264", options={"g": "5", "bf": "0", "x264-params": "threads=1:repeat-headers=1"})


@pytest.fixture
def start(clip: Path) -> Iterator[Start]:
    """A camera, its server, and its address."""
    running: list[Running] = []

    def go(
        *, user: str = "", password: str = "", tls: ssl.SSLContext | None = None, **faults: object
    ) -> tuple[Camera, Running, str]:
        camera = Camera(Clip(str(clip), 10), live=True, **faults)
        server = Running({"cam": camera}, users={"admin": "right"} if user else None, tls=tls)
        running.append(server)
        login = f"{user}:{password}@" if user else ""
        return camera, server, f"rtsp{'s' if tls else ''}://{login}127.0.0.1:{server.port}/cam"

    yield go
    for server in running:
        server.close()


@pytest.fixture
def watch() -> Iterator[Callable[..., tuple[LiveSource, list[Frame], list[str]]]]:
    """A source that is read in a thread; its frames, and the states that it was in."""
    sources: list[tuple[LiveSource, threading.Thread]] = []

    def go(uri: str, **options: object) -> tuple[LiveSource, list[Frame], list[str]]:
        source = open_source(config(uri, **{"timeout": 2, **options}), 0)
        assert isinstance(source, LiveSource)
        frames: list[Frame] = []
        states: list[str] = []
        enter = type(source.stats).enter

        class Stats(type(source.stats)):  # type: ignore[misc]
            def enter(self, state: str, reason: str = "") -> None:
                if not states or states[-1] != state:
                    states.append(state)
                enter(self, state, reason)

        source.stats = Stats()
        thread = threading.Thread(target=lambda: frames.extend(source), daemon=True)
        thread.start()
        sources.append((source, thread))
        return source, frames, states

    yield go
    for source, thread in sources:
        source.close()
        thread.join(20)
        assert not thread.is_alive()


def wait(condition: Callable[[], object], what: str, seconds: float = 40) -> None:
    """Until something holds."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if condition():
            return
        time.sleep(0.02)
    pytest.fail(f"never happened: {what}")


def certificate(folder: Path) -> tuple[Path, ssl.SSLContext]:
    """A certificate of 127.0.0.1 that nobody vouches for, and a server's context."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "camera")])
    now = datetime.datetime.now(datetime.timezone.utc)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=30))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), True)
        .sign(key, hashes.SHA256())
    )
    pem = folder / "camera.pem"
    pem.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    secret = folder / "camera.key"
    kinds = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    secret.write_bytes(key.private_bytes(*kinds))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem, secret)
    return pem, context


def test_a_live_camera_tells_its_state_rate_and_clock(start: Start, watch) -> None:
    _, _, uri = start()
    source, frames, states = watch(uri)
    wait(lambda: len(frames) >= 30, "30 frames")
    now = source.stats.as_dict()
    assert states == ["connecting", "live"]
    assert now["state"] == "live"
    assert now["connections"] == 1
    assert now["attempts"] == 0
    assert now["last_frame_age"] < 5
    assert 5 < now["rates"]["frames"] < 25
    assert abs(now["clock_offset"]) < 2
    assert frames[-1].info.time_quality is TimeQuality.NTP


def test_a_camera_that_freezes_is_stalled_and_then_connected_anew_after_one_timeout(
    start: Start, watch, caplog
) -> None:
    camera, _, uri = start()
    source, frames, states = watch(uri, timeout=4)
    wait(lambda: len(frames) >= 10, "frames")
    camera.frozen = True
    began = time.monotonic()
    wait(lambda: source.stats.state == "stalled", "stalled")
    wait(lambda: source.stats.state == "connecting", "given up")
    took = time.monotonic() - began
    assert 3.5 < took < 7, "one timeout, not two"
    assert source.stats.reason == "no packet came for 4 s"
    camera.frozen = False
    before = len(frames)
    wait(lambda: len(frames) > before + 5, "it comes back")
    assert source.stats.state == "live"
    assert source.stats.reconnects == 1
    assert states == ["connecting", "live", "stalled", "connecting", "live"]


def test_packets_without_a_picture_are_waiting_for_a_key_frame(start: Start, watch, caplog) -> None:
    camera, _, uri = start(no_key=True)
    source, frames, _ = watch(uri, timeout=4)
    wait(lambda: source.stats.state == "waiting-for-key-frame", "waiting")
    assert not frames
    assert source.stats.last_packet, "packets are told apart from pictures"
    assert "waiting for a key frame" in caplog.text
    camera.no_key = False
    wait(lambda: len(frames) > 5, "pictures")
    assert source.stats.state == "live"
    assert source.stats.reconnects == 0, "the connection was kept"


def test_a_refused_password_is_tried_twice_and_then_every_five_minutes(
    start: Start, watch, caplog, monkeypatch
) -> None:
    monkeypatch.setattr(backoff, "FIRST_WAIT", 0.1)
    _, _, uri = start(user="admin", password="wrong")
    source, frames, _ = watch(uri)
    wait(
        lambda: "every" in caplog.text or ("Cameras lock" in caplog.text and source.stats.attempts == 2), "two attempts"
    )
    time.sleep(1.5)
    assert source.stats.attempts == 2, "not a third one for five minutes"
    assert source.stats.state == "refused"
    assert "refused (401)" in source.stats.reason
    assert [r.levelname for r in caplog.records if "attempt 2" in r.message] == ["ERROR"]
    assert "wrong" not in caplog.text
    assert not frames


def test_a_path_that_is_not_there_is_refused_and_said_once(start: Start, watch, caplog, monkeypatch) -> None:
    monkeypatch.setattr(backoff, "FIRST_WAIT", 0.05)
    monkeypatch.setattr(backoff, "LONGEST_WAIT", 0.1)
    camera, _, uri = start(gone=True)
    source, frames, _ = watch(uri)
    wait(lambda: source.stats.attempts >= 5, "five attempts")
    assert source.stats.state == "refused"
    assert "(404)" in source.stats.reason
    assert caplog.text.count("(404)") == 1, "a change of state is a line of the log, an attempt is none"
    camera.gone = False
    wait(lambda: len(frames) > 3, "it appears")
    assert source.stats.attempts == 0


@pytest.mark.parametrize(
    ("uri", "words"),
    [
        ("rtsp://no-such-camera.invalid/cam", "does not resolve"),
        ("rtsp://127.0.0.1:{free}/cam", "connection refused"),
        ("rtsps://127.0.0.1:{web}/cam", "no TLS connection"),
        ("rtsps://127.0.0.1:{tls}/cam", "certificate is not trusted"),
    ],
)
def test_what_hinders_a_connection_is_told_apart(
    start: Start, site: Site, tmp_path: Path, uri: str, words: str
) -> None:
    ports = {
        "free": free_port(),
        "web": site.server.server_address[1],
        "tls": start(tls=certificate(tmp_path)[1])[1].port,
    }
    check = probe(config(uri.format(**ports), timeout=5))
    assert not check.ok
    assert words in check.detail
    assert check.fix


def test_rtsps_trusts_who_is_named_and_nobody_else(start: Start, watch, tmp_path: Path, caplog) -> None:
    pem, context = certificate(tmp_path)
    _, _, uri = start(tls=context)
    _, frames, _ = watch(uri, tls={"ca": str(pem)})
    wait(lambda: len(frames) > 3, "frames from whom we trust")
    assert "not checked" not in caplog.text
    _, unsafe, _ = watch(uri, tls={"verify": False})
    wait(lambda: len(unsafe) > 3, "frames from anybody")
    assert "is not checked (tls.verify: false)" in caplog.text
    refused, none, _ = watch(uri)
    wait(lambda: refused.stats.state == "refused", "refused")
    assert "certificate is not trusted" in refused.stats.reason
    assert not none


def test_a_clock_that_is_off_is_measured_and_said_and_may_be_passed_over(start: Start, watch, caplog) -> None:
    _, _, uri = start(ntp_offset=90.0)
    source, frames, _ = watch(uri)
    ours, arrived, _ = watch(uri, time="arrival")
    wait(lambda: source.stats.clock_offset is not None and len(frames) > 20 and len(arrived) > 20, "offsets")
    assert abs(source.stats.clock_offset - 90) < 30
    assert "s ahead of this machine's" in caplog.text
    assert abs(frames[-1].info.time - time.time_ns()) > 60e9
    wait(lambda: ours.stats.clock_offset is not None, "measured all the same")
    assert {f.info.time_quality for f in arrived} == {TimeQuality.ARRIVAL}
    assert abs(arrived[-1].info.time - time.time_ns()) < 30e9


def test_losses_over_udp_degrade_and_auto_goes_over_to_tcp(start: Start, watch, caplog) -> None:
    camera, _, uri = start(loss=0.15)
    _, frames, states = watch(uri, options={"rtsp_transport": "auto"}, timeout=10)
    wait(lambda: "TCP is used from now on" in caplog.text, "given up UDP", 60)
    camera.loss = 0.0
    before = len(frames)
    wait(lambda: len(frames) > before + 10, "frames over TCP")
    assert "degraded" in states
    assert "damaged on the way" in caplog.text


def test_a_link_that_is_narrower_than_the_stream_is_named(start: Start, watch, caplog) -> None:
    camera, _, uri = start(catch_up=True)
    source, frames, _ = watch(uri, timeout=20)
    wait(lambda: len(frames) >= 5, "frames")
    camera.rate = sum(len(p[3]) for p in camera.clip.packets) / camera.clip.length * 0.6
    wait(lambda: source.stats.state == "degraded", "degraded", 60)
    assert source.stats.reason == "the link is narrower than the stream"


def test_pictures_that_nobody_looks_at_are_not_handed_from_thread_to_thread(
    start: Start, watch, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And those that are have the numbers of their pictures all the same."""
    handed: list[object] = []
    hand = reader_thread._ReaderThread._hand

    def counted(thread: reader_thread._ReaderThread, item: object) -> bool:
        handed.append(item)
        return hand(thread, item)

    monkeypatch.setattr(reader_thread._ReaderThread, "_hand", counted)
    _, _, uri = start()
    source, frames, _ = watch(uri, fps=2)
    wait(lambda: len(frames) >= 5, "five frames")
    source.close()
    # The open input, and perhaps one that was on its way when it was closed.
    assert len(handed) <= len(frames) + 2
    assert source.stats.thinned >= 3 * (len(frames) - 1)
    steps = [b.info.number - a.info.number for a, b in pairwise(frames)]
    assert all(step == round((b.info.pts - a.info.pts) / 1e8) for step, (a, b) in zip(steps, pairwise(frames)))
    assert min(steps) >= 4


def test_a_connection_that_was_turned_away_from_tells_nothing_more(start: Start, watch) -> None:
    """It ends when FFmpeg lets it; what it still gives until then is nobody's."""
    _, server, uri = start()
    source, frames, _ = watch(uri, timeout=1)
    wait(lambda: len(frames) >= 3, "three frames")
    late = source._connections
    opened = source._opened
    server.kick()
    wait(lambda: source.stats.reconnects >= 1, "connected again")
    count, lost = source._number, dict(source.stats.lost)
    assert opened is not None
    assert source._see(late, opened) is None
    assert source._opened is not opened, "the input that is read is the new one"
    assert dict(source.stats.lost) == lost
    assert source._number >= count
