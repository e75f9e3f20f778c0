"""Hypothesis draws the same examples on every machine, and a slow machine is no failure."""

from hypothesis import settings

settings.register_profile("bayesrtw", derandomize=True, deadline=None, max_examples=30)
settings.load_profile("bayesrtw")
