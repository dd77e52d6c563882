"""Servers in Java run once, when they have been fetched, so that their classes are kept (``shared_classes.py``) before the tests
begin: a start costs half of the first one then, and writing them down as much as three starts. ``python tests/first_runs.py``
does it; tests find their way without.
"""

from __future__ import annotations

import json
import sys
import tempfile
import urllib.request
from collections.abc import Callable
from pathlib import Path

import pytest

import fetching
from shared_classes import SharedClasses

__all__ = ["main"]

for _room in ("kafka", "messages", "outputs"):
    sys.path.append(str(Path(__file__).with_name(_room)))


def kafka(folder: Path) -> None:
    from confluent_kafka import Consumer, Producer
    from kafka4 import PASSWORD, Kafka4

    broker = Kafka4(folder / "broker")
    broker.start()
    try:
        scram = {"sasl.mechanism": "SCRAM-SHA-256", "sasl.username": "alice", "sasl.password": PASSWORD}
        tls = {"security.protocol": "sasl_ssl", "ssl.ca.location": str(broker.folder / "ca.crt")}
        for client in (
            {"bootstrap.servers": broker.bootstrap(), "enable.idempotence": True},
            {"bootstrap.servers": broker.bootstrap("SASL"), **tls, **scram},
        ):
            producer = Producer({**client, "log_level": 0})
            producer.produce("first", b"value", b"key")
            producer.flush(20)
        reader = Consumer(
            {
                "bootstrap.servers": broker.bootstrap(),
                "group.id": "first",
                "auto.offset.reset": "earliest",
                "log_level": 0,
            }
        )
        reader.subscribe(["first"])
        reader.poll(20)
        reader.close()
    finally:
        broker.stop()


def s3proxy(folder: Path) -> None:
    from obstore.store import S3Store
    from s3_servers import Bucket, running
    from s3_servers import s3proxy as made

    with running(made(folder)) as server:
        endpoint = f"http://127.0.0.1:{server.port}"
        bucket = Bucket(server, "first", endpoint)
        login = bucket.options()
        store = S3Store(
            "first",
            endpoint=endpoint,
            access_key_id=login["access_key"],
            secret_access_key=login["secret_key"],
            region=login["region"],
            client_options={"allow_http": True},
        )
        store.put("object", b"content")
        bytes(store.get("object").bytes())
        list(store.list())


def registry(folder: Path) -> None:
    from registry_server import running

    with running(folder) as url:
        schema = json.dumps({"schema": json.dumps({"type": "string"})}).encode()
        headers = {"Content-Type": "application/vnd.schemaregistry.v1+json"}
        asked = urllib.request.Request(f"{url}/subjects/first/versions", schema, headers)
        with urllib.request.urlopen(asked, timeout=20) as answer:
            answer.read()


SERVERS: dict[Path, Callable[[Path], None]] = {
    fetching.CACHE / "kafka": kafka,
    fetching.S3PROXY.parent: s3proxy,
    fetching.REGISTRY.parent: registry,
}


def main() -> None:
    """Those that are there and have not run yet. A run that fails is told, and no fault: the tests begin the server anew."""
    for folder, run in SERVERS.items():
        if SharedClasses(folder).kept.exists() or not any(folder.glob("*.jar")):
            continue
        with tempfile.TemporaryDirectory() as scratch:
            try:
                run(Path(scratch))
            except (Exception, pytest.fail.Exception, pytest.skip.Exception) as error:
                print(f"not run before the tests: {run.__name__}: {error}", file=sys.stderr)


if __name__ == "__main__":
    main()
