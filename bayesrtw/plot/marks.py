"""The marks of a forest plot: intervals, squares, dots, diamonds and arrow heads."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.patches import Polygon

from bayesrtw.plot.figure import BLUE, INK, PURPLE, QUIET, SKY, VERMILLION
from bayesrtw.plot.rows import Forest, Interval, Row
from bayesrtw.plot.strip import DASHES, THICK, THIN

#: Largest and smallest side of a square, in points; the largest leaves room for the mark beneath.
LARGEST, SMALLEST = 5.8, 1.8

#: Diameter of the dot of a shrunken estimate, and half the height of the diamonds, in points.
DOT, POOLED_HALF, LEVEL_HALF = 2.8, 4.2, 3.0

#: Offsets of the two marks from the middle of a row: the own estimate above, the shrunken beneath.
#: They are closer to one another than to the next row even where rows are closest.
ABOVE, BENEATH = 1.9, -2.5

#: Diameter of the dot of a result and width of its line; width of a new setting's line beneath.
RESULT, RESULT_LINE, NEW_LINE = 4.2, 1.2, 1.4

#: Side of the diamond of a number alone.
PART: Final = 2.6

#: Names of groups of marks: ids in an SVG, ``get_gid()`` in matplotlib.
OWN_SQUARES: Final = "own-estimates"
OWN_CIRCLES: Final = "own-estimates-not-randomised"
SHRUNKEN_DOTS: Final = "shrunken-estimates"
POOLED_DIAMOND: Final = "pooled-effect"
RESULT_DOTS: Final = "results"
PARTS: Final = "numbers-alone"


@dataclass(frozen=True, slots=True)
class Bar:
    """An interval to draw as a line."""

    interval: Interval  #: On the analysis scale.
    y: float  #: Height in the axes.
    color: str  #: Of the line and its arrow heads.
    line: float = THIN  #: Width in points; 0 draws arrow heads only.
    dashed: bool = False  #: Whether it is dashed.


def draw_marks(
    axes: Axes, forest: Forest, heights: Sequence[float], ends: tuple[float, float]
) -> None:
    """Draw every row's marks."""
    bars: list[Bar] = []
    squares: list[tuple[Row, Interval, float]] = []
    dots: list[tuple[Interval, float]] = []
    results: list[tuple[Row, Interval, float]] = []
    parts: list[tuple[Row, Interval, float]] = []
    for row, y in zip(forest.rows, heights, strict=True):
        if row.shrunken is not None:
            dots.append((row.shrunken, y + BENEATH))
            bars.append(Bar(row.shrunken, y + BENEATH, SKY))
        if row.interval is None:
            continue
        if row.new is not None:
            bars.append(Bar(row.new, y + BENEATH, VERMILLION, NEW_LINE))
        if row.role == "result":
            at = y if row.new is None else y + ABOVE
            results.append((row, row.interval, at))
            bars.append(Bar(row.interval, at, BLUE, RESULT_LINE))
        elif row.role == "estimate":
            at = y if row.shrunken is None else y + ABOVE
            squares.append((row, row.interval, at))
            bars.append(Bar(row.interval, at, INK))
        elif row.role == "part":
            parts.append((row, row.interval, y))
            bars.append(Bar(row.interval, y, PURPLE))
        elif row.role == "new":
            bars.append(Bar(row.interval, y, VERMILLION, THICK))
        elif row.role == "prior":
            bars.append(Bar(row.interval, y, QUIET, dashed=True))
        else:
            at = y if row.new is None else y + ABOVE
            _diamond(axes, forest, row, at, ends)
            bars.append(Bar(row.interval, at, BLUE, 0.0))
    for bar in bars:
        _bar(axes, forest, bar, ends)
    _squares(axes, forest, squares, ends)
    _dots(axes, forest, dots, ends)
    _results(axes, forest, results, ends, (BLUE, "o", RESULT, RESULT_DOTS))
    if parts:
        _results(axes, forest, parts, ends, (PURPLE, "D", PART, PARTS))


