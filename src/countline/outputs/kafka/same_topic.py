"""Whether what acknowledges is still what knows our producer.

A broker that comes back without its data hands out producer ids from the beginning again. Two producers can have one id then, and a batch
of ours is taken for a repetition of the other's: acknowledged, and not written. But a topic that is made anew has another id. So after each
trouble with a connection acknowledgements count only once the topic is seen to have the id that it had before.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from typing import Any

from confluent_kafka import KafkaError, KafkaException, TopicCollection
from confluent_kafka.admin import AdminClient

from countline.errors import CountlineError

__all__ = ["SameTopic"]

PATIENCE = 30.0
"""Seconds for which acknowledgements wait for the topic's id. Then all is sent again by a new producer, which needs no proof."""
AGAIN, SELDOM = 0.1, 10.0
"""Seconds from an answer that says nothing to the next question: at first, and at most after many of them."""
TIMEOUT = 5.0
"""Seconds that a question may take."""
_NO_TOPIC = frozenset({KafkaError.UNKNOWN_TOPIC_OR_PART, KafkaError._UNKNOWN_TOPIC})
_NO_ID = "AAAAAAAAAAAAAAAAAAAAAA"
"""Of all topics of brokers that give them none, as Apache Kafka before 2.8, or tell none while all is well: nothing can be known there."""
_ASKING: set[AdminClient] = set()
"""All clients that ask. One ends where :class:`SameTopic` says so, and never by the garbage collector: that may run on the client's own
thread, while an answer comes, and librdkafka ends the whole process for it."""
_BROKE = "in state UP"
"""In librdkafka's words of a connection that worked."""


class SameTopic:
    """Holds acknowledgements back while it is in doubt whether they are ours. One topic stands for all: a broker without its data has
    none of them. Not thread-safe; asks without waiting.

    Parameters
    ----------
    make: makes an admin client for the same brokers; called when there is something to ask. May raise CountlineError.
    needed: False where the producer has no id, so that nothing can be mistaken for a repetition.
    """

    def __init__(self, make: Callable[[], AdminClient], *, needed: bool = True) -> None:
        self._make, self._needed = make, needed
        self._admin: AdminClient | None = None
        self._topic = self._id = ""
        """The topic that stands for all, and the id that it had when nothing was in doubt."""
        self._doubt = False
        self._worked = self._broke = False
        """A connection worked, and one that worked broke, since the producer was made."""
        self._held: dict[int, int] = {}
        """Position -> memory of what was acknowledged and does not count yet."""
        self._since = self._not_before = 0.0
        """When (``time.monotonic``) the first of them came, and when the next question may be asked."""
        self._pause = AGAIN
        self._question: tuple[str, Future[Any]] | None = None
        """Topic and answer to come; asked with no trouble since."""
        self._disconnects: dict[str, int] = {}

    @property
    def holding(self) -> bool:
        """Whether something was acknowledged that does not count yet."""
        return bool(self._held)

    @property
    def unknowable(self) -> bool:
        """Whether the broker that gave the producer its id may be gone, and was never asked for the topic's."""
        return self._broke and not self._id

    def renewed(self) -> None:
        """There is a new producer, and nothing is held: whoever answers it has given it its id."""
        self._doubt = self._worked = self._broke = False
        self._topic, self._id = "", self._id if self._id == _NO_ID else ""
        self._question = None
        self._disconnects.clear()

    def trouble(self, text: str, *, all_down: bool = False) -> None:
        """A connection broke or does not come about (``text``: librdkafka's words), or all did: who answers next may be another broker."""
        if self._needed:
            self._doubt = True
            self._broke |= _BROKE in text or (all_down and self._worked)
            self._question = None  # who answers it is not known either

    def look(self, brokers: Mapping[str, Mapping[str, Any]]) -> None:
        """The brokers of librdkafka's statistics: it tells nobody of a connection that breaks while it is idle."""
        self._worked |= any(broker.get("state") == "UP" for broker in brokers.values())
        counts = {name: int(broker.get("disconnects", 0)) for name, broker in brokers.items()}
        if any(count > self._disconnects.get(name, 0) for name, count in counts.items()):
            self.trouble(_BROKE)
        self._disconnects = counts

    def sent(self, topic: str) -> None:
        """Something is sent to a topic: its id is asked for while nothing is in doubt."""
        if self._needed and not self._id and not self._doubt:
            self._ask(topic)

    def holds(self, position: int, topic: str, size: int) -> bool:
        """A message of ``size`` bytes was acknowledged: True if that does not count yet."""
        if self.sure(topic):
            return False
        if not self._held:
            self._since = time.monotonic()
        self._held[position] = size
        return True

    def sure(self, topic: str) -> bool:
        """Something was acknowledged, last of all to this topic: whether it counts at once."""
        self._worked = True
        if not self._id:
            self._topic = topic  # which is there, while another may be missing
            self.sent(topic)
        return not self._doubt

    def take(self) -> dict[int, int]:
        """Position -> size of what counts now."""
        if self._doubt:
            return {}
        held, self._held = self._held, {}
        return held

    def abandon(self) -> list[int]:
        """Positions of all that is held, which will not count: its producer ends."""
        self._question = None
        self._end()
        held, self._held = self._held, {}
        return list(held)

    def poll(self) -> str:
        """Go on asking. Returns why nothing that is held counts, so that the producer must be renewed and all be sent again; '' while
        that is not so."""
        if self._admin is not None:
            self._admin.poll(0)  # for a token that runs out
        question = self._question
        if question is not None and question[1].done():
            self._question = None
            other = self._answered(*question)
            if other:
                return other
        if self._question is None and not self._doubt:
            self._end()
        if not (self._doubt and self._held):
            return ""
        if self.unknowable:
            return "a connection broke before it was known whose it was"
        if time.monotonic() - self._since > PATIENCE:
            return f"nobody says whether topic '{self._topic}' is the one that it was"
        self._ask(self._topic)
        return ""

    def _ask(self, topic: str) -> None:
        """Unless an answer is to come, or it is too soon after one that said nothing."""
        if self._question is not None or time.monotonic() < self._not_before:
            return
        try:
            if self._admin is None:
                self._admin = self._make()
                _ASKING.add(self._admin)
            found = self._admin.describe_topics(TopicCollection([topic]), request_timeout=TIMEOUT)
            self._question = (topic, found[topic])
        except (CountlineError, KafkaException, ValueError):
            self._wait()

    def _wait(self) -> None:
        self._not_before = time.monotonic() + self._pause
        self._pause = min(2 * self._pause, SELDOM)

    def _end(self) -> None:
        if self._admin is not None:
            _ASKING.discard(self._admin)
            self._admin = None

    def _answered(self, topic: str, answer: Future[Any]) -> str:
        """As :meth:`poll`."""
        known = self._id not in ("", _NO_ID)
        try:
            found = str(answer.result().topic_id)
        except KafkaException as error:
            if known or error.args[0].code() in _NO_TOPIC:  # which not all brokers need have heard of yet
                self._wait()
                return ""
            found = _NO_ID
        if known and found != self._id:
            return f"topic '{topic}' is not the one that it was"
        self._topic, self._id, self._doubt = topic, found, False
        self._pause = AGAIN
        return ""
