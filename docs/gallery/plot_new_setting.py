"""
New setting
===========

How likely a programme in a new setting is a benefit, as areas under the exact density.
"""

import bayesrtw as brw

synthesis = brw.run(brw.open_analysis("time-to-rtw"))
axes = brw.plot_new_setting(synthesis)
words = brw.describe_new_setting(synthesis)
