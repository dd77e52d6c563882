"""An nvinfer configuration (``dstest4_pgie_config.txt`` and its kind, key file or YAML) -> the detector's configuration.

The arithmetic is the same: nvinfer's ``net-scale-factor * (pixel - offset)`` is ``scale`` and ``mean = scale * offset``
here. A parser's name tells the layout of the outputs; thresholds that the file does not name are nvinfer's. What has no
counterpart (Caffe and TensorRT files, plug-in libraries, secondary networks) is named in the notes; where the model itself has
none, the detector inside the package takes its place, with the same class ids.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from countline.compat.deepstream.files.keygroups import Group, parse_groups, read_text, yaml_groups
from countline.compat.deepstream.files.kinds import refuse_other
from countline.compat.deepstream.files.model_classes import known_labels, mapped
from countline.compat.deepstream.files.nvinfer_keys import (
    ATTRIBUTES,
    ATTRIBUTES_GONE,
    CLUSTERS,
    ENGINES,
    FORMATS,
    LEAST,
    MOST_CLASSES,
    OVERLAP,
    PARSERS,
    PLUGINS,
    SILENT,
    SIZES,
    THRESHOLD,
)
from countline.errors import ConfigError

__all__ = ["convert", "parse"]


def convert(path: str | Path, *, labelfile: str = "") -> tuple[dict[str, Any], list[str]]:
    """Data of ``detector:`` and notes on what could not be carried over, a sentence each. Paths inside the file are
    taken relative to it; ``labelfile`` is read where the file names none. Raises ConfigError for a file that is none,
    values that are none, networks that are no detectors, and a model that cannot be run and whose classes are not
    known."""
    text = read_text(path, "nvinfer configuration")
    refuse_other(text, str(path), "nvinfer")
    return parse(text, str(path), labelfile=labelfile)


def parse(text: str, file: str, *, labelfile: str = "") -> tuple[dict[str, Any], list[str]]:
    """As :func:`convert`, for text as if it stood in ``file`` (a label file named in it is read)."""
    yaml = Path(file).suffix.lower() in (".yml", ".yaml")
    groups = {g.name: g for g in (yaml_groups(text, file) if yaml else parse_groups(text, file))}
    if "property" not in groups:
        raise ConfigError("has no [property]: not an nvinfer configuration", where=file, fix="check the path")
    return _Converter(groups, Path(file).parent, labelfile).run()


class _Converter:
    def __init__(self, groups: dict[str, Group], folder: Path, labelfile: str = "") -> None:
        self.groups = groups
        self.labelfile = labelfile
        self.property = groups["property"]
        self.folder = folder
        self.notes: list[str] = []
        self.made: dict[str, Any] = {}
        count = self._number("num-detected-classes", 0)
        if count > MOST_CLASSES:
            place = self.property.place("num-detected-classes")
            raise ConfigError(f"{count} classes are more than any detector has", where=place, fix="write their number")
        self.count = count if count > 0 else None
        """``num-detected-classes``; None: not said."""

    def run(self) -> tuple[dict[str, Any], list[str]]:
        self._kind()
        self._model()
        self._input()
        common, own = self._thresholds()
        gone = self._filtered()
        if self.made["model"] == "default":
            self._in_place_of_it(common, own, gone)
        else:
            self._layout()
            self._classes(common, own, gone)
        self._rest()
        return self.made, self.notes

    def _note(self, group: Group, key: str, text: str) -> None:
        self.notes.append(f"{group.place(key)}: {text}")

    def _number(self, key: str, default: int) -> int:
        return self.property.integer(key) if key in self.property else default

    def _kind(self) -> None:
        kinds = {1: "a classifier", 2: "a segmentation network"}
        kind = self._number("network-type", 1 if self._number("is-classifier", 0) == 1 else 0)
        where = "network-type" if "network-type" in self.property else "is-classifier"
        if kind in kinds:
            raise ConfigError(
                f"describes {kinds[kind]}, not a detector",
                where=self.property.place(where),
                fix="give the primary detector's configuration",
            )
        if kind:
            what = (
                "instance masks are left aside" if kind == 3 else "the application parses its outputs, nvinfer does not"
            )
            self._note(self.property, where, f"{what}; boxes are read as `layout` says")
        mode = "process-mode" if "process-mode" in self.property else "gie-mode"
        if self._number(mode, 1) != 1:
            raise ConfigError(
                "describes a secondary network",
                where=self.property.place(mode),
                fix="give the primary detector's configuration",
            )

    def _model(self) -> None:
        for key, reason in ENGINES.items():
            if key in self.property:
                self._note(self.property, key, f"not carried over: {reason}")
        if "onnx-file" in self.property:
            self.made["model"] = self._path("onnx-file")
            return
        beside = self._onnx_of_engine()
        if beside:
            self.made["model"] = beside
            self._note(self.property, "model-engine-file", f"{beside}, which the engine was built from, is used")
            return
        self.made["model"] = "default"
        self.notes.append("there is no onnx-file: the detector inside the package is used instead")

    def _onnx_of_engine(self) -> str:
        """The ONNX file that TensorRT built an engine from, by the engine's name; '' where there is none."""
        if "model-engine-file" not in self.property:
            return ""
        stem, onnx, _ = self._path("model-engine-file").rpartition(".onnx_b")
        return f"{stem}.onnx" if onnx and Path(f"{stem}.onnx").is_file() else ""

    def _path(self, key: str) -> str:
        text = self.property.quoted(key).removeprefix("file://")
        return text if Path(text).is_absolute() else str(self.folder / text)

    def _input(self) -> None:
        if "interval" in self.property:
            self.made["interval"] = max(0, self.property.integer("interval"))
        if "batch-size" in self.property:
            self.made["batch"] = max(1, self.property.integer("batch-size"))
        if self.made["model"] == "default":
            return
        for key, count in (("infer-dims", 3), ("input-dims", 4), ("uff-input-dims", 4)):
            if key in self.property:
                self.made["size"] = self._size(key, count)
                break
        self.made["normalize"] = self._normalize()
        if self._number("network-mode", 0) != 0:
            self._note(self.property, "network-mode", "an ONNX file runs in the precision it was exported with")

    def _size(self, key: str, count: int) -> list[int]:
        dims = self.property.integers(key)
        if len(dims) != count:
            raise ConfigError(
                "is not channels;height;width" + (";order" if count == 4 else ""),
                where=self.property.place(key),
                fix=f"write {key}=3;384;640" + (";0" if count == 4 else ""),
            )
        last = dims[0] not in (1, 3) and dims[2] in (1, 3)
        return [dims[1], dims[0]] if last else [dims[2], dims[1]]

    def _normalize(self) -> dict[str, Any]:
        group = self.property
        made: dict[str, Any] = {}
        order = self._number("model-color-format", 0)
        if order not in FORMATS:
            self._note(group, "model-color-format", "only RGB (0) and BGR (1) are known")
        else:
            made["order"] = FORMATS[order]
        scale = _finite(group, "net-scale-factor") if "net-scale-factor" in group else 1.0
        made["scale"] = scale
        offsets = group.doubles("offsets") if "offsets" in group else []
        if offsets:
            if len(offsets) != 3 or not all(map(math.isfinite, offsets)):
                raise ConfigError("is not three numbers", where=group.place("offsets"), fix="write offsets=123;116;103")
            made["mean"] = [scale * value for value in offsets]
        made["letterbox"] = self._number("maintain-aspect-ratio", 0) == 1
        made["pad"] = 0
        if self._number("symmetric-padding", 0) == 1:
            self._note(group, "symmetric-padding", "the picture is placed top left, padded right and below")
        return made

    def _thresholds(self) -> tuple[float | None, dict[int, float]]:
        """Thresholds of all classes (None: not said), and of single ones by class id."""
        common: float | None = None
        own: dict[int, float] = {}
        for name, group in self.groups.items():
            if not name.startswith("class-attrs-"):
                continue
            which = name.removeprefix("class-attrs-")
            value = self._attributes(group)
            if which == "all":
                common = value
            elif re.fullmatch("[0-9]{1,6}", which):
                if value is not None:
                    own[int(which)] = value
            else:
                self._note(group, "", "is neither class-attrs-all nor class-attrs-<number>")
        return common, own

    def _attributes(self, group: Group) -> float | None:
        if "nms-iou-threshold" in group:
            if group.name == "class-attrs-all":
                self.made["iou"] = min(max(_finite(group, "nms-iou-threshold"), LEAST), 1.0)
            else:
                self._note(group, "nms-iou-threshold", "there is one overlap threshold for all classes")
        for key in _once(group):
            if key in SIZES:
                if group.double(key):
                    self._note(
                        group, key, "not carried over: a region of the native engine may leave out what is not wanted"
                    )
            elif key in ATTRIBUTES_GONE:
                self._note(group, key, f"not carried over: {ATTRIBUTES_GONE[key]}")
            elif key not in ATTRIBUTES:
                self._note(group, key, "not carried over")
        found = [_finite(group, key) for key in ("pre-cluster-threshold", "threshold") if key in group][:1]
        # What is left out after suppression could as well have been left out before: it was weaker than what it met.
        found += [_finite(group, "post-cluster-threshold")] if "post-cluster-threshold" in group else []
        return max(found) if found else None

    def _filtered(self) -> set[int]:
        return set(self.property.integers("filter-out-class-ids")) if "filter-out-class-ids" in self.property else set()

    def _labels(self) -> list[str]:
        """Names of the classes by their ids, as the label file says; [] where there is none that can be read."""
        if "labelfile-path" not in self.property and not self.labelfile:
            return []
        path = Path(self._path("labelfile-path") if "labelfile-path" in self.property else self.labelfile)
        try:
            lines = [line.strip() for line in path.read_text(encoding="utf-8-sig").splitlines() if line.strip()]
        except (OSError, UnicodeDecodeError):
            used = (
                "the classes of the model are looked up"
                if self.made["model"] == "default"
                else "the model's own labels are used"
            )
            self._note(self.property, "labelfile-path", f"{path} cannot be read; {used}")
            return []
        if len(lines) == 1 and ";" in lines[0]:
            return [part.strip() for part in lines[0].rstrip("; ").split(";")]
        return [line.partition(";")[0].strip() for line in lines]  # nvinfer takes a detector's label from before the ;

    def _layout(self) -> None:
        blobs = self.property.raw("output-blob-names").lower() if "output-blob-names" in self.property else ""
        if "parse-bbox-func-name" not in self.property:
            if "cov" in blobs and "bbox" in blobs:
                self.made["layout"] = "detectnet"
            return
        name = self.property.quoted("parse-bbox-func-name")
        layout = PARSERS.get(name.lower())
        if layout is not None:
            self.made["layout"] = layout
            note = f"not called: its model's outputs are read as layout '{layout}'"
        elif any(part in name.lower() for part in PLUGINS):
            note = "parses what a plug-in of TensorRT puts out, which no other runtime has; export the model without it"
        else:
            note = "not called: how the outputs are to be read is found out from the model; `layout` declares it"
        self._note(self.property, "parse-bbox-func-name", note)

    def _classes(self, common: float | None, own: dict[int, float], gone: set[int]) -> None:
        """Labels, classes and thresholds for a model that is run."""
        labels = self._labels() or list(known_labels(self._named(), self.count, by_number=False))
        if labels:
            self.made["labels"] = labels
            if self.count not in (None, len(labels)):
                self._note(self.property, "num-detected-classes", f"{self.count}, and there are {len(labels)} labels")
        elif self.count and (gone or own or self.made.get("layout") == "deepstream-yolo"):
            labels = self.made["labels"] = list(known_labels((), self.count)) or [
                f"class {i}" for i in range(self.count)
            ]
            self.notes.append(f"classes have no names: they are called {labels[0]} … {labels[-1]}; give labelfile-path")
        for i in [i for i in own if i >= len(labels)]:
            self._note(self.groups[f"class-attrs-{i}"], "", f"class {i} has no label; give labelfile-path")
            del own[i]
        if gone and not labels:
            self._note(self.property, "filter-out-class-ids", "classes have no labels; give labelfile-path")
        values = {i: self._bounded(own.get(i, THRESHOLD if common is None else common)) for i in range(len(labels))}
        over = {i for i, value in values.items() if own and value >= 1.0 and i not in gone}
        for i in sorted(over):
            self.notes.append(f"class {i} ({labels[i]}) is left out: no confidence reaches its threshold")
        kept = [i for i in values if i not in over | gone]
        if labels and not kept:
            raise ConfigError(
                "every class is filtered out",
                where=self.property.place("filter-out-class-ids" if gone else ""),
                fix="leave one class in",
            )
        if len(kept) < len(values):
            classes: dict[str, int] = {}
            for i in kept:
                classes.setdefault(labels[i], i)
            self.made["classes"] = classes
        plain = self._bounded(THRESHOLD if common is None else common)
        self.made["confidence"] = {labels[i]: values[i] for i in kept} if own else plain
        self.made.setdefault("iou", 1.0 if self._number("cluster-mode", 0) == 4 else OVERLAP)

    @staticmethod
    def _bounded(value: float) -> float:
        return min(max(value, LEAST), 1.0)

    def _in_place_of_it(self, common: float | None, own: dict[int, float], gone: set[int]) -> None:
        """Classes and thresholds for the detector inside the package, with the class ids of the model whose place it takes."""
        labels = self._labels_of_it()
        found = mapped(labels)
        for i, label in found.missing.items():
            if i not in gone:
                self.notes.append(
                    f"class {i} ({label}) has no counterpart in it: NOTHING OF IT IS FOUND; give its model as onnx-file"
                )
        values = {
            i: self._bounded(v) for i, v in ((i, own.get(i, common)) for i in range(len(labels))) if v is not None
        }
        over = {i for i, value in values.items() if own and value >= 1.0}
        for i in sorted(over - gone):
            self.notes.append(f"class {i} ({labels[i]}) is left out: no confidence reaches its threshold")
        classes = {name: i for name, i in found.classes.items() if i not in over | gone}
        if not classes:
            raise ConfigError(
                f"the model cannot be run, and the detector inside the package knows none of its classes ({', '.join(labels[:8])})",
                where=self.property.place(),
                fix="export the model to ONNX and name it: onnx-file=model.onnx",
            )
        self.made["classes"] = classes
        if own:
            self.made["confidence"] = {name: values[i] for name, i in classes.items() if i in values}
        elif common is not None:
            self.made["confidence"] = self._bounded(common)
        shown = ", ".join(f"{name} -> {number}" for name, number in classes.items())
        self.notes.append(f"class ids are those of the file's model ({', '.join(labels[:8])}): {shown}")

    def _labels_of_it(self) -> list[str]:
        labels = self._labels()
        place = self.property.place("num-detected-classes" if self.count else "")
        if labels:
            if self.count not in (None, len(labels)):
                raise ConfigError(
                    f"there are {self.count} classes and {len(labels)} labels ({', '.join(labels[:8])})",
                    where=place,
                    fix="give the label file of this model, with one name a line for each class",
                )
            return labels
        known = known_labels(self._named(), self.count)
        if not known:
            count = f"its {self.count} classes have" if self.count else "its classes have"
            raise ConfigError(
                f"the model cannot be run, and {count} no names, so that none can take its place",
                where=place,
                fix="export the model to ONNX and name it (onnx-file=model.onnx), or give labelfile-path: a name a line, in "
                "the order of the class ids",
            )
        self.notes.append(
            f"the classes are taken to be {', '.join(known[:8])}{' …' if len(known) > 8 else ''}; labelfile-path says it"
        )
        return list(known)

    def _named(self) -> list[str]:
        """Names of the files that tell which model it is."""
        keys = [k for k in (*ENGINES, "onnx-file", "labelfile-path") if k in self.property and k != "custom-lib-path"]
        return [*(self.property.quoted(key) for key in keys), self.labelfile]

    def _rest(self) -> None:
        cluster = self._number("cluster-mode", 0)
        if cluster in CLUSTERS and self.made.get("iou") != 1.0:
            where = "by default" if "cluster-mode" not in self.property else "here"
            self.notes.append(f"overlapping boxes are merged by NMS, not by {CLUSTERS[cluster]} as {where} in nvinfer")
        known = {
            "onnx-file", "interval", "batch-size", "infer-dims", "net-scale-factor", "offsets", "network-mode",
            "labelfile-path", *ENGINES, *SILENT,
        }  # fmt: skip
        for key in _once(self.property):
            if key not in known:
                self._note(self.property, key, "not carried over")
        for name, group in self.groups.items():
            if name != "property" and not name.startswith("class-attrs-"):
                self._note(group, "", "not carried over")


def _finite(group: Group, key: str) -> float:
    value = group.double(key)
    if not math.isfinite(value):
        raise ConfigError(f"{value} is no finite number", where=group.place(key), fix="write a number such as 0.4")
    return value


def _once(keys: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(keys))
