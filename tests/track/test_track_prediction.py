"""Frames without inference: where the tracks are by then."""

from __future__ import annotations

import numpy as np
from track_world import STEP, line, run, scene, tracker

from countline.types import Detections


def test_prediction_goes_on_as_the_object_went() -> None:
    t = tracker()
    walkers = [line(50, 100, 6, -2), line(500, 300, -3, 1)]
    run(t, walkers, range(12))
    for ahead in (0, 1, 3):
        got = t.predict((11 + ahead) * STEP)  # type: ignore[attr-defined]
        assert sorted(got.track_id.tolist()) == [1, 2]
        order = np.argsort(got.xyxy[:, 0])
        np.testing.assert_allclose(got.xyxy[order], scene(walkers, 11 + ahead).xyxy, atol=0.6)


def test_frames_without_inference_between_do_not_disturb_the_tracks() -> None:
    """Inference on every third frame: all frames have both objects at the right place, with the same two ids."""
    t = tracker(fps=10 / 3)
    walkers = [line(50, 100, 4), line(500, 300, -4)]
    for i in range(60):
        seen = scene(walkers, i)
        found = t.update(seen if i % 3 == 0 else None, i * STEP)  # type: ignore[arg-type]
        if i > 8:
            assert sorted(found.track_id.tolist()) == [1, 2]
            np.testing.assert_allclose(
                found.xyxy[np.argsort(found.xyxy[:, 0])], seen.xyxy[np.argsort(seen.xyxy[:, 0])], atol=1
            )


def test_nothing_is_predicted_of_nobody_or_after_too_long() -> None:
    t = tracker(lost=1.0)
    assert len(t.predict(0)) == 0  # type: ignore[attr-defined]
    run(t, [line(50, 100, 4)], range(10))
    assert len(t.predict(9 * STEP + 10**9 + 1)) == 0  # type: ignore[attr-defined]
    t.update(Detections.empty(), 10 * STEP)
    assert len(t.predict(11 * STEP)) == 0  # type: ignore[attr-defined]
