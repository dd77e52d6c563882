"""One HTML file that tells what was counted, with all figures in it: it needs no network and no other file."""

from __future__ import annotations

import base64
import html
import io
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from countline.analysis import figures, frames
from countline.analysis.replay import Findings
from countline.analysis.scenes import Scene
from countline.messages.time import rfc3339

__all__ = ["Figure", "figures_of", "html_report", "tables_of"]

_STYLE = """
body{font:15px/1.5 system-ui,sans-serif;max-width:62rem;margin:2rem auto;padding:0 1rem;color:#222}
h1{font-size:1.5rem}h2{font-size:1.2rem;margin-top:2.5rem;border-bottom:1px solid #ccc}
table{border-collapse:collapse;margin:1rem 0}td,th{padding:.2rem .8rem;border-bottom:1px solid #ddd;text-align:left}
td.n{text-align:right;font-variant-numeric:tabular-nums}img{max-width:100%;height:auto;display:block;margin:1rem 0}
.away{background:#fff3d6;padding:.5rem 1rem;border-left:4px solid #d90}
@media print{h2{break-after:avoid}img,table{break-inside:avoid}}
"""


@dataclass(frozen=True)
class Figure:
    """One figure of a report."""

    name: str
    """For a file."""
    source: str
    figure: Any
    """``matplotlib.figure.Figure``."""
    says: str
    """In words, for who cannot see it."""

    def png(self) -> bytes:
        """As a PNG."""
        buffer = io.BytesIO()
        self.figure.savefig(buffer, format="png", metadata={"Software": None})
        return buffer.getvalue()


def figures_of(
    found: Findings,
    scenes: Mapping[str, Scene],
    *,
    every: timedelta = timedelta(hours=1),
    zone: str = "UTC",
    pictures: Mapping[str, figures.Picture] | None = None,
    shapes: Mapping[str, Mapping[str, Any]] | None = None,
) -> Iterator[Figure]:
    """All figures there is something for. ``pictures``: a picture of the scene by source, RGB; ``shapes``: by source, points of rules by
    name, 0..1 of the picture."""
    rules: dict[tuple[str, str], set[str]] = {}
    for source, rule, kind, _ in found.totals():
        rules.setdefault((source, rule), set()).add(kind)
    sources = dict.fromkeys([*(s["source"] for s in found.spans.to_pylist()), *scenes])
    speeding = set(found.speeds.column("source").to_pylist())
    for source in sources:
        for (of, rule), kinds in rules.items():
            if of != source or not rule:
                continue
            name = file_name(f"{source}-{rule}")
            made = figures.counts_figure(found, source, rule, every=every, zone=zone)
            yield Figure(f"{name}-counts", source, made, f"Events of {rule} by time")
            if "leave" in kinds:
                yield Figure(
                    f"{name}-dwell",
                    source,
                    figures.dwell_figure(found, source, rule),
                    f"How long objects stayed in {rule}",
                )
            if "journey" in kinds:
                made = figures.journeys_figure(found, source, rule)
                yield Figure(f"{name}-journeys", source, made, f"Origins and destinations of {rule}")
        if source in speeding:
            yield Figure(
                file_name(f"{source}-speeds"), source, figures.speeds_figure(found, source), "Speeds of tracks"
            )
        if source in scenes:
            picture, drawn = (pictures or {}).get(source), (shapes or {}).get(source)
            for kind, make in (("heat", figures.heat_figure), ("paths", figures.paths_figure)):
                caption = "Where objects were" if kind == "heat" else "Paths of tracks"
                yield Figure(file_name(f"{source}-{kind}"), source, make(scenes[source], picture, drawn), caption)


def file_name(text: str) -> str:
    """Letters, digits and hyphens of a text."""
    return re.sub(r"[^\w.]+", "-", text).strip("-.") or "figure"


def tables_of(found: Findings, *, every: timedelta = timedelta(hours=1), zone: str = "UTC") -> dict[str, Any]:
    """Data frames of pandas by name: counts, gaps, dwell, speeds, journeys, seen."""
    return {
        "counts": frames.counts(found, every=every, zone=zone),
        "gaps": frames.gaps(found),
        "dwell": frames.dwell(found),
        "speeds": frames.speeds(found),
        "journeys": frames.journeys(found),
        "seen": frames.data_frame(found.spans),
    }


def html_report(found: Findings, made: list[Figure], *, title: str = "What was counted", zone: str = "UTC") -> str:
    """The whole report as one HTML document. Names are written so that none of them can be markup."""
    spans = found.spans.to_pylist()
    body = [f"<h1>{html.escape(title)}</h1>", *_head(found, spans)]
    for source in dict.fromkeys([*(s["source"] for s in spans), *(f.source for f in made)]):
        body.append(f"<h2>{html.escape(source)}</h2>")
        body += _totals(found, source)
        body += _gaps(found, source)
        for figure in made:
            if figure.source == source:
                data = base64.b64encode(figure.png()).decode()
                alternative = html.escape(f"{source}: {figure.says}", quote=True)
                body.append(f'<img alt="{alternative}" src="data:image/png;base64,{data}">')
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; img-src data:; style-src 'unsafe-inline'\">"
        f'<meta name="viewport" content="width=device-width"><title>{html.escape(title)}</title><style>{_STYLE}</style></head>\n'
        "<body>\n"
        + "\n".join(body)
        + f"\n<p>Times of figures: {html.escape(zone)}; of tables: UTC.</p>\n</body></html>\n"
    )


def _head(found: Findings, spans: list[dict[str, Any]]) -> Iterator[str]:
    if spans:
        first, last = min(s["start"] for s in spans), max(s["end"] for s in spans)
        yield (
            f"<p>{rfc3339(first, 0)} to {rfc3339(last, 0)}: {found.frames:,} frames with {found.objects:,} objects, "
            f"{found.seconds / 3600:,.1f} hours of {len({s['source'] for s in spans})} sources.</p>"
        )
    for fault in found.faults:
        yield f'<p class="away">Cannot be read, and is missing here: {html.escape(fault)}</p>'
    if found.unknown:
        yield f"<p>Recorded, but not in the configuration: {html.escape(', '.join(found.unknown))}.</p>"


def _totals(found: Findings, source: str) -> Iterator[str]:
    rows = [(key, n) for key, n in found.totals().items() if key[0] == source]
    if not rows:
        yield "<p>Nothing was counted.</p>"
        return
    yield "<table><tr><th>rule</th><th>event</th><th>direction</th><th>count</th></tr>"
    for (_, rule, kind, direction), number in rows:
        cells = "".join(f"<td>{html.escape(text)}</td>" for text in (rule, kind, direction))
        yield f'<tr>{cells}<td class="n">{number:,}</td></tr>'
    yield "</table>"


def _gaps(found: Findings, source: str) -> Iterator[str]:
    table = frames.gaps(found)
    mine = table[table["source"] == source]
    if not len(mine):
        return
    hours = mine["seconds"].sum() / 3600
    yield f'<p class="away">Nothing was recorded {len(mine)} times, {hours:,.2f} hours in all. Counts lack what happened then.</p>'
    yield "<table><tr><th>nothing recorded from</th><th>to</th><th>seconds</th></tr>"
    for row in mine.head(100).itertuples():
        start, end = (moment.strftime("%Y-%m-%d %H:%M:%S UTC") for moment in (row.start, row.end))
        yield f'<tr><td>{start}</td><td>{end}</td><td class="n">{row.seconds:,.1f}</td></tr>'
    yield "</table>"
    if len(mine) > 100:
        yield f"<p>… and {len(mine) - 100} more.</p>"
