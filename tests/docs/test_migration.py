"""The steps of docs/deepstream-migration.md, run as they stand there, against a broker."""

from __future__ import annotations

import re
import shlex
import sys
from collections.abc import Iterator
from pathlib import Path
from textwrap import dedent
from typing import Any

import av
import orjson
import pytest
from confluent_kafka import Consumer, TopicPartition

import starting
from countline.demo.broker import EmbeddedBroker

PAGE = (Path(__file__).parents[2] / "docs" / "deepstream-migration.md").read_text(encoding="utf-8")
SECTIONS = dict(zip(*[iter(re.split(r"^## (.*)\n", PAGE, flags=re.MULTILINE)[1:])] * 2))


@pytest.fixture(scope="module")
def broker() -> Iterator[EmbeddedBroker]:
    with EmbeddedBroker() as one:
        yield one


def blocks(text: str, language: str) -> list[str]:
    found = re.findall(rf"^( *)```{language}\n(.*?)^\1```", text, re.MULTILINE | re.DOTALL)
    return [dedent(body) for _, body in found]


class Site:
    """A folder with the files of a section, in which its commands are run."""

    def __init__(self, folder: Path, clip: Path, broker: EmbeddedBroker) -> None:
        self.folder = folder
        self.video = str(clip)
        self.server = broker.bootstrap
        # The rules of the first section belong to the later ones, too.
        for text in SECTIONS.values():
            for language in ("ini", "yaml"):
                for body in blocks(text, language):
                    name = re.match(r"# (\S+)\n", body)
                    assert name, body
                    (folder / name[1]).write_text(self._filled(body))

    def _filled(self, text: str) -> str:
        host, _, port = self.server.rpartition(":")
        return text.replace("VIDEO", self.video).replace("localhost;9092", f"{host};{port}")

    def run(self, command: str, code: int = 0) -> str:
        command = self._filled(command)
        words, _, target = command.partition(" > ")
        program, *arguments = shlex.split(words)
        assert program == "countline"
        done = starting.run(
            [sys.executable, "-m", program, *arguments], cwd=self.folder, capture_output=True, text=True, timeout=120
        )
        assert done.returncode == code, done.stdout + done.stderr
        if target:
            (self.folder / target.strip()).write_text(done.stdout)
        return done.stdout + done.stderr

    def steps(self, section: str) -> list[str]:
        return [line for body in blocks(SECTIONS[section], "sh") for line in body.splitlines() if line.strip()]

    def received(self, topic: str) -> list[dict[str, Any]]:
        consumer = Consumer({"bootstrap.servers": self.server, "group.id": topic})
        partitions = consumer.list_topics(topic, timeout=10).topics[topic].partitions
        consumer.assign([TopicPartition(topic, number, 0) for number in partitions])
        found: list[dict[str, Any]] = []
        for _ in range(100):
            message = consumer.poll(0.2)
            if message is not None and message.error() is None:
                found.append(orjson.loads(message.value()))
            elif found:
                break
        consumer.close()
        return found


@pytest.fixture(scope="module")
def street(clip: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six seconds of the street, in which somebody crosses the line."""
    path = tmp_path_factory.mktemp("street") / "street.mp4"
    with av.open(str(clip)) as source, av.open(str(path), "w") as target:
        stream = target.add_stream("mpeg4", rate=10)
        stream.width, stream.height, stream.pix_fmt = 768, 576, "yuv420p"
        stream.bit_rate = 8_000_000
        for number, frame in enumerate(source.decode(video=0)):
            if 120 <= number < 180:
                picture = av.VideoFrame.from_ndarray(frame.to_ndarray(format="rgb24"), format="rgb24")
                target.mux(stream.encode(picture))
        target.mux(stream.encode(None))
    return path


@pytest.fixture
def site(tmp_path: Path, street: Path, broker: EmbeddedBroker) -> Site:
    return Site(tmp_path, street, broker)


def test_deepstream_test4(site: Site) -> None:
    recipe, check, run, convert = site.steps("deepstream-test4")
    site.run(recipe)
    messages = site.received("ds-kafka")
    assert messages
    assert messages[-1]["analyticsModule"]["lc_cum_straight"] == sum(
        message["analyticsModule"]["lc_curr_straight"] for message in messages
    )
    assert "ok" in site.run(check)
    site.run(run)
    objects = site.received("test4")
    assert {message["sensorId"] for message in objects} == {"CAMERA_ID"}
    assert len(objects) == 2  # 60 frames, each thirtieth
    site.run(convert)
    assert "FAIL" not in site.run("countline check site.yaml")


def test_deepstream_test5(site: Site) -> None:
    check, run, convert = site.steps("deepstream-test5")
    said = site.run(check)
    assert "stream 1, for which it has no rules" in said or "gate" in said
    site.run(run)
    assert {message["sensorId"] for message in site.received("test5")} == {"north", "south"}
    site.run(convert)
    path = site.folder / "site.yaml"
    path.write_text(
        path.read_text().replace(
            "messages:\n", "messages:\n- {name: counts, type: deepstream/analytics, on: crossing}\n"
        )
    )
    site.run("countline run site.yaml")
    counts = [m for m in site.received("test5") if "analyticsModule" in m]
    assert {m["deviceId"] for m in counts} == {"north"}


def test_deepstream_nvdsanalytics_test(site: Site) -> None:
    run, compare, convert = site.steps("deepstream-nvdsanalytics-test")
    assert "lc_cum_straight" in site.run(run) or "crossing" in site.run(run)
    assert "straight" in site.run(compare)
    site.run(convert)
    assert "source: gate" in (site.folder / "rules.yaml").read_text()


def test_deepstream_occupancy_analytics(site: Site) -> None:
    infer, convert, run = site.steps("deepstream-occupancy-analytics")
    assert "person: 0" in site.run(infer)
    site.run(convert)
    path = site.folder / "site.yaml"
    text = path.read_text()
    assert "deepstream/analytics" in text
    path.write_text(text.replace("type: deepstream/analytics", "type: deepstream/occupancy"))
    site.run(run)
    last = site.received("quickstart-events")[-1]["analyticsModule"]
    assert last["occupancy"] == last["lccum_cnt_entry"] - last["lccum_cnt_exit"]
    assert last["lccum_cnt_entry"] + last["lccum_cnt_exit"] > 0
