"""A design as one or many integrals: the arrays of the kernel and how hyperparameters enter them."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from bayesrtw.engine.blocks import Correlated, correlated, together
from bayesrtw.engine.cholesky import condition
from bayesrtw.engine.kernel import Conditional, Conditioned, Index, System, Variances, finish
from bayesrtw.engine.layout import laid_out, leading_rows
from bayesrtw.engine.many import matrix_of, sums_many
from bayesrtw.engine.reprior import Reweighed, moments, reweigh
from bayesrtw.model.design import Design, PriorMixture
from bayesrtw.model.grouped import Grouped
from bayesrtw.model.prior import Prior
from bayesrtw.posterior.axis import Axis, Bounded, Positive, Real, Unit

Array = NDArray[np.float64]

#: Shift of the map tau = exp(u) - shift, as a share of the typical standard error at k = 1. It
#: shrinks with k^(1/4), as the posterior of a small tau does.
SHIFT = 0.3

#: Factor between a typical standard error and a prior's median beyond which the prior says where to look.
NEAR = 1e4
#: Where a density is taken to vanish at an end of (0, 1): there, by so much in logs; and to diverge: by so
#: much over what it is a bit further in.
NEAR_END, VANISHED, INSIDE, DIVERGED = 1e-8, 5.0, 1e-4, 0.5
#: How far from a whole number twice the power of a density at an end may lie, which is read off it.
WHOLE = 1e-3

#: Numbers in one intermediate array of a pass of the kernel: half a megabyte stays in the cache.
AT_ONCE = 65_536

#: Coefficients up to which an inverse is written down and no factor is kept.
CLOSED = 2

#: A node's part of a prior with less than this share of the largest is dropped.
NEGLIGIBLE = 1e-14


@dataclass(frozen=True, slots=True, eq=False)
class Problem:
    """The integral over the hyperparameters of one design."""

    design: Design  #: Names and priors.
    system: System  #: The kernel's data, centred at `pilot`.
    pilot: Array  #: Coefficients that the data were centred at, shape (column,).
    names: tuple[str, ...]  #: Hyperparameters, in the order of integration.
    #: priors, axes: their priors and coordinates.
    priors: tuple[Prior, ...]
    axes: tuple[Axis, ...]
    own: tuple[Grouped, ...]  #: Random effects with one group for each estimate.
    nested: tuple[Grouped, ...]  #: The others, from the innermost groups to the outermost.
    #: Sampling covariance of correlated estimates, one entry a size of block.
    blocks: tuple[Correlated, ...]

    def on(self, axes: tuple[Axis, ...]) -> "Problem":
        """Give the same on other coordinates."""
        return replace(self, axes=axes)

    def variances(self, values: Sequence[Array]) -> Variances:
        """Say what hyperparameters make of the variances: `values` (...,); gives (...,)."""
        at = dict(zip(self.names, values, strict=True))
        own: Array = np.zeros(1)
        for part in self.own:
            own = own + part.variance(at)
        groups = []
        rows = leading_rows(self.system.layout) if self.nested else self.system.layout.singles
        for level, part in zip(self.system.layout.levels, self.nested, strict=True):
            rows = rows[level.starts]
            groups.append(part.variance(at, rows))
        members = self.system.layout.blocks
        blocks = tuple(correlated.at(at) for correlated in self.blocks)
        effects = tuple(
            sum(
                (part.covariance(at, rows, rows) for part in self.own),
                np.zeros((*rows.shape, rows.shape[-1])),
            )
            for rows in members
        )
        for carried in self.design.scatter:
            more = carried.factor * np.asarray(at[carried.name])[..., None] ** 2
            blocks = tuple(
                block + more[..., rows, None] * np.eye(rows.shape[-1])
                for block, rows in zip(blocks, members, strict=True)
            )
        return Variances(sampling_variance(self.design, at), own, tuple(groups), blocks, effects)

    def system_at(self, values: Sequence[Array]) -> System:
        """Give the data with biases that are hyperparameters taken off.

        `values` (...,); gives (..., estimate).
        """
        if not self.design.shift:
            return self.system
        at = dict(zip(self.names, values, strict=True))
        effect = self.system.effect
        for part in self.design.shift:
            effect = effect - part.factor * np.asarray(at[part.name])[..., None]
        return replace(self.system, effect=effect)

    def given(self, values: Sequence[Array]) -> Conditioned:
        """Condition on hyperparameters, in passes that fit into memory."""
        if self.design.mixture is None:
            return self._given(values)
        return moments(self._by_parts(values, self.design.mixture))

    def normals(
        self, values: Sequence[Array], weight: Array, given: Conditioned | None = None
    ) -> "Normals":
        """Write the posterior over nodes as a mixture of normals: `values`, `weight` (node,)."""
        mixture = self.design.mixture
        if mixture is None:
            every = np.arange(len(weight))
            precision = self.design.precision
            found = self._given(values) if given is None else given
            return Normals(tuple(values), weight, found, precision, every, np.ones(len(weight)))
        parts = self._by_parts(values, mixture)
        share = (weight[:, None] * parts.weight).reshape(-1)
        keep = share > NEGLIGIBLE * share.max()
        node = np.repeat(np.arange(len(weight)), parts.weight.shape[1])[keep]
        width = parts.mean.shape[-1]
        precision = np.tile(self.design.precision, (len(node), 1))
        inverse = np.tile(mixture.parts.sd**-2.0, len(weight))[keep]
        precision[:, mixture.column] = inverse
        flat = Conditional(
            parts.log_density[node],
            parts.mean.reshape(-1, width)[keep],
            parts.covariance.reshape(-1, width, width)[keep],
        )
        each = tuple(np.asarray(value)[node] for value in values)
        part = parts.weight.reshape(-1)[keep]
        return Normals(each, share[keep] / share[keep].sum(), flat, precision, node, part)

    def parts(self, values: Sequence[Array], weight: Array) -> Array:
        """Give the posterior weight of each part of a prior that is a mixture.

        Parameters
        ----------
        values
            One array of shape (node,) for each hyperparameter.
        weight
            Shares of the nodes, shape (node,).

        Returns
        -------
        ndarray, shape (part,)
            In the order of the prior's parts; empty where no prior is a mixture.
        """
        if self.design.mixture is None:
            return np.zeros(0)
        return np.asarray(weight @ self._by_parts(values, self.design.mixture).weight)

    def drawn(self, values: Sequence[Array], rng: np.random.Generator, count: int) -> Conditioned:
        """Condition on draws of the hyperparameters, and on a draw of the prior's part.

        `values` (draw,); gives (draw,).
        """
        found, mixture = self._given(values), self.design.mixture
        if mixture is None:
            return found
        parts = reweigh(found, mixture)
        upto = np.broadcast_to(np.cumsum(parts.weight, axis=-1), (count, parts.weight.shape[-1]))
        chosen = np.minimum(
            np.sum(upto < rng.random((count, 1)), axis=-1), parts.weight.shape[-1] - 1
        )
        node = np.arange(count) if len(parts.weight) > 1 else np.zeros(count, dtype=np.intp)
        return Conditional(
            found.log_density[node], parts.mean[node, chosen], parts.covariance[node, chosen]
        )

    def _by_parts(self, values: Sequence[Array], mixture: PriorMixture) -> Reweighed:
        """Condition on hyperparameters and on each part of the prior that is a mixture."""
        found = self._given(values)
        if len(self.design.se):
            return reweigh(found, mixture)
        # Without data the parts are the prior's own.
        column, (log_weight, centre, sd) = mixture.column, mixture.parts
        shape, width = (*found.log_density.shape, len(sd)), found.mean.shape[-1]
        mean = np.broadcast_to(found.mean[..., None, :], (*shape, width)).copy()
        covariance = np.broadcast_to(
            found.covariance[..., None, :, :], (*shape, width, width)
        ).copy()
        mean[..., column], covariance[..., column, column] = centre, sd**2
        weight = np.broadcast_to(np.exp(log_weight), shape)
        return Reweighed(found.log_density, weight, mean, covariance)

    def _unseen(self, shape: tuple[int, ...]) -> Conditional:
        """Give the coefficients' prior, as what no data say; a prior that is a mixture is left at zero."""
        with np.errstate(divide="ignore"):
            variance = np.where(self.design.precision > 0, 1.0 / self.design.precision, 0.0)
        mean = np.where(self.design.precision > 0, self.design.mean, 0.0)
        width = len(mean)
        return Conditional(
            np.zeros(shape),
            np.broadcast_to(mean, (*shape, width)),
            np.broadcast_to(np.diag(variance), (*shape, width, width)),
        )

    def _given(self, values: Sequence[Array]) -> Conditioned:
        """Condition on hyperparameters, with a flat prior in place of one that is a mixture."""
        if not len(self.design.se):
            return self._unseen(_shape(values))
        return self.conditioned(*self.sums(values))

    def sums(self, values: Sequence[Array]) -> tuple[Array, Array]:
        """Add up products of the columns and the data over the rows, in passes that fit into memory.

        gives (pair, ...).
        """
        shape = _shape(values)
        each = [
            np.asarray(value).reshape((1,) * (len(shape) - np.ndim(value)) + np.shape(value))
            for value in values
        ]
        width = self.system.columns.shape[-1] + 1
        found, log_det = np.empty((width * (width + 1) // 2, *shape)), np.empty(shape)
        for where in self._passes(each, shape):
            here = [_cut(value, where) for value in each]
            part, log = sums_many(self.system_at(here), self.variances(here))
            # What no hyperparameter changes is one sum that serves all points.
            lead = (1,) * (len(shape) + 1 - part.ndim)
            found[:, *where], log_det[where] = part.reshape(len(part), *lead, *part.shape[1:]), log
        return found, log_det

    def conditioned(self, sums: Array, log_det: Array) -> Conditioned:
        """Condition on data of which no more is known than what `sums` gives."""
        system, width = self.system, self.system.columns.shape[-1]
        if width > CLOSED:
            prior = system.mean, system.precision
            factored = condition(sums, log_det, prior, len(self.design.se), self.pilot)
            if np.all(np.isfinite(factored.log_density)):
                return factored
            # Rounding has made a precision indefinite: elimination with pivots still serves.
        found = finish(system, matrix_of(sums, width + 1), log_det)
        return found._replace(mean=found.mean + self.pilot)

    def _passes(
        self, values: Sequence[Array], shape: tuple[int, ...]
    ) -> Iterator[tuple[slice, ...]]:
        """Cut points of hyperparameters into passes, later axes whole as long as they fit."""
        steps = list(shape)
        for axis in range(len(shape)):
            while steps[axis] > 1 and self._numbers(values, steps) > AT_ONCE:
                steps[axis] = (steps[axis] + 1) // 2
        starts = [range(0, size, step) for size, step in zip(shape, steps, strict=True)]
        for corner in product(*starts):
            yield tuple(slice(at, at + step) for at, step in zip(corner, steps, strict=True))

    @property
    def _above(self) -> list[str]:
        """Name the hyperparameters that act on groups alone."""
        return _above(self.design, self.nested)

    def _numbers(self, values: Sequence[Array], steps: Sequence[int]) -> int:
        """Count the numbers of the largest intermediate array of a pass."""
        shapes = {
            name: [min(size, step) for size, step in zip(value.shape, steps, strict=True)]
            for name, value in zip(self.names, values, strict=True)
        }
        above = self._above
        axes = [1] * len(steps)
        for name in self.names:
            if name not in above:
                axes = [max(pair) for pair in zip(axes, shapes[name], strict=True)]
        units, most = len(self.design.se), 0
        for level, part in zip(self.system.layout.levels, self.nested, strict=True):
            most = max(most, units * math.prod(axes))
            units = len(level.starts)
            for name in part.hyper:
                axes = [max(pair) for pair in zip(axes, shapes[name], strict=True)]
        return max(most, units * math.prod(axes))

    def log_density(self, values: tuple[Array, ...]) -> Array:
        """Log posterior density of the hyperparameters, not normalised: gives (...,)."""
        log = self.given(values).log_density
        for value, prior in zip(values, self.priors, strict=True):
            log = log + prior.logpdf(value)
        return log


class Normals(NamedTuple):
    """A posterior as a mixture of normals."""

    hyper: tuple[Array, ...]  #: Hyperparameters, each of shape (node,).
    weight: Array  #: Shares, shape (node,); they sum to one.
    given: Conditioned  #: Coefficients given the node.
    precision: Array  #: Prior precision of the coefficients, shape (column,) or (node, column).
    origin: Index  #: Which of the nodes asked for each one comes from, shape (node,).
    part: Array  #: Its share of that node, shape (node,).


def _shape(values: Sequence[Array]) -> tuple[int, ...]:
    return np.broadcast_shapes(*(np.shape(value) for value in values)) if values else (1,)


def _cut(value: Array, where: tuple[slice, ...]) -> Array:
    """Take a pass out of values that may have axes of length one."""
    every = slice(None)
    return value[
        tuple(at if size > 1 else every for at, size in zip(where, value.shape, strict=True))
    ]


def pose(design: Design, levels: Sequence[int] | None = None) -> Problem:
    """Prepare a design for integration, its data centred at a pilot fit."""
    levels = levels_of(design) if levels is None else levels
    nested = tuple(design.grouped[place] for place in levels)
    own = tuple(part for place, part in enumerate(design.grouped) if place not in levels)
    blocks = together(design)
    layout = laid_out(len(design.se), blocks, nested)
    pilot = _pilot(design)
    system = System(
        effect=design.effect - design.columns @ pilot,
        columns=design.columns,
        mean=np.where(design.precision > 0, design.mean - pilot, 0.0),
        precision=design.precision,
        layout=layout,
    )
    names = _order(design, nested)
    count = max(len(design.se), 1)
    typical = float(np.sqrt(count / np.sum(design.se**-2.0))) if len(design.se) else 1.0
    axes: list[Axis] = []
    for name in names:
        prior = design.hyper[name]
        if math.isinf(prior.support[0]):
            low, middle, high = (float(end) for end in prior.ppf(np.array([0.16, 0.5, 0.84])))
            axes.append(Real(middle, 0.25 * (high - low)))
            continue
        if not prior.positive:
            axes.append(_of_unit(prior))
            continue
        at_zero = bool(np.isfinite(prior.logpdf(np.zeros(1))[0]))
        shift = SHIFT * typical * count**-0.25 if at_zero else 0.0
        upper = np.inf
        scale = typical
        if prior.proper:
            # The quantile function of a bounded prior ends where the prior does.
            with np.errstate(all="ignore"):
                middle, upper = (float(end) for end in prior.ppf(np.array([0.5, 1.0])))
            # A prior far from every standard error lies outside a look around them.
            far = not (at_zero or middle / NEAR < typical < middle * NEAR)
            scale = middle if far or not len(design.se) else typical
            shift = min(shift, SHIFT * middle)
        axes.append(Positive(scale, shift, upper))
    priors = tuple(design.hyper[name] for name in names)
    return Problem(
        design=design,
        system=system,
        pilot=pilot,
        names=names,
        priors=priors,
        axes=tuple(axes),
        own=own,
        nested=nested,
        blocks=correlated(blocks, layout.blocks),
    )


def sampling_variance(design: Design, at: Mapping[str, Array]) -> Array:
    """Give sampling variances, those of biases included, at hyperparameters, shape (..., estimate)."""
    sampling = design.se**2
    if design.excess is not None:
        sampling = sampling * (1.0 + design.excess * np.asarray(at["icc"])[..., None])
    for carried in design.scatter:
        sampling = sampling + carried.factor * np.asarray(at[carried.name])[..., None] ** 2
    return sampling


def levels_of(design: Design) -> list[int]:
    """Say which random terms have groups of several estimates, from the innermost."""
    several = [
        place for place, part in enumerate(design.grouped) if not part.distinct and part.kin is None
    ]
    return sorted(several, key=lambda place: -design.grouped[place].count)


def _of_unit(prior: Prior) -> Axis:
    """Choose the coordinate of a probability or correlation: by whether its density ends finite and not 0."""
    low = prior.support[0]

    def at(*share: float) -> Array:
        return prior.logpdf(low + (1.0 - low) * np.array(share))

    ends, inside = at(NEAR_END, 1.0 - NEAR_END), at(INSIDE, 1.0 - INSIDE)
    steep = np.all(ends < at(0.5) - VANISHED) or np.any(ends > inside + DIVERGED)
    # As x^(p - 1) at an end it is smooth there in the angle of `Bounded` if 2p is a whole number.
    twice = 2.0 + 2.0 * (inside - ends) / math.log(INSIDE / NEAR_END)
    whole = low < 0 and np.all(np.abs(twice - np.round(twice)) < WHOLE)
    return Unit(low) if steep and not whole else Bounded(low)


def _order(design: Design, nested: Sequence[Grouped]) -> tuple[str, ...]:
    """Order hyperparameters for integration, what acts on estimates first and on outer groups last.

    An inner integral then changes nothing below its own groups, of which there are fewest.
    """
    above = _above(design, nested)
    return (*(name for name in design.hyper if name not in above), *dict.fromkeys(above))


def _above(design: Design, nested: Sequence[Grouped]) -> list[str]:
    """Name the hyperparameters of groups that no estimate has by itself."""
    levels = [id(part) for part in nested]
    own = {name for part in design.grouped if id(part) not in levels for name in part.hyper}
    return [name for part in nested for name in part.hyper if name not in own]


def _pilot(design: Design) -> Array:
    """Coefficients where effects do not differ: what is nearest to an estimate that is all but known.

    Anywhere else such an estimate has a residual of so many standard errors that its square hides all others.
    """
    if not design.columns.size:
        return np.zeros(design.columns.shape[1])
    weight = design.se**-2.0
    weighted = weight[:, None] * design.columns
    matrix = weighted.T @ design.columns + np.diag(design.precision)
    right = weighted.T @ design.effect + design.precision * design.mean
    return np.asarray(np.linalg.lstsq(matrix, right, rcond=None)[0])
