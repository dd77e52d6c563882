"""What messages take while they wait."""

from __future__ import annotations

import tracemalloc

import orjson
import pytest
from messages_build import analytics, config, crossing, definition, from_function, info

from countline import messages
from countline.messages import message

MANY = 300


def as_it_came(event):
    return orjson.dumps({"who": event.track_id})


MAKERS = {
    "template": lambda: definition({"who": "{track_id}", "at": "{time}"}),
    "cloudevent": lambda: definition({"who": "{track_id}"}, cloudevents={"mode": "structured"}),
    "function": lambda: from_function(message(on="crossing")(as_it_came)),
    "deepstream/analytics": lambda: messages.make(
        [config(None, type="deepstream/analytics", on="crossing")], rules=(), sources=(), labels=()
    )[0],
}


@pytest.mark.parametrize("kind", MAKERS)
def test_a_message_takes_memory_by_its_length(kind):
    one = MAKERS[kind]()
    frames = [info(n) for n in range(MANY)]
    given = [analytics(frame, [crossing(frame)]) for frame in frames]
    one.make(given[0])
    tracemalloc.start()
    try:
        waiting = [m for a in given for m in one.make(a)]
        taken, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(waiting) == MANY
    text = sum(len(m.value) + len(m.id) for m in waiting)
    assert taken < text + MANY * 700, f"{taken / MANY:.0f} bytes a message of {text / MANY:.0f}"
