"""What could not be made is made once its template or function is mended: equal to the byte, none lost, none twice."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import orjson
import pytest
from conftest_e2e import WALKERS, bright, command, made, write

import countline as cl
import starting
from countline import outbox
from countline.config import OutboxConfig
from countline.config.outputs import config_class
from countline.outputs.file.output import make as make_file
from countline.pipeline.delivery.delivery import Delivery
from countline.pipeline.delivery.failure_lines import read

BROKEN, MENDED = "class | int", "class"
HERE = Path(__file__).parent
FUNCTIONS = """
import countline as cl

WRONG = {wrong}

@cl.message(on="crossing", name="several", key=lambda event: event.source.name)
def several(event: cl.Crossing, analytics: cl.Analytics):
    if WRONG == 1 and event.track_id % 2:
        raise ValueError(f"no licence plate of {{event.track_id}}")
    second = object() if WRONG == 2 else 2
    return [{{"n": 1, "all": analytics.lines["straight"].cumulative}}, {{"n": second, "at": event.time_ns}}]
"""


def configuration(video: Path, path: str, *, words: str, wrong: int = 0) -> dict[str, Any]:
    """Templates and functions of every kind. ``words``: what the templates say that may fail; ``wrong``: what the function does wrong."""
    Path(f"mine{path}.py").write_text(FUNCTIONS.format(wrong=wrong))
    data = made(video, "127.0.0.1:1", "t", outputs=[{"file": {"path": f"{path}.jsonl", "content": "message"}}])
    value = {"id": "{id}", "c": f"{{{words}}}", "n": "{lines.straight.cumulative}"}
    known = "{device_id | int}" if "int" in words else "{device_id}"
    messages: list[dict[str, Any]] = [
        {"name": "event", "on": "crossing", "key": "{track_id}", "value": value},
        {"name": "path", "on": "crossing", "value": {"c": f"{{{words}}}", "at": "{trajectory}", "box": "{box}"}},
        {"name": "window", "on": "interval 2s", "headers": {"k": known},
         "value": {"from": "{window.start}", "n": "{lines.straight.window}"}},
        {"name": "minimal", "on": "crossing", "type": "deepstream/minimal", "key": known},
        {"name": "several", "function": f"mine{path}.py:several"},
    ]  # fmt: skip
    data |= {"messages": messages, "outbox": f"{path}.outbox"}
    return data


def waiting(path: str) -> dict[str, dict[str, Any]]:
    """Id -> message that waits in an outbox; an id that is there twice is a fault."""
    found: dict[str, dict[str, Any]] = {}
    for item in outbox.export(Path(f"{path}.outbox")):
        assert item["id"] not in found, "twice"
        found[item["id"]] = item
    return found


def delivered(path: str) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = {}
    for line in Path(f"{path}.jsonl").read_bytes().splitlines():
        item = orjson.loads(line)
        assert item["id"] not in found, "twice"
        found[item["id"]] = item
    return found


def deliver(path: str) -> None:
    output = make_file(
        config_class("file").model_validate({"name": "file", "path": f"{path}.jsonl", "content": "message"})
    )  # type: ignore[arg-type]
    delivery = Delivery(OutboxConfig(), Path(f"{path}.outbox"), [output], live=False)
    delivery.start()
    delivery.stop(20.0)


def retried(config: Path, *more: str) -> subprocess.CompletedProcess[str]:
    return command("outbox", "failures", "retry", str(config), *more)


@pytest.mark.parametrize("wrong", [1, 2])
def test_what_could_not_be_made_is_made_after_mending_equal_to_the_byte(squares: Path, wrong: int) -> None:
    good = configuration(squares, "good", words=MENDED)
    summary = cl.run(good, detector=bright)
    assert (summary.failures, summary.exit_code) == (0, 0)
    bad = configuration(squares, "bad", words=BROKEN, wrong=wrong)
    failures = cl.run(bad, detector=bright).failures
    assert failures > 3 * WALKERS
    assert len(cl.retry_failures(bad, detector=bright).remaining) == failures
    assert read(Path("bad.outbox")).kept[0].data["retried"] == 1
    mended = configuration(squares, "bad", words=MENDED)
    report = cl.retry_failures(mended, detector=bright)
    assert (report.made, report.left_out, report.remaining) == (failures, 0, [])
    assert read(Path("bad.outbox")).kept == []
    assert cl.retry_failures(mended, detector=bright).made == 0
    deliver("bad")
    # The file of functions has another name, and nothing else differs.
    assert delivered("bad") == delivered("good")


def test_the_command_says_what_failed_and_what_became_of_it(squares: Path) -> None:
    bad = configuration(squares, "bad", words=BROKEN)
    failures = cl.run(bad, detector=bright).failures
    told = command("outbox", "failures", write(Path("bad.yaml"), bad))
    assert (told.returncode, f"{failures} messages could not be made" in told.stdout) == (0, True), told.stdout
    again = retried(Path("bad.yaml"))
    assert (again.returncode, f"{failures} stay" in again.stdout) == (2, True), again.stdout + again.stderr
    done = retried(write(Path("bad.yaml"), configuration(squares, "bad", words=MENDED)))
    assert (done.returncode, done.stderr) == (0, ""), done.stdout
    assert f"{failures} made and waiting for delivery, 0 left out by their definition, 0 stay" in done.stdout


def test_with_several_faults_only_what_is_mended_is_made_and_the_rest_has_its_new_reason(squares: Path) -> None:
    bad = configuration(squares, "bad", words=BROKEN, wrong=1)
    failures = cl.run(bad, detector=bright).failures
    bad["messages"][0]["value"]["c"] = "{class}"
    bad["messages"][1]["if"] = "track_id < 0"
    bad["messages"][1]["value"]["c"] = "{class}"
    bad["messages"][3]["key"] = "{source | int}"
    del bad["messages"][4]
    done = retried(write(Path("bad.yaml"), bad), "--json")
    report = orjson.loads(done.stdout)
    assert done.returncode == 2
    assert (report["made"], report["left_out"]) == (WALKERS, WALKERS)
    kept = read(Path("bad.outbox")).kept
    assert len(kept) == len(report["remaining"]) == failures - 2 * WALKERS
    reasons = {k.data["definition"]: k.data["error"] for k in kept}
    assert set(reasons) == {"window", "minimal", "several"}
    assert "street" in reasons["minimal"]
    assert "no message 'several'" in reasons["several"]
    assert orjson.loads(retried(Path("bad.yaml"), "--message", "event", "--json").stdout)["remaining"] == []


def test_a_function_that_was_given_from_python_is_retried_from_python(squares: Path) -> None:
    state = {"wrong": True}

    @cl.message(on="crossing", name="mine")
    def mine(event: cl.Crossing) -> dict[str, Any]:
        if state["wrong"]:
            raise KeyError("plate")
        return {"who": event.track_id}

    data = made(squares, "127.0.0.1:1", "t", messages=[], outputs=[{"file": {"path": "o.jsonl"}}], outbox="o.outbox")
    assert cl.run(data, [mine], detector=bright).failures == WALKERS
    state["wrong"] = False
    report = cl.retry_failures(data, [mine], detector=bright)
    assert (report.made, report.remaining) == (WALKERS, [])
    assert len(waiting("o")) == WALKERS


def test_a_message_that_tells_of_other_things_now_stays(squares: Path) -> None:
    bad = configuration(squares, "bad", words=BROKEN)
    cl.run(bad, detector=bright)
    good = configuration(squares, "bad", words=MENDED)
    good["messages"] = [{**good["messages"][0], "on": "frame", "key": None, "value": {"n": "{frame}"}}]
    report = cl.retry_failures(good, detector=bright, name="event")
    assert report.made == 0
    assert len(report.remaining) == WALKERS
    assert "another id" in report.remaining[0]["error"]


def test_a_run_that_uses_the_outbox_keeps_a_retry_away(squares: Path) -> None:
    bad = configuration(squares, "bad", words=BROKEN)
    cl.run(bad, detector=bright)
    before = Path("bad.outbox.failures.jsonl").read_bytes()
    with outbox.open(OutboxConfig(), Path("bad.outbox"), ["file"]):
        done = retried(write(Path("bad.yaml"), configuration(squares, "bad", words=MENDED)))
        listed = command("outbox", "failures", "bad.yaml", "--json")
    assert done.returncode == 5
    assert "in use" in done.stderr
    assert Path("bad.outbox.failures.jsonl").read_bytes() == before
    assert listed.returncode == 0, "looking disturbs nobody"
    assert all(orjson.loads(line)["retryable"] for line in listed.stdout.splitlines())
    nothing = dict(configuration(squares, "bad", words=MENDED), outbox="none.outbox")
    assert retried(write(Path("none.yaml"), nothing)).returncode == 5


KILLED = """
import os, signal, sys
import countline as cl
import countline.outbox.remade as remade
import countline.pipeline.delivery.failure_lines as lines
at, step = int(sys.argv[1]), 0

