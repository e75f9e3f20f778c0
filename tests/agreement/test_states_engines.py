"""Sums over states: exact integration and NUTS, which sums inside every row, agree within 4 MCSE."""

import math

import numpy as np
import pandas as pd
import pytest

import bayesrtw as brw
from bayesrtw.model.levels import MissingLevels
from bayesrtw.model.return_to_work import ReturnToWork

pytestmark = pytest.mark.slow

NORMAL = brw.prior.Normal
NAMES = ["study", "kind", "events_t", "n_t", "events_c", "n_c"]
TABLES = [
    ("A", "yes", 30, 40, 20, 40),
    ("B", "yes", 12, 20, 9, 22),
    ("C", "no", 18, 50, 19, 48),
    ("D", "no", 7, 30, 6, 28),
    ("E", "?", 25, 33, 15, 35),
    ("F", "?", 9, 30, 9, 29),
]


def levels():
    terms = (
        brw.Intercept(NORMAL(0.0, 0.5)),
        brw.Categorical("kind", NORMAL(0.0, 0.4), missing=MissingLevels(("?",))),
        brw.Exchangeable(brw.prior.HalfNormal(0.3)),
    )
    frame = pd.DataFrame(TABLES, columns=NAMES).assign(at=180.0)
    return brw.Model(terms=terms, likelihood=ReturnToWork()), brw.Evidence.from_returns(frame)


def shape():
    counts = {"n_t": 400, "n_c": 400, "at": 60.0, "at_2": 365.0}
    back = ((152, 124, 339, 300), (161, 119, 331, 308))
    names = ("events_t", "events_c", "events_t_2", "events_c_2")
    rows = [
        {"study": f"s{place}", **counts, **dict(zip(names, each, strict=True))}
        for place, each in enumerate(back)
    ]
    ends = {"median_t_low": 60.0, "median_t_high": 110.0, "median_c_low": 80.0}
    rows.append(
        {"study": "m", "median_t": 80.0, "median_c": 110.0, "median_c_high": 150.0, **ends}
        | {"n_t": 60, "n_c": 60}
    )
    terms = (brw.Intercept(NORMAL(0.0, 0.5)), brw.Exchangeable(brw.prior.HalfNormal(0.3)))
    model = brw.Model(terms=terms, likelihood=ReturnToWork(between=0.1))
    return model, brw.Evidence.from_returns(pd.DataFrame(rows))


@pytest.mark.parametrize("case", [levels, shape])
def test_exact_and_nuts_agree_on_sums_over_states(case):
    model, evidence = case()
    exact = brw.summarise(brw.fit(model, evidence, engine=brw.Exact(draws=0)))
    tree = brw.fit(model, evidence, engine=brw.Nuts(draws=2000), seed=5)
    sampled = brw.summarise(tree)
    chains = tree["posterior"].sizes["chain"]
    for name in exact.index:
        if name not in sampled.index:
            continue
        # Chains tell how far means of draws lie from each other.
        variable, _, label = name.partition("[")
        drawn = tree["posterior"][variable]
        if label:
            [dim] = [each for each in drawn.dims if each not in ("chain", "draw")]
            drawn = drawn.sel({dim: label[:-1]})
        halves = np.array(np.split(drawn.to_numpy(), 10, axis=1)).mean(axis=2)
        mcse = halves.std(ddof=1) / math.sqrt(10 * chains)
        gap = exact.loc[name, "mean"] - sampled.loc[name, "mean"]
        assert abs(gap) < 4.0 * mcse, name
