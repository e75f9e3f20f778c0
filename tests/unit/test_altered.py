"""Altered posteriors, power scaling, influence and tipping points, against refits and brute force.

Alterations and refits share the algebra of one node and no code for the alteration: 1e-9. Brute force
is a grid over (mu, log tau) or a closed normal form; its own error is said where it is used.
"""

import math
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose
from scipy import integrate, optimize, stats

import bayesrtw as brw
from bayesrtw.analysis.conclusion import Rules, classify
from bayesrtw.engine import solve
from bayesrtw.engine.altered import alter, inform
from bayesrtw.engine.batch import batch_of
from bayesrtw.engine.batch import solve as solve_batch
from bayesrtw.engine.problem import pose
from bayesrtw.errors import SpecError
from bayesrtw.model.design import build
from bayesrtw.posterior.kernels import Kernels
from bayesrtw.question.influence import influence
from bayesrtw.question.scaling import (
    SPAN,
    diagnosis,
    distance,
    learned,
    log_density,
    power_scaling,
    prior_sd,
)
from bayesrtw.question.sensitivity import leave_out
from bayesrtw.question.tipping import (
    Sides,
    fewest_removed,
    shift_curve,
    tipping_prior,
    tipping_shift,
)

prior = brw.prior
Y = np.array([0.30, 0.05, 0.42, 0.18])
S = np.array([0.15, 0.12, 0.25, 0.20])


def toy(effect=Y, se=S):
    frame = pd.DataFrame({"study": list("ABCDEFGH"[: len(effect)]), "effect": effect, "se": se})
    return brw.Evidence.from_frame(frame)


def plain(tau=None, sd=1.0, mean=0.0):
    spread = brw.Common() if tau is None else brw.Exchangeable(tau)
    return brw.Model(terms=(brw.Intercept(prior.Normal(mean, sd)), spread))


def nested():
    rng = np.random.default_rng(4)
    frame = pd.DataFrame(
        {
            "study": list("aabbccdd"),
            "kind": list("uvuvuvuv"),
            "effect": rng.normal(0.2, 0.3, 8),
            "se": rng.uniform(0.1, 0.2, 8),
        }
    )
    terms = (
        brw.Intercept(prior.Normal(0, 0.5)),
        brw.Categorical("kind", prior.Normal(0, 0.25)),
        brw.Exchangeable(prior.HalfNormal(0.3), by="study", name="tau_study"),
        brw.Exchangeable(prior.HalfNormal(0.3)),
    )
    return brw.Model(terms=terms), brw.Evidence.from_frame(frame)


def same(found, refit):
    assert_allclose(found.log_evidence, refit.log_evidence, atol=1e-9)
    for threshold in (-0.1, 0.0, 0.2):
        assert_allclose(
            found.pooled.beyond(threshold, above=True),
            refit.pooled.beyond(threshold, above=True),
            atol=1e-9,
        )
    assert_allclose(found.tau, refit.tau, atol=1e-9)


def test_other_priors_and_shifts_are_those_of_a_refit_also_with_levels_and_moderators():
    model, evidence = nested()
    along = np.array([1.0, 1, 0, 0, 0, 1, 0, 0])
    whole = solve(model, evidence)
    moved = evidence.data["effect"] + 0.07 * along
    again = replace(evidence, data=evidence.data.assign(effect=moved))
    same(whole.shifted(along, 0.07).posterior, solve(model, again).posterior)
    wide = prior.Normal(0.1, 0.5 / math.sqrt(3.0))
    [other] = whole.under([{"mu": wide}])
    same(other.posterior, solve(model.under({"mu": wide}), evidence).posterior)
    near = whole.means().under(0.1, 0.5 / math.sqrt(3.0))
    for threshold in (-0.1, 0.0, 0.2):
        wanted = other.posterior.pooled.beyond(threshold, above=True)
        assert_allclose(near.beyond(threshold, above=True), wanted, atol=1e-9)


