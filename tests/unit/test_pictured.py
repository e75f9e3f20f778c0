"""Results draw their own pictures and say their own words; what they have not, they name."""

import copy
import pickle

import numpy as np
import pandas as pd
import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from pandas.testing import assert_frame_equal

import bayesrtw as brw
from bayesrtw.errors import SpecError
from bayesrtw.evidence.quality import Judgement, Judgements
from bayesrtw.model import prior
from bayesrtw.plot.cumulative import describe_cumulative
from bayesrtw.plot.leave_one_out import describe_leave_one_out
from bayesrtw.plot.prior_panel import describe_prior_panel
from bayesrtw.question.answer import Answer
from bayesrtw.question.asked import asked
from bayesrtw.question.calibrate import Calibration
from bayesrtw.question.scaling import learned
from bayesrtw.question.sensitivity import leave_out

MODEL = brw.Model(
    terms=(brw.Intercept(prior.Normal(0, 0.5)), brw.Exchangeable(prior.HalfNormal(0.25)))
)
SLOPE = brw.Model(terms=(*MODEL.terms, brw.Linear("year", prior.Normal(0, 0.1))))
PRIORS = {"narrow": prior.HalfNormal(0.1), "wide": prior.HalfNormal(1.0)}


def evidence():
    frame = pd.DataFrame(
        {
            "study": list("ABCDEF"),
            "effect": [0.30, 0.05, 0.42, 0.18, 0.25, 0.10],
            "se": [0.15, 0.12, 0.25, 0.20, 0.10, 0.14],
            "year": [2001.0, 2004.0, 2006.0, 2010.0, 2013.0, 2016.0],
            "design": ["rct"] * 4 + ["cohort"] * 2,
        }
    )
    return brw.Evidence.from_frame(frame, measure="log_hazard_ratio", benefit="higher")


VERBS = {
    "leave_one_out": lambda: brw.leave_one_out(MODEL, evidence(), ci_prob=0.9),
    "cumulative": lambda: brw.cumulative(MODEL, evidence()),
    "prior_sensitivity": lambda: brw.prior_sensitivity(MODEL, evidence(), PRIORS),
    "influence": lambda: brw.influence(MODEL, evidence()),
    "power_scaling": lambda: brw.power_scaling(MODEL, evidence()),
    "learned": lambda: learned(MODEL, evidence()),
    "predictive_check": lambda: brw.predictive_check(MODEL, evidence()),
    "outlook": lambda: brw.outlook(MODEL, evidence()),
}
DRAWN = ("leave_one_out", "cumulative", "prior_sensitivity", "influence")


@pytest.fixture(scope="module")
def answers():
    return {name: verb() for name, verb in VERBS.items()}


@pytest.mark.parametrize("name", VERBS)
def test_a_verb_answers_with_a_table_that_knows_its_words(answers, name):
    found = answers[name]
    assert isinstance(found, Answer)
    assert found.describe().endswith(".")
    assert "<table" in found._repr_html_()
    assert str(found.index[0]) in found._repr_html_()
    if name in DRAWN:
        assert isinstance(found.plot(width_mm=170.0), Axes)
    else:
        with pytest.raises(SpecError, match=r"Answer\.plot: there is no picture of it"):
            found.plot()


def test_the_picture_is_that_of_the_verb_with_its_interval(answers):
    rows = evidence()
    for name, describe in (
        ("leave_one_out", describe_leave_one_out),
        ("cumulative", describe_cumulative),
        ("prior_sensitivity", describe_prior_panel),
    ):
        share = 0.9 if name == "leave_one_out" else 0.95
        assert answers[name].describe() == describe(answers[name], rows, ci_prob=share)
    assert "90% interval" in answers["leave_one_out"].describe()


def test_an_answer_is_used_as_a_data_frame_and_what_is_made_of_it_is_one(answers):
    found = answers["leave_one_out"]
    plain = leave_out(asked(MODEL, evidence()), ci_prob=0.9).table
    assert_frame_equal(pd.DataFrame(found), plain)
    for made in (found.copy(), found.iloc[:2], found[["median"]], found.T, pd.concat([found])):
        assert type(made) is pd.DataFrame
    for again in (pickle.loads(pickle.dumps(found)), copy.copy(answers)["leave_one_out"]):
        assert again.describe() == found.describe()


