"""Joint draws of linear combinations of the coefficients of effects, from whatever posterior."""

from collections.abc import Sequence
from functools import singledispatch
from math import ceil
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from bayesrtw.engine.borrowed import BorrowedFitted
from bayesrtw.engine.curved_biased import stretch
from bayesrtw.engine.curved_fit import CurvedFit
from bayesrtw.engine.drawn import FromDraws
from bayesrtw.engine.normal import NormalFitted
from bayesrtw.engine.states import StatesFit
from bayesrtw.errors import EngineRefusal

Array = NDArray[np.float64]

#: How much wider than the posterior coefficients are proposed where it is not normal.
WIDER = 1.15


class JointDraws(NamedTuple):
    """Independent draws, analysis scale, in no order that means anything."""

    value: Array  #: Shape (draw, combination).
    weight: Array  #: Share of each, shape (draw,); they sum to one.


@singledispatch
def jointly(whole: object, columns: Array, count: int, seed: int) -> JointDraws:  # noqa: ARG001
    """Draw linear combinations of the coefficients together: `columns` (combination, column)."""
    raise EngineRefusal(
        f"{type(whole).__name__} gives no joint draws of its coefficients; give silent rows a level of their "
        "own, or sample the model by Nuts()."
    )


def _alike(value: Array) -> JointDraws:
    return JointDraws(value, np.full(len(value), 1.0 / len(value)))


@jointly.register
def _(whole: NormalFitted, columns: Array, count: int, seed: int) -> JointDraws:
    """Draw a node by its share, and coefficients that are normal given it."""
    given, weight = whole.solution.place.normals.given, whole.solution.weight
    rng = np.random.default_rng(seed)
    found, width = [], given.mean.shape[-1]
    for node, some in enumerate(rng.multinomial(count, weight / weight.sum()).tolist()):
        if some:
            factor = np.linalg.cholesky(given.covariance[node])
            b = given.mean[node] + rng.standard_normal((some, width)) @ factor.T
            found.append(b @ columns.T)
    return _alike(np.concatenate(found))


@jointly.register
def _(whole: CurvedFit, columns: Array, count: int, seed: int) -> JointDraws:
    """Draw near where coefficients live at every node, and weigh draws by their densities."""
    curved, place = whole.fine.curved, whole.fine.seen.place
    points, width = place.centre.shape
    many = ceil(count * float(whole.weight.max()))
    wider = WIDER * stretch(curved)
    z = wider * np.random.default_rng(seed).standard_normal((points, many, width))
    b = place.centre[:, None] + z @ np.swapaxes(place.factor, -1, -2)
    of_prior, of_data = whole.powers
    log = of_data * sum(curved.factors(whole.nodes.values, b, place, whole.kept), np.zeros(()))
    log = log + of_prior * curved.log_prior(b) + 0.5 * np.sum(z**2, axis=-1) / wider**2
    share = np.exp(log - log.max(axis=1, keepdims=True))
    share *= whole.weight[:, None] / share.sum(axis=1, keepdims=True)
    return JointDraws((b @ columns.T).reshape(-1, len(columns)), share.reshape(-1))


@jointly.register
def _(whole: StatesFit, columns: Array, count: int, seed: int) -> JointDraws:
    return of_several(*whole.likely, columns, count, seed)


def of_several(
    share: Array, fits: Sequence[object], columns: Array, count: int, seed: int
) -> JointDraws:
    """Draw one of several fits by its share, and combinations from it."""
    many = np.random.default_rng(seed).multinomial(count, share / share.sum()).tolist()
    found = [
        (jointly(fit, columns, some, seed + place), some / count)
        for place, (fit, some) in enumerate(zip(fits, many, strict=True), start=1)
        if some
    ]
    return JointDraws(
        np.concatenate([drawn.value for drawn, _ in found]),
        np.concatenate([drawn.weight * own for drawn, own in found]),
    )


@jointly.register
def _(whole: BorrowedFitted, columns: Array, count: int, seed: int) -> JointDraws:
    return jointly(whole.others, columns, count, seed)


@jointly.register
def _(whole: FromDraws, columns: Array, count: int, seed: int) -> JointDraws:  # noqa: ARG001
    return _alike(np.stack([own.mean for own in whole.mean_at(columns)], axis=-1))
