"""Models that are Gaussian once it is known which level each silent estimate has: a sum over all allocations.

Given the hyperparameters and an allocation of levels the coefficients are normal. What an allocation moves
are a few coefficients (those of the levels) and a shift of each silent estimate, which is linear in them. One
pass of the kernel, with a column of its own for each silent estimate, says all that the data have to say; the
other coefficients are then integrated out, and every allocation is a small matrix: that of the mean rows,
plus terms of single silent estimates and of pairs of them. Allocations are built up one silent estimate at a
time, so that all together they cost little more than the last.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import logsumexp

from bayesrtw.engine.arrays import masked
from bayesrtw.engine.cholesky import inverse
from bayesrtw.engine.kernel import Conditional, Smoothed, smooth, solve_columns
from bayesrtw.engine.many import gram_many
from bayesrtw.engine.problem import Problem, pose
from bayesrtw.errors import EngineRefusal
from bayesrtw.model.design import Design
from bayesrtw.model.prior import Prior
from bayesrtw.model.unreported import Unreported
from bayesrtw.posterior.axis import Axis

Array = NDArray[np.float64]
Index = NDArray[np.intp]
Mask = NDArray[np.bool_]

#: Most allocations: nine silent estimates of three levels, fourteen of two.
MOST = 20_000
#: Numbers in one intermediate array: some of them stay in the cache.
AT_ONCE = 65_536
#: A standard error of a row that says nothing, against the largest of the others.
BLIND = 1e12
LOG_2PI = math.log(2.0 * math.pi)


class Points(NamedTuple):
    """What the data say at hyperparameters, whatever the allocation; every array has the shape (point, ...).

    Attributes
    ----------
    log
        Log density of the data, less what `left` still holds.
    left
        Matrix of the coefficients that levels move, of the data, and of the silent estimates' own columns,
        the other coefficients integrated out, (moving + 1 + row, moving + 1 + row).
    line
        Each coefficient on those that move and, last, a constant, (column, moving + 1).
    shifts
        The same on the shift of each silent estimate, (column, row).
    rest
        Covariance of what is left of the coefficients, (column, column).
    """

    log: Array
    left: Array
    line: Array
    shifts: Array
    rest: Array

    def cut(self, where: slice) -> "Points":
        """Give some of the points."""
        return Points(*(each[where] for each in self))


class States(NamedTuple):
    """Coefficients given hyperparameters and an allocation.

    Those that levels move are normal given both: their precision has the lower Cholesky factor `lower`, their
    mean (as far as they lie from the pilot) is its transpose's inverse times `pull`. Every coefficient is
    linear in these, in the shifts of silent estimates, and in a rest that no allocation changes.

    Attributes
    ----------
    log
        Log of the allocation's prior probability times the density of the data, shape (point, allocation).
    lower
        Shape (moving, moving, point, allocation); its diagonal is inverted.
    pull
        Shape (moving, point, allocation).
    points
        What does not hang on the allocation.
    levels
        What each level of each silent estimate makes of its shift: slopes on the coefficients that move and a
        constant, shape (row, level, moving + 1).
    """

    log: Array
    lower: Array
    pull: Array
    points: Points
    levels: Array

    @property
    def share(self) -> Array:
        """Probability of each allocation given the hyperparameters, shape (point, allocation)."""
        share = self.log - np.max(self.log, axis=1, keepdims=True)
        np.exp(share, out=share)
        share /= np.sum(share, axis=1, keepdims=True)
        return share

    def along(self, line: "Line") -> tuple[Array, Array]:
        """Mean and variance of a linear function, shape (point, allocation)."""
        mean, white, rest = self.whitened(line)
        variance = np.empty_like(mean)
        variance[:] = rest[:, None]
        white *= white
        variance += np.sum(white, axis=0)
        return mean, variance

    def whitened(self, line: "Line") -> tuple[Array, Array, Array]:
        """Mean of a linear function; its slopes on independent standard normals; variance of the rest.

        Shapes (point, allocation), (moving, point, allocation), and (point,).
        """
        points = self.points
        row = np.broadcast_to(line.row, (len(points.log), points.line.shape[1]))
        found = np.einsum("np,npm->mn", row, points.line)
        weight = np.einsum("np,npr->rn", row, points.shifts)
        if line.shifts is not None:
            weight = weight + np.atleast_2d(line.shifts).T
        found[-1] += line.constant
        found = found[..., None]
        for each, own in zip(self.levels, weight, strict=True):
            new = each.T[:, None, :] * own[:, None]
            found = (found[:, :, None, :] + new[..., None]).reshape(len(found), len(own), -1)
        white, mean = found[:-1], found[-1]
        for place in range(len(white)):
            for before in range(place):
                white[place] -= self.lower[place, before] * white[before]
            white[place] *= self.lower[place, place]
            mean += white[place] * self.pull[place]
        rest = np.einsum("np,npq,nq->n", row, points.rest, row) + line.variance
        return mean, white, np.asarray(rest)

    def draw(self, point: Index, place: Index, z: Array) -> Array:
        """Coefficients at some points, each under one allocation, made of normals (draw, column + moving)."""
        moving = len(self.pull)
        lower = self.lower[:, :, point, place]
        found = [self.pull[which, point, place] + z[:, which] for which in range(moving)]
        for which in range(moving - 1, -1, -1):
            for later in range(which + 1, moving):
                found[which] = found[which] - lower[later, which] * found[later]
            found[which] = found[which] * lower[which, which]
        own = np.array([*found, np.ones(len(point))]).T
        shift = np.einsum("drm,dm->dr", self.chosen(place), own)
        b = np.einsum("dpm,dm->dp", self.points.line[point], own)
        b += np.einsum("dpr,dr->dp", self.points.shifts[point], shift)
        scale, turn = np.linalg.eigh(self.points.rest[point])
        rest = np.sqrt(np.maximum(scale, 0.0)) * z[:, moving:]
        return np.asarray(b + np.einsum("dpq,dq->dp", turn, rest))

    def chosen(self, place: Index) -> Array:
        """Give what levels make of the shifts under some allocations, shape (draw, row, moving + 1)."""
        rows, levels = self.levels.shape[:2]
        level = place[:, None] // levels ** np.arange(rows) % max(levels, 1)
        return np.asarray(self.levels[np.arange(rows), level])


class Line(NamedTuple):
    """A linear function: of coefficients as far as they lie from the pilot, of shifts, and a deviation.

    Attributes
    ----------
    row
        On the coefficients, shape (column,) or (point, column).
    shifts
        On the shifts of silent estimates, shape (point, row) or (row,); None for none.
    constant, variance
        Shape () or (point,).
    share
        Part of each allocation that it holds for, or shape (allocation,).
    """

    row: Array
    shifts: Array | None = None
    constant: Array | float = 0.0
    variance: Array | float = 0.0
    share: Array | float = 1.0


@dataclass(frozen=True, slots=True, eq=False)
class Allocated:
    """The integral of such a model; see `bayesrtw.engine.integrate.Integrand`.

    Attributes
    ----------
    problem
        The same with the mean row of every silent estimate: names, axes, groups; its data are no answer.
    wide
        The same with a column for each silent estimate, which is its shift from there.
    allocations
        Levels of the silent estimates, shape (allocation, row).
    log_prior
        Log prior probability of each, shape (allocation,).
    moving
        Columns of coefficients that levels move, shape (moving,).
    levels
        See `States`.
    known
        What was worked out at values of the hyperparameters; priors of these may be others.
    """

    problem: Problem
    wide: Problem
    allocations: Index
    log_prior: Array
    moving: Index
    levels: Array
    known: dict[bytes, Conditional] = field(default_factory=dict)

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

    @property
    def together(self) -> int:
        """How many points are worked on at once."""
        return int(max(1, AT_ONCE // len(self.allocations)))

    def given(self, values: tuple[Array, ...]) -> Conditional:
        """Log density of the data, and moments of coefficients, given the hyperparameters.

        Of those that levels move, and of the headline; of covariances only the diagonal is worked out.
        """
        shape = np.broadcast_shapes(*(np.shape(value) for value in values)) if values else (1,)
        flat = tuple(np.broadcast_to(value, shape).reshape(-1) for value in values)
        by_name = dict(zip(self.names, flat, strict=True))
        key = b"".join(by_name[name].tobytes() for name in sorted(by_name))
        if key not in self.known:
            self.known[key] = self._given(flat, math.prod(shape))
        log, mean, covariance = self.known[key]
        width = mean.shape[-1]
        return Conditional(
            log.reshape(shape),
            mean.reshape(*shape, width),
            covariance.reshape(*shape, width, width),
        )

    def _given(self, flat: tuple[Array, ...], count: int) -> Conditional:
        lines = [Line(row) for row in np.eye(self.design.columns.shape[1])[self.moving]]
        for name in (self.design.pooled,) if "mu" in self.design.quantities else ():
            row = self.design.quantities[name].combine[0]
            lines.append(Line(row, constant=float(row @ self.problem.pilot)))
        width = len(lines)
        log, mean = np.empty(count), np.empty((count, width))
        covariance = np.zeros((count, width, width))
        points = self.points(flat)
        for start in range(0, count, self.together):
            cut = slice(start, start + self.together)
            states = self.states(points.cut(cut))
            log[cut], share = logsumexp(states.log, axis=1), states.share
            for place, line in enumerate(lines):
                own, variance = states.along(line)
                mean[cut, place] = np.einsum("na,na->n", share, own)
                own -= mean[cut, place, None]
                variance += own * own
                covariance[cut, place, place] = np.einsum("na,na->n", share, variance)
        return Conditional(log, mean, covariance)

    def log_density(self, values: tuple[Array, ...]) -> Array:
        """Log posterior density of the hyperparameters, not normalised."""
        log = self.given(values).log_density
        for value, prior in zip(values, self.priors, strict=True):
            log = log + prior.logpdf(value)
        return log

    def points(self, values: tuple[Array, ...]) -> Points:
        """Take in the data at values of the hyperparameters, each of shape (point,)."""
        wide, width, moving = self.wide, self.design.columns.shape[1], self.moving
        count, size = len(values[0]) if values else 1, wide.design.columns.shape[1] + 1
        gram, log_det = np.zeros((count, size, size)), np.zeros(1)
        if len(self.design.se):
            seen, log_det = gram_many(wide.system_at(values), wide.variances(values))
            gram += seen
        every, precision = np.arange(width), self.design.precision
        gap = wide.system.mean[:width]
        gram[:, every, every] += precision
        gram[:, every, -1] += precision * gap
        gram[:, -1, every] += precision * gap
        gram[:, -1, -1] += precision @ gap**2
        still, silent = np.delete(every, moving), np.arange(width, size - 1)
        both = np.concatenate([moving, [size - 1], silent])
        own, log_own = inverse(gram[:, still[:, None], still])
        across = gram[:, still[:, None], both]
        solved = own @ across
        line, most = np.zeros((count, width, len(moving) + 1)), len(moving) + 1
        line[:, moving, np.arange(most - 1)] = 1.0
        # The coefficients that move and the shifts pull the others away; the data draw them.
        line[:, still] = solved[..., :most] * np.append(-np.ones(most - 1), 1.0)
        shifts, rest = np.zeros((count, width, len(silent))), np.zeros((count, width, width))
        shifts[:, still] = -solved[..., most:]
        rest[:, still[:, None], still] = own
        left = gram[:, both[:, None], both] - np.swapaxes(across, 1, 2) @ solved
        proper = precision > 0
        log = np.broadcast_to(-0.5 * log_det, (count,)) - 0.5 * log_own
        log = log + 0.5 * np.sum(np.log(precision[proper]))
        log = log - 0.5 * (len(self.design.se) - np.sum(~proper)) * LOG_2PI
        return Points(log, left, line, shifts, rest)

    def states(self, points: Points) -> States:
        """Condition on every allocation."""
        lower, pull, log = _factored(self._sums(points.left), points.log)
        log += self.log_prior
        return States(log, lower, pull, points, self.levels)

    def _sums(self, left: Array) -> list[list[Array]]:
        """Matrices of the coefficients that move and the data, lower triangles, (point, allocation) each."""
        count, size = len(left), len(self.moving) + 1
        found = [[left[:, i, j, None] for j in range(i + 1)] for i in range(size)]
        # The data stand on the other side of a shift: what it explains is taken off them.
        signed = self.levels * np.append(np.ones(size - 1), -1.0)
        for row, each in enumerate(signed):
            own = size + row
            # What silent estimates before this one add to its row of the matrix, half of its own with them.
            across = np.moveaxis(left[:, own, :size], 0, 1)[..., None]
            for before, other in enumerate(signed[:row]):
                new = left[:, own, size + before, None] * other.T[:, None, :]
                across = (across[:, :, None, :] + new[..., None]).reshape(size, count, -1)
            half = 0.5 * left[:, own, own, None] * each.T[:, None, :]
            terms = across[:, :, None, :] + half[..., None]
            for i in range(size):
                for j in range(i + 1):
                    grown = terms[i] * each[:, j, None]
                    grown += terms[j] * each[:, i, None]
                    grown += found[i][j][:, None, :]
                    found[i][j] = grown.reshape(count, -1)
        return found

    def away(self, place: Index) -> Array:
        """Rows of silent estimates under some allocations less their mean rows, shape (draw, row, column)."""
        silent = self.unreported.silent
        each = self.unreported.alternatives[silent[None, :], self.allocations[place]]
        return np.asarray(each - self.design.columns[silent])

    def smoothed(self, values: tuple[Array, ...]) -> Smoothed:
        """Random effects given coefficients and shifts, see `bayesrtw.engine.kernel.smooth`."""
        return smooth(self.wide.system_at(values), self.wide.variances(values))

    def solved(self, values: tuple[Array, ...]) -> Array:
        """Give V^-1 [X, a column for each silent estimate], shape (point, estimate, column + row)."""
        variances = self.wide.variances(values)
        return solve_columns(self.wide.system_at(values), variances, self.smoothed(values))


def _factored(sums: list[list[Array]], log: Array) -> tuple[Array, Array, Array]:
    """Factor precisions: lower factors with inverted diagonals, what pulls, and logs of densities."""
    size = len(sums) - 1
    square = sums[size][size]
    lower, pull = np.empty((size, size, *square.shape)), np.empty((size, *square.shape))
    scale = np.ones(square.shape)
    for i in range(size):
        for j in range(i + 1):
            part = sums[i][j]
            for k in range(j):
                part -= lower[i, k] * lower[j, k]
            if j < i:
                np.multiply(part, lower[j, j], out=lower[i, j])
            else:
                scale *= part
                np.sqrt(part, out=part)
                np.divide(1.0, part, out=lower[i, i])
        part = sums[size][i]
        for k in range(i):
            part -= lower[i, k] * pull[k]
        np.multiply(part, lower[i, i], out=pull[i])
        square = square - pull[i] * pull[i]
    np.log(scale, out=scale)
    scale += square
    scale *= -0.5
    scale += log[:, None]
    return lower, pull, scale


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
    problem, allocations = pose(design), missing.allocations()
    silent = missing.silent
    each = missing.alternatives[silent]
    # Held against each other, for mean rows are rounded.
    moving = np.flatnonzero(np.any(each != each[:, :1], axis=(0, 1)))
    away = each - design.columns[silent, None]
    own = np.concatenate([away[..., moving], (away @ problem.pilot)[..., None]], axis=-1)
    wide = widened(problem, silent, problem.pilot)
    weight = missing.log_weight(allocations)
    return Allocated(problem, wide, allocations, weight, moving, own)


def widened(problem: Problem, rows: Sequence[int] | Index, pilot: Array) -> Problem:
    """Give some estimates a column of their own, and centre the data at a pilot."""
    design, count = problem.design, len(rows)
    extra = np.zeros((len(design.se), count))
    extra[rows, np.arange(count)] = 1.0
    columns, none = np.hstack([design.columns, extra]), np.zeros(count)
    biased = None if design.biased is None else np.append(design.biased, none > 0)
    wide = replace(
        design,
        columns=columns,
        mean=np.append(design.mean, none),
        precision=np.append(design.precision, none),
        biased=biased,
    )
    system = replace(
        problem.system,
        effect=design.effect - design.columns @ pilot,
        columns=columns,
        mean=np.append(np.where(design.precision > 0, design.mean - pilot, 0.0), none),
        precision=wide.precision,
    )
    return replace(problem, design=wide, system=system, pilot=np.append(pilot, none))


def blinded(
    whole: Design, kept: Mask, row: int, silent: Index, pilot: Array
) -> tuple[Problem, int]:
    """Add a row that says nothing to those that are kept, so that the kernel tells what they say of it.

    Its error is beyond every other; `silent` and `pilot` are those of the kept rows. With its place.
    """
    keep = kept.copy()
    keep[row] = True
    design, place = masked(whole, keep), int(np.sum(keep[:row]))
    se, blocks = design.se.copy(), []
    se[place] = BLIND * np.max(se)
    for block in design.blocks:
        stays = block.rows != place
        if stays.sum() > 1:
            blocks.append(block.kept(stays, block.rows[stays]))
    problem = pose(replace(design, se=se, blocks=tuple(blocks)))
    return widened(problem, np.searchsorted(np.flatnonzero(keep), silent), pilot), place
