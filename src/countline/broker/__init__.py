"""A broker that speaks the Kafka protocol, inside this machine: for the demo and for tests."""

from countline.broker.embedded import EmbeddedBroker

__all__ = ["EmbeddedBroker"]
