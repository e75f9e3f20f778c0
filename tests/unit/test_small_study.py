"""Estimates that grow with their standard errors: grids of this file, least squares, and both engines."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.stats import halfcauchy, norm

import bayesrtw as brw
from bayesrtw.engine import solve
from bayesrtw.errors import EvidenceError, SpecError
from bayesrtw.model.checked import check
from bayesrtw.model.selection import StepWeights
from bayesrtw.model.small_study import Peese, Pet

prior = brw.prior

EFFECT = np.array([0.62, 0.41, 0.05, 0.55, -0.10, 0.33, 0.71, 0.18])
SE = np.array([0.25, 0.15, 0.12, 0.30, 0.20, 0.10, 0.35, 0.16])


def rows(effect=EFFECT, se=SE, benefit="higher"):
    frame = pd.DataFrame(
        {"study": [f"S{i}" for i in range(len(effect))], "effect": effect, "se": se}
    )
    return brw.Evidence.from_frame(frame, measure="log_odds_ratio", benefit=benefit)


def model(*terms, selection=None, mu=0.5):
    own = (brw.Intercept(prior.Normal(0.0, mu)), brw.Exchangeable(prior.HalfNormal(0.25)))
    return brw.Model(terms=(*own, *terms), selection=selection)


def nodes(low, high, count):
    x, w = np.polynomial.legendre.leggauss(count)
    return low + 0.5 * (high - low) * (x + 1.0), 0.5 * (high - low) * w


@pytest.mark.parametrize(("term", "power", "scale"), [(Pet, 1, 1.0), (Peese, 2, 5.0)])
@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_a_slope_of_known_direction_is_the_grid(term, power, scale, sign):
    benefit = "higher" if sign > 0 else "lower"
    evidence = rows(sign * EFFECT, benefit=benefit)
    fit = solve(model(term(prior.HalfCauchy(scale))), evidence)
    m, wm = nodes(-3.0, 2.0, 160)
    t, wt = nodes(0.0, 1.8, 60)
    # Half-Cauchy: in the angle, which takes its tail to a finite end.
    angle, wa = nodes(0.0, 0.5 * np.pi, 160)
    b = scale * np.tan(angle)
    m, t, b = m[:, None, None], t[None, :, None], b[None, None, :]
    log = norm.logpdf(m, 0.0, 0.5) + norm.logpdf(t, 0.0, 0.25) + np.log(2.0)
    log = log + np.log(2.0 / np.pi)
    for y, s in zip(EFFECT, SE, strict=True):
        log = log + norm.logpdf(y, m + b * s**power, np.sqrt(s**2 + t**2))
    weight = wm[:, None, None] * wt[:, None] * wa * np.exp(log - log.max())
    evidence_of = np.log(weight.sum()) + log.max()
    weight /= weight.sum()
    mean = np.sum(weight * m)
    sd = np.sqrt(np.sum(weight * (m - mean) ** 2))
    found, spread = fit.posterior.pooled.moments()
    assert abs(sign * found - mean) < 1e-6 * sd
    assert abs(spread / sd - 1.0) < 1e-6
    assert abs(fit.posterior.log_evidence - evidence_of) < 1e-6
    assert halfcauchy.ppf(0.5) == pytest.approx(1.0)


def test_under_flat_priors_and_a_common_effect_it_is_least_squares():
    """PET of another program: weighted least squares with the dispersion that lm estimates."""
    path = Path(__file__).parents[1] / "golden" / "lm_pet_peese.json"
    tried = 0
    for case in json.loads(path.read_text())["fits"].values():
        effect, se = (np.array(case[name]) for name in ("yi", "sei"))
        for term, name in ((Pet, "PET"), (Peese, "PEESE")):
            terms = (
                brw.Intercept(prior.Flat()),
                brw.Common(),
                term(prior.Normal(0.0, 1e4), towards="higher"),
            )
            fit = solve(brw.Model(terms=terms), rows(effect, se))
            wanted = case[name][0][0]
            assert fit.posterior.pooled.centre == pytest.approx(wanted, abs=1e-6)
            tried += 1
    assert tried == 10


def test_a_new_setting_and_effects_know_nothing_of_the_slope():
    fit = solve(model(Pet(prior.Normal(0.5, 0.2))), rows())
    known = fit.posterior
    assert "beta[pet]" in known.effects
    apart = known.effects["theta_new"].centre - known.pooled.centre
    assert abs(apart) < 1e-9
    plain = solve(model(), rows())
    assert known.pooled.centre < plain.posterior.pooled.centre - 0.05
    every = np.ones(len(SE), dtype=bool)
    means = [each.centre for each in fit.effect_of(every)]
    assert means[6] < solve(model(), rows()).effect_of(every)[6].centre


def test_alike_standard_errors_are_a_finding():
    found = check(model(Pet(prior.HalfCauchy(1.0))), rows(se=np.linspace(0.1, 0.2, 8)))
    assert "small-studies-alike" in {each.check for each in found}
    assert any("2 times the smallest" in each.message for each in found)
    found = check(model(Pet(prior.HalfCauchy(1.0))), rows())
    assert "small-studies-alike" not in {each.check for each in found}


def test_a_direction_and_a_proper_prior_are_needed():
    with pytest.raises(EvidenceError, match="needs its direction"):
        solve(model(Pet(prior.HalfCauchy(1.0))), rows(benefit=""))
    with pytest.raises(SpecError, match="normal, or proper on"):
        Peese(prior.Flat())
    with pytest.raises(SpecError, match="letters, digits"):
        Pet(prior.Normal(0, 1), name="a b")


def test_a_slope_and_a_selection_stand_beside_each_other():
    both = solve(model(Pet(prior.HalfCauchy(1.0)), selection=StepWeights(weights=(0.3,))), rows())
    one = solve(model(Pet(prior.HalfCauchy(1.0))), rows())
    assert both.posterior.pooled.centre < one.posterior.pooled.centre
    assert set(both.posterior.hyper) == {"tau", "pet"}
