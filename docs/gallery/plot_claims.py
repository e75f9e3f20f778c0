"""
Claims of a brief
=================

What a brief recommends, and the pooled effect of the studies whose programme has each component; claims
that no study held here speaks to keep their row.
"""

import bayesrtw as brw
from bayesrtw.plot.claims import describe_claims, plot_claims

analysis = brw.open_analysis("time-to-rtw")
table = brw.hold_against(brw.open_brief("evidence-brief"), analysis)
table = table.query("kind == 'recommendation'")
synthesis = brw.run(analysis)
axes = plot_claims(table, synthesis)
words = describe_claims(table, synthesis)
