"""The README's configuration and Python run as they stand; only the video and the broker's address are filled in."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

from conftest_e2e import values

from countline.demo.broker import EmbeddedBroker
from countline.outputs.kafka.tail import Record

README = Path(__file__).resolve().parents[2] / "README.md"


def block(language: str) -> str:
    return re.findall(rf"^```{language}\n(.*?)^```", README.read_text(encoding="utf-8"), re.M | re.S)[0]


def test_the_configuration_and_the_python_of_the_readme_deliver_both_messages(
    broker: EmbeddedBroker, topic: str, read_back: Callable[..., list[Record]], short: Path
) -> None:
    text = block("yaml").replace("street.mp4", str(short)).replace("localhost:9092", broker.bootstrap)
    # The README's line lies across the grass; people walk across the demo's.
    text = text.replace("ds-kafka", topic).replace("[[0.10, 0.55], [0.90, 0.55]]", "[[0.39, 0.26], [0.39, 0.62]]")
    Path("countline.yaml").write_text(text, encoding="utf-8")
    exec(compile(block("python"), "README.md", "exec"), {})
    found = values(read_back(topic, 14))
    ours = [v for v in found if "who" in v]
    recipe = [v for v in found if "messageid" in v]
    assert len(ours) == recipe[-1]["analyticsModule"]["lc_cum_straight"] == 7
    assert {v["to"] for v in ours} == {"in", "out"}
    assert all(v["line"] == "straight" and v["at"].startswith("2024-05-01T10:00:0") for v in ours)
