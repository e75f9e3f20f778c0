"""The robust MAP prior against a plain grid of means and heterogeneities."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy import stats

import bayesrtw as brw
from bayesrtw.analysis.default import default_analyses
from bayesrtw.engine import solve
from bayesrtw.errors import EngineRefusal, EvidenceError, SpecError
from bayesrtw.model.bias import AdditiveBias, BiasHierarchy, Studies
from bayesrtw.model.borrow import RobustMap
from bayesrtw.model.likelihood import Clustering, Correlation, NormalErrors
from bayesrtw.model.prior import HalfNormal, Normal
from bayesrtw.report.markdown import render_markdown
from bayesrtw.report.record import record

EFFECT = np.array([0.30, 0.05, 0.42, -0.35, -0.10, 0.15])
SE = np.array([0.15, 0.12, 0.25, 0.10, 0.22, 0.18])
TRIALS, COHORTS = slice(0, 3), slice(3, 6)


def rows(effect=EFFECT):
    frame = pd.DataFrame(
        {
            "study": [f"s{place}" for place in range(len(effect))],
            "effect": effect,
            "se": SE,
            "design": ["rct"] * 3 + ["cohort"] * 3,
        }
    )
    return brw.Evidence.from_frame(frame, measure="log_hazard_ratio", benefit="higher")


def term(weight=0.2):
    return RobustMap(
        Studies(("cohort",)), Normal(0, 0.5), HalfNormal(0.3), robust=Normal(0, 0.6), weight=weight
    )


def fitted(*terms, evidence=None):
    made = brw.Model(terms=(*terms, brw.Exchangeable(HalfNormal(0.25))))
    tree = brw.fit(made, evidence or rows(), engine=brw.Exact(draws=0))
    return brw.summarise(tree), tree


def given_tau(y, se, tau, v0):
    """Mean, variance and density of the data given tau: inverse-variance pooling with a prior."""
    weight = 1 / (se[:, None] ** 2 + tau**2)
    variance = 1 / (1 / v0 + weight.sum(axis=0))
    mean = variance * (weight * y[:, None]).sum(axis=0)
    square = (weight * (y[:, None] - mean) ** 2).sum(axis=0) + mean**2 / v0
    log = 0.5 * (np.log(weight).sum(axis=0) + np.log(variance / v0) - square)
    return mean, variance, np.exp(log - 0.5 * len(y) * np.log(2 * np.pi))


MU, TAU = np.linspace(-6, 6, 2401), np.linspace(0, 2.6, 1041)


def ahead(y, se, scale):
    """Density on MU of what cohorts predict for a new setting."""
    m, v, joint = given_tau(y, se, TAU, 0.25)
    joint = joint * stats.halfnorm.pdf(TAU, scale=scale)
    share = joint / np.trapezoid(joint, TAU)
    each = stats.norm.pdf(MU[:, None], m, np.sqrt(v + TAU**2))
    return np.trapezoid(share * each, TAU, axis=1)


def by_grid(weight, *, out=(), effect=EFFECT, scale=0.25, lent=0.3):
    """Density of the prediction on a grid of mu, then the trials on it; evidence of both parts."""
    mu, tau = MU, TAU
    rows = np.array([place for place in range(6) if place not in out])
    cohorts, trials = rows[rows >= 3], rows[rows < 3]
    predicted = ahead(effect[cohorts], SE[cohorts], lent)
    data = np.tile(stats.halfnorm.pdf(tau, scale=scale), (len(mu), 1))
    for y, s in zip(effect[trials], SE[trials], strict=True):
        data = data * stats.norm.pdf(y, mu[:, None], np.sqrt(s**2 + tau**2))
    data = np.trapezoid(data, tau, axis=1)
    informed = np.trapezoid(data * predicted, mu)
    vague = np.trapezoid(data * stats.norm.pdf(mu, 0, 0.6), mu)
    total = (1 - weight) * informed + weight * vague
    density = data * ((1 - weight) * predicted + weight * stats.norm.pdf(mu, 0, 0.6)) / total
    mean = np.trapezoid(density * mu, mu)
    sd = np.sqrt(np.trapezoid(density * mu**2, mu) - mean**2)
    return mean, sd, np.log(total), weight * vague / total


def test_it_is_the_prior_that_the_cohorts_give():
    mean, sd, log, robust = by_grid(0.2)
    table, tree = fitted(term())
    assert table.loc["mu", "mean"] == pytest.approx(mean, abs=1e-6)
    assert table.loc["mu", "sd"] == pytest.approx(sd, abs=1e-6)
    assert float(tree["quadrature"]["log_evidence"]) == pytest.approx(log, abs=1e-5)
    assert float(tree["quadrature"]["prior_part"][-1]) == pytest.approx(robust, abs=1e-6)


def test_the_vague_part_takes_over_where_trials_contradict_cohorts():
    near, far = (
        float(fitted(term(), evidence=rows(effect))[1]["quadrature"]["prior_part"][-1])
        for effect in ([0.2, 0.1, 0.2, 0.15, 0.2, 0.15], [0.2, 0.1, 0.2, -1.35, -1.3, -1.35])
    )
    assert near < 0.2
    assert far > 0.9


def test_all_weight_on_the_vague_part_is_the_trials_alone():
    table, _ = fitted(term(weight=1 - 1e-12))
    alone, _ = fitted(brw.Intercept(Normal(0, 0.6)), evidence=rows().select(design="rct"))
    for column in ("mean", "sd", "lower", "upper"):
        assert table.loc["mu", column] == pytest.approx(alone.loc["mu", column], abs=1e-8)


def test_known_biases_concern_the_cohorts_before_they_become_a_prior():
    """Huge independent biases leave the prior of the cohorts' mean, and the SD of their prediction."""
    table, tree = fitted(term(), AdditiveBias(Studies(("cohort",)), mean=0.0, sd=1e4))
    part = fitted(term())[1]["quadrature"]["prior_part"]
    assert float(tree["quadrature"]["prior_part"].sum()) == pytest.approx(1.0)
    assert float(tree["quadrature"]["prior_part"][-1]) != pytest.approx(float(part[-1]), abs=1e-3)
    assert list(table.loc[table["variable"] == "theta", "label"]) == list(
        rows().select(design="rct").data["estimate"].to_numpy()
    )


