"""How a model makes its outputs: the operations behind them, and the parts that they are concatenated from.

The shape of an output does not tell a class from an angle, a keypoint or a mask coefficient; the operations that make it
often do. Of the file's protobuf only the graph's nodes are described here; all else is passed through as it is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import islice
from pathlib import Path
from typing import Any

__all__ = ["Graph", "Part", "Provenance", "read_graph"]

Shape = tuple[int, ...]

MOST_NODES = 4000
"""Most operations that are followed back from one output."""
MOST_DEPTH = 24
"""Most concatenations and reshapings in sequence."""
MOST_TENSORS = 1000
"""Most tensors that the outputs of a model are joined from."""

_WEIGHTS = frozenset({"Conv", "ConvTranspose", "Gemm", "MatMul", "QLinearConv", "QLinearMatMul", "ConvInteger"})
"""Layers with weights: operations are followed back to these, and no further."""
_FORM = frozenset(
    {
        "Identity",
        "Cast",
        "Transpose",
        "Reshape",
        "Squeeze",
        "Unsqueeze",
        "Flatten",
        "QuantizeLinear",
        "DequantizeLinear",
    }
)
"""Operations that change the form of a tensor, not its numbers."""
_CUTS = frozenset({"Slice", "Split", "Gather", "StridedSlice"})


@dataclass(frozen=True)
class Part:
    """One of the tensors that an output is concatenated from, along its channels."""

    width: int
    """Channels."""
    last: str
    """The operation that made its numbers, such as 'Sigmoid'; '' where it is sliced from another tensor or an input."""
    cut: bool
    """It is sliced from another tensor, whose own parts are not known."""
    ops: frozenset[str]
    """Operations back to the layers with weights."""


@dataclass(frozen=True)
class Provenance:
    """How one output is made."""

    last: str = ""
    """The operation that made its numbers; '' for a concatenation."""
    ops: frozenset[str] = frozenset()
    """Operations back to the layers with weights."""
    parts: tuple[Part, ...] = ()
    """The tensors it is concatenated from along its channels; () when there are none, or they are not known."""


@dataclass(frozen=True)
class _Join:
    """A tensor as the concatenation of others; a leaf has no children."""

    name: str
    """The tensor itself."""
    values: str
    """Name of the tensor with the same numbers before casts and reshapings."""
    last: str
    children: tuple[_Join, ...] = ()


@dataclass
class Graph:
    """The nodes of a model file by the tensors that they make."""

    producers: Mapping[str, Any] = field(default_factory=dict)
    with_outputs: Callable[[Sequence[str]], bytes] = lambda names: b""
    """Names of tensors -> the model's bytes with these as outputs."""
    constants: Mapping[str, Shape] = field(default_factory=dict)
    """Shapes of the constants (weights) in the file."""
    _joins: dict[str, _Join] = field(default_factory=dict)

    def ops(self, name: str) -> frozenset[str]:
        """Operations behind a tensor, back to the layers with weights."""
        seen: set[str] = set()
        kinds: set[str] = set()
        waiting = [name]
        while waiting and len(seen) < MOST_NODES:
            node = self.producers.get(waiting.pop())
            if node is None or node.output[0] in seen:
                continue
            seen.add(node.output[0])
            if node.op_type in _WEIGHTS:
                continue
            kinds.add(node.op_type)
            waiting += node.input
        return frozenset(kinds)

    def tensors(self, outputs: Sequence[str]) -> list[str]:
        """All tensors whose shapes :meth:`provenance` needs for these outputs; none when they are too many."""
        every = list(islice((n for output in outputs for n in _names(self._join(output))), MOST_TENSORS))
        return [name for name in dict.fromkeys(every) if name in self.producers] if len(every) < MOST_TENSORS else []

    def provenance(self, output: str, channels: Iterable[int], shapes: Mapping[str, Shape]) -> Mapping[int, Provenance]:
        """How an output is made, for each number that may be the number of its channels. ``shapes``: name of a tensor -> its shape."""
        join, ops, shapes = self._join(output), self.ops(output), {**self.constants, **shapes}
        result = {}
        for count in channels:
            found = _flat(join, count, shapes)
            parts = [Part(width, leaf.last, leaf.last in _CUTS, self.ops(leaf.name)) for leaf, width in found or ()]
            result[count] = Provenance(join.last, ops, tuple(parts))
        return result

    def _join(self, name: str, depth: int = 0) -> _Join:
        if name not in self._joins:
            self._joins[name] = self._joined(name, depth)
        return self._joins[name]

    def _joined(self, name: str, depth: int) -> _Join:
        first, node = name, self.producers.get(name)
        while node is not None and node.op_type in _FORM and depth < MOST_DEPTH:
            first, depth = node.input[0], depth + 1
            node = self.producers.get(first)
        if node is None or depth >= MOST_DEPTH:
            return _Join(name, first, "")
        if node.op_type != "Concat":
            return _Join(name, first, node.op_type)
        return _Join(name, first, "", tuple(self._join(child, depth + 1) for child in node.input))


