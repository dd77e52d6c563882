"""How definitions, claims and slots stand in their topics: JSON that other programs can read, too."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson

from countline.cluster.protocol import Claim, Counts, Epoch, Slot
from countline.types import Gap, RuleIdentity

__all__ = ["claim_value", "read_claim", "read_key", "read_slot", "slot_key", "slot_value"]

VERSION = 1


def slot_key(source: str, generation: int) -> bytes:
    """Key of a slot; a claim has the source's name alone, as the definition in its own topic has."""
    return f"{source}\0{generation}".encode("utf-8", "surrogatepass")


def read_key(key: bytes) -> tuple[str, int | None]:
    """Source and generation; None: not a slot's key. Raises ValueError."""
    source, separator, generation = key.decode("utf-8", "surrogatepass").rpartition("\0")
    return (source, int(generation)) if separator else (generation, None)


def claim_value(worker: str, name: str, since: int | None, at: int) -> bytes:
    """Of a claim, whose generation is known once it is written. ``since``: None for a row of claims that begins with it; ``name``
    and ``at`` (ns since the Unix epoch) are for people."""
    return orjson.dumps({"version": VERSION, "claim": {"worker": worker, "name": name, "since": since, "at": at}})


def read_claim(source: str, offset: int, value: bytes) -> Claim:
    """Raises ValueError, KeyError, TypeError for what is no claim."""
    data = orjson.loads(value)["claim"]
    since = data["since"]
    return Claim(source, offset, str(data["worker"]), offset if since is None else int(since))


def slot_value(slot: Slot) -> bytes:
    """Of a slot."""
    gap = slot.untold
    return orjson.dumps(
        {
            "version": VERSION,
            "slot": {
                "source": slot.source,
                "generation": slot.generation,
                "worker": slot.worker,
                "run": slot.run,
                "live": slot.live,
                "sequence": slot.sequence,
                "stream": slot.stream,
                "frame": slot.frame,
                "finished": slot.finished,
                "definition": slot.definition,
                "epoch": _epoch(slot.epoch),
                "counts": _counts(slot.counts),
                "base": _counts(slot.base),
                "base_epoch": _epoch(slot.base_epoch),
                "seen": slot.seen,
                "looked": slot.looked,
                "rules": {name: [list(identity), kept] for name, (identity, kept) in slot.rules.items()},
                "untold": None if gap is None else [gap.start, gap.end, gap.cause, gap.missed],
            },
        }
    )


def read_slot(value: bytes) -> Slot:
    """Raises ValueError, KeyError, TypeError for what is no slot."""
    data: Mapping[str, Any] = orjson.loads(value)["slot"]
    untold = data["untold"]
    return Slot(
        **{
            **data,
            "epoch": Epoch(*data["epoch"]),
            "base_epoch": Epoch(*data["base_epoch"]),
            "counts": _read_counts(data["counts"]),
            "base": _read_counts(data["base"]),
            "untold": None if untold is None else Gap(*untold),
            "rules": {name: (_identity(*identity), str(kept)) for name, (identity, kept) in data["rules"].items()},
        }
    )


def _identity(digest: str, kind: str, turned: str, heading: list[float], reset: bool) -> RuleIdentity:
    return RuleIdentity(digest, kind, turned, (heading[0], heading[1]), reset)


def _epoch(epoch: Epoch) -> list[int]:
    return [epoch.number, epoch.reset_at]


def _counts(counts: Counts) -> list[list[Any]]:
    return [[*key, value] for key, value in sorted(counts.items())]


def _read_counts(rows: Any) -> dict[tuple[str, str, str], int]:
    return {(str(row[0]), str(row[1]), str(row[2])): int(row[3]) for row in rows}
