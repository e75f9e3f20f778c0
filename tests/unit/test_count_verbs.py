"""Every verb answers for likelihoods of counts, or refuses in a sentence."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose

import bayesrtw as brw
from bayesrtw.engine import solve
from bayesrtw.errors import BayesrtwError
from bayesrtw.model.bias_mixture import BiasMixture, RiskClass, RiskGroup
from bayesrtw.plot.prior_posterior import plot_prior_posterior
from bayesrtw.question.influence import influence
from bayesrtw.question.scaling import power_scaling
from bayesrtw.question.tipping import tipping_prior, tipping_shift

prior = brw.prior
NAMES = ["events_t", "n_t", "events_c", "n_c"]
TABLES = np.array([[3, 30, 1, 31], [0, 25, 4, 24], [5, 40, 6, 38], [7, 60, 9, 58], [2, 33, 8, 35]])


def rows(measure="log_odds_ratio"):
    frame = pd.DataFrame(TABLES, columns=NAMES).assign(
        study=list("ABCDE"),
        year=[2001.0, 2002, 2003, 2004, 2005],
        design=[*["rct"] * 3, "cohort", "cohort"],
    )
    return brw.Evidence.from_frame(
        frame, columns={name: name for name in NAMES}, measure=measure, benefit="higher"
    )


#: Likelihood by kind, and a measure that it tells.
LIKELIHOODS = {
    "hypergeometric": ({}, "log_odds_ratio"),
    "binomial": ({}, "log_odds_ratio"),
}


@pytest.fixture(scope="module", params=sorted(LIKELIHOODS))
def asked(request):
    settings, measure = LIKELIHOODS[request.param]
    made = brw.Model(
        terms=(brw.Intercept(prior.Normal(0, 1)), brw.Exchangeable(prior.HalfNormal(0.5))),
        likelihood=kind(request.param)(**settings),
    )
    return made, rows(measure)


def kind(name):
    brw.Analysis  # noqa: B018 - registers every kind
    return brw.registry.kinds("likelihood")[name]


def test_studies_are_left_out_and_added(asked):
    model, evidence = asked
    whole = brw.summarise(brw.fit(model, evidence, engine=brw.Exact(draws=0))).loc["mu"]
    left = brw.leave_one_out(model, evidence)
    assert_allclose(left.loc["none left out", "mean"], whole["mean"], atol=1e-6)
    grown = brw.cumulative(model, evidence)
    assert_allclose(grown.iloc[-1]["mean"], whole["mean"], atol=1e-6)
    assert_allclose(grown.iloc[-2]["mean"], left.loc["E", "mean"], atol=1e-5)


@pytest.mark.slow
def test_priors_powers_and_shifts_are_answered(asked):
    model, evidence = asked
    priors = {"registered": prior.HalfNormal(0.5), "wider": prior.HalfNormal(1.0)}
    panel = brw.prior_sensitivity(model, evidence, priors)
    assert panel.loc["wider", "sd"] > panel.loc["registered", "sd"]
    scaled = power_scaling(model, evidence)
    assert np.isfinite(scaled.loc["mu", ["prior", "likelihood"]].astype(float)).all()
    assert influence(model, evidence) is not None
    assert tipping_shift(model, evidence, {"all": np.ones(5, dtype=bool)}) is not None
    assert tipping_prior(model, evidence, lambda up, down: str(up > down)) is not None


def test_every_table_is_expected_by_the_others(asked):
    checked = brw.predictive_check(*asked)
    assert ((checked["tail"] > 0) & (checked["tail"] <= 1)).all()
    assert checked.loc["B", "tail"] == checked["tail"].min()


@pytest.mark.slow
def test_a_bias_that_studies_may_have_is_integrated(asked):
    model, evidence = asked
    group = RiskGroup(
        "cohorts", ("cohort",), prior.Normal(0, 0.2), prior.HalfNormal(0.15), (RiskClass("", 0.6),)
    )
    made = brw.Model(terms=(*model.terms, BiasMixture((group,))), likelihood=model.likelihood)
    found, plain = (solve(each, evidence).posterior for each in (made, model))
    assert found.error < 1e-6
    assert found.effects["mu"].spread > plain.effects["mu"].spread


def test_one_more_trial_is_looked_ahead_to(asked):
    """Classes are all that may happen; the more precise the trial, the likelier that it changes one."""
    ahead = brw.outlook(*asked)
    classes = ahead[[name for name in ahead if str(name).startswith("to ")]]
    assert_allclose(classes.sum(axis=1), 1.0, atol=1e-6)
    assert ahead["change"].is_monotonic_increasing


def test_counts_are_drawn_and_kept_within_their_groups(asked):
    model, evidence = asked
    drawn = brw.simulate(model, evidence, 200, seed=1)
    assert drawn.events.shape == (2, 200, 5)
    assert np.all((drawn.events >= 0) & (drawn.events <= TABLES[:, [1, 3]].T[:, None]))
    seen = drawn.rows(model, evidence, 0)
    assert_allclose(seen.data["events_t"], drawn.events[0, 0])
    assert np.all(np.isnan(seen.data["effect"]))
    if not hasattr(model.likelihood, "baseline"):
        assert_allclose(drawn.events.sum(axis=0), np.tile(TABLES[:, 0] + TABLES[:, 2], (200, 1)))


def test_a_share_of_information_cannot_be_drawn(asked):
    model, evidence = asked
    weaker = brw.Model(
        terms=(*model.terms, brw.bias.Discount(brw.bias.Studies(("cohort",), "design"), 0.5)),
        likelihood=model.likelihood,
    )
    with pytest.raises(
        BayesrtwError, match="draws counts without a share of their information, a selection"
    ):
        brw.simulate(weaker, evidence, 10, seed=1)


def test_a_picture_is_drawn(asked):
    model, evidence = asked
    made = brw.fit(model, evidence)
    for name in ("mu", "tau", "theta_new"):
        assert plot_prior_posterior(made, name) is not None
        plt.close("all")


@pytest.mark.parametrize(
    ("name", "link", "times"),
    [("binomial", "logit", 1), ("binomial", "cloglog", 1), ("binomial", "logit", 25)],
)
def test_what_large_tables_would_have_reported_is_near_what_their_normals_would(name, link, times):
    """Registers of 100,000 people and more: predictions of counts are those of the estimates."""
    tables = [[9800, 100000, 9000, 100000], [9900, 100000, 9500, 99000], [8800, 90000, 8000, 91000]]
    frame = pd.DataFrame(times * np.array(tables), columns=NAMES).assign(study=list("ABC"))
    [measure, *_] = kind(name)(link=link).reads.measures
    evidence = brw.Evidence.from_frame(
        frame, columns={each: each for each in NAMES}, measure=measure, benefit="higher"
    )
    terms = (brw.Intercept(prior.Normal(0, 1)), brw.Exchangeable(prior.HalfNormal(0.5)))
    counted = brw.predictive_check(
        brw.Model(terms=terms, likelihood=kind(name)(link=link)), evidence
    )
    plain = brw.predictive_check(brw.Model(terms=terms), evidence)
    for column in ("expected", "lower", "upper", "pit"):
        assert_allclose(counted[column], plain[column], atol=5e-4)


def test_tables_that_could_have_been_too_much_are_named():
    frame = pd.DataFrame([[1200000, 6e6, 1100000, 6e6], [9, 100, 8, 99]], columns=NAMES).assign(
        study=list("AB")
    )
    evidence = brw.Evidence.from_frame(
        frame, columns={each: each for each in NAMES}, measure="log_odds_ratio", benefit="higher"
    )
    terms = (brw.Intercept(prior.Normal(0, 1)), brw.Exchangeable(prior.HalfNormal(0.5)))
    made = brw.Model(terms=terms, likelihood=kind("hypergeometric")())
    with pytest.raises(BayesrtwError, match=r"at most 1,000,000 tables; 'A' could have been more"):
        brw.fit(made, evidence, engine=brw.Exact(draws=0))
