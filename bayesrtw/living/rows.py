"""Rows of evidence as plain data, and how two versions of them differ, field by field."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from bayesrtw.dims import ESTIMATE
from bayesrtw.evidence.table import Evidence

#: Column of a data set that names a reported result; without it rows go by their labels.
RESULT = "result"

#: Column that names the earlier row which a row replaces.
CORRECTS = "corrects"

#: Columns that follow from others; a difference in them alone is no correction.
DERIVED = frozenset({"conversion", "doubts", "bound"})

Rows = dict[str, dict[str, Any]]


def plain_rows(evidence: Evidence) -> Rows:
    """Write the rows of evidence as plain data."""
    columns = {str(name): values.to_numpy() for name, values in evidence.data.data_vars.items()}
    labels = [str(label) for label in evidence.data[ESTIMATE].to_numpy()]
    named = [str(value) for value in columns[RESULT]] if RESULT in columns else []
    keys = named if named and all(named) and len(set(named)) == len(named) else labels
    rows: Rows = {}
    for place, key in enumerate(keys):
        row: dict[str, Any] = {"row": labels[place]}
        for name, values in columns.items():
            value = values[place]
            if values.dtype == object:
                if str(value):
                    row[name] = str(value)
            elif math.isfinite(value):
                row[name] = float(value)
        rows[key] = row
    return rows


def compare_rows(old: Rows, new: Rows) -> dict[str, Any]:
    """Say which rows came, went and changed."""
    replaced = {
        str(row[CORRECTS]): key for key, row in new.items() if row.get(CORRECTS) and key not in old
    }
    corrected = []
    for key, row in old.items():
        successor = _successor(key, old, new, replaced)
        if successor is None:
            continue
        fields = _fields(row, new[successor])
        if fields:
            how = "in place" if successor == key else "by a new row"
            corrected.append(
                {
                    "id": key,
                    "by": successor,
                    "row": row["row"],
                    "study": row.get("study", ""),
                    "how": how,
                    "fields": fields,
                }
            )
    taken = {_successor(key, old, new, replaced) for key in old}
    added = [_brief(key, row) for key, row in new.items() if key not in taken]
    withdrawn = [
        _brief(key, row) for key, row in old.items() if _successor(key, old, new, replaced) is None
    ]
    return {
        "added": added,
        "withdrawn": withdrawn,
        "corrected": corrected,
        "new_studies": _only(new, old),
        "gone_studies": _only(old, new),
    }


def _successor(key: str, old: Rows, new: Rows, replaced: Mapping[str, str]) -> str | None:
    if key in new:
        return key
    if key in replaced:
        return replaced[key]
    # Labels change when a second row of the study appears: the same numbers are the same row.
    for other, row in new.items():
        if other not in old and not _fields(old[key], row):
            return other
    return None


def _fields(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[dict[str, Any]]:
    names = [name for name in {**old, **new} if name not in ("row", RESULT, CORRECTS, *DERIVED)]
    return [
        {"field": name, "old": old.get(name), "new": new.get(name)}
        for name in names
        if old.get(name) != new.get(name)
    ]


def _brief(key: str, row: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "id": key,
        "row": row["row"],
        "study": row.get("study", ""),
        "effect": row.get("effect"),
        "se": row.get("se"),
    }


def _only(first: Rows, second: Rows) -> list[str]:
    """Studies of the first that the second does not have."""
    other = _studies(second.values())
    return [name for name in _studies(first.values()) if name not in other]


def _studies(rows: Sequence[Mapping[str, Any]] | Any) -> list[str]:
    return list(dict.fromkeys(str(row.get("study", "")) for row in rows))
