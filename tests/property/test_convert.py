"""What must hold of the conversions for all numbers.

A conversion is a handful of multiplications, roots and logarithms, each good to a few units of 2.2e-16;
1e-12 leaves three digits for the condition of the formula. Where a difference of nearly equal numbers
enters (a logarithm of a ratio near 1, an effect near 0), an absolute error of 1e-12 of the terms is
allowed beside it. Roots of the tables' quadratics may nearly coincide, which halves the digits of the
counts, not of the effect and its error: 1e-9 of the former, where the roots lie apart, 1e-7 of the
latter.
"""

import math

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from bayesrtw.evidence import convert, summaries
from bayesrtw.evidence.measure import MEASURES
from bayesrtw.evidence.reported import analysis_scale

CLOSE = 1e-12

RATIO, PLAIN = MEASURES["log_hazard_ratio"], MEASURES["mean_difference"]
COUNTS = (
    convert.log_risk_ratio,
    convert.log_odds_ratio,
    convert.risk_difference,
    convert.log_peto_odds_ratio,
    convert.complementary_log_log,
)
RATES = (convert.log_rate_ratio, convert.rate_difference)

effects = st.floats(-3, 3)
errors = st.floats(0.01, 2)
levels = st.floats(0.5, 0.999)
scales = st.floats(0.01, 1000)
measures = st.sampled_from([RATIO, PLAIN])


@st.composite
def tables(draw, smallest=0):
    """Events and people of two groups, some events and some non-events among them."""
    cells = []
    for _ in range(2):
        people = draw(st.integers(max(2 * smallest, 1), 500))
        cells += [draw(st.integers(smallest, people - smallest)), people]
    assume(0 < cells[0] + cells[2] < cells[1] + cells[3])
    return tuple(float(cell) for cell in cells)


@st.composite
def rates(draw):
    return tuple(
        float(value) for _ in range(2) for value in (draw(st.integers(0, 300)), draw(scales))
    )


@st.composite
def arms(draw):
    """Mean, its standard error, and again for the other group."""
    return tuple(value for _ in range(2) for value in (draw(st.floats(0.1, 100)), draw(errors)))


def interval(effect, se, level, measure):
    """Wald interval, as a paper prints it."""
    z = convert.normal_quantile(level)
    return tuple(float(measure.back(effect + k * z * se)) for k in (0, -1, 1))


@given(effects, errors, levels, measures)
def test_an_interval_of_any_level_gives_back_its_estimate_and_error(effect, se, level, measure):
    found = convert.from_interval(*interval(effect, se, level, measure), level, measure)
    assert_allclose(found, (effect, se), rtol=CLOSE, atol=CLOSE)


@given(effects, errors, levels, levels, measures)
def test_intervals_of_two_levels_say_the_same(effect, se, level, other, measure):
    one = convert.from_interval(*interval(effect, se, level, measure), level, measure)
    two = convert.from_interval(*interval(effect, se, other, measure), other, measure)
    assert_allclose(one, two, rtol=CLOSE, atol=CLOSE)


@given(effects, errors, levels, measures)
def test_a_wald_interval_is_symmetric(effect, se, level, measure):
    # the half-width may be 1e-2 of the effect: one more digit or two
    assert float(convert.asymmetry(*interval(effect, se, level, measure), measure)) < 1e-10


@given(effects, st.floats(0.05, 0.95), errors, measures, st.floats(0, 0.004))
def test_rounding_never_adds_asymmetry(effect, place, half, measure, off):
    ends = measure.back(np.array([effect, effect + 2 * place - 1, effect + 1]))
    estimate, low, high = float(ends[0]), float(ends[0] * 0.5), float(ends[0] + half)
    assume(low < high)
    low = min(low, estimate)
    assume(not measure.log or low > 2 * off)
    plain = float(convert.asymmetry(estimate, low, high, measure))
    assert 0 <= float(convert.asymmetry(estimate, low, high, measure, off)) <= plain


