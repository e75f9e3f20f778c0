"""Random effects of arms: contrasts of one study go together, and arms of one study share a baseline."""

from collections.abc import Mapping
from dataclasses import dataclass
from math import sqrt

import numpy as np
from numpy.typing import NDArray

from bayesrtw.dims import ESTIMATE
from bayesrtw.errors import Finding, SpecError, shown
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
    correlation 1/2 [1]_, [2]_. Rows are contrasts with one comparator a study, or, with a `baseline`, single
    arms: what the arms of a study have in common is its baseline, which is integrated.

    Parameters
    ----------
    tau
        Prior of the SD of contrasts, analysis scale; support [0, inf). None for one common effect of
        each contrast.
    baseline
        `Normal` prior with mean 0 of each study's baseline, analysis scale of single arms; wide, since it
        says nothing of differences. None where rows are contrasts.
    by
        Column whose equal values are arms of one study.
    comparator
        Column that says what contrasts are with, so that studies with several comparators are found; empty
        where nobody can say. Not read with a `baseline`.
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
        """See `Term`."""
        return Facts(spread=True)

    def faults(self, evidence: Evidence) -> list[str]:
        """See `Term`."""
        found = has_column(evidence, self.by)
        if self.baseline is None and self.comparator:
            found += has_column(evidence, self.comparator)
        if found or self.baseline is not None or not self.comparator:
            return found
        cells = [cell_text(value) for value in evidence.data[self.comparator].to_numpy()]
        against: dict[int, set[str]] = {}
        for group, cell in zip(group_numbers(evidence, self.by).tolist(), cells, strict=True):
            against.setdefault(group, set()).add(cell)
        first = np.unique(group_numbers(evidence, self.by), return_index=True)[1]
        names = evidence.data[self.by].to_numpy()[first]
        torn = [str(names[group]) for group, own in against.items() if len(own) > 1]
        if torn:
            return [
                f"{evidence.where}: contrasts of {shown(torn)} have several comparators in "
                f"{self.comparator!r}; give contrasts with one arm of the study, or one row an arm with a "
                "baseline."
            ]
        return []

    def findings(self, evidence: Evidence) -> list[Finding]:
        """See `Term`."""
        if self.baseline is None:
            return []
        alone = self._alone(evidence)
        if not alone:
            return []
        text = f"{shown(alone)} have one arm each: beside a free baseline they say nothing of differences."
        return [Finding("one-arm-studies", "warning", text)]

    def _alone(self, evidence: Evidence) -> list[str]:
        group = group_numbers(evidence, self.by)
        alone = np.bincount(group)[group] == 1
        return [str(name) for name in evidence.data[ESTIMATE].to_numpy()[alone]]

    @property
    def _width(self) -> float:
        return (normal(self.baseline) or (0.0, 0.0))[1] if self.baseline is not None else 0.0

    def hyper(self) -> Mapping[str, Hyper]:
        """See `Term`."""
        if self.tau is None:
            return {}
        return {self.name: Hyper(self.tau, "sd of effects", self.by, setting="tau")}

    def gaussian(self, evidence: Evidence) -> tuple[Grouped, ...]:
        """See `Term`."""
        study = group_numbers(evidence, self.by)
        row, which = np.arange(evidence.size, dtype=np.intp), np.zeros(evidence.size, dtype=np.intp)
        hyper = tuple(self.hyper())
        if self.baseline is None:
            both = (Grouped(each, hyper, which, share=0.5, new_share=0.5) for each in (row, study))
            return tuple(both)
        sd = np.full(evidence.size, self._width)
        return Grouped(row, hyper, which, share=0.5), Grouped(study, (), which, new=None, known=sd)

    def pymc(self, evidence: Evidence) -> Contribution:
        """See `Term`."""
        import pytensor.tensor as pt  # noqa: PLC0415

        zero = pt.zeros(evidence.size)
        row, study = np.arange(evidence.size, dtype=np.intp), group_numbers(evidence, self.by)
        own = None if self.tau is None else zero + self.tau.pymc(self.name) / sqrt(2.0)
        shared = own if self.baseline is None else zero + self._width
        each = ((self.name, own, row), (f"{self.name}_{self.by}", shared, study))
        varying = tuple(Varying(name, sd, group) for name, sd, group in each if sd is not None)
        return Contribution(zero, None, varying=varying)