def test_priors_of_the_mean_are_not_called_priors_of_heterogeneity():
    means = {"narrow": prior.Normal(0, 0.1), "wide": prior.Normal(0, 1.0)}
    for name, priors, heading in (
        ("mu", means, "Prior of the mean"),
        ("tau", PRIORS, "Prior of heterogeneity"),
    ):
        axes = brw.prior_sensitivity(MODEL, evidence(), priors, name=name).plot()
        texts = [text.get_text() for text in axes.figure.findobj() if hasattr(text, "get_text")]
        assert heading in texts
    with pytest.raises(SpecError, match="no priors are given"):
        brw.prior_sensitivity(MODEL, evidence())


@pytest.fixture(scope="module")
def synthesis():
    return brw.run(brw.open_analysis("time-to-rtw-moderators"))


KINDS = {
    "forest": {},
    "funnel": {},
    "new_setting": {},
    "prior_posterior": {"quantity": "tau"},
    "tau": {},
    "traffic_light": {"instrument": "PEDro scale"},
    "bias_summary": {"instrument": "PEDro scale"},
    "categories": {"moderator": "programme_type"},
}


@pytest.mark.parametrize("kind", KINDS)
def test_a_synthesis_draws_and_says_every_picture_that_it_has(synthesis, kind):
    assert isinstance(synthesis.plot(kind, **KINDS[kind]), Axes)
    assert synthesis.describe(kind, **KINDS[kind]).endswith(".")


def test_a_synthesis_draws_its_forest_unless_told_otherwise(synthesis):
    assert synthesis.describe() == synthesis.describe("forest")


@pytest.mark.parametrize(
    ("ask", "message"),
    [
        (lambda it: it.plot("forrest"), "kind is 'forrest'; did you mean 'forest'.*traffic_light"),
        (
            lambda it: it.plot("bubble"),
            "'bubble'.: the model has no numeric moderator; .* 'forest'",
        ),
        (
            lambda it: it.describe("bubble"),
            "describe.'bubble'.: the model has no numeric moderator",
        ),
        (lambda it: it.plot(grop_by="design"), "no option 'grop_by'; did you mean 'group_by'"),
        (lambda it: it.plot("categories"), "moderator is not given; name one of 'programme_type'"),
    ],
)
def test_a_picture_or_option_that_does_not_exist_is_named_with_the_choices(synthesis, ask, message):
    with pytest.raises(SpecError, match=message):
        ask(synthesis)


def test_a_synthesis_shows_its_answers_in_a_notebook(synthesis):
    shown = synthesis._repr_html_()
    assert "<table" in shown
    assert f"{synthesis.estimates['median_back'].iloc[0]:.2f} (" in shown
    assert synthesis.evidence.provenance.caveat[:40] in shown
    assert "<script" not in shown


def test_evidence_and_models_show_themselves_and_escape_what_they_quote():
    frame = pd.DataFrame({"study": ["<b>A</b>", "B"], "effect": [0.3, 0.1], "se": [0.1, 0.2]})
    shown = brw.Evidence.from_frame(frame)._repr_html_()
    assert "<b>A" not in shown
    assert "&lt;b&gt;A" in shown
    assert "HalfNormal(scale=0.25)" in MODEL._repr_html_()


def test_evidence_draws_its_judgements():
    rows = evidence()
    with pytest.raises(SpecError, match="no judgements of risk of bias"):
        rows.plot()
    judged = tuple(Judgement(study, "RoB 2", "2019", "overall", "low") for study in "ABC")
    rows = brw.Evidence(rows.data, rows.provenance, rows.outcomes, judgements=Judgements(judged))
    assert isinstance(rows.plot(), Axes)
    assert "RoB 2" in rows.describe("bias_summary")


def test_a_comparison_takes_one_model_for_its_submodels_and_says_which_is_most_probable():
    found = brw.compare(SLOPE, evidence())
    named = brw.compare({"no moderator": MODEL, "year": SLOPE}, evidence())
    assert_frame_equal(found.models, named.models)
    assert f"({found.models['posterior'].max():.2f})" in found.describe()
    assert "year is included with probability" in found.describe()
    assert isinstance(found.plot(), Axes)
    assert "<table" in found._repr_html_()
    with pytest.raises(SpecError, match="the model has no moderator to leave out"):
        brw.compare(MODEL, evidence())
    with pytest.raises(SpecError, match="models are given without rows"):
        brw.compare({"a": MODEL, "b": SLOPE})


