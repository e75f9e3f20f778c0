"""
The next trial by its size
==========================

What one more trial would be worth to everybody the decision is about, what it costs, and what is left.
Prices, costs and people are made up: state your own.
"""

import bayesrtw as brw
from bayesrtw.analysis.next_trial import next_trial
from bayesrtw.decision.baseline import StatedBaseline
from bayesrtw.decision.cost_stakes import Amount, Option, Stakes, TrialCost

stakes = Stakes(
    currency="EUR",
    source="made up for this picture",
    day=Amount(mean=150),
    option=(Option(name="programme", cost=Amount(mean=1800)),),
    people=30_000,
    trial=TrialCost(fixed=200_000, person=400),
)
baseline = StatedBaseline(risk=0.5, day=90, shape=0.6, source="made up for this picture")
synthesis = brw.run(brw.open_analysis("time-to-rtw"))
sizes = (50, 100, 200, 350, 500, 750, 1000, 1500, 2000)
found = next_trial(synthesis, n=sizes, stakes=stakes, baseline=baseline)
axes = found.plot()
words = found.describe("trial_sizes")
