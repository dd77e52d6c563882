"""An edit at the desk counts from the next frame on, is found in the file with all that was there, and can be taken back."""

from __future__ import annotations

import os
import re
import stat
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest
from desks import SITE, desk_at, line
from stepping import PAUSE

from countline.errors import ConfigError, CountlineError
from countline.view.conflict import Conflict


def test_a_line_that_is_drawn_counts_and_all_other_counts_go_on(tmp_path: Path) -> None:
    with desk_at(tmp_path) as at:
        at.stepping.step(2 * PAUSE)
        assert at.counts() == {"door": {"in": 0, "out": 2}}
        done = at.desk.apply(at.digest, [line("low", 0.8)])
        assert done["changes"] == ["line 'low' added"]
        assert done["digest"] == at.digest
        assert done["undo"]
        at.stepping.step(PAUSE)
        assert at.counts() == {"door": {"in": 0, "out": 3}, "low": {"in": 0, "out": 1}}
        assert at.text == SITE.replace(
            "  # nothing here yet",
            "    - name: low\n      points: [[0.05, 0.8], [0.95, 0.8]]\n  # nothing here yet",
        )


EDITS: dict[str, tuple[list[dict[str, Any]], str, str]] = {
    "move one end": ([line("door", 0.6) | {"points": [[0.05, 0.6], [0.95, 0.512345]]}], "0.60]]", "0.5123]]"),
    "a further point": (
        [line("door", 0.6) | {"points": [[0.05, 0.6], [0.5, 0.7], [0.95, 0.6]]}],
        "[[0.050, 0.6], [0.95",
        "[[0.050, 0.6], [0.5, 0.7], [0.95",
    ),
    "another name": ([line("gate 2", 0.6, was="door")], "'door'", "'gate 2'"),
    "an option": (
        [{"op": "put", "kind": "line", "name": "door", "options": {"count": "once"}}],
        "[0.95, 0.60]]\n",
        "[0.95, 0.60]]\n      count: once\n",
    ),
    "of one source": (
        [{"op": "put", "kind": "line", "name": "door", "source": "gate"}],
        "[0.95, 0.60]]\n",
        "[0.95, 0.60]]\n      source: gate\n",
    ),
    "a region": (
        [{"op": "put", "kind": "region", "name": "r", "points": [[0, 0], [1, 0], [1, 1]], "options": {"dwell": 5}}],
        "  regions: []\n",
        "  regions:\n    - name: r\n      points: [[0.0, 0.0], [1.0, 0.0], [1.0, 1.0]]\n      dwell: 5\n",
    ),
}


@pytest.mark.parametrize("name", EDITS)
def test_an_edit_changes_nothing_in_the_file_but_what_it_says(name: str, tmp_path: Path) -> None:
    edits, before, after = EDITS[name]
    with desk_at(tmp_path) as at:
        shown = at.desk.preview(at.digest, edits)
        assert at.text == SITE, "a preview changes nothing"
        done = at.desk.apply(at.digest, edits)
        assert shown["changes"] == done["changes"]
        assert at.text == SITE.replace(before, after)
        removed = [text[1:] for text in shown["diff"].splitlines()[2:] if text.startswith("-")]
        assert all(text in SITE for text in removed)


