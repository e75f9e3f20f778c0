"""Priors against scipy, against their own integrals, and against a printed table.

Tolerances: ``scipy.integrate.quad`` is asked for 1e-12 over pieces between quantiles of the prior, and
delivers it; 1e-10 is allowed. Densities and quantiles that scipy has too are the same closed forms in
another order of operations: 1e-12 relative. The printed table (``independent.json``) holds digits as
text; half a unit of the last one is allowed, and a hundredth of it for a number that falls on the edge.
"""

import json
import math
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy import integrate, stats

from bayesrtw.errors import SpecError
from bayesrtw.model.correlation_prior import ScaledBeta
from bayesrtw.model.mixture_prior import NormalMixture, StudentT
from bayesrtw.model.prior import (
    Beta,
    Exponential,
    Flat,
    HalfCauchy,
    HalfNormal,
    HalfStudentT,
    InverseGamma,
    LogNormal,
    LogStudentT,
    Normal,
    Uniform,
)
from bayesrtw.model.reference_prior import (
    BergerDeely,
    Conventional,
    FlatNonNegative,
    InverseSquareRoot,
    Jeffreys,
    Lomax,
    OverallJeffreys,
    UniformShrinkage,
)
from bayesrtw.registry import kinds

INTEGRAL = 1e-10
CLOSED_FORM = 1e-12

SE = (0.1, 0.2, 0.5)

PROPER = [
    Normal(0.3, 2.0),
    HalfNormal(0.25),
    HalfNormal(40.0),
    HalfStudentT(4.0, 0.5),
    HalfStudentT(1.5, 0.3),
    HalfCauchy(0.5),
    Exponential(0.7),
    Uniform(2.0),
    LogNormal(-1.28, 0.87),
    InverseGamma(1.0, 0.15),
    InverseGamma(2.42, 0.30),
    Lomax(1.0, 0.4),
    Lomax(3.0, 0.4),
    UniformShrinkage(0.3),
    Beta(20.0, 20.0),
    Beta(1.0, 10.0),
    Beta(2.5, 1.5),
    ScaledBeta(2.0, 2.0),
    ScaledBeta(2.5, 1.5, -0.5),
    StudentT(4.0, 0.3, 2.0),
    NormalMixture((0.3, 0.7), (0.0, 1.0), (1.0, 0.2)),
]

IMPROPER = [
    Flat(),
    FlatNonNegative(),
    InverseSquareRoot(),
    Jeffreys(SE),
    OverallJeffreys(SE),
    BergerDeely(SE),
    Conventional(SE),
]

#: Its density is not bounded at 0 and has mass at 1e-100: no integral over x sees that. In log(x) it
#: is the t distribution of scipy, to which it is held below.
LOG_TAILED = [LogStudentT(5.0, -1.72, 1.295)]

#: Our prior and the same distribution of scipy.
TWINS = [
    (Normal(0.3, 2.0), stats.norm(0.3, 2.0)),
    (ScaledBeta(2.5, 1.5, -0.5), stats.beta(2.5, 1.5, loc=-0.5, scale=1.5)),
    (HalfNormal(0.25), stats.halfnorm(scale=0.25)),
    (HalfCauchy(0.5), stats.halfcauchy(scale=0.5)),
    (Exponential(0.7), stats.expon(scale=0.7)),
    (Uniform(2.0), stats.uniform(0.0, 2.0)),
    (LogNormal(-1.28, 0.87), stats.lognorm(0.87, scale=math.exp(-1.28))),
    (InverseGamma(1.79, 0.73), stats.invgamma(1.79, scale=0.73)),
    (Lomax(3.0, 0.4), stats.lomax(3.0, scale=0.4)),
    (Beta(2.5, 0.5), stats.beta(2.5, 0.5)),
    (StudentT(4.0, 0.3, 2.0), stats.t(4.0, 0.3, 2.0)),
    (HalfStudentT(4.0, 0.5), None),
    (UniformShrinkage(0.3), None),
    (LogStudentT(5.0, -1.72, 1.295), None),
]

