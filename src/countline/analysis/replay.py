"""Rules over recorded tracks, as if they had run live: to the event.

A source's frames go through the rules in their order, on one process; sources are spread over processes. Frames of different sources
go together, one of each, which changes no result.
"""

from __future__ import annotations

import multiprocessing
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from countline.analysis.rules import RecordedRules
from countline.analysis.tables import EVENT_COLUMNS, SPAN_COLUMNS, SPEED_COLUMNS, event_row, table
from countline.config import Config
from countline.record.parquet import MarkedFrame
from countline.record.recording import Part, Recording, find
from countline.record.rows import arrow_and_parquet
from countline.types import Analytics, FrameTracks, SourceInfo

__all__ = ["GAP", "Findings", "Spans", "marked_frames", "replay", "run", "spread"]

T = TypeVar("T")

GAP = 5 * 10**9
"""ns without a frame that are a gap, unless the source's frames are usually a third of that apart or more."""
_TOGETHER = 32
"""Sources whose frames go through the rules together, at most."""


@dataclass(slots=True)
class _Span:
    """A time that was seen, ns since the Unix epoch."""

    start: int
    end: int
    frames: int = 1


class Spans:
    """When frames were seen."""

    def __init__(self) -> None:
        self._of: dict[str, list[_Span]] = {}
        self._steps: dict[str, tuple[int, int]] = {}
        """By source: the last two steps between frames."""

    def see(self, source: str, time: int) -> None:
        """A frame."""
        spans = self._of.setdefault(source, [])
        if not spans:
            spans.append(_Span(time, time))
            return
        last = spans[-1]
        step = time - last.end
        steps = self._steps.get(source, (0, 0))
        usual = min(steps) or max(steps)  # one long pause does not make the next one usual
        if step > 0:
            self._steps[source] = steps[1], step
        if step < 0 or step > max(GAP, 3 * usual):
            spans.append(_Span(time, time))
            return
        last.end, last.frames = time, last.frames + 1
        if len(spans) == 2 and spans[0].frames == 1 and 0 <= last.start - spans[0].end <= 3 * step:
            # A camera of a frame a minute: what looked like a gap is how it is.
            spans[:] = [_Span(spans[0].start, time, last.frames + 1)]

    def close(self) -> list[dict[str, Any]]:
        """All of them, by source and time."""
        return [
            {"source": source, "start": span.start, "end": span.end, "frames": span.frames}
            for source, spans in sorted(self._of.items())
            for span in sorted(spans, key=lambda span: span.start)
        ]


@dataclass
class Findings:
    """What rules found in a recording. Tables are ``pyarrow.Table``."""

    events: Any
    """Columns: :data:`countline.analysis.tables.EVENT_COLUMNS`; in the order of time, sources and frames."""
    spans: Any
    """Columns: :data:`countline.analysis.tables.SPAN_COLUMNS`."""
    speeds: Any
    """Columns: :data:`countline.analysis.tables.SPEED_COLUMNS`."""
    frames: int = 0
    objects: int = 0
    faults: list[str] = field(default_factory=list)
    """Files that could not be read, in words."""
    unknown: list[str] = field(default_factory=list)
    """Recorded sources that the configuration does not name: they were left out."""
    cpu: float = 0.0
    """Seconds of CPU of all processes together."""
    seconds: float = 0.0
    """Seconds of recorded time of all sources together, gaps left out."""

    def totals(self) -> dict[tuple[str, str, str, str], int]:
        """Number of events by (source, rule, kind, direction)."""
        counts: dict[tuple[str, str, str, str], int] = {}
        names = ("source", "rule", "kind", "direction")
        for key in zip(*(self.events.column(name).to_pylist() for name in names)):
            counter = (key[0], key[1], key[2], key[3] or "")
            counts[counter] = counts.get(counter, 0) + 1
        return dict(sorted(counts.items()))


