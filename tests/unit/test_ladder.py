"""The ladder: its ends are the plain pools, its curves exact, and one-sided evidence is named."""

import json

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner
from scipy import stats
from scipy.optimize import brentq

import bayesrtw as brw
from bayesrtw.analysis.ladder import _Curve, _Naive, ladder
from bayesrtw.analysis.spec import Analysis, Query, parse
from bayesrtw.cli import main
from bayesrtw.engine import solve
from bayesrtw.errors import Faults, SpecError
from bayesrtw.evidence.measure import measure_named
from bayesrtw.model.bias import BiasHierarchy, Studies
from bayesrtw.model.prior import HalfNormal, Normal
from bayesrtw.question.ladder import NON_RANDOMISED, Rungs, conflict, rungs
from bayesrtw.question.tipping import Sides
from bayesrtw.registry import decode, encode
from bayesrtw.report.ladder import not_within, write

EFFECT = np.array([0.30, 0.15, 0.42, 0.18, -0.25, -0.10, 0.12])
SE = np.array([0.15, 0.12, 0.25, 0.20, 0.15, 0.22, 0.10])


def rows(design=None):
    frame = pd.DataFrame(
        {
            "study": [f"s{place}" for place in range(len(EFFECT))],
            "effect": EFFECT,
            "se": SE,
            "design": design or ["rct"] * 4 + ["cohort"] * 3,
        }
    )
    return brw.Evidence.from_frame(frame, measure="log_hazard_ratio", benefit="higher")


def analysis(**settings):
    terms = (
        brw.Intercept(Normal(0, 0.5)),
        BiasHierarchy(Studies(NON_RANDOMISED), Normal(0, 0.2)),
        brw.Exchangeable(HalfNormal(0.25)),
    )
    return Analysis(
        **{
            "id": "small",
            "title": "Small",
            "question": "Does it?",
            "seed": 1,
            "evidence": Query(dataset="none", measure="log_hazard_ratio"),
            "term": terms,
            **settings,
        }
    )


PLAIN = brw.Model(terms=(brw.Intercept(Normal(0, 0.5)), brw.Exchangeable(HalfNormal(0.25))))


def plain(evidence):
    return brw.summarise(brw.fit(PLAIN, evidence, engine=brw.Exact(draws=0)))


@pytest.fixture(scope="module")
def climbed():
    return ladder(analysis(), rows())


def test_its_ends_are_the_plain_pools(climbed):
    everything, trials = plain(rows()), plain(rows().select(design="rct"))
    for column in ("mean", "sd", "lower", "median", "upper", "probability"):
        assert climbed.rungs.loc["naive", column] == pytest.approx(
            everything.loc["mu", column], abs=1e-8
        )
        assert climbed.rungs.loc["randomised", column] == pytest.approx(
            trials.loc["mu", column], abs=1e-8
        )
    share = climbed.curves["share"].set_index("x")["probability"]
    assert share.loc[1.0] == pytest.approx(everything.loc["mu", "probability"], abs=1e-7)
    assert share.loc[0.0] == pytest.approx(trials.loc["mu", "probability"], abs=1e-7)


def test_every_rung_is_there_and_one_decides(climbed):
    assert list(climbed.rungs.index) == [
        "randomised",
        "discount 0.25",
        "discount 0.5",
        "robust_map",
        "mixture",
        "naive",
        "registered",
    ]
    assert set(climbed.rungs["engine"]) == {"exact"}
    assert list(climbed.rungs.index[climbed.rungs["registered"]]) == ["registered"]
    own = brw.summarise(brw.fit(analysis().model, rows(), engine=brw.Exact(draws=0)))
    assert climbed.rungs.loc["registered", "mean"] == pytest.approx(own.loc["mu", "mean"], abs=1e-9)
    assert climbed.contributions["weight"].sum() == pytest.approx(1.0)
    assert list(climbed.contributions.index) == ["rct", "cohort", "prior"]
    checks = [found.check for found in climbed.findings]
    assert "bias-hierarchy" in checks
    assert "design-conflict" in checks


def test_discounts_lie_between_the_ends(climbed):
    means = climbed.rungs["mean"]
    assert means["naive"] < means["discount 0.5"] < means["discount 0.25"] < means["randomised"]


