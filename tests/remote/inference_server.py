"""An inference server for tests: version 2 of the open inference protocol by gRPC and HTTP, over ONNX Runtime.

    python inference_server.py MODEL.onnx --grpc 8001 --http 8000 [--name people] ...

A process of its own, so that it can be killed. Prints ``ready`` when both ports listen.
"""

from __future__ import annotations

import argparse
import json
import os
import ssl
import sys
import threading
import time
from collections.abc import Callable
from concurrent import futures
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import grpc
import numpy as np
import onnxruntime

from countline.detect.remote.messages import SERVICE, message
from countline.detect.remote.protocol import array_of, datatype_of

TYPES = {"tensor(float)": "FP32", "tensor(float16)": "FP16", "tensor(uint8)": "UINT8", "tensor(int64)": "INT64"}


class Refused(Exception):
    def __init__(self, code: grpc.StatusCode, status: int, text: str) -> None:
        super().__init__(text)
        self.code, self.status, self.text = code, status, text


class Model:
    """What both protocols serve."""

    def __init__(self, args: argparse.Namespace) -> None:
        self.args = args
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = args.threads
        self.session = onnxruntime.InferenceSession(args.model, options, providers=["CPUExecutionProvider"])
        self.inputs = [self.port(node) for node in self.session.get_inputs()]
        self.outputs = [self.port(node) for node in self.session.get_outputs()]
        if args.reverse:
            self.outputs.reverse()
        self.requests = 0

    @staticmethod
    def port(node: Any) -> tuple[str, str, list[int]]:
        return node.name, TYPES[node.type], [d if isinstance(d, int) else -1 for d in node.shape]

    def admit(self, name: str, version: str, token: str) -> None:
        if self.args.token and token != f"Bearer {self.args.token}":
            raise Refused(grpc.StatusCode.UNAUTHENTICATED, 401, "no valid token")
        if name != self.args.name or version not in ("", self.args.version):
            raise Refused(
                grpc.StatusCode.NOT_FOUND, 404, f"Request for unknown model: '{name}' version '{version}' is not found"
            )

    def run(self, given: dict[str, np.ndarray]) -> list[tuple[str, np.ndarray]]:
        self.requests += 1
        time.sleep(self.args.delay)
        if self.args.hang and self.requests > self.args.hang:
            time.sleep(3600)
        for name, datatype, shape in self.inputs:
            if name not in given:
                raise Refused(grpc.StatusCode.INVALID_ARGUMENT, 400, f"expected the input '{name}'")
            array = given[name]
            fits = array.ndim == len(shape) and all(d in (-1, n) for d, n in zip(shape, array.shape))
            if not fits or datatype_of(array) != datatype:
                raise Refused(
                    grpc.StatusCode.INVALID_ARGUMENT, 400,
                    f"unexpected shape or type for input '{name}': expecting {datatype} {shape}, got {list(array.shape)}",
                )  # fmt: skip
            if self.args.max_batch and len(array) > self.args.max_batch:
                text = f"batch-size must be <= {self.args.max_batch}"
                raise Refused(grpc.StatusCode.INVALID_ARGUMENT, 400, text)
        names = [name for name, _, _ in self.outputs]
        return list(zip(names, self.session.run(names, given)))


