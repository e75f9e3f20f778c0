"""Rows of return to work that cannot be heard, or only in part, and what is said of them."""

import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import bayesrtw as brw
from bayesrtw.errors import EvidenceError
from bayesrtw.model.return_to_work import ReturnToWork


def test_an_adjusted_hazard_ratio_beside_crude_counts_is_said() -> None:
    rows = [
        {
            "study": "A",
            "hazard_ratio": 1.9,
            "ci_low": 1.2,
            "ci_high": 2.8,
            "events_t": 40,
            "n_t": 66,
            "events_c": 30,
            "n_c": 68,
            "at": 180,
        }
        | {"adjusted": "yes"}
    ]
    for adjusted in ("yes", "Yes", True):
        evidence = brw.Evidence.from_returns(pd.DataFrame([rows[0] | {"adjusted": adjusted}]))
        (said,) = ReturnToWork().findings(evidence)
        assert said.check == "adjusted-beside-crude"


def test_a_hazard_ratio_that_its_own_counts_contradict_is_named() -> None:
    row = {"study": "A", "hazard_ratio": 2.5, "ci_low": 2.0, "ci_high": 3.1, "at": 182}
    row |= {"n_t": 66, "n_c": 68, "events_c": 30}
    for events, checks in ((56, []), (10, ["currencies-contradict"])):
        evidence = brw.Evidence.from_returns(pd.DataFrame([row | {"events_t": events}]))
        assert [each.check for each in ReturnToWork().findings(evidence)] == checks


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ({"hazard_ratio": 1.2, "ci_low": 0.9, "ci_high": 1.6, "event_t": 4}, "did you mean 'events_t'"),
        ({"days_t": 90, "days_t_ser": 40, "horizon": 365}, "did you mean 'days_t_se'"),
        ({"events_t_4": 4, "at_4": 400}, "did you mean 'events_t"),
        ({"hazard_ratio": 1.3}, "has no interval"),
        ({"hazard_ratio": 1.3, "ci_low": 1.0, "n_t": 9}, "has no interval"),
        ({"effect": 0.3, "median_t": 60, "median_c": 90}, "effect has no positive se"),
        ({"effect": 0.3, "se": 0.0}, "effect has no positive se"),
        ({"median_t": "not reached", "median_c": 90}, "median_t must be a number"),
        ({"at": "12 months"}, "at must be a number"),
        ({"n_t": "66 people"}, "n_t must be a number"),
    ],
)  # fmt: skip
def test_cells_and_columns_that_nobody_would_hear_are_named(row, said) -> None:
    with pytest.raises(EvidenceError, match=said):
        brw.Evidence.from_returns(pd.DataFrame([{"study": "A", **row}]))


def test_moderators_and_numbers_as_text_are_no_misspelt_columns() -> None:
    row = {
        "study": "A",
        "year": 2004,
        "n_clusters": 9,
        "share_women": 0.4,
        "median_age": 45,
        "women": 3,
    }
    row |= {"days_t": "100", "days_t_se": "9", "days_c": "130", "days_c_se": "10", "horizon": "365"}
    evidence = brw.Evidence.from_returns(pd.DataFrame([row]))
    assert not ReturnToWork().faults(evidence)
    assert evidence.data["median_age"].to_numpy().tolist() == [45.0]


