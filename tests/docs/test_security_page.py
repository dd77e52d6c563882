"""What SECURITY.md says of trust is true."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import starting
from countline.config import load
from countline.errors import ConfigError

ROOT = Path(__file__).resolve().parents[2]


def command(*arguments: str) -> subprocess.CompletedProcess[str]:
    return starting.run([sys.executable, "-m", "countline", *arguments], capture_output=True, text=True, check=False)


@pytest.mark.parametrize("words", [["check", "c.yaml"], ["schema", "--message", "m", "c.yaml"]])
def test_a_configuration_is_code_at_check_and_schema_too(words: list[str], clip: Path) -> None:
    Path("payloads.py").write_text(
        "open('it-ran', 'w').close()\ndef payload(event) -> dict[str, int]:\n    return {}\n"
    )
    Path("c.yaml").write_text(
        f"sources: [{{name: a, uri: {clip}}}]\nmessages: [{{name: m, on: frame, function: 'payloads:payload'}}]\noutputs: [stdout]\n"
    )
    assert command(*words).returncode == 0
    assert Path("it-ran").exists()


def test_a_file_named_in_a_configuration_is_read(tmp_path: Path) -> None:
    (tmp_path / "any").write_text("content\n")
    config = load("c.yaml", f"sources: [{{name: a, uri: a.mp4, device_id: '${{file:{tmp_path}/any}}'}}]\n")
    assert config.sources[0].device_id == "content"


@pytest.mark.parametrize(
    "tag", ["!!python/object/apply:os.system [touch it-ran]", "!!python/name:os.system ''", "!!python/module:os ''"]
)
def test_yaml_itself_runs_nothing(tag: str) -> None:
    with pytest.raises(ConfigError, match="tag"):
        load("c.yaml", f"sources: {tag}\n")
    assert not Path("it-ran").exists()


def test_the_page_tells_how_to_report_and_what_is_trusted() -> None:
    text = (ROOT / "SECURITY.md").read_text(encoding="utf-8")
    for words in (
        "repository's security advisories",
        "a configuration is code",
        "`${file:PATH}`",
        "`countline check`",
        "What is checked",
    ):
        assert words in text
    assert "@" not in text.replace("`rtsp://user:password@host`", "")
