"""Rows of any table on the scale of analysis, with how each was converted; faults with their places."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from bayesrtw.errors import Faults
from bayesrtw.evidence.cells import Table, duplicates, numbers
from bayesrtw.evidence.reported import NUMBERS, analysis_scale

#: Columns that hold words, even where every word happens to look like a number.
TEXT = frozenset(
    {
        "study",
        "label",
        "outcome",
        "measure",
        "reported",
        "reversed",
        "benefit",
        "design",
        "role",
        "stratum",
        "arm",
        "contrast",
        "comparison",
        "trial_family",
        "shared_control",
        "p_value",
        "result",
        "corrects",
        "withdrawn",
        "extracted_by",
        "signed_by",
    }
)


def converted(table: Table, faults: Faults) -> dict[str, NDArray[np.generic]]:
    """Convert every row of a results table; text columns stay text."""
    columns: dict[str, NDArray[np.generic]] = {}
    for name, cells in table.columns.items():
        if name in NUMBERS or (name not in TEXT and all_numbers(cells)):
            columns[name] = numbers(table, name, faults)
        else:
            columns[name] = np.array(cells, dtype=object)
    numeric = [name for name in columns if columns[name].dtype != object]
    texts = [name for name in columns if columns[name].dtype == object]
    effect, se = np.full(table.count, np.nan), np.full(table.count, np.nan)
    words = {name: np.full(table.count, "", dtype=object) for name in _OF_CONVERSION}
    waiting = _alike(columns, table.count)
    for rows in waiting:
        row = rows[0]
        found = analysis_scale(
            {name: str(columns[name][row]) for name in texts},
            {name: float(columns[name][row]) for name in numeric},
        )
        if found.faults and len(rows) > 1:
            waiting += [[each] for each in rows]
            continue
        for fault in found.faults:
            column = fault.place.column if fault.place.column in table.columns else ""
            value = table.columns[column][row] if column else fault.value
            faults.add(replace(fault, place=table.at(row, column=column), value=value))
        effect[rows] = columns["effect"][rows] if len(rows) > 1 else found.effect
        se[rows] = columns["se"][rows] if len(rows) > 1 else found.se
        said = (found.measure, found.conversion, "; ".join(found.notes), found.bound)
        for name, word in zip(_OF_CONVERSION, said, strict=True):
            words[name][rows] = word
    if "study" in columns:
        faults.extend(duplicates(columns, table.where, table.lines))
    if "se" in columns and "effect" not in columns:
        columns["se_printed"] = columns["se"]
    columns |= {"effect": effect, "se": se, **words}
    return columns


#: Columns that say how a row was converted.
_OF_CONVERSION: Final = ("measure", "conversion", "doubts", "bound")

#: What the conversion of an effect with its standard error looks at beside both.
_LOOKED_AT: Final = (frozenset(NUMBERS) - {"follow_up_months", "effect", "se"}) | {
    *("reported", "reversed", "p_value")
}


def _alike(columns: Mapping[str, NDArray[np.generic]], count: int) -> list[list[int]]:
    """Put rows together that are converted alike: plain effects of one measure, as they stand."""
    effect, se = columns.get("effect"), columns.get("se")
    if effect is None or se is None or columns.keys() & _LOOKED_AT:
        return [[row] for row in range(count)]
    sizes, errors = np.abs(effect.astype(float)), se.astype(float)
    # Well within the limits of every measure; what is not is looked at by itself.
    plain = (sizes < 10) & (errors > 1e-4) & (errors < 1e4)
    measures = columns.get("measure", np.full(count, "", dtype=object)).tolist()
    named = columns.get("study", np.full(count, "-", dtype=object)).tolist()
    together: dict[str, list[int]] = {}
    for row in np.flatnonzero(plain).tolist():
        if named[row]:
            together.setdefault(str(measures[row]), []).append(row)
    taken = {row for rows in together.values() for row in rows}
    return [*together.values(), *([row] for row in range(count) if row not in taken)]


def all_numbers(cells: Sequence[str]) -> bool:
    """Whether every cell that holds something is a decimal number."""
    try:
        return any(cells) and all(math.isfinite(float(cell)) for cell in cells if cell)
    except ValueError:
        return False
