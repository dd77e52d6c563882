"""countline."""
