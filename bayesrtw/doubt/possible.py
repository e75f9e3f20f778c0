"""What cannot be, or hardly: names, sizes, times and moments that no study has, with the arithmetic.

The checks of means, SDs, P values and recruitment are those that INSPECT-SR asks of trials where printed
numbers allow them (Wilkinson et al. 2024, doi:10.1136/bmjopen-2024-084164); GRIM is of Brown & Heathers 2017,
doi:10.1177/1948550616673876. P values are held against their statistics in `contradiction`.
"""

import math
import re
import unicodedata
from collections.abc import Iterator
from decimal import Decimal
from itertools import pairwise
from operator import itemgetter
from statistics import median
from typing import Final

import numpy as np

from bayesrtw.doubt.rows import Rows, some_of
from bayesrtw.doubt.rule import Doubt

#: Events behind a standard error of a log ratio (4 / SE^2 in two groups alike) from which one asks: more
#: than any register of sick leave has in a year.
MOST_EVENTS: Final = 1e7
#: How much smaller than the others' a standard error is before it is likely a slip of the point.
SE_SHARE: Final = 1e-3
#: Ratios from which one asks; and the same of standardised differences, where 5 is no overlap at all.
MOST_RATIO: Final = 1000.0
MOST_SMD: Final = 10.0
#: People alive; no group has more.
MOST_PEOPLE: Final = 8.3e9
#: How many times larger one arm is than the other before one asks.
ARMS_RATIO: Final = 1000.0
#: Months of the longest follow-up that a person can have.
MOST_MONTHS: Final = 1200.0
#: Digits of two SDs that agree by chance too rarely to go unasked: one in a thousand.
SD_DIGITS: Final = 3
#: Most days of a month, for what can be missed in so many.
DAYS: Final = 31.0

_NOT_SAID: Final = re.compile(r"[\W_]+")
_DAYS: Final = re.compile(r"(?<![a-z])days(?![a-z])", re.IGNORECASE)
_CHANGED: Final = re.compile(r"chang|differ|reduc|gain|sav|less|fewer|improv", re.IGNORECASE)
_FIRST: Final = ("recruitment_start", "recruited_from", "recruitment_begin")
_LAST: Final = ("recruitment_end", "recruited_to", "recruited_until")


def _said(name: str) -> str:
    """Give a name as it is read aloud: without case, width, spaces, dots, hyphens and what is not seen."""
    if name.isascii():
        return _NOT_SAID.sub("", name.casefold())
    wide = unicodedata.normalize("NFKC", name).casefold()
    return _NOT_SAID.sub("", "".join(c for c in wide if unicodedata.category(c) != "Cf"))


def _respelled(rows: Rows) -> Iterator[Doubt]:
    """Find one study under two spellings."""
    spelled: dict[str, dict[str, int]] = {}
    first = dict(zip(reversed(rows.study), range(rows.size - 1, -1, -1), strict=True))
    for name, row in sorted(first.items(), key=itemgetter(1)):
        spelled.setdefault(_said(name) or name, {}).setdefault(name, row)
    for names in spelled.values():
        for (one, _), (two, row) in pairwise(names.items()):
            text = (
                f"{two!r} and {one!r} differ in case, spaces, dots, hyphens or what cannot be seen alone; if "
                "that is one study, write one name, else it counts twice"
            )
            yield rows.doubt(row, "study", "study-respelled", text)


def _precise(rows: Rows) -> Iterator[Doubt]:
    """Find standard errors that are smaller than any study gives, or than a slip of the point away."""
    for group in rows.grouped(range(rows.size), "outcome", "measure"):
        there = [row for row in group if rows.number("se", row) > 0]
        typical = median(rows.number("se", row) for row in there) if len(there) > 2 else math.nan
        for row in there:
            se = rows.number("se", row)
            events = 4 / se / se
            if rows.measure(row).log and events > MOST_EVENTS:
                text = (
                    f"the standard error of a log ratio is {se:.3g}; that takes 4 / SE^2 = {events:.1e} "
                    "events in two groups alike; check the number, its point and its scale"
                )
            elif se < SE_SHARE * typical:
                text = (
                    f"the standard error is {se:.3g}, the median of {len(there)} rows is {typical:.3g}: this "
                    f"row counts {(typical / se) ** 2:.1e} times as much; check its point and its unit"
                )
            else:
                continue
            yield rows.doubt(row, "se", "se-implausible", text)


