"""Exact fits against the numbers of other programs.

``bayesmeta_*.json`` and ``bmr_*.json`` hold 177 fits of ten data sets under 15 priors of tau, computed
by a program that shares no code with this package (4,800 Gauss-Legendre nodes on a rational map of
tau). Errors are in units of the posterior SD, those of probabilities and of log evidence absolute:

==================  =================  ========  ====================================================
quantity            largest measured   allowed   reason
==================  =================  ========  ====================================================
moments             2e-14              1e-12     both are sums of some hundred terms of about 1
quantiles of tau    2e-13              1e-10     an error of 1e-14 in probability is 1e-13 SD at the
                                                 2.5% point, more where the density is thin
shortest intervals  5e-12              1e-10     as quantiles of tau
normal quantiles    4e-12              1e-10     the reference's root finding: our distribution
                                                 function at its quantile is off by up to 1.4e-12, at
                                                 our own by 6e-15
probabilities       1e-15              1e-12     as moments
log evidence        2e-14              1e-12     numbers up to 75 in size: 75 * 2e-16 for each rounding
doubling of nodes   4e-14              1e-8      the engine's promise
==================  =================  ========  ====================================================

The first five are tighter than the 1e-8 that the engine promises, because 128 to 1,024 nodes resolve
these posteriors to rounding. The prior 'conventional' is improper as written; the reference normalises it
(``proper``: true), so its log constant, computed here on a grid of its own, is subtracted.

``brms_*.json`` holds Monte-Carlo results of 4 x 20,000 draws. Means, SDs and (as probabilities at the
reference's quantile) quantiles must agree within four standard errors at an effective sample size of
half the draws (the file does not state it; the chains are those of NUTS at adapt_delta 0.999, which for
this model are close to independent). Bridge sampling of the log evidence states no error either: 7e-3
is its own, since the quadrature of the same fit in ``bayesmeta_bcg.json`` agrees with us to 1e-13;
0.02 is allowed.

``metafor_common_*.json``: closed forms, printed to 15 digits, allowed 1e-13 relative.

``independent.json``: printed digits are text; half a unit of the last one is allowed, and a hundredth
of it for a number that falls on the edge. Three of its numbers were first printed with a wrong last
digit (the file names them). For two, the trapezoidal rule in tau, spectrally accurate since the
integrand is even (`test_exact_dense`), gives -8.01510714 at any step from 0.5 down and -1.73891805 at
any from 0.01 down; for the third, 400 Gauss-Legendre nodes on the prior's support give -0.13748.
"""

import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose

import bayesrtw as brw
from bayesrtw.engine import integrate
from bayesrtw.model import reference_prior
from bayesrtw.posterior import mixture
from bayesrtw.posterior.summarise import hyper_distribution, probability_beyond

HERE = Path(__file__).parent

MOMENT = 1e-12
QUANTILE = 1e-10
PROBABILITY = 1e-12
LOG_EVIDENCE = 1e-12

#: Doubling the nodes from 128 to 1,024 may move a moment (in SDs), a probability or the log evidence
#: by no more than the engine's own tolerance.
DOUBLING = 1e-8

#: Effective sample size of the draws behind ``brms_*.json`` as a share of their number.
EFFICIENCY = 0.5
BRIDGE = 0.02


def typical(se):
    """DuMouchel's s0: the harmonic mean of the squared standard errors, square-rooted."""
    return float(np.sqrt(len(se) / np.sum(se**-2.0)))


def i_squared(se):
    """The s of the reference's prior that is uniform in I^2, square-rooted."""
    w = se**-2.0
    return float(np.sqrt((len(se) - 1) * w.sum() / (w.sum() ** 2 - (w**2).sum())))


