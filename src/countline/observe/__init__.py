"""Metrics, health, logs: what an operator sees."""
