"""Which table a file or a data frame holds: text, workbooks, and files of statistics programs."""

import struct
import warnings
import zlib
from collections.abc import Collection
from pathlib import Path
from typing import TYPE_CHECKING, Final, cast

from bayesrtw.errors import EvidenceError, Faults
from bayesrtw.evidence.cells import rows_of_frame
from bayesrtw.reading.grid import Grid, grid_of_rows, grid_of_text
from bayesrtw.reading.headings import bare
from bayesrtw.reading.headings import known as means_something
from bayesrtw.reading.schema import raw_bytes

if TYPE_CHECKING:
    import pandas as pd

#: Endings of Excel workbooks.
EXCEL: Final = (".xlsx", ".xlsm")

#: Files of other programs: what they are called, the library that reads them, and how the program itself
#: writes a table that can be read without it.
STATISTICS: Final = {
    ".dta": ("a Stata file", "pandas", "export delimited using table.csv"),
    ".sav": ("an SPSS file", "pyreadstat", "SAVE TRANSLATE /TYPE=CSV /FIELDNAMES"),
    ".zsav": ("an SPSS file", "pyreadstat", "SAVE TRANSLATE /TYPE=CSV /FIELDNAMES"),
    ".por": ("an SPSS file", "pyreadstat", "SAVE TRANSLATE /TYPE=CSV /FIELDNAMES"),
    ".sas7bdat": ("a SAS file", "pandas", "proc export dbms=csv"),
    ".xpt": ("a SAS file", "pandas", "proc export dbms=csv"),
    ".rds": ("a file of R", "rdata", "write.csv(x, 'table.csv', row.names = FALSE)"),
    ".rda": ("a file of R", "rdata", "write.csv(x, 'table.csv', row.names = FALSE)"),
    ".rdata": ("a file of R", "rdata", "write.csv(x, 'table.csv', row.names = FALSE)"),
    ".ods": ("an OpenDocument table", "python-calamine", "Save as .xlsx or CSV"),
    ".xls": ("an Excel 97 workbook", "python-calamine", "Save as .xlsx or CSV"),
    ".xlsb": ("a binary Excel workbook", "python-calamine", "Save as .xlsx or CSV"),
}

#: How files begin that are no text, whatever they are called.
_SIGNATURES: Final = (
    (b"<stata_dta>", ".dta"),
    (b"$FL2", ".sav"),
    (b"$FL3", ".zsav"),
    (b"HEADER RECORD*******LIBRARY", ".xpt"),
    (b"RDX", ".rda"),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", ".xls"),
)

#: Begins a zip file: a workbook, or an OpenDocument table.
_ZIP: Final = b"PK\x03\x04"

#: What else people try, to what it is and what to do.
_NO_TABLE: Final = {
    ".docx": "a Word document: copy its table into a spreadsheet and save that as CSV",
    ".doc": "a Word document: copy its table into a spreadsheet and save that as CSV",
    ".pdf": "a PDF document: write its table into a spreadsheet and save that as CSV",
    ".rm6": "a RevMan 6 file: export the data package from RevMan Web",
    ".numbers": "a file of Numbers: export it as CSV",
    ".gsheet": "a link to Google Sheets: download it as CSV",
    ".json": "JSON: write a table, one row a result, as CSV",
    ".parquet": "a Parquet file: open it with pandas and give the data frame to open_dataset",
}


#: What libraries let through that meet a damaged file.
_BROKEN: Final = (
    *(
        ValueError,
        TypeError,
        LookupError,
        AttributeError,
        ArithmeticError,
        RuntimeError,
        OSError,
        EOFError,
    ),
    *(AssertionError, NotImplementedError, MemoryError, StopIteration, struct.error, zlib.error),
)


