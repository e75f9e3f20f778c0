"""What must hold of the exact engine for every evidence.

Equivariance under shifts, scales, signs and the order of studies is exact in the mathematics. In
floating point, a shift by 5 of effects of 1 rounds them to 1e-15, and where tau is nearly identified by
a difference of such effects (few studies, standard errors of 0.05) that is multiplied by up to 1e4; nodes
then sit elsewhere, and the engine promises 1e-8 of the posterior SD: 1e-8 is allowed for moments and
quantiles, in SDs, and for log evidence and probabilities.

Limits: a half-normal prior of scale h = 3e-6 se changes weights of studies, and the log evidence, by
h^2 / se^2 = 9e-12 of themselves; an effect is at most 6 / 0.05 SDs from the mean, so that this moves by
at most 1e-9 SD. Standard errors of 1e4 leave information (1 / 1e4)^2 k about effects whose prior SD
is 1: they move the mean by at most 8 * 4 / 1e8 and the SD by less, 1e-6 is allowed; they thin out the
density of tau by k tau^2 / se^2 / 2, 1e-6 at its upper quantile of 5, and 1e-5 is allowed.

Inverses: a probability is recovered from its quantile to 1e-10. Rounding of x at a distance of 100 SDs
from zero is 1e-14 SD; the rest is the stopping rule's.
"""

import dataclasses
import math
import typing

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from scipy.stats import norm

import bayesrtw as brw
from bayesrtw.engine import integrate
from bayesrtw.errors import ConvergenceError, Faults, SpecError
from bayesrtw.model import reference_prior
from bayesrtw.model.correlation_prior import ScaledBeta
from bayesrtw.model.mixture_prior import NormalMixture
from bayesrtw.model.prior import Prior
from bayesrtw.posterior import mixture
from bayesrtw.posterior.summarise import hyper_distribution, probability_beyond
from bayesrtw.registry import decode, encode, kinds

EQUAL = 1e-8
LIMIT = 1e-6
INVERSE = 1e-10

effects = st.floats(-3, 3)
errors = st.floats(0.05, 2)
scales = st.floats(0.05, 5)
spreads = st.sampled_from(
    [brw.prior.HalfNormal, brw.prior.HalfCauchy, brw.prior.Exponential]
).flatmap(lambda kind: st.builds(kind, scales))
light = st.one_of(
    st.builds(brw.prior.HalfNormal, st.floats(0.05, 2)),
    st.builds(brw.prior.Exponential, st.floats(0.05, 1)),
    st.builds(brw.prior.InverseGamma, st.just(2.42), st.floats(0.05, 1)),
)


