"""The rule editor of one run: edits, previews, objects and explanations."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from countline.config import Config
from countline.config.yaml_patch import patched
from countline.config.yaml_reader import Document, read_yaml
from countline.errors import ConfigError, CountlineError
from countline.types import Analytics
from countline.view.conflict import Conflict
from countline.view.desk import explaining
from countline.view.desk.changes import MOST_EDITS, Edit, described, edited
from countline.view.desk.file import ConfigFile, unified
from countline.view.desk.memory import TrackMemory
from countline.view.desk.recorded import recall
from countline.view.desk.trial import try_rules

__all__ = ["Controlled", "Desk"]

MOST_UNDONE = 50
"""Most edits that can be undone."""


class _Current(Protocol):
    @property
    def config(self) -> Config: ...
    @property
    def digest(self) -> str: ...


class _Changes(Protocol):
    @property
    def words(self) -> tuple[str, ...]: ...


class _Applied(Protocol):
    @property
    def changes(self) -> _Changes: ...
    @property
    def notes(self) -> tuple[str, ...]: ...


class Controlled(Protocol):
    """What changes the configuration of a run: :class:`countline.pipeline.control.Control`."""

    def current(self) -> _Current:
        """The configuration in force."""
        ...

    def parse(self, origin: Document) -> Config:
        """Parse a document to a configuration. Raises ConfigError."""
        ...

    def digest(self, origin: Config) -> str:
        """A digest of a configuration's content."""
        ...

    def preview(self, origin: Config) -> _Changes:
        """What :meth:`apply` would change. Raises ConfigError."""
        ...

    def apply(self, origin: Config) -> _Applied:
        """Put a configuration in force. Raises CountlineError: the one before stays in force."""
        ...


@dataclass(frozen=True)
class _UndoStep:
    """Content of the file before and after an edit that can be undone."""

    before: bytes
    after: bytes


@dataclass(frozen=True)
class _Base:
    """The file as the editor's base: its content is the configuration in force."""

    content: bytes
    text: str
    config: Config


