"""Standard errors that nobody reports, integrated: against dense sums over them, and coverage."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy import integrate, stats

import bayesrtw as brw
from bayesrtw.analysis.default import default_analyses
from bayesrtw.engine import solve
from bayesrtw.errors import EvidenceError, SpecError
from bayesrtw.model.checked import check
from bayesrtw.model.prior import HalfNormal, Normal
from bayesrtw.model.unknown_errors import UnknownErrors
from bayesrtw.question.tipping import tipping_shift

EFFECT = np.array([0.30, 0.10, -0.05, 0.25, 0.40, 0.02])
SE = np.array([0.15, 0.12, 0.20, 0.18, np.nan, np.nan])
PEOPLE = np.array([45.0, 70.0, 25.0, 31.0, 40.0, 80.0])
BELOW = np.array([np.nan, np.nan, np.nan, np.nan, 0.05, np.nan])
ABOVE = np.array([np.nan, np.nan, np.nan, np.nan, np.nan, 0.05])
STATED = UnknownErrors(below="p_below", above="p_above", mean=0.0, sd=0.25)


def rows(**columns):
    frame = pd.DataFrame(
        {
            "study": list("abcdef"),
            "effect": EFFECT,
            "se": SE,
            "n_t": 2 * PEOPLE,
            "n_c": 2 * PEOPLE,
            "p_below": BELOW,
            "p_above": ABOVE,
            **columns,
        }
    )
    return brw.Evidence.from_frame(frame, measure="log_hazard_ratio", benefit="higher")


def model(likelihood=STATED):
    terms = (brw.Intercept(Normal(0, 0.5)), brw.Exchangeable(HalfNormal(0.25)))
    return brw.Model(terms=terms, likelihood=likelihood)


def unknown(place, mu, tau):
    """Integrate an error by Simpson's rule between the ends that its P value leaves."""
    z, own = stats.norm.ppf(0.975), stats.lognorm(0.25, scale=PEOPLE[place] ** -0.5)
    low, high = (0.02, EFFECT[4] / z) if place == 4 else (EFFECT[5] / z, 0.8)
    s = np.linspace(low, high, 2001)
    at = [each[..., None] for each in (mu, tau)]
    density = own.pdf(s) * stats.norm.pdf(EFFECT[place], at[0], np.hypot(s, at[1]))
    return integrate.simpson(density, x=s)


def test_errors_are_integrated_as_by_a_dense_grid():
    fit = solve(model(), rows())
    node, weight = np.polynomial.legendre.leggauss(48)
    mu, tau = np.meshgrid(0.15 + 0.9 * node, 0.65 * (node + 1), indexing="ij")
    mass = 0.9 * 0.65 * np.outer(weight, weight)
    mass = mass * stats.norm.pdf(mu, 0, 0.5) * 2 * stats.norm.pdf(tau, 0, 0.25)
    for place in range(4):
        mass = mass * stats.norm.pdf(EFFECT[place], mu, np.hypot(SE[place], tau))
    for place in (4, 5):
        mass = mass * unknown(place, mu, tau)
    assert fit.posterior.log_evidence == pytest.approx(np.log(mass.sum()), abs=1e-6)
    share = mass / mass.sum()
    mean = float(np.sum(share * mu))
    sd = float(np.sqrt(np.sum(share * (mu - mean) ** 2)))
    np.testing.assert_allclose(fit.posterior.pooled.moments(), (mean, sd), atol=1e-6)


def test_without_gaps_it_is_the_normal_likelihood():
    full = rows(se=np.where(np.isfinite(SE), SE, 0.2))
    plain = solve(model(brw.likelihood.NormalErrors()), full).posterior
    own = solve(model(), full).posterior
    assert own.log_evidence == pytest.approx(plain.log_evidence, abs=1e-7)
    np.testing.assert_allclose(own.pooled.moments(), plain.pooled.moments(), atol=1e-7)


