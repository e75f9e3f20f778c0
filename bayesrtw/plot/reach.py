"""How far the axis of rows of intervals goes."""

import numpy as np
from numpy.typing import NDArray

from bayesrtw.plot.rows import Forest, Role
from bayesrtw.plot.scale import limits


def reach(forest: Forest) -> tuple[float, float]:
    """Choose the ends of the axis on the analysis scale."""
    own = np.concatenate([_numbers(forest, "estimate"), _numbers(forest, "result")])
    levels = _numbers(forest, "level")
    if not len(own):
        own = levels if len(levels) else _numbers(forest, "pooled")
    beneath = [row.new for row in forest.rows if row.new is not None]
    spread = np.array([(it.lower, it.upper) for it in beneath]).ravel()
    parts = _numbers(forest, "part")[:, ::2].ravel()
    return limits(
        own[:, 0],
        own[:, 2],
        pooled=_numbers(forest, "pooled").ravel(),
        levels=np.concatenate([levels[:, ::2].ravel(), spread, parts]),
        new=_numbers(forest, "new")[:, ::2].ravel(),
        measure=forest.measure,
    )


def _numbers(forest: Forest, role: Role) -> NDArray[np.float64]:
    """Give lower end, centre and upper end of the rows of one role, shape (row, 3)."""
    found = [row.interval for row in forest.of(role) if row.interval is not None]
    return np.array([(it.lower, it.centre, it.upper) for it in found]).reshape(-1, 3)
