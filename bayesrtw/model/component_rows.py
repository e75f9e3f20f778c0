"""What is wrong with arms as sets of components, and which components rows cannot tell."""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from bayesrtw.dims import ESTIMATE
from bayesrtw.errors import Finding, shown
from bayesrtw.evidence.table import Evidence

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
            said = shown(sorted(set(values[text])))
            found.append(
                f"{evidence.where}: column {column!r} holds text ({said} in "
                f"rows {shown(rows_where(evidence, text))}); a component's column holds 0, 1 or a dose. "
                "Cells that name components go with `arm`."
            )
            continue
        doses = values.astype(float)
        for wrong, what in (
            (~np.isfinite(doses), "is empty"),
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


def alike_arms(
    evidence: Evidence, arms: Sequence[Arm], others: Sequence[Arm], open_: Sequence[bool]
) -> list[str]:
    """Name contrasts whose arms are the same, and studies that have the same arm twice."""
    found, alone = [], evidence.single_arms.tolist()
    same = [
        not single and not may and own == other
        for single, may, own, other in zip(alone, open_, arms, others, strict=True)
    ]
    if any(same):
        found.append(
            f"{evidence.where}: both arms are the same in rows {shown(rows_where(evidence, same))}; what "
            "differs is no component: leave them out, or name it."
        )
    seen: dict[tuple[str, str, frozenset[tuple[str, float]]], int] = {}
    outcome = evidence.data["outcome"].to_numpy().astype(str).tolist()
    twice = [False] * len(alone)
    for row, study in enumerate(_studies(evidence)):
        if alone[row] and not open_[row]:
            key = study, outcome[row], frozenset(arms[row].items())
            twice[row] = key in seen
            seen.setdefault(key, row)
    if any(twice):
        found.append(
            f"{evidence.where}: rows {shown(rows_where(evidence, twice))} have the components of another arm "
            "of their study; add the two up, leave one out, or name what differs."
        )
    return found


def untold(evidence: Evidence, columns: Array, labels: Sequence[str]) -> list[Finding]:
    """Name components that no row tells, and those that one study alone does."""
    studies = np.array(_studies(evidence))
    differs, arms = columns.copy(), evidence.single_arms
    for study in np.unique(studies[arms]):
        # A baseline takes up what all arms of a study have.
        own = arms & (studies == study)
        differs[own] -= columns[own].mean(axis=0)
    differs[np.abs(differs) < 1e-12] = 0.0
    found, idle, lone = [], [], []
    for label, column in zip(labels, differs.T, strict=True):
        told = sorted(set(studies[column != 0]))
        if not told:
            idle.append(label)
        elif len(told) == 1:
            lone.append(f"{label} ({told[0]})")
    if idle:
        where = "in every arm of every study" if arms.all() else "on both sides of every row"
        text = (
            f"{shown(idle, 20)} stand {where}: no row tells their effects, which are their priors'. Leave "
            "them out, declare them by `none`, or add a study that compares with and without."
        )
        found.append(Finding("idle-component", "warning", text))
    if lone:
        found.append(
            Finding("lone-component", "note", f"Told by one study alone: {shown(lone, 20)}.")
        )
    return found


def everywhere(
    evidence: Evidence, arms: Sequence[Arm], others: Sequence[Arm], names: Sequence[str]
) -> list[Finding]:
    """Name components that one side of every contrast has, and the other never."""
    alone = evidence.single_arms.tolist()
    rows = [
        (own, other) for single, own, other in zip(alone, arms, others, strict=True) if not single
    ]
    found = []
    for side, own, what in ((0, "arm", "comparator"), (1, "comparator", "arm")):
        always = [
            name
            for name in names
            if len(rows) > 1
            and all(name in row[side] and name not in row[1 - side] for row in rows)
        ]
        if always:
            text = (
                f"{shown(always, 20)} stand in the {own} of every row and in no {what}: whatever all rows "
                "have in common is taken for their effect. Declare them by `none` if they count as none, or "
                f"add a study whose {what} has them."
            )
            found.append(Finding("component-everywhere", "warning", text))
    return found


def spelt_alike(names: Sequence[str]) -> list[Finding]:
    """Name components whose names differ in capitals or spaces alone."""
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
