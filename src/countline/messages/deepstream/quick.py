"""The full payload of a frame's objects as text, without a dict for each: the static sections are encoded once per
source, the rest is put together by string formatting. Equal, byte for byte, to :func:`full_dsmeta` encoded by orjson."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import orjson

from countline.config.msgconv import StaticDescription
from countline.messages.deepstream.full import sections
from countline.types import Analytics

__all__ = ["QuickFull"]

_FIELD = ("place-sub-field", "id", "name", "level")
_RESERVED = frozenset(("id", "speed", "direction", "orientation", "bbox", "location", "coordinate"))


class QuickFull:
    """Full payloads in the dsmeta API."""

    def __init__(self, static: StaticDescription) -> None:
        self._static = static
        self._sections: dict[int, str] = {}
        self._labels: dict[str, str] = {}

    def _section(self, index: int) -> str:
        found = self._sections.get(index)
        if found is None:
            place, sensor, module = sections(self._static, index, index, index, _FIELD)
            text = orjson.dumps({"place": place, "sensor": sensor, "analyticsModule": module}).decode()
            found = self._sections[index] = text[1:-1]
        return found

    def _label(self, label: str) -> str:
        found = self._labels.get(label)
        if found is None:
            found = self._labels[label] = orjson.dumps(label).decode()
        return found

    def fits(self, labels: Sequence[str]) -> bool:
        """Whether no class is named like a key of the object section (such a name would replace that key)."""
        return not any(label in _RESERVED for label in labels)

    def make(self, a: Analytics, ids: Sequence[str], event_id: Callable[[str], str], time: str) -> list[bytes]:
        """One payload per object; ``ids`` has a message id for each."""
        tracks, names = a.tracks, a.class_names
        if tracks.ltwh is not None:
            corners = np.concatenate([tracks.ltwh[:, :2], tracks.ltwh[:, :2] + tracks.ltwh[:, 2:]], axis=1)
        else:
            # Right and bottom by way of width and height in float32, as nvmsgconv has them.
            first = tracks.xyxy[:, :2]
            corners = np.concatenate([first, first + (tracks.xyxy[:, 2:] - first)], axis=1)
        section = self._section(a.frame.source.index)
        middle = f'","mdsversion":"1.0","@timestamp":"{time}",{section},"object":{{"id":"'
        known = len(names)
        made = []
        for identity, track, klass, confidence, (left, top, right, bottom) in zip(
            ids,
            tracks.track_id.tolist(),
            tracks.class_id.tolist(),
            tracks.confidence.tolist(),
            corners.astype(np.int64).tolist(),
        ):
            label = self._label(names[klass] if 0 <= klass < known else str(klass))
            made.append(
                f'{{"messageid":"{identity}{middle}{track}","speed":0.0,"direction":0.0,"orientation":0.0,'
                f'{label}:{{"confidence":{confidence!r}}},"bbox":{{"topleftx":{left},"toplefty":{top},'
                f'"bottomrightx":{right},"bottomrighty":{bottom}}},"location":{{}},"coordinate":{{}}}},'
                f'"event":{{"id":"{event_id(identity)}","type":""}},"videoPath":""}}'.encode()
            )
        return made
