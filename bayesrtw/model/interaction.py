"""Interactions: a moderator whose effect differs by another one, or by the design of the studies."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from bayesrtw.errors import Finding, SpecError
from bayesrtw.evidence.table import Evidence
from bayesrtw.model.contract import Prior, normal, single
from bayesrtw.model.levels import Levels, MissingLevels, marked
from bayesrtw.model.moderator import Categorical, allocated, has_column
from bayesrtw.model.prior import Normal
from bayesrtw.model.term import Contribution, Facts, Fixed, Group, Hyper, Moderator
from bayesrtw.model.unreported import Unreported
from bayesrtw.registry import component

if TYPE_CHECKING:
    from pytensor.tensor import TensorVariable

Array = NDArray[np.float64]
Index = NDArray[np.intp]

#: Prior SD of an interaction on log ratio scales: half of the 0.25 of a moderator's own levels, because
#: effects that differ by two things at once are rarer and smaller, and there are fewer rows to tell.
HALF = 0.125


@dataclass(frozen=True, slots=True)
class _Side:
    """One of the two columns as levels: who has which, and contrasts that sum to zero."""

    names: tuple[str, ...]
    index: Index
    contrasts: Array


@component("term", "interaction")
@dataclass(frozen=True, slots=True)
class Interaction:
    """How much a moderator's level effects differ by another moderator, or among marked rows.

    Two categorical columns: one effect a cell, with sums of zero over either column, jointly
    N(0, sd^2 (I - 11'/K) x (I - 11'/L)). With `values`, `by` marks rows instead, as `Indicator` does:
    the K effects are those of marked rows alone and sum to zero, so that the level effects of the
    other rows stay as they are.

    Parameters
    ----------
    column
        The moderator: a text column of the evidence, without empty cells.
    by
        The other column.
    prior
        `Normal` with mean 0; its sd is the prior SD of one effect before centring.
    values
        Values of `by` that mark a row; without them `by` is categorical.
    name
        What marked rows are called in results; needed with `values`.
    rest
        What the other rows are called.
    main
        Prior of the level effects of `column` themselves, if this term carries them: then no other
        term may, and the differences between levels are reported on each side (``rest`` and
        ``name``) beside the differences of these differences. Only with `values`.
    groups, by_groups
        How values of `column` and of `by` are collapsed, as in `Categorical`.
    missing
        Which values of `column` say that the level is missing, as in `Categorical`; only with `main`, so that
        no other term reads them as levels.

    References
    ----------
    .. [1] Half the scale of main effects: a reasoned default of this package, not a standard.

    Examples
    --------
    >>> from bayesrtw.model.prior import Normal
    >>> term = Interaction("workplace", "design", values=("cohort",), name="cohort")
    >>> term.label, term.prior
    ('workplace:cohort', Normal(mean=0.0, sd=0.125))
    """

    column: str
    by: str
    prior: Prior = field(default_factory=lambda: Normal(0.0, HALF))
    values: tuple[str, ...] = ()
    name: str = ""
    rest: str = "others"
    main: Prior | None = None
    groups: tuple[Group, ...] = ()
    by_groups: tuple[Group, ...] = ()
    missing: MissingLevels | None = None

    def __post_init__(self) -> None:
        for prior in (self.prior, self.main):
            if prior is not None and (normal(prior) or (1.0,))[0] != 0:
                raise SpecError(
                    f"interaction {self.column!r} by {self.by!r} needs normal priors with mean 0 (effects "
                    "sum to zero)."
                )
        if self.column == self.by:
            raise SpecError(f"interaction of {self.column!r} with itself; name two columns.")
        if bool(self.values) != bool(self.name):
            raise SpecError(
                f"interaction {self.column!r} by {self.by!r} has "
                f"{'values and no name' if self.values else 'a name and no values'}; give both, so that "
                "marked rows have a name, or neither."
            )
        if self.main is not None and not self.values:
            raise SpecError(
                f"interaction {self.column!r} by {self.by!r} has main and no values; with two categorical "
                "columns the level effects belong to categorical terms of their own."
            )
        if self.by_groups and self.values:
            raise SpecError("by_groups and values are both given; values already make two groups.")
        if self.missing is not None and self.main is None:
            raise SpecError(
                f"interaction {self.column!r} by {self.by!r} has missing and no main; level effects of one "
                "column belong to one term where levels are missing: give main."
            )
        for column, groups in ((self.column, self.groups), (self.by, self.by_groups)):
            Categorical(column, self.prior, groups)
        odd = sorted({sign for sign in self.name + self.rest if sign in "/[]"})
        if odd:
            raise SpecError(f"name and rest hold {', '.join(odd)}; use other signs.")

    @property
    def label(self) -> str:
        """What the interaction is called: ``column:name``, or ``column:by``."""
        return f"{self.column}:{self.name or self.by}"

    @property
    def _variable(self) -> str:
        """Name inside a PyMC graph, where a colon would be in the way."""
        return f"{self.column}_by_{self.name or self.by}"

    @property
    def facts(self) -> Facts:
        """See `Term`: level effects that it carries itself are its own, others it modifies."""
        silent = () if self.missing is None else self.missing.values
        first = Moderator(self.column, self.column, "levels", self.groups, missing=silent)
        second = (
            Moderator(self.name, self.by, "rows", values=self.values)
            if self.values
            else Moderator(self.by, self.by, "levels", self.by_groups)
        )
        own = (Moderator(self.label, self.column, "other"),)
        if self.main is not None:
            return Facts(moderators=(*own, first), modifies=(second,))
        return Facts(moderators=own, modifies=(first, second))

    def _categoricals(self) -> tuple[Categorical, ...]:
        first = Categorical(self.column, self.prior, self.groups, self.missing)
        return (
            (first,) if self.values else (first, Categorical(self.by, self.prior, self.by_groups))
        )

    def faults(self, evidence: Evidence) -> list[str]:
        found = [fault for each in self._categoricals() for fault in each.faults(evidence)]
        return [*found, *(has_column(evidence, self.by) if self.values else [])]

    def findings(self, evidence: Evidence) -> list[Finding]:
        first, second = _side(self._categoricals()[0], evidence), self._second(evidence)
        if min(len(first.names), len(second.names)) == 1:
            text = (
                f"The interaction {self.label!r} has one level on one side: it moves nothing, and its "
                "effects are the prior's."
            )
            return [Finding("constant-moderator", "warning", text)]
        counts = np.zeros((len(first.names), len(second.names)), dtype=int)
        told = first.index >= 0
        np.add.at(counts, (first.index[told], second.index[told]), 1)
        empty, single = (
            "; ".join(
                f"{first.names[a]} and {second.names[b]}" for a, b in np.argwhere(counts == few)
            )
            for few in (0, 1)
        )
        found = self._of_levels(evidence)
        if empty:
            text = f"Cells of {self.label!r} with no row ({empty}): the priors alone speak of them."
            found.append(Finding("empty-cell", "warning", text))
        if single:
            text = f"Cells of {self.label!r} with one row ({single}): it and the priors decide."
            found.append(Finding("small-cell", "note", text))
        return found

    def _of_levels(self, evidence: Evidence) -> list[Finding]:
        """Say what there is to say of the levels, unless a term of their own says it."""
        if self.main is None:
            return []
        return self._categoricals()[0].findings(evidence)

    def hyper(self) -> Mapping[str, Hyper]:
        return {}

    def _marked(self, evidence: Evidence) -> Array:
        return evidence.matches(self.by, self.values).astype(np.float64)

    def _second(self, evidence: Evidence) -> _Side:
        if not self.values:
            return _side(self._categoricals()[1], evidence)
        marked = self._marked(evidence).astype(np.intp)
        names = (self.rest, self.name)
        present = np.unique(marked)
        position = np.searchsorted(present, marked)
        return _Side(tuple(names[place] for place in present), position, np.zeros((0, 0)))

    def gaussian(self, evidence: Evidence) -> Fixed:
        first = _side(self._categoricals()[0], evidence)
        precision = _precision(self.prior)
        if not self.values:
            second = self._second(evidence)
            each = first.contrasts[first.index][:, :, None]
            columns = (each * second.contrasts[second.index][:, None, :]).reshape(
                evidence.size, first.contrasts.shape[1] * second.contrasts.shape[1]
            )
            combine: Array = np.kron(first.contrasts, second.contrasts).astype(np.float64)
            precisions = np.full(columns.shape[1], precision)
            labels = _cells(self.label, first.names, second.names)
        else:
            columns = self._of_levels_of(first, evidence)[np.arange(evidence.size), first.index]
            combine = first.contrasts
            precisions = np.full(combine.shape[1], precision)
            if self.main is not None:
                both = np.kron(np.eye(2), first.contrasts)
                combine = self._reported(first.names) @ both
                precisions = np.r_[np.full(len(precisions), _precision(self.main)), precisions]
            labels = self._labels(first.names)
        unreported = self._unreported(first, evidence)
        return Fixed(
            columns=columns if unreported is None else unreported.expected(),
            mean=np.zeros(columns.shape[1]),
            precision=precisions,
            labels=labels,
            combine=combine,
            setting=lambda values: self._setting(values, evidence),
            unreported=unreported,
        )

    def _of_levels_of(self, first: _Side, evidence: Evidence) -> Array:
        """Rows of the design were each estimate of each level, shape (estimate, level, column)."""
        every = np.broadcast_to(first.contrasts, (evidence.size, *first.contrasts.shape))
        extra = every * self._marked(evidence)[:, None, None]
        return extra if self.main is None else np.concatenate([every, extra], axis=-1)

    def _unreported(self, first: _Side, evidence: Evidence) -> Unreported | None:
        """Give what is assumed of rows that do not report their level; None where all do."""
        if self.missing is None:
            return None
        levels, alternatives = Levels(first.names, first.index), self._of_levels_of(first, evidence)
        return self.missing.unreported(levels, self.column, alternatives, evidence)

    def _setting(self, values: Mapping[str, object], evidence: Evidence) -> Array:
        """Give the row of one cell; zeros where one side is at the mean over its levels."""
        sides = [each.gaussian(evidence).setting for each in self._categoricals()]
        rows = [side(values) for side in sides if side is not None]
        if not self.values:
            return np.asarray(np.kron(*rows), dtype=np.float64)
        extra = rows[0] * marked(self.by, self.values, evidence, values)
        return extra if self.main is None else np.r_[rows[0], extra]

    def _labels(self, names: tuple[str, ...]) -> tuple[str, ...]:
        """Name what is reported of marked rows, in the order of `_reported`."""
        if self.main is None:
            return tuple(f"{self.label}[{name}]" for name in names)
        pairs = [f"{names[a]} - {names[b]}" for a, b in combinations(range(len(names)), 2)]
        return (
            *(f"{self.column}[{name}]" for name in names),
            *(f"{self.label}[{name}]" for name in names),
            *(f"{self.column} in {self.rest}[{pair}]" for pair in pairs),
            *(f"{self.column} in {self.name}[{pair}]" for pair in pairs),
            *(f"{self.label}[{pair}]" for pair in pairs),
        )

    def _reported(self, names: tuple[str, ...]) -> Array:
        """Give what is reported as combinations of level effects and of their differences."""
        count = len(names)
        unit = np.eye(count)
        pairs = np.array([unit[a] - unit[b] for a, b in combinations(range(count), 2)])
        pairs = pairs.reshape(-1, count)
        none = np.zeros_like(pairs)
        return np.vstack(
            [
                np.eye(2 * count),
                np.hstack([pairs, none]),
                np.hstack([pairs, pairs]),
                np.hstack([none, pairs]),
            ]
        )

    def pymc(self, evidence: Evidence) -> Contribution:
        import pymc as pm  # noqa: PLC0415
        import pytensor.tensor as pt  # noqa: PLC0415

        first, second = _side(self._categoricals()[0], evidence), self._second(evidence)
        place = pm.Data(f"{self._variable}_index", first.index)
        if not self.values:
            other = pm.Data(f"{self._variable}_by_index", second.index)
            shape = (len(first.names), len(second.names))
            cells: TensorVariable = (
                pm.ZeroSumNormal(
                    f"beta_{self._variable}", sigma=_sd(self.prior), n_zerosum_axes=2, shape=shape
                )
                if min(shape) > 1
                else pt.zeros(shape)
            )
            return Contribution(cells[place, other], cells.flatten())
        marked = pm.Data(f"{self._variable}_values", self._marked(evidence))
        extra = _levels(f"beta_{self._variable}", self.prior, len(first.names))
        if self.main is None:
            return Contribution(extra[place] * marked, extra)
        own = _levels(f"beta_{self.column}", self.main, len(first.names))
        reported = pt.dot(self._reported(first.names), pt.concatenate([own, extra]))
        unreported = self._unreported(first, evidence)
        each = own[place] + extra[place] * marked
        if unreported is None:
            return Contribution(each, reported)
        shift = own + extra * marked[unreported.silent][:, None]
        of_rows = pt.where(first.index >= 0, each, 0.0)
        return Contribution(of_rows, reported, allocation=allocated(unreported, shift))


def _side(categorical: Categorical, evidence: Evidence) -> _Side:
    """Read levels and contrasts off a categorical term, so that both engines share its order."""
    levels = categorical.levels(evidence)
    return _Side(levels.names, levels.index, categorical.contrasts(evidence))


def _cells(label: str, first: tuple[str, ...], second: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(f"{label}[{one} & {other}]" for one in first for other in second)


def _sd(prior: Prior) -> float:
    return (single(prior) or (0.0, 0.0))[1]


def _precision(prior: Prior) -> float:
    return _sd(prior) ** -2


def _levels(name: str, prior: Prior, count: int) -> "TensorVariable":
    """Level effects that sum to zero; with one level there are none."""
    import pymc as pm  # noqa: PLC0415
    import pytensor.tensor as pt  # noqa: PLC0415

    found: TensorVariable = (
        pm.ZeroSumNormal(name, sigma=_sd(prior), shape=count) if count > 1 else pt.zeros(1)
    )
    return found
