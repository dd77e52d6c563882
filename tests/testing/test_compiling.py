"""Each process of the tests compiles its share, and finds what the others have compiled."""

from __future__ import annotations

from pathlib import Path

import pytest
from _pytest.assertion import rewrite

import compiling

FILES = {
    "src/package/a.py": "x = 1\n",
    "src/package/b.py": "x = 2\n",
    "tests/conftest.py": "x = 3\n",
    "tests/test_c.py": "def test_c(): assert 1 + 1 == 2\n",
    "tests/test_wrong.py": "def test_c(: assert\n",
    "tests/helper.py": "x = 4\n",
}


def compiled(root: Path) -> dict[str, int]:
    """Name and time of each compiled file."""
    return {file.name.partition(".")[0]: file.stat().st_mtime_ns for file in root.rglob("*.pyc")}


def test_all_shares_together_are_everything_and_nothing_is_compiled_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, pytestconfig: pytest.Config
) -> None:
    monkeypatch.setattr(compiling, "ROOT", tmp_path)
    for name, text in FILES.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    compiling.share(pytestconfig, 0, 2)
    first = compiled(tmp_path)
    compiling.share(pytestconfig, 1, 2)
    second = compiled(tmp_path)
    assert set(first) < set(second) == {"a", "b", "conftest", "test_c", "helper"}
    for number in range(2):
        compiling.share(pytestconfig, number, 2)
    assert compiled(tmp_path) == second
    test = tmp_path / "tests" / "test_c.py"
    kept = test.parent / "__pycache__" / f"test_c{rewrite.PYC_TAIL}"
    code = rewrite._read_pyc(test, kept)
    assert code is not None, "pytest takes it as its own"
    assert "@pytest_ar" in code.co_names, "with its asserts explained"
