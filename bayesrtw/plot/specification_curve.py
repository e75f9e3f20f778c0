"""Specification curve: every way the analysis was tried, sorted by result, with its choices beneath.

After Simonsohn, Simmons & Nelson (2020), doi:10.1038/s41562-020-0912-z. arviz-plots has no such picture.
"""

from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Final

import numpy as np
from matplotlib.axes import Axes
from matplotlib.transforms import blended_transform_factory
from numpy.typing import NDArray

from bayesrtw.analysis.sensitivity import (
    FAMILIES,
    HISTORY,
    REGISTERED,
    STUDIES,
    Panel,
    families_as,
    known_as,
)
from bayesrtw.errors import SpecError
from bayesrtw.plot.figure import BLUE, FAINT, INK, QUIET, SKY, VERMILLION
from bayesrtw.plot.frame import (
    COLUMN_MM,
    MOST_HEIGHT,
    PAD,
    Frame,
    Side,
    Tailored,
    draw_tailored,
    points_from_corner,
    write,
)
from bayesrtw.plot.interval_table import numbers, require
from bayesrtw.plot.lettering import one_line, shorten, type_for
from bayesrtw.plot.rows import Interval, spell_interval
from bayesrtw.plot.scale import limits
from bayesrtw.plot.strip import DOTS, Sample
from bayesrtw.plot.subject import Source, Subject, subject_of
from bayesrtw.plot.verbs import verbs
from bayesrtw.printed import spell_probability

if TYPE_CHECKING:
    import pandas as pd

#: Columns of figures; every other column of a table is a choice.
NEEDED: Final = ("median", "lower", "upper", "probability")
FIGURES: Final = frozenset(
    {*NEEDED, "mean", "sd", "new_lower", "new_upper", "tau", "log_evidence", "elpd", "estimates"}
)

#: A kind of choice with more options than these is one line of the matrix.
MOST_OPTIONS: Final = 9

#: Height of a line of the matrix, and of the blank above it, in points.
ROW, ABOVE = 9.0, 6.0

#: Height of the axes as a share of the whole width: names take their room from the width alone.
HEIGHT: Final = 0.4

#: Names take at most this share of the width.
NAME_SHARE: Final = 0.42

#: Names of marks: ids in an SVG.
MEDIANS: Final = "specifications"


@dataclass(frozen=True, slots=True)
class _Content:
    """Specifications sorted by median; choices by line of the matrix."""

    subject: Subject
    runs: NDArray[np.float64]
    probability: NDArray[np.float64]
    registered: int | None
    lines: tuple[tuple[str, NDArray[np.bool_] | None], ...]

    def describe(self) -> str:
        """Put the plot in words."""
        first, rest = self.said()
        return f"{first} {rest}"

    def said(self) -> tuple[str, str]:
        """Say what the plot is, and what it shows."""
        measure = self.subject.measure
        places = measure.places(self.runs[:, 1], self.runs[:, 2])
        ends = [
            spell_interval(Interval(*(float(v) for v in self.runs[place])), measure, places)
            for place in (0, -1)
        ]
        chances = [
            spell_probability(float(p)) for p in (self.probability.min(), self.probability.max())
        ]
        title = (
            f"Specification curve of {len(self.runs)} specifications ({measure.title.lower()}), sorted: "
            f"from {ends[0]} to {ends[1]}."
        )
        direction = self.subject.direction
        said = ""
        if direction.event:
            said = f"The probability {direction.said} lies between {chances[0]} and {chances[1]}."
        if self.registered is not None:
            it = Interval(*(float(v) for v in self.runs[self.registered]))
            said += f" Registered: {spell_interval(it, measure, places)}."
        return title, said


