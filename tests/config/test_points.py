"""Points that are written wrong are answered with the right way to write them; rules that can never fire are told at the start."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from countline.config import load
from countline.config.oddities import oddities
from countline.config.points import flat, turns_back
from countline.config.rules import RulesConfig
from countline.errors import ConfigError
from countline.pipeline import build


def fault(points: Any) -> str:
    rules = {"lines": [{"name": "l", "points": points}]}
    Path("c.yaml").write_text(
        yaml.safe_dump({"sources": [{"name": "a", "uri": "b"}], "rules": rules, "outputs": ["stdout"]})
    )
    with pytest.raises(ConfigError) as caught:
        load("c.yaml")
    return str(caught.value)


@pytest.mark.parametrize(
    ("points", "words"),
    [
        ([0.1, 0.5, 0.9, 0.5], ["is a list of 4 numbers, not of points", "write points: [[0.1, 0.5], [0.9, 0.5]]"]),
        ([0.1, 0.5, 0.9], ["is a list of 3 numbers", "[[x1, y1], [x2, y2]]"]),
        ("0.1,0.5", ["must be a list of points"]),
        ([[0.1, 0.5], "x"], ["point 2 is 'x'"]),
        ([[0.1], [0.2, 0.3]], ["number 2 of these is missing"]),
        ([[0.1, 0.5, 0.6], [1, 1]], ["has 3 entries, at most 2 can stand here"]),
        ([["a", 0.5], [1, 1]], ["must be a number (here: 'a')"]),
    ],
)
def test_points_that_are_written_wrong_are_answered_with_how_they_are_written(points: Any, words: list[str]) -> None:
    said = fault(points)
    assert "c.yaml:" in said
    assert "tuple" not in said
    for word in words:
        assert word in said


@given(
    st.recursive(
        st.none() | st.booleans() | st.floats(-2, 3) | st.text(max_size=3), lambda inner: st.lists(inner, max_size=4)
    )
)
def test_no_points_are_answered_with_words_of_a_library(points: Any) -> None:
    from countline.config.loader import Document, validate

    said = ""
    try:
        validate(RulesConfig, {"lines": [{"name": "l", "points": points}]}, Document({}, {}, "c.yaml"))
    except ConfigError as error:
        said = str(error)
    assert "tuple" not in said
    assert "Input should" not in said


@pytest.mark.parametrize(
    ("kind", "points", "words"),
    [
        ("regions", [[0, 0], [0.5, 0.5], [1, 1]], "one straight line"),
        ("regions", [[0.2, 0.2], [0.8, 0.2], [0.5, 0.2], [0.3, 0.2]], "one straight line"),
        ("lines", [[0.1, 0.5], [0.9, 0.5], [0.1, 0.5]], "turns back onto itself at point 2"),
        ("lines", [[0.1, 0.5], [0.9, 0.5], [0.4, 0.5], [0.4, 0.9]], "turns back onto itself at point 2"),
        ("lines", [[0, 0.1], [0, 0.9]], "left edge"),
        ("lines", [[0.1, 1], [0.9, 1]], "bottom edge"),
        ("lines", [[-0.5, 0.1], [-0.5, 0.9]], "outside the picture"),
        ("regions", [[1.1, 0], [1.5, 0], [1.5, 1]], "outside the picture"),
    ],
)
def test_a_rule_that_can_never_fire_is_told_at_the_start_with_its_line(
    kind: str, points: Any, words: str, caplog: pytest.LogCaptureFixture
) -> None:
    rules = {kind: [{"name": "r", "points": points}]}
    Path("c.yaml").write_text(
        yaml.safe_dump({"sources": [{"name": "a", "uri": "b"}], "rules": rules, "outputs": ["stdout"]})
    )
    config = load("c.yaml")
    with caplog.at_level("WARNING", "countline"):
        build.rules(config, [], [])
    (record,) = caplog.records
    assert "c.yaml:" in record.getMessage()
    assert words in record.getMessage()


@pytest.mark.parametrize(
    ("kind", "points"),
    [
        ("regions", [[0, 0], [1, 0], [1, 1], [0, 1]]),
        ("lines", [[0, 0.5], [1, 0.5]]),
        ("lines", [[0.1, 0.5], [0.5, 0.6], [0.9, 0.5]]),
        ("lines", [[0, 0.2], [0.5, 0.2], [0.5, 0.8]]),
    ],
)
def test_rules_that_can_fire_are_not_told(kind: str, points: Any) -> None:
    assert list(oddities(RulesConfig.model_validate({kind: [{"name": "r", "points": points}]}))) == []


@given(
    st.floats(0, 1),
    st.floats(0, 1),
    st.floats(0.01, 1),
    st.floats(0, 6.28),
    st.lists(st.floats(0, 1), min_size=1, max_size=4),
)
def test_points_on_one_line_are_flat_and_a_corner_beside_it_is_not(
    x: float, y: float, length: float, angle: float, at: list[float]
) -> None:
    from math import cos, sin

    ux, uy = cos(angle) * length, sin(angle) * length
    points = [(x, y), (x + ux, y + uy), *[(x + ux * t, y + uy * t) for t in at]]
    assert flat(points)
    assert not flat([*points, (x + ux / 2 - uy / 10, y + uy / 2 + ux / 10)])
    assert turns_back([(x, y), (x + ux, y + uy), (x + ux / 3, y + uy / 3)]) == 1
