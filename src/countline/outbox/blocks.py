"""Messages put together for storing. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import count, repeat

from countline.outbox import codec
from countline.protocols import Entry
from countline.types import Message

__all__ = ["Block", "cost", "pack"]

BLOCK_MESSAGES = 512
BLOCK_BYTES = 1 << 20

Block = tuple[list[Entry], bytes, int]
"""Entries, the same as bytes, what they cost on disk."""


def pack(first: int, messages: Sequence[Message], made: int = 0) -> list[Block]:
    """Messages in blocks: (entries, bytes, cost on disk). ``made``: when, on the clock of ages; 0: not known."""
    blocks = []
    block: list[Message] = []
    size = 0
    for message in messages:
        block.append(message)
        size += len(message.value) + 100
        if len(block) >= BLOCK_MESSAGES or size >= BLOCK_BYTES:
            blocks.append(block)
            block, size = [], 0
    if block:
        blocks.append(block)
    packed = []
    for block in blocks:
        data = codec.encode(block)
        entries = list(map(Entry, count(first), block, repeat(made)))
        first += len(block)
        packed.append((entries, data, cost(len(data))))
    return packed


def cost(size: int) -> int:
    """Bytes on disk of a row with ``size`` bytes of data: one that does not fit into a page of 4,096 goes on in pages of its own."""
    return size + 64 if size < 4000 else 4096 * (size // 4092 + 1) + 128
