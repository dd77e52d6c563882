"""What is different between two configurations, and what of it can be changed while running. Pure."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, TypeVar

from countline.config import Config
from countline.config.base import OutputConfig
from countline.config.kinds.base import RuleConfig
from countline.config.messages import MessageConfig
from countline.config.models import SourceConfig
from countline.errors import ConfigError, Place

__all__ = ["Change", "Changes", "changes", "digest_of", "refuse_unchangeable"]

Action = Literal["added", "removed", "changed", "renamed"]
M = TypeVar("M", SourceConfig, RuleConfig, MessageConfig, OutputConfig)
_TOLD_ONLY = frozenset({"device_id", "counts"})
"""What of a source says nothing of how it is read."""
_OF_TRIGGER = ("on", "per", "rules", "sources", "classes")
"""What of a message decides which windows it reports and what it compares."""


@dataclass(frozen=True, slots=True)
class Change:
    """One difference."""

    what: str
    """'source', 'line' (or another kind of rule), 'message', 'output', 'tracker', 'rules', 'reset' …"""
    name: str
    action: Action
    detail: str = ""
    """Which options changed, or the name it had before."""

    def __str__(self) -> str:
        name = f" '{self.name}'" if self.name else ""
        detail = f" ({self.detail})" if self.detail and self.action != "renamed" else ""
        return f"{self.what}{name} {self.action}{detail}" + (
            f" from '{self.detail}'" if self.action == "renamed" else ""
        )


@dataclass(frozen=True)
class Changes:
    """All differences between two configurations, and what must begin anew for them. Names of each kind, in order."""

    all: Sequence[Change] = ()
    added: Sequence[str] = ()
    """Sources that are opened."""
    removed: Sequence[str] = ()
    """Sources that are closed."""
    restarted: Sequence[str] = ()
    """Sources that are closed and opened anew."""
    outputs_added: Sequence[str] = ()
    outputs_removed: Sequence[str] = ()
    outputs_changed: Sequence[str] = ()
    continuing: frozenset[str] = frozenset()
    """Messages whose windows and memories go on."""
    messages: frozenset[str] = frozenset()
    """All that either configuration names; others are functions, which go on."""
    tracker: bool = False
    """The tracks of all sources begin anew."""
    counting: bool = False
    """What is seen or counted in a frame is another than before, in some source."""

    def __bool__(self) -> bool:
        return bool(self.all)

    @property
    def words(self) -> tuple[str, ...]:
        """A line for each change."""
        return tuple(map(str, self.all))


def digest_of(config: Config) -> str:
    """Identity of all that a configuration says, without the values of secrets."""
    content = config.model_dump(mode="json", by_alias=True, serialize_as_any=True)
    # Not orjson: names of files that are no UTF-8 stand in it, too.
    return hashlib.blake2b(json.dumps(content, sort_keys=True).encode("ascii"), digest_size=8).hexdigest()


def changes(old: Config, new: Config, files: Sequence[str] = ()) -> Changes:
    """The plan of a change from one configuration to the other. It depends on the two alone: applying changes one after the other
    ends where applying the last at once does. ``files``: those that they name and whose content has changed."""
    sources = _named("source", old.sources, new.sources)
    before = {s.name: s for s in old.sources}
    restarted = [s.name for s in new.sources if s.name in before and _read_otherwise(before[s.name], s)]
    outputs = _named("output", old.outputs, new.outputs)
    messages = _named("message", old.messages, new.messages)
    rules = _rules(old, new)
    tracker = (
        [Change("tracker", "", "changed", _options(old.tracker, new.tracker))] if old.tracker != new.tracker else []
    )
    rest = []
    if old.outbox.reset != new.outbox.reset:
        rest.append(Change("reset", "", "changed", f"{old.outbox.reset or 'never'} -> {new.outbox.reset or 'never'}"))
    if [s.name for s in old.sources] != [s.name for s in new.sources] and not sources:
        rest.append(Change("sources", "", "changed", "order"))
    rest += [Change("file", name, "changed") for name in files]
    if old.watch != new.watch:
        rest.append(Change("watch", "", "changed", str(new.watch).lower()))
    return Changes(
        (*sources, *tracker, *rules, *messages, *outputs, *rest),
        [c.name for c in sources if c.action in ("added", "renamed")],
        [s.name for s in old.sources if s.name not in {n.name for n in new.sources}],
        restarted,
        [o.name for o in new.outputs if o.name not in {b.name for b in old.outputs}],
        [o.name for o in old.outputs if o.name not in {n.name for n in new.outputs}],
        [c.name for c in outputs if c.action == "changed"],
        frozenset(_continuing(old, new)),
        frozenset(m.name for m in (*old.messages, *new.messages)),
        bool(tracker),
        bool(rules or tracker or new.rules.file in files),
    )


def _continuing(old: Config, new: Config) -> Iterable[str]:
    if old.outbox.reset != new.outbox.reset:  # its time zone is that of windows
        return
    before = {m.name: m for m in old.messages}
    for message in new.messages:
        known = before.get(message.name)
        if known is not None and all(getattr(known, key) == getattr(message, key) for key in _OF_TRIGGER):
            yield message.name


def _read_otherwise(before: SourceConfig, now: SourceConfig) -> bool:
    return before.model_copy(update={k: getattr(now, k) for k in _TOLD_ONLY}) != now


def _named(what: str, before: Sequence[M], now: Sequence[M]) -> list[Change]:
    """Differences of two lists of named items. One that is gone and one that came, equal but for their names, is renamed."""
    old, new = {item.name: item for item in before}, {item.name: item for item in now}
    gone = {name: item for name, item in old.items() if name not in new}
    found = []
    for name, item in new.items():
        if name in old:
            if old[name] != item:
                found.append(Change(what, name, "changed", _options(old[name], item)))
            continue
        same = next((n for n, other in gone.items() if other.model_copy(update={"name": name}) == item), None)
        if same is not None:
            del gone[same]
        found.append(Change(what, name, "renamed" if same is not None else "added", same or ""))
    return [Change(what, name, "removed") for name in gone] + found


def _rules(old: Config, new: Config) -> list[Change]:
    if new.rules.file is not None or old.rules.file is not None:
        return [Change("rules", "", "changed", str(new.rules.file))] if _file_rules(old) != _file_rules(new) else []
    found: list[Change] = []
    before, now = _placed(old), _placed(new)
    for kind in dict.fromkeys([*before, *now]):
        for source in dict.fromkeys([*before.get(kind, {}), *now.get(kind, {})]):
            found += _named(kind, before.get(kind, {}).get(source, []), now.get(kind, {}).get(source, []))
    return found


def _placed(config: Config) -> Mapping[str, Mapping[str | None, list[RuleConfig]]]:
    """Rules by kind and source, with their points as 0..1 of the picture: the same place in other units is no change."""
    from countline.config.kinds.base import PlacedConfig

    found: dict[str, dict[str | None, list[RuleConfig]]] = {}
    for _, _, rule in config.rules.each():
        if isinstance(rule, PlacedConfig):
            points = {o: list(config.rules.normalised(rule, getattr(rule, o))) for o in rule.outlines}
            rule = rule.model_copy(update={**points, "resolution": None})
        found.setdefault(rule.kind, {}).setdefault(rule.source, []).append(rule)
    return found


def _file_rules(config: Config) -> tuple[object, ...]:
    return (config.rules.file, config.rules.exact)


def _options(before: object, now: object) -> str:
    names = [name for name in type(now).model_fields if getattr(before, name, None) != getattr(now, name)]  # type: ignore[attr-defined]
    return ", ".join(name.rstrip("_") for name in names)


def refuse_unchangeable(old: Config, new: Config) -> None:
    """Raise ConfigError for a difference that takes a new start: of the detector, of the outbox, of the engine."""

    def refuse(what: str, *loc: str | int) -> None:
        document = new._document
        where: Place | str = document.place(loc) if document is not None else ".".join(map(str, loc))
        raise ConfigError(
            f"{what} cannot be changed while running",
            where=where,
            fix="start anew (what is counted and what waits to be sent goes on), or take this change back",
        )

    if old.detector != new.detector:
        refuse(f"the detector ({_options(old.detector, new.detector)})", "detector")
    if old.tracker.low != new.tracker.low:
        refuse("the tracker's `low`, to which the detector is made,", "tracker", "low")
    if old.record != new.record:
        refuse("the recording of tracks", "record")
    kept = new.outbox.model_copy(update={"reset": old.outbox.reset})
    if kept != old.outbox:
        refuse(f"the outbox ({_options(old.outbox, kept)})", "outbox")
    for part in ("metrics", "otel", "web"):
        if getattr(old, part) != getattr(new, part):
            refuse(f"what is shown of a run (`{part}`)", part)
    if (old.rules.file is None) != (new.rules.file is None):
        refuse("the engine of the rules", "rules")
