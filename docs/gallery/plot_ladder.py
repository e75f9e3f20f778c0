"""
Bias ladder
===========

Trials and cohorts under one assumption about bias after another; open marks do not decide the conclusion.
"""

import bayesrtw as brw

found = brw.ladder(brw.open_analysis("time-to-rtw-all-designs"), sampled=False)
axes = found.plot()
words = found.describe()
