"""One of several processes of a run: ``python -m countline.commands.process``, started by :mod:`countline.commands.processes`.

Its first line of standard input is the job; the end of the input means: finish. So it also ends when its parent is gone.
"""

from __future__ import annotations

import json
import os
import sys
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TextIO

from countline.addresses import split_address
from countline.commands import logs
from countline.commands.run import configured, only
from countline.config.observe import MetricsConfig
from countline.errors import CountlineError
from countline.pipeline.run import Run
from countline.pipeline.turns import pass_over_what_is_loaded, take_short_turns
from countline.terminal import json_line

__all__ = ["main"]


def main() -> int:
    """Run the job. Returns the exit code."""
    job: Mapping[str, Any] = json.loads(sys.stdin.readline())
    options = {**job["options"], "config": Path(job["config"]) if job["config"] else None}
    for key in ("rules_file", "cfg_file", "msgconv"):
        options[key] = Path(options[key]) if options.get(key) else options.get(key)
    logs.configure(as_json=options["as_json"], quiet=options["quiet"], verbose=options["verbose"])
    take_short_turns()
    with os.fdopen(job["report"], "w", encoding="utf-8", buffering=1) as report:
        try:
            return _run(job, options, report)
        except CountlineError as error:
            report.write(json_line({"type": "failed", "error": str(error), "exit_code": error.exit_code}) + "\n")
            return error.exit_code


def _run(job: Mapping[str, Any], options: Mapping[str, Any], report: TextIO) -> int:
    config, _, _ = configured(options)
    config = only(config, job["names"])
    config._document = None
    if config.metrics is not None:
        config = config.model_copy(update={"metrics": _apart(config.metrics, job["number"])})
    state = Path(job["outbox"]) if job["outbox"] else None
    if state is not None:
        config = config.model_copy(update={"outbox": config.outbox.model_copy(update={"path": state})})
    with Run(config, state=state, fresh=options["fresh"]) as run:
        pass_over_what_is_loaded()
        done = threading.Event()
        threading.Thread(target=_until_the_end_of_input, args=(run,), daemon=True).start()
        telling = threading.Thread(target=_tell, args=(run, report, done), daemon=True)
        telling.start()
        summary = run.execute(drain_timeout=options["drain_timeout"])
        done.set()
        telling.join()
    report.write(json_line({"type": "summary", **summary.as_dict()}) + "\n")
    return summary.exit_code


def _apart(metrics: MetricsConfig, number: int) -> MetricsConfig:
    """Each process listens at a port of its own: the one that is configured, the next one, and so on."""
    host, port = split_address(metrics.listen)
    shown = f"[{host}]" if ":" in host else host
    return metrics.model_copy(update={"listen": f"{shown}:{port + number if port else 0}"})


def _until_the_end_of_input(run: Run) -> None:
    while sys.stdin.readline():
        pass
    run.stop()


def _tell(run: Run, report: TextIO, done: threading.Event) -> None:
    report.write(json_line({"type": "started", "at": time.time()}) + "\n")
    while not done.wait(1.0):
        report.write(json_line({"type": "progress", "at": time.time(), **run.snapshot(), **_well(run)}) + "\n")


def _well(run: Run) -> dict[str, bool]:
    health = run.health()
    return {"alive": health.is_alive, "ready": health.is_ready}


if __name__ == "__main__":
    sys.exit(main())
