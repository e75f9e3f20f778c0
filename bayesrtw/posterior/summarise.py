"""Summaries of a fitted tree: moments, quantiles and probabilities, on both scales.

Where the exact engine's quadrature is in the tree, every number comes from it: moments are sums over
the nodes, quantiles invert the mixture's distribution function, and no draw is used. Otherwise the
draws are summarised.
"""

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from bayesrtw.dims import CHAIN, DRAW, NODE
from bayesrtw.engine import mixture
from bayesrtw.engine.axis import Positive, Unit
from bayesrtw.engine.integrate import MARGIN
from bayesrtw.engine.quadrature import Distribution, series
from bayesrtw.errors import SpecError
from bayesrtw.evidence.measure import Measure, measure_named

if TYPE_CHECKING:
    import pandas as pd

Array = NDArray[np.float64]

#: Reported variables, in the order of a table; hyperparameters follow, and ``theta`` last.
VARIABLES = ("mu", "beta", "mu_level", "theta_new")

#: An integrand that is still this large, relative to its peak, where the nodes end is not resolved:
#: its moment is left empty.
UNRESOLVED = 1e-9

#: Columns of a summary, as `summarise` explains them.
COLUMNS = (
    "variable",
    "label",
    "mean",
    "sd",
    "median",
    "lower",
    "upper",
    "ci_prob",
    "ci_kind",
    "probability",
    "mean_back",
    "sd_back",
    "median_back",
    "lower_back",
    "upper_back",
)


def summarise(tree: xr.DataTree, *, ci_prob: float = 0.95) -> "pd.DataFrame":
    """Summarise every reported quantity of a fit.

    Parameters
    ----------
    tree
        What `fit` returned.
    ci_prob
        Probability of the central (equal-tailed) interval, in (0, 1).

    Returns
    -------
    DataFrame
        One row a quantity, index its name (``mu``, ``tau``, ``mu_level[column[level]]``,
        ``theta[study]`` ...). Columns ``mean, sd, median, lower, upper`` on the analysis scale,
        ``ci_prob`` and ``ci_kind`` of the interval, ``probability`` that the quantity is on the side
        of benefit of no effect (empty for tau), and ``*_back`` on the reported scale (ratios for log
        measures; empty for tau and where a moment does not exist).

    Raises
    ------
    SpecError
        If `ci_prob` is not in (0, 1).
    """
    import pandas as pd  # noqa: PLC0415

    if not 0 < ci_prob < 1:
        raise SpecError(f"ci_prob must lie in (0, 1); found {ci_prob!r}.")
    measure = measure_named(str(tree.attrs["measure"]))
    higher = tree.attrs["benefit"] == "higher"
    exact = "quadrature" in tree.children
    posterior = tree["posterior"].to_dataset() if not exact else xr.Dataset()
    source = tree["quadrature"].to_dataset() if exact else posterior
    levels = (0.5 - ci_prob / 2, 0.5, 0.5 + ci_prob / 2)
    parts: list[dict[str, Any]] = []
    spreads = str(tree.attrs["hyper"]).split()
    for variable in (*VARIABLES, *spreads, "theta"):
        names = _names(source, variable, exact=exact and variable not in spreads)
        if names is None:
            continue
        if exact and variable in spreads:
            figures = _exact_hyper(source, variable, levels)
        elif exact:
            figures = _exact_normal(source, variable, levels, measure, higher=higher)
        else:
            figures = _sampled(posterior[variable], levels, measure, higher=higher)
        if variable in spreads:
            figures = {
                **figures,
                **dict.fromkeys(("probability", "mean_back", "sd_back"), np.array([math.nan])),
            }
        back = measure.back if variable not in spreads else lambda x: np.full_like(x, np.nan)
        for end in ("median", "lower", "upper"):
            figures[f"{end}_back"] = back(figures[end])
        parts.append({"variable": variable, "label": names, **figures})
    frame = pd.concat([pd.DataFrame(part) for part in parts], ignore_index=True)
    frame["ci_prob"], frame["ci_kind"] = ci_prob, "eti"
    frame.index = pd.Index(
        [
            f"{variable}[{label}]" if label else variable
            for variable, label in zip(frame["variable"], frame["label"], strict=True)
        ],
        name="quantity",
    )
    return frame[list(COLUMNS)]


def hyper_distribution(quadrature: xr.Dataset, name: str) -> Distribution:
    """Rebuild the continuous posterior of a hyperparameter from a stored ``quadrature`` group.

    Parameters
    ----------
    quadrature
        The group, with a single posterior.
    name
        The hyperparameter, e.g. ``"tau"``.

    Returns
    -------
    Distribution
        With `cdf` and `quantile`.
    """
    low, high, shift = (float(value) for value in quadrature[f"{name}_range"].to_numpy())
    axis = Unit() if shift < 0 else Positive(1.0, shift)
    return series(quadrature[f"{name}_marginal"].to_numpy(), axis, low, high)


def _names(source: xr.Dataset, variable: str, *, exact: bool) -> list[str] | None:
    """Labels of a variable, one empty label for a scalar, None if the tree does not have it."""
    name = f"{variable}_mean" if exact else variable
    if name not in source:
        return None
    dims = [dim for dim in source[name].dims if dim not in (NODE, CHAIN, DRAW)]
    return [str(label) for label in source[dims[0]].to_numpy()] if dims else [""]


