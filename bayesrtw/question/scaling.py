"""How far a posterior hangs on its prior and on its likelihood: power scaling and learned information.

Prior or likelihood is raised to a power near one, exactly, and the distance that every reported
distribution moves is given per doubling of the power. What the prior weighs in the answer stands
beside it.

Both distances are notable wherever a prior and a few studies tell a quantity together, as they do of every
heterogeneity SD of a small review: the authors call that a potential conflict, say that it is none where
the prior is meant to inform, and leave the reader to look. Here one number looks: where the posterior lies in
the prior, in SDs of where the prior expects it to lie.

References
----------
Kallioinen, Paananen, Buerkner & Vehtari (2023), *Statistics and Computing* 34:57,
doi:10.1007/s11222-023-10366-5: measure, derivative and threshold. Nguyen & Vreeken (2015),
doi:10.1007/978-3-319-23525-7_11: the distance. Evans & Moshonov (2006), *Bayesian Analysis* 1:893-914,
doi:10.1214/06-BA129: conflict as surprise under the prior.
"""

import math
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from scipy import special

from bayesrtw.engine.fitted import Fitted, Posterior
from bayesrtw.evidence.table import Evidence
from bayesrtw.model.coefficients import coefficient_priors
from bayesrtw.model.contract import Prior
from bayesrtw.posterior import mixture
from bayesrtw.posterior.axis import Positive
from bayesrtw.posterior.kernels import Kernels
from bayesrtw.posterior.marginal import Distribution
from bayesrtw.posterior.nodes import rule
from bayesrtw.question.answer import Answer, answered
from bayesrtw.question.asked import Subject, asked

if TYPE_CHECKING:
    import pandas as pd

Array = NDArray[np.float64]
Cdf = Callable[[Array], Array]

#: Powers at which the distance is taken; the derivative is the mean of the two slopes.
POWERS = (0.99, 1.01)

#: Sensitivity from which it is spoken of, as the authors propose.
NOTABLE = 0.05

#: The distance hangs on the range of integration, which the authors take from the draws: here the
#: range that 4000 draws are expected to span.
SPAN = 1.0 / 4000.0

#: Nodes of that integral; the integrand is smooth.
NODES = 256

#: Posterior-to-prior ratio of SDs above which the data say almost nothing.
LITTLE_LEARNED = 0.8

#: A posterior this many SDs from where its prior expects it is a surprise, once in twenty.
SURPRISE = 1.96

#: What is said of a quantity whose prior matters.
CONFLICT = "prior and data may be in conflict"
STRONG = "strong prior or weak likelihood"
AGREES = "its prior counts, and the data agree with it"
COUNTS = "its prior counts beside the data"

#: Points of integrals over the logarithm of a spread.
POINTS = 20_001


#: Normal scores beyond this are cut: a double has no probabilities there.
SCORED = 8.0

#: A density below this may have lost components to underflow.
SMALL = 1e-280


def power_scaling(model: Subject, evidence: Evidence | None = None) -> Answer:
    """Scale prior and likelihood by powers, and see how far each posterior moves.

    The likelihood is that of the estimates, study effects integrated out; the prior is that of the
    coefficients and hyperparameters. Flat priors do not change under a power.

    Parameters
    ----------
    model, evidence
        What is pooled, a model with rows or a synthesis; the model has a pooled mean.

    Returns
    -------
    Answer
        A data frame with its words.
        One row a quantity (``mu``, ``beta[...]``, ``theta_new``, SDs): ``prior`` and ``likelihood``, the
        cumulative Jensen-Shannon distance for each doubling of the power; ``surprise``, how far the
        posterior lies from where its prior expects it, in SDs; and a ``diagnosis``, empty below `NOTABLE`.
        A surprise is that of (E z) / sqrt(1 - Var z), z the quantity's normal score under its prior: for a
        normal prior and likelihood exactly that of the data under the prior; cut at 8. Empty where a
        quantity has no prior of its own.

    Raises
    ------
    SpecError
        If the model has no intercept.
    EngineRefusal
        If the posterior is improper.

    Examples
    --------
    >>> import bayesrtw as brw
    >>> found = brw.power_scaling(brw.run(brw.open_analysis("time-to-rtw")))
    >>> bool(found.loc["mu", "likelihood"] > found.loc["mu", "prior"])
    True
    """
    whole = asked(model, evidence)
    frame = power_scaling_of(whole)
    said = [f"{name}: {why}." for name, why in frame["diagnosis"].items() if why]
    caption = (
        "Distance that each posterior moves for each doubling of the power of prior or likelihood"
    )
    calm = f"No quantity is sensitive to its prior: all distances are below {NOTABLE:g}."
    return answered(frame, whole, caption, words=" ".join(said) or calm)


