"""Curves of return to work where the comparison's is stated: the picture of `brw.currencies.answers`."""

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from bayesrtw.evidence.hazards import ReturnCurve, back
from bayesrtw.plot.frame import COLUMN_MM, Frame, draw_frame
from bayesrtw.plot.lettering import one_line
from bayesrtw.plot.returns import POINTS, ReturnBands, framed
from bayesrtw.plot.subject import subject_of
from bayesrtw.plot.verbs import verbs
from bayesrtw.question.asked import About

if TYPE_CHECKING:
    import pandas as pd


def _frame(
    table: "pd.DataFrame",
    about: About,
    *,
    curve: ReturnCurve,
    source: str,
    horizon: float = 365.0,
    ci_prob: float = 0.95,
) -> Frame:
    """Draw a stated curve of return, and what the pooled hazard ratio makes of it.

    Parameters
    ----------
    table
        What `bayesrtw.currencies.answers` gives.
    about
        What it was asked of; the numbers of its studies are marked.
    curve, source
        Return without the programme, taken for certain, and where it is from.
    horizon
        Last day.
    ci_prob
        Probability of the intervals in `table`.

    Returns
    -------
    Frame
        Across days, upwards per cent of people who are back.
    """
    bands = _read(table, curve, source, horizon, ci_prob)
    return framed(bands, about.evidence, caveat=subject_of(about).caveat)


def _read(
    table: "pd.DataFrame", curve: ReturnCurve, source: str, horizon: float, ci_prob: float
) -> ReturnBands:
    """Carry hazard ratios over to the curve: shares rise with them, so that quantiles stay quantiles."""
    day = np.linspace(0.0, horizon, POINTS)
    ratios = table.xs("hazard ratio", level="currency")

    def shares(of: str, *ends: str) -> NDArray[np.float64]:
        return back(curve, day, ratios.loc[of, list(ends)].to_numpy(np.float64)[:, None])

    stated = np.broadcast_to(back(curve, day), (3, len(day)))
    percent = f"{100 * ci_prob:g}%"
    notes = (
        f"Without the programme people return as in {one_line(source)}, taken for certain; {percent} band. "
        "Hazards are proportional, and recurrent absence is not counted.",
    )
    called = ("without the programme, as stated", "with it, mean effect")
    return ReturnBands(
        day,
        (stated, shares("mean effect", "median", "lower", "upper")),
        called,
        (shares("new setting", "lower", "upper"), f"in a new setting, {percent}"),
        notes,
    )


plot_stated_returns, describe_stated_returns = verbs(_frame, draw_frame, width_mm=COLUMN_MM)
