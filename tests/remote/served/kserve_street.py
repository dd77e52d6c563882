"""A detector as KServe serves one of one's own; runs in KServe's environment.

python kserve_street.py --onnx MODEL --http_port N --grpc_port N
"""

from __future__ import annotations

import argparse

import numpy as np
import onnxruntime
from kserve import InferOutput, InferRequest, InferResponse, Model, ModelServer, model_server

DATATYPES = {"tensor(uint8)": "UINT8", "tensor(float)": "FP32"}


class Street(Model):
    def __init__(self, path: str) -> None:
        super().__init__("street")
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 2
        self._session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        self.ready = True

    @staticmethod
    def _ports(nodes: list) -> list[dict]:
        return [
            {"name": n.name, "datatype": DATATYPES[n.type], "shape": [d if isinstance(d, int) else -1 for d in n.shape]}
            for n in nodes
        ]

    def get_input_types(self) -> list[dict]:
        return self._ports(self._session.get_inputs())

    def get_output_types(self) -> list[dict]:
        return self._ports(self._session.get_outputs())

    def predict(
        self, payload: InferRequest, headers: dict | None = None, response_headers: dict | None = None
    ) -> InferResponse:
        given = {tensor.name: tensor.as_numpy().astype(np.uint8) for tensor in payload.inputs}
        names = [node.name for node in self._session.get_outputs()]
        outputs = []
        for name, array in zip(names, self._session.run(names, given)):
            output = InferOutput(name=name, shape=list(array.shape), datatype="FP32")
            output.set_data_from_numpy(array, binary_data=bool(payload.use_binary_outputs))
            outputs.append(output)
        return InferResponse(
            response_id=payload.id, model_name=self.name, infer_outputs=outputs,
            use_binary_outputs=payload.use_binary_outputs, requested_outputs=payload.request_outputs,
        )  # fmt: skip


if __name__ == "__main__":
    parser = argparse.ArgumentParser(parents=[model_server.parser])
    parser.add_argument("--onnx", required=True)
    args, _ = parser.parse_known_args()
    ModelServer(http_port=args.http_port, grpc_port=args.grpc_port, workers=1).start([Street(args.onnx)])
