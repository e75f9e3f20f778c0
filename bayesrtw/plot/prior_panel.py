"""Panel of priors: the pooled effect and that of a new setting under each prior of heterogeneity.

arviz-plots' `plot_psense_dist` scales a prior by powers and reweights draws; here each prior is fitted
exactly, and the rows are drawn by `bayesrtw.plot.page`.
"""

from typing import TYPE_CHECKING

from bayesrtw.plot.interval_table import TAU, Extra, TableLayout, read_table
from bayesrtw.plot.page import draw_page
from bayesrtw.plot.rows import Forest
from bayesrtw.plot.subject import Source
from bayesrtw.plot.verbs import verbs

if TYPE_CHECKING:
    import pandas as pd


def _read(
    table: "pd.DataFrame", source: Source, *, ci_prob: float = 0.95, of: str = "heterogeneity"
) -> Forest:
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

    Returns
    -------
    Forest
        The axis of effects, as of `plot_forest`.
    """
    layout = TableLayout(
        kind="Panel of priors",
        subject=f"Prior of {of}",
        reference="registered" if "registered" in table.index else "",
        called="Registered prior",
        extras=(Extra("tau", "τ", note=TAU),),
    )
    return read_table(table, source, layout, ci_prob=ci_prob)


plot_prior_panel, describe_prior_panel = verbs(_read, draw_page, tell=Forest.each, width_mm=170.0)
