"""What is wrong with arms as sets of components, and which components rows cannot tell."""

import re
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from bayesrtw.dims import ESTIMATE
from bayesrtw.errors import Finding, shown
from bayesrtw.evidence.table import Evidence
from bayesrtw.registry import suggestion

Array = NDArray[np.float64]

#: An arm by its components and their doses.
type Arm = Mapping[str, float]


def rows_where(evidence: Evidence, which: Sequence[bool]) -> list[str]:
    """Name some of the rows."""
    return [str(name) for name in evidence.data[ESTIMATE].to_numpy()[np.array(which, dtype=bool)]]


def _studies(evidence: Evidence) -> list[str]:
    found: list[str] = evidence.data["study"].to_numpy().astype(str).tolist()
    return found


def no_doses(evidence: Evidence, columns: Sequence[str]) -> list[str]:
    """Name columns of doses that hold text, nothing, or less than nothing."""
    found = []
    for column in columns:
        values = evidence.data[column].to_numpy()
        if values.dtype == object:
            text = [not _numeric(value) for value in values]
            if not any(text):
                found.append(
                    f"{evidence.where}: column {column!r} holds numbers that are written as text; make them "
                    f"numbers, as by pandas.to_numeric(frame[{column!r}])."
                )
                continue
            said = shown(sorted(set(values[text])))
            found.append(
                f"{evidence.where}: column {column!r} holds text ({said} in "
                f"rows {shown(rows_where(evidence, text))}); a component's column holds 0, 1 or a dose. "
                "Cells that name components go with `arm`."
            )
            continue
        doses = values.astype(float)
        for wrong, what in (
            (np.isnan(doses), "is empty"),
            (np.isinf(doses), "holds a dose without an end"),
            (doses < 0, "holds a negative dose"),
        ):
            if wrong.any():
                names = rows_where(evidence, wrong.tolist())
                found.append(
                    f"{evidence.where}: column {column!r} {what} in rows {shown(names)}; give 0, 1 or a dose."
                )
    return found


def _numeric(value: object) -> bool:
    try:
        float(str(value))
    except ValueError:
        return False
    return True


#: What stands in a column of yes and no, and is no part.
_ANSWERS = frozenset({"yes", "no", "y", "n", "true", "false", "0", "1", "unclear"})


def no_names(evidence: Evidence, columns: Sequence[str]) -> list[str]:
    """Name columns of open parts that say whether some are open, and not which."""
    found = []
    for column in columns:
        cells = [str(value).strip() for value in evidence.data[column].to_numpy()]
        said = sorted({cell for cell in cells if cell.casefold().removesuffix(".0") in _ANSWERS})
        if said:
            rows = rows_where(evidence, [cell in said for cell in cells])
            found.append(
                f"{evidence.where}: column {column!r} holds {shown(said)} in rows {shown(rows)}; it names "
                "the parts that the arm may have, 'coordination + exercise', or none. Name them, call the "
                "column otherwise, or state `missing = { absent = true }`."
            )
    return found


#: What is wrong with a cell, and what to do.
UNCLEAN = {
    "has a plus sign with nothing beside it": "name the component, or leave out the sign",
    "names a component twice": "name it once, or give doses in columns of their own",
}


def fault(cell: str, plus: str) -> str:
    """Say what is wrong with a cell, one of `UNCLEAN`; nothing if nothing is."""
    empty, twice = UNCLEAN
    parts = [part.strip() for part in cell.split(plus)]
    if "" in parts:
        return empty if cell.strip() else ""
    return twice if len(set(parts)) < len(parts) else ""


def unclean(evidence: Evidence, column: str, cells: Sequence[str], plus: str) -> list[str]:
    """Name cells with a plus sign beside which nothing stands, and those that name a component twice."""
    found = []
    for what, remedy in UNCLEAN.items():
        # Arms of nothing but plus signs are told of as those that name nothing.
        wrong = [fault(cell, plus) == what and bool(cell.strip(f"{plus} ")) for cell in cells]
        if any(wrong):
            rows = shown(rows_where(evidence, wrong))
            found.append(f"{evidence.where}: {column!r} {what} in rows {rows}; {remedy}.")
    return found


def idle_words(none: Sequence[str], cells: Sequence[str], plus: str) -> list[Finding]:
    """Say that what is declared to be none is the name of nothing."""
    words = {part.strip() for cell in cells for part in cell.split(plus)} | set(cells)
    if not none or words & set(none):
        return []
    text = (
        f"`none` declares {shown(none)}, which no arm is called: all that arms are called is taken for a "
        f"component. {suggestion(none[0], sorted(words - {''}))}"
    )
    return [Finding("none-unused", "warning", text)]


def alike(
    evidence: Evidence, arms: Sequence[Arm], others: Sequence[Arm], open_: Sequence[bool]
) -> tuple[list[bool], list[bool]]:
    """Mark contrasts whose arms are the same, and single arms that another one of their study repeats."""
    alone = evidence.single_arms.tolist()
    same = [
        not single and not may and own == other
        for single, may, own, other in zip(alone, open_, arms, others, strict=True)
    ]
    seen: set[tuple[str, str, frozenset[tuple[str, float]]]] = set()
    outcome = evidence.data["outcome"].to_numpy().astype(str).tolist()
    twice = [False] * len(alone)
    for row, study in enumerate(_studies(evidence)):
        if alone[row] and not open_[row]:
            key = study, outcome[row], frozenset(arms[row].items())
            twice[row] = key in seen
            seen.add(key)
    return same, twice


