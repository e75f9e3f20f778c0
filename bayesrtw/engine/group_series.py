"""Log densities of groups of sites as polynomials of what the coefficients add up to in them.

Given the hyperparameters, the density of a group is a smooth function of its rows' means, and these are few
combinations of the coefficients: one where all rows are alike, one less than its arms in a trial of several.
A tensor of Chebyshev polynomials in these, measured in their own SDs, then serves every node of every rule.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
from numpy.polynomial import chebyshev
from numpy.typing import NDArray

from bayesrtw.engine.chebyshev import summed, transform

Array = NDArray[np.float64]
Index = NDArray[np.intp]
Mask = NDArray[np.bool_]

#: Degrees that are tried for differences of rows, by their number, and first for what rows have in common,
#: which a wide baseline hardly tells.
DEGREES = {
    0: (12, 16, 20, 26, 32, 48, 80),
    1: (12, 16, 20, 26, 32, 48, 80),
    2: (10, 12, 14, 17, 20, 24, 28),
    3: (8, 10, 12),
}
FLAT = 4
#: Degree along what is found to bend as a parabola and no more where degrees are looked for.
PARABOLA = 2
#: Points of the hyperparameters at which degrees are looked for.
LOOKED = 5
#: What the last coefficients may hold, in logs; and how far series reach, in SDs.
ENOUGH, REACH = 1e-9, 7.0
#: How far beyond their ends series are followed: by a seventh, where nodes weigh less than exp(-24), what is
#: left out grows by exp(0.54 degree), to 1e-4 in logs at the usual degrees; longer ones are not followed.
BEYOND, USUAL = 1.15, 22
#: Terms of a second combination up to which those of the first are summed for each.
SHORT = 5
#: Numbers of one array.
AT_ONCE = 200_000
#: A row of the design is a combination of others where no more than this is left of it.
SAME = 1e-9
#: Decimals to which rows are the same combinations, and how many SDs around where coefficients live a series
#: must reach that was laid for other coefficients.
DECIMALS, LEAST_REACH = 9, 5.5

#: Log densities of some groups at some points and coefficients (point, node, group, column), shape (point,
#: node, group).
Lay = Callable[[Index, "Spanned", Array], Array]


@dataclass(frozen=True, slots=True, eq=False)
class Spanned:
    """Groups whose rows are as many combinations of the coefficients."""

    groups: Index  #: Which, shape (group,).
    basis: Array  #: The combinations, shape (group, combination, column).
    apart: int  #: How many of them, from the first on, are of differences between rows.
    #: How rows follow from them, shape (group,): groups that agree in it have one density of their
    #: combinations, whatever the coefficients are.
    told: NDArray[np.object_]

    def of(self, own: Index | Mask) -> "Spanned":
        """Give some of the groups."""
        return Spanned(self.groups[own], self.basis[own], self.apart, self.told[own])


@dataclass(frozen=True, slots=True, eq=False)
class Series:
    """Such groups with their series, at points of the hyperparameters."""

    of: Spanned  #: The groups.
    centre: Array  #: Where combinations are 0, shape (point, group, combination).
    #: From combinations to those that are measured in SDs, shape (point, group, combination, combination).
    inverse: Array
    terms: Array  #: Coefficients, shape (point, group, term, ...), one axis of terms a combination.

    def some(self, own: Index | Mask) -> "Series":
        """Give some of the groups."""
        each = (self.centre[:, own], self.inverse[:, own], self.terms[:, own])
        return Series(self.of.of(own), *each)

    def at_points(self, points: Index) -> "Series":
        """Give some of the points."""
        each = (self.centre[points], self.inverse[points], self.terms[points])
        return Series(self.of, *each)

    def at(self, b: Array, cut: slice | Index) -> tuple[Array, Mask]:
        """Give log densities at coefficients (point, node, column), and say where series do not reach."""
        basis, scale = self.of.basis, self.inverse[cut][:, None] / REACH
        y = (b @ basis.reshape(-1, b.shape[2]).T).reshape(*b.shape[:2], *basis.shape[:2])
        y -= self.centre[cut][:, None]
        z = sum(
            (scale[..., k] * y[..., k, None] for k in range(1, y.shape[-1])),
            scale[..., 0] * y[..., :1],
        )
        terms = self.terms[cut]
        beyond = BEYOND if max(terms.shape[2:]) <= USUAL else 1.0
        away, z = np.any(np.abs(z) > beyond, axis=-1), np.clip(z, -beyond, beyond)
        each = np.moveaxis(terms, 2, 0)[:, :, None]
        if z.shape[-1] == 1:
            return summed(each, z[..., 0]), away
        if z.shape[-1] == 2 and terms.shape[3] <= SHORT:
            more = chebyshev.chebvander(z[..., 1], terms.shape[3] - 1)
            parts = (summed(each[..., k], z[..., 0]) for k in range(terms.shape[3]))
            return sum((more[..., k] * part for k, part in enumerate(parts)), np.zeros(())), away
        found = np.empty(away.shape)
        step = max(1, AT_ONCE // max(b.shape[1] * int(np.prod(terms.shape[3:])), 1))
        for place in range(found.shape[-1]):
            for start in range(0, len(b), step):
                part = slice(start, start + step)
                found[part, :, place] = _summed(terms[part, place], z[part, :, place])
        return found, away


def _summed(terms: Array, z: Array) -> Array:
    """Sum series of several combinations, shapes (point, term, ...) and (point, node, combination)."""
    total = np.swapaxes(_powers(z[..., 0], terms.shape[1]), 1, 2) @ terms.reshape(
        *terms.shape[:2], -1
    )
    for place in range(1, z.shape[-1]):
        each = _powers(z[..., place], terms.shape[1 + place])
        total = total.reshape(*total.shape[:2], each.shape[1], -1)
        total = np.einsum("jin,jnim->jnm", each, total)
    return np.asarray(total[..., 0])


def _powers(z: Array, count: int) -> Array:
    """Chebyshev polynomials at (point, node), shape (point, term, node)."""
    found = np.empty((len(z), count, z.shape[1]))
    found[:, 0], found[:, 1], twice = 1.0, z, 2.0 * z
    for n in range(2, count):
        np.multiply(twice, found[:, n - 1], out=found[:, n])
        found[:, n] -= found[:, n - 2]
    return found


def _trimmed(terms: Array, enough: float) -> Array:
    """Leave out the last terms of every axis that hold a tenth of what they may."""
    size = np.abs(terms)
    for axis in range(2, terms.ndim):
        held = np.max(size, axis=tuple(each for each in range(terms.ndim) if each != axis))
        last = max(int(np.flatnonzero(held > 0.1 * enough)[-1]) + 1, 2)
        terms, size = (each.take(range(last), axis=axis) for each in (terms, size))
    return terms


def spanned(columns: Array, group: Index) -> list[Spanned]:
    """Sort groups by how many combinations of the coefficients their rows are, without those of too many."""
    found: dict[tuple[int, int], list[tuple[int, Array, bytes]]] = {}
    for place in range(int(group.max(initial=-1)) + 1):
        own = columns[group == place]
        # Differences first: what rows have in common comes last, and moves nothing else.
        rows = _independent([*(own[1:] - own[0]), *own])
        apart = len(_independent(own[1:] - own[0]))
        if rows and apart in DEGREES:
            basis = np.array(rows)
            told = np.round(np.linalg.lstsq(basis.T, own.T, rcond=None)[0], DECIMALS) + 0.0
            found.setdefault((len(rows), apart), []).append((place, basis, told.tobytes()))
    laid = []
    for (_, apart), every in found.items():
        of = np.array([each[0] for each in every]), np.array([each[1] for each in every])
        laid.append(Spanned(*of, apart, np.array([each[2] for each in every], dtype=object)))
    return laid


def _independent(rows: Iterable[Array]) -> list[Array]:
    """Give the rows that are no combination of earlier ones."""
    found: list[Array] = []
    for row in rows:
        rest = row
        if found:
            known = np.array(found)
            rest = row - known.T @ np.linalg.lstsq(known.T, row, rcond=None)[0]
        if np.linalg.norm(rest) > SAME * max(np.linalg.norm(row), 1e-300):
            found.append(row)
    return found


def again(
    known: Sequence[Series], of: Spanned, centre: Array, factor: Array
) -> tuple[list[Series], Spanned]:
    """Take series that were laid for other coefficients at the same points, where they reach as far.

    `centre` (point, column); `factor` (point, column, column).
    """
    found, left = [], np.ones(len(of.groups), dtype=bool)
    for each in known:
        if each.centre.shape[2] != of.basis.shape[1] or each.of.apart != of.apart:
            continue
        _, own, place = np.intersect1d(of.groups, each.of.groups, return_indices=True)
        alike = of.told[own] == each.of.told[place]
        own, place = own[alike], place[alike]
        if not len(own):
            continue
        some = replace(each.some(place), of=of.of(own))
        middle = np.einsum("gkc,jc->jgk", some.of.basis, centre) - some.centre
        along = some.inverse @ np.einsum("gkc,jcd->jgkd", some.of.basis, factor)
        far = np.abs(np.einsum("jgkl,jgl->jgk", some.inverse, middle))
        far += LEAST_REACH * np.linalg.norm(along, axis=-1)
        serves = np.all(far <= REACH, axis=(0, 2))
        if serves.any():
            found.append(some.some(serves))
            left[own[serves]] = False
    return found, of.of(left)


def series(
    of: Spanned, centre: Array, factor: Array, lay: Lay, enough: float = ENOUGH
) -> list[Series]:
    """Lay series of groups around where coefficients live; those that none follows are left out.

    `centre` (point, column); `factor` (point, column, column); `lay` (point, node, group, column).
    """
    count = of.basis.shape[1]
    along = np.einsum("gkc,jcd->jgkd", of.basis, factor)
    inverse = np.linalg.inv(np.linalg.cholesky(along @ np.swapaxes(along, -1, -2)))
    back = REACH * np.einsum("jcd,jgkd,jglk->jgcl", factor, along, inverse)
    middle = np.einsum("gkc,jc->jgk", of.basis, centre)
    steps = (PARABOLA, FLAT, *DEGREES[of.apart])
    every = np.arange(len(centre))
    # Degrees are looked for at few points, and hold at the others or grow there.
    few = np.unique(np.linspace(0, len(centre) - 1, LOOKED).astype(np.intp))
    first = tuple(1 + int(axis < of.apart) for axis in range(count))
    todo, found = [(np.arange(len(of.groups)), first, few)], []
    while todo:
        own, tried, at = todo.pop()
        degrees = [steps[each] for each in tried]
        terms, need = _laid(
            of.of(own), centre[at], back[np.ix_(at, own)], degrees, partial(lay, at), enough
        )
        kept = np.all(need <= np.array(degrees)[:, None], axis=0)
        whole = kept & (len(at) == len(every))
        if whole.any():
            each = (middle[:, own[whole]], inverse[:, own[whole]])
            found.append(Series(of.of(own[whole]), *each, _trimmed(terms[:, whole], enough)))
        # Groups go on along the combinations that need it, to the degree that their terms foretell.
        later = np.searchsorted(steps, np.minimum(need, steps[-1]))
        grown = np.array(tried)[:, None] + (need > np.array(degrees)[:, None])
        later = np.where(kept, later, np.maximum(later, grown))
        for does, points in ((kept & ~whole, every), (~kept, at)):
            for more in np.unique(later[:, does], axis=1).T:
                if max(more) < len(steps):
                    some = own[np.all(more == later.T, axis=1) & does]
                    todo.append((some, tuple(more.tolist()), points))
    return found


def _laid(
    of: Spanned,
    centre: Array,
    along: Array,
    degrees: Sequence[int],
    lay: Callable[[Spanned, Array], Array],
    enough: float,
) -> tuple[Array, Array]:
    """Give coefficients of series and the degrees that they foretell, shape (combination, group)."""
    x = [chebyshev.chebpts1(degree + 1) for degree in degrees]
    grid = np.stack(np.meshgrid(*x, indexing="ij"), axis=-1).reshape(-1, len(x))
    b = centre[:, None, None] + np.einsum("jgcl,nl->jngc", along, grid)
    value = np.moveaxis(lay(of, b), 1, -1)
    terms = value.reshape(*value.shape[:2], *(degree + 1 for degree in degrees))
    for axis, degree in enumerate(degrees):
        change = transform(degree)
        terms = np.moveaxis(np.tensordot(terms, change, axes=(2 + axis, 1)), -1, 2 + axis)
    scale = np.maximum(np.max(np.abs(value - value.mean(axis=-1, keepdims=True)), axis=-1), 1.0)
    need = np.empty((len(x), value.shape[1]))
    for axis, degree in enumerate(degrees):
        size = np.moveaxis(np.abs(terms), 2 + axis, -1).reshape(*value.shape[:2], -1, degree + 1)
        size = size.max(axis=2) / scale[..., None]
        if degree == PARABOLA:
            need[axis] = degree
            continue
        last, middle = size[..., -2:].max(axis=-1), size[..., degree // 2 :].max(axis=-1)
        with np.errstate(divide="ignore", invalid="ignore"):
            rate = (np.log(middle) - np.log(last)) / (degree - degree // 2)
            more = degree + np.ceil((np.log(last) - np.log(enough)) / rate)
        more = np.where(last <= enough, degree, np.where(rate > 0, more, np.inf))
        if degree == FLAT:
            more = np.where(size[..., PARABOLA + 1 :].max(axis=-1) <= 0.1 * enough, PARABOLA, more)
        need[axis] = np.where(np.isnan(last), np.inf, more).max(axis=0)
    return terms, need