def test_studies_are_needed_on_both_sides():
    for design in ("rct", "cohort"):
        with pytest.raises(EvidenceError, match="needs studies on both sides"):
            fitted(term(), evidence=rows().select(design=design))


def test_what_makes_no_sense_is_refused():
    with pytest.raises(SpecError, match="two intercepts"):
        fitted(term(), brw.Intercept(Normal(0, 1)))
    with pytest.raises(SpecError, match=r"must lie in \(0, 1\)"):
        term(weight=0.0)


WHOLE = brw.Model(terms=(term(), brw.Exchangeable(HalfNormal(0.25))))


def mask(*places):
    return np.isin(np.arange(6), places)


@pytest.mark.parametrize("out", [(0,), (2,), (3,), (5,), (1, 4), (0, 1, 2), (3, 4, 5)])
def test_rows_of_either_stage_are_left_out_as_by_brute_force(out):
    whole = solve(WHOLE, rows())
    near = whole.without([mask(*out), mask(1)])[0]
    mean, sd, log, _ = by_grid(0.2, out=out)
    assert near.posterior.pooled.moments() == pytest.approx((mean, sd), abs=1e-6)
    assert near.posterior.log_evidence == pytest.approx(log, abs=1e-5)
    assert near.kept.tolist() == (~mask(*out)).tolist()
    again = near.without([mask(*out)])[0]
    assert again.posterior.pooled.moments() == pytest.approx((mean, sd), abs=1e-6)


