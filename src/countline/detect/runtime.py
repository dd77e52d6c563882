"""Inference libraries behind one small interface."""

from __future__ import annotations

import importlib.util
import os
import platform
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from countline import _telemetry
from countline.detect.catalogue import MODELS
from countline.errors import DetectorError, MissingExtra

__all__ = [
    "MOST_REQUESTS",
    "Run",
    "Session",
    "TensorSpec",
    "choose_runtime",
    "choose_threads",
    "feeds",
    "gpu_session",
    "open_session",
    "picture_input",
    "tensor_shapes",
]

Run = Callable[[NDArray[Any]], list[NDArray[Any]]]

MOST_REQUESTS = 4
"""Most frames that are in inference at once."""

_DTYPES = {
    "tensor(uint8)": np.uint8,
    "tensor(float)": np.float32,
    "tensor(float16)": np.float16,
    "tensor(double)": np.float64,
    "tensor(int32)": np.int32,
    "tensor(int64)": np.int64,
}


@dataclass(frozen=True)
class TensorSpec:
    """An input or output of a model; dimensions that may vary are None."""

    name: str
    shape: tuple[int | None, ...]
    dtype: np.dtype[Any]
    alone: bool = False
    """The input in the file has no batch dimension and takes one frame (torchvision, Detectron2); ``shape`` has one of 1 in
    front."""

    @property
    def file_shape(self) -> tuple[int | None, ...]:
        """The shape in the file."""
        return self.shape[1:] if self.alone else self.shape

    def __str__(self) -> str:
        return f"{self.name} {self.dtype.name}[{', '.join('?' if d is None else str(d) for d in self.file_shape)}]"


class Session(Protocol):
    """A loaded model."""

    runtime: str
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]
    metadata: Mapping[str, str]
    beside: dict[str, NDArray[Any]]
    """Name of an input beside the picture -> its row for each frame; set before the first run."""
    single: bool
    """Frames are best passed one at a time: on a CPU a batch gains nothing, and without one the other frames of a batch cannot
    change the result of a frame."""
    requests: int
    """Calls that may run side by side, each through an inference request of its own: two frames on a thread each are through sooner
    than one after the other on both threads, and threads that do not wait for each other lose less on a busy machine."""

    most: int
    """Most frames of a run, where batches are faster and there is a bound; 0: there is none."""
    file: Path | None
    """The model's file; None where it is not on this machine."""

    def run(self, batch: NDArray[Any]) -> list[NDArray[Any]]:
        """All outputs, in the model's order. They may be overwritten by the next call."""
        ...

    def inference_request(self) -> Run:
        """Another function like ``run``, which may run at the same time as it; its outputs are its own."""
        ...

    def close(self) -> None: ...


