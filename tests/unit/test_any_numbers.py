"""Tables as reviewers have them: what is pooled, what is asked, and what is said beside the result.

Right values were computed by hand or by independent code (REML, Peto, quadrature), to the digits given.
"""

import io

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner
from numpy.testing import assert_allclose

import bayesrtw as brw
from bayesrtw.analysis.default import default_analyses
from bayesrtw.analysis.query import select
from bayesrtw.analysis.run import run
from bayesrtw.cli import main
from bayesrtw.doubt.inspect import beside, doubts
from bayesrtw.doubt.shape import question
from bayesrtw.engine.exact import Exact
from bayesrtw.errors import EvidenceError
from bayesrtw.evidence.measure import MEASURES
from bayesrtw.model.defaults import TABLE, default_priors, described
from bayesrtw.model.prior import InverseGamma
from bayesrtw.report.text import headline

PAIN = """study,measure,mean_t,sd_t,n_t,mean_c,sd_c,n_c,benefit
Ames 2009,standardised_mean_difference,21.4,8.1,44,24.9,8.4,46,lower
Boyd 2012,standardised_mean_difference,19.8,7.5,61,22.0,7.9,58,lower
Cole 2015,standardised_mean_difference,22.7,1.15,50,25.8,1.21,49,lower
Dunn 2018,standardised_mean_difference,20.3,8.8,38,23.9,8.0,40,lower
Earl 2020,standardised_mean_difference,18.9,7.7,72,21.1,8.3,70,lower
"""
RATIOS = """study,estimate,ci_low,ci_high
A,2.20,1.15,4.20
B,1.55,0.85,2.83
C,1.48,1.10,1.99
D,1.80,1.08,3.00
E,0.92,0.60,1.41
"""
RARE = """study,events_t,n_t,events_c,n_c,measure
S1,0,108,0,54,{0}
S2,0,316,2,158,{0}
S4,2,412,2,412,{0}
S7,2,398,5,398,{0}
S9,3,414,0,207,{0}
S14,0,418,0,209,{0}
S17,5,170,0,85,{0}
"""
SHARED = """study,comparison,events_t,n_t,events_c,n_c,outcome
Trial A,drug low vs placebo,20,100,30,100,relapse
Trial A,drug high vs placebo,15,100,30,100,relapse
Trial B,drug low vs placebo,18,90,25,92,relapse
Trial C,drug high vs placebo,12,80,22,81,relapse
"""
MANY = "study,effect,se\n" + "\n".join(
    f"P{study},{0.1 * study + 0.05 * place},{0.2 + 0.01 * place}"
    for study in range(6)
    for place in range(3)
)


@pytest.fixture
def opened(tmp_path):
    """Read a table from text, as `run` does."""

    def read(text, name="table.csv"):
        path = tmp_path / name
        path.write_text(text, encoding="utf-8")
        return brw.open_dataset(path, strict=False)

    return read


def pooled(evidence, levels=3):
    """Row selection and quick posterior of the one default analysis."""
    (analysis,) = default_analyses(evidence, levels=levels)
    rows = select(analysis.evidence, evidence)
    engine = Exact(draws=0, study_effects=False)
    return rows, brw.summarise(brw.fit(analysis.model, rows.evidence, engine=engine))


@pytest.mark.parametrize("measure", ["log_odds_ratio", "log_risk_ratio", "log_peto_odds_ratio"])
def test_trials_without_any_event_change_no_ratio(opened, measure):
    every = RARE.format(measure)
    some = "\n".join(line for line in every.splitlines() if not line.startswith(("S1,", "S14")))
    with_, one = pooled(opened(every))
    _, other = pooled(opened(some, "some.csv"))
    assert_allclose(one.loc["mu", "mean"], other.loc["mu", "mean"], rtol=1e-12)
    (left,) = (f for f in with_.findings if f.check == "no-events")
    assert left.message.startswith("Left out (2): S1, S14. Reason: nobody, or everybody, has the")


def test_peto_of_rare_events_is_that_of_the_sums(opened):
    evidence = opened(RARE.format("log_peto_odds_ratio"))
    rows = select(default_analyses(evidence)[0].evidence, evidence).evidence.data
    weight = rows["se"].to_numpy() ** -2
    table = pd.read_csv(io.StringIO(RARE.format("x")))
    a, n1, c, n0 = (table[name] for name in ("events_t", "n_t", "events_c", "n_c"))
    m, n = a + c, n1 + n0
    excess, v = a - n1 * m / n, n1 * n0 * m * (n - m) / (n**2 * (n - 1))
    assert_allclose(np.average(rows["effect"], weights=weight), excess.sum() / v.sum(), rtol=1e-12)


