"""The Helm chart, rendered by Helm itself (`make helm` builds it; the plain manifests are looked at without)."""

from __future__ import annotations

import importlib.util
import json
import re
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import yaml
from deploying import CHART, KUBERNETES, ROOT, configuration, objects, parses, program, run, the

HELM = program("helm") or ""
needs_helm = pytest.mark.skipif(not HELM, reason="needs helm: `make helm` builds it")
VALUES = sorted((CHART / "ci").glob("*.yaml"))
MINIMAL = "config: {sources: [{name: gate, uri: gate.mp4}], outputs: [stdout]}\n"


def template(*options: str, values: str = "") -> tuple[list[dict[str, Any]], str]:
    """The objects that Helm makes, or what it says."""
    more = []
    if values:
        Path("values.yaml").write_text(values)
        more = ["--values", "values.yaml"]
    done = run(HELM, "template", "site", str(CHART), "--namespace", "counts", *more, *options)
    found = [each for each in yaml.safe_load_all(done.stdout) if each] if done.returncode == 0 else []
    return found, done.stderr


def pod(found: list[dict[str, Any]]) -> dict[str, Any]:
    spec: dict[str, Any] = the("StatefulSet", found)["spec"]["template"]["spec"]
    return spec


@pytest.fixture(scope="module")
def tool() -> ModuleType:
    spec = importlib.util.spec_from_file_location("make_manifests", ROOT / "tools" / "make_manifests.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_each_value_is_in_the_schema_and_has_a_default() -> None:
    values = yaml.safe_load((CHART / "values.yaml").read_text())
    schema = json.loads((CHART / "values.schema.json").read_text())

    def same(value: Any, described: dict[str, Any], place: str) -> None:
        if described.get("properties"):
            assert set(described["properties"]) - {"global"} == set(value), place
            assert described["additionalProperties"] is False, f"{place}: a misspelt value would pass"
            for key, inner in value.items():
                same(inner, described["properties"][key], f"{place}.{key}")

    same(values, schema, "values")


@pytest.mark.parametrize("path", VALUES, ids=lambda path: path.name)
def test_its_examples_fit_the_schema(path: Path) -> None:
    jsonschema = pytest.importorskip("jsonschema")
    jsonschema.validate(yaml.safe_load(path.read_text()), json.loads((CHART / "values.schema.json").read_text()))


@needs_helm
@pytest.mark.parametrize("path", VALUES, ids=lambda path: path.name)
def test_helm_lint_finds_nothing_in_it(path: Path) -> None:
    done = run(HELM, "lint", "--strict", str(CHART), "--values", str(path))
    assert done.returncode == 0, done.stdout + done.stderr
    assert "[WARNING]" not in done.stdout


@needs_helm
@pytest.mark.parametrize("version", ["1.27", "1.37"])
@pytest.mark.parametrize("path", VALUES, ids=lambda path: path.name)
def test_kubernetes_takes_what_it_makes(path: Path, version: str) -> None:
    kubernetes_validate = pytest.importorskip("kubernetes_validate")
    found, said = template("--values", str(path))
    assert found, said
    for each in found:
        if "." not in each["apiVersion"].split("/")[0] or each["apiVersion"].endswith(("k8s.io/v1",)):
            kubernetes_validate.validate(each, version, strict=True)
    for word in pod(found)["containers"]:
        parses(word["args"])


@needs_helm
def test_the_plain_manifests_are_what_it_makes(tool: ModuleType) -> None:
    for name in tool.MADE:
        made = [each for each in yaml.safe_load_all(tool.render(name, HELM)) if each]
        assert objects(KUBERNETES / f"{name}.yaml") == made, name


@needs_helm
def test_a_configuration_file_is_taken_as_it_is(tmp_path: Path) -> None:
    """With its comments, its `on:` and its `${...}`."""
    text = (
        '# a comment: {{ no template }}\nsources:\n  - {name: gate, uri: "rtsp://u:${file:/run/secrets/countline/p}@h/1"}\n'
        'messages:\n  - {name: m, on: crossing, value: {id: "{id}"}}\noutputs: [stdout]\n'
    )
    Path("countline.yaml").write_text(text)
    found, said = template("--set-file", "config=countline.yaml")
    assert found, said
    made = the("ConfigMap", found)["data"]["countline.yaml"]
    assert made.strip() == text.strip()
    assert configuration(made, tmp_path).messages[0].name == "m"


@needs_helm
def test_on_in_a_mapping_is_the_key_that_people_mean(tmp_path: Path) -> None:
    """Helm reads YAML 1.1, in which it is true."""
    values = CHART / "ci" / "everything-values.yaml"
    assert re.search(r"[{ ]on: crossing", values.read_text())
    found, said = template("--values", str(values))
    assert found, said
    config = configuration(next(f for f in found if f["kind"] == "ConfigMap")["data"]["countline.yaml"], tmp_path)
    assert str(config.messages[0].on) == "crossing"


@needs_helm
def test_a_changed_configuration_starts_pods_anew_or_is_applied_by_them() -> None:
    def checksum(found: list[dict[str, Any]]) -> Any:
        metadata = the("StatefulSet", found)["spec"]["template"]["metadata"]
        return metadata.get("annotations", {}).get("checksum/config")

    one, _ = template(values=MINIMAL)
    other, _ = template(values=MINIMAL.replace("gate.mp4", "yard.mp4"))
    assert checksum(one) != checksum(other)
    assert "--watch" not in pod(one)["containers"][0]["args"]
    reloading, _ = template("--set", "reload=true", values=MINIMAL)
    assert checksum(reloading) is None
    assert "--watch" in pod(reloading)["containers"][0]["args"]


@needs_helm
def test_secrets_are_files_of_the_pod_and_in_no_other_object() -> None:
    found, said = template(values=MINIMAL + "secrets: {gate: top-s3cret}\n")
    assert found, said
    assert the("Secret", found)["stringData"] == {"gate": "top-s3cret"}
    assert [each["kind"] for each in found if "top-s3cret" in json.dumps(each)] == ["Secret"]
    own, _ = template("--set", "existingSecret=mine", values=MINIMAL)
    assert not [each for each in own if each["kind"] == "Secret"]
    volumes = {volume["name"]: volume for volume in pod(own)["volumes"]}
    assert volumes["secrets"]["secret"]["secretName"] == "mine"


@needs_helm
def test_a_gpu_is_asked_for_and_used() -> None:
    found, said = template("--set", "gpu.enabled=true,gpu.count=2,gpu.runtimeClassName=nvidia", values=MINIMAL)
    assert found, said
    (made,) = pod(found)["containers"]
    assert made["resources"]["limits"]["nvidia.com/gpu"] == 2
    assert "memory" in made["resources"]["limits"], "what was there stays"
    assert "--device=cuda" in made["args"]
    assert pod(found)["runtimeClassName"] == "nvidia"


@needs_helm
def test_each_pod_has_a_page_of_its_own() -> None:
    found, said = template("--values", str(CHART / "ci" / "everything-values.yaml"))
    assert found, said
    pages = [each for each in found if each["metadata"]["name"].startswith("site-countline-web-")]
    label = "statefulset.kubernetes.io/pod-name"
    assert [page["spec"]["selector"][label] for page in pages] == ["site-countline-0", "site-countline-1"]
    hosts = [rule["host"] for rule in the("Ingress", found)["spec"]["rules"]]
    assert hosts == ["counts-0.example.org", "counts-1.example.org"]


@needs_helm
def test_alerts_and_dashboard_are_those_that_are_shipped() -> None:
    found, said = template("--values", str(CHART / "ci" / "everything-values.yaml"))
    assert found, said
    shipped = yaml.safe_load((ROOT / "deploy" / "prometheus" / "countline.rules.yml").read_text())
    assert the("PrometheusRule", found)["spec"] == shipped
    (board,) = (f for f in found if f["kind"] == "ConfigMap" and "countline.json" in f["data"])
    shown = json.loads((ROOT / "deploy" / "grafana" / "countline.json").read_text())
    assert json.loads(board["data"]["countline.json"]) == shown
    monitor = the("ServiceMonitor", found)["spec"]
    (service,) = (
        f
        for f in found
        if f["kind"] == "Service" and monitor["selector"]["matchLabels"].items() <= f["metadata"]["labels"].items()
    )
    assert [port["name"] for port in service["spec"]["ports"]] == [monitor["endpoints"][0]["port"]]
    assert service["metadata"]["labels"][monitor["jobLabel"]] == "countline", "the job that alerts name"


@needs_helm
@pytest.mark.parametrize(
    ("values", "said"),
    [
        ("", "config is empty"),
        (MINIMAL + "mode: workers\n", "worker.group is empty"),
        (MINIMAL + "mode: workers\nworker: {group: g}\nreload: true\n", "reload is of mode shards"),
        (MINIMAL + "mode: workers\nworker: {group: g}\nweb: {enabled: true}\n", "web is of mode shards"),
        (MINIMAL + "autoscaling: {enabled: true}\n", "autoscaling is of mode workers"),
        (MINIMAL + "secrets: {a: b}\nexistingSecret: c\n", "give secrets or existingSecret, not both"),
        ("config: {metrics: true, outputs: [stdout]}\n", "config.metrics: leave it out"),
        (MINIMAL + "replicas: 2\nweb: {enabled: true, ingress: {enabled: true, host: a.b}}\n", "web.ingress.host needs {pod}"),
        (MINIMAL + "replica: 3\n", "replica"),
        (MINIMAL + "mode: workrs\n", "mode"),
        (MINIMAL + "outbox: {size: lots}\n", "size"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_told_before_anything_is_made(values: str, said: str) -> None:
    found, error = template(values=values)
    assert not found
    assert said in error
