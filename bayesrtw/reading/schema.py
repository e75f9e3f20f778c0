"""What a dataset.toml may say, and whether the files beside it keep to it."""

import hashlib
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from bayesrtw.bounded import bytes_of, toml_of
from bayesrtw.errors import EvidenceError, Fault, Faults, Whereabouts, shown
from bayesrtw.evidence.cells import SEPARATOR, Table, numbers
from bayesrtw.registry import decode, suggestion

#: CSV files of a data set folder that must be there, and that may be.
NEEDED_FILES: Final = ("studies.csv", "results.csv")
FILES: Final = (*NEEDED_FILES, "risk_of_bias.csv", "components.csv")


@dataclass(frozen=True, slots=True)
class SourceTable:
    """``[source]`` of a dataset.toml."""

    citation: str = ""
    doi: str = ""
    licence: str = ""
    retrieved: Any = ""
    known_disagreements: tuple[str, ...] = ()
    limits: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class OutcomeTable:
    """One ``[[outcome]]``."""

    name: str
    title: str
    benefit: Literal["higher", "lower"] | None = None
    unit: str = ""
    below: str = ""
    above: str = ""


@dataclass(frozen=True, slots=True)
class WordsTable:
    """``[words]``: what is studied and what it is held against, as sentences call them."""

    programme: str = "programme"
    comparison: str = "comparison"


@dataclass(frozen=True, slots=True)
class FieldTable:
    """One ``[[field]]``: a rule for a column."""

    file: str
    name: str
    type: Literal["string", "number", "integer"] = "string"
    title: str = ""
    unit: str = ""
    required: bool = False
    unique: bool = False
    minimum: float | None = None
    maximum: float | None = None
    enum: tuple[Any, ...] = ()
    words: tuple[Any, ...] = ()


@dataclass(frozen=True, slots=True)
class DependenceTable:
    """One ``[[dependence]]``."""

    kind: str = ""
    members: tuple[str, ...] = ()
    note: str = ""


@dataclass(frozen=True, slots=True)
class PartTable:
    """One ``[[part]]``: a part that an arm may have."""

    name: str
    title: str
    counts: str = ""


@dataclass(frozen=True, slots=True)
class CodingTable:
    """``[coding]``: who coded the parts of arms, when, seeing what, by which rules."""

    coder: str
    coded: Any
    blind: str = ""
    rules: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Description:
    """A dataset.toml, as the registry decodes it."""

    schema: int
    id: str
    version: int
    title: str
    source: SourceTable
    outcome: tuple[OutcomeTable, ...]
    caveat: str = ""
    sample: Literal["", "published"] = ""
    words: WordsTable = WordsTable()
    files: Mapping[str, str] = field(default_factory=dict)
    columns: Mapping[str, str] = field(default_factory=dict)
    field: tuple[FieldTable, ...] = ()
    dependence: tuple[DependenceTable, ...] = ()
    part: tuple[PartTable, ...] = ()
    coding: CodingTable | None = None


def check_keys(meta: Mapping[str, Any], where: str, faults: Faults) -> None:
    """Check names and types of the keys of a dataset.toml, table by table."""
    found = decode(Description, meta, where=where, faults=faults)
    check_schema(meta, where, faults)
    names = [each.name for each in found.outcome] if found is not None else []
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        what, place = f"outcomes {shown(twice)} stand twice", Whereabouts(where, column="outcome")
        faults.add(Fault(what, "", "leave one out", "not-well-formed", place))


def check_schema(meta: Mapping[str, Any], where: str, faults: Faults) -> None:
    """Check that a description is in the layout that this version reads."""
    if meta.get("schema", 1) != 1:
        what, place = f"schema is {meta['schema']!r}", Whereabouts(where, column="schema")
        faults.add(Fault(what, "", "this version reads schema 1", "not-well-formed", place))


def raw_bytes(path: Any, where: str) -> bytes:
    """Read a whole file."""
    try:
        return bytes_of(path)
    except OSError as error:
        found = f"cannot be read ({error.strerror})"
        fault = Fault(found, remedy="check the path", rule="unreadable", place=Whereabouts(where))
        raise EvidenceError(fault) from None


def parsed_toml(raw: bytes, where: str, faults: Faults) -> dict[str, Any]:
    """Parse a TOML file."""
    try:
        return toml_of(raw.decode("utf-8-sig"))
    except ValueError as error:
        faults.add(Fault(f"is not TOML: {error}", rule="unreadable", place=Whereabouts(where)))
        return {}


def check_hash(
    raw: bytes,
    file: str,
    meta: Mapping[str, Any],
    name: str,
    faults: Faults,
    *,
    described: str = "dataset.toml",
) -> None:
    """Hold a file against the SHA-256 that is declared for it."""
    declared = meta.get("files", {}).get(file)
    actual = hashlib.sha256(raw).hexdigest()
    if declared is not None and declared != actual:
        sealable = described == "dataset.toml"
        remedy = f", or run `bayesrtw check {name} --seal`" if sealable else ""
        faults.add(
            Fault(
                f"its SHA-256 is {actual}; {described} declares {declared}",
                "",
                "a change of rows is a new version: raise version and write the new hash" + remedy,
                "changed-file",
                Whereabouts(f"{name}/{file}"),
            )
        )


def check_fields(table: Table, file: str, meta: Mapping[str, Any], faults: Faults) -> None:
    """Hold a CSV file against the [[field]] entries of its dataset.toml."""
    fields = {f["name"]: f for f in meta.get("field", []) if f.get("file") == file}
    if not fields:
        return
    for name in table.columns:
        if name not in fields:
            what, hint = (
                f"column {name!r} is not declared in dataset.toml",
                suggestion(name, list(fields)),
            )
            faults.add(Fault(what, "", hint, "not-allowed", table.at(column=name)))
    for name, rule in fields.items():
        if name not in table.columns:
            what, remedy = f"column {name!r} is missing", "add it or its declaration"
            faults.add(Fault(what, "", remedy, "missing-column", table.at(column=name)))
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
    if "words" in rule:
        wrong += [(row, what) for row, cell in enumerate(cells) for what in _words(cell, rule)]
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
        found, place = f"{name}: found {cells[row]!r}", table.at(row, column=name)
        faults.add(Fault(found, "", what, "not-allowed", place, cells[row]))


def _words(cell: str, rule: Mapping[str, Any]) -> list[str]:
    """Say what is wrong with a cell that holds words of a list, separated by semicolons."""
    if not cell:
        return []
    allowed = [str(word) for word in rule["words"]]
    found = cell.split(SEPARATOR)
    wrong = [
        f"{word!r} is not a word of the list; {suggestion(word, allowed)}"
        for word in found
        if word not in allowed
    ]
    twice = sorted({word for word in found if found.count(word) > 1})
    return [*wrong, *(f"{word!r} stands twice; name it once" for word in twice)]
