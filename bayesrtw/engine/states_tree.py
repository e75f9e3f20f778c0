"""A fit that is a sum over states as groups of a tree: kernels, marginals, levels, and exact draws."""

from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from bayesrtw.dims import CHAIN, DRAW, ESTIMATE, NODE
from bayesrtw.engine import curved_tree
from bayesrtw.engine.curved_fit import CurvedFit
from bayesrtw.engine.states import StatesFit, summed
from bayesrtw.posterior.axis import stored
from bayesrtw.posterior.stored import kernel_variables
from bayesrtw.posterior.tree import shaped

Array = NDArray[np.float64]


def quadrature(fit: CurvedFit | StatesFit, *, study_effects: bool) -> xr.Dataset:
    """Give the group ``quadrature``: every effect as kernels, every hyperparameter as a marginal."""
    if not summed(fit):
        return curved_tree.quadrature(fit, study_effects=study_effects)
    weight, values = fit.hyper_nodes
    data, coords = curved_tree.of_effects(fit.near, fit.posterior, weight)
    for name, (axis, own) in fit.margins.items():
        data[f"{name}_marginal"] = (f"{name}_point", own.weight)
        data[f"{name}_range"] = ("end", np.array([own.low, own.high, stored(axis)]))
        data[name] = (NODE, values[name])
    missing = fit.near.unreported
    if missing is not None:
        data["level_probability"] = ((ESTIMATE, "missing_level"), fit.levels)
        coords["missing_level"] = np.array(missing.names, dtype=object)
    if study_effects:
        data |= kernel_variables("theta", ESTIMATE, fit.effect_of(np.ones_like(fit.kept)))
        if "mu" in fit.near.quantities and not fit.evidence.single_arms.any():
            data[f"weight_in_{fit.near.pooled}"] = (ESTIMATE, fit.shares[:-1])
            data[f"prior_weight_in_{fit.near.pooled}"] = float(fit.shares[-1])
    # Tails of hyperparameters are those of every state.
    first = quadrature(fit.fits[0], study_effects=False)
    attrs = first.attrs if missing is None else {**first.attrs, "missing": missing.column}
    return xr.Dataset(data, coords=coords, attrs=attrs)


def drawn_from(
    fit: CurvedFit | StatesFit, chains: int, draws: int, seed: int, *, study_effects: bool
) -> xr.Dataset:
    """Give the group ``posterior``: a state by its probability, and everything else given it."""
    if not summed(fit):
        return curved_tree.drawn_from(fit, chains, draws, seed, study_effects=study_effects)
    rng, each = np.random.default_rng(seed), list[xr.Dataset]()
    share = fit.share / fit.share.sum()
    for place, count in enumerate(rng.multinomial(chains * draws, share).tolist()):
        if count:
            own = fit.fits[place]
            each.append(drawn_from(own, 1, count, seed + 1 + place, study_effects=study_effects))
    order = rng.permutation(chains * draws)
    data: dict[str, Any] = {}
    for name, first in each[0].data_vars.items():
        every = np.concatenate([own[name].to_numpy()[0] for own in each])[order]
        data[str(name)] = (first.dims, shaped(every, chains, draws))
    for name in fit.over.own:
        # States are values in their order: draws between them have the ranks of theirs.
        between = np.sort(fit.posterior.hyper[name].quantile(rng.random(chains * draws)))
        data[name] = ((CHAIN, DRAW), shaped(between[order], chains, draws))
    coords = {name: own for name, own in each[0].coords.items() if name not in (CHAIN, DRAW)}
    axes = {CHAIN: np.arange(chains), DRAW: np.arange(draws)}
    return xr.Dataset(data, coords={**axes, **coords})
