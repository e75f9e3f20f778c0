"""One posterior, altered: powers of prior and likelihood, other priors of the mean, shifted effects.

Given the hyperparameters a Gaussian model is known through three things: the information X'V^-1 X, the
score X'V^-1 y and the misfit y'V^-1 y + log|2 pi V|. They are kept at the nodes of one fit; an altered
problem then only changes the weight of each node and a small linear system, and stays exact as long
as the altered posterior of the hyperparameters lies where the nodes are.
"""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.special import logsumexp, ndtr

from bayesrtw.engine.exact import improper
from bayesrtw.engine.integrate import Integral, integrate
from bayesrtw.engine.kernel import inverse
from bayesrtw.engine.problem import Problem, pose
from bayesrtw.errors import EngineRefusal
from bayesrtw.model.design import Design
from bayesrtw.question.pool import START, TOLERANCE, Pooled, mean_of, new_variance

Array = NDArray[np.float64]

#: Nodes with less than this share of the largest weight move no probability at double precision.
NEGLIGIBLE = 1e-18

LOG_2PI = float(np.log(2.0 * np.pi))


@dataclass(frozen=True, slots=True, eq=False)
class Laid:
    """A posterior on its nodes, ready to be altered.

    Attributes
    ----------
    design
        The arrays.
    problem, found
        The integral and its nodes.
    information, score, misfit
        X'V^-1 X, X'V^-1 r and log|2 pi V| + r'V^-1 r at each node, where r are the effects less what
        `pilot` predicts; shapes (node, column, column), (node, column), (node,). The last column is
        the direction in which effects can be shifted.
    pilot
        Coefficients that the effects are centred at, with that of the direction.
    log_prior
        Log prior of the hyperparameters at each node, shape (node,).
    unaltered
        Log density of the data at each node as `alter` works it out, shape (node,).
    """

    design: Design
    problem: Problem
    found: Integral
    information: Array
    score: Array
    misfit: Array
    pilot: Array
    log_prior: Array
    unaltered: Array


@dataclass(frozen=True, slots=True, eq=False)
class Altered:
    """A posterior after an alteration.

    Attributes
    ----------
    log_weight
        Log share of each node, shape (node,).
    mean, covariance
        Of the coefficients given each node, shapes (node, column) and (node, column, column).
    pooled
        The pooled mean; its log evidence is that of the altered problem, which compares with others
        only where priors stay normalised.
    """

    log_weight: Array
    mean: Array
    covariance: Array
    pooled: Pooled


def lay_out(design: Design, direction: Array | None = None, found: Integral | None = None) -> Laid:
    """Fit a design and keep what alterations need.

    Parameters
    ----------
    design
        A design with an intercept.
    direction
        How effects can be shifted, shape (estimate,): 1 for those of a group; none unless given.
    found
        The integral of this design, where it is known already.

    Returns
    -------
    Laid
        With nodes that are those of the exact engine.

    Raises
    ------
    EngineRefusal
        If the posterior is improper, or a coefficient's prior is a mixture of normals.
    SpecError
        If the model has no intercept.
    """
    mean_of(design)
    reason = improper(design)
    if reason is None and design.mixture is not None:
        reason = (
            "a coefficient has a prior that is a mixture of normals; powers and shifts are exact for "
            "normal and flat priors only: give it one of these."
        )
    if reason is not None:
        raise EngineRefusal(reason)
    problem = pose(design)
    found = integrate(problem, START, TOLERANCE) if found is None else found
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
    given = wider.given(found.nodes.values)
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
    for value, prior in zip(found.nodes.values, problem.priors, strict=True):
        log_prior = log_prior + prior.logpdf(value)
    laid = Laid(
        design=design,
        problem=problem,
        found=found,
        information=total - root,
        score=score,
        misfit=misfit,
        pilot=pilot,
        log_prior=log_prior,
        unaltered=np.zeros(0),
    )
    return replace(laid, unaltered=_given(laid, 1.0, design.mean, design.precision, 0.0)[0])


