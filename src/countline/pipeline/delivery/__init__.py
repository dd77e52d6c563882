"""From commits of counters and messages to acknowledged messages: outbox writer, per-topic queues, senders."""
