"""Random effects of arms: contrasts of one study go together, and arms of one study share a baseline."""

from collections.abc import Mapping
from dataclasses import dataclass
from math import sqrt

import numpy as np
from numpy.typing import NDArray

from bayesrtw.dims import ESTIMATE
from bayesrtw.errors import Finding, SpecError, shown
from bayesrtw.evidence.measure import measure_named
from bayesrtw.evidence.table import Evidence
from bayesrtw.model.contract import Prior, normal
from bayesrtw.model.grouped import Grouped, Varying
from bayesrtw.model.heterogeneity import group_numbers
from bayesrtw.model.levels import cell_text
from bayesrtw.model.moderator import has_column
from bayesrtw.model.term import Contribution, Facts, Hyper
from bayesrtw.registry import component

Array = NDArray[np.float64]


@component("term", "arms")
@dataclass(frozen=True, slots=True)
class Arms:
    """Effects of arms that differ between studies, N(0, tau^2 / 2) for every arm, the comparator's included.

    The difference of two arms then has the SD `tau`, and two contrasts of a study that share an arm have the
    correlation 1/2 [1]_, [2]_. Rows are contrasts with one comparator a study, or single arms, see
    `Evidence.from_arms`, whose study has a `baseline` in common, which is integrated; some studies may be
    told as arms and others as contrasts.

    Parameters
    ----------
    tau
        Prior of the SD of contrasts, analysis scale; support [0, inf). None for one common effect of
        each contrast.
    baseline
        `Normal` prior with mean 0 of each study's baseline, analysis scale of single arms; wide, since it
        says nothing of differences. None where all rows are contrasts.
    by
        Column whose equal values are arms of one study.
    comparator
        Column that says what contrasts are with, so that studies with several comparators are found; empty
        where nobody can say.
    name
        What the SD is called in results.

    Raises
    ------
    SpecError
        If a prior has another support, or the baseline's is no normal with mean 0.

    References
    ----------
    .. [1] Higgins JPT, Whitehead A (1996). Stat Med 15:2733-2749.
       doi:10.1002/(SICI)1097-0258(19961230)15:24<2733::AID-SIM562>3.0.CO;2-0
    .. [2] Hawkins N, Scott DA, Woods B (2016). Research Synthesis Methods 7:306-313. doi:10.1002/jrsm.1187

    Examples
    --------
    >>> from bayesrtw.model.prior import HalfNormal, Normal
    >>> Arms(HalfNormal(0.5), baseline=Normal(0, 10)).hyper()["tau"].level
    'study'
    """

    tau: Prior | None
    baseline: Prior | None = None
    by: str = "study"
    comparator: str = ""
    name: str = "tau"

    def __post_init__(self) -> None:
        if self.tau is not None and not self.tau.positive:
            raise SpecError(f"{self.name} is a standard deviation: give a prior on [0, inf).")
        if not self.name.isidentifier():
            raise SpecError(f"name is {self.name!r}; use letters, digits and underscores.")
        if self.baseline is not None and (normal(self.baseline) or (1.0,))[0] != 0:
            raise SpecError(
                "baseline needs a normal prior with mean 0; make it wide, it says nothing of differences."
            )

    @property
    def facts(self) -> Facts:
        return Facts(spread=True, baselines=self.baseline is not None)

    def faults(self, evidence: Evidence) -> list[str]:
        found = has_column(evidence, self.by)
        if self.comparator:
            found += has_column(evidence, self.comparator)
        if found:
            return found
        names, group = evidence.data[self.by].to_numpy(), group_numbers(evidence, self.by)
        arm = evidence.single_arms
        if self.baseline is not None:
            found += _no_arms(evidence)
            both = sorted(
                {str(names[row]) for row in np.flatnonzero(arm)} & {*map(str, names[~arm])}
            )
            if both:
                found.append(
                    f"{evidence.where}: studies {shown(both)} are told as arms and as contrasts; keep one of "
                    "the two."
                )
        if not self.comparator:
            return found
        cells = [cell_text(value) for value in evidence.data[self.comparator].to_numpy()]
        against: dict[int, set[str]] = {}
        for row in np.flatnonzero(~arm).tolist():
            against.setdefault(int(group[row]), set()).add(cells[row])
        first = np.unique(group, return_index=True)[1]
        torn = [str(names[first[place]]) for place, own in against.items() if len(own) > 1]
        if torn:
            found.append(
                f"{evidence.where}: contrasts of {shown(torn)} have several comparators in "
                f"{self.comparator!r}; give contrasts with one arm of the study, or one row an arm with a "
                "baseline."
            )
        return found

    def findings(self, evidence: Evidence) -> list[Finding]:
        if self.baseline is None:
            return []
        group, arm = group_numbers(evidence, self.by), evidence.single_arms
        text = (
            f"{int(arm.sum())} of {evidence.size} rows are single arms: what they show is a number of one "
            "arm, with its study's baseline, and no effect; effects are differences of arms."
        )
        found = [Finding("single-arms", "note", text)]
        lone = (np.bincount(group)[group] == 1) & arm
        if lone.any():
            alone = [str(name) for name in evidence.data[ESTIMATE].to_numpy()[lone]]
            text = (
                f"{shown(alone)} have one arm each: beside a free baseline they say nothing of "
                "differences. Leave them out, or add their other arms."
            )
            found.append(Finding("one-arm-studies", "warning", text))
        return found

    @property
    def _width(self) -> float:
        return (normal(self.baseline) or (0.0, 0.0))[1] if self.baseline is not None else 0.0

    def hyper(self) -> Mapping[str, Hyper]:
        if self.tau is None:
            return {}
        return {self.name: Hyper(self.tau, "sd of effects", self.by, setting="tau")}

    def gaussian(self, evidence: Evidence) -> tuple[Grouped, ...]:
        study = group_numbers(evidence, self.by)
        row, which = np.arange(evidence.size, dtype=np.intp), np.zeros(evidence.size, dtype=np.intp)
        own = Grouped(row, tuple(self.hyper()), which, share=0.5)
        if self.baseline is None:
            return own, Grouped(study, own.hyper, which, new=None, share=0.5)
        share, known = self._of_study(evidence)
        hyper = own.hyper if share.any() else ()
        return own, Grouped(study, hyper, which, new=None, share=share, known=known)

    def _of_study(self, evidence: Evidence) -> tuple[Array, Array]:
        """Share of tau^2 that rows of a study have in common, and the SD of its baseline."""
        arm = evidence.single_arms
        return np.where(arm, 0.0, 0.5), np.where(arm, self._width, 0.0)

    def pymc(self, evidence: Evidence) -> Contribution:
        import pytensor.tensor as pt  # noqa: PLC0415

        zero = pt.zeros(evidence.size)
        row, study = np.arange(evidence.size, dtype=np.intp), group_numbers(evidence, self.by)
        tau = 0.0 if self.tau is None else self.tau.pymc(self.name)
        share, known = self._of_study(evidence)
        each = [(f"{self.name}_{self.by}", pt.sqrt(share * tau**2 + known**2), study)]
        if self.tau is not None:
            each.insert(0, (self.name, zero + tau / sqrt(2.0), row))
        varying = tuple(Varying(name, zero + sd, group) for name, sd, group in each)
        return Contribution(zero, None, varying=varying)


def _no_arms(evidence: Evidence) -> list[str]:
    """Say what a baseline lacks: rows that are single arms, in the measure of two."""
    if evidence.single_arms.any():
        return []
    groups = {measure_named(str(name)).groups for name in evidence.data["measure"].to_numpy()}
    what = (
        f"rows are in {shown(sorted(set(evidence.data['measure'].to_numpy())))}, so that differences of two "
        "arms would be called that"
        if groups == {1}
        else "no row is a single arm, so there is no baseline to take off"
    )
    return [
        f"{evidence.where}: {what}; make evidence of arms by Evidence.from_arms, or leave the baseline out "
        "where rows are contrasts."
    ]
