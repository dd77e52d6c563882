"""What ``countline run`` does: options -> configuration -> run -> summary."""

from __future__ import annotations

import hashlib
import logging
import socket
import sys
from collections.abc import Iterable, Mapping
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

import orjson

from countline.cluster.shards import parse_shard, share_of
from countline.commands import deepstream_files, logs
from countline.commands.devices import on_device
from countline.commands.idle_shard import ending_when_empty, stay_until_sources
from countline.commands.metrics_option import listening_at
from countline.commands.progress import Progress
from countline.commands.shares import refuse_single
from countline.commands.summary_text import summary_text
from countline.commands.web import web_of
from countline.config import Config, checked, load
from countline.config.loader import Document
from countline.errors import ConfigError, MissingExtra
from countline.file_safety import NamedFile
from countline.observe.systemd import Notifier
from countline.pipeline import build
from countline.pipeline.roles import refuse_collisions
from countline.pipeline.run import Run
from countline.pipeline.signals import ended_at_once, finishing, hangup_noted
from countline.pipeline.stats import Summary
from countline.pipeline.turns import pass_over_what_is_loaded, take_short_turns
from countline.secret_forms import MASK, hide_uri
from countline.terminal import echo, json_line, visible
from countline.types import FrameTracks
from countline.video.place import visible as printable

__all__ = ["configured", "execute", "from_options", "only", "run_command", "sharded"]

log = logging.getLogger("countline.run")

Options = Mapping[str, Any]

RECIPE_VALUE: Mapping[str, Any] = {
    "messageid": "{id}",
    "@timestamp": "{time}",
    "deviceId": "{device_id}",
}


def run_command(options: Options) -> int:
    """Build the configuration that the options ask for, run it, print the summary. Returns the exit code."""
    logs.configure(as_json=options["as_json"], quiet=options["quiet"], verbose=options["verbose"])
    config, given, notes = configured(options)
    for note in notes:
        echo(note, err=True)
    if options.get("shard"):
        config = sharded(config, options["shard"])
        if not config.sources:
            return _empty_share(config, given, options)
    state = None if isinstance(given, Path) else _state_for(config)
    if options.get("processes"):
        from countline.commands.processes import in_processes

        summary = in_processes(config, given, options, state)
    else:
        refuse_single(build.state_path(config, given, state))
        with hangup_noted() as asked, _make(config, given, options, state) as run:
            pass_over_what_is_loaded()
            _add_consumers(run, options)
            if options.get("shard") and run.control.reread is not None:
                run.control.reread = ending_when_empty(run.control.reread, run.stop)
            if asked():  # it was edited while the model was loaded
                run.reload()
            summary = execute(run, options)
    if options["as_json"]:
        with suppress(OSError):  # the code tells how the run ended, whoever may read this
            sys.stdout.write(json_line({"type": "summary", **summary.as_dict()}) + "\n")
            sys.stdout.flush()
    elif not options["quiet"] or summary.exit_code:
        echo(summary_text(summary), err=True)
    return summary.exit_code


def _empty_share(config: Config, given: Path | None, options: Options) -> int:
    """What a process does that has no source to read. In a StatefulSet (``auto``) it would be started anew at once, so it stays."""
    say = f"shard {options['shard']} has no source: "
    if not options["shard"].startswith("auto"):
        echo(f"{say}nothing to do", err=True)
        return 0
    echo(f"{say}waits until it has one, or is stopped", err=True)
    watch = given if options.get("watch") or config.watch else None
    found, left = stay_until_sources(
        config, build.state_path(config, given, None), lambda: _again(options), watch, options["drain_timeout"]
    )
    if found is not None:
        return run_command(options)
    if left:
        echo(f"{left} messages wait in the outbox: they are delivered by the next run", err=True)
    return 4 if left else 0


def configured(options: Options, text: str | None = None) -> tuple[Config, Path | None, list[str]]:
    """As :func:`from_options`, with the device and the pace that the options name."""
    config, given, notes = from_options(options, text)
    if options.get("device"):
        config = config.model_copy(update={"detector": on_device(config.detector, options["device"])})
    if options.get("realtime"):
        paced = [source.model_copy(update={"realtime": True}) for source in config.sources]
        config = config.model_copy(update={"sources": paced})
    return config, given, notes


