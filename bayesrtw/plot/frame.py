"""The frame of pictures with two axes: margins, round ticks, directions, strip of marks and notes.

As on the page of rows, every text is measured before it is placed; texts around the axes are placed in
points from their lower left corner, so they cannot meet.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, Literal, cast

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedFormatter, FixedLocator, NullLocator
from matplotlib.transforms import Affine2D, Affine2DBase, ScaledTranslation, Transform

from bayesrtw.errors import SpecError
from bayesrtw.evidence.measure import Measure
from bayesrtw.plot.figure import INK, MM, QUIET, figure_style
from bayesrtw.plot.lettering import FAMILY, HINTED, Face, Type, one_line, type_for, width, wrap
from bayesrtw.plot.scale import ticks
from bayesrtw.plot.strip import (
    BESIDE,
    SAMPLE_WIDTH,
    STRIP_LINE,
    Sample,
    StripRow,
    draw_sample,
    lay_strip,
)
from bayesrtw.printed import Direction, arrows

#: Blank around everything, between an axis and its labels, and the height of a line of text.
EDGE, PAD, LINE = 5.0, 5.0, 10.0

#: Width of a column of a journal in millimetres: what these pictures need.
COLUMN_MM: Final = 84.0

#: Greatest height of the axes in points: a wide picture need not be a tall one.
MOST_HEIGHT: Final = 250.0

#: Least sides of the axes in points: less shows nothing.
LEAST_WIDTH, LEAST_HEIGHT = 90.0, 60.0

Align = Literal["left", "center", "right"]


@dataclass(frozen=True, slots=True)
class Side:
    """One axis."""

    title: str  #: What it shows, with its unit.
    #: low, high: its limits: of effects on the analysis scale, else in its own units.
    low: float
    high: float
    measure: Measure | None = None  #: Of effects; None for anything else.
    #: What lower and higher effects are called; None where it is not said.
    direction: Direction | None = None
    #: values, labels: ticks where they are known already; else round ones are chosen.
    values: tuple[float, ...] = ()
    labels: tuple[str, ...] = ()
    plain: bool = False  #: Whether numbers are names, e.g. years: whole, and without a comma.
    bare: bool = False  #: Whether it has no ticks.

    @property
    def log(self) -> bool:
        """Whether it shows ratios."""
        return self.measure is not None and self.measure.log

    def shown(self, value: float) -> float:
        """Bring a value to the scale of the axis."""
        return float(self.measure.back(value)) if self.measure is not None else value

    def marked(self, length: float, face: Face, *, upright: bool) -> tuple[list[float], list[str]]:
        """Choose the ticks."""
        if self.bare:
            return [], []
        if self.values:
            return list(self.values), list(self.labels)
        values, labels = ticks(
            min(self.low, self.high),
            max(self.low, self.high),
            measure=self.measure,
            length=length,
            label_width=lambda label: face.size if upright else _wide(label, face),
        )
        if self.plain:
            values = [value for value in values if value == round(value)]
            labels = [f"{value:.0f}".replace("-", "−") for value in values]
        return values, labels


@dataclass(frozen=True, slots=True)
class Frame:
    """A picture before it is drawn."""

    kind: str  #: What it is, e.g. ``"Funnel plot"``.
    described: str  #: The picture in words.
    #: x, y: the axes.
    x: Side
    y: Side
    height: float  #: Of the axes as a share of their width.
    legend: tuple[tuple[Sample, str], ...]  #: Marks and what they are.
    notes: tuple[str, ...] = ()  #: Sentences beneath.
    caveat: str = ""  #: What must stand beside every result; may be empty.
    #: Further lines of text under the ticks of x: heading, then text by place on x.
    beneath: tuple[tuple[str, tuple[tuple[float, str], ...]], ...] = ()
    up: float = 0.0  #: Height of the axes in points; 0 takes `height`.
    #: reserve, names: height in points that is left free beneath the ticks of x, and what is written left of
    #: it.
    reserve: float = 0.0
    names: tuple[str, ...] = ()
    paint: Callable[[Axes], None] | None = None  #: What draws the marks once the axes stand.

    def describe(self) -> str:
        """Give the picture in words."""
        return self.described


@dataclass(frozen=True, slots=True)
class Tailored:
    """A picture that is laid out for the width it gets: its words, and the frame by that width in points."""

    told: str
    laid: Callable[[float], Frame]

    def describe(self) -> str:
        """Give the picture in words."""
        return self.told


@dataclass(frozen=True, slots=True)
class _Plan:
    """Sizes in points; places from the lower left corner of the axes."""

    type: Type
    left: float
    right: float
    across: float
    up: float
    heading: tuple[str, ...]
    x_ticks: tuple[list[float], list[str]]
    y_ticks: tuple[list[float], list[str]]
    strip: tuple[tuple[StripRow, ...], ...]
    notes: tuple[str, ...]
    foot: float

    @property
    def above(self) -> float:
        """What stands above the axes."""
        return EDGE + LINE * len(self.heading) + 4.0

    @property
    def below(self) -> float:
        """What stands beneath them."""
        strip = STRIP_LINE * len(self.strip) + (6.0 if self.strip else 0.0)
        notes = 9.3 * len(self.notes) + (4.0 if self.notes else 0.0)
        return self.foot + strip + notes + EDGE


def points_a_pixel(axes: Axes) -> float:
    """Give the length of a pixel of a figure in points."""
    root = axes.get_figure(root=True)
    return 1.0 if root is None else 72.0 / float(root.dpi)


def draw_tailored(picture: Tailored, *, ax: Axes | None, width_mm: float) -> Axes:
    """Draw what is laid out for its width."""
    room = width_mm * MM if ax is None else float(ax.bbox.width) * points_a_pixel(ax)
    return draw_frame(picture.laid(room), ax=ax, width_mm=width_mm)


def draw_frame(frame: Frame, *, ax: Axes | None, width_mm: float) -> Axes:
    """Draw axes with everything around them, then the marks."""
    with figure_style():
        room = width_mm * MM
        if ax is None:
            plan = _plan(frame, room, None)
            total = plan.above + plan.up + plan.below
            figure = Figure(figsize=(room / 72, total / 72))
            figure.set_label(one_line(frame.kind))
            axes = figure.add_axes((0.0, 0.0, 1.0, 1.0))
        else:
            axes, scale = ax, points_a_pixel(ax)
            room, total = axes.bbox.width * scale, axes.bbox.height * scale
            plan = _plan(frame, room, total)
        if plan.across < LEAST_WIDTH or plan.up < min(frame.up or LEAST_HEIGHT, LEAST_HEIGHT) - 0.5:
            raise SpecError(
                f"plot: {frame.kind.lower()} has {room / MM:.0f} by {total / MM:.0f} mm, which leaves "
                f"{plan.across / MM:.0f} by {plan.up / MM:.0f} mm between the axes; give a larger width_mm "
                "or larger axes."
            )
        axes.set_label(frame.described)
        outer = axes.get_position()
        axes.set_position(
            (
                outer.x0 + outer.width * plan.left / room,
                outer.y0 + outer.height * plan.below / total,
                outer.width * plan.across / room,
                outer.height * plan.up / total,
            )
        )
        _scales(axes, frame, plan)
        _around(axes, frame, plan)
        if frame.paint is not None:
            frame.paint(axes)
    return axes


def _plan(frame: Frame, room: float, total: float | None) -> _Plan:
    faces = type_for(room)
    guess = (total or room * frame.height) - 120.0
    y_labels = frame.y.marked(max(guess, 80.0), faces.body, upright=True)[1]
    left = EDGE + max([_wide(label, faces.body) for label in y_labels], default=0.0) + 6.0
    beside = [*(name for name, _ in frame.beneath), *frame.names]
    left = max([left, *(EDGE + PAD + width(name, faces.body) / HINTED for name in beside)])
    across = room - left - EDGE - PAD
    x_ticks = frame.x.marked(across, faces.body, upright=False)
    # The outermost labels stand half outside the axes.
    if x_ticks[1]:
        low, high = frame.x.shown(frame.x.low), frame.x.shown(frame.x.high)
        place = np.log if frame.x.log else np.asarray
        end = (place(high) - place(x_ticks[0][-1])) / (place(high) - place(low)) * across
        over = width(x_ticks[1][-1], faces.body) / 2 - float(end) - PAD
        across -= max(0.0, over)
    inner = room - 2 * EDGE
    heading = wrap(_upward(frame.y), inner, faces.body)
    if len(heading) > 1:
        # The direction of benefit is read at a glance where it has a line of its own.
        heading = [
            line for part in _upward(frame.y).split("; ") for line in wrap(part, inner, faces.body)
        ]
    strip = lay_strip(frame.legend, EDGE, inner, faces.small)
    notes = wrap(" ".join(frame.notes), inner, faces.small)
    if frame.caveat:
        notes += wrap(f"Caveat: {frame.caveat}", inner, faces.small)
    foot = (0.0 if frame.x.bare else 14.0) + LINE * len(frame.beneath) + frame.reserve
    foot += 14.0 if frame.x.direction else 2.0
    foot += LINE + 2.0 if frame.x.title else 0.0
    plan = _Plan(
        type=faces,
        left=left,
        right=room - left - across,
        across=across,
        up=frame.up or min(across * frame.height, MOST_HEIGHT),
        heading=tuple(heading),
        x_ticks=x_ticks,
        y_ticks=([], []),
        strip=strip,
        notes=tuple(notes),
        foot=foot,
    )
    up = plan.up if total is None else total - plan.above - plan.below
    y_ticks = frame.y.marked(max(up, 40.0), faces.body, upright=True)
    return _Plan(
        faces, left, plan.right, across, up, plan.heading, x_ticks, y_ticks, strip, plan.notes, foot
    )


def _wide(label: str, face: Face) -> float:
    """Width of a label, which may have several lines."""
    return max(width(line, face) for line in label.split("\n"))


def _upward(side: Side) -> str:
    """Title of the upright axis, which stands above it, with the direction of benefit."""
    if side.direction is None or side.measure is None:
        return side.title
    lower, upper = map(one_line, side.direction.sides)
    return f"{side.title}; ↑ {upper}, ↓ {lower}"


def _scales(axes: Axes, frame: Frame, plan: _Plan) -> None:
    axes.set_facecolor("none")
    axes.grid(visible=False)
    axes.set_xscale("log" if frame.x.log else "linear")
    axes.set_yscale("log" if frame.y.log else "linear")
    axes.set_xlim(frame.x.shown(frame.x.low), frame.x.shown(frame.x.high))
    axes.set_ylim(frame.y.shown(frame.y.low), frame.y.shown(frame.y.high))
    for axis, (values, labels) in ((axes.xaxis, plan.x_ticks), (axes.yaxis, plan.y_ticks)):
        axis.set_major_locator(FixedLocator(values) if values else NullLocator())
        axis.set_minor_locator(NullLocator())
        axis.set_major_formatter(FixedFormatter(labels))
    axes.tick_params(
        length=3,
        width=0.6,
        pad=2,
        color=INK,
        labelcolor=INK,
        labelsize=plan.type.body.size,
        labelfontfamily=FAMILY[0],
    )
    for name, spine in axes.spines.items():
        bare = frame.y.bare if name == "left" else name in ("right", "top")
        spine.set_visible(not bare)
        spine.set(color=INK, linewidth=0.6)


def points_from_corner(axes: Axes) -> Transform:
    """Give the transform of points from the lower left corner of the axes."""
    root = axes.get_figure(root=True)
    if root is None:
        raise SpecError("plot: ax has no figure; take axes of a figure.")
    inches = Affine2D().scale(1 / 72) + root.dpi_scale_trans
    # Matplotlib's stubs call transAxes a plain Transform; it is the affine one that is needed.
    return inches + ScaledTranslation(0.0, 0.0, cast("Affine2DBase", axes.transAxes))


def write(
    axes: Axes,
    at: tuple[float, float],
    text: str,
    face: Face,
    transform: Transform,
    *,
    ha: Align = "left",
    color: str = INK,
) -> None:
    """Put one line of text somewhere."""
    if not text:
        return
    axes.text(
        *at,
        text,
        transform=transform,
        ha=ha,
        va="center_baseline",
        color=color,
        fontproperties=face.properties(),
        parse_math=False,
        usetex=False,
    )


def _around(axes: Axes, frame: Frame, plan: _Plan) -> None:
    """Write what stands around the axes, from top to bottom."""
    points, faces = points_from_corner(axes), plan.type
    for number, line in enumerate(plan.heading):
        y = plan.up + 4.0 + LINE * (len(plan.heading) - number - 0.5)
        write(axes, (EDGE - plan.left, y), line, faces.body, points)
    y = 0.0 if frame.x.bare else -14.0
    for name, texts in frame.beneath:
        write(axes, (-PAD, y - LINE / 2), name, faces.body, points, ha="right", color=QUIET)
        for x, text in _apart(frame, texts, plan):
            write(axes, (x, y - LINE / 2), text, faces.body, points, ha="center", color=QUIET)
        y -= LINE
    y -= frame.reserve
    if frame.x.direction:
        y -= 7.0
        _directions(axes, frame.x, frame.x.direction, plan, y, points)
        y -= 7.0
    else:
        y -= 2.0
    if frame.x.title:
        write(axes, (plan.across / 2, y - LINE / 2), frame.x.title, faces.body, points, ha="center")
        y -= LINE + 2.0
    y -= 6.0 if plan.strip else 0.0
    for entries in plan.strip:
        middle = y - STRIP_LINE / 2
        for entry in entries:
            start = entry.x - plan.left
            across = (start, start + SAMPLE_WIDTH)
            draw_sample(axes, entry.sample, across, middle, points, half=3.2)
            write(axes, (across[1] + BESIDE, middle), entry.text, faces.small, points)
        y -= STRIP_LINE
    y -= 4.0
    for note in plan.notes:
        write(axes, (EDGE - plan.left, y - 4.65), note, faces.small, points, color=QUIET)
        y -= 9.3


def _directions(
    axes: Axes, side: Side, direction: Direction, plan: _Plan, y: float, points: Transform
) -> None:
    """Say on both sides of no effect what is good, as near to it as the figure allows."""
    left, right = map(one_line, arrows(direction.sides))
    null = -side.low / (side.high - side.low) * plan.across
    face = plan.type.body
    least = EDGE - plan.left + width(left, face) + 4.0
    most = plan.across + plan.right - EDGE - width(right, face) - 4.0
    at = float(np.clip(null, least, max(least, most)))
    write(axes, (at - 4.0, y), left, face, points, ha="right")
    write(axes, (at + 4.0, y), right, face, points)


def _apart(
    frame: Frame, texts: Sequence[tuple[float, str]], plan: _Plan
) -> list[tuple[float, str]]:
    """Keep the texts that stand apart, the last one first: it is the newest."""
    low, high = frame.x.low, frame.x.high
    kept: list[tuple[float, str]] = []
    free = plan.across + plan.right
    for value, text in sorted(texts, reverse=True):
        x = (value - low) / (high - low) * plan.across
        half = width(text, plan.type.body) / 2
        if x + half <= free and x - half >= 0.0:
            kept.append((x, text))
            free = x - half - PAD
    return kept