def _tailored(panel: "Panel | pd.DataFrame", source: Source, *, registered: str = "") -> Tailored:
    """Draw all specifications sorted by their result, and beneath them what was chosen in each.

    Parameters
    ----------
    panel
        What `bayesrtw.analysis.sensitivity.sensitivity` returned: every specification differs from the
        registered one in one respect. Or a table with one row a specification: ``median, lower, upper,
        probability`` on the analysis scale, and any columns of text as the choices.
    source
        The synthesis, tree or evidence that it is about: says scale, direction of benefit and caveat.
    registered
        Index of the registered specification in a table.

    Returns
    -------
    Tailored
        Across the rank, from 0; upwards effects on the reported scale.
    """
    content = _read(panel, subject_of(source), registered)
    return Tailored(content.describe(), partial(_laid, content))


def _laid(content: _Content, room: float) -> Frame:
    """Lay specifications out for a width."""
    subject, runs = content.subject, content.runs
    low, high = limits(
        runs[:, 1],
        runs[:, 2],
        pooled=np.zeros(0),
        levels=np.zeros(0),
        new=np.zeros(0),
        measure=subject.measure,
    )
    face = type_for(room).body
    names = tuple(shorten(name, NAME_SHARE * room, face) for name, _ in content.lines)
    legend = [
        (Sample(BLUE, 1.0, "o", 3.5), "specification, 95% interval"),
        (Sample(INK, marker="s", size=3.0), "chosen"),
    ]
    if content.registered is not None:
        legend.insert(1, (Sample(VERMILLION, 1.4, "D", 4.5), "registered"))
    frame = Frame(
        kind="Specification curve",
        described=content.describe(),
        x=Side("", -0.8, len(runs) - 0.2, bare=True),
        y=Side(subject.axis_title, low, high, subject.measure, subject.direction),
        height=0.55,
        legend=tuple(legend),
        notes=(*content.said()[1:], *subject.means),
        caveat=subject.caveat,
        up=min(HEIGHT * room, MOST_HEIGHT),
        reserve=ABOVE + ROW * len(names),
        names=names,
    )

    def paint(axes: Axes) -> None:
        axes.spines["bottom"].set_visible(False)
        axes.axhline(subject.measure.null, color=INK, linewidth=0.6, zorder=1)
        _curve(axes, content, (low, high))
        _matrix(axes, content, names, room)

    return replace(frame, paint=paint)


def _curve(axes: Axes, content: _Content, ends: tuple[float, float]) -> None:
    """Draw the specifications, and the registered one over them."""
    back, runs = content.subject.measure.back, content.runs
    rank = np.arange(len(runs), dtype=np.float64)
    lower, upper = (back(np.clip(runs[:, column], *ends)) for column in (1, 2))
    thin = float(np.clip(90.0 / len(runs), 0.7, 1.6))
    axes.vlines(rank, lower, upper, color=SKY, linewidth=thin, zorder=2)
    axes.scatter(
        rank, back(runs[:, 0]), s=(2.2 + thin) ** 2, color=BLUE, linewidths=0, zorder=3, gid=MEDIANS
    )
    if content.registered is not None:
        at = content.registered
        value = float(back(runs[at, 0]))
        axes.axhline(value, color=VERMILLION, linewidth=0.6, linestyle=DOTS, zorder=1)
        axes.vlines([rank[at]], lower[at], upper[at], color=VERMILLION, linewidth=1.4, zorder=4)
        axes.plot(
            rank[at], value, "D", color=VERMILLION, markersize=4.5, markeredgewidth=0, zorder=5
        )


def _matrix(axes: Axes, content: _Content, names: tuple[str, ...], room: float) -> None:
    """Mark beneath each specification what was chosen."""
    points = points_from_corner(axes)
    mixed = blended_transform_factory(axes.transData, points)
    face = type_for(room).body
    count = len(content.runs)
    side = float(np.clip(110.0 / count, 1.4, 4.0))
    for place, (_, chosen) in enumerate(content.lines):
        y = -ABOVE - ROW * (place + 0.5)
        color = INK if chosen is None else QUIET
        write(axes, (-PAD, y), names[place], face, points, ha="right", color=color)
        if chosen is None:
            continue
        axes.plot(
            [-0.5, count - 0.5],
            [y, y],
            color=FAINT,
            linewidth=0.3,
            transform=mixed,
            clip_on=False,
            zorder=1,
        )
        at = np.flatnonzero(chosen)
        axes.plot(
            at,
            np.full(len(at), y),
            "s",
            color=INK,
            markersize=side,
            markeredgewidth=0,
            transform=mixed,
            clip_on=False,
            zorder=3,
        )


