"""Rows of evidence as the rules of doubt read them: cells, places, and how a doubt is made."""

import math
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

import numpy as np

from bayesrtw.doubt.rule import Doubt, Severity
from bayesrtw.errors import clipped
from bayesrtw.evidence.measure import MEASURES, Measure
from bayesrtw.evidence.table import Evidence

#: Columns in which the number of a registration may stand.
REGISTRY: Final = ("registration", "registry_number", "trial_registration", "registry", "trial_id")

#: Rows named in a note before the rest is only counted.
NAMED: Final = 12

#: Columns of the file of studies.
_OF_STUDIES: Final = frozenset({*REGISTRY, "n, year", "trial_family"})


def some_of(names: Sequence[str]) -> str:
    """List the first names and count the others."""
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return ", ".join(names[:NAMED]) + more


class Rows:
    """Columns of evidence by row, and a way to say where a row stands."""

    def __init__(self, evidence: Evidence) -> None:
        self.evidence = evidence
        self.size = evidence.size
        self._columns = {str(name): v.to_numpy() for name, v in evidence.data.data_vars.items()}
        # Cells are asked for by the million: what Python holds is found sooner than what an array does.
        self._numbers = {
            name: values.tolist()
            for name, values in self._columns.items()
            if values.dtype != object
        }
        self._texts: dict[str, list[str]] = {}
        self.file = evidence.places.file or evidence.where
        self.study = [str(value) for value in self._columns["study"]]

    def number(self, column: str, row: int) -> float:
        """Give a number, NaN where there is none."""
        values = self._numbers.get(column)
        return math.nan if values is None else values[row]

    def text(self, column: str, row: int) -> str:
        """Give a text, empty where there is none."""
        found = self._texts.get(column)
        if found is None:
            found = self._texts.setdefault(column, self._all(column))
        return found[row] if found else ""

    def _all(self, column: str) -> list[str]:
        """Give a column as text; empty if there is none."""
        values = self._numbers.get(column)
        if values is not None:
            return ["" if math.isnan(value) else f"{value:g}" for value in values]
        return [str(value) for value in self._columns.get(column, ())]

    def having(self, *columns: str) -> list[int]:
        """Give the rows that have all these numbers."""
        return self._where(columns, np.logical_and, at_first=True)

    def with_some(self, *columns: str) -> list[int]:
        """Give the rows that have one of these numbers."""
        return self._where(columns, np.logical_or, at_first=False)

    def _where(self, columns: Iterable[str], join: np.ufunc, *, at_first: bool) -> list[int]:
        found = np.full(self.size, at_first)
        for column in columns:
            there = column in self._numbers
            known = ~np.isnan(self._columns[column]) if there else np.zeros(self.size, dtype=bool)
            found = join(found, known)
        rows: list[int] = np.flatnonzero(found).tolist()
        return rows

    def has(self, row: int, *columns: str) -> bool:
        """Whether a row has all these numbers."""
        return not any(math.isnan(self.number(column, row)) for column in columns)

    def agree(self, one: int, two: int, *columns: str) -> bool:
        """Whether two rows do not differ in these columns, as far as both are filled in."""
        pairs = ((self.text(c, one), self.text(c, two)) for c in columns)
        return all("" in pair or pair[0] == pair[1] for pair in pairs)

    def equal(self, one: int, two: int, *columns: str) -> bool:
        """Whether two rows have the same in these columns."""
        return all(self.text(c, one) == self.text(c, two) for c in columns)

    def measure(self, row: int) -> Measure:
        """Give the measure of a row."""
        return MEASURES[self.text("measure", row)]

    def scale(self, row: int) -> Measure:
        """Give the measure on whose scale a row's estimate is printed."""
        kind = self.text("reported", row)
        own, printed = self.measure(row), self.number("estimate_printed", row)
        if not kind and own.log and printed > 0:
            # The column of measures may name ratios too: what an estimate was taken for says so.
            effect = self.number("effect", row) / self.factor(row)
            if math.isclose(effect, math.log(printed), rel_tol=1e-9, abs_tol=1e-12):
                return own
        bare = kind.startswith("log_") or kind in ("", "effect")
        return MEASURES["generic"] if bare else own

    def printed(self, row: int) -> float:
        """Give the estimate as printed; NaN where a row has counts, means or medians only."""
        value = self.number("estimate_printed", row)
        if math.isnan(value) and self.text("reported", row) in ("", "effect"):
            return self.number("effect", row) / self.factor(row)
        return value

    def factor(self, row: int) -> float:
        """Give what a printed estimate was multiplied with."""
        factor = self.number("multiplier", row)
        sign = -1.0 if self.text("reversed", row) == "yes" else 1.0
        return sign * (1.0 if math.isnan(factor) else factor)

    def people(self, row: int) -> float:
        """Give the number of people of a row's study, NaN where it is unknown."""
        return self.number("study_n" if "study_n" in self._columns else "n", row)

    def primary(self) -> list[int]:
        """Give the rows that analyses take first."""
        return [row for row in range(self.size) if self.text("role", row) in ("", "primary")]

    def grouped(self, rows: Iterable[int], *columns: str) -> list[list[int]]:
        """Put rows together that agree in some columns."""
        for column in columns:
            if column not in self._texts:
                self._texts[column] = self._all(column)
        # A column that nobody has parts nothing.
        own = [held for column in columns if (held := self._texts[column])]
        groups: dict[tuple[str, ...], list[int]] = {}
        for row in rows:
            groups.setdefault(tuple([held[row] for held in own]), []).append(row)
        return list(groups.values())

    def line(self, row: int) -> int:
        """Give the line of a row in its file."""
        lines = self.evidence.places.lines
        return lines[row] if lines else row + 1

    def doubt(
        self, row: int, columns: str, rule: str, text: str, severity: Severity = "doubt"
    ) -> Doubt:
        """Say something of a row; columns are parted by commas."""
        value = ", ".join(self.text(name, row) for name in columns.split(", "))
        columns = columns.replace("estimate_printed", "estimate").replace("study_n", "n")
        places = self.evidence.places
        file, line = self.file, self.line(row)
        if columns in _OF_STUDIES and self.study[row] in places.studies:
            file, line = places.studies_file, places.studies[self.study[row]]
        where = f"{file}: row {line} (study={clipped(self.study[row])!r})"
        return Doubt(severity, file, line, columns, value, rule, f"{where}: {text}.")

    def note(self, rows: Sequence[int], column: str, rule: str, text: str) -> Iterator[Doubt]:
        """Say one thing of many rows at once."""
        if rows:
            lines = some_of([str(self.line(row)) for row in rows])
            message = f"{self.file}: {text} in {len(rows)} of {self.size} rows ({lines})."
            first, value = self.line(rows[0]), f"{len(rows)} rows"
            yield Doubt("note", self.file, first, column, value, rule, message)
