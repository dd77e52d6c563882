"""The protocol by HTTP: tensors as bytes behind the JSON where the server takes that (an extension that Triton and KServe have),
else as numbers within it."""

from __future__ import annotations

import ssl
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np
import orjson
from numpy.typing import NDArray

from countline.config.triton import TritonConfig
from countline.detect.remote.faults import Kind, RemoteFault
from countline.detect.remote.protocol import Answer, ModelMetadata, Settings, array_of, datatype_of, spec_of
from countline.errors import ConfigError, MissingExtra

__all__ = ["HttpClient"]

_LENGTH = "Inference-Header-Content-Length"
_KINDS: dict[int, Kind] = {
    401: "auth", 403: "auth", 407: "auth", 404: "missing", 408: "silent", 429: "busy", 502: "unreachable",
    503: "unreachable", 504: "silent",
}  # fmt: skip
"""Others from 500 on: failed; others: refused."""
_LONGEST = 30.0
"""Longest `Retry-After`, in seconds, that is respected."""


class HttpClient:
    """See :class:`countline.detect.remote.protocol.Client`. Raises MissingExtra, ConfigError for certificates that cannot be used."""

    def __init__(self, config: TritonConfig) -> None:
        try:
            import httpx
        except ImportError:
            raise MissingExtra("httpx", "triton", what_for="a detector on an inference server (http://)") from None
        self._httpx = httpx
        model = config.model
        version = f"/versions/{quote(model.version, safe='')}" if model.version else ""
        self._at = f"{model.prefix}/v2/models/{quote(model.model, safe='')}{version}"
        self._client = httpx.Client(
            base_url=f"{model.scheme}://{model.target}",
            headers={name: value.get_secret_value() for name, value in config.headers.items()},
            verify=_context(config) if model.encrypted else True,
            limits=httpx.Limits(max_connections=config.requests + 2, max_keepalive_connections=config.requests + 2),
        )
        self._binary: bool | None = None
        """Whether tensors go as bytes; None: not tried yet."""

    def _call(self, path: str, timeout: float, body: bytes | None = None, headers: dict[str, str] | None = None) -> Any:
        try:
            response = self._request(path, timeout, body, headers)
        except self._httpx.TimeoutException:
            raise RemoteFault("silent", f"no answer within {timeout:g} s") from None
        except self._httpx.TransportError as error:
            raise RemoteFault("unreachable", f"cannot be reached: {error or type(error).__name__}") from None
        except RuntimeError:  # used after it was closed
            raise RemoteFault("failed", "the connection is closed") from None
        if response.status_code >= 300:
            raise _fault(response)
        return response

    def _request(self, path: str, timeout: float, body: bytes | None, headers: dict[str, str] | None) -> Any:
        def ask() -> Any:
            method = "GET" if body is None else "POST"
            return self._client.request(method, self._at + path, content=body, headers=headers, timeout=timeout)

        try:
            return ask()
        except (self._httpx.RemoteProtocolError, self._httpx.ReadError, self._httpx.WriteError):
            return ask()  # the server had closed a connection that was kept

    def _json(self, response: Any, content: bytes | None = None) -> dict[str, Any]:
        try:
            found = orjson.loads(response.content if content is None else content)
        except orjson.JSONDecodeError:
            found = None
        if not isinstance(found, dict):
            raise RemoteFault("refused", f"{response.url.path} gives no JSON object: is this an inference server?")
        return found

    def ready(self, timeout: float) -> bool:
        """See the protocol."""
        try:
            self._call("/ready", timeout)
        except RemoteFault as fault:
            if fault.kind in ("auth", "silent", "unreachable", "busy"):
                raise
            return False
        return True

    def model_metadata(self, timeout: float) -> ModelMetadata:
        """See the protocol."""
        found = self._json(self._call("", timeout))
        try:
            inputs, outputs = (
                tuple(spec_of(str(t["name"]), str(t["datatype"]), t["shape"]) for t in found.get(key) or ())
                for key in ("inputs", "outputs")
            )
        except (KeyError, TypeError, ValueError) as error:
            raise RemoteFault("refused", f"its metadata of the model cannot be read: {error!r}") from None
        return ModelMetadata(
            inputs, outputs, tuple(map(str, found.get("versions") or ())), str(found.get("platform") or "")
        )

    def settings(self, timeout: float) -> Settings:
        """See the protocol: an extension of Triton's."""
        try:
            found = self._json(self._call("/config", timeout))
        except RemoteFault as fault:
            if fault.kind in ("refused", "failed", "missing"):
                return Settings()
            raise
        parameters = found.get("parameters")
        texts = {
            str(key): str(value.get("string_value", ""))
            for key, value in (parameters.items() if isinstance(parameters, dict) else ())
            if isinstance(value, dict)
        }
        most = found.get("max_batch_size")
        return Settings(most if isinstance(most, int) else None, texts)

    def infer(self, inputs: Sequence[tuple[str, NDArray[Any]]], outputs: Sequence[str], timeout: float) -> Answer:
        """See the protocol. The first request finds out whether tensors go as bytes."""
        if self._binary is not None:
            return self._infer(inputs, outputs, timeout, self._binary)
        try:
            answer = self._infer(inputs, outputs, timeout, True)
            self._binary = True
        except RemoteFault as fault:
            if fault.kind not in ("refused", "failed"):
                raise
            answer = self._infer(inputs, outputs, timeout, False)
            self._binary = False
        return answer

    def _infer(
        self, inputs: Sequence[tuple[str, NDArray[Any]]], outputs: Sequence[str], timeout: float, binary: bool
    ) -> Answer:
        tensors, parts = [], []
        for name, array in inputs:
            tensor: dict[str, Any] = {"name": name, "datatype": datatype_of(array), "shape": list(array.shape)}
            if binary:
                parts.append(np.ascontiguousarray(array).tobytes())
                tensor["parameters"] = {"binary_data_size": len(parts[-1])}
            else:
                flat = np.ascontiguousarray(array).reshape(-1)
                tensor["data"] = flat.astype(np.float32) if flat.dtype == np.float16 else flat
            tensors.append(tensor)
        asked: dict[str, Any] = {"id": "countline", "inputs": tensors}  # KServe fails without an id
        if outputs:
            asked["outputs"] = [{"name": name} for name in outputs]
        if binary:
            asked["parameters"] = {"binary_data_output": True}
        head = orjson.dumps(asked, option=orjson.OPT_SERIALIZE_NUMPY)
        kind = {"Content-Type": "application/octet-stream" if binary else "application/json"}
        headers = {**kind, _LENGTH: str(len(head))} if binary else kind
        return self._answer(self._call("/infer", timeout, b"".join([head, *parts]), headers))

    def _answer(self, response: Any) -> Answer:
        content, length = response.content, response.headers.get(_LENGTH, "")
        at = int(length) if length.isdigit() else len(content)
        found = self._json(response, content[:at])
        arrays = {}
        try:
            for tensor in found["outputs"]:
                size = (tensor.get("parameters") or {}).get("binary_data_size")
                values = tensor["data"] if size is None else content[at : at + size]
                at += size or 0
                name = str(tensor["name"])
                arrays[name] = array_of(name, tensor["datatype"], tensor["shape"], _flat(values))
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise RemoteFault("failed", f"its answer cannot be read: {error!r}") from None
        return Answer(arrays, str(found.get("model_version") or ""))

    def close(self) -> None:
        """Close the connections."""
        self._client.close()


