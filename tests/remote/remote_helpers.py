"""A model that finds what is bright, a server for it, and runs through it."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

import starting
from ports import free_port

SIZE = 320
CELLS = (SIZE // 8) ** 2 + (SIZE // 16) ** 2 + (SIZE // 32) ** 2
LABELS = ["square", "circle", "star"]
_TYPES = {"FP32": TensorProto.FLOAT, "FP16": TensorProto.FLOAT16, "UINT8": TensorProto.UINT8}


def bright_model(path: Path, *, datatype: str = "FP32", batch: str | int = "n", beside: bool = False) -> Path:
    """(n, 3, 320, 320) -> (n, 4 + 3 classes, cells) in the form of YOLOv8: the box around all that is bright, of the first class
    at 0.9. ``beside``: another output before it, which means nothing."""
    nodes: list[onnx.NodeProto] = []
    constants: list[onnx.TensorProto] = []

    def op(kind: str, *inputs: str, **attributes: object) -> str:
        nodes.append(helper.make_node(kind, list(inputs), [f"t{len(nodes)}"], **attributes))
        return nodes[-1].output[0]

    def constant(value: object) -> str:
        constants.append(numpy_helper.from_array(np.asarray(value), f"c{len(constants)}"))
        return constants[-1].name

    picture = op("Cast", "images", to=TensorProto.FLOAT)
    grey = op("ReduceMean", picture, axes=[1], keepdims=0)
    bright = op("Greater", grey, constant(np.float32(128 if datatype == "UINT8" else 0.5)))
    ends = []
    for axis in ((1, 1, SIZE), (1, SIZE, 1)):
        at = constant(np.arange(SIZE, dtype=np.float32).reshape(axis))
        for beyond, reduce in ((1e4, "ReduceMin"), (-1e4, "ReduceMax")):
            ends.append(op(reduce, op("Where", bright, at, constant(np.float32(beyond))), axes=[1, 2], keepdims=1))
    left, right, top, bottom = ends
    half, one = constant(np.float32(0.5)), constant(np.float32(1))
    seen = op("Cast", op("Greater", right, left), to=TensorProto.FLOAT)
    right, bottom = op("Add", right, one), op("Add", bottom, one)
    rows = [op("Mul", op("Add", a, b), half) for a, b in ((left, right), (top, bottom))]
    rows += [op("Sub", b, a) for a, b in ((left, right), (top, bottom))]
    rows = [op("Mul", row, seen) for row in rows]
    score = op("Mul", seen, constant(np.float32(0.9)))
    nothing = op("Mul", seen, constant(np.float32(0)))
    column = op("Concat", *rows, score, nothing, nothing, axis=1)
    nodes.append(helper.make_node("Pad", [column, constant(np.array([0, 0, 0, 0, 0, CELLS - 1]))], ["output0"]))
    outputs = [helper.make_tensor_value_info("output0", TensorProto.FLOAT, [batch, 7, CELLS])]
    if beside:
        nodes.append(helper.make_node("Identity", [grey], ["aside"]))
        outputs.insert(0, helper.make_tensor_value_info("aside", TensorProto.FLOAT, [batch, SIZE, SIZE]))
    given = helper.make_tensor_value_info("images", _TYPES[datatype], [batch, 3, SIZE, SIZE])
    graph = helper.make_graph(nodes, "bright", [given], outputs, constants)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)
    return path


class Server:
    """The process; killed and started again at the same ports."""

    def __init__(self, model: Path, *options: str) -> None:
        self.model, self.options = model, options
        self.grpc, self.http = free_port(), free_port()
        self.process: starting.Popen | None = None
        self._turn = threading.Lock()

    def start(self, *options: str) -> Server:
        """With ``options`` instead of the first ones, where there are any; after a :meth:`kill` that is under way."""
        with self._turn:
            return self._start(options)

    def _start(self, options: tuple[str, ...]) -> Server:
        script = Path(__file__).with_name("inference_server.py")
        ports = ["--grpc", str(self.grpc), "--http", str(self.http)]
        self.process = starting.Popen(
            [sys.executable, str(script), str(self.model), *ports, *(options or self.options)],
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self.process.stdout is not None
        assert self.process.stdout.readline() == "ready\n"
        return self

    def kill(self) -> None:
        """As kill -9 does; clients may see it before this returns."""
        with self._turn:
            if self.process is None:
                return
            self.process.kill()
            self.process.wait(30)
            assert self.process.stdout is not None
            self.process.stdout.close()
            self.process = None

    def url(self, scheme: str = "grpc", model: str = "squares") -> str:
        port = self.grpc if scheme.startswith("grpc") else self.http
        return f"{scheme}://127.0.0.1:{port}/{model}"


@contextmanager
def serving(model: Path, *options: str) -> Iterator[Server]:
    server = Server(model, *options)
    try:
        yield server.start()
    finally:
        server.kill()


def configuration(video: Path, folder: Path, detector: dict[str, Any], **source: Any) -> dict[str, Any]:
    """Counts of the made video, its messages in a file."""
    return {
        "sources": [{"name": "gate", "uri": str(video), **source}],
        "detector": {"labels": LABELS, **detector},
        "rules": {"lines": [{"name": "straight", "points": [[0.2, 0.5], [0.8, 0.5]]}]},
        "messages": [
            {"name": "crossing", "on": "crossing", "value": {"id": "{id}", "count": "{lines.straight.cumulative}"}}
        ],
        "outputs": [{"file": {"path": str(folder / "out.jsonl")}}],
        "outbox": {"path": str(folder / "box")},
    }


def lines(path: Path) -> Sequence[str]:
    return path.read_text().splitlines() if path.exists() else []
