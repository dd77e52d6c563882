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


def count(counts: dict[str, int], value: dict[str, Any]) -> dict[str, int]:
    """One more in its direction; a heartbeat is none, and all the same closes windows that are over."""
    if value["kind"] == "crossing":
        counts[value["direction"]] = counts.get(value["direction"], 0) + 1
    return counts


def first(value: dict[str, Any]) -> dict[str, int]:
    """Of a window."""
    return count({}, value)


def totals_of(name: str) -> Any:
    """The messages of a finished window: one for each direction."""

    def made(window: dict[str, Any], key: Any, timestamp: int, headers: Any) -> list[dict[str, Any]]:
        return [
            {
                "name": name,
                "who": key,
                "direction": direction,
                "window_start": window["start"],
                "window_end": window["end"],
                "crossings": number,
            }
            for direction, number in window["value"].items()
        ]

    return made


def session_of(window: dict[str, Any], key: Any, timestamp: int, headers: Any) -> dict[str, Any]:
    """The message of a finished session."""
    return {
        "name": "session",
        "who": key,
        "direction": "",
        "window_start": window["start"],
        "window_end": window["end"],
        "crossings": window["value"],
    }


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
    once = app.dataframe(topic).apply(with_id, metadata=True).filter(first_time, stateful=True)

    tumbling = once.tumbling_window(timedelta(seconds=10), grace_ms=LATE, name="tumbling").reduce(count, first).final()
    tumbling.apply(totals_of("tumbling"), expand=True, metadata=True).to_topic(totals)
    hopping = once.hopping_window(timedelta(seconds=20), timedelta(seconds=5), grace_ms=LATE, name="hopping")
    hopping.reduce(count, first).final().apply(totals_of("hopping"), expand=True, metadata=True).to_topic(totals)
    crossings = once.filter(lambda value: value["kind"] == "crossing")
    sessions = crossings.session_window(timedelta(seconds=4), grace_ms=LATE, name="session").count().final()
    sessions.apply(session_of, metadata=True).to_topic(totals)
    app.run(timeout=given.idle)


if __name__ == "__main__":
    main()
