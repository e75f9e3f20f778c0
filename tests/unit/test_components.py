"""Components and arms: published networks, dense grids, both engines, and what is refused."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.special import logsumexp
from scipy.stats import halfnorm, multivariate_normal, norm

import bayesrtw as brw
from bayesrtw.engine import solve
from bayesrtw.errors import EvidenceError, SpecError
from bayesrtw.evidence.combine import combine
from bayesrtw.evidence.covariance import Dependence
from bayesrtw.model.arm_effects import Arms
from bayesrtw.model.checked import check
from bayesrtw.model.components import Components
from bayesrtw.model.heterogeneity import Common, Exchangeable
from bayesrtw.model.prior import Flat, HalfNormal, Normal
from bayesrtw.model.single import BinomialSingle
from bayesrtw.question.tipping import tipping_prior

NETWORKS = Path(__file__).parents[1] / "networks"


def _contrasts(arms: pd.DataFrame, covariance: float = 0.0) -> brw.Evidence:
    """Contrasts with the first arm of each study; errors share that arm's, and what is given."""
    rows, blocks = [], []
    for study, own in arms.groupby("study", sort=False):
        first, others = own.iloc[0], own.iloc[1:]
        start = len(rows)
        for each in others.itertuples():
            se = np.sqrt(each.se**2 + first.se**2 + covariance)
            rows.append((str(study), "y", each.arm, first.arm, each.effect - first.effect, se))
        if len(others) > 1:
            shared = np.full((len(others), len(others)), first.se**2 + covariance / 2)
            shared[np.diag_indices(len(others))] = [row[-1] ** 2 for row in rows[start:]]
            blocks.append(Dependence(np.arange(start, len(rows)), shared, "a shared arm"))
    names = ["study", "outcome", "arm", "against", "effect", "se"]
    found = brw.Evidence.from_frame(
        pd.DataFrame(rows, columns=names), measure="mean_difference", benefit="lower"
    )
    return replace(found, dependence=tuple(blocks))


def _parkinsons() -> pd.DataFrame:
    seen = pd.read_csv(NETWORKS / "parkinsons.csv")
    told = {"study": seen.studyn.astype(str), "arm": seen.trtn.astype(str), "outcome": "off"}
    return pd.DataFrame(told | {"effect": seen.y, "se": seen.se})


def _arms(frame: pd.DataFrame) -> brw.Evidence:
    return brw.Evidence.from_arms(frame, columns={"effect": "mean"}, benefit="lower")


def _counted(arms: pd.DataFrame) -> brw.Evidence:
    return brw.Evidence.from_arms(arms, benefit="lower")


def _effects(tree: object, *labels: str) -> list[list[float]]:
    told = brw.summarise(tree)
    rows = [f"beta[component[{label}]]" for label in labels]
    return told.loc[rows, ["mean", "sd", "lower", "upper"]].to_numpy().tolist()


@pytest.mark.parametrize("tau", [None, HalfNormal(5)])
def test_parkinsons_arms_and_contrasts_are_one(tau: HalfNormal | None) -> None:
    # NICE DSU TSD2, example 5, as multinma 0.8.0 repeats it: MCMC, two decimals.
    published = (
        {"2": (-1.81, 0.33), "3": (-0.47, 0.49), "4": (-0.52, 0.48), "5": (-0.82, 0.52)}
        if tau is None
        else {"2": (-1.85, 0.54), "3": (-0.50, 0.66), "4": (-0.53, 0.65), "5": (-0.83, 0.80)}
    )
    seen, found = _parkinsons(), []
    for evidence, against, baseline in (
        (_arms(seen), "", Normal(0, 1e4)),
        (_contrasts(seen), "against", None),
    ):
        terms = (
            Components(Normal(0, 100), arm="arm", against=against, none=("1",)),
            Arms(tau, baseline=baseline),
        )
        tree = brw.fit(brw.Model(terms=terms), evidence, engine=brw.Exact(), seed=1)
        found.append(_effects(tree, *published))
    assert np.array(found[0]) == pytest.approx(np.array(found[1]), abs=1e-6)
    assert [row[:2] for row in found[0]] == [
        pytest.approx(each, abs=0.012) for each in published.values()
    ]


