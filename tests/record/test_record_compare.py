"""compare and convert where the two engines' configurations and memories do not match one to one."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from countline.compat.deepstream.files import nvdsanalytics
from countline.compat.deepstream.migrate.compare import Comparison, compare
from countline.compat.deepstream.migrate.native_rules import convert
from countline.types import FrameInfo, FrameTracks, SourceInfo, Tracks

HEAD = "[property]\nenable=1\nconfig-width=1920\nconfig-height=1080\n"
GATE = "960;300;960;780;400;540;1520;540"
FRAME_NS = 33_333_333


def polygon_contains(points: list[tuple[float, float]], x: float, y: float) -> bool:
    """Even-odd test of one point; left and top edges of an axis-parallel box are inside, right and bottom ones not."""
    inside = False
    for (x1, y1), (x2, y2) in zip(points, [*points[1:], points[0]]):
        if (y1 <= y) != (y2 <= y):
            cross = (x2 - x1) * (y - y1) - (y2 - y1) * (x - x1)
            inside ^= (cross > 0) == (y2 > y1)
    return inside


def film(feet: list[tuple[float, float] | None], times: list[int] | None = None) -> list[FrameTracks]:
    """Track 7, 40 x 80 pixels, with its bottom centre at these places; None: not seen."""
    out = []
    for number, foot in enumerate(feet):
        info = FrameInfo(
            SourceInfo("cam"), number, (times or [n * FRAME_NS for n in range(len(feet))])[number], 0, 1920, 1080
        )
        box = [] if foot is None else [[foot[0] - 20, foot[1] - 80, foot[0] + 20, foot[1]]]
        boxes = np.array(box, np.float32).reshape(-1, 4)
        out.append(FrameTracks(info, Tracks(boxes, np.ones(len(box)), np.zeros(len(box)), [7] * len(box))))
    return out


def run(lines: str, frames: list[FrameTracks], head: str = HEAD) -> Comparison:
    return compare(nvdsanalytics.parse(head + lines, "rules.txt"), frames)


def group(label: str, points: str, number: str = "0", more: str = "") -> str:
    return f"[line-crossing-stream-{number}]\nenable=1\n{more}line-crossing-{label}={points}\n"


DOWN = [(960.0, 400.0 + 10 * n) for n in range(40)]
UP = DOWN[::-1]


def test_two_lines_of_one_label_count_once_in_the_exact_engine() -> None:
    lower = "960;300;960;780;400;640;1520;640"
    result = run(group("A", GATE) + group("A", lower, "00"), film(DOWN))
    counts = result.lines["cam", "A"]
    assert (counts.exact, counts.native) == (1, 2)
    assert [d.cause for d in result.differences] == ["once"]
    assert any("once-only" in line for line in result.text())


@pytest.mark.parametrize(("gap", "cause"), [(2, ["once"]), (8, ["once"]), (9, [])])
def test_a_track_is_judged_when_the_exact_engine_forgets_it(gap: int, cause: list[str]) -> None:
    """Down, back up unseen, and down again: one life in the exact engine if the gap is at most 8000 ms."""
    feet = [*DOWN, *[None] * gap, *DOWN]
    times = [n * FRAME_NS for n in range(40)]
    end = times[-1]
    times += [end + (k + 1) * 1_000_000_000 - 1 for k in range(gap)]
    times += [end + gap * 1_000_000_000 + k * FRAME_NS for k in range(40)]
    result = run(group("A", GATE), film(feet, times))
    assert [d.cause for d in result.differences] == cause
    assert result.lines["cam", "A"].native == 2


def test_a_file_that_is_switched_off_explains_every_difference() -> None:
    result = run(group("A", GATE), film(DOWN), HEAD.replace("enable=1", "enable=0"))
    assert [d.cause for d in result.differences] == ["off"]


def test_the_cause_is_that_of_the_passage_and_not_of_the_whole_track() -> None:
    """Far away the track passes the line's extension in a hurry; it crawls over the line itself."""
    hurry = [(1800.0, 300.0 + 10 * n) for n in range(60)]
    way = [(1800.0 - 14 * n, 890.0) for n in range(60)]
    rest = [(960.0, 890.0 - 2 * n) for n in range(150)]
    crawl = [(960.0, 590.0 - 0.4 * n) for n in range(300)]
    upward = "960;780;960;300;400;540;1520;540"
    result = run(group("A", upward, more="extended=0\n"), film([*hurry, *way, *rest, *crawl]))
    assert [(d.exact, d.native, d.cause) for d in result.differences] == [(0, 1, "slow")]


def test_a_line_without_an_equal_is_named_and_explains_its_counts() -> None:
    frames = film(DOWN)
    frames = [FrameTracks(f.info, Tracks(f.tracks.xyxy, f.tracks.confidence, [-5], [7])) for f in frames]
    result = run(group("A", GATE, more="class-id=-5\n"), frames)
    assert [(d.exact, d.native, d.cause) for d in result.differences] == [(1, 0, "omitted")]
    assert "it looks at no class that exists" in "\n".join(result.text())


