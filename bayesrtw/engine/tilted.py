"""A normal posterior under a known selection: its own nodes, tilted by what the selection says of them.

A selection multiplies the density of normal data by a smooth function of coefficients and hyperparameters,
so that the nodes of the normal posterior, with a Gauss-Hermite rule of the coefficients at each, serve for it
too: many severities cost one look each. Where few nodes are left to carry the posterior it is refused.
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from bayesrtw.engine.arrays import back_moments, moments_of
from bayesrtw.engine.cubature import rule, sizes
from bayesrtw.engine.curved import Curved, curved_of
from bayesrtw.engine.curved_series import kernels_of
from bayesrtw.engine.fitted import Posterior
from bayesrtw.engine.normal import NormalFitted, normal
from bayesrtw.errors import ConvergenceError, EngineRefusal
from bayesrtw.model.design import build_curved
from bayesrtw.model.spec import Model
from bayesrtw.posterior.kernels import Kernels, blended

Array = NDArray[np.float64]

#: Place among `sizes` of the two rules that are held against each other, by the number of coefficients.
RULES = {0: (0, 0), 1: (0, 1), 2: (0, 1), 3: (0, 1)}
#: Nodes and tolerance of the normal posterior that is tilted: printed digits need no more.
START, TOLERANCE = 16, 1e-3
#: Share of the normal posterior's nodes, as an effective number, below which they do not carry the other one.
CARRIED = 1e-3
#: Turns of the search for where a tilt moves coefficients, and the step of its slopes, in their SDs.
TURNS, STEP = 2, 0.1
#: Shares of points that are passed over, and most numbers in one intermediate array.
NEGLIGIBLE, AT_ONCE = 1e-9, 2_000_000


class _Looked(NamedTuple):
    """Points with shares, shape (node, point), and the log of what the selection makes of the evidence."""

    b: Array
    share: Array
    gained: float
    degree: int


def tilted(fit: NormalFitted, models: Sequence[Model]) -> list[Posterior]:
    """Give a posterior under selections.

    Parameters
    ----------
    fit
        The normal posterior, all rows kept.
    models
        Its model with a selection of known weights, each.

    Returns
    -------
    list of Posterior
        Effects that are pooled, and those in a new setting; its ``error`` is the movement between two rules.

    Raises
    ------
    ConvergenceError
        If too few nodes of the normal posterior carry one.
    EngineRefusal
        If there are more coefficients than a product rule serves.
    """
    fit = normal(fit.model, fit.evidence, start=START, tolerance=TOLERANCE)
    width = fit.design.columns.shape[1]
    if width not in RULES:
        raise EngineRefusal(
            f"a selection beside groups that share an effect and {width} coefficients (at most {max(RULES)}) "
            "takes too long; leave moderators out."
        )
    return [_tilted(fit, model) for model in models]


def _tilted(fit: NormalFitted, model: Model) -> Posterior:
    design = build_curved(model, fit.evidence)
    width = design.near.columns.shape[1]
    steps = sizes(width)
    coarse, fine = RULES[width]
    two = [_look(fit, curved_of(design, steps[each])) for each in (coarse, fine)]
    posteriors = [_posterior(fit, looked) for looked in two]
    (mean, sd), (other, wide) = (each.pooled.moments() for each in posteriors)
    moved = max(abs(mean - other) / wide, abs(sd / wide - 1.0))
    found = posteriors[1]
    error = max(found.error, moved if math.isfinite(moved) else 0.0)
    return Posterior(found.effects, {}, found.tau, found.log_evidence, error, found.headline)


def _look(fit: NormalFitted, curved: Curved) -> _Looked:
    """Weigh the rule of the coefficients at every node."""
    normals = fit.solution.place.normals
    keep = normals.weight > NEGLIGIBLE
    weight, mean = normals.weight[keep], normals.given.mean[keep]
    width = mean.shape[1]
    at = dict(zip(fit.solution.place.names, normals.hyper, strict=True))
    values = tuple(at[name][keep] for name in curved.names)
    covariance = np.broadcast_to(normals.given.covariance, (len(keep), width, width))[keep]
    factor = np.linalg.cholesky(covariance) if width else covariance
    laid = rule(width, curved.size)
    offset, own, noise = curved.reach(values)
    rows = np.flatnonzero(curved.keep)

    def at_z(z: Array) -> tuple[Array, Array]:
        """Coefficients and log factors at deviations of shape (node, point, column)."""
        b = mean[:, None, :] + np.einsum("jcd,jkd->jkc", factor, z)
        log = np.empty(b.shape[:2])
        step = max(1, AT_ONCE // (len(rows) * b.shape[1]))
        for start in range(0, len(b), step):
            cut = slice(start, start + step)
            seen = b[cut] @ curved.design.columns[rows].T + offset[cut, None, rows]
            variance = (own + noise)[cut, None, rows]
            log[cut] = curved.thinned(values, cut, seen, variance, rows)
        return b, log

    centre = np.zeros((len(mean), width))
    both = STEP * np.concatenate([np.eye(width), -np.eye(width)])
    for _ in range(TURNS if width else 0):
        # The rule stands where the tilt has moved the coefficients to: at the slope of the log factor.
        _, log = at_z(centre[:, None, :] + both)
        centre = (log[:, :width] - log[:, width:]) / (2.0 * STEP)
    b, log = at_z(centre[:, None, :] + laid.node)
    log = log - centre @ laid.node.T - 0.5 * np.sum(centre**2, axis=1)[:, None]
    top = float(log.max())
    share = weight[:, None] * laid.weight * np.exp(log - top)
    total = float(share.sum())
    share = share / total
    own_share = share.sum(axis=1)
    left = 1.0 / float(np.sum(own_share**2 / weight))
    if not left > CARRIED:
        raise ConvergenceError(
            "a selection moves the posterior off the nodes of the one without it (effective share "
            f"{left:.0e}); fit the model with the selection."
        )
    return _Looked(b, share, top + math.log(total), laid.degree)


def _posterior(fit: NormalFitted, looked: _Looked) -> Posterior:
    design, place = fit.design, fit.solution.place
    keep = place.normals.weight > NEGLIGIBLE
    mass = looked.share.sum(axis=1)
    alive = mass > NEGLIGIBLE
    spread = place.spread[keep][alive]
    each = looked.share[alive] / mass[alive, None]
    most, back = moments_of(design), back_moments(design)

    def along(row: Array, *, new: bool = False) -> Kernels:
        found, point, _ = kernels_of((looked.b @ row)[alive], each, mass[alive], looked.degree)
        found = found.widened(spread[point]) if new else found
        grows = bool(np.any(row[design.flat] != 0)) or new
        exist = (most, back) if grows else (2, 2)
        total = float(found.weight.sum())
        return Kernels(found.weight / total, found.mean, found.sd, found.series, exist[0], exist[1])

    effects = {
        name: along(design.quantities[name].combine[0])
        for name in ("mu", "mu_studies")
        if name in design.quantities
    }
    if "mu" in effects and design.hyper:
        effects["theta_new"] = along(design.quantities["mu"].combine[0], new=True)
        if design.mix is not None:
            parts = [along(row, new=True) for row in design.mix.rows]
            effects["theta_new_studies"] = blended(parts, design.mix.share.tolist())
    tau = float(mass[alive] @ np.sqrt(spread)) if most else math.nan
    total = float(fit.solution.nodes.log_total) + looked.gained
    return Posterior(effects, {}, tau, total, fit.solution.error, design.pooled)