def grid_of(
    source: "Path | pd.DataFrame", sheet: str, faults: Faults, stated: Collection[str] = ()
) -> tuple[Grid, bytes]:
    """Read the table of a file or a data frame; headings that a person states are known ones."""
    own = {bare(heading) for heading in stated}

    def known(text: str) -> bool:
        return bare(text) in own or means_something(text)

    if not hasattr(source, "read_bytes"):
        return grid_of_rows(
            rows_of_frame(cast("pd.DataFrame", source)), "data frame", known, faults
        ), b""
    path = cast(Path, source)
    suffix = path.suffix.lower()
    if suffix in EXCEL:
        from bayesrtw.reading.excel import rows_of_sheet  # noqa: PLC0415 - a tenth of a second

        rows, said = rows_of_sheet(path, sheet)
        return grid_of_rows(rows, path.name, known, faults, said), raw_bytes(path, str(path))
    raw = raw_bytes(path, str(path))
    found = next((kind for mark, kind in _SIGNATURES if raw.startswith(mark)), suffix)
    if found in _NO_TABLE or raw.startswith(b"%PDF-"):
        what = _NO_TABLE.get(found, _NO_TABLE[".pdf"])
        raise EvidenceError(f"{path.name}: is {what}.")
    if raw.startswith(_ZIP) and found not in STATISTICS:
        raise EvidenceError(
            f"{path.name}: is a zip file, perhaps a workbook or a data package; name it .xlsx or .zip."
        )
    if sheet and found not in (".ods", ".xls", ".xlsb"):
        raise EvidenceError(f"{path.name}: has no sheets; leave --sheet {sheet!r} out.")
    if found not in STATISTICS:
        return grid_of_text(raw, path.name, known, faults), raw
    rows = _rows_of_program(path, found, sheet)
    return grid_of_rows(rows, path.name, known, faults, [f"read as {STATISTICS[found][0]}"]), raw


def _rows_of_program(path: Path, kind: str, sheet: str) -> list[list[str]]:
    """Read a file of a statistics program with the library that knows it, or say what to do."""
    what, library, export = STATISTICS[kind]
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of dates and encodings, which no result hangs on
            return rows_of_frame(_frame(path, kind, sheet))
    except ImportError:
        raise EvidenceError(
            f"{path.name}: is {what} ({kind}), which {library} reads: install bayesrtw[files], or export "
            f"it as CSV or .xlsx ({export})."
        ) from None
    except EvidenceError:
        raise
    except _BROKEN as error:
        text = " ".join(str(error).split())[:200]
        raise EvidenceError(
            f"{path.name}: is no readable {what.split(' ', 1)[1]} ({type(error).__name__}: {text}); export "
            f"it as CSV or .xlsx ({export})."
        ) from None


def _frame(path: Path, kind: str, sheet: str) -> "pd.DataFrame":
    import pandas as pd  # noqa: PLC0415 - as all of these

    if kind == ".dta":
        return pd.read_stata(path, convert_categoricals=True)
    if kind in (".sas7bdat", ".xpt"):
        return pd.read_sas(
            path, format="sas7bdat" if kind == ".sas7bdat" else "xport", encoding="utf-8"
        )
    if kind in (".sav", ".zsav", ".por"):
        import pyreadstat  # noqa: PLC0415

        reader = pyreadstat.read_por if kind == ".por" else pyreadstat.read_sav
        try:
            return cast("pd.DataFrame", reader(str(path), apply_value_formats=True)[0])
        except (pyreadstat.ReadstatError, pyreadstat.PyreadstatError) as error:
            raise ValueError(str(error)) from None  # theirs are bare Exceptions
    if kind in (".rds", ".rda", ".rdata"):
        return _frame_of_r(path, kind)
    from python_calamine import CalamineError, CalamineWorkbook  # noqa: PLC0415

    try:
        book = CalamineWorkbook.from_path(str(path))
        name = sheet or book.sheet_names[0]
        if name not in book.sheet_names:
            raise EvidenceError(
                f"{path.name}: has no sheet {name!r}; there are {book.sheet_names}."
            )
        rows = book.get_sheet_by_name(name).to_python()
    except CalamineError as error:
        raise ValueError(str(error)) from None  # theirs are bare Exceptions
    return pd.DataFrame(rows[1:], columns=[str(cell) for cell in rows[0]] if rows else [])


def _frame_of_r(path: Path, kind: str) -> "pd.DataFrame":
    """Read the one data frame of a file of R."""
    import pandas as pd  # noqa: PLC0415
    import rdata  # noqa: PLC0415

    found = rdata.read_rds(path) if kind == ".rds" else rdata.read_rda(path)
    held = found if isinstance(found, dict) else {"": found}
    frames = {name: each for name, each in held.items() if isinstance(each, pd.DataFrame)}
    if len(frames) != 1:
        raise EvidenceError(
            f"{path.name}: holds {len(frames)} data frames ({', '.join(frames)}); save one with saveRDS."
        )
    return next(iter(frames.values()))
