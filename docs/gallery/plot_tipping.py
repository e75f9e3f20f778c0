"""
Tipping curves
==============

How far all effects would have to be biased for the conclusion to change: a shift of every estimate
moves the posterior of the pooled effect with it, where the prior says little.
"""

import numpy as np
import pandas as pd

import bayesrtw as brw
from bayesrtw.posterior.summarise import probability_beyond

ANALYSES = {"randomised trials": "time-to-rtw", "all designs": "time-to-rtw-all-designs"}
shifts = np.linspace(-0.3, 0.3, 25)
parts = []
for design, analysis in ANALYSES.items():
    synthesis = brw.run(brw.open_analysis(analysis))
    chances = [
        probability_beyond(synthesis.posterior, "mu", "", float(shift), above=True)
        for shift in shifts
    ]
    parts.append(pd.DataFrame({"x": shifts, "probability": chances, "design": design}))
table = pd.concat(parts)
axes = brw.plot_tipping(
    table,
    synthesis,
    x_title="Bias in favour of the programme, log hazard ratio",
    thresholds=(0.5,),
)
words = brw.describe_tipping(table, synthesis)
