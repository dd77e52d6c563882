"""One tree of exceptions.

Every message says what was wrong, where (file, key, line, source, output) and what to do about it. The command
line prints ``str(error)`` and exits with ``error.exit_code``; nobody ever sees a traceback for a mistake of theirs.
"""

from __future__ import annotations

from dataclasses import dataclass

from countline.redaction import redact

__all__ = [
    "ConfigError",
    "CountlineError",
    "DataError",
    "DetectorAway",
    "DetectorError",
    "MessageError",
    "MissingExtra",
    "OutboxError",
    "OutputError",
    "Place",
    "PluginError",
    "RuleError",
    "SourceError",
]


@dataclass(frozen=True)
class Place:
    """Where in a user's file something stands. ``line`` and ``column`` count from 1; 0 means unknown."""

    file: str = ""
    line: int = 0
    column: int = 0
    key: str = ""

    def __str__(self) -> str:
        where = self.file
        if self.line:
            where += f":{self.line}" + (f":{self.column}" if self.column else "")
        return " ".join(part for part in (where, f"[{self.key}]" if self.key else "") if part)

    def redacted(self) -> Place:
        """The same place; secrets that stand where a key should are left out."""
        key = redact(self.key)
        return self if key == self.key else Place(self.file, self.line, self.column, key)


class CountlineError(Exception):
    """Base of everything countline raises on purpose.

    Parameters
    ----------
    what: what was wrong, one sentence without a full stop.
    where: a :class:`Place` or words (``source 'entrance'``); optional.
    fix: what the user can do; optional.

    Secrets of the configuration are kept out of all three.
    """

    exit_code = 1

    def __init__(self, what: str, *, where: Place | str = "", fix: str = "") -> None:
        self.what = redact(what)
        self.where = redact(where) if isinstance(where, str) else where.redacted()
        self.fix = redact(fix)
        super().__init__(str(self))

    def __str__(self) -> str:
        head = f"{self.where}: " if str(self.where) else ""
        tail = f"\n  -> {self.fix}" if self.fix else ""
        return f"{head}{self.what}{tail}"

    def __reduce__(self) -> tuple[object, ...]:
        return (_rebuild, (type(self), self.what, self.where, self.fix))


def _rebuild(cls: type[CountlineError], what: str, where: Place | str, fix: str) -> CountlineError:
    return cls(what, where=where, fix=fix)


class ConfigError(CountlineError):
    """A configuration file or command-line option says something impossible. May carry several at once."""

    exit_code = 2


class PluginError(ConfigError):
    """What another distribution brings (an output, a source, a layout, a rule, a message type) cannot be used; the message
    names the distribution."""


class DataError(CountlineError):
    """Recorded input (tracks, vectors) is malformed; ``where`` names file and line."""

    exit_code = 2


class RuleError(ConfigError):
    """A rule cannot be evaluated as written (two equal points, unknown source, bad DeepStream file)."""


class MessageError(ConfigError):
    """A message definition names a field that its trigger does not offer, or cannot be encoded."""


class SourceError(CountlineError):
    """A source cannot be opened or broke for good."""

    exit_code = 3


class DetectorError(CountlineError):
    """A model cannot be loaded or run."""

    exit_code = 3


class DetectorAway(DetectorError):
    """What detects cannot be reached just now, and may be again: a detector raises it for frames that it would look at otherwise. A
    run drops frames of live sources then, counted, and tries those of files again.

    Parameters
    ----------
    what, where, fix: as of :class:`CountlineError`.
    retry: seconds after which another attempt makes sense.
    """

    def __init__(self, what: str, *, where: Place | str = "", fix: str = "", retry: float = 1.0) -> None:
        super().__init__(what, where=where, fix=fix)
        self.retry = retry


class OutputError(CountlineError):
    """An output cannot be set up, or refused a message for good."""

    exit_code = 4


class OutboxError(CountlineError):
    """The outbox cannot be opened, is in use by another process, is full, read-only or damaged."""

    exit_code = 5


class MissingExtra(CountlineError):
    """An optional dependency is not installed; the message names the extra."""

    exit_code = 6

    def __init__(self, package: str, extra: str, *, what_for: str) -> None:
        super().__init__(
            f"{what_for} needs the package {package}, which is not installed",
            fix=f"pip install 'countline[{extra}]'",
        )
        self.package = package
        self.extra = extra
        self.what_for = what_for

    def __reduce__(self) -> tuple[object, ...]:
        return (_rebuild_extra, (self.package, self.extra, self.what_for))


def _rebuild_extra(package: str, extra: str, what_for: str) -> MissingExtra:
    return MissingExtra(package, extra, what_for=what_for)
