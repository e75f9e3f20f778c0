"""Parts of what arms received, as somebody coded them from what sources say: yes, no, or unclear.

Silence is no answer: a part that no statement names is unclear, never absent. Which grounds a code may
have is written down in the data set, beside who coded and when.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, Final

from bayesrtw.errors import Fault, Faults, shown
from bayesrtw.evidence.cells import SEPARATOR, Table
from bayesrtw.registry import meant, suggestion

#: Arm of a comparison to the ending of its columns.
ARMS: Final[Mapping[str, str]] = {"experimental": "_t", "control": "_c"}
YES: Final = "yes"
UNCLEAR: Final = "unclear"
CODES: Final = (YES, "no", UNCLEAR)

#: What stands between the parts in a cell of evidence, and for an arm in which none is known.
PLUS: Final = " + "
NOTHING: Final = "none"

#: Ending of the column with what is unclear, beside that of the parts that an arm has.
UNCLEAR_COLUMN: Final = "_unclear"

#: Columns of a file of codes that must not be empty; `contrast` may be, for all of a study.
_FILLED: Final = ("study", "arm", "code", "parts", "where", "words")


@dataclass(frozen=True, slots=True)
class Part:
    """A part that an arm may have."""

    #: name, title: as codes and columns call it, and a heading.
    name: str
    title: str
    counts: str = ""  #: What counts as having it.


@dataclass(frozen=True, slots=True)
class Statement:
    """What one place of a source says of parts of an arm."""

    #: study, contrast, arm: whose arm; an empty contrast means every one of the study.
    study: str
    contrast: str
    arm: str
    code: str  #: ``"yes"``, ``"no"``, or ``"unclear"`` where a place was read that leaves it open.
    parts: tuple[str, ...]  #: Names of the parts.
    #: where, words: the place, and what it says, in the coder's own words.
    where: str
    words: str


@dataclass(frozen=True, slots=True)
class Coding:
    """The parts of the arms of a data set.

    Examples
    --------
    >>> said = Statement("hart1977", "", "experimental", "yes", ("exercise",), "abstract", "training")
    >>> coding = Coding((Part("exercise", "Exercise"), Part("advice", "Advice")), statements=(said,))
    >>> coding.of("hart1977", "", "experimental")
    {'exercise': 'yes', 'advice': 'unclear'}
    """

    parts: tuple[Part, ...] = ()  #: Those that were looked for.
    #: coder, coded: who coded, and on which day.
    coder: str = ""
    coded: str = ""
    blind: str = ""  #: What the coder did not see, and saw.
    rules: tuple[str, ...] = ()  #: How codes were given.
    statements: tuple[Statement, ...] = ()  #: In the order of the file.

    def said(self, study: str, contrast: str, arm: str) -> tuple[Statement, ...]:
        """Give what is said of an arm."""
        return tuple(
            each
            for each in self.statements
            if (each.study, each.arm) == (study, arm) and each.contrast in ("", contrast)
        )

    def of(self, study: str, contrast: str, arm: str) -> dict[str, str]:
        """Give the code of every part of an arm."""
        codes = {part.name: UNCLEAR for part in self.parts}
        for each in self.said(study, contrast, arm):
            codes |= dict.fromkeys(each.parts, each.code)
        return codes

    def columns(self, studies: Sequence[str], contrasts: Sequence[str]) -> dict[str, list[str]]:
        """Write the parts of both arms of some comparisons as cells.

        Parameters
        ----------
        studies, contrasts
            One a row.

        Returns
        -------
        dict
            ``parts_t`` and ``parts_c``, the parts of the two arms, ``"coordination + exercise"``, and
            ``"none"`` without any; ``parts_t_unclear`` and ``parts_c_unclear``, those that the sources
            leave open; ``parts_open``, those open for one arm alone, so that the difference is not known.
            Empty if nothing was coded.
        """
        if not self.parts:
            return {}
        rows = list(zip(studies, contrasts, strict=True))
        own = {
            study: replace(self, statements=tuple(said)) for study, said in self._by_study().items()
        }
        silent = replace(self, statements=())
        codes = {
            arm: {row: own.get(row[0], silent).of(*row, arm) for row in dict.fromkeys(rows)}
            for arm in ARMS
        }
        found = {}
        for arm, end in ARMS.items():
            found[f"parts{end}"] = [_cell(codes[arm][row], YES) for row in rows]
            found[f"parts{end}{UNCLEAR_COLUMN}"] = [_cell(codes[arm][row], UNCLEAR) for row in rows]
        one, other = (codes[arm] for arm in ARMS)
        found["parts_open"] = [
            _joined(
                part
                for part, code in one[row].items()
                if (code == UNCLEAR) != (other[row][part] == UNCLEAR)
            )
            for row in rows
        ]
        return found

    def joined(self, other: "Coding") -> "Coding":
        """Give the codes of both, under the rules of the first that has any."""
        own = self if self.parts else other
        parts = tuple(dict.fromkeys((*self.parts, *other.parts)))
        return replace(own, parts=parts, statements=(*self.statements, *other.statements))

    def _by_study(self) -> dict[str, list[Statement]]:
        """Group what is said by study."""
        found: dict[str, list[Statement]] = {}
        for each in self.statements:
            found.setdefault(each.study, []).append(each)
        return found


def _cell(codes: Mapping[str, str], code: str) -> str:
    return _joined(part for part, each in codes.items() if each == code)


def _joined(parts: Iterable[str]) -> str:
    return PLUS.join(parts) or NOTHING


def read_coding(
    table: Table, described: Mapping[str, Any], contrasts: Mapping[str, set[str]], faults: Faults
) -> Coding:
    """Read ``components.csv`` and hold it against the parts that a description declares."""
    coding = described.get("coding", {})
    parts = tuple(Part(**part) for part in described.get("part", []))
    absent = [each.name for each in fields(Statement) if each.name not in table.columns]
    for name in absent:
        what, hint = f"column {name!r} is missing", suggestion(name, list(table.columns))
        faults.add(Fault(what, "", hint, "missing-column", table.at(column=name), name))
    if not parts:
        what, remedy = "no part is declared", "declare each as [[part]] in dataset.toml"
        faults.add(Fault(what, "", remedy, "not-allowed", table.at(column="parts")))
    if absent or not parts:
        return Coding()
    names = [part.name for part in parts]
    statements: list[Statement] = []
    first: dict[tuple[str, ...], int] = {}
    for row, line in enumerate(table.lines):
        cells = {each.name: table.columns[each.name][row] for each in fields(Statement)}
        listed = tuple(part.strip() for part in cells["parts"].split(SEPARATOR) if part.strip())
        study, contrast, arm = (cells[name] for name in ("study", "contrast", "arm"))
        said = Statement(
            study, contrast, arm, cells["code"], listed, cells["where"], cells["words"]
        )
        for column, rule, remedy in _wrong(said, cells, names, contrasts):
            found, place = f"{column} is {cells[column]!r}", table.at(row, column=column)
            faults.add(Fault(found, "", remedy, rule, place, cells[column]))
        held = [contrast] if contrast else ["", *sorted(contrasts.get(study, ()))]
        for part in listed:
            earlier = {first.setdefault((study, each, arm, part), line) for each in held} - {line}
            if earlier or listed.count(part) > 1:
                what = f"codes {part!r} of this arm, as row {min(earlier, default=line)} does"
                place = table.at(row, column="parts")
                faults.add(
                    Fault(what, "", "code a part of an arm once", "coded-twice", place, part)
                )
        statements.append(replace(said, parts=tuple(part for part in listed if part in names)))
    return Coding(
        parts,
        coding.get("coder", ""),
        str(coding.get("coded", "")),
        coding.get("blind", ""),
        tuple(coding.get("rules", ())),
        tuple(statements),
    )


def _wrong(
    said: Statement,
    cells: Mapping[str, str],
    names: list[str],
    contrasts: Mapping[str, set[str]],
) -> list[tuple[str, str, str]]:
    """Say what is wrong with a statement: the column, the rule, and what to do."""
    found = [
        (column, "not-allowed", "must not be empty: a code says where it was read, and what was")
        for column in _FILLED
        if not cells[column]
    ]
    if said.study and said.study not in contrasts:
        hint = meant(said.study, list(contrasts)) or "add the study there, or correct the name"
        found.append(("study", "unknown-study", f"it is not in studies.csv; {hint}"))
    elif said.contrast and said.contrast not in contrasts.get(said.study, ()):
        known = sorted(contrasts[said.study]) or ["none, as it has no result"]
        remedy = f"the results of {said.study!r} have {shown(known)}"
        found.append(("contrast", "not-allowed", remedy))
    for column, allowed in (("arm", list(ARMS)), ("code", list(CODES))):
        if cells[column] and cells[column] not in allowed:
            found.append((column, "not-allowed", suggestion(cells[column], allowed)))
    unknown = [part for part in said.parts if part not in names]
    found += [("parts", "not-allowed", suggestion(part, names)) for part in unknown]
    return found
