"""
Heterogeneity
=============

The posterior of every SD of true effects, with its prior dashed.
"""

import bayesrtw as brw

synthesis = brw.run(brw.open_analysis("time-to-rtw"))
axes = synthesis.plot("tau")
words = synthesis.describe("tau")
