"""What ``countline analyze``, ``compare`` and ``report`` do with recorded tracks of many files."""

from __future__ import annotations

import csv
import io
import itertools
import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import timezone
from pathlib import Path
from typing import Any

import orjson
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from countline.analysis.comparison import compare
from countline.analysis.replay import Findings, replay
from countline.commands.sink import open_output
from countline.config.moment import moment_of
from countline.errors import ConfigError
from countline.file_safety import NamedFile, refuse_overwriting, replacing
from countline.messages.time import rfc3339
from countline.private_files import open_private
from countline.record.recording import Recording, find
from countline.record.rows import arrow_and_parquet
from countline.terminal import echo, is_terminal

__all__ = ["TimeRange", "analyze_recording", "compare_rules", "moment", "progress_shown", "recording_of", "tell_faults"]

EVERY = 5.0
"""Seconds between two lines of progress where there is no terminal."""
TimeRange = tuple[str | None, str | None]


def moment(text: str | None, option: str) -> int | None:
    """ns since the Unix epoch of an ISO 8601 time; UTC unless it says. Raises ConfigError."""
    if text is None:
        return None
    found = moment_of(text)
    if found is None:
        raise ConfigError(
            f"'{text}' is no time",
            where=option,
            fix="write e.g. 2026-11-22T08:00:00Z, 2026-11-22T09:00+01:00 or 2026-11-22",
        )
    if found.tzinfo is None:
        found = found.replace(tzinfo=timezone.utc)
    seconds = found.replace(microsecond=0)
    return int(seconds.timestamp()) * 10**9 + found.microsecond * 1000


def recording_of(tracks: Sequence[str], times: TimeRange) -> Recording:
    """The files. Raises ConfigError, DataError."""
    since, until = moment(times[0], "--from"), moment(times[1], "--to")
    if since is not None and until is not None and since >= until:
        raise ConfigError("the time range is empty", where="--from, --to", fix="--to must be later than --from")
    return find(tracks, since, until)


@contextmanager
def progress_shown(what: str, quiet: bool = False) -> Iterator[Callable[[int, int], object]]:
    """A function to call with the bytes that are done and the bytes in total: a bar on a terminal, a line now and then elsewhere."""
    if quiet:
        yield lambda done, total: None
        return
    if is_terminal(2):
        with Progress(
            TextColumn("{task.description}"), BarColumn(), TextColumn("{task.percentage:>3.0f} %"), TimeRemainingColumn(),
            console=Console(file=sys.stderr), transient=True,
        ) as bar:  # fmt: skip
            task = bar.add_task(what, total=None)
            yield lambda done, total: bar.update(task, completed=done, total=total)
        return
    due = time.monotonic() + EVERY

    def line(done: int, total: int) -> None:
        nonlocal due
        if time.monotonic() >= due:
            due = time.monotonic() + EVERY
            echo(f"{what}: {100 * done // max(total, 1)} %", err=True)

    yield line


def tell_faults(faults: Sequence[str]) -> None:
    """Files that could not be read."""
    for fault in faults:
        echo(f"warning: {fault}; what it held is missing", err=True)


def analyze_recording(
    config: str, tracks: Sequence[str], times: TimeRange, *, workers: int, out: str | None, as_json: bool, quiet: bool
) -> None:
    """``countline analyze CONFIG --tracks …``: events to ``out``, totals to standard output. Raises ConfigError, RuleError, DataError."""
    if out is not None and out != "-":
        refuse_overwriting([NamedFile("CONFIG", config)], [NamedFile("--out", out)])
    recording = recording_of(tracks, times)
    begun = time.monotonic()
    with progress_shown("analyze", quiet) as progress:
        found = replay(config, recording, workers=workers or (os.cpu_count() or 1), progress=progress)
    took = time.monotonic() - begun
    tell_faults(found.faults)
    if found.unknown:
        echo("note: not in the configuration, and left out: " + ", ".join(found.unknown), err=True)
    if out is not None:
        write_events(found, out)
    if as_json:
        if out != "-":
            sys.stdout.write(orjson.dumps({**summary(found), "took": round(took, 3)}).decode() + "\n")
    elif out != "-":
        for row in text(found):
            echo(row)
        echo(
            f"{found.seconds:,.0f} s of {found.frames:,} frames in {took:.1f} s: {found.seconds / max(took, 1e-9):,.0f} × real time, "
            f"{found.seconds / max(found.cpu, 1e-9):,.0f} × a core",
            err=True,
        )
    sys.stdout.flush()


