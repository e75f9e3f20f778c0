"""Data set folders and CSV files to evidence; every fault of a source comes in one error."""

import csv
import hashlib
import math
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Protocol

import numpy as np
from numpy.typing import NDArray

from bayesrtw.errors import EvidenceError, Faults, shown
from bayesrtw.evidence.reported import NUMBERS, analysis_scale
from bayesrtw.evidence.table import Evidence, Outcome, Provenance, dataset_of, duplicates
from bayesrtw.registry import suggestion

#: Columns that a study's row and a result's row may both have; the study's gets a prefix.
_BOTH: Final = frozenset({"note", "source", "contrast", "text_level", "n", "design"})

#: Types a [[field]] may declare, with what to write.
_TYPES: Final = {"string": "text", "number": "a number", "integer": "a whole number"}

#: Keys of the tables of a dataset.toml.
_TOML_KEYS: Final = {
    "": {
        "schema",
        "id",
        "version",
        "title",
        "caveat",
        "source",
        "files",
        "outcome",
        "field",
        "dependence",
    },
    "source": {"citation", "doi", "licence", "retrieved", "known_disagreements", "limits"},
    "outcome": {"name", "title", "benefit", "unit"},
    "field": {
        "file",
        "name",
        "type",
        "title",
        "unit",
        "required",
        "unique",
        "minimum",
        "maximum",
        "enum",
    },
    "dependence": {"kind", "members", "note"},
}


class Folder(Protocol):
    """What reading needs of a folder: a `pathlib.Path` or a packaged resource."""

    @property
    def name(self) -> str:
        """Last part of the path."""

    def joinpath(self, child: str, /) -> Any:
        """Give a child of the folder."""

    def is_file(self) -> bool:
        """Whether it is a file."""

    def read_bytes(self) -> bytes:
        """Read the whole file."""


@dataclass(slots=True)
class Table:
    """A CSV file as text.

    Attributes
    ----------
    where
        How messages call the file.
    columns
        Column to its cells, in the order of the file.
    count
        Number of data rows.
    """

    where: str
    columns: dict[str, list[str]] = field(default_factory=dict)
    count: int = 0


def read_table(raw: bytes, where: str, faults: Faults) -> Table:
    """Parse a CSV file: UTF-8, a header, as many cells in each row as in the header.

    Parameters
    ----------
    raw
        The file's bytes.
    where
        How messages call the file.
    faults
        Collector of faults.

    Returns
    -------
    Table
        Its cells, stripped of surrounding white space; empty if the header is unusable.
    """
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        faults.add(f"{where}: must be UTF-8 text; byte {error.start} is not; save it as UTF-8.")
        return Table(where)
    if "\x00" in text:
        faults.add(f"{where}: holds a NUL character; save it as plain CSV.")
        return Table(where)
    try:
        rows = list(csv.reader(text.splitlines(keepends=True), strict=True))
    except csv.Error as error:
        faults.add(f"{where}: is not CSV: {error}; save it as comma-separated text.")
        return Table(where)
    rows = [row for row in rows if any(cell.strip() for cell in row)]
    if not rows:
        faults.add(f"{where}: is empty; give a header row and one row a result.")
        return Table(where)
    header = [cell.strip() for cell in rows[0]]
    repeated = sorted({name for name in header if header.count(name) > 1})
    if repeated:
        faults.add(f"{where}: columns {shown(repeated)} stand twice in the header; rename one.")
        return Table(where)
    table = Table(where, {name: [] for name in header}, len(rows) - 1)
    for number, row in enumerate(rows[1:], 2):
        if len(row) != len(header):
            faults.add(
                f"{where}: row {number} has {len(row)} cells; the header has {len(header)}; quote "
                "cells that hold commas."
            )
        padded = [*row, *([""] * len(header))][: len(header)]
        for name, cell in zip(header, padded, strict=True):
            table.columns[name].append(cell.strip())
    return table


def numbers(table: Table, column: str, faults: Faults) -> NDArray[np.float64]:
    """Read a column of numbers; empty cells are NaN.

    Parameters
    ----------
    table
        The file.
    column
        Name of its column.
    faults
        Collector of faults: text where a number belongs, infinities.

    Returns
    -------
    ndarray, shape (count,)
        float64.
    """
    values = np.full(table.count, np.nan)
    for row, cell in enumerate(table.columns[column]):
        if not cell:
            continue
        try:
            values[row] = float(cell)
        except ValueError:
            values[row] = math.inf
        if not math.isfinite(values[row]):
            values[row] = math.nan
            faults.add(
                f"{table.where}: {column} must be a number; found {cell!r} in row {row + 2}"
                f"{_study(table, row)}; write a decimal number or leave the cell empty."
            )
    return values


