"""Groups of sites that share an effect: where it lives, and their density with it integrated out."""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import special

from bayesrtw.engine.cubature import rule
from bayesrtw.engine.curved_place import Place
from bayesrtw.engine.group_series import Series, Spanned, series, spanned

if TYPE_CHECKING:
    from bayesrtw.engine.curved import Curved

Array = NDArray[np.float64]
Index = NDArray[np.intp]
Mask = NDArray[np.bool_]

#: Nodes of a group's effect that are tried when series are laid, and what the next may move, in logs, at
#: nodes within so many SDs.
NODES, STILL, WITHIN = (9, 15, 23, 35), 1e-8, 5.5
#: Means of rows that are asked for together.
TOGETHER = 400_000


class Held(NamedTuple):
    """Series of groups, and the rows that informed them, shape (estimate,)."""

    series: tuple[Series, ...]
    keep: Mask


def inner(size: int) -> int:
    """Nodes of a group's effect for a size of the rule."""
    return max(7, min(size, 31))


def lives(
    curved: "Curved", values: Sequence[Array], b: Array, target: Array, sampling: Array
) -> tuple[tuple[tuple[Array, ...], ...], Array]:
    """Say where groups' effects live given b, see `Place`, and what they add to rows at some b."""
    if not curved.problem.nested:
        return ((), (), ()), np.zeros(target.shape)
    (part,) = curved.problem.nested
    at = dict(zip(curved.names, values, strict=True))
    member = np.zeros((len(curved.keep), part.count))
    member[np.arange(len(curved.keep)), part.group] = curved.keep
    first = np.unique(part.group, return_index=True)[1]
    sd = np.sqrt(part.variance(at, first))
    total = (1.0 / sampling) @ member
    share = 1.0 / np.sqrt(1.0 + sd**2 * total)
    ahead = share**2 * sd * ((target / sampling) @ member)
    held = np.einsum("jr,rc,rg->jgc", 1.0 / sampling, curved.design.columns, member, optimize=True)
    slope = -(share**2 * sd)[..., None] * held
    at_b = ahead + np.einsum("jgc,jc->jg", slope, b)
    return ((share,), (ahead,), (slope,)), (sd * at_b)[:, part.group]


def densities(
    curved: "Curved", values: Sequence[Array], cut: slice, b: Array, place: Place, keep: Mask
) -> Array:
    """Log density of all groups at coefficients, shape (point, node)."""
    (part,) = curved.problem.nested
    left, found = np.zeros(part.count, dtype=bool), np.zeros(b.shape[:2])
    left[part.group[keep]] = True
    if place.held is not None:
        same = np.ones(part.count, dtype=bool)
        np.logical_and.at(same, part.group, place.held.keep == keep)
        for each in place.held.series:
            own = same[each.of.groups] & left[each.of.groups]
            log, away = each.at(b, cut)
            found += log[..., own].sum(axis=-1)
            left[each.of.groups[own]] = False
            beyond = np.any(away[..., own], axis=-1)
            if beyond.any():
                groups = each.of.groups[own]
                found[beyond] -= log[beyond][:, own].sum(axis=-1)
                found[beyond] += _asked(curved, values, cut, b, place, keep, groups, beyond)
    if left.any():
        groups, size = np.flatnonzero(left), inner(curved.size)
        found += _inside(curved, values, cut, b[:, :, None], place, keep, groups, size).sum(-1)
    return found


def _asked(
    curved: "Curved",
    values: Sequence[Array],
    cut: slice,
    b: Array,
    place: Place,
    keep: Mask,
    groups: Index,
    beyond: Mask,
) -> Array:
    """Ask groups themselves at some nodes, shape (entry,)."""
    found = np.empty(int(beyond.sum()))
    start = 0
    for point in np.flatnonzero(beyond.any(axis=1)).tolist():
        one = slice(point + (cut.start or 0), point + (cut.start or 0) + 1)
        some = b[point : point + 1, beyond[point], None]
        log = _inside(curved, values, one, some, place, keep, groups, NODES[-1])
        found[start : start + some.shape[1]] = log.sum(axis=-1)[0]
        start += some.shape[1]
    return found


def _inside(
    curved: "Curved",
    values: Sequence[Array],
    cut: slice,
    b: Array,
    place: Place,
    keep: Mask,
    groups: Index,
    size: int,
) -> Array:
    """Integrate groups' effects: coefficients (point, node, group or 1, column) to (point, node, group)."""
    (part,) = curved.problem.nested
    rows = np.flatnonzero(keep & np.isin(part.group, groups))
    own = np.searchsorted(groups, part.group[rows])
    points = b.shape[0]
    at = {name: np.asarray(value)[cut] for name, value in zip(curved.names, values, strict=True)}
    sd = np.broadcast_to(np.sqrt(part.variance(at, rows)), (points, len(rows)))[:, None]
    offset, variance, noise = (each[cut] for each in curved.reach(values))
    variance = curved.spread(variance + noise, b[:, :, 0])
    columns = curved.design.columns[rows]
    line, share = rule(1, size), place.share[0][cut][:, groups][:, None]
    found = np.empty((points, b.shape[1], len(groups)))
    member = np.zeros((len(rows), len(groups)))
    member[np.arange(len(rows)), own] = 1.0
    step = max(1, TOGETHER // max(points * len(rows), 1))
    for start in range(0, b.shape[1], step):
        some = b[:, start : start + step]
        by_row = some[:, :, own] if some.shape[2] > 1 else some
        mean = np.einsum("jnrc,rc->jnr", by_row, columns) + offset[:, None, rows]
        ahead = place.centre_of(some, cut, groups)
        wide = variance if variance.shape[1] == 1 else variance[:, start : start + step]
        each = np.empty((*mean.shape[:2], len(line.weight), len(groups)))
        for node, (z,) in enumerate(line.node):
            t = ahead + share * z
            log = curved.alike(place, cut, mean + sd * t[..., own], wide, rows) @ member
            each[:, :, node] = log + math.log(line.weight[node]) + 0.5 * z * z - 0.5 * t**2
        found[:, start : start + step] = special.logsumexp(each, axis=2) + np.log(share)
    return found


def held(curved: "Curved", values: Sequence[Array], place: Place) -> Held:
    """Lay series of groups around where coefficients live."""
    (part,) = curved.problem.nested
    keep = curved.keep & ~curved.at_risk
    columns = curved.design.columns * keep[:, None]
    every, _ = spanned(columns, part.group)

    def lay(some: Spanned, b: Array) -> Array:
        near = np.linalg.norm(
            np.einsum("jngc,jdc->jngd", b - place.centre[:, None, None], _inverse(place.factor)),
            axis=-1,
        )
        matter = near <= WITHIN
        known, last = None, None
        for size in NODES:
            last = _inside(curved, values, slice(None), b, place, keep, some.groups, size)
            if known is not None:
                moved = np.where(matter, np.abs(last - known), 0.0).max(axis=(0, 1))
                if np.all(moved <= STILL):
                    return last
            known = last
        assert last is not None
        return np.where(moved <= STILL, last, np.nan)

    found = [each for of in every for each in series(of, place.centre, place.factor, lay)]
    return Held(tuple(found), keep)


def _inverse(factor: Array) -> Array:
    return np.asarray(np.linalg.inv(factor))
