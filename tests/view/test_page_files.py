"""The files of the page: all are there, none needs anything from elsewhere, and the wheel brings them."""

from __future__ import annotations

import posixpath
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "src" / "countline" / "view" / "web" / "page"
OWN = [
    path for path in sorted(PAGE.rglob("*")) if path.suffix in (".js", ".css", ".html") and "vendor" not in path.parts
]


def test_every_file_that_is_named_is_there() -> None:
    index = (PAGE / "index.html").read_text()
    named = {PAGE / name for name in re.findall(r'(?:src|href)="static/([^"]+)"', index)}
    for path in OWN:
        text = path.read_text()
        for name in re.findall(r'from "(\.[^"]+)"|url\("(\.[^"]+)"\)', text):
            named.add(Path(posixpath.normpath((path.parent / (name[0] or name[1])).as_posix())))
    assert sorted(str(path) for path in named if not path.is_file()) == []
    modules = {path for path in OWN if path.suffix in (".js", ".css")}
    assert modules <= named, "no file is left over"


@pytest.mark.parametrize("path", OWN, ids=lambda path: str(path.relative_to(PAGE)))
def test_nothing_is_fetched_from_elsewhere_and_nothing_stands_inline(path: Path) -> None:
    text = path.read_text()
    assert set(re.findall(r"https?://[\w./-]+", text)) <= {"http://www.w3.org/2000/svg"}
    assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function", text)
    assert not re.search(r"<style|<script>|\son[a-z]+=|\sstyle=", text)
    assert text.count("\n") < 400


def test_what_others_made_stands_beside_its_licence() -> None:
    notice = (ROOT / "NOTICE").read_text()
    for folder, licence, words in (
        ("vendor", "LICENSE.uPlot", "The MIT License"),
        ("fonts", "LICENSE.Inter", "SIL OPEN FONT LICENSE"),
    ):
        assert words.lower() in (PAGE / folder / licence).read_text().lower()
        assert f"{folder}/{licence}" in notice


def test_the_wheel_brings_the_page(tmp_path: Path) -> None:
    if not (ROOT / "pyproject.toml").exists():
        pytest.skip("not a clone")
    subprocess.run([sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", tmp_path], cwd=ROOT, check=True)
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as files:
        packed = set(files.namelist())
    mine = {
        f"countline/view/web/page/{path.relative_to(PAGE).as_posix()}" for path in PAGE.rglob("*") if path.is_file()
    }
    assert mine <= packed
