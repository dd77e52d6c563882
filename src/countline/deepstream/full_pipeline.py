"""The whole pipeline of the recipe, in the language of gst-launch-1.0, from the recipe's own files."""

from __future__ import annotations

import platform
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from countline.compat.deepstream.files.keygroups import Group, parse_groups, read_text, yaml_groups
from countline.compat.deepstream.files.kinds import refuse_other
from countline.errors import ConfigError

__all__ = ["INFERENCE_FILE", "TRACKER_FILE", "FullPipeline", "inference_files", "tracker_properties"]

INFERENCE_FILE = "dstest4_pgie_config.txt"
TRACKER_FILE = "dsnvanalytics_tracker_config.txt"
_TRACKER = ("tracker-width", "tracker-height", "gpu-id", "ll-lib-file", "ll-config-file")
_FILES = ("onnx-file", "model-file", "proto-file", "uff-file", "tlt-encoded-model", "labelfile-path", "custom-lib-path")
_RAW = {".h264": "h264parse", ".264": "h264parse", ".h265": "h265parse", ".265": "h265parse", ".hevc": "h265parse"}


def quoted(value: object) -> str:
    """A property's value as gst-launch-1.0 reads it."""
    return '"' + str(value).replace("\\", "\\\\").replace('"', '\\"') + '"'


@dataclass(frozen=True)
class FullPipeline:
    """Sources → nvstreammux → nvinfer → nvtracker → (probe) → display or nothing.

    ``tracker``: properties of nvtracker. ``size``: width and height in pixels that the muxer scales to.
    """

    inputs: Sequence[str]
    inference: Path
    tracker: dict[str, str] = field(default_factory=dict)
    size: tuple[int, int] = (1920, 1080)
    display: bool = True

    def description(self) -> str:
        """For gst_parse_launch. The probe belongs on the src pad of the element ``tracker``."""
        chains = [[*self._source(i, uri), f"mux.sink_{i}"] for i, uri in enumerate(self.inputs)]
        return "  ".join(" ! ".join(chain) for chain in [*chains, self._trunk()])

    def elements(self) -> list[str]:
        """Names of all elements that the description uses."""
        chains = [*(self._source(i, uri) for i, uri in enumerate(self.inputs)), self._trunk()]
        return list(dict.fromkeys(part.split(" ", 1)[0] for chain in chains for part in chain))

    @staticmethod
    def _source(index: int, uri: str) -> list[str]:
        parse = _RAW.get(Path(uri.partition("?")[0]).suffix.lower())
        if parse is not None and "://" not in uri:
            return [f"filesrc location={quoted(uri)}", parse, "nvv4l2decoder"]
        if "://" not in uri:
            uri = Path(uri).resolve().as_uri()
        return [f"nvurisrcbin uri={quoted(uri)}"]

    def _trunk(self) -> list[str]:
        count = len(self.inputs)
        live = any("://" in uri and not uri.startswith("file://") for uri in self.inputs)
        tracker = "".join(f" {key}={quoted(value)}" for key, value in self.tracker.items())
        trunk = [
            f"nvstreammux name=mux batch-size={count} width={self.size[0]} height={self.size[1]} "
            f"batched-push-timeout=40000 live-source={int(live)}",
            f"nvinfer config-file-path={quoted(self.inference)} batch-size={count}",
            "nvtracker name=tracker" + tracker,
        ]
        if not self.display:
            return [*trunk, "fakesink sync=false"]
        if count > 1:
            trunk.append("nvmultistreamtiler width=1280 height=720")
        sink = "nv3dsink" if platform.machine() == "aarch64" else "nveglglessink"
        return [*trunk, "nvvideoconvert", "nvdsosd", f"{sink} sync=false"]


def _groups(path: Path, what: str, *kinds: str) -> dict[str, Group]:
    text = read_text(path, what)
    file = str(path)
    refuse_other(text, file, *kinds)
    yaml = path.suffix.lower() in (".yml", ".yaml")
    return {g.name: g for g in (yaml_groups(text, file) if yaml else parse_groups(text, file))}


def tracker_properties(path: Path) -> tuple[dict[str, str], list[str]]:
    """Properties of nvtracker from a file like dsnvanalytics_tracker_config.txt, and notes on keys that are passed over. Paths
    in it are relative to it. Raises ConfigError."""
    group = _groups(path, "tracker configuration", "tracker-properties", "app").get("tracker")
    if group is None:
        raise ConfigError("has no [tracker]: not a tracker configuration", where=str(path), fix="check the path")
    made: dict[str, str] = {}
    notes = []
    for key in dict.fromkeys(group):
        value = group.quoted(key)
        if key not in _TRACKER:
            notes.append(f"{group.place(key)}: not passed on to nvtracker")
        elif key.endswith("-file"):
            made[key] = value if Path(value).is_absolute() else str((path.parent / value).resolve())
        else:
            made[key] = value
    return made, notes


def inference_files(path: Path) -> dict[str, Path]:
    """Files that an nvinfer configuration names, by key. Raises ConfigError."""
    group = _groups(path, "nvinfer configuration", "nvinfer").get("property")
    if group is None:
        raise ConfigError("has no [property]: not an nvinfer configuration", where=str(path), fix="check the path")
    return {key: (path.parent / group.quoted(key)).resolve() for key in _FILES if key in group}
