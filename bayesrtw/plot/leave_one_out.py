"""Leave-one-out: the pooled effect without each study.

arviz-plots has no such picture; the rows are drawn by `bayesrtw.plot.page`.
"""

from typing import TYPE_CHECKING

from bayesrtw.plot.interval_table import TAU, Extra, TableLayout, labels_of, read_table
from bayesrtw.plot.page import draw_page
from bayesrtw.plot.rows import Forest
from bayesrtw.plot.subject import Source, subject_of
from bayesrtw.plot.verbs import verbs
from bayesrtw.printed import spell_probability

if TYPE_CHECKING:
    import pandas as pd

_WHOLE = "none left out"

_ELPD = (
    "elpd: log predictive density of what was left out given the rest; the lowest are the estimates that the "
    "others foresee least."
)


def _read(table: "pd.DataFrame", source: Source, *, ci_prob: float = 0.95) -> Forest:
    """Draw the pooled effect without each study.

    Parameters
    ----------
    table
        What `bayesrtw.question.sensitivity.leave_one_out` returned: index what was left out, columns
        ``median, lower, upper, probability`` on the analysis scale; ``elpd`` and ``tau`` are printed too.
    source
        The synthesis, tree or evidence that it is about: says scale, direction of benefit and caveat.
    ci_prob
        Probability of the table's intervals.

    Returns
    -------
    Forest
        The axis of effects, as of `plot_forest`.
    """
    others = table.loc[[str(name) != _WHOLE for name in table.index]]
    notes = []
    direction = subject_of(source).direction
    if direction.event and "probability" in table.columns and others["probability"].notna().any():
        low, high = others["probability"].min(), others["probability"].max()
        notes.append(
            f"The probability {direction.said} lies between {spell_probability(float(low))} (without "
            f"{_named(source, others, low)}) and {spell_probability(float(high))} (without "
            f"{_named(source, others, high)})."
        )
    layout = TableLayout(
        kind="Leave-one-out",
        subject="Left out",
        reference=_WHOLE,
        called="None left out",
        extras=(Extra("tau", "τ", note=TAU), Extra("elpd", "elpd", 1, note=_ELPD)),
        notes=tuple(notes),
        result="pooled effect of the rest",
        new=False,
        phrases=False,
    )
    labels = labels_of(source, "study")
    return read_table(table, source, layout, ci_prob=ci_prob, labels=labels)


def _named(source: Source, table: "pd.DataFrame", probability: float) -> str:
    """Name the row with a probability."""
    name = str(table.index[int((table["probability"] == probability).to_numpy().argmax())])
    return labels_of(source, "study").get(name, name)


plot_leave_one_out, describe_leave_one_out = verbs(_read, draw_page, width_mm=170.0)
