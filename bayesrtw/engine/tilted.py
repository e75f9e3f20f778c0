"""A normal posterior under a selection: its own nodes, tilted by what the selection says of them.

A selection multiplies the density of normal data by a smooth function of coefficients and hyperparameters,
so that the nodes of the normal posterior, with a Gauss-Hermite rule of the coefficients at each, serve for it
too: many severities cost one look each. Weights that the data tell are integrated out at every point. Where
few nodes are left to carry the posterior it is refused.
"""

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from bayesrtw.engine.arrays import back_moments, moments_of
from bayesrtw.engine.cubature import Rule, rule, sizes
from bayesrtw.engine.curved import Curved, curved_of
from bayesrtw.engine.curved_place import moments
from bayesrtw.engine.curved_series import kernels_of
from bayesrtw.engine.fitted import Posterior
from bayesrtw.engine.free_weights import FreeWeights, free_weights
from bayesrtw.engine.normal import NormalFitted, normal
from bayesrtw.errors import ConvergenceError, EngineRefusal
from bayesrtw.evidence.table import Evidence
from bayesrtw.model.design import BOTH, build_curved
from bayesrtw.model.spec import Model
from bayesrtw.posterior.kernels import Kernels, blended

Array = NDArray[np.float64]

#: Place among `sizes` of the two rules that are held against each other, by the number of coefficients.
RULES = {0: (0, 0), 1: (0, 1), 2: (0, 1), 3: (0, 1)}
#: Nodes and tolerance of the normal posterior that is tilted.
START, TOLERANCE = 16, 1e-3
#: Share of the normal posterior's nodes, as an effective number, below which they do not carry the other one.
CARRIED = 1e-3
#: The same where weights are integrated, which widens what is tilted.
FREE_RULES = {0: (0, 0), 1: (0, 1), 2: (0, 1), 3: (0, 1)}
#: Turns of the search for where a tilt moves coefficients, and the step of its slopes, in their SDs.
TURNS, STEP, FREE_TURNS = 2, 0.1, 3
#: Least variance of a coefficient's deviations, and most of the posterior at one node of a hyperparameter.
LEAST, CROWDED = 1e-4, 0.5
#: Shares of nodes that are passed over: before weights are integrated, after a coarse look at them, and of
#: any other; and most numbers in one array.
BEFORE, TRIFLE, NEGLIGIBLE, AT_ONCE = 1e-30, 1e-10, 1e-9, 2_000_000


class _Looked(NamedTuple):
    """Points with shares, (node, point), at some nodes; log of what the selection makes of the evidence."""

    b: Array
    share: Array
    gained: float
    degree: int
    keep: NDArray[np.bool_]


def rough(model: Model, evidence: Evidence) -> NormalFitted:
    """Fit what is tilted, the model without its selection, with as many nodes as printed digits need."""
    return normal(replace(model, selection=None), evidence, start=START, tolerance=TOLERANCE)


def tilted(
    fit: NormalFitted, models: Sequence[Model], *, coefficients: bool = False
) -> list[Posterior]:
    """Give a posterior under selections."""
    width = fit.design.columns.shape[1]
    if width not in RULES:
        raise EngineRefusal(
            f"a selection beside groups that share an effect and {width} coefficients (at most {max(RULES)}) "
            "takes too long; leave moderators out."
        )
    return [_tilted(fit, model, coefficients) for model in models]


def _tilted(fit: NormalFitted, model: Model, coefficients: bool) -> Posterior:
    design = build_curved(model, fit.evidence)
    thinning, selection = design.thinning, model.selection
    assert thinning is not None
    assert selection is not None
    priors = [each.prior for each in selection.hyper().values()]
    kept = {name: each for name, each in design.near.hyper.items() if name in fit.design.hyper}
    design = replace(design, near=replace(design.near, hyper=kept))
    width = design.near.columns.shape[1]
    if priors:
        free = free_weights(thinning, priors)
        two = _free(fit, curved_of(design, sizes(width)[0]), free, FREE_RULES[width])
    else:
        two = _look(fit, curved_of(design, sizes(width)[0]), RULES[width])
    coarse, found = (_posterior(fit, looked, coefficients) for looked in two)
    moved = abs(coarse.log_evidence - found.log_evidence)
    if found.headline in found.effects:
        (mean, sd), (other, wide) = (each.pooled.moments() for each in (coarse, found))
        each = max(abs(mean - other) / wide, abs(sd / wide - 1.0))
        moved = max(moved, each if math.isfinite(each) else 0.0)
    return replace(found, error=max(found.error, moved))


