"""Claims of a brief beside what rows say: one row a claim, silent ones too.

arviz-plots has no such picture; the rows are drawn by `bayesrtw.plot.page`.
"""

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from bayesrtw.plot.interval_table import EMPTY, Extra, TableLayout, read_table, require
from bayesrtw.plot.lettering import one_line
from bayesrtw.plot.page import draw_page
from bayesrtw.plot.rows import Column, Forest
from bayesrtw.plot.subject import Source
from bayesrtw.plot.verbs import verbs

if TYPE_CHECKING:
    import pandas as pd

#: Columns that name a claim and say how it was read; figures are those of `read_table`.
COLUMNS: Final = ("component", "conditions", "reading", "studies")


def _read(table: "pd.DataFrame", source: Source, *, ci_prob: float = 0.95) -> Forest:
    """Draw claims with the pooled effect of the studies that speak to each, and how it is read.

    In less than 195 mm conditions and numbers of studies do not fit.

    Parameters
    ----------
    table
        What `hold_against` returned, or some of its rows.
    source
        The synthesis, tree or evidence that it is about: says scale, direction of benefit and caveat.
    ci_prob
        Probability of the table's intervals.

    Returns
    -------
    Forest
        The axis of effects, as of `plot_forest`; marks of claims on which the rows cannot say are open.
    """
    require(table, COLUMNS, "Claims")
    names = {
        one_line(str(claim)): f"{claim} {title}"
        for claim, title in zip(table.index, table["component"], strict=True)
    }
    about = tuple(one_line(str(words)) for words in table["conditions"])
    readings = [str(reading) for reading in table["reading"]]
    layout = TableLayout(
        kind="Claims of a brief",
        subject="Claim",
        hollow="pooled effect where the rows cannot say",
        extras=(Extra("studies", "Studies", places=0, before=True),),
        notes=(
            "Each row pools the studies whose programme has the component, in the conditions that the "
            "claim is about.",
        ),
    )
    hollow = [reading in ("cannot say", "silent") for reading in readings]
    forest = read_table(table, source, layout, ci_prob=ci_prob, labels=names, hollow=hollow)
    effect, *others = forest.columns
    texts = tuple("" if text == EMPTY else text for text in effect.texts)
    return replace(
        forest,
        before=(
            Column("Condition", about),
            *(replace(column, needed=True) for column in forest.before),
        ),
        columns=(
            replace(effect, texts=texts),
            *(replace(column, needed=True) for column in others),
            Column("Reading", tuple(readings), needed=True),
        ),
    )


def _tell(forest: Forest) -> str:
    """Say the reading of each claim, and its effect where there is one."""
    said = "; ".join(
        f"{row.label}: {reading}" + (f", {forest.spell(row.interval)}" if row.interval else "")
        for row, reading in zip(forest.rows, forest.columns[-1].texts, strict=True)
    )
    return f"{forest.describe()} {said}."


plot_claims, describe_claims = verbs(_read, draw_page, tell=_tell, width_mm=195.0)
