"""All that a message is made of as bytes, and back, so that one that could not be made can be made another time. Pure.

The bytes are JSON, compressed. Numbers, boxes and ids come back exactly as they were. Pictures are not kept.
"""

from __future__ import annotations

import math
import zlib
from base64 import b64decode, b64encode
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields, is_dataclass
from functools import cache
from typing import Any

import numpy as np
import orjson

from countline import types
from countline.analytics.native.kinds import event_types, state_types
from countline.types import Analytics, CounterDelta, CounterKey, Event, TimeQuality

__all__ = ["Snapshot", "pack", "unpack"]

MOST_BYTES = 64 << 20
"""Bytes that a snapshot may unfold to."""

Path = Sequence[Sequence[float]]


@dataclass(frozen=True)
class Snapshot:
    """What a definition was given when it failed."""

    analytics: Analytics
    """With the window and the gap that the message was to tell of."""
    hits: Sequence[Event]
    """The events behind the message, in the order of the definition."""
    event: int | None = None
    """Which of them it was to tell of; None: of the whole frame."""
    id: str = ""
    mark: str = ""
    """What the stream began with; part of the ids of its messages."""
    paths: Mapping[int, Path] = field(default_factory=dict)
    """Track id -> its trajectory so far, where the definition has such."""


_OWN: dict[str, Any] = {
    cls.__name__: cls
    for cls in (
        *(Analytics, types.Tracks, types.FrameInfo, types.SourceInfo, types.Count, types.LineState, types.RegionState),
        *(types.DirectionState, types.ObjectStatus, types.Window, types.Gap, types.ConfigChange, types.StateChange),
        types.Heartbeat,
        *(
            Event,
            types.Crossing,
            types.Enter,
            types.Leave,
            types.Dwell,
            types.Crowding,
            types.Heading,
            types.ViewChange,
        ),
        *(types.Speeding, types.Journey),
    )
}


@cache
def _classes() -> Mapping[str, Any]:
    """Name -> class, those included that kinds of rules bring with them."""
    brought = (*event_types().values(), *state_types().values())
    return {**{cls.__name__: cls for cls in brought}, **_OWN}


_TUPLES: dict[str, Any] = {cls.__name__: cls for cls in (CounterKey, CounterDelta)}


def pack(snapshot: Snapshot) -> bytes:
    """A snapshot as bytes. Raises TypeError for what is no part of analytics."""
    parts = {f.name: _out(getattr(snapshot, f.name)) for f in fields(snapshot)}
    return zlib.compress(orjson.dumps(parts), 1)


def unpack(data: bytes) -> Snapshot:
    """The snapshot that :func:`pack` made bytes of. Raises ValueError."""
    try:
        unfolder = zlib.decompressobj()
        text = unfolder.decompress(data, MOST_BYTES)
        if not unfolder.eof:
            raise ValueError("not whole, or too large")
        found = {name: _in(value) for name, value in orjson.loads(text).items()}
        return Snapshot(**found)
    except (zlib.error, KeyError, TypeError, AttributeError, ValueError) as error:
        raise ValueError(f"what was kept of it cannot be read: {error}") from None


def _out(value: Any) -> Any:
    if isinstance(value, TimeQuality):
        return {"_": "quality", "v": value.value}
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, np.generic):
        return _out(value.item())
    if isinstance(value, str):
        return (
            value
            if value.isascii() or _clean(value)
            else {"_": "text", "v": value.encode("utf-8", "surrogatepass").hex()}
        )
    if isinstance(value, int):
        return value if -(2**63) <= value < 2**64 else {"_": "int", "v": str(value)}
    if isinstance(value, float):
        return value if math.isfinite(value) else {"_": "float", "v": repr(value)}
    return _compound(value)


def _compound(value: Any) -> Any:
    if isinstance(value, np.ndarray) and value.dtype.kind in "OV":  # Python's objects: texts of a user's detector, say
        return {"_": "objects", "s": list(value.shape), "v": [_out(item) for item in value.reshape(-1).tolist()]}
    if isinstance(value, np.ndarray):
        data = b64encode(np.ascontiguousarray(value).tobytes()).decode()
        return {"_": "array", "t": value.dtype.str, "s": list(value.shape), "v": data}
    if is_dataclass(value) and not isinstance(value, type):
        # An engine's own kind of analytics is kept as what all engines give.
        cls: Any = next((c for c in type(value).__mro__ if _classes().get(c.__name__) is c), None)
        if cls is None:
            raise TypeError(f"{type(value).__name__} is no part of analytics")
        return {"_": cls.__name__, **{f.name: _out(getattr(value, f.name)) for f in fields(cls)}}
    if type(value).__name__ in _TUPLES:
        return {"_": type(value).__name__, "v": [_out(item) for item in value]}
    if isinstance(value, Mapping):
        return {"_": "map", "v": [[_out(key), _out(item)] for key, item in value.items()]}
    if isinstance(value, tuple):
        return {"_": "tuple", "v": [_out(item) for item in value]}
    if isinstance(value, Sequence):
        return [_out(item) for item in value]
    raise TypeError(f"{type(value).__name__} is no part of analytics")


def _clean(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _in(value: Any) -> Any:
    if isinstance(value, list):
        return [_in(item) for item in value]
    if not isinstance(value, dict):
        return value
    kind = value["_"]
    read = _READ.get(kind)
    if read is not None:
        return read(value)
    if kind in _TUPLES:
        return _TUPLES[kind](*(_in(item) for item in value["v"]))
    return _classes()[kind](**{name: _in(item) for name, item in value.items() if name != "_"})


def _array(value: dict[str, Any]) -> Any:
    return np.frombuffer(b64decode(value["v"]), np.dtype(value["t"])).reshape(value["s"]).copy()


def _objects(value: dict[str, Any]) -> Any:
    flat = np.empty(len(value["v"]), object)
    for i, item in enumerate(value["v"]):
        flat[i] = _in(item)
    return flat.reshape(value["s"])


_READ: dict[str, Callable[[dict[str, Any]], Any]] = {
    "quality": lambda value: TimeQuality(value["v"]),
    "text": lambda value: bytes.fromhex(value["v"]).decode("utf-8", "surrogatepass"),
    "int": lambda value: int(value["v"]),
    "float": lambda value: float(value["v"]),
    "array": _array,
    "objects": _objects,
    "map": lambda value: {_in(key): _in(item) for key, item in value["v"]},
    "tuple": lambda value: tuple(_in(item) for item in value["v"]),
}