@pytest.mark.parametrize("tau", [None, HalfNormal(5)])
def test_studies_as_arms_and_as_contrasts_go_together(tau: HalfNormal | None) -> None:
    # Studies 1, 3 (three arms) and 6 as contrasts, the others as arms: the same as all as arms.
    seen, found = _parkinsons(), []
    told = seen.study.isin(["1", "3", "6"])
    mixed = combine(_arms(seen[~told].assign(outcome="y")), _contrasts(seen[told]))
    for evidence, against in ((_arms(seen), ""), (mixed, "against")):
        terms = (
            Components(Normal(0, 100), arm="arm", against=against, none=("1",)),
            Arms(tau, baseline=Normal(0, 1e4), comparator=against),
        )
        fitted = solve(brw.Model(terms=terms), evidence)
        effects = [fitted.posterior.effects[f"beta[component[{name}]]"] for name in "2345"]
        found.append([(*each.moments(), *each.interval(0.95)) for each in effects])
        levels = np.array([0.1, 0.5, 0.9, 0.975])
        found[-1] += [tuple(own.quantile(levels)) for own in fitted.posterior.hyper.values()]
    assert np.array(found[0]) == pytest.approx(np.array(found[1]), abs=1e-6)
    # Without a study that is told as arms the neighbour is that of the rest, pooled by itself.
    gone = mixed.data["study"].to_numpy() == "2"
    assert fitted.without([gone])[0].posterior.pooled.centre == pytest.approx(
        solve(brw.Model(terms=terms), mixed).without([gone])[0].posterior.pooled.centre
    )


def test_arms_that_cannot_be_pooled_are_named() -> None:
    seen, term = _parkinsons(), Components(Normal(0, 1), arm="arm", none=("1",))
    arms = Arms(HalfNormal(1), baseline=Normal(0, 10))

    def refused(evidence: brw.Evidence, *terms: object) -> str:
        with pytest.raises(EvidenceError) as caught:
            check(brw.Model(terms=terms), evidence)
        return str(caught.value)

    bare = brw.Evidence.from_frame(seen, measure="mean", benefit="lower")
    assert "make evidence of arms by Evidence.from_arms" in refused(bare, term, arms)
    assert "no row is a single arm" in refused(_contrasts(seen), term, arms)
    assert "the term `arms` with a baseline" in refused(
        _arms(seen), term, Exchangeable(HalfNormal(1))
    )
    both = combine(_arms(seen.assign(outcome="y")), _contrasts(seen[seen.study == "3"]))
    told = refused(both, replace(term, against="against"), arms)
    assert "studies '3' are told as arms and as contrasts" in told


def test_a_frame_of_arms_is_evidence() -> None:
    seen = pd.read_csv(NETWORKS / "smoking.csv")
    headings = {"studyn": "study", "trtc": "arm", "r": "events"}
    found = brw.Evidence.from_arms(seen, columns=headings, benefit="higher")
    assert found.measure.name == "log_odds_ratio"
    assert found.direction.event == "P(benefit)"
    assert found.single_arms.all()
    # 9 of 140; nobody of 33, half a person more on either side.
    assert found.data["effect"][[0, 12]].to_numpy() == pytest.approx(np.log([9 / 131, 0.5 / 33.5]))
    sizes = pd.DataFrame({"study": ["a", "a"], "arm": ["x", "y"], "mean": 2.0, "sd": 3.0, "n": 9})
    assert brw.Evidence.from_arms(sizes).data["se"].to_numpy() == pytest.approx([1.0, 1.0])
    rates = pd.DataFrame({"study": "a", "arm": ["x", "y"], "events": 4, "person_time": 8.0})
    assert brw.Evidence.from_arms(rates).measure.name == "log_rate_ratio"
    wrong = [
        (seen, {}, "an arm a row tells events and n"),
        (seen.assign(measure="OR"), headings, "give measure= and leave the column out"),
        (seen.assign(trtc=""), headings, "row 1 .*arm must be named"),
        (seen.assign(trtc="x"), headings, "row 2 .*an arm is one row"),
        (seen.assign(n=np.nan), headings, "row 1 .*an arm tells a number of its own"),
    ]
    for frame, columns, said in wrong:
        with pytest.raises(EvidenceError, match=said):
            brw.Evidence.from_arms(frame, columns=columns)
    with pytest.raises(EvidenceError, match="single arms give"):
        brw.Evidence.from_arms(seen, columns=headings, measure="standardised_mean_difference")


