"""Measures what it can of metadata whose layout is not known, so that a version can be added to the table.

As :mod:`countline.deepstream.layout` does, it asks the library's pools for the sizes of the structs, and lets the library link a
frame, two objects and a user meta; but instead of comparing where it wrote, it looks for what it wrote.
"""

from __future__ import annotations

import platform
import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from countline.deepstream.layout import (
    BATCH_COUNT,
    BATCH_FRAMES,
    BATCH_POOLS,
    FRAME_COUNT,
    FRAME_OBJECTS,
    FRAME_USERS,
    LAYOUTS,
    POOL_SIZE,
    USER_SIZE,
)
from countline.deepstream.libraries import Libraries

__all__ = ["Survey", "survey"]

_INT = struct.Struct("=I").unpack_from
_POINTER = struct.Struct("=Q").unpack_from
_POOLS = ("frame", "object", "classifier", "display", "user")
"""What the pools hold, in the order of the batch meta."""
_BATCH = 192
"""sizeof NvDsBatchMeta in every version so far: what is looked through."""
_MOST = 1 << 16
"""Bytes that no struct of metadata has; a size beyond was not read where the size stands."""
_TAIL = LAYOUTS[-1].object - LAYOUTS[-1].label
"""Bytes from obj_label to the end of NvDsObjectMeta, equal in every version so far."""


@dataclass(frozen=True)
class Survey:
    """What was found. Offsets are in bytes from the start of a struct; None: not found."""

    version: str
    machine: str
    sizes: Mapping[str, int] = field(default_factory=dict)
    """Of each struct, by the name of its pool."""
    found: Mapping[str, int | None] = field(default_factory=dict)
    expected: Mapping[str, int] = field(default_factory=dict)

    def lines(self) -> Iterator[str]:
        """For a terminal, and for whoever adds the version."""
        yield f"DeepStream {self.version or '(says no version)'} on {self.machine}"
        yield "sizes: " + ", ".join(f"{name} {size}" for name, size in self.sizes.items())
        for name, expected in self.expected.items():
            at = self.found.get(name)
            yield f"{name}: " + (f"at {at}, as expected" if at == expected else f"at {at}, EXPECTED at {expected}")
        if self.fits:
            label = self.sizes["object"] - _TAIL
            yield (
                f'likely: Layout("{self.version or "?"}", frame={self.sizes["frame"]}, object={self.sizes["object"]}, '
                f"label={label}) in countline/deepstream/layout.py"
            )
            yield (
                "to be sure: in that version's nvdsmeta.h compare offsetof of class_id (52), object_id (56), confidence (96), "
                f"rect_params (104) and obj_label ({label}) in NvDsObjectMeta, and of pad_index (40), frame_num (48), buf_pts (56), "
                "ntp_timestamp (64), source_frame_width (80) and pipeline_width (160) in NvDsFrameMeta"
            )
        else:
            yield "the lists do not lie where they lie in every version so far: nvdsmeta.h of that version is needed"

    @property
    def fits(self) -> bool:
        """Whether all that was looked for lies where it is expected."""
        return bool(self.sizes) and all(self.found.get(name) == at for name, at in self.expected.items())


_EXPECTED = {
    "NvDsBatchMeta.num_frames": BATCH_COUNT,
    "NvDsBatchMeta.frame_meta_list": BATCH_FRAMES,
    "NvDsFrameMeta.num_obj_meta": FRAME_COUNT,
    "NvDsFrameMeta.obj_meta_list": FRAME_OBJECTS,
    "NvDsFrameMeta.frame_user_meta_list": FRAME_USERS,
}


def survey(libraries: Libraries) -> Survey:
    """Look at the loaded library. Never raises for what is not as expected; sizes that cannot be are left out."""
    machine = platform.machine()
    meta = libraries.meta
    batch = meta.nvds_create_batch_meta(1)
    if not batch:
        return Survey(libraries.version, machine)
    try:
        pools = [_pointer(batch + BATCH_POOLS + 8 * i) for i in range(len(_POOLS))]
        sizes = {name: _INT(_words(pool + POOL_SIZE, 4))[0] for name, pool in zip(_POOLS, pools)}
        if any(not 8 <= sizes[name] <= _MOST for name in ("frame", "object")) or sizes["user"] != USER_SIZE:
            return Survey(libraries.version, machine, sizes, {}, _EXPECTED)
        return Survey(libraries.version, machine, sizes, _links(libraries, batch, sizes["frame"]), _EXPECTED)
    finally:
        meta.nvds_destroy_batch_meta(batch)


def _links(libraries: Libraries, batch: int, size: int) -> dict[str, int | None]:
    """Where the library wrote counts and lists when it linked metas."""
    meta = libraries.meta
    frame = meta.nvds_acquire_frame_meta_from_pool(batch)
    objects = [meta.nvds_acquire_obj_meta_from_pool(batch) for _ in range(2)]
    user = meta.nvds_acquire_user_meta_from_pool(batch)
    before = _words(batch, _BATCH)
    meta.nvds_add_frame_meta_to_batch(batch, frame)
    after = _words(batch, _BATCH)
    found = {
        "NvDsBatchMeta.num_frames": _counted(before, after, 1),
        "NvDsBatchMeta.frame_meta_list": _list_of(before, after, [frame]),
    }
    before = _words(frame, size)
    for one in objects:
        meta.nvds_add_obj_meta_to_frame(frame, one, None)
    after = _words(frame, size)
    found["NvDsFrameMeta.num_obj_meta"] = _counted(before, after, 2)
    found["NvDsFrameMeta.obj_meta_list"] = _list_of(before, after, objects)
    before = _words(frame, size)
    meta.nvds_add_user_meta_to_frame(frame, user)
    found["NvDsFrameMeta.frame_user_meta_list"] = _list_of(before, _words(frame, size), [user])
    return found


def _words(address: int, size: int) -> bytes:
    """Memory of this process; zeros where there is none. Read by way of the system, which refuses instead of ending the process."""
    try:
        with open("/proc/self/mem", "rb", buffering=0) as memory:
            memory.seek(address)
            return memory.read(size).ljust(size, b"\0")
    except (OSError, OverflowError, ValueError):
        return bytes(size)


def _pointer(address: int) -> int:
    found: int = _POINTER(_words(address, 8))[0]
    return found


def _counted(before: bytes, after: bytes, count: int) -> int | None:
    """The 4 bytes that went from 0 to a count."""
    return next(
        (at for at in range(0, len(after) - 3, 4) if (_INT(before, at)[0], _INT(after, at)[0]) == (0, count)), None
    )


def _list_of(before: bytes, after: bytes, members: list[int]) -> int | None:
    """The 8 bytes that were written, and point to a list node of one of these."""
    for at in range(0, len(after) - 7, 8):
        node = _POINTER(after, at)[0]
        written = before[at : at + 8] != after[at : at + 8] and node not in members
        if written and _pointer(node) in members:
            return at
    return None
