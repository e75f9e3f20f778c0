"""Counts that evidence keeps beside its effects: events and people, or person-time, of one group or two."""

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from bayesrtw.dims import ESTIMATE
from bayesrtw.errors import shown
from bayesrtw.evidence.route import ROUTES, half_unit
from bayesrtw.evidence.table import Evidence

Array = NDArray[np.float64]

#: What a group's events are counted among.
Among = Literal["n", "person_time"]


@dataclass(frozen=True, slots=True, eq=False)
class Counts:
    """Events of one group or two, row by row; where a row's effect was turned round, so are its groups."""

    #: events, size: events, and people or person-time, shape (group, estimate): of the programme, then of the
    #: comparison; of a single group alone.
    events: Array
    size: Array


def counts(evidence: Evidence, groups: int, among: Among = "n") -> Counts:
    """Read the counts of every row; NaN where a row has none: gives (group, estimate)."""
    ends = ("_t", "_c") if groups == 2 else ("",)
    events = np.stack([numbers_in(evidence, f"events{end}") for end in ends])
    size = np.stack([numbers_in(evidence, f"{among}{end}") for end in ends])
    if among == "n":
        rest = np.stack([numbers_in(evidence, f"non_events{end}") for end in ends])
        size = np.where(np.isfinite(size), size, events + rest)
        printed = np.stack([numbers_in(evidence, f"pct{end}") for end in ends])
        events = np.where(np.isfinite(events), events, _whole(printed, size))
    if groups == 2 and "reversed" in evidence.data:
        turned = evidence.data["reversed"].to_numpy().astype(str) == "yes"
        events, size = (np.where(turned, each[::-1], each) for each in (events, size))
    return Counts(events, size)


def rest_on(
    evidence: Evidence, groups: int, among: Among, measures: tuple[str, ...]
) -> NDArray[np.bool_]:
    """Say which rows rest on their counts alone: effect and standard error are what these give, if anything.

    gives (estimate,).
    """
    seen = counts(evidence, groups, among)
    found = np.all(np.isfinite(seen.events) & np.isfinite(seen.size), axis=0)
    own = evidence.data["measure"].to_numpy().astype(str)
    known = {
        name: evidence.data[name].to_numpy().astype(float)[:, None] for name in ("effect", "se")
    }
    for row in np.flatnonzero(found).tolist():
        route = ROUTES.get(("counts" if among == "n" else "rates", own[row]))
        if route is None or own[row] not in measures:
            found[row] = False
            continue
        cells = np.stack([seen.events[:, row], seen.size[:, row]], axis=-1).reshape(-1)
        with np.errstate(divide="ignore", invalid="ignore"):
            told = route.function(*cells[:, None])
        effect, se = np.asarray(told.effect), np.asarray(told.se)
        given = np.where(np.isfinite(effect) & (se > 0), se, np.nan)
        found[row] = all(
            np.allclose(known[name][row], each, rtol=1e-6, atol=1e-9, equal_nan=True)
            for name, each in (("effect", effect), ("se", given))
        )
    return found


def faults(evidence: Evidence, groups: int, among: Among, measures: tuple[str, ...]) -> list[str]:
    """Say why rows cannot be seen as counts; empty if they can."""
    ends = ("_t", "_c") if groups == 2 else ("",)
    names = evidence.data[ESTIMATE].to_numpy()
    found = []
    measure = sorted({str(each) for each in evidence.data["measure"].to_numpy()} - set(measures))
    if measure:
        found.append(
            f"{evidence.where}: effects are {shown(measure)}; this likelihood tells {shown(measures)}: "
            "choose another likelihood, or analyse the counts in that measure."
        )
    seen = counts(evidence, groups, among)
    needed = ", ".join(f"events{end}, {among}{end}" for end in ends)
    lacks = ~np.all(np.isfinite(seen.events) & np.isfinite(seen.size), axis=0)
    broken = np.any(seen.events != np.round(seen.events), axis=0)
    if among == "n":
        broken |= np.any(seen.size != np.round(seen.size), axis=0)
    outside = np.any((seen.events < 0) | (seen.size <= 0), axis=0)
    outside |= np.any(seen.events > seen.size, axis=0) & (among == "n")
    times = numbers_in(evidence, "multiplier")
    scaled = np.isfinite(times) & (times != 1.0)
    for rows, what in (
        (lacks, f"have no counts; give {needed} or leave them out"),
        (
            broken & ~lacks,
            "have events or people that are not whole numbers; give counts as they were",
        ),
        (outside & ~lacks, f"have fewer than no events, or more than {among}; correct them"),
        (scaled, "multiply their effects, which counts do not; leave the multiplier out"),
    ):
        if rows.any():
            which = shown(str(name) for name in names[rows])
            found.append(f"{evidence.where}: rows {which} {what}.")
    return found


def with_events(evidence: Evidence, events: Array, among: Among) -> Evidence:
    """Put other events in place of those of the evidence; effects, which hang on them, are left empty.

    `events` (group, estimate).
    """
    groups = len(events)
    ends, size = ("_t", "_c") if groups == 2 else ("",), counts(evidence, groups, among).size
    if groups == 2 and "reversed" in evidence.data:
        turned = evidence.data["reversed"].to_numpy().astype(str) == "yes"
        events, size = (np.where(turned, each[::-1], each) for each in (events, size))
    empty = np.full(evidence.size, np.nan)
    columns = {"effect": empty, "se": empty}
    columns |= {f"events{end}": own for end, own in zip(ends, events, strict=True)}
    columns |= {f"{among}{end}": own for end, own in zip(ends, size, strict=True)}
    found = {name: (ESTIMATE, values) for name, values in columns.items()}
    return replace(evidence, data=evidence.data.assign(found))


def _whole(printed: Array, size: Array) -> Array:
    """Give the whole numbers whose percentages are printed; NaN where there is none."""
    found = np.full(printed.shape, np.nan)
    for place in zip(*np.nonzero(np.isfinite(printed + size)), strict=True):
        events = round(printed[place] * size[place] / 100)
        if abs(100 * events / size[place] - printed[place]) <= half_unit(printed[place]) + 1e-9:
            found[place] = events
    return found


def numbers_in(evidence: Evidence, name: str) -> Array:
    """Give a column of numbers, shape (estimate,); NaN where there is none, or text."""
    if name not in evidence.data:
        return np.full(evidence.size, np.nan)
    values = evidence.data[name].to_numpy()
    if values.dtype == object:
        return np.full(evidence.size, np.nan)
    return np.asarray(values, dtype=np.float64)
