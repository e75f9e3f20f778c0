"""
Cumulative pooling
==================

What was known at the end of each year.
"""

import bayesrtw as brw

synthesis = brw.run(brw.open_analysis("time-to-rtw"))
table = brw.cumulative(synthesis.analysis.model, synthesis.evidence)
axes = brw.plot_cumulative(table, synthesis, width_mm=174)
words = brw.describe_cumulative(table, synthesis)
