"""A user's mistake gives one clear message and a documented exit code, never a traceback."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from conftest_e2e import command, made, street, write

import starting
from countline.demo.broker import EmbeddedBroker
from ports import free_port


def told(done: object, code: int, *words: str) -> None:
    text = done.stderr + done.stdout  # type: ignore[attr-defined]
    assert done.returncode == code, text  # type: ignore[attr-defined]
    assert "Traceback" not in text
    for word in words:
        assert word in text


@pytest.fixture
def video(few: Path, quick: dict[str, Any]) -> list[object]:
    """Options for a video and a model that are both well, and for where messages go."""
    return ["-i", few, "--model", quick["model"], "--stdout"]


def test_nothing_to_run_says_what_to_type() -> None:
    told(command("run"), 2, "countline run countline.yaml", "-i VIDEO")


def test_an_unknown_command_is_told_with_a_near_one() -> None:
    told(command("rnu"), 2, "Did you mean 'run'")


def test_a_missing_configuration_is_told_by_name() -> None:
    told(command("run", "nowhere.yaml"), 2, "nowhere.yaml: no such file")


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("missing.mp4", None, ["missing.mp4"]),
        ("empty.mp4", b"", ["empty.mp4", "empty"]),
        ("text.mp4", b"this is not a video\n" * 50, ["text.mp4"]),
    ],
)
def test_a_video_that_cannot_be_opened_ends_with_exit_code_3(
    name: str, content: bytes | None, words: list[str], tmp_path: Path, quick: dict[str, Any]
) -> None:
    path = tmp_path / name
    if content is not None:
        path.write_bytes(content)
    options = ["--line", "a=0.1,0.5,0.9,0.5", "--model", quick["model"], "--stdout"]
    told(command("run", "-i", path, *options), 3, *words)


def test_a_missing_file_among_several_sources_is_told_before_anything_runs(
    broker: EmbeddedBroker, topic: str, few: Path, quick: dict[str, Any], tmp_path: Path
) -> None:
    data = street(few, broker.bootstrap, topic, detector=quick)
    data["sources"].append({"name": "gone", "uri": str(tmp_path / "gone.mp4")})
    done = command("run", write(tmp_path / "c.yaml", data))
    told(done, 3, "source 'gone'", "gone.mp4", "no such file")
    assert "frames in" not in done.stderr


def test_a_source_that_breaks_does_not_stop_the_others(
    broker: EmbeddedBroker, topic: str, few: Path, quick: dict[str, Any], tmp_path: Path
) -> None:
    cut = tmp_path / "cut.mp4"
    cut.write_bytes(b"\0\0\0\x1cftypisom" + bytes(5000))  # begins like a video and holds none
    data = made(few, broker.bootstrap, topic) | {"detector": quick}
    data["sources"].append({"name": "cut", "uri": str(cut)})
    done = command("run", write(tmp_path / "c.yaml", data))
    told(done, 3, "cut.mp4", "line straight: in 1, out 2, total 3", "output kafka: 3 acknowledged")


def test_a_model_that_is_not_onnx_is_refused_by_name(short: Path, tmp_path: Path) -> None:
    (tmp_path / "model.onnx").write_bytes(b"not a model")
    told(
        command("run", "-i", short, "--line", "a=0.1,0.5,0.9,0.5", "--stdout", "--model", tmp_path / "model.onnx"),
        3,
        "model.onnx",
    )


def test_an_unknown_class_is_told_with_near_ones(video: list[object]) -> None:
    told(command("run", *video, "--line", "a=0.1,0.5,0.9,0.5", "--classes", "persn"), 2, "persn", "person")


@pytest.mark.parametrize(
    "line", ["0.1,0.5,0.9,0.5", "a=0.1,0.5,0.9", "a=0.1,0.5,0.1,0.5", "a=left,0.5,0.9,0.5", "a=100,500,900,500"]
)
def test_an_impossible_line_is_told_with_the_right_form(line: str, video: list[object]) -> None:
    told(command("run", *video, "--line", line), 2, "line")


def test_options_beside_a_configuration_are_refused_by_name(tmp_path: Path, short: Path) -> None:
    config = write(tmp_path / "c.yaml", street(short, "127.0.0.1:1", "t"))
    told(command("run", config, "--classes", "car"), 2, "--classes", "cannot be combined")


def test_a_template_field_that_does_not_exist_is_told_with_the_valid_ones(
    tmp_path: Path, few: Path, quick: dict[str, Any]
) -> None:
    data = street(few, "127.0.0.1:1", "t", detector=quick)
    data["messages"][0]["value"] = {"count": "{lines.straigth.current}"}
    told(command("run", write(tmp_path / "c.yaml", data)), 2, "straigth", "straight")


def test_an_output_folder_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    told(command("demo", "--out", tmp_path / "file" / "demo"), 4, "cannot be made")


def test_an_outbox_that_cannot_be_made_is_told(tmp_path: Path, few: Path, quick: dict[str, Any]) -> None:
    (tmp_path / "file").write_text("in the way")
    data = made(few, "127.0.0.1:1", "t", outbox={"path": str(tmp_path / "file" / "box")}) | {"detector": quick}
    told(command("run", write(tmp_path / "c.yaml", data)), 5, "box")


def test_the_embedded_broker_says_when_its_port_is_in_use() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        told(command("demo", "--port", port, "--no-video"), 4, str(port), "in use")


def test_the_doctor_names_every_trouble_with_a_remedy(tmp_path: Path, few: Path, quick: dict[str, Any]) -> None:
    data = street(few, "127.0.0.1:1", "t", detector=quick)
    data["sources"].append({"name": "gone", "uri": str(tmp_path / "gone.mp4")})
    done = command("check", write(tmp_path / "c.yaml", data), "--timeout", "2")
    told(done, 3, "ok    source 'street'", "FAIL  source 'gone'", "->", "127.0.0.1")
    assert done.stdout.count("FAIL") >= 2


def test_the_doctor_is_content_with_a_sound_configuration(
    broker: EmbeddedBroker, topic: str, tmp_path: Path, short: Path
) -> None:
    done = command("check", write(tmp_path / "c.yaml", street(short, broker.bootstrap, topic)), "--send")
    told(done, 0, "ok    model", "ok    rules: line 'straight'")
    assert "FAIL" not in done.stdout


def test_files_do_not_wait_for_a_camera_that_is_not_there(short: Path, tmp_path: Path) -> None:
    """Also where none of its frames may be dropped: ``live: false``."""
    out = tmp_path / "out.jsonl"
    data = {
        "sources": [
            {"name": "street", "uri": str(short)},
            {"name": "gone", "uri": f"rtsp://127.0.0.1:{free_port()}/x", "live": False},
        ],
        "detector": {"interval": 30},
        "messages": [{"name": "m", "on": "interval 1s", "value": {"source": "{source}"}}],
        "outputs": [{"file": {"path": str(out)}}],
    }
    arguments = [sys.executable, "-m", "countline", "run", str(write(tmp_path / "c.yaml", data))]
    with starting.Popen(arguments, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL) as process:
        until = time.monotonic() + 60
        while not (out.exists() and b"street" in out.read_bytes()) and time.monotonic() < until:
            time.sleep(0.1)
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=60)
    assert "street" in out.read_text()
