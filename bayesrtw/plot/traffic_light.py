"""Risk of bias, study by study and domain by domain: the traffic light, safe for any colour vision.

arviz-plots has no such picture. Colours and signs are explained in `bayesrtw.plot.judgement`.
"""

from matplotlib.axes import Axes

from bayesrtw.analysis.run import Synthesis
from bayesrtw.evidence.table import Evidence
from bayesrtw.plot.figure import FAINT, MM, figure_style
from bayesrtw.plot.frame import EDGE, Frame, Side, draw_frame, points_from_corner, write
from bayesrtw.plot.interval_table import labels_of
from bayesrtw.plot.judgement import Sheet, draw_discs, sheet_of
from bayesrtw.plot.lettering import one_line, shorten, type_for, width
from bayesrtw.plot.strip import explain_marks
from bayesrtw.plot.subject import evidence_of

#: Height of a row and greatest distance between domains, in points; diameter of a disc.
ROW, ACROSS, DISC = 12.0, 30.0, 8.4

#: Names take at most this share of the width.
NAME_SHARE = 0.5


def plot_traffic_light(
    source: Synthesis | Evidence,
    *,
    instrument: str = "",
    version: str = "",
    width_mm: float = 84.0,
    ax: Axes | None = None,
) -> Axes:
    """Draw judgements of risk of bias, one row a study, one column a domain.

    Parameters
    ----------
    source
        A synthesis, or evidence with judgements; studies stand in the order of its rows.
    instrument, version
        Which instrument; may be empty where all judgements are by one. One that is not listed in
        `bayesrtw.evidence.quality` is drawn in its own words.
    width_mm
        Width of the figure in millimetres.
    ax
        Empty axes whose place on their figure is used; None makes a figure as high as the rows need.

    Returns
    -------
    Axes
        Across the number of the domain, downwards that of the study, from 0.

    Raises
    ------
    SpecError
        If there are no judgements by that instrument, or several instruments and none is named.
    """
    sheet = _read(source, instrument, version)
    count, domains = len(sheet.studies), len(sheet.domains)
    room = width_mm * MM if ax is None else ax.bbox.width * 72.0 / _dpi(ax)
    face = type_for(room).body
    names = _names(source, sheet)
    labels = [shorten(name, NAME_SHARE * room, face) for name in names]
    across = room - max(width(label, face) for label in labels) - 2 * EDGE - 12.0
    # Where there is more room than the domains need they stay together, beside the names.
    high = max(float(domains), across / ACROSS) - 0.5
    overall = sheet.domains[-1] == "overall"
    # "D" in front of a number helps only where it leaves numbers apart.
    head = "D" if across / (high + 0.5) > width(f"D{domains}", face) + 3.0 else ""
    short = [f"{head}{place + 1}" for place in range(domains - overall)] + ["All"] * overall
    told = "; ".join(
        f"{number}: {title}" for number, title in zip(short, sheet.titles, strict=True)
    )
    frame = Frame(
        kind="Risk of bias",
        described=describe_traffic_light(source, instrument=instrument, version=version),
        x=Side("", -0.5, high, bare=True),
        y=Side("", count - 0.4, -0.6, values=tuple(range(count)), labels=tuple(labels)),
        height=1.0,
        up=ROW * count,
        legend=tuple(explain_marks(sheet.legend)),
        notes=(f"{sheet.instrument}. {told}.",),
    )
    with figure_style():
        axes = draw_frame(frame, ax=ax, width_mm=width_mm)
        for name in ("left", "bottom"):
            axes.spines[name].set_visible(False)
        axes.tick_params(axis="y", length=0)
        axes.hlines(range(count), 0, domains - 1, color=FAINT, linewidth=0.4, zorder=1)
        places = [(row, column) for row in range(count) for column in range(domains)]
        draw_discs(
            axes,
            [sheet.cells[row][column] for row, column in places],
            [column for _, column in places],
            [row for row, _ in places],
            diameter=DISC,
        )
        _headings(axes, short, high, room)
    return axes


def describe_traffic_light(
    source: Synthesis | Evidence, *, instrument: str = "", version: str = ""
) -> str:
    """Put the picture in words for who cannot see it.

    Parameters
    ----------
    source, instrument, version
        As in `plot_traffic_light`.

    Returns
    -------
    str
        How many studies have which overall judgement, or which judgements occur where none is overall.
    """
    sheet = _read(source, instrument, version)
    said = f"Risk of bias of {len(sheet.studies)} assessments by {sheet.instrument}."
    if sheet.domains[-1] == "overall":
        last = [row[-1] for row in sheet.cells]
        counts = ", ".join(
            f"{mark.text} {last.count(mark)}" for mark in sheet.legend if mark in last
        )
        return f"{said} Overall: {counts}."
    every = [mark for row in sheet.cells for mark in row]
    counts = ", ".join(f"{mark.text} {every.count(mark)}" for mark in sheet.legend)
    return f"{said} Judgements over all domains: {counts}."


def _headings(axes: Axes, short: list[str], high: float, room: float) -> None:
    """Write the domains' short names above their columns."""
    points = points_from_corner(axes)
    root = axes.get_figure(root=True)
    scale = 72.0 if root is None else 72.0 / root.dpi
    wide, tall = axes.bbox.width * scale, axes.bbox.height * scale
    for place, text in enumerate(short):
        x = (place + 0.5) / (high + 0.5) * wide
        write(axes, (x, tall + 1.5), text, type_for(room).body, points, ha="center")


def _dpi(axes: Axes) -> float:
    root = axes.get_figure(root=True)
    return 72.0 if root is None else float(root.dpi)


def _read(source: Synthesis | Evidence, instrument: str, version: str) -> Sheet:
    evidence = evidence_of(source, None, "risk of bias")
    studies = [str(study) for study in evidence.data["study"].to_numpy()]
    return sheet_of(evidence.judgements, studies, instrument=instrument, version=version)


def _names(source: Synthesis | Evidence, sheet: Sheet) -> list[str]:
    """Label studies, keeping an assessor in brackets."""
    labels = labels_of(source, "study")
    found = []
    for name in map(one_line, sheet.studies):
        study, bracket, assessor = name.rpartition(" (")
        if name in labels or not bracket:
            found.append(labels.get(name, name))
        else:
            found.append(f"{labels.get(study, study)} ({assessor}")
    return found
