"""How much a result hangs on single studies and on the prior of heterogeneity.

Every question is a set of refits. Models with one heterogeneity SD and independent estimates go
through one batched call; others are integrated one by one. Nothing is sampled.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from bayesrtw.engine import mixture
from bayesrtw.engine.batch import Batch, Solved, batch_of, prior_panel, settle
from bayesrtw.engine.exact import improper
from bayesrtw.engine.integrate import MARGIN, integrate, moment_order, pruned, tail_power
from bayesrtw.engine.problem import pose
from bayesrtw.errors import EngineRefusal, SpecError
from bayesrtw.evidence.dependence import assumed_correlation
from bayesrtw.evidence.table import Evidence
from bayesrtw.model.design import Design, build
from bayesrtw.model.heterogeneity import Exchangeable
from bayesrtw.model.prior import Prior
from bayesrtw.model.spec import Model, check
from bayesrtw.registry import suggestion

if TYPE_CHECKING:
    import pandas as pd

Array = NDArray[np.float64]

#: Nodes to begin with, and the movement that ends it, where problems are integrated one by one.
START, TOLERANCE = 64, 1e-8

#: Figures of one set of rows, in the order of a table.
FIGURES = (
    "mean",
    "sd",
    "median",
    "lower",
    "upper",
    "probability",
    "new_lower",
    "new_upper",
    "tau",
    "log_evidence",
)


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
        probability`` (of benefit) on the analysis scale, ``tau`` (posterior mean of the SD of a new setting),
        ``log_evidence``, and ``elpd``: the exact log predictive density of what was left out given
        the rest, log p(y) - log p(y without it).

    Raises
    ------
    SpecError
        If the model has no intercept or the column does not exist.
    """
    if by not in evidence.data:
        have = [str(name) for name in evidence.data.data_vars]
        raise SpecError(f"by is {by!r}; {suggestion(by, have)}")
    key = evidence.data[by].to_numpy().astype(str)
    values = [value for value in dict.fromkeys(key.tolist()) if value and not np.all(key == value)]
    masks = np.array([np.ones(len(key), dtype=bool), *(key != value for value in values)])
    frame = _pooled_masks(model, evidence, masks, ci_prob)
    frame.index = _index(["none left out", *values], "left_out")
    whole = frame["log_evidence"].iloc[0]
    frame["elpd"] = whole - frame["log_evidence"]
    frame.loc["none left out", "elpd"] = np.nan
    return frame