def serve_grpc(model: Model, port: int) -> grpc.Server:
    args = model.args

    def call(name: str, work: Any) -> Any:
        def handle(request: Any, context: grpc.ServicerContext) -> Any:
            token = dict(context.invocation_metadata()).get("authorization", "")
            try:
                named = (
                    (request.model_name, request.model_version)
                    if name == "ModelInfer"
                    else (request.name, request.version)
                )
                model.admit(*named, token)
                return work(request)
            except Refused as refused:
                context.abort(refused.code, refused.text)

        return grpc.unary_unary_rpc_method_handler(
            handle,
            request_deserializer=message(f"{name}Request").FromString,
            response_serializer=lambda response: response.SerializeToString(),
        )

    def metadata(request: Any) -> Any:
        response = message("ModelMetadataResponse")(
            name=args.name, versions=[args.version], platform="onnxruntime_onnx"
        )
        for ports, target in ((model.inputs, response.inputs), (model.outputs, response.outputs)):
            for name, datatype, shape in () if args.dumb else ports:
                target.add(name=name, datatype=datatype, shape=shape)
        return response

    def config(request: Any) -> Any:
        response = message("ModelConfigResponse")()
        response.config.max_batch_size = args.max_batch
        for key, text in args.parameters.items():
            entry = response.config.parameters.add(key=key)
            entry.value.string_value = text
        return response

    def infer(request: Any) -> Any:
        raw = request.raw_input_contents
        given = {t.name: array_of(t.name, t.datatype, t.shape, raw[i]) for i, t in enumerate(request.inputs)}
        response = message("ModelInferResponse")(model_name=args.name, model_version=args.version)
        for name, array in model.run(given):
            tensor = response.outputs.add(name=name, datatype=datatype_of(array), shape=array.shape)
            if args.typed:
                tensor.contents.fp32_contents.extend(array.reshape(-1).tolist())
            else:
                response.raw_output_contents.append(array.tobytes())
        return response

    methods = {"ModelMetadata": metadata, "ModelInfer": infer}
    methods["ModelReady"] = lambda request: message("ModelReadyResponse")(ready=True)
    if args.max_batch is not None:
        methods["ModelConfig"] = config
    options = [("grpc.max_receive_message_length", args.longest), ("grpc.so_reuseport", 0)]
    server = grpc.server(futures.ThreadPoolExecutor(8), options=options)
    handlers = {name: call(name, work) for name, work in methods.items()}
    server.add_generic_rpc_handlers([grpc.method_handlers_generic_handler(SERVICE, handlers)])
    if args.cert:
        with open(args.key, "rb") as key, open(args.cert, "rb") as cert:
            pair = (key.read(), cert.read())
        with open(args.client_ca, "rb") as client_ca:
            credentials = grpc.ssl_server_credentials([pair], client_ca.read(), True)
        _bound(lambda: server.add_secure_port(f"127.0.0.1:{port}", credentials))
    else:
        _bound(lambda: server.add_insecure_port(f"127.0.0.1:{port}"))
    server.start()
    return server


def _bound(bind: Callable[[], int]) -> None:
    """Connections of a server that was killed may hold its port for a moment."""
    for _ in range(100):
        try:
            bind()
        except RuntimeError:
            time.sleep(0.2)
        else:
            return
    bind()


