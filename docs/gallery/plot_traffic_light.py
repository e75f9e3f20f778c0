"""
Risk of bias: traffic light
===========================

Judgements as they were made, one instrument a picture, in colours and signs.
"""

import bayesrtw as brw

evidence = brw.open_dataset("rtw-trials")
axes = brw.plot_traffic_light(evidence, instrument="PEDro scale", width_mm=174)
words = brw.describe_traffic_light(evidence, instrument="PEDro scale")
