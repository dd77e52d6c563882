"""The change of an engine from one configuration to another, as runs over video and DeepStream probes both make it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress

from countline.errors import ConfigError
from countline.outbox import fates
from countline.pipeline.build import Stages
from countline.pipeline.changes import Changes
from countline.pipeline.delivery.output_changes import OutputChanges
from countline.pipeline.engine import Engine
from countline.pipeline.rule_changes import identities_at
from countline.protocols import ReplaceableRules
from countline.types import ConfigChange

__all__ = ["Swap"]

DRAIN = 10.0
"""Seconds for which an output that is removed may deliver what waits for it."""


class Swap:
    """Rules, messages and outputs of an engine are exchanged; sources are whoever's who makes it.

    Parameters
    ----------
    stages: of the new configuration; its outputs are not opened yet.
    wake: sees to it that the engine comes to a boundary, also where no frames come.
    beside: done at the boundary, behind the exchange.

    Raises ConfigError for rules that cannot be exchanged, OutputError and MissingExtra where an output cannot be opened.
    """

    def __init__(
        self,
        engine: Engine,
        stages: Stages,
        plan: Changes,
        wake: Callable[[], None],
        beside: Callable[[], None] = lambda: None,
    ) -> None:
        self._engine, self._stages, self._plan = engine, stages, plan
        self._wake, self._beside = wake, beside
        old = engine.stages.rules
        if not isinstance(old, ReplaceableRules):
            raise ConfigError("these rules cannot be exchanged while running", where="rules", fix="start anew")
        self._before = old.rules
        by_name = {output.name: output for output in stages.outputs}
        outputs = {name: by_name[name] for name in (*plan.outputs_added, *plan.outputs_changed) if name in by_name}
        going = engine.delivery.senders
        self._outputs = OutputChanges(
            engine.delivery,
            added=[o for name, o in outputs.items() if name not in going],
            changed=[o for name, o in outputs.items() if name in going],
            removed=[name for name in plan.outputs_removed if name in going],
        )
        self._outputs.prepare()

    def commit(self, change: ConfigChange) -> list[str]:
        """At the next boundary, where ``change`` is published; returns notes for the user."""
        done = self._engine.at_boundary(lambda: self._exchange(change))
        self._wake()
        done.result()
        return [*self._of_rules(), *self._outputs.finish(DRAIN)]

    def undo(self) -> None:
        """It does not come to the change."""
        with suppress(Exception):
            self._outputs.undo()

    def _exchange(self, change: ConfigChange) -> None:
        self._engine.exchange(self._stages, self._plan)
        self._beside()
        if self._outputs:
            self._engine.worker.delivery.use_outputs([output.name for output in self._stages.outputs])
        self._engine.worker.tell(change)

    def _of_rules(self) -> Iterator[str]:
        """What becomes of counts."""
        for change in self._plan.all:
            if change.action == "renamed" and change.what not in ("source", "message", "output"):
                yield (
                    f"{change.what} '{change.name}' begins at 0; what was counted as '{change.detail}' stays in the outbox under that "
                    "name, and goes on if the name comes back"
                )
            if change.action == "renamed" and change.what == "output":
                yield f"output '{change.name}' begins with what comes; what waits for '{change.detail}' stays with that name"
            if change.action == "renamed" and change.what == "source":
                yield f"source '{change.name}' begins at 0; what was counted at '{change.detail}' stays in the outbox under that name"
        yielded = set()
        for source in self._stages.sources:
            known = identities_at(source.name, self._before)
            for name, fate in fates(known, identities_at(source.name, self._stages.rules.rules)).items():
                if fate == "new" or (name, fate) in yielded:
                    continue
                yielded.add((name, fate))
                count = "begins at 0" if fate == "from-zero" else "goes on"
                yield f"'{name}' counts something else than before: its count {count}, in a new epoch"
