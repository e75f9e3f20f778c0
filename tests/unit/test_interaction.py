"""Interactions against brute-force least squares, and what is said of rows that cannot tell them.

The reference has no quadrature and no contrasts: with heterogeneity fixed (`Common`), the posterior of
the cell effects is that of ordinary Bayesian least squares with the singular covariance
sd^2 (C_K x C_L), written out cell by cell. Agreement is to 1e-10, rounding of two ways of inverting.
"""

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose

import bayesrtw as brw
from bayesrtw.errors import SpecError
from bayesrtw.model.checked import check

NORMAL = brw.prior.Normal
GROUPS = (
    brw.Group("active", ("active",), "itself"),
    brw.Group("not active", ("contact", "none"), "alike"),
)


def rows(count=24, seed=3):
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame(
        {
            "study": [f"s{place:02d}" for place in range(count)],
            "effect": rng.normal(0.1, 0.3, count),
            "se": rng.uniform(0.05, 0.3, count),
            "kind": [("a", "b", "c")[place % 3] for place in range(count)],
            "place": [("x", "y")[(place // 3) % 2] for place in range(count)],
            "design": [("rct", "rct", "cohort", "rct")[(place // 6) % 4] for place in range(count)],
        }
    )
    return brw.Evidence.from_frame(frame)


def centring(count):
    return np.eye(count) - np.full((count, count), 1 / count)


def least_squares(evidence, columns, covariance):
    """Posterior of coefficients with a prior N(0, covariance), which may be singular."""
    y, v = evidence.data["effect"].to_numpy(), evidence.data["se"].to_numpy() ** 2
    gain = covariance @ columns.T @ np.linalg.inv(columns @ covariance @ columns.T + np.diag(v))
    return gain @ y, covariance - gain @ columns @ covariance


def one_hot(values):
    levels = sorted(set(values))
    return np.array([[value == level for level in levels] for value in values], dtype=float)


def cells(evidence):
    kind, place = (one_hot(evidence.data[name].to_numpy()) for name in ("kind", "place"))
    return kind, place, (kind[:, :, None] * place[:, None, :]).reshape(len(kind), -1)


def block(*parts):
    width = sum(len(part) for part in parts)
    whole, start = np.zeros((width, width)), 0
    for part in parts:
        whole[start : start + len(part), start : start + len(part)] = part
        start += len(part)
    return whole


def fitted(evidence, *terms):
    model = brw.Model(terms=(brw.Intercept(NORMAL(0, 0.5)), *terms, brw.Common()))
    return brw.summarise(brw.fit(model, evidence, engine=brw.Exact(draws=0)))


def test_two_categorical_columns_give_least_squares_with_sums_of_zero_over_both():
    evidence = rows()
    kind, place, both = cells(evidence)
    columns = np.hstack([np.ones((len(kind), 1)), kind, place, both])
    covariance = block(
        np.array([[0.25]]),
        0.25**2 * centring(3),
        0.25**2 * centring(2),
        0.125**2 * np.kron(centring(3), centring(2)),
    )
    mean, spread = least_squares(evidence, columns, covariance)
    table = fitted(
        evidence,
        brw.Categorical("kind", NORMAL(0, 0.25)),
        brw.Categorical("place", NORMAL(0, 0.25)),
        brw.Interaction("kind", "place"),
    )
    found = table.loc[[name for name in table.index if name.startswith("beta[kind:place")]]
    assert list(found["label"])[:2] == ["kind:place[a & x]", "kind:place[a & y]"]
    assert_allclose(found["mean"], mean[-6:], atol=1e-10)
    assert_allclose(found["sd"], np.sqrt(np.diag(spread)[-6:]), atol=1e-10)
    assert_allclose(found["mean"].to_numpy().reshape(3, 2).sum(axis=0), 0, atol=1e-12)
    assert_allclose(found["mean"].to_numpy().reshape(3, 2).sum(axis=1), 0, atol=1e-12)
    assert_allclose(table.loc["mu", "mean"], mean[0], atol=1e-10)


def marked(evidence):
    return (evidence.data["design"].to_numpy() == "cohort").astype(float)[:, None]


def test_marked_rows_give_least_squares_and_contrasts_on_both_sides():
    evidence = rows()
    kind, mark = cells(evidence)[0], marked(evidence)
    columns = np.hstack([np.ones((len(kind), 1)), mark, kind, mark * kind])
    covariance = block(np.diag([0.25, 0.04]), 0.25**2 * centring(3), 0.125**2 * centring(3))
    mean, spread = least_squares(evidence, columns, covariance)
    term = brw.Interaction(
        "kind", "design", values=("cohort",), name="cohort", rest="trials", main=NORMAL(0, 0.25)
    )
    design = brw.Indicator("cohort", "design", ("cohort",), NORMAL(0, 0.2))
    table = fitted(evidence, design, term)
    own, extra = np.array([1.0, -1.0, 0.0]), np.zeros(3)
    for label, weight in (
        ("kind[b]", np.r_[0, 0, 0, 1, 0, extra]),
        ("kind in trials[a - b]", np.r_[0, 0, own, extra]),
        ("kind in cohort[a - b]", np.r_[0, 0, own, own]),
        ("kind:cohort[a - b]", np.r_[0, 0, extra, own]),
    ):
        row = table.loc[f"beta[{label}]"]
        assert_allclose(row["mean"], weight @ mean, atol=1e-10)
        assert_allclose(row["sd"], np.sqrt(weight @ spread @ weight), atol=1e-10)


def test_a_term_with_its_main_effect_is_the_two_terms():
    evidence = rows()
    whole = brw.Interaction("kind", "design", NORMAL(0, 0.1), ("cohort",), "c", main=NORMAL(0, 0.3))
    parts = (
        brw.Categorical("kind", NORMAL(0, 0.3)),
        brw.Interaction("kind", "design", NORMAL(0, 0.1), ("cohort",), "c"),
    )
    one, two = fitted(evidence, whole), fitted(evidence, *parts)
    for name in ("mu", "beta[kind[a]]", "beta[kind:c[c]]", "theta[s05]"):
        assert_allclose(one.loc[name, ["mean", "sd"]], two.loc[name, ["mean", "sd"]], atol=1e-12)


def findings(*terms, evidence=None):
    model = brw.Model(terms=(brw.Intercept(NORMAL(0, 0.5)), *terms, brw.Common()))
    return {found.check: found.message for found in check(model, evidence or rows())}


def test_cells_without_rows_are_named():
    few = brw.Evidence.from_frame(
        pd.DataFrame(
            {
                "study": list("pqrs"),
                "effect": 0.1,
                "se": 0.1,
                "kind": list("aabb"),
                "place": list("xyxx"),
            }
        )
    )
    found = findings(brw.Interaction("kind", "place"), evidence=few)
    assert found["empty-cell"] == (
        "Cells of 'kind:place' with no row (b and y): the priors alone speak of them."
    )
    assert found["small-cell"] == (
        "Cells of 'kind:place' with one row (a and x; a and y): it and the priors decide."
    )


def test_an_interaction_without_its_main_effects_is_a_warning():
    found = findings(brw.Interaction("kind", "place"))
    assert "without a term of the same levels for 'kind', 'place'" in found["interaction-alone"]
    whole = brw.Interaction("kind", "design", NORMAL(0, 0.1), ("cohort",), "c", main=NORMAL(0, 0.3))
    design = brw.Indicator("c", "design", ("cohort",), NORMAL(0, 0.2))
    assert "interaction-alone" not in findings(whole, design)


def test_one_level_on_a_side_moves_nothing():
    found = findings(brw.Interaction("kind", "design", values=("survey",), name="survey"))
    assert found["constant-moderator"].startswith("The interaction 'kind:survey' has one level")


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"by": "kind"}, "interaction of 'kind' with itself; name two columns"),
        ({"values": ("cohort",)}, "has values and no name; give both"),
        ({"name": "c"}, "has a name and no values; give both"),
        ({"main": NORMAL(0, 1)}, "has main and no values; with two categorical columns"),
        ({"prior": brw.prior.Flat()}, "needs normal priors with mean 0"),
        ({"values": ("c",), "name": "a/b"}, "name and rest hold /; use other signs"),
        (
            {"values": ("c",), "name": "c", "by_groups": GROUPS},
            "by_groups and values are both given",
        ),
    ],
)
def test_an_interaction_that_says_two_things_is_refused(settings, message):
    with pytest.raises(SpecError, match=message):
        brw.Interaction(**{"column": "kind", "by": "design", **settings})


def test_a_column_carried_twice_is_refused():
    whole = brw.Interaction("kind", "design", NORMAL(0, 0.1), ("cohort",), "c", main=NORMAL(0, 0.3))
    with pytest.raises(SpecError, match="moderators 'kind' stand twice"):
        brw.Model(terms=(brw.Categorical("kind", NORMAL(0, 1)), whole, brw.Common()))


@pytest.mark.slow
@pytest.mark.parametrize("categorical", [False, True])
def test_exact_and_nuts_agree_on_interactions(categorical):
    import arviz_stats as azs  # noqa: PLC0415

    evidence = rows()
    if categorical:
        terms = (
            brw.Categorical("kind", NORMAL(0, 0.25)),
            brw.Categorical("place", NORMAL(0, 0.25)),
            brw.Interaction("kind", "place"),
        )
    else:
        terms = (
            brw.Indicator("cohort", "design", ("cohort",), NORMAL(0, 0.2)),
            brw.Interaction("kind", "design", values=("cohort",), name="c", main=NORMAL(0, 0.25)),
        )
    heterogeneity = brw.Exchangeable(brw.prior.HalfNormal(0.25))
    model = brw.Model(terms=(brw.Intercept(NORMAL(0, 0.5)), *terms, heterogeneity))
    exact = brw.summarise(brw.fit(model, evidence))
    tree = brw.fit(model, evidence, engine=brw.Nuts(draws=5000), seed=4)
    sampled = brw.summarise(tree)
    for column, method in (("mean", "mean"), ("sd", "sd")):
        error = azs.mcse(tree["posterior"].to_dataset(), method=method)
        for variable in tree["posterior"].data_vars:
            own = exact["variable"] == variable
            gap = np.abs(exact.loc[own, column] - sampled.loc[own, column]).to_numpy()
            assert np.all(gap < 4 * np.atleast_1d(error[variable].to_numpy())), (column, variable)
