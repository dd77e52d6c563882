"""What is told of a mistake names the mistake, and what it advises helps where it was made."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from conftest_e2e import command
from hypothesis import given
from hypothesis import strategies as st

from countline.cli import main
from countline.commands.summary_text import summary_text
from countline.config.faults import ConfigFault
from countline.outputs.kafka.config import check_server
from countline.pipeline.stats import OutputStats, Summary


@pytest.mark.parametrize(
    "address",
    ["http://localhost:9092", "https://broker", "localhost:9092/topic", "kafka://broker:9092", "broker:90920", "broker:", "a b:9092",
     "user:pw@broker:9092", "broker:port", ":9092", "::1", "[::1", "http:localhost"],
)  # fmt: skip
@pytest.mark.parametrize("where", ["run", "consume"])
def test_what_is_no_address_of_a_broker_is_refused_at_once(
    address: str, where: str, capsys: pytest.CaptureFixture[str], short: Path
) -> None:
    with pytest.raises(SystemExit) as end:
        if where == "run":
            main(["run", "-i", str(short), "--line", "l=0,0.5,1,0.5", "--kafka", address, "--topic", "t"])
        else:
            main(["consume", "t", "--kafka", address])
    assert end.value.code == 2
    err = capsys.readouterr().err
    assert "is not host:port" in err
    assert "write " in err


@pytest.mark.parametrize(
    "address", ["localhost", "localhost:9092", "127.0.0.1:1", "[::1]:9092", "[fe80::1%eth0]:9092", "SASL_SSL://b-1.example.com:9096",
                "plaintext://x:65535", "my_broker.internal:9092"],
)  # fmt: skip
def test_addresses_of_brokers_are_accepted(address: str) -> None:
    check_server(address)


@given(st.text(max_size=30))
def test_any_text_is_an_address_or_is_refused(text: str) -> None:
    try:
        check_server(text)
    except ConfigFault as fault:
        assert fault.fix  # noqa: PT017 - either way is right


def test_pixels_on_the_command_line_are_answered_with_what_the_command_line_has(
    capsys: pytest.CaptureFixture[str], short: Path
) -> None:
    for option, points in (("--line", "l=100,200,300,400"), ("--region", "r=1,2,30,4,50,600")):
        with pytest.raises(SystemExit) as end:
            main(["run", "-i", str(short), option, points, "--stdout"])
        assert end.value.code == 2
        err = capsys.readouterr().err
        assert err.startswith(f"countline: {option}: ")
        assert "0..1" in err
        assert "configuration file" in err


def test_a_summary_of_an_outbox_in_memory_does_not_send_anybody_to_look_into_it() -> None:
    summary = Summary(outputs={"kafka": OutputStats(acknowledged=1, dead=2)})
    summary.durable = False
    assert "countline outbox" not in summary_text(summary)
    summary.durable = True
    assert "`countline outbox` shows why" in summary_text(summary)


@pytest.mark.skipif(os.getuid() != 0, reason="becomes nobody, which only root may")
@pytest.mark.parametrize("closed", ["file", "folder"])
def test_a_model_that_may_not_be_read_is_told_as_such(short: Path, tmp_path: Path, closed: str) -> None:
    folder = tmp_path / "models"
    folder.mkdir(0o700 if closed == "folder" else 0o755)
    model = folder / "secret.onnx"
    model.write_bytes(b"x")
    model.chmod(0o600 if closed == "file" else 0o644)
    code = (
        "import os, sys\nfrom countline.config import DetectorConfig\nfrom countline import detect\n"
        "os.setgid(65534); os.setuid(65534)\n"
        "try: detect.make(DetectorConfig(model=sys.argv[1], runtime='onnxruntime'))\nexcept Exception as error: print(error)"
    )
    folder = tmp_path
    while folder != Path("/tmp").parent and folder != folder.parent:
        folder.chmod(folder.stat().st_mode | 0o011)
        folder = folder.parent
    ended = subprocess.run(
        [sys.executable, "-c", code, str(model)], capture_output=True, text=True, timeout=60, check=False
    )
    assert "Permission denied" in ended.stdout, ended.stdout + ended.stderr
    assert "give this user the right" in ended.stdout
    assert "export" not in ended.stdout


@pytest.mark.skipif(os.getuid() != 0, reason="becomes nobody, which only root may")
def test_an_annotated_video_in_a_folder_of_somebody_else_is_told_as_such(short: Path) -> None:
    ended = command(
        "run",
        "-i",
        short,
        "--line",
        "l=0,0.5,1,0.5",
        "--stdout",
        "--outbox",
        "memory",
        "--annotate",
        "/proc/annotated.mp4",
    )
    assert ended.returncode == 3
    assert "cannot be written" in ended.stderr
    assert "free" not in ended.stderr
    assert ended.stdout == ""
