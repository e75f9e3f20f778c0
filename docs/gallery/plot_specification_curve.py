"""
Specification curve
===================

Everything that was tried, sorted by result, with the choices beneath.
"""

import bayesrtw as brw

panel = brw.sensitivity(brw.open_analysis("time-to-rtw"))
axes = panel.plot(width_mm=174)
words = panel.describe()
