"""Names that Avro and Protobuf allow, made of names that they may not."""

from __future__ import annotations

import re
from collections.abc import Sequence

from countline.messages.shape import Member

__all__ = ["record_name", "safe_names"]

_SAFE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def record_name(name: str) -> str:
    """``line-crossing`` -> ``LineCrossing``: a name that Avro and Protobuf allow."""
    words = re.findall(r"[A-Za-z0-9]+", name)
    joined = "".join(w[:1].upper() + w[1:] for w in words) or "Message"
    return joined if not joined[0].isdigit() else f"M{joined}"


def safe_names(members: Sequence[Member]) -> list[str]:
    """A name that Avro and Protobuf allow for each key. Keys that are such names stay; in others every other sign becomes
    ``_`` (those around are dropped), and a name that is taken gets a number."""
    taken = {m.key for m in members if _SAFE.fullmatch(m.key)}
    names: list[str] = []
    for member in members:
        if _SAFE.fullmatch(member.key):
            names.append(member.key)
            continue
        base = re.sub(r"[^A-Za-z0-9_]", "_", member.key).strip("_") or "field"
        base = "_" + base if base[0].isdigit() else base
        name, n = base, 2
        while name in taken:
            name, n = f"{base}_{n}", n + 1
        taken.add(name)
        names.append(name)
    return names
