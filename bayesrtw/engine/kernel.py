"""Closed-form algebra of a Gaussian model given its hyperparameters; every axis may be batched.

For effects y ~ N(X b, diag(v)) with b ~ N(m0, diag(1/p0)): P = diag(p0) + X'WX, W = diag(1/v),
b | y ~ N(P^-1 (p0 m0 + X'W y), P^-1), and the marginal density of y follows from completing the
square. The quadratic form is summed over residuals, never as a difference of large sums.
"""

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

LOG_2PI = math.log(2.0 * math.pi)


class Conditional(NamedTuple):
    """Posterior of the coefficients given the hyperparameters.

    Attributes
    ----------
    log_density
        log p(y | hyperparameters), shape (...,); flat coefficients are integrated over density 1.
    mean
        E(b), shape (..., column).
    covariance
        Shape (..., column, column).
    """

    log_density: Array
    mean: Array
    covariance: Array


def conditional(
    effect: Array, variance: Array, columns: Array, mean: Array, precision: Array
) -> Conditional:
    """Condition the coefficients on the data and integrate them out.

    Parameters
    ----------
    effect
        y, shape (..., estimate), broadcast against `variance`.
    variance
        v, shape (..., estimate): sampling variance plus heterogeneity; > 0.
    columns
        X, shape (..., estimate, column).
    mean, precision
        Prior of b, shape (..., column); precision 0 is flat.

    Returns
    -------
    Conditional
        Leading shape that of the broadcast of all arguments.
    """
    weight = 1.0 / variance
    width = columns.shape[-1]
    base = -0.5 * (variance.shape[-1] * LOG_2PI + np.sum(np.log(variance), axis=-1))
    if width == 0:
        quadratic = np.sum(weight * effect**2, axis=-1)
        lead = quadratic.shape
        empty = np.zeros((*lead, 0))
        return Conditional(base - 0.5 * quadratic, empty, np.zeros((*lead, 0, 0)))
    if width == 1:
        x, m0, p0 = columns[..., 0], mean[..., 0], precision[..., 0]
        wx = weight * x
        p = p0 + np.sum(wx * x, axis=-1)
        b = (p0 * m0 + np.sum(wx * effect, axis=-1)) / p
        log_p, covariance, b = np.log(p), (1.0 / p)[..., None, None], b[..., None]
    else:
        wx = weight[..., None] * columns
        across = np.swapaxes(wx, -1, -2)
        p = across @ columns + precision[..., None] * np.eye(width)
        h = precision * mean + (across @ effect[..., None])[..., 0]
        log_p = np.linalg.slogdet(p)[1]
        covariance = np.linalg.inv(p)
        b = (covariance @ h[..., None])[..., 0]
    residual = effect - (columns @ b[..., None])[..., 0]
    quadratic = np.sum(weight * residual**2, axis=-1)
    quadratic = quadratic + np.sum(precision * (b - mean) ** 2, axis=-1)
    proper = precision > 0
    constant = 0.5 * np.sum(np.log(np.where(proper, precision, 2.0 * math.pi)), axis=-1)
    return Conditional(base - 0.5 * (quadratic + log_p) + constant, b, covariance)
