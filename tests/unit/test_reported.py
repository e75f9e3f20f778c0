"""One printed result to the analysis scale: which numbers are used, and what is refused."""

import math

import pytest
from numpy.testing import assert_allclose

from bayesrtw.evidence.reported import REPORTED, analysis_scale

Z = 1.959963984540054

CELLS = {"events_t": 12, "n_t": 40, "events_c": 7, "n_c": 38}
RATES = {"events_t": 9, "person_time_t": 413, "events_c": 19, "person_time_c": 398}
MEANS = {"mean_t": 10, "sd_t": 3, "n_t": 9, "mean_c": 14, "sd_c": 4, "n_c": 16}
QUARTILES = {"median_t": 85, "q1_t": 33, "q3_t": 149, "n_t": 86}
QUARTILES |= {"median_c": 117, "q1_c": 59, "q3_c": 189, "n_c": 80}
CHANGES = {"reported": "mean_changes", "mean_change_t": -3, "mean_change_c": 1}
TIMES = {"reported": "medians", "measure": "log_hazard_ratio", "median_t": 90, "median_c": 120}
PETO = {"reported": "counts", "measure": "log_peto_odds_ratio"} | CELLS
LOG_LOG = {"reported": "counts", "measure": "log_hazard_ratio"} | CELLS
LOG_RANK = {"reported": "o_minus_e", "measure": "log_hazard_ratio", "o_minus_e": -6, "variance": 9}


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
        ({"reported": "percentages", "pct_t": 61, "pct_c": 23}, "not converted: no standard error"),
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
            "reported is 'hazard'; did you mean 'hazard_ratio'? Choices: ",
        ),
        (
            {"reported": "effect", "measure": "log_hazard_rato", "effect": 1},
            "measure is 'log_hazard_rato'; did you mean 'log_hazard_ratio'? Choices: ",
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
        (
            {"reverse": "Yes", "effect": 0.1, "se": 0.2},
            "reversed is 'Yes'; write yes, no or nothing",
        ),
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
            {"reported": "means", "measure": "log_rate_ratio", "mean_t": 10, "mean_c": 12},
            "measure is 'log_rate_ratio' and reported is 'means'; did you mean",
        ),
        (
            {"reported": "counts", "measure": "mean_difference", "events_t": 1, "n_t": 2},
            "measure is 'mean_difference' and reported is 'counts'; did you mean 'risk_difference'?",
        ),
        (
            {"reported": "o_minus_e", "o_minus_e": -6, "variance": 9},
            "measure is empty and reported is 'o_minus_e'; write log_hazard_ratio for a log-rank test, "
            "log_peto_odds_ratio for counts",
        ),
        (LOG_RANK | {"variance": 0}, "variance must be positive; found 0;"),
        (
            {"reported": "rates", "events_t": -1, "person_time_t": 2},
            "events_t must not be negative; found -1; correct it",
        ),
        ({"reported": "rates", "person_time_t": 0}, "person_time_t must be positive; found 0;"),
        (
            CHANGES | {"correlation": 1.2},
            "correlation must lie between -1 and 1; found 1.2; correct",
        ),
        (
            {"reported": "mean_changes", "measure": "log_ratio_of_means"},
            "measure is 'log_ratio_of_means' and reported is 'mean_changes'; ",
        ),
        (
            {"reported": "means", "measure": "log_ratio_of_means", "mean_t": -1, "mean_c": 2},
            "mean_t must be positive for a ratio; found -1; correct it, or analyse the difference "
            "(measure=mean_difference)",
        ),
        (TIMES | {"median_c": 0}, "median_c must be positive for a ratio; found 0;"),
        (
            {"reported": "medians", "median_t": 3, "q1_t": 4, "q3_t": 9},
            "q1_t, median_t, q3_t must be in rising order; found q1_t=4, median_t=3, q3_t=9; correct",
        ),
        (
            {"reported": "medians", "median_c": 3, "min_c": 3, "max_c": 3},
            "min_c, median_c, max_c must be in rising order; found min_c=3, median_c=3, max_c=3;",
        ),
        (
            {"estimate": 0.5, "p_value": "0,03"},
            "p_value is '0,03'; write a number (.03), a bound (<.01), n.s., or leave the cell empty",
        ),
        ({"estimate": 0.5, "p_value": "<5"}, "p_value must lie between 0 and 1; found '<5';"),
    ],
)
def test_numbers_that_contradict_themselves_are_faults(printed, fault):
    found = convert(**printed)
    assert math.isnan(found.effect)
    assert fault in " | ".join(map(str, found.faults))


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


