"""A fit and its neighbours, against brute force on dense matrices and against fits of their own.

Brute force: Gauss-Legendre over the SDs, one joint normal of all rows at each point, conditioned on the rows
that are kept. Nothing of the package is in it but the priors' densities. With 96 nodes an SD, doubled, its
own figures move by less than 1e-10.
"""

import math
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose
from scipy.special import logsumexp, ndtr

import bayesrtw as brw
from bayesrtw.analysis.sensitivity import heterogeneity_panels, prior_choices
from bayesrtw.engine import solve
from bayesrtw.errors import EngineRefusal, SpecError
from bayesrtw.living.surprise import surprise
from bayesrtw.model.bias import AdditiveBias, BiasHierarchy, DirectedBias, Discount, Studies
from bayesrtw.model.bias_mixture import default_mixture
from bayesrtw.model.likelihood import Clustering, NormalErrors
from bayesrtw.model.mixture_prior import NormalMixture, StudentT
from bayesrtw.question.sensitivity import moved

prior = brw.prior
COHORT = Studies(("cohort",))
EFFECT = np.array([0.42, 0.05, 0.11, -0.21, 0.33, 0.18, 0.9])
SE = np.array([0.15, 0.12, 0.30, 0.25, 0.09, 0.2, 0.1])
FAMILY = np.array(list("abbcdad"))
SIZE = np.array([np.nan, np.nan, np.nan, np.nan, 40.0, np.nan, 90.0])


def rows(**more):
    frame = pd.DataFrame(
        {"study": list("ABCDEFG"), "effect": EFFECT, "se": SE, "size": SIZE, **more}
    )
    frame["trial_family"] = FAMILY
    frame["design"] = ["rct"] * 4 + ["cohort"] * 3
    return brw.Evidence.from_frame(frame, measure="log_hazard_ratio", benefit="higher")


def nested(*terms, mu=None, likelihood=None):
    own = (
        brw.Intercept(mu or prior.Normal(0.1, 0.5)),
        brw.Exchangeable(prior.HalfNormal(0.4), by="trial_family", name="tau_family"),
        brw.Exchangeable(prior.HalfNormal(0.25)),
        *terms,
    )
    return brw.Model(terms=own, likelihood=likelihood or NormalErrors())


def grid(scale, count):
    x, w = np.polynomial.legendre.leggauss(count)
    tau = 4.5 * scale * (x + 1)
    return tau, np.log(4.5 * scale * w) + prior.HalfNormal(scale).logpdf(tau)


def dense(keep, row, mean, covariance, *, noise, y=EFFECT, count=96):
    """Log weight, mean and variance of one row, with the noise of all and of it, given others."""
    within, between = grid(0.25, count), grid(0.4, count)
    alike = (FAMILY[:, None] == FAMILY).astype(float)
    log, centre, spread = [], [], []
    for tau, w in zip(*within, strict=True):
        joint = covariance + np.diag(noise + tau**2) + between[0][:, None, None] ** 2 * alike
        ours = joint[:, keep][:, :, keep]
        across = joint[:, row, keep]
        solved = np.linalg.solve(ours, across[..., None])[..., 0]
        gap = (y - mean)[keep]
        log.append(
            w
            + between[1]
            - 0.5 * np.linalg.slogdet(ours)[1]
            - 0.5 * (np.linalg.solve(ours, gap[None, :, None])[..., 0] @ gap)
        )
        centre.append(mean[row] + solved @ gap)
        spread.append(joint[:, row, row] - np.sum(solved * across, axis=1))
    log = np.concatenate(log)
    return np.exp(log - logsumexp(log)), np.concatenate(centre), np.concatenate(spread)


def below(parts, at):
    weight, mean, variance = parts
    return np.array([weight @ ndtr((x - mean) / np.sqrt(variance)) for x in at])


AT = np.array([-0.3, 0.1, 0.4, 0.9])


