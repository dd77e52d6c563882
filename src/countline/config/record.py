"""Where and for how long tracks are kept."""

from __future__ import annotations

import re
from typing import Annotated, Any

from pydantic import AfterValidator, Field

from countline.config.base import FileName, Model
from countline.config.faults import ConfigFault

__all__ = ["RecordConfig", "expand_record", "keep_of"]

_AGES = {"h": 3600, "d": 86_400, "w": 604_800}
_SIZES = {
    "kB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12, "KiB": 2**10, "MiB": 2**20, "GiB": 2**30, "TiB": 2**40
}  # fmt: skip
_PART = re.compile(r"(\d+(?:\.\d+)?)\s*([A-Za-z]+)")
_FIX = "write an age, a size or both: `30 d`, `100 GiB`, `30 d | 100 GiB` (h, d, w; MB, GB, TB, MiB, GiB, TiB)"


def keep_of(text: str) -> tuple[float | None, int | None]:
    """(age in seconds, size in bytes) of a bound such as '30 d | 100 GiB'; None for what it does not name. Raises ConfigFault.

    >>> keep_of("30 d | 100 GiB")
    (2592000.0, 107374182400)
    """
    age: float | None = None
    size: int | None = None
    for part in re.split(r"\s*[|,]\s*", text.strip()):
        match = _PART.fullmatch(part)
        number, unit = (float(match[1]), match[2]) if match else (0.0, "")
        if number <= 0 or not (unit in _AGES or unit in _SIZES):
            raise ConfigFault(f"'{part}' is neither an age nor a size", fix=_FIX)
        if (age if unit in _AGES else size) is not None:
            raise ConfigFault(f"'{text}' names two {'ages' if unit in _AGES else 'sizes'}", fix=_FIX)
        if unit in _AGES:
            age = number * _AGES[unit]
        else:
            size = int(number * _SIZES[unit])
    return age, size


def _keep(value: str) -> str:
    keep_of(value)
    return value


def _named(value: str) -> str:
    if not value:
        raise ValueError("the path is empty")
    return value


class RecordConfig(Model):
    """The tracks of all sources, as the rules saw them: one Parquet file for each source and hour."""

    path: Annotated[FileName, AfterValidator(_named)]
    """Folder; each source has one of its own in it."""
    keep: Annotated[str, AfterValidator(_keep)] = "30 d | 100 GiB"
    """Bound by age, size or both: what was recorded longest ago is removed."""
    flush: float = Field(default=10.0, ge=0.5, le=600)
    """Seconds after which what was recorded is on disk: a power cut loses no more than this."""
    max_waiting: int = Field(default=20_000, ge=100)
    """Frames that may wait to be written. Live sources lose what is beyond (counted), files wait."""


def expand_record(value: Any) -> Any:
    """The mapping that the short form ``record: FOLDER`` stands for."""
    return {"path": value} if isinstance(value, str) else value
