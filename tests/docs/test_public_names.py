"""What is public: a name that comes or goes is seen here, and the reference has every one.

After a change that is meant: ``python tests/docs/test_public_names.py`` writes the list anew; the changelog tells users of it.
"""

from __future__ import annotations

import importlib
import re
import subprocess
import sys
from pathlib import Path

import pytest

import countline

ROOT = Path(__file__).resolve().parents[2]
LIST = Path(__file__).with_name("public_names.txt")
PAGE = (ROOT / "docs" / "reference.md").read_text(encoding="utf-8")


def public() -> list[str]:
    """``module.name`` for all that the reference page shows."""
    names = []
    for module in re.findall(r"^::: ([\w.]+)$", PAGE, re.M):
        if _is_module(module):
            names += [f"{module}.{name}" for name in importlib.import_module(module).__all__]
    return sorted(names)


def _is_module(name: str) -> bool:
    try:
        importlib.import_module(name)
    except ModuleNotFoundError:
        return False
    return True


def test_no_public_name_comes_or_goes_unseen() -> None:
    assert public() == LIST.read_text(encoding="utf-8").split()


def test_every_public_name_is_there_and_documented() -> None:
    for name in public():
        module, _, last = name.rpartition(".")
        value = getattr(importlib.import_module(module), last)
        if callable(value) and getattr(value, "__module__", "").startswith("countline"):
            assert value.__doc__, name


def test_the_package_says_what_it_has() -> None:
    assert sorted(countline.__all__) == countline.__all__
    assert set(dir(countline)) >= set(countline.__all__)


def test_importing_countline_imports_nothing_else() -> None:
    code = "import sys; before = set(sys.modules); import countline; print(*(set(sys.modules) - before))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = {name.partition(".")[0] for name in done.stdout.split()}
    assert loaded <= {"countline", *sys.stdlib_module_names}
    assert len([name for name in done.stdout.split() if name.startswith("countline")]) == 1


@pytest.mark.skipif(sys.version_info < (3, 11), reason="mkdocstrings needs Python 3.11")
def test_the_site_builds_without_a_broken_link_and_loads_nothing_from_elsewhere(tmp_path: Path) -> None:
    pytest.importorskip("mkdocs")
    pytest.importorskip("mkdocstrings")
    words = ["build", "--strict", "--config-file", str(ROOT / "mkdocs.yml"), "--site-dir", str(tmp_path / "site")]
    done = subprocess.run([sys.executable, "-m", "mkdocs", *words], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    for page in (tmp_path / "site").rglob("*.html"):
        text = page.read_text(encoding="utf-8")
        assert re.findall(r'<(?:script|img|iframe)[^>]+src="https?:', text) == [], page
        assert re.findall(r'<link[^>]+rel="(?:stylesheet|preload|icon)"[^>]+href="https?:', text) == [], page
    reference = (tmp_path / "site" / "reference.html").read_text(encoding="utf-8")
    shown = set(re.findall(r'id="([\w.]+)"', reference))
    assert [name for name in public() if not {name, f"{name}.{name.rpartition('.')[2]}"} & shown] == []


if __name__ == "__main__":
    LIST.write_text("\n".join(public()) + "\n", encoding="utf-8")
