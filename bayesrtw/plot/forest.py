"""Forest plot: every estimate, what the model makes of it, and the pooled effect.

Everything is laid out in points: the y axis of the plot counts points down from its top, and text
beside it is placed by its distance from the left edge. Widths are measured before anything is drawn,
so labels cannot meet.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Polygon
from matplotlib.ticker import FixedFormatter, FixedLocator, NullLocator

from bayesrtw.errors import SpecError
from bayesrtw.plot.figure import BLUE, FAINT, INK, PAGE_WIDTH, QUIET, SKY, VERMILLION, figure_style
from bayesrtw.plot.lettering import FAMILY, Face, one_line, shorten, width, wrap
from bayesrtw.plot.rows import Forest, Interval, Row, read_forest
from bayesrtw.plot.scale import limits, spell_share, ticks

TITLE: Final = Face(9.0, bold=True)
BODY: Final = Face(7.5)
STRONG: Final = Face(7.5, bold=True)
SMALL: Final = Face(7.0)

#: Distance between rows in points: generous for few rows; from `CROWDED` rows on as close as
#: two marks and a line of type allow, so that 60 rows still stand on a page of A4.
WIDE, CLOSE, CROWDED = 13.5, 11.0, 34

#: Largest and smallest side of a square, in points; the largest leaves room for the mark beneath.
LARGEST, SMALLEST = 6.6, 1.8

#: Offsets of the two marks from the middle of a row: the own estimate above, the shrunken beneath.
ABOVE, BENEATH = 2.3, -3.1

#: Blank between columns, around the canvas, before a heading and before the summary.
GAP, EDGE, BEFORE_HEADING, BEFORE_SUMMARY = 9.0, 5.0, 4.0, 9.0

#: Indent of what stands under a heading.
INDENT: Final = 7.0

#: A name takes at most this share of the width, and the names' column at least this many points,
#: which is what "favours comparison" needs when no effect is at the left end of the axis.
NAME_SHARE, NAME_LEAST = 0.33, 78.0

#: Less than this and the axis of effects shows nothing.
PANEL_LEAST: Final = 90.0

#: Height of the axis with its ticks, directions and title; of a line of the legend; of a note.
AXIS_HEIGHT, LEGEND_LINE, NOTE_LINE, TITLE_LINE = 42.0, 11.5, 9.3, 12.0

#: Names of the groups of marks: ids in an SVG, `get_gid` in matplotlib.
OWN_SQUARES: Final = "own-estimates"
SHRUNKEN_DOTS: Final = "shrunken-estimates"


@dataclass(frozen=True, slots=True)
class _Page:
    """Where everything goes, in points; x from the left edge, y up from the top of the axes."""

    width: float
    left: float
    panel: float
    text_end: float
    weight_end: float
    above: float
    rows: tuple[float, ...]
    pitch: float
    bottom: float
    title: tuple[str, ...]
    legend: tuple[tuple[tuple[str, str, float], ...], ...]
    notes: tuple[str, ...]

    @property
    def height(self) -> float:
        """Of everything."""
        lines = LEGEND_LINE * len(self.legend) + NOTE_LINE * len(self.notes)
        return self.above - self.bottom + AXIS_HEIGHT + 12.0 + lines + EDGE

    def across(self, x: float) -> float:
        """Bring points from the left edge to the axes' own units."""
        return (x - self.left) / self.panel


