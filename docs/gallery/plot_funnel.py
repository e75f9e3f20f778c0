"""
Funnel plot
===========

Effects against standard errors over contours of significance; limits are widened by heterogeneity.
Open circles are estimates of non-randomised studies.
"""

import bayesrtw as brw

synthesis = brw.run(brw.open_analysis("time-to-rtw-all-designs"))
axes = synthesis.plot("funnel")
words = synthesis.describe("funnel")
