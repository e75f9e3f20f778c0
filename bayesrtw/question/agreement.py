"""Whether numbers in different currencies tell one hazard ratio, and the curves that they are read by."""

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from bayesrtw.engine import solve
from bayesrtw.engine.by_setting import BySetting, by_setting
from bayesrtw.engine.fitted import Fitted
from bayesrtw.errors import SpecError
from bayesrtw.evidence.table import Evidence
from bayesrtw.printed import spell_probability
from bayesrtw.question.answer import Answer, Told
from bayesrtw.question.asked import About, Subject, about, asked

#: SD of what is looked for, log hazard ratio, before: a factor of 2.7 is two of them.
PRIOR = 0.5
#: A probability below which, or above one less which, currencies are said to differ.
SPEAKS = 0.025


def agreement(
    model: Subject, evidence: Evidence | None = None, *, sd: float = PRIOR, ci_prob: float = 0.95
) -> Answer:
    """Check, currency by currency, whether its numbers tell the hazard ratio that all others tell.

    The rows of one currency are given a factor of their own, ``exp(gamma)`` with gamma ~ N(0, sd), and its
    posterior says what hazard ratio they tell as a multiple of what the rest tells, heterogeneity and
    moderators allowed for.

    Parameters
    ----------
    model, evidence
        What is pooled with the likelihood `return_to_work`: a model with rows, or a synthesis.
    sd
        SD of gamma before.
    ci_prob
        Probability of the central intervals.

    Returns
    -------
    Answer
        A data frame; index ``currency`` (those of a row together); columns ``rows``; ``median, lower,
        upper`` of the factor; ``above``, the probability that it is above 1; ``log_bayes_factor`` of a factor
        against none (natural logarithm); ``speaks``, whether the interval of 95 % leaves 1 out.

    Raises
    ------
    SpecError
        If the likelihood knows no currencies, there is one of them alone, or `sd` is not positive.

    Examples
    --------
    >>> import pandas as pd
    >>> import bayesrtw as brw
    >>> from bayesrtw.model.return_to_work import ReturnToWork
    >>> rows = [{"study": s, "effect": e, "se": 0.1} for s, e in (("A", 0.1), ("B", 0.2))]
    >>> rows += [{"study": "C", "events_t": 40, "n_t": 66, "events_c": 30, "n_c": 68, "at": 182}]
    >>> terms = (brw.Intercept(brw.prior.Normal(0, 0.5)), brw.Exchangeable(brw.prior.HalfNormal(0.25)))
    >>> model = brw.Model(terms=terms, likelihood=ReturnToWork())
    >>> found = agreement(model, brw.Evidence.from_returns(pd.DataFrame(rows)))
    >>> found["rows"].to_dict()
    {'hazard ratios': 2, 'counts': 1}
    """
    if not sd > 0:
        raise SpecError(f"sd is that of a logarithm and must be positive; found {sd!r}.")
    whole = asked(model, evidence)
    told = _currencies(About(whole.model, whole.evidence))
    names = np.array([" and ".join(each) for each in told])
    kinds = [str(name) for name in dict.fromkeys(names.tolist())]
    if len(kinds) < 2:
        raise SpecError(f"all rows report {kinds[0]}: there is nothing to hold against each other.")
    rows, ends = {}, [0.5, 0.5 - ci_prob / 2, 0.5 + ci_prob / 2]
    for kind in kinds:
        own = (names == kind).astype(float)

        def moved(by: float, own: "np.ndarray" = own) -> Fitted:
            return whole.shifted(own, -by)

        found = by_setting(moved, (0.0, sd))
        rows[kind] = {"rows": int(own.sum()), **_row(found, ends)}
    frame = pd.DataFrame.from_dict(rows, orient="index").rename_axis("currency")
    of = About(whole.model, whole.evidence)
    caption = "Hazard ratio that each currency tells, as a multiple of what all others tell."
    return Answer(frame, Told(caption, of, words=of.said(_words(frame))))


def changing(
    model: Subject,
    evidence: Evidence | None = None,
    *,
    day: float,
    sd: float = PRIOR,
    ci_prob: float = 0.95,
) -> Answer:
    """Let the hazard ratio change at a day, and say what it is before and after it.

    The log hazard ratio after the day differs from that before it by delta ~ N(0, sd), the same in all
    studies; numbers at different dates, medians and days then tell of it. A reported hazard ratio is an
    average of both, weighed by who returns before and after, until the row's follow-up.

    Parameters
    ----------
    model, evidence
        As of `agreement`.
    day
        When the hazard ratio may change; days.
    sd
        SD of delta before.
    ci_prob
        Probability of the central intervals.

    Returns
    -------
    Answer
        A data frame; index `of` (before, after, after / before); columns ``median, lower, upper`` of hazard
        ratios; for the last also ``above``, ``log_bayes_factor`` and ``speaks``, as of `agreement`.

    Raises
    ------
    SpecError
        If the likelihood knows no currencies, there is no pooled mean, or `day` or `sd` is not positive.
    """
    if not (day > 0 and sd > 0 and math.isfinite(day)):
        raise SpecError(f"day and sd must be positive; found {day!r} and {sd!r}.")
    own = _pooled(model, evidence)

    def refit(later: float) -> Fitted:
        likelihood = replace(own.model.likelihood, change=day, later=later)  # type: ignore[type-var]
        return solve(replace(own.model, likelihood=likelihood), own.evidence)

    found, ends = by_setting(refit, (0.0, sd)), [0.5, 0.5 - ci_prob / 2, 0.5 + ci_prob / 2]
    before = found.mixed(lambda fit, _: fit.posterior.pooled)
    after = found.mixed(lambda fit, later: fit.posterior.pooled.moved(later))
    rows = {
        name: dict(zip(("median", "lower", "upper"), np.exp(each.quantile(ends)), strict=True))
        for name, each in (("before", before), ("after", after))
    }
    rows["after / before"] = _row(found, ends)
    frame = pd.DataFrame.from_dict(rows, orient="index").rename_axis("of")
    caption = f"Pooled hazard ratio before and after day {day:g}."
    told = frame.loc["after / before"]
    words = (
        f"Before day {day:g} {_ratio(frame.loc['before'])}, after it {_ratio(frame.loc['after'])}; after "
        f"divided by before {_ratio(told)}. "
        + (
            "Hazards are not proportional: one hazard ratio translates these numbers badly."
            if told["speaks"]
            else "Nothing here says that hazards are not proportional; few studies say little of it."
        )
    )
    return Answer(frame, Told(caption, own, words=own.said(words)))


