"""What cannot be is doubted, and what can be is not."""

import pandas as pd
import pytest

from bayesrtw.analysis.catalog import open_dataset
from bayesrtw.doubt.inspect import inspect
from bayesrtw.doubt.possible import CHECKS
from bayesrtw.doubt.rows import Rows

EFFECTS = {"study": "A", "measure": "log_hazard_ratio", "effect": 0.2, "se": 0.1}
DAYS = {"study": "A", "outcome": "sick_leave_days", "measure": "mean_difference"}
MEANS = {**DAYS, "mean_t": 10.5, "sd_t": 8.1, "n_t": 20, "mean_c": 12.5, "sd_c": 9.2, "n_c": 20}


def rules_of(*rows):
    """Name the doubts of this room about some rows, beside three that are in order."""
    frame = pd.DataFrame(list(rows))
    evidence = inspect(frame.assign(benefit="higher")).evidence
    assert evidence is not None
    return {each.rule: each.message for check in CHECKS for each in check(Rows(evidence))}


@pytest.mark.parametrize(
    "name",
    [
        "SMITH 2001",
        "Smith\xa02001",
        "Smi\u200bth 2001",
        "\uff33mith 2001",
        "Smith. 2001",
        "Smith-2001",
    ],
)
def test_one_study_under_two_spellings_is_doubted(name):
    found = rules_of({**EFFECTS, "study": "Smith 2001"}, {**EFFECTS, "study": name, "effect": 0.3})
    assert set(found) == {"study-respelled"}
    assert "counts twice" in found["study-respelled"]


def test_studies_of_one_author_are_two():
    names = ("Smith 2001", "Smith 2002", "Smith 2001a", "Smyth 2001")
    assert not rules_of(*({**EFFECTS, "study": name} for name in names))


@pytest.mark.parametrize(
    ("cells", "rule", "arithmetic"),
    [
        ({"se": 1e-6}, "se-implausible", "4 / SE^2 = 4.0e+12"),
        ({"effect": 50}, "effect-implausible", "exp(50), 1e22"),
        ({"follow_up_months": -12}, "follow-up-impossible", "-12 months, -1 years"),
        ({"follow_up_months": 0}, "follow-up-impossible", "0 months"),
        ({"follow_up_months": 9999}, "follow-up-impossible", "833 years"),
        ({"n_t": 1e16, "n_c": 1e16}, "people-implausible", "1e+16"),
        ({"n_t": 40, "n_c": 5e6}, "arms-unequal", "1.25e+05 to 1"),
        (
            {"recruitment_end": 2010, "year": 2010, "follow_up_months": 24},
            "recruitment-impossible",
            "end in 2012; the study is of 2010",
        ),
        ({"recruited_from": 2012, "recruited_to": 2010}, "recruitment-impossible", "2012 and ends"),
    ],
)
def test_what_cannot_be_is_doubted_with_the_arithmetic(cells, rule, arithmetic):
    found = rules_of({**EFFECTS, **cells})
    assert set(found) == {rule}
    assert arithmetic in found[rule]


@pytest.mark.parametrize(
    "cells",
    [
        {"se": 0.01},
        {"effect": 4},
        {"follow_up_months": 0, "measure": "log_odds_ratio"},
        {"n_t": 40, "n_c": 4000},
        {"recruitment_end": 2010, "year": 2012, "follow_up_months": 24},
    ],
)
def test_what_can_be_is_not(cells):
    assert not rules_of({**EFFECTS, **cells})


@pytest.mark.parametrize(
    ("cells", "rule", "arithmetic"),
    [
        # Brown & Heathers' example: no 28 whole numbers have a mean of 5.19.
        ({"mean_t": 5.19, "n_t": 28}, "mean-impossible", "145 / 28 = 5.179 or 146 / 28 = 5.214"),
        (
            {"mean_c": 99, "sd_c": 9, "follow_up_months": 1},
            "mean-impossible",
            "99 days of at most 31",
        ),
        (
            {"mean_t": 5, "sd_t": 14, "n_t": 26, "follow_up_months": 1},
            "sd-impossible",
            "sqrt(5 x 26 x 26 / 25) = 11.63",
        ),
        ({"sd_t": 9.27, "sd_c": 9.27}, "sd-repeated", "once in 100 times"),
    ],
)
def test_moments_that_no_numbers_have_are_doubted(cells, rule, arithmetic):
    found = rules_of({**MEANS, **cells})
    assert set(found) == {rule}
    assert arithmetic in found[rule]


def test_nobody_is_absent_for_less_than_no_days():
    assert (
        "-3 days; nobody has less than none"
        in rules_of({**MEANS, "mean_t": -3.0})["mean-impossible"]
    )
    assert not rules_of({**MEANS, "outcome": "change in sick leave days", "mean_t": -3.0})


def test_moments_that_whole_days_have_are_not():
    assert not rules_of({**MEANS, "follow_up_months": 12, "mean_t": 5.18, "n_t": 28})


def test_two_studies_with_the_same_standard_deviations_are_doubted():
    rows = ({**MEANS, "study": name, "sd_t": 8.13, "sd_c": 9.27} for name in ("A", "B"))
    assert "A, B have the same two SDs, in 3 digits" in rules_of(*rows)["sd-repeated"]


@pytest.mark.parametrize(
    "name", ["rtw-trials", "cancer-rtw", "rapid-rtw-cohort", "published-pools"]
)
def test_shipped_data_are_possible(name):
    rows = Rows(open_dataset(name))
    assert [str(each) for check in CHECKS for each in check(rows)] == []
