"""Absolute effects: people of 1000, days, and how many take part for one, from an uncertain baseline."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from bayesrtw.decision.baseline import BaselinePoints, StatedBaseline
from bayesrtw.decision.change import OF_DAYS, PER_1000, Change, Scale, of_1000, of_days
from bayesrtw.engine.fitted import Expects
from bayesrtw.errors import SpecError
from bayesrtw.evidence.table import Evidence
from bayesrtw.model.spec import NEW
from bayesrtw.printed import spell_probability, with_interval
from bayesrtw.question.answer import Answer, Told
from bayesrtw.question.asked import About, Subject
from bayesrtw.question.predict import Value, expected_at, expects, setting_in_words, settings_asked

#: The two effects that a decision is about.
OF = ("mean effect", "new setting")


def absolute_effects(
    model: Subject | Expects,
    evidence: Evidence | None = None,
    *,
    baseline: StatedBaseline | BaselinePoints | None = None,
    at: Mapping[str, Value] | None = None,
    ci_prob: float = 0.95,
) -> Answer:
    """Give what an effect comes to in people of 1000 and in days, for the mean effect and a new setting.

    The baseline is stated and has its own uncertainty, independent of the effect. Its quantiles and
    probabilities are those of the change itself: each is integrated over both, and none is read off the ends
    of an interval of ratios. [1]_ How many people have to take part for one more event is one over the share
    of people who have it because of the programme. Where that share may be nothing the number may be
    infinite: its interval has infinity for an end and never goes through it; P(more) stands beside it. [2]_

    Parameters
    ----------
    model, evidence
        What is pooled, a model with rows or a synthesis; it has a pooled mean.
    baseline
        What happens without the programme; differences of days need none.
    at
        Moderators and their values, as of `bayesrtw.predict`; every combination has its rows.
    ci_prob
        Probability of the central intervals.

    Returns
    -------
    Answer
        A data frame; index ``at`` (in words, where values were asked for), ``of`` (mean effect, new setting)
        and ``counted``. Columns: ``without, without_lower, without_upper``, what there is without the
        programme; ``median, lower, upper`` of the change; ``more``, P(change > 0); ``benefit``, P(benefit),
        NaN where nobody stated which effects are good; ``needed, needed_lower, needed_upper``, people who
        have to take part for one good event more, or one bad event fewer (one event more where nobody said);
        NaN of days and rates.

    Raises
    ------
    SpecError
        If effects are in a measure that tells neither people nor days, or it needs a baseline that is not
        stated.

    References
    ----------
    .. [1] Spencer FA, Iorio A, You J, et al. (2012). BMJ 345:e7401. doi:10.1136/bmj.e7401
    .. [2] Altman DG (1998). BMJ 317:1309-1312. doi:10.1136/bmj.317.7168.1309

    Examples
    --------
    >>> import bayesrtw as brw
    >>> from bayesrtw.decision.absolute import absolute_effects
    >>> from bayesrtw.decision.baseline import StatedBaseline
    >>> synthesis = brw.run(brw.open_analysis("at-work"))
    >>> found = absolute_effects(synthesis, baseline=StatedBaseline(risk=0.6, source="for illustration"))
    >>> float(found["without"].iloc[0])
    600.0
    """
    whole = expects(model, evidence)
    if not whole.model.has_mean:
        raise SpecError("the model has no intercept, so there is no pooled mean; add one.")
    rows = whole.evidence
    horizon = baseline.horizon if isinstance(baseline, StatedBaseline) else 365.0
    points = baseline.points(rows) if isinstance(baseline, StatedBaseline) else baseline
    scales = scales_of(rows, points, horizon)
    headline = whole.model.pooled
    found: dict[tuple[str, ...], dict[str, float]] = {}
    for values in settings_asked(whole.model, at or {}):
        where = (setting_in_words(values),) if at else ()
        for of, name in zip(OF, (headline, NEW[headline]), strict=True):
            theta = expected_at(whole, name, values)
            for scale in scales:
                row = _row(Change(theta, scale), points, ci_prob)
                found[(*where, of, scale.title)] = row
    names = [*(["at"] if at else []), "of", "counted"]
    frame = pd.DataFrame(
        list(found.values()), index=pd.MultiIndex.from_tuples(list(found), names=names)
    )
    asked_of = About(whole.model, rows)
    source = points.source if points is not None else ""
    caption = "What the effect comes to" + (
        f" where the baseline is that of {source}" * bool(source)
    )
    words = asked_of.said(*_said(found, scales, points, ci_prob))
    return Answer(frame, Told(f"{caption}.", asked_of, words=words))


def scales_of(rows: Evidence, points: BaselinePoints | None, horizon: float = 365.0) -> list[Scale]:
    """Give the scales on which the effects of some rows are counted absolutely."""
    measure, benefit = rows.measure, rows.benefit
    found = []
    if measure.name in PER_1000:
        if points is None:
            raise SpecError(
                f"a {measure.title.lower()} moves a {PER_1000[measure.name]}: state the baseline, with its "
                "source."
            )
        found.append(of_1000(measure, benefit, points))
    told = points is not None and points.day is not None and points.shape is not None
    if not found or (OF_DAYS.get(measure.name) == "risk" and benefit == "higher" and told):
        found.append(of_days(measure, benefit, rows.unit, points, horizon))
    return found


def _row(change: Change, points: BaselinePoints | None, ci_prob: float) -> dict[str, float]:
    """Give the figures of one change."""
    levels = (0.5, 0.5 - ci_prob / 2, 0.5 + ci_prob / 2)
    middle, low, high = (change.quantile(q) for q in levels)
    scale, more = change.scale, change.above(0.0)
    people = scale.name == "per_1000"
    times = 1000.0 if people else 1.0
    shown = points is not None and (people or points.of in ("mean", "median"))
    counted = people and points is not None and points.of == "risk"
    without = [
        times * points.quantile(q) if points is not None and shown else np.nan for q in levels
    ]
    row = dict(zip(("without", "without_lower", "without_upper"), without, strict=True))
    row |= {"median": middle, "lower": low, "upper": high, "more": more}
    row["benefit"] = np.nan if scale.good is None else more if scale.good else 1.0 - more
    # Good events more, or bad events fewer.
    side = -1.0 if scale.good is False else 1.0
    ends = sorted((side * low, side * high), reverse=True)
    of = [side * middle, *ends] if counted else [np.nan] * 3
    row |= dict(zip(("needed", "needed_lower", "needed_upper"), map(_needed, of), strict=True))
    return row


def _needed(share: float) -> float:
    """Give how many have to take part for one; infinitely many where the programme brings none."""
    return float(1000.0 / share) if share > 0 else float(share if np.isnan(share) else np.inf)


def _said(
    found: Mapping[tuple[str, ...], Mapping[str, float]],
    scales: Sequence[Scale],
    points: BaselinePoints | None,
    ci_prob: float,
) -> list[str]:
    """Say every row, and what it assumes."""
    by_title = {scale.title: scale for scale in scales}
    said = []
    for (*where, of, counted), row in found.items():
        scale = by_title[counted]
        figures = with_interval(row["median"], row["lower"], row["upper"], log=False, places=0)
        text = f"{', '.join([*where, of]).capitalize()}: {figures} {counted}"
        if scale.name == "per_1000" and points is not None and points.of == "risk":
            text += f", P(more) {spell_probability(row['more'])}, {_in_words(row, scale)}"
        said.append(f"{text}.")
    if points is not None:
        wide = "with its uncertainty" if len(points.level) > 1 else "taken for certain"
        said.append(f"Without the programme it is as in {points.source}, {wide}.")
    if any(scale.name == "days" and "of" in scale.title for scale in scales):
        said.append("Hazards are proportional, and recurrent absence is not counted.")
    said.append(f"Intervals have {100 * ci_prob:g} % probability.")
    return said


def _in_words(row: Mapping[str, float], scale: Scale) -> str:
    """Say how many have to take part for one."""
    event = "one person less" if scale.good is False else "one person more"
    low, high = row["needed_lower"], row["needed_upper"]
    if not np.isfinite(low):
        return f"so that no number of people need take part for {event}"
    if not np.isfinite(high):
        return f"{low:.0f} people or more take part for {event}, without an upper end"
    return f"{row['needed']:.0f} ({low:.0f} to {high:.0f}) people take part for {event}"