#: Shares back of both arms, in per cent.
SHARES = {"share_t": 50, "share_t_low": 40, "share_t_high": 60}
SHARES |= {name.replace("_t", "_c"): by for name, by in SHARES.items()}


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ({"events_t": 4, "n_t": 9, "events_c": 3, "n_c": 9}, "give at, the day"),
        ({"events_t": 4, "n_t": 9, "at": 90}, "events of one arm only"),
        ({"events_t": 4.5, "n_t": 9, "events_c": 3, "n_c": 9, "at": 90}, "whole numbers"),
        (
            {"events_t": 4, "n_t": 9, "events_c": 3, "n_c": 9, "at": 90}
            | {"events_t_2": 3, "events_c_2": 5, "at_2": 180},
            "not first returns",
        ),
        ({"risk_ratio": 1.2, "risk_ratio_se": 0.1}, "no date"),
        ({"risk_ratio": 1.01, "risk_ratio_se": 0.005, "at": 365}, "give share_c"),
        ({"share_t": 0.5, "share_c": 0.4, "n_t": 9, "n_c": 9, "at": 365}, "their intervals"),
        ({name: by / 100 for name, by in SHARES.items()}, "no date"),
        (SHARES | {"at": 9}, "not per cent"),
        ({"odds_ratio": 1.2, "odds_ratio_se": 0.1, "at": 365}, "give share_c"),
        ({"median_t": 400, "median_c": 80, "n_t": 9, "n_c": 9, "follow_up_days": 365}, "beyond a follow-up"),
        ({"median_t": 400, "median_c": 80, "n_t": 9, "n_c": 9, "follow_up_months": 12}, "beyond a follow-up"),
        ({"median_t": 40, "median_c": 80}, "needs n"),
        ({"days_t": 90, "days_t_se": 9, "days_c": 99, "days_c_se": 9}, "has no horizon"),
        ({"days_t": 900, "days_t_se": 9, "days_c": 99, "days_c_se": 9, "horizon": 365}, "cannot be over"),
        ({"days_difference": -9, "days_difference_se": 9, "horizon": 365}, "give days_c as well"),
        ({"note": "nothing"}, "reports nothing"),
    ],
)  # fmt: skip
def test_rows_that_cannot_be_translated_are_named(row, said) -> None:
    evidence = brw.Evidence.from_returns(pd.DataFrame([{"study": "A", **row}]))
    faults = ReturnToWork().faults(evidence)
    assert any(said in each and "'A'" in each for each in faults), faults


#: Studies that report no hazard ratio, each in its currency; a heading of a ratio is also one of an effect.
TOLD = {
    "counts at three dates": {
        "n_t": 66, "n_c": 68, "events_t": 20, "events_c": 12, "at": 91, "events_t_2": 40, "events_c_2": 30,
        "at_2": 182, "events_t_3": 55, "events_c_3": 50, "at_3": 365,
    },
    "one date": {"events_t": 40, "n_t": 66, "events_c": 30, "n_c": 68, "at": 182},
    "risk ratio": {"risk_ratio": 1.3, "risk_ratio_se": 0.15, "at": 182},
    "ratio and share": {"risk_ratio": 1.3, "risk_ratio_se": 0.15, "at": 182, "share_c": 0.45, "n_c": 68},
    "odds ratio": {"odds_ratio": 1.9, "odds_ratio_se": 0.35, "at": 182, "share_c": 0.45, "n_c": 68},
    "medians": {"median_t": 60, "median_t_low": 45, "median_t_high": 80, "median_c": 90, "n_c": 68},
    "ratio of medians": {"median_ratio": 0.67, "median_ratio_se": 0.2},
    "days": {"days_t": 120, "days_t_se": 12, "days_c": 150, "days_c_se": 13, "horizon": 365},
    "shares": {
        "share_t": 0.6, "share_t_low": 0.48, "share_t_high": 0.72,
        "share_c": 0.45, "share_c_low": 0.34, "share_c_high": 0.58, "at": 182,
    },
}  # fmt: skip


def log_at(evidence):
    """Log likelihoods of the rows, from their first effect on."""
    assert not ReturnToWork().faults(evidence)
    return np.diff(ReturnToWork().observe(evidence).log_at(np.linspace(-0.5, 1.0, 7)), axis=0)


@pytest.mark.parametrize("which", [*TOLD, "hazard ratio and all"])
def test_a_file_is_heard_as_the_same_data_frame(tmp_path: Path, which) -> None:
    """Reading makes a normal log hazard ratio of counts, and knows neither later dates nor days."""
    ratio = {"study": "0", "hazard_ratio": 1.25, "ci_low": 0.95, "ci_high": 1.66}
    rows = [TOLD[which] | {"study": "A"}] if which in TOLD else [ratio]
    if which not in TOLD:
        rows += [own | {"study": name} for name, own in TOLD.items()]
    frame = pd.DataFrame(rows)
    frame.assign(measure="log_hazard_ratio").to_csv(tmp_path / "mine.csv", index=False)
    expected = log_at(brw.Evidence.from_returns(frame))
    np.testing.assert_allclose(log_at(brw.open_dataset(tmp_path / "mine.csv")), expected, atol=1e-9)


