"""
Leave-one-out
=============

The pooled effect without each study, and how well the others foresee it.
"""

import bayesrtw as brw

synthesis = brw.run(brw.open_analysis("time-to-rtw"))
table = brw.leave_one_out(synthesis)
axes = table.plot(width_mm=174)
words = table.describe()
