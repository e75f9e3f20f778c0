"""Coefficients given hyperparameters and an allocation of levels: small matrices, many at once.

That of an allocation is that of the mean rows, plus terms of single silent estimates and of pairs of them.
Every array has the allocations last, so that arithmetic is that of long vectors.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from bayesrtw.model.unreported import combined

Array = NDArray[np.float64]
Index = NDArray[np.intp]


class Points(NamedTuple):
    """What the data say at hyperparameters, whatever the allocation; arrays have the shape (point, ...)."""

    log: Array  #: Log density of the data, less what `left` still holds.
    #: Matrix of the coefficients that levels move, of the data, and of the silent estimates' own columns, the
    #: other coefficients integrated out, (moving + 1 + row, moving + 1 + row).
    left: Array
    line: Array  #: Each coefficient on those that move and, last, a constant, (column, moving + 1).
    shifts: Array  #: The same on the shift of each silent estimate, (column, row).
    rest: Array  #: Covariance of what is left of the coefficients, (column, column).

    def cut(self, where: slice) -> "Points":
        """Give some of the points."""
        return Points(*(each[where] for each in self))

    def slopes(self, line: "Line", halves: "Halves") -> list[Array]:
        """Write a linear function on the coefficients that move, with a constant and a variance of the rest.

        Shape (point, allocation) each, of length one where no allocation changes it; the variance (point,).
        """
        row = np.broadcast_to(line.row, (len(self.log), self.line.shape[1]))
        found = np.einsum("np,npm->mn", row, self.line)
        weight = np.einsum("np,npr->nr", row, self.shifts)
        if line.shifts is not None:
            weight = weight + line.shifts
        found[-1] += line.constant
        rest = np.einsum("np,npq,nq->n", row, self.rest, row) + line.variance
        made = halves.summed(found, weight) if weight.any() else found[..., None]
        return [*made, np.asarray(rest)]


class States(NamedTuple):
    """Coefficients given hyperparameters and an allocation.

    Those that levels move are normal given both: their precision has the lower Cholesky factor `lower`, their
    mean (as far as they lie from the pilot) is its transpose's inverse times `pull`. Every coefficient is
    linear in these, in the shifts of silent estimates, and in a rest that no allocation changes.
    """

    #: Log of the allocation's prior probability times the density of the data, shape (point, allocation).
    log: Array
    lower: Array  #: Shape (moving, moving, point, allocation); its diagonal is inverted.
    pull: Array  #: Shape (moving, point, allocation).
    points: Points  #: What does not hang on the allocation.
    halves: "Halves"  #: Shifts of silent estimates.

    @property
    def summed(self) -> tuple[Array, Array]:
        """Log of the sum over allocations, (point,), and each one's share of it, (point, allocation)."""
        most = np.max(self.log, axis=1, keepdims=True)
        share = self.log - most
        np.exp(share, out=share)
        total = np.sum(share, axis=1, keepdims=True)
        share /= total
        return (most + np.log(total))[:, 0], share

    def along(self, line: "Line") -> tuple[Array, Array]:
        """Mean and variance of a linear function, shape (point, allocation)."""
        mean, white, rest = self.whitened(line)
        variance, square = np.empty_like(mean), np.empty_like(mean)
        variance[:] = rest[:, None]
        for each in white:
            if each.size > 1:
                variance += np.multiply(each, each, out=square)
        return mean, variance

    def whitened(self, line: "Line") -> tuple[Array, list[Array], Array]:
        """Mean of a linear function; its slopes on independent standard normals; variance of the rest.

        Shapes (point, allocation), for each that moves (point, allocation) or one zero, and (point,).
        """
        *found, mean, rest = self.points.slopes(line, self.halves)
        white = whitened(found, self.lower)
        mean, part = np.broadcast_to(mean, self.log.shape).copy(), np.empty_like(self.log)
        for own, pull in zip(white, self.pull, strict=True):
            if own.size > 1:
                mean += np.multiply(own, pull, out=part)
        return mean, white, rest

    def draw(self, point: Index, place: Index, z: Array) -> Array:
        """Coefficients at some points, each under one allocation, made of normals (draw, column + moving)."""
        moving = len(self.pull)
        lower = self.lower[:, :, point, place]
        found = [self.pull[which, point, place] + z[:, which] for which in range(moving)]
        for which in range(moving - 1, -1, -1):
            for later in range(which + 1, moving):
                found[which] = found[which] - lower[later, which] * found[later]
            found[which] = found[which] * lower[which, which]
        own = np.array([*found, np.ones(len(point))]).T
        shift = np.einsum("drm,dm->dr", self.chosen(place), own)
        b = np.einsum("dpm,dm->dp", self.points.line[point], own)
        b += np.einsum("dpr,dr->dp", self.points.shifts[point], shift)
        scale, turn = np.linalg.eigh(self.points.rest[point])
        rest = np.sqrt(np.maximum(scale, 0.0)) * z[:, moving:]
        return np.asarray(b + np.einsum("dpq,dq->dp", turn, rest))

    def chosen(self, place: Index) -> Array:
        """Give what levels make of the shifts under some allocations, shape (draw, row, moving + 1)."""
        return self.halves.chosen(place)


