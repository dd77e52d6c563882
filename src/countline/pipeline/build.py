"""From a checked configuration to live stages."""

from __future__ import annotations

import hashlib
import importlib
import logging
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson

from countline.config import Config, checked
from countline.config.base import OutputConfig
from countline.config.loader import Document, read_yaml
from countline.config.models import raise_not_mapping
from countline.config.outputs import kind_of
from countline.errors import ConfigError, MessageError
from countline.kernels import find
from countline.pipeline.clips import Clips
from countline.pipeline.roles import refuse_collisions
from countline.protocols import AimedDetector, Definition, Detector, Output, RuleSet, ThresholdDetector, Tracker
from countline.registry.kinds import CLASS_SETS, OUTPUTS, RULE_FILES
from countline.secret_forms import hide_uri
from countline.types import RuleInfo, SourceInfo

if TYPE_CHECKING:
    from countline.config.models import SourceConfig
    from countline.outbox.schedule import Schedule
    from countline.track.camera import CameraMotion

__all__ = ["Stages", "as_config", "definitions", "detector", "outputs", "rules", "source_infos", "stages"]

log = logging.getLogger("countline.pipeline")


Amend = Callable[[dict[str, Any]], Mapping[str, Any]]
"""What a mapping or a file becomes before it is checked: sources that need no uri get one."""


def as_config(origin: Config | Mapping[str, Any] | str | Path | Document, amend: Amend = lambda data: data) -> Config:
    """A Config from a Config, a mapping, the path of a YAML file, or what was read of one. Raises ConfigError."""
    if isinstance(origin, Config):
        return origin
    if isinstance(origin, (str, Path, Document)):
        document = origin if isinstance(origin, Document) else read_yaml(origin)
        if not isinstance(document.data, dict):
            raise_not_mapping(document)
    else:
        document = Document(dict(origin), {}, "")
    document.data = dict(amend(dict(document.data)))
    config = checked(document.data, document)
    if document.file:
        config._document = document
    return config


def source_infos(config: Config, *, live: bool = False) -> list[SourceInfo]:
    """The configured sources, without opening them. ``live``: what they are unless the configuration says."""
    return [
        SourceInfo(s.name, i, s.device_id or s.name, hide_uri(s.uri), s.live if s.live is not None else live)
        for i, s in enumerate(config.sources)
    ]


@dataclass(frozen=True)
class Stages:
    """All that a configuration asks for behind the detector, made; nothing of it is opened, no thread runs."""

    config: Config
    sources: Sequence[SourceInfo]
    rules: RuleSet
    definitions: Sequence[Definition]
    trackers: Mapping[str, Tracker]
    """By source name; empty where tracks come from elsewhere."""
    make_tracker: Callable[[str], Tracker | None]
    """Makes that of a source once more; None where tracks come from elsewhere."""
    cameras: Mapping[str, CameraMotion]
    """By the name of each source that is stabilised."""
    outputs: Sequence[Output]
    schedule: Schedule | None
    """When counts begin anew; None: never."""
    policies: Mapping[str, str]
    """By source name, 'continue' or 'restart': whether the counts of the last run go on."""
    mark: str
    """Of the configuration that decides what happens in a frame; part of the ids of what comes of files."""
    state: Path | None
    """The outbox's file; None: in memory."""
    clips: Clips
    """Cuts the clips that messages ask for."""


def stages(
    config: Config,
    sources: Sequence[SourceInfo],
    labels: Sequence[str],
    *,
    detector: Detector | None = None,
    messages: Sequence[Any] = (),
    origin: object = None,
    state: Path | None = None,
    deliver: bool = True,
    aimed: bool = True,
    on_made: Callable[[str, str], object] = lambda subject, detail: None,
) -> Stages:
    """Make everything behind the detector, in the order in which a run needs it. ``countline run``, ``countline check`` and the
    DeepStream probe all go through this, so that none refuses what another accepts.

    Parameters
    ----------
    sources: in the order of the configuration.
    labels: class name by class id.
    detector: whose detections are tracked; None where tracks come from elsewhere, then no trackers are made.
    messages: functions made with ``@countline.message``.
    origin: what the configuration was made of; the path, if it came from a file.
    state: outbox file where the configuration names none.
    deliver: whether the configured outputs are used; if not, none is made.
    aimed: whether the detector gets to know the rules here; if not, :func:`aim` does it later.
    on_made: called with (subject, what was made in words) after each step.

    Raises
    ------
    ConfigError, RuleError, MessageError, OutputError, MissingExtra.
    """
    rule_set = rules(config, sources, labels)
    on_made("rules", ", ".join(f"{r.kind} '{r.name}'" for r in rule_set.rules) or "none")
    if aimed:
        aim(detector, rule_set.rules)
    clips = Clips()
    made = definitions(config, rule_set, sources, labels, messages, clips)
    on_made("messages", ", ".join(f"'{d.name}'" for d in made) or "none")
    trackers: dict[str, Tracker] = {}
    by_name = {c.name: c for c in config.sources}
    if detector is not None:
        trackers = {i.name: tracker(config, c, detector) for i, c in zip(sources, config.sources)}
        on_made("tracker", config.tracker.kind)
    schedule = reset_schedule(config)
    if schedule is not None:
        on_made("reset", str(config.outbox.reset))
    path = state_path(config, origin, state)
    used = config if deliver else config.model_copy(update={"outputs": []})
    refuse_collisions(used, origin, path)
    return Stages(
        config,
        sources,
        rule_set,
        made,
        trackers,
        lambda name: tracker(config, by_name[name], detector) if detector is not None else None,
        cameras(config, pictures=detector is not None),
        outputs(used),
        schedule,
        {i.name: c.counts or ("continue" if i.live or c.loop else "restart") for i, c in zip(sources, config.sources)},
        mark(config, rule_set.rules),
        path,
        clips,
    )


