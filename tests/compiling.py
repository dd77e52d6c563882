"""Everything is compiled once. In a new clone each process of ``pytest -n`` would compile the package, and explain the asserts of
every test, for itself: ten seconds of work in each, all at the same time."""

from __future__ import annotations

import compileall
from contextlib import suppress
from fnmatch import fnmatch
from pathlib import Path

import pytest
from _pytest.assertion import rewrite

ROOT = Path(__file__).resolve().parents[1]


def share(config: pytest.Config, number: int, of: int) -> None:
    """Compile what is not compiled yet of every ``of``-th file, from ``number`` on. The others' files are compiled by the others,
    meanwhile; one that is not ready when it is needed is compiled then, as ever."""
    files = sorted([*(ROOT / "src").rglob("*.py"), *(ROOT / "tests").rglob("*.py")])
    for file in files[number::of]:
        if file.name == "conftest.py" or any(fnmatch(file.name, pattern) for pattern in config.getini("python_files")):
            # pytest has no public name for this; where a later version has another one, each process works for itself. What is
            # wrong with a file is told when it is imported.
            with suppress(AttributeError, TypeError, SyntaxError, ValueError, OSError):
                _explain(config, file)
        else:
            compileall.compile_file(file, quiet=2)


def _explain(config: pytest.Config, file: Path) -> None:
    """As pytest's import does it, without an import."""
    folder = rewrite.get_cache_dir(file)
    kept = folder / (file.name[:-3] + rewrite.PYC_TAIL)
    if rewrite.try_makedirs(folder) and rewrite._read_pyc(file, kept) is None:
        signature, code = rewrite._rewrite_test(file, config)
        rewrite._write_pyc(config.stash[rewrite.assertstate_key], code, signature, kept)
