"""librdkafka's own mock cluster, by ctypes from the library inside the confluent-kafka wheel: real listeners on loopback whose brokers can
be told to refuse, to go away and to hand over their partitions. It keeps no idempotent sequence: a batch that follows a refused one is
not refused for it, as a real broker would.
"""

from __future__ import annotations

import ctypes
import importlib.util
from ctypes import POINTER, c_char_p, c_int, c_int16, c_int32, c_size_t, c_void_p
from pathlib import Path
from types import TracebackType

PRODUCE = 0
"""Number of the request Produce in the protocol."""

_PRODUCER = 0
_SIGNATURES: dict[str, tuple[object, list[object]]] = {
    "conf_new": (c_void_p, []),
    "conf_set": (c_int, [c_void_p, c_char_p, c_char_p, c_char_p, c_size_t]),
    "new": (c_void_p, [c_int, c_void_p, c_char_p, c_size_t]),
    "destroy": (None, [c_void_p]),
    "mock_cluster_new": (c_void_p, [c_void_p, c_int]),
    "mock_cluster_bootstraps": (c_char_p, [c_void_p]),
    "mock_cluster_destroy": (None, [c_void_p]),
    "mock_set_controller_id": (c_int, [c_void_p, c_int32]),
    "mock_topic_create": (c_int, [c_void_p, c_char_p, c_int, c_int]),
    "mock_topic_set_error": (None, [c_void_p, c_char_p, c_int]),
    "mock_push_request_errors_array": (None, [c_void_p, c_int16, c_size_t, POINTER(c_int)]),
    "mock_broker_set_down": (c_int, [c_void_p, c_int]),
    "mock_broker_set_up": (c_int, [c_void_p, c_int]),
    "mock_broker_set_rtt": (c_int, [c_void_p, c_int, c_int]),
    "mock_partition_set_leader": (c_int, [c_void_p, c_char_p, c_int, c_int]),
}


def _library() -> ctypes.CDLL:
    spec = importlib.util.find_spec("confluent_kafka")
    assert spec is not None
    assert spec.origin is not None
    (bundled,) = (Path(spec.origin).parents[1] / "confluent_kafka.libs").glob("librdkafka-*.so*")
    library = ctypes.CDLL(str(bundled))
    for name, (result, arguments) in _SIGNATURES.items():
        function = getattr(library, f"rd_kafka_{name}")
        function.restype, function.argtypes = result, arguments
    return library


class MockCluster:
    """Brokers 1 to ``brokers``, with one topic; up until the end of the ``with`` block. The last is the ``controller``, who is asked
    for the ids of topics; without one nobody can be."""

    def __init__(self, topic: str = "t", *, partitions: int = 3, brokers: int = 3, controller: bool = True) -> None:
        self.topic, self.partitions, self.brokers = topic, partitions, brokers
        self._lib = _library()
        text = ctypes.create_string_buffer(512)
        conf = self._lib.rd_kafka_conf_new()
        assert self._lib.rd_kafka_conf_set(conf, b"log_level", b"0", text, 512) == 0, text.value
        self._owner = self._lib.rd_kafka_new(_PRODUCER, conf, text, 512)
        assert self._owner, text.value
        self._mock = self._lib.rd_kafka_mock_cluster_new(self._owner, brokers)
        self.bootstrap: str = self._lib.rd_kafka_mock_cluster_bootstraps(self._mock).decode()
        if controller:
            self._lib.rd_kafka_mock_set_controller_id(self._mock, brokers)
        assert self._lib.rd_kafka_mock_topic_create(self._mock, topic.encode(), partitions, brokers) == 0

    def refuse(self, error: int, times: int = 1) -> None:
        """The next ``times`` Produce requests are answered with an error and leave nothing in the log."""
        errors = (c_int * times)(*[error] * times)
        self._lib.rd_kafka_mock_push_request_errors_array(self._mock, PRODUCE, times, errors)

    def topic_error(self, error: int) -> None:
        """Metadata says this of the topic from now on; 0: all is well."""
        self._lib.rd_kafka_mock_topic_set_error(self._mock, self.topic.encode(), error)

    def down(self, *brokers: int) -> None:
        """Brokers (all unless given) are away: connections break, new ones are refused."""
        for broker in brokers or range(1, self.brokers + 1):
            assert self._lib.rd_kafka_mock_broker_set_down(self._mock, broker) == 0

    def up(self, *brokers: int) -> None:
        """And back, with all that they had."""
        for broker in brokers or range(1, self.brokers + 1):
            assert self._lib.rd_kafka_mock_broker_set_up(self._mock, broker) == 0

    def slow(self, ms: int) -> None:
        """Answers of all brokers take so long."""
        for broker in range(1, self.brokers + 1):
            assert self._lib.rd_kafka_mock_broker_set_rtt(self._mock, broker, ms) == 0

    def lead(self, partition: int, broker: int) -> None:
        """Another broker is leader of a partition."""
        assert self._lib.rd_kafka_mock_partition_set_leader(self._mock, self.topic.encode(), partition, broker) == 0

    def __enter__(self) -> MockCluster:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._lib.rd_kafka_mock_cluster_destroy(self._mock)
        self._lib.rd_kafka_destroy(self._owner)