@given(effects, errors, measures)
def test_tests_give_back_the_error(effect, se, measure):
    assume(0.01 < abs(effect) / se < 6)
    estimate, z = float(measure.back(effect)), effect / se
    assert_allclose(convert.from_z(estimate, z, measure), (effect, se), rtol=1e-11)
    # at z = 0.01, p is 0.992 and 1 - p holds 2 digits less
    p = math.erfc(abs(z) / math.sqrt(2))
    assert_allclose(convert.from_p_value(estimate, p, measure), (effect, se), rtol=1e-10)


@given(effects, errors)
def test_observed_minus_expected_gives_back_effect_and_error(effect, se):
    found = convert.from_o_minus_e(effect / se**2, 1 / se**2)
    assert_allclose(found, (effect, se), rtol=CLOSE, atol=CLOSE)


@pytest.mark.parametrize("function", COUNTS)
@given(cells=tables())
def test_swapping_the_groups_of_a_table_turns_the_effect_round(function, cells):
    there, back = function(*cells), function(*cells[2:], *cells[:2])
    assert_allclose(back.effect, -there.effect, rtol=CLOSE, atol=CLOSE)
    assert_allclose(back.se, there.se, rtol=CLOSE)


@pytest.mark.parametrize("function", RATES)
@given(cells=rates())
def test_swapping_the_groups_of_rates_turns_the_effect_round(function, cells):
    there, back = function(*cells), function(*cells[2:], *cells[:2])
    scale = 1 / min(cells[1], cells[3])
    assert_allclose(back.effect, -there.effect, rtol=CLOSE, atol=CLOSE * scale)
    assert_allclose(back.se, there.se, rtol=CLOSE)


@pytest.mark.parametrize(
    "function",
    [
        convert.mean_difference,
        convert.log_ratio_of_means,
        lambda a, b, c, d: convert.log_hazard_ratio_of_medians(a, 100 * b, c, 100 * d),
    ],
)
@given(arms=arms())
def test_swapping_the_groups_of_means_and_medians_turns_the_effect_round(function, arms):
    there, back = function(*arms), function(*arms[2:], *arms[:2])
    assert_allclose(back.effect, -there.effect, rtol=CLOSE, atol=CLOSE)
    assert_allclose(back.se, there.se, rtol=CLOSE)


@pytest.mark.parametrize("function", [convert.log_odds_ratio, convert.log_peto_odds_ratio])
@given(cells=tables())
def test_counting_the_other_people_turns_an_odds_ratio_round(function, cells):
    a, n1, c, n0 = cells
    there, back = function(*cells), function(n1 - a, n1, n0 - c, n0)
    assert_allclose(back.effect, -there.effect, rtol=CLOSE, atol=CLOSE)
    assert_allclose(back.se, there.se, rtol=CLOSE)


@pytest.mark.parametrize("function", COUNTS)
@given(cells=tables())
def test_every_table_with_events_and_others_gives_a_positive_error(function, cells):
    found = function(*cells)
    assert np.isfinite(found.effect)
    assert found.se > 0


@given(arms(), scales, st.floats(-100, 100))
def test_a_mean_difference_moves_with_the_unit_and_not_with_the_origin(arms, factor, shift):
    m1, se1, m0, se0 = arms
    found = convert.mean_difference(*arms)
    scaled = convert.mean_difference(*(factor * value for value in arms))
    moved = convert.mean_difference(m1 + shift, se1, m0 + shift, se0)
    assert_allclose(scaled, np.multiply(factor, found), rtol=CLOSE, atol=CLOSE * factor * 100)
    assert_allclose(moved, found, rtol=CLOSE, atol=CLOSE * 200)


@given(arms(), scales)
def test_a_ratio_of_means_and_a_standardised_difference_know_no_unit(arms, factor):
    scaled = tuple(factor * value for value in arms)
    for function in (
        convert.log_ratio_of_means,
        lambda a, b, c, d: convert.standardised_mean_difference(a, b, 20, c, d, 30),
    ):
        assert_allclose(function(*scaled), function(*arms), rtol=1e-11, atol=CLOSE * 1e4)