def _study(table: Table, row: int) -> str:
    return f" (study={table.columns['study'][row]!r})" if "study" in table.columns else ""


def read_csv(path: Path) -> Evidence:
    """Read one flat CSV file: one row a reported result.

    Parameters
    ----------
    path
        The file. Column ``study`` and either ``effect`` and ``se`` on the analysis scale, or the
        numbers as printed (``estimate, ci_low, ci_high``, counts or means; see `NUMBERS`). Optional:
        ``measure``, ``reported``, ``outcome``, ``benefit``, moderators of any name.

    Returns
    -------
    Evidence
        Rows in the file's order.

    Raises
    ------
    EvidenceError
        With every fault of the file.
    """
    faults = Faults(EvidenceError)
    raw = _bytes(path, str(path))
    table = read_table(raw, path.name, faults)
    if not table.columns:
        faults.stop()
    _need(table, ("study",), faults)
    if not {"effect", "estimate", "events_t", "mean_t"} & table.columns.keys():
        faults.add(
            f"{table.where}: no column holds a result; found {shown(table.columns)}; give effect and "
            "se, or estimate with ci_low and ci_high, or counts (events_t, n_t, events_c, n_c), or "
            "means (mean_t, sd_t, n_t, mean_c, sd_c, n_c)."
        )
    faults.raise_if_any()
    columns = _results(table, faults)
    outcomes, said = _flat_outcomes(table, columns, faults)
    faults.raise_if_any()
    provenance = Provenance(
        title=path.name,
        sha256=hashlib.sha256(raw).hexdigest(),
        limits=()
        if said
        else ("No direction of benefit was stated; higher was taken as benefit.",),
    )
    return Evidence(dataset_of(columns), provenance, outcomes)


def _flat_outcomes(
    table: Table, columns: dict[str, NDArray[np.generic]], faults: Faults
) -> tuple[dict[str, Outcome], bool]:
    names = columns.setdefault("outcome", np.full(table.count, "effect", dtype=object))
    stated = columns.get("benefit")
    outcomes: dict[str, Outcome] = {}
    for row, name in enumerate(str(value) for value in names):
        benefit = str(stated[row]) if stated is not None else "higher"
        if benefit not in ("higher", "lower"):
            faults.add(
                f"{table.where}: benefit is {benefit!r} in row {row + 2}{_study(table, row)}; "
                "Choices: higher, lower."
            )
            continue
        known = outcomes.get(name)
        if known is not None and known.benefit != benefit:
            faults.add(
                f"{table.where}: benefit of outcome {name!r} is {benefit!r} in row {row + 2} and "
                f"{known.benefit!r} before; give an outcome one direction."
            )
        outcomes.setdefault(name, Outcome(name, name.replace("_", " "), benefit))  # type: ignore[arg-type]
    return outcomes, stated is not None


def read_folder(folder: Folder) -> Evidence:
    """Read a data set folder: ``dataset.toml``, ``studies.csv`` and ``results.csv``.

    Parameters
    ----------
    folder
        A path or a packaged resource.

    Returns
    -------
    Evidence
        One row a result, with its study's columns beside it.

    Raises
    ------
    EvidenceError
        With every fault of the data set: unknown or missing keys and columns, cells that break a
        declared rule, results of unknown studies, files whose hash differs from the declared one.
    """
    faults = Faults(EvidenceError)
    name = folder.name
    raw_toml = _bytes(folder.joinpath("dataset.toml"), f"{name}/dataset.toml")
    meta = _toml(raw_toml, f"{name}/dataset.toml", faults)
    faults.raise_if_any()
    _check_keys(meta, f"{name}/dataset.toml", faults)
    if meta.get("id") != name:
        faults.add(
            f"{name}/dataset.toml: id is {meta.get('id')!r}; the folder is called {name!r}; make "
            "them equal."
        )
    faults.raise_if_any()
    tables, sha = {}, hashlib.sha256(raw_toml)
    for file in ("studies.csv", "results.csv", "risk_of_bias.csv"):
        child = folder.joinpath(file)
        if file == "risk_of_bias.csv" and not child.is_file():
            continue
        raw = _bytes(child, f"{name}/{file}")
        sha.update(raw)
        _check_hash(raw, file, meta, name, faults)
        tables[file] = read_table(raw, f"{name}/{file}", faults)
    faults.raise_if_any()
    for file, table in tables.items():
        _check_fields(table, file, meta, faults)
    for column, file in (
        ("study", "studies.csv"),
        ("study", "results.csv"),
        ("outcome", "results.csv"),
    ):
        _need(tables[file], (column,), faults)
    faults.raise_if_any()
    columns = _results(tables["results.csv"], faults)
    _check_outcomes(tables["results.csv"], meta, faults)
    _join_studies(columns, tables["results.csv"], tables["studies.csv"], faults)
    faults.raise_if_any()
    outcomes = {row["name"]: Outcome(**row) for row in meta.get("outcome", [])}
    return Evidence(
        dataset_of(columns),
        _provenance(meta, sha.hexdigest(), tables["studies.csv"].count),
        outcomes,
    )


