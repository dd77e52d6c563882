"""What ``countline report`` does: recorded tracks -> one HTML file, and pictures and tables beside it."""

from __future__ import annotations

import os
import sys
from collections import Counter
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import av
import numpy as np
import orjson
from numpy.typing import NDArray

from countline import analysis
from countline.analysis.frames import zone_of
from countline.commands.history import TimeRange, progress_shown, recording_of, summary, tell_faults
from countline.config import Config, load
from countline.config.loader import read_yaml
from countline.config.models import SourceConfig
from countline.errors import ConfigError, DataError, MissingExtra
from countline.file_safety import NamedFile, refuse_overwriting, replacing
from countline.private_files import make_folder, open_private
from countline.terminal import echo

__all__ = ["report_command"]

_UNITS = {"m": "minutes", "h": "hours", "d": "days"}


def report_command(
    config: str,
    tracks: Sequence[str],
    times: TimeRange,
    *,
    out: str,
    png: str | None,
    sheets: str | None,
    pictures: Sequence[str],
    every: str,
    zone: str,
    workers: int,
    as_json: bool,
    quiet: bool,
) -> None:
    """Write the report. Raises ConfigError, RuleError, DataError, MissingExtra."""
    _need()
    refuse_overwriting([NamedFile("CONFIG", config)], [NamedFile("--out", out)])
    step = _step(every)
    zone_of(zone)
    recording = recording_of(tracks, times)
    known = _config(config)
    names = [s.name for s in known.sources] if known is not None else []
    shown = _pictures(known.sources if known is not None else (), pictures)
    with progress_shown("report", quiet) as progress:
        found = analysis.replay(config, recording, workers=workers or (os.cpu_count() or 1), progress=progress)
    scenes = {name: scene for name, scene in analysis.scenes(recording).items() if not names or name in names}
    tables = analysis.tables_of(found, every=step, zone=zone)
    figures = list(
        analysis.figures_of(found, scenes, every=step, zone=zone, pictures=shown, shapes=_shapes(known, list(scenes)))
    )
    _write(Path(out), analysis.html_report(found, figures, title=f"countline: {Path(config).stem}", zone=zone).encode())
    if png is not None:
        _write_figures(Path(png), figures)
    for name, table in tables.items() if sheets is not None else ():
        _write(
            Path(str(sheets)) / f"{name}.csv", table.to_csv(index=False, date_format="%Y-%m-%dT%H:%M:%S.%fZ").encode()
        )
    tell_faults(found.faults)
    if as_json:
        sys.stdout.write(orjson.dumps(summary(found), option=orjson.OPT_APPEND_NEWLINE).decode())
    else:
        echo(f"{out}: {len(figures)} figures, {sum(found.totals().values())} events of {found.frames} frames")


def _write_figures(folder: Path, figures: Sequence[analysis.Figure]) -> None:
    used: Counter[str] = Counter()
    for figure in figures:
        used[figure.name] += 1  # names of sources that differ in signs alone
        again = f"-{used[figure.name]}" if used[figure.name] > 1 else ""
        _write(folder / f"{figure.name}{again}.png", figure.png())


def _need() -> None:
    for package in ("pandas", "matplotlib"):
        try:
            __import__(package)
        except ImportError:
            raise MissingExtra(package, "analysis", what_for="a report") from None


def _step(text: str) -> timedelta:
    number, unit = text.strip()[:-1], text.strip()[-1:]
    if unit not in _UNITS or not number.isdigit() or not int(number):
        raise ConfigError(f"'{text}' is no length of time", where="--every", fix="write e.g. 15m, 1h or 1d")
    return timedelta(**{_UNITS[unit]: int(number)})


def _config(path: str) -> Config | None:
    """The whole configuration; None where the file holds rules alone."""
    data = read_yaml(path).data
    return load(path) if isinstance(data, dict) and "sources" in data else None


def _shapes(config: Config | None, sources: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Points of rules by source and name, 0..1 of the picture."""
    from countline.config.kinds.base import PlacedConfig

    found: dict[str, dict[str, Any]] = {source: {} for source in sources}
    for _, _, rule in config.rules.each() if config is not None else ():
        if isinstance(rule, PlacedConfig) and config is not None:
            points = list(config.rules.normalised(rule, getattr(rule, rule.outlines[0])))
            closed = [*points, points[0]] if rule.shape in ("area", "quad") else points
            for source in sources if rule.source is None else [rule.source]:
                found.setdefault(source, {})[rule.name] = closed
    return found


def _pictures(sources: Sequence[SourceConfig], overrides: Sequence[str]) -> dict[str, NDArray[np.uint8]]:
    """A picture of each scene: what ``--picture`` names, else the first frame of a source that is a file."""
    found: dict[str, NDArray[np.uint8]] = {}
    for source in sources:
        if os.path.isfile(source.uri):
            try:
                found[source.name] = _first(source.uri)
            except (av.error.FFmpegError, StopIteration, OSError, ValueError):
                continue
    for text in overrides:
        name, equals, path = text.partition("=")
        names = [name] if equals else [source.name for source in sources]
        try:
            picture = _first(path if equals else text)
        except (av.error.FFmpegError, StopIteration, OSError, ValueError) as error:
            raise DataError(
                f"is no picture that can be read: {error}",
                where=f"--picture {text}",
                fix="give a JPEG, PNG or video file",
            ) from None
        found.update(dict.fromkeys(names, picture))
    return found


def _first(path: str) -> NDArray[np.uint8]:
    with av.open(path) as container:
        picture: NDArray[np.uint8] = next(container.decode(video=0)).to_ndarray(format="rgb24")
        return picture


def _write(path: Path, data: bytes) -> None:
    try:
        make_folder(path.parent)
        with replacing(path) as part, open_private(part, "wb") as file:
            file.write(data)
    except OSError as error:
        raise DataError(
            f"cannot be written: {error.strerror}", where=str(path), fix="give a file in a folder that you may write to"
        ) from None