def test_a_power_of_the_likelihood_is_that_of_the_batched_kernel():
    model = plain(prior.HalfNormal(0.5))
    design, found = build(model, toy()), solve(model, toy()).solution
    altered = alter(inform(pose(design), found.nodes), data=0.6)
    batch = batch_of(design)
    solved = solve_batch(replace(batch, power=np.array([0.6])), 128)
    total = float(found.nodes.log_total) + altered.gained
    assert_allclose(total, solved.log_evidence[0], atol=1e-8)
    tau = np.exp(altered.log_weight) @ found.nodes.values[0]  # noqa: PD011 - a tuple
    assert_allclose(tau, float(np.sum(solved.weight * solved.tau)), atol=1e-8)


def grid_cdf(power_prior, power_likelihood, x):
    """P(mu <= x) by brute force on a grid of 601 values of log tau; normal given tau."""
    u = np.linspace(-14.0, 2.5, 601)
    tau = np.exp(u)
    log = power_prior * stats.halfnorm(scale=0.5).logpdf(tau) + u
    variance = S**2 + tau[:, None] ** 2
    weight = power_likelihood / variance
    total = weight.sum(axis=1) + power_prior
    centre = weight @ Y / total
    log = log - 0.5 * power_likelihood * np.sum(np.log(2 * np.pi * variance), axis=1)
    log = log - 0.5 * np.log(total) - 0.5 * (weight @ Y**2 - total * centre**2)
    share = np.exp(log - log.max())
    share /= share.sum()
    return share @ stats.norm.cdf((x[None, :] - centre[:, None]) * np.sqrt(total)[:, None])


def brute_distance(p, q, x):
    """The published definition, both directions and both faces, by the trapezoid rule."""
    found = []
    for one, two in ((p, q), (1 - p, 1 - q)):
        middle = 0.5 * (one + two)
        forth = np.trapezoid(one * np.log2(one / middle), x)
        back = np.trapezoid(two * np.log2(two / middle), x)
        forth += np.trapezoid(two - one, x) / (2 * math.log(2))
        back += np.trapezoid(one - two, x) / (2 * math.log(2))
        found.append(math.sqrt((forth + back) / np.trapezoid(one + two, x)))
    return max(found)


def test_power_scaling_is_the_published_definition_by_brute_force():
    found = power_scaling(plain(prior.HalfNormal(0.5)), toy()).loc["mu"]
    wide = np.linspace(-2.0, 2.0, 4001)
    base = grid_cdf(1.0, 1.0, wide)
    low, high = np.interp([SPAN, 1 - SPAN], base, wide)
    x = np.linspace(low, high, 801)
    p = grid_cdf(1.0, 1.0, x)
    for name, powers in (("prior", lambda a: (a, 1.0)), ("likelihood", lambda a: (1.0, a))):
        slopes = [
            brute_distance(p, grid_cdf(*powers(a), x), x) / abs(math.log2(a)) for a in (0.99, 1.01)
        ]
        # the range's ends are interpolated to 1e-5 and the rules differ
        assert_allclose(found[name], np.mean(slopes), rtol=1e-4)


def test_distance_of_two_normals_and_its_bounds():
    p, q = stats.norm(0, 1).cdf, stats.norm(0.3, 1.2).cdf
    x = np.linspace(-4.0, 4.0, 20_001)
    assert_allclose(distance(p, q, -4.0, 4.0), brute_distance(p(x), q(x), x), rtol=1e-7)
    assert distance(p, p, -4.0, 4.0) == 0.0
    assert_allclose(distance(q, p, -4.0, 4.0), distance(p, q, -4.0, 4.0), rtol=1e-12)


def test_a_prior_far_from_the_data_is_called_a_conflict_and_a_wide_one_nothing():
    far = power_scaling(plain(sd=0.1, mean=2.0), toy()).loc["mu"]
    assert far["diagnosis"] == "prior and data may be in conflict"
    assert power_scaling(plain(sd=10.0), toy()).loc["mu", "diagnosis"] == ""
    assert diagnosis(0.2, 0.01) == "strong prior or weak likelihood"


