"""Data set folders and CSV files to evidence; every fault of a source comes in one error."""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Protocol

import numpy as np
from numpy.typing import NDArray

from bayesrtw.errors import EvidenceError, Fault, Faults, Whereabouts, shown
from bayesrtw.evidence.cells import Places, Table, numbers, read_table
from bayesrtw.evidence.coding import Coding, read_coding
from bayesrtw.evidence.frame import measure_of_arms, single_arms
from bayesrtw.evidence.labelled import dataset_of
from bayesrtw.evidence.quality import Judgements, read_judgements
from bayesrtw.evidence.reported import NUMBERS
from bayesrtw.evidence.rows import TEXT, all_numbers, converted
from bayesrtw.evidence.table import (
    Evidence,
    Outcome,
    Provenance,
)
from bayesrtw.reading.flat import NOTHING, Stated, flat_evidence, flat_table
from bayesrtw.reading.revision import mark
from bayesrtw.reading.schema import (
    FILES,
    NEEDED_FILES,
    check_fields,
    check_hash,
    check_keys,
    parsed_toml,
    raw_bytes,
)
from bayesrtw.registry import suggestion

if TYPE_CHECKING:
    import pandas as pd

#: Columns that a study's row and a result's row may both have; the study's gets a prefix.
_BOTH: Final = frozenset({"note", "source", "contrast", "text_level", "n", "design"})


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


@dataclass(frozen=True, slots=True)
class Reading:
    """What could be read of a source."""

    #: Its clean rows; None where a fault concerns more than single rows, or no row is clean.
    evidence: Evidence | None
    faults: tuple[Fault, ...]  #: Every fault; the rows that have one are not among the evidence.


#: Builds evidence of tables, noting faults; None where that makes no sense.
_Build = Callable[[Mapping[str, Table], Faults], Evidence | None]


@dataclass(slots=True)
class _Source:
    """The files of a source, before rows are joined and converted."""

    build: _Build
    tables: Mapping[str, Table] = field(default_factory=dict)
    faults: Faults = field(default_factory=lambda: Faults(EvidenceError))


def read_flat(
    source: "Path | pd.DataFrame", stated: Stated = NOTHING, *, strict: bool = True
) -> Evidence:
    """Read one flat table: one row a reported result, or one row an arm."""
    return _read(_flat_source(source, stated), strict=strict)


def read_csv(path: Path, *, strict: bool = True) -> Evidence:
    """Read a flat file, see `read_flat`."""
    return read_flat(path, strict=strict)


def read_folder(folder: Folder, *, strict: bool = True) -> Evidence:
    """Read a data set folder: ``dataset.toml``, ``studies.csv`` and ``results.csv``."""
    return _read(_folder_source(folder), strict=strict)


def attempt(source: Any, stated: Stated = NOTHING) -> Reading:
    """Read as much of a CSV file or a data set folder as can be read."""
    try:
        flat = hasattr(source, "iloc") or not source.is_dir()
        found = _flat_source(source, stated) if flat else _folder_source(source)
    except EvidenceError as error:
        return Reading(None, error.faults)
    return _clean(found)


def _read(source: _Source, *, strict: bool) -> Evidence:
    if strict:
        evidence = source.build(source.tables, source.faults)
        if evidence is None or source.faults:
            source.faults.stop()
        return evidence
    reading = _clean(source)
    if reading.evidence is None:
        raise EvidenceError(*reading.faults)
    return reading.evidence


def _clean(source: _Source) -> Reading:
    """Build evidence of the rows without faults: leave faulty rows out until none is found."""
    tables, noted = dict(source.tables), list(source.faults.found)
    found: list[Fault] = []
    while True:
        faults = Faults(EvidenceError, noted)
        evidence = source.build(tables, faults)
        new = faults.found
        found += new
        if not new and evidence is not None and evidence.size:
            named = tuple(dict.fromkeys(fault.message for fault in found))
            return Reading(replace(evidence, quarantined=named), tuple(found))
        if not new or any(not fault.place.rows for fault in new):
            return Reading(None, tuple(found))
        bad = {(fault.place.file, row) for fault in new for row in fault.place.rows}
        tables = {file: _without(table, bad) for file, table in tables.items()}
        noted = []


def _without(table: Table, bad: set[tuple[str, int]]) -> Table:
    keep = [place for place, line in enumerate(table.lines) if (table.where, line) not in bad]
    columns = {name: [cells[place] for place in keep] for name, cells in table.columns.items()}
    return Table(table.where, columns, [table.lines[place] for place in keep])