def test_every_kind_can_be_drawn_and_is_shown_as_it_was_drawn(tmp_path: Path) -> None:
    area = [[0.1, 0.1], [0.9, 0.1], [0.9, 0.9], [0.1, 0.9]]
    arrow = [[0.5, 0.8], [0.5, 0.2]]
    drawn: list[dict[str, Any]] = [
        {"op": "put", "kind": "region", "name": "r", "points": area, "options": {"crowding": {"objects": 3}}},
        {"op": "put", "kind": "direction", "name": "up", "from": arrow[0], "to": arrow[1]},
        {"op": "put", "kind": "speed", "name": "s", "points": area, "options": {"width": 4, "length": 20, "limit": 30}},
        {"op": "put", "kind": "queue", "name": "q", "points": area, "options": {"max_length": 4}},
        {"op": "put", "kind": "wrong-way", "name": "w", "points": area, "arrow": arrow, "options": {"seconds": 2}},
        {"op": "put", "kind": "journey", "name": "j", "options": {"places": ["door", "r"]}},
    ]
    with desk_at(tmp_path) as at:
        at.desk.apply(at.digest, drawn)
        rules = {rule["name"]: rule for rule in at.desk.rules()["rules"]}
        assert rules["door"]["labels"] == {"in": "in", "out": "out"}
        for edit in drawn:
            shown = rules[edit["name"]]
            assert shown["editable"]
            assert shown["points"] == (edit.get("points") or (arrow if edit["kind"] == "direction" else []))
            assert shown["options"] == edit.get("options", {})
        assert rules["w"]["arrow"] == arrow
        again = [
            {"op": "put", "kind": r["kind"], "name": n, "points": r["points"] or None, "options": r["options"]}
            for n, r in rules.items()
        ]
        text = at.text
        at.desk.apply(at.digest, again)
        assert at.text == text, "what is put as it is shown changes nothing"
        at.desk.apply(at.digest, [{"op": "remove", "kind": e["kind"], "name": e["name"]} for e in reversed(drawn)])
        assert [rule["name"] for rule in at.desk.rules()["rules"]] == ["door"]


def test_a_rule_in_pixels_stays_in_pixels(tmp_path: Path) -> None:
    text = SITE.replace("rules:\n", "rules:\n  coordinates: pixels\n  resolution: [320, 180]\n").replace(
        "[[0.050, 0.6], [0.95, 0.60]]", "[[16, 108.0], [304, 108]]"
    )
    with desk_at(tmp_path, text) as at:
        (door,) = at.desk.rules()["rules"]
        assert door["points"] == [[0.05, 0.6], [0.95, 0.6]]
        at.desk.apply(at.digest, [line("door", 0.6) | {"points": [[0.05, 0.6], [0.95, 0.75]]}])
        assert at.text == text.replace("[304, 108]", "[304, 135]")


def test_a_new_name_is_followed_where_journeys_and_messages_list_it(tmp_path: Path) -> None:
    text = SITE.replace("    on: crossing\n", "    on: crossing\n    rules: [door]  # the one\n").replace(
        "  regions: []",
        "  regions: [{name: r, points: [[0, 0], [1, 0], [1, 1]]}]\n  journeys: [{name: j, places: [r, door]}]",
    )
    with desk_at(tmp_path, text) as at:
        at.desk.apply(at.digest, [line("porch", 0.6, was="door")])
        assert at.text == text.replace("'door'", "'porch'").replace("[door]", "[porch]").replace(
            "[r, door]", "[r, porch]"
        )


