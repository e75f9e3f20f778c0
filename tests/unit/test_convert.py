"""Each conversion against numbers of another system, of print, or worked out by hand.

metafor: `escalc` of metafor 5.0-1 under R 4.2.2 with its defaults, on its data sets `dat.bcg` (events
and non-events), `dat.normand1999` (means) and `dat.hart1999` (rates); fifteen significant digits are
printed, so agreement is asked for to 1e-12, a hundred times the 1e-14 by which the worst is off.
`conv.fivenum` of metafor 4.4: seventeen digits at second hand, from the public tests of another
program, and again 1e-12. Cochrane: the review CD007569.pub4 (doi:10.1002/14651858.CD007569.pub4) displays
six decimals, so an absolute error of half a unit of the last one, 5e-7, is all that can be asked.
"""

import math

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.optimize import brentq
from scipy.stats import contingency

from bayesrtw.evidence import convert, summaries
from bayesrtw.evidence.measure import MEASURES, measure_named

METAFOR = 1e-12
DISPLAYED = 5.0001e-7

LOG = MEASURES["log_hazard_ratio"]
PLAIN = MEASURES["mean_difference"]


def numbers(text):
    return np.array(text.split(), dtype=float)


#: dat.bcg: events and non-events, vaccinated then control.
BCG = (
    numbers(
        """
    4 119 11 128 6 300 29 274 3 228 11 209 62 13536 248 12619 33 5036 47 5761 180 1361 372 1079
    8 2537 10 619 505 87886 499 87892 29 7470 45 7232 17 1699 65 1600 186 50448 141 27197 5 2493
    3 2338 27 16886 29 17825
    """
    )
    .reshape(-1, 4)
    .T
)

#: escalc of the rows above: effect and variance.
BCG_EFFECTS = {
    "log_risk_ratio": (
        numbers(
            """
            -0.889311333920205 -1.58538865720143 -1.34807314829969 -1.44155119002131
            -0.217547322211296 -0.786115585818864 -1.62089822359839 0.0119523335238405
            -0.469417648738149 -1.37134480347278 -0.339358828338391 0.445913400571379
            -0.0173139482168798
            """
        ),
        numbers(
            """
            0.325584765003961 0.194581121398144 0.415367965367965 0.0200100319022476
            0.0512101721696309 0.00690561845590876 0.223017247572315 0.00396157929781773
            0.056434210463249 0.0730247936130289 0.0124122139715597 0.532505845200153
            0.0714046596839863
            """
        ),
    ),
    "log_odds_ratio": (
        numbers(
            """
            -0.938694140870392 -1.66619072902655 -1.38629436111989 -1.45644354931298
            -0.219141085675433 -0.958122040776267 -1.6337758382289 0.0120206014527326
            -0.471746035838696 -1.40121013928348 -0.340849646366211 0.446634682274446
            -0.0173418739290936
            """
        ),
        numbers(
            """
            0.357124952253629 0.208132393657186 0.43341307814992 0.0203144129731974
            0.0519517773171203 0.00990526551533824 0.227009675223494 0.00400696201214883
            0.0569771239877627 0.0754217263149204 0.0125251338202155 0.534162172474717
            0.0716351172956587
            """
        ),
    ),
    "risk_difference": (
        numbers(
            """
            -0.04661636544423 -0.0761017278198408 -0.037012987012987 -0.0147146180263938
            -0.00158212670654608 -0.139567645844728 -0.0127548327247853 6.7880214048942e-05
            -0.00231668468717821 -0.0291322791322791 -0.00148423498850148 0.000720097650097865
            -2.78807421670098e-05
            """
        ),
        numbers(
            """
            0.000780068664855938 0.000348462574726583 0.000271399785630685 1.80285493533638e-06
            2.65797248260319e-06 0.000198335654149806 2.6104856229552e-05 1.27774445678391e-07
            1.35822630604331e-06 2.82475037076428e-05 2.59971469185597e-07 1.34639335973682e-06
            1.85066801251602e-07
            """
        ),
    ),
    "log_peto_odds_ratio": (
        numbers(
            """
            -0.860383347316419 -1.40260522465446 -1.22781721384206 -1.27104217359749
            -0.216683828640964 -0.927329020799904 -2.26121710611624 0.0120203911679795
            -0.464882461436746 -1.23066589588226 -0.35539654096845 0.436200194950539
            -0.0173368871012954
            """
        ),
        numbers(
            """
            0.282836181928359 0.121058189032677 0.294388922617102 0.0130656352078063
            0.0505994118406956 0.00889079581068892 0.35150862448883 0.00400679705599317
            0.0543347142917322 0.0499895644137432 0.0134877724070622 0.50125213568408
            0.0715941981055638
            """
        ),
    ),
}

