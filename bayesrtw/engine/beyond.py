"""How many of several results lie beyond a step, where results are normal and go together.

What rows share is taken apart from the outside in. A normal that rows share (an effect of their family or
study, a control group) is summed over by a trapezium rule, given which fewer go together; results that share
nothing more are independent, and their counts are convolved. What no single normals say, errors that are
correlated each in its own way, is taken row by row, each within and beyond the step given those before it, so
that what is rare is told as well as what is not; the last two are a bivariate normal, which is closed.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr, ndtri, owens_t

from bayesrtw.engine.thinned import nodes_needed, normal_rule
from bayesrtw.errors import EngineRefusal

Array = NDArray[np.float64]
Index = NDArray[np.intp]

#: Nodes of a result within or beyond the step, by how many results are correlated each in its own way, and
#: of a coarser rule: what both leave out falls with the square of their nodes, and is taken off. The log of
#: how probable it was to see all, one in ten of those beyond, is right to 4e-5 with three that are correlated
#: by a half, 8e-4 with four, 2e-3 with five and 7e-3 with six; by 0.9, to 1e-3, 0.02, 0.07 and 0.11.
NODES = {2: (1, 1), 3: (32, 16), 4: (12, 8), 5: (6, 4), 6: (4, 3)}
#: How many times smaller or larger a probability may become by what is taken off.
MOST = 10.0
#: Least variance of a row given others, as a share of its own; how far a correlation of two is told from 1.
LEAST, NEAR = 1e-12, 1e-15
#: Least share of a variance that rows keep of their own where one normal says what they share.
OWN = 1e-9
#: Numbers in one intermediate array.
AT_ONCE = 1_000_000


class Step(NamedTuple):
    """Where the step of each row lies, and on which side of it results are beyond: 1 below, -1 above."""

    at: Array
    side: Array

    def of(self, rows: Index) -> "Step":
        """Give some rows."""
        return Step(self.at[rows], self.side[rows])

    def beyond(self, mean: Array, variance: Array) -> Array:
        """Give the probability of each row by itself, shape (..., row)."""
        return np.asarray(ndtr(self.side * (self.at - mean) / np.sqrt(variance)))


@dataclass(frozen=True, slots=True, eq=False)
class Shared:
    """What rows have in common, at points."""

    own: Array  #: Variances of their own, shape (point, row).
    #: On a standard normal each, shape (point, row); zero where a row has no part in it.
    slopes: tuple[Array, ...] = ()
    #: Rows that are correlated in more ways than one, and their covariance beside all that, shape (point,
    #: member, member), with zeros in its diagonal.
    tied: tuple[tuple[Index, Array], ...] = ()

    def of(self, rows: Index) -> "Shared":
        """Give some rows; what is tied is kept whole or not at all."""
        tied = [
            (np.searchsorted(rows, members), covariance)
            for members, covariance in self.tied
            if np.isin(members, rows).all()
        ]
        return Shared(
            self.own[:, rows],
            tuple(each[:, rows] for each in self.slopes if _takes_part(each[:, rows]).any()),
            tuple(tied),
        )

    def repeated(self, points: Index) -> "Shared":
        """Give some points, again and again."""
        return Shared(
            self.own[points],
            tuple(each[points] for each in self.slopes),
            tuple((members, covariance[points]) for members, covariance in self.tied),
        )


def shared_by(own: Array, slopes: Sequence[Array], covariance: Array) -> Shared:
    """Say what rows share: `own` (point, row); `covariance` (point, row, row)."""
    count = own.shape[1]
    total = own + np.diagonal(covariance, axis1=1, axis2=2)
    off = np.where(np.eye(count, dtype=bool), 0.0, covariance)
    found, tied = [*slopes], []
    linked = np.any(off != 0.0, axis=0) | np.eye(count, dtype=bool)
    for members in _sets(count, list(linked)):
        if len(members) == 1:
            continue
        inside = off[:, members[:, None], members]
        one = _of_one_normal(inside, total[:, members])
        if one is None:
            tied.append((members, inside))
            continue
        found.append(np.zeros_like(total))
        found[-1][:, members] = one
        total[:, members] -= one**2
    return Shared(total, tuple(found), tuple(tied))


def _of_one_normal(off: Array, total: Array) -> Array | None:
    """Give slopes, (point, member), whose products are what is off the diagonal; None if there are none."""
    count = off.shape[-1]
    if count == 2:
        return None
    with np.errstate(divide="ignore", invalid="ignore"):
        square = np.stack(
            [
                off[:, row, (row + 1) % count]
                * off[:, row, (row + 2) % count]
                / off[:, (row + 1) % count, (row + 2) % count]
                for row in range(count)
            ],
            axis=-1,
        )
    if not np.all((square > 0.0) & (square <= (1.0 - OWN) * total)):
        return None
    slope = np.sqrt(square)
    slope = slope * np.concatenate([np.ones((len(off), 1)), np.sign(off[:, 0, 1:])], axis=1)
    apart = ~np.eye(count, dtype=bool)
    made = slope[:, :, None] * slope[:, None, :]
    return slope if np.allclose(made[:, apart], off[:, apart], rtol=1e-9, atol=0.0) else None


def _takes_part(slope: Array) -> NDArray[np.bool_]:
    """Say which rows a normal moves, shape (row,)."""
    return np.asarray(np.any(slope != 0.0, axis=0))


def _sets(count: int, links: Sequence[NDArray[np.bool_]]) -> list[Index]:
    """Divide rows into sets that no link joins, each link the rows that it does, shape (row,)."""
    label = np.arange(count)
    for link in links:
        names = np.unique(label[link])
        label[np.isin(label, names)] = names.min(initial=count)
    return [np.flatnonzero(label == name) for name in np.unique(label)]


def how_many(mean: Array, step: Step, shared: Shared) -> Array:
    """Give the distribution of how many results lie beyond the step.

    `mean` (point, row); gives (point, row + 1).
    """
    links = [_takes_part(each) for each in shared.slopes]
    links += [np.isin(np.arange(mean.shape[1]), members) for members, _ in shared.tied]
    found = np.ones((len(mean), 1))
    for rows in _sets(mean.shape[1], links):
        found = _added(found, _connected(mean[:, rows], step.of(rows), shared.of(rows)))
    return found


def _added(one: Array, other: Array) -> Array:
    """Give the distribution of the sum of two counts, at every point."""
    found = np.zeros((*one.shape[:-1], one.shape[-1] + other.shape[-1] - 1))
    for place in range(other.shape[-1]):
        found[..., place : place + one.shape[-1]] += one * other[..., place, None]
    return found


def _connected(mean: Array, step: Step, shared: Shared) -> Array:
    """Do so for rows that go together, or a single one."""
    if mean.shape[1] == 1:
        variance = shared.own + sum(each**2 for each in shared.slopes)
        beyond = step.beyond(mean, variance)
        return np.concatenate([1.0 - beyond, beyond], axis=1)
    if not shared.slopes or mean.shape[1] == 2:
        # A pair is closed, whatever it shares.
        whole = shared.own[..., None] * np.eye(mean.shape[1])
        shares = [each[:, :, None] * each[:, None, :] for each in shared.slopes]
        return _tied(mean, step, sum([*shares, *(each for _, each in shared.tied)], whole))
    widest = max(range(len(shared.slopes)), key=lambda each: _takes_part(shared.slopes[each]).sum())
    slope = shared.slopes[widest]
    rest = tuple(each for place, each in enumerate(shared.slopes) if place != widest)
    inner = Shared(shared.own, rest, shared.tied)
    scatter = shared.own + sum((each**2 for each in rest), np.zeros(1))
    wanted = nodes_needed(np.sum(slope**2 / scatter, axis=-1))
    found = np.empty((len(mean), mean.shape[1] + 1))
    for count in np.unique(wanted).tolist():
        z, weight = normal_rule(count)
        at = np.flatnonzero(wanted == count)
        size = max(1, AT_ONCE // (count * mean.shape[1]))
        for start in range(0, len(at), size):
            some = at[start : start + size]
            moved = mean[some, None] + slope[some, None] * z[:, None]
            each = how_many(
                moved.reshape(-1, mean.shape[1]), step, inner.repeated(np.repeat(some, count))
            )
            found[some] = np.einsum("pnc,n->pc", each.reshape(len(some), count, -1), weight)
    return found


def _tied(mean: Array, step: Step, covariance: Array) -> Array:
    """Do so for rows of any covariance, shape (point, row, row)."""
    count = mean.shape[1]
    if count > max(NODES):
        raise EngineRefusal(
            f"{count} results of a study, or of studies that belong together, are correlated each in its own "
            f"way (at most {max(NODES)}): how probable it was to see all of them is not integrated."
        )
    sd = np.sqrt(np.diagonal(covariance, axis1=1, axis2=2))
    sign = step.side[:, None] * step.side
    correlation = sign * covariance / (sd[:, :, None] * sd[:, None, :])
    limit = step.side * (step.at - mean) / sd
    # Rows that nearly say the same come last, where a pair is closed: given one the other is a step.
    near = np.abs(correlation).mean(axis=0) - np.eye(count)
    order = np.argsort(near.max(axis=1), kind="stable")
    correlation, limit = correlation[:, order[:, None], order], limit[:, order]
    found = np.empty((len(mean), count + 1))
    fine, coarse = NODES[count]
    size = max(1, AT_ONCE // ((2 * fine) ** (count - 2) * count))
    for start in range(0, len(mean), size):
        cut = slice(start, start + size)
        found[cut] = _row_by_row(limit[cut], correlation[cut], fine)
        if coarse < fine:
            apart = found[cut] - _row_by_row(limit[cut], correlation[cut], coarse)
            better = found[cut] + apart / ((fine / coarse) ** 2 - 1.0)
            better = np.clip(better, found[cut] / MOST, found[cut] * MOST)
            found[cut] = better / better.sum(axis=1, keepdims=True)
    return found


def _row_by_row(limit: Array, correlation: Array, nodes: int) -> Array:
    """Give it for rows in units of their SDs, beyond below limits: the first, then the others given it."""
    if limit.shape[1] == 2:
        return _pair(limit, np.clip(correlation[:, 0, 1], -1.0, 1.0))
    u, weight = np.polynomial.legendre.leggauss(nodes)
    u, weight = 0.5 * (u + 1.0), 0.5 * weight
    beyond = ndtr(limit[:, 0])
    z = np.concatenate([ndtri(beyond[:, None] * u), -ndtri((1.0 - beyond[:, None]) * u)], axis=1)
    # Where one side has next to no probability its nodes are as good as at the limit.
    z = np.clip(z, -38.0, 38.0)
    slope = correlation[:, 1:, 0]
    left = correlation[:, 1:, 1:] - slope[:, :, None] * slope[:, None, :]
    sd = np.sqrt(np.maximum(np.diagonal(left, axis1=1, axis2=2), LEAST))
    inner = np.clip(left / (sd[:, :, None] * sd[:, None, :]), -1.0, 1.0)
    moved = (limit[:, None, 1:] - slope[:, None, :] * z[..., None]) / sd[:, None, :]
    many, others = z.shape[1], limit.shape[1] - 1
    each = _row_by_row(moved.reshape(-1, others), np.repeat(inner, many, axis=0), nodes)
    each = each.reshape(len(limit), many, -1)
    found = np.zeros((len(limit), limit.shape[1] + 1))
    found[:, 1:] += beyond[:, None] * np.einsum("pnc,n->pc", each[:, :nodes], weight)
    found[:, :-1] += (1.0 - beyond[:, None]) * np.einsum("pnc,n->pc", each[:, nodes:], weight)
    return found


def _pair(limit: Array, rho: Array) -> Array:
    """Give it for two, whose probabilities are those of Owen's T.

    Owen DB (1956), Annals of Mathematical Statistics 27:1075-1090, doi:10.1214/aoms/1177728074.
    """
    # At zero the formula divides by it; nothing moves by so little.
    h, k = (np.where(np.abs(each) < NEAR, NEAR, each) for each in (limit[:, 0], limit[:, 1]))
    root = np.sqrt(np.maximum((1.0 - rho) * (1.0 + rho), NEAR))
    both = 0.5 * (ndtr(h) + ndtr(k) - (h * k < 0))
    both = both - owens_t(h, (k / h - rho) / root) - owens_t(k, (h / k - rho) / root)
    one, other = ndtr(h), ndtr(k)
    both = np.clip(both, np.maximum(one + other - 1.0, 0.0), np.minimum(one, other))
    return np.stack([1.0 - one - other + both, one + other - 2.0 * both, both], axis=-1)
