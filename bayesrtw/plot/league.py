"""A league table as a picture: every treatment against every other, shaded by which is better.

arviz-plots has no such picture. A cell is read as the treatment of its row against that of its column; blue
says that the first is better, vermillion that the second is, and the deeper the more probable.
"""

import math
from dataclasses import replace
from functools import partial
from typing import Final

from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.patches import Rectangle

from bayesrtw.plot.figure import BLUE, FAINT, INK, VERMILLION
from bayesrtw.plot.frame import (
    EDGE,
    Frame,
    Side,
    Tailored,
    draw_tailored,
    points_a_pixel,
    points_from_corner,
    write,
)
from bayesrtw.plot.lettering import HINTED, Face, one_line, shorten, type_for, width
from bayesrtw.plot.strip import Sample
from bayesrtw.plot.subject import subject_of
from bayesrtw.plot.verbs import verbs
from bayesrtw.question.league import League

#: Height of a row in points with one line in a cell, and with two; names take at most this share.
ROW, TALL, NAME_SHARE = 16.0, 25.0, 0.32

#: Most of a colour: dark type stays readable on it.
DEEPEST: Final = 0.62

_SHADES: Final = LinearSegmentedColormap.from_list("better", [VERMILLION, "white", BLUE])


def _tailored(league: League) -> Tailored:
    """Draw a league table.

    Parameters
    ----------
    league
        What `bayesrtw.network.league` returned.

    Returns
    -------
    Tailored
        Across the number of the column's treatment, downwards that of the row's, from 0.
    """
    return Tailored(league.describe(), partial(_laid, league))


def _laid(league: League, room: float) -> Frame:
    """Lay a league table out for a width."""
    count, subject = len(league.names), subject_of(league.about)
    face = type_for(room).body
    numbered = [f"{place + 1}  {one_line(name)}" for place, name in enumerate(league.names)]
    labels = [shorten(name, NAME_SHARE * room, face) for name in numbered]
    across = (room - max(width(label, face) for label in labels) - 2 * EDGE - 11.0) / count
    cells = league.cells.to_numpy()
    every = [_lines(str(cell)) for cell in cells.reshape(-1)]
    tall = all(_fits(lines, across, face) for lines in every)
    plain = all(_fits(lines[:1], across, face) for lines in every)
    direction = subject.direction
    better = "better" if direction.benefit else "above"
    legend = (
        (Sample(_shade(0.95), area=True), f"row's treatment {better}"),
        (Sample(_shade(0.05), area=True), f"column's treatment {better}"),
    )
    unit = f" ({subject.unit})" if subject.unit else ""
    what = f"{subject.measure.title}{unit} of the row's treatment against the column's"
    left = "intervals" if plain else "numbers"
    told = f"{100 * league.ci_prob:g} % intervals" if tall else f"{left}: see the table"
    notes = (f"{what}; {told}. The deeper the colour, the nearer {league.said} is to 0 or 1.",)
    frame = Frame(
        kind="League table",
        described=league.describe(),
        x=Side("", -0.5, count - 0.5, bare=True),
        y=Side("", count - 0.5, -0.5, values=tuple(range(count)), labels=tuple(labels)),
        height=1.0,
        up=(TALL if tall else ROW) * count,
        legend=legend,
        notes=notes,
        caveat=subject.caveat,
    )

    def paint(axes: Axes) -> None:
        for name in ("left", "bottom"):
            axes.spines[name].set_visible(False)
        axes.tick_params(axis="y", length=0)
        chances = league.better.to_numpy()
        for row in range(count):
            for column in range(count):
                same = row == column
                color = FAINT if same else _shade(float(chances[row, column]))
                corner = column - 0.5, row - 0.5
                axes.add_patch(Rectangle(corner, 1, 1, facecolor=color, edgecolor="white"))
                if plain and not same:
                    _cell(axes, (column, row), str(cells[row, column]), face, tall=tall)
        points, scale = points_from_corner(axes), points_a_pixel(axes)
        wide, high = float(axes.bbox.width) * scale, float(axes.bbox.height) * scale
        # Of very many columns every second or third has its number.
        step = math.ceil((width(f"{count}", face) / HINTED + 3.0) * count / wide)
        for place in range(0, count, step):
            x = (place + 0.5) / count * wide
            write(axes, (x, high + 4.0), f"{place + 1}", face, points, ha="center")

    return replace(frame, paint=paint)


def _shade(chance: float) -> str:
    """Colour of a probability of being better, which is no deeper than type on it can stand."""
    red, green, blue, _ = _SHADES(0.5 + DEEPEST * (chance - 0.5))
    return f"#{round(255 * red):02x}{round(255 * green):02x}{round(255 * blue):02x}"


def _fits(lines: list[str], room: float, face: Face) -> bool:
    """Whether lines have room in a cell."""
    return all(width(part, face) / HINTED + 3.0 <= room for part in lines)


def _lines(cell: str) -> list[str]:
    """Part a cell into its estimate and its interval."""
    estimate, bracket, interval = cell.partition(" (")
    return [estimate, bracket.strip() + interval] if bracket else [estimate]


def _cell(axes: Axes, at: tuple[int, int], cell: str, face: Face, *, tall: bool) -> None:
    """Write what a cell says in one line or in two."""
    lines = _lines(cell)
    x, y = float(at[0]), float(at[1])
    if not tall or len(lines) == 1:
        write(axes, (x, y), lines[0], face, axes.transData, ha="center", color=INK)
        return
    for line, by in zip(lines, (-0.21, 0.21), strict=True):
        write(axes, (x, y + by), line, face, axes.transData, ha="center", color=INK)


plot_league, describe_league = verbs(_tailored, draw_tailored, width_mm=170.0)
