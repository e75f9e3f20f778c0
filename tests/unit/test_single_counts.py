"""Rates of two groups, and single groups, against grids that share no code with the engine.

Grids: tau by 48 Gauss-Legendre nodes, the mean by 801 even points, effects of studies by 200 nodes over eight
SDs.
"""

import math
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose
from scipy import stats
from scipy.special import expit

import bayesrtw as brw
from bayesrtw.engine import solve
from bayesrtw.errors import BayesrtwError
from bayesrtw.living.surprise import surprise
from bayesrtw.model.checked import check
from bayesrtw.model.hypergeometric import Hypergeometric
from bayesrtw.model.single import BinomialSingle, Poisson, PoissonSingle

prior = brw.prior

RATES = np.array([[3.0, 120.5, 1, 98], [0, 60, 4, 75], [0, 33, 0, 41], [5, 150, 6, 130.25]])
PEOPLE = np.array([[3.0, 30], [0, 25], [12, 20], [7, 7]])
TIMES = np.array([[3.0, 30.5], [0, 25], [12, 20], [40, 37]])


def both(row, theta):
    a, first, c, second = row
    return stats.binom.pmf(a, a + c, 1 / (1 + np.exp(-theta) * second / first))


def people(row, theta):
    return stats.binom.pmf(row[0], row[1], 1 / (1 + np.exp(-theta)))


def hazards(row, theta):
    return stats.binom.pmf(row[0], row[1], -np.expm1(-np.exp(np.minimum(theta, 50))))


def times(row, theta):
    return stats.poisson.pmf(row[0], row[1] * np.exp(np.minimum(theta, 50)))


CASES = {
    "poisson": (
        Poisson(),
        RATES,
        ["events_t", "person_time_t", "events_c", "person_time_c"],
        "log_rate_ratio",
        both,
    ),
    "binomial_single": (BinomialSingle(), PEOPLE, ["events", "n"], "logit_proportion", people),
    "binomial_single, cloglog": (
        BinomialSingle(link="cloglog"),
        PEOPLE,
        ["events", "n"],
        "log_cumulative_hazard",
        hazards,
    ),
    "poisson_single": (PoissonSingle(), TIMES, ["events", "person_time"], "log_rate", times),
}


def rows(table, names, measure):
    frame = pd.DataFrame(table, columns=names).assign(study=[f"S{i}" for i in range(len(table))])
    return brw.Evidence.from_frame(frame, columns={name: name for name in names}, measure=measure)


def model(likelihood):
    terms = (brw.Intercept(prior.Normal(0, 1)), brw.Exchangeable(prior.HalfNormal(0.5)))
    return brw.Model(terms=terms, likelihood=likelihood)


def legendre(low, high, count):
    x, w = np.polynomial.legendre.leggauss(count)
    return low + (high - low) * (x + 1) / 2, w * (high - low) / 2


@pytest.mark.parametrize("kind", sorted(CASES))
def test_counts_agree_with_a_grid(kind):
    likelihood, table, names, measure, density = CASES[kind]
    found = solve(model(likelihood), rows(table, names, measure))
    tau, w = legendre(0.0, 4.0, 48)
    mu = np.linspace(-6.0, 6.0, 801)
    x, wx = legendre(-8.5, 8.5, 200)
    wx = wx * stats.norm.pdf(x)
    log = (np.log(w) + stats.halfnorm.logpdf(tau, scale=0.5))[:, None]
    log = log + stats.norm.logpdf(mu, 0, 1.0)
    for place, sd in enumerate(tau):
        for row in table:
            log[place] += np.log(np.maximum(density(row, mu[:, None] + sd * x) @ wx, 1e-300))
    weight = np.exp(log - log.max())
    evidence = math.log(weight.sum() * (mu[1] - mu[0])) + log.max()
    weight /= weight.sum()
    mean = weight.sum(0) @ mu
    sd = math.sqrt(weight.sum(0) @ (mu - mean) ** 2)
    posterior = found.posterior
    assert_allclose(posterior.effects["mu"].centre, mean, atol=2e-6 * sd)
    assert_allclose(posterior.effects["mu"].spread, sd, rtol=2e-6)
    assert_allclose(posterior.tau, weight.sum(1) @ tau, rtol=2e-6)
    assert_allclose(posterior.log_evidence, evidence, atol=2e-6)


@pytest.mark.parametrize("kind", sorted(CASES))
def test_each_is_expected_by_the_others(kind):
    likelihood, table, names, measure, density = CASES[kind]
    evidence = rows(table, names, measure)
    checked = brw.predictive_check(model(likelihood), evidence)
    told = checked["tail"].dropna()
    assert len(told) >= 3
    assert ((told > 0) & (told <= 1)).all()
    tau, w = legendre(0.0, 3.0, 24)
    mu = np.linspace(-5.0, 5.0, 201)
    x, wx = legendre(-8.0, 8.0, 100)
    wx = wx * stats.norm.pdf(x)
    theta = mu[:, None] + tau[:, None, None] * x
    each = [density(row, theta) @ wx for row in table]
    prior_mass = w[:, None] * stats.halfnorm.pdf(tau, scale=0.5)[:, None] * stats.norm.pdf(mu)
    for place in (0, 3):
        row = table[place].copy()
        weight = prior_mass * np.prod([one for at, one in enumerate(each) if at != place], axis=0)
        weight /= weight.sum()
        upto = []
        for events in range(int(row[0]) + 1):
            other = row.copy()
            other[0] = events
            if kind == "poisson":
                other[2] = row[0] + row[2] - events
            upto.append(float(np.sum(weight * (density(other, theta) @ wx))))
        [surprising] = surprise(model(likelihood), evidence, np.arange(len(table)) == place)
        assert_allclose(checked["pit"].iloc[place], sum(upto) - 0.5 * upto[-1], rtol=2e-5)
        assert_allclose(surprising["log_score"], math.log(upto[-1]), atol=2e-5)


