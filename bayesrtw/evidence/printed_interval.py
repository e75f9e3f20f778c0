"""The interval of a row as its study prints it, where it is one of the measure and level that is shown."""

from typing import Final

import numpy as np

from bayesrtw.evidence.measure import Measure
from bayesrtw.evidence.table import Evidence

#: What an interval as printed must be of, to stand among intervals of this probability.
PROBABILITY: Final = 0.95

#: Two values of one number, one of them through logarithms and back.
_SAME: Final = 1e-9


def printed_interval(
    evidence: Evidence, place: int, measure: Measure
) -> tuple[tuple[float, float, float], str] | None:
    """Give the estimate and 95 % interval of a row as its study prints them."""
    names = ("estimate_printed", "ci_low", "ci_high")
    if any(name not in evidence.data for name in names):
        return None
    middle, low, high = (float(evidence.data[name].to_numpy()[place]) for name in names)
    levels = evidence.data["ci_level"].to_numpy() if "ci_level" in evidence.data else None
    level = PROBABILITY if levels is None or np.isnan(levels[place]) else float(levels[place])
    if not np.isfinite([middle, low, high]).all() or level != PROBABILITY:
        return None
    effect = float(evidence.data["effect"].to_numpy()[place])
    if not np.isclose(float(measure.back(effect)), middle, rtol=_SAME, atol=_SAME):
        return None
    if measure.log and low <= 0:
        return None
    with np.errstate(divide="ignore", invalid="ignore"):
        ends = measure.link.forward(np.array([middle, low, high]))
    if not np.isfinite(ends).all():
        return None
    decimals = max(len(f"{value:.10g}".partition(".")[2]) for value in (middle, low, high))
    first, second, third = (f"{value:.{decimals}f}" for value in (middle, low, high))
    one, two, three = (float(end) for end in ends)
    return (one, two, three), f"{first} ({second} to {third})".replace("-", "\N{MINUS SIGN}")