def cumulative(
    model: Model, evidence: Evidence, *, by: str = "year", ci_prob: float = 0.95
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
    frame = _pooled_masks(model, evidence, np.array(masks), ci_prob)
    frame.index = _index(names, by)
    frame["estimates"] = [int(mask.sum()) for mask in masks]
    return frame


def prior_sensitivity(
    model: Model, evidence: Evidence, priors: Mapping[str, Prior], *, ci_prob: float = 0.95
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

    Returns
    -------
    DataFrame
        One row a prior, with the columns of `leave_one_out` and the interval of the effect in a new
        setting (``new_lower``, ``new_upper``).

    Raises
    ------
    SpecError
        If the model has no intercept or no exchangeable term.
    """
    check(model, evidence)
    term = between(model)
    name = next(iter(term.hyper()))
    design = build(model, evidence)
    parts = [replace(design, hyper={**design.hyper, name: tau}) for tau in priors.values()]
    frame = _frame(_panel_rows(parts, evidence, ci_prob))
    frame.index = _index(list(priors), "prior")
    return frame


def correlation_sweep(
    model: Model,
    evidence: Evidence,
    *,
    by: str = "study",
    rhos: Sequence[float] = (0.0, 0.2, 0.4, 0.6, 0.8),
    ci_prob: float = 0.95,
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
    rows = []
    for rho in rhos:
        other = assumed_correlation(evidence, by=by, rho=rho)
        rows.append(_one(build(model, other), other, ci_prob))
    frame = _frame(rows)
    frame.index = _index([f"{rho:g}" for rho in rhos], "rho")
    return frame


def between(model: Model) -> Exchangeable:
    """Give the term whose SD is the heterogeneity between studies.

    Parameters
    ----------
    model
        A model with at least one exchangeable term.

    Returns
    -------
    Exchangeable
        The first with groups; without any, the one for estimates.

    Raises
    ------
    SpecError
        If there is none.
    """
    spread = [term for term in model.terms if isinstance(term, Exchangeable)]
    if not spread:
        raise SpecError("a panel of priors of heterogeneity needs an exchangeable term.")
    return next((term for term in spread if term.by), spread[0])


def _panel_rows(parts: list[Design], evidence: Evidence, ci_prob: float) -> list[dict[str, Any]]:
    """Pool designs that differ in the prior of heterogeneity; those of one kind in one call."""
    for part in parts:
        reason = improper(part)
        if reason is not None:
            raise EngineRefusal(reason)
    found = [_batch(part) for part in parts]
    batches = [batch for batch in found if batch is not None]
    if len(batches) < len(parts):
        return [_one(part, evidence, ci_prob) for part in parts]
    kinds: dict[tuple[bool, float], list[int]] = {}
    for place, batch in enumerate(batches):
        kinds.setdefault((batch.bounded, batch.upper), []).append(place)
    rows: list[dict[str, Any]] = [{} for _ in parts]
    for places in kinds.values():
        first = batches[places[0]]
        log_prior, _ = prior_panel([next(iter(parts[place].hyper.values())) for place in places])
        moment = np.array([int(batches[place].moment) for place in places])
        solved = settle(replace(first, log_prior=log_prior, moment=moment), TOLERANCE)
        for place, row in zip(
            places, _rows(solved, parts[places[0]], evidence, ci_prob), strict=True
        ):
            _blank(row, parts[place])
            rows[place] = row
    return rows


def _pooled_masks(
    model: Model, evidence: Evidence, masks: NDArray[np.bool_], ci_prob: float
) -> "pd.DataFrame":
    """Pool the rows of each mask under the whole design, in one call where that can be."""
    check(model, evidence)
    design = build(model, evidence)
    parts = [masked(design, mask) for mask in masks]
    usable = [improper(part) is None for part in parts]
    batch = _batch(design)
    if batch is not None and any(usable):
        kept = [part for part, use in zip(parts, usable, strict=True) if use]
        moment = np.array([moment_order(part) for part in kept])
        solved = settle(replace(batch, mask=masks[usable], moment=moment), TOLERANCE)
        done = iter(_rows(solved, design, evidence, ci_prob))
        rows = [next(done) if use else {} for use in usable]
    else:
        rows = [
            _one(part, evidence, ci_prob) if use else {}
            for part, use in zip(parts, usable, strict=True)
        ]
    for row, part in zip(rows, parts, strict=True):
        _blank(row, part)
    return _frame(rows)


def _batch(design: Design) -> Batch | None:
    """Give the design as a batch; None where it has to be integrated by itself."""
    try:
        return batch_of(design)
    except EngineRefusal:
        return None


def masked(design: Design, keep: NDArray[np.bool_]) -> Design:
    """Take rows of a design, with its columns, levels and centring as they are.

    Parameters
    ----------
    design
        The whole design.
    keep
        Which estimates stay, shape (estimate,).

    Returns
    -------
    Design
        The kept rows; a level that none of them has is known from its prior alone.
    """
    place = np.cumsum(keep) - 1
    grouped = []
    for part in design.grouped:
        group = np.unique(part.group[keep], return_inverse=True)[1]
        grouped.append(
            replace(part, group=np.asarray(group, dtype=np.intp), which=part.which[keep])
        )
    blocks = []
    for block in design.blocks:
        stays = keep[block.rows]
        if stays.sum() > 1:
            rows = np.asarray(place[block.rows[stays]], dtype=np.intp)
            blocks.append(
                replace(block, rows=rows, covariance=block.covariance[np.ix_(stays, stays)])
            )
    return replace(
        design,
        effect=design.effect[keep],
        se=design.se[keep],
        columns=design.columns[keep],
        grouped=tuple(grouped),
        labels=design.labels[keep],
        studies=design.studies[keep],
        levels={column: levels[keep] for column, levels in design.levels.items()},
        blocks=tuple(blocks),
        excess=None if design.excess is None else design.excess[keep],
    )


def _blank(row: dict[str, Any], design: Design) -> None:
    """Empty the figures that do not exist: of an improper posterior all, of a heavy tail moments."""
    for name in FIGURES:
        row.setdefault(name, math.nan)
    tail = tail_power(design)
    flat = np.any(design.quantities["mu"].combine[:, design.flat] != 0)
    if tail <= 2 + MARGIN:
        row["tau"] = math.nan
        row["mean"] = math.nan if flat else row["mean"]
    if tail <= 3 + MARGIN and flat:
        row["sd"] = math.nan


def _combine(design: Design) -> Array:
    if "mu" not in design.quantities:
        raise SpecError("the model has no intercept, so there is no pooled mean; add one.")
    return np.asarray(design.quantities["mu"].combine[0])


def _rows(
    solved: Solved, design: Design, evidence: Evidence, ci_prob: float
) -> list[dict[str, Any]]:
    combine = _combine(design)
    pooled, new = solved.mixture(combine), solved.mixture(combine, new=True)
    table = {
        **_figures(pooled, evidence, ci_prob),
        "new_lower": mixture.quantile(0.5 - ci_prob / 2, *new),
        "new_upper": mixture.quantile(0.5 + ci_prob / 2, *new),
        "tau": np.sum(solved.weight * solved.tau, axis=-1),
        "log_evidence": solved.log_evidence,
    }
    return [
        {name: float(values[row]) for name, values in table.items()}
        for row in range(len(solved.log_evidence))
    ]


def _figures(
    parts: tuple[Array, Array, Array], evidence: Evidence, ci_prob: float
) -> dict[str, Array]:
    mean, sd = mixture.moments(*parts)
    below = mixture.cdf(np.zeros(len(mean)), *parts)
    return {
        "mean": mean,
        "sd": sd,
        "median": mixture.quantile(0.5, *parts),
        "lower": mixture.quantile(0.5 - ci_prob / 2, *parts),
        "upper": mixture.quantile(0.5 + ci_prob / 2, *parts),
        "probability": 1.0 - below if evidence.benefit == "higher" else below,
    }


def _one(design: Design, evidence: Evidence, ci_prob: float) -> dict[str, Any]:
    """Pool one design by itself."""
    combine = _combine(design)
    reason = improper(design)
    if reason is not None:
        raise EngineRefusal(reason)
    problem = pose(design)
    found = integrate(problem, START, TOLERANCE)
    normals = problem.normals(*pruned(found.nodes))
    values, weight, given = normals.hyper, normals.weight, normals.given
    mean = (given.mean @ combine)[:, None]
    variance = np.einsum("nij,i,j->n", given.covariance, combine, combine)
    spread = np.zeros(len(weight))
    at = dict(zip(problem.names, values, strict=True))
    for part in design.grouped:
        if part.hyper and part.new is not None:
            spread = spread + at[part.hyper[part.new]] ** 2
    figures = _figures((weight, mean, np.sqrt(variance)[:, None]), evidence, ci_prob)
    new = (weight, mean, np.sqrt(variance + spread)[:, None])
    row = {
        **{name: float(value[0]) for name, value in figures.items()},
        "new_lower": float(mixture.quantile(0.5 - ci_prob / 2, *new)[0]),
        "new_upper": float(mixture.quantile(0.5 + ci_prob / 2, *new)[0]),
        "tau": float(weight @ np.sqrt(spread)),
        "log_evidence": float(found.nodes.log_total),
    }
    _blank(row, design)
    return row


def _frame(rows: list[dict[str, Any]]) -> "pd.DataFrame":
    import pandas as pd  # noqa: PLC0415

    return pd.DataFrame(rows)


def _index(names: Sequence[object], name: str) -> Any:
    import pandas as pd  # noqa: PLC0415

    return pd.Index([str(value) for value in names], name=name)
