"""One printed result to the analysis scale: which numbers are used, and what is refused."""

import math

import pytest
from numpy.testing import assert_allclose

from bayesrtw.evidence.reported import REPORTED, analysis_scale

Z = 1.959963984540054


def convert(reported="", measure="", p_value="", reverse="", **number):
    text = {"reported": reported, "measure": measure, "p_value": p_value, "reversed": reverse}
    return analysis_scale(text, {name: float(value) for name, value in number.items()})


@pytest.mark.parametrize(
    ("printed", "effect", "se", "how"),
    [
        (
            {"reported": "hazard_ratio", "estimate": 2, "ci_low": 1, "ci_high": 4},
            math.log(2),
            math.log(2) / Z,
            "estimate and 95 % interval",
        ),
        (
            {
                "reported": "risk_ratio",
                "estimate": 2,
                "ci_low": 1,
                "ci_high": 4,
                "ci_level": 0.9,
            },
            math.log(2),
            math.log(2) / 1.6448536269514722,
            "estimate and 90 % interval",
        ),
        (
            {"reported": "log_odds_ratio", "estimate": 0.6098, "se": 0.441},
            0.6098,
            0.441,
            "estimate and standard error as printed",
        ),
        (
            {"reported": "mean_difference", "estimate": -3, "ci_low": -5, "ci_high": -1},
            -3.0,
            2 / Z,
            "estimate and 95 % interval",
        ),
        (
            {"reported": "odds_ratio", "estimate": 1.5, "p_value": ".05"},
            math.log(1.5),
            math.log(1.5) / Z,
            "estimate and p value .05 (two-sided, normal)",
        ),
        (
            {"reported": "counts", "events_t": 38, "n_t": 53, "events_c": 35, "n_c": 63},
            math.log(38 / 53) - math.log(35 / 63),
            math.sqrt(1 / 38 - 1 / 53 + 1 / 35 - 1 / 63),
            "log risk ratio from counts",
        ),
        (
            {
                "reported": "means",
                "mean_t": 10,
                "sd_t": 3,
                "n_t": 9,
                "mean_c": 14,
                "sd_c": 4,
                "n_c": 16,
            },
            -4.0,
            math.sqrt(2),
            "difference of means, SE = SD / sqrt(n)",
        ),
        (
            {"reported": "means", "mean_t": 10, "se_mean_t": 3, "mean_c": 14, "se_mean_c": 4},
            -4.0,
            5.0,
            "difference of means, standard errors as printed",
        ),
        ({"effect": 0.3, "se": 0.1}, 0.3, 0.1, "estimate and standard error as printed"),
    ],
    ids=lambda value: value.get("reported", "effect") if isinstance(value, dict) else None,
)
def test_printed_numbers_come_to_the_analysis_scale(printed, effect, se, how):
    found = convert(**printed)
    assert found.faults == ()
    assert_allclose([found.effect, found.se], [effect, se], rtol=1e-13)
    assert found.conversion == how


def test_means_with_intervals_of_their_own_give_standard_errors():
    arms = {"mean_t": 10, "ci_low_mean_t": 7, "ci_high_mean_t": 13}
    arms |= {"mean_c": 14, "ci_low_mean_c": 10, "ci_high_mean_c": 18}
    found = convert("means", **arms)
    assert_allclose(found.se, 5 / Z, rtol=1e-13)
    assert found.conversion == "difference of means, standard errors from the interval of each mean"


def test_an_empty_cell_of_counts_is_said_to_be_corrected():
    found = convert("counts", events_t=22, n_t=24, events_c=10, n_c=10)
    assert found.conversion == "log risk ratio from counts, 0.5 added to each cell"


def test_a_reversed_result_changes_its_sign_and_says_so():
    found = convert("hazard_ratio", reverse="yes", estimate=2, ci_low=1, ci_high=4)
    assert_allclose(found.effect, -math.log(2), rtol=1e-14)
    assert found.conversion == "estimate and 95 % interval, turned round"