@pytest.mark.parametrize("bias", [-0.8, -0.3, 0.1, 0.8])
def test_the_curve_of_bias_is_that_of_shifted_cohorts(climbed, bias):
    frame = pd.DataFrame({name: rows().data[name].to_numpy() for name in ("study", "se", "design")})
    shifted = EFFECT - np.array([0] * 4 + [bias] * 3)
    moved = brw.Evidence.from_frame(
        frame.assign(effect=shifted), measure="log_hazard_ratio", benefit="higher"
    )
    curve = climbed.curves["bias"]
    near = np.argmin(np.abs(curve["x"] - bias))
    assert curve["x"][near] == pytest.approx(bias, abs=1e-9)
    wanted = plain(moved).loc["mu", "probability"]
    assert curve["probability"][near] == pytest.approx(wanted, abs=1e-6)


def test_between_few_points_the_curve_of_bias_is_that_of_every_fit():
    """A polynomial where 17 points tell it, and each fit by itself where they do not."""
    terms = (brw.Intercept(Normal(0, 1)), brw.Exchangeable(HalfNormal(0.6)))
    whole = solve(brw.Model(terms=terms), rows())
    curve = _Curve(_Naive(whole, Rungs(bias_sd=0.2)).biased, Sides(higher=True))
    few = curve.laid(-0.2, 0.2)
    assert few.probits is not None
    for x in (-0.19, -0.11, 0.02, 0.13):
        assert few.probit(x) == pytest.approx(curve.probit(x), abs=1e-5)
    assert few.probit(0.3) == curve.probit(0.3)
    assert curve.laid(-0.8, 0.8).probits is None


def test_the_tipping_bias_is_where_the_pool_crosses(climbed):
    for level, row in climbed.tipping.to_dict(orient="index").items():
        if not np.isfinite(row["bias"]):
            continue
        shifted = EFFECT - np.array([0] * 4 + [row["bias"]] * 3)
        frame = pd.DataFrame({"study": [f"s{i}" for i in range(7)], "effect": shifted, "se": SE})
        moved = brw.Evidence.from_frame(frame, measure="log_hazard_ratio", benefit="higher")
        assert plain(moved).loc["mu", "probability"] == pytest.approx(level, abs=1e-6)
    assert np.isfinite(climbed.tipping["bias"]).any()


def biased(bias, effect, se, cohorts):
    """P(mu > 0) by a sum over tau of closed forms: nothing of the package."""
    y = effect - np.where(cohorts, bias, 0.0)
    tau = np.linspace(0, 3, 30_001)
    variance = se**2 + tau[:, None] ** 2
    precision = 1 / 0.5**2 + (1 / variance).sum(axis=1)
    mean = (y / variance).sum(axis=1) / precision
    log = -0.5 * (np.log(variance) + y**2 / variance).sum(axis=1)
    log += 0.5 * mean**2 * precision - 0.5 * np.log(precision) - 0.5 * (tau / 0.25) ** 2
    weight = np.exp(log - log.max())
    weight[0] /= 2
    return weight @ stats.norm.cdf(mean * np.sqrt(precision)) / weight.sum()


def test_a_tipping_bias_beyond_the_curve_is_looked_for_and_found():
    effect, se = np.full(7, 0.6), np.full(7, 0.1)
    design = ["rct"] * 2 + ["cohort"] * 5
    frame = pd.DataFrame(
        {"study": [f"s{i}" for i in range(7)], "effect": effect, "se": se, "design": design}
    )
    evidence = brw.Evidence.from_frame(frame, measure="log_hazard_ratio", benefit="higher")
    found = ladder(analysis(ladder=Rungs(mixture=None)), evidence, sampled=False)
    cohorts = np.array(design) == "cohort"
    row = found.tipping.loc[0.5]
    assert row["bias"] > 0.8
    wanted = brentq(lambda bias: biased(bias, effect, se, cohorts) - 0.5, 0.8, 3.0)
    assert row["bias"] == pytest.approx(wanted, abs=1e-4)
    curve = found.curves["bias"]
    assert curve["x"].min() < -0.8
    assert curve["x"].max() > row["bias"]


