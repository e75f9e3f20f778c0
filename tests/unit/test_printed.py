"""One printer: what a page says of a number, a terminal, Markdown and a picture say too."""

import math

import pytest

from bayesrtw.printed import (
    Direction,
    arrows,
    decimals,
    event,
    figure,
    finer,
    spell,
    spell_chance,
    spell_probability,
    with_interval,
)


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (0.997, ">0.99"),
        (0.99, "0.99"),
        (1.0, ">0.99"),
        (0.004, "<0.01"),
        (0.5, "0.50"),
        (math.nan, "–"),
    ],
)
def test_certainty_is_never_claimed(value, said):
    assert spell_probability(value) == said


def test_an_event_equals_its_probability_or_is_beyond_it():
    assert spell_chance("P(benefit)", 0.973) == "P(benefit) = 0.97"
    assert spell_chance("P(benefit)", 0.997) == "P(benefit) >0.99"


@pytest.mark.parametrize(
    ("of", "threshold", "above", "benefit", "log", "said"),
    [
        ("mu", 1.0, True, "higher", True, "P(benefit)"),
        ("mu", 1.0, True, "lower", True, "P(above 1)"),
        ("mu", 0.0, False, "lower", False, "P(benefit)"),
        ("mu", -5.0, False, "lower", False, "P(below −5)"),
        ("theta_new", 1.1, True, "higher", True, "P(above 1.1)"),
        ("mu_level[kind[a]]", 1.0, True, "higher", True, "P(benefit)"),
        ("beta[cohort]", 1.0, True, "higher", True, "P(ratio of ratios > 1)"),
        ("beta[cohort]", 0.0, False, "lower", False, "P(difference < 0)"),
    ],
)
def test_a_difference_between_effects_is_no_benefit(of, threshold, above, benefit, log, said):
    assert event(of, threshold, above=above, benefit=benefit, log=log) == said


def test_the_sides_of_no_effect_have_one_label():
    assert arrows(("favours drug", "favours placebo")) == ("← favours drug", "favours placebo →")


def test_nothing_is_a_benefit_where_nobody_said_what_one_is():
    assert Direction("lower", 1.0).event == "P(benefit)"
    assert Direction("", 1.0).event == "P(above 1)"
    assert Direction("", 1.0).sides == ("lower", "higher")
    assert Direction("", math.nan).event == ""
    assert event("mu", 1.0, above=True, benefit="", log=True) == "P(above 1)"


def test_effects_have_the_decimals_of_their_intervals():
    assert decimals([0.2, 0.3, 9.0], log=True) == 2
    assert decimals([0.01, 0.02], log=True) == 3
    assert [decimals([half], log=False) for half in (0.004, 0.2, 3.0, 40.0)] == [4, 2, 1, 0]
    assert with_interval(1.0, 0.5, 12.0, log=True, places=2) == "1.00 (0.50 to 12.0)"
    assert spell(-0.04, log=False, places=1) == "0.0"
    assert spell(1e7, log=True, places=2) == ">9999"
    # Eleven of eleven are back: any larger hazard ratio is as probable.
    assert with_interval(0.95, 0.56, math.exp(30), log=True, places=2) == "0.95 (0.56 to ∞)"


def test_changes_have_a_sign_and_minus_is_a_minus():
    assert figure(-0.123456) == "−0.1235"
    assert figure(0.2, plus=True) == "+0.2"


def test_an_interval_has_the_digits_that_it_needs():
    # A slope of a meta-regression: two decimals would print 0.97 (0.96 to 0.99).
    assert with_interval(0.9718, 0.9612, 0.9849, log=True, places=2) == "0.972 (0.961 to 0.985)"
    assert with_interval(1.0801, 0.9103, 1.2814, log=True, places=2) == "1.08 (0.91 to 1.28)"
    assert finer(-0.0134, -0.0012, log=False, places=1) == 4
    assert finer(-0.5, 0.5, log=False, places=4) == 4
    assert finer(12.0, 12.1, log=True, places=2) == 2