def _linde(tau2: float) -> brw.Evidence:
    arms = pd.read_csv(NETWORKS / "linde2016.csv")
    arms = arms.rename(columns={"id": "study", "int": "arm", "resp": "events"})
    odds = arms.events / (arms.n - arms.events)
    se = np.sqrt(1 / arms.events + 1 / (arms.n - arms.events))
    return _contrasts(arms.assign(effect=np.log(odds), se=se), covariance=tau2)


def _dense_squares(
    evidence: brw.Evidence, parts: Callable[[str], set[str]]
) -> tuple[list[str], np.ndarray, np.ndarray, float]:
    """Generalised least squares: names, estimates, their covariance, and Cochran's Q."""
    data = {name: evidence.data[name].to_numpy() for name in ("effect", "se", "arm", "against")}
    sides = [[parts(cell) for cell in data[side]] for side in ("arm", "against")]
    names = sorted(set().union(*sides[0], *sides[1]))
    x = np.array(
        [[float(n in a) - float(n in b) for n in names] for a, b in zip(*sides, strict=True)]
    )
    v = np.diag(data["se"].astype(float) ** 2)
    for block in evidence.dependence:
        v[np.ix_(block.rows, block.rows)] = block.covariance
    y, weight = data["effect"].astype(float), np.linalg.inv(v)
    covariance = np.linalg.inv(x.T @ weight @ x)
    found = covariance @ x.T @ weight @ y
    return names, found, covariance, float((y - x @ found) @ weight @ (y - x @ found))


@pytest.mark.slow
def test_linde_2016_as_counts_is_exact_with_its_error_stated() -> None:
    # 93 trials and 18 components: a rule of 721 nodes. The next moves means and SDs by thousandths of an SD,
    # and ends of intervals by hundredths, which the stated error holds.
    arms = pd.read_csv(NETWORKS / "linde2016.csv")
    arms = arms.rename(columns={"id": "study", "int": "arm", "resp": "events"})
    evidence = brw.Evidence.from_arms(
        arms[["study", "arm", "events", "n"]], measure="log_odds_ratio"
    )
    model = brw.Model(
        terms=(
            Components(Normal(0, 1), arm="arm", none=("Placebo",)),
            Arms(HalfNormal(0.5), baseline=Normal(0, 10)),
        ),
        likelihood=BinomialSingle(),
    )
    whole = solve(model, evidence)
    assert 5e-3 < whole.posterior.error < 3e-2
    # The sampler shares the specification and no numerics: 4000 draws, standard errors by their ESS.
    drawn = brw.fit(model, evidence, engine=brw.Nuts(), seed=1)["posterior"]["beta"]
    for name in drawn["moderator"].to_numpy().astype(str):
        each = drawn.sel(moderator=name).to_numpy()
        mean, sd = whole.posterior.effects[f"beta[{name}]"].moments()
        # Gates hold the effective sample size above 400.
        assert abs(each.mean() - mean) < 4 * sd / np.sqrt(400)
        assert each.std() == pytest.approx(sd, rel=4 / np.sqrt(800))