def replay(
    rules: RecordedRules | Config | Mapping[str, Any] | str | Path,
    tracks: Recording | str | Path | Sequence[str | Path],
    *,
    since: int | None = None,
    until: int | None = None,
    workers: int = 1,
    progress: Callable[[int, int], object] = lambda done, total: None,
) -> Findings:
    """Evaluate rules on recorded tracks.

    Parameters
    ----------
    rules: a configuration, a mapping or a YAML file; its rules alone are enough.
    tracks: files, folders or globs (see :func:`countline.record.recording.find`).
    since, until: capture times, ns since the Unix epoch; ``until`` is not included. Objects that are in the picture at ``since``
        are first seen then.
    workers: processes at most; no more than there are sources help. With more than one a script needs ``if __name__ == "__main__"``.
    progress: called now and then with the bytes that are done and the bytes in total.

    Raises
    ------
    ConfigError, RuleError, DataError, MissingExtra.

    >>> found = replay("countline.yaml", "recorded", workers=4)  # doctest: +SKIP
    >>> found.totals()  # doctest: +SKIP
    {('entrance', 'straight', 'crossing', 'in'): 1204}
    """
    recording = tracks if isinstance(tracks, Recording) else find(tracks, since, until)
    own = RecordedRules.of(rules)
    own.make(recording.labels)  # faults in them are raised before anything starts
    results = spread(partial(run, own), recording, workers, progress)
    return _together(results, recording)


Work = Callable[[Recording, Sequence[str], Callable[[Part], object]], T]
"""What one process does: takes the recording, its keys in ``parts``, and what to call with every part that is done."""


def spread(work: Work[T], recording: Recording, workers: int, progress: Callable[[int, int], object]) -> list[T]:
    """Have ``work`` done for all of a recording, its sources spread over at most ``workers`` processes."""
    shares = _shares(recording, max(workers, 1))
    total, done = recording.size, 0
    if len(shares) > 1:
        return _in_processes(work, recording, shares, progress)

    def count(part: Part) -> None:
        nonlocal done
        done += part.size
        progress(done, total)

    return [work(recording, list(share), count) for share in shares]


def _shares(recording: Recording, workers: int) -> list[list[str]]:
    """Keys of ``recording.parts`` for each process, about equally many bytes each."""
    sizes = {key: sum(part.size for part in parts) for key, parts in recording.parts.items()}
    shares: list[list[str]] = [[] for _ in range(min(workers, len(sizes)))]
    load = [0] * len(shares)
    for key in sorted(sizes, key=lambda k: -sizes[k]):
        least = load.index(min(load))
        shares[least].append(key)
        load[least] += sizes[key]
    return shares


def _in_processes(
    work: Work[T], recording: Recording, shares: list[list[str]], progress: Callable[[int, int], object]
) -> list[T]:
    context = multiprocessing.get_context("spawn")
    total, done = recording.size, 0
    with ExitStack() as stack:
        manager = stack.enter_context(context.Manager())
        sizes = manager.Queue()
        pool = stack.enter_context(ProcessPoolExecutor(len(shares), mp_context=context))
        jobs = [pool.submit(_job, work, recording, share, sizes) for share in shares]
        for job in jobs:
            job.add_done_callback(lambda _: sizes.put(None))
        ended = 0
        while ended < len(jobs):
            size = sizes.get()
            if size is None:
                ended += 1
                continue
            done += size
            progress(done, total)
        return [job.result() for job in jobs]


def _job(work: Work[T], recording: Recording, share: list[str], sizes: Any) -> T:
    return work(recording, share, lambda part: sizes.put(part.size))