class _Start(NamedTuple):
    """Nodes of the normal posterior: hyperparameters, log weights, and coefficients at each."""

    values: tuple[Array, ...]
    weight: Array
    mean: Array
    factor: Array
    keep: NDArray[np.bool_]


def _start(fit: NormalFitted, curved: Curved, least: float) -> _Start:
    normals = fit.solution.place.normals
    keep = normals.weight > least
    weight, mean = normals.weight[keep], normals.given.mean[keep]
    width = mean.shape[1]
    at = dict(zip(fit.solution.place.names, normals.hyper, strict=True))
    values = tuple(at[name][keep] for name in curved.names)
    covariance = np.broadcast_to(normals.given.covariance, (len(keep), width, width))[keep]
    factor = np.linalg.cholesky(covariance) if width else covariance
    return _Start(values, weight, mean, factor, keep)


def _weighed(
    b: Array, weight: Array, log: Array, start: _Start, degree: int, least: float
) -> _Looked:
    """Divide the posterior among points, shape (node, point); `weight` is theirs at a node."""
    top = float(log.max())
    share = start.weight[:, None] * weight * np.exp(log - top)
    total = float(share.sum())
    share = share / total
    left = 1.0 / float(np.sum(share.sum(axis=1) ** 2 / start.weight))
    if not left > least:
        raise ConvergenceError(
            "a selection moves the posterior off the nodes of the one without it (effective share "
            f"{left:.0e}); fit the model with the selection."
        )
    return _Looked(b, share, top + math.log(total), degree, start.keep)


