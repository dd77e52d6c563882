"""Requests to an inference server and its answers, over HTTP or gRPC: version 2 of the open inference protocol."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from countline.detect.remote.faults import RemoteFault
from countline.detect.runtime import TensorSpec

__all__ = ["Answer", "Client", "ModelMetadata", "Settings", "array_of", "datatype_of", "dtype_of", "spec_of"]

_DTYPES: dict[str, Any] = {
    "BOOL": np.bool_,
    "UINT8": np.uint8, "UINT16": np.uint16, "UINT32": np.uint32, "UINT64": np.uint64,
    "INT8": np.int8, "INT16": np.int16, "INT32": np.int32, "INT64": np.int64,
    "FP16": np.float16, "FP32": np.float32, "FP64": np.float64,
}  # fmt: skip
_DATATYPES = {np.dtype(dtype): name for name, dtype in _DTYPES.items()}


@dataclass(frozen=True)
class ModelMetadata:
    """Metadata of a model, as the server reports them."""

    inputs: tuple[TensorSpec, ...]
    """Empty where the server reports none."""
    outputs: tuple[TensorSpec, ...]
    versions: tuple[str, ...] = ()
    platform: str = ""


@dataclass(frozen=True)
class Settings:
    """A model's configuration, where the server reports one (an extension of Triton's)."""

    max_batch: int | None = None
    """Most frames of a request; 0: the model has no dimension of its own for that; None: not known."""
    parameters: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Answer:
    """The answer to one inference request."""

    outputs: Mapping[str, NDArray[Any]]
    """By name, in the server's order."""
    version: str = ""
    """Version of the model that answered; '' where the server does not report it."""


class Client(Protocol):
    """A connection to a server, for one model. For any thread. All of it raises RemoteFault; ``timeout`` in seconds."""

    def ready(self, timeout: float) -> bool:
        """Whether the model is loaded."""
        ...

    def model_metadata(self, timeout: float) -> ModelMetadata: ...

    def settings(self, timeout: float) -> Settings: ...

    def infer(self, inputs: Sequence[tuple[str, NDArray[Any]]], outputs: Sequence[str], timeout: float) -> Answer:
        """Run the model. ``outputs``: those that are wanted; empty: all."""
        ...

    def close(self) -> None: ...


def dtype_of(datatype: str, name: str) -> np.dtype[Any]:
    """The protocol's datatype -> NumPy's dtype. Raises RemoteFault for one that no detector uses."""
    if datatype not in _DTYPES:
        raise RemoteFault("refused", f"'{name}' is of type {datatype or 'unknown'}, which no detector uses")
    dtype: np.dtype[Any] = np.dtype(_DTYPES[datatype])
    return dtype


def datatype_of(array: NDArray[Any]) -> str:
    """The protocol's name of an array's type."""
    return _DATATYPES[array.dtype]


def spec_of(name: str, datatype: str, shape: Sequence[int]) -> TensorSpec:
    """An input or output from the server's metadata; dimensions below 1 may vary. Raises RemoteFault for an unknown type."""
    return TensorSpec(name, tuple(int(d) if int(d) > 0 else None for d in shape), dtype_of(datatype, name))


def array_of(name: str, datatype: str, shape: Sequence[int], content: bytes | Sequence[Any]) -> NDArray[Any]:
    """An output of its bytes, or of its numbers in a row. Raises RemoteFault where they do not fit."""
    dtype, form = dtype_of(datatype, name), tuple(int(d) for d in shape)
    flat = np.frombuffer(content, dtype) if isinstance(content, bytes) else np.asarray(content, dtype)
    if flat.size != np.prod(form, dtype=np.int64) or any(d < 0 for d in form):
        raise RemoteFault("failed", f"the output '{name}' of shape {list(form)} came with {flat.size} numbers")
    return flat.reshape(form)
