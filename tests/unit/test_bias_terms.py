"""Bias terms: limits, printed figures and brute force; agreement with NUTS is in tests/agreement."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

import bayesrtw as brw
from bayesrtw.errors import SpecError
from bayesrtw.model.bias import AdditiveBias, BiasHierarchy, DirectedBias, Discount, Studies
from bayesrtw.model.checked import check
from bayesrtw.model.mixture_prior import NormalMixture, StudentT
from bayesrtw.model.prior import Beta

EFFECT = np.array([0.30, 0.05, 0.42, 0.18, -0.35, -0.10])
SE = np.array([0.15, 0.12, 0.25, 0.20, 0.10, 0.22])
COHORTS = Studies(values=("cohort",))
NODES = 2001


def rows(benefit="higher", sign=1.0, effect=EFFECT, se=SE):
    frame = pd.DataFrame(
        {
            "study": [f"s{place}" for place in range(len(effect))],
            "effect": sign * effect,
            "se": se,
            "design": ["rct"] * (len(effect) - 2) + ["cohort"] * 2,
        }
    )
    return brw.Evidence.from_frame(frame, measure="log_hazard_ratio", benefit=benefit)


def model(*terms, mu=None, tau=None):
    return brw.Model(
        terms=(
            brw.Intercept(mu or brw.prior.Normal(0, 0.5)),
            *terms,
            brw.Exchangeable(tau or brw.prior.HalfNormal(0.25)),
        )
    )


def pooled(terms, evidence=None, **priors):
    made = model(*terms, **priors)
    tree = brw.fit(made, evidence or rows(), engine=brw.Exact(draws=0))
    return brw.summarise(tree), tree


def grid(log_likelihood, mu_prior, tau_scale=0.25):
    """Posterior mean and SD of mu, and the log evidence, on a plain grid of mu and tau."""
    mu = np.linspace(-2, 2, NODES)[:, None]
    tau = np.linspace(0, 2.2, NODES)[None]
    log = log_likelihood(mu, tau) + mu_prior(mu) + stats.halfnorm.logpdf(tau, scale=tau_scale)
    mass = np.exp(log)
    inner = np.trapezoid(mass, tau[0], axis=1)
    total = np.trapezoid(inner, mu[:, 0])
    mean = np.trapezoid(inner * mu[:, 0], mu[:, 0]) / total
    second = np.trapezoid(inner * mu[:, 0] ** 2, mu[:, 0]) / total
    return mean, np.sqrt(second - mean**2), np.log(total)


def normal_rows(mean, variance):
    """Log likelihood of independent rows with given extra mean and sampling variance."""

    def log(mu, tau):
        return sum(
            stats.norm.logpdf(y, mu + m, np.sqrt(v + tau**2))
            for y, m, v in zip(EFFECT, mean, variance, strict=True)
        )

    return log


def test_discount_divides_sampling_variances_and_nothing_else():
    table, tree = pooled([Discount(COHORTS, share=0.25)])
    variance = SE**2 / np.array([1, 1, 1, 1, 0.25, 0.25])
    mean, sd, evidence = grid(
        normal_rows(np.zeros(6), variance), lambda m: stats.norm.logpdf(m, 0, 0.5)
    )
    assert table.loc["mu", "mean"] == pytest.approx(mean, abs=2e-7)
    assert table.loc["mu", "sd"] == pytest.approx(sd, abs=2e-7)
    assert float(tree["quadrature"]["log_evidence"]) == pytest.approx(evidence, abs=2e-6)


def test_share_of_one_changes_nothing_and_a_tiny_share_leaves_the_trials():
    naive, _ = pooled([])
    whole, _ = pooled([Discount(COHORTS, share=1.0)])
    assert whole.loc["mu", "mean"] == pytest.approx(naive.loc["mu", "mean"], abs=1e-10)
    trials, _ = pooled([], rows().select(design="rct"))
    tiny, _ = pooled([Discount(COHORTS, share=1e-12)])
    for column in ("mean", "sd", "lower", "upper"):
        assert tiny.loc["mu", column] == pytest.approx(trials.loc["mu", column], abs=1e-8)


def test_additive_bias_is_taken_off_with_its_variance():
    table, tree = pooled([AdditiveBias(COHORTS, mean=-0.15, sd=0.2)])
    moved = np.array([0, 0, 0, 0, -0.15, -0.15])
    variance = SE**2 + np.array([0, 0, 0, 0, 0.04, 0.04])
    mean, sd, evidence = grid(normal_rows(moved, variance), lambda m: stats.norm.logpdf(m, 0, 0.5))
    assert table.loc["mu", "mean"] == pytest.approx(mean, abs=2e-7)
    assert table.loc["mu", "sd"] == pytest.approx(sd, abs=2e-7)
    assert float(tree["quadrature"]["log_evidence"]) == pytest.approx(evidence, abs=2e-6)


@pytest.mark.parametrize(
    "term",
    [
        AdditiveBias(COHORTS, mean=-0.15, sd=0.2),
        BiasHierarchy(COHORTS, common=brw.prior.Normal(0.1, 0.2)),
        DirectedBias(COHORTS, size=brw.prior.HalfNormal(0.2)),
    ],
)
def test_a_bias_points_towards_benefit_whichever_way_the_measure_does(term):
    up, _ = pooled([term])
    down, _ = pooled([term], rows("lower", -1.0))
    assert down.loc["mu", "mean"] == pytest.approx(-up.loc["mu", "mean"], abs=1e-9)
    assert down.loc["mu", "probability"] == pytest.approx(up.loc["mu", "probability"], abs=1e-9)


def test_a_known_spread_and_a_common_bias_make_one_covariance():
    """b_i ~ N(b, kappa^2), b ~ N(b0, phi^2): the cohorts share phi^2, by hand."""
    common = BiasHierarchy(COHORTS, common=brw.prior.Normal(0.05, 0.2))
    table, tree = pooled([common, AdditiveBias(COHORTS, mean=0, sd=0.1, name="own")])
    marked = np.array([0, 0, 0, 0, 1, 1.0])
    taus = np.linspace(0, 2.2, 4001)
    logs, means, variances = [], [], []
    for tau in taus:
        cover = np.diag(SE**2 + tau**2 + 0.01 * marked) + 0.04 * np.outer(marked, marked)
        inverse = np.linalg.inv(cover)
        y = EFFECT - 0.05 * marked
        precision = 4.0 + inverse.sum()
        means.append(inverse.sum(axis=0) @ y / precision)
        variances.append(1 / precision)
        joint = cover + 0.25
        logs.append(stats.multivariate_normal.logpdf(y, np.zeros(6), joint))
    mass = np.exp(np.array(logs) + stats.halfnorm.logpdf(taus, scale=0.25))
    total = np.trapezoid(mass, taus)
    share = mass / total
    mean = np.trapezoid(share * means, taus)
    sd = np.sqrt(np.trapezoid(share * (np.array(variances) + np.square(means)), taus) - mean**2)
    assert table.loc["mu", "mean"] == pytest.approx(mean, abs=2e-7)
    assert table.loc["mu", "sd"] == pytest.approx(sd, abs=2e-7)
    assert float(tree["quadrature"]["log_evidence"]) == pytest.approx(np.log(total), abs=2e-6)


@pytest.mark.parametrize(("count", "printed"), [(1, "0.229"), (20, "0.110"), (100_000, "0.100")])
def test_the_information_cap_is_that_of_welton(count, printed):
    """tau = .1, kappa = .15, phi = .1, s = .1: SD of the mean .229, .110, and .100 at the limit."""
    effect = np.zeros(count)
    frame = pd.DataFrame(
        {
            "study": [f"s{place}" for place in range(count)],
            "effect": effect,
            # tau is known there: it is put into the standard errors, and the model has a common effect.
            "se": np.full(count, np.sqrt(0.1**2 + 0.1**2)),
            "design": "cohort",
        }
    )
    evidence = brw.Evidence.from_frame(frame, measure="log_hazard_ratio", benefit="higher")
    made = brw.Model(
        terms=(
            brw.Intercept(brw.prior.Flat()),
            BiasHierarchy(COHORTS, common=brw.prior.Normal(0, 0.1)),
            AdditiveBias(COHORTS, mean=0, sd=0.15, name="own"),
            brw.Common(),
        )
    )
    tree = brw.fit(made, evidence, engine=brw.Exact(draws=0, study_effects=False))
    assert f"{brw.summarise(tree).loc['mu', 'sd']:.3f}" == printed
    capped = [found.message for found in check(made, evidence) if found.check == "bias-hierarchy"]
    assert "standard error 0.1" in capped[0]


def test_an_unknown_spread_is_integrated():
    spread = BiasHierarchy(COHORTS, brw.prior.Normal(0, 0.2), spread=brw.prior.HalfNormal(0.15))
    table, tree = pooled([spread])
    kappas, weights = np.polynomial.legendre.leggauss(20)
    kappas = 0.6 * (kappas + 1)
    logs, means, seconds = [], [], []
    for kappa in kappas:
        other, inner = pooled(
            [
                BiasHierarchy(COHORTS, brw.prior.Normal(0, 0.2)),
                AdditiveBias(COHORTS, mean=0, sd=float(kappa), name="own"),
            ]
        )
        logs.append(float(inner["quadrature"]["log_evidence"]))
        means.append(other.loc["mu", "mean"])
        seconds.append(other.loc["mu", "mean"] ** 2 + other.loc["mu", "sd"] ** 2)
    mass = 0.6 * weights * np.exp(logs) * stats.halfnorm.pdf(kappas, scale=0.15)
    mean = mass @ means / mass.sum()
    assert float(tree["quadrature"]["log_evidence"]) == pytest.approx(np.log(mass.sum()), abs=1e-6)
    assert table.loc["mu", "mean"] == pytest.approx(mean, abs=1e-6)
    assert table.loc["mu", "sd"] == pytest.approx(
        np.sqrt(mass @ seconds / mass.sum() - mean**2), abs=1e-6
    )
    assert "bias_spread" in table.index


def test_a_directed_bias_is_integrated_over_its_half_line():
    table, tree = pooled([DirectedBias(COHORTS, size=brw.prior.HalfNormal(0.2))])
    sizes, weights = np.polynomial.legendre.leggauss(20)
    sizes = 0.8 * (sizes + 1)
    logs, means = [], []
    for size in sizes:
        other, inner = pooled([AdditiveBias(COHORTS, mean=float(size), sd=0.0)])
        logs.append(float(inner["quadrature"]["log_evidence"]))
        means.append(other.loc["mu", "mean"])
    mass = 0.8 * weights * np.exp(logs) * stats.halfnorm.pdf(sizes, scale=0.2)
    assert float(tree["quadrature"]["log_evidence"]) == pytest.approx(np.log(mass.sum()), abs=1e-6)
    assert table.loc["mu", "mean"] == pytest.approx(mass @ means / mass.sum(), abs=1e-6)
    assert table.loc["bias", "mean"] == pytest.approx(mass @ sizes / mass.sum(), abs=1e-6)


def test_study_effects_are_free_of_bias():
    """A cohort's effect given a bias that is known is that of the shifted estimate."""
    shifted = EFFECT - np.array([0, 0, 0, 0, 0.3, 0.3])
    biased, _ = pooled([AdditiveBias(COHORTS, mean=0.3, sd=0.0)])
    plain, _ = pooled([], rows(effect=shifted))
    common = BiasHierarchy(COHORTS, common=brw.prior.Normal(0.3, 1e-7))
    fixed, _ = pooled([common])
    wanted = plain.loc[plain["variable"] == "theta", ["mean", "sd"]].to_numpy()
    for table in (biased, fixed):
        found = table.loc[table["variable"] == "theta", ["mean", "sd"]].to_numpy()
        np.testing.assert_allclose(found, wanted, atol=1e-6)