def _look(fit: NormalFitted, curved: Curved, sized: tuple[int, int]) -> tuple[_Looked, ...]:
    """Weigh two rules of the coefficients at every node, where known weights have moved them to."""
    start = _start(fit, curved, NEGLIGIBLE)
    values, mean, factor = start.values, start.mean, start.factor
    width = mean.shape[1]
    offset, own, noise = curved.reach(values)
    rows = np.flatnonzero(curved.keep)

    def at_z(z: Array) -> tuple[Array, Array]:
        """Coefficients and log factors at deviations of shape (node, point, column)."""
        b = mean[:, None, :] + np.einsum("jcd,jkd->jkc", factor, z)
        log = np.empty(b.shape[:2])
        step = max(1, AT_ONCE // (len(rows) * b.shape[1]))
        for first in range(0, len(b), step):
            cut = slice(first, first + step)
            seen = b[cut] @ curved.design.columns[rows].T + offset[cut, None, rows]
            variance = (own + noise)[cut, None, rows]
            log[cut] = curved.thinned(values, cut, seen, variance, rows)
        return b, log

    centre = np.zeros((len(mean), width))
    both = STEP * np.concatenate([np.eye(width), -np.eye(width)])
    for _ in range(TURNS if width else 0):
        # The rules stand where the tilt has moved the coefficients to: at the slope of the log factor.
        _, log = at_z(centre[:, None, :] + both)
        centre = (log[:, :width] - log[:, width:]) / (2.0 * STEP)
    found = []
    for laid in (rule(width, sizes(width)[place]) for place in sized):
        b, log = at_z(centre[:, None, :] + laid.node)
        log = log - centre @ laid.node.T - 0.5 * np.sum(centre**2, axis=1)[:, None]
        found.append(_weighed(b, laid.weight, log, start, laid.degree, CARRIED))
    return tuple(found)


def _free(
    fit: NormalFitted, curved: Curved, free: FreeWeights, sized: tuple[int, int]
) -> tuple[_Looked, ...]:
    """Weigh two rules of the coefficients at every node that matters, weights integrated out at each point.

    The rules are laid by mean and covariance of the tilted coefficients, which coarse ones find.
    """
    start = _start(fit, curved, BEFORE)
    width = start.mean.shape[1]
    coarse = rule(width, sizes(width)[0])
    points = len(start.weight)
    centre, wide = np.zeros((points, width)), np.broadcast_to(np.eye(width), start.factor.shape)

    def at(laid: Rule, free: FreeWeights) -> tuple[Array, Array, Array, Array]:
        """Deviations and coefficients, (node, point, column), log factors of a rule, and reach of weights."""
        z = centre[:, None, :] + np.einsum("jcd,kd->jkc", wide, laid.node)
        b = start.mean[:, None, :] + np.einsum("jcd,jkd->jkc", start.factor, z)
        bare = np.log(np.diagonal(wide, axis1=-2, axis2=-1)).sum(axis=-1)[:, None]
        bare = bare + 0.5 * np.sum(laid.node**2, axis=1) - 0.5 * np.sum(z**2, axis=-1)
        rows = np.flatnonzero(curved.keep)
        offset, own, noise = curved.reach(start.values)
        group, sd = curved.shared(start.values, slice(None), rows)
        shape = (*b.shape[:2], len(rows))
        mean = b @ curved.design.columns[rows].T + offset[:, None, rows]
        variance, sd = (
            np.broadcast_to(each, shape).reshape(-1, len(rows))
            for each in ((own + noise)[:, None, rows], sd)
        )
        _, se = curved.curved.sites.near
        ahead = np.log(start.weight)[:, None] + np.log(laid.weight) + bare
        log, reach = free.integrated(
            mean.reshape(-1, len(rows)), variance, rows, group, sd, se[rows], ahead.reshape(-1)
        )
        return z, b, log.reshape(shape[:2]) + bare, reach

    for turn in range(FREE_TURNS):
        z, b, log, reach = at(coarse, free)
        share = coarse.weight * np.exp(log - log.max(axis=1, keepdims=True))
        centre, covariance = moments(z, share / share.sum(axis=1, keepdims=True))
        wide = np.linalg.cholesky(covariance + LEAST * np.eye(width))
        if turn:
            free = free.zoomed(reach)
    looked = _weighed(b, coarse.weight, log, start, coarse.degree, 0.0)
    some = looked.share.sum(axis=1) > TRIFLE
    keep = start.keep.copy()
    keep[keep] = some
    start = _Start(
        tuple(value[some] for value in start.values),
        start.weight[some],
        start.mean[some],
        start.factor[some],
        keep,
    )
    centre, wide = centre[some], wide[some]
    found = []
    refined = free.refined(len(start.weight) * len(coarse.weight))
    for place, each in zip(sized, refined, strict=True):
        laid = rule(width, sizes(width)[place])
        _, b, log, _ = at(laid, each)
        found.append(_weighed(b, laid.weight, log, start, laid.degree, 0.0))
    most = float(np.max(found[-1].share.sum(axis=1)))
    if start.values and most > CROWDED:
        raise ConvergenceError(
            "a selection moves the posterior off the nodes of the one without it (one node holds "
            f"{most:.2f}); fit the model with the selection."
        )
    return tuple(found)


def _posterior(fit: NormalFitted, looked: _Looked, coefficients: bool) -> Posterior:
    design, place = fit.design, fit.solution.place
    mass = looked.share.sum(axis=1)
    alive = mass > NEGLIGIBLE
    each = looked.share[alive] / mass[alive, None]
    most, back = moments_of(design), back_moments(design)

    def spread(at: Array | None = None) -> Array:
        return place.spread_at(at)[looked.keep][alive]

    def along(row: Array, wider: Array | None = None) -> Kernels:
        found, point, _ = kernels_of((looked.b @ row)[alive], each, mass[alive], looked.degree)
        found = found if wider is None else found.widened(wider[point])
        grows = bool(np.any(row[design.flat] != 0)) or wider is not None
        exist = (most, back) if grows else (2, 2)
        total = float(found.weight.sum())
        return Kernels(found.weight / total, found.mean, found.sd, found.series, exist[0], exist[1])

    effects = {
        f"{name}[{label}]" if quantity.dim else name: along(row)
        for name, quantity in design.quantities.items()
        if coefficients or name in BOTH
        for label, row in zip(quantity.labels, quantity.combine, strict=True)
    }
    if "mu" in effects and design.hyper:
        effects["theta_new"] = along(design.quantities["mu"].combine[0], spread())
        if design.mix is not None:
            mix = design.mix
            parts = [along(row, spread(at)) for row, at in zip(mix.rows, mix.along, strict=True)]
            effects["theta_new_studies"] = blended(parts, design.mix.share.tolist())
    tau = float(mass[alive] @ np.sqrt(spread())) if most else math.nan
    total = float(fit.solution.nodes.log_total) + looked.gained
    return Posterior(effects, {}, tau, total, fit.solution.error, design.pooled)
