"""From a ratio to people: how many of 1000 more, at a baseline risk that the reader knows."""

import math

from bayesrtw.errors import SpecError

#: Measures that move a risk; others have no absolute effect of this kind.
MEASURES = (
    "log_hazard_ratio",
    "log_risk_ratio",
    "log_odds_ratio",
    "log_peto_odds_ratio",
    "risk_difference",
)

#: Baseline risks that a page prints before anybody chooses one.
BASELINES = (0.25, 0.5, 0.75)


def risk(measure: str, effect: float, baseline: float) -> float:
    """Give the risk with the programme.

    Examples
    --------
    >>> round(risk("log_hazard_ratio", math.log(1.25), 0.799), 3)
    0.865
    """
    if not 0 < baseline < 1:
        raise SpecError(f"baseline must lie in (0, 1); found {baseline!r}.")
    if measure == "log_hazard_ratio":
        return float(1.0 - (1.0 - baseline) ** math.exp(effect))
    if measure == "log_risk_ratio":
        return min(1.0, baseline * math.exp(effect))
    if measure in ("log_odds_ratio", "log_peto_odds_ratio"):
        odds = baseline / (1.0 - baseline) * math.exp(effect)
        return odds / (1.0 + odds)
    if measure == "risk_difference":
        return min(1.0, max(0.0, baseline + effect))
    raise SpecError(f"measure {measure!r} moves no risk; those that do: {', '.join(MEASURES)}.")


def per_thousand(measure: str, effect: float, baseline: float) -> float:
    """Give how many more of 1000 people have the event with the programme."""
    return 1000.0 * (risk(measure, effect, baseline) - baseline)
