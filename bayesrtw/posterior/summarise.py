"""Summaries of a fitted tree: moments, quantiles and probabilities, on both scales.

Where the exact engine's quadrature is in the tree, every number comes from it: moments are sums over
the nodes, quantiles and shortest intervals come from the mixture's distribution function, and no draw is
used. Otherwise the draws are summarised.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, Protocol, get_args

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from bayesrtw.dims import CHAIN, DRAW, NODE
from bayesrtw.errors import SpecError
from bayesrtw.evidence.measure import Measure, measure_named
from bayesrtw.posterior import mixture
from bayesrtw.posterior.axis import restored
from bayesrtw.posterior.kernels import Kernels
from bayesrtw.posterior.marginal import MARGIN, Distribution, series
from bayesrtw.posterior.sampling import arviz
from bayesrtw.posterior.shortest import shortest
from bayesrtw.posterior.stored import effect_in, labels_in
from bayesrtw.registry import suggestion

if TYPE_CHECKING:
    import pandas as pd

Array = NDArray[np.float64]

#: Reported variables, in the order of a table; hyperparameters follow, and ``theta`` last.
VARIABLES = ("mu", "mu_studies", "beta", "mu_level", "theta_new", "theta_new_studies")

#: An integrand that is still this large, relative to its peak, where the nodes end is not resolved:
#: its moment is left empty.
UNRESOLVED = 1e-9

#: Kinds of interval: equal-tailed, or the shortest (of highest density where there is one mode). The
#: shortest interval depends on the scale: it is that of the analysis scale, its ends transformed.
IntervalKind = Literal["eti", "hdi"]

#: Numbers in one intermediate array of a quantile: the search stays in the cache.
AT_ONCE = 65_536

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

#: Those that are computed, in an order of their own.
FIGURES = ("mean", "sd", "median", "lower", "upper", "probability", "mean_back", "sd_back")


class WithPosterior(Protocol):
    """What holds the tree of its fit, such as a synthesis."""

    @property
    def posterior(self) -> xr.DataTree:
        """The tree."""


def summarise(
    tree: xr.DataTree | WithPosterior,
    *,
    ci_prob: float = 0.95,
    ci_kind: IntervalKind = "eti",
    ratio: bool = False,
) -> "pd.DataFrame":
    """Summarise every reported quantity of a fit.

    Parameters
    ----------
    tree
        What `fit` returned, or `run`.
    ci_prob
        Probability of the interval, in (0, 1).
    ci_kind
        ``"eti"`` for the central (equal-tailed) interval, ``"hdi"`` for the shortest one on the analysis
        scale: that of a log ratio, not of the ratio, since shortest intervals move with the scale.
    ratio
        Whether a table of ratios is given, for measures that are their logarithms: ``median, lower, upper``
        and ``probability`` alone, effects as ratios, coefficients as ratios of ratios; SDs stay on the log
        scale.

    Returns
    -------
    DataFrame
        One row a quantity, index its name (``mu``, ``tau``, ``mu_level[column[level]]``,
        ``theta[study]`` ...). Columns ``mean, sd, median, lower, upper`` on the analysis scale,
        ``ci_prob`` and ``ci_kind`` of the interval, ``probability`` that the quantity is on the side
        of benefit of no effect, or above it where no direction was stated (empty for tau, and for
        measures of a single group), and ``*_back`` on the reported scale (ratios for log
        measures; empty for tau and where a moment does not exist).

    Raises
    ------
    SpecError
        If `ci_prob` is not in (0, 1), `ci_kind` is not known, or `ratio` is asked of a measure that is no
        logarithm.

    Examples
    --------
    Two estimates of the same precision under a flat prior: their mean, 0.1 / sqrt(2) and 1.96 of it.

    >>> import pandas as pd
    >>> import bayesrtw as brw
    >>> frame = pd.DataFrame({"study": ["A", "B"], "effect": [0.3, 0.1], "se": [0.1, 0.1]})
    >>> model = brw.Model(terms=(brw.Intercept(brw.prior.Flat()), brw.Common()))
    >>> table = brw.summarise(brw.fit(model, brw.Evidence.from_frame(frame)))
    >>> [round(float(table.loc["mu", name]), 4) for name in ("mean", "sd", "lower", "upper")]
    [0.2, 0.0707, 0.0614, 0.3386]
    """
    import pandas as pd  # noqa: PLC0415

    if not 0 < ci_prob < 1:
        raise SpecError(f"ci_prob must lie in (0, 1); found {ci_prob!r}.")
    if ci_kind not in get_args(IntervalKind):
        raise SpecError(f"ci_kind is {ci_kind!r}; {suggestion(ci_kind, get_args(IntervalKind))}")
    held = tree if hasattr(tree, "attrs") else getattr(tree, "posterior", None)
    if not isinstance(held, xr.DataTree) or "measure" not in held.attrs:
        raise SpecError(
            f"found {type(tree).__name__}; give the DataTree that fit returned, or the Synthesis of run."
        )
    tree = held
    measure = measure_named(str(tree.attrs["measure"]))
    if ratio and not measure.log:
        raise SpecError(
            f"ratio is True, and {measure.name} is no logarithm of a ratio; leave it out: the columns *_back "
            "are on the reported scale."
        )
    asked = _Asked(ci_prob, ci_kind, measure, higher=tree.attrs["benefit"] != "lower")
    exact = "quadrature" in tree.children
    source = tree["quadrature" if exact else "posterior"].dataset
    spreads = str(tree.attrs["hyper"]).split()
    names: dict[str, list[str]] = {}
    for variable in (*VARIABLES, *spreads, "theta"):
        found = _names(source, variable, exact=exact and variable not in spreads)
        if found is not None:
            names[variable] = found
    curved = [name for name in names if exact and f"{name}_centre" in source]
    normal = [name for name in names if name not in spreads and name not in curved]
    figures = (_exact_normal if exact else _sampled)(source, normal, asked) if normal else None
    place, parts = 0, []
    for variable, labels in names.items():
        if variable in curved:
            every = [_of_kernels(effect_in(source, variable, label), asked) for label in labels]
            parts.append(np.stack(every, axis=1))
        elif figures is None or variable in spreads:
            spread = _exact_hyper(source, variable, asked) if exact else None
            parts.append(spread if spread is not None else _sampled_hyper(source, variable, asked))
        else:
            parts.append(figures[:, place : place + len(labels)])
            place += len(labels)
    table = np.concatenate(parts, axis=1)
    if measure.groups == 1:
        table[FIGURES.index("probability")] = math.nan
    shown = [np.repeat(variable in spreads, len(labels)) for variable, labels in names.items()]
    empty = np.concatenate(shown)
    columns = dict(zip(FIGURES, table, strict=True))
    for end in ("median", "lower", "upper"):
        columns[f"{end}_back"] = np.where(empty, np.nan, measure.back(columns[end]))
    index = [
        (variable, label, f"{variable}[{label}]" if label else variable)
        for variable, labels in names.items()
        for label in labels
    ]
    text = dict(zip(("variable", "label", "quantity"), zip(*index, strict=True), strict=True))
    shown_as: tuple[str, ...] = COLUMNS
    if ratio:
        ends = ("median", "lower", "upper")
        columns |= {end: np.where(empty, columns[end], columns[f"{end}_back"]) for end in ends}
        shown_as = ("variable", "label", *ends, "probability", "ci_prob", "ci_kind")
    data = {**text, **columns, "ci_prob": ci_prob, "ci_kind": ci_kind}
    return pd.DataFrame(
        {name: data[name] for name in shown_as}, index=pd.Index(text["quantity"], name="quantity")
    )


@dataclass(frozen=True, slots=True)
class _Asked:
    """What a summary is asked for."""

    ci_prob: float
    ci_kind: IntervalKind
    measure: Measure
    higher: bool

    @property
    def levels(self) -> Array:
        """Probabilities of the lower end, the median and the upper end of a central interval."""
        return np.array([0.5 - self.ci_prob / 2, 0.5, 0.5 + self.ci_prob / 2])


def hyper_distribution(quadrature: xr.Dataset, name: str) -> Distribution:
    """Rebuild the continuous posterior of a hyperparameter from a stored ``quadrature`` group."""
    low, high, shift = (float(value) for value in quadrature[f"{name}_range"].to_numpy())
    return series(quadrature[f"{name}_marginal"].to_numpy(), restored(shift), low, high)


def _names(source: xr.Dataset, variable: str, *, exact: bool) -> list[str] | None:
    """Labels of a variable, one empty label for a scalar, None if the tree does not have it."""
    if exact:
        return labels_in(source, variable)
    if variable not in source:
        return None
    dims = [dim for dim in source[variable].dims if dim not in (NODE, CHAIN, DRAW)]
    return [str(label) for label in source[variable][dims[0]].to_numpy()] if dims else [""]


def _exact_hyper(source: xr.Dataset, name: str, asked: _Asked) -> Array:
    """Figures of one hyperparameter, shape (figure, 1)."""
    weight, value = source["weight"].to_numpy(), source[name].to_numpy()
    mean = weight @ value
    sd = np.sqrt(weight @ (value - mean) ** 2)
    distribution = hyper_distribution(source, name)
    lower, median, upper = _ends(distribution, asked)
    bounded = float(source[f"{name}_range"].to_numpy()[2]) < 0
    tail = math.inf if bounded else source.attrs["tail_power"]
    mean = mean if tail > 2 + MARGIN else math.nan
    sd = sd if tail > 3 + MARGIN else math.nan
    return np.array([mean, sd, median, lower, upper, math.nan, math.nan, math.nan])[:, None]


def _ends(distribution: Distribution, asked: _Asked) -> tuple[float, float, float]:
    """Lower end, median and upper end of the interval that is asked for."""
    lower, median, upper = distribution.quantile(asked.levels)
    if asked.ci_kind == "hdi":
        support = distribution.axis.value(np.array([distribution.low, distribution.high]))
        ends = shortest(
            distribution.quantile,
            distribution.log_density,
            asked.ci_prob,
            (support[:1], support[1:]),
        )
        lower, upper = ends[0][0], ends[1][0]
    return float(lower), float(median), float(upper)


def _of_kernels(found: Kernels, asked: _Asked) -> Array:
    """Figures of an effect that is not normal at the nodes, shape (figure,)."""
    mean, sd = found.moments()
    lower, upper = found.interval(asked.ci_prob, asked.ci_kind)
    chance = found.beyond(0.0, above=asked.higher)
    back = found.ratio() if asked.measure.log else (mean, sd)
    return np.array([mean, sd, float(found.quantile(0.5)), lower, upper, chance, *back])


def summary_of(
    found: Kernels,
    tree: xr.DataTree,
    *,
    ci_prob: float = 0.95,
    ci_kind: IntervalKind = "eti",
) -> dict[str, Any]:
    """Summarise one effect that a tree does not hold, such as one at values of moderators."""
    measure = measure_named(str(tree.attrs["measure"]))
    asked = _Asked(ci_prob, ci_kind, measure, higher=tree.attrs["benefit"] != "lower")
    row: dict[str, Any] = dict(zip(FIGURES, _of_kernels(found, asked).tolist(), strict=True))
    row |= {f"{end}_back": float(measure.back(row[end])) for end in ("median", "lower", "upper")}
    return row | {"ci_prob": ci_prob, "ci_kind": ci_kind}


def _exact_normal(source: xr.Dataset, variables: Sequence[str], asked: _Asked) -> Array:
    """Figures of all quantities that are mixtures of normals, shape (figure, quantity)."""
    weight = source["weight"].to_numpy()
    grows = str(source.attrs["grows_with_tau"]).split()
    mean, sd, heavy = [], [], []
    for variable in variables:
        mean.append(source[f"{variable}_mean"].to_numpy().reshape(len(weight), -1))
        sd.append(source[f"{variable}_sd"].to_numpy().reshape(len(weight), -1))
        heavy.append(np.repeat(variable in grows, mean[-1].shape[1]))
    means, sds = np.concatenate(mean, axis=1), np.concatenate(sd, axis=1)
    grown = np.concatenate(heavy)
    room = max(1, AT_ONCE // len(weight))
    return np.concatenate(
        [
            _piece(source, (weight, means[:, at : at + room], sds[:, at : at + room]), asked, grow)
            for at in range(0, means.shape[1], room)
            for grow in [grown[at : at + room]]
        ],
        axis=1,
    )


def _piece(
    source: xr.Dataset, parts: tuple[Array, Array, Array], asked: _Asked, grows: NDArray[np.bool_]
) -> Array:
    """Figures of a few mixtures; `grows` says whose moments need those of tau."""
    weight, mean, sd = parts
    count = mean.shape[1]
    centre, spread = mixture.moments(weight, mean, sd)
    tail = source.attrs["tail_power"]
    centre = np.where(grows & (tail <= 2 + MARGIN), np.nan, centre)
    spread = np.where(grows & (tail <= 3 + MARGIN), np.nan, spread)
    side = mixture.sf if asked.higher else mixture.cdf
    chance = side(np.zeros(count), weight, mean, sd)
    levels = asked.levels if asked.ci_kind == "eti" else asked.levels[1:2]
    times = len(levels)
    wide = (weight, np.tile(mean, times), np.tile(sd, times))
    found = mixture.quantile(np.repeat(levels, count), *wide).reshape(times, count)
    if asked.ci_kind == "hdi":
        whole = np.full(count, math.inf)
        ends = shortest(
            lambda q: mixture.quantile(q, weight, mean, sd),
            lambda x: mixture.log_density(x, weight, mean, sd),
            asked.ci_prob,
            (-whole, whole),
        )
        found = np.stack([ends[0], found[0], ends[1]])
    back = _back_moments(weight, mean, sd, asked.measure, centre, spread)
    if asked.measure.log:
        most = int(source.attrs["back_moments"])
        back = [
            np.where(grows & (most <= place), np.nan, moment) for place, moment in enumerate(back)
        ]
    return np.stack([centre, spread, found[1], found[0], found[2], chance, *back])


def _back_moments(
    weight: Array, mean: Array, sd: Array, measure: Measure, centre: Array, spread: Array
) -> list[Array]:
    """Mean and SD on the reported scale; for ratios those of a log-normal mixture, where they exist."""
    if not measure.log:
        return [centre, spread]
    with np.errstate(over="ignore", invalid="ignore"):
        first = weight[:, None] * np.exp(mean + 0.5 * sd**2)
        second = weight[:, None] * np.exp(2.0 * mean + 2.0 * sd**2)
        ratio = first.sum(axis=0)
        variance = second.sum(axis=0) - ratio**2
    exists = _resolved(first)
    both = exists & _resolved(second)
    sd_back = np.sqrt(np.maximum(variance, 0.0), where=both, out=np.full_like(variance, np.nan))
    return [np.where(exists, ratio, np.nan), sd_back]


def _resolved(integrand: Array) -> NDArray[np.bool_]:
    """Whether an integrand has died away by the last node; a single node always has."""
    if len(integrand) == 1:
        return np.asarray(np.isfinite(integrand[0]))
    with np.errstate(invalid="ignore"):
        died = integrand[-1] <= UNRESOLVED * integrand.max(axis=0)
    return np.asarray(np.isfinite(integrand).all(axis=0) & died)


def _draws(source: xr.Dataset, variable: str) -> Array:
    """Draws of a variable, shape (draw, quantity)."""
    values = source[variable]
    return np.asarray(values.to_numpy().reshape(values.sizes[CHAIN] * values.sizes[DRAW], -1))


def _sampled(source: xr.Dataset, variables: Sequence[str], asked: _Asked) -> Array:
    """Figures of effects from draws, shape (figure, quantity)."""
    values = np.concatenate([_draws(source, variable) for variable in variables], axis=1)
    back = asked.measure.back(values)
    lower, median, upper = _from_draws(values, asked)
    side = values > 0 if asked.higher else values < 0
    return np.stack(
        [
            values.mean(axis=0),
            values.std(axis=0, ddof=1),
            median,
            lower,
            upper,
            side.mean(axis=0),
            back.mean(axis=0),
            back.std(axis=0, ddof=1),
        ]
    )


def _sampled_hyper(source: xr.Dataset, name: str, asked: _Asked) -> Array:
    """Figures of one hyperparameter from draws, shape (figure, 1)."""
    values = _draws(source, name)
    lower, median, upper = _from_draws(values, asked)
    none = np.full(1, np.nan)
    return np.stack(
        [values.mean(axis=0), values.std(axis=0, ddof=1), median, lower, upper, none, none, none]
    )


def _from_draws(values: Array, asked: _Asked) -> Array:
    """Lower end, median and upper end, shape (3, quantity)."""
    found = np.quantile(values, asked.levels, axis=0)
    if asked.ci_kind == "hdi":
        ends = np.asarray(arviz().hdi(values, prob=asked.ci_prob, axis=0)).reshape(-1, 2)
        found[0], found[2] = ends[:, 0], ends[:, 1]
    return np.asarray(found)


def probability_beyond(
    tree: xr.DataTree, variable: str, label: str, threshold: float, *, above: bool
) -> float:
    """Probability that a quantity lies beyond a threshold."""
    if "quadrature" in tree.children:
        source = tree["quadrature"].dataset
        if labels_in(source, variable) is None:
            found = hyper_distribution(source, variable)
            return float((found.sf if above else found.cdf)(np.array(threshold)))
        return effect_in(source, variable, label).beyond(threshold, above=above)
    drawn = _pick(tree["posterior"].dataset, variable, label)
    return float(np.mean(drawn > threshold if above else drawn <= threshold))


def reports(tree: xr.DataTree, variable: str) -> bool:
    """Say whether a tree holds a variable, e.g. ``mu`` or ``theta_new``."""
    exact = "quadrature" in tree.children
    return (
        _names(tree["quadrature" if exact else "posterior"].dataset, variable, exact=exact)
        is not None
    )


def _pick(source: xr.Dataset, name: str, label: str) -> Array:
    values = source[name]
    dims = [dim for dim in values.dims if dim not in (NODE, CHAIN, DRAW)]
    chosen: Mapping[Any, str] = {dims[0]: label} if dims else {}
    return np.asarray(values.sel(chosen).to_numpy(), dtype=np.float64).reshape(-1)
