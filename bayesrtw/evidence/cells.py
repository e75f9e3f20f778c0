"""CSV files as named columns of text, with the line of every row."""

import csv
import io
import math
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from bayesrtw.bounded import too_many
from bayesrtw.errors import Fault, Faults, Whereabouts, shown
from bayesrtw.evidence.reported import NUMBERS
from bayesrtw.printed import plain

if TYPE_CHECKING:
    import pandas as pd

#: What separates the words of a cell that may hold several.
SEPARATOR = ";"

#: What makes a spreadsheet take a cell for a formula (OWASP, "CSV Injection"; full-width forms count
#: in Japanese and Chinese editions).
FORMULA = tuple("=+-@\t\r＝＋－＠")


@dataclass(slots=True)
class Table:
    """A CSV file as text."""

    where: str  #: How messages call the file.
    #: Column to its cells, in the order of the file.
    columns: dict[str, list[str]] = field(default_factory=dict)
    lines: list[int] = field(default_factory=list)  #: Line of each data row in the file.

    @property
    def count(self) -> int:
        """Number of data rows."""
        return len(self.lines)

    def at(self, *rows: int, column: str = "") -> Whereabouts:
        """Say where rows stand, or a column, or the file."""
        studies = self.columns.get("study", ()) if rows else ()
        study = studies[rows[0]] if studies else ""
        return Whereabouts(self.where, tuple(self.lines[row] for row in rows), study, column)


def read_table(raw: bytes, where: str, faults: Faults) -> Table:
    """Parse a CSV file: UTF-8, a header, as many cells in each row as in the header."""
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        faults.add(
            Fault(
                f"byte {error.start} is not",
                "must be UTF-8 text",
                "save it as UTF-8",
                place=Whereabouts(where),
            )
        )
        return Table(where)
    if "\x00" in text:
        faults.add(
            Fault("holds a NUL character", remedy="save it as plain CSV", place=Whereabouts(where))
        )
        return Table(where)
    many = too_many(text)
    if many:
        remedy = "give the rows and columns that are needed"
        faults.add(Fault(many, remedy=remedy, place=Whereabouts(where)))
        return Table(where)
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        rows = [(reader.line_num, row) for row in reader if any(cell.strip() for cell in row)]
    except csv.Error as error:
        remedy = "save it as comma-separated text"
        faults.add(Fault(f"is not CSV: {error}", remedy=remedy, place=Whereabouts(where)))
        return Table(where)
    if not rows:
        remedy = "give a header row and one row a result"
        faults.add(Fault("is empty", remedy=remedy, place=Whereabouts(where)))
        return Table(where)
    header = [unguarded(plain(cell).strip()) for cell in rows[0][1]]
    while header and not header[-1]:
        header.pop()
    repeated = sorted({name for name in header if header.count(name) > 1})
    if repeated or "" in header:
        what = f"columns {shown(repeated)} stand twice" if repeated else "a column has no name"
        remedy = "name every column, each once"
        faults.add(Fault(f"{what} in the header", remedy=remedy, place=Whereabouts(where)))
        return Table(where)
    if len(header) == 1 and ";" in header[0]:
        what = "cells are separated by semicolons"
        faults.add(Fault(what, remedy="save it comma-separated", place=Whereabouts(where)))
        return Table(where)
    if len(rows) == 1:
        remedy = "give one row a result"
        faults.add(Fault("has a header and no rows", remedy=remedy, place=Whereabouts(where)))
    table = Table(where, {name: [] for name in header})
    for line, row in rows[1:]:
        over = any(cell.strip() for cell in row[len(header) :])
        if over or len(row) < len(header):
            faults.add(
                Fault(
                    f"has {len(row)} cells; the header has {len(header)}",
                    remedy="quote cells that hold commas" if over else "add the missing commas",
                    rule="ragged-row",
                    place=Whereabouts(where, (line,)),
                )
            )
        table.lines.append(line)
        padded = [*row, *([""] * len(header))][: len(header)]
        for name, cell in zip(header, padded, strict=True):
            table.columns[name].append(unguarded(plain(cell).strip()))
    return table


def guarded(cell: str) -> str:
    """Write a cell so that no spreadsheet runs it as a formula."""
    return f"'{cell}" if _dangerous(cell) else cell


def unguarded(cell: str) -> str:
    """Read a cell that `guarded` wrote."""
    return cell[1:] if cell.startswith("'") and _dangerous(cell[1:]) else cell


def _dangerous(cell: str) -> bool:
    if not cell.lstrip("'").startswith(FORMULA):
        return False
    try:
        float(cell)
    except ValueError:
        return True
    return "_" in cell


