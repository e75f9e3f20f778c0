"""
Specification curve
===================

Everything that was tried, sorted by result, with the choices beneath.
"""

import bayesrtw as brw
from bayesrtw.analysis.sensitivity import sensitivity

analysis = brw.open_analysis("time-to-rtw")
panel = sensitivity(analysis)
axes = brw.plot_specification_curve(panel, brw.run(analysis), width_mm=174)
