"""Which files a run reads and which it writes, so that none is both."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from countline.config import Config
from countline.file_safety import NamedFile, refuse_overwriting

__all__ = ["refuse_collisions"]

_FAILURES = (".failures.jsonl", ".failures.jsonl.old", ".failures.jsonl.new", ".failures.jsonl.old.new")
_STATE = ("", "-wal", "-shm", ".lock", *_FAILURES)
"""Endings of the files that belong to an outbox."""


def refuse_collisions(config: Config, origin: object, state: Path | None, more: Iterable[NamedFile] = ()) -> None:
    """Raise ConfigError where something that is written is an input, a model, the configuration, the outbox or written twice.

    ``origin``: what the configuration was made of; the path, if it came from a file. ``state``: the outbox, None in memory. ``more``: what
    options of the command line write.
    """
    refuse_overwriting(_reads(config, origin), [*_writes(config, state), *more])


def _reads(config: Config, origin: object) -> Iterator[NamedFile]:
    if isinstance(origin, (str, Path)):
        yield NamedFile("the configuration", str(origin))
    for source in config.sources:
        yield from _files(f"source '{source.name}'", source.model_dump(include={"uri", "options"}))
    yield from _files("the detector's model or labels", config.detector.model_dump())
    yield from _files("the rules", config.rules.file)
    for message in config.messages:
        texts = message.model_dump(include={"function", "schema_"})
        yield from _files(f"message '{message.name}'", [texts, message.files()])
    for output in config.outputs:
        yield from _files(f"output '{output.name}'", output.model_dump(exclude={"path", "url"}))


def _files(what: str, value: Any) -> Iterator[NamedFile]:
    """Every word in a configuration that is the name of a file that is there."""
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, (list, tuple, set, frozenset)):
        for item in value:
            yield from _files(what, item)
        return
    if not isinstance(value, (str, Path)):
        return
    text = str(value)
    for name in (text, text.removeprefix("file://"), text.rpartition(":")[0]):  # the last: file.py:function
        try:
            if name and os.path.isfile(name):
                yield NamedFile(what, name)
        except (OSError, ValueError):  # too long, or with a NUL: no file
            continue


def _writes(config: Config, state: Path | None) -> Iterator[NamedFile]:
    if state is not None:
        for ending in _STATE:
            # No topic or source is called so: `{topic}.jsonl` beside an outbox is no mistake.
            yield NamedFile("outbox", str(state) + ending, odd=bool(ending))
    for output in config.outputs:
        for path in output.files():
            yield NamedFile(f"output '{output.name}'", path)
