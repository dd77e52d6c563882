"""As much of GStreamer as it takes to run a pipeline, by ctypes: PyGObject is not there in every container, nor for every
Python."""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from types import TracebackType
from typing import Any

from countline.deepstream.errors import DeepStreamError
from countline.deepstream.libraries import GLIB, GSTREAMER

__all__ = ["Pipeline", "has_element", "load"]

_P, _S = ctypes.c_void_p, ctypes.c_char_p
_NULL, _PLAYING = 1, 4
_EOS, _ERROR = 1 << 0, 1 << 1
_MESSAGE_TYPE = 64  # GstMessage: GstMiniObject (64 bytes), type
_FUNCTIONS: dict[str, tuple[Any, list[Any]]] = {
    "gst_init_check": (ctypes.c_int, [_P, _P, _P]),
    "gst_version_string": (_P, []),
    "gst_element_factory_find": (_P, [_S]),
    "gst_object_unref": (None, [_P]),
    "gst_parse_launch": (_P, [_S, ctypes.POINTER(_P)]),
    "gst_bin_get_by_name": (_P, [_P, _S]),
    "gst_element_get_static_pad": (_P, [_P, _S]),
    "gst_element_set_state": (ctypes.c_int, [_P, ctypes.c_int]),
    "gst_element_send_event": (ctypes.c_int, [_P, _P]),
    "gst_event_new_eos": (_P, []),
    "gst_element_get_bus": (_P, [_P]),
    "gst_bus_timed_pop_filtered": (_P, [_P, ctypes.c_uint64, ctypes.c_int]),
    "gst_message_parse_error": (None, [_P, ctypes.POINTER(_P), ctypes.POINTER(_P)]),
    "gst_mini_object_unref": (None, [_P]),
}


class _Error(ctypes.Structure):
    """GError."""

    _fields_ = [("domain", ctypes.c_uint32), ("code", ctypes.c_int), ("message", _S)]


def load() -> Any:
    """GStreamer, ready for use. Raises DeepStreamError where it is not installed."""
    try:
        gst = ctypes.CDLL(GSTREAMER)
    except OSError as error:
        raise DeepStreamError(
            f"GStreamer cannot be loaded: {error}", where="GStreamer", fix="install it (Debian: libgstreamer1.0-0)"
        ) from None
    for name, (result, arguments) in _FUNCTIONS.items():
        function = getattr(gst, name)
        function.restype, function.argtypes = result, arguments
    if not gst.gst_init_check(None, None, None):
        raise DeepStreamError("GStreamer cannot be initialised", where="GStreamer", fix="try `gst-inspect-1.0`")
    return gst


def has_element(gst: Any, name: str) -> bool:
    """Whether an element is installed and loads."""
    factory = gst.gst_element_factory_find(name.encode())
    if factory:
        gst.gst_object_unref(factory)
    return bool(factory)


def _take(error: Any) -> str:
    """Text of a GError, which is freed."""
    text = _Error.from_address(error.value).message.decode("utf-8", "replace") if error.value else ""
    glib = ctypes.CDLL(GLIB)
    glib.g_error_free.argtypes = [_P]
    if error.value:
        glib.g_error_free(error.value)
    return text


class Pipeline:
    """A pipeline from a description in the language of gst-launch-1.0; released at the end of the ``with`` block.

    Raises DeepStreamError: unknown elements or properties.
    """

    def __init__(self, description: str) -> None:
        self._gst = load()
        error = _P()
        self._pipeline = self._gst.gst_parse_launch(description.encode(), ctypes.byref(error))
        if not self._pipeline or error.value:
            self.close()
            raise DeepStreamError(
                f"the pipeline cannot be built: {_take(error)}",
                where=description,
                fix="`countline deepstream check` names missing parts",
            )

    def pad(self, element: str, name: str) -> int:
        """Address of a static pad of a named element; stays valid as long as the pipeline does."""
        found = self._gst.gst_bin_get_by_name(self._pipeline, element.encode())
        pad: int = self._gst.gst_element_get_static_pad(found, name.encode())
        self._gst.gst_object_unref(found)
        self._gst.gst_object_unref(pad)  # the element holds it
        return pad

    def run(self, stopping: Callable[[], bool] = lambda: False) -> None:
        """Play to the end of all streams. ``stopping`` is asked five times a second; once it says so, the streams are ended,
        and what is in flight still passes. Raises DeepStreamError with what an element complained of."""
        gst = self._gst
        if not gst.gst_element_set_state(self._pipeline, _PLAYING):
            self._complain(patience=0)
        asked = 0
        while True:
            if self._complain(patience=200_000_000):
                return
            if stopping():
                if asked == 0:
                    gst.gst_element_send_event(self._pipeline, gst.gst_event_new_eos())
                asked += 1
                if asked > 50:  # ten seconds: the end of the streams does not come through
                    return

    def _complain(self, patience: int) -> bool:
        """Wait for a message; True at the end of the streams. Raises what an element reports."""
        gst = self._gst
        bus = gst.gst_element_get_bus(self._pipeline)
        message = gst.gst_bus_timed_pop_filtered(bus, patience, _EOS | _ERROR)
        gst.gst_object_unref(bus)
        if not message:
            if patience == 0:
                raise DeepStreamError(
                    "the pipeline cannot be started", where="GStreamer", fix="set GST_DEBUG=3 to see why"
                )
            return False
        kind = ctypes.c_uint.from_address(message + _MESSAGE_TYPE).value
        error, debug = _P(), _P()
        if kind == _ERROR:
            gst.gst_message_parse_error(message, ctypes.byref(error), ctypes.byref(debug))
        gst.gst_mini_object_unref(message)
        if kind == _EOS:
            return True
        detail = ctypes.string_at(debug.value).decode("utf-8", "replace") if debug.value else ""
        glib = ctypes.CDLL(GLIB)
        glib.g_free.argtypes = [_P]
        glib.g_free(debug)
        raise DeepStreamError(f"the pipeline has stopped: {_take(error)}", where="GStreamer", fix=detail)

    def close(self) -> None:
        """Stop and release."""
        if self._pipeline:
            self._gst.gst_element_set_state(self._pipeline, _NULL)
            self._gst.gst_object_unref(self._pipeline)
            self._pipeline = 0

    def __enter__(self) -> Pipeline:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
