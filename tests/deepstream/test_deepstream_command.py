"""``countline deepstream``: the recipe's pipeline from its own files, and exact words for what is missing."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import orjson
import pytest

import starting
from countline.cli import main
from countline.deepstream import DeepStreamError, attach, checks, gstreamer, settings
from countline.deepstream.full_pipeline import FullPipeline, inference_files, tracker_properties
from countline.deepstream.libraries import find
from countline.errors import ConfigError
from countline.pipeline import build

ANALYTICS = """[property]
enable=1
config-width=1280
config-height=720
[line-crossing-stream-0]
enable=1
line-crossing-straight=789;672;1084;700;851;573;1203;632
class-id=0
extended=0
mode=loose
"""
TRACKER = """[tracker]
tracker-width=640
tracker-height=384
gpu-id=0
ll-lib-file=/opt/nvidia/deepstream/deepstream/lib/libnvds_nvmultiobjecttracker.so
ll-config-file=config_tracker_NvDCF_perf.yml
enable-batch-process=1
"""
PGIE = """[property]
gpu-id=0
net-scale-factor=0.00392156862745098
model-file=resnet10.caffemodel
labelfile-path=labels.txt
interval=0
[class-attrs-all]
pre-cluster-threshold=0.2
"""


@pytest.fixture
def folder() -> Path:
    """The recipe's files, in the working directory; the model is not there."""
    here = Path.cwd()
    for name, text in (
        ("config_nvdsanalytics.txt", ANALYTICS),
        ("dsnvanalytics_tracker_config.txt", TRACKER),
        ("dstest4_pgie_config.txt", PGIE),
        ("config_tracker_NvDCF_perf.yml", "x: 1\n"),
        ("cfg_kafka.txt", "[message-broker]\npartition-key = deviceId\n"),
        ("labels.txt", "Vehicle\nTwoWheeler\nPerson\nRoadsign\n"),
        ("video.h264", ""),
    ):
        (here / name).write_text(text, encoding="utf-8")
    return here


def command(*args: str) -> subprocess.CompletedProcess[str]:
    return starting.run(
        [sys.executable, "-c", "from countline.cli import main; main()", "deepstream", *args],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip


RECIPE = ("-i", "video.h264", "-p", "/x/libnvds_kafka_proto.so", "--conn-str=localhost;9092;ds-kafka", "-s", "0",
          "-c", "cfg_kafka.txt")  # fmt: skip


def absent(element: str) -> bool:
    return not gstreamer.has_element(gstreamer.load(), element)


def test_the_recipes_command_line_gives_the_recipes_pipeline(folder: Path) -> None:
    done = command("run", *RECIPE, "--no-display", "--dry-run")
    line = next(line for line in done.stdout.splitlines() if line.startswith("gst-launch-1.0 "))
    assert line == (
        'gst-launch-1.0 filesrc location="video.h264" ! h264parse ! nvv4l2decoder ! mux.sink_0  '
        "nvstreammux name=mux batch-size=1 width=1280 height=720 batched-push-timeout=40000 live-source=0 ! "
        'nvinfer config-file-path="dstest4_pgie_config.txt" batch-size=1 ! '
        'nvtracker name=tracker tracker-width="640" tracker-height="384" gpu-id="0" '
        'll-lib-file="/opt/nvidia/deepstream/deepstream/lib/libnvds_nvmultiobjecttracker.so" '
        f'll-config-file="{folder}/config_tracker_NvDCF_perf.yml" ! fakesink sync=false'
    )
    assert "enable-batch-process" in done.stderr


def test_every_missing_part_is_named_with_what_to_do(folder: Path) -> None:
    if not absent("nvinfer"):
        pytest.skip("DeepStream is installed")
    done = command("run", *RECIPE, "--no-display")
    assert done.returncode == 3
    assert "Traceback" not in done.stderr
    for part in ("element nvv4l2decoder", "element nvstreammux", "element nvinfer", "element nvtracker"):
        assert f"{part}: GStreamer does not have it" in done.stderr
    assert "element filesrc" not in done.stderr
    assert f"nvinfer's model-file: there is no {folder}/resnet10.caffemodel" in done.stderr
    assert "nvinfer's labelfile-path" not in done.stderr
    assert "nvtracker's ll-lib-file: there is no /opt/nvidia" in done.stderr
    assert "`countline run` with the same options" in done.stderr


def test_sources_of_a_configuration_are_the_inputs(folder: Path) -> None:
    (folder / "site.yaml").write_text(
        "sources:\n  - {name: a, uri: rtsp://camera/1}\n  - {name: b, uri: street.mp4}\n"
        "rules: {file: config_nvdsanalytics.txt}\noutputs: [stdout]\n"
    )
    done = command("run", "site.yaml", "--dry-run", "--size", "640", "360")
    assert 'nvurisrcbin uri="rtsp://camera/1" ! mux.sink_0' in done.stdout
    assert f'nvurisrcbin uri="file://{folder}/street.mp4" ! mux.sink_1' in done.stdout
    assert "batch-size=2 width=640 height=360 batched-push-timeout=40000 live-source=1" in done.stdout
    assert "nvmultistreamtiler" in done.stdout
    assert "nvdsosd" in done.stdout


@pytest.mark.parametrize(
    ("args", "code", "says"),
    [
        (("run",), 2, "no input file is given"),
        (("run", "-i", "video.h264"), 2, "no adapter library is given"),
        (("run", "site.yaml", "-p", "libnvds_kafka_proto.so"), 2, "cannot be combined with a configuration file"),
        (("run", "site.yaml"), 2, "1 source(s) are configured, and 0 input(s) given"),
        (("run", "site.yaml", "-i", "a.mp4", "-i", "b.mp4"), 2, "1 source(s) are configured, and 2 input(s) given"),
        (("run", "nowhere.yaml"), 2, "nowhere.yaml"),
        (("run", *RECIPE, "--tracker", "labels.txt"), 2, "labels.txt"),
    ],
)
def test_mistakes_are_named(folder: Path, args: tuple[str, ...], code: int, says: str) -> None:
    (folder / "site.yaml").write_text("sources: [{name: a}]\n")
    done = command(*args)
    assert done.returncode == code, done.stderr
    assert says in done.stderr
    assert "Traceback" not in done.stderr


def test_check_says_what_is_there() -> None:
    done = command("check")
    assert done.returncode == 0
    assert f"metadata libraries: {find()}" in done.stdout
    assert "as in DeepStream" in done.stdout
    assert "element h264parse" in done.stdout
    parsed = [orjson.loads(line) for line in command("check", "--json").stdout.splitlines()]
    assert {"subject", "ok", "detail", "fix"} == set(parsed[0])
    if absent("nvinfer"):
        assert command("check", "--whole").returncode == 3


def test_check_fails_where_the_libraries_are_absent() -> None:
    """In a Python without the wheel, on a machine without DeepStream."""
    script = "from countline.deepstream import libraries; libraries.folders = lambda: iter(()); "
    script += "from countline.cli import main; main(['deepstream', 'check'])"
    done = starting.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60)
    assert done.returncode == 3
    assert "FAIL  metadata libraries: libnvdsgst_meta.so was not found" in done.stdout


