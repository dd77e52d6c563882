"""What ``countline deepstream`` does."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterable, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from countline.commands import deepstream_files, logs
from countline.commands.check import as_plain
from countline.commands.summary_text import summary_text
from countline.compat.deepstream.files import recipe
from countline.compat.deepstream.files.nvdsanalytics import read as read_rules
from countline.config import Config
from countline.deepstream import checks, settings
from countline.deepstream.attachment import attach
from countline.deepstream.errors import DeepStreamError
from countline.deepstream.full_pipeline import (
    INFERENCE_FILE,
    TRACKER_FILE,
    FullPipeline,
    inference_files,
    tracker_properties,
)
from countline.deepstream.gstreamer import Pipeline
from countline.errors import ConfigError
from countline.pipeline.reloader import Reloader
from countline.pipeline.signals import ended_at_once, finishing
from countline.protocols import Check
from countline.terminal import echo, json_line

__all__ = ["check_command", "run_command"]

Options = Mapping[str, Any]


def check_command(options: Options) -> int:
    """Print a line for each part; 0 if a probe can work here, 3 if not. Parts that only a whole pipeline needs do not count
    unless ``whole`` is asked for."""
    needed = list(checks.environment())
    more = list(checks.pipeline())
    if options["as_json"]:
        for check in needed + more:
            sys.stdout.write(json_line(as_plain(check)) + "\n")
    else:
        echo("for a probe (countline.deepstream.attach):")
        _print(needed)
        echo("for the whole pipeline (countline deepstream run):")
        _print(more)
    counted = needed + more if options["whole"] else needed
    return 0 if all(check.ok for check in counted) else 3


def _print(checks: Iterable[Check]) -> None:
    for check in checks:
        echo(f"  {'ok  ' if check.ok else 'FAIL'}  {check.subject}: {check.detail}")
        if check.fix and not check.ok:
            echo("        -> " + check.fix.replace("\n", "\n           "))


def run_command(options: Options) -> int:
    """Build the pipeline, put the probe in, play it to its end. Returns the exit code."""
    logs.configure(as_json=False, quiet=options["quiet"], verbose=options["verbose"])
    config, config_path, notes = _config(options)
    full_pipeline = _full_pipeline(options, config, notes)
    for note in notes:
        echo(note, err=True)
    if options["dry_run"]:
        echo("gst-launch-1.0 " + full_pipeline.description())
    missing = [c for c in (*checks.environment(), *checks.pipeline(full_pipeline)) if not c.ok]
    if missing:
        rows = "".join(f"\n  {c.subject}: {c.detail}" + (f"\n    -> {c.fix}" if c.fix else "") for c in missing)
        raise DeepStreamError(
            f"{len(missing)} part(s) that the pipeline needs are missing:{rows}",
            where="DeepStream",
            fix="without DeepStream, `countline run` with the same options does the same on the CPU",
        )
    return 0 if options["dry_run"] else _play(full_pipeline, config, config_path, options)


def _play(full_pipeline: FullPipeline, config: Config, config_path: Path | None, options: Options) -> int:
    asked = threading.Event()
    files = all("://" not in uri for uri in full_pipeline.inputs)
    labels = inference_files(full_pipeline.inference).get("labelfile-path")
    durable = config.outbox.path != "memory"
    again = threading.Event()
    with finishing(asked.set, lambda: ended_at_once(durable), again.set), ExitStack() as stack:
        pipeline = stack.enter_context(Pipeline(full_pipeline.description()))
        attachment = attach(
            pipeline.pad("tracker", "src"),
            config,
            labels=settings.read_labels(labels) if labels and config.detector.labels is None else None,
            lossless=files,
            state=settings.state_beside(config, config_path),
        )
        if config_path is not None:
            attachment.control.reread = lambda: config_path
        reloader = Reloader(attachment.control, [config_path] if config_path is not None else [], lambda: config.watch)

        def ended() -> bool:
            if again.is_set():
                again.clear()
                reloader.ask("signal")
            reloader.look()
            return asked.is_set()

        try:
            pipeline.run(ended)
        finally:
            summary = attachment.close(options["drain_timeout"])
            echo(summary_text(summary), err=True)
    return summary.exit_code


def _config(options: Options) -> tuple[Config, Path | None, list[str]]:
    config_path: Path | None = options["config"]
    if config_path is not None:
        both = [n for n in ("proto_lib", "conn_str", "cfg_file", "topic", "rules_file", "msgconv") if options[n]]
        if both:
            raise ConfigError(
                "options of the recipe cannot be combined with a configuration file: " + ", ".join(both),
                where=str(config_path),
                fix="write it into the file",
            )
        kind = deepstream_files.kind_of(config_path)
        if kind is not None:
            fix = kind.use.replace("FILE", str(config_path))
            if kind.name == "app":
                fix += f"; or `countline convert {config_path} > site.yaml` and "
                fix += f"`countline deepstream run site.yaml --pgie … --tracker {config_path}`"
            raise ConfigError(f"is {kind.title}, not of countline", where=str(config_path), fix=fix)
        return settings.as_config(config_path), config_path, []
    data, notes = recipe.from_recipe(recipe.RecipeOptions.of(options), Path.cwd())
    return settings.as_config(data), None, [n for n in notes if not n.startswith("class ids")]


def _full_pipeline(options: Options, config: Config, notes: list[str]) -> FullPipeline:
    inputs = list(options["inputs"]) or [s.uri for s in config.sources]
    if len(inputs) != len(config.sources) or any(uri.startswith("deepstream:") for uri in inputs):
        raise ConfigError(
            f"{len(config.sources)} source(s) are configured, and {len(options['inputs'])} input(s) given",
            where="-i/--input-file",
            fix="give each source a uri, or as many -i as there are sources",
        )
    inference = Path(options["pgie"] or INFERENCE_FILE)
    file = Path(options["tracker"] or TRACKER_FILE)
    tracker, more = tracker_properties(file)
    notes += more
    size = (1920, 1080)
    if config.rules.file is not None:
        parsed = read_rules(config.rules.file)
        size = (parsed.width or size[0], parsed.height or size[1])
    if options["size"]:
        size = options["size"]
    return FullPipeline(inputs, inference, tracker, size, display=not options["no_display"])
