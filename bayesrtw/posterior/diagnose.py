"""What a fitted tree says about itself: checks as findings, never hidden."""

import numpy as np
import xarray as xr

from bayesrtw.engine.nuts import failures
from bayesrtw.errors import Finding, Severity
from bayesrtw.model.spec import Model
from bayesrtw.posterior.summarise import probability_beyond, tau_distribution

#: Posterior-to-prior ratio of the interquartile range of tau above which the data say little.
LITTLE_LEARNED = 0.8

#: Share of the prior in the pooled mean from which it is said as a warning.
HEAVY_PRIOR = 0.1

#: Probability of an effect against the pooled one in a new setting from which it is said.
HETEROGENEOUS = 0.2


def diagnose(tree: xr.DataTree, model: Model) -> tuple[Finding, ...]:
    """Hold a fit against its checks.

    Parameters
    ----------
    tree
        What `fit` returned.
    model
        What was fitted.

    Returns
    -------
    tuple of Finding
        Numerical quality, the prior's share, heterogeneity.
    """
    found: list[Finding] = []
    if "quadrature" in tree.children:
        source = tree["quadrature"].to_dataset()
        text = (
            f"Exact: {source.sizes['node']} nodes; doubling them moved nothing by more than "
            f"{float(source['error']):.0e} (relative)."
        )
        found.append(Finding("quadrature", "note", text))
        found += _prior_share(source)
        if "tau" in model.hyper and "tau" in source:
            found += _learned(source, model)
    else:
        found += [Finding("sampler", "failed", f"Nuts: {text}.") for text in failures(tree)]
    found += _leaning(tree)
    posterior = tree["posterior"]
    if "theta_new" in posterior and "mu" in posterior:
        up = probability_beyond(tree, "mu", "", 0.0, above=True) >= 0.5
        against = probability_beyond(tree, "theta_new", "", 0.0, above=not up)
        if against >= HETEROGENEOUS:
            text = (
                f"Heterogeneous: in a new setting the effect lies on the other side of no effect with "
                f"probability {against:.2f}."
            )
            found.append(Finding("heterogeneous", "warning", text))
    return tuple(found)


def _prior_share(source: xr.Dataset) -> list[Finding]:
    if "prior_weight_in_mu" not in source:
        return []
    share = float(source["prior_weight_in_mu"])
    severity: Severity = "warning" if share >= HEAVY_PRIOR else "note"
    text = f"The prior has {100 * share:.1f} % of the weight in the pooled mean."
    return [Finding("prior-weight", severity, text)]


def _learned(source: xr.Dataset, model: Model) -> list[Finding]:
    prior = model.hyper["tau"]
    if not prior.proper:
        return []
    levels = np.array([0.25, 0.75])
    before = np.diff(prior.ppf(levels))[0]
    after = np.diff(tau_distribution(source).quantile(levels))[0]
    ratio = float(after / before)
    if ratio <= LITTLE_LEARNED:
        return []
    text = (
        f"The data say almost nothing about heterogeneity: the interquartile range of tau is "
        f"{ratio:.2f} of its prior's."
    )
    return [Finding("tau-from-prior", "warning", text)]


def _leaning(tree: xr.DataTree) -> list[Finding]:
    """Name coefficients whose posterior is hardly narrower than their prior."""
    constant, posterior = tree["constant_data"].to_dataset(), tree["posterior"].to_dataset()
    if "beta_prior_sd" not in constant:
        return []
    ratio = posterior["beta"].std(("chain", "draw")) / constant["beta_prior_sd"]
    names = [
        f"{name} ({float(value):.2f})"
        for name, value in zip(ratio["moderator"].to_numpy(), ratio.to_numpy(), strict=True)
        if value > LITTLE_LEARNED
    ]
    if not names:
        return []
    text = (
        f"Coefficients that the data say little about, with the posterior's SD as a share of the "
        f"prior's: {', '.join(names)}."
    )
    return [Finding("beta-from-prior", "warning", text)]
