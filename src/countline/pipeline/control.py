"""The control of a run: what its configuration is, what a change would do, and the change. Whatever asks for one (an edit of the
file, SIGHUP, a program) goes through this."""

from __future__ import annotations

import hashlib
import logging
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol, TypeAlias

from countline.config import Config
from countline.config.loader import Document
from countline.errors import CountlineError
from countline.messages.time import rfc3339
from countline.pipeline.changes import Changes, changes, digest_of, refuse_unchangeable
from countline.redaction import redact
from countline.types import ConfigChange

__all__ = ["Applied", "Change", "Changeable", "Control", "Current"]

log = logging.getLogger("countline.pipeline")

By = Literal["file", "signal", "api"]
Origin: TypeAlias = "Config | Mapping[str, Any] | str | Path | Document"


class Change(Protocol):
    """A change that was made ready: nothing of it counts yet."""

    def commit(self, change: ConfigChange) -> list[str]:
        """Change over, at a frame boundary, and publish ``change`` there; returns notes for the user.
        Raises CountlineError: all is as it was."""
        ...

    def undo(self) -> None:
        """Let go of what was made."""
        ...


class Changeable(Protocol):
    """What can be changed while it runs: a run over video, or a DeepStream probe."""

    config: Config

    def parse(self, origin: Origin) -> Config:
        """The configuration as this run reads it. Raises ConfigError."""
        ...

    def ready(self, config: Config, plan: Changes) -> Change:
        """Make and open all that is new. Raises CountlineError as a start with this configuration would; all is as it was then."""
        ...

    def tell(self, change: ConfigChange) -> None:
        """Publish that something was applied or refused."""
        ...


@dataclass(frozen=True)
class Current:
    """The configuration that counts."""

    config: Config
    digest: str
    """Of all that it says, without the values of secrets."""
    since: int
    """When it was applied, ns since the Unix epoch."""
    by: str
    """'start', 'file', 'signal' or 'api'."""


@dataclass(frozen=True)
class Applied:
    """A change that was applied."""

    changes: Changes
    digest: str
    by: str
    time: int
    """ns since the Unix epoch."""
    notes: tuple[str, ...] = ()
    """What is to be known besides: counts that stay under an old name, messages that wait for an output that is gone."""


class Control:
    """One configuration after the other for something that runs. All methods may be called from any thread; changes come one after
    the other.

    Parameters
    ----------
    target: what is changed.
    reread: gives the configuration as its file says it now, or the file, for :meth:`reload`; None: it came from elsewhere.
    """

    def __init__(self, target: Changeable, reread: Callable[[], Config | str | Path] | None) -> None:
        self._target = target
        self.reread = reread
        self._changing = threading.Lock()
        self._current = Current(target.config, digest_of(target.config), time.time_ns(), "start")
        self._contents: Mapping[str, str] = _contents(target.config)
        self.results = {"applied": 0, "refused": 0}
        """Changes that were asked for, by what became of them."""
        self.succeeded = True
        """Whether the last one was applied."""
        self.on_told: list[Callable[[ConfigChange], None]] = []
        """Called with each change that was applied or refused, on the thread that asked for it; they raise nothing."""

    def current(self) -> Current:
        """The configuration that counts now."""
        return self._current

    def parse(self, origin: Origin) -> Config:
        """The configuration as this run reads it. Raises ConfigError."""
        return self._target.parse(origin)

    def digest(self, origin: Origin) -> str:
        """Identity of what a configuration says, to be compared with that of :meth:`current`. Raises ConfigError."""
        return digest_of(self._target.parse(origin))

    def preview(self, origin: Origin) -> Changes:
        """What :meth:`apply` would change. Raises ConfigError as that does, for all that can be known without making anything."""
        config = self._target.parse(origin)
        refuse_unchangeable(self._current.config, config)
        return self._plan(config)[0]

    def apply(self, origin: Origin, by: By = "api") -> Applied:
        """Change over to another configuration at the next frame boundary; returns when that is done, and outputs that were removed
        have had their time. Raises ConfigError (or what else a start with it raises) with the same words as a start, when all is as
        it was; that is logged and published, too."""
        return self._change(lambda: origin, by)

    def _change(self, give: Callable[[], Origin], by: By) -> Applied:
        with self._changing:
            plan = Changes()
            try:
                config = self._target.parse(give())
                plan, contents = self._plan(config)
                refuse_unchangeable(self._current.config, config)
                if not plan:
                    log.info("the configuration says what it said before (asked by %s): nothing to change", by)
                    return Applied(plan, self._current.digest, by, time.time_ns())
                return self._apply(config, plan, contents, by)
            except CountlineError as error:
                self._refused(error, plan, by)
                raise

    def reload(self, by: By) -> Applied | None:
        """Read the file again and :meth:`apply` it. Raises nothing: what is refused is logged and published, and gives None."""
        if self.reread is None:
            log.warning(
                "asked by %s to read the configuration again, but it came from no file: the run goes on as it is", by
            )
            return None
        try:
            return self._change(self.reread, by)
        except CountlineError:
            return None
        except Exception:
            log.exception("unforeseen error while the configuration was changed")
            return None

    def files(self) -> list[Path]:
        """Files that the configuration names and that are read at a start."""
        return [Path(name) for name in self._contents]

    def _plan(self, config: Config) -> tuple[Changes, Mapping[str, str]]:
        old = self._current.config
        contents = _contents(config)
        edited = [name for name, content in contents.items() if self._contents.get(name, content) != content]
        return changes(old, config, edited), contents

    def _apply(self, config: Config, plan: Changes, contents: Mapping[str, str], by: By) -> Applied:
        made = self._target.ready(config, plan)
        now = time.time_ns()
        current = Current(config, digest_of(config), now, by)
        told = ConfigChange(True, plan.words, by, current.digest, now)
        try:
            notes = made.commit(told)
        except BaseException:
            made.undo()
            raise
        self._current, self._contents = current, contents
        self.results["applied"] += 1
        self.succeeded = True
        log.info("configuration changed (asked by %s): %s", by, "; ".join(plan.words))
        if notes:
            log.warning("%s", "; ".join(notes))
        self._tell(told)
        return Applied(plan, current.digest, by, now, tuple(notes))

    def _refused(self, error: CountlineError, plan: Changes, by: By) -> None:
        current = self._current
        text = redact(str(error))
        self.results["refused"] += 1
        self.succeeded = False
        log.error(
            "the changed configuration (asked by %s) is refused, the one of %s goes on: %s",
            by,
            rfc3339(current.since),
            text,
        )
        told = ConfigChange(False, plan.words, by, current.digest, time.time_ns(), text)
        self._target.tell(told)
        self._tell(told)

    def _tell(self, change: ConfigChange) -> None:
        for told in self.on_told:
            told(change)


def _contents(config: Config) -> dict[str, str]:
    """Digests of the files that a configuration names and that are read at a start."""
    names = [name for message in config.messages for name in message.files()]
    if config.rules.file is not None:
        names.append(config.rules.file)
    found = {}
    for name in names:
        try:
            found[name] = hashlib.blake2b(Path(name).read_bytes(), digest_size=16).hexdigest()
        except OSError:
            found[name] = ""  # told better by what reads it
    return found
