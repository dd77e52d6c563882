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


PRINTED = """
import pathlib, sys
from pyflink.table import EnvironmentSettings, TableEnvironment
env = TableEnvironment.create(EnvironmentSettings.in_streaming_mode())
env.get_config().set("pipeline.jars", pathlib.Path(sys.argv[1]).as_uri())
env.get_config().set("parallelism.default", "1")
for statement in open(sys.argv[2]).read().split(";\\n"):
    if statement.strip():
        env.execute_sql(statement)
with env.execute_sql("SELECT `message_id` FROM crossings_once WHERE `kind` = 'crossing' AND `at` IS NOT NULL").collect() as rows:
    for row in rows:
        print("id", row[0])
"""


def test_flink_takes_the_printed_table_and_gives_each_id_once(request: pytest.FixtureRequest, tmp_path: Path) -> None:
    needs("flink")
    crossings: Crossings = request.getfixturevalue("crossings")
    tables = tmp_path / "tables.sql"
    bounded = "'scan.bounded.mode' = 'latest-offset',\n  'format' = 'json',"
    tables.write_text(schema(crossings, tmp_path, "--flink").replace("'format' = 'json',", bounded))
    ids = [
        line
        for line in run("flink", "-c", PRINTED, engines.JAR, tables, folder=tmp_path).splitlines()
        if line[:3] == "id "
    ]
    assert len(ids) == len(set(ids)) == sum(n for k, n in crossings.truth.items() if k[0] == "tumbling")


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
import json, sys
from chdb import session
db = session.Session("store")
for file in sys.argv[1:]:
    for statement in open(file).read().split(";\\n"):
        if statement.strip():
            db.query(statement)
with open("rows.jsonl", "w") as rows:
    for line in open("crossings.jsonl"):
        record = json.loads(line)
        headers = record["headers"]
        more = {"_headers.name": list(headers), "_headers.value": list(headers.values()), "_timestamp_ms": record["time"]}
        print(json.dumps({**record["value"], **more}), file=rows)
columns = ("input_format_skip_unknown_fields = 1, date_time_input_format = 'best_effort', "
           "input_format_import_nested_json = 0")
db.query(f"INSERT INTO crossings_queue SELECT * FROM file('rows.jsonl', JSONEachRow, '{sys.stdin.read()}') SETTINGS {columns}")
print(db.query("SELECT name, who, direction, toString(window_start) AS window_start, crossings FROM totals", "JSONEachRow"))
"""


def test_clickhouse_gives_exactly_the_truth(request: pytest.FixtureRequest, tmp_path: Path) -> None:
    """With the tables that `countline schema` prints, and their materialised view; chdb is the server's code as a library, in which no
    consumer of Kafka runs, so the rows that the server would read from the topic are put into the queue by hand."""
    needs("tables")
    crossings: Crossings = request.getfixturevalue("crossings")
    recorded(crossings, tmp_path)
    printed = schema(crossings, tmp_path, "--clickhouse")
    queue, _, rest = printed.partition("ENGINE = Kafka")
    _, _, rest = rest.partition("date_time_input_format = 'best_effort';")
    virtual = (
        "`_headers.name` Array(String), `_headers.value` Array(String), `_timestamp_ms` Nullable(DateTime64(3, 'UTC'))"
    )
    columns = queue.partition("(")[2].rpartition(")")[0].strip() + ", " + virtual
    tables = tmp_path / "tables.sql"
    tables.write_text(f"CREATE TABLE `crossings_queue` ({columns}) ENGINE = Null;\n{rest}")
    words = ("-c", CLICKHOUSE, tables, EXAMPLES / "clickhouse" / "totals.sql")
    out = run("tables", *words, folder=tmp_path, given=columns.replace("'", "''"))
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
