"""Servers that speak S3 and verify signatures, on loopback: nanio (from PyPI) and S3Proxy (from Maven Central). Both keep objects as
files below a folder of the bucket's name, so that what they hold can be read without any S3 client."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from servers import Certificates, ProcessServer

import fetching
from countline.testing import free_port
from shared_classes import QUICK, SharedClasses

__all__ = ["ACCESS_KEY", "SECRET_KEY", "Bucket", "nanio", "running", "s3proxy"]

ACCESS_KEY = "AKIACOUNTLINETEST"
SECRET_KEY = "s3cret-of-the-store"


class Bucket:
    """One bucket of a server that may serve others, too; what a test of an output needs of its server."""

    def __init__(self, server: ProcessServer, name: str, endpoint: str) -> None:
        self.server = server
        self.name = name
        self.endpoint = endpoint
        self.folder = server.folder / "data" / name
        self.folder.mkdir(parents=True, exist_ok=True)

    @property
    def port(self) -> int:
        return self.server.port

    def start(self) -> None:
        if self.server.process is None:
            self.server.start()

    def stop(self) -> None:
        self.server.stop()

    def kill(self) -> None:
        self.server.kill()

    def options(self, prefix: str = "") -> dict[str, Any]:
        """Options of the output, with the right login."""
        login = {"access_key": ACCESS_KEY, "secret_key": SECRET_KEY}
        return {"url": f"s3://{self.name}{prefix}", "endpoint": self.endpoint, "region": "us-east-1", **login}

    def objects(self) -> dict[str, bytes]:
        """All objects of the bucket by key, in the order of their keys."""
        files = (f for f in self.folder.rglob("*") if f.is_file())
        keys = {str(f.relative_to(self.folder)): f for f in files}
        return {key: keys[key].read_bytes() for key in sorted(keys) if not key.startswith(".") and "/." not in key}


def nanio(folder: Path, tls: Certificates | None = None) -> ProcessServer:
    """Not started yet. Skips where nanio is not installed (Python 3.10)."""
    pytest.importorskip("nanio", reason="the S3 server nanio needs Python 3.11")
    port = free_port()
    command = [
        sys.executable,
        "-m",
        "uvicorn",
        "nanio.app:build_app",
        "--factory",
        "--host",
        "127.0.0.1",
        "--port",
        str(port),
    ]
    # Else the server waits half a minute for clients that keep their encrypted connections.
    command += ["--log-level", "warning", "--no-access-log", "--timeout-graceful-shutdown", "1"]
    if tls is not None:
        command += ["--ssl-certfile", str(tls.cert), "--ssl-keyfile", str(tls.key)]
    login = {"NANIO_ACCESS_KEY": ACCESS_KEY, "NANIO_SECRET_KEY": SECRET_KEY, "NANIO_DATA_DIR": str(folder / "data")}
    return ProcessServer(command, folder, port, login)


class _Java(ProcessServer):
    def __init__(
        self, classes: SharedClasses, command: list[str], folder: Path, port: int, env: dict[str, str]
    ) -> None:
        super().__init__(command, folder, port, env)
        self.classes = classes
        self.program, *self.words = command

    def start(self) -> None:
        self.command = [self.program, *QUICK, *self.classes.flags(self.folder), *self.words]
        super().start()

    def stop(self) -> None:
        super().stop()
        self.classes.keep(self.folder)


def s3proxy(folder: Path) -> ProcessServer:
    """Not started yet. Skips without Java or Maven; the program (90 MB) stays in ``.cache/``."""
    missing = fetching.s3proxy()
    if missing:
        pytest.skip(f"{missing} (the S3 server from PyPI is tested always)")
    port = free_port()
    settings = {
        "s3proxy.endpoint": f"http://127.0.0.1:{port}",
        "s3proxy.authorization": "aws-v4",
        "s3proxy.identity": ACCESS_KEY,
        "s3proxy.credential": SECRET_KEY,
        "s3proxy.v4-max-non-chunked-request-size": "1000000",
        "jclouds.provider": "filesystem-nio2",
        "jclouds.filesystem.basedir": str(folder / "data"),
    }
    (folder / "data").mkdir(parents=True, exist_ok=True)
    (folder / "s3proxy.conf").write_text("".join(f"{name}={value}\n" for name, value in settings.items()))
    classes = SharedClasses(fetching.S3PROXY.parent)
    jar = str(classes.jars / fetching.S3PROXY.name)
    words = ["-Xmx256m", "-jar", jar, "--properties", str(folder / "s3proxy.conf")]
    return _Java(classes, ["java", *words], folder, port, {"LOG_LEVEL": "warn", "JETTY_LOG_LEVEL": "warn"})


@contextmanager
def running(server: ProcessServer) -> Iterator[ProcessServer]:
    """Started, and ended by its own process id."""
    server.start()
    try:
        yield server
    finally:
        server.stop()
