"""Results beside each other: subgroups, or several syntheses, each pooled by itself.

arviz-plots' `plot_forest` draws several posteriors without columns; rows are drawn by `bayesrtw.plot.page`.
"""

from typing import TYPE_CHECKING

from matplotlib.axes import Axes

from bayesrtw.plot.interval_table import Extra, TableLayout, read_table
from bayesrtw.plot.page import draw_page
from bayesrtw.plot.rows import Forest
from bayesrtw.plot.subject import Source

if TYPE_CHECKING:
    import pandas as pd


def plot_beside(
    table: "pd.DataFrame",
    source: Source,
    *,
    ci_prob: float = 0.95,
    reference: str = "",
    width_mm: float = 170.0,
    ax: Axes | None = None,
) -> Axes:
    """Draw the pooled effect of each row, and beneath it that in a new setting.

    Parameters
    ----------
    table
        What `bayesrtw.question.beside.subgroups` returned, or `compare` of several syntheses: columns
        ``median, lower, upper, probability, new_lower, new_upper, estimates`` on the analysis scale.
    source
        The synthesis, tree or evidence that it is about: says scale, direction of benefit and caveat.
    ci_prob
        Probability of the table's intervals.
    reference
        Row that is drawn last as a diamond; empty for none.
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
    return draw_page(_read(table, source, ci_prob, reference), ax=ax, width_mm=width_mm)


def describe_beside(
    table: "pd.DataFrame", source: Source, *, ci_prob: float = 0.95, reference: str = ""
) -> str:
    """Put the picture in words for who cannot see it.

    Parameters
    ----------
    table, source, ci_prob, reference
        As in `plot_beside`.

    Returns
    -------
    str
        Each row with its pooled effect.
    """
    forest = _read(table, source, ci_prob, reference)
    said = "; ".join(
        f"{row.label}: {forest.spell(row.interval)}"
        for row in forest.rows
        if row.interval is not None
    )
    return f"{forest.describe()} {said}."


def _read(table: "pd.DataFrame", source: Source, ci_prob: float, reference: str) -> Forest:
    layout = TableLayout(
        kind="Results beside each other",
        subject=str(table.index.name or "").replace("_", " ").capitalize(),
        reference=reference,
        called=reference.capitalize(),
        extras=(Extra("estimates", "Estimates", 0, before=True),),
    )
    labels = {str(name): str(name).replace("_", " ") for name in table.index}
    return read_table(table, source, layout, ci_prob=ci_prob, labels=labels)
