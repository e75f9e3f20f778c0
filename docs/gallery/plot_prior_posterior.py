"""
Prior against posterior
=======================

What the data added to the prior of the pooled effect; ``"tau"`` and coefficients work alike.
"""

import bayesrtw as brw

synthesis = brw.run(brw.open_analysis("time-to-rtw"))
axes = brw.plot_prior_posterior(synthesis, "mu")
words = brw.describe_prior_posterior(synthesis, "mu")