def power_scaling_of(whole: Fitted) -> "pd.DataFrame":
    """Scale the powers of a fit; see `power_scaling`."""
    import pandas as pd  # noqa: PLC0415

    base: dict[str, tuple[Array, Array]] = {}
    for name, (cdf, quantile) in _cdfs(whole.posterior).items():
        at = _points(*(quantile(level) for level in (SPAN, 1.0 - SPAN)))
        base[name] = at, cdf(at)
    moved: dict[str, dict[str, float]] = {name: {} for name in base}
    for what in ("prior", "likelihood"):
        slopes: dict[str, list[float]] = {name: [] for name in base}
        for power in POWERS:
            near = whole.powered(prior=power) if what == "prior" else whole.powered(data=power)
            for name, (cdf, _) in _cdfs(near.posterior).items():
                at, before = base[name]
                gap = _distance(before, cdf(at))
                slopes[name].append(gap / abs(math.log2(power)))
        for name, found in slopes.items():
            moved[name][what] = float(np.mean(found))
    frame = pd.DataFrame(moved).T
    frame["surprise"] = [surprise(whole, str(name)) for name in frame.index]
    told = frame[["prior", "likelihood", "surprise"]].to_numpy()
    frame["diagnosis"] = [diagnosis(*map(float, each)) for each in told]
    frame.index.name = "quantity"
    return frame


def surprise(whole: Fitted, name: str) -> float:
    """Say how far a posterior lies from where its prior expects it, in SDs."""
    called = name[5:-1] if name.startswith("beta[") else name
    has = {**coefficient_priors(whole.model), **whole.model.hyperparameters}
    if called not in has or not whole.prior_of(called).proper:
        return math.nan
    prior, effects = whole.prior_of(called), whole.posterior.effects
    value, share = (
        spread_out(effects[name]) if name in effects else _weighed(whole.posterior.hyper[name])
    )
    score = np.linspace(-SCORED, SCORED, POINTS)
    with np.errstate(over="ignore"):
        z = np.interp(value, prior.ppf(special.ndtr(score)), score)
    mean = float(share @ z)
    spare = 1.0 - float(share @ (z - mean) ** 2)
    return mean / math.sqrt(spare) if spare > 0 else math.nan


def spread_out(own: Kernels) -> tuple[Array, Array]:
    """Give values of an effect and their shares of its posterior."""
    x = own.centre + own.spread * np.linspace(-12.0, 12.0, 4001)
    share = np.exp(log_density(x, own))
    return x, share / share.sum()


def _weighed(own: Distribution) -> tuple[Array, Array]:
    """Give values of a hyperparameter and their shares of its posterior."""
    u = np.linspace(own.low, own.high, POINTS)
    share = np.maximum(np.polynomial.legendre.legval(np.linspace(-1, 1, POINTS), own.density), 0.0)
    return own.axis.value(u), share / share.sum()


def diagnosis(prior: float, likelihood: float, surprise: float = math.nan) -> str:
    """Say what two sensitivities mean together."""
    if prior < NOTABLE:
        return ""
    if likelihood < NOTABLE:
        return STRONG
    if abs(surprise) >= SURPRISE:
        return CONFLICT
    return COUNTS if math.isnan(surprise) else AGREES


def distance(first: Cdf, second: Cdf, low: float, high: float) -> float:
    """Cumulative Jensen-Shannon distance of two distributions, normalised, whichever way they face."""
    at = _points(low, high)
    return _distance(first(at), second(at))


def _points(low: float, high: float) -> Array:
    """Give the points of the rule on a range."""
    return np.asarray(low + 0.5 * (high - low) * (rule(NODES)[0] + 1.0))


def _distance(first: Array, second: Array) -> float:
    """Give the distance from two distribution functions at the points of the rule."""
    weight = rule(NODES)[1]
    p, q = np.clip(first, 0.0, 1.0), np.clip(second, 0.0, 1.0)
    return max(_directed(p, q, weight), _directed(1.0 - p, 1.0 - q, weight))


def _directed(p: Array, q: Array, weight: Array) -> float:
    middle = 0.5 * (p + q)
    with np.errstate(divide="ignore", invalid="ignore"):
        each = np.where(p > 0, p * np.log2(p / middle), 0.0)
        each = each + np.where(q > 0, q * np.log2(q / middle), 0.0)
    # The linear terms of the two directions cancel in the sum.
    return math.sqrt(max(float(weight @ each), 0.0) / float(weight @ (p + q)))


def _cdfs(found: Posterior) -> dict[str, tuple[Cdf, Callable[[float], float]]]:
    """Distribution and quantile functions of every reported quantity."""
    found.pooled  # noqa: B018 - refuses without a pooled mean
    shown = {
        name: own
        for name, own in found.effects.items()
        if np.any(own.sd > 0) and not name.startswith("mu_level")
    }
    each: dict[str, Kernels | Distribution] = {**shown, **found.hyper}
    return {
        name: (own.below if name in shown else own.cdf, lambda q, own=own: float(own.quantile(q)))  # type: ignore[misc, union-attr]
        for name, own in each.items()
    }


def learned(model: Subject, evidence: Evidence | None = None) -> Answer:
    """Compare every posterior with its prior: what the data have added."""
    whole = asked(model, evidence)
    frame = learned_of(whole)
    said = [f"{why}." for why in frame["diagnosis"] if why]
    words = " ".join(said) or "No posterior is nearly as wide as its prior."
    return answered(frame, whole, "Each posterior against its prior", words=words)