#: Family of a prior in the files to its class, given its entry and the standard errors.
PRIORS = {
    "halfnormal": lambda q, _: brw.prior.HalfNormal(q["scale"]),
    "halfcauchy": lambda q, _: brw.prior.HalfCauchy(q["scale"]),
    "halft": lambda q, _: brw.prior.HalfStudentT(q["df"], q["scale"]),
    "exponential": lambda q, _: brw.prior.Exponential(1 / q["rate"]),
    "lognormal": lambda q, _: brw.prior.LogNormal(q["meanlog"], q["sdlog"]),
    "inversegamma": lambda q, _: brw.prior.InverseGamma(q["shape"], q["scale"]),
    "uniform_to": lambda q, _: brw.prior.Uniform(q["upper"]),
    "lomax": lambda q, _: reference_prior.Lomax(q["shape"], q["scale"]),
    "uniform": lambda _, __: reference_prior.FlatNonNegative(),
    "sqrt": lambda _, __: reference_prior.InverseSquareRoot(),
    "jeffreys": lambda _, se: reference_prior.Jeffreys(tuple(se)),
    "overalljeffreys": lambda _, se: reference_prior.OverallJeffreys(tuple(se)),
    "bergerdeely": lambda _, se: reference_prior.BergerDeely(tuple(se)),
    "conventional": lambda _, se: reference_prior.Conventional(tuple(se)),
    "dumouchel": lambda _, se: reference_prior.Lomax(1.0, typical(se)),
    "shrinkage": lambda _, se: reference_prior.UniformShrinkage(typical(se)),
    "i2": lambda _, se: reference_prior.UniformShrinkage(i_squared(se)),
}


@dataclass(frozen=True, eq=False)
class Case:
    """One fit of a file: evidence, model, and what the file answers."""

    evidence: brw.Evidence
    fixed: tuple
    tau: object
    entry: dict

    @property
    def reference(self):
        return self.entry.get("quadrature", self.entry.get("results"))

    @property
    def model(self):
        return brw.Model(terms=(*self.fixed, brw.Exchangeable(self.tau)))

    @property
    def common(self):
        return brw.Model(terms=(*self.fixed, brw.Common()))


def load(name):
    return json.loads((HERE / name).read_text(encoding="utf-8"))


def evidence_of(data, benefit="lower"):
    frame = pd.DataFrame({"study": data["studies"], "effect": data["effect"], "se": data["se"]})
    for index, column in enumerate(data.get("X_columns", ())):
        frame[column] = np.array(data["X"], dtype=np.float64)[:, index]
    return brw.Evidence.from_frame(frame, benefit=benefit)


def normal_or_flat(mean, sd):
    return brw.prior.Flat() if sd is None else brw.prior.Normal(float(mean), float(sd))


def fixed_terms(data, entry):
    """Intercept of a plain fit; one uncentred slope for each column of a regression."""
    if "X" not in data:
        mu = entry["prior_mu"]
        return (brw.Intercept(normal_or_flat(mu.get("mean"), mu.get("sd"))),)
    columns, beta = data["X_columns"], entry["prior_beta"]
    means, sds = (beta.get(key, [None] * len(columns)) for key in ("mean", "sd"))
    return tuple(
        brw.Linear(column, normal_or_flat(mean, sd), centre=False)
        for column, mean, sd in zip(columns, means, sds, strict=True)
    )


def case_of(data, entry, benefit="lower"):
    tau = PRIORS[entry["prior_tau"]["family"]](entry["prior_tau"], np.array(data["se"]))
    return Case(evidence_of(data, benefit), fixed_terms(data, entry), tau, entry)


def label(entry):
    tau, mean = entry["prior_tau"], entry.get("prior_mu", entry.get("prior_beta"))
    kind = tau.get("id") or f"{tau['family']}_{tau['scale']}"
    return f"{kind}-{mean['family'].split()[-1]}{mean.get('sd', '')}".replace(" ", "")


def cases(pattern):
    """Name of every fit of the files, with what it holds."""
    found = {}
    for path in sorted(HERE.glob(pattern)):
        content = load(path.name)
        for entry in content["fits"]:
            name = f"{path.stem}-{label(entry)}"
            assert name not in found
            found[name] = case_of(content["data"], entry)
    return found


EXACT = cases("bayesmeta_*.json") | cases("bmr_*.json")
SAMPLED = cases("brms_*.json")
PLAIN = [name for name, case in EXACT.items() if "mu" in case.reference]
REGRESSION = [name for name, case in EXACT.items() if "beta" in case.reference]
WITH_EVIDENCE = [
    name for name, case in EXACT.items() if any("likelihood" in key for key in case.reference)
]
WITH_BAYES_FACTOR = [name for name, case in EXACT.items() if "log_BF_tau0" in case.reference]


