"""
Panel of priors
===============

The pooled effect and a new setting under several priors of heterogeneity.
"""

import bayesrtw as brw

synthesis = brw.run(brw.open_analysis("time-to-rtw"))
priors = {
    "registered": brw.prior.HalfNormal(0.5),
    "narrow: half-normal(0.1)": brw.prior.HalfNormal(0.1),
    "wide: half-normal(1)": brw.prior.HalfNormal(1.0),
}
table = brw.prior_sensitivity(synthesis, priors=priors)
axes = table.plot()
words = table.describe()
