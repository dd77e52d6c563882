"""What tests start from a process that has imported countline is a process like any other."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

import starting
from distributions import install

ABOUT = """
import os, sys, threading, json
sys.stderr.write("said\\n")
json.dump({"args": sys.argv, "cwd": os.getcwd(), "mine": os.environ.get("MINE"), "main": __name__, "path": sys.path[0],
           "in": sys.stdin.read(),
           "coding": [sys.stdin.encoding, sys.stdout.encoding, sys.stdout.errors, sys.stderr.errors], "threads": threading.active_count(),
           "open": sorted(os.listdir("/proc/self/fd"))[:3]}, sys.stdout)
sys.exit(7)
"""


def both(*args: str, **more: object) -> tuple[subprocess.CompletedProcess[str], subprocess.CompletedProcess[str]]:
    command = [sys.executable, *args]
    first = starting.run(command, capture_output=True, text=True, **more)
    return first, subprocess.run(command, capture_output=True, text=True, check=False, **more)  # type: ignore[call-overload, no-any-return]


@pytest.mark.parametrize(
    "args",
    [["-c", ABOUT, "a", "-b"], ["about.py", "ä", "\udcff"], ["-m", "countline", "--no-such"], ["-m", "countline", "--help"],
     ["-c", "raise KeyboardInterrupt"], ["-c", "import os; os.kill(os.getpid(), 9)"], ["-m", "countline", "run", "none.yaml"]],
)  # fmt: skip
def test_what_it_sees_and_how_it_ends_is_as_from_a_new_interpreter(args: list[str], tmp_path: Path) -> None:
    Path("about.py").write_text(ABOUT)
    first, second = both(*args, cwd=tmp_path / "cwd", input="given")
    assert first.returncode == second.returncode
    if "KeyboardInterrupt" not in args[1]:  # whose traceback has the server's lines before its own
        assert first.stderr == second.stderr
    assert first.stdout == second.stdout


def test_it_is_a_process_that_signals_reach_and_whose_pipes_end_with_it() -> None:
    waits = [sys.executable, "-c", "import time; print('here', flush=True); time.sleep(60)"]
    with starting.Popen(waits, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "here\n"
        assert process.poll() is None
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(0.01)
        assert set(os.listdir(f"/proc/{process.pid}/fd")) == {"0", "1", "2"}
        process.send_signal(signal.SIGKILL)
        assert process.stdout.read() == ""
        assert process.wait(30) == -signal.SIGKILL
        assert process.poll() == -signal.SIGKILL


ENDS = """
import atexit, concurrent.futures, logging, os, threading, time

class Gone:
    def __init__(self, name): self.name = name
    def __del__(self, write=os.write): write(2, f"{self.name} is gone\\n".encode())

def last():
    import countline  # no second time
    print("at exit", countline.mark)

import countline
countline.mark = "the same module"
kept, circle = Gone("global"), Gone("in a circle")
circle.itself = circle
del circle
left_open = open("left-open.txt", "a")
left_open.write("not flushed by the program")
pool = concurrent.futures.ThreadPoolExecutor(1)
pool.submit(lambda: (time.sleep(0.2), print("of the pool")))
threading.Thread(target=lambda: (time.sleep(0.1), print("of a thread"))).start()
threading.Thread(target=time.sleep, args=(600,), daemon=True).start()
logging.getLogger().addHandler(type("Told", (logging.StreamHandler,), {"close": lambda self: print("handler closed")})())
atexit.register(last)
print("end of the program")
"""


def test_it_ends_as_a_new_interpreter_does(tmp_path: Path) -> None:
    first, second = both("-c", ENDS, cwd=tmp_path / "cwd")
    assert (first.stdout, first.returncode) == (second.stdout, second.returncode)
    assert first.stderr == second.stderr == "in a circle is gone\nglobal is gone\n"
    assert Path("left-open.txt").read_text() == "not flushed by the program" * 2


def test_its_memory_is_its_own_and_nothing_of_an_earlier_one_is_left() -> None:
    code = "import sys, countline; print(hasattr(countline, 'mark'), sys.modules.get('mark')); countline.mark = 1; sys.modules['mark'] = 1"
    for _ in range(2):
        assert starting.run([sys.executable, "-c", code], capture_output=True, text=True).stdout == "False None\n"


def test_its_environment_is_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    code = [sys.executable, "-c", "import os, sys; print(os.environ['MINE'], sorted(os.environ), sys.path)"]
    monkeypatch.setenv("MINE", "x")
    monkeypatch.setenv("PYTHONPATH", f"{Path.cwd()}{os.pathsep}other")
    first, second = both(*code[1:], env=dict(os.environ))  # libraries written in C may have set more in this process
    assert first.stdout == second.stdout
    assert first.stdout.startswith("x ")


def test_what_the_interpreter_itself_reads_is_a_start_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    code = [sys.executable, "-c", "import sys; print(sys.flags.hash_randomization, 'countline' in sys.modules)"]
    assert starting.run(code, capture_output=True, text=True).stdout == "1 True\n"
    monkeypatch.setenv("PYTHONHASHSEED", "0")
    assert starting.run(code, capture_output=True, text=True).stdout == "0 False\n"


def test_a_module_on_the_python_path_is_found(tmp_path: Path) -> None:
    (tmp_path / "beside.py").write_text("print('found')")
    code = [sys.executable, "-c", "import beside, sys; print('countline' in sys.modules)"]
    done = starting.run(code, capture_output=True, text=True, env={**os.environ, "PYTHONPATH": str(tmp_path)})
    assert done.stdout == "found\nTrue\n"


@pytest.mark.parametrize(("group", "forked"), [("sources", True), ("rule_kinds", False)])
def test_a_plug_in_is_found_and_one_that_countline_imports_early_has_an_interpreter_of_its_own(
    group: str, forked: bool, tmp_path: Path
) -> None:
    install(tmp_path / "brought", "brought", "1.0", {f"countline.{group}": {"mine": "mine"}}, {"mine.py": ""})
    code = (
        "import sys; early = 'countline' in sys.modules\n"
        "from countline.registry.kinds import describe_brought\n"
        "print(early, *describe_brought())"
    )
    environment = {**os.environ, "PYTHONPATH": str(tmp_path / "brought")}
    done = starting.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment)
    assert "'mine'" in done.stdout, done.stderr
    assert done.stdout.startswith(str(forked))
