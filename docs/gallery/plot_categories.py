"""
Effects by category
===================

The mean of each level of a moderator, and a new setting of that level.
"""

import bayesrtw as brw

synthesis = brw.run(brw.open_analysis("time-to-rtw-moderators"))
axes = synthesis.plot("categories", moderator="programme_type", width_mm=174)
words = synthesis.describe("categories", moderator="programme_type")