def test_headings_of_a_file_are_stated_as_those_of_a_frame(tmp_path: Path) -> None:
    columns = {"back_programme": "events_t", "back_usual": "events_c", "day": "at"}
    names = {name: heading for heading, name in columns.items()}
    frame = pd.DataFrame([{"study": "A"} | TOLD["one date"]])
    frame.rename(columns=names).to_csv(tmp_path / "mine.csv", index=False)
    found = brw.open_dataset(tmp_path / "mine.csv", columns=columns, measure="log_hazard_ratio")
    np.testing.assert_allclose(log_at(found), log_at(brw.Evidence.from_returns(frame)), atol=1e-9)


@pytest.mark.parametrize(
    ("row", "said"),
    [
        (TOLD["days"] | {"days_t_ser": 12}, "did you mean 'days_t_se'"),
        (TOLD["one date"] | {"at": "12 months"}, "row 2.*at must be a number|at.*12 months"),
    ],
)
def test_a_file_names_cells_and_columns_that_nobody_would_hear(tmp_path: Path, row, said) -> None:
    frame = pd.DataFrame([{"study": "A", "measure": "log_hazard_ratio"} | row])
    frame.to_csv(tmp_path / "mine.csv", index=False)
    with pytest.raises(EvidenceError, match=said):
        brw.open_dataset(tmp_path / "mine.csv")


def test_a_proportion_of_a_file_needs_its_date(tmp_path: Path) -> None:
    """A normal log hazard ratio that reading makes of it would need none."""
    row = {name: value for name, value in TOLD["one date"].items() if name != "at"}
    frame = pd.DataFrame([{"study": "A", "measure": "log_hazard_ratio"} | row])
    frame.to_csv(tmp_path / "mine.csv", index=False)
    (said,) = ReturnToWork().faults(brw.open_dataset(tmp_path / "mine.csv"))
    assert "give at, the day" in said


@pytest.mark.parametrize(
    ("row", "same"),
    [
        ({"risk_ratio": 1.3, "risk_ratio_low": 1.0, "risk_ratio_high": 1.69, "at": 182}, "risk_ratio_se"),
        ({"median_ratio": 0.7, "median_ratio_low": 0.5, "median_ratio_high": 0.98}, "median_ratio_se"),
    ],
)  # fmt: skip
def test_intervals_of_ratios_are_their_errors(row, same) -> None:
    """A 95 % interval is 2 x 1.959964 standard errors of the logarithm long."""
    name = same.removesuffix("_se")
    error = math.log(row[f"{name}_high"] / row[f"{name}_low"]) / 3.919928
    plain = {key: value for key, value in row.items() if not key.endswith(("_low", "_high"))}
    told = [pd.DataFrame([{"study": "A"} | own]) for own in (row, plain | {same: error})]
    found, expected = (log_at(brw.Evidence.from_returns(each)) for each in told)
    np.testing.assert_allclose(found, expected, atol=1e-6)
    beside = pd.DataFrame([{"study": "A"} | row | {name: 3.0}])
    (said,) = ReturnToWork().faults(brw.Evidence.from_returns(beside))
    assert f"{name}_low and {name}_high" in said


def test_sds_of_days_and_people_are_their_errors() -> None:
    row = {"study": "A", "days_t": 120, "days_c": 150, "horizon": 365, "n_t": 64, "n_c": 81}
    sds = brw.Evidence.from_returns(pd.DataFrame([row | {"days_t_sd": 96, "days_c_sd": 108}]))
    errors = brw.Evidence.from_returns(pd.DataFrame([row | {"days_t_se": 12, "days_c_se": 12}]))
    np.testing.assert_allclose(log_at(sds), log_at(errors), atol=1e-9)