def aim(detector: object, rules: Sequence[RuleInfo]) -> None:
    """Tell a detector where it should look closely, if it wants to know."""
    if isinstance(detector, AimedDetector):
        detector.aim(rules)


def enter(config: Config) -> None:
    """Import what the configuration's rules, messages and outputs need. Says nothing of what is missing: that is for those
    who make them."""
    engine = "countline.analytics.native" if config.rules.file is None else RULE_FILES.package("nvdsanalytics")
    rooms = [engine]
    rooms += [
        "countline.messages",
        "countline.registry",
        "countline.attach",
        *(f"{_package(o)[1]}.output" for o in config.outputs),
    ]
    for room in rooms:
        with suppress(Exception):
            importlib.import_module(room)


def detector(config: Config, own: Any = None) -> Detector:
    """The configured detector, or the user's own: a Detector, or a callable ``list[ndarray] -> list[Detections]``."""
    from countline import detect

    if own is not None:
        return _focused(config, own if isinstance(own, Detector) else detect.wrap(own))
    settings = config.detector
    if config.rules.file is not None:
        if settings.classes is None and settings.triton is None and settings.model in detect.MODELS:
            # Class ids in a DeepStream file mean the classes of DeepStream's detector, not the model's own.
            classes = dict(CLASS_SETS.module("deepstream", "classes").CLASSES)
            settings = settings.model_copy(update={"classes": classes})
            shown = ", ".join(f"{name} -> {number}" for name, number in classes.items())
            log.info("class ids in %s mean: %s (`detector: {classes: ...}` changes it)", config.rules.file, shown)
        elif not isinstance(settings.classes, Mapping):
            log.info(
                "class ids in %s are the model's own (`detector: {classes: {name: id}}` maps them)", config.rules.file
            )
    return _focused(config, detect.make(settings, low=config.tracker.low))


def _focused(config: Config, made: Detector) -> Detector:
    from countline.detect.focus import FocusedDetector

    settings = config.detector
    return made if settings.focus == "off" else FocusedDetector(made, settings.focus, settings.slices)


def tracker(config: Config, source: SourceConfig, detector: Detector) -> Tracker:
    """The tracker of one source. Raises ConfigError for a kind that does not exist."""
    from countline import track
    from countline.track.by_birth import ByBirth
    from countline.video.place import are_recordings

    thresholds = detector.thresholds if isinstance(detector, ThresholdDetector) else None

    def make() -> Tracker:
        return track.make(config.tracker, fps=source.fps, labels=detector.labels, thresholds=thresholds)

    if are_recordings(source.uri, bool(source.watch)) and not (source.live or source.loop):
        return ByBirth(make)  # a later run goes on in the middle of them
    return make()


def cameras(config: Config, *, pictures: bool) -> dict[str, CameraMotion]:
    """What follows the cameras of the sources that are stabilised. Raises ConfigError where there are no pictures, MissingExtra
    without OpenCV."""
    from countline.track.camera import CameraMotion

    moving = [(i, s.name) for i, s in enumerate(config.sources) if s.stabilize]
    if moving and not pictures:
        raise ConfigError(
            "a camera can be stabilised only where there are its pictures, and here come tracks alone",
            where=f"sources[{moving[0][0]}].stabilize",
            fix="remove it, or let countline read the video itself",
        )
    return {name: CameraMotion() for _, name in moving}


