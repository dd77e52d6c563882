"""Lines on standard output."""
