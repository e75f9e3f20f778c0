"""Both means by name: each level once and each study once, against sums over a dense grid."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy.stats import norm

import bayesrtw as brw
from bayesrtw.analysis.concluded import conclusion
from bayesrtw.engine import solve
from bayesrtw.engine.curved_tree import quadrature
from bayesrtw.model.mixture_prior import StudentT
from bayesrtw.model.moderator import Categorical, Indicator, Linear
from bayesrtw.model.student_t import HeavyTails
from bayesrtw.posterior.stored import effect_in, shares_in
from bayesrtw.question.compare import compare
from bayesrtw.question.next_trial import after
from bayesrtw.report.document import as_json, document
from bayesrtw.report.figures import forests
from bayesrtw.report.text import headline

#: Seven rows of six studies: study B has two rows at two levels; level z has one study.
FRAME = pd.DataFrame(
    {
        "study": ["A", "B", "B", "C", "D", "E", "F"],
        "effect": [0.30, 0.25, -0.10, 0.05, 0.12, 0.40, -0.30],
        "se": [0.10, 0.20, 0.15, 0.12, 0.25, 0.18, 0.22],
        "kind": ["x", "x", "y", "y", "y", "x", "z"],
        "year": [2001.0, 2003.0, 2003.0, 2007.0, 2010.0, 2015.0, 2019.0],
        "design": ["rct", "rct", "rct", "rct", "cohort", "rct", "rct"],
    }
)
PRIOR = brw.prior.Normal(0, 0.25)
MEAN, TAU = brw.Intercept(brw.prior.Normal(0, 0.5)), brw.Exchangeable(brw.prior.HalfNormal(0.25))
LEVELS = brw.Model(terms=(MEAN, Categorical("kind", PRIOR), TAU))
LINE = brw.Model(terms=(MEAN, Linear("year", brw.prior.Normal(0, 0.02)), TAU))
BOTH = brw.Model(
    terms=(
        MEAN,
        Indicator("cohorts", "design", ("cohort",), PRIOR),
        Categorical("kind", PRIOR),
        TAU,
    )
)


def rows(frame=FRAME):
    """Give the frame as evidence."""
    return brw.Evidence.from_frame(frame)


def by_hand(frame, names, weights, new, kinds=("x", "y", "z")):
    """Sum over a dense grid of tau: mixture of normals of a combination of level means, plus new settings.

    Level effects are jointly N(0, 0.25^2 (I - 1/K)), so the prior of the level means is normal with
    covariance 0.25 + 0.0625 (I - 1/K); data are conjugate to it. `weights` are rows over levels with a
    probability each; with `new` the new setting's deviation is added.
    """
    taus = (np.arange(4000) + 0.5) * 1.6 / 4000
    count = len(kinds)
    prior = 0.25 + 0.0625 * (np.eye(count) - 1.0 / count)
    at = np.array([[kind == own for own in kinds] for kind in frame["kind"]], dtype=float)
    log, parts = [], []
    for tau in taus:
        variance = np.diag(frame["se"].to_numpy() ** 2 + tau**2)
        total = at @ prior @ at.T + variance
        gain = prior @ at.T @ np.linalg.inv(total)
        y = frame["effect"].to_numpy()
        mean, covariance = gain @ y, prior - gain @ at @ prior
        log.append(
            -0.5 * (y @ np.linalg.solve(total, y) + np.linalg.slogdet(total)[1])
            - 0.5 * (tau / 0.25) ** 2
        )
        for chance, row in weights:
            spread = row @ covariance @ row + (tau**2 if new else 0.0)
            parts.append((row @ mean, np.sqrt(spread), chance))
    share = np.exp(np.array(log) - max(log))
    share = np.repeat(share / share.sum(), len(weights))
    mean, sd, chance = np.array(parts).T
    share = share * chance
    centre = share @ mean
    return {
        "mean": centre,
        "sd": np.sqrt(share @ (sd**2 + (mean - centre) ** 2)),
        "probability": share @ norm.sf(0, mean, sd),
        "below": share @ norm.cdf(0.2, mean, sd),
    }


#: Studies A and E are x, C and D are y, F is z, and B is half x, half y.
MIX = np.array([2.5, 2.5, 1.0]) / 6.0


@pytest.mark.parametrize(
    ("name", "weights", "new"),
    [
        ("mu", [(1.0, np.ones(3) / 3)], False),
        ("mu_studies", [(1.0, MIX)], False),
        ("theta_new", [(1.0, np.ones(3) / 3)], True),
        ("theta_new_studies", list(zip(MIX, np.eye(3), strict=True)), True),
    ],
)
def test_both_means_are_sums_over_a_grid(name, weights, new):
    # The midpoint rule with 4000 points is right to 1e-8 here; the engine's own error is 1e-8.
    right = by_hand(FRAME, FRAME["kind"], weights, new)
    tree = brw.fit(LEVELS, rows(), engine=brw.Exact(draws=0), seed=1)
    found = brw.summarise(tree).loc[name]
    for figure in ("mean", "sd", "probability"):
        assert found[figure] == pytest.approx(right[figure], abs=2e-7)
    stored = effect_in(tree["quadrature"].dataset, name)
    assert float(stored.below(0.2)) == pytest.approx(right["below"], abs=2e-7)
    assert float(solve(LEVELS, rows()).posterior.effects[name].below(0.2)) == pytest.approx(
        right["below"], abs=2e-7
    )


def test_draws_are_of_the_same_distributions():
    tree = brw.fit(LEVELS, rows(), engine=brw.Exact(draws=50_000), seed=3)
    table = brw.summarise(tree)
    for name in ("mu_studies", "theta_new_studies"):
        drawn = tree["posterior"][name].to_numpy().reshape(-1)
        # 200,000 independent draws: five standard errors of a mean, and of a probability.
        assert drawn.mean() == pytest.approx(
            table.loc[name, "mean"], abs=5 * drawn.std() / np.sqrt(drawn.size)
        )
        assert np.mean(drawn > 0) == pytest.approx(
            table.loc[name, "probability"], abs=5 * 0.5 / np.sqrt(drawn.size)
        )


def test_without_moderators_there_is_one_mean():
    table = brw.summarise(brw.fit(brw.Model(terms=(MEAN, TAU)), rows()))
    assert "mu_studies" not in table.index
    assert "theta_new_studies" not in table.index


def test_a_line_is_averaged_over_the_studies_years():
    table = brw.summarise(brw.fit(LINE, rows()))
    years = np.array([2001.0, 2003.0, 2007.0, 2010.0, 2015.0, 2019.0])
    apart = years.mean() - FRAME["year"].mean()
    expected = table.loc["mu", "mean"] + apart * table.loc["beta[year]", "mean"]
    assert table.loc["mu_studies", "mean"] == pytest.approx(expected, abs=1e-9)


def test_studies_that_an_indicator_marks_are_not_what_the_mean_speaks_of():
    # Without study D, x has 2.5, y 1.5 and z 1 of five studies.
    table = brw.summarise(brw.fit(BOTH, rows()))
    levels = table.loc[[f"mu_level[kind[{kind}]]" for kind in "xyz"], "mean"].to_numpy()
    assert table.loc["mu_studies", "mean"] == pytest.approx(
        levels @ np.array([2.5, 1.5, 1.0]) / 5.0, abs=1e-9
    )


def test_an_indicator_alone_leaves_one_mean():
    model = brw.Model(terms=(MEAN, Indicator("cohorts", "design", ("cohort",), PRIOR), TAU))
    assert "mu_studies" not in brw.summarise(brw.fit(model, rows())).index


def test_studies_that_are_left_count_once_each():
    # Without F the mix is 2.5 : 2.5 of x and y, and z, whose level stays, has its prior alone.
    whole = solve(LEVELS, rows())
    [near] = whole.without([FRAME["study"].to_numpy() == "F"])
    left = FRAME[FRAME["study"] != "F"]
    mix = np.array([0.5, 0.5, 0.0])
    right = by_hand(left, left["kind"], [(1.0, mix)], new=False)
    found = near.posterior.effects["mu_studies"]
    assert found.moments() == pytest.approx((right["mean"], right["sd"]), abs=2e-7)
    right = by_hand(left, left["kind"], [(0.5, row) for row in np.eye(3)[:2]], new=True)
    found = near.posterior.effects["theta_new_studies"]
    assert found.moments() == pytest.approx((right["mean"], right["sd"]), abs=2e-7)


def test_a_level_without_a_study_is_named_beside_its_row():
    table = brw.leave_one_out(LEVELS, rows())
    assert table.loc["F", "empty_levels"] == "kind[z]"
    assert set(table["empty_levels"].drop("F")) == {""}
    over = brw.cumulative(LEVELS, rows())
    assert over["empty_levels"].to_dict() == {
        "2001": "kind[y], kind[z]",
        "2003": "kind[z]",
        "2007": "kind[z]",
        "2010": "kind[z]",
        "2015": "kind[z]",
        "2019": "",
    }
    assert "empty_levels" not in brw.leave_one_out(LINE, rows())


def test_heavy_tails_have_both_means():
    # Two levels, errors t with 8 degrees of freedom: the plane of level means and tau laid out densely.
    frame = FRAME[FRAME["kind"] != "z"]
    model = replace(LEVELS, likelihood=HeavyTails(8.0))
    [near] = solve(model, rows(frame)).without([frame["study"].to_numpy() == "E"])
    found, frame = near.posterior.effects, frame[frame["study"] != "E"]
    means, taus = np.linspace(-1.5, 1.6, 125), (np.arange(80) + 0.5) * 1.3 / 80
    z = np.linspace(-7, 7, 281)
    shape = norm.pdf(z) * (z[1] - z[0])
    prior = np.linalg.inv(0.25 + 0.0625 * (np.eye(2) - 0.5))
    plane = np.stack(np.meshgrid(means, means, indexing="ij"), axis=-1)
    log_prior = -0.5 * np.einsum("abi,ij,abj->ab", plane, prior, plane)
    density = np.empty((len(taus), len(means), len(means)))
    for place, tau in enumerate(taus):
        theta = means[:, None] + tau * z
        log = {"x": np.zeros(len(means)), "y": np.zeros(len(means))}
        for row in frame.itertuples():
            log[row.kind] += np.log((1 + ((row.effect - theta) / row.se) ** 2 / 8) ** -4.5 @ shape)
        density[place] = np.exp(
            log["x"][:, None] + log["y"] + log_prior - 0.5 * (tau / 0.25) ** 2 + 4
        )
    density /= density.sum()
    # Of the studies A, B, C and D one and a half are x, two and a half y. Steps of the grids: 2e-4.
    both = plane @ np.array([1.5, 2.5]) / 4.0
    assert found["mu_studies"].centre == pytest.approx(np.sum(density * both), abs=2e-4)
    second = np.sum(density * ((plane**2) @ np.array([1.5, 2.5]) / 4.0))
    second += density.sum(axis=(1, 2)) @ taus**2
    new = found["theta_new_studies"]
    assert new.centre == pytest.approx(np.sum(density * both), abs=2e-4)
    assert new.spread**2 + new.centre**2 == pytest.approx(second, rel=2e-3)
    stored = effect_in(quadrature(near, study_effects=False), "theta_new_studies")
    assert stored.moments() == pytest.approx(new.moments(), abs=1e-12)


def test_an_average_over_models_holds_both_means():
    found = compare({"with": LEVELS, "without": brw.Model(terms=(MEAN, TAU))}, rows())
    each = [
        brw.summarise(brw.fit(model, rows())) for model in (LEVELS, brw.Model(terms=(MEAN, TAU)))
    ]
    chance = found.models["posterior"].to_numpy()
    table = brw.summarise(found.posterior)
    for name, other in (("mu_studies", "mu"), ("theta_new_studies", "theta_new")):
        expected = chance @ [each[0].loc[name, "mean"], each[1].loc[other, "mean"]]
        assert table.loc[name, "mean"] == pytest.approx(expected, abs=1e-8)


#: The same model with the studies' mix as its headline.
STUDIES = brw.Model(terms=(replace(MEAN, mean="studies"), *LEVELS.terms[1:]))
#: A mixture of normals as the prior: neighbours take other ways to the same answers.
MIXED = brw.Model(
    terms=(replace(MEAN, mean="studies", prior=StudentT(4, 0, 0.5)), *LEVELS.terms[1:])
)


@pytest.mark.parametrize("model", [STUDIES, MIXED])
def test_every_question_is_about_the_headline(model):
    whole = solve(model, rows())
    pooled = whole.posterior.effects["mu_studies"]
    assert whole.posterior.pooled is pooled
    assert whole.posterior.new is whole.posterior.effects["theta_new_studies"]
    # Shifts, other priors and rows left out, each against a fit of its own.
    along = np.array([1.0, 0, 0, 1, 0, 0, 1])
    moved = FRAME.assign(effect=FRAME["effect"] + 0.1 * along)
    other = solve(model, rows(moved)).posterior.effects["mu_studies"]
    chance = whole.shifts(along).probability(0.1, 0.05, above=True)
    assert chance == pytest.approx(other.beyond(0.05, above=True), abs=1e-7)
    narrow = brw.Model(
        terms=(replace(MEAN, mean="studies", prior=brw.prior.Normal(0.1, 0.3)), *LEVELS.terms[1:])
    )
    other = solve(narrow, rows()).posterior.effects["mu_studies"]
    assert whole.means().under(0.1, 0.3).moments() == pytest.approx(other.moments(), abs=1e-7)
    table = brw.leave_one_out(model, rows())
    assert table.loc["none left out", "mean"] == pytest.approx(pooled.centre, abs=1e-9)
    [near] = whole.without([FRAME["study"].to_numpy() == "A"])
    assert table.loc["A", "mean"] == pytest.approx(
        near.posterior.effects["mu_studies"].centre, abs=1e-9
    )


def test_shares_are_slopes_of_the_headline():
    # What the mean gains by a step of each estimate, at known tau, and the rest is the priors'.
    fixed = brw.Model(
        terms=(replace(MEAN, mean="studies"), Categorical("kind", PRIOR), brw.Common())
    )
    whole = solve(fixed, rows())
    slopes = []
    for row in range(7):
        moved = FRAME.copy()
        moved.loc[row, "effect"] += 1.0
        slopes.append(
            solve(fixed, rows(moved)).posterior.pooled.centre - whole.posterior.pooled.centre
        )
    assert whole.shares[:-1] == pytest.approx(slopes, abs=1e-9)
    assert whole.shares.sum() == pytest.approx(1.0, abs=1e-12)
    tree = brw.fit(fixed, rows(), engine=brw.Exact(draws=0))
    found = shares_in(tree["quadrature"].dataset, "mu_studies")
    assert found is not None
    assert found[0] == pytest.approx(slopes, abs=1e-9)


def test_a_further_trial_is_one_of_the_average_programme():
    # Draws of the studies' mean and tau, weighed by the density of the trial's result around that mean.
    drawn = brw.fit(STUDIES, rows(), engine=brw.Exact(draws=50_000), seed=5)["posterior"]
    mean, tau = (drawn[name].to_numpy().reshape(-1) for name in ("mu_studies", "tau"))
    share = norm.pdf(0.5, mean, np.sqrt(tau**2 + 0.1**2))
    found = after(solve(STUDIES, rows()).posterior, 0.1, np.array([0.5]))
    # 200,000 draws weighed unevenly: the standard error of the mean is about 5e-4.
    right = share @ (mean > 0.2) / share.sum()
    assert found.beyond(0.2, above=True)[0] == pytest.approx(right, abs=6e-3)


@pytest.mark.slow
def test_cancer_rtw_is_about_its_nine_studies():
    # Four psycho-educational, four physical and one vocational study; drawn by hand from level means.
    synthesis = brw.run(brw.open_analysis("cancer-rtw"))
    drawn = brw.fit(
        synthesis.analysis.model,
        synthesis.evidence,
        engine=brw.Exact(draws=50_000, study_effects=False),
        seed=7,
    )["posterior"]
    names = [str(name) for name in drawn["mu_level"]["level"].to_numpy()]
    share = np.array(
        [{"physical": 4, "psycho-educational": 4, "vocational": 1}[name[11:-1]] for name in names]
    )
    levels = drawn["mu_level"].to_numpy().reshape(-1, 3)
    apart = (drawn["theta_new"] - drawn["mu"]).to_numpy().reshape(-1)
    kind = np.random.default_rng(1).choice(3, p=share / 9, size=len(apart))
    by_hand = {
        "pooled": levels @ share / 9,
        "new setting": levels[np.arange(len(apart)), kind] + apart,
    }
    for name, values in by_hand.items():
        row = synthesis.estimates.loc[name]
        # 200,000 draws: five standard errors of a probability and of the median (density about 2).
        assert row["probability"] == pytest.approx(np.mean(values > 0), abs=6e-3)
        assert row["median"] == pytest.approx(np.median(values), abs=6e-3)
    assert conclusion(synthesis).benefit == pytest.approx(
        synthesis.estimates.loc["pooled", "probability"], abs=1e-12
    )
    page = as_json(document(synthesis))
    assert '"of": "mu_studies",\n    "which": "each study once"' in page
    assert "pooled (each study once)" in headline(synthesis)


def test_levels_of_an_interaction_have_no_forest_of_their_own():
    # Its level effects belong to the term; estimates are grouped by categorical moderators alone.
    synthesis = brw.run(brw.open_analysis("time-to-rtw-all-designs-moderators"))
    assert set(forests(synthesis)) == {"forest-by-programme-type"}


def test_a_headline_that_nobody_asks_for_is_said():
    analysis = brw.open_analysis("cancer-rtw")
    asked = tuple(each for each in analysis.estimand if each.of != "mu_studies")
    checks = {each.check for each in brw.run(replace(analysis, estimand=asked)).findings}
    assert "headline-not-asked" in checks
    assert "headline-not-asked" not in {each.check for each in brw.run(analysis).findings}
