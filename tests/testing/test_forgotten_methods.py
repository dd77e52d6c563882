"""Who extends a base class and forgets a method is told which one."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from countline.analytics.native.counter import AreaCounter, Counter
from countline.analytics.native.kind import RuleKind
from countline.analytics.native.rule import Rule
from countline.analytics.native.track_record import TrackRecord

CONTRACTS = """
import pytest
from countline.testing import OutputContract

class Forgetful(OutputContract):
    kind = "file"

class TestNoServer(Forgetful):
    pass

class TestNoOptions(Forgetful):
    @pytest.fixture
    def server(self):
        yield None

class TestNoReadBack(TestNoOptions):
    def options(self, server):
        return {"path": "messages.jsonl"}
"""


class Counting(RuleKind):
    key = "acmes"

    def counter(self, rule: Rule) -> Counter:
        return AreaCounter(rule, 0)


class Complete(Counting):
    def explain(self, track: TrackRecord) -> str:
        return "never inside"


@pytest.mark.parametrize(("base", "method"), [(RuleKind, "counter"), (RuleKind, "explain"), (Counting, "explain")])
def test_a_kind_of_rule_without_a_needed_method_cannot_be_made_and_the_error_names_it(
    base: type[RuleKind], method: str
) -> None:
    kind = type("AcmeKind", (base,), {})
    with pytest.raises(TypeError, match=rf"AcmeKind.*\b{method}\b"):
        kind()


def test_a_kind_of_rule_that_evaluates_has_the_method() -> None:
    with pytest.raises(TypeError, match="AcmeKind sets `evaluates` and has no method `evaluate`"):
        type("AcmeKind", (Complete,), {"evaluates": True})
    assert type("AcmeKind", (Complete,), {"evaluates": True, "evaluate": lambda self, view: ([], None)})().evaluates


def test_a_kind_of_rule_needs_no_more_than_a_counter_and_an_explanation() -> None:
    assert not Complete().evaluates


def test_an_output_contract_without_a_needed_method_fails_with_its_name(tmp_path: Path) -> None:
    module = tmp_path / "test_acme.py"
    module.write_text(CONTRACTS, encoding="utf-8")
    options = ("-q", "-p", "no:cacheprovider", "-k", "test_every_message_arrives_once", "--rootdir", str(tmp_path))
    command = [sys.executable, "-m", "pytest", *options, str(module)]
    ended = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False)
    for words in (
        "TestNoServer has no fixture `server`",
        "TestNoOptions has no method `options(server)`",
        "TestNoReadBack has no method `read_back(server, count)`",
    ):
        assert words in ended.stdout, ended.stdout
