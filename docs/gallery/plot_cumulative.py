"""
Cumulative pooling
==================

What was known at the end of each year.
"""

import bayesrtw as brw
from bayesrtw.posterior.sensitivity import cumulative

synthesis = brw.run(brw.open_analysis("time-to-rtw"))
table = cumulative(synthesis.analysis.model, synthesis.evidence)
axes = brw.plot_cumulative(table, synthesis, width_mm=174)
words = brw.describe_cumulative(table, synthesis)
