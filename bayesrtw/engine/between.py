"""Sums over allocations between few values of the hyperparameters, where each costs much.

What a sum over allocations adds to the model of mean rows, on the log scale, is a smooth function of the
hyperparameters, and so are means and SDs: they are worked out on a grid of Chebyshev's points where the model
of mean rows lives, and interpolated. Nodes of a quadrature then cost what they cost without missing levels.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Self

import numpy as np
from numpy.typing import NDArray
from scipy.special import logsumexp

from bayesrtw.engine.allocation import Allocated
from bayesrtw.engine.integrate import Integral, answer
from bayesrtw.engine.kernel import Conditional
from bayesrtw.engine.problem import Problem, pose
from bayesrtw.engine.shared import SharedNodes
from bayesrtw.model.design import Design
from bayesrtw.model.prior import Prior
from bayesrtw.posterior.axis import Axis
from bayesrtw.posterior.nodes import Nodes

Array = NDArray[np.float64]

#: Grids that are tried: where the posterior of mean rows has this share at a node, and points in each
#: direction: the first serves nearly all fits of the shipped analyses, so that few are worked out twice. The
#: error is what fewer degrees would move, and what lies outside, where the nearest on the edge is taken.
GRIDS, FEWER = ((1e-8, 17), (1e-9, 21), (1e-9, 26)), 2
#: The same for what is asked of a fit, which varies less than a density and matters less where that is faint.
SPARSE = ((1e-6, 11), (1e-6, 13), (1e-6, 13))
#: Most hyperparameters of a grid, whose points grow with their power.
MOST = 2


@dataclass(frozen=True, eq=False)
class Span:
    """Points of a box of coordinates, Chebyshev's in each direction."""

    axes: Mapping[str, Axis]  #: Coordinate of each hyperparameter, by name.
    ends: tuple[tuple[float, float], ...]  #: The box: both ends of each coordinate.
    count: int  #: Points in each direction.

    @cached_property
    def _angles(self) -> Array:
        """Angles whose cosines are Chebyshev's points."""
        return np.asarray(np.pi * (np.arange(self.count) + 0.5) / self.count)

    @cached_property
    def values(self) -> dict[str, Array]:
        """Hyperparameters at the points, shape (point,) each."""
        along = [
            0.5 * (low + high) + 0.5 * (high - low) * np.cos(self._angles)
            for low, high in self.ends
        ]
        laid = np.meshgrid(*along, indexing="ij")
        return {
            name: axis.value(u.reshape(-1))
            for (name, axis), u in zip(self.axes.items(), laid, strict=True)
        }

    def leaves(self, names: Sequence[str], nodes: Nodes) -> float:
        """Give the share of nodes that lie outside the box."""
        at, inside = dict(zip(names, nodes.values, strict=True)), np.ones(1, dtype=bool)
        for (name, axis), (low, high) in zip(self.axes.items(), self.ends, strict=True):
            u = axis.coordinate(at[name])
            inside = inside & (u >= low) & (u <= high)
        return float(np.sum(np.exp(nodes.log_weight[~inside])))

    def matrix(self, at: Mapping[str, Array], fewer: int = 0) -> Array:
        """Give values between points as combinations of those there, shape (value, point).

        Beyond the box the nearest on its edge; with polynomials of `fewer` degrees less.
        """
        degree = np.arange(self.count - fewer)
        weight = np.where(degree > 0, 2.0, 1.0) / self.count
        back = weight[:, None] * np.cos(np.outer(degree, self._angles))
        found = np.ones((1, 1))
        for (name, axis), (low, high) in zip(self.axes.items(), self.ends, strict=True):
            u = (axis.coordinate(at[name]) - 0.5 * (low + high)) / (0.5 * (high - low))
            angle = np.arccos(np.clip(u, -1.0, 1.0))
            each = np.cos(np.outer(angle, degree)) @ back
            found = (found[:, :, None] * each[:, None, :]).reshape(len(each), -1)
        return found


