"""
Risk of bias: summary
=====================

The share of studies with each judgement, one bar a domain.
"""

import bayesrtw as brw

evidence = brw.open_dataset("rtw-trials")
axes = evidence.plot("bias_summary", instrument="PEDro scale", width_mm=174)
words = evidence.describe("bias_summary", instrument="PEDro scale")
