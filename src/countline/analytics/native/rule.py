"""Rules of the configuration, with names and points resolved."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

import numpy as np
from numpy.typing import NDArray

from countline.analytics.geometry import ANCHORS
from countline.config.kinds.base import PlacedConfig, RuleConfig
from countline.config.rules import RulesConfig
from countline.errors import RuleError
from countline.types import RuleIdentity

__all__ = ["Points", "Rule", "admitted", "class_id", "compile_rules"]

Points = tuple[tuple[float, float], ...]


@dataclass(frozen=True)
class Rule:
    """A rule of the configuration as the engine needs it."""

    config: RuleConfig
    order: int
    """Index in the order of evaluation, which orders events of one object in one frame."""
    outlines: Mapping[str, Points]
    """Points by the field they stand in, normalised to 0..1 of the picture's width and height."""
    classes: frozenset[int] | None
    identity: tuple[Any, ...]
    """Equal for rules that count the same; a changed rule keeps its state only if this is unchanged."""
    lasting: RuleIdentity
    """What its stored counters belong to."""

    @property
    def name(self) -> str:
        """Name of the rule."""
        return self.config.name

    @property
    def kind(self) -> str:
        """Name of its kind."""
        return self.config.kind

    @property
    def shape(self) -> str:
        """What its points are, see ``config.kinds.base.Shape``."""
        return self.config.shape

    @property
    def points(self) -> Points:
        """The points of its shape, normalised."""
        return self.outlines.get("points", ())

    @property
    def anchor(self) -> tuple[float, float]:
        """Anchor point as fractions of the box."""
        return ANCHORS[self.config.anchor] if isinstance(self.config, PlacedConfig) else ANCHORS["bottom-center"]

    def accepts(self, class_id: int) -> bool:
        """Whether the rule looks at objects of this class."""
        return self.classes is None or class_id in self.classes

    def isotropic(self, aspect: float, outline: str = "points") -> list[tuple[float, float]]:
        """Points of a field with both axes in picture heights, in a picture ``aspect`` times as wide as high."""
        return [(x * aspect, y) for x, y in self.outlines[outline]]


def compile_rules(config: RulesConfig, labels: Sequence[str]) -> list[Rule]:
    """All rules of a configuration, in the order in which they are evaluated. Raises RuleError for a class that is no label."""
    found = []
    for order, (key, _, rule) in enumerate(config.each()):
        outlines: dict[str, Points] = {}
        if isinstance(rule, PlacedConfig):
            outlines = {name: config.normalised(rule, getattr(rule, name)) for name in rule.outlines}
        classes = class_ids(rule, labels)
        settings = rule.model_dump_json(exclude={"points", "resolution", "reset", *outlines})
        identity = (key, settings, tuple(outlines.items()), classes)
        found.append(Rule(rule, order, outlines, classes, identity, _lasting(rule, outlines)))
    return found


def _lasting(rule: RuleConfig, outlines: Mapping[str, Points]) -> RuleIdentity:
    """The identity that is stored: what is unset stays out of it, so that it outlives versions that know more options."""
    own = {"name", "source", "names", "reset", "resolution", *outlines}
    conditions = rule.model_dump_json(exclude=own, exclude_defaults=True)
    directed = rule.shape in ("line", "arrow")
    named = getattr(rule, "names", {})  # of its counters: those of other names do not go on
    kind = " ".join([rule.kind, *(f"{key}={name}" for key, name in sorted(named.items()))])
    return RuleIdentity.of(kind, outlines, conditions, directed=directed, reset=rule.reset)


def admitted(rule: Rule, classes: int) -> NDArray[np.bool_]:
    """(classes + 1,) whether the rule looks at each class; the last entry stands for classes without a label."""
    mask = np.full(classes + 1, rule.classes is None)
    if rule.classes is not None:
        mask[[c for c in rule.classes if c < classes]] = True
    return mask


def class_ids(rule: RuleConfig, labels: Sequence[str]) -> frozenset[int] | None:
    """Ids of the classes a rule names; RuleError for a name that is no label."""
    if rule.classes is None:
        return None
    return frozenset(class_id(name, labels, rule.name) for name in rule.classes)


def class_id(name: str | int, labels: Sequence[str], rule: str) -> int:
    """Id of a class given by name or id; RuleError for a name that is no label."""
    if isinstance(name, int):
        return name
    if name in labels:
        return list(labels).index(name)
    if name.isdigit():
        return int(name)
    near = get_close_matches(name, labels, n=3)
    fix = (
        f"did you mean {' or '.join(near)}?"
        if near
        else "known are: " + (", ".join(labels[:100]) or "none; give class ids")
    )
    raise RuleError(f"the class '{name}' is none of the detector's labels", where=f"rule '{rule}'", fix=fix)
