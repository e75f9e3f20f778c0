"""Predictions at values of moderators: least squares by hand, draws, and what summaries say."""

import numpy as np
import pandas as pd
import pytest

import bayesrtw as brw
from bayesrtw.errors import SpecError
from bayesrtw.model import prior
from bayesrtw.model.bias import Studies
from bayesrtw.model.borrow import RobustMap
from bayesrtw.model.student_t import HeavyTails
from bayesrtw.model.term import Group

MU, LEVEL, TAU = prior.Normal(0, 0.5), prior.Normal(0, 0.25), prior.HalfNormal(0.25)
INTERCEPT, SPREAD = brw.Intercept(MU), brw.Exchangeable(TAU)
KIND = brw.Categorical("kind", LEVEL)
YEAR = brw.Linear("year", prior.Normal(0, 0.1))
COHORT = brw.Indicator("cohort", "design", ("cohort",), prior.Normal(0, 0.2))
CELLS = brw.Interaction("kind", "site", prior.Normal(0, 0.125))
SITE = brw.Categorical("site", LEVEL)


def evidence(benefit="higher"):
    rng = np.random.default_rng(8)
    frame = pd.DataFrame(
        {
            "study": [f"s{place}" for place in range(12)],
            "effect": rng.normal(0.2, 0.2, 12).round(3),
            "se": rng.uniform(0.08, 0.2, 12).round(3),
            "kind": ["a", "b", "c", "a"] * 3,
            "site": ["x", "x", "y"] * 4,
            "year": np.arange(2000.0, 2012.0),
            "design": ["rct"] * 8 + ["cohort"] * 4,
        }
    )
    return brw.Evidence.from_frame(frame, measure="log_hazard_ratio", benefit=benefit)


def model(*terms, spread=SPREAD, mean="levels"):
    return brw.Model(terms=(brw.Intercept(MU, mean=mean), *terms, spread))


FIGURES = ["mean", "sd", "median", "lower", "upper", "probability"]


@pytest.mark.parametrize("mean", ["levels", "studies"])
def test_without_values_it_is_the_pooled_mean_and_its_new_setting(mean):
    made = model(KIND, YEAR, COHORT, mean=mean)
    summary = brw.summarise(brw.fit(made, evidence(), engine=brw.Exact(draws=0)))
    found = brw.predict(made, evidence()).iloc[0]
    new = found.filter(like="new_").rename(lambda name: name.removeprefix("new_"))
    for own, name in ((found, made.pooled), (new, made.new)):
        expected = summary.loc[name, FIGURES].to_numpy(dtype=float)
        np.testing.assert_allclose(own[FIGURES].to_numpy(dtype=float), expected, atol=1e-7)


def test_a_mean_whose_prior_other_studies_give_is_predicted_too():
    borrowed = RobustMap(Studies(("cohort",)), prior=MU, tau=TAU, robust=MU)
    made = brw.Model(terms=(borrowed, SPREAD))
    summary = brw.summarise(brw.fit(made, evidence(), engine=brw.Exact(draws=0)))
    found = brw.predict(made, evidence()).iloc[0]
    expected = summary.loc["mu", FIGURES].to_numpy(dtype=float)
    np.testing.assert_allclose(found[FIGURES].to_numpy(dtype=float), expected, atol=1e-7)


def test_levels_are_what_the_summary_says_of_them():
    made = model(KIND, YEAR)
    summary = brw.summarise(brw.fit(made, evidence(), engine=brw.Exact(draws=0)))
    found = brw.predict(made, evidence(), at={"kind": ["a", "b", "c"]})
    for level, row in found.iterrows():
        expected = summary.loc[f"mu_level[kind[{level}]]", FIGURES].to_numpy(dtype=float)
        np.testing.assert_allclose(row[FIGURES].to_numpy(dtype=float), expected, atol=1e-7)


def by_hand(columns, at, precision):
    """Mean and SD of ``at @ b`` under normal priors, one SD, no heterogeneity: the textbook's formula."""
    rows = evidence().data
    weight = rows["se"].to_numpy() ** -2.0
    covariance = np.linalg.inv(columns.T @ (weight[:, None] * columns) + np.diag(precision))
    mean = covariance @ (columns.T @ (weight * rows["effect"].to_numpy()))
    return at @ mean, np.sqrt(np.sum((at @ covariance) * at, axis=-1))


def test_a_combination_of_line_and_mark_is_that_of_least_squares_with_priors():
    made = model(YEAR, COHORT, spread=brw.Common())
    data = evidence().data
    year = data["year"].to_numpy()
    marked = (data["design"].to_numpy() == "cohort").astype(float)
    columns = np.column_stack([np.ones(12), year - year.mean(), marked])
    values = [(2003.0, 0.0), (2003.0, 1.0), (2020.0, 0.0), (2020.0, 1.0)]
    at = np.array([[1.0, when - year.mean(), which] for when, which in values])
    mean, sd = by_hand(columns, at, [0.5**-2, 0.1**-2, 0.2**-2])
    found = brw.predict(made, evidence(), at={"year": [2003, 2020], "design": ["rct", "cohort"]})
    np.testing.assert_allclose(found["mean"], mean, rtol=1e-10)
    np.testing.assert_allclose(found["sd"], sd, rtol=1e-10)
    # Studies that share one effect have no other in a new setting.
    np.testing.assert_allclose(found["new_sd"], sd, rtol=1e-10)
    assert found.index.tolist() == [
        (2003, "rct"), (2003, "cohort"), (2020, "rct"), (2020, "cohort"),
    ]  # fmt: skip
    assert "year goes beyond the rows, which lie between 2000 and 2011" in found.describe()


