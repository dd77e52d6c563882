"""What librdkafka says of a connection, in words that help."""

from __future__ import annotations

import pytest
from confluent_kafka import KafkaError

from countline.outputs.kafka import errors
from countline.outputs.kafka.config import Config
from countline.outputs.kafka.errors import clean
from countline.outputs.kafka.output import make


@pytest.mark.parametrize(
    ("detail", "told"),
    [
        ("error:0A000086:SSL routines::certificate verify failed", "not trusted"),
        ("SSL handshake failed: error:0A000086:SSL routines::certificate verify failed", "not trusted"),
        ("SSL handshake failed: self-signed certificate", "not trusted"),
        ("SSL handshake failed: sslv3 alert bad certificate", "wants a client's certificate"),
        ("SSL handshake failed: wrong version number", "TLS failed"),
        ("Connect to ipv4#127.0.0.1:1 failed: Connection refused", "Connection refused"),
    ],
)  # fmt: skip
def test_whichever_word_of_a_failed_connection_comes_last_says_what_to_do(detail: str, told: str) -> None:
    assert told in errors.connection(detail)


def test_a_count_of_repetitions_is_no_part_of_a_trouble() -> None:
    said = "Connect to ipv4#127.0.0.1:9 failed: Connection refused (after 0ms in state CONNECT"
    assert (
        clean(f"{said})")
        == clean(f"{said}, 1 identical error(s) suppressed)")
        == "Connect to 127.0.0.1:9 failed: Connection refused"
    )


def test_a_connection_that_was_replaced_is_no_trouble_that_hides_the_topics_own() -> None:
    output = make(Config(bootstrap=["127.0.0.1:9"], topic="gone"))
    output._flight.sizes.update({1: 10, 2: 10})
    output._flight.topics["gone"] = 2
    for position, code in ((1, KafkaError._DESTROY_BROKER), (2, KafkaError.UNKNOWN_TOPIC_OR_PART)):
        output._flight.report(position)(KafkaError(code), None)
    output._book()
    assert output.status.error == ""
    replaced, unknown = output.poll(0.0)
    assert [receipt.retry for receipt in (replaced, unknown)] == [True, True]
    assert replaced.error.endswith("it is sent again")
    assert "does not exist" in unknown.error
