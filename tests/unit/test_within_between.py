"""A moderator within designs and between them: known truths, plain least squares, and what cannot be told.

With no heterogeneity (`Common`) a contrast alone on one side is least squares with the prior
sd^2 (I - 11'/K), written out here; agreement to 1e-10.
"""

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose

import bayesrtw as brw
from bayesrtw.analysis.query import select
from bayesrtw.errors import EngineRefusal, SpecError
from bayesrtw.model.heterogeneity import ByGroup

NORMAL = brw.prior.Normal
SPLIT = brw.Interaction(
    "workplace",
    "design",
    NORMAL(0, 0.5),
    ("cohort",),
    "cohorts",
    rest="trials",
    main=NORMAL(0, 0.5),
)


def rows(trial_gap, cohort_gap, each=10, se=0.05, benefit="higher", cohorts=("active", "none")):
    """Evidence without noise whose active level is better by a given gap on each side."""
    frame = pd.DataFrame(
        [
            {"design": design, "workplace": level, "effect": 0.1 + gap * (level == "active")}
            for design, gap, levels in (
                ("rct", trial_gap, ("active", "none")),
                ("cohort", cohort_gap, cohorts),
            )
            for level in levels
            for _ in range(each)
        ]
    )
    frame["study"] = [f"s{place:02d}" for place in range(len(frame))]
    frame["se"] = se
    frame["effect"] += 0.02 * np.cos(np.arange(len(frame)))
    if benefit == "lower":
        frame["effect"] *= -1
    return brw.Evidence.from_frame(frame, measure="log_hazard_ratio", benefit=benefit)


def model(spread=None):
    design = brw.Indicator("cohort", "design", ("cohort",), NORMAL(0, 0.2))
    return brw.Model(terms=(brw.Intercept(NORMAL(0, 0.5)), design, spread or brw.Common()))


def table(evidence, **settings):
    return brw.within_between(model(**settings), evidence, SPLIT).loc["active - none"]


def test_both_sides_find_their_own_gap_and_their_difference():
    found = table(rows(0.4, -0.2))
    assert list(found.index) == ["trials", "cohorts", "difference"]
    assert_allclose(found["mean"], [0.4, -0.2, -0.6], atol=0.03)
    gap = found.loc["cohorts", "mean"] - found.loc["trials", "mean"]
    assert_allclose(found.loc["difference", "mean"], gap, atol=1e-12)
    assert found.loc["difference", "verdict"] == "they disagree"
    assert found.loc["trials", "probability"] > 0.999
    assert found.loc["difference", "probability"] < 0.001


def test_where_lower_is_better_the_probability_is_still_that_of_benefit():
    found = table(rows(0.4, 0.4, benefit="lower"))
    assert_allclose(found["mean"], [-0.4, -0.4, 0.0], atol=0.03)
    assert found.loc["trials", "probability"] > 0.999
    assert found.loc["difference", "verdict"] == "no sign that they disagree"
    assert found.loc["difference", "learned"] > 0.9


def test_imprecise_rows_cannot_tell_and_the_table_says_so():
    found = table(rows(0.4, -0.2, each=2, se=1.0))
    assert found.loc["difference", "learned"] < 0.5
    assert found.loc["difference", "verdict"].startswith("cannot be told: the rows removed")


def test_a_side_without_a_level_cannot_tell():
    found = table(rows(0.4, 0.0, cohorts=("none",)))
    assert found.loc["difference", "verdict"] == "cannot be told: one side lacks a level"
    assert np.isnan(found.loc["cohorts", "alone_mean"])
    assert (found.loc["cohorts", "rows_first"], found.loc["cohorts", "rows_second"]) == (0, 10)


@pytest.mark.parametrize(("side", "design"), [("trials", "rct"), ("cohorts", "cohort")])
def test_what_a_side_says_alone_is_least_squares_of_its_rows(side, design):
    evidence = rows(0.4, -0.2, each=4, se=0.2)
    keep = evidence.data["design"].to_numpy() == design
    y = evidence.data["effect"].to_numpy()[keep]
    levels = evidence.data["workplace"].to_numpy()[keep]
    columns = np.column_stack([np.ones(len(y)), levels == "active", levels == "none"]).astype(float)
    covariance = np.zeros((3, 3))
    covariance[0, 0] = 0.25
    covariance[1:, 1:] = 0.25 * (np.eye(2) - 0.5)
    gain = covariance @ columns.T
    inner = np.linalg.inv(columns @ covariance @ columns.T + 0.04 * np.eye(len(y)))
    mean = gain @ inner @ y
    found = table(evidence)
    assert_allclose(found.loc[side, "alone_mean"], mean[1] - mean[2], atol=1e-10)


def test_each_side_may_have_heterogeneity_of_its_own():
    groups = (brw.Group("rct", ("rct",), ""), brw.Group("cohort", ("cohort",), ""))
    spread = ByGroup("design", groups, brw.prior.HalfNormal(0.25))
    found = table(rows(0.4, -0.2, each=3), spread=spread)
    assert found.loc["difference", "mean"] < -0.3


def test_a_split_without_the_main_effect_is_refused():
    bare = brw.Interaction("workplace", "design", values=("cohort",), name="cohorts")
    with pytest.raises(SpecError, match="has no main; give the prior of the level effects"):
        brw.within_between(model(), rows(0.1, 0.1), bare)


def test_a_model_that_is_not_integrated_is_refused():
    groups = tuple(brw.Group(f"g{n}", (name,), "") for n, name in enumerate(("rct", "cohort")))
    taus = (
        ByGroup("design", groups, brw.prior.HalfNormal(0.25)),
        brw.Exchangeable(brw.prior.HalfNormal(0.2), by="study", name="tau_study"),
        brw.Exchangeable(brw.prior.HalfNormal(0.2), by="workplace", name="tau_place"),
    )
    made = brw.Model(terms=(brw.Intercept(NORMAL(0, 0.5)), *taus))
    with pytest.raises(EngineRefusal, match="at most 3 hyperparameters"):
        brw.within_between(made, rows(0.1, 0.1), SPLIT)


def test_the_shipped_evidence_cannot_tell_and_the_analysis_says_the_same_figures():
    analysis = brw.open_analysis("time-to-rtw-all-designs-moderators")
    chosen = select(analysis.evidence, brw.open_dataset(analysis.evidence.dataset)).evidence
    split = next(term for term in analysis.term if isinstance(term, brw.Interaction))
    found = brw.within_between(analysis.model, chosen, split).loc["active - not active"]
    assert found["rows_first"].tolist() == [7, 1, 1]
    assert found.loc["difference", "verdict"].startswith("cannot be told: the rows removed 6%")
    tree = brw.fit(analysis.model, chosen, engine=brw.Exact(draws=0, study_effects=False))
    own = brw.summarise(tree)
    for question, side in (
        ("among trials", "trials"),
        ("among non-randomised studies", "non-randomised studies"),
        ("the second divided by the first", "difference"),
    ):
        of = next(each.of for each in analysis.estimand if each.name.endswith(question))
        assert_allclose(own.loc[of, "mean"], found.loc[side, "mean"], rtol=1e-12)
