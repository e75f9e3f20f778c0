"""What each row tells of coefficients where a model is not normal, and these as normals, one a node."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from bayesrtw.engine.curved_place import Seen
from bayesrtw.engine.curved_rows import about, alone, group_of, score, slope
from bayesrtw.engine.each_normal import EachNormal

if TYPE_CHECKING:
    from bayesrtw.engine.curved_fit import CurvedFit

Array = NDArray[np.float64]
Index = NDArray[np.intp]
Mask = NDArray[np.bool_]

#: Step of slopes of series, in SDs of a coefficient: series are right to 1e-9, and slopes to 1e-6.
STEP = 2e-3
#: Share of a node below which shares of studies, which have three digits, are worked out without it: most
#: nodes of a rule of several coefficients weigh next to nothing.
LEAST = 1e-10


def slopes(fit: "CurvedFit", combine: Array) -> Array:
    """Slopes of means of combinations (label, column) in what rows report, shape (estimate, label).

    They are covariances with the slope of each row's log density, given the hyperparameters: with the prior's
    those of a coefficient, times its column, sum to one whatever the likelihood (integrate by parts).
    """
    weight, share = fit.shared[:2]
    found = np.zeros((len(fit.kept), len(combine)))
    for row, at, each in _by_row(
        fit, fit.nodes.values, fit.fine.seen, weight, share, combine, fit.kept
    ):
        found[row] = weight[at] @ each[:, 1:]
    return found


def scores(fit: "CurvedFit") -> Array:
    """Mean slope of the log density of each row in what it reports, at points (point, estimate)."""
    weight, share = fit.shared[:2]
    found, none = np.zeros((len(weight), len(fit.kept))), np.zeros((0, fit.near.columns.shape[1]))
    for row, at, each in _by_row(
        fit, fit.nodes.values, fit.fine.seen, weight, share, none, fit.kept
    ):
        found[at, row] = each[:, 0]
    return found


def means(fit: "CurvedFit", combine: Array) -> Array:
    """Give means of combinations of coefficients (label, column) at the nodes, shape (point, label)."""
    return np.asarray(np.einsum("jk,jkl->jl", fit.shared[1], fit.fine.seen.b @ combine.T))


def _by_row(
    fit: "CurvedFit",
    values: tuple[Array, ...],
    seen: Seen,
    weight: Array,
    share: Array,
    combine: Array,
    rows: Mask,
) -> Iterator[tuple[int, Index, Array]]:
    """Give rows one by one: mean slope and those of combinations at points, (point, 1 + label)."""
    curved, gap = fit.fine.curved, seen.b @ combine.T
    gap = share[..., None] * (gap - np.einsum("jk,jkl->jl", share, gap)[:, None])
    each, first = np.concatenate([share[..., None], gap], axis=-1), -1
    for row in np.flatnonzero(rows).tolist():
        if curved.at_risk[row]:
            steep = np.zeros(share.shape)
            for part in fit.error_parts(row):
                steep += _within(score(part) * part.share, share.shape)
            yield row, np.arange(len(weight)), np.einsum("jk,jkl->jl", steep, each)
            continue
        if (group := int(group_of(curved, row)[0])) != first:
            first, here = group, about(curved, values, seen, (weight, each), row)
        own = alone(curved, here.values, here.seen, row, here.inside)
        steep = _within(
            slope(curved, here.values, here.seen, row, own) * own.share, here.share.shape[:2]
        )
        yield row, here.point, np.einsum("jk,jkl->jl", steep, here.share)


def _within(each: Array, shape: tuple[int, ...]) -> Array:
    """Sum over the nodes that lie within one of the coefficients, shape (point, node)."""
    return np.asarray(each.reshape(*shape, -1).sum(axis=-1))


def told(fit: "CurvedFit", combine: Array) -> Array:
    """Say how far means of combinations would move through each row, see `EachNormal`, (estimate, label).

    What rows of a group tell that is laid as a series stands at the first of them.
    """
    curved, held = fit.fine.curved, fit.fine.seen.place.held
    columns = fit.design.near.columns @ combine.T
    if curved.curved.risks:
        return slopes(fit, combine) * columns
    weight, share = fit.shared[:2]
    matter = np.abs(weight[:, None] * share) > LEAST
    point, node = (np.flatnonzero(matter.any(axis=axis)) for axis in (1, 0))
    weight, share, b = weight[point], share[np.ix_(point, node)], fit.fine.seen.b[point][:, node]
    gap = b @ combine.T
    gap = share[..., None] * (gap - np.einsum("jk,jkl->jl", share, gap)[:, None])
    steps = STEP * np.sqrt(np.einsum("jkl,jkl->jl", gap, b @ combine.T).max(axis=0))
    found, left = np.zeros((len(fit.kept), len(combine))), fit.kept.copy()
    laid, keep = ((), fit.kept) if held is None else (held.series, held.keep)
    for series in laid:
        (part,) = curved.problem.nested
        members = [part.group == each for each in series.of.groups]
        # Of a group that has lost rows the series is another.
        whole = [bool(np.all((keep == fit.kept)[each])) and left[each].any() for each in members]
        own = series.some(np.array(whole))
        pairs = zip(members, whole, strict=True)
        rows = [np.flatnonzero(each & fit.kept) for each, does in pairs if does]
        for each in rows:
            left[each] = False
        first = np.array([each[0] for each in rows], dtype=np.intp)
        for label, along in enumerate(combine):
            moves = np.any(own.of.basis @ along != 0, axis=1)
            if moves.any():
                some = own.some(moves)
                up, down = (some.at(b + sign * steps[label] * along, point)[0] for sign in (1, -1))
                steep = (down - up) / (2.0 * steps[label])
                found[first[moves], label] = weight @ np.einsum(
                    "jk,jkg->jg", gap[..., label], steep
                )
    seen = fit.fine.seen._replace(b=b, z=fit.fine.seen.z[node], place=fit.fine.seen.place.at(point))
    values = tuple(value[point] for value in fit.nodes.values)
    for row, kept, slope_of in _by_row(fit, values, seen, weight, share, combine, left):
        found[row] += weight[kept] @ slope_of[:, 1:] * columns[row]
    return found


def each_normal(fit: "CurvedFit", combine: Array) -> EachNormal:
    """Give combinations of coefficients (label, column) as a normal a point, and what kept rows tell."""
    weight, share = fit.shared[:2]
    mean = means(fit, combine)
    gap = fit.fine.seen.b @ combine.T - mean[:, None]
    return EachNormal(
        weight,
        mean,
        np.einsum("jk,jkl,jkm->jlm", share, gap, gap, optimize=True),
        fit.nodes.values,
        fit.spread_at(fit.nodes.values),
        told(fit, combine)[fit.kept],
        np.zeros(len(weight), dtype=np.intp),
    )