def test_priors_of_both_stages_are_varied_as_by_brute_force():
    whole = solve(WHOLE, rows())
    wide, first, own = whole.under(
        [
            {"tau": HalfNormal(0.5)},
            {"robust_map.tau": HalfNormal(0.6), "tau": HalfNormal(0.5)},
            {"mu": Normal(0.0, 0.6)},
        ]
    )
    assert wide.posterior.pooled.moments() == pytest.approx(by_grid(0.2, scale=0.5)[:2], abs=1e-6)
    found = by_grid(0.2, scale=0.5, lent=0.6)[:2]
    assert first.posterior.pooled.moments() == pytest.approx(found, abs=1e-6)
    found = by_grid(1.0, scale=0.25)[:2]
    assert own.posterior.pooled.moments() == pytest.approx(found, abs=1e-6)
    # The studies that gave the prior no longer matter once it is replaced.
    less = own.without([mask(4)])[0]
    assert less.posterior.pooled.moments() == pytest.approx(found, abs=1e-6)
    assert whole.prior_of("robust_map.tau") == HalfNormal(0.3)
    assert first.prior_of("tau") == HalfNormal(0.5)
    with pytest.raises(SpecError, match="no prior is called 'sigma'"):
        whole.prior_of("sigma")


def test_effects_are_shifted_in_both_stages():
    along = np.array([1.0, 0, 0, 0, 1, 0])
    near = solve(WHOLE, rows()).shifted(along, 0.2)
    found = by_grid(0.2, effect=EFFECT + 0.2 * along)[:2]
    assert near.posterior.pooled.moments() == pytest.approx(found, abs=1e-6)


def test_a_row_is_predicted_by_its_own_stage():
    whole = solve(WHOLE, rows())
    less = whole.without([mask(1, 4)])[0]
    trial, cohort = less.expected(mask(1, 4))
    m, v, joint = given_tau(EFFECT[[3, 5]], SE[[3, 5]], TAU, 0.25)
    share = joint * stats.halfnorm.pdf(TAU, scale=0.3)
    share = share / np.trapezoid(share, TAU)
    mean = np.trapezoid(share * m, TAU)
    variance = np.trapezoid(share * (v + TAU**2 + (m - mean) ** 2), TAU) + SE[4] ** 2
    assert cohort.moments() == pytest.approx((mean, np.sqrt(variance)), abs=1e-6)
    new = less.posterior.effects["theta_new"].moments()
    assert trial.moments() == pytest.approx((new[0], np.hypot(new[1], SE[1])), abs=1e-9)
    # Shrinkage of a trial: by the trials alone given the prior on a grid; of a cohort: by the cohorts.
    behind = whole.effect_of(mask(0, 3))
    assert behind[1].moments()[0] == pytest.approx(shrunken_cohort(), abs=1e-6)
    assert behind[0].moments()[0] == pytest.approx(
        float(fitted(term())[0].loc["theta[s0]", "mean"])
    )


def shrunken_cohort():
    """Mean of the first cohort's effect given the cohorts alone."""
    y, se = EFFECT[COHORTS], SE[COHORTS]
    m, _, joint = given_tau(y, se, TAU, 0.25)
    share = joint * stats.halfnorm.pdf(TAU, scale=0.3)
    share = share / np.trapezoid(share, TAU)
    keep = TAU**2 / (TAU**2 + se[0] ** 2)
    return np.trapezoid(share * (m + keep * (y[0] - m)), TAU)


def test_every_question_is_answered():
    evidence = rows()
    whole = by_grid(0.2)
    left = brw.leave_one_out(WHOLE, evidence)
    assert left["mean"].to_numpy()[:1] == pytest.approx(whole[0], abs=1e-6)
    assert left["mean"].to_numpy()[1:] == pytest.approx(
        [by_grid(0.2, out=(place,))[0] for place in range(6)], abs=1e-6
    )
    panel = brw.prior_sensitivity(WHOLE, evidence, name="tau", priors={"wide": HalfNormal(0.5)})
    assert panel.loc["wide", "mean"] == pytest.approx(by_grid(0.2, scale=0.5)[0], abs=1e-6)
    check = brw.predictive_check(WHOLE, evidence)
    assert np.isfinite(check.select_dtypes("number")).all().all()
    less = solve(WHOLE, evidence).without([mask(1)])[0].expected(mask(1))[0]
    assert check.loc["s1", "pit"] == pytest.approx(float(less.below([EFFECT[1]])[0]), abs=1e-9)


@pytest.mark.slow
def test_its_report_says_what_is_in_the_prior():
    evidence = rows()
    [analysis] = default_analyses(evidence)
    analysis = replace(analysis, id="borrowed", term=WHOLE.terms)
    text = render_markdown(record(brw.run(analysis, evidence)))
    assert text.count("in the prior") == 3


