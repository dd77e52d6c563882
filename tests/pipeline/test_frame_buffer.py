"""The hand-over to the detector: files lose nothing, live sources keep the newest frame and count the loss."""

from __future__ import annotations

import threading

from countline.pipeline.frame_buffer import FrameBuffer
from countline.protocols import SourceStats
from countline.types import Frame, FrameInfo, SourceInfo


class _Blank:
    def bgr(self):
        raise AssertionError("the hand-over does not look at pixels")

    letterbox = bgr


def frame(source: int, number: int) -> Frame:
    return Frame(FrameInfo(SourceInfo(f"s{source}", source), number, number, number, 4, 4), _Blank())


def test_a_files_reader_waits_for_room_and_no_frame_is_lost() -> None:
    buffer = FrameBuffer([False], depth=2)
    stats = SourceStats()

    def read() -> None:
        for n in range(50):
            assert buffer.put(0, frame(0, n), stats)
        buffer.end(0)

    reader = threading.Thread(target=read)
    reader.start()
    seen = []
    while frames := buffer.take():
        seen += [f.info.number for f in frames]
    reader.join()
    assert seen == list(range(50))
    assert stats.dropped == 0
    assert stats.frames == 0, "frames are counted by their source, once"


def test_a_live_sources_newest_frame_wins_and_the_loss_is_counted() -> None:
    buffer = FrameBuffer([True])
    stats = SourceStats()
    for n in range(10):
        assert buffer.put(0, frame(0, n), stats)
    assert [f.info.number for f in buffer.take()] == [9]
    assert stats.dropped == 9


def test_rounds_over_files_have_the_same_members_whatever_the_readers_pace() -> None:
    buffer = FrameBuffer([False, False], depth=4)
    stats = [SourceStats(), SourceStats()]
    rounds: list[list[tuple[int, int]]] = []

    def take() -> None:
        while frames := buffer.take():
            rounds.append([(f.info.source.index, f.info.number) for f in frames])

    taker = threading.Thread(target=take)
    taker.start()
    for n in range(3):  # the first source is far ahead of the second
        buffer.put(0, frame(0, n), stats[0])
    buffer.end(0)
    for n in range(5):
        buffer.put(1, frame(1, n), stats[1])
    buffer.end(1)
    taker.join(10)
    assert rounds == [[(0, 0), (1, 0)], [(0, 1), (1, 1)], [(0, 2), (1, 2)], [(1, 3)], [(1, 4)]]


def test_after_a_stop_what_waits_is_handed_out_and_readers_are_told() -> None:
    buffer = FrameBuffer([False])
    stats = SourceStats()
    buffer.put(0, frame(0, 0), stats)
    buffer.stop()
    assert buffer.put(0, frame(0, 1), stats) is False
    assert [f.info.number for f in buffer.take()] == [0]
    assert buffer.take() == []


def test_no_sources_left_ends_the_rounds() -> None:
    buffer = FrameBuffer([True, False])
    buffer.end(0)
    buffer.end(1)
    assert buffer.take() == []


def test_who_has_waited_longest_is_next_and_a_newer_frame_keeps_the_place() -> None:
    buffer = FrameBuffer([True] * 4)
    stats = [SourceStats() for _ in range(4)]
    for source, number in [(2, 0), (0, 0), (3, 0), (2, 1), (2, 2), (1, 0)]:
        buffer.put(source, frame(source, number), stats[source])
    rounds = [[(f.info.source.index, f.info.number) for f in buffer.take(most)] for most in (1, 2, 1)]
    assert rounds == [[(2, 2)], [(0, 0), (3, 0)], [(1, 0)]]
    assert [s.dropped for s in stats] == [0, 0, 2, 0]


def test_a_fast_source_starves_nobody() -> None:
    buffer = FrameBuffer([True] * 3)
    stats = [SourceStats() for _ in range(3)]
    taken = []
    for number in range(30):
        for source in (0, 0, 0, 1, 2):  # three frames of the first for one of the others
            buffer.put(source, frame(source, number), stats[source])
        taken += [f.info.source.index for f in buffer.take(1)]
    assert [taken.count(source) for source in range(3)] == [10, 10, 10]