def marked_frames(
    recording: Recording, keys: Sequence[str], rules: RecordedRules, unknown: dict[str, None], on_part: object = None
) -> Iterator[list[MarkedFrame]]:
    """Frames in rounds, at most one of each source in a round; with the sources as the configuration knows them."""
    for at in range(0, len(keys), _TOGETHER):
        running = [recording.frames(key, on_part) for key in keys[at : at + _TOGETHER]]
        known: dict[SourceInfo, SourceInfo | None] = {}
        while running:
            batch, left = [], []
            for frames in running:
                marked = next(frames, None)
                if marked is None:
                    continue
                left.append(frames)
                info, tracks = marked.frame
                if info.source not in known:
                    known[info.source] = rules.source(info.source)
                source = known[info.source]
                if source is None:
                    unknown[info.source.name] = None
                elif source is info.source:
                    batch.append(marked)
                else:
                    batch.append(MarkedFrame(FrameTracks(replace(info, source=source), tracks), marked.anew))
            running = left
            if batch:
                yield batch


def run(rules: RecordedRules, recording: Recording, keys: Sequence[str], on_part: object = None) -> Findings:
    """The rules over the files of some keys of ``recording.parts``, in this process. Raises as :func:`replay`."""
    begun = time.process_time()
    engine = rules.make(recording.labels)
    spans, speeds = Spans(), _Speeds()
    streams: dict[str, str] = {}
    rows: list[dict[str, Any]] = []
    unknown: dict[str, None] = {}
    frames = objects = 0
    before = len(recording.faults)
    for batch in marked_frames(recording, keys, rules, unknown, on_part):
        for (info, _), anew in batch:
            name = info.source.name
            if anew or streams.get(name, info.stream) != info.stream:
                engine.forget(name)
            streams[name] = info.stream
            spans.see(name, info.time)
        for analytics in engine.update([marked.frame for marked in batch]):
            frames += 1
            objects += len(analytics.tracks)
            for event in analytics.events:
                rows.append(event_row(event, analytics.frame.source))
            if analytics.speeds:
                speeds.see(analytics)
    seen = spans.close()
    return Findings(
        table(rows, EVENT_COLUMNS), table(seen, SPAN_COLUMNS), table(speeds.rows(), SPEED_COLUMNS), frames, objects,
        recording.faults[before:], list(unknown), time.process_time() - begun,
        sum(row["end"] - row["start"] for row in seen) / 1e9,
    )  # fmt: skip


class _Speeds:
    """Of each track."""

    def __init__(self) -> None:
        self._of: dict[tuple[str, int], list[Any]] = {}

    def see(self, analytics: Analytics) -> None:
        tracks = analytics.tracks
        classes = dict(zip(tracks.track_id.tolist(), tracks.class_id.tolist()))
        for track, speed in analytics.speeds.items():
            seen = self._of.get((analytics.frame.source.name, track))
            if seen is None:
                number = classes.get(track, -1)
                names = analytics.class_names
                name = names[number] if 0 <= number < len(names) else ""
                seen = self._of[analytics.frame.source.name, track] = [name, 0.0, 0.0, 0]
            seen[1] += speed
            seen[2] = max(seen[2], speed)
            seen[3] += 1

    def rows(self) -> Iterator[dict[str, Any]]:
        for (source, track), (name, total, highest, frames) in self._of.items():
            yield {"source": source, "track_id": track, "class_name": name, "mean": total / frames, "highest": highest,
                   "frames": frames}  # fmt: skip


def _together(results: Sequence[Findings], recording: Recording) -> Findings:
    arrow, _ = arrow_and_parquet()
    order = [(name, "ascending") for name in ("time", "source", "frame", "sequence")]
    faults = dict.fromkeys([*recording.faults, *(fault for r in results for fault in r.faults)])
    return Findings(
        arrow.concat_tables([r.events for r in results]).sort_by(order),
        arrow.concat_tables([r.spans for r in results]).sort_by([("source", "ascending"), ("start", "ascending")]),
        arrow.concat_tables([r.speeds for r in results]),
        sum(r.frames for r in results), sum(r.objects for r in results), list(faults),
        list(dict.fromkeys(name for r in results for name in r.unknown)),
        sum(r.cpu for r in results), sum(r.seconds for r in results),
    )  # fmt: skip
