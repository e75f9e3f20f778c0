"""Several outcomes of a study: an SD of effects of each, and how they go together between studies."""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bayesrtw.errors import Finding, SpecError, shown
from bayesrtw.evidence.table import Evidence
from bayesrtw.model.contract import UNIT, Prior
from bayesrtw.model.grouped import Grouped, Kin, Varying
from bayesrtw.model.heterogeneity import group_numbers
from bayesrtw.model.levels import cell_text
from bayesrtw.model.moderator import has_column
from bayesrtw.model.term import Contribution, Facts, Hyper
from bayesrtw.registry import component, suggestion

Array = NDArray[np.float64]

#: What the correlation between studies is called; ``rho`` is that of sampling errors.
RHO = "rho_between"

#: Least eigenvalue of a known correlation matrix.
LEAST_EIGENVALUE = 1e-8


@component("term", "multivariate")
@dataclass(frozen=True, slots=True)
class Multivariate:
    """Effects on several outcomes, or at several follow-ups, that go together within a study.

    ``theta_i ~ N(mu, D R D)`` for the effects of study i on all its outcomes, with D the SDs
    ``tau_<outcome>`` and R their correlations between studies [1]_: one ``rho_between`` for every pair, or
    with `times` ``rho_between ** |difference of times|``. A study need not report all outcomes; what it
    reports of one tells of the others [2]_. Estimates of one study and one outcome share their effect.
    Means differ by outcome if a `categorical` term of the same column says so. Asked for at an outcome, a
    new setting has its SD; otherwise it is the mean over the outcomes in a new setting.

    Sampling errors of one study are correlated as the evidence or the likelihood's `correlation` says; this
    term is about true effects.

    Parameters
    ----------
    outcomes
        Two values of `column` or more, each with an SD of its own; every value that occurs must be one.
    tau
        Prior of each SD, on the analysis scale; support [0, inf).
    rho
        Prior of the correlation between studies: `ScaledBeta` with ``low`` of -1 / (outcomes - 1) or more, or
        `Beta` where it is known to be positive. None where `known` says it.
    known
        Correlations in place of a prior: one for every pair, or one a pair in the order 12, 13, ..., 23.
    times
        Time of each outcome, where they are follow-ups; `rho` is then that of two that lie 1 apart, on
        (0, 1).
    common
        Whether the outcomes share one SD, called ``tau``.
    column
        A text column of the evidence, without empty cells.
    by
        Column whose equal values share a vector of effects; empty cells stand alone.

    Raises
    ------
    SpecError
        If a prior has another support, or correlations are those of no matrix.

    References
    ----------
    .. [1] Jackson D, Riley R, White IR (2011). Statistics in Medicine 30:2481-2498. doi:10.1002/sim.4172
    .. [2] Riley RD (2009). Journal of the Royal Statistical Society A 172:789-811.
       doi:10.1111/j.1467-985X.2008.00593.x

    Examples
    --------
    >>> from bayesrtw.model.correlation_prior import ScaledBeta
    >>> from bayesrtw.model.prior import HalfNormal
    >>> term = Multivariate(("return to work", "sick days"), HalfNormal(0.25), ScaledBeta(2, 2))
    >>> list(term.hyper())
    ['tau_return_to_work', 'tau_sick_days', 'rho_between']
    """

    outcomes: tuple[str, ...]
    tau: Prior
    rho: Prior | None = None
    known: tuple[float, ...] = ()
    times: tuple[float, ...] = ()
    common: bool = False
    column: str = "outcome"
    by: str = "study"

    def __post_init__(self) -> None:
        count = len(self.outcomes)
        if count < 2:
            raise SpecError("outcomes names fewer than two; with one, use exchangeable.")
        if len(set(self._names)) < count:
            raise SpecError(
                f"outcomes {shown(self.outcomes)} have SDs of one name, {shown(sorted(set(self._names)))}; "
                "give them values that differ in letters or digits."
            )
        if not self.tau.positive:
            raise SpecError("tau is a standard deviation: give a prior on [0, inf).")
        if (self.rho is None) == (not self.known):
            raise SpecError(
                "give either rho, a prior of the correlation between studies, or known."
            )
        if self.times and (len(set(self.times)) < count or len(self.times) != count):
            raise SpecError(f"times needs a time of its own for each of the {count} outcomes.")
        if not all(math.isfinite(each) for each in self.times):
            raise SpecError(f"times are finite; found {list(self.times)}.")
        if self.rho is not None:
            self._bounded(self.rho, 0.0 if self.times else -1.0 / (count - 1))
        elif self.times:
            raise SpecError("times says how rho fades; beside known correlations leave it out.")
        elif len(self.known) not in (1, count * (count - 1) // 2):
            raise SpecError(
                f"known has {len(self.known)} correlations; give one for every pair, or one for each of the "
                f"{count * (count - 1) // 2} pairs."
            )
        elif not np.linalg.eigvalsh(self._matrix())[0] >= LEAST_EIGENVALUE:
            raise SpecError(
                f"known = {list(self.known)} are correlations of no outcomes: mend them."
            )

    def _bounded(self, prior: Prior, low: float) -> None:
        first, last = prior.support
        if prior.positive or first < low - LEAST_EIGENVALUE or last > UNIT[1]:
            raise SpecError(
                f"rho is a correlation in ({low:.3g}, 1) here and needs a prior there: scaled_beta with low "
                f"= {low:.3g}, or beta where it is positive."
            )

    @property
    def _names(self) -> list[str]:
        """Names of the outcomes' SDs."""
        return [f"tau_{re.sub(r'\W+', '_', value).strip('_')}" for value in self.outcomes]

    def _matrix(self) -> Array:
        """Give known correlations, or the powers of rho that they are."""
        found = np.eye(len(self.outcomes)) if self.known else np.zeros((len(self.outcomes),) * 2)
        for pair, (one, other) in enumerate(combinations(range(len(found)), 2)):
            value = 1.0
            if self.known:
                value = self.known[min(pair, len(self.known) - 1)]
            elif self.times:
                value = abs(self.times[one] - self.times[other])
            found[one, other] = found[other, one] = value
        return found

    @property
    def facts(self) -> Facts:
        return Facts(spread=True, scales=(self.column,))

    def faults(self, evidence: Evidence) -> list[str]:
        missing = [*has_column(evidence, self.column), *has_column(evidence, self.by)]
        if missing:
            return missing
        loose = sorted(set(self._values(evidence)) - set(self.outcomes))
        if loose:
            return [
                f"{evidence.where}: {shown(loose)} of {self.column!r} are none of outcomes "
                f"({', '.join(self.outcomes)}); add them, or leave these rows out."
            ]
        return []

    def findings(self, evidence: Evidence) -> list[Finding]:
        of, kind = group_numbers(evidence, self.by), self._kinds(evidence)
        pairs = set(zip(of.tolist(), kind.tolist(), strict=True))
        found = []
        few = [
            f"{value} ({count})"
            for place, value in enumerate(self.outcomes)
            if (count := sum(pair[1] == place for pair in pairs)) < 3
        ]
        if few and not self.common:
            text = f"Outcomes of fewer than 3 studies: {', '.join(few)}. Their SDs are the prior's."
            found.append(Finding("small-level", "warning", text))
        several = int(np.sum(np.bincount([pair[0] for pair in pairs]) > 1)) if pairs else 0
        if several < 3:
            text = (
                f"Studies with several outcomes: {several}. How effects on them go together is what the "
                "prior says."
            )
            found.append(Finding("few-pairs", "warning", text))
        return found

    def hyper(self) -> Mapping[str, Hyper]:
        found = {
            name: Hyper(self.tau, "sd of effects", self.by, among=value, setting="tau")
            for name, value in zip(self._names, self.outcomes, strict=True)
        }
        if self.common:
            found = {"tau": Hyper(self.tau, "sd of effects", self.by, setting="tau")}
        if self.rho is not None:
            found[RHO] = Hyper(self.rho, "correlation of effects", self.by, setting="rho")
        return found

    def _values(self, evidence: Evidence) -> list[str]:
        return [cell_text(value) for value in evidence.data[self.column].to_numpy()]

    def _kinds(self, evidence: Evidence) -> NDArray[np.intp]:
        place = {value: number for number, value in enumerate(self.outcomes)}
        return np.array([place[value] for value in self._values(evidence)], dtype=np.intp)

    def gaussian(self, evidence: Evidence) -> Grouped:
        of, kind = group_numbers(evidence, self.by), self._kinds(evidence)
        spreads = tuple(name for name in self.hyper() if name != RHO)
        return Grouped(
            np.unique(of * len(self.outcomes) + kind, return_inverse=True)[1].astype(np.intp),
            spreads,
            np.zeros_like(kind) if self.common else kind,
            along=np.asarray(kind + 1, dtype=np.float64),
            setting=self._place,
            kin=Kin(of, kind, RHO if self.rho is not None else "", self._matrix()),
        )

    def _place(self, values: Mapping[str, object]) -> float:
        """Give a setting's outcome, counted from 1; 0 where none is named."""
        if self.column not in values:
            return 0.0
        name = cell_text(values[self.column])
        if name not in self.outcomes:
            raise SpecError(f"{self.column} is {name!r}; {suggestion(name, self.outcomes)}")
        return 1.0 + self.outcomes.index(name)

    def pymc(self, evidence: Evidence) -> Contribution:
        import pytensor.tensor as pt  # noqa: PLC0415

        part, found = self.gaussian(evidence), {n: h.prior.pymc(n) for n, h in self.hyper().items()}
        assert part.kin is not None
        matrix, kind = part.kin.matrix.tolist(), part.kin.kind
        if part.kin.rho:
            matrix = [[found[RHO] ** power if power else 1.0 for power in row] for row in matrix]
        root = pt.stack([pt.stack(row) for row in _root(matrix)])
        sd = pt.stack([found[name] for name in part.hyper])[part.which]
        varying = tuple(
            Varying(f"{self.column}_effect_{place}", sd * root[kind, place], part.kin.of)
            for place in range(len(matrix))
        )
        return Contribution(pt.zeros(evidence.size), None, varying=varying)


def _root(matrix: Sequence[Sequence[Any]]) -> list[list[Any]]:
    """Factor a small correlation matrix of numbers or tensors: row i of the result is zero beyond i."""
    found: list[list[Any]] = [[0.0] * len(matrix) for _ in matrix]
    for i, row in enumerate(found):
        for j in range(i):
            inner = sum(row[k] * found[j][k] for k in range(j))
            row[j] = (matrix[i][j] - inner) / found[j][j]
        row[i] = (matrix[i][i] - sum(row[k] ** 2 for k in range(i))) ** 0.5
    return found