class Halves(NamedTuple):
    """Shifts of silent estimates under every allocation, as those of two parts of them.

    An allocation is one of the first part and one of the second: what is linear in shifts is a sum of both,
    and what is a product of two of them one small matrix product more.
    """

    #: What each level of each silent estimate makes of its shift: slopes on the coefficients that move and a
    #: constant, shape (row, level, moving + 1).
    levels: Array
    #: first, second: the same under every allocation of either part, shape (allocation of the part, row,
    #: moving + 1).
    first: Array
    second: Array

    @classmethod
    def of(cls, levels: Array, sizes: Index) -> "Halves":
        """Divide silent estimates; where the first are more, inner loops are longer."""
        middle = (2 * len(levels) + 1) // 3
        first = _every(levels[:middle], sizes[:middle])
        return cls(levels, first, _every(levels[middle:], sizes[middle:]))

    def summed(self, start: Array, weight: Array) -> Array:
        """Weigh shifts, (point, row), and add: (moving + 1, point) to (moving + 1, point, allocation)."""
        middle = self.first.shape[1]
        one = weight[:, :middle] @ self.first.transpose(2, 1, 0) + start[..., None]
        two = weight[:, middle:] @ self.second.transpose(2, 1, 0)
        return np.asarray((two[..., None] + one[:, :, None]).reshape(*start.shape, -1))

    def chosen(self, place: Index) -> Array:
        """Give shifts under some allocations, shape (draw, row, moving + 1)."""
        two, one = np.divmod(place, len(self.first))
        return np.concatenate([self.first[one], self.second[two]], axis=1)

    def sums(self, left: Array) -> list[list[Array]]:
        """Matrices of the coefficients that move and the data, lower triangles, (point, allocation) each."""
        count, size, middle = len(left), self.levels.shape[2], self.first.shape[1]
        # The data stand on the other side of a shift: what it explains is taken off them.
        sign = np.append(np.ones(size - 1), -1.0)
        one, two = self.first * sign, self.second * sign
        inner = size + middle
        own = _quadratic(one, left[:, size:inner, :size], left[:, size:inner, size:inner])
        other = _quadratic(two, left[:, inner:, :size], left[:, inner:, inner:])
        # What shifts of the second part make of each of the first.
        across = two.transpose(2, 0, 1) @ left[:, None, inner:, size:inner]
        found: list[list[Array]] = [[] for _ in range(size)]
        for i in range(size):
            for j in range(i + 1):
                both = [across[:, j], across[:, i], other[i, j][..., None]]
                against = [one[:, :, i], one[:, :, j], np.ones((len(one), 1))]
                # One product of two matrices for all points and allocations of the second part.
                rows = np.concatenate(both, axis=2).reshape(count * len(two), -1)
                made = rows @ np.ascontiguousarray(np.concatenate(against, axis=1).T)
                made = made.reshape(count, len(two), len(one))
                made += (own[i, j] + left[:, i, j, None])[:, None]
                found[i].append(made.reshape(count, -1))
        return found


