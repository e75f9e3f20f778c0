"""Forest plot: every estimate, what the model makes of it, and the pooled effect.

Everything is laid out in points: the y axis of the plot counts points down from its top, and text
beside it is placed by its distance from the left edge. Widths are measured before anything is drawn,
so labels cannot meet.
"""

from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedFormatter, FixedLocator, NullLocator
from numpy.typing import NDArray

from bayesrtw.errors import SpecError
from bayesrtw.plot.figure import BLUE, FAINT, INK, PAGE_WIDTH, QUIET, figure_style
from bayesrtw.plot.lettering import FAMILY, Face, one_line, shorten, width, wrap
from bayesrtw.plot.marks import SAMPLE_WIDTH, SAMPLES, draw_marks, draw_sample
from bayesrtw.plot.rows import Forest, Role, Row, read_forest
from bayesrtw.plot.scale import limits, spell_share, ticks

TITLE: Final = Face(9.0, bold=True)
BODY: Final = Face(7.5)
STRONG: Final = Face(7.5, bold=True)
SMALL: Final = Face(7.0)

#: Distance between rows in points: generous up to `CROWDED` rows, of which each further one adds no
#: more than `FURTHER` until they are as close as two marks and a line of type allow: 60 studies still
#: stand on a page of A4.
WIDE, CLOSE, CROWDED, FURTHER = 13.5, 10.5, 34, 6.5

#: Blank between columns, around everything, before a heading and before the summary.
GAP, EDGE, BEFORE_HEADING, BEFORE_SUMMARY = 9.0, 5.0, 4.0, 9.0

#: Indent of what stands under a heading.
INDENT: Final = 7.0

#: Names take at most this share of the width, and at least these points: what "favours comparison"
#: needs when no effect is at the left end of the axis.
NAME_SHARE, NAME_LEAST = 0.36, 78.0

#: The axis of effects shows little in less than this; names give way before.
PANEL_LEAST: Final = 120.0

#: A heading of the estimates that is wider leaves its unit to the title of the axis.
HEADING_MOST: Final = 110.0

#: Height of the column headings; of the axis with its ticks, directions and title; of one line of the
#: strip of marks, of a note, of a title.
HEAD_HEIGHT, AXIS_HEIGHT, STRIP_LINE, NOTE_LINE, TITLE_LINE = 16.0, 46.0, 11.5, 9.3, 12.0

_WEIGHT: Final = "Weight, %"
_SUMMARY: Final = ("prior", "pooled", "new")

Align = Literal["left", "center", "right"]


@dataclass(frozen=True, slots=True)
class _Entry:
    """An explanation in the strip of marks: which mark, what it is, how far from the left edge."""

    kind: str
    text: str
    x: float


