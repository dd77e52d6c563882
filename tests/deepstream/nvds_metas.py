"""Real NvDsBatchMeta on real GstBuffers, made through NVIDIA's own functions. The structs are declared here anew, from NVIDIA's
documented fields, so that a wrong offset in the product shows."""

from __future__ import annotations

import ctypes
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from countline.deepstream.libraries import GSTREAMER, find

P, U, INT, F, U64 = ctypes.c_void_p, ctypes.c_uint, ctypes.c_int, ctypes.c_float, ctypes.c_uint64


class Box(ctypes.Structure):
    _fields_ = [("left", F), ("top", F), ("width", F), ("height", F)]


class Rect(ctypes.Structure):
    """NvOSD_RectParams."""

    _fields_ = [("box", Box), ("border_width", U), ("border", F * 4), ("has_bg", U), ("reserved", U), ("bg", F * 4),
                ("has_info", INT), ("color_id", INT)]  # fmt: skip


class Base(ctypes.Structure):
    _fields_ = [("batch_meta", P), ("meta_type", INT), ("context", P), ("copy", P), ("release", P)]


class UserMeta(ctypes.Structure):
    _fields_ = [("base", Base), ("data", P)]


class Node(ctypes.Structure):
    _fields_ = [("data", P), ("next", P), ("prev", P)]


class BatchMeta(ctypes.Structure):
    _fields_ = [("base", Base), ("max_frames", U), ("num_frames", U), ("pools", P * 6), ("frames", P), ("users", P)]


class FrameMeta(ctypes.Structure):
    _fields_ = [("base", Base), ("pad_index", U), ("batch_id", U), ("frame_num", INT), ("buf_pts", U64), ("ntp", U64),
                ("source_id", U), ("surfaces", INT), ("source_width", U), ("source_height", U), ("surface_type", U),
                ("surface_index", U), ("num_obj", U), ("inferred", INT), ("objects", P), ("displays", P), ("users", P),
                ("misc", ctypes.c_int64 * 4), ("width", U), ("height", U)]  # fmt: skip


class ObjectMeta(ctypes.Structure):
    """Up to rect_params; where the label is depends on the version and is asked of no one: see ``label_at``."""

    _fields_ = [("base", Base), ("parent", P), ("component", INT), ("class_id", INT), ("object_id", U64),
                ("detector", Box), ("detector_pad", P * 0), ("tracker", Box), ("confidence", F),
                ("tracker_confidence", F), ("rect", Rect)]  # fmt: skip


BATCH_GST_META = 4097
PAYLOAD_META = 8
UNTRACKED = 2**64 - 1
LABEL_AT = {544: 336, 552: 344}


@dataclass
class Obj:
    id: int
    box: tuple[float, float, float, float]
    class_id: int = 0
    label: str = "Vehicle"
    confidence: float = 0.5
    component: int = 1


@dataclass
class Frm:
    pad: int = 0
    number: int = 0
    pts: int = 0
    ntp: int = 0
    size: tuple[int, int] = (1920, 1080)
    objects: Sequence[Obj] = field(default_factory=list)


