"""Results beside each other: subgroups, or several syntheses, each pooled by itself.

arviz-plots' `plot_forest` draws several posteriors without columns; rows are drawn by `bayesrtw.plot.page`.
"""

from typing import TYPE_CHECKING

from bayesrtw.plot.interval_table import Extra, TableLayout, read_table
from bayesrtw.plot.page import draw_page
from bayesrtw.plot.rows import Forest
from bayesrtw.plot.subject import Source
from bayesrtw.plot.verbs import verbs

if TYPE_CHECKING:
    import pandas as pd


def _read(
    table: "pd.DataFrame", source: Source, *, ci_prob: float = 0.95, reference: str = ""
) -> Forest:
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

    Returns
    -------
    Forest
        The axis of effects, as of `plot_forest`.
    """
    layout = TableLayout(
        kind="Results beside each other",
        subject=str(table.index.name or "").replace("_", " ").capitalize(),
        reference=reference,
        called=reference.capitalize(),
        extras=(Extra("estimates", "Estimates", 0, before=True),),
    )
    labels = {str(name): str(name).replace("_", " ") for name in table.index}
    return read_table(table, source, layout, ci_prob=ci_prob, labels=labels)


plot_beside, describe_beside = verbs(_read, draw_page, tell=Forest.each, width_mm=170.0)
