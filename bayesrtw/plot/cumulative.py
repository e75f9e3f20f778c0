"""Cumulative pooling: what was known at each step, most often each year.

arviz-plots has no such picture; the rows are drawn by `bayesrtw.plot.page`.
"""

from typing import TYPE_CHECKING

from matplotlib.axes import Axes

from bayesrtw.plot.interval_table import TAU, Extra, TableLayout, read_table
from bayesrtw.plot.lettering import one_line
from bayesrtw.plot.page import draw_page
from bayesrtw.plot.rows import Forest
from bayesrtw.plot.subject import Source

if TYPE_CHECKING:
    import pandas as pd


def plot_cumulative(
    table: "pd.DataFrame",
    source: Source,
    *,
    ci_prob: float = 0.95,
    width_mm: float = 170.0,
    ax: Axes | None = None,
) -> Axes:
    """Draw the pooled effect of what was known at each step.

    Parameters
    ----------
    table
        What `bayesrtw.question.sensitivity.cumulative` returned: index the steps, columns ``median,
        lower, upper, probability`` on the analysis scale; ``estimates`` and ``tau`` are printed too.
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
        The axis of effects, as of `plot_forest`.

    Raises
    ------
    SpecError
        If a column is missing, or `ax` or `width_mm` is too small.
    """
    return draw_page(_read(table, source, ci_prob), ax=ax, width_mm=width_mm)


def describe_cumulative(table: "pd.DataFrame", source: Source, *, ci_prob: float = 0.95) -> str:
    """Put the picture in words for who cannot see it.

    Parameters
    ----------
    table, source, ci_prob
        As in `plot_cumulative`.

    Returns
    -------
    str
        The number of steps, and the first and the last result.
    """
    forest = _read(table, source, ci_prob)
    found = [row for row in forest.rows if row.interval is not None]
    ends = "; ".join(
        f"{row.label}: {forest.spell(row.interval)}"
        for row in (found[0], found[-1])
        if row.interval is not None
    )
    return f"{forest.describe()} {ends}."


def _read(table: "pd.DataFrame", source: Source, ci_prob: float) -> Forest:
    by = one_line(str(table.index.name or "step")).replace("_", " ")
    layout = TableLayout(
        kind="Cumulative pooling",
        subject=f"Up to {by}",
        extras=(Extra("estimates", "Estimates", 0, before=True), Extra("tau", "τ", note=TAU)),
        new=False,
        notes=("Each row pools all estimates up to it.",),
    )
    return read_table(table, source, layout, ci_prob=ci_prob)
