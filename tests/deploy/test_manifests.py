"""The manifests of deploy/kubernetes are valid, and what they ask of countline it can do."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from deploying import CHART, DOCKER, KUBERNETES, ROOT, configuration, instructions, objects, parses, the

FILES = sorted(KUBERNETES.glob("*.yaml"))
PODS = [path for path in FILES if path.name != "jupyter.yaml"]
OURS = {"monitoring.coreos.com/v1", "keda.sh/v1alpha1"}
"""Kinds that are no part of Kubernetes: what is needed of them is looked at below."""
VERSIONS = ("1.27", "1.37")
"""The oldest that the chart names, and the newest whose schemas are there."""


def container(path: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """Of the StatefulSet: its pod and the one container in it."""
    pod = the("StatefulSet", objects(path))["spec"]["template"]["spec"]
    (found,) = pod["containers"]
    return pod, found


def test_there_is_one_for_each_way_to_run_it() -> None:
    assert [path.name for path in FILES] == ["jupyter.yaml", "shards.yaml", "workers-keda.yaml", "workers.yaml"]


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_kubernetes_takes_it(path: Path, version: str) -> None:
    kubernetes_validate = pytest.importorskip("kubernetes_validate")
    for each in objects(path):
        if each["apiVersion"] not in OURS:
            kubernetes_validate.validate(each, version, strict=True)


def test_they_are_made_of_the_chart_as_it_is() -> None:
    """Helm is not needed to see that: each names the chart by its content."""
    done = subprocess.run(
        [sys.executable, str(ROOT / "tools" / "make_manifests.py"), "--check"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def test_the_chart_has_the_alerts_and_the_dashboard_that_are_shipped() -> None:
    for name, shipped in {"countline.rules.yml": "prometheus", "countline.json": "grafana"}.items():
        own = CHART / "files" / name
        assert own.read_bytes() == (ROOT / "deploy" / shipped / name).read_bytes(), "run tools/make_manifests.py"


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_no_pod_runs_as_root_or_may_become_it(path: Path) -> None:
    pod, found = container(path)
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert pod["automountServiceAccountToken"] is False
    assert found["securityContext"]["allowPrivilegeEscalation"] is False
    assert found["securityContext"]["capabilities"] == {"drop": ["ALL"]}
    image = DOCKER / ("deepstream" if path.name == "jupyter.yaml" else "cpu")
    (user,) = {rest for word, rest in instructions(image.with_suffix(".Dockerfile")) if word == "USER" and rest != "0"}
    assert user == f"{pod['securityContext']['runAsUser']}:{pod['securityContext']['runAsGroup']}", "as in the image"


@pytest.mark.parametrize("path", PODS, ids=lambda path: path.name)
def test_only_the_outbox_and_tmp_can_be_written(path: Path) -> None:
    _, found = container(path)
    assert found["securityContext"]["readOnlyRootFilesystem"] is True
    writable = {mount["mountPath"] for mount in found["volumeMounts"] if not mount.get("readOnly")}
    assert writable == {"/var/lib/countline", "/tmp"}


@pytest.mark.parametrize("path", PODS, ids=lambda path: path.name)
def test_countline_knows_each_option_and_its_outbox_is_on_the_volume(path: Path) -> None:
    pod, found = container(path)
    options = parses(found["args"])
    (claim,) = the("StatefulSet", objects(path))["spec"]["volumeClaimTemplates"]
    (outbox,) = (mount for mount in found["volumeMounts"] if mount["name"] == claim["metadata"]["name"])
    assert options["outbox"].startswith(outbox["mountPath"] + "/")
    assert options["metrics"] == f":{found['ports'][0]['containerPort']}"
    assert pod["terminationGracePeriodSeconds"] > options.get("drain_timeout", 30)


@pytest.mark.parametrize("path", PODS, ids=lambda path: path.name)
def test_its_configuration_is_one(path: Path, tmp_path: Path) -> None:
    found = objects(path)
    text = the("ConfigMap", found)["data"]["countline.yaml"]
    config = configuration(text, tmp_path, worker=path.name != "shards.yaml")
    assert config.outputs
    _pod, container_ = container(path)
    assert str(parses(container_["args"])["config"]) == "/etc/countline/countline.yaml"
    (mount,) = (each for each in container_["volumeMounts"] if each["mountPath"] == "/etc/countline")
    assert "subPath" not in mount, "a changed configuration would not be seen"


def test_shards_are_as_many_as_pods() -> None:
    path = KUBERNETES / "shards.yaml"
    replicas = the("StatefulSet", objects(path))["spec"]["replicas"]
    assert parses(container(path)[1]["args"])["shard"] == f"auto/{replicas}"


@pytest.mark.parametrize("path", PODS, ids=lambda path: path.name)
def test_a_pod_whose_cameras_are_away_is_not_started_anew(path: Path) -> None:
    from countline.observe.endpoints import PATHS

    _, found = container(path)
    asked = {name: found[name]["httpGet"]["path"] for name in ("startupProbe", "livenessProbe", "readinessProbe")}
    assert set(asked.values()) <= set(PATHS)
    assert asked == {"startupProbe": "/healthz", "livenessProbe": "/healthz", "readinessProbe": "/readyz"}


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_what_belongs_together_names_each_other(path: Path) -> None:
    found = objects(path)
    pods = the("StatefulSet", found)
    labels = pods["spec"]["template"]["metadata"]["labels"]
    assert pods["spec"]["serviceName"] in {each["metadata"]["name"] for each in found if each["kind"] == "Service"}
    for each in found:
        selector = each.get("spec", {}).get("selector", {})
        wanted = selector.get("matchLabels", selector)
        if each["kind"] == "ServiceMonitor":
            services = [s["metadata"]["labels"] for s in found if s["kind"] == "Service"]
            assert any(wanted.items() <= of.items() for of in services)
        elif wanted:
            assert wanted.items() <= labels.items(), each["kind"]


def test_keda_scales_the_workers_by_a_number_that_countline_tells() -> None:
    from countline.observe.metrics import FAMILIES

    found = objects(KUBERNETES / "workers-keda.yaml")
    scaled, pods = the("ScaledObject", found)["spec"], the("StatefulSet", found)
    assert "replicas" not in pods["spec"], "the number of pods is KEDA's alone"
    assert scaled["scaleTargetRef"] == {
        "apiVersion": "apps/v1",
        "kind": "StatefulSet",
        "name": pods["metadata"]["name"],
    }
    assert 1 <= scaled["minReplicaCount"] < scaled["maxReplicaCount"]
    (trigger,) = scaled["triggers"]
    (metric,) = set(re.findall(r"countline_\w+", trigger["metadata"]["query"]))
    assert any(metric in (f.base, f"{f.base}_total") for f in FAMILIES)
    assert all(isinstance(value, str) for value in trigger["metadata"].values()), "KEDA takes texts alone"
    assert int(trigger["metadata"]["threshold"]) > 0


def test_jupyter_asks_for_a_token_that_is_in_no_file() -> None:
    found = objects(KUBERNETES / "jupyter.yaml")
    _pod, made = container(KUBERNETES / "jupyter.yaml")
    environment = {each["name"]: each for each in made["env"]}
    assert "secretKeyRef" in environment["JUPYTER_TOKEN"]["valueFrom"]
    assert not [each for each in found if each["kind"] == "Secret"]
    assert not any("token" in word for word in made["args"])
    assert the("Service", found)["spec"]["type"] == "ClusterIP"
    assert made["resources"]["limits"]["nvidia.com/gpu"] == 1


def test_no_two_versions_of_the_chart_have_one_name() -> None:
    """What a cluster shows of a release is the chart's version; it is the package's."""
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text())
    project = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    (version,) = re.findall(r'^version = "(.+)"', project, re.M)
    assert (chart["version"], chart["appVersion"]) == (version, version)
