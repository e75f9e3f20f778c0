"""Effect measures: the scale of analysis, the null, the way back to what a reader knows."""

from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bayesrtw.errors import EvidenceError, Fault
from bayesrtw.registry import suggestion

#: Which direction on the analysis scale is good for the worker.
Benefit = Literal["higher", "lower"]


#: Limits of an effect and a standard error, of a log ratio (e^50), and of their quotient: no study
#: comes near, and beyond them squares and exponentials are no numbers.
LARGEST = 1e30
LARGEST_LOG = 50.0
LARGEST_Z = 1e8


@dataclass(frozen=True, slots=True)
class Measure:
    """An effect measure.

    Attributes
    ----------
    name
        Name in tables and TOML; carries the scale (``log_hazard_ratio``).
    title
        What the back-transformed value is called (``Hazard ratio``).
    log
        Whether the analysis scale is the natural logarithm of the reported one.
    abbreviation
        Short form for axes and tables (``HR``).
    """

    name: str
    title: str
    log: bool
    abbreviation: str

    @property
    def null(self) -> float:
        """The value of no effect on the reported scale."""
        return 1.0 if self.log else 0.0

    def back(self, effect: ArrayLike) -> NDArray[np.float64]:
        """Transform from the analysis scale to the reported one.

        Parameters
        ----------
        effect
            Values on the analysis scale, any shape.

        Returns
        -------
        ndarray
            The same shape; ratios for log measures, unchanged otherwise.
        """
        values = np.asarray(effect, dtype=np.float64)
        return np.exp(values) if self.log else values

    def forward(self, reported: ArrayLike) -> NDArray[np.float64]:
        """Transform from the reported scale to the analysis scale.

        Parameters
        ----------
        reported
            Values as printed, any shape; > 0 for ratios.

        Returns
        -------
        ndarray
            The same shape.
        """
        values = np.asarray(reported, dtype=np.float64)
        return np.log(values) if self.log else values


MEASURES: Final[dict[str, Measure]] = {
    measure.name: measure
    for measure in (
        Measure("log_hazard_ratio", "Hazard ratio", log=True, abbreviation="HR"),
        Measure("log_risk_ratio", "Risk ratio", log=True, abbreviation="RR"),
        Measure("log_odds_ratio", "Odds ratio", log=True, abbreviation="OR"),
        Measure("log_peto_odds_ratio", "Peto odds ratio", log=True, abbreviation="Peto OR"),
        Measure("log_rate_ratio", "Rate ratio", log=True, abbreviation="IRR"),
        Measure("log_ratio_of_means", "Ratio of means", log=True, abbreviation="RoM"),
        Measure("mean_difference", "Mean difference", log=False, abbreviation="MD"),
        Measure(
            "standardised_mean_difference",
            "Standardised mean difference",
            log=False,
            abbreviation="SMD",
        ),
        Measure("risk_difference", "Risk difference", log=False, abbreviation="RD"),
        Measure("rate_difference", "Rate difference", log=False, abbreviation="IRD"),
        Measure("generic", "Effect", log=False, abbreviation="effect"),
    )
}


def measure_named(name: str) -> Measure:
    """Look a measure up.

    Parameters
    ----------
    name
        Its name, e.g. ``"log_hazard_ratio"``.

    Returns
    -------
    Measure
        The measure.

    Raises
    ------
    EvidenceError
        If there is none of that name.
    """
    if name not in MEASURES:
        raise EvidenceError(f"measure {name!r} is not known; {suggestion(name, list(MEASURES))}")
    return MEASURES[name]


def beyond_limits(effect: float, se: float, measure: Measure) -> Fault | None:
    """Say if numbers are beyond what any study gives, and what arithmetic can hold.

    Parameters
    ----------
    effect, se
        On the analysis scale; NaN where unknown.
    measure
        The measure.

    Returns
    -------
    Fault or None
        What is wrong, without its row; None if nothing is.
    """
    most = LARGEST_LOG if measure.log else LARGEST
    if abs(effect) > most:
        allowed = f"the effect must lie within {most:g} on the analysis scale"
        return _beyond(allowed, f"found {effect:g}", "correct it", effect)
    if se < 1 / LARGEST or se > LARGEST:
        allowed = f"the standard error must lie between {1 / LARGEST:g} and {LARGEST:g}"
        return _beyond(allowed, f"found {se:g}", "correct it", se)
    if abs(effect) > LARGEST_Z * se:
        found = f"the effect is {abs(effect) / se:.2g} standard errors from zero"
        both = f"found effect={effect:g} and se={se:g}"
        return _beyond(found, both, "correct one of them", effect)
    return None


def _beyond(allowed: str, found: str, remedy: str, value: float) -> Fault:
    return Fault(found, allowed, remedy, "beyond-limits", value=f"{value:g}")
