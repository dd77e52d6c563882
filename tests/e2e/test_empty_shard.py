"""A pod whose share of the sources is empty stays: it is well, delivers what it has left, and begins when it is given a source."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import yaml

import starting
from countline.cluster.shards import Shard
from ports import free_port

POD = "import socket, sys; socket.gethostname = lambda: 'countline-1'; from countline.cli import main; sys.exit(main())"
SHARD = Shard(1, 2)
OWN, OTHER = (next(f"cam{n}" for n in range(99) if SHARD.takes(f"cam{n}") is taken) for taken in (True, False))
"""A source that the pod countline-1 of two reads, and one that it does not."""
Site = tuple[Path, dict[str, Any]]


@pytest.fixture
def site(few: Path, quick: dict[str, Any]) -> Site:
    """A video and the detector for it."""
    return few, quick


def write(site: Site, names: list[str], output: dict[str, Any], **source: Any) -> None:
    video, detector = site
    config = {
        "sources": [{"name": name, "uri": str(video), "fps": 4, **source} for name in names],
        "detector": detector,
        "rules": {"lines": [{"name": "l", "points": [[0.2, 0.5], [0.8, 0.5]]}]},
        "messages": [{"name": "m", "on": "crossing", "value": {"source": "{source}"}}],
        "outputs": [output],
    }
    Path("new.yaml").write_text(yaml.safe_dump(config))
    os.replace("new.yaml", "c.yaml")


def pod(*options: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", POD, "run", "c.yaml", "--outbox", "o", "--shard", "auto/2", "--json", *options]
    return starting.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def lines(path: str) -> list[str]:
    try:
        return Path(path).read_text().splitlines()
    except OSError:
        return []


def until(what: Any, run: subprocess.Popen[str]) -> None:
    end = time.monotonic() + 90
    while not what():
        assert run.poll() is None, run.stdout.read() if run.stdout else ""
        assert time.monotonic() < end
        time.sleep(0.05)


def test_it_is_well_delivers_what_is_left_and_begins_when_it_has_a_source(site: Site) -> None:
    write(site, [OWN], {"redis": {"host": "127.0.0.1", "port": free_port(), "stream": "s", "name": "out"}})
    with pod("--drain-timeout", "0") as run:
        said = json.loads(run.communicate(timeout=120)[0].splitlines()[-1])
    made = said["messages"]
    assert (run.returncode, made > 0) == (4, True), said

    # Its source is another pod's from now on, and its output can be reached.
    write(site, [OTHER], {"file": {"path": "late.jsonl", "name": "out"}})
    address = f"127.0.0.1:{free_port()}"
    with pod("--watch", "--metrics", address) as run:
        try:
            until(lambda: len(lines("late.jsonl")) == made, run)
            health = [sys.executable, "-m", "countline", "health", address, "--ready", "--json"]
            asked = starting.run(health, capture_output=True, text=True, timeout=60)
            assert asked.returncode == 0, asked.stdout + asked.stderr
            assert json.loads(asked.stdout)["checks"]["run"]["detail"] == "has no source in its share: waits"

            write(site, [OTHER, OWN], {"file": {"path": "late.jsonl", "name": "out"}})
            text = run.communicate(timeout=120)[0]
        finally:
            run.kill()
    assert run.returncode == 0, text
    assert "shard auto/2 has no source: waits until it has one, or is stopped" in text
    summary = json.loads(text.splitlines()[-1])
    assert set(summary["sources"]) == {OWN}


def test_one_whose_share_becomes_empty_ends_in_order(site: Site) -> None:
    """Kubernetes starts it anew; then it waits."""
    address, endless = f"127.0.0.1:{free_port()}", {"loop": True, "realtime": True}
    write(site, [OWN, OTHER], {"file": {"path": "out.jsonl"}}, **endless)
    with pod("--watch", "--metrics", address) as run:
        try:
            ready = [sys.executable, "-m", "countline", "health", address, "--ready", "-q"]
            until(lambda: starting.run(ready, timeout=60).returncode == 0, run)
            write(site, [OTHER], {"file": {"path": "out.jsonl"}}, **endless)
            text = run.communicate(timeout=120)[0]
        finally:
            run.kill()
    assert run.returncode == 0, text
    assert "leaves no source to this share: the run ends in order" in text
    assert "Traceback" not in text


def test_it_ends_in_order_when_it_is_asked_to(site: Site) -> None:
    write(site, [OTHER], {"file": {"path": "out.jsonl"}})
    address = f"127.0.0.1:{free_port()}"
    with pod("--metrics", address) as run:
        try:
            health = [sys.executable, "-m", "countline", "health", address, "-q"]
            until(lambda: starting.run(health, timeout=60).returncode == 0, run)
            run.send_signal(signal.SIGTERM)
            text = run.communicate(timeout=60)[0]
        finally:
            run.kill()
    assert run.returncode == 0, text
    assert Path("o").exists()


def test_one_that_names_its_number_itself_has_nothing_to_do(site: Site) -> None:
    write(site, [OTHER], {"file": {"path": "out.jsonl"}})
    command = [sys.executable, "-m", "countline", "run", "c.yaml", "--outbox", "o", "--shard", "1/2"]
    done = starting.run(command, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr.splitlines()[-1]) == (0, "shard 1/2 has no source: nothing to do")