def _bytes(path: Any, where: str) -> bytes:
    try:
        return bytes(path.read_bytes())
    except OSError as error:
        raise EvidenceError(
            f"{where}: cannot be read ({error.strerror}); check the path."
        ) from None


def _toml(raw: bytes, where: str, faults: Faults) -> dict[str, Any]:
    try:
        return tomllib.loads(raw.decode("utf-8"))
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        faults.add(f"{where}: is not TOML: {error}.")
        return {}


def _check_keys(meta: Mapping[str, Any], where: str, faults: Faults) -> None:
    for key in meta:
        if key not in _TOML_KEYS[""]:
            faults.add(f"{where}: {key} is not known; {suggestion(key, list(_TOML_KEYS['']))}")
    for key in ("schema", "id", "version", "title", "source", "outcome"):
        if key not in meta:
            faults.add(f"{where}: {key} is missing; add it.")
    if meta.get("schema", 1) != 1:
        faults.add(f"{where}: schema is {meta['schema']!r}; this version reads schema 1.")
    for section in ("source", "outcome", "field", "dependence"):
        tables = meta.get(section, [])
        for index, table in enumerate([tables] if isinstance(tables, dict) else tables):
            for key in table:
                if key not in _TOML_KEYS[section]:
                    hint = suggestion(key, list(_TOML_KEYS[section]))
                    faults.add(f"{where}: {section}[{index}].{key} is not known; {hint}")
    for index, table in enumerate(meta.get("outcome", [])):
        if not isinstance(table.get("name"), str) or not isinstance(table.get("title"), str):
            faults.add(f"{where}: outcome[{index}] needs a name and a title; add them.")
        if table.get("benefit") not in ("higher", "lower"):
            faults.add(
                f"{where}: outcome[{index}].benefit is {table.get('benefit')!r}; Choices: higher, "
                "lower."
            )
    for index, table in enumerate(meta.get("field", [])):
        if table.get("type", "string") not in _TYPES:
            hint = suggestion(str(table["type"]), list(_TYPES))
            faults.add(f"{where}: field[{index}].type is {table['type']!r}; {hint}")


def _check_hash(raw: bytes, file: str, meta: Mapping[str, Any], name: str, faults: Faults) -> None:
    declared = meta.get("files", {}).get(file)
    actual = hashlib.sha256(raw).hexdigest()
    if declared is not None and declared != actual:
        faults.add(
            f"{name}/{file}: its SHA-256 is {actual}; dataset.toml declares {declared}; a change of "
            "rows is a new version: raise version and write the new hash."
        )


def _check_fields(table: Table, file: str, meta: Mapping[str, Any], faults: Faults) -> None:
    fields = {f["name"]: f for f in meta.get("field", []) if f.get("file") == file}
    if not fields:
        return
    for name in table.columns:
        if name not in fields:
            faults.add(
                f"{table.where}: column {name!r} is not declared in dataset.toml; "
                f"{suggestion(name, list(fields))}"
            )
    for name, rule in fields.items():
        if name not in table.columns:
            faults.add(f"{table.where}: column {name!r} is missing; add it or its declaration.")
            continue
        _check_field(table, name, rule, faults)


