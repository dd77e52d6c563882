"""The configuration of a run, as it is read for a DeepStream pipeline: sources need no uri, and there is no detector."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from countline.compat.deepstream.files.classes import DEEPSTREAM_LABELS
from countline.config import Config
from countline.config.loader import Document
from countline.errors import ConfigError
from countline.pipeline import build

__all__ = ["as_config", "labels_of", "read_labels", "state_beside"]


def as_config(origin: Config | Mapping[str, Any] | str | Path | Document) -> Config:
    """A Config. ``sources`` belong to the stream muxer's pads in their order and need no ``uri``; without ``sources`` there
    is one for each stream of the rules file, else one, named stream-0, stream-1 … Raises ConfigError."""
    return build.as_config(origin, lambda data: {**data, "sources": _sources(data)})


def _sources(data: Mapping[str, Any]) -> Any:
    sources = data.get("sources")
    if sources is None:
        sources = [{"name": f"stream-{i}"} for i in range(_streams(data.get("rules")))]
    if not isinstance(sources, list):
        return sources
    return [
        {"uri": f"deepstream:{i}", **source} if isinstance(source, dict) else source for i, source in enumerate(sources)
    ]


def _streams(rules: Any) -> int:
    file = rules.get("file") if isinstance(rules, dict) else None
    if not isinstance(file, (str, Path)):
        return 1
    from countline.compat.deepstream.files import nvdsanalytics

    return max(nvdsanalytics.read(file).streams, default=0) + 1


def labels_of(config: Config, override: Sequence[str] | None) -> list[str]:
    """Class names by class id: those of ``override``, those of ``detector.labels`` (a list or nvinfer's label file), else those of
    DeepStream's sample detector. Raises ConfigError for a file that cannot be read."""
    if override is not None:
        return list(override)
    labels = config.detector.labels
    if labels is None:
        return list(DEEPSTREAM_LABELS)
    if not isinstance(labels, str):
        return list(labels)
    return read_labels(Path(labels))


def read_labels(path: Path) -> list[str]:
    """Class names of a label file, one a line. Raises ConfigError."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"cannot be read: {error}", where=str(path), fix="check the label file's path") from None
    return [line.strip() for line in text.splitlines() if line.strip()]


def state_beside(config: Config, path: Path | None) -> Path | None:
    """Outbox file beside a configuration file; None where the configuration names one, or there is no file."""
    if config.outbox.path is not None or path is None:
        return None
    from countline import outbox

    return outbox.default_path(path)
