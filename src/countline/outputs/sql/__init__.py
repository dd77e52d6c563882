"""A table in SQLite or PostgreSQL."""
