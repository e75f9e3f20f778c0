"""
Prior against posterior
=======================

What the data added to the prior of the pooled effect; ``"tau"`` and coefficients work alike.
"""

import bayesrtw as brw

synthesis = brw.run(brw.open_analysis("time-to-rtw"))
axes = synthesis.plot("prior_posterior", quantity="mu")
words = synthesis.describe("prior_posterior", quantity="mu")
