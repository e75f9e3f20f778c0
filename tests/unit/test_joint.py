"""Normal effects that are integrated out, against SciPy's densities and the textbook's conditional moments.

Conditional draws are held to closed forms within five Monte-Carlo standard errors of 40,000 draws (a chance
of 1e-5 over the figures of this file; seeds are fixed). Densities are sums of some ten terms, right to
rounding.
"""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import stats

import bayesrtw as brw
from bayesrtw.engine.integrated import Risk, Sampled, Spread, condition
from bayesrtw.evidence.dependence import assumed_correlation
from bayesrtw.model.bias import AdditiveBias, BiasHierarchy, DirectedBias, Discount, Studies
from bayesrtw.model.bias_mixture import BiasMixture, RiskClass, RiskGroup
from bayesrtw.model.grouped import Varying
from bayesrtw.model.joint import MOST_TOGETHER, integrated, joint
from bayesrtw.model.likelihood import Offers
from bayesrtw.model.term import Contribution, Facts

prior = brw.prior
DRAWS = 40_000
STUDY = np.array([0, 1, 0, 2, 1, 0, 3])
OWN = np.arange(7)
NOBODY = np.zeros(0, dtype=np.intp)


def dense(at, stored):
    """The whole matrix from what each estimate has in common with its set."""
    matrix = np.zeros((len(stored), len(stored)))
    for row, (members, inside) in enumerate(zip(at.members, at.inside, strict=True)):
        matrix[row, members[inside]] = stored[row, inside]
    return matrix


def test_estimates_that_share_any_group_are_seen_together():
    at = joint(7, [STUDY, np.array([0, 1, 2, 3, 4, 5, 3])])
    assert_array_equal(at.rows, [0, 2, 5, 1, 4, 3, 6])
    assert_array_equal(at.first, [0, 0, 0, 3, 3, 5, 5])
    assert_array_equal(at.members[4], [1, 4, 4])
    assert_array_equal(at.inside[4], [True, True, False])
    assert not at.alone.any()
    assert joint(3, [np.arange(3)]).alone.all()


