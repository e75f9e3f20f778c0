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

    Parameters
    ----------
    measure
        Name of the measure, one of `MEASURES`.
    effect
        On the analysis scale.
    baseline
        Risk without the programme, in (0, 1): the share of people with the event by the date of
        interest.

    Returns
    -------
    float
        In [0, 1].

    Raises
    ------
    SpecError
        If the measure moves no risk, or the baseline is not in (0, 1).

    Notes
    -----
    Hazard ratios assume proportional hazards up to that date: ``1 - (1 - p0)^HR`` [1]_. Risk ratios
    give ``p0 RR``, at most 1; odds ratios multiply the odds. A Peto odds ratio is read as an odds ratio.

    References
    ----------
    .. [1] Skipka et al. (2016), *Biometrical Journal* 58:43-58. doi:10.1002/bimj.201400196

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
    """Give how many more of 1000 people have the event with the programme.

    Parameters
    ----------
    measure, effect, baseline
        As for `risk`.

    Returns
    -------
    float
        In [-1000, 1000]; negative where fewer have it.
    """
    return 1000.0 * (risk(measure, effect, baseline) - baseline)
