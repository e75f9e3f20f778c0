"""The axis of effects: how far it goes, and its ticks."""

import math
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from typing import Any, Final

import numpy as np
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from bayesrtw.evidence.measure import IDENTITY, Measure
from bayesrtw.printed import MOST_PLAIN, signed

Array = NDArray[np.float64]

#: An interval end that lies further than this many typical intervals from the typical end is wild: it
#: gets an arrow head instead of stretching the axis. In the analyses shipped here these are the two
#: trials of supported employment whose intervals end beyond a risk ratio of 75.
REACH: Final = 2.0

#: What is not part of the typical picture, and the interval of a new setting, which one wild study
#: widens through tau, may make the axis longer by this share on either side.
STRETCH: Final = 0.35

#: Empty share of the axis beyond the outermost end, on either side.
MARGIN: Final = 0.03

#: A ratio axis ends at 10,000 and 1/10,000 at the latest, on the log scale.
MOST_LOG: Final = math.log(1e4)

#: Ticks that read best: enough to interpolate between, few enough to stand apart.
WANTED_TICKS: Final = 5

#: Least blank between two tick labels, in points.
TICK_GAP: Final = 7.0


def limits(
    lower: Array, upper: Array, *, pooled: Array, levels: Array, new: Array, measure: Measure
) -> tuple[float, float]:
    """Choose the ends of the axis so that one wild study does not squeeze the rest.

    `lower`, `upper` (estimate,); `pooled` (3,).
    """
    centre = 0.5 * (lower + upper)
    # The lower of two middle values throughout: of two studies, the precise one sets the scale.
    typical = max(_middle(upper - lower), float(np.ptp(pooled)) if pooled.size else 0.0)
    spread = _middle(np.abs(centre - _middle(centre)))
    reach = REACH * max(typical, 2.0 * spread)
    ends = np.concatenate([lower, upper, levels])
    calm = (ends >= -_middle(-lower) - reach) & (ends <= _middle(upper) + reach)
    nothing = [0.0] if measure.groups == 2 else []
    core = np.concatenate([ends[calm], pooled, nothing])
    stretch = STRETCH * np.ptp(core)
    near = np.concatenate([ends, new])
    near = near[(near >= core.min() - stretch) & (near <= core.max() + stretch)]
    shown = np.concatenate([core, near])
    low, high = float(shown.min()), float(shown.max())
    margin = MARGIN * (high - low)
    low, high = low - margin, high + margin
    if measure.ratio:
        return max(low, -MOST_LOG), min(high, MOST_LOG)
    return low, high


def _middle(values: Array) -> float:
    return float(np.quantile(values, 0.5, method="lower"))


def ticks(
    low: float,
    high: float,
    *,
    measure: Measure | None,
    length: float,
    label_width: Callable[[str], float],
) -> tuple[list[float], list[str]]:
    """Choose round ticks whose labels stand apart; no effect is always one of them."""
    log = measure is not None and measure.log
    best: tuple[list[float], list[str]] = ([1.0], ["1"]) if log else ([0.0], ["0"])
    scales: list[tuple[Callable[[Any], Any], float, float]]
    if log or measure is None or measure.link.name == IDENTITY.name:
        families = _ratios(low, high) if log else _differences(low, high)
        scales = [(np.log if log else np.asarray, low, high)]
    else:  # a picture may be even on the reported scale or on that of analysis
        first, last = measure.back([low, high]).tolist()
        families = _differences(first, last)
        scales = [(np.asarray, first, last), (measure.forward, low, high)]
    for family in families:
        labels = _tick_labels(family, log=log)
        half = np.array([label_width(label) for label in labels]) / 2
        room = half[1:] + half[:-1] + TICK_GAP
        apart = all(np.all(np.diff(_at(family, *ends) * length) >= room) for ends in scales)
        better = abs(len(family) - WANTED_TICKS) < abs(len(best[0]) - WANTED_TICKS)
        if apart and better:
            best = family, labels
    return best


def _at(
    family: Sequence[float], scale: Callable[[Any], Any], low: float, high: float
) -> NDArray[np.float64]:
    """Place ticks between 0 and 1."""
    return np.asarray((scale(family) - low) / (high - low), dtype=np.float64)


def _ratios(low: float, high: float) -> Iterator[list[float]]:
    """Families of round ratios within the limits, most familiar first."""
    first, last = math.exp(low), math.exp(high)
    decades = range(-4, 5)
    families = [
        [2.0**n for n in range(-3, 4)] if first > 0.06 and last < 16 else [],
        [m * 10.0**n for n in decades for m in (1, 2, 5)],
        [0.5, 0.75, 1.0, 1.5, 2.0, 3.0] if first > 0.3 and last < 4 else [],
        [m * 10.0**n for n in decades for m in (1, 3)],
        [10.0**n for n in decades],
        [100.0**n for n in range(-2, 3)],
    ]
    if last / first < 3:
        for step in (0.2, 0.1, 0.05, 0.02, 0.01, 0.005, 0.002, 0.001):
            count = math.ceil(1 / step)
            families.append([round(1 + n * step, 3) for n in range(-count + 1, 3 * count)])
    if not first <= 1 <= last:
        families += list(_differences(first, last))
    for family in families:
        # Products such as 2 * 0.1 must print and compare as the round numbers they are.
        kept = [float(f"{value:.6g}") for value in family if first <= value <= last]
        if kept:
            yield kept


def _differences(low: float, high: float) -> Iterator[list[float]]:
    for bins in (6, 5, 4, 3, 2):
        values = MaxNLocator(nbins=bins, steps=[1, 2, 5, 10]).tick_values(low, high)
        kept = [float(f"{value:.10g}") for value in values if low <= value <= high]
        if kept:
            yield kept


def _tick_labels(values: Sequence[float], *, log: bool) -> list[str]:
    if log:
        return [f"{value:.10f}".rstrip("0").rstrip(".") for value in values]
    step = min((abs(b - a) for a, b in pairwise(values)), default=1.0)
    places = max(0, -math.floor(math.log10(step) + 1e-9))
    if max(map(abs, values)) >= MOST_PLAIN or places > 4:
        return [signed(f"{value:.3g}") for value in values]
    return [signed(f"{value:,.{places}f}") for value in values]