def _make(config: Config, given: Path | None, options: Options, state: Path | None) -> Run:
    path = build.state_path(config, given, state if given is None else None)
    named = [NamedFile(f"--{name}", str(options[name])) for name in ("annotate", "record") if options.get(name)]
    refuse_collisions(config, given, path, named)
    if options.get("annotate") and len(config.sources) != 1:
        raise ConfigError("--annotate takes one source", where="--annotate", fix="run the sources one by one")
    changed = any(options.get(name) for name in ("shard", "realtime", "device", "metrics", "web"))
    if changed and not options.get("outbox"):
        state = path  # as that of the whole
    take_short_turns()
    return Run(
        config if given is None or options.get("outbox") or changed else given,
        state=state if given is None or changed else None,
        fresh=options["fresh"],
        reread=None if options["config"] is None else lambda: _again(options),
        files=[] if options["config"] is None else [options["config"]],
        read=None if given is None else lambda text: _again(options, text),
        watch=bool(options.get("watch")),
    )


def _again(options: Options, text: str | None = None) -> Config:
    """The configuration as its file says it now (or would, with another text), with what the other options say."""
    config = configured(options, text)[0]
    return sharded(config, options["shard"]) if options.get("shard") else config


def sharded(config: Config, text: str) -> Config:
    """The configuration with this process's share of the sources and what is said of them, and said which. Raises ConfigError."""
    shard = parse_shard(text, socket.gethostname())
    if config.rules.file is not None:
        raise ConfigError(
            f"the streams in {config.rules.file} are the sources by their numbers, which a share of them does not have",
            where="--shard",
            fix="`countline convert` makes rules of it that name their sources",
        )
    mine = set(share_of((source.name for source in config.sources), shard))
    log.info("shard %d of %d: %d of %d sources", shard.index, shard.count, len(mine), len(config.sources))
    return only(config, mine)


def only(config: Config, names: Iterable[str]) -> Config:
    """The configuration with these of its sources, and what is said of them."""
    mine = set(names)
    messages = [
        message.model_copy(update={"sources": [name for name in message.sources if name in mine]})
        for message in config.messages
        if not message.sources or mine.intersection(message.sources)
    ]
    sources = [source for source in config.sources if source.name in mine]
    return config.model_copy(update={"sources": sources, "messages": messages})


def _add_consumers(run: Run, options: Options) -> None:
    _add_display(run, options)
    if options.get("annotate"):
        from countline.view.annotate import AnnotatedVideo

        run.add_consumer(AnnotatedVideo(options["annotate"], run.rules.rules, run.detector.labels))
    if options.get("record"):
        from countline.record import TracksWriter

        writer = TracksWriter(options["record"])
        run.add_consumer(
            lambda _, analytics: writer.write(
                FrameTracks(analytics.frame, analytics.tracks if analytics.placed is None else analytics.placed)
            ),
            close=writer.close,
        )


def _add_display(run: Run, options: Options) -> None:
    """A window, if one is wanted and there is a screen. The recipe wants one unless it is told otherwise."""
    asked = bool(options.get("display"))
    of_recipe = options["config"] is None and bool(options["proto_lib"] or options["conn_str"])
    if options["no_display"] or not (asked or of_recipe):
        return
    from countline.view.display import Display, no_screen

    why = no_screen()
    if not why:
        try:
            run.add_consumer(Display(lambda: run.rules.rules, run.detector.labels))
            return
        except MissingExtra as error:
            if asked:
                raise
            why = error.what
    echo(f"no window is shown: {why}; the run goes on (--no-display says that none is wanted)", err=True)


