"""What a worker is told before it joins: configurations without sources, brokers, and what cannot be."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import orjson
import pytest
import yaml

from countline.cluster.tables import Definition
from countline.cluster.topics import Names
from countline.commands.cluster_setup import broker, configuration_of, for_source, source_config, sources_of
from countline.commands.worker import setup_of
from countline.errors import ConfigError

KAFKA = {"kafka": {"bootstrap": "127.0.0.1:9092", "topic": "counts"}}
GIVEN: dict[str, Any] = {
    "group": "site", "kafka": None, "options": (), "outbox": "memory", "name": None, "lease": 10.0, "partitions": None,
    "sources_topic": None, "state_topic": None, "classic": False, "fencing": "epochs",
}  # fmt: skip


def write(path: Path, **data: Any) -> Path:
    path.write_text(yaml.safe_dump({"outputs": [KAFKA], **data}))
    return path


def test_rules_and_messages_may_name_sources_that_only_the_topic_has(tmp_path: Path) -> None:
    lines = [
        {"name": "door", "source": "gate", "points": [[0, 0.5], [1, 0.5]]},
        {"name": "door", "source": "hall", "points": [[0, 0.4], [1, 0.4]]},
    ]
    messages = [
        {"name": "of-gate", "on": "crossing", "sources": ["gate"], "value": {"id": "{id}"}},
        {"name": "of-all", "on": "crossing", "value": {"id": "{id}"}},
    ]
    config = configuration_of(write(tmp_path / "w.yaml", rules={"lines": lines}, messages=messages))
    source = source_config(Definition("hall", b'{"uri": "rtsp://10.0.0.7/1", "fps": 5}', 3, 17))
    assert (source.name, source.fps) == ("hall", 5)
    own = for_source(config, source)
    assert [s.name for s in own.sources] == ["hall"]
    assert [m.name for m in own.messages] == ["of-all"]


def test_a_configuration_without_any_source_is_one_for_a_worker(tmp_path: Path) -> None:
    assert configuration_of(write(tmp_path / "w.yaml")).outputs[0].name == "kafka"


def test_metrics_are_served_where_the_option_says(tmp_path: Path) -> None:
    config = write(tmp_path / "w.yaml", metrics="127.0.0.1:1")
    assert setup_of({**GIVEN, "config": config}).config.metrics.listen == "127.0.0.1:1"
    assert setup_of({**GIVEN, "config": config, "metrics": ":9464"}).config.metrics.listen == "0.0.0.0:9464"
    with pytest.raises(ConfigError, match="--metrics"):
        setup_of({**GIVEN, "config": config, "metrics": "nowhere:port"})


def test_what_the_topic_says_wrongly_of_a_source_is_told_with_its_place() -> None:
    with pytest.raises(ConfigError) as caught:
        source_config(Definition("hall", b'{"uri": "rtsp://10.0.0.7/1", "fsp": 5}', 3, 17))
    assert "partition 3, offset 17" in str(caught.value)
    assert "fsp" in str(caught.value)


def test_secrets_of_sources_are_filled_in_by_the_workers_and_no_others_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written = [
        {
            "name": "gate",
            "uri": "rtsp://u:${SOURCE_GATE}@10.0.0.7/${PLACE}",
            "options": {"user_agent": "${SOURCE_GATE}"},
        }
    ]
    (tmp_path / "a.yaml").write_text(yaml.safe_dump(written))
    monkeypatch.setenv("PLACE", "1")
    (item,) = sources_of(tmp_path / "a.yaml")
    assert item == {
        "name": "gate",
        "uri": "rtsp://u:${SOURCE_GATE}@10.0.0.7/1",
        "options": {"user_agent": "${SOURCE_GATE}"},
    }
    definition = Definition("gate", orjson.dumps({**item, "device_id": "${PLACE}"}), 0, 0)
    with pytest.raises(ConfigError, match="SOURCE_GATE is not set"):
        source_config(definition)
    monkeypatch.setenv("SOURCE_GATE", "s3cret")
    source = source_config(definition)
    assert source.uri == "rtsp://u:s3cret@10.0.0.7/1"
    assert source.options == {"user_agent": "s3cret"}
    assert source.device_id == "${PLACE}", "whoever writes the topic does not get at the environment"


def test_rules_by_number_are_refused(tmp_path: Path) -> None:
    (tmp_path / "n.txt").write_text("[property]\nenable=1\nconfig-width=640\nconfig-height=480\n")
    with pytest.raises(ConfigError, match="by their numbers"):
        configuration_of(write(tmp_path / "w.yaml", rules={"file": str(tmp_path / "n.txt")}))


def test_the_group_meets_at_the_broker_of_the_kafka_output_unless_another_is_named(tmp_path: Path) -> None:
    config = configuration_of(write(tmp_path / "w.yaml"))
    assert broker(GIVEN, config)["bootstrap.servers"] == "127.0.0.1:9092"
    assert broker({**GIVEN, "kafka": "10.0.0.1:9092"}, config)["bootstrap.servers"] == "10.0.0.1:9092"
    with pytest.raises(ConfigError, match="no broker"):
        broker(GIVEN, None)


def test_slots_go_where_the_group_meets_with_the_same_security(tmp_path: Path) -> None:
    sasl = {"username": "alice", "password": "s3cret-of-alice"}
    kafka = {"kafka": {**KAFKA["kafka"], "sasl": sasl, "tls": True}}
    setup = setup_of(
        {**GIVEN, "config": write(tmp_path / "w.yaml", outputs=[kafka]), "options": ("fetch.min.bytes=1",)}
    )
    assert setup.names == Names("site.sources", "site.state")
    assert (setup.slots.topic, setup.slots.bootstrap) == ("site.state", ["127.0.0.1:9092"])
    assert setup.slots.sasl is not None
    assert setup.slots.sasl.username == "alice"
    assert setup.slots.tls is not None
    assert setup.options["sasl.username"] == "alice"


@pytest.mark.parametrize(
    ("outputs", "kafka", "said"),
    [
        (["stdout"], "127.0.0.1:9092", "there are 0"),
        ([KAFKA, {"kafka": {**KAFKA["kafka"], "name": "second"}}], None, "there are 2"),
        ([KAFKA], "10.0.0.1:9092", "of one cluster"),
        ([{"kafka": {**KAFKA["kafka"], "acks": 1}}], None, "acks: all"),
    ],
)
def test_transactions_that_cannot_be_are_refused(tmp_path: Path, outputs: Any, kafka: str | None, said: str) -> None:
    config = write(tmp_path / "w.yaml", outputs=outputs)
    with pytest.raises(ConfigError, match=said):
        setup_of({**GIVEN, "config": config, "kafka": kafka, "fencing": "transactions"})


def test_sources_come_of_a_configuration_or_of_a_list(tmp_path: Path) -> None:
    item = {"name": "gate", "uri": "rtsp://10.0.0.7/1", "fps": 5}
    (tmp_path / "a.yaml").write_text(yaml.safe_dump({"sources": [item], "rules": {}}))
    (tmp_path / "b.yaml").write_text(yaml.safe_dump([item]))
    assert sources_of(tmp_path / "a.yaml") == sources_of(tmp_path / "b.yaml") == [item]
    (tmp_path / "c.yaml").write_text(yaml.safe_dump([{"name": "gate"}]))
    with pytest.raises(ConfigError, match=r"c\.yaml:1"):
        sources_of(tmp_path / "c.yaml")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["sources", "put", "gate", "--kafka", "127.0.0.1:9"], "NAME URI"),
        (["sources", "put", "gate", "x.mp4", "--set", "fsp=5", "--kafka", "127.0.0.1:9"], "fsp"),
        (["worker", "missing.yaml"], "missing.yaml"),
    ],
)
def test_a_mistake_ends_with_words_and_exit_code_2(words: list[str], said: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "countline", *words, "--group", "g"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 2, done.stderr
    assert said in done.stderr
    assert "Traceback" not in done.stderr
