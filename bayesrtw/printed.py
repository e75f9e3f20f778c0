"""How numbers, directions and events are printed, wherever people read them."""

import math
import re
from collections.abc import Iterable
from dataclasses import dataclass
from statistics import median_low
from typing import Final

#: Printed where a number does not exist.
NONE: Final = "–"

#: Differences from here on are printed with a power of ten.
MOST_PLAIN: Final = 1e9

#: No interval is printed with more decimals.
MOST_DECIMALS: Final = 9

#: Nor a number with more digits after its point than make up these in all.
MOST_DIGITS: Final = 7

#: Printed ratios beyond these are cut to ``>9999`` and ``<0.01``.
MOST_RATIO, LEAST_RATIO = 9999.5, 0.005

#: An interval that reaches so far has no end: nobody looks for one beyond exp(30).
NO_END: Final = 1e12

#: Ratios from here on have one decimal.
MOST_FINE: Final = 9.995

#: Characters that break a line where none should break.
_BREAKS: Final = re.compile("[\x0b\x0c\x1c-\x1e\x85\u2028\u2029]")

#: Marks that turn the direction of whatever follows them, in the same cell or not.
_TURNING: Final = re.compile("[\u202a-\u202e\u2066-\u2069]")

#: What terminals obey instead of showing it, and what no encoding has: controls but the tab and the ends
#: of lines, and halves of characters.
_OBEYED: Final = re.compile("[\x00-\x08\x0b-\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff]")

#: The same and turning marks, but for the sequences that set colours.
_NOT_SHOWN: Final = re.compile(
    "\x1b\\[[0-9;]*m|[\x00-\x08\x0b-\x0c\x0e-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]"
)


def plain(text: str) -> str:
    """Give text of others without what would be obeyed and not shown, wherever it is printed."""
    if text.isascii() and text.isprintable():
        return text
    return _OBEYED.sub("\ufffd", _TURNING.sub("", _BREAKS.sub(" ", text)))


def escaped(character: str) -> str:
    """Write a character as JSON's escape."""
    raw = character.encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{raw[at]:02x}{raw[at + 1]:02x}" for at in range(0, len(raw), 2))


def visible(text: str) -> str:
    """Escape what a terminal would obey, but for colours; JSON stays the same JSON."""
    if text.isascii() and text.isprintable():
        return text
    return _NOT_SHOWN.sub(lambda m: m[0] if m[0][-1] == "m" else escaped(m[0]), text)


def numbered(count: int, noun: str, several: str = "") -> str:
    """Count things: one fault, or two of them."""
    return f"{count} {noun if count == 1 else several or noun + 's'}"


def signed(text: str) -> str:
    """Write a printed number with a true minus, and take the sign off a zero."""
    return (text.lstrip("-") if not text.strip("-0.") else text).replace("-", "−")


def decimals(half_widths: Iterable[float], *, log: bool) -> int:
    """Choose decimals so that a typical interval (half widths > 0, analysis scale) has two digits."""
    known = sorted(map(float, half_widths))
    typical = float(median_low(known)) if known else 1.0
    if log:
        return 2 if typical >= 0.025 else 3
    return min(MOST_DECIMALS, max(0, 1 - math.floor(math.log10(typical))))


def finer(low: float, high: float, *, log: bool, places: int) -> int:
    """Give at least `places` decimals, and more to a reported interval that has too few digits by them."""
    if not (math.isfinite(low) and math.isfinite(high) and low < high):
        return places
    if log:
        if low < LEAST_RATIO or high > MOST_FINE:
            return places
        low, high = math.log(low), math.log(high)
    return max(places, decimals([0.5 * (high - low)], log=log))


def spell(value: float, *, log: bool, places: int) -> str:
    """Print an effect on the reported scale; a ratio has one decimal from 10 on, none from 100 on."""
    if math.isnan(value):
        return NONE
    if not log:
        if abs(value) >= 1:  # few digits are needed after many
            places = min(places, max(0, MOST_DIGITS - 1 - math.floor(math.log10(abs(value)))))
        return signed(f"{value:,.{places}f}" if abs(value) < MOST_PLAIN else f"{value:.2e}")
    if value >= MOST_RATIO:
        return "∞" if value >= NO_END else ">9999"
    if value < LEAST_RATIO:
        return "<0.01"
    return f"{value:.{places if value < MOST_FINE else 1 if value < 99.95 else 0}f}"


