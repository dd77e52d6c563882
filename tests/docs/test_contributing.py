"""CONTRIBUTING.md and the files for contributors are true."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
RECIPES = dict(re.findall(r"^### ([^\n]+)\n(.*?)(?=^##|\Z)", PAGE, re.M | re.S))
LIKE = {
    "An output": "redis",
    "A kind of rule": "queue",
    "A detector layout": "efficientdet",
    "A source": "images",
    "A message field": "",
    "A command": "check",
    "A metric": "",
}
"""What stands already, for which a recipe must be true."""
MOST = {
    "An output": 3,
    "A kind of rule": 4,
    "A detector layout": 3,
    "A source": 4,
    "A message field": 3,
    "A command": 3,
    "A metric": 2,
}
"""Rows of each recipe's table."""


def files(recipe: str) -> list[str]:
    names = re.findall(r"`((?:src|tests|docs|tools)/[\w./<>-]+)`", RECIPES[recipe])
    return [re.sub(r"<\w+>", LIKE[recipe], name) for name in names]


def test_there_is_a_recipe_for_each_kind_of_change() -> None:
    assert list(RECIPES) == list(LIKE)


@pytest.mark.parametrize("recipe", LIKE)
def test_the_files_of_a_recipe_are_there(recipe: str) -> None:
    assert files(recipe)
    for name in files(recipe):
        assert (ROOT / name).exists() or name.startswith("tests/analytics_native/test_"), name
    rows = re.findall(r"^\| (?!file|---|field)", RECIPES[recipe], re.M)
    assert len(rows) <= MOST[recipe]


def test_outputs_are_known_by_their_folder_alone() -> None:
    """No file of the package outside an output's own folder names it, but where the work of another is said in its terms."""
    named = {
        path.relative_to(ROOT / "src" / "countline").as_posix()
        for path in (ROOT / "src" / "countline").rglob("*.py")
        if re.search(
            r"countline\.outputs\.(amqp|mqtt|nats|redis|sql|webhook|object_store)\b", path.read_text(encoding="utf-8")
        )
    }
    assert {name for name in named if not name.startswith("outputs/")} == set()


@pytest.mark.parametrize("path", sorted((ROOT / ".github").rglob("*.yml")), ids=lambda p: p.name)
def test_forms_and_workflows_are_yaml(path: Path) -> None:
    data = yaml.safe_load(path.read_text(encoding="utf-8"))
    assert isinstance(data, dict)
    if path.parent.name == "ISSUE_TEMPLATE" and path.name != "config.yml":
        assert {"name", "description", "body"} <= set(data)
        assert all(item["type"] in {"markdown", "textarea", "input"} for item in data["body"])


def test_workflow_and_hooks_run_what_make_check_and_ci_run() -> None:
    make = (ROOT / "Makefile").read_text(encoding="utf-8")
    hooks = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text(encoding="utf-8"))["repos"]
    assert [repo["repo"] for repo in hooks] == ["local"]
    for hook in hooks[0]["hooks"]:
        assert f"$(BIN)/{Path(hook['entry'].split()[0]).name}" in make
    jobs = yaml.safe_load((ROOT / ".github" / "workflows" / "ci.yml").read_text(encoding="utf-8"))["jobs"]
    steps = {step["run"] for job in jobs.values() for step in job["steps"] if "run" in step}
    assert set(re.findall(r"^make \w+$", (ROOT / ".ci" / "run").read_text(encoding="utf-8"), re.M)) <= steps
    versions = re.findall(r"Python :: (3\.\d+)", (ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    assert jobs["test"]["strategy"]["matrix"]["python"] == versions