@dataclass(frozen=True, slots=True)
class _Page:
    """Where everything goes, in points: x from the left edge, y up from the top of the axes."""

    width: float
    left: float
    right: float
    text_end: float
    ends: tuple[float, float]
    rows: tuple[float, ...]
    pitch: float
    bottom: float
    title: tuple[str, ...]
    strip: tuple[tuple[_Entry, ...], ...]
    notes: tuple[str, ...]

    @property
    def panel(self) -> float:
        """Length of the axis of effects."""
        return self.right - self.left

    @property
    def above(self) -> float:
        """What stands above the axes."""
        return EDGE + TITLE_LINE * len(self.title) + HEAD_HEIGHT

    @property
    def notes_top(self) -> float:
        """Where the notes begin."""
        return self.bottom - AXIS_HEIGHT - STRIP_LINE * len(self.strip) - 6.0

    @property
    def height(self) -> float:
        """Of everything."""
        return self.above - self.notes_top + NOTE_LINE * len(self.notes) + EDGE

    def across(self, x: float) -> float:
        """Bring points from the left edge to shares of the axes' width."""
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
    and beneath it, lighter, the shrunken value: what the model believes of that study given all
    others. The prior stands in a row of its own with the weight it has. An interval that leaves the
    axis ends in an arrow head; the axis follows the typical interval, not the widest.

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
        Empty axes whose place on their figure is used; they must be large enough. None makes a
        figure 17 cm wide and as high as the rows need.

    Returns
    -------
    Axes
        The axis of effects: across in units of the reported scale (ratios on a logarithmic axis),
        downwards in points. ``get_figure()`` gives the figure.

    Raises
    ------
    SpecError
        If `group_by` is not a column of the tree, `ci_prob` is not in (0, 1), or `ax` is too small.

    Notes
    -----
    Own intervals are normal, ``effect ± z se``. Where the engine gives no weights (NUTS), the area of
    a square is a precision, ``1 / (se^2 + tau^2)`` at the median of a single tau and else
    ``1 / se^2``, and no weight is printed.

    Examples
    --------
    >>> import pandas as pd
    >>> import bayesrtw as brw
    >>> frame = pd.DataFrame({"study": list("ABC"), "effect": [0.3, 0.1, 0.2], "se": [0.1] * 3})
    >>> evidence = brw.Evidence.from_frame(frame, measure="log_hazard_ratio")
    >>> model = brw.Model(terms=(brw.Intercept(brw.prior.Normal(0, 0.5)),
    ...                          brw.Exchangeable(brw.prior.HalfNormal(0.25))))
    >>> axes = brw.plot_forest(brw.fit(model, evidence))
    >>> [label.get_text() for label in axes.get_xticklabels()]
    ['0.8', '1', '1.2', '1.4', '1.6', '1.8']
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
            page = _layout(forest, heading, _size(axes)[0])
            _refuse_small(axes, forest, page)
        axes.set_label(forest.describe())
        _place(axes, page)
        _draw_scale(axes, forest, page)
        _directions(axes, forest, page)
        _columns(axes, forest, page)
        draw_marks(axes, forest, page.rows, page.ends)
        _below(axes, page)
    return axes


def _size(axes: Axes) -> tuple[float, float]:
    """Width and height of axes in points."""
    root = axes.get_figure(root=True)
    scale = 72.0 if root is None else 72.0 / root.dpi
    return axes.bbox.width * scale, axes.bbox.height * scale


def _refuse_small(axes: Axes, forest: Forest, page: _Page) -> None:
    """Say how large given axes must be, if they are not."""
    have_width, have_height = _size(axes)
    # Half a point is what converting inches to pixels and back may lose.
    if page.height <= have_height + 0.5 and page.panel >= PANEL_LEAST - 0.5:
        return
    least = have_width + max(0.0, PANEL_LEAST - page.panel)
    raise SpecError(
        f"plot_forest: ax is {have_width / 72:.1f} by {have_height / 72:.1f} inches; its "
        f"{len(forest.rows)} rows need {least / 72:.1f} by {page.height / 72:.1f}; give larger axes, "
        "or leave ax out."
    )


def _layout(forest: Forest, title: str, room: float) -> _Page:
    """Measure every text and divide the width and the height."""
    texts = [width(_own_text(forest, row), _face(row)) for row in forest.rows]
    text_width = max(*texts, width(_text_heading(forest), STRONG))
    weight_width = width(_WEIGHT, STRONG) + GAP if forest.weighted else 0.0
    text_end = room - EDGE - weight_width
    right = text_end - text_width - GAP
    names = max(width(row.label, _face(row)) + _indent(forest, row) for row in forest.rows)
    most = min(NAME_SHARE * room, right - EDGE - GAP - PANEL_LEAST)
    left = EDGE + max(min(names, most), NAME_LEAST) + GAP
    rows, bottom, pitch = _rows(forest)
    inner = room - 2 * EDGE
    notes = wrap(" ".join(forest.notes), inner, SMALL)
    if forest.caveat:
        notes += wrap(f"Caveat: {forest.caveat}", inner, SMALL)
    ends = _limits(forest)
    return _Page(
        width=room,
        left=left,
        right=right,
        text_end=text_end,
        ends=ends,
        rows=rows,
        pitch=pitch,
        bottom=bottom,
        title=tuple(wrap(title, inner, TITLE)),
        strip=_strip(forest, ends, inner),
        notes=tuple(notes),
    )


