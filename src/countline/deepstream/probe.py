"""A buffer probe on a GStreamer pad, without PyGObject's wrappers around each buffer.

The pad may come from PyGObject (its ``hash`` is the address of the GstPad) or be such an address itself.
"""

from __future__ import annotations

import ctypes
import itertools
import struct
import threading
from collections.abc import Callable
from typing import Any

from countline.deepstream.errors import DeepStreamError
from countline.deepstream.layout import MEMORY, pointer
from countline.deepstream.libraries import GSTREAMER

__all__ = ["Probe", "find_pad"]

_INT = struct.Struct("=i").unpack_from
_BUFFER, _EVENT = 1 << 4, 1 << 6  # GST_PAD_PROBE_TYPE_BUFFER, GST_PAD_PROBE_TYPE_EVENT_DOWNSTREAM
_OK = 1  # GST_PAD_PROBE_OK; 0 would drop the buffer
_DATA = 16  # GstPadProbeInfo: type, id, data
_EVENT_TYPE = 64  # GstEvent: the mini object, then the type
_EOS = 110
_PAD_DELETED, _STREAM_EOS = 401, 402  # the stream muxer's own
_Callback = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p)
_probes: dict[int, Probe] = {}
"""Probes that are on a pad, by the number that GStreamer hands to their calls: one that was removed is found no more, although a
buffer may still be on its way into it."""
_numbers = itertools.count(1)

_thread = threading.local()


def _called(pad: int, info: int, number: int) -> int:
    """What GStreamer calls, for every probe."""
    if not hasattr(_thread, "kept"):
        # Python would forget GStreamer's thread after each call and make its state anew for the next, which takes
        # longer than reading the metadata. Taken once more and never given back, the state lives as long as the process.
        ctypes.pythonapi.PyGILState_Ensure()
        _thread.kept = True
    try:
        probe = _probes.get(number)
        if probe is not None:
            probe.called(info)
    finally:
        # Also instead of an exception, which ctypes would turn into a 0: the buffer would be dropped.
        return _OK  # noqa: B012


_callback = _Callback(_called)
"""One for the life of the process: GStreamer may be on its way into it at any time."""


def find_pad(target: Any) -> Any:
    """The pad meant: a pad itself, or an element's src pad, or its sink pad where it has no other. Raises DeepStreamError."""
    if hasattr(target, "get_static_pad"):
        pad = target.get_static_pad("src") or target.get_static_pad("sink")
        if pad is None:
            raise DeepStreamError(
                f"the element {target.get_name()} has neither a pad 'src' nor 'sink'",
                fix="give one of its pads: attach(element.get_static_pad(NAME), ...)",
            )
        return pad
    if hasattr(target, "add_probe") or (isinstance(target, int) and not isinstance(target, bool) and target > 0):
        return target
    raise DeepStreamError(
        f"attach() was given {type(target).__name__}, which is neither a GStreamer pad nor an element",
        fix="give pipeline.get_by_name(NAME), or element.get_static_pad('src')",
    )


class Probe:
    """Calls ``work(address of the GstBuffer)`` for every buffer that passes the pad. Whatever happens in it, the buffer goes
    on. ``ended`` is called, in the order of the buffers, with the pad of the stream muxer whose stream has ended (None: all have)."""

    def __init__(
        self, pad: Any, work: Callable[[int], None], ended: Callable[[int | None], None] | None = None
    ) -> None:
        self._pad = pad  # a reference, so that the pad outlives the probe
        self._work: Callable[[int], None] | None = work
        self._ended = ended
        self._gst = ctypes.CDLL(GSTREAMER)
        add = self._gst.gst_pad_add_probe
        add.restype = ctypes.c_ulong
        add.argtypes = [ctypes.c_void_p, ctypes.c_int, _Callback, ctypes.c_void_p, ctypes.c_void_p]
        self._gst.gst_pad_remove_probe.argtypes = [ctypes.c_void_p, ctypes.c_ulong]
        self._gst.gst_pad_remove_probe.restype = None
        self._declare_caps()
        self._number = next(_numbers)
        _probes[self._number] = self
        self._id = add(self._address(), _BUFFER | (_EVENT if ended else 0), _callback, self._number, None)
        if not self._id:
            del _probes[self._number]
            raise DeepStreamError("the probe could not be added to the pad", fix="is the pad of this process?")

    def _address(self) -> int:
        return self._pad if isinstance(self._pad, int) else hash(self._pad)

    def called(self, info: int) -> None:
        """A buffer or an event is at the pad; ``info`` is the address of the GstPadProbeInfo."""
        work, ended = self._work, self._ended
        if work is None:
            return
        kind, data = _INT(MEMORY, info)[0], pointer(info + _DATA)
        if kind & _BUFFER:
            work(data)
        elif ended is not None:
            number = _INT(MEMORY, data + _EVENT_TYPE)[0] >> 8
            if number == _EOS:
                ended(None)
            elif number in (_STREAM_EOS, _PAD_DELETED):
                source = self._source_of(data)
                if source is not None:
                    ended(source)

    def _source_of(self, event: int) -> int | None:
        """``source-id`` of an event of the stream muxer: the number of its pad."""
        structure = self._caps.gst_event_get_structure(event)
        value = ctypes.c_uint()
        found = structure and self._caps.gst_structure_get_uint(structure, b"source-id", ctypes.byref(value))
        return value.value if found else None

    def _declare_caps(self) -> None:
        gst = self._caps = ctypes.PyDLL(GSTREAMER)
        pointer_type, integer = ctypes.c_void_p, ctypes.POINTER(ctypes.c_int)
        gst.gst_pad_get_current_caps.restype, gst.gst_pad_get_current_caps.argtypes = pointer_type, [pointer_type]
        gst.gst_caps_get_structure.restype = pointer_type
        gst.gst_caps_get_structure.argtypes = [pointer_type, ctypes.c_uint]
        gst.gst_structure_get_int.argtypes = [pointer_type, ctypes.c_char_p, integer]
        gst.gst_event_get_structure.restype, gst.gst_event_get_structure.argtypes = pointer_type, [pointer_type]
        gst.gst_structure_get_uint.argtypes = [pointer_type, ctypes.c_char_p, ctypes.POINTER(ctypes.c_uint)]
        gst.gst_mini_object_unref.restype, gst.gst_mini_object_unref.argtypes = None, [pointer_type]

    def size(self) -> tuple[int, int]:
        """Width and height of the picture that the pad has agreed on; (0, 0) where it has not."""
        caps = self._caps.gst_pad_get_current_caps(self._address())
        if not caps:
            return 0, 0
        found = []
        structure = self._caps.gst_caps_get_structure(caps, 0)
        for name in (b"width", b"height"):
            value = ctypes.c_int()
            found.append(value.value if self._caps.gst_structure_get_int(structure, name, ctypes.byref(value)) else 0)
        self._caps.gst_mini_object_unref(caps)
        return found[0], found[1]

    def remove(self) -> None:
        """No more calls begin; one may still be running."""
        if self._id:
            self._gst.gst_pad_remove_probe(self._address(), self._id)
            self._id = 0
            _probes.pop(self._number, None)
            self._work = self._ended = None  # whoever is called is free to go
