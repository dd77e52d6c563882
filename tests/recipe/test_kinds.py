"""Each of DeepStream's files is recognised by what is in it, and given for another it is said what it is and how it is used."""

from __future__ import annotations

from pathlib import Path

import pytest

from countline.cli import main
from countline.compat.deepstream.files import msgconv, nvdsanalytics, nvinfer, nvmsgbroker
from countline.compat.deepstream.files.kinds import recognise
from countline.errors import ConfigError

ANALYTICS = "[property]\nenable=1\nconfig-width=1920\nconfig-height=1080\n"
ANALYTICS += "[line-crossing-stream-0]\nenable=1\nline-crossing-A=1;2;3;4;5;6;7;8\n"
FILES = {
    "analytics": [
        ANALYTICS,
        "[property]\nconfig-width=1920\nconfig-height=1080\nenable=1\n",
        "%YAML:1.0\nproperty:\n  enable: 1\nroi-filtering-stream-0:\n  roi-A: 1;1;5;5;9;1\n",
    ],
    "nvinfer": [
        "[property]\ngpu-id=0\nnet-scale-factor=0.0039\nonnx-file=m.onnx\n[class-attrs-all]\ntopk=20\n",
        "# detector\nproperty:\n  model-engine-file: m.engine\n  num-detected-classes: 4\nclass-attrs-all:\n  topk: 20\n",
    ],
    "app": [
        "[application]\nenable-perf-measurement=1\n[source0]\nenable=1\ntype=3\nuri=file://a.mp4\n[primary-gie]\nconfig-file=p.txt\n",
        "source-list:\n  list: file:///a.mp4\nstreammux:\n  width: 1920\nprimary-gie:\n  config-file-path: p.yml\n",
        "[tracker]\nenable=1\nll-lib-file=a.so\n[source0]\nenable=0\n",
        "source:\n  location: a.h264\nmsgbroker:\n  proto-lib: libnvds_kafka_proto.so\n",
    ],
    "msgconv": [
        '[sensor0]\nenable=1\ntype=Camera\nid=CAM\ndescription="a"\n[place0]\nenable=1\nid=0\n',
        "sensor0:\n  enable: 1\n  id: CAM\nanalytics0:\n  enable: 1\n",
    ],
    "broker": [
        '[message-broker]\nproto-cfg="acks=1"\npartition-key = sensor.id\n',
        "[message-broker]\n#password=guest\nhostname=localhost\n",
    ],
    "tracker-properties": ["[tracker]\nenable=1\ntracker-width=640\ntracker-height=384\nll-lib-file=lib.so\nll-config-file=c.yml\n"],
    "tracker": [
        "%YAML:1.0\nBaseConfig:\n  minDetectorConfidence: 0\nTargetManagement:\n  maxTargetsPerStream: 150\n",
        "%YAML:1.0\n\nNvDCF:\n  useUniqueID: 1\n  maxTargetsPerStream: 99\n",
    ],
    "nvinferserver": ["infer_config {\n  unique_id: 1\n  gpu_ids: [0]\n  backend {\n    triton {\n    }\n  }\n}\n"],
    "preprocess": [
        "[property]\nenable=1\ntarget-unique-ids=1\nnetwork-input-shape=8;3;544;960\n"
        "processing-width=960\ntensor-name=input_1\n[group-0]\nsrc-ids=0;1\n"
    ],
    "msgbroker-library": ["[nvmsgbroker]\nauto-reconnect=1\nretry-interval=1\n"],
    "service-maker": ["deepstream:\n  nodes:\n  - type: nvurisrcbin\n    name: src\n    properties:\n      uri: file:///a.mp4\n"],
    "sources": ["enable,type,uri,num-sources,gpu-id\n1,3,file:///a.mp4,1,0\n"],
}  # fmt: skip


@pytest.mark.parametrize(("kind", "text"), [(kind, text) for kind, texts in FILES.items() for text in texts])
def test_each_kind_is_recognised(kind: str, text: str) -> None:
    for ending in ("\n", "\r\n"):
        found = recognise(text.replace("\n", ending))
        assert found is not None
        assert found.name == kind


@pytest.mark.parametrize(
    "text",
    [
        "",
        "# nothing\n",
        "sources:\n  - {name: a, uri: a.mp4}\nrules:\n  file: config_nvdsanalytics.txt\noutputs: [stdout]\n",
        "detector: {model: default}\nsources: []\n",
        "[other]\na=1\n",
        "hello\n",
    ],
)
def test_what_is_none_of_them_is_left_alone(text: str) -> None:
    assert recognise(text) is None


READERS = {
    "analytics": nvdsanalytics.read,
    "nvinfer": nvinfer.convert,
    "msgconv": msgconv.read,
    "broker": lambda path: nvmsgbroker.output("libnvds_kafka_proto.so", "localhost;9092;t", path),
}


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize("kind", FILES)
def test_a_file_given_for_another_is_said_what_it_is(kind: str, reader: str, tmp_path: Path) -> None:
    if kind == reader:
        return
    text = FILES[kind][0]
    path = tmp_path / ("f.yml" if text.startswith(("%", "deepstream:")) else "f.txt")
    path.write_text(text)
    with pytest.raises(ConfigError) as caught:
        READERS[reader](path)
    assert caught.value.what.startswith("is a")
    assert "FILE" not in caught.value.fix.replace("FILE.onnx", "").replace("--annotate FILE", "")


def code(*args: object) -> int:
    with pytest.raises(SystemExit) as ended:
        main([str(arg) for arg in args])
    return int(ended.value.code or 0)


@pytest.mark.parametrize("kind", FILES)
def test_commands_say_which_file_it_is_and_how_it_is_used(
    kind: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    text = FILES[kind][0]
    path = tmp_path / ("f.csv" if kind == "sources" else "f.yml" if text.startswith(("%", "deepstream:")) else "f.txt")
    path.write_text(text)
    if kind != "app":
        assert code("run", path) == 2
        error = capsys.readouterr().err
        assert ", not of countline" in error
        assert "Traceback" not in error
        assert code("check", path) == 0
        assert kind in ("preprocess", "service-maker") or str(path) in capsys.readouterr().out
    made = code("convert", path)
    assert made == (0 if kind in ("analytics", "nvinfer", "app") else 2)
    said = capsys.readouterr()
    assert "Traceback" not in said.err
    assert said.err.count("is a") or made == 0


def test_a_control_character_is_an_error_with_its_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name, text in (("a.yml", FILES["analytics"][2]), ("n.yml", FILES["nvinfer"][1]), ("p.yml", FILES["app"][1])):
        (tmp_path / name).write_text(text + "x: a\x07b\n")
        for command in ("convert", "check", "run"):
            assert code(command, tmp_path / name) == 2
            error = "".join(capsys.readouterr())
            assert "Traceback" not in error
            assert "U+0007" in error or "not of countline" in error
