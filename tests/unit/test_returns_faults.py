"""Rows of return to work that cannot be heard, or only in part, and what is said of them."""

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
        ({"days_t": 90, "days_t_sd": 40, "horizon": 365}, "did you mean 'days_t_se'"),
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
