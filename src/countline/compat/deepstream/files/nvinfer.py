"""An nvinfer configuration (``dstest4_pgie_config.txt`` and its kind, key file or YAML) -> the detector's configuration.

The arithmetic is the same: nvinfer's ``net-scale-factor * (pixel - offset)`` is ``scale`` and ``mean = scale * offset``
here. What has no counterpart (Caffe and TensorRT files, plug-in parsers, secondary networks) is named in the notes.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from countline.compat.deepstream.files.classes import DEEPSTREAM_CLASSES, DEEPSTREAM_LABELS
from countline.compat.deepstream.files.keygroups import Group, parse_groups, read_text, yaml_groups
from countline.errors import ConfigError

__all__ = ["convert", "parse"]

_FORMATS = {0: "rgb", 1: "bgr"}
_ENGINES = {
    "model-engine-file": "a TensorRT engine runs on the machine it was built on",
    "model-file": "Caffe models are not read",
    "proto-file": "Caffe models are not read",
    "uff-file": "UFF models are not read",
    "tlt-encoded-model": "encrypted TAO models are not read; export ONNX",
    "tlt-model-key": "encrypted TAO models are not read; export ONNX",
    "int8-calib-file": "belongs to TensorRT",
    "custom-lib-path": "plug-in libraries are not loaded; `layout` names the output format",
    "parse-bbox-func-name": "plug-in parsers are not called; `layout` names the output format",
    "engine-create-func-name": "belongs to TensorRT",
    "mean-file": "a mean picture is not read; use offsets",
}
_SILENT = frozenset(
    (
        *("gpu-id", "gie-unique-id", "output-blob-names", "num-detected-classes", "process-mode", "network-type"),
        *("workspace-size", "force-implicit-batch-dim", "enable-dla", "use-dla-core", "output-tensor-meta"),
        *("symmetric-padding", "maintain-aspect-ratio", "scaling-filter", "scaling-compute-hw"),
    )
)
"""Keys that are read elsewhere here, or that say nothing about what is detected."""
_ATTRIBUTES = frozenset(("pre-cluster-threshold", "threshold", "nms-iou-threshold"))
_ATTRIBUTES_GONE = {
    "eps": "belongs to DBSCAN; NMS is used",
    "group-threshold": "belongs to groupRectangles; NMS is used",
    "minBoxes": "belongs to DBSCAN; NMS is used",
    "dbscan-min-score": "belongs to DBSCAN; NMS is used",
    "topk": "all boxes that pass the threshold are kept",
    "post-cluster-threshold": "there is one threshold, before NMS",
}
_CLUSTERS = {0: "groupRectangles", 1: "DBSCAN", 3: "DBSCAN and NMS", 4: "none"}


def convert(path: str | Path) -> tuple[dict[str, Any], list[str]]:
    """Data of ``detector:`` and notes on what could not be carried over, a sentence each. Paths inside the file are
    taken relative to it. Raises ConfigError for a file that is none, values that are none, and networks that are no
    detectors."""
    return parse(read_text(path, "nvinfer configuration"), str(path))


def parse(text: str, file: str) -> tuple[dict[str, Any], list[str]]:
    """As :func:`convert`, for text as if it stood in ``file`` (a label file named in it is read)."""
    yaml = Path(file).suffix.lower() in (".yml", ".yaml")
    groups = {g.name: g for g in (yaml_groups(text, file) if yaml else parse_groups(text, file))}
    if "property" not in groups:
        raise ConfigError("has no [property]: not an nvinfer configuration", where=file, fix="check the path")
    return _Converter(groups, Path(file).parent).run()


class _Converter:
    def __init__(self, groups: dict[str, Group], folder: Path) -> None:
        self.groups = groups
        self.property = groups["property"]
        self.folder = folder
        self.notes: list[str] = []
        self.made: dict[str, Any] = {}

    def run(self) -> tuple[dict[str, Any], list[str]]:
        self._kind()
        self._model()
        self._input()
        self._thresholds(self._labels())
        self._rest()
        return self.made, self.notes

    def _note(self, group: Group, key: str, text: str) -> None:
        self.notes.append(f"{group.place(key)}: {text}")

    def _number(self, key: str, default: int) -> int:
        return self.property.integer(key) if key in self.property else default

    def _kind(self) -> None:
        for key, wanted, what in (("network-type", 0, "not a detector"), ("process-mode", 1, "a secondary network")):
            if self._number(key, wanted) != wanted:
                raise ConfigError(
                    f"describes {what}", where=self.property.place(key), fix="give the primary detector's configuration"
                )

    def _model(self) -> None:
        for key, reason in _ENGINES.items():
            if key in self.property:
                self._note(self.property, key, f"not carried over: {reason}")
        if "onnx-file" in self.property:
            self.made["model"] = self._path(self.property.quoted("onnx-file"))
        else:
            self.made["model"] = "default"
            self.notes.append("there is no onnx-file: the detector inside the package is used instead")

    def _path(self, text: str) -> str:
        return text if Path(text).is_absolute() else str(self.folder / text)

    def _input(self) -> None:
        if "interval" in self.property:
            self.made["interval"] = self.property.integer("interval")
        if "batch-size" in self.property:
            self.made["batch"] = max(1, self.property.integer("batch-size"))
        if self.made["model"] == "default":
            return
        if "infer-dims" in self.property:
            dims = self.property.integers("infer-dims")
            if len(dims) != 3:
                raise ConfigError(
                    "is not channels;height;width",
                    where=self.property.place("infer-dims"),
                    fix="write infer-dims=3;384;640",
                )
            self.made["size"] = [dims[2], dims[1]]
        normalize = self._normalize()
        if normalize:
            self.made["normalize"] = normalize
        if self._number("network-mode", 0) != 0:
            self._note(self.property, "network-mode", "an ONNX file runs in the precision it was exported with")

    def _normalize(self) -> dict[str, Any]:
        group = self.property
        made: dict[str, Any] = {}
        order = self._number("model-color-format", 0)
        if order not in _FORMATS:
            self._note(group, "model-color-format", "only RGB (0) and BGR (1) are known")
        else:
            made["order"] = _FORMATS[order]
        scale = group.double("net-scale-factor") if "net-scale-factor" in group else 1.0
        made["scale"] = scale
        offsets = group.doubles("offsets") if "offsets" in group else []
        if offsets:
            if len(offsets) != 3:
                raise ConfigError("is not three numbers", where=group.place("offsets"), fix="write offsets=123;116;103")
            made["mean"] = [scale * value for value in offsets]
        made["letterbox"] = self._number("maintain-aspect-ratio", 0) == 1
        made["pad"] = 0
        if self._number("symmetric-padding", 0) == 1:
            self._note(group, "symmetric-padding", "the picture is placed top left, padded right and below")
        return made

    def _labels(self) -> list[str]:
        names: list[str] = []
        if "labelfile-path" in self.property:
            path = Path(self._path(self.property.quoted("labelfile-path")))
            try:
                names = [line.strip() for line in path.read_text(encoding="utf-8-sig").splitlines() if line.strip()]
            except (OSError, UnicodeDecodeError):
                self._note(self.property, "labelfile-path", f"{path} cannot be read; the model's own labels are used")
        if self.made["model"] == "default":
            if names and [n.lower() for n in names] != [n.lower() for n in DEEPSTREAM_LABELS]:
                self.notes.append("the labels belong to a model that is not carried over; class ids are kept as below")
            self.made["classes"] = dict(DEEPSTREAM_CLASSES)
            shown = ", ".join(f"{name} -> {number}" for name, number in DEEPSTREAM_CLASSES.items())
            self.notes.append(f"class ids are those of DeepStream's sample detector: {shown}")
            return list(DEEPSTREAM_LABELS)
        if names:
            self.made["labels"] = names
        return names

    def _thresholds(self, labels: list[str]) -> None:
        common: float | None = None
        own: dict[int, float] = {}
        for name, group in self.groups.items():
            if not name.startswith("class-attrs-"):
                continue
            which = name.removeprefix("class-attrs-")
            value = self._attributes(group)
            if which == "all":
                common = value
            elif which.isdigit():
                if value is not None:
                    own[int(which)] = value
            else:
                self._note(group, "", "is neither class-attrs-all nor class-attrs-<number>")
        self._confidence(common, own, labels)

    def _attributes(self, group: Group) -> float | None:
        if "nms-iou-threshold" in group:
            if group.name == "class-attrs-all":
                self.made["iou"] = group.double("nms-iou-threshold")
            else:
                self._note(group, "nms-iou-threshold", "there is one overlap threshold for all classes")
        for key in group:
            if key in _ATTRIBUTES_GONE:
                self._note(group, key, f"not carried over: {_ATTRIBUTES_GONE[key]}")
            elif key not in _ATTRIBUTES:
                self._note(group, key, "not carried over")
        for key in ("pre-cluster-threshold", "threshold"):
            if key in group:
                return group.double(key)
        return None

    def _confidence(self, common: float | None, own: dict[int, float], labels: list[str]) -> None:
        unnamed = [i for i in own if i >= len(labels)]
        for i in unnamed:
            self._note(self.groups[f"class-attrs-{i}"], "", f"class {i} has no label; give labelfile-path")
            del own[i]
        values: dict[int, float] = {}
        for i in range(len(labels)):
            value = own.get(i, common)
            if value is not None:
                values[i] = min(value, 1.0)
        if not own:
            if common is not None:
                self.made["confidence"] = min(common, 1.0)
            return
        gone = [i for i, value in values.items() if value >= 1.0]
        for i in gone:
            self.notes.append(f"class {i} ({labels[i]}) is left out: no confidence reaches its threshold")
        if self.made["model"] == "default":
            classes = {name: i for name, i in DEEPSTREAM_CLASSES.items() if i not in gone}
            self.made["classes"] = classes
            self.made["confidence"] = {name: values[i] for name, i in classes.items() if i in values}
        else:
            if gone:
                self.made["classes"] = {label: i for i, label in enumerate(labels) if i not in gone}
            self.made["confidence"] = {labels[i]: value for i, value in values.items() if i not in gone}

    def _rest(self) -> None:
        cluster = self._number("cluster-mode", 0)
        if cluster in _CLUSTERS:
            given = "by default" if "cluster-mode" not in self.property else "here"
            self.notes.append(f"overlapping boxes are merged by NMS, not by {_CLUSTERS[cluster]} as {given} in nvinfer")
        known = {
            "onnx-file", "interval", "batch-size", "infer-dims", "net-scale-factor", "offsets", "model-color-format",
            "network-mode", "labelfile-path", "cluster-mode", *_ENGINES, *_SILENT,
        }  # fmt: skip
        for key in _once(self.property):
            if key not in known:
                self._note(self.property, key, "not carried over")
        for name, group in self.groups.items():
            if name != "property" and not name.startswith("class-attrs-"):
                self._note(group, "", "not carried over")


def _once(keys: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(keys))