#: A date where a number belongs, as Excel makes one of 1.2 or 3-4 and writes it out.
_DATE = re.compile(
    r"\d{4}-\d\d-\d\d(T.*)?|\d{1,2}[-./ ]?(jan|feb|m[aä]r|apr|ma[iy]|jun|jul|aug|sep|o[ck]t|nov|de[cz])\w*"
    r"|(jan|feb|m[aä]r|apr|ma[iy]|jun|jul|aug|sep|o[ck]t|nov|de[cz])\w*[-./ ]?\d{1,4}",
    re.IGNORECASE,
)
_DATED = (
    "it is a date, which a spreadsheet made of a number such as 1.2 or 3-4: format the column as text and "
    "write the number anew"
)


def numbers(table: Table, column: str, faults: Faults) -> NDArray[np.float64]:
    """Read a column of numbers; empty cells are NaN: gives (count,)."""
    values = np.full(table.count, np.nan)
    for row, cell in enumerate(table.columns[column]):
        if not cell:
            continue
        try:
            values[row] = math.inf if "_" in cell else float(cell)
        except ValueError:
            values[row] = math.inf
        if not math.isfinite(values[row]):
            values[row] = math.nan
            faults.add(
                Fault(
                    f"found {cell!r}",
                    f"{column} must be a number",
                    _DATED
                    if _DATE.fullmatch(cell)
                    else "write a decimal number or leave the cell empty",
                    "not-a-number",
                    table.at(row, column=column),
                    cell,
                )
            )
    return values


@dataclass(frozen=True, slots=True)
class Places:
    """Where rows stand in their files, for messages to people."""

    file: str = ""  #: How messages call the file of the results; empty if there is none.
    lines: tuple[int, ...] = ()  #: Line of each estimate in it.
    studies_file: str = ""  #: How messages call the file of the studies; empty if there is none.
    #: Id of a study to its line in that file.
    studies: Mapping[str, int] = field(default_factory=dict)


def duplicates(
    columns: Mapping[str, NDArray[np.generic]], where: str, lines: Sequence[int] = ()
) -> list[Fault]:
    """Find rows that repeat another row in every column, where labels tell rows apart.

    In a table with several estimates of a study that nothing but their numbers tells apart, equal lines
    may be equal results: none is found there.
    """
    seen: dict[tuple[str, ...], int] = {}
    faults = []
    arrays = [columns[name] for name in sorted(columns)]
    printed = {*NUMBERS, "p_value"} - {"follow_up_months"}
    labels = [columns[name] for name in sorted(columns) if name not in printed]
    of = [str(study) for study in columns["study"]] if arrays else []
    count = Counter(of)
    several = [row for row, study in enumerate(of) if count[study] > 1]
    if _ambiguous(several, labels, arrays):
        return []
    for row in several:
        key = tuple(str(values[row]) for values in arrays)
        if key in seen:
            faults.append(
                Fault(
                    f"repeats row {_line(lines, seen[key])}",
                    remedy="a result enters once: leave one out, or tell them apart in a column",
                    rule="repeated-row",
                    place=Whereabouts(where, (_line(lines, row),), str(columns["study"][row])),
                )
            )
        seen.setdefault(key, row)
    return faults


def _ambiguous(
    rows: Sequence[int],
    labels: Sequence[NDArray[np.generic]],
    arrays: Sequence[NDArray[np.generic]],
) -> bool:
    """Whether two different lines among some have the same labels."""
    held: dict[tuple[str, ...], tuple[str, ...]] = {}
    for row in rows:
        whole = tuple(str(values[row]) for values in arrays)
        if held.setdefault(tuple(str(values[row]) for values in labels), whole) != whole:
            return True
    return False


def _line(lines: Sequence[int], row: int) -> int:
    return lines[row] if lines else row + 1


def rows_of_frame(frame: "pd.DataFrame") -> list[list[str]]:
    """Write the cells of a data frame as text, headings first."""
    if frame.index.name is not None or frame.index.nlevels > 1:
        frame = frame.reset_index()
    elif len(frame) and all(isinstance(name, str) for name in frame.index):
        frame = frame.rename_axis("row.names").reset_index()
    columns = [
        [_text(cell) for cell in frame.iloc[:, place].tolist()] for place in range(frame.shape[1])
    ]
    return [[str(name) for name in frame.columns], *map(list, zip(*columns, strict=True))]


def _text(cell: Any) -> str:
    """Write a value of a frame; floats with all their digits."""
    if isinstance(cell, str):
        return cell
    if isinstance(cell, bool):
        return "yes" if cell else "no"
    if isinstance(cell, float):
        return "" if math.isnan(cell) else repr(cell).removesuffix(".0")
    if (
        cell is None
        or (isinstance(cell, date) and str(cell) == "NaT")
        or str(cell) in ("<NA>", "NaT")
    ):
        return ""
    return str(cell)
