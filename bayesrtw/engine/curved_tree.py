"""A fit of a model that is not normal as groups of a tree: kernels, marginals, and exact draws."""

from dataclasses import replace
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from scipy.special import logsumexp

from bayesrtw.dims import ESTIMATE, NODE
from bayesrtw.engine.arrays import back_moments
from bayesrtw.engine.cubature import sizes
from bayesrtw.engine.curved_biased import stretch
from bayesrtw.engine.curved_fit import CurvedFit
from bayesrtw.engine.curved_place import Place
from bayesrtw.engine.draw import draw_near
from bayesrtw.engine.drawn_group import posterior_group
from bayesrtw.engine.fitted import Posterior
from bayesrtw.engine.integrate import tail_power
from bayesrtw.model.design import Design, PriorMixture
from bayesrtw.posterior.axis import stored
from bayesrtw.posterior.marginal import marginals
from bayesrtw.posterior.stored import kernel_variables

Array = NDArray[np.float64]
Index = NDArray[np.intp]

#: What may be left of the start of an independence sampler, by the shares of proposals that are not taken;
#: the most steps; and how much wider than the posterior it proposes, less with more than three coefficients.
START, STEPS, WIDER = 3e-6, 40, 0.15
#: Draws of one node that are laid beside one another.
BESIDE = 32


