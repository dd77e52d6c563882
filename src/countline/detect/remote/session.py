"""A model on an inference server as a session: the same interface as that of a model which runs here."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from countline.config.triton import TritonConfig
from countline.detect.remote.faults import Circuit, RemoteFault
from countline.detect.remote.grpc_client import GrpcClient
from countline.detect.remote.http_client import HttpClient
from countline.detect.remote.protocol import Answer, Client, ModelMetadata, Settings, spec_of
from countline.detect.runtime import Run, TensorSpec, feeds, picture_input
from countline.errors import DetectorError

__all__ = ["RemoteSession"]

log = logging.getLogger("countline.detect")

_PROBE = 3.0
"""Longest timeout, in seconds, of the check whether a server is back."""
_AGAIN = 0.25
"""Seconds between two attempts at start."""
_FIRST = 60.0
"""Least timeout, in seconds, of the first runs of a model: a server may compile it then."""
_FIXES = {
    "auth": "set detector.triton.headers, e.g. {authorization: \"Bearer ${TOKEN}\"}",
    "missing": "check the name and version in detector.triton, and that the server has loaded it",
    "unreachable": "check host and port in detector.triton, and that the server runs",
    "silent": "check that the server is well, or set a larger detector.triton.timeout",
    "busy": "give the server less to do, or try again",
    "failed": "see the server's own log",
    "refused": "compare detector.triton.inputs, detector.batch and detector.size with what the model takes",
}  # fmt: skip


class RemoteSession:
    """Implements :class:`countline.detect.runtime.Session`.

    Parameters
    ----------
    config: where the model is. ``batch``: most frames of a request that are wanted; 0: as many as the model takes, up to 8.

    Raises
    ------
    DetectorError: the server cannot be reached, has no such model, or does not let us in; MissingExtra, ConfigError.
    """

    metadata: Mapping[str, str]
    file: Path | None = None

    def __init__(self, config: TritonConfig, batch: int = 0) -> None:
        self.model = config.model
        self.where = str(self.model)
        self.runtime = "gRPC" if self.model.grpc else "HTTP"
        self.requests = config.requests
        self._timeout = config.timeout
        self._client: Client = GrpcClient(config) if self.model.grpc else HttpClient(config)
        self._circuit = Circuit()
        self._lock = threading.Lock()
        self._started = False
        self.beside: dict[str, NDArray[Any]] = {}
        try:
            self._model_metadata, settings = self._reach()
            self.metadata = settings.parameters
            self.inputs = self._inputs(config)
        except BaseException:
            self._client.close()
            raise
        self.outputs: tuple[TensorSpec, ...] = self._model_metadata.outputs
        self._input = picture_input(self.inputs)
        self.most = self._most(settings, batch)
        self.single = self.most == 1
        self.version = self.model.version
        """Version of the model that answered last, where the server reports it."""
        self.platform = self._model_metadata.platform

    # -- start --------------------------------------------------------------------------------------------------------

    def _reach(self) -> tuple[ModelMetadata, Settings]:
        """Ask the server what the model is; waits for it as long as one request may take."""
        until = time.monotonic() + self._timeout
        while True:
            try:
                reported = self._client.model_metadata(self._timeout)
                if self._client.ready(self._timeout):
                    return reported, self._client.settings(self._timeout)
                fault, lasting = RemoteFault("missing", "the model is not ready"), False  # it is loaded just now
            except RemoteFault as failed:
                fault, lasting = failed, failed.kind in ("auth", "refused", "missing")
            if lasting or time.monotonic() + _AGAIN > until:
                raise self._refused(fault)
            time.sleep(_AGAIN)

    def _inputs(self, config: TritonConfig) -> tuple[TensorSpec, ...]:
        if config.inputs:
            return tuple(spec_of(t.name, t.datatype, t.shape) for t in config.inputs)
        if not self._model_metadata.inputs:
            raise DetectorError(
                "the server does not tell what the model takes",
                where=self.where,
                fix="declare it: `detector: {triton: {url: ..., inputs: [{name: images, datatype: FP32, shape: [-1, 3, 640, 640]}]}}`",
            )
        return self._model_metadata.inputs

    def _most(self, settings: Settings, batch: int) -> int:
        """Most frames of a request."""
        picture = self._input
        if picture is None or picture.alone or picture.shape[0] is not None:
            return 1 if picture is None or picture.alone else picture.shape[0] or 1
        known = settings.max_batch or 0
        return min(batch or (8 if known else 4), known or batch or 4)

    # -- requests -----------------------------------------------------------------------------------------------------

    def run(self, batch: NDArray[Any]) -> list[NDArray[Any]]:
        """See the protocol. Raises DetectorAway when the server is away, DetectorError when it takes no such request."""
        timeout = self._timeout if self._started else max(self._timeout, _FIRST)
        begun = self._circuit.begin(min(timeout, _PROBE) + timeout)
        try:
            if self._circuit.away:
                self._probe()
            inputs = feeds(self._input, batch, self.beside)
            answer = self._client.infer(list(inputs.items()), [o.name for o in self.outputs], timeout)
            self._circuit.succeeded()
            return self._ordered(answer)
        except RemoteFault as fault:
            raise self._failed(fault, begun) from None

    def inference_request(self) -> Run:
        """See the protocol: answers are new arrays, and requests may overlap."""
        return self.run

    def begin(self) -> None:
        """The trial runs are over: from now on a failing server is away, and no longer refused as unusable."""
        self._started = True

    def close(self) -> None:
        """Close the connection."""
        self._client.close()

    def use_single_frames(self) -> None:
        """Send one frame in each request from now on."""
        self.most, self.single = 1, True

    @property
    def away(self) -> bool:
        """Whether the server is away."""
        return self._circuit.away

    def _failed(self, fault: RemoteFault, begun: float) -> DetectorError:
        """The error for a failed request: at start, that the model cannot be used; later, mostly, that the server is away."""
        if not self._started:
            return self._refused(fault)
        if fault.kind == "refused" and self._ready():
            try:
                self._compare()
            except DetectorError as changed:
                return changed
            except RemoteFault as other:
                return self._circuit.failed(other, begun, self.where)
            return self._refused(fault)
        return self._circuit.failed(fault, begun, self.where)

    def _ready(self) -> bool:
        """Whether the model is loaded: a server also refuses requests for a model that is not."""
        try:
            return self._client.ready(min(self._timeout, _PROBE))
        except RemoteFault:
            return False

    def _probe(self) -> None:
        """Check a server that was away. Raises RemoteFault while it still is, DetectorError if it is back with another model."""
        if not self._client.ready(min(self._timeout, _PROBE)):
            raise RemoteFault("missing", "the model is not ready")
        self._compare()

    def _compare(self) -> None:
        reported = self._client.model_metadata(min(self._timeout, _PROBE))
        if (reported.inputs, reported.outputs) == (
            self._model_metadata.inputs,
            self._model_metadata.outputs,
        ):
            return
        before, now = (
            f"inputs {_described(t.inputs)}, outputs {_described(t.outputs)}" for t in (self._model_metadata, reported)
        )
        raise DetectorError(
            f"the server has another model under this name now: {now}; before, {before}",
            where=self.where,
            fix="start anew with it, or name the version: `model:3`",
        )

    def _ordered(self, answer: Answer) -> list[NDArray[Any]]:
        self._note(answer)
        missing = [o.name for o in self.outputs if o.name not in answer.outputs]
        if missing:
            raise RemoteFault(
                "refused", f"the answer lacks the output '{missing[0]}', and has {', '.join(answer.outputs)}"
            )
        return [answer.outputs[o.name] for o in self.outputs]

    def _note(self, answer: Answer) -> None:
        if not self.outputs:
            self.outputs = tuple(
                TensorSpec(name, tuple(array.shape), array.dtype) for name, array in answer.outputs.items()
            )
        version = answer.version
        if version and version != self.version:
            with self._lock:
                before, self.version = self.version, version
            if before and before != version and self._started:
                log.warning(
                    "%s: the model is version %s now, %s before: what is counted from now on is the new one's",
                    self.where, version, before,
                )  # fmt: skip

    def _refused(self, fault: RemoteFault) -> DetectorError:
        return DetectorError(fault.text, where=self.where, fix=_FIXES[fault.kind])


def _described(specs: Sequence[TensorSpec]) -> str:
    return "; ".join(map(str, specs)) or "not told"
