"""Whatever stands in a file of DeepStream's, it is read or refused with its place; what is read is a valid configuration."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from countline.compat.deepstream.files import nvinfer
from countline.compat.deepstream.files.kinds import recognise
from countline.compat.deepstream.migrate import app
from countline.compat.deepstream.migrate.convert import convert_file
from countline.config import Config, DetectorConfig
from countline.errors import ConfigError

ODD = [
    "", " ", "0", "1", "-1", "2", "3", "100", "1e9", "99999999999", "nan", "inf", "-0.5", "0.3", "1.4", "0.2 # comment", "true",
    "3;544;960",
    "3;544;960;", "3;544;960;0", "a;b", ";;", '"quoted"', "file://../a.mp4", "file:///a/b %d.mp4", "rtsp://u:p@h/x;y", "rtsp://[::1",
    "%s%d%n",
    "labels.txt", "../missing.txt", "localhost;9092;t", "localhost:9092", ";", "\\x", "\\s", "é", "[x]", "=", "a=b", "NvDsInferParseYolo",
    "0x10", "²", "/dev/null", ".", "~/x", "libnvds_kafka_proto.so", "peoplenet.etlt",
]  # fmt: skip
NVINFER = [
    "onnx-file", "model-engine-file", "tlt-encoded-model", "labelfile-path", "num-detected-classes", "network-type", "process-mode",
    "batch-size", "interval", "infer-dims", "input-dims", "net-scale-factor", "offsets", "model-color-format", "cluster-mode",
    "parse-bbox-func-name", "filter-out-class-ids", "maintain-aspect-ratio", "symmetric-padding", "network-mode", "output-blob-names",
    "is-classifier", "gie-mode", "strange",
]  # fmt: skip
ATTRIBUTES = [
    "pre-cluster-threshold", "post-cluster-threshold", "threshold", "nms-iou-threshold", "topk", "eps", "detected-min-w", "roi-top-offset",
]  # fmt: skip
APP = {
    "source0": ["enable", "type", "uri", "num-sources", "camera-v4l2-dev-node", "camera-width", "camera-height", "camera-fps-n",
                "select-rtp-protocol", "smart-record"],
    "source-list": ["list", "sensor-id-list", "sensor-name-list", "num-source-bins", "use-nvmultiurisrcbin"],
    "source": ["csv-file-path", "location", "uri"],
    "sink0": ["enable", "type", "msg-conv-config", "msg-conv-payload-type", "msg-conv-msg2p-lib", "msg-conv-msg2p-new-api",
              "msg-conv-frame-interval", "msg-broker-proto-lib", "msg-broker-conn-str", "topic", "msg-broker-config"],
    "primary-gie": ["enable", "config-file", "interval", "batch-size", "labelfile-path", "plugin-type"],
    "nvds-analytics": ["enable", "config-file"],
    "tests": ["file-loop"],
    "tracker": ["enable", "ll-lib-file"],
    "streammux": ["width", "height"],
    "message-converter": ["enable", "msg-conv-config"],
}  # fmt: skip


def written(groups: dict[str, dict[str, str]], as_yaml: bool) -> str:
    if as_yaml:
        return yaml.safe_dump({name: dict(values) or None for name, values in groups.items()}, allow_unicode=True)
    return "".join(f"[{name}]\n" + "".join(f"{k}={v}\n" for k, v in values.items()) for name, values in groups.items())


def of(keys: list[str]) -> st.SearchStrategy[dict[str, str]]:
    return st.dictionaries(st.sampled_from(keys), st.sampled_from(ODD), max_size=8)


def refused_or(function: Any, *given: Any, **more: Any) -> Any:
    """What a function returns; None where it refuses, which it does with what to do."""
    try:
        return function(*given, **more)
    except ConfigError as error:
        if not error.fix:
            raise
        return None


QUICK = settings(max_examples=400, deadline=None, suppress_health_check=list(HealthCheck))


@QUICK
@given(of(NVINFER), of(ATTRIBUTES), of(ATTRIBUTES), st.sampled_from(["0", "1", "7", "x", ""]), st.booleans())
def test_any_nvinfer_file(
    base: dict[str, str], common: dict[str, str], own: dict[str, str], number: str, as_yaml: bool
) -> None:
    groups = {"property": {"gie-unique-id": "1", **base}, "class-attrs-all": common, f"class-attrs-{number}": own}
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "labels.txt").write_text("person\ncar\n\nperson\n")
        path = Path(folder) / ("f.yml" if as_yaml else "f.txt")
        path.write_text(written(groups, as_yaml))
        made = refused_or(nvinfer.convert, path)
    if made is None:
        return
    data, notes = made
    DetectorConfig.model_validate(data)
    assert all(isinstance(note, str) for note in notes)


@QUICK
@given(st.fixed_dictionaries({}, optional={name: of(keys) for name, keys in APP.items()}), st.booleans(), st.booleans())
def test_any_application_file(groups: dict[str, dict[str, str]], as_yaml: bool, strict: bool) -> None:
    groups = {"application": {}, **groups}
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "labels.txt").write_text("enable,type,uri\n1,3,a.mp4\n")
        path = Path(folder) / ("f.yml" if as_yaml else "f.txt")
        path.write_text(written(groups, as_yaml))
        made = refused_or(app.convert, path, strict=strict)
        if made is None:
            return
        data = {key: value for key, value in made.data.items() if key != "rules"}
        Config.model_validate(
            {**data, "messages": [{k: v for k, v in m.items() if k != "msgconv"} for m in data["messages"]]}
        )
        yaml.safe_load(app.text(made))


@settings(max_examples=200, deadline=None)
@given(st.text(st.sampled_from("[]=:;#\n\t\r \"'{}-%&*|>source0propertyenable1.\x00\x07é"), max_size=120))
def test_any_text_is_converted_or_refused(text: str) -> None:
    recognise(text)
    with tempfile.TemporaryDirectory() as folder:
        for name in ("f.txt", "f.yml", "f.csv"):
            (Path(folder) / name).write_text(text, newline="")
            try:
                convert_file(str(Path(folder) / name), {})
            except ConfigError:
                pass


@pytest.mark.parametrize("name", ["missing.txt", "."])
def test_what_cannot_be_read_is_said(name: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError):
        convert_file(str(tmp_path / name), {})
