"""Models that are Gaussian once it is known which level each silent estimate has: a sum over all allocations.

Given the hyperparameters and an allocation of levels the coefficients are normal. Estimates that report their
level are taken in first; each silent one then splits every normal into one for each of its levels, by the
update of a Kalman filter, so that all allocations together cost little more than the last of these splits.
Correlation between estimates (groups, the same people) is taken out beforehand by a Cholesky factor.
"""

import math
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import logsumexp

from bayesrtw.engine.kernel import Conditional, inverse
from bayesrtw.engine.problem import Problem, pose, sampling_variance
from bayesrtw.errors import EngineRefusal
from bayesrtw.model.design import Design
from bayesrtw.model.prior import Prior
from bayesrtw.model.unreported import Unreported
from bayesrtw.posterior.axis import Axis

Array = NDArray[np.float64]
Index = NDArray[np.intp]

#: Most allocations: eight silent estimates of three levels, twelve of two.
MOST = 6_561
#: Numbers in one intermediate array.
AT_ONCE = 400_000
LOG_2PI = math.log(2.0 * math.pi)


class States(NamedTuple):
    """Coefficients given hyperparameters and an allocation.

    Axes of columns stand first, so that arithmetic runs along the many: six times as fast as small matrices.

    Attributes
    ----------
    log
        Log of the allocation's prior probability times the density of the data, shape (point, allocation).
    mean
        Shape (column, point, allocation).
    base
        Covariance before the last silent estimate is taken in, shape (column, column, point, part): each part
        is split into as many allocations as that one has levels.
    drop
        Less the square of this it is the covariance, shape (column, point, allocation).
    """

    log: Array
    mean: Array
    base: Array
    drop: Array

    @property
    def share(self) -> Array:
        """Probability of each allocation given the hyperparameters, shape (point, allocation)."""
        share = np.exp(self.log - np.max(self.log, axis=1, keepdims=True))
        return np.asarray(share / np.sum(share, axis=1, keepdims=True))

    @property
    def levels(self) -> int:
        """Into how many allocations each part is split."""
        return int(self.mean.shape[-1] // self.base.shape[-1])

    def along(self, slope: Array) -> tuple[Array, Array]:
        """Mean and variance of a linear function of the coefficients, shape (point, allocation).

        Its slope has the shape (column,), or one that broadcasts to (column, point, allocation).
        """
        if slope.ndim == 1:
            before = np.tensordot(np.outer(slope, slope), self.base, 2)
            drop = np.tensordot(slope, self.drop, 1)
            variance = np.tile(before, self.levels) - drop**2
            return np.tensordot(slope, self.mean, 1), variance
        if slope.shape[-1] == 1:
            across = np.sum(self.base * slope, axis=1)
            before = np.tile(np.sum(across * slope, axis=0), self.levels)
            return np.sum(slope * self.mean, axis=0), before - np.sum(
                self.drop * slope, axis=0
            ) ** 2
        slope = np.broadcast_to(slope, self.mean.shape)
        split = slope.reshape(*self.base.shape[1:3], self.levels, -1)
        across = _times(self.base, split)
        before = np.sum(across * split, axis=0).reshape(self.log.shape)
        return np.sum(slope * self.mean, axis=0), before - np.sum(self.drop * slope, axis=0) ** 2

    def one(self, point: Index, place: Index) -> tuple[Array, Array]:
        """Mean and covariance at some points, each under one allocation, shapes as `moments` gives them."""
        drop = self.drop[:, point, place if self.drop.shape[-1] > 1 else 0]
        base = self.base[:, :, point, place % self.base.shape[-1]]
        covariance = base - drop[:, None] * drop
        return self.mean[:, point, place].T, np.moveaxis(covariance, -1, 0)

    def moments(self) -> tuple[Array, Array]:
        """Mean and covariance over the allocations, shapes (point, column) and (point, column, column)."""
        share = self.share
        mean = np.sum(share * self.mean, axis=-1)
        part = share.reshape(len(share), self.levels, -1).sum(axis=1)
        covariance = np.moveaxis(np.sum(self.base * part, axis=-1), -1, 0)
        for each, sign in ((self.mean - mean[..., None], 1.0), (self.drop, -1.0)):
            first, second = (np.moveaxis(values, 1, 0) for values in (each * share, each))
            covariance = covariance + sign * (first @ np.swapaxes(second, 1, 2))
        return mean.T, covariance

    def gain(self, row: Array) -> Array:
        """Covariance of the coefficients with a combination of them, shape (column, point, allocation)."""
        before = np.tile(np.tensordot(row, self.base, 1), self.levels)
        return np.asarray(before - self.drop * np.tensordot(row, self.drop, 1))


def _times(base: Array, x: Array) -> Array:
    """Multiply matrices (column, column, point, part) and vectors (column, point, level, part)."""
    found = np.zeros(x.shape)
    for first in range(len(base)):
        for second in range(len(base)):
            found[first] += base[first, second][:, None] * x[second]
    return found


class Covariances(NamedTuple):
    """What estimates have in common given the coefficients, each of shape (point, estimate, estimate)."""

    effects: Array
    errors: Array

    @property
    def inverse(self) -> Array:
        """Inverse of their sum."""
        return np.linalg.inv(self.effects + self.errors)


@dataclass(frozen=True, slots=True, eq=False)
class Allocated:
    """The integral of such a model; see `bayesrtw.engine.integrate.Integrand`.

    Attributes
    ----------
    problem
        The same with the mean row of every silent estimate: names, axes, groups; its data are no answer.
    allocations
        Levels of the silent estimates, shape (allocation, row).
    log_prior
        Log prior probability of each, shape (allocation,).
    """

    problem: Problem
    allocations: Index
    log_prior: Array

    @property
    def design(self) -> Design:
        """The arrays."""
        return self.problem.design

    @property
    def unreported(self) -> Unreported:
        """Which estimates are silent, and what they may be."""
        found = self.design.unreported
        assert found is not None
        return found

    @property
    def names(self) -> tuple[str, ...]:
        """The hyperparameters, in the order of integration."""
        return self.problem.names

    @property
    def axes(self) -> tuple[Axis, ...]:
        """Their coordinates."""
        return self.problem.axes

    @property
    def priors(self) -> tuple[Prior, ...]:
        """Their priors."""
        return self.problem.priors

    def on(self, axes: tuple[Axis, ...]) -> "Allocated":
        """Give the same on other coordinates."""
        return replace(self, problem=self.problem.on(axes))

    def rows(self, silent: Index | None = None) -> Array:
        """Rows of silent estimates under each allocation, shape (allocation, row, column)."""
        silent = self.unreported.silent if silent is None else silent
        return self.unreported.alternatives[silent[None, :], self.allocations]

    @property
    def together(self) -> int:
        """How many points are worked on at once."""
        width = max(self.design.columns.shape[1], 1)
        size = max(len(self.allocations) * width**2, len(self.design.se) ** 2)
        return int(max(1, AT_ONCE // size))

    def given(self, values: tuple[Array, ...]) -> Conditional:
        """Log density of the data, and moments of the coefficients, given the hyperparameters."""
        shape = np.broadcast_shapes(*(np.shape(value) for value in values)) if values else (1,)
        flat = tuple(np.broadcast_to(value, shape).reshape(-1) for value in values)
        count, width = math.prod(shape), self.design.columns.shape[1]
        log = np.empty(count)
        mean, covariance = np.empty((count, width)), np.empty((count, width, width))
        for start in range(0, count, self.together):
            cut = slice(start, start + self.together)
            found = self.states(tuple(value[cut] for value in flat))
            log[cut] = logsumexp(found.log, axis=1)
            mean[cut], covariance[cut] = found.moments()
        return Conditional(
            log.reshape(shape),
            mean.reshape(*shape, width),
            covariance.reshape(*shape, width, width),
        )

    def log_density(self, values: tuple[Array, ...]) -> Array:
        """Log posterior density of the hyperparameters, not normalised."""
        log = self.given(values).log_density
        for value, prior in zip(values, self.priors, strict=True):
            log = log + prior.logpdf(value)
        return log

    def effect(self, values: tuple[Array, ...]) -> Array:
        """Estimates with biases that are hyperparameters taken off, shape (point, estimate)."""
        at = dict(zip(self.names, values, strict=True))
        count = len(values[0]) if values else 1
        found = np.broadcast_to(self.design.effect, (count, len(self.design.se)))
        for part in self.design.shift:
            found = found - part.factor * np.asarray(at[part.name])[:, None]
        return found

    def covariances(self, values: tuple[Array, ...]) -> Covariances:
        """Give what estimates have in common at values of the hyperparameters, each of shape (point,)."""
        design, at = self.design, dict(zip(self.names, values, strict=True))
        size, count = len(design.se), len(values[0]) if values else 1
        effects = np.zeros((count, size, size))
        for part in design.grouped:
            if part.hyper:
                sd = np.sqrt(part.variance(at))
                alike = part.group[:, None] == part.group
                effects += sd[:, :, None] * sd[:, None, :] * alike
        errors = np.zeros((count, size, size))
        every = np.arange(size)
        errors[:, every, every] = sampling_variance(design, at)
        variances = self.problem.variances(values)
        for members, block in zip(self.problem.system.layout.blocks, variances.blocks, strict=True):
            errors[:, members[:, :, None], members[:, None, :]] = block
        return Covariances(effects, errors)

    def states(self, values: tuple[Array, ...]) -> States:
        """Condition on every allocation at values of the hyperparameters, each of shape (point,)."""
        silent = self.unreported.silent
        told = np.flatnonzero(self.unreported.index >= 0)
        order, many = np.concatenate([told, silent]), len(told)
        both = self.covariances(values)
        factor = np.linalg.cholesky((both.effects + both.errors)[:, order[:, None], order])
        pilot = self.problem.pilot
        effect = (self.effect(values) - self.design.columns @ pilot)[:, order]
        white_by = np.linalg.inv(factor)
        white = (white_by @ effect[..., None])[..., 0]
        diagonal = np.diagonal(factor, axis1=-2, axis2=-1)
        columns = white_by[:, :, :many] @ self.design.columns[told]
        start = _started(self.design, pilot, columns[:, :many], white[:, :many])
        log = start.log - np.sum(np.log(diagonal), axis=1)[:, None]
        mean, base, drop = start.mean, start.base, start.drop
        levels = len(self.unreported.names)
        moved = np.moveaxis(self.unreported.alternatives[silent], -1, 0)
        away = (self.unreported.alternatives - self.design.columns[:, None]) @ pilot
        taken = np.zeros((1, 0), dtype=np.intp)
        for place in range(len(silent)):
            row, size = many + place, log.shape[1] * levels
            if place:
                base = np.tile(base, levels) - drop[:, None] * drop
            # What the estimates before have in common with this one is taken off its row and its effect.
            own, seen = columns[:, row].T[:, :, None], white[:, None, row]
            for before in range(place):
                weight = white_by[:, row, many + before]
                if np.any(weight):
                    level = taken[:, before]
                    own = own + weight[:, None] * moved[:, before, level][:, None]
                    seen = seen - weight[:, None] * away[silent[before], level]
            scale = white_by[:, row, row][:, None, None]
            x = own[:, :, None] + scale * moved[:, place][:, None, :, None]
            x = np.broadcast_to(x, (len(x), len(log), levels, log.shape[1]))
            y = seen[:, None] - scale * away[silent[place]][:, None]
            across = _times(base, x)
            variance = 1.0 + np.sum(across * x, axis=0)
            gap = y - np.sum(x * mean[:, :, None], axis=0)
            log = log[:, None] - 0.5 * (gap**2 / variance + np.log(variance) + LOG_2PI)
            mean = mean[:, :, None] + across * (gap / variance)
            log = log.reshape(-1, size)
            mean = mean.reshape(len(mean), -1, size)
            drop = (across / np.sqrt(variance)).reshape(mean.shape)
            every = np.repeat(np.arange(levels), size // levels)
            taken = np.column_stack([np.tile(taken, (levels, 1)), every])
        return States(log + self.log_prior, mean + pilot[:, None, None], base, drop)


def _started(design: Design, pilot: Array, columns: Array, white: Array) -> States:
    """Take in the estimates that report their level: one normal at each point, centred at the pilot."""
    proper = design.precision > 0
    gap = np.where(proper, design.mean - pilot, 0.0)
    across = np.swapaxes(columns, 1, 2)
    total = across @ columns + np.diag(design.precision)
    right = (across @ white[..., None])[..., 0] + design.precision * gap
    covariance, log_det = inverse(total)
    mean = (covariance @ right[..., None])[..., 0]
    log = -0.5 * (
        np.sum(white**2, axis=1)
        + np.sum(design.precision * gap**2)
        - np.sum(mean * right, axis=1)
        + log_det
        - np.sum(np.log(design.precision[proper]))
        + (white.shape[1] - np.sum(~proper)) * LOG_2PI
    )
    first = mean.T[..., None]
    base = np.moveaxis(covariance, 0, -1)[..., None]
    return States(log[:, None], first, base, np.zeros_like(first))


def allocated(design: Design) -> Allocated:
    """Prepare a design some of whose estimates do not report their level for integration.

    Raises
    ------
    EngineRefusal
        If there are too many allocations, or a part of the model is in the way.
    """
    missing = design.unreported
    assert missing is not None
    count, levels = len(missing.silent), len(missing.names)
    if levels**count > MOST:
        raise EngineRefusal(
            f"{count} rows do not report {missing.column!r}, and each has any of {levels} levels: "
            f"{levels}^{count} = {float(levels**count):.1e} allocations, at most {MOST:,} are summed over. "
            'Collapse levels by groups, leave rows out, or use engine = { kind = "nuts" }.'
        )
    if design.mixture is not None:
        raise EngineRefusal(
            f"levels of {missing.column!r} are missing and a coefficient has a prior that is a mixture of "
            'normals; give it a normal prior, or use engine = { kind = "nuts" }.'
        )
    flat = design.columns[missing.index >= 0][:, design.flat]
    if (flat.size and np.linalg.matrix_rank(flat) < flat.shape[1]) or (
        not flat.size and design.flat.any()
    ):
        raise EngineRefusal(
            f"a coefficient has a flat prior that rows reporting {missing.column!r} do not bound; give it a "
            "normal prior."
        )
    allocations = missing.allocations()
    return Allocated(pose(design), allocations, missing.log_weight(allocations))
