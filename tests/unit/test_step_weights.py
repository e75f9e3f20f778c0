"""Selections in steps of P values, against grids of this file's own and against metafor.

The grids are Gauss-Legendre rules of this file, 240 means by 120 SDs, far beyond where the posterior lives;
with half the nodes they move by less than 1e-9. Tolerances of 1e-6 are in posterior SDs and logs.
"""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.stats import norm

import bayesrtw as brw
from bayesrtw.engine import solve
from bayesrtw.errors import EngineRefusal, EvidenceError, SpecError
from bayesrtw.model.checked import check
from bayesrtw.model.design import build, build_curved
from bayesrtw.model.selection import StepWeights

prior, bias = brw.prior, brw.bias
GOLDEN = Path(__file__).parents[1] / "golden"

EFFECT = np.array([0.62, 0.41, 0.05, 0.55, -0.10, 0.33, 0.71, 0.18])
SE = np.array([0.25, 0.15, 0.12, 0.30, 0.20, 0.10, 0.35, 0.16])
DESIGN = ["rct"] * 5 + ["cohort"] * 3
X = np.array([0.0, 1.0, 2.0, 0.5, 1.5, 1.0, 0.0, 2.0])


def rows(effect=EFFECT, se=SE, benefit="higher", **columns):
    frame = pd.DataFrame(
        {"study": [f"S{i}" for i in range(len(effect))], "effect": effect, "se": se, **columns}
    )
    return brw.Evidence.from_frame(frame, measure="log_odds_ratio", benefit=benefit)


def model(selection, *terms, mu=(0.0, 0.5), tau=0.25):
    own = (brw.Intercept(prior.Normal(*mu)), brw.Exchangeable(prior.HalfNormal(tau)), *terms)
    return brw.Model(terms=own, selection=selection)


def seen(effect, mean, variance, se, weights, steps=(0.025,), sign=1.0, two=False):
    """Log density of what is seen: written from the definition, interval by interval."""
    cuts = -norm.ppf(np.asarray(steps) / (2.0 if two else 1.0))
    edges = np.concatenate([[np.inf], cuts, [0.0 if two else -np.inf]])
    sd = np.sqrt(variance)
    total, own = 0.0, np.zeros(np.shape(effect))
    for weight, high, low in zip(weights, edges, edges[1:], strict=False):
        sides = (1.0, -1.0) if two else (sign,)
        for side in sides:
            lower, upper = (low * se, high * se) if side > 0 else (-high * se, -low * se)
            total = total + weight * (norm.cdf(upper, mean, sd) - norm.cdf(lower, mean, sd))
            own = own + weight * ((effect >= lower) & (effect < upper))
    return np.log(own) + norm.logpdf(effect, mean, sd) - np.log(total)


def nodes(low, high, count):
    x, w = np.polynomial.legendre.leggauss(count)
    return low + 0.5 * (high - low) * (x + 1.0), 0.5 * (high - low) * w


def axes(low=-1.4, high=1.6, top=1.8, count=120):
    """Nodes and weights of mu, (mu, 1), with an end at 0, and of tau, (1, tau)."""
    below, above = nodes(low, 0.0, count), nodes(0.0, high, count)
    m, wm = (np.concatenate(pair)[:, None] for pair in zip(below, above, strict=True))
    t, wt = (each[None, :] for each in nodes(0.0, top, count))
    return m, t, wm * wt


def grid(log_of, mu=(0.0, 0.5), tau=0.25, count=120):
    """Posterior of (mu, tau) by a Gauss-Legendre rule of this file: evidence, mean, SD and weights."""
    m, t, each = axes(count=count)
    log = norm.logpdf(m, *mu) + norm.logpdf(t, 0.0, tau) + np.log(2.0) + log_of(m, t)
    weight = each * np.exp(log - log.max())
    total = weight.sum()
    weight = weight / total
    found = {"log_evidence": np.log(total) + log.max(), "weight": weight, "mu": m, "tau": t}
    found["mean"] = np.sum(weight * m)
    found["sd"] = np.sqrt(np.sum(weight * (m - found["mean"]) ** 2))
    found["above"] = np.sum(weight[m[:, 0] > 0.0])
    return found


