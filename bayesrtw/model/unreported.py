"""Which level an estimate has when nobody says: shares of levels, and the weights of all that may be.

Where it is reported, a level is l with probability pi_l; where it is not, with probability proportional to
pi_l exp(delta_l). The shares pi of a stratum have a Dirichlet prior; the levels that are reported make it a
Dirichlet posterior, and whatever several estimates may be together has a closed form, or one integral of one
dimension where delta is not zero.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.special import gammaln, logsumexp

Array = NDArray[np.float64]
Index = NDArray[np.intp]
Mask = NDArray[np.bool_]

#: Step and reach of the trapezoid rule over the logarithm of its variable: its integrand is analytic within
#: pi of the real axis and falls off exponentially, so that both leave less than 1e-16.
STEP, REACH = 0.25, 45.0


@dataclass(frozen=True, slots=True, eq=False)
class Unreported:
    """The level of a moderator of each estimate, some of them not reported.

    Attributes
    ----------
    column
        The moderator's column.
    names
        Its levels.
    index
        Which of them each estimate has, shape (estimate,); -1 where nobody says.
    alternatives
        Rows of the design were an estimate of each level, shape (estimate, level, column).
    stratum
        Estimates of one stratum share shares, shape (estimate,), integers from 0.
    concentration
        Of the Dirichlet prior, shape (level,).
    delta
        What is added to the log odds of a level where it is not reported, shape (level,).
    """

    column: str
    names: tuple[str, ...]
    index: Index
    alternatives: Array
    stratum: Index
    concentration: Array
    delta: Array

    @property
    def silent(self) -> Index:
        """Estimates whose level is not reported, shape (row,)."""
        return np.flatnonzero(self.index < 0)

    @property
    def sizes(self) -> Index:
        """How many levels each silent estimate may have, shape (row,)."""
        return np.full(len(self.silent), len(self.names))

    @property
    def described(self) -> str:
        """What is not told, and in how many ways it may be."""
        count, levels = len(self.silent), len(self.names)
        return (
            f"{count} rows do not report {self.column!r}, and each has any of {levels} levels: "
            f"{levels}^{count}"
        )

    @property
    def indicator(self) -> Array:
        """What each alternative of an estimate is, shape (estimate, alternative, name)."""
        every = np.eye(len(self.names))
        return np.broadcast_to(every, (len(self.index), *every.shape))

    def kept(self, keep: Mask) -> "Unreported":
        """Keep some estimates: levels of those that go are no longer reported."""
        return replace(
            self,
            index=self.index[keep],
            alternatives=self.alternatives[keep],
            stratum=self.stratum[keep],
        )

    def heard(self, keep: Mask) -> "Unreported":
        """Let only some estimates say how often levels are; what silent ones may be is asked of all."""
        return self.kept(keep | (self.index < 0))

    def within(self, columns: Array, start: int) -> "Unreported":
        """Place alternatives of one term among all columns of a design, from `start` on."""
        shape = (len(columns), len(self.names), columns.shape[1])
        found = np.broadcast_to(columns[:, None, :], shape).copy()
        found[:, :, start : start + self.alternatives.shape[2]] = self.alternatives
        return replace(self, alternatives=found)

    def known(self, stratum: int, keep: Mask | None = None) -> Array:
        """Give the Dirichlet posterior of a stratum's shares by the levels that are reported, (level,)."""
        here = (self.stratum == stratum) & (self.index >= 0)
        if keep is not None:
            here &= keep
        return self.concentration + np.bincount(self.index[here], minlength=len(self.names))

    def shares(self, keep: Mask | None = None) -> Array:
        """Probability of each level, shape (estimate, level): one where it is reported.

        Elsewhere by the levels that others of the stratum report, of which `keep` are left; what the
        estimates themselves say of it is not asked.
        """
        every = np.eye(len(self.names))
        found: Array = every[np.maximum(self.index, 0)]
        for stratum in np.unique(self.stratum[self.silent]).tolist():
            each = np.exp(log_moment(self.known(stratum, keep), self.delta, every))
            found[(self.stratum == stratum) & (self.index < 0)] = each
        return found

    def expected(self, keep: Mask | None = None) -> Array:
        """Mean row of the design of each estimate over its `shares`, shape (estimate, column)."""
        return np.asarray(np.einsum("el,elc->ec", self.shares(keep), self.alternatives))

    def log_weight(self, allocations: Index, extra: tuple[int, int] | None = None) -> Array:
        """Log prior probability of allocations, the shares integrated out, shape (allocation,).

        With `extra`, a stratum and a level, of an allocation and one more silent estimate of that stratum and
        level.
        """
        rows = self.silent
        total: Array = np.zeros(len(allocations))
        strata = set(self.stratum[rows].tolist()) | ({extra[0]} if extra else set())
        for stratum in sorted(strata):
            inside = allocations[:, self.stratum[rows] == stratum]
            counts = np.stack([np.sum(inside == k, axis=1) for k in range(len(self.names))], axis=1)
            if extra is not None and extra[0] == stratum:
                counts[:, extra[1]] += 1
            each, which = np.unique(counts, axis=0, return_inverse=True)
            total += log_moment(self.known(stratum), self.delta, each)[which.reshape(-1)]
        return total

    def joining(self, kept: "Unreported", row: int, allocations: Index) -> list[Array]:
        """Probability of each level of a row that joins those kept, under each allocation of these."""
        before, stratum = kept.log_weight(allocations), int(self.stratum[row])
        return [
            np.exp(kept.log_weight(allocations, (stratum, level)) - before)
            for level in range(len(self.names))
        ]

    def constants(self) -> Iterator[tuple[str, np.ndarray]]:
        """Give what graphs take as constants."""
        yield "levels", self.index
        yield "strata", self.stratum
        for stratum in np.unique(self.stratum).tolist():
            yield f"shares {stratum}", self.known(stratum)

    def draw(self, replicates: int, rng: np.random.Generator) -> Index:
        """Draw levels of all estimates, shape (replicate, estimate): shares first, then each silent one's."""
        found = np.broadcast_to(self.index, (replicates, len(self.index))).copy()
        for stratum in np.unique(self.stratum[self.silent]).tolist():
            rows = np.flatnonzero((self.stratum == stratum) & (self.index < 0))
            share = rng.dirichlet(self.known(stratum), size=replicates) * np.exp(self.delta)
            upto = np.cumsum(share / share.sum(axis=1, keepdims=True), axis=1)
            chance = rng.random((replicates, len(rows), 1))
            found[:, rows] = np.sum(chance > upto[:, None, :-1], axis=-1)
        return found


