"""Bias ladder: the pooled effect as more and more possible bias is allowed for.

arviz-plots has no such picture; the rows are drawn by `bayesrtw.plot.page`.
"""

from typing import TYPE_CHECKING

import numpy as np

from bayesrtw.plot.interval_table import TableLayout, read_table, require
from bayesrtw.plot.page import draw_page
from bayesrtw.plot.rows import Forest
from bayesrtw.plot.subject import Source
from bayesrtw.plot.verbs import verbs

if TYPE_CHECKING:
    import pandas as pd


def _read(table: "pd.DataFrame", source: Source, *, ci_prob: float = 0.95) -> Forest:
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

    Returns
    -------
    Forest
        The axis of effects, as of `plot_forest`; marks of rungs that were not registered are open.
    """
    require(table, ("rung",), "Bias ladder")
    fixed = (
        table["registered"].to_numpy(dtype=bool)
        if "registered" in table.columns
        else np.ones(len(table), dtype=bool)
    )
    layout = TableLayout(kind="Bias ladder", subject="Rung", hollow="beside it: does not decide")
    named = table.set_index("rung")
    return read_table(named, source, layout, ci_prob=ci_prob, hollow=[not it for it in fixed])


def _tell(forest: Forest) -> str:
    """Say the effect and the probability of benefit of each rung."""
    said = "; ".join(
        f"{row.label}: {forest.spell(row.interval)}, probability of benefit {chance}"
        for row, chance in zip(forest.rows, forest.columns[1].texts, strict=True)
        if row.interval is not None
    )
    return f"{forest.describe()} {said}."


plot_ladder, describe_ladder = verbs(_read, draw_page, tell=_tell, width_mm=170.0)
