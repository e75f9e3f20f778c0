"""Nodes of several hyperparameters: their sums against integrals that are known."""

import numpy as np
import pytest

import bayesrtw as brw
from bayesrtw.engine.quadrature import lay, looks
from bayesrtw.posterior.axis import Positive


def nested(values):
    """Half-normals whose scales are the values before them: they hold 1 in all."""
    scale, log = 0.2, 0.0
    for value in values:
        log = log + brw.prior.HalfNormal(1.0).logpdf(value / scale) - np.log(scale)
        scale = 0.05 + value
    return log


@pytest.mark.parametrize(("dims", "counts"), [(2, (48, 48)), (3, (40, 40, 40))])
def test_nodes_laid_where_others_have_shown_the_ranges_hold_the_whole(dims, counts):
    axes, moments = [Positive(0.1, 0.02)] * dims, [0] * dims
    at = looks(nested, axes, moments)
    # So few that the ranges of many places of the first lie between those of two nodes.
    few = lay(nested, axes, (5, *counts[1:]), at, size=10, moments=moments)
    found = lay(nested, axes, counts, at, size=10, moments=moments, earlier=few)
    assert abs(float(found.log_total)) < 1e-8
    mean = np.sum(np.exp(found.log_weight) * found.values[0])
    assert mean == pytest.approx(0.2 * np.sqrt(2 / np.pi), abs=1e-8)
    # Ranges of neighbours that differ are no wider than those that nothing has shown.
    alone = lay(nested, axes, counts, at, size=10, moments=moments, first=few.ranges[0])
    for end in ("low", "high"):
        mine, its = (getattr(each.ranges[1], end) for each in (found, alone))
        np.testing.assert_array_equal(mine, its)
    again = lay(nested, axes, counts, at, size=10, moments=moments, earlier=found)
    assert float(again.log_total) == pytest.approx(float(found.log_total), abs=1e-9)