def plot_forest(
    tree: xr.DataTree,
    *,
    group_by: str | None = None,
    ci_prob: float = 0.95,
    title: str = "",
    ax: Axes | None = None,
) -> Axes:
    """Draw a forest plot.

    Each estimate has two marks: its own value, a square whose area is its weight in the pooled mean,
    and beneath it, lighter, the shrunken value, which is what the model believes of that study given
    all others. The prior is shown with the weight it has. An interval that leaves the axis ends in an
    arrow head; the limits of the axis follow the typical interval, not the widest.

    Parameters
    ----------
    tree
        What `fit` returned.
    group_by
        A column of text in ``constant_data``: a categorical moderator of the model, whose level
        means are then shown too, or e.g. ``"design"``.
    ci_prob
        Probability of every interval, in (0, 1).
    title
        Heading of the plot.
    ax
        Axes whose place on their figure is used; they must be large enough. None makes a figure 17 cm
        wide and as high as the rows need.

    Returns
    -------
    Axes
        The axis of effects, in units of the reported scale (ratios on a logarithmic axis) across and
        in points from the top downwards. ``get_figure()`` gives the figure.

    Raises
    ------
    SpecError
        If `group_by` is not a column of the tree, `ci_prob` is not in (0, 1), or `ax` is too small.

    Examples
    --------
    >>> import pandas as pd
    >>> import bayesrtw as brw
    >>> frame = pd.DataFrame({"study": list("ABC"), "effect": [0.3, 0.1, 0.2], "se": [0.1] * 3})
    >>> model = brw.Model(terms=(brw.Intercept(brw.prior.Normal(0, 0.5)),
    ...                          brw.Exchangeable(brw.prior.HalfNormal(0.25))))
    >>> axes = brw.plot_forest(brw.fit(model, brw.Evidence.from_frame(frame)))
    >>> [label.get_text() for label in axes.get_xticklabels()]  # doctest: +SKIP
    """
    forest = read_forest(tree, group_by=group_by, ci_prob=ci_prob)
    heading = one_line(title)
    with figure_style():
        if ax is None:
            page = _layout(forest, heading, PAGE_WIDTH)
            figure = Figure(figsize=(page.width / 72, page.height / 72))
            figure.set_label(heading or f"Forest plot: {forest.measure.title}")
            axes = figure.add_axes((0.0, 0.0, 1.0, 1.0))
        else:
            axes = ax
            page = _fitted(forest, heading, axes)
        axes.set_label(forest.describe())
        _frame(axes, forest, page)
        _columns(axes, forest, page)
        _marks(axes, forest, page)
        _legend(axes, forest, page)
        _footer(axes, page)
    return axes


def _fitted(forest: Forest, title: str, axes: Axes) -> _Page:
    """Lay out within given axes, or say how large they must be."""
    root = axes.get_figure(root=True)
    scale = 72.0 / (root.dpi if root is not None else 72.0)
    have = axes.bbox.width * scale, axes.bbox.height * scale
    page = _layout(forest, title, have[0])
    # Half a point is lost in converting inches to points and back.
    if page.height > have[1] + 0.5 or page.panel < PANEL_LEAST:
        least = max(have[0], page.width - page.panel + PANEL_LEAST) / 72
        raise SpecError(
            f"plot_forest: ax is {have[0] / 72:.1f} by {have[1] / 72:.1f} inches; {len(forest.rows)} "
            f"rows need {least:.1f} by {page.height / 72:.1f}; give larger axes, or leave ax out."
        )
    return page


def _layout(forest: Forest, title: str, room: float) -> _Page:
    """Measure every text and divide the width and the height."""
    texts = [_row_text(forest, row) for row in forest.rows] + [_text_heading(forest)]
    text_width = max(width(text, STRONG) for text in texts)
    weight_width = width(_WEIGHT, STRONG) + GAP if forest.weighted else 0.0
    names = max(width(row.label, _face(row)) + _indent(forest, row) for row in forest.rows)
    names = max(min(names, NAME_SHARE * room), NAME_LEAST)
    left = EDGE + names + GAP
    right = room - EDGE - weight_width - text_width - GAP
    rows, bottom, pitch = _places(forest)
    heading = wrap(title, room - 2 * EDGE, TITLE)
    caveat = f"Caveat: {forest.caveat}" if forest.caveat else ""
    notes = [*wrap(" ".join(forest.notes), room - 2 * EDGE, SMALL)]
    notes += wrap(caveat, room - 2 * EDGE, SMALL)
    return _Page(
        width=room,
        left=left,
        panel=right - left,
        text_end=room - EDGE - weight_width,
        weight_end=room - EDGE,
        above=EDGE + TITLE_LINE * len(heading) + 16.0,
        rows=rows,
        pitch=pitch,
        bottom=bottom,
        title=tuple(heading),
        legend=_legend_lines(forest, room - 2 * EDGE),
        notes=tuple(notes),
    )


