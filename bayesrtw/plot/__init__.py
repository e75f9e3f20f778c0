"""Pictures of a fit, one plot a file; matplotlib is imported nowhere else."""
