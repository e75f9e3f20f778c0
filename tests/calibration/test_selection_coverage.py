"""Calibration of models that are thinned by a selection: ranks of truths are uniform, bands jointly 95 %."""

import numpy as np
import pandas as pd
import pytest

import bayesrtw as brw
from bayesrtw.model.selection import StepWeights

pytestmark = pytest.mark.slow

prior = brw.prior


def rows(size=12):
    se = np.random.default_rng(7).uniform(0.1, 0.4, size)
    frame = pd.DataFrame(
        {
            "study": [f"s{place}" for place in range(size)],
            "effect": np.zeros(size),
            "se": se,
            "design": ["rct", "cohort"] * (size // 2),
        }
    )
    return brw.Evidence.from_frame(frame, benefit="higher")


def test_selections_are_calibrated():
    own = (brw.Intercept(prior.Normal(0.0, 0.3)), brw.Exchangeable(prior.HalfNormal(0.2)))
    bias = brw.bias.AdditiveBias(brw.bias.Studies(("cohort",)), 0.1, 0.15)
    discount = brw.bias.Discount(brw.bias.Studies(("cohort",)), 0.5)
    models = {
        "known": brw.Model(terms=own, selection=StepWeights(weights=(0.2,))),
        "biased": brw.Model(
            terms=(*own, bias, discount),
            selection=StepWeights(steps=(0.05, 0.1), weights=(0.5, 0.2), sides="two"),
        ),
    }
    found = [
        brw.calibrate(model, rows(), replicates=300, seed=seed, name=name)
        for seed, (name, model) in enumerate(models.items(), start=1)
    ]
    free = brw.Model(terms=own, selection=StepWeights(shares=(prior.Beta(1.0, 1.0),)))
    found.append(brw.calibrate(free, rows(), replicates=100, seed=9, name="free"))
    assert not any(each.failed for each in found)
    table = brw.judge(found)
    assert "omega" in set(table["quantity"])
    assert table["inside"].all(), table[~table["inside"]]
