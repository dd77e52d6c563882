"""An id names one event for ever: whatever runs over the same video, messages of one id are equal to the byte."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import orjson
import pytest
from conftest_e2e import WALKERS, bright, walkers

import countline as cl
from countline import outbox

S = 10**9
VALUES = {
    "plain": {"id": "{id}", "to": "{direction}"},
    "counts": {"id": "{id}", "n": "{lines.l.cumulative}"},
    "epochs": {"id": "{id}", "epoch": "{lines.l.epoch}", "since": "{lines.l.reset_at}"},
    "line": {"id": "{id}", "line": "{lines.l}"},
}


FEW, MORE = 5, 12


def run(video: Path, line: float = 0.5, crossings: int | None = WALKERS, **source: Any) -> dict[str, bytes]:
    """Id -> message of a run that counts in ``o.outbox``: of ``crossings``, or of some, as many as it says that it made."""
    out = Path(f"out-{len(list(Path().glob('out-*')))}.jsonl")
    data = {
        "sources": [{"name": "gate", "uri": str(video), **source}],
        "rules": {"lines": [{"name": "l", "points": [[0.2, line], [0.8, line]]}]},
        "messages": [{"name": name, "value": value} for name, value in VALUES.items()],
        "outputs": [{"file": {"path": str(out)}}],
        "outbox": "o.outbox",
    }
    summary = cl.run(data, detector=bright, messages=[told])
    assert summary.exit_code == 0
    found = {}
    for line in out.read_bytes().splitlines():
        found[orjson.loads(line).get("id") or line.decode()] = line
    assert len(found) == summary.messages > 0
    assert crossings is None or len(found) == (len(VALUES) + 1) * crossings
    return found


@cl.message(on="crossing", name="told")
def told(event: cl.Crossing, analytics: cl.Analytics) -> dict[str, Any]:
    return {"n": analytics.lines["l"].cumulative, "epoch": analytics.lines["l"].epoch, "at": event.time_ns}


def differ(one: dict[str, bytes], other: dict[str, bytes]) -> list[str]:
    return [name for name in one.keys() & other.keys() if one[name] != other[name]]


def ids(found: dict[str, bytes]) -> set[str]:
    return {name for name in found if not name.startswith("{")}


def of(found: dict[str, bytes], words: bytes) -> dict[str, bytes]:
    return {name: line for name, line in found.items() if words in line}


def test_a_file_run_again_gives_the_same_messages_but_for_those_that_tell_of_resets(squares: Path) -> None:
    runs = [run(squares) for _ in range(3)]
    for again in runs[1:]:
        assert of(again, b'"to"') == of(runs[0], b'"to"') != {}
        assert {n for n, line in of(again, b'"id"').items() if b'"n":' in line} == {
            n for n, line in of(runs[0], b'"id"').items() if b'"n":' in line
        }
    assert not set(of(runs[0], b'"since"')) & set(of(runs[1], b'"since"')), "a new epoch is told under new ids"


def test_counts_that_go_on_make_other_events(squares: Path) -> None:
    runs = [run(squares, counts="continue") for _ in range(3)]
    for i, one in enumerate(runs):
        for other in runs[:i]:
            assert not ids(one) & ids(other)


def test_a_file_that_stands_for_a_camera_gives_events_of_its_own_each_time(tmp_path: Path) -> None:
    video = walkers(tmp_path / "few.mp4", FEW)  # it is played at its own pace: a busy machine may miss some
    first, *live = run(video, crossings=FEW), *(run(video, crossings=None, live=True) for _ in range(3))
    assert not ids(first) & ids(live[0])
    assert not ids(live[1]) & ids(live[2])


def test_whatever_runs_one_after_the_other_an_id_never_has_two_contents(tmp_path: Path) -> None:
    one, other = walkers(tmp_path / "one.mp4", MORE), walkers(tmp_path / "other.mp4", MORE)
    found: dict[str, bytes] = {}
    steps: list[tuple[Path, dict[str, Any]]] = [
        (one, {}), (other, {}), (one, {}), (one, {"counts": "continue"}), (one, {}), (one, {}), (other, {}),
        (one, {"start": "2026-11-25T22:00:00Z"}), (one, {"fps": 12}), (one, {}),
    ]  # fmt: skip
    for number, (video, source) in enumerate(steps):
        if number == 5:
            outbox.reset_counts(Path("o.outbox"), "gate", None, at=123 * S)
        made = run(video, crossings=None if "fps" in source else MORE, **source)  # at fewer frames some are missed
        assert differ(made, found) == [], f"run {number}"
        found |= made


@pytest.mark.parametrize("first", [{}, {"counts": "continue"}])
def test_ids_do_not_depend_on_the_outbox_where_nothing_was_counted_before(first: dict[str, Any], squares: Path) -> None:
    one = run(squares, **first)
    for path in Path().glob("o.outbox*"):
        path.unlink()
    assert run(squares, **first) == one


def test_another_line_makes_other_events(squares: Path) -> None:
    assert not ids(run(squares)) & ids(run(squares, line=0.52))