def test_whether_an_edit_can_be_undone_is_known_as_soon_as_the_run_has_changed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Pages ask for the rules when they are told that these have changed, and not again."""
    with desk_at(tmp_path) as at:
        control, told = at.desk._control, []
        change = type(control).apply

        def noted(self: Any, config: Any, *more: Any) -> Any:
            done = change(self, config, *more)
            told.append(at.desk.rules()["undo"])
            return done

        monkeypatch.setattr(type(control), "apply", noted)
        at.desk.apply(at.digest, [line("low", 0.8)])
        at.desk.undo(at.digest)
        assert told == [True, False]
        with pytest.raises(CountlineError):
            at.desk.apply(at.digest, [{"op": "remove", "kind": "line", "name": "nowhere"}])
        assert not at.desk.rules()["undo"]


def test_an_edit_is_taken_back_to_the_very_bytes(tmp_path: Path) -> None:
    text = SITE.replace("\n", "\r\n").rstrip()
    with desk_at(tmp_path, text) as at:
        at.stepping.step(2 * PAUSE)
        texts = [at.text]
        for edit in (line("a", 0.5), line("door", 0.7), {"op": "remove", "kind": "line", "name": "a"}):
            at.desk.apply(at.digest, [edit])
            texts.append(at.text)
        for former in reversed(texts[:-1]):
            done = at.desk.undo(at.digest)
            assert at.text == former
        assert not done["undo"]
        assert at.text == text
        at.stepping.step(PAUSE)
        assert at.counts()["door"] == {"in": 0, "out": 3}
        with pytest.raises(ConfigError, match="nothing to take back"):
            at.desk.undo(at.digest)


def test_an_edit_on_disk_is_shown_and_not_written_over(tmp_path: Path) -> None:
    with desk_at(tmp_path) as at:
        at.desk.apply(at.digest, [line("a", 0.5)])
        theirs = at.text.replace("0.60]]", "0.70]]")
        at.path.write_text(theirs)
        for act in (
            lambda: at.desk.preview(at.digest, [line("b", 0.5)]),
            lambda: at.desk.apply(at.digest, [line("b", 0.5)]),
            lambda: at.desk.undo(at.digest),
        ):
            with pytest.raises(Conflict) as told:
                act()
            assert re.search(r"^\+.*0\.70\]\]", told.value.disk, re.MULTILINE)
            assert at.text == theirs
        at.path.write_text("rules: [broken")
        with pytest.raises(Conflict, match="cannot be used as it is"):
            at.desk.apply(at.digest, [line("b", 0.5)])
        assert at.text == "rules: [broken"


def test_a_comment_that_was_written_on_disk_meanwhile_stays(tmp_path: Path) -> None:
    with desk_at(tmp_path) as at:
        at.path.write_text(SITE + "# a word\n")
        at.desk.apply(at.digest, [line("a", 0.5)])
        assert at.text.endswith("# a word\n")
        with pytest.raises(Conflict):
            at.path.write_text(at.text + "# one more\n")
            at.desk.undo(at.digest)


def test_an_edit_of_rules_that_are_no_longer_those_is_a_conflict(tmp_path: Path) -> None:
    with desk_at(tmp_path) as at:
        before = at.digest
        at.desk.apply(before, [line("a", 0.5)])
        with pytest.raises(Conflict, match="changed meanwhile") as told:
            at.desk.apply(before, [line("b", 0.5)])
        assert told.value.disk == ""


DEEP: Any = []
for _ in range(400):
    DEEP = [DEEP]
REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "two points that are one": (
        line("door", 0.5) | {"points": [[0.5, 0.5], [0.5, 0.5]]},
        "are equal, so it has no sides",
    ),
    "an unknown option": ({"op": "put", "kind": "line", "name": "door", "options": {"bnad": 1}}, "did you mean 'band'"),
    "an unknown class": ({"op": "put", "kind": "line", "name": "door", "options": {"classes": ["pony"]}}, "pony"),
    "an unknown source": (
        {"op": "put", "kind": "line", "name": "door", "source": "yard"},
        "'yard', which does not exist",
    ),
    "a name that a journey needs": (
        {"op": "remove", "kind": "region", "name": "nobody"},
        "there is no region 'nobody'",
    ),
    "a kind that is none": (
        {"op": "put", "kind": "circle", "name": "c", "points": []},
        "there is no kind of rule 'circle'",
    ),
    "no points": ({"op": "put", "kind": "line", "name": "new"}, "'points' is missing"),
    "what the environment knows": (line("${file:/etc/hostname}", 0.5), "cannot be written from here"),
    "what is nested without an end": (line("a", 0.5, options={"names": DEEP}), "nested too deeply"),
    "a new one with a name that is taken": (line("door", 0.5, was=None), "two rules are named 'door'"),
    "another key": (line("a", 0.5, uri="x"), "an edit has no 'uri'"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_refused_leaves_run_and_file_as_they_were(name: str, tmp_path: Path) -> None:
    edit, words = REFUSED[name]
    with desk_at(tmp_path) as at:
        at.stepping.step(2)
        before = at.digest
        for act in (at.desk.apply, at.desk.preview):
            with pytest.raises(CountlineError, match=re.escape(words)):
                act(before, [line("good", 0.4), edit])
        assert (at.digest, at.text) == (before, SITE)
        assert os.listdir(tmp_path / "cwd") in ([], ["out.jsonl"])
        assert not [name for name in os.listdir(tmp_path) if name.endswith(".partial")]


def test_the_file_keeps_its_rights_and_a_link_stays_one(tmp_path: Path) -> None:
    with desk_at(tmp_path) as at:
        at.path.chmod(0o640)
        at.desk.apply(at.digest, [line("a", 0.5)])
        assert stat.S_IMODE(at.path.stat().st_mode) == 0o640
        real = tmp_path / "real.yaml"
        at.path.rename(real)
        at.path.symlink_to(real.name)
        at.desk.apply(at.digest, [line("b", 0.5)])
        assert at.path.is_symlink()
        assert "name: b" in real.read_text()


def test_rules_of_a_deepstream_file_or_of_options_say_why_they_are_not_edited(tmp_path: Path) -> None:
    from countline.view.desk import Desk

    with desk_at(tmp_path) as at:
        desk = Desk(at.stepping.run.control, at.desk.memory, None)
        assert "came from options" in desk.why_not
        assert not desk.writable
        assert not desk.rules()["rules"][0]["editable"]
        with pytest.raises(ConfigError, match="came from options"):
            desk.apply(at.digest, [line("a", 0.5)])
        at.path.unlink()
        assert "is no file" in at.desk.why_not


def test_a_watched_file_is_not_applied_a_second_time(tmp_path: Path) -> None:
    with desk_at(tmp_path, watch=True) as at:
        control = at.stepping.run.control
        reread, asked = control.reread, threading.Event()

        def noticed() -> Any:
            assert reread is not None
            asked.set()
            return reread()

        control.reread = noticed
        at.stepping.step(2)
        at.desk.apply(at.digest, [line("a", 0.5)])
        assert asked.wait(30), "the edit of the file is noticed"
        applied = threading.Event()
        control.on_told.append(lambda change: applied.set())
        theirs = tmp_path / "theirs.yaml"
        theirs.write_text(at.text.replace("0.60]]", "0.65]]"))
        os.replace(theirs, at.path)  # and edits of others still are applied
        assert applied.wait(30)
        assert control.results == {"applied": 2, "refused": 0}
        at.desk.apply(at.digest, [line("b", 0.5)])
        assert "0.65]]" in at.text


def test_a_point_that_is_sent_back_rounded_has_not_moved(tmp_path: Path) -> None:
    text = SITE.replace("[0.050, 0.6], [0.95, 0.60]", "[0.0512345678, 0.6], [9.5e-1, 0.333333]")
    with desk_at(tmp_path, text) as at:
        at.desk.apply(at.digest, [line("door", 0.6, was="door") | {"points": [[0.0512, 0.6], [0.95, 0.2]]}])
        assert at.text == text.replace("0.333333", "0.2")


def test_no_secret_of_the_file_stands_in_what_is_shown_of_it(tmp_path: Path) -> None:
    kafka = 'bootstrap: "127.0.0.1:9", topic: t, sasl: {mechanism: PLAIN, username: u, password: "Pa55-first"}'
    text = SITE.replace("messages:\n", f"outputs:\n  - kafka: {{{kafka}}}\nmessages:\n", 1)
    text = text[: text.rindex("outputs:")]
    with desk_at(tmp_path, text) as at:
        region = {"op": "put", "kind": "region", "name": "r", "points": [[0, 0], [1, 0], [1, 1]]}
        shown = at.desk.preview(at.digest, [region])["diff"]
        assert "password: ***" in shown
        assert "Pa55" not in shown
        for theirs in ('"Pa55-other"', "x1", '"Pa55-other"}\n  - [broken'):
            at.path.write_text(text.replace('"Pa55-first"', theirs).replace("gate.mp4", "rtsp://me:Pa55-camera@host/s"))
            with pytest.raises(Conflict) as told:
                at.desk.apply(at.digest, [region])
            assert "@@" in told.value.disk
            for secret in ("Pa55", "x1"):
                assert secret not in told.value.disk + str(told.value)


def test_a_file_that_is_mounted_by_itself_says_that_its_folder_must_be(tmp_path: Path) -> None:
    inner, outer = tmp_path / "in a pod.yaml", tmp_path / "given.yaml"
    inner.write_text(SITE)
    outer.write_text(SITE)
    ask = "import sys, pathlib, countline.view.desk.file as f; print(f.ConfigFile(pathlib.Path(sys.argv[1])).why_not())"
    mount = 'mount --bind "$2" "$1" && exec "$3" -c "$4" "$1"'
    done = subprocess.run(
        ["unshare", "-rm", "sh", "-c", mount, "sh", str(inner), str(outer), sys.executable, ask],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    if done.returncode:
        pytest.skip(f"nothing can be mounted here: {done.stderr.strip()}")
    assert "is mounted by itself, so that it cannot be replaced at once: mount its folder" in done.stdout
