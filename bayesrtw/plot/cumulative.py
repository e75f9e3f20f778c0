"""Cumulative pooling: what was known at each step, most often each year.

arviz-plots has no such picture; the rows are drawn by `bayesrtw.plot.page`.
"""

from typing import TYPE_CHECKING

from bayesrtw.plot.interval_table import TAU, Extra, TableLayout, read_table
from bayesrtw.plot.lettering import one_line
from bayesrtw.plot.page import draw_page
from bayesrtw.plot.rows import Forest
from bayesrtw.plot.subject import Source
from bayesrtw.plot.verbs import verbs

if TYPE_CHECKING:
    import pandas as pd


def _read(table: "pd.DataFrame", source: Source, *, ci_prob: float = 0.95) -> Forest:
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

    Returns
    -------
    Forest
        The axis of effects, as of `plot_forest`.
    """
    by = one_line(str(table.index.name or "step")).replace("_", " ")
    layout = TableLayout(
        kind="Cumulative pooling",
        subject=f"Up to {by}",
        extras=(Extra("estimates", "Estimates", 0, before=True), Extra("tau", "τ", note=TAU)),
        new=False,
        notes=("Each row pools all estimates up to it.",),
    )
    return read_table(table, source, layout, ci_prob=ci_prob)


plot_cumulative, describe_cumulative = verbs(_read, draw_page, tell=Forest.ends, width_mm=170.0)
