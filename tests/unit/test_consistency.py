"""Whether networks are consistent: published splits, dense sums by hand, and what cannot be asked."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from networks import (
    SMOKING,
    TAUS,
    dense,
    moments,
    network_of,
    parkinsons,
    smoking,
)
from scipy.stats import halfnorm, norm

import bayesrtw as brw
from bayesrtw.errors import EngineRefusal, SpecError
from bayesrtw.evidence.covariance import Dependence
from bayesrtw.model.arm_effects import Arms
from bayesrtw.model.components import Components
from bayesrtw.model.prior import HalfNormal, Normal
from bayesrtw.model.single import BinomialSingle


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


@pytest.mark.parametrize("symmetric", [True, False])
def test_a_split_is_a_dense_sum(symmetric: bool) -> None:
    evidence, model = smoking(), network_of("No intervention")
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
        parts = dense(evidence, np.column_stack([columns, both * deviates]))
        line = np.array([float(each == one) - float(each == other) for each in "BCD"])
        lines = {
            "direct": np.append(line, 1.0),
            "indirect": np.append(line, 0.0),
            "difference": np.append(0.0 * line, 1.0),
        }
        for source, each in lines.items():
            mean, sd, above = moments(parts, each)
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
    evidence, model = smoking(), network_of("No intervention")
    pair = f"{SMOKING['D']} vs {SMOKING['C']}", f"{SMOKING['C']} vs {SMOKING['D']}"
    one, other = (
        brw.network.splits(model, evidence, comparisons=[each]).checks["p_value"].iloc[0]
        for each in pair
    )
    assert one == pytest.approx(other, abs=1e-9)


def test_what_cannot_be_split_is_named() -> None:
    evidence, model = parkinsons(), network_of("1")
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
    assert alone.describe().startswith("No comparison is split. 2 vs 1 is not split: there is no")
    assert "No comparison is split" in alone._repr_html_()
    with pytest.raises(SpecError, match="nothing was split"):
        alone.plot()


def test_splits_of_arms_and_of_contrasts_are_one() -> None:
    evidence = parkinsons()
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
    wide = brw.Model(
        terms=(*network_of("1").terms[:1], Arms(HalfNormal(5), baseline=Normal(0, 1e4)))
    )
    for ask in (brw.network.splits, brw.network.unrelated):
        one, other = ask(own, contrasts), ask(wide, evidence)
        assert one.table.index.tolist() == other.table.index.tolist()
        assert one.table.to_numpy() == pytest.approx(other.table.to_numpy(), abs=2e-6)


def test_unrelated_mean_effects_are_a_dense_sum() -> None:
    evidence, model = smoking(), network_of("No intervention")
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
    parts = dense(evidence, columns)
    for place, pair in enumerate(pairs):
        mean, sd, _ = moments(parts, np.eye(len(pairs))[place])
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


def test_inconsistency_by_design_is_a_dense_sum() -> None:
    evidence, model = parkinsons(), network_of("1")
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
    counted = brw.Model(terms=network_of("No intervention").terms, likelihood=BinomialSingle())
    with pytest.raises(EngineRefusal, match="leave the likelihood of counts out"):
        brw.network.designs(counted, smoking())
    heavy = brw.Model(terms=counted.terms, likelihood=brw.likelihood.HeavyTails())
    with pytest.raises(EngineRefusal, match=r"normal estimates; take the likelihood 'normal'"):
        brw.network.designs(heavy, smoking())


def test_classes_are_a_dense_sum() -> None:
    evidence, model = parkinsons(), network_of("1")
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


def test_a_split_of_counts_is_a_sum_over_a_lattice() -> None:
    # Six small trials, one of all three treatments: baselines and effects on lattices, no code of the
    # package. Splits stand on nodes and series of the whole network, where these serve.
    tables = [
        ("A", [("p", 3, 20), ("x", 8, 22)]),
        ("B", [("p", 5, 30), ("x", 9, 28)]),
        ("C", [("p", 0, 15), ("y", 4, 16)]),
        ("D", [("p", 6, 25), ("y", 7, 25)]),
        ("E", [("x", 9, 20), ("y", 5, 21)]),
        ("F", [("p", 2, 18), ("x", 6, 17), ("y", 5, 19)]),
    ]
    rows = [(study, *arm) for study, arms in tables for arm in arms]
    frame = pd.DataFrame(rows, columns=["study", "arm", "events", "n"])
    evidence = brw.Evidence.from_arms(frame, measure="log_odds_ratio")
    terms = (
        Components(Normal(0, 1), arm="arm", none=("p",)),
        Arms(HalfNormal(0.5), baseline=Normal(0, 2)),
    )
    model = brw.Model(terms=terms, likelihood=BinomialSingle())
    found = brw.network.splits(model, evidence, comparisons=["y vs x"])

    line, w = np.polynomial.hermite_e.hermegauss(31)
    w = w / w.sum()
    effects = np.stack(np.meshgrid(*(np.linspace(-4, 4, 25),) * 3, indexing="ij"), axis=-1).reshape(
        -1, 3
    )
    of = {"p": [0.0, 0.0], "x": [1.0, 0.0], "y": [0.0, 1.0]}
    # y against x is further by the third in the trials that compare them: half for each beside a third arm.
    further = {"x": -0.5, "y": 0.5}
    base = 2.0 * np.linspace(-4, 4, 41)
    prior = norm.pdf(base, scale=2.0) / np.sum(norm.pdf(base, scale=2.0))
    at = np.linspace(-14.0, 14.0, 1121)
    sums = []
    for u in np.linspace(0.0, 2.2, 12):
        total = np.zeros(len(effects))
        for _, arms in tables:
            inside = {"x", "y"} <= {name for name, *_ in arms}
            each = np.zeros((len(effects), len(base)))
            for name, r, n in arms:
                p = 1.0 / (1.0 + np.exp(-(at[:, None] + u / np.sqrt(2) * line)))
                log = np.log((p**r * (1 - p) ** (n - r)) @ w)
                row = np.array([*of[name], further.get(name, 0.0) * inside])
                each += np.interp((effects @ row)[:, None] + base, at, log)
            total += np.log(np.exp(each) @ prior)
        total += norm.logpdf(effects).sum(axis=1) + halfnorm.logpdf(u, scale=0.5)
        sums.append((np.exp(total + 60.0), u))
    weight = sum(share * (0.5 if u in (0.0, 2.2) else 1.0) for share, u in sums)
    weight = weight / weight.sum()
    split, plain = effects[:, 2], effects[:, 1] - effects[:, 0]
    for source, value in (("direct", plain + split), ("indirect", plain), ("difference", split)):
        mean = weight @ value
        row = found.table.loc[("y", "x", source)]
        assert row["mean"] == pytest.approx(mean, abs=2e-3)
        assert row["sd"] == pytest.approx(np.sqrt(weight @ (value - mean) ** 2), abs=2e-3)


@pytest.mark.slow
def test_inconsistency_of_counts_is_published() -> None:
    evidence = smoking()
    model = brw.Model(terms=network_of("No intervention").terms, likelihood=BinomialSingle())
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
