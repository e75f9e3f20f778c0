"""The answer under selections of known severity: fits that it names, and reports over published studies."""

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose
from scipy.stats import norm

import bayesrtw as brw
from bayesrtw.engine import solve
from bayesrtw.engine.normal import normal
from bayesrtw.engine.tilted import tilted
from bayesrtw.errors import EngineRefusal, EvidenceError, SpecError
from bayesrtw.model.step_weights import StepWeights
from bayesrtw.report.outline import outline
from bayesrtw.report.record import record

prior = brw.prior

MODEL = brw.Model(
    terms=(brw.Intercept(prior.Normal(0, 0.5)), brw.Exchangeable(prior.HalfNormal(0.25)))
)


def rows(**columns):
    frame = pd.DataFrame(
        {
            "study": list("ABCDEF"),
            "effect": [0.42, 0.41, 0.05, 0.35, -0.10, 0.23],
            "se": [0.25, 0.15, 0.12, 0.30, 0.20, 0.10],
            **columns,
        }
    )
    return brw.Evidence.from_frame(frame, measure="log_hazard_ratio", benefit="higher")


def test_every_row_is_the_fit_that_it_names():
    found = brw.severity(MODEL, rows())
    assert list(found.table.index) == [1.0, 0.75, 0.5, 0.25, 0.1]
    plain = solve(MODEL, rows()).posterior.pooled
    assert_allclose(found.table.loc[1.0, "median"], plain.quantile(0.5), atol=1e-9)
    for weight in (0.5, 0.1):
        own = replace(MODEL, selection=StepWeights(weights=(weight,)))
        mu = solve(own, rows()).posterior.pooled
        row = found.table.loc[weight]
        ends = row[["median", "lower", "upper"]].astype(float)
        assert_allclose(ends, mu.quantile(np.array([0.5, 0.025, 0.975])), atol=1e-9)
        assert_allclose(row["probability"], mu.beyond(0.0, above=True), atol=1e-9)
    assert found.table["probability"].is_monotonic_decreasing


def test_the_severity_at_which_the_class_changes():
    found = brw.severity(MODEL, rows())
    assert found.now == "probably a benefit"
    assert found.changes_at is not None
    for weight, changed in ((found.changes_at, True), (found.changes_at * 1.05, False)):
        own = replace(MODEL, selection=StepWeights(weights=(weight,)))
        chance = solve(own, rows()).posterior.pooled.beyond(0.0, above=True)
        assert (chance < 0.9) == changed
    assert found.then in found.said
    assert f"{100 * found.changes_at:.2g} %" in found.said


def test_a_class_that_stays_says_so():
    strong = rows().data.assign(effect=("estimate", np.full(6, 0.6)))
    found = brw.severity(MODEL, replace(rows(), data=strong))
    assert found.changes_at is None
    assert "would stay 'probably a benefit' down to one in 10" in found.said
    assert found.plot() is not None


def test_lower_is_better_is_the_mirror_image():
    up = brw.severity(MODEL, rows())
    mirrored = rows().data.assign(effect=("estimate", -rows().data["effect"].to_numpy()))
    outcomes = {name: replace(each, benefit="lower") for name, each in rows().outcomes.items()}
    down = brw.severity(MODEL, replace(rows(), data=mirrored, outcomes=outcomes))
    assert_allclose(down.table["probability"], up.table["probability"], atol=1e-9)
    assert_allclose(down.table["median"], -up.table["median"], atol=1e-9)


def test_tilted_nodes_are_the_fit_with_the_selection():
    """Two heterogeneity SDs, families that are seen together: within 1e-3 SDs of the fit of its own."""
    evidence = rows(family=["a", "a", "b", "b", "c", "d"])
    terms = (
        brw.Intercept(prior.Normal(0, 0.5)),
        brw.Exchangeable(prior.HalfNormal(0.25), by="family", name="tau_family"),
    )
    bare = brw.Model(terms=terms)
    for weight in (0.5, 0.1):
        own = replace(bare, selection=StepWeights(weights=(weight,)))
        exact = solve(own, evidence).posterior
        [quick] = tilted(normal(bare, evidence), [own])
        for name in ("mu", "theta_new"):
            one, other = quick.effects[name], exact.effects[name]
            assert abs(one.centre - other.centre) < 1e-3 * other.spread
            assert abs(one.spread / other.spread - 1.0) < 1e-3
        assert abs(quick.log_evidence - exact.log_evidence) < 1e-3
        assert quick.error < 1e-3


