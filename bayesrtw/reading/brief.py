"""Briefs: what somebody recommends or finds, claim by claim, and which rows speak to each component.

A brief is no evidence: its folder holds ``brief.toml`` and ``claims.csv``, and is never pooled.
"""

import hashlib
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from bayesrtw.errors import EvidenceError, Faults
from bayesrtw.evidence.cells import SEPARATOR, Table, numbers, read_table
from bayesrtw.evidence.table import Provenance
from bayesrtw.reading.read import Folder
from bayesrtw.reading.schema import check_hash, check_schema, parsed_toml, raw_bytes
from bayesrtw.registry import decode, suggestion

#: Name of the file that makes a folder a brief.
DESCRIBED: Final = "brief.toml"

KINDS: Final = ("recommendation", "finding")

#: What a claim says of return to work; empty where it says nothing of an effect.
DIRECTIONS: Final = ("benefit", "harm", "none", "mixed")

#: The four words of GRADE, and no others: Balshem et al. (2011), J Clin Epidemiol 64:401-406,
#: doi:10.1016/j.jclinepi.2010.07.015.
GRADE: Final = ("high", "moderate", "low", "very low")

#: Columns of ``claims.csv``.
COLUMNS: Final = (
    "claim",
    "kind",
    "component",
    "says",
    "studies",
    "direction",
    "certainty",
    "condition",
    "cited",
    "locator",
    "note",
)

#: Those without which a claim cannot be read.
NEEDED: Final = ("claim", "kind", "component", "says", "condition", "locator")


@dataclass(frozen=True, slots=True)
class _Source:
    """``[source]`` of a brief.toml."""

    citation: str
    licence: str
    retrieved: Any
    doi: str = ""
    known_disagreements: tuple[str, ...] = ()
    limits: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _ComponentTable:
    """One ``[[component]]``."""

    name: str
    title: str
    where: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    silent: str = ""
    parts: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Condition:
    """One ``[[condition]]``."""

    name: str
    members: tuple[str, ...]
    reason: str = ""


@dataclass(frozen=True, slots=True)
class _Description:
    """A brief.toml, as the registry decodes it."""

    schema: int
    id: str
    version: int
    title: str
    caveat: str
    source: _Source
    component: tuple[_ComponentTable, ...]
    condition: tuple[_Condition, ...]
    files: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Component:
    """A component of programmes, and which studies have it."""

    #: name, title: id in ``claims.csv``, and heading.
    name: str
    title: str
    #: Column of the evidence to the values that mean that a study has it.
    where: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    silent: str = ""  #: Why no evidence can speak about it; then `where` is empty.
    #: Parts of programmes, as a data set codes them, that it is together: analyses of parts are asked what
    #: these add. None where it is no part, such as having several.
    parts: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Claim:
    """One recommendation or finding.

    Attributes
    ----------
    name
        Id.
    kind
        ``"recommendation"`` or ``"finding"``.
    component
        What it is about, a name of `Brief.components`.
    says
        The claim, in the data set's words.
    studies
        Studies of the review that is cited; None if not printed.
    direction
        One of `DIRECTIONS`, or empty.
    certainty
        One of `GRADE`, or empty where the brief gives none.
    condition
        Words of the brief for the health conditions meant, names of `Brief.conditions`.
    cited, locator, note
        The review cited, where the claim stands, and what a user must know.
    """

    name: str
    kind: str
    component: str
    says: str
    studies: int | None
    direction: str
    certainty: str
    condition: tuple[str, ...]
    cited: str
    locator: str
    note: str


@dataclass(frozen=True, slots=True)
class Brief:
    """What a brief claims.

    Attributes
    ----------
    claims
        In the order of the file.
    components
        Name to component.
    conditions
        Word of the brief to the values of column ``condition`` that it means; none means every one.
    provenance
        Where it comes from.
    """

    claims: tuple[Claim, ...]
    components: Mapping[str, Component]
    conditions: Mapping[str, tuple[str, ...]]
    provenance: Provenance

    def of_kind(self, kind: str) -> tuple[Claim, ...]:
        """Give the claims of one kind.

        Parameters
        ----------
        kind
            One of `KINDS`.

        Returns
        -------
        tuple of Claim
            In the order of the file.
        """
        return tuple(claim for claim in self.claims if claim.kind == kind)

    def meant(self, claim: Claim) -> tuple[str, ...]:
        """Say which conditions of the evidence a claim is about.

        Parameters
        ----------
        claim
            A claim of this brief.

        Returns
        -------
        tuple of str
            Values of column ``condition``; empty if the claim is about every condition.
        """
        lists = [self.conditions[word] for word in claim.condition]
        return () if not all(lists) else tuple(dict.fromkeys(word for it in lists for word in it))