def alter(
    laid: Laid,
    *,
    likelihood: float = 1.0,
    prior: float = 1.0,
    mean: Array | None = None,
    precision: Array | None = None,
    shift: float = 0.0,
) -> Altered:
    """Alter a posterior.

    Parameters
    ----------
    laid
        What `lay_out` returned.
    likelihood, prior
        Powers of p(y | coefficients, hyperparameters), the study effects integrated out, and of the
        prior of coefficients and hyperparameters.
    mean, precision
        Another normal prior of the coefficients, shape (column,), in place of the design's.
    shift
        What is added to effects, times the direction of `lay_out`.

    Returns
    -------
    Altered
        Exact while the posterior of the hyperparameters stays where the nodes are.
    """
    design, width = laid.design, laid.design.columns.shape[1]
    log, b, covariance = _given(
        laid,
        likelihood,
        design.mean if mean is None else mean,
        prior * (design.precision if precision is None else precision),
        shift,
    )
    change = log - laid.unaltered + (prior - 1.0) * laid.log_prior
    log_weight = laid.found.nodes.log_weight + change
    gained = float(logsumexp(log_weight))
    combine = mean_of(design)
    values = dict(zip(laid.problem.names, laid.found.nodes.values, strict=True))
    weight = np.exp(log_weight - gained)
    variance = np.einsum("nij,i,j->n", covariance, combine, combine)
    spread = new_variance(design, values, len(weight))
    pooled = Pooled(
        weight=weight,
        mean=b @ combine,
        sd=np.sqrt(variance),
        new_sd=np.sqrt(variance + spread),
        tau=float(weight @ np.sqrt(spread)),
        log_evidence=float(laid.found.nodes.log_total) + gained,
    )
    return Altered(log_weight - gained, b[:, :width], covariance, pooled)


@dataclass(frozen=True, slots=True, eq=False)
class Shifted:
    """The pooled mean of a posterior whose effects are shifted, as a function of the shift.

    Given a node the log density is quadratic in the shift and the mean linear; the variance does not move.

    Attributes
    ----------
    log_weight, slope, bend
        Log share of a node is ``log_weight + slope * shift + bend * shift**2``, not normalised; shape
        (node,).
    mean, drift
        Its pooled mean is ``mean + drift * shift``, shape (node,).
    sd
        Of the pooled mean given the node, shape (node,).
    """

    log_weight: Array
    slope: Array
    bend: Array
    mean: Array
    drift: Array
    sd: Array

    def probability(self, shift: float, threshold: float, *, above: bool) -> float:
        """Probability that the pooled mean lies beyond a threshold.

        Parameters
        ----------
        shift
            What is added to effects, times the direction of `lay_out`.
        threshold
            On the analysis scale.
        above
            Whether beyond means above.

        Returns
        -------
        float
            In [0, 1].
        """
        log = self.log_weight + shift * (self.slope + shift * self.bend)
        weight = np.exp(log - np.max(log))
        keep = weight > NEGLIGIBLE * np.max(weight)
        weight = weight[keep] / np.sum(weight[keep])
        z = (threshold - self.mean[keep] - shift * self.drift[keep]) / self.sd[keep]
        below = float(weight @ ndtr(z))
        return 1.0 - below if above else below


def shifted(laid: Laid) -> Shifted:
    """Prepare a posterior for many shifts.

    Parameters
    ----------
    laid
        What `lay_out` returned, with a direction.

    Returns
    -------
    Shifted
        What `alter` gives for every shift, without an inverse for each.
    """
    design, width = laid.design, laid.design.columns.shape[1]
    combine, own = mean_of(design), laid.pilot[width]
    across = laid.information[:, :width, width]
    proper = design.precision > 0
    gap = np.where(proper, design.mean - laid.pilot[:width], 0.0)
    total = laid.information[:, :width, :width] + np.diag(design.precision)
    covariance, _ = inverse(total)
    still = laid.score[:, :width] + own * across + design.precision * gap
    drift = (covariance @ across[..., None])[..., 0]
    mean = (covariance @ still[..., None])[..., 0]
    # The direction's own score and information, less what the coefficients take up of them.
    steady = laid.score[:, width] - np.sum(laid.score[:, :width] * drift, axis=-1)
    steady = steady - np.sum(design.precision * gap * drift, axis=-1)
    bend = laid.information[:, width, width] - np.sum(across * drift, axis=-1)
    return Shifted(
        log_weight=laid.found.nodes.log_weight,
        slope=-steady - own * bend,
        bend=-0.5 * bend,
        mean=mean @ combine + laid.pilot[:width] @ combine,
        drift=drift @ combine,
        sd=np.sqrt(np.einsum("nij,i,j->n", covariance, combine, combine)),
    )


def _given(
    laid: Laid, power: float, mean: Array, precision: Array, shift: float
) -> tuple[Array, Array, Array]:
    """Condition on each node: log density, mean and covariance of the coefficients."""
    width = len(mean)
    moved = laid.pilot[width] + shift
    across = laid.information[:, :width, width]
    score = power * (laid.score[:, :width] + moved * across)
    misfit = (
        laid.misfit
        + 2.0 * moved * laid.score[:, width]
        + moved**2 * laid.information[:, width, width]
    )
    pilot = laid.pilot[:width]
    proper = precision > 0
    gap = np.where(proper, mean - pilot, 0.0)
    total = power * laid.information[:, :width, :width] + np.diag(precision)
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
