"""Put a mixture of normals in place of the flat prior of one coefficient.

Given the hyperparameters, a fit with a flat prior of a coefficient c says that the data, seen through
c alone, are N(m, v). Under a prior of weights w_j and normals N(m_j, v_j) the evidence of part j is
w_j N(m_j; m, v + v_j), and every coefficient moves by its covariance with c: all in closed form.
"""

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from bayesrtw.engine.kernel import Conditional, Conditioned
from bayesrtw.model.design import PriorMixture

Array = NDArray[np.float64]


class Reweighed(NamedTuple):
    """What a mixture makes of a fit with a flat prior."""

    log_density: Array  #: Log p(y | hyperparameters) under the mixture, shape (...,).
    weight: Array  #: Posterior share of each part, shape (..., part).
    mean: Array  #: Coefficients under each part, shape (..., part, column).
    covariance: Array  #: Shape (..., part, column, column).


def reweigh(flat: Conditioned, mixture: PriorMixture) -> Reweighed:
    """Condition on each part of a mixture: `flat` (...,)."""
    column, (log_weight, centre, sd) = mixture.column, mixture.parts
    seen = flat.mean[..., column, None]
    total = flat.covariance[..., column, column, None] + sd**2
    log = log_weight - 0.5 * ((seen - centre) ** 2 / total + np.log(2.0 * math.pi * total))
    peak = np.max(log, axis=-1, keepdims=True)
    share = np.exp(log - peak)
    whole = np.sum(share, axis=-1, keepdims=True)
    gain = flat.covariance[..., None, :, column] / total[..., None]
    mean = flat.mean[..., None, :] + gain * (centre - seen)[..., None]
    taken = gain[..., :, None] * flat.covariance[..., None, None, column, :]
    return Reweighed(
        flat.log_density + (peak + np.log(whole))[..., 0],
        share / whole,
        mean,
        flat.covariance[..., None, :, :] - taken,
    )


def moments(found: Reweighed) -> Conditional:
    """Give mean and covariance over the parts: gives (...,)."""
    mean = np.einsum("...p,...pi->...i", found.weight, found.mean)
    apart = found.mean - mean[..., None, :]
    within = np.einsum("...p,...pij->...ij", found.weight, found.covariance)
    between = np.einsum("...p,...pi,...pj->...ij", found.weight, apart, apart)
    return Conditional(found.log_density, mean, within + between)