def test_descriptions_survive_names_with_blanks_and_quotes(tmp_path: Path) -> None:
    name = 'a "quoted" ! name.h264'
    (tmp_path / name).write_bytes(b"\0" * 100)
    whole = FullPipeline([str(tmp_path / name)], Path("p g.txt"), display=False)
    assert whole.elements() == [
        "filesrc",
        "h264parse",
        "nvv4l2decoder",
        "nvstreammux",
        "nvinfer",
        "nvtracker",
        "fakesink",
    ]
    head = whole.description().split(" ! h264parse")[0]
    with gstreamer.Pipeline(f"{head} ! fakesink") as pipeline:
        pipeline.run()


def test_a_pipeline_without_pygobject_runs_to_its_end_and_stops_when_asked() -> None:
    with gstreamer.Pipeline("fakesrc num-buffers=50 ! identity name=tracker ! fakesink") as pipeline:
        with attach(pipeline.pad("tracker", "src"), {"outbox": "memory"}) as attachment:
            pipeline.run()
        assert attachment.counts.buffers == attachment.counts.without_meta == 50
    with gstreamer.Pipeline("fakesrc is-live=true ! fakesink sync=true") as pipeline:
        asked = iter([False, False])
        pipeline.run(lambda: next(asked, True))


def test_faults_of_a_pipeline_are_told() -> None:
    with pytest.raises(DeepStreamError, match='no element "nosuchthing"'):
        gstreamer.Pipeline("fakesrc ! nosuchthing")
    with gstreamer.Pipeline("filesrc location=/nowhere/video.h264 ! fakesink") as pipeline:
        with pytest.raises(DeepStreamError, match="nowhere"):
            pipeline.run()


def test_files_that_are_none_are_refused(tmp_path: Path) -> None:
    (tmp_path / "other.txt").write_text("[other]\nx=1\n")
    with pytest.raises(ConfigError, match=r"has no \[tracker\]"):
        tracker_properties(tmp_path / "other.txt")
    with pytest.raises(ConfigError, match=r"has no \[property\]"):
        inference_files(tmp_path / "other.txt")
    found = list(checks.pipeline(FullPipeline([], tmp_path / "other.txt")))
    assert any("has no [property]" in c.detail for c in found)


def test_sources_need_no_uri_and_may_be_left_out(folder: Path) -> None:
    def names(data: dict[str, Any]) -> list[tuple[str, int, bool]]:
        config = settings.as_config({"outbox": "memory", **data})
        return [(s.name, s.index, s.live) for s in build.source_infos(config, live=True)]

    assert names({"sources": [{"name": "a"}, {"name": "b", "live": False}]}) == [("a", 0, True), ("b", 1, False)]
    assert names({}) == [("stream-0", 0, True)]
    (folder / "three.txt").write_text(ANALYTICS.replace("stream-0", "stream-2"))
    assert [n for n, _, _ in names({"rules": {"file": "three.txt"}})] == ["stream-0", "stream-1", "stream-2"]
    (folder / "site.yaml").write_text("sources:\n  - {nam: a}\n")
    with pytest.raises(ConfigError, match=r"site\.yaml:2"):
        settings.as_config("site.yaml")


def test_files_given_for_others_are_said_what_they_are(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for function, file in (
        (tracker_properties, "dstest4_pgie_config.txt"),
        (inference_files, "dsnvanalytics_tracker_config.txt"),
        (inference_files, "config_nvdsanalytics.txt"),
    ):
        with pytest.raises(ConfigError, match="is a configuration of") as caught:
            function(folder / file)
        assert file in caught.value.fix or "tracker" in caught.value.fix
    (folder / "app.txt").write_text("[application]\n[source0]\nenable=1\nuri=a.mp4\n" + TRACKER)
    assert tracker_properties(folder / "app.txt")[0]["tracker-width"] == "640"
    with pytest.raises(SystemExit) as ended:
        main(["deepstream", "run", str(folder / "app.txt")])
    assert ended.value.code == 2
    said = capsys.readouterr().err
    assert "deepstream-app" in said
    assert "countline convert" in said
