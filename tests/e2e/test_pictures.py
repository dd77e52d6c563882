"""Pictures in an object store, from video to bucket: a real S3 server that verifies signatures, the real command line."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import orjson
import pytest
from conftest_e2e import VALUE, WALKERS, bright, command, made, write
from s3_servers import Bucket, nanio, running
from servers import ProcessServer, wait_until
from test_faults import driver, killed_at_random

import countline as cl
import starting

pytest.importorskip("obstore")


@pytest.fixture
def server(tmp_path: Path) -> Iterator[ProcessServer]:
    with running(nanio(tmp_path)) as server:
        yield server


@pytest.fixture
def bucket(server: ProcessServer) -> Bucket:
    return Bucket(server, "street", f"http://127.0.0.1:{server.port}")


def configuration(video: Path, bucket: Bucket, folder: Path, **store: Any) -> dict[str, Any]:
    """Crossings as lines of a file, their pictures in the bucket."""
    message = {
        "name": "line-crossing",
        "on": "crossing",
        "attach": {"what": "crop", "as": "object", "output": "pictures", "margin": 0.2, "max_bytes": 20_000},
        "value": {**VALUE, "picture": "{attachment}"},
    }
    outputs = [
        {"file": {"path": str(folder / "counts.jsonl")}},
        {"object_store": {"name": "pictures", **bucket.options("/crops"), **store}},
    ]
    return made(video, "", "", messages=[message], outputs=outputs, outbox={"path": str(folder / "box")})


def lines(folder: Path) -> list[dict[str, Any]]:
    return [orjson.loads(line) for line in (folder / "counts.jsonl").read_bytes().splitlines()]


def shown(bucket: Bucket, message: dict[str, Any]) -> np.ndarray:
    """The picture that a message names, as its reader sees it."""
    url = message["picture"]
    assert url == f"s3://street/crops/2024-05-01/{message['messageid']}.jpg"
    data = bucket.objects()[url.removeprefix("s3://street/")]
    assert len(data) <= 20_000
    image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    assert image is not None
    return image


def assert_complete(bucket: Bucket, folder: Path) -> list[dict[str, Any]]:
    """Every crossing has its line and its picture, and there is nothing else in the bucket. Returns the first line of each."""
    found = {line["messageid"]: line for line in reversed(lines(folder))}
    assert len(found) == WALKERS
    assert set(bucket.objects()) == {line["picture"].removeprefix("s3://street/") for line in found.values()}
    for line in found.values():
        image = shown(bucket, line)
        assert image.max() > 240, "the bright square that crossed"
        assert image.mean() > 80
    return sorted(found.values(), key=lambda line: line["analyticsModule"]["lc_cum_straight"])


def test_every_crossing_names_a_picture_of_what_crossed_and_two_runs_are_equal(
    bucket: Bucket, squares: Path, tmp_path: Path
) -> None:
    runs = []
    for name in ("first", "second"):
        folder = tmp_path / name
        folder.mkdir()
        summary = cl.run(configuration(squares, bucket, folder), detector=bright, drain_timeout=60)
        assert summary.exit_code == 0
        assert {n: (o.acknowledged, o.dead) for n, o in summary.outputs.items()} == {
            "file": (WALKERS, 0),
            "pictures": (WALKERS, 0),
        }
        assert_complete(bucket, folder)
        runs.append(((folder / "counts.jsonl").read_bytes(), bucket.objects()))
    assert runs[0] == runs[1], "byte for byte"


def test_a_python_function_gets_the_url_of_the_picture(bucket: Bucket, squares: Path, tmp_path: Path) -> None:
    @cl.message(on="crossing", attach={"as": "object"})
    def payload(event: cl.Crossing, attachment: str) -> dict[str, Any]:
        return {"picture": attachment, "to": event.direction}

    data = configuration(squares, bucket, tmp_path)
    data["messages"] = []
    assert cl.run(data, detector=bright, messages=[payload], drain_timeout=60).exit_code == 0
    found = lines(tmp_path)
    assert len(found) == WALKERS
    assert {line["picture"].removeprefix("s3://street/") for line in found} == set(bucket.objects())


def test_a_store_that_comes_late_gets_every_picture_and_holds_up_no_message(
    server: ProcessServer, bucket: Bucket, squares: Path, tmp_path: Path
) -> None:
    server.stop()
    run = cl.Run(configuration(squares, bucket, tmp_path), detector=bright)
    early: list[int] = []

    def watch(frame: object, analytics: cl.Analytics) -> None:
        if analytics.frame.number == 400:  # most crossings have happened by now
            wait_until((tmp_path / "counts.jsonl").exists, "the lines do not wait for the pictures")
            early.append(len(bucket.objects()))
            server.start()

    run.add_consumer(watch)
    summary = run.execute(drain_timeout=60)
    assert summary.exit_code == 0
    assert early == [0]
    assert summary.outputs["pictures"].acknowledged == WALKERS
    assert_complete(bucket, tmp_path)


def test_kill_9_at_random_moments_loses_no_picture(bucket: Bucket, squares: Path, tmp_path: Path) -> None:
    config = write(tmp_path / "c.yaml", configuration(squares, bucket, tmp_path))
    kills = killed_at_random(config, times=5, seed=5)
    done = starting.run(driver(config), capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    assert kills >= 2
    found = assert_complete(bucket, tmp_path)
    assert [line["analyticsModule"]["lc_cum_straight"] for line in found] == list(range(1, WALKERS + 1))


def test_wrong_credentials_wait_with_a_reason_and_the_right_ones_lose_nothing(
    bucket: Bucket, squares: Path, tmp_path: Path
) -> None:
    wrong = write(tmp_path / "wrong.yaml", configuration(squares, bucket, tmp_path, secret_key="wrong-pa55word"))
    summary = cl.run(wrong, detector=bright, drain_timeout=2)
    assert summary.exit_code == 4
    pictures = summary.outputs["pictures"]
    assert (pictures.pending, pictures.dead, pictures.acknowledged) == (WALKERS, 0, 0)
    assert "authentication failed" in pictures.error
    assert "wrong-pa55word" not in str(summary)
    assert len(lines(tmp_path)) == WALKERS
    checked = command("check", wrong)
    assert checked.returncode == 4
    assert "authentication failed" in checked.stdout
    assert "check access_key and secret_key" in " ".join(checked.stdout.split())
    assert "wrong-pa55word" not in checked.stdout + checked.stderr
    right = write(tmp_path / "right.yaml", configuration(squares, bucket, tmp_path))
    assert command("check", right, "--send").returncode == 0
    assert bucket.objects() == {}, "the test object was removed"
    assert cl.run(right, detector=bright, drain_timeout=60).exit_code == 0
    # The second run over the same file makes the same pictures again: one object each.
    assert_complete(bucket, tmp_path)


def test_the_command_line_puts_pictures_of_people(bucket: Bucket, short: Path, tmp_path: Path) -> None:
    data = configuration(short, bucket, tmp_path)
    data["detector"] = {"classes": ["person"]}
    data["rules"] = {"lines": [{"name": "straight", "points": [[0.39, 0.26], [0.39, 0.62]]}]}
    done = command("run", write(tmp_path / "c.yaml", data), "--json")
    assert done.returncode == 0, done.stderr
    summary = orjson.loads(done.stdout.splitlines()[-1])
    found = lines(tmp_path)
    assert len(found) == summary["outputs"]["pictures"]["acknowledged"] == len(bucket.objects()) > 0
    for line in found:
        height, width = shown(bucket, line).shape[:2]
        assert height > width, "somebody who stands"


def test_a_store_that_nothing_goes_to_is_said(bucket: Bucket, squares: Path, tmp_path: Path) -> None:
    data = configuration(squares, bucket, tmp_path)
    del data["messages"][0]["attach"]
    data["messages"][0]["value"] = VALUE
    done = command("check", write(tmp_path / "c.yaml", data))
    assert "output 'pictures' gets nothing" in done.stdout + done.stderr
