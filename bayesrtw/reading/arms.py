"""One row an arm, as network packages have it, to contrasts within each study."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Final

from bayesrtw.errors import EvidenceError
from bayesrtw.evidence.cells import Table
from bayesrtw.reading.speaking import compared, is_control, is_programme

#: Quantities of one arm that become columns of two groups.
_OF_ARM: Final = ("events", "non_events", "n", "mean", "sd", "se_mean", "person_time", "pct")


def arms_in(columns: Mapping[str, Sequence[str]], taken: Sequence[str]) -> str:
    """Find the column that tells the groups of every study apart, whatever it is called."""
    studies = next((columns[heading] for heading in taken if heading in columns), [])
    every = {study for study in studies if list(studies).count(study) > 1}
    for heading, cells in columns.items():
        rows = [] if heading in taken else list(zip(studies, cells, strict=True))
        control = {study for study, cell in rows if is_control(cell)}
        other = {study for study, cell in rows if cell and not is_control(cell)}
        if every and every == set(studies) == control == other:
            return heading
    return ""


def contrasts(table: Table) -> tuple[Table, list[str]]:
    """Turn arms into contrasts against one comparator in each study."""
    studies = table.columns["study"]
    spelt: dict[str, str] = {}
    treatments = [spelt.setdefault(name.casefold(), name) for name in table.columns["treatment"]]
    table = replace(table, columns={**table.columns, "treatment": treatments})
    groups: dict[tuple[str, ...], list[int]] = {}
    further = [
        name for name in ("outcome", "subgroup", "follow_up_months") if name in table.columns
    ]
    for row, study in enumerate(studies):
        groups.setdefault((study, *(table.columns[name][row] for name in further)), []).append(row)
    there = [name for name in _OF_ARM if name in table.columns]
    several = [rows for rows in groups.values() if len({treatments[row] for row in rows}) > 1]
    if not there or 2 * sum(map(len, several)) < len(studies):
        return table, []
    order = _order(treatments, several)
    chosen = []
    for rows in several:
        names = [treatments[row] for row in rows]
        if len(set(names)) == len(names):
            reference = min(rows, key=lambda row: order[treatments[row]])
            chosen += [(row, reference) for row in rows if row != reference]
    columns = _columns(table, there, chosen)
    paired = Counter(reference for _, reference in chosen)
    if any(count > 1 for count in paired.values()):
        columns["shared_control"] = [
            f"{studies[ref]}: {treatments[ref]}" if paired[ref] > 1 else "" for _, ref in chosen
        ]
    kinds = dict.fromkeys(columns["comparison"])
    for row, reference in chosen if len(kinds) == 1 else ():
        one, other = treatments[row], treatments[reference]
        if not is_control(other) and (is_control(one) or not is_programme(one)):
            raise EvidenceError(
                f"{table.where}: nothing says whether {one!r} or {other!r} is what the other is compared "
                "with; write control, or usual care, for it."
            )
    said = [
        f"one row an arm: {len(studies)} arms of {len(groups)} studies, {len(chosen)} contrasts"
    ]
    if len(kinds) > 1 and "outcome" not in columns:
        columns["outcome"] = columns["comparison"]
        said.append(f"each of {len(kinds)} comparisons is pooled by itself")
    left = len(studies) - len({row for pair in chosen for row in pair})
    if left:
        said.append(f"{left} arms without a comparator, or of a treatment that repeats, left out")
    lines = [table.lines[row] for row, _ in chosen]
    return Table(table.where, columns, lines), said


def compared_rows(table: Table) -> tuple[Table, list[str]]:
    """Name what each row compares, where two columns name its treatments, the first against the second.

    Where a treatment stands first in one row and second in another, effects are of different things, and
    each comparison is an outcome of its own.
    """
    pair = next(iter(compared(table.columns)), None)
    if pair is None or "comparison" in table.columns:
        return table, []
    one, two = (table.columns[heading] for heading in pair)
    names = [f"{a} vs {b}" if a and b else "" for a, b in zip(one, two, strict=True)]
    columns = {**table.columns, "comparison": names}
    said = [f"each row is {pair[0]!r} against {pair[1]!r}"]
    if set(filter(None, one)) & set(filter(None, two)) and "outcome" not in columns:
        columns["outcome"] = names
        said.append(f"each of {len(set(names))} comparisons is pooled by itself")
    return Table(table.where, columns, table.lines), said


def _order(
    treatments: Sequence[str], several: Sequence[Sequence[int]]
) -> dict[str, tuple[bool, bool, int, str]]:
    """Rank treatments as comparators: controls first, then those of most studies, programmes last."""
    count = Counter(treatments[row] for rows in several for row in rows)
    return {
        name: (not is_control(name), is_programme(name), -count[name], name)
        for name in set(treatments)
    }


def _columns(
    table: Table, there: Sequence[str], chosen: Sequence[tuple[int, int]]
) -> dict[str, list[str]]:
    columns: dict[str, list[str]] = {}
    treatments = table.columns["treatment"]
    for name, cells in table.columns.items():
        if name in there:
            columns[f"{name}_t"] = [cells[row] for row, _ in chosen]
            columns[f"{name}_c"] = [cells[reference] for _, reference in chosen]
        else:
            columns[name] = [cells[row] for row, _ in chosen]
    columns["comparator"] = [treatments[reference] for _, reference in chosen]
    columns["comparison"] = [f"{treatments[row]} vs {treatments[ref]}" for row, ref in chosen]
    return columns