@pytest.mark.parametrize(
    "term",
    [
        BiasHierarchy(COHORTS, brw.prior.Normal(0, 0.2), spread=brw.prior.HalfNormal(0.15)),
        DirectedBias(COHORTS, size=brw.prior.HalfNormal(0.2)),
    ],
)
def test_draws_agree_with_the_quadrature(term):
    tree = brw.fit(model(term), rows(), engine=brw.Exact(draws=4000), seed=3)
    table = brw.summarise(tree)
    draws = tree["posterior"].to_dataset()
    for name in ("mu", next(iter(term.hyper()))):
        values = draws[name].to_numpy().reshape(-1)
        assert values.mean() == pytest.approx(table.loc[name, "mean"], abs=5 * values.std() / 126)
        assert values.std() == pytest.approx(table.loc[name, "sd"], rel=0.03)
    theta = draws["theta"].to_numpy().reshape(-1, 6)
    exact = table.loc[table["variable"] == "theta"]
    np.testing.assert_allclose(theta.mean(axis=0), exact["mean"], atol=5 * theta.std() / 126)
    np.testing.assert_allclose(theta.std(axis=0), exact["sd"], rtol=0.03)


def test_clusters_inflate_sampling_and_not_bias():
    evidence = rows()
    sizes = np.array([1.0, 11, 1, 1, 21, 1])
    evidence = brw.Evidence.from_frame(
        evidence.data.to_dataframe()[["study", "effect", "se", "design"]].assign(size=sizes),
        measure="log_hazard_ratio",
        benefit="higher",
    )
    icc = Beta(2.0, 200_000_000.0 - 2.0)  # as good as known: 1e-8
    clustering = brw.likelihood.Clustering("size", icc)
    made = brw.Model(
        terms=model(AdditiveBias(COHORTS, mean=0.1, sd=0.2)).terms,
        likelihood=brw.likelihood.NormalErrors(clustering=clustering),
    )
    table = brw.summarise(brw.fit(made, evidence, engine=brw.Exact(draws=0)))
    plain, _ = pooled([AdditiveBias(COHORTS, mean=0.1, sd=0.2)])
    assert table.loc["mu", "mean"] == pytest.approx(plain.loc["mu", "mean"], abs=1e-6)


