"""The posterior of a bias mixture as groups of a tree.

Given mu and tau nothing is normal any more, so ``mu``, the hyperparameter and ``theta_new`` are kept as
continuous marginals (``mu_marginal``, ``mu_range``), and ``biased`` is each estimate's probability of being
biased. The effect behind a study is not normal given the nodes and is left to NUTS.
"""

from typing import Any

import numpy as np
import xarray as xr

from bayesrtw.dims import CHAIN, DRAW, ESTIMATE, NODE
from bayesrtw.engine.allocation import Allocated, draw, new_setting
from bayesrtw.engine.axis import Real, stored
from bayesrtw.engine.integrate import Integral, pruned, tail_power
from bayesrtw.engine.marginal import Marginal
from bayesrtw.engine.tree import shaped


def quadrature(problem: Allocated, found: Integral, back_moments: int) -> xr.Dataset:
    """Give the group ``quadrature``.

    Parameters
    ----------
    problem, found
        What `bayesrtw.engine.allocation.solve` returned.
    back_moments
        Moments of the ratio in a new setting that exist.

    Returns
    -------
    Dataset
        Nodes, marginals, log evidence, error, and who is biased.
    """
    values, weight = pruned(found.nodes)
    biased, means = problem.biased(values, weight)
    data: dict[str, Any] = {
        "log_evidence": float(found.nodes.log_total),
        "error": found.error,
        "weight": (NODE, weight),
        "biased": (ESTIMATE, biased),
        "mean_bias": ("group", np.array(means)),
    }
    each = dict(zip(problem.names, values, strict=True))
    mu = each.pop("mu")
    centre, tau2 = float(weight @ mu), sum(weight @ tau**2 for tau in each.values())
    spread = float(weight @ (mu - centre) ** 2)
    data["mu_moments"] = ("moment", np.array([centre, spread**0.5]))
    for name, tau in each.items():
        data[name] = (NODE, tau)
        data["theta_new_moments"] = ("moment", np.array([centre, float(spread + tau2) ** 0.5]))
    for name, axis, marginal in zip(problem.names, problem.axes, found.marginals, strict=True):
        own = marginal
        if isinstance(axis, Real):
            ends = axis.value(np.array([marginal.low, marginal.high]))
            own = Marginal(marginal.weight, float(ends[0]), float(ends[1]))
        data |= _marginal(name, own, stored(axis))
    if len(problem.names) > 1:
        data |= _marginal("theta_new", new_setting(problem, found.finest), stored(Real()))
    attrs = {
        "tail_power": tail_power(problem.design),
        "back_moments": back_moments,
        "grows_with_tau": "theta_new" if len(problem.names) > 1 else "",
    }
    coords = {ESTIMATE: problem.design.labels, "group": np.array(problem.labels, dtype=object)}
    return xr.Dataset(data, coords=coords, attrs=attrs)


def _marginal(name: str, marginal: Marginal, code: float) -> dict[str, Any]:
    return {
        f"{name}_marginal": (f"{name}_point", marginal.weight),
        f"{name}_range": ("end", np.array([marginal.low, marginal.high, code])),
    }


def posterior(
    problem: Allocated, found: Integral, chains: int, draws: int, seed: int
) -> xr.Dataset:
    """Give the group ``posterior``.

    Parameters
    ----------
    problem, found
        What `bayesrtw.engine.allocation.solve` returned.
    chains, draws, seed
        How many draws, and of which seed.

    Returns
    -------
    Dataset
        Draws of ``mu``, the heterogeneity SD and ``theta_new``.
    """
    rng = np.random.default_rng(seed)
    values = dict(zip(problem.names, draw(problem, found, chains * draws, rng), strict=True))
    if len(values) > 1:
        tau = next(value for name, value in values.items() if name != "mu")
        values["theta_new"] = values["mu"] + tau * rng.standard_normal(len(tau))
    data = {name: ((CHAIN, DRAW), shaped(value, chains, draws)) for name, value in values.items()}
    return xr.Dataset(data, coords={CHAIN: np.arange(chains), DRAW: np.arange(draws)})
