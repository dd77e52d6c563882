"""What docs/deepstream.md shows works."""

from __future__ import annotations

import re
from pathlib import Path

import orjson
from nvds_metas import Frm, Library, Obj
from nvds_pipeline import Pipeline

from countline.deepstream import attach

DOCS = Path(__file__).parents[2] / "docs" / "deepstream.md"
RULES = """[property]
enable=1
config-width=1920
config-height=1080
[line-crossing-stream-0]
enable=1
line-crossing-straight=960;300;960;800;200;540;1700;540
class-id=0
"""


def test_the_configuration_of_the_docs_sends_the_message_of_the_docs() -> None:
    text = re.findall(r"```yaml\n(.*?)```", DOCS.read_text(encoding="utf-8"), re.DOTALL)[0]
    assert "kafka: {bootstrap:" in text
    Path("config_nvdsanalytics.txt").write_text(RULES, encoding="utf-8")
    Path("site.yaml").write_text(re.sub(r"- kafka: \{.*\}", "- file: {path: sent.jsonl}", text), encoding="utf-8")
    library = Library()
    with Pipeline() as pipeline:
        with attach(pipeline.element("here"), "site.yaml", lossless=True):
            pipeline.push(
                library.buffer([Frm(0, n, n * 33_333_333, 0, (1920, 1080), [Obj(5, (900, 20.0 * n, 60, 100))])])
                for n in range(50)
            )
            pipeline.finish()
    (line,) = [line for path in Path.cwd().glob("sent*.jsonl*") for line in path.read_bytes().splitlines()]
    value = orjson.loads(line)
    assert value["deviceId"] == "device_test"
    assert value["lane"] == "north"
    assert value["analyticsModule"] == {"stream_source_id": 0, "lc_curr_straight": 1, "lc_cum_straight": 1}
