"""What rows that a normal fit has seen tell of the random effects of one that it has not."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from bayesrtw.engine.cholesky import inverse
from bayesrtw.engine.kernel import Groups, Index, Variances, smooth_groups
from bayesrtw.engine.problem import Problem, levels_of, pose
from bayesrtw.model.design import Design

Array = NDArray[np.float64]


class OfGroup(NamedTuple):
    """The sum of a row's random effects at the nodes, given the coefficients."""

    #: Coefficients on [X, y] of what was seen, see `bayesrtw.engine.kernel.Smoothed`; shape (column + 1,
    #: node).
    mean: Array
    variance: Array  #: Shape (node,).


@dataclass(frozen=True, eq=False)
class LookedAhead:
    """Rows that a fit has seen."""

    whole: Design  #: All rows.
    kept: NDArray[np.bool_]  #: Which of them were seen.
    design: Design  #: Those.
    at: Mapping[str, Array]  #: Hyperparameters, each of shape (node,).
    count: int  #: How many nodes there are.

    @cached_property
    def levels(self) -> list[int]:
        """Random terms that are levels of groups, from the innermost."""
        return levels_of(self.whole)

    @cached_property
    def tells(self) -> bool:
        """Whether a row that was not seen may share an effect with one that was."""
        related = any(part.kin is not None for part in self.whole.grouped)
        return bool(self.levels or related) and bool(self.kept.any())

    @cached_property
    def problem(self) -> Problem:
        """The integral over the rows that were seen."""
        return pose(self.design, self.levels)

    @property
    def pilot(self) -> Array:
        """Coefficients that data are centred at, shape (column,)."""
        return self.problem.pilot if self.tells else np.zeros(self.whole.columns.shape[1])

    @cached_property
    def _hyper(self) -> tuple[Array, ...]:
        return tuple(self.at[name] for name in self.problem.names)

    @cached_property
    def _variances(self) -> Variances:
        return self.problem.variances(self._hyper)

    @cached_property
    def _groups(self) -> list[Groups]:
        return smooth_groups(self.problem.system_at(self._hyper), self._variances)

    @cached_property
    def _places(self) -> list[dict[int, int]]:
        """Where each level of the problem has each group of the whole design."""
        layout, rows = self.problem.system.layout, np.flatnonzero(self.kept)
        units = np.concatenate([layout.singles, *(members[:, 0] for members in layout.blocks)])
        units = rows[units[layout.order]]
        found = []
        for level, place in zip(layout.levels, self.levels, strict=True):
            units = units[level.starts]
            groups = self.whole.grouped[place].group[units]
            found.append({int(group): number for number, group in enumerate(groups)})
        return found

    def of(self, row: int) -> OfGroup:
        """Say what they tell of a row that was not seen."""
        own = sum(
            (
                self._own(place, row)
                for place in range(len(self.whole.grouped))
                if place not in self.levels
            ),
            np.zeros(self.count),
        )
        above = OfGroup(
            np.zeros((self.whole.columns.shape[1] + 1, self.count)), np.zeros(self.count)
        )
        for level, place in enumerate(self.levels):
            group = int(self.whole.grouped[place].group[row])
            known = self._places[level].get(group) if self.tells else None
            if known is not None:
                given = self._groups[level]
                above = OfGroup(given.mean[..., known], given.variance[..., known])
                break
            own = own + self._own(place, row)
        members = self._kin(row)
        if not len(members):
            return OfGroup(above.mean, above.variance + own)
        rows = np.flatnonzero(self.kept)[members]
        kin = (part for part in self.whole.grouped if part.kin is not None)
        both = [part.covariance(self.at, np.array([row]), rows)[..., 0, :] for part in kin]
        shared = np.sum(np.broadcast_arrays(*both), axis=0)
        weight = (self._precision(members) @ shared[..., None])[..., 0]
        system = self.problem.system_at(self._hyper)
        seen = [*system.columns[members].T, system.effect[..., members]]
        left = 1.0 - np.sum(weight, axis=-1)
        mean = [
            left * one + np.sum(weight * other, axis=-1)
            for one, other in zip(above.mean, seen, strict=True)
        ]
        variance = own - np.sum(shared * weight, axis=-1) + left**2 * above.variance
        return OfGroup(np.stack(np.broadcast_arrays(*mean)), variance)

    def _own(self, place: int, row: int) -> Array | float:
        """Variance of a random effect of a row by itself."""
        part = self.whole.grouped[place]
        return part.variance(self.at, np.array([row]))[..., 0]

    def _kin(self, row: int) -> Index:
        """Name the rows of the unit whose effects go together with a row's, shape (member,)."""
        for part in self.whole.grouped if self.tells else ():
            if part.kin is not None:
                alike = np.flatnonzero(part.kin.of[self.kept] == part.kin.of[row])
                if len(alike):
                    blocks = self.problem.system.layout.blocks
                    held = (block for members in blocks for block in members if alike[0] in block)
                    return np.asarray(next(held, alike))
        return np.zeros(0, dtype=np.intp)

    def _precision(self, members: Index) -> Array:
        """Invert the covariance of a unit given the groups above it, shape (node, member, member)."""
        variances = self._variances
        if len(members) == 1:
            own = np.broadcast_to(
                variances.own, np.broadcast_shapes(variances.own.shape, variances.sampling.shape)
            )
            return 1.0 / (own + variances.sampling)[..., members][..., None]
        for rows, (sampling, effects) in zip(
            self.problem.system.layout.blocks, variances.paired, strict=True
        ):
            place = np.flatnonzero(rows[:, 0] == members[0])
            if len(place):
                return inverse((sampling + effects)[..., place[0], :, :])[0]
        raise AssertionError(members)