def test_large_sets_and_estimates_at_risk_are_sampled():
    count = MOST_TOGETHER + 1
    effects = [
        Varying("all", None, np.zeros(count, dtype=np.intp)),
        Varying("pairs", None, np.arange(count) // 2),
        Varying("own", None, np.arange(count)),
    ]
    at, chosen = integrated(effects, [], count, NOBODY)
    assert [each.name for each in chosen] == ["own", "pairs"]
    assert at.members.shape == (count, 2)
    at, chosen = integrated(effects, [], count, np.array([3]))
    assert [each.name for each in chosen] == ["own"]
    assert at.alone.all()
    block = np.arange(count)
    at, chosen = integrated(effects, [block], count, NOBODY)
    assert len(chosen) == 3
    assert at.members.shape == (count, count)


def case():
    rng = np.random.default_rng(5)
    at = joint(7, [STUDY])
    root = rng.normal(size=(7, 9))
    sampling = np.where(STUDY[:, None] == STUDY, root @ root.T / 30 + 0.02 * np.eye(7), 0.0)
    stored = sampling[OWN[:, None], at.members] * at.inside
    sds = {"own": rng.uniform(0.1, 0.3, 7), "study": 0.2, "bias": rng.uniform(0.0, 0.3, 7)}
    return at, sampling, stored, sds, rng.normal(scale=0.3, size=7)


def test_the_density_and_its_derivatives_are_those_of_scipy():
    from bayesrtw.model.joint_density import density  # noqa: PLC0415 - it loads PyTensor

    at, sampling, stored, sds, residual = case()
    same = STUDY[:, None] == STUDY
    among = np.stack([at.among(OWN), at.among(STUDY)])
    # An effect of a study that acts on its estimates to other degrees, on some the other way.
    loading = np.stack([sds["own"], np.linspace(-0.2, 0.3, 7)])
    total, *by = density(at.rows, at.first, among, stored, loading, residual)
    whole = sampling + np.diag(loading[0] ** 2) + np.outer(loading[1], loading[1]) * same
    assert_allclose(total, stats.multivariate_normal(cov=whole).logpdf(residual))
    inverse = np.linalg.inv(whole)
    weighted = inverse @ residual
    wanted = 0.5 * (np.outer(weighted, weighted) - inverse)
    assert_allclose(by[0], wanted[OWN[:, None], at.members] * at.inside, atol=1e-10)
    each = [np.diagonal(wanted) * loading[0], (wanted * same) @ loading[1]]
    assert_allclose(by[1], 2.0 * np.stack(each), atol=1e-10)
    assert_allclose(by[2], -weighted, atol=1e-12)
    # Some rows by themselves, as those are that may be biased.
    some = np.isin(at.rows, (3, 6))
    total, *_ = density(at.rows[some], at.first[some], among, stored, loading, residual)
    sd = np.sqrt(np.diagonal(whole))[[3, 6]]
    assert_allclose(total, stats.norm.logpdf(residual[[3, 6]], 0, sd).sum())


def drawn(risks=(), at=None):
    own, _, stored, sds, residual = case()
    if at is not None:
        stored = np.diagonal(dense(own, stored))[:, None]
    at = at or own

    def repeated(values):
        return np.broadcast_to(values, (DRAWS, *np.shape(values)))

    spreads = (
        Spread(repeated(sds["own"]), OWN, False),
        Spread(repeated(np.full(7, sds["study"])), STUDY, False),
        Spread(repeated(sds["bias"]), OWN, True),
    )
    if at.alone.all():
        spreads = spreads[::2]
    return Sampled(at, repeated(residual), {"known": stored}, {}, spreads, risks)


def same_moments(effect, mean, covariance):
    error = np.sqrt(np.diagonal(covariance) / DRAWS)
    assert_allclose(effect.mean(axis=0), mean, atol=5 * error.max())
    # The variance of a product of two normals is at most twice that of the larger one, squared.
    largest = np.diagonal(covariance).max()
    assert_allclose(np.cov(effect.T), covariance, atol=5 * largest * np.sqrt(2 / DRAWS))


def test_effects_are_drawn_from_their_conditional_distribution():
    _, sampling, _, sds, residual = case()
    effect, density = condition(drawn(), np.random.default_rng(1))
    signal = np.diag(sds["own"] ** 2) + sds["study"] ** 2 * (STUDY[:, None] == STUDY)
    whole = signal + sampling + np.diag(sds["bias"] ** 2)
    gain = signal @ np.linalg.inv(whole)
    same_moments(effect, gain @ residual, signal - gain @ signal)
    for row in range(7):
        others = row != OWN
        wanted = stats.multivariate_normal(cov=whole).logpdf(residual)
        wanted -= stats.multivariate_normal(cov=whole[np.ix_(others, others)]).logpdf(
            residual[others]
        )
        assert_allclose(density[:, row], wanted, rtol=1e-10)


def test_estimates_that_may_be_biased_have_a_mixture_of_densities():
    _, sampling, _, sds, residual = case()
    rows, shape = np.array([1, 4]), (DRAWS, 2)
    without, biased = np.zeros(shape), np.ones(shape)
    weight, shift, spread = (
        np.stack(pair, axis=-1)
        for pair in (
            (0.7 * biased, 0.3 * biased), (without, 0.5 * biased), (without, 0.4 * biased),
        )
    )  # fmt: skip
    risk = Risk(rows, False, weight, shift, spread)
    effect, density = condition(drawn((risk,), joint(7, [])), np.random.default_rng(2))
    signal = sds["own"] ** 2
    error = np.diagonal(sampling) + sds["bias"] ** 2
    for row in range(7):
        at_risk = row in rows
        weight = np.array([0.7, 0.3]) if at_risk else np.array([1.0, 0.0])
        variance = signal[row] + error[row] + np.array([0.0, 0.16])
        left = residual[row] - np.array([0.0, 0.5])
        each = weight * stats.norm.pdf(left, 0, np.sqrt(variance))
        assert_allclose(density[:, row], np.log(each.sum()), rtol=1e-12)
        mean = np.sum(each * signal[row] / variance * left) / each.sum()
        assert_allclose(effect[:, row].mean(), mean, atol=5 * np.sqrt(signal[row] / DRAWS))


COHORTS = Studies(("cohort",))
LEVELS = (
    brw.Exchangeable(prior.HalfNormal(0.3), by="study", name="tau_study"),
    brw.Exchangeable(prior.HalfNormal(0.2)),
)
GROUP = RiskGroup(
    "cohorts", ("cohort",), prior.Normal(0.2, 0.1), prior.HalfNormal(0.2), (RiskClass("", 0.4),)
)


def rows():
    rng = np.random.default_rng(8)
    frame = pd.DataFrame({"study": list("aabcdd"), "effect": rng.normal(0.1, 0.3, 6)})
    frame["se"] = rng.uniform(0.1, 0.3, 6)
    frame["design"] = ["rct", "rct", "cohort", "cohort", "rct", "rct"]
    frame["size"] = [5.0, np.nan, 8.0, np.nan, np.nan, np.nan]
    return brw.Evidence.from_frame(frame, benefit="higher")


def density_of(model, evidence, points):
    """What the graph gives at points on the unconstrained scale, less the first."""
    import pytensor  # noqa: PLC0415 - it takes seconds

    from bayesrtw.engine.graph import graph  # noqa: PLC0415

    built = graph(model, evidence).model
    with pytensor.config.change_flags(mode="FAST_COMPILE", cxx=""):
        logp = built.compile_logp()
    start = built.initial_point()
    assert set(start) == set(points[0])
    values = [float(logp({name: np.array(each[name]) for name in start})) for each in points]
    return np.array(values[1:]) - values[0]


@pytest.mark.parametrize("name", ["levels", "biases", "correlated", "clustered", "both", "mixture"])
def test_the_graph_is_the_density_with_effects_integrated_out(name):
    evidence = rows()
    terms, likelihood, extra = LEVELS, brw.likelihood.NormalErrors(), ()
    at = [{"mu": 0.1, "tau_study": 0.2, "tau": 0.1}, {"mu": -0.1, "tau_study": 0.1, "tau": 0.3}]
    at.append({"mu": 0.3, "tau_study": 0.4, "tau": 0.05})
    se2 = evidence.data["se"].to_numpy() ** 2
    cohort = evidence.data["design"].to_numpy() == "cohort"
    study, size = (evidence.data[key].to_numpy() for key in ("study", "size"))
    sampling, shift = np.diag(se2), np.zeros(6)
    if name == "biases":
        extra = (AdditiveBias(COHORTS, -0.1, 0.2), Discount(COHORTS, 0.5))
        sampling, shift = np.diag(se2 / np.where(cohort, 0.5, 1.0) + 0.04 * cohort), -0.1 * cohort
    if name in ("correlated", "both"):
        evidence = assumed_correlation(evidence, by="study", rho=0.6)
        same = study[:, None] == study
        sampling = np.sqrt(np.outer(se2, se2)) * np.where(np.eye(6), 1.0, 0.6 * same)
    if name in ("clustered", "both"):
        likelihood = brw.likelihood.NormalErrors(
            clustering=brw.likelihood.Clustering("size", prior.Beta(1.5, 50))
        )
        at = [{**each, "icc": icc} for each, icc in zip(at, (0.02, 0.05, 0.1), strict=True)]
    if name == "mixture":
        extra = (BiasMixture((GROUP,)),)
        own = {"cohorts_bias": 0.1, "cohorts_bias_spread": 0.2, "cohorts_unjudged_probability": 0.3}
        at = [{**each, **own} for each in at]
    model = brw.Model(
        terms=(brw.Intercept(prior.Normal(0, 0.5)), *terms, *extra), likelihood=likelihood
    )

    def wanted(each):
        tau2, study2 = each["tau"] ** 2, each["tau_study"] ** 2
        wider = np.sqrt(1.0 + np.nan_to_num(size - 1.0) * each.get("icc", 0.0))
        whole = (
            sampling * np.outer(wider, wider)
            + tau2 * np.eye(6)
            + study2 * (study[:, None] == study)
        )
        effect = evidence.data["effect"].to_numpy() - each["mu"] - shift
        total = stats.norm.logpdf(each["mu"], 0, 0.5)
        for sd, scale in (("tau", 0.2), ("tau_study", 0.3)):
            total += stats.halfnorm.logpdf(each[sd], scale=scale) + np.log(each[sd])
        if "icc" in each:
            icc = each["icc"]
            total += stats.beta.logpdf(icc, 1.5, 50) + np.log(icc * (1.0 - icc))
        risk = cohort if name == "mixture" else np.zeros(6, dtype=bool)
        clear = np.ix_(~risk, ~risk)
        total += stats.multivariate_normal(cov=whole[clear]).logpdf(effect[~risk])
        for row in np.flatnonzero(risk):
            unbiased = stats.norm.pdf(effect[row], 0, np.sqrt(whole[row, row]))
            biased = stats.norm.pdf(effect[row] - 0.1, 0, np.sqrt(whole[row, row] + 0.04))
            total += np.log(0.7 * unbiased + 0.3 * biased)
        return total

    def unconstrained(each):
        found = {"mu": each["mu"]}
        for key in each.keys() - {"mu", "cohorts_bias", "icc", "cohorts_unjudged_probability"}:
            found[f"{key}_log__"] = np.log(each[key])
        for key in each.keys() & {"icc", "cohorts_unjudged_probability"}:
            found[f"{key}_logodds__"] = np.log(each[key] / (1.0 - each[key]))
        return found | {key: each[key] for key in each.keys() & {"cohorts_bias"}}

    found = density_of(model, evidence, [unconstrained(each) for each in at])
    figures = np.array([wanted(each) for each in at])
    # Constants of single precision in the graph (logs of settings) cancel between points.
    assert_allclose(found, figures[1:] - figures[0], atol=1e-9)


class Own:
    """A term of somebody else, who samples its effects."""

    facts = Facts(spread=True)

    def gaussian(self, _):
        return None

    def pymc(self, evidence):
        import pymc as pm  # noqa: PLC0415

        z = pm.Normal("own_z", 0.0, 1.0, shape=evidence.size)
        return Contribution(prior.HalfNormal(0.2).pymc("tau") * z, None)


class Heavy:
    """A likelihood of somebody else, which is not normal."""

    offers = Offers()

    def hyper(self):
        return {}

    def pymc(self, eta, evidence, _):
        import pymc as pm  # noqa: PLC0415

        effect, se = (evidence.data[name].to_numpy() for name in ("effect", "se"))
        pm.StudentT("seen", nu=4, mu=eta, sigma=se, observed=effect)


@pytest.mark.parametrize("foreign", ["term", "likelihood"])
def test_what_others_wrote_samples_its_effects(foreign):
    evidence = rows()
    effect, se = (evidence.data[name].to_numpy() for name in ("effect", "se"))
    own = foreign == "term"
    model = SimpleNamespace(
        terms=(brw.Intercept(prior.Normal(0, 0.5)), Own() if own else LEVELS[1]),
        likelihood=brw.likelihood.NormalErrors() if own else Heavy(),
        selection=None,
    )
    points = [
        {"mu": 0.1 * place, "z": np.linspace(-1, place, 6), "tau": 0.1 + place}
        for place in range(3)
    ]

    def wanted(each):
        left = effect - each["mu"] - each["tau"] * each["z"]
        kind = stats.norm if own else stats.t(4)
        total = np.sum(kind.logpdf(left / se)) + stats.norm.logpdf(each["z"]).sum()
        total += stats.halfnorm.logpdf(each["tau"], scale=0.2) + np.log(each["tau"])
        return total + stats.norm.logpdf(each["mu"], 0, 0.5)

    z = "own_z" if own else "tau_z"
    at = [{"mu": each["mu"], z: each["z"], "tau_log__": np.log(each["tau"])} for each in points]
    figures = np.array([wanted(each) for each in points])
    assert_allclose(density_of(model, evidence, at), figures[1:] - figures[0], rtol=1e-9)


def test_biases_that_are_hyperparameters_are_in_the_graph():
    terms = (
        BiasHierarchy(COHORTS, prior.Normal(0, 0.2), spread=prior.HalfNormal(0.15)),
        DirectedBias(Studies(("rct",)), prior.HalfNormal(0.1), name="directed"),
    )
    model = brw.Model(terms=(brw.Intercept(prior.Normal(0, 0.5)), *terms, LEVELS[1]))
    evidence = rows()
    effect, se2 = (evidence.data[name].to_numpy() for name in ("effect", "se"))
    se2, cohort = se2**2, evidence.data["design"].to_numpy() == "cohort"
    sign = 1.0 if evidence.benefit == "higher" else -1.0
    points = [(0.1, 0.05, 0.1, 0.2, 0.1), (0.0, -0.1, 0.3, 0.1, 0.02), (-0.2, 0.1, 0.05, 0.3, 0.2)]

    def wanted(mu, bias, kappa, tau, size):
        left = effect - mu - sign * np.where(cohort, bias, size)
        total = stats.norm.logpdf(left, 0, np.sqrt(se2 + tau**2 + cohort * kappa**2)).sum()
        total += stats.norm.logpdf(mu, 0, 0.5) + stats.norm.logpdf(bias, 0, 0.2)
        for value, scale in ((kappa, 0.15), (tau, 0.2), (size, 0.1)):
            total += stats.halfnorm.logpdf(value, scale=scale) + np.log(value)
        return total

    names = ("mu", "beta_bias", "bias_spread_log__", "tau_log__", "directed_log__")
    at = [dict(zip(names, (*each[:2], *np.log(each[2:])), strict=True)) for each in points]
    figures = np.array([wanted(*each) for each in points])
    assert_allclose(density_of(model, evidence, at), figures[1:] - figures[0], atol=1e-9)
