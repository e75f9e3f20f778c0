"""Rows of any table on the scale of analysis, with how each was converted; faults with their places."""

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from bayesrtw.errors import Faults
from bayesrtw.evidence.alike import alike
from bayesrtw.evidence.cells import Table, duplicates, numbers
from bayesrtw.evidence.reported import NUMBERS, OnScale, analysis_scale

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
    left = np.ones(table.count, dtype=bool)
    for group in alike(columns, table.count):
        effect[group.rows], se[group.rows], left[group.rows] = group.effect, group.se, False
        for name, word in zip(_OF_CONVERSION, _said(group.first), strict=True):
            words[name][group.rows] = word
    for row in np.flatnonzero(left).tolist():
        found = analysis_scale(
            {name: str(columns[name][row]) for name in texts},
            {name: float(columns[name][row]) for name in numeric},
        )
        for fault in found.faults:
            column = fault.place.column if fault.place.column in table.columns else ""
            value = table.columns[column][row] if column else fault.value
            faults.add(replace(fault, place=table.at(row, column=column), value=value))
        effect[row], se[row] = found.effect, found.se
        for name, word in zip(_OF_CONVERSION, _said(found), strict=True):
            words[name][row] = word
    if "study" in columns:
        faults.extend(duplicates(columns, table.where, table.lines))
    if "se" in columns and "effect" not in columns:
        columns["se_printed"] = columns["se"]
    columns |= {"effect": effect, "se": se, **words}
    return columns


#: Columns that say how a row was converted.
_OF_CONVERSION: Final = ("measure", "conversion", "doubts", "bound")


def _said(found: OnScale) -> tuple[str, str, str, str]:
    return found.measure, found.conversion, "; ".join(found.notes), found.bound


def all_numbers(cells: Sequence[str]) -> bool:
    """Whether every cell that holds something is a decimal number."""
    try:
        return any(cells) and all(math.isfinite(float(cell)) for cell in cells if cell)
    except ValueError:
        return False
