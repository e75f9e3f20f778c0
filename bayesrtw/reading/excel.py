"""Excel workbooks: the first sheet as one flat table, read by the same rules as a CSV file."""

import csv
import io
import zipfile
from dataclasses import dataclass, replace
from datetime import date, datetime, time
from pathlib import Path
from typing import Any, Final, cast

from defusedxml import DefusedXmlException
from defusedxml.ElementTree import iterparse

from bayesrtw.errors import EvidenceError
from bayesrtw.evidence.table import Evidence
from bayesrtw.reading.cochrane import BROKEN_ZIP, MOST_BYTES, hash_of, member, member_sizes
from bayesrtw.reading.read import Reading, attempt, read_csv

#: Most bytes that the parts of a workbook may hold together when unpacked.
MOST_UNPACKED: Final = 64_000_000

#: Most rows and columns that are read, and most empty rows in a row before the sheet is taken to end.
MOST_ROWS: Final = 100_000
MOST_COLUMNS: Final = 300
MOST_EMPTY: Final = 1000


@dataclass(frozen=True, slots=True)
class _Sheet:
    """A sheet as CSV; reading asks a path for no more than this."""

    name: str
    raw: bytes

    def read_bytes(self) -> bytes:
        """Give the whole sheet."""
        return self.raw

    def is_file(self) -> bool:
        """Say that a sheet is read as a file is."""
        return True


def read_excel(path: Path, *, strict: bool = True) -> Evidence:
    """Read the first sheet of a workbook: a header, then one row a reported result.

    Parameters
    ----------
    path
        An .xlsx file. Columns are those of a flat CSV file, see `bayesrtw.reading.read.read_csv`.
    strict
        Whether any fault is an error; if not, rows with a fault are left out and named.

    Returns
    -------
    Evidence
        Rows in the sheet's order.

    Raises
    ------
    EvidenceError
        With every fault of the sheet; row numbers are those of the sheet. If not strict, only where a
        fault concerns more than single rows or no row is clean.
    """
    sheet = cast(Path, _Sheet(path.name, sheet_as_csv(path)))
    return _of_workbook(read_csv(sheet, strict=strict), path)


def attempt_excel(path: Path) -> Reading:
    """Read as much of the first sheet of a workbook as can be read.

    Parameters
    ----------
    path
        An .xlsx file.

    Returns
    -------
    Reading
        The clean rows and every fault.

    Raises
    ------
    EvidenceError
        If it is no workbook that can be read.
    """
    found = attempt(_Sheet(path.name, sheet_as_csv(path)))
    if found.evidence is None:
        return found
    return replace(found, evidence=_of_workbook(found.evidence, path))


def _of_workbook(evidence: Evidence, path: Path) -> Evidence:
    """Name the workbook's own hash as the source, not that of its sheet as CSV."""
    return replace(evidence, provenance=replace(evidence.provenance, sha256=hash_of(path)))


def sheet_as_csv(path: Path) -> bytes:
    """Write the first sheet of a workbook as CSV, row for row.

    Parameters
    ----------
    path
        An .xlsx file.

    Returns
    -------
    bytes
        UTF-8; numbers with all their digits, dates as ISO 8601.

    Raises
    ------
    EvidenceError
        If the file is no workbook, is damaged, larger than is read, or holds formulas whose results were
        not saved.
    """
    hash_of(path)  # refuses files that are too large or cannot be read
    try:
        _guard(path)
        rows = _rows(path, values=True)
        if any(None in row for row in rows):
            _no_bare_formulas(path, rows)
    except DefusedXmlException as error:
        raise EvidenceError(
            f"{path.name}: declares a document type or entities ({type(error).__name__}), which Excel does "
            "not; it is not read."
        ) from None
    except EvidenceError:
        raise
    except (
        *BROKEN_ZIP,
        # Of whichever XML parser openpyxl has found: lxml's error and that of the standard library.
        SyntaxError,
        LookupError,
        ValueError,
        TypeError,
        AttributeError,
        ArithmeticError,
    ) as error:
        # openpyxl checks types while it reads and lets whatever they raise through.
        text = " ".join(str(error).split())[:200]
        raise EvidenceError(
            f"{path.name}: is no readable workbook ({type(error).__name__}: {text}); save it as .xlsx "
            "anew, or as CSV."
        ) from None
    buffer = io.StringIO(newline="")
    width = max((len(row) for row in rows), default=0)
    csv.writer(buffer, lineterminator="\n").writerows(
        [*map(_text, row), *[""] * (width - len(row))] for row in rows
    )
    return buffer.getvalue().encode("utf-8", errors="replace")


