"""Gates that a sampled tree must pass before it is an answer."""

from typing import Any

import numpy as np
import xarray as xr

#: Gates of a fit (Vehtari et al. 2021, doi:10.1214/20-BA1221; Betancourt 2016, arXiv:1604.00695).
MOST_RHAT = 1.01
LEAST_ESS = 400.0
LEAST_BFMI = 0.3


def failures(tree: xr.DataTree) -> list[str]:
    """Hold a sampled tree against the gates.

    Parameters
    ----------
    tree
        A tree with the groups ``posterior`` and ``sample_stats``.

    Returns
    -------
    list of str
        What failed, with its figure; empty if nothing did.
    """
    import arviz_stats as azs  # noqa: PLC0415

    posterior = tree["posterior"].to_dataset()
    failed = []
    rhat = _extreme(azs.rhat(posterior), np.nanmax)
    bulk = _extreme(azs.ess(posterior, method="bulk"), np.nanmin)
    tail = _extreme(azs.ess(posterior, method="tail"), np.nanmin)
    if rhat > MOST_RHAT:
        failed.append(f"R-hat is {rhat:.3f} (at most {MOST_RHAT})")
    for name, value in (("bulk", bulk), ("tail", tail)):
        if value < LEAST_ESS:
            failed.append(f"{name} ESS is {value:.0f} (at least {LEAST_ESS:.0f})")
    stats = tree["sample_stats"].to_dataset()
    divergent = int(stats["diverging"].sum())
    if divergent:
        failed.append(f"{divergent} transitions diverged (none may)")
    energy = stats["energy"].to_numpy()
    bfmi = np.mean(np.diff(energy, axis=1) ** 2, axis=1) / np.var(energy, axis=1)
    if np.min(bfmi) < LEAST_BFMI:
        failed.append(f"E-BFMI is {np.min(bfmi):.2f} (at least {LEAST_BFMI})")
    return failed


def _extreme(values: xr.Dataset, pick: Any) -> float:
    return float(pick([pick(variable.to_numpy()) for variable in values.data_vars.values()]))
