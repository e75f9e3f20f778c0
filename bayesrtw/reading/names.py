"""What the studies of a table are called: author and year, trial, id, in that order."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Names:
    """Names of studies."""

    labels: list[str]  #: One a row; rows with the same name are of one study.
    said: tuple[str, ...]  #: Where they come from, where no column is called study.


def named(columns: Mapping[str, list[str]], roles: Mapping[str, str], count: int) -> Names:
    """Name the study of every row."""
    of = {role: columns[heading] for role, heading in roles.items() if heading in columns}
    study, author, year = of.get("study"), of.get("author"), of.get("year")
    if study and _words(study) and not (author and _unique(study) and not _unique(author)):
        return Names(_apart(study, year), ())
    if author:
        key = "study" if study else "trial"
        said = " and ".join(repr(roles[role]) for role in ("author", "year") if role in of)
        said += f", {roles[key]!r} where that repeats" if key in of else ""
        base = [f"{a} {y}".strip() for a, y in zip(author, year or [""] * count, strict=True)]
        return Names(_told(base, of.get(key)), (f"studies named by {said}",))
    for role in ("trial", "study", "id", "row.names"):
        if role in of:
            said = f"study from {roles[role]!r}"
            return Names(list(of[role]), () if role == "study" else (said,))
    cited = of.get("cited.as", [])
    if cited and _unique(cited):
        return Names(list(cited), (f"study from {roles['cited.as']!r}",))
    for heading, cells in columns.items():
        if heading not in roles.values() and all(cells) and _words(cells) and _unique(cells):
            return Names(list(cells), (f"study from {heading!r}",))
    if cited:
        return Names(list(cited), (f"study from {roles['cited.as']!r}",))
    rows = [f"row {row}" for row in range(1, count + 1)]
    return Names(rows, ("studies have no names: each row is one",))


def _words(cells: Sequence[str]) -> bool:
    return not all(cell.replace(".", "", 1).isdigit() for cell in cells if cell)


def _unique(cells: Sequence[str]) -> bool:
    return len(set(cells)) == len(cells)


def _apart(names: Sequence[str], year: Sequence[str] | None) -> list[str]:
    """Tell studies of one name apart that appeared in different years."""
    if not year:
        return list(names)
    years: dict[str, set[str]] = {}
    for name, of in zip(names, year, strict=True):
        years.setdefault(name, set()).add(of)
    return [
        f"{name} {of}".strip() if len(years[name]) > 1 else name
        for name, of in zip(names, year, strict=True)
    ]


def _told(base: Sequence[str], key: Sequence[str] | None) -> list[str]:
    """Tell studies of one author and year apart by their key."""
    if not key:
        return list(base)
    keys: dict[str, set[str]] = {}
    for name, of in zip(base, key, strict=True):
        keys.setdefault(name, set()).add(of)
    return [
        f"{name} ({of})" if len(keys[name]) > 1 else name
        for name, of in zip(base, key, strict=True)
    ]