LEVELS = np.array([1e-6, 0.001, 0.025, 0.05, 0.25, 0.5, 0.75, 0.95, 0.975, 0.999])

PRINTED = json.loads((Path(__file__).parent / "independent.json").read_text(encoding="utf-8"))
FAMILIES = {
    "halfnormal": lambda q: HalfNormal(q["scale"]),
    "halfcauchy": lambda q: HalfCauchy(q["scale"]),
    "inversegamma": lambda q: InverseGamma(q["shape"], q["scale"]),
    "lognormal": lambda q: LogNormal(q["meanlog"], q["sdlog"]),
}
TABLE = {row["name"]: row for row in PRINTED["prior_quantiles"]}


def density(x, prior):
    return math.exp(float(prior.logpdf(x)))


def support(prior):
    if isinstance(prior, Normal | StudentT | NormalMixture):
        return -math.inf, math.inf
    if isinstance(prior, ScaledBeta):
        return prior.low, 1.0
    return 0.0, 1.0 if isinstance(prior, Beta) else getattr(prior, "upper", math.inf)


def integral(function, low, high):
    return integrate.quad(function, low, high, epsabs=1e-14, epsrel=1e-12, limit=400)[0]


def probability(prior, low, high):
    """P(low < x < high) by quadrature, in pieces that end at quantiles."""
    bottom, top = support(prior)
    low, high = max(low, bottom), min(high, top)
    # A power tail is spread over many decades; in 1 / x it is short.
    last = float(prior.ppf(0.999)) if math.isinf(top) else top
    first = low if math.isfinite(low) else float(prior.ppf(1e-14))
    inner = [float(x) for x in prior.ppf(LEVELS) if first < x < min(high, last)]
    ends = [first, *inner, min(high, last)]
    pieces = [integral(lambda x: density(x, prior), a, b) for a, b in pairwise(ends)]
    if high > last:
        end = 0.0 if math.isinf(high) else 1.0 / high
        tail = integral(lambda z: density(1.0 / z, prior) / z**2 if z > 0 else 0.0, end, 1.0 / last)
        pieces.append(tail)
    return math.fsum(pieces)


def test_every_registered_prior_is_tested_here():
    assert {type(prior) for prior in PROPER + IMPROPER + LOG_TAILED} == set(kinds("prior").values())


@pytest.mark.parametrize("prior", PROPER, ids=repr)
def test_proper_priors_integrate_to_one(prior):
    assert prior.proper
    assert_allclose(probability(prior, -math.inf, math.inf), 1.0, rtol=0, atol=INTEGRAL)


@pytest.mark.parametrize("prior", PROPER, ids=repr)
def test_quantiles_invert_the_integrated_density(prior):
    for level in (0.025, 0.25, 0.5, 0.75, 0.975):
        below = probability(prior, -math.inf, float(prior.ppf(level)))
        assert_allclose(below, level, rtol=0, atol=INTEGRAL)


def scipy_density(prior, twin, x):
    """Log density from scipy; where it has no such distribution, through one that it has."""
    if twin is not None:
        return twin.logpdf(x)
    if isinstance(prior, HalfStudentT):
        return stats.t(prior.df, scale=prior.scale).logpdf(x) + math.log(2.0)
    if isinstance(prior, LogStudentT):
        log = np.log(x)
        return stats.t(prior.df, prior.location, prior.scale).logpdf(log) - log
    # Uniform shrinkage: x^2 / scale^2 is Lomax with shape 1.
    return stats.lomax(1.0, scale=prior.scale**2).logpdf(x**2) + np.log(2.0 * x)


def scipy_quantile(prior, twin, q):
    if twin is not None:
        return twin.ppf(q)
    if isinstance(prior, HalfStudentT):
        return stats.t(prior.df, scale=prior.scale).ppf(0.5 + 0.5 * q)
    if isinstance(prior, LogStudentT):
        return np.exp(stats.t(prior.df, prior.location, prior.scale).ppf(q))
    return np.sqrt(stats.lomax(1.0, scale=prior.scale**2).ppf(q))


