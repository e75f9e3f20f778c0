"""How a result moves with the rows, the prior of heterogeneity and assumed correlations.

Every question is a set of exact refits (`bayesrtw.question.pool`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from bayesrtw.engine.shared import Common
from bayesrtw.errors import SpecError, shown
from bayesrtw.evidence.dependence import assumed_correlation
from bayesrtw.evidence.table import Evidence
from bayesrtw.model.design import Design, build
from bayesrtw.model.prior import Prior
from bayesrtw.model.spec import Model, check
from bayesrtw.question.pool import Pooled, masked, pool, pool_priors, pool_rows, table
from bayesrtw.registry import suggestion

if TYPE_CHECKING:
    import pandas as pd


def leave_one_out(
    model: Model, evidence: Evidence, *, by: str = "study", ci_prob: float = 0.95
) -> "pd.DataFrame":
    """Pool again without each study, or each family of studies.

    The design stays that of all rows: covariates keep their centre and moderators their levels, so
    that the pooled mean means the same in every row. A row whose posterior would be improper is empty.

    Parameters
    ----------
    model, evidence
        What is pooled; the model has an intercept.
    by
        Column whose equal values are left out together, e.g. ``study`` or ``trial_family``.
    ci_prob
        Probability of the central interval.

    Returns
    -------
    DataFrame
        First row ``none left out``, then one row a value: pooled ``mean, sd, median, lower, upper,
        probability`` (of benefit) and ``harm`` on the analysis scale, ``tau`` (posterior mean of the
        SD of a new setting),
        ``log_evidence``, and ``elpd``: the exact log predictive density of what was left out given
        the rest, log p(y) - log p(y without it).

    Raises
    ------
    SpecError
        If the model has no intercept or the column does not exist.
    """
    return leave_out(model, evidence, by=by, ci_prob=ci_prob).table


@dataclass(frozen=True, slots=True, eq=False)
class LeftOut:
    """What is pooled without each value of a column.

    Attributes
    ----------
    table
        See `leave_one_out`.
    pooled
        The posterior behind each row of the table; None where it would be improper.
    masks
        The estimates that each row has, shape (row, estimate).
    design
        The whole design.
    """

    table: "pd.DataFrame"
    pooled: tuple[Pooled | None, ...]
    masks: NDArray[np.bool_]
    design: Design


def leave_out(
    model: Model,
    evidence: Evidence,
    *,
    by: str = "study",
    only: Sequence[str] | None = None,
    ci_prob: float = 0.95,
    threshold: float = 0.0,
    base: Common | None = None,
) -> LeftOut:
    """Pool again without each value of a column, and keep the posteriors.

    Parameters
    ----------
    model, evidence, by, ci_prob
        See `leave_one_out`.
    only
        The values that are left out; all unless given.
    threshold
        Size of an effect beyond which benefit counts; 0 is no effect.
    base
        Nodes of the model and evidence, where they are laid already.

    Returns
    -------
    LeftOut
        Table and posteriors.

    Raises
    ------
    SpecError
        If the model has no intercept or the column does not exist.
    """
    if by not in evidence.data:
        have = [str(name) for name in evidence.data.data_vars]
        raise SpecError(f"by is {by!r}; {suggestion(by, have)}")
    key = evidence.data[by].to_numpy().astype(str)
    if evidence.data[by].dtype != object:
        key[key == "nan"] = ""
    values = [value for value in dict.fromkeys(key.tolist()) if value and not np.all(key == value)]
    values = [value for value in values if only is None or value in only]
    masks = np.array([np.ones(len(key), dtype=bool), *(key != value for value in values)])
    check(model, evidence)
    design = build(model, evidence)
    pooled = pool_rows(design, masks, base)
    frame = table(
        pooled,
        [masked(design, mask) for mask in masks],
        higher=evidence.benefit == "higher",
        ci_prob=ci_prob,
        threshold=threshold,
    )
    frame.index = _index(["none left out", *values], "left_out")
    frame["elpd"] = frame["log_evidence"].iloc[0] - frame["log_evidence"]
    frame.loc["none left out", "elpd"] = np.nan
    return LeftOut(frame, tuple(pooled), masks, design)


def cumulative(
    model: Model,
    evidence: Evidence,
    *,
    by: str = "year",
    ci_prob: float = 0.95,
    threshold: float = 0.0,
    base: Common | None = None,
) -> "pd.DataFrame":
    """Pool what was known at each step of a numeric column, most often the year.

    Parameters
    ----------
    model, evidence
        What is pooled; the model has an intercept.
    by
        A numeric column; rows where it is empty come last.
    ci_prob
        Probability of the central interval.
    threshold
        Size of an effect beyond which benefit counts; 0 is no effect.
    base
        Nodes of the model and evidence, where they are laid already.

    Returns
    -------
    DataFrame
        One row a step, with the columns of `leave_one_out` and ``estimates``, the number pooled.

    Raises
    ------
    SpecError
        If the model has no intercept, or the column does not exist or holds text.
    """
    if by not in evidence.data or evidence.data[by].dtype == object:
        have = [str(n) for n in evidence.data.data_vars if evidence.data[n].dtype != object]
        raise SpecError(f"by is {by!r}; a numeric column is needed. {suggestion(by, have)}")
    times = np.asarray(evidence.data[by].to_numpy(), dtype=np.float64)
    steps = np.unique(times[np.isfinite(times)])
    masks = [times <= step for step in steps]
    names: list[object] = [f"{step:g}" for step in steps]
    if not np.all(np.isfinite(times)):
        masks.append(np.ones(len(times), dtype=bool))
        names.append("and those without")
    check(model, evidence)
    design = build(model, evidence)
    frame = table(
        pool_rows(design, np.array(masks), base),
        [masked(design, mask) for mask in masks],
        higher=evidence.benefit == "higher",
        ci_prob=ci_prob,
        threshold=threshold,
    )
    frame.index = _index(names, by)
    frame["estimates"] = [int(mask.sum()) for mask in masks]
    return frame


def prior_sensitivity(
    model: Model,
    evidence: Evidence,
    priors: Mapping[str, Prior],
    *,
    ci_prob: float = 0.95,
    threshold: float = 0.0,
    base: Common | None = None,
) -> "pd.DataFrame":
    """Pool under each of several priors of the heterogeneity SD.

    Parameters
    ----------
    model, evidence
        What is pooled; the model has an intercept and an exchangeable term.
    priors
        Name to prior of the heterogeneity SD, that between groups where the model has several.
    ci_prob
        Probability of the central interval.
    threshold
        Size of an effect beyond which benefit counts; 0 is no effect.
    base
        Nodes of the model and evidence, where they are laid already.

    Returns
    -------
    DataFrame
        One row a prior, with the columns of `leave_one_out` and the interval of the effect in a new
        setting (``new_lower``, ``new_upper``).

    Raises
    ------
    SpecError
        If the model has no pooled mean, or no heterogeneity SD of all studies.
    """
    check(model, evidence)
    name = between(model)
    design = build(model, evidence)
    parts = [replace(design, hyper={**design.hyper, name: tau}) for tau in priors.values()]
    frame = table(
        pool_priors(parts, base),
        parts,
        higher=evidence.benefit == "higher",
        ci_prob=ci_prob,
        threshold=threshold,
    )
    frame.index = _index(list(priors), "prior")
    return frame


def correlation_sweep(
    model: Model,
    evidence: Evidence,
    *,
    by: str = "study",
    rhos: Sequence[float] = (0.0, 0.2, 0.4, 0.6, 0.8),
    ci_prob: float = 0.95,
    threshold: float = 0.0,
    base: Common | None = None,
) -> "pd.DataFrame":
    """Pool under several assumed correlations of estimates of the same people.

    Parameters
    ----------
    model, evidence
        What is pooled; the model has an intercept.
    by
        Column whose equal values mark the same people.
    rhos
        Correlations in [0, 1).
    ci_prob
        Probability of the central interval.
    threshold
        Size of an effect beyond which benefit counts; 0 is no effect.
    base
        Nodes of the model and evidence, where they are laid already.

    Returns
    -------
    DataFrame
        One row a correlation, with the columns of `leave_one_out`.

    Raises
    ------
    EvidenceError
        If the column does not exist or a correlation is out of range.
    """
    check(model, evidence)
    parts = [build(model, assumed_correlation(evidence, by=by, rho=rho)) for rho in rhos]
    frame = table(
        [pool(part, base) for part in parts],
        parts,
        higher=evidence.benefit == "higher",
        ci_prob=ci_prob,
        threshold=threshold,
    )
    frame.index = _index([f"{rho:g}" for rho in rhos], "rho")
    return frame


def between(model: Model) -> str:
    """Name the SD between studies whose prior is varied; raises SpecError where there is none."""
    if model.between is None:
        raise SpecError(
            "a panel of priors of heterogeneity needs one SD for all studies; the model has "
            f"{shown(model.spreads) if model.spreads else 'none'}."
        )
    return model.between


def _index(names: Sequence[object], name: str) -> Any:
    import pandas as pd  # noqa: PLC0415

    return pd.Index([str(value) for value in names], name=name)
