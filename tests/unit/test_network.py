"""Networks of treatments: published leagues, ranks and splits, dense grids by hand, and what is refused."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.stats import halfnorm, norm

import bayesrtw as brw
from bayesrtw.engine import solve
from bayesrtw.errors import EngineRefusal, SpecError
from bayesrtw.evidence.covariance import Dependence
from bayesrtw.model.arm_effects import Arms
from bayesrtw.model.checked import check
from bayesrtw.model.components import Components
from bayesrtw.model.prior import HalfNormal, Normal
from bayesrtw.model.single import BinomialSingle

NETWORKS = Path(__file__).parents[1] / "networks"

#: Treatments of smoking cessation as NICE DSU TSD4 calls them.
SMOKING = {
    "A": "No intervention",
    "B": "Self-help",
    "C": "Individual counselling",
    "D": "Group counselling",
}

#: Heterogeneity SDs, denser near 0: a trapezium rule on their roots.
TAUS = 40.0 * np.linspace(0.0, 1.0, 2001) ** 2


def _smoking() -> brw.Evidence:
    seen = pd.read_csv(NETWORKS / "smoking.csv")
    headings = {"studyn": "study", "trtc": "arm", "r": "events"}
    return brw.Evidence.from_arms(seen, columns=headings, benefit="higher")


def _parkinsons() -> brw.Evidence:
    seen = pd.read_csv(NETWORKS / "parkinsons.csv")[["studyn", "trtn", "y", "se"]]
    headings = {"studyn": "study", "trtn": "arm", "y": "mean"}
    return brw.Evidence.from_arms(seen, columns=headings, benefit="lower")


def _network(none: str, tau: float = 5.0, sd: float = 100.0) -> brw.Model:
    terms = (
        Components(Normal(0, sd), arm="arm", none=(none,)),
        Arms(HalfNormal(tau), baseline=Normal(0, 100)),
    )
    return brw.Model(terms=terms)


def _by_hand(
    evidence: brw.Evidence, names: list[str], sd: float = 100.0
) -> list[tuple[float, np.ndarray, np.ndarray]]:
    """Do the same for effects of treatments against the first."""
    arm = evidence.data["arm"].to_numpy().astype(str)
    return _dense(evidence, np.array([[float(a == b) for b in names[1:]] for a in arm]), sd)


def _dense(
    evidence: brw.Evidence, columns: np.ndarray, sd: float = 100.0
) -> list[tuple[float, np.ndarray, np.ndarray]]:
    """Weights of tau on a grid, and mean and covariance of coefficients given each.

    Baselines N(0, 100^2), coefficients N(0, sd^2), tau half-normal(5): dense normals, no code of the package.
    """
    study = evidence.data["study"].to_numpy().astype(str)
    effect, se = (evidence.data[name].to_numpy() for name in ("effect", "se"))
    together = (study[:, None] == study).astype(float)
    parts, logs = [], []
    for tau in TAUS:
        seen = np.diag(se**2 + tau**2 / 2) + 100.0**2 * together
        inverse = np.linalg.inv(seen)
        precision = columns.T @ inverse @ columns + np.eye(columns.shape[1]) / sd**2
        covariance = np.linalg.inv(precision)
        mean = covariance @ columns.T @ inverse @ effect
        log = -0.5 * (effect @ inverse @ effect - mean @ precision @ mean)
        log += -0.5 * (np.linalg.slogdet(seen)[1] + np.linalg.slogdet(precision)[1])
        logs.append(log + halfnorm.logpdf(tau, scale=5.0))
        parts.append((mean, covariance))
    weight = np.exp(np.array(logs) - max(logs)) * np.sqrt(TAUS)
    weight /= weight.sum()
    return [(share, *part) for share, part in zip(weight, parts, strict=True)]


def _moments(parts: list[tuple[float, np.ndarray, np.ndarray]], line: np.ndarray) -> tuple:
    """Mean, SD, and probability above 0 of a combination of coefficients."""
    found = [(share, line @ mean, line @ spread @ line) for share, mean, spread in parts]
    weight, mean, variance = (np.array(each) for each in zip(*found, strict=True))
    middle = weight @ mean
    spread = np.sqrt(weight @ (variance + (mean - middle) ** 2))
    return middle, spread, weight @ norm.cdf(mean / np.sqrt(variance))


def _against(parts: list[tuple[float, np.ndarray, np.ndarray]], one: int, other: int) -> tuple:
    """Weights, means and SDs of one treatment against another, 0 the first."""
    line = np.zeros(len(parts[0][1]) + 1)
    line[one] += 1.0
    line[other] -= 1.0
    line = line[1:]
    found = [(share, line @ mean, np.sqrt(line @ spread @ line)) for share, mean, spread in parts]
    return tuple(np.array(each) for each in zip(*found, strict=True))


def test_a_league_is_a_dense_sum_in_both_directions() -> None:
    evidence, model = _parkinsons(), _network("1")
    names = list("12345")
    parts = _by_hand(evidence, names)
    found = brw.network.league(model, evidence)
    for one, name in enumerate(names):
        for other, against in enumerate(names):
            if one == other:
                continue
            weight, mean, sd = _against(parts, one, other)
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
    evidence, model = _smoking(), _network("No intervention")
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
    weight, mean, sd = _against(_by_hand(evidence, list(SMOKING.values())), 3, 0)
    assert far[(SMOKING["D"], SMOKING["A"])] == pytest.approx(
        weight @ norm.cdf((mean - 0.3) / sd), abs=1e-6
    )
    # A new setting adds the heterogeneity of a contrast.
    new = brw.network.league(whole, new=True).table.loc[(SMOKING["D"], SMOKING["A"])]
    spread = weight @ (sd**2 + TAUS**2 + (mean - weight @ mean) ** 2)
    assert new["sd"] == pytest.approx(np.sqrt(spread), abs=1e-5)


def test_ranks_are_those_of_draws_by_hand() -> None:
    evidence, model = _smoking(), _network("No intervention")
    found = brw.network.ranks(model, evidence, draws=60_000)
    parts, rng = _by_hand(evidence, list(SMOKING.values())), np.random.default_rng(1)
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
        chance = [_against(parts, other, one) for other in range(4) if other != one]
        mean_rank.append(1 + sum(weight @ norm.cdf(mean / sd) for weight, mean, sd in chance))
    assert found.table["mean"].loc[names].to_numpy() == pytest.approx(mean_rank, abs=1e-6)
    assert found.table["sucra"].loc[names].to_numpy() == pytest.approx(
        (4 - np.array(mean_rank)) / 3, abs=1e-6
    )
    assert "P(best) = 0.6" in found.describe()
    assert "Monte Carlo" in found.describe()
    two = brw.network.ranks(model, evidence, treatments=[SMOKING["B"], SMOKING["D"]])
    weight, mean, sd = _against(parts, 3, 1)
    assert two.table.loc[SMOKING["D"], "best"] == pytest.approx(
        weight @ norm.cdf(mean / sd), abs=1e-6
    )
    assert "exact" in two.describe()


@pytest.mark.parametrize("symmetric", [True, False])
def test_a_split_is_a_dense_sum(symmetric: bool) -> None:
    evidence, model = _smoking(), _network("No intervention")
    found = brw.network.splits(model, evidence, symmetric=symmetric)
    study, arm = (evidence.data[name].to_numpy().astype(str) for name in ("study", "arm"))
    names = list(SMOKING.values())
    columns = np.array([[float(a == b) for b in names[1:]] for a in arm])
    # Self-help against group counselling, which a study of three arms compares too.
    own = {name: set(arm[study == name]) for name in set(study)}
    for one, other in (("B", "D"), ("C", "A")):
        both = np.array([{SMOKING[one], SMOKING[other]} <= own[name] for name in study])
        name = (SMOKING[one], SMOKING[other])
        deviates = (arm == SMOKING[one]) * 1.0
        if symmetric:
            deviates = 0.5 * (deviates - (arm == SMOKING[other]))
        parts = _dense(evidence, np.column_stack([columns, both * deviates]))
        line = np.array([float(each == one) - float(each == other) for each in "BCD"])
        lines = {
            "direct": np.append(line, 1.0),
            "indirect": np.append(line, 0.0),
            "difference": np.append(0.0 * line, 1.0),
        }
        for source, each in lines.items():
            mean, sd, above = _moments(parts, each)
            row = found.table.loc[(*name, source)]
            assert row["mean"] == pytest.approx(mean, abs=1e-6)
            assert row["sd"] == pytest.approx(sd, abs=1e-5)
        assert found.checks.loc[name, "above"] == pytest.approx(above, abs=1e-6)
        assert found.checks.loc[name, "p_value"] == pytest.approx(
            2 * min(above, 1 - above), abs=2e-6
        )
        assert found.checks.loc[name, "studies"] == len({*study[both]})
    assert "A split says nothing where intervals are wide" in found.describe()


def test_a_symmetric_split_reads_the_same_in_both_directions() -> None:
    evidence, model = _smoking(), _network("No intervention")
    pair = f"{SMOKING['D']} vs {SMOKING['C']}", f"{SMOKING['C']} vs {SMOKING['D']}"
    one, other = (
        brw.network.splits(model, evidence, comparisons=[each]).checks["p_value"].iloc[0]
        for each in pair
    )
    assert one == pytest.approx(other, abs=1e-9)


def test_what_cannot_be_split_is_named() -> None:
    evidence, model = _parkinsons(), _network("1")
    found = brw.network.splits(model, evidence)
    # Treatment 2 stands in studies with 1 only, 5 meets 4 alone.
    split = [" vs ".join(pair) for pair in found.checks.index]
    assert split == ["3 vs 1", "4 vs 1", "4 vs 3", "4 vs 2"]
    [two, five] = found.notes
    assert two.startswith("2 vs 1 is not split: there is no indirect evidence: without '2', '3'")
    assert five.startswith("5 vs 4 is not split: there is no indirect evidence")
    assert five in found.describe()
    with pytest.raises(SpecError, match="5 vs 1 cannot be split: no study compares the two"):
        brw.network.splits(model, evidence, comparisons=["5 vs 1"])
    with pytest.raises(SpecError, match="both arms of '2 vs 2' are the same"):
        brw.network.splits(model, evidence, comparisons=["2 vs 2"])
    with pytest.raises(SpecError, match="write 'one vs other'"):
        brw.network.splits(model, evidence, comparisons=["2-1"])
    # A line of studies has no loop: nothing is split, and that is an answer.
    line = evidence.rows(np.isin(evidence.data["study"].to_numpy(), ["2", "6", "7"]))
    alone = brw.network.splits(model, line)
    assert len(alone.checks) == 0
    assert len(alone.notes) == 2
    with pytest.raises(SpecError, match="nothing was split"):
        alone.plot()


def test_splits_of_arms_and_of_contrasts_are_one() -> None:
    evidence = _parkinsons()
    rows, blocks = [], []
    study, arm = (evidence.data[name].to_numpy().astype(str) for name in ("study", "arm"))
    effect, se = (evidence.data[name].to_numpy() for name in ("effect", "se"))
    for name in dict.fromkeys(study):
        base, *others = np.flatnonzero(study == name)
        shared = np.full((len(others),) * 2, se[base] ** 2) + np.diag(se[others] ** 2)
        if len(others) > 1:
            blocks.append(Dependence(len(rows) + np.arange(len(others)), shared, "a shared arm"))
        for row, variance in zip(others, np.diag(shared), strict=True):
            rows.append((name, arm[row], arm[base], effect[row] - effect[base], variance**0.5))
    frame = pd.DataFrame(rows, columns=["study", "arm", "against", "effect", "se"])
    contrasts = brw.Evidence.from_frame(frame, measure="mean_difference", benefit="lower")
    contrasts = replace(contrasts, dependence=tuple(blocks))
    parts = Components(Normal(0, 100), arm="arm", against="against", none=("1",))
    own = brw.Model(terms=(parts, Arms(HalfNormal(5), comparator="against")))
    wide = brw.Model(terms=(*_network("1").terms[:1], Arms(HalfNormal(5), baseline=Normal(0, 1e4))))
    for ask in (brw.network.splits, brw.network.unrelated):
        one, other = ask(own, contrasts), ask(wide, evidence)
        assert one.table.index.tolist() == other.table.index.tolist()
        assert one.table.to_numpy() == pytest.approx(other.table.to_numpy(), abs=2e-6)


def test_unrelated_mean_effects_are_a_dense_sum() -> None:
    evidence, model = _smoking(), _network("No intervention")
    found = brw.network.unrelated(model, evidence)
    study, arm = (evidence.data[name].to_numpy().astype(str) for name in ("study", "arm"))
    base = {name: arm[study == name][0] for name in set(study)}
    pairs = list(found.table.xs("unrelated", level="source").index)
    columns = np.array(
        [
            [float((a, base[s]) == pair) - float((base[s], a) == pair) for pair in pairs]
            for a, s in zip(arm, study, strict=True)
        ]
    )
    parts = _dense(evidence, columns)
    for place, pair in enumerate(pairs):
        mean, sd, _ = _moments(parts, np.eye(len(pairs))[place])
        row = found.table.loc[(*pair, "unrelated")]
        assert (row["mean"], row["sd"]) == pytest.approx((mean, sd), abs=1e-5)
    league = brw.network.league(model, evidence).table
    for pair in pairs:
        assert found.table.loc[(*pair, "network"), "mean"] == pytest.approx(
            league.loc[pair, "mean"]
        )
    below = sum(share for (share, *_), tau in zip(parts, TAUS, strict=True)
                if tau <= found.spread.loc["unrelated", "median"])  # fmt: skip
    assert below == pytest.approx(0.5, abs=0.01)
    assert "Heterogeneity SD 0.7" in found.describe()


def _two_spreads(evidence: brw.Evidence, names: list[str], more: np.ndarray, scale: float) -> tuple:
    """Integrate over tau, half-normal(5), and an SD of `more` columns, half-normal(scale), on dense rules.

    Gives the log evidence, mean and SD of each treatment against the first, and the mean of that SD.
    """
    study, arm = (evidence.data[name].to_numpy().astype(str) for name in ("study", "arm"))
    effect, se = (evidence.data[name].to_numpy() for name in ("effect", "se"))
    columns = np.array([[float(a == b) for b in names[1:]] for a in arm])
    x, w = np.polynomial.legendre.leggauss(60)
    place, share = 0.5 * (x + 1.0), 0.5 * w
    found = []
    for u, own in zip(place, share, strict=True):
        tau = 40.0 * u**3
        seen = np.diag(se**2 + tau**2 / 2) + 1e4 * (study[:, None] == study)
        for v, other in zip(place, share, strict=True):
            sd = 8.0 * scale * v**2
            whole = seen + sd**2 * more @ more.T + 1e4 * columns @ columns.T
            # Effects N(0, 100^2) are part of the covariance; their posterior follows from it.
            solved = np.linalg.solve(whole, np.column_stack([effect, 1e4 * columns]))
            log = -0.5 * (effect @ solved[:, 0] + np.linalg.slogdet(whole)[1])
            log += halfnorm.logpdf(tau, scale=5) + halfnorm.logpdf(sd, scale=scale)
            log += np.log(own * other * 120.0 * u**2 * 16.0 * scale * v)
            mean = 1e4 * columns.T @ solved[:, 0]
            variance = 1e4 - 1e4 * np.sum(columns * solved[:, 1:], axis=0)
            found.append((log - 0.5 * len(effect) * np.log(2 * np.pi), mean, variance, sd))
    log, mean, variance, sd = (np.array(each) for each in zip(*found, strict=True))
    total = np.logaddexp.reduce(log)
    weight = np.exp(log - total)
    middle = weight @ mean
    return total, middle, np.sqrt(weight @ (variance + (mean - middle) ** 2)), weight @ sd


def test_inconsistency_by_design_is_a_dense_sum() -> None:
    evidence, model = _parkinsons(), _network("1")
    found = brw.network.designs(model, evidence, sd=HalfNormal(1.0))
    study, arm = (evidence.data[name].to_numpy().astype(str) for name in ("study", "arm"))
    design = np.array(["".join(sorted(arm[study == name])) for name in study])
    # Every arm of every design deviates by half the variance, so that contrasts have all of it.
    own = sorted(set(zip(design, arm, strict=True)))
    more = np.array(
        [[float((d, a) == each) for each in own] for d, a in zip(design, arm, strict=True)]
    )
    names = list("12345")
    total, mean, sd, between = _two_spreads(evidence, names, more / np.sqrt(2), 1.0)
    plain = _two_spreads(evidence, names, 0.0 * more, 1.0)[0]
    league = brw.network.league(found.fit).table
    told = np.array([league.loc[(name, "1"), ["mean", "sd"]].to_numpy() for name in names[1:]])
    assert told[:, 0] == pytest.approx(mean, abs=2e-4)
    assert told[:, 1] == pytest.approx(sd, abs=5e-4)
    assert found.log_bayes_factor == pytest.approx(total - plain, abs=2e-4)
    # Quantiles of the SD, by its mean: the integral of what lies above.
    levels = np.linspace(0.0005, 0.9995, 1000)
    assert found.fit.sd_quantile(levels).mean() == pytest.approx(between, abs=2e-3)
    told = {"".join(sorted(name.split(" / "))) for name in found.table.index.unique("design")}
    assert told == set(design)
    assert "Bayes factor" in found.describe()
    ranks = brw.network.ranks(found.fit, draws=20_000)
    chance = brw.network.league(found.fit).better
    best = 1 + chance.loc[["1", "3", "4", "5"], "2"].sum()
    assert ranks.table.loc["2", "mean"] == pytest.approx(best, abs=1e-9)
    assert ranks.distribution.loc["2"] @ np.arange(1, 6) == pytest.approx(best, abs=0.02)
    counted = brw.Model(terms=_network("No intervention").terms, likelihood=BinomialSingle())
    with pytest.raises(EngineRefusal, match="leave the likelihood of counts out"):
        brw.network.designs(counted, _smoking())


def test_classes_are_a_dense_sum() -> None:
    evidence, model = _parkinsons(), _network("1")
    members = {"old": ["2", "3"], "new": ["4", "5"]}
    found = brw.network.classes(model, evidence, members=members, sd=HalfNormal(0.5))
    arm = evidence.data["arm"].to_numpy().astype(str)
    # Means of classes are the effects; deviations of treatments have the SD.
    changed = evidence.data.assign(
        arm=(
            "estimate",
            np.array([{"1": "1", "2": "old", "3": "old"}.get(a, "new") for a in arm], object),
        )
    )
    by_class = replace(evidence, data=changed)
    more = np.array([[float(a == name) for name in "2345"] for a in arm])
    _, mean, sd, between = _two_spreads(by_class, ["1", "old", "new"], more, 0.5)
    told = found.classes.loc[["old", "new"], ["mean", "sd"]].to_numpy()
    assert told[:, 0] == pytest.approx(mean, abs=2e-4)
    assert told[:, 1] == pytest.approx(sd, abs=5e-4)
    levels = np.linspace(0.0005, 0.9995, 1000)
    assert found.fit.sd_quantile(levels).mean() == pytest.approx(between, abs=1e-3)
    league = brw.network.league(found.fit).table
    within = found.treatments.xs("within class", level="source")
    assert league.loc[("5", "1"), "mean"] == pytest.approx(within.loc[("new", "5"), "mean"])
    alone = found.treatments.xs("alone", level="source")
    gap = [
        abs(own.loc[("old", "2"), "mean"] - own.loc[("old", "3"), "mean"])
        for own in (within, alone)
    ]
    assert gap[0] < gap[1]
    assert found.describe().startswith("Mean difference of classes")
    wrong = [
        ({"old": ["2", "9"]}, "names '9', which no arm has"),
        ({"old": ["2"]}, "at least two members"),
        ({"old": ["2", "3"], "new": ["3", "4"]}, "choose one class"),
        ({}, "names no class"),
    ]
    for each, said in wrong:
        with pytest.raises(SpecError, match=said):
            brw.network.classes(model, evidence, members=each, sd=HalfNormal(0.5))
    with pytest.raises(SpecError, match="give a proper prior"):
        brw.network.classes(model, evidence, members=members, sd=Normal(0, 1))


@pytest.mark.slow
def test_inconsistency_of_counts_is_published() -> None:
    evidence = _smoking()
    model = brw.Model(terms=_network("No intervention").terms, likelihood=BinomialSingle())
    # TSD4's unrelated mean effects with the correction of arms that go together, as the tests of multinma
    # 0.8.0 repeat it (its own draws: AD 1.10, SD 0.77).
    found = brw.network.unrelated(model, evidence)
    published = {
        "AB": (0.34, 0.59),
        "AC": (0.90, 0.28),
        "AD": (1.12, 0.80),
        "BC": (0.04, 0.73),
        "BD": (0.61, 0.72),
        "CD": (0.20, 0.79),
    }
    for (against, one), figures in published.items():
        pair, sign = (SMOKING[one], SMOKING[against]), 1.0
        if (*pair, "unrelated") not in found.table.index:
            pair, sign = pair[::-1], -1.0
        row = found.table.loc[(*pair, "unrelated")]
        assert (sign * row["mean"], row["sd"]) == pytest.approx(figures, abs=0.02)
    told = found.spread.loc["unrelated", ["median", "lower", "upper"]].to_numpy()
    assert told == pytest.approx([0.91, 0.59, 1.48], abs=0.015)
    # The vignette of multinma 0.8.0: 4000 draws, so that means have standard errors up to 0.02.
    pair = f"{SMOKING['B']} vs {SMOKING['C']}"
    split = brw.network.splits(model, evidence, comparisons=[pair], symmetric=False)
    sources = {
        "direct": (0.07, 0.66),
        "indirect": (-0.62, 0.53),
        "difference": (0.70, 0.83),
    }
    for source, figures in sources.items():
        row = split.table.loc[(SMOKING["B"], SMOKING["C"], source)]
        assert (row["mean"], row["sd"]) == pytest.approx(figures, abs=0.03)
    assert split.checks["p_value"].iloc[0] == pytest.approx(0.38, abs=0.02)
    assert split.checks["tau"].iloc[0] == pytest.approx(0.83, abs=0.02)


@pytest.mark.slow
def test_smoking_cessation_as_counts_is_published() -> None:
    # NICE DSU TSD4, random effects, as the tests of multinma 0.8.0 repeat it: mean, SD, interval.
    evidence = _smoking()
    model = _network("No intervention")
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
    evidence, model = _parkinsons(), _network("1")
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


def test_what_no_league_answers_is_named() -> None:
    evidence, model = _parkinsons(), _network("1")
    with pytest.raises(SpecError, match=r"no treatment '9' in the rows"):
        brw.network.league(model, evidence, treatments=["1", "9"])
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
