"""A gap is told by the next message of each definition that names it, and by `on: gap` at once."""

from __future__ import annotations

import orjson
import pytest
from messages_build import YARD, analytics, crossing, definition, from_function, info

import countline as cl
from countline.types import Analytics, CounterDelta, CounterKey, Gap

S = 10**9
START = 1_700_000_000 * S


def at(number: int, seconds: float, *, gap: Gap | None = None, crossed: bool = False) -> Analytics:
    frame = info(number, source=YARD, time=START + int(seconds * S))
    events = [crossing(frame, rule="north gate 2.0", direction="up")] if crossed else []
    made = analytics(frame, events, gap=gap)
    key = CounterKey("yard", "north gate 2.0", "up", "person")
    made.deltas = [CounterDelta(key, 1)] if crossed else []
    return made


def gap(first: float, last: float, cause: str = "not-running") -> Gap:
    return Gap(START + int(first * S), START + int(last * S), cause)


def told(one, *frames: Analytics) -> list[object]:
    return [orjson.loads(m.value) for frame in frames for m in one.make(frame)]


def test_the_next_message_says_what_was_missed_and_the_one_after_does_not():
    one = definition({"who": "{track_id}", "gap": "{gap}"})
    values = told(one, at(0, 60, gap=gap(0, 60)), at(1, 61), at(2, 62, crossed=True), at(3, 63, crossed=True))
    assert [v["gap"] for v in values] == [
        {"start": "2023-11-14T22:13:20.000Z", "end": "2023-11-14T22:14:20.000Z", "seconds": 60.0, "cause": "not-running"}, None,
    ]  # fmt: skip


def test_several_gaps_before_one_message_are_told_as_one_with_what_was_missed():
    one = definition(
        {"from": "{gap.start|epoch_s}", "to": "{gap.end|epoch_s}", "missed": "{gap.seconds}", "why": "{gap.cause}"}
    )
    (value,) = told(one, at(0, 60, gap=gap(0, 60)), at(1, 90, gap=gap(70, 90, "no-frames")), at(2, 91, crossed=True))
    assert value == {"from": START // S, "to": START // S + 90, "missed": 80.0, "why": "not-running"}


def test_each_definition_and_each_source_is_told_for_itself():
    rare = definition("{gap.seconds}", **{"if": "confidence > 0.95"})
    often = definition("{gap.seconds}", on="frame")
    frames = [at(0, 60, gap=gap(0, 60), crossed=True), at(1, 61, crossed=True)]
    assert told(often, *frames) == [60.0, None]
    assert told(rare, *frames) == []
    sure = at(2, 62, crossed=True)
    sure.events = [crossing(sure.frame, rule="north gate 2.0", confidence=0.99)]
    elsewhere = analytics(info(3), [crossing(info(3), confidence=0.99)])
    assert told(rare, elsewhere, sure) == [None, 60.0]


def test_on_gap_sends_a_message_for_each_gap_with_the_frame_that_ends_it():
    one = definition(
        {"from": "{gap.start}", "to": "{gap.end}", "now": "{time}", "total": "{lines.north gate 2.0.cumulative}"},
        on="gap",
    )
    values = told(one, at(0, 60, gap=gap(0, 60)), at(1, 61, crossed=True), at(2, 90, gap=gap(61, 90, "no-frames")))
    assert (
        [v["to"] for v in values]
        == [v["now"] for v in values]
        == ["2023-11-14T22:14:20.000Z", "2023-11-14T22:14:50.000Z"]
    )
    assert one.schema.json()["properties"]["from"]["type"] == "string", "never null"


def test_a_python_function_finds_the_gap_in_the_analytics():
    @cl.message(on="crossing")
    def payload(event: cl.Crossing, analytics: Analytics) -> dict[str, object]:
        return {"missed": None if analytics.gap is None else analytics.gap.seconds}

    @cl.message(on="gap")
    def alarm(analytics: Analytics) -> dict[str, object]:
        return {"missed": analytics.gap.seconds, "why": analytics.gap.cause}

    frames = [at(0, 60, gap=gap(0, 60)), at(1, 61, crossed=True), at(2, 62, crossed=True)]
    assert told(from_function(payload), *frames) == [{"missed": 60.0}, {"missed": None}]
    assert told(from_function(alarm), *frames) == [{"missed": 60.0, "why": "not-running"}]


def test_a_message_that_could_not_be_made_has_not_told_it():
    broken = [True]

    @cl.message(on="crossing")
    def payload(event: cl.Crossing, analytics: Analytics) -> dict[str, object]:
        if broken.pop() if broken else False:
            raise ValueError("not now")
        return {"missed": analytics.gap.seconds}

    one = from_function(payload)
    assert told(one, at(0, 60, gap=gap(0, 60), crossed=True)) == []
    assert told(one, at(1, 61, crossed=True)) == [{"missed": 60.0}]


@pytest.mark.parametrize("kind", ["full", "minimal", "analytics"])
def test_deepstream_payloads_tell_it_in_a_header_and_stay_as_they_are(kind):
    more = {"type": f"deepstream/{kind}", "on": "frame", "every": 1}
    plain, marked = definition(**more), definition(**more, headers={"gap": "{gap.seconds}"})
    frames = [at(0, 60, gap=gap(0, 60), crossed=True), at(1, 61, crossed=True)]
    messages = [m for frame in frames for m in marked.make(frame)]
    assert [m.value for m in messages] == [m.value for frame in frames for m in plain.make(frame)]
    of_frame = [{dict(m.headers).get("gap") for m in messages if m.time == frame.frame.time} for frame in frames]
    assert of_frame == [{b"60.0"}, {None}]


def test_windows_that_a_gap_reaches_into_are_not_complete():
    one = definition({"from": "{window.start}", "whole": "{window.complete}", "gap": "{gap.seconds}"}, on="interval 1m")
    base = 40  # the minute begins there
    frames = [at(n, base + n * 10) for n in range(12)]
    frames += [
        at(12, base + 200, gap=gap(base + 110, base + 200)),
        *[at(13 + n, base + 210 + n * 10) for n in range(12)],
    ]
    values = told(one, *frames)
    assert [(v["whole"], v["gap"]) for v in values] == [(True, None), (False, 90.0), (False, None), (True, None)]


def test_a_gap_within_a_window_makes_it_incomplete():
    one = definition({"whole": "{window.complete}", "gap": "{gap.seconds}"}, on="interval 1m")
    frames = [at(0, 40), at(1, 41), at(2, 70, gap=gap(41, 70)), at(3, 100), at(4, 160)]
    assert told(one, *frames) == [{"whole": False, "gap": 29.0}, {"whole": True, "gap": None}]
