"""SQL: the contract against SQLite and a real PostgreSQL, and what only tables do."""

from __future__ import annotations

import glob
import json
import os
import shutil
import signal
import sqlite3
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

import pytest
from servers import Certificates, ProcessServer, need, wait_until

from countline.protocols import Entry
from countline.testing import OutputContract, Read, Received, Sender, entries, free_port
from countline.types import Message

PASSWORD = "s3cret-of-postgres"


class Database(ProcessServer):
    """PostgreSQL with TLS; its programs refuse to run as root, so root lends them the user 'postgres'."""

    def __init__(self, folder: Path, certificates: Certificates) -> None:
        found = sorted(glob.glob("/usr/lib/postgresql/*/bin"))
        programs = found[-1] if found else str(Path(need("initdb", "postgresql")).parent)
        self.data = folder / "data"
        self.user = "postgres" if os.geteuid() == 0 else None
        (folder / "pw").write_text(PASSWORD)
        if self.user:
            shutil.chown(folder, self.user)
        command = [f"{programs}/initdb", "-D", str(self.data), "-U", "counter", "-A", "scram-sha-256", "-N"]
        subprocess.run(
            [*command, f"--pwfile={folder / 'pw'}"], check=True, capture_output=True, user=self.user, cwd=folder
        )
        for name in ("cert", "key"):
            copy = shutil.copy(getattr(certificates, name), self.data / f"server.{name}")
            os.chmod(copy, 0o600)
            if self.user:
                shutil.chown(copy, self.user)
        tls = ["ssl=on", f"ssl_cert_file={self.data}/server.cert", f"ssl_key_file={self.data}/server.key"]
        port = free_port()
        settings = [*tls, f"port={port}", "listen_addresses=127.0.0.1", f"unix_socket_directories={folder}"]
        super().__init__(
            [f"{programs}/postgres", "-D", str(self.data), *[w for s in settings for w in ("-c", s)]], folder, port
        )

    def start(self) -> None:
        with (self.folder / "server.log").open("ab") as log:
            self.process = subprocess.Popen(self.command, cwd=self.folder, stdout=log, stderr=log, user=self.user)
        wait_until(self.answers, "PostgreSQL answers")

    def answers(self) -> bool:
        import psycopg

        if not super().answers():
            return False
        try:
            self.query("SELECT 1")
        except psycopg.OperationalError:
            return False
        return True

    def query(self, sql: str) -> list[Any]:
        import psycopg

        login = {"user": "counter", "password": PASSWORD, "dbname": "postgres"}
        with psycopg.connect(host="127.0.0.1", port=self.port, **login, autocommit=True) as connection:
            cursor = connection.execute(sql)  # type: ignore[arg-type]
            return cursor.fetchall() if cursor.description else []

    def kill(self) -> None:
        """PostgreSQL's immediate shutdown: as after a crash, but for processes that hold on to its memory."""
        process, self.process = self.process, None
        assert process is not None
        process.send_signal(signal.SIGQUIT)
        process.wait(30)

    def stop(self) -> None:
        if self.process is not None:
            self.process.send_signal(signal.SIGINT)  # fast shutdown: SIGTERM would wait for the clients
        super().stop()


@pytest.fixture(scope="module")
def database(certificates: Certificates) -> Iterator[Database]:
    """One for all tests: initdb takes seconds. Not below pytest's folder, which is closed to other users."""
    with tempfile.TemporaryDirectory(prefix="countline-postgres-") as folder:
        server = Database(Path(folder), certificates)
        try:
            server.start()
            yield server
        finally:
            server.stop()


@pytest.fixture
def server(database: Database) -> Database:
    """The server, up, without the table."""
    if database.process is None:
        database.start()
    database.query('DROP TABLE IF EXISTS "countline_messages"')
    return database