@pytest.mark.parametrize(
    ("whole", "tau2", "published", "q"),
    [
        (
            False,
            0.020761456,
            {
                "SSRI": (1.69, 1.45, 1.97),
                "Face-to-face CBT": (2.31, 1.44, 3.70),
            },
            109.12,
        ),
        (True, 0.017401995, {"Face-to-face CBT + SSRI": (30.86, 4.94, 192.81)}, 109.12 - 6.67),
    ],
)
def test_linde_2016_additive_and_unrestricted_with_tau_fixed(
    whole: bool, tau2: float, published: dict[str, tuple[float, float, float]], q: float
) -> None:
    # Ruecker, Petropoulou & Schwarzer 2020, doi:10.1002/bimj.201800167, Table 3, odds ratios; the text has Q
    # 109.12 (90 degrees of freedom) of the additive model, and 6.67 (3) between the two. tau^2 is what the
    # method of moments of DerSimonian and Laird gives for each: 0.0208 as printed, 0.0174.
    def parts(cell: str) -> set[str]:
        return {cell} - {"Placebo"} if whole else set(cell.split(" + ")) - {"Placebo"}

    evidence = _linde(tau2)
    if whole:
        # A combination is a treatment of its own.
        own = {
            side: (
                "estimate",
                np.array(
                    [cell.replace("+", "with") for cell in evidence.data[side].to_numpy()], object
                ),
            )
            for side in ("arm", "against")
        }
        evidence = replace(evidence, data=evidence.data.assign(own))
    terms = (
        Components(Flat(), arm="arm", against="against", none=("Placebo",)),
        Common(),
    )
    tree = brw.fit(brw.Model(terms=terms), evidence, engine=brw.Exact(), seed=1)
    names, found, covariance, _ = _dense_squares(_linde(tau2), parts)
    told = np.array(_effects(tree, *(name.replace("+", "with") for name in names)))
    assert len(names) == (21 if whole else 18)
    assert told[:, 0] == pytest.approx(found, abs=1e-9)
    assert told[:, 1] == pytest.approx(np.sqrt(np.diag(covariance)), abs=1e-9)
    for name, printed in published.items():
        row = told[names.index(name)]
        assert np.exp(row[[0, 2, 3]]).round(2).tolist() == list(printed)
    assert _dense_squares(_linde(0.0), parts)[3] == pytest.approx(q, abs=0.0051)
    if not whole:
        at = brw.predict(
            brw.Model(terms=terms),
            evidence,
            at={"arm": "Face-to-face CBT + SSRI", "against": "Placebo"},
        )
        assert round(float(np.exp(at["mean"].iloc[0])), 2) == 3.91


@pytest.mark.parametrize("tau", [None, HalfNormal(5)])
def test_diabetes_hazards_of_counted_arms_are_published(tau: HalfNormal | None) -> None:
    # NICE DSU TSD2, example 2 (program 3), as multinma 0.8.0 repeats it: MCMC, two decimals. Their offset,
    # log time, is the same in all arms of a study.
    published = (
        {
            "Placebo": (-0.25, 0.06),
            "Beta Blocker": (-0.06, 0.06),
            "CCB": (-0.25, 0.05),
            "ACE Inhibitor": (-0.36, 0.05),
            "ARB": (-0.45, 0.06),
        }
        if tau is None
        else {
            "Placebo": (-0.29, 0.09, -0.47, -0.12),
            "Beta Blocker": (-0.07, 0.09, -0.25, 0.10),
            "CCB": (-0.24, 0.08, -0.41, -0.08),
            "ACE Inhibitor": (-0.40, 0.09, -0.58, -0.24),
            "ARB": (-0.47, 0.11, -0.70, -0.27),
        }
    )
    seen = pd.read_csv(NETWORKS / "diabetes.csv")
    names = {"studyc": "study", "trtc": "arm", "r": "events"}
    arms = seen.rename(columns=names)[["study", "arm", "events", "n"]]
    evidence = brw.Evidence.from_arms(arms, measure="log_hazard_ratio", benefit="lower")
    terms = (
        Components(Normal(0, 10), arm="arm", none=("Diuretic",)),
        Arms(tau, baseline=Normal(0, 10)),
    )
    model = brw.Model(terms=terms, likelihood=BinomialSingle(link="cloglog"))
    tree = brw.fit(model, evidence, engine=brw.Exact(draws=0, study_effects=False))
    for name, figures in published.items():
        assert _effects(tree, name)[0][: len(figures)] == pytest.approx(figures, abs=0.013), name
    if tau is not None:
        told = brw.summarise(tree).loc["tau", ["mean", "median", "lower", "upper"]]
        assert told.to_list() == pytest.approx([0.13, 0.12, 0.05, 0.23], abs=0.01)


def test_shares_of_a_sum_of_parts_are_slopes() -> None:
    # The pooled mean of comparisons gains by a step of each estimate; the prior has the rest of one.
    seen = _parkinsons()
    terms = (Components(Normal(0, 1), arm="arm", against="against", none=("1",)), Common())
    model = brw.Model(terms=terms)
    evidence = _contrasts(seen)
    whole, slopes = solve(model, evidence), []
    effect = evidence.data["effect"]
    for row in range(effect.size):
        step = effect.copy(data=effect.to_numpy() + np.eye(effect.size)[row])
        moved = solve(model, replace(evidence, data=evidence.data.assign(effect=step)))
        slopes.append(moved.posterior.pooled.centre - whole.posterior.pooled.centre)
    assert whole.shares[:-1] == pytest.approx(slopes, abs=1e-9)
    assert whole.shares.sum() == pytest.approx(1.0, abs=1e-12)
    with pytest.raises(SpecError, match="no prior is called 'mu'"):
        tipping_prior(model, evidence, lambda *_: "class")
    with pytest.raises(SpecError, match="sum of coefficients"):
        whole.means().under(0.0, 1.0)


