"""Cells of known columns as this package writes them: designs, p values, counts."""

import math
import re
from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from bayesrtw.reading.headings import meanings, with_stem

#: Columns that count.
_COUNTED: Final = frozenset({"events", "non_events", "n"})

#: A whole number whose thousands are parted by a point.
_PARTED: Final = re.compile(r"[1-9]\d{0,2}(?:\.\d{3})+")

#: Designs by their names in this package.
_DESIGNS: Final = frozenset(
    {"rct", "cluster_rct", "crossover_rct", "cluster_crossover_rct", "non_randomised", "cohort"}
)

#: A length of time, perhaps with its unit.
_LENGTH: Final = re.compile(r"(\d+(?:\.\d+)?)\s*([^\W\d_]*)\.?")

_NOT_RANDOM: Final = re.compile(r"non ?random|quasi|observational|case control|before (and )?after")
_COHORT: Final = re.compile(r"cohort|kohort|coort")
_RANDOM: Final = re.compile(r"\brandomi[sz]ed|\bc?rcts?\b|\beca\b|\becr\b|\brandomisiert")


def _design(cell: str) -> str:
    """Give the name of a design in this package; a cell that may be of two, or of none, as it is."""
    text = re.sub(r"[\W_]+", " ", cell.casefold()).strip()
    other, cohort = _NOT_RANDOM.search(text), _COHORT.search(text)
    random = _RANDOM.search(text) and not re.search(r"non ?random", text)
    if bool(random) == bool(other or cohort):
        return cell
    if not random:
        return "cohort" if cohort and not other else "non_randomised"
    cluster = "cluster_" if "cluster" in text or "crct" in text else ""
    return f"{cluster}crossover_rct" if re.search(r"cross ?over", text) else f"{cluster}rct"


def are_designs(cells: Sequence[str]) -> bool:
    """Say whether every cell names a design, so that no study is taken for a trial by its silence."""
    return all(_design(cell) in _DESIGNS for cell in cells)


def no_designs(columns: Mapping[str, Sequence[str]], roles: Mapping[str, str]) -> list[str]:
    """Say of a column of designs why it is not taken as one."""
    for heading, cells in columns.items():
        odd = [cell for cell in cells if _design(cell) not in _DESIGNS]
        if "design" in roles or not odd or len(odd) == len(cells):
            continue
        if any(word.role == "design" for word in meanings(heading, "text")):
            found = repr(odd[0]) if odd[0] else "an empty cell"
            return [
                f"{heading!r} is not taken as design: {found} is none of {', '.join(sorted(_DESIGNS))}"
            ]
    return []


def logarithm(cell: str) -> str:
    """Write the logarithm of a number; what has none stays as it is, so that it is named."""
    try:
        return repr(math.log(float(cell))) if cell else ""
    except ValueError:
        return cell


def _in_months(heading: str, cells: Sequence[str]) -> list[str] | None:
    """Write lengths of follow-up in months, ``26`` under weeks or ``6 months``; None where a cell is none."""
    stems = [stem for _, stem in with_stem(heading, "time")]
    if not stems:
        return None
    words = [part for part in min(stems, key=len) if part not in ("in", "of", "at")]
    units = meanings("".join(words), "unit")
    if words and not units:
        return None
    months = []
    for cell in cells:
        found = _LENGTH.fullmatch(cell.replace(",", "."))
        own = meanings(found[2], "unit") if found else ()
        if cell and not (found and (own or (units and not found[2]))):
            return None
        months.append(f"{float(found[1]) * float((own or units)[0].implies):.6g}" if found else "")
    return months if any(months) else None


def times_of(
    columns: Mapping[str, list[str]], roles: Mapping[str, str]
) -> tuple[dict[str, list[str]], dict[str, str]]:
    """Find the one column of lengths of follow-up, and write it in months."""
    found = {
        heading: months
        for heading, cells in columns.items()
        if heading not in roles.values() and (months := _in_months(heading, cells)) is not None
    }
    if "follow_up_months" in roles or len(found) != 1:
        return dict(columns), {}
    return {**columns, **found}, {"follow_up_months": next(iter(found))}


def cleaned(role: str, cells: Sequence[str]) -> list[str]:
    """Write designs by their names here, and p values without their letter, with a point as decimal mark."""
    if role == "design":
        return [_design(cell) for cell in cells]
    if role == "ci_level" and (floats(cells) > 1).any():  # 95 of 95 %
        return [
            f"{float(v) / 100:g}" if v > 1 else c for c, v in zip(cells, floats(cells), strict=True)
        ]
    if role != "p_value":
        return list(cells)
    plain = [cell.lstrip("pP ").removeprefix("-value").lstrip(" ") for cell in cells]
    return [re.sub(r",(?=\d)", ".", cell) for cell in plain]


def counted(columns: dict[str, list[str]], roles: Mapping[str, str]) -> list[str]:
    """Write counts whose points can only part thousands without them, and say so."""
    said = []
    for role, heading in roles.items():
        cells = columns.get(heading, [])
        marked = [cell for cell in cells if _PARTED.fullmatch(cell)]
        if not marked or role.removesuffix("_t").removesuffix("_c") not in _COUNTED:
            continue
        whole = any(map(str.isdigit, cells))
        if whole and all(cell.isdigit() or _PARTED.fullmatch(cell) for cell in cells if cell):
            columns[heading] = [cell.replace(".", "") for cell in cells]
            said.append(f"{marked[0]!r} of {heading!r} is {marked[0].replace('.', '')}")
    return said


def floats(cells: Sequence[str]) -> NDArray[np.float64]:
    """Read cells as numbers, shape (row,); those that are none are nan."""
    values = np.full(len(cells), math.nan)
    for row, cell in enumerate(cells):
        try:
            values[row] = float(cell) if cell else math.nan
        except ValueError:
            continue
    return values


def people_of_counts(made: dict[str, list[str]]) -> None:
    """Give rows with counts their own people, where the column of people is that of means."""
    for end in ("t", "c"):
        both = zip(
            floats(made[f"events_{end}"]),
            floats(made[f"non_events_{end}"]),
            made[f"n_{end}"],
            strict=True,
        )
        made[f"n_{end}"] = [repr(float(a + b)) if math.isfinite(a + b) else n for a, b, n in both]
