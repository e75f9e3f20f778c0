"""A hazard ratio of returning to work in the numbers that people use, and back: ``brw.currencies``."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from bayesrtw.engine.fitted import Expects
from bayesrtw.errors import SpecError
from bayesrtw.evidence.digitised import people_behind
from bayesrtw.evidence.hazards import (
    PiecewiseReturn,
    ReturnCurve,
    WeibullReturn,
    back,
    days_regained,
    hazard_ratio_of_days,
    hazard_ratio_of_medians,
    hazard_ratio_of_odds_ratio,
    hazard_ratio_of_risk_ratio,
    hazard_ratio_of_risks,
    median_under,
    odds_ratio_at,
    risk_ratio_at,
    risk_ratio_of_hazard_ratio,
    weibull_through,
)
from bayesrtw.evidence.table import Evidence
from bayesrtw.model.spec import NEW
from bayesrtw.question.agreement import agreement, changing, pooled_shape
from bayesrtw.question.answer import Answer, Told
from bayesrtw.question.asked import About, Subject
from bayesrtw.question.one_scale import on_one_scale
from bayesrtw.question.predict import expected_at, expects
from bayesrtw.question.table import quantiles

__all__ = [
    "PiecewiseReturn", "ReturnCurve", "WeibullReturn", "agreement", "answers", "back", "changing",
    "days_regained", "hazard_ratio_of_days", "hazard_ratio_of_medians", "hazard_ratio_of_odds_ratio",
    "hazard_ratio_of_risk_ratio", "hazard_ratio_of_risks", "median_under", "norwegian_cohort",
    "odds_ratio_at", "on_one_scale", "people_behind", "pooled_shape", "risk_ratio_at",
    "risk_ratio_of_hazard_ratio", "weibull_through",
]  # fmt: skip

#: Measure that is told in currencies.
MEASURE = "log_hazard_ratio"


def norwegian_cohort() -> WeibullReturn:
    """Give the curve of first return in the Norwegian cohort, medical or psychological treatment.

    Returns
    -------
    WeibullReturn
        Through the median of 55 days and 88 % back within 360 days of 84 people in a rapid return-to-work
        programme. [1]_ A cohort of one programme: state another curve for other people.

    References
    ----------
    .. [1] Skarpaas et al. (2019). BMJ Open 9(2):e024597 (PMC6398742), as in the data set
       `rapid-rtw-cohort`, rows r04 and r06.

    Examples
    --------
    >>> curve = norwegian_cohort()
    >>> round(float(curve.median)), round(float(curve.shape), 2)
    (55, 0.6)
    """
    return weibull_through({55.0: 0.5, 360.0: 0.88})


def answers(
    model: Subject | Expects,
    evidence: Evidence | None = None,
    *,
    curve: ReturnCurve,
    source: str,
    days: Sequence[float] = (91.0, 182.0, 365.0),
    horizon: float = 365.0,
    at: Mapping[str, object] | None = None,
    ci_prob: float = 0.95,
) -> Answer:
    """Give a pooled hazard ratio of returning in people back of 1000, median days and days regained.

    Every number is a function of the hazard ratio that rises or falls throughout, so that its quantiles are
    those of the hazard ratio carried over. The curve is taken for certain, hazards are proportional until the
    horizon, and recurrent absence is not counted.

    Parameters
    ----------
    model, evidence
        What is pooled, a model with rows or a synthesis, on the log hazard ratio.
    curve
        Return without the programme, e.g. ``norwegian_cohort()``.
    source
        Where the curve is from; it stands beside every result.
    days
        Dates at which people are counted.
    horizon
        Days over which days regained are counted.
    at
        Moderators and their values, as of `bayesrtw.predict`.
    ci_prob
        Probability of the central intervals.

    Returns
    -------
    Answer
        A data frame, whose ``plot()`` draws both curves; index `of` (mean effect, new setting) and
        `currency`; columns ``without`` (without the programme), ``median, lower, upper``.

    Raises
    ------
    SpecError
        If effects are no log hazard ratios, there is no source, no pooled mean, or a day is not positive.

    Examples
    --------
    >>> import bayesrtw as brw
    >>> synthesis = brw.run(brw.open_analysis("time-to-rtw"))
    >>> found = answers(synthesis, curve=norwegian_cohort(), source="the Norwegian cohort")
    >>> round(float(found.loc[("mean effect", "median days"), "without"]), 6)
    55.0
    """
    if not source.strip():
        raise SpecError(
            "source is empty: say where the curve is from; it stands beside the result."
        )
    if not all(each > 0 for each in (*days, horizon)):
        raise SpecError(f"days and horizon must be positive; found {list(days)!r} and {horizon!r}.")
    whole = expects(model, evidence)
    if whole.evidence.measure.name != MEASURE:
        raise SpecError(
            f"effects are in {whole.evidence.measure.name}; a curve of return needs log hazard ratios: pool "
            "these, with the likelihood 'return_to_work' where studies report other numbers."
        )
    if not whole.model.has_mean:
        raise SpecError("the model has no intercept, so there is no pooled mean; add one.")
    headline = whole.model.pooled
    kernels = [expected_at(whole, of, at or {}) for of in (headline, NEW[headline])]
    levels = np.array([0.5, 0.5 - ci_prob / 2, 0.5 + ci_prob / 2])
    rows, index = [], []
    for name, theta in zip(
        ("mean effect", "new setting"), quantiles(kernels, levels).T, strict=True
    ):
        ratio = np.exp(theta)
        told = {"hazard ratio": (1.0, ratio)} | {
            f"back of 1000 at day {day:g}": (
                1000.0 * float(back(curve, day)), 1000.0 * back(curve, day, ratio)
            )
            for day in days
        }  # fmt: skip
        told["median days"] = (float(median_under(curve, 1.0)), median_under(curve, ratio))
        told[f"days regained of {horizon:g}"] = (0.0, days_regained(curve, horizon, ratio))
        for currency, (without, values) in told.items():
            middle, *ends = np.asarray(values, dtype=float).tolist()
            rows.append((without, middle, min(ends), max(ends)))
            index.append((name, currency))
    names = pd.MultiIndex.from_tuples(index, names=["of", "currency"])
    frame = pd.DataFrame(rows, names, ["without", "median", "lower", "upper"])
    caption = (
        f"What a hazard ratio of returning comes to where people return as in {source.strip()}"
    )
    asked_of = About(whole.model, whole.evidence)
    words = asked_of.said(_said(frame, source.strip(), ci_prob))
    drawn = {"curve": curve, "source": source, "horizon": horizon, "ci_prob": ci_prob}
    return Answer(frame, Told(f"{caption}.", asked_of, "stated_returns", drawn, words))


def _said(frame: pd.DataFrame, source: str, ci_prob: float) -> str:
    """Say the mean effect in every currency, and what it assumes."""
    own = frame.loc["mean effect"]
    told = "; ".join(
        f"{name} {row['median']:.3g} ({row['lower']:.3g} to {row['upper']:.3g}), without {row['without']:.3g}"
        for name, row in own.iterrows()
    )
    return (
        f"The mean effect, {100 * ci_prob:g} % intervals: {told}. Without the programme people return as in "
        f"{source}, taken for certain; hazards are proportional, and recurrent absence is not counted."
    )
