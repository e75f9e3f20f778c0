"""History of a living analysis: what each dated run concluded.

arviz-plots has no such picture.
"""

import datetime as dt
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Final

import numpy as np
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from bayesrtw.analysis.conclusion import CLASSES, IMPORTANT
from bayesrtw.errors import SpecError
from bayesrtw.plot.figure import BLUE, INK, QUIET, VERMILLION
from bayesrtw.plot.frame import COLUMN_MM, EDGE, Frame, Side, Tailored, draw_tailored
from bayesrtw.plot.interval_table import numbers, require
from bayesrtw.plot.lettering import one_line, type_for, width
from bayesrtw.plot.rows import Interval, spell_interval
from bayesrtw.plot.scale import limits
from bayesrtw.plot.strip import Sample
from bayesrtw.plot.subject import Source, Subject, subject_of
from bayesrtw.plot.verbs import verbs

if TYPE_CHECKING:
    import pandas as pd

#: Columns of a table of runs, effects on the analysis scale.
NEEDED: Final = ("date", "median", "lower", "upper", "class", "studies")

#: Marks of the classes of a conclusion, best first: pointing up for benefit, down for harm, open where
#: it is merely more likely than not.
_MARKS: Final = (
    Sample(BLUE, marker="^", size=5.0),
    Sample(BLUE, marker="^", size=5.0, hollow=True),
    Sample(QUIET, marker="o", size=4.5),
    Sample(VERMILLION, marker="v", size=5.0, hollow=True),
    Sample(VERMILLION, marker="v", size=5.0),
)

#: Mark of a class that this version does not know.
_OTHER: Final = Sample(INK, marker="s", size=4.0)

#: Changes of the conclusion that are put in words.
MOST_TURNS: Final = 5

#: Name of the line that joins the medians: id in an SVG.
MEDIANS: Final = "medians"


def _tailored(table: "pd.DataFrame", source: Source, *, ci_prob: float = 0.95) -> Tailored:
    """Draw the results of dated runs of one analysis.

    Parameters
    ----------
    table
        One row a run: ``date`` (dates, or text as 2026-11-24), ``median, lower, upper`` on the analysis
        scale, ``class`` (the conclusion in words) and ``studies`` (how many were pooled).
    source
        The synthesis, tree or evidence that it is about: says scale, direction of benefit and caveat.
    ci_prob
        Probability of the table's intervals.

    Returns
    -------
    Tailored
        Across days since 1970, upwards effects on the reported scale.
    """
    days, runs = _read(table)
    subject = subject_of(source)
    told = _told(table, days, runs, subject, ci_prob)
    return Tailored(told, partial(_laid, table, subject, ci_prob, told))


def _laid(table: "pd.DataFrame", subject: Subject, ci_prob: float, told: str, room: float) -> Frame:
    """Lay runs out for a width."""
    days, runs = _read(table)
    back = subject.measure.back
    median, lower, upper = runs.T
    low, high = limits(
        lower,
        upper,
        pooled=np.zeros(0),
        levels=np.zeros(0),
        new=np.zeros(0),
        measure=subject.measure,
    )
    words = [one_line(str(word)) for word in table["class"]]
    marks = _marks(words)
    margin = max(0.04 * float(np.ptp(days)), 3.0)
    ends = float(days[0]) - margin, float(days[-1]) + margin
    counts = tuple(
        (float(day), f"{count:g}")
        for day, count in zip(days, numbers(table, "studies"), strict=True)
    )
    values, labels = _dates(ends, 0.72 * room - 2 * EDGE, room)
    percent = f"{100 * ci_prob:g}%"
    frame = Frame(
        kind="History of a living analysis",
        described=told,
        x=Side("Date of the run", *ends, values=tuple(values), labels=tuple(labels)),
        y=Side(subject.axis_title, low, high, subject.measure, subject.direction),
        height=0.6,
        legend=(
            (Sample(INK, 0.8), f"median and {percent} interval"),
            *((mark, word) for word, mark in marks.items()),
        ),
        caveat=subject.caveat,
        beneath=(("Studies", counts),),
    )

    def paint(axes: Axes) -> None:
        axes.axhline(subject.measure.null, color=INK, linewidth=0.6, zorder=1)
        axes.vlines(
            days,
            back(np.clip(lower, low, high)),
            back(np.clip(upper, low, high)),
            color=INK,
            linewidth=0.8,
            zorder=2,
        )
        axes.plot(days, back(median), color=QUIET, linewidth=0.6, gid=MEDIANS, zorder=1.5)
        for day, value, word in zip(days, back(median), words, strict=True):
            axes.add_line(_mark(marks[word], float(day), float(value)))

    return replace(frame, paint=paint)


