"""Simulated evidence against moments that follow from the model on paper.

Every comparison of a sample with its population is within 5 standard errors of the sample: a false
alarm in 2 million, and the seed is fixed.
"""

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import integrate, stats

from bayesrtw.errors import SpecError
from bayesrtw.evidence.covariance import Dependence
from bayesrtw.evidence.table import Evidence
from bayesrtw.model.bias_mixture import BiasMixture, RiskClass, RiskGroup
from bayesrtw.model.heterogeneity import ByGroup, Common, Exchangeable
from bayesrtw.model.likelihood import Clustering, Correlation, NormalErrors
from bayesrtw.model.moderator import Categorical, Group, Intercept, Linear
from bayesrtw.model.prior import Beta, Flat, HalfNormal, Normal
from bayesrtw.model.reference_prior import FlatNonNegative
from bayesrtw.model.shrinkage import Horseshoe
from bayesrtw.model.simulate import simulate, with_effects
from bayesrtw.model.spec import Model

MANY = 40_000


def evidence(dependent=False, benefit=""):
    frame = pd.DataFrame(
        {
            "study": ["s1", "s1", "s2", "s3", "s4"],
            "kind": ["a", "a", "b", "c", "b"],
            "effect": [9.0, 9.0, 9.0, 9.0, 9.0],
            "se": [0.3, 0.4, 0.2, 0.5, 0.1],
            "size": [21.0, np.nan, np.nan, 5.0, np.nan],
        }
    )
    found = Evidence.from_frame(frame, benefit=benefit)
    if not dependent:
        return found
    covariance = np.array([[0.04, 0.006], [0.006, 0.01]])
    blocks = (Dependence(np.array([2, 4]), covariance, "made up"),)
    return Evidence(found.data, found.provenance, found.outcomes, blocks)


def covariance_errors(sample, wanted):
    """How many standard errors a sample covariance is away; normal or heavier-tailed by `kurtosis`."""
    centred = sample - sample.mean(axis=0)
    products = centred[:, :, None] * centred[:, None, :]
    error = products.std(axis=0) / np.sqrt(len(sample))
    return np.abs(products.mean(axis=0) - wanted) / error


def test_three_levels_give_the_covariance_of_the_formula():
    model = Model(
        terms=(
            Intercept(Normal(1.0, 0.5)),
            Exchangeable(HalfNormal(0.4), by="study", name="tau_study"),
            Exchangeable(HalfNormal(0.2)),
        )
    )
    drawn = simulate(model, evidence(dependent=True), MANY, seed=3)
    same = np.array([[1, 1, 0, 0, 0], [1, 1, 0, 0, 0], *np.eye(5)[2:].tolist()])
    # E tau^2 of a half-normal is its scale squared.
    wanted = 0.25 + 0.16 * same + 0.04 * np.eye(5)
    theta = np.stack([drawn.truth[f"theta[{name}]"] for name in drawn_labels(drawn)], axis=1)
    assert np.max(covariance_errors(theta, wanted)) < 5
    sampling = np.diag([0.09, 0.16, 0.04, 0.25, 0.01])
    sampling[2, 4] = sampling[4, 2] = 0.006
    assert np.max(covariance_errors(drawn.effect, wanted + sampling)) < 5
    assert np.max(covariance_errors(drawn.effect - theta, sampling)) < 5
    assert abs(drawn.effect.mean() - 1.0) < 5 * 0.6 / np.sqrt(MANY)
    new = drawn.truth["theta_new"] - drawn.truth["mu"]
    assert abs(np.mean(new**2) - 0.2) < 5 * np.std(new**2) / np.sqrt(MANY)


def drawn_labels(drawn):
    return [label for variable, label in drawn.variables.values() if variable == "theta"]


def test_unknown_correlation_and_clustering_enter_the_errors():
    likelihood = NormalErrors(
        correlation=Correlation("study", Beta(3.0, 2.0)),
        clustering=Clustering("size", Beta(2.0, 18.0)),
    )
    model = Model(terms=(Intercept(Normal(0.0, 0.5)), Common()), likelihood=likelihood)
    drawn = simulate(model, evidence(), MANY, seed=4)
    errors = drawn.effect - drawn.truth["mu"][:, None]
    # Rows 1 and 2 share people: covariance E(rho) se se'. A mean icc of 0.1 makes the variance of row 1
    # 1 + 20 * 0.1 times as large and that of row 4 1 + 4 * 0.1 times; their correlations stay.
    wider = integrate.quad(lambda icc: np.sqrt(1 + 20 * icc) * stats.beta(2, 18).pdf(icc), 0, 1)[0]
    wanted = np.diag([0.09 * 3.0, 0.16, 0.04, 0.25 * 1.4, 0.01])
    wanted[0, 1] = wanted[1, 0] = 0.6 * 0.12 * wider
    assert np.max(covariance_errors(errors, wanted)) < 5
    rho = drawn.truth["rho"]
    assert abs(np.mean(rho) - 0.6) < 5 * np.std(rho) / np.sqrt(MANY)
    product = errors[:, 0] * errors[:, 1] / 0.12
    slope = np.polyfit(rho, product, 1)[0]
    assert abs(slope - wider) < 5 * np.std(product) / np.std(rho) / np.sqrt(MANY)