#: dat.normand1999: people, mean and SD (days in hospital), specialist care then routine.
NORMAND = (
    numbers(
        """
    155 55 47 156 75 64 31 27 7 32 29 4 75 64 17 71 119 29 18 66 20 18 137 48 8 14 8 13 18 11 57
    19 7 52 18 4 34 52 45 33 41 34 110 21 16 183 31 27 60 30 27 52 23 20
    """
    )
    .reshape(-1, 6)
    .T
)

#: escalc of the rows above: effect and variance.
NORMAND_EFFECTS = {
    "MD": (
        numbers(
            """
            -20 -2 -55 -71 -4 1 11 -10 7
            """
        ),
        numbers(
            """
            40.5080231596361 2.08064516129032 15.6984037558685 150.222222222222 17.3076923076923
            1.16734143049933 94.5891265597148 6.31087928464978 19.8423076923077
            """
        ),
    ),
    "SMD": (
        numbers(
            """
            -0.355169640940107 -0.347940022739099 -2.31756916016373 -1.88798225293685
            -0.383964141169701 0.172148669069591 0.272052073852932 -0.424596271894261
            0.289556230080755
            """
        ),
        numbers(
            """
            0.0130646755415297 0.0644688760988567 0.0458121102801828 0.160617735936173
            0.205433278392224 0.0369105700003619 0.0602671258364327 0.0148630384193327
            0.0362717341580545
            """
        ),
    ),
    "ROM": (
        numbers(
            """
            -0.310133192941342 -0.0706721103763511 -0.620188260748162 -0.731185301665485
            -0.245269987712656 0.054783037216689 0.238265264591687 -0.388898771637708
            0.26518255354746
            """
        ),
        numbers(
            """
            0.00937908326060819 0.00276276785368056 0.00177721240927502 0.0119212762336417
            0.0695437719247243 0.003330967125495 0.0428651588381811 0.00942253459220806
            0.028041224371092
            """
        ),
    ),
}

#: dat.hart1999: events and person-years, warfarin then control.
WARFARIN = (
    numbers(
        """
    9 413 19 398 8 263 19 245 3 487 13 435 6 237 9 241 7 489 23 483 20 507 50 405
    """
    )
    .reshape(-1, 4)
    .T
)

#: escalc of the rows above: effect and variance.
WARFARIN_EFFECTS = {
    "log_rate_ratio": (
        numbers(
            """
            -0.784209989506816 -0.935893259119642 -1.57925516078733 -0.38872831575264
            -1.20192990269614 -1.1409146683588
            """
        ),
        numbers(
            """
            0.16374269005848 0.177631578947368 0.41025641025641 0.277777777777778
            0.186335403726708 0.07
            """
        ),
    ),
    "rate_difference": (
        numbers(
            """
            -0.0259469259128573 -0.0471327694575929 -0.0237248932002171 -0.0120279426440464
            -0.0333041191936897 -0.0840090583680327
            """
        ),
        numbers(
            """
            0.000172711036348162 0.000432193526037661 8.13504894918988e-05 0.000261776497880208
            0.000127864042962407 0.00038263775758414
            """
        ),
    ),
}


def agrees(found, expected):
    effect, variance = expected
    assert_allclose(found.effect, effect, rtol=METAFOR)
    assert_allclose(found.se**2, variance, rtol=METAFOR)