def test_observed_minus_expected_needs_no_estimate(opened):
    text = "study,estimate,o_minus_e,variance,measure\n"
    text += "T1,,-6.2,14.8,log_hazard_ratio\nT2,,1.9,8.1,log_hazard_ratio\n"
    text += "T3,,-10.4,40.2,log_hazard_ratio\nT4,,-2.2,21.7,log_hazard_ratio\n"
    data = opened(text).data
    weight = data["se"].to_numpy() ** -2
    assert_allclose(np.average(data["effect"], weights=weight), -16.9 / 84.8, rtol=1e-12)
    assert_allclose(weight.sum() ** -0.5, 84.8**-0.5, rtol=1e-12)


def test_ratios_that_nobody_names_are_asked_about(opened):
    evidence = opened(RATIOS)
    with pytest.raises(
        EvidenceError, match=r"symmetric on the log scale .* --measure \(HR, OR, RR"
    ):
        default_analyses(evidence)
    assert [d.rule for d in doubts(evidence) if d.severity == "fault"] == ["ratios-unnamed"]
    named = opened(RATIOS.replace("study,", "reported,study,").replace("\n", "\nHR,").rstrip("HR,"))
    assert question(named) == ""
    assert_allclose(named.data["effect"].to_numpy()[0], np.log(2.2), rtol=1e-12)


@pytest.mark.parametrize(
    "text",
    [
        # differences, all positive, symmetric as they are
        "study,estimate,ci_low,ci_high\nA,2.2,1.2,3.2\nB,1.5,0.9,2.1\n",
        # one interval that reaches below zero is no ratio's
        RATIOS + "F,0.2,-0.4,0.8\n",
    ],
)
def test_differences_are_not_taken_for_ratios(opened, text):
    evidence = opened(text)
    assert question(evidence) == ""
    assert "scale-not-stated" in {d.rule for d in doubts(evidence)}


def test_check_finds_no_table_in_order_that_run_cannot_pool(opened, tmp_path):
    text = "study,reported,estimate\nA,odds_ratio,1.2\nB,odds_ratio,1.5\n"
    opened(text)
    found = CliRunner().invoke(main, ["check", str(tmp_path / "table.csv")])
    assert found.exit_code == 1
    assert "ok:" not in found.output
    assert "no row has an effect and a standard error" in found.output


def test_a_standard_error_typed_as_sd_is_said_beside_the_result(opened):
    evidence = opened(PAIN)
    (found,) = beside(evidence)
    assert (found.check, found.severity) == ("sd-or-se", "warning")
    assert "row 4 (study='Cole 2015')" in found.message
    mended = opened(PAIN.replace("22.7,1.15,50,25.8,1.21", "22.7,8.13,50,25.8,8.47"), "mended.csv")
    assert beside(mended) == []
    assert_allclose(mended.data["effect"].to_numpy()[2], -0.371, atol=5e-4)


@pytest.mark.parametrize(
    ("line", "rule"),
    [
        ("All of them,12,300,16,302", "total-row"),
        ("S5,2.5,219,3,219", "fractional-counts"),
        ("S6,0,100,2,100", "zero-cells"),
    ],
)
def test_doubtful_rows_are_named_beside_the_result(opened, line, rule):
    text = "study,events_t,n_t,events_c,n_c\nS1,5,100,7,102\nS2,7,200,9,200\n"
    evidence = opened(text + line + "\n")
    found = {each.check: each for each in beside(evidence)}
    assert rule in found
    assert found[rule].severity == "warning"
    assert "4" in found[rule].message
    assert rule not in {each.check for each in beside(opened(text, "clean.csv"))}


def test_several_estimates_of_a_study_get_a_level_of_their_own(opened):
    evidence = opened(MANY)
    (analysis,) = default_analyses(evidence)
    assert [term.name for term in analysis.term[1:]] == ["tau_study", "tau"]
    assert analysis.rationale[1].startswith("Three levels: 6 studies have several estimates")
    (flat,) = default_analyses(evidence, levels=2)
    assert [term.name for term in flat.term[1:]] == ["tau"]
    assert len(flat.rationale) == 1


