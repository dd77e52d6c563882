"""``docker/build.sh NAME`` says what it does, does it with what is there, and refuses what cannot be."""

from __future__ import annotations

import os
import shlex
import shutil
from pathlib import Path

import pytest
from deploying import DOCKER, ROOT, program, run

SCRIPT = str(DOCKER / "build.sh")
SHELLS = [shell for shell in ("sh", "dash", "bash") if shutil.which(shell)]


def printed(*options: str, **environment: str) -> list[str]:
    """Words of the command that would be run."""
    clean = {k: v for k, v in os.environ.items() if not k.startswith("PIP_") and not k.upper().endswith("_PROXY")}
    done = run("sh", SCRIPT, "--print", *options, env={**clean, **environment})
    assert done.returncode == 0, done.stderr
    return shlex.split(done.stdout)


def given(words: list[str], option: str) -> list[str]:
    return [words[i + 1] for i, word in enumerate(words) if word == option]


@pytest.mark.skipif(program("shellcheck") is None, reason="needs shellcheck (tools/install_deploy_tools.sh)")
@pytest.mark.parametrize("path", [SCRIPT, str(ROOT / "tools" / "install_deploy_tools.sh")])
def test_shellcheck_finds_nothing_in_it(path: str) -> None:
    done = run(program("shellcheck") or "", path)
    assert (done.returncode, done.stdout) == (0, "")


@pytest.mark.parametrize("shell", SHELLS)
@pytest.mark.parametrize("image", ["cpu", "cuda", "deepstream"])
def test_a_kind_is_built_from_its_file_under_its_name(shell: str, image: str) -> None:
    done = run(shell, SCRIPT, image, "--builder", "buildah", "--print")
    words = shlex.split(done.stdout)
    assert given(words, "--file") == [str(DOCKER / f"{image}.Dockerfile")]
    assert given(words, "--tag") == [f"countline:{image}"]
    assert words[-1] == str(ROOT), "what it is built from"
    assert "with buildah" in done.stderr


def test_the_recipes_call_builds_its_image() -> None:
    words = printed("deepstream:6.1-triton-jupyter-python-custom", "--builder", "docker")
    assert given(words, "--file") == [str(DOCKER / "deepstream.Dockerfile")]
    assert given(words, "--tag") == ["deepstream:6.1-triton-jupyter-python-custom"]


def test_health_checks_are_kept_where_the_builder_would_drop_them() -> None:
    for builder in ("podman", "buildah"):
        assert given(printed("cpu", "--builder", builder), "--format") == ["docker"]
    assert "--format" not in printed("cpu", "--builder", "docker")


def test_all_that_is_given_reaches_the_builder(tmp_path: Path) -> None:
    ca = tmp_path / "a bundle.pem"
    ca.write_text("")
    words = printed(
        "cpu", "--builder", "buildah", "--base", "debian:trixie", "--extras", "view,mqtt", "--packages", "mine>=1 'yours'",
        "--ca", str(ca), "--tag", "a:1", "-t", "b:2", "--", "--isolation", "chroot",
        PIP_INDEX_URL="http://127.0.0.1/simple", HTTPS_PROXY="http://127.0.0.1:3128",
    )  # fmt: skip
    assert set(given(words, "--build-arg")) == {
        "BASE=debian:trixie",
        "EXTRAS=view,mqtt",
        "PACKAGES=mine>=1 'yours'",
        "PIP_INDEX_URL",
        "HTTPS_PROXY",
    }, "of what the environment says the name alone: its value may hold a password"
    assert given(words, "--tag") == ["a:1", "b:2"]
    assert given(words, "--secret") == [f"id=ca,src={ca}"]
    assert given(words, "--isolation") == ["chroot"]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ([], "usage: docker/build.sh NAME"),
        (["cpu", "cuda"], "one NAME at a time: cpu or cuda?"),
        (["cpu", "--bass", "x"], "there is no option --bass"),
        (["cpu", "--base"], "--base needs a value"),
        (["x", "--image", "gpu"], "there is no image 'gpu': cpu, cuda or deepstream"),
        (["cpu", "--ca", "nowhere.pem"], "nowhere.pem: no such file (--ca)"),
        (["cpu", "--builder", "kaniko"], "--builder is docker, podman or buildah, not 'kaniko'"),
    ],
)
def test_what_cannot_be_is_told(options: list[str], said: str) -> None:
    done = run("sh", SCRIPT, *options)
    assert done.returncode == 2
    assert said in done.stderr


def test_without_a_builder_it_says_what_to_install(tmp_path: Path) -> None:
    for name in ("dirname", "cat"):
        (tmp_path / name).symlink_to(shutil.which(name) or "")
    done = run(shutil.which("sh") or "sh", SCRIPT, "cpu", env={"PATH": str(tmp_path)})
    assert done.returncode == 1
    assert "neither docker (with an engine that answers) nor podman nor buildah is there" in done.stderr


def test_help_is_no_error() -> None:
    done = run("sh", SCRIPT, "--help")
    assert done.returncode == 0
    assert "--builder PROGRAM" in done.stdout
