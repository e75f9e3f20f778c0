"""Biases from judgements: additive bias with moments that a table gives for every study."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bayesrtw.errors import EvidenceError, Faults, Finding, shown
from bayesrtw.evidence.bias_prior import (
    BiasCell,
    BiasMoments,
    bias_moments,
    look_up,
    overridden,
    shipped_cells,
)
from bayesrtw.evidence.table import Evidence
from bayesrtw.model.bias import orientation
from bayesrtw.model.grouped import Varying
from bayesrtw.model.moderator import has_column
from bayesrtw.model.term import Contribution, Facts, Hyper, Noise, Trust
from bayesrtw.registry import component

Array = NDArray[np.float64]

#: The check whose finding names studies that are left out.
CRITICAL = "critical-left-out"


@component("term", "judged_bias")
@dataclass(frozen=True, slots=True)
class JudgedBias:
    """Additive biases whose mean and SD follow from risk-of-bias judgements, by a table.

    As `AdditiveBias`, one independent bias an estimate, with moments looked up in
    ``data/bias-priors``: summed over the judged domains, the default of the design where nobody
    judged, and for non-randomised studies narrower the more was adjusted for. An analysis leaves
    studies with a critical judgement out and names them; elsewhere they are refused. What all
    non-randomised studies have in common is not in it: add `BiasHierarchy` or an indicator for that.

    Parameters
    ----------
    name
        What it is called in messages.
    cells
        Cells in place of those of the shipped table, or beside them.

    References
    ----------
    .. [1] Turner et al. (2009), JRSS A 172:21-47, doi:10.1111/j.1467-985X.2008.00547.x.
    """

    name: str = "judged_bias"
    cells: tuple[BiasCell, ...] = ()

    def _cells(self) -> tuple[BiasCell, ...]:
        return overridden(shipped_cells(), self.cells)

    def moments(self, evidence: Evidence) -> BiasMoments:
        """Look the bias of every row up."""
        return bias_moments(evidence, self._cells())

    @property
    def facts(self) -> Facts:
        return Facts(trust=Trust("design", self.name), leaves_out=self)

    def faults(self, evidence: Evidence) -> list[str]:
        missing = has_column(evidence, "design")
        if missing:
            return missing
        faults = Faults(EvidenceError)
        look_up(evidence, self._cells(), faults)
        return faults.messages or self._critical(evidence)

    def left_out(self, evidence: Evidence) -> NDArray[np.bool_]:
        """Mark the rows of studies with a critical judgement: they are not pooled; gives (estimate,)."""
        faults = Faults(EvidenceError)
        none = np.zeros(evidence.size, dtype=bool)
        if has_column(evidence, "design"):
            return none
        found = look_up(evidence, self._cells(), faults)
        return none if faults.messages else found.excluded

    def _critical(self, evidence: Evidence) -> list[str]:
        """Name rows that must not be here, as a fault."""
        excluded = self.left_out(evidence)
        if not excluded.any():
            return []
        studies = dict.fromkeys(evidence.data["study"].to_numpy()[excluded].tolist())
        return [
            f"{evidence.where}: a critical judgement keeps {shown(studies, 12)} out of the pool; an "
            "analysis leaves such studies out by itself; here, take evidence.rows(~term.left_out(evidence))."
        ]

    def findings(self, evidence: Evidence) -> list[Finding]:
        found = self.moments(evidence)
        total = len(found.judged) + len(found.unjudged)
        sd = np.sqrt(found.variance)
        text = (
            f"Biases from judgements: {len(found.unjudged)} of {total} studies have no judgement that the "
            "table maps and get the default of their design; means are "
            f"{_range(found.mean)}, SDs {_range(sd)}, positive exaggerating the benefit, "
            "each independently."
        )
        said = [Finding("judged-bias", "warning" if found.unjudged else "note", text)]
        if found.unmapped:
            listed = ", ".join(f"{name} ({count})" for name, count in found.unmapped.items())
            text = f"Instruments of which the table maps nothing, with their studies: {listed}."
            said.append(Finding("unmapped-instrument", "note", text))
        if found.unadjusted:
            text = (
                "Nothing is known of what these non-randomised studies adjusted for, so they get the "
                f"widest bias of their design: {shown(found.unadjusted, 12)}."
            )
            said.append(Finding("adjustment-not-stated", "note", text))
        if found.partial:
            text = (
                "Domains that nobody judged add no bias although the table holds them, in studies "
                f"{shown(found.partial, 12)}."
            )
            said.append(Finding("partly-judged", "note", text))
        return said

    def hyper(self) -> Mapping[str, Hyper]:
        return {}

    def gaussian(self, evidence: Evidence) -> Noise:
        critical = self._critical(evidence)
        if critical:
            raise EvidenceError(critical[0])
        found = self.moments(evidence)
        return Noise(
            mean=orientation(evidence) * found.mean,
            variance=found.variance,
            share=np.ones(evidence.size),
        )

    def pymc(self, evidence: Evidence) -> Contribution:
        import pytensor.tensor as pt  # noqa: PLC0415

        part = self.gaussian(evidence)
        zero, group = pt.zeros(evidence.size), np.arange(evidence.size, dtype=np.intp)
        varying = Varying(self.name, zero + np.sqrt(part.variance), group)
        return Contribution(zero, None, bias=zero + part.mean, varying=(varying,))


def _range(values: Array) -> str:
    low, high = float(values.min()), float(values.max())
    return f"{low:.2g}" if low == high else f"{low:.2g} to {high:.2g}"
