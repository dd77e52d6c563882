"""From a configuration to the detector that it describes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from countline.config import DetectorConfig
from countline.detect.catalogue import CATALOGUE, DEFAULT, weights
from countline.detect.classes import plan
from countline.detect.detector import OnnxDetector
from countline.detect.on_gpu import GpuDetector, open_gpus
from countline.detect.remote import make_remote
from countline.detect.runtime import choose_runtime, choose_threads, open_session
from countline.detect.signature import read_signature
from countline.errors import ConfigError, DetectorError
from countline.gpu.device import Gpu

__all__ = ["make"]


def make(config: DetectorConfig, *, low: float | None = None) -> OnnxDetector:
    """The detector that a configuration describes, loaded and warmed up.

    ``low`` (the tracker's) is the confidence from which detections are handed on; half of each class's threshold unless
    given. Raises ConfigError for impossible settings, DetectorError for a model that cannot be loaded or understood, or a server
    that cannot be reached, MissingExtra for a runtime that is not installed.
    """
    if config.triton is not None:
        return make_remote(config, low=low)
    on_gpu = config.device.partition(":")[0].lower() == "cuda"
    runtime = choose_runtime(config.runtime, config.device)
    threads = choose_threads(config.threads)
    name = DEFAULT if config.model == "default" else config.model
    known = CATALOGUE.get(name)
    if known:
        # 8-bit arithmetic pays with OpenVINO; ONNX Runtime gains too little from it to be worth its rounding.
        auto = "int8" if runtime == "openvino" and _has_int8(name) else "fp32"
        auto = "fp16" if on_gpu and known.half else auto
        precision = auto if config.precision == "auto" else config.precision
        path = weights(name, "fp32" if precision == "fp16" else precision).path
    else:
        if config.precision != "auto":
            raise ConfigError(
                "precision is a choice of the package's own models only",
                where="detector.precision",
                fix="leave it out, or give a model of that precision",
            )
        path, precision = Path(config.model).expanduser(), "as in the file"
    if precision == "fp16" and not on_gpu:
        raise ConfigError(
            "fp16 is for a GPU", where="detector.precision", fix="set `device: cuda`, or take fp32 or int8"
        )
    if config.runtime == "openvino" and on_gpu:
        raise ConfigError(
            "OpenVINO does not run on this device", where="detector.runtime", fix="leave it out, or write onnxruntime"
        )
    gpus = _gpus(config) if on_gpu else ()
    session = open_session(path, runtime, threads, "cpu" if on_gpu else config.device)
    try:
        signature = read_signature(session, config, str(path))
        classes = plan(config, signature.labels, known=known, low=low)
        if gpus:
            return GpuDetector(session, signature, classes, config, path, precision, threads, gpus=gpus)
        return OnnxDetector(session, signature, classes, config, path, precision, threads)
    except BaseException:
        session.close()
        raise


def _gpus(config: DetectorConfig) -> Sequence[Gpu]:
    """The GPUs that are asked for, opened before anything else may open them."""
    return open_gpus(config.gpus)


def _has_int8(name: str) -> bool:
    try:
        weights(name, "int8")
    except DetectorError:
        return False
    return True
