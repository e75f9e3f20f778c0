"""What rows report of return to work beside a hazard ratio, read from their columns; see `return_to_work`."""

import itertools
import math
from collections.abc import Callable, Mapping
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

from bayesrtw.evidence.counts import numbers_in
from bayesrtw.evidence.hazards import MONTH
from bayesrtw.evidence.table import Evidence
from bayesrtw.model.currency import Back, Report

Array = NDArray[np.float64]

#: Error of the log of a risk ratio below which it has to say how many return: without that its likelihood is
#: an edge as sharp beside a plain that no end of hazard ratios share.
SHARP: Final = 0.01
#: Half a 95 % interval in standard errors.
HALF: Final = float(ndtri(0.975))
#: Days up to which the last date or horizon of a study, and both medians, are more likely months or weeks.
MONTHS, FEW = 24.0, 7.0
#: Other round numbers of months and weeks that nobody follows people for in days.
ROUND: Final = (26.0, 36.0, 48.0, 52.0, 78.0, 104.0)
#: Gives the number of a column; NaN where there is none.
type Reader = Callable[[str], float]

#: Further dates of the same study: endings of the names of its columns.
DATES: Final = ("", "_2", "_3")
#: Kinds of numbers of one arm.
OF_ARM: Final = frozenset(("share", "back", "quantile", "days"))
#: BothArms by the endings of their columns: comparison, programme.
ARMS: Final = ("_c", "_t")


class ReportedRow(NamedTuple):
    """What one row reports: counts at dates, other numbers, people, what is wrong, dates out of order."""

    back: Back | None
    numbers: tuple[Report, ...]
    n: Array
    faults: tuple[str, ...]
    disordered: str = ""

    @property
    def other_unit(self) -> str:
        """Name days that look like months or weeks; empty where none do."""
        dates = [each.at for each in self.numbers if each.at > 1.0]
        last = max([*dates, *([] if self.back is None else self.back.day.tolist())], default=0.0)
        if 0.0 < last <= MONTHS or last in ROUND:
            return f"a last date or horizon of {last:g} days"
        told = [each.value for each in self.numbers if each.kind == "quantile" and each.at == 0.5]
        medians = [math.exp(each) for each in told]
        if medians and max(medians) < FEW:
            return f"medians of {' and '.join(f'{each:g}' for each in medians)} days"
        return ""


def reported(evidence: Evidence) -> list[ReportedRow]:
    """Read what rows report beside a hazard ratio."""
    names = [str(name) for name in evidence.data.data_vars]
    columns = {name: numbers_in(evidence, name) for name in names}
    return [
        _row({name: float(values[row]) for name, values in columns.items()})
        for row in range(evidence.size)
    ]


def _row(cells: Mapping[str, float]) -> ReportedRow:
    """Read one row."""

    def of(name: str) -> float:
        return cells.get(name, math.nan)

    faults: list[str] = []
    n = np.array([of("n_c"), of("n_t")])
    back = _back(of, n, faults)
    numbers: list[Report] = []
    counted = set() if back is None else set(back.day.tolist())
    for end in DATES:
        day = of(f"at{end}")
        for kind in ("risk_ratio", "odds_ratio"):
            ratio, se = of(f"{kind}{end}"), _error(of, kind, end)
            if not math.isfinite(ratio) or day in counted:
                continue
            if not (ratio > 0 and se > 0):
                faults.append(
                    f"{kind}{end} needs to be positive, with {kind}_se{end}, of its logarithm, or "
                    f"{kind}_low{end} and {kind}_high{end}, its interval of 95 %."
                )
            elif not day > 0:
                faults.append(f"{kind}{end} has no date; give at{end}, days.")
            else:
                share = of(f"share_c{end}")
                if math.isfinite(share) and not 0 < share < 1:
                    faults.append(
                        f"share_c{end} must lie between 0 and 1; give a share and not per cent, or none."
                    )
                elif kind == "risk_ratio" and ratio * math.exp(-2.0 * se) * share > 1:
                    faults.append(
                        f"risk_ratio{end} of {ratio:g} makes more than everybody of share_c{end}, {share:g}; "
                        "check both, and which arm comes first."
                    )
                elif 0 < share < 1:
                    n = _people(kind, ratio, se, share, n)
                    if kind == "risk_ratio" and ratio * share < 1 and _once(of, end):
                        back = Back(
                            np.array([day]), n[:, None] * share * [[1.0], [ratio]], n, ratio
                        )
                        continue
                    numbers.append(_share(share, n[0], day))
                elif kind == "odds_ratio":
                    faults.append(
                        f"odds_ratio{end} alone does not tell a hazard ratio where most people return: give "
                        f"share_c{end}, the share back without the programme by that day."
                    )
                elif se < SHARP:
                    faults.append(
                        f"risk_ratio{end} with an error of {se:g} says next to nothing of a hazard ratio, or "
                        f"all, as nearly everybody returns or not: give share_c{end}, the share back without "
                        "the programme by that day."
                    )
                numbers.append(Report(kind, math.log(ratio), se, day))
                counted.add(day)
        if day not in counted:
            numbers += _shares(of, end, day, faults)
    numbers += _medians(of, n, faults)
    numbers += _days(of, faults)
    arms = {each.arm for each in numbers}
    if back is None and len(arms) == 1 and {each.kind for each in numbers} <= OF_ARM and not faults:
        (arm,) = (ARMS[each] for each in arms)
        faults.append(
            f"what is told is of one arm (names that end in {arm}), which tells no effect; give the same of "
            "the other, or leave the row out."
        )
    return ReportedRow(back, tuple(numbers), n, tuple(faults), _disordered(of))


