"""Excel workbooks: a sheet as rows of text."""

import io
import zipfile
from collections.abc import Mapping
from datetime import date, datetime, time
from pathlib import Path
from typing import Any, Final

from defusedxml import DefusedXmlException
from defusedxml.ElementTree import iterparse

from bayesrtw.errors import EvidenceError, shown
from bayesrtw.printed import numbered
from bayesrtw.reading.between import is_total
from bayesrtw.reading.cochrane import BROKEN_ZIP, MOST_BYTES, hash_of, member, member_sizes
from bayesrtw.registry import suggestion

#: Most bytes that the parts of a workbook may hold together when unpacked.
MOST_UNPACKED: Final = 64_000_000

#: Most elements of the styles of a workbook: Excel holds 65,490 formats of cells, of three elements each.
MOST_STYLES: Final = 200_000

#: Most rows and columns that are read, and most empty rows in a row before the sheet is taken to end.
MOST_ROWS: Final = 100_000
MOST_COLUMNS: Final = 300
MOST_EMPTY: Final = 1000

#: Most ranges of merged cells that are looked at, and most rows of one: nobody merges more by hand.
MOST_MERGED: Final = 2000

_Rows = list[tuple[Any, ...]]


def rows_of_sheet(path: Path, sheet: str = "") -> tuple[list[list[str]], list[str]]:
    """Read a sheet of a workbook as text."""
    hash_of(path)  # refuses files that are too large or cannot be read
    try:
        _guard(path)
        held = _sheets(path, values=True)
        name, said = _chosen(path.name, held, sheet)
        rows = held[name]
        if any(None in row for row in rows):
            _no_bare_formulas(path, name, rows)
        rows, laid_out = _laid_out(path, name, rows)
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
    width = max((len(row) for row in rows), default=0)
    return [[*map(_text, row), *[""] * (width - len(row))] for row in rows], [*said, *laid_out]


def _chosen(where: str, sheets: Mapping[str, _Rows], wanted: str) -> tuple[str, list[str]]:
    """Choose the sheet that was asked for, else the first, else the only one with a table."""
    names = list(sheets)
    if not names:
        raise EvidenceError(f"{where}: has no sheet with cells.")
    if wanted:
        if wanted not in names:
            raise EvidenceError(f"{where}: has no sheet {wanted!r}; {suggestion(wanted, names)}")
        return wanted, [f"sheet {wanted!r}"]
    tables = [name for name, rows in sheets.items() if _is_table(rows)]
    if names[0] in tables or not tables:
        others = [name for name in tables if name != names[0]]
        more = f", not {shown(others)} (--sheet)" if others else ""
        return names[0], [f"sheet {names[0]!r}{more}"] if len(names) > 1 else []
    if len(tables) > 1:
        raise EvidenceError(
            f"{where}: the first sheet ({names[0]!r}) holds no table, and {len(tables)} others do: say which "
            f"with --sheet; {suggestion('', tables)}"
        )
    return tables[0], [f"sheet {tables[0]!r}, since {names[0]!r} holds no table"]


def _is_table(rows: _Rows) -> bool:
    """Whether two rows at least have two cells."""
    return sum(sum(cell is not None for cell in row) > 1 for row in rows[:100]) > 1


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
            if name.endswith("styles.xml") and member(archive, name).count(b"<") > MOST_STYLES:
                raise EvidenceError(
                    f"{path.name}: has more than {MOST_STYLES:,} styles of cells, which Excel cannot hold; "
                    "save the sheet as CSV."
                )
            if name.endswith((".xml", ".rels")):
                head = iterparse(
                    io.BytesIO(member(archive, name)), events=("start",), forbid_dtd=True
                )
                next(iter(head), None)  # a document type can only stand before the root


def _sheets(path: Path, *, values: bool, only: str = "") -> dict[str, _Rows]:
    """Read the cells of all sheets, or of one."""
    from openpyxl import load_workbook  # noqa: PLC0415 - a tenth of a second

    book = load_workbook(path, read_only=True, data_only=values, keep_links=False)
    try:
        return {
            str(sheet.title): _rows(sheet, path.name)
            for sheet in book.worksheets
            if not only or sheet.title == only
        }
    finally:
        book.close()


