"""What a user may write, and what each mistake is told to be."""

import pytest
from native_world import CAM, LABELS, frame, run, straight, walk, ways

from countline.analytics.native import NativeRules
from countline.config.loader import read_yaml, validate
from countline.config.models import Config
from countline.config.rules import RulesConfig, check_sources
from countline.errors import ConfigError, RuleError
from countline.protocols import RuleSet


def read(text, model=RulesConfig):
    document = read_yaml("rules.yaml", text)
    return validate(model, document.data, document)


GOOD = """
lines:
  - {name: straight, source: cam, points: [[0.1, 0.55], [0.9, 0.55]], direction: both, count: every}
"""


def test_the_rule_set_keeps_the_protocol():
    engine: RuleSet = NativeRules(read(GOOD), [CAM], LABELS)
    assert [(r.name, r.kind, r.source, r.points) for r in engine.rules] == [
        ("straight", "line", "cam", ((0.1, 0.55), (0.9, 0.55)))
    ]
    assert engine.rules[0].directions == ("in", "out")


def test_pixels_mean_the_same_as_normalised():
    pixels = "coordinates: pixels\nresolution: [1280, 720]\nlines:\n  - {name: a, points: [[128, 360], [1152, 360]]}\n"
    own = "lines:\n  - {name: a, points: [[128, 360], [1152, 360]], resolution: [1280, 720]}\n"
    for text in (pixels, own):
        engine = NativeRules(read(text), [CAM], LABELS)
        assert engine.rules[0].points == ((0.1, 0.5), (0.9, 0.5))
        assert ways(walk(engine, straight((960, 400), (960, 700), 20))) == ["out"]


LINE = "lines:\n  - {name: a, points: [[0, 0], [1, 1]]}\n"


@pytest.mark.parametrize(
    ("text", "line", "what", "fix"),
    [
        ("lines:\n  - name: a\n    points: [[0.1, 0.5], [0.1, 0.5]]", 3, "are equal, so it has no sides", "move or remove"),
        ("lines:\n  - name: a\n    points: [[0.1, 0.5]]", 3, "at least two points", "points: [[x1, y1], [x2, y2]]"),
        ("lines:\n  - name: a\n    points: [[100, 500], [900, 500]]", 3, "far outside the picture: [100, 500]", "coordinates: pixels"),
        (f"{LINE}regions:\n  - {{name: a, points: [[0, 0], [1, 1], [0, 1]]}}", 4, "two rules are named 'a'", "name of its own"),
        ("regions:\n  - name: r\n    points: [[0, 0], [1, 1], [0, 0]]", 3, "three different points", "points: [[x1"),
        ("regions:\n  - name: r\n    points: [[0, 0], [1, 1], [0, 1]]\n    limits: {car: -1}", 4, "cannot be negative", "0 or more"),
        ("directions:\n  - name: d\n    points: [[0, 0], [0, 0]]", 3, "two different points", "[[x1, y1], [x2, y2]]"),
        ("speeds:\n  - {name: v, points: [[0, 0], [1, 0], [1, 1], [0, 1]]}", 2, "true size", "`width` and `length`"),
        ("speeds:\n  - {name: v, width: 3, length: 4, points: [[0, 0], [1, 1], [1, 0], [0, 1]]}", 2, "convex", "top left, top right"),
        ("journeys:\n  - {name: j, places: [a, b]}", 2, "'a', which is no line or region", "known are: none"),
        (f"{LINE}journeys:\n  - {{name: j, places: [a]}}", 4, "two different places", "two or more"),
        ("coordinates: pixels", 1, "need the size of the picture", "resolution: [1920, 1080]"),
        ("resolution: [1920, 1080]", 1, "says nothing of normalised", "coordinates: pixels"),
        ("coordinates: pixels\nresolution: [0, 1080]", 2, "two positive numbers", "[width, height]"),
        ("lines:\n  - {name: a, points: [[0, 0], [1, 1]], names: {in: x, out: x}}", 2, "both directions have one name", "different names"),
        ("lines:\n  - {name: a, points: [[0, 0], [1, 1]], nmae: b}", 2, "unknown key 'nmae'", "did you mean 'name'"),
    ],
)  # fmt: skip
def test_every_mistake_is_one_clear_error_with_its_line(text, line, what, fix):
    with pytest.raises(ConfigError) as caught:
        read(text)
    assert what in str(caught.value)
    assert fix in str(caught.value)
    assert caught.value.where.line == line
    assert "faults" not in str(caught.value)


def test_one_name_may_serve_several_sources():
    lines = [{"name": "door", "source": s, "points": [[0, 0], [1, 1]]} for s in ("a", "b")]
    assert len(RulesConfig.model_validate({"lines": lines}).lines) == 2


def test_polygons_may_cross_themselves_and_lie_partly_outside():
    read("regions:\n  - {name: r, points: [[-0.2, 0], [1.2, 1], [1.2, 0], [-0.2, 1]]}")


def test_unknown_sources_are_told_with_the_known_ones():
    config = read(GOOD)
    assert check_sources(config, ["cam"]) == []
    (fault,) = check_sources(config, ["door", "yard"])
    assert fault.loc == ("lines", 0, "source")
    text = (
        "sources: [{name: yard, uri: a.mp4}]\nrules:\n  lines:\n    - {name: l, source: cam, points: [[0, 0], [1, 1]]}"
    )
    with pytest.raises(ConfigError, match="names the source 'cam', which does not exist") as caught:
        read(text, Config)
    assert caught.value.where.line == 4
    assert "known are: yard" in str(caught.value)


@pytest.mark.parametrize("more", [{"classes": ["persn"]}, {"limits": {"persn": 3}}])
def test_an_unknown_class_is_told_with_its_neighbours(more):
    config = RulesConfig.model_validate({"regions": [{"name": "r", "points": [[0, 0], [1, 0], [1, 1]], **more}]})
    with pytest.raises(RuleError, match="'persn' is none of the detector's labels") as caught:
        NativeRules(config, [CAM], LABELS)
    assert "did you mean person?" in str(caught.value)


def test_a_replacement_with_a_fault_changes_nothing():
    engine = NativeRules(read(GOOD), [CAM], LABELS)
    walk(engine, straight((960, 500), (960, 590), 10))
    bad = RulesConfig.model_validate({"lines": [{"name": "x", "points": [[0, 0], [1, 1]], "classes": ["dragon"]}]})
    with pytest.raises(RuleError):
        engine.replace(bad)
    assert [r.name for r in engine.rules] == ["straight"]
    results = run(engine, [frame(10, [(1, 960, 700)])])
    assert ways(results) == ["out"]


def test_the_configuration_survives_a_round_trip():
    config = read(GOOD)
    assert RulesConfig.model_validate(config.model_dump()) == config
    assert RulesConfig.model_validate_json(config.model_dump_json()) == config


def test_limits_are_by_class_name():
    config = RulesConfig.model_validate(
        {"regions": [{"name": "r", "points": [[0, 0], [1, 0], [1, 1]], "limits": {"2": 3}}]}
    )
    with pytest.raises(RuleError, match="write 'car'"):
        NativeRules(config, [CAM], LABELS)