def _places(forest: Forest) -> tuple[tuple[float, ...], float, float]:
    """Middle of each row, the lower end of the axes, and the distance between rows."""
    count = len(forest.rows)
    pitch = max(CLOSE, min(WIDE, CROWDED * WIDE / count))
    y = -2.0
    places = []
    summary = False
    for number, row in enumerate(forest.rows):
        if row.role == "heading" and number:
            y -= BEFORE_HEADING
        if row.role in ("prior", "pooled", "new") and not summary:
            y -= BEFORE_SUMMARY
            summary = True
        places.append(y - pitch / 2)
        y -= pitch
    return tuple(places), y - 3.0, pitch


_WEIGHT: Final = "Weight, %"


def _text_heading(forest: Forest) -> str:
    short = forest.measure.abbreviation
    short = short[0].upper() + short[1:]
    unit = f", {forest.unit}" if forest.unit else ""
    return f"{short}{unit} ({forest.percent} CI)"


def _row_text(forest: Forest, row: Row) -> str:
    return forest.spell(row.interval) if row.interval is not None else ""


def _face(row: Row) -> Face:
    return STRONG if row.role in ("heading", "pooled") else BODY


def _indent(forest: Forest, row: Row) -> float:
    return INDENT if forest.grouped and row.role in ("estimate", "level") else 0.0


def _frame(axes: Axes, forest: Forest, page: _Page) -> None:
    """Place the axes and draw their scale, the line of no effect and the directions."""
    outer = axes.get_position()
    figure_height = outer.height * page.height / max(page.height, _height(axes))
    top = outer.y1 - figure_height * page.above / page.height
    axes.set_position(
        (
            outer.x0 + outer.width * page.left / page.width,
            top + figure_height * page.bottom / page.height,
            outer.width * page.panel / page.width,
            -figure_height * page.bottom / page.height,
        )
    )
    axes.set_facecolor("none")
    axes.grid(visible=False)
    for side in ("left", "right", "top"):
        axes.spines[side].set_visible(False)
    axes.spines["bottom"].set(color=INK, linewidth=0.6)
    axes.set_xscale("log" if forest.measure.log else "linear")
    low, high = _limits(forest)
    axes.set_xlim(*(float(end) for end in forest.measure.back([low, high])))
    axes.set_ylim(page.bottom, 0.0)
    values, labels = ticks(
        low,
        high,
        log=forest.measure.log,
        length=page.panel,
        label_width=lambda label: width(label, BODY),
    )
    axes.xaxis.set_major_locator(FixedLocator(values))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FixedFormatter(labels))
    axes.yaxis.set_major_locator(NullLocator())
    axes.tick_params(
        axis="x",
        length=3,
        width=0.6,
        pad=2,
        color=INK,
        labelcolor=INK,
        labelsize=BODY.size,
        labelfontfamily=FAMILY[0],
    )
    _directions(axes, forest, page)


def _height(axes: Axes) -> float:
    root = axes.get_figure(root=True)
    return axes.bbox.height * 72.0 / (root.dpi if root is not None else 72.0)


def _limits(forest: Forest) -> tuple[float, float]:
    own = [row.interval for row in forest.of("estimate") if row.interval is not None]
    rest = [
        row.interval
        for row in forest.rows
        if row.role in ("level", "pooled", "new") and row.interval is not None
    ]
    pooled = [row.interval.centre for row in forest.of("pooled") if row.interval is not None]
    return limits(
        np.array([interval.lower for interval in own]),
        np.array([interval.upper for interval in own]),
        [end for interval in rest for end in (interval.lower, interval.upper)],
        [0.0, *pooled],
        log=forest.measure.log,
    )


