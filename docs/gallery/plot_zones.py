"""
Zones of an effect
==================

How probable it is that an effect is a large harm, trivial, a large benefit, on average and in a new setting.
Days of sick leave in six return-to-work trials, a convenience sample; the thresholds are for illustration.
"""

import bayesrtw as brw
from bayesrtw.decision.zones import Zones, zone_probabilities

synthesis = brw.run(brw.open_analysis("sick-leave-days"))
found = zone_probabilities(synthesis, zones=Zones(days=(5, 10, 20)))
axes = found.plot(width_mm=170)
words = found.describe("zones")
