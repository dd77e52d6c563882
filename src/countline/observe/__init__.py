"""What an operator sees: log lines, metrics, health, traces."""
