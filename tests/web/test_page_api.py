"""The API is what its description says: tried by what schemathesis makes of it, with a real server and a run behind it."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pages import API, PASSWORD, Browser, file_with_page, showing
from walking import PERIOD, Walker

import countline as cl
from countline.view.web.api import Api
from countline.view.web.openapi import description

DOCUMENT = description("1.0")
STREAMS = ("/api/v1/stream", "/api/v1/frames")
OPERATIONS = [
    (path, method) for path, item in DOCUMENT["paths"].items() for method in item if path not in STREAMS
]  # the two that never end are tried elsewhere
CHECKS = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_headers_conformance",
    "response_schema_conformance",
    "negative_data_rejection",
)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[cl.Run]:
    folder = tmp_path_factory.mktemp("page")
    with showing(file_with_page(folder), Walker(pause=0.01), after=2 * PERIOD) as made:
        yield made


def test_every_path_is_described_and_no_other() -> None:
    served = {
        (route.path, method.lower())
        for route in Api(*[None] * 4).routes()  # type: ignore[list-item]
        for method in route.methods or ()
        if method != "HEAD"
    }
    assert served == set(OPERATIONS)


def test_references_lead_somewhere() -> None:
    found: set[str] = set()

    def walk(value: Any) -> None:
        if isinstance(value, dict):
            found.update({value["$ref"]} if "$ref" in value else ())
            for item in value.values():
                walk(item)
        elif isinstance(value, list):
            for item in value:
                walk(item)

    walk(DOCUMENT)
    known = {f"#/components/schemas/{name}" for name in DOCUMENT["components"]["schemas"]}
    assert found <= known
    assert known - found == {"#/components/schemas/FrameFacts"}, "what no path uses is for sockets"


@pytest.mark.skipif(sys.version_info < (3, 11), reason="schemathesis needs Python 3.11")
@pytest.mark.parametrize(("path", "method"), OPERATIONS)
def test_answers_are_as_described_whatever_is_asked(run: cl.Run, path: str, method: str) -> None:
    schemathesis = pytest.importorskip("schemathesis")
    from schemathesis import checks
    from schemathesis.generation import GenerationMode

    schema = schemathesis.openapi.from_dict(DOCUMENT)
    operation = schema[path][method]
    wanted = [getattr(checks, name, None) or checks.CHECKS.get_one(name) for name in CHECKS]
    cases = st.one_of(*[operation.as_strategy(generation_mode=mode) for mode in GenerationMode])
    with Browser(run) as browser:
        base, headers = f"http://{browser.address}", {"Authorization": f"Bearer {PASSWORD}"}

        @settings(max_examples=12, deadline=None, suppress_health_check=list(HealthCheck), database=None)
        @given(case=cases)
        def ask(case: Any) -> None:
            case.call_and_validate(base_url=base, headers=headers, checks=wanted, timeout=30)

        ask()
    assert run.health().is_alive


def test_the_description_is_served(run: cl.Run) -> None:
    with Browser(run) as browser:
        served = browser.get(f"{API}/openapi.json").json()
    assert served["paths"] == DOCUMENT["paths"]
    assert served["info"]["version"]


def test_what_is_streamed_is_as_described(run: cl.Run) -> None:
    """Events of the stream, and facts of pictures, against the schemas that the description names."""
    import json

    import jsonschema
    from pages import frames, picture, stream

    def check(name: str, data: Any) -> None:
        schema = {"$ref": f"#/components/schemas/{name}", "components": DOCUMENT["components"]}
        jsonschema.validate(data, schema, jsonschema.Draft202012Validator)

    names = {"state": "State", "counts": "Counts", "event": "Event"}
    with Browser(run) as browser:
        with stream(browser) as events:
            seen = set()
            for kind, _, data in events:
                check(names[kind], data)
                seen.add(kind)
                if seen == set(names):
                    break
        with frames(browser) as socket:
            socket.send(json.dumps({"watch": [{"source": "gate"}]}))
            check("FrameFacts", picture(socket.recv(timeout=30))[0])
            socket.send("x")
            answer = socket.recv(timeout=30)
            assert isinstance(answer, str)
            check("Problem", json.loads(answer))


def test_a_fault_of_the_description_would_be_found(run: cl.Run, tmp_path: Path) -> None:
    """The checks above are no empty ones."""
    schemathesis = pytest.importorskip("schemathesis")
    from schemathesis.checks import CHECKS as KNOWN

    wrong = {**DOCUMENT, "paths": {"/api/v1/state": {"get": {"responses": {"200": {
        "description": "", "content": {"application/json": {"schema": {"type": "object", "required": ["absent"]}}}}}}}}}  # fmt: skip
    case = schemathesis.openapi.from_dict(wrong)["/api/v1/state"]["get"].Case()
    with Browser(run) as browser, pytest.raises(schemathesis.checks.FailureGroup) as found:
        case.call_and_validate(
            base_url=f"http://{browser.address}", checks=[KNOWN.get_one("response_schema_conformance")]
        )
    assert '"absent" is a required property' in str(found.value.exceptions[0])
