"""Which studies tell parts where rows are counts: their shares and the prior's add up to one."""

import numpy as np
import pandas as pd
import pytest

import bayesrtw as brw
from bayesrtw.engine import solve
from bayesrtw.model.arm_effects import Arms
from bayesrtw.model.components import Components
from bayesrtw.model.prior import HalfNormal, Normal
from bayesrtw.model.single import BinomialSingle
from bayesrtw.question.parts import material, told_by

#: Study, arm, events and people.
ARMS = [
    ("s1", "none", 4, 20),
    ("s1", "a", 9, 22),
    ("s2", "none", 2, 15),
    ("s2", "a + b", 5, 15),
    ("s3", "none", 11, 30),
    ("s3", "b", 12, 31),
    ("s3", "c", 20, 29),
    ("s4", "a", 30, 60),
    ("s4", "c", 41, 62),
]
SD = 0.8


@pytest.mark.parametrize("parts", ["abc", "ab"])
def test_shares_of_studies_and_of_the_prior_add_up_to_one(parts: str) -> None:
    rows = [each for each in ARMS if parts == "abc" or "c" not in each[1]]
    frame = pd.DataFrame(rows, columns=["study", "arm", "events", "n"])
    evidence = brw.Evidence.from_arms(
        frame[frame.study.isin(["s1", "s2"])] if parts == "ab" else frame
    )
    terms = (
        Components(Normal(0, SD), arm="arm", none=("none",)),
        Arms(HalfNormal(0.5), baseline=Normal(0, 2)),
    )
    model = brw.Model(terms=terms, likelihood=BinomialSingle())
    fit = solve(model, evidence)
    found = told_by(fit)
    each = fit.each_normal(np.eye(len(parts)))
    # The prior of a part pulls at it by its precision: its share is what variance it leaves, given tau.
    variance = each.weight @ np.diagonal(each.covariance, axis1=1, axis2=2)
    np.testing.assert_allclose(found.table["prior"], variance / SD**2, atol=2e-5)
    moments = [fit.posterior.effects[f"beta[component[{name}]]"].moments() for name in parts]
    np.testing.assert_allclose(found.table[["mean", "sd"]], moments, atol=1e-9)
    # A study tells nothing of a part in which its arms are alike.
    own = dict(zip(found.studies, found.shares, strict=True))
    assert own["s1"][1] == pytest.approx(0.0, abs=1e-6)
    assert own["s1"][0] > 0.1
    # Sets of parts are added up from normals with the posterior's moments.
    stuff = material(fit)
    line = np.array([1.0, 1.0, 0.0])[: len(parts)]
    mean = stuff.weight @ (stuff.mean @ line)
    second = stuff.weight @ (line @ stuff.covariance @ line + (stuff.mean @ line) ** 2)
    exact = fit.mean_at(line[None])[0].moments()
    np.testing.assert_allclose((mean, np.sqrt(second - mean**2)), exact, atol=1e-6)
