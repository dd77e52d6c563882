"""A GPU on the CPU: the same kernels, compiled by g++, behind the interface of :mod:`countline.gpu.device`."""

from __future__ import annotations

import ctypes
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import countline.gpu

HERE = Path(__file__).parent
KERNELS = Path(countline.gpu.__file__).parent
PIXELS = {"uint8": 0, "float16": 1, "float32": 2}
SCORES = {"float16": 1, "float32": 2}


def has_compiler() -> bool:
    return shutil.which("g++") is not None


def compiled(folder: Path, pixel: int, score: int, most: int = 1024) -> ctypes.CDLL:
    library = folder / f"kernels_{pixel}_{score}_{most}.so"
    if not library.exists():
        defines = [f"-DPIXEL={pixel}", f"-DSCORE={score}"]
        defines += [f"-DMOST={most}", f"-DWANTED={most}"] if most != 1024 else []
        paths = [f"-I{HERE}", f"-I{KERNELS}"]
        command = [
            "g++",
            "-std=c++20",
            "-O3",
            "-march=native",
            # Not -ffast-math itself: a library linked with it sets flush-to-zero for the whole process.
            "-fno-math-errno",
            "-fno-trapping-math",
            "-fno-signed-zeros",
            "-fassociative-math",
            "-freciprocal-math",
            "-shared",
            "-fPIC",
            "-pthread",
            *defines,
            *paths,
            "-w",
        ]
        subprocess.run([*command, str(HERE / "on_cpu.cpp"), "-o", str(library)], check=True)
    return ctypes.CDLL(str(library))


class Memory:
    def __init__(self, count: int) -> None:
        self.host: NDArray[np.uint8] = np.full(max(count, 1), 0xA5, np.uint8)  # nobody may count on zeros
        self.pointer = self.host.ctypes.data

    def push(self, count: int) -> None:
        assert count <= len(self.host)

    pull = push


class Queue:
    handle = 0

    def __init__(self) -> None:
        self.after_decoders = 0

    def memory(self, count: int) -> Memory:
        return Memory(count)

    def mirror(self, count: int) -> Memory:
        made = Memory(count)
        made.host[:] = 0
        return made

    def clear(self, memory: Any, count: int) -> None:
        ctypes.memset(memory.pointer, 0, count)

    def read(self, memory: Any, count: int) -> NDArray[np.uint8]:
        return np.frombuffer(ctypes.string_at(memory.pointer, count), np.uint8)

    def launch(self, kernel: Any, grid: Sequence[int], block: Sequence[int], args: Sequence[Any]) -> None:
        sizes = [(ctypes.c_uint * 3)(*part) for part in (grid, block)]
        kernel(*sizes, *(_TYPES[a.dtype.name](a.item()) for a in args))

    def after_decoder(self) -> None:
        self.after_decoders += 1

    def wait(self) -> None:
        pass


_TYPES = {
    "uint64": ctypes.c_uint64, "int64": ctypes.c_int64, "int32": ctypes.c_int32, "float32": ctypes.c_float,
}  # fmt: skip


class StandIn:
    """Implements countline.gpu.device.Gpu."""

    kind = "cpu"
    name = "stand-in"

    def __init__(self, folder: Path, index: int = 0, most: int = 1024) -> None:
        """``most``: candidates of a frame, each a thread; few are faster."""
        self.folder = folder
        self.index = index
        self._most = most

    def here(self) -> AbstractContextManager[object]:
        return nullcontext()

    def queue(self) -> Queue:
        return Queue()

    def kernels(self, pixel: np.dtype[Any], score: np.dtype[Any]) -> Mapping[str, Any]:
        library = compiled(self.folder, PIXELS[pixel.name], SCORES[score.name], self._most)
        return {name: getattr(library, f"run_{name}") for name in ("letterbox", "candidates", "choose")}

    def providers(self, queue: Queue) -> list[Any]:
        return ["CPUExecutionProvider"]