def test_a_level_that_no_bias_reaches_says_how_far_it_was_looked_for():
    # One imprecise cohort moves two precise trials of 0.6 by little, however biased it is.
    design = ["rct"] * 2 + ["cohort"]
    frame = pd.DataFrame(
        {
            "study": ["a", "b", "c"],
            "effect": [0.6, 0.6, 0.6],
            "se": [0.05, 0.05, 4.0],
            "design": design,
        }
    )
    evidence = brw.Evidence.from_frame(frame, measure="log_hazard_ratio", benefit="higher")
    found = ladder(analysis(ladder=Rungs(mixture=None)), evidence, sampled=False)
    assert np.isnan(found.tipping.loc[0.5, "bias"])
    assert found.tipping["within"].to_numpy() == pytest.approx(6.4)
    assert np.abs(found.curves["bias"]["x"]).max() == pytest.approx(0.8)
    assert not_within(6.4, measure_named("log_hazard_ratio")) == "not within ×600"
    assert not_within(0.8, measure_named("log_hazard_ratio")) == "not within ×2.2"
    assert not_within(0.8, measure_named("mean_difference")) == "not within ±0.8"


def test_conflict_is_the_tail_of_what_cohorts_predict():
    """By drawing both sides: the cohorts' predicted effect and the trials' mean, independently."""
    found = conflict(PLAIN, rows(), Rungs())
    ours = brw.fit(PLAIN, rows().select(design="rct"), engine=brw.Exact(draws=50_000), seed=1)
    biased = brw.Model(terms=(*PLAIN.terms, BiasHierarchy(Studies(NON_RANDOMISED), Normal(0, 0.2))))
    theirs = brw.fit(biased, rows().select(design="cohort"), engine=brw.Exact(draws=50_000), seed=2)
    gap = ours["posterior"]["mu"].to_numpy() - theirs["posterior"]["theta_new"].to_numpy()
    error = 0.5 / np.sqrt(gap.size)
    assert found.below == pytest.approx(np.mean(gap < 0), abs=4 * error)
    assert found.p == pytest.approx(2 * min(np.mean(gap < 0), np.mean(gap > 0)), abs=8 * error)
    assert found.z == pytest.approx(gap.mean() / gap.std(), abs=0.02)
    assert stats.norm.sf(abs(found.z)) * 2 == pytest.approx(found.p, abs=0.1)


def test_one_sided_evidence_is_named():
    short = analysis(ladder=Rungs(mixture=None))
    trials = ladder(short, rows(["rct"] * 7))
    assert list(trials.rungs.index) == ["randomised"]
    assert "No non-randomised study" in trials.findings[0].message
    cohorts = ladder(short, rows(["cohort"] * 7))
    assert "randomised" not in cohorts.rungs.index
    assert "robust_map" not in cohorts.rungs.index
    assert "registered" in cohorts.rungs.index
    assert "No randomised study" in cohorts.findings[0].message
    assert cohorts.conflict is None
    one = ladder(short, rows(["rct"] * 6 + ["cohort"]))
    assert any("One non-randomised estimate only" in found.message for found in one.findings)


@pytest.mark.parametrize("word", ["observational", ""])
def test_a_design_that_is_none_is_said_to_count_as_a_trial(word):
    found = ladder(analysis(ladder=Rungs(mixture=None)), rows(["rct"] * 5 + [word, "cohort"]))
    said = [finding.message for finding in found.findings]
    assert any(
        f"{word!r}" in text or "an empty cell" in text for text in said if "as trials" in text
    )
    plain_rows = ladder(analysis(ladder=Rungs(mixture=None)), rows())
    assert not any("count as trials" in finding.message for finding in plain_rows.findings)


def test_the_registered_rung_must_exist():
    with pytest.raises(SpecError, match=r"small: ladder.registered is 'robust'.*robust_map"):
        ladder(analysis(ladder=Rungs(registered="robust")), rows())


