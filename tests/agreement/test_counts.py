"""Likelihoods of counts: exact integration and NUTS share no numerics and must agree within 4 MCSE."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import bayesrtw as brw

pytestmark = pytest.mark.slow

prior = brw.prior
NAMES = ["events_t", "n_t", "events_c", "n_c"]


#: What each measure reads: of two groups, or of the comparison's alone, with people for their time.
COLUMNS = {
    "log_odds_ratio": NAMES,
    "log_rate_ratio": ["events_t", "person_time_t", "events_c", "person_time_c"],
    "logit_proportion": ["", "", "events", "n"],
    "log_rate": ["", "", "events", "person_time"],
}


def catheters(measure):
    """Niel-Weise et al. 2007: 18 trials of catheters, ten of which have an arm without events."""
    path = Path(__file__).parents[1] / "golden" / "metafor_glmm.json"
    fits = json.loads(path.read_text())["fits"]
    data = next(each["data"] for each in fits if each["dataset"] == "nielweise")
    names, printed = COLUMNS[measure], (data[name] for name in ("ai", "n1i", "ci", "n2i"))
    columns = {name: each for name, each in zip(names, printed, strict=True) if name}
    frame = pd.DataFrame(columns, dtype=float)
    frame = frame.assign(study=[f"T{place:02d}" for place in range(18)])
    return brw.Evidence.from_frame(frame, columns={name: name for name in columns}, measure=measure)


#: Likelihood by kind, with settings and a measure that it tells.
LIKELIHOODS = {
    "hypergeometric": ({}, "log_odds_ratio"),
    "beta_binomial": ({"icc": 0.05}, "log_odds_ratio"),
    "binomial": ({}, "log_odds_ratio"),
    "poisson": ({}, "log_rate_ratio"),
    "binomial_single": ({}, "logit_proportion"),
    "poisson_single": ({}, "log_rate"),
}


@pytest.mark.parametrize("kind", sorted(LIKELIHOODS))
def test_exact_and_nuts_agree_on_catheters(kind):
    settings, measure = LIKELIHOODS[kind]
    brw.Analysis  # noqa: B018 - registers every kind
    likelihood = brw.registry.kinds("likelihood")[kind](**settings)
    terms = (brw.Intercept(prior.Normal(0, 1)), brw.Exchangeable(prior.HalfNormal(0.5)))
    model, evidence = brw.Model(terms=terms, likelihood=likelihood), catheters(measure)
    exact = brw.summarise(brw.fit(model, evidence, engine=brw.Exact(draws=0)))
    tree = brw.fit(model, evidence, engine=brw.Nuts(draws=2000), seed=5)
    drawn = tree["posterior"].to_dataset()
    for name in ("mu", "tau", "theta_new"):
        values = drawn[name].to_numpy()
        batches = values.reshape(-1, 40).mean(axis=1)
        mcse = batches.std(ddof=1) / np.sqrt(len(batches))
        assert abs(values.mean() - exact.loc[name, "mean"]) < 4 * mcse, name
    theta = drawn["theta"].to_numpy().reshape(-1, 18)
    batches = theta.reshape(-1, 40, 18).mean(axis=1)
    mcse = batches.std(axis=0, ddof=1) / np.sqrt(len(batches))
    wanted = exact.loc[[name for name in exact.index if name.startswith("theta[")], "mean"]
    assert np.all(np.abs(theta.mean(axis=0) - wanted.to_numpy()) < 4.5 * mcse)
