"""Bias ladder: the pooled effect as more and more possible bias is allowed for.

arviz-plots has no such picture; the rows are drawn by `bayesrtw.plot.page`.
"""

from typing import TYPE_CHECKING

import numpy as np
from matplotlib.axes import Axes

from bayesrtw.plot.interval_table import TableLayout, read_table, require
from bayesrtw.plot.page import draw_page
from bayesrtw.plot.rows import Forest
from bayesrtw.plot.subject import Source

if TYPE_CHECKING:
    import pandas as pd


def plot_ladder(
    table: "pd.DataFrame",
    source: Source,
    *,
    ci_prob: float = 0.95,
    width_mm: float = 170.0,
    ax: Axes | None = None,
) -> Axes:
    """Draw the rungs of a bias ladder, from the top of the table downwards.

    Parameters
    ----------
    table
        One row a rung: ``rung`` (its name), ``median, lower, upper`` on the analysis scale,
        ``probability`` of benefit, and ``registered``, whether the rung decides the conclusion
        (all are taken to without it). ``new_lower`` and ``new_upper`` are drawn if there.
    source
        The synthesis, tree or evidence that it is about: says scale, direction of benefit and caveat.
    ci_prob
        Probability of the table's intervals.
    width_mm
        Width of the figure in millimetres; columns that do not fit are left out.
    ax
        Empty axes whose place on their figure is used; None makes a figure.

    Returns
    -------
    Axes
        The axis of effects, as of `plot_forest`; marks of rungs that were not registered are open.

    Raises
    ------
    SpecError
        If a column is missing, or `ax` or `width_mm` is too small.
    """
    return draw_page(_read(table, source, ci_prob), ax=ax, width_mm=width_mm)


def describe_ladder(table: "pd.DataFrame", source: Source, *, ci_prob: float = 0.95) -> str:
    """Put the picture in words for who cannot see it.

    Parameters
    ----------
    table, source, ci_prob
        As in `plot_ladder`.

    Returns
    -------
    str
        Each rung with its effect and probability of benefit.
    """
    forest = _read(table, source, ci_prob)
    said = "; ".join(
        f"{row.label}: {forest.spell(row.interval)}, probability of benefit {chance}"
        for row, chance in zip(forest.rows, forest.columns[1].texts, strict=True)
        if row.interval is not None
    )
    return f"{forest.describe()} {said}."


def _read(table: "pd.DataFrame", source: Source, ci_prob: float) -> Forest:
    require(table, ("rung",), "Bias ladder")
    fixed = (
        table["registered"].to_numpy(dtype=bool)
        if "registered" in table.columns
        else np.ones(len(table), dtype=bool)
    )
    layout = TableLayout(kind="Bias ladder", subject="Rung", hollow="beside it: does not decide")
    named = table.set_index("rung")
    return read_table(named, source, layout, ci_prob=ci_prob, hollow=[not it for it in fixed])
