"""One posterior on its nodes, altered: powers of prior and data, other priors of the mean, shifted effects.

Given the hyperparameters a Gaussian model is known through three things: the information X'V^-1 X, the
score X'V^-1 y and the misfit y'V^-1 y + log|2 pi V|. They are kept at the nodes of one fit; an altered
problem then only changes the weight of each node and a small linear system, and stays exact as long
as the altered posterior of the hyperparameters lies where the nodes are.
"""

from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray
from scipy.special import logsumexp, ndtr

from bayesrtw.engine.arrays import mean_of
from bayesrtw.engine.cholesky import inverse
from bayesrtw.engine.problem import Problem, pose
from bayesrtw.errors import EngineRefusal, SpecError
from bayesrtw.model.design import Design
from bayesrtw.posterior.kernels import Kernels
from bayesrtw.posterior.nodes import Nodes

Array = NDArray[np.float64]

#: Nodes with less than this share of the largest weight move no probability at double precision.
NEGLIGIBLE = 1e-18

LOG_2PI = float(np.log(2.0 * np.pi))


@dataclass(frozen=True, slots=True, eq=False)
class Informed:
    """A posterior on its nodes, ready to be altered."""

    design: Design  #: The arrays.
    log_weight: Array  #: Log share of each node, shape (node,).
    #: information, score, misfit: x'V^-1 X, X'V^-1 r and log|2 pi V| + r'V^-1 r at each node, where r are the
    #: effects less what `pilot` predicts; shapes (node, column, column), (node, column), (node,). The last
    #: column is the direction in which effects can be shifted.
    information: Array
    score: Array
    misfit: Array
    pilot: Array  #: Coefficients that the effects are centred at, with that of the direction.
    log_prior: Array  #: Log prior of the hyperparameters at each node, shape (node,).
    #: Log density of the data at each node as `alter` works it out, shape (node,).
    unaltered: Array


@dataclass(frozen=True, slots=True, eq=False)
class Altered:
    """A posterior after an alteration."""

    log_weight: Array  #: Log share of each node, shape (node,).
    gained: float  #: What the log evidence gains.
    log_density: Array  #: Log density of the data at each node, shape (node,).
    #: mean, covariance: of the coefficients given each node, shapes (node, column) and (node, column,
    #: column).
    mean: Array
    covariance: Array


def inform(problem: Problem, nodes: Nodes, direction: Array | None = None) -> Informed:
    """Keep what alterations need; effects can be shifted in a direction of shape (estimate,)."""
    design = problem.design
    if design.mixture is not None:
        raise EngineRefusal(
            "a coefficient has a prior that is a mixture of normals; powers and shifts are exact for "
            "normal and flat priors only: give it one of these."
        )
    along = np.zeros(len(design.se)) if direction is None else direction
    # A precision of the size of the data's keeps the reconstruction well conditioned.
    size = max(float(np.sum(along**2 * design.se**-2.0)), 1.0)
    wide = replace(
        design,
        columns=np.column_stack([design.columns, along]),
        mean=np.append(design.mean, 0.0),
        precision=np.append(design.precision, size),
        biased=None,
    )
    wider = pose(wide)
    given = wider.given(nodes.values)
    pilot = wider.pilot
    root = np.diag(wide.precision)
    total = np.linalg.inv(given.covariance)
    gap = given.mean - pilot
    prior_gap = np.where(wide.precision > 0, wide.mean - pilot, 0.0)
    score = (total @ gap[..., None])[..., 0] - wide.precision * prior_gap
    quadratic = np.sum(gap * (total @ gap[..., None])[..., 0], axis=-1)
    proper = wide.precision > 0
    constant = 0.5 * np.sum(np.log(wide.precision[proper])) + 0.5 * np.sum(~proper) * LOG_2PI
    misfit = (
        2.0 * (constant - 0.5 * np.linalg.slogdet(total)[1] - given.log_density)
        + quadratic
        - np.sum(wide.precision * prior_gap**2)
    )
    log_prior = np.zeros(len(given.log_density))
    for value, prior in zip(nodes.values, problem.priors, strict=True):
        log_prior = log_prior + prior.logpdf(value)
    found = Informed(
        design=design,
        log_weight=nodes.log_weight,
        information=total - root,
        score=score,
        misfit=misfit,
        pilot=pilot,
        log_prior=log_prior,
        unaltered=np.zeros(0),
    )
    return replace(found, unaltered=_given(found, 1.0, design.mean, design.precision)[0])


def alter(
    known: Informed,
    *,
    data: float = 1.0,
    prior: float = 1.0,
    mean: Array | None = None,
    precision: Array | None = None,
) -> Altered:
    """Alter a posterior: exact while the posterior of the hyperparameters stays where the nodes are.

    `mean`, `precision` (column,).
    """
    design, width = known.design, known.design.columns.shape[1]
    log, b, covariance = _given(
        known,
        data,
        design.mean if mean is None else mean,
        prior * (design.precision if precision is None else precision),
    )
    log_weight = known.log_weight + log - known.unaltered + (prior - 1.0) * known.log_prior
    gained = float(logsumexp(log_weight))
    return Altered(log_weight - gained, gained, log, b[:, :width], covariance)


