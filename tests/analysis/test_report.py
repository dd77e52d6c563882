"""The report is one file that needs nothing else, and the commands do what docs/history.md says."""

from __future__ import annotations

import base64
import contextlib
import html.parser
import io
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import av
import pytest
import yaml
from recordings import BEGIN, frame, record

from countline.cli import main
from countline.types import FrameTracks, Tracks

CONFIG: dict[str, Any] = {
    "sources": [{"name": "gate <1>", "uri": "rtsp://camera"}, {"name": "yard", "uri": "rtsp://other"}],
    "rules": {
        "lines": [{"name": "line & <b>", "points": [[0.2, 0.1], [0.2, 0.9]]}],
        "regions": [{"name": "zone", "points": [[0.1, 0.1], [0.4, 0.1], [0.4, 0.9], [0.1, 0.9]]}],
    },
}


@dataclass
class Done:
    stdout: str
    stderr: str


def countline(*args: object, code: int = 0) -> Done:
    """The command line, in this process: what it imports takes longer than what it does."""
    out, err = (io.TextIOWrapper(io.BytesIO(), write_through=True) for _ in range(2))
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err), pytest.raises(SystemExit) as ended:
        main([str(arg) for arg in args])
    done = Done(*(stream.buffer.getvalue().decode() for stream in (out, err)))
    assert (ended.value.code or 0) == code, done.stderr
    return done


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A configuration, a changed one, and an hour of two sources of which one was away."""
    path = tmp_path_factory.mktemp("history")
    frames = []
    for n in range(900):
        for source in ("gate <1>", "yard"):
            if source == "gate <1>" and 300 <= n < 600:
                continue
            item = frame(n, source=source, time=BEGIN + n * 10**8)
            frames.append(
                FrameTracks(
                    item.info,
                    Tracks(*[getattr(item.tracks, k) for k in ("xyxy", "confidence", "class_id", "track_id")]),
                )
            )
    record(path / "recorded", frames)
    (path / "c.yaml").write_text(yaml.safe_dump(CONFIG))
    changed = json.loads(json.dumps(CONFIG))
    changed["rules"]["lines"][0]["classes"] = ["person"]
    (path / "new.yaml").write_text(yaml.safe_dump(changed))
    return path


class _Page(html.parser.HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.pictures: list[bytes] = []
        self.tags: dict[str, int] = {}
        self.text = ""
        self.foreign: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags[tag] = self.tags.get(tag, 0) + 1
        for name, value in attrs:
            if name in ("src", "href", "srcset", "data", "action"):
                if value is not None and value.startswith("data:image/png;base64,"):
                    self.pictures.append(base64.b64decode(value.partition(",")[2]))
                else:
                    self.foreign.append(f"{name}={value}")

    def handle_data(self, data: str) -> None:
        self.text += data


def test_the_report_is_one_file_that_stands_alone_and_marks_what_is_missing(folder: Path) -> None:
    out = folder / "out" / "week.html"
    countline(
        "report", "--workers", "1", folder / "c.yaml", "--tracks", folder / "recorded", "--out", out, "--png", folder / "png", "--csv",
        folder / "csv", "--every", "15m", "--zone", "Europe/Berlin", "-q",
    )  # fmt: skip
    page = _Page()
    page.feed(out.read_text())
    assert page.foreign == []
    assert not {"script", "link", "iframe", "object", "b"} & set(page.tags)  # names are text, never markup
    assert "line & <b>" in page.text
    assert "Nothing was recorded 1 times" in page.text
    assert "2026-11-22 07:00:29 UTC" in page.text
    written = sorted(p.name for p in (folder / "png").iterdir())
    assert written == [
        "gate-1-heat.png", "gate-1-line-b-counts.png", "gate-1-paths.png", "gate-1-zone-counts.png", "gate-1-zone-dwell.png",
        "yard-heat.png", "yard-line-b-counts.png", "yard-paths.png", "yard-zone-counts.png", "yard-zone-dwell.png",
    ]  # fmt: skip
    assert len(page.pictures) == len(written)
    for picture in page.pictures:
        with av.open(io.BytesIO(picture)) as container:
            assert next(container.decode(video=0)).width > 300
    sheets = {p.name: p.read_text().splitlines() for p in (folder / "csv").iterdir()}
    assert set(sheets) == {f"{n}.csv" for n in ("counts", "gaps", "dwell", "speeds", "journeys", "seen")}
    assert sheets["gaps.csv"][1].startswith("gate <1>,2026-11-22T07:00:29.900000Z,")


def test_a_picture_of_the_scene_may_be_given_and_one_that_is_none_is_refused(folder: Path) -> None:
    import numpy as np

    made = folder / "scene.png"
    with av.open(str(made), "w", format="image2", options={"update": "1"}) as container:
        stream = container.add_stream("png", rate=1)
        stream.width, stream.height, stream.pix_fmt = 64, 36, "rgb24"
        for packet in stream.encode(av.VideoFrame.from_ndarray(np.full((36, 64, 3), 200, np.uint8))):
            container.mux(packet)
    base = (
        "report",
        "--workers",
        "1",
        folder / "c.yaml",
        "--tracks",
        folder / "recorded",
        "--out",
        folder / "p.html",
        "-q",
    )
    countline(*base, "--picture", made)
    done = countline(*base, "--picture", f"yard={folder / 'c.yaml'}", code=2)
    assert "is no picture that can be read" in done.stderr


def test_analyze_prints_totals_and_writes_events_in_every_form(folder: Path) -> None:
    import pyarrow.parquet

    base = ("analyze", "--workers", "1", folder / "c.yaml", "--tracks", folder / "recorded" / "**" / "*.parquet")
    shown = countline(*base, "--out", folder / "e.jsonl.gz")
    assert "× real time" in shown.stderr
    assert "gap: gate <1> from 2026-11-22T07:00:29.900Z to 2026-11-22T07:01:00.000Z" in shown.stdout
    said = json.loads(countline(*base, "--json").stdout)
    total = sum(row["count"] for row in said["totals"])
    lines = [json.loads(line) for line in countline(*base, "--out", "-").stdout.splitlines()]
    assert len(lines) == total > 0
    assert lines[0]["time"].endswith("Z")
    countline(*base, "--out", folder / "e.parquet", "-q")
    countline(*base, "--out", folder / "e.csv", "-q")
    assert pyarrow.parquet.read_table(folder / "e.parquet").num_rows == total
    assert len((folder / "e.csv").read_text().splitlines()) == total + 1
    half = countline(*base, "--json", "--from", "2026-11-22T07:00:30Z", "--to", "2026-11-22T08:01:00+01:00")
    assert json.loads(half.stdout)["frames"] == 300


def test_compare_shows_tracks_and_reasons(folder: Path) -> None:
    base = ("compare", "--workers", "1", folder / "c.yaml", folder / "new.yaml", "--tracks", folder / "recorded")
    shown = countline(*base).stdout
    assert "line 'line & <b>' changed (classes)" in shown
    assert "changed: classes" in shown
    said = json.loads(countline(*base, "--json").stdout)
    assert {d["reason"] for d in said["differences"]} == {"changed: classes"}


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (("analyze", "c.yaml", "--tracks", "nothing/**"), "no recorded tracks"),
        (("analyze", "c.yaml", "--tracks", "recorded", "--from", "yesterday"), "'yesterday' is no time"),
        (("analyze", "c.yaml", "--tracks", "recorded", "--from", "2026-11-23", "--to", "2026-11-22"), "range is empty"),
        (("analyze", "c.yaml"), "--tracks"),
        (("compare", "c.yaml", "--tracks", "recorded"), "two configurations"),
        (("report", "c.yaml", "--tracks", "recorded", "--every", "soon"), "no length of time"),
        (("report", "c.yaml", "--tracks", "recorded", "--zone", "Mars"), "no time zone 'Mars'"),
        (("report", "c.yaml", "--tracks", "recorded", "--out", "c.yaml"), "would overwrite"),
        (("analyze", "missing.yaml", "--tracks", "recorded"), "missing.yaml"),
    ],
)
def test_a_mistake_ends_with_code_2_and_what_to_do(
    folder: Path, args: tuple[str, ...], words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder)
    done = countline(*args, code=2)
    assert words in done.stderr
    assert "Traceback" not in done.stderr
