"""Payloads equal those that NVIDIA's own converter made of the same input."""

from __future__ import annotations

import base64
import json
import re
from typing import Any

import payloads_model
import pytest
from google.protobuf import text_format
from nvmsgconv_recordings import NOW, Case, counted_ids, find_cases

from countline.compat.deepstream.files import msgconv
from countline.errors import ConfigError


def pairs(text: str | bytes) -> Any:
    """Parsed JSON in which order and kind of number count: objects become lists of pairs."""
    return json.loads(text, object_pairs_hook=lambda items: [("object",), *items])


def repaired(text: str) -> str:
    """json-glib 1.6 writes ``1e+22.0``, which is no JSON."""
    return re.sub(r"(e[+-]?\d+)\.0", r"\1", text)


def payloads(case: Case, item: dict[str, Any], *, pretty: bool = False) -> list[bytes]:
    static = msgconv.read(case.config) if case.config else None
    return payloads_model.payloads(case.meta["payload_type"], item, static, ids=counted_ids(), now=NOW, pretty=pretty)


def test_every_recorded_case_is_found() -> None:
    assert len(find_cases()) >= 30


def test_payloads_equal_nvmsgconvs(case: Case, frame_class: Any) -> None:
    compared = 0
    for item, expected in case.lines():
        if "error" in expected:
            with pytest.raises(ConfigError):
                payloads(case, item)
            compared += 1
            continue
        made = payloads(case, item)
        if "crash" in expected:
            assert made, "something better than a crash"
            compared += 1
            continue
        assert len(made) == len(expected["payloads"])
        for got, wanted in zip(made, expected["payloads"]):
            if isinstance(wanted, dict):
                assert frame_class.FromString(got) == frame_class.FromString(base64.b64decode(wanted["b64"]))
            elif case.meta["payload_type"] == 257:
                assert got.decode() == wanted
            else:
                assert pairs(got) == pairs(repaired(wanted))
        compared += 1
    assert compared == len(case.lines())


def test_pretty_text_is_json_glibs_byte_for_byte(json_case: Case) -> None:
    for item, expected in json_case.lines():
        if "payloads" in expected:
            assert [p.decode() for p in payloads(json_case, item, pretty=True)] == [
                repaired(p) for p in expected["payloads"]
            ]


def test_protobuf_says_what_protoc_read_in_nvmsgconvs(protobuf_case: Case, frame_class: Any) -> None:
    whole = (protobuf_case.folder / "decoded.txt").read_text(encoding="utf-8")
    texts = [part for part in whole.split("---\n") if part.strip()]
    lines = [item for item, expected in protobuf_case.lines() if "payloads" in expected]
    made = [got for item in lines for got in payloads(protobuf_case, item)]
    assert len(made) == len(texts)
    for got, text in zip(made, texts):
        assert frame_class.FromString(got) == text_format.Parse(text, frame_class())