@pytest.mark.parametrize("out", [[1], [0], [3], [4, 6], [0, 5]])
def test_left_out_rows_are_predicted_as_by_brute_force(out):
    model = nested(AdditiveBias(COHORT, 0.2, 0.15), Discount(COHORT, 0.5))
    cohort = np.arange(7) > 3
    gone = np.isin(np.arange(7), out)
    mean = np.where(cohort, 0.3, 0.1)
    noise = np.where(cohort, SE**2 / 0.5 + 0.15**2, SE**2)
    [near] = solve(model, rows()).without([gone])
    for row, found in zip(out, near.expected(gone), strict=True):
        parts = dense(~gone, row, mean, np.full((7, 7), 0.25), noise=noise)
        assert_allclose(found.below(AT), below(parts, AT), atol=2e-9)
    effects = near.effect_of(gone)
    for row, found in zip(out, effects, strict=True):
        weight, centre, spread = dense(~gone, row, mean, np.full((7, 7), 0.25), noise=noise)
        parts = weight, centre - (mean[row] - 0.1), spread - noise[row]
        assert_allclose(found.below(AT), below(parts, AT), atol=2e-9)


def test_rows_that_are_seen_are_no_prediction():
    seen = np.arange(7) == 2
    with pytest.raises(SpecError, match="rows are predicted that the fit has seen"):
        solve(nested(), rows()).expected(seen)


@pytest.mark.parametrize(
    ("term", "likelihood"),
    [
        (BiasHierarchy(COHORT, prior.Normal(0.2, 0.2), prior.HalfNormal(0.15)), None),
        (DirectedBias(COHORT, prior.HalfNormal(0.5)), None),
        (None, NormalErrors(clustering=Clustering("size", prior.Beta(10, 90)))),
    ],
)
def test_the_density_of_a_left_out_row_is_the_ratio_of_evidences(term, likelihood):
    """p(y_j | others) = p(y) / p(others): the fit with the row is an algebra of its own."""
    terms = () if term is None else (term,)
    model = brw.Model(
        terms=(
            brw.Intercept(prior.Normal(0, 0.5)),
            brw.Exchangeable(prior.HalfNormal(0.25)),
            *terms,
        ),
        likelihood=likelihood or NormalErrors(),
    )
    whole = solve(model, rows())
    for row in (0, 4, 6):
        gone = np.arange(7) == row
        [near] = whole.without([gone])
        gap = whole.posterior.log_evidence - near.posterior.log_evidence
        assert_allclose(near.expected(gone)[0].log_density(EFFECT[row]), gap, atol=3e-8)


@pytest.mark.parametrize(
    "mu",
    [
        StudentT(4, 0, 0.13),
        StudentT(2, 0, 0.02),
        NormalMixture((0.8, 0.2), (0.1, 0.0), (0.1, 0.5)),
        NormalMixture((0.5, 0.5), (0.3, 0.0), (0.001, 0.05)),
        prior.Normal(0.1, 0.5),
    ],
)
def test_priors_predict_with_every_digit_whatever_the_prior_of_the_mean(mu):
    evidence = rows()
    model = brw.Model(terms=(brw.Intercept(mu), brw.Exchangeable(prior.HalfNormal(0.05))))
    every = np.ones(7, dtype=bool)
    [before] = solve(model, evidence).without([every])
    tau, log = grid(0.05, 400)
    log_weight, mean, sd = mu.normals
    for row, found in enumerate(before.expected(every)):
        z = (AT[:, None, None] - mean) / np.sqrt(tau[:, None] ** 2 + sd**2 + SE[row] ** 2)
        expected = np.einsum("xtp,t,p->x", ndtr(z), np.exp(log), np.exp(log_weight))
        assert_allclose(found.below(AT), expected, atol=1e-11)
    assert_allclose(before.posterior.log_evidence, 0.0, atol=1e-10)


