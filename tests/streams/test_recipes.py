"""The recipes of `examples/streams`, with the real engines: exactly the truth, of a topic in which messages come twice and late."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import engines
import pytest
from conftest_streams import EXAMPLES, Crossings, configuration, run, total_of, totals_in

pytestmark = pytest.mark.streams


def needs(engine: str) -> None:
    reason = engines.missing(engine)
    if reason:
        pytest.skip(reason)


def test_flink_sql_gives_exactly_the_truth(request: pytest.FixtureRequest, tmp_path: Path) -> None:
    needs("flink")
    crossings: Crossings = request.getfixturevalue("crossings")
    script = EXAMPLES / "flink" / "run.py"
    run(
        "flink",
        script,
        "--kafka",
        crossings.bootstrap,
        "--totals",
        "flink-totals",
        "--jar",
        engines.JAR,
        "--until-now",
        folder=tmp_path,
    )
    found = totals_in("flink-totals", crossings.bootstrap) | totals_in("flink-totals-by-site", crossings.bootstrap)
    assert found == crossings.truth


def test_quix_streams_gives_exactly_the_truth(request: pytest.FixtureRequest, tmp_path: Path) -> None:
    """Of all windows that are over; the last sessions end with the next crossing."""
    needs("quix")
    crossings: Crossings = request.getfixturevalue("crossings")
    script = EXAMPLES / "quix" / "totals.py"
    run("quix", script, "--kafka", crossings.bootstrap, "--totals", "quix-totals", "--idle", "8", folder=tmp_path)
    found = totals_in("quix-totals", crossings.bootstrap)
    assert found == {k: n for k, n in crossings.truth.items() if k in found}
    open_still = {k for k in crossings.truth if k[0] != "site"} - found.keys()
    newest = max(k[3] for k in crossings.truth)
    assert all(k[3] > newest - 60_000 for k in open_still)
    assert len(found) > len(open_still)


def recorded(crossings: Crossings, folder: Path) -> None:
    """What `countline consume` writes of the topic."""
    command = [sys.executable, "-m", "countline", "consume", crossings.topic, "--kafka", crossings.bootstrap, "--json"]
    with (folder / "crossings.jsonl").open("wb") as out:
        subprocess.run([*command, "-n", str(crossings.records)], stdout=out, check=True, timeout=60)


def test_duckdb_gives_exactly_the_truth(request: pytest.FixtureRequest, tmp_path: Path) -> None:
    needs("tables")
    crossings: Crossings = request.getfixturevalue("crossings")
    recorded(crossings, tmp_path)
    shutil.copy(EXAMPLES / "sources.csv", tmp_path)
    program = (
        "import duckdb, json, sys\n"
        "db = duckdb.connect()\n"
        "db.execute(open(sys.argv[1]).read())\n"
        "for row in db.execute('SELECT name, who, direction, epoch_ms(window_start), crossings FROM totals').fetchall():\n"
        "    print(json.dumps(row))\n"
    )
    rows = map(
        json.loads, run("tables", "-c", program, EXAMPLES / "duckdb" / "totals.sql", folder=tmp_path).splitlines()
    )
    assert {tuple(row[:4]): row[4] for row in rows} == crossings.truth


CLICKHOUSE = """
import sys, time
from chdb import session
db = session.Session("store")
for file in sys.argv[2:]:
    for statement in open(file).read().split(";\\n"):
        if statement.strip():
            db.query(statement)
until = time.monotonic() + 60
while int(str(db.query("SELECT count() FROM crossings"))) < int(sys.argv[1]) and time.monotonic() < until:
    time.sleep(0.2)
print(db.query("SELECT name, who, direction, toString(window_start) AS window_start, crossings FROM totals", "JSONEachRow"))
db.query("DROP TABLE crossings_consumer"); db.query("DROP TABLE crossings_queue")
"""


def test_clickhouse_reads_the_topic_and_gives_exactly_the_truth(request: pytest.FixtureRequest, tmp_path: Path) -> None:
    needs("tables")
    crossings: Crossings = request.getfixturevalue("crossings")
    tables = tmp_path / "tables.sql"
    tables.write_text(schema(crossings, tmp_path, "--clickhouse"))
    out = run(
        "tables", "-c", CLICKHOUSE, crossings.records, tables, EXAMPLES / "clickhouse" / "totals.sql", folder=tmp_path
    )
    rows = [json.loads(line) for line in out.splitlines() if line.startswith("{")]
    found = {total_of(row): int(row["crossings"]) for row in rows}
    expected = {k: n for k, n in crossings.truth.items() if k[0] != "site"}
    assert {(*k[:3], k[3] // 1000): n for k, n in found.items()} == {
        (*k[:3], k[3] // 1000): n for k, n in expected.items()
    }


def schema(crossings: Crossings, folder: Path, engine: str) -> str:
    """What `countline schema` prints for the recipe."""
    path = folder / "countline.yaml"
    path.write_text(json.dumps(configuration(crossings.bootstrap, crossings.topic)))
    command = [sys.executable, "-m", "countline", "schema", "--message", "crossings", engine, str(path)]
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout
