"""Intervals of parts hold truths as often as they say; see `tests/bench/parts_coverage.py`."""

import parts_coverage
import pytest


def test_intervals_of_parts_hold_the_truth_as_often_as_they_say():
    # Eight parts in each of 60 data sets; a coverage of 90 % would be four errors away.
    found = parts_coverage.table(60, seed=5, sizes=(0.0,), pairs=False).iloc[0]
    assert abs(found["coverage_sum"] - 0.95) < 3.0 * found["error_sum"]


@pytest.mark.slow
def test_what_two_pairs_add_is_seen_where_it_is_large():
    found = parts_coverage.table(60, seed=6, sizes=(0.0, 1.0))
    assert found.loc[0.0, "speaks"] < 0.15
    assert found.loc[1.0, "speaks"] > found.loc[0.0, "speaks"]
    assert found.loc[1.0, "coverage_pairs"] >= found.loc[1.0, "coverage_sum"] - 0.02