def choose_threads(wanted: int) -> int:
    """Threads of one inference: as asked, else the processors this process may use, at most 8 (a model of this size does
    not get faster beyond). Respects CPU affinity and the CPU quota of the container."""
    if wanted:
        return wanted
    count = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    try:
        quota, period = Path("/sys/fs/cgroup/cpu.max").read_text().split()
        count = min(count, max(1, int(quota) // int(period)))
    except (OSError, ValueError):  # no such file, or "max": no quota
        pass
    return max(1, min(count, 8))


def choose_runtime(wanted: str, device: str) -> str:
    """``auto``: OpenVINO where it is installed on an x86 processor and inference is on the CPU, else ONNX Runtime.

    A rule, not a measurement at start: loading and timing both libraries would take longer than the rest of the start,
    and on x86 OpenVINO was ahead at every thread count and precision (``benchmarks/detector.py``).
    Raises MissingExtra when OpenVINO is asked for and not installed.
    """
    installed = importlib.util.find_spec("openvino") is not None
    if wanted == "openvino" and not installed:
        raise MissingExtra("openvino", "openvino", what_for="the detector's runtime 'openvino'")
    if wanted != "auto":
        return wanted
    x86 = platform.machine().lower() in ("x86_64", "amd64", "i686")
    return "openvino" if installed and x86 and device == "cpu" else "onnxruntime"


def open_session(path: Path, runtime: str, threads: int, device: str) -> Session:
    """Load a model. Raises DetectorError: no such file, not an ONNX model, unknown device."""
    try:
        if not path.is_file():
            names = ", ".join(f"'{name}'" for name in MODELS)
            raise DetectorError("no such file", where=str(path), fix=f"check `model`; those in the package are {names}")
        with path.open("rb") as file:
            file.read(1)
    except OSError as error:  # the file, or a folder on the way to it
        fix = "give this user the right to read the file, and to enter its folders"
        raise DetectorError(f"cannot be read: {error.strerror}", where=str(path), fix=fix) from None
    if runtime == "openvino":
        return _OpenVino(path, threads, device)
    return _OnnxRuntime(path, threads, device)


def _onnxruntime() -> Any:
    _telemetry.bar()
    import onnxruntime

    onnxruntime.set_default_logger_severity(3)  # its warnings on standard error say nothing a user can act on
    return onnxruntime


def _load_error(path: Path, error: Exception) -> DetectorError:
    text = " ".join(str(error).split())
    if path.stat().st_size == 0:
        return DetectorError("the file is empty", where=str(path), fix="copy or export the model again")
    if "opset" in text.lower() or "ir version" in text.lower() or "ir_version" in text.lower():
        return DetectorError(
            f"this model needs a newer ONNX version than the runtime knows: {text[:300]}",
            where=str(path),
            fix="upgrade onnxruntime, or export the model with an older opset (17)",
        )
    if "protobuf" in text.lower():
        return DetectorError(
            "is not an ONNX model, or is cut short",
            where=str(path),
            fix="give a file made by an ONNX export; compare its size with the original",
        )
    return DetectorError(f"cannot be loaded: {text[:300]}", where=str(path), fix="check the export of the model")


def _model(path: Path) -> str | bytes:
    """The argument from which an inference library loads a file: its name if that is UTF-8, else its content."""
    try:
        str(path).encode()
    except UnicodeEncodeError:
        return path.read_bytes()
    return str(path)


def _ort_session(path: Path, threads: int, providers: list[str], optimise: bool = True) -> Any:
    ort = _onnxruntime()
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.execution_mode = ort.ExecutionMode.ORT_SEQUENTIAL
    # Spinning threads take the cores away from the decoder and the tracker while they wait.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.log_severity_level = 3
    if not optimise:
        options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    try:
        return ort.InferenceSession(_model(path), options, providers=providers)
    except Exception as error:  # the library has one exception class per status code, without a common base
        raise _load_error(path, error) from None


def gpu_session(model: str | bytes, providers: list[Any]) -> Any:
    """ONNX Runtime's own session, whose inputs and outputs lie on a device. Raises DetectorError."""
    ort = _onnxruntime()
    wanted = providers[0][0] if isinstance(providers[0], tuple) else providers[0]
    if hasattr(ort, "preload_dlls") and wanted == "CUDAExecutionProvider":
        ort.preload_dlls()  # NVIDIA's libraries from their packages, where they are not on the library path
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    try:
        session = ort.InferenceSession(model, options, providers=providers)
    except Exception as error:  # the library has one exception class per status code, without a common base
        text = " ".join(str(error).split())
        raise DetectorError(
            f"the model cannot be loaded on the device: {text[:300]}", where="detector.device", fix=_CHECK_DEVICE
        ) from None
    if wanted not in session.get_providers():  # it fell back to another one, with a line in its own log only
        raise DetectorError(f"ONNX Runtime cannot use {wanted}", where="detector.device", fix=_CHECK_DEVICE)
    return session


_CHECK_DEVICE = "`countline check --device cuda FILE` says what is missing"


def picture_input(inputs: Sequence[TensorSpec]) -> TensorSpec | None:
    """The input that takes the picture: the first of four dimensions, else the first of three of which one is that of the
    colours, else the first."""
    found = next((spec for spec in inputs if len(spec.shape) == 4), inputs[0] if inputs else None)
    for spec in inputs:
        if found is not None and len(found.shape) != 4 and len(spec.shape) == 3 and 3 in (spec.shape[0], spec.shape[2]):
            return replace(spec, shape=(1, *spec.shape), alone=True)
    return found


def feeds(spec: TensorSpec | None, batch: NDArray[Any], beside: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
    """What a model's inputs take for a batch, by their names."""
    if spec is None:
        return {}
    picture = batch[0] if spec.alone else batch
    return {spec.name: picture, **{n: np.repeat(row[None], len(batch), axis=0) for n, row in beside.items()}}


def tensor_shapes(model: bytes, folder: Path, feeds: Mapping[str, NDArray[Any]]) -> dict[str, tuple[int, ...]]:
    """Shapes of a model's outputs for some inputs, without any optimisation; empty when it cannot be run."""
    ort = _onnxruntime()
    options = ort.SessionOptions()
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.log_severity_level = 4
    options.add_session_config_entry("session.model_external_initializers_file_folder_path", str(folder))
    try:
        session = ort.InferenceSession(model, options, providers=["CPUExecutionProvider"])
        outputs = session.run(None, dict(feeds))
    except Exception:  # the library has no common base; what is not known here is found out otherwise
        return {}
    return {spec.name: np.shape(array) for spec, array in zip(session.get_outputs(), outputs)}


def _tensor_specs(nodes: Any, path: Path) -> tuple[TensorSpec, ...]:
    specs = []
    for node in nodes:
        if node.type not in _DTYPES:
            raise DetectorError(
                f"'{node.name}' is of type {node.type}, which no detector uses",
                where=str(path),
                fix="export a plain detector",
            )
        shape = tuple(d if isinstance(d, int) and d > 0 else None for d in node.shape)
        specs.append(TensorSpec(node.name, shape, np.dtype(_DTYPES[node.type])))
    return tuple(specs)


_PROVIDERS = {
    "cpu": ["CPUExecutionProvider"],
    "cuda": ["CUDAExecutionProvider", "CPUExecutionProvider"],
    "tensorrt": ["TensorrtExecutionProvider", "CUDAExecutionProvider", "CPUExecutionProvider"],
    "coreml": ["CoreMLExecutionProvider", "CPUExecutionProvider"],
}


class _OnnxRuntime:
    runtime = "onnxruntime"
    most = 0

    def __init__(self, path: Path, threads: int, device: str) -> None:
        kind = device.partition(":")[0].lower()
        wanted = _PROVIDERS.get(kind)
        have = _onnxruntime().get_available_providers()
        if wanted is None or wanted[0] not in have:
            offered = [name for name, providers in _PROVIDERS.items() if providers[0] in have]
            raise DetectorError(
                f"the device '{device}' is not offered by the installed ONNX Runtime",
                where="detector.device",
                fix=f"use one of: {', '.join(offered)}; for cuda install onnxruntime-gpu instead of onnxruntime",
            )
        self.file: Path | None = path
        self.single = kind == "cpu"
        self.requests = min(threads, MOST_REQUESTS) if self.single else 1
        self._session = _ort_session(path, max(1, threads // self.requests), wanted)
        self.inputs = _tensor_specs(self._session.get_inputs(), path)
        self.outputs = _tensor_specs(self._session.get_outputs(), path)
        self.metadata: Mapping[str, str] = dict(self._session.get_modelmeta().custom_metadata_map)
        self._input = picture_input(self.inputs)
        self.beside: dict[str, NDArray[Any]] = {}

    def run(self, batch: NDArray[Any]) -> list[NDArray[Any]]:
        result: list[NDArray[Any]] = self._session.run(None, feeds(self._input, batch, self.beside))
        return result

    def inference_request(self) -> Run:
        return self.run  # outputs are new arrays, and calls may overlap

    def close(self) -> None:
        self._session = None


class _OpenVino:
    runtime = "openvino"
    single = True
    most = 0

    def __init__(self, path: Path, threads: int, device: str) -> None:
        if device != "cpu":
            raise DetectorError(
                f"the runtime 'openvino' is used for the CPU only, not for '{device}'",
                where="detector.device",
                fix="set runtime: onnxruntime",
            )
        # ONNX Runtime reads names, shapes and metadata, so that both runtimes see and refuse the same models.
        signature = _ort_session(path, 1, ["CPUExecutionProvider"], optimise=False)
        self.inputs = _tensor_specs(signature.get_inputs(), path)
        self.outputs = _tensor_specs(signature.get_outputs(), path)
        self.metadata: Mapping[str, str] = dict(signature.get_modelmeta().custom_metadata_map)
        del signature
        self.spec = picture_input(self.inputs)
        self.beside: dict[str, NDArray[Any]] = {}
        _telemetry.bar()
        import openvino

        self._openvino = openvino
        self.file: Path | None = path
        self._path = path
        self.requests = min(threads, MOST_REQUESTS)
        self._options = {
            "INFERENCE_NUM_THREADS": threads,
            "NUM_STREAMS": self.requests,
            "INFERENCE_PRECISION_HINT": "f32",  # never bfloat16 behind the user's back: counts must not depend on it
        }
        self._compiled: Any = None
        self._shape: tuple[int, ...] = ()
        self._compiling = threading.Lock()
        self._first = self.inference_request()

    def request(self, shape: tuple[int, ...]) -> Any:
        """A request for inputs of this shape. A fixed shape lets the library plan its memory; frames come one at a time, so
        there is only one shape."""
        with self._compiling:
            if shape != self._shape:
                self._compiled, self._shape = self._compile(shape), shape
            return self._compiled.create_infer_request()

    def _compile(self, shape: tuple[int, ...]) -> Any:
        try:
            core = self._openvino.Core()
            model = core.read_model(_model(self._path))
            spec = self.spec
            if spec is not None:
                own = shape[1:] if spec.alone else shape
                model.reshape({spec.name: list(own), **{n: [shape[0], *row.shape] for n, row in self.beside.items()}})
            return core.compile_model(model, "CPU", self._options)
        except RuntimeError as error:
            text = " ".join(str(error).split())
            raise DetectorError(
                f"OpenVINO cannot load it: {text[-300:]}", where=str(self._path), fix="set runtime: onnxruntime"
            ) from None

    def run(self, batch: NDArray[Any]) -> list[NDArray[Any]]:
        return self._first(batch)

    def inference_request(self) -> Run:
        return _OpenVinoRequest(self)

    def close(self) -> None:
        self._compiled, self._shape, self._first = None, (), self.inference_request()


class _OpenVinoRequest:
    """An inference request with memory of its own."""

    def __init__(self, session: _OpenVino) -> None:
        self._session = session
        self._request: Any = None
        self._shape: tuple[int, ...] = ()

    def __call__(self, batch: NDArray[Any]) -> list[NDArray[Any]]:
        if batch.shape != self._shape:
            self._request, self._shape = self._session.request(batch.shape), batch.shape
        inputs = feeds(self._session.spec, batch, self._session.beside)
        self._request.infer(inputs, share_inputs=True, share_outputs=True)  # no copies
        return [self._request.get_output_tensor(i).data for i in range(len(self._session.outputs))]