def test_equal_lines_stay_where_labels_do_not_tell_rows_apart(opened):
    many = opened(MANY + "\nP0,0.05,0.21\n")
    assert many.size == 19
    assert many.quarantined == ()
    assert [d.value for d in doubts(many) if d.rule == "repeated-line"] == ["P0"]
    assert "rows 3, 20 are alike" in next(f.message for f in beside(many))
    once = opened("study,effect,se\nA,0.1,0.2\nB,0.3,0.2\nA,0.1,0.2\n", "once.csv")
    assert once.size == 2
    assert "repeats row 2" in once.quarantined[0]


def test_rows_that_share_a_control_group_are_pooled_with_its_covariance(opened):
    evidence = opened(SHARED)
    (analysis,) = default_analyses(evidence)
    assert analysis.evidence.shared_groups
    rows, _ = pooled(evidence, levels=2)
    (block,) = rows.evidence.dependence
    assert block.rows.tolist() == [0, 1]
    assert_allclose(block.covariance[0, 1], 1 / 30 - 1 / 100, rtol=1e-12)


def test_impossible_and_missing_rows_are_named_and_left_out(opened):
    zeros = "study,effect,se\nA,0,0\nB,0,0\nC,-0.52,0.74\nD,0.75,0.35\nE,0.33,0.47\nF,-1.24,1.32\nG,0,0\n"
    evidence = opened(zeros)
    assert evidence.data["study"].to_numpy().tolist() == ["C", "D", "E", "F"]
    assert len(evidence.quarantined) == 3
    outside = "study,reported,estimate,ci_low,ci_high\nA,mean_difference,0.10,0.20,0.70\n"
    outside += "C,mean_difference,0.25,0.05,0.45\n"
    kept = opened(outside, "outside.csv")
    assert kept.data["study"].to_numpy().tolist() == ["C"]
    assert "must lie in its interval" in kept.quarantined[0]


@pytest.mark.parametrize("measure", [name for name in MEASURES if name != "generic"])
def test_every_measure_has_default_priors_with_their_source(measure):
    frame = pd.DataFrame({"study": list("ABC"), "effect": [0.1, 0.2, 0.4], "se": 0.1})
    few = default_priors(brw.Evidence.from_frame(frame, measure=measure))
    assert "our judgement" in few.why
    many = pd.concat([frame.assign(study=frame["study"] + str(i)) for i in range(5)])
    assert default_priors(brw.Evidence.from_frame(many, measure=measure)) == few
    unused = frame.assign(sd_t=[3.0, 40.0, 900.0])
    assert default_priors(brw.Evidence.from_frame(unused, measure=measure)) == few
    if isinstance(few.tau, InverseGamma):
        assert "doi:10." in few.why
        assert "all but excludes that effects are alike (2.5 % point" in described(few.tau)


def test_priors_of_the_work_group_are_for_its_reviews():
    assert "all Cochrane reviews" in TABLE["log_odds_ratio"].why
    rows = brw.open_dataset("rtw-trials").select(measure="log_odds_ratio")
    assert default_priors(rows).why.startswith(
        "mean: our judgement; tau: heterogeneity in reviews of the Cochrane Work group"
    )
    assert_allclose(default_priors(rows).tau.scale, 0.73)


def test_a_published_prior_that_shuns_zero_is_said_to(opened):
    evidence = opened(SHARED)
    analysis = default_analyses(evidence)[0]
    assert "all but excludes that effects are alike (2.5 % point 0.049)" in analysis.rationale[0]


def test_inspection_of_a_large_table_does_not_compare_all_pairs(opened):
    count = 4000
    table = pd.DataFrame({"study": [f"s{i}" for i in range(count)], "effect": 0.1, "se": 0.2})
    table["year"], table["n"] = 2000 + np.arange(count) % 20, 50 + np.arange(count)
    evidence = brw.Evidence.from_frame(table, benefit="higher")
    assert {d.severity for d in doubts(evidence)} == {"note"}


def test_a_proportion_of_one_group_is_better_than_nothing(opened):
    frame = pd.DataFrame({"study": list("ABC"), "effect": [-2.2, -2.0, -1.8], "se": 0.3})
    evidence = brw.Evidence.from_frame(frame, measure="logit_proportion")
    synthesis = run(default_analyses(evidence)[0], evidence)
    assert np.isnan(synthesis.estimates.loc["pooled", "probability"])
    assert "probability" not in headline(synthesis)
