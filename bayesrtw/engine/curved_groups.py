"""Groups of sites that share an effect: where it lives, and their density with it integrated out."""

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import special

from bayesrtw.engine.cubature import MOST_PRODUCT, rule, single
from bayesrtw.engine.curved_place import Place
from bayesrtw.engine.group_series import ENOUGH, Series, Spanned, again, series, spanned
from bayesrtw.engine.problem import Problem
from bayesrtw.model.grouped import Grouped

if TYPE_CHECKING:
    from bayesrtw.engine.curved import Curved

Array = NDArray[np.float64]
Index = NDArray[np.intp]
Mask = NDArray[np.bool_]

#: Nodes of a group's effect that are tried, and what the next may move, in logs, at nodes within so many SDs.
NODES, STILL, WITHIN = (9, 15, 23, 31, 47, 97, 193, 385, 769), 1e-8, 5.0
#: Up to how many of them Gauss-Hermite rules are laid, and how many prior SDs longer lines reach.
HERMITE, FAR = 47, 10.0
#: Least share of its prior SD that an effect's SD is taken for: such a prior SD is that of no posterior.
LEAST_SHARE = 1e-6
#: Points and nodes at which it is looked how many an effect needs.
LOOKED = 5, 64
#: Log of the share of the largest node below which one beyond the series is not asked about again.
BENEATH = 30.0
#: How many times as much may move there, where nodes weigh less than exp(-20).
SELDOM = 1e5
#: How many times as much both may leave out where rules of the coefficients are sparse, and right to less.
SPARSE = 1000.0
#: Means of rows that are asked for together.
TOGETHER = 400_000


class Held(NamedTuple):
    """Series of groups, the rows that informed them, (estimate,), and how many rows no series serves.

    ``needs`` says how many nodes the effect of each group needs, shape (group,).
    """

    series: tuple[Series, ...]
    keep: Mask
    missed: int
    needs: Index

    def at(self, points: Index) -> "Held":
        """Give some of the points."""
        return self._replace(series=tuple(each.at_points(points) for each in self.series))


def line(count: int, share: Array) -> tuple[Array, Array]:
    """Nodes of effects in SDs given the coefficients, and log weights over the normal, (point, node, ...).

    Where nobody has an event, or everybody, a group's effect has a tail as long as its prior: trapezoids on
    a sinh hold both this and its end; `share` (point, ...) is what these SDs are of the prior's.
    """
    share = np.maximum(share, LEAST_SHARE)[:, None]
    if count <= HERMITE:
        laid = rule(1, count)
        z = laid.node[:, 0].reshape(1, count, *np.ones(share.ndim - 2, dtype=np.intp))
        return z, np.log(laid.weight).reshape(z.shape) + 0.5 * z**2
    far = np.arcsinh(FAR / share)
    x = (
        np.linspace(-1.0, 1.0, count).reshape(1, count, *np.ones(share.ndim - 2, dtype=np.intp))
        * far
    )
    step = far * 2.0 / ((count - 1) * math.sqrt(2.0 * math.pi))
    return np.sinh(x), np.log(np.cosh(x) * step)


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
    held = member.T @ (curved.design.columns / sampling[..., None])
    slope = -(share**2 * sd)[..., None] * held
    at_b = ahead + np.einsum("jgc,jc->jg", slope, b)
    return ((share,), (ahead,), (slope,)), (sd * at_b)[:, part.group]


class Look(NamedTuple):
    """Groups at some points of the hyperparameters, informed by some rows."""

    curved: "Curved"
    values: Sequence[Array]
    cut: slice | Index
    place: Place
    keep: Mask


def densities(look: Look, b: Array, log: Array | None) -> Array:
    """Log density of all groups at coefficients, shape (point, node); `log` is what else nodes weigh."""
    (part,) = look.curved.problem.nested
    left, found = np.zeros(part.count, dtype=bool), np.zeros(b.shape[:2])
    left[part.group[look.keep]] = True
    beyond = []
    if look.place.held is not None:
        same = np.ones(part.count, dtype=bool)
        np.logical_and.at(same, part.group, look.place.held.keep == look.keep)
        for each in look.place.held.series:
            own = same[each.of.groups] & left[each.of.groups]
            if not own.any():
                continue
            value, away = (each if own.all() else each.some(own)).at(b, look.cut)
            beyond.append((each.of.groups[own], value.sum(axis=-1), np.any(away, axis=-1)))
            found += beyond[-1][1]
            left[each.of.groups[own]] = False
    if left.any():
        groups = np.flatnonzero(left)
        # One node a point places nodes of the hyperparameters, and answers nothing.
        places = look.curved.size == single(b.shape[2])
        needs = np.full(len(groups), NODES[0]) if places else needed(look, b, groups)
        for size in np.unique(needs).tolist():
            found += _inside(look, b[:, :, None], groups[needs == size], size).sum(axis=-1)
    # Beyond its ends a series stays as it is there: groups are asked at nodes that matter for all that.
    whole = np.zeros(found.shape) if log is None else found + log
    matter = whole > np.max(whole, axis=-1, keepdims=True) - BENEATH
    for groups, known, away in beyond:
        asked = away & matter
        if asked.any():
            found[asked] += _asked(look, b, groups, asked) - known[asked]
    return found