@pytest.mark.parametrize("name", BCG_EFFECTS)
def test_counts_agree_with_metafor(name):
    a, b, c, d = BCG
    agrees(getattr(convert, name)(a, a + b, c, c + d), BCG_EFFECTS[name])


@pytest.mark.parametrize("name", WARFARIN_EFFECTS)
def test_rates_agree_with_metafor(name):
    agrees(getattr(convert, name)(*WARFARIN), WARFARIN_EFFECTS[name])


def normand_with_standard_errors():
    n1, m1, s1, n2, m2, s2 = NORMAND
    return m1, s1 / np.sqrt(n1), m2, s2 / np.sqrt(n2)


def test_mean_differences_agree_with_metafor():
    agrees(convert.mean_difference(*normand_with_standard_errors()), NORMAND_EFFECTS["MD"])


def test_ratios_of_means_agree_with_metafor():
    # escalc adds Lajeunesse's second-order correction to the effect, Friedrich et al. do not
    m1, se1, m2, se2 = normand_with_standard_errors()
    found = convert.log_ratio_of_means(m1, se1, m2, se2)
    correction = ((se1 / m1) ** 2 - (se2 / m2) ** 2) / 2
    agrees(found._replace(effect=found.effect + correction), NORMAND_EFFECTS["ROM"])


def test_standardised_differences_agree_with_metafor():
    # the same effect; escalc divides g^2 by 2 N, RevMan by 2 (N - 3.94)
    n1, m1, s1, n2, m2, s2 = NORMAND
    found = convert.standardised_mean_difference(m1, s1, n1, m2, s2, n2)
    total = n1 + n2
    variance = found.se**2 + found.effect**2 * (1 / (2 * total) - 1 / (2 * (total - 3.94)))
    agrees(convert.Converted(found.effect, np.sqrt(variance)), NORMAND_EFFECTS["SMD"])


@pytest.mark.parametrize("row", range(0, 13, 4))
def test_counts_agree_with_scipy(row):
    a, b, c, d = (int(value) for value in BCG[:, row])
    z = float(convert.normal_quantile(0.95))
    odds = contingency.odds_ratio([[a, b], [c, d]], kind="sample")
    risk = contingency.relative_risk(a, a + b, c, c + d)
    for function, interval in (
        (convert.log_odds_ratio, odds.confidence_interval(0.95)),
        (convert.log_risk_ratio, risk.confidence_interval(0.95)),
    ):
        found = function(a, a + b, c, c + d)
        ends = np.exp(found.effect + np.array([-z, z]) * found.se)
        assert_allclose(ends, [interval.low, interval.high], rtol=1e-12)


@pytest.mark.parametrize(
    ("cells", "ratio", "low", "high"),
    [
        ((38, 53, 35, 63), 1.290566, 0.977153, 1.704503),  # c01
        ((70, 81, 48, 55), 0.990226, 0.867074, 1.13087),  # c06
        ((22, 24, 10, 10), 0.942857, 0.784724, 1.132857),  # c09, an empty cell
    ],
)
def test_risk_ratios_agree_with_a_cochrane_review(cells, ratio, low, high):
    found = convert.log_risk_ratio(*cells)
    z = convert.normal_quantile(0.95)
    ends = np.exp(found.effect + np.array([0.0, -z, z]) * found.se)
    assert_allclose(ends, [ratio, low, high], rtol=0, atol=DISPLAYED)


@pytest.mark.parametrize(
    ("arms", "g", "low", "high"),
    [
        ((73.41, 20.57, 62, 71.72, 19.84, 26), 0.082278, -0.375829, 0.540385),  # c16
        ((2.29, 0.9, 87, 2.36, 0.9, 101), -0.077464, -0.364259, 0.209332),  # c24
        ((47.7, 9.5, 36, 44.8, 11.1, 34), 0.278233, -0.192874, 0.74934),  # c26
    ],
)
def test_standardised_differences_agree_with_a_cochrane_review(arms, g, low, high):
    # RevMan takes Hedges' approximation of J, 1 - 3 / (4 N - 9), and g^2 with it into the variance
    found = convert.standardised_mean_difference(*arms)
    total = arms[2] + arms[5]
    theirs = found.effect * (1 - 3 / (4 * total - 9)) / convert.exact_j(total - 2)
    se = np.sqrt(found.se**2 + (theirs**2 - found.effect**2) / (2 * (total - 3.94)))
    z = convert.normal_quantile(0.95)
    ends = theirs + np.array([0.0, -z, z]) * se
    assert_allclose(ends, [g, low, high], rtol=0, atol=DISPLAYED)


