"""What ``countline check`` does."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.text import Text

from countline import outbox, video
from countline.commands import deepstream_files, web
from countline.commands.devices import on_device
from countline.config import Config, DetectorConfig, load
from countline.errors import ConfigError, CountlineError, OutboxError
from countline.gpu.survey import survey
from countline.kernels import find
from countline.messages import BaseDefinition
from countline.outbox.usable import refuse_unusable
from countline.pipeline import build
from countline.pipeline.admission import admission, detector_rate
from countline.protocols import Check, Definition, DescribedDetector, Detector, KeyedTopics, Output
from countline.registry.kinds import describe_brought
from countline.terminal import json_line, visible

__all__ = ["check_command", "checks"]


def check_command(options: Mapping[str, Any]) -> int:
    """Print a line for each check; exit code 0, 3 (source, model), 4 (output) or 5 (outbox)."""
    console = Console(highlight=False)
    code = 0
    if options["config"] is None and not options["device"]:
        raise ConfigError("nothing to check", fix="give a configuration, or `--device cuda`")
    for failed_code, check in _all(options):
        if not check.ok:
            code = code or failed_code
        if options["as_json"]:
            sys.stdout.write(json_line(as_plain(check)) + "\n")
            continue
        line = Text("ok    " if check.ok else "FAIL  ", "green" if check.ok else "bold red")
        line.append(f"{visible(check.subject)}: ", "bold").append(visible(check.detail), "default")
        if check.fix and not check.ok:
            line.append(f"\n      -> {visible(check.fix)}", "yellow")
        console.print(line, soft_wrap=True)
    return code


def as_plain(check: Check) -> dict[str, Any]:
    """For JSON: without what is not known."""
    return {name: value for name, value in asdict(check).items() if value is not None}


def _all(options: Mapping[str, Any]) -> Iterator[tuple[int, Check]]:
    path: Path | None = options["config"]
    if path is None:
        yield from _device(on_device(DetectorConfig(), options["device"]))
        return
    send, timeout = options["send"], options["timeout"]
    kind = deepstream_files.kind_of(path)
    if kind is not None and kind.name != "app":
        yield from deepstream_files.checks(path, kind)
        return
    made = deepstream_files.application(path)
    config, notes = made if made is not None else (load(path), [])
    for note in notes:
        yield 2, Check("note", True, note)
    if options["device"]:
        config = config.model_copy(update={"detector": on_device(config.detector, options["device"])})
    yield from checks(config, path if made is None else None, send=send, timeout=timeout)


def _device(settings: DetectorConfig) -> Iterator[tuple[int, Check]]:
    """What the GPUs need."""
    if settings.gpus:
        for check in survey(settings.gpus):
            yield 3, check


def _first(config: Config) -> Iterator[tuple[int, Check]]:
    """What other packages bring, and the sources."""
    for kind, package in describe_brought():
        yield 2, Check(kind, True, package)
    yield 2, Check("rules and tracks", True, find().description)
    for source in config.sources:
        yield 3, video.probe(source)


def _load(config: Config, detector: Detector, rates: Mapping[str, float]) -> Iterator[tuple[int, Check]]:
    """Whether the detector keeps up with the live sources."""
    if rates:
        possible = detector_rate(detector, batch=config.detector.batch or 4) * (config.detector.interval + 1)
        yield 3, Check("load", True, admission(rates, possible))


def checks(config: Config, path: Path | None, *, send: bool, timeout: float) -> Iterator[tuple[int, Check]]:
    """(exit code if it fails, check) for everything a configuration names, and for what other packages bring."""
    rates: dict[str, float] = {}
    for code, check in _first(config):
        if check.rate is not None:
            rates[check.subject] = check.rate
        yield code, check
    missing = False
    for code, check in _device(config.detector):
        missing = missing or not check.ok
        yield code, check
    if missing:  # all else would fail for the same reason; on the CPU it can still be seen
        config = config.model_copy(update={"detector": _on_cpu(config.detector)})
    detector: Detector | None = None
    stages: build.Stages | None = None
    done: list[tuple[int, Check]] = []
    try:
        detector = build.detector(config)
        done.append((3, Check("model", True, _describe(detector))))
        done += _load(config, detector, rates)
        stages = build.stages(
            config,
            build.source_infos(config),
            detector.labels,
            detector=detector,
            origin=path,
            on_made=lambda subject, detail: done.append((2, Check(subject, True, detail))),
        )
    except CountlineError as error:
        done.append((error.exit_code, _failed("model" if detector is None else "configuration", error)))
    finally:
        if detector is not None:
            detector.close()
    yield from done
    outbox_file = build.state_path(config, path, None)
    yield 5, _state(outbox_file)
    yield from web.checks(config, outbox_file)
    try:
        outputs = build.outputs(config) if stages is None else stages.outputs
    except CountlineError as error:
        if not any(check.detail.endswith(error.what) for _, check in done):  # else it is reported above
            yield error.exit_code, _failed("outputs", error)
        outputs = ()
    for output in outputs:
        yield from _output(output, stages.definitions if stages is not None else (), send, timeout)
    if not config.outputs:
        yield (
            4,
            Check(
                "outputs",
                False,
                "none configured",
                "add an output, e.g. `- kafka: {bootstrap: localhost:9092, topic: ds-kafka}`",
            ),
        )


def _on_cpu(settings: DetectorConfig) -> DetectorConfig:
    precision = "auto" if settings.precision == "fp16" else settings.precision
    return settings.model_copy(update={"device": "cpu", "devices": None, "precision": precision})


def _output(
    output: Output, definitions: Sequence[Definition], send: bool, timeout: float
) -> Iterator[tuple[int, Check]]:
    try:
        # What a run would refuse at its start: a value that the client library does not take, a certificate, a package.
        try:
            output.open()
        finally:
            output.close(0.0)
        for check in output.check(send=send, timeout=timeout):
            yield 4, check
        keyless = _keyless(output, definitions)
        if keyless and isinstance(output, KeyedTopics):
            for check in output.check_keyless(keyless, timeout=timeout):
                yield 4, check
    except CountlineError as error:
        yield error.exit_code, _failed(f"output '{output.name}'", error)


def _keyless(output: Output, definitions: Sequence[Definition]) -> dict[str, list[str]]:
    """Topic -> names of the definitions whose messages go there through this output without a key."""
    found: dict[str, list[str]] = {}
    for definition in definitions:
        if isinstance(definition, BaseDefinition) and isinstance(output, KeyedTopics) and not definition.keyed:
            outputs = definition.record.outputs
            topic = definition.topic(output.topic) if not outputs or output.name in outputs else None
            if topic is not None:
                found.setdefault(topic, []).append(definition.name)
    return found


def _describe(detector: Detector) -> str:
    if not isinstance(detector, DescribedDetector):
        return f"{len(detector.labels)} classes"
    found = detector.describe()
    return (
        ", ".join(f"{k} {v}" if k != "model" else str(v) for k, v in found.items())
        if isinstance(found, Mapping)
        else str(found)
    )


def _failed(subject: str, error: CountlineError) -> Check:
    where = f"{error.where}: " if str(error.where) else ""
    return Check(subject, False, where + error.what, error.fix)


def _content(path: Path) -> Check:
    if not path.exists() or not path.stat().st_size:
        return Check("outbox", True, f"{path} (made by the first run)")
    try:
        status = outbox.inspect(path)
    except OutboxError as error:
        return _failed("outbox", error)
    parts = [str(path)]
    parts += [
        f"{output.pending} messages wait for output '{output.name}'" for output in status.outputs if output.pending
    ]
    if status.dead_letters:
        parts.append(f"{status.dead_letters} dead letters")
    if status.in_use_by:
        parts.append(f"in use by process {status.in_use_by}")
    return Check("outbox", True, ", ".join(parts))


def _state(path: Path | None) -> Check:
    if path is None:
        return Check("outbox", True, "in memory: messages that wait are lost when the process ends")
    try:
        path = refuse_unusable(path)
    except OutboxError as error:
        return _failed("outbox", error)
    folder = path.parent
    while not folder.exists():
        folder = folder.parent
    try:
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        return Check(
            "outbox",
            False,
            f"{path}: the folder {folder} is not writable: {error.strerror}",
            "set `outbox: {path: ...}` to a place you may write to",
        )
    return _content(path)
