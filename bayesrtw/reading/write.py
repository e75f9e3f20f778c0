"""Imported evidence to a data set folder: whole or not at all."""

import csv
import hashlib
import io
import json
import shutil
from datetime import date
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

import numpy as np

from bayesrtw.durable import draft_folder, writing
from bayesrtw.errors import EvidenceError, OutputError
from bayesrtw.evidence.cells import Table, guarded
from bayesrtw.evidence.reported import NUMBERS
from bayesrtw.evidence.rows import TEXT
from bayesrtw.evidence.table import Evidence
from bayesrtw.reading.imported import QUARANTINED, Imported, all_numbers
from bayesrtw.reading.read import read_folder

#: What the columns of an import mean; others are titled by their names.
_TITLES: Final = {
    "study": "Name of the study in the source",
    "label": "Name for tables and plots",
    "outcome": "Number and name of the analysis",
    "comparison": "Group of analyses",
    "subgroup": "Subgroup of the analysis",
    "reported": "What the numbers of the row are",
    "measure": "Effect measure of the analysis",
    "estimate": "Effect, on the scale that the column reported names",
    "se": "Standard error, on the same scale",
    "review_estimate": "Effect as the review displays it (ratios as ratios)",
    "review_ci_low": "Lower end of the interval as displayed",
    "review_ci_high": "Upper end of the interval as displayed",
    "review_weight": "Weight in percent in the review's own model",
    "locator": "Where the row stands in the source",
    QUARANTINED: "Why the row is not used, with its numbers; empty if it is used",
}


def write_folder(imported: Imported, folder: Path, *, retrieved: date | None = None) -> Evidence:
    """Write a data set folder, read it back, and put it in its place only if both agree."""
    folder = Path(folder).absolute()
    with writing(folder, "; choose another place"):
        if folder.is_symlink() or (folder.exists() and not folder.is_dir()):
            raise OutputError(f"{folder}: is no folder; choose another place.")
        if folder.is_dir() and any(folder.iterdir()):
            raise OutputError(
                f"{folder}: is not empty; an import writes a new folder: choose another place, or "
                "remove it."
            )
        folder.parent.mkdir(parents=True, exist_ok=True)
        with draft_folder(folder.parent) as place:
            draft = place / folder.name
            draft.mkdir()
            for name, raw in files_of(imported, folder.name, retrieved or date.today()).items():
                (draft / name).write_bytes(raw)
            found = _read_back(draft, imported.evidence)
            if folder.is_dir():
                folder.rmdir()
            shutil.move(draft, folder)
    return found


def _read_back(draft: Path, evidence: Evidence) -> Evidence:
    """Read a folder and compare it with what it was written from."""
    with np.errstate(all="ignore"):
        found = read_folder(draft)
    for name in ("effect", "se", "study", "outcome", "measure"):
        before, after = (each.data[name].to_numpy() for each in (evidence, found))
        same = (
            np.array_equal(before, after)
            if before.dtype == object
            else np.array_equal(before, after, equal_nan=True)
        )
        if not same:
            raise EvidenceError(
                f"{draft.name}: column {name!r} does not read back as it was written; please report "
                "this source to the developers. Nothing was written."
            )
    return found


def files_of(imported: Imported, name: str, retrieved: date) -> dict[str, bytes]:
    """Give the files of a data set folder."""
    tables = {"studies.csv": imported.studies, "results.csv": imported.results}
    if imported.risk_of_bias.count:
        tables["risk_of_bias.csv"] = imported.risk_of_bias
    files = {file: _csv(table) for file, table in tables.items()}
    lines = _head(imported, name, retrieved)
    lines += ["", "[files]"]
    lines += [
        f"{_quoted(file)} = {_quoted(hashlib.sha256(raw).hexdigest())}"
        for file, raw in files.items()
    ]
    for outcome in imported.evidence.outcomes.values():
        lines += [
            "",
            "[[outcome]]",
            f"name = {_quoted(outcome.name)}",
            f"title = {_quoted(outcome.title)}",
            f"unit = {_quoted(outcome.unit)}",
        ]
        said = {"benefit": outcome.benefit, "below": outcome.below, "above": outcome.above}
        lines += [f"{key} = {_quoted(text)}" for key, text in said.items() if text]
    for file, table in tables.items():
        for column, cells in table.columns.items():
            lines += _field(file, column, cells)
    return {"dataset.toml": ("\n".join(lines) + "\n").encode(), **files}


def _head(imported: Imported, name: str, retrieved: date) -> list[str]:
    origin = imported.evidence.provenance
    citation = origin.citation or origin.title
    source: dict[str, Any] = {
        "citation": f"{citation.rstrip('.')}. Imported with bayesrtw {version('bayesrtw')}.",
        "doi": origin.doi,
        "licence": origin.licence,
    }
    return [
        "schema = 1",
        f"id = {_quoted(name)}",
        "version = 1",
        f"title = {_quoted(origin.title or name)}",
        f"caveat = {_quoted(origin.caveat or 'Imported, not checked by hand against the studies.')}",
        "",
        "[source]",
        *(f"{key} = {_quoted(value)}" for key, value in source.items()),
        f"retrieved = {retrieved.isoformat()}",
        f"known_disagreements = {_list(origin.disagreements)}",
        f"limits = {_list(origin.limits)}",
        "",
        "[words]",
        f"programme = {_quoted(origin.programme)}",
        f"comparison = {_quoted(origin.comparison)}",
    ]


def _field(file: str, column: str, cells: list[str]) -> list[str]:
    numeric = column in NUMBERS or (column not in TEXT and all_numbers(cells))
    lines = [
        "",
        "[[field]]",
        f"file = {_quoted(file)}",
        f"name = {_quoted(column)}",
        f"type = {_quoted('number' if numeric else 'string')}",
        f"title = {_quoted(_TITLES.get(column, column.replace('_', ' ')))}",
    ]
    return [*lines, "required = true"] if column == "study" else lines


def _csv(table: Table) -> bytes:
    buffer = io.StringIO(newline="")
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(map(guarded, table.columns))
    for row in zip(*table.columns.values(), strict=True):
        writer.writerow(map(guarded, row))
    return buffer.getvalue().encode("utf-8", errors="replace")


def _quoted(text: str) -> str:
    """Write a TOML string; JSON's escapes are TOML's, but for DEL and lone surrogates."""
    clean = str(text).encode("utf-8", errors="replace").decode("utf-8")
    return json.dumps(clean, ensure_ascii=False).replace("\x7f", "\\u007f")


def _list(texts: tuple[str, ...]) -> str:
    if not texts:
        return "[]"
    return "[\n" + "".join(f"    {_quoted(text)},\n" for text in texts) + "]"
