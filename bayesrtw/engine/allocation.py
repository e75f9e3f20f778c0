"""Models that are Gaussian once it is known which level each silent estimate has: a sum over all allocations.

Given the hyperparameters and an allocation of levels the coefficients are normal. What an allocation moves
are a few coefficients (those of the levels) and a shift of each silent estimate, which is linear in them. One
pass of the kernel, with a column of its own for each silent estimate, says all that the data have to say; the
other coefficients are then integrated out, and every allocation is a small matrix: that of the mean rows,
plus terms of single silent estimates and of pairs of them. Allocations are built up one silent estimate at a
time, so that all together they cost little more than the last.
"""

import math
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from bayesrtw.engine.allocated_states import Halves, Line, Points, States, factored
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
#: Numbers in one intermediate array, some dozen of which stay in the cache; and in all that is kept of the
#: values of hyperparameters that were asked last.
AT_ONCE, KEPT = 16_384, 8_000_000
#: A standard error of a row that says nothing, against the largest of the others.
BLIND = 1e12
LOG_2PI = math.log(2.0 * math.pi)


@dataclass(slots=True, eq=False)
class Asked:
    """What was worked out at values of the hyperparameters, whose priors may be others."""

    #: Moments by the bytes of the values.
    given: dict[bytes, Conditional] = field(default_factory=dict)
    #: last, states: values that were asked last, and coefficients there under every allocation, if these are
    #: not many.
    last: bytes = b""
    states: tuple[States, ...] = ()

    def keep(self, key: bytes, states: Sequence[States]) -> None:
        """Keep states for whoever asks at the same values next; of two that keep some, the older forgets."""
        if self not in _keeping:
            if len(_keeping) == _keeping.maxlen:
                _keeping[0].states = ()
            _keeping.append(self)
        self.last, self.states = key, tuple(states)


#: Those that keep states.
_keeping: deque[Asked] = deque(maxlen=2)


@dataclass(frozen=True, slots=True, eq=False)
class Allocated:
    """The integral of such a model; see `bayesrtw.engine.integrate.Integrand`."""

    #: The same with the mean row of every silent estimate: names, axes, groups; its data are no answer.
    problem: Problem
    #: The same with a column for each silent estimate, which is its shift from there.
    wide: Problem
    allocations: Index  #: Levels of the silent estimates, shape (allocation, row).
    log_prior: Array  #: Log prior probability of each, shape (allocation,).
    moving: Index  #: Columns of coefficients that levels move, shape (moving,).
    halves: Halves  #: Shifts of silent estimates.
    known: Asked = field(default_factory=Asked)  #: What was asked before.
    #: Of the coefficients' prior, and of the density of the data given coefficients and levels.
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
        key = self._key(flat)
        if key not in self.known.given:
            self.known.given[key] = self._given(flat, math.prod(shape))
        log, mean, covariance = self.known.given[key]
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
        covariance, start = np.zeros((count, width, width)), 0
        for states in self.conditioned(flat):
            cut = slice(start, start + len(states.log))
            start = cut.stop
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

    def _key(self, flat: tuple[Array, ...]) -> bytes:
        by_name = dict(zip(self.names, flat, strict=True))
        return b"".join(by_name[name].tobytes() for name in sorted(by_name))

    def conditioned(self, values: tuple[Array, ...]) -> Iterator[States]:
        """Condition on every allocation at values of the hyperparameters, `together` points at a time."""
        key, known = self._key(values), self.known
        if key == known.last and known.states:
            yield from known.states
            return
        points, found = self.points(values), list[States]()
        width, count = len(self.moving), len(points.log)
        small = count * len(self.allocations) * (width + 1) * (width + 2) // 2 <= KEPT
        for start in range(0, count, self.together):
            states = self.states(points.cut(slice(start, start + self.together)))
            if small:
                found.append(states)
            yield states
        if small:
            known.keep(key, found)

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


def allocated(design: Design) -> Allocated:
    """Prepare a design some of whose estimates do not report their level for integration."""
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
