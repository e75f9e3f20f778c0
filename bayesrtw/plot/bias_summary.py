"""Risk of bias summed up: for each domain the share of studies with each judgement.

arviz-plots has no such picture. Colours and signs are explained in `bayesrtw.plot.judgement`.
"""

from typing import Final

from matplotlib.axes import Axes

from bayesrtw.analysis.run import Synthesis
from bayesrtw.evidence.table import Evidence
from bayesrtw.plot.figure import INK, MM, figure_style
from bayesrtw.plot.frame import Frame, Side, draw_frame, write
from bayesrtw.plot.judgement import Sheet, sheet_of
from bayesrtw.plot.lettering import Face, shorten, type_for, width, wrap
from bayesrtw.plot.strip import explain_marks
from bayesrtw.plot.subject import evidence_of

#: Height of a row in points, and of its bar as a share of it.
ROW, BAR = 21.0, 0.66

#: Names of domains take at most this share of the width, in at most two lines.
NAME_SHARE = 0.36

#: Signs that would read as those of the number beside them, enclosed as in the legend.
_ENCLOSED: Final = {"+": "⊕", "−": "⊖", "×": "⊗"}


def plot_bias_summary(
    source: Synthesis | Evidence,
    *,
    instrument: str = "",
    version: str = "",
    width_mm: float = 84.0,
    ax: Axes | None = None,
) -> Axes:
    """Draw the share of studies with each judgement, one bar a domain.

    Parameters
    ----------
    source
        A synthesis, or evidence with judgements; the studies of its rows count once each.
    instrument, version
        Which instrument; may be empty where all judgements are by one.
    width_mm
        Width of the figure in millimetres.
    ax
        Empty axes whose place on their figure is used; None makes a figure as high as the bars need.

    Returns
    -------
    Axes
        Across percent of assessments, downwards the number of the domain, from 0.

    Raises
    ------
    SpecError
        If there are no judgements by that instrument, or several instruments and none is named.
    """
    sheet = _read(source, instrument, version)
    domains, count = len(sheet.domains), len(sheet.studies)
    room = width_mm * MM
    face = type_for(room).body
    labels = ["\n".join(_two_lines(title, room)) for title in sheet.titles]
    ticks = (0.0, 25.0, 50.0, 75.0, 100.0)
    frame = Frame(
        kind="Risk of bias, summary",
        described=describe_bias_summary(source, instrument=instrument, version=version),
        x=Side(
            f"% of {count} assessments",
            0.0,
            100.0,
            values=ticks,
            labels=tuple(f"{t:g}" for t in ticks),
        ),
        y=Side("", domains - 0.5, -0.5, values=tuple(range(domains)), labels=tuple(labels)),
        height=1.0,
        up=ROW * domains,
        legend=tuple(explain_marks(sheet.legend)),
        notes=(f"{sheet.instrument}. Numbers in the bars are assessments; each counts once.",),
    )
    with figure_style():
        axes = draw_frame(frame, ax=ax, width_mm=width_mm)
        axes.spines["left"].set_visible(False)
        axes.tick_params(axis="y", length=0)
        for row in range(domains):
            _bar(axes, sheet, row, face)
    return axes


def describe_bias_summary(
    source: Synthesis | Evidence, *, instrument: str = "", version: str = ""
) -> str:
    """Put the picture in words for who cannot see it.

    Parameters
    ----------
    source, instrument, version
        As in `plot_bias_summary`.

    Returns
    -------
    str
        For each domain how many assessments have which judgement.
    """
    sheet = _read(source, instrument, version)
    said = []
    for column, title in enumerate(sheet.titles):
        found = [row[column] for row in sheet.cells]
        counts = ", ".join(
            f"{mark.text} {found.count(mark)}" for mark in sheet.legend if mark in found
        )
        said.append(f"{title}: {counts}")
    return f"Risk of bias of {len(sheet.studies)} assessments by {sheet.instrument}. {'; '.join(said)}."


def _bar(axes: Axes, sheet: Sheet, row: int, face: Face) -> None:
    """Draw the bar of one domain; a number stands where it has room."""
    found = [cells[row] for cells in sheet.cells]
    start = 0.0
    for mark in sheet.legend:
        number = found.count(mark)
        share = 100.0 * number / len(found)
        if number:
            axes.barh(
                row,
                share,
                BAR,
                left=start,
                color=mark.fill,
                edgecolor=INK,
                linewidth=0.5,
                gid=f"{sheet.domains[row]}: {mark.text}",
            )
        root = axes.get_figure(root=True)
        scale = 72.0 if root is None else 72.0 / root.dpi
        text = f"{_ENCLOSED.get(mark.sign, mark.sign)} {number}"
        if share / 100.0 * axes.bbox.width * scale > width(text, face) + 4.0:
            at = (start + share / 2, row)
            write(axes, at, text, face, axes.transData, ha="center", color=mark.ink)
        start += share


def _two_lines(title: str, room: float) -> list[str]:
    face = type_for(room).body
    lines = wrap(title, NAME_SHARE * room, face)
    if len(lines) > 2:
        lines = [lines[0], shorten(" ".join(lines[1:]), NAME_SHARE * room, face)]
    return lines


def _read(source: Synthesis | Evidence, instrument: str, version: str) -> Sheet:
    evidence = evidence_of(source, None, "risk of bias")
    studies = [str(study) for study in evidence.data["study"].to_numpy()]
    return sheet_of(evidence.judgements, studies, instrument=instrument, version=version)
