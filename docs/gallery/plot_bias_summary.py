"""
Risk of bias: summary
=====================

The share of studies with each judgement, one bar a domain.
"""

import bayesrtw as brw

evidence = brw.open_dataset("rtw-trials")
axes = brw.plot_bias_summary(evidence, instrument="PEDro scale", width_mm=174)
words = brw.describe_bias_summary(evidence, instrument="PEDro scale")
