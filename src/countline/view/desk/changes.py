"""Edits of rules, and their application to the content of a configuration. Pure."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from countline.config.kinds.base import PlacedConfig, RuleConfig
from countline.config.rules import RulesConfig, rule_models
from countline.errors import ConfigError

__all__ = ["MOST_EDITS", "MOST_POINTS", "Edit", "described", "edited"]

MOST_EDITS = 100
"""Most edits of one request."""
MOST_POINTS = 500
"""Most points of one rule."""
MOST_DEPTH = 10
"""Most levels of nested lists and mappings."""
_DIGITS = 4
"""Decimals of drawn coordinates: a fifth of a pixel of 1920."""
_CLOSE = 0.6 * 10.0**-_DIGITS
"""A point that differs by less has not moved: coordinates are shown rounded."""
Point = tuple[float, float]
_UNSET: Any = object()


@dataclass(frozen=True)
class Edit:
    """One change of one rule.

    Coordinates are 0..1 of the picture, whatever the file is written in. Fields that are unset leave the rule as it is.
    """

    op: Literal["put", "remove"]
    kind: str
    """'line', 'region', 'direction', 'speed', 'queue', 'wrong-way', 'journey', or that of another distribution."""
    name: str
    was: str | None = field(default=_UNSET)
    """The name that the rule which is changed has now; None: there is none, and this one is new. Unset: the rule of this name if
    there is one, else a new one."""
    source: str | None = field(default=_UNSET)
    """The only source that it applies to; None: all."""
    points: Sequence[Point] | None = None
    arrow: Sequence[Point] | None = None
    """Tail and head, of a kind that has an arrow beside its points."""
    options: Mapping[str, Any] | None = None
    """All other options, as in the YAML: those that are not here go back to their defaults. None: as they are."""

    @classmethod
    def of(cls, data: Any) -> Edit:
        """From JSON. Raises ConfigError for what is no edit."""
        if not isinstance(data, Mapping):
            raise ConfigError("an edit is a mapping", fix="write {op: put, kind: line, name: …, points: […]}")
        known = {"op", "kind", "name", "was", "source", "points", "arrow", "options", "from", "to"}
        unknown = sorted(set(data) - known)
        if unknown:
            raise ConfigError(f"an edit has no '{unknown[0]}'", fix="known are: " + ", ".join(sorted(known)))
        if data.get("op") not in ("put", "remove"):
            raise ConfigError("`op` of an edit is 'put' or 'remove'", fix="write op: put")
        for key in ("kind", "name"):
            if not isinstance(data.get(key), str) or not data[key]:
                raise ConfigError(f"`{key}` of an edit is a text", fix=f"write {key}: …")
        for key in ("was", "source"):
            if not isinstance(data.get(key), (str, type(None))):
                raise ConfigError(f"`{key}` of an edit is a text or null", fix=f"leave `{key}` out")
        options, arrow = data.get("options"), data.get("arrow")
        if not isinstance(options, (Mapping, type(None))):
            raise ConfigError("`options` of an edit is a mapping", fix="write options: {}")
        if options is not None and "arrow" in options:
            options = {key: value for key, value in options.items() if key != "arrow"}
            arrow = data["options"]["arrow"] if arrow is None else arrow
        points = data.get("points")
        if points is None and data.get("from") is not None and data.get("to") is not None:
            points = [data["from"], data["to"]]
        made = cls(
            data["op"], data["kind"], data["name"], data.get("was", _UNSET), data.get("source", _UNSET),
            _points(points, "points"), _points(arrow, "arrow"), options,
        )  # fmt: skip
        _refuse_unwritable([made.name, made.source if made.source is not _UNSET else None, options])
        return made


def _points(data: Any, key: str) -> list[Point] | None:
    if data is None:
        return None
    fix = f"write {key}: [[x1, y1], [x2, y2]] with numbers from 0 to 1"
    if not isinstance(data, (list, tuple)) or len(data) > MOST_POINTS:
        raise ConfigError(f"`{key}` is a list of at most {MOST_POINTS} points", fix=fix)
    for i, point in enumerate(data):
        if (
            not isinstance(point, (list, tuple))
            or len(point) != 2
            or not all(isinstance(v, (int, float)) and not isinstance(v, bool) and -2 <= v <= 3 for v in point)
        ):
            raise ConfigError(f"point {i + 1} of `{key}` is no point of the picture", fix=fix)
    return [(float(x), float(y)) for x, y in data]


def _refuse_unwritable(value: Any, depth: int = 0) -> None:
    """Raise ConfigError for a text with ``${``: in the file it would be expanded (variables, files)."""
    if depth > MOST_DEPTH:
        raise ConfigError("options are nested too deeply", fix="see docs/rules.md for what a rule may say")
    if isinstance(value, str) and "${" in value:
        raise ConfigError("`${` cannot be written from here", fix="edit the file, where `${NAME}` stands for something")
    if isinstance(value, Mapping):
        _refuse_unwritable([*value, *value.values()], depth + 1)
    elif isinstance(value, (list, tuple)):
        for item in value:
            _refuse_unwritable(item, depth + 1)


def key_of(kind: str) -> tuple[str, type[RuleConfig]]:
    """Key and model of a kind of rule. Raises ConfigError if there is none."""
    models = rule_models()
    for key, model in models.items():
        if model.kind == kind:
            return key, model
    raise ConfigError(
        f"there is no kind of rule '{kind}'", fix="known are: " + ", ".join(m.kind for m in models.values())
    )


def edited(data: Mapping[str, Any], edits: Sequence[Edit]) -> dict[str, Any]:
    """The content of a file with these edits applied. ``data``: its content now. Raises ConfigError for an edit of an unknown rule."""
    made = copy.deepcopy(dict(data))
    rules = made.get("rules")
    rules = made["rules"] = dict(rules) if isinstance(rules, Mapping) else {}
    for edit in edits:
        key, model = key_of(edit.kind)
        items: list[Any] = list(rules.get(key) or ())
        at = _index(items, edit) if edit.op == "remove" or edit.was is not None else None
        if edit.op == "remove":
            if at is None:
                raise ConfigError(f"there is no {edit.kind} '{edit.name}'", fix="look again: it may be gone already")
            del items[at]
        elif at is None:
            if edit.was not in (None, _UNSET):
                raise ConfigError(f"there is no {edit.kind} '{edit.was}'", fix="look again: it may be gone already")
            items.append(_new(edit, model, rules))
        else:
            items[at] = _changed(items[at], edit, model, rules)
        rules[key] = items
        if edit.op == "put" and edit.was not in (None, _UNSET, edit.name):
            _follow_name(made, str(edit.was), edit.name)
    if not rules and not data.get("rules"):
        made["rules"] = data.get("rules")
        if "rules" not in data:
            del made["rules"]
    return made


def _follow_name(data: dict[str, Any], before: str, now: str) -> None:
    """Journeys and messages that list a rule by its name go on with it, unless another one has the old name."""
    rules = data["rules"]
    lists = [items for items in rules.values() if isinstance(items, list)]
    if any(isinstance(item, Mapping) and item.get("name") == before for items in lists for item in items):
        return
    for items, key in ((rules.get("journeys"), "places"), (data.get("messages"), "rules")):
        for item in items if isinstance(items, list) else ():
            names = item.get(key) if isinstance(item, Mapping) else None
            if isinstance(names, list) and before in names:
                item[key] = [now if name == before else name for name in names]


def _index(items: Sequence[Any], edit: Edit) -> int | None:
    name = edit.name if edit.was in (None, _UNSET) else edit.was
    found = [i for i, item in enumerate(items) if isinstance(item, Mapping) and str(item.get("name")) == name]
    mine = [i for i in found if edit.source is not _UNSET and items[i].get("source") == edit.source]
    if len(mine or found) > 1:
        raise ConfigError(f"several are named '{name}'", fix="say of which source")
    others = [items[i].get("source") for i in found]
    if (
        edit.op == "put"
        and edit.was is _UNSET
        and not mine
        and edit.source not in (_UNSET, None)
        and None not in others
    ):
        return None  # a further one, of the same name at another source
    return next(iter(mine or found), None)


def _scale(item: Mapping[str, Any], rules: Mapping[str, Any]) -> tuple[float, float] | None:
    """Width and height in which the points of a rule are written; None: fractions."""
    size = item.get("resolution") or (rules.get("resolution") if rules.get("coordinates") == "pixels" else None)
    return (float(size[0]), float(size[1])) if size else None


def _written(points: Sequence[Point], before: Any, size: tuple[float, float] | None) -> list[Any]:
    """Points as written to the file: those that did not move keep their text."""
    width, height = size or (1.0, 1.0)
    old = [p for p in before if isinstance(p, (list, tuple)) and len(p) == 2] if isinstance(before, list) else []
    if len(old) != len(before or ()):
        old = []
    originals = dict(enumerate(old))
    made: list[Any] = []
    for i, point in enumerate(points):
        candidates = [originals[i], *old] if i in originals else old
        original = next((p for p in candidates if _close(p, point, width, height)), None)
        made.append(copy.deepcopy(original) if original is not None else _rounded(point, originals.get(i), size))
    return made


def _close(old: Sequence[Any], point: Point, width: float, height: float) -> bool:
    try:
        x, y = float(old[0]) / width, float(old[1]) / height
    except (TypeError, ValueError):
        return False
    return abs(x - point[0]) < _CLOSE and abs(y - point[1]) < _CLOSE


def _rounded(point: Point, old: Any, size: tuple[float, float] | None) -> list[Any]:
    made: list[Any] = []
    for i, value in enumerate(point):
        original = old[i] if old is not None else None
        scale = size[i] if size else 1.0
        if isinstance(original, (int, float)) and abs(float(original) / scale - value) < _CLOSE:
            made.append(original)
        elif size:
            made.append(round(value * scale))
        else:
            made.append(round(value, _DIGITS))
    return made


def _new(edit: Edit, model: type[RuleConfig], rules: Mapping[str, Any]) -> dict[str, Any]:
    made: dict[str, Any] = {"name": edit.name}
    if edit.source is not _UNSET and edit.source is not None:
        made["source"] = edit.source
    options = dict(edit.options or {})
    size = _scale(options, rules)
    if edit.points is not None:
        made["points"] = _written(edit.points, None, size)
    if edit.arrow is not None:
        made["arrow"] = _written(edit.arrow, None, size)
    return {**made, **{k: v for k, v in options.items() if k not in made}}


def _changed(item: Any, edit: Edit, model: type[RuleConfig], rules: Mapping[str, Any]) -> dict[str, Any]:
    before = dict(item)
    made = dict(item)
    outlines = set(model.outlines) if issubclass(model, PlacedConfig) else set()
    if edit.options is not None:
        originals = {"name", "source", "resolution", *outlines}
        for key in [k for k in made if k not in originals and k not in edit.options]:
            del made[key]
        made.update({k: v for k, v in edit.options.items() if k not in ("name", "source", "points")})
    if edit.was not in (None, _UNSET, edit.name):
        made["name"] = edit.name
    if edit.source is not _UNSET and edit.source != made.get("source"):
        made.pop("source", None)
        if edit.source is not None:
            made["source"] = edit.source
    size = _scale(made, rules)
    for key, points in (("points", edit.points), ("arrow", edit.arrow)):
        if points is not None:
            made[key] = _written(points, before.get(key), size)
    return made


def described(config: RulesConfig, rule: RuleConfig) -> dict[str, Any]:
    """A rule as JSON for the editor: points as 0..1 of the picture, and its other options as they are written in the file."""
    outlines: tuple[str, ...] = rule.outlines if isinstance(rule, PlacedConfig) else ()
    own = {"name", "source", "resolution", *(o for o in outlines if o in ("points", "arrow"))}
    options = rule.model_dump(mode="json", exclude_unset=True, exclude=own)
    found: dict[str, Any] = {
        "kind": rule.kind,
        "name": rule.name,
        "sources": [] if rule.source is None else [rule.source],
        "shape": rule.shape,
        "points": [],
        "options": options,
    }
    if isinstance(rule, PlacedConfig):
        for outline in outlines:
            found[outline] = [list(point) for point in config.normalised(rule, getattr(rule, outline))]
    name = getattr(rule, "direction_name", None)
    if callable(name):
        found["labels"] = {"in": name("in"), "out": name("out")}
    return found
