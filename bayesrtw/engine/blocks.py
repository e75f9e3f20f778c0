"""Estimates that the kernel sees together: those with correlated sampling errors or correlated effects."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from bayesrtw.model.design import Block, Design
from bayesrtw.model.joint import joint

Array = NDArray[np.float64]
Index = NDArray[np.intp]


@dataclass(frozen=True, slots=True, eq=False)
class Correlated:
    """Sampling covariance of blocks of one size, some of it scaled by an unknown correlation."""

    covariance: Array  #: Shape (block, member, member); where scaled, that of a correlation of one.
    #: bias, excess: variances of known biases, and cluster sizes minus one, shape (block, member).
    bias: Array
    excess: Array
    correlation: str  #: Name of the unknown correlation; empty where none is.
    scaled: NDArray[np.bool_]  #: What it multiplies, shape (block, member, member).

    def at(self, values: Mapping[str, Array]) -> Array:
        """Give the covariance at values of the hyperparameters.

        `values` (...,); gives (..., block, member, member).
        """
        found = self.covariance
        if self.correlation:
            rho = np.asarray(values[self.correlation])[..., None, None, None]
            found = found * np.where(self.scaled, rho, 1.0)
        if np.any(self.excess):
            wider = np.sqrt(1.0 + self.excess * np.asarray(values["icc"])[..., None, None])
            found = found * wider[..., :, None] * wider[..., None, :]
        return np.asarray(found + self.bias[..., None] * np.eye(found.shape[-1]))


def together(design: Design) -> list[Block]:
    """Join estimates whose sampling errors or effects are correlated, in the order of their first ones."""
    kin = [part.sharing for part in design.grouped if part.kin is not None]
    if not kin or not len(design.se):
        return list(design.blocks)
    count, known = len(design.se), [alike(block.rows, len(design.se)) for block in design.blocks]
    label = joint(count, [*known, *kin])
    found = []
    for first in np.unique(label.members[:, 0]):
        rows = label.members[first][label.inside[first]]
        if len(rows) > 1:
            inside = [block for block in design.blocks if block.rows[0] in rows]
            found.append(_joined(design, rows, inside))
    return found


def alike(rows: Index, count: int) -> Index:
    """Give rows of a block one number, and every other its own."""
    group = np.arange(count, dtype=np.intp)
    group[rows] = rows.min()
    return group


def _joined(design: Design, rows: Index, inside: Sequence[Block]) -> Block:
    """Make one block of rows that are independent but for the blocks inside."""
    excess = np.zeros(len(rows)) if design.excess is None else design.excess[rows]
    found = Block(rows, np.diag(design.se[rows] ** 2), np.zeros(len(rows)), excess.copy())
    scaled = np.zeros(found.covariance.shape, dtype=bool)
    for block in inside:
        at = np.searchsorted(rows, block.rows)
        found.covariance[np.ix_(at, at)] = block.covariance
        found.bias[at], found.excess[at] = block.bias, block.excess
        scaled[np.ix_(at, at)] = block.scaled
    return replace(
        found, scaled=scaled, correlation=max(each.correlation for each in (*inside, found))
    )


def correlated(blocks: Sequence[Block], layout: Sequence[Index]) -> tuple[Correlated, ...]:
    """Stack the covariance of equally large blocks in the order of a layout."""
    by_row = {int(block.rows[0]): block for block in blocks}
    stacked = []
    for members in layout:
        chosen = [by_row[int(row)] for row in members[:, 0]]
        stacked.append(
            Correlated(
                np.stack([block.covariance for block in chosen]),
                np.stack([block.bias for block in chosen]),
                np.stack([block.excess for block in chosen]),
                max(block.correlation for block in chosen),
                np.stack([block.scaled for block in chosen]),
            )
        )
    return tuple(stacked)
