"""Pictures are made for those who look, the newest first, and the run never waits for anybody."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from pages import Browser, frames, picture, showing, with_page
from walking import Walker, wait_for
from websockets.exceptions import ConnectionClosed

import countline as cl
from countline.types import UNTRACKED, Analytics, Frame, FrameInfo, SourceInfo, Tracks
from countline.video import ArrayPicture
from countline.video.jpeg import Jpeg
from countline.video.orientation import Orientation
from countline.video.picture import AvPicture
from countline.view.web.feed import FEW, MOST, Feed


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[cl.Run]:
    folder = tmp_path_factory.mktemp("page")
    with showing(with_page(folder, {"fps": 15}), Walker("gate"), Walker("yard", 1), after=2) as made:
        yield made


@pytest.fixture
def browser(run: cl.Run) -> Iterator[Browser]:
    with Browser(run) as made:
        yield made


def watch(socket: Any, *names: str, **more: Any) -> None:
    socket.send(json.dumps({"watch": [{"source": name, **more} for name in names]}))


def ack(socket: Any, name: str) -> None:
    socket.send(json.dumps({"ack": name}))


def decoded(jpeg: bytes) -> Any:
    (frame,) = av.CodecContext.create("mjpeg", "r").decode(av.Packet(jpeg))
    return frame.to_ndarray(format="bgr24")


def test_a_picture_comes_with_the_objects_that_are_in_it(run: cl.Run, browser: Browser) -> None:
    with frames(browser) as socket:
        watch(socket, "gate", width=640, fps=15)
        facts, jpeg = picture(socket.recv(timeout=30))
    assert (facts["source"], facts["width"], facts["height"]) == ("gate", 160, 120)
    shown = decoded(jpeg)
    assert shown.shape == (120, 160, 3), "never larger than the camera's own"
    (person,) = facts["objects"]
    assert person["label"] == "person"
    # Where somebody stands is drawn into the first pixel: picture and box are of one frame.
    foot = float(person["box"][3]) * 120
    assert abs(foot - (60 + 40 * np.sin(np.pi * facts["number"] / 40))) < 8
    assert person["box"][:1] + person["box"][2:3] == [
        pytest.approx(60 / 160, abs=0.01),
        pytest.approx(80 / 160, abs=0.01),
    ]


def test_the_next_picture_comes_when_the_last_was_taken(browser: Browser) -> None:
    with frames(browser) as socket:
        watch(socket, "gate", fps=15)
        first = picture(socket.recv(timeout=30))[0]
        with pytest.raises(TimeoutError):
            socket.recv(timeout=0.5)
        ack(socket, "gate")
        second = picture(socket.recv(timeout=30))[0]
        assert second["number"] > first["number"] + 5, "the newest, not the one that came next"


def test_each_source_is_acknowledged_apart(browser: Browser) -> None:
    with frames(browser) as socket:
        watch(socket, "gate", "yard", fps=15)
        assert {picture(socket.recv(timeout=30))[0]["source"] for _ in range(2)} == {"gate", "yard"}
        for _ in range(3):
            ack(socket, "yard")
            assert picture(socket.recv(timeout=30))[0]["source"] == "yard"


def test_a_later_list_replaces_the_former(browser: Browser) -> None:
    with frames(browser) as socket:
        watch(socket, "gate", fps=15)
        socket.recv(timeout=30)
        watch(socket, "yard", fps=15)
        ack(socket, "gate")
        assert picture(socket.recv(timeout=30))[0]["source"] == "yard"
        watch(socket)
        ack(socket, "yard")
        with pytest.raises(TimeoutError):
            socket.recv(timeout=0.4)


def test_counted_objects_are_marked(browser: Browser) -> None:
    wait_for(lambda: browser.read("/events")["events"])
    with frames(browser) as socket:
        watch(socket, "gate")
        facts, _ = picture(socket.recv(timeout=30))
    assert [o["counted"] for o in facts["objects"]] == [True]


@pytest.mark.parametrize(
    ("said", "what"),
    [
        ("nonsense", "not understood"),
        ("[]", "JSON object"),
        ('{"watch": 7}', "list"),
        ('{"watch": [{"source": "nowhere"}]}', "nowhere"),
        ('{"watch": [{"width": 3}]}', "source"),
        ('{"watch": [{"source": "gate", "width": "wide"}]}', "width"),
        ('{"watch": [{"source": "gate", "fps": 0}]}', "fps"),
        ('{"watch": [{"source": "gate", "fps": NaN}]}', "not understood"),
        (json.dumps({"watch": [{"source": "gate"}] * 65}), "64"),
    ],
)
def test_what_is_not_understood_is_said_and_the_socket_goes_on(browser: Browser, said: str, what: str) -> None:
    with frames(browser) as socket:
        socket.send(said)
        answer = socket.recv(timeout=30)
        assert isinstance(answer, str)
        assert what in json.loads(answer)["error"]["what"]
        watch(socket, "gate")
        assert picture(socket.recv(timeout=30))[1]


def test_a_binary_message_is_answered_and_one_that_is_too_long_ends_the_socket(browser: Browser) -> None:
    with frames(browser) as socket:
        socket.send(b"\x00" * 16)
        answer = socket.recv(timeout=30)
        assert isinstance(answer, str)
        assert "text message" in answer
        with pytest.raises(ConnectionClosed) as closed:
            socket.send(json.dumps({"watch": ["x" * 100_000]}))
            socket.recv(timeout=30)
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == 1009
    assert browser.read("/state")["health"]["alive"]


def test_one_picture_does_for_all_who_watch(run: cl.Run, browser: Browser) -> None:
    assert run.page is not None
    service = run.page.server.service
    assert service is not None
    pictures = service._pictures
    assert pictures is not None
    with frames(browser) as one, frames(browser) as other:
        for socket in (one, other):
            watch(socket, "gate", width=300, fps=15)
            picture(socket.recv(timeout=30))
        before, since = pictures.made, time.monotonic()
        for _ in range(8):
            for socket in (one, other):
                ack(socket, "gate")
                picture(socket.recv(timeout=30))
        assert pictures.made - before <= 15 * (time.monotonic() - since) + 2, "fps holds for all together"


def test_nothing_is_made_where_nobody_looks(run: cl.Run, browser: Browser) -> None:
    assert run.page is not None
    service = run.page.server.service
    assert service is not None
    pictures = service._pictures
    assert pictures is not None
    wait_for(lambda: browser.read("/state")["page"]["watchers"] == 0)
    made, frames_now = pictures.made, run.sources[0].stats.frames
    wait_for(lambda: run.sources[0].stats.frames > frames_now + 20)
    assert pictures.made == made
    assert not service._feed.watched


def test_a_client_that_does_not_read_holds_nobody_up(run: cl.Run, browser: Browser) -> None:
    with frames(browser) as idle, frames(browser) as lively:
        watch(idle, "gate", "yard", fps=15)
        for _ in range(5):
            watch(lively, "gate", fps=15)
            picture(lively.recv(timeout=30))
            ack(lively, "gate")
        frames_now = run.sources[0].stats.frames
        wait_for(lambda: run.sources[0].stats.frames > frames_now + 20)
    assert browser.read("/state")["page"]["frames_skipped"] > 0


def test_the_server_ends_sockets_with_the_run(tmp_path: Path) -> None:
    with showing(with_page(tmp_path)) as run, Browser(run) as browser, frames(browser) as socket:
        watch(socket, "gate")
        socket.recv(timeout=30)
        run.stop()
        with pytest.raises(ConnectionClosed) as closed:
            while True:
                socket.recv(timeout=30)
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == 1001


# -- what the worker does -----------------------------------------------------------------------------------------------


def seen(name: str = "gate", number: int = 0) -> tuple[Frame, Analytics]:
    info = FrameInfo(SourceInfo(name), number, number, number, 8, 6)
    return Frame(info, ArrayPicture(np.zeros((6, 8, 3), np.uint8))), Analytics(info, Tracks.empty())


def test_no_picture_is_made_on_the_thread_of_the_worker(
    run: cl.Run, browser: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    threads: set[str] = set()
    packed = Jpeg._packed

    def noted(self: Jpeg, made: Any) -> bytes:
        threads.add(threading.current_thread().name)
        return packed(self, made)

    monkeypatch.setattr(Jpeg, "_packed", noted)
    with frames(browser) as socket:
        watch(socket, "gate", width=100)
        picture(socket.recv(timeout=30))
    assert {name.rpartition("_")[0] for name in threads} == {"countline-web-pictures"}


def test_of_many_sources_only_watched_ones_keep_a_picture() -> None:
    feed = Feed()
    for i in range(FEW + 4):
        feed(*seen(f"camera-{i}"))
    feed.watch(frozenset({"camera-3"}))
    for i in range(FEW + 4):
        feed(*seen(f"camera-{i}", 1))
    assert [name for name, newest in feed.newest.items() if newest.frame is not None] == ["camera-3"]
    feed.watch(frozenset())
    assert not any(newest.frame for newest in feed.newest.values())


def test_what_the_server_does_not_fetch_is_bounded_and_counted() -> None:
    from countline.types import Crossing

    feed = Feed(passing=True)
    frame, analytics = seen()
    analytics.events = (Crossing(analytics.frame, "door"),)
    for _ in range(MOST + 7):
        feed(frame, analytics)
    assert (len(feed.with_events()), feed.lost) == (MOST, 7)
    assert (len(feed.take()), feed.forgotten) == (MOST, 7)
    assert feed.with_events() == feed.take() == []


def test_untracked_objects_are_shown_without_an_id() -> None:
    from countline.view.web.pictures import objects

    info = FrameInfo(SourceInfo("gate"), 0, 0, 0, 100, 50)
    tracks = Tracks(
        np.array([[10, 10, 20, 30], [0, 0, 100, 50]]), np.ones(2), np.array([0, 9]), np.array([UNTRACKED, 2**63])
    )
    found = objects(Analytics(info, tracks, class_names=["person"]), lambda ident: True)
    assert [(o["id"], o["label"], o["counted"]) for o in found] == [("", "person", False), (str(2**63), "9", True)]
    assert found[0]["box"] == [0.1, 0.2, 0.2, 0.6]


@pytest.mark.parametrize(
    ("width", "height", "most"), [(1, 1, 64), (7, 3, 64), (641, 359, 320), (1920, 2, 320), (3, 2000, 64)]
)
def test_jpegs_of_odd_sizes_keep_what_they_show(width: int, height: int, most: int) -> None:
    image = np.zeros((height, width, 3), np.uint8)
    image[:] = (30, 160, 220)
    info = FrameInfo(SourceInfo("gate"), 0, 0, 0, width, height)
    shown = decoded(Jpeg().of(Frame(info, ArrayPicture(image)), most))
    assert shown.shape[1] <= most
    assert shown.shape[1] == min(width, most)
    assert np.abs(shown.reshape(-1, 3).mean(axis=0) - [30, 160, 220]).max() < 4


def test_where_rules_lie_in_the_picture_of_a_camera_that_moves() -> None:
    from countline.types import View
    from countline.view.web.pictures import view_of

    info = FrameInfo(SourceInfo("gate"), 0, 0, 0, 200, 100)
    turned = View(np.array([[0.0, -2.0, 30.0], [2.0, 0.0, -10.0]]))
    a, b, c, d, e, f = view_of(Analytics(info, Tracks.empty(), view=turned)) or ()
    for x, y in ((0.1, 0.2), (0.7, 0.9)):
        there = turned.points(np.array([[x * 200, y * 100]]))[0] / [200, 100]
        assert [a * x + c * y + e, b * x + d * y + f] == pytest.approx(there, abs=1e-4)
    assert view_of(Analytics(info, Tracks.empty())) is None
    assert view_of(Analytics(info, Tracks.empty(), view=View(turned.matrix, lost=True))) is None


@pytest.mark.parametrize("form", ["yuv420p", "yuvj420p", "nv12", "yuv422p10le", "bgr24", "gray"])
@pytest.mark.parametrize("matrix", [1, 5])
def test_what_comes_from_a_decoder_has_the_colours_that_the_detector_sees(clip: Path, form: str, matrix: int) -> None:
    with av.open(str(clip)) as container:
        decoded_frame = next(container.decode(video=0))
    frame = decoded_frame.reformat(format=form, src_colorspace=5, dst_colorspace=matrix)
    frame.colorspace = matrix
    picture_ = AvPicture(frame)
    info = FrameInfo(SourceInfo("gate"), 0, 0, 0, frame.width, frame.height)
    jpeg = Jpeg()
    for width in (320, 768, 320):  # an encoder takes one picture after the other
        seen = decoded(jpeg.of(Frame(info, picture_), width)).astype(int)
        wanted, _ = picture_.letterbox(width, round(576 * width / 768))
        difference = seen - wanted
        assert np.abs(difference).mean() < 5
        assert np.abs(difference.mean(axis=(0, 1))).max() < 2.5


def test_pictures_of_a_camera_that_hangs_on_its_side_are_upright() -> None:
    image = np.zeros((40, 80, 3), np.uint8)
    image[:20] = 255  # the upper half
    turned = AvPicture(av.VideoFrame.from_ndarray(image, "bgr24"), Orientation(True, True, False))
    info = FrameInfo(SourceInfo("gate"), 0, 0, 0, turned.width, turned.height)
    assert turned.for_jpeg(20, 40) is None
    seen = decoded(Jpeg().of(Frame(info, turned), 40))
    assert seen.shape == (80, 40, 3)
    assert np.abs(seen.astype(int) - turned.bgr()).mean() < 4
