"""Missing values of a numeric moderator against a dense grid over mean, slope and SD of effects.

A row whose value is N(m, s^2) is N(mu + b m, tau^2 + se^2 + b^2 s^2) there, which the grid writes out. It
leaves less than 1e-6; the engine's rules of two coefficients as much.
"""

import numpy as np
import pandas as pd
import pytest
from scipy import special, stats

import bayesrtw as brw
from bayesrtw.engine import solve
from bayesrtw.engine.graph import graph
from bayesrtw.errors import EngineRefusal, EvidenceError, SpecError
from bayesrtw.model.checked import check
from bayesrtw.model.design import build
from bayesrtw.model.prior import HalfNormal, Normal
from bayesrtw.model.values import MissingValues

EFFECT = np.array([0.42, 0.30, 0.05, -0.12, 0.22, -0.30, 0.55, 0.02, 0.7])
SE = np.array([0.15, 0.12, 0.20, 0.20, 0.10, 0.22, 0.15, 0.11, 0.14])
X = np.array([3.0, 2.0, 1.0, -0.5, 1.5, -1.0, np.nan, np.nan, np.nan])
Z = np.array([2.0, 1.0, 1.0, 0.0, 1.5, -1.0, 2.0, 0.5, 3.0])
STATED = MissingValues(mean=1.2, sd=1.4)


def rows(keep=slice(None), **columns):
    frame = pd.DataFrame(
        {
            "study": [f"s{place}" for place in range(len(EFFECT))],
            "effect": EFFECT,
            "se": SE,
            "x": X,
            "z": Z,
            **columns,
        }
    )
    return brw.Evidence.from_frame(frame[keep], measure="log_hazard_ratio", benefit="higher")


def model(missing=STATED, likelihood=None, **settings):
    terms = (
        brw.Intercept(Normal(0.1, 0.5)),
        brw.Linear("x", Normal(0, 0.4), at=0.0, missing=missing, **settings),
        brw.Exchangeable(HalfNormal(0.25)),
    )
    return brw.Model(terms=terms, likelihood=likelihood or brw.likelihood.NormalErrors())


class Grid:
    """Density at every point of a grid, nodes of Gauss-Legendre rules on ranges that hold all of it."""

    def __init__(self, mean, sd, kept=None):
        lines = [(-1.6, 1.8, 90), (-1.3, 1.5, 110), (0.0, 1.3, 50)]
        laid = [np.polynomial.legendre.leggauss(count) for _, _, count in lines]
        at = [
            0.5 * (low + high) + 0.5 * (high - low) * x
            for (low, high, _), (x, _) in zip(lines, laid, strict=True)
        ]
        area = [0.5 * (high - low) * w for (low, high, _), (_, w) in zip(lines, laid, strict=True)]
        self.mu, self.b, self.tau = np.meshgrid(*at, indexing="ij")
        self.log_area = np.log(area[0][:, None, None] * area[1][:, None] * area[2])
        log = (
            self.log_area + stats.norm.logpdf(self.mu, 0.1, 0.5) + stats.norm.logpdf(self.b, 0, 0.4)
        )
        log += stats.halfnorm.logpdf(self.tau, scale=0.25)
        self.mean, self.sd = mean, sd
        for row in np.arange(len(EFFECT)) if kept is None else kept:
            log += stats.norm.logpdf(EFFECT[row], *self.of(row))
        self.log_evidence = float(special.logsumexp(log))
        self.share = np.exp(log - self.log_evidence)

    def of(self, row):
        spread = np.sqrt(self.tau**2 + SE[row] ** 2 + (self.b * self.sd[row]) ** 2)
        return self.mu + self.b * self.mean[row], spread

    def moments(self, value, variance=0.0):
        mean = float(np.sum(self.share * value))
        return mean, float(np.sqrt(np.sum(self.share * (variance + (value - mean) ** 2))))