def test_each_group_has_its_own_spread_and_levels_sum_to_zero():
    groups = (Group("first", ("a", "b"), "r"), Group("second", ("c",), "r"))
    model = Model(
        terms=(
            Intercept(Normal(0.0, 0.5)),
            Categorical("kind", Normal(0.0, 0.25)),
            ByGroup("kind", groups, HalfNormal(0.3)),
        )
    )
    drawn = simulate(model, evidence(), 500, seed=5)
    beta = [drawn.truth[name] for name in drawn.truth if name.startswith("beta")]
    assert_allclose(np.sum(beta, axis=0), 0.0, atol=1e-12)  # rounding
    level = drawn.truth["mu_level[kind[b]]"]
    assert_allclose(level, drawn.truth["mu"] + drawn.truth["beta[kind[b]]"], atol=1e-12)
    z = (drawn.truth["theta[s3]"] - drawn.truth["mu_level[kind[c]]"]) / drawn.truth["tau_second"]
    assert 0.8 < np.std(z) < 1.2


def test_biases_that_estimates_have_or_have_not_are_drawn():
    """B_i = d_i (c + k z_i), d_i ~ Bernoulli(p); p, c and k are shared by the group, moments by hand."""
    group = RiskGroup(
        "second", ("b",), Normal(0.8, 0.3), HalfNormal(0.4), (RiskClass("", 0.6),), size=5.0
    )
    terms = (Intercept(Normal(0.0, 0.5)), Exchangeable(HalfNormal(0.2)))
    plain, biased = (
        simulate(Model(terms=own), evidence(benefit="higher"), MANY, seed=8).effect
        for own in (terms, (*terms, BiasMixture((group,), column="kind")))
    )
    at_risk = [2, 4]
    added = (biased - plain)[:, at_risk]
    assert_array_equal(np.delete(biased, at_risk, axis=1), np.delete(plain, at_risk, axis=1))
    share, share_squared = 0.6, 0.6**2 + 0.6 * 0.4 / 6.0  # Beta(3, 2)
    square = 0.8**2 + 0.3**2
    alone, both = share * (square + 0.4**2), share_squared * square
    wanted = np.array([[alone, both], [both, alone]]) - (share * 0.8) ** 2
    error = added.std(axis=0) / np.sqrt(MANY)
    assert np.all(np.abs(added.mean(axis=0) - share * 0.8) < 5 * error)
    assert np.all(covariance_errors(added, wanted) < 5)


def test_a_term_that_only_a_sampler_knows_is_refused_by_name():
    """Its arrays are near its prior and not that prior, so nothing can be drawn from them."""
    frame = pd.DataFrame(
        {"study": list("ABCD"), "effect": 0.0, "se": 0.1, "dose": [1.0, 2, 3, 5], "age": 4.0}
    )
    terms = (
        Intercept(Normal(0, 1)),
        Exchangeable(HalfNormal(0.2)),
        Horseshoe(("dose", "age"), 0.1, 1.0),
    )
    with pytest.raises(SpecError, match="'horseshoe'"):
        simulate(Model(terms=terms), Evidence.from_frame(frame), 10, seed=1)


def test_the_seed_decides_every_digit_and_effects_are_not_read():
    model = Model(terms=(Intercept(Normal(0.0, 0.5)), Exchangeable(HalfNormal(0.3))))
    first = simulate(model, evidence(), 3, seed=1)
    moved = with_effects(evidence(), np.zeros(5))
    again = simulate(model, moved, 3, seed=1)
    assert_array_equal(first.effect, again.effect)
    assert not np.any(first.effect == simulate(model, evidence(), 3, seed=2).effect)
    assert_array_equal(moved.data["effect"].to_numpy(), np.zeros(5))
    assert_array_equal(moved.data["se"].to_numpy(), evidence().data["se"].to_numpy())


def test_improper_priors_are_refused_by_name():
    terms = (Intercept(Flat()), Linear("size", Flat()), Exchangeable(FlatNonNegative()))
    rows = evidence().data.fillna(1.0)
    with pytest.raises(
        SpecError, match=r"(?s)mu has a flat prior.*beta\[size\].*tau has the improper"
    ):
        simulate(Model(terms=terms), Evidence(rows), 10, seed=1)
    model = Model(terms=(Intercept(Normal(0.0, 0.5)), Exchangeable(HalfNormal(0.3))))
    with pytest.raises(SpecError, match="replicates must be at least 1; found 0"):
        simulate(model, evidence(), 0, seed=1)
