"""Parts that an arm may have and nobody says: shares of arms with a part, and weights of all that may be.

Among the arms of one side that say, a share pi has a part; an arm that does not say has it with log odds
logit(pi) + delta. The share has a beta prior; arms that say make it a beta posterior, and what several open
arms may be together has a closed form, or one integral.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from bayesrtw.model.unreported import Unreported, log_moment

Array = NDArray[np.float64]
Index = NDArray[np.intp]
Mask = NDArray[np.bool_]


@dataclass(frozen=True, slots=True, eq=False)
class OpenParts:
    """What each estimate may be where parts of an arm stand open; see `unreported.Unreported`."""

    column: str  #: What components are called.
    names: tuple[str, ...]  #: Parts that stand open somewhere, of one side each.
    #: Whether the arm of an estimate has the part, shape (estimate, part): 1, 0, or -1 where nobody says.
    told: Index
    #: Whose arm tells, shape (estimate, part): an arm is counted once, whatever rows it stands in.
    arm: Index
    #: Whose arm stands open, shape (estimate, part): estimates of one arm have one number; -1 elsewhere.
    unit: Index
    #: Rows of the design, shape (estimate, alternative, column); the last is repeated where there are fewer.
    alternatives: Array
    has: Mask  #: Whether an alternative has the part, shape (estimate, alternative, part).
    prior: Array  #: Of the share of arms with the part, and of those without, shape (2,).
    delta: Array  #: What is added to the log odds of a part where it stands open, shape (part,).

    @property
    def index(self) -> Index:
        """0 for estimates whose arms are told, -1 for those that stand open, shape (estimate,)."""
        return np.asarray(np.where(np.any(self.unit >= 0, axis=1), -1, 0))

    @property
    def silent(self) -> Index:
        """Estimates with an open part, shape (row,)."""
        return np.flatnonzero(self.index < 0)

    @property
    def sizes(self) -> Index:
        """How many alternatives each silent estimate has, shape (row,)."""
        return np.asarray(2 ** np.sum(self.unit[self.silent] >= 0, axis=1))

    @property
    def described(self) -> str:
        """What is not told, and in how many ways it may be."""
        many = int(np.sum(self.unit >= 0))
        return f"{many} parts of {self.column!r} stand open in {len(self.silent)} rows: 2^{many}"

    def kept(self, keep: Mask) -> "OpenParts":
        """Keep some estimates: parts of those that go are no longer told."""
        return replace(
            self,
            told=self.told[keep],
            arm=self.arm[keep],
            unit=self.unit[keep],
            alternatives=self.alternatives[keep],
            has=self.has[keep],
        )

    def heard(self, keep: Mask) -> "OpenParts":
        """Let only some estimates say how often parts are; what open arms may be is asked of all."""
        return replace(self, told=np.where(keep[:, None], self.told, -1))

    def within(self, columns: Array, start: int) -> "OpenParts":
        """Place alternatives of one term among all columns of a design, from `start` on."""
        shape = (*self.alternatives.shape[:2], columns.shape[1])
        found = np.broadcast_to(columns[:, None, :], shape).copy()
        found[:, :, start : start + self.alternatives.shape[2]] = self.alternatives
        return replace(self, alternatives=found)

    def known(self, keep: Mask | None = None) -> Array:
        """Give the beta posterior of each share by the arms that say, shape (part, 2)."""
        told, arm = (each if keep is None else each[keep] for each in (self.told, self.arm))
        counts = [
            [len(np.unique(whose[says == value])) for value in (1, 0)]
            for says, whose in zip(told.T, arm.T, strict=True)
        ]
        return np.asarray(self.prior + np.array(counts))

    def chances(self, keep: Mask | None = None) -> Array:
        """Probability that an open arm has each part by the arms that say, shape (part,)."""
        one = np.array([1.0, 0.0])
        each = zip(self.known(keep), self.delta, strict=True)
        return np.array([np.exp(log_moment(a, np.array([d, 0.0]), one)) for a, d in each])

    def shares(self, keep: Mask | None = None) -> Array:
        """Probability of each alternative, shape (estimate, alternative); of which `keep` rows say."""
        chance = self.chances(keep)
        each = np.where(self.has, chance, 1.0 - chance)
        found = np.prod(np.where(self.unit[:, None] >= 0, each, 1.0), axis=2)
        many = 2 ** np.sum(self.unit >= 0, axis=1)
        return np.asarray(np.where(np.arange(found.shape[1]) < many[:, None], found, 0.0))

    def expected(self, keep: Mask | None = None) -> Array:
        """Mean row of the design of each estimate over its `shares`, shape (estimate, column)."""
        return np.asarray(np.einsum("ea,eac->ec", self.shares(keep), self.alternatives))

    @property
    def indicator(self) -> Array:
        """What each alternative of an estimate is, shape (estimate, alternative, name)."""
        return self.has.astype(np.float64)

    def log_weight(self, allocations: Index) -> Array:
        """Log prior probability of allocations, shares integrated out, shape (allocation,).

        Estimates of one arm are alike: -inf where they differ.
        """
        rows, total = self.silent, np.zeros(len(allocations))
        has = self.has[rows, allocations]
        for part, (alpha, delta) in enumerate(zip(self.known(), self.delta, strict=True)):
            unit, yes = self.unit[rows, part], np.zeros(len(allocations))
            whose = np.unique(unit[unit >= 0]).tolist()
            for each in whose:
                own = has[:, unit == each, part]
                total[np.any(own != own[:, :1], axis=1)] = -np.inf
                yes += own[:, 0]
            counts = np.stack([yes, len(whose) - yes], axis=1)
            total += log_moment(alpha, np.array([delta, 0.0]), counts)
        return total

    def joining(self, kept: "OpenParts", row: int, allocations: Index) -> list[Array]:
        """Probability of each alternative of a row that joins those kept, under each allocation of these."""
        silent = np.full((1, len(self.names)), -1)
        both = replace(
            kept,
            told=np.concatenate([kept.told, silent]),
            arm=np.concatenate([kept.arm, silent]),
            unit=np.concatenate([kept.unit, self.unit[row][None]]),
            has=np.concatenate([kept.has, self.has[row][None]]),
        )
        before = kept.log_weight(allocations)
        found = []
        for each in range(self.has.shape[1]):
            if each >= 2 ** np.sum(self.unit[row] >= 0):
                found.append(np.zeros(len(allocations)))
                continue
            more = np.column_stack([allocations, np.full(len(allocations), each)])
            with np.errstate(invalid="ignore"):
                chance = np.exp(both.log_weight(more) - before)
            found.append(np.where(np.isfinite(before), chance, 0.0))
        return found

    def constants(self) -> Iterator[tuple[str, np.ndarray]]:
        """Give what graphs take as constants."""
        yield "units", self.unit
        yield "told", self.known()

    def draw(self, replicates: int, rng: np.random.Generator) -> Index:
        """Draw alternatives of all estimates, shape (replicate, estimate): shares first, then every arm."""
        found = np.zeros((replicates, len(self.unit)), dtype=np.intp)
        has = np.zeros((replicates, *self.unit.shape), dtype=bool)
        for part, (alpha, delta) in enumerate(zip(self.known(), self.delta, strict=True)):
            share = rng.beta(alpha[0], alpha[1], size=replicates)
            odds = share * np.exp(delta)
            for each in np.unique(self.unit[self.unit[:, part] >= 0, part]).tolist():
                own = rng.random(replicates) < odds / (odds + 1.0 - share)
                has[:, self.unit[:, part] == each, part] = own[:, None]
        for row in self.silent.tolist():
            asked = self.unit[row] >= 0
            place = np.arange(asked.sum())
            found[:, row] = has[:, row, asked] @ (2**place)
        return found


#: What rows of a design may be where nobody says, whatever it is that is not told.
type Untold = Unreported | OpenParts