@pytest.mark.slow
def test_a_true_null_is_called_a_benefit_no_more_often_than_the_class_says():
    """One in five results that are not significant is published, and no programme helps on average.

    At that severity "probably a benefit", a probability of 0.9, is reached in no more than 10 % of data sets;
    without a selection it is reached far more often.
    """
    rng = np.random.default_rng(11)
    terms = (brw.Intercept(prior.Normal(0.0, 0.5)), brw.Exchangeable(prior.HalfNormal(0.1)))
    bare = brw.Model(terms=terms)
    selected = replace(bare, selection=StepWeights(weights=(0.2,)))
    called = {"plain": 0, "selected": 0}
    count = 300
    for _ in range(count):
        tau, se, effect = abs(rng.normal(0.0, 0.1)), rng.uniform(0.1, 0.3, 10), np.full(10, np.nan)
        while np.isnan(effect).any():
            drawn = rng.normal(rng.normal(0.0, tau, 10), se)
            kept = (drawn / se > norm.isf(0.025)) | (rng.random(10) < 0.2)
            effect = np.where(np.isnan(effect) & kept, drawn, effect)
        frame = pd.DataFrame({"study": list("ABCDEFGHIJ"), "effect": effect, "se": se})
        evidence = brw.Evidence.from_frame(frame, benefit="higher")
        for name, one in (("plain", bare), ("selected", selected)):
            called[name] += solve(one, evidence).posterior.pooled.beyond(0.0, above=True) >= 0.9
    error = 3.0 * np.sqrt(0.1 * 0.9 / count)
    assert called["selected"] / count <= 0.1 + error
    assert called["plain"] / count > 0.1 + error


def test_what_cannot_be_asked_is_refused():
    with pytest.raises(SpecError, match="shares in"):
        brw.severity(MODEL, rows(), weights=(0.5, 0.0))
    nowhere = brw.Evidence.from_frame(
        rows().data.to_dataframe().reset_index()[["study", "effect", "se"]],
        measure="log_hazard_ratio",
    )
    with pytest.raises(SpecError, match="no direction of benefit"):
        brw.severity(MODEL, nowhere)
    heavy = replace(MODEL, likelihood=brw.likelihood.HeavyTails())
    with pytest.raises(EvidenceError, match="not normal"):
        brw.severity(heavy, rows())
    many = brw.Model(
        terms=(
            brw.Intercept(prior.Normal(0, 0.5)),
            *(brw.Linear(name, prior.Normal(0, 0.3)) for name in "xyz"),
            brw.Exchangeable(prior.HalfNormal(0.25), by="family", name="tau_family"),
        )
    )
    wide = rows(
        family=["a", "a", "b", "b", "c", "d"],
        x=[1.0, 2, 3, 4, 5, 7],
        y=[1.0, 4, 9, 2, 5, 1],
        z=[0.0, 1, 0, 1, 0, 2],
    )
    # A rule of four coefficients beside groups takes too long; weighed points answer.
    assert brw.severity(many, wide, weights=(0.5,)).table["error"].max() < 0.01
    with pytest.raises(EngineRefusal, match="4 coefficients"):
        tilted(normal(many, wide), [replace(many, selection=StepWeights(weights=(0.5,)))])


def test_a_report_over_published_studies_says_it_on_its_first_page():
    found = brw.run(brw.open_analysis("ips-employment"))
    assert found.evidence.provenance.sample == "published"
    content = record(found)
    assert json.loads(json.dumps(content))["severity"]["rows"][0]["name"] == "1.0"
    page = outline(content)
    assert "severity" in [each.id for each in page.sections]
    assert any("If results were selected." in str(each) for each in page.opening)
    other = replace(found.evidence.provenance, sample="")
    bare = replace(found, evidence=replace(found.evidence, provenance=other))
    assert record(bare)["severity"] is None
