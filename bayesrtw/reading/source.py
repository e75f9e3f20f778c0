"""Which reader a file or folder of others needs."""

from dataclasses import replace
from pathlib import Path
from typing import Final

import numpy as np

from bayesrtw.errors import EvidenceError, Faults
from bayesrtw.evidence.cells import Table
from bayesrtw.evidence.measure import Benefit
from bayesrtw.evidence.table import Evidence
from bayesrtw.reading.flat import NOTHING, Stated, flat_table
from bayesrtw.reading.imported import Imported
from bayesrtw.reading.read import read_flat

#: Endings of RevMan 5 files and of zipped data packages.
REVMAN: Final = (".rm5",)
ZIP: Final = (".zip",)

#: Columns of evidence that a table of printed numbers does not have.
_DERIVED: Final = ("conversion",)


def read_review(path: Path, benefit: Benefit | None = None) -> Evidence | None:
    """Read evidence from a review of others."""
    review = _read_review(path, benefit)
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


def read_source(path: Path, stated: Stated = NOTHING) -> Imported:
    """Read a source for import."""
    review = _read_review(path, stated.benefit)
    if review is not None:
        return review
    if path.is_dir():
        what = "a data set already" if (path / "dataset.toml").is_file() else "no data package"
        raise EvidenceError(
            f"{path}: is {what}; give a RevMan 5 file, a Cochrane data package, an Excel workbook or a "
            "CSV file."
        )
    evidence = read_flat(path, stated)
    faults = Faults(EvidenceError)
    table, _ = flat_table(path, stated, faults)
    faults.raise_if_any()
    return _flat(evidence, table, stated)


def _flat(evidence: Evidence, table: Table, stated: Stated) -> Imported:
    """Give the cells of a flat table that has been checked, and one row a study."""
    where = evidence.provenance.title
    names = [str(name) for name in evidence.data["outcome"].to_numpy()]
    columns = {**table.columns, "outcome": names}
    for name in _DERIVED:
        columns.pop(name, None)
    if stated.benefit is not None:
        columns.pop("benefit", None)
    studies = list(dict.fromkeys(table.columns["study"]))
    origin = evidence.provenance
    read = (f"Read from {where} (SHA-256 {origin.sha256}).", *filter(None, (origin.reading,)))
    provenance = replace(
        origin,
        limits=(*read, *origin.limits),
        licence="Not stated in the file.",
        studies=len(studies),
    )
    return Imported(
        replace(evidence, provenance=provenance),
        Table(where, columns, table.lines),
        Table(where, {"study": studies}, [*range(2, len(studies) + 2)]),
        Table(where, {"study": []}),
    )


def usable(evidence: Evidence) -> int:
    """Count the rows that have an effect and a standard error."""
    effect, se = (evidence.data[name].to_numpy() for name in ("effect", "se"))
    return int(np.sum(np.isfinite(effect) & np.isfinite(se)))
