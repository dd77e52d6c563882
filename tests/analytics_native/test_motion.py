"""Headings and speeds."""

import numpy as np
import pytest
from native_world import CAM, events, frame, rules, run, straight, walk

from countline.analytics.geometry import homography, project
from countline.types import Heading, Speeding

RIGHT = {"name": "right", "points": [[0.1, 0.1], [0.9, 0.1]]}
SIZES = [(640, 360), (1920, 1080), (3840, 2160)]


def headings(results):
    return [(e.frame.number, e.direction) for e in events(results) if isinstance(e, Heading)]


def test_heading_begins_once_and_the_state_tells_who_heads_there():
    engine = rules(directions=[RIGHT, {"name": "left", "points": [[0.9, 0.1], [0.1, 0.1]]}])
    results = walk(engine, straight((200, 500), (1400, 500), 90) + straight((1400, 500), (200, 500), 90))
    assert [d for _, d in headings(results)] == ["right", "left"]
    assert results[80].directions["right"].current == 1
    assert results[-1].directions["right"].current == 0
    assert results[80].objects[0].direction == "right"


@pytest.mark.parametrize("angle", [0, 40, -40, 50, -50, 180])
def test_tolerance(angle):
    far = 600
    target = (900 + far * np.cos(np.radians(angle)), 500 + far * np.sin(np.radians(angle)))
    found = headings(walk(rules(directions=[RIGHT]), straight((900, 500), target, 60)))
    assert len(found) == (abs(angle) <= 45)


def test_angles_are_those_on_screen():
    # A diagonal in a wide picture: 45 degrees on screen, not in 0..1 coordinates.
    engine = rules(directions=[{"name": "d", "points": [[0.2, 0.2], [0.2 + 0.3 * 9 / 16, 0.5]], "tolerance": 3}])
    assert len(headings(walk(engine, straight((300, 300), (700, 700), 60)))) == 1


@pytest.mark.parametrize("rate", [5, 30, 120])
def test_the_window_is_time_not_frames(rate):
    engine = rules(directions=[{**RIGHT, "distance": 0.5, "window": 1.0}])
    frames = [frame(n, [(1, 300 + 30 * n / rate, 500)], pts=n * 10**9 // rate) for n in range(3 * rate)]
    assert headings(run(engine, frames)) == []  # 30 px/s is less than half of 80 px within a second
    engine = rules(directions=[{**RIGHT, "distance": 0.5, "window": 2.0}])
    assert len(headings(run(engine, frames))) == 1


def test_jitter_of_a_standing_object_is_no_heading():
    rng = np.random.default_rng(8)
    path = [(900 + dx, 500 + dy) for dx, dy in rng.uniform(-6, 6, (2000, 2))]
    assert headings(walk(rules(directions=[RIGHT]), path)) == []


ROAD = {"name": "road", "points": [[0.4, 0.2], [0.6, 0.2], [0.9, 0.9], [0.1, 0.9]], "width": 7, "length": 40}


def on_road(metres_along, metres_across, size):
    """Pixel of a place on the road: the inverse of the rule's own map, from the four points."""
    image = [(x * size[0], y * size[1]) for x, y in ROAD["points"]]
    h = homography([(0, 0), (7, 0), (7, 40), (0, 40)], image)
    x, y = project(h, np.array(metres_across), np.array(metres_along))
    return float(x), float(y)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("kmh", [10, 50, 90])
def test_speed_over_the_ground(size, kmh):
    engine = rules(speeds=[ROAD])
    scale = size[0] / 1920
    results = []
    for n in range(int(38 / (kmh / 3.6) * 30)):
        x, y = on_road(1 + n / 30 * kmh / 3.6, 3.5, size)
        results += run(engine, [frame(n, [(1, x, y, 2, 40 * scale, 80 * scale)], size=size)])
    measured = [a.speeds[1] for a in results if 1 in a.speeds]
    assert len(measured) > len(results) / 3
    assert measured == pytest.approx([kmh] * len(measured), rel=0.01)


def test_speeding_is_told_once_per_excess():
    engine = rules(speeds=[{**ROAD, "limit": 30}])
    place, results = 0.5, []
    pace = [20] * 30 + [40] * 20 + [29] * 20 + [40] * 10 + [10] * 60 + [50] * 30
    for n, kmh in enumerate(pace):
        place += kmh / 3.6 / 30
        results += run(engine, [frame(n, [(1, *on_road(place, 3, (1920, 1080)), 2)])])
    found = [e for e in events(results) if isinstance(e, Speeding)]
    assert len(found) == 2  # 29 km/h is not enough below the limit to end the first
    assert all(e.speed > 30 for e in found)
    assert found[0].class_name == "car"


def test_no_speed_outside_the_quadrangle_or_of_other_classes():
    engine = rules(speeds=[{**ROAD, "classes": ["car"]}])
    results = walk(engine, straight((100, 100), (400, 100), 90), class_id=2)
    assert not any(a.speeds for a in results)
    results = walk(engine, [on_road(1 + n / 10, 3, (1920, 1080)) for n in range(90)], class_id=0, track=2)
    assert not any(a.speeds for a in results)


def test_the_four_points_map_to_their_places():
    image = [(0.4, 0.2), (0.6, 0.25), (0.9, 0.9), (0.1, 0.8)]
    world = [(0.0, 0.0), (7.0, 0.0), (7.5, 40.0), (-1.0, 38.0)]
    h = homography(image, world)
    x, y = project(h, *np.array(image).T)
    assert np.stack([x, y], axis=1) == pytest.approx(np.array(world), abs=1e-9)
    assert CAM.name == "cam"
