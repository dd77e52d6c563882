"""Nothing that is read is ever overwritten, and what is written takes its place only when it is whole."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import Any

import pytest
import yaml
from conftest_e2e import command

from countline.cli import main
from countline.config import load
from countline.errors import ConfigError
from countline.pipeline.roles import refuse_collisions


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def ways(target: Path, folder: Path) -> dict[str, Path]:
    """Other names of a file."""
    (folder / "soft.mp4").symlink_to(target)
    os.link(target, folder / "hard.mp4")
    return {
        "same": target,
        "dot": Path(f"{target.parent}/./{target.name}"),
        "up": Path(f"{target.parent}/../{target.parent.name}/{target.name}"),
        "symbolic link": folder / "soft.mp4",
        "hard link": folder / "hard.mp4",
    }


@pytest.mark.parametrize("option", ["--annotate", "--record"])
def test_the_input_video_is_never_overwritten_under_any_name(
    option: str, short: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    clip = tmp_path / "in.mp4"
    clip.write_bytes(short.read_bytes())
    before = digest(clip)
    for way, name in ways(clip, tmp_path).items():
        with pytest.raises(SystemExit) as end:
            main(
                ["run", "-i", str(clip), "--line", "l=0,0.5,1,0.5", "--stdout", "--outbox", "memory", option, str(name)]
            )
        assert end.value.code == 2, way
        assert "would overwrite source 'in'" in capsys.readouterr().err, way
        assert digest(clip) == before, way


BASE: dict[str, Any] = {
    "sources": [{"name": "gate", "uri": "in.mp4"}],
    "rules": {"lines": [{"name": "l", "points": [[0, 0.5], [1, 0.5]]}]},
    "outputs": [{"file": {"path": "out.jsonl"}}],
}


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"outputs": [{"file": {"path": "./in.mp4"}}]}, "source 'gate'"),
        ({"outputs": [{"file": {"path": "{source}.mp4"}}], "sources": [{"name": "in", "uri": "in.mp4"}]}, "source 'in'"),
        ({"outputs": [{"file": {"path": "c.yaml"}}]}, "the configuration"),
        ({"outputs": [{"file": {"path": "m.onnx"}}], "detector": {"model": "m.onnx"}}, "the detector's model"),
        ({"outputs": [{"file": {"path": "labels.txt"}}], "detector": {"labels": "labels.txt"}}, "the detector's model"),
        ({"outputs": [{"file": {"path": "f.py"}}], "messages": [{"name": "m", "function": "f.py:f"}]}, "message 'm'"),
        ({"outputs": [{"file": {"path": "x.outbox"}}], "outbox": "x.outbox"}, "outbox"),
        ({"outputs": [{"file": {"path": "x.outbox.lock"}}], "outbox": "x.outbox"}, "outbox"),
        ({"outbox": "in.mp4"}, "source 'gate'"),
        ({"outputs": [{"sql": {"dsn": "sqlite:in.mp4"}}]}, "source 'gate'"),
        ({"outputs": [{"file": {"name": "a", "path": "o.jsonl"}}, {"file": {"name": "b", "path": "sub/../o.jsonl"}}]}, "output 'a'"),
        ({"outputs": [{"file": {"name": "a", "path": "{date}.jsonl"}}, {"file": {"name": "b", "path": "2026-01-01.jsonl"}}]},
         "output 'a'"),
        ({"outputs": [{"kafka": {"bootstrap": "localhost:9092", "topic": "t", "security": {"tls": {"ca": "ca.pem"}}}},
                      {"file": {"path": "ca.pem"}}]}, "output 'kafka'"),
    ],
)  # fmt: skip
def test_no_output_is_an_input_the_state_or_another_output(change: dict[str, Any], named: str) -> None:
    for name in ("in.mp4", "m.onnx", "labels.txt", "f.py", "ca.pem"):
        Path(name).write_text("def f(event): return {}\n")
    Path("sub").mkdir()
    Path("c.yaml").write_text(yaml.safe_dump({**BASE, **change}))
    config = load("c.yaml")
    state = Path(config.outbox.path) if config.outbox.path else Path(".countline/c.outbox")
    with pytest.raises(ConfigError) as caught:
        refuse_collisions(config, "c.yaml", state)
    assert named in str(caught.value)


def test_different_files_are_accepted() -> None:
    Path("in.mp4").write_text("")
    outputs = [{"file": {"name": "a", "path": "{source}.jsonl"}}, {"file": {"name": "b", "path": "b/{source}.jsonl"}}]
    Path("c.yaml").write_text(yaml.safe_dump({**BASE, "outputs": outputs}))
    refuse_collisions(load("c.yaml"), "c.yaml", Path(".countline/c.outbox"))


def test_analyze_does_not_write_onto_its_tracks(capsys: pytest.CaptureFixture[str]) -> None:
    Path("tracks.jsonl").write_text("x")
    Path("rules.yaml").write_text("rules: {}")
    for out in ("./tracks.jsonl", "rules.yaml"):
        with pytest.raises(SystemExit) as end:
            main(["analyze", "--rules", "rules.yaml", "--out", out, "tracks.jsonl"])
        assert end.value.code == 2
        assert "would overwrite" in capsys.readouterr().err
    assert Path("tracks.jsonl").read_text() == "x"


def test_an_annotated_video_that_cannot_be_written_is_told_before_the_run(short: Path, tmp_path: Path) -> None:
    folder = tmp_path / "a folder.mp4"
    folder.mkdir()
    ended = command(
        "run", "-i", str(short), "--line", "l=0,0.5,1,0.5", "--stdout", "--outbox", "memory", "--annotate", str(folder)
    )
    assert ended.returncode == 3, ended.stderr
    assert "Is a directory" in ended.stderr
    assert "free" not in ended.stderr
    assert ended.stdout == "", "nothing was counted before it was told"


def test_an_annotated_video_takes_its_place_when_it_is_whole(short: Path, tmp_path: Path) -> None:
    target = tmp_path / "out.mp4"
    target.write_bytes(b"an earlier one")
    command(
        "run", "-i", str(short), "--line", "l=0,0.5,1,0.5", "--stdout", "--outbox", "memory", "--annotate", str(target)
    )
    assert target.stat().st_size > 10_000
    assert sorted(p.name for p in tmp_path.iterdir() if "partial" in p.name) == []