@pytest.mark.parametrize(
    ("printed", "effect", "se", "how"),
    [
        (
            PETO,
            (12 - 40 * 19 / 78) / (40 * 38 * 19 * 59 / (78**2 * 77)),
            (40 * 38 * 19 * 59 / (78**2 * 77)) ** -0.5,
            "log Peto odds ratio from counts",
        ),
        (
            LOG_LOG,
            math.log(math.log(28 / 40) / math.log(31 / 38)),
            math.sqrt(
                12 / (28 * 40 * math.log(28 / 40) ** 2) + 7 / (31 * 38 * math.log(31 / 38) ** 2)
            ),
            "log hazard ratio from counts by complementary log-log, assumes proportional hazards and "
            "equal follow-up",
        ),
        (
            {"reported": "rates"} | RATES,
            -0.784209989506816,  # metafor 5.0-1, dat.hart1999, row 1
            math.sqrt(0.16374269005848),
            "log rate ratio from rates",
        ),
        (
            {"reported": "rates", "measure": "rate_difference"} | RATES,
            -0.0259469259128573,
            math.sqrt(0.000172711036348162),
            "rate difference from rates",
        ),
        (LOG_RANK, -2 / 3, 1 / 3, "log hazard ratio from O - E and V"),
        (
            {"reported": "means", "measure": "log_ratio_of_means"} | MEANS,
            math.log(10 / 14),
            math.hypot(1 / 10, 1 / 14),
            "log ratio of means, SE = SD / sqrt(n)",
        ),
        (
            CHANGES | {"sd_change_t": 3, "n_t": 9, "sd_change_c": 4, "n_c": 16},
            -4,
            math.sqrt(2),
            "difference of mean changes, SE = SD / sqrt(n)",
        ),
        (
            CHANGES
            | {"sd_baseline_t": 10, "sd_final_t": 12, "n_t": 124, "correlation": 0.5}
            | {"sd_baseline_c": 12, "sd_final_c": 10, "n_c": 124},
            -4,
            math.sqrt(2),
            "difference of mean changes, their SDs from those before and after, correlation 0.5",
        ),
        (
            TIMES | {"events_t": 40, "events_c": 50},
            math.log(120 / 90),
            math.sqrt(1 / 40 + 1 / 50) / math.log(2),
            "log hazard ratio from medians, assumes exponential survival",
        ),
        (
            {"reported": "hazard_ratio", "estimate": 1.5, "z": 2.5},
            math.log(1.5),
            math.log(1.5) / 2.5,
            "estimate and z = 2.5",
        ),
    ],
    ids=lambda value: value["reported"] if isinstance(value, dict) else None,
)
def test_other_kinds_of_numbers_come_to_the_analysis_scale(printed, effect, se, how):
    found = convert(**printed)
    assert found.faults == ()
    assert found.notes == ()
    assert found.bound == ""
    assert_allclose([found.effect, found.se], [effect, se], rtol=1e-12)
    assert found.conversion == how


def test_medians_with_quartiles_become_means():
    # e005 of the trials; Luo 11 and Wan 16 by hand, six digits: means 89.2272 and 121.934, divisors
    # 1.32626 and 1.32457 by the normal quantile of Python's statistics, SDs 87.4638 and 98.1450
    found = convert("medians", **QUARTILES)
    assert_allclose(found.effect, 89.2272 - 121.934, atol=1e-3)
    assert_allclose(found.se, math.hypot(87.4638 / 86**0.5, 98.1450 / 80**0.5), rtol=1e-5)
    assert found.conversion == (
        "difference of means, SE = SD / sqrt(n); means and SDs from medians (Luo, Wan), assumes normal "
        "values"
    )
    assert found.notes == ()
    ratio = convert("medians", "log_ratio_of_means", **QUARTILES)
    assert_allclose(ratio.effect, math.log(89.2272 / 121.934), atol=1e-5)