@pytest.mark.parametrize(("prior", "twin"), TWINS, ids=[repr(prior) for prior, _ in TWINS])
def test_log_densities_are_those_of_scipy(prior, twin):
    x = scipy_quantile(prior, twin, LEVELS)
    reference = scipy_density(prior, twin, x)
    assert_allclose(prior.logpdf(x), reference, rtol=CLOSED_FORM, atol=CLOSED_FORM)


@pytest.mark.parametrize(("prior", "twin"), TWINS, ids=[repr(prior) for prior, _ in TWINS])
def test_quantiles_are_those_of_scipy(prior, twin):
    assert_allclose(prior.ppf(LEVELS), scipy_quantile(prior, twin, LEVELS), rtol=CLOSED_FORM)


POSITIVE = [prior for prior in PROPER + IMPROPER if prior.positive]


@pytest.mark.parametrize("prior", POSITIVE, ids=repr)
def test_priors_of_a_spread_have_no_density_below_zero(prior):
    assert np.all(prior.logpdf(np.array([-1e-12, -1.0, -1e6])) == -np.inf)


@pytest.mark.parametrize(
    "prior", [prior for prior in POSITIVE if math.isfinite(prior.tail_power)], ids=repr
)
def test_tail_power_is_the_slope_of_the_log_density(prior):
    # Between x and 2x at 1e7 scales the slope is off by the next term of the expansion, 1e-7.
    slope = float(prior.logpdf(1e7) - prior.logpdf(2e7)) / math.log(2.0)
    assert_allclose(slope, prior.tail_power, rtol=0, atol=1e-6)


@pytest.mark.parametrize("prior", IMPROPER, ids=repr)
def test_improper_priors_have_no_quantiles(prior):
    assert not prior.proper
    with pytest.raises(SpecError, match="improper and has no quantiles"):
        prior.ppf(0.5)


REFERENCE = {
    Jeffreys: lambda t, s: math.sqrt(sum((t / (v**2 + t**2)) ** 2 for v in s)),
    OverallJeffreys: lambda t, s: math.sqrt(
        sum(1 / (v**2 + t**2) for v in s) * sum((t / (v**2 + t**2)) ** 2 for v in s)
    ),
    BergerDeely: lambda t, s: math.prod(t / (v**2 + t**2) for v in s) ** (1 / len(s)),
    Conventional: lambda t, s: math.prod(t / (v**2 + t**2) ** 1.5 for v in s) ** (1 / len(s)),
}


@pytest.mark.parametrize("kind", REFERENCE)
def test_priors_from_standard_errors_are_their_published_formulas(kind):
    tau = np.array([0.01, 0.3, 7.0])
    reference = [math.log(REFERENCE[kind](t, SE)) for t in tau]
    assert_allclose(kind(SE).logpdf(tau), reference, rtol=0, atol=CLOSED_FORM)


def assert_printed(found, printed):
    allowed = 0.505 * 10.0 ** -len(printed.partition(".")[2])
    assert_allclose(found, float(printed), rtol=0, atol=allowed)


@pytest.mark.parametrize("row", TABLE)
def test_printed_quantiles_of_tau(row):
    prior = FAMILIES[TABLE[row]["prior"]["family"]](TABLE[row]["prior"])
    for level, column in ((0.05, "q05"), (0.5, "q50"), (0.95, "q95")):
        assert_printed(float(prior.ppf(level)), TABLE[row][column])


@pytest.mark.parametrize("row", TABLE)
def test_printed_probabilities_of_much_heterogeneity(row):
    prior = FAMILIES[TABLE[row]["prior"]["family"]](TABLE[row]["prior"])
    assert_printed(1.0 - probability(prior, 0.0, 1.0), TABLE[row]["beyond_1"])