def execute(run: Run, options: Options) -> Summary:
    """Run with progress shown; the first Ctrl-C or SIGTERM finishes cleanly, a second one ends at once."""
    progress = Progress(run.snapshot, as_json=options["as_json"], quiet=options["quiet"])

    def last_words() -> str:
        progress.show_cursor()
        return ended_at_once(run.delivery.outbox.durable)

    notifier = Notifier(run.health)

    def stop() -> None:
        notifier.stopping()
        run.stop()

    with finishing(stop, last_words, run.reload), ExitStack() as stack:
        stack.callback(notifier.close)
        stack.callback(progress.start().close)
        return run.execute(drain_timeout=options["drain_timeout"])


def _state_for(config: Config) -> Path:
    """An outbox of its own for every set of sources and outputs that is given by options."""
    what = orjson.dumps(
        [
            [s.model_dump(mode="json") for s in config.sources],
            [type(o).__module__ for o in config.outputs],
            [str(o) for o in config.outputs],
        ]
    )
    return Path(".countline") / f"run-{hashlib.blake2b(what, digest_size=4).hexdigest()}.outbox"


def from_options(options: Options, text: str | None = None) -> tuple[Config, Path | None, list[str]]:
    """The configuration, the file it came from (None: from options alone), and notes for the user."""
    config, given, notes = _configured(options, text)
    config = listening_at(config, options.get("metrics"))
    if options.get("web"):
        config = config.model_copy(update={"web": web_of(config, options["web"])})
    return config, given, notes


def _configured(options: Options, text: str | None) -> tuple[Config, Path | None, list[str]]:
    given: Path | None = options["config"]
    if given is not None:
        return _from_file(given, options, text)
    if options["proto_lib"] or options["conn_str"]:
        return _from_recipe(options)
    if not options["inputs"]:
        raise ConfigError(
            "nothing to run",
            fix="give a file (`countline run countline.yaml`), or `-i VIDEO --line straight=0.1,0.55,0.9,0.55`; or see `countline demo`",
        )
    data, notes = quick(options)
    return checked(data, Document(data, {}, "command line")), None, notes


def _from_file(path: Path, options: Options, text: str | None) -> tuple[Config, Path | None, list[str]]:
    named = {
        "inputs": "-i", "lines": "--line", "regions": "--region", "classes": "--classes", "rules_file": "--rules",
        "kafka": "--kafka", "topic": "--topic", "to_stdout": "--stdout", "device_id": "--device-id", "model": "--model",
    }  # fmt: skip
    both = [option for key, option in named.items() if options[key]]
    if both:
        raise ConfigError(
            f"{', '.join(both)} cannot be combined with a configuration file",
            where=str(path),
            fix="write it into the file",
        )
    made = deepstream_files.application(path)
    config, notes = made if made is not None else (load(path, text), [])
    if options["outbox"]:
        config = config.model_copy(update={"outbox": config.outbox.model_copy(update={"path": options["outbox"]})})
    return config, None if made is not None else path, notes


def _from_recipe(options: Options) -> tuple[Config, None, list[str]]:
    from countline.compat.deepstream.files import recipe

    data, notes = recipe.from_recipe(recipe.RecipeOptions.of(options), Path.cwd())
    if options["outbox"]:
        data["outbox"] = options["outbox"]
    return checked(data, Document(data, {}, "command line")), None, notes


