"""The 36 models of RoBMA: each evidence against sums of this file, the set against what its authors print.

Sums are Gauss-Legendre rules over mean, SD and shares of weights, written from the definition. The printed
figures are sampled; they are wanted within three of the errors that are printed with them.
"""

import json
from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose
from scipy.stats import norm

import bayesrtw as brw
from bayesrtw.engine.tilted import rough, tilted
from bayesrtw.errors import EngineRefusal, EvidenceError, SpecError
from bayesrtw.model.selection import StepWeights
from bayesrtw.model.spec import Model

prior = brw.prior
GOLDEN = Path(__file__).parents[1] / "golden" / "robma_lehmann2018.json"
EFFECT = np.array([0.62, 0.41, 0.05, 0.55, -0.10, 0.33, 0.71, 0.18, 0.30, 0.12, 0.48])
SE = np.array([0.25, 0.15, 0.12, 0.30, 0.20, 0.10, 0.35, 0.16, 0.14, 0.22, 0.24])
MEAN, SPREAD = brw.Intercept(prior.Normal(0.0, 0.5)), brw.Exchangeable(prior.HalfNormal(0.25))


def rows(effect=EFFECT, se=SE, **columns):
    frame = pd.DataFrame(
        {"study": [f"S{i:02d}" for i in range(len(effect))], "effect": effect, "se": se, **columns}
    )
    return brw.Evidence.from_frame(frame, benefit="higher")


def dirichlet(count):
    return tuple(prior.Beta(float(place), 1.0) for place in range(count, 0, -1))


def line(low, high, count):
    x, w = np.polynomial.legendre.leggauss(count)
    return low + 0.5 * (high - low) * (x + 1.0), 0.5 * (high - low) * w


def shares_of(count, nodes):
    """Weights of intervals, (node, interval), and the cumulative unit Dirichlet prior's shares."""
    # In the cube root of a share: where means are far from any significance, densities are steep near 0.
    root, w = line(0.0, 1.0, nodes)
    t, w = root**3, 3.0 * root**2 * w
    each = np.array(np.meshgrid(*[t] * count, indexing="ij")).reshape(count, -1).T
    much = np.prod(np.array(np.meshgrid(*[w] * count, indexing="ij")).reshape(count, -1).T, axis=1)
    for place in range(count):
        much = much * (count - place) * each[:, place] ** (count - place - 1)
    weight = np.cumprod(np.hstack([np.ones((len(each), 1)), each]), axis=1)
    return weight, much


def in_intervals(mean, sd, se, cuts, two):
    """Chances of the intervals of P values, one array each."""
    edges = [np.inf, *cuts, 0.0 if two else -np.inf]
    found = []
    for high, low in pairwise(edges):
        one = norm.cdf(high * se, mean, sd) - norm.cdf(low * se, mean, sd)
        if two:
            one = one + norm.cdf(-low * se, mean, sd) - norm.cdf(-high * se, mean, sd)
        found.append(one)
    return np.stack(found, axis=-1)


@pytest.mark.parametrize(
    ("sides", "steps", "nodes"),
    [("two", (0.05,), 40), ("one", (0.025, 0.05), 24), ("one", (0.025, 0.05, 0.5), 12)],
)
def test_weights_are_summed_over(sides, steps, nodes):
    two = sides == "two"
    selection = StepWeights(steps=steps, shares=dirichlet(len(steps)), sides=sides)
    bare = Model(terms=(MEAN, SPREAD))
    [found] = tilted(rough(bare, rows()), [Model(terms=bare.terms, selection=selection)])
    (m, wm), (t, wt) = line(-1.8, 1.0, 90), line(0.0, 1.1, 40)
    m, t, much = m[:, None], t[None, :], wm[:, None] * wt
    log = norm.logpdf(m, 0.0, 0.5) + norm.logpdf(t, 0.0, 0.25) + np.log(2.0)
    cuts = norm.isf(np.array(steps) / (2.0 if two else 1.0))
    weight, share = shares_of(len(steps), nodes)
    z = np.abs(EFFECT / SE) if two else EFFECT / SE
    own = np.prod(weight[:, np.sum(z[:, None] < cuts, axis=1)], axis=1)
    total = np.ones((*log.shape, len(weight)))
    for y, s in zip(EFFECT, SE, strict=True):
        sd = np.sqrt(s**2 + t**2)
        log = log + norm.logpdf(y, m, sd)
        total *= in_intervals(m, sd, s, cuts, two) @ weight.T
    posterior = much * np.exp(log) * ((own * share) / total).sum(axis=-1)
    size = posterior.sum()
    mean = np.sum(posterior * m) / size
    sd = np.sqrt(np.sum(posterior * (m - mean) ** 2) / size)
    # Rules of 15 nodes; with 47 all three are within 1e-7.
    mu = found.effects["mu"]
    apart = (found.log_evidence - np.log(size), (mu.centre - mean) / sd, mu.spread / sd - 1.0)
    assert np.max(np.abs(apart)) < 1e-5 < found.error < 1e-3


