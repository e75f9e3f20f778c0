"""Ways from printed numbers to a measure, held against metafor's escalc and against arithmetic.

Values of metafor are printed with 15 digits; 1e-12 leaves three for sums in another order.
"""

import json
import math
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_allclose

from bayesrtw.evidence import convert
from bayesrtw.evidence.groups import exact_j
from bayesrtw.evidence.measure import MEASURES, measure_called, measure_named
from bayesrtw.evidence.reported import REPORTED, analysis_scale

METAFOR = json.loads((Path(__file__).parents[1] / "golden/metafor_escalc.json").read_text())
OURS = {
    "n1i": "n_t", "m1i": "mean_t", "sd1i": "sd_t", "n2i": "n_c", "m2i": "mean_c", "sd2i": "sd_c",
    "ri": "r", "ni": "n", "xi": "events",
    "x1i": "events_t", "t1i": "person_time_t", "x2i": "events_c", "t2i": "person_time_c",
}  # fmt: skip
MORRIS = [
    # mean and SD before, mean and SD after, people, of either group; correlation
    (30.1, 14.8, 38.2, 11.9, 21, 23.4, 13.5, 20.0, 14.9, 20, 0.50),
    (23.2, 3.2, 26.5, 4.0, 48, 24.7, 4.0, 25.2, 3.4, 44, 0.62),
    (53.0, 14.2, 75.1, 4.9, 12, 55.2, 17.0, 60.1, 17.6, 12, 0.80),
]
COLUMNS = [
    f"{column}_{group}"
    for group in "tc"
    for column in ("mean_baseline", "sd_baseline", "mean_final", "sd_final", "n")
]


def found(reported="", measure="", p_value="", **number):
    text = {"reported": reported, "measure": measure, "p_value": p_value}
    return analysis_scale(text, {name: float(value) for name, value in number.items()})


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [
        ("normand_VR", "log_variability_ratio"),
        ("normand_CVR", "log_cv_ratio"),
        ("molloy_ZCOR", "z_correlation"),
        ("pritz_PLO", "logit_proportion"),
        ("pritz_PAS", "arcsine_proportion"),
        ("hart_IRR", "log_rate_ratio"),
        ("hart_IRD", "rate_difference"),
    ],
)
def test_measures_agree_with_metafor(theirs, ours):
    wanted = METAFOR["results"][theirs]
    for row, effect, variance in zip(
        METAFOR["data"][theirs.partition("_")[0]], wanted["yi"], wanted["vi"], strict=True
    ):
        got = found(measure=ours, **{OURS[name]: value for name, value in row.items()})
        assert got.faults == ()
        assert got.measure == ours
        assert_allclose([got.effect, got.se**2], [effect, variance], rtol=1e-12, atol=1e-15)


def test_exact_j_is_the_mean_of_the_inverse_of_a_normal_sd():
    # E(1 / s) of a normal sample, by quadrature over the chi distribution
    df = 7
    x = np.linspace(1e-6, 12, 400_001)
    density = x ** (df - 1) * np.exp(-(x**2) / 2) / (2 ** (df / 2 - 1) * math.gamma(df / 2))
    inverse = np.trapezoid(density / x, x) * math.sqrt(df)
    assert_allclose(exact_j(df), 1 / inverse, rtol=1e-9)
    assert_allclose(exact_j(500), 1 - 3 / (4 * 500 - 1), rtol=1e-6)


@pytest.mark.parametrize(
    ("row", "effect", "se"),
    [(0, 0.7682, 0.3251), (1, 0.8919, 0.2098), (2, 1.1793, 0.3962)],
)
def test_means_before_and_after_give_the_standardised_difference_of_changes(row, effect, se):
    # metafor's SMCR of each group, and their difference
    number = dict(zip([*COLUMNS, "correlation"], MORRIS[row], strict=True))
    got = found(**number)
    assert got.measure == "standardised_mean_change_difference"
    assert_allclose([got.effect, got.se], [effect, se], atol=5e-5)
    plain = found(measure="mean_difference", **number)
    m = MORRIS[row]
    assert_allclose(plain.effect, (m[2] - m[0]) - (m[7] - m[5]), rtol=1e-12)
    variance = [
        (m[i + 1] ** 2 + m[i + 3] ** 2 - 2 * m[10] * m[i + 1] * m[i + 3]) / m[i + 4] for i in (0, 5)
    ]
    assert_allclose(plain.se, math.sqrt(sum(variance)), rtol=1e-12)


def test_changes_with_sds_before_give_a_standardised_difference_where_one_is_asked_for():
    changes = {"mean_change_t": 22.1, "sd_baseline_t": 14.2, "sd_final_t": 4.9, "n_t": 12}
    changes |= {"mean_change_c": 4.9, "sd_baseline_c": 17.0, "sd_final_c": 17.6, "n_c": 12}
    got = found("mean_changes", "standardised_mean_difference", **changes, correlation=0.8)
    assert_allclose([got.effect, got.se], [1.1793, 0.3962], atol=5e-5)
    assert got.conversion == "difference of mean changes in SDs before them, exact J"
    own = found("mean_changes", "SMD", mean_change_t=3, sd_change_t=4, n_t=20)
    assert own.conversion == "mean changes incomplete"
    bare = {"mean_change_t": 3, "sd_change_t": 4, "n_t": 20}
    bare |= {"mean_change_c": 1, "sd_change_c": 4, "n_c": 20}
    got = found("mean_changes", "SMD", **bare)
    assert_allclose(got.effect, exact_j(38) * 0.5, rtol=1e-12)
    assert got.conversion == "Hedges' g from mean changes and their SDs"


