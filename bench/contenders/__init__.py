"""What the job engine is measured as and against: each runs N three-step jobs on a SQLite file, in a fresh process."""