COMMON: tuple[tuple[dict[str, Any], str], ...] = (
    ({"table": "a b"}, "table"),
    ({"columns": {"id": None}}, "columns"),
    ({"columns": {"colour": "c"}}, "columns"),
    ({"columns": {"key": "x; drop"}}, "columns"),
    ({"value": "xml"}, "value"),
    ({"url": "mysql://x"}, "url"),
    ({"url": "sqlite:"}, "url"),
)


class TestPostgres(OutputContract):
    kind = "sql"
    survives_kill = True
    secret = PASSWORD
    wrong_secret: ClassVar = {"password": "wrong-pa55word"}
    bad_options = COMMON

    @pytest.fixture
    def server(self, server: Database) -> Database:
        return server

    def options(self, server: Database) -> dict[str, Any]:
        dsn = f"postgresql://counter@127.0.0.1:{server.port}/postgres"
        return {"url": dsn, "password": PASSWORD, "value": "bytes"}

    def address(self, host: str, port: int) -> dict[str, Any]:
        return {"url": f"postgresql://counter@{host}:{port}/postgres"}

    @contextmanager
    def refusals(self, server: Database) -> Iterator[tuple[dict[str, Any], Read]]:
        """A disk that is full now and then, as PostgreSQL says it."""
        assert all(line.ok for line in self.make_output(server).check())  # makes the table
        server.query(
            "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN IF random() < 0.04 THEN "
            "RAISE EXCEPTION 'no space left' USING ERRCODE = '53100'; END IF; RETURN NEW; END $$; "
            "CREATE TRIGGER refuse BEFORE INSERT ON countline_messages FOR EACH ROW EXECUTE FUNCTION refuse()"
        )
        yield {"batch": 10}, partial(self.read_back, server)
        server.query("DROP FUNCTION refuse CASCADE")

    def read_back(self, server: Database, count: int) -> list[Received]:
        rows = server.query("SELECT value, id, key, headers FROM countline_messages ORDER BY ctid")
        assert len(rows) >= count
        return [_received(*row) for row in rows]


class TestPostgresTls(TestPostgres):
    clear_greeting = b"N"

    def tls_port(self, server: Database) -> int:
        return server.port

    @pytest.fixture(autouse=True)
    def _authority(self, certificates: Certificates) -> None:
        self.certificates = certificates

    def options(self, server: Database) -> dict[str, Any]:
        return {**super().options(server), "tls": {"ca": str(self.certificates.ca)}}

    def test_an_unknown_authority_is_said_in_words(self, server: Database) -> None:
        lines = self.check(self.make_output(server, tls={"ca": str(self.certificates.other_ca)}))
        assert any("not trusted" in line.detail and "tls.ca" in line.fix for line in lines if not line.ok), lines


class SqliteFile:
    """A folder for a database file."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "counts.db"

    def start(self) -> None:
        """Nothing to start."""

    stop = start

    def query(self, sql: str) -> list[Any]:
        with sqlite3.connect(self.path) as connection:
            rows = connection.execute(sql).fetchall()
        connection.close()
        return rows


class TestSqlite(OutputContract):
    kind = "sql"
    has_server = False
    bad_options = COMMON

    @pytest.fixture
    def server(self, tmp_path: Path) -> SqliteFile:
        return SqliteFile(tmp_path)

    def options(self, server: SqliteFile) -> dict[str, Any]:
        return {"url": f"sqlite:///{server.path}", "value": "bytes"}

    def read_back(self, server: SqliteFile, count: int) -> list[Received]:
        rows = server.query("SELECT value, id, key, headers FROM countline_messages ORDER BY rowid")
        assert len(rows) >= count
        return [_received(value, number, key, json.loads(headers or "{}")) for value, number, key, headers in rows]


def _received(value: bytes, number: str, key: str | None, headers: dict[str, str] | None) -> Received:
    rest = tuple((k, v.encode()) for k, v in (headers or {}).items())
    return Received(value, number, key.encode() if key is not None else None, rest)


@pytest.fixture(params=["postgres", "sqlite"])
def either(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[OutputContract, Any]:
    """Both databases, with the contract's way to make an output."""
    if request.param == "sqlite":
        return TestSqlite(), SqliteFile(tmp_path)
    return TestPostgres(), request.getfixturevalue("server")