def test_a_change_score_without_correlation_says_what_is_missing():
    number = dict(zip(COLUMNS, MORRIS[0][:10], strict=True))
    got = found(**number)
    assert got.measure == "mean_difference"
    assert math.isnan(got.se)
    assert got.conversion.startswith("difference of mean changes only: no standard error")


@pytest.mark.parametrize(
    ("d", "n", "se"),
    [(-0.11, 52, 0.2776), (0.47, 120, 0.1851), (0.31, 48, 0.2904), (0.26, 60, 0.2593)],
)
def test_people_give_the_error_of_a_standardised_difference(d, n, se):
    one = found(measure="standardised_mean_difference", effect=d, n=n)
    two = found(measure="standardised_mean_difference", effect=d, n_t=n / 2, n_c=n / 2)
    assert_allclose([one.se, two.se], se, atol=5e-5)
    assert one.conversion.endswith("taken to be in two equal groups")
    assert two.conversion == "estimate and people (Borenstein 4.20)"


@pytest.mark.parametrize(
    ("number", "se", "how"),
    [
        ({"effect": 0.26, "variance": 0.0256}, 0.16, "estimate and variance as printed"),
        ({"effect": 0.5, "t_value": 2.5}, 0.2, "estimate and t = 2.5"),
        ({"effect": -0.5, "f_value": 6.25}, 0.2, "estimate and F = 6.25"),
        ({"effect": 0.5, "chi2": 6.25}, 0.2, "estimate and chi2 = 6.25"),
    ],
)
def test_variances_and_tests_give_standard_errors(number, se, how):
    got = found(**number)
    assert_allclose(got.se, se, rtol=1e-12)
    assert got.conversion == how


def test_counts_beside_an_estimate_give_its_error():
    cells = {"events_t": 12, "n_t": 40, "events_c": 7, "n_c": 38}
    got = found("odds_ratio", estimate=1.9, **cells)
    assert_allclose(got.effect, math.log(1.9), rtol=1e-12)
    assert_allclose(got.se, convert.log_odds_ratio(12, 40, 7, 38).se, rtol=1e-12)
    assert got.conversion == (
        "estimate as printed, its standard error that of the log odds ratio from counts"
    )
    share = {"pct_t": 30, "n_t": 40, "pct_c": 18.4, "n_c": 38}
    assert_allclose(found("odds_ratio", estimate=1.9, **share).se, got.se, rtol=1e-12)


def test_totals_follow_from_those_without_the_event():
    got = found(
        measure="log_odds_ratio", events_t=4, non_events_t=119, events_c=11, non_events_c=128
    )
    assert_allclose(got.effect, -0.938694140870392, rtol=1e-12)  # metafor, dat.bcg row 1


def test_percentages_of_whole_numbers_of_people_are_counts():
    got = found(pct_t=45, n_t=120, pct_c=38, n_c=118)
    whole = convert.log_risk_ratio(54, 120, 45, 118)
    assert_allclose([got.effect, got.se], [whole.effect, whole.se], rtol=1e-12)
    assert got.conversion == "log risk ratio from percentages of whole numbers of people"
    none = found("percentages", pct_t=67, n_t=69, pct_c=36, n_c=71)
    assert math.isnan(none.effect)
    assert none.conversion == "not converted: 36 % of 71 people is no whole number of them"


def test_a_t_value_and_people_give_hedges_g():
    got = found(measure="SMD", t_value=-2.1, n_t=30, n_c=25)
    d = -2.1 * math.sqrt(1 / 30 + 1 / 25)
    assert_allclose(got.effect, exact_j(53) * d, rtol=1e-12)


@pytest.mark.parametrize(
    ("number", "measure", "effect", "se"),
    [
        ({"r": 0.32, "n": 120}, "z_correlation", math.atanh(0.32), 117**-0.5),
        (
            {"events": 12, "n": 120},
            "logit_proportion",
            math.log(12 / 108),
            (1 / 12 + 1 / 108) ** 0.5,
        ),
        # nobody has the event: half an event more, and half a person without
        ({"events": 0, "n": 60}, "logit_proportion", math.log(0.5 / 60.5), (2 + 1 / 60.5) ** 0.5),
        ({"pct": 10, "n": 120}, "logit_proportion", math.log(12 / 108), (1 / 12 + 1 / 108) ** 0.5),
        ({"events": 9, "person_time": 413}, "log_rate", math.log(9 / 413), 1 / 3),
        ({"mean": 12, "sd": 5, "n": 25}, "mean", 12, 1),
    ],
)
def test_numbers_of_one_group_give_its_own_measure(number, measure, effect, se):
    got = found(**number)
    assert got.faults == ()
    assert got.measure == measure
    assert_allclose([got.effect, got.se], [effect, se], rtol=1e-12)


