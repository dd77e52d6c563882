"""The NVIDIA driver, asked without any other library: is it there, what does it have, and how its contexts are to wait."""

from __future__ import annotations

import ctypes
import threading
from collections.abc import Iterable
from functools import lru_cache
from typing import Any

from countline.errors import DetectorError

__all__ = ["LEAST_DRIVER", "Context", "Driver", "driver", "prepare", "shown_version"]

LEAST_DRIVER = 13_000
"""Lowest CUDA version that the driver must offer (1000 * major + 10 * minor): that of the packages of the extra."""
_BLOCKING_SYNC = 4
_WHERE = "detector.device"
_INSTALL = "install NVIDIA's driver 580 or newer (in a container: run it with --gpus all), or set `device: cpu`"
_prepared: set[int] = set()
_preparing = threading.Lock()


class Driver:
    """``libcuda.so.1``. Making it raises DetectorError where there is none, or no device."""

    def __init__(self) -> None:
        try:
            self._library: Any = ctypes.CDLL("libcuda.so.1")
        except OSError:
            raise DetectorError("there is no NVIDIA driver (libcuda.so.1)", where=_WHERE, fix=_INSTALL) from None
        self._contexts: dict[int, Context] = {}
        error = self._library.cuInit(0)
        if error:
            raise DetectorError(f"the NVIDIA driver says '{self._words(error)}'", where=_WHERE, fix=_INSTALL)
        self.version = self._number("cuDriverGetVersion")
        self.count = self._number("cuDeviceGetCount")

    def _words(self, error: int) -> str:
        text = ctypes.c_char_p()
        self._library.cuGetErrorString(error, ctypes.byref(text))
        return (text.value or b"").decode() or f"error {error}"

    def _call(self, name: str, *args: Any) -> None:
        error = getattr(self._library, name)(*args)
        if error:
            raise DetectorError(f"the NVIDIA driver says '{self._words(error)}' ({name})", where=_WHERE, fix=_INSTALL)

    def _number(self, name: str, *args: Any) -> int:
        result = ctypes.c_int()
        self._call(name, ctypes.byref(result), *args)
        return result.value

    def name(self, device: int) -> str:
        """What it is called. Raises DetectorError for a device that is not there."""
        text = ctypes.create_string_buffer(128)
        self._call("cuDeviceGetName", text, 128, self.handle(device))
        return text.value.decode(errors="replace")

    def handle(self, device: int) -> int:
        """The driver's own number for a device. Raises DetectorError for one that is not there."""
        if not 0 <= device < self.count:
            has = f"device 0 to {self.count - 1}" if self.count > 1 else "device 0 alone" if self.count else "none"
            raise DetectorError(
                f"there is no GPU {device}: the machine has {has}", where=_WHERE, fix="see `nvidia-smi -L`"
            )
        return self._number("cuDeviceGet", device)

    def wait_without_spinning(self, device: int) -> None:
        """Threads that wait for this device sleep; FFmpeg's decoder, which shares the context, asks for the same."""
        self._call("cuDevicePrimaryCtxSetFlags_v2", self.handle(device), _BLOCKING_SYNC)

    def context(self, device: int) -> Context:
        """The one that all libraries share on this device; it is opened, and stays so. Raises DetectorError."""
        if device not in self._contexts:
            handle = ctypes.c_void_p()
            self._call("cuDevicePrimaryCtxRetain", ctypes.byref(handle), self.handle(device))
            self._contexts[device] = Context(handle)
        return self._contexts[device]


class Context:
    """Within ``with`` its device is the calling thread's current one, by whatever library it is asked. For any number of threads,
    and within itself.

    Not by the runtime's cudaSetDevice (nor CuPy's Device): to set back what was current before, that would open the first GPU in
    each process that works on another one, which takes half a GB there.
    """

    def __init__(self, handle: ctypes.c_void_p) -> None:
        # Keeps the interpreter's lock: these two calls are shorter than to get it back.
        library: Any = ctypes.PyDLL("libcuda.so.1")
        self._push, self._pop = library.cuCtxPushCurrent_v2, library.cuCtxPopCurrent_v2
        self._handle = handle

    def __enter__(self) -> None:
        error = self._push(self._handle)
        if error:
            raise DetectorError(f"the NVIDIA driver says error {error} (cuCtxPushCurrent)", where=_WHERE)

    def __exit__(self, *_: object) -> None:
        self._pop(ctypes.byref(ctypes.c_void_p()))


@lru_cache(maxsize=1)
def driver() -> Driver:
    """The one of this process. Raises DetectorError."""
    return Driver()


def prepare(devices: Iterable[int]) -> None:
    """Before anything else opens these GPUs: set how their contexts wait. FFmpeg refuses a context that waits otherwise
    ('operation not supported'). Raises DetectorError: no driver, too old a one, no such device."""
    with _preparing:
        for device in devices:
            if device in _prepared:
                continue
            found = driver()
            if found.version < LEAST_DRIVER:
                has, wants = shown_version(found.version), shown_version(LEAST_DRIVER)
                raise DetectorError(
                    f"the NVIDIA driver is for CUDA {has}; {wants} is needed", where=_WHERE, fix=_INSTALL
                )
            found.wait_without_spinning(device)
            _prepared.add(device)


def shown_version(number: int) -> str:
    """13000 -> '13.0'."""
    return f"{number // 1000}.{number % 1000 // 10}"
