"""Where results go."""

from __future__ import annotations

import gzip
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import BinaryIO, cast

from countline.errors import DataError

__all__ = ["open_output"]


@contextmanager
def open_output(path: str) -> Iterator[BinaryIO]:
    """A binary stream for a file (compressed if its name ends in .gz), or standard output for ``-``. Raises DataError."""
    if path == "-":
        try:
            yield cast(BinaryIO, sys.stdout.buffer)
        except BrokenPipeError:
            # The reader has seen enough; what the interpreter flushes at exit must not complain either.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return
    try:
        plain = open(path, "wb")  # noqa: SIM115 - closed below; opening alone may fail
    except OSError as error:
        raise DataError(
            f"cannot be written: {error.strerror}", where=path, fix="give a file in a folder that you may write to"
        ) from None
    with plain:
        if path.endswith(".gz"):
            with gzip.GzipFile("", "wb", fileobj=plain, mtime=0) as packed:
                yield cast(BinaryIO, packed)
        else:
            yield plain