@pytest.fixture(scope="module")
def grid():
    silent = np.isnan(X)
    return Grid(np.where(silent, 1.2, X), np.where(silent, 1.4, 0.0))


@pytest.fixture(scope="module")
def fit():
    return solve(model(), rows())


def test_given_the_slope_a_silent_row_is_wider(fit, grid):
    found = fit.posterior
    assert found.log_evidence == pytest.approx(grid.log_evidence, abs=1e-5)
    for name, value in (("mu", grid.mu), ("beta[x]", grid.b)):
        own = found.effects[name]
        np.testing.assert_allclose(own.moments(), grid.moments(value), atol=2e-6)
        # With a deviation added, so that a grid tells a probability.
        wide = own.widened(np.full(len(own.mean), 0.01))
        for at in (-0.1, 0.1, 0.3):
            wanted = np.sum(grid.share * stats.norm.cdf((at - value) / 0.1))
            assert float(wide.below(at)) == pytest.approx(wanted, abs=1e-5)
    assert found.tau == pytest.approx(grid.moments(grid.tau)[0], abs=1e-5)


def test_effects_behind_rows_and_what_a_row_would_report(fit, grid):
    for row in (8,):
        mean, spread = grid.of(row)
        own = spread**2 - SE[row] ** 2
        kept = own / spread**2
        wanted = grid.moments(mean + kept * (EFFECT[row] - mean), kept * SE[row] ** 2)
        [found] = fit.effect_of(np.arange(len(EFFECT)) == row)
        np.testing.assert_allclose(found.moments(), wanted, atol=1e-5)
    mask = np.arange(len(EFFECT)) == 8
    [left] = fit.without([mask])
    fewer = Grid(grid.mean, grid.sd, range(8))
    [ahead] = left.expected(mask)
    mean, spread = fewer.of(8)
    np.testing.assert_allclose(ahead.moments(), fewer.moments(mean, spread**2), atol=2e-5)
    gained = fit.posterior.log_evidence - left.posterior.log_evidence
    assert float(ahead.log_density(EFFECT[8])) == pytest.approx(gained, abs=1e-5)


def test_shares_are_slopes(fit):
    moved = fit.shifted(np.ones(len(EFFECT)), 1e-3)
    slope = (moved.posterior.pooled.moments()[0] - fit.posterior.pooled.moments()[0]) / 1e-3
    assert fit.shares[:-1].sum() == pytest.approx(slope, abs=0.05)


def test_mean_and_sd_are_learned_by_least_squares(grid):
    told = ~np.isnan(X)
    design = np.column_stack([np.ones(told.sum()), Z[told]])
    slope, rest, *_ = np.linalg.lstsq(design, X[told], rcond=None)
    variance = rest[0] / (told.sum() - 2)
    inverse = np.linalg.inv(design.T @ design)
    filled = MissingValues(auxiliary=("z",), delta=0.5).filled(X, rows())
    for row in np.flatnonzero(~told):
        ahead = np.array([1.0, Z[row]])
        assert filled.mean[row] == pytest.approx(ahead @ slope + 0.5)
        assert filled.sd[row] == pytest.approx(np.sqrt(variance * (1 + ahead @ inverse @ ahead)))
    found = solve(model(MissingValues(auxiliary=("z",), delta=0.5)), rows()).posterior
    own = Grid(filled.mean, filled.sd)
    assert found.log_evidence == pytest.approx(own.log_evidence, abs=1e-5)
    np.testing.assert_allclose(found.effects["beta[x]"].moments(), own.moments(own.b), atol=5e-6)


def test_without_missing_values_nothing_changes():
    full = rows(x=np.where(np.isnan(X), 1.0, X))
    plain = solve(model(None), full).posterior.pooled.moments()
    assert solve(model(), full).posterior.pooled.moments() == plain