def _tiny() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "study": ["a", "a", "b", "b", "b", "c", "c"],
            "arm": ["none", "x", "none", "x", "x + y", "x", "x + y"],
            "events": [4, 9, 3, 6, 11, 7, 12],
            "n": [30, 31, 25, 24, 26, 40, 41],
        }
    )


def _dense(
    arms: pd.DataFrame,
    parts: np.ndarray,
    grids: list[np.ndarray],
    contrasts: tuple[tuple[float, float], ...] = (),
) -> list[float]:
    """Means of effects and tau on grids: baselines N(0, 2^2), effects N(0, 1), tau half-normal(0.5).

    Contrasts, effect and standard error, are of the first effect.
    """
    effects = np.meshgrid(*grids, indexing="ij")
    baseline, z = np.linspace(-7, 5, 81), np.linspace(-6, 6, 41)
    node, share = np.polynomial.legendre.leggauss(14)
    each = []
    for tau in 1.1 * (node + 1.0):
        log = sum(norm.logpdf(value) for value in effects) + halfnorm.logpdf(tau, scale=0.5)
        for effect, se in contrasts:
            log = log + norm.logpdf(effect, effects[0], np.hypot(se, tau))
        at = np.linspace(-14, 13, 541)
        theta = at[:, None] + tau / np.sqrt(2) * z
        for _, own in arms.reset_index(drop=True).groupby("study"):
            inside = norm.logpdf(baseline, 0, 2)
            for row, r, n in zip(own.index, own.events, own.n, strict=True):
                curve = r * theta - n * np.logaddexp(0, theta) + norm.logpdf(z)
                moved = sum(part * value for part, value in zip(parts[row], effects, strict=True))
                mean = baseline + np.asarray(moved)[..., None]
                inside = inside + np.interp(mean, at, logsumexp(curve, axis=1))
            log = log + logsumexp(inside, axis=-1)
        each.append(log)
    weight = np.exp(np.array(each) - np.max(each)) * share.reshape(-1, *[1] * len(grids))
    weight /= weight.sum()
    taus = 1.1 * (node + 1.0)
    told = [float((weight * value).sum()) for value in effects]
    return [*told, float(weight.reshape(len(taus), -1).sum(axis=1) @ taus)]


def _counted_means(arms: pd.DataFrame, *names: str) -> np.ndarray:
    terms = (
        Components(Normal(0, 1), arm="arm", none=("none",)),
        Arms(HalfNormal(0.5), baseline=Normal(0, 2)),
    )
    model = brw.Model(terms=terms, likelihood=BinomialSingle())
    tree = brw.fit(model, _counted(arms), engine=brw.Exact(study_effects=False), seed=1)
    rows = [*(f"beta[component[{name}]]" for name in names), "tau"]
    return np.asarray(brw.summarise(tree)["mean"][rows].to_numpy())


def test_counted_arms_of_two_are_a_dense_sum() -> None:
    arms = _tiny().iloc[[0, 1, 2, 3]]
    truth = _dense(arms, np.array([[0], [1], [0], [1]]), [np.linspace(-2.5, 4.0, 66)])
    assert _counted_means(arms, "x") == pytest.approx(truth, abs=5e-5)


