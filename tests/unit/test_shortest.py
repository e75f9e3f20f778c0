"""Shortest intervals against closed forms, brute-force minimisation and draws.

An interval's length is flat at its minimum: a brute-force minimum over lengths finds the ends to the
square root of the precision of a length, 1e-7, and the length itself to 1e-13.
"""

import math

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose
from scipy import optimize, special, stats

import bayesrtw as brw
from bayesrtw.analysis.run import run
from bayesrtw.analysis.spec import parse
from bayesrtw.errors import SpecError
from bayesrtw.posterior import mixture
from bayesrtw.posterior.shortest import shortest
from bayesrtw.posterior.summarise import hyper_distribution, summarise


def of_mixture(weight, mean, sd, probability):
    parts = (np.array(weight), np.array(mean)[:, None], np.array(sd)[:, None])
    whole = np.full(1, math.inf)
    low, high = shortest(
        lambda q: mixture.quantile(q, *parts),
        lambda x: mixture.log_density(x, *parts),
        probability,
        (-whole, whole),
    )
    return low[0], high[0], parts


@pytest.mark.parametrize("probability", [0.05, 0.5, 0.95, 0.999])
def test_a_normal_has_its_central_interval(probability):
    low, high, _ = of_mixture([1.0], [3.0], [2.0], probability)
    reach = 2.0 * special.ndtri(0.5 + probability / 2)
    assert_allclose([low, high], [3 - reach, 3 + reach], atol=1e-9)


@pytest.mark.parametrize(
    ("weight", "mean", "sd"),
    [
        ([0.7, 0.3], [0.0, 1.0], [0.5, 2.0]),
        ([0.9, 0.1], [0.0, 0.2], [0.01, 10.0]),
        ([0.6, 0.4], [-3.0, 3.0], [0.5, 1.0]),
    ],
    ids=["skewed", "spiked", "two humps"],
)
@pytest.mark.parametrize("probability", [0.5, 0.95])
def test_no_interval_of_a_mixture_is_shorter(weight, mean, sd, probability):
    low, high, parts = of_mixture(weight, mean, sd, probability)
    inside = mixture.cdf(np.array([high]), *parts) - mixture.cdf(np.array([low]), *parts)
    assert_allclose(inside, probability, atol=1e-13)

    def length(p):
        return (mixture.quantile(p + probability, *parts) - mixture.quantile(p, *parts))[0]

    grid = np.linspace(1e-9, 1 - probability - 1e-9, 401)
    place = int(np.argmin([length(p) for p in grid]))
    bounds = grid[max(place - 1, 0)], grid[min(place + 1, 400)]
    best = optimize.minimize_scalar(
        length, bounds=bounds, method="bounded", options={"xatol": 1e-12}
    )
    assert high - low <= best.fun + 1e-12
    assert_allclose(high - low, best.fun, rtol=1e-9)


def test_the_end_of_a_support_can_be_an_end():
    low, high = shortest(
        lambda q: -np.log1p(-q), lambda x: -x, 0.95, (np.zeros(1), np.full(1, math.inf))
    )
    assert_allclose([low[0], high[0]], [0.0, -math.log(0.05)], atol=1e-12)
    # The mirror image, and a density that rises from 0.
    low, high = shortest(np.log, lambda x: x, 0.95, (np.full(1, -math.inf), np.zeros(1)))
    assert_allclose([low[0], high[0]], [math.log(0.05), 0.0], atol=1e-12)
    gamma = stats.gamma(3.0)
    low, high = shortest(gamma.ppf, gamma.logpdf, 0.9, (np.zeros(1), np.full(1, math.inf)))
    assert_allclose(gamma.logpdf(low), gamma.logpdf(high), atol=1e-9)
    assert_allclose(gamma.cdf(high) - gamma.cdf(low), 0.9, atol=1e-12)


def evidence(measure="log_hazard_ratio"):
    rng = np.random.default_rng(4)
    se = rng.uniform(0.1, 0.4, 8)
    frame = pd.DataFrame({"study": list("ABCDEFGH"), "se": se, "effect": rng.normal(0.1, se)})
    return brw.Evidence.from_frame(frame, measure=measure)


