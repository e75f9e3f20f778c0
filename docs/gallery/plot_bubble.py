"""
Bubble plot
===========

Effects against the number of participants, with the exact line, its interval and that of a new setting.
"""

import bayesrtw as brw
from bayesrtw.plot.bubble import describe_bubble

synthesis = brw.run(brw.open_analysis("time-to-rtw"))
model = brw.Model(
    terms=(
        brw.Intercept(brw.prior.Normal(0, 0.5)),
        brw.Linear("n", brw.prior.Normal(0, 0.001)),
        brw.Exchangeable(brw.prior.HalfNormal(0.25)),
    )
)
tree = brw.fit(model, synthesis.evidence)
axes = brw.plot_bubble(tree, "n", evidence=synthesis.evidence)
words = describe_bubble(tree, "n", evidence=synthesis.evidence)
