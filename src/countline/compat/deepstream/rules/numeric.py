"""C's number conversions as they come out on x86-64, on arrays. Overflowing ones are what the processor gives."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["NOUGHT", "ONE", "Array", "float_to_int32", "float_to_uint32", "half", "ragged", "wrap32"]

Array = NDArray[Any]
_INT32_MIN = -(2**31)

# As arrays, which NumPy takes in half the time that it needs for Python's own numbers.
NOUGHT = np.array(0, np.int32)
ONE = np.array(1, np.int32)


def wrap32(values: Array) -> Array:
    """int64 -> what is left in a 32-bit int, again as int64."""
    return values.astype(np.int32).astype(np.int64)


def float_to_int32(values: Array) -> Array:
    """Truncation to a 32-bit int; NaN and what does not fit give -2**31. As int64."""
    fits = (values > -2147483649.0) & (values < 2147483648.0)
    return np.where(fits, values, _INT32_MIN).astype(np.int64)


def float_to_uint32(values: Array) -> Array:
    """Truncation to an unsigned 32-bit int by way of 64 bits: a negative number wraps. As int64 in 0..2**32-1."""
    fits = (values > -9.2233720368547758e18) & (values < 9.2233720368547758e18)
    return np.where(fits, values, 0.0).astype(np.int64) & 0xFFFFFFFF


def half(values: Array) -> Array:
    """Division by 2 towards zero."""
    result: Array = (values - (values >> 63)) >> 1
    return result


def ragged(counts: Array, offsets: Array) -> tuple[Array, Array]:
    """For each i, counts[i] consecutive numbers from offsets[i] on: (which i, the number), both flat."""
    owner = np.repeat(np.arange(len(counts)), counts)
    starts = np.cumsum(counts) - counts
    return owner, np.arange(len(owner)) - starts[owner] + offsets[owner]
