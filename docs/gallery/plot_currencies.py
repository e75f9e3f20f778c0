"""
Currencies side by side
=======================

What each study reports, in whatever currency, translated alone; and what all of it says together. The studies
are made up.
"""

import pandas as pd

import bayesrtw as brw
from bayesrtw.plot.currencies import describe_currencies, plot_currencies

people = {"n_t": 66, "n_c": 68}
rows = [
    {"study": "Alm 2001", "hazard_ratio": 1.9, "ci_low": 1.3, "ci_high": 2.8},
    {"study": "Berg 2004", "events_t": 40, "events_c": 30, "at": 182, **people},
    {"study": "Dahl 2008", "events_t": 35, "events_c": 28, "at": 120, **people}
    | {"events_t_2": 60, "events_c_2": 57, "at_2": 365, "median_t": 88, "median_c": 131},
    {
        "study": "Eng 2011",
        "days_t": 130,
        "days_t_se": 12,
        "days_c": 150,
        "days_c_se": 12,
        "horizon": 365,
    }
    | {"risk_ratio": 1.1, "risk_ratio_se": 0.06, "at": 365},
    {"study": "Foss 2015", "hazard_ratio": 0.95, "ci_low": 0.7, "ci_high": 1.3, "adjusted": "yes"}
    | {"median_t": 100, "median_c": 70, "n_t": 90, "n_c": 110},
]
evidence = brw.Evidence.from_returns(pd.DataFrame(rows))
model = brw.Model(
    terms=(
        brw.Intercept(brw.prior.Normal(0, 0.5)),
        brw.Exchangeable(brw.prior.HalfNormal(0.25)),
    ),
    likelihood=brw.likelihood.ReturnToWork(),
)
tree = brw.fit(model, evidence)
axes = plot_currencies(tree, evidence=evidence)
words = describe_currencies(tree, evidence=evidence)