def test_a_surprise_is_that_of_the_data_under_the_prior():
    # common effect: the data's weighted mean under the prior N(m0, sd^2)
    data = float(np.sum(Y / S**2) / np.sum(S**-2.0))
    for mean, sd in ((0.5, 0.1), (0.0, 0.3), (-0.5, 1.0)):
        want = (data - mean) / math.hypot(sd, np.sum(S**-2.0) ** -0.5)
        assert_allclose(
            power_scaling(plain(sd=sd, mean=mean), toy()).loc["mu", "surprise"], want, rtol=1e-5
        )


def test_an_informative_prior_that_the_data_agree_with_is_no_conflict():
    found = power_scaling(plain(prior.HalfNormal(0.2)), toy()).loc["tau"]
    assert found["prior"] > 0.05 < found["likelihood"]
    assert found["diagnosis"] == "its prior counts, and the data agree with it"
    apart = power_scaling(plain(prior.HalfNormal(0.02)), toy(10 * Y)).loc["tau"]
    assert apart["diagnosis"] == "prior and data may be in conflict"


def test_information_of_the_mean_is_the_divergence_of_two_normals():
    # common effect: posterior N(m, v) against the prior N(0, 1)
    v = 1.0 / (1.0 + np.sum(S**-2.0))
    m = v * np.sum(Y / S**2)
    found = learned(plain(), toy()).loc["mu"]
    assert_allclose(found["information"], 0.5 * (v + m**2 - 1.0 - math.log(v)), rtol=1e-8)
    assert_allclose(found["sd_ratio"], math.sqrt(v), rtol=1e-10)
    assert_allclose(found["iqr_ratio"], math.sqrt(v), rtol=1e-8)


@pytest.mark.parametrize(
    ("own", "twin"),
    [
        (prior.HalfNormal(0.5), stats.halfnorm(scale=0.5)),
        (prior.InverseGamma(2.42, 0.30), stats.invgamma(2.42, scale=0.30)),
        (prior.LogNormal(-1.28, 0.87), stats.lognorm(0.87, scale=math.exp(-1.28))),
    ],
)
def test_sds_of_priors_are_those_of_scipy(own, twin):
    assert_allclose(prior_sd(own), twin.std(), rtol=1e-8)
    assert math.isnan(prior_sd(prior.HalfCauchy(0.5)))


def test_two_studies_say_almost_nothing_about_tau():
    found = learned(plain(prior.HalfNormal(0.25)), toy(Y[:2], S[:2])).loc["tau"]
    assert found["sd_ratio"] > 0.8
    assert "almost nothing about tau" in found["diagnosis"]


def test_influence_of_a_study_is_the_divergence_of_two_normals():
    found = influence(plain(), toy())
    v, m = {}, {}
    for name, keep in {"all": [0, 1, 2, 3], "A": [1, 2, 3]}.items():
        v[name] = 1.0 / (1.0 + np.sum(S[keep] ** -2.0))
        m[name] = v[name] * np.sum((Y / S**2)[keep])
    ratio = v["all"] / v["A"]
    expected = 0.5 * (ratio + (m["A"] - m["all"]) ** 2 / v["A"] - 1 - math.log(ratio))
    row = found.loc["A"]
    assert_allclose(row["divergence"], expected, rtol=1e-6)
    assert_allclose(row["median_change"], m["A"] - m["all"], atol=1e-10)
    assert_allclose(row["standardised"], (m["A"] - m["all"]) / math.sqrt(v["A"]), rtol=1e-9)
    assert_allclose(row["weight"], v["all"] / S[0] ** 2, rtol=1e-9)
    order = found["divergence"].to_numpy()[1:]
    assert np.all(np.diff(order) <= 0)


def test_the_tipping_shift_of_all_effects_is_that_of_the_closed_form():
    # mu | y ~ N(v sum(y / s^2), v): a common shift d moves the mean by d v sum(1 / s^2)
    v = 1.0 / (1.0 + np.sum(S**-2.0))
    m = v * np.sum(Y / S**2)
    found = tipping_shift(plain(), toy(), {"all": np.ones(4, dtype=bool)})
    for level in (0.9, 0.8, 0.5):
        wanted = stats.norm.ppf(level) * math.sqrt(v)
        shift = (wanted - m) / (v * np.sum(S**-2.0))
        assert_allclose(found.loc[("all", level), "shift"], shift, atol=1e-7)


