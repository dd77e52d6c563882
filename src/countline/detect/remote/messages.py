"""Messages of the protocol's gRPC form, as far as they are used here: field numbers of grpc_service.proto and, for Triton's
extension, of model_config.proto. What is not described is passed over, as Protocol Buffers have it."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

__all__ = ["SERVICE", "message"]

SERVICE = "inference.GRPCInferenceService"
_PACKAGE = "countline_inference"
_NAMED = (("name", 1, ""), ("version", 2, ""))
_TENSOR = (("name", 1, ""), ("datatype", 2, ""), ("shape", 3, "*int64"), ("contents", 5, "Contents"))
_DESCRIBED: dict[str, tuple[tuple[str, int, str], ...]] = {
    "ModelReadyRequest": _NAMED,
    "ModelReadyResponse": (("ready", 1, "bool"),),
    "ModelMetadataRequest": _NAMED,
    "TensorMetadata": (("name", 1, ""), ("datatype", 2, ""), ("shape", 3, "*int64")),
    "ModelMetadataResponse": (
        ("name", 1, ""), ("versions", 2, "*"), ("platform", 3, ""),
        ("inputs", 4, "*TensorMetadata"), ("outputs", 5, "*TensorMetadata"),
    ),
    "ModelConfigRequest": _NAMED,
    "Parameter": (("string_value", 1, ""),),
    "ParameterEntry": (("key", 1, ""), ("value", 2, "Parameter")),
    "ModelConfig": (("max_batch_size", 4, "int32"), ("parameters", 14, "*ParameterEntry")),
    "ModelConfigResponse": (("config", 1, "ModelConfig"),),
    "Contents": (
        ("bool_contents", 1, "*bool"), ("int_contents", 2, "*int32"), ("int64_contents", 3, "*int64"),
        ("uint_contents", 4, "*uint32"), ("uint64_contents", 5, "*uint64"),
        ("fp32_contents", 6, "*float"), ("fp64_contents", 7, "*double"),
    ),
    "Tensor": _TENSOR,
    "Requested": (("name", 1, ""),),
    "ModelInferRequest": (
        ("model_name", 1, ""), ("model_version", 2, ""), ("inputs", 5, "*Tensor"), ("outputs", 6, "*Requested"),
        ("raw_input_contents", 7, "*bytes"),
    ),
    "ModelInferResponse": (
        ("model_name", 1, ""), ("model_version", 2, ""), ("outputs", 5, "*Tensor"),
        ("raw_output_contents", 6, "*bytes"),
    ),
}  # fmt: skip


def message(name: str) -> Any:
    """The class of a message."""
    return _classes()[name]


@lru_cache(maxsize=1)
def _classes() -> dict[str, Any]:
    from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

    kinds = descriptor_pb2.FieldDescriptorProto
    file = descriptor_pb2.FileDescriptorProto(name=f"{_PACKAGE}.proto", package=_PACKAGE, syntax="proto3")
    for name, fields in _DESCRIBED.items():
        described = file.message_type.add(name=name)
        for key, number, kind in fields:
            item = described.field.add(name=key, number=number)
            item.label = kinds.LABEL_REPEATED if kind.startswith("*") else kinds.LABEL_OPTIONAL
            of = kind.lstrip("*") or "string"
            if of in _DESCRIBED:
                item.type, item.type_name = kinds.TYPE_MESSAGE, f".{_PACKAGE}.{of}"
            else:
                item.type = getattr(kinds, f"TYPE_{of.upper()}")
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return {
        name: message_factory.GetMessageClass(pool.FindMessageTypeByName(f"{_PACKAGE}.{name}")) for name in _DESCRIBED
    }