def same(first, second, tolerance=1e-8):
    for one, other in ((first.pooled, second.pooled), (first.new, second.new)):
        assert_allclose(one.below(AT), other.below(AT), atol=tolerance)
    assert_allclose(first.log_evidence, second.log_evidence, atol=1e-8)
    # The root of a sum of squares has a corner where both SDs are zero: rules settle it a digit later.
    assert_allclose(first.tau, second.tau, rtol=1e-7)
    for name, own in first.hyper.items():
        levels = np.array([0.1, 0.5, 0.9])
        assert_allclose(own.quantile(levels), second.hyper[name].quantile(levels), rtol=1e-6)


def test_neighbours_are_fits_of_their_own():
    model, evidence = nested(Discount(COHORT, 0.5)), rows()
    whole = solve(model, evidence)
    gone = np.isin(np.arange(7), [1, 4])
    [near] = whole.without([gone])
    same(near.posterior, solve(model, evidence.rows(~gone)).posterior)
    along = (FAMILY == "b").astype(float)
    moved = solve(model, rows(effect=EFFECT + 0.2 * along))
    same(whole.shifted(along, 0.2).posterior, moved.posterior)
    assert_allclose(
        whole.shifts(along).probability(0.2, 0.1, above=True),
        moved.posterior.pooled.beyond(0.1, above=True),
        atol=1e-8,
    )
    both = whole.without([gone])[0].shifted(along, 0.2)
    same(both.posterior, solve(model, rows(effect=EFFECT + 0.2 * along).rows(~gone)).posterior)
    other = replace(model, terms=(*model.terms[:3], Discount(COHORT, 0.1)))
    same(whole.beside(other, evidence).posterior, solve(other, evidence).posterior)


@pytest.mark.parametrize("by", ["trial_family", ""])
def test_other_priors_are_fits_of_their_own_alone_and_together(by):
    spread = [brw.Exchangeable(prior.HalfNormal(0.25))]
    if by:
        spread.insert(0, brw.Exchangeable(prior.HalfNormal(0.4), by=by, name="tau_family"))
    model = brw.Model(terms=(brw.Intercept(prior.Normal(0, 0.5)), *spread))
    evidence, own = rows(), "tau"
    priors = [
        prior.HalfNormal(0.1),
        prior.HalfCauchy(0.3),
        prior.Uniform(1.0),
        prior.InverseGamma(1.5, 0.3),
        prior.HalfNormal(1.0),
        prior.HalfNormal(1e-4),
        prior.Exponential(0.3),
    ]
    whole = solve(model, evidence)
    gone = np.arange(7) == 6
    for near in (whole, *whole.without([gone])):
        kept = evidence.rows(near.kept)
        together = near.under([{own: each} for each in priors])
        for one, found in zip(priors, together, strict=True):
            terms = (*model.terms[:-1], brw.Exchangeable(one))
            same(found.posterior, solve(replace(model, terms=terms), kept).posterior)
            same(near.under([{own: one}])[0].posterior, found.posterior)
    [changed] = whole.under([{"mu": prior.Normal(0.3, 0.05), own: prior.HalfNormal(0.1)}])
    terms = (
        brw.Intercept(prior.Normal(0.3, 0.05)),
        *model.terms[1:-1],
        brw.Exchangeable(prior.HalfNormal(0.1)),
    )
    same(changed.posterior, solve(replace(model, terms=terms), evidence).posterior)
    assert changed.prior_of("mu") == prior.Normal(0.3, 0.05)
    assert_allclose(
        whole.means().under(0.1, 0.4).below(AT),
        whole.under([{"mu": prior.Normal(0.1, 0.4)}])[0].posterior.pooled.below(AT),
        atol=1e-8,
    )


def test_priors_of_moderators_have_names():
    model = nested(brw.Indicator("cohort", "design", ("cohort",), prior.Normal(0, 0.3)))
    whole = solve(model, rows())
    other = nested(brw.Indicator("cohort", "design", ("cohort",), prior.Normal(0, 0.1)))
    [near] = whole.under([{"cohort": prior.Normal(0, 0.1)}])
    same(near.posterior, solve(other, rows()).posterior)
    with pytest.raises(SpecError, match=r"no prior is called 'cohrt'.*cohort"):
        whole.under([{"cohrt": prior.Normal(0, 0.1)}])