def test_cells_of_an_interaction_are_sums_of_what_the_draws_give():
    made = model(KIND, SITE, CELLS)
    rows = evidence()
    tree = brw.fit(made, rows, engine=brw.Exact(draws=0))
    summary = brw.summarise(tree)["mean"]
    found = brw.predict(made, rows, at={"kind": ["a", "b"], "site": ["x", "y"]})
    for kind, site in found.index:
        beta = [f"kind[{kind}]", f"site[{site}]", f"kind:site[{kind} & {site}]"]
        expected = summary["mu"] + sum(summary[f"beta[{name}]"] for name in beta)
        assert found.loc[(kind, site), "mean"] == pytest.approx(expected, abs=1e-8)


def test_marked_rows_have_their_own_levels():
    split = brw.Interaction(
        "kind", "design", values=("cohort",), name="cohort", main=LEVEL, prior=prior.Normal(0, 0.1)
    )
    made = model(split)
    summary = brw.summarise(brw.fit(made, evidence(), engine=brw.Exact(draws=0)))["mean"]
    found = brw.predict(made, evidence(), at={"kind": ["a", "b"], "design": ["rct", "cohort"]})[
        "mean"
    ]
    for design, side in (("rct", "others"), ("cohort", "cohort")):
        gap = found[("a", design)] - found[("b", design)]
        assert gap == pytest.approx(summary[f"beta[kind in {side}[a - b]]"], abs=1e-8)


def test_what_is_not_named_is_as_the_studies_have_it_where_the_mean_is_over_studies():
    made, rows = model(KIND, SITE, mean="studies"), evidence()
    each = brw.predict(made, rows, at={"kind": ["a", "b", "c"], "site": ["x", "y"]})
    share = {"x": 8 / 12, "y": 4 / 12}  # of the studies
    found = brw.predict(made, rows, at={"kind": ["a", "b", "c"]})
    for kind in ("a", "b", "c"):
        mean = sum(share[site] * each.loc[(kind, site), "mean"] for site in share)
        chance = sum(share[site] * each.loc[(kind, site), "new_probability"] for site in share)
        assert found.loc[kind, "mean"] == pytest.approx(mean, abs=1e-9)
        assert found.loc[kind, "new_probability"] == pytest.approx(chance, abs=1e-9)


def test_members_of_a_group_are_that_level():
    groups = (Group("ab", ("a", "b"), "alike"), Group("c", ("c",), "other"))
    made = model(brw.Categorical("kind", LEVEL, groups))
    found = brw.predict(made, evidence(), at={"kind": ["a", "ab", "b"]})
    # The same numbers, up to the last bit of a vector's lane.
    np.testing.assert_allclose(found["median"], found["median"].iloc[0], rtol=1e-14)


@pytest.mark.slow
def test_heavy_tails_answer_as_wide_ones_do_and_agree_with_draws():
    heavy = brw.Model(terms=(INTERCEPT, YEAR, SPREAD), likelihood=HeavyTails(nu=4.0))
    tree = brw.fit(heavy, evidence(), engine=brw.Exact(draws=4000), seed=3)
    draws = tree["posterior"].to_dataset()
    found = brw.predict(heavy, evidence(), at={"year": 2009.0}).iloc[0]
    gap = 2009.0 - float(evidence().data["year"].mean())
    values = (draws["mu"] + gap * draws["beta"].sel(moderator="year")).to_numpy().ravel()
    # Four standard errors of independent draws.
    assert found["mean"] == pytest.approx(
        values.mean(), abs=4 * values.std() / np.sqrt(values.size)
    )
    assert found["sd"] == pytest.approx(values.std(), rel=4 / np.sqrt(2 * values.size))


@pytest.mark.parametrize(
    ("at", "message"),
    [
        (
            {"knd": "a"},
            r"at names 'knd', which is no moderator .* did you mean 'kind'\? Choices: .*year",
        ),
        ({"kind": "d"}, r"kind is 'd'; .*Choices: a, b, c"),
        ({"design": "trial"}, r"design is 'trial'; .*Choices: cohort, rct"),
        ({"year": "2003"}, r"year is '2003'; it is a numeric moderator: give a number"),
        ({"kind": []}, r"at gives 'kind' no value"),
        ({"year": list(range(20_000))}, r"at makes 20000 combinations, at most 10000"),
    ],
)
def test_what_the_model_does_not_know_is_named_with_the_choices(at, message):
    with pytest.raises(SpecError, match=message):
        brw.predict(model(KIND, YEAR, COHORT), evidence(), at=at)


def test_a_model_without_moderators_or_mean_says_so():
    with pytest.raises(SpecError, match="the model has none: leave `at` out"):
        brw.predict(model(), evidence(), at={"kind": "a"})
    with pytest.raises(SpecError, match="no intercept, so there is no pooled mean"):
        brw.predict(brw.Model(terms=(YEAR, SPREAD)), evidence())


def test_words_are_of_the_reported_scale():
    found = brw.predict(model(KIND), evidence(), at={"kind": "a"})
    assert f"Hazard ratio at kind a: {np.exp(found['median'].iloc[0]):.3g}" in found.describe()
