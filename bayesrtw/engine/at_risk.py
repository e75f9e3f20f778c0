"""The density of estimates that may be biased: sums over what they share, and without each of them."""

import math
from collections.abc import Callable
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import special

from bayesrtw.model.term import AtRisk
from bayesrtw.posterior.nodes import rule as legendre_rule

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]

#: Share of the prior of an SD of biases that is cut off.
TAIL = 1e-9
#: Points of a search for where a density lives, its rounds, and the fall of its log that ends it.
POINTS, ZOOMS, FAINT = 33, 4, 30.0


class Parted(NamedTuple):
    """What the density of a group at risk is made of."""

    log: Array  #: Log density for each node of the SD of biases, shape (point, node, spread).
    #: plain, more: log density of its kept rows without bias (point, node, row), and by how much that with
    #: bias exceeds it, at least 0 (point, node, spread, row).
    plain: Array
    more: Array
    #: f0, f1: both densities as shares of the larger one, shape (point, node, spread, row).
    f0: Array
    f1: Array


def living(
    look: Callable[[Array], Array], low: Array, high: Array, narrow: Array
) -> tuple[Array, Array]:
    """Find where densities live between ends (point,): points of a line and logs there, (point, place).

    `look` gives logs at such points; the narrowest SD that a density may have tells what a line may miss.
    """
    first, last = low, high
    for _ in range(ZOOMS):
        line = np.linspace(first, last, POINTS, axis=1)
        log = look(line)
        step, before = line[:, 1] - line[:, 0], last - first
        near = log > (np.max(log, axis=1) - FAINT - 0.125 * (step / narrow) ** 2)[:, None]
        each, end = np.arange(len(line)), POINTS - 1 - np.argmax(near[:, ::-1], axis=1)
        first = np.maximum(line[each, np.argmax(near, axis=1)] - step, low)
        last = np.minimum(line[each, end] + step, high)
        if np.all((step <= narrow) | (last - first > 0.7 * before)):
            break
    return line, log


def log_sum(log: Array) -> Array:
    """Log of a sum of exponentials over the last axis."""
    peak = np.max(log, axis=-1)
    return np.asarray(peak + np.log(np.sum(np.exp(log - peak[..., None]), axis=-1)))


def over_chance(f0: Array, f1: Array, a: float, c: float) -> Array:
    """Integrate prod (1 - pi) f0 + pi f1 over pi ~ beta(a, c), a polynomial in pi; (..., row) to (...)."""
    total = np.zeros(f0.shape[:-1])
    # Rows first: products then run along everything else.
    start = np.ascontiguousarray(np.moveaxis(f0, -1, 0))
    slope = np.moveaxis(f1, -1, 0) - start
    for pi, share in zip(*chances_of(f0.shape[-1], a, c), strict=True):
        each = pi * slope
        each += start
        total += share * np.multiply.reduce(each, axis=0)
    return total


def without_each(risk: AtRisk, rows: Mask, parts: Parted) -> Array:
    """Log density of a group at risk without each of its rows, shape (point, node, row)."""
    found = np.empty((*parts.log.shape[:2], int(rows.sum())))
    for place, (a, c) in enumerate(risk.chances):
        inside = np.flatnonzero(risk.of_class[rows] == place)
        if not len(inside):
            continue
        f0, f1 = parts.f0[..., inside], parts.f1[..., inside]
        whole, others = np.zeros(f0.shape[:-1]), np.zeros(f0.shape)
        for pi, share in zip(*chances_of(len(inside), a, c), strict=True):
            each = f0 + pi * (f1 - f0)
            product = share * np.prod(each, axis=-1)
            whole += product
            # One of the two shares is 1, so that nothing is divided by less than pi or 1 - pi.
            others += product[..., None] / each
        ratio = np.log(others) - np.log(whole)[..., None] - parts.more[..., inside]
        log = np.moveaxis(parts.log[..., None] + ratio, 2, -1)
        found[..., inside] = log_sum(log) - parts.plain[..., inside]
    return found


@lru_cache(maxsize=64)
def chances_of(degree: int, a: float, c: float) -> tuple[Array, Array]:
    """Nodes of a probability that is beta(a, c), and weights: exact for polynomials of a degree."""
    node, weight = special.roots_jacobi(degree // 2 + 1, c - 1.0, a - 1.0)
    return 0.5 * (node + 1.0), weight / weight.sum()


@lru_cache(maxsize=64)
def spreads_of(prior: Any, count: int) -> tuple[Array, Array]:
    """Nodes of a squared SD and their weights: a rule in the log of the SD plus its prior's median."""
    x, w = legendre_rule(count)
    middle, end = (float(part) for part in prior.ppf(np.array([0.5, 1.0 - TAIL])))
    low, high = math.log(middle), math.log(middle + end)
    u = low + 0.5 * (high - low) * (x + 1.0)
    spread = np.exp(u) - middle
    weight = w * np.exp(prior.logpdf(spread) + u)
    return np.asarray(spread**2), np.asarray(weight / weight.sum())
