"""
Leave-one-out
=============

The pooled effect without each study, and how well the others foresee it.
"""

import bayesrtw as brw

synthesis = brw.run(brw.open_analysis("time-to-rtw"))
table = brw.leave_one_out(synthesis.analysis.model, synthesis.evidence)
axes = brw.plot_leave_one_out(table, synthesis, width_mm=174)
words = brw.describe_leave_one_out(table, synthesis)
