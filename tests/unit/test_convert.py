"""Each conversion against numbers of another system, of print, or worked out by hand.

metafor: `escalc` of metafor 5.0-1 under R 4.2.2 with its defaults, on its data sets `dat.bcg` (events
and non-events) and `dat.normand1999` (means); fifteen significant digits are printed, so agreement is
asked for to 1e-12. Cochrane: the review CD007569.pub4 (doi:10.1002/14651858.CD007569.pub4) displays
six decimals, so an absolute error of half a unit of the last one, 5e-7, is all that can be asked.
"""

import math

import numpy as np
import pytest
from numpy.testing import assert_allclose

from bayesrtw.evidence import convert
from bayesrtw.evidence.measure import MEASURES, measure_named

METAFOR = 1e-12
DISPLAYED = 5.0001e-7

LOG = MEASURES["log_hazard_ratio"]
PLAIN = MEASURES["mean_difference"]

#: dat.bcg: events and non-events, vaccinated then control.
BCG = np.array(
    [
        [4, 119, 11, 128],
        [6, 300, 29, 274],
        [3, 228, 11, 209],
        [62, 13536, 248, 12619],
        [33, 5036, 47, 5761],
        [180, 1361, 372, 1079],
    ]
)
#: escalc of the rows above: effect and variance.
BCG_EFFECTS = {
    "log_risk_ratio": (
        [
            -0.889311333920205,
            -1.58538865720143,
            -1.34807314829969,
            -1.44155119002131,
            -0.217547322211296,
            -0.786115585818864,
        ],
        [
            0.325584765003961,
            0.194581121398144,
            0.415367965367965,
            0.0200100319022476,
            0.0512101721696309,
            0.00690561845590876,
        ],
    ),
    "log_odds_ratio": (
        [
            -0.938694140870392,
            -1.66619072902655,
            -1.38629436111989,
            -1.45644354931298,
            -0.219141085675433,
            -0.958122040776267,
        ],
        [
            0.357124952253629,
            0.208132393657186,
            0.43341307814992,
            0.0203144129731974,
            0.0519517773171203,
            0.00990526551533824,
        ],
    ),
    "risk_difference": (
        [
            -0.04661636544423,
            -0.0761017278198408,
            -0.037012987012987,
            -0.0147146180263938,
            -0.00158212670654608,
            -0.139567645844728,
        ],
        [
            0.000780068664855938,
            0.000348462574726583,
            0.000271399785630685,
            1.80285493533638e-06,
            2.65797248260319e-06,
            0.000198335654149806,
        ],
    ),
}


@pytest.mark.parametrize("name", BCG_EFFECTS)
def test_counts_agree_with_metafor(name):
    a, b, c, d = BCG.T
    effect, variance = BCG_EFFECTS[name]
    found = getattr(convert, name)(a, a + b, c, c + d)
    assert_allclose(found.effect, effect, rtol=METAFOR)
    assert_allclose(found.se**2, variance, rtol=METAFOR)


def test_mean_differences_agree_with_metafor():
    # dat.normand1999, n, mean and SD of both groups; escalc(measure="MD")
    n1, m1, s1, n2, m2, s2 = np.array(
        [[155, 55, 47, 156, 75, 64], [31, 27, 7, 32, 29, 4], [75, 64, 17, 71, 119, 29]]
    ).T
    found = convert.mean_difference(m1, s1 / np.sqrt(n1), m2, s2 / np.sqrt(n2))
    assert_allclose(found.effect, [-20, -2, -55], rtol=METAFOR)
    variance = [40.5080231596361, 2.08064516129032, 15.6984037558685]
    assert_allclose(found.se**2, variance, rtol=METAFOR)


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
    found = convert.standardised_mean_difference(*arms)
    z = convert.normal_quantile(0.95)
    ends = found.effect + np.array([0.0, -z, z]) * found.se
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
    reported = np.array([0.2, 1.0, 3.7])
    assert_allclose(measure.back(measure.forward(reported)), reported, rtol=1e-15)
    assert float(measure.forward(measure.null)) == 0.0


def test_an_unknown_measure_is_named_with_a_suggestion():
    with pytest.raises(ValueError, match="measure 'log_hazard' is not known; did you mean 'log_ha"):
        measure_named("log_hazard")
