"""Cholesky factors of many small matrices at once, and of a posterior what is asked of it.

Nodes are weighed by log densities alone, held still by means and variances, and few of them are asked for
covariances: each costs about twice what the one before costs. So a posterior is kept as its factors. Matrices
have the nodes last, so that every step runs along them; LAPACK takes matrices one by one.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

#: Numbers of one set of matrices that is worked on: it stays in the cache.
AT_ONCE = 65_536


def factored(matrix: Array) -> Array:
    """Factor positive definite matrices in place.

    `matrix` (column, column, node); gives (column, column, node).
    """
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        for j in range(len(matrix)):
            if j:
                matrix[j:, j] -= np.einsum("kn,ikn->in", matrix[j, :j], matrix[j:, :j])
            matrix[j:, j] /= np.sqrt(matrix[j, j])
    return matrix


def inverted(lower: Array) -> Array:
    """Invert factors, shape (column, column, node); zeros above the diagonal."""
    found = np.zeros_like(lower)
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        for i in range(len(lower)):
            found[i, i] = 1.0 / lower[i, i]
            if i:
                row = np.einsum("kn,kjn->jn", lower[i, :i], found[:i, :i])
                found[i, :i] = -row * found[i, i]
    return found


def squared(upside: Array) -> Array:
    """Multiply inverse factors with themselves, U'U: inverses of the matrices, (column, column, node)."""
    found = np.empty_like(upside)
    for i in range(len(upside)):
        row = np.einsum("kn,kjn->jn", upside[i:, i], upside[i:, : i + 1])
        found[i, : i + 1] = found[: i + 1, i] = row
    return found


def log_determinant(lower: Array) -> Array:
    """Log determinants of the matrices of factors, shape (node,)."""
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(2.0 * np.sum(np.log(lower[range(len(lower)), range(len(lower))]), axis=0))


def inverse(matrix: Array) -> tuple[Array, Array]:
    """Invert small positive definite matrices: `matrix` (..., column, column); gives (...,)."""
    # To unit diagonal first: precisions of flat coefficients vanish where tau is huge.
    width = matrix.shape[-1]
    if not width:
        return matrix, np.zeros(matrix.shape[:-2])
    diagonal = np.diagonal(matrix, axis1=-2, axis2=-1)
    if width == 2:
        scale = np.sqrt(diagonal[..., 0] * diagonal[..., 1])
        r = matrix[..., 1, 0] / scale
        left = (1.0 - r) * (1.0 + r)
        found = np.empty(matrix.shape)
        found[..., 0, 0] = 1.0 / (diagonal[..., 0] * left)
        found[..., 1, 1] = 1.0 / (diagonal[..., 1] * left)
        found[..., 0, 1] = found[..., 1, 0] = -r / (scale * left)
        return found, np.log(left) + 2.0 * np.log(scale)
    root = 1.0 / np.sqrt(diagonal)
    unit = root[..., :, None] * matrix * root[..., None, :]
    found, log_det = _by_cholesky(unit)
    if not np.all(np.isfinite(log_det)):
        # Rounding has made a nearly singular one indefinite: elimination with pivots still serves.
        found, log_det = np.linalg.inv(unit), np.linalg.slogdet(unit)[1]
    log_det = log_det - 2.0 * np.sum(np.log(root), axis=-1)
    return root[..., :, None] * found * root[..., None, :], log_det


def _by_cholesky(unit: Array) -> tuple[Array, Array]:
    """Invert many small matrices at once."""
    width = unit.shape[-1]
    lower = factored(np.array(unit.reshape(-1, width, width).transpose(1, 2, 0), order="C"))
    found = squared(inverted(lower)).transpose(2, 0, 1)
    return found.reshape(unit.shape), log_determinant(lower).reshape(unit.shape[:-2])


