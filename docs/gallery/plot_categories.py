"""
Effects by category
===================

The mean of each level of a moderator, and a new setting of that level.
"""

import bayesrtw as brw

synthesis = brw.run(brw.open_analysis("time-to-rtw-moderators"))
axes = brw.plot_categories(synthesis, "programme_type", width_mm=174)
words = brw.describe_categories(synthesis, "programme_type")
