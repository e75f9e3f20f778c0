"""The posterior of a bias mixture as groups of a tree.

Given mu and tau nothing is normal any more, so ``mu``, the hyperparameter and ``theta_new`` are kept as
continuous marginals (``mu_marginal``, ``mu_range``), and ``biased`` is each estimate's probability of being
biased. The effect behind a study is not normal given the nodes and is left to NUTS.
"""

from typing import Any

import numpy as np
import xarray as xr

from bayesrtw.dims import CHAIN, DRAW, ESTIMATE, NODE
from bayesrtw.engine.allocation import Allocated, draw, marginal
from bayesrtw.engine.integrate import Integral, pruned, tail_power
from bayesrtw.posterior.axis import Real, stored
from bayesrtw.posterior.marginal import Marginal
from bayesrtw.posterior.tree import shaped


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
    taus = values[0] if values else np.zeros(1)
    biased, means = problem.biased(taus, weight)
    given = problem.given(values)
    mean = given.mean[..., 0]
    centre = float(weight @ mean)
    spread = float(weight @ (given.covariance[..., 0, 0] + (mean - centre) ** 2))
    data: dict[str, Any] = {
        "log_evidence": float(found.nodes.log_total),
        "error": found.error,
        "weight": (NODE, weight),
        "biased": (ESTIMATE, biased),
        "mean_bias": ("group", np.array(means)),
        "mu_moments": ("moment", np.array([centre, spread**0.5])),
        **_marginal("mu", marginal(problem, found, new=False), stored(Real())),
    }
    for name, axis, own in zip(problem.names, problem.axes, found.marginals, strict=True):
        total = spread + float(weight @ taus**2)
        data[name] = (NODE, taus)
        data["theta_new_moments"] = ("moment", np.array([centre, total**0.5]))
        data |= _marginal(name, own, stored(axis))
        data |= _marginal("theta_new", marginal(problem, found, new=True), stored(Real()))
    attrs = {
        "tail_power": tail_power(problem.design),
        "back_moments": back_moments,
        "grows_with_tau": "theta_new" if problem.names else "",
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
    tau, mu = draw(problem, found, chains * draws, rng)
    values = {"mu": mu}
    for name in problem.names:
        values |= {name: tau, "theta_new": mu + tau * rng.standard_normal(len(tau))}
    data = {name: ((CHAIN, DRAW), shaped(value, chains, draws)) for name, value in values.items()}
    return xr.Dataset(data, coords={CHAIN: np.arange(chains), DRAW: np.arange(draws)})
