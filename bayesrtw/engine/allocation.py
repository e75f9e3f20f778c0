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

from bayesrtw.engine.arrays import masked
from bayesrtw.engine.cholesky import inverse
from bayesrtw.engine.kernel import Conditional, Smoothed, smooth, solve_columns
from bayesrtw.engine.many import gram_many
from bayesrtw.engine.problem import Problem, pose
from bayesrtw.errors import EngineRefusal
from bayesrtw.model.design import Design
from bayesrtw.model.open_parts import Untold
from bayesrtw.model.prior import Prior
from bayesrtw.model.unreported import combined
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

    def slopes(self, line: "Line", halves: "Halves") -> list[Array]:
        """Write a linear function on the coefficients that move, with a constant and a variance of the rest.

        Shape (point, allocation) each, of length one where no allocation changes it; the variance (point,).
        """
        row = np.broadcast_to(line.row, (len(self.log), self.line.shape[1]))
        found = np.einsum("np,npm->mn", row, self.line)
        weight = np.einsum("np,npr->nr", row, self.shifts)
        if line.shifts is not None:
            weight = weight + line.shifts
        found[-1] += line.constant
        rest = np.einsum("np,npq,nq->n", row, self.rest, row) + line.variance
        made = halves.summed(found, weight) if weight.any() else found[..., None]
        return [*made, np.asarray(rest)]


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
    halves
        Shifts of silent estimates.
    """

    log: Array
    lower: Array
    pull: Array
    points: Points
    halves: "Halves"

    @property
    def summed(self) -> tuple[Array, Array]:
        """Log of the sum over allocations, (point,), and each one's share of it, (point, allocation)."""
        most = np.max(self.log, axis=1, keepdims=True)
        share = self.log - most
        np.exp(share, out=share)
        total = np.sum(share, axis=1, keepdims=True)
        share /= total
        return (most + np.log(total))[:, 0], share

    def along(self, line: "Line") -> tuple[Array, Array]:
        """Mean and variance of a linear function, shape (point, allocation)."""
        mean, white, rest = self.whitened(line)
        variance = np.empty_like(mean)
        variance[:] = rest[:, None]
        for each in white:
            variance += each * each
        return mean, variance

    def whitened(self, line: "Line") -> tuple[Array, list[Array], Array]:
        """Mean of a linear function; its slopes on independent standard normals; variance of the rest.

        Shapes (point, allocation), for each that moves (point, allocation), and (point,).
        """
        *found, mean, rest = self.points.slopes(line, self.halves)
        white = whitened(found, self.lower)
        mean = np.broadcast_to(mean, self.log.shape).copy()
        for own, pull in zip(white, self.pull, strict=True):
            mean += own * pull
        return mean, white, rest

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
        return self.halves.chosen(place)


class Halves(NamedTuple):
    """Shifts of silent estimates under every allocation, as those of two parts of them.

    An allocation is one of the first part and one of the second: what is linear in shifts is a sum of both,
    and what is a product of two of them one small matrix product more.

    Attributes
    ----------
    levels
        What each level of each silent estimate makes of its shift: slopes on the coefficients that move and a
        constant, shape (row, level, moving + 1).
    first, second
        The same under every allocation of either part, shape (allocation of the part, row, moving + 1).
    """

    levels: Array
    first: Array
    second: Array

    @classmethod
    def of(cls, levels: Array, sizes: Index) -> "Halves":
        """Divide silent estimates; where the first are more, inner loops are longer."""
        middle = (2 * len(levels) + 1) // 3
        first = _every(levels[:middle], sizes[:middle])
        return cls(levels, first, _every(levels[middle:], sizes[middle:]))

    def summed(self, start: Array, weight: Array) -> Array:
        """Weigh shifts, (point, row), and add: (moving + 1, point) to (moving + 1, point, allocation)."""
        middle = self.first.shape[1]
        one = weight[:, :middle] @ self.first.transpose(2, 1, 0) + start[..., None]
        two = weight[:, middle:] @ self.second.transpose(2, 1, 0)
        return np.asarray((two[..., None] + one[:, :, None]).reshape(*start.shape, -1))

    def chosen(self, place: Index) -> Array:
        """Give shifts under some allocations, shape (draw, row, moving + 1)."""
        two, one = np.divmod(place, len(self.first))
        return np.concatenate([self.first[one], self.second[two]], axis=1)

    def sums(self, left: Array) -> list[list[Array]]:
        """Matrices of the coefficients that move and the data, lower triangles, (point, allocation) each."""
        count, size, middle = len(left), self.levels.shape[2], self.first.shape[1]
        # The data stand on the other side of a shift: what it explains is taken off them.
        sign = np.append(np.ones(size - 1), -1.0)
        one, two = self.first * sign, self.second * sign
        inner = size + middle
        own = _quadratic(one, left[:, size:inner, :size], left[:, size:inner, size:inner])
        other = _quadratic(two, left[:, inner:, :size], left[:, inner:, inner:])
        # What shifts of the second part make of each of the first.
        across = two.transpose(2, 0, 1) @ left[:, None, inner:, size:inner]
        found: list[list[Array]] = [[] for _ in range(size)]
        for i in range(size):
            for j in range(i + 1):
                both = [across[:, j], across[:, i], other[:, :, i, j, None]]
                against = [one[:, :, i], one[:, :, j], np.ones((len(one), 1))]
                # One product of two matrices for all points and allocations of the second part.
                rows = np.concatenate(both, axis=2).reshape(count * len(two), -1)
                made = rows @ np.ascontiguousarray(np.concatenate(against, axis=1).T)
                made = made.reshape(count, len(two), len(one))
                made += (own[:, :, i, j] + left[:, i, j, None])[:, None]
                found[i].append(made.reshape(count, -1))
        return found