class Desk:
    """All methods from any thread; edits come one after the other.

    Parameters
    ----------
    control: changes the configuration of the run.
    memory: gets every frame by :meth:`see`, and recorded tracks of the minutes before the run began.
    file: the configuration file; None: the configuration came from options or from a program.
    read: text of the file -> the configuration that a start with it would have, options included.
    """

    def __init__(
        self,
        control: Controlled,
        memory: TrackMemory,
        file: Path | None,
        read: Callable[[str], Config] | None = None,
    ) -> None:
        self.memory = memory
        self._control = control
        self._file = ConfigFile(file) if file is not None else None
        self._read = read if read is not None else lambda text: control.parse(read_yaml(file or "", text))
        self._editing = threading.RLock()
        self._undo_steps: list[_UndoStep] = []
        self._last_read: tuple[str, str] = ("", "")
        """Digest of the configuration in force, and the text of the file that it was read from."""
        if self._file is not None and not self.why_not:
            try:
                self._read_base(self._file)
            except CountlineError:
                pass  # reported with the first edit

        config = control.current().config
        if config.record is not None:
            threading.Thread(target=recall, args=(memory, config), name="countline-recall", daemon=True).start()

    # -- state ------------------------------------------------------------------------------------------

    @property
    def why_not(self) -> str:
        """Why rules cannot be edited; '' where they can."""
        rules = self._control.current().config.rules
        if rules.file is not None:
            return f"the rules come from {rules.file}, in DeepStream's format; `countline convert` makes rules of it that can be edited"
        if self._file is None:
            return "the configuration came from options, not from a file; run a configuration file to edit it here"
        return self._file.why_not()

    @property
    def writable(self) -> bool:
        """Whether rules can be edited."""
        return not self.why_not

    @property
    def undoable(self) -> bool:
        """Whether there is an edit to undo."""
        return bool(self._undo_steps)

    def see(self, analytics: Analytics) -> None:
        """Every frame, on the worker's thread."""
        self.memory(None, analytics)

    def rules(self) -> dict[str, Any]:
        """All rules with their points as 0..1 of the picture, and whether they can be edited."""
        current, why_not = self._control.current(), self.why_not
        rules = current.config.rules
        found = [described(rules, rule) for _, _, rule in rules.each()]
        return {
            "digest": current.digest,
            "rules": [{**rule, "editable": not why_not, "why_not": why_not} for rule in found],
            "undo": self.undoable,
        }

    # -- objects ---------------------------------------------------------------------------------------------------

    def objects(self, source: str, seconds: float) -> dict[str, Any]:
        """Objects of the last ``seconds``. Raises KeyError for a source that is not there."""
        self._known(source)
        return explaining.objects(self.memory, source, seconds)

    def explain(self, source: str, ident: int) -> dict[str, Any]:
        """Why each rule did or did not count an object. Raises KeyError for a source or an object that is not known."""
        self._known(source)
        return explaining.explain(self.memory, self._control.current().config, source, ident)

    def _known(self, source: str) -> None:
        if all(s.name != source for s in self._control.current().config.sources):
            raise KeyError(source)

    # -- edits -----------------------------------------------------------------------------------------------------

    def preview(self, base: str, edits: Sequence[Any]) -> dict[str, Any]:
        """What edits would change, in words and in the file, and what the rules would have counted with them. Nothing is changed.
        Raises ConfigError in the words of ``countline check``, Conflict."""
        with self._editing:
            found = self._base(base)
            text, config = self._with(found, edits)
            words = self._control.preview(config).words
        trial = try_rules(found.config, config, self.memory)
        return {
            "changes": list(words),
            "diff": unified(found.text, text, self._name),
            "counted": trial.rows(),
            "seconds": round(trial.seconds, 3),
            "notes": trial.notes,
        }

    def apply(self, base: str, edits: Sequence[Any]) -> dict[str, Any]:
        """Make the edits in the run and in the file. Raises as :meth:`preview`, and what a start with them would raise: run and file
        are as they were."""
        with self._editing:
            found = self._base(base)
            text, config = self._with(found, edits)
            if text == found.text:
                return {"digest": base, "changes": [], "notes": [], "undo": self.undoable}
            content = text.encode("utf-8")
            return self._change(found, content, config, [*self._undo_steps, _UndoStep(found.content, content)])

    def undo(self, base: str) -> dict[str, Any]:
        """Undo the last edit: the file gets its former bytes. Raises as :meth:`apply`."""
        with self._editing:
            if not self._undo_steps:
                raise ConfigError("there is nothing to take back", fix="edit the rules")
            found, last = self._base(base), self._undo_steps[-1]
            if found.content != last.after:
                disk = unified(last.after.decode("utf-8"), found.text, self._name, old="behind the edit", new="now")
                raise Conflict(
                    "was edited since, so that taking back would lose that",
                    where=self._name, fix="change the rule back with another edit", disk=disk,
                )  # fmt: skip
            return self._change(found, last.before, self._read(last.before.decode("utf-8")), self._undo_steps[:-1])

    @property
    def _name(self) -> str:
        return str(self._file.named) if self._file is not None else ""

    def _base(self, base: str) -> _Base:
        """The file, if it and the run still have the configuration (digest ``base``) that the edits were made for. Raises Conflict,
        ConfigError."""
        why_not = self.why_not
        if why_not or self._file is None:
            raise ConfigError(why_not, fix="edit it where it came from")
        current = self._control.current()
        if base != current.digest:
            raise Conflict(
                "the configuration was changed meanwhile", fix="look at the rules as they are now, and edit again"
            )
        try:
            found = self._read_base(self._file)
        except ConfigError as error:
            raise Conflict(
                f"the file was edited and cannot be used as it is: {error.what}",
                where=error.where, fix=error.fix or "correct the file", disk=self._disk_diff(),
            ) from None  # fmt: skip
        if found is None:
            raise Conflict(
                "the file was edited, and the run goes on without that",
                where=self._name,
                fix="have it applied (`watch: true`, or SIGHUP), or take that edit back; then edit again",
                disk=self._disk_diff(),
            )
        return found

    def _read_base(self, file: ConfigFile) -> _Base | None:
        """The file, if its content is the configuration in force; else None."""
        content, text = file.read()
        config = self._read(text)
        current = self._control.current()
        if self._control.digest(config) != current.digest:
            return None
        self._last_read = (current.digest, text)
        return _Base(content, text, config)

    def _disk_diff(self) -> str:
        """A diff of the file against its content when that was in force."""
        assert self._file is not None
        digest, text = self._last_read
        try:
            disk = self._file.read()[1]
        except ConfigError:
            return ""
        if digest != self._control.current().digest:
            return ""
        return unified(text, disk, self._name, old="what counts", new="on disk")

    def _with(self, base: _Base, edits: Sequence[Any]) -> tuple[str, Config]:
        """Text of the file and configuration with the edits. Raises ConfigError."""
        if not isinstance(edits, (list, tuple)) or not 0 < len(edits) <= MOST_EDITS:
            raise ConfigError(f"edits are a list of 1 to {MOST_EDITS}", fix="send fewer at a time")
        document = read_yaml(self._name, base.text)
        parsed = [edit if isinstance(edit, Edit) else Edit.of(edit) for edit in edits]
        assert isinstance(document.data, Mapping)
        text = patched(base.text, self._name, edited(document.data, parsed))
        return text, self._read(text)

    def _change(self, base: _Base, content: bytes, config: Config, steps: list[_UndoStep]) -> dict[str, Any]:
        """Apply to the run first, so that the file never holds what the run refuses; then replace the file. Where that fails, the run
        goes back. ``steps``: what can be undone then; it is known before the run changes, since pages ask as soon as it has."""
        kept, self._undo_steps = self._undo_steps, steps[-MOST_UNDONE:]
        try:
            return self._changed(base, content, config)
        except BaseException:
            self._undo_steps = kept
            raise

    def _changed(self, base: _Base, content: bytes, config: Config) -> dict[str, Any]:
        assert self._file is not None
        before = self._control.current()
        with self._file.replacement(content) as replacement:
            applied = self._control.apply(config)
            try:
                if self._file.read()[0] != base.content:
                    raise Conflict(
                        "was edited in this moment",
                        where=self._name,
                        fix="look at the rules as they are now, and edit again",
                    )
                replacement.commit()
            except CountlineError:
                with suppress(CountlineError):  # logged by the run
                    self._control.apply(before.config)
                raise
        digest = self._control.current().digest
        self._last_read = (digest, content.decode("utf-8"))
        return {
            "digest": digest,
            "changes": list(applied.changes.words),
            "notes": list(applied.notes),
            "undo": self.undoable,
        }