def _names(join: _Join) -> Iterator[str]:
    yield from (join.name, join.values)
    for child in join.children:
        yield from _names(child)


def _flat(join: _Join, channels: int, shapes: Mapping[str, Shape]) -> list[tuple[_Join, int]] | None:
    """Leaves of a join along the axis of this many channels, with their channels; None: not joined, or not known."""
    total = shapes.get(join.values)
    forms = [shapes.get(child.name, ()) for child in join.children]
    axis = _axis(total, forms) if total else None
    if total is None or axis is None:
        return None
    if total[axis] != channels:  # concatenated from several grids, which are made alike
        return _flat(join.children[0], channels, shapes)
    found: list[tuple[_Join, int]] = []
    for child, form in zip(join.children, forms):
        found += _flat(child, form[axis], shapes) or [(child, form[axis])]
    return found


def _axis(total: Shape, forms: Sequence[Shape]) -> int | None:
    """The axis along which tensors of these shapes make up one of shape ``total``; None unless there is just one."""
    if not forms or any(len(f) != len(total) for f in forms):
        return None
    fits = [
        a
        for a in range(len(total))
        if sum(f[a] for f in forms) == total[a] and all(f[:a] + f[a + 1 :] == total[:a] + total[a + 1 :] for f in forms)
    ]
    return fits[0] if len(fits) == 1 else None


@lru_cache(maxsize=1)
def _messages() -> Any:
    """The class for ONNX's ModelProto, as far as it is used here (field numbers of onnx.proto)."""
    from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

    kinds = descriptor_pb2.FieldDescriptorProto
    file = descriptor_pb2.FileDescriptorProto(name="countline_onnx.proto", package="countline_onnx", syntax="proto2")
    described = {
        "Value": (("name", 1, ""),),
        "Node": (("input", 1, "*"), ("output", 2, "*"), ("op_type", 4, "")),
        "Tensor": (("dims", 1, "*int64"), ("name", 8, "")),
        "Graph": (("node", 1, "*Node"), ("initializer", 5, "*Tensor"), ("output", 12, "*Value")),
        "Model": (("graph", 7, "Graph"),),
    }
    for name, fields in described.items():
        message = file.message_type.add(name=name)
        for key, number, kind in fields:
            item = message.field.add(name=key, number=number)
            item.label = kinds.LABEL_REPEATED if kind.startswith("*") else kinds.LABEL_OPTIONAL
            of = kind.lstrip("*")
            item.type = {"": kinds.TYPE_STRING, "int64": kinds.TYPE_INT64}.get(of, kinds.TYPE_MESSAGE)
            if item.type == kinds.TYPE_MESSAGE:
                item.type_name = f".countline_onnx.{of}"
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("countline_onnx.Model"))


def read_graph(path: Path) -> Graph:
    """The nodes of a model file; an empty graph when they cannot be read."""
    from google.protobuf.message import DecodeError, EncodeError

    model = _messages()()
    try:
        model.ParseFromString(path.read_bytes())
    except (DecodeError, OSError, ValueError):
        return Graph()
    producers = {name: node for node in model.graph.node if node.output for name in node.output}

    def with_outputs(names: Sequence[str]) -> bytes:
        del model.graph.output[:]
        for name in names:
            model.graph.output.add(name=name)
        try:
            return bytes(model.SerializeToString())
        except EncodeError:  # beyond what a message may hold
            return b""

    return Graph(producers, with_outputs, {t.name: tuple(t.dims) for t in model.graph.initializer})
