"""What nodes give whatever they weigh, and a posterior that weighs them."""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from bayesrtw.engine.ahead import LookedAhead
from bayesrtw.engine.fitted import Mask
from bayesrtw.engine.kernel import Conditioned, Smoothed, smooth, solve_columns
from bayesrtw.engine.problem import Normals, Problem, pose
from bayesrtw.model.design import Design
from bayesrtw.posterior.axis import Axis
from bayesrtw.posterior.marginal import Distribution, marginals, series
from bayesrtw.posterior.nodes import Nodes

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class NodePlace:
    """Nodes of a design, and what they give whatever they weigh."""

    design: Design
    names: tuple[str, ...]
    normals: Normals
    known: dict[tuple[bytes, bytes], list[tuple[Array, Array]]] = field(default_factory=dict)

    @cached_property
    def problem(self) -> Problem:
        """The integral."""
        return pose(self.design)

    @cached_property
    def at(self) -> dict[str, Array]:
        """Hyperparameters by name, each of shape (node,)."""
        return dict(zip(self.names, self.normals.hyper, strict=True))

    @cached_property
    def spread(self) -> Array:
        """Variance of a new setting, shape (node,)."""
        return self.spread_at()

    def spread_at(self, along: Array | None = None) -> Array:
        """Give the same at a place among the SDs of effects, see `Design.new_variance`."""
        return self.design.new_variance(self.at, len(self.normals.weight), along)

    @cached_property
    def effects(self) -> dict[str, tuple[Array, Array, bool]]:
        """Mean and SD of each reported combination, and whether a flat prior lets it grow with tau."""
        found, given = {}, self.normals.given
        for name, quantity in self.design.quantities.items():
            mean, sd = combined(given, quantity.combine)
            grows = bool(np.any(quantity.combine[:, self.design.flat] != 0))
            for place, label in enumerate(quantity.labels):
                own = name if quantity.dim is None else f"{name}[{label}]"
                found[own] = mean[:, place].copy(), sd[:, place].copy(), grows
        if "mu" in found and self.design.hyper:
            mean, sd, _ = found["mu"]
            found["theta_new"] = mean, np.sqrt(sd**2 + self.spread), True
        return found

    def lines(self, columns: Array, *, new: bool, along: Array | None) -> list[tuple[Array, Array]]:
        """Mean and SD of rows of the design, each of shape (node,), or of the effects in a new setting there.

        One row that is asked twice is the same arrays: posteriors that weigh them otherwise are summarised
        together.
        """
        key = (columns.tobytes(), np.array(along).tobytes() if new else b"")
        if key in self.known:
            return self.known[key]
        mean, sd = combined(self.normals.given, columns)
        if new:
            far = [None] * len(columns) if along is None else along
            spread = np.stack([self.spread_at(each) for each in far], axis=-1)
            sd = np.sqrt(sd**2 + spread)
        found = list(zip(mean.T.copy(), sd.T.copy(), strict=True))
        if len(columns) == 1:
            self.known[key] = found
        return found

    @cached_property
    def like_studies(self) -> tuple[Array, Array] | None:
        """Mean and SD of the effect in a new setting that is like one of the studies, see `like_studies`."""
        return like_studies(self.design, self.normals.given, self.spread_at)

    @cached_property
    def smoothed(self) -> Smoothed:
        """Random effects of the rows given the coefficients."""
        hyper = tuple(self.at[name] for name in self.problem.names)
        return smooth(self.problem.system_at(hyper), self.problem.variances(hyper))

    @cached_property
    def theta(self) -> list[tuple[Array, Array]]:
        """Mean and SD of the effect behind each row, each of shape (node,)."""
        own, problem, given = self.design.of_effects, self.problem, self.normals.given
        slope = own - self.smoothed.mean[..., :-1]
        mean = (
            self.smoothed.mean[..., -1] + (slope @ (given.mean - problem.pilot)[..., None])[..., 0]
        )
        variance = self.smoothed.variance + np.sum((slope @ given.covariance) * slope, axis=-1)
        shape = (len(self.normals.weight), len(own))
        mean, sd = mean + own @ problem.pilot, np.sqrt(variance)
        columns = (np.broadcast_to(part, shape).T.copy() for part in (mean, sd))
        return list(zip(*columns, strict=True))

    @cached_property
    def shares(self) -> Array:
        """Share of each row, and last of the priors, in the headline, shape (node, row + 1)."""
        return self.shares_in(self.design.pooled)

    def shares_in(self, pooled: str) -> Array:
        """Share of each row, and last of the priors, in a pooled mean, shape (node, row + 1).

        Given the hyperparameters it is linear in the estimates; the priors have what these leave of one.
        """
        row = self.design.quantities[pooled].combine @ self.normals.given.covariance
        hyper = tuple(self.at[name] for name in self.problem.names)
        solved = solve_columns(self.problem.system, self.problem.variances(hyper), self.smoothed)
        data = (solved @ np.swapaxes(row, -1, -2))[..., 0]
        return np.concatenate([data, 1.0 - np.sum(data, axis=-1, keepdims=True)], axis=-1)

    def slopes(self, combine: Array) -> Array:
        """How linear functions of the coefficients move with each row, shape (node, row, label)."""
        hyper = tuple(self.at[name] for name in self.problem.names)
        solved = solve_columns(self.problem.system, self.problem.variances(hyper), self.smoothed)
        return solved @ np.swapaxes(combine @ self.normals.given.covariance, -1, -2)

    def ahead(self, whole: Design, kept: Mask, rows: Mask, columns: Array) -> tuple[Array, Array]:
        """Mean and variance of columns and random effects of rows that are not kept, shape (row, node)."""
        given, count = self.normals.given, len(self.normals.weight)
        seen = LookedAhead(whole, kept, self.design, self.at, count)
        centred, means, variances = given.mean - seen.pilot, [], []
        for row in np.flatnonzero(rows).tolist():
            told = seen.of(row)
            slope = columns[row] - told.mean[:-1].T
            means.append(
                told.mean[-1] + np.sum(slope * centred, axis=-1) + columns[row] @ seen.pilot
            )
            spread = np.einsum("...i,...ij,...j->...", slope, given.covariance, slope)
            variances.append(told.variance + spread)
        shape = (len(means), count)
        return np.array(means).reshape(shape), np.array(variances).reshape(shape)


