"""A real pipeline for buffers that carry metadata."""

from __future__ import annotations

import ctypes
from collections.abc import Iterable
from types import TracebackType
from typing import Any

from nvds_gst import gst


class Pipeline:
    """``appsrc ! identity name=here ! fakesink``, playing within the ``with`` block."""

    def __init__(self, description: str = "appsrc name=in ! identity name=here ! fakesink name=out sync=false") -> None:
        self.pipeline = gst().parse_launch(description)
        self.source = self.pipeline.get_by_name("in")
        self.source.set_property("block", True)
        self.source.set_property("max-bytes", 400)  # a hundred buffers of 4 bytes
        self.source.set_property("format", gst().Format.TIME)

    def element(self, name: str) -> Any:
        return self.pipeline.get_by_name(name)

    def __enter__(self) -> Pipeline:
        self.pipeline.set_state(gst().State.PLAYING)
        return self

    def push(self, buffers: Iterable[int]) -> None:
        """Addresses of GstBuffers; the pipeline takes them over, so that nothing makes it copy them."""
        push = ctypes.CDLL("libgstapp-1.0.so.0").gst_app_src_push_buffer
        push.argtypes = [ctypes.c_void_p, ctypes.c_void_p]
        for buffer in buffers:
            assert push(hash(self.source), buffer) == 0

    def finish(self) -> None:
        """End of stream, and wait until it has passed."""
        self.source.emit("end-of-stream")
        message = self.pipeline.get_bus().timed_pop_filtered(
            60 * gst().SECOND, gst().MessageType.EOS | gst().MessageType.ERROR
        )
        assert message is not None, "no end of stream within a minute"
        assert message.type == gst().MessageType.EOS, message.parse_error()

    def stop(self) -> None:
        self.pipeline.set_state(gst().State.NULL)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
