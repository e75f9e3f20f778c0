"""Log densities of groups of sites as polynomials of what the coefficients add up to in them.

Given the hyperparameters, the density of a group is a smooth function of its rows' means, and these are few
combinations of the coefficients: one where all rows are alike, one less than its arms in a trial of several.
A tensor of Chebyshev polynomials in these, measured in their own SDs, then serves every node of every rule.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.polynomial import chebyshev
from numpy.typing import NDArray

Array = NDArray[np.float64]
Index = NDArray[np.intp]
Mask = NDArray[np.bool_]

#: Degrees that are tried for differences of rows, by their number, and first for what rows have in common,
#: which a wide baseline hardly tells.
DEGREES = {0: (12, 20, 32), 1: (12, 20, 32), 2: (10, 14, 20, 28), 3: (8, 12)}
FLAT = 4
#: What the last coefficients may hold, in logs; and how far series reach, in SDs.
ENOUGH, REACH = 1e-9, 7.0
#: How far beyond their ends series are followed: by a seventh, where nodes weigh less than exp(-24), what is
#: left out grows by exp(0.54 degree), to 1e-4 in logs at the usual degrees.
BEYOND = 1.15
#: Numbers of one array.
AT_ONCE = 4_000_000
#: A row of the design is a combination of others where no more than this is left of it.
SAME = 1e-9

#: Log densities of some groups at coefficients (point, node, group, column), shape (point, node, group).
Lay = Callable[["Spanned", Array], Array]


@dataclass(frozen=True, slots=True, eq=False)
class Spanned:
    """Groups whose rows are as many combinations of the coefficients.

    Attributes
    ----------
    groups
        Which, shape (group,).
    basis
        The combinations, shape (group, combination, column).
    apart
        How many of them, from the first on, are of differences between rows.
    """

    groups: Index
    basis: Array
    apart: int

    def of(self, own: Index | Mask) -> "Spanned":
        """Give some of the groups."""
        return Spanned(self.groups[own], self.basis[own], self.apart)


@dataclass(frozen=True, slots=True, eq=False)
class Series:
    """Such groups with their series, at points of the hyperparameters.

    Attributes
    ----------
    of
        The groups.
    centre
        Where combinations are 0, shape (point, group, combination).
    inverse
        From combinations to those that are measured in SDs, shape (point, group, combination, combination).
    back
        From these to coefficients, shape (point, group, column, combination).
    terms
        Coefficients, shape (point, group, term, ...), one axis of terms a combination.
    """

    of: Spanned
    centre: Array
    inverse: Array
    back: Array
    terms: Array

    def some(self, own: Index | Mask) -> "Series":
        """Give some of the groups."""
        each = (self.centre[:, own], self.inverse[:, own], self.back[:, own], self.terms[:, own])
        return Series(self.of.of(own), *each)

    def at_points(self, points: Index) -> "Series":
        """Give some of the points."""
        each = (self.centre[points], self.inverse[points], self.back[points], self.terms[points])
        return Series(self.of, *each)

    def at(self, b: Array, cut: slice | Index) -> tuple[Array, Mask]:
        """Give log densities at coefficients (point, node, column), and say where series do not reach."""
        found = np.empty((*b.shape[:2], len(self.of.groups)))
        away = np.empty(found.shape, dtype=bool)
        most = int(np.prod(self.terms.shape[2:]))
        step = max(1, AT_ONCE // max(b.shape[1] * most // self.terms.shape[2], 1))
        for place in range(found.shape[-1]):
            y = b @ self.of.basis[place].T - self.centre[cut][:, None, place]
            z = y @ np.swapaxes(self.inverse[cut, place], -1, -2) / REACH
            away[..., place] = np.any(np.abs(z) > BEYOND, axis=-1)
            z = np.clip(z, -BEYOND, BEYOND)
            for start in range(0, len(b), step):
                part = slice(start, start + step)
                found[part, :, place] = _summed(self.terms[cut][part, place], z[part])
        return found, away


def _summed(terms: Array, z: Array) -> Array:
    """Sum series, shapes (point, term, ...) and (point, node, combination)."""
    total = chebyshev.chebvander(z[..., 0], terms.shape[1] - 1) @ terms.reshape(
        *terms.shape[:2], -1
    )
    for place in range(1, z.shape[-1]):
        each = chebyshev.chebvander(z[..., place], terms.shape[1 + place] - 1)
        total = total.reshape(*total.shape[:2], each.shape[-1], -1)
        total = np.einsum("jni,jnim->jnm", each, total)
    return np.asarray(total[..., 0])


def spanned(columns: Array, group: Index) -> list[Spanned]:
    """Sort groups by how many combinations of the coefficients their rows are, without those of too many."""
    found: dict[tuple[int, int], list[tuple[int, Array]]] = {}
    for place in range(int(group.max(initial=-1)) + 1):
        own = columns[group == place]
        # Differences first: what rows have in common comes last, and moves nothing else.
        rows = _independent([*(own[1:] - own[0]), *own])
        apart = len(_independent(own[1:] - own[0]))
        if rows and apart in DEGREES:
            found.setdefault((len(rows), apart), []).append((place, np.array(rows)))
    return [
        Spanned(np.array([each[0] for each in own]), np.array([each[1] for each in own]), apart)
        for (_, apart), own in found.items()
    ]


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


def series(
    of: Spanned, centre: Array, factor: Array, lay: Lay, enough: float = ENOUGH
) -> list[Series]:
    """Lay series of groups around where coefficients live; those that none follows are left out.

    Parameters
    ----------
    of
        The groups.
    centre, factor
        Of the coefficients, shapes (point, column) and (point, column, column).
    lay
        Asks the groups themselves: of coefficients of shape (point, node, group, column).
    enough
        What the last coefficients may hold, in logs.

    Returns
    -------
    list of Series
        One for each degree.
    """
    count = of.basis.shape[1]
    along = np.einsum("gkc,jcd->jgkd", of.basis, factor)
    root = np.linalg.cholesky(along @ np.swapaxes(along, -1, -2))
    inverse = np.linalg.inv(root)
    back = np.einsum("jcd,jgkd,jglk->jgcl", factor, along, inverse)
    middle = np.einsum("gkc,jc->jgk", of.basis, centre)
    steps = (FLAT, *DEGREES[of.apart])
    first = tuple(int(axis < of.apart) for axis in range(count))
    todo, found = [(np.arange(len(of.groups)), first)], []
    while todo:
        own, tried = todo.pop()
        degrees = [steps[each] for each in tried]
        terms, need = _laid(of.of(own), centre, REACH * back[:, own], degrees, lay, enough)
        kept = np.all(need <= np.array(degrees)[:, None], axis=0)
        if kept.any():
            some = own[kept]
            each = (middle[:, some], inverse[:, some], back[:, some], terms[:, kept])
            found.append(Series(of.of(some), *each))
        # Groups go on along the combinations that need it, to the degree that their terms foretell.
        later = np.searchsorted(steps, np.minimum(need, steps[-1]))
        later = np.maximum(later, np.array(tried)[:, None] + (need > np.array(degrees)[:, None]))
        for more in np.unique(later[:, ~kept], axis=1).T:
            if max(more) < len(steps):
                todo.append((own[np.all(more == later.T, axis=1) & ~kept], tuple(more.tolist())))
    return found


def _laid(
    of: Spanned, centre: Array, along: Array, degrees: Sequence[int], lay: Lay, enough: float
) -> tuple[Array, Array]:
    """Give coefficients of series and the degrees that they foretell, shape (combination, group)."""
    x = [chebyshev.chebpts1(degree + 1) for degree in degrees]
    grid = np.stack(np.meshgrid(*x, indexing="ij"), axis=-1).reshape(-1, len(x))
    b = centre[:, None, None] + np.einsum("jgcl,nl->jngc", along, grid)
    value = np.moveaxis(lay(of, b), 1, -1)
    terms = value.reshape(*value.shape[:2], *(degree + 1 for degree in degrees))
    for axis, degree in enumerate(degrees):
        change = _transform(degree)
        terms = np.moveaxis(np.tensordot(terms, change, axes=(2 + axis, 1)), -1, 2 + axis)
    scale = np.maximum(np.max(np.abs(value - value.mean(axis=-1, keepdims=True)), axis=-1), 1.0)
    need = np.empty((len(x), value.shape[1]))
    for axis, degree in enumerate(degrees):
        size = np.moveaxis(np.abs(terms), 2 + axis, -1).reshape(*value.shape[:2], -1, degree + 1)
        size = size.max(axis=2) / scale[..., None]
        last, middle = size[..., -2:].max(axis=-1), size[..., degree // 2 :].max(axis=-1)
        with np.errstate(divide="ignore", invalid="ignore"):
            rate = (np.log(middle) - np.log(last)) / (degree - degree // 2)
            more = degree + np.ceil((np.log(last) - np.log(enough)) / rate)
        more = np.where(last <= enough, degree, np.where(rate > 0, more, np.inf))
        need[axis] = np.where(np.isnan(last), np.inf, more).max(axis=0)
    return terms, need


def _transform(degree: int) -> Array:
    """Give the matrix from values at Chebyshev's points to coefficients, shape (degree + 1, point)."""
    x = chebyshev.chebpts1(degree + 1)
    found = chebyshev.chebvander(x, degree).T * (2.0 / (degree + 1))
    found[0] *= 0.5
    return np.asarray(found)
