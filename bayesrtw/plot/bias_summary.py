"""Risk of bias summed up: for each domain the share of studies with each judgement.

arviz-plots has no such picture. Colours and signs are explained in `bayesrtw.plot.judgement`.
"""

from functools import partial
from typing import Final

from bayesrtw.analysis.run import Synthesis
from bayesrtw.evidence.table import Evidence
from bayesrtw.plot.bars import NAME_SHARE, BarPart, bars
from bayesrtw.plot.frame import Frame, Tailored, draw_tailored
from bayesrtw.plot.judgement import Sheet, sheet_in
from bayesrtw.plot.lettering import shorten, type_for, wrap
from bayesrtw.plot.strip import explain_marks
from bayesrtw.plot.verbs import verbs

#: Height of a row in points, and of its bar as a share of it.
ROW, BAR = 21.0, 0.66

#: Signs that would read as those of the number beside them, enclosed as in the legend.
_ENCLOSED: Final = {"+": "⊕", "−": "⊖", "×": "⊗"}


def _tailored(source: Synthesis | Evidence, *, instrument: str = "", version: str = "") -> Tailored:
    """Draw the share of studies with each judgement, one bar a domain.

    Parameters
    ----------
    source
        A synthesis, or evidence with judgements; the studies of its rows count once each.
    instrument, version
        Which instrument; may be empty where all judgements are by one.

    Returns
    -------
    Tailored
        Across percent of assessments, downwards the number of the domain, from 0.

    Raises
    ------
    SpecError
        If there are no judgements by that instrument, or several instruments and none is named.
    """
    sheet = sheet_in(source, instrument, version)
    return Tailored(_told(sheet), partial(_laid, sheet))


def _told(sheet: Sheet) -> str:
    """Say for each domain how many assessments have which judgement."""
    said = []
    for column, title in enumerate(sheet.titles):
        found = [row[column] for row in sheet.cells]
        counts = ", ".join(
            f"{mark.text} {found.count(mark)}" for mark in sheet.legend if mark in found
        )
        said.append(f"{title}: {counts}")
    return f"Risk of bias of {len(sheet.studies)} assessments by {sheet.instrument}. {'; '.join(said)}."


def _laid(sheet: Sheet, room: float) -> Frame:
    """Lay bars out for a width."""
    count = len(sheet.studies)
    return bars(
        "Risk of bias, summary",
        _told(sheet),
        f"% of {count} assessments",
        ["\n".join(_two_lines(title, room)) for title in sheet.titles],
        [_parts(sheet, column) for column in range(len(sheet.domains))],
        room=room,
        row=ROW,
        legend=explain_marks(sheet.legend),
        notes=(f"{sheet.instrument}. Numbers in the bars are assessments; each counts once.",),
        whole=100.0,
        thick=BAR,
        outline=0.5,
    )


def _parts(sheet: Sheet, column: int) -> list[BarPart]:
    """Give the shares of one domain, those that occur."""
    found = [cells[column] for cells in sheet.cells]
    return [
        BarPart(
            100.0 * found.count(mark) / len(found),
            mark.fill,
            mark.ink,
            f"{_ENCLOSED.get(mark.sign, mark.sign)} {found.count(mark)}",
            f"{sheet.domains[column]}: {mark.text}",
        )
        for mark in sheet.legend
        if mark in found
    ]


def _two_lines(title: str, room: float) -> list[str]:
    face = type_for(room).body
    lines = wrap(title, NAME_SHARE * room, face)
    if len(lines) > 2:
        lines = [lines[0], shorten(" ".join(lines[1:]), NAME_SHARE * room, face)]
    return lines


plot_bias_summary, describe_bias_summary = verbs(_tailored, draw_tailored, width_mm=84.0)