@pytest.mark.slow
def test_heavy_tails_stand_beside_missing_values(grid):
    """Each normal of an error is as wide by what is not known of the value."""
    heavy = model(likelihood=brw.likelihood.HeavyTails(6.0))
    sites = heavy.likelihood.observe(rows())
    log = stats.norm.logpdf(grid.mu, 0.1, 0.5) + stats.norm.logpdf(grid.b, 0, 0.4)
    log += stats.halfnorm.logpdf(grid.tau, scale=0.25) + grid.log_area
    for row in range(len(EFFECT)):
        mean, spread = grid.of(row)
        own = spread**2 - SE[row] ** 2
        each = np.zeros(mean.shape)
        for weight, ratio in zip(np.exp(sites.log_weight), sites.ratio, strict=True):
            total = own + ratio * SE[row] ** 2
            each += weight * np.exp(-0.5 * (EFFECT[row] - mean) ** 2 / total) / np.sqrt(total)
        log += np.log(each) - 0.5 * np.log(2.0 * np.pi)
    found = solve(heavy, rows()).posterior
    assert found.log_evidence == pytest.approx(float(special.logsumexp(log)), abs=1e-5)


def test_a_finding_says_what_is_assumed():
    [note] = [each.message for each in check(model(), rows()) if each.check == "missing-values"]
    assert note == (
        "3 of 9 rows do not report 'x': each is normal, as stated, around 1.2 on average with SD 1.4."
    )


def test_what_makes_no_sense_is_refused():
    with pytest.raises(SpecError, match="stated together"):
        MissingValues(mean=1.0)
    with pytest.raises(SpecError, match="sd of missing values must be positive"):
        MissingValues(mean=1.0, sd=0.0)
    with pytest.raises(SpecError, match="leave one out"):
        MissingValues(mean=1.0, sd=1.0, auxiliary=("z",))
    with pytest.raises(SpecError, match="delta of missing values"):
        MissingValues(delta=float("nan"))
    with pytest.raises(EvidenceError, match="is empty or infinite in 3 rows"):
        solve(model(None), rows())
    with pytest.raises(EvidenceError, match="no column 'land', auxiliary to 'x'"):
        solve(model(MissingValues(auxiliary=("land",))), rows())
    with pytest.raises(EvidenceError, match="2 rows report 'x', and 3 are needed"):
        solve(model(MissingValues()), rows(slice(4, None)))
    with pytest.raises(EngineRefusal, match="values of 'x' are missing"):
        build(model(), rows())
    terms = (*model().terms, brw.Linear("z", Normal(0, 0.2), missing=STATED))
    with pytest.raises(SpecError, match="values of 'x' and of 'z' are missing"):
        solve(brw.Model(terms=terms), rows(z=np.where(Z > 1.9, np.nan, Z)))


def test_nuts_samples_the_values():
    """The graph's log density is the written-out one, apart from a constant of rounding."""
    import pytensor  # noqa: PLC0415

    built = graph(model(), rows()).model
    silent = np.isnan(X)
    with pytensor.config.change_flags(mode="FAST_COMPILE", cxx=""):
        density = built.compile_logp(mode="FAST_COMPILE")
        for seed in range(3):
            rng = np.random.default_rng(seed)
            at = {
                name: 0.3 * rng.normal(size=np.shape(value))
                for name, value in built.initial_point().items()
            }
            tau, x = np.exp(at["tau_log__"]), X.copy()
            x[silent] = 1.2 + 1.4 * at["x_missing"]
            wanted = stats.norm.logpdf(at["mu"], 0.1, 0.5)
            wanted += stats.norm.logpdf(at["beta_x"], 0, 0.4)
            wanted += stats.norm.logpdf(at["x_missing"]).sum()
            wanted += stats.halfnorm.logpdf(tau, scale=0.25) + at["tau_log__"]
            eta = at["mu"] + at["beta_x"] * x
            wanted += stats.norm.logpdf(EFFECT, eta, np.sqrt(tau**2 + SE**2)).sum()
            assert float(density(at)) == pytest.approx(float(wanted), abs=1e-7)
