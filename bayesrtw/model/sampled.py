"""Likelihoods of units that are integrated before sampling, as splines inside a PyMC graph."""

from typing import TYPE_CHECKING

import numpy as np
import scipy

from bayesrtw.model.curves import Curves

if TYPE_CHECKING:
    from pytensor.tensor import TensorVariable

#: Points of each unit's spline.
POINTS = 513


def log_density(sites: Curves, theta: "TensorVariable") -> "TensorVariable":
    """Log density of every unit at its effect, shape (unit,): cubic splines, straight lines beyond them."""
    import pytensor.tensor as pt  # noqa: PLC0415

    lines = [each.log for each in sites.laid]
    first = np.array([line.low for line in lines])
    step = (np.array([line.high for line in lines]) - first) / (POINTS - 1)
    table = np.empty((4, len(lines), POINTS - 1))
    for place, line in enumerate(lines):
        x = first[place] + step[place] * np.arange(POINTS)
        table[:, place] = scipy.interpolate.CubicSpline(x, line(x)).c
    coefficients = pt.as_tensor(table)
    own = theta - sites.by
    inside = pt.clip(own, first, first + step * (POINTS - 1))
    piece = pt.clip(pt.floor((inside - first) / step), 0, POINTS - 2).astype("int64")
    rows = np.arange(len(lines))
    c = [coefficients[degree, rows, piece] for degree in range(4)]
    away = inside - (first + step * piece)
    found = ((c[0] * away + c[1]) * away + c[2]) * away + c[3]
    slope = (3.0 * c[0] * away + 2.0 * c[1]) * away + c[2]
    return found + slope * (own - inside)
