"""Densities of posteriors and priors as curves.

Where the exact engine's quadrature is in the tree, a density is the mixture of normals over its nodes,
or the Legendre series of a hyperparameter's marginal: no draw and no bandwidth. arviz-plots draws
densities from draws only (`plot_dist`, `plot_prior_posterior`), on the analysis scale; of trees without
quadrature its kernel estimate, from arviz-stats, is what is drawn here.
"""

import math
from dataclasses import dataclass
from typing import Final

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from bayesrtw.dims import CHAIN, DRAW, MODERATOR, NODE
from bayesrtw.errors import SpecError
from bayesrtw.model.contract import normal
from bayesrtw.model.prior import Normal, Prior
from bayesrtw.posterior.sampling import arviz
from bayesrtw.posterior.stored import effect_in, labels_in
from bayesrtw.posterior.summarise import VARIABLES, hyper_distribution
from bayesrtw.posterior.tree import models_of
from bayesrtw.registry import suggestion

Array = NDArray[np.float64]

#: Points of a curve: at 300 dots an inch a page is 2000 dots wide, and curves are smooth.
POINTS: Final = 400

#: Probability that a curve leaves out at either end.
TAIL: Final = 5e-4


@dataclass(frozen=True, slots=True, eq=False)
class Curve:
    """A density."""

    x: Array  #: Shape (point,), ascending, on the analysis scale.
    density: Array  #: Shape (point,), per unit of x.


@dataclass(frozen=True, slots=True)
class OneDensity:
    """A variable of a tree and the label of one of its values; empty for a scalar."""

    variable: str
    label: str


def quantity_named(tree: xr.DataTree, name: str) -> OneDensity:
    """Find a quantity by the name that `summarise` gives it."""
    exact = "quadrature" in tree.children
    source = (tree["quadrature"] if exact else tree["posterior"]).to_dataset()
    spreads = str(tree.attrs["hyper"]).split()
    have: dict[str, OneDensity] = {}
    for variable in (*VARIABLES, *spreads, "theta"):
        labels = labels_in(source, variable) if exact and variable not in spreads else None
        if labels is None:
            if variable not in source:
                continue
            dims = [dim for dim in source[variable].dims if dim not in (NODE, CHAIN, DRAW)]
            labels = [str(label) for label in source[dims[0]].to_numpy()] if dims else [""]
        have |= {f"{variable}[{it}]" if it else variable: OneDensity(variable, it) for it in labels}
    if name not in have:
        raise SpecError(f"quantity is {name!r}; {suggestion(name, list(have))}")
    return have[name]


def posterior_curve(tree: xr.DataTree, quantity: OneDensity) -> Curve:
    """Give the posterior density of a quantity."""
    spread = quantity.variable in str(tree.attrs["hyper"]).split()
    if "quadrature" not in tree.children:
        return _sampled(tree, quantity)
    source = tree["quadrature"].to_dataset()
    if spread:
        found = hyper_distribution(source, quantity.variable)
        # Twice the 0.995 quantile lies beyond what is seen of any tail.
        start, end = found.quantile(np.array([10 * TAIL, 1.0 - 10 * TAIL])).tolist()
        prior = prior_of(tree, quantity)
        if prior is not None and prior.support[0] < 0:
            x = np.linspace(start, end, POINTS)
            return Curve(x, np.exp(found.log_density(x)))
        x = np.linspace(0.0, end, POINTS + 1)[1:]
        # An SD's density at 0 itself may be where the series ends: the first step carries it there.
        return Curve(np.concatenate([[0.0], x]), _to_zero(x, np.exp(found.log_density(x))))
    effect = effect_in(source, quantity.variable, quantity.label)
    low, high = effect.quantile([TAIL, 1 - TAIL])
    x = np.linspace(low, high, POINTS)
    return Curve(x, np.exp(effect.log_density(x)))


def _to_zero(x: Array, density: Array) -> Array:
    """Carry a density on to 0 along its first two points."""
    slope = (density[1] - density[0]) / (x[1] - x[0])
    return np.concatenate([[max(0.0, density[0] - slope * x[0])], density])


def _sampled(tree: xr.DataTree, quantity: OneDensity) -> Curve:
    draws = tree["posterior"].to_dataset()[quantity.variable]
    dims = [dim for dim in draws.dims if dim not in (CHAIN, DRAW)]
    values = (draws.sel({dims[0]: quantity.label}) if dims else draws).to_numpy().ravel()
    x, density, _ = arviz().base.array_stats.kde(values)
    return Curve(np.asarray(x, dtype=np.float64), np.asarray(density, dtype=np.float64))


def prior_of(tree: xr.DataTree, quantity: OneDensity) -> Prior | None:
    """Give the prior of a quantity."""
    models = models_of(tree)
    if len(models) > 1:
        return None
    [model] = models
    if quantity.variable in model.hyper:
        return model.hyper[quantity.variable]
    if quantity.variable == "mu":
        return model.mean
    if quantity.variable == "mu_studies":
        constant = tree["constant_data"].to_dataset()
        if "mu_studies_prior" not in constant:
            return None
        return Normal(*(float(value) for value in constant["mu_studies_prior"].to_numpy()))
    own = _coefficient(tree, quantity.label)
    if own is None or own[1] == 0.0:
        return None
    if quantity.variable == "beta":
        return Normal(*own)
    mean = None if model.mean is None else normal(model.mean)
    if quantity.variable == "mu_level" and mean is not None:
        return Normal(mean[0] + own[0], math.hypot(mean[1], own[1]))
    return None


def _coefficient(tree: xr.DataTree, label: str) -> tuple[float, float] | None:
    """Prior mean and SD of a coefficient, or of a level's effect, which sums to zero with others."""
    constant = tree["constant_data"].to_dataset()
    parts = [constant[name] for name in ("beta_prior_mean", "beta_prior_sd") if name in constant]
    if len(parts) < 2 or label not in parts[0][MODERATOR].to_numpy():
        return None
    mean, sd = (float(part.sel({MODERATOR: label})) for part in parts)
    return mean, sd


def prior_curve(prior: Prior, low: float, high: float) -> Curve:
    """Give the density of a prior over a range."""
    x = np.linspace(low, high, POINTS)
    ends = prior.support
    x = x[(x >= ends[0]) & (x <= ends[1])]
    with np.errstate(over="ignore"):
        density = np.exp(prior.logpdf(x))
    # A density that is infinite at 0 leaves the picture there; a line cannot.
    return Curve(x[np.isfinite(density)], density[np.isfinite(density)])
