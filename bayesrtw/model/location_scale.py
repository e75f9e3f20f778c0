"""Heterogeneity that differs with a numeric column: the location-scale model."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bayesrtw.errors import Finding, SpecError
from bayesrtw.evidence.table import Evidence
from bayesrtw.model.contract import Prior, normal
from bayesrtw.model.grouped import Grouped, Varying
from bayesrtw.model.moderator import Linear
from bayesrtw.model.term import Contribution, Facts, Hyper
from bayesrtw.registry import component

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class _Along:
    """A column less its mean over the estimates, and what a value of it is there."""

    column: str
    centre: float

    def __call__(self, values: Mapping[str, object]) -> float:
        """Give how far a setting's value lies from the mean; 0 where it is not named."""
        if self.column not in values:
            return 0.0
        value = values[self.column]
        if not isinstance(value, int | float | np.number) or not np.isfinite(float(value)):
            raise SpecError(f"{self.column} is {value!r}; it is a numeric column: give a number.")
        return float(value) - self.centre


@component("term", "location_scale")
@dataclass(frozen=True, slots=True)
class LocationScale:
    """Effects of estimates that differ more or less along a numeric column.

    ``w_i ~ N(0, tau_i^2)`` with ``log tau_i = log tau + slope (x_i - mean of x)`` [1]_: `tau` is the SD of
    effects at the mean of the column, and ``exp(slope)`` the ratio of SDs for each unit of it. A new setting
    has the SD at the mean of the column, at another value where one is asked for, and that of a study
    where it is like one of the studies. The mean does not move with the column: add a `linear` term for
    that.

    Parameters
    ----------
    column
        A numeric column of the evidence, without empty cells.
    tau
        Prior of the SD at the mean of the column, analysis scale; support [0, inf).
    slope
        `Normal` prior of the log ratio of SDs for each unit of the column.
    name
        What the SD is called in results; the slope is ``<name>_slope``.

    Raises
    ------
    SpecError
        If a prior has another support.

    References
    ----------
    .. [1] Viechtbauer W, Lopez-Lopez JA (2022). Research Synthesis Methods 13:697-715.
       doi:10.1002/jrsm.1562

    Examples
    --------
    >>> from bayesrtw.model.prior import HalfNormal, Normal
    >>> list(LocationScale("year", HalfNormal(0.25), Normal(0, 0.1)).hyper())
    ['tau', 'tau_slope']
    """

    column: str
    tau: Prior
    slope: Prior
    name: str = "tau"

    def __post_init__(self) -> None:
        if not self.tau.positive:
            raise SpecError(f"{self.name} is a standard deviation: give a prior on [0, inf).")
        if normal(self.slope) is None:
            raise SpecError(f"slope of {self.name} needs a normal prior, on the whole line.")

    @property
    def facts(self) -> Facts:
        return Facts(spread=True, scales=(self.column,))

    def faults(self, evidence: Evidence) -> list[str]:
        return Linear(self.column, self.slope).faults(evidence)

    def findings(self, evidence: Evidence) -> list[Finding]:
        return Linear(self.column, self.slope).findings(evidence)

    def hyper(self) -> Mapping[str, Hyper]:
        return {
            self.name: Hyper(self.tau, "sd of effects", setting="tau"),
            f"{self.name}_slope": Hyper(self.slope, "ratio of sds", setting="slope", new=False),
        }

    def _values(self, evidence: Evidence) -> Array:
        return np.asarray(evidence.data[self.column].to_numpy(), dtype=np.float64)

    def gaussian(self, evidence: Evidence) -> Grouped:
        group, values = np.arange(evidence.size, dtype=np.intp), self._values(evidence)
        centre = float(values.mean())
        return Grouped(
            group,
            (self.name,),
            np.zeros_like(group),
            ratio=f"{self.name}_slope",
            along=values - centre,
            setting=_Along(self.column, centre),
        )

    def pymc(self, evidence: Evidence) -> Contribution:
        import pymc as pm  # noqa: PLC0415
        import pytensor.tensor as pt  # noqa: PLC0415

        values = self._values(evidence)
        tau, slope = self.tau.pymc(self.name), self.slope.pymc(f"{self.name}_slope")
        along = pm.Data(f"{self.name}_along", values - values.mean())
        sd = tau * pt.exp(slope * along)
        group = np.arange(evidence.size, dtype=np.intp)
        return Contribution(pt.zeros(evidence.size), None, varying=(Varying(self.name, sd, group),))