def quick(options: Options) -> tuple[dict[str, Any], list[str]]:
    """Configuration data for ``-i VIDEO --line ... --kafka ...``: the recipe's message for every line."""
    notes: list[str] = []
    names = _source_names(options["inputs"])
    sources = [{"name": n, "uri": uri} for n, uri in zip(names, options["inputs"])]
    if options["device_id"]:
        for source in sources:
            source["device_id"] = options["device_id"]
    lines = [_geometry("--line", text, least=2) for text in options["lines"]]
    regions = [_geometry("--region", text, least=3) for text in options["regions"]]
    data: dict[str, Any] = {"sources": sources}
    if options["rules_file"]:
        if lines or regions:
            raise ConfigError(
                "--rules cannot be combined with --line or --region", where="--rules", fix="give one of them"
            )
        data["rules"] = {"file": str(options["rules_file"])}
        message: dict[str, Any] = {"type": "deepstream/analytics"}
    else:
        data["rules"] = {
            "lines": [{"name": n, "points": p} for n, p in lines],
            "regions": [{"name": n, "points": p} for n, p in regions],
        }
        if not lines and not regions:
            notes.append("no --line and no --region: objects are tracked, nothing is counted")
        message = {"value": {**RECIPE_VALUE, "analyticsModule": _module(lines)}}
    if options["classes"]:
        data.setdefault("detector", {})["classes"] = [c.strip() for c in options["classes"].split(",") if c.strip()]
    if options["model"]:
        data.setdefault("detector", {})["model"] = options["model"]
    if lines or options["rules_file"]:
        data["messages"] = [{"name": "line-crossing", "on": "crossing", "key": "{device_id}", **message}]
    if regions:
        data.setdefault("messages", []).extend(_region_messages())
    data["outputs"] = _outputs(options)
    if not data["outputs"]:
        notes.append("no --kafka and no --stdout: messages go to standard output")
        data["outputs"] = ["stdout"]
    if options["outbox"]:
        data["outbox"] = options["outbox"]
    return data, notes


def _module(lines: list[tuple[str, list[list[float]]]]) -> dict[str, str]:
    module = {"stream_source_id": "{source_index}"}
    for name, _ in lines:
        module[f"lc_curr_{name}"] = f"{{lines.{name}.current}}"
        module[f"lc_cum_{name}"] = f"{{lines.{name}.cumulative}}"
    return module


def _region_messages() -> list[dict[str, Any]]:
    value = {**RECIPE_VALUE, "region": "{rule}", "event": "{kind}", "trackId": "{track_id}", "class": "{class}"}
    return [{"name": f"region-{kind}", "on": kind, "key": "{device_id}", "value": value} for kind in ("enter", "leave")]


def _outputs(options: Options) -> list[Any]:
    outputs: list[Any] = []
    if options["kafka"] is not None:  # an empty one is a mistake that the configuration's check tells
        outputs.append({"kafka": {"bootstrap": options["kafka"], "topic": options["topic"] or "countline"}})
    elif options["topic"]:
        raise ConfigError("--topic needs --kafka", where="--topic", fix="add --kafka HOST:PORT")
    if options["to_stdout"]:
        outputs.append("stdout")
    return outputs


def _source_names(uris: tuple[str, ...]) -> list[str]:
    names: list[str] = []
    for uri in uris:
        # A name is text; bytes of a file's name that are none are written out. Of a glob it is that of the folder.
        path = Path(hide_uri(uri).split("?")[0].rstrip("/"))
        named = next((p for p in (path, *path.parents) if "*" not in p.name), path)
        base = visible(printable(named.stem), breaks=False).rpartition("@")[2]
        base = "source" if not base or MASK in base else base  # a stream's key is no name
        name, n = base, 2
        while name in names:
            name, n = f"{base}-{n}", n + 1
        names.append(name)
    return names


def _geometry(option: str, text: str, *, least: int) -> tuple[str, list[list[float]]]:
    name, equals, numbers = text.partition("=")
    fix = f"write {option} NAME=" + ",".join(f"X{i},Y{i}" for i in range(1, least + 1)) + " with numbers from 0 to 1"
    if not equals or not name:
        raise ConfigError(f"'{text}' has no name", where=option, fix=fix)
    try:
        values = [float(v) for v in numbers.split(",")]
    except ValueError:
        raise ConfigError(f"'{numbers}' is not a list of numbers", where=option, fix=fix) from None
    if any(not -1 <= v <= 2 for v in values):
        raise ConfigError(
            f"'{text}' is far outside the picture: coordinates are 0..1 of its width and height",
            where=option,
            fix="divide pixels by the width and height of the picture; or write a configuration file, which takes "
            "`coordinates: pixels` and `resolution: [width, height]` (`countline run FILE.yaml`)",
        )
    if len(values) % 2 or len(values) < 2 * least:
        raise ConfigError(f"'{text}' has {len(values)} numbers, not {least} or more pairs", where=option, fix=fix)
    return name, [[values[i], values[i + 1]] for i in range(0, len(values), 2)]
