"""Natural cubic splines: the restricted cubic basis of other books, and regression as a Gaussian process."""

import numpy as np
import pandas as pd
import pytest

import bayesrtw as brw
from bayesrtw.errors import SpecError
from bayesrtw.model import prior
from bayesrtw.model.checked import check

KNOTS = (2000.0, 2004.0, 2009.0, 2015.0)
SD, TAU = 0.3, 0.15


def rows(count=14):
    rng = np.random.default_rng(5)
    year = np.sort(rng.uniform(1998, 2018, count)).round(1)
    frame = pd.DataFrame({"study": [f"s{place}" for place in range(count)], "year": year})
    frame["effect"] = (0.2 * np.sin((year - 2000) / 4) + rng.normal(0, 0.1, count)).round(3)
    frame["se"] = rng.uniform(0.05, 0.15, count).round(3)
    return brw.Evidence.from_frame(frame)


def term(knots=KNOTS):
    return brw.terms.Spline("year", knots, prior.Normal(0, SD))


def model(spread=None):
    return brw.Model(
        terms=(brw.Intercept(prior.Normal(0, 0.5)), term(), spread or brw.Common()),
    )


def restricted_cubic(x, knots=KNOTS):
    """Harrell (2015), Regression Modeling Strategies, equation 2.25; with intercept and slope."""
    t = np.array(knots)
    last, before = t[-1], t[-2]
    columns = [np.ones_like(x), x]
    for each in t[:-2]:
        cube = np.maximum(x - each, 0) ** 3
        cube = cube - np.maximum(x - before, 0) ** 3 * (last - each) / (last - before)
        cube = cube + np.maximum(x - last, 0) ** 3 * (before - each) / (last - before)
        columns.append(cube / (last - t[0]) ** 2)
    return np.column_stack(columns)


def heights(x):
    """Shares of the heights at the knots, by solving for them in that basis."""
    return restricted_cubic(np.asarray(x, dtype=float)) @ np.linalg.inv(
        restricted_cubic(np.array(KNOTS))
    )


def by_process(at):
    """Mean and SD of mu + f(at) - f(mean of the rows), as a Gaussian process."""
    data = rows().data
    x, y, se = (data[name].to_numpy().astype(float) for name in ("year", "effect", "se"))
    level = np.eye(len(KNOTS)) - 1.0 / len(KNOTS)
    middle = heights([x.mean()])

    def cross(a, b):
        one, other = heights(a) - middle, heights(b) - middle
        return 0.5**2 + SD**2 * one @ level @ other.T

    weights = np.linalg.solve(cross(x, x) + np.diag(se**2), cross(x, at))
    mean = weights.T @ y
    covariance = cross(at, at) - cross(at, x) @ weights
    return mean, np.sqrt(np.diag(covariance))


def test_the_posterior_is_that_of_the_gaussian_process():
    at = np.array([1995.0, 2000.0, 2006.5, 2009.0, 2017.0, 2025.0])
    mean, sd = by_process(at)
    found = brw.predict(model(), rows(), at={"year": at.tolist()})
    np.testing.assert_allclose(found["mean"], mean, atol=1e-9)
    np.testing.assert_allclose(found["sd"], sd, atol=1e-9)


def test_reported_heights_are_those_at_the_knots():
    summary = brw.summarise(brw.fit(model(), rows(), engine=brw.Exact(draws=0)))
    mean, _ = by_process(np.array(KNOTS))
    for place, knot in enumerate(KNOTS):
        expected = mean[place] - summary.loc["mu", "mean"]
        assert summary.loc[f"beta[year[{knot:g}]]", "mean"] == pytest.approx(expected, abs=1e-9)
    middle = np.array([rows().data["year"].to_numpy().astype(float).mean()])
    assert summary.loc["mu", "mean"] == pytest.approx(by_process(middle)[0][0], abs=1e-9)


@pytest.mark.slow
def test_both_engines_agree():
    spread = brw.Exchangeable(prior.HalfNormal(TAU))
    exact = brw.summarise(brw.fit(model(spread), rows(), engine=brw.Exact(draws=0)))
    sampled = brw.summarise(brw.fit(model(spread), rows(), engine=brw.Nuts(), seed=4))
    for name in ["mu", "tau", *(f"beta[year[{knot:g}]]" for knot in KNOTS)]:
        one, other = exact.loc[name], sampled.loc[name]
        # Four standard errors with some 1,500 effective draws.
        assert abs(one["mean"] - other["mean"]) < 4 * one["sd"] / np.sqrt(1500)


def test_bad_knots_priors_and_columns_are_named():
    with pytest.raises(SpecError, match=r"knots of 'year' are \[2000.0, 2010.0\]; give at least 3"):
        term((2000.0, 2010.0))
    with pytest.raises(SpecError, match="at least 3, increasing"):
        term((2000.0, 2010.0, 2010.0))
    with pytest.raises(SpecError, match="normal prior with mean 0"):
        brw.terms.Spline("year", KNOTS, prior.Normal(0.1, SD))
    beyond = brw.Model(
        terms=(brw.Intercept(prior.Normal(0, 1)), term((1900.0, 2005.0, 2010.0)), brw.Common())
    )
    said = {each.check: each.message for each in check(beyond, rows())}
    assert "the curve at 1900 is the prior's" in said["knots-beyond"]
    with pytest.raises(AttributeError, match=r"has no 'Splin'; did you mean 'Spline'"):
        brw.terms.Splin  # noqa: B018


def test_the_picture_draws_the_curve():
    tree = brw.fit(model(brw.Exchangeable(prior.HalfNormal(TAU))), rows(), engine=brw.Exact())
    axes = brw.plot_bubble(tree, "year", evidence=rows())
    [line] = [each for each in axes.get_lines() if each.get_gid() == "mean-effect"]
    drawn = np.asarray(line.get_ydata(), dtype=float)
    bends = np.diff(drawn, 2)
    assert np.ptp(np.sign(bends[np.abs(bends) > 1e-6])) == 2  # bends both ways