def _asked(look: Look, b: Array, groups: Index, asked: Mask) -> Array:
    """Ask groups themselves at some nodes, shape (entry,)."""
    points = np.flatnonzero(asked.any(axis=1))
    # Points with like many nodes go together: those that are asked come first, others fill up.
    order = np.argsort(~asked[points], axis=1, kind="stable")
    power = np.ceil(np.log2(asked[points].sum(axis=1))).astype(int)
    found, every = np.empty(asked.shape), np.arange(len(look.place.centre))[look.cut]
    for most in np.unique(power):
        own, nodes = points[power == most, None], order[power == most, : 2**most]
        here = look._replace(cut=every[own[:, 0]])
        some, found[own, nodes] = b[own, nodes], 0.0
        needs = needed(here, some, groups, SELDOM)
        for size in np.unique(needs).tolist():
            each = _inside(here, some[:, :, None], groups[needs == size], size)
            found[own, nodes] += each.sum(axis=-1)
    return np.asarray(found[asked])


def nodes_in(look: Look, b: Array, group: int) -> int:
    """Say how many nodes a group's effect needs at least: those that the next moved by nothing.

    What its series needed, where they are of the same rows.
    """
    (part,) = look.curved.problem.nested
    own, known = part.group == group, look.place.held
    if not np.any(own & look.keep):
        return 0
    if known is not None and np.array_equal(known.keep[own], look.keep[own]):
        most = int(known.needs[group])
    else:
        most = int(needed(look, b, np.array([group]))[0])
    return NODES[NODES.index(most) - 1]


def needed(look: Look, b: Array, groups: Index, rough: float = 1.0) -> Index:
    """Say how many nodes groups' effects need at coefficients (point, node, column), shape (group,)."""
    point, node = (
        np.unique(np.linspace(0, count - 1, most).astype(np.intp))
        for count, most in zip(b.shape[:2], LOOKED, strict=True)
    )
    here = look._replace(cut=np.arange(len(look.place.centre))[look.cut][point])
    some = b[np.ix_(point, node)][:, :, None]
    return _still(here, some, groups, np.ones((*some.shape[:2], 1), dtype=bool), rough)[0]


def _still(look: Look, b: Array, groups: Index, matter: Mask, rough: float) -> tuple[Index, Array]:
    """Integrate groups' effects by ever more nodes until nothing moves where it matters.

    How many each group needs, shape (group,), and values as `_inside` gives them; NaN where none suffice.
    """
    found = np.full((*b.shape[:2], len(groups)), np.nan)
    needs, moving = np.full(len(groups), NODES[-1]), np.arange(len(groups))
    last = _inside(look, b, groups, NODES[0])
    for size in NODES[1:]:
        now = _inside(look, _of(b, moving), groups[moving], size)
        moved = np.where(_of(matter, moving), now - last, 0.0)
        scale = np.maximum(np.abs(now).max(axis=(0, 1)), 1.0)
        still = np.abs(moved).max(axis=(0, 1)) <= rough * STILL * scale
        found[..., moving[still]], needs[moving[still]] = now[..., still], size
        moving, last = moving[~still], now[..., ~still]
        if not len(moving):
            break
    return needs, found