@cache
def fitted(name, nodes=64):
    case = (EXACT | SAMPLED)[name]
    return brw.fit(case.model, case.evidence, engine=brw.Exact(nodes=nodes, draws=0))


@cache
def summary(name):
    return brw.summarise(fitted(name))


def log_evidence(tree):
    return float(tree["quadrature"]["log_evidence"])


def log_constant(prior):
    """Log of the integral of a prior's density, by the trapezoidal rule in log tau.

    The integrand is analytic within pi/2 of the real line and falls at both ends at least as exp(-|u|),
    so that step 0.1 leaves exp(-2 pi (pi/2) / 0.1) and the ends exp(-45).
    """
    u = np.arange(-450, 451) / 10
    return float(np.log(0.1 * np.sum(np.exp(prior.logpdf(np.exp(u)) + u))))


def assert_moments(found, reference):
    sd = np.array(reference["sd"])
    assert_allclose((found["mean"] - np.array(reference["mean"])) / sd, 0, atol=MOMENT)
    assert_allclose(found["sd"] / sd, 1, rtol=MOMENT)


def assert_quantiles(found, reference):
    if "central95" in reference:
        lower, upper = reference["central95"]
    else:
        lower, upper = reference["central95_lower"], reference["central95_upper"]
    for column, value in (("lower", lower), ("median", reference["median"]), ("upper", upper)):
        gap = (found[column] - np.array(value)) / np.array(reference["sd"])
        assert_allclose(gap, 0, atol=QUANTILE, err_msg=column)


@pytest.mark.parametrize("name", EXACT)
def test_moments_of_tau(name):
    assert_moments(summary(name).loc["tau"], EXACT[name].reference["tau"])


@pytest.mark.parametrize("name", EXACT)
def test_quantiles_of_tau(name):
    assert_quantiles(summary(name).loc["tau"], EXACT[name].reference["tau"])


@pytest.mark.parametrize("name", PLAIN)
def test_moments_of_the_pooled_mean(name):
    assert_moments(summary(name).loc["mu"], EXACT[name].reference["mu"])


@pytest.mark.parametrize("name", PLAIN)
def test_quantiles_of_the_pooled_mean(name):
    assert_quantiles(summary(name).loc["mu"], EXACT[name].reference["mu"])


@pytest.mark.parametrize("name", PLAIN)
def test_moments_of_the_effect_in_a_new_setting(name):
    assert_moments(summary(name).loc["theta_new"], EXACT[name].reference["predict"])


@pytest.mark.parametrize("name", PLAIN)
def test_quantiles_of_the_effect_in_a_new_setting(name):
    assert_quantiles(summary(name).loc["theta_new"], EXACT[name].reference["predict"])


# Every fourth case: the other three agree as well, and a search takes a tenth of a second.
@pytest.mark.parametrize("name", list(EXACT)[::4])
def test_shortest_intervals(name):
    case, reference = EXACT[name], EXACT[name].reference
    engine = brw.Exact(draws=0, study_effects=False)
    found = brw.summarise(brw.fit(case.model, case.evidence, engine=engine), ci_kind="hdi")
    for row, key in (("tau", "tau"), ("mu", "mu")):
        if key in reference:
            gap = found.loc[row, ["lower", "upper"]].to_numpy(float) - reference[key]["shortest95"]
            assert_allclose(gap / reference[key]["sd"], 0, atol=QUANTILE)


@pytest.mark.parametrize("name", PLAIN)
def test_probabilities_of_benefit(name):
    # The evidence says that lower is better, so that the probability of benefit is P(. < 0).
    found, reference = summary(name)["probability"], EXACT[name].reference
    assert_allclose(found["mu"], reference["mu"]["p_lt_0"], rtol=0, atol=PROBABILITY)
    assert_allclose(found["theta_new"], reference["predict"]["p_lt_0"], rtol=0, atol=PROBABILITY)


@pytest.mark.parametrize("name", REGRESSION)
def test_moments_of_coefficients(name):
    for column, reference in EXACT[name].reference["beta"].items():
        assert_moments(summary(name).loc[f"beta[{column}]"], reference)


