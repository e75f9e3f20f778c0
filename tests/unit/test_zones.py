"""Zones against normal distribution functions and draws, and what is refused."""

import math
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
from scipy.stats import norm

import bayesrtw as brw
from bayesrtw.analysis.spec import parse
from bayesrtw.decision.baseline import StatedBaseline
from bayesrtw.decision.zones import Zones, scale_of, zone_at, zone_probabilities
from bayesrtw.errors import SpecError

FLAT = brw.Model(terms=(brw.Intercept(brw.prior.Flat()), brw.Common()))


def pooled(
    effect: float, se: float, measure: str, benefit: str = "higher", unit: str = ""
) -> tuple:
    frame = pd.DataFrame({"study": ["A"], "effect": [effect], "se": [se]})
    return FLAT, brw.Evidence.from_frame(frame, measure=measure, benefit=benefit, unit=unit)


def normal(edges: list[float], mean: float, sd: float) -> np.ndarray:
    return np.diff(norm.cdf([-math.inf, *edges, math.inf], mean, sd))


def test_zones_of_ratios_are_those_of_their_logarithms() -> None:
    zones = Zones(above_ratio=(1.05, 1.15, 1.3))
    found = zone_probabilities(*pooled(0.12, 0.08, "log_hazard_ratio"), zones=zones)
    edges = np.log([1 / 1.3, 1 / 1.15, 1 / 1.05, 1.05, 1.15, 1.3]).tolist()
    told = found.loc["mean effect", list(zones.names)].to_numpy(dtype=float)
    np.testing.assert_allclose(told, normal(edges, 0.12, 0.08), atol=1e-12)
    assert list(found.columns[:7]) == [
        "large harm", "moderate harm", "small harm", "trivial", "small benefit", "moderate benefit",
        "large benefit",
    ]  # fmt: skip
    assert found.loc["mean effect", "matters"] == pytest.approx(norm.sf(math.log(1.05), 0.12, 0.08))
    assert found.loc["mean effect", "harms"] == pytest.approx(norm.cdf(-math.log(1.05), 0.12, 0.08))


def test_zones_where_smaller_is_good_run_the_other_way() -> None:
    zones = Zones(below_ratio=(0.95, 0.9, 0.8), harm=(1.1, 1.2, 1.5))
    found = zone_probabilities(*pooled(-0.12, 0.08, "log_odds_ratio", "lower"), zones=zones)
    edges = np.log([0.8, 0.9, 0.95, 1.1, 1.2, 1.5]).tolist()
    told = found.loc["mean effect", list(zones.names)].to_numpy(dtype=float)
    np.testing.assert_allclose(told, normal(edges, -0.12, 0.08)[::-1], atol=1e-12)


def test_zones_of_days_and_of_other_differences() -> None:
    days = zone_probabilities(
        *pooled(-12.0, 5.0, "mean_difference", "lower", "days"), zones=Zones(days=(10,), harm=(5,))
    )
    assert days.loc["mean effect", "important benefit"] == pytest.approx(norm.sf(10, 12, 5))
    assert days.loc["mean effect", "important harm"] == pytest.approx(norm.cdf(-5, 12, 5))
    points = zone_probabilities(
        *pooled(-1.2, 0.5, "mean_difference", "lower", "points"), zones=Zones(difference=(1.0,))
    )
    assert points.loc["mean effect", "matters"] == pytest.approx(norm.cdf(-1.0, -1.2, 0.5))


@pytest.mark.parametrize("benefit", ["higher", "lower"])
def test_zones_of_1000_hold_the_uncertainty_of_the_baseline(benefit: str) -> None:
    rng, count = np.random.default_rng(11), 400_000
    zones = Zones(per_1000=(20, 50, 100))
    found = zone_probabilities(
        *pooled(-0.25, 0.2, "log_odds_ratio", benefit),
        zones=zones,
        baseline=StatedBaseline(events=20, n=60, source="x"),
    )
    odds = (
        (risk := rng.beta(20.5, 40.5, count)) / (1 - risk) * np.exp(rng.normal(-0.25, 0.2, count))
    )
    more = 1000 * (odds / (1 + odds) - risk) * (1 if benefit == "higher" else -1)
    edges = [-math.inf, -100, -50, -20, 20, 50, 100, math.inf]
    share = [np.mean((more > low) & (more <= high)) for low, high in pairwise(edges)]
    told = found.loc["mean effect", list(zones.names)].to_numpy(dtype=float)
    np.testing.assert_allclose(told, share, atol=4 * 0.5 / math.sqrt(count))
    assert told.sum() == pytest.approx(1.0)


def test_a_new_setting_has_zones_of_its_own() -> None:
    synthesis = brw.run(brw.open_analysis("sick-leave-days"))
    found = zone_probabilities(synthesis, zones=Zones(days=(10, 20, 40)))
    told = brw.predict(synthesis, threshold=10.0)
    assert found.loc["mean effect", "matters"] == pytest.approx(told["probability"].iloc[0])
    assert found.loc["new setting", "matters"] == pytest.approx(told["new_probability"].iloc[0])
    assert "P(at least a small benefit)" in found.describe()
    assert "convenience sample" in found.describe()


def test_an_effect_lies_in_the_zone_nearer_to_none_where_it_is_on_an_edge() -> None:
    rows = pooled(0.1, 0.1, "mean_difference", "lower", "days")[1]
    zones = Zones(days=(10, 20, 40))
    scale = scale_of(zones, rows)
    named = {-50: "large harm", -40: "moderate harm", -10: "trivial", 0: "trivial", 10: "trivial",
             10.1: "small benefit", 20: "small benefit", 41: "large benefit"}  # fmt: skip
    assert {each: zone_at(each, zones, scale) for each in named} == named


