"""Selections: exact integration and NUTS share no numerics and must agree within 4 MCSE."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import bayesrtw as brw
from bayesrtw.engine.tilted import rough, tilted
from bayesrtw.model.selection import StepWeights

pytestmark = pytest.mark.slow

prior = brw.prior


def smoking():
    """Hackshaw 1998: 37 studies of lung cancer and passive smoking."""
    path = Path(__file__).parents[1] / "golden" / "metafor_selmodel_hackshaw1998.json"
    data = json.loads(path.read_text())["data"]
    frame = pd.DataFrame(
        {
            "study": data["labels"],
            "effect": data["yi"],
            "se": data["sei"],
            "design": ["cohort" if place < 4 else "case_control" for place in range(37)],
        }
    )
    return brw.Evidence.from_frame(frame, measure="log_odds_ratio", benefit="higher")


CASES = {
    "known": (StepWeights(weights=(0.3,)), ()),
    "free": (StepWeights(shares=(prior.Beta(1.0, 1.0),)), ()),
    "two sides, biases": (
        StepWeights(steps=(0.05, 0.1), weights=(0.5, 0.3), sides="two"),
        (
            brw.bias.Discount(brw.bias.Studies(("cohort",)), 0.5),
            brw.bias.AdditiveBias(brw.bias.Studies(("case_control",)), 0.05, 0.1),
        ),
    ),
}


@pytest.mark.parametrize("case", sorted(CASES))
def test_exact_and_nuts_agree(case):
    selection, more = CASES[case]
    terms = (brw.Intercept(prior.Normal(0, 0.5)), brw.Exchangeable(prior.HalfNormal(0.25)), *more)
    model, evidence = brw.Model(terms=terms, selection=selection), smoking()
    exact = brw.summarise(brw.fit(model, evidence, engine=brw.Exact(draws=0)))
    tree = brw.fit(model, evidence, engine=brw.Nuts(draws=2000), seed=5)
    drawn = tree["posterior"].to_dataset()
    for name in ("mu", "tau", "theta_new", *model.selection.hyper()):
        values = drawn[name].to_numpy()
        batches = values.reshape(-1, 40).mean(axis=1)
        mcse = batches.std(ddof=1) / np.sqrt(len(batches))
        assert abs(values.mean() - exact.loc[name, "mean"]) < 4 * mcse, name
    theta = drawn["theta"].to_numpy().reshape(-1, 37)
    batches = theta.reshape(-1, 40, 37).mean(axis=1)
    mcse = batches.std(axis=0, ddof=1) / np.sqrt(len(batches))
    wanted = exact.loc[[name for name in exact.index if name.startswith("theta[")], "mean"]
    assert np.all(np.abs(theta.mean(axis=0) - wanted.to_numpy()) < 4.5 * mcse)


@pytest.mark.parametrize("steps", [(0.025, 0.5), (0.025, 0.05, 0.5)])
def test_several_weights_are_sampled_as_they_are_integrated_out(steps):
    """`Nuts` samples every weight, `compare` integrates all of them at every point."""
    shares = tuple(prior.Beta(float(place), 1.0) for place in range(len(steps), 0, -1))
    terms = (brw.Intercept(prior.Normal(0, 0.5)), brw.Exchangeable(prior.HalfNormal(0.25)))
    model = brw.Model(terms=terms, selection=StepWeights(steps=steps, shares=shares))
    [exact] = tilted(rough(brw.Model(terms=terms), smoking()), [model])
    drawn = brw.fit(model, smoking(), engine=brw.Nuts(), seed=5)["posterior"].to_dataset()
    for name, wanted in (("mu", exact.pooled.centre), ("tau", exact.tau)):
        values = drawn[name].to_numpy()
        batches = values.reshape(-1, 40).mean(axis=1)
        mcse = batches.std(ddof=1) / np.sqrt(len(batches))
        assert abs(values.mean() - wanted) < 4 * mcse, name
