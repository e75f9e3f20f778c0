"""Conclusion classes: bounds, the mirror of harm, holding a class, and the sceptical prior."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

import bayesrtw as brw
from bayesrtw.analysis import concluded
from bayesrtw.analysis.conclusion import CLASSES, Rules, classify, conclude, sceptical_model
from bayesrtw.analysis.run import Synthesis
from bayesrtw.engine.nuts import Nuts
from bayesrtw.errors import Finding, SpecError
from bayesrtw.posterior.diagnose import diagnose

prior = brw.prior


@pytest.mark.parametrize(
    ("benefit", "place"),
    [
        (0.95, 0),
        (0.90, 0),
        (0.89, 1),
        (0.65, 1),
        (0.64, 2),
        (0.36, 2),
        (0.34, 3),
        (0.11, 3),
        (0.09, 4),
    ],
)
def test_classes_follow_their_bounds(benefit, place):
    assert classify(Rules(), benefit) == CLASSES[place]
    # the mirror: swapping benefit and harm swaps the classes
    assert classify(Rules(), 1 - benefit, benefit) == CLASSES[4 - place]


def test_with_an_important_effect_a_small_probability_of_benefit_is_no_harm():
    rules = Rules(threshold=0.1)
    assert classify(rules, 0.05, 0.02) == "unclear"
    assert classify(rules, 0.0, 0.93) == "probably an important harm"


def test_a_published_class_is_left_only_beyond_its_hold():
    rules = Rules()
    assert classify(rules, 0.86, before=CLASSES[0]) == CLASSES[0]
    assert classify(rules, 0.84, before=CLASSES[0]) == CLASSES[1]
    assert classify(rules, 0.86, before=CLASSES[1]) == CLASSES[1]
    assert classify(rules, 0.61, before=CLASSES[1]) == CLASSES[1]
    assert classify(rules, 0.61, before=CLASSES[2]) == CLASSES[2]
    assert classify(rules, 0.39, before=CLASSES[3]) == CLASSES[3]


@pytest.mark.parametrize(
    ("settings", "match"),
    [
        ({"threshold": -0.1}, "cannot be negative"),
        ({"likely": 0.95}, "must rise between"),
        ({"hold": 0.3}, "hold must be at least 0"),
        ({"sceptical_sd": 0.0}, "sceptical_sd must be positive"),
    ],
)
def test_rules_that_contradict_themselves_are_refused(settings, match):
    with pytest.raises(SpecError, match=match):
        Rules(**settings)


def test_a_conclusion_reads_both_sides_from_the_posterior():
    # one study, tau = 0, flat mean: mu ~ N(0.3, 0.15^2); P(mu > 0.1) = Phi(4/3), P(mu < -0.1) = Phi(-8/3)
    frame = pd.DataFrame({"study": ["A"], "effect": [0.3], "se": [0.15]})
    evidence = brw.Evidence.from_frame(frame, benefit="higher")
    model = brw.Model(terms=(brw.Intercept(prior.Flat()), brw.Common()))
    found = conclude(brw.fit(model, evidence), Rules(threshold=0.1))
    assert found.benefit == pytest.approx(0.9087888, abs=1e-6)
    assert found.harm == pytest.approx(0.0038304, abs=1e-6)
    assert found.name == "probably an important benefit"
    doubted = conclude(brw.fit(model, evidence), Rules(threshold=0.1), sceptical=0.7)
    assert doubted.name == "important benefit more likely than not"


def test_the_sceptical_prior_scales_with_the_registered_one():
    model = brw.Model(terms=(brw.Intercept(prior.Normal(0.3, 0.5)), brw.Common()))
    assert sceptical_model(model, Rules()).terms[0].prior == prior.Normal(0.0, 0.2)
    flat = brw.Model(terms=(brw.Intercept(prior.Flat()), brw.Common()))
    assert sceptical_model(flat, Rules()) is None
    assert sceptical_model(flat, Rules(sceptical_sd=0.1)).terms[0].prior == prior.Normal(0.0, 0.1)


@pytest.mark.parametrize(
    ("probable", "before", "failed", "asked"),
    [
        (0.90, "", False, 1),
        (0.93, "", False, 0),
        (0.93, CLASSES[0], False, 1),
        (0.93, CLASSES[1], False, 0),
        (0.90, "", True, 0),
    ],
)
def test_a_sampled_fit_asks_the_sceptic_only_where_the_class_hangs_on_it(
    probable, before, failed, asked, monkeypatch
):
    # P(mu > 0): one study of 0.3 with SE 0.2 under N(0, 0.5^2) has Phi(1.393) = 0.918
    frame = pd.DataFrame({"study": ["A"], "effect": [0.3], "se": [0.2]})
    evidence = brw.Evidence.from_frame(frame, benefit="higher")
    rules = Rules(probable=probable)
    shipped = brw.open_analysis("time-to-rtw")
    analysis = replace(
        shipped,
        term=(brw.Intercept(prior.Normal(0, 0.5)), brw.Common()),
        engine=Nuts(),
        conclusion=rules,
    )
    tree = brw.fit(analysis.model, evidence, engine=brw.Exact(draws=0))
    finding = Finding("sampler", "failed", "made up")
    synthesis = Synthesis(
        analysis=analysis,
        evidence=evidence,
        posterior=tree,
        estimates=pd.DataFrame(),
        quantities=brw.summarise(tree),
        findings=(finding,) if failed else (),
        variants={},
    )
    calls = []

    def exactly(model, evidence, **_):
        calls.append(model)
        return brw.fit(model, evidence, engine=brw.Exact(draws=0))

    monkeypatch.setattr(concluded, "fit", exactly)
    found = concluded.conclusion(synthesis, before=before)
    assert found is not None
    assert len(calls) == asked
    # The sceptic, N(0, 0.2^2), gives Phi(0.3 / sqrt(0.08)) = 0.856, which is enough.
    best = CLASSES[0] if asked else CLASSES[1]
    assert found.name == best
    assert found.sceptical == (pytest.approx(0.8555778, abs=1e-6) if asked else None)


def spread_findings(effect, se, tau):
    frame = pd.DataFrame(
        {"study": [f"s{i}" for i in range(len(effect))], "effect": effect, "se": se}
    )
    model = brw.Model(terms=(brw.Intercept(prior.Normal(0, 0.5)), brw.Exchangeable(tau)))
    tree = brw.fit(
        model, brw.Evidence.from_frame(frame, benefit="higher"), engine=brw.Exact(draws=0)
    )
    return [each for each in diagnose(tree, model) if each.check == "spread"]


@pytest.mark.parametrize(
    ("effect", "se", "tau"),
    [
        ([-0.4] * 6, 0.1, prior.HalfNormal(0.25)),
        ([-0.4] * 6, 0.1, prior.HalfNormal(0.01)),
        ([0.0] * 6, 0.1, prior.HalfNormal(2.0)),
        ([0.1], 0.3, prior.HalfNormal(0.25)),
        ([0.1], 0.001, prior.HalfNormal(2.0)),
        ([0.1, 0.1], 0.001, prior.HalfNormal(2.0)),
        ([0.1] * 3, 0.001, prior.HalfNormal(2.0)),
        ([0.03] * 8, 0.12, prior.HalfNormal(0.01)),
    ],
)
def test_nothing_is_said_of_spread_where_nothing_differs(effect, se, tau):
    assert spread_findings(effect, [se] * len(effect), tau) == []


def test_spread_is_the_chance_that_tau_exceeds_the_typical_standard_error():
    y, se = np.array([-0.5, 0.2, 0.9, -0.1, 0.6]), np.array([0.1, 0.2, 0.15, 0.1, 0.12])
    weight = 1 / se**2
    typical = np.sqrt(4 * weight.sum() / (weight.sum() ** 2 - (weight**2).sum()))
    tau = np.linspace(0, 8, 80_001)
    variance = se**2 + tau[:, None] ** 2
    precision = 4 + (1 / variance).sum(axis=1)
    log = -0.5 * (np.log(variance) + y**2 / variance).sum(axis=1)
    log += 0.5 * (y / variance).sum(axis=1) ** 2 / precision - 0.5 * np.log(precision)
    density = np.exp(log - log.max() - tau**2 / 2)
    chance = density[tau > typical].sum() / density.sum()
    assert chance > 0.99
    (found,) = spread_findings(y, se, prior.HalfNormal(1.0))
    assert found.message == (
        f"Spread: tau is larger than the typical standard error, {typical:.2g} (I² above 50 %), with "
        "probability >0.99."
    )