def test_a_ladder_is_registered_in_toml():
    text = """
schema = 1
id = "small"
title = "Small"
question = "Does it?"
seed = 1
[evidence]
dataset = "none"
measure = "log_hazard_ratio"
[[term]]
kind = "intercept"
prior = { kind = "normal", sd = 0.5 }
[[term]]
kind = "exchangeable"
tau = { kind = "half_normal", scale = 0.25 }
[ladder]
registered = "robust_map"
shares = [0.1]
bias_sd = 0.3
studies = { values = ["cohort"] }
"""
    found = ladder(parse(text, "small.toml"), rows(), sampled=False)
    assert list(found.rungs.index[found.rungs["registered"]]) == ["robust_map"]
    assert "discount 0.1" in found.rungs.index


def test_the_command_prints_one_document():
    done = CliRunner().invoke(main, ["ladder", "time-to-rtw-all-designs", "--exact", "--json"])
    assert done.exit_code == 0, done.stderr
    found = json.loads(done.stdout)
    by_name = {rung["name"]: rung for rung in found["rungs"]}
    assert by_name["registered"]["registered"]
    assert "mixture" not in by_name
    assert any("must be sampled" in each["message"] for each in found["findings"])
    assert "convenience sample" in found["caveat"]
    assert len(found["curves"]["bias"]) == 33


def test_table_and_pictures_are_written(climbed, tmp_path):
    folder = write(climbed, analysis(), tmp_path)
    assert {path.name for path in folder.iterdir()} == {
        "ladder.json",
        "ladder.csv",
        *(
            f"{name}.{end}"
            for name in ("ladder", "tipping-bias", "tipping-share")
            for end in ("svg", "png")
        ),
    }
    table = pd.read_csv(folder / "ladder.csv").set_index("name")
    assert table.loc["naive", "median_back"] == pytest.approx(
        np.exp(climbed.rungs.loc["naive", "median"])
    )
    assert "robust_map" in (folder / "ladder.svg").read_text(encoding="utf-8")


def test_every_bias_is_reached_from_toml():
    """One file with each kind; what is read back is what was written."""
    text = """
schema = 1
id = "biases"
title = "Biases"
question = "Does it?"
seed = 1
[evidence]
dataset = "none"
measure = "log_hazard_ratio"
[[term]]
kind = "robust_map"
studies = { values = ["cohort"] }
prior = { kind = "normal", sd = 0.5 }
tau = { kind = "half_normal", scale = 0.25 }
robust = { kind = "normal", sd = 0.5 }
[[term]]
kind = "discount"
studies = { values = ["cohort"] }
share = 0.5
[[term]]
kind = "additive_bias"
name = "stated"
studies = { values = ["cohort"] }
mean = 0.0
sd = 0.2
[[term]]
kind = "bias_hierarchy"
studies = { values = ["cohort"] }
common = { kind = "normal", sd = 0.2 }
[[term]]
kind = "directed_bias"
name = "inflation"
studies = { values = ["rct"], judged = ["high"] }
size = { kind = "half_normal", scale = 0.1 }
[[term]]
kind = "bias_mixture"
[[term.groups]]
name = "cohorts"
values = ["cohort"]
common = { kind = "normal", sd = 0.2 }
spread = { kind = "half_normal", scale = 0.15 }
[[term.groups.classes]]
judgement = ""
mean = 0.6
[[term]]
kind = "by_group"
column = "design"
tau = { kind = "half_normal", scale = 0.25 }
[[term.groups]]
name = "trials"
members = ["rct"]
reason = "randomised"
[[term.groups]]
name = "others"
members = ["cohort"]
reason = "not randomised"
"""
    found = parse(text, "biases.toml")
    kinds = [table["kind"] for table in encode(found)["term"]]
    assert kinds == [
        "robust_map",
        "discount",
        "additive_bias",
        "bias_hierarchy",
        "directed_bias",
        "bias_mixture",
        "by_group",
    ]
    assert decode(Analysis, encode(found), where="again", faults=Faults(SpecError)) == found


def test_rungs_that_an_analysis_leaves_out_are_not_climbed_and_said() -> None:
    built, notes = rungs(PLAIN, rows(), Rungs(left_out=("robust_map", "mixture")))
    names = [each.name for each in built]
    assert "randomised" in names
    assert not {"robust_map", "mixture"} & set(names)
    assert any("leaves rungs out: robust_map, mixture" in each.message for each in notes)
    with pytest.raises(SpecError, match="left_out holds 'naive'; rungs that may be"):
        Rungs(left_out=("naive",))
