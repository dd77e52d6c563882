"""Configurations of deepstream-app, deepstream-test5 and the test applications become whole configurations, and run."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from countline.cli import main
from countline.compat.deepstream.migrate.app import convert, text
from countline.config import Config
from countline.errors import ConfigError

PGIE = """\
[property]
net-scale-factor=0.0039215697906911373
model-file=resnet10.caffemodel
labelfile-path=labels.txt
num-detected-classes=4
[class-attrs-all]
pre-cluster-threshold=0.4
"""
ANALYTICS = """\
[property]
enable=1
config-width=768
config-height=576
[line-crossing-stream-0]
enable=1
line-crossing-street=384;100;384;500;0;300;767;300
class-id=2
extended=1
mode=loose
"""
MSGCONV = """\
[sensor0]
enable=1
type=Camera
id=north
location=45.29;-75.83;48.15
description="door"
coordinate=5.2;10.1;11.2
[sensor1]
enable=1
id=south
"""
KAFKA = '[message-broker]\nproto-cfg="acks=1;linger.ms=5"\npartition-key = sensor.id\n'
TEST5 = """\
[application]
enable-perf-measurement=1
perf-measurement-interval-sec=5

[tiled-display]
enable=1
rows=1
columns=2

[source0]
enable=1
#Type - 1=CameraV4L2 2=URI 3=MultiURI
type=3
uri=file://../video/street.mp4
num-sources=1
gpu-id=0

[source1]
enable=1
type=4
uri=rtsp://user:hidden-word@10.0.0.5/stream
latency=100
select-rtp-protocol=4
smart-record=2

[source2]
enable=0
type=4
uri=rtsp://10.0.0.6/stream

[sink0]
enable=1
type=2
sync=0

[sink1]
enable=1
type=6
msg-conv-config=msgconv.txt
msg-conv-payload-type=0
msg-broker-proto-lib=/opt/nvidia/deepstream/deepstream/lib/libnvds_kafka_proto.so
msg-broker-conn-str=broker.local;9092;events
#topic=events
msg-broker-config=cfg_kafka.txt

[sink2]
enable=1
type=3
output-file=out.mp4

[osd]
enable=1

[streammux]
live-source=0
batch-size=2
width=1920
height=1080

[primary-gie]
enable=1
batch-size=2
interval=1
config-file=pgie.txt

[tracker]
enable=1
tracker-width=640
ll-lib-file=/opt/nvidia/deepstream/deepstream/lib/libnvds_nvmultiobjecttracker.so

[nvds-analytics]
enable=1
config-file=analytics.txt

[secondary-gie0]
enable=1
config-file=sgie.txt

[tests]
file-loop=0
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    files = {"pgie.txt": PGIE, "analytics.txt": ANALYTICS, "msgconv.txt": MSGCONV, "cfg_kafka.txt": KAFKA}
    files["labels.txt"] = "Vehicle\nTwoWheeler\nPerson\nRoadsign\n"
    configs = tmp_path / "configs"
    configs.mkdir()
    for name, content in files.items():
        (configs / name).write_text(content)
    return configs


def app(folder: Path, content: str, name: str = "app.txt", **more: Any) -> tuple[dict[str, Any], str]:
    (folder / name).write_text(content)
    made = convert(folder / name, **more)
    Config.model_validate(made.data)
    return made.data, "\n".join(made.notes)


def test_a_test5_file_is_carried_over_whole(folder: Path) -> None:
    data, notes = app(folder, TEST5)
    assert data["sources"] == [
        {"name": "source0", "uri": str(folder / "../video/street.mp4"), "device_id": "north"},
        {
            "name": "source1",
            "uri": "rtsp://user:hidden-word@10.0.0.5/stream",
            "device_id": "south",
            "options": {"rtsp_transport": "tcp"},
        },
    ]
    assert (data["detector"]["model"], data["detector"]["interval"], data["detector"]["batch"]) == ("default", 1, 2)
    assert data["detector"]["classes"]["person"] == 2
    assert data["rules"] == {"file": str(folder / "analytics.txt")}
    assert data["messages"] == [
        {
            "name": "sink1",
            "type": "deepstream/full",
            "on": "frame",
            "api": "event",
            "every": 1,
            "msgconv": str(folder / "msgconv.txt"),
            "partition_key": "sensor.id",
        }
    ]
    (output,) = data["outputs"]
    assert output["kafka"]["bootstrap"] == "broker.local:9092"
    assert output["kafka"]["topic"] == "events"
    assert output["kafka"]["options"] == {"acks": "1", "linger.ms": "5"}
    for word in (
        "smart-record", "a video with boxes", "networks behind the first", "countline's own tracker", "carry no counts",
        "1920x1080",
    ):  # fmt: skip
        assert word in notes