def _every(levels: Array, sizes: Index) -> Array:
    """Give rows under every allocation, shape (allocation, row, moving + 1)."""
    return np.asarray(levels[np.arange(len(levels)), combined(sizes)])


def _quadratic(shifts: Array, linear: Array, square: Array) -> Array:
    """Give what shifts (allocation, row, m) add to a matrix, (point, allocation, m, m).

    `linear` (point, row, m) are the rows of the shifts against it, `square` (point, row, row) theirs.
    """
    half = (
        0.5 * (square @ shifts.transpose(2, 1, 0)[:, None]) + linear.transpose(2, 0, 1)[..., None]
    )
    each = shifts.transpose(2, 1, 0)
    found = np.empty((len(linear), len(shifts), len(each), len(each)))
    for i, own in enumerate(each):
        for j, other in enumerate(half):
            found[:, :, i, j] = np.sum(own * other, axis=1)
    return np.asarray(found + np.swapaxes(found, -1, -2))


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
    halves
        Shifts of silent estimates.
    known
        What was worked out at values of the hyperparameters; priors of these may be others.
    powers
        Of the coefficients' prior, and of the density of the data given coefficients and levels.
    """

    problem: Problem
    wide: Problem
    allocations: Index
    log_prior: Array
    moving: Index
    halves: Halves
    known: dict[bytes, Conditional] = field(default_factory=dict)
    powers: tuple[float, float] = (1.0, 1.0)

    @property
    def design(self) -> Design:
        """The arrays."""
        return self.problem.design

    @property
    def unreported(self) -> Untold:
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
            log[cut], share = states.summed
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
        rows = self.powers[1] * len(self.design.se)
        if len(self.design.se):
            seen, log_det = gram_many(wide.system_at(values), wide.variances(values))
            gram += self.powers[1] * seen
            log_det = self.powers[1] * log_det
        every, precision = np.arange(width), self.powers[0] * self.design.precision
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
        log = log - 0.5 * (rows - np.sum(~proper)) * LOG_2PI
        return Points(log, left, line, shifts, rest)

    def states(self, points: Points) -> States:
        """Condition on every allocation."""
        sums = self.halves.sums(points.left)
        lower, [pull], log = factored(sums)
        log += sums[-1][-1]
        log *= -0.5
        log += points.log[:, None] + self.log_prior
        return States(log, lower, pull, points, self.halves)

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


def whitened(slopes: list[Array], lower: Array) -> list[Array]:
    """Write slopes on coefficients as slopes on independent standard normals; see `factored`."""
    found = list[Array]()
    for place, own in enumerate(slopes):
        for before, other in enumerate(found):
            own = own - lower[place, before] * other  # noqa: PLW2901
        found.append(own * lower[place, place])
    return found


def factored(sums: list[list[Array]], last: int = 1) -> tuple[Array, Array, Array]:
    """Integrate coefficients out of matrices (lower triangles), all but the `last` rows.

    Gives lower factors with inverted diagonals; what pulls, for each of the last rows; and the log
    determinants of what was integrated out. What is left of the last rows stands in `sums`.
    """
    size, shape = len(sums) - last, sums[-1][-1].shape
    lower, pull = np.empty((size, size, *shape)), np.empty((last, size, *shape))
    scale = np.ones(shape)
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
        for row, own in zip(sums[size:], pull, strict=True):
            part = row[i]
            for k in range(i):
                part -= lower[i, k] * own[k]
            np.multiply(part, lower[i, i], out=own[i])
    for one in range(last):
        for two in range(one + 1):
            for k in range(size):
                sums[size + one][size + two] -= pull[one, k] * pull[two, k]
    np.log(scale, out=scale)
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
    many = math.prod(missing.sizes.tolist())
    if many > MOST:
        raise EngineRefusal(
            f"{missing.described} = {float(many):.1e} allocations, at most {MOST:,} are summed over. "
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
    return arranged(design)


def arranged(design: Design, free: int | None = None) -> Allocated:
    """Lay out what levels move; a column that is `free` moves last, whatever levels do."""
    missing = design.unreported
    assert missing is not None
    problem, allocations = pose(design), combined(missing.sizes)
    silent = missing.silent
    each = missing.alternatives[silent]
    # Held against each other, for mean rows are rounded.
    moving = np.flatnonzero(np.any(each != each[:, :1], axis=(0, 1)))
    if free is not None:
        moving = np.append(moving[moving != free], free)
    away = each - design.columns[silent, None]
    own = np.concatenate([away[..., moving], (away @ problem.pilot)[..., None]], axis=-1)
    wide = widened(problem, silent, problem.pilot)
    weight = missing.log_weight(allocations)
    return Allocated(problem, wide, allocations, weight, moving, Halves.of(own, missing.sizes))


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
