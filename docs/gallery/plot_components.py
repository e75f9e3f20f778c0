"""
Parts of programmes
===================

What each part adds, how much of that is the prior, and which studies tell it.
"""

import bayesrtw as brw

synthesis = brw.run(brw.open_analysis("at-work-components"))
axes = synthesis.plot("components")
words = synthesis.describe("components")