@given(arms())
def test_means_give_back_their_ratio_and_difference(arms):
    m1, se1, m0, se0 = arms
    found = convert.log_ratio_of_means(*arms)
    assert_allclose(m0 * np.exp(found.effect), m1, rtol=CLOSE)
    assert_allclose(found.se**2 - (se0 / m0) ** 2, (se1 / m1) ** 2, rtol=1e-10, atol=1e-9)
    assert_allclose(m0 + convert.mean_difference(*arms).effect, m1, rtol=CLOSE, atol=CLOSE * 100)


@given(st.floats(0.01, 0.99), st.floats(0.1, 5), st.integers(2, 1000))
def test_complementary_log_log_gives_back_proportional_hazards(survival, ratio, people):
    events = [people * -math.expm1(power * math.log(survival)) for power in (ratio, 1)]
    assume(all(0 < value < people for value in events))
    found = convert.complementary_log_log(events[0], people, events[1], people)
    # survival^5 of 0.01 is 1e-10: 1 - (1 - S) keeps 6 of 16 digits
    assert_allclose(found.effect, math.log(ratio), rtol=1e-6, atol=1e-6)


@given(scales, st.floats(0.1, 10))
def test_medians_of_exponential_times_give_back_the_hazard_ratio(hazard, ratio):
    medians = math.log(2) / (ratio * hazard), math.log(2) / hazard
    found = convert.log_hazard_ratio_of_medians(medians[0], 10, medians[1], 10)
    assert_allclose(found.effect, math.log(ratio), rtol=CLOSE, atol=CLOSE)


@given(scales, scales, st.floats(-0.99, 0.99))
def test_sds_of_changes_give_back_the_correlation(sd_baseline, sd_final, correlation):
    ratio = max(sd_baseline, sd_final) / min(sd_baseline, sd_final)
    change = summaries.sd_of_change(sd_baseline, sd_final, correlation)
    found = summaries.correlation_of_change(sd_baseline, sd_final, change)
    # s0^2 + s1^2 - sc^2 loses as many digits as one SD is the larger
    assert_allclose(found, correlation, atol=1e-14 * (1 + ratio))


spreads = st.lists(st.floats(0, 100), min_size=5, max_size=5, unique=True).map(sorted)


@pytest.mark.parametrize(
    "names", [("minimum", "maximum"), ("q1", "q3"), ("minimum", "q1", "q3", "maximum")]
)
@given(five=spreads, n=st.integers(5, 1000), factor=scales, shift=st.floats(-100, 100))
def test_means_and_sds_of_medians_move_with_unit_and_origin(names, five, n, factor, shift):
    assume(five[4] - five[0] > 1e-3 and five[3] - five[1] > 1e-3)
    places = dict(zip(("minimum", "q1", "median", "q3", "maximum"), five, strict=True))
    spread = {name: places[name] for name in names}
    found = summaries.mean_and_sd(places["median"], n, **spread)
    moved = summaries.mean_and_sd(
        factor * places["median"] + shift, n, **{k: factor * v + shift for k, v in spread.items()}
    )
    slack = CLOSE * (100 * factor + 100)
    assert_allclose(moved.mean, factor * found.mean + shift, rtol=CLOSE, atol=slack)
    assert_allclose(moved.sd, factor * found.sd, rtol=CLOSE, atol=slack)
    mirror = {"minimum": "maximum", "maximum": "minimum", "q1": "q3", "q3": "q1"}
    turned = summaries.mean_and_sd(
        -places["median"], n, **{mirror[name]: -value for name, value in spread.items()}
    )
    assert_allclose(turned.mean, -found.mean, rtol=CLOSE, atol=slack)
    assert_allclose(turned.sd, found.sd, rtol=CLOSE)


