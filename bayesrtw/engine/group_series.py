"""Log densities of groups of sites as polynomials of what the coefficients add up to in them.

Given the hyperparameters, the density of a group is a smooth function of its rows' means, and these are few
combinations of the coefficients: one where all rows are alike, one less than its arms in a trial of several.
A tensor of Chebyshev polynomials in these, measured in their own SDs, then serves every node of every rule.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.polynomial import chebyshev
from numpy.typing import NDArray

Array = NDArray[np.float64]
Index = NDArray[np.intp]
Mask = NDArray[np.bool_]

#: Combinations of coefficients of a group up to which series are laid, and the degrees that are tried.
DEGREES = {1: (16, 28, 48), 2: (12, 20, 32), 3: (8, 14)}
#: What the last coefficients may hold, in logs; and how far series reach, in SDs.
ENOUGH, REACH = 1e-9, 9.5
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
    """

    groups: Index
    basis: Array


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

    def at(self, b: Array, cut: slice) -> tuple[Array, Mask]:
        """Give log densities at coefficients (point, node, column), and say where series do not reach."""
        found = np.empty((*b.shape[:2], len(self.of.groups)))
        away = np.empty(found.shape, dtype=bool)
        degree = self.terms.shape[-1] - 1
        step = max(
            1, AT_ONCE // max(b.shape[1] * (degree + 1) ** max(1, self.of.basis.shape[1] - 1), 1)
        )
        for place in range(found.shape[-1]):
            y = b @ self.of.basis[place].T - self.centre[cut, None, place]
            z = y @ np.swapaxes(self.inverse[cut, place], -1, -2) / REACH
            away[..., place] = np.any(np.abs(z) > 1.0, axis=-1)
            z = np.clip(z, -1.0, 1.0)
            for start in range(0, len(b), step):
                part = slice(start, start + step)
                found[part, :, place] = _summed(self.terms[cut][part, place], z[part], degree)
        return found, away


def _summed(terms: Array, z: Array, degree: int) -> Array:
    """Sum series, shapes (point, term, ...) and (point, node, combination)."""
    each = chebyshev.chebvander(z, degree)
    first = each[..., 0, :]
    flat = terms.reshape(len(terms), degree + 1, -1)
    total = first @ flat
    for place in range(1, z.shape[-1]):
        total = total.reshape(*total.shape[:2], degree + 1, -1)
        total = np.einsum("jni,jnim->jnm", each[..., place, :], total)
    return np.asarray(total[..., 0])


def spanned(columns: Array, group: Index) -> list[Spanned]:
    """Sort groups by how many combinations of the coefficients their rows are, without those of too many."""
    found: dict[int, list[tuple[int, Array]]] = {}
    for place in range(int(group.max(initial=-1)) + 1):
        rows: list[Array] = []
        for row in columns[group == place]:
            rest = row
            if rows:
                known = np.array(rows)
                rest = row - known.T @ np.linalg.lstsq(known.T, row, rcond=None)[0]
            if np.linalg.norm(rest) > SAME * max(np.linalg.norm(row), 1e-300):
                rows.append(row)
        if 0 < len(rows) <= max(DEGREES):
            found.setdefault(len(rows), []).append((place, np.array(rows)))
    return [
        Spanned(np.array([each[0] for each in own]), np.array([each[1] for each in own]))
        for own in found.values()
    ]


def series(of: Spanned, centre: Array, factor: Array, lay: Lay) -> list[Series]:
    """Lay series of groups around where coefficients live; those that none follows are left out.

    Parameters
    ----------
    of
        The groups.
    centre, factor
        Of the coefficients, shapes (point, column) and (point, column, column).
    lay
        Asks the groups themselves: of coefficients of shape (point, node, group, column).

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
    left, found = np.arange(len(of.groups)), []
    for degree in DEGREES[count]:
        x = chebyshev.chebpts1(degree + 1)
        grid = np.stack(np.meshgrid(*[x] * count, indexing="ij"), axis=-1).reshape(-1, count)
        some = Spanned(of.groups[left], of.basis[left])
        b = centre[:, None, None] + REACH * np.einsum("jgcl,nl->jngc", back[:, left], grid)
        value = np.moveaxis(lay(some, b), 1, -1)
        terms = value.reshape(*value.shape[:2], *[degree + 1] * count)
        change = _transform(degree)
        for axis in range(count):
            terms = np.moveaxis(np.tensordot(terms, change, axes=(2 + axis, 1)), -1, 2 + axis)
        scale = np.maximum(np.max(np.abs(value - value.mean(axis=-1, keepdims=True)), axis=-1), 1.0)
        good = np.isfinite(terms).reshape(*value.shape[:2], -1).all(axis=-1)
        for axis in range(count):
            last = np.abs(np.take(terms, [-1, -2], axis=2 + axis)).reshape(*value.shape[:2], -1)
            good &= last.max(axis=-1) <= ENOUGH * scale
        kept = good.all(axis=0)
        if kept.any():
            own = left[kept]
            found.append(
                Series(
                    Spanned(of.groups[own], of.basis[own]),
                    middle[:, own],
                    inverse[:, own],
                    back[:, own],
                    terms[:, kept],
                )
            )
        left = left[~kept]
        if not len(left):
            break
    return found


def _transform(degree: int) -> Array:
    """Give the matrix from values at Chebyshev's points to coefficients, shape (degree + 1, point)."""
    x = chebyshev.chebpts1(degree + 1)
    found = chebyshev.chebvander(x, degree).T * (2.0 / (degree + 1))
    found[0] *= 0.5
    return np.asarray(found)