def two_stages(noise, alike, *, count=160):
    """Mean and SD of mu by dense covariances: the cohorts' prediction on nodes, then the trials on it.

    `noise(u)` is the cohorts' sampling covariance at a probability u of its one unknown; `alike` marks what
    shares a second SD with a half-normal(0.25) prior, or None.
    """
    x, w = np.polynomial.legendre.leggauss(count)

    def half(scale):
        tau = 4.5 * scale * (x + 1)
        return tau, 4.5 * scale * w * stats.halfnorm.pdf(tau, scale=scale)

    first, second = half(0.3), half(0.25) if alike is not None else ([0.0], [1.0])
    middle, share = np.polynomial.legendre.leggauss(24 if alike is None else 1)
    middle, share = 0.5 * (middle + 1), 0.5 * share
    total = {name: [] for name in ("weight", "mean", "variance")}
    y = EFFECT[COHORTS]
    for u, wu in zip(middle, share, strict=True):
        for outer, wo in zip(*second, strict=True):
            joint = noise(u) + 0.25 + (0.0 if alike is None else outer**2 * alike)
            joint = joint + first[0][:, None, None] ** 2 * np.eye(3)
            factor = np.linalg.inv(joint)
            log = -0.5 * np.linalg.slogdet(joint)[1] - 0.5 * np.einsum("i,nij,j->n", y, factor, y)
            gain = 0.25 * factor.sum(axis=1)
            total["weight"].append(wu * wo * first[1] * np.exp(log))
            total["mean"].append(gain @ y)
            total["variance"].append(0.25 - 0.25 * gain.sum(axis=1) + first[0] ** 2 + outer**2)
    weight, mean, variance = (np.concatenate(total[name]) for name in total)
    grid = np.linspace(-3, 3, 1201)
    keep = weight > 1e-14 * weight.max()
    weight, mean, sd = weight[keep] / weight[keep].sum(), mean[keep], np.sqrt(variance[keep])
    predicted = np.array([weight @ stats.norm.pdf(at, mean, sd) for at in grid])
    density = np.zeros_like(grid)
    for tau, own in zip(*half(0.25), strict=True):
        for outer, wo in zip(*second, strict=True):
            spread = SE[TRIALS] ** 2 + tau**2 + outer**2
            z = (EFFECT[TRIALS] - grid[:, None]) ** 2 / spread
            density += own * wo * np.exp(-0.5 * z.sum(axis=1)) / np.sqrt(spread.prod())
    density = density * (0.8 * predicted + 0.2 * stats.norm.pdf(grid, 0, 0.6))
    density /= np.trapezoid(density, grid)
    centre = np.trapezoid(density * grid, grid)
    return centre, np.sqrt(np.trapezoid(density * (grid - centre) ** 2, grid))


def grouped(**columns):
    frame = pd.DataFrame(
        {
            "study": ["a", "b", "c", "d", "d", "e"],
            "estimate": list("uvwxyz"),
            "effect": EFFECT,
            "se": SE,
            "design": ["rct"] * 3 + ["cohort"] * 3,
            **columns,
        }
    )
    return brw.Evidence.from_frame(frame, measure="log_hazard_ratio", benefit="higher")


def both_stages(model, evidence):
    """Mean and SD of mu."""
    return solve(model, evidence).posterior.pooled.moments()


def test_the_studies_that_give_the_prior_keep_the_design_effect():
    evidence = grouped(size=[np.nan] * 3 + [41.0] * 3)
    model = brw.Model(
        terms=(term(), brw.Exchangeable(HalfNormal(0.25))),
        likelihood=NormalErrors(clustering=Clustering("size", brw.prior.Beta(1, 1))),
    )
    found = both_stages(model, evidence)
    mean, sd = two_stages(lambda icc: np.diag(SE[COHORTS] ** 2 * (1 + 40 * icc)), None)
    assert found == pytest.approx((mean, sd), abs=1e-6)