def test_tipping_points_are_where_the_curves_cross():
    found = brw.tipping(MODEL, evidence(), levels=(0.9, 0.5))
    assert list(found.groups) == ["all", "design rct", "design cohort"]
    for (group, level), row in found.shifts.iterrows():
        curve = found.curves[found.curves["design"] == group]
        # What lies within the curve's range is one of its points.
        if abs(row["shift"]) <= curve["x"].max():
            there = curve["probability"][curve["x"] == row["shift"]]
            assert there.item() == pytest.approx(level, abs=1e-6)
    assert isinstance(found.plot(), Axes)
    assert "it crosses" in found.describe()
    assert "crossing 0.5" in found.describe("tipping")
    assert "<table" in found._repr_html_()
    with pytest.raises(SpecError, match=r"levels are probabilities in \(0, 1\); found"):
        brw.tipping(MODEL, evidence(), levels=(90,))


def test_where_no_direction_is_stated_no_words_are_of_benefit():
    frame = evidence().data.to_dataframe()[["study", "effect", "se", "year", "design"]]
    rows = brw.Evidence.from_frame(frame, measure="log_hazard_ratio")
    found = brw.tipping(MODEL, rows)
    assert found.prior is None
    assert "no direction of benefit is stated" in found.notes[0]
    for words in (
        found.describe("tipping"),
        brw.influence(MODEL, rows).describe(),
        found.describe().split(" Priors of")[0],
    ):
        assert "benefit" not in words
        assert "harm" not in words


def test_a_flat_prior_of_the_mean_is_noted_and_its_shifts_are_found():
    flat = brw.Model(terms=(brw.Intercept(prior.Flat()), MODEL.terms[1]))
    found = brw.tipping(flat, evidence())
    assert found.prior is None
    assert (
        "Priors of the mean are not asked: the prior of the pooled mean has no SD" in found.notes[0]
    )
    assert np.isfinite(found.shifts.loc[("all", 0.5), "shift"])


def test_a_synthesis_is_asked_by_the_rules_of_its_own_analysis(synthesis):
    rules = synthesis.analysis.conclusion
    own, given = (
        brw.outlook(synthesis),
        brw.outlook(synthesis.analysis.model, synthesis.evidence, rules),
    )
    assert_frame_equal(own, given)


def test_a_panel_and_a_ladder_take_a_synthesis_and_know_their_pictures():
    analysis = brw.open_analysis("time-to-rtw-all-designs")
    made = brw.run(analysis)
    climbed = brw.ladder(made, sampled=False)
    assert_frame_equal(climbed.rungs, brw.ladder(analysis, sampled=False).rungs)
    for kind in ("ladder", "bias", "share"):
        assert isinstance(climbed.plot(kind), Axes)
        assert climbed.describe(kind)
    assert "<table" in climbed._repr_html_()
    panel = brw.sensitivity(made)
    assert panel.robustness == brw.sensitivity(analysis).robustness
    for kind in ("specification_curve", "leave_one_out", "prior_panel"):
        assert isinstance(panel.plot(kind), Axes)
        assert panel.describe(kind)
    assert panel.robustness[:30] in panel._repr_html_()


def test_a_calibration_draws_its_panels_and_says_what_they_say():
    pit = {"mu": (np.arange(400) + 0.5) / 400, "tau": np.full(400, 0.3)}
    found = Calibration(name="made-up", engine=brw.Exact(), seed=1, pit=pit, cells=0)
    figure = found.plot()
    assert isinstance(figure, Figure)
    assert found.describe().endswith(" ".join(str(each.get_label()) for each in figure.axes))
    assert "tau: 1 outside the band." in found.describe()
    assert "<table" in found._repr_html_()


def test_claims_are_drawn_whole():
    synthesis = brw.run(brw.open_analysis("time-to-rtw"))
    brief = brw.open_brief("evidence-brief")
    found = brw.hold_against(brief, synthesis)
    assert_frame_equal(found, brw.hold_against(brief, synthesis.analysis))
    assert isinstance(found.plot(), Axes)
    assert found.describe()
