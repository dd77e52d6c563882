"""Moments as people and containers write them."""

from __future__ import annotations

import re
from datetime import datetime

__all__ = ["moment_of"]


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
