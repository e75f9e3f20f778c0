"""A table of refits as rows of intervals: leave-one-out, cumulative, priors, rungs of a ladder."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from bayesrtw.analysis.run import Synthesis
from bayesrtw.errors import SpecError, shown
from bayesrtw.evidence.table import Evidence
from bayesrtw.plot.lettering import one_line
from bayesrtw.plot.rows import Column, Forest, Interval, Role, Row, effect_column
from bayesrtw.plot.subject import Source, subject_of
from bayesrtw.printed import spell, spell_probability
from bayesrtw.question.asked import About

if TYPE_CHECKING:
    import pandas as pd

Array = NDArray[np.float64]

#: Columns that every table of refits has, on the analysis scale.
NEEDED: Final = ("median", "lower", "upper", "probability")

#: Column of the levels that have no study left in a row.
EMPTIED: Final = "empty_levels"

#: What the SD of tables of refits is.
TAU: Final = "τ: posterior mean of the SD of true effects in a new setting."

#: What stands where a posterior would be improper.
EMPTY: Final = "not estimable"


@dataclass(frozen=True, slots=True)
class Extra:
    """A further column of a table that is printed."""

    name: str  #: In the table.
    heading: str  #: In the picture.
    places: int = 2  #: Decimals.
    before: bool = False  #: Whether it stands before the axis.
    note: str = ""  #: A sentence that explains it.


@dataclass(frozen=True, slots=True)
class TableLayout:
    """How a table becomes rows."""

    kind: str  #: What the picture is, e.g. ``"Leave-one-out"``.
    subject: str  #: Heading of the names.
    #: Row that the others are held against, drawn last as a diamond; empty for none.
    reference: str = ""
    called: str = ""  #: What the reference is called in the picture.
    extras: tuple[Extra, ...] = ()  #: Further columns, printed where the table has them.
    notes: tuple[str, ...] = ()  #: Sentences beneath.
    result: str = "pooled effect"  #: What a dot is.
    hollow: str = "not registered beforehand"  #: What a hollow dot is.
    new: bool = True  #: Whether effects in a new setting are drawn, where the table has them.
    phrases: bool = True  #: Whether names are phrases, and not studies.


def read_table(
    table: "pd.DataFrame",
    source: Source,
    layout: TableLayout,
    *,
    ci_prob: float = 0.95,
    labels: Mapping[str, str] | None = None,
    hollow: Sequence[bool] | None = None,
) -> Forest:
    """Take what a picture of refits says from their table."""
    require(table, NEEDED, layout.kind)
    subject = subject_of(source)
    rows, sequence = _rows(table, layout, labels or {}, hollow)
    shown_rows = [row.interval for row in rows if row.interval is not None]
    if not shown_rows:
        raise SpecError(f"{layout.kind.lower()}: no row of the table has an interval.")
    places = subject.measure.places(
        [it.lower for it in shown_rows], [it.upper for it in shown_rows]
    )
    percent = f"{100 * ci_prob:g}%"
    effect = effect_column(rows, subject.measure, subject.unit, percent, places, kind="CrI")
    texts = tuple(text or EMPTY for text in effect.texts)
    chances = numbers(table, "probability")[sequence]
    event = subject.direction.event
    chance = [Column(event, tuple(_chance(value) for value in chances))] if event else []
    extras = [
        (extra, _column(extra, numbers(table, extra.name)[sequence]))
        for extra in layout.extras
        if extra.name in table.columns
    ]
    return Forest(
        kind=layout.kind,
        subject=layout.subject,
        rows=tuple(rows),
        before=tuple(column for extra, column in extras if extra.before),
        columns=(
            Column(effect.heading, texts, needed=True),
            *chance,
            *(column for extra, column in extras if not extra.before),
        ),
        legend=_legend(rows, layout, percent),
        measure=subject.measure,
        unit=subject.unit,
        direction=subject.direction,
        ci_prob=ci_prob,
        places=places,
        grouped=False,
        notes=(*layout.notes, *_emptied(table, rows, sequence), *subject.means),
        caveat=subject.caveat,
        phrases=layout.phrases,
    )


def _rows(
    table: "pd.DataFrame",
    layout: TableLayout,
    labels: Mapping[str, str],
    hollow: Sequence[bool] | None,
) -> tuple[list[Row], list[int]]:
    """Make a row of each row of the table, the reference last; and give their order in the table."""
    order = [place for place, name in enumerate(table.index) if str(name) != layout.reference]
    last = [place for place, name in enumerate(table.index) if str(name) == layout.reference]
    rows = []
    for place in (*order, *last):
        name = one_line(str(table.index[place]))
        role: Role = "pooled" if place in last else "result"
        label = layout.called if place in last else labels.get(name, name)
        rows.append(
            Row(
                role,
                one_line(label),
                _interval(table, place, ("median", "lower", "upper")),
                new=_interval(table, place, ("new_lower", "new_lower", "new_upper"))
                if layout.new
                else None,
                hollow=bool(hollow[place]) if hollow is not None else False,
            )
        )
    return rows, [*order, *last]


def _emptied(
    table: "pd.DataFrame", rows: Sequence[Row], sequence: Sequence[int]
) -> tuple[str, ...]:
    """Say of which rows a level has no study left: one note, or none."""
    if EMPTIED not in table.columns:
        return ()
    empty = [str(table[EMPTIED].iloc[place]) for place in sequence]
    said = [
        f"{row.label} ({one_line(levels)})"
        for row, levels in zip(rows, empty, strict=True)
        if levels
    ]
    if not said:
        return ()
    return (f"Levels with no study left, whose means are the priors': {'; '.join(said)}.",)


def require(table: "pd.DataFrame", needed: Sequence[str], kind: str) -> None:
    """Refuse a table that lacks columns."""
    if not hasattr(table, "columns"):
        raise SpecError(f"{kind.lower()}: found {type(table).__name__}; give a pandas DataFrame.")
    missing = [name for name in needed if name not in table.columns]
    if missing:
        have = shown(str(name) for name in table.columns)
        raise SpecError(f"{kind.lower()}: columns {shown(missing)} are missing; found {have}.")
    if not len(table):
        raise SpecError(f"{kind.lower()}: the table has no rows.")


def numbers(table: "pd.DataFrame", column: str) -> Array:
    """Give a column as numbers: gives (row,)."""
    return table[column].to_numpy(dtype=np.float64, na_value=np.nan)


def labels_of(source: Source, column: str) -> dict[str, str]:
    """Name studies as a reader knows them."""
    evidence = source.evidence if isinstance(source, Synthesis | About) else source
    if column != "study" or not isinstance(evidence, Evidence) or "label" not in evidence.data:
        return {}
    found: dict[str, set[str]] = {}
    for study, label in zip(
        evidence.data["study"].to_numpy(), evidence.data["label"].to_numpy(), strict=True
    ):
        found.setdefault(one_line(str(study)), set()).add(one_line(str(label)))
    return {study: min(names) for study, names in found.items() if len(names) == 1 and min(names)}


def _interval(table: "pd.DataFrame", place: int, columns: tuple[str, str, str]) -> Interval | None:
    if any(column not in table.columns for column in columns):
        return None
    values = [float(numbers(table, column)[place]) for column in columns]
    return Interval(*values) if np.isfinite(values).all() else None


def _chance(value: float) -> str:
    return "" if np.isnan(value) else spell_probability(value)


def _column(extra: Extra, values: Array) -> Column:
    texts = (
        "" if np.isnan(value) else spell(float(value), log=False, places=extra.places)
        for value in values
    )
    return Column(extra.heading, tuple(texts), note=extra.note)


def _legend(rows: Sequence[Row], layout: TableLayout, percent: str) -> tuple[tuple[str, str], ...]:
    entries = (
        ("result", f"{layout.result}, {percent} interval", any(not row.hollow for row in rows)),
        ("unregistered", layout.hollow, any(row.hollow for row in rows)),
        ("mean", layout.called[:1].lower() + layout.called[1:], bool(layout.reference)),
        ("beneath", f"effect in a new setting, {percent} interval", any(row.new for row in rows)),
    )
    return tuple((kind, text) for kind, text, occurs in entries if occurs)