def _directions(axes: Axes, forest: Forest, page: _Page) -> None:
    """Say under the axis which side is good, and what is measured."""
    null = forest.measure.null
    axes.plot([null, null], [0, page.bottom], color=INK, linewidth=0.6, zorder=1)
    pooled = [row.interval for row in forest.of("pooled")]
    if pooled and pooled[0] is not None:
        centre = float(forest.measure.back(pooled[0].centre))
        line = dict(color=BLUE, linewidth=0.6, linestyle=(0, (1.5, 2.0)), zorder=1)
        axes.plot([centre, centre], [0, page.bottom], **line)
    low, high = _limits(forest)
    at = page.left - page.panel * low / (high - low)
    good = forest.benefit == "higher"
    for side, right in (("left", False), ("right", True)):
        name = "programme" if right == good else "comparison"
        text = f"favours {name} →" if right else f"← favours {name}"
        x = at + 4.0 if right else at - 4.0
        _write(axes, page, x, page.bottom - 21.0, text, BODY, ha="left" if right else "right")
    unit = f", {forest.unit}" if forest.unit else ""
    label = f"{forest.measure.title}{' (log scale)' if forest.measure.log else unit}"
    _write(axes, page, page.left + page.panel / 2, page.bottom - 32.0, label, BODY, ha="center")


def _write(
    axes: Axes,
    page: _Page,
    x: float,
    y: float,
    text: str,
    face: Face,
    *,
    ha: str = "left",
    color: str = INK,
) -> None:
    """Put one line of text at points from the left edge and from the top of the axes."""
    if text:
        axes.text(
            page.across(x),
            y,
            text,
            transform=axes.get_yaxis_transform(),
            ha=ha,
            va="center_baseline",
            color=color,
            fontproperties=face.properties(),
            parse_math=False,
            usetex=False,
        )


def _columns(axes: Axes, forest: Forest, page: _Page) -> None:
    """Write title, headings, names, estimates and weights."""
    for number, line in enumerate(page.title):
        _write(axes, page, EDGE, page.above - EDGE - TITLE_LINE * (number + 0.5), line, TITLE)
    _write(axes, page, EDGE, 8.0, "Study", STRONG)
    _write(axes, page, page.text_end, 8.0, _text_heading(forest), STRONG, ha="right")
    _rule(axes, page, 1.0)
    if forest.weighted:
        _write(axes, page, page.weight_end, 8.0, _WEIGHT, STRONG, ha="right")
    summary = [y for row, y in zip(forest.rows, page.rows, strict=True) if row.role in _SUMMARY]
    if summary:
        _rule(axes, page, summary[0] + page.pitch / 2 + BEFORE_SUMMARY / 2, faint=True)
    for row, y in zip(forest.rows, page.rows, strict=True):
        face, indent = _face(row), _indent(forest, row)
        room = page.left - EDGE - GAP - indent
        # Half a point for what hinting adds on a screen.
        _write(axes, page, EDGE + indent, y, shorten(row.label, room + 0.5, face), face)
        _write(axes, page, page.text_end, y, _row_text(forest, row), face, ha="right")
        if not np.isnan(row.weight):
            share = "100" if row.role == "pooled" else spell_share(row.weight)
            _write(axes, page, page.weight_end, y, share, face, ha="right")


_SUMMARY: Final = ("prior", "pooled", "new")


def _rule(axes: Axes, page: _Page, y: float, *, faint: bool = False) -> None:
    line = Line2D(
        [page.across(EDGE), page.across(page.width - EDGE)],
        [y, y],
        transform=axes.get_yaxis_transform(),
        color=FAINT if faint else INK,
        linewidth=0.5 if faint else 0.8,
        clip_on=False,
    )
    axes.add_line(line)


@dataclass(frozen=True, slots=True)
class _Bar:
    """An interval to draw: ends on the analysis scale, height, and how."""

    interval: Interval
    y: float
    color: str
    line: float
    dashed: bool = False


