"""Which units a design has, and in which order its groups are contiguous."""

from collections.abc import Sequence

import numpy as np

from bayesrtw.engine.kernel import GroupLayout, Index, Level
from bayesrtw.errors import EngineRefusal
from bayesrtw.model.design import Block
from bayesrtw.model.grouped import Grouped


def leading_rows(layout: GroupLayout) -> Index:
    """One estimate of each unit, in the layout's order."""
    rows = [layout.singles, *(members[:, 0] for members in layout.blocks)]
    return np.concatenate(rows)[layout.order]


def laid_out(count: int, together: Sequence[Block], nested: Sequence[Grouped]) -> GroupLayout:
    """Order the units so that the groups of every level are contiguous."""
    by_size: dict[int, list[Index]] = {}
    for block in together:
        by_size.setdefault(len(block.rows), []).append(block.rows)
    blocks = tuple(np.array(by_size[size], dtype=np.intp) for size in sorted(by_size))
    inside = {int(row) for members in blocks for row in members.reshape(-1)}
    singles = np.array([row for row in range(count) if row not in inside], dtype=np.intp)
    for part in nested:
        for members in blocks:
            if np.any(part.group[members] != part.group[members[:, :1]]):
                raise EngineRefusal(
                    "Exact cannot fit this model: estimates with correlated errors or effects lie in "
                    'different groups of a random term. Use engine = { kind = "nuts" }.'
                )
    leading = np.concatenate([singles, *(members[:, 0] for members in blocks)])
    if not nested:
        return GroupLayout(singles, blocks, np.arange(len(leading), dtype=np.intp), ())
    keys = [part.group[leading] for part in nested]
    order = np.asarray(np.lexsort(tuple(keys)), dtype=np.intp)
    levels, numbers = [], [key[order] for key in keys]
    for place, number in enumerate(numbers):
        starts = np.flatnonzero(np.r_[True, number[1:] != number[:-1]])
        if len(starts) != len(np.unique(number)):
            raise EngineRefusal(
                "Exact cannot fit this model: the groups of two random terms cross; they must be "
                'nested. Use engine = { kind = "nuts" }.'
            )
        parent = np.repeat(np.arange(len(starts)), np.diff(np.r_[starts, len(number)]))
        levels.append(Level(np.asarray(starts, dtype=np.intp), np.asarray(parent, dtype=np.intp)))
        numbers[place + 1 :] = [other[starts] for other in numbers[place + 1 :]]
    return GroupLayout(singles, blocks, order, tuple(levels))