def test_an_empty_cell_gets_half_in_every_cell_of_its_table_only():
    # by hand: 0 of 10 against 5 of 10, cells 0.5, 10.5, 5.5, 5.5
    found = convert.log_odds_ratio([0, 4], [10, 123], [5, 11], [10, 139])
    assert_allclose(found.effect[0], math.log(0.5 * 5.5 / (10.5 * 5.5)), rtol=1e-14)
    assert_allclose(found.se[0] ** 2, 1 / 0.5 + 1 / 10.5 + 2 / 5.5, rtol=1e-14)
    assert_allclose(found.effect[1], -0.938694140870392, rtol=METAFOR)


def test_an_empty_cell_moves_only_the_standard_error_of_a_risk_difference():
    # by hand: 0 of 10 against 5 of 10, cells 0.5 of 11 and 5.5 of 11
    found = convert.risk_difference(0, 10, 5, 10)
    assert float(found.effect) == -0.5
    assert_allclose(found.se**2, (0.5 * 10.5 + 5.5 * 5.5) / 11**3, rtol=1e-14)


def test_exchanging_the_groups_turns_an_effect_round():
    cells = (12, 40, 7, 38)
    for name in BCG_EFFECTS:
        there = getattr(convert, name)(*cells)
        back = getattr(convert, name)(*cells[2:], *cells[:2])
        assert_allclose(back.effect, -there.effect, rtol=1e-13)
        assert_allclose(back.se, there.se, rtol=1e-13)


@pytest.mark.parametrize(
    ("level", "z"),
    [(0.95, 1.959963984540054), (0.9, 1.6448536269514722), (0.99, 2.5758293035489004)],
)
def test_normal_quantiles_are_those_of_the_tables(level, z):
    assert_allclose(convert.normal_quantile(level), z, rtol=1e-14)


def test_a_ratio_with_its_interval_is_taken_on_the_log_scale():
    # by hand: HR 2 (1 to 4), log width 2 ln 2
    found = convert.from_interval(2.0, 1.0, 4.0, 0.95, LOG)
    assert_allclose(found.effect, math.log(2), rtol=1e-14)
    assert_allclose(found.se, math.log(2) / 1.959963984540054, rtol=1e-14)


def test_a_difference_with_its_interval_is_taken_as_it_is():
    # Vogel 2017: -16.18 days (-32.42 to 0.06); by hand 32.48 / 3.919928
    found = convert.from_interval(-16.18, -32.42, 0.06, 0.95, PLAIN)
    assert float(found.effect) == -16.18
    assert_allclose(found.se, 32.48 / 3.919927969080108, rtol=1e-14)


def test_a_wider_level_means_a_smaller_standard_error():
    se = [float(convert.from_interval(1.5, 1.1, 2.0, level, LOG).se) for level in (0.9, 0.95, 0.99)]
    assert se == sorted(se, reverse=True)


def test_a_two_sided_p_value_gives_the_standard_error_of_its_test():
    # by hand: p = 0.05 is 1.959964 standard errors
    found = convert.from_p_value([1.5, 1 / 1.5], 0.05, LOG)
    assert_allclose(found.effect, [math.log(1.5), -math.log(1.5)], rtol=1e-14)
    assert_allclose(found.se, math.log(1.5) / 1.959963984540054, rtol=1e-14)


@pytest.mark.parametrize("name", MEASURES)
def test_back_undoes_forward_and_the_null_is_zero_on_the_analysis_scale(name):
    measure = measure_named(name)
    bounded = measure.link.name in ("logit", "Fisher's z", "arcsine")
    reported = np.array([0.02, 0.5, 0.97]) if bounded else np.array([0.2, 1.0, 3.7])
    # 1 - p of 0.97 holds two digits less
    assert_allclose(measure.back(measure.forward(reported)), reported, rtol=3e-15)
    one = measure.groups == 1
    assert math.isnan(measure.null) if one else float(measure.forward(measure.null)) == 0.0


