"""Which of DeepStream's configuration files a file is: by the groups and keys in it, not by its name.

DeepStream's files look alike (``[property]`` begins a file of nvdsanalytics, nvinfer and nvdspreprocess alike), so that one is
easily given for another. The text is only skimmed here: a file with faults is recognised, too.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from countline.compat.deepstream.files.keygroups import read_text
from countline.errors import ConfigError

__all__ = ["KINDS", "Kind", "kind_of", "recognise", "refuse_other"]


@dataclass(frozen=True)
class Kind:
    """One kind of file."""

    name: str
    """In one word."""
    title: str
    """What it is, with an article."""
    use: str
    """How it is used with countline; FILE stands for its path."""


KINDS = {
    kind.name: kind
    for kind in (
        Kind(
            "analytics",
            "a configuration of nvdsanalytics",
            "run it with `countline run -i VIDEO --rules FILE`, or write `rules: {file: FILE}`; `countline convert FILE` makes rules "
            "of the native engine",
        ),
        Kind(
            "nvinfer",
            "a configuration of nvinfer, a detector's",
            "`countline convert FILE` makes `detector:` of it; `countline deepstream run --pgie FILE` runs it as it is",
        ),
        Kind(
            "app",
            "a configuration of deepstream-app or deepstream-test5",
            "`countline run FILE` runs it; `countline convert FILE` makes a configuration of it; `countline check FILE` checks it",
        ),
        Kind(
            "msgconv",
            "a description file of nvmsgconv",
            "give it as `--msgconv FILE`, or write `msgconv: FILE` in a message of `type: deepstream/full`",
        ),
        Kind(
            "broker",
            "a configuration of an nvmsgbroker adapter",
            'give it as `--cfg-file FILE` beside `--proto-lib libnvds_kafka_proto.so --conn-str "host;port;topic"`',
        ),
        Kind(
            "tracker-properties",
            "a configuration of nvtracker's properties",
            "`countline deepstream run --tracker FILE` takes it; `countline run` has a tracker of its own (`tracker:`)",
        ),
        Kind(
            "tracker",
            "a configuration of the low-level tracker library (NvDCF, IOU, NvSORT, NvDeepSORT)",
            "nothing of it is read: `countline run` has a tracker of its own (`tracker:`), and inside DeepStream nvtracker goes on "
            "reading it",
        ),
        Kind(
            "nvinferserver",
            "a configuration of nvinferserver (Triton)",
            "give the detector's ONNX file: `detector: {model: FILE.onnx}`",
        ),
        Kind(
            "preprocess",
            "a configuration of nvdspreprocess",
            "nothing of it is read: pictures are prepared as `detector: {normalize: …}` says; regions are `regions:` of the rules",
        ),
        Kind(
            "msgbroker-library",
            "a configuration of the message broker library (nvmsgbroker)",
            "nothing of it is read: an output reconnects by itself, and keeps what waits in the outbox",
        ),
        Kind(
            "service-maker",
            "a pipeline of Service Maker",
            "attach countline to it from Python (`countline.deepstream.operator`), or write sources and rules in a countline.yaml",
        ),
        Kind(
            "sources",
            "a list of sources (CSV) of deepstream-app",
            "give the application's configuration that names it (`[source] csv-file-path`)",
        ),
    )
}
"""By name."""

_INI_GROUP = re.compile(r"^[ \t]*\[([^\]\n]+)\][ \t\r]*$", re.MULTILINE)
_YAML_GROUP = re.compile(r"^[\"']?([A-Za-z][\w-]*)[\"']?[ \t]*:(?:[ \t]|\r?$)", re.MULTILINE)
_KEY = re.compile(r"^[ \t]*[\"']?([A-Za-z][\w-]*)[\"']?[ \t]*[=:]", re.MULTILINE)

_OURS = frozenset(("sources", "rules", "messages", "outputs", "outbox", "detector"))
_ANALYTICS = ("roi-filtering-stream-", "overcrowding-stream-", "line-crossing-stream-", "direction-detection-stream-")
_APP = frozenset(
    (
        *(
            "application",
            "tiled-display",
            "source-list",
            "source-attr-all",
            "streammux",
            "primary-gie",
            "osd",
            "nvds-analytics",
        ),
        *("message-converter", "dsexample", "ds-example", "img-save", "msgconv", "msgbroker"),
    )
)
_NVINFER = frozenset(
    (
        *(
            "onnx-file",
            "model-engine-file",
            "model-file",
            "proto-file",
            "net-scale-factor",
            "labelfile-path",
            "uff-file",
        ),
        *("num-detected-classes", "tlt-encoded-model", "gie-unique-id", "cluster-mode", "custom-network-config"),
        *("parse-bbox-func-name", "infer-dims", "network-mode", "pre-cluster-threshold"),
    )
)
_PREPROCESS = frozenset(
    (
        "network-input-shape",
        "processing-width",
        "tensor-name",
        "custom-tensor-preparation-function",
        "target-unique-ids",
    )
)
_TRACKERS = frozenset(
    (
        *(
            "BaseConfig",
            "TargetManagement",
            "TrajectoryManagement",
            "DataAssociator",
            "StateEstimator",
            "VisualTracker",
        ),
        *("NvDCF", "ReID", "Segmenter", "ObjectModelProjection", "PoseEstimator", "MultiViewAssociator"),
    )
)


def recognise(text: str) -> Kind | None:
    """The kind of a text; None where it is none of DeepStream's (a countline configuration, say)."""
    name = _name(text)
    return KINDS[name] if name else None