@given(st.floats(-100, 100), scales, st.integers(5, 10000))
def test_a_symmetric_summary_gives_back_the_normal_quantiles_it_came_from(mean, sd, n):
    at = convert.normal_quantile(2 * (0.75 * n - 0.125) / (n + 0.25) - 1) * sd
    found = summaries.mean_and_sd(mean, n, q1=mean - at, q3=mean + at)
    slack = CLOSE * (abs(mean) + sd)
    assert_allclose(found, (mean, sd), rtol=CLOSE, atol=slack)
    # rounding of mean -+ at, over the distance of the quartiles
    assert float(summaries.skewness(mean, n, q1=mean - at, q3=mean + at)) < slack / sd * math.sqrt(
        n
    )


@given(tables(smallest=1))
def test_margins_and_odds_ratio_give_back_the_table(cells):
    a, n1, c, n0 = cells
    ratio = a * (n0 - c) / ((n1 - a) * c)
    found = summaries.table_from_margins(n1, n0, a + c, ratio)
    assert_allclose(found, cells, rtol=1e-9)


@given(st.integers(1, 500), st.integers(1, 500), st.floats(0, 1), st.floats(-6, 6))
def test_every_odds_ratio_has_a_table_within_its_margins(n_t, n_c, share, effect):
    events = share * (n_t + n_c)
    found = summaries.table_from_margins(n_t, n_c, events, math.exp(effect))
    a, n1, c, n0 = (float(value) for value in found)
    assert -1e-9 <= a <= n1 + 1e-9
    assert -1e-9 <= c <= n0 + 1e-9
    left, right = a * (n0 - c), math.exp(effect) * (n1 - a) * c
    assert_allclose(left, right, rtol=1e-7, atol=1e-9 * n1 * n0 * (1 + math.exp(effect)))


@given(tables(smallest=1))
def test_an_odds_ratio_with_its_error_gives_back_the_table(cells):
    effect, se = convert.log_odds_ratio(*cells)
    found = summaries.tables_from_odds_ratio(cells[1], cells[3], np.exp(effect), se)
    for table in found:
        assert_allclose(convert.log_odds_ratio(*table), (effect, se), rtol=1e-7, atol=1e-7)
    apart = abs(float(found[1].events_c - found[0].events_c)) > 1e-3 * cells[3]
    close = [np.allclose(table, cells, rtol=1e-9 if apart else 1e-4) for table in found]
    assert any(close)


@given(
    tables(smallest=1), st.sampled_from(["log_risk_ratio", "log_odds_ratio", "log_hazard_ratio"])
)
def test_a_row_turned_round_is_the_row_with_its_groups_exchanged(cells, measure):
    names = ("events_t", "n_t", "events_c", "n_c")
    text = {"reported": "counts", "measure": measure}
    turned = analysis_scale(text | {"reversed": "yes"}, dict(zip(names, cells, strict=True)))
    swapped = analysis_scale(text, dict(zip(names, cells[2:] + cells[:2], strict=True)))
    assert_allclose(
        [turned.effect, turned.se], [swapped.effect, swapped.se], rtol=CLOSE, atol=CLOSE
    )


@given(effects, errors, levels, st.integers(0, 4))
def test_a_printed_wald_interval_is_never_doubted_for_its_rounding(effect, se, level, decimals):
    estimate, low, high = interval(effect, se, level, RATIO)
    printed = [round(value, decimals) for value in (estimate, low, high)]
    assume(0 < printed[1] < printed[2] and printed[1] <= printed[0] <= printed[2])
    # where trailing zeros hide that fewer decimals were printed, less rounding is allowed than took
    # place: at least one number must end in a digit
    assume(any(f"{value:.12g}" == f"{value:.{decimals}f}" for value in printed))
    number = dict(zip(("estimate", "ci_low", "ci_high"), printed, strict=True))
    found = analysis_scale({"reported": "hazard_ratio"}, number | {"ci_level": level})
    assert found.notes == ()
