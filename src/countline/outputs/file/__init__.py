"""Files: JSON Lines and Parquet."""