def test_shares_and_effects_are_those_of_the_exact_engine():
    model, evidence = nested(), rows()
    whole = solve(model, evidence)
    source = brw.fit(model, evidence, engine=brw.Exact(draws=0))["quadrature"].to_dataset()
    share = [*source["weight_in_mu"].to_numpy(), float(source["prior_weight_in_mu"])]
    assert_allclose(whole.shares, share, atol=1e-10)
    weight = source["weight"].to_numpy()
    found = whole.effect_of(whole.kept)
    assert_allclose(
        [each.centre for each in found], weight @ source["theta_mean"].to_numpy(), atol=1e-10
    )


def test_a_power_too_far_is_refused():
    whole = solve(nested(), rows())
    assert math.isfinite(whole.powered(data=1.01).posterior.pooled.centre)
    with pytest.raises(EngineRefusal, match="powers near one are served"):
        whole.powered(data=40.0).posterior  # noqa: B018


def test_what_cannot_be_fitted_is_named():
    with pytest.raises(EngineRefusal, match="beside a bias mixture one heterogeneity SD"):
        solve(nested(default_mixture()), rows())
    flat = nested(brw.Linear("x", prior.Flat()), mu=prior.Flat())
    with pytest.raises(EngineRefusal, match="flat priors cannot be told apart"):
        solve(flat, rows(x=np.ones(7)))
    several = [BiasHierarchy(COHORT, prior.Normal(0, 1), prior.HalfNormal(1), name=n) for n in "ab"]
    with pytest.raises(EngineRefusal, match=r"4 hyperparameters .*, and 3 can be integrated"):
        solve(nested(*several), rows())


@pytest.mark.parametrize(
    ("term", "likelihood"),
    [
        (AdditiveBias(COHORT, 0.5, 0.2), None),
        (BiasHierarchy(COHORT, prior.Normal(0.5, 0.2), prior.HalfNormal(0.15)), None),
        (DirectedBias(COHORT, prior.HalfNormal(0.5)), None),
        (Discount(COHORT, 0.05), None),
        (None, NormalErrors(clustering=Clustering("size", prior.Beta(10, 90)))),
    ],
)
def test_a_new_result_is_held_against_what_it_would_report(term, likelihood):
    terms = () if term is None else (term,)
    model = brw.Model(
        terms=(
            brw.Intercept(prior.Normal(0, 0.5)),
            brw.Exchangeable(prior.HalfNormal(0.1)),
            *terms,
        ),
        likelihood=likelihood or NormalErrors(),
    )
    [found] = surprise(model, rows(), np.arange(7) == 6)
    expected = brw.predictive_check(model, rows()).loc["G"]
    assert_allclose(found["tail"], expected["tail"], rtol=1e-9)
    assert_allclose(found["pit"], expected["pit"], rtol=1e-9)


def test_every_sd_has_its_panel_and_the_one_that_matters_most_comes_first():
    whole = solve(nested(), rows())
    found = heterogeneity_panels(whole)
    first, second = found
    assert first == "Priors of heterogeneity"
    assert second in {f"{first}, tau", f"{first}, tau_family"}
    assert {frame.attrs["prior_of"] for frame in found.values()} == {"tau", "tau_family"}
    assert moved(found[first]) >= moved(found[second])
    choices = prior_choices(whole.model, whole.evidence, "tau")
    alone = brw.prior_sensitivity(whole.model, whole.evidence, choices, name="tau")
    assert alone.attrs["prior_of"] == "tau"
    means = brw.prior_sensitivity(whole, None, {"narrow": prior.Normal(0, 0.1)}, name="mu")
    assert means.attrs["prior_of"] == "mu"
