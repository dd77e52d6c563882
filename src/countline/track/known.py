"""What is remembered of one track: its public id, its class votes, its height."""

from __future__ import annotations

from countline.track.occlusion import HeightFilter

__all__ = ["Known"]


class Known:
    """What is remembered of one track."""

    __slots__ = ("best", "height", "high", "others", "part", "public", "seen", "weight")

    def __init__(self, public: int, class_id: int) -> None:
        self.public = public
        self.height = HeightFilter()
        self.seen = 0
        """pts of the last frame it was seen in."""
        self.high = 0.0
        """Height of its box there, pixels."""
        self.part: int | None = None
        """pts since which it lies within somebody, and is not told (:mod:`countline.track.emerging`)."""
        self.best = class_id
        """Class with the most votes."""
        self.weight = 0.0
        """Votes for it."""
        self.others: dict[int, float] = {}
        """Votes for other classes."""

    def vote(self, class_id: int, weight: float) -> None:
        """For a class that is not the best so far."""
        total = self.others.get(class_id, 0.0) + weight
        if total > self.weight:
            self.others.pop(class_id, None)
            self.others[self.best] = self.weight
            self.best, self.weight = class_id, total
        else:
            self.others[class_id] = total

    def __repr__(self) -> str:
        votes = {self.best: self.weight, **self.others}
        return f"{self.public}: {votes}"