def _check_field(table: Table, name: str, rule: Mapping[str, Any], faults: Faults) -> None:
    cells = table.columns[name]
    wrong: list[tuple[int, str]] = []
    if rule.get("required"):
        wrong += [(row, "must not be empty") for row, cell in enumerate(cells) if not cell]
    if "enum" in rule:
        allowed = {str(value) for value in rule["enum"]}
        wrong += [
            (row, suggestion(cell, sorted(allowed)))
            for row, cell in enumerate(cells)
            if cell and cell not in allowed
        ]
    if rule.get("unique"):
        wrong += [
            (row, "must be unique")
            for row, cell in enumerate(cells)
            if cell and cell in cells[:row]
        ]
    if rule.get("type") in ("number", "integer"):
        values = numbers(table, name, faults)
        low, high = rule.get("minimum", -math.inf), rule.get("maximum", math.inf)
        wrong += [
            (row, f"must lie between {low} and {high}")
            for row, value in enumerate(values)
            if value < low or value > high
        ]
        if rule["type"] == "integer":
            wrong += [
                (row, "must be a whole number")
                for row, value in enumerate(values)
                if not math.isnan(value) and value != round(value)
            ]
    for row, what in wrong:
        faults.add(
            f"{table.where}: {name}: found {cells[row]!r} in row {row + 2}{_study(table, row)}; "
            f"{what.rstrip('.')}."
        )


def _need(table: Table, names: Sequence[str], faults: Faults) -> None:
    for name in names:
        if name not in table.columns:
            hint = suggestion(name, list(table.columns))
            faults.add(f"{table.where}: column {name!r} is missing; {hint}")


def _results(table: Table, faults: Faults) -> dict[str, NDArray[np.generic]]:
    """Convert every row of a results table; text columns stay text."""
    columns: dict[str, NDArray[np.generic]] = {}
    for name, cells in table.columns.items():
        if name in NUMBERS or (name not in ("study", "p_value") and _all_numbers(cells)):
            columns[name] = numbers(table, name, faults)
        else:
            columns[name] = np.array(cells, dtype=object)
    numeric = [name for name in columns if columns[name].dtype != object]
    texts = [name for name in columns if columns[name].dtype == object]
    effect, se = np.full(table.count, np.nan), np.full(table.count, np.nan)
    measure, how = [], []
    for row in range(table.count):
        found = analysis_scale(
            {name: str(columns[name][row]) for name in texts},
            {name: float(columns[name][row]) for name in numeric},
        )
        for fault in found.faults:
            faults.add(f"{table.where}: {fault} (row {row + 2}{_study(table, row)}).")
        effect[row], se[row] = found.effect, found.se
        measure.append(found.measure)
        how.append(found.conversion)
    if "study" in columns:
        faults.extend(duplicates(columns, table.where))
    if "se" in columns and "effect" not in columns:
        columns["se_printed"] = columns["se"]
    columns |= {"effect": effect, "se": se}
    columns["measure"] = np.array(measure, dtype=object)
    columns["conversion"] = np.array(how, dtype=object)
    return columns


def _all_numbers(cells: Sequence[str]) -> bool:
    try:
        return any(cells) and all(math.isfinite(float(cell)) for cell in cells if cell)
    except ValueError:
        return False


def _check_outcomes(table: Table, meta: Mapping[str, Any], faults: Faults) -> None:
    known = [row["name"] for row in meta["outcome"]]
    for row, name in enumerate(table.columns["outcome"]):
        if name not in known:
            faults.add(
                f"{table.where}: outcome {name!r} in row {row + 2}{_study(table, row)} has no "
                f"[[outcome]] in dataset.toml with its direction of benefit; {suggestion(name, known)}"
            )


def _join_studies(
    columns: dict[str, NDArray[np.generic]], results: Table, studies: Table, faults: Faults
) -> None:
    index = {study: row for row, study in enumerate(studies.columns["study"])}
    rows = []
    for row, study in enumerate(results.columns["study"]):
        if study not in index:
            faults.add(
                f"{results.where}: study {study!r} in row {row + 2} is not in {studies.where}; "
                f"{suggestion(study, list(index))}"
            )
        rows.append(index.get(study, 0))
    for name, cells in studies.columns.items():
        if name == "study":
            continue
        joined = f"study_{name}" if name in _BOTH and name in columns else name
        if cells and _all_numbers(cells):
            columns[joined] = numbers(studies, name, faults)[rows]
        else:
            columns[joined] = np.array(cells, dtype=object)[rows]


def _provenance(meta: Mapping[str, Any], sha256: str, studies: int) -> Provenance:
    source = meta["source"]
    return Provenance(
        dataset=meta["id"],
        version=meta["version"],
        sha256=sha256,
        title=meta["title"],
        citation=source.get("citation", ""),
        doi=source.get("doi", ""),
        licence=source.get("licence", ""),
        retrieved=str(source.get("retrieved", "")),
        caveat=meta.get("caveat", ""),
        disagreements=tuple(source.get("known_disagreements", ())),
        limits=tuple(source.get("limits", ())),
        studies=studies,
    )
