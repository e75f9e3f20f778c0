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
