"""Model comparison against numbers computed independently and against brute force.

Log evidence of the four-study example with and without a moderator was computed elsewhere to seven
digits. Brute force is `scipy.integrate.quad` over tau of closed multivariate normal densities, asked
for 1e-12; quadrature is gated at 1e-8.
"""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose
from scipy import integrate, stats

import bayesrtw as brw
from bayesrtw.errors import SpecError
from bayesrtw.model.interaction import Interaction
from bayesrtw.posterior.summarise import hyper_distribution, probability_beyond
from bayesrtw.question.compare import compare, submodels

prior = brw.prior
Y = np.array([0.30, 0.05, 0.42, 0.18])
S = np.array([0.15, 0.12, 0.25, 0.20])
X = np.array([1.0, 0.0, 1.0, 0.0])
SLOPE = brw.Linear("x", prior.Normal(0, 0.5), centre=False)


def toy():
    return brw.Evidence.from_frame(
        pd.DataFrame(
            {
                "study": list("ABCD"),
                "effect": Y,
                "se": S,
                "x": X,
                "kind": list("uvuv"),
                "z": list("ppqq"),
            }
        )
    )


def full(*extra, tau=0.5):
    terms = (brw.Intercept(prior.Normal(0, 1)), *extra, brw.Exchangeable(prior.HalfNormal(tau)))
    return brw.Model(terms=terms)


def brute(columns, sds, tau_scale, above=0.0):
    """Evidence, and P(first coefficient > above), by quadrature over tau."""
    design = np.column_stack(columns)
    spread = np.diag(np.square(sds))

    def at(tau, want):
        density = stats.halfnorm(scale=tau_scale).pdf(tau)
        noise = np.diag(S**2 + tau**2)
        density *= stats.multivariate_normal(np.zeros(4), noise + design @ spread @ design.T).pdf(Y)
        if not want:
            return density
        inverse = np.linalg.inv(noise)
        covariance = np.linalg.inv(np.linalg.inv(spread) + design.T @ inverse @ design)
        mean = covariance @ design.T @ inverse @ Y
        return density * stats.norm.sf(above, mean[0], np.sqrt(covariance[0, 0]))

    ends = (0.0, 0.2, 0.6, 1.5, 6.0)
    pieces = list(pairwise(ends))
    total, part = (
        sum(integrate.quad(at, a, b, args=(w,), epsrel=1e-12, epsabs=0)[0] for a, b in pieces)
        for w in (False, True)
    )
    return total, part / total


def test_bayes_factors_are_the_independent_ones():
    found = compare(submodels(full(SLOPE)), toy())
    assert list(found.models.index) == ["no moderator", "x"]
    assert_allclose(found.models["log_evidence"], [-1.4298778, -1.7389181], atol=1e-7)
    factor = np.exp(-1.7389181 + 1.4298778)
    assert_allclose(found.inclusion.loc["x", "bayes_factor"], factor, rtol=3e-7)
    assert_allclose(found.inclusion.loc["x", "posterior"], factor / (1 + factor), rtol=3e-7)
    # the coefficient given that it is in the model, computed independently
    row = found.coefficients.loc["beta[x]"]
    figures = row[["mean", "lower", "upper", "probability"]].to_numpy(dtype=float)
    assert_allclose(figures, [0.1964873, -0.2888958, 0.6334048, 0.8276483], atol=1e-6)
    assert_allclose(row["averaged_mean"], row["inclusion"] * row["mean"], rtol=1e-9)
    # an effect of exactly zero is no benefit
    assert_allclose(row["averaged_probability"], row["inclusion"] * row["probability"], rtol=1e-9)
    assert row["averaged_median"] == 0.0


def test_the_average_over_terms_and_priors_is_that_of_brute_force():
    models = {
        "plain": full(),
        "narrow": full(tau=0.1),
        "moderator": full(SLOPE),
    }
    before = {"plain": 1.0, "narrow": 2.0, "moderator": 1.0}
    found = compare(models, toy(), prior=before)
    one = np.ones(4)
    parts = [brute([one], [1.0], 0.5), brute([one], [1.0], 0.1), brute([one, X], [1.0, 0.5], 0.5)]
    chance = np.array([0.25, 0.5, 0.25]) * [total for total, _ in parts]
    chance /= chance.sum()
    assert_allclose(found.models["posterior"], chance, rtol=1e-7)
    expected = chance @ [own for _, own in parts]
    table = brw.summarise(found.posterior)
    assert_allclose(table.loc["mu", "probability"], expected, atol=1e-8)
    assert_allclose(
        probability_beyond(found.posterior, "mu", "", 0.0, above=True), expected, atol=1e-8
    )
    inside = [
        hyper_distribution(brw.fit(model, toy())["quadrature"].to_dataset(), "tau")
        for model in models.values()
    ]
    averaged = hyper_distribution(found.posterior["quadrature"].to_dataset(), "tau")
    at = np.array([0.01, 0.05, 0.1, 0.3, 0.8])
    assert_allclose(averaged.cdf(at), chance @ [own.cdf(at) for own in inside], atol=1e-8)
    assert {"mu", "tau", "beta[x]", "theta[A]", "theta_new"} <= set(table.index)


