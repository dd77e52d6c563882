"""Every piece of code in README.md, SECURITY.md and docs/ is run here or in the test that is named here, or says beside it why not:
``<!-- not run: reason -->`` on the line above."""

from __future__ import annotations

import json
import re
import shlex
import shutil
from dataclasses import dataclass
from pathlib import Path
from textwrap import dedent

import click
import pytest

from countline.cli import group
from countline.config import load

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "SECURITY.md", *sorted((ROOT / "docs").glob("*.md"))]
ELSEWHERE = {
    ("docs/messages.md", "yaml"): "tests/messages/test_docs.py",
    ("docs/messages.md", "python"): "tests/messages/test_docs.py",
    ("docs/messages.md", "json"): "tests/messages/test_docs.py",
    ("docs/stream.md", "sql"): "tests/docs/test_stream_page.py",
    ("docs/stream.md", "yaml"): "tests/docs/test_stream_page.py",
    ("docs/rules.md", "yaml"): "tests/analytics_native/test_docs.py",
    ("docs/rules.md", "python"): "tests/analytics_native/test_docs.py",
    ("docs/outputs.md", "yaml"): "tests/outputs/test_docs.py",
    ("docs/extending.md", "yaml"): "tests/docs/test_extending.py",
    ("docs/extending.md", "python"): "tests/docs/test_extending.py",
    ("docs/extending.md", "toml"): "tests/docs/test_extending.py",
    **{("docs/deepstream-migration.md", x): "tests/docs/test_migration.py" for x in ("ini", "yaml", "sh", "json")},
    ("docs/deepstream.md", "yaml"): "tests/deepstream/test_deepstream_docs.py",
    ("docs/deepstream-migration.md", "ini"): "tests/docs/test_migration.py",
    ("docs/deepstream-migration.md", "yaml"): "tests/docs/test_migration.py",
    ("docs/deepstream-migration.md", "sh"): "tests/docs/test_migration.py",
    ("docs/deploy.md", "console"): "tests/deploy/test_deploy_page.py",
    ("README.md", "yaml"): "tests/e2e/test_readme.py",
    ("README.md", "python"): "tests/e2e/test_readme.py",
}
"""Page and language of what another test runs, all of it."""
REST = "sources: [{name: entrance, uri: street.mp4}]\noutputs: [stdout, {mqtt: {}}]\n"
"""What a part of a configuration stands beside."""
OUTPUT = {"", "text", "xml", "html"}
"""Languages of what is no code: output, drawings."""


@dataclass(frozen=True)
class Snippet:
    page: str
    line: int
    language: str
    text: str
    excuse: str

    def __str__(self) -> str:
        return f"{self.page}:{self.line}-{self.language}"


def snippets() -> list[Snippet]:
    found = []
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        for m in re.finditer(r"(?:^ *<!-- not run: ([^>]+) -->\n)?^( *)```(\w*)\n(.*?)^\2```", text, re.M | re.S):
            line = text.count("\n", 0, m.start()) + 1
            found.append(Snippet(str(page.relative_to(ROOT)), line, m[3], dedent(m[4]), m[1] or ""))
    return found


OWN = [s for s in snippets() if s.language not in OUTPUT and not s.excuse and (s.page, s.language) not in ELSEWHERE]


def of(*languages: str) -> list[Snippet]:
    return [s for s in OWN if s.language in languages]


def test_every_snippet_is_of_a_language_that_is_run() -> None:
    known = {"yaml", "python", "json", "console", "sh", "make"}
    assert [str(s) for s in OWN if s.language not in known] == []


def test_the_tests_that_run_the_others_read_the_page() -> None:
    for (page, _), test in ELSEWHERE.items():
        assert Path(page).name in (ROOT / test).read_text(encoding="utf-8"), (page, test)


def test_what_is_not_run_says_why() -> None:
    for snippet in snippets():
        assert not snippet.excuse or len(snippet.excuse.split()) >= 3, snippet


@pytest.mark.parametrize("snippet", of("yaml"), ids=str)
def test_configurations_load(snippet: Snippet, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in re.findall(r"\$\{(\w+)\}", snippet.text):
        monkeypatch.setenv(name, "from-the-environment")
    keys = set(re.findall(r"^(\w+):", snippet.text, re.M))
    rest = "".join(line + "\n" for line in REST.splitlines() if line.split(":")[0] not in keys)
    config = load(snippet.page, rest + snippet.text)
    assert keys <= set(type(config).model_fields), f"{keys}: the piece does not begin with a key of the configuration"


@pytest.mark.parametrize("snippet", of("python"), ids=str)
def test_python_runs(snippet: Snippet, clip: Path) -> None:
    shutil.copy(clip, "street.mp4")
    exec(compile(snippet.text, snippet.page, "exec"), {"__name__": "snippet"})


@pytest.mark.parametrize("snippet", of("json"), ids=str)
def test_json_is_json(snippet: Snippet) -> None:
    try:
        json.loads(snippet.text)
    except ValueError:
        for line in snippet.text.splitlines():
            json.loads(line)


def words_of(snippet: Snippet) -> list[list[str]]:
    joined = snippet.text.replace("\\\n", " ")
    return [words for line in joined.splitlines() if (words := shlex.split(re.sub(r"^\$ ", "", line), comments=True))]


@pytest.mark.parametrize("snippet", of("console", "sh"), ids=str)
def test_commands_exist_with_these_options(snippet: Snippet) -> None:
    targets = re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.M)
    extras = re.findall(r"^([\w-]+) = \[", (ROOT / "pyproject.toml").read_text(encoding="utf-8"), re.M)
    for words in words_of(snippet):
        words = words[: words.index(">")] if ">" in words else words
        program, rest = words[0], words[1:]
        if program == "make":
            assert set(rest) <= set(targets), words
        elif program == "pip":
            for extra in re.findall(r"\[([\w,-]+)\]", " ".join(rest)):
                assert set(extra.split(",")) <= set(extras), words
        elif program == "countline":
            parses(group, rest)
        else:
            assert program in {"git", "pre-commit", "python", "tools/test_pythons.sh", ".ci/run"}, (
                f"{program}: run it or say why not"
            )


def parses(command: click.Command, words: list[str]) -> None:
    """Raises click's UsageError for a command or option that does not exist."""
    context = click.Context(command)
    while isinstance(command, click.Group) and words:
        name, found, words = command.resolve_command(context, words)
        assert found is not None
        command, context = found, click.Context(found, info_name=name, parent=context)
    command.make_parser(context).parse_args(list(words))