def test_a_multiplier_stretches_the_effect_and_its_standard_error():
    found = convert("mean_difference", estimate=3, ci_low=1, ci_high=5, multiplier=7)
    assert_allclose([found.effect, found.se], [21, 14 / Z], rtol=1e-14)
    assert found.conversion == "estimate and 95 % interval, times 7"


def test_a_row_measure_overrides_the_usual_one():
    cells = {"events_t": 4, "n_t": 123, "events_c": 11, "n_c": 139}
    assert convert("counts", **cells).measure == "log_risk_ratio"
    odds = convert("counts", "log_odds_ratio", **cells)
    assert odds.measure == "log_odds_ratio"
    assert_allclose(odds.effect, -0.938694140870392, rtol=1e-12)  # metafor, dat.bcg row 1


@pytest.mark.parametrize(
    ("printed", "how"),
    [
        (
            {"reported": "medians", "median_t": 88, "median_c": 208},
            "not converted: no standard error",
        ),
        (
            {"reported": "percentages", "pct_t": 61, "pct_c": 23},
            "not converted: no standard error",
        ),
        ({"reported": "risk_ratio", "estimate": 1.2}, "estimate only: no standard error follows"),
        (
            {"reported": "hazard_ratio", "estimate": 1.2, "p_value": "<.01"},
            "estimate only: no standard error follows",
        ),
        (
            {"reported": "hazard_ratio", "estimate": 1.0, "p_value": "0.5"},
            "estimate only: no standard error follows",
        ),
        ({"reported": "counts", "events_t": 3, "n_t": 10}, "counts incomplete"),
        ({"reported": "means", "mean_t": 3}, "means incomplete"),
        ({"reported": "means", "mean_t": 3, "mean_c": 2}, "difference of means only"),
        (
            {
                "reported": "means",
                "measure": "standardised_mean_difference",
                "mean_t": 3,
                "mean_c": 2,
            },
            "means without standard deviations",
        ),
    ],
)
def test_what_gives_no_standard_error_is_kept_without_one(printed, how):
    found = convert(**printed)
    assert found.faults == ()
    assert math.isnan(found.se)
    assert how in found.conversion


