"""The axis of effects: how far it goes, its ticks, and numbers as they are printed."""

import math
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from typing import Final

import numpy as np
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

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

#: Differences from here on are printed with a power of ten.
MOST_PLAIN: Final = 1e9

#: Printed ratios beyond these are cut to ``>9999`` and ``<0.01``.
MOST_RATIO, LEAST_RATIO = 9999.5, 0.005


def limits(
    lower: Array, upper: Array, *, pooled: Array, levels: Array, new: Array, log: bool
) -> tuple[float, float]:
    """Choose the ends of the axis so that one wild study does not squeeze the rest.

    Parameters
    ----------
    lower, upper
        Interval ends of the estimates on the analysis scale, shape (estimate,).
    pooled
        The pooled effect and the ends of its interval, shape (3,), or nothing, shape (0,). It must be
        on the axis, and no effect too.
    levels, new
        Further interval ends, of level means and of the new setting, shown where they are not wild.
    log
        Whether the analysis scale is logarithmic.

    Returns
    -------
    tuple of float
        Lower and upper limit on the analysis scale.
    """
    centre = 0.5 * (lower + upper)
    # The lower of two middle values throughout: of two studies, the precise one sets the scale.
    typical = max(_middle(upper - lower), float(np.ptp(pooled)) if pooled.size else 0.0)
    spread = _middle(np.abs(centre - _middle(centre)))
    reach = REACH * max(typical, 2.0 * spread)
    ends = np.concatenate([lower, upper, levels])
    calm = (ends >= -_middle(-lower) - reach) & (ends <= _middle(upper) + reach)
    core = np.concatenate([ends[calm], pooled, [0.0]])
    stretch = STRETCH * np.ptp(core)
    near = np.concatenate([ends, new])
    near = near[(near >= core.min() - stretch) & (near <= core.max() + stretch)]
    shown = np.concatenate([core, near])
    low, high = float(shown.min()), float(shown.max())
    margin = MARGIN * (high - low)
    low, high = low - margin, high + margin
    if log:
        return max(low, -MOST_LOG), min(high, MOST_LOG)
    return low, high


def _middle(values: Array) -> float:
    return float(np.quantile(values, 0.5, method="lower"))


def ticks(
    low: float, high: float, *, log: bool, length: float, label_width: Callable[[str], float]
) -> tuple[list[float], list[str]]:
    """Choose round ticks whose labels stand apart; no effect is always one of them.

    Parameters
    ----------
    low, high
        Limits on the analysis scale.
    log
        Whether it is logarithmic; ticks are then round ratios.
    length
        Of the axis, in points.
    label_width
        Width of a label, in points.

    Returns
    -------
    tuple
        Values on the reported scale, ascending, and their labels.
    """
    best: tuple[list[float], list[str]] = ([1.0], ["1"]) if log else ([0.0], ["0"])
    families = _ratios(low, high) if log else _differences(low, high)
    for family in families:
        labels = _tick_labels(family, log=log)
        places = np.log(family) if log else np.asarray(family)
        at = (places - low) / (high - low) * length
        half = np.array([label_width(label) for label in labels]) / 2
        apart = np.all(np.diff(at) >= half[1:] + half[:-1] + TICK_GAP)
        better = abs(len(family) - WANTED_TICKS) < abs(len(best[0]) - WANTED_TICKS)
        if apart and better:
            best = family, labels
    return best


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
        return [_signed(f"{value:.3g}") for value in values]
    return [_signed(f"{value:,.{places}f}") for value in values]


def decimals(half_widths: Array, *, log: bool) -> int:
    """Choose the decimals of effects so that a typical interval has two digits.

    Parameters
    ----------
    half_widths
        Half the widths of the intervals on the analysis scale, > 0.
    log
        Whether it is logarithmic: ratios have two decimals, three where intervals are within 2.5%.

    Returns
    -------
    int
        2 or 3 for ratios, else from 0 to 4.
    """
    typical = _middle(half_widths)
    if log:
        return 2 if typical >= 0.025 else 3
    return int(np.clip(1 - math.floor(math.log10(typical)), 0, 4))


def spell(value: float, *, log: bool, places: int) -> str:
    """Print an effect.

    Parameters
    ----------
    value
        On the reported scale.
    log
        Whether it is a ratio; from 10 on it has one decimal, from 100 on none.
    places
        Decimals of other values.

    Returns
    -------
    str
        With a true minus sign, and commas between thousands.
    """
    if not log:
        return _signed(f"{value:,.{places}f}" if abs(value) < MOST_PLAIN else f"{value:.2e}")
    if value >= MOST_RATIO:
        return ">9999"
    if value < LEAST_RATIO:
        return "<0.01"
    return f"{value:.{places if value < 9.995 else 1 if value < 99.95 else 0}f}"


def spell_share(value: float) -> str:
    """Print a share as a percentage, without its sign.

    Parameters
    ----------
    value
        A share; negative ones occur with numeric moderators.

    Returns
    -------
    str
        With one decimal.
    """
    return "<0.1" if 0 < value < 0.0005 else _signed(f"{100 * value:.1f}")


def spell_probability(value: float) -> str:
    """Print a probability; certainty is never claimed.

    Parameters
    ----------
    value
        In [0, 1].

    Returns
    -------
    str
        With two decimals, ``>0.99`` or ``<0.01``.
    """
    return ">0.99" if value > 0.99 else "<0.01" if value < 0.01 else f"{value:.2f}"


def _signed(text: str) -> str:
    """Take the sign off a zero, and write minus as minus."""
    return (text.lstrip("-") if not text.strip("-0.") else text).replace("-", "−")
