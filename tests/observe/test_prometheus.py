"""What is shipped for Prometheus and Grafana works on a real Prometheus that scrapes a real run."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from scraper import DEPLOY, PROMETHEUS, Prometheus, scraping, until
from walking import Walker, address_of, configuration, running

from countline.observe.metrics import FAMILIES

PROMTOOL = shutil.which("promtool")
ROOT = Path(__file__).resolve().parents[2]
RULES = DEPLOY / "prometheus" / "countline.rules.yml"
needs_prometheus = pytest.mark.skipif(PROMETHEUS is None, reason="needs Debian's package prometheus")
needs_promtool = pytest.mark.skipif(PROMTOOL is None, reason="needs Debian's package prometheus (promtool)")

SILENT = {"Damage a second, by reason"}
"""Panels that show nothing where all is well."""


def panels() -> list[dict[str, Any]]:
    board = json.loads((DEPLOY / "grafana" / "countline.json").read_text(encoding="utf-8"))
    return [panel for panel in board["panels"] if panel["type"] != "row"]


def queries() -> list[tuple[str, str]]:
    return [(panel["title"], target["expr"]) for panel in panels() for target in panel["targets"]]


@pytest.fixture(scope="module")
def prometheus(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prometheus]:
    folder = tmp_path_factory.mktemp("prometheus")
    outputs = [
        {"file": {"path": str(folder / "out.jsonl")}},
        {"redis": {"host": "127.0.0.1", "port": 1, "stream": "s", "name": "away"}},
    ]
    config = configuration(folder, outputs=outputs, metrics="127.0.0.1:0")
    with running(config, Walker("gate"), Walker("yard", 1)) as run, scraping(folder, address_of(run)) as made:
        scraped = 'count_over_time(countline_counts_total{source="gate", counter="in"}[1m]) >= 4'
        until(lambda: made.query(scraped), folder / "prometheus.log")
        yield made


@needs_prometheus
def test_a_real_prometheus_scrapes_it_and_knows_type_and_help_of_each_metric(prometheus: Prometheus) -> None:
    (target,) = prometheus.ask("targets")["activeTargets"]
    assert (target["health"], target["lastError"]) == ("up", "")
    told = prometheus.ask("metadata")
    kinds = {"counter": "counter", "histogram": "histogram", "gauge": "gauge", "state": "stateset", "info": "info"}
    for family in FAMILIES:
        if family.base in told:  # as it came in OpenMetrics, without _total
            (known,) = told[family.base]
            assert (known["type"], known["help"]) == (kinds[family.kind], family.help)
    assert len([f for f in FAMILIES if f.base in told]) > 40


@needs_prometheus
@pytest.mark.parametrize(("title", "query"), queries(), ids=lambda text: text[:60])
def test_each_query_of_the_dashboard_gives_something(prometheus: Prometheus, title: str, query: str) -> None:
    for name, value in {"$__rate_interval": "1m", "$job": ".*", "$instance": ".*", "$source": ".*"}.items():
        query = query.replace(name, value)
    assert "$" not in query
    found = prometheus.query(query)
    if title not in SILENT and "given up" not in query and "> 0" not in query:
        assert found, query


@needs_prometheus
def test_the_dashboard_shows_the_numbers_of_the_run(prometheus: Prometheus) -> None:
    by_title = dict(queries())
    live = (
        by_title["Sources that give frames"].replace("$job", ".*").replace("$instance", ".*").replace("$source", ".*")
    )
    assert prometheus.query(live)[0]["value"][1] == "2"
    counted = (
        by_title["Counts since the last reset"]
        .replace("$job", ".*")
        .replace("$instance", ".*")
        .replace("$source", ".*")
    )
    assert {
        (s["metric"]["source"], s["metric"]["rule"], s["metric"]["counter"]) for s in prometheus.query(counted)
    } == {
        (source, rule, counter)
        for source in ("gate", "yard")
        for rule, counter in (("door", "in"), ("door", "out"), ("hall", "enter"), ("hall", "leave"))
    }


@needs_prometheus
def test_alert_rules_are_evaluated_without_a_fault_and_see_the_output_that_is_away(prometheus: Prometheus) -> None:
    def rules() -> list[dict[str, Any]]:
        (group,) = prometheus.ask("rules")["groups"]
        found: list[dict[str, Any]] = group["rules"]
        return found

    until(lambda: all(rule["health"] == "ok" for rule in rules()), RULES)
    pending = {rule["name"] for rule in rules() if rule["state"] != "inactive"}
    assert pending == {"CountlineOutputAway"}


@needs_promtool
def test_alert_rules_are_valid_and_fire_when_they_should() -> None:
    assert PROMTOOL is not None
    for command in (
        ["check", "rules", str(RULES)],
        ["test", "rules", str(Path(__file__).with_name("alerts.test.yml"))],
    ):
        done = subprocess.run([PROMTOOL, *command], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr


def test_dashboard_and_alerts_name_only_metrics_and_labels_that_there_are() -> None:
    own = {f.prometheus: set(f.labels) for f in FAMILIES}
    own |= {f"{f.prometheus}_bucket": {*f.labels, "le"} for f in FAMILIES if f.kind == "histogram"}
    text = RULES.read_text(encoding="utf-8") + "\n".join(query for _, query in queries())
    named = set(re.findall(r"\bcountline_[a-z_]+\b", text))
    labels = {f.base for f in FAMILIES if f.kind == "state"}
    assert named - set(own) - labels == set()
    known = {label for found in own.values() for label in found} | {"job", "instance"} | labels
    assert {label for listed in re.findall(r"by \(([a-z_, ]+)\)", text) for label in listed.split(", ")} <= known


def test_the_dashboard_is_made_by_its_tool() -> None:
    tool = ROOT / "tools" / "make_dashboard.py"
    done = subprocess.run([sys.executable, str(tool), "--check"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_panels_lie_side_by_side() -> None:
    taken: set[tuple[int, int]] = set()
    for panel in panels():
        place = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert not cells & taken, panel["title"]
        assert all(x < 24 for x, _ in cells)
        taken |= cells
