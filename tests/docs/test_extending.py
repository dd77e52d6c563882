"""docs/extending.md: the package that the page shows is built, installed beside countline, and used by name from its configuration."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("hatchling")
pytest.importorskip("onnx")
from seeing_models import Seeing

from countline.config.loader import read_yaml

PAGE = (Path(__file__).parents[2] / "docs" / "extending.md").read_text(encoding="utf-8")
FILES = dict(re.findall(r"^`([\w./-]+)`:\n\n```\w+\n(.*?)^```", PAGE, re.M | re.S))


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the package is installed, without a network."""
    source, target = tmp_path_factory.mktemp("acme"), tmp_path_factory.mktemp("site")
    for name, content in FILES.items():
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        (source / name).write_text(content, encoding="utf-8")
    words = ["install", "-q", "--no-index", "--no-deps", "--no-build-isolation", "--disable-pip-version-check"]
    command = [sys.executable, "-m", "pip", *words, "-t", str(target), str(source)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    (target / "source").symlink_to(source)
    return target


@pytest.fixture
def folder(tmp_path: Path, site: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the configuration of the page stands, with a film and a model: a bright block goes into the hall and out again."""
    monkeypatch.setenv("PYTHONPATH", str(site))
    monkeypatch.setenv("FOLDER", str(tmp_path))
    film = np.full((60, 240, 320, 3), 20, np.uint8)
    for number in range(60):
        x = 20 + 8 * min(number, 59 - number)
        film[number, 80:140, x : x + 30] = 235
    np.save(tmp_path / "street.npy", film)
    model = Seeing(size=(320, 256))
    left, top, right, bottom = (
        model.op("Slice", model.xyxy, *(model.constant([v]) for v in (i, i + 1, 2))) for i in range(4)
    )
    sides = model.op("Sub", right, left), model.op("Sub", bottom, top)
    row = model.join(model.classes(1, 0, 0.9), left, top, *sides, axis=2)
    model.output("found", row, 5, rows=20)
    model.save(tmp_path / "blocks.onnx")
    (tmp_path / "countline.yaml").write_text(FILES["countline.yaml"])
    return tmp_path


def countline(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "countline", *words], cwd=folder, capture_output=True, text=True, check=False
    )


def test_the_page_builds_one_of_each() -> None:
    names = {"pyproject.toml", "countline.yaml", "tests/test_maildir.py", "acme_countline/__init__.py"}
    assert set(FILES) == names | {f"acme_countline/{n}.py" for n in ("maildir", "npy", "ltwh", "capacities", "alert")}


def test_a_run_uses_output_source_layout_rule_and_message_of_another_package(folder: Path) -> None:
    done = countline(folder, "run", "countline.yaml")
    assert done.returncode == 0, done.stderr
    lines = [json.loads(path.read_bytes()) for path in sorted(folder.glob("mail/new/*.json"))]
    alerts = [line["value"] for line in lines if line["definition"] == "alert"]
    states = [line["value"] for line in lines if line["definition"] == "state"]
    assert [{k: v for k, v in alert.items() if k != "at"} for alert in alerts] == [
        {"level": "warning", "what": "full", "where": "entrance/hall"}
    ] * 2
    assert [state["inside"] for state in states if state["inside"]][:1] == [1]
    assert {(state["inside"], state["free"]) for state in states} >= {(1, 0), (0, 1)}
    again = countline(folder, "run", "countline.yaml")
    assert again.returncode == 0
    ids = [json.loads(path.read_bytes())["id"] for path in sorted(folder.glob("mail/new/*.json"))]
    assert ids == 2 * [line["id"] for line in lines]  # the same events have the same ids for ever


def test_check_says_what_each_of_them_is(folder: Path) -> None:
    done = countline(folder, "check", "--send", "countline.yaml")
    assert done.returncode == 0, done.stdout + done.stderr
    for words in ("320x240", "ltwh, 1 classes", "capacity 'hall'", "'alert', 'state'", "mail", "written and removed"):
        assert words in done.stdout


CHECKED = """
import sys
from countline.cli import main
for path in sys.argv[1:]:
    try:
        main(["check", path])
    except SystemExit as end:
        for stream in (sys.stdout, sys.stderr):
            print(f"|{end.code}|", file=stream, flush=True)
"""
"""Checks several files in one start: with the code of each, what it says ends."""


def test_what_is_wrong_in_the_configuration_is_told_with_its_line(folder: Path) -> None:
    text = FILES["countline.yaml"]
    faults = (
        ("limit: 1", "limit: 0", "countline.yaml:6"),
        ("limit: 1", "limt: 1", "did you mean 'limit'"),
        ("level: warning", "level: loud", "countline.yaml:8"),
        ("maildir: {folder", "maildir: {folders", "did you mean 'folder'"),
        ("layout: ltwh", "layout: ltwr", "unknown layout 'ltwr'"),
        ("on: full", "on: fill", "there is no trigger 'fill'"),
        ("capacities.hall.free", "capacities.hall.fre", "countline.yaml:9"),
    )
    paths = [folder / str(number) / "countline.yaml" for number in range(len(faults))]
    for path, (old, new, _) in zip(paths, faults):
        assert text.count(old) == 1
        path.parent.mkdir()
        path.write_text(text.replace(old, new))
    command = [sys.executable, "-c", CHECKED, *paths]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    said = [stream.split("|2|\n") for stream in (done.stdout, done.stderr)]
    assert [len(each) for each in said] == [len(faults) + 1] * 2, done.stdout + done.stderr
    for out, err, (_, _, words) in zip(*said, faults):
        assert words in out + err
        assert "Traceback" not in err


def test_the_schema_for_editors_knows_what_the_package_brings(folder: Path) -> None:
    schema = countline(folder, "schema").stdout
    for words in (
        "Folder of the messages; made if absent.",
        "Objects for which there is room.",
        "How urgent it is.",
        '"ltwh"',
    ):
        assert words in schema
    jsonschema = pytest.importorskip("jsonschema")
    whole = read_yaml("countline.yaml", FILES["countline.yaml"].replace("${FOLDER}", "")).data
    assert [error.message for error in jsonschema.Draft202012Validator(json.loads(schema)).iter_errors(whole)] == []
    fields = countline(folder, "schema", "--fields").stdout
    assert "capacities.NAME.inside" in fields
    assert "of an event `full`" in fields


def test_the_output_of_the_page_keeps_the_contract(site: Path, tmp_path: Path) -> None:
    words = [
        "-q",
        "-p",
        "no:cacheprovider",
        "--rootdir",
        str(tmp_path),
        str(site / "source" / "tests" / "test_maildir.py"),
    ]
    command = [sys.executable, "-m", "pytest", *words]
    environment = {**os.environ, "PYTHONPATH": str(site)}
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False, env=environment)
    assert done.returncode == 0, done.stdout
    assert int(re.search(r"(\d+) passed", done.stdout)[1]) >= 15  # type: ignore[index]


@pytest.mark.parametrize("snippet", re.findall(r"(?<!`:\n\n)^```python\n(.*?)^```", PAGE, re.M | re.S))
def test_snippets_without_a_file_run(snippet: str) -> None:
    if snippet in FILES.values():
        return
    exec(compile(snippet, "extending.md", "exec"), {})