def _large(rows: Rows) -> Iterator[Doubt]:
    """Find effects that no programme has."""
    least = min(math.log(MOST_RATIO), MOST_SMD)
    far = np.abs(rows.evidence.data["effect"].to_numpy()) > least
    for row in np.flatnonzero(far).tolist():
        effect, measure = abs(rows.number("effect", row)), rows.measure(row)
        if measure.ratio and effect > math.log(MOST_RATIO):
            size = f"exp({effect:.3g}), 1e{effect / math.log(10):.0f}"
            text = f"a ratio of {size} is no effect of a programme"
        elif measure.name == "standardised_mean_difference" and effect > MOST_SMD:
            text = f"means {effect:.3g} SDs apart do not overlap"
        else:
            continue
        what = f"{text}; check the scale, the point, and whether a logarithm was taken twice"
        yield rows.doubt(row, "effect", "effect-implausible", what)


def _sizes(rows: Rows) -> Iterator[Doubt]:
    """Find groups that there cannot be."""
    for row in rows.with_some("n_t", "n_c", "n"):
        for name in ("n_t", "n_c", "n"):
            if rows.number(name, row) > MOST_PEOPLE:
                text = f"{name} is {rows.number(name, row):.3g}; {MOST_PEOPLE:.2g} people are alive; check it"
                yield rows.doubt(row, name, "people-implausible", text)
                break
        one, two = rows.number("n_t", row), rows.number("n_c", row)
        least = min(one, two)
        if least > 0 and max(one, two) > ARMS_RATIO * least:
            text = (
                f"the groups have {one:g} and {two:g} people, {max(one, two) / least:.3g} to 1; check that a "
                "total, or people of a register, were not typed for a group"
            )
            yield rows.doubt(row, "n_t, n_c", "arms-unequal", text)


def _times(rows: Rows) -> Iterator[Doubt]:
    """Find follow-ups and recruitment that end before they begin, or outlast a life."""
    for row in rows.with_some("follow_up_months", *_FIRST, *_LAST):
        months, year = rows.number("follow_up_months", row), rows.number("year", row)
        # No time has passed in which anybody could return; other effects may be of the end of a programme.
        none = months == 0 and rows.measure(row).name in ("log_hazard_ratio", "log_rate_ratio")
        if none or months < 0 or months > MOST_MONTHS:
            text = (
                f"follow-up is {months:g} months, {months / 12:.3g} years; it is longer than none and "
                f"shorter than {MOST_MONTHS / 12:g} years: check the number and its unit"
            )
            yield rows.doubt(row, "follow_up_months", "follow-up-impossible", text)
        first = next((name for name in _FIRST if rows.has(row, name)), "")
        last = next((name for name in _LAST if rows.has(row, name)), "")
        begun, ended = rows.number(first, row), rows.number(last, row)
        until = ended + max(months, 0.0) / 12 if months <= MOST_MONTHS else ended
        if begun > ended:
            text = f"recruitment begins in {begun:g} and ends in {ended:g}; check both"
            yield rows.doubt(row, f"{first}, {last}", "recruitment-impossible", text)
        elif ended > year or until >= year + 1:
            text = (
                f"recruitment to {ended:g} and {max(months, 0.0):g} months of follow-up end in {until:.4g}; "
                f"the study is of {year:g}: check the years, and whether follow-up was complete"
            )
            yield rows.doubt(row, f"{last}, year", "recruitment-impossible", text)


def _whole_days(rows: Rows, row: int) -> bool:
    """Whether an outcome is counted in days, by its unit or its name."""
    name = rows.text("outcome", row)
    outcome = rows.evidence.outcomes.get(name)
    unit = outcome.unit if outcome is not None else ""
    return bool(_DAYS.search(unit or name.replace("_", " ")))


