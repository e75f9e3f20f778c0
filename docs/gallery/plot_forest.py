"""
Forest plot
===========

Own and shrunken estimates, weights with the prior's row, the pooled effect and a new setting.
``columns`` puts columns of the evidence before the axis.
"""

import bayesrtw as brw

synthesis = brw.run(brw.open_analysis("time-to-rtw"))
axes = brw.plot_forest(synthesis, columns=("country",), width_mm=174)
words = synthesis.describe()
