"""Again, when new trials appear: a store of runs, what changed and why, and the scheduled re-analysis."""
