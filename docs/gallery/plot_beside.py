"""
Subgroups
=========

Each kind of programme pooled by itself, and all of them together.
"""

import bayesrtw as brw
from bayesrtw.question.beside import subgroups

synthesis = brw.run(brw.open_analysis("time-to-rtw"))
table = subgroups(synthesis, by="programme_type")
axes = table.plot(width_mm=174)
words = table.describe()
