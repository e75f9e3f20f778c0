"""Heterogeneity along a column: a plain grid over both hyperparameters, draws, counts, predictions."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

import bayesrtw as brw
from bayesrtw.errors import SpecError
from bayesrtw.model import prior
from bayesrtw.model.hypergeometric import Hypergeometric

TAU, SLOPE, MU = prior.HalfNormal(0.3), prior.Normal(0, 0.5), prior.Normal(0, 0.5)
LINE = prior.Normal(0, 0.3)
COUNT = 12


def frame():
    rng = np.random.default_rng(14)
    x = np.linspace(-1.5, 2.0, COUNT).round(2)
    found = pd.DataFrame({"study": [f"s{place}" for place in range(COUNT)], "x": x})
    found["se"] = rng.uniform(0.06, 0.15, COUNT).round(3)
    found["effect"] = (
        0.1 + rng.normal(0, 0.2 * np.exp(0.6 * x)) + rng.normal(0, 0.1, COUNT)
    ).round(3)
    return found


def rows():
    return brw.Evidence.from_frame(frame(), measure="log_hazard_ratio", benefit="higher")


def model(*terms):
    return brw.Model(terms=(brw.Intercept(MU), *terms, brw.terms.LocationScale("x", TAU, SLOPE)))


def legendre(low, high, count):
    x, w = np.polynomial.legendre.leggauss(count)
    return low + (high - low) * (x + 1) / 2, w


class Grid:
    """Even points of tau and slope; the coefficients by the normal equations at each."""

    def __init__(self, line=False, keep=None):
        data = frame()
        keep = np.ones(COUNT, dtype=bool) if keep is None else keep
        tau, slope = np.linspace(1e-4, 1.8, 700), np.linspace(-2.2, 2.6, 481)
        self.tau, self.slope = (each.ravel() for each in np.meshgrid(tau, slope, indexing="ij"))
        gap = data["x"].to_numpy() - data["x"].mean()
        columns = np.column_stack([np.ones(COUNT), gap])[:, : 2 if line else 1]
        precision = np.diag([0.5**-2, 0.3**-2][: columns.shape[1]])
        y, se = data["effect"].to_numpy(), data["se"].to_numpy()
        weight = keep / (se**2 + self.tau[:, None] ** 2 * np.exp(2 * self.slope[:, None] * gap))
        inner = np.einsum("jr,rc,rd->jcd", weight, columns, columns) + precision
        right = (weight * y) @ columns
        self.covariance = np.linalg.inv(inner)
        self.mean = (self.covariance @ right[..., None])[..., 0]
        log = stats.halfnorm.logpdf(self.tau, scale=0.3) + stats.norm.logpdf(self.slope, 0, 0.5)
        with np.errstate(divide="ignore"):
            log += 0.5 * np.sum(np.where(keep, np.log(weight), 0.0), axis=1)
        log += 0.5 * np.linalg.slogdet(self.covariance)[1]
        log += 0.5 * np.sum(right * self.mean, axis=1) - 0.5 * (weight * y**2).sum(axis=1)
        share = np.exp(log - log.max())
        share[self.tau == tau[0]] *= 0.5
        self.share = share / share.sum()

    def moments(self, values, variance=0.0):
        mean = self.share @ values
        return mean, np.sqrt(self.share @ ((values - mean) ** 2 + variance))


def test_both_hyperparameters_and_the_mean_are_those_of_a_grid():
    grid = Grid()
    found = brw.summarise(brw.fit(model(), rows(), engine=brw.Exact(draws=0)))
    for name, values, variance in (
        ("tau", grid.tau, 0.0),
        ("tau_slope", grid.slope, 0.0),
        ("mu", grid.mean[:, 0], grid.covariance[:, 0, 0]),
        ("theta_new", grid.mean[:, 0], grid.covariance[:, 0, 0] + grid.tau**2),
    ):
        mean, sd = grid.moments(values, variance)
        # The grid's own error: half the points move nothing by 2e-6.
        assert found.loc[name, "mean"] == pytest.approx(mean, abs=1e-5)
        assert found.loc[name, "sd"] == pytest.approx(sd, abs=1e-5)


def test_a_new_setting_at_a_value_has_the_spread_there():
    made, grid = model(brw.Linear("x", LINE)), Grid(line=True)
    gap = 1.7 - frame()["x"].mean()
    found = brw.predict(made, rows(), at={"x": 1.7}).iloc[0]
    along = np.array([1.0, gap])
    mean, variance = grid.mean @ along, np.einsum("c,jcd,d->j", along, grid.covariance, along)
    spread = grid.tau**2 * np.exp(2 * gap * grid.slope)
    assert found["mean"] == pytest.approx(grid.moments(mean)[0], abs=1e-5)
    assert found["sd"] == pytest.approx(grid.moments(mean, variance)[1], abs=1e-5)
    assert found["new_sd"] == pytest.approx(grid.moments(mean, variance + spread)[1], abs=2e-5)


def test_a_setting_like_one_of_the_studies_has_its_spread():
    made, grid = model(brw.Linear("x", LINE)), Grid(line=True)
    found = brw.summarise(brw.fit(made, rows(), engine=brw.Exact(draws=0)))
    gaps = frame()["x"].to_numpy() - frame()["x"].mean()
    second, first = 0.0, 0.0
    for gap in gaps:
        along = np.array([1.0, gap])
        mean, variance = grid.mean @ along, np.einsum("c,jcd,d->j", along, grid.covariance, along)
        spread = grid.tau**2 * np.exp(2 * gap * grid.slope)
        first += grid.share @ mean / COUNT
        second += grid.share @ (mean**2 + variance + spread) / COUNT
    assert found.loc["theta_new_studies", "mean"] == pytest.approx(first, abs=1e-5)
    assert found.loc["theta_new_studies", "sd"] == pytest.approx(
        np.sqrt(second - first**2), abs=2e-5
    )
    tree = brw.fit(made, rows(), engine=brw.Exact(draws=4000), seed=2)
    drawn = tree["posterior"].dataset["theta_new_studies"].to_numpy()
    # Shares beyond points, since its fourth moment is so large that an SD of draws says little.
    for point in (-0.5, 0.0, 0.4, 1.0):
        chance = 0.0
        for gap in gaps:
            along = np.array([1.0, gap])
            mean = grid.mean @ along
            variance = np.einsum("c,jcd,d->j", along, grid.covariance, along)
            spread = grid.tau**2 * np.exp(2 * gap * grid.slope)
            chance += grid.share @ stats.norm.sf(point, mean, np.sqrt(variance + spread)) / COUNT
        error = np.sqrt(chance * (1 - chance) / drawn.size)
        assert abs(np.mean(drawn > point) - chance) < 4 * error


def test_a_study_left_out_is_a_grid_without_it():
    keep = np.arange(COUNT) != 10
    near = brw.engine.solve(model(), rows()).without([~keep])[0]
    grid = Grid(keep=keep)
    mean, sd = grid.moments(grid.mean[:, 0], grid.covariance[:, 0, 0])
    assert near.posterior.pooled.moments() == pytest.approx((mean, sd), abs=1e-5)


def test_panels_reach_both_hyperparameters():
    found = brw.prior_sensitivity(
        model(), rows(), {"narrow": prior.Normal(0, 0.05)}, name="tau_slope"
    )
    plain = brw.Model(terms=(brw.Intercept(MU), brw.Exchangeable(TAU)))
    mean = brw.summarise(brw.fit(plain, rows(), engine=brw.Exact(draws=0))).loc["mu", "mean"]
    # A slope that is almost known to be zero is almost the plain model.
    assert found["mean"].iloc[-1] == pytest.approx(mean, abs=2e-3)


@pytest.mark.slow
def test_both_engines_agree():
    exact = brw.summarise(brw.fit(model(), rows(), engine=brw.Exact(draws=0)))
    sampled = brw.summarise(brw.fit(model(), rows(), engine=brw.Nuts(), seed=6))
    for name in ("mu", "tau", "tau_slope", "theta_new"):
        one, other = exact.loc[name], sampled.loc[name]
        # Four standard errors with the least effective draws that the gates allow.
        assert abs(one["mean"] - other["mean"]) < 4 * one["sd"] / np.sqrt(400)


def test_tables_of_counts_have_it_too():
    tables = pd.DataFrame(
        {
            "study": list("abcdefg"),
            "events_t": [3, 8, 2, 14, 5, 1, 9],
            "n_t": [40, 50, 45, 60, 38, 42, 55],
            "events_c": [6, 7, 5, 9, 12, 3, 10],
            "n_c": [41, 52, 40, 63, 40, 45, 50],
            "x": [0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0],
        }
    )
    names = {name: name for name in ("events_t", "n_t", "events_c", "n_c")}
    data = brw.Evidence.from_frame(tables, columns=names, measure="log_odds_ratio")
    made = brw.Model(
        terms=(brw.Intercept(MU), brw.terms.LocationScale("x", TAU, prior.Normal(0, 0.2))),
        likelihood=Hypergeometric(),
    )
    found = brw.summarise(brw.fit(made, data, engine=brw.Exact(draws=0)))
    # A grid: noncentral hypergeometric by Gauss-Hermite around the mean at each point.
    (mu, w_mu), (tau, w_tau), (slope, w_slope) = (
        legendre(-2.2, 2.0, 32), legendre(0.0, 1.7, 28), legendre(-1.0, 1.0, 20),
    )  # fmt: skip
    z, w = np.polynomial.hermite_e.hermegauss(80)
    w = w / w.sum()
    log = np.zeros((len(mu), len(tau), len(slope)))
    for _, row in tables.iterrows():
        a, n1, c, n0 = (int(row[name]) for name in ("events_t", "n_t", "events_c", "n_c"))
        u = np.arange(max(0, a + c - n0), min(n1, a + c) + 1)
        ways = stats.hypergeom.pmf(u, n1 + n0, n1, a + c)
        sd = tau[:, None] * np.exp(slope * (row["x"] - 3.0))
        theta = mu[:, None, None, None] + sd[None, :, :, None] * z
        with np.errstate(over="ignore"):
            density = ways[u == a] / (np.exp(np.multiply.outer(theta, u - a)) @ ways)
        log += np.log(density @ w)
    log += stats.norm.logpdf(mu, 0, 0.5)[:, None, None]
    log += stats.halfnorm.logpdf(tau, scale=0.3)[None, :, None]
    log += stats.norm.logpdf(slope, 0, 0.2)[None, None, :]
    share = np.exp(log - log.max())
    share *= w_mu[:, None, None] * w_tau[:, None] * w_slope
    share /= share.sum()
    for name, values, axes in (
        ("mu", mu, (1, 2)),
        ("tau", tau, (0, 2)),
        ("tau_slope", slope, (0, 1)),
    ):
        margin = share.sum(axis=axes)
        mean = margin @ values
        assert found.loc[name, "mean"] == pytest.approx(mean, abs=2e-5)
        sd = np.sqrt(margin @ (values - mean) ** 2)
        assert found.loc[name, "sd"] == pytest.approx(sd, abs=2e-5)


def test_bad_settings_are_named():
    with pytest.raises(SpecError, match=r"tau is a standard deviation: give a prior on \[0, inf\)"):
        brw.terms.LocationScale("x", MU, SLOPE)
    with pytest.raises(SpecError, match="slope of tau needs a normal prior"):
        brw.terms.LocationScale("x", TAU, TAU)
    with pytest.raises(SpecError, match="x is 'high'; it is a numeric column: give a number"):
        brw.predict(model(), rows(), at={"x": "high"})