def test_a_tipping_shift_of_a_group_crosses_where_a_refit_says_it_does():
    model, evidence = nested()
    rows = np.array([True, True, False, False, True, True, False, False])
    found = tipping_shift(model, evidence, {"half": rows}, levels=(0.5, 0.95))
    for level in (0.5, 0.95):
        row = found.loc[("half", level)]
        at = float(row["shift"])
        effect = evidence.data["effect"] + at * rows
        other = solve(model, replace(evidence, data=evidence.data.assign(effect=effect)))
        assert_allclose(other.posterior.pooled.beyond(0.0, above=True), level, atol=1e-7)
    curve = shift_curve(model, evidence, rows, [at - 0.01, at, at + 0.01])
    assert curve[0] < 0.95 < curve[2]
    assert_allclose(curve[1], 0.95, atol=1e-7)


def test_a_shift_that_turns_back_before_the_next_point_of_the_scan_is_found():
    # t errors let go of what lies far off: P(benefit) dips to 0.785 and rises again; integrated on a line
    effect = np.array([0.14, 0.37, 0.26, -0.06, 0.45, 0.23])
    se, rows = np.array([0.35, 0.14, 0.32, 0.15, 0.09, 0.11]), np.isin(np.arange(6), [0, 5])
    line = np.linspace(-4.0, 4.0, 4001)

    def benefit(shift):
        z = (effect + shift * rows - line[:, None]) / se
        log = stats.norm.logpdf(line, 0.0, 0.3) + stats.t.logpdf(z, 4).sum(axis=1)
        share = np.exp(log - log.max())
        return (share[line > 0].sum() + 0.5 * share[2000]) / share.sum()

    model = replace(plain(sd=0.3), likelihood=brw.likelihood.HeavyTails(4.0))
    found = tipping_shift(model, toy(effect, se), {"two": rows}, levels=(0.9, 0.8, 0.5))
    for level in (0.9, 0.8):
        wanted = optimize.brentq(lambda shift: benefit(shift) - level, -0.48, 0.0)  # noqa: B023
        assert_allclose(found.loc[("two", level), "shift"], wanted, atol=1e-5)
    assert min(benefit(shift) for shift in np.linspace(-4.0, 0.0, 401)) > 0.78
    assert math.isnan(found.loc[("two", 0.5), "shift"])


def test_a_shift_that_never_crosses_says_so():
    # one of five effects moved to infinity makes heterogeneity, not a conclusion
    effect, se = np.array([-0.3, -0.25, -0.35, -0.3, -0.28]), np.full(5, 0.1)
    only = np.array([True, False, False, False, False])
    found = tipping_shift(
        plain(prior.HalfNormal(0.5)), toy(effect, se), {"one": only}, levels=(0.95,)
    )
    row = found.loc[("one", 0.95)]
    assert math.isnan(row["shift"])
    assert row["note"] == "no shift within reach crosses it"


def test_the_tipping_prior_is_that_of_the_closed_form():
    rules = Rules()

    def words(benefit, harm):
        return classify(rules, benefit, harm)

    found = tipping_prior(plain(), toy(), words)
    # m / sd = W y / sqrt(W + 1 / t^2) = z at the SD t of the prior where the class changes
    total, score = np.sum(S**-2.0), np.sum(Y / S**2)
    z = stats.norm.ppf(0.9)
    expected = ((score / z) ** 2 - total) ** -0.5
    assert_allclose(found.loc["narrower", "prior_sd"], expected, rtol=1e-6)
    assert found.loc["registered", "conclusion"] == "probably a benefit"
    assert found.loc["narrower", "conclusion"] == "benefit more likely than not"
    assert math.isnan(found.loc["wider", "prior_sd"])
    assert found.loc["wider", "note"] == "the class is the same up to an SD of 100"
    flat = brw.Model(terms=(brw.Intercept(prior.Flat()), brw.Common()))
    with pytest.raises(SpecError, match="no SD to narrow: it is flat"):
        tipping_prior(flat, toy(), words)


