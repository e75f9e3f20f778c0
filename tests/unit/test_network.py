"""Networks of treatments: published leagues and ranks, dense grids by hand, and what is refused."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from networks import (
    NETWORKS,
    SMOKING,
    TAUS,
    by_hand,
    network_of,
    pair_of,
    parkinsons,
    smoking,
)
from scipy.stats import halfnorm, norm

import bayesrtw as brw
from bayesrtw.engine import solve
from bayesrtw.errors import EvidenceError, SpecError
from bayesrtw.model.arm_effects import Arms
from bayesrtw.model.checked import check
from bayesrtw.model.components import Components
from bayesrtw.model.prior import HalfNormal, Normal, Uniform
from bayesrtw.model.single import BinomialSingle
from bayesrtw.report.figures import forests


def test_a_league_is_a_dense_sum_in_both_directions() -> None:
    evidence, model = parkinsons(), network_of("1")
    names = list("12345")
    parts = by_hand(evidence, names)
    found = brw.network.league(model, evidence)
    for one, name in enumerate(names):
        for other, against in enumerate(names):
            if one == other:
                continue
            weight, mean, sd = pair_of(parts, one, other)
            row = found.table.loc[(name, against)]
            assert row["mean"] == pytest.approx(weight @ mean, abs=1e-6)
            variance = weight @ (sd**2 + (mean - weight @ mean) ** 2)
            assert row["sd"] == pytest.approx(np.sqrt(variance), abs=1e-5)
            # Lower is better; each end has its probability below it.
            assert row["better"] == pytest.approx(weight @ norm.cdf(-mean / sd), abs=1e-6)
            for level, end in ((0.5, "median"), (0.025, "lower"), (0.975, "upper")):
                below = weight @ norm.cdf((row[end] - mean) / sd)
                assert below == pytest.approx(level, abs=1e-6)
    assert found.better.loc["2", "1"] + found.better.loc["1", "2"] == pytest.approx(1.0, abs=1e-12)
    assert found.cells.loc["2", "1"].startswith("−1.8")
    assert found.cells.loc["1", "2"].startswith("1.8")
    assert found.cells.loc["1", "1"] == ""
    assert "mean difference of the row's treatment against the column's" in found.describe()


def test_a_league_of_ratios_and_thresholds() -> None:
    evidence, model = smoking(), network_of("No intervention")
    whole = solve(model, evidence)
    found = brw.network.league(whole, treatments=[SMOKING["D"], SMOKING["A"]])
    one, inverse = (
        found.table.loc[pair]
        for pair in ((SMOKING["D"], SMOKING["A"]), (SMOKING["A"], SMOKING["D"]))
    )
    assert found.cells.loc[SMOKING["D"], SMOKING["A"]] == (
        f"{np.exp(one['median']):.2f} ({np.exp(one['lower']):.2f} to {np.exp(one['upper']):.2f})"
    )
    assert np.exp(one["median"]) * np.exp(inverse["median"]) == pytest.approx(1.0)
    far = brw.network.league(whole, threshold=0.3).table["better"]
    assert far[(SMOKING["D"], SMOKING["A"])] < one["better"]
    assert far[(SMOKING["D"], SMOKING["A"])] + far[(SMOKING["A"], SMOKING["D"])] < 1.0
    weight, mean, sd = pair_of(by_hand(evidence, list(SMOKING.values())), 3, 0)
    assert far[(SMOKING["D"], SMOKING["A"])] == pytest.approx(
        weight @ norm.cdf((mean - 0.3) / sd), abs=1e-6
    )
    # A new setting adds the heterogeneity of a contrast.
    new = brw.network.league(whole, new=True).table.loc[(SMOKING["D"], SMOKING["A"])]
    spread = weight @ (sd**2 + TAUS**2 + (mean - weight @ mean) ** 2)
    assert new["sd"] == pytest.approx(np.sqrt(spread), abs=1e-5)


def test_ranks_are_those_of_draws_by_hand() -> None:
    evidence, model = smoking(), network_of("No intervention")
    found = brw.network.ranks(model, evidence, draws=60_000)
    parts, rng = by_hand(evidence, list(SMOKING.values())), np.random.default_rng(1)
    share = np.array([part[0] for part in parts])
    drawn = []
    for many, (_, mean, covariance) in zip(rng.multinomial(400_000, share), parts, strict=True):
        if many:
            drawn.append(rng.multivariate_normal(mean, covariance, many))
    effects = np.concatenate(drawn)
    effects = np.column_stack([np.zeros(len(effects)), effects])
    rank = np.argsort(np.argsort(-effects, axis=1), axis=1) + 1
    names = list(SMOKING.values())
    truth = np.array([[np.mean(own == place) for place in range(1, 5)] for own in rank.T])
    told = found.distribution.loc[names].to_numpy()
    noise = np.sqrt(truth * (1 - truth)) * np.sqrt(1 / 400_000 + 1 / 60_000)
    assert np.all(np.abs(told - truth) <= 4 * noise + 1e-5)
    errors = found.error.loc[names].to_numpy()
    assert errors == pytest.approx(np.sqrt(truth * (1 - truth) / 60_000), rel=0.1, abs=2e-5)
    # Mean ranks are exact, and not those of the draws.
    mean_rank = []
    for one in range(4):
        chance = [pair_of(parts, other, one) for other in range(4) if other != one]
        mean_rank.append(1 + sum(weight @ norm.cdf(mean / sd) for weight, mean, sd in chance))
    assert found.table["mean"].loc[names].to_numpy() == pytest.approx(mean_rank, abs=1e-6)
    assert found.table["sucra"].loc[names].to_numpy() == pytest.approx(
        (4 - np.array(mean_rank)) / 3, abs=1e-6
    )
    assert "P(best) = 0.6" in found.describe()
    assert "Monte Carlo" in found.describe()
    two = brw.network.ranks(model, evidence, treatments=[SMOKING["B"], SMOKING["D"]])
    weight, mean, sd = pair_of(parts, 3, 1)
    assert two.table.loc[SMOKING["D"], "best"] == pytest.approx(
        weight @ norm.cdf(mean / sd), abs=1e-6
    )
    assert "exact" in two.describe()


@pytest.mark.slow
def test_smoking_cessation_as_counts_is_published() -> None:
    # NICE DSU TSD4, random effects, as the tests of multinma 0.8.0 repeat it: mean, SD, interval.
    evidence = smoking()
    model = network_of("No intervention")
    whole = solve(brw.Model(terms=model.terms, likelihood=BinomialSingle()), evidence)
    found = brw.network.league(whole)
    published = {
        "AB": (0.49, 0.40, -0.29, 1.31),
        "AC": (0.84, 0.24, 0.39, 1.34),
        "AD": (1.10, 0.44, 0.26, 2.00),
        "BC": (0.35, 0.41, -0.46, 1.18),
        "BD": (0.61, 0.49, -0.34, 1.59),
        "CD": (0.26, 0.41, -0.55, 1.09),
    }
    for (against, one), figures in published.items():
        row = found.table.loc[(SMOKING[one], SMOKING[against])]
        told = row[["mean", "sd", "lower", "upper"]].to_numpy()
        assert told == pytest.approx(figures, abs=0.012), one + against
    tau = whole.posterior.hyper["tau"]
    assert tau.quantile(np.array([0.5, 0.025, 0.975])) == pytest.approx(
        [0.82, 0.55, 1.27], abs=0.012
    )
    # The vignette of multinma 0.8.0: 4000 draws, standard errors up to 0.01 beside two decimals.
    ranks = brw.network.ranks(whole)
    told = ranks.distribution.loc[[SMOKING[each] for each in "ADCB"]].to_numpy()
    probabilities = [
        [0.00, 0.00, 0.11, 0.89],
        [0.71, 0.23, 0.06, 0.00],
        [0.24, 0.60, 0.15, 0.00],
        [0.05, 0.17, 0.68, 0.10],
    ]
    assert told == pytest.approx(np.array(probabilities), abs=0.025)
    # Draws take coefficients at the nearest node of tau; integrals at all of them.
    tree = brw.fit(
        brw.Model(terms=model.terms, likelihood=BinomialSingle()),
        evidence,
        engine=brw.Exact(chains=4, draws=2_000, study_effects=False),
        seed=2,
    )
    drawn = tree["posterior"]["beta"].to_numpy().reshape(8_000, 3)
    exact = brw.summarise(tree).loc[
        [name for name in brw.summarise(tree).index if name.startswith("beta")]
    ]
    z = (drawn.mean(axis=0) - exact["mean"].to_numpy()) / exact["sd"].to_numpy() * np.sqrt(8_000)
    assert np.abs(z).max() < 4
    assert drawn.std(axis=0) == pytest.approx(exact["sd"].to_numpy(), rel=0.04)


def test_sets_of_components_are_treatments() -> None:
    frame = pd.DataFrame(
        {
            "study": ["a", "a", "b", "b", "c", "c", "d", "d"],
            "arm": ["none", "x", "usual", "y", "x", "y + x", "none", "z"],
            "mean": [0.0, 1.0, 0.1, 0.6, 0.9, 1.7, 0.0, -0.5],
            "se": 0.2,
        }
    )
    terms = (
        Components(Normal(0, 2), arm="arm", none=("none", "usual")),
        Arms(HalfNormal(0.3), baseline=Normal(0, 10)),
    )
    evidence = brw.Evidence.from_arms(frame, benefit="higher")
    found = brw.network.league(brw.Model(terms=terms), evidence)
    assert found.names == ("none / usual", "x", "y", "y + x", "z")
    # x and y were never compared with z together: what they add up is.
    told = found.table["mean"]
    assert told[("y + x", "z")] == pytest.approx(
        told[("x", "none / usual")] + told[("y", "none / usual")] - told[("z", "none / usual")]
    )
    by_name = brw.network.league(brw.Model(terms=terms), evidence, treatments=["x + y", "z"])
    assert by_name.names == ("y + x", "z")
    assert by_name.table["mean"].iloc[0] == pytest.approx(told[("y + x", "z")])


def test_a_network_in_pieces_is_named_with_its_studies() -> None:
    evidence, model = parkinsons(), network_of("1")
    assert not {"network-in-pieces", "aliased"} & {each.check for each in check(model, evidence)}
    # Without the studies that have 4 beside 1, 2 or 3 the treatments 4 and 5 stand alone.
    torn = evidence.rows(~np.isin(evidence.data["study"].to_numpy(), ["3", "4", "5"]))
    found = {each.check: each for each in check(model, torn)}
    told = found["network-in-pieces"]
    assert told.severity == "warning"
    assert "2 pieces: '1', '3', '2' (studies '1', '2'); '4', '5' (studies '6', '7')" in told.message
    assert "Bridge them by a study" in told.message
    assert "aliased" not in found
    frame = pd.DataFrame(
        {
            "study": ["a", "a", "b", "b", "c", "c"],
            "arm": ["none", "x", "none", "y", "x + y", "x + z"],
            "mean": [0.0, 1.0, 0.1, 0.6, 0.9, 1.7],
            "se": 0.2,
        }
    )
    parts = Components(Normal(0, 2), arm="arm", none=("none",))
    arms = Arms(HalfNormal(0.3), baseline=Normal(0, 10))
    joined = brw.Evidence.from_arms(frame, benefit="higher")
    found = {each.check: each for each in check(brw.Model(terms=(parts, arms)), joined)}
    assert found["joined-by-components"].severity == "note"
    # Usual care with a component of its own, in every arm of every study: a baseline holds it.
    usual = joined.data["arm"].to_numpy().astype(str)
    everywhere = replace(
        joined,
        data=joined.data.assign(
            arm=("estimate", np.array([f"{arm} + care" for arm in usual], dtype=object))
        ),
    )
    found = {each.check: each for each in check(brw.Model(terms=(parts, arms)), everywhere)}
    assert "component[care]" in found["aliased"].message


def test_moderators_by_comparison_count_each_study_once() -> None:
    seen = pd.read_csv(NETWORKS / "parkinsons.csv")[["studyn", "trtn", "y", "se"]]
    year = {1: 1990.0, 2: 1992.0, 3: 1994.0, 4: 2010.0, 5: np.nan, 6: 2012.0, 7: 2014.0}
    place = {1: "a", 2: "a", 3: "b", 4: "b", 5: "", 6: "b", 7: "b"}
    seen = seen.assign(year=seen.studyn.map(year), setting=seen.studyn.map(place))
    headings = {"studyn": "study", "trtn": "arm", "y": "mean"}
    evidence = brw.Evidence.from_arms(seen, columns=headings, benefit="lower")
    found = brw.network.transitivity(network_of("1"), evidence, columns=["year", "setting"])
    told = found.table
    assert told.loc[("year", "4", "3"), ["studies", "mean", "missing"]].tolist() == [1, 2010.0, 1]
    assert told.loc[("year", "2", "1"), ["studies", "mean", "least", "most"]].tolist() == [
        2,
        1993.0,
        1992.0,
        1994.0,
    ]
    every = np.array([1990.0, 1992.0, 1994.0, 2010.0, 2012.0, 2014.0])
    assert told.loc[("year", "5", "4"), "apart"] == pytest.approx(
        (2013.0 - every.mean()) / every.std(ddof=1)
    )
    assert told.loc[("setting: a", "all", ""), "mean"] == pytest.approx(2 / 6)
    assert told.loc[("setting: a", "2", "1"), "mean"] == pytest.approx(1 / 2)
    assert "year in 3 vs 1 (1990, 1 study, -1.1 SDs)" in found.describe()
    with pytest.raises(SpecError, match="no column 'years'; did you mean 'year'"):
        brw.network.transitivity(network_of("1"), evidence, columns=["years"])
    with pytest.raises(SpecError, match="no moderator beside its arms"):
        brw.network.transitivity(network_of("1"), evidence)


def test_absolute_effects_come_from_a_stated_baseline() -> None:
    evidence, model = smoking(), network_of("No intervention")
    whole = solve(model, evidence)
    stated = {"of": SMOKING["A"], "value": 0.08, "source": "a survey of 2020"}
    certain = brw.network.absolute(whole, **stated)
    league = brw.network.league(whole).table
    row = league.loc[(SMOKING["D"], SMOKING["A"])]
    odds = 0.08 / 0.92 * np.exp(row[["median", "lower", "upper"]].to_numpy(dtype=float))
    assert certain.table.loc[SMOKING["D"]].to_numpy() == pytest.approx(odds / (1 + odds), rel=1e-9)
    assert certain.table.loc[SMOKING["A"]].tolist() == pytest.approx([0.08] * 3)
    wide = brw.network.absolute(whole, **stated, interval=(0.05, 0.125))
    # The same by a dense sum: the log odds of the survey, normal, and the difference.
    low, mid, high = (np.log(p / (1 - p)) for p in (0.05, 0.08, 0.125))
    weight, mean, sd = pair_of(by_hand(evidence, list(SMOKING.values())), 3, 0)
    spread = np.hypot(sd, (high - low) / (2 * norm.ppf(0.975)))
    for end, level in (("lower", 0.025), ("median", 0.5), ("upper", 0.975)):
        p = wide.table.loc[SMOKING["D"], end]
        at = np.log(p / (1 - p))
        assert weight @ norm.cdf((at - mid - mean) / spread) == pytest.approx(level, abs=1e-6)
    assert wide.table.loc[SMOKING["A"], "upper"] > 0.12
    assert "No intervention has that of a survey of 2020" in wide.describe()
    new = brw.network.absolute(whole, **stated, new=True).table
    assert new.loc[SMOKING["D"], "upper"] > certain.table.loc[SMOKING["D"], "upper"]
    assert new.loc[SMOKING["A"]].tolist() == pytest.approx([0.08] * 3)
    wrong = [
        ({"source": " "}, "say where the number is from"),
        ({"value": 1.2}, "give a proportion as it is printed"),
        ({"interval": (0.1, 0.2)}, "outside its interval"),
        ({"of": "Nothing"}, "there is no treatment 'Nothing'"),
    ]
    for each, said in wrong:
        with pytest.raises(SpecError, match=said):
            brw.network.absolute(whole, **(stated | each))


def test_what_no_league_answers_is_named() -> None:
    evidence, model = parkinsons(), network_of("1")
    with pytest.raises(SpecError, match=r"no treatment '9' in the rows"):
        brw.network.league(model, evidence, treatments=["1", "9"])
    with pytest.raises(SpecError, match="threshold is the size of a difference"):
        brw.network.league(model, evidence, threshold=-0.1)
    with pytest.raises(SpecError, match="name at least two"):
        brw.network.league(model, evidence, treatments=["1"])
    plain = brw.Evidence.from_frame(pd.DataFrame({"study": list("ab"), "effect": 0.1, "se": 0.2}))
    pooled = brw.Model(terms=(brw.Intercept(Normal(0, 1)), brw.Exchangeable(HalfNormal(0.5))))
    with pytest.raises(SpecError, match="add `components`"):
        brw.network.league(pooled, plain)
    seen = pd.read_csv(NETWORKS / "parkinsons.csv")[["studyn", "trtn", "y", "se"]]
    headings = {"studyn": "study", "trtn": "arm", "y": "mean"}
    unstated = brw.Evidence.from_arms(seen, columns=headings)
    with pytest.raises(SpecError, match="no direction of benefit is stated"):
        brw.network.ranks(model, unstated)
    assert "P(above 0)" in brw.network.league(model, unstated).describe()


def test_what_is_said_of_a_sample_has_its_caveat() -> None:
    bare, model = parkinsons(), network_of("1")
    caveat = "A convenience sample, not a systematic review."
    evidence = replace(bare, provenance=replace(bare.provenance, caveat=caveat))
    members = {"old": ["2", "3"]}
    ask = brw.network
    found = [
        *(verb(model, evidence) for verb in (ask.league, ask.ranks, ask.splits, ask.unrelated)),
        ask.graph(model, evidence),
        ask.designs(model, evidence, sd=HalfNormal(1.0)),
        ask.classes(model, evidence, members=members, sd=HalfNormal(0.5)),
        ask.transitivity(model, evidence, columns=["se"]),
        ask.absolute(model, evidence, of="1", value=-1.0, source="a trial"),
    ]
    for each in found:
        assert each.describe().endswith(f"Caveat: {caveat}"), type(each)
        assert caveat in each._repr_html_()


def test_a_synthesis_of_arms_is_asked_as_a_network(
    plain: tuple[brw.Synthesis, dict[str, Any]],
) -> None:
    synthesis = plain[0]
    asked = tuple(each for each in synthesis.analysis.estimand if each.of in ("mu", "tau"))
    model = network_of("1")
    analysis = replace(
        synthesis.analysis,
        evidence=replace(synthesis.analysis.evidence, measure="mean_difference"),
        term=model.terms,
        likelihood=model.likelihood,
        estimand=asked,
        variant=(),
    )
    ran = brw.run(analysis, parkinsons())
    told, bare = (brw.network.league(each) for each in (ran, solve(network_of("1"), parkinsons())))
    pd.testing.assert_frame_equal(told.table, bare.table)
    said = {each.check: each.message for each in ran.findings}
    assert said["single-arms"].startswith("15 of 15 rows are single arms")
    with pytest.raises(SpecError, match=r"rows are single arms; ask brw\.network"):
        ran.plot("forest")
    with pytest.raises(EvidenceError, match="the term `arms` with a baseline"):
        brw.run(parkinsons())


ANALYSIS = """
schema = 1
id = "park"
title = "Off-time"
question = "Which drug?"
registered = 2026-11-30
revision = 1
seed = 1

