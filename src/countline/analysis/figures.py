"""Figures of Matplotlib from what rules and tracks tell. Each function gives a ``matplotlib.figure.Figure``, which notebooks show and
``figure.savefig("x.png")`` writes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from countline.analysis import frames
from countline.analysis.replay import Findings
from countline.analysis.scenes import Scene
from countline.errors import MissingExtra

__all__ = ["counts_figure", "dwell_figure", "heat_figure", "journeys_figure", "paths_figure", "speeds_figure"]

Picture = NDArray[np.uint8]
"""(height, width, 3) uint8 RGB."""
_AWAY: dict[str, Any] = {"facecolor": "none", "edgecolor": "0.6", "hatch": "///", "linewidth": 0.0}


def _figure(width: float, height: float) -> Any:
    try:
        from matplotlib.figure import Figure
    except ImportError:
        raise MissingExtra("matplotlib", "analysis", what_for="figures") from None
    return Figure(figsize=(width, height), dpi=110, layout="constrained")


def counts_figure(
    found: Findings, source: str, rule: str, *, every: timedelta = timedelta(hours=1), zone: str = "UTC"
) -> Any:
    """Events of a rule by time, a bar for each kind and direction. Times of which nothing was recorded are hatched, and those of which a
    part is missing say so by a paler bar: neither is a zero."""
    from matplotlib.patches import Patch

    table = frames.counts(found, every=every, zone=zone)
    table = table[(table["source"] == source) & (table["rule"] == rule)]
    figure = _figure(9, 3.2)
    axes = figure.add_subplot()
    series = list(table.groupby(["kind", "direction"], sort=True))
    starts = sorted(table["time"].unique())
    place = {start: n for n, start in enumerate(starts)}
    handles = []
    for number, ((kind, direction), rows) in enumerate(series):
        width = 0.84 / len(series)
        x = np.array([place[t] for t in rows["time"]]) - 0.42 + width * (number + 0.5)
        complete = rows["seen"].to_numpy() >= 0.999
        heights = rows["count"].astype("float64").to_numpy()
        for part, alpha in ((complete, 1.0), (~complete, 0.45)):
            axes.bar(x[part], np.nan_to_num(heights[part]), width, color=f"C{number}", alpha=alpha)
        handles.append(Patch(color=f"C{number}", label=f"{kind} {direction}".strip()))
    away = table.drop_duplicates("time").set_index("time")["seen"]
    for start, part in away.items():
        if part == 0:
            axes.axvspan(place[start] - 0.5, place[start] + 0.5, **_AWAY)
    if (away < 0.999).any():
        handles += [Patch(color="0.4", alpha=0.45, label="seen in part"), Patch(label="nothing recorded", **_AWAY)]
    _name_times(axes, starts, zone)
    axes.set_ylabel("events")
    axes.set_title(f"{source}: {rule}")
    if handles:
        axes.legend(handles=handles, fontsize="small")
    return figure


def _name_times(axes: Any, starts: Sequence[Any], zone: str) -> None:
    step = max(1, len(starts) // 12)
    local = [start.tz_convert("UTC" if zone == "UTC" else ZoneInfo(zone)) for start in starts]
    marks = list(range(0, len(starts), step))
    axes.set_xticks(marks, [local[n].strftime("%d %b\n%H:%M") for n in marks], fontsize="small")
    axes.set_xlim(-0.6, max(len(starts), 1) - 0.4)
    axes.set_xlabel(f"begin ({zone})", fontsize="small")


def _scene_axes(scene: Scene, picture: Picture | None) -> tuple[Any, Any]:
    """A figure with axes over the scene, in 0..1 of the picture."""
    width, height = scene.size
    figure = _figure(8, 8 * height / max(width, 1) + 0.5)
    axes = figure.add_subplot()
    if picture is not None:
        axes.imshow(picture, extent=(0, 1, 1, 0), aspect="auto", alpha=0.75)
    axes.set(xlim=(0, 1), ylim=(1, 0), xticks=[], yticks=[])
    return figure, axes


def heat_figure(
    scene: Scene, picture: Picture | None = None, lines: Mapping[str, Sequence[tuple[float, float]]] | None = None
) -> Any:
    """Where objects stood and walked (bottom centre of their boxes), over ``picture`` if there is one; the more often the brighter, on a
    logarithmic scale. ``lines``: points of rules by name, 0..1 of the picture, which are drawn in."""
    from matplotlib.colors import LogNorm

    figure, axes = _scene_axes(scene, picture)
    heat = np.ma.masked_less(scene.heat, 1)
    if heat.count():
        shown = axes.imshow(
            heat, extent=(0, 1, 1, 0), aspect="auto", cmap="inferno", alpha=0.7, interpolation="nearest",
            norm=LogNorm(1, max(2, int(scene.heat.max()))),
        )  # fmt: skip
        figure.colorbar(shown, ax=axes, shrink=0.8, label="sightings a cell")
    _draw(axes, lines)
    axes.set_title(f"{scene.source}: where objects were")
    return figure


def paths_figure(
    scene: Scene, picture: Picture | None = None, lines: Mapping[str, Sequence[tuple[float, float]]] | None = None
) -> Any:
    """The ways of the tracks that ``scene`` holds, from green to red. ``lines`` as in :func:`heat_figure`."""
    from matplotlib.collections import LineCollection

    figure, axes = _scene_axes(scene, picture)
    segments, shades = [], []
    for key in scene.paths:
        path = scene.path(key)
        if len(path) > 1:
            segments += list(np.stack([path[:-1], path[1:]], axis=1))
            shades += list(np.linspace(0, 1, len(path) - 1))
    if segments:
        axes.add_collection(
            LineCollection(segments, array=np.array(shades), cmap="RdYlGn_r", linewidths=1.0, alpha=0.8)
        )
    _draw(axes, lines)
    sample = "" if scene.one_of == 1 else f", one track of {scene.one_of}"
    axes.set_title(f"{scene.source}: {len(scene.paths)} paths{sample}")
    return figure


def _draw(axes: Any, lines: Mapping[str, Sequence[tuple[float, float]]] | None) -> None:
    for name, points in (lines or {}).items():
        if len(points) > 1:
            axes.plot(*zip(*points), color="cyan", linewidth=1.6)
            axes.annotate(name, points[0], color="black", fontsize="small", backgroundcolor="cyan")


def dwell_figure(found: Findings, source: str, rule: str) -> Any:
    """How long objects stayed in a region, of those that have left."""
    table = frames.dwell(found)
    seconds = table[(table["source"] == source) & (table["rule"] == rule)]["seconds"].to_numpy()
    return _histogram(seconds, f"{source}: {rule}, dwell", "seconds")


def speeds_figure(found: Findings, source: str) -> Any:
    """Mean speeds of tracks."""
    table = frames.speeds(found)
    return _histogram(table[table["source"] == source]["mean"].to_numpy(), f"{source}: speeds", "km/h")


def _histogram(values: NDArray[np.float64], title: str, unit: str) -> Any:
    figure = _figure(6, 3)
    axes = figure.add_subplot()
    if len(values):
        axes.hist(values, bins=min(40, max(5, round(len(values) ** 0.5) * 2)), color="C0")
        middle = float(np.median(values))
        axes.axvline(middle, color="C3", label=f"median {middle:.1f}")
        axes.legend(fontsize="small")
    axes.set(title=f"{title} ({len(values)} tracks)", xlabel=unit, ylabel="tracks")
    return figure


def journeys_figure(found: Findings, source: str, rule: str) -> Any:
    """Origin–destination matrix."""
    table = frames.journeys(found)
    table = table[(table["source"] == source) & (table["rule"] == rule)]
    matrix = table.pivot(index="origin", columns="destination", values="count").fillna(0)
    figure = _figure(5, 4)
    axes = figure.add_subplot()
    if matrix.size:
        axes.imshow(matrix.to_numpy(), cmap="Blues", vmin=0)
        axes.set_xticks(range(len(matrix.columns)), list(matrix.columns), rotation=30, ha="right")
        axes.set_yticks(range(len(matrix.index)), list(matrix.index))
        for (i, j), value in np.ndenumerate(matrix.to_numpy()):
            axes.text(j, i, f"{value:.0f}", ha="center", va="center", backgroundcolor="white")
    axes.set(title=f"{source}: {rule}", xlabel="to", ylabel="from")
    return figure