@pytest.fixture(scope="module", autouse=True)
def few_nodes():
    """Fail at 2,048 nodes, more than any posterior here needs, instead of minutes later at more."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(integrate, "MOST_NODES", 2048)
        yield


@st.composite
def studies(draw, least=1, most=8):
    count = draw(st.integers(least, most))
    numbers = [draw(st.lists(each, min_size=count, max_size=count)) for each in (effects, errors)]
    names = [f"study {index}" for index in range(count)]
    return pd.DataFrame({"study": names, "effect": numbers[0], "se": numbers[1]})


def fitted(frame, mu, tau):
    spread = brw.Common() if tau is None else brw.Exchangeable(tau)
    model = brw.Model(terms=(brw.Intercept(mu), spread))
    return brw.fit(model, brw.Evidence.from_frame(frame), engine=brw.Exact(draws=0))


def log_evidence(tree):
    return float(tree["quadrature"]["log_evidence"])


FIGURES = ["mean", "sd", "lower", "median", "upper"]


def assert_same(found, wanted, *, shift=0.0, scale=1.0, only=None):
    """Compare two summaries in SDs of the second, after moving and scaling it."""
    rows = [row for row in wanted.index if only is None or row in only]
    for row in rows:
        moved = 0.0 if row == "tau" else shift
        unit = scale * (wanted.loc[row, "upper"] - wanted.loc[row, "lower"]) / 4
        for figure in FIGURES:
            value = scale * wanted.loc[row, figure] + (moved if figure != "sd" else 0.0)
            if np.isnan(value):
                assert np.isnan(found.loc[row, figure]), f"{figure} of {row}"
                continue
            gap = (found.loc[row, figure] - value) / unit
            assert abs(gap) < EQUAL, f"{figure} of {row} is off by {gap:.1e} SD"


@given(frame=studies(), mean=effects, sd=scales, tau=spreads, shift=st.floats(-5, 5))
def test_shifting_effects_and_the_prior_mean_shifts_effects(frame, mean, sd, tau, shift):
    before = fitted(frame, brw.prior.Normal(mean, sd), tau)
    frame = frame.assign(effect=frame["effect"] + shift)
    after = fitted(frame, brw.prior.Normal(mean + shift, sd), tau)
    assert_same(brw.summarise(after), brw.summarise(before), shift=shift)
    assert_allclose(log_evidence(after), log_evidence(before), rtol=0, atol=EQUAL)


@given(frame=studies(), sd=scales, tau=spreads, factor=st.floats(1e-3, 1e3))
def test_scaling_effects_errors_and_priors_scales_all(frame, sd, tau, factor):
    before = fitted(frame, brw.prior.Normal(0, sd), tau)
    scaled = frame.assign(effect=frame["effect"] * factor, se=frame["se"] * factor)
    after = fitted(scaled, brw.prior.Normal(0, sd * factor), type(tau)(tau.scale * factor))
    assert_same(brw.summarise(after), brw.summarise(before), scale=factor)
    jacobian = len(frame) * math.log(factor)
    assert_allclose(log_evidence(after) + jacobian, log_evidence(before), rtol=0, atol=EQUAL)


@given(frame=studies(least=2), sd=scales, tau=spreads, seed=st.integers(0, 1000))
def test_the_order_of_studies_is_irrelevant(frame, sd, tau, seed):
    before = fitted(frame, brw.prior.Normal(0, sd), tau)
    after = fitted(frame.sample(frac=1, random_state=seed), brw.prior.Normal(0, sd), tau)
    assert_same(brw.summarise(after), brw.summarise(before))
    assert_allclose(log_evidence(after), log_evidence(before), rtol=0, atol=EQUAL)


@given(frame=studies(), mean=effects, sd=scales, tau=spreads)
def test_turning_signs_turns_effects(frame, mean, sd, tau):
    before = fitted(frame, brw.prior.Normal(mean, sd), tau)
    after = fitted(frame.assign(effect=-frame["effect"]), brw.prior.Normal(-mean, sd), tau)
    found, wanted = brw.summarise(after), brw.summarise(before)
    turned = wanted.assign(
        mean=-wanted["mean"],
        median=-wanted["median"],
        lower=-wanted["upper"],
        upper=-wanted["lower"],
    )
    turned.loc["tau"] = wanted.loc["tau"]
    assert_same(found, turned)
    effects_only = [row for row in found.index if row != "tau"]
    both = found.loc[effects_only, "probability"] + wanted.loc[effects_only, "probability"]
    assert_allclose(both, 1.0, rtol=0, atol=EQUAL)


@given(frame=studies(), mean=effects, sd=scales)
def test_hardly_any_heterogeneity_is_a_common_effect(frame, mean, sd):
    prior = brw.prior.Normal(mean, sd)
    little = brw.prior.HalfNormal(3e-6 * float(frame["se"].min()))
    small, none = fitted(frame, prior, little), fitted(frame, prior, None)
    assert_same(brw.summarise(small), brw.summarise(none), only=["mu"])
    assert_allclose(log_evidence(small), log_evidence(none), rtol=EQUAL, atol=EQUAL)


@given(frame=studies(), mean=st.floats(-1, 1), tau=light)
def test_evidence_without_information_gives_the_prior(frame, mean, tau):
    frame = frame.assign(se=1e4 * (1 + frame["se"]))
    prior = brw.prior.Normal(mean, 1.0)
    found = brw.summarise(fitted(frame, prior, tau))
    assert_allclose(found.loc["mu", "mean"], mean, rtol=0, atol=LIMIT)
    assert_allclose(found.loc["mu", "sd"], 1.0, rtol=LIMIT)
    levels = np.array([0.025, 0.5, 0.975])
    figures = found.loc["tau", ["lower", "median", "upper"]].to_numpy(dtype=np.float64)
    assert_allclose(figures, tau.ppf(levels), rtol=10 * LIMIT)


@given(frame=studies(), mean=effects, sd=scales, which=st.integers(0, 7))
def test_two_halves_of_a_study_weigh_as_the_whole(frame, mean, sd, which):
    chosen = which % len(frame)
    half = frame.iloc[[chosen]].assign(study="other half")
    split = pd.concat([frame, half], ignore_index=True)
    split.loc[[chosen, len(frame)], "se"] *= math.sqrt(2.0)
    prior = brw.prior.Normal(mean, sd)
    whole, halves = fitted(frame, prior, None), fitted(split, prior, None)
    assert_same(brw.summarise(halves), brw.summarise(whole), only=["mu"])
    se = frame["se"].to_numpy()[chosen]
    # Two densities of the same value with variance 2 s^2 for one with s^2.
    constant = -0.5 * math.log(2 * math.pi) - math.log(2.0) - math.log(se)
    assert_allclose(log_evidence(halves) - log_evidence(whole), constant, rtol=0, atol=EQUAL)


@st.composite
def mixtures(draw, quantities):
    count = draw(st.integers(1, 12))
    shape = st.lists(
        st.lists(st.floats(-10, 10), min_size=quantities, max_size=quantities),
        min_size=count,
        max_size=count,
    )
    weight = np.array(draw(st.lists(st.floats(0.001, 1), min_size=count, max_size=count)))
    mean, log_sd = np.array(draw(shape)), np.array(draw(shape))
    return weight / weight.sum(), mean, np.exp(0.5 * log_sd)


def assert_inverse(q, weight, mean, sd):
    x = mixture.quantile(q, weight, mean, sd)
    assert_allclose(mixture.cdf(x, weight, mean, sd), q, rtol=0, atol=INVERSE)


@given(parts=mixtures(quantities=3), q=st.floats(0.001, 0.999))
def test_quantiles_of_mixtures_invert_their_distribution(parts, q):
    assert_inverse(q, *parts)


@pytest.mark.parametrize("seed", [0, 96, 109, 155, 225, 403, 452])
def test_quantiles_of_many_mixtures_at_once_invert_their_distributions(seed):
    # As many quantities as a large analysis has studies: each must be found, whatever the others do.
    # All seeds but the first hold a mixture for which plain Newton steps cycle.
    rng = np.random.default_rng(seed)
    weight = rng.dirichlet(np.full(128, 0.1))
    mean, sd = rng.normal(size=(128, 200)), np.exp(rng.normal(size=(128, 200)))
    assert_inverse(float(rng.uniform(0.01, 0.99)), weight, mean, sd)


@given(st.integers(0, 2**32 - 1), st.sampled_from([5, 40, 700]))
def test_many_quantiles_of_one_mixture_invert_its_distribution(seed, count):
    rng = np.random.default_rng(seed)
    weight, mean = rng.dirichlet(np.full(12, 0.4)), rng.normal(0, 1, 12)
    sd = np.exp(rng.normal(-1, 1.5, 12))
    q = rng.permutation(np.append(rng.uniform(size=count), [1e-9, 1 - 1e-9]))
    x = mixture.levels(q, weight, mean, sd)
    below = weight @ norm.cdf(x, mean[:, None], sd[:, None])
    assert below == pytest.approx(q, abs=1e-13)


@pytest.mark.parametrize(
    ("q", "weight", "mean", "sd"),
    [
        (0.63, (0.9, 0.1), (-0.8, 1.3), (7.3, 0.21)),
        (0.66, (0.15, 0.85), (0.1, -1.0), (0.19, 2.31)),
        (0.64, (0.83, 0.17), (0.2, 1.7), (7.77, 0.14)),
    ],
)
def test_quantiles_beside_a_narrow_component(q, weight, mean, sd):
    # A plain Newton step leaps over the narrow component and back, for ever.
    assert_inverse(q, np.array(weight), np.array(mean)[:, None], np.array(sd)[:, None])


def test_quantiles_of_a_point_are_the_point():
    weight, mean, sd = np.array([0.4, 0.6]), np.full((2, 1), 0.3), np.zeros((2, 1))
    assert_allclose(mixture.quantile(0.025, weight, mean, sd), 0.3, rtol=0, atol=1e-15)


def test_quantiles_of_a_mixture_over_many_decades_invert_its_distribution():
    # The new-study effect under a prior with a power tail: spreads from 1 to 1e17.
    weight = 10.0 ** (-0.5 * np.arange(35))
    sd = 10.0 ** (0.5 * np.arange(35))[:, None]
    for q in (0.025, 0.25, 0.5, 0.75, 0.975):
        assert_inverse(q, weight / weight.sum(), np.full((35, 1), 0.3), sd)


heavy = st.sampled_from(
    [
        brw.prior.HalfNormal(0.5),
        brw.prior.HalfCauchy(0.5),
        brw.prior.HalfStudentT(0.5, 0.3),
        brw.prior.InverseGamma(1.0, 0.15),
        brw.prior.LogNormal(-1.0, 1.5),
        reference_prior.Lomax(0.5, 1.0),
        reference_prior.UniformShrinkage(0.3),
    ]
)


def assert_quantiles_have_their_probability(tree):
    for _, row in brw.summarise(tree).iterrows():
        for level, column in ((0.025, "lower"), (0.5, "median"), (0.975, "upper")):
            place = row["variable"], row["label"], row[column]
            below = probability_beyond(tree, *place, above=False)
            assert_allclose(below, level, rtol=0, atol=INVERSE, err_msg=f"{place[:2]} at {level}")


@given(frame=studies(), tau=heavy)
def test_reported_quantiles_have_their_probability(frame, tau):
    assert_quantiles_have_their_probability(fitted(frame, brw.prior.Flat(), tau))


ONE = pd.DataFrame({"study": ["A"], "effect": [0.3], "se": [0.15]})


@pytest.mark.parametrize(
    "tau",
    [
        brw.prior.InverseGamma(1.0, 0.15),
        reference_prior.Lomax(0.5, 1.0),
        brw.prior.HalfStudentT(0.2, 0.3),
        reference_prior.Lomax(0.2, 1.0),
    ],
    ids=repr,
)
def test_quantiles_of_one_study_under_a_heavy_prior_have_their_probability(tau):
    # One study and a flat mean leave tau its prior: spreads range over up to a hundred decades.
    assert_quantiles_have_their_probability(fitted(ONE, brw.prior.Flat(), tau))


def test_a_tail_that_does_not_end_is_refused():
    with pytest.raises(ConvergenceError, match="does not fall off"):
        fitted(ONE, brw.prior.Flat(), reference_prior.Lomax(0.1, 1.0))


@given(frame=studies(), tau=heavy, q=st.lists(st.floats(1e-6, 1 - 1e-6), min_size=1, max_size=9))
def test_quantiles_of_tau_invert_its_distribution(frame, tau, q):
    tree = fitted(frame, brw.prior.Normal(0, 1), tau)
    found = hyper_distribution(tree["quadrature"].to_dataset(), "tau")
    assert_allclose(found.cdf(found.quantile(np.array(q))), q, rtol=0, atol=INVERSE)


@pytest.mark.parametrize("df", [1.08, 1.15, 1.2, 1.3, 2.0])
def test_a_spread_is_right_or_not_reported(df):
    # p(tau | y) falls as tau^-(df + 2): the SD exists, and its integral converges slowly. Reference: the
    # trapezoidal rule in log tau, where the integrand falls as exp(-(df - 1) u), up to exp(-20) of it.
    prior = brw.prior.HalfStudentT(df, 0.3)
    u = np.arange(-40, 20 / (df - 1), 0.05)
    tau = np.exp(u)
    variance = 1.0 + 0.15**2 + tau**2
    weight = tau * np.exp(prior.logpdf(tau) - 0.5 * np.log(variance) - 0.5 * 0.3**2 / variance)
    weight /= weight.sum()
    mean = weight @ tau
    sd = math.sqrt(weight @ tau**2 - mean**2)
    found = brw.summarise(fitted(ONE, brw.prior.Normal(0, 1), prior)).loc["tau", "sd"]
    assert math.isnan(found) or abs(found / sd - 1) < LIMIT


def values_of(hint):
    """Strategy for a setting of a prior, from the type of its field."""
    if hint is float:
        return st.floats(0.01, 100)
    assert typing.get_origin(hint) is tuple
    assert typing.get_args(hint)[0] is float
    return st.lists(st.floats(0.01, 100), min_size=1, max_size=5).map(tuple)


def mixtures():
    """Equally many weights, means and SDs; the weights add up to one."""
    part = st.tuples(st.floats(0.01, 100), st.floats(-100, 100), st.floats(0.01, 100))
    return st.lists(part, min_size=1, max_size=5).map(
        lambda parts: NormalMixture(
            tuple(weight / sum(each[0] for each in parts) for weight, _, _ in parts),
            tuple(mean for _, mean, _ in parts),
            tuple(sd for _, _, sd in parts),
        )
    )


def priors(cls):
    if cls is NormalMixture:
        return mixtures()
    if cls is ScaledBeta:
        positive = st.floats(0.01, 100)
        return st.builds(cls, a=positive, b=positive, low=st.floats(-1.0, 0.0))
    hints = typing.get_type_hints(cls)
    fields = {field.name: values_of(hints[field.name]) for field in dataclasses.fields(cls)}
    return st.builds(cls, **fields)


@pytest.mark.parametrize("kind", kinds("prior"))
@given(data=st.data())
def test_decoding_inverts_encoding(kind, data):
    prior = data.draw(priors(kinds("prior")[kind]))
    faults = Faults(SpecError)
    table = encode(prior)
    assert table["kind"] == kind
    assert decode(Prior, table, where="prior", faults=faults) == prior
    assert faults.messages == []