@pytest.mark.parametrize(
    ("printed", "fault"),
    [
        (
            {"reported": "hazard", "estimate": 1},
            "reported is 'hazard'; did you mean 'hazard_ratio'? Choices: counts, effect, haz",
        ),
        (
            {"reported": "effect", "measure": "log_hazard_rato", "effect": 1},
            "measure is 'log_hazard_rato'; did you mean 'log_hazard_ratio'? Choices: generic, log_",
        ),
        (
            {"reported": "hazard_ratio", "estimate": 1, "ci_low": 2, "ci_high": 0.5},
            "ci_low must be less than ci_high; found ci_low=2, ci_high=0.5; swap them or correct them",
        ),
        (
            {"reported": "hazard_ratio", "estimate": 1.5, "ci_low": 1.5, "ci_high": 1.5},
            "ci_low must be less than ci_high; found ci_low=1.5, ci_high=1.5; swap them or correct",
        ),
        (
            {"reported": "hazard_ratio", "estimate": 5, "ci_low": 0.5, "ci_high": 2},
            "estimate must lie in its interval; found estimate=5, ci_low=0.5, ci_high=2; correct",
        ),
        (
            {"reported": "hazard_ratio", "estimate": -0.2, "ci_low": -0.4, "ci_high": 0.1},
            "estimate of a ratio must be positive; found -0.2; correct it, or name the logarithm in "
            "reported (log_hazard_ratio)",
        ),
        (
            {"effect": 0.2, "se": 0},
            "se must be positive; found 0; leave the cell empty where the source gives none",
        ),
        ({"effect": 0.2, "se": -0.1}, "se must be positive; found -0.1;"),
        (
            {"reported": "means", "mean_t": 1, "mean_c": 2, "sd_t": 0, "sd_c": 1},
            "sd_t must be positive; found 0;",
        ),
        (
            {"reported": "counts", "events_t": 5, "n_t": 4, "events_c": 1, "n_c": 2},
            "events_t must lie between 0 and n_t; found events_t=5, n_t=4; correct them against",
        ),
        (
            {"reported": "counts", "events_t": 1, "n_t": 4, "events_c": -1, "n_c": 2},
            "events_c must lie between 0 and n_c; found events_c=-1, n_c=2;",
        ),
        (
            {"reported": "hazard_ratio", "estimate": 1, "ci_level": 95},
            "ci_level must lie between 0 and 1; found 95; write 0.95 for 95 %",
        ),
        (
            {"effect": 1.5, "ci_low": 0.1, "ci_high": 0.2},
            "effect must lie in its interval; found effect=1.5, ci_low=0.1, ci_high=0.2; correct it",
        ),
        (
            {"effect": 0.5, "se": 0.1, "multiplier": -1},
            "multiplier must be positive; found -1; leave the cell empty where the source gives none",
        ),
        (
            {"mean_t": 5, "ci_low_mean_t": 6, "ci_high_mean_t": 4, "mean_c": 5},
            "ci_low_mean_t must be less than ci_high_mean_t; found 6 and 4; correct them against",
        ),
        (
            {"estimate": 0.5, "p_value": "5"},
            "p_value must lie between 0 and 1; found '5'; correct it against the source",
        ),
        ({"estimate": 0.5, "p_value": "-.1"}, "p_value must lie between 0 and 1; found '-.1';"),
        (
            {"measure": "log_hazard_ratio", "estimate": 1.5, "ci_low": 1.1, "ci_high": 2},
            "reported is empty and measure is 'log_hazard_ratio': the estimate may be a ratio or its "
            "logarithm; write reported=hazard_ratio or reported=log_hazard_ratio",
        ),
        ({"reverse": "Yes", "effect": 0.1, "se": 0.2}, "reversed is 'Yes'; write yes, no or noth"),
        ({"reverse": "1", "effect": 0.1, "se": 0.2}, "reversed is '1'; write yes, no or nothing"),
        (
            {"reported": "odds_ratio", "measure": "log_risk_ratio", "estimate": 1.5},
            "measure is 'log_risk_ratio' and reported is 'odds_ratio'; did you mean 'log_odds_ratio'?",
        ),
        (
            {"reported": "hazard_ratio", "measure": "mean_difference", "estimate": 1.5},
            "measure is 'mean_difference' and reported is 'hazard_ratio'; Choices: log_hazard_ratio",
        ),
        (
            {"reported": "means", "measure": "log_ratio_of_means", "mean_t": 10, "mean_c": 12},
            "measure is 'log_ratio_of_means' and reported is 'means'; Choices: mean_difference, stan",
        ),
        (
            {"reported": "counts", "measure": "mean_difference", "events_t": 1, "n_t": 2},
            "measure is 'mean_difference' and reported is 'counts'; did you mean 'risk_difference'?",
        ),
    ],
)
def test_numbers_that_contradict_themselves_are_faults(printed, fault):
    found = convert(**printed)
    assert math.isnan(found.effect)
    assert fault in " | ".join(found.faults)


def test_every_fault_of_a_row_is_named_at_once():
    found = convert("hazard_ratio", estimate=-1, ci_low=-2, ci_high=0, ci_level=95, se=-1)
    assert len(found.faults) == 5


@pytest.mark.parametrize("reported", [name for name in REPORTED if name.endswith("_ratio")])
def test_ratios_and_their_logarithms_meet_on_the_analysis_scale(reported):
    if reported.startswith("log_"):
        found = convert(reported, estimate=math.log(2), ci_low=0, ci_high=math.log(4))
    else:
        found = convert(reported, estimate=2, ci_low=1, ci_high=4)
    assert_allclose([found.effect, found.se], [math.log(2), math.log(2) / Z], rtol=1e-13)
    assert found.measure.startswith("log_")