def _rows(forest: Forest) -> tuple[tuple[float, ...], float, float]:
    """Middle of each row, the lower end of the axes, and the distance between rows."""
    count = len(forest.rows)
    pitch = max(CLOSE, (min(count, CROWDED) * WIDE + max(0, count - CROWDED) * FURTHER) / count)
    y = -2.0
    middles = []
    above: Row | None = None
    for row in forest.rows:
        if row.role == "heading" and above is not None:
            y -= BEFORE_HEADING
        if row.role in _SUMMARY and (above is None or above.role not in _SUMMARY):
            y -= BEFORE_SUMMARY
        middles.append(y - pitch / 2)
        y -= pitch
        above = row
    return tuple(middles), y - 3.0, pitch


def _limits(forest: Forest) -> tuple[float, float]:
    """Choose the ends of the axis on the analysis scale."""
    own = _numbers(forest, "estimate")
    return limits(
        own[:, 0],
        own[:, 2],
        pooled=_numbers(forest, "pooled").ravel(),
        levels=_numbers(forest, "level")[:, ::2].ravel(),
        new=_numbers(forest, "new")[:, ::2].ravel(),
        log=forest.measure.log,
    )


def _numbers(forest: Forest, role: Role) -> NDArray[np.float64]:
    """Give lower end, centre and upper end of the rows of one role, shape (row, 3)."""
    found = [row.interval for row in forest.of(role) if row.interval is not None]
    return np.array([(it.lower, it.centre, it.upper) for it in found]).reshape(-1, 3)


def _strip(
    forest: Forest, ends: tuple[float, float], room: float
) -> tuple[tuple[_Entry, ...], ...]:
    """Explain the marks that occur, in lines that fit."""
    percent = forest.percent
    mean = "mean or pooled effect" if forest.of("level") else "pooled effect"
    shown = [seen for row in forest.rows for seen in (row.interval, row.shrunken) if seen]
    cut = any(seen.lower < ends[0] or seen.upper > ends[1] for seen in shown)
    entries = (
        ("own", f"own estimate, {percent} confidence interval; area: {forest.area}", True),
        ("negative", "negative weight", any(row.weight < 0 for row in forest.rows)),
        ("shrunken", "shrunken estimate", any(row.shrunken for row in forest.rows)),
        ("mean", mean, bool(forest.of("pooled"))),
        ("new", "effect in a new setting", bool(forest.of("new"))),
        ("prior", "prior of the pooled effect", any(row.interval for row in forest.of("prior"))),
        ("arrow", "goes on beyond the axis", cut),
    )
    lines: list[list[_Entry]] = [[]]
    x = EDGE
    for kind, text, occurs in entries:
        if not occurs:
            continue
        needs = SAMPLE_WIDTH + 4.0 + width(text, SMALL)
        if lines[-1] and x + needs > room + EDGE:
            lines.append([])
            x = EDGE
        lines[-1].append(_Entry(kind, text, x))
        x += needs + 12.0
    return tuple(tuple(line) for line in lines)


def _text_heading(forest: Forest) -> str:
    short = forest.measure.abbreviation
    short = short[0].upper() + short[1:]
    full = f"{short}, {forest.unit} ({forest.percent} CI)"
    if forest.unit and width(full, STRONG) <= HEADING_MOST:
        return full
    return f"{short} ({forest.percent} CI)"


def _own_text(forest: Forest, row: Row) -> str:
    return forest.spell(row.interval) if row.interval is not None else ""


def _face(row: Row) -> Face:
    return STRONG if row.role in ("heading", "pooled") else BODY


def _indent(forest: Forest, row: Row) -> float:
    return INDENT if forest.grouped and row.role in ("estimate", "level") else 0.0


def _place(axes: Axes, page: _Page) -> None:
    """Shrink the axes to where the marks go, at the top of the room they had."""
    outer = axes.get_position()
    across, down = outer.width / page.width, outer.height / max(page.height, _size(axes)[1])
    axes.set_position(
        (
            outer.x0 + across * page.left,
            outer.y1 - down * (page.above - page.bottom),
            across * page.panel,
            -down * page.bottom,
        )
    )
    axes.set_facecolor("none")
    axes.grid(visible=False)
    for side in ("left", "right", "top"):
        axes.spines[side].set_visible(False)
    axes.spines["bottom"].set(color=INK, linewidth=0.6)


def _draw_scale(axes: Axes, forest: Forest, page: _Page) -> None:
    """Set scale, limits and ticks."""
    low, high = page.ends
    axes.set_xscale("log" if forest.measure.log else "linear")
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


