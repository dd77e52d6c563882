"""Rules on recorded tracks: which engine a rule file asks for, and its results as JSON Lines."""

from __future__ import annotations

import dataclasses
import math
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, BinaryIO

import orjson

from countline.commands.sink import open_output
from countline.compat.deepstream.files import nvdsanalytics
from countline.compat.deepstream.rules import DeepStreamAnalytics, DeepStreamRules
from countline.config.loader import Document, read_yaml, validate
from countline.config.rules import RulesConfig
from countline.errors import ConfigError, DataError, RuleError
from countline.file_safety import NamedFile, refuse_overwriting
from countline.protocols import RuleSet
from countline.record.tracks import read_tracks
from countline.terminal import echo
from countline.types import UNTRACKED, Analytics, Event, FrameTracks, SourceInfo

__all__ = ["Explanation", "LoadedRules", "analyze_command", "as_json", "evaluate", "load_rules", "parse_explain"]


@dataclasses.dataclass(slots=True)
class LoadedRules:
    """A rule file, ready for tracks."""

    engine: RuleSet
    exact: bool
    """True: nvdsanalytics' results."""
    warnings: Sequence[str] = ()
    sources: Mapping[int, SourceInfo] = dataclasses.field(default_factory=dict)
    """Sources that the file names, by index."""


def load_rules(path: str | Path) -> LoadedRules:
    """Rules from a DeepStream file (.txt, .ini, .conf, or YAML with its keys) or a countline YAML file: a whole
    configuration, ``rules:`` alone, or the content of ``rules``. Raises ConfigError (RuleError for DeepStream files)."""
    if nvdsanalytics.is_nvdsanalytics(path):
        config = nvdsanalytics.read(path)
        return LoadedRules(DeepStreamRules(config), True, config.warnings)
    document = read_yaml(path)
    rules, sources = _own_rules(document)
    if rules.file is not None:
        config = nvdsanalytics.read(rules.file)
        return LoadedRules(DeepStreamRules(config, tuple(sources.values())), True, config.warnings, sources)
    if rules.engine == "deepstream":
        raise ConfigError(
            "the deepstream engine takes its rules from a file",
            where=document.place(("rules", "engine")),
            fix="add `file: config_nvdsanalytics.txt`, or use `engine: native`",
        )
    from countline.analytics.native import NativeRules

    return LoadedRules(NativeRules(rules, tuple(sources.values()), ()), False, (), sources)


def _own_rules(document: Document) -> tuple[RulesConfig, dict[int, SourceInfo]]:
    data = document.data
    if not isinstance(data, dict) or not data:
        raise ConfigError(
            "holds no rules", where=document.place(()), fix="write `rules:` with lines, regions or directions"
        )
    if "rules" not in data and not set(data) <= {"sources", "detector", "tracker", "messages", "outputs", "outbox"}:
        return validate(RulesConfig, data, document), {}
    rules = validate(RulesConfig, data.get("rules") or {}, document, ("rules",))
    sources: dict[int, SourceInfo] = {}
    listed = data.get("sources")
    for index, source in enumerate(listed if isinstance(listed, list) else []):
        if isinstance(source, dict) and isinstance(source.get("name"), str):
            sources[index] = SourceInfo(source["name"], index, str(source.get("device_id") or source["name"]))
    return rules, sources


def named(frames: Iterable[FrameTracks], sources: Mapping[int, SourceInfo]) -> Iterator[FrameTracks]:
    """Frames with the sources that a configuration names, where the recording has no name of its own."""
    for frame in frames:
        source = frame.info.source
        known = sources.get(source.index)
        if known is not None and source.name == f"stream-{source.index}":
            yield FrameTracks(dataclasses.replace(frame.info, source=known), frame.tracks)
        else:
            yield frame


def evaluate(loaded: LoadedRules, frames: Iterable[FrameTracks], *, batch: int = 1) -> Iterator[Analytics]:
    """Analytics of every frame in order. ``batch`` frames are evaluated together, which changes no result; frames before a
    fault in the recording are still answered."""
    waiting: list[FrameTracks] = []
    fault: DataError | None = None
    source = named(frames, loaded.sources)
    while True:
        try:
            waiting.append(next(source))
        except StopIteration:
            break
        except DataError as error:
            fault = error
            break
        if len(waiting) >= batch:
            ready, waiting = waiting, []
            yield from loaded.engine.update(ready)
    yield from loaded.engine.update(waiting)
    if fault is not None:
        raise fault


