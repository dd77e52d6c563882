"""From the classes of a network to those the rules see: choosing, merging, renumbering, thresholds."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from countline.config import DetectorConfig
from countline.detect.catalogue import DEFAULT_CONFIDENCE, FLOOR_RATIO, ModelInfo
from countline.errors import ConfigError
from countline.registry.kinds import CLASS_SETS

__all__ = ["ClassPlan", "plan"]


@dataclass(frozen=True)
class ClassPlan:
    """K output classes, each made of one or more of the network's."""

    rows: NDArray[np.intp]
    """The network's classes in use, those of one output class side by side."""
    starts: NDArray[np.intp]
    """(K,) where each output class begins in ``rows``."""
    ids: NDArray[np.int32]
    """(K,) class id that rules see."""
    thresholds: NDArray[np.float32]
    """(K,) confidence from which a detection is believed: it may begin a track."""
    floors: NDArray[np.float32]
    """(K,) confidence from which a detection is handed on at all: it may continue a track."""
    labels: tuple[str, ...]
    """Name for each class id."""
    groups: tuple[tuple[str, ...], ...]
    """Names of the network's classes in each output class."""
    row_floors: NDArray[np.float32]
    """(rows, 1) the floor of the output class that each of ``rows`` belongs to."""

    def candidates(self, scores: NDArray[np.float32]) -> tuple[NDArray[np.intp], NDArray[np.float32]]:
        """(network classes, cells) scores -> the C cells in which some class reaches its floor, and (K, C) the score of
        the strongest member of each output class there."""
        chosen = scores[self.rows]
        cells = np.flatnonzero((chosen >= self.row_floors).any(axis=0))
        chosen = chosen[:, cells]
        if len(self.rows) == len(self.starts):
            return cells, chosen
        return cells, np.maximum.reduceat(chosen, self.starts, axis=0)

    def by_id(self) -> NDArray[np.float32]:
        """Threshold for each class id; 1 for ids that never occur."""
        result = np.ones(len(self.labels), np.float32)
        result[self.ids] = self.thresholds
        return result


def plan(
    config: DetectorConfig, labels: Sequence[str], *, known: ModelInfo | None, low: float | None = None
) -> ClassPlan:
    """Make the plan for a network with these labels. ``known``: it is this model of the package, whose classes and
    thresholds are known; None: a user's. ``low`` sets the floor of all classes.

    Raises ConfigError: unknown class names, classes in two merge groups, a class asked for that is merged into another.
    """
    groups, ids, names = _groups(config, labels, known)
    believed = _thresholds(config, labels, names, groups, known)
    floors = believed * FLOOR_RATIO if low is None else np.minimum(believed, low)
    index: dict[str, list[int]] = {}
    for i, name in enumerate(labels):  # classes of equal name are one
        index.setdefault(name, []).append(i)
    members = [[i for name in group for i in index[name]] for group in groups]
    rows = [i for group in members for i in group]
    counts = [len(group) for group in members]
    starts = np.cumsum([0, *counts])[:-1]
    return ClassPlan(
        np.array(rows, np.intp),
        starts.astype(np.intp),
        np.array(ids, np.int32),
        believed.astype(np.float32),
        floors.astype(np.float32),
        tuple(names),
        tuple(tuple(group) for group in groups),
        np.repeat(floors, counts).astype(np.float32)[:, None],
    )


def _known(name: str, labels: Sequence[str], key: str) -> None:
    if name in labels:
        return
    lower = {label.lower(): label for label in labels}
    close = [lower[c] for c in difflib.get_close_matches(name.lower(), lower, n=3)]
    hint = f"did you mean {' or '.join(repr(c) for c in close)}? " if close else ""
    shown = ", ".join(labels[:12]) + (f" … ({len(labels)} in all)" if len(labels) > 12 else "")
    raise ConfigError(f"the model knows no class '{name}'", where=f"detector.{key}", fix=f"{hint}It knows: {shown}")


