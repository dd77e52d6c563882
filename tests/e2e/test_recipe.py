"""The recipe's command line, with `python3 run.py` replaced by `countline run`, in a folder with the recipe's files."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import av
import orjson
import pytest
from conftest_e2e import command, values

from countline.demo.broker import EmbeddedBroker
from countline.outputs.kafka.tail import Record

Read = Callable[..., list[Record]]

RULES = """\
[property]
enable=1
config-width=1920
config-height=1080
osd-mode=2
display-font-size=12

[line-crossing-stream-0]
enable=1
line-crossing-straight=650;500;850;500;749;281;749;670
class-id=2
extended=0
mode=loose
"""


@pytest.fixture(scope="module")
def raw(tmp_path_factory: pytest.TempPathFactory, short: Path) -> Path:
    """The short clip as an H.264 elementary stream: no container, no time stamps."""
    target = tmp_path_factory.mktemp("raw") / "street.h264"
    with av.open(str(short)) as source, av.open(str(target), "w", format="h264") as sink:
        stream = sink.add_stream("libx264", rate=30, options={"crf": "20"})
        stream.width, stream.height, stream.pix_fmt = 768, 576, "yuv420p"
        for i, frame in enumerate(source.decode(video=0)):
            frame.pts = i
            sink.mux(stream.encode(frame))
        sink.mux(stream.encode(None))
    return target


def test_the_recipes_command_works_unchanged(broker: EmbeddedBroker, topic: str, read_back: Read, raw: Path) -> None:
    Path("config_nvdsanalytics.txt").write_text(RULES)
    Path("cfg_kafka.txt").write_text("[message-broker]\npartition-key = deviceId\n")
    host, port = broker.bootstrap.split(":")
    done = command(
        "run", "-i", raw, "-p", "/opt/nvidia/deepstream/deepstream/lib/libnvds_kafka_proto.so",
        f"--conn-str={host};{port};{topic}", "-s", "0", "--no-display", "-c", "cfg_kafka.txt", "--record", "tracks.parquet",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "config_nvdsanalytics.txt" in done.stderr
    records = read_back(topic, 1)
    found = values(records)
    assert found, done.stderr
    for value in found:
        assert list(value)[:3] == ["messageid", "@timestamp", "deviceId"]
        assert value["deviceId"] == "device_test"
        assert set(value["analyticsModule"]) >= {"stream_source_id", "lc_curr_straight", "lc_cum_straight"}
        assert value["analyticsModule"]["lc_curr_straight"] > 0
    assert {r.key for r in records} == {b"device_test"}
    # The exact engine on the recorded tracks of this run, without video, says the same.
    again = command("analyze", "--rules", "config_nvdsanalytics.txt", "tracks.parquet")
    assert again.returncode == 0, again.stderr
    frames = [orjson.loads(line)["frame_meta"] for line in again.stdout.splitlines()]
    assert len(frames) == 80
    assert [f["objLCCurrCnt"]["straight"] for f in frames if f["objLCCurrCnt"]["straight"]] == [
        v["analyticsModule"]["lc_curr_straight"] for v in found
    ]
    assert frames[-1]["objLCCumCnt"]["straight"] == found[-1]["analyticsModule"]["lc_cum_straight"] >= 2


def test_host_and_port_in_the_wrong_form_are_told(raw: Path) -> None:
    Path("config_nvdsanalytics.txt").write_text(RULES)
    done = command("run", "-i", raw, "-p", "libnvds_kafka_proto.so", "--conn-str=localhost:9092", "-s", "0")
    assert done.returncode == 2
    assert "localhost;9092" in done.stderr
    assert "Traceback" not in done.stderr


def test_an_unknown_librdkafka_option_is_an_error(raw: Path) -> None:
    Path("config_nvdsanalytics.txt").write_text(RULES)
    Path("cfg_kafka.txt").write_text('[message-broker]\nproto-cfg = "batch.sise=1"\n')
    done = command(
        "run", "-i", raw, "-p", "libnvds_kafka_proto.so", "--conn-str=localhost;9092;t", "-c", "cfg_kafka.txt"
    )
    assert done.returncode == 2, done.stderr
    assert "batch.sise" in done.stderr
    assert "Traceback" not in done.stderr


def test_rules_from_a_deepstream_file_print_the_class_mapping(
    broker: EmbeddedBroker, topic: str, read_back: Read, short: Path
) -> None:
    Path("rules.txt").write_text(RULES)
    done = command("run", "-i", short, "--rules", "rules.txt", "--kafka", broker.bootstrap, "-t", topic)
    assert done.returncode == 0, done.stderr
    assert "person -> 2" in done.stderr
    assert values(read_back(topic, 1))[0]["analyticsModule"]["lc_curr_straight"] >= 1
