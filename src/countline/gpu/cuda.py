"""CUDA by CuPy: memory, streams, and the kernels, compiled at start for the very device (NVRTC)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from functools import cache
from importlib import resources
from typing import Any

import numpy as np
from numpy.typing import NDArray

from countline.errors import DetectorError, MissingExtra
from countline.gpu.device import Kernel
from countline.gpu.driver import driver, prepare

__all__ = ["NAMES", "CudaGpu"]

NAMES = ("letterbox", "candidates", "choose")
_PIXELS = {"uint8": 0, "float16": 1, "float32": 2}
_SCORES = {"float16": 1, "float32": 2}


def _cupy() -> Any:
    try:
        import cupy
    except ImportError as error:
        raise MissingExtra("cupy", "cuda", what_for="`device: cuda`") from error
    return cupy


class _Memory:
    def __init__(self, kept: Any) -> None:
        self._kept = kept
        self.pointer = int(kept.ptr)


class _Mirror:
    def __init__(self, queue: _Queue, count: int) -> None:
        cupy = queue.cupy
        self._queue = queue
        self._device = cupy.cuda.alloc(count)
        self._pinned = cupy.cuda.alloc_pinned_memory(count)
        self.pointer = int(self._device.ptr)
        self.host: NDArray[np.uint8] = np.frombuffer(self._pinned, np.uint8, count)
        self.host[:] = 0

    def push(self, count: int) -> None:
        self._queue.copy(self.pointer, self.host.ctypes.data, count, _TO_DEVICE)

    def pull(self, count: int) -> None:
        self._queue.copy(self.host.ctypes.data, self.pointer, count, _TO_HOST)


_TO_DEVICE, _TO_HOST = 1, 2


class _Queue:
    """A stream that does not wait for the default stream, in which FFmpeg's decoders copy."""

    def __init__(self, cupy: Any, device: int) -> None:
        self.cupy = cupy
        self._device = driver().context(device)
        with self._device:
            self._stream = cupy.cuda.Stream(non_blocking=True)
            self._done = cupy.cuda.Event(block=True, disable_timing=True)
            self._decoded = cupy.cuda.Event(disable_timing=True)
        self.handle = int(self._stream.ptr)

    def memory(self, count: int) -> _Memory:
        with self._device:
            return _Memory(self.cupy.cuda.alloc(max(count, 1)))

    def mirror(self, count: int) -> _Mirror:
        with self._device:
            return _Mirror(self, max(count, 1))

    def copy(self, target: int, origin: int, count: int, way: int) -> None:
        with self._device:
            self.cupy.cuda.runtime.memcpyAsync(target, origin, count, way, self.handle)

    def clear(self, memory: Any, count: int) -> None:
        with self._device:
            self.cupy.cuda.runtime.memsetAsync(memory.pointer, 0, count, self.handle)

    def read(self, memory: Any, count: int) -> NDArray[np.uint8]:
        content = np.empty(count, np.uint8)
        self.copy(content.ctypes.data, memory.pointer, count, _TO_HOST)
        self.wait()
        return content

    def launch(self, kernel: Kernel, grid: Sequence[int], block: Sequence[int], args: Sequence[Any]) -> None:
        with self._device, self._stream:
            kernel(tuple(grid), tuple(block), tuple(args))

    def after_decoder(self) -> None:
        with self._device:
            self._decoded.record(self.cupy.cuda.Stream.null)
            self._stream.wait_event(self._decoded)

    def wait(self) -> None:
        with self._device:
            self._done.record(self._stream)
            self._done.synchronize()


class CudaGpu:
    """Implements :class:`countline.gpu.device.Gpu`. Making it raises DetectorError (no driver, no such device, a driver that is
    too old) and MissingExtra."""

    kind = "cuda"

    def __init__(self, index: int) -> None:
        prepare([index])  # before CuPy opens it
        self.index = index
        self.name = driver().name(index)
        self._cupy = _cupy()

    def here(self) -> AbstractContextManager[object]:
        return driver().context(self.index)

    def queue(self) -> _Queue:
        return _Queue(self._cupy, self.index)

    def kernels(self, pixel: np.dtype[Any], score: np.dtype[Any]) -> Mapping[str, Kernel]:
        return _compiled(self._cupy, self.index, _PIXELS[pixel.name], _SCORES[score.name])

    def providers(self, queue: Any) -> list[Any]:
        return [
            (
                "CUDAExecutionProvider",
                {
                    "device_id": str(self.index),
                    "user_compute_stream": str(queue.handle),
                    "prefer_nhwc": "1",  # tensor cores take channels last: else each convolution turns its input and output
                    "cudnn_conv_algo_search": "HEURISTIC",
                    "cudnn_conv_use_max_workspace": "1",
                    "arena_extend_strategy": "kSameAsRequested",  # else up to twice of what is used, in each session
                },
            ),
            "CPUExecutionProvider",
        ]


def source() -> str:
    """The kernels' text."""
    return resources.files("countline.gpu").joinpath("kernels.cu").read_text(encoding="utf-8")


@cache
def _compiled(cupy: Any, device: int, pixel: int, score: int) -> Mapping[str, Kernel]:
    options = ("--std=c++17", f"-DPIXEL={pixel}", f"-DSCORE={score}")
    with driver().context(device):
        module = cupy.RawModule(code=source(), options=options, backend="nvrtc")
        try:
            return {name: module.get_function(name) for name in NAMES}
        except Exception as error:  # a compiler of another version, or none: CuPy has several classes for it
            text = " ".join(str(error).split())
            raise DetectorError(
                f"the kernels cannot be compiled: {text[:300]}",
                where="detector.device",
                fix="pip install --force-reinstall 'countline[cuda]': NVRTC (nvidia-cuda-nvrtc) and CuPy must be for one CUDA",
            ) from None
