"""What a fitted tree says about itself: checks as findings, never hidden."""

import json
import math

import numpy as np
import xarray as xr

from bayesrtw.errors import Finding, Severity
from bayesrtw.model.contract import Prior
from bayesrtw.model.spec import Model
from bayesrtw.model.term import Hyper
from bayesrtw.posterior.gates import failures
from bayesrtw.posterior.stored import shares_in
from bayesrtw.posterior.summarise import hyper_distribution, probability_beyond, summarise
from bayesrtw.posterior.tree import pooled_of
from bayesrtw.printed import spell_probability

#: Posterior-to-prior ratio of the interquartile range of tau above which the data say little.
LITTLE_LEARNED = 0.8

#: Share of the prior in the pooled mean from which it is said as a warning.
HEAVY_PRIOR = 0.1

#: Probability that a heterogeneity SD exceeds the typical standard error from which it is said. I² is then
#: above 50 %, "substantial" in the Cochrane Handbook, 10.10.2.
SPREAD = 0.8

#: Two studies say nothing of spread that a wide prior of it does not say.
FEWEST = 3


#: What the data may say little about, where it is not said by what a hyperparameter is.
_SAID = {"sd of effects": "heterogeneity", "sd of biases": "the spread of biases"}


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
        Numerical quality, the prior's share, spread of effects.
    """
    found: list[Finding] = []
    if "quadrature" in tree.children:
        source = tree["quadrature"].to_dataset()
        text = (
            f"Exact: {source.sizes['node']} nodes; doubling them moved nothing by more than "
            f"{float(source['error']):.0e} (relative)."
        )
        found.append(Finding("quadrature", "note", text))
        if "posterior" in tree.children and "theta" not in tree["posterior"] and _effects(source):
            text = (
                "Draws of the effects behind estimates are left out, because they are too many; their "
                "posteriors stand in the group quadrature. Fewer draws, or a model of fewer rows, has them."
            )
            found.append(Finding("draws-left-out", "note", text))
        found += _prior_share(source, pooled_of(tree))
        found += [
            finding
            for name, each in model.hyperparameters.items()
            for finding in _learned(source, name, each)
        ]
    else:
        found += [Finding("sampler", "failed", f"Nuts: {text}.") for text in failures(tree)]
        tried = json.loads(tree.attrs.get("attempts", "[]"))
        if tried:
            text = f"Nuts sampled again with more draws and smaller steps, {'; '.join(tried)}."
            found.append(Finding("sampler-raised", "note", text))
    found += _leaning(tree)
    return (*found, *_spread(tree, model))


def _effects(source: xr.Dataset) -> bool:
    """Whether effects behind estimates are reported."""
    return any(
        str(name).startswith("theta_") and "estimate" in source[name].dims for name in source
    )


def _spread(tree: xr.DataTree, model: Model) -> list[Finding]:
    """Say where effects differ by more than sampling errors: the one rule on heterogeneity."""
    constant = tree["constant_data"].dataset
    if len(set(constant["study"].to_numpy().tolist())) < FEWEST:
        return []
    weight = constant["se"].to_numpy() ** -2.0
    total = float(weight.sum())
    # Higgins & Thompson (2002), Statistics in Medicine 21:1539-1558, equation 9.
    typical = math.sqrt((len(weight) - 1) * total / (total**2 - float(weight @ weight)))
    found = []
    for name in model.spreads:
        chance = probability_beyond(tree, name, "", typical, above=True)
        if chance >= SPREAD:
            text = (
                f"Spread: {name} is larger than the typical standard error, {typical:.2g} (I² above "
                f"50 %), with probability {spell_probability(chance)}."
            )
            found.append(Finding("spread", "warning", text))
    return found


def _prior_share(source: xr.Dataset, pooled: str) -> list[Finding]:
    found = shares_in(source, pooled)
    if found is None:
        return []
    share = found[1]
    severity: Severity = "warning" if share >= HEAVY_PRIOR else "note"
    text = f"The prior has {100 * share:.1f} % of the weight in the pooled mean."
    return [Finding("prior-weight", severity, text)]


def narrowing(source: xr.Dataset, name: str, prior: Prior) -> float:
    """Compare a hyperparameter's posterior with its prior."""
    levels = np.array([0.25, 0.75])
    before = np.diff(prior.ppf(levels))[0]
    after = np.diff(hyper_distribution(source, name).quantile(levels))[0]
    return float(after / before)


def _learned(source: xr.Dataset, name: str, hyper: Hyper) -> list[Finding]:
    if not hyper.prior.proper:
        return []
    ratio = narrowing(source, name, hyper.prior)
    if ratio <= LITTLE_LEARNED:
        return []
    what = _SAID.get(hyper.what, f"this {hyper.what}")
    text = (
        f"The data say almost nothing about {what}: the interquartile range of {name} is "
        f"{ratio:.2f} of its prior's."
    )
    return [Finding("hyper-from-prior", "warning", text)]


def _leaning(tree: xr.DataTree) -> list[Finding]:
    """Name coefficients whose posterior is hardly narrower than their prior."""
    constant = tree["constant_data"].to_dataset()
    if "beta_prior_sd" not in constant:
        return []
    rows = summarise(tree)
    after = rows.loc[rows["variable"] == "beta", "sd"].to_numpy()
    before = constant["beta_prior_sd"].to_numpy()
    ratio = np.divide(after, before, out=np.zeros_like(after), where=before > 0)
    names = [
        f"{name} ({value:.2f})"
        for name, value in zip(constant["moderator"].to_numpy(), ratio, strict=True)
        if value > LITTLE_LEARNED
    ]
    if not names:
        return []
    text = (
        f"Coefficients that the data say little about, with the posterior's SD as a share of the "
        f"prior's: {', '.join(names)}."
    )
    return [Finding("beta-from-prior", "warning", text)]
