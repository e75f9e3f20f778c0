"""The pooled mean of many problems: as mixtures of normals, and as the rows of a table.

Problems that differ in rows or in the prior of one heterogeneity SD go through one batched call;
others are integrated one by one. Nothing is sampled.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from bayesrtw.engine.batch import Batch, Solved, batch_of, prior_panel, settle
from bayesrtw.engine.exact import improper
from bayesrtw.engine.integrate import integrate, moment_order, pruned, tail_power
from bayesrtw.engine.problem import pose
from bayesrtw.engine.shared import Common, common
from bayesrtw.errors import EngineRefusal, SpecError
from bayesrtw.model.design import Design
from bayesrtw.posterior import mixture
from bayesrtw.posterior.marginal import MARGIN

if TYPE_CHECKING:
    import pandas as pd

Array = NDArray[np.float64]

#: Nodes to begin with, and the movement that ends it, where problems are integrated one by one.
START, TOLERANCE = 64, 1e-8

#: Neighbours from which on it pays to lay nodes that they share.
LEAST = 4

#: Figures of one set of rows, in the order of a table.
FIGURES = (
    "mean",
    "sd",
    "median",
    "lower",
    "upper",
    "probability",
    "harm",
    "new_lower",
    "new_upper",
    "tau",
    "log_evidence",
)


@dataclass(frozen=True, slots=True, eq=False)
class Pooled:
    """The posterior of a pooled mean: a mixture of normals over nodes.

    Attributes
    ----------
    weight
        Shares of the nodes, shape (node,).
    mean, sd
        Of the pooled mean given the node, shape (node,); analysis scale.
    new_sd
        The same for the effect in a new setting, whose mean is that of the pooled mean.
    tau
        Posterior mean of the SD of a new setting.
    log_evidence
        Log marginal likelihood; flat coefficients integrated over density 1.
    """

    weight: Array
    mean: Array
    sd: Array
    new_sd: Array
    tau: float
    log_evidence: float

    @property
    def mixture(self) -> tuple[Array, Array, Array]:
        """Weight, mean and SD for `bayesrtw.posterior.mixture`, with one quantity."""
        return self.weight, self.mean[:, None], self.sd[:, None]

    def probability(self, threshold: float, *, above: bool) -> float:
        """Probability that the pooled mean lies beyond a threshold.

        Parameters
        ----------
        threshold
            On the analysis scale.
        above
            Whether beyond means above.

        Returns
        -------
        float
            In [0, 1].
        """
        below = float(mixture.cdf(np.array([threshold]), *self.mixture)[0])
        return 1.0 - below if above else below


def mean_of(design: Design) -> Array:
    """Say which combination of a design's coefficients is the pooled mean.

    Parameters
    ----------
    design
        The arrays.

    Returns
    -------
    ndarray, shape (column,)
        The pooled mean is this times the coefficients.

    Raises
    ------
    SpecError
        If the model has no intercept.
    """
    if "mu" not in design.quantities:
        raise SpecError("the model has no intercept, so there is no pooled mean; add one.")
    return np.asarray(design.quantities["mu"].combine[0])


def pool(design: Design, base: Common | None = None) -> Pooled:
    """Pool one design by itself.

    Parameters
    ----------
    design
        The arrays.
    base
        Nodes that may serve; it gets its own where they do not.

    Returns
    -------
    Pooled
        Its pooled mean.

    Raises
    ------
    EngineRefusal
        If the posterior is improper.
    SpecError
        If the model has no intercept.
    """
    combine = mean_of(design)
    reason = improper(design)
    if reason is not None:
        raise EngineRefusal(reason)
    problem = pose(design)
    near = base.weigh(problem) if base is not None else None
    nodes = (near or integrate(problem, START, TOLERANCE)).nodes
    normals = problem.normals(*pruned(nodes))
    values, weight, given = normals.hyper, normals.weight, normals.given
    variance = np.einsum("nij,i,j->n", given.covariance, combine, combine)
    spread = new_variance(design, dict(zip(problem.names, values, strict=True)), len(weight))
    return Pooled(
        weight=weight,
        mean=given.mean @ combine,
        sd=np.sqrt(variance),
        new_sd=np.sqrt(variance + spread),
        tau=float(weight @ np.sqrt(spread)),
        log_evidence=float(nodes.log_total),
    )


def new_variance(design: Design, values: dict[str, Array], count: int) -> Array:
    """Give the variance of the random effects of a new setting at each node.

    Parameters
    ----------
    design
        The arrays.
    values
        Hyperparameter to its value at each node.
    count
        Number of nodes.

    Returns
    -------
    ndarray, shape (node,)
        Squares of the SDs that a new setting has.
    """
    spread: Array = np.zeros(count)
    for part in design.grouped:
        if part.hyper and part.new is not None:
            spread = spread + values[part.hyper[part.new]] ** 2
    return spread


def pool_rows(
    design: Design, masks: NDArray[np.bool_], base: Common | None = None
) -> list[Pooled | None]:
    """Pool the rows of each mask under the whole design, in one call where that can be.

    Parameters
    ----------
    design
        The whole design: covariates keep their centre and moderators their levels.
    masks
        Shape (problem, estimate).
    base
        Nodes of the whole design, where they are laid already.

    Returns
    -------
    list
        In the order of the masks; None where the posterior would be improper.
    """
    combine = mean_of(design)
    parts = [masked(design, mask) for mask in masks]
    usable = [improper(part) is None for part in parts]
    batch = _batch(design)
    if batch is None or not any(usable):
        if base is None and np.sum(usable) >= LEAST:
            base = shared_by(design)
        near = [
            use and 2 * len(part.se) >= len(design.se)
            for part, use in zip(parts, usable, strict=True)
        ]
        return [
            pool(part, base if close else None) if use else None
            for part, use, close in zip(parts, usable, near, strict=True)
        ]
    kept = [part for part, use in zip(parts, usable, strict=True) if use]
    moment = np.array([moment_order(part) for part in kept])
    solved = settle(replace(batch, mask=masks[usable], moment=moment), TOLERANCE)
    done = iter(_singles(solved, combine))
    return [next(done) if use else None for use in usable]


def shared_by(design: Design) -> Common | None:
    """Lay nodes for the neighbours of a design.

    Parameters
    ----------
    design
        The one in the middle.

    Returns
    -------
    Common or None
        None where each has to be integrated by itself.
    """
    return None if improper(design) is not None else common(pose(design), TOLERANCE)


def pool_priors(parts: Sequence[Design], base: Common | None = None) -> list[Pooled]:
    """Pool designs that differ in the prior of one heterogeneity SD.

    Parameters
    ----------
    parts
        The same design with several priors.
    base
        Nodes of one of them or of another neighbour, where they are laid already.

    Returns
    -------
    list of Pooled
        In order; those of one kind are solved in one call.

    Raises
    ------
    EngineRefusal
        If a posterior is improper.
    """
    for part in parts:
        reason = improper(part)
        if reason is not None:
            raise EngineRefusal(reason)
    found = [_batch(part) for part in parts]
    batches = [batch for batch in found if batch is not None]
    if len(batches) < len(parts):
        return [pool(part, base) for part in parts]
    kinds: dict[tuple[bool, float], list[int]] = {}
    for place, batch in enumerate(batches):
        kinds.setdefault((batch.bounded, batch.upper), []).append(place)
    rows: dict[int, Pooled] = {}
    for places in kinds.values():
        first = batches[places[0]]
        log_prior, _ = prior_panel([next(iter(parts[place].hyper.values())) for place in places])
        moment = np.array([int(batches[place].moment) for place in places])
        solved = settle(replace(first, log_prior=log_prior, moment=moment), TOLERANCE)
        rows.update(zip(places, _singles(solved, mean_of(parts[0])), strict=True))
    return [rows[place] for place in range(len(parts))]


def _batch(design: Design) -> Batch | None:
    """Give the design as a batch; None where it has to be integrated by itself."""
    try:
        return batch_of(design)
    except EngineRefusal:
        return None


def _singles(solved: Solved, combine: Array) -> list[Pooled]:
    weight, mean, sd = solved.mixture(combine)
    new_sd = solved.mixture(combine, new=True)[2]
    tau = np.sum(solved.weight * solved.tau, axis=-1)
    return [
        Pooled(weight[:, i], mean[:, i], sd[:, i], new_sd[:, i], float(tau[i]), float(total))
        for i, total in enumerate(solved.log_evidence)
    ]


def table(
    pooled: Sequence[Pooled | None],
    parts: Sequence[Design],
    *,
    higher: bool,
    ci_prob: float,
    threshold: float = 0.0,
) -> "pd.DataFrame":
    """Put pooled means into the rows of a table.

    Parameters
    ----------
    pooled
        Posteriors; None is an empty row.
    parts
        The design of each.
    higher
        Whether a higher effect is the better one.
    ci_prob
        Probability of the central interval.
    threshold
        Size of an effect beyond which benefit counts; 0 is no effect.

    Returns
    -------
    DataFrame
        Columns `FIGURES`; moments that do not exist are empty.
    """
    import pandas as pd  # noqa: PLC0415

    rows: list[dict[str, float]] = [dict.fromkeys(FIGURES, math.nan) for _ in pooled]
    sizes: dict[int, list[int]] = {}
    for place, one in enumerate(pooled):
        if one is not None:
            sizes.setdefault(len(one.weight), []).append(place)
    for places in sizes.values():
        alike = [one for one in (pooled[place] for place in places) if one is not None]
        columns = _figures(alike, higher=higher, ci_prob=ci_prob, threshold=threshold)
        for column, place in enumerate(places):
            rows[place] = {name: float(values[column]) for name, values in columns.items()}
            _blank(rows[place], parts[place])
    return pd.DataFrame(rows, columns=list(FIGURES))


def _figures(
    alike: Sequence[Pooled], *, higher: bool, ci_prob: float, threshold: float
) -> dict[str, Any]:
    """Figures of posteriors with equally many nodes, together."""
    weight, mean, sd, new_sd = (
        np.stack([getattr(one, name) for one in alike], axis=1)
        for name in ("weight", "mean", "sd", "new_sd")
    )
    centre, spread = mixture.moments(weight, mean, sd)
    side = np.full(len(alike), threshold if higher else -threshold)
    below, under = (mixture.cdf(end, weight, mean, sd) for end in (side, -side))
    low, high = 0.5 - ci_prob / 2, 0.5 + ci_prob / 2
    return {
        "mean": centre,
        "sd": spread,
        "median": mixture.quantile(0.5, weight, mean, sd),
        "lower": mixture.quantile(low, weight, mean, sd),
        "upper": mixture.quantile(high, weight, mean, sd),
        "probability": 1.0 - below if higher else below,
        "harm": under if higher else 1.0 - under,
        "new_lower": mixture.quantile(low, weight, mean, new_sd),
        "new_upper": mixture.quantile(high, weight, mean, new_sd),
        "tau": [one.tau for one in alike],
        "log_evidence": [one.log_evidence for one in alike],
    }


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
            blocks.append(block.kept(stays, rows))
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
        scatter=tuple(replace(part, factor=part.factor[keep]) for part in design.scatter),
        shift=tuple(replace(part, factor=part.factor[keep]) for part in design.shift),
    )


def _blank(row: dict[str, float], design: Design) -> None:
    """Empty the moments that do not exist, where the tail of tau is too heavy."""
    tail = tail_power(design)
    flat = np.any(mean_of(design)[design.flat] != 0)
    if tail <= 2 + MARGIN:
        row["tau"] = math.nan
        row["mean"] = math.nan if flat else row["mean"]
    if tail <= 3 + MARGIN and flat:
        row["sd"] = math.nan
