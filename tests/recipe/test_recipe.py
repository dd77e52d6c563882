"""The recipe's command line, in a folder with its files, is a complete configuration."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from countline.compat.deepstream.files import nvdsanalytics
from countline.compat.deepstream.files.classes import DEEPSTREAM_CLASSES, DEEPSTREAM_LABELS
from countline.compat.deepstream.files.recipe import RecipeOptions, from_recipe
from countline.config import Config
from countline.detect.coco import COCO
from countline.errors import ConfigError
from countline.messages import make
from countline.types import RuleInfo, SourceInfo

EXAMPLE = Path(__file__).parents[2] / "examples" / "recipe"
LIB = "/opt/nvidia/deepstream/deepstream/lib/libnvds_kafka_proto.so"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for path in EXAMPLE.iterdir():
        shutil.copy(path, tmp_path)
    (tmp_path / "street.h264").write_bytes(b"")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def options(**more: Any) -> RecipeOptions:
    given: dict[str, Any] = {
        "input_file": "street.h264",
        "proto_lib": LIB,
        "conn_str": "localhost;9092;ds-kafka",
        "schema_type": 0,
        "no_display": True,
    }
    return RecipeOptions(**{**given, **more})


def test_recipe_command_makes_a_valid_configuration(folder: Path) -> None:
    data, notes = from_recipe(options(cfg_file="cfg_kafka.txt"), folder)
    config = Config.model_validate(data)
    assert [(s.uri, s.device_id) for s in config.sources] == [("street.h264", "device_test")]
    assert config.rules.file == str(folder / "config_nvdsanalytics.txt")
    assert config.detector.classes == dict(DEEPSTREAM_CLASSES)
    (message,) = config.messages
    assert (message.type, message.on, message.partition_key) == ("deepstream/analytics", "crossing", "deviceId")
    (output,) = config.outputs
    assert (output.bootstrap, output.topic) == (["localhost:9092"], "ds-kafka")  # type: ignore[attr-defined]
    text = "\n".join(notes)
    assert "using config_nvdsanalytics.txt in this folder" in text
    assert "using dstest4_msgconv_config.txt in this folder" in text
    assert "0 Vehicle = car, truck, bus; 1 TwoWheeler = bicycle, motorcycle; 2 Person = person; 3 Roadsign" in text


def test_rules_of_the_example_are_the_recipes() -> None:
    (stream,) = nvdsanalytics.read(EXAMPLE / "config_nvdsanalytics.txt").streams.values()
    (line,) = stream.lines
    assert (line.label, line.class_ids, line.extended, line.mode) == ("straight", (0,), False, "loose")
    assert line.points == ((789, 672), (1084, 900), (851, 773), (1203, 732))


def test_message_definitions_of_both_schemas_compile(folder: Path) -> None:
    rules = [RuleInfo("straight", "line", None)]
    source = SourceInfo("device_test", 0, "device_test")
    for schema in (None, 0, 1):
        for cfg in (None, "cfg_kafka.txt"):
            data, _ = from_recipe(options(schema_type=schema, cfg_file=cfg), folder)
            config = Config.model_validate(data)
            (definition,) = make(config.messages, rules=rules, sources=[source], labels=DEEPSTREAM_LABELS)
            assert definition.name == "line-crossing"


def test_minimal_schema_takes_the_description_and_says_when_the_key_is_not_in_it(folder: Path) -> None:
    data, notes = from_recipe(options(schema_type=1, cfg_file="cfg_kafka.txt"), folder)
    (message,) = Config.model_validate(data).messages
    assert (message.type, message.api, message.partition_key) == ("deepstream/minimal", "event", None)
    assert message.msgconv is not None
    assert message.msgconv.sensors[0].id == "CAMERA_ID"
    assert any("partition-key 'deviceId' is not in this message" in note for note in notes)
    (folder / "cfg_kafka.txt").write_text("[message-broker]\npartition-key = sensorId\n")
    data, _ = from_recipe(options(schema_type=1, cfg_file="cfg_kafka.txt"), folder)
    assert data["messages"][0]["partition_key"] == "sensorId"


def test_files_and_topic_as_given(folder: Path) -> None:
    other = folder / "rules.txt"
    shutil.copy(folder / "config_nvdsanalytics.txt", other)
    static = folder / "static.txt"
    shutil.copy(folder / "dstest4_msgconv_config.txt", static)
    data, notes = from_recipe(options(rules=other, msgconv=static, topic="cars", schema_type=1), folder)
    assert data["rules"] == {"file": str(other)}
    assert data["messages"][0]["msgconv"] == str(static)
    assert data["outputs"][0]["kafka"]["topic"] == "cars"
    assert not any("in this folder" in note for note in notes)


@pytest.mark.parametrize(
    ("lib", "conn", "kind"),
    [
        ("libnvds_amqp_proto.so", "localhost;5672;guest;guest", "amqp"),
        ("libnvds_redis_proto.so", "localhost;6379", "redis"),
        ("libnvds_mqtt_proto.so", "localhost;1883", "mqtt"),
    ],
)
def test_other_libraries_choose_other_outputs(folder: Path, lib: str, conn: str, kind: str) -> None:
    data, _ = from_recipe(options(proto_lib=lib, conn_str=conn, topic="cars"), folder)
    (output,) = Config.model_validate(data).outputs
    assert output.name == kind


@pytest.mark.parametrize(
    ("more", "what"),
    [
        ({"input_file": None}, "no input file is given"),
        ({"proto_lib": None}, "no adapter library is given"),
        ({"proto_lib": "libnvds_azure_proto.so"}, "Azure"),
        ({"conn_str": "localhost:9092"}, "separated by a semicolon"),
        ({"schema_type": 2}, "there is no schema 2"),
        ({"rules": "none.txt"}, "no such file"),
        ({"msgconv": "none.txt"}, "no such file"),
        ({"cfg_file": "none.txt"}, "no such adapter configuration"),
    ],
)
def test_mistakes_are_named(folder: Path, more: dict[str, Any], what: str) -> None:
    with pytest.raises(ConfigError, match=what):
        from_recipe(options(**more), folder)


def test_without_rules_there_is_nothing_to_count(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"no config_nvdsanalytics\.txt in"):
        from_recipe(options(), tmp_path)


def test_deepstreams_classes_are_classes_of_the_detector_inside() -> None:
    assert set(DEEPSTREAM_CLASSES) <= set(COCO)
    assert set(DEEPSTREAM_CLASSES.values()) == set(range(len(DEEPSTREAM_LABELS)))