def as_json(analytics: Analytics) -> bytes:
    """One line: nvdsanalytics' metadata for the exact engine, events and counts for the native one."""
    if isinstance(analytics, DeepStreamAnalytics):
        return orjson.dumps(analytics.record(), option=orjson.OPT_APPEND_NEWLINE)
    info = analytics.frame
    record: dict[str, Any] = {
        "source": info.source.name,
        "stream": info.source.index,
        "frame": info.number,
        "pts": info.pts,
        "time": info.time,
        "events": [_event(event) for event in analytics.events],
        "lines": {name: _line(state) for name, state in analytics.lines.items()},
        "regions": {name: dataclasses.asdict(state) for name, state in analytics.regions.items()},
        "directions": {name: state.current for name, state in analytics.directions.items()},
        "journeys": analytics.journeys,
        **{key: {n: dataclasses.asdict(s) for n, s in states.items()} for key, states in analytics.states.items()},
        "speeds": {str(key): value for key, value in analytics.speeds.items()},
        "objects": len(analytics.tracks),
    }
    return orjson.dumps(record, option=orjson.OPT_APPEND_NEWLINE | orjson.OPT_SERIALIZE_NUMPY)


def _line(state: Any) -> dict[str, Any]:
    record = dataclasses.asdict(state)
    return {key: record[key] for key in ("current", "cumulative", "directions", "classes", "epoch", "reset_at")}


def _event(event: Event) -> dict[str, Any]:
    record: dict[str, Any] = {"kind": event.kind, "rule": event.rule}
    for item in dataclasses.fields(event):
        if item.name in ("frame", "rule"):
            continue
        value = getattr(event, item.name)
        if item.name == "track_id" and value == UNTRACKED:
            value = None
        if isinstance(value, float) and not math.isfinite(value):
            value = None
        record[item.name] = value
    return record


@dataclasses.dataclass(frozen=True, slots=True)
class Explanation:
    """What a user wants explained: a track, in one source or all, with one rule or all lines."""

    track_id: int
    source: str | None = None
    rule: str | None = None

    def answers(self, engine: RuleSet, sources: Sequence[str]) -> Iterator[str]:
        """One sentence for each source and rule."""
        for source in sources if self.source is None else [self.source]:
            rules = [r.name for r in engine.rules if r.source in (None, source)]
            chosen = [self.rule] if self.rule is not None else list(dict.fromkeys(rules))
            for rule in chosen:
                yield f"{source} track {self.track_id}, {rule}: {engine.explain(source, self.track_id, rule)}"


def parse_explain(text: str) -> Explanation:
    """``ID``, ``ID:RULE``, ``SOURCE/ID`` or ``SOURCE/ID:RULE``. Raises ConfigError."""
    head, _, rule = text.partition(":")
    source, _, number = head.rpartition("/")
    if not number.isdigit() or int(number) > UNTRACKED:
        raise ConfigError(f"'{text}' names no track", where="--explain", fix="write ID, ID:RULE or SOURCE/ID:RULE")
    return Explanation(int(number), source or None, rule or None)


def analyze_command(rules_file: str, out: str, questions: Sequence[str], tracks: str) -> None:
    """Evaluate the rules of a file on recorded tracks; one line for each frame to ``out`` ('-': standard output), then the
    answers. Raises RuleError, ConfigError, DataError."""
    if out != "-":
        reads = [NamedFile("TRACKS", tracks), NamedFile("--rules", rules_file)]
        refuse_overwriting(reads, [NamedFile("--out", out)])
    wanted = [parse_explain(text) for text in questions]
    with ExitStack() as stack:
        silent = bool(wanted) and out == "-"
        sink: BinaryIO | None = None if silent else stack.enter_context(open_output(out))
        try:
            loaded = load_rules(rules_file)
        except RuleError:
            if sink is not None:
                sink.write(b'{"error":"config rejected"}\n')
                sink.flush()
            raise
        for warning in loaded.warnings:
            echo(f"warning: {warning}", err=True)
        sources = _evaluated(loaded, tracks, sink)
        for question in wanted:
            for answer in question.answers(loaded.engine, sources):
                echo(answer)
    sys.stdout.flush()


def _evaluated(loaded: LoadedRules, tracks: str, sink: BinaryIO | None) -> list[str]:
    """Write what the rules say of each frame; the names of the sources."""
    live = tracks == "-"
    sources: dict[str, None] = {}
    try:
        for analytics in evaluate(loaded, read_tracks(tracks), batch=1 if live else 64):
            sources[analytics.frame.source.name] = None
            if sink is not None:
                sink.write(as_json(analytics))
                if live:
                    sink.flush()
    finally:
        if sink is not None:
            sink.flush()
    return list(sources)