def _flat(values: Any) -> Any:
    """Numbers as a flat list: some servers nest them by dimension."""
    while isinstance(values, list) and values and isinstance(values[0], list):
        values = [item for part in values for item in part]
    return values


def _fault(response: Any) -> RemoteFault:
    status = int(response.status_code)
    kind: Kind = _KINDS.get(status, "failed" if status >= 500 else "refused")
    try:
        body = orjson.loads(response.content)
        text = str(body.get("error") or body.get("detail") or body) if isinstance(body, dict) else str(body)
    except orjson.JSONDecodeError:
        text = response.text
    if 300 <= status < 400:
        text = f"moved to {response.headers.get('location', 'another address')}"
    after = response.headers.get("retry-after", "")
    return RemoteFault(kind, f"answers {status}: {text}", min(float(after), _LONGEST) if after.isdigit() else 0.0)


def _context(config: TritonConfig) -> ssl.SSLContext:
    tls = config.tls
    try:
        if tls.ca is None:
            import certifi

            ca = certifi.where()
        else:
            ca = str(Path(tls.ca).expanduser())
        context = ssl.create_default_context(cafile=ca)
        if tls.cert is not None and tls.key is not None:
            context.load_cert_chain(Path(tls.cert).expanduser(), Path(tls.key).expanduser(), password="")
    except (OSError, ValueError) as error:
        raise ConfigError(
            f"the certificates cannot be used: {error}", where="detector.triton.tls", fix="give PEM files"
        ) from None
    return context