def test_counted_arms_beside_contrasts_are_a_dense_sum() -> None:
    arms, told = _tiny().iloc[[0, 1, 2, 3]], ((0.8, 0.5), (-0.1, 0.7))
    grid = [np.linspace(-2.5, 4.0, 66)]
    truth = _dense(arms, np.array([[0], [1], [0], [1]]), grid, told)
    rows = [(f"z{n}", "x", "none", *each) for n, each in enumerate(told)]
    frame = pd.DataFrame(rows, columns=["study", "arm", "against", "effect", "se"])
    contrasts = brw.Evidence.from_frame(frame, measure="log_odds_ratio", benefit="lower")
    both = combine(_counted(arms), contrasts)
    terms = (
        Components(Normal(0, 1), arm="arm", against="against", none=("none",)),
        Arms(HalfNormal(0.5), baseline=Normal(0, 2), comparator="against"),
    )
    model = brw.Model(terms=terms, likelihood=BinomialSingle())
    whole = solve(model, both)
    effect, tau = whole.posterior.effects["beta[component[x]]"], whole.posterior.hyper["tau"]
    levels = (np.arange(2000) + 0.5) / 2000
    found = [effect.centre, float(tau.quantile(levels).mean())]
    assert found == pytest.approx(truth, abs=2e-4)
    # A contrast that was left out is foreseen: its effect and its own error.
    gone = both.data["study"].to_numpy() == "z1"
    [ahead] = whole.without([gone])[0].expected(gone)
    [behind] = whole.without([gone])[0].effect_of(gone)
    assert ahead.moments()[1] == pytest.approx(np.hypot(behind.moments()[1], 0.7), rel=1e-6)
    with pytest.raises(SpecError, match="counted arm by arm"):
        brw.simulate(model, both, 1, seed=1)
    bad = replace(both, data=both.data.assign(se=both.data["se"] * np.where(gone, np.nan, 1.0)))
    with pytest.raises(EvidenceError, match=r"contrasts 'z1' have no usable effect and se"):
        check(model, bad)


@pytest.mark.slow
def test_counted_arms_of_three_are_a_dense_sum() -> None:
    parts = np.array([[0, 0], [1, 0], [0, 0], [1, 0], [1, 1], [1, 0], [1, 1]])
    truth = _dense(_tiny(), parts, [np.linspace(-2.5, 3.5, 41)] * 2)
    assert _counted_means(_tiny(), "x", "y") == pytest.approx(truth, abs=2e-4)


def test_what_is_refused_is_named() -> None:
    arms = _tiny()
    term = Components(Normal(0, 1), arm="arm", none=("none",))

    def told(frame: pd.DataFrame, own: Components = term) -> str:
        with pytest.raises(EvidenceError) as caught:
            check(
                brw.Model(terms=(own, Exchangeable(HalfNormal(1)))),
                brw.Evidence.from_frame(frame.assign(effect=0.1, se=0.2)),
            )
        return str(caught.value)

    assert "'arm' is empty in rows 'a'" in told(arms.assign(arm=["", *arms.arm[1:]]))
    same = replace(term, against="arm")
    assert "both arms are the same" in told(arms, same)
    assert "holds text" in told(
        arms.assign(dose="much"), Components(Normal(0, 1), columns=("dose",))
    )
    assert "did you mean" in told(arms, replace(term, interactions=("x + yy",)))
    with pytest.raises(SpecError, match="give one of the two"):
        Components(Normal(0, 1))
    with pytest.raises(SpecError, match="a pair"):
        replace(term, interactions=("x",))


def test_components_that_no_row_tells_are_named() -> None:
    frame = pd.DataFrame(
        {
            "study": ["a", "b", "c"],
            "outcome": "y",
            "arm": ["talk + visit", "talk + visit + gym", "talk + gym"],
            "against": ["talk", "talk", "talk + visit"],
            "effect": [0.1, 0.3, 0.2],
            "se": 0.2,
        }
    )
    evidence = brw.Evidence.from_frame(frame, measure="mean_difference", benefit="higher")
    model = brw.Model(
        terms=(
            Components(Normal(0, 0.5), arm="arm", against="against", interactions=("all",)),
            Exchangeable(HalfNormal(0.3)),
        )
    )
    found = {each.check: each.message for each in check(model, evidence)}
    assert "component[talk]" in found["idle-component"]
    # Least squares with the priors as further rows, by hand, at tau fixed by a dense sum.
    tree = brw.fit(model, evidence, engine=brw.Exact(), seed=1)
    told = brw.summarise(tree)
    assert told.loc["beta[component[talk]]", "sd"] == pytest.approx(0.5, rel=1e-9)
    assert "beta[component[talk x visit]]" in told.index


