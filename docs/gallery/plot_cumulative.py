"""
Cumulative pooling
==================

What was known at the end of each year.
"""

import bayesrtw as brw

synthesis = brw.run(brw.open_analysis("time-to-rtw"))
table = brw.cumulative(synthesis)
axes = table.plot(width_mm=174)
words = table.describe()
