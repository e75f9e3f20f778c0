"""What rows of intervals say, before any drawing: names, intervals, columns of text, notes."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from bayesrtw.evidence.measure import Measure
from bayesrtw.plot.judgement import Dots
from bayesrtw.plot.lettering import Face, width
from bayesrtw.printed import Direction, with_interval

Array = NDArray[np.float64]

Role = Literal["heading", "name", "estimate", "part", "result", "level", "prior", "pooled", "new"]

#: A heading of the estimates that is wider leaves its unit to the title of the axis.
HEADING_MOST: Final = 110.0


@dataclass(frozen=True, slots=True)
class Interval:
    """An estimate and the ends of its interval."""

    #: centre, lower, upper: on the analysis scale.
    centre: float
    lower: float
    upper: float


@dataclass(frozen=True, slots=True)
class Row:
    """A row of the plot."""

    role: Role  #: What it shows.
    label: str  #: Its name, one line.
    #: The estimate's own interval, or that of the mean, the prior or the new setting.
    interval: Interval | None = None
    #: The effect behind the estimate, from it and all others together.
    shrunken: Interval | None = None
    new: Interval | None = None  #: The effect in a new setting, drawn beneath a level or a result.
    weight: float = math.nan  #: Share in the pooled mean; NaN where there is none.
    size: float = 0.0  #: Area of its square relative to the largest, in [0, 1].
    #: Whether the mark of a result, of a study that is not randomised, or of a part that is not heard, is
    #: open.
    hollow: bool = False
    bold: bool = False  #: Whether its name is.


@dataclass(frozen=True, slots=True)
class Column:
    """A column of text beside the axis."""

    heading: str  #: What it holds.
    texts: tuple[str, ...]  #: One a row; empty where there is none.
    needed: bool = False  #: Whether it stays where the figure is too narrow for all columns.
    note: str = ""  #: A sentence that explains it, printed where the column is.


@dataclass(frozen=True, slots=True)
class Forest:
    """Everything that rows of intervals say: a forest plot and its relatives."""

    kind: str  #: What the picture is, e.g. ``"Forest plot"``.
    subject: str  #: Heading of the names, e.g. ``"Study"``.
    #: From top to bottom: estimates in their order, under headings if grouped; then the summary.
    rows: tuple[Row, ...]
    #: before, columns: columns of text before the axis and after it.
    before: tuple[Column, ...]
    columns: tuple[Column, ...]
    legend: tuple[tuple[str, str], ...]  #: Marks that occur, each with what it is.
    #: measure, unit, direction: of the effects.
    measure: Measure
    unit: str
    direction: Direction
    ci_prob: float  #: Probability of every interval.
    places: int  #: Decimals of effects.
    grouped: bool  #: Whether rows stand under headings.
    notes: tuple[str, ...]  #: Sentences about the result.
    caveat: str  #: What must stand beside every result of these data; may be empty.
    dots: Dots | None = None  #: Judgements of risk of bias beside the rows.
    #: Whether names are phrases, which may have lines of their own, and not authors with a year.
    phrases: bool = False

    @property
    def percent(self) -> str:
        """Probability of the intervals as printed."""
        return percentage(self.ci_prob)

    def of(self, role: Role) -> list[Row]:
        """Give the rows of one role."""
        return [row for row in self.rows if row.role == role]

    def spell(self, interval: Interval) -> str:
        """Print an estimate with its interval on the reported scale."""
        return spell_interval(interval, self.measure, self.places)

    def describe(self) -> str:
        """Put the plot in words for who cannot see it."""
        name, count = "estimate", len(self.of("estimate"))
        if not count:
            name, count = "row", len([row for row in self.rows if row.interval is not None])
        kind = self.measure.title.lower() + (f", {self.unit}" if self.unit else "")
        said = [f"{self.kind} of {count} {name}{'s' if count > 1 else ''} ({kind})."]
        for row in self.rows:
            if row.role in ("pooled", "new", "level") and row.interval is not None:
                said.append(f"{row.label}: {self.spell(row.interval)}, {self.percent} interval.")
        explained = [column.note for column in (*self.before, *self.columns) if column.note]
        return " ".join(
            [*said, *self.notes, *explained, *([f"Caveat: {self.caveat}"] if self.caveat else [])]
        )

    def each(self) -> str:
        """Put the plot in words, and every row with its interval."""
        return self._with(self.rows)

    def ends(self) -> str:
        """Put the plot in words, and the first and the last row that has an interval."""
        found = [row for row in self.rows if row.interval is not None]
        return self._with((found[0], found[-1]))

    def _with(self, rows: Sequence[Row]) -> str:
        said = (f"{row.label}: {self.spell(row.interval)}" for row in rows if row.interval)
        return f"{self.describe()} {'; '.join(said)}."


def effect_column(
    rows: Sequence[Row],
    measure: Measure,
    unit: str,
    percent: str,
    places: int,
    *,
    kind: str = "CI",
) -> Column:
    """Print the interval of each row."""
    short = measure.abbreviation[0].upper() + measure.abbreviation[1:]
    heading = f"{short}, {unit} ({percent} {kind})"
    if not unit or width(heading, Face(7.5, bold=True)) > HEADING_MOST:
        heading = f"{short} ({percent} {kind})"
    texts = (
        "" if row.interval is None else spell_interval(row.interval, measure, places)
        for row in rows
    )
    return Column(heading, tuple(texts), needed=True)


def spell_interval(interval: Interval, measure: Measure, places: int) -> str:
    """Print an estimate with its interval on the reported scale."""
    with np.errstate(over="ignore"):
        back = measure.back([interval.centre, interval.lower, interval.upper])
    return with_interval(*map(float, back), log=measure.ratio, places=places)


def percentage(probability: float) -> str:
    """Print the probability of an interval."""
    return f"{100 * probability:g}%"
