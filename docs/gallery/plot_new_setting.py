"""
New setting
===========

How likely a programme in a new setting is a benefit, as areas under the exact density.
"""

import bayesrtw as brw

synthesis = brw.run(brw.open_analysis("time-to-rtw"))
axes = synthesis.plot("new_setting")
words = synthesis.describe("new_setting")
