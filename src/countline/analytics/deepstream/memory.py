"""Track memory of all streams as one struct of arrays, a slot for each track."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from countline.analytics.deepstream.numeric import Array, float_to_int32, float_to_uint32, half, wrap32

__all__ = ["Motion", "TrackMemory"]

PAGE = 64
TAME = 8192.0


class Motion:
    """What the memory says of each object of a batch after its sample was taken; arrays of one length, int64 unless said
    otherwise."""

    __slots__ = (
        "bottom",
        "cx",
        "cy",
        "displacement",
        "foot",
        "height",
        "mean_h",
        "n",
        "pw",
        "px",
        "py",
        "slot",
        "stopped",
        "tame",
        "width",
    )

    slot: Array
    cx: Array
    """Centre of the box, frame pixels, truncated."""
    cy: Array
    bottom: Array
    """cy + height / 2."""
    width: Array
    height: Array
    n: Array
    """Samples taken so far, this one included."""
    mean_h: Array
    """float32, mean height over the history."""
    foot: Array
    """Half of the truncated mean height: from centre to test point."""
    px: Array
    """Reference position (centre) and width; 0 while n <= 3."""
    py: Array
    pw: Array
    displacement: Array
    """Squared displacement of the bottom centre against the reference, truncated."""
    stopped: Array
    """bool: the track has stood still over a full history."""
    tame: bool
    """No number of these can leave 32 bits."""

    @classmethod
    def gathered(cls, parts: Sequence[Motion], order: Array) -> Motion:
        """Several batches as one, put into another order."""
        whole = cls()
        whole.tame = all(part.tame for part in parts)
        for name in cls.__slots__:
            if name == "tame":
                continue
            setattr(whole, name, np.concatenate([getattr(part, name) for part in parts])[order])
        return whole


class TrackMemory:
    """Histories of ``length`` samples, kept in pages so that a long history costs only what was filled."""

    def __init__(self, length: int, labels: int) -> None:
        self.length = length
        self.page = min(length, PAGE)
        self.capacity = 0
        self.n = np.zeros(0, np.int64)
        self.last = np.zeros(0, np.int64)
        self.sums = np.zeros((0, 5), np.uint64)  # cx, cy, cx², cy², height
        self.table = np.zeros((0, 1), np.int64)
        self.pool = np.zeros((0, self.page, 4), np.int32)  # cx, cy, width, height
        self.crossed = np.zeros((0, max(labels, 1)), bool)
        self.stage = np.zeros((0, max(labels, 1)), np.int8)
        self.peak = np.zeros(0, np.int64)
        self.class_id = np.zeros(0, np.int64)
        self.tame = True
        """No box so far was negative in size or beyond +-8192 pixels: nothing can leave 32 bits, so wrapping is left out."""
        self._free: list[int] = []
        self._free_pages: list[int] = []

    def widen(self, labels: int) -> None:
        """Make room for tracks that can cross ``labels`` different labels."""
        more = labels - self.crossed.shape[1]
        if more > 0:
            self.crossed = np.pad(self.crossed, ((0, 0), (0, more)))
            self.stage = np.pad(self.stage, ((0, 0), (0, more)))

    def take(self) -> int:
        """A fresh slot."""
        if not self._free:
            self._grow()
        return self._free.pop()

    def give_back(self, slots: Sequence[int]) -> None:
        """Empty these slots for reuse."""
        self.clear(slots)
        self._free.extend(slots)

    def clear(self, slots: Sequence[int]) -> None:
        """Forget what these slots hold; they stay taken."""
        at = np.asarray(slots, np.int64)
        self.n[at] = 0
        self.sums[at] = 0
        self.crossed[at] = False
        self.stage[at] = 0
        self.peak[at] = 0
        pages = self.table[at]
        self._free_pages.extend(pages[pages >= 0].tolist())
        self.table[at] = -1

    def _grow(self) -> None:
        old = self.capacity
        self.capacity = max(64, old * 2)
        more = self.capacity - old

        def grown(array: Array, fill: int = 0) -> Array:
            extra = np.full((more, *array.shape[1:]), fill, array.dtype)
            return np.concatenate([array, extra])

        self.n, self.last, self.peak = grown(self.n), grown(self.last), grown(self.peak)
        self.class_id = grown(self.class_id)
        self.sums, self.crossed, self.stage = grown(self.sums), grown(self.crossed), grown(self.stage)
        self.table = grown(self.table, -1)
        self._free.extend(range(self.capacity - 1, old - 1, -1))

    def _pages(self, slots: Array, at: Array) -> tuple[Array, Array]:
        """Page and place of the samples number ``at`` of the slots; pages are added where there are none yet."""
        number, place = np.divmod(at, self.page) if self.length > self.page else (np.zeros_like(at), at)
        widest = int(number.max(initial=0))
        if widest >= self.table.shape[1]:
            width = min(max(widest + 1, self.table.shape[1] * 2), -(-self.length // self.page))
            self.table = np.pad(self.table, ((0, 0), (0, width - self.table.shape[1])), constant_values=-1)
        page = self.table[slots, number]
        missing = np.flatnonzero(page < 0)
        if len(missing):
            short = len(missing) - len(self._free_pages)
            if short > 0:
                old = len(self.pool)
                more = max(short, 64, old)
                self.pool = np.concatenate([self.pool, np.zeros((more, self.page, 4), np.int32)])
                self._free_pages.extend(range(old + more - 1, old - 1, -1))
            fresh = [self._free_pages.pop() for _ in range(len(missing))]
            self.table[slots[missing], number[missing]] = fresh
            page[missing] = fresh
        return page, place

    def observe(self, slots: Array, boxes: Array, pts: Array) -> Motion:
        """Take one sample for each slot (no slot twice) and derive what the rules need.

        ``boxes`` are (N, 4) left, top, width, height in float32, ``pts`` signed ns.
        """
        if self.tame:
            self.tame = bool(np.abs(boxes).max() < TAME and boxes[:, 2:].min() >= 0)
        length = self.length
        self.last[slots] = pts
        n = self.n[slots]
        index = n % length
        full = n >= length
        # unsigned arithmetic modulo 2**32, then read as signed
        whole = sample = boxes.astype(np.int64) if self.tame else float_to_uint32(boxes)
        if not self.tame:
            sample = whole.copy()
        height = whole[:, 3].copy()
        sample[:, :2] += whole[:, 2:] >> 1
        if not self.tame:
            sample = wrap32(sample)
        sums = self.sums[slots]
        page, place = self._pages(slots, index)
        if full.any():
            old = self.pool[page[full], place[full]].astype(np.int64)
            sums[full] -= _moments(old, old[:, 3], self.tame)
        self.pool[page, place] = sample
        sums += _moments(sample, height, self.tame)
        self.sums[slots] = sums
        window = np.minimum(n + 1, length).astype(np.float32)
        n = n + 1
        self.n[slots] = n
        with np.errstate(all="ignore"):
            return self._derive(slots, sample, sums.astype(np.float32) / window[:, None], n)

    def _derive(self, slots: Array, sample: Array, means: Array, n: Array) -> Motion:
        motion = Motion()
        wrap = _same if self.tame else wrap32
        motion.tame = self.tame
        motion.slot, motion.n = slots, n
        motion.cx, motion.cy, motion.width, motion.height = sample.T
        motion.mean_h = mean_h = means[:, 4]
        motion.foot = mean_h.astype(np.int64) >> 1 if self.tame else half(float_to_int32(mean_h))
        variance = means[:, 2:4] - means[:, :2] * means[:, :2]
        motion.stopped = (
            (n > self.length) & (variance[:, 0] <= 400) & ((variance[:, 1] / mean_h).astype(np.float64) <= 0.01)
        )
        reference = self._reference(slots, n)
        motion.px, motion.py, motion.pw, previous_h = reference.T
        dx = wrap(motion.cx - motion.px).astype(np.float32)
        motion.bottom = wrap(motion.cy + half(motion.height))
        dy = wrap(motion.bottom - motion.py - half(previous_h)).astype(np.float32)
        distance = dx * dx + dy * dy
        motion.displacement = distance.astype(np.int64) if self.tame else float_to_int32(distance)
        known = n > 3
        self.peak[slots] = np.maximum(self.peak[slots], np.where(known, motion.displacement, 0))
        return motion

    def _reference(self, slots: Array, n: Array) -> Array:
        """(N, 4) position to compare with: mean of the first two samples, or of the four oldest of a full history."""
        length = self.length
        at = np.where(n[:, None] < length, _FIRST_TWO, (n[:, None] + _OLDEST_FOUR) % length)
        if length <= self.page:
            samples = self.pool[self.table[slots, 0][:, None], at]
        else:
            samples = self.pool[self.table[slots[:, None], at // self.page], at % self.page]
        total = samples.astype(np.int64).sum(axis=1)
        mean: Array = (total + ((total >> 63) & 3)) >> 2
        mean[n <= 3] = 0
        return mean


_FIRST_TWO = np.array([[0, 1, 0, 1]])
_OLDEST_FOUR = np.array([[0, 1, 2, 3]])


def _same(values: Array) -> Array:
    return values


def _moments(sample: Array, height: Array, tame: bool) -> Array:
    """(N, 5) contributions to the sums, modulo 2**64. The height is added unsigned but taken out signed, as NVIDIA does."""
    out = np.empty((len(sample), 5), np.int64)
    out[:, :2] = sample[:, :2]
    squares = sample[:, :2] * sample[:, :2]
    out[:, 2:4] = squares if tame else wrap32(squares)
    out[:, 4] = height
    return out.view(np.uint64)
