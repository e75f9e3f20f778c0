"""Posteriors as the rows of a table."""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

from bayesrtw.engine.fitted import Posterior
from bayesrtw.posterior import mixture
from bayesrtw.posterior.kernels import Kernels
from bayesrtw.posterior.marginal import Distribution
from bayesrtw.posterior.pieces import Outcomes, Pieces

if TYPE_CHECKING:
    import pandas as pd

Array = NDArray[np.float64]

#: Figures of one set of rows, in the order of a table.
FIGURES = (
    "mean",
    "sd",
    "median",
    "lower",
    "upper",
    "probability",
    "harm",
    "new_lower",
    "new_upper",
    "tau",
    "log_evidence",
)


def table(
    found: Sequence[Posterior | None], *, higher: bool, ci_prob: float, threshold: float = 0.0
) -> "pd.DataFrame":
    """Put pooled means into the rows of a table; None is an empty row, as are moments that do not exist.

    `threshold` is the size of an effect beyond which benefit and harm count; `higher` says which side is
    benefit.
    """
    import pandas as pd  # noqa: PLC0415

    known = [place for place, one in enumerate(found) if one is not None]
    posteriors = [one for one in found if one is not None]
    columns = {name: np.full(len(found), math.nan) for name in FIGURES}
    if not known:
        return pd.DataFrame(columns)
    mu, new = [one.pooled for one in posteriors], [one.new for one in posteriors]
    low, high = 0.5 - ci_prob / 2, 0.5 + ci_prob / 2
    levels = np.array([0.5, low, high])
    side = threshold if higher else -threshold
    ends, ends_new = quantiles(mu, levels), quantiles(new, levels[1:])
    own = {
        "mean": [one.moments()[0] for one in mu],
        "sd": [one.moments()[1] for one in mu],
        "median": ends[0],
        "lower": ends[1],
        "upper": ends[2],
        "probability": [one.beyond(side, above=higher) for one in mu],
        "harm": [one.beyond(-side, above=not higher) for one in mu],
        "new_lower": ends_new[0],
        "new_upper": ends_new[1],
        "tau": [one.tau for one in posteriors],
        "log_evidence": [one.log_evidence for one in posteriors],
    }
    for name, values in own.items():
        columns[name][known] = values
    return pd.DataFrame(columns)


def quantiles(many: Sequence[Kernels | Distribution | Pieces | Outcomes], levels: Array) -> Array:
    """Give quantiles of many distributions, shape (level, quantity): alike ones in one call."""
    found = np.empty((len(levels), len(many)))
    alike: dict[int, dict[int, Kernels]] = {}
    for place, one in enumerate(many):
        if isinstance(one, Kernels) and one.series is None:
            alike.setdefault(len(one.weight), {})[place] = one
        else:
            found[:, place] = one.quantile(levels)
    for own in alike.values():
        weight = {id(one.weight): one.weight for one in own.values()}
        parts = {(id(one.mean), id(one.sd)): (one.mean, one.sd) for one in own.values()}
        if len(weight) * len(parts) == len(own) and len(parts) > 1:
            mean, sd = (np.stack(each, axis=1) for each in zip(*parts.values(), strict=True))
            grid = mixture.quantiles(levels, np.stack(list(weight.values())), mean, sd)
            row, column = list(weight), list(parts)
            for place, one in own.items():
                at = column.index((id(one.mean), id(one.sd)))
                found[:, place] = grid[:, row.index(id(one.weight)), at]
            continue
        shares, mean, sd = (
            np.stack([getattr(one, part) for one in own.values()], axis=1)
            for part in ("weight", "mean", "sd")
        )
        for level, q in enumerate(levels):
            found[level, list(own)] = mixture.quantile(float(q), shares, mean, sd)
    return found


def tails(many: Sequence[Kernels | Pieces | Outcomes], at: Array) -> tuple[Array, Array]:
    """Give the lower and the upper tail of each of many distributions at a point of its own."""
    below, above = np.empty((2, len(many)))
    for place, (one, x) in enumerate(zip(many, at, strict=True)):
        if isinstance(one, Kernels) and one.series is None and np.all(one.sd > 0):
            z = (x - one.mean) / one.sd
            below[place], above[place] = one.weight @ ndtr(z), one.weight @ ndtr(-z)
        else:
            below[place], above[place] = float(one.below(x)), float(one.above(x))
    return below, above