def test_columns_of_doses_are_cells_of_names() -> None:
    seen = _contrasts(_parkinsons())
    arms, against = (seen.data[name].to_numpy().astype(str) for name in ("arm", "against"))
    doses = {f"t{name}": (arms == name).astype(float) for name in "2345"}
    doses |= {f"c{name}": (against == name).astype(float) for name in "2345"}
    wide = replace(seen, data=seen.data.assign({k: ("estimate", v) for k, v in doses.items()}))
    told = []
    for evidence, term in (
        (seen, Components(Normal(0, 1), arm="arm", against="against", none=("1",))),
        (
            wide,
            Components(
                Normal(0, 1),
                columns=("t2", "t3", "t4", "t5"),
                against_columns=("c2", "c3", "c4", "c5"),
            ),
        ),
    ):
        model = brw.Model(terms=(term, Arms(HalfNormal(1))))
        tree = brw.fit(model, evidence, engine=brw.Exact(), seed=1)
        told.append(brw.summarise(tree).loc[["mu", "tau"], ["mean", "sd"]].to_numpy())
    assert told[0] == pytest.approx(told[1], abs=1e-12)


def test_several_comparators_in_a_study_are_refused() -> None:
    seen = _contrasts(_parkinsons())
    torn = seen.data["against"].to_numpy().copy()
    torn[3] = "2"
    evidence = replace(seen, data=seen.data.assign(against=("estimate", torn)))
    model = brw.Model(
        terms=(
            Components(Normal(0, 1), arm="arm", against="against", none=("1",)),
            Arms(HalfNormal(1), comparator="against"),
        )
    )
    with pytest.raises(EvidenceError, match="several comparators"):
        check(model, evidence)


@pytest.mark.slow
def test_both_engines_agree_on_arms() -> None:
    seen, terms = (
        _parkinsons(),
        (
            Components(Normal(0, 2), arm="arm", none=("1",)),
            Arms(HalfNormal(1), baseline=Normal(0, 10)),
        ),
    )
    model, evidence = brw.Model(terms=terms), _arms(_parkinsons())
    exact, nuts = (
        brw.fit(model, evidence, engine=engine, seed=3) for engine in (brw.Exact(), brw.Nuts())
    )
    for name in ("mu", "tau", "beta[component[2]]", "beta[component[5]]", "theta_new"):
        one, other = (brw.summarise(tree).loc[name] for tree in (exact, nuts))
        assert abs(one["mean"] - other["mean"]) < 0.08 * one["sd"], name
        assert other["sd"] == pytest.approx(one["sd"], rel=0.08), name
    assert seen.shape[0] == evidence.size


def test_pairs_are_held_against_the_sum_by_evidence() -> None:
    # With tau fixed at zero every evidence is a normal density of the estimates.
    seen = _parkinsons()
    evidence = _contrasts(seen)
    data = evidence.data
    cells = {
        side: (
            "estimate",
            np.array([{"4": "2 + 3"}.get(cell, cell) for cell in data[side].to_numpy()], object),
        )
        for side in ("arm", "against")
    }
    evidence = replace(evidence, data=data.assign(cells))
    term = Components(
        Normal(0, 1), arm="arm", against="against", none=("1",), interactions=("all",)
    )
    model = brw.Model(terms=(term, Common()))
    found = brw.compare(model, evidence)
    assert list(found.models.index) == [
        "no moderator", "component", "component + pairs of component",
    ]  # fmt: skip
    effect, se = (evidence.data[name].to_numpy() for name in ("effect", "se"))
    v = np.diag(se**2)
    for block in evidence.dependence:
        v[np.ix_(block.rows, block.rows)] = block.covariance
    sides = [
        [set(cell.split(" + ")) - {"1"} for cell in evidence.data[side].to_numpy()]
        for side in ("arm", "against")
    ]
    columns = {
        name: np.array(
            [float(wanted <= a) - float(wanted <= b) for a, b in zip(*sides, strict=True)]
        )
        for name, wanted in {"2": {"2"}, "3": {"3"}, "5": {"5"}, "2 x 3": {"2", "3"}}.items()
    }
    prior = {"2": 1.0, "3": 1.0, "5": 1.0, "2 x 3": 0.25}
    for model_name, own in (
        ("no moderator", []),
        ("component", ["2", "3", "5"]),
        ("component + pairs of component", list(columns)),
    ):
        whole = v + sum(
            (prior[name] * np.outer(columns[name], columns[name]) for name in own), 0.0 * v
        )
        log = multivariate_normal.logpdf(effect, np.zeros(len(effect)), whole)
        assert found.models.loc[model_name, "log_evidence"] == pytest.approx(log, abs=1e-9)
    assert "pairs of component" in found.inclusion.index