def test_an_unknown_measure_is_named_with_a_suggestion():
    with pytest.raises(ValueError, match="measure 'log_hazards' is not known; did you mean 'log_"):
        measure_named("log_hazards")


def test_peto_needs_no_correction_and_says_nothing_without_events():
    # by hand: 0 of 10 against 5 of 10, O - E = -2.5, V = 100 * 5 * 15 / (400 * 19)
    found = convert.log_peto_odds_ratio([0, 0, 10], 10, [5, 0, 10], 10)
    v = 100 * 5 * 15 / (400 * 19)
    assert_allclose([found.effect[0], found.se[0]], [-2.5 / v, v**-0.5], rtol=1e-14)
    assert np.isnan(found.effect[1:]).all()
    assert np.isnan(found.se[1:]).all()


def test_observed_minus_expected_is_the_log_rank_estimate():
    # by hand: O - E = -6, V = 9
    found = convert.from_o_minus_e(-6, 9)
    assert_allclose([found.effect, found.se], [-2 / 3, 1 / 3], rtol=1e-15)


def test_complementary_log_log_gives_back_the_hazard_ratio_of_exponential_survival():
    # hazards 0.3 and 0.2 over one year, 1000 people each, in expected counts
    events = 1000 * -np.expm1(-np.array([0.3, 0.2]))
    found = convert.complementary_log_log(events[0], 1000, events[1], 1000)
    assert_allclose(found.effect, math.log(1.5), rtol=1e-13)


def test_the_variance_of_complementary_log_log_is_the_inverse_information():
    # second difference of the binomial log-likelihood of each group, in eta = log(-log(1 - p)); a step
    # of 1e-4 leaves 1e-8 of truncation and 1e-16 / 1e-8 = 1e-8 of rounding, times a log-likelihood of 30
    def information(events, people):
        def likelihood(eta):
            hazard = math.exp(eta)
            return events * math.log(-math.expm1(-hazard)) - (people - events) * hazard

        peak, step = math.log(-math.log1p(-events / people)), 1e-4
        ends = likelihood(peak - step) - 2 * likelihood(peak) + likelihood(peak + step)
        return -ends / step**2

    found = convert.complementary_log_log(12, 40, 7, 38)
    expected = 1 / information(12, 40) + 1 / information(7, 38)
    assert_allclose(found.se**2, expected, rtol=1e-6)


def test_an_empty_cell_of_a_complementary_log_log_table_gets_half():
    # by hand: 0.5 of 11 against 5.5 of 11
    found = convert.complementary_log_log(0, 10, 5, 10)
    assert_allclose(
        found.effect, math.log(math.log1p(-0.5 / 11) / math.log1p(-5.5 / 11)), rtol=1e-14
    )


def test_a_group_without_events_gets_half_an_event_in_both_rates():
    ratio, difference = convert.log_rate_ratio(0, 50, 4, 40), convert.rate_difference(0, 50, 4, 40)
    assert_allclose(ratio.effect, math.log(0.5 / 50 / (4.5 / 40)), rtol=1e-14)
    assert_allclose(ratio.se**2, 2 + 1 / 4.5, rtol=1e-14)
    assert_allclose(difference.effect, -0.1, rtol=1e-14)
    assert_allclose(difference.se**2, 0.5 / 50**2 + 4.5 / 40**2, rtol=1e-14)


def test_medians_of_exponential_times_give_their_hazard_ratio_and_its_error():
    # 4000 trials of 200 + 200 people: the variance of 4000 draws is off by sqrt(2 / 4000) = 2.2 %, that
    # of a median by 1/n more; three of the former and two of the latter are allowed
    generator = np.random.default_rng(20260731)
    medians = np.log(2) / np.array([0.3, 0.2])
    found = convert.log_hazard_ratio_of_medians(medians[0], 200, medians[1], 200)
    assert_allclose(found.effect, math.log(1.5), rtol=1e-14)
    times = generator.exponential(1 / np.array([0.3, 0.2])[:, None, None], (2, 4000, 200))
    drawn = np.median(times, axis=-1)
    repeated = convert.log_hazard_ratio_of_medians(drawn[0], 200, drawn[1], 200).effect
    assert_allclose(np.var(repeated), found.se**2, rtol=3 * 0.022 + 2 / 200)


