"""What every trigger is: it decides for each frame whether a definition makes messages."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence

from countline.types import Analytics, Event, Window

__all__ = ["Fired", "Trigger"]

Fired = tuple[Analytics, Sequence[Event]]
"""The analytics that the messages tell of, and the events behind them."""


class Trigger(ABC):
    """Decides for each frame. Sees every frame and keeps what little memory it needs by source."""

    of_changes = False
    """Whether it fires at changes of the configuration, which belong to no frame."""

    @abstractmethod
    def fire(self, analytics: Analytics) -> Fired | None:
        """None: no message. Else the analytics that it is made of, and the events behind it: those that fired an event trigger,
        all of the frame for others."""

    of_states = False
    """Whether it fires at another state of a source, and at nothing else."""

    every = 0
    """ns from one of its messages to the next by the clock, where it fires at nothing else; 0: it does not."""

    def take_over(self, before: Trigger) -> Trigger:
        """The trigger for a definition that goes on in the place of another: the one before, if it is of the same kind."""
        return before if type(before) is type(self) else self

    def finish(self, source: str) -> Fired | None:
        """No more frames of this source will come: what it fires for still, None if for nothing."""
        return None

    def window(self, source: str) -> Window | None:
        """The window of a source that frames still come for; None: there is none."""
        return None

    def restore(self, source: str, window: Window) -> None:
        """Go on with a window as it was, behind the last frame of those that were gone through again."""
        return
