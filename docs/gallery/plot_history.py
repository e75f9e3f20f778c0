"""
History of a living analysis
============================

Dated runs of one analysis. Here each run is what was known at the end of a year.
"""

import bayesrtw as brw
from bayesrtw.analysis.conclusion import CLASSES
from bayesrtw.plot.history import describe_history, plot_history

synthesis = brw.run(brw.open_analysis("time-to-rtw"))
table = brw.cumulative(synthesis).iloc[2:-1]
bounds = (0.90, 0.65, 0.35, 0.10, 0.0)
classes = [
    next(name for name, bound in zip(CLASSES, bounds, strict=True) if chance >= bound)
    for chance in table["probability"]
]
table = table.assign(
    date=[f"{year}-12-31" for year in table.index], studies=table["estimates"]
).assign(**{"class": classes})
axes = plot_history(table, synthesis)
words = describe_history(table, synthesis)