def _flat_source(source: "Path | pd.DataFrame", stated: Stated) -> _Source:
    faults = Faults(EvidenceError)
    table, provenance = flat_table(source, stated, faults)

    def build(tables: Mapping[str, Table], faults: Faults) -> Evidence | None:
        rows = tables[""]
        if not rows.count:
            return None
        if stated.arms:
            wanted = measure_of_arms(list(rows.columns), rows.where, stated.measure)
            columns = single_arms(rows, wanted, faults)
        else:
            columns = converted(rows, faults)
        return flat_evidence(rows, columns, provenance, stated, faults)

    return _Source(build, {"": table}, faults)


def _folder_source(folder: Folder) -> _Source:
    name = folder.name
    faults = Faults(EvidenceError)
    raw_toml = raw_bytes(folder.joinpath("dataset.toml"), f"{name}/dataset.toml")
    meta = parsed_toml(raw_toml, f"{name}/dataset.toml", faults)
    if not faults:
        check_keys(meta, f"{name}/dataset.toml", faults)
        if meta.get("id") != name:
            what, allowed = f"id is {meta.get('id')!r}", f"the folder is called {name!r}"
            place = Whereabouts(f"{name}/dataset.toml", column="id")
            faults.add(Fault(f"{what}; {allowed}", "", "make them equal", "not-allowed", place))
    if faults:
        return _Source(lambda _tables, _faults: None, faults=faults)
    tables, sha = _tables(folder, meta, hashlib.sha256(raw_toml), faults)

    def build(tables: Mapping[str, Table], faults: Faults) -> Evidence | None:
        return _joined(tables, meta, sha, faults)

    return _Source(build, tables, faults)


def _joined(
    tables: Mapping[str, Table], meta: Mapping[str, Any], sha: str, faults: Faults
) -> Evidence | None:
    """Build evidence of the files of a folder."""
    for file, table in tables.items():
        check_fields(table, file, meta, faults)
    tables = _renamed(tables, meta, faults)
    for file, wanted in (("studies.csv", ("study",)), ("results.csv", ("study", "outcome"))):
        if file in tables:
            _need(tables[file], wanted, faults)
            if file == "results.csv":
                _need_result(tables[file], faults)
    results, studies = tables.get("results.csv"), tables.get("studies.csv")
    if (
        results is None
        or studies is None
        or not {"study", "outcome"} <= results.columns.keys()
        or "study" not in studies.columns
        or not studies.count
    ):
        return None
    columns = converted(results, faults)
    _check_outcomes(results, meta, faults)
    _join_studies(columns, results, studies, faults)
    columns |= mark(columns, results.where, results.lines, faults)
    judgements = Judgements()
    if "risk_of_bias.csv" in tables:
        judgements = read_judgements(tables["risk_of_bias.csv"], studies.columns["study"], faults)
    coding = Coding()
    if "components.csv" in tables:
        coding = _join_parts(columns, results, studies, meta, tables["components.csv"], faults)
    if faults:
        return None
    return Evidence(
        dataset_of(columns),
        _provenance(meta, sha, studies.count),
        {row["name"]: Outcome(**row) for row in meta.get("outcome", [])},
        judgements=judgements,
        coding=coding,
        places=Places(
            results.where,
            tuple(results.lines),
            studies.where,
            dict(zip(studies.columns["study"], studies.lines, strict=True)),
        ),
    )


def _renamed(
    tables: Mapping[str, Table], meta: Mapping[str, Any], faults: Faults
) -> dict[str, Table]:
    """Give columns the names that ``[columns]`` of a dataset.toml states, heading to column."""
    stated = meta.get("columns", {})
    known = sorted({*NUMBERS, *TEXT, *("author", "year", "trial", "id", "treatment")})
    place = Whereabouts(f"{meta.get('id')}/dataset.toml", column="columns")
    for heading, role in stated.items():
        if role not in known:
            what = f"columns.{heading} is {role!r}"
            faults.add(Fault(what, "", suggestion(str(role), known), "not-allowed", place))
        if not any(heading in table.columns for table in tables.values()):
            what, have = f"columns.{heading} is of no column", list(tables["results.csv"].columns)
            faults.add(Fault(what, "", suggestion(heading, have), "missing-column", place))
    return {
        file: replace(
            table, columns={stated.get(n, n): cells for n, cells in table.columns.items()}
        )
        for file, table in tables.items()
    }


