"""``countline run --processes N``: the sources of one configuration, spread over processes of this machine.

Python does one thing at a time in a process. Where a GPU decodes thousands of frames a second, what follows (tracks, rules,
messages) needs more than one processor: so each process has its share of the sources, from decoder to outputs, and an outbox of
its own. With several GPUs, each process has one.
"""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from countline.commands.merged import merged_snapshot, merged_summary
from countline.commands.progress import Progress
from countline.commands.shares import outbox_of, shares
from countline.commands.web import refuse_web
from countline.config import Config
from countline.errors import ConfigError
from countline.gpu.mps import shared
from countline.observe.health import Health
from countline.observe.systemd import Notifier
from countline.pipeline import build
from countline.pipeline.signals import finishing
from countline.pipeline.stats import Summary
from countline.protocols import Check

__all__ = ["in_processes"]

log = logging.getLogger("countline.run")

Options = Mapping[str, Any]


def in_processes(config: Config, config_path: Path | None, options: Options, state: Path | None) -> Summary:
    """Run it in as many processes as ``options`` say; returns their summaries as one. Raises ConfigError."""
    for name in ("annotate", "record", "shard", "display"):
        if options.get(name):
            raise ConfigError(
                f"--{name} cannot be combined with --processes", where="--processes", fix="leave one of them out"
            )
    refuse_web(config, "--processes", "leave --web and `web:` out; `metrics:` shows each process")
    if config.rules.file is not None:
        raise ConfigError(
            f"the streams in {config.rules.file} are the sources by their numbers, which a share of them does not have",
            where="--processes",
            fix="`countline convert` makes rules of it that name their sources",
        )
    outbox = build.state_path(config, config_path, state)
    parts = shares([source.name for source in config.sources], options["processes"], outbox, fresh=options["fresh"])
    gpus = config.detector.gpus
    processes: list[_Process] = []
    with ExitStack() as service:
        environment = service.enter_context(shared()) if len(parts) > len(gpus) > 0 else {}
        try:
            for number, names in enumerate(parts):
                if names:
                    device = f"cuda:{gpus[number % len(gpus)]}" if gpus else options.get("device")
                    place = None if outbox is None else outbox_of(outbox, number)
                    processes.append(_Process(number, names, {**options, "device": device}, place, environment))
            return _until_done(processes, options)
        finally:
            for process in processes:
                process.end()


def _until_done(processes: Sequence[_Process], options: Options) -> Summary:
    progress = Progress(
        lambda: merged_snapshot([p.snapshot for p in processes if p.snapshot]),
        as_json=options["as_json"],
        quiet=options["quiet"],
    )

    notifier = Notifier(lambda: _health(processes))

    def stop() -> None:
        notifier.stopping()
        for process in processes:
            process.stop()

    def at_once() -> str:
        for process in processes:
            process.kill()
        return "countline: ended at once; what was not acknowledged stays in the outboxes on disk\n"

    with finishing(stop, at_once):
        progress.start()
        try:
            for process in processes:
                process.wait()
        finally:
            progress.close()
            notifier.close()
    summary = merged_summary([p.summary for p in processes if p.summary is not None])
    for process in processes:
        if process.summary is None:
            summary.error = "; ".join(part for part in (summary.error, process.problem()) if part)
            summary.exit_code = summary.exit_code or process.code or 1
    return summary


def _health(processes: Sequence[_Process]) -> Health:
    """Health of all processes together, by the last snapshot of each."""
    snapshots = [process.snapshot for process in processes]
    ill = [str(p.number) for p in processes if not p.snapshot.get("alive", True)]
    ready = sum(bool(snapshot.get("ready")) for snapshot in snapshots)
    words = f"{ready} of {len(snapshots)} ready"
    alive = Check("processes", not ill, f"not well: {', '.join(ill)}" if ill else words, "start them anew")
    return Health([alive], [Check("sources", ready > 0, words)], all(snapshots))


class _Process:
    """One of them, started."""

    def __init__(
        self,
        number: int,
        names: Sequence[str],
        options: Options,
        outbox: Path | None,
        environment: Mapping[str, str],
    ) -> None:
        self.number = number
        self.names = names
        self.snapshot: dict[str, Any] = {}
        self.summary: dict[str, Any] | None = None
        self.code = 0
        self._error = ""
        reading, writing = os.pipe()
        plain = {key: str(value) if isinstance(value, Path) else value for key, value in options.items()}
        job = {
            "options": {key: value for key, value in plain.items() if key not in ("config", "processes")},
            "config": plain["config"],
            "number": number,
            "names": list(names),
            "outbox": None if outbox is None else str(outbox),
            "report": writing,
        }
        # A session of its own: Ctrl-C reaches this process alone, which then tells the others to finish.
        self._process = subprocess.Popen(
            [sys.executable, "-m", "countline.commands.process"],
            stdin=subprocess.PIPE,
            pass_fds=(writing,),
            start_new_session=True,
            env={**os.environ, **environment},
        )
        os.close(writing)
        assert self._process.stdin is not None
        self._input = self._process.stdin
        self._input.write(json.dumps(job).encode() + b"\n")
        self._input.flush()
        self._listener = threading.Thread(target=self._listen, args=(reading,), daemon=True)
        self._listener.start()

    def _listen(self, reading: int) -> None:
        with os.fdopen(reading, encoding="utf-8") as report:
            for line in report:
                record = json.loads(line)
                kind = record.pop("type")
                if kind == "progress":
                    self.snapshot = record
                elif kind == "summary":
                    self.summary = record
                elif kind == "failed":
                    self._error = record["error"]

    def stop(self) -> None:
        """Tell it to finish."""
        try:
            self._input.close()
        except OSError:  # it has gone already
            pass

    def kill(self) -> None:
        """End it at once."""
        self._process.kill()

    def wait(self) -> None:
        """Until it has ended and told its last."""
        while self._listener.is_alive():
            self._listener.join(0.2)
        self.code = self._process.wait()
        if self.summary is None:
            log.error("%s", self.problem())

    def problem(self) -> str:
        """Why it has no summary."""
        shown = ", ".join(self.names[:5]) + (f" and {len(self.names) - 5} more" if len(self.names) > 5 else "")
        why = self._error or f"ended with code {self.code}"
        return f"process {self.number} ({shown}): {why}"

    def end(self) -> None:
        """Whatever has happened: it is not left behind."""
        self.stop()
        if self._process.poll() is None:
            try:
                self._process.wait(10)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
