"""What is left of a data set without a few of its groups: sums over all rows, less those over these few.

Studies are left out one after another on nodes that they share, so that all rows are added up once at each
node. Rows that share effects or errors with rows that stay are no sum of their own: those are added up anew.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, fields, replace

import numpy as np
from numpy.typing import NDArray

from bayesrtw.engine.arrays import masked
from bayesrtw.engine.kernel import Conditioned
from bayesrtw.engine.problem import Problem, levels_of, pose
from bayesrtw.engine.sums import LEFT, RESIDUAL
from bayesrtw.model.design import Design

Array = NDArray[np.float64]

#: Most numbers of all rows' sums that are kept: 32 MB.
MOST_KEPT = 4_000_000


@dataclass(frozen=True, eq=False)
class AllRows:
    """The rows that others are left out of, and what they add up to at the nodes that were asked last."""

    design: Design
    problem: Problem
    known: dict[bytes, tuple[Array, Array]] = field(default_factory=dict)

    def sums(self, values: Sequence[Array]) -> tuple[Array, Array]:
        """Give `Problem.sums`, worked out once at the same values."""
        key = b"".join(np.asarray(value).tobytes() for value in values)
        if key not in self.known:
            found = self.problem.sums(values)
            while self.known and sum(own.size for own, _ in self.known.values()) > MOST_KEPT:
                del self.known[next(iter(self.known))]
            self.known[key] = found
        return self.known[key]

    def without(self, design: Design, kept: NDArray[np.bool_]) -> Problem:
        """Pose what is left of them, under the priors of `design`."""
        own = pose(design)
        if not self._apart(kept):
            return own
        levels = levels_of(self.design)
        lacking = pose(masked(self.design, ~kept), levels)
        parts = {each.name: getattr(own, each.name) for each in fields(Problem)}
        return Rest(**parts, every=self, lacking=_centred(lacking, self.problem.pilot))

    def _apart(self, kept: NDArray[np.bool_]) -> bool:
        """Say whether rows that are left out share nothing with others, and leave digits to what is left."""
        design, layout = self.design, self.problem.system.layout
        together = [members for blocks in layout.blocks for members in blocks]
        if self.problem.nested:
            outer = self.problem.nested[-1].group
            together += [np.flatnonzero(outer == group) for group in np.unique(outer[~kept])]
        ratio = design.se**-2.0
        return (
            bool(kept.any())
            and not kept.all()
            and design.unreported is None
            and all(kept[rows].all() or not kept[rows].any() for rows in together)
            and float(ratio[kept].sum()) >= LEFT * float(ratio.sum())
            and float(ratio @ self.problem.system.effect**2) < RESIDUAL
        )


def all_rows(design: Design) -> AllRows:
    """Take a design for the rows that others are left out of."""
    return AllRows(design, pose(design))


@dataclass(frozen=True, slots=True, eq=False)
class Rest(Problem):
    """The integral over what is left, see `AllRows.without`."""

    every: AllRows
    lacking: Problem

    def _given(self, values: Sequence[Array]) -> Conditioned:
        at = dict(zip(self.names, values, strict=True))
        whole, log_whole = self.every.sums([at[name] for name in self.every.problem.names])
        gone, log_gone = self.lacking.sums([at[name] for name in self.lacking.names])
        here = _centred(self, self.every.problem.pilot)
        return here.conditioned(whole - gone, log_whole - log_gone)


def _centred(problem: Problem, pilot: Array) -> Problem:
    """Centre a problem's data at another pilot."""
    design = problem.design
    system = replace(
        problem.system,
        effect=design.effect - design.columns @ pilot,
        mean=np.where(design.precision > 0, design.mean - pilot, 0.0),
    )
    return replace(problem, system=system, pilot=pilot)
