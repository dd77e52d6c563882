"""Processes of a run share a GPU by NVIDIA's service, which is started, tried and ended; without it they take turns."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from countline.gpu import mps

# As the driver's program: in the foreground it waits for connections, and ends when another call of it says 'quit'.
PROGRAM = """#!{python}
import os, pathlib, sys, time
folder = pathlib.Path(os.environ["CUDA_MPS_PIPE_DIRECTORY"])
with open({calls!r}, "a") as calls:
    calls.write(" ".join(sys.argv[1:]) + "\\n")
if sys.argv[1:] == ["-f"]:
    if {silent}:
        sys.exit(1)
    (folder / "control").touch()
    while (folder / "control").exists():
        time.sleep(0.01)
elif sys.stdin.read() == "quit\\n":
    (folder / "control").unlink()
"""


@pytest.fixture
def calls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """What the program was called with."""
    monkeypatch.delenv(mps.OFF, raising=False)
    monkeypatch.setenv("CUDA_MPS_PIPE_DIRECTORY", str(tmp_path / "nothing"))
    monkeypatch.setattr(mps, "_TRY", "import os, sys; sys.exit('CUDA_MPS_PIPE_DIRECTORY' not in os.environ)")
    place_program(tmp_path, monkeypatch)
    return tmp_path / "calls"


def place_program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, silent: bool = False) -> None:
    import sys

    program = tmp_path / "bin" / "nvidia-cuda-mps-control"
    program.parent.mkdir(exist_ok=True)
    program.write_text(PROGRAM.format(python=sys.executable, calls=str(tmp_path / "calls"), silent=silent))
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(program.parent))


def test_the_service_lasts_as_long_as_the_processes(calls: Path) -> None:
    with mps.shared() as environment:
        folder = Path(environment["CUDA_MPS_PIPE_DIRECTORY"])
        assert (folder / "control").exists()
        assert os.environ["CUDA_MPS_PIPE_DIRECTORY"] != str(folder)
    assert not folder.exists()
    assert calls.read_text().split("\n") == ["-f", "", ""]


@pytest.mark.parametrize("why", ["it is off", "one runs already", "it is not there"])
def test_the_service_is_left_aside_where(
    why: str, calls: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if why == "it is off":
        monkeypatch.setenv(mps.OFF, "off")
    elif why == "one runs already":
        (tmp_path / "nothing").mkdir()
        (tmp_path / "nothing" / "control").touch()
    else:
        monkeypatch.setenv("PATH", str(tmp_path / "nowhere"))
    with mps.shared() as environment:
        assert environment == {}
    assert not calls.exists()


@pytest.mark.parametrize("silent", [True, False], ids=["that ends at once", "that gives no context"])
def test_a_service_that_does_not_work_is_told_and_ended(
    silent: bool, calls: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    place_program(tmp_path, monkeypatch, silent=silent)
    monkeypatch.setattr(mps, "_TRY", "import sys; sys.exit(1)")
    with mps.shared() as environment:
        assert environment == {}
    assert "take turns" in caplog.text
    assert calls.read_text().count("\n") == (1 if silent else 2)