@pytest.mark.parametrize("name", REGRESSION)
def test_quantiles_of_coefficients(name):
    for column, reference in EXACT[name].reference["beta"].items():
        assert_quantiles(summary(name).loc[f"beta[{column}]"], reference)


@pytest.mark.parametrize("name", REGRESSION)
def test_probabilities_of_coefficients(name):
    for column, reference in EXACT[name].reference["beta"].items():
        found = summary(name).loc[f"beta[{column}]", "probability"]
        assert_allclose(found, reference["p_lt_0"], rtol=0, atol=PROBABILITY)


def study_effects(name):
    found = summary(name)
    found = found[found["variable"] == "theta"]
    return {
        column: found[column].to_numpy() for column in ("mean", "sd", "lower", "median", "upper")
    }


@pytest.mark.parametrize("name", EXACT)
def test_moments_of_study_effects(name):
    assert_moments(study_effects(name), EXACT[name].reference["theta"])


@pytest.mark.parametrize("name", EXACT)
def test_quantiles_of_study_effects(name):
    assert_quantiles(study_effects(name), EXACT[name].reference["theta"])


@pytest.mark.parametrize("name", WITH_EVIDENCE)
def test_log_evidence(name):
    case = EXACT[name]
    (reference,) = (value for key, value in case.reference.items() if "likelihood" in key)
    constant = 0.0 if case.tau.proper else log_constant(case.tau)
    assert_allclose(log_evidence(fitted(name)) - constant, reference, rtol=0, atol=LOG_EVIDENCE)


@pytest.mark.parametrize("name", WITH_BAYES_FACTOR)
def test_log_bayes_factor_of_a_common_effect(name):
    case = EXACT[name]
    common = log_evidence(brw.fit(case.common, case.evidence, engine=brw.Exact(draws=0)))
    constant = 0.0 if case.tau.proper else log_constant(case.tau)
    found = common - (log_evidence(fitted(name)) - constant)
    assert_allclose(found, case.reference["log_BF_tau0"], rtol=0, atol=LOG_EVIDENCE)


def parts(tree):
    """Weights of the nodes, and means and SDs of all normal quantities given the node."""
    source = tree["quadrature"]
    weight = source["weight"].to_numpy()
    names = [name for name in ("mu", "beta", "theta_new", "theta") if f"{name}_mean" in source]
    return weight, *(
        np.hstack([source[f"{name}_{part}"].to_numpy().reshape(len(weight), -1) for name in names])
        for part in ("mean", "sd")
    )


@pytest.mark.parametrize("name", EXACT)
def test_more_nodes_move_nothing_normal(name):
    few, many = parts(fitted(name)), parts(fitted(name, 512))
    assert len(many[0]) >= 1024
    mean, sd = mixture.moments(*few)
    finer_mean, finer_sd = mixture.moments(*many)
    assert_allclose((mean - finer_mean) / finer_sd, 0, atol=DOUBLING)
    assert_allclose(sd / finer_sd, 1, rtol=DOUBLING)
    for z in (-1.96, 0.0, 1.96):
        at = finer_mean + z * finer_sd
        assert_allclose(mixture.cdf(at, *few), mixture.cdf(at, *many), rtol=0, atol=DOUBLING)


@pytest.mark.parametrize("name", EXACT)
def test_more_nodes_do_not_move_tau(name):
    few, many = (
        fitted(name)["quadrature"].to_dataset(),
        fitted(name, 512)["quadrature"].to_dataset(),
    )
    for power in (1, 2):
        moments = [float(each["weight"] @ each["tau"] ** power) for each in (few, many)]
        assert_allclose(*moments, rtol=DOUBLING)
    reference = EXACT[name].reference["tau"]
    at = np.array([*reference["central95"], reference["median"]])
    at = np.concatenate([0.3 * at, at, 1.5 * at])
    below = [hyper_distribution(each, "tau").cdf(at) for each in (few, many)]
    assert_allclose(*below, rtol=0, atol=DOUBLING)


@pytest.mark.parametrize("name", EXACT)
def test_more_nodes_do_not_move_the_log_evidence(name):
    found, finer = (log_evidence(fitted(name, nodes)) for nodes in (64, 512))
    assert_allclose(found, finer, rtol=0, atol=DOUBLING)