def test_medians_of_skewed_values_are_converted_and_doubted():
    found = convert("medians", **QUARTILES | {"q1_t": 80})
    assert math.isfinite(found.se)
    (note,) = found.notes
    assert note.startswith("median_t lies too far from the middle of its quartiles or range for no")
    assert note.endswith("normal values: skewness 3 times the critical value")


@pytest.mark.parametrize("gap", [{"n_t": 4}, {"q3_c": math.nan}, {"median_c": math.nan}])
def test_medians_that_say_too_little_are_not_converted(gap):
    found = convert("medians", **QUARTILES | gap)
    assert found.faults == ()
    assert math.isnan(found.effect)
    assert found.conversion.startswith("not converted")


def test_a_ratio_of_estimated_means_needs_them_positive():
    found = convert("medians", "log_ratio_of_means", **QUARTILES | {"q1_t": -900})
    assert found.conversion == "not converted: an estimated mean is not positive"


@pytest.mark.parametrize(
    ("printed", "how"),
    [
        (
            PETO | {"events_t": 0, "events_c": 0},
            "log Peto odds ratio from counts: nobody or everybody has the event, which says nothing",
        ),
        ({"reported": "rates", "events_t": 3}, "rates incomplete"),
        (LOG_RANK | {"variance": math.nan}, "O - E or V missing"),
        ({"reported": "mean_changes", "mean_change_t": 3}, "mean changes incomplete"),
        (
            CHANGES,
            "difference of mean changes only: no standard error follows from the printed numbers",
        ),
        ({"reported": "medians", "measure": "log_hazard_ratio"}, "medians incomplete"),
        (
            TIMES | {"events_t": 0, "events_c": 9},
            "log hazard ratio from medians, assumes exponential survival; no standard error without "
            "the events of both groups",
        ),
        (
            {"reported": "means", "measure": "log_ratio_of_means", "mean_t": 3, "mean_c": 4},
            "log ratio of means only: no standard error follows from the printed numbers",
        ),
        (
            {"reported": "hazard_ratio", "estimate": 1.2, "z": 0},
            "estimate only: no standard error follows from the printed numbers",
        ),
    ],
)
def test_other_kinds_without_a_standard_error_say_why(printed, how):
    found = convert(**printed)
    assert found.faults == ()
    assert math.isnan(found.se)
    assert found.conversion == how


@pytest.mark.parametrize(
    ("printed", "how"),
    [
        (
            {"reported": "rates"} | RATES | {"events_t": 0},
            "log rate ratio from rates, 0.5 added to the events of both groups",
        ),
        (
            LOG_LOG | {"events_t": 0},
            "log hazard ratio from counts by complementary log-log, assumes proportional hazards and "
            "equal follow-up, 0.5 added to each cell",
        ),
        (PETO | {"events_t": 0}, "log Peto odds ratio from counts"),
    ],
)
def test_groups_without_events_are_said_to_be_corrected(printed, how):
    found = convert(**printed)
    assert math.isfinite(found.se)
    assert found.conversion == how


def test_events_may_outnumber_people_in_rates():
    assert convert("rates", **RATES | {"n_t": 5, "n_c": 5}).faults == ()


@pytest.mark.parametrize(
    ("number", "measure"),
    [
        (RATES, "log_rate_ratio"),
        (CELLS, "log_risk_ratio"),
        (CELLS | RATES, "log_risk_ratio"),
        (MEANS, "mean_difference"),
        ({"mean_change_t": 1, "mean_change_c": 2}, "mean_difference"),
        ({"estimate": 1, "events_t": 3}, "generic"),
        ({"o_minus_e": -6, "variance": 9, "measure": "log_hazard_ratio"}, "log_hazard_ratio"),
    ],
)
def test_what_is_reported_is_seen_from_the_columns(number, measure):
    found = convert(**number)
    assert found.faults == ()
    assert found.measure == measure