def test_a_z_value_gives_the_standard_error_of_its_test():
    found = convert.from_z([1.5, 1 / 1.5], [-2, 2], LOG)
    assert_allclose(found.se, math.log(1.5) / 2, rtol=1e-14)


def test_z_and_p_of_one_test_agree():
    by_z = convert.from_z(1.5, convert.normal_quantile(0.97), LOG)
    assert_allclose(by_z.se, convert.from_p_value(1.5, 0.03, LOG).se, rtol=1e-14)


def test_asymmetry_is_nought_at_the_centre_and_one_at_the_ends():
    assert_allclose(convert.asymmetry([2, 1, 4], 1, 4, LOG), [0, 1, 1], atol=1e-15)
    assert_allclose(convert.asymmetry([2.5, 1, 4], 1, 4, PLAIN), [0, 1, 1], atol=1e-15)
    # e074: 1.12 (0.80 to 1.87), by hand ln 1.12 = 0.1133, centre 0.2014, half-width 0.4246
    assert_allclose(convert.asymmetry(1.12, 0.8, 1.87, LOG), 0.2074, atol=5e-5)


def test_asymmetry_that_rounding_explains_is_nought():
    # 1.1 (1.0 to 1.3): 1.14 (1.00 to 1.30) is symmetric and rounds to it
    assert float(convert.asymmetry(1.1, 1.0, 1.3, LOG)) > 0.25
    assert float(convert.asymmetry(1.1, 1.0, 1.3, LOG, rounding=0.05)) == 0
    # by hand on the plain scale: 3 off the centre, half-width 10, rounding moves both by 0.5
    assert_allclose(convert.asymmetry(3, -10, 10, PLAIN, rounding=0.5), 0.2, rtol=1e-14)


#: conv.fivenum(min=2, q1=6, median=9, q3=17, max=41, test=FALSE, method=c("luo", "wan")) with the range,
#: the quartiles and both: n, means and SDs.
FIVE_NUMBERS = [
    (
        7,
        [15.021544795358952, 10.889285714285714, 14.361220613598714],
        [14.29106691143328, 10.103962147784886, 12.197514529609084],
    ),
    (
        30,
        [11.972897250696676, 10.782500000000001, 12.3038216208361],
        [9.5575055212413016, 8.5626224066574625, 9.0600639639493821],
    ),
    (
        100,
        [10.403596372036779, 10.75975, 11.420082492316839],
        [7.804399930371213, 8.2742542328822122, 8.0393270816267126],
    ),
]
NAN = math.nan


@pytest.mark.parametrize(("n", "means", "sds"), FIVE_NUMBERS)
def test_medians_with_range_and_quartiles_agree_with_metafor(n, means, sds):
    found = summaries.mean_and_sd(
        9, n, minimum=[2, NAN, 2], q1=[NAN, 6, 6], q3=[NAN, 17, 17], maximum=[41, NAN, 41]
    )
    assert_allclose(found.mean, means, rtol=METAFOR)
    assert_allclose(found.sd, sds, rtol=METAFOR)


def test_a_median_alone_gives_no_mean():
    found = summaries.mean_and_sd(9, 30, q1=6, maximum=41)
    assert np.isnan(found).all()


