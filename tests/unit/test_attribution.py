"""Why a number changed: Shapley's shares, mixtures of old and new analyses, and what was predicted."""

import math

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose
from scipy import integrate, stats

from bayesrtw.analysis.spec import parse
from bayesrtw.engine import fit
from bayesrtw.evidence.table import Evidence
from bayesrtw.living import attribution, surprise
from bayesrtw.living.attribution import Basis, shapley
from bayesrtw.model.heterogeneity import Common, Exchangeable
from bayesrtw.model.moderator import Intercept
from bayesrtw.model.prior import HalfNormal, Normal
from bayesrtw.model.spec import Model
from bayesrtw.posterior.kernels import Kernels
from bayesrtw.posterior.summarise import summarise

TOML = """
schema = 1
id = "mine"
title = "Mine"
question = "Does it?"
seed = 7
[evidence]
dataset = "mine.csv"
measure = "generic"
[[term]]
kind = "intercept"
prior = { kind = "normal", sd = 0.5 }
[[term]]
kind = "exchangeable"
tau = { kind = "half_normal", scale = 0.25 }
"""


def evidence(effects, se=0.1, studies=None):
    names = studies or [f"S{i}" for i in range(len(effects))]
    return Evidence.from_frame(pd.DataFrame({"study": names, "effect": effects, "se": se}))


def test_shapley_shares_of_a_game_that_was_worked_out_by_hand():
    """The glove game: one has a left glove, two a right one; a pair is worth 1."""
    worth = {"X": 0.0, "Y": 0.0, "Z": 0.0, "XY": 1.0, "XZ": 1.0, "YZ": 0.0, "XYZ": 1.0, "": 0.0}

    def value(own):
        return worth["".join(sorted(own))]

    shares = {name: shapley("XYZ", name, value) for name in "XYZ"}
    assert shares == pytest.approx({"X": 2 / 3, "Y": 1 / 6, "Z": 1 / 6})


def test_shares_of_data_model_and_prior_add_up_to_the_change():
    old = Basis(parse(TOML, "old"), evidence([0.1, 0.3, 0.2]))
    text = TOML.replace("sd = 0.5", "sd = 0.1").replace(
        'kind = "exchangeable"\ntau = { kind = "half_normal", scale = 0.25 }', 'kind = "common"'
    )
    new = Basis(parse(text, "new"), evidence([0.1, 0.3, 0.2, 0.6]))
    assert attribution.changed_factors(old, new) == ("data", "model", "prior")
    stored, found = (attribution.numbers(side.analysis, side.source) for side in (old, new))
    told = attribution.attribute(old, new, stored, found, software=False)
    assert told["refits"] == 6
    for number in attribution.NUMBERS:
        total = sum(share[number] for share in told["shares"].values())
        assert_allclose(total, found[number] - stored[number], atol=1e-12)
    assert told["shares"]["prior"]["mean"] < 0 < told["shares"]["data"]["mean"]


def test_a_change_of_software_alone_is_its_own_share():
    side = Basis(parse(TOML, "x"), evidence([0.1, 0.3, 0.2]))
    found = attribution.numbers(side.analysis, side.source)
    stored = {**found, "mean": found["mean"] - 0.01}
    told = attribution.attribute(side, side, stored, found, software=True)
    assert told["shares"]["software"]["mean"] == pytest.approx(0.01)
    assert "cannot be run here" in told["note"]


def test_a_mixture_takes_priors_by_term_and_not_by_place():
    old = parse(TOML, "old")
    swapped = TOML.split("[[term]]")
    text = "[[term]]".join([swapped[0], swapped[2], swapped[1]])
    new = parse(text.replace("sd = 0.5", "sd = 0.1"), "new")
    mixed = attribution.mixed(old, new, model=True, prior=False)
    assert mixed.term[1].prior == Normal(0.0, 0.5)
    assert attribution.changed_factors(
        Basis(old, evidence([0.1])), Basis(parse(text, "x"), evidence([0.1]))
    ) == ("model",)


def test_each_new_study_is_left_out_in_turn():
    side = Basis(parse(TOML, "x"), evidence([0.1, 0.3, 0.2, 0.8]))
    found = attribution.numbers(side.analysis, side.source)
    [one] = attribution.left_out(side, ["S3"], found)
    without = attribution.numbers(side.analysis, evidence([0.1, 0.3, 0.2]))
    assert_allclose(one["mean"], found["mean"] - without["mean"], atol=1e-9)


