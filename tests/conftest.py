"""Fixtures that more than one room uses."""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any

import pytest

import compiling
import property_profiles
import spread
import starting
from countline import _telemetry, redaction

property_profiles.choose()

# Some test modules import the libraries themselves. What these report to their makers would leave the machine, and open files
# in a process in which others look at what is open.
_telemetry.bar()

# Images often ask for no compiled files (PYTHONDONTWRITEBYTECODE). Tests start countline hundreds of times: it is compiled once
# for all of them, not at every start.
sys.dont_write_bytecode = False
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)


@pytest.fixture(autouse=True)
def _own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each test works in a folder of its own, so that no outbox or output lands in the source tree."""
    folder = tmp_path / "cwd"
    folder.mkdir()
    monkeypatch.chdir(folder)


@pytest.fixture(autouse=True)
def _ordinary_urgency() -> Iterator[None]:
    """No test leaves its process, and with it all that later ones start, more urgent than the rest of the machine."""
    before, urgency = os.sched_getscheduler(0), os.sched_getparam(0)
    yield
    after = os.sched_getscheduler(0)
    if after != before:
        os.sched_setscheduler(0, before, urgency)
    assert after == before, "this test, or a library that it uses, has put the process into real time"


@pytest.fixture(autouse=True)
def _no_secrets_of_other_tests() -> None:
    """What one test keeps secret another may say."""
    redaction.forget_all()


@pytest.fixture(scope="session")
def clip() -> Path:
    """The street clip of the demo: 300 frames, 10 frames/s, 768x576."""
    from countline.demo import clip_path

    return clip_path()


@pytest.fixture(scope="session", autouse=True)
def _loopback_only() -> None:
    """Clients must not pick up a proxy of the machine."""
    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "all_proxy"):
        os.environ.pop(name, None)


def pytest_configure(config: pytest.Config) -> None:
    if hasattr(config, "workerinput"):  # one process of several
        one = config.workerinput
        compiling.share(config, int(one["workerid"].removeprefix("gw")), one["workercount"])


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if hasattr(config, "workerinput"):
        spread.order(items)


def pytest_collection_finish() -> None:
    starting.remember()
    _settle()


def pytest_runtest_teardown(item: pytest.Item, nextitem: pytest.Item | None) -> None:
    if nextitem is None or nextitem.path != item.path:
        _settle()


def _settle() -> None:
    """Thousands of tests and what they import stay to the end. No collection of garbage needs to look through them again: with
    them each that a test asks for, to see what is left, would take half a second."""
    gc.collect()
    gc.freeze()


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    return spread.scheduler(config, log)


@pytest.hookimpl(wrapper=True)
def pytest_report_to_serializable() -> Generator[None, Any, Any]:
    """What a test printed or logged goes from process to process as UTF-8: a lone surrogate in it is escaped."""
    return _sendable((yield))


def _sendable(value: Any) -> Any:
    if isinstance(value, str):
        return value.encode("utf-8", "backslashreplace").decode()
    if isinstance(value, dict):
        return {_sendable(k): _sendable(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value)(map(_sendable, value))
    return value
