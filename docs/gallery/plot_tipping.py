"""
Tipping curves
==============

How far the effects of all studies, or of one design, would have to be shifted for the probability of
benefit to cross a level.
"""

import bayesrtw as brw

found = brw.tipping(brw.run(brw.open_analysis("time-to-rtw-all-designs")))
axes = found.plot()
words = found.describe("tipping")
