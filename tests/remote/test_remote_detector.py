"""A model on a server finds what it finds here, whichever way it is asked."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from remote_helpers import LABELS, Server, bright_model, serving
from servers import Certificates

from countline import detect
from countline.config import DetectorConfig
from countline.errors import ConfigError, DetectorError
from countline.protocols import BatchDetector
from countline.types import Frame, FrameInfo, SourceInfo
from countline.video.picture import ArrayPicture


def frames() -> list[Frame]:
    """Dark pictures of two sizes with a bright block in each, but for the last."""
    found = []
    for i in range(11):
        image = np.full((240, 320, 3) if i % 2 else (480, 640, 3), 20, np.uint8)
        if i < 10:
            image[60 + 9 * i : 100 + 9 * i, 120 : 150 + 3 * i] = 235
        info = FrameInfo(SourceInfo("blocks"), i, 0, 0, image.shape[1], image.shape[0])
        found.append(Frame(info, ArrayPicture(image)))
    return found


def found(**config: Any) -> list[tuple[bytes, bytes, bytes]]:
    detector = detect.make(DetectorConfig.model_validate({"labels": LABELS, **config}))
    try:
        return [(d.xyxy.tobytes(), d.confidence.tobytes(), d.class_id.tobytes()) for d in detector.detect(frames())]
    finally:
        detector.close()


@pytest.mark.parametrize(("datatype", "form"), [("FP32", "numbers"), ("FP16", "bytes"), ("UINT8", "bytes")])
def test_a_model_on_a_server_finds_to_the_bit_what_it_finds_here(tmp_path: Path, datatype: str, form: str) -> None:
    model = bright_model(tmp_path / "model.onnx", datatype=datatype)
    here = found(model=str(model), layout="yolov8")
    assert len(set(here)) == 11
    with serving(model, *(["--typed", "--json"] if form == "numbers" else [])) as server:
        for scheme in ("grpc", "http"):
            assert found(triton=server.url(scheme), layout="yolov8") == here


def test_outputs_in_any_order_and_others_beside_them_are_read(tmp_path: Path) -> None:
    model = bright_model(tmp_path / "model.onnx", beside=True)
    here = found(model=str(model), layout="yolov8")
    with serving(model, "--reverse", "--max-batch", "4") as server:
        for scheme in ("grpc", "http"):
            assert found(triton=server.url(scheme), layout="yolov8") == here


@pytest.mark.parametrize("batch", [1, 3])
def test_a_batch_that_is_fixed_in_the_model_is_kept(tmp_path: Path, batch: int) -> None:
    model = bright_model(tmp_path / "model.onnx", batch=batch)
    with serving(model) as server:
        assert found(triton=server.url()) == found(model=str(model))


def test_a_request_has_as_many_frames_as_the_model_takes(server: Server, model: Path) -> None:
    detector = detect.make(DetectorConfig(triton=server.url(), labels=LABELS))  # type: ignore[arg-type]
    assert isinstance(detector, BatchDetector)
    assert detector.most == 8
    assert [len(places) for places in detector.calls(frames())] == [8, 3]
    detector.close()
    fewer = detect.make(DetectorConfig(triton=server.url(), labels=LABELS, batch=2))  # type: ignore[arg-type]
    assert isinstance(fewer, BatchDetector)
    assert fewer.most == 2
    fewer.close()


def test_a_server_that_takes_no_several_frames_at_once_gets_one_at_a_time(
    model: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with serving(model, "--longest", str(2_000_000)) as server, caplog.at_level(logging.WARNING):
        assert found(triton=server.url()) == found(model=str(model))
    assert "does not take 4 frames in one request, so each gets its own" in caplog.text


def test_a_server_that_tells_nothing_of_its_model_needs_a_declaration(model: Path) -> None:
    with serving(model, "--dumb") as server:
        for scheme in ("grpc", "http"):
            url = server.url(scheme)
            with pytest.raises(DetectorError, match="does not tell what the model takes"):
                found(triton=url)
            inputs = [{"name": "images", "datatype": "FP32", "shape": [-1, 3, 320, 320]}]
            assert found(triton={"url": url, "inputs": inputs}, layout="yolov8") == found(model=str(model))


def test_what_triton_keeps_as_parameters_of_a_model_names_its_classes(model: Path) -> None:
    parameters = '{"names": "[\\"square\\", \\"circle\\", \\"star\\"]", "task": "detect"}'
    with serving(model, "--max-batch", "8", "--parameters", parameters) as server:
        for scheme in ("grpc", "http"):
            detector = detect.make(DetectorConfig(triton=server.url(scheme)))  # type: ignore[arg-type]
            assert list(detector.labels) == LABELS
            assert detector.layout.name == "yolov8"
            detector.close()


def test_tokens_versions_and_paths_of_gateways_reach_the_server(model: Path) -> None:
    headers = {"Authorization": "Bearer abracadabra"}
    with serving(model, "--token", "abracadabra", "--version", "3", "--prefix", "/vision/a") as server:
        grpc, http = server.url(), server.url("http").replace("/squares", "/vision/a/squares")
        for url in (grpc, f"{grpc}:3", f"{http}?version=3", http.replace("/squares", "/v2/models/squares/versions/3")):
            assert len(found(triton={"url": url, "headers": headers})) == 11
        with pytest.raises(DetectorError, match="version '4' is not found"):
            found(triton={"url": grpc, "version": 4, "headers": headers})


def test_tls_on_both_sides_and_nobody_else_is_believed(model: Path, tmp_path: Path) -> None:
    own = Certificates(tmp_path)
    with serving(model, "--cert", str(own.cert), "--key", str(own.key), "--client-ca", str(own.ca)) as server:
        pair = {"cert": str(own.client_cert), "key": str(own.client_key)}
        for scheme in ("grpcs", "https"):
            url = server.url(scheme)
            assert len(found(triton={"url": url, "tls": {"ca": str(own.ca), **pair}})) == 11
            for tls in ({"ca": str(own.other_ca), **pair}, {"ca": str(own.ca)}):
                with pytest.raises(DetectorError, match=r"cannot be reached|not available"):
                    found(triton={"url": url, "tls": tls, "timeout": 0.5})


def test_certificates_that_cannot_be_read_are_refused_with_their_place(model: Path, tmp_path: Path) -> None:
    for scheme in ("grpcs", "https"):
        with pytest.raises(ConfigError, match=r"detector\.triton\.tls"):
            found(triton={"url": f"{scheme}://localhost/people", "tls": {"ca": str(tmp_path / "none.pem")}})
