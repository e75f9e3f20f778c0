"""What a dataset.toml may say, and whether the files beside it keep to it."""

import hashlib
import math
import tomllib
from collections.abc import Mapping
from typing import Any, Final

from bayesrtw.errors import EvidenceError, Fault, Faults, Place, shown
from bayesrtw.evidence.cells import SEPARATOR, Table, numbers
from bayesrtw.registry import suggestion

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
        "words",
    },
    "dependence": {"kind", "members", "note"},
}

#: What the keys of a dataset.toml hold, in words and as types.
_TOML_TYPES: Final[dict[str, tuple[str, type | tuple[type, ...]]]] = {
    "schema": ("a whole number", int),
    "id": ("text", str),
    "version": ("a whole number", int),
    "title": ("text", str),
    "caveat": ("text", str),
    "source": ("a table [source]", dict),
    "files": ("a table [files]", dict),
    "outcome": ("a list of tables [[outcome]]", list),
    "field": ("a list of tables [[field]]", list),
    "dependence": ("a list of tables [[dependence]]", list),
    "known_disagreements": ("a list of sentences", list),
    "limits": ("a list of sentences", list),
    "citation": ("text", str),
    "doi": ("text", str),
    "licence": ("text", str),
    "name": ("text", str),
    "benefit": ("higher or lower", str),
    "unit": ("text", str),
    "file": ("text", str),
    "type": ("text", str),
    "required": ("true or false", bool),
    "unique": ("true or false", bool),
    "minimum": ("a number", (int, float)),
    "maximum": ("a number", (int, float)),
    "enum": ("a list of words", list),
    "words": ("a list of words", list),
    "kind": ("text", str),
    "members": ("a list of words", list),
    "note": ("text", str),
}


def check_keys(meta: Mapping[str, Any], where: str, faults: Faults) -> None:
    """Check names and types of the keys of a dataset.toml, table by table.

    Parameters
    ----------
    meta
        The parsed file.
    where
        How messages call it.
    faults
        Collector of faults.
    """
    for key in ("schema", "id", "version", "title", "source", "outcome"):
        if key not in meta:
            faults.add(_key(where, key, "is missing", "add it"))
    _check_table(meta, "", where, faults)
    if meta.get("schema", 1) != 1:
        faults.add(_key(where, "schema", f"is {meta['schema']!r}", "this version reads schema 1"))
    tables = [("source", meta.get("source"))]
    for section in ("outcome", "field", "dependence"):
        listed = meta.get(section, [])
        tables += [
            (f"{section}[{place}]", table)
            for place, table in enumerate(listed if isinstance(listed, list) else [])
        ]
    for name, table in tables:
        if isinstance(table, dict):
            _check_table(table, name, where, faults)
        elif table is not None and name != "source":
            faults.add(_key(where, name, "must be a table", f"found {table!r}"))
    if faults:
        return
    for place, table in enumerate(meta["outcome"]):
        if "name" not in table or "title" not in table:
            faults.add(_key(where, f"outcome[{place}]", "needs a name and a title", "add them"))
        if table.get("benefit") not in ("higher", "lower"):
            name, found = f"outcome[{place}].benefit", f"is {table.get('benefit')!r}"
            faults.add(_key(where, name, found, "Choices: higher, lower"))
    names = [table.get("name") for table in meta["outcome"]]
    twice = sorted({str(name) for name in names if names.count(name) > 1})
    if twice:
        faults.add(_key(where, "outcomes", f"{shown(twice)} stand twice", "leave one out"))
    for place, table in enumerate(meta.get("field", [])):
        if "name" not in table or "file" not in table:
            faults.add(_key(where, f"field[{place}]", "needs a file and a name", "add them"))
        if table.get("type", "string") not in _TYPES:
            hint = suggestion(str(table["type"]), list(_TYPES))
            faults.add(_key(where, f"field[{place}].type", f"is {table['type']!r}", hint))


def _key(where: str, name: str, found: str, remedy: str) -> Fault:
    """Fault of a key in a description."""
    return Fault(f"{name} {found}", "", remedy, "not-well-formed", Place(where, column=name))


def _check_table(table: Mapping[str, Any], name: str, where: str, faults: Faults) -> None:
    known = _TOML_KEYS[name.split("[", maxsplit=1)[0]]
    prefix = f"{name}." if name else ""
    for key, value in table.items():
        if key not in known:
            faults.add(_key(where, f"{prefix}{key}", "is not known", suggestion(key, list(known))))
        elif key in _TOML_TYPES:
            words, kind = _TOML_TYPES[key]
            if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
                faults.add(_key(where, f"{prefix}{key}", f"must be {words}", f"found {value!r}"))


def raw_bytes(path: Any, where: str) -> bytes:
    """Read a whole file.

    Parameters
    ----------
    path
        A path or a packaged resource.
    where
        How messages call it.

    Returns
    -------
    bytes
        What it holds.

    Raises
    ------
    EvidenceError
        If it cannot be read.
    """
    try:
        return bytes(path.read_bytes())
    except OSError as error:
        found = f"cannot be read ({error.strerror})"
        fault = Fault(found, remedy="check the path", rule="unreadable", place=Place(where))
        raise EvidenceError(fault) from None


def parsed_toml(raw: bytes, where: str, faults: Faults) -> dict[str, Any]:
    """Parse a TOML file.

    Parameters
    ----------
    raw
        The file's bytes.
    where
        How messages call it.
    faults
        Collector of faults.

    Returns
    -------
    dict
        The parsed file; empty if it is not TOML.
    """
    try:
        return tomllib.loads(raw.decode("utf-8-sig"))
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        faults.add(Fault(f"is not TOML: {error}", rule="unreadable", place=Place(where)))
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
    """Hold a file against the SHA-256 that is declared for it.

    Parameters
    ----------
    raw
        The file's bytes.
    file
        Its name.
    meta
        The parsed description beside it; without an entry for the file nothing is checked.
    name
        Name of the folder, for messages.
    faults
        Collector of faults.
    described
        File that declares it.
    """
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
                Place(f"{name}/{file}"),
            )
        )


def check_fields(table: Table, file: str, meta: Mapping[str, Any], faults: Faults) -> None:
    """Hold a CSV file against the [[field]] entries of its dataset.toml.

    Parameters
    ----------
    table
        The file's cells.
    file
        Its name.
    meta
        The parsed dataset.toml; without entries for the file nothing is checked.
    faults
        Collector of faults.
    """
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