def test_the_fewest_studies_to_leave_out_are_found_singly_or_in_pairs():
    rules = Rules()

    def words(benefit, harm):
        return classify(rules, benefit, harm)

    effect, se = np.array([0.3, 0.3, 0.0, 0.0]), np.full(4, 0.12)

    def chance(keep):
        precision = 1.0 + np.sum(se[keep] ** -2.0)
        return stats.norm.cdf(np.sum((effect / se**2)[keep]) / math.sqrt(precision))

    # with all 0.99; without one of the two 0.92; without both 0.5
    assert chance([0, 1, 2, 3]) > 0.9
    assert chance([1, 2, 3]) > 0.9
    left = leave_out(solve(plain(), toy(effect, se)))
    found = fewest_removed(left, words, Sides(higher=True))
    assert list(found.index) == ["A + B"]
    assert_allclose(found.loc["A + B", "probability"], chance([2, 3]), atol=1e-9)
    weak = leave_out(solve(plain(), toy(np.array([0.3, 0.1, 0.0, 0.0]), se)))
    singles = fewest_removed(weak, words, Sides(higher=True))
    assert singles["number"].tolist() == [1] * len(singles)
    assert "A" in singles.index


def test_the_density_of_a_pooled_mean_integrates_to_its_probabilities():
    found = solve(plain(prior.HalfNormal(0.5)), toy()).posterior.pooled

    def density(x):
        return float(np.exp(log_density(np.array([x]), found))[0])

    mass, _ = integrate.quad(density, 0.0, 5.0, epsabs=1e-12, limit=200)
    assert_allclose(mass, found.beyond(0.0, above=True), atol=1e-8)


def test_many_shifts_of_one_posterior_are_fits_one_by_one():
    model, evidence = nested()
    along = np.array([1.0, 1, 0, 0, 0, 1, 0, 0])
    whole = solve(model, evidence)
    many = whole.shifts(along)
    for shift in (-0.1, -0.05, 0.0, 0.07, 0.12):
        near = whole.shifted(along, shift).posterior.pooled
        for threshold, above in ((0.0, True), (-0.1, False), (0.2, True)):
            found = many.probability(shift, threshold, above=above)
            assert_allclose(found, near.beyond(threshold, above=above), rtol=0, atol=1e-8)


def test_log_densities_far_out_do_not_underflow():
    weight, mean, sd = np.array([0.25, 0.75]), np.array([0.0, 1.0]), np.array([1.0, 0.5])
    x = np.array([-60.0, 0.3, 80.0])
    parts = [
        stats.norm.logpdf(x, m, s) + math.log(w) for w, m, s in zip(weight, mean, sd, strict=True)
    ]
    assert_allclose(log_density(x, Kernels(weight, mean, sd)), np.logaddexp(*parts), rtol=1e-13)


def test_influence_is_right_where_one_estimate_is_all_but_known():
    # A spike of the density, two hundred times as narrow as the posterior, moved a divergence by 4e-4.
    evidence = toy(np.array([0.1, 0.12, 0.3, 0.4]), np.array([0.001, 0.05, 0.2, 0.2]))
    found = influence(plain(prior.HalfNormal(0.5)), evidence)
    near = leave_out(solve(plain(prior.HalfNormal(0.5)), evidence)).near
    p, q = (one.posterior.pooled for one in near[:2])

    def density(x, own):
        return np.sum(own.weight * stats.norm.pdf(x[:, None], own.mean, own.sd), axis=1)

    # A sinh grid is as fine as the spike; its ends, ten posterior SDs away, are off by 1e-6 of the answer.
    x = 0.1 + 1e-4 * np.sinh(np.linspace(-11.0, 11.0, 20_001))
    x = x[np.abs(x - p.centre) < 10 * p.spread]
    height = density(x, p)
    wanted = np.trapezoid(height * np.log(height / density(x, q)), x)
    assert_allclose(found.loc["A", "divergence"], wanted, atol=2e-6)
