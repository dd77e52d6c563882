"""The interfaces that the page's server uses: a run, and its rule editor. Protocols only: nothing here imports the pipeline."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol, TypeAlias

from countline.types import Analytics, ConfigChange

__all__ = ["Data", "Desk", "Site"]

Data: TypeAlias = "dict[str, Any]"
"""Plain values for JSON; see the OpenAPI description of the server for what is in them."""


class Desk(Protocol):
    """Edits rules, and explains them on the tracks of the last minutes. Its methods are called from threads of the server, ``preview``,
    ``apply`` and ``undo`` one at a time. A failure is raised as CountlineError, :class:`countline.view.conflict.Conflict`
    among them."""

    @property
    def writable(self) -> bool:
        """Whether edits can be applied."""
        ...

    @property
    def why_not(self) -> str:
        """Why edits cannot be applied; empty where they can."""
        ...

    @property
    def undoable(self) -> bool:
        """Whether there is an edit to take back."""
        ...

    def see(self, analytics: Analytics) -> None:
        """The analytics of every frame, in order within a source."""
        ...

    def objects(self, source: str, seconds: float) -> Data:
        """Objects of the last ``seconds``, with their paths. Raises KeyError for a source that is not there."""
        ...

    def explain(self, source: str, ident: int) -> Data:
        """Why each rule did or did not count an object. Raises KeyError for a source or an object that is not known."""
        ...

    def preview(self, base: str, edits: Sequence[Mapping[str, Any]]) -> Data:
        """What edits would change, and what the rules would have counted with them."""
        ...

    def apply(self, base: str, edits: Sequence[Mapping[str, Any]]) -> Data:
        """Make the edits in the file and in the run."""
        ...

    def undo(self, base: str) -> Data:
        """Take the last edits back."""
        ...


class Site(Protocol):
    """A run, as its page shows it. All methods from any thread; all but ``names`` may take a moment."""

    desk: Desk | None
    """None: nothing can be edited or explained."""

    def names(self) -> Sequence[str]:
        """Names of the sources, as they are configured now."""
        ...

    def state(self) -> Data:
        """Sources, outputs, outbox, health, configuration."""
        ...

    def rules(self) -> Data:
        """All rules with their geometry."""
        ...

    def dead(self, output: str, limit: int) -> Data:
        """Dead letters of an output. Raises KeyError for one that is not there."""
        ...

    def retry(self, output: str, numbers: Sequence[int] | None) -> int:
        """Send dead letters of these numbers (None: all) again; returns how many. Raises KeyError likewise, OutboxError."""
        ...

    def on_change(self, callback: Callable[[ConfigChange], None]) -> None:
        """Call ``callback`` with every change of the configuration that was applied or refused, on whatever thread makes it."""
        ...