def _marks(axes: Axes, forest: Forest, page: _Page) -> None:
    """Draw every interval, square, dot and diamond."""
    bars: list[_Bar] = []
    squares: list[tuple[Row, float]] = []
    dots: list[tuple[Interval, float]] = []
    for row, y in zip(forest.rows, page.rows, strict=True):
        if row.interval is None:
            continue
        if row.role == "estimate":
            squares.append((row, y + (ABOVE if row.shrunken else 0.0)))
            bars.append(_Bar(row.interval, squares[-1][1], INK, 0.8))
            if row.shrunken is not None:
                dots.append((row.shrunken, y + BENEATH))
                bars.append(_Bar(row.shrunken, y + BENEATH, SKY, 0.8))
        elif row.role in ("level", "pooled"):
            half = 4.2 if row.role == "pooled" else 3.0
            _diamond(axes, forest, row.interval, y, half)
        elif row.role == "new":
            bars.append(_Bar(row.interval, y, VERMILLION, 2.2))
        else:
            bars.append(_Bar(row.interval, y, QUIET, 0.8, dashed=True))
    low, high = _limits(forest)
    for bar in bars:
        _draw_bar(axes, forest, bar, low, high)
    heads = [row.interval for row in forest.rows if row.role in ("level", "pooled")]
    for interval, y in zip(heads, _heights(forest, page), strict=True):
        if interval is not None:
            _arrows(axes, forest, _Bar(interval, y, BLUE, 0.8), low, high)
    _scatter(axes, forest, squares, dots, low, high)


def _heights(forest: Forest, page: _Page) -> list[float]:
    pairs = zip(forest.rows, page.rows, strict=True)
    return [y for row, y in pairs if row.role in ("level", "pooled")]


def _draw_bar(axes: Axes, forest: Forest, bar: _Bar, low: float, high: float) -> None:
    """Draw an interval as far as the axis goes."""
    ends = np.clip([bar.interval.lower, bar.interval.upper], low, high)
    x = forest.measure.back(ends)
    style = (0, (3, 1.5)) if bar.dashed else "-"
    axes.plot(
        x, [bar.y, bar.y], color=bar.color, linewidth=bar.line, linestyle=style,
        solid_capstyle="butt", zorder=2, clip_on=False,
    )  # fmt: skip
    _arrows(axes, forest, bar, low, high)


def _arrows(axes: Axes, forest: Forest, bar: _Bar, low: float, high: float) -> None:
    """Put arrow heads where an interval leaves the axis."""
    for leaves, end, marker in (
        (bar.interval.lower < low, low, "<"),
        (bar.interval.upper > high, high, ">"),
    ):
        if leaves:
            at = float(forest.measure.back(end))
            axes.plot(
                [at], [bar.y], marker=marker, markersize=3.6, color=bar.color,
                markeredgewidth=0, linestyle="none", clip_on=False, zorder=3,
            )  # fmt: skip


def _scatter(
    axes: Axes,
    forest: Forest,
    squares: Sequence[tuple[Row, float]],
    dots: Sequence[tuple[Interval, float]],
    low: float,
    high: float,
) -> None:
    """Draw the squares and dots whose centre is on the axis."""
    shown = [(row, y) for row, y in squares if row.interval and low <= row.interval.centre <= high]
    back = forest.measure.back
    axes.scatter(
        back([row.interval.centre for row, _ in shown if row.interval]),
        [y for _, y in shown],
        s=[max(LARGEST**2 * row.size, SMALLEST**2) for row, _ in shown],
        marker="s",
        facecolors=["white" if row.weight < 0 else INK for row, _ in shown],
        edgecolors=[INK if row.weight < 0 else "none" for row, _ in shown],
        linewidths=0.6,
        zorder=3,
        gid=OWN_SQUARES,
    )
    inside = [(interval.centre, y) for interval, y in dots if low <= interval.centre <= high]
    axes.scatter(
        back([centre for centre, _ in inside]),
        [y for _, y in inside],
        s=3.0**2,
        marker="o",
        color=SKY,
        linewidths=0,
        zorder=3,
        gid=SHRUNKEN_DOTS,
    )


def _diamond(axes: Axes, forest: Forest, interval: Interval, y: float, half: float) -> None:
    """Draw a mean as a diamond as wide as its interval; the axes cut it where it leaves them."""
    low, high = _limits(forest)
    ends = np.clip(
        [interval.lower, interval.centre, interval.upper, interval.centre],
        2 * low - high,
        2 * high - low,
    )
    x = forest.measure.back(ends)
    corners = np.column_stack([x, [y, y + half, y, y - half]])
    axes.add_patch(Polygon(corners, closed=True, facecolor=BLUE, edgecolor="none", zorder=3))


