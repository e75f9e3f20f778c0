"""
Risk of bias: traffic light
===========================

Judgements as they were made, one instrument a picture, in colours and signs.
"""

import bayesrtw as brw

evidence = brw.open_dataset("rtw-trials")
axes = evidence.plot("traffic_light", instrument="PEDro scale", width_mm=174)
words = evidence.describe("traffic_light", instrument="PEDro scale")
