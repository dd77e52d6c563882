"""Where no fault of the exact engine applies, both engines tell the same."""

from __future__ import annotations

import math
from typing import Any

from differential_world import Box, tracks_of
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from countline.analytics.native import NativeRules
from countline.compat.deepstream.files import nvdsanalytics
from countline.compat.deepstream.migrate.compare import compare
from countline.compat.deepstream.migrate.native_rules import convert
from countline.compat.deepstream.rules import DeepStreamAnalytics, DeepStreamRules
from countline.types import FrameInfo, FrameTracks, SourceInfo

SIZES = [(1920, 1080), (1280, 720), (640, 360), (3840, 2160)]
GATES = {"loose": (1000, 3), "balanced": (3000, 10), "strict": (6000, 20)}
FRAME_NS = 33_333_333
share = st.floats(0, 1)
Path = list[tuple[float, float]]


def film(size: tuple[int, int], paths: list[Path], boxes: list[tuple[float, float]]) -> list[FrameTracks]:
    """Objects along paths of equal length, all from the first frame on."""
    out = []
    for number in range(len(paths[0])):
        objects = [Box(k + 1, *path[number], *box) for k, (path, box) in enumerate(zip(paths, boxes))]
        info = FrameInfo(SourceInfo("camera", 0), number, number * FRAME_NS, 0, *size)
        out.append(FrameTracks(info, tracks_of(objects)))
    return out


@settings(max_examples=60)
@given(
    st.sampled_from(SIZES),
    st.sampled_from(SIZES),
    st.sampled_from(list(GATES)),
    st.booleans(),
    st.floats(0, math.tau),
    st.booleans(),
    st.lists(st.tuples(share, share, share, share, share, st.booleans()), min_size=1, max_size=4),
)
def test_walkers_without_a_fault_are_counted_alike(
    written: tuple[int, int],
    size: tuple[int, int],
    mode: str,
    extended: bool,
    turn: float,
    flipped: bool,
    walkers: list[tuple[float, float, float, float, float, bool]],
) -> None:
    """Neither slow nor short, once straight along the arrow or against it, well between the line's ends."""
    half = min(size) * 0.4
    middle = size[0] / 2, size[1] / 2
    along = math.cos(turn), math.sin(turn)
    arrow = (along[1], -along[0]) if not flipped else (-along[1], along[0])
    scale = written[0] / size[0], written[1] / size[1]

    def point(a: float, n: float) -> str:
        x, y = (middle[k] + along[k] * a + arrow[k] * n for k in (0, 1))
        return f"{round(x * scale[0])};{round(y * scale[1])}"

    numbers = ";".join([point(0, 0), point(0, half / 2), point(-half, 0), point(half, 0)])
    text = (
        f"[property]\nenable=1\nconfig-width={written[0]}\nconfig-height={written[1]}\n[line-crossing-stream-0]\nenable=1\n"
        f"mode={mode}\nextended={int(extended)}\nline-crossing-gate={numbers}\n"
    )
    limit, long = math.sqrt(GATES[mode][0]), GATES[mode][1]
    paths: list[Path] = []
    boxes = []
    for across, lean, pace, early, tall, with_it in walkers:
        height = size[1] * (0.03 + 0.12 * tall)
        boxes.append((height * 0.5, height))
        # Fast enough for the oldest position to be left behind by more than the limit and the band within the window.
        way = 1.3 * limit + 0.025 * size[1] + 8
        speed = way / 30 + (way / 3) * pace
        before = int(max(way / speed, long) + 3 + early * 6)
        angle = (lean - 0.5) * 0.5
        sense = 1.0 if with_it else -1.0
        step = [(arrow[k] * math.cos(angle) * sense + along[k] * math.sin(angle)) * speed for k in (0, 1)]
        start = [middle[k] + along[k] * (across - 0.5) * half for k in (0, 1)]
        shift = 0.37  # nobody stands on the line itself in any frame
        paths.append(
            [(start[0] + step[0] * (n - before + shift), start[1] + step[1] * (n - before + shift)) for n in range(100)]
        )
    result = compare(nvdsanalytics.parse(text, "gate.txt"), film(size, paths, boxes))
    counts = result.lines["camera", "gate"]
    assert result.differences == []
    assert counts.exact == counts.native == sum(with_it for *_, with_it in walkers)


