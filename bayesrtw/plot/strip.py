"""The strip beneath a picture that says what its marks are: laid out in lines that fit."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle
from matplotlib.transforms import Transform

from bayesrtw.plot.figure import BLUE, INK, PURPLE, QUIET, SKY, VERMILLION
from bayesrtw.plot.judgement import MARKS, Mark, draw_discs, sorted_marks
from bayesrtw.plot.lettering import HINTED, Face, shorten, width

#: Width of a mark in the strip, its distance from its explanation, and that to the next mark.
SAMPLE_WIDTH, BESIDE, BETWEEN = 15.0, 4.0, 12.0

#: Height of a line of the strip in points.
STRIP_LINE: Final = 11.5

#: Widths of lines, in points.
THIN, THICK = 0.8, 2.2

#: Dashes that are told apart at a glance, in points.
DASHES: Final = (0.0, (3.0, 1.5))
DOTS: Final = (0.0, (1.5, 2.0))


@dataclass(frozen=True, slots=True)
class Sample:
    """How a mark looks in the strip."""

    color: str  #: Of everything.
    line: float = 0.0  #: Width of its line in points; 0 for none.
    marker: str = ""  #: Name of its marker; empty for none.
    size: float = 0.0  #: Of the marker, in points.
    dash: tuple[float, tuple[float, ...]] | None = None  #: Of the line; None for a solid one.
    #: hollow, at_end: whether the marker is open, and whether it is at the end of the line.
    hollow: bool = False
    at_end: bool = False
    area: bool = False  #: Whether it is a filled area; its line then is the outline.
    hatch: str = ""  #: Of the area.
    judgement: Mark | None = None  #: A judgement of risk of bias in place of all else.


#: Marks of rows with intervals, by name.
SAMPLES: Final = {
    "own": Sample(INK, THIN, "s", 5.0),
    "cohort": Sample(INK, THIN, "o", 4.6, hollow=True),
    "part": Sample(PURPLE, THIN, "D", 2.8),
    "unheard": Sample(PURPLE, THIN, "D", 2.8, hollow=True),
    "negative": Sample(INK, marker="s", size=4.0, hollow=True),
    "shrunken": Sample(SKY, THIN, "o", 2.8),
    "result": Sample(BLUE, 1.2, "o", 4.2),
    "unregistered": Sample(BLUE, 1.2, "o", 4.2, hollow=True),
    "mean": Sample(BLUE, marker="D", size=4.5),
    "new": Sample(VERMILLION, THICK),
    "beneath": Sample(VERMILLION, 1.4),
    "prior": Sample(QUIET, THIN, dash=DASHES),
    "arrow": Sample(INK, THIN, ">", 3.8, at_end=True),
}


@dataclass(frozen=True, slots=True)
class StripRow:
    """An explanation: which mark, what it is, how far from the left edge in points."""

    sample: Sample
    text: str
    x: float


def explain_marks(marks: Iterable[Mark]) -> list[tuple[Sample, str]]:
    """Explain judgements of risk of bias."""
    found = sorted_marks(marks)
    known = [mark for mark in found if mark in MARKS.values()]
    return [
        (Sample(INK, judgement=mark), f"{'risk of bias: ' if mark in known[:1] else ''}{mark.text}")
        for mark in found
    ]


def lay_strip(
    legend: Sequence[tuple[Sample, str]], left: float, room: float, face: Face
) -> tuple[tuple[StripRow, ...], ...]:
    """Put explanations into lines."""
    lines: list[list[StripRow]] = [[]]
    x = left
    for sample, full in legend:
        text = shorten(full, HINTED * (room - SAMPLE_WIDTH - BESIDE), face)
        needs = SAMPLE_WIDTH + BESIDE + width(text, face) / HINTED
        if lines[-1] and x + needs > left + room:
            lines.append([])
            x = left
        lines[-1].append(StripRow(sample, text, x))
        x += needs + BETWEEN
    return tuple(tuple(line) for line in lines if line)


def draw_sample(
    axes: Axes,
    sample: Sample,
    across: tuple[float, float],
    y: float,
    transform: Transform,
    *,
    half: float,
) -> None:
    """Draw one mark of the strip."""
    left, right = across
    if sample.judgement is not None:
        middle = [(left + right) / 2]
        draw_discs(axes, [sample.judgement], middle, [y], diameter=7.5, transform=transform)
        return
    if sample.area:
        patch = Rectangle(
            (left, y - half),
            right - left,
            2 * half,
            facecolor=sample.color,
            edgecolor=INK if sample.line or sample.hatch else "none",
            linewidth=sample.line,
            hatch=sample.hatch or None,
            transform=transform,
            clip_on=False,
        )
        axes.add_patch(patch)
        return
    if sample.line:
        line = Line2D(
            [left, right],
            [y, y],
            color=sample.color,
            linewidth=sample.line,
            linestyle=sample.dash or "-",
            solid_capstyle="butt",
            transform=transform,
            clip_on=False,
        )
        axes.add_line(line)
    if sample.marker:
        marker = Line2D(
            [right if sample.at_end else (left + right) / 2],
            [y],
            marker=sample.marker,
            markersize=sample.size,
            markerfacecolor="white" if sample.hollow else sample.color,
            markeredgecolor=sample.color,
            markeredgewidth=0.8 if sample.hollow else 0.0,
            linestyle="none",
            transform=transform,
            clip_on=False,
        )
        axes.add_line(marker)
