"""
Calibration
===========

Whether intervals mean what they say: truths drawn from the prior, data from the truths, and how often the
posterior lies below the truth, minus how often it should. Grey is where a right posterior stays.
"""

import bayesrtw as brw
from bayesrtw.analysis.calibrate import calibrate_analysis

calibration = calibrate_analysis(brw.open_analysis("sick-leave-days"), replicates=400)
figure = calibration.plot(title="Sick-leave days")
axes = figure.axes[0]
words = calibration.describe()
