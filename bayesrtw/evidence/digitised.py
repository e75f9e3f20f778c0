"""Curves that were read from a figure, as the people who may be behind them.

The algorithm is that of Guyot and others: within each interval between numbers at risk, people who are lost
are spread evenly, returns follow from the steps of the curve, and how many are lost is changed until the
next number at risk is met. [1]_

References
----------
.. [1] Guyot P, Ades AE, Ouwens MJNM, Welton NJ (2012). BMC Med Res Methodol 12:9. doi:10.1186/1471-2288-12-9
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from bayesrtw.errors import EvidenceError, Faults

if TYPE_CHECKING:
    import pandas as pd

Array = NDArray[np.float64]

#: Times that the number of lost people of an interval is changed.
TURNS: Final = 100
#: Share of the people by which numbers at risk may stand above the curve: what reading a figure costs.
READ: Final = 0.02


class _Stretch(NamedTuple):
    """One interval: returns and losses by point of the curve, people left, and the curve that they make."""

    back: list[int]
    lost: list[int]
    left: int
    curve: float


def people_behind(
    day: Sequence[float] | Array,
    left: Sequence[float] | Array,
    *,
    people: int,
    risk_day: Sequence[float] | Array = (),
    at_risk: Sequence[float] | Array = (),
    events: int | None = None,
) -> "pd.DataFrame":
    """Give individual times that make a Kaplan-Meier curve which was read from a figure.

    Parameters
    ----------
    day, left
        Points of the curve of one arm: days, ascending, and the share not yet back at work by each, in
        [0, 1]; of a curve that rises, one minus it. One point at least for every step; more do no harm.
    people
        How many there were at day 0.
    risk_day, at_risk
        Days of the numbers at risk under the figure, and these numbers; may be empty. Without them nobody is
        taken to be lost before the end, unless `events` says so.
    events
        How many returned in all, if the paper says it.

    Returns
    -------
    DataFrame
        One row a person: ``day``, and ``back``, 1 for a return and 0 for the end of follow-up. Both arms
        below one another are what `Evidence.from_survival` takes. They are no data: nothing can be adjusted
        for, and single people mean nothing.

    Raises
    ------
    EvidenceError
        If the curve rises, days are not in order, numbers at risk grow, or are more than the curve leaves;
        every fault is named at once.

    References
    ----------
    .. [1] Guyot P, Ades AE, Ouwens MJNM, Welton NJ (2012). BMC Med Res Methodol 12:9.
       doi:10.1186/1471-2288-12-9

    Examples
    --------
    >>> found = people_behind([10, 20, 40], [0.9, 0.6, 0.4], people=10, risk_day=[0, 30], at_risk=[10, 5])
    >>> int(found["back"].sum()), len(found)
    (5, 10)
    """
    import pandas as pd  # noqa: PLC0415

    days, share = np.asarray(day, dtype=np.float64), np.asarray(left, dtype=np.float64)
    start, number = (
        np.asarray(risk_day, dtype=np.float64),
        np.asarray(at_risk, dtype=np.float64),
    )
    _check(days, share, people, start, number, events)
    if not len(start) or start[0] > 0:
        start, number = np.r_[0.0, start], np.r_[float(people), number]
    kept = start <= days[-1]
    start, number = start[kept], number[kept]
    days, share = _stepped(days, share, start)
    first = np.searchsorted(days, start)
    ends = np.r_[start[1:], days[-1]]
    place = [slice(a, b) for a, b in zip(first, [*first[1:], len(days)], strict=True)]
    n, curve, lost_so_far = people, 1.0, 0
    times, back = list[float](), list[int]()
    for turn, own in enumerate(place):
        last = turn == len(place) - 1
        if last:
            returned = int(np.sum(back))
            found = _last(
                days[own], share[own], n, curve, _rate(start, lost_so_far), events, returned
            )
        else:
            found = _until(days[own], share[own], n, curve, float(ends[turn]), number[turn + 1])
        stops = np.r_[days[own][1:], ends[turn]]
        for at, stop, event, gone in zip(days[own], stops, found.back, found.lost, strict=True):
            times += [float(at)] * event + [0.5 * float(at + stop)] * gone
            back += [1] * event + [0] * gone
        n, curve, lost_so_far = found.left, found.curve, lost_so_far + sum(found.lost)
    times += [float(days[-1])] * n
    back += [0] * n
    return pd.DataFrame({"day": times, "back": back})


def _check(
    day: Array, left: Array, people: int, start: Array, number: Array, events: int | None
) -> None:
    """Name everything that cannot be a curve with its numbers at risk."""
    faults = Faults(EvidenceError)
    if day.shape != left.shape or day.ndim != 1 or not len(day):
        raise EvidenceError(
            f"curve: there are {day.size} days and {left.size} shares; give one share a day, and some."
        )
    if not (np.isfinite(day).all() and np.isfinite(left).all()):
        faults.add("curve: a day or share is missing; leave out points that could not be read.")
    if np.any(day < 0) or np.any(np.diff(day) < 0):
        where = day[np.flatnonzero((day < 0) | np.r_[False, np.diff(day) < 0])[0]]
        faults.add(
            f"curve: day {where:g} comes after a later one, or is negative; days must ascend: sort them."
        )
    if np.any((left < 0) | (left > 1)):
        faults.add(
            f"curve: found the share {left[(left < 0) | (left > 1)][0]:g}; shares not yet back lie between "
            "0 and 1: divide per cent by 100."
        )
    rises = np.flatnonzero(np.diff(left) > 0)
    if len(rises):
        at = int(rises[0])
        faults.add(
            f"curve: the share not yet back rises from {left[at]:g} to {left[at + 1]:g} at day "
            f"{day[at + 1]:g}; people who are back stay so. Read the point again or, "
            "where the figure shows shares back, give one minus them."
        )
    if people < 1 or people % 1:
        faults.add(f"curve: people is {people!r}; give a whole number, 1 or more.")
    if start.shape != number.shape:
        faults.add(
            f"numbers at risk: there are {start.size} days and {number.size} numbers; give one a day."
        )
    elif len(start):
        _check_risk(day, left, people, start, number, faults)
    if events is not None and not 0 <= events <= people:
        faults.add(f"events is {events!r}; at most all of the {people} people return.")
    faults.raise_if_any()


def _check_risk(
    day: Array, left: Array, people: int, start: Array, number: Array, faults: Faults
) -> None:
    """Name what is wrong with numbers at risk."""
    if np.any(np.diff(start) <= 0) or start[0] < 0:
        faults.add("numbers at risk: their days must ascend from 0 on; sort them.")
        return
    if np.any(number < 0) or np.any(number != np.round(number)):
        faults.add("numbers at risk must be whole numbers, 0 or more.")
    grows = np.flatnonzero(np.diff(number) > 0)
    if len(grows):
        at = int(grows[0])
        faults.add(
            f"numbers at risk grow from {number[at]:g} to {number[at + 1]:g} at day {start[at + 1]:g}; "
            "nobody joins later. Read them again."
        )
    if start[0] == 0 and number[0] != people:
        faults.add(f"numbers at risk begin with {number[0]:g} at day 0, and people is {people}.")
    before = np.searchsorted(day, start, side="left") - 1
    most = people * np.where(before >= 0, left[np.maximum(before, 0)], 1.0)
    beyond = np.flatnonzero(number > most + READ * people + 1.0)
    if len(beyond):
        at = int(beyond[0])
        faults.add(
            f"numbers at risk: {number[at]:g} at day {start[at]:g}, where the curve leaves at most "
            f"{most[at]:.0f} of {people}; read both again, and check that they are of the same arm."
        )


def _stepped(day: Array, left: Array, start: Array) -> tuple[Array, Array]:
    """Add day 0 and the days of numbers at risk to a curve of steps; one point a day, the lowest."""
    day, left = np.r_[0.0, day], np.r_[1.0, left]
    days = np.unique(np.r_[day, start])
    return days, left[np.searchsorted(day, days, side="right") - 1]


def _stretch(day: Array, left: Array, n: int, curve: float, end: float, lost: int) -> _Stretch:
    """Let some people be lost evenly between the first day and an end, and returns follow from the curve."""
    gone = day[0] + (end - day[0]) * np.arange(1, lost + 1) / (lost + 1.0)
    which = np.searchsorted(day, gone, side="right") - 1
    losses = np.bincount(which, minlength=len(day))
    back, dropped = [], []
    for share, some in zip(left.tolist(), losses.tolist(), strict=True):
        events = min(max(round(n * (1.0 - share / curve)), 0), n) if curve > 0 and n else 0
        if events:
            curve *= 1.0 - events / n
        n -= events
        back.append(events)
        dropped.append(min(some, n))
        n -= dropped[-1]
    return _Stretch(back, dropped, n, curve)


def _until(day: Array, left: Array, n: int, curve: float, end: float, number: float) -> _Stretch:
    """Change how many are lost until the next number at risk is met, or nobody is lost."""
    lost = max(round(n * (float(left[-1]) / curve if curve > 0 else 0.0) - number), 0)
    best = _stretch(day, left, n, curve, end, lost)
    for _ in range(TURNS):
        miss = best.left - number
        lost = min(max(lost + round(miss), 0), n)
        found = _stretch(day, left, n, curve, end, lost)
        if abs(found.left - number) >= abs(miss):
            break
        best = found
    return best


def _rate(start: Array, lost: int) -> float:
    """People lost a day up to the last number at risk."""
    return lost / float(start[-1]) if start[-1] > 0 else 0.0


def _last(
    day: Array, left: Array, n: int, curve: float, rate: float, events: int | None, returned: int
) -> _Stretch:
    """After the last number at risk, people are lost as before, or so that returns add up to their number."""
    end = float(day[-1])
    lost = min(round(rate * (end - float(day[0]))), n)
    best = _stretch(day, left, n, curve, end, lost)
    if events is None:
        return best
    for _ in range(TURNS):
        miss = returned + sum(best.back) - events
        lost = min(max(lost + miss, 0), n)
        found = _stretch(day, left, n, curve, end, lost)
        if abs(returned + sum(found.back) - events) >= abs(miss):
            break
        best = found
    return best
