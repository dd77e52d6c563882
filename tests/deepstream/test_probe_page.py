"""A DeepStream probe has the page of a run, without pictures."""

from __future__ import annotations

import json
import socket
from pathlib import Path

import httpx
from nvds_metas import Frm, Library, Obj
from nvds_pipeline import Pipeline
from pages import API, PASSWORD, picture
from walking import wait_for
from websockets.sync.client import connect

from countline.deepstream import attach


def traffic(frames: int) -> list[list[Frm]]:
    return [
        [
            Frm(
                0, n, n * 40_000_000, 1_700_000_000_000_000_000 + n * 40_000_000, (1000, 1000),
                [Obj(i, (100 * i, n * 25.0 - 50, 40, 80), 2, "Person", 0.75) for i in range(3)],
            )
        ]
        for n in range(frames)
    ]  # fmt: skip


def test_a_probe_shows_rules_counts_and_objects(tmp_path: Path) -> None:
    config = {
        "sources": [{"name": "north"}],
        "rules": {"lines": [{"name": "straight", "points": [[0.0, 0.5], [1.0, 0.5]]}]},
        "outputs": [{"file": {"path": str(tmp_path / "out.jsonl")}}],
        "outbox": "memory",
        "web": {"listen": "127.0.0.1:0", "password": PASSWORD},
    }
    library = Library()
    with Pipeline() as pipeline:
        with attach(pipeline.element("here"), config, lossless=True) as attachment:
            assert attachment.page is not None
            address = attachment.page.server.address
            pipeline.push(library.buffer(frames) for frames in traffic(40))
            with httpx.Client(base_url=f"http://{address}{API}", timeout=30) as client:
                wait_for(
                    lambda: sum(c["value"] for c in client.get("/counts").json()["counts"] if c["class"] is None) == 3
                )
                (source,) = client.get("/state").json()["sources"]
                assert (source["name"], source["state"], source["width"]) == ("north", "live", 1000)
                assert client.get("/rules").json()["rules"][0]["points"] == [[0.0, 0.5], [1.0, 0.5]]
                wait_for(lambda: len(client.get("/events").json()["events"]) == 3)
                assert len(client.get("/objects?source=north").json()["objects"]) == 3
                with connect(f"ws://{address}{API}/frames") as wire:
                    wire.send(json.dumps({"watch": [{"source": "north"}]}))
                    facts, jpeg = picture(wire.recv(timeout=30))
            assert jpeg == b""
            assert facts["source"] == "north"
            assert len(facts["objects"]) == 3
            pipeline.finish()
    socket.create_server(("127.0.0.1", int(address.rpartition(":")[2]))).close()