def agree(fit, known):
    mu = fit.posterior.pooled
    mean, sd = mu.moments()
    assert abs(mean - known["mean"]) < 1e-6 * known["sd"]
    assert abs(sd / known["sd"] - 1.0) < 1e-6
    assert abs(fit.posterior.log_evidence - known["log_evidence"]) < 1e-6
    return mu


@pytest.mark.parametrize("weight", [0.75, 0.25, 0.05])
def test_a_known_weight_is_the_grid(weight):
    def log(m, t):
        return sum(
            seen(y, m, s**2 + t**2, s, (1.0, weight)) for y, s in zip(EFFECT, SE, strict=True)
        )

    fit = solve(model(StepWeights(weights=(weight,))), rows())
    known = grid(log)
    mu = agree(fit, known)
    assert abs(mu.beyond(0.0, above=True) - known["above"]) < 1e-6
    assert fit.posterior.error < 1e-6


def test_several_steps_two_sides_and_lower_are_the_grid():
    steps, weights = (0.025, 0.05, 0.5), (1.0, 0.6, 0.3, 0.8)
    for two, sign, towards in ((False, -1.0, "lower"), (True, 1.0, "")):
        selection = StepWeights(
            steps=steps, weights=weights[1:], sides="two" if two else "one", towards=towards
        )

        def log(m, t, sign=sign, two=two):
            pairs = zip(-EFFECT, SE, strict=True)
            return sum(seen(y, m, s**2 + t**2, s, weights, steps, sign, two) for y, s in pairs)

        fit = solve(model(selection), rows(-EFFECT, benefit=""))
        agree(fit, grid(log))


def test_biases_discounts_and_moderators_are_not_lost():
    # A discount of cohorts, a bias of cohorts with mean and SD, a moderator with a fixed slope's prior.
    cohorts = bias.Studies(("cohort",))
    terms = (
        bias.Discount(cohorts, 0.5),
        bias.AdditiveBias(cohorts, 0.1, 0.2),
        brw.Linear("x", prior.Normal(0.0, 0.3)),
    )
    evidence = rows(design=DESIGN, x=X)
    fit = solve(model(StepWeights(weights=(0.3,)), *terms), evidence)
    is_cohort = np.array(DESIGN) == "cohort"
    wide = SE**2 / np.where(is_cohort, 0.5, 1.0) + np.where(is_cohort, 0.04, 0.0)
    shift = np.where(is_cohort, 0.1, 0.0)
    x = X - X.mean()
    node, share = np.polynomial.hermite_e.hermegauss(81)
    share = share / share.sum()

    def log(m, t):
        each = []
        for z in 0.3 * node:
            pairs = zip(EFFECT, SE, wide, shift, x, strict=True)
            each.append(
                sum(seen(y, m + b + z * at, v + t**2, s, (1.0, 0.3)) for y, s, v, b, at in pairs)
            )
        return np.log(np.einsum("z,zmt->mt", share, np.exp(each)))

    agree(fit, grid(log, count=50))
    plain = solve(model(StepWeights(weights=(0.3,))), evidence)
    assert abs(plain.posterior.pooled.centre - fit.posterior.pooled.centre) > 0.01


