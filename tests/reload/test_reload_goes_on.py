"""What a change leaves alone goes on as if nothing had been: not one crossing more or less, in the middle of the picture."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from stepping import PAUSE, SCENE, Steps, config, line, stepping, written

import countline as cl
from countline.errors import ConfigError

MIDDLE = PAUSE + 15
"""A person stands before the line."""
CHANGES: dict[str, Any] = {
    "another line": lambda c: c | {"rules": {"lines": [*c["rules"]["lines"], line("more", 0.5)]}},
    "another line gone": lambda c: c | {"rules": {"lines": c["rules"]["lines"][:1]}},
    "another message": lambda c: c | {"messages": [*c["messages"], {"name": "n", "on": "frame", "value": "{frame}"}]},
    "an output added": lambda c: c | {"outputs": [*c["outputs"], {"file": {"name": "b", "path": "b.jsonl"}}]},
    "a schedule": lambda c: c | {"outbox": {"reset": "daily 00:00 Europe/Berlin"}},
}


@pytest.mark.parametrize("name", CHANGES)
@pytest.mark.parametrize("live", [True, False])
def test_rules_that_are_not_changed_lose_and_double_no_crossing(name: str, live: bool, tmp_path: Path) -> None:
    given = config(tmp_path, [line(), line("gone", 0.4)])
    seen = {}
    for changed in (False, True):
        with stepping(given, [Steps(live=live, stream="s")], tmp_path / f"{changed}.outbox") as run:
            for at in range(0, 4 * PAUSE, MIDDLE):
                run.step(min(MIDDLE, 4 * PAUSE - at))
                if changed and at == 0:
                    assert run.run.control.apply(CHANGES[name](given)).changes
        seen[changed] = [
            [(e.kind, e.track_id, e.frame.number) for e in a.events if getattr(e, "rule", "") == "l"]
            for a in run.frames
        ]
        assert run.frames[-1].lines["l"].cumulative == 4
    assert seen[True] == seen[False]


def test_windows_of_unchanged_messages_go_on_and_those_of_removed_ones_are_told(tmp_path: Path) -> None:
    value = {"frame": "{frame}", "n": "{lines.l.window}", "complete": "{window.complete}", "name": "{frame}"}
    messages = [{"name": n, "on": "interval 10s", "value": value | {"name": n}} for n in ("kept", "gone", "other")]
    given = config(tmp_path, messages=messages)
    with stepping(given, [Steps()], tmp_path / "o.outbox") as run:
        run.step(MIDDLE)
        other = {**messages[2], "on": "interval 5s"}
        run.run.control.apply(given | {"messages": [messages[0], other]})
        run.step(2 * PAUSE)
    told = [(m["name"], m["frame"], m["n"], m["complete"]) for m in written(tmp_path / "out.jsonl")]
    assert [m for m in told if m[0] == "gone"] == [("gone", MIDDLE - 1, 1, False)]
    assert next(m for m in told if m[0] == "kept") == ("kept", 99, 3, True), "begun before the change, whole"
    others = [m for m in told if m[0] == "other"]
    assert others[0] == ("other", MIDDLE - 1, 1, False), "it was another interval"
    assert others[1] == ("other", 99, 2, False), "that of 5 s began in its middle"


def test_the_tracker_is_made_anew_and_counts_go_on(tmp_path: Path) -> None:
    given = config(tmp_path)
    with stepping(given, [Steps()], tmp_path / "o.outbox") as run:
        run.step(PAUSE)
        run.run.control.apply(given | {"tracker": {"lost": 2.5}})
        run.step(PAUSE)
    assert run.frames[-1].lines["l"].cumulative == 2
    assert run.frames[-1].lines["l"].epoch == 0


REFUSED: dict[str, tuple[Any, str]] = {
    "detector": ({"detector": {"confidence": 0.5}}, "the detector (confidence) cannot be changed while running"),
    "outbox": ({"outbox": {"max_bytes": 10**9}}, "the outbox (max_bytes) cannot be changed while running"),
    "low": ({"tracker": {"low": 0.2}}, "cannot be changed while running"),
    "unknown key": ({"rules": {"lnes": []}}, "unknown key 'lnes'"),
    "class": ({"rules": {"lines": [line(classes=["horse"])]}}, "the class 'horse' is none of the detector's labels"),
    "template": ({"messages": [{"name": "m", "value": "{frme}"}]}, "frme"),
    "file": ({"sources": [{"name": "gate"}, {"name": "b", "uri": "none.mp4"}]}, "none.mp4"),
    "output": (
        {"outputs": [{"kafka": {"bootstrap": "127.0.0.1:1", "topic": "t", "options": {"no.such": "1"}}}]},
        "no.such",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_not_right_is_refused_with_the_words_of_a_start_and_all_goes_on(name: str, tmp_path: Path) -> None:
    changed, words = REFUSED[name]
    given = config(tmp_path)
    with stepping(given, [Steps()], tmp_path / "o.outbox") as run:
        run.step(MIDDLE)
        before = run.run.control.current()
        with pytest.raises(cl.CountlineError) as refused:
            run.run.control.apply(given | changed)
        assert words in str(refused.value)
        assert run.run.control.current() == before
        run.step(2 * PAUSE - MIDDLE)
        assert run.run.control.apply(given | {"rules": {"lines": [line(), line("b", 0.5)]}}).changes
        run.step(PAUSE)
    assert run.frames[-1].lines["l"].cumulative == 3
    assert [m["frame"] for m in written(tmp_path / "out.jsonl") if m["rule"] == "l"] == [
        a.frame.number for a in run.frames for e in a.events if e.rule == "l"
    ]
    assert "cannot be changed" in words or _at_start(given | changed, tmp_path) == str(refused.value)


def _at_start(given: Any, tmp_path: Path) -> str:
    with pytest.raises(cl.CountlineError) as refused:
        cl.Run(given, sources=[Steps()], detector=SCENE.detector(), state=tmp_path / "other.outbox").close()
    return str(refused.value)


def test_a_change_after_the_end_is_refused(tmp_path: Path) -> None:
    given = config(tmp_path)
    with stepping(given, [Steps()], tmp_path / "o.outbox") as run:
        run.step(1)
    with pytest.raises(ConfigError, match="the run has ended"):
        run.run.control.apply(given | {"rules": {"lines": []}})