def model(tau):
    return brw.Model(terms=(brw.Intercept(brw.prior.Normal(0, 0.5)), brw.Exchangeable(tau)))


def test_the_shortest_interval_of_tau_starts_at_zero_where_its_density_falls():
    tree = brw.fit(model(brw.prior.HalfNormal(0.25)), evidence(), engine=brw.Exact(draws=0))
    row = summarise(tree, ci_kind="hdi").loc["tau"]
    distribution = hyper_distribution(tree["quadrature"].to_dataset(), "tau")
    assert row["lower"] == 0.0
    assert_allclose(row["upper"], distribution.quantile(np.array(0.95)), rtol=1e-10)
    # A density that vanishes at 0 has two ends of the same height.
    prior = brw.prior.LogNormal(-1.5, 0.6)
    tree = brw.fit(model(prior), evidence(), engine=brw.Exact(draws=0))
    row = summarise(tree, ci_kind="hdi").loc["tau"]
    distribution = hyper_distribution(tree["quadrature"].to_dataset(), "tau")
    low, high = distribution.log_density(row[["lower", "upper"]].to_numpy(dtype=float))
    assert row["lower"] > 0
    assert_allclose(low, high, atol=1e-9)


def test_the_scale_of_a_shortest_interval_is_that_of_the_analysis():
    tree = brw.fit(model(brw.prior.HalfNormal(0.25)), evidence(), engine=brw.Exact(draws=0))
    found = summarise(tree, ci_prob=0.9, ci_kind="hdi")
    assert set(found["ci_kind"]) == {"hdi"}
    assert_allclose(found.loc["mu", "lower_back"], math.exp(found.loc["mu", "lower"]))
    central = summarise(tree, ci_prob=0.9)
    assert np.all(
        (found["upper"] - found["lower"]) <= (central["upper"] - central["lower"]) + 1e-12
    )
    assert_allclose(found["median"], central["median"], rtol=1e-12)
    with pytest.raises(SpecError, match="ci_kind is 'hpd'; did you mean 'hdi'"):
        summarise(tree, ci_kind="hpd")


def test_draws_are_summarised_by_their_own_shortest_interval():
    # 40,000 independent draws: ends within 0.1 SD (the density at the ends of a 95 % interval is flat).
    tree = brw.fit(model(brw.prior.HalfNormal(0.25)), evidence(), engine=brw.Exact(draws=10_000))
    exact = summarise(tree, ci_kind="hdi")
    del tree["quadrature"]
    drawn = summarise(tree, ci_kind="hdi")
    assert list(drawn.index) == list(exact.index)
    for end in ("lower", "upper"):
        assert np.all(np.abs(drawn[end] - exact[end]) < 0.1 * exact["sd"])


TEXT = """
schema = 1
id = "mine"
title = "Mine"
question = "Does it help?"
seed = 1

[evidence]
dataset = "mine"
measure = "log_hazard_ratio"

[[term]]
kind = "intercept"
prior = { kind = "normal", sd = 0.5 }

[[term]]
kind = "exchangeable"
tau = { kind = "half_normal", scale = 0.25 }

[[estimand]]
name = "pooled"
of = "mu"
"""


def test_an_estimand_asks_for_its_kind_of_interval():
    plain = parse(TEXT, "mine.toml")
    hdi = parse(f'{TEXT}ci_kind = "hdi"\n', "mine.toml")
    assert parse(f'{TEXT}ci_kind = "eti"\n', "mine.toml").digest == plain.digest != hdi.digest
    rows = evidence()
    found = run(hdi, rows).estimates.loc["pooled"]
    wanted = summarise(run(hdi, rows).posterior, ci_kind="hdi").loc["mu"]
    assert found["ci_kind"] == "hdi"
    assert_allclose(
        found[["lower", "upper"]].astype(float), wanted[["lower", "upper"]].astype(float)
    )
    with pytest.raises(SpecError, match=r"ci_kind is 'hpd'; did you mean 'hdi'"):
        parse(f'{TEXT}ci_kind = "hpd"\n', "mine.toml")
