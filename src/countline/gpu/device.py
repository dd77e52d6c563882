"""What the detector needs of a GPU. :mod:`countline.gpu.cuda` offers it; the tests have one on the CPU of the same kernels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

__all__ = ["Gpu", "Kernel", "Memory", "Mirror", "Queue"]

Kernel = Any
"""What :meth:`Queue.launch` takes."""


class Memory(Protocol):
    """A piece of device memory, freed with the object."""

    @property
    def pointer(self) -> int:
        """Its address."""
        ...


class Mirror(Memory, Protocol):
    """Device memory with memory of the same size on the host, from and to which it is copied."""

    host: NDArray[np.uint8]

    def push(self, count: int) -> None:
        """Copy so many bytes to the device, in the order of its queue. The host's may be changed once the queue is through."""
        ...

    def pull(self, count: int) -> None:
        """Copy so many bytes from the device; they are there once the queue is through."""
        ...


class Queue(Protocol):
    """Work in order (a CUDA stream). Used by one thread at a time."""

    handle: int
    """The stream, as ONNX Runtime takes it."""

    def memory(self, count: int) -> Memory:
        """So many bytes."""
        ...

    def mirror(self, count: int) -> Mirror:
        """So many bytes on both sides."""
        ...

    def clear(self, memory: Memory, count: int) -> None:
        """Set bytes to 0."""
        ...

    def read(self, memory: Memory, count: int) -> NDArray[np.uint8]:
        """The first ``count`` bytes, when all that was put in before is through."""
        ...

    def launch(self, kernel: Kernel, grid: Sequence[int], block: Sequence[int], args: Sequence[Any]) -> None:
        """Start a kernel; ``args`` are NumPy scalars."""
        ...

    def after_decoder(self) -> None:
        """What is put in from now on begins when the decoder's copies are through that are under way now."""
        ...

    def wait(self) -> None:
        """Until all is through, without taking a processor."""
        ...


class Gpu(Protocol):
    """One device."""

    index: int
    name: str
    """For people."""
    kind: str
    """As ONNX Runtime calls it when memory is bound: 'cuda'."""

    def here(self) -> AbstractContextManager[object]:
        """Within it this GPU is the calling thread's current one, as libraries want it that do not set it themselves."""
        ...

    def queue(self) -> Queue:
        """A new one."""
        ...

    def kernels(self, pixel: np.dtype[Any], score: np.dtype[Any]) -> Mapping[str, Kernel]:
        """The kernels of ``kernels.cu`` by name, for inputs and outputs of these types: uint8, float16 or float32; float16 or
        float32."""
        ...

    def providers(self, queue: Queue) -> list[Any]:
        """ONNX Runtime's execution providers for a session that works in this queue."""
        ...
