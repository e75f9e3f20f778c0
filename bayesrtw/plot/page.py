"""The page of rows with intervals: where everything goes, and drawing it.

Forest plots, leave-one-out, cumulative pooling, panels of priors, ladders and levels of moderators are
all rows with a name, an interval and columns of numbers; they are laid out and drawn here.

Everything is laid out in points: the y axis of the plot counts points down from its top, and text
beside it is placed by its distance from the left edge. Widths are measured before anything is drawn,
so labels cannot meet.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final, Literal

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedFormatter, FixedLocator, NullLocator

from bayesrtw.errors import SpecError
from bayesrtw.plot.figure import BLUE, FAINT, INK, MM, QUIET, figure_style
from bayesrtw.plot.judgement import draw_discs
from bayesrtw.plot.lettering import (
    FAMILY,
    HINTED,
    NARROW,
    Face,
    Type,
    one_line,
    shorten,
    type_for,
    width,
    wrap,
)
from bayesrtw.plot.marks import draw_marks
from bayesrtw.plot.reach import reach
from bayesrtw.plot.rows import Column, Forest, Row
from bayesrtw.plot.scale import ticks
from bayesrtw.plot.strip import (
    BESIDE,
    DOTS,
    SAMPLE_WIDTH,
    SAMPLES,
    STRIP_LINE,
    Sample,
    StripRow,
    draw_sample,
    explain_marks,
    lay_strip,
)
from bayesrtw.printed import arrows

#: Distance between rows in points: generous up to `CROWDED` rows, of which each further one adds no
#: more than `FURTHER` until they are as close as two marks and a line of type allow: 60 studies still
#: stand on a page of A4.
WIDE, CLOSE, CROWDED, FURTHER = 13.5, 10.5, 34, 6.5

#: Blank between columns, around everything, before a heading and before the summary.
GAP, EDGE, BEFORE_HEADING, BEFORE_SUMMARY = 9.0, 5.0, 4.0, 9.0

#: Indent of what stands under a heading.
INDENT: Final = 7.0

#: Names take at most this share of the width.
NAME_SHARE: Final = 0.36

#: Least room of names, what "favours comparison" needs when no effect is at the left end of the axis;
#: and of the axis, which shows little in less: names give way before. On a page, and in one column.
LEAST, LEAST_NARROW = (78.0, 120.0), (68.0, 66.0)

#: Height of the column headings; of the axis with its ticks, directions and title; of a note, a title.
HEAD_HEIGHT, AXIS_HEIGHT, NOTE_LINE, TITLE_LINE = 16.0, 46.0, 9.3, 12.0

#: Rows up to which long names get lines of their own.
MOST_STACKED: Final = 20

#: Height of a line that holds a name alone, as a share of a row: it belongs to the row beneath.
NAME_PITCH: Final = 0.72

#: Lines of a name, and the height of one.
MOST_LINES, NAME_LINE = 3, 9.4

#: Distance between discs of judgements, and their diameter.
DISC_PITCH, DISC = 9.6, 7.4

_SUMMARY: Final = ("prior", "pooled", "new")

Align = Literal["left", "center", "right"]


@dataclass(frozen=True, slots=True)
class _Page:
    """Where everything goes, in points: x from the left edge, y up from the top of the axes."""

    width: float
    type: Type
    name_end: float
    before: tuple[tuple[Column, float], ...]
    left: float
    right: float
    columns: tuple[tuple[Column, float], ...]
    discs: tuple[tuple[int, float], ...]
    ends: tuple[float, float]
    rows: tuple[float, ...]
    labels: tuple[tuple[str, ...], ...]
    pitch: float
    bottom: float
    title: tuple[str, ...]
    strip: tuple[tuple[StripRow, ...], ...]
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


def draw_page(
    forest: Forest, *, title: str = "", ax: Axes | None = None, width_mm: float = 170.0
) -> Axes:
    """Draw rows of intervals with everything around them."""
    heading = one_line(title)
    with figure_style():
        if ax is None:
            forest = _stacked(forest, width_mm * MM)
            page = _layout(forest, heading, width_mm * MM)
            _refuse_narrow(forest, page)
            figure = Figure(figsize=(page.width / 72, page.height / 72))
            figure.set_label(heading or f"{forest.kind}: {forest.measure.title}")
            axes = figure.add_axes((0.0, 0.0, 1.0, 1.0))
        else:
            axes = ax
            forest = _stacked(forest, _size(axes)[0])
            page = _layout(forest, heading, _size(axes)[0])
            _refuse_small(axes, forest, page)
        axes.set_label(forest.describe())
        _place(axes, page)
        _draw_scale(axes, forest, page)
        _directions(axes, forest, page)
        _columns(axes, forest, page)
        draw_marks(axes, forest, page.rows, page.ends)
        _judgements(axes, forest, page)
        _below(axes, page)
    return axes


def _stacked(forest: Forest, room: float) -> Forest:
    """Give long names lines of their own in one column of a journal, where rows are few.

    Names of priors, rungs and levels are phrases, of which the beginning and the end say little;
    studies are known by author and year.
    """
    most = room - 2 * EDGE - GAP - sum(LEAST_NARROW)
    face = type_for(room).body
    long = any(width(row.label, face) > max(most, LEAST_NARROW[0]) for row in forest.rows)
    if room >= NARROW or not long or not forest.phrases or len(forest.rows) > MOST_STACKED:
        return forest
    rows: list[Row] = []
    for row in forest.rows:
        rows += [Row("name", row.label, bold=row.role == "pooled"), replace(row, label="")]

    def doubled(column: Column) -> Column:
        texts = [each for text in column.texts for each in ("", text)]
        return replace(column, texts=tuple(texts))

    return replace(
        forest,
        rows=tuple(rows),
        before=tuple(map(doubled, forest.before)),
        columns=tuple(map(doubled, forest.columns)),
    )


def _size(axes: Axes) -> tuple[float, float]:
    """Width and height of axes in points."""
    root = axes.get_figure(root=True)
    scale = 72.0 if root is None else 72.0 / root.dpi
    return axes.bbox.width * scale, axes.bbox.height * scale


def _refuse_narrow(forest: Forest, page: _Page) -> None:
    """Say how wide a figure must be, if it is not."""
    short = _least(page.width)[1] - page.panel
    if short > 0.5:
        raise SpecError(
            f"plot: width_mm is {page.width / MM:.0f}; names and numbers of these {len(forest.rows)} rows "
            f"need {(page.width + short) / MM:.0f}; give a larger width_mm."
        )


def _refuse_small(axes: Axes, forest: Forest, page: _Page) -> None:
    """Say how large given axes must be, if they are not."""
    have_width, have_height = _size(axes)
    least = _least(page.width)[1]
    # Half a point is what converting inches to pixels and back may lose.
    if page.height <= have_height + 0.5 and page.panel >= least - 0.5:
        return
    needed = have_width + max(0.0, least - page.panel)
    raise SpecError(
        f"plot: ax is {have_width / 72:.1f} by {have_height / 72:.1f} inches; its "
        f"{len(forest.rows)} rows need {needed / 72:.1f} by {page.height / 72:.1f}; give larger axes, "
        "or leave ax out."
    )


def _least(room: float) -> tuple[float, float]:
    """Least room of names and of the axis."""
    return LEAST_NARROW if room < NARROW else LEAST


def _layout(forest: Forest, title: str, room: float) -> _Page:
    """Measure every text and divide the width and the height."""
    faces = type_for(room)
    name_least, panel_least = _least(room)
    before, columns, discs = _kept(forest, faces, room)
    taken = sum(_column_width(forest, column, faces) + GAP for column in before)
    x = room - EDGE - (len(discs) * DISC_PITCH + GAP if discs else 0.0)
    centres = tuple(
        (which, x + GAP + DISC_PITCH * (place + 0.5)) for place, which in enumerate(discs)
    )
    ends: list[float] = []
    for column in reversed(columns):
        ends.insert(0, x)
        x -= _column_width(forest, column, faces) + GAP
    names = [
        width(row.label, _face(row, faces)) + _indent(forest, row)
        for row in forest.rows
        if row.role != "name"
    ]
    names.append(width(forest.subject, faces.strong))
    most = min(NAME_SHARE * room, x - taken - EDGE - GAP - panel_least)
    # Columns before the axis give the directions room that names need not give.
    name_end = EDGE + max(min(max(names), most), name_least - taken, 40.0)
    left, starts = name_end + GAP, []
    for column in before:
        left += _column_width(forest, column, faces)
        starts.append(left)
        left += GAP
    labels = tuple(_label(forest, row, name_end, faces) for row in forest.rows)
    rows, bottom, pitch = _rows(forest, [len(lines) for lines in labels])
    inner = room - 2 * EDGE
    limit = reach(forest)
    return _Page(
        width=room,
        type=faces,
        name_end=name_end,
        before=tuple(zip(before, starts, strict=True)),
        left=left,
        right=x,
        columns=tuple(zip(columns, ends, strict=True)),
        discs=centres,
        ends=limit,
        rows=rows,
        labels=labels,
        pitch=pitch,
        bottom=bottom,
        title=tuple(wrap(title, inner, faces.title)),
        strip=lay_strip(_legend(forest, limit, discs), EDGE, inner, faces.small),
        notes=tuple(_notes(forest, inner, faces, discs, (*before, *columns))),
    )


def _notes(
    forest: Forest, inner: float, faces: Type, discs: Sequence[int], columns: Sequence[Column]
) -> list[str]:
    said = [*forest.notes, *(column.note for column in columns if column.note)]
    if forest.dots is not None and discs:
        several = f": {forest.dots.explained}" if len(discs) > 1 else ", overall."
        said.append(f"Risk of bias ({forest.dots.instrument}){several}")
    lines = wrap(" ".join(said), inner, faces.small)
    if forest.caveat:
        lines += wrap(f"Caveat: {forest.caveat}", inner, faces.small)
    return lines


def _kept(forest: Forest, faces: Type, room: float) -> tuple[list[Column], list[Column], list[int]]:
    """Choose the columns and discs that leave names and the axis their least room."""
    before, columns = list(forest.before), list(forest.columns)
    discs = list(range(len(forest.dots.headings))) if forest.dots is not None else []
    name_least, panel_least = _least(room)

    def fits() -> bool:
        texts = sum(_column_width(forest, column, faces) + GAP for column in (*before, *columns))
        beside = len(discs) * DISC_PITCH + GAP if discs else 0.0
        return room - 2 * EDGE - GAP - texts - beside - name_least >= panel_least

    if not fits() and len(discs) > 1:
        # The overall judgement, which is the last, says the most.
        discs = discs[-1:]
    for column in [each for each in reversed(columns) if not each.needed]:
        if not fits():
            columns.remove(column)
    if not fits():
        before.clear()
    return before, columns, discs if fits() else []


def _column_width(forest: Forest, column: Column, faces: Type) -> float:
    texts = [
        width(text, _face(row, faces))
        for row, text in zip(forest.rows, column.texts, strict=True)
        if text
    ]
    return max([*texts, width(column.heading, faces.strong)])


def _label(forest: Forest, row: Row, name_end: float, faces: Type) -> tuple[str, ...]:
    """Break a name that is longer than its room; what a row cannot hold is cut in its last line."""
    face, room = _face(row, faces), name_end - EDGE - _indent(forest, row) + 0.01
    if row.role == "name" or width(row.label, face) <= room:
        return (row.label,)
    lines = wrap(row.label, room, face)
    kept = [*lines[: MOST_LINES - 1], " ".join(lines[MOST_LINES - 1 :])]
    return tuple(shorten(line, room, face) for line in kept if line)


def _rows(forest: Forest, lines: Sequence[int]) -> tuple[tuple[float, ...], float, float]:
    """Middle of each row, the lower end of the axes, and the distance between rows."""
    count = len(forest.rows)
    pitch = max(CLOSE, (min(count, CROWDED) * WIDE + max(0, count - CROWDED) * FURTHER) / count)
    y = -2.0
    middles = []
    above: Row | None = None
    for row, high in zip(forest.rows, lines, strict=True):
        if row.role == "heading" and above is not None:
            y -= BEFORE_HEADING
        if above is not None and _summary(row) and not _summary(above):
            y -= BEFORE_SUMMARY
        if row.role == "name" and above is not None and not _summary(row):
            y -= BEFORE_HEADING
        tall = pitch * NAME_PITCH if row.role == "name" else pitch + NAME_LINE * (high - 1)
        middles.append(y - tall / 2)
        y -= tall
        above = row
    return tuple(middles), y - 3.0, pitch


def _summary(row: Row) -> bool:
    """Whether a row belongs to the summary beneath the rule."""
    return row.role in _SUMMARY or (row.role == "name" and row.bold)


def _legend(
    forest: Forest, ends: tuple[float, float], discs: Sequence[int]
) -> list[tuple[Sample, str]]:
    """Explain the marks that occur."""
    shown = [seen for row in forest.rows for seen in (row.interval, row.shrunken, row.new) if seen]
    legend = [(SAMPLES[kind], text) for kind, text in forest.legend]
    if forest.dots is not None and discs:
        seen = {row[which] for row in forest.dots.marks if row for which in discs}
        legend += explain_marks(mark for mark in seen if mark is not None)
    if any(each.lower < ends[0] or each.upper > ends[1] for each in shown):
        legend.append((SAMPLES["arrow"], "goes on beyond the axis"))
    return legend


def _face(row: Row, faces: Type) -> Face:
    return faces.strong if row.bold or row.role in ("heading", "pooled") else faces.body


def _indent(forest: Forest, row: Row) -> float:
    inside = row.role == "part" or (forest.grouped and row.role in ("estimate", "level"))
    return INDENT if inside else 0.0


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
        measure=forest.measure,
        length=page.panel,
        label_width=lambda label: width(label, page.type.body),
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
        labelsize=page.type.body.size,
        labelfontfamily=FAMILY[0],
    )


def _directions(axes: Axes, forest: Forest, page: _Page) -> None:
    """Draw the lines of no effect and of the pooled effect; say under the axis what is good."""
    measure = forest.measure
    axes.plot([measure.null] * 2, [0.0, page.bottom], color=INK, linewidth=0.6, zorder=1)
    for row in forest.of("pooled"):
        if row.interval is not None:
            x = float(measure.back(row.interval.centre))
            axes.plot(
                [x, x], [0.0, page.bottom], color=BLUE, linewidth=0.6, linestyle=DOTS, zorder=1
            )
    low, high = page.ends
    null = page.left - page.panel * low / (high - low)
    y = page.bottom - 21.0
    left, right = map(one_line, arrows(forest.direction.sides))
    body = page.type.body
    _write(axes, page, (null - 4.0, y), left, body, ha="right")
    _write(axes, page, (null + 4.0, y), right, body)
    scale = " (log scale)" if measure.log else f", {forest.unit}" if forest.unit else ""
    title = shorten(f"{measure.title}{scale}", page.width - 2 * EDGE, body)
    half = width(title, body) / 2
    middle = np.clip(page.left + page.panel / 2, EDGE + half, page.width - EDGE - half)
    _write(axes, page, (float(middle), y - 11.0), title, body, ha="center")


def _write(
    axes: Axes,
    page: _Page,
    at: tuple[float, float],
    text: str,
    face: Face,
    *,
    ha: Align = "left",
    color: str = INK,
    opaque: bool = False,
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
        bbox={"facecolor": "white", "edgecolor": "none", "pad": 0.8} if opaque else None,
    )


def _columns(axes: Axes, forest: Forest, page: _Page) -> None:
    """Write title, headings, names and columns."""
    faces = page.type
    for number, line in enumerate(page.title):
        y = page.above - EDGE - TITLE_LINE * (number + 0.5)
        _write(axes, page, (EDGE, y), line, faces.title)
    starts = [end - width(it.heading, faces.strong) for it, end in (*page.before, *page.columns)]
    room = max(min([*starts, page.width]) - GAP / 2, page.name_end) - EDGE
    subject = shorten(forest.subject, room + 0.01, faces.strong)
    _write(axes, page, (EDGE, 8.0), subject, faces.strong)
    for column, end in (*page.before, *page.columns):
        _write(axes, page, (end, 8.0), column.heading, faces.strong, ha="right")
    _rule(axes, page, 1.0, INK, 0.8)
    roles = [_summary(row) for row in forest.rows]
    for place in range(1, len(roles)):
        if roles[place] and not roles[place - 1]:
            y = page.rows[place] + page.pitch / 2 + BEFORE_SUMMARY / 2
            _rule(axes, page, y, FAINT, 0.5)
    for place, (row, y) in enumerate(zip(forest.rows, page.rows, strict=True)):
        face, indent = _face(row, faces), _indent(forest, row)
        lines = page.labels[place]
        if row.role == "name":  # one that just fits must not be shortened by rounding
            lines = (shorten(row.label, HINTED * (page.width - EDGE) - EDGE + 0.01, face),)
        for number, line in enumerate(lines):
            at = y + NAME_LINE * ((len(lines) - 1) / 2 - number)
            _write(axes, page, (EDGE + indent, at), line, face, opaque=row.role == "name")
        for column, end in (*page.before, *page.columns):
            _write(axes, page, (end, y), column.texts[place], face, ha="right")


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


def _judgements(axes: Axes, forest: Forest, page: _Page) -> None:
    """Draw judgements of risk of bias beside their rows, with short headings."""
    if forest.dots is None:
        return
    for which, x in page.discs:
        heading = forest.dots.headings[which]
        _write(axes, page, (x, 8.0), heading, replace(page.type.strong, size=6.0), ha="center")
    cells = [
        (mark, page.across(x), y)
        for row, y in zip(forest.dots.marks, page.rows, strict=True)
        for which, x in page.discs
        if row and (mark := row[which]) is not None
    ]
    if cells:
        marks, across, heights = zip(*cells, strict=True)
        draw_discs(
            axes, marks, across, heights, diameter=DISC, transform=axes.get_yaxis_transform()
        )


def _below(axes: Axes, page: _Page) -> None:
    """Explain the marks, and write the notes and the caveat."""
    small = page.type.small
    for number, line in enumerate(page.strip):
        y = page.bottom - AXIS_HEIGHT - STRIP_LINE * (number + 0.5)
        for entry in line:
            end = entry.x + SAMPLE_WIDTH
            across = (page.across(entry.x), page.across(end))
            draw_sample(axes, entry.sample, across, y, axes.get_yaxis_transform(), half=3.2)
            _write(axes, page, (end + BESIDE, y), entry.text, small)
    for number, note in enumerate(page.notes):
        y = page.notes_top - NOTE_LINE * (number + 0.5)
        _write(axes, page, (EDGE, y), note, small, color=QUIET)
