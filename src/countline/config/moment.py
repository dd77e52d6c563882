"""Moments as people, containers and names of recordings write them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone, tzinfo
from pathlib import PurePath
from zoneinfo import ZoneInfo

__all__ = ["NameTime", "moment_of", "name_time", "no_start"]

_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)


def moment_of(text: str) -> datetime | None:
    """ISO 8601 with any number of decimals, 'Z' or an offset with or without colon, also on Python 3.10; None for what is no
    moment of the calendar."""
    text = re.sub(r"[Zz]$", "+00:00", text.strip())
    text = re.sub(r"([+-]\d\d)(\d\d)$", r"\1:\2", text) if "T" in text or " " in text else text
    text = re.sub(r"\.(\d+)", lambda match: "." + match.group(1)[:6].ljust(6, "0"), text)
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        return None


_FORM = re.compile(r"\{name:(?P<format>[^{}]+)\}(?:\s+(?P<zone>[A-Za-z][\w+\-/]*))?")
_DIGITS = {
    "Y": r"\d{4}", "y": r"\d{2}", "m": r"\d{2}", "d": r"\d{2}", "j": r"\d{3}", "H": r"\d{2}", "M": r"\d{2}",
    "S": r"\d{2}", "f": r"\d{1,9}", "s": r"\d{9,11}", "z": r"(?:Z|[+-]\d{2}:?\d{2})",
}  # fmt: skip
_SHORT = {"F": "%Y-%m-%d", "T": "%H:%M:%S"}


@dataclass(frozen=True)
class NameTime:
    """Finds the time in the name of a recording, by a format of ``strftime``: year to microsecond (``%Y %y %m %d %j %H %M %S
    %f``), ``%z``, or ``%s`` for seconds since 1970. A format with ``/`` looks at folders, too.

    >>> name_time("{name:%Y%m%d-%H%M%S} Europe/Berlin").of("gate_20261122-090000.ts")
    1795334400000000000
    """

    pattern: re.Pattern[str]
    folders: int
    """How many of the folders above belong to it."""
    zone: tzinfo
    """Whose clock wrote the name, where the name does not say."""

    def of(self, path: str | PurePath) -> int | None:
        """Time in ns since the Unix epoch, None if the name tells none. Of an hour that clocks repeat it is the first."""
        parts = PurePath(path).parts[-1 - self.folders :]
        for match in self.pattern.finditer("/".join(parts)):
            try:
                return self._ns(match.groupdict())
            except (ValueError, OverflowError):
                continue  # digits that are no date
        return None

    def _ns(self, found: dict[str, str | None]) -> int:
        part = {name: value for name, value in found.items() if value is not None}
        decimals = int(part["f"].ljust(9, "0")) if "f" in part else 0
        if "s" in part:
            return int(part["s"]) * 10**9 + decimals
        year = int(part["Y"]) if "Y" in part else 2000 + int(part["y"])
        month, day, hour, minute, second = (int(part.get(n, d)) for n, d in zip("mdHMS", (1, 1, 0, 0, 0)))
        moment = datetime(year, month, day, hour, minute, second)
        if "j" in part:
            moment += timedelta(days=int(part["j"]) - 1)
        zone = _offset(part["z"]) if "z" in part else self.zone
        since = moment.replace(tzinfo=zone).astimezone(timezone.utc) - _EPOCH
        return (since.days * 86400 + since.seconds) * 10**9 + decimals


def _offset(text: str) -> tzinfo:
    if text == "Z":
        return timezone.utc
    sign = -1 if text[0] == "-" else 1
    return timezone(sign * timedelta(hours=int(text[1:3]), minutes=int(text[-2:])))


def name_time(text: str) -> NameTime:
    """The reader of names for ``{name:FORMAT}``, maybe with an IANA time zone behind it (UTC unless given). Raises ValueError,
    whose text says what is wrong."""
    match = _FORM.fullmatch(text.strip())
    if match is None:
        raise ValueError("is not {name:FORMAT}, maybe with a time zone behind it")
    try:
        zone: tzinfo = ZoneInfo(match["zone"]) if match["zone"] and match["zone"] != "UTC" else timezone.utc
    except (KeyError, ValueError, OSError):
        raise ValueError(f"names the time zone '{match['zone']}', which is not known") from None
    written = re.sub("%([FT])", lambda short: _SHORT[short[1]], match["format"])
    pattern, used = "", []
    for piece in re.split("(%.?)", written):
        if not piece.startswith("%") or piece == "%%":
            pattern += re.escape("%" if piece == "%%" else piece)
            continue
        name = piece[1:]
        if name not in _DIGITS or name in used:
            raise ValueError(f"has '{piece}', which is not known or stands there twice")
        used.append(name)
        pattern += f"(?P<{name}>{_DIGITS[name]})"
    dated = "j" in used or {"m", "d"} <= set(used)
    if "s" not in used and not (dated and {"Y", "y"} & set(used)):
        raise ValueError("tells no date: it needs %Y, %m and %d (or %Y and %j, or %s)")
    alone = ("(?<!\\d)" if written.startswith("%") else "") + pattern + ("(?!\\d)" if written[-2:-1] == "%" else "")
    return NameTime(re.compile(alone), written.count("/"), zone)


def no_start(text: str) -> tuple[str, str] | None:
    """What is wrong with a ``start``, and what to do; None if nothing is."""
    if text.lstrip().startswith("{"):
        try:
            name_time(text)
        except ValueError as error:
            return f"'{text}' {error}", 'write it as "{name:%Y%m%d-%H%M%S}" or "{name:%Y%m%d-%H%M%S} Europe/Berlin"'
        return None
    moment = moment_of(text)
    if moment is None or moment.tzinfo is None:
        fix = "write it as 2026-11-22T08:00:00Z or 2026-11-22T09:00:00+01:00"
        return f"'{text}' is not a time with its offset from UTC", fix
    return None