def gap(point: tuple[float, float], polygon: list[tuple[float, float]]) -> float:
    """Distance to the nearest edge."""
    best = math.inf
    for (ax, ay), (bx, by) in zip(polygon, [*polygon[1:], polygon[0]]):
        dx, dy = bx - ax, by - ay
        square = dx * dx + dy * dy
        t = min(max(((point[0] - ax) * dx + (point[1] - ay) * dy) / square, 0), 1) if square else 0
        best = min(best, math.hypot(point[0] - ax - t * dx, point[1] - ay - t * dy))
    return best


@settings(max_examples=40)
@given(
    st.sampled_from(SIZES),
    st.sampled_from(SIZES),
    st.booleans(),
    st.integers(0, 4),
    st.lists(st.tuples(share, share), min_size=3, max_size=7),
    st.floats(0, math.tau),
    st.lists(st.tuples(share, share, st.floats(0, math.tau), share, share), min_size=1, max_size=5),
)
def test_regions_crowding_and_directions_agree_away_from_their_edges(
    written: tuple[int, int],
    size: tuple[int, int],
    inverse: bool,
    threshold: int,
    corners: list[tuple[float, float]],
    heading: float,
    walkers: list[tuple[float, float, float, float, float]],
) -> None:
    points = [(round(x * written[0]), round(y * written[1])) for x, y in corners]
    assume(len(set(points)) > 2)
    polygon = ";".join(f"{x};{y}" for x, y in points)
    centre = written[0] // 2, written[1] // 2
    length = min(written) // 3
    # The arrow as it is on screen: written in one picture, meant in another.
    head = round(centre[0] + length * math.cos(heading)), round(centre[1] + length * math.sin(heading))
    text = (
        f"[property]\nenable=1\nconfig-width={written[0]}\nconfig-height={written[1]}\n"
        f"[roi-filtering-stream-0]\nenable=1\ninverse-roi={int(inverse)}\nroi-area={polygon}\n"
        f"[overcrowding-stream-0]\nenable=1\nobject-threshold={threshold}\ntime-threshold=0\nroi-crowd={polygon}\n"
        f"[direction-detection-stream-0]\nenable=1\ndirection-way={centre[0]};{centre[1]};{head[0]};{head[1]}\n"
    )
    scale = size[0] / written[0], size[1] / written[1]
    edges = [(x * scale[0], y * scale[1]) for x, y in points]
    arrow = math.atan2((head[1] - centre[1]) * scale[1], (head[0] - centre[0]) * scale[0])
    paths: list[Path] = []
    boxes, angles = [], []
    for x, y, way, pace, tall in walkers:
        height = size[1] * (0.03 + 0.12 * tall)
        speed = max(1.5, height * 0.02) + size[1] * 0.01 * pace  # both engines see it move within their windows
        boxes.append((height * 0.5, height))
        paths.append(
            [(x * size[0] + speed * n * math.cos(way), y * size[1] + speed * n * math.sin(way)) for n in range(90)]
        )
        angles.append(abs((way - arrow + math.pi) % math.tau - math.pi))
    margin = 0.025 * size[1] + 4
    config = nvdsanalytics.parse(text, "areas.txt")
    converted = convert(config, {0: "camera"}, count="every")
    exact, native = DeepStreamRules(config), NativeRules(converted.model(), (), ())
    for number, frame in enumerate(film(size, paths, boxes)):
        (one,), (other,) = exact.update([frame]), native.update([frame])
        assert isinstance(one, DeepStreamAnalytics)
        clear = [gap(path[number], edges) > margin for path in paths]
        for k, path in enumerate(paths):
            told, says = status(one, k), status(other, k)
            if clear[k]:
                assert ("area" in told.regions) == ("area" in says.regions), (number, path[number])
            # A sum of negative centres makes the exact engine say STOPPED, as NVIDIA's does, and no direction is looked at.
            lately = path[number - 60 : number + 1]
            in_picture = all(x >= 1 and y - boxes[k][1] / 2 >= 1 for x, y in lately)
            if number >= 60 and in_picture and not math.radians(55) < angles[k] < math.radians(80):
                assert ("way" in told.direction) == ("way" in says.direction), (number, math.degrees(angles[k]))
        if all(clear):
            assert one.regions["area"].occupancy == other.regions["area"].occupancy
            assert one.regions["crowd"].occupancy == other.regions["crowd"].occupancy
            assert one.regions["crowd"].crowded == other.regions["crowd"].crowded


class Nothing:
    """What an object has of which no rule says anything."""

    regions: list[str] = []
    direction = ""


def status(analytics: Any, place: int) -> Any:
    """What is said of one object."""
    objects = analytics.objects
    return (objects[place] if len(objects) else None) or Nothing