[evidence]
dataset = "{path}"
measure = "mean_difference"

[[term]]
kind = "components"
arm = "arm"
none = ["1"]
prior = {{ kind = "normal", mean = 0.0, sd = 100.0 }}

[[term]]
kind = "arms"
tau = {{ kind = "half_normal", scale = 5.0 }}
baseline = {{ kind = "normal", mean = 0.0, sd = 100.0 }}

[[estimand]]
name = "two"
of = "mu"
at = {{ arm = "2" }}
"""


def test_a_file_of_arms_is_a_network_where_an_analysis_asks_for_one(tmp_path: Path) -> None:
    seen = pd.read_csv(NETWORKS / "parkinsons.csv")[["studyn", "trtn", "y", "se"]]
    seen.columns = ["study", "arm", "mean", "se"]
    seen.to_csv(tmp_path / "arms.csv", index=False)
    (tmp_path / "park.toml").write_text(ANALYSIS.format(path=tmp_path / "arms.csv"))
    analysis = brw.open_analysis(tmp_path / "park.toml")
    told = brw.run(analysis)
    exact = solve(network_of("1"), parkinsons()).posterior.effects["beta[component[2]]"]
    row = told.estimates.loc["two"]
    assert (row["mean"], row["sd"]) == pytest.approx(exact.moments(), abs=1e-7)
    # Numbers of single arms are no effects: no forest, no weights, no doubt about halves of two groups.
    assert list(forests(told)) == ["network", "league"]
    checks = {each.check for each in told.findings}
    assert not checks & {"prior-weight", "se-too-small"}
    assert "weight_in_mu" not in told.posterior["quadrature"]
    seen.assign(arm="1").to_csv(tmp_path / "arms.csv", index=False)
    with pytest.raises(
        EvidenceError, match=r"arms\.csv: row 3 .*'1' stands in row 2 of this study"
    ):
        brw.run(analysis)


def test_parkinsons_ranks_and_absolute_effects_are_published() -> None:
    # NICE DSU TSD2, example 5, common effect; ranks and the prediction from a baseline of N(-0.73, 1/21) as
    # the vignette of multinma 0.8.0 has them: 4000 draws, standard errors of ends of intervals up to 0.03.
    parts, arms = network_of("1").terms
    whole = solve(brw.Model(terms=(parts, replace(arms, tau=None))), parkinsons())
    ranks = brw.network.ranks(whole).distribution.loc[list("12345")].to_numpy()
    published = [
        [0.00, 0.04, 0.06, 0.11, 0.79],
        [0.95, 0.04, 0.01, 0.00, 0.00],
        [0.00, 0.17, 0.26, 0.45, 0.12],
        [0.00, 0.04, 0.49, 0.39, 0.07],
        [0.04, 0.71, 0.18, 0.05, 0.01],
    ]
    assert ranks == pytest.approx(np.array(published), abs=0.025)
    half = norm.ppf(0.975) / np.sqrt(21)
    stated = {"of": "1", "value": -0.73, "interval": (-0.73 - half, -0.73 + half), "source": "TSD2"}
    found = brw.network.absolute(whole, **stated).table.loc[list("12345")].to_numpy()
    middles = [
        [-0.73, -1.16, -0.29],
        [-2.53, -3.33, -1.74],
        [-1.22, -2.27, -0.17],
        [-1.28, -2.29, -0.24],
        [-1.58, -2.68, -0.44],
    ]
    assert found == pytest.approx(np.array(middles), abs=0.06)


def test_one_effect_of_psychological_programmes_is_that_of_another_system() -> None:
    # Total cholesterol of 14 trials by Welton et al. 2009, doi:10.1093/aje/kwp014, the model of one effect of
    # all programmes, as the R package gemtc tables it (mean, SD, people of both arms) and validates itself
    # by: 0.3191 (SD 0.0924; 0.1311 to 0.5016) of usual care against a programme, SD between studies 0.2904
    # (0.0885; 0.1536, 0.2774, 0.5019), by MCMC with Monte Carlo errors of 0.0008 and 0.0013. SD uniform up
    # to the largest difference, effect N(0, (15 times that)^2), as gemtc has them.
    rows = [
        ("1", -0.82, 0.94, 243, -0.09, 1.202, 244),
        ("12", -0.279, 0.799, 216, -0.206, 0.756, 217),
        ("13", -0.2, 0.854400375, 44, -0.5, 0.953939201, 36),
        ("20", -0.7, 0.888819442, 48, 0.0, 1.0, 47),
        ("21", -0.94, 0.746, 23, -0.117, 0.249, 20),
        ("22", -0.6, 0.99, 99, -0.3, 1.546, 102),
        ("24", 0.3, 1.374772708, 43, 0.1, 1.113552873, 43),
        ("25", -0.96, 1.217374223, 20, -0.8, 0.862554346, 15),
        ("33", -0.43, 0.948208838, 45, -0.05, 1.127430707, 46),
        ("40", -0.22, 0.855394646, 130, 0.0, 0.921466223, 119),
        ("49", -0.454, 0.891, 118, -0.25, 0.754, 109),
        ("51", -0.43, 1.070140178, 84, -0.12, 0.939521155, 84),
        ("55", -0.27, 0.998967467, 107, 0.16, 0.947071275, 112),
        ("56", -0.54, 1.067, 331, -0.18, 1.047, 348),
    ]
    arms = [
        (study, arm, *numbers)
        for study, *both in rows
        for arm, numbers in (("psychological", both[:3]), ("usual care", both[3:]))
    ]
    frame = pd.DataFrame(arms, columns=["study", "arm", "mean", "sd", "n"])
    terms = (
        Components(Normal(0, 15 * 0.823), arm="arm", none=("usual care",)),
        Arms(Uniform(0.823), baseline=Normal(0, 100)),
    )
    evidence = brw.Evidence.from_arms(frame, benefit="lower")
    told = brw.summarise(brw.fit(brw.Model(terms=terms), evidence, engine=brw.Exact(draws=0)))
    effect = told.loc["beta[component[psychological]]"]
    assert [-effect["mean"], effect["sd"]] == pytest.approx([0.3191, 0.0924], abs=0.0024)
    assert [-effect["upper"], -effect["lower"]] == pytest.approx([0.1311, 0.5016], abs=0.006)
    spread = told.loc["tau", ["mean", "sd", "lower", "median", "upper"]].astype(float).tolist()
    assert spread == pytest.approx([0.2904, 0.0885, 0.1536, 0.2774, 0.5019], abs=0.006)


def test_a_star_of_small_trials_is_a_sum_of_lines() -> None:
    # One trial a component and twenty people an arm: given the SD of effects components are independent, so
    # that sums over lattices of baselines and of one effect are exact. No code of the package.
    tables = [(3, 4), (2, 0), (1, 5), (4, 2)]
    rows = [
        (f"S{place}", arm, r, 20)
        for place, both in enumerate(tables)
        for arm, r in zip(("none", f"c{place}"), both, strict=True)
    ]
    frame = pd.DataFrame(rows, columns=["study", "arm", "events", "n"])
    evidence = brw.Evidence.from_arms(frame, measure="log_odds_ratio")
    terms = (
        Components(Normal(0, 1), arm="arm", none=("none",)),
        Arms(HalfNormal(0.5), baseline=Normal(0, 2)),
    )
    whole = solve(brw.Model(terms=terms, likelihood=BinomialSingle()), evidence)
    # In probability, of what series leave out: numbers below are held to less.
    assert whole.posterior.error < 5e-4

    line, w = np.polynomial.hermite_e.hermegauss(31)
    effect, base = np.linspace(-6, 6, 601), np.linspace(-9, 9, 181)
    at, prior = np.linspace(-16, 16, 3201), norm.pdf(effect)
    taus = np.linspace(0.0, 2.5, 41)
    each, totals = [], np.ones(len(taus))
    for none, some in tables:
        dense = []
        for tau in taus:
            p = 1.0 / (1.0 + np.exp(-(at[:, None] + tau / np.sqrt(2) * line)))
            first, second = ((p**r * (1 - p) ** (20 - r)) @ w for r in (none, some))
            seen = np.interp(base, at, first) * norm.pdf(base, scale=2.0)
            dense.append(np.interp(effect[:, None] + base, at, second) @ seen * prior)
        each.append(np.array(dense))
        totals *= each[-1].sum(axis=1)
    weight = totals * halfnorm.pdf(taus, scale=0.5) * np.where(np.arange(len(taus)) % 40, 1.0, 0.5)
    for place, dense in enumerate(each):
        density = (weight / dense.sum(axis=1)) @ dense / weight.sum()
        mean = density @ effect
        sd = np.sqrt(density @ (effect - mean) ** 2)
        found = whole.posterior.effects[f"beta[component[c{place}]]"]
        assert found.moments() == pytest.approx((mean, sd), abs=2e-4)
        upto = np.cumsum(density) - 0.5 * density
        ends = np.interp([0.025, 0.5, 0.975], upto, effect)
        assert found.quantile(np.array([0.025, 0.5, 0.975])) == pytest.approx(ends, abs=1e-3)