def test_a_study_without_events_is_named():
    likelihood, table, names, measure, _ = CASES["poisson"]
    found = check(model(likelihood), rows(table, names, measure))
    (said,) = [each.message for each in found if each.check == "silent-tables"]
    assert "'S2'" in said


def test_missing_time_is_refused_by_name():
    frame = pd.DataFrame({"study": ["A", "B"], "effect": [0.1, 0.2], "se": [0.2, 0.2]})
    bare = brw.Evidence.from_frame(frame, measure="log_rate")
    with pytest.raises(BayesrtwError, match="'A', 'B' have no counts; give events, person_time"):
        check(model(PoissonSingle()), bare)


def test_events_are_drawn_from_their_laws():
    """Means and variances of 4,000 draws at known effects, against those of scipy.stats."""
    rng = np.random.default_rng(7)
    theta = np.full((4000, 1), 0.3)
    one = {"study": ["A"], "events": [3.0]}
    two = {"study": ["A"], "events_t": [3.0], "events_c": [5.0]}
    asked = [
        (BinomialSingle(), {**one, "n": [40.0]}, "logit_proportion", stats.binom(40, expit(0.3))),
        (
            BinomialSingle(link="cloglog"),
            {**one, "n": [40.0]},
            "log_cumulative_hazard",
            stats.binom(40, 1 - np.exp(-np.exp(0.3))),
        ),
        (
            PoissonSingle(),
            {**one, "person_time": [9.0]},
            "log_rate",
            stats.poisson(9 * np.exp(0.3)),
        ),
        (
            Poisson(),
            {**two, "person_time_t": [20.0], "person_time_c": [50.0]},
            "log_rate_ratio",
            stats.binom(8, expit(0.3 + np.log(0.4))),
        ),
        (
            Hypergeometric(),
            {**two, "n_t": [20.0], "n_c": [25.0]},
            "log_odds_ratio",
            stats.nchypergeom_fisher(45, 20, 8, np.exp(0.3)),
        ),
    ]
    for likelihood, cells, measure, law in asked:
        frame = pd.DataFrame(cells)
        columns = {name: name for name in cells if name != "study"}
        rows = brw.Evidence.from_frame(frame, columns=columns, measure=measure)
        first = likelihood.draw(rows, theta, rng)[0, :, 0]
        assert_allclose(first.mean(), law.mean(), atol=4.0 * law.std() / 4000**0.5)
        assert_allclose(first.var(), law.var(), rtol=0.1)


@pytest.mark.parametrize(
    ("measure", "name"),
    [
        ("log_odds_ratio", "hypergeometric"),
        ("log_odds_ratio", "binomial"),
        ("log_rate_ratio", "poisson"),
        ("logit_proportion", "binomial_single"),
        ("log_rate", "poisson_single"),
    ],
)
def test_counts_that_cannot_be_are_refused_by_study(measure, name):
    """No columns, halves of events, more events than people: each in words, the studies named."""
    brw.Analysis  # noqa: B018 - registers every kind
    likelihood = brw.registry.kinds("likelihood")[name]()
    among = "person_time" if "rate" in measure else "n"
    ends = ("_t", "_c") if "ratio" in measure else ("",)
    cells = {f"events{end}": [3.0, 2.0, 4.0] for end in ends}
    cells |= {f"{among}{end}": [30.0, 25.0, 20.0] for end in ends}
    frame = pd.DataFrame({"study": ["A", "B", "C"], **cells})
    effects = pd.DataFrame({"study": ["A", "B"], "effect": [0.1, 0.2], "se": [0.3, 0.3]})
    columns = {each: each for each in cells}
    terms = (brw.Intercept(brw.prior.Normal(0, 1)), brw.Exchangeable(brw.prior.HalfNormal(0.5)))
    model = brw.Model(terms=terms, likelihood=likelihood)

    def refused(rows, match):
        with pytest.raises(BayesrtwError, match=match):
            brw.fit(model, rows)

    whole = brw.Evidence.from_frame(frame, columns=columns, measure=measure)
    refused(
        brw.Evidence.from_frame(effects, measure=measure),
        rf"rows 'A', 'B' have no counts; give events{ends[0]}",
    )

    def put(column, value):
        values = whole.data[column].to_numpy().copy()
        values[1] = value
        return replace(whole, data=whole.data.assign({column: ("estimate", values)}))

    refused(
        put(f"events{ends[0]}", 1.5), "rows 'B' have events or people that are not whole numbers"
    )
    refused(put(f"events{ends[0]}", -1.0), "rows 'B' have fewer than no events")
    refused(put(f"{among}{ends[0]}", np.nan), "rows 'B' have no counts")
    if among == "n":
        refused(put(f"events{ends[0]}", 26.0), "rows 'B' have fewer than no events, or more than n")