@pytest.mark.parametrize(
    ("row", "doubt"),
    [
        (TOLD["days"] | {"horizon": 366}, ""),
        ({"days_t": 3.9, "days_t_se": 0.4, "days_c": 4.9, "days_c_se": 0.4, "horizon": 12}, "12 days"),
        ({"days_t": 17, "days_t_se": 2, "days_c": 21, "days_c_se": 2, "horizon": 52}, "52 days"),
        (TOLD["one date"] | {"at": 6, "at_2": 12, "events_t_2": 55, "events_c_2": 50}, "12 days"),
        (TOLD["one date"] | {"at": 14, "at_2": 180, "events_t_2": 55, "events_c_2": 50}, ""),
        ({"median_t": 2, "median_c": 3, "n_t": 66, "n_c": 68}, "3 and 2 days"),
    ],
)  # fmt: skip
def test_days_that_look_like_months_or_weeks_are_doubted(row, doubt) -> None:
    evidence = brw.Evidence.from_returns(pd.DataFrame([{"study": "A"} | row]))
    assert not ReturnToWork().faults(evidence)
    found = {each.check: each.message for each in ReturnToWork().findings(evidence)}
    assert ("unit-of-days" in found) == bool(doubt)
    assert doubt in found.get("unit-of-days", "")


def test_dates_that_go_down_from_column_to_column_are_asked_about() -> None:
    row = {"study": "A", "n_t": 50, "n_c": 50, "at": 365, "events_t": 30, "events_c": 20}
    row |= {"at_2": 90, "events_t_2": 20, "events_c_2": 10}
    turned = row | {"at": 90, "at_2": 365, "events_t": 20, "events_c": 10}
    turned |= {"events_t_2": 30, "events_c_2": 20}
    for each, doubted in ((row, True), (turned, False)):
        found = ReturnToWork().findings(brw.Evidence.from_returns(pd.DataFrame([each])))
        said = {one.check: one.message for one in found}
        assert ("dates-out-of-order" in said) == doubted
        assert not doubted or "at_2 of 90 days comes before at of 365" in said["dates-out-of-order"]


def test_a_ratio_of_medians_beside_that_of_one_arm_is_heard() -> None:
    # With a known shape k the log hazard ratio is -k log(ratio), whatever one arm's median is.
    likelihood = ReturnToWork(median=brw.prior.Normal(5.0, 3.0), between=0.0, known=np.log(0.8))
    row = {"study": "A", "median_ratio": 0.8, "median_ratio_se": 0.2, "median_c": 100, "n_c": 50}
    evidence = brw.Evidence.from_returns(pd.DataFrame([row]))
    assert not likelihood.faults(evidence)
    theta = np.linspace(-2.0, 2.5, 2001)
    log = likelihood.observe(evidence).units[0].log(theta)
    share = np.exp(log - log.max()) / np.sum(np.exp(log - log.max()))
    mean = float(share @ theta)
    assert mean == pytest.approx(-0.8 * np.log(0.8), abs=2e-3)
    assert np.sqrt(share @ (theta - mean) ** 2) == pytest.approx(0.8 * 0.2, abs=2e-3)


def test_rows_of_one_study_in_other_currencies_are_named() -> None:
    """Counts in a row of their own beside the hazard ratio of the same people would count them twice."""
    ratio = {"study": "A", "hazard_ratio": 1.25, "ci_low": 0.95, "ci_high": 1.66}
    counts = {"study": "A"} | TOLD["one date"]
    for rows, said in (
        ([ratio, counts], True),
        ([ratio | {"contrast": "women"}, counts | {"contrast": "men"}], False),
        ([ratio, counts | {"study": "B"}], False),
        ([ratio, ratio | {"hazard_ratio": 1.3}], False),
    ):
        found = ReturnToWork().findings(brw.Evidence.from_returns(pd.DataFrame(rows)))
        assert ("same-people" in {each.check for each in found}) == said


def test_files_of_days_without_an_analysis_of_their_own_say_which_one(tmp_path: Path) -> None:
    frame = pd.DataFrame([{"study": "A"} | TOLD["days"]])
    frame.to_csv(tmp_path / "mine.csv", index=False)
    with pytest.raises(EvidenceError, match=r"a column measure.*'return_to_work'"):
        brw.open_dataset(tmp_path / "mine.csv")
    found = brw.open_dataset(tmp_path / "mine.csv", measure="log_hazard_ratio")
    with pytest.raises(EvidenceError, match="likelihood is 'return_to_work'"):
        brw.run(found)
