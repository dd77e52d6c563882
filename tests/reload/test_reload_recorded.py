"""What is recorded over a change while running gives the same events again."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from stepping import SCENE, Steps, stepping

from countline.analysis import replay
from countline.analysis.tables import event_row


def test_a_tracker_that_begins_anew_in_the_middle_of_a_way_is_recorded_as_such(tmp_path: Path) -> None:
    given: dict[str, Any] = {
        "sources": [{"name": "gate", "uri": "scene"}],
        "rules": {
            "lines": [{"name": "line", "points": [[0.1, 0.6], [0.9, 0.6]]}],
            "regions": [{"name": "all", "points": [[0, 0], [1, 0], [1, 1], [0, 1]]}],
        },
        "record": str(tmp_path / "recorded"),
    }
    with stepping(given, [Steps()], tmp_path / "state.outbox") as run:
        run.step(55)  # somebody is on the way: the next ids are used a second time
        run.run.control.apply(given | {"tracker": {"lost": 2.5}})
        run.step(len(SCENE) - 55)
    rows = [event_row(event, a.frame.source) for a in run.frames for event in a.events]
    assert [a.frame.number for a in run.frames if a.anew] == [55]
    found = replay(given, tmp_path / "recorded")
    keys = ("frame", "sequence", "kind", "rule", "track_id", "left", "right")
    assert [[r[k] for k in keys] for r in found.events.to_pylist()] == [[r[k] for k in keys] for r in rows]
    ids = [row["track_id"] for row in rows if row["kind"] == "enter"]
    assert len(ids) > len(set(ids))
