"""
Bias ladder
===========

Rungs of assumptions about bias; open marks were not registered beforehand. The rungs here are two
registered analyses, and one fit with wider priors that nobody registered.
"""

import pandas as pd

import bayesrtw as brw

FIGURES = ["median", "lower", "upper", "probability"]
trials = brw.run(brw.open_analysis("time-to-rtw"))
designs = brw.run(brw.open_analysis("time-to-rtw-all-designs"))
wide = brw.Model(
    terms=(
        brw.Intercept(brw.prior.Normal(0, 2)),
        brw.Exchangeable(brw.prior.HalfNormal(1), by="trial_family", name="tau_family"),
        brw.Exchangeable(brw.prior.HalfNormal(1)),
    )
)
rungs = {
    "randomised trials": trials.quantities,
    "all designs, with a design term": designs.quantities,
    "randomised trials, wide priors": brw.summarise(brw.fit(wide, trials.evidence)),
}
table = pd.DataFrame({name: summary.loc["mu", FIGURES] for name, summary in rungs.items()}).T
table = table.reset_index(names="rung").assign(registered=[True, True, False])
axes = brw.plot_ladder(table, trials)
words = brw.describe_ladder(table, trials)