def test_they_keep_an_unknown_correlation():
    model = brw.Model(
        terms=(term(), brw.Exchangeable(HalfNormal(0.25))),
        likelihood=NormalErrors(correlation=Correlation("study", brw.prior.Beta(1, 1))),
    )
    found = both_stages(model, grouped())
    s = SE[COHORTS]
    across = np.array([[0, 1.0, 0], [1, 0, 0], [0, 0, 0]]) * np.outer(s, s)
    mean, sd = two_stages(lambda rho: np.diag(s**2) + rho * across, None)
    assert found == pytest.approx((mean, sd), abs=1e-6)


def test_they_keep_the_groups_that_differ():
    by_study = brw.Exchangeable(HalfNormal(0.25), by="study", name="tau_study")
    model = brw.Model(terms=(term(), by_study, brw.Exchangeable(HalfNormal(0.25))))
    found = both_stages(model, grouped())
    alike = np.array([[1.0, 1, 0], [1, 1, 0], [0, 0, 1]])
    mean, sd = two_stages(lambda _: np.diag(SE[COHORTS] ** 2), alike, count=48)
    assert found == pytest.approx((mean, sd), abs=1e-6)


@pytest.mark.parametrize(
    ("more", "columns", "match"),
    [
        (
            brw.Linear("x", Normal(0, 0.5)),
            {"x": [0, 1, 2, 9, 9, 9.0]},
            "coefficients of 'x' are those",
        ),
        (
            brw.Exchangeable(HalfNormal(0.2), by="team", name="tau_team"),
            {"team": list("pqqqrs")},
            r"a group \(tau_team\) is that",
        ),
        (
            BiasHierarchy(Studies(("rct", "cohort")), Normal(0, 0.2)),
            {},
            r"an unknown bias \(bias_hierarchy\) is that",
        ),
    ],
)
def test_what_both_sides_share_is_refused_and_never_dropped(more, columns, match):
    model = brw.Model(terms=(term(), more, brw.Exchangeable(HalfNormal(0.25))))
    with pytest.raises(EngineRefusal, match=match):
        brw.fit(model, grouped(**columns), engine=brw.Exact(draws=0))


def test_a_moderator_of_the_others_alone_is_no_hindrance():
    marked = brw.Indicator("early", "phase", ("early",), Normal(0, 0.3))
    evidence = grouped(phase=["early", "late", "late", "late", "late", "late"])
    model = brw.Model(terms=(term(), marked, brw.Exchangeable(HalfNormal(0.25))))
    found = brw.summarise(brw.fit(model, evidence, engine=brw.Exact(draws=0)))
    assert "beta[early]" in found.index


def test_neighbours_of_neighbours_keep_what_was_changed_before():
    """Another spread of the trials, or effects that were shifted, stay under another prior of the cohorts."""
    whole, along = solve(WHOLE, rows()), np.array([1.0, 0, 0, 0, 1, 0])
    [wide] = whole.under([{"tau": HalfNormal(0.5)}])
    [both] = wide.under([{"robust_map.tau": HalfNormal(0.6)}])
    found = by_grid(0.2, scale=0.5, lent=0.6)
    assert both.posterior.pooled.moments() == pytest.approx(found[:2], abs=1e-6)
    assert both.posterior.log_evidence == pytest.approx(found[2], abs=1e-6)
    assert both.prior_of("robust_map.tau") == HalfNormal(0.6)
    [moved] = whole.shifted(along, 0.2).under([{"robust_map.tau": HalfNormal(0.6)}])
    found = by_grid(0.2, effect=EFFECT + 0.2 * along, lent=0.6)[:2]
    assert moved.posterior.pooled.moments() == pytest.approx(found, abs=1e-6)
    [own] = whole.under([{"mu": Normal(0.0, 0.6)}])
    [kept] = own.under([{"robust_map": Normal(1.0, 0.1)}])
    found = by_grid(1.0)[:2]
    assert kept.posterior.pooled.moments() == pytest.approx(found, abs=1e-6)