def _bar(axes: Axes, forest: Forest, bar: Bar, ends: tuple[float, float]) -> None:
    """Draw an interval as far as the axis goes, with arrow heads where it goes on."""
    low, high = ends
    if bar.line:
        x = forest.measure.back(np.clip([bar.interval.lower, bar.interval.upper], low, high))
        line = Line2D(
            x,
            [bar.y, bar.y],
            color=bar.color,
            linewidth=bar.line,
            linestyle=DASHES if bar.dashed else "-",
            solid_capstyle="butt",
            zorder=2,
        )
        axes.add_line(line)
    for leaves, end, marker in (
        (bar.interval.lower < low, low, "<"),
        (bar.interval.upper > high, high, ">"),
    ):
        if leaves:
            head = Line2D(
                [float(forest.measure.back(end))],
                [bar.y],
                marker=marker,
                markersize=3.8,
                color=bar.color,
                markeredgewidth=0,
                linestyle="none",
                clip_on=False,
                zorder=4,
            )
            axes.add_line(head)


def _squares(
    axes: Axes,
    forest: Forest,
    squares: Sequence[tuple[Row, Interval, float]],
    ends: tuple[float, float],
) -> None:
    """Draw own estimates that are on the axis: cohorts as circles, and open a negative weight."""
    for hollow, marker, name in ((False, "s", OWN_SQUARES), (True, "o", OWN_CIRCLES)):
        shown = [
            found
            for found in squares
            if found[0].hollow == hollow and ends[0] <= found[1].centre <= ends[1]
        ]
        if hollow and not shown:
            continue
        # An open mark says what a design is; a negative weight is open too, and stays a square.
        filled = [not row.weight < 0 for row, _, _ in shown]
        axes.scatter(
            forest.measure.back([interval.centre for _, interval, _ in shown]),
            [y for _, _, y in shown],
            s=[max(LARGEST**2 * row.size, SMALLEST**2) for row, _, _ in shown],
            marker=marker,
            facecolors=[INK if full and not hollow else "white" for full in filled],
            edgecolors=[INK if hollow or not full else "none" for full in filled],
            linewidths=0.6,
            zorder=3,
            gid=name,
        )


def _dots(
    axes: Axes,
    forest: Forest,
    dots: Sequence[tuple[Interval, float]],
    ends: tuple[float, float],
) -> None:
    """Draw shrunken estimates that are on the axis."""
    shown = [found for found in dots if ends[0] <= found[0].centre <= ends[1]]
    axes.scatter(
        forest.measure.back([interval.centre for interval, _ in shown]),
        [y for _, y in shown],
        s=DOT**2,
        marker="o",
        color=SKY,
        linewidths=0,
        zorder=3,
        gid=SHRUNKEN_DOTS,
    )


def _results(
    axes: Axes,
    forest: Forest,
    results: Sequence[tuple[Row, Interval, float]],
    ends: tuple[float, float],
    look: tuple[str, str, float, str],
) -> None:
    """Draw results that are on the axis: colour, marker, size and name; open where they are hollow."""
    color, marker, size, name = look
    shown = [found for found in results if ends[0] <= found[1].centre <= ends[1]]
    axes.scatter(
        forest.measure.back([interval.centre for _, interval, _ in shown]),
        [y for _, _, y in shown],
        s=size**2,
        marker=marker,
        facecolors=["white" if row.hollow else color for row, _, _ in shown],
        edgecolors=color,
        linewidths=0.8,
        zorder=3,
        gid=name,
    )


def _diamond(axes: Axes, forest: Forest, row: Row, y: float, ends: tuple[float, float]) -> None:
    """Draw a mean as a diamond as wide as its interval; the axes cut it where it leaves them."""
    if row.interval is None:
        return
    half = POOLED_HALF if row.role == "pooled" else LEVEL_HALF
    length = ends[1] - ends[0]
    tips = [row.interval.lower, row.interval.centre, row.interval.upper, row.interval.centre]
    # Far outside, the place of a tip is not seen, but could overflow on the ratio scale.
    x = forest.measure.back(np.clip(tips, ends[0] - length, ends[1] + length))
    corners = np.column_stack([x, [y, y + half, y, y - half]])
    diamond = Polygon(corners, closed=True, facecolor=BLUE, edgecolor="none", zorder=3)
    diamond.set_gid(POOLED_DIAMOND if row.role == "pooled" else None)
    axes.add_patch(diamond)