def pooled_shape(
    model: Subject,
    evidence: Evidence | None = None,
    *,
    between: float = 0.25,
    ci_prob: float = 0.95,
) -> Answer:
    """Pool the shape of the curves over studies in part: say what it is, and what that does to the effect.

    Studies have log shapes around a mean that is not known: the mean has the likelihood's prior `shape`, and
    studies differ from it by an SD `between`. Control groups that tell their curve (medians with quartiles,
    people back at several dates) then say how numbers of others are to be read.

    Parameters
    ----------
    model, evidence
        As of `agreement`.
    between
        SD of log shapes between studies.
    ci_prob
        Probability of the central intervals.

    Returns
    -------
    Answer
        A data frame; index `of` (shape, mean effect); columns ``median, lower, upper`` (the effect as a
        hazard ratio), and those before, with shapes that studies do not share: ``apart_median, apart_lower,
        apart_upper`` (of the shape: its prior).

    Raises
    ------
    SpecError
        As `changing`, and if `between` is not positive.
    """
    if not (between > 0 and math.isfinite(between)):
        raise SpecError(f"between is an SD and must be positive; found {between!r}.")
    own = _pooled(model, evidence)
    likelihood: Any = own.model.likelihood
    ends = np.array([0.5, 0.5 - ci_prob / 2, 0.5 + ci_prob / 2])
    both, one = (
        solve(
            replace(own.model, likelihood=replace(likelihood, between=each)), own.evidence
        ).posterior
        for each in (between, None)
    )
    effect, apart = both.pooled, one.pooled
    table = np.exp([
        [*both.hyper["log_shape"].quantile(ends), *likelihood.shape.ppf(ends)],
        [*effect.quantile(ends), *apart.quantile(ends)],
    ])  # fmt: skip
    names = ["median", "lower", "upper"]
    frame = pd.DataFrame(
        table,
        pd.Index(["shape", "mean effect"], name="of"),
        [*names, *(f"apart_{name}" for name in names)],
    )
    shape, pooled = frame.loc["shape"], frame.loc["mean effect"]
    words = (
        f"Shape of the curves {_ratio(shape)}, studies apart by an SD of {between:g} on the log scale; the "
        f"pooled hazard ratio is {_ratio(pooled)}, and {pooled['apart_median']:.2f} "
        f"({pooled['apart_lower']:.2f} to {pooled['apart_upper']:.2f}) where each study's shape is its own."
    )
    return Answer(
        frame, Told("Shapes of curves, pooled over studies in part.", own, words=own.said(words))
    )


def _pooled(model: Subject, evidence: Evidence | None) -> About:
    """Take what is pooled in currencies, around a mean."""
    own = about(model, evidence)
    _currencies(own)
    if not own.model.has_mean:
        raise SpecError("the model has no intercept, so there is no pooled mean; add one.")
    return own


def _currencies(own: About) -> list[tuple[str, ...]]:
    """Give what each row reports."""
    speaks = own.model.likelihood.offers.speaks
    if speaks is None:
        raise SpecError(
            "rows are not read in currencies: use the likelihood 'return_to_work', with evidence of "
            "Evidence.from_returns or on_one_scale."
        )
    return speaks.currencies(own.evidence)


def _row(found: BySetting, ends: list[float]) -> dict[str, object]:
    """Give a factor, and what says that there is one."""
    middle, low, high = np.exp(found.quantile(ends)).tolist()
    above = found.above(0.0)
    return {
        "median": middle, "lower": low, "upper": high, "above": above,
        "log_bayes_factor": found.log_bayes_factor, "speaks": not SPEAKS <= above <= 1.0 - SPEAKS,
    }  # fmt: skip


def _ratio(row: Any) -> str:
    """Print a ratio with its interval."""
    return f"{row['median']:.2f} ({row['lower']:.2f} to {row['upper']:.2f})"


def _words(frame: pd.DataFrame) -> str:
    """Say which currencies stand apart."""
    apart = frame[frame["speaks"].astype(bool)]
    if apart.empty:
        return "No currency tells another hazard ratio than the rest; few rows say little of it."
    each = "; ".join(
        f"{name}: {_ratio(row)} times that of the rest (P above 1 {spell_probability(row['above'])})"
        for name, row in apart.iterrows()
    )
    return f"Currencies that tell another hazard ratio: {each}."
