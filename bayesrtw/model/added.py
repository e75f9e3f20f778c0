"""Columns that a question adds to a model: coefficients of its own, beside those of the terms."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bayesrtw.errors import Finding
from bayesrtw.evidence.table import Evidence
from bayesrtw.model.term import Contribution, Facts, Fixed, Hyper

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Added:
    """A contribution A @ b with b ~ N(0, sd^2), in arrays: no part of what an analysis file can say."""

    columns: Array  #: A, shape (estimate, column).
    sd: Array  #: Prior SD of each coefficient, shape (column,); infinite is flat.
    labels: tuple[str, ...]  #: What they are called, one a column.
    #: The pooled mean as a combination of them, shape (column,), where they hold it; else None.
    pooled: Array | None = None

    @property
    def facts(self) -> Facts:
        return Facts(mean=self.pooled is not None)

    def hyper(self) -> Mapping[str, Hyper]:
        return {}

    def faults(self, evidence: Evidence) -> list[str]:  # noqa: ARG002
        return []

    def findings(self, evidence: Evidence) -> list[Finding]:  # noqa: ARG002
        return []

    def gaussian(self, evidence: Evidence) -> Fixed:  # noqa: ARG002
        width = len(self.labels)
        return Fixed(
            columns=self.columns,
            mean=np.zeros(width),
            precision=self.sd**-2.0,
            labels=self.labels,
            combine=np.eye(width),
            pooled=self.pooled,
            setting=lambda values: np.zeros(width),  # noqa: ARG005
        )

    def pymc(self, evidence: Evidence) -> Contribution:  # noqa: ARG002
        import pymc as pm  # noqa: PLC0415

        name = f"beta_{self.labels[0]}"
        flat = bool(np.isinf(self.sd).any())
        every = (
            pm.Flat(name, shape=len(self.sd))
            if flat
            else pm.Normal(name, 0.0, self.sd, shape=len(self.sd))
        )
        if self.pooled is not None:
            pm.Deterministic("mu", every @ self.pooled)
        return Contribution(pm.Data(f"{self.labels[0]}_rows", self.columns) @ every, every)