def _told(
    table: "pd.DataFrame", days: np.ndarray, runs: np.ndarray, subject: Subject, ci_prob: float
) -> str:
    """Say the first run, the last one, and the latest changes of the conclusion."""
    words = [one_line(str(word)) for word in table["class"]]
    places = subject.measure.places(runs[:, 1], runs[:, 2])

    def said(place: int) -> str:
        date = dt.date.fromordinal(int(days[place]) + _EPOCH).isoformat()
        effect = spell_interval(Interval(*(float(v) for v in runs[place])), subject.measure, places)
        return f"{date}, {numbers(table, 'studies')[place]:g} studies: {effect}, {words[place]}"

    turns = [place for place in range(1, len(words) - 1) if words[place] != words[place - 1]]
    shown = dict.fromkeys([0, *turns[-MOST_TURNS:], len(words) - 1])
    listed = "; ".join(said(place) for place in shown)
    return (
        f"History of {len(words)} runs ({subject.measure.title.lower()}, {100 * ci_prob:g}% intervals). "
        f"First, last and latest changes of the conclusion: {listed}."
    )


#: Days since 1970 begin here.
_EPOCH: Final = dt.date(1970, 1, 1).toordinal()


def _read(table: "pd.DataFrame") -> tuple[np.ndarray, np.ndarray]:
    """Days since 1970, and median and interval, shape (run,) and (run, 3); dates must not go back."""
    require(table, NEEDED, "History")
    days = []
    for value in table["date"]:
        try:
            text = value.isoformat() if isinstance(value, dt.date) else str(value)
            days.append(dt.date.fromisoformat(text[:10]).toordinal() - _EPOCH)
        except ValueError as error:
            raise SpecError(f"history: date is {value!r}; write a date as 2026-11-24.") from error
    found = np.array(days, dtype=np.float64)
    if np.any(np.diff(found) < 0):
        raise SpecError("history: dates go back; sort the table by date.")
    runs = np.column_stack([numbers(table, name) for name in ("median", "lower", "upper")])
    if not np.isfinite(runs).all():
        raise SpecError("history: a run has no median or interval; leave it out.")
    return found, runs


def _marks(words: Sequence[str]) -> dict[str, Sample]:
    """Give each class its mark, best first."""
    known = {
        name: mark
        for classes in (CLASSES, IMPORTANT)
        for name, mark in zip(classes, _MARKS, strict=True)
    }
    found = {name: mark for name, mark in known.items() if name in words}
    return {**found, **{word: _OTHER for word in words if word not in known}}


def _mark(sample: Sample, x: float, y: float) -> Line2D:
    return Line2D(
        [x],
        [y],
        marker=sample.marker,
        markersize=sample.size,
        markerfacecolor="white" if sample.hollow else sample.color,
        markeredgecolor=sample.color,
        markeredgewidth=0.8 if sample.hollow else 0.0,
        linestyle="none",
        zorder=3,
    )


def _dates(ends: tuple[float, float], length: float, room: float) -> tuple[list[float], list[str]]:
    """Choose round dates whose labels stand apart: years, quarters, months, or days of a month."""
    face = type_for(room).body
    best: tuple[list[float], list[str]] = ([], [])
    first, last = (dt.date.fromordinal(int(np.ceil(end)) + _EPOCH) for end in ends)
    for dates, form in _families(first, last):
        kept = [date for date in dates if first <= date < last]
        days = [float(date.toordinal() - _EPOCH) for date in kept]
        labels = [date.strftime(form) for date in kept]
        at = (np.array(days) - ends[0]) / (ends[1] - ends[0]) * length
        half = np.array([width(label, face) for label in labels]) / 2
        apart = np.all(np.diff(at) >= half[1:] + half[:-1] + 7.0)
        if days and apart and abs(len(days) - 5) < abs(len(best[0]) - 5):
            best = days, labels
    if not best[0]:
        middle = float(np.round(sum(ends) / 2))
        date = dt.date.fromordinal(int(middle) + _EPOCH)
        best = [middle], [date.isoformat()]
    return best


def _families(first: dt.date, last: dt.date) -> Iterator[tuple[list[dt.date], str]]:
    """Families of round dates, coarsest first."""
    years = range(first.year, last.year + 1)
    for step in (10, 5, 2, 1):
        yield [dt.date(year, 1, 1) for year in years if year % step == 0], "%Y"
    if len(years) <= 12:
        for step in (6, 3, 1):
            yield [dt.date(y, m, 1) for y in years for m in range(1, 13, step)], "%Y-%m"
    if (last - first).days <= 100:
        for days in ((1, 15), (1, 8, 15, 22)):
            yield [dt.date(y, m, d) for y in years for m in range(1, 13) for d in days], "%Y-%m-%d"


plot_history, describe_history = verbs(_tailored, draw_tailored, width_mm=COLUMN_MM)