def _disordered(of: Reader) -> str:
    """Name a date that comes before the one of the columns to its left; empty where none does."""
    told = [(f"at{end}", of(f"at{end}")) for end in DATES if of(f"at{end}") > 0]
    for (name, day), (later, after) in itertools.pairwise(told):
        if after < day:
            return f"{later} of {after:g} days comes before {name} of {day:g}"
    return ""


def _people(kind: str, ratio: float, se: float, share: float, n: Array) -> Array:
    """Give the people of both arms; those that nobody tells follow from the error of a ratio of shares.

    100 where they do not: a ratio of risks may lead to a share beyond 1.
    """
    odds = ratio * share / (1.0 - share)
    other = ratio * share if kind == "risk_ratio" else odds / (1.0 + odds)
    told = n > 0
    if not 0 < other < 1 or (told.all() and kind != "risk_ratio"):
        return np.where(told, n, 100.0)
    shares = np.array([share, other])
    each = (1.0 - shares) / shares if kind == "risk_ratio" else 1.0 / (shares * (1.0 - shares))
    if told.all():
        # An error that is adjusted for clusters or covariates is that of fewer or more people.
        return n * float(np.sum(each / n)) / se**2
    left = se**2 - float(np.sum(each[told] / n[told]))
    missing = float(np.sum(each[~told])) / left if left > 0 else float(np.max(n[told]))
    return np.where(told, n, missing)


def _error(of: Reader, name: str, end: str = "") -> float:
    """Give the standard error of the logarithm of a ratio: as printed, or from the interval around it."""
    se, low, high = (of(f"{name}_{which}{end}") for which in ("se", "low", "high"))
    if se > 0 or not 0 < low < of(f"{name}{end}") < high:
        return se
    return math.log(high / low) / (2.0 * HALF)


def _once(of: Reader, end: str) -> bool:
    """Whether a ratio of shares is the only one of its row, and nobody was counted."""
    others = (
        f"{name}{other}" for other in DATES for name in ("risk_ratio", "odds_ratio", "events_t")
    )
    return not any(math.isfinite(of(name)) for name in others if name != f"risk_ratio{end}")


def _share(share: float, people: float, day: float) -> Report:
    """Take a share back without the programme, of so many people."""
    hazard = -math.log1p(-share)
    return Report(
        "share", math.log(hazard), math.sqrt(share / (people * (1.0 - share))) / hazard, day, 0
    )


def _shares(of: Reader, end: str, day: float, faults: list[str]) -> list[Report]:
    """Read shares back of both arms with their intervals, as complementary log-logs."""
    told = [
        [of(f"share{arm}{which}{end}") for which in ("", "_low", "_high")] for arm in reversed(ARMS)
    ]
    known = np.isfinite(told)
    if not known.all():
        # A share without the programme alone stands beside a ratio.
        if known[0].any() or known[1, 1:].all():
            faults.append(
                f"share_t{end} and share_c{end} say nothing of an effect without each other and their "
                f"intervals: give share_t_low{end}, share_t_high{end} and those of share_c, or events and "
                "people."
            )
        return []
    if not day > 0:
        faults.append(f"share_t{end} and share_c{end} have no date; give at{end}, days.")
        return []
    if any(not 0 < low < share < high < 1 for share, low, high in told):
        faults.append(
            f"share_t{end} and share_c{end} must lie between 0 and 1, inside their intervals; give shares "
            "and not per cent, or counts."
        )
        return []
    levels = np.log(-np.log1p(-np.array(told)))
    se = (levels[:, 2] - levels[:, 1]) / (2.0 * HALF)
    return [Report("back", levels[row, 0], se[row], day, arm) for row, arm in ((0, 1), (1, 0))]


