"""Predictive checks: what the other studies, and what the priors alone, expect of every estimate.

Nothing is simulated. Given the hyperparameters a prediction is normal, so that it is a mixture of normals
over the nodes, and the tail beyond what was observed is read off it.
"""

import math
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

from bayesrtw.engine.exact import improper
from bayesrtw.engine.integrate import integrate
from bayesrtw.engine.kernel import smooth
from bayesrtw.engine.problem import pose
from bayesrtw.engine.shared import Common
from bayesrtw.errors import SpecError
from bayesrtw.evidence.table import Evidence
from bayesrtw.model.design import Design, build
from bayesrtw.model.spec import Model, check
from bayesrtw.posterior import mixture
from bayesrtw.question.pool import START, TOLERANCE, masked, shared_by
from bayesrtw.registry import suggestion

if TYPE_CHECKING:
    import pandas as pd

Array = NDArray[np.float64]

#: A row is taken out by a standard error this many times the largest: its weight is 1e-16 of the least
#: precise row's.
BLIND = 1e8

#: A node with less than this share says nothing about a prediction.
NEGLIGIBLE = 1e-13

#: Figures of one prediction, and those that are on the scale of the data.
FIGURES = ("expected", "lower", "upper", "pit", "tail")
SHOWN = FIGURES[:3]


def predictive_check(
    model: Model,
    evidence: Evidence,
    *,
    by: str = "study",
    ci_prob: float = 0.95,
    base: Common | None = None,
) -> "pd.DataFrame":
    """Hold every estimate against its predictive distribution.

    An estimate is predicted from the studies that it does not belong to (leave-one-out), and from the
    priors alone: moderators, groups that it shares with other studies, biases, and its own sampling error
    count. A correlation of its sampling error with other studies' does not.

    Parameters
    ----------
    model, evidence
        What is checked.
    by
        Column whose equal values do not predict each other, e.g. ``study`` or ``trial_family``.
    ci_prob
        Probability of the central predictive intervals.
    base
        Nodes of the model and evidence, where they are laid already.

    Returns
    -------
    DataFrame
        One row an estimate, analysis scale: ``study, effect, se``; ``expected`` (median), ``lower, upper,
        pit`` (predictive distribution function at the estimate) and two-sided ``tail`` given the others;
        the same from the priors with ``prior_`` before each. NaN where a prediction is improper, e.g. under
        flat priors.

    Raises
    ------
    SpecError
        If there is no such column.
    EngineRefusal
        If the exact engine cannot fit the model.

    References
    ----------
    .. [1] Marshall, E.C. and Spiegelhalter, D.J. (2007), Bayesian Analysis 2:409-444: conflict of a
       unit with the others, by cross-validation.
    .. [2] Evans, M. and Moshonov, H. (2006), Bayesian Analysis 1:893-914: conflict of prior and data.

    Examples
    --------
    >>> import bayesrtw as brw
    >>> analysis = brw.open_analysis("time-to-rtw")
    >>> rows = brw.run(analysis).evidence
    >>> found = brw.predictive_check(analysis.model, rows)
    >>> bool((found["tail"] > 0).all())
    True
    """
    import pandas as pd  # noqa: PLC0415

    if by not in evidence.data:
        have = [str(name) for name in evidence.data.data_vars]
        raise SpecError(f"by is {by!r}; {suggestion(by, have)}")
    check(model, evidence)
    design = build(model, evidence)
    base = base if base is not None else shared_by(design)
    key = evidence.data[by].to_numpy().astype(str)
    if evidence.data[by].dtype != object:
        key[key == "nan"] = ""
    count = len(key)
    found = {name: np.full(count, np.nan) for name in FIGURES}
    for value in dict.fromkeys(key.tolist()):
        rows = np.flatnonzero(key == value) if value else np.zeros(0, dtype=np.intp)
        for name, column in _predicted(design, rows, ci_prob, base).items():
            found[name][rows] = column
    for row in np.flatnonzero(key == ""):
        for name, column in _predicted(design, np.array([row]), ci_prob, base).items():
            found[name][row] = column[0]
    before = _predicted(design, np.arange(count), ci_prob, None)
    # Biases whose mean is known are taken off the data of a design: they are put back.
    effect, se = (evidence.data[name].to_numpy().astype(float) for name in ("effect", "se"))
    for each in (found, before):
        each |= {name: each[name] + effect - design.effect for name in SHOWN}
    columns = {"study": design.studies, "effect": effect, "se": se}
    columns |= found | {f"prior_{name}": column for name, column in before.items()}
    return pd.DataFrame(columns, index=pd.Index(design.labels, name="estimate"))


