"""Choosing, merging and renumbering classes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from countline.compat.deepstream.files.classes import DEEPSTREAM_CLASSES
from countline.config import DetectorConfig
from countline.detect.catalogue import CATALOGUE
from countline.detect.classes import ClassPlan, plan
from countline.detect.coco import COCO
from countline.errors import ConfigError


def of(
    model: str | None = "nanodet", labels: tuple[str, ...] = COCO, low: float | None = None, **config: Any
) -> ClassPlan:
    known = CATALOGUE[model] if model else None
    return plan(DetectorConfig.model_validate(config), labels, known=known, low=low)


def names(p: ClassPlan) -> list[tuple[str, ...]]:
    return list(p.groups)


VEHICLES = ("car", "truck", "bus", "boat")


def test_default_model_merges_vehicles_into_car() -> None:
    p = of()
    assert names(p) == [("person",), ("bicycle",), VEHICLES, ("motorcycle",)]
    assert p.ids.tolist() == [0, 1, 2, 3]
    assert p.labels == COCO
    assert names(of(classes=["car"])) == [VEHICLES]


@pytest.mark.parametrize("classes", [["bus"], ["car", "truck"], ["boat", "person"]])
def test_naming_another_vehicle_takes_them_apart(classes: list[str]) -> None:
    p = of(classes=classes)
    assert names(p) == [(name,) for name in classes]
    assert p.ids.tolist() == [COCO.index(name) for name in classes]


def test_merging_can_be_declared_or_switched_off() -> None:
    assert names(of(classes=["car"], merge=[])) == [("car",)]
    p = of(classes=["dog", "person"], merge=[["dog", "cat", "horse"]])
    assert names(p) == [("dog", "cat", "horse"), ("person",)]
    with pytest.raises(ConfigError, match="'cat' is merged into 'dog'"):
        of(classes=["cat"], merge=[["dog", "cat"]])
    with pytest.raises(ConfigError, match="stands twice"):
        of(merge=[["dog", "cat"], ["cat", "horse"]])


def test_a_users_model_keeps_all_its_classes() -> None:
    p = of(model=None, labels=("nut", "bolt", "car", "bus"))
    assert names(p) == [("nut",), ("bolt",), ("car",), ("bus",)]
    assert p.thresholds.tolist() == [np.float32(0.4)] * 4


def test_renumbering_as_deepstream_counts() -> None:
    p = of(classes=dict(DEEPSTREAM_CLASSES))
    assert names(p) == [("car", "truck", "bus"), ("bicycle", "motorcycle"), ("person",), ("stop sign",)]
    assert p.ids.tolist() == [0, 1, 2, 3]
    assert p.labels == ("Vehicle", "TwoWheeler", "Person", "Roadsign")


def test_renumbering_of_ones_own() -> None:
    p = of(classes={"person": 4, "dog": 1, "cat": 1})
    assert p.ids.tolist() == [1, 4]
    assert p.labels == ("class 0", "dog", "class 2", "class 3", "person")
    assert p.by_id().tolist() == [1, np.float32(0.4), 1, 1, np.float32(0.45)]
    with pytest.raises(ConfigError, match="-1"):
        of(classes={"person": -1})


def test_scores_of_a_group_are_those_of_its_strongest_member() -> None:
    p = of(classes=["person", "car"])
    scores = np.zeros((80, 5), np.float32)
    scores[COCO.index("truck")] = [0.5, 0.1, 0, 0.1, 0]
    scores[COCO.index("car")] = [0.2, 0.3, 0, 0.15, 0]
    scores[COCO.index("person")] = [0, 0, 0.7, 0.2, 0]
    scores[COCO.index("dog")] = 0.99
    cells, strongest = p.candidates(scores)
    assert cells.tolist() == [0, 1, 2], "below the floors, or of classes that nobody asked for: no candidates"
    np.testing.assert_array_equal(strongest, np.float32([[0, 0, 0.7], [0.5, 0.3, 0]]))


def test_thresholds_by_class_and_floor() -> None:
    p = of(classes=["person", "car", "dog"], confidence={"car": 0.8})
    assert p.thresholds.tolist() == np.float32([0.45, 0.8, 0.4]).tolist()
    assert p.floors.tolist() == np.float32([0.225, 0.4, 0.2]).tolist()
    assert of(classes=["dog"], confidence=0.7, low=0.1).floors.tolist() == [np.float32(0.1)]
    assert of(classes=["dog"], confidence=0.3, low=0.6).floors.tolist() == [np.float32(0.3)]


@pytest.mark.parametrize(
    ("config", "match"),
    [
        ({"classes": ["persn"]}, "did you mean 'person'"),
        ({"classes": ["Person"]}, "did you mean 'person'"),
        ({"classes": {"lorry": 0}}, "no class 'lorry'"),
        ({"merge": [["car", "lorry"]]}, "no class 'lorry'"),
        ({"confidence": {"trucks": 0.4}}, "did you mean 'truck'"),
        ({"confidence": 1.5}, "1.5 is not in"),
        ({"confidence": {"car": 0}}, "0 is not in"),
        ({"classes": []}, "no class is left"),
    ],
)
def test_impossible_wishes_are_refused_with_a_hint(config: dict[str, Any], match: str) -> None:
    with pytest.raises(ConfigError, match=match):
        of(**config)


def test_classes_of_equal_name_are_one_wherever_they_stand() -> None:
    """Exported datasets have them; the second was never looked at."""
    p = of(model=None, labels=("nut", "bolt", "nut"))
    assert names(p) == [("nut",), ("bolt",)]
    scores = np.array([[0.1, 0.9, 0.1], [0.1, 0.1, 0.8], [0.7, 0.1, 0.1]], np.float32)
    cells, strongest = p.candidates(scores)
    assert cells.tolist() == [0, 1, 2]
    assert strongest.argmax(axis=0).tolist() == [0, 0, 1]
    np.testing.assert_allclose(strongest.max(axis=0), [0.7, 0.9, 0.8])
