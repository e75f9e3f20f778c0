"""Thresholds that a person states as ratios."""

import math

import numpy as np
import pandas as pd
import pytest
from scipy import stats

import bayesrtw as brw
from bayesrtw.analysis.conclusion import Rules
from bayesrtw.analysis.spec import Estimand, parse
from bayesrtw.errors import SpecError
from bayesrtw.question.tipping import shift_curve, tipping_shift

FRAME = pd.DataFrame({"study": ["A", "B"], "effect": [-0.3, -0.5], "se": [0.2, 0.2]})
MODEL = brw.Model(terms=(brw.Intercept(brw.prior.Flat()), brw.Common()))
#: Two estimates of one precision under a flat prior: their mean, with this error.
MEAN, SE = -0.4, 0.2 / math.sqrt(2)


def rows(measure: str = "log_hazard_ratio") -> brw.Evidence:
    return brw.Evidence.from_frame(FRAME, measure=measure, benefit="lower")


@pytest.mark.parametrize("ratio", [0.8, 1.25])
def test_a_size_is_one_ratio_of_either_side(ratio: float) -> None:
    want = float(stats.norm.cdf((math.log(0.8) - MEAN) / SE))
    evidence, both = rows(), np.array([True, True])
    for found in (
        brw.predict(MODEL, evidence, threshold_ratio=ratio)["probability"].iloc[0],
        brw.leave_one_out(MODEL, evidence, threshold_ratio=ratio)["probability"].iloc[0],
        brw.influence(MODEL, evidence, threshold_ratio=ratio)["probability"].iloc[0],
        shift_curve(MODEL, evidence, both, [0.0], threshold_ratio=ratio)[0],
        tipping_shift(MODEL, evidence, {"all": both}, threshold_ratio=ratio)["now"].iloc[0],
    ):
        assert found == pytest.approx(want, abs=1e-9)
    assert Rules(threshold_ratio=ratio).threshold == pytest.approx(math.log(1.25))


def analysis(**asked: float) -> str:
    settings = "".join(f"{name} = {value}\n" for name, value in asked.items())
    return (
        'schema = 1\nid = "m"\ntitle = "M"\nquestion = "Q?"\nseed = 1\n[evidence]\ndataset = "d"\n'
        'measure = "log_hazard_ratio"\n[[term]]\nkind = "intercept"\nprior = { kind = "flat" }\n'
        '[[term]]\nkind = "common"\n[[estimand]]\nname = "asked"\nof = "mu"\n' + settings
    )


def test_a_file_asks_below_a_ratio() -> None:
    by_ratio = brw.run(parse(analysis(below_ratio=0.8), "m"), rows()).estimates
    by_effect = brw.run(parse(analysis(below=math.log(0.8)), "m"), rows()).estimates
    want = float(stats.norm.cdf((math.log(0.8) - MEAN) / SE))
    assert by_ratio.loc["asked", "probability"] == pytest.approx(want, abs=1e-9)
    assert by_ratio.loc["asked", "probability"] == by_effect.loc["asked", "probability"]
    with pytest.raises(SpecError, match="no logarithm of one; state above or below"):
        parse(analysis(below_ratio=0.8).replace("log_hazard_ratio", "mean_difference"), "m")


def test_what_does_not_fit_is_named() -> None:
    with pytest.raises(SpecError, match="a question has one threshold"):
        Estimand("x", "mu", below=-0.1, below_ratio=0.8)
    with pytest.raises(SpecError, match=r"below_ratio is a ratio, above 0; found -0\.8"):
        Estimand("x", "mu", below_ratio=-0.8)
    with pytest.raises(SpecError, match=r"threshold_ratio is 0\.8, and mean_difference is no log"):
        brw.predict(MODEL, rows("mean_difference"), threshold_ratio=0.8)
    with pytest.raises(SpecError, match="state one"):
        brw.predict(MODEL, rows(), threshold=0.2, threshold_ratio=0.8)
    with pytest.raises(SpecError, match="state one"):
        Rules(threshold=0.1, threshold_ratio=0.8)
