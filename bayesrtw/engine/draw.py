"""Exact independent draws: hyperparameters by inversion, effects by passing draws down the groups."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.polynomial import legendre
from numpy.typing import NDArray

from bayesrtw.engine.kernel import smooth
from bayesrtw.engine.problem import Problem
from bayesrtw.engine.quadrature import held_at, lay, looks
from bayesrtw.engine.shared import Shareable
from bayesrtw.posterior.axis import Axis
from bayesrtw.posterior.marginal import Marginal, series
from bayesrtw.posterior.nodes import Nodes, Range, rule

Array = NDArray[np.float64]

#: Nodes of the inner integrals at each draw of the outer hyperparameter.
INNER = 32
#: Draws whose inner integrals are laid at once where there are three hyperparameters.
PIECE = 100
#: Most steps when an inner distribution is inverted, and the error in probability that ends them.
HALVINGS = 50
PRECISION = 1e-10


def draw_hyper(
    problem: Shareable, nodes: Nodes, first: Marginal, count: int, rng: np.random.Generator
) -> tuple[Array, ...]:
    """Draw the hyperparameters: gives (count,)."""
    outer = series(first.weight, problem.axes[0], first.low, first.high)
    values = [outer.quantile(rng.random(count))]
    if len(problem.names) == 2:
        where = _near(problem.axes[0], nodes, values[0])
        values.append(_inner(problem, tuple(values), where, rng))
    elif len(problem.names) > 2:
        at = looks(problem.log_density, problem.axes, [0] * len(problem.axes))
        while len(values) < len(problem.names):
            pieces = [
                _next(problem, tuple(value[start : start + PIECE] for value in values), at, rng)
                for start in range(0, count, PIECE)
            ]
            values.append(np.concatenate(pieces))
    return tuple(values)


def _near(axis: Axis, nodes: Nodes, values: Array) -> Range:
    """Take the range of the second hyperparameter from the nodes on both sides of each draw."""
    count = nodes.counts[0]
    x, _ = rule(count)
    low, high = float(nodes.ranges[0].low), float(nodes.ranges[0].high)
    u = low + 0.5 * (high - low) * (x + 1.0)
    right = np.searchsorted(u, axis.coordinate(values))
    left, right = np.clip(right - 1, 0, count - 1), np.clip(right, 0, count - 1)
    second = nodes.ranges[1]
    return Range(
        np.minimum(second.low[left], second.low[right]),
        np.maximum(second.high[left], second.high[right]),
    )


def _inner(
    problem: Shareable, held: tuple[Array, ...], where: Range, rng: np.random.Generator
) -> Array:
    """Draw the last hyperparameter given the others, on known ranges."""
    axis = problem.axes[-1]
    x, w = rule(INNER)
    u = where.low[:, None] + 0.5 * (where.high - where.low)[:, None] * (x + 1.0)
    log = held_at(problem.log_density, held)((axis.value(u),)) + axis.log_jacobian(u) + np.log(w)
    each = np.exp(log - log.max(axis=1, keepdims=True))
    each = each / each.sum(axis=1, keepdims=True)
    return invert(each, axis, where.low, where.high, rng.random(len(held[0])))


def _next(
    problem: Shareable, held: tuple[Array, ...], at: list[Array], rng: np.random.Generator
) -> Array:
    """Draw one more of three hyperparameters given draws of the earlier ones."""
    axes = problem.axes[len(held) :]
    density = held_at(problem.log_density, held)
    found = lay(
        density,
        axes,
        (INNER,) * len(axes),
        at,
        size=len(problem.design.se),
        moments=[0] * len(axes),
        lead=1,
    )
    each = np.exp(found.log_weight).reshape(len(held[0]), INNER, -1).sum(axis=2)
    where = found.ranges[0]
    return invert(each, axes[0], where.low, where.high, rng.random(len(held[0])))


def invert(each: Array, axis: Axis, low: Array, high: Array, q: Array) -> Array:
    """Invert one distribution for each draw, by Newton steps inside a bracket that halves.

    Weights have the shape (draw, node).
    """
    size = each.shape[1]
    x, _ = rule(size)
    coefficients = (np.arange(size) + 0.5) * (each @ legendre.legvander(x, size - 1))
    cumulative = np.asarray(legendre.legint(coefficients, lbnd=-1, axis=1))
    left, right = -np.ones_like(q), np.ones_like(q)
    # Weights of a Gauss-Legendre rule, added up, are the distribution function between its nodes.
    steps = np.cumsum(each, axis=1)
    place = np.minimum(np.sum(steps < q[:, None], axis=1), size - 1)
    z = x[place]
    for _ in range(HALVINGS):
        basis = legendre.legvander(z, size)
        error = np.sum(basis * cumulative, axis=1) - q
        if np.max(np.abs(error)) < PRECISION:
            break
        density = np.sum(basis[:, :size] * coefficients, axis=1)
        left, right = np.where(error < 0, z, left), np.where(error >= 0, z, right)
        with np.errstate(divide="ignore", invalid="ignore"):
            step = z - error / density
        z = np.where((step > left) & (step < right), step, 0.5 * (left + right))
    return axis.value(low + 0.5 * (high - low) * (z + 1.0))


def draw_near(
    nodes: Nodes, axes: Sequence[Axis], count: int, rng: np.random.Generator
) -> tuple[Array, ...]:
    """Draw hyperparameters one after the other: each from its density at a node near the earlier ones.

    Where a density costs too much to be asked at every draw.
    """
    shares = np.exp(nodes.log_weight).reshape(nodes.counts)
    at, values = np.zeros((count, 0), dtype=np.intp), list[Array]()
    for place, (axis, size) in enumerate(zip(axes, nodes.counts, strict=True)):
        index = tuple(at.T)
        each = shares.reshape(*nodes.counts[: place + 1], -1).sum(axis=-1)[index]
        each = np.broadcast_to(each / each.sum(axis=-1, keepdims=True), (count, size))
        low, high = (
            np.broadcast_to(
                np.reshape(end, nodes.counts[:place])[index] if place else end, (count,)
            )
            for end in (nodes.ranges[place].low, nodes.ranges[place].high)
        )
        value = invert(each, axis, low, high, rng.random(count))
        x, _ = rule(size)
        u = 2.0 * (axis.coordinate(value) - low) / (high - low) - 1.0
        right = np.clip(np.searchsorted(x, u), 1, size - 1)
        share = np.clip((u - x[right - 1]) / (x[right] - x[right - 1]), 0.0, 1.0)
        chosen = np.where(rng.random(count) < share, right, right - 1)
        at = np.column_stack([at, chosen])
        values.append(value)
    return tuple(values)


def draw_effects(
    problem: Problem, values: tuple[Array, ...], b: Array, rng: np.random.Generator
) -> Array:
    """Draw the effect behind each estimate, given hyperparameters and coefficients.

    Estimates of one group share its effect, so their draws are dependent as they should be: the
    random effects of a simulated data set are corrected by what the data say of the difference
    (Durbin and Koopman 2002, doi:10.1093/biomet/89.3.603).

    `values` (draw,); `b` (draw, column); gives (draw, estimate).
    """
    design = problem.design
    count, size = len(b), len(design.se)
    variances = problem.variances(values)
    system = problem.system_at(values)
    linear = b @ design.of_effects.T
    if not problem.nested and not problem.blocks:
        # Estimates of no common group are independent given the coefficients.
        residual = system.effect - (b - problem.pilot) @ design.columns.T
        kept = variances.own / (variances.own + variances.sampling)
        spread = np.sqrt(kept * variances.sampling) * rng.standard_normal((count, size))
        return np.asarray(linear + kept * residual + spread)
    at = dict(zip(problem.names, values, strict=True))
    effects = np.zeros((count, size))
    for part in design.grouped:
        if not part.varies:
            continue
        effects += part.drawn(at, count, rng)
    noise = np.sqrt(variances.sampling) * rng.standard_normal((count, size))
    for members, covariance in zip(problem.system.layout.blocks, variances.blocks, strict=True):
        factor = np.linalg.cholesky(covariance)
        z = rng.standard_normal((count, *members.shape, 1))
        noise[:, members] = (factor @ z)[..., 0]
    # Conditional mean of the random effects is linear in the residuals: E(u | r) - E(u | r') + u'.
    residual = system.effect - (b - problem.pilot) @ design.columns.T
    return linear + effects + _smooth_residuals(problem, values, residual - effects - noise)


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