def combined(sizes: Index) -> Index:
    """List which alternatives silent estimates may have together, shape (allocation, row).

    That of the first changes fastest.
    """
    every = np.indices(tuple(sizes[::-1].tolist()), dtype=np.int16)
    return np.asarray(every.reshape(len(sizes), int(np.prod(sizes)))[::-1].T, dtype=np.intp)


def log_moment(alpha: Array, delta: Array, counts: Array) -> Array:
    """Log of the mean of prod_l r_l^k_l with r_l proportional to q_l exp(delta_l) and q ~ Dirichlet(alpha).

    Without delta it is the Dirichlet-multinomial's. With it, q are gamma variables over their sum, and 1 /
    S^m = int t^(m-1) exp(-t S) dt / Gamma(m) leaves one integral: prod_l Gamma(a_l + k_l) exp(k_l d_l) /
    Gamma(a_l) times int t^(m-1) prod_l (1 + t exp(d_l))^-(a_l + k_l) dt / Gamma(m).

    `alpha`, `delta` (level,); `counts` (..., level); gives (...,).
    """
    size, whole = np.sum(counts, axis=-1), np.sum(alpha)
    log = np.sum(gammaln(alpha + counts) - gammaln(alpha), axis=-1)
    if np.ptp(delta) == 0:
        return np.asarray(log + gammaln(whole) - gammaln(whole + size))
    shift = delta - np.max(delta)
    most = max(float(np.max(size)), 1.0)
    low, high = -REACH / min(1.0, most), REACH / min(float(whole), 1.0) - float(np.min(shift))
    u = np.arange(low, high, STEP)
    # log(1 + t exp(d)) stays finite for any t.
    each = np.logaddexp(0.0, u[:, None] + shift)
    power = (alpha + counts) @ each.T
    log = log + counts @ shift
    log = log + logsumexp(size[..., None] * u - power, axis=-1) + np.log(STEP)
    return np.asarray(np.where(size > 0, log - gammaln(np.maximum(size, 1.0)), 0.0))
