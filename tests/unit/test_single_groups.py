"""Rates, proportions and correlations are printed and drawn with the digits of their own intervals."""

import re

import pytest
from numpy.testing import assert_allclose

import bayesrtw as brw
from bayesrtw.analysis.default import default_analyses
from bayesrtw.evidence.measure import MEASURES
from bayesrtw.plot.scale import limits, ticks
from bayesrtw.printed import spell
from bayesrtw.report.numbers import Printer
from bayesrtw.report.record import record
from bayesrtw.report.render import render
from bayesrtw.report.text import headline

ROWS = "A,40,10000\nB,55,12000\nC,120,33000\nD,61,15000\nE,44,11000\nF,70,16500\n"
HEADS = {"log_rate": "events,person_time", "logit_proportion": "events,n"}


@pytest.fixture(scope="module", params=HEADS)
def synthesis(request, tmp_path_factory):
    path = tmp_path_factory.mktemp("one") / "rows.csv"
    path.write_text(f"study,{HEADS[request.param]}\n{ROWS}")
    evidence = brw.open_dataset(path)
    (analysis,) = default_analyses(evidence)
    return brw.run(analysis, evidence)


def test_a_small_rate_has_digits(synthesis):
    """390 events of 97,500: 0.0040."""
    assert re.search(r"0\.004\d \(0\.003\d to 0\.004\d\)", headline(synthesis))
    assert re.search(r"0\.004\d\d \(0\.003\d\d to 0\.004\d\d\)", synthesis.describe("forest"))
    assert "<0.01" not in synthesis.describe("forest")


def test_tau_has_the_digits_of_its_scale(synthesis):
    assert re.search(r"τ.*0\.\d\d\s\(0\.\d\d\sto\s0\.\d\d\)", synthesis.describe("forest"))
    measure = synthesis.evidence.measure
    assert Printer({}, measure, 5).spelt(0.0649, "spread") == "0.06"


def test_the_axis_shows_where_the_studies_are(synthesis):
    measure = synthesis.evidence.measure
    effect, se = (synthesis.evidence.data[name].to_numpy() for name in ("effect", "se"))
    none = effect[:0]
    ends = limits(
        effect - 2 * se, effect + 2 * se, pooled=none, levels=none, new=none, measure=measure
    )
    low, high = measure.back(ends)
    assert 0.002 < low < 0.003
    assert 0.006 < high < 0.008
    values, labels = ticks(*ends, measure=measure, length=200, label_width=lambda _: 24)
    assert len(values) >= 3
    assert all(low <= value <= high for value in values)
    assert [float(label) for label in labels] == values


def test_ticks_of_proportions_are_proportions():
    values, _ = ticks(
        -4.0, 2.0, measure=MEASURES["logit_proportion"], length=300, label_width=lambda _: 20
    )
    assert values
    assert all(0 < value < 1 for value in values)


def test_decimals_follow_the_reported_interval():
    logit = MEASURES["logit_proportion"]
    assert logit.places(logit.forward(0.0036), logit.forward(0.0047)) == 5
    assert MEASURES["log_rate"].places(*MEASURES["log_rate"].forward([0.0036, 0.0047])) == 5
    assert MEASURES["log_odds_ratio"].places(-0.2, 0.1) == 2
    assert MEASURES["mean_difference"].places(-30.0, 10.0) == 0
    assert spell(325098849.18913, log=False, places=5) == "325,098,849"
    assert spell(1234.5678, log=False, places=2) == "1,234.57"
    assert_allclose(float(spell(0.00407, log=False, places=5)), 0.00407)


def test_a_report_is_written(synthesis):
    """Without a probability of benefit in any specification, which no one group has."""
    page = render(synthesis, record(synthesis), "html").decode()
    assert "0.004" in page
    assert "&lt;0.01 (" not in page
