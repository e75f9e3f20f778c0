"""Every verb answers for a model that is thinned by a selection, or refuses in a sentence."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from numpy.testing import assert_allclose

import bayesrtw as brw
from bayesrtw.analysis.spec import parse
from bayesrtw.model.selection import StepWeights
from bayesrtw.plot.prior_posterior import plot_prior_posterior
from bayesrtw.question.tipping import tipping_prior, tipping_shift

prior = brw.prior

FILE = """
id = "selected"
title = "Selected"
question = "Do programmes help?"
seed = 1

[evidence]
dataset = "any"
measure = "log_hazard_ratio"

[[term]]
kind = "intercept"
prior = { kind = "normal", mean = 0.0, sd = 0.5 }

[[term]]
kind = "exchangeable"
tau = { kind = "half_normal", scale = 0.25 }

[selection]
kind = "step_weights"
weights = [0.25]
"""


def rows():
    frame = pd.DataFrame(
        {
            "study": list("ABCDEF"),
            "effect": [0.62, 0.41, 0.05, 0.55, -0.10, 0.33],
            "se": [0.25, 0.15, 0.12, 0.30, 0.20, 0.10],
            "year": [2001.0, 2002, 2003, 2004, 2005, 2006],
            "design": [*["rct"] * 4, "cohort", "cohort"],
        }
    )
    return brw.Evidence.from_frame(frame, measure="log_hazard_ratio", benefit="higher")


MODEL = brw.Model(
    terms=(brw.Intercept(prior.Normal(0, 0.5)), brw.Exchangeable(prior.HalfNormal(0.25))),
    selection=StepWeights(weights=(0.25,)),
)


def test_studies_are_left_out_and_added():
    whole = brw.summarise(brw.fit(MODEL, rows(), engine=brw.Exact(draws=0))).loc["mu"]
    left = brw.leave_one_out(MODEL, rows())
    assert_allclose(left.loc["none left out", "mean"], whole["mean"], atol=1e-6)
    grown = brw.cumulative(MODEL, rows())
    assert_allclose(grown.iloc[-1]["mean"], whole["mean"], atol=1e-6)
    assert_allclose(grown.iloc[-2]["mean"], left.loc["F", "mean"], atol=1e-5)


def test_priors_powers_and_shifts_are_answered():
    priors = {"registered": prior.HalfNormal(0.25), "wider": prior.HalfNormal(0.5)}
    panel = brw.prior_sensitivity(MODEL, rows(), priors)
    assert panel.loc["wider", "sd"] > panel.loc["registered", "sd"]
    scaled = brw.power_scaling(MODEL, rows())
    assert np.isfinite(scaled.loc["mu", ["prior", "likelihood"]].astype(float)).all()
    shares = brw.influence(MODEL, rows())
    assert len(shares) == 7 or len(shares) == 6
    assert tipping_shift(MODEL, rows(), {"all": np.ones(6, dtype=bool)}) is not None
    assert tipping_prior(MODEL, rows(), lambda up, down: str(up > down)) is not None


def test_every_result_is_expected_as_one_that_is_seen():
    checked = brw.predictive_check(MODEL, rows())
    assert ((checked["tail"] > 0) & (checked["tail"] <= 1)).all()
    plain = brw.predictive_check(brw.Model(terms=MODEL.terms), rows())
    assert (checked["prior_expected"] > plain["prior_expected"]).all()


def test_one_more_trial_is_looked_ahead_to():
    """A trial that is run is seen whatever it says: nothing of it is selected."""
    ahead = brw.outlook(MODEL, rows())
    classes = ahead[[name for name in ahead if str(name).startswith("to ")]]
    assert_allclose(classes.sum(axis=1), 1.0, atol=1e-6)


def test_models_with_and_without_are_compared():
    found = brw.compare({"selected": MODEL, "all": brw.Model(terms=MODEL.terms)}, rows())
    logs = [
        float(brw.fit(each, rows(), engine=brw.Exact(draws=0))["quadrature"]["log_evidence"])
        for each in (MODEL, brw.Model(terms=MODEL.terms))
    ]
    assert_allclose(np.diff(found.models["log_evidence"]), np.diff(logs), atol=1e-9)
    assert found.inclusion.loc["selection", "prior"] == 0.5
    share = found.models["posterior"].to_numpy()
    means = [
        brw.summarise(brw.fit(each, rows(), engine=brw.Exact(draws=0))).loc["mu", "mean"]
        for each in (MODEL, brw.Model(terms=MODEL.terms))
    ]
    averaged = brw.summarise(found.posterior)
    assert_allclose(averaged.loc["mu", "mean"], share @ means, atol=1e-9)


def test_a_calibration_is_uniform():
    found = brw.calibrate(MODEL, rows(), replicates=60, seed=2)
    assert brw.judge([found])["inside"].all()


def test_draws_and_pictures():
    tree = brw.fit(MODEL, rows())
    exact = brw.summarise(tree)
    drawn = tree["posterior"]["mu"].to_numpy()
    assert abs(drawn.mean() - exact.loc["mu", "mean"]) < 4 * drawn.std() / np.sqrt(drawn.size)
    for name in ("mu", "tau", "theta_new"):
        assert plot_prior_posterior(tree, name) is not None
        plt.close("all")


def test_it_is_read_from_a_file_hashed_and_run():
    bare = parse(FILE[: FILE.index("[selection]")], "bare.toml")
    analysis = parse(FILE, "selected.toml")
    assert analysis.model.selection == StepWeights(weights=(0.25,))
    assert analysis.digest != bare.digest
    found = brw.run(analysis, evidence=rows())
    assert any("known weights 0.25" in each.message for each in found.findings)
    page = found.to_html() if hasattr(found, "to_html") else ""
    assert isinstance(page, str)
