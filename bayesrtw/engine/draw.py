"""Exact independent draws: hyperparameters by inversion, effects by passing draws down the groups."""

from dataclasses import replace

import numpy as np
from numpy.polynomial import legendre
from numpy.typing import NDArray

from bayesrtw.engine.kernel import smooth
from bayesrtw.engine.problem import Problem
from bayesrtw.engine.quadrature import Axis, Marginal, held_at, lay, looks, rule, series

Array = NDArray[np.float64]

#: Nodes of the inner integrals at each draw of the outer hyperparameter.
INNER = 48
#: Halvings when an inner distribution is inverted: 2^-50 of its range.
HALVINGS = 50


def draw_hyper(
    problem: Problem, first: Marginal, count: int, rng: np.random.Generator
) -> tuple[Array, ...]:
    """Draw the hyperparameters.

    Parameters
    ----------
    problem
        The integral.
    first
        Marginal posterior of the first hyperparameter.
    count
        Number of draws.
    rng
        Random generator.

    Returns
    -------
    tuple of ndarray, shape (count,)
        One for each hyperparameter.
    """
    outer = series(first.weight, problem.axes[0], first.low, first.high)
    values = [outer.quantile(rng.random(count))]
    at = looks(problem.log_density, problem.axes)
    while len(values) < len(problem.names):
        values.append(_next(problem, tuple(values), at, rng))
    return tuple(values)


def _next(
    problem: Problem, held: tuple[Array, ...], at: list[Array], rng: np.random.Generator
) -> Array:
    """Draw one more hyperparameter given draws of the earlier ones."""
    axes = problem.axes[len(held) :]
    density = held_at(problem.log_density, held)
    found = lay(
        density,
        axes,
        (INNER,) * len(axes),
        at,
        size=len(problem.design.se),
        moments=[0] * len(axes),
    )
    each = np.exp(found.log_weight).reshape(len(held[0]), INNER, -1).sum(axis=2)
    where = found.ranges[0]
    return _invert(each, axes[0], where.low, where.high, rng.random(len(held[0])))


def _invert(each: Array, axis: Axis, low: Array, high: Array, q: Array) -> Array:
    """Invert one distribution for each draw by halving; weights of shape (draw, node)."""
    x, _ = rule(INNER)
    coefficients = (np.arange(INNER) + 0.5) * (each @ legendre.legvander(x, INNER - 1))
    cumulative = np.asarray(legendre.legint(coefficients, lbnd=-1, axis=1))
    left, right = -np.ones_like(q), np.ones_like(q)
    for _ in range(HALVINGS):
        middle = 0.5 * (left + right)
        below = np.sum(legendre.legvander(middle, INNER) * cumulative, axis=1) < q
        left, right = np.where(below, middle, left), np.where(below, right, middle)
    return axis.value(low + 0.5 * (high - low) * (left + 1.0))


def draw_effects(
    problem: Problem, values: tuple[Array, ...], b: Array, rng: np.random.Generator
) -> Array:
    """Draw the effect behind each estimate, given hyperparameters and coefficients.

    Estimates of one group share its effect, so their draws are dependent as they should be: the
    random effects of a simulated data set are corrected by what the data say of the difference
    (Durbin and Koopman 2002, doi:10.1093/biomet/89.3.603).

    Parameters
    ----------
    problem
        The integral.
    values
        Draws of the hyperparameters, each of shape (draw,).
    b
        Draws of the coefficients, shape (draw, column).
    rng
        Random generator.

    Returns
    -------
    ndarray, shape (draw, estimate)
        On the analysis scale.
    """
    design = problem.design
    count, size = len(b), len(design.se)
    variances = problem.variances(values)
    if not problem.nested and not problem.blocks:
        # Estimates of no common group are independent given the coefficients.
        linear = b @ design.columns.T
        kept = variances.own / (variances.own + variances.sampling)
        spread = np.sqrt(kept * variances.sampling) * rng.standard_normal((count, size))
        return np.asarray(linear + kept * (design.effect - linear) + spread)
    at = dict(zip(problem.names, values, strict=True))
    effects = np.zeros((count, size))
    for part in design.grouped:
        if not part.hyper:
            continue
        sd = np.stack([at[name] for name in part.hyper], axis=-1)[:, part.which]
        effects += sd * rng.standard_normal((count, part.count))[:, part.group]
    noise = design.se * rng.standard_normal((count, size))
    for members, covariance in zip(problem.system.layout.blocks, variances.blocks, strict=True):
        factor = np.linalg.cholesky(covariance)
        z = rng.standard_normal((count, *members.shape, 1))
        noise[:, members] = (factor @ z)[..., 0]
    # Conditional mean of the random effects is linear in the residuals: E(u | r) - E(u | r') + u'.
    smoothed = smooth(problem.system, variances)
    linear = b @ design.columns.T
    of_data = (
        smoothed.mean[..., -1] - (smoothed.mean[..., :-1] @ (b - problem.pilot)[..., None])[..., 0]
    )
    simulated = _smooth_residuals(problem, values, effects + noise)
    return linear + effects + of_data - simulated


def _smooth_residuals(problem: Problem, values: tuple[Array, ...], residual: Array) -> Array:
    """Conditional mean of the random effects given residuals, one set for each draw."""
    system = replace(
        problem.system,
        effect=residual,
        columns=np.zeros((*residual.shape, 0)),
        mean=np.zeros(0),
        precision=np.zeros(0),
    )
    return smooth(system, problem.variances(values)).mean[..., -1]
