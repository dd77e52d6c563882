"""Writes deploy/grafana/countline.json, the dashboard, from the panels below.

python tools/make_dashboard.py            # write
python tools/make_dashboard.py --check    # exit code 1 if the file is not up to date

Its queries are tried against a real Prometheus by tests/observe.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

TARGET = Path(__file__).resolve().parent.parent / "deploy" / "grafana" / "countline.json"

AT = 'job=~"$job", instance=~"$instance"'
"""Whose numbers."""
OF = f'{AT}, source=~"$source"'
RATE = "$__rate_interval"
LIVE = 'countline_source_state=~"live|degraded"'

Query = tuple[str, str]
"""PromQL, and what its lines are called."""


def rate(name: str, by: str, labels: str = OF, more: str = "") -> str:
    """Something a second, by labels."""
    return f"sum by ({by}) (rate({name}{{{labels}{more}}}[{RATE}]))"


def quantile(q: float, name: str, by: str, labels: str = AT) -> str:
    """A quantile of a histogram, by labels."""
    return f"histogram_quantile({q}, sum by (le, {by}) (rate({name}_bucket{{{labels}}}[{RATE}])))"


def stat(
    title: str, query: str, *, unit: str = "short", warn: float | None = None, low: bool = False
) -> dict[str, Any]:
    """One number. ``warn``: from where on it is red (``low``: below which)."""
    steps: list[dict[str, Any]] = [{"color": "red" if low else "green", "value": None}]
    if warn is not None:
        steps.append({"color": "green" if low else "red", "value": warn})
    return {
        "type": "stat",
        "title": title,
        "targets": [{"expr": query, "refId": "A", "instant": True}],
        "fieldConfig": {
            "defaults": {"unit": unit, "thresholds": {"mode": "absolute", "steps": steps}},
            "overrides": [],
        },
        "options": {"reduceOptions": {"calcs": ["lastNotNull"]}, "colorMode": "value", "graphMode": "none"},
        "size": (4, 4),
    }


def lines(title: str, *queries: Query, unit: str = "short", text: str = "", stacked: bool = False) -> dict[str, Any]:
    """Lines over time."""
    custom = {"fillOpacity": 15 if stacked else 0, "showPoints": "never"}
    if stacked:
        custom["stacking"] = {"mode": "normal"}
    return {
        "type": "timeseries",
        "title": title,
        "description": text,
        "targets": [
            {"expr": query, "legendFormat": legend, "refId": chr(65 + i)} for i, (query, legend) in enumerate(queries)
        ],
        "fieldConfig": {"defaults": {"unit": unit, "min": 0, "custom": custom}, "overrides": []},
        "options": {"tooltip": {"mode": "multi", "sort": "desc"}, "legend": {"displayMode": "list"}},
        "size": (12, 8),
    }


def states(title: str, query: str, legend: str) -> dict[str, Any]:
    """In which state each source was, over time: a band for each state that it was in."""
    return {
        "type": "state-timeline",
        "title": title,
        "targets": [{"expr": query, "legendFormat": legend, "refId": "A"}],
        "fieldConfig": {
            "defaults": {"color": {"mode": "palette-classic"}, "custom": {"fillOpacity": 70}},
            "overrides": [],
        },
        "options": {"showValue": "never", "mergeValues": True, "legend": {"showLegend": False}},
        "size": (24, 8),
    }


ROWS: list[tuple[str, list[dict[str, Any]]]] = [
    (
        "At a glance",
        [
            stat("Sources that give frames", f"sum(countline_source_state{{{OF}, {LIVE}}})", warn=1, low=True),
            stat("Sources", f"count(count by (instance, source) (countline_source_state{{{OF}}}))"),
            stat("Frames a second", f"sum(rate(countline_frames_processed_total{{{OF}}}[{RATE}]))"),
            stat("Messages waiting", f"sum(countline_output_messages_waiting{{{AT}}})"),
            stat("Oldest message", f"max(countline_output_oldest_age_seconds{{{AT}}})", unit="s", warn=300),
            stat("Dead letters", f"sum(countline_output_messages_dead_total{{{AT}}})", warn=1),
        ],
    ),
    (
        "Counts",
        [
            lines(
                "Counted a minute, by rule and direction",
                (f"60 * {rate('countline_counts_total', 'source, rule, counter')}", "{{source}} {{rule}} {{counter}}"),
            ),
            lines(
                "Counts since the last reset",
                (f"countline_counts_total{{{OF}}}", "{{source}} {{rule}} {{counter}}"),
            ),
            lines("In regions now", (f"countline_region_occupancy{{{OF}}}", "{{source}} {{rule}}")),
            lines(
                "Events a minute, by kind",
                (f"60 * {rate('countline_events_total', 'source, kind')}", "{{source}} {{kind}}"),
            ),
            lines("Tracked now", (f"countline_tracks_active{{{OF}}}", "{{source}}")),
            lines("Detections a second", (rate("countline_detections_total", "source"), "{{source}}")),
        ],
    ),
    (
        "Sources",
        [
            states("State", f"countline_source_state{{{OF}}} == 1", "{{source}}: {{countline_source_state}}"),
            lines("Frames processed a second", (rate("countline_frames_processed_total", "source"), "{{source}}")),
            lines(
                "Frames dropped a second, by reason",
                (rate("countline_frames_dropped_total", "source, reason"), "{{source}} {{reason}}"),
            ),
            lines(
                "Age of the last frame when counted",
                (f"countline_source_frame_delay_seconds{{{OF}}}", "{{source}}"),
                unit="s",
            ),
            lines(
                "Time since the last frame", (f"countline_source_frame_idle_seconds{{{OF}}}", "{{source}}"), unit="s"
            ),
            lines("Reconnects a minute", (f"60 * {rate('countline_source_reconnects_total', 'source')}", "{{source}}")),
            lines(
                "Damage a second, by reason",
                (f"{rate('countline_source_corrupt_total', 'source, reason')} > 0", "{{source}} {{reason}}"),
            ),
        ],
    ),
    (
        "Stages",
        [
            lines(
                "Age of frames by stage",
                (quantile(0.5, "countline_frame_age_seconds", "stage"), "{{stage}}, half"),
                (quantile(0.99, "countline_frame_age_seconds", "stage"), "{{stage}}, 99 %"),
                unit="s",
            ),
            lines(
                "Busy, by stage",
                (rate("countline_stage_busy_seconds_total", "stage", AT, ', stage!="decode"'), "{{stage}}"),
                unit="percentunit",
                text="1 is one thread that is at work all the time.",
            ),
            lines("Frames waiting", (f"sum by (instance) (countline_frames_queued{{{AT}}})", "{{instance}}")),
            lines(
                "Time of one commit",
                (quantile(0.5, "countline_outbox_commit_duration_seconds", "instance"), "{{instance}}, half"),
                (quantile(0.99, "countline_outbox_commit_duration_seconds", "instance"), "{{instance}}, 99 %"),
                unit="s",
            ),
        ],
    ),
    (
        "Delivery",
        [
            lines("Messages waiting", (f"countline_output_messages_waiting{{{AT}}}", "{{instance}} {{output}}")),
            lines(
                "Oldest message", (f"countline_output_oldest_age_seconds{{{AT}}}", "{{instance}} {{output}}"), unit="s"
            ),
            lines(
                "Acknowledged a second",
                (rate("countline_output_messages_acknowledged_total", "output", AT), "{{output}}"),
            ),
            lines(
                "From commit to acknowledgement",
                (quantile(0.5, "countline_output_latency_seconds", "output"), "{{output}}, half"),
                (quantile(0.99, "countline_output_latency_seconds", "output"), "{{output}}, 99 %"),
                unit="s",
            ),
            lines(
                "Not well: sent again, refused, given up a second",
                (rate("countline_output_messages_retried_total", "output", AT), "{{output}} sent again"),
                (rate("countline_output_messages_dead_total", "output", AT), "{{output}} refused"),
                (
                    f"{rate('countline_output_messages_dropped_total', 'output, reason', AT)} > 0",
                    "{{output}} given up: {{reason}}",
                ),
            ),
            lines(
                "Outbox",
                (f"countline_outbox_used_bytes{{{AT}}}", "{{instance}} used"),
                (f"countline_outbox_limit_bytes{{{AT}}}", "{{instance}} bound"),
                unit="bytes",
            ),
        ],
    ),
    (
        "Process",
        [
            lines("Memory", (f"process_resident_memory_bytes{{{AT}}}", "{{instance}}"), unit="bytes"),
            lines("Processors", (f"rate(process_cpu_seconds_total{{{AT}}}[{RATE}])", "{{instance}}")),
        ],
    ),
]


def _variable(name: str, query: str) -> dict[str, Any]:
    return {
        "name": name,
        "type": "query",
        "datasource": {"type": "prometheus", "uid": "${datasource}"},
        "query": {"query": query, "refId": name},
        "refresh": 2,
        "includeAll": True,
        "multi": True,
        "allValue": ".*",
        "current": {"text": "All", "value": "$__all"},
        "sort": 1,
    }


def _placed() -> list[dict[str, Any]]:
    """All panels from left to right and from the top down, on Grafana's grid of 24 columns."""
    panels: list[dict[str, Any]] = []
    top = 0
    for title, row in ROWS:
        panels.append({"type": "row", "title": title, "gridPos": {"x": 0, "y": top, "w": 24, "h": 1}, "panels": []})
        top += 1
        left = height = 0
        for panel in row:
            width, tall = panel["size"]
            if left + width > 24:
                left, top = 0, top + height
            height = tall
            place = {"x": left, "y": top, "w": width, "h": tall}
            shown = {key: value for key, value in panel.items() if key != "size"}
            panels.append({**shown, "datasource": {"type": "prometheus", "uid": "${datasource}"}, "gridPos": place})
            left += width
        top += height
    return [{"id": i, **panel} for i, panel in enumerate(panels, 1)]


def dashboard() -> dict[str, Any]:
    """The dashboard as Grafana 9 and later import it."""
    return {
        "title": "countline",
        "uid": "countline",
        "description": "Counts, sources, stages and delivery of countline. Made by tools/make_dashboard.py.",
        "tags": ["countline"],
        "schemaVersion": 38,
        "editable": True,
        "graphTooltip": 1,
        "refresh": "15s",
        "time": {"from": "now-1h", "to": "now"},
        "templating": {
            "list": [
                {"name": "datasource", "type": "datasource", "query": "prometheus", "label": "Prometheus"},
                _variable("job", "label_values(countline_build_info, job)"),
                _variable("instance", 'label_values(countline_build_info{job=~"$job"}, instance)'),
                _variable("source", f"label_values(countline_source_state{{{AT}}}, source)"),
            ]
        },
        "panels": _placed(),
    }


def main() -> int:
    """Write the file, or say whether it is up to date."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true")
    text = json.dumps(dashboard(), indent=2, ensure_ascii=False) + "\n"
    if parser.parse_args().check:
        if TARGET.read_text(encoding="utf-8") != text:
            print(f"{TARGET} is not up to date: run tools/make_dashboard.py", file=sys.stderr)
            return 1
        return 0
    TARGET.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
