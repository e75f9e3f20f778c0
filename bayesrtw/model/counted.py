"""What likelihoods of counts have in common."""

from collections import deque
from collections.abc import Callable, Mapping
from functools import wraps
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from bayesrtw.dims import ESTIMATE
from bayesrtw.errors import Finding, shown
from bayesrtw.evidence.counts import Among, counts, faults
from bayesrtw.evidence.table import Evidence
from bayesrtw.model.likelihood import Offers
from bayesrtw.model.term import Hyper

Array = NDArray[np.float64]

#: Sets of sites that are remembered for each kind of likelihood.
LATEST = 3


class Reads(NamedTuple):
    """Which counts a likelihood reads: of how many groups, among what; and the measures that they tell."""

    groups: int
    among: Among
    measures: tuple[str, ...]


class Counted(Protocol):
    """Independent rows of events that are counted one by one, without an unknown of their own."""

    @property
    def reads(self) -> Reads:
        """Which counts it reads."""

    @property
    def offers(self) -> Offers:
        return Offers(inspects=self, counted=self)

    @property
    def correlation(self) -> None:
        """Rows are independent."""
        return

    @property
    def clustering(self) -> None:
        """People and events are counted one by one."""
        return

    def hears(self, evidence: Evidence) -> NDArray[np.bool_]:
        """Take every row with counts: also those in which nobody, or everybody, has the event."""
        seen = counts(evidence, self.reads.groups, self.reads.among)
        return np.all(np.isfinite(seen.events) & np.isfinite(seen.size), axis=0)

    def estimated(self, evidence: Evidence) -> NDArray[np.bool_]:
        """Say which rows are normal estimates: contrasts, where others are single arms; shape (estimate,)."""
        arm = evidence.single_arms
        return ~arm & (arm.any() and self.reads.groups == 1)

    def faults(self, evidence: Evidence) -> list[str]:
        """Say why rows are no such counts."""
        own = self.estimated(evidence)
        if not own.any():
            return faults(evidence, *self.reads)
        effect, se = (evidence.data[name].to_numpy().astype(float) for name in ("effect", "se"))
        bad = own & ~(np.isfinite(effect) & (se > 0))
        names = evidence.data[ESTIMATE].to_numpy()[bad]
        found = faults(evidence.rows(~own), *self.reads)
        if bad.any():
            found.append(
                f"{evidence.where}: contrasts {shown(map(str, names))} have no usable effect and se; "
                "complete them, or leave them out."
            )
        return found

    def columns(self) -> tuple[str, ...]:
        """Columns whose gaps are faults before any fit: counts are looked at by `faults`."""
        return ()

    def hyper(self) -> Mapping[str, Hyper]:
        """Give none: baselines, where there are any, are integrated inside each row."""
        return {}

    def draw(self, evidence: Evidence, theta: Array, rng: np.random.Generator) -> Array:
        """Draw events given effects, shapes (group, replicate, estimate) and (replicate, estimate).

        NaN where effect and baseline that were drawn are impossible together.
        """

    def findings(self, evidence: Evidence) -> list[Finding]:  # noqa: ARG002
        """Give none: every row says something."""
        return []


def remembered[L, Made](
    observe: Callable[[L, Evidence], Made],
) -> Callable[[L, Evidence], Made]:
    """Keep what was made of the latest evidence: checks, fits and neighbours lay each curve once."""
    latest: deque[tuple[L, Evidence, Made]] = deque(maxlen=LATEST)

    @wraps(observe)
    def found(self: L, evidence: Evidence) -> Made:
        for likelihood, seen, made in tuple(latest):
            if seen is evidence and likelihood == self:
                return made
        made = observe(self, evidence)
        latest.append((self, evidence, made))
        return made

    return found


def silent(evidence: Evidence, rows: NDArray[np.bool_], said: str) -> list[Finding]:
    """Name rows that say little or nothing; `said` follows their names."""
    if not rows.any():
        return []
    names = evidence.data[ESTIMATE].to_numpy()[rows]
    return [Finding("silent-tables", "note", f"Rows {shown(map(str, names))} {said}")]