def deadly(work):
    def run(*args, **named):
        global step
        for before in (True, False):
            step += 1
            if step == at:
                os.kill(os.getpid(), signal.SIGKILL)
            if before:
                done = work(*args, **named)
        return done
    return run

remade.put, remade.forget = deadly(remade.put), deadly(remade.forget)
lines._replace = deadly(lines._replace)
os.replace = deadly(os.replace)
report = cl.retry_failures(sys.argv[2], detector=list)
print(report.made, report.finished, len(report.remaining))
"""


def test_killed_at_any_step_of_a_retry_nothing_is_lost_and_nothing_twice(
    squares: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("countline.pipeline.engine.FailureFile", _small)
    bad = configuration(squares, "bad", words=BROKEN, wrong=1)
    failures = cl.run(bad, detector=bright).failures
    assert Path("bad.outbox.failures.jsonl.old").exists(), "both files have some"
    config = write(Path("bad.yaml"), configuration(squares, "bad", words=MENDED, wrong=1))
    saved = {p.name: p.read_bytes() for p in Path().glob("bad.outbox*")}
    report = cl.retry_failures(str(config), detector=bright)
    made, stay = report.made, len(report.remaining)
    assert made + stay == failures
    assert min(made, stay) > 10, "the function is not mended"
    wanted = waiting("bad")
    kills = 0
    for at in range(1, 30):
        for name in [p.name for p in Path().glob("bad.outbox*")]:
            os.unlink(name)
        for name, content in saved.items():
            Path(name).write_bytes(content)
        if (
            starting.run([sys.executable, "-c", KILLED, str(at), str(config)], check=False).returncode
            != -signal.SIGKILL
        ):
            break
        kills += 1
        report = cl.retry_failures(str(config), detector=bright)
        assert report.made in (made, 0)
        assert len(report.remaining) == stay
        assert waiting("bad") == wanted, f"killed at step {at}"
        assert len(read(Path("bad.outbox")).kept) == stay
    assert kills >= 10


def _small(path: Path | None) -> Any:
    from countline.pipeline.delivery.failure_file import FailureFile

    file = FailureFile(path)
    size = 150_000
    file._most = size
    return file


def test_a_run_over_the_same_file_makes_anew_what_failed_and_a_retry_adds_nothing(squares: Path) -> None:
    bad = configuration(squares, "bad", words=BROKEN)
    assert cl.run(bad, detector=bright).failures
    good = configuration(squares, "bad", words=MENDED)
    assert cl.run(good, detector=bright).failures == 0
    assert read(Path("bad.outbox")).kept == [], "they were made by this run"
    assert cl.retry_failures(good, detector=bright).made == 0


def test_frames_that_the_next_run_goes_through_again_are_left_to_it(squares: Path) -> None:
    """The failure is written before the frame's commit: a crash in between leaves it behind."""
    script = (
        "import os, signal, sys, yaml; sys.path.insert(0, sys.argv[1])\n"
        "import countline as cl\n"
        "from conftest_e2e import bright\n"
        "from countline.pipeline.delivery.delivery import Delivery\n"
        "put, seen = Delivery.put, []\n"
        "def deadly(self, frame, messages, *more):\n"
        "    if frame.number >= 250:\n"
        "        if not seen: self.writer.flush()\n"
        "        seen.append(frame.number)\n"
        "        if len(seen) == 30: os.kill(os.getpid(), signal.SIGKILL)\n"
        "        return\n"
        "    put(self, frame, messages, *more)\n"
        "Delivery.put = deadly\n"
        "cl.run(yaml.safe_load(open('bad.yaml')), detector=bright)\n"
    )
    good = configuration(squares, "good", words=MENDED)
    cl.run(good, detector=bright)
    write(Path("bad.yaml"), configuration(squares, "bad", words=BROKEN))
    assert starting.run([sys.executable, "-c", script, str(HERE)], check=False).returncode == -signal.SIGKILL
    kept = read(Path("bad.outbox")).kept
    late = [k for k in kept if k.data["committed"] >= 250]
    assert late, "written before the kill"
    mended = configuration(squares, "bad", words=MENDED)
    report = cl.retry_failures(mended, detector=bright)
    assert report.made == len(kept) - len(late)
    assert len(report.remaining) == len(late)
    assert "the next run goes through it again" in report.remaining[0]["error"]
    assert cl.run(mended, detector=bright).failures == 0
    assert cl.retry_failures(mended, detector=bright).made == 0
    items = [orjson.loads(line) for line in Path("bad.jsonl").read_bytes().splitlines()]
    assert {item["id"]: item for item in items} == delivered("good")
    # What the output had and the outbox did not yet know of comes twice after a crash; nothing of a retry does.
    failed = {k.data["id"] for k in kept}
    assert sorted(item["id"] for item in items if item["id"] in failed) == sorted(failed)
