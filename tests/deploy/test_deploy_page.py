"""docs/deploy.md is true: its commands are ones that there are, its values ones that the chart has."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest
import yaml
from deploying import CHART, DOCKER, ROOT, configuration, parses, run

PAGE = (ROOT / "docs" / "deploy.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```", PAGE, re.M | re.S)


def commands(program: str) -> list[list[str]]:
    text = "\n".join(body for language, body in BLOCKS if language == "console").replace("\\\n", " ")
    parts = [part for line in text.splitlines() for part in line.removeprefix("$ ").split(" && ")]
    lines = [shlex.split(part, comments=True) for part in parts]
    found = [words for words in lines if words and words[0] == program]
    assert found, program
    return found


def after(words: list[str], image: str) -> list[str]:
    """What stands behind the image's name on a command line of docker."""
    return words[words.index(image) + 1 :]


def test_images_are_built_as_it_says() -> None:
    names = set()
    for _, *options in commands("docker/build.sh"):
        done = run("sh", str(DOCKER / "build.sh"), "--print", "--builder", "docker", *options)
        assert done.returncode == 0, done.stderr
        words = shlex.split(done.stdout)
        names.add(words[words.index("--tag") + 1])
    assert {"countline:cpu", "countline:cuda", "deepstream:9.0-countline"} <= names
    used = {word for words in commands("docker") for word in words if re.match(r"(countline|deepstream):", word)}
    assert used <= names


def test_what_is_run_in_containers_are_commands_of_countline() -> None:
    for words in commands("docker"):
        if words[1] == "exec":
            assert words[3] == "countline"
            parses(words[4:])
        elif words[1] == "run" and "countline:cpu" in words and after(words, "countline:cpu"):
            parses(after(words, "countline:cpu"))
        elif words[1] == "run" and "deepstream:9.0-countline" in words and after(words, "deepstream:9.0-countline"):
            parses(after(words, "deepstream:9.0-countline")[1:])


def test_the_command_of_the_images_is_the_one_that_it_names() -> None:
    from deploying import instructions

    (named,) = re.findall(r"\| command \| `(countline run [^`]+)`", PAGE)
    command = json.loads([rest for word, rest in instructions(DOCKER / "cpu.Dockerfile") if word == "CMD"][-1])
    assert shlex.split(named) == ["countline", *command]


def test_files_and_services_of_compose_are_there() -> None:
    services = yaml.safe_load((DOCKER / "compose.yaml").read_text())["services"]
    for words in commands("docker"):
        if words[1] == "compose":
            assert (ROOT / words[words.index("-f") + 1]).exists()
            if "run" in words:
                assert words[-1] in services


def test_each_value_that_it_names_is_one_of_the_chart() -> None:
    values = yaml.safe_load((CHART / "values.yaml").read_text())

    def has(path: str) -> bool:
        found: Any = values
        for key in path.split("."):
            if not isinstance(found, dict) or key not in found:
                return False
            found = found[key]
        return True

    for words in commands("helm"):
        assert (ROOT / words[3]).is_dir()
        given = [words[i + 1].partition("=")[0] for i, word in enumerate(words) if word in ("--set", "--set-file")]
        assert given
        assert all(has(path) for path in given), given
    table = re.search(r"\| value \| \|\n(.*?)\n\n", PAGE, re.S)
    assert table
    named = re.findall(r"`([\w.]+)`", "\n".join(row.split("|")[1] for row in table[1].splitlines()[1:]))
    full = [f"metrics{name}" if name.startswith(".") else name for name in named]
    assert len(full) > 10
    assert all(has(path) for path in full), [path for path in full if not has(path)]


def test_its_values_of_workers_fit_the_chart(tmp_path: Path) -> None:
    jsonschema = pytest.importorskip("jsonschema")
    (text,) = (dedent(body) for language, body in BLOCKS if language == "yaml")
    values = yaml.safe_load(text)
    jsonschema.validate(values, json.loads((CHART / "values.schema.json").read_text()))
    assert configuration(values["config"], tmp_path, worker=True).messages


def test_files_that_it_names_are_there() -> None:
    names = re.findall(r"`((?:deploy|docker)/[\w./@-]+)`", PAGE)
    assert len(names) > 5
    assert [name for name in names if not (ROOT / name).exists()] == []