def _back(of: Reader, n: Array, faults: list[str]) -> Back | None:
    """Read counts at dates."""
    days, events = [], []
    for end in DATES:
        some = np.array([of(f"events{arm}{end}") for arm in ARMS])
        if not np.isfinite(some).any():
            continue
        day = of(f"at{end}")
        if not np.all(np.isfinite(some) & np.isfinite(n)):
            faults.append(
                f"events of one arm only, or no n_t and n_c; give events{ARMS[1]}{end}, "
                f"n_t, events{ARMS[0]}{end}, n_c."
            )
        elif not np.all(n > 0):
            faults.append("an arm has no people; give n_t and n_c, or leave the row out.")
        elif not day > 0:
            faults.append(
                f"people back at work have no date: give at{end}, the day by which they were counted."
            )
        elif day in days:
            faults.append(f"at{end} is the date of other counts, {day:g}; give each date once.")
        elif np.any((some < 0) | (some > n) | (some != np.round(some)) | (n != np.round(n))):
            faults.append(f"events{end} must be whole numbers between 0 and the people of the arm.")
        else:
            days.append(day)
            events.append(some)
    if not days or faults:
        return None
    order = np.argsort(days)
    seen = np.array(events)[order].T
    if np.any(np.diff(seen, axis=1) < 0):
        faults.append(
            "fewer people are back at a later date: these are not first returns, some were absent again. "
            "Keep one date, and give excess_counts for what recurrence adds."
        )
        return None
    return Back(np.array(days)[order], seen, n)


def _medians(of: Reader, n: Array, faults: list[str]) -> list[Report]:
    """Read medians, quartiles and their ratio."""
    found: list[Report] = []
    for arm, end in enumerate(ARMS):
        median = of(f"median{end}")
        quartiles = [of(f"{name}{end}") for name in ("q1", "q3")]
        low, high = of(f"median{end}_low"), of(f"median{end}_high")
        if not math.isfinite(median):
            continue
        if not median > 0:
            faults.append(f"median{end} must be positive, in days; found {median:g}.")
            continue
        last = of("follow_up_days")
        last = last if math.isfinite(last) else of("follow_up_months") * MONTH
        told = [(f"median{end}", median), *zip((f"q1{end}", f"q3{end}"), quartiles, strict=True)]
        beyond = [each for each in told if each[1] > last + 1.0]
        if beyond:
            name, value = beyond[0]
            faults.append(
                f"{name} of {value:g} days lies beyond a follow-up of {last:.4g}; check both."
            )
            continue
        se = math.nan
        if low <= 0 or low >= median or high <= median:
            faults.append(
                f"median{end}_low and median{end}_high must be positive and hold median{end} between them."
            )
            continue
        if low < high:
            se = math.log(high / low) / (2.0 * HALF)
        elif not math.isfinite(n[arm]):
            faults.append(f"median{end} needs n{end}, or median{end}_low and median{end}_high.")
            continue
        found.append(Report("quantile", math.log(median), se, 0.5, arm))
        for share, value in zip((0.25, 0.75), quartiles, strict=True):
            if math.isfinite(value) and math.isfinite(n[arm]):
                if not value > 0 or (value < median) != (share < 0.5):
                    faults.append(
                        f"quartiles{end} must be positive and hold the median between them."
                    )
                    break
                found.append(Report("quantile", math.log(value), math.nan, share, arm))
    ratio, se = of("median_ratio"), _error(of, "median_ratio")
    # Beside both medians their ratio is nothing new; beside one it tells the other.
    if math.isfinite(ratio) and len({each.arm for each in found}) < 2:
        if ratio > 0 and se > 0:
            found.append(Report("median_ratio", math.log(ratio), se, 0.5))
        else:
            faults.append(
                "median_ratio needs to be positive, with median_ratio_se, of its logarithm, or "
                "median_ratio_low and median_ratio_high, its interval of 95 %."
            )
    return found


def _days(of: Reader, faults: list[str]) -> list[Report]:
    """Read mean days of absence up to a horizon."""
    horizon, found = of("horizon"), list[Report]()
    told = [(f"days{end}", f"days{end}_se", arm) for arm, end in enumerate(ARMS)]
    if math.isfinite(of("days_difference")):
        if not math.isfinite(of("days_c")):
            faults.append(
                "days_difference says little without what it is a difference from: give days_c as well, the "
                "mean days without the programme."
            )
            return found
        told[1] = ("days_difference", "days_difference_se", 1)
    for name, spread, arm in told:
        value, se, n = of(name), of(spread), of("n" + ARMS[arm])
        if not math.isfinite(value):
            continue
        if not se > 0 and n > 0:
            se = of(f"{name}_sd") / math.sqrt(n)
        if not horizon > 0:
            faults.append(
                f"{name} has no horizon: give the days over which absence was counted, e.g. 365."
            )
            break
        if not se > 0 and (name != "days_c" or not n > 0):
            faults.append(f"{name} needs {spread}, its standard error, or {name}_sd and people.")
            break
        least = -horizon if name == "days_difference" else 0.0
        if not least < value < horizon:
            faults.append(
                f"{name} of {value:g} cannot be over a horizon of {horizon:g} days; check both, and the unit."
            )
            break
        error = se if se > 0 else math.nan
        if name == "days_difference":
            found.append(Report(name, value, error, horizon))
        else:
            share = value / horizon
            odds = math.log(share / (1.0 - share)), error / (horizon * share * (1.0 - share))
            found.append(Report("days", *odds, horizon, arm))
    return found