def test_medians_with_quartiles_give_their_ratio():
    number = {"median_t": 30, "q1_t": 20, "q3_t": 41, "n_t": 60}
    number |= {"median_c": 35, "q1_c": 24, "q3_c": 47, "n_c": 62}
    got = found("medians", "log_ratio_of_medians", **number)
    rng = np.random.default_rng(7)
    drawn = []
    for median, low, high, n in ((30, 20, 41, 60), (35, 24, 47, 62)):
        sigma = math.log(high / low) / 1.3489795
        sample = rng.normal(math.log(median), sigma, (20_000, n))
        drawn.append(np.median(sample, axis=1))
    assert_allclose(got.effect, math.log(30 / 35), rtol=1e-12)
    # 20,000 draws give an SD to 0.5 %; the median of 60 has a variance 2 % below its limit
    assert_allclose(got.se, np.std(drawn[0] - drawn[1]), rtol=0.03)
    assert found(**number).measure == "mean_difference"  # no dummy column is needed


def test_an_error_on_the_printed_scale_comes_to_that_of_analysis():
    got = found("correlation", estimate=0.4, se=0.084)
    assert_allclose([got.effect, got.se], [math.atanh(0.4), 0.1], rtol=1e-12)
    got = found("ratio_of_medians", estimate=2, ci_low=1, ci_high=4)
    assert_allclose(
        [got.effect, got.se], [math.log(2), math.log(2) / 1.959963984540054], rtol=1e-12
    )


def test_the_error_of_a_ratio_may_be_that_of_its_logarithm():
    got = found("odds_ratio", estimate=1.5, se=0.2)
    assert math.isnan(got.se)
    assert "reported=log_odds_ratio of a row" in got.conversion


@pytest.mark.parametrize(
    ("word", "name"),
    [
        ("OR", "log_odds_ratio"),
        ("Hazard ratio", "log_hazard_ratio"),
        ("Hedges' g", "standardised_mean_difference"),
        ("log odds ratio", "log_odds_ratio"),
        ("ZCOR", "z_correlation"),
        ("nonsense", ""),
    ],
)
def test_measures_are_known_by_what_people_call_them(word, name):
    assert measure_called(word) == name


def test_a_ratio_by_its_usual_name_is_taken_on_the_log_scale():
    for word in ("OR", "odds ratio", "odds_ratio"):
        assert found(word, estimate=2, ci_low=1, ci_high=4).effect == math.log(2)
        assert found("log OR", estimate=0.2, se=0.1).effect == 0.2
    told = found(measure="OR", estimate=2, ci_low=1, ci_high=4)
    assert told.effect == math.log(2)


@pytest.mark.parametrize(
    "word", ["sensitivity", "Specificity", "AUC", "diagnostic odds ratio", "DOR"]
)
def test_diagnostic_accuracy_is_refused_by_name(word):
    (fault,) = found(word, estimate=0.9, se=0.1).faults
    assert fault.text.startswith(f"reported is {word!r}: diagnostic accuracy is not pooled here")
    with pytest.raises(ValueError, match="diagnostic accuracy is not pooled here"):
        measure_named(word)


def test_every_measure_can_be_printed_on_its_own_scale_and_before_it():
    printed = {of for name, of in REPORTED.items() if name not in MEASURES}
    links = {name for name, measure in MEASURES.items() if measure.link.name != "identity"}
    assert links - printed <= {"log_proportion", "arcsine_proportion"}
    for name in ("log_proportion", "arcsine_proportion"):
        got = found("proportion", name, estimate=0.2, se=0.04)
        assert_allclose(got.effect, MEASURES[name].forward(0.2))


@pytest.mark.parametrize(
    ("printed", "fault"),
    [
        ({"r": 1.2, "n": 30}, "r must lie between -1 and 1; found 1.2"),
        ({"pct_t": 120, "n_t": 9, "pct_c": 1, "n_c": 9}, "pct_t must lie between 0 and 100"),
        ({"events": 9, "n": 8}, "events must lie between 0 and n; found events=9, n=8"),
        ({"reported": "proportion", "estimate": 12, "se": 1}, "must lie between 0 and 1; found 12"),
    ],
)
def test_numbers_of_one_group_that_cannot_be_are_faults(printed, fault):
    assert fault in " | ".join(fault.text for fault in found(**printed).faults)


@pytest.mark.parametrize("measure", ["log_risk_ratio", "log_odds_ratio", "log_hazard_ratio"])
def test_a_trial_without_any_event_says_nothing_of_a_ratio(measure):
    got = found("counts", measure, events_t=0, n_t=108, events_c=0, n_c=54)
    assert math.isnan(got.effect)
    assert "has the event, which says nothing" in got.conversion
    assert found("counts", "risk_difference", events_t=0, n_t=108, events_c=0, n_c=54).effect == 0
    rates = {"events_t": 0, "person_time_t": 10, "events_c": 0, "person_time_c": 12}
    assert math.isnan(found("rates", **rates).effect)
