"""HTTP POST."""
