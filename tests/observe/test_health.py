"""Health is what a container, a load balancer or systemd can rely on."""

from __future__ import annotations

import json
import threading
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from walking import Walker, address_of, configuration, get, people, running, wait_for

from countline.cli import group
from countline.errors import ConfigError
from countline.pipeline import measuring
from ports import free_port


def health(*arguments: str) -> tuple[int, str]:
    """``countline health``: its exit code, and what it said. A user's mistake is raised."""
    done = CliRunner().invoke(group, ["health", *arguments], standalone_mode=False, catch_exceptions=False)
    return int(done.return_value), done.output


@pytest.fixture
def config(tmp_path: Path) -> dict[str, Any]:
    return configuration(tmp_path, metrics="127.0.0.1:0")


def test_a_run_at_work_is_alive_and_ready(config: dict[str, Any]) -> None:
    with running(config, after=5) as run:
        status, kind, body = get(address_of(run), "/readyz")
        assert (status, kind) == (200, "application/json")
        said = json.loads(body)
        assert said["ok"] is True
        assert said["checks"]["sources"] == {"ok": True, "detail": "1 live"}
        assert set(said["checks"]) == {"run", "worker", "loop", "model", "outbox", "sources"}
        assert get(address_of(run), "/healthz")[0] == 200
        assert health(address_of(run))[0] == 0
        code, text = health(address_of(run), "--ready", "--json")
    assert code == 0
    assert json.loads(text)["ok"] is True


def test_a_run_whose_cameras_are_all_away_is_alive_and_not_ready(config: dict[str, Any]) -> None:
    camera = Walker()
    with running(config, camera, after=3) as run:
        camera.state = "stalled", "no packet comes"
        seen = camera.stats.frames
        wait_for(lambda: camera.stats.frames >= seen + 2)  # one may have been on its way
        status, _, body = get(address_of(run), "/readyz")
        assert (status, json.loads(body)["checks"]["sources"]["detail"]) == (503, "1 stalled")
        assert get(address_of(run), "/healthz")[0] == 200
        code, text = health(address_of(run), "--ready")
    assert code == 1
    assert text == "not well: sources: 1 stalled\n"


def test_health_can_be_asked_for_while_the_model_is_loaded(
    config: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    import countline as cl
    from countline.pipeline import build

    asked, loading, loaded = threading.Event(), threading.Event(), build.detector
    port = free_port()

    def slowly(*arguments: Any) -> Any:
        loading.set()
        assert asked.wait(60)
        return loaded(*arguments)

    monkeypatch.setattr(build, "detector", slowly)
    made: list[cl.Run] = []
    given = {**config, "metrics": f"127.0.0.1:{port}"}
    thread = threading.Thread(target=lambda: made.append(cl.Run(given, sources=[Walker()], detector=people)))
    thread.start()
    try:
        assert loading.wait(60)
        assert get(f"127.0.0.1:{port}", "/healthz")[0] == 200
        status, _, body = get(f"127.0.0.1:{port}", "/readyz")
        assert (status, json.loads(body)["checks"]["model"]["ok"]) == (503, False)
        assert get(f"127.0.0.1:{port}", "/metrics")[0] == 200
    finally:
        asked.set()
        thread.join(60)
    made[0].close()
    assert health(f"127.0.0.1:{port}")[0] == 1, "nothing listens any more"


def test_a_detector_that_hangs_is_not_alive(config: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(measuring, "STUCK", 0.2)
    hangs, goes_on = threading.Event(), threading.Event()
    frames = []

    def hanging(images: list[Any]) -> Any:
        frames.append(1)
        if len(frames) > 3:
            hangs.set()
            goes_on.wait(60)
        return people(images)

    with running(config, detector=hanging, after=1) as run:
        try:
            assert hangs.wait(60)
            wait_for(lambda: not run.health().is_alive)
            status, _, body = get(address_of(run), "/healthz")
            assert (status, json.loads(body)["checks"]["worker"]["ok"]) == (503, False)
        finally:
            goes_on.set()
            monkeypatch.undo()


def test_a_run_that_has_failed_is_not_alive(config: dict[str, Any]) -> None:
    with running(config, after=3) as run:
        assert run.health().is_alive
        run.engine.fail(RuntimeError("broken"))
        health = run.health()
    assert not health.is_alive
    assert not health.is_ready


def test_an_outbox_that_cannot_be_written_is_not_ready(config: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    from countline.outbox import OutboxFull

    with running(config, after=3) as run:
        refused = threading.Event()

        def full(*_: Any) -> int:
            refused.set()
            raise OutboxFull("the disk is full")

        monkeypatch.setattr(run.delivery.outbox, "write", full)
        assert refused.wait(60)
        wait_for(lambda: run.delivery.writer.last_error)
        assert json.loads(get(address_of(run), "/readyz")[2])["checks"]["outbox"] == {
            "ok": False,
            "detail": "the disk is full",
        }
        assert "countline_outbox_writable 0.0" in get(address_of(run), "/metrics")[2]
        monkeypatch.undo()


def test_a_port_that_is_taken_ends_the_start_with_words(config: dict[str, Any], tmp_path: Path) -> None:
    import countline as cl

    with running(config) as run, pytest.raises(ConfigError, match=r"cannot listen at .*\s.*another port") as raised:
        cl.Run({**configuration(tmp_path / "two"), "metrics": address_of(run)}, sources=[Walker()], detector=people)
    assert raised.value.exit_code == 2


def test_health_of_what_is_not_there_says_what_to_do() -> None:
    code, text = health(f"127.0.0.1:{free_port()}")
    assert code == 1
    assert "nothing answers" in text
    assert "--metrics" in text
    with pytest.raises(ConfigError, match="no address"):
        health("a b:c")


def test_health_reads_the_address_from_the_configuration(tmp_path: Path) -> None:
    path, port = tmp_path / "c.yaml", free_port()
    path.write_text(f"sources: [{{name: a, uri: a.mp4}}]\nmetrics: ':{port}'\n")
    code, text = health(str(path))
    assert (code, f"127.0.0.1:{port}" in text) == (1, True)
    path.write_text("sources: [{name: a, uri: a.mp4}]\n")
    with pytest.raises(ConfigError, match="nothing is served"):
        health(str(path))
