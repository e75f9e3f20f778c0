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
    """Write minus as minus, and take it off a zero.

    Parameters
    ----------
    text
        A printed number.

    Returns
    -------
    str
        The same for people.
    """
    return (text.lstrip("-") if not text.strip("-0.") else text).replace("-", "−")


def decimals(half_widths: Iterable[float], *, log: bool) -> int:
    """Choose the decimals of effects so that a typical interval has two digits.

    Parameters
    ----------
    half_widths
        Half the widths of the intervals on the analysis scale, > 0; one at least.
    log
        Whether it is logarithmic: ratios have two decimals, three where intervals are within 2.5%.

    Returns
    -------
    int
        2 or 3 for ratios, else from 0 to 4.
    """
    typical = float(median_low(sorted(map(float, half_widths))))
    if log:
        return 2 if typical >= 0.025 else 3
    return min(4, max(0, 1 - math.floor(math.log10(typical))))


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
        With a true minus sign, and commas between thousands; an en dash where there is none.
    """
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
    """Print a median with its interval.

    Parameters
    ----------
    middle, low, high
        On the reported scale.
    log, places
        As for `spell`.

    Returns
    -------
    str
        ``1.08 (0.91 to 1.28)``.
    """
    first, second, third = (spell(each, log=log, places=places) for each in (middle, low, high))
    return f"{first} ({second} to {third})"


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
    return "<0.1" if 0 < value < 0.0005 else signed(f"{100 * value:.1f}")


def spell_probability(value: float) -> str:
    """Print a probability; certainty is never claimed.

    Parameters
    ----------
    value
        In [0, 1]; NaN where there is none.

    Returns
    -------
    str
        With two decimals, ``>0.99`` or ``<0.01``; an en dash where there is none.
    """
    if math.isnan(value):
        return NONE
    return ">0.99" if value > 0.99 else "<0.01" if value < 0.01 else f"{value:.2f}"


def spell_chance(event: str, value: float) -> str:
    """Print an event with its probability.

    Parameters
    ----------
    event
        What `event` gave.
    value
        In [0, 1].

    Returns
    -------
    str
        ``P(benefit) = 0.97``, or ``P(benefit) >0.99``.
    """
    said = spell_probability(value)
    return f"{event} = {said}" if said[0].isdigit() else f"{event} {said}"


def event(of: str, threshold: float, *, above: bool, benefit: str, log: bool) -> str:
    """Name the event whose probability is stated of a quantity.

    Parameters
    ----------
    of
        The quantity, as a posterior names it. A coefficient (``beta[...]``) is a difference between
        effects, and of ratios a ratio of ratios: which is no benefit to anybody.
    threshold
        On the reported scale; 1 is no effect for ratios, 0 for others.
    above
        Whether the event lies above it.
    benefit
        Which side is good: ``higher`` or ``lower``.
    log
        Whether effects are ratios.

    Returns
    -------
    str
        ``P(benefit)``, ``P(above 1.1)``, ``P(difference > 0)`` or ``P(ratio of ratios > 1)``.
    """
    if of.startswith("beta"):
        what = "ratio of ratios" if log else "difference"
        return f"P({what} {'>' if above else '<'} {signed(f'{threshold:g}')})"
    if threshold == (1.0 if log else 0.0) and above == (benefit == "higher"):
        return "P(benefit)"
    return f"P({'above' if above else 'below'} {signed(f'{threshold:g}')})"


def favours(benefit: str) -> tuple[str, str]:
    """Say whom the two sides of no effect favour.

    Parameters
    ----------
    benefit
        Which side is good: ``higher`` or ``lower``.

    Returns
    -------
    tuple of str
        The side that lower effects favour, and the side that higher ones favour.
    """
    return SIDES if benefit == "higher" else (SIDES[1], SIDES[0])


def arrows(benefit: str) -> tuple[str, str]:
    """Give the labels at the two ends of an axis of effects.

    Parameters
    ----------
    benefit
        As for `favours`.

    Returns
    -------
    tuple of str
        Left and right, with arrows.
    """
    left, right = favours(benefit)
    return f"← favours {left}", f"favours {right} →"


def figure(value: float, digits: int = 4, *, plus: bool = False) -> str:
    """Print a figure of the analysis scale.

    Parameters
    ----------
    value
        The figure.
    digits
        Significant digits.
    plus
        Whether it is a change, which always has a sign.

    Returns
    -------
    str
        With a true minus sign.
    """
    return signed(f"{value:{'+' if plus else ''}.{digits}g}")
