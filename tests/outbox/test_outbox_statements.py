"""SQL takes its values as every version of Python's sqlite3 does: by ? in their order, or by name from a mapping."""

from __future__ import annotations

import ast
import re
import sqlite3
import sys
import zlib
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import countline
from countline.outbox import sums

SOURCES = sorted(Path(countline.__file__).parent.rglob("*.py"))
NUMBERED = re.compile(r"(?<!\[)\?\d")  # but for what tells a terminal something


def texts(file: Path) -> Iterator[tuple[int, str]]:
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.lineno, node.value


def test_no_statement_numbers_its_places() -> None:
    """Of a sequence, Python 3.12 takes ?1 for a name, and warns that a later one will refuse it."""
    assert len(SOURCES) > 100
    found = [f"{file}:{line}" for file in SOURCES for line, text in texts(file) if NUMBERED.search(text)]
    assert found == []
    assert NUMBERED.search(f"VALUES ({'?'}1)"), "it would be found"


@pytest.mark.filterwarnings("error::DeprecationWarning")
@pytest.mark.parametrize("table", sums.COLUMNS)
def test_a_row_is_stored_with_the_sum_that_it_is_read_with(table: str) -> None:
    db = sqlite3.connect(":memory:")
    sums.register(db)
    columns = sums.COLUMNS[table]
    db.execute(f"CREATE TABLE {table} ({', '.join(columns)}, crc INTEGER)")
    given_by_sqlite = ("number",) if table == "dead" else ()
    values = [b"data" if c == "data" else f"Straße {i}" if i % 2 else i for i, c in enumerate(columns)]
    row = [v for c, v in zip(columns, values) if c not in given_by_sqlite]
    db.executemany(sums.insert(table), [row, row])
    if table == "dead":
        db.execute("UPDATE dead SET number = rowid")
    assert [list(r) for r in db.execute(f"SELECT {', '.join(columns)} FROM {table}")] == [
        [n if c in given_by_sqlite else v for c, v in zip(columns, values)] for n in (1, 2)
    ]
    assert sums.faults(db, (table,)) == ""
    db.close()


class Name(str):
    """As a reader of YAML may give it."""

    def __str__(self) -> str:
        return "not what is stored"


@pytest.mark.parametrize("table", sums.COLUMNS)
@pytest.mark.parametrize("count", [0, 1, 16, 40])
def test_rows_that_are_stored_together_are_as_those_stored_one_by_one(table: str, count: int) -> None:
    """With the sum that SQLite reckons of them when they are read, whatever kind of number or text they were given as."""
    db = sqlite3.connect(":memory:")
    sums.register(db)
    columns = sums.COLUMNS[table]
    stored = [c for c in columns if (table, c) != ("dead", "number")]
    for name in (table, "alone"):
        number = "number INTEGER PRIMARY KEY, " if table == "dead" else ""
        db.execute(f"CREATE TABLE {name} ({number}{', '.join(stored)}, crc INTEGER)")
    kinds = [Name("Straße"), True, 7, None, "plain", 2**40]
    rows = [
        [
            b"a block that is longer than its head %d" % n if c == "data" else kinds[(n + i) % 6]
            for i, c in enumerate(stored)
        ]
        for n in range(count)
    ]
    sums.store(db, table, rows)
    db.executemany(sums.insert(table).replace(f"INTO {table}", "INTO alone"), rows)
    assert db.execute(f"SELECT count(*) FROM {table}").fetchone() == (count,)
    assert sums.faults(db, (table,)) == ""
    assert db.execute(f"SELECT * FROM {table}").fetchall() == db.execute("SELECT * FROM alone").fetchall()
    db.close()


kinds = st.none() | st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False) | st.text() | st.binary()


@given(st.lists(kinds, max_size=6))
def test_a_sum_is_of_kinds_lengths_and_values(values: list[object]) -> None:
    """It is stored: each version must reckon what the ones before did."""
    parts = [(type(v).__name__[:1], v if isinstance(v, bytes) else str(v).encode()) for v in values]
    assert sums.row_sum(*values) == zlib.crc32(b"".join(b"%s%d:%s" % (k.encode(), len(d), d) for k, d in parts))


def test_what_python_warns_of_is_an_error_in_all_tests() -> None:
    """Else nobody sees it where nothing fails yet."""
    settings = (Path(__file__).parents[2] / "pyproject.toml").read_text(encoding="utf-8")
    assert "error:Binding .* is a named parameter:DeprecationWarning" in settings
    if (3, 12) <= sys.version_info < (3, 12, 4):
        with pytest.raises(DeprecationWarning, match="named parameter"):
            sqlite3.connect(":memory:").execute("SELECT " + "?" + "1", (1,))