@dataclass(frozen=True, eq=False)
class Factored:
    """The posterior of coefficients given hyperparameters, which works out what it is asked for."""

    log_density: Array  #: As in `bayesrtw.engine.kernel.Conditional`, shape (...,).
    #: Factors of the precisions, scaled to unit diagonals; shape (column, column, ...).
    lower: Array
    root: Array  #: What scales them: one over the roots of their diagonals, shape (column, ...).
    #: The factors' solutions for the precisions times the means, scaled too; shape (column, ...).
    half: Array
    pilot: Array  #: What is added to the means, shape (column,).

    @cached_property
    def _moments(self) -> tuple[Array, Array]:
        """Means and variances, each of shape (..., column)."""
        mean, variance = np.empty((2, len(self.pilot), self.log_density.size))
        for where, root, upside in self._upside():
            half = self.half.reshape(len(self.pilot), -1)[:, where]
            mean[:, where] = root * np.einsum("in,icn->cn", half, upside)
            variance[:, where] = root**2 * np.einsum("icn,icn->cn", upside, upside)
        mean += self.pilot[:, None]
        return self._first(mean), self._first(variance)

    @property
    def mean(self) -> Array:
        """Shape (..., column)."""
        return self._moments[0]

    @property
    def variance(self) -> Array:
        """Diagonals of the covariances, shape (..., column)."""
        return self._moments[1]

    @cached_property
    def covariance(self) -> Array:
        """Shape (..., column, column)."""
        width = len(self.pilot)
        found = np.empty((self.log_density.size, width, width))
        for where, root, upside in self._upside():
            found[where] = (squared(upside) * root[:, None] * root).transpose(2, 0, 1)
        return found.reshape(*self.log_density.shape, width, width)

    def at(self, keep: NDArray[np.bool_]) -> "Factored":
        """Take some of all values in one row, shape (value,)."""
        width = len(self.pilot)
        return Factored(
            self.log_density.reshape(-1)[keep],
            self.lower.reshape(width, width, -1)[..., keep],
            self.root.reshape(width, -1)[:, keep],
            self.half.reshape(width, -1)[:, keep],
            self.pilot,
        )

    def _upside(self) -> Iterator[tuple[slice, Array, Array]]:
        """Give inverse factors of some nodes after others, with the nodes and their scales."""
        width, count = len(self.pilot), self.log_density.size
        lower, root = self.lower.reshape(width, width, -1), self.root.reshape(width, -1)
        step = max(1, AT_ONCE // width**2)
        for start in range(0, count, step):
            where = slice(start, start + step)
            yield where, root[:, where], inverted(np.ascontiguousarray(lower[..., where]))

    def _first(self, found: Array) -> Array:
        """Put nodes first."""
        return np.ascontiguousarray(found.T).reshape(*self.log_density.shape, -1)


def condition(
    sums: Array, log_det: Array, prior: tuple[Array, Array], count: int, pilot: Array
) -> Factored:
    """Condition coefficients on the data, given sums of products; see `bayesrtw.engine.kernel.finish`.

    `sums` (pair, ...); `log_det` (...,); `prior` (column,).
    """
    (mean, precision), width, shape = prior, len(pilot), sums.shape[1:]
    sums = sums.reshape(len(sums), -1)
    i, j = np.tril_indices(width)
    inside = len(i)
    diagonal = sums[np.flatnonzero(i == j)] + precision[:, None]
    root = 1.0 / np.sqrt(diagonal)
    lower = np.zeros((width, width, sums.shape[1]))
    lower[i, j] = sums[:inside]
    lower *= root[:, None]
    lower *= root
    lower[range(width), range(width)] = 1.0
    factored(lower)
    half = root * (sums[inside : inside + width] + (precision * mean)[:, None])
    for place in range(width):
        if place:
            half[place] -= np.einsum("kn,kn->n", lower[place, :place], half[:place])
        half[place] /= lower[place, place]
    # The data are centred at a pilot fit by whoever poses the problem, so this difference is of the size of
    # the residuals, not of the effects.
    quadratic = sums[-1] + np.sum(precision * mean**2) - np.einsum("kn,kn->n", half, half)
    log_p = log_determinant(lower) - 2.0 * np.sum(np.log(root), axis=0)
    proper = precision > 0
    constant = np.sum(np.log(np.where(proper, precision, 2.0 * math.pi)))
    log = -0.5 * (quadratic + log_p - constant + count * math.log(2.0 * math.pi))
    return Factored(
        np.asarray(log.reshape(shape) - 0.5 * log_det),
        lower.reshape(width, width, *shape),
        root.reshape(width, *shape),
        half.reshape(width, *shape),
        pilot,
    )