@dataclass(frozen=True, slots=True, eq=False)
class OneMean:
    """The pooled mean under other normal priors of it, without an integral for each."""

    anew: ClassVar[bool] = False

    known: Informed

    def under(self, mean: float, sd: float) -> Kernels:
        """Give the pooled mean under a normal prior of the intercept."""
        combine, design = mean_of(self.known.design), self.known.design
        own = np.flatnonzero(design.quantities["mu"].combine[0])
        if len(own) != 1:
            raise SpecError(
                "the pooled mean is a sum of coefficients and has no prior of its own; vary theirs."
            )
        place = int(own[0])
        if not design.precision[place] > 0:
            raise SpecError(
                "the prior of the pooled mean is flat: it has no SD to narrow; give the intercept a "
                "normal prior."
            )
        centre, precision = np.array(design.mean, dtype=np.float64), design.precision.copy()
        centre[place], precision[place] = mean, sd**-2
        found = alter(self.known, mean=centre, precision=precision)
        variance = np.einsum("nij,i,j->n", found.covariance, combine, combine)
        return Kernels(np.exp(found.log_weight), found.mean @ combine, np.sqrt(variance))


@dataclass(frozen=True, slots=True, eq=False)
class Shifted:
    """The pooled mean of a posterior whose effects are shifted, as a function of the shift.

    Given a node the log density is quadratic in the shift and the mean linear; the variance does not move.
    """

    anew: ClassVar[bool] = False

    #: log_weight, slope, bend: log share of a node is ``log_weight + slope * shift + bend * shift**2``, not
    #: normalised; shape (node,).
    log_weight: Array
    slope: Array
    bend: Array
    #: mean, drift: its pooled mean is ``mean + drift * shift``, shape (node,).
    mean: Array
    drift: Array
    sd: Array  #: Of the pooled mean given the node, shape (node,).

    def probability(self, shift: float, threshold: float, *, above: bool) -> float:
        """Probability that the pooled mean lies beyond a threshold after a shift."""
        log = self.log_weight + shift * (self.slope + shift * self.bend)
        weight = np.exp(log - np.max(log))
        keep = weight > NEGLIGIBLE * np.max(weight)
        weight = weight[keep] / np.sum(weight[keep])
        z = (threshold - self.mean[keep] - shift * self.drift[keep]) / self.sd[keep]
        return float(weight @ ndtr(-z if above else z))


def shifted(known: Informed) -> Shifted:
    """Prepare a posterior for many shifts in the direction of `inform`, without an inverse for each."""
    design, width = known.design, known.design.columns.shape[1]
    combine, own = mean_of(design), known.pilot[width]
    across = known.information[:, :width, width]
    proper = design.precision > 0
    gap = np.where(proper, design.mean - known.pilot[:width], 0.0)
    total = known.information[:, :width, :width] + np.diag(design.precision)
    covariance, _ = inverse(total)
    still = known.score[:, :width] + own * across + design.precision * gap
    drift = (covariance @ across[..., None])[..., 0]
    mean = (covariance @ still[..., None])[..., 0]
    # The direction's own score and information, less what the coefficients take up of them.
    steady = known.score[:, width] - np.sum(known.score[:, :width] * drift, axis=-1)
    steady = steady - np.sum(design.precision * gap * drift, axis=-1)
    bend = known.information[:, width, width] - np.sum(across * drift, axis=-1)
    return Shifted(
        log_weight=known.log_weight,
        slope=-steady - own * bend,
        bend=-0.5 * bend,
        mean=mean @ combine + known.pilot[:width] @ combine,
        drift=drift @ combine,
        sd=np.sqrt(np.einsum("nij,i,j->n", covariance, combine, combine)),
    )


def _given(
    known: Informed, power: float, mean: Array, precision: Array
) -> tuple[Array, Array, Array]:
    """Condition on each node: log density, mean and covariance of the coefficients."""
    width = len(mean)
    moved = known.pilot[width]
    across = known.information[:, :width, width]
    score = power * (known.score[:, :width] + moved * across)
    misfit = (
        known.misfit
        + 2.0 * moved * known.score[:, width]
        + moved**2 * known.information[:, width, width]
    )
    pilot = known.pilot[:width]
    proper = precision > 0
    gap = np.where(proper, mean - pilot, 0.0)
    total = power * known.information[:, :width, :width] + np.diag(precision)
    right = score + precision * gap
    covariance, log_det = inverse(total)
    b = (covariance @ right[..., None])[..., 0]
    log = -0.5 * (
        power * misfit
        + np.sum(precision * gap**2)
        - np.sum(b * right, axis=-1)
        - np.sum(np.log(precision[proper]))
        + log_det
        - np.sum(~proper) * LOG_2PI
    )
    return log, b + pilot, covariance