def test_standard_errors_of_means_give_the_sds_of_a_standardised_difference():
    with_sd = convert("means", "standardised_mean_difference", **MEANS)
    printed = {name: value for name, value in MEANS.items() if "sd" not in name}
    with_se = convert("means", "standardised_mean_difference", **printed, se_mean_t=1, se_mean_c=1)
    assert_allclose([with_se.effect, with_se.se], [with_sd.effect, with_sd.se], rtol=1e-14)


@pytest.mark.parametrize(
    ("number", "note"),
    [
        (
            # e074 of the trials
            {"reported": "odds_ratio", "estimate": 1.12, "ci_low": 0.8, "ci_high": 1.87},
            "interval is not symmetric on the log scale: centre 1.22, printed 1.12, asymmetry 0.21 of "
            "its half-width",
        ),
        (
            # p25 of the published pools
            {"reported": "mean_difference", "estimate": 1.5, "ci_low": 1.019, "ci_high": 1.722},
            "interval is not symmetric: centre 1.37, printed 1.5, asymmetry 0.37 of its half-width",
        ),
        (
            {"reported": "log_odds_ratio", "estimate": 0.5, "ci_low": 0.1, "ci_high": 1.8},
            "interval is not symmetric: centre 0.95, printed 0.5, asymmetry 0.53 of its half-width",
        ),
        (
            {"reported": "hazard_ratio", "estimate": 1.5, "z": -2.5},
            "z = -2.5 and the estimate 1.5 point in opposite directions",
        ),
    ],
)
def test_numbers_that_do_not_fit_are_doubted_and_kept(number, note):
    found = convert(**number)
    assert found.faults == ()
    assert math.isfinite(found.se)
    assert found.notes == (note,)


@pytest.mark.parametrize(
    "number",
    [
        # Vogel 2017: by hand 0.02 off the centre
        {"reported": "hazard_ratio", "estimate": 1.32, "ci_low": 0.93, "ci_high": 1.88},
        # 0.25 of its half-width off, and 1.14 (1.00 to 1.30) would round to it
        {"reported": "risk_ratio", "estimate": 1.1, "ci_low": 1.0, "ci_high": 1.3},
        {"reported": "mean_difference", "estimate": 2, "ci_low": -5, "ci_high": 9},
    ],
)
def test_intervals_that_are_symmetric_but_for_rounding_are_not_doubted(number):
    assert convert(**number).notes == ()


@pytest.mark.parametrize(
    ("p_value", "number", "bound"),
    [
        ("<.01", {}, "p < .01"),
        ("≤ 0.05", {}, "p ≤ 0.05"),
        ("> .05", {"n_t": 60, "n_c": 60}, "p > .05; n = 120"),
        ("n.s.", {"n": 120}, "n.s.; n = 120"),
        ("NS", {"n_t": 60}, "n.s."),
        (".000", {}, "p = .000"),
        ("", {"n_t": 60, "n_c": 61}, "n = 121"),
        ("", {}, ""),
    ],
)
def test_what_bounds_a_missing_standard_error_is_kept(p_value, number, bound):
    found = convert("hazard_ratio", estimate=1.2, p_value=p_value, **number)
    assert found.faults == ()
    assert math.isnan(found.se)
    assert found.bound == bound


def test_a_standard_error_needs_no_bound():
    assert convert(effect=0.2, se=0.1, p_value="<.01", n_t=9, n_c=9).bound == ""


@pytest.mark.parametrize("p_value", ["=.05", "= 0.05", "5e-2"])
def test_an_exact_p_value_may_be_written_with_an_equals_sign(p_value):
    found = convert("odds_ratio", estimate=1.5, p_value=p_value)
    assert_allclose(found.se, math.log(1.5) / Z, rtol=1e-14)