def _every(levels: Array, sizes: Index) -> Array:
    """Give rows under every allocation, shape (allocation, row, moving + 1)."""
    return np.asarray(levels[np.arange(len(levels)), combined(sizes)])


def _quadratic(shifts: Array, linear: Array, square: Array) -> Array:
    """Give what shifts (allocation, row, m) add to a matrix, lower triangle, (m, m, point, allocation).

    `linear` (point, row, m) are the rows of the shifts against it, `square` (point, row, row) theirs.
    """
    count, rows, size = linear.shape
    each, ahead = shifts.transpose(2, 1, 0), linear.transpose(2, 0, 1)
    pairs = square.reshape(count, rows**2)
    found = np.empty((size, size, count, len(shifts)))
    for i in range(size):
        for j in range(i + 1):
            # Products of two shifts, and each by itself, times what multiplies them: one product of matrices.
            both = (each[i][:, None] * each[j]).reshape(rows**2, len(shifts))
            against = np.concatenate([pairs, ahead[j], ahead[i]], axis=1)
            np.matmul(against, np.concatenate([both, each[i], each[j]]), out=found[i, j])
    return found


class Line(NamedTuple):
    """A linear function: of coefficients as far as they lie from the pilot, of shifts, and a deviation."""

    row: Array  #: On the coefficients, shape (column,) or (point, column).
    #: On the shifts of silent estimates, shape (point, row) or (row,); None for none.
    shifts: Array | None = None
    #: constant, variance: shape () or (point,).
    constant: Array | float = 0.0
    variance: Array | float = 0.0
    #: Part of each allocation that it holds for, or shape (allocation,).
    share: Array | float = 1.0


def whitened(slopes: list[Array], lower: Array) -> list[Array]:
    """Write slopes on coefficients as slopes on independent standard normals; see `factored`.

    Those that are zero, as of coefficients before the first that a line knows, are one number.
    """
    found, part = list[Array](), np.empty(lower.shape[2:])
    for place, own in enumerate(slopes):
        if not (own.any() or any(other.size > 1 for other in found)):
            found.append(np.zeros((1, 1)))
            continue
        white = np.broadcast_to(own, part.shape).copy()
        for before, other in enumerate(found):
            if other.size > 1:
                white -= np.multiply(lower[place, before], other, out=part)
        white *= lower[place, place]
        found.append(white)
    return found


def factored(sums: list[list[Array]], last: int = 1) -> tuple[Array, Array, Array]:
    """Integrate coefficients out of matrices (lower triangles), all but the `last` rows.

    Gives lower factors with inverted diagonals; what pulls, for each of the last rows; and the log
    determinants of what was integrated out. What is left of the last rows stands in `sums`.
    """
    size, shape = len(sums) - last, sums[-1][-1].shape
    lower, pull = np.empty((size, size, *shape)), np.empty((last, size, *shape))
    scale, both = np.ones(shape), np.empty(shape)
    for i in range(size):
        for j in range(i + 1):
            part = sums[i][j]
            for k in range(j):
                part -= np.multiply(lower[i, k], lower[j, k], out=both)
            if j < i:
                np.multiply(part, lower[j, j], out=lower[i, j])
            else:
                scale *= part
                np.sqrt(part, out=part)
                np.divide(1.0, part, out=lower[i, i])
        for row, own in zip(sums[size:], pull, strict=True):
            part = row[i]
            for k in range(i):
                part -= np.multiply(lower[i, k], own[k], out=both)
            np.multiply(part, lower[i, i], out=own[i])
    for one in range(last):
        for two in range(one + 1):
            for k in range(size):
                left = np.multiply(pull[one, k], pull[two, k], out=both)
                sums[size + one][size + two] -= left
    np.log(scale, out=scale)
    return lower, pull, scale