def test_a_weight_with_a_prior_is_the_grid():
    selection = StepWeights(shares=(prior.Beta(1.0, 2.0),))
    effect, se = np.append(EFFECT, [0.25, 0.02]), np.append(SE, [0.11, 0.18])
    fit = solve(model(selection), rows(effect, se))
    x, w = np.polynomial.legendre.leggauss(41)
    omega, share = 0.5 * (x + 1.0), 0.5 * w * 2.0 * (1.0 - 0.5 * (x + 1.0))

    def each(m, t):
        pairs = list(zip(effect, se, strict=True))
        return np.stack(
            [sum(seen(y, m, s**2 + t**2, s, (1.0, o)) for y, s in pairs) for o in omega]
        )

    m, t, _ = axes(count=60)
    logs = each(m, t)
    known = grid(lambda *_: np.log(np.einsum("o,omt->mt", share, np.exp(logs))), count=60)
    agree(fit, known)
    given = np.exp(logs) * share[:, None, None]
    chance = np.einsum("mt,omt->o", known["weight"], given / given.sum(axis=0))
    distribution = fit.posterior.hyper["omega"]
    grid_of = np.linspace(0.01, 0.99, 5)
    below = distribution.cdf(grid_of)
    # Through a polynomial of the density, which has 41 nodes: its distribution function.
    series = (np.arange(31) + 0.5) * (chance @ np.polynomial.legendre.legvander(x, 30))
    cumulative = np.polynomial.legendre.legint(series, lbnd=-1)
    wanted = np.polynomial.legendre.legval(2.0 * grid_of - 1.0, cumulative)
    assert np.allclose(below, wanted, atol=2e-6)


def test_families_are_seen_together():
    """A family is seen as it is with the probability that all its results are, over what they share."""
    family = ["a", "a", "a", "b", "b", "c", "d", "e"]
    evidence, weight = rows(family=family), 0.2
    terms = (
        brw.Intercept(prior.Normal(0.0, 0.5)),
        brw.Exchangeable(prior.HalfNormal(0.25), by="family"),
    )
    fit = solve(brw.Model(terms=terms, selection=StepWeights(weights=(weight,))), evidence)
    u, step = np.linspace(-8.0, 8.0, 241, retstep=True)
    share = norm.pdf(u) * step
    groups = [np.flatnonzero(np.array(family) == name) for name in "abcde"]

    def log(m, t, only=groups):
        total = 0.0
        for own in only:
            seen_so, chance = 0.0, 0.0
            for at, each in zip(u, share, strict=True):
                cut, moved = norm.isf(0.025) * SE[own], m[..., None] + (t * at)[..., None]
                seen_so = seen_so + each * np.exp(
                    norm.logpdf(EFFECT[own], moved, SE[own]).sum(axis=-1)
                )
                below = norm.cdf((cut - moved) / SE[own])
                chance = chance + each * np.prod(1.0 - (1.0 - weight) * below, axis=-1)
            significant = EFFECT[own] / SE[own] > norm.isf(0.025)
            total = total + np.log(seen_so / chance) + np.log(weight) * np.sum(~significant)
        return total

    known = grid(log, count=30)
    agree(fit, known)
    assert abs(fit.shares.sum() - 1.0) < 1e-6
    # A member that is left out is expected from what the others of its family have said.
    last = np.arange(8) == 2
    [near] = fit.without([last])
    fewer = [own[own != 2] for own in groups]
    before = grid(lambda m, t: log(m, t, fewer), count=50)
    [expected] = near.expected(last)
    cut, others = norm.isf(0.025) * SE[2], fewer[0]
    within, above = 0.0, 0.0
    for at, each in zip(u, share, strict=True):
        moved = before["mu"] + before["tau"] * at
        like = each * np.exp(sum(norm.logpdf(EFFECT[row], moved, SE[row]) for row in others))
        within = within + like
        above = above + like * norm.sf(cut, moved, SE[2])
    chance = above / within
    wanted = np.sum(before["weight"] * chance / (chance + weight * (1.0 - chance)))
    assert abs(expected.above(cut) - wanted) < 2e-6


def test_weights_of_one_change_nothing():
    evidence = rows()
    fit, bare = (solve(model(one), evidence) for one in (StepWeights(weights=(1.0,)), None))
    assert abs(fit.posterior.log_evidence - bare.posterior.log_evidence) < 1e-8
    ours, known = fit.posterior.pooled, bare.posterior.pooled
    assert np.allclose(
        ours.quantile(np.array([0.025, 0.5])), known.quantile(np.array([0.025, 0.5]))
    )
    every = np.ones(evidence.size, dtype=bool)
    for one, other in zip(fit.effect_of(every), bare.effect_of(every), strict=True):
        assert abs(one.centre - other.centre) < 1e-7
    assert np.allclose(fit.shares, bare.shares, atol=1e-7)