def _directions(axes: Axes, forest: Forest, page: _Page) -> None:
    """Draw the lines of no effect and of the pooled effect; say under the axis what is good."""
    measure = forest.measure
    axes.plot([measure.null] * 2, [0.0, page.bottom], color=INK, linewidth=0.6, zorder=1)
    for row in forest.of("pooled"):
        if row.interval is not None:
            x = float(measure.back(row.interval.centre))
            dots = (0.0, (1.5, 2.0))
            axes.plot(
                [x, x], [0.0, page.bottom], color=BLUE, linewidth=0.6, linestyle=dots, zorder=1
            )
    low, high = page.ends
    null = page.left - page.panel * low / (high - low)
    better = forest.benefit == "higher"
    y = page.bottom - 21.0
    left = f"← favours {'comparison' if better else 'programme'}"
    right = f"favours {'programme' if better else 'comparison'} →"
    _write(axes, page, (null - 4.0, y), left, BODY, ha="right")
    _write(axes, page, (null + 4.0, y), right, BODY)
    scale = " (log scale)" if measure.log else f", {forest.unit}" if forest.unit else ""
    middle = page.left + page.panel / 2
    _write(axes, page, (middle, y - 11.0), f"{measure.title}{scale}", BODY, ha="center")


def _write(
    axes: Axes,
    page: _Page,
    at: tuple[float, float],
    text: str,
    face: Face,
    *,
    ha: Align = "left",
    color: str = INK,
) -> None:
    """Put one line of text at points from the left edge and from the top of the axes."""
    if not text:
        return
    axes.text(
        page.across(at[0]),
        at[1],
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
    weight_end = page.width - EDGE
    for number, line in enumerate(page.title):
        _write(axes, page, (EDGE, page.above - EDGE - TITLE_LINE * (number + 0.5)), line, TITLE)
    _write(axes, page, (EDGE, 8.0), "Study", STRONG)
    _write(axes, page, (page.text_end, 8.0), _text_heading(forest), STRONG, ha="right")
    if forest.weighted:
        _write(axes, page, (weight_end, 8.0), _WEIGHT, STRONG, ha="right")
    _rule(axes, page, 1.0, INK, 0.8)
    summary = [y for row, y in zip(forest.rows, page.rows, strict=True) if row.role in _SUMMARY]
    if summary:
        _rule(axes, page, summary[0] + page.pitch / 2 + BEFORE_SUMMARY / 2, FAINT, 0.5)
    for row, y in zip(forest.rows, page.rows, strict=True):
        face, indent = _face(row), _indent(forest, row)
        room = page.left - EDGE - GAP - indent
        # A name that just fits must not be shortened because a sum was rounded.
        label = shorten(row.label, room + 0.01, face)
        _write(axes, page, (EDGE + indent, y), label, face)
        _write(axes, page, (page.text_end, y), _own_text(forest, row), face, ha="right")
        if not np.isnan(row.weight):
            share = "100" if row.role == "pooled" else spell_share(row.weight)
            _write(axes, page, (weight_end, y), share, face, ha="right")


def _rule(axes: Axes, page: _Page, y: float, color: str, linewidth: float) -> None:
    """Draw a line across everything."""
    line = Line2D(
        [page.across(EDGE), page.across(page.width - EDGE)],
        [y, y],
        transform=axes.get_yaxis_transform(),
        color=color,
        linewidth=linewidth,
        clip_on=False,
        zorder=0.5,
    )
    axes.add_line(line)


def _below(axes: Axes, page: _Page) -> None:
    """Explain the marks, and write the notes and the caveat."""
    for number, line in enumerate(page.strip):
        y = page.bottom - AXIS_HEIGHT - STRIP_LINE * (number + 0.5)
        for entry in line:
            end = entry.x + SAMPLE_WIDTH
            across = (page.across(entry.x), page.across(end))
            draw_sample(axes, SAMPLES[entry.kind], across, y)
            _write(axes, page, (end + 4.0, y), entry.text, SMALL)
    for number, note in enumerate(page.notes):
        y = page.notes_top - NOTE_LINE * (number + 0.5)
        _write(axes, page, (EDGE, y), note, SMALL, color=QUIET)
