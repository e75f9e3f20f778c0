"""Estimates that are seen together, so that normal effects need not be sampled but are integrated out.

Effects of studies, and biases that are independent, are normal given their SDs. Added up with sampling errors
they leave estimates that are normal too; those of one group, or with correlated sampling errors, have a
covariance. Formulas here serve tensors of a PyMC graph and arrays of draws alike.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bayesrtw.model.grouped import Varying

Integers = NDArray[np.intp]

#: Most estimates that are seen together: elimination among more takes longer than a millisecond a step.
MOST_TOGETHER = 64


@dataclass(frozen=True, slots=True, eq=False)
class Joint:
    """Sets of estimates that are seen together."""

    #: The estimates of each one's set, in one order for the whole set, shape (estimate, member); filled up
    #: with the estimate itself.
    members: Integers
    inside: NDArray[np.bool_]  #: Whether a member is one and not filling, shape (estimate, member).
    rows: Integers  #: The estimates, set by set, shape (estimate,).
    first: Integers  #: Where the set of each of `rows` begins among them, shape (estimate,).

    @property
    def alone(self) -> NDArray[np.bool_]:
        """Which estimates are seen by themselves, shape (estimate,)."""
        return np.asarray(self.inside.sum(axis=1) == 1)

    def among(self, group: Integers) -> NDArray[np.float64]:
        """Give 1 for members of one's own group and 0 for others, shape (estimate, member)."""
        return np.asarray(self.inside & (group[self.members] == group[:, None]), dtype=np.float64)


def joint(count: int, groups: Iterable[Integers]) -> Joint:
    """Join estimates that share a group in any grouping: `groups` (estimate,)."""
    label = np.arange(count, dtype=np.intp)
    for group in groups:
        values, sizes = np.unique(group, return_counts=True)
        for value in values[sizes > 1]:
            found = label[group == value]
            label[np.isin(label, found)] = found.min()
    sets = [np.flatnonzero(label == value) for value in np.unique(label)]
    width = max((len(rows) for rows in sets), default=1)
    members = np.repeat(np.arange(count, dtype=np.intp)[:, None], width, axis=1)
    inside = np.zeros((count, width), dtype=bool)
    for rows in sets:
        members[rows, : len(rows)] = rows
        inside[rows, : len(rows)] = True
    rows = np.concatenate(sets)
    return Joint(members, inside, rows, np.searchsorted(label[rows], label[rows]))


def integrated(
    varying: Sequence[Varying], blocks: Sequence[Integers], count: int, apart: Integers
) -> tuple[Joint, tuple[Varying, ...]]:
    """Choose the effects that are integrated out: those of small groups first.

    `blocks` (member,); `apart` (row,).
    """
    alike = []
    for rows in blocks:
        group = np.arange(count, dtype=np.intp)
        group[rows] = rows.min()
        alike.append(group)
    found, chosen = joint(count, alike), []
    most = max(MOST_TOGETHER, found.members.shape[1])
    for each in sorted(varying, key=lambda one: -len(np.unique(one.group))):
        larger = joint(count, [*alike, each.group])
        if larger.members.shape[1] <= most and np.all(larger.alone[apart]):
            found = larger
            alike.append(each.group)
            chosen.append(each)
    return found, tuple(chosen)


def sampling_covariance(parts: Mapping[str, Any], hyper: Mapping[str, Any]) -> Any:
    """Give what sampling errors of estimates have in common with those of the members of their sets.

    `parts` (estimate, member); `hyper` (draw, 1, 1); gives (..., estimate, member).
    """
    total = parts["known"]
    if "rho" in parts:
        total = total + hyper["rho"] * parts["rho"]
    if "icc" in parts:
        own, members = (1.0 + hyper["icc"] * parts[name] for name in ("icc", "icc of members"))
        total = total * (own * members) ** 0.5
    return total
