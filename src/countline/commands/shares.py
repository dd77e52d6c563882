"""Which of several processes on this machine reads a source: evenly, and for ever the same, since each has an outbox of its own in
which the counts of its sources and their messages lie."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from countline.errors import ConfigError
from countline.private_files import open_private

__all__ = ["outbox_of", "refuse_single", "shares"]

_WHERE = "--processes"


def _noted(outbox: Path) -> Path:
    return outbox.with_name(f"{outbox.stem}.processes.json")


def outbox_of(outbox: Path, process: int) -> Path:
    """The outbox of one of the processes, beside that of a single one.

    >>> str(outbox_of(Path("a/run.outbox"), 2))
    'a/run.p2.outbox'
    """
    return outbox.with_name(f"{outbox.stem}.p{process}{outbox.suffix}")


def shares(names: Sequence[str], count: int, outbox: Path | None, *, fresh: bool = False) -> list[list[str]]:
    """The sources of each process. Those that one had go on there, new ones go where there are fewest. ``outbox``: that of a single
    process, beside which it is noted who has which; None: in memory, nothing is kept.

    Raises ConfigError where counts would be left behind: another number of processes before, or a run in a single one.
    """
    had = {} if outbox is None or fresh else _read(outbox, count)
    load = Counter(dict.fromkeys(range(count), 0))
    load.update(had[name] for name in names if name in had)
    for name in names:
        if name not in had:
            had[name] = min(range(count), key=lambda process: (load[process], process))
            load[had[name]] += 1
    if outbox is not None:
        outbox.parent.mkdir(parents=True, exist_ok=True)
        with open_private(_noted(outbox), "wb") as file:
            file.write(json.dumps({"processes": count, "sources": had}, ensure_ascii=True).encode())
    return [[name for name in names if had[name] == process] for process in range(count)]


def _read(outbox: Path, count: int) -> dict[str, int]:
    path = _noted(outbox)
    if not path.exists():
        if outbox.exists():
            raise ConfigError(
                f"counts and messages of runs in a single process lie in {outbox}, and would not be gone on with",
                where=_WHERE,
                fix="go on without --processes, name another --outbox, or begin anew with --fresh",
            )
        return {}
    try:
        noted = json.loads(path.read_bytes())
        before, sources = int(noted["processes"]), {str(name): int(at) for name, at in noted["sources"].items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        raise ConfigError(
            f"{path} cannot be read", where=_WHERE, fix="begin anew with --fresh; counts are then begun anew, too"
        ) from None
    if before != count:
        raise ConfigError(
            f"there were {before} processes before, in whose outboxes counts and messages lie",
            where=_WHERE,
            fix=f"run with --processes {before}, or begin anew with --fresh",
        )
    return sources


def refuse_single(outbox: Path | None) -> None:
    """Raise ConfigError where a run in a single process would not go on with what several have counted."""
    if outbox is not None and _noted(outbox).exists() and not outbox.exists():
        raise ConfigError(
            f"counts and messages lie in the outboxes of several processes ({_noted(outbox)})",
            where=_WHERE,
            fix="run with --processes as before, or name another --outbox",
        )
