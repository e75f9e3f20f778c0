"""Where coefficients live given hyperparameters, and what a rule there has seen."""

import math
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import special

from bayesrtw.engine.cubature import Rule
from bayesrtw.engine.surface import Surface
from bayesrtw.model.design import Design

if TYPE_CHECKING:
    from bayesrtw.engine.curved_groups import Held

Array = NDArray[np.float64]
Index = NDArray[np.intp]
Mask = NDArray[np.bool_]

LOG_2PI = float(np.log(2.0 * np.pi))


class Place(NamedTuple):
    """Where the coefficients live given hyperparameters."""

    #: centre, factor: shapes (point, column) and (point, column, column): nodes are ``centre + factor @ z``.
    centre: Array
    factor: Array
    #: share, ahead, slope: for each level of groups: SD of a group's effect given the coefficients over its
    #: prior SD, and its centre in prior SDs, which is ``ahead + slope @ b``; shapes (point, group), the same,
    #: and (point, group, column).
    share: tuple[Array, ...]
    ahead: tuple[Array, ...]
    slope: tuple[Array, ...]
    #: For each group at risk both ends of where its mean bias lives, and its narrowest SD, shape (point,).
    bias: tuple[tuple[Array, ...], ...] = ()
    #: Densities of the estimates that are not at risk, around there.
    surface: Surface | None = None
    held: "Held | None" = None  #: Densities of groups, around there.

    def at(self, points: Mask | Index) -> "Place":
        """Give some of the points, without series of groups."""
        return Place(
            self.centre[points],
            self.factor[points],
            tuple(part[points] for part in self.share),
            tuple(part[points] for part in self.ahead),
            tuple(part[points] for part in self.slope),
            tuple(tuple(part[points] for part in each) for each in self.bias),
            None if self.surface is None else self.surface.some(points),
        )

    def centre_of(self, b: Array, cut: slice | Index, groups: Index | slice = slice(None)) -> Array:
        """Give where effects of groups live at coefficients, in prior SDs, shape (point, node, group)."""
        slope, ahead = self.slope[0][cut][:, groups], self.ahead[0][cut][:, None, groups]
        if b.ndim == 3:
            return np.asarray(ahead + b @ np.swapaxes(slope, -1, -2))
        return np.asarray(ahead + np.sum(b * slope[:, None], axis=-1))


class Tilt(NamedTuple):
    """Nodes of what a group at risk shares: mean bias (point, node), squared SD of biases, log weights."""

    bias: Array
    spread2: Array
    log_weight: Array


class Seen(NamedTuple):
    """A rule and what was seen at its nodes."""

    #: b, z: coefficients (point, node, column), and the rule's nodes (node, column).
    b: Array
    z: Array
    #: log_rule, sign: log size and sign of the bare weights, shape (point, node) and (node,).
    log_rule: Array
    sign: Array
    #: Log density of each group at risk and, last, of the other estimates, each (point, node).
    factors: tuple[Array, ...]
    log_prior: Array  #: Log density of the prior of b, shape (point, node).
    #: place, size: where the rule was laid, and its size.
    place: Place
    size: int


def weighed(seen: Seen, powers: tuple[float, float] = (1.0, 1.0)) -> tuple[Array, Array]:
    """Weigh a rule's nodes."""
    log = seen.log_rule + powers[1] * sum(seen.factors, np.zeros(())) + powers[0] * seen.log_prior
    peak = np.max(log, axis=-1, keepdims=True)
    share = np.exp(log - np.where(np.isfinite(peak), peak, 0.0)) * seen.sign
    total = np.sum(share, axis=-1)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.log(total) + peak[:, 0], share / total[:, None]


def moments(b: Array, share: Array) -> tuple[Array, Array]:
    """Give mean and covariance of the coefficients at each point.

    `b` (point, node, column); `share` (point, node); gives (point, column).
    """
    mean = np.einsum("jk,jkc->jc", share, b)
    apart = b - mean[:, None, :]
    return mean, np.einsum("jk,jkc,jkd->jcd", share, apart, apart)


def log_rule_of(place: Place, laid: Rule) -> Array:
    """Log size of a rule's bare weights, shape (point, node)."""
    diagonal = np.diagonal(place.factor, axis1=-2, axis2=-1)
    log = np.sum(np.log(np.abs(diagonal)), axis=-1)
    square = 0.5 * np.sum(laid.node**2, axis=-1) + 0.5 * laid.node.shape[1] * LOG_2PI
    return np.asarray(log[:, None] + np.log(np.abs(laid.weight)) + square)


def factor_of(covariance: Array) -> Array:
    """Cholesky factor; a matrix that rounding has made indefinite keeps its diagonal."""
    try:
        return np.linalg.cholesky(covariance)
    except np.linalg.LinAlgError:
        diagonal = np.sqrt(np.abs(np.diagonal(covariance, axis1=-2, axis2=-1)))
        return np.asarray(diagonal[..., None] * np.eye(covariance.shape[-1]))


def precision_of(design: Design) -> Array:
    """Prior precisions of coefficients, a mixture's by its variance, shape (column,)."""
    if design.mixture is None:
        return design.precision
    weight, mean, sd = design.mixture.parts
    middle, found = float(np.exp(weight) @ mean), design.precision.copy()
    variance = float(np.exp(weight) @ ((mean - middle) ** 2 + sd**2))
    found[design.mixture.column] = 1.0 / variance if math.isfinite(variance) else 0.0
    return found


def log_prior_of(design: Design, b: Array) -> Array:
    """Log prior density of coefficients (..., column); flat ones have density 1."""
    proper = design.precision > 0
    gap = (b - design.mean)[..., proper]
    precision = design.precision[proper]
    log = 0.5 * np.sum(np.log(precision) - LOG_2PI) - 0.5 * np.sum(precision * gap**2, axis=-1)
    if design.mixture is not None:
        weight, mean, sd = design.mixture.parts
        z = (b[..., design.mixture.column, None] - mean) / sd
        log = log + special.logsumexp(weight - 0.5 * (z * z + LOG_2PI) - np.log(sd), axis=-1)
    return np.asarray(log)