COMMON = sorted(path.name for path in HERE.glob("metafor_common_*.json"))


@pytest.mark.parametrize("name", COMMON)
def test_common_effect_is_the_inverse_variance_mean(name):
    content = load(name)
    model = brw.Model(terms=(brw.Intercept(brw.prior.Flat()), brw.Common()))
    tree = brw.fit(model, evidence_of(content["data"]), engine=brw.Exact(draws=0))
    found, (reference,) = brw.summarise(tree).loc["mu"], content["fits"]
    names = {"mean": "beta", "sd": "se", "lower": "ci_lb", "upper": "ci_ub"}
    for ours, theirs in names.items():
        assert_allclose(found[ours], reference[theirs], rtol=1e-13, err_msg=ours)


SAMPLED_AS = {"mu": "mu", "tau": "tau", "theta_new": "predict"}


def monte_carlo_rows(name):
    """Label, our row, and the sampled mean, SD and quantiles of every quantity."""
    found, results = summary(name), SAMPLED[name].reference
    rows = []
    for ours, theirs in SAMPLED_AS.items():
        reference = results[theirs]
        lower, upper = reference["central95"]
        quantiles = {0.025: lower, 0.5: reference["median"], 0.975: upper}
        rows.append((ours, "", found.loc[ours], reference["mean"], reference["sd"], quantiles))
    theta = results["theta"]
    for index, (key, row) in enumerate(found[found["variable"] == "theta"].iterrows()):
        assert key == f"theta[{row['label']}]"
        quantiles = {
            level: theta[column][index]
            for level, column in ((0.025, "q025"), (0.5, "median"), (0.975, "q975"))
        }
        rows.append(
            ("theta", row["label"], row, theta["mean"][index], theta["sd"][index], quantiles)
        )
    return rows


def kurtosis(name, variable, label):
    """Fourth standardised moment, exactly: it sets the Monte-Carlo error of an SD."""
    source = fitted(name)["quadrature"].to_dataset()
    weight = source["weight"].to_numpy()
    if variable == "tau":
        mean, sd = source["tau"].to_numpy(), 0.0
    else:
        mean, sd = (
            (part.sel(estimate=label) if label else part).to_numpy()
            for part in (source[f"{variable}_mean"], source[f"{variable}_sd"])
        )
    away = mean - weight @ mean
    variance = weight @ (sd**2 + away**2)
    return weight @ (3 * sd**4 + 6 * sd**2 * away**2 + away**4) / variance**2


@pytest.mark.parametrize("name", SAMPLED)
def test_sampled_means(name):
    size = EFFICIENCY * SAMPLED[name].entry["draws"]
    for variable, label, row, mean, _, _ in monte_carlo_rows(name):
        error = 4 * row["sd"] / np.sqrt(size)
        assert abs(row["mean"] - mean) < error, f"{variable} {label}"


@pytest.mark.parametrize("name", SAMPLED)
def test_sampled_spreads(name):
    size = EFFICIENCY * SAMPLED[name].entry["draws"]
    for variable, label, row, _, sd, _ in monte_carlo_rows(name):
        error = 4 * np.sqrt((kurtosis(name, variable, label) - 1) / (4 * size))
        assert abs(sd / row["sd"] - 1) < error, f"{variable} {label}"


@pytest.mark.parametrize("name", SAMPLED)
def test_sampled_quantiles(name):
    size = EFFICIENCY * SAMPLED[name].entry["draws"]
    for variable, label, _, _, _, quantiles in monte_carlo_rows(name):
        for level, value in quantiles.items():
            below = probability_beyond(fitted(name), variable, label, value, above=False)
            error = 4 * np.sqrt(level * (1 - level) / size)
            assert abs(below - level) < error, f"{variable} {label} at {level}"


@pytest.mark.parametrize("name", SAMPLED)
def test_bridge_sampled_log_evidence(name):
    reference = SAMPLED[name].reference["log_marginal_likelihood_bridge"]
    assert abs(log_evidence(fitted(name)) - reference) < BRIDGE


INDEPENDENT = load("independent.json")
BY_HAND = {entry["name"]: entry for entry in INDEPENDENT["cases"]}