def test_the_tail_of_a_new_result_under_a_common_effect_is_textbook():
    """Normal data, normal prior: the predictive distribution is one normal."""
    model = Model(terms=(Intercept(Normal(0, 0.5)), Common()))
    rows = evidence([0.1, 0.3, 0.6], se=[0.1, 0.2, 0.15])
    [told] = surprise.surprise(model, rows, np.array([False, False, True]))
    precision = 1 / 0.25 + 1 / 0.01 + 1 / 0.04
    mean, sd = (0.1 / 0.01 + 0.3 / 0.04) / precision, math.sqrt(1 / precision + 0.15**2)
    assert_allclose([told["expected"], told["sd"]], [mean, sd], rtol=1e-9)
    assert_allclose(told["tail"], 2 * stats.norm.sf(0.6, mean, sd), rtol=1e-8)
    assert_allclose(told["log_score"], stats.norm.logpdf(0.6, mean, sd), rtol=1e-8)


def test_the_tail_under_heterogeneity_is_that_of_brute_force():
    """Integrate over tau on a plain grid, mu given tau in closed form."""
    model = Model(terms=(Intercept(Normal(0, 0.5)), Exchangeable(HalfNormal(0.25))))
    y, s = np.array([0.1, 0.35, -0.1]), np.array([0.1, 0.15, 0.12])
    rows = evidence([*y, 0.7], se=[*s, 0.1])
    [told] = surprise.surprise(model, rows, np.array([False, False, False, True]))

    def given(tau):
        v = s**2 + tau**2
        p = 4.0 + np.sum(1 / v)
        m = np.sum(y / v) / p
        log = -0.5 * np.sum(np.log(v)) - 0.5 * np.log(p) - 0.5 * (np.sum(y**2 / v) - p * m**2)
        return math.exp(log - 0.5 * (tau / 0.25) ** 2), m, math.sqrt(1 / p + tau**2 + 0.01)

    total = integrate.quad(lambda tau: given(tau)[0], 0, 3, epsabs=0, epsrel=1e-11)[0]
    above = integrate.quad(
        lambda tau: given(tau)[0] * stats.norm.sf(0.7, *given(tau)[1:]),
        0,
        3,
        epsabs=0,
        epsrel=1e-11,
    )[0]
    assert_allclose(told["tail"], 2 * above / total, rtol=1e-7)
    assert_allclose(told["pit"], 1 - above / total, rtol=1e-7)


def test_a_result_that_is_far_away_keeps_the_digits_of_its_tail():
    weight, mean, sd = np.ones(1), np.zeros(1), np.ones(1)
    assert_allclose(
        surprise.tail(20.0, Kernels(weight, mean, sd))["tail"], 2 * stats.norm.sf(20), rtol=1e-12
    )


def test_predictions_that_hold_do_not_drift_and_one_sided_ones_do():
    even = (np.arange(10) + 0.5) / 10
    assert surprise.drift(list(even[:7])) is None
    assert not surprise.drift(list(even))["drift"]
    skewed = list(0.9 + even / 10)
    found = surprise.drift(skewed)
    assert found["drift"]
    assert_allclose(found["distance"], stats.kstest(skewed, "uniform").statistic, atol=1e-12)
    # Stephens' correction of the asymptotic distribution: within a few per cent of the exact one.
    even_off = list(np.clip(even * 0.8, 0, 1))
    exact = stats.kstest(even_off, "uniform").pvalue
    assert surprise.drift(even_off)["p"] == pytest.approx(exact, rel=0.05)


def test_another_headline_is_a_change_of_the_model():
    text = TOML.replace(
        '[[term]]\nkind = "exchangeable"',
        '[[term]]\nkind = "categorical"\ncolumn = "kind"\nprior = { kind = "normal", sd = 0.25 }\n\n'
        '[[term]]\nkind = "exchangeable"',
    )
    frame = pd.DataFrame(
        {"study": list("ABC"), "effect": [0.1, 0.3, 0.8], "se": 0.1, "kind": ["x", "x", "y"]}
    )
    rows = Evidence.from_frame(frame)
    old = Basis(parse(text, "old"), rows)
    new = Basis(parse(text.replace('"intercept"', '"intercept"\nmean = "studies"'), "new"), rows)
    assert (old.analysis.model.pooled, new.analysis.model.pooled) == ("mu", "mu_studies")
    stored, found = (attribution.numbers(side.analysis, side.source) for side in (old, new))
    table = summarise(fit(new.analysis.model, rows))
    assert_allclose(stored["mean"], table.loc["mu", "mean"], atol=1e-9)
    assert_allclose(found["mean"], table.loc["mu_studies", "mean"], atol=1e-9)
    told = attribution.attribute(old, new, stored, found, software=False)
    assert (told["of"], set(told["shares"])) == ("mu_studies", {"model"})
    assert_allclose(told["shares"]["model"]["mean"], found["mean"] - stored["mean"], atol=1e-12)
