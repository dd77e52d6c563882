"""Finished messages on the buffer, as nvmsgbroker takes them: user metadata of type NVDS_PAYLOAD_META on the frame."""

from __future__ import annotations

import ctypes
import struct
from collections.abc import Sequence
from dataclasses import dataclass

from countline.deepstream.layout import MEMORY, PAYLOAD, pointer
from countline.deepstream.libraries import GLIB
from countline.deepstream.reader import MemoryReader

__all__ = ["COUNTS", "PayloadCounts", "Payloads"]

_PAYLOAD_SIZE = 16  # NvDsPayload: void* payload, guint payloadSize, guint componentId
_DATA = 40  # NvDsUserMeta.user_meta_data
_CopyFunction = ctypes.CFUNCTYPE(ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p)
_ReleaseFunction = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_void_p)


@dataclass
class PayloadCounts:
    """Of this process. ``attached + copied - released`` payloads are alive."""

    attached: int = 0
    copied: int = 0
    """Made because the metadata of a buffer was copied (by nvvideoconvert, streamdemux …)."""
    released: int = 0
    no_room: int = 0
    """Payloads that could not be attached, because no user metadata was to be had."""


COUNTS = PayloadCounts()

_glib = ctypes.PyDLL(GLIB)
_glib.g_malloc.restype, _glib.g_malloc.argtypes = ctypes.c_void_p, [ctypes.c_size_t]
_glib.g_free.restype, _glib.g_free.argtypes = None, [ctypes.c_void_p]


def _new(address: int, size: int, component: int) -> int:
    """An NvDsPayload with a copy of ``size`` bytes at ``address``."""
    payload: int = _glib.g_malloc(_PAYLOAD_SIZE)
    data: int = _glib.g_malloc(size or 1)
    ctypes.memmove(data, address, size)
    struct.pack_into("=QII", MEMORY, payload, data, size, component)
    return payload


def _copy(user_meta: int, _: int) -> int | None:
    source = pointer(user_meta + _DATA)
    if not source:
        return None
    data, size, component = struct.unpack_from("=QII", MEMORY, source)
    COUNTS.copied += 1
    return _new(data, size, component)


def _free(user_meta: int, _: int) -> None:
    payload = pointer(user_meta + _DATA)
    if payload:
        _glib.g_free(pointer(payload))
        _glib.g_free(payload)
        struct.pack_into("=Q", MEMORY, user_meta + _DATA, 0)
        COUNTS.released += 1


# Buffers outlive attachments, so these must live as long as the process does.
_COPY, _FREE = _CopyFunction(_copy), _ReleaseFunction(_free)
_COPY_ADDRESS = ctypes.cast(_COPY, ctypes.c_void_p).value or 0
_FREE_ADDRESS = ctypes.cast(_FREE, ctypes.c_void_p).value or 0


class Payloads:
    """Attaches payloads to frames. ``component``: componentId that nvmsgbroker's ``comp-id`` selects by; 0: all."""

    def __init__(self, reader: MemoryReader, component: int = 0) -> None:
        self._reader = reader
        self._meta = reader.libraries.meta
        self._component = component

    def attach(self, batch: int, frame: int, values: Sequence[bytes]) -> int:
        """Attach values to a frame so that a consumer reads them in this order; returns how many found room. The caller
        holds the batch's lock."""
        done = 0
        for value in reversed(values):  # the library puts each at the head of the list
            user = self._meta.nvds_acquire_user_meta_from_pool(batch)
            if not user:
                COUNTS.no_room += len(values) - done
                return done
            payload = _new(_address(value), len(value), self._component)
            # NvDsBaseMeta: batch_meta 0, meta_type 8, uContext 16, copy_func 24, release_func 32; then user_meta_data.
            struct.pack_into("=Qi4xQQQQ", MEMORY, user, batch, PAYLOAD, 0, _COPY_ADDRESS, _FREE_ADDRESS, payload)
            self._meta.nvds_add_user_meta_to_frame(frame, user)
            COUNTS.attached += 1
            done += 1
        return done


def _address(value: bytes) -> int:
    return ctypes.cast(ctypes.c_char_p(value), ctypes.c_void_p).value or 0
