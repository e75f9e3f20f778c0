"""Counts that evidence keeps beside its effects: events and people, or person-time, of one group or two."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from bayesrtw.dims import ESTIMATE
from bayesrtw.errors import shown
from bayesrtw.evidence.table import Evidence

Array = NDArray[np.float64]

#: What a group's events are counted among.
Among = Literal["n", "person_time"]


@dataclass(frozen=True, slots=True, eq=False)
class Counts:
    """Events of one group or two, row by row; where a row's effect was turned round, so are its groups.

    Attributes
    ----------
    events, size
        Events, and people or person-time, shape (group, estimate): of the programme, then of the
        comparison; of a single group alone.
    """

    events: Array
    size: Array


def counts(evidence: Evidence, groups: int, among: Among = "n") -> Counts:
    """Read the counts of every row; NaN where a row has none.

    Parameters
    ----------
    evidence
        Rows with columns ``events_t, n_t, events_c, n_c`` (``non_events_t`` may stand for ``n_t``), of a
        single group ``events, n``; or ``person_time`` in place of ``n``.
    groups
        2 or 1.
    among
        Whether events are counted among people, ``"n"``, or in ``"person_time"``.

    Returns
    -------
    Counts
        Shape (group, estimate).
    """
    ends = ("_t", "_c") if groups == 2 else ("",)
    events = np.stack([_numbers(evidence, f"events{end}") for end in ends])
    size = np.stack([_numbers(evidence, f"{among}{end}") for end in ends])
    if among == "n":
        rest = np.stack([_numbers(evidence, f"non_events{end}") for end in ends])
        size = np.where(np.isfinite(size), size, events + rest)
    if groups == 2 and "reversed" in evidence.data:
        turned = evidence.data["reversed"].to_numpy().astype(str) == "yes"
        events, size = (np.where(turned, each[::-1], each) for each in (events, size))
    return Counts(events, size)


def faults(evidence: Evidence, groups: int, among: Among, measures: tuple[str, ...]) -> list[str]:
    """Say why rows cannot be seen as counts; empty if they can.

    Parameters
    ----------
    evidence
        The rows.
    groups, among
        See `counts`.
    measures
        Measures whose effects the counts tell.

    Returns
    -------
    list of str
        Sentences that name the rows.
    """
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
    times = _numbers(evidence, "multiplier")
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


def _numbers(evidence: Evidence, name: str) -> Array:
    """Give a column of numbers; NaN where there is none."""
    if name not in evidence.data:
        return np.full(evidence.size, np.nan)
    values = evidence.data[name].to_numpy()
    if values.dtype == object:
        return np.full(evidence.size, np.nan)
    return np.asarray(values, dtype=np.float64)