def _moments(rows: Rows) -> Iterator[Doubt]:
    """Find means of whole numbers that no sum gives (GRIM), and SDs that no such numbers have."""
    for row in rows.with_some("mean_t", "mean_c"):
        if not _whole_days(rows, row):
            continue
        for end in ("_t", "_c"):
            mean, sd, n = (rows.number(f"{name}{end}", row) for name in ("mean", "sd", "n"))
            if mean < 0 and not _CHANGED.search(rows.text("outcome", row)):
                text = f"mean{end} is {mean:g} days; nobody has less than none: check the sign"
                yield rows.doubt(row, f"mean{end}", "mean-impossible", text)
            if not (n >= 1 and n % 1 == 0 and mean > 0):
                continue
            half = 0.5 * 10.0 ** _exponent(mean)
            near = round(mean * n)
            if abs(near / n - mean) > half * (1 + 1e-9):
                low = math.floor(mean * n)
                text = (
                    f"mean{end} is {mean:g} of n = {n:g}; whole days give {low} / {n:g} = {low / n:.4g} or "
                    f"{low + 1} / {n:g} = {(low + 1) / n:.4g}; check n, or who was counted (GRIM)"
                )
                yield rows.doubt(row, f"mean{end}, n{end}", "mean-impossible", text)
            most = rows.number("follow_up_months", row) * DAYS
            if n > 1 and most > 0 and mean > most + half:
                text = f"mean{end} is {mean:g} days of at most {most:g}; check it, or the follow-up"
                yield rows.doubt(row, f"mean{end}", "mean-impossible", text)
            elif n > 1 and most > 0:
                widest = math.sqrt(max(mean * (most - mean), 0.0) * n / (n - 1))
                if sd > 1.01 * widest and sd > widest + 0.5 * 10.0 ** _exponent(sd):
                    text = (
                        f"sd{end} is {sd:g}; days from 0 to {most:g} with a mean of {mean:g} have at most "
                        f"sqrt({mean:g} x {most - mean:g} x {n:g} / {n - 1:g}) = {widest:.4g}; check it"
                    )
                    yield rows.doubt(row, f"sd{end}", "sd-impossible", text)


def _exponent(value: float) -> int:
    """Give the power of ten of a printed number's last digit, at most 0."""
    return min(int(Decimal(f"{value:.12g}").normalize().as_tuple().exponent), 0)


def _digits(value: float) -> int:
    return len(Decimal(f"{value:.12g}").normalize().as_tuple().digits)


def _spreads(rows: Rows) -> Iterator[Doubt]:
    """Find SDs, and numbers at baseline, that agree to more digits than chance gives."""
    for name, what in (("sd", "SDs"), ("mean_baseline", "means at baseline")):
        pair = (f"{name}_t", f"{name}_c")
        whole = rows.having(*pair)
        for row in whole:
            one, two = (rows.number(column, row) for column in pair)
            if one == two and _digits(one) >= SD_DIGITS:
                text = (
                    f"both {what} are {one:g}; two groups agree in {_digits(one)} digits about once in "
                    f"{10 ** (_digits(one) - 1)} times; check that none was typed twice, or is of both"
                )
                yield rows.doubt(row, ", ".join(pair), f"{name.replace('_', '-')}-repeated", text)
        for group in rows.grouped(whole, "outcome", *pair):
            studies = dict.fromkeys(rows.study[row] for row in group)
            digits = min(_digits(rows.number(column, group[0])) for column in pair)
            if len(studies) > 1 and digits >= SD_DIGITS:
                other = next(row for row in group if rows.study[row] != rows.study[group[0]])
                text = (
                    f"{some_of(list(studies))} have the same two {what}, in {digits} digits; check that they "
                    "are different trials"
                )
                yield rows.doubt(other, ", ".join(pair), f"{name.replace('_', '-')}-repeated", text)


CHECKS: Final = (_respelled, _precise, _large, _sizes, _times, _moments, _spreads)
