"""
A stated curve of return
========================

What a pooled hazard ratio makes of the curve of a cohort in Norway. The studies are made up.
"""

import pandas as pd

import bayesrtw as brw

people = {"n_t": 66, "n_c": 68}
rows = [
    {"study": "Alm 2001", "hazard_ratio": 1.9, "ci_low": 1.3, "ci_high": 2.8},
    {"study": "Berg 2004", "events_t": 40, "events_c": 30, "at": 182, **people},
    {"study": "Dahl 2008", "events_t": 35, "events_c": 28, "at": 120, **people}
    | {"events_t_2": 60, "events_c_2": 57, "at_2": 365, "median_t": 88, "median_c": 131},
    {"study": "Eng 2011", "median_t": 100, "median_c": 118, "n_t": 150, "n_c": 148}
    | {"q1_t": 30, "q3_t": 260, "q1_c": 38, "q3_c": 300},
]
evidence = brw.Evidence.from_returns(pd.DataFrame(rows))
model = brw.Model(
    terms=(
        brw.Intercept(brw.prior.Normal(0, 0.5)),
        brw.Exchangeable(brw.prior.HalfNormal(0.25)),
    ),
    likelihood=brw.likelihood.ReturnToWork(),
)
norway = brw.currencies.norwegian_cohort()
found = brw.currencies.answers(model, evidence, curve=norway, source="a Norwegian cohort")
axes = found.plot()
words = found.describe("stated_returns")