def alike_arms(
    evidence: Evidence, arms: Sequence[Arm], others: Sequence[Arm], open_: Sequence[bool]
) -> list[str]:
    """Name contrasts whose arms are the same, and studies that have the same arm twice."""
    found = []
    same, twice = alike(evidence, arms, others, open_)
    if any(same):
        found.append(
            f"{evidence.where}: both arms are the same in rows {shown(rows_where(evidence, same))}; what "
            "differs is no component: leave them out, or name it."
        )
    if any(twice):
        found.append(
            f"{evidence.where}: rows {shown(rows_where(evidence, twice))} have the components of another arm "
            "of their study; add the two up, leave one out, or name what differs."
        )
    return found


def untold(
    evidence: Evidence, every_way: Array, labels: Sequence[str], had: NDArray[np.bool_]
) -> list[Finding]:
    """Name components that no row tells, and those that one study alone does.

    `every_way` are rows of the design as they may be, shape (estimate, alternative, column); `had` says which
    of its columns some arm has.
    """
    studies = np.array(_studies(evidence))
    arms = evidence.single_arms
    low, high = every_way.min(axis=1), every_way.max(axis=1)
    moves = low != high
    may, sure = np.maximum(np.abs(low), np.abs(high)), np.where(moves, 0.0, np.abs(low))
    for study in np.unique(studies[arms]):
        # A baseline takes up what all arms of a study have.
        own = arms & (studies == study)
        may[own] = high[own].max(axis=0) - low[own].min(axis=0)
        known = np.where(moves[own], -np.inf, low[own]), np.where(moves[own], np.inf, low[own])
        sure[own] = known[0].max(axis=0) - known[1].min(axis=0)
    found, lone, open_ = [], [], []
    idle, absent = list[str](), list[str]()
    for place, label in enumerate(labels):
        told = sorted(set(studies[may[:, place] > 1e-12]))
        if not told:
            (idle if had[place] else absent).append(label)
        elif len(told) == 1:
            lone.append(f"{label} ({told[0]})")
        if told and not np.any(sure[:, place] > 1e-12):
            open_.append(label)
    if idle:
        where = "in every arm of every study" if arms.all() else "on both sides of every row"
        text = (
            f"{shown(idle, 20)} stand {where}: no row tells their effects, which are their priors'. Leave "
            "them out, declare them by `none`, or add a study that compares with and without."
        )
        found.append(Finding("idle-component", "warning", text))
    if absent:
        text = (
            f"{shown(absent, 20)} stand in no arm: their effects are what the priors say. Leave them out, or "
            "add a study that has them."
        )
        found.append(Finding("absent-component", "warning", text))
    if lone:
        found.append(
            Finding("lone-component", "note", f"Told by one study alone: {shown(lone, 20)}.")
        )
    if open_:
        text = (
            f"{shown(open_, 20)} differ between arms only where a part stands open: their effects are told "
            "as far as these arms are taken to have it."
        )
        found.append(Finding("open-component", "note", text))
    return found


def everywhere(
    evidence: Evidence,
    sides: tuple[Sequence[Arm], Sequence[Arm]],
    open_: tuple[Sequence[Arm], Sequence[Arm]],
    names: Sequence[str],
) -> list[Finding]:
    """Name components that one side of every contrast has, and the other never; `open_` is what may be."""
    rows = [
        ((own, other), may)
        for single, own, other, *may in zip(
            evidence.single_arms.tolist(), *sides, *open_, strict=True
        )
        if not single
    ]
    found = []
    for side, own, what in ((0, "arm", "comparator"), (1, "comparator", "arm")):
        always = [
            name
            for name in names
            if len(rows) > 1
            and all(
                name in arms[side] and name not in arms[1 - side] and name not in may[1 - side]
                for arms, may in rows
            )
        ]
        if always:
            text = (
                f"{shown(always, 20)} stand in the {own} of every row and in no {what}: whatever all rows "
                "have in common is taken for their effect. Declare them by `none` if they count as none, or "
                f"add a study whose {what} has them."
            )
            found.append(Finding("component-everywhere", "warning", text))
    return found


#: What else people write between the parts of a programme.
_BETWEEN = re.compile(r"\s*[,;/&]\s*|\s+and\s+|\s+with\s+")


def spelt_alike(names: Sequence[str]) -> list[Finding]:
    """Name components whose names differ in capitals or spaces alone, and those that name several others."""
    several = [
        name for name in names if len(parts := _BETWEEN.split(name)) > 1 and {*parts} & {*names}
    ]
    return _alike_names(names) + _several(several)


def _several(names: Sequence[str]) -> list[Finding]:
    if not names:
        return []
    text = (
        f"{shown(names, 20)} are one component each, and name others of these rows: what stands between "
        "components is a plus sign. Write 'a + b' if they are several."
    )
    return [Finding("components-in-one", "warning", text)]


def _alike_names(names: Sequence[str]) -> list[Finding]:
    by_bare: dict[str, list[str]] = {}
    for name in names:
        by_bare.setdefault("".join(name.casefold().split()), []).append(name)
    alike = [" and ".join(map(repr, each)) for each in by_bare.values() if len(each) > 1]
    if not alike:
        return []
    text = (
        f"Components are spelt alike: {'; '.join(alike)}. Write one name if they are one component."
    )
    return [Finding("components-spelt-alike", "warning", text)]