def half_unit(printed):
    """Half a unit of the last printed digit, and a hundredth of it."""
    return 0.505 * 10.0 ** -len(printed.partition(".")[2])


def assert_printed(found, printed, what=""):
    assert_allclose(found, float(printed), rtol=0, atol=half_unit(printed), err_msg=what)


@cache
def by_hand(name):
    entry = BY_HAND[name]
    case = case_of(entry["data"], entry, benefit="higher")
    return case, brw.fit(case.model, case.evidence, engine=brw.Exact(draws=0))


@pytest.mark.parametrize("name", BY_HAND)
def test_printed_summaries(name):
    found = brw.summarise(by_hand(name)[1])
    for row in BY_HAND[name]["results"]:
        for column, printed in row.items():
            if column != "variable":
                what = f"{row['variable']} {column}"
                assert_printed(found.loc[row["variable"], column], printed, what)


@pytest.mark.parametrize("name", BY_HAND)
def test_printed_log_evidence(name):
    assert_printed(log_evidence(by_hand(name)[1]), BY_HAND[name]["log_evidence"])


def test_printed_weights_with_the_row_of_the_prior():
    source = by_hand("toy")[1]["quadrature"]
    for found, printed in zip(
        source["weight_in_mu"].to_numpy(), BY_HAND["toy"]["weights"], strict=True
    ):
        assert_printed(found, printed)
    assert_printed(float(source["prior_weight_in_mu"]), BY_HAND["toy"]["prior_weight"])


@pytest.mark.parametrize("left_out", range(4))
def test_printed_leave_one_out_density(left_out):
    case, tree = by_hand("toy")
    others = case.evidence.rows(np.arange(case.evidence.size) != left_out)
    rest = brw.fit(case.model, others, engine=brw.Exact(draws=0))
    found = log_evidence(tree) - log_evidence(rest)
    assert_printed(found, BY_HAND["toy"]["leave_one_out"][left_out])


def test_printed_sum_of_intercept_and_slope():
    # The sum s has the prior N(0, 1.25); c = intercept - 0.8 s is independent of it, with N(0, 0.2). Then
    # intercept + slope x = (0.8 + 0.2 x) s + (1 - x) c: the same model in coefficients that are reported.
    entry = BY_HAND["toy_regression"]
    x = np.array(entry["data"]["X"])[:, 1]
    columns = np.column_stack([0.8 + 0.2 * x, 1 - x]).tolist()
    data = entry["data"] | {"X_columns": ["s", "c"], "X": columns}
    beta = {"family": "independent normal", "mean": [0, 0], "sd": [1.25**0.5, 0.2**0.5]}
    case = case_of(data, entry | {"prior_beta": beta}, benefit="higher")
    tree = brw.fit(case.model, case.evidence, engine=brw.Exact(draws=0))
    assert_printed(log_evidence(tree), entry["log_evidence"])
    found = brw.summarise(tree).loc["beta[s]"]
    for column, printed in entry["sum"].items():
        assert_printed(found[column], printed, column)


PANEL = {
    f"{row['data']}-{'-'.join(str(value) for value in row['prior_tau'].values())}": row
    for row in INDEPENDENT["prior_panel"]
}


@pytest.mark.parametrize("name", PANEL)
def test_printed_prior_panel(name, monkeypatch):
    # A prior that ends at a point needs no more nodes than a smooth one when the range ends there too.
    monkeypatch.setattr(integrate, "MOST_NODES", 1024)
    row, data = PANEL[name], BY_HAND["toy"]["data"]
    if row["data"] == "toy_first_two":
        data = {key: values[:2] for key, values in data.items()}
    entry = {"prior_tau": row["prior_tau"], "prior_mu": BY_HAND["toy"]["prior_mu"]}
    case = case_of(data, entry, benefit="higher")
    found = brw.summarise(brw.fit(case.model, case.evidence, engine=brw.Exact(draws=0)))
    for column in ("mean", "lower", "upper", "probability"):
        if column in row:
            assert_printed(found.loc["mu", column], row[column], column)
    for column in ("lower", "upper"):
        if f"new_{column}" in row:
            assert_printed(found.loc["theta_new", column], row[f"new_{column}"], f"new {column}")
