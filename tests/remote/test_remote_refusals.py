"""What cannot work is refused before anything starts: with what was wrong, where, what to do, and an exit code."""

from __future__ import annotations

import socket
from pathlib import Path
from typing import Any

import pytest
from conftest_e2e import command, write
from remote_helpers import LABELS, Server, serving

from countline import detect
from countline.config import Config, DetectorConfig
from countline.errors import ConfigError, DetectorError
from countline.pipeline.build import as_config, mark
from ports import free_port


def yaml(clip: Path, **detector: Any) -> dict[str, Any]:
    return {
        "sources": [{"name": "gate", "uri": str(clip)}],
        "detector": {"labels": LABELS, **detector},
        "outputs": [{"file": {"path": "out.jsonl"}}],
    }


def refused(**detector: Any) -> str:
    with pytest.raises(DetectorError) as caught:
        detect.make(DetectorConfig.model_validate({"labels": LABELS, **detector}))
    assert caught.value.exit_code == 3
    assert caught.value.fix
    return str(caught.value)


def test_a_model_that_the_server_does_not_have_ends_run_and_check_with_code_3(server: Server, clip: Path) -> None:
    path = write(Path("c.yaml"), yaml(clip, triton=server.url("http", "people")))
    ran, checked = command("run", path), command("check", path)
    assert ran.returncode == checked.returncode == 3
    for text in (ran.stderr, checked.stdout):
        assert "http://127.0.0.1" in text
        assert "unknown model: 'people'" in text
        assert "check the name and version in detector.triton" in text
        assert "Traceback" not in text


def test_check_says_which_model_answers(server: Server, clip: Path) -> None:
    checked = command("check", write(Path("c.yaml"), yaml(clip, triton=server.url())))
    assert checked.returncode == 0
    assert "version 1, onnxruntime_onnx" in checked.stdout
    assert "requests of 8 frames at most, 2 at once" in checked.stdout


def test_who_is_not_let_in_is_told_and_no_token_is_shown(model: Path) -> None:
    with serving(model, "--token", "open-sesame") as server:
        for scheme in ("grpc", "http"):
            text = refused(triton={"url": server.url(scheme), "headers": {"authorization": "Bearer wrong-horse"}})
            assert "UNAUTHENTICATED" in text or "401" in text
            assert "detector.triton.headers" in text
            assert "wrong-horse" not in text


def test_a_server_that_is_not_there_or_silent_is_waited_for_and_then_refused() -> None:
    for scheme in ("grpc", "http"):
        text = refused(triton={"url": f"{scheme}://127.0.0.1:{free_port()}/people", "timeout": 0.5})
        assert "check host and port" in text
        with socket.create_server(("127.0.0.1", 0)) as silent:
            text = refused(triton={"url": f"{scheme}://127.0.0.1:{silent.getsockname()[1]}/people", "timeout": 0.5})
        assert "no answer within 0.5 s" in text or "not available" in text


def test_a_page_that_is_no_inference_server_is_refused(server: Server) -> None:
    assert "404" in refused(triton=server.url("http").replace("/squares", "/elsewhere/squares"))


@pytest.mark.parametrize("shape", [[-1, 3, 640, 640], [3, 320, 320]])
def test_an_input_declared_otherwise_than_the_model_takes_it_is_refused(server: Server, shape: list[int]) -> None:
    inputs = [{"name": "images", "shape": shape}]
    for scheme in ("grpc", "http"):
        text = refused(triton={"url": server.url(scheme), "inputs": inputs})
        assert "unexpected shape or type for input 'images'" in text
        assert "detector.triton.inputs" in text


@pytest.mark.parametrize(
    ("given", "what"),
    [
        ("people", "is not the address of a model"),
        ("grpc://gpu:8001", "names no model"),
        ("grpc://gpu:8001/a/b", "gRPC knows no paths"),
        ("ftp://gpu/people", "is not the address of a model"),
        ("http://user:secret99@gpu/people", "holds a user or password"),
        ("http://gpu/people?batch=3", "asks for 'batch'"),
        ("grpc://gpu:99999/people", "is no address"),
        ({"url": "grpc://gpu/people:2", "version": 3}, "names version 2"),
        ({"url": "grpc://gpu/people", "tls": {}}, "tls with an address that has none"),
        ({"url": "grpcs://gpu/people", "tls": {"cert": "c.pem"}}, "cert and key go together"),
        ({"url": "grpc://gpu/people", "headers": {"a b": "c"}}, "cannot be the name of a header"),
        ({"url": "grpc://gpu/people", "headers": {"token": "abcd\nefgh"}}, "no header may have"),
        ({"url": "grpc://gpu/people", "timeout": 0}, "must be more than 0"),
    ],
)
def test_an_address_that_cannot_be_is_refused_with_its_place(given: Any, what: str) -> None:
    with pytest.raises(ConfigError) as caught:
        as_config({"sources": [{"name": "gate", "uri": "a.mp4"}], "detector": {"triton": given}})
    assert what in str(caught.value)
    assert "triton" in str(caught.value)
    for secret in ("secret99", "abcd", "efgh"):
        assert secret not in str(caught.value)


@pytest.mark.parametrize("option", [{"model": "a.onnx"}, {"runtime": "openvino"}, {"device": "cuda"}, {"threads": 3}])
def test_options_of_a_model_that_runs_here_are_refused_beside_one_on_a_server(option: dict[str, Any]) -> None:
    data = {"sources": [{"name": "g", "uri": "a.mp4"}], "detector": {"triton": "grpc://gpu/people", **option}}
    with pytest.raises(ConfigError, match="that is for a model that runs here"):
        as_config(data)


def test_where_a_model_runs_is_no_part_of_the_ids_of_messages_and_which_one_is() -> None:
    def of(**detector: Any) -> str:
        data = {"sources": [{"name": "g", "uri": "a.mp4"}], "detector": detector}
        return mark(Config.model_validate(data), [])

    assert of(triton="grpc://a:1/people:3") == of(triton={"url": "http://b:2/people", "version": "3", "timeout": 1})
    assert len({of(triton="grpc://a/people:3"), of(triton="grpc://a/people"), of(triton="grpc://a/cars"), of()}) == 4
