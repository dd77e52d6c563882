"""Numbers of the full messages of a frame, which are written many at a time."""

from __future__ import annotations

import math

import numpy as np
import orjson
from hypothesis import given, settings
from hypothesis import strategies as st

from countline.compat.deepstream.payloads import make_definition
from countline.config.messages import MessageConfig
from countline.types import Analytics, FrameInfo, Message, SourceInfo, Tracks

SOURCE = SourceInfo("entrance", 0, "device_test", "street.mp4")
TINY_AND_HUGE = st.sampled_from([0.0, -0.0, 1e-4, 9.9e-5, 1e-5, 1e-45, 0.10001, 1e15, 9.9e15, 1e16, 1e22, 3e38])


def messages(confidences: list[float]) -> list[Message]:
    n = len(confidences)
    tracks = Tracks(np.tile(np.float32([0, 0, 9, 9]), (n, 1)), np.float32(confidences), np.zeros(n), np.arange(n))
    made = make_definition(MessageConfig(name="m", type="deepstream/full", on="frame"), rules=(), sources=[SOURCE])
    return made.make(Analytics(FrameInfo(SOURCE, 0, 0, 0, 1920, 1080), tracks, class_names=("car",)))


@settings(max_examples=300)
@given(st.lists(st.one_of(TINY_AND_HUGE, st.floats(0, 1, width=32)), min_size=1, max_size=8))
def test_confidence_is_the_shortest_text_of_the_64_bit_float(confidences: list[float]) -> None:
    found = [m.value.split(b'"confidence":')[1].split(b"}")[0] for m in messages(confidences)]
    assert found == [repr(float(np.float32(c))).encode() for c in confidences]


def test_confidence_that_is_no_number_is_null() -> None:
    found = [orjson.loads(m.value)["object"]["car"] for m in messages([math.nan, math.inf, 0.5])]
    assert found == [{"confidence": None}, {"confidence": None}, {"confidence": 0.5}]
