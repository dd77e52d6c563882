"""The images that docker/ builds are those that docs/deploy.md promises. tests/deploy/test_cpu_image.py builds and runs one."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from deploying import DOCKER, ROOT, instructions, parses, program, run

FILES = sorted(DOCKER.glob("*.Dockerfile"))
SERVERS = [DOCKER / "cpu.Dockerfile", DOCKER / "cuda.Dockerfile"]


def last(path: Path, word: str) -> str:
    return [rest for name, rest in instructions(path) if name == word][-1]


def test_there_are_the_three_images() -> None:
    assert [path.name for path in FILES] == ["cpu.Dockerfile", "cuda.Dockerfile", "deepstream.Dockerfile"]


@pytest.mark.skipif(program("hadolint") is None, reason="needs hadolint (tools/install_deploy_tools.sh)")
@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_hadolint_finds_nothing_in_it(path: Path) -> None:
    done = run(program("hadolint") or "", "--no-color", str(path))
    assert (done.returncode, done.stdout) == (0, "")


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_its_base_can_be_chosen(path: Path) -> None:
    found = list(instructions(path))
    assert found[0][0] == "ARG"
    assert found[0][1].startswith("BASE=")
    stages = {"python"} | {rest.split()[-1] for word, rest in found if word == "FROM"}
    assert {rest.split()[0] for word, rest in found if word == "FROM"} <= {"${BASE}"} | stages


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_it_does_not_run_as_root_and_its_user_is_a_number(path: Path) -> None:
    """Kubernetes' runAsNonRoot refuses a name."""
    user, group = last(path, "USER").split(":")
    assert int(user) > 0
    assert int(group) > 0


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_nothing_of_what_it_is_built_with_stays_in_it(path: Path) -> None:
    """Certificates and addresses of the building machine are mounted, or arguments of a stage that is left behind."""
    text = path.read_text(encoding="utf-8")
    assert text.count("apt-get")
    assert text.count("rm -rf /var/lib/apt/lists") == text.count("update -qq")
    assert "--trusted-host" not in text
    assert not [rest for word, rest in instructions(path) if word == "ENV" and re.search("CA_BUNDLE|INDEX|PROXY", rest)]
    assert not re.search(r"https?://(?!127\.0\.0\.1)", text)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_the_extras_in_it_are_those_of_the_package(path: Path) -> None:
    (wanted,) = (
        rest[len("EXTRAS=") :] for word, rest in instructions(path) if word == "ARG" and rest.startswith("EXTRAS=")
    )
    known = re.findall(r"^([\w-]+) = \[", (ROOT / "pyproject.toml").read_text(encoding="utf-8"), re.M)
    assert set(wanted.split(",")) <= set(known)


@pytest.mark.parametrize("path", SERVERS, ids=lambda path: path.name)
def test_what_it_runs_and_how_it_is_asked_are_commands_of_countline(path: Path) -> None:
    assert json.loads(last(path, "ENTRYPOINT")) == ["countline"]
    options = parses(json.loads(last(path, "CMD")))
    assert str(options["config"]) == "/etc/countline/countline.yaml"
    assert options["outbox"].startswith(last(path, "VOLUME"))
    assert options["metrics"] == ":" + last(path, "EXPOSE")
    health = json.loads(last(path, "HEALTHCHECK").partition("CMD ")[2])
    asked = parses(health[1:])
    assert (health[0], asked["address"]) == ("countline", "127.0.0.1:" + last(path, "EXPOSE"))


def test_the_folder_of_the_outbox_is_the_users_and_outlives_the_container() -> None:
    for path in SERVERS:
        text = path.read_text(encoding="utf-8")
        assert last(path, "VOLUME") == last(path, "WORKDIR") == "/var/lib/countline"
        assert "install -d -o countline -g countline -m 0700 /var/lib/countline" in text


def test_the_image_of_the_recipe_asks_for_a_token() -> None:
    """The recipe's own let everybody in, as root."""
    command = json.loads(last(DOCKER / "deepstream.Dockerfile", "CMD"))
    assert command[:2] == ["jupyter", "lab"]
    assert "--allow-root" not in command
    assert not any("token" in word or "password" in word for word in command)


def test_an_image_is_built_from_what_it_needs_and_nothing_else() -> None:
    lines = [line for line in (ROOT / ".dockerignore").read_text().splitlines() if line and not line.startswith("#")]
    assert lines[0] == "*", "what is not named is left out"
    named = {line[1:] for line in lines if line.startswith("!")}
    project = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    assert 'packages = ["src/countline"]' in project
    assert {"src", "pyproject.toml", "constraints.txt", "README.md", "LICENSE", "NOTICE"} <= named
    assert all((ROOT / name).exists() for name in named if "*" not in name)
