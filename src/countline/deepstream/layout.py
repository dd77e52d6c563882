"""Layout of NVIDIA's metadata in memory, by version; chosen by measuring, never by believing a version number.

The pools of a batch meta know how large their elements are. From these sizes the layout is looked up; then the library's own
functions link real metas to each other, and every offset that they write is compared. Sizes or offsets that are not known
are refused: reading them would give wrong counts or a crash.
"""

from __future__ import annotations

import ctypes
import struct
from dataclasses import dataclass

from countline.deepstream.errors import DeepStreamError
from countline.deepstream.libraries import Libraries

__all__ = ["BATCH_FRAMES", "BATCH_LOCK", "FRAME_USERS", "LAYOUTS", "MEMORY", "PAYLOAD", "Layout", "measure", "pointer"]

# Equal in every version, in bytes from the start of the struct.
BATCH_COUNT, BATCH_POOLS, BATCH_FRAMES, BATCH_LOCK = 44, 48, 96, 112
FRAME_COUNT, FRAME_OBJECTS, FRAME_USERS = 96, 104, 120
POOL_SIZE = 8
USER_SIZE = 48
PAYLOAD = 8
"""NVDS_PAYLOAD_META."""

MEMORY = memoryview((ctypes.c_char * (2**63 - 1)).from_address(0)).cast("B")
"""The address space of this process, so that a struct is unpacked where it lies, without a copy."""

_POINTER = struct.Struct("=Q").unpack_from
_INT = struct.Struct("=I").unpack_from


def pointer(address: int) -> int:
    """The 64-bit word at an address."""
    found: int = _POINTER(MEMORY, address)[0]
    return found


@dataclass(frozen=True)
class Layout:
    """Sizes and the offset that differ from version to version, in bytes."""

    versions: str
    """DeepStream versions with this layout."""
    frame: int
    """sizeof NvDsFrameMeta."""
    object: int
    """sizeof NvDsObjectMeta."""
    label: int
    """Offset of obj_label (128 bytes) in NvDsObjectMeta."""


LAYOUTS = (
    Layout("6.0 to 6.3", 200, 544, 336),
    Layout("8.0", 232, 544, 336),
    Layout("9.0 and 9.1", 232, 552, 344),
)


def measure(libraries: Libraries) -> Layout:
    """The layout that the loaded library really has. Raises DeepStreamError for one that is not known."""
    if struct.calcsize("P") != 8:
        raise DeepStreamError("32-bit Python cannot read DeepStream's metadata", fix="use a 64-bit Python")
    batch = libraries.meta.nvds_create_batch_meta(1)
    if not batch:
        raise DeepStreamError("no batch metadata could be made", where=str(libraries.folder), fix="out of memory?")
    try:
        sizes = [_INT(MEMORY, pointer(batch + BATCH_POOLS + 8 * i) + POOL_SIZE)[0] for i in (0, 1, 4)]
        for layout in LAYOUTS:
            if sizes == [layout.frame, layout.object, USER_SIZE]:
                _prove(libraries, batch)
                return layout
    finally:
        libraries.meta.nvds_destroy_batch_meta(batch)
    raise _unknown(libraries, f"frame, object and user metadata have {sizes[0]}, {sizes[1]} and {sizes[2]} bytes")


def _prove(libraries: Libraries, batch: int) -> None:
    """Let the library link a frame, two objects and a user meta, and look for them where they should be."""
    meta = libraries.meta
    frame = meta.nvds_acquire_frame_meta_from_pool(batch)
    first = meta.nvds_acquire_obj_meta_from_pool(batch)
    second = meta.nvds_acquire_obj_meta_from_pool(batch)
    user = meta.nvds_acquire_user_meta_from_pool(batch)
    meta.nvds_add_frame_meta_to_batch(batch, frame)
    meta.nvds_add_obj_meta_to_frame(frame, first, None)
    meta.nvds_add_obj_meta_to_frame(frame, second, None)
    meta.nvds_add_user_meta_to_frame(frame, user)
    expected = {
        "number of frames": (_INT(MEMORY, batch + BATCH_COUNT)[0], 1),
        "number of objects": (_INT(MEMORY, frame + FRAME_COUNT)[0], 2),
        "list of frames": (_listed(batch + BATCH_FRAMES), [frame]),
        "list of user metadata": (_listed(frame + FRAME_USERS), [user]),
    }
    objects = _listed(frame + FRAME_OBJECTS)
    expected["list of objects"] = (sorted(objects), sorted([first, second]))
    for what, (found, wanted) in expected.items():
        if found != wanted:
            raise _unknown(libraries, f"the {what} is not where it should be")


def _listed(address: int) -> list[int]:
    """Data of the GList whose head is stored at ``address``; at most 8 nodes, because what is there may be no list."""
    found: list[int] = []
    node = pointer(address)
    while node and len(found) < 8:
        found.append(pointer(node))
        node = pointer(node + 8)
    return found


def _unknown(libraries: Libraries, what: str) -> DeepStreamError:
    known = "; ".join(f"{x.versions}: {x.frame}, {x.object}, {USER_SIZE}" for x in LAYOUTS)
    return DeepStreamError(
        f"the metadata of this DeepStream is not known: {what} (known are {known})",
        where=str(libraries.folder) + (f", version {libraries.version}" if libraries.version else ""),
        fix="where pyds or pyservicemaker is installed, attach with reader='pyds'; please report the version and these sizes",
    )