class Library:
    """NVIDIA's functions."""

    def __init__(self) -> None:
        folder = find()
        assert folder is not None
        self.meta = ctypes.CDLL(str(folder / "libnvds_meta.so"))
        self.gst = ctypes.CDLL(str(folder / "libnvdsgst_meta.so"))
        for name in ("nvds_create_batch_meta", "nvds_acquire_frame_meta_from_pool", "nvds_acquire_obj_meta_from_pool",
                     "nvds_acquire_user_meta_from_pool"):  # fmt: skip
            getattr(self.meta, name).restype = P
        self.meta.nvds_create_batch_meta.argtypes = [U]
        for name in ("nvds_acquire_frame_meta_from_pool", "nvds_acquire_obj_meta_from_pool",
                     "nvds_acquire_user_meta_from_pool", "nvds_destroy_batch_meta", "nvds_acquire_meta_lock",
                     "nvds_release_meta_lock"):  # fmt: skip
            getattr(self.meta, name).argtypes = [P]
        self.meta.nvds_add_frame_meta_to_batch.argtypes = [P, P]
        self.meta.nvds_add_obj_meta_to_frame.argtypes = [P, P, P]
        self.gst.gst_buffer_add_nvds_meta.restype = P
        self.gst.gst_buffer_add_nvds_meta.argtypes = [P, P, P, P, P]
        self.gst.gst_buffer_get_nvds_batch_meta.restype = P
        self.gst.gst_buffer_get_nvds_batch_meta.argtypes = [P]
        self.gstreamer = ctypes.CDLL(GSTREAMER)
        self.gstreamer.gst_buffer_new_allocate.restype = P
        self.gstreamer.gst_buffer_new_allocate.argtypes = [P, ctypes.c_size_t, P]
        self.gstreamer.gst_buffer_copy_deep.restype = P
        self.gstreamer.gst_buffer_copy_deep.argtypes = [P]
        self.gstreamer.gst_mini_object_unref.argtypes = [P]
        self.copy = ctypes.cast(self.meta.nvds_batch_meta_copy_func, P)
        self.release = ctypes.cast(self.meta.nvds_batch_meta_release_func, P)
        pool = BatchMeta.from_address(self.new_batch(1)).pools[1]
        self.object_size = U.from_address(pool + 8).value

    def new_batch(self, frames: int) -> int:
        batch: int = self.meta.nvds_create_batch_meta(frames)
        base = BatchMeta.from_address(batch)
        base.base.batch_meta = batch
        base.max_frames = frames
        return batch

    def fill(self, batch: int, frames: Iterable[Frm]) -> None:
        """Frames in their order; a frame's objects so that its list has them in theirs (the library puts each in front)."""
        for given in frames:
            address = self.meta.nvds_acquire_frame_meta_from_pool(batch)
            frame = FrameMeta.from_address(address)
            frame.pad_index = frame.source_id = given.pad
            frame.frame_num, frame.buf_pts, frame.ntp = given.number, given.pts, given.ntp
            frame.source_width, frame.source_height = 640, 480
            frame.width, frame.height = given.size
            self.meta.nvds_add_frame_meta_to_batch(batch, address)
            for one in reversed(given.objects):
                self.add(batch, address, one)

    def add(self, batch: int, frame: int, one: Obj) -> None:
        address = self.meta.nvds_acquire_obj_meta_from_pool(batch)
        found = ObjectMeta.from_address(address)
        found.class_id, found.object_id, found.confidence = one.class_id, one.id, one.confidence
        found.component = one.component
        found.rect.box = Box(*one.box)
        found.tracker = Box(1.0, 2.0, 3.0, 4.0)  # nvdsanalytics does not read these
        label = one.label.encode()[:127] + b"\0"
        ctypes.memmove(address + LABEL_AT[self.object_size], label, len(label))
        self.meta.nvds_add_obj_meta_to_frame(frame, address, None)

    def plain(self) -> int:
        """Address of a GstBuffer without metadata. Made without PyGObject, whose reference would make elements copy it; and
        NVIDIA's copy of a frame forgets the muxer's picture size and turns the list of objects around."""
        buffer: int = self.gstreamer.gst_buffer_new_allocate(None, 4, None)
        return buffer

    def unref(self, buffer: int) -> None:
        self.gstreamer.gst_mini_object_unref(buffer)

    def buffer(self, frames: Sequence[Frm], *, release: Any = None) -> int:
        """Address of a GstBuffer with these frames' metadata."""
        buffer = self.plain()
        batch = self.new_batch(max(1, len(frames)))
        self.fill(batch, frames)
        self.put_on(buffer, batch, release=release)
        return buffer

    def put_on(self, buffer: int, batch: int, *, release: Any = None) -> None:
        meta = self.gst.gst_buffer_add_nvds_meta(buffer, batch, None, self.copy, release or self.release)
        INT.from_address(meta + 32).value = BATCH_GST_META

    def frames_of(self, buffer: int) -> list[FrameMeta]:
        batch = self.gst.gst_buffer_get_nvds_batch_meta(buffer)
        return [FrameMeta.from_address(a) for a in listed(BatchMeta.from_address(batch).frames)] if batch else []


def listed(node: int | None) -> list[int]:
    found = []
    while node:
        here = Node.from_address(node)
        found.append(here.data)
        node = here.next
    return found


def payloads_of(frame: FrameMeta) -> list[bytes]:
    """What nvmsgbroker reads: user metas of type NVDS_PAYLOAD_META, in the order of the list."""
    found = []
    for address in listed(frame.users):
        user = UserMeta.from_address(address)
        if user.base.meta_type == PAYLOAD_META and user.data:
            data, size = P.from_address(user.data).value, U.from_address(user.data + 8).value
            found.append(ctypes.string_at(data, size))
    return found