def serve_http(model: Model, port: int) -> ThreadingHTTPServer:
    args = model.args

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_: object) -> None:
            pass

        def answer(self, status: int, body: bytes, headers: dict[str, str] | None = None) -> None:
            self.send_response(status)
            for name, value in {"Content-Length": str(len(body)), **(headers or {})}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def do_GET(self) -> None:
            self.handle_with(lambda rest: self.get(rest))

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            self.handle_with(lambda rest: self.infer(body))

        def handle_with(self, work: Any) -> None:
            try:
                parts = self.path.removeprefix(args.prefix).strip("/").split("/")
                if parts[:2] != ["v2", "models"]:
                    raise Refused(grpc.StatusCode.NOT_FOUND, 404, "no such page")
                name, rest, version = parts[2], parts[3:], ""
                if rest[:1] == ["versions"]:
                    version, rest = rest[1], rest[2:]
                model.admit(name, version, self.headers.get("authorization", ""))
                work("/".join(rest))
            except Refused as refused:
                self.answer(refused.status, json.dumps({"error": refused.text}).encode())

        def get(self, rest: str) -> None:
            found: dict[str, Any]
            if rest == "ready":
                found = {}
            elif rest == "config" and args.max_batch is not None:
                parameters = {key: {"string_value": text} for key, text in args.parameters.items()}
                found = {"name": args.name, "max_batch_size": args.max_batch, "parameters": parameters}
            elif not rest:
                ports = {"inputs": model.inputs, "outputs": model.outputs}
                keys = ("name", "datatype", "shape")
                told = {k: [] if args.dumb else [dict(zip(keys, p)) for p in v] for k, v in ports.items()}
                found = {"name": args.name, "versions": [args.version], "platform": "onnxruntime_onnx", **told}
            else:
                raise Refused(grpc.StatusCode.UNIMPLEMENTED, 404, "no such extension")
            self.answer(200, json.dumps(found).encode())

        def infer(self, body: bytes) -> None:
            length = self.headers.get("Inference-Header-Content-Length")
            if length is not None and args.json:
                raise Refused(grpc.StatusCode.INVALID_ARGUMENT, 400, "cannot parse the body as JSON")
            at = int(length) if length is not None else len(body)
            asked, given = json.loads(body[:at]), {}
            for tensor in asked["inputs"]:
                size = tensor.get("parameters", {}).get("binary_data_size")
                values = tensor["data"] if size is None else body[at : at + size]
                at += size or 0
                given[tensor["name"]] = array_of(tensor["name"], tensor["datatype"], tensor["shape"], values)
            binary = asked.get("parameters", {}).get("binary_data_output", False)
            outputs, parts = [], []
            for name, array in model.run(given):
                told = {"name": name, "datatype": datatype_of(array), "shape": list(array.shape)}
                if binary:
                    parts.append(array.tobytes())
                    told["parameters"] = {"binary_data_size": len(parts[-1])}
                else:
                    told["data"] = array.reshape(-1).tolist()
                outputs.append(told)
            head = json.dumps({"model_name": args.name, "model_version": args.version, "outputs": outputs}).encode()
            extra = {"Inference-Header-Content-Length": str(len(head))} if binary else {}
            self.answer(200, b"".join([head, *parts]), extra)

    server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
    if args.cert:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=args.client_ca)
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_cert_chain(args.cert, args.key)
        server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server


def main(*words: str) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("--grpc", type=int, required=True)
    parser.add_argument("--http", type=int, required=True)
    parser.add_argument("--name", default="squares")
    parser.add_argument("--version", default="1")
    parser.add_argument(
        "--max-batch", type=int, help="as Triton's config tells it; it has no such extension unless given"
    )
    parser.add_argument("--threads", type=int, default=1, help="of one inference")
    parser.add_argument("--parameters", type=json.loads, default={}, help="of Triton's config")
    parser.add_argument("--token", default="", help="that is asked for")
    parser.add_argument("--prefix", default="", help="of HTTP paths")
    parser.add_argument("--delay", type=float, default=0.0, help="seconds that each request takes more")
    parser.add_argument("--hang", type=int, default=0, help="requests after which no answer comes any more")
    parser.add_argument("--longest", type=int, default=-1, help="bytes of a gRPC message")
    parser.add_argument("--json", action="store_true", help="HTTP takes numbers within the JSON only")
    parser.add_argument("--typed", action="store_true", help="gRPC answers with numbers, not with bytes")
    parser.add_argument("--reverse", action="store_true", help="outputs in the reverse order")
    parser.add_argument("--dumb", action="store_true", help="tells neither inputs nor outputs")
    parser.add_argument("--cert")
    parser.add_argument("--key")
    parser.add_argument("--client-ca", help="that vouches for those who may ask")
    args = parser.parse_args(words)
    model = Model(args)
    kept = serve_grpc(model, args.grpc), serve_http(model, args.http)
    print("ready", flush=True)
    parent = os.getppid()
    while os.getppid() == parent:  # never longer than the test
        time.sleep(0.5)
    del kept


if __name__ == "__main__":
    main(*sys.argv[1:])