def _tables(
    folder: Folder, meta: Mapping[str, Any], sha: Any, faults: Faults
) -> tuple[dict[str, Table], str]:
    """Read the CSV files of a folder, and hash them."""
    tables = {}
    for file in meta.get("files", {}):
        if file not in FILES:
            what, place = f"files.{file} is not known", Whereabouts(f"{folder.name}/dataset.toml")
            faults.add(Fault(what, remedy=suggestion(file, FILES), place=place))
    for file in FILES:
        child = folder.joinpath(file)
        if file not in NEEDED_FILES and not child.is_file():
            continue
        try:
            raw = raw_bytes(child, f"{folder.name}/{file}")
        except EvidenceError as error:
            faults.extend(error.faults)
            continue
        sha.update(raw)
        check_hash(raw, file, meta, folder.name, faults)
        table = read_table(raw, f"{folder.name}/{file}", faults)
        if table.columns:
            tables[file] = table
    return tables, str(sha.hexdigest())


def _need(table: Table, names: Sequence[str], faults: Faults) -> None:
    for name in names:
        if name not in table.columns:
            what, hint = f"column {name!r} is missing", suggestion(name, list(table.columns))
            faults.add(Fault(what, "", hint, "missing-column", table.at(column=name)))


def _need_result(table: Table, faults: Faults) -> None:
    if not {"effect", "estimate", "events_t", "mean_t"} & table.columns.keys():
        remedy = (
            "give effect and se, or estimate with ci_low and ci_high, or counts (events_t, n_t, "
            "events_c, n_c), or means (mean_t, sd_t, n_t, mean_c, sd_c, n_c)"
        )
        what = f"no column holds a result; found {shown(table.columns)}"
        faults.add(Fault(what, "", remedy, "missing-column", table.at()))


def _check_outcomes(table: Table, meta: Mapping[str, Any], faults: Faults) -> None:
    known = [row["name"] for row in meta["outcome"]]
    for row, name in enumerate(table.columns["outcome"]):
        if name not in known:
            what = f"outcome {name!r} has no [[outcome]] in dataset.toml"
            rule, place = "outcome-without-direction", table.at(row, column="outcome")
            faults.add(Fault(what, "", suggestion(name, known), rule, place, name))


def _join_studies(
    columns: dict[str, NDArray[np.generic]], results: Table, studies: Table, faults: Faults
) -> None:
    index: dict[str, int] = {}
    for row, study in enumerate(studies.columns["study"]):
        if study in index:
            remedy, place = "a study has one row: leave one out", studies.at(index[study], row)
            what = f"study {study!r} stands twice"
            place = replace(place, column="study")
            faults.add(Fault(what, "", remedy, "repeated-row", place, study))
        index.setdefault(study, row)
    rows = []
    for row, study in enumerate(results.columns["study"]):
        if study not in index:
            what = f"study {study!r} is not in {studies.where}"
            hint, place = suggestion(study, list(index)), results.at(row, column="study")
            faults.add(Fault(what, "", hint, "unknown-study", place, study))
        rows.append(index.get(study, 0))
    clash = sorted((studies.columns.keys() & columns.keys()) - _BOTH - {"study"})
    if clash:
        what = f"columns {shown(clash)} stand in {results.where} too"
        faults.add(Fault(what, remedy="rename them", place=studies.at()))
        return
    for name, cells in studies.columns.items():
        if name == "study":
            continue
        joined = f"study_{name}" if name in _BOTH and name in columns else name
        if name not in TEXT and all_numbers(cells):
            columns[joined] = numbers(studies, name, faults)[rows]
        else:
            columns[joined] = np.array(cells, dtype=object)[rows]


def _join_parts(
    columns: dict[str, NDArray[np.generic]],
    results: Table,
    studies: Table,
    meta: Mapping[str, Any],
    table: Table,
    faults: Faults,
) -> Coding:
    """Add the parts of both arms of every result, as they were coded."""
    rows = results.columns["study"]
    contrasts = results.columns.get("contrast", [""] * results.count)
    known: dict[str, set[str]] = {study: set() for study in studies.columns["study"]}
    for study, contrast in zip(rows, contrasts, strict=True):
        known.setdefault(study, set()).add(contrast)
    coding = read_coding(table, meta, known, faults)
    parts = coding.columns(rows, contrasts)
    clash = sorted(parts.keys() & columns.keys())
    if clash:
        what = f"columns {shown(clash)} stand in {results.where}, and follow from {table.where}"
        faults.add(Fault(what, remedy="rename them", place=results.at()))
    columns |= {name: np.array(cells, dtype=object) for name, cells in parts.items()}
    return coding


def _provenance(meta: Mapping[str, Any], sha256: str, studies: int) -> Provenance:
    source, words = meta["source"], meta.get("words", {})
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
        sample=meta.get("sample", ""),
        disagreements=tuple(source.get("known_disagreements", ())),
        limits=tuple(source.get("limits", ())),
        studies=studies,
        programme=words.get("programme", "programme"),
        comparison=words.get("comparison", "comparison"),
    )