def _legend_lines(forest: Forest, room: float) -> tuple[tuple[tuple[str, str, float], ...], ...]:
    """Divide the explanations of the marks into lines: kind, text, place from the left."""
    size = "weight in the pooled effect" if forest.weighted else "precision, 1/(se² + τ²)"
    percent = forest.percent
    entries = [("own", f"own estimate, {percent} interval; area: {size}")]
    if any(row.weight < 0 for row in forest.rows):
        entries.append(("negative", "negative weight"))
    if any(row.shrunken for row in forest.rows):
        entries.append(("shrunken", f"shrunken estimate, {percent} interval"))
    if forest.of("pooled"):
        entries.append(("mean", f"mean effect, {percent} interval"))
    if forest.of("new"):
        entries.append(("new", f"effect in a new setting, {percent} interval"))
    if any(row.interval for row in forest.of("prior")):
        entries.append(("prior", "prior of the pooled effect"))
    low, high = _limits(forest)
    shown = [end for row in forest.rows for end in (row.interval, row.shrunken) if end]
    if any(interval.lower < low or interval.upper > high for interval in shown):
        entries.append(("arrow", "goes on beyond the axis"))
    lines: list[list[tuple[str, str, float]]] = [[]]
    x = EDGE
    for kind, text in entries:
        needs = 19.0 + width(text, SMALL)
        if lines[-1] and x + needs > room + EDGE:
            lines.append([])
            x = EDGE
        lines[-1].append((kind, text, x))
        x += needs + 12.0
    return tuple(tuple(line) for line in lines)


def _legend(axes: Axes, forest: Forest, page: _Page) -> None:
    """Explain the marks in a strip below the axis."""
    for number, line in enumerate(page.legend):
        y = page.bottom - AXIS_HEIGHT - 4.0 - LEGEND_LINE * (number + 0.5)
        for kind, text, x in line:
            _sample(axes, page, kind, x, y)
            _write(axes, page, x + 19.0, y, text, SMALL)


#: Colour, width and dashes of the line, marker and its size: what each mark looks like in the strip.
_SAMPLES: Final[dict[str, tuple[str, float, str, str, float]]] = {
    "own": (INK, 0.8, "-", "s", 5.0),
    "negative": (INK, 0.0, "none", "s", 4.0),
    "shrunken": (SKY, 0.8, "-", "o", 3.0),
    "mean": (BLUE, 0.0, "none", "D", 4.5),
    "new": (VERMILLION, 2.2, "-", "none", 0.0),
    "prior": (QUIET, 0.8, "--", "none", 0.0),
    "arrow": (INK, 0.8, "-", ">", 3.6),
}


def _sample(axes: Axes, page: _Page, kind: str, x: float, y: float) -> None:
    """Draw one mark as the strip shows it."""
    color, line, style, marker, size = _SAMPLES[kind]
    place = dict(transform=axes.get_yaxis_transform(), color=color, clip_on=False)
    if line:
        ends = [page.across(x), page.across(x + 15.0)]
        axes.add_line(Line2D(ends, [y, y], linewidth=line, linestyle=style, **place))
    if marker != "none":
        at = page.across(x + (15.0 if kind == "arrow" else 7.5))
        fill = "white" if kind == "negative" else color
        edge = 0.6 if kind == "negative" else 0.0
        axes.add_line(
            Line2D([at], [y], marker=marker, markersize=size, markerfacecolor=fill,
                   markeredgewidth=edge, linestyle="none", **place)
        )  # fmt: skip


def _footer(axes: Axes, page: _Page) -> None:
    """Write the notes and the caveat."""
    top = page.bottom - AXIS_HEIGHT - 10.0 - LEGEND_LINE * len(page.legend)
    for number, line in enumerate(page.notes):
        _write(axes, page, EDGE, top - NOTE_LINE * (number + 0.5), line, SMALL, color=QUIET)
