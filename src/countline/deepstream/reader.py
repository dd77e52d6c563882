"""Copies what countline needs out of a batch of DeepStream metadata, on the streaming thread, as quickly as Python can."""

from __future__ import annotations

import struct
from collections.abc import Collection, Sequence
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from countline.deepstream.layout import BATCH_FRAMES, BATCH_LOCK, MEMORY, Layout, measure, pointer
from countline.deepstream.libraries import Libraries, load

__all__ = ["OBJECT", "FrameCopy", "MemoryReader", "Reader"]

OBJECT = np.dtype([("class_id", "<i4"), ("confidence", "<f4"), ("object_id", "<u8"), ("ltwh", "<f4", (4,))])
"""One object: class, detector's confidence, tracker's id (2^64 - 1: untracked), and rect_params: left, top, width, height in
pixels of the stream muxer's picture. rect_params is what nvdsanalytics evaluates; nvtracker has written its box there."""

_FRAME = struct.Struct("=40xI4xi4xQQI4xII16xQ48xII").unpack_from
_NODE = struct.Struct("=QQ").unpack_from
_INT = struct.Struct("=i").unpack_from

# The part of NvDsObjectMeta from class_id (52) to the end of the box (120), equal in every version.
_FIRST, _LAST = 52, 120
_COMPONENT = 48
_OFFSETS = {"class_id": 52, "object_id": 56, "confidence": 96, "ltwh": 104}
_PART = struct.Struct(f"{_LAST - _FIRST}s").unpack_from
_IN_MEMORY = np.dtype(
    {
        "names": list(_OFFSETS),
        "formats": [OBJECT[name] for name in _OFFSETS],
        "offsets": [offset - _FIRST for offset in _OFFSETS.values()],
        "itemsize": _LAST - _FIRST,
    }
)


class FrameCopy(NamedTuple):
    """A frame of a batch. ``address`` (of its NvDsFrameMeta) is valid in the probe only."""

    address: int
    pad_index: int
    number: int
    """frame_num: frame of its source, from 0."""
    pts: int
    """buf_pts in ns, 64 bits unsigned."""
    ntp: int
    """ntp_timestamp in ns since the Unix epoch; 0: not set."""
    source_id: int
    source_size: tuple[int, int]
    """Width and height in pixels as decoded."""
    size: tuple[int, int]
    """Width and height in pixels of the stream muxer's picture, which boxes refer to; (0, 0): not said."""
    objects: Sequence[bytes]
    """One for each object, in the order of the list."""
    dtype: np.dtype[Any]
    """Of each; has the fields of :data:`OBJECT`."""

    def array(self) -> NDArray[Any]:
        """The objects as (N,) with the fields of :data:`OBJECT`. Not for the streaming thread: there, copying bytes is
        quicker than anything that NumPy can do for some tens of objects."""
        return np.frombuffer(b"".join(self.objects), self.dtype)


class Reader(Protocol):
    """What reads metadata."""

    kind: str
    labels: dict[int, str]
    """obj_label by class id, of classes that were in ``wanted`` when they were read."""
    wanted: set[int]
    """Classes whose label is to be read; whoever evaluates frames puts them in."""

    def read(self, handle: Any) -> list[FrameCopy] | None:
        """Frames of a batch, in their order; None where there is no batch metadata. ``handle``: address of the GstBuffer,
        or what the bindings give for a batch."""
        ...


class MemoryReader:
    """Reads the structs where they lie; with ``gies`` only objects of these unique_component_ids. Raises DeepStreamError when
    made, if their layout is not known."""

    kind = "memory"

    def __init__(self, libraries: Libraries | None = None, gies: Collection[int] = ()) -> None:
        self.libraries = libraries or load()
        self._gies = frozenset(gies)
        self.layout: Layout = measure(self.libraries)
        self.labels: dict[int, str] = {}
        self.wanted: set[int] = set()
        self._batch_of = self.libraries.gst.gst_buffer_get_nvds_batch_meta
        self._try_lock = self.libraries.glib.g_rec_mutex_trylock
        self._lock = self.libraries.waiting.nvds_acquire_meta_lock
        self._unlock = self.libraries.meta.nvds_release_meta_lock

    def read(self, handle: int) -> list[FrameCopy] | None:
        """See :class:`Reader`; ``handle`` is the address of a GstBuffer."""
        batch = self._batch_of(handle)
        if not batch:
            return None
        self.lock(batch)
        try:
            return self._frames(batch)
        finally:
            self._unlock(batch)

    def batch_of(self, buffer: int) -> int | None:
        """Address of the buffer's NvDsBatchMeta, or None."""
        found: int | None = self._batch_of(buffer)
        return found

    def lock(self, batch: int) -> None:
        """Take the batch's lock. Other Python threads may run only where it must be waited for: its holder may be one."""
        if not self._try_lock(batch + BATCH_LOCK):
            self._lock(batch)

    def unlock(self, batch: int) -> None:
        """Give the batch's lock back."""
        self._unlock(batch)

    def _frames(self, batch: int) -> list[FrameCopy]:
        found = []
        node = pointer(batch + BATCH_FRAMES)
        while node:
            frame, node = _NODE(MEMORY, node)
            pad, number, pts, ntp, source, width, height, objects, wide, high = _FRAME(MEMORY, frame)
            if self.wanted:
                self._learn(objects)
            parts = _parts_of(objects, self._gies) if self._gies else _parts(objects)
            found.append(
                FrameCopy(frame, pad, number, pts, ntp, source, (width, height), (wide, high), parts, _IN_MEMORY)
            )
        return found

    def _learn(self, node: int) -> None:
        while node:
            address, node = _NODE(MEMORY, node)
            class_id = _INT(MEMORY, address + _OFFSETS["class_id"])[0]
            if class_id in self.wanted and (not self._gies or _INT(MEMORY, address + _COMPONENT)[0] in self._gies):
                at = address + self.layout.label
                text = bytes(MEMORY[at : at + 128]).partition(b"\0")[0]
                self.labels[class_id] = text.decode("utf-8", "replace")
                self.wanted.discard(class_id)


def _parts(node: int) -> list[bytes]:
    """The part of interest of each object of a list."""
    memory, parts = MEMORY, []
    while node:
        address, node = _NODE(memory, node)
        parts.append(_PART(memory, address + _FIRST)[0])
    return parts


def _parts_of(node: int, gies: frozenset[int]) -> list[bytes]:
    """As :func:`_parts`, of the objects that one of these inferences has found."""
    memory, parts = MEMORY, []
    while node:
        address, node = _NODE(memory, node)
        if _INT(memory, address + _COMPONENT)[0] in gies:
            parts.append(_PART(memory, address + _FIRST)[0])
    return parts