def test_effect_and_heterogeneity_are_tested_as_four_models():
    # mu = 0 and tau = 0 are models without the term; closed form for the two without tau
    none = brw.Linear("x", prior.Normal(0, 1e-6), centre=False)
    common = brw.Common()
    spread = brw.Exchangeable(prior.HalfNormal(0.5))
    mean = brw.Intercept(prior.Normal(0, 1))
    models = {
        "nothing": brw.Model(terms=(none, common)),
        "effect": brw.Model(terms=(mean, none, common)),
        "heterogeneity": brw.Model(terms=(none, spread)),
        "both": brw.Model(terms=(mean, none, spread)),
    }
    found = compare(models, toy())
    no = np.sum(stats.norm(0, S).logpdf(Y))
    yes = stats.multivariate_normal(np.zeros(4), np.diag(S**2) + 1.0).logpdf(Y)
    assert_allclose(found.models["log_evidence"].iloc[:2], [no, yes], atol=1e-8)
    assert set(found.inclusion.index) == {"mu", "tau"}
    chance = found.models["posterior"]
    assert_allclose(found.inclusion.loc["mu", "posterior"], chance["effect"] + chance["both"])
    # without tau in every model no distribution of tau is averaged
    assert "tau" not in brw.summarise(found.posterior).index


def test_submodels_respect_marginality_and_are_not_too_many():
    first, second = (brw.Categorical(name, prior.Normal(0, 0.25)) for name in ("kind", "z"))
    cross = Interaction("kind", "z")
    found = submodels(full(first, second, cross))
    assert list(found) == ["no moderator", "kind", "z", "kind + z", "kind + z + kind:z"]
    many = [brw.Linear(f"x{i}", prior.Normal(0, 1)) for i in range(11)]
    with pytest.raises(SpecError, match="11 moderators make up to 2048 models; at most 1024"):
        submodels(full(*many))


def test_a_level_that_is_not_in_a_model_has_the_pooled_mean_there():
    kind = brw.Categorical("kind", prior.Normal(0, 0.25))
    found = compare(submodels(full(kind)), toy())
    table = brw.summarise(found.posterior)
    with_it = brw.summarise(brw.fit(full(kind), toy()))
    without = brw.summarise(brw.fit(full(), toy()))
    chance = found.models["posterior"].to_numpy()
    expected = chance @ [without.loc["mu", "mean"], with_it.loc["mu_level[kind[u]]", "mean"]]
    assert_allclose(table.loc["mu_level[kind[u]]", "mean"], expected, atol=1e-8)


def test_what_cannot_be_compared_is_refused_with_the_cause():
    flat = full(brw.Linear("x", prior.Flat()))
    with pytest.raises(SpecError, match=r"model 'x': the prior of 'x' is improper \(flat\)"):
        compare(submodels(flat), toy())
    # a flat mean that every model has alike does no harm
    spread = brw.Exchangeable(prior.HalfNormal(0.5))
    alike = brw.Model(terms=(brw.Intercept(prior.Flat()), SLOPE, spread))
    assert len(compare(submodels(alike), toy()).models) == 2
    with pytest.raises(SpecError, match="at least two"):
        compare({"one": full()}, toy())
    with pytest.raises(SpecError, match="must be positive"):
        compare({"a": full(), "b": full(tau=1.0)}, toy(), prior={"a": 0.0, "b": 1.0})
    with pytest.raises(SpecError, match="same names: 'b', 'c'"):
        compare({"a": full(), "b": full(tau=1.0)}, toy(), prior={"a": 1.0, "c": 1.0})


def test_models_of_other_numbers_are_refused():
    """Powers of likelihoods, and chances of counts beside densities of estimates, were compared."""
    names = ["events_t", "n_t", "events_c", "n_c"]
    frame = pd.DataFrame([[5, 9, 1, 8], [6, 16, 3, 15], [4, 20, 5, 20]], columns=names)
    frame = frame.assign(study=list("abc"), design=["rct", "rct", "cohort"])
    rows = brw.Evidence.from_frame(
        frame, columns={name: name for name in names}, measure="log_odds_ratio", benefit="higher"
    )
    discount = brw.bias.Discount(brw.bias.Studies(("cohort",)), 0.5)
    plain = replace(full(), likelihood=brw.likelihood.Hypergeometric())
    models = {"all": plain, "half": replace(plain, terms=(*plain.terms, discount))}
    with pytest.raises(SpecError, match="discount rows differently under 'hypergeometric'"):
        compare(models, rows)
    others = {"counts": plain, "estimates": full()}
    with pytest.raises(SpecError, match="'estimates', 'hypergeometric'"):
        compare(others, rows)


def test_discounts_of_estimates_are_compared():
    """Widened normals are densities: the evidence of both by quadrature over tau."""
    rows = toy()
    discount = brw.bias.Discount(brw.bias.Studies(("u",), "kind"), 0.5)
    found = compare({"all": full(), "half": full(discount)}, rows).models["log_evidence"]
    for got, wide in zip(found, (S, S * np.array([2**0.5, 1.0] * 2)), strict=True):

        def at(tau, wide=wide):
            law = stats.multivariate_normal(np.zeros(4), np.diag(wide**2 + tau**2) + 1.0)
            return stats.halfnorm(scale=0.5).pdf(tau) * law.pdf(Y)

        total = sum(integrate.quad(at, *ends)[0] for ends in pairwise((0.0, 0.2, 0.6, 1.5, 6.0)))
        assert_allclose(got, np.log(total), atol=1e-8)
