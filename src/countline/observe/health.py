"""Whether a run is alive, and whether it is of use: what /healthz, /readyz, `countline health` and systemd report."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from countline.protocols import Check

__all__ = ["STARTING", "Health", "together"]


@dataclass(frozen=True)
class Health:
    """What was looked at. Texts hold no secrets: a Check sees to that."""

    alive: Sequence[Check] = ()
    """If one of these is not well it will not be well again by itself: start anew."""
    ready: Sequence[Check] = ()
    """If one of these is not well nothing is counted, or nothing kept, until it is."""
    started: bool = True
    """Whether all was made that a run needs."""

    @property
    def is_alive(self) -> bool:
        """Whether it goes on."""
        return all(check.ok for check in self.alive)

    @property
    def is_ready(self) -> bool:
        """Whether it goes on, and counts."""
        return self.is_alive and all(check.ok for check in self.ready)

    def as_dict(self, *, ready: bool) -> dict[str, Any]:
        """For JSON: whether it is well, and each thing that was looked at."""
        checks = [*self.alive, *(self.ready if ready else ())]
        return {
            "ok": self.is_ready if ready else self.is_alive,
            "checks": {c.subject: {"ok": c.ok, "detail": c.detail} for c in checks},
        }


STARTING = Health(
    [Check("run", True, "starts")], [Check("model", False, "not loaded yet", "wait a moment")], started=False
)
"""Before there is a run."""


def together(parts: Sequence[Health]) -> Health:
    """Of several runs in one process: alive if all are, ready if one is."""
    if not parts:
        return STARTING
    if len(parts) == 1:
        return parts[0]
    best = next((part for part in parts if part.is_ready), parts[0])
    failed = [check for part in parts for check in part.alive if not check.ok]
    return Health(failed or parts[0].alive, best.ready, all(part.started for part in parts))
