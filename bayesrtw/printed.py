"""How numbers, directions and events are printed, wherever people read them."""

import math
from collections.abc import Iterable
from statistics import median_low
from typing import Final

#: Printed where a number does not exist.
NONE: Final = "–"

#: Differences from here on are printed with a power of ten.
MOST_PLAIN: Final = 1e9

#: Printed ratios beyond these are cut to ``>9999`` and ``<0.01``.
MOST_RATIO, LEAST_RATIO = 9999.5, 0.005

#: What a page calls the two sides that an effect may favour.
SIDES: Final = ("comparison", "programme")


def signed(text: str) -> str:
    """Write a printed number with a true minus, and take the sign off a zero."""
    return (text.lstrip("-") if not text.strip("-0.") else text).replace("-", "−")


def decimals(half_widths: Iterable[float], *, log: bool) -> int:
    """Choose decimals so that a typical interval (half widths > 0, analysis scale) has two digits."""
    typical = float(median_low(sorted(map(float, half_widths))))
    if log:
        return 2 if typical >= 0.025 else 3
    return min(4, max(0, 1 - math.floor(math.log10(typical))))


def spell(value: float, *, log: bool, places: int) -> str:
    """Print an effect on the reported scale; a ratio has one decimal from 10 on, none from 100 on."""
    if math.isnan(value):
        return NONE
    if not log:
        return signed(f"{value:,.{places}f}" if abs(value) < MOST_PLAIN else f"{value:.2e}")
    if value >= MOST_RATIO:
        return ">9999"
    if value < LEAST_RATIO:
        return "<0.01"
    return f"{value:.{places if value < 9.995 else 1 if value < 99.95 else 0}f}"


def with_interval(middle: float, low: float, high: float, *, log: bool, places: int) -> str:
    """Print a median with its interval, on the reported scale: ``1.08 (0.91 to 1.28)``."""
    first, second, third = (spell(each, log=log, places=places) for each in (middle, low, high))
    return f"{first} ({second} to {third})"


def spell_share(value: float) -> str:
    """Print a share as a percentage without its sign; negative ones occur with numeric moderators."""
    return "<0.1" if 0 < value < 0.0005 else signed(f"{100 * value:.1f}")


def spell_probability(value: float) -> str:
    """Print a probability, ``>0.99`` and ``<0.01`` beyond: certainty is never claimed."""
    if math.isnan(value):
        return NONE
    return ">0.99" if value > 0.99 else "<0.01" if value < 0.01 else f"{value:.2f}"


def spell_chance(event: str, value: float) -> str:
    """Print an event with its probability: ``P(benefit) = 0.97``, or ``P(benefit) >0.99``."""
    said = spell_probability(value)
    return f"{event} = {said}" if said[0].isdigit() else f"{event} {said}"


def event(of: str, threshold: float, *, above: bool, benefit: str, log: bool) -> str:
    """Name the event whose probability is stated of a quantity; the threshold is on the reported scale.

    A coefficient (``beta[...]``) is a difference between effects, and of ratios a ratio of ratios: that is
    ``P(ratio of ratios > 1)``, and no benefit to anybody.
    """
    if of.startswith("beta"):
        what = "ratio of ratios" if log else "difference"
        return f"P({what} {'>' if above else '<'} {signed(f'{threshold:g}')})"
    if threshold == (1.0 if log else 0.0) and above == (benefit == "higher"):
        return "P(benefit)"
    return f"P({'above' if above else 'below'} {signed(f'{threshold:g}')})"


def favours(benefit: str) -> tuple[str, str]:
    """Say whom lower and whom higher effects favour."""
    return SIDES if benefit == "higher" else (SIDES[1], SIDES[0])


def arrows(benefit: str) -> tuple[str, str]:
    """Give the labels left and right of no effect, with arrows."""
    left, right = favours(benefit)
    return f"← favours {left}", f"favours {right} →"


def figure(value: float, digits: int = 4, *, plus: bool = False) -> str:
    """Print a figure of the analysis scale with significant digits; a change always has a sign."""
    return signed(f"{value:{'+' if plus else ''}.{digits}g}")