def test_a_class_that_changes_between_the_two_counts_is_the_cause() -> None:
    """The exact engine counts on the line, the native one beyond its band."""
    frames = [
        FrameTracks(f.info, Tracks(f.tracks.xyxy, f.tracks.confidence, [0 if f.info.number < 15 else 3], [7]))
        for f in film(DOWN)
    ]
    result = run(group("A", GATE, more="class-id=0\n"), frames)
    assert [(d.exact, d.native, d.cause) for d in result.differences] == [(1, 0, "class")]


def test_boxes_that_only_the_exact_engine_takes_are_the_cause() -> None:
    frames = []
    for frame in film(DOWN):
        box = frame.tracks.xyxy + np.array([-(2**22), 0, 2**22, 0], np.float32) * (frame.info.number > 12)
        frames.append(FrameTracks(frame.info, Tracks(box, [1], [0], [7])))
    result = run(group("A", GATE), frames)
    assert [(d.exact, d.native, d.cause) for d in result.differences] == [(1, 0, "box")]


# -- convert: what lies far outside the picture ----------------------------------------------------------------------


def test_a_line_that_reaches_far_beyond_the_picture_counts_alike() -> None:
    for more in ("", "extended=0\n"):
        result = run(group("A", "960;300;960;780;0;540;19000;540", more=more), film(DOWN))
        counts = result.lines["cam", "A"]
        assert (counts.exact, counts.native) == (1, 1)


def test_what_is_wholly_outside_the_picture_is_left_out_and_said() -> None:
    for lines, words in (
        (group("A", "9;9;9;99;8000;500;9000;500", more="extended=0\n"), "it lies wholly outside the picture"),
        (
            "[roi-filtering-stream-0]\nenable=1\nroi-A=8000;0;9000;0;9000;900\n",
            "it encloses nothing in or near the picture",
        ),
        ("[roi-filtering-stream-0]\nenable=1\nroi-A=0;0;0;2160;0;2161\n", "it encloses nothing in or near the picture"),
    ):
        converted = convert(nvdsanalytics.parse(HEAD + lines, "rules.txt"))
        assert converted.rules == []
        assert f"'A' of stream 0 left out: {words}" in converted.notes


@pytest.mark.parametrize("points", ["8000;0;9000;0;9000;900", "5;5;9;9"])
def test_an_inverse_region_of_nothing_is_everything(points: str) -> None:
    text = f"[roi-filtering-stream-0]\nenable=1\ninverse-roi=1\nroi-A={points}\n"
    (rule,) = convert(nvdsanalytics.parse(HEAD + text, "rules.txt")).rules
    assert "inverse" not in rule.values
    assert polygon_contains(rule.values["points"], 0.5, 0.5)


coordinate = st.one_of(st.integers(0, 1920), st.integers(0, 20_000))


@given(
    st.lists(st.tuples(coordinate, coordinate), min_size=3, max_size=8),
    st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1)), max_size=30),
)
def test_a_polygon_that_is_cut_contains_what_it_did(
    points: list[tuple[int, int]], tests: list[tuple[float, float]]
) -> None:
    assume(len(set(points)) > 2)
    text = "[roi-filtering-stream-0]\nenable=1\nroi-A=" + ";".join(f"{x};{y}" for x, y in points) + "\n"
    converted = convert(nvdsanalytics.parse(HEAD + text, "rules.txt"))
    converted.model()
    whole = [(x / 1920, y / 1080) for x, y in points]
    cut = converted.rules[0].values["points"] if converted.rules else []
    for x, y in tests:
        near = any(
            abs((b[0] - a[0]) * (y - a[1]) - (b[1] - a[1]) * (x - a[0]))
            < 1e-5 * (1 + abs(b[0] - a[0]) + abs(b[1] - a[1]))
            for a, b in pairwise([*whole, whole[0]])
        )
        if not near:
            assert (bool(cut) and polygon_contains(cut, x, y)) == polygon_contains(whole, x, y)


@given(coordinate, coordinate, coordinate, coordinate)
def test_an_arrow_that_reaches_far_points_the_same_way(ax: int, ay: int, bx: int, by: int) -> None:
    assume((ax, ay) != (bx, by))
    text = f"[direction-detection-stream-0]\nenable=1\ndirection-A={ax};{ay};{bx};{by}\n"
    converted = convert(nvdsanalytics.parse(HEAD + text, "rules.txt"))
    converted.model()
    (tail, head) = converted.rules[0].values["points"]
    one = complex((bx - ax) / 1920, (by - ay) / 1080)
    other = complex(head[0] - tail[0], head[1] - tail[1])
    assert abs(one / abs(one) - other / abs(other)) < 2e-3
