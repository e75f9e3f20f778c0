"""Rows that report no hazard ratio in pictures and reports: each number alone, and all of them together."""

import math
from dataclasses import replace
from itertools import islice

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from scipy.optimize import brentq, minimize_scalar

import bayesrtw as brw
from bayesrtw.analysis.run import Synthesis, run
from bayesrtw.analysis.spec import Estimand, Query
from bayesrtw.errors import SpecError
from bayesrtw.model.currency import Back
from bayesrtw.model.return_to_work import ReturnToWork
from bayesrtw.model.translated import OneSaid, apart, own_values
from bayesrtw.plot.currencies import describe_currencies, plot_currencies
from bayesrtw.plot.marks import OWN_SQUARES, PARTS
from bayesrtw.report.figures import _fitted
from bayesrtw.report.rows import rows

PEOPLE = {"n_t": 66, "n_c": 68}
ROWS = [
    {"study": "A", "hazard_ratio": 1.9, "ci_low": 1.2, "ci_high": 3.0},
    {"study": "B", "events_t": 40, "events_c": 30, "at": 182, **PEOPLE},
    {"study": "C", "events_t": 35, "events_c": 28, "at": 120, "median_t": 88, "median_c": 131, **PEOPLE},
    {"study": "D", "hazard_ratio": 1.0, "ci_low": 0.7, "ci_high": 1.43, "adjusted": "yes", **PEOPLE}
    | {"median_t": 100, "median_c": 70},
]  # fmt: skip
TERMS = (brw.Intercept(brw.prior.Normal(0, 0.5)), brw.terms.Common())


@pytest.fixture(scope="module")
def evidence() -> brw.Evidence:
    return brw.Evidence.from_returns(pd.DataFrame(ROWS))


@pytest.fixture(scope="module")
def synthesis(evidence) -> Synthesis:
    own = {"terms": TERMS, "likelihood": ReturnToWork()}
    base = brw.open_analysis("time-to-rtw")
    asked = replace(
        base, id="mixed", registered=None, variant=(), evidence=Query("", "log_hazard_ratio"),
        term=own["terms"], likelihood=own["likelihood"], estimand=(Estimand("pooled", "mu"),),
    )  # fmt: skip
    return run(asked, evidence)


def test_support_of_a_normal_is_its_interval() -> None:
    part = OneSaid("", lambda theta: stats.norm.logpdf(theta, 0.3, 0.2), (0.1, 0.3))
    middle, low, high = part.supported(0.95)
    assert [middle, low, high] == pytest.approx(
        [0.3, 0.3 - 0.2 * 1.959963985, 0.3 + 0.2 * 1.959963985], abs=1e-6
    )


def test_support_of_counts_is_that_of_two_binomials(evidence) -> None:
    """The level of the comparison at the date is integrated over the priors of median and shape."""
    (value,) = own_values(ReturnToWork(), evidence.select(study="B"), 0.95).values()

    median, shape = np.linspace(2, 8, 601)[:, None], np.linspace(-1.2, 0.8, 201)
    prior = stats.norm.logpdf(median, math.log(120), 1) + stats.norm.logpdf(
        shape, math.log(0.8), 0.25
    )
    hazard = math.log(2) * (182 / np.exp(median)) ** np.exp(shape)

    def log(theta: float) -> float:
        first, second = -np.expm1(-hazard * math.exp(theta)), -np.expm1(-hazard)
        with np.errstate(divide="ignore"):
            both = stats.binom.logpmf(40, 66, first) + stats.binom.logpmf(30, 68, second)
        return math.log(np.exp(both + prior).sum())

    best = minimize_scalar(lambda theta: -log(theta), bounds=(0, 1), method="bounded").x
    least = log(best) - 0.5 * 1.959963985**2
    ends = [brentq(lambda theta: log(theta) - least, *pair) for pair in ((-0.5, best), (best, 1.5))]
    assert value == pytest.approx((best, *ends), abs=1e-4)


