"""Whether a rule still counts what its counters were counted by. Pure but for the two functions that store it, which work inside
the caller's transaction."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from typing import Literal

import orjson

from countline.outbox import sums
from countline.types import RuleIdentity

__all__ = ["Fate", "fates", "identities", "keep_identities"]

Fate = Literal["new", "goes-on", "from-zero"]
"""new: nothing of it is stored yet. goes-on: it counts something else than before, in a new epoch that goes on with its count.
from-zero: a new epoch that begins at 0."""


def fates(known: Mapping[str, RuleIdentity], now: Mapping[str, RuleIdentity]) -> dict[str, Fate]:
    """What becomes of the counters of each rule that is not what it was: the one rule for a change while running and for one
    between two runs. A rule that faces the other way, or is of another kind, begins at 0 whatever it says: its counters would
    add what went one way to what went the other. Where nothing at all is known of a source, its rules are what they were.

    >>> line = RuleIdentity.of("line", {"points": [(0.1, 0.5), (0.9, 0.5)]}, "", directed=True)
    >>> lower = RuleIdentity.of("line", {"points": [(0.1, 0.6), (0.9, 0.6)]}, "", directed=True)
    >>> turned = RuleIdentity.of("line", {"points": [(0.9, 0.5), (0.1, 0.5)]}, "", directed=True)
    >>> fates({"a": line, "b": line, "c": line}, {"a": lower, "b": turned, "c": line, "d": line})
    {'a': 'goes-on', 'b': 'from-zero', 'd': 'new'}
    """
    if not known:
        return {}
    found: dict[str, Fate] = {}
    for name, rule in now.items():
        before = known.get(name)
        if before is None:
            found[name] = "new"
        elif before.digest != rule.digest:
            other = before.kind != rule.kind or rule.faces_away_from(before)
            found[name] = "from-zero" if other or rule.reset else "goes-on"
    return found


def identities(db: sqlite3.Connection, source: str) -> dict[str, RuleIdentity]:
    """What the rules of a source counted when it was last said, by name."""
    row = db.execute("SELECT value FROM meta WHERE name = ?", (f"rules {source}",)).fetchone()
    stored = {} if row is None else orjson.loads(row[0])
    return {name: RuleIdentity(digest, kind, turned, (x, y)) for name, (digest, kind, turned, x, y) in stored.items()}


def keep_identities(db: sqlite3.Connection, source: str, rules: Mapping[str, RuleIdentity]) -> None:
    """These rules count this from now on; what is known of others stays, for when they come back."""
    stored = identities(db, source)
    both = {**stored, **{name: rule._replace(reset=False) for name, rule in rules.items()}}
    if both != stored:
        value = orjson.dumps({name: [r.digest, r.kind, r.turned, *r.heading] for name, r in both.items()}).decode()
        db.execute(sums.insert("meta"), (f"rules {source}", value))
