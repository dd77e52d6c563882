"""What ``device: cuda`` needs, one by one: what is there, what is missing, and what to do about it."""

from __future__ import annotations

import ctypes
import importlib
import importlib.metadata
from collections.abc import Callable, Iterator, Sequence

from countline import _telemetry
from countline.errors import CountlineError
from countline.gpu.driver import driver, prepare, shown_version
from countline.protocols import Check

__all__ = ["survey"]

_EXTRA = "pip install 'countline[cuda]'"
_GPU_BUILD = "pip uninstall -y onnxruntime; pip install --force-reinstall --no-deps onnxruntime-gpu"
# What ONNX Runtime's CUDA provider is linked to, for CUDA 13.
_LIBRARIES = ("libcudart.so.13", "libcublasLt.so.13", "libcublas.so.13", "libcufft.so.12", "libcudnn.so.9")


def survey(devices: Sequence[int]) -> Iterator[Check]:
    """A line for each part that these GPUs need, in the order in which a run would miss it. Raises nothing."""
    found = list(_driver(devices))
    yield from found
    ready = all(check.ok for check in found)
    yield _decoder()
    yield _cupy(devices, ready)
    yield _provider()
    yield _libraries()
    yield _package("onnx", "half precision for the package's model")


def _driver(devices: Sequence[int]) -> Iterator[Check]:
    try:
        prepare(devices)
        yield Check("driver", True, f"for CUDA {shown_version(driver().version)}")
        for device in devices:
            yield Check(f"GPU {device}", True, driver().name(device))
    except CountlineError as error:
        yield Check("driver", False, error.what, error.fix)


def _loads(name: str) -> str:
    """'' or why a library cannot be loaded."""
    try:
        ctypes.CDLL(name)
    except OSError as error:
        return str(error)
    return ""


def _decoder() -> Check:
    from av.codec.hwaccel import hwdevices_available

    if "cuda" not in hwdevices_available():
        return Check(
            "decoder", False, "this PyAV was built without CUDA", "pip install --force-reinstall --only-binary av av"
        )
    problem = _loads("libnvcuvid.so.1")
    if problem:
        fix = (
            "it comes with the driver; in a container add `video` to NVIDIA_DRIVER_CAPABILITIES (compute,utility,video)"
        )
        return Check("decoder", False, f"the driver's decoder is missing: {problem}", fix)
    return Check("decoder", True, "NVDEC")


def _tried(subject: str, work: Callable[[], str], fix: str) -> Check:
    try:
        return Check(subject, True, work())
    except ImportError as error:
        return Check(subject, False, f"not installed, or not whole: {error}", fix)
    except CountlineError as error:
        return Check(subject, False, error.what, error.fix or fix)
    except Exception as error:  # whatever a library raises that finds no device
        text = " ".join(str(error).split())
        return Check(subject, False, f"{type(error).__name__}: {text[:200]}", fix)


def _cupy(devices: Sequence[int], ready: bool) -> Check:
    def work() -> str:
        import cupy
        import numpy as np

        from countline.gpu.cuda import CudaGpu

        if ready:
            for device in devices:
                CudaGpu(device).kernels(np.dtype(np.uint8), np.dtype(np.float16))
        return f"CuPy {cupy.__version__}" + ("; the kernels compile" if ready else "; not tried, for want of a GPU")

    return _tried("cupy", work, _EXTRA)


def _provider() -> Check:
    _telemetry.bar()

    def work() -> str:
        import onnxruntime

        return ", ".join(onnxruntime.get_available_providers())

    found = _tried("onnxruntime", work, _EXTRA)
    if not found.ok or "CUDAExecutionProvider" in found.detail:
        return found
    try:
        importlib.metadata.version("onnxruntime-gpu")
    except importlib.metadata.PackageNotFoundError:
        return Check("onnxruntime", False, "this is the build for CPUs; onnxruntime-gpu is not installed", _EXTRA)
    what = "the build for CPUs lies over onnxruntime-gpu: both have the same files, and the one installed last has won"
    return Check("onnxruntime", False, what, _GPU_BUILD)


def _libraries() -> Check:
    try:
        import onnxruntime

        if hasattr(onnxruntime, "preload_dlls"):
            onnxruntime.preload_dlls()
    except Exception:  # noqa: S110 - what is missing is reported below
        pass
    missing = [problem for problem in map(_loads, _LIBRARIES) if problem]
    if missing:
        return Check("libraries", False, "; ".join(missing), _EXTRA + " brings NVIDIA's libraries as packages")
    return Check("libraries", True, ", ".join(_LIBRARIES))


def _package(name: str, what_for: str) -> Check:
    return _tried(name, lambda: str(importlib.import_module(name).__version__), f"{_EXTRA} ({what_for})")
