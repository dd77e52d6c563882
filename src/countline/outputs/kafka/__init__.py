"""Kafka, through librdkafka (confluent-kafka): idempotent, in order per key, never blocking."""
