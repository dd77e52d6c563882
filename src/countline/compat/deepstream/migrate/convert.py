"""DeepStream's configuration files as countline's."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from countline.compat.deepstream.files import nvdsanalytics, nvinfer
from countline.compat.deepstream.files.keygroups import read_text
from countline.compat.deepstream.files.kinds import recognise
from countline.compat.deepstream.migrate import app, native_rules
from countline.errors import ConfigError

__all__ = ["convert_file", "source_names"]


def convert_file(path: str, names: Mapping[int, str]) -> tuple[str, Sequence[str]]:
    """The countline YAML that means what a DeepStream file means, and warnings of what was odd in it.

    nvdsanalytics' files become rules, nvinfer's a detector, an application's a whole configuration. ``names``: source name by
    stream. Raises ConfigError, for files that nothing can be made of with what they are and how they are used.
    """
    text = read_text(path)
    kind = recognise(text)
    if kind is None or kind.name == "analytics":
        if kind is None and _ours(text):
            raise ConfigError("is a configuration of countline already", where=path, fix="run it: `countline run FILE`")
        config = nvdsanalytics.read(path)
        return native_rules.convert(config, names).text(), config.warnings
    if kind.name == "nvinfer":
        detector, notes = nvinfer.convert(path)
        return app.text(app.Converted({"detector": detector}, notes)), ()
    if kind.name == "app":
        return app.text(app.convert(path, strict=False)), ()
    raise ConfigError(
        f"is {kind.title}: no configuration is made of it", where=path, fix=kind.use.replace("FILE", path)
    )


def _ours(text: str) -> bool:
    return re.search(r"^(?:sources|rules|messages|outputs)[ \t]*:", text, re.MULTILINE) is not None


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
