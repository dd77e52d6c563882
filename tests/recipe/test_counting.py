"""From the recipe's folder and tracks to the recipe's message: rules, definition and key together."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import orjson
import pytest

from countline.compat.deepstream.files import nvdsanalytics
from countline.compat.deepstream.files.classes import DEEPSTREAM_LABELS
from countline.compat.deepstream.files.recipe import RecipeOptions, from_recipe
from countline.compat.deepstream.rules import DeepStreamRules
from countline.config import Config
from countline.messages import make
from countline.types import FrameInfo, FrameTracks, Message, SourceInfo, Tracks

EXAMPLE = Path(__file__).parents[2] / "examples" / "recipe"


def walk(schema: int) -> list[tuple[int, Message]]:
    """Two vehicles drive across the example's line, the second 30 frames behind; a person walks beside the first."""
    data, _ = from_recipe(
        RecipeOptions(
            "street.h264",
            "libnvds_kafka_proto.so",
            "localhost;9092;ds-kafka",
            EXAMPLE / "cfg_kafka.txt",
            schema_type=schema,
        ),
        EXAMPLE,
    )
    config = Config.model_validate(data)
    source = SourceInfo("device_test", 0, config.sources[0].device_id, config.sources[0].uri)
    rules = DeepStreamRules(nvdsanalytics.read(str(config.rules.file)), [source], DEEPSTREAM_LABELS)
    (definition,) = make(config.messages, rules=rules.rules, sources=[source], labels=DEEPSTREAM_LABELS)
    made: list[tuple[int, Message]] = []
    for n in range(90):
        rows = []
        for track, start, klass in ((1, 0, 0), (2, 30, 0), (3, 0, 2)):
            if n >= start:
                x, y = 830.0 + 5 * (n - start), 540.0 + 5 * (n - start)
                rows.append(((x, y, x + 60, y + 40), klass, track))
        tracks = Tracks(
            np.array([r[0] for r in rows]),
            np.full(len(rows), 0.75),
            np.array([r[1] for r in rows]),
            np.array([r[2] for r in rows]),
        )
        info = FrameInfo(source, n, n * 33_333_333, 1_700_000_000_000_000_000 + n * 33_333_333, 1920, 1080, stream="s")
        (analytics,) = rules.update([FrameTracks(info, tracks)])
        made += [(n, message) for message in definition.make(analytics)]
    return made


def test_full_schema_sends_the_recipes_message_for_each_frame_with_a_crossing() -> None:
    made = walk(0)
    values = [orjson.loads(message.value) for _, message in made]
    assert [v["analyticsModule"] for v in values] == [
        {"stream_source_id": 0, "lc_curr_straight": 1, "lc_cum_straight": 1},
        {"stream_source_id": 0, "lc_curr_straight": 1, "lc_cum_straight": 2},
    ]
    assert made[1][0] - made[0][0] == 30
    for (_, message), value in zip(made, values):
        assert list(value) == ["messageid", "@timestamp", "deviceId", "analyticsModule"]
        assert (message.key, value["deviceId"], value["messageid"]) == (b"device_test", "device_test", message.id)
    assert len({v["messageid"] for v in values}) == 2


def test_minimal_schema_sends_the_objects_that_crossed() -> None:
    made = walk(1)
    assert len(made) == 2
    for (n, message), track in zip(made, (1, 2)):
        value = orjson.loads(message.value)
        assert (value["id"], value["sensorId"], message.key) == (str(n), "CAMERA_ID", b"device_test")
        (line,) = value["objects"]
        assert line.split("|")[0] == str(track)
        assert line.split("|")[5:8] == ["Vehicle", "#", "Vehicle"]


@pytest.mark.parametrize("schema", [0, 1])
def test_a_second_run_sends_the_same_bytes(schema: int) -> None:
    assert walk(schema) == walk(schema)