def _rows(sheet: Any, where: str) -> _Rows:
    """Read the cells of a sheet, to its end but no further than is sensible."""
    # What the file says of the sheet's size may be wrong, and may be a bomb.
    sheet.reset_dimensions()
    rows: _Rows = []
    empty = 0
    book = sheet.parent
    struck_styles = {
        n for n, style in enumerate(book._cell_styles) if book._fonts[style.fontId].strike
    }
    for cells in sheet.iter_rows(max_row=MOST_ROWS + 1, max_col=MOST_COLUMNS + 1):
        row = tuple(map(_shown, cells))
        struck = next(
            (cell for cell in cells if struck_styles and _struck(cell, struck_styles)), None
        )
        if struck is not None:
            raise EvidenceError(
                f"{where}: cell {struck.coordinate} is struck through ({_text(struck.value)!r}), as what "
                "does not count often is; delete it, or take the line off."
            )
        empty = 0 if any(cell is not None for cell in row) else empty + 1
        if empty > MOST_EMPTY:
            break
        rows.append(row)
    while rows and all(cell is None for cell in rows[-1]):
        rows.pop()
    if len(rows) > MOST_ROWS or any(
        cell is not None for row in rows for cell in row[MOST_COLUMNS:]
    ):
        raise EvidenceError(
            f"{where}: the sheet has more than {MOST_ROWS} rows or {MOST_COLUMNS} columns; save what "
            "is needed as CSV."
        )
    return rows


def _struck(cell: Any, styles: set[int]) -> bool:
    """Whether a number was struck through."""
    return getattr(cell, "_style_id", -1) in styles and any(map(str.isdigit, str(cell.value or "")))


def _laid_out(path: Path, name: str, rows: _Rows) -> tuple[_Rows, list[str]]:
    """Write what stands in merged cells into each of their rows, and say that hidden rows are read."""
    from openpyxl import load_workbook  # noqa: PLC0415
    from openpyxl.utils import range_boundaries  # noqa: PLC0415

    book = load_workbook(path, read_only=True, keep_links=False)
    part = book[name]._worksheet_path.lstrip("/")
    book.close()
    merged: set[str] = set()
    hidden, within = 0, list[Any]()
    with zipfile.ZipFile(path) as archive:
        raw = member(archive, part)
    if b"mergeCell" in raw or b"hidden=" in raw:
        parts = io.BytesIO(raw)
        for event, element in iterparse(parts, events=("start", "end"), forbid_dtd=True):
            if event == "end":
                within.pop()
                for parent in within[-1:]:
                    parent.clear()  # what was read is not kept
                continue
            within.append(element)
            tag = element.tag.rpartition("}")[2]
            hidden += tag == "row" and element.get("hidden") in ("1", "true")
            if tag == "mergeCell":
                merged.add(element.get("ref", ""))
    filled = [list(row) for row in rows]
    down = 0
    for column, first, _, last in map(range_boundaries, sorted(merged)[:MOST_MERGED]):
        above = filled[first - 1 : first]
        for row in filled[first : min(last, first + MOST_MERGED)]:
            if column <= len(row) and row[column - 1] is None and column <= len(above[0]):
                row[column - 1] = above[0][column - 1]
                down += 1
    said = ["merged cells are read in each of their rows"] if down else []
    said += [f"{numbered(hidden, 'hidden row is', 'hidden rows are')} read too"] if hidden else []
    return [tuple(row) for row in filled], said


def _shown(cell: Any) -> Any:
    """Give the value of a cell; a share that is shown as a percentage is one."""
    value = cell.value
    if isinstance(value, int | float) and "%" in str(cell.number_format):
        return f"{100 * value:.12g}%"
    return value


def _no_bare_formulas(path: Path, name: str, rows: _Rows) -> None:
    """Refuse formulas whose results were not saved, but for sums below: they would read as empty cells."""
    from openpyxl.utils import get_column_letter  # noqa: PLC0415

    bare = [
        f"{get_column_letter(column)}{place}"
        for place, (formulas, results) in enumerate(
            zip(_sheets(path, values=False, only=name)[name], rows, strict=False), 1
        )
        if not is_total(next((str(cell) for cell in results if cell is not None), ""))
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
