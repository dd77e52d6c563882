"""A camera that shakes, turns or cuts: rules follow the scene, and what another view makes void is dropped."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from moving_scene import HEIGHT, WIDTH, MovingCamera, Walk

from countline.errors import ConfigError
from countline.pipeline.run import Run
from countline.types import Analytics

# One stands 6 px above the line for good, one walks through it, one walks beside it.
LINE = [[0.05, 0.6], [0.95, 0.6]]
STANDS: Walk = ((200, 0.6 * HEIGHT - 6), (200, 0.6 * HEIGHT - 6))
CROSSES: Walk = ((320, 150), (330, 320))
BESIDE: Walk = ((420, 190), (560, 190))


def shaking(t: float) -> tuple[int, float, float, float]:
    return 0, 14 * np.sin(9.1 * t), 16 * np.sin(7.3 * t), 1.5 * np.sin(5.7 * t)


def panning(t: float) -> tuple[int, float, float, float]:
    way = min(max(t - 1, 0) / 3, 1)
    return 0, -220 * way, -60 * way, 0.0


def cutting(t: float) -> tuple[int, float, float, float]:
    return (0, 0.0, 0.0, 0.0) if t < 3 else (1, 0.0, 0.0, 0.0)


def play(
    camera: MovingCamera, *, stabilize: bool = True, on: str = "view-change", **more: Any
) -> tuple[Any, list[Analytics]]:
    seen: list[Analytics] = []
    config = {
        "sources": [{"name": "camera", "stabilize": stabilize}],
        "tracker": {"lost": 1.0},
        "rules": {"lines": [{"name": "line", "points": LINE}]},
        "outbox": "memory",
        **more,
    }
    with Run(config, sources=[camera], detector=camera, consumers=[lambda _, a: seen.append(a)]) as run:
        return run.execute(), seen


def test_a_shaking_camera_gives_no_crossings_and_takes_none() -> None:
    shaken = MovingCamera([STANDS, CROSSES, BESIDE], shaking)
    without, _ = play(MovingCamera([STANDS, CROSSES, BESIDE], shaking), stabilize=False)
    assert without.sources["camera"].lines["line"]["total"] > 1, "the scene would show a fault"
    summary, seen = play(shaken)
    assert summary.sources["camera"].lines["line"] == {"in": 0, "out": 1, "total": 1}
    assert summary.sources["camera"].view_changes == 0
    for analytics in seen:
        assert analytics.view is not None
        expected = shaken.matrix(analytics.frame.pts / 1e9)
        corner = np.array([[0.0, 0.0], [WIDTH, HEIGHT]])
        off = analytics.view.points(corner) - (corner @ expected[:, :2].T + expected[:, 2])
        assert np.abs(off).max() < 3, "the view is found to a few pixels"


def test_boxes_that_are_published_are_those_of_the_picture() -> None:
    camera = MovingCamera([CROSSES], shaking, seconds=3)
    _, seen = play(camera)
    boxes = {a.frame.number: a.tracks.xyxy for a in seen if len(a.tracks)}
    assert len(boxes) > 20
    frames = {frame.info.number: frame for frame in MovingCamera([CROSSES], shaking, seconds=3)}
    for number, found in boxes.items():
        (truth,) = camera.detect([frames[number]])
        assert np.abs(found - truth.xyxy).max() < 0.01


def test_rules_follow_the_scene_when_the_camera_turns_and_the_turn_is_told() -> None:
    summary, seen = play(MovingCamera([STANDS, CROSSES, BESIDE], panning, seconds=7))
    assert summary.sources["camera"].lines["line"] == {"in": 0, "out": 1, "total": 1}
    told = [e for a in seen for e in a.events if e.kind == "view-change"]
    assert [e.change for e in told] == ["pan"]  # type: ignore[attr-defined]
    assert told[0].time_ns >= seen[0].frame.time + 4 * 10**9, "once it stands still"


def test_a_cut_to_another_view_is_told_and_begins_the_tracks_anew(tmp_path: Any) -> None:
    out = tmp_path / "told.jsonl"
    summary, seen = play(
        MovingCamera([BESIDE], cutting),
        messages=[{"name": "view", "on": "view-change", "value": {"change": "{change}", "camera": "{source}"}}],
        outputs=[{"file": {"path": str(out)}}],
    )
    (event,) = [e for a in seen for e in a.events]
    assert (event.kind, event.change) == ("view-change", "cut")  # type: ignore[attr-defined]
    assert event.time_ns >= seen[0].frame.time + 3 * 10**9
    assert summary.sources["camera"].view_changes == 1
    assert 0 < summary.sources["camera"].view_lost <= 8, "pictures in between are counted"
    before = {int(i) for a in seen if a.frame.time < event.time_ns for i in a.tracks.track_id}
    after = {int(i) for a in seen if a.frame.time > event.time_ns for i in a.tracks.track_id}
    assert before
    assert after
    assert not before & after, "nobody is taken for somebody of the view before"
    assert out.read_text().strip().endswith('{"change":"cut","camera":"camera"}')


@pytest.mark.parametrize("flash", [255, 0])
def test_a_picture_that_is_broken_is_no_other_view(flash: int) -> None:
    class Flashing(MovingCamera):
        def picture(self, t: float) -> Any:
            return np.full((HEIGHT, WIDTH, 3), flash, np.uint8) if 2 <= t <= 2.2 else super().picture(t)

    summary, seen = play(Flashing([BESIDE], lambda t: (0, 0.0, 0.0, 0.0), seconds=4))
    assert summary.sources["camera"].view_changes == 0
    assert len({int(i) for a in seen for i in a.tracks.track_id}) == 1


def test_the_same_pictures_give_the_same_view() -> None:
    def views() -> list[Any]:
        return [a.view.matrix.tolist() for a in play(MovingCamera([STANDS], shaking, seconds=2))[1] if a.view]

    assert views() == views()


def test_it_takes_pictures() -> None:
    from countline.config import checked
    from countline.config.loader import Document
    from countline.pipeline import build

    data = {"sources": [{"name": "a", "uri": "a.mp4", "stabilize": True}]}
    config = checked(data, Document(data, {}, ""))
    with pytest.raises(ConfigError, match="tracks alone"):
        build.stages(config, build.source_infos(config), ["person"])