def on_a_lattice(places, parts, reach=8.0, common=0.0):
    """Covariances of rows at a lattice of spreads: shapes (point, row, row), the spreads and log shares.

    `parts` are a matrix and the scale of a half-normal for each spread; squares of even steps lie near zero.
    """
    nodes, rule = np.polynomial.legendre.leggauss(120)
    root = 0.5 * np.sqrt(reach) * (nodes + 1)
    mesh = [each.ravel() for each in np.meshgrid(*[root] * len(parts), indexing="ij")]
    log = sum(np.log(each.ravel()) for each in np.meshgrid(*[rule] * len(parts), indexing="ij"))
    cov = np.zeros((mesh[0].size, 3, 3)) + np.diag(SE[places] ** 2) + common
    for root, (matrix, scale) in zip(mesh, parts, strict=True):
        log = log + stats.halfnorm.logpdf(root**2, scale=scale) + np.log(root)
        cov = cov + root[:, None, None] ** 4 * matrix
    return cov, [root**2 for root in mesh], log


def by_lattice(cohorts, trials, ahead_of, common=0.0):
    """Mean and SD of mu: what cohorts predict is its prior, beside the vague part."""
    y, (cov, spreads, log) = EFFECT[COHORTS], on_a_lattice(COHORTS, cohorts, 8.0, common)
    inverse = np.linalg.inv(cov)
    precision = inverse.sum(axis=(1, 2)) + 1 / 0.5**2
    mean = (inverse @ y).sum(axis=1) / precision
    square = np.einsum("i,nij,j->n", y, inverse, y) - mean**2 * precision
    log = log - 0.5 * (np.linalg.slogdet(cov)[1] + np.log(precision) + square)
    share = np.exp(log - log.max())
    share, keep = share / share.sum(), share > 1e-12 * share.max()
    wide = np.sqrt(1 / precision + ahead_of(*spreads))
    mu = np.linspace(-10, 10, 1001)
    prior = sum(
        share[keep][cut] @ stats.norm.pdf(mu, mean[keep][cut, None], wide[keep][cut, None])
        for cut in np.array_split(np.arange(keep.sum()), 20)
    )
    prior = 0.8 * prior + 0.2 * stats.norm.pdf(mu, 0, 0.6)
    y, (cov, _, log) = EFFECT[TRIALS], on_a_lattice(TRIALS, trials, 8.0)
    inverse = np.linalg.inv(cov)
    log = log - 0.5 * (np.linalg.slogdet(cov)[1] + np.einsum("i,nij,j->n", y, inverse, y))
    linear, square = (inverse @ y).sum(axis=1), inverse.sum(axis=(1, 2))
    data = np.array([np.exp(log + one * linear - 0.5 * one**2 * square).sum() for one in mu])
    density = prior * data / np.sum(prior * data)
    centre = density @ mu
    return centre, np.sqrt(density @ (mu - centre) ** 2)


SAME = np.array([[1.0, 1, 0], [1, 1, 0], [0, 0, 1]])


@pytest.mark.parametrize("scale", [0.02, 1.0])
def test_priors_of_a_spread_between_studies_change_in_both_stages(scale):
    evidence = grouped(study=["s0", "s0", "s1", "s2", "s2", "s3"])
    between = brw.Exchangeable(HalfNormal(0.3), by="study", name="between")
    within = brw.Exchangeable(HalfNormal(0.2), name="within")
    whole = solve(brw.Model(terms=(term(), between, within)), evidence)
    [near] = whole.under([{"between": HalfNormal(scale)}])
    cohorts, trials = ([(SAME, scale), (np.eye(3), own)] for own in (0.3, 0.2))
    found = by_lattice(cohorts, trials, lambda a, c: a**2 + c**2)
    assert near.posterior.pooled.moments() == pytest.approx(found, abs=2e-5)


@pytest.mark.parametrize("scale", [0.02, 1.0])
def test_priors_of_biases_of_cohorts_matter_to_what_these_predict(scale):
    bias = BiasHierarchy(Studies(("cohort",)), Normal(0, 0.1), HalfNormal(0.3))
    whole = solve(brw.Model(terms=(term(), bias, brw.Exchangeable(HalfNormal(0.25)))), grouped())
    [name] = set(whole.model.hyper) - {"tau"}
    [near] = whole.under([{name: HalfNormal(scale)}])
    cohorts = [(np.eye(3), scale), (np.eye(3), 0.3)]
    # The mean bias has a variance of 0.01, which all cohorts share.
    found = by_lattice(cohorts, [(np.eye(3), 0.25)], lambda _, c: c**2, 0.01)
    assert near.posterior.pooled.moments() == pytest.approx(found, abs=2e-5)
