"""Readers over NVIDIA's own Python bindings, for versions whose layout is not known here.

Both are written to the documented interfaces: ``pyds`` (DeepStream 6.x to 8.x) and ``pyservicemaker`` (8.x and 9.x).
"""

from __future__ import annotations

import importlib
import importlib.util
import struct
from collections.abc import Callable, Collection, Iterator
from typing import Any

from countline.deepstream.errors import DeepStreamError
from countline.deepstream.reader import OBJECT, FrameCopy, MemoryReader, Reader

__all__ = ["PydsReader", "ServiceMakerReader", "choose", "service_maker"]

KINDS = ("auto", "memory", "pyds")


def choose(kind: str = "auto", gies: Collection[int] = ()) -> Reader:
    """A reader for buffers: 'memory', 'pyds', or 'auto': memory, and pyds where the layout is not known and pyds is
    installed; with ``gies`` of objects of these unique_component_ids. Raises DeepStreamError."""
    if kind not in KINDS:
        raise DeepStreamError(f"there is no reader '{kind}'", where="reader", fix="give one of " + ", ".join(KINDS))
    if kind == "pyds":
        return PydsReader(gies)
    try:
        return MemoryReader(gies=gies)
    except DeepStreamError:
        if kind == "auto" and _installed("pyds"):
            return PydsReader(gies)
        raise


def service_maker() -> Any:
    """The module pyservicemaker. Raises DeepStreamError where it is not installed."""
    return _bindings("pyservicemaker", "install the wheel in service-maker/python of your DeepStream (8.x and 9.x)")


def _installed(name: str) -> bool:
    try:
        return importlib.util.find_spec(name) is not None
    except (ImportError, ValueError):
        return False


def _bindings(name: str, fix: str) -> Any:
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise DeepStreamError(f"{name} cannot be imported: {error}", where="reader", fix=fix) from None


_pack = struct.Struct("<ifQ4f").pack  # OBJECT


def _listed(node: Any, cast: Callable[[Any], Any]) -> Iterator[Any]:
    """Items of a GList as pyds gives it: ``next`` raises StopIteration after the last."""
    while node is not None:
        yield cast(node.data)
        try:
            node = node.next
        except StopIteration:
            return


def _object(found: Any, label_name: str, labels: dict[int, str], wanted: set[int]) -> bytes:
    """One object as bytes; its label, an attribute that costs a string, is read only for a class that is still wanted."""
    if found.class_id in wanted:
        labels[found.class_id] = getattr(found, label_name)
        wanted.discard(found.class_id)
    box = found.rect_params
    return _pack(
        found.class_id, found.confidence, found.object_id & (2**64 - 1), box.left, box.top, box.width, box.height
    )  # fmt: skip


class PydsReader:
    """Reads through pyds; ``handle`` is the address of a GstBuffer (``hash(buffer)``)."""

    kind = "pyds"

    def __init__(self, gies: Collection[int] = ()) -> None:
        self._gies = frozenset(gies)
        self.labels: dict[int, str] = {}
        self.wanted: set[int] = set()
        self._pyds = _bindings("pyds", "install the pyds wheel of your DeepStream version (6.x to 8.x)")

    def read(self, handle: int) -> list[FrameCopy] | None:
        """See :class:`countline.deepstream.reader.Reader`."""
        batch = self._pyds.gst_buffer_get_nvds_batch_meta(handle)
        if not batch:
            return None
        self._pyds.nvds_acquire_meta_lock(batch)
        try:
            return [self._frame(f) for f in _listed(batch.frame_meta_list, self._pyds.NvDsFrameMeta.cast)]
        finally:
            self._pyds.nvds_release_meta_lock(batch)

    def _frame(self, frame: Any) -> FrameCopy:
        objects = _listed(frame.obj_meta_list, self._pyds.NvDsObjectMeta.cast)
        rows = [self._object(o) for o in objects if not self._gies or o.unique_component_id in self._gies]
        size = (int(getattr(frame, "pipeline_width", 0)), int(getattr(frame, "pipeline_height", 0)))
        return FrameCopy(
            0, frame.pad_index, frame.frame_num, frame.buf_pts, frame.ntp_timestamp, frame.source_id,
            (frame.source_frame_width, frame.source_frame_height), size, rows, OBJECT,
        )  # fmt: skip

    def _object(self, found: Any) -> bytes:
        return _object(found, "obj_label", self.labels, self.wanted)


class ServiceMakerReader:
    """Reads through pyservicemaker; ``handle`` is the batch metadata that an operator is given."""

    kind = "pyservicemaker"

    def __init__(self, gies: Collection[int] = ()) -> None:
        self._gies = frozenset(gies)
        self.labels: dict[int, str] = {}
        self.wanted: set[int] = set()

    def read(self, handle: Any) -> list[FrameCopy] | None:
        """See :class:`countline.deepstream.reader.Reader`."""
        return None if handle is None else [self._frame(frame) for frame in handle.frame_items]

    def _frame(self, frame: Any) -> FrameCopy:
        return FrameCopy(
            0, frame.pad_index, frame.frame_number, frame.buffer_pts, frame.ntp_timestamp, frame.source_id,
            (frame.source_width, frame.source_height), (frame.pipeline_width, frame.pipeline_height),
            [self._object(o) for o in frame.object_items if not self._gies or o.unique_component_id in self._gies], OBJECT,
        )  # fmt: skip

    def _object(self, found: Any) -> bytes:
        return _object(found, "label", self.labels, self.wanted)
