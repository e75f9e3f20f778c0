"""Networks of single arms: data sets as drawn by hand, posteriors that hold truths as often as they say."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import bayesrtw as brw
from bayesrtw.model.arm_effects import Arms
from bayesrtw.model.components import Components
from bayesrtw.model.prior import HalfNormal, Normal
from bayesrtw.model.simulate import simulate
from bayesrtw.model.single import BinomialSingle
from bayesrtw.question.calibrate import judge

NETWORKS = Path(__file__).parents[1] / "networks"


def _terms(none):
    parts = Components(Normal(0, 1), arm="arm", none=(none,))
    return parts, Arms(HalfNormal(0.5), baseline=Normal(0, 1))


def test_counts_of_arms_are_drawn_as_by_hand():
    # Baselines of studies, effects of treatments, tau / sqrt(2) an arm, then events of each arm.
    seen = pd.read_csv(NETWORKS / "smoking.csv")
    headings = {"studyn": "study", "trtc": "arm", "r": "events"}
    evidence = brw.Evidence.from_arms(seen, columns=headings, benefit="higher")
    model = brw.Model(terms=_terms("No intervention"), likelihood=BinomialSingle())
    [drawn] = simulate(model, evidence, replicates=4_000, seed=1).events
    rng, many = np.random.default_rng(3), 40_000
    arm, study = seen["trtc"].to_numpy(), seen["studyn"].to_numpy()
    names = [name for name in sorted(set(arm)) if name != "No intervention"]
    columns = np.array([[float(own == name) for name in names] for own in arm])
    tau = 0.5 * np.abs(rng.normal(size=(many, 1)))
    eta = rng.normal(size=(many, 24))[:, np.unique(study, return_inverse=True)[1]]
    eta = eta + rng.normal(size=(many, 3)) @ columns.T
    eta += tau / np.sqrt(2) * rng.normal(size=eta.shape)
    events = rng.binomial(seen["n"].to_numpy(), 1 / (1 + np.exp(-eta)))
    error = np.sqrt(events.var(axis=0) * (1 / len(drawn) + 1 / many))
    assert np.abs((drawn.mean(axis=0) - events.mean(axis=0)) / error).max() < 4.5
    # Arms of a study go together by its baseline, those of three arms too; of two studies they do not.
    own, other = (np.corrcoef(each[:, :3].T) for each in (drawn, events))
    np.testing.assert_allclose(own, other, atol=0.05)
    assert abs(np.corrcoef(drawn[:, 0], drawn[:, 9])[0, 1]) < 0.06


@pytest.mark.slow
def test_posteriors_of_arms_hold_truths_as_often_as_they_say():
    seen = pd.read_csv(NETWORKS / "parkinsons.csv")[["studyn", "trtn", "y", "se"]]
    headings = {"studyn": "study", "trtn": "arm", "y": "mean"}
    evidence = brw.Evidence.from_arms(seen, columns=headings, benefit="lower")
    found = brw.calibrate(brw.Model(terms=_terms("1")), evidence, replicates=400, seed=1)
    table = judge([found]).set_index("quantity")
    assert table["inside"].all()
    assert {"tau", "beta[component[2]]", "theta[7 (5)]"} <= set(table.index)