def _exact_hyper(source: xr.Dataset, name: str, levels: tuple[float, ...]) -> dict[str, Array]:
    weight, value = source["weight"].to_numpy(), source[name].to_numpy()
    mean = weight @ value
    sd = np.sqrt(weight @ (value - mean) ** 2)
    lower, median, upper = hyper_distribution(source, name).quantile(np.array(levels))
    bounded = float(source[f"{name}_range"].to_numpy()[2]) < 0
    tail = math.inf if bounded else source.attrs["tail_power"]
    figures = {
        "mean": mean if tail > 2 + MARGIN else math.nan,
        "sd": sd if tail > 3 + MARGIN else math.nan,
        "median": median,
        "lower": lower,
        "upper": upper,
    }
    return {label: np.atleast_1d(figure) for label, figure in figures.items()}


def _exact_normal(
    source: xr.Dataset,
    variable: str,
    levels: tuple[float, ...],
    measure: Measure,
    *,
    higher: bool,
) -> dict[str, Array]:
    weight = source["weight"].to_numpy()
    mean = source[f"{variable}_mean"].to_numpy().reshape(len(weight), -1)
    sd = source[f"{variable}_sd"].to_numpy().reshape(len(weight), -1)
    centre, spread = mixture.moments(weight, mean, sd)
    tail = source.attrs["tail_power"]
    if variable in str(source.attrs["grows_with_tau"]).split():
        centre = centre if tail > 2 + MARGIN else np.full_like(centre, np.nan)
        spread = spread if tail > 3 + MARGIN else np.full_like(spread, np.nan)
    below = mixture.cdf(np.zeros(mean.shape[1]), weight, mean, sd)
    lower, median, upper = (mixture.quantile(q, weight, mean, sd) for q in levels)
    back = _back_moments(weight, mean, sd, measure, centre, spread)
    if measure.log and variable in str(source.attrs["grows_with_tau"]).split():
        most = int(source.attrs["back_moments"])
        for place, name in enumerate(("mean_back", "sd_back")):
            if most <= place:
                back[name] = np.full_like(centre, np.nan)
    return {
        "mean": centre,
        "sd": spread,
        "median": median,
        "lower": lower,
        "upper": upper,
        "probability": 1.0 - below if higher else below,
        **back,
    }


def _back_moments(
    weight: Array, mean: Array, sd: Array, measure: Measure, centre: Array, spread: Array
) -> dict[str, Array]:
    """Mean and SD on the reported scale; for ratios those of a log-normal mixture, where they exist."""
    if not measure.log:
        return {"mean_back": centre, "sd_back": spread}
    with np.errstate(over="ignore", invalid="ignore"):
        first = weight[:, None] * np.exp(mean + 0.5 * sd**2)
        second = weight[:, None] * np.exp(2.0 * mean + 2.0 * sd**2)
        ratio = first.sum(axis=0)
        variance = second.sum(axis=0) - ratio**2
    return {
        "mean_back": np.where(_resolved(first), ratio, np.nan),
        "sd_back": np.where(
            _resolved(first) & _resolved(second), np.sqrt(np.maximum(variance, 0)), np.nan
        ),
    }


def _resolved(integrand: Array) -> NDArray[np.bool_]:
    """Whether an integrand has died away by the last node; a single node always has."""
    if len(integrand) == 1:
        return np.asarray(np.isfinite(integrand[0]))
    with np.errstate(invalid="ignore"):
        died = integrand[-1] <= UNRESOLVED * integrand.max(axis=0)
    return np.asarray(np.isfinite(integrand).all(axis=0) & died)


def _sampled(
    draws: xr.DataArray, levels: tuple[float, ...], measure: Measure, *, higher: bool
) -> dict[str, Array]:
    values = draws.to_numpy().reshape(draws.sizes[CHAIN] * draws.sizes[DRAW], -1)
    back = measure.back(values)
    lower, median, upper = np.quantile(values, levels, axis=0)
    side = values > 0 if higher else values < 0
    return {
        "mean": values.mean(axis=0),
        "sd": values.std(axis=0, ddof=1),
        "median": median,
        "lower": lower,
        "upper": upper,
        "probability": side.mean(axis=0),
        "mean_back": back.mean(axis=0),
        "sd_back": back.std(axis=0, ddof=1),
    }


def probability_beyond(
    tree: xr.DataTree, variable: str, label: str, threshold: float, *, above: bool
) -> float:
    """Probability that a quantity lies beyond a threshold.

    Parameters
    ----------
    tree
        What `fit` returned.
    variable, label
        The quantity, e.g. ``"mu"`` and ``""``, or ``"mu_level"`` and ``"column[level]"``.
    threshold
        On the analysis scale.
    above
        Whether beyond means above.

    Returns
    -------
    float
        In [0, 1].
    """
    if "quadrature" in tree.children:
        source = tree["quadrature"].to_dataset()
        if variable in str(tree.attrs["hyper"]).split():
            below = float(hyper_distribution(source, variable).cdf(np.array(threshold)))
        else:
            mean, sd = (
                _pick(source, f"{variable}_mean", label),
                _pick(source, f"{variable}_sd", label),
            )
            weight = source["weight"].to_numpy()
            below = float(mixture.cdf(np.array([threshold]), weight, mean[:, None], sd[:, None])[0])
    else:
        below = float(np.mean(_pick(tree["posterior"].to_dataset(), variable, label) <= threshold))
    return 1.0 - below if above else below


def _pick(source: xr.Dataset, name: str, label: str) -> Array:
    values = source[name]
    dims = [dim for dim in values.dims if dim not in (NODE, CHAIN, DRAW)]
    chosen: Mapping[Any, str] = {dims[0]: label} if dims else {}
    return np.asarray(values.sel(chosen).to_numpy(), dtype=np.float64).reshape(-1)
