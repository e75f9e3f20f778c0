"""A slope by declared rules: where it is zero and what it is of change no prediction."""

import numpy as np
import pandas as pd
import pytest

import bayesrtw as brw
from bayesrtw.errors import SpecError
from bayesrtw.model import prior

YEAR = np.array([1998.0, 2001, 2003, 2008, 2012, 2015, 2019])


def rows():
    rng = np.random.default_rng(4)
    frame = pd.DataFrame({"study": list("abcdefg"), "year": YEAR, "se": 0.1})
    frame["effect"] = (0.02 * (YEAR - 2008) + rng.normal(0, 0.1, 7)).round(3)
    return brw.Evidence.from_frame(frame)


def model(sd=0.05, **rules):
    slope = brw.Linear("year", prior.Normal(0, sd), **rules)
    return brw.Model(terms=(brw.Intercept(prior.Flat()), slope, brw.Common()))


def summary(made):
    return brw.summarise(brw.fit(made, rows(), engine=brw.Exact(draws=0)))


def by_hand(sd, zero):
    """Mean and SD of the effect at a year, with a flat intercept and a normal slope."""
    columns = np.column_stack([np.ones(7), YEAR - zero])
    covariance = np.linalg.inv(columns.T @ columns / 0.01 + np.diag([0.0, sd**-2]))
    mean = covariance @ columns.T @ rows().data["effect"].to_numpy().astype(float) / 0.01
    return mean, np.sqrt(np.diag(covariance))


@pytest.mark.parametrize(
    ("rules", "zero", "unit"),
    [
        ({}, YEAR.mean(), 1.0),
        ({"at": 2015.0}, 2015.0, 1.0),
        ({"at": 2015.0, "per": 10.0}, 2015.0, 10.0),
        ({"standardise": True}, YEAR.mean(), YEAR.std()),
        ({"centre": False, "per": 5.0}, 0.0, 5.0),
    ],
)
def test_mean_and_slope_are_those_of_least_squares_there(rules, zero, unit):
    found = summary(model(sd=0.05 * unit, **rules))
    mean, sd = by_hand(0.05, zero)
    np.testing.assert_allclose(found.loc[["mu", "beta[year]"], "mean"], mean * [1, unit], rtol=1e-8)
    np.testing.assert_allclose(found.loc[["mu", "beta[year]"], "sd"], sd * [1, unit], rtol=1e-8)
    at = brw.predict(model(sd=0.05 * unit, **rules), rows(), at={"year": 2010}).iloc[0]
    assert at["mean"] == pytest.approx(by_hand(0.05, 2010.0)[0][0], abs=1e-9)


def test_words_say_where_and_of_what():
    assert model(at=2015.0).which("mu") == "at year 2015"
    assert model().which("mu") == "covariates at their means"
    spread = brw.Exchangeable(prior.HalfNormal(0.2))
    slope = brw.Linear("year", prior.Normal(0, 0.5), at=2015.0, per=10.0)
    made = brw.Model(terms=(brw.Intercept(prior.Normal(0, 0.5)), slope, spread))
    tree = brw.fit(made, rows(), engine=brw.Exact())
    from bayesrtw.plot.bubble import describe_bubble  # noqa: PLC0415

    assert "Difference for each 10 of year:" in describe_bubble(tree, "year", evidence=rows())


def test_bad_rules_are_named():
    with pytest.raises(SpecError, match="per of 'year' must be a positive number; found 0"):
        model(per=0.0)
    with pytest.raises(SpecError, match="per and standardise; give one of them"):
        model(per=10.0, standardise=True)