@pytest.mark.parametrize("data", ["hackshaw1998", "li2007"])
def test_likelihoods_are_those_of_metafor(data):
    found = json.loads((GOLDEN / f"metafor_selmodel_{data}.json").read_text())
    effect, se = (np.array(found["data"][name]) for name in ("yi", "sei"))
    tried = 0
    for fit in found["fits"]:
        if fit["type"] != "stepfun":
            continue
        steps = np.atleast_1d(fit["steps"]).tolist()
        steps = [step for step in steps if step < 1]
        towards = {"greater": "higher", "less": "lower"}.get(fit["alternative"], "")
        selection = StepWeights(
            steps=tuple(steps),
            weights=tuple(fit["delta"][1 : len(steps) + 1]),
            towards=towards,
            sides="one" if towards else "two",
        )
        design = build_curved(model(selection), rows(effect, se))
        every = np.arange(len(effect))
        mean, variance = np.full(len(effect), fit["beta"]), np.full(len(effect), fit["tau2"])
        log = design.sites.log_density(mean, variance, every)
        log = log + design.thinning.log_factor(mean, variance, every, {})
        # metafor prints estimates with all their digits; its optimiser stops within 1e-8 of the maximum.
        assert abs(log.sum() - fit["ll"]) < 1e-6, fit
        tried += 1
    assert tried >= 3


def test_a_prediction_is_of_what_is_seen():
    # Without the last study, what it reports is drawn towards significance: checked by simulation-free sums.
    evidence = rows()
    weight = 0.2
    whole = solve(model(StepWeights(weights=(weight,))), evidence)
    last = np.arange(len(EFFECT)) == len(EFFECT) - 1
    [near] = whole.without([last])
    [expected] = near.expected(last)

    def log(m, t):
        pairs = zip(EFFECT[:-1], SE[:-1], strict=True)
        return sum(seen(y, m, s**2 + t**2, s, (1.0, weight)) for y, s in pairs)

    known = grid(log)
    s = SE[-1]
    y = np.array([-0.2, 0.1, s * 1.959963984540054, 0.5])
    wanted = []
    for at in y:
        cut = s * norm.isf(0.025)
        sd = np.sqrt(s**2 + known["tau"] ** 2)
        below = norm.cdf(cut, known["mu"], sd)
        total = (1.0 - below) + weight * below
        less = norm.cdf(at, known["mu"], sd)
        over = weight * np.minimum(less, below) + np.maximum(less - below, 0.0)
        wanted.append(np.sum(known["weight"] * over / total))
    assert np.allclose(expected.below(y), wanted, atol=2e-6)
    assert np.allclose(expected.below(y) + expected.above(y), 1.0, atol=1e-12)
    assert np.allclose(expected.quantile(expected.below(y)), y, atol=1e-7)
    grid_of = np.linspace(-6.0, 6.0, 40001)
    density = np.exp(expected.log_density(grid_of))
    step = grid_of[1] - grid_of[0]
    assert abs(density.sum() * step - 1.0) < 1e-3  # the density jumps inside a step
    assert abs((density * grid_of).sum() * step - expected.centre) < 1e-3
    spread = np.sqrt((density * (grid_of - expected.centre) ** 2).sum() * step)
    assert abs(spread - expected.spread) < 1e-3


def test_neighbours_are_their_own_fits():
    evidence, selection = rows(), StepWeights(weights=(0.3,))
    whole = solve(model(selection), evidence)
    gone = np.arange(len(EFFECT)) == 2
    [near] = whole.without([gone])
    alone = solve(model(selection), evidence.rows(~gone))
    assert abs(near.posterior.pooled.centre - alone.posterior.pooled.centre) < 1e-6
    [other] = whole.under([{"tau": prior.HalfNormal(0.5)}])
    wider = solve(model(selection, tau=0.5), evidence)
    assert abs(other.posterior.pooled.centre - wider.posterior.pooled.centre) < 1e-6
    assert abs(whole.shares.sum() - 1.0) < 1e-9
    # Results that are all biased by so much were selected as they were reported: the mean moves along.
    flat = solve(
        brw.Model(
            terms=(brw.Intercept(prior.Flat()), brw.Exchangeable(prior.HalfNormal(0.25))),
            selection=selection,
        ),
        evidence,
    )
    moved = flat.shifted(np.ones(len(EFFECT)), -0.1)
    apart = flat.posterior.pooled.centre - moved.posterior.pooled.centre
    assert abs(apart - 0.1) < 1e-6


