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
from bayesrtw.model.moderator import has_column
from bayesrtw.model.term import Contribution, Facts, Hyper, Noise, Trust
from bayesrtw.registry import component

Array = NDArray[np.float64]

#: Share of its information that a study keeps which a judgement leaves out: none that could be printed
#: (its standard error counts a million times), and still a number, so that the row stays in its place.
LEFT_OUT = 1e-12


@component("term", "judged_bias")
@dataclass(frozen=True, slots=True)
class JudgedBias:
    """Additive biases whose mean and SD follow from risk-of-bias judgements, by a table.

    As `AdditiveBias`, one independent bias an estimate, with moments looked up in
    ``data/bias-priors``: summed over the judged domains, the default of the design where nobody
    judged, and for non-randomised studies narrower the more was adjusted for. Critical studies keep
    no information. What all non-randomised studies have in common is not in it: add `BiasHierarchy`
    or an indicator for that.

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
        """Look the bias of every row up.

        Parameters
        ----------
        evidence
            The rows to pool.

        Returns
        -------
        BiasMoments
            In the direction of benefit.
        """
        return bias_moments(evidence, self._cells())

    @property
    def facts(self) -> Facts:
        """See `Term`."""
        return Facts(trust=Trust("design", self.name))

    def faults(self, evidence: Evidence) -> list[str]:
        """See `Term`."""
        missing = has_column(evidence, "design")
        if missing:
            return missing
        faults = Faults(EvidenceError)
        found = look_up(evidence, self._cells(), faults)
        if not faults.messages and found.excluded.all():
            faults.add(
                f"{evidence.where}: every row is left out by a critical judgement; nothing is left to pool."
            )
        return faults.messages

    def findings(self, evidence: Evidence) -> list[Finding]:
        """See `Term`."""
        found = self.moments(evidence)
        total = len(found.judged) + len(found.unjudged)
        sd = np.sqrt(found.variance[~found.excluded])
        text = (
            f"Biases from judgements: {len(found.unjudged)} of {total} studies have no judgement that the "
            "table maps and get the default of their design; means are "
            f"{_range(found.mean[~found.excluded])}, SDs {_range(sd)}, positive exaggerating the benefit, "
            "each independently."
        )
        said = [Finding("judged-bias", "warning" if found.unjudged else "note", text)]
        if found.excluded.any():
            studies = dict.fromkeys(evidence.data["study"].to_numpy()[found.excluded].tolist())
            text = (
                f"Left out because of a critical judgement: {shown(studies, 12)}. They stand in the "
                "tables and carry no information."
            )
            said.append(Finding("critical-left-out", "warning", text))
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
        """See `Term`."""
        return {}

    def gaussian(self, evidence: Evidence) -> Noise:
        """See `Term`."""
        found = self.moments(evidence)
        return Noise(
            mean=orientation(evidence) * found.mean,
            variance=np.where(found.excluded, 0.0, found.variance),
            share=np.where(found.excluded, LEFT_OUT, 1.0),
        )

    def pymc(self, evidence: Evidence) -> Contribution:
        """See `Term`."""
        import pymc as pm  # noqa: PLC0415
        import pytensor.tensor as pt  # noqa: PLC0415

        part = self.gaussian(evidence)
        rows = np.flatnonzero(part.variance > 0)
        z = pm.Normal(f"{self.name}_z", 0.0, 1.0, shape=len(rows))
        spread = pt.zeros(evidence.size)[rows].set(np.sqrt(part.variance[rows]) * z)
        return Contribution(pt.zeros(evidence.size), None, bias=part.mean + spread)


def _range(values: Array) -> str:
    low, high = float(values.min()), float(values.max())
    return f"{low:.2g}" if low == high else f"{low:.2g} to {high:.2g}"
