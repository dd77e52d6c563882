"""Tables of tracks and of what rules found, as data frames of pandas or Polars."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta, timezone, tzinfo
from pathlib import Path
from typing import Any, Literal
from zoneinfo import ZoneInfo

from countline.analysis.replay import Findings
from countline.errors import ConfigError, DataError, MissingExtra
from countline.record.recording import Part, Recording, find
from countline.record.rows import arrow_and_parquet, schema_of, table_of
from countline.record.tracks import read_tracks

__all__ = [
    "Library",
    "counts",
    "data_frame",
    "dwell",
    "events",
    "gaps",
    "journeys",
    "speeds",
    "track_tables",
    "tracks",
    "zone_of",
]

Library = Literal["pandas", "polars"]
_TIMES = ("time", "start", "end")
_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)


def data_frame(table: Any, library: Library = "pandas") -> Any:
    """A ``pyarrow.Table`` as a data frame; columns of times (ns since the Unix epoch) become UTC times. Raises MissingExtra."""
    arrow, _ = arrow_and_parquet()
    for name in _TIMES:
        if name in table.column_names and arrow.types.is_integer(table.schema.field(name).type):
            at = table.schema.get_field_index(name)
            table = table.set_column(at, name, table.column(name).cast(arrow.timestamp("ns", "UTC")))
    if library == "polars":
        try:
            import polars
        except ImportError:
            raise MissingExtra("polars", "polars", what_for="data frames of Polars") from None
        return polars.from_arrow(table)
    try:
        import pandas  # noqa: F401 - pyarrow needs it
    except ImportError:
        raise MissingExtra("pandas", "analysis", what_for="data frames of pandas") from None
    return table.to_pandas(timestamp_as_object=False)


def track_tables(recording: Recording, columns: Sequence[str] | None = None) -> Iterator[Any]:
    """Recorded rows as ``pyarrow.Table``, one after the other, within the recording's time range. What cannot be read is noted in
    its ``faults``."""
    arrow, _ = arrow_and_parquet()
    import pyarrow.compute as compute

    for part in itertools.chain.from_iterable(recording.parts.values()):
        try:
            for table in _tables_of(part, columns):
                if recording.since is not None:
                    table = table.filter(compute.greater_equal(table.column("time"), recording.since))
                if recording.until is not None:
                    table = table.filter(compute.less(table.column("time"), recording.until))
                if table.num_rows:
                    yield table
        except (arrow.ArrowException, OSError, DataError) as error:
            recording.faults.append(f"{part.path}: {error}")


def _tables_of(part: Part, columns: Sequence[str] | None) -> Iterator[Any]:
    arrow, parquet = arrow_and_parquet()
    schema = schema_of(arrow)
    names = list(columns or schema.names)
    if not part.path.endswith(".parquet"):
        yield table_of(arrow, schema, list(read_tracks(part.path))).select(names)
        return
    with open(part.path, "rb") as stream:
        file = parquet.ParquetFile(stream)
        there = [name for name in names if name in file.schema_arrow.names]
        for batch in file.iter_batches(columns=there):
            table = arrow.Table.from_batches([batch])
            for name in names:
                if name not in there:
                    table = table.append_column(schema.field(name), arrow.nulls(len(table), schema.field(name).type))
            yield table.select(names).cast(arrow.schema([schema.field(name) for name in names]))


def tracks(
    patterns: Recording | str | Path | Sequence[str | Path],
    *,
    since: int | None = None,
    until: int | None = None,
    columns: Sequence[str] | None = None,
    library: Library = "pandas",
) -> Any:
    """Recorded tracks, a row for each object and one for each frame without any (see :mod:`countline.record.rows`).

    Parameters
    ----------
    patterns: files, folders or globs.
    since, until: capture times, ns since the Unix epoch; ``until`` is not included.
    columns: which, ``time`` among them; all unless given.

    Raises DataError if there are no files, MissingExtra.

    >>> tracks("recorded", columns=["time", "source", "track_id"])  # doctest: +SKIP
    """
    arrow, _ = arrow_and_parquet()
    recording = patterns if isinstance(patterns, Recording) else find(patterns, since, until)
    wanted = None if columns is None else list(dict.fromkeys([*columns, "time"]))
    made = list(track_tables(recording, wanted))
    if not made:
        raise DataError("no recorded tracks in this time", fix="widen the time range")
    table = arrow.concat_tables(made).unify_dictionaries()
    return data_frame(table if columns is None else table.select(list(columns)), library)


def events(found: Findings, *, library: Library = "pandas") -> Any:
    """All events, a row each: columns of :data:`countline.analysis.tables.EVENT_COLUMNS`."""
    return data_frame(found.events, library)


def gaps(found: Findings, *, library: Library = "pandas") -> Any:
    """Times of which nothing was recorded between two that were: columns ``source``, ``start``, ``end``, ``seconds``."""
    arrow, _ = arrow_and_parquet()
    rows = [
        {"source": a["source"], "start": a["end"], "end": b["start"], "seconds": (b["start"] - a["end"]) / 1e9}
        for a, b in itertools.pairwise(found.spans.to_pylist())
        if a["source"] == b["source"] and b["start"] > a["end"]
    ]
    schema = arrow.schema(
        [("source", arrow.string()), ("start", arrow.int64()), ("end", arrow.int64()), ("seconds", arrow.float64())]
    )
    return data_frame(arrow.Table.from_pylist(rows, schema=schema), library)


def counts(
    found: Findings, *, every: timedelta = timedelta(hours=1), zone: str = "UTC", library: Library = "pandas"
) -> Any:
    """Events by time, source, rule, kind and direction, zeros included: columns ``time`` (start), ``source``, ``rule``, ``kind``,
    ``direction``, ``count`` and ``seen``, the part of that time of which there are frames (0..1).

    Where nothing was seen ``count`` is missing: a camera that was away is not a zero. ``every`` begins anew at each midnight of
    ``zone``; hours in which clocks change are as long as they are. Raises ConfigError for a zone that does not exist.
    """
    arrow, _ = arrow_and_parquet()
    spans = found.spans.to_pylist()
    rows: list[dict[str, Any]] = []
    if spans:
        edges = _edges(min(s["start"] for s in spans), max(s["end"] for s in spans), every, zone)
        rows = list(_counted(found, spans, edges))
    text = arrow.string()
    schema = arrow.schema(
        [("time", arrow.int64()), ("source", text), ("rule", text), ("kind", text), ("direction", text),
         ("count", arrow.int64()), ("seen", arrow.float64())]
    )  # fmt: skip
    return data_frame(arrow.Table.from_pylist(rows, schema=schema), library)


def _counted(found: Findings, spans: list[dict[str, Any]], edges: list[int]) -> Iterator[dict[str, Any]]:
    import numpy as np

    columns = {name: found.events.column(name).to_pylist() for name in ("time", "source", "rule", "kind", "direction")}
    series: dict[tuple[str, str, str, str], list[int]] = {}
    for at, *key in zip(*columns.values()):
        series.setdefault((key[0], key[1], key[2], key[3] or ""), []).append(at)
    seen = {
        source: _seen([s for s in spans if s["source"] == source], edges) for source in {s["source"] for s in spans}
    }
    for (source, rule, kind, direction), times in sorted(series.items()):
        numbers = np.histogram(np.array(times, np.int64), np.array(edges, np.int64))[0].tolist()
        for start, number, part in zip(edges, numbers, seen[source]):
            yield {
                "time": start, "source": source, "rule": rule, "kind": kind, "direction": direction,
                "count": number if part or number else None, "seen": part,
            }  # fmt: skip


def _seen(spans: list[dict[str, Any]], edges: list[int]) -> list[float]:
    """Part of each bin in which frames were seen."""
    return [
        min(1.0, sum(max(0, min(s["end"], end) - max(s["start"], start)) for s in spans) / (end - start))
        for start, end in itertools.pairwise(edges)
    ]


def zone_of(zone: str) -> tzinfo:
    """A time zone by its IANA name. Raises ConfigError if there is none."""
    try:
        return timezone.utc if zone == "UTC" else ZoneInfo(zone)
    except (KeyError, ValueError, OSError):
        raise ConfigError(f"there is no time zone '{zone}'", where="zone", fix="write e.g. Europe/Berlin") from None


def _edges(first: int, last: int, every: timedelta, zone: str) -> list[int]:
    """Starts of bins, and the end of the last one; ns since the Unix epoch."""
    if every <= timedelta(0):
        raise ConfigError("must be longer than nothing", where="every", fix="give e.g. timedelta(hours=1)")
    place = zone_of(zone)
    local = (_EPOCH + timedelta(microseconds=first // 1000)).astimezone(place)
    day = local.replace(hour=0, minute=0, second=0, microsecond=0, tzinfo=None)
    step = timedelta(0)
    edges: list[int] = []
    while True:
        moment = (day + step).replace(tzinfo=place).astimezone(timezone.utc)
        at = int((moment - _EPOCH) / timedelta(microseconds=1)) * 1000
        if not edges or at > edges[-1]:
            edges.append(at)
        if at > last:
            break
        step += every
        if every < timedelta(days=1) and step >= timedelta(days=1):
            day, step = day + timedelta(days=1), timedelta(0)
    while len(edges) > 2 and edges[1] <= first:
        del edges[0]
    return edges


def dwell(found: Findings, *, library: Library = "pandas") -> Any:
    """How long objects stayed, of those that have left: columns ``source``, ``rule``, ``time`` (of leaving), ``track_id``,
    ``class_name``, ``seconds``."""
    import pyarrow.compute as compute

    table = found.events.filter(compute.equal(found.events.column("kind"), "leave"))
    names = ["source", "rule", "time", "track_id", "class_name", "dwell"]
    return data_frame(table.select(names).rename_columns([*names[:-1], "seconds"]), library)


def speeds(found: Findings, *, library: Library = "pandas") -> Any:
    """Mean and highest speed of each track in km/h, where there are speed rules: columns of
    :data:`countline.analysis.tables.SPEED_COLUMNS`."""
    return data_frame(found.speeds, library)


def journeys(found: Findings, *, library: Library = "pandas") -> Any:
    """Origin–destination matrices as rows: columns ``source``, ``rule``, ``origin``, ``destination``, ``count``. For a matrix:
    ``journeys(found).pivot(index="origin", columns="destination", values="count")``."""
    import pyarrow.compute as compute

    table = found.events.filter(compute.equal(found.events.column("kind"), "journey"))
    names = ["source", "rule", "origin", "destination"]
    made = table.select(names).group_by(names).aggregate([([], "count_all")])
    made = made.rename_columns([n.replace("count_all", "count") for n in made.column_names])
    return data_frame(made.select([*names, "count"]).sort_by([(n, "ascending") for n in names]), library)
