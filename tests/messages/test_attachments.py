"""Pictures that go with messages."""

from __future__ import annotations

from base64 import b64decode

import cv2
import numpy as np
import orjson
import pytest
from messages_build import analytics, crossing, definition, from_function, info

from countline import attach
from countline.config import load
from countline.errors import ConfigError, MessageError
from countline.messages import Tools, message
from countline.types import Frame

TOOLS = Tools(attach.encode_image, attach.store)
STORES = Tools(
    attach.encode_image,
    objects={
        name: lambda message, prefix, n=name: f"{prefix or 's3://' + n}/{message.id}.jpg"
        for name in ("pictures", "other")
    },
)
VALUE = {"id": "{track_id}", "picture": "{attachment}"}


class Pixels:
    def __init__(self, image):
        self.image = image

    def bgr(self):
        return self.image


def picture(noise=False):
    image = np.zeros((1080, 1920, 3), np.uint8)
    if noise:
        image[:] = np.random.default_rng(1).integers(0, 255, image.shape, np.uint8)
    image[20:120, 10:50] = (0, 0, 255)  # where the first object of the tests stands: red in BGR
    return Frame(info(), Pixels(image))


def decoded(text):
    return cv2.imdecode(np.frombuffer(b64decode(text), np.uint8), cv2.IMREAD_COLOR)


def values(one, frame, data=None):
    return [orjson.loads(m.value) for m in one.make(analytics() if data is None else data, frame)]


def test_a_crop_shows_the_object():
    one = definition(VALUE, attach={"what": "crop", "margin": 0}, tools=TOOLS)
    first, _ = values(one, picture())
    image = decoded(first["picture"])
    assert image.shape == (101, 41, 3)
    assert np.abs(image[50, 20].astype(int) - (0, 0, 255)).max() < 8


def test_a_snapshot_is_scaled_to_its_longest_side():
    one = definition({"picture": "{attachment}"}, on="frame", attach={"what": "snapshot", "max_side": 480}, tools=TOOLS)
    (found,) = values(one, picture())
    assert decoded(found["picture"]).shape == (270, 480, 3)


@pytest.mark.parametrize("max_bytes", [1500, 6000, 40_000])
def test_no_picture_is_larger_than_its_cap(max_bytes):
    options = {"what": "snapshot", "max_bytes": max_bytes, "quality": 100}
    one = definition({"picture": "{attachment}"}, on="frame", attach=options, tools=TOOLS)
    (found,) = values(one, picture(noise=True))
    assert 0 < len(b64decode(found["picture"])) <= max_bytes


def test_a_file_is_written_and_its_url_stands_in_the_message(tmp_path):
    options = {"as": "file", "folder": str(tmp_path / "shots"), "url": "https://pictures.example/shots/"}
    one = definition(VALUE, attach=options, tools=TOOLS)
    made = one.make(analytics(), picture())
    for each in made:
        url = orjson.loads(each.value)["picture"]
        assert url == f"https://pictures.example/shots/2023-11-14/{each.id}.jpg"
        assert cv2.imread(str(tmp_path / "shots" / "2023-11-14" / f"{each.id}.jpg")) is not None
    assert len(list((tmp_path / "shots").rglob("*"))) == 3  # one folder, two files, nothing half-written


def test_a_folder_that_cannot_be_written_is_a_failure_and_the_pipeline_goes_on(tmp_path):
    (tmp_path / "shots").write_text("a file, not a folder")
    one = definition(VALUE, attach={"as": "file", "folder": str(tmp_path / "shots")}, tools=TOOLS)
    assert one.make(analytics(), picture()) == []
    assert one.failed == 2
    assert "shots" in one.failures[0].error


def test_without_pixels_or_outside_the_picture_it_is_null():
    one = definition(VALUE, attach={"what": "crop"}, tools=TOOLS)
    assert [v["picture"] for v in values(one, None)] == [None, None]
    outside = analytics(events=[crossing(info(), box=(5000.0, 5000.0, 5100.0, 5100.0))])
    assert values(one, picture(), outside)[0]["picture"] is None


def test_a_function_gets_it_as_a_parameter():
    @message(on="crossing", attach={"what": "crop"})
    def payload(event, attachment):
        return {"size": len(attachment)}

    assert values(from_function(payload, tools=TOOLS), picture())[0]["size"] > 500


@pytest.mark.parametrize(
    ("value", "more", "tools", "words"),
    [
        ({"a": 1}, {"attach": {}}, TOOLS, "no template names the picture"),
        (VALUE, {"attach": {}}, Tools(), "nothing to make pictures with"),
        ({"p": "{attachment}"}, {"attach": {}, "on": "frame"}, TOOLS, "a crop needs an event"),
        (VALUE, {}, TOOLS, "there is no field 'attachment'"),
    ],
)
def test_what_cannot_work_is_a_fault(value, more, tools, words):
    with pytest.raises(MessageError, match=words):
        definition(value, tools=tools, **more)


