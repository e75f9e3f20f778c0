"""Biases from judgements inside a model: limits, plain algebra, and agreement with NUTS.

The plain algebra: with heterogeneity fixed at none, a known additive bias moves an estimate by its mean
and adds its variance (Turner et al. 2009), so the posterior of mu is a weighted mean. To 1e-10.
"""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose

import bayesrtw as brw
from bayesrtw.errors import EvidenceError, SpecError
from bayesrtw.evidence.bias_prior import BiasCell
from bayesrtw.evidence.quality import Judgement, Judgements
from bayesrtw.model.judged import JudgedBias
from bayesrtw.model.spec import check

EFFECT = np.array([0.30, 0.05, 0.42, -0.35, -0.10])
SE = np.array([0.15, 0.12, 0.25, 0.10, 0.22])


def rows(judgements=(), benefit="higher", sign=1.0):
    frame = pd.DataFrame(
        {
            "study": list("abcde"),
            "effect": sign * EFFECT,
            "se": SE,
            "design": ["rct"] * 3 + ["cohort"] * 2,
            "adjusted_for": ["", "", "", "programme_type", "none"],
        }
    )
    found = brw.Evidence.from_frame(frame, measure="log_hazard_ratio", benefit=benefit)
    return replace(found, judgements=Judgements(tuple(judgements)))


HIGH = Judgement("a", "RoB 2", "2019", "measurement", "high")
CRITICAL = Judgement("d", "ROBINS-I", "2016", "confounding", "critical")


def model(*terms, spread=None):
    return brw.Model(
        terms=(brw.Intercept(brw.prior.Normal(0, 0.5)), *terms, spread or brw.Common())
    )


def summary(evidence, *terms, **settings):
    return brw.summarise(brw.fit(model(*terms, **settings), evidence, engine=brw.Exact(draws=0)))


def by_hand(effect, variance):
    precision = 1 / 0.25 + np.sum(1 / variance)
    return np.sum(effect / variance) / precision, precision**-0.5


@pytest.mark.parametrize(("benefit", "sign"), [("higher", 1.0), ("lower", -1.0)])
def test_means_and_variances_of_bias_enter_as_turner_says(benefit, sign):
    evidence = rows([HIGH], benefit, sign)
    bias = np.array([0.1393, 0.035, 0.035, 0, 0])
    sd2 = np.array([0.1**2, 0.1**2, 0.1**2, 0.1**2 + 0.12**2 + 0.08**2, 0.0452])
    mean, sd = by_hand(EFFECT - bias, SE**2 + sd2)
    found = summary(evidence, JudgedBias()).loc["mu"]
    assert_allclose([sign * found["mean"], found["sd"]], [mean, sd], atol=1e-10)


def test_a_critical_study_says_nothing():
    with_it = summary(rows([CRITICAL]), JudgedBias()).loc["mu"]
    evidence = rows()
    without = summary(evidence.rows(np.array([0, 1, 2, 4])), JudgedBias()).loc["mu"]
    assert_allclose(with_it[["mean", "sd"]].tolist(), without[["mean", "sd"]].tolist(), rtol=1e-9)


def test_no_bias_in_every_cell_is_no_term():
    none = tuple(
        BiasCell(domain, word, design=design, source="test")
        for design, domain, word in (
            ("rct", "design", "no_judgement"),
            *(("cohort", d, "not_adjusted") for d in ("residual", "prior_absence", "diagnosis")),
            ("cohort", "programme_type", "not_adjusted"),
        )
    )
    one = summary(rows(), JudgedBias(cells=none)).loc["mu"]
    two = summary(rows()).loc["mu"]
    assert_allclose(one[["mean", "sd"]].tolist(), two[["mean", "sd"]].tolist(), rtol=1e-12)


def findings(evidence):
    return {each.check: each for each in check(model(JudgedBias()), evidence)}


def test_findings_count_studies_without_judgement_and_name_what_is_left_out():
    found = findings(rows([HIGH, CRITICAL, Judgement("b", "Home-made", "", "all", "fine")]))
    assert found["judged-bias"].severity == "warning"
    assert found["judged-bias"].message == (
        "Biases from judgements: 3 of 5 studies have no judgement that the table maps and get the "
        "default of their design; means are 0 to 0.14, SDs 0.1 to 0.21, positive exaggerating the "
        "benefit, each independently."
    )
    assert "'d'" in found["critical-left-out"].message
    assert "Home-made (1)" in found["unmapped-instrument"].message
    assert "'a'" in found["partly-judged"].message
    assert "adjustment-not-stated" not in found


def test_a_word_outside_its_instrument_is_an_error_before_the_fit():
    wrong = replace(HIGH, judgement="grave")
    with pytest.raises(EvidenceError, match="judged measurement 'grave', a word that the table"):
        check(model(JudgedBias()), rows([wrong]))


def test_nothing_but_critical_studies_is_an_error():
    all_critical = [replace(CRITICAL, study=study) for study in "abcde"]
    with pytest.raises(EvidenceError, match="every row is left out by a critical judgement"):
        check(model(JudgedBias()), rows(all_critical))


def test_two_of_them_are_refused():
    with pytest.raises(SpecError, match="'judged_bias' stand twice"):
        model(JudgedBias(), JudgedBias())


TOML = """
schema = 1
id = "mine"
title = "Mine"
question = "Biased?"
seed = 1

[evidence]
dataset = "rtw-trials"
measure = "log_hazard_ratio"

[[term]]
kind = "intercept"
prior = { kind = "normal", sd = 0.5 }

[[term]]
kind = "judged_bias"

[[term.cells]]
design = "rct"
domain = "design"
judgement = "no_judgement"
mean = 0.1
sd = 0.2
source = "mine"

[[term]]
kind = "exchangeable"
tau = { kind = "half_normal", scale = 0.25 }
"""


def test_it_is_reached_from_toml_with_cells_of_ones_own(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text(TOML, encoding="utf-8")
    term = brw.open_analysis(path).model.terms[1]
    assert_allclose(term.moments(rows()).mean, [0.1, 0.1, 0.1, 0, 0])


@pytest.mark.slow
def test_exact_and_nuts_agree_on_judged_biases():
    import arviz_stats as azs  # noqa: PLC0415

    evidence = rows([HIGH, CRITICAL])
    made = model(JudgedBias(), spread=brw.Exchangeable(brw.prior.HalfNormal(0.25)))
    exact = brw.summarise(brw.fit(made, evidence))
    tree = brw.fit(made, evidence, engine=brw.Nuts(draws=5000, target_accept=0.99), seed=4)
    sampled = brw.summarise(tree)
    for column in ("mean", "sd"):
        error = azs.mcse(tree["posterior"].to_dataset(), method=column)
        for variable in tree["posterior"].data_vars:
            own = exact["variable"] == variable
            gap = np.abs(exact.loc[own, column] - sampled.loc[own, column]).to_numpy()
            assert np.all(gap < 4 * np.atleast_1d(error[variable].to_numpy())), (column, variable)
