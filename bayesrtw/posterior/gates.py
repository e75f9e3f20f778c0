"""Gates that a sampled tree must pass before it is an answer."""

from typing import Any

import numpy as np
import xarray as xr

from bayesrtw.posterior.sampling import arviz

#: Gates of a fit (Vehtari et al. 2021, doi:10.1214/20-BA1221; Betancourt 2016, arXiv:1604.00695).
MOST_RHAT = 1.01
LEAST_ESS = 400.0
LEAST_BFMI = 0.3

#: A chain is stuck if this share of its transitions diverged or stayed where they were, and of those of its
#: peers a tenth of that; or if R-hat passes its gate without the chain and is above `FAR_RHAT` with it.
STUCK_SHARE = 0.1
FAR_RHAT = 1.1


def failures(tree: xr.DataTree) -> list[str]:
    """Hold a sampled tree against the gates."""
    azs = arviz()
    posterior = tree["posterior"].to_dataset()
    failed = stuck(tree)
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


def stuck(tree: xr.DataTree) -> list[str]:
    """Name chains that did not go where the others went."""
    azs = arviz()
    posterior, stats = tree["posterior"].to_dataset(), tree["sample_stats"].to_dataset()
    energy = stats["energy"].to_numpy()
    shares = {
        "diverged": stats["diverging"].to_numpy().mean(axis=1),
        "stayed where they were": (np.diff(energy, axis=1) == 0).mean(axis=1),
    }
    chains = len(energy)
    if chains < 2:
        return []
    together = _extreme(azs.rhat(posterior), np.nanmax) if chains > 2 else 1.0
    found = []
    for chain in range(chains):
        others = np.arange(chains) != chain
        for what, share in shares.items():
            peers = float(np.median(share[others]))
            if share[chain] >= STUCK_SHARE and peers <= 0.1 * share[chain]:
                found.append(
                    f"chain {chain} is stuck: {100 * share[chain]:.0f} % of its transitions {what}, "
                    f"{100 * peers:.0f} % of those of its peers"
                )
                break
        else:
            if together > FAR_RHAT:
                apart = _extreme(azs.rhat(posterior.isel(chain=np.flatnonzero(others))), np.nanmax)
                if apart <= MOST_RHAT:
                    found.append(
                        f"chain {chain} is stuck apart from the others: R-hat is {apart:.3f} without it"
                    )
    return found


def _extreme(values: xr.Dataset, pick: Any) -> float:
    return float(pick([pick(variable.to_numpy()) for variable in values.data_vars.values()]))