def combined(given: Conditioned, combine: Array) -> tuple[Array, Array]:
    """Mean and SD of linear combinations of the coefficients given each node, shape (node, label)."""
    mean = given.mean @ combine.T
    variance = np.sum((combine @ given.covariance) * combine, axis=-1)
    return mean, np.sqrt(variance)


def like_studies(
    design: Design, given: Conditioned, spread_at: Callable[[Array], Array]
) -> tuple[Array, Array] | None:
    """Give the effect in a new setting whose moderators are those of a study drawn from the studies.

    A mixture over the studies' rows of the design, around each of which the random effects of a new setting
    spread by a variance of shape (node,), that of its own SD: means and SDs of shape (part * node,), weighed
    by `of_parts`. None without moderators or heterogeneity.
    """
    if design.mix is None or not design.hyper:
        return None
    mean, sd = combined(given, design.mix.rows)
    spread = np.stack([spread_at(along) for along in design.mix.along], axis=-1)
    return mean.T.reshape(-1), np.sqrt(sd**2 + spread).T.reshape(-1)


def of_parts(design: Design, weight: Array) -> Array:
    """Weigh the parts of the studies' mix at each node, shape (part * node,)."""
    assert design.mix is not None
    return np.outer(design.mix.share, weight).reshape(-1)


@dataclass(frozen=True, slots=True, eq=False)
class Solution:
    """A posterior on its nodes.

    `nodes` are all that were laid, `finest` those that marginals are read off, in `order` and on `axes`.
    """

    place: NodePlace
    weight: Array
    nodes: Nodes
    finest: Nodes
    order: tuple[str, ...]
    axes: tuple[Axis, ...]
    error: float

    def hyper(self) -> dict[str, Distribution]:
        """Give the marginals."""
        own = marginals(self.finest, self.axes)
        return {
            name: series(found.weight, axis, found.low, found.high)
            for name, axis, found in zip(self.order, self.axes, own, strict=True)
        }
