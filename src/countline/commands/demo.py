"""What ``countline demo`` does: the main job, and a consumer that shows what came out at the other end."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Mapping
from contextlib import AbstractContextManager, ExitStack, nullcontext
from pathlib import Path
from typing import Any

import orjson
import yaml

from countline.commands import logs
from countline.commands.run import execute
from countline.commands.summary_text import summary_text
from countline.demo import clip_path
from countline.demo.broker import EmbeddedBroker
from countline.errors import OutputError
from countline.outputs.kafka.tail import Record, tail
from countline.pipeline.run import Run
from countline.pipeline.stats import Summary
from countline.terminal import echo, echo_coloured, json_line

__all__ = ["configuration", "demo_command"]

LINE = [[0.39, 0.26], [0.39, 0.62]]
"""Across the road, left of the lamp post."""


def configuration(clip: Path, bootstrap: str, topic: str, outbox: Path) -> dict[str, Any]:
    """The demo's configuration: one camera, one line, the message of the DeepStream recipe."""
    return {
        "sources": [{"name": "street", "uri": str(clip), "device_id": "device_test"}],
        "detector": {"classes": ["person"]},
        "rules": {"lines": [{"name": "straight", "source": "street", "points": LINE, "direction": "both"}]},
        "messages": [
            {
                "name": "line-crossing",
                "on": "crossing",
                "key": "{device_id}",
                "value": {
                    "messageid": "{id}",
                    "@timestamp": "{time}",
                    "deviceId": "{device_id}",
                    "analyticsModule": {
                        "stream_source_id": "{source_index}",
                        "lc_curr_straight": "{lines.straight.current}",
                        "lc_cum_straight": "{lines.straight.cumulative}",
                    },
                },
            }
        ],
        "outputs": [{"kafka": {"bootstrap": bootstrap, "topic": topic}}],
        "outbox": {"path": str(outbox)},
    }


class _Watcher(threading.Thread):
    """Consumes the demo's own topic and prints each message as it arrives."""

    def __init__(self, bootstrap: str, topic: str, skip: int, quiet: bool) -> None:
        super().__init__(name="countline-demo-consumer", daemon=True)
        self.records: list[Record] = []
        self.error = ""
        self._options = {"bootstrap.servers": bootstrap}
        self._topic = topic
        self._skip = skip
        self._quiet = quiet
        self._done = threading.Event()

    def run(self) -> None:
        try:
            for record in tail(self._options, self._topic, stop=self._done.is_set, wait_for_topic=60):
                self._skip -= 1
                if self._skip < 0:
                    self.records.append(record)
                    if not self._quiet:
                        _print(record)
        except OutputError as error:
            if not self._done.is_set():
                self.error = str(error)

    def finish(self, expected: int, patience: float = 15.0) -> None:
        """Wait for the expected number of records, then end."""
        deadline = time.monotonic() + patience
        while len(self.records) < expected and time.monotonic() < deadline and self.is_alive():
            time.sleep(0.05)
        self.close()

    def close(self) -> None:
        """End at once."""
        self._done.set()
        self.join(5)


def _print(record: Record) -> None:
    value = orjson.loads(record.value or b"{}")
    module = value.get("analyticsModule", {})
    echo_coloured(
        (f"  kafka {record.topic}@{record.offset} ", "cyan"),
        (f"key={(record.key or b'').decode(errors='replace')} ", ""),
        (f"count {module.get('lc_cum_straight')}", "green"),
        (f"  {(record.value or b'').decode(errors='replace')}", ""),
    )


def demo_command(options: Mapping[str, Any]) -> int:
    """Run the demo; exit code 0 if every counted message came back from the broker."""
    quiet = options["as_json"]
    logs.configure(quiet=True)
    out: Path = options["out"]
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(
            f"cannot be made: {error.strerror}", where=str(out), fix="choose another folder with --out"
        ) from None
    broker: AbstractContextManager[Any] = nullcontext() if options["kafka"] else EmbeddedBroker(options["port"])
    with broker as embedded:
        bootstrap = options["kafka"] or embedded.bootstrap
        say = (lambda _: None) if quiet else echo
        whose = "yours" if options["kafka"] else "embedded, memory only, ends with the demo"
        say(f"broker: {bootstrap} ({whose}), topic {options['topic']}")
        return _run(out, bootstrap, options, say)


def _run(out: Path, bootstrap: str, options: Mapping[str, Any], say: Any) -> int:
    outbox = out / "demo.outbox"
    for old in out.glob("demo.outbox*"):  # each demo starts from zero; its broker has forgotten everything too
        old.unlink()
    data = configuration(clip_path(), bootstrap, options["topic"], outbox)
    if options["web"]:
        # Somebody wants to look: at the pace of a camera, again and again, until it is stopped.
        data["sources"][0].update(realtime=True, loop=True)
        data["web"] = options["web"]
    path = out / "countline.yaml"
    path.write_text(yaml.safe_dump(data, sort_keys=False), encoding="utf-8")
    say(f"configuration: {path}  (yours to go on from, with your broker's address in it)")
    skip = _existing(bootstrap, options["topic"]) if options["kafka"] else 0
    watcher = _Watcher(bootstrap, options["topic"], skip, options["as_json"])
    video = None
    with ExitStack() as resources:
        watcher.start()
        resources.callback(watcher.close)
        run = resources.enter_context(Run(path))
        if options["annotate"] and not options["web"]:
            from countline.view.annotate import AnnotatedVideo

            video = AnnotatedVideo(out / "annotated.mp4", run.rules.rules, run.detector.labels)
            run.add_consumer(video)
        if run.page is not None:
            say(f"page: {run.page.url} (Ctrl-C ends)")
        say("messages as they arrive:")
        summary = execute(run, {"as_json": False, "quiet": not sys.stderr.isatty(), "drain_timeout": 30.0})
        watcher.finish(summary.messages)
    if video is not None:
        video.snapshot(out / "snapshot.png")
    return _conclude(summary, watcher, out, options, say)


def _existing(bootstrap: str, topic: str) -> int:
    """Messages that the user's topic holds already."""
    try:
        return sum(1 for _ in tail({"bootstrap.servers": bootstrap}, topic, idle=2.0, wait_for_topic=2.0))
    except OutputError:
        return 0


def _conclude(summary: Summary, watcher: _Watcher, out: Path, options: Mapping[str, Any], say: Any) -> int:
    values = [orjson.loads(r.value or b"{}") for r in watcher.records]
    consumed = sum(v["analyticsModule"]["lc_curr_straight"] for v in values)
    counted = sum(line["total"] for source in summary.sources.values() for line in source.lines.values())
    equal = consumed == counted and len(watcher.records) == summary.messages
    if options["as_json"]:
        result = {**summary.as_dict(), "consumed": len(watcher.records), "consumed_crossings": consumed, "equal": equal}
        sys.stdout.write(json_line(result) + "\n")
    say("")
    say(summary_text(summary))
    acknowledged = sum(o.acknowledged for o in summary.outputs.values())
    say(f"messages made {summary.messages}, acknowledged {acknowledged}, consumed {len(watcher.records)}")
    say(f"crossings counted {counted}, in the consumed messages {consumed}: {'equal' if equal else 'NOT EQUAL'}")
    if options["annotate"] and not options["web"]:
        say(f"look at {out / 'annotated.mp4'} and {out / 'snapshot.png'}")
    if watcher.error:
        say(f"the consumer could not read the topic: {watcher.error}")
    return summary.exit_code or (0 if equal or summary.interrupted else 4)