@pytest.mark.parametrize(
    ("stated", "said"),
    [
        ({"per_1000": (50, 20, 100)}, "must rise"),
        ({"per_1000": (20, 20, 100)}, "must rise"),
        ({"below_ratio": (0.8, 0.9, 0.95)}, "must fall"),
        ({"below_ratio": (1.2, 0.9, 0.8)}, "lie between 0 and 1"),
        ({"above_ratio": (0.9, 1.1, 1.2)}, "lie above 1"),
        ({"above_ratio": (1.1, 1.2, 1.3), "harm": (1.1, 1.2, 1.3)}, "harm is .* must fall"),
        ({"per_1000": (0.02, 50, 2000)}, "lie between 0 and 1000"),
        ({"days": (-5, 10, 20)}, "lie above 0"),
        ({"days": (5, 10)}, "has 2 thresholds"),
        ({"days": (5,), "per_1000": (20,)}, "on one scale"),
        ({"days": (5, 10, 20), "harm": (5,)}, "give as many"),
        ({"harm": (5,)}, "without a scale"),
        ({"days": (math.nan,)}, "finite"),
    ],
)
def test_thresholds_out_of_order_or_off_their_scale_are_refused(stated: dict, said: str) -> None:
    with pytest.raises(SpecError, match=said):
        Zones(**stated)


def test_a_zone_on_the_wrong_scale_is_refused_with_the_right_one() -> None:
    ratio = pooled(0.1, 0.1, "log_risk_ratio")
    with pytest.raises(SpecError, match="use above_ratio"):
        zone_probabilities(*ratio, zones=Zones(below_ratio=(0.9,)))
    with pytest.raises(SpecError, match=r"\[decision.baseline\]"):
        zone_probabilities(*ratio, zones=Zones(per_1000=(20,)))
    with pytest.raises(SpecError, match="days of a risk ratio need a baseline risk"):
        zone_probabilities(*ratio, zones=Zones(days=(20,)))
    with pytest.raises(SpecError, match="which tells no days"):
        zone_probabilities(*pooled(0.1, 0.1, "log_rate_ratio"), zones=Zones(days=(20,)))
    with pytest.raises(SpecError, match="zones are not stated"):
        zone_probabilities(*ratio, zones=Zones())
    with pytest.raises(SpecError, match="direction of benefit"):
        zone_probabilities(*pooled(0.1, 0.1, "log_risk_ratio", ""), zones=Zones(above_ratio=(1.1,)))
    with pytest.raises(SpecError, match="no ratio"):
        zone_probabilities(*pooled(0.1, 0.1, "mean_difference"), zones=Zones(above_ratio=(1.1,)))


FILE = """
id = "own"
title = "Own"
question = "Does it work?"
seed = 1
term = [{ kind = "intercept", prior = { kind = "normal", mean = 0.0, sd = 0.5 } }, { kind = "common" }]
[evidence]
dataset = "rtw-trials"
measure = "%s"
"""


def test_an_analysis_fixes_zones_and_baseline_in_its_file() -> None:
    text = (
        FILE % "log_risk_ratio"
        + """
[decision.baseline]
risk = 0.6
interval = [0.5, 0.7]
source = "a register, 2024"
[decision.zones]
per_1000 = [20, 50, 100]
"""
    )
    found = parse(text, "own.toml")
    assert found.decision.zones.per_1000 == (20, 50, 100)
    assert found.decision.baseline == StatedBaseline(
        risk=0.6, interval=(0.5, 0.7), source="a register, 2024"
    )
    one = text.replace("[20, 50, 100]", "20")
    assert parse(one, "own.toml").decision.zones == Zones(per_1000=20) == Zones(per_1000=(20.0,))
    assert (
        parse(one, "own.toml").digest == parse(one.replace("= 20", "= [20.0]"), "own.toml").digest
    )
    plain = parse(FILE % "log_risk_ratio", "own.toml")
    assert plain.digest != found.digest
    assert plain.digest == replace(found, decision=plain.decision).digest


@pytest.mark.parametrize(
    ("measure", "stated", "said"),
    [
        ("log_risk_ratio", "[decision.zones]\nper_1000 = [20]", "hangs on a baseline"),
        ("log_risk_ratio", "[decision.zones]\ndays = [20]", "hangs on a baseline"),
        ("log_rate_ratio", "[decision.zones]\ndays = [20]", "days are of"),
        ("log_risk_ratio", "[decision.zones]\ndifference = [20]", "difference is of differences"),
        ("mean_difference", "[decision.zones]\nabove_ratio = [1.2]", "is of ratios"),
        ("mean_difference", "[decision.zones]\nper_1000 = [20]", "move a risk"),
        ("log_hazard_ratio", "[decision.zones]\ndays = [20]", "hangs on a baseline"),
        ("log_risk_ratio", "[decision.zones]\nabove_ratio = [1.2, 1.1, 1.3]", "must rise"),
        ("log_risk_ratio", '[decision.baseline]\nrisk = 1.2\nsource = "x"', r"must lie in \(0, 1\)"),
        ("log_risk_ratio", "[decision.baseline]\nrisk = 0.2", "source"),
        ("log_risk_ratio", '[decision.zones]\nabove_ratio = "big"', "above_ratio"),
        ("log_risk_ratio", "[decision.zones]\nper_100 = [20]", "per_100"),
    ],
)  # fmt: skip
def test_a_file_that_states_none_of_them_well_is_refused_with_its_name(
    measure, stated, said
) -> None:
    with pytest.raises(SpecError, match=rf"own\.toml(?s:.*){said}"):
        parse(FILE % measure + stated, "own.toml")
