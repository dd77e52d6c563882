"""Pictures that go with messages."""

from __future__ import annotations

from base64 import b64decode

import cv2
import numpy as np
import orjson
import pytest
from messages_build import analytics, crossing, definition, from_function, info

from countline import attach
from countline.errors import MessageError
from countline.messages import Tools, message
from countline.types import Frame

TOOLS = Tools(attach.encode_image, attach.store)
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
