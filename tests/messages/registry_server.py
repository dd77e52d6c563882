"""Apicurio Registry, a real registry of schemas, as a process."""

from __future__ import annotations

import subprocess
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import pytest

import fetching
from ports import free_port
from shared_classes import QUICK, SharedClasses

__all__ = ["running"]

PATIENCE = 120.0


@contextmanager
def running(folder: Path) -> Iterator[str]:
    """The address of its Confluent-compatible API, once it answers. Skips where Java is too old."""
    port = free_port()
    classes = SharedClasses(fetching.REGISTRY.parent)
    options = [
        "-Xmx400m",
        *QUICK,
        *classes.flags(folder),
        "-Dquarkus.http.host=127.0.0.1",
        f"-Dquarkus.http.port={port}",
    ]
    with open(folder / "log.txt", "w+b") as log:
        server = subprocess.Popen(
            ["java", *options, "-jar", str(classes.jars / fetching.REGISTRY.name)], stdout=log, stderr=log
        )
        url = f"http://127.0.0.1:{port}/apis/ccompat/v7"
        try:
            _wait_for(f"{url}/subjects", server, log)
            yield url
        finally:
            server.terminate()
            server.wait(PATIENCE)  # the first time it writes down its classes
            classes.keep(folder)


def _wait_for(url: str, server: subprocess.Popen[bytes], log: IO[bytes]) -> None:
    until = time.monotonic() + PATIENCE
    while time.monotonic() < until:
        if server.poll() is not None:
            log.seek(0)
            text = log.read().decode(errors="replace")
            if "UnsupportedClassVersionError" in text:
                pytest.skip("the registry needs Java 11 or newer")
            pytest.fail(f"the registry ended with {server.returncode}: {text[-1000:]}")
        try:
            with urllib.request.urlopen(url, timeout=2):
                return
        except OSError:
            time.sleep(0.2)
    pytest.fail("the registry did not come up")
