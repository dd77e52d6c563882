"""docker/compose.yaml is valid, and its parts fit each other and what is shipped elsewhere."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml
from deploying import DOCKER, ROOT, parses, run

from countline.config import load

FILE = DOCKER / "compose.yaml"
COMPOSE: dict[str, Any] = yaml.safe_load(FILE.read_text(encoding="utf-8"))
SERVICES: dict[str, Any] = COMPOSE["services"]


def mounts(service: str) -> dict[str, str]:
    """What is mounted from here, by its place in the container."""
    found = (volume.split(":") for volume in SERVICES[service].get("volumes", ()))
    return {target: source for source, target, *_ in found if source.startswith(".")}


def test_it_is_what_the_compose_specification_allows() -> None:
    compose_spec = pytest.importorskip("compose_spec")
    parsed = compose_spec.PyCompose.from_yaml(FILE.read_text(encoding="utf-8"))
    parsed.validate()
    assert set(parsed.service_names()) == {"countline", "consume", "kafka", "prometheus", "grafana"}


@pytest.mark.parametrize("service", SERVICES)
def test_all_that_is_mounted_is_there(service: str) -> None:
    for target, source in mounts(service).items():
        assert (FILE.parent / source).resolve().exists(), f"{source} -> {target}"
    own = {volume.split(":")[0] for volume in SERVICES[service].get("volumes", ()) if not volume.startswith(".")}
    assert own <= set(COMPOSE["volumes"])


@pytest.mark.parametrize("service", SERVICES)
def test_nobody_else_on_the_network_reaches_it(service: str) -> None:
    assert all(port.startswith("127.0.0.1:") for port in SERVICES[service].get("ports", ()))


def test_each_image_is_of_a_version() -> None:
    for name, service in SERVICES.items():
        _image, _, tag = service["image"].partition(":")
        assert tag not in ("", "latest"), name


def test_kafka_is_the_one_that_the_tests_run_against() -> None:
    pom = (ROOT / "kafka" / "pom.xml").read_text(encoding="utf-8")
    image, tag = SERVICES["kafka"]["image"].split(":")
    assert image == "apache/kafka"
    assert f"<kafka.version>{tag}</kafka.version>" in pom


def test_countline_sends_to_an_address_at_which_kafka_says_that_it_is() -> None:
    says = SERVICES["kafka"]["environment"]["KAFKA_ADVERTISED_LISTENERS"].split(",")
    addresses = dict(listener.split("://") for listener in says)
    config = load(str(DOCKER / "compose" / "countline.yaml"))
    (kafka,) = config.outputs
    assert kafka.bootstrap == [addresses["INSIDE"]]
    options = parses(SERVICES["consume"]["command"])
    assert (options["kafka"], options["topic"]) == (addresses["INSIDE"], kafka.topic)
    assert addresses["HOST"] == "localhost:9092", "as docs and messages have it"


def test_countline_reads_the_demos_clip_again_and_again(clip: Path) -> None:
    (source,) = load(str(DOCKER / "compose" / "countline.yaml")).sources
    assert (source.loop, source.realtime) == (True, True)
    assert (FILE.parent / mounts("countline")[source.uri]).resolve() == clip.resolve()
    assert mounts("countline")["/etc/countline/countline.yaml"] == "./compose/countline.yaml"


def test_the_line_is_the_demos() -> None:
    from countline.commands.demo import configuration

    demo = load("demo.yaml", yaml.safe_dump(configuration(Path("street.mp4"), "kafka:19092", "ds-kafka", Path("o"))))
    own = load(str(DOCKER / "compose" / "countline.yaml"))
    assert own.rules.lines == demo.rules.lines
    assert [message.value for message in own.messages] == [message.value for message in demo.messages]


@pytest.mark.parametrize("service", ["countline", "consume"])
def test_countline_has_no_rights_that_it_does_not_need(service: str) -> None:
    assert SERVICES[service]["read_only"] is True
    assert SERVICES[service]["cap_drop"] == ["ALL"]
    assert "no-new-privileges:true" in SERVICES[service]["security_opt"]


def test_prometheus_scrapes_as_the_file_that_is_shipped_with_another_address() -> None:
    shipped = yaml.safe_load((ROOT / "deploy" / "prometheus" / "prometheus.yml").read_text(encoding="utf-8"))
    own = yaml.safe_load((DOCKER / "compose" / "prometheus.yml").read_text(encoding="utf-8"))
    assert own["scrape_configs"][0].pop("static_configs") == [{"targets": ["countline:9464"]}]
    shipped["scrape_configs"][0].pop("static_configs")
    assert own == shipped
    assert mounts("prometheus")["/etc/prometheus/countline.rules.yml"] == "../deploy/prometheus/countline.rules.yml"


@pytest.mark.skipif(shutil.which("promtool") is None, reason="needs Debian's package prometheus (promtool)")
def test_prometheus_takes_its_configuration(tmp_path: Path) -> None:
    for target, source in mounts("prometheus").items():
        shutil.copy(FILE.parent / source, tmp_path / Path(target).name)
    done = run("promtool", "check", "config", str(tmp_path / "prometheus.yml"))
    assert done.returncode == 0, done.stderr
    assert "SUCCESS" in done.stdout


def test_grafana_finds_prometheus_and_the_dashboard() -> None:
    (source,) = yaml.safe_load((DOCKER / "compose" / "grafana-datasources.yaml").read_text())["datasources"]
    assert (source["type"], source["url"], source["isDefault"]) == ("prometheus", "http://prometheus:9090", True)
    (provider,) = yaml.safe_load((DOCKER / "compose" / "grafana-dashboards.yaml").read_text())["providers"]
    folder = mounts("grafana")[provider["options"]["path"]]
    assert (FILE.parent / folder / "countline.json").resolve().exists()
    home = SERVICES["grafana"]["environment"]["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"]
    assert home == f"{provider['options']['path']}/countline.json"
