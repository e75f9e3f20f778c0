"""The people behind rows: how many a row prints, and how many there are by design, each study once."""

import math
from collections.abc import Mapping
from typing import Any, Final

from bayesrtw.evidence.table import Evidence

#: Columns that count everybody in both groups.
_WITH_AND_WITHOUT: Final = ("events_t", "non_events_t", "events_c", "non_events_c")


def participants(evidence: Evidence) -> dict[str, Any]:
    """Count the people behind rows, each study once."""
    columns = {str(name): values.to_numpy() for name, values in evidence.data.data_vars.items()}
    of: dict[str, dict[str, float]] = {}
    estimates: dict[str, int] = {}
    for place in range(evidence.size):
        design = str(columns["design"][place]) if "design" in columns else ""
        name = design or "not given"
        estimates[name] = estimates.get(name, 0) + 1
        whole = number_in(columns["n"][place]) if "n" in columns else None
        people = whole if whole is not None else people_of(columns, place)
        study = str(columns["study"][place])
        own = of.setdefault(name, {})
        own[study] = max(own.get(study, 0.0), people or 0.0)
    table = {
        design: {
            "estimates": estimates[design],
            "studies": len(own),
            "known": int(sum(own.values())),
            "studies_without": sum(1 for people in own.values() if people == 0),
        }
        for design, own in sorted(of.items())
    }
    return {
        "known": sum(each["known"] for each in table.values()),
        "studies_without": sum(each["studies_without"] for each in table.values()),
        "designs": table,
    }


def number_in(value: Any) -> float | None:
    """Read a cell as a number."""
    try:
        number = float(value)
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def people_of(columns: Mapping[str, Any], place: int) -> float | None:
    """Give the people in the two groups of a row."""

    def known(*names: str) -> float | None:
        cells = [number_in(columns[name][place]) for name in names if name in columns]
        numbers = [cell for cell in cells if cell is not None]
        return sum(numbers) if len(numbers) == len(names) else None

    people = known("n_t", "n_c")
    return people if people is not None else known(*_WITH_AND_WITHOUT)