def _groups(
    config: DetectorConfig, labels: Sequence[str], known: ModelInfo | None
) -> tuple[list[list[str]], list[int], list[str]]:
    """Output classes as groups of names, their ids, and the name for each id."""
    merge = _merge(config, labels, known)
    if isinstance(config.classes, Mapping):
        return _renumbered(config.classes, labels)
    wanted = config.classes
    if wanted is None:
        wanted = list(known.counted) if known else list(dict.fromkeys(labels))
        follower = {name for group in merge for name in group[1:]}
        wanted = [name for name in wanted if name not in follower]
    if not wanted:
        raise ConfigError(
            "no class is left to look for",
            where="detector.classes",
            fix="name at least one class, or leave the key out",
        )
    groups = []
    for name in dict.fromkeys(wanted):
        _known(name, labels, "classes")
        group = next((g for g in merge if name in g), [name])
        if group[0] != name:
            raise ConfigError(
                f"the class '{name}' is merged into '{group[0]}'",
                where="detector.classes",
                fix=f"ask for '{group[0]}', or take '{name}' out of `merge`",
            )
        groups.append(list(group))
    return groups, [list(labels).index(group[0]) for group in groups], list(labels)


def _merge(config: DetectorConfig, labels: Sequence[str], known: ModelInfo | None) -> list[list[str]]:
    """Merge groups in force. A group of a packaged model is dropped when the user names a member other than its first: with
    `classes: [bus]`, buses are not merged into cars."""
    if config.merge is None:
        named = set(config.classes or ())
        return [list(group) for group in known.merged if not named & set(group[1:])] if known else []
    seen: set[str] = set()
    for group in config.merge:
        for name in group:
            _known(name, labels, "merge")
            if name in seen:
                raise ConfigError(
                    f"the class '{name}' stands twice in `merge`", where="detector.merge", fix="keep one of the two"
                )
            seen.add(name)
    return [list(group) for group in config.merge if group]


def _renumbered(classes: Mapping[str, int], labels: Sequence[str]) -> tuple[list[list[str]], list[int], list[str]]:
    """Name -> id as the user gave it; names of equal id are one class before NMS."""
    by_id: dict[int, list[str]] = {}
    for name, number in classes.items():
        _known(name, labels, "classes")
        if not 0 <= number < 1000:
            raise ConfigError(
                f"the class id {number} of '{name}' is not in 0 … 999",
                where="detector.classes",
                fix="give a small number from 0",
            )
        by_id.setdefault(number, []).append(name)
    if not by_id:
        raise ConfigError(
            "no class is left to look for",
            where="detector.classes",
            fix="name at least one class, or leave the key out",
        )
    ids = sorted(by_id)
    names = [by_id[i][0] if i in by_id else f"class {i}" for i in range(ids[-1] + 1)]
    known = (CLASS_SETS.module(kind, "classes") for kind in CLASS_SETS.packages())
    names = next((list(numbering.LABELS) for numbering in known if dict(classes) == dict(numbering.CLASSES)), names)
    return [by_id[i] for i in ids], ids, names


def _thresholds(
    config: DetectorConfig,
    labels: Sequence[str],
    names: Sequence[str],
    groups: Sequence[Sequence[str]],
    known: ModelInfo | None,
) -> NDArray[np.float64]:
    """Threshold of each group: the lowest of its members', so that merging never hides what was seen before."""
    own = known.thresholds if known else {}
    declared = config.confidence
    if isinstance(declared, (int, float)):
        values = [_share(float(declared))] * len(groups)
    else:
        declared = declared or {}
        for name, value in declared.items():
            _known(name, [*labels, *(n for n in names if n not in labels)], "confidence")
            _share(value)
        values = [_of_group(group, declared, own) for group in groups]
    return np.array(values, np.float64)


def _of_group(group: Sequence[str], declared: Mapping[str, float], own: Mapping[str, float]) -> float:
    named = [declared[name] for name in group if name in declared]
    return min(named) if named else min(own.get(name, DEFAULT_CONFIDENCE) for name in group)


def _share(value: float) -> float:
    if not 0 < value <= 1:
        raise ConfigError(
            f"the confidence {value:g} is not in 0 … 1",
            where="detector.confidence",
            fix="give a part of 1, such as 0.4",
        )
    return value
