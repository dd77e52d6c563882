"""The way of a message, from its frame to the acknowledgement of each output, as spans.

Trace and span ids follow from the message's id, which is deterministic: what one process makes and another delivers after a restart
is one trace, and a consumer that knows the id can go on with it (:func:`traceparent`). The same message ids decide which messages
are traced, as the parts of a trace must agree on that.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from hashlib import blake2b
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

if TYPE_CHECKING:
    from countline.protocols import Entry
    from countline.types import Analytics, Frame, Message

__all__ = ["Span", "Traces", "trace_id", "traceparent"]

MOST = 16_384
"""Spans that may wait to be sent; of more the oldest are given up, and counted."""


class Span(NamedTuple):
    """One part of the way. Times in ns since the Unix epoch."""

    trace: int
    id: int
    parent: int
    """0: none."""
    name: str
    kind: Literal["internal", "producer"]
    start: int
    end: int
    attributes: Mapping[str, Any]
    error: str = ""


def _digest(text: str, size: int) -> int:
    # 0 is no id.
    return int.from_bytes(blake2b(text.encode("utf-8", "surrogateescape"), digest_size=size).digest(), "big") or 1


def trace_id(message_id: str) -> int:
    """128 bits: the first 16 bytes of BLAKE2b of the message's id."""
    return _digest(message_id, 16)


def _span_id(message_id: str, part: str) -> int:
    return _digest(f"{message_id}\n{part}", 8)


def traceparent(message_id: str) -> str:
    """The W3C trace context of a message, for a consumer that goes on with its trace.

    >>> traceparent("m-1")
    '00-75a25ac1fd828fd073ddd67e72c6d8f3-1f8de6a03a16080d-01'
    """
    return f"00-{trace_id(message_id):032x}-{_span_id(message_id, _FRAME):016x}-01"


_FRAME, _DETECT, _RULES = "process", "detect", "rules"


class Traces:
    """Collects spans until somebody takes them. ``made`` and ``answered`` are called from any threads, and wait for nobody.

    Parameters
    ----------
    sample: part of the messages that are traced, 0..1.
    systems: kind of each output, by its name.
    """

    def __init__(
        self, sample: float = 1.0, systems: Mapping[str, str] | None = None, wall: Callable[[], int] = time.time_ns
    ) -> None:
        self.dropped = 0
        """Spans that were given up, because too many waited."""
        self._least = int(sample * (1 << 64))
        self._systems = dict(systems or {})
        self._wall = wall
        self._spans: deque[Span] = deque()
        self._lock = threading.Lock()

    def sampled(self, message_id: str) -> bool:
        """Whether a message is traced: as OpenTelemetry's sampler by ratio decides."""
        return trace_id(message_id) & ((1 << 64) - 1) < self._least

    def made(
        self, messages: Sequence[Message], analytics: Analytics, frame: Frame | None, taken: float, detected: float
    ) -> None:
        """Messages of a frame were handed to the outbox just now. ``taken``, ``detected``: when the frame was taken by the detector
        and its detections were there, seconds of the monotonic clock; 0: not known."""
        wall, now = self._wall(), time.monotonic()

        def at(moment: float) -> int:
            return wall - int((now - moment) * 1e9)

        info = analytics.frame
        arrived = (frame.arrived if frame is not None else 0.0) or taken or detected or now
        for message in messages:
            if not self.sampled(message.id):
                continue
            trace, root = trace_id(message.id), _span_id(message.id, _FRAME)
            attributes = {
                "countline.source": info.source.name,
                "countline.frame": info.number,
                "countline.message": message.definition,
                "messaging.message.id": message.id,
            }
            spans = [Span(trace, root, 0, "process frame", "internal", at(arrived), wall, attributes)]
            if frame is not None and taken and detected:
                inner = _span_id(message.id, _DETECT)
                spans.append(Span(trace, inner, root, "detect", "internal", at(taken), at(detected), {}))
            if detected:
                inner = _span_id(message.id, _RULES)
                spans.append(Span(trace, inner, root, "track and count", "internal", at(detected), wall, {}))
            self._add(spans)

    def answered(self, output: str, entry: Entry, age: float | None, error: str = "") -> None:
        """An output has acknowledged a message, or refused it for good (``error``); ``age``: seconds since its commit."""
        message = entry.message
        if not self.sampled(message.id):
            return
        wall = self._wall()
        destination = message.topic or output
        attributes: dict[str, Any] = {
            "messaging.operation.name": "send",
            "messaging.operation.type": "send",
            "messaging.destination.name": destination,
            "messaging.message.id": message.id,
            "messaging.message.body.size": len(message.value),
            "countline.output": output,
        }
        if output in self._systems:
            attributes["messaging.system"] = self._systems[output]
        if error:
            attributes["error.type"] = "refused"
        span = Span(
            trace_id(message.id), _span_id(message.id, f"send {output}"), _span_id(message.id, _FRAME), f"send {destination}",
            "producer", wall - int((age or 0.0) * 1e9), wall, attributes, error,
        )  # fmt: skip
        self._add([span])

    def _add(self, spans: Sequence[Span]) -> None:
        with self._lock:
            self._spans.extend(spans)
            while len(self._spans) > MOST:
                self._spans.popleft()
                self.dropped += 1

    def take(self, most: int) -> list[Span]:
        """The oldest spans that wait, so many at the most."""
        with self._lock:
            return [self._spans.popleft() for _ in range(min(most, len(self._spans)))]
