"""Levels of a categorical moderator: which there are, who has which, and who does not say."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from bayesrtw.errors import Finding, SpecError, shown
from bayesrtw.evidence.table import Evidence
from bayesrtw.model.term import Group, Moderator
from bayesrtw.model.unreported import Unreported
from bayesrtw.registry import suggestion

Array = NDArray[np.float64]
Index = NDArray[np.intp]


@dataclass(frozen=True, slots=True)
class MissingLevels:
    """Cells that say that a level is missing, and what is assumed of the level then.

    Each row whose cell is one of `values` has one of the levels that others report, nobody knows which. The
    model is a sum over all of them: levels of reported rows have probabilities ``pi_l``, and those of missing
    ones probabilities proportional to ``pi_l exp(delta_l)``, with ``pi ~ Dirichlet(concentration)`` in each
    stratum of the auxiliary columns. [1]_ [2]_ A row's own effect then says something of its level, and its
    uncertainty is that of every coefficient. A level that is missing not at random has a stated `delta`. [3]_

    Parameters
    ----------
    values
        Values of the column that say that the level is missing, e.g. ``["unclear", "not reported"]``;
        ``""`` for empty cells.
    auxiliary
        Columns whose values divide the rows into strata with shares of their own, e.g. ``["design"]``:
        whatever predicts the level or that it is missing.
    concentration
        Level to its Dirichlet parameter, above 0; 1 for levels that are not named.
    delta
        Level to what is added to its log odds where it is missing; 0 for levels that are not named, which is
        missing at random. It is a statement and not learned: show the answer under several.

    References
    ----------
    .. [1] Ibrahim JG (1990). J Am Stat Assoc 85:765-769, doi:10.1080/01621459.1990.10474938: missing
       categorical covariates as a sum over the values that they may have.
    .. [2] Little RJA, Rubin DB (2019). Statistical Analysis with Missing Data, 3rd ed., chapters 8 and 14.
    .. [3] Carpenter JR, Kenward MG (2013). Multiple Imputation and its Application, chapter 10: delta
       adjustment.

    Examples
    --------
    >>> MissingLevels(("unclear",), delta={"active": 0.7}).delta
    {'active': 0.7}
    """

    values: tuple[str, ...]
    auxiliary: tuple[str, ...] = ()
    # A table is compared, and left out of the hash.
    concentration: Mapping[str, float] = field(default_factory=dict, hash=False)
    delta: Mapping[str, float] = field(default_factory=dict, hash=False)

    def __post_init__(self) -> None:
        if not self.values:
            raise SpecError(
                "values of missing is empty; name the values of the column that say that a level is "
                'missing ("" for empty cells).'
            )
        bad = sorted(name for name, value in self.concentration.items() if not 0 < value < math.inf)
        if bad:
            raise SpecError(
                f"concentration of {shown(bad)} must be positive and finite: parameters of a Dirichlet prior."
            )
        odd = sorted(name for name, value in self.delta.items() if not math.isfinite(value))
        if odd:
            raise SpecError(f"delta of {shown(odd)} must be finite: a difference of log odds.")

    def faults(self, levels: "Levels", column: str, evidence: Evidence) -> list[str]:
        """Say what stands in the way of these levels; empty if nothing does."""
        found = []
        if not levels.names:
            found.append(
                f"{evidence.where}: column {column!r} is missing in every row; nothing says what levels "
                "there are: leave the moderator out."
            )
            return found
        named = sorted({*self.concentration, *self.delta} - set(levels.names))
        if named:
            found.append(
                f"{evidence.where}: missing of {column!r} names {shown(named)}, which no row reports; "
                f"{suggestion(named[0], levels.names)}"
            )
        absent = sorted(name for name in self.auxiliary if name not in evidence.data)
        if absent:
            have = [str(name) for name in evidence.data.data_vars]
            found.append(
                f"{evidence.where}: no column {absent[0]!r}, auxiliary to {column!r}; "
                f"{suggestion(absent[0], have)}"
            )
        if column in self.auxiliary:
            found.append(
                f"{evidence.where}: {column!r} is auxiliary to itself; name other columns."
            )
        return found

    def findings(self, levels: "Levels", column: str, evidence: Evidence) -> list[Finding]:
        """Say how many rows do not say, and what is assumed of them."""
        count = int(np.sum(levels.index < 0))
        if not count:
            return []
        shifted = [f"{name} {value:+g}" for name, value in self.delta.items() if value]
        assumed = (
            f"log odds of levels shifted by a statement ({', '.join(shifted)})"
            if shifted
            else "missing at random"
        )
        by = f" within {' and '.join(self.auxiliary)}" if self.auxiliary else ""
        text = (
            f"{count} of {evidence.size} rows do not report {column!r} ({shown(self.values)}): each has any "
            f"of {len(levels.names)} levels, as often as the rows that do{by}, {assumed}."
        )
        return [Finding("missing-levels", "note", text)]

    def unreported(
        self, levels: "Levels", column: str, alternatives: Array, evidence: Evidence
    ) -> Unreported | None:
        """Give levels as arrays, see `Unreported`; None where every row reports its own."""
        if np.all(levels.index >= 0):
            return None
        keys = np.array(
            [
                "\x1f".join(
                    cell_text(evidence.data[name].to_numpy()[row]) for name in self.auxiliary
                )
                for row in range(evidence.size)
            ]
        )
        return Unreported(
            column,
            levels.names,
            levels.index,
            alternatives,
            np.asarray(np.unique(keys, return_inverse=True)[1], dtype=np.intp).reshape(-1),
            np.array([self.concentration.get(name, 1.0) for name in levels.names]),
            np.array([self.delta.get(name, 0.0) for name in levels.names]),
        )


@dataclass(frozen=True, slots=True)
class Levels:
    """Levels that occur, and which of them each row has, shape (estimate,); -1 where it is missing."""

    names: tuple[str, ...]
    index: Index

    @property
    def of_rows(self) -> NDArray[np.object_]:
        """Level of each row; empty where it is missing."""
        return np.array([*self.names, ""], dtype=object)[self.index]


def levels_of(
    column: str, groups: Sequence[Group], evidence: Evidence, missing: Sequence[str] = ()
) -> Levels:
    """Give the levels that occur, and which of them each row has."""
    group_of = {member: group.name for group in groups for member in group.members}
    values = [cell_text(value) for value in evidence.data[column].to_numpy()]
    named = [None if value in missing else group_of.get(value, value) for value in values]
    have = {name for name in named if name is not None}
    order = [group.name for group in groups] or sorted(have)
    labels = tuple(name for name in order if name in have)
    position: dict[str | None, int] = {name: place for place, name in enumerate(labels)}
    position[None] = -1
    return Levels(labels, np.array([position[name] for name in named], dtype=np.intp))


def empty_levels(
    moderators: Sequence[Moderator], evidence: Evidence, kept: NDArray[np.bool_]
) -> tuple[str, ...]:
    """Name the levels of which no row is kept: their means are their priors'; `kept` (estimate,)."""
    found = []
    for each in moderators:
        if each.shape == "levels":
            levels = levels_of(each.column, each.groups, evidence, each.missing)
            left = set(levels.index[kept].tolist())
            found += [
                f"{each.name}[{name}]"
                for place, name in enumerate(levels.names)
                if place not in left
            ]
    return tuple(found)


def cell_text(value: object) -> str:
    """Give a cell as the text that a level is called."""
    if isinstance(value, float):
        return "" if np.isnan(value) else f"{value:g}"
    return str(value)


def marked(
    column: str, marks: Sequence[str], evidence: Evidence, values: Mapping[str, object]
) -> bool:
    """Say whether a setting has one of the values that mark a row."""
    if column not in values:
        return False
    given = cell_text(values[column])
    wanted = {_plain(mark) for mark in marks}
    known = {cell_text(value) for value in evidence.data[column].to_numpy()} | wanted
    if given not in known:
        raise SpecError(f"{column} is {given!r}; {suggestion(given, sorted(known))}")
    return given in wanted


def _plain(mark: str) -> str:
    """Spell a mark as `cell_text` spells a cell of a numeric column."""
    try:
        return cell_text(float(mark))
    except ValueError:
        return mark