@pytest.mark.parametrize(
    ("prior", "log"),
    [
        (StudentT(2, 0, 0.13), lambda m: stats.t.logpdf(m / 0.13, 2) - np.log(0.13)),
        (
            NormalMixture((0.3, 0.7), (0.0, 0.2), (1.0, 0.1)),
            lambda m: np.log(0.3 * stats.norm.pdf(m) + 0.7 * stats.norm.pdf(m, 0.2, 0.1)),
        ),
    ],
)
def test_priors_that_are_mixtures_of_normals_are_exact(prior, log):
    table, tree = pooled([], mu=prior)
    mean, sd, evidence = grid(normal_rows(np.zeros(6), SE**2), log)
    assert table.loc["mu", "mean"] == pytest.approx(mean, abs=2e-7)
    assert table.loc["mu", "sd"] == pytest.approx(sd, abs=2e-7)
    assert float(tree["quadrature"]["log_evidence"]) == pytest.approx(evidence, abs=2e-6)
    weights = tree["quadrature"]
    assert float(weights["weight_in_mu"].sum() + weights["prior_weight_in_mu"]) == pytest.approx(1)


def test_a_t_prior_as_normals_has_the_density_of_a_t():
    x = np.linspace(-13, 13, 201)
    for df in (1.0, 2.0, 3.0, 5.0, 30.0):
        prior = StudentT(df, 0.1, 0.13)
        made = prior.normals
        z = (x[:, None] - made.mean) / made.sd
        density = np.exp(made.log_weight) * np.exp(-0.5 * z**2) / made.sd / np.sqrt(2 * np.pi)
        wanted = np.exp(prior.logpdf(x))
        np.testing.assert_allclose(density.sum(axis=1), wanted, rtol=0, atol=1e-11 * wanted.max())
        np.testing.assert_allclose(prior.logpdf(x), stats.t.logpdf(x, df, 0.1, 0.13), rtol=1e-12)