def test_skewness_is_measured_against_what_normal_samples_show():
    # by hand: |6 + 17 - 18| / 11 over 2.65 / 10 - 6 / 10000 and |2 + 41 - 18| / 39 over
    # 1 / ln 109 + 2.5 / 101
    found = summaries.skewness(
        9, 100, minimum=[NAN, 2], q1=[6, NAN], q3=[17, NAN], maximum=[NAN, 41]
    )
    expected = [5 / 11 / 0.2644, 25 / 39 / (1 / math.log(109) + 2.5 / 101)]
    assert_allclose(found, expected, rtol=1e-14)
    both = summaries.skewness(9, 100, minimum=2, q1=6, q3=17, maximum=41)
    assert_allclose(both, 0.265 * math.log(60) * 25 / 39 / (0.3 - 4e-5), rtol=1e-14)


def test_one_normal_sample_in_twenty_looks_skewed():
    # the critical values are fitted curves: with 60000 samples of 21 to 401 people the share was 0.044
    # to 0.052; 20000 samples here have a standard error of 0.0015, of which three are added
    values = np.sort(np.random.default_rng(20260731).standard_normal((20000, 101)), axis=1)
    low, q1, median, q3, high = values[:, [0, 25, 50, 75, 100]].T
    for spread in (
        {"q1": q1, "q3": q3},
        {"minimum": low, "maximum": high},
        {"minimum": low, "q1": q1, "q3": q3, "maximum": high},
    ):
        share = np.mean(summaries.skewness(median, 101, **spread) > 1)
        assert_allclose(share, 0.05, atol=0.006 + 3 * 0.0015)


def test_the_sd_of_changes_follows_from_the_correlation():
    # by hand: 100 + 144 - 2 * 0.5 * 10 * 12 = 124
    assert_allclose(summaries.sd_of_change(10, 12, 0.5), math.sqrt(124), rtol=1e-14)
    assert_allclose(summaries.sd_of_change(10, 12, [1, -1]), [2, 22], rtol=1e-14)
    # the Handbook's own numbers, 5.1, 16.4.6.4: SDs 2.38 and 2.21, correlation 0.68, 10 people; printed
    # standard error 0.583
    assert_allclose(
        summaries.sd_of_change(2.38, 2.21, 0.68) / math.sqrt(10), 0.583, rtol=0, atol=5e-4
    )


@pytest.mark.parametrize("row", range(13))
def test_a_table_is_rebuilt_from_its_margins_and_odds_ratio(row):
    a, b, c, d = BCG[:, row]
    found = summaries.table_from_margins(a + b, c + d, a + c, a * d / (b * c))
    assert_allclose(found, (a, a + b, c, c + d), rtol=1e-9)


def test_a_table_from_margins_agrees_with_a_root_finder():
    def off(a, n1=20.0, n0=30.0, m=25.0, ratio=3.0):
        return a * (n0 - m + a) - ratio * (n1 - a) * (m - a)

    found = summaries.table_from_margins(20, 30, 25, 3.0)
    assert_allclose(found.events_t, brentq(off, 0, 20, xtol=1e-13), rtol=1e-12)


def test_a_table_from_margins_without_effect_or_events():
    found = summaries.table_from_margins(20, 30, [25, 0, 50], [1.0, 2.0, 2.0])
    assert_allclose(found.events_t, [10, 0, 20], rtol=1e-14)
    assert_allclose(found.events_c, [15, 0, 30], rtol=1e-14)


@pytest.mark.parametrize("row", range(13))
def test_a_table_is_rebuilt_from_its_odds_ratio_and_standard_error(row):
    a, b, c, d = BCG[:, row]
    effect, se = convert.log_odds_ratio(a, a + b, c, c + d)
    rare, common = summaries.tables_from_odds_ratio(a + b, c + d, np.exp(effect), se)
    assert_allclose(rare, (a, a + b, c, c + d), rtol=1e-9)
    for table in (rare, common):
        again = convert.log_odds_ratio(*table)
        assert_allclose([again.effect, again.se], [effect, se], rtol=1e-9)


def test_no_table_is_as_precise_as_its_people_do_not_allow():
    # 1/a + 1/b is at least 4 / n
    rare, common = summaries.tables_from_odds_ratio(100, 100, 1.0, [0.28, math.sqrt(0.08)])
    assert np.isnan(rare.events_t[0])
    assert np.isnan(common.events_t[0])
    assert_allclose([rare.events_t[1], common.events_c[1]], 50, rtol=1e-6)
