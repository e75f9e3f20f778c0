"""
Acceptability curves
====================

Which programme is worth most at each value of a day of work, and with which probability. The costs are made
up: state your own.
"""

import bayesrtw as brw
from bayesrtw.decision.baseline import StatedBaseline
from bayesrtw.decision.cost import cost_effectiveness
from bayesrtw.decision.cost_stakes import Amount, Option, Stakes

costs = {
    "coordination": 1500,
    "workplace": 1200,
    "rehabilitation": 4000,
    "treatment and advice": 600,
}
stakes = Stakes(
    currency="EUR",
    source="made up for this picture",
    day=Amount(mean=150),
    option=tuple(
        Option(
            name=name,
            at={"programme_type": name},
            cost=Amount(mean=cost, sd=cost / 4, law="gamma"),
        )
        for name, cost in costs.items()
    ),
)
baseline = StatedBaseline(risk=0.5, day=90, shape=0.6, source="made up for this picture")
synthesis = brw.run(brw.open_analysis("time-to-rtw-moderators"))
found = cost_effectiveness(synthesis, stakes=stakes, baseline=baseline, day=range(0, 501, 10))
axes = found.plot()
words = found.describe("acceptability")