def read_brief(folder: Folder) -> Brief:
    """Read a brief: ``brief.toml`` and ``claims.csv``."""
    faults = Faults(EvidenceError)
    where = f"{folder.name}/{DESCRIBED}"
    described = raw_bytes(folder.joinpath(DESCRIBED), where)
    meta = parsed_toml(described, where, faults)
    faults.raise_if_any()
    found = decode(_Description, meta, where=where, faults=faults)
    check_schema(meta, where, faults)
    if meta.get("id", folder.name) != folder.name:
        faults.add(
            f"{where}: id is {meta['id']!r}; the folder is called {folder.name!r}; make them equal."
        )
    if found is None:
        faults.stop()
    for section in ("component", "condition"):
        names = [each.name for each in getattr(found, section)]
        for name in sorted({name for name in names if names.count(name) > 1}):
            faults.add(f"{where}: {section} {name!r} stands twice; leave one out.")
    faults.raise_if_any()
    components = _components(found, where, faults)
    conditions = {each.name: each.members for each in found.condition}
    raw = raw_bytes(folder.joinpath("claims.csv"), f"{folder.name}/claims.csv")
    check_hash(raw, "claims.csv", meta, folder.name, faults, described=DESCRIBED)
    table = read_table(raw, f"{folder.name}/claims.csv", faults)
    claims = _claims(table, tuple(components), tuple(conditions), faults)
    faults.raise_if_any()
    return Brief(
        claims=claims,
        components=components,
        conditions=conditions,
        provenance=_provenance(meta, hashlib.sha256(described + raw).hexdigest()),
    )


def _components(described: _Description, where: str, faults: Faults) -> dict[str, Component]:
    """Read which rows speak to each component, or why none does."""
    found = {}
    for each in described.component:
        name, rows = each.name, each.where
        if bool(rows) == bool(each.silent):
            faults.add(
                f"{where}: component {name!r} has {'both' if rows else 'neither'} where and silent; say "
                "in where which studies have it, or in silent why no evidence can speak about it."
            )
        elif not all(rows.values()):
            faults.add(
                f"{where}: component {name!r}: where must name columns with lists of words; found "
                f"{dict(rows)!r}."
            )
        else:
            found[name] = Component(name, each.title, rows, each.silent, each.parts)
    return found


def _claims(
    table: Table, components: tuple[str, ...], conditions: tuple[str, ...], faults: Faults
) -> tuple[Claim, ...]:
    """Read the rows of claims.csv."""
    for name in table.columns:
        if name not in COLUMNS:
            faults.add(f"{table.where}: column {name!r} is not known; {suggestion(name, COLUMNS)}")
    for name in COLUMNS:
        if name not in table.columns:
            hint = suggestion(name, list(table.columns)) if table.columns else "give a header row."
            faults.add(f"{table.where}: column {name!r} is missing; {hint}")
    faults.raise_if_any()
    counts = numbers(table, "studies", faults)
    seen: dict[str, int] = {}
    found = []
    for place, line in enumerate(table.lines):
        row = {name: table.columns[name][place] for name in COLUMNS}
        words = tuple(word.strip() for word in row["condition"].split(SEPARATOR) if word.strip())
        for column in NEEDED:
            if not row[column]:
                faults.add(f"{table.where}: {column} is empty in row {line}; write it.")
        for column, allowed in (
            ("kind", KINDS),
            ("component", components),
            ("direction", DIRECTIONS),
            ("certainty", GRADE),
        ):
            if row[column] and row[column] not in allowed:
                faults.add(
                    f"{table.where}: {column} is {row[column]!r} in row {line}; "
                    f"{suggestion(row[column], allowed)}{_EMPTY.get(column, '')}"
                )
        for word in words:
            if word not in conditions:
                faults.add(
                    f"{table.where}: condition {word!r} in row {line} has no [[condition]] in "
                    f"{DESCRIBED}; {suggestion(word, conditions)}"
                )
        count = float(counts[place])
        if count < 0 or (not math.isnan(count) and count != round(count)):
            faults.add(
                f"{table.where}: studies is {row['studies']!r} in row {line}; write a whole number, or "
                "leave the cell empty."
            )
        if row["claim"] in seen:
            faults.add(
                f"{table.where}: claim {row['claim']!r} in row {line} stands in row "
                f"{seen[row['claim']]} already; a claim has one row."
            )
        seen.setdefault(row["claim"], line)
        found.append((row, words, count))
    faults.raise_if_any()
    return tuple(
        Claim(
            name=row["claim"],
            kind=row["kind"],
            component=row["component"],
            says=row["says"],
            studies=None if math.isnan(count) else int(count),
            direction=row["direction"],
            certainty=row["certainty"],
            condition=words,
            cited=row["cited"],
            locator=row["locator"],
            note=row["note"],
        )
        for row, words, count in found
    )


#: What to do about a word that is not allowed, beyond the choices.
_EMPTY: Final = {
    "certainty": " Leave it empty where no certainty by GRADE is given.",
    "direction": " Leave it empty where no effect is claimed.",
}


def _provenance(meta: Mapping[str, Any], sha256: str) -> Provenance:
    source = meta["source"]
    return Provenance(
        dataset=meta["id"],
        version=meta["version"],
        sha256=sha256,
        title=meta["title"],
        citation=source["citation"],
        doi=source.get("doi", ""),
        licence=source["licence"],
        retrieved=str(source["retrieved"]),
        caveat=meta["caveat"],
        disagreements=tuple(source.get("known_disagreements", ())),
        limits=tuple(source.get("limits", ())),
    )
