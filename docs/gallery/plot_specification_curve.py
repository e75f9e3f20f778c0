"""
Specification curve
===================

Everything that was tried, sorted by result, with the choices beneath.
"""

import bayesrtw as brw

analysis = brw.open_analysis("time-to-rtw")
panel = brw.sensitivity(analysis)
synthesis = brw.run(analysis)
axes = brw.plot_specification_curve(panel, synthesis, width_mm=174)
words = brw.describe_specification_curve(panel, synthesis)