def _guard(path: Path) -> None:
    """Refuse bombs before openpyxl opens the file: sizes first, then the head of every part."""
    with zipfile.ZipFile(path) as archive:
        sizes = member_sizes(archive, path.name)
        total = sum(sizes.values())
        if total > MOST_UNPACKED or max(sizes.values(), default=0) > MOST_BYTES:
            raise EvidenceError(
                f"{path.name}: unpacks to {total / 1e6:.0f} MB; at most {MOST_UNPACKED / 1e6:.0f} MB are "
                "read. Save the sheet as CSV."
            )
        if "[Content_Types].xml" not in sizes:
            raise EvidenceError(
                f"{path.name}: is no .xlsx workbook; save it as .xlsx or as CSV. A Cochrane data package "
                "ends in .zip."
            )
        for name in sizes:
            if name.endswith((".xml", ".rels")):
                head = iterparse(
                    io.BytesIO(member(archive, name)), events=("start",), forbid_dtd=True
                )
                next(iter(head), None)  # a document type can only stand before the root


def _rows(path: Path, *, values: bool) -> list[tuple[Any, ...]]:
    """Read the cells of the first sheet."""
    from openpyxl import load_workbook  # noqa: PLC0415 - a tenth of a second

    book = load_workbook(path, read_only=True, data_only=values, keep_links=False)
    try:
        if not book.worksheets:
            raise EvidenceError(f"{path.name}: has no sheet with cells.")
        sheet = book.worksheets[0]
        # What the file says of the sheet's size may be wrong, and may be a bomb.
        sheet.reset_dimensions()
        rows: list[tuple[Any, ...]] = []
        empty = 0
        for row in sheet.iter_rows(
            max_row=MOST_ROWS + 1, max_col=MOST_COLUMNS + 1, values_only=True
        ):
            empty = 0 if any(cell is not None for cell in row) else empty + 1
            if empty > MOST_EMPTY:
                break
            rows.append(row)
    finally:
        book.close()
    while rows and all(cell is None for cell in rows[-1]):
        rows.pop()
    if len(rows) > MOST_ROWS or any(
        cell is not None for row in rows for cell in row[MOST_COLUMNS:]
    ):
        raise EvidenceError(
            f"{path.name}: the sheet has more than {MOST_ROWS} rows or {MOST_COLUMNS} columns; save what "
            "is needed as CSV."
        )
    return rows


def _no_bare_formulas(path: Path, rows: list[tuple[Any, ...]]) -> None:
    """Refuse formulas whose results were not saved: they would read as empty cells."""
    from openpyxl.utils import get_column_letter  # noqa: PLC0415

    bare = [
        f"{get_column_letter(column)}{place}"
        for place, (formulas, results) in enumerate(
            zip(_rows(path, values=False), rows, strict=False), 1
        )
        for column, (formula, result) in enumerate(zip(formulas, results, strict=False), 1)
        if result is None and formula is not None
    ]
    if bare:
        listed = ", ".join(bare[:5]) + (f" and {len(bare) - 5} more" if len(bare) > 5 else "")
        raise EvidenceError(
            f"{path.name}: cells {listed} hold formulas without saved results; open and save it in a "
            "spreadsheet program, or write the values."
        )


def _text(cell: Any) -> str:
    """Write a cell as text on one line."""
    if cell is None:
        return ""
    if isinstance(cell, bool):
        return "yes" if cell else "no"
    if isinstance(cell, float):
        return repr(cell).removesuffix(".0")
    if isinstance(cell, datetime) and cell.time() == time():
        return cell.date().isoformat()
    if isinstance(cell, date | datetime | time):
        return cell.isoformat()
    return " ".join(str(cell).replace("\x00", " ").split())