def _inside(look: Look, b: Array, groups: Index, size: int) -> Array:
    """Integrate groups' effects: coefficients (point, node, group or 1, column) to (point, node, group)."""
    curved, values, cut, place, keep = look
    (part,) = curved.problem.nested
    rows = np.flatnonzero(keep & np.isin(part.group, groups))
    own = np.searchsorted(groups, part.group[rows])
    points = b.shape[0]
    at = {name: np.asarray(value)[cut] for name, value in zip(curved.names, values, strict=True)}
    sd = np.broadcast_to(np.sqrt(part.variance(at, rows)), (points, len(rows)))[:, None]
    offset, variance, noise = (each[cut] for each in curved.reach(values))
    variance = curved.spread(variance + noise, b[:, :, 0])
    columns = curved.design.columns[rows]
    share = place.share[0][cut][:, groups][:, None]
    found = np.empty((points, b.shape[1], len(groups)))
    member = np.zeros((len(rows), len(groups)))
    member[np.arange(len(rows)), own] = 1.0
    z, log_weight = line(size, share[:, 0])
    step = max(1, TOGETHER // max(points * len(rows) * size, 1))
    for start in range(0, b.shape[1], step):
        some = b[:, start : start + step]
        by_row = some[:, :, own] if some.shape[2] > 1 else some
        mean = np.einsum("jnrc,rc->jnr", by_row, columns) + offset[:, None, rows]
        ahead = place.centre_of(some, cut, groups)
        wide = variance if variance.shape[1] == 1 else variance[:, start : start + step]
        t = ahead[:, :, None] + (share * z)[:, None]
        mean = (mean[:, :, None] + sd[:, None] * t[..., own]).reshape(points, -1, len(rows))
        wide = wide if wide.shape[1] == 1 else np.repeat(wide, size, axis=1)
        own_log = log_weight[:, None] - 0.5 * t * t
        log = curved.alike(place, cut, mean, wide, rows, rough=True) @ member
        each = log.reshape(t.shape) + own_log
        if size > HERMITE:
            # Beyond their series sites are asked themselves where it matters.
            far = each <= each.max(axis=2, keepdims=True) - BENEATH
            rough = far[..., own].reshape(mean.shape)
            log = curved.alike(place, cut, mean, wide, rows, rough=rough) @ member
            each = log.reshape(t.shape) + own_log
        found[:, start : start + step] = special.logsumexp(each, axis=2) + np.log(share)
    return found


def held(curved: "Curved", values: Sequence[Array], place: Place, known: Held | None) -> Place:
    """Lay series of groups around where coefficients live, and before them those of the rows they need.

    What is `known` was laid at the same points for other coefficients of the same rows.
    """
    (part,) = curved.problem.nested
    keep = curved.keep & ~curved.at_risk & ~curved.lone
    every, found = spanned(curved.design.columns * keep[:, None], part.group), list[Series]()
    if known is not None and np.array_equal(known.keep, keep):
        for at, of in enumerate(every):
            serve, every[at] = again(known.series, of, place.centre, place.factor)
            found += serve
    done = [group for each in found for group in each.of.groups.tolist()]
    place = curved.with_surface(values, place, ~np.isin(part.group, done) | curved.lone)
    look = Look(curved, values, slice(None), place, keep)
    rough = SPARSE if place.centre.shape[1] > MOST_PRODUCT else 1.0
    inverse = np.linalg.inv(place.factor)

    # Nodes that a group needs at points where degrees are looked for serve all points.
    needs = np.zeros(part.count, dtype=np.intp) if known is None else known.needs.copy()
    needs[~np.isin(np.arange(part.count), done)] = 0

    def lay(at: Index, some: Spanned, b: Array) -> Array:
        here = look._replace(cut=at)
        sizes, found = needs[some.groups], np.empty((*b.shape[:2], len(some.groups)))
        moving = np.flatnonzero(sizes == 0) if len(at) == len(inverse) else np.arange(len(sizes))
        if len(moving):
            z = np.einsum("jngc,jdc->jngd", b - place.centre[at, None, None], inverse[at])
            matter = np.linalg.norm(z, axis=-1) <= WITHIN
            own, mine = _of(b, moving), _of(matter, moving)
            each = _still(here, own, some.groups[moving], mine, rough)
            sizes[moving], found[..., moving] = each
            needs[some.groups[moving]] = np.maximum(needs[some.groups[moving]], sizes[moving])
        rest = np.setdiff1d(np.arange(len(sizes)), moving)
        for size in np.unique(sizes[rest]).tolist():
            alike = rest[sizes[rest] == size]
            found[..., alike] = _inside(here, _of(b, alike), some.groups[alike], size)
        return found

    for of in every:
        if len(of.groups):
            found += series(of, place.centre, place.factor, lay, rough * ENOUGH)
    served = [group for each in found for group in each.of.groups.tolist()]
    missed = int(np.sum(keep & ~np.isin(part.group, served)))
    return place._replace(held=Held(tuple(found), keep, missed, needs))


def _of[Each: np.generic](each: NDArray[Each], groups: Index) -> NDArray[Each]:
    """Give what belongs to some groups, shape (point, node, group or 1, ...)."""
    return each if each.shape[2] == 1 else each[:, :, groups]


def lone_apart(problem: Problem) -> Problem:
    """Take effects of groups of one estimate as its own, where groups are integrated one by one."""
    nested, own = list[Grouped](), list(problem.own)
    for part in problem.nested:
        lone = np.bincount(part.group)[part.group] == 1
        of_lone, of_others = (
            replace(
                part,
                share=np.where(here, part.share, 0.0),
                known=None if part.known is None else np.where(here, part.known, 0.0),
            )
            for here in (lone, ~lone)
        )
        nested.append(of_others if lone.any() else part)
        own += [of_lone] if lone.any() else []
    return replace(problem, own=tuple(own), nested=tuple(nested))
