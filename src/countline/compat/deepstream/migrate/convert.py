"""DeepStream's configuration files as countline's."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import yaml

from countline.compat.deepstream.files import nvdsanalytics
from countline.compat.deepstream.migrate import native_rules as nvdsanalytics_native
from countline.errors import ConfigError

__all__ = ["convert_file", "source_names"]

_ANALYTICS = re.compile(
    r"^\s*[\[\"']?(?:roi-filtering|overcrowding|line-crossing|direction-detection)-stream-|^\s*config-width\s*[=:]",
    re.MULTILINE,
)
_NVINFER = re.compile(
    r"^\s*(?:onnx-file|model-engine-file|model-file|proto-file|net-scale-factor|labelfile-path|num-detected-classes|"
    r"tlt-encoded-model|uff-file|gie-unique-id|cluster-mode)\s*[=:]",
    re.MULTILINE,
)


def convert_file(path: str, names: Mapping[int, str]) -> tuple[str, Sequence[str]]:
    """The countline YAML that means what a DeepStream file means, and warnings of what was odd in it.

    nvdsanalytics' files become rules, nvinfer's a detector. ``names``: source name by stream. Raises ConfigError.
    """
    try:
        text = Path(path).read_text(encoding="utf-8", errors="replace")
    except FileNotFoundError:
        raise ConfigError("no such file", where=path, fix="check the path") from None
    except OSError as error:
        raise ConfigError(f"cannot be read: {error.strerror}", where=path, fix="give a readable file") from None
    if _NVINFER.search(text) and not _ANALYTICS.search(text):
        from countline.compat.deepstream.files import nvinfer

        detector, notes = nvinfer.convert(path)
        comments = "".join(f"# {line}\n" for note in notes for line in note.splitlines())
        body = yaml.safe_dump(
            {"detector": detector}, sort_keys=False, allow_unicode=True, default_flow_style=None, width=110
        )
        return comments + body, ()
    config = nvdsanalytics.read(path)
    return nvdsanalytics_native.convert(config, names).text(), config.warnings


def source_names(pairs: Sequence[str]) -> dict[int, str]:
    """``N=NAME`` words as a mapping. Raises ConfigError."""
    names: dict[int, str] = {}
    for pair in pairs:
        number, equals, name = pair.partition("=")
        if not number.isdigit() or not equals or not name:
            raise ConfigError(
                f"'{pair}' names no source",
                where="--source",
                fix="write the number of the stream and the name: 0=entrance",
            )
        names[int(number)] = name
    return names
