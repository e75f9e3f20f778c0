"""Forest of currencies: each number of a study translated alone, and all of them together."""

from dataclasses import replace
from typing import Final

import xarray as xr
from matplotlib.axes import Axes

from bayesrtw.analysis.run import Synthesis
from bayesrtw.errors import SpecError
from bayesrtw.evidence.table import Evidence
from bayesrtw.model.translated import OneSaid
from bayesrtw.plot.fitted import read_forest
from bayesrtw.plot.own import places, translated
from bayesrtw.plot.page import draw_page
from bayesrtw.plot.rows import Column, Forest, Interval, Row
from bayesrtw.plot.subject import evidence_of, tree_of
from bayesrtw.posterior.tree import models_of

#: What no interval is written for.
UNBOUNDED: Final = "not bounded"


def plot_currencies(
    source: Synthesis | xr.DataTree,
    *,
    evidence: Evidence | None = None,
    ci_prob: float = 0.95,
    title: str = "",
    width_mm: float = 170.0,
    ax: Axes | None = None,
) -> Axes:
    """Draw what each study reports, in whatever currency, side by side on the one scale.

    A study has one line for all that is heard of it together, with the shrunken value beneath, and one for
    each of its numbers translated alone, with the curve of return integrated out. Numbers beside a hazard
    ratio are open: they are not heard.

    Parameters
    ----------
    source
        A synthesis, or what `fit` returned, with the likelihood `return_to_work`.
    evidence
        What was pooled, where `source` is a tree.
    ci_prob
        Probability of every interval, in (0, 1).
    title
        Heading of the plot.
    width_mm
        Width of the figure in millimetres.
    ax
        Empty axes whose place on their figure is used. None makes a figure as high as the rows need.

    Returns
    -------
    Axes
        The axis of effects, as of `plot_forest`.

    Raises
    ------
    SpecError
        If the likelihood hears one currency alone, there is no evidence, or `ax` or `width_mm` is too small.
    """
    forest = _read(source, evidence, ci_prob)
    return draw_page(forest, title=title, ax=ax, width_mm=width_mm)


def describe_currencies(
    source: Synthesis | xr.DataTree, *, evidence: Evidence | None = None, ci_prob: float = 0.95
) -> str:
    """Put the picture in words for who cannot see it.

    Parameters
    ----------
    source, evidence, ci_prob
        As in `plot_currencies`.

    Returns
    -------
    str
        Each study with its numbers, then the pooled effect.
    """
    forest = _read(source, evidence, ci_prob)
    said = [
        f"{row.label}: {forest.spell(row.interval)}."
        for row in forest.rows
        if row.role in ("estimate", "part") and row.interval is not None
    ]
    return " ".join([forest.describe(), *said])


def _read(source: Synthesis | xr.DataTree, evidence: Evidence | None, ci_prob: float) -> Forest:
    """Put the numbers of each study beneath it."""
    tree = tree_of(source)
    models, rows = models_of(tree), evidence_of(source, evidence, "plot_currencies")
    speaks = models[0].likelihood.offers.speaks
    if speaks is None:
        raise SpecError(
            "plot_currencies: this model hears one currency alone; use the likelihood 'return_to_work', or "
            "draw plot_forest(source)."
        )
    forest = translated(read_forest(source, group_by=None, ci_prob=ci_prob), rows, models)
    spoken = speaks.spoken(rows)
    kept: list[Row] = []
    texts: list[list[str]] = [[] for _ in forest.columns]
    for place, (row, at) in enumerate(zip(forest.rows, places(forest, rows), strict=True)):
        whole = None if at is None else spoken[at]
        kept.append(
            row if whole is None else replace(row, label=f"{row.label}: {whole.whole.said}")
        )
        for column, own in zip(forest.columns, texts, strict=True):
            own.append(column.texts[place])
        for part in () if whole is None else whole.parts:
            kept.append(_row(part, ci_prob))
            interval = kept[-1].interval
            texts[0].append(UNBOUNDED if interval is None else forest.spell(interval))
            for own in texts[1:]:
                own.append("")
    unheard = any(row.role == "part" and row.hollow for row in kept)
    alone = any(row.role == "part" and not row.hollow for row in kept)
    legend = [
        ("own", f"all that is heard of a study, {forest.percent} interval", True),
        ("part", "one number alone", alone),
        ("unheard", "not heard: the hazard ratio speaks alone", unheard),
    ]
    return replace(
        forest,
        kind="Forest plot of currencies",
        rows=tuple(kept),
        columns=tuple(
            Column(column.heading, tuple(own), column.needed, column.note)
            for column, own in zip(forest.columns, texts, strict=True)
        ),
        legend=(
            *((kind, text) for kind, text, occurs in legend if occurs),
            *(each for each in forest.legend if each[0] != "own"),
        ),
        notes=(*forest.notes, "Numbers of the same people go together and are not added up."),
    )


def _row(part: OneSaid, ci_prob: float) -> Row:
    value = part.supported(ci_prob)
    return Row(
        "part",
        part.said,
        None if value is None else Interval(*value),
        hollow=not part.heard,
    )