Either = tuple[OutputContract, Any]


def deliver(either: Either, todo: list[Entry], **options: Any) -> Sender:
    contract, server = either
    output = contract.make_output(server, **options)
    output.open()
    run = Sender(output, todo).run()
    output.close(5)
    return run


def test_a_message_sent_twice_is_one_row(either: Either) -> None:
    for _ in range(2):
        assert len(deliver(either, entries(20)).acknowledged) == 20
    assert either[1].query("SELECT count(*) FROM countline_messages") == [(20,)]


def test_json_values_can_be_queried_and_others_are_dead_letters(either: Either) -> None:
    todo = [
        Entry(1, Message("a", b'{"n": 7}', source="door")),
        Entry(2, Message("b", b"not json")),
        Entry(3, Message("c", b"[]")),
    ]
    run = deliver(either, todo, value="json")
    assert run.acknowledged == [1, 3]
    assert "not JSON" in run.dead[2]
    rows = either[1].query("SELECT value ->> 'n', source FROM countline_messages WHERE id = 'a'")
    assert [(str(n), source) for n, source in rows] == [("7", "door")]


def test_columns_can_be_renamed_and_left_out(either: Either) -> None:
    columns = {"id": "message_id", "value": "payload", "headers": None, "topic": None}
    deliver(either, entries(2), columns=columns, value="text")
    rows = either[1].query("SELECT message_id, payload FROM countline_messages ORDER BY 1")
    assert rows == [(e.message.id, e.message.value.decode()) for e in entries(2)]


def test_a_row_that_the_table_refuses_is_a_dead_letter_and_the_rest_flows(either: Either) -> None:
    either[1].query(
        "CREATE TABLE countline_messages (id VARCHAR(40) PRIMARY KEY, value TEXT NOT NULL CHECK (length(value) < 50))"
    )
    columns = dict.fromkeys(("time", "source", "definition", "topic", "key", "headers"))
    todo = entries(9)
    todo[4] = Entry(5, Message("long", b"x" * 80))
    run = deliver(either, todo, columns=columns, value="text")
    assert sorted(run.dead) == [5]
    assert sorted(run.acknowledged) == [1, 2, 3, 4, 6, 7, 8, 9]


def test_a_table_without_a_unique_id_is_said_in_words(server: Database) -> None:
    server.query("CREATE TABLE countline_messages (id TEXT, value BYTEA)")
    bad = [line for line in TestPostgres().check(TestPostgres().make_output(server)) if not line.ok]
    assert bad
    assert "unique" in bad[0].fix


def test_a_locked_sqlite_file_is_a_state(tmp_path: Path) -> None:
    server = SqliteFile(tmp_path)
    deliver((TestSqlite(), server), entries(1))
    output = TestSqlite().make_output(server)
    output.open()
    blocker = sqlite3.connect(server.path, isolation_level=None)
    blocker.execute("BEGIN IMMEDIATE")
    run = Sender(output, entries(5))
    while not run.retried:
        run.step(0.05)
    assert "locked" in output.status.error
    blocker.execute("ROLLBACK")
    blocker.close()
    assert len(run.run().acknowledged) == 5
    output.close(5)


def test_a_folder_that_is_not_there_is_a_state_with_words(tmp_path: Path) -> None:
    output = TestSqlite().make_output(SqliteFile(tmp_path), url=f"sqlite:///{tmp_path}/none/counts.db")
    output.open()
    run = Sender(output, entries(1))
    while not run.retried:
        run.step(0.01)
    assert "unable to open" in output.status.error
    (tmp_path / "none").mkdir()
    assert run.run().acknowledged == [1]
    output.close(1)