def learned_of(whole: Fitted) -> "pd.DataFrame":
    """Compare the posterior of a fit with its prior; see `learned`."""
    import pandas as pd  # noqa: PLC0415

    found = whole.posterior
    rows = {"mu": _learned_mean(whole.prior_of("mu"), found.effects["mu"])}
    for name, own in found.hyper.items():
        rows[name] = _learned_spread(whole.prior_of(name), own)
    frame = pd.DataFrame(rows).T
    ratio = frame["sd_ratio"].where(frame["sd_ratio"].notna(), frame["iqr_ratio"])
    frame["diagnosis"] = [
        f"the data say almost nothing about {name}" if value > LITTLE_LEARNED else ""
        for name, value in ratio.items()
    ]
    frame.index.name = "quantity"
    return frame


def _learned_mean(prior: Prior, own: Kernels) -> dict[str, float]:
    centre, spread = own.centre, own.spread
    found = {"prior_sd": math.nan, "posterior_sd": spread}
    if not prior.proper:
        return found | dict.fromkeys(("sd_ratio", "iqr_ratio", "information"), math.nan)
    before = math.nan
    if prior.normals is not None and prior.tail_power > 3.0:
        share, mean, sd = np.exp(prior.normals.log_weight), prior.normals.mean, prior.normals.sd
        before = math.sqrt(float(share @ (sd**2 + (mean - share @ mean) ** 2)))
    quartiles = np.array([0.25, 0.75])
    x = centre + spread * np.linspace(-12.0, 12.0, 4001)
    log = log_density(x, own)
    return {
        "prior_sd": before,
        "posterior_sd": spread,
        "sd_ratio": spread / before,
        "iqr_ratio": float(np.diff(own.quantile(quartiles))[0] / np.diff(prior.ppf(quartiles))[0]),
        "information": float(np.trapezoid(np.exp(log) * (log - prior.logpdf(x)), x)),
    }


def log_density(x: Array, own: Kernels) -> Array:
    """Log density at many points; -inf only where logarithms end too."""
    if own.series is not None:
        return own.log_density(x)
    keep = own.weight > mixture.NEGLIGIBLE
    mean, sd = own.mean[keep], own.sd[keep]
    height = own.weight[keep] / (sd * math.sqrt(2.0 * math.pi))
    half = 0.5 * ((x[:, None] - mean) / sd) ** 2
    with np.errstate(under="ignore"):
        density = np.exp(-half) @ height
    # Where all components underflow, logarithms first.
    far = density < SMALL
    found = np.log(np.where(far, 1.0, density))
    if np.any(far):
        log = np.log(height) - half[far]
        top = log.max(axis=1)
        found[far] = top + np.log(np.sum(np.exp(log - top[:, None]), axis=1))
    return found


def _learned_spread(prior: Prior, own: Distribution) -> dict[str, float]:
    levels = np.array([0.25, 0.75])
    u = np.linspace(own.low, own.high, POINTS)
    value = own.axis.value(u)
    place = np.linspace(-1.0, 1.0, POINTS)
    density = np.polynomial.legendre.legval(place, own.density) * 2.0 / (own.high - own.low)
    density = np.maximum(density, 0.0) / np.trapezoid(np.maximum(density, 0.0), u)
    mean = np.trapezoid(value * density, u)
    after = math.sqrt(float(np.trapezoid((value - mean) ** 2 * density, u)))
    if not prior.proper:
        empty = dict.fromkeys(("sd_ratio", "iqr_ratio", "information"), math.nan)
        return {"prior_sd": math.nan, "posterior_sd": after, **empty}
    before = prior_sd(prior)
    with np.errstate(divide="ignore", invalid="ignore"):
        gain = np.log(density) - prior.logpdf(value) - own.axis.log_jacobian(u)
        whole = np.where(density > 0, density * gain, 0.0)
    return {
        "prior_sd": before,
        "posterior_sd": after,
        "sd_ratio": after / before,
        "iqr_ratio": float(np.diff(own.quantile(levels))[0] / np.diff(prior.ppf(levels))[0]),
        "information": float(np.trapezoid(np.where(np.isfinite(whole), whole, 0.0), u)),
    }


def prior_sd(prior: Prior) -> float:
    """Give the SD of a prior of a spread or a correlation."""
    if prior.tail_power <= 3.0:
        return math.nan
    middle = float(prior.ppf(0.5))
    reach = min(40.0 / (prior.tail_power - 3.0), 600.0) if math.isfinite(prior.tail_power) else 40.0
    u = np.linspace(math.log(middle) - 40.0, math.log(middle) + max(reach, 40.0), POINTS)
    axis = Positive(1.0, 0.0)
    with np.errstate(over="ignore", invalid="ignore", under="ignore"):
        value = axis.value(u)
        share = np.exp(prior.logpdf(value) + u)
        first = np.trapezoid(np.nan_to_num(share * value), u)
        second = np.trapezoid(np.nan_to_num(share * value * value), u)
    return math.sqrt(max(float(second - first**2), 0.0))
