"""A prior of the pooled mean that other studies give: meta-analytic-predictive, made robust."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bayesrtw.errors import EngineRefusal, Finding, SpecError
from bayesrtw.evidence.table import Evidence
from bayesrtw.model.bias import Studies
from bayesrtw.model.contract import Prior, normal
from bayesrtw.model.moderator import has_column
from bayesrtw.model.term import Contribution, Facts, Hyper, Trust
from bayesrtw.registry import component


@component("term", "robust_map")
@dataclass(frozen=True, slots=True)
class RobustMap:
    """The pooled mean `mu` of all other studies, with what these studies predict for it as its prior.

    The studies named are pooled by themselves; their prediction for a new setting, with weight
    1 - `weight`, and a vague normal with `weight` are the prior of `mu`. It stands in place of the
    intercept. Where the others contradict the prediction, the vague part takes over: its posterior
    weight is reported.

    Parameters
    ----------
    studies
        Whose results become a prior, e.g. the cohorts.
    prior
        Normal prior of the mean of those studies.
    tau
        Prior of their heterogeneity SD.
    robust
        The vague part: a normal prior of `mu`.
    weight
        Its prior weight, in (0, 1).

    References
    ----------
    .. [1] Schmidli et al. (2014), Biometrics 70:1023-1032, doi:10.1111/biom.12242.
    """

    studies: Studies
    prior: Prior
    tau: Prior
    robust: Prior
    weight: float = 0.2

    def __post_init__(self) -> None:
        for name in ("prior", "robust"):
            if normal(getattr(self, name)) is None:
                raise SpecError(f"{name} needs a normal prior.")
        if not (self.tau.positive and self.tau.proper):
            raise SpecError("tau is a standard deviation and needs a proper prior on [0, inf).")
        if not 0 < self.weight < 1:
            raise SpecError(f"weight of the robust part must lie in (0, 1); found {self.weight!r}.")

    @property
    def facts(self) -> Facts:
        trust = Trust(self.studies.column)
        return Facts(mean=True, mean_alone="robust", trust=trust, borrows=self)

    def lent(self, evidence: Evidence) -> NDArray[np.bool_]:
        """See `bayesrtw.model.term.Borrowing`."""
        return self.studies.among(evidence)

    def faults(self, evidence: Evidence) -> list[str]:
        missing = has_column(evidence, self.studies.column)
        if missing:
            return missing
        rows = self.studies.among(evidence)
        if rows.all() or not rows.any():
            which = "every row is" if rows.all() else "no row is"
            return [
                f"{evidence.where}: a robust MAP prior needs studies on both sides; {which} among "
                f"{self.studies.column} {' or '.join(self.studies.values)}. Use an intercept."
            ]
        return []

    def findings(self, evidence: Evidence) -> list[Finding]:
        text = (
            f"Robust MAP prior: {self.studies.described(evidence)} are pooled by themselves; what they "
            f"predict for a new setting is the prior of the others' pooled mean, with weight "
            f"{1 - self.weight:g} beside a vague part."
        )
        return [Finding("robust-map", "note", text)]

    def hyper(self) -> Mapping[str, Hyper]:
        """See `Term`: those studies' heterogeneity is integrated out and not reported."""
        return {}

    def gaussian(self, evidence: Evidence) -> None:  # noqa: ARG002
        """See `Term`: the exact engine fits the studies first."""
        return

    def pymc(self, evidence: Evidence) -> Contribution:  # noqa: ARG002
        raise EngineRefusal(
            "Nuts cannot fit this model: a robust MAP prior is computed by quadrature. Use "
            'engine = { kind = "exact" }.'
        )
