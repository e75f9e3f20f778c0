"""How a result moves with the rows, the priors and assumed correlations.

Every question is a set of neighbours of a fit (`bayesrtw.engine.fitted`).
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from bayesrtw.engine.fitted import Fitted
from bayesrtw.errors import SpecError
from bayesrtw.evidence.dependence import assumed_correlation
from bayesrtw.evidence.table import Evidence
from bayesrtw.model.contract import Prior
from bayesrtw.model.levels import empty_levels
from bayesrtw.question.answer import Answer, answered
from bayesrtw.question.asked import Subject, asked, size_of
from bayesrtw.question.table import table
from bayesrtw.registry import suggestion

if TYPE_CHECKING:
    import pandas as pd


def leave_one_out(
    model: Subject,
    evidence: Evidence | None = None,
    *,
    by: str = "study",
    ci_prob: float = 0.95,
    threshold: float = 0.0,
    threshold_ratio: float | None = None,
) -> Answer:
    """Pool again without each study, or each family of studies.

    The design stays that of all rows: covariates keep their centre and moderators their levels, so
    that `mu` means the same in every row. In `mu_studies` each study that is left counts once. A level with
    no study left has its prior's mean, which `mu` then holds. Parts that stand open are those of all rows,
    too: where single arms are left out and not whole studies, arms that stay may have what a model of these
    rows alone would take to be alike in all of them. A row whose posterior would be improper is empty.

    Parameters
    ----------
    model, evidence
        What is pooled, a model with rows or a synthesis; the model has a pooled mean.
    by
        Column whose equal values are left out together, e.g. ``study`` or ``trial_family``.
    ci_prob
        Probability of the central interval.
    threshold
        Size of an effect beyond which benefit counts, analysis scale; 0 is no effect.
    threshold_ratio
        The same as a ratio, of either side: 0.8 and 1.25 are one size.

    Returns
    -------
    Answer
        A data frame with its picture.
        First row ``none left out``, then one row a value: pooled ``mean, sd, median, lower, upper,
        probability`` (of benefit) and ``harm`` on the analysis scale (of an effect above no effect,
        and no ``harm``, where nobody stated which effects are good), ``tau`` (posterior mean of the SD
        of a new setting), ``log_evidence``, and ``elpd``: the exact log predictive density of what was
        left out given the rest, log p(y) - log p(y without it). Where a moderator has levels,
        ``empty_levels`` names those that have no study left, e.g. ``comparison[vocational]``; empty text
        where all have one.

    Raises
    ------
    SpecError
        If the model has no intercept or the column does not exist.
    EngineRefusal
        If the model gives no neighbours; the message says what stands in the way.
    """
    whole = asked(model, evidence)
    size = size_of(threshold, threshold_ratio, whole.evidence.measure)
    return answered(
        leave_out(whole, by=by, ci_prob=ci_prob, threshold=size).table,
        whole,
        f"Pooled effect without each {by.replace('_', ' ')}, {100 * ci_prob:g} % intervals",
        picture="leave_one_out",
        options={"ci_prob": ci_prob},
    )


@dataclass(frozen=True, slots=True, eq=False)
class EachLeftOut:
    """What is pooled without each value of a column."""

    table: "pd.DataFrame"  #: See `leave_one_out`.
    #: The fit behind each row of the table; None where it would be improper.
    near: "tuple[Fitted | None, ...]"
    masks: NDArray[np.bool_]  #: The estimates that each row lacks, shape (row, estimate).
    whole: Fitted  #: The fit of all rows.


def leave_out(
    whole: Fitted,
    *,
    by: str = "study",
    only: Sequence[str] | None = None,
    ci_prob: float = 0.95,
    threshold: float = 0.0,
) -> EachLeftOut:
    """Pool again without each value of a column, or `only` some, and keep the fits."""
    key = keys(whole.evidence, by)
    values = [value for value in dict.fromkeys(key.tolist()) if value and not np.all(key == value)]
    values = [value for value in values if only is None or value in only]
    masks = [np.zeros(len(key), dtype=bool), *(key == value for value in values)]
    near = tuple(whole.without(masks))
    frame = refits(whole, near, ci_prob, threshold)
    frame.index = _index(["none left out", *values], "left_out")
    frame["elpd"] = frame["log_evidence"].iloc[0] - frame["log_evidence"]
    frame.loc["none left out", "elpd"] = np.nan
    return EachLeftOut(frame, near, np.array(masks), whole)


def keys(evidence: Evidence, by: str) -> NDArray[np.str_]:
    """Give the values of a column as text, empty where there is none; SpecError without the column."""
    if by not in evidence.data:
        have = [str(name) for name in evidence.data.data_vars]
        raise SpecError(f"by is {by!r}; {suggestion(by, have)}")
    key = evidence.data[by].to_numpy().astype(str)
    if evidence.data[by].dtype != object:
        key[key == "nan"] = ""
    return key


def cumulative(
    model: Subject,
    evidence: Evidence | None = None,
    *,
    by: str = "year",
    ci_prob: float = 0.95,
    threshold: float = 0.0,
    threshold_ratio: float | None = None,
) -> Answer:
    """Pool what was known at each step of a numeric column, most often the year.

    Parameters
    ----------
    model, evidence
        What is pooled, a model with rows or a synthesis; the model has a pooled mean.
    by
        A numeric column; rows where it is empty come last.
    ci_prob
        Probability of the central interval.
    threshold
        Size of an effect beyond which benefit counts, analysis scale; 0 is no effect.
    threshold_ratio
        The same as a ratio, of either side: 0.8 and 1.25 are one size.

    Returns
    -------
    Answer
        A data frame with its picture.
        One row a step, with the columns of `leave_one_out` and ``estimates``, the number pooled.

    Raises
    ------
    SpecError
        If the model has no intercept, or the column does not exist or holds text.
    """
    whole = asked(model, evidence)
    size = size_of(threshold, threshold_ratio, whole.evidence.measure)
    data = whole.evidence.data
    if by not in data or data[by].dtype == object:
        have = [str(n) for n in data.data_vars if data[n].dtype != object]
        raise SpecError(f"by is {by!r}; a numeric column is needed. {suggestion(by, have)}")
    times = np.asarray(data[by].to_numpy(), dtype=np.float64)
    steps = np.unique(times[np.isfinite(times)])
    masks = [~(times <= step) for step in steps]
    names: list[object] = [f"{step:g}" for step in steps]
    if not np.all(np.isfinite(times)):
        masks.append(np.zeros(len(times), dtype=bool))
        names.append("and those without")
    frame = refits(whole, whole.without(masks), ci_prob, size)
    frame.index = _index(names, by)
    frame["estimates"] = [int((~mask).sum()) for mask in masks]
    caption = f"Pooled effect up to each {by.replace('_', ' ')}, {100 * ci_prob:g} % intervals"
    return answered(frame, whole, caption, picture="cumulative", options={"ci_prob": ci_prob})


def prior_sensitivity(
    model: Subject,
    evidence: Evidence | None = None,
    priors: Mapping[str, Prior] | None = None,
    *,
    name: str = "",
    ci_prob: float = 0.95,
    threshold: float = 0.0,
    threshold_ratio: float | None = None,
) -> Answer:
    """Pool under each of several priors of one SD, of the pooled mean, or of another coefficient.

    Parameters
    ----------
    model, evidence
        What is pooled, a model with rows or a synthesis; the model has a pooled mean.
    priors
        Name to prior, as the rows of the table are called.
    name
        What they are priors of: a hyperparameter, ``mu``, or the name of a moderator or bias. The SD of
        effects whose priors move the pooled mean most, unless given.
    ci_prob
        Probability of the central interval.
    threshold
        Size of an effect beyond which benefit counts, analysis scale; 0 is no effect.
    threshold_ratio
        The same as a ratio, of either side: 0.8 and 1.25 are one size.

    Returns
    -------
    Answer
        A data frame with its picture.
        One row a prior, with the columns of `leave_one_out` and the interval of the effect in a new
        setting (``new_lower``, ``new_upper``); ``attrs["prior_of"]`` is `name`.

    Raises
    ------
    SpecError
        If the model has no pooled mean, no SD of effects, no prior of that name, or no priors are given.
    """
    whole = asked(model, evidence)
    size = size_of(threshold, threshold_ratio, whole.evidence.measure)
    if not priors:
        raise SpecError(
            "no priors are given; name those to be tried, e.g. "
            'priors={"narrow": HalfNormal(0.1), "wide": HalfNormal(1.0)}.'
        )
    names = [name] if name else list(whole.model.spreads)
    if not names:
        raise SpecError(
            "a panel of priors of heterogeneity needs an SD of effects; the model has none."
        )
    frames = [vary_prior(whole, each, priors, ci_prob=ci_prob, threshold=size) for each in names]
    found = max(frames, key=moved)
    of = str(found.attrs["prior_of"])
    named = {"mu": "the mean"}
    if whole.model.spreads == (of,):
        named[of] = "heterogeneity"
    return answered(
        found,
        whole,
        f"Pooled effect under priors of {of}, {100 * ci_prob:g} % intervals",
        picture="prior_panel",
        options={"ci_prob": ci_prob, "of": named.get(of, of)},
    )


def vary_prior(
    whole: Fitted,
    name: str,
    priors: Mapping[str, Prior],
    *,
    ci_prob: float = 0.95,
    threshold: float = 0.0,
) -> "pd.DataFrame":
    """Pool under several priors of what is called `name`; see `prior_sensitivity`."""
    near = whole.under([{name: prior} for prior in priors.values()])
    frame = refits(whole, near, ci_prob, threshold)
    frame.index = _index(list(priors), "prior")
    frame.attrs["prior_of"] = name
    return frame


def moved(frame: "pd.DataFrame") -> float:
    """Say how far priors move a result: the range of its limits, in widths of its interval."""
    ends = frame[["lower", "upper", "new_lower", "new_upper"]].to_numpy(dtype=np.float64)
    spread = np.nanmax(ends, axis=0) - np.nanmin(ends, axis=0) if len(ends) else np.zeros(4)
    width = np.nanmedian(ends[:, 1] - ends[:, 0]) if len(ends) else 1.0
    return float(np.max(spread[:2]) / width)


def correlation_sweep(
    model: Subject,
    evidence: Evidence | None = None,
    *,
    by: str = "study",
    rhos: Sequence[float] = (0.0, 0.2, 0.4, 0.6, 0.8),
    ci_prob: float = 0.95,
    threshold: float = 0.0,
    threshold_ratio: float | None = None,
) -> "pd.DataFrame":
    """Pool under several assumed correlations of estimates of the same people."""
    whole = asked(model, evidence)
    size = size_of(threshold, threshold_ratio, whole.evidence.measure)
    rows = (assumed_correlation(whole.evidence, by=by, rho=rho) for rho in rhos)
    near = [whole.beside(whole.model, each) for each in rows]
    frame = refits(whole, near, ci_prob, size)
    frame.index = _index([f"{rho:g}" for rho in rhos], "rho")
    return frame


def refits(
    whole: Fitted, near: "Sequence[Fitted | None]", ci_prob: float, threshold: float
) -> "pd.DataFrame":
    """Put fits into rows, and say beside each which levels have no study left."""
    found = table(
        [None if one is None else one.posterior for one in near],
        higher=whole.evidence.benefit != "lower",
        ci_prob=ci_prob,
        threshold=threshold,
    )
    if whole.evidence.measure.groups == 1:
        found["probability"] = math.nan
    if not whole.evidence.direction.benefit:
        found = found.drop(columns="harm")
    asked = whole.model.moderators
    if any(each.shape == "levels" for each in asked):
        found["empty_levels"] = [
            "" if one is None else ", ".join(empty_levels(asked, whole.evidence, one.kept))
            for one in near
        ]
    return found


def _index(names: Sequence[object], name: str) -> Any:
    import pandas as pd  # noqa: PLC0415

    return pd.Index([str(value) for value in names], name=name)