@dataclass(frozen=True, slots=True, eq=False)
class Gridded:
    """What does not change with the priors of hyperparameters."""

    #: Log density of the data in the model of mean rows, by the bytes of the values that it was asked at.
    plain: dict[bytes, Array] = field(default_factory=dict)
    #: Grids by what `GRIDS` and `SPARSE` say of them.
    boxes: dict[tuple[float, int], Span] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class Interpolated:
    """Such an integral, interpolated; see `bayesrtw.engine.integrate.Integrand`."""

    exact: Allocated  #: The integral.
    plain: Problem  #: That of the model of mean rows, which the log density is held against.
    gridded: Gridded  #: What both have been asked before.
    grid: Span  #: Where the integral is worked out.
    sparse: Span  #: Between whose points everything else serves; the same where no fewer do.

    @property
    def design(self) -> Design:
        """The arrays."""
        return self.exact.design

    @property
    def names(self) -> tuple[str, ...]:
        """The hyperparameters, in the order of integration."""
        return self.exact.names

    @property
    def axes(self) -> tuple[Axis, ...]:
        """Their coordinates."""
        return self.exact.axes

    @property
    def priors(self) -> tuple[Prior, ...]:
        """Their priors."""
        return self.exact.priors

    def on(self, axes: tuple[Axis, ...]) -> Self:
        """Give the same on other coordinates."""
        return replace(self, exact=self.exact.on(axes))

    def _of_mean_rows(self, at: Mapping[str, Array]) -> Array:
        values = tuple(at[name] for name in self.plain.names)
        key = b"".join(np.asarray(value).tobytes() for value in values)
        known = self.gridded.plain
        if key not in known:
            known[key] = self.plain.given(values).log_density
        return known[key]

    @cached_property
    def _at_points(self) -> Array:
        """Log density less that of mean rows, means, and logs of SDs, shape (point, figure)."""
        found = self.exact.given(tuple(self.grid.values[name] for name in self.names))
        log = found.log_density - self._of_mean_rows(self.grid.values)
        return np.column_stack([log, found.mean, 0.5 * np.log(found.variance)])

    def figures(self, values: tuple[Array, ...], fewer: int = 0) -> Conditional:
        """Interpolate what is worked out at the points; the log density is less that of mean rows."""
        shape = np.broadcast_shapes(*(np.shape(value) for value in values))
        flat = [np.broadcast_to(own, shape).reshape(-1) for own in values]
        found = self.grid.matrix(dict(zip(self.names, flat, strict=True)), fewer) @ self._at_points
        return _figures(found, shape)

    def given(self, values: tuple[Array, ...]) -> Conditional:
        """See `Integrand`."""
        found = self.figures(values)
        plain = self._of_mean_rows(dict(zip(self.names, values, strict=True)))
        return found._replace(log_density=found.log_density + plain)

    def log_density(self, values: tuple[Array, ...]) -> Array:
        """Log posterior density of the hyperparameters, not normalised."""
        log = self.given(values).log_density
        for value, prior in zip(values, self.priors, strict=True):
            log = log + prior.logpdf(value)
        return log

    def moved(self, nodes: Nodes) -> float:
        """Measure how far an answer on its nodes moves where polynomials have fewer degrees."""
        full, fewer = self.figures(nodes.values), self.figures(nodes.values, FEWER)
        log = nodes.log_weight + fewer.log_density - full.log_density
        gained = logsumexp(log)
        other = replace(nodes, log_weight=log - gained, log_total=nodes.log_total + gained)
        return float(np.max(np.abs(answer(self, nodes, full) - answer(self, other, fewer))))

    def moved_between(self, sparse: Span, nodes: Nodes) -> float:
        """Measure the same where means and SDs, not the density, are read between fewer points."""
        full = self.figures(nodes.values)
        there = self.grid.matrix(sparse.values) @ self._at_points
        few = _figures(sparse.matrix(dict(zip(self.names, nodes.values, strict=True))) @ there)
        return float(np.max(np.abs(answer(self, nodes, full) - answer(self, nodes, few))))


def between(
    problem: Allocated, base: SharedNodes, gridded: Gridded, tolerance: float
) -> tuple[Interpolated, Integral] | None:
    """Interpolate an integral, and weigh nodes with it."""
    axes = dict(zip(base.problem.names, base.problem.axes, strict=True))
    if set(axes) != set(problem.names) or len(axes) > MOST:
        return None
    plain = pose(replace(problem.design, unreported=None))
    priors = dict(zip(base.problem.names, base.problem.priors, strict=True))
    there = replace(plain, priors=tuple(priors[name] for name in plain.names))

    def grids(tried: Sequence[tuple[float, int]]) -> Iterator[Span]:
        for least, count in tried[:-1]:
            if (least, count) not in gridded.boxes:
                gridded.boxes[least, count] = _box(there, base, axes, least, count)
            yield gridded.boxes[least, count]
        # Its own priors may put it elsewhere.
        yield _box(plain, base, axes, *tried[-1])

    for grid in grids(GRIDS):
        made = Interpolated(problem, plain, gridded, grid, grid)
        found = base.weigh(made)
        if found is None:
            return None
        error = max(found.error, made.moved(found.nodes)) + grid.leaves(made.names, found.nodes)
        if error > tolerance:
            continue
        for sparse in grids(SPARSE):
            moved = made.moved_between(sparse, found.nodes) + sparse.leaves(made.names, found.nodes)
            if error + moved <= tolerance:
                made, error = replace(made, sparse=sparse), error + moved
                break
        return made, replace(found, error=error)
    return None


def _figures(found: Array, shape: tuple[int, ...] = (-1,)) -> Conditional:
    """Give log densities, means and, from the logs of SDs, variances, (value, figure), as moments."""
    width = found.shape[1] // 2
    covariance = np.zeros((len(found), width, width))
    covariance[:, np.arange(width), np.arange(width)] = np.exp(2.0 * found[:, 1 + width :])
    mean = found[:, 1 : 1 + width].reshape(*shape, width)
    return Conditional(found[:, 0].reshape(shape), mean, covariance.reshape(*shape, width, width))


def _box(
    plain: Problem, base: SharedNodes, axes: Mapping[str, Axis], least: float, count: int
) -> Span:
    """Lay a grid where the posterior of mean rows has some share."""
    found = base.weigh(plain)
    nodes, names = (base.sets[-1].nodes, base.problem.names)
    if found is not None:
        nodes, names = found.nodes, plain.names
    keep, ends = np.exp(nodes.log_weight) > least, list[tuple[float, float]]()
    for name, axis, own in zip(base.problem.names, axes.values(), nodes.ranges, strict=True):
        u = axis.coordinate(nodes.values[names.index(name)])
        # Where the first nodes or the last are needed, so is what lies between them and the end.
        ends.append(
            (
                float(np.min(u[keep] if not keep[np.argmin(u)] else own.low)),
                float(np.max(u[keep] if not keep[np.argmax(u)] else own.high)),
            )
        )
    return Span(axes, tuple(ends), count)
