"""Nothing that countline loads reports anything to anybody: every command runs under a trace of the system calls, with a home of
its own, and neither looks up a name, nor speaks to another machine, nor leaves a file there."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from countline.compat.deepstream.files import nvdsanalytics

strace = shutil.which("strace")
pytestmark = pytest.mark.skipif(
    strace is None or subprocess.run([strace, "true"], capture_output=True, check=False).returncode != 0,
    reason="strace is not installed, or this machine does not let it trace",
)

_ADDRESS = re.compile(
    r'sin6?_port=htons\((\d+)\), (?:sin_addr=inet_addr\("([^"]+)"\)|.*?inet_pton\(AF_INET6, "([^"]+)")'
)
CONFIG = """\
sources: [{{name: gate, uri: {clip}}}]
detector: {{model: {model}, runtime: {runtime}}}
rules: {{lines: [{{name: l, points: [[0, 0.5], [1, 0.5]]}}]}}
messages: [{{name: m, value: {{id: "{{id}}"}}}}]
outputs: [{{file: {{path: out.jsonl}}}}]
"""
RULES = "[property]\nenable=1\nconfig-width=768\nconfig-height=576\n[line-crossing-stream-0]\nenable=1\nline-crossing-a=1;2;3;4;5;6;7;8\n"


def traced(home: Path | str, *args: object) -> tuple[int, str, list[str]]:
    """What a new interpreter is given: exit code, what was printed, and the addresses beyond this machine that were spoken to."""
    assert strace is not None
    log = Path.cwd().parent / "trace.txt"
    ended = subprocess.run(
        [strace, "-f", "--seccomp-bpf", "-qq", "-e", "trace=connect,sendto,sendmsg,sendmmsg", "-o", str(log),
         sys.executable, *map(str, args)],
        capture_output=True, text=True, timeout=150, check=False, env={"HOME": str(home), "PATH": "/usr/bin:/bin"},
    )  # fmt: skip
    seen = [m[2] or m[3] for m in _ADDRESS.finditer(log.read_text(errors="replace"))]
    return ended.returncode, ended.stdout + ended.stderr, [a for a in seen if not a.startswith("127.") and a != "::1"]


@pytest.fixture
def home(tmp_path: Path) -> Path:
    made = tmp_path / "home"
    made.mkdir()
    return made


def left(home: Path) -> list[str]:
    return sorted(str(path.relative_to(home)) for path in home.rglob("*"))


def test_the_trace_would_see_a_name_look_up(home: Path) -> None:
    assert strace is not None
    log = home.parent / "look-up.txt"
    code = "import socket\ntry: socket.getaddrinfo('nobody.invalid', 80)\nexcept OSError: pass"
    subprocess.run(
        [strace, "-f", "-e", "trace=connect", "-o", str(log), sys.executable, "-c", code], check=True, timeout=60
    )
    if not any(line.startswith("nameserver") for line in Path("/etc/resolv.conf").read_text().splitlines()):
        pytest.skip("this machine has no name server")
    assert any(m[1] == "53" for m in _ADDRESS.finditer(log.read_text()))


@pytest.mark.parametrize("runtime", ["onnxruntime", "openvino"])
def test_a_run_speaks_to_nobody_and_leaves_nothing_in_the_home(
    runtime: str, few: Path, quick: dict[str, Any], home: Path
) -> None:
    Path("c.yaml").write_text(CONFIG.format(clip=few, model=quick["model"], runtime=runtime))
    code, said, seen = traced(home, "-m", "countline", "run", "c.yaml")
    assert (code, seen, left(home)) == (0, [], []), said
    assert Path("out.jsonl").read_text()
    assert sorted(p.name for p in Path().iterdir()) == [".countline", "c.yaml", "out.jsonl"]


def test_a_home_that_cannot_be_written_is_no_trouble(few: Path, quick: dict[str, Any]) -> None:
    Path("c.yaml").write_text(CONFIG.format(clip=few, model=quick["model"], runtime="onnxruntime"))
    code, said, seen = traced(
        "/proc", "-m", "countline", "run", "c.yaml"
    )  # nobody can make a file there, not even root
    assert (code, seen) == (0, []), said
    assert "\x1b" not in said
    assert "telemetry" not in said.lower()


COMMANDS = [
    ["--version"], ["--help"], ["check", "c.yaml"], ["convert", "rules.txt"], ["schema"], ["counts"], ["outbox"],
    ["schema", "--message", "m", "c.yaml"], ["analyze", "--rules", "rules.txt", "tracks.jsonl"],
    ["compare", "--rules", "rules.txt", "tracks.jsonl"], ["deepstream", "--help"],
]  # fmt: skip
ONE_AFTER_THE_OTHER = f"""
from countline.cli import main
for args in {COMMANDS}:
    try:
        main(args)
    except SystemExit as end:
        print("ended", args, end.code, flush=True)
"""


def test_no_other_command_speaks_to_anybody(few: Path, quick: dict[str, Any], home: Path) -> None:
    """All in one process: whatever one of them loads stays under the trace."""
    Path("c.yaml").write_text(CONFIG.format(clip=few, model=quick["model"], runtime="auto"))
    Path("rules.txt").write_text(RULES)
    assert nvdsanalytics.read("rules.txt").streams
    Path("tracks.jsonl").write_text("")
    _, said, seen = traced(home, "-c", ONE_AFTER_THE_OTHER)
    assert (seen, left(home)) == ([], []), said
    assert said.count("ended [") == len(COMMANDS), said
    assert "Traceback" not in said


def test_the_demo_speaks_only_to_its_own_broker(home: Path) -> None:
    code, said, seen = traced(home, "-m", "countline", "demo", "--no-video")
    assert (code, seen, left(home)) == (0, [], []), said
