"""The protocol by gRPC."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from countline.config.triton import TritonConfig
from countline.detect.remote.faults import Kind, RemoteFault
from countline.detect.remote.messages import SERVICE, message
from countline.detect.remote.protocol import Answer, ModelMetadata, Settings, array_of, datatype_of, spec_of
from countline.errors import ConfigError, MissingExtra

__all__ = ["GrpcClient"]

_KINDS: dict[str, Kind] = {
    "UNAVAILABLE": "unreachable",
    "DEADLINE_EXCEEDED": "silent",
    "RESOURCE_EXHAUSTED": "busy",
    "ABORTED": "busy",
    "CANCELLED": "unreachable",
    "UNAUTHENTICATED": "auth",
    "PERMISSION_DENIED": "auth",
    "NOT_FOUND": "missing",
    "UNIMPLEMENTED": "refused",
    "INVALID_ARGUMENT": "refused",
    "FAILED_PRECONDITION": "refused",
    "OUT_OF_RANGE": "refused",
}
"""All others: failed."""
_CONTENTS = (
    "fp32_contents", "fp64_contents", "int_contents", "int64_contents", "uint_contents", "uint64_contents",
    "bool_contents",
)  # fmt: skip


class GrpcClient:
    """See :class:`countline.detect.remote.protocol.Client`. Raises MissingExtra, ConfigError for certificates that cannot be read."""

    def __init__(self, config: TritonConfig) -> None:
        try:
            import grpc
        except ImportError:
            raise MissingExtra("grpcio", "triton", what_for="a detector on an inference server (grpc://)") from None
        self._grpc = grpc
        self._model = config.model
        self._headers = [(name.lower(), value.get_secret_value()) for name, value in config.headers.items()]
        options = [
            ("grpc.max_receive_message_length", -1),  # 4 MiB are a few pictures
            ("grpc.max_send_message_length", -1),
            # The waits between attempts are this package's own; the library's would be added to them.
            ("grpc.initial_reconnect_backoff_ms", 100),
            ("grpc.min_reconnect_backoff_ms", 100),
            ("grpc.max_reconnect_backoff_ms", 500),
        ]
        target = self._model.target
        if self._model.encrypted:
            tls = config.tls
            files = [_content(path, option) for option, path in (("ca", tls.ca), ("key", tls.key), ("cert", tls.cert))]
            self._channel = grpc.secure_channel(target, grpc.ssl_channel_credentials(*files), options)
        else:
            self._channel = grpc.insecure_channel(target, options)
        self._methods = {
            name: self._channel.unary_unary(
                f"/{SERVICE}/{name}",
                request_serializer=lambda request: request.SerializeToString(),
                response_deserializer=message(f"{name}Response").FromString,
            )
            for name in ("ModelReady", "ModelMetadata", "ModelConfig", "ModelInfer")
        }

    def _call(self, name: str, request: Any, timeout: float) -> Any:
        try:
            return self._methods[name](request, timeout=timeout, metadata=self._headers)
        except self._grpc.RpcError as error:
            raise _fault(error, timeout) from None
        except ValueError:  # used after it was closed
            raise RemoteFault("failed", "the connection is closed") from None

    def _named(self, name: str) -> Any:
        return message(f"{name}Request")(name=self._model.model, version=self._model.version)

    def ready(self, timeout: float) -> bool:
        """See the protocol. A server that does not implement the question counts as ready."""
        try:
            return bool(self._call("ModelReady", self._named("ModelReady"), timeout).ready)
        except RemoteFault as fault:
            if fault.kind == "refused":
                return True
            raise

    def model_metadata(self, timeout: float) -> ModelMetadata:
        """See the protocol."""
        found = self._call("ModelMetadata", self._named("ModelMetadata"), timeout)
        inputs, outputs = (
            tuple(spec_of(t.name, t.datatype, t.shape) for t in tensors) for tensors in (found.inputs, found.outputs)
        )
        return ModelMetadata(inputs, outputs, tuple(found.versions), found.platform)

    def settings(self, timeout: float) -> Settings:
        """See the protocol: an extension of Triton's."""
        try:
            found = self._call("ModelConfig", self._named("ModelConfig"), timeout).config
        except RemoteFault as fault:
            if fault.kind in ("refused", "failed", "missing"):
                return Settings()
            raise
        return Settings(found.max_batch_size, {entry.key: entry.value.string_value for entry in found.parameters})

    def infer(self, inputs: Sequence[tuple[str, NDArray[Any]]], outputs: Sequence[str], timeout: float) -> Answer:
        """See the protocol."""
        request = message("ModelInferRequest")(model_name=self._model.model, model_version=self._model.version)
        for name, array in inputs:
            request.inputs.add(name=name, datatype=datatype_of(array), shape=array.shape)
            request.raw_input_contents.append(np.ascontiguousarray(array).tobytes())
        for name in outputs:
            request.outputs.add(name=name)
        response = self._call("ModelInfer", request, timeout)
        raw = list(response.raw_output_contents)
        found = {}
        for i, tensor in enumerate(response.outputs):
            content = raw[i] if i < len(raw) else _contents(tensor)
            found[tensor.name] = array_of(tensor.name, tensor.datatype, tensor.shape, content)
        return Answer(found, response.model_version)

    def close(self) -> None:
        """Close the connection; requests in flight end."""
        self._channel.close()


def _contents(tensor: Any) -> Sequence[Any]:
    """The numbers of a tensor that came in typed fields, not as bytes."""
    for field in _CONTENTS:
        values = getattr(tensor.contents, field)
        if len(values):
            return list(values)
    return ()


def _fault(error: Any, timeout: float) -> RemoteFault:
    name, details = error.code().name, error.details() or ""
    kind: Kind = _KINDS.get(name, "failed")
    if name == "DEADLINE_EXCEEDED":
        return RemoteFault(kind, f"no answer within {timeout:g} s")
    if name == "RESOURCE_EXHAUSTED" and "larger than max" in details:
        return RemoteFault("refused", f"{details} (the server takes no messages of this size)")
    if name in ("UNAVAILABLE", "CANCELLED"):
        return RemoteFault(kind, f"is not available: {details}")
    return RemoteFault(kind, f"answers {name}: {details}")


def _content(path: str | None, option: str) -> bytes | None:
    if path is None:
        return None
    try:
        return Path(path).expanduser().read_bytes()
    except OSError as error:
        raise ConfigError(
            f"'{path}' cannot be read: {error.strerror}", where=f"detector.triton.tls.{option}", fix="give a PEM file"
        ) from None
