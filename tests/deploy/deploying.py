"""What the tests of docker/ and deploy/ share."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import yaml

from countline.cli import group
from countline.config import Config, load

ROOT = Path(__file__).resolve().parents[2]
DOCKER = ROOT / "docker"
CHART = ROOT / "deploy" / "helm" / "countline"
KUBERNETES = ROOT / "deploy" / "kubernetes"
TOOLS = ROOT / ".cache" / "deploy"
"""Where `make helm` and `tools/install_deploy_tools.sh` put programs."""


def program(name: str) -> str | None:
    """Path of a program of the system, or of one that was fetched for these tests; None if there is none."""
    own = TOOLS / "bin" / name
    return str(own) if os.access(own, os.X_OK) else shutil.which(name)


def run(*words: str, **more: Any) -> subprocess.CompletedProcess[str]:
    return subprocess.run(list(words), capture_output=True, text=True, timeout=120, check=False, **more)


def parses(words: list[str]) -> dict[str, Any]:
    """Options and arguments that a command line of countline has; raises click's UsageError for one that there is not."""
    name, command, rest = group.resolve_command(click.Context(group), words)
    assert command is not None
    context = command.make_context(name, rest)
    return context.params


def objects(path: Path) -> list[dict[str, Any]]:
    return [each for each in yaml.safe_load_all(path.read_text(encoding="utf-8")) if each]


def the(kind: str, found: list[dict[str, Any]]) -> dict[str, Any]:
    (one,) = (each for each in found if each["kind"] == kind)
    return one


def configuration(text: str, folder: Path, *, worker: bool = False) -> Config:
    """What a configuration of a pod says; its secrets are files of this test."""
    for name in re.findall(r"\$\{file:/run/secrets/countline/([^}]+)\}", text):
        (folder / name).write_text("s3cret")
    text = text.replace("${file:/run/secrets/countline/", f"${{file:{folder}/")
    if worker:
        from countline.commands.cluster_setup import configuration_of

        path = folder / "worker.yaml"
        path.write_text(text)
        return configuration_of(path)
    return load("countline.yaml", text)


def countline(*words: str, **more: Any) -> subprocess.CompletedProcess[str]:
    return run(sys.executable, "-m", "countline", *words, **more)


def instructions(path: Path) -> Iterator[tuple[str, str]]:
    """Those of a Dockerfile, in order: its word, and the rest of its lines as one."""
    text = re.sub(r"^\s*#.*\n", "", path.read_text(encoding="utf-8"), flags=re.M).replace("\\\n", " ")
    for line in text.splitlines():
        if line.strip():
            word, _, rest = line.strip().partition(" ")
            yield word.upper(), rest.strip()
