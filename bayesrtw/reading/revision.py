"""Rows that a later row or a person sets aside: corrected, withdrawn, or not signed yet.

Data sets are append-only. A correction is a new row that names the one it replaces; a withdrawn study or
result keeps its row; what a machine extracted waits until a person has signed it. Such rows stay in the
evidence, marked in the column ``quarantined``, and no analysis pools them.
"""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from bayesrtw.errors import Fault, Faults, Whereabouts, shown

#: Optional columns of results (``withdrawn`` also of studies) that this module reads.
COLUMNS = ("corrects", "withdrawn", "extracted_by", "signed_by")

#: Who extracted a row begins with this word where it was no person.
MACHINE = "machine"

#: Why a row is not used, in the words of findings.
CORRECTED, UNSIGNED = "corrected by row", "extracted by a machine and signed by nobody"


def mark(
    columns: Mapping[str, NDArray[np.generic]], where: str, lines: Sequence[int], faults: Faults
) -> dict[str, NDArray[np.generic]]:
    """Mark the rows that are set aside."""
    if not any(name in columns for name in COLUMNS):
        return {}
    count = len(lines)

    def text(name: str) -> list[str]:
        if name not in columns:
            return [""] * count
        values = (str(value) for value in columns[name])
        return ["" if value == "nan" else value.strip() for value in values]

    causes = text("quarantined")
    names, corrects = text("result"), text("corrects")
    if any(corrects):
        _check_corrections(names, corrects, where, lines, faults)
        by = {
            target: names[row] or f"line {lines[row]}"
            for row, target in enumerate(corrects)
            if target
        }
        causes = [
            cause or (f"{CORRECTED} {by[name]!r}" if name in by else "")
            for cause, name in zip(causes, names, strict=True)
        ]
    causes = [
        cause or (f"withdrawn: {said}" if said else "")
        for cause, said in zip(causes, text("withdrawn"), strict=True)
    ]
    signed = text("signed_by")
    for row, who in enumerate(text("extracted_by")):
        if signed[row].lower().startswith(MACHINE):
            faults.add(
                Fault(
                    f"signed_by is {signed[row]!r}",
                    remedy="a person signs: name one, or leave the cell empty",
                    rule="signed-by-machine",
                    place=Whereabouts(where, (lines[row],), column="signed_by"),
                    value=signed[row],
                )
            )
        if who.lower().startswith(MACHINE) and not signed[row]:
            causes[row] = causes[row] or f"{UNSIGNED} ({who})"
    return {"quarantined": np.array(causes, dtype=object)} if any(causes) else {}


def _check_corrections(
    names: Sequence[str], corrects: Sequence[str], where: str, lines: Sequence[int], faults: Faults
) -> None:
    seen: dict[str, int] = {}
    for row, target in enumerate(corrects):
        if not target:
            continue
        rows: tuple[int, ...] = (lines[row],)
        what = remedy = ""
        if target == names[row]:
            what, remedy = "corrects itself", "name the row that it replaces"
        elif target not in names:
            known = shown(name for name in names if name)
            what, remedy = f"corrects is {target!r}", f"no row has that result; found {known}"
        elif target in seen:
            rows = (seen[target], lines[row])
            what = f"both correct {target!r}"
            remedy = "a row is corrected once: let the later one correct the earlier"
        if what:
            place = Whereabouts(where, rows, column="corrects")
            faults.add(
                Fault(what, remedy=remedy, rule="not-a-correction", place=place, value=target)
            )
        seen.setdefault(target, lines[row])