def test_families_are_seen_together():
    """Weights that the data tell, and estimates that share an effect."""
    family = list("aaabbcdefgh")
    spread = brw.Exchangeable(prior.HalfNormal(0.25), by="family")
    bare = Model(terms=(MEAN, spread))
    evidence = rows(family=family)
    one = Model(terms=bare.terms, selection=StepWeights(shares=(prior.Beta(1.0, 1.0),)))
    [found] = tilted(rough(bare, evidence), [one])
    (m, wm), (t, wt) = line(-1.0, 1.0, 70), line(0.0, 1.1, 40)
    m, t, much = m[:, None, None], t[None, :, None], wm[:, None] * wt
    omega, share = line(0.0, 1.0, 24)
    log = (norm.logpdf(m, 0.0, 0.5) + norm.logpdf(t, 0.0, 0.25) + np.log(2.0))[..., 0]
    u, step = np.linspace(-7.0, 7.0, 121, retstep=True)
    chance_u, total = norm.pdf(u) * step, np.ones((*log.shape, len(omega)))
    for name in sorted(set(family)):
        here = np.array(family) == name
        like, let = np.ones((*log.shape, len(u))), np.ones((*log.shape, len(u), len(omega)))
        for y, s in zip(EFFECT[here], SE[here], strict=True):
            like *= norm.pdf(y, m + t * u, s)
            below = norm.cdf(1.959963984540054 * s, m + t * u, s)[..., None]
            let *= 1.0 - below + omega * below
        log = log + np.log(like @ chance_u)
        total *= np.einsum("mtuo,u->mto", let, chance_u)
    own = omega ** np.sum(EFFECT / SE < 1.959963984540054)
    posterior = much * np.exp(log) * ((own * share) / total).sum(axis=-1)
    size = posterior.sum()
    mean = np.sum(posterior * m[..., 0]) / size
    sd = np.sqrt(np.sum(posterior * (m[..., 0] - mean) ** 2) / size)
    mu = found.effects["mu"]
    apart = (found.log_evidence - np.log(size), (mu.centre - mean) / sd, mu.spread / sd - 1.0)
    assert np.max(np.abs(apart)) < 4e-5


def red(**columns):
    data = json.loads(GOLDEN.read_text())
    return data, rows(np.array(data["yi"]), np.sqrt(data["vi"]), **columns)


def test_the_set_is_that_of_its_authors():
    data, evidence = red()
    model = Model(
        terms=(brw.Intercept(prior.Normal(0.0, 0.71)), brw.Exchangeable(prior.HalfNormal(0.35)))
    )
    models = brw.selection.robma(model)
    assert len(models) == 36
    assert_allclose(sum(models.prior.values()), 1.0)
    found = brw.compare(models, evidence)
    for name in ("effect", "publication bias"):
        known = data["robma"][name]
        apart = abs(found.inclusion.loc[name, "bayes_factor"] / known["bayes_factor"] - 1.0)
        assert apart < 3.0 * known["error_percent"] / 100.0
    # Ours, with rules of four times the nodes: 1 / 4.4690 and 22.8616.
    assert_allclose(found.inclusion.loc["effect", "bayes_factor"], 0.223764, atol=2e-6)
    assert_allclose(found.inclusion.loc["publication bias", "bayes_factor"], 22.8615, atol=2e-4)
    assert_allclose(found.inclusion["prior"], [0.5, 0.25, 0.25, 0.5, 0.5])
    mu = brw.summarise(found.posterior).loc["mu"]
    known = data["robma"]["mu"]
    # 986 effective draws of theirs.
    assert abs(mu["mean"] - known["mean"]) < 4.0 * known["sd"] / np.sqrt(986)
    assert_allclose([mu["sd"], mu["upper"]], [known["sd"], known["upper"]], atol=5e-3)
    assert "publication bias is included with probability 0.96" in found._words()
    assert found.plot() is not None


@pytest.mark.slow
def test_moderators_and_papers_stay():
    """With a moderator, and with several experiments of a paper: the same verb answers."""
    data, _ = red()
    _, evidence = red(male=np.array(data["male"], dtype=float), paper=data["paper"])
    plain = Model(
        terms=(
            brw.Intercept(prior.Normal(0.0, 0.71)),
            brw.Linear("male", prior.Normal(0.0, 0.25)),
            brw.Exchangeable(prior.HalfNormal(0.35)),
        )
    )
    found = brw.compare(brw.selection.robma(plain), evidence)
    assert 0.0 < found.coefficients.loc["beta[male]", "probability"] < 1.0
    assert found.inclusion.loc["publication bias", "bayes_factor"] > 10.0
    assert float(found.posterior["quadrature"]["error"]) < 1e-3


def test_what_has_no_36_models_says_so():
    with pytest.raises(SpecError, match="lacks heterogeneity"):
        brw.selection.robma(Model(terms=(MEAN, brw.Common())))
    with pytest.raises(SpecError, match="lacks a pooled mean"):
        brw.selection.robma(Model(terms=(SPREAD,)))
    known = Model(terms=(MEAN, SPREAD), selection=StepWeights(weights=(0.3,)))
    with pytest.raises(SpecError, match="a selection or a small-study term of its own"):
        brw.selection.robma(known)
    models = brw.selection.robma(Model(terms=(MEAN, SPREAD)))
    free = StepWeights(steps=(0.025, 0.5), shares=dirichlet(2))
    with pytest.raises(EngineRefusal, match="2 weights of the selection have priors"):
        brw.fit(Model(terms=(MEAN, SPREAD), selection=free), rows(), engine=brw.Exact())
    with pytest.raises(EvidenceError, match="fewer than 10, do not tell"):
        brw.compare(models, rows(EFFECT[:6], SE[:6]))