def test_quantiles_of_a_normal_mixture_invert_its_distribution():
    prior = NormalMixture((0.3, 0.7), (0.0, 0.2), (1.0, 0.1))
    at = prior.ppf(np.array([0.025, 0.5, 0.975]))
    below = 0.3 * stats.norm.cdf(at) + 0.7 * stats.norm.cdf(at, 0.2, 0.1)
    np.testing.assert_allclose(below, [0.025, 0.5, 0.975], atol=1e-12)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Discount(COHORTS, share=0.0), r"share must lie in \(0, 1\]"),
        (lambda: AdditiveBias(COHORTS, mean=0, sd=-1), "sd finite and >= 0"),
        (lambda: BiasHierarchy(COHORTS, common=brw.prior.Flat()), "leave them out instead"),
        (lambda: DirectedBias(COHORTS, size=brw.prior.Normal(0, 1)), "known direction"),
        (lambda: Studies(values=()), "values is empty"),
        (lambda: NormalMixture((0.5,), (0.0,), (1.0,)), "add up to 1"),
        (lambda: NormalMixture((0.5, 0.5), (0.0,), (1.0,)), "equally many"),
        (
            lambda: model(DirectedBias(COHORTS, size=brw.prior.HalfNormal(1), name="tau")),
            "have one name",
        ),
    ],
)
def test_what_makes_no_sense_is_refused(make, message):
    with pytest.raises(SpecError, match=message):
        make()


def test_a_bias_of_no_row_or_of_all_rows_is_said():
    nobody = check(model(Discount(Studies(("registry",)), share=0.5)), rows())
    assert "bias-unused" in {found.check for found in nobody}
    alone = rows().select(design="cohort")
    everybody = check(model(BiasHierarchy(COHORTS, brw.prior.Normal(0, 0.2))), alone)
    assert "bias-everywhere" in {found.check for found in everybody}
