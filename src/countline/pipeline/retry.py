"""Messages that could not be made are made anew, with the present definitions, and put into the outbox: each once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from countline import outbox
from countline.config import Config
from countline.errors import MessageError, OutboxError
from countline.outbox import remade
from countline.pipeline import build
from countline.pipeline.delivery.failure_lines import COMMITTED, Kept, files, read, rewrite
from countline.protocols import Definition, RemakingDefinition
from countline.types import Message

__all__ = ["RetryReport", "retry_failures"]


@dataclass
class RetryReport:
    """What became of the failures."""

    made: int = 0
    """Failures whose messages wait in the outbox now."""
    left_out: int = 0
    """Failures that make no message any more: the definition's condition or function leaves them out."""
    remaining: list[Mapping[str, Any]] = field(default_factory=list)
    """Failures that stay, each with its present ``error`` and ``place``."""
    finished: int = 0
    """Failures that an earlier retry had put into the outbox before it was ended."""


def retry_failures(
    config: Config | Mapping[str, Any] | str | Path,
    messages: Sequence[Any] = (),
    *,
    detector: Any = None,
    name: str | None = None,
    state: Path | None = None,
) -> RetryReport:
    """Make what an earlier run could not make, and put it into the outbox with the ids that it would have had; the next run sends it,
    behind all that waits. What fails again stays in the failure file with its new reason.

    Parameters
    ----------
    config: as for :func:`countline.run`; its messages and outputs are those that count now.
    messages, detector: as for :func:`countline.run`; of the detector only its labels are asked.
    name: only failures of this message.
    state: path of the outbox where the configuration says none.

    Ended at any point, also by ``kill -9``, and called again, it loses none and puts none in twice. Raises OutboxError (in use by
    a run, full, in memory), ConfigError and MessageError.
    """
    parsed = build.as_config(config)
    path = build.state_path(parsed, config, state)
    if path is None:
        raise OutboxError("is in memory only", where="outbox", fix="give the configuration an outbox on disk")
    if not path.exists():
        raise OutboxError("there is none", where=f"outbox {path}", fix="run the configuration first")
    definitions = _definitions(parsed, messages, detector)
    blocking = parsed.outbox.model_copy(update={"when_full": "block"})
    box = outbox.open(blocking, path, [output.name for output in parsed.outputs])
    try:
        with box:
            return _Retry(box, path, definitions, name).work()
    except OSError as error:
        where, what = str(error.filename or files(path)[1]), f"the failure file cannot be changed: {error.strerror}"
        raise OutboxError(what, where=where, fix="check its rights and the disk") from None


def _definitions(config: Config, messages: Sequence[Any], own: Any) -> dict[str, Definition]:
    infos = build.source_infos(config)
    detector = build.detector(config, own)
    try:
        rules = build.rules(config, infos, detector.labels)
        return {d.name: d for d in build.definitions(config, rules, infos, detector.labels, messages)}
    finally:
        detector.close()


class _Retry:
    """One call. Order is all: the outbox takes messages and their keys in one transaction, then the file gives the failures up, then
    the keys are forgotten."""

    def __init__(self, box: outbox.Outbox, path: Path, definitions: Mapping[str, Definition], name: str | None) -> None:
        self._box, self._path, self._definitions, self._name = box, path, definitions, name
        self._report = RetryReport()

    def work(self) -> RetryReport:
        self._finish_earlier()
        made: list[Message] = []
        keys: set[str] = set()
        news: dict[str, dict[str, Any]] = {}
        for one in read(self._path).kept:
            if self._name not in (None, one.data.get("definition")):
                continue
            try:
                found = self._made(one)
            except (MessageError, ValueError) as error:
                reason = error.what if isinstance(error, MessageError) else str(error)
                news[one.key] = {**one.data, "error": reason, "retried": _times(one) + 1}
                continue
            if isinstance(found, dict):
                news[one.key] = found
            else:
                keys.add(one.key)
                made += found
                self._report.made += bool(found)
                self._report.left_out += not found
        if keys:
            remade.put(self._box, made, keys)
        rewrite(self._path, lambda data: None if (key := Kept(data).key) in keys else news.get(key, data))
        if keys:
            remade.forget(self._box)
        self._report.remaining = [{k: v for k, v in data.items() if k != "again"} for data in news.values()]
        return self._report

    def _finish_earlier(self) -> None:
        """An earlier call was ended between the outbox and the file."""
        known = remade.known(self._box)
        if known:
            self._report.finished = sum(one.key in known for one in read(self._path).kept)
            rewrite(self._path, lambda data: None if Kept(data).key in known else data)
            remade.forget(self._box)

    def _made(self, one: Kept) -> list[Message] | dict[str, Any]:
        """The messages (none: left out), or the failure as it is now. Raises ValueError and MessageError where there is no trying."""
        data = one.data
        name, frame = data.get("definition"), data.get(COMMITTED)
        definition = self._definitions.get(str(name))
        if definition is None:
            raise ValueError(
                f"there is no message '{name}' any more; one of a function is retried by countline.retry_failures"
            )
        if not isinstance(definition, RemakingDefinition):
            raise ValueError(f"the message '{name}' cannot be made again: its definition has no `remake`")
        if isinstance(frame, int) and remade.again(self._box, str(data.get("source")), str(data.get("stream")), frame):
            raise ValueError("its run was cut short before this frame was done: the next run goes through it again")
        definition.take_failures()
        messages: list[Message] = definition.remake(one.snapshot())
        failures = definition.take_failures()
        if failures:
            new = failures[-1]
            return {**data, "error": new.error, "place": new.place, "retried": _times(one) + 1}
        return messages


def _times(one: Kept) -> int:
    times = one.data.get("retried", 0)
    return times if isinstance(times, int) else 0
