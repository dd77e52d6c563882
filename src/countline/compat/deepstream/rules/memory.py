"""Track memory of all streams as one struct of arrays, a slot for each track."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from countline.compat.deepstream.rules.numeric import ONE, Array, float_to_int32, float_to_uint32, half, wrap32

__all__ = ["Motion", "TrackMemory"]

PAGE = 64
WHEEL = 4096
TAME = 8192

# Columns of TrackMemory.rows. Where standing still matters, the sums of x, y, x², y² follow from X on. Sums are modulo 2**64.
SAMPLES, PHASE, LAST, CLASS, PEAK, HEIGHT, X = range(7)

_LIMIT = np.array(TAME, np.float32).view(np.uint32)
"""As bits, floats that are not negative have the order of whole numbers; what is negative, infinite or NaN is beyond."""
_SIZE_ONLY = np.array([[0x7FFFFFFF], [0x7FFFFFFF], [0xFFFFFFFF], [0xFFFFFFFF]], np.uint32)
"""Takes the sign off a position."""


class Motion:
    """What the memory says of each object of a batch after its sample was taken; arrays of one length, whole numbers
    unless said otherwise (32 bits wide if ``fits_int32``, else 64)."""

    __slots__ = (
        "bottom",
        "bottom_offset",
        "cx",
        "cy",
        "displacement",
        "fits_int32",
        "half_h",
        "height",
        "mean_h",
        "n",
        "pw",
        "px",
        "py",
        "slot",
        "stopped",
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
    half_h: Array
    """float32, half of it."""
    bottom_offset: Array
    """Half of the truncated mean height: from centre to test point."""
    px: Array
    """Reference position (centre) and width; that of the object itself while n <= 3."""
    py: Array
    pw: Array
    displacement: Array
    """Squared displacement of the bottom centre against the reference, truncated."""
    stopped: Array | None
    """bool: the track has stood still over a full history. None where no rule asks."""
    fits_int32: bool
    """No number of these can leave 32 bits, nor can sums of a few of them or the squares of differences."""

    @classmethod
    def gathered(cls, parts: Sequence[Motion], order: Array) -> Motion:
        """Several batches as one, put into another order."""
        joined = cls()
        joined.fits_int32 = all(part.fits_int32 for part in parts)
        for name in cls.__slots__:
            values = [getattr(part, name) for part in parts]
            if name != "fits_int32":
                setattr(joined, name, None if values[0] is None else np.concatenate(values)[order])
        return joined


class TrackMemory:
    """Histories of ``length`` samples. Long ones are kept in pages, so that they cost only what was filled.

    ``still``: whether the rules ask if a track stands still.
    """

    def __init__(self, length: int, lines: int, still: bool) -> None:
        self.length = length
        self.still = still
        self.capacity = 0
        self.rows = np.zeros((0, 10 if still else 6), np.int64)
        self.paged = length > PAGE
        self._each = np.array(length)
        self.turns = _wheel(np.arange(max(length, 4) + length), length) if length <= WHEEL else None
        """What :func:`_wheel` says of every phase, where these are not too many."""
        self.table = np.zeros((0, 1), np.int64)
        """Slot -> its pages in the pool. Short histories need none: there, the page is the slot."""
        self.pool = np.zeros((0, min(length, PAGE), 4), np.int32)
        """cx, cy, width, height; 0 where there is no sample yet."""
        self.samples = self.pool.reshape(-1, 4)
        self.stage = np.zeros((0, max(lines, 1)), np.int8)
        """How far a track has come with each line of its stream, see evaluate."""
        self.fits_int32 = True
        """No box so far was negative in size or beyond +-8192 pixels: nothing can leave 32 bits, so wrapping is left out."""
        self._free: list[int] = []
        self._free_pages: list[int] = []

    def widen(self, lines: int) -> None:
        """Make room for streams of this many lines."""
        more = lines - self.stage.shape[1]
        if more > 0:
            self.stage = np.pad(self.stage, ((0, 0), (0, more)))

    def take(self, pts: int) -> int:
        """A fresh slot, for a track that is first seen at ``pts``."""
        if not self._free:
            self._grow()
        slot = self._free.pop()
        self.rows[slot, LAST] = pts
        return slot

    def give_back(self, slots: Sequence[int]) -> None:
        """Empty these slots for reuse."""
        self.clear(slots)
        self._free.extend(slots)

    def clear(self, slots: Sequence[int]) -> None:
        """Forget what these slots hold; they stay taken."""
        at = np.asarray(slots, np.int64)
        self.rows[at] = 0
        self.stage[at] = 0
        if self.paged:
            pages = self.table[at]
            pages = pages[pages >= 0]
            self._free_pages.extend(pages.tolist())
            self.table[at] = -1
            self.pool[pages] = 0
        else:
            self.pool[at] = 0

    def _grow(self) -> None:
        old = self.capacity
        self.capacity = max(64, old * 2)
        more = self.capacity - old
        self.rows = _longer(self.rows, more)
        self.stage = _longer(self.stage, more)
        if self.paged:
            self.table = _longer(self.table, more, -1)
        else:
            self._enlarge(more)
        self._free.extend(range(self.capacity - 1, old - 1, -1))

    def _enlarge(self, more: int) -> None:
        self.pool = _longer(self.pool, more)
        self.samples = self.pool.reshape(-1, 4)

    def _turn(self, slots: Array, phase: Array) -> tuple[Array, Array, Array]:
        """(5, N) rows of ``samples``: where the next sample of each slot goes, and the four behind its reference; phases
        after this sample; how many samples there are in the history then, as float32."""
        if self.turns is not None:
            wheel, window = self.turns[0].take(phase, axis=1), self.turns[1].take(phase)
        else:
            wheel, window = _wheel(phase, self.length)
        places = self._in_pages(slots, wheel[:5]) if self.paged else slots * self._each + wheel[:5]
        return places, wheel[5], window

    def _in_pages(self, slots: Array, at: Array) -> Array:
        """Rows of ``samples`` for the samples number ``at`` of the slots; pages are added for the first row of ``at``."""
        number, place = np.divmod(at, PAGE)
        widest = int(number.max(initial=0))
        if widest >= self.table.shape[1]:
            width = min(max(widest + 1, self.table.shape[1] * 2), -(-self.length // PAGE))
            self.table = np.pad(self.table, ((0, 0), (0, width - self.table.shape[1])), constant_values=-1)
        missing = np.flatnonzero(self.table[slots, number[0]] < 0)
        if len(missing):
            short = len(missing) - len(self._free_pages)
            if short > 0:
                old = len(self.pool)
                more = max(short, 64, old)
                self._enlarge(more)
                self._free_pages.extend(range(old + more - 1, old - 1, -1))
            fresh = [self._free_pages.pop() for _ in range(len(missing))]
            self.table[slots[missing], number[0, missing]] = fresh
        places: Array = self.table[slots, number] * PAGE + place
        return places

    def observe(self, slots: Array, boxes: Array, pts: int | Array, class_id: Array) -> Motion:
        """Take one sample for each slot (no slot twice) and derive what the rules need.

        ``boxes`` are (4, N) left, top, width, height in float32, ``pts`` signed ns, of each or one for all.
        """
        bits = boxes.view(np.uint32)
        if self.fits_int32 and np.count_nonzero(bits >= _LIMIT):
            self.fits_int32 = not np.count_nonzero((bits & _SIZE_ONLY) >= _LIMIT)
        # unsigned arithmetic modulo 2**32, then read as signed
        sample = boxes.astype(np.int32) if self.fits_int32 else float_to_uint32(boxes)
        height = sample[3]
        sample[:2] += sample[2:] >> ONE
        if not self.fits_int32:
            sample = wrap32(sample)
        motion = Motion()
        motion.fits_int32, motion.slot = self.fits_int32, slots
        rows = self.rows.take(slots, axis=0)
        columns = rows.T
        n, phase, total, peak = columns[SAMPLES], columns[PHASE], columns[HEIGHT], columns[PEAK]
        n += ONE
        columns[LAST], columns[CLASS] = pts, class_id
        places, columns[PHASE], window = self._turn(slots, phase)
        gone = self.samples.take(places[0], axis=0)  # zeros while the history is not full
        self.samples[places[0]] = sample.T
        oldest = self.samples.take(places[1:], axis=0)
        # the height is added unsigned but taken out signed, as NVIDIA does
        total += height
        total -= gone[:, 3]
        motion.n = n
        motion.mean_h = _floats(total) / window
        if self.fits_int32:  # towards zero, as C divides
            reference = (np.add.reduce(oldest, axis=0, dtype=sample.dtype) * _QUARTER).astype(sample.dtype)
        else:
            reference = self._wrapped_reference(n[:, None], sample.T, oldest.astype(np.int64))
        self._derive(motion, sample, reference)
        motion.stopped = self._stands(columns, sample, gone, window, motion.mean_h) if self.still else None
        np.maximum(peak, motion.displacement, out=peak)
        self.rows[slots] = rows
        return motion

    def _wrapped_reference(self, n: Array, sample: Array, oldest: Array) -> Array:
        """(N, 4) reference of each object: NVIDIA adds in 32 bits, two samples while the history is not full, else four."""
        two = half(wrap32(oldest[0] + oldest[1]))
        four = (wrap32(np.add.reduce(oldest, axis=0)) * _QUARTER).astype(np.int64)
        return np.where(n <= 3, sample, np.where(n < self.length, two, four))

    def _derive(self, motion: Motion, sample: Array, reference: Array) -> None:
        """Everything that follows from the sample, the reference and the mean height."""
        motion.cx, motion.cy, motion.width, motion.height = sample
        motion.half_h = motion.mean_h * _HALF
        motion.px, motion.py, motion.pw, previous_h = reference.T
        if self.fits_int32:
            motion.bottom_offset = motion.half_h.astype(np.int32)
            motion.bottom = motion.cy + (motion.height >> ONE)
            dx = motion.cx - motion.px
            dy = motion.bottom - motion.py - (previous_h >> ONE)
        else:
            motion.bottom_offset = half(float_to_int32(motion.mean_h))
            motion.bottom = wrap32(motion.cy + half(motion.height))
            dx = wrap32(motion.cx - motion.px)
            dy = wrap32(motion.bottom - motion.py - half(previous_h))
        x, y = dx.astype(np.float32), dy.astype(np.float32)
        distance = x * x + y * y
        motion.displacement = distance.astype(np.int32) if self.fits_int32 else float_to_int32(distance)

    def _stands(self, columns: Array, sample: Array, gone: Array, window: Array, mean_h: Array) -> Array:
        """Whether the position has hardly varied over a full history; keeps the sums that say so."""
        now, then = sample[:2].astype(np.int64), gone.T[:2].astype(np.int64)
        sums = columns[X:]
        sums[:2] += now - then
        now *= now
        then *= then
        sums[2:] += now - then if self.fits_int32 else wrap32(now) - wrap32(then)
        means = _floats(sums) / window
        with np.errstate(all="ignore"):
            along, across = means[2:] - means[:2] * means[:2]
            steady = across / mean_h
        still: Array = (columns[SAMPLES] > self.length) & (along <= 400) & (steady.astype(np.float64) <= 0.01)
        return still


def _wheel(phase: Array, length: int) -> tuple[Array, Array]:
    """What follows from how many samples a track has, its phase: (6, N) the place of the next sample in a history of
    ``length``, four places whose mean is the reference (of the first two, or the four oldest of a full history; the next
    sample itself up to the third), and the next phase; and how many samples there are then.

    A phase is the number of samples as long as it is below ``length`` (or 4), then one of ``length`` that take turns.
    """
    grown = max(length, 4)
    n = np.where(phase < grown, phase, grown + (phase - grown - grown) % length)
    wheel = np.empty((6, len(n)), np.int64)
    wheel[0] = n % length
    wheel[1:5] = np.where(n + 1 < length, _FIRST_TWO, (n + 1 + _OLDEST_FOUR) % length)
    wheel[1:5, n < 3] = wheel[0, n < 3]
    wheel[5] = np.where(n + 1 < grown, n + 1, grown + (n + 1) % length)
    return wheel, np.minimum(n + 1, length).astype(np.float32)


_HALF, _QUARTER = np.array(0.5, np.float32), np.array(0.25)
_FIRST_TWO = np.array([[0], [1], [0], [1]])
_OLDEST_FOUR = np.array([[0], [1], [2], [3]])


def _longer(array: Array, more: int, fill: int = 0) -> Array:
    return np.concatenate([array, np.full((more, *array.shape[1:]), fill, array.dtype)])


def _floats(total: Array) -> Array:
    """Unsigned numbers as float32."""
    return total.view(np.uint64).astype(np.float32)