def of_effects(
    design: Design, learned: Posterior, weight: Array
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Give what a tree keeps of a posterior's effects: variables and coordinates."""
    data: dict[str, Any] = {
        "log_evidence": learned.log_evidence,
        "error": learned.error,
        "weight": (NODE, weight),
    }
    coords: dict[str, Any] = {ESTIMATE: design.labels}
    for name, quantity in design.quantities.items():
        keys = [f"{name}[{label}]" if quantity.dim else name for label in quantity.labels]
        data |= kernel_variables(name, quantity.dim, [learned.effects[key] for key in keys])
        if quantity.dim:
            coords[quantity.dim] = np.array(quantity.labels, dtype=object)
    for name in ("theta_new", "theta_new_studies"):
        if name in learned.effects:
            data |= kernel_variables(name, None, [learned.effects[name]])
    return data, coords


def quadrature(fit: CurvedFit, *, study_effects: bool) -> xr.Dataset:
    """Give the group ``quadrature``: every effect as kernels, every hyperparameter as a marginal."""
    near, learned = fit.near, fit.posterior
    weight = fit.weight
    data, coords = of_effects(near, learned, weight)
    own = marginals(fit.weighed_nodes, fit.fine.curved.axes) if fit.nodes.counts else ()
    for name, axis, each in zip(fit.fine.curved.names, fit.fine.curved.axes, own, strict=True):
        data[f"{name}_marginal"] = (f"{name}_point", each.weight)
        data[f"{name}_range"] = ("end", np.array([each.low, each.high, stored(axis)]))
    for name, value in zip(fit.fine.curved.names, fit.nodes.values, strict=True):
        data[name] = (NODE, value)
    if near.mixture is not None:
        data["prior_part"] = ("part", _parts(fit, near.mixture))
    if fit.design.risks and study_effects:
        chance, means = fit.biases
        data["biased"] = (ESTIMATE, chance)
        data["mean_bias"] = ("group", np.array(list(means.values())))
        coords["group"] = np.array(list(means), dtype=object)
    if study_effects:
        every = np.ones(len(near.labels), dtype=bool)
        data |= kernel_variables("theta", ESTIMATE, fit.effect_of(every))
        # Baselines take up what arms have in common: rows and priors share no weight of one.
        if "mu" in near.quantities and not fit.evidence.single_arms.any():
            data[f"weight_in_{near.pooled}"] = (ESTIMATE, fit.shares[:-1])
            data[f"prior_weight_in_{near.pooled}"] = float(fit.shares[-1])
    attrs = {
        "tail_power": tail_power(fit.fine.curved.bounding),
        "back_moments": back_moments(near),
        "grows_with_tau": "",
    }
    return xr.Dataset(data, coords=coords, attrs=attrs)


def _parts(fit: CurvedFit, mixture: PriorMixture) -> Array:
    """Posterior weight of each part of a prior that is a mixture, shape (part,)."""
    log_weight, mean, sd = mixture.parts
    at = fit.fine.seen.b[..., mixture.column, None]
    log = log_weight - 0.5 * ((at - mean) / sd) ** 2 - np.log(sd)
    each = np.exp(log - logsumexp(log, axis=-1, keepdims=True))
    weight, share, _ = fit.shared
    return np.asarray(np.einsum("p,pk,pkm->m", weight, share, each))


def drawn_from(
    fit: CurvedFit, chains: int, draws: int, seed: int, *, study_effects: bool
) -> xr.Dataset:
    """Give the group ``posterior``: hyperparameters by inversion, coefficients by an independence sampler."""
    near, curved, rng = fit.near, fit.fine.curved, np.random.default_rng(seed)
    count = chains * draws
    values: tuple[Array, ...] = ()
    if curved.names:
        values = draw_near(fit.weighed_nodes, curved.axes, count, rng)
    b = _coefficients(fit, values, count, rng)
    every = np.ones(len(near.labels), dtype=bool)

    def theta() -> Array:
        return np.stack([each.sample(count, rng) for each in fit.effect_of(every)], axis=-1)

    at = dict(zip(curved.names, values, strict=True))
    return posterior_group(near, at, b, theta if study_effects else None, (chains, draws), rng)


def _coefficients(
    fit: CurvedFit, values: tuple[Array, ...], count: int, rng: np.random.Generator
) -> Array:
    """Draw coefficients given hyperparameters, shape (draw, column)."""
    place, width = fit.fine.seen.place, fit.design.near.columns.shape[1]
    node = np.zeros(count, dtype=np.intp)
    if values:
        # The nearest node by the nodes' own spacing says where the coefficients live.
        scales = [np.std(np.log(own + 1e-12)) or 1.0 for own in fit.nodes.values]
        apart = sum(
            (
                ((np.log(value + 1e-12)[:, None] - np.log(own + 1e-12)) / scale) ** 2
                for value, own, scale in zip(values, fit.nodes.values, scales, strict=True)
            ),
            np.zeros((count, len(fit.weight))),
        )
        node = np.argmin(apart, axis=1)
    # Nodes of one hyperparameter are close: there what is laid at them serves. Without any there is one node.
    near = not values or (place.held is not None and len(values) == 1)
    here = place._replace(surface=None).at(node)
    state, log = np.zeros((count, width)), np.full(count, -np.inf)
    wider = (1.0 + WIDER * min(1.0, (3.0 / max(width, 1)) ** 0.5)) * stretch(fit.fine.curved)
    left = 1.0
    for _ in range(STEPS if width else 1):
        z = wider * rng.standard_normal((count, width))
        b = here.centre + np.einsum("jcd,jd->jc", here.factor, z)
        found = _near(fit, b, node) if near else _at(fit, values, b, here)
        value = found + 0.5 * np.sum(z**2, axis=1) / wider**2
        take = np.log(rng.random(count)) < value - log
        state[take], log[take] = b[take], value[take]
        left *= 1.0 - float(np.mean(take)) or 1.0
        if left < START:
            break
    assert np.all(np.isfinite(logsumexp(log)))
    return state


def _at(fit: CurvedFit, values: tuple[Array, ...], b: Array, place: Place) -> Array:
    """Log density at draws, shape (draw,): inner rules are coarse, far below the draws' own noise."""
    at = b[:, None, :]
    rough = replace(fit.fine.curved, size=sizes(b.shape[1])[0])
    factors = rough.factors(values, at, place, fit.kept)
    return (sum(factors, np.zeros(())) + fit.fine.curved.log_prior(at))[:, 0]


def _near(fit: CurvedFit, b: Array, node: Index) -> Array:
    """Log density at draws, (draw, column), at the hyperparameters of their nearest nodes, (draw,)."""
    curved, place = fit.fine.curved, fit.fine.seen.place
    order = np.argsort(node, kind="stable")
    many = np.bincount(node, minlength=len(fit.weight))
    # Draws of a node stand in rows of its own, the last of which its centre fills up.
    rows = -(-many // BESIDE)
    of_row = np.repeat(np.arange(len(many)), rows)
    nth = np.arange(len(node)) - np.repeat(np.cumsum(many) - many, many)
    row = np.repeat(np.cumsum(rows) - rows, many) + nth // BESIDE
    at = np.repeat(place.centre[of_row, None], BESIDE, axis=1)
    at[row, nth % BESIDE] = b[order]
    held = None if place.held is None else place.held.at(of_row)
    values = tuple(value[of_row] for value in fit.nodes.values)
    factors = curved.factors(values, at, place.at(of_row)._replace(held=held), fit.kept)
    found = np.empty(len(node))
    found[order] = (sum(factors, np.zeros(())) + curved.log_prior(at))[row, nth % BESIDE]
    return found