def rules(config: Config, sources: Sequence[SourceInfo], labels: Sequence[str]) -> RuleSet:
    """The rule set of the configured engine."""
    if config.rules.file is not None:
        engine, warnings = RULE_FILES.module("nvdsanalytics", "by_file").make(config.rules, sources, labels)
        for warning in warnings:
            log.warning("%s: %s", config.rules.file, warning)
        made: RuleSet = engine
        return made
    if config.rules.engine == "deepstream":
        raise ConfigError(
            "the deepstream engine takes its rules from a file",
            where="rules.file",
            fix="add `file: config_nvdsanalytics.txt`, or use `engine: native`",
        )
    from countline.analytics.native import NativeRules
    from countline.config.oddities import oddities

    for loc, what in oddities(config.rules):
        log.warning("%s: %s", config._document.place(loc) if config._document is not None else "rules", what)
    kernel = find()
    log.log(logging.WARNING if kernel.wrong else logging.INFO, "rules and tracks are run by: %s", kernel.description)
    return NativeRules(config.rules, sources, labels)


def definitions(
    config: Config,
    rule_set: RuleSet,
    sources: Sequence[SourceInfo],
    labels: Sequence[str],
    functions: Sequence[Any] = (),
    clips: Clips | None = None,
) -> list[Definition]:
    """Message definitions of the configuration, then the user's functions."""
    from countline import messages
    from countline.messages.faults import located

    _warn_of_idle_outputs(config, functions)
    schedule = reset_schedule(config)
    try:
        return messages.make(
            config.messages,
            rules=rule_set.rules,
            sources=sources,
            labels=labels,
            functions=functions,
            tools=_message_tools(config, clips),
            outputs=config.default_outputs,
            zone=None if schedule is None else schedule.zone,
        )
    except MessageError as error:
        raise (located(error, config._document) if config._document is not None else error) from None


def _warn_of_idle_outputs(config: Config, functions: Sequence[Any]) -> None:
    """Say which outputs wait to be named, and are not. Functions may name any."""
    if functions or any(m.function is not None for m in config.messages):
        return
    stores = [o.name for o in config.outputs if o.holds_objects]
    used = {name for m in config.messages for name in m.outputs}
    used |= {m.attach.store_of(stores) for m in config.messages if m.attach is not None and m.attach.stored}
    for output in config.outputs:
        if output.explicit_only and output.name not in used:
            log.warning(
                "output '%s' gets nothing: no message names it under `outputs`, and no picture goes there (`takes: all` gives it "
                "every message)",
                output.name,
            )


def _message_tools(config: Config, clips: Clips | None = None) -> Any:
    """What messages need from the outside world: pictures, and schema ids from a registry."""
    from countline import attach, messages, registry

    topics = {output.name: topic for output in config.outputs if (topic := output.schema_topic)}
    cache = None if config.outbox.path == "memory" else Path(".countline") / "schemas.json"
    objects = {output.name: output.object_url for output in config.outputs if output.holds_objects}
    schemas = registry.SchemaIds(topics=topics, cache=cache)
    return messages.Tools(attach.encode_image, attach.store, schemas, objects, clips or Clips())


def outputs(config: Config) -> list[Output]:
    """The configured outputs, not yet opened."""
    made: list[Output] = []
    for item in config.outputs:
        kind, package = _package(item)
        made.append(
            OUTPUTS.call(kind, "output", "make", item)
            if kind
            else importlib.import_module(f"{package}.output").make(item)
        )
    return made


def _package(config: OutputConfig) -> tuple[str, str]:
    """Kind of an output's configuration, '' for one that no kind has; and the package beside whose ``config`` it stands."""
    try:
        kind = kind_of(config)
    except KeyError:  # a class of the user's own
        return "", type(config).__module__.removesuffix(".config")
    return kind, OUTPUTS.package(kind)


def state_path(config: Config, origin: object, state: Path | None) -> Path | None:
    """Where the outbox lies; None for one in memory."""
    from countline import outbox

    path = config.outbox.path
    if path == "memory":
        return None
    if path is not None:
        return Path(path)
    if state is not None:
        return state
    return outbox.default_path(Path(origin) if isinstance(origin, (str, Path)) else None)


def mark(config: Config, rules: Sequence[RuleInfo]) -> str:
    """Digest of all that decides what is seen and counted in a file: an id names one event for ever, and with another line,
    model or threshold there are other events. Paths do not count, nor does what only decides how messages look."""
    remote = config.detector.triton
    model = Path(config.detector.model).name if remote is None else f"{remote.model.model}:{remote.model.version}"
    # Whether it runs here or on a server does not count.
    settings = config.detector.model_copy(update={"model": model, "labels": None})
    what = [
        settings.model_dump(mode="json", exclude={"triton"}),
        config.tracker.model_dump(mode="json"),
        config.rules.model_dump(mode="json", exclude={"file"}),
        [[r.name, r.kind, r.source, r.points, r.directions] for r in rules],
        [[s.name, s.fps] for s in config.sources],
    ]
    return hashlib.blake2b(orjson.dumps(what), digest_size=8).hexdigest()


def reset_schedule(config: Config) -> Schedule | None:
    """When counts begin anew; None without a schedule. Raises ConfigError."""
    if config.outbox.reset is None:
        return None
    from countline.outbox import schedule

    return schedule.parse(config.outbox.reset)