def with_interval(middle: float, low: float, high: float, *, log: bool, places: int) -> str:
    """Print a median with its interval, on the reported scale: ``1.08 (0.91 to 1.28)``."""
    if log:
        places = finer(low, high, log=True, places=places)
    first, second, third = (spell(each, log=log, places=places) for each in (middle, low, high))
    return f"{first} ({second} to {third})"


def spell_change(value: float, *, log: bool, places: int) -> str:
    """Print a change of a median: a factor, or a signed difference; nothing where there is none."""
    if not math.isfinite(value):
        return ""
    return f"×{value:.2f}" if log else signed(f"{value:+.{places}f}")


def spell_share(value: float) -> str:
    """Print a share as a percentage without its sign; negative ones occur with numeric moderators."""
    return "<0.1" if 0 < value < 0.0005 else signed(f"{100 * value:.1f}")


def spell_probability(value: float) -> str:
    """Print a probability, ``>0.99`` and ``<0.01`` beyond: certainty is never claimed."""
    if math.isnan(value):
        return NONE
    return ">0.99" if value > 0.99 else "<0.01" if value < 0.01 else f"{value:.2f}"


#: What to do where nobody stated which effects are good.
STATE_IT: Final = (
    "state it with --benefit higher or lower (benefit= in Python), a column benefit, or a benefit of the "
    "[[outcome]] in a dataset.toml"
)

#: The event that an effect is on the good side.
BENEFIT: Final = "P(benefit)"

#: What effects on either side are called where nobody said what they favour.
NEUTRAL: Final = ("lower", "higher")


@dataclass(frozen=True, slots=True)
class Direction:
    """What is said of effects on either side of no effect.

    Attributes
    ----------
    benefit
        ``"higher"`` or ``"lower"``, whichever is good; empty where nobody stated it.
    null
        No effect on the reported scale; NaN where a measure describes one group and no side is any better.
    sides
        What lower and what higher effects are called, e.g. ``("favours placebo", "favours drug")``.
    """

    benefit: str
    null: float
    sides: tuple[str, str] = NEUTRAL

    @property
    def upward(self) -> bool:
        """Whether the probability that is printed is that of higher effects."""
        return self.benefit != "lower"

    @property
    def event(self) -> str:
        """The event whose probability is printed; empty where there is none."""
        if self.benefit:
            return BENEFIT
        return "" if math.isnan(self.null) else f"P(above {signed(f'{self.null:g}')})"

    @property
    def said(self) -> str:
        """The same in words, after "probability"."""
        if self.benefit:
            return "of benefit"
        return f"of an effect above {signed(f'{self.null:g}')}"


def spell_chance(event: str, value: float) -> str:
    """Print an event with its probability: ``P(benefit) = 0.97``, or ``P(benefit) >0.99``."""
    said = spell_probability(value)
    return f"{event} = {said}" if said[0].isdigit() else f"{event} {said}"


def unbroken(text: str) -> str:
    """Keep words on one line."""
    return text.replace(" ", "\u00a0")


def event(of: str, threshold: float, *, above: bool, benefit: str, log: bool) -> str:
    """Name the event whose probability is stated of a quantity; the threshold is on the reported scale.

    A coefficient (``beta[...]``) is a difference between effects, and of ratios a ratio of ratios: that is
    ``P(ratio of ratios > 1)``, and no benefit to anybody.
    """
    if of.startswith("beta"):
        what = "ratio of ratios" if log else "difference"
        return f"P({what} {'>' if above else '<'} {signed(f'{threshold:g}')})"
    if benefit and threshold == (1.0 if log else 0.0) and above == (benefit == "higher"):
        return BENEFIT
    return f"P({'above' if above else 'below'} {signed(f'{threshold:g}')})"


def arrows(sides: tuple[str, str]) -> tuple[str, str]:
    """Give the labels left and right of no effect, with arrows."""
    return f"← {sides[0]}", f"{sides[1]} →"


def figure(value: float, digits: int = 4, *, plus: bool = False) -> str:
    """Print a figure of the analysis scale with significant digits; a change always has a sign."""
    return signed(f"{value:{'+' if plus else ''}.{digits}g}")