def test_what_is_learned_of_errors_is_that_of_a_new_row():
    sigma = np.log(SE[:4] * np.sqrt(PEOPLE[:4]))
    stated = replace(STATED, mean=sigma.mean(), sd=sigma.std(ddof=1) * np.sqrt(1.25))
    learned = replace(STATED, mean=None, sd=None)
    one, other = (solve(model(each), rows()).posterior for each in (stated, learned))
    assert one.log_evidence == pytest.approx(other.log_evidence, abs=1e-10)


def test_rows_without_errors_or_people_are_named():
    found = check(model(), rows())
    [note] = [each.message for each in found if each.check == "unknown-errors"]
    assert note == (
        "2 of 6 rows report no standard error: each is what so many people give, as stated, and 2 of them "
        "are bound by a P value."
    )
    with pytest.raises(SpecError, match="stated together"):
        UnknownErrors(mean=0.0)
    with pytest.raises(EvidenceError, match="cannot have its P value"):
        brw.fit(model(), rows(effect=np.where(np.arange(6) == 4, 1e-4, EFFECT)))
    other = replace(STATED, experimental="randomised_t")
    few = np.where(np.arange(6) == 4, np.nan, 80.0)
    with pytest.raises(EvidenceError, match="'e' report no standard error and no people"):
        brw.fit(model(other), rows(randomised_t=few))
    with pytest.raises(EvidenceError, match="se must be positive and finite"):
        rows(n_t=few)
    few = np.where(np.arange(6) < 2, SE, np.nan)
    with pytest.raises(
        EvidenceError, match="2 rows report a standard error and people, and 3 are needed"
    ):
        brw.fit(model(replace(STATED, mean=None, sd=None)), rows(se=few))


def test_verbs_and_pages_take_rows_without_errors():
    analysis = replace(
        default_analyses(rows(se=np.where(np.isfinite(SE), SE, 0.2)))[0],
        term=model().terms,
        likelihood=STATED,
        variant=(),
    )
    made = brw.run(analysis, rows())
    assert made.evidence.size == len(EFFECT)
    assert "no standard error" in " ".join(each.message for each in made.findings)
    left = brw.leave_one_out(made)
    fewer = solve(model(), rows().rows(np.arange(6) != 5)).posterior.pooled.moments()
    assert left.loc["f", "mean"] == pytest.approx(fewer[0], abs=1e-6)
    groups = {"all": np.ones(len(EFFECT), dtype=bool)}
    tipped = tipping_shift(made, None, groups, levels=(0.9,))
    assert np.isfinite(tipped["shift"]).all()
    assert made.plot("forest") is not None


@pytest.mark.slow
def test_intervals_hold_the_truth_as_often_as_they_say():
    """Half of the rows without an error and half of those with a P value: coverage of 80 % intervals."""
    rng, held, count = np.random.default_rng(20261130), 0, 200
    for _ in range(count):
        mu, tau = rng.normal(0, 0.5), abs(rng.normal(0, 0.25))
        people = rng.uniform(20, 90, 10)
        se = np.exp(rng.normal(0.0, 0.25, 10)) / np.sqrt(people)
        effect = mu + tau * rng.standard_normal(10) + se * rng.standard_normal(10)
        significant = np.abs(effect / se) > stats.norm.ppf(0.975)
        silent, told = np.arange(10) < 5, np.arange(10) < 3
        frame = pd.DataFrame(
            {
                "study": [f"s{place}" for place in range(10)],
                "effect": effect,
                "se": np.where(silent, np.nan, se),
                "n_t": 2 * people,
                "n_c": 2 * people,
                "p_below": np.where(told & significant, 0.05, np.nan),
                "p_above": np.where(told & ~significant, 0.05, np.nan),
            }
        )
        evidence = brw.Evidence.from_frame(frame, measure="log_hazard_ratio", benefit="higher")
        below = float(solve(model(), evidence).posterior.pooled.below(mu))
        held += 0.1 < below < 0.9
    assert held / count == pytest.approx(0.8, abs=3 * np.sqrt(0.16 / count))