def chance_of_smallest(tails: Array) -> float:
    """Say how probable a smallest tail at least as small is if the model holds.

    Parameters
    ----------
    tails
        Two-sided tails, shape (estimate,); NaN is passed over.

    Returns
    -------
    float
        As if the tails were independent, ``1 - (1 - min)^n``; NaN if there are none.
    """
    known = tails[np.isfinite(tails)]
    if not len(known):
        return math.nan
    return -math.expm1(len(known) * math.log1p(-min(float(known.min()), 1.0 - 1e-16)))


def _predicted(
    design: Design, rows: NDArray[np.intp], ci_prob: float, base: Common | None
) -> dict[str, Array]:
    """Predict some rows from the others; NaN where that is improper."""
    blind = _blinded(design, rows)
    if not len(rows) or improper(_without(design, rows)) is not None:
        return {name: np.full(len(rows), np.nan) for name in FIGURES}
    problem, true = pose(blind), pose(design)
    near = base.weigh(problem) if base is not None else None
    found = (near or integrate(problem, START, TOLERANCE)).nodes
    share = np.exp(found.log_weight).reshape(-1)
    matter = share > NEGLIGIBLE * share.max()
    normals = problem.normals(
        tuple(np.asarray(value)[matter] for value in found.values),  # noqa: PD011 - a tuple of arrays
        share[matter] / share[matter].sum(),
    )
    values = normals.hyper
    smoothed = smooth(problem.system_at(values), problem.variances(values))
    slope = design.columns[rows] - smoothed.mean[..., rows, :-1]
    centred = normals.given.mean - problem.pilot
    mean = smoothed.mean[..., rows, -1] + (slope @ centred[..., None])[..., 0]
    at = dict(
        zip(true.names, [values[problem.names.index(name)] for name in true.names], strict=True)
    )
    sampling = true.variances(tuple(at[name] for name in true.names)).sampling[..., rows]
    variance = smoothed.variance[..., rows] + np.sum(
        (slope @ normals.given.covariance) * slope, axis=-1
    )
    # On the scale of the data: the pilot fit and biases that are hyperparameters are put back.
    taken = design.effect[rows] - problem.system_at(values).effect[..., rows]
    shape = (len(normals.weight), len(rows))
    mean = np.broadcast_to(mean + taken, shape)
    sd = np.broadcast_to(np.sqrt(variance + sampling), shape)
    weight = normals.weight
    z = (design.effect[rows] - mean) / sd
    below, above = weight @ ndtr(z), weight @ ndtr(-z)
    ends = mixture.quantiles(
        np.array([0.5, 0.5 - ci_prob / 2, 0.5 + ci_prob / 2]), weight[None, :], mean, sd
    )[:, 0]
    tail = np.minimum(2.0 * np.minimum(below, above), 1.0)
    return dict(zip(FIGURES, (*ends, below, tail), strict=True))


def _blinded(design: Design, rows: NDArray[np.intp]) -> Design:
    """Make rows uninformative, without correlations to the others."""
    blind = np.zeros(len(design.se), dtype=bool)
    blind[rows] = True
    blocks = []
    for block in design.blocks:
        stays = ~blind[block.rows]
        if stays.sum() > 1:
            blocks.append(block.kept(stays, block.rows[stays]))
    se = np.where(blind, BLIND * float(np.max(design.se)), design.se)
    # An unknown intraclass correlation inflates every standard error by a factor: of blind rows too, and how
    # improbable they are then says something of it.
    excess = None if design.excess is None else np.where(blind, 0.0, design.excess)
    return replace(design, se=se, blocks=tuple(blocks), excess=excess)


def _without(design: Design, rows: NDArray[np.intp]) -> Design:
    """Leave rows out, to see whether what remains is proper."""
    keep = np.ones(len(design.se), dtype=bool)
    keep[rows] = False
    return masked(design, keep)