def _read(panel: "Panel | pd.DataFrame", subject: Subject, registered: str) -> _Content:
    if isinstance(panel, Panel):
        runs, names, choices, first = _of_panel(panel)
    else:
        runs, names, choices, first = _of_table(panel, registered)
    usable = np.isfinite(runs[:, :3]).all(axis=1)  # of one group there is no probability
    if not usable.any():
        raise SpecError("specification curve: no specification has an interval.")
    kept = np.flatnonzero(usable)
    order = kept[np.argsort(runs[kept, 0], kind="stable")]
    at = [place for place, row in enumerate(order) if row == first]
    return _Content(
        subject,
        runs[order, :3],
        runs[order, 3],
        at[0] if at else None,
        tuple(_lines([choices[row] for row in order], names)),
    )


def _of_panel(
    panel: Panel,
) -> tuple[NDArray[np.float64], list[str], list[dict[str, str]], int | None]:
    """Rows of every table but the cumulative one, which is history; the registered result once."""
    runs: list[NDArray[np.float64]] = []
    choices: list[dict[str, str]] = []
    first: int | None = None
    names = [heading for heading in panel.tables if heading != HISTORY]
    rows = panel.about.evidence
    named = {STUDIES: known_as(rows), FAMILIES: families_as(rows)}
    for heading in names:
        table, known = panel.tables[heading], named.get(heading, {})
        require(table, NEEDED, heading)
        values = np.column_stack([numbers(table, column) for column in NEEDED])
        for name, value in zip(table.index, values, strict=True):
            if str(name) in REGISTERED:
                if first is not None:
                    continue
                first = len(runs)
                choices.append({})
            else:
                choices.append({heading: one_line(known.get(str(name), str(name)))})
            runs.append(value)
    return np.array(runs).reshape(-1, 4), names, choices, first


def _of_table(
    table: "pd.DataFrame", registered: str
) -> tuple[NDArray[np.float64], list[str], list[dict[str, str]], int | None]:
    require(table, NEEDED, "Specification curve")
    names = [str(name) for name in table.columns if str(name) not in FIGURES]
    values = np.column_stack([numbers(table, column) for column in NEEDED])
    columns = {name: [one_line(str(value)) for value in table[name]] for name in names}
    choices = [{name: columns[name][row] for name in names} for row in range(len(table))]
    first = [row for row, name in enumerate(table.index) if registered and str(name) == registered]
    return values, names, choices, first[0] if first else None


def _lines(
    choices: list[dict[str, str]], names: list[str]
) -> list[tuple[str, NDArray[np.bool_] | None]]:
    """Lines of the matrix: options under the heading of their kind, or one line for many options."""
    found: list[tuple[str, NDArray[np.bool_] | None]] = []
    for name in names:
        options = list(dict.fromkeys(each[name] for each in choices if name in each))
        heading = one_line(name.replace("_", " "))
        heading = heading[:1].upper() + heading[1:]
        if len(options) > MOST_OPTIONS or len(options) < 2:
            found.append((heading, np.array([name in each for each in choices])))
            continue
        found.append((heading, None))
        found += [
            (option.replace("_", " "), np.array([each.get(name) == option for each in choices]))
            for option in sorted(options)
        ]
    return found


plot_specification_curve, describe_specification_curve = verbs(
    _tailored, draw_tailored, width_mm=COLUMN_MM
)
