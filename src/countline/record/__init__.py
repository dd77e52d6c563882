"""Recorded tracks: JSON Lines and Parquet, in and out."""

from countline.record.tracks import TracksWriter, read_tracks

__all__ = ["TracksWriter", "read_tracks"]
