"""Which reader a file or folder of others needs."""

from dataclasses import replace
from pathlib import Path
from typing import Final

import numpy as np

from bayesrtw.errors import EvidenceError, Faults
from bayesrtw.evidence.cells import Table, read_table
from bayesrtw.evidence.measure import Benefit
from bayesrtw.evidence.table import Evidence, Outcome
from bayesrtw.reading.imported import Imported
from bayesrtw.reading.read import read_csv

#: Endings of RevMan 5 files, of zipped data packages and of Excel workbooks.
REVMAN: Final = (".rm5",)
ZIP: Final = (".zip",)
EXCEL: Final = (".xlsx", ".xlsm")

#: Columns of evidence that a table of printed numbers does not have.
_DERIVED: Final = ("conversion",)


def read_foreign(path: Path, *, strict: bool = True) -> Evidence | None:
    """Read evidence from a format of others.

    Parameters
    ----------
    path
        An existing file or folder.
    strict
        Whether a fault in any row of a workbook is an error; reviews keep such rows beside the cause.

    Returns
    -------
    Evidence or None
        None if it is none of a RevMan 5 file, a data package or a workbook.

    Raises
    ------
    EvidenceError
        If it is one and cannot be read.
    """
    if path.suffix.lower() in EXCEL and path.is_file():
        from bayesrtw.reading.excel import read_excel  # noqa: PLC0415 - as all of these

        return read_excel(path, strict=strict)
    review = _read_review(path, None)
    return review.evidence if review is not None else None


def _read_review(path: Path, benefit: Benefit | None) -> Imported | None:
    from bayesrtw.reading.cochrane import is_package, read_package  # noqa: PLC0415

    suffix = path.suffix.lower()
    if path.is_dir():
        return read_package(path, benefit=benefit) if is_package(path) else None
    if suffix in REVMAN:
        from bayesrtw.reading.revman import read_revman  # noqa: PLC0415

        return read_revman(path, benefit=benefit)
    return read_package(path, benefit=benefit) if suffix in ZIP else None


def read_source(path: Path, *, benefit: Benefit | None = None) -> Imported:
    """Read a source for import.

    Parameters
    ----------
    path
        A RevMan 5 file, a Cochrane data package (zip or folder), an Excel workbook or a CSV file.
    benefit
        Direction of benefit of every outcome, in place of what the source says.

    Returns
    -------
    Imported
        Rows of reviews are quarantined where they cannot be used; a flat table is strict.

    Raises
    ------
    EvidenceError
        If it cannot be read.
    """
    review = _read_review(path, benefit)
    if review is not None:
        return review
    if path.is_dir():
        what = "a data set already" if (path / "dataset.toml").is_file() else "no data package"
        raise EvidenceError(
            f"{path}: is {what}; give a RevMan 5 file, a Cochrane data package, an Excel workbook or a "
            "CSV file."
        )
    if path.suffix.lower() in EXCEL:
        from bayesrtw.reading.excel import read_excel, sheet_as_csv  # noqa: PLC0415

        return _flat(read_excel(path), sheet_as_csv(path), benefit)
    evidence = read_csv(path)
    return _flat(evidence, path.read_bytes(), benefit)


def _flat(evidence: Evidence, raw: bytes, benefit: Benefit | None) -> Imported:
    """Give the cells of a flat table that has been checked, and one row a study."""
    where = evidence.provenance.title
    faults = Faults(EvidenceError)
    table = read_table(raw, where, faults)
    faults.raise_if_any()
    names = [str(name) for name in evidence.data["outcome"].to_numpy()]
    columns = {**table.columns, "outcome": names}
    for name in _DERIVED:
        columns.pop(name, None)
    outcomes = dict(evidence.outcomes)
    limits = evidence.provenance.limits
    if benefit is not None:
        outcomes = {
            name: Outcome(name, outcome.title, benefit, outcome.unit)
            for name, outcome in outcomes.items()
        }
        limits = (f"Direction of benefit: {benefit} for every outcome, given at import.",)
        columns.pop("benefit", None)
    studies = list(dict.fromkeys(table.columns["study"]))
    sha = evidence.provenance.sha256
    provenance = replace(
        evidence.provenance,
        limits=(f"Read from {where} (SHA-256 {sha}).", *limits),
        licence="Not stated in the file.",
        studies=len(studies),
    )
    return Imported(
        replace(evidence, provenance=provenance, outcomes=outcomes),
        Table(where, columns, table.lines),
        Table(where, {"study": studies}, [*range(2, len(studies) + 2)]),
        Table(where, {"study": []}),
    )


def usable(evidence: Evidence) -> int:
    """Count the rows that have an effect and a standard error.

    Parameters
    ----------
    evidence
        Any evidence.

    Returns
    -------
    int
        At most its size.
    """
    effect, se = (evidence.data[name].to_numpy() for name in ("effect", "se"))
    return int(np.sum(np.isfinite(effect) & np.isfinite(se)))