def test_frames_of_several_sources_are_waited_for_until_there_are_enough_or_the_time_is_over() -> None:
    buffer = FrameBuffer([True] * 3)
    stats = SourceStats()
    buffer.put(0, frame(0, 0), stats)
    late = threading.Timer(0.05, lambda: buffer.put(1, frame(1, 0), stats))
    late.start()
    assert [f.info.source.index for f in buffer.take(2, gather=60)] == [0, 1], "no longer than needed"
    buffer.put(2, frame(2, 0), stats)
    assert [f.info.source.index for f in buffer.take(2, gather=0.01)] == [2], "no longer than is said"


def test_rounds_over_files_are_whole_whatever_the_detector_has_room_for() -> None:
    buffer = FrameBuffer([False] * 3)
    for source in range(3):
        buffer.put(source, frame(source, 0), SourceStats())
    assert len(buffer.take(1)) == 3


def test_a_source_that_is_closed_while_others_are_waited_for_does_not_end_the_run() -> None:
    buffer = FrameBuffer([True, True])
    stats = SourceStats()
    buffer.put(1, frame(1, 0), stats)
    later = threading.Thread(target=lambda: buffer.put(0, frame(0, 0), stats))

    def gather(most: int, seconds: float) -> None:
        if buffer.depth() and later.ident is None:
            buffer.close(1)
            later.start()

    buffer._gather = gather  # type: ignore[method-assign]
    assert [f.info.source.name for f in buffer.take(2, 1.0)] == ["s0"], "an empty round is the end of all"
    later.join()


def test_where_one_frame_of_each_source_may_wait_nobody_else_is_waited_for_when_all_are_there() -> None:
    buffer = FrameBuffer([True, True], live_depth=1)
    stats = SourceStats()
    buffer.put(0, frame(0, 0), stats)
    taken: list[list[list[tuple[int, int]]]] = []

    def take() -> None:
        while rounds := buffer.take_rounds(8, patience=1e6):
            taken.append([[(f.info.source.index, f.info.number) for f in frames] for frames in rounds])

    taker = threading.Thread(target=take)
    taker.start()
    buffer.put(0, frame(0, 1), stats)
    buffer.put(1, frame(1, 0), stats)
    buffer.end(0)
    buffer.end(1)
    taker.join(30)
    assert not taker.is_alive()
    assert taken == [[[(0, 1), (1, 0)]]]
    assert stats.dropped == 1


def test_a_batch_is_filled_with_frames_of_those_live_sources_that_have_waited_longest() -> None:
    buffer = FrameBuffer([True] * 4, live_depth=4)
    stats = SourceStats()
    for source, number in ((3, 0), (0, 0), (2, 0), (1, 0), (2, 1), (0, 1), (1, 1), (2, 2)):
        buffer.put(source, frame(source, number), stats)
    names = [[(f.info.source.index, f.info.number) for f in frames] for frames in buffer.take_rounds(6, patience=1e6)]
    assert names == [[(0, 0), (1, 0), (2, 0), (3, 0)], [(0, 1), (2, 1)]], "of the second round those that came first"
    for source in range(4):
        buffer.end(source)
    left = [[(f.info.source.index, f.info.number) for f in frames] for frames in buffer.take_rounds(6, patience=1e6)]
    assert left == [[(1, 1), (2, 2)]]
    assert stats.dropped == 0


def test_a_batch_has_no_more_live_frames_than_asked_for_though_there_are_more_sources() -> None:
    buffer = FrameBuffer([True] * 5, live_depth=4)
    for source in range(5):
        buffer.put(source, frame(source, 0), SourceStats())
        buffer.end(source)
    sizes = []
    while rounds := buffer.take_rounds(2, patience=0.0):
        sizes.append([len(frames) for frames in rounds])
    assert sizes == [[2], [2], [1]]