def test_an_object_is_a_message_of_its_own_before_the_one_that_names_it():
    one = definition(VALUE, attach={"as": "object", "output": "pictures"}, outputs=["counts"], tools=STORES)
    made = one.make(analytics(), picture())
    assert [(m.content_type, m.outputs) for m in made] == [
        ("image/jpeg", ("pictures",)),
        ("application/json", ("counts",)),
    ] * 2
    for image, event in zip(made[::2], made[1::2]):
        assert orjson.loads(event.value)["picture"] == f"s3://pictures/{image.id}.jpg"
        assert (image.id, image.time, image.source, image.definition) == (
            event.id,
            event.time,
            event.source,
            event.definition,
        )
        assert (image.key, image.topic, image.headers) == (None, None, ())
        assert cv2.imdecode(np.frombuffer(image.value, np.uint8), cv2.IMREAD_COLOR) is not None
        assert len(image.value) <= 200_000
    assert one.made == 2


def test_the_url_of_an_object_may_stand_before_its_name():
    one = definition(VALUE, attach={"as": "object", "output": "other", "url": "https://cdn.example"}, tools=STORES)
    image, event = one.make(analytics(), picture())[:2]
    assert orjson.loads(event.value)["picture"] == f"https://cdn.example/{image.id}.jpg"
    assert image.outputs == ("other",)


def test_two_runs_make_equal_objects_and_messages():
    options = {"attach": {"as": "object", "output": "pictures"}, "tools": STORES}
    first, second = (definition(VALUE, **options).make(analytics(), picture(noise=True)) for _ in range(2))
    assert first == second
    assert len(first) == 4


def test_where_no_message_is_made_there_is_no_object():
    @message(on="crossing", attach={"as": "object", "output": "pictures"})
    def payload(event, attachment):
        return {"at": attachment} if event.track_id == 5 else None

    image, event = from_function(payload, tools=STORES).make(analytics(), picture())
    assert orjson.loads(event.value) == {"at": f"s3://pictures/{image.id}.jpg"}

    without = definition(VALUE, attach={"as": "object", "output": "pictures"}, tools=STORES, **{"if": "track_id == 6"})
    assert len(without.make(analytics(), picture())) == 2
    assert [orjson.loads(m.value) for m in without.make(analytics(), None)] == [{"id": 6, "picture": None}]


@pytest.mark.parametrize(
    ("tools", "attached", "words"),
    [
        (TOOLS, {"as": "object"}, "there is no output that holds objects"),
        (STORES, {"as": "object"}, "several outputs that hold objects"),
        (STORES, {"as": "object", "output": "picture"}, "there is no output 'picture'"),
    ],
)
def test_an_object_without_a_store_is_a_fault(tools, attached, words):
    with pytest.raises(MessageError, match=words):
        definition(VALUE, attach=attached, tools=tools)


CONFIG = """\
sources: [{{name: a, uri: a.mp4}}]
messages:
  - name: shown
    attach: {attach}
    value: "{{attachment}}"
outputs:
  - kafka: {{bootstrap: "localhost:9092", topic: t}}
  - object_store: {{name: pictures, url: "s3://bucket/shots"}}
"""


@pytest.mark.parametrize(
    ("attached", "what", "fix"),
    [
        ("{as: object, output: nowhere}", "no output 'nowhere'", "output: pictures"),
        ("{as: object, output: kafka}", "'kafka' cannot hold pictures", "output: pictures"),
        ("{as: base64, output: pictures}", "'output' is for attachments as: object", "as: object"),
        ("{as: object, folder: x}", "'folder' is for attachments as: file", "as: file"),
    ],
)
def test_a_store_that_does_not_fit_is_found_at_load_with_its_line(attached, what, fix):
    with pytest.raises(ConfigError) as caught:
        load("countline.yaml", CONFIG.format(attach=attached))
    assert "countline.yaml:4" in str(caught.value)
    assert what in str(caught.value)
    assert fix in str(caught.value)


def test_a_store_gets_pictures_and_what_names_it_and_nothing_else():
    text = CONFIG.format(attach="{as: object}")
    assert load("countline.yaml", text).default_outputs == ("kafka",)
    assert load("countline.yaml", text.replace("pictures,", "pictures, takes: all,")).default_outputs is None
    only = text.replace('  - kafka: {bootstrap: "localhost:9092", topic: t}\n', "")
    with pytest.raises(ConfigError, match="goes nowhere") as caught:
        load("countline.yaml", only)
    assert "countline.yaml:3" in str(caught.value)
    named = load("countline.yaml", only.replace("    value:", "    outputs: [pictures]\n    value:"))
    assert named.default_outputs == ()


def test_messages_that_name_no_outputs_go_to_those_that_take_them():
    assert [m.outputs for m in definition("{id}", destinations=["kafka"]).make(analytics())] == [("kafka",)]
    own = definition("{id}", destinations=["kafka"], outputs=["pictures"])
    assert [m.outputs for m in own.make(analytics())] == [("pictures",)]
    payload = definition(None, type="deepstream/minimal", destinations=["kafka"])
    assert {m.outputs for m in payload.make(analytics())} == {("kafka",)}

    @message(on="crossing", outputs=["pictures"])
    def named(event):
        return {}

    @message(on="crossing")
    def unnamed(event):
        return {}

    assert from_function(named, outputs=["kafka"]).make(analytics())[0].outputs == ("pictures",)
    assert from_function(unnamed, outputs=["kafka"]).make(analytics())[0].outputs == ("kafka",)
    with pytest.raises(MessageError, match="'unnamed' goes nowhere"):
        from_function(unnamed, outputs=[])
