"""Risk of bias, study by study and domain by domain: the traffic light, safe for any colour vision.

arviz-plots has no such picture. Colours and signs are explained in `bayesrtw.plot.judgement`.
"""

from dataclasses import replace
from functools import partial

from matplotlib.axes import Axes

from bayesrtw.analysis.run import Synthesis
from bayesrtw.evidence.table import Evidence
from bayesrtw.plot.figure import FAINT
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
from bayesrtw.plot.interval_table import labels_of
from bayesrtw.plot.judgement import Sheet, draw_discs, sheet_in
from bayesrtw.plot.lettering import one_line, shorten, type_for, width
from bayesrtw.plot.strip import explain_marks
from bayesrtw.plot.verbs import verbs

#: Height of a row and greatest distance between domains, in points; diameter of a disc.
ROW, ACROSS, DISC = 12.0, 30.0, 8.4

#: Names take at most this share of the width.
NAME_SHARE = 0.5


def _tailored(source: Synthesis | Evidence, *, instrument: str = "", version: str = "") -> Tailored:
    """Draw judgements of risk of bias, one row a study, one column a domain.

    Parameters
    ----------
    source
        A synthesis, or evidence with judgements; studies stand in the order of its rows.
    instrument, version
        Which instrument; may be empty where all judgements are by one. One that is not listed in
        `bayesrtw.evidence.quality` is drawn in its own words.

    Returns
    -------
    Tailored
        Across the number of the domain, downwards that of the study, from 0.

    Raises
    ------
    SpecError
        If there are no judgements by that instrument, or several instruments and none is named.
    """
    sheet = sheet_in(source, instrument, version)
    return Tailored(_told(sheet), partial(_laid, sheet, _names(source, sheet)))


def _laid(sheet: Sheet, names: list[str], room: float) -> Frame:
    """Lay discs out for a width."""
    count, domains = len(sheet.studies), len(sheet.domains)
    face = type_for(room).body
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
        described=_told(sheet),
        x=Side("", -0.5, high, bare=True),
        y=Side("", count - 0.4, -0.6, values=tuple(range(count)), labels=tuple(labels)),
        height=1.0,
        up=ROW * count,
        legend=tuple(explain_marks(sheet.legend)),
        notes=(f"{sheet.instrument}. {told}.",),
    )

    def paint(axes: Axes) -> None:
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

    return replace(frame, paint=paint)


def _told(sheet: Sheet) -> str:
    """Say how many studies have which overall judgement, or which judgements occur where none is overall."""
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
    scale = points_a_pixel(axes)
    wide, tall = axes.bbox.width * scale, axes.bbox.height * scale
    for place, text in enumerate(short):
        x = (place + 0.5) / (high + 0.5) * wide
        write(axes, (x, tall + 1.5), text, type_for(room).body, points, ha="center")


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


plot_traffic_light, describe_traffic_light = verbs(_tailored, draw_tailored, width_mm=84.0)