def test_support_without_a_maximum_is_none() -> None:
    assert OneSaid("", lambda theta: -np.exp(-theta), (0.0, 1.0)).supported(0.95) is None
    # One that stays near its maximum on one side ends where nobody asks any more.
    flat = OneSaid("", lambda theta: -(theta**2) / (1 + theta**2 * (theta > 0)), (0.0, 1.0))
    middle, low, high = flat.supported(0.95)
    assert (middle, high) == (pytest.approx(0.0, abs=1e-6), 30.0)
    assert low == pytest.approx(-1.959963985 / math.sqrt(2), abs=1e-6)


def test_numbers_are_taken_apart_by_currency() -> None:
    events = np.array([[10.0, 20.0], [15.0, 30.0]])
    back = Back(np.array([91.0, 182.0]), events, np.array([40.0, 50.0]))
    assert [each.said for each in apart(back, ())] == [
        "15/50 against 10/40 back by day 91",
        "30/50 against 20/40 back by day 182",
    ]


def test_a_forest_shows_what_rows_without_a_hazard_ratio_say(synthesis) -> None:
    axes = brw.plot_forest(synthesis)
    texts = [text.get_text() for text in axes.texts]
    assert not [text for text in texts if "–" in text]
    (squares,) = (each for each in axes.collections if each.get_gid() == OWN_SQUARES)
    assert len(squares.get_offsets()) == 4
    values = own_values(ReturnToWork(), synthesis.evidence, 0.95)
    assert sorted(values) == [1, 2]
    told = " ".join(f"{math.exp(each):.2f}" for each in values[1])
    assert told.replace(" ", " (", 1).replace(" ", " to ").replace(" to (", " (") + ")" in texts
    # A tree holds no evidence: nothing is printed, and what to give is said.
    bare = brw.plot_forest(synthesis.posterior)
    assert not [text for text in bare.texts if "–" in text.get_text()]
    assert "2 rows report no hazard ratio; evidence= shows" in bare.get_label()


def test_currencies_stand_side_by_side_and_what_is_not_heard_is_open(synthesis) -> None:
    axes = synthesis.plot("currencies")
    (parts,) = (each for each in axes.collections if each.get_gid() == PARTS)
    assert len(parts.get_offsets()) == 3
    assert [each.tolist() for each in parts.get_facecolors()].count([1.0, 1.0, 1.0, 1.0]) == 1
    said = describe_currencies(synthesis)
    assert "A: hazard ratio: 1.90 (1.20 to 3.00)." in said
    assert "C: together" in said
    assert "35/66 against 28/68 back by day 120: " in said
    assert "medians 88 against 131 days: " in said
    normal = brw.Model(terms=TERMS)
    frame = pd.DataFrame({"study": ["A", "B"], "effect": [0.1, 0.2], "se": [0.1, 0.2]})
    own = brw.Evidence.from_frame(frame)
    with pytest.raises(SpecError, match="hears one currency alone"):
        plot_currencies(brw.fit(normal, own), evidence=own)


def test_rows_of_a_report_say_what_their_own_value_was_made_of(synthesis) -> None:
    told = {row["estimate"]: row for row in rows(synthesis, 10)}
    assert told["B"]["own"]["median"] == pytest.approx(1.56, abs=0.02)
    assert told["B"]["conversion"] == "by its likelihood, of 40/66 against 30/68 back by day 182"
    assert told["A"]["printed"] == "hazard ratio 1.9 (1.2 to 3)"
    assert told["A"]["conversion"] == ""


def test_a_report_holds_the_pictures_of_currencies_and_curves(synthesis) -> None:
    content = {"pooled": True, "rows": rows(synthesis, 10)}
    drawn = dict(islice(_fitted(synthesis, content), 3))
    assert list(drawn) == ["forest", "currencies", "returns"]
    assert [each.file for each in drawn.values()] == list(drawn)


def test_a_funnel_leaves_out_rows_without_a_standard_error(synthesis) -> None:
    assert "2 rows without a standard error on this scale" in synthesis.describe("funnel")


def test_an_interval_as_printed_is_no_doubt(synthesis) -> None:
    assert not [each for each in synthesis.findings if "not centred" in each.message]
