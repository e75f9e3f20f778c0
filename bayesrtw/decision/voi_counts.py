"""A next trial that reports counts: tables that it may have, and what each says, exactly.

A trial tells of everything else through the effect in its own setting alone. So what is believed after a
table is an average over that effect of what would be believed if it were known, weighed by its density before
the trial and by how probable it makes the table: the site that the model itself makes of such a row, its
baseline integrated as it is for every other row.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import scipy
from numpy.typing import NDArray

from bayesrtw.decision.baseline import BaselinePoints
from bayesrtw.decision.risks import MEASURES, risk
from bayesrtw.errors import SpecError
from bayesrtw.evidence.table import Evidence
from bayesrtw.model.spec import Model
from bayesrtw.question.next_trial import TrialSetting

Array = NDArray[np.float64]

#: Trials that are simulated, spread evenly over effects, baselines and events; and the seed.
TRIALS, SEED = 20_000, 20261130
#: Effects at which a table's likelihood is worked out, a spline of its log lies between them; and effects
#: that are summed over, which reach as far as probabilities of `FAR` on either side.
LOOKED, SUMMED, FAR = 33, 1_001, 1e-9


@dataclass(frozen=True, slots=True, eq=False)
class Tables:
    """Tables that a trial may have."""

    events: Array  #: Of the programme's group and of the comparison group, shape (table, 2).
    share: Array  #: How often each was simulated, shape (table,); they sum to one.
    effect: Array  #: Effects on the analysis scale, shape (point,), rising evenly.
    #: Log probability of each table at each effect but for a constant, shape (table, point).
    log_density: Array

    def weigh(self, setting: TrialSetting) -> Array:
        """Give the density of the effect in the trial's setting after each table, (table, point).

        The setting may be that of another posterior, such as a sceptical one; shares sum to one.
        """
        before = setting.mean.widened(setting.apart).log_density(self.effect)
        log = self.log_density + before
        found = np.exp(log - log.max(axis=1, keepdims=True))
        return np.asarray(found / found.sum(axis=1, keepdims=True))


def counts_trials(model: Model) -> bool:
    """Whether rows of the model are events among people of two groups, each with a density of its own."""
    counted = model.likelihood.offers.counted
    return (
        counted is not None
        and counted.reads.groups == 2
        and counted.reads.among == "n"
        and not model.likelihood.hyper()
    )


def tables(
    model: Model,
    evidence: Evidence,
    setting: TrialSetting,
    n: float,
    baseline: BaselinePoints,
    count: int = TRIALS,
) -> Tables:
    """Simulate the tables of a trial of n people in two equal groups."""
    from scipy.stats import binom, qmc  # noqa: PLC0415 - half a second, which most commands do not need

    measure = evidence.measure
    if baseline.of != "risk" or measure.name not in MEASURES:
        raise SpecError(
            f"a trial of counts needs a baseline risk and a measure that moves it; a {baseline.of} is "
            f"stated, and effects are in {measure.name}."
        )
    group = int(n // 2)
    if group < 1:
        raise SpecError(f"a trial of two groups has at least 2 people; found {n:g}.")
    ahead = setting.mean.widened(setting.apart)
    u = np.clip(
        qmc.LatinHypercube(4, rng=np.random.default_rng(SEED)).random(count), 1e-12, 1 - 1e-12
    )
    theta = ahead.quantile(u[:, 0])
    place = np.searchsorted(np.cumsum(baseline.weight), u[:, 1] * baseline.weight.sum())
    level = baseline.level[np.minimum(place, len(baseline.level) - 1)]
    first = binom.ppf(u[:, 2], group, risk(measure.name, theta, level))
    second = binom.ppf(u[:, 3], group, level)
    events, often = np.unique(np.column_stack([first, second]), axis=0, return_counts=True)
    low, high = ahead.quantile([FAR, 1 - FAR])
    effect = np.linspace(low, high, SUMMED)
    return Tables(
        events, often / count, effect, _log_densities(model, evidence, events, group, effect)
    )


def _log_densities(
    model: Model, evidence: Evidence, events: Array, group: int, effect: Array
) -> Array:
    """Ask the model's own likelihood how probable effects make tables, shape (table, point)."""
    frame = pd.DataFrame({"events_t": events[:, 0], "events_c": events[:, 1]})
    frame = frame.assign(study=[str(place) for place in range(len(frame))], n_t=group, n_c=group)
    names = ("events_t", "n_t", "events_c", "n_c")
    rows = Evidence.from_frame(
        frame, columns={name: name for name in names}, measure=evidence.measure.name
    )
    sites: Any = model.likelihood.observe(rows)  # `Counted` has curves, one a unit
    some = np.linspace(effect[0], effect[-1], LOOKED)
    found = sites.log_at(some)
    whole = np.isfinite(found).all(axis=1)
    log = np.empty((len(events), len(effect)))
    log[whole] = scipy.interpolate.CubicSpline(some, found[whole], axis=1)(effect)
    # Where a risk would pass 1 a table is impossible, and no spline goes there.
    for row in np.flatnonzero(~whole).tolist():
        log[row] = sites.units[row].log(effect)
    return log
