"""Counts on small generated scenes: none is wrong where walkers do not touch, and few where they do."""

from __future__ import annotations

import pytest


def wrong(kind: str, seeds: range, fps: float, seconds: float) -> tuple[int, int]:
    from comparison import scene_job, truth_of
    from contenders import native, tracks_of
    from scenes.kinds import make
    from scoring import Score, score

    total = Score()
    for seed in seeds:
        scene = make(kind, seed, seconds)
        job = scene_job(scene, fps)
        total += score(truth_of(scene), native(job, tracks_of(job)), scene.lines, scene.seconds)
    return total.wrong, total.true


@pytest.mark.parametrize("fps", [5, 10, 25])
def test_no_crossing_is_wrong_where_walkers_do_not_touch(fps: float) -> None:
    found, true = wrong("apart", range(40, 43), fps, 20)
    assert true > 15
    assert found == 0


@pytest.mark.parametrize("fps", [10, 30])
@pytest.mark.parametrize(("kind", "most"), [("street", 0.05), ("traffic", 0.03), ("crowd", 0.12)])
def test_few_crossings_are_wrong_where_they_hide_each_other(kind: str, most: float, fps: float) -> None:
    found, true = wrong(kind, range(40, 43), fps, 20)
    assert true > 25
    assert found <= most * true