def kind_of(path: str | Path) -> Kind | None:
    """The kind of a file. Raises ConfigError where it cannot be read."""
    return recognise(read_text(path))


def refuse_other(text: str, file: str, *wanted: str, error: type[ConfigError] = ConfigError) -> None:
    """Raises ``error`` for a text of another kind than those of these names: says which it is and how it is used. A text of no
    kind is left to whoever reads it."""
    kind = recognise(text)
    if kind is not None and kind.name not in wanted:
        raise error(
            f"is {kind.title}, not {KINDS[wanted[0]].title}", where=file, fix=kind.use.replace("FILE", file or "FILE")
        )


def _name(text: str) -> str:
    if re.search(r"^[ \t]*infer_config[ \t]*:?[ \t]*\{", text, re.MULTILINE):
        return "nvinferserver"
    if re.match(r"\s*(?:#[^\n]*\n\s*)*enable\s*,\s*type\s*,", text):
        return "sources"
    ini = [name.strip() for name in _INI_GROUP.findall(text)]
    groups = set(ini or _YAML_GROUP.findall(text))
    keys = set(_KEY.findall(text))
    if not ini and "deepstream" in groups and re.search(r"^[ \t]+-?[ \t]*(?:nodes|type)[ \t]*:", text, re.MULTILINE):
        return "service-maker"
    if not ini and groups & _OURS and not groups & {"property", "source0", "sink0", "streammux"}:
        return ""
    return _by_groups(groups, keys)


def _by_groups(groups: set[str], keys: set[str]) -> str:
    tests = (
        (
            "analytics",
            any(group.startswith(_ANALYTICS) for group in groups) or {"config-width", "config-height"} <= keys,
        ),
        ("tracker", bool(groups & _TRACKERS)),
        ("preprocess", "property" in groups and len(keys & _PREPROCESS) > 1),
        ("nvinfer", "property" in groups and bool(keys & _NVINFER)),
        ("nvinfer", any(group.startswith("class-attrs-") for group in groups)),
        ("msgbroker-library", "nvmsgbroker" in groups),
        ("broker", "message-broker" in groups and not groups & _APP),
        ("app", bool(groups & _APP) or any(re.fullmatch(r"(?:source|sink)[0-9]*", group) for group in groups)),
        ("tracker-properties", "tracker" in groups and bool(keys & {"ll-lib-file", "ll-config-file", "tracker-width"})),
        ("msgconv", any(re.fullmatch(r"(?:sensor|place|analytics)[0-9]+", group) for group in groups)),
    )
    return next((name for name, holds in tests if holds), "")