def test_converted_it_is_a_configuration_without_passwords(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    login = "security.protocol=SASL_SSL;sasl.mechanism=PLAIN;sasl.username=u;sasl.password=hidden-too"
    (folder / "cfg_kafka.txt").write_text(f'[message-broker]\nproto-cfg="{login}"\n')
    (folder / "app.txt").write_text(TEST5)
    written = text(convert(folder / "app.txt", strict=False))
    assert "hidden" not in written
    assert "SOURCE1_PASSWORD" in written
    data = yaml.safe_load(written)
    assert data["sources"][1]["uri"] == "rtsp://user:${SOURCE1_PASSWORD}@10.0.0.5/stream"
    path = folder / "countline.yaml"
    path.write_text(written)
    from countline.config import load

    for name in ("SOURCE1_PASSWORD", "KAFKA_OPTIONS_SASL_PASSWORD"):
        monkeypatch.setenv(name, "secret-word")
    assert load(path).sources[1].uri == "rtsp://user:secret-word@10.0.0.5/stream"


LIST = """\
[source-list]
num-source-bins=3
list=file:///a/one.mp4;rtsp://10.0.0.7/two;../three.mp4;
use-nvmultiurisrcbin=1
sensor-id-list=id-1;id-2;id-3
sensor-name-list=gate;door;
[source-attr-all]
enable=1
type=3
select-rtp-protocol=4
[primary-gie]
enable=1
config-file=pgie.txt
[sink0]
enable=1
type=6
msg-conv-payload-type=1
msg-conv-msg2p-new-api=1
msg-conv-frame-interval=10
msg-broker-proto-lib=libnvds_redis_proto.so
msg-broker-conn-str=localhost;6379
topic=meta
[sink1]
enable=1
type=6
msg-conv-payload-type=257
msg-conv-msg2p-lib=/opt/own/libown.so
msg-broker-proto-lib=libnvds_redis_proto.so
msg-broker-conn-str=localhost;6379;other
[nvds-analytics]
enable=1
config-file=analytics.txt
"""


def test_lists_of_sources_with_sensor_ids_and_several_sinks(folder: Path) -> None:
    data, notes = app(folder, LIST)
    assert data["sources"] == [
        {"name": "gate", "uri": "file:///a/one.mp4", "device_id": "id-1", "options": {"rtsp_transport": "tcp"}},
        {"name": "door", "uri": "rtsp://10.0.0.7/two", "device_id": "id-2", "options": {"rtsp_transport": "tcp"}},
        {"name": "id-3", "uri": str(folder / "../three.mp4")},
    ]
    first, second = data["messages"]
    assert first == {
        "name": "sink0", "type": "deepstream/minimal", "on": "frame", "api": "dsmeta", "every": 10, "outputs": ["redis"],
    }  # fmt: skip
    assert second == {"name": "sink1", "type": "deepstream/analytics", "on": "crossing", "outputs": ["redis-2"]}
    assert [output["redis"]["topic"] for output in data["outputs"]] == ["meta", "other"]
    assert "libown.so makes messages of its own" in notes


@pytest.mark.parametrize(
    ("source", "wanted"),
    [
        (
            "type=1\ncamera-width=640\ncamera-height=480\ncamera-fps-n=30\ncamera-fps-d=1\ncamera-v4l2-dev-node=2",
            ["/dev/video2"],
        ),
        ("type=3\nuri=file:///v/cam_%d.mp4\nnum-sources=3", [f"file:///v/cam_{i}.mp4" for i in range(3)]),
        ("type=2\nuri=http://10.0.0.1/a.m3u8", ["http://10.0.0.1/a.m3u8"]),
        ("uri=file:///v/a.mp4", ["file:///v/a.mp4"]),
        ('type=4\nuri="rtsp://10.0.0.1/a?b=1"', ["rtsp://10.0.0.1/a?b=1"]),
    ],
)
def test_kinds_of_sources(source: str, wanted: list[str], folder: Path) -> None:
    data, _ = app(
        folder, f"[source0]\nenable=1\n{source}\n[primary-gie]\nenable=1\nconfig-file=pgie.txt\n[tests]\nfile-loop=1\n"
    )
    assert [s["uri"] for s in data["sources"]] == wanted
    assert all(s.get("loop") == (True if s["uri"].startswith("file:") else None) for s in data["sources"])
    if "camera" in source:
        assert data["sources"][0]["options"] == {"video_size": "640x480", "framerate": "30/1"}


def test_without_a_message_sink_messages_go_to_standard_output(folder: Path) -> None:
    data, notes = app(folder, TEST5.replace("type=6", "type=1"))
    assert data["outputs"] == ["stdout"]
    assert data["messages"] == [{"name": "stdout", "type": "deepstream/analytics", "on": "crossing"}]
    assert "no message sink" in notes


TEST4 = """\
source:
  location: ../video/a.h264
streammux:
  batch-size: 1
  width: 1280
  height: 720
msgconv:
  config: msgconv.yml
  payload-type: 1
  msg2p-newapi: 0
  frame-interval: 30
msgbroker:
  proto-lib: /opt/nvidia/deepstream/deepstream/lib/libnvds_amqp_proto.so
  conn-str: localhost;5672;guest
  topic: events
  sync: 0
primary-gie:
  plugin-type: 0
  config-file-path: pgie.txt
"""


@pytest.mark.parametrize(
    ("word", "on"), [("1", True), ("0", False), ("0 # off", False), ("2", True), ("true", True), ("", False)]
)
def test_what_is_enabled(word: str, on: bool, folder: Path) -> None:
    content = TEST5.replace("[source2]\nenable=0", f"[source2]\nenable={word}")
    data, _ = app(folder, content)
    assert len(data["sources"]) == 2 + on


def test_the_test_applications_yaml(folder: Path) -> None:
    (folder / "msgconv.yml").write_text("sensor0:\n  enable: 1\n  id: CAM\n")
    data, _ = app(folder, TEST4, "app.yml")
    assert data["sources"] == [{"name": "source0", "uri": str(folder / "../video/a.h264"), "device_id": "CAM"}]
    assert data["messages"][0]["msgconv"] == str(folder / "msgconv.yml")
    assert data["messages"][0]["type"] == "deepstream/minimal"
    assert data["outputs"][0]["amqp"]["topic"] == "events"


def test_sources_in_a_table(folder: Path) -> None:
    (folder / "sources.csv").write_text(
        "enable,type,uri,num-sources,gpu-id,cudadec-memtype\n1,3,file:///v/a.mp4,2,0,0\n0,2,file:///v/b.mp4,1,0,0\n1,4,rtsp://c/d,1,0,0\n"
    )
    content = "application:\n  enable-perf-measurement: 1\nsource:\n  csv-file-path: sources.csv\n"
    data, _ = app(folder, content + "primary-gie:\n  enable: 1\n  config-file: pgie.txt\n", "app.yml")
    assert [s["uri"] for s in data["sources"]] == ["file:///v/a.mp4", "file:///v/a.mp4", "rtsp://c/d"]


@pytest.mark.parametrize(
    ("old", "new", "what"),
    [
        ("config-file=pgie.txt", "config-file=none.txt", "no such nvinfer configuration"),
        ("config-file=analytics.txt", "config-file=none.txt", "no such file"),
        ("msg-conv-config=msgconv.txt", "msg-conv-config=none.txt", "no such msgconv file"),
        ("broker.local;9092;events", "<host>;<port>;<topic>", "not a port"),
        ("[primary-gie]\nenable=1", "[primary-gie]\nenable=0", "has no detector"),
        ("libnvds_kafka_proto.so", "libnvds_azure_proto.so", "Azure"),
    ],
)
def test_what_is_not_there_stops_a_run_and_is_told_by_convert(old: str, new: str, what: str, folder: Path) -> None:
    (folder / "app.txt").write_text(TEST5.replace(old, new))
    with pytest.raises(ConfigError, match=what):
        convert(folder / "app.txt")
    made = convert(folder / "app.txt", strict=False)
    assert any(note.startswith("MISSING") and what in note for note in made.notes)
    assert made.data["sources"]


def test_an_application_runs_and_counts(
    folder: Path, clip: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    content = TEST5.replace("type=6", "type=1").replace("file://../video/street.mp4", clip.as_uri())
    content = content.replace("[source1]\nenable=1", "[source1]\nenable=0")
    (folder / "app.txt").write_text(content)
    monkeypatch.chdir(folder)
    with pytest.raises(SystemExit) as ended:
        main(["run", "app.txt", "-q"])
    said = capfd.readouterr()
    assert ended.value.code == 0, said.err
    messages = [json.loads(line) for line in said.out.splitlines()]
    assert messages
    assert messages[-1]["deviceId"] == "source0"
    assert messages[-1]["analyticsModule"]["lc_cum_street"] == sum(
        m["analyticsModule"]["lc_curr_street"] for m in messages
    )


def test_several_inputs_of_the_recipe_are_all_read(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from countline.compat.deepstream.files.recipe import RecipeOptions, from_recipe

    given = dict.fromkeys(("conn_str", "cfg_file", "topic", "schema_type", "msgconv"))
    given |= {
        "inputs": ("a.mp4", "b.mp4"),
        "proto_lib": "libnvds_kafka_proto.so",
        "no_display": True,
        "conn_str": "h;9092;t",
    }
    data, _ = from_recipe(RecipeOptions.of({**given, "rules_file": folder / "analytics.txt"}), folder)
    config = Config.model_validate(data)
    assert [(s.uri, s.device_id) for s in config.sources] == [("a.mp4", "device_test"), ("b.mp4", "device_test")]
    assert len({s.name for s in config.sources}) == 2
