"""Which of several processes reads a source, without their talking to each other.

Rendezvous hashing (Thaler and Ravishankar 1998): each shard has a score for a source, the highest takes it. So every process
finds the same answer from the names alone, the order of the sources does not matter, and when a shard is added only those
sources move that it takes.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass

from countline.errors import ConfigError

__all__ = ["Shard", "parse_shard", "share_of"]

_WRITTEN = re.compile(r"(\d{1,6}|auto)/(\d{1,6})")
_ORDINAL = re.compile(r"-(\d{1,6})$")


@dataclass(frozen=True, slots=True)
class Shard:
    """One of ``count`` processes, ``index`` from 0."""

    index: int
    count: int

    def takes(self, name: str) -> bool:
        """Whether the source of this name is read by this shard.

        >>> [Shard(i, 3).takes("gate") for i in range(3)].count(True)
        1
        """
        return max(range(self.count), key=lambda index: (_score(name, index), index)) == self.index


def _score(name: str, index: int) -> bytes:
    return hashlib.blake2b(f"{index}\0{name}".encode("utf-8", "surrogatepass"), digest_size=8).digest()


def parse_shard(text: str, hostname: str = "") -> Shard:
    """``2/4``: the third of four (shards are counted from 0). ``auto/4``: the number at the end of the host's name, as the
    pods of a StatefulSet have it (``countline-2``). Raises ConfigError.

    >>> parse_shard("2/4"), parse_shard("auto/4", "countline-3")
    (Shard(index=2, count=4), Shard(index=3, count=4))
    """
    match = _WRITTEN.fullmatch(text.strip())
    if match is None:
        raise ConfigError(
            f"'{text}' is no shard", where="--shard", fix="write 2/4 for the third of four, or auto/4 in a StatefulSet"
        )
    count = int(match[2])
    if match[1] == "auto":
        ordinal = _ORDINAL.search(hostname)
        if ordinal is None:
            raise ConfigError(
                f"the host's name '{hostname}' does not end in a number",
                where="--shard",
                fix="run it in a StatefulSet, whose pods are called NAME-0, NAME-1 …, or write the number: 0/4",
            )
        index = int(ordinal[1])
    else:
        index = int(match[1])
    if index >= count:
        raise ConfigError(
            f"shard {index} of {count} cannot be: they are counted from 0",
            where="--shard",
            fix=f"write 0/{max(count, 1)} to {max(count - 1, 0)}/{max(count, 1)}, with as many shards as there are processes",
        )
    return Shard(index, count)


def share_of(names: Iterable[str], shard: Shard) -> list[str]:
    """Those that this shard reads, in their order."""
    return [name for name in names if shard.takes(name)]
