"""What evidence says of the rows of a forest plot: their order, their numbers as printed, their design."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, Final

import numpy as np

from bayesrtw.dims import ESTIMATE
from bayesrtw.errors import SpecError
from bayesrtw.evidence.printed_interval import PROBABILITY, printed_interval
from bayesrtw.evidence.table import Evidence
from bayesrtw.model.bias import Studies
from bayesrtw.model.spec import Model
from bayesrtw.model.translated import own_values
from bayesrtw.plot.lettering import one_line
from bayesrtw.plot.rows import Column, Forest, Interval, Row
from bayesrtw.registry import suggestion

#: Orders that need no column of the evidence: as the rows stand, by their effect, by their weight.
GIVEN: Final = "given"
ORDERS: Final = (GIVEN, "effect", "weight")


def places(forest: Forest, evidence: Evidence) -> list[int | None]:
    """Where the estimate of each row stands in the evidence."""
    names = [one_line(str(name)) for name in evidence.data[ESTIMATE].to_numpy()]
    at = {name: place for place, name in enumerate(names)}
    return [at.get(row.label) if row.role == "estimate" else None for row in forest.rows]


def ordered(forest: Forest, evidence: Evidence | None, order: str) -> Forest:
    """Sort the estimates under each heading: by effect or a column upwards, by weight downwards."""
    if order == GIVEN:
        return forest
    key = _key(forest, evidence, order)
    sequence: list[int] = []
    start = 0
    while start < len(forest.rows):
        end = start + 1
        if forest.rows[start].role == "estimate":
            while end < len(forest.rows) and forest.rows[end].role == "estimate":
                end += 1
        sequence += sorted(range(start, end), key=key)
        start = end
    return _taken(forest, sequence)


def heaviest(forest: Forest, most: int) -> Forest:
    """Keep the estimates of the largest weight, `most` of them, and say of how many."""
    rows = [place for place, row in enumerate(forest.rows) if row.role == "estimate"]
    if len(rows) <= most:
        return forest
    sizes = [forest.rows[place].size for place in rows]
    kept = {rows[place] for place in np.argsort(-np.array(sizes), kind="stable")[:most].tolist()}
    sequence = [
        place for place, row in enumerate(forest.rows) if row.role != "estimate" or place in kept
    ]
    note = f"Shown are the {most:,} estimates of the largest weight, of {len(rows):,}."
    return replace(_taken(forest, sequence), notes=(*forest.notes, note))


def _taken(forest: Forest, sequence: Sequence[int]) -> Forest:
    """Take rows with their columns of text, in an order."""

    def taken(column: Column) -> Column:
        return replace(column, texts=tuple(column.texts[place] for place in sequence))

    return replace(
        forest,
        rows=tuple(forest.rows[place] for place in sequence),
        before=tuple(map(taken, forest.before)),
        columns=tuple(map(taken, forest.columns)),
    )


def held_as(evidence: Evidence, name: str) -> str:
    """Give the name of a column that a table calls by another heading, such as Year."""
    of = {heading: own for own, heading in evidence.provenance.columns.items()}
    return name if name in evidence.data else of.get(name, name)


def _key(forest: Forest, evidence: Evidence | None, order: str) -> Callable[[int], Any]:
    """Give what a row is sorted by; empty cells come last."""
    if order == "effect":
        return lambda row: (own := forest.rows[row].interval) and own.centre
    if order == "weight":
        if any(np.isnan(row.weight) for row in forest.of("estimate")):
            raise SpecError(
                "plot_forest: order is 'weight', and this fit gives no weights; choose 'given', 'effect' or "
                "a column."
            )
        return lambda row: -forest.rows[row].weight
    have = [] if evidence is None else [str(name) for name in evidence.data.data_vars]
    order = order if evidence is None else held_as(evidence, order)
    if evidence is None or order not in have:
        choices = list(dict.fromkeys([*ORDERS, *have]))
        raise SpecError(f"plot_forest: order is {order!r}; {suggestion(order, choices)}")
    values, at = evidence.data[order].to_numpy(), places(forest, evidence)
    numbers = values.dtype != object

    def key(row: int) -> tuple[bool, Any]:
        place = at[row]
        value = "" if place is None else values[place]
        empty = bool(np.isnan(value)) if numbers and value != "" else str(value) == ""
        return empty, 0.0 if numbers and empty else value if numbers else str(value)

    return key


def as_printed(forest: Forest, evidence: Evidence) -> Forest:
    """Draw and print own intervals as their studies print them, where they do."""
    if forest.ci_prob != PROBABILITY:
        raise SpecError(
            f"plot_forest: as_printed shows 95 % intervals, and ci_prob is {forest.ci_prob:g}; leave one out."
        )
    rows, texts = list(forest.rows), [list(column.texts) for column in forest.columns]
    found = 0
    for row, place in enumerate(places(forest, evidence)):
        said = None if place is None else printed_interval(evidence, place, forest.measure)
        if said is None:
            continue
        found += 1
        ends, text = said
        rows[row] = replace(rows[row], interval=Interval(*ends))
        texts[0][row] = text
    if not found:
        return forest
    note = (
        "Own intervals as printed by their studies"
        if found == len(forest.of("estimate"))
        else "Own intervals as printed where studies print them"
    )
    return replace(
        forest,
        rows=tuple(rows),
        columns=tuple(
            replace(column, texts=tuple(own))
            for column, own in zip(forest.columns, texts, strict=True)
        ),
        notes=(*forest.notes, f"{note}; the model takes them as normal on its scale."),
    )


def translated(forest: Forest, evidence: Evidence | None, models: Sequence[Model]) -> Forest:
    """Give rows without an estimate on this scale the value that their likelihood makes of their numbers."""
    silent = [row for row in forest.of("estimate") if row.interval is None]
    if not silent:
        return forest
    if evidence is None:
        note = (
            f"{len(silent)} rows report no {forest.measure.title.lower()}; evidence= shows what their "
            "likelihood makes of what they report."
        )
        return replace(forest, notes=(*forest.notes, note))
    values = own_values(models[0].likelihood, evidence, forest.ci_prob)
    rows, texts = list(forest.rows), list(forest.columns[0].texts)
    for row, place in enumerate(places(forest, evidence)):
        if rows[row].interval is None and place in values:
            interval = Interval(*values[place])
            rows[row] = replace(rows[row], interval=interval)
            texts[row] = forest.spell(interval)
    said = (
        f"{len(silent)} rows report no {forest.measure.title.lower()}: their own value is where the "
        "likelihood of what they report is highest, and its interval what a likelihood ratio does not reject."
    )
    return replace(
        forest,
        rows=tuple(rows),
        columns=(replace(forest.columns[0], texts=tuple(texts)), *forest.columns[1:]),
        notes=(*forest.notes, said),
    )


def apart(forest: Forest, evidence: Evidence, studies: Studies) -> Forest:
    """Mark the studies that are not randomised, where others are."""
    if studies.column not in evidence.data:
        return forest
    among = studies.among(evidence)
    if among.all() or not among.any():
        return forest
    rows: Sequence[Row] = [
        row if place is None or not among[place] else replace(row, hollow=True)
        for row, place in zip(forest.rows, places(forest, evidence), strict=True)
    ]
    legend = list(forest.legend)
    legend.insert(1, ("cohort", "own estimate, not randomised"))
    return replace(forest, rows=tuple(rows), legend=tuple(legend))
