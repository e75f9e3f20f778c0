"""Several hyperparameters against brute force: trapezoids in log tau and logit, no quadrature shared.

The trapezoidal rule converges geometrically for densities that vanish at both ends of the line; at a
spacing of 0.02 to 0.05 its error is below 1e-9 here, so 1e-7 is asked for.
"""

import numpy as np
import pandas as pd
import pymc as pm
import pytest
from numpy.testing import assert_allclose
from scipy import stats
from scipy.special import logsumexp

import bayesrtw as brw
from bayesrtw.errors import EngineRefusal
from bayesrtw.evidence.dependence import assumed_correlation
from bayesrtw.model.bias import AdditiveBias, Studies
from bayesrtw.model.likelihood import Correlation
from bayesrtw.model.reference_prior import FlatNonNegative
from bayesrtw.question.sensitivity import leave_one_out, prior_sensitivity

prior = brw.prior


def evidence(seed=0, count=8):
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame(
        {
            "study": [f"s{place // 2}" for place in range(count)],
            "effect": rng.normal(0.2, 0.25, count),
            "se": rng.uniform(0.1, 0.3, count),
            "size": [20.0, 30.0] * (count // 2),
            "design": ["rct", "rct", "cohort", "cohort"] * (count // 4),
        }
    )
    return brw.Evidence.from_frame(frame, benefit="higher")


def brute(variances, densities, grids, y, sd):
    """Log evidence, mean of mu and means of two hyperparameters, mu ~ N(0, sd^2)."""
    first, second = np.meshgrid(*grids, indexing="ij")
    log = np.zeros(first.shape)
    precision = np.full(first.shape, sd**-2.0)
    weighted = np.zeros(first.shape)
    square = np.zeros(first.shape)
    for value, variance in zip(y, variances(first, second), strict=True):
        log -= 0.5 * np.log(2 * np.pi * variance)
        precision += 1 / variance
        weighted += value / variance
        square += value**2 / variance
    log -= 0.5 * (square - weighted**2 / precision) + 0.5 * np.log(precision) + np.log(sd)
    log += densities(first, second)
    total = logsumexp(log)
    share = np.exp(log - total)
    return total, np.sum(share * weighted / precision), share


@pytest.mark.parametrize("icc", [prior.Beta(1.5, 50), prior.Beta(1, 1), prior.Beta(0.7, 10)])
def test_an_icc_with_heterogeneity_equals_brute_force(icc):
    rows = evidence()
    clustering = brw.likelihood.Clustering("size", icc)
    model = brw.Model(
        terms=(brw.Intercept(prior.Normal(0, 0.5)), brw.Exchangeable(prior.HalfNormal(0.25))),
        likelihood=brw.likelihood.NormalErrors(clustering=clustering),
    )
    data = rows.data
    se2, excess = data["se"].to_numpy() ** 2, data["size"].to_numpy() - 1.0
    u, v = np.arange(-45.0, 1.5, 0.05), np.arange(-75.0, 30.0, 0.05)
    tau, rate = np.exp(u), 1 / (1 + np.exp(-v))

    def variances(a, b):
        return [s * (1 + e * b) + a**2 for s, e in zip(se2, excess, strict=True)]

    def densities(a, b):
        jacobian = np.log(a) + np.log(b) + np.log1p(-np.minimum(b, 1 - 1e-16)) + 2 * np.log(0.05)
        return prior.HalfNormal(0.25).logpdf(a) + icc.logpdf(np.minimum(b, 1 - 1e-16)) + jacobian

    total, mean, share = brute(variances, densities, (tau, rate), data["effect"].to_numpy(), 0.5)
    tree = brw.fit(model, rows, engine=brw.Exact(draws=0))
    found = brw.summarise(tree)
    assert_allclose(float(tree["quadrature"]["log_evidence"]), total, atol=1e-6)
    assert_allclose(found.loc["mu", "mean"], mean, atol=1e-7)
    assert_allclose(found.loc["icc", "mean"], np.sum(share * rate[None, :]), atol=1e-6)
    assert_allclose(found.loc["tau", "mean"], np.sum(share * tau[:, None]), atol=1e-7)


@pytest.mark.parametrize("tau", [prior.HalfNormal(0.5), prior.HalfCauchy(0.3)])
def test_heterogeneity_by_design_equals_brute_force(tau):
    rows = evidence(3)
    groups = (brw.Group("rct", ("rct",), "trials"), brw.Group("cohort", ("cohort",), "cohorts"))
    model = brw.Model(
        terms=(brw.Intercept(prior.Normal(0, 0.5)), brw.ByGroup("design", groups, tau))
    )
    data = rows.data
    se2, randomised = data["se"].to_numpy() ** 2, data["design"].to_numpy() == "rct"
    u = np.arange(-45.0, 14.0, 0.04)
    grid = np.exp(u)

    def variances(a, b):
        return [s + (a if r else b) ** 2 for s, r in zip(se2, randomised, strict=True)]

    def densities(a, b):
        return tau.logpdf(a) + tau.logpdf(b) + np.log(a) + np.log(b) + 2 * np.log(0.04)

    total, mean, share = brute(variances, densities, (grid, grid), data["effect"].to_numpy(), 0.5)
    tree = brw.fit(model, rows, engine=brw.Exact(draws=0))
    found = brw.summarise(tree)
    assert_allclose(float(tree["quadrature"]["log_evidence"]), total, atol=1e-7)
    assert_allclose(found.loc["mu", "mean"], mean, atol=1e-7)
    assert_allclose(found.loc["tau_rct", "mean"], np.sum(share * grid[:, None]), rtol=1e-6)


def dense(covariance, y, sd):
    """Log evidence, mean and SD of mu ~ N(0, sd^2) with a dense covariance of the estimates."""
    whole = covariance + sd**2
    weight = np.linalg.solve(whole, y)
    log = -0.5 * (y @ weight + np.linalg.slogdet(whole)[1] + len(y) * np.log(2 * np.pi))
    return log, sd**2 * weight.sum(), sd**2 - sd**4 * np.linalg.solve(whole, np.ones(len(y))).sum()


def clustered(known, bias):
    """Rows of which the last two share people, and of which one is in clusters."""
    size = [np.nan, 40.0, np.nan, 500.0, 200.0]
    frame = pd.DataFrame(
        {
            "study": list("ABCDD"),
            "effect": [0.1, 0.2, -0.05, 0.5, 0.6],
            "se": [0.1, 0.15, 0.2, 0.1, 0.12],
            "size": size,
            "design": ["rct"] * 3 + ["cohort"] * 2,
        }
    )
    rows = brw.Evidence.from_frame(frame, benefit="higher")
    if known:
        rows = assumed_correlation(rows, by="study", rho=0.5)
    model = brw.Model(
        terms=(
            brw.Intercept(prior.Normal(0, 0.5)),
            brw.Common(),
            *([AdditiveBias(Studies(("cohort",)), mean=0.0, sd=0.2)] if bias else []),
        ),
        likelihood=brw.likelihood.NormalErrors(
            correlation=None if known else Correlation("study", prior.Beta(10, 10)),
            clustering=brw.likelihood.Clustering("size", prior.Beta(2, 20)),
        ),
    )
    return model, rows


@pytest.mark.parametrize("known", [True, False])
@pytest.mark.parametrize("bias", [True, False])
def test_clusters_inflate_correlated_estimates(known, bias):
    model, rows = clustered(known, bias)
    data = rows.data.to_dataframe()
    y, se = data["effect"].to_numpy(), data["se"].to_numpy()
    excess = np.nan_to_num(data["size"].to_numpy(), nan=1.0) - 1.0
    logit = np.linspace(-25, 8, 331)
    rate = 1 / (1 + np.exp(-logit))
    weight = stats.beta(2, 20).pdf(rate) * rate * (1 - rate) * (logit[1] - logit[0])
    node, share = np.polynomial.legendre.leggauss(40)
    rho = [0.5] if known else (node + 1) / 2
    share = [1.0] if known else share / 2 * stats.beta(10, 10).pdf(rho)
    found = []
    for icc, w in zip(rate, weight, strict=True):
        for r, v in zip(rho, share, strict=True):
            correlation = np.eye(5)
            correlation[3, 4] = correlation[4, 3] = r
            wider = se * np.sqrt(1 + excess * icc)
            covariance = correlation * np.outer(wider, wider)
            covariance += np.diag([0.0] * 3 + [0.04 if bias else 0.0] * 2)
            log, mean, variance = dense(covariance, y, 0.5)
            found.append((np.log(w * v) + log, mean, variance, icc))
    log, mean, variance, icc = np.array(found).T
    total = logsumexp(log)
    part = np.exp(log - total)
    tree = brw.fit(model, rows, engine=brw.Exact(draws=0))
    table = brw.summarise(tree)
    assert_allclose(float(tree["quadrature"]["log_evidence"]), total, atol=1e-7)
    assert_allclose(table.loc["mu", "mean"], part @ mean, atol=1e-7)
    sd = np.sqrt(part @ (variance + mean**2) - (part @ mean) ** 2)
    assert_allclose(table.loc["mu", "sd"], sd, atol=1e-7)
    assert_allclose(table.loc["icc", "mean"], part @ icc, atol=1e-7)


@pytest.mark.parametrize("known", [True, False])
def test_the_sampled_density_inflates_correlated_estimates(known):
    model, rows = clustered(known, bias=False)
    y = rows.data["effect"].to_numpy()
    with pm.Model() as graph:
        model.likelihood.pymc(pm.math.constant(np.full(5, 0.2)), rows)
        observed = graph.compile_logp(vars=[*graph.observed_RVs, *graph.potentials], jacobian=False)
    correlation = np.eye(5)
    correlation[3, 4] = correlation[4, 3] = 0.5 if known else 0.3
    icc, logit = 0.07, lambda p: np.log(p / (1 - p))
    size = np.array([1.0, 40.0, 1.0, 500.0, 200.0])
    wider = np.array([0.1, 0.15, 0.2, 0.1, 0.12]) * np.sqrt(1 + (size - 1) * icc)
    wanted = stats.multivariate_normal(
        np.full(5, 0.2), correlation * np.outer(wider, wider)
    ).logpdf(y)
    point = {"icc_logodds__": logit(icc), **({} if known else {"rho_logodds__": logit(0.3)})}
    assert_allclose(float(observed(point)), wanted, rtol=1e-10)


def panels(low, high, count):
    """Nodes and weights of Gauss-Legendre panels in log tau."""
    x, w = np.polynomial.legendre.leggauss(10)
    ends = np.linspace(np.log(low), np.log(high), count + 1)
    half = np.diff(ends)[:, None] / 2
    u = (ends[:-1, None] + half * (1 + x)).ravel()
    return np.exp(u), (half * w).ravel() * np.exp(u)


def three_levels(y, se, study, first, second, tau):
    """Integral over two SDs, of studies and of estimates, mu ~ N(0, 0.5^2): dense matrices."""
    (a, wa), (b, wb) = first, second
    same = (study[:, None] == study).astype(float)
    eye = np.eye(len(y))
    parts = []
    for value, weight in zip(a, wa, strict=True):
        whole = 0.25 + np.diag(se**2) + value**2 * same + b[:, None, None] ** 2 * eye
        solved = np.linalg.solve(whole, np.broadcast_to(y[:, None], (len(b), len(y), 1)))[..., 0]
        log = -0.5 * (solved @ y + np.linalg.slogdet(whole)[1] + len(y) * np.log(2 * np.pi))
        log = log + tau.logpdf(b) + tau.logpdf(np.full(1, value)) + np.log(wb) + np.log(weight)
        parts.append(logsumexp(log))
    return logsumexp(parts)


@pytest.mark.parametrize("tau", [prior.HalfCauchy(0.25), prior.LogNormal(-1.28, 0.87)])
def test_quantiles_of_several_hyperparameters_are_covered_by_the_error(tau):
    rows = evidence()
    y, se = (rows.data[name].to_numpy() for name in ("effect", "se"))
    study = rows.data["study"].to_numpy()
    model = brw.Model(
        terms=(
            brw.Intercept(prior.Normal(0, 0.5)),
            brw.Exchangeable(tau, by="study", name="tau_study"),
            brw.Exchangeable(tau),
        )
    )
    tree = brw.fit(model, rows, engine=brw.Exact(draws=0))
    error = float(tree["quadrature"]["error"])
    assert error <= 1e-8
    low = 1e-12
    full = panels(low, 1e5, 32)
    total = three_levels(y, se, study, full, full, tau)
    for prob in (0.95, 0.999):
        table = brw.summarise(tree, ci_prob=prob)
        for end, level in (("lower", 0.5 - prob / 2), ("upper", 0.5 + prob / 2)):
            for name in ("tau_study", "tau"):
                part = panels(low, table.loc[name, end], 32)
                pair = (part, full) if name == "tau_study" else (full, part)
                found = np.exp(three_levels(y, se, study, *pair, tau) - total)
                assert found == pytest.approx(level, abs=error)


def test_groups_of_few_studies_with_heavy_priors_are_integrated():
    rng = np.random.default_rng(0)
    group = np.repeat(["a", "b", "c"], (5, 3, 2))
    y, se = rng.normal(0.1, 0.3, 10), rng.uniform(0.08, 0.3, 10)
    frame = pd.DataFrame({"study": [f"s{i}" for i in range(10)], "effect": y, "se": se})
    rows = brw.Evidence.from_frame(frame.assign(design=group), benefit="higher")
    model = brw.Model(
        terms=(
            brw.Intercept(prior.Normal(0, 0.5)),
            brw.ByGroup(
                "design", tuple(brw.Group(n, (n,), n) for n in "abc"), prior.HalfCauchy(0.25)
            ),
        )
    )
    tree = brw.fit(model, rows, engine=brw.Exact(draws=0))
    # Trapezoids in log tau; given the SDs the groups are independent but for mu.
    u = np.arange(-24.0, 13.0, 0.25)
    tau = np.exp(u)
    log, precision, weighted = [], [], []
    for place, name in enumerate("abc"):
        at = group == name
        variance = se[at] ** 2 + tau[:, None] ** 2
        own = -0.5 * (np.log(2 * np.pi * variance) + y[at] ** 2 / variance).sum(axis=1)
        own += prior.HalfCauchy(0.25).logpdf(tau) + u + np.log(0.25)
        shape = tuple(-1 if axis == place else 1 for axis in range(3))
        log.append(own.reshape(shape))
        precision.append((1 / variance).sum(axis=1).reshape(shape))
        weighted.append((y[at] / variance).sum(axis=1).reshape(shape))
    whole = 4.0 + sum(precision)
    mean = sum(weighted) / whole
    joint = sum(log) + 0.5 * mean**2 * whole - 0.5 * np.log(whole) + 0.5 * np.log(4.0)
    total = logsumexp(joint)
    share = np.exp(joint - total)
    assert_allclose(float(tree["quadrature"]["log_evidence"]), total, atol=1e-6)
    centre = np.sum(share * mean)
    found = brw.summarise(tree).loc["mu"]
    assert_allclose(found["mean"], centre, atol=1e-6)
    sd = np.sqrt(np.sum(share * (1 / whole + (mean - centre) ** 2)))
    assert_allclose(found["sd"], sd, atol=1e-6)


def test_draws_have_the_moments_of_the_quadrature():
    clustering = brw.likelihood.Clustering("size", prior.Beta(20, 20))
    model = brw.Model(
        terms=(
            brw.Intercept(prior.Normal(0, 0.5)),
            brw.Exchangeable(prior.HalfNormal(0.25), by="study", name="tau_study"),
        ),
        likelihood=brw.likelihood.NormalErrors(clustering=clustering),
    )
    tree = brw.fit(model, evidence(), engine=brw.Exact(draws=5000), seed=3)
    found = brw.summarise(tree)
    for variable in ("mu", "tau_study", "icc", "theta", "theta_new"):
        drawn = tree["posterior"][variable].to_numpy().reshape(20_000, -1)
        rows = found.loc[found["variable"] == variable]
        sd = rows["sd"].to_numpy()
        # 5 standard errors of a mean of 20,000 independent draws, and 4 % for their SD
        assert_allclose(
            drawn.mean(axis=0), rows["mean"].to_numpy(), atol=5 * sd.max() / 20_000**0.5
        )
        assert_allclose(drawn.std(axis=0), sd, rtol=0.04)
    theta = tree["posterior"]["theta"].to_numpy().reshape(20_000, -1)
    assert_allclose(theta[:, 0], theta[:, 1], atol=1e-9)  # one study, one effect


def test_an_improper_posterior_is_refused_and_never_sampled():
    groups = (brw.Group("rct", ("rct",), "trials"), brw.Group("cohort", ("cohort",), "cohorts"))
    model = brw.Model(
        terms=(brw.Intercept(prior.Normal(0, 1)), brw.ByGroup("design", groups, FlatNonNegative()))
    )
    rows = evidence().rows(np.array([True, True, True, False] + [False] * 4))
    with pytest.raises(
        EngineRefusal, match=r"tau_cohort has the improper prior 'flat_nonnegative'"
    ):
        brw.fit(model, rows)


def test_the_batch_never_takes_another_hyperparameter_for_tau():
    clustering = brw.likelihood.Clustering("size", prior.Beta(1.5, 50))
    model = brw.Model(
        terms=(brw.Intercept(prior.Normal(0, 0.5)), brw.Common()),
        likelihood=brw.likelihood.NormalErrors(clustering=clustering),
    )
    found = leave_one_out(model, evidence()).iloc[0]
    whole = brw.summarise(brw.fit(model, evidence())).loc["mu"]
    assert_allclose(
        found[["mean", "sd"]].to_numpy(dtype=float), whole[["mean", "sd"]].to_numpy(dtype=float)
    )


def test_a_panel_of_unlike_priors_leaves_each_result_as_it_is_alone():
    tau = {"half-normal": prior.HalfNormal(0.25), "work": prior.InverseGamma(1.5, 0.26)}
    model = brw.Model(
        terms=(brw.Intercept(prior.Normal(0, 0.5)), brw.Exchangeable(tau["half-normal"]))
    )
    panel = prior_sensitivity(model, evidence(), {**tau, "uniform": prior.Uniform(0.8)})
    alone = leave_one_out(model, evidence()).iloc[0]
    for name in ("mean", "sd", "upper", "probability", "new_upper", "log_evidence"):
        assert_allclose(panel.loc["half-normal", name], alone[name], atol=1e-8)


def test_moments_that_do_not_exist_are_empty_in_every_table():
    model = brw.Model(terms=(brw.Intercept(prior.Flat()), brw.Exchangeable(prior.HalfCauchy(0.5))))
    rows = evidence().rows(np.array([True, False, True, False] + [False] * 4))
    found = leave_one_out(model, rows)
    assert found[["sd"]].isna().all().all()
    assert found["mean"].isna().tolist() == [False, True, True]
    assert found["median"].notna().all()
