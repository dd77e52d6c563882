"""The page of a run, served: what it shows, what it answers, and to whom."""
