"""Totals of crossings with Quix Streams: a Python program, nothing else to install.

    pip install quixstreams==3.28.1
    python totals.py --kafka localhost:9092

Ids are remembered in a state store beside the counts, by camera: a message that comes twice is counted once. Windows are of the event
time that the message tells, not of the time stamp of the record, which is the time of sending where a clock was wrong.
"""

from __future__ import annotations

import argparse
from datetime import datetime, timedelta
from typing import Any

from quixstreams import Application
from quixstreams.dataframe.windows import Count

LATE = timedelta(seconds=30)
"""So late may a message be; what is later is left out."""
REMEMBERED = 100_000
"""Ids of a camera that are remembered."""


def event_time(value: Any, headers: Any, timestamp: float, timestamp_type: Any) -> int:
    """Of a message, in milliseconds; of one that tells none (a heartbeat of a source that was never seen) 0, which moves nothing."""
    at = value.get("at")
    return int(datetime.fromisoformat(at.replace("Z", "+00:00")).timestamp() * 1000) if at else 0


def first_time(value: dict[str, Any], state: Any) -> bool:
    """Whether this id was not seen before."""
    if state.exists(value["id"]):
        return False
    state.set(value["id"], True)
    oldest, newest = state.get("oldest", 0), state.get("newest", 0)
    state.set(f"nth-{newest}", value["id"])
    state.set("newest", newest + 1)
    if newest - oldest >= REMEMBERED:
        state.delete(state.get(f"nth-{oldest}"))
        state.delete(f"nth-{oldest}")
        state.set("oldest", oldest + 1)
    return True


def with_id(value: dict[str, Any], key: Any, timestamp: int, headers: Any) -> dict[str, Any]:
    """The id stands in the header of the record."""
    return {**value, "id": dict(headers)["id"].decode()}


def total(name: str) -> Any:
    """A finished window as a message."""

    def made(window: dict[str, Any], key: Any, timestamp: int, headers: Any) -> dict[str, Any]:
        camera, _, direction = key.partition("/")
        return {
            "name": name,
            "who": camera,
            "direction": direction,
            "window_start": window["start"],
            "window_end": window["end"],
            "crossings": window["value"],
        }

    return made


def main() -> None:
    """Run it: for ever, or with ``--idle`` until nothing has come for so long."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kafka", default="localhost:9092")
    parser.add_argument("--topic", default="crossings")
    parser.add_argument("--totals", default="totals", help="topic that the totals go to")
    parser.add_argument("--state", default="state", help="folder of the state stores")
    parser.add_argument("--group", default="quix-totals")
    parser.add_argument("--idle", type=float, default=0.0)
    given = parser.parse_args()

    app = Application(
        broker_address=given.kafka, consumer_group=given.group, auto_offset_reset="earliest", state_dir=given.state
    )
    topic = app.topic(given.topic, value_deserializer="json", key_deserializer="str", timestamp_extractor=event_time)
    totals = app.topic(given.totals, value_serializer="json", key_serializer="str")
    once = app.dataframe(topic).filter(lambda value: value["kind"] == "crossing")
    once = once.apply(with_id, metadata=True).filter(first_time, stateful=True)

    by_direction = once.group_by(lambda value: f"{value['camera']}/{value['direction']}", name="direction")
    tumbling = by_direction.tumbling_window(timedelta(seconds=10), grace_ms=LATE, name="tumbling")
    tumbling.agg(value=Count()).final().apply(total("tumbling"), metadata=True).to_topic(totals)
    hopping = by_direction.hopping_window(timedelta(seconds=20), timedelta(seconds=5), grace_ms=LATE, name="hopping")
    hopping.agg(value=Count()).final().apply(total("hopping"), metadata=True).to_topic(totals)
    sessions = once.session_window(timedelta(seconds=4), grace_ms=LATE, name="session")
    sessions.agg(value=Count()).final().apply(total("session"), metadata=True).to_topic(totals)
    app.run(timeout=given.idle)


if __name__ == "__main__":
    main()
