"""Biases from judgements inside a model: limits, plain algebra, and agreement with NUTS.

The plain algebra: with heterogeneity fixed at none, a known additive bias moves an estimate by its mean
and adds its variance (Turner et al. 2009), so the posterior of mu is a weighted mean. To 1e-10.
"""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose
from scipy.integrate import simpson
from scipy.stats import multivariate_normal, norm

import bayesrtw as brw
from bayesrtw.errors import EvidenceError, SpecError
from bayesrtw.evidence.bias_prior import BiasCell
from bayesrtw.evidence.quality import Judgement, Judgements
from bayesrtw.model.checked import check
from bayesrtw.model.design import build
from bayesrtw.model.judged import JudgedBias
from bayesrtw.report.document import document

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


def test_an_analysis_leaves_a_critical_study_out_names_it_and_counts_the_others(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text(TOML, encoding="utf-8")
    found = brw.run(brw.open_analysis(path), rows([CRITICAL]))
    assert found.evidence.data["study"].to_numpy().tolist() == list("abce")
    said = [each.message for each in found.findings if each.check == "critical-left-out"]
    assert said == ["Left out (1): d. Reason: a critical judgement."]
    made = document(found)
    assert made["evidence"]["estimates"] == 4
    assert "theta[d]" not in found.quantities.index
    # A dense normal density over tau: no row of the study, not one with a large standard error.
    keep, tau = [0, 1, 2, 4], np.linspace(0, 2.5, 20_001)
    bias = np.array([0.1, 0.1, 0.1, 0.0])
    variance = np.array([0.2**2] * 3 + [0.0452])
    log = [
        multivariate_normal(bias, 0.25 + np.diag(SE[keep] ** 2 + variance + spread**2)).logpdf(
            EFFECT[keep]
        )
        for spread in tau
    ]
    prior = 2 * norm(0, 0.25).pdf(tau)
    wanted = np.log(simpson(np.exp(log) * prior, x=tau))
    assert_allclose(float(found.posterior["quadrature"]["log_evidence"]), wanted, atol=1e-7)


def test_every_rung_and_variant_leaves_it_out(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text(TOML, encoding="utf-8")
    found = brw.ladder(brw.open_analysis(path), rows([CRITICAL]), sampled=False)
    assert found.rungs.loc[["naive", "registered"], "estimates"].tolist() == [4, 4]
    assert "critical-left-out" in {each.check for each in found.findings}


def test_a_critical_study_is_refused_wherever_no_analysis_leaves_it_out():
    evidence, term = rows([CRITICAL]), JudgedBias()
    for ask in (
        lambda: brw.fit(model(term), evidence),
        lambda: build(model(term), evidence),
        lambda: brw.leave_one_out(model(term), evidence),
    ):
        with pytest.raises(EvidenceError, match="a critical judgement keeps 'd' out of the pool"):
            ask()
    without = summary(evidence.rows(~term.left_out(evidence)), term).loc["mu"]
    alone = summary(rows().rows(np.array([0, 1, 2, 4])), term).loc["mu"]
    assert without["mean"] == alone["mean"]


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
    found = findings(rows([HIGH, Judgement("b", "Home-made", "", "all", "fine")]))
    assert found["judged-bias"].severity == "warning"
    assert found["judged-bias"].message == (
        "Biases from judgements: 4 of 5 studies have no judgement that the table maps and get the "
        "default of their design; means are 0 to 0.14, SDs 0.1 to 0.21, positive exaggerating the "
        "benefit, each independently."
    )
    assert "Home-made (1)" in found["unmapped-instrument"].message
    assert "'a'" in found["partly-judged"].message
    assert "adjustment-not-stated" not in found


def test_a_word_outside_its_instrument_is_an_error_before_the_fit():
    wrong = replace(HIGH, judgement="grave")
    with pytest.raises(EvidenceError, match="judged measurement 'grave', a word that the table"):
        check(model(JudgedBias()), rows([wrong]))


def test_nothing_but_critical_studies_is_an_error(tmp_path):
    all_critical = [replace(CRITICAL, study=study) for study in "abcde"]
    path = tmp_path / "mine.toml"
    path.write_text(TOML, encoding="utf-8")
    with pytest.raises(EvidenceError, match="every row is left out by a critical judgement"):
        brw.run(brw.open_analysis(path), rows(all_critical))


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

    evidence = rows([HIGH])
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
