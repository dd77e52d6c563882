"""Copies what countline needs out of a batch of DeepStream metadata, on the streaming thread, as quickly as Python can."""

from __future__ import annotations

import struct
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
_BASE = 4096
# 32-bit words of NvDsObjectMeta: class_id 52, confidence 96, object_id 56, rect_params 104; equal in every version.
_WORDS = (np.array([52, 96, 56, 60, 104, 108, 112, 116]) - _BASE) >> 2


class _AddressSpace:
    """All memory below 2^47 as one array of 32-bit words. Starts at ``_BASE``, because NumPy takes address 0 for none."""

    __array_interface__ = {"data": (_BASE, True), "shape": (2**45 - _BASE // 4,), "typestr": "<u4", "version": 3}


_SPACE: NDArray[np.uint32] = np.asarray(_AddressSpace())


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
    objects: NDArray[Any]
    """(N,) of dtype :data:`OBJECT`, in the order of the list."""


class Reader(Protocol):
    """What reads metadata."""

    kind: str
    labels: dict[int, str]
    """obj_label of the first object of each class, by class id; grows while reading."""

    def read(self, handle: Any) -> list[FrameCopy] | None:
        """Frames of a batch, in their order; None where there is no batch metadata. ``handle``: address of the GstBuffer,
        or what the bindings give for a batch."""
        ...


class MemoryReader:
    """Reads the structs where they lie. Raises DeepStreamError when made, if their layout is not known."""

    kind = "memory"

    def __init__(self, libraries: Libraries | None = None) -> None:
        self.libraries = libraries or load()
        self.layout: Layout = measure(self.libraries)
        self.labels: dict[int, str] = {}
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
            found.append(
                FrameCopy(frame, pad, number, pts, ntp, source, (width, height), (wide, high), self._objects(objects))
            )
        return found

    def _objects(self, node: int) -> NDArray[Any]:
        addresses = []
        while node:
            address, node = _NODE(MEMORY, node)
            addresses.append(address)
        if not addresses:
            return np.empty(0, OBJECT)
        words = (np.array(addresses, np.int64) >> 2)[:, None] + _WORDS
        objects: NDArray[Any] = _SPACE[words].view(OBJECT)[:, 0]
        classes = objects["class_id"].tolist()
        if not self.labels.keys() >= set(classes):
            self._learn(addresses, classes)
        return objects

    def _learn(self, addresses: list[int], classes: list[int]) -> None:
        for address, class_id in zip(addresses, classes):
            if class_id not in self.labels:
                at = address + self.layout.label
                text = bytes(MEMORY[at : at + 128]).partition(b"\0")[0]
                self.labels[class_id] = text.decode("utf-8", "replace")
