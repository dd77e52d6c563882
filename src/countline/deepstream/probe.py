"""A buffer probe on a GStreamer pad, without PyGObject's wrappers around each buffer.

The pad may come from PyGObject (its ``hash`` is the address of the GstPad) or be such an address itself.
"""

from __future__ import annotations

import ctypes
import threading
from collections.abc import Callable
from typing import Any

from countline.deepstream.errors import DeepStreamError
from countline.deepstream.layout import pointer
from countline.deepstream.libraries import GSTREAMER

__all__ = ["Probe", "find_pad"]

_BUFFER = 1 << 4  # GST_PAD_PROBE_TYPE_BUFFER
_OK = 1  # GST_PAD_PROBE_OK; 0 would drop the buffer
_DATA = 16  # GstPadProbeInfo: type, id, data
_Callback = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p)
_alive: list[Any] = []
"""Callbacks, for the life of the process: a buffer may be on its way into one while its probe is removed."""

_thread = threading.local()


def find_pad(given: Any) -> Any:
    """The pad meant: a pad itself, or an element's src pad, or its sink pad where it has no other. Raises DeepStreamError."""
    if hasattr(given, "get_static_pad"):
        pad = given.get_static_pad("src") or given.get_static_pad("sink")
        if pad is None:
            raise DeepStreamError(
                f"the element {given.get_name()} has neither a pad 'src' nor 'sink'",
                fix="give one of its pads: attach(element.get_static_pad(NAME), ...)",
            )
        return pad
    if hasattr(given, "add_probe") or (isinstance(given, int) and not isinstance(given, bool) and given > 0):
        return given
    raise DeepStreamError(
        f"attach() was given {type(given).__name__}, which is neither a GStreamer pad nor an element",
        fix="give pipeline.get_by_name(NAME), or element.get_static_pad('src')",
    )


class Probe:
    """Calls ``work(address of the GstBuffer)`` for every buffer that passes the pad. Whatever happens in it, the buffer goes
    on."""

    def __init__(self, pad: Any, work: Callable[[int], None]) -> None:
        self._pad = pad  # a reference, so that the pad outlives the probe
        self._work = work
        self._gst = ctypes.CDLL(GSTREAMER)
        add = self._gst.gst_pad_add_probe
        add.restype = ctypes.c_ulong
        add.argtypes = [ctypes.c_void_p, ctypes.c_int, _Callback, ctypes.c_void_p, ctypes.c_void_p]
        self._gst.gst_pad_remove_probe.argtypes = [ctypes.c_void_p, ctypes.c_ulong]
        self._gst.gst_pad_remove_probe.restype = None
        self._declare_caps()
        callback = _Callback(self._called)
        _alive.append(callback)
        self._id = add(self._address(), _BUFFER, callback, None, None)
        if not self._id:
            raise DeepStreamError("the probe could not be added to the pad", fix="is the pad of this process?")

    def _address(self) -> int:
        return self._pad if isinstance(self._pad, int) else hash(self._pad)

    def _called(self, pad: int, info: int, data: int) -> int:
        if not hasattr(_thread, "kept"):
            # Python would forget GStreamer's thread after each call and make its state anew for the next, which takes
            # longer than reading the metadata. Taken once more and never given back, the state lives as long as the process.
            ctypes.pythonapi.PyGILState_Ensure()
            _thread.kept = True
        try:
            self._work(pointer(info + _DATA))
        finally:
            # Also instead of an exception, which ctypes would turn into a 0: the buffer would be dropped.
            return _OK  # noqa: B012

    def _declare_caps(self) -> None:
        gst = self._caps = ctypes.PyDLL(GSTREAMER)
        pointer_type, integer = ctypes.c_void_p, ctypes.POINTER(ctypes.c_int)
        gst.gst_pad_get_current_caps.restype, gst.gst_pad_get_current_caps.argtypes = pointer_type, [pointer_type]
        gst.gst_caps_get_structure.restype = pointer_type
        gst.gst_caps_get_structure.argtypes = [pointer_type, ctypes.c_uint]
        gst.gst_structure_get_int.argtypes = [pointer_type, ctypes.c_char_p, integer]
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