def test_what_cannot_be_selected_is_refused_in_words():
    one = StepWeights(weights=(0.3,))
    with pytest.raises(EvidenceError, match="no direction of benefit is stated; set towards"):
        solve(model(one), rows(benefit=""))
    heavy = brw.Model(
        terms=model(None).terms, likelihood=brw.likelihood.HeavyTails(), selection=one
    )
    with pytest.raises(EvidenceError, match="this likelihood is not normal"):
        brw.fit(heavy, rows())
    unknown = brw.likelihood.NormalErrors(
        correlation=brw.likelihood.Correlation("study", prior.Beta(2, 2))
    )
    with pytest.raises(EvidenceError, match="pool one estimate of each study"):
        brw.fit(brw.Model(terms=model(None).terms, likelihood=unknown, selection=one), rows())
    group = bias.RiskGroup(
        "cohorts",
        ("cohort",),
        prior.Normal(0.0, 0.2),
        prior.HalfNormal(0.15),
        (bias.RiskClass("", 0.6),),
    )
    with pytest.raises(EvidenceError, match="no sum of normal parts"):
        brw.fit(model(one, bias.BiasMixture((group,))), rows(design=DESIGN))


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"weights": (0.5,), "steps": (0.5, 0.1)}, "ascending"),
        ({}, "give either weights or shares"),
        ({"weights": (0.5,), "shares": (prior.Beta(1, 1),)}, "give either weights or shares"),
        ({"weights": (0.5, 0.2)}, "one entry for each of the 1 steps"),
        ({"weights": (0.0,)}, "weights must be positive"),
        ({"shares": (prior.HalfNormal(1.0),)}, "need beta priors"),
    ],
)
def test_settings_that_make_no_sense_say_so(settings, said):
    with pytest.raises(SpecError, match=said):
        StepWeights(**settings)


def test_a_handful_of_studies_does_not_tell_weights():
    free = StepWeights(shares=(prior.Beta(1, 1),))
    with pytest.raises(EvidenceError, match="8 studies, fewer than 10, do not tell"):
        check(model(free), rows())
    many = rows(np.tile(EFFECT, 2), np.tile(SE, 2))
    assert "selection" in {each.check for each in check(model(free), many)}
    fixed = check(model(StepWeights(weights=(0.25,))), rows())
    assert any("4 with 0 < P < 0.025" in each.message for each in fixed)


def test_priors_of_shares_are_replaced_by_name():
    free = model(StepWeights(steps=(0.025, 0.5), shares=(prior.Beta(2, 1), prior.Beta(1, 1))))
    other = free.under({"omega_2": prior.Beta(3, 3)})
    assert other.selection.shares == (prior.Beta(2, 1), prior.Beta(3, 3))


def test_simulated_studies_are_selected():
    # Pulled by a weight of 0.2, the share of significant results is what the density says.
    evidence = rows(np.zeros(4000), np.full(4000, 0.2))
    terms = (brw.Intercept(prior.Normal(0.2, 1e-9)), brw.Exchangeable(prior.HalfNormal(1e-9)))
    drawn = brw.simulate(
        brw.Model(terms=terms, selection=StepWeights(weights=(0.2,))), evidence, 5, seed=3
    )
    significant = np.mean(drawn.effect / 0.2 > norm.isf(0.025))
    chance = norm.sf(norm.isf(0.025) - 1.0)
    wanted = chance / (chance + 0.2 * (1.0 - chance))
    assert abs(significant - wanted) < 4.0 * np.sqrt(wanted * (1.0 - wanted) / 20000)


def test_engines_that_do_not_know_a_selection_refuse():
    with pytest.raises(EngineRefusal, match="selection"):
        build(model(StepWeights(weights=(0.3,))), rows())