def text(found: Findings) -> Iterator[str]:
    """Totals and gaps for people."""
    totals = found.totals()
    rows = [["source", "rule", "event", "direction", "count"], *([*key, str(n)] for key, n in totals.items())]
    widths = [max(len(row[i]) for row in rows) for i in range(5)]
    for row in rows:
        yield "  ".join(c.rjust(w) if i == 4 else c.ljust(w) for i, (c, w) in enumerate(zip(row, widths))).rstrip()
    spans = found.spans.to_pylist()
    for one, two in itertools.pairwise(spans):
        if one["source"] == two["source"] and two["start"] > one["end"]:
            yield f"gap: {one['source']} from {rfc3339(one['end'])} to {rfc3339(two['start'])}"


def summary(found: Findings) -> dict[str, Any]:
    """The same for machines."""
    names = ("source", "rule", "kind", "direction")
    totals = [{**dict(zip(names, key)), "count": n} for key, n in found.totals().items()]
    return {
        "frames": found.frames,
        "objects": found.objects,
        "seconds": round(found.seconds, 3),
        "cpu": round(found.cpu, 3),
        "totals": totals,
        "seen": [{**s, "start": rfc3339(s["start"]), "end": rfc3339(s["end"])} for s in found.spans.to_pylist()],
        "faults": found.faults,
        "left_out": found.unknown,
    }


def event_lines(found: Findings) -> Iterator[dict[str, Any]]:
    """Events as JSON has them: what does not apply is left out."""
    for row in found.events.to_pylist():
        detail = row.pop("detail")
        row = {"time": rfc3339(row["time"], 9), "time_ns": row.pop("time"), **row}
        yield {**{k: v for k, v in row.items() if v is not None}, **(orjson.loads(detail) if detail else {})}


def write_events(found: Findings, out: str) -> None:
    """JSON Lines, CSV or Parquet, by the name. Raises DataError."""
    if out.endswith(".parquet"):
        _, parquet = arrow_and_parquet()
        with replacing(Path(out)) as part, open_private(part, "wb") as file:
            parquet.write_table(found.events, file, compression="zstd")
        return
    with open_output(out) as sink:
        if out.removesuffix(".gz").endswith(".csv"):
            sheet = io.StringIO()
            writer = csv.DictWriter(sheet, ["time", *found.events.column_names[1:]], lineterminator="\n")
            writer.writeheader()
            writer.writerows({**row, "time": rfc3339(row["time"], 9)} for row in found.events.to_pylist())
            sink.write(sheet.getvalue().encode())
            return
        for line in event_lines(found):
            sink.write(orjson.dumps(line, option=orjson.OPT_APPEND_NEWLINE))


def compare_rules(
    old: str, new: str, tracks: Sequence[str], times: TimeRange, *, workers: int, as_json: bool, most: int, quiet: bool
) -> None:
    """``countline compare OLD NEW --tracks …``. Raises ConfigError, RuleError, DataError."""
    recording = recording_of(tracks, times)
    with progress_shown("compare", quiet) as progress:
        made = compare(old, new, recording, workers=workers or (os.cpu_count() or 1), progress=progress)
    if as_json:
        sys.stdout.write(orjson.dumps(made.as_dict()).decode() + "\n")
        sys.stdout.flush()
        return
    for line in made.text(most):
        echo(line)
