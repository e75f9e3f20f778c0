"""Panel of priors: the pooled effect and that of a new setting under each prior of heterogeneity.

arviz-plots' `plot_psense_dist` scales a prior by powers and reweights draws; here each prior is fitted
exactly, and the rows are drawn by `bayesrtw.plot.page`.
"""

from typing import TYPE_CHECKING

from matplotlib.axes import Axes

from bayesrtw.plot.interval_table import TAU, Extra, TableLayout, read_table
from bayesrtw.plot.page import draw_page
from bayesrtw.plot.rows import Forest
from bayesrtw.plot.subject import Source

if TYPE_CHECKING:
    import pandas as pd


def plot_prior_panel(
    table: "pd.DataFrame",
    source: Source,
    *,
    ci_prob: float = 0.95,
    of: str = "heterogeneity",
    width_mm: float = 170.0,
    ax: Axes | None = None,
) -> Axes:
    """Draw the pooled effect, and beneath it that in a new setting, under each prior.

    Parameters
    ----------
    table
        What `bayesrtw.question.sensitivity.prior_sensitivity` returned: index the priors, columns
        ``median, lower, upper, probability, new_lower, new_upper, tau`` on the analysis scale.
    source
        The synthesis, tree or evidence that it is about: says scale, direction of benefit and caveat.
    ci_prob
        Probability of the table's intervals.
    of
        What the priors are of, in words.
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
    return draw_page(_read(table, source, ci_prob, of), ax=ax, width_mm=width_mm)


def describe_prior_panel(
    table: "pd.DataFrame", source: Source, *, ci_prob: float = 0.95, of: str = "heterogeneity"
) -> str:
    """Put the picture in words for who cannot see it.

    Parameters
    ----------
    table, source, ci_prob, of
        As in `plot_prior_panel`.

    Returns
    -------
    str
        Each prior with its pooled effect.
    """
    forest = _read(table, source, ci_prob, of)
    said = "; ".join(
        f"{row.label}: {forest.spell(row.interval)}"
        for row in forest.rows
        if row.interval is not None
    )
    return f"{forest.describe()} {said}."


def _read(table: "pd.DataFrame", source: Source, ci_prob: float, of: str) -> Forest:
    layout = TableLayout(
        kind="Panel of priors",
        subject=f"Prior of {of}",
        reference="registered" if "registered" in table.index else "",
        called="Registered prior",
        extras=(Extra("tau", "τ", note=TAU),),
    )
    return read_table(table, source, layout, ci_prob=ci_prob)
