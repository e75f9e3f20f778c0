"""Fixed terms: the pooled mean and what moves it."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import null_space

from bayesrtw.dims import ESTIMATE
from bayesrtw.errors import Finding, SpecError, shown
from bayesrtw.evidence.table import Evidence
from bayesrtw.model.contract import NormalParts, Prior, normal, single
from bayesrtw.model.levels import Levels, MissingLevels, cell_text, levels_of, marked
from bayesrtw.model.term import (
    Allocation,
    Contribution,
    Counts,
    Facts,
    Fixed,
    Group,
    Hyper,
    Moderator,
)
from bayesrtw.model.unreported import Unreported
from bayesrtw.model.values import Filled, MissingValues
from bayesrtw.registry import component, suggestion

if TYPE_CHECKING:
    from pytensor.tensor import TensorVariable

Array = NDArray[np.float64]


def _moments(prior: Prior) -> tuple[float, float]:
    """Mean and precision of a normal prior; zeros of a flat one or a mixture."""
    mean, sd = single(prior) or (0.0, math.inf)
    return mean, sd**-2.0


def _mixture(prior: Prior) -> NormalParts | None:
    """Give the normals of a prior that is a mixture of several."""
    return None if single(prior) else prior.normals


def has_column(evidence: Evidence, column: str) -> list[str]:
    """Say what is wrong if evidence lacks a column."""
    if column in evidence.data:
        return []
    have = [str(name) for name in evidence.data.data_vars]
    return [f"{evidence.where}: no column {column!r}; {suggestion(column, have)}"]


@component("term", "intercept")
@dataclass(frozen=True, slots=True)
class Intercept:
    """The pooled mean `mu`; with categorical moderators each level counts once in it.

    The mean in which each study counts once, at its own levels and covariates, is `mu_studies`.

    Parameters
    ----------
    prior
        `Normal`, `Flat`, or a mixture of normals (`StudentT`, `NormalMixture`), on the analysis
        scale; of `mu`, whichever mean is the headline.
    mean
        What counts once in the pooled mean that is the headline, where the model has moderators:
        ``"levels"``, so that it is `mu`, or ``"studies"``, so that it is `mu_studies`.
    """

    prior: Prior
    mean: Counts = "levels"

    def __post_init__(self) -> None:
        if self.prior.normals is None:
            _normal_or_flat(self.prior, "intercept")

    @property
    def facts(self) -> Facts:
        return Facts(mean=True, mean_setting="prior", counts=self.mean)

    def faults(self, evidence: Evidence) -> list[str]:  # noqa: ARG002
        return []

    def findings(self, evidence: Evidence) -> list[Finding]:  # noqa: ARG002
        return []

    def hyper(self) -> Mapping[str, Hyper]:
        return {}

    def gaussian(self, evidence: Evidence) -> Fixed:
        mean, precision = _moments(self.prior)
        return Fixed(
            columns=np.ones((evidence.size, 1)),
            mean=np.array([mean]),
            precision=np.array([precision]),
            labels=("mu",),
            combine=np.ones((1, 1)),
            intercept=True,
            mixture=_mixture(self.prior),
            setting=lambda _: np.ones(1),
        )

    def pymc(self, evidence: Evidence) -> Contribution:  # noqa: ARG002
        return Contribution(self.prior.pymc("mu"), None)


@component("term", "linear")
@dataclass(frozen=True, slots=True)
class Linear:
    """A numeric moderator with one slope.

    Parameters
    ----------
    column
        A numeric column of the evidence, without empty cells unless `missing` says what is assumed of them.
    prior
        `Normal` or `Flat`, for the slope: analysis scale for each `per` of the column.
    centre
        Whether the column is centred at its mean over the estimates, so that `mu` is the effect
        there.
    at
        The value at which `mu` is the effect, in place of the mean: it stays when studies are added.
    per
        How many units of the column the slope is of, such as 10 for decades.
    standardise
        Whether the slope is of one SD of the column over the estimates, in place of `per`.
    missing
        What is assumed of values that rows do not report, which have an empty cell; None allows none.

    Raises
    ------
    SpecError
        If the prior is another one, `per` is not positive, or both it and `standardise` are given.
    """

    column: str
    prior: Prior
    centre: bool = True
    at: float | None = None
    per: float = 1.0
    standardise: bool = False
    missing: MissingValues | None = None

    def __post_init__(self) -> None:
        _normal_or_flat(self.prior, f"moderator {self.column!r}")
        if not (self.per > 0 and math.isfinite(self.per)):
            raise SpecError(
                f"per of {self.column!r} must be a positive number; found {self.per!r}."
            )
        if self.standardise and self.per != 1.0:
            raise SpecError(f"moderator {self.column!r} has per and standardise; give one of them.")

    @property
    def facts(self) -> Facts:
        unit = "SD" if self.standardise else "unit" if self.per == 1.0 else f"{self.per:g}"
        centred = self.centre and self.at is None
        return Facts(
            moderators=(
                Moderator(
                    self.column,
                    self.column,
                    "line",
                    centred=centred,
                    zero=self.at or 0.0,
                    unit=unit,
                ),
            )
        )

    def faults(self, evidence: Evidence) -> list[str]:
        missing = has_column(evidence, self.column)
        if missing:
            return missing
        values = evidence.data[self.column].to_numpy()
        if values.dtype == object:
            return [
                f"{evidence.where}: column {self.column!r} holds text, found "
                f"{shown(sorted({str(v) for v in values}))}; a linear moderator needs numbers: use "
                'kind = "categorical".'
            ]
        if self.missing is not None and not np.any(np.isinf(values)):
            return self.missing.faults(self.column, evidence)
        empty = np.flatnonzero(~np.isfinite(values))
        if len(empty):
            names = evidence.data[ESTIMATE].to_numpy()[empty]
            return [
                f"{evidence.where}: column {self.column!r} is empty or infinite in {len(empty)} rows "
                f"({shown(str(name) for name in names)}); select rows that have it."
            ]
        return []

    def findings(self, evidence: Evidence) -> list[Finding]:
        values = evidence.data[self.column].to_numpy()
        if self.missing is not None and np.isnan(values).any():
            return self.missing.findings(self.column, evidence)
        if np.ptp(values) > 0:
            return []
        text = (
            f"Moderator {self.column!r} has one value ({values[0]:g}) in all rows: its slope's "
            "posterior is its prior."
        )
        return [Finding("constant-moderator", "warning", text)]

    def hyper(self) -> Mapping[str, Hyper]:
        return {}

    def _scale(self, evidence: Evidence) -> tuple[float, float]:
        """Give where the column is 0, and how much of it is one."""
        values = np.asarray(evidence.data[self.column].to_numpy(), dtype=np.float64)
        centre = float(np.nanmean(values)) if self.centre else 0.0
        # A column of one value has no SD; its slope is its prior either way.
        per = (float(np.nanstd(values)) or 1.0) if self.standardise else self.per
        return centre if self.at is None else self.at, per

    def _values(self, evidence: Evidence) -> Filled:
        """Give values, centred and scaled; where they are missing their means, with SDs."""
        centre, per = self._scale(evidence)
        values = np.asarray(evidence.data[self.column].to_numpy(), dtype=np.float64)
        filled = (
            (self.missing or MissingValues()).filled(values, evidence)
            if np.isnan(values).any()
            else Filled(values, np.zeros(len(values)))
        )
        return Filled((filled.mean - centre) / per, filled.sd / per)

    def gaussian(self, evidence: Evidence) -> Fixed:
        mean, precision = _moments(self.prior)
        centre, per = self._scale(evidence)

        def setting(values: Mapping[str, object]) -> Array:
            if self.column not in values:
                return np.zeros(1)
            value = values[self.column]
            if not isinstance(value, int | float | np.number) or not np.isfinite(float(value)):
                raise SpecError(
                    f"{self.column} is {value!r}; it is a numeric moderator: give a number."
                )
            return np.array([(float(value) - centre) / per])

        filled = self._values(evidence)
        return Fixed(
            columns=filled.mean[:, None],
            uncertain=filled.sd if filled.sd.any() else None,
            mean=np.array([mean]),
            precision=np.array([precision]),
            labels=(self.column,),
            combine=np.ones((1, 1)),
            setting=setting,
        )

    def pymc(self, evidence: Evidence) -> Contribution:
        import pymc as pm  # noqa: PLC0415
        import pytensor.tensor as pt  # noqa: PLC0415

        filled = self._values(evidence)
        rows = np.flatnonzero(filled.sd)
        if not len(rows):
            return _slope(self.prior, self.column, filled.mean)
        # Sampled around their means in SDs: what is not known of them moves with the slope.
        away = pm.Normal(f"{self.column}_missing", shape=len(rows))
        slope: TensorVariable = self.prior.pymc(f"beta_{self.column}")
        values = pt.set_subtensor(
            pt.as_tensor(filled.mean)[rows], filled.mean[rows] + filled.sd[rows] * away
        )
        return Contribution(slope * values, slope[None])


@component("term", "indicator")
@dataclass(frozen=True, slots=True)
class Indicator:
    """The difference of some rows from all others, so that `mu` speaks of the others.

    Parameters
    ----------
    name
        What the difference is called in results.
    column
        A text column of the evidence.
    values
        The values that mark a row, e.g. ``["cohort", "non_randomised"]`` of ``design``.
    prior
        `Normal` or `Flat`, for the difference on the analysis scale.
    """

    name: str
    column: str
    values: tuple[str, ...]
    prior: Prior

    def __post_init__(self) -> None:
        _normal_or_flat(self.prior, f"indicator {self.name!r}")
        if not self.values:
            raise SpecError("values is empty; name at least one value that marks a row.")

    @property
    def facts(self) -> Facts:
        return Facts(moderators=(Moderator(self.name, self.column, "rows", values=self.values),))

    def faults(self, evidence: Evidence) -> list[str]:
        return has_column(evidence, self.column)

    def findings(self, evidence: Evidence) -> list[Finding]:
        marked = self._values(evidence)
        if 0 < marked.sum() < len(marked):
            return []
        which = "all rows" if marked.any() else "no row"
        text = (
            f"The difference {self.name!r} marks {which}: it cannot be told from "
            f"{'the pooled mean' if marked.any() else 'its prior'} by these data."
        )
        return [Finding("constant-moderator", "warning", text)]

    def hyper(self) -> Mapping[str, Hyper]:
        return {}

    def _values(self, evidence: Evidence) -> Array:
        return evidence.matches(self.column, self.values).astype(np.float64)

    def gaussian(self, evidence: Evidence) -> Fixed:
        mean, precision = _moments(self.prior)
        return Fixed(
            columns=self._values(evidence)[:, None],
            mean=np.array([mean]),
            precision=np.array([precision]),
            labels=(self.name,),
            combine=np.ones((1, 1)),
            setting=lambda values: np.array(
                [marked(self.column, self.values, evidence, values)], dtype=np.float64
            ),
        )

    def pymc(self, evidence: Evidence) -> Contribution:
        return _slope(self.prior, self.name, self._values(evidence))


@component("term", "categorical")
@dataclass(frozen=True, slots=True)
class Categorical:
    """A categorical moderator with level effects that sum to zero.

    The K effects are jointly N(0, sd^2 (I - 11'/K)): the same prior for every level, whichever
    comes first.

    Parameters
    ----------
    column
        A text column of the evidence, without empty cells.
    prior
        `Normal` with mean 0; its sd is the prior SD of one level's effect before centring.
    groups
        How values are collapsed to fewer levels; every value that occurs must belong to one. Without
        groups every value is a level, in alphabetical order.
    missing
        Which values say that the level is missing, and what is assumed of it then; None takes every value
        for a level, and no empty cell.
    """

    column: str
    prior: Prior
    groups: tuple[Group, ...] = ()
    missing: MissingLevels | None = None

    def __post_init__(self) -> None:
        if (normal(self.prior) or (1.0,))[0] != 0:
            raise SpecError(
                f"categorical {self.column!r} needs a normal prior with mean 0 (level effects sum to "
                "zero)."
            )
        members = [member for group in self.groups for member in group.members]
        twice = sorted({member for member in members if members.count(member) > 1})
        if twice:
            raise SpecError(f"{shown(twice)} of {self.column!r} belong to two groups; choose one.")
        both = sorted(set(members) & set(self._silent))
        if both:
            raise SpecError(
                f"{shown(both)} of {self.column!r} belong to a group and to missing; choose one."
            )

    @property
    def _silent(self) -> tuple[str, ...]:
        """Values that are no level."""
        return () if self.missing is None else self.missing.values

    @property
    def facts(self) -> Facts:
        own = Moderator(self.column, self.column, "levels", self.groups, missing=self._silent)
        return Facts(moderators=(own,))

    def faults(self, evidence: Evidence) -> list[str]:
        missing = has_column(evidence, self.column)
        if missing:
            return missing
        values = [cell_text(value) for value in evidence.data[self.column].to_numpy()]
        faults = []
        if "" in values and "" not in self._silent:
            names = evidence.data[ESTIMATE].to_numpy()[[value == "" for value in values]]
            faults.append(
                f"{evidence.where}: column {self.column!r} is empty in rows "
                f"{shown(str(name) for name in names)}; select rows that have it, or give the empty "
                "ones a value of their own."
            )
        if self.groups:
            known = {member for group in self.groups for member in group.members}
            loose = sorted(set(values) - known - {"", *self._silent})
            if loose:
                faults.append(
                    f"{evidence.where}: {shown(loose)} of {self.column!r} belong to no group; add "
                    "them to one, or leave these rows out."
                )
        if self.missing is not None and not faults:
            faults += self.missing.faults(self.levels(evidence), self.column, evidence)
        return faults

    def findings(self, evidence: Evidence) -> list[Finding]:
        levels = self.levels(evidence)
        labels, index = levels.names, levels.index[levels.index >= 0]
        found = [
            Finding("collapsed-levels", "note", self._collapsed(group, evidence))
            for group in self.groups
            if group.name in labels and len(group.members) > 1
        ]
        if len(labels) == 1:
            text = (
                f"Moderator {self.column!r} has one level ({labels[0]!r}): it moves nothing, and its "
                "level mean is the pooled mean."
            )
            found.append(Finding("one-level", "warning", text))
        small = [
            f"{label} ({count})"
            for label, count in zip(labels, np.bincount(index), strict=True)
            if count < 3
        ]
        if small and len(labels) > 1:
            text = (
                f"Levels of {self.column!r} with fewer than 3 rows: {', '.join(small)}. Their means "
                "lean on the prior."
            )
            found.append(Finding("small-level", "note", text))
        if self.missing is not None:
            found += self.missing.findings(levels, self.column, evidence)
        return found

    def _collapsed(self, group: Group, evidence: Evidence) -> str:
        present = {cell_text(value) for value in evidence.data[self.column].to_numpy()}
        members = ", ".join(member for member in group.members if member in present)
        return f"{self.column} level {group.name!r} is {members}: {group.reason}"

    def hyper(self) -> Mapping[str, Hyper]:
        return {}

    def levels(self, evidence: Evidence) -> Levels:
        """Give the levels that occur, and which of them each row has."""
        return levels_of(self.column, self.groups, evidence, self._silent)

    def contrasts(self, evidence: Evidence) -> Array:
        """Give the effects of the levels as combinations of coefficients, shape (level, column)."""
        count = len(self.levels(evidence).names)
        return _fixed_sign(null_space(np.ones((1, count))))

    def gaussian(self, evidence: Evidence) -> Fixed:
        levels, contrasts = self.levels(evidence), self.contrasts(evidence)
        labels = levels.names
        _, precision = _moments(self.prior)
        count = contrasts.shape[1]
        alternatives = np.broadcast_to(contrasts, (evidence.size, *contrasts.shape))
        unreported = self.unreported(levels, alternatives, evidence)
        return Fixed(
            columns=contrasts[levels.index] if unreported is None else unreported.expected(),
            mean=np.zeros(count),
            precision=np.full(count, precision),
            labels=tuple(f"{self.column}[{label}]" for label in labels),
            combine=contrasts,
            levels=levels.of_rows,
            setting=lambda values: self._setting(values, labels, contrasts),
            unreported=unreported,
        )

    def unreported(
        self, levels: Levels, alternatives: Array, evidence: Evidence
    ) -> Unreported | None:
        """Give what is assumed of rows that do not report their level; None where all do."""
        if self.missing is None:
            return None
        return self.missing.unreported(levels, self.column, alternatives, evidence)

    def _setting(
        self, values: Mapping[str, object], labels: Sequence[str], contrasts: Array
    ) -> Array:
        """Give the row of one level; the mean over levels where none is named."""
        if self.column not in values:
            return np.zeros(contrasts.shape[1])
        name = cell_text(values[self.column])
        level = {member: group.name for group in self.groups for member in group.members}.get(
            name, name
        )
        if level not in labels:
            raise SpecError(f"{self.column} is {name!r}; {suggestion(name, labels)}")
        return np.asarray(contrasts[list(labels).index(level)], dtype=np.float64)

    def pymc(self, evidence: Evidence) -> Contribution:
        import pymc as pm  # noqa: PLC0415
        import pytensor.tensor as pt  # noqa: PLC0415

        levels = self.levels(evidence)
        data = pm.Data(f"{self.column}_index", levels.index)
        if len(levels.names) == 1:
            effects = pt.zeros(1)
        else:
            _, sd = single(self.prior) or (0.0, 0.0)
            effects = pm.ZeroSumNormal(f"beta_{self.column}", sigma=sd, shape=len(levels.names))
        alternatives = np.zeros((evidence.size, len(levels.names), 0))
        unreported = self.unreported(levels, alternatives, evidence)
        if unreported is None:
            return Contribution(effects[data], effects)
        rows = unreported.silent
        shift = pt.broadcast_to(effects, (len(rows), len(levels.names)))
        of_rows = pt.where(levels.index >= 0, effects[data], 0.0)
        return Contribution(of_rows, effects, allocation=allocated(unreported, shift))


def allocated(unreported: Unreported, shift: "TensorVariable") -> Allocation:
    """Add shares of levels to the PyMC model in context, and give what silent rows may be.

    `shift` says what each of their levels adds to the effect, shape (row, level).
    """
    import pymc as pm  # noqa: PLC0415
    import pytensor.tensor as pt  # noqa: PLC0415

    rows, weight = unreported.silent, []
    strata = unreported.stratum[rows]
    shares = {
        stratum: pm.Dirichlet(f"{unreported.column}_shares_{stratum}", a=unreported.known(stratum))
        for stratum in np.unique(strata).tolist()
    }
    for stratum in strata.tolist():
        odds = shares[stratum] * np.exp(unreported.delta)
        weight.append(odds / pt.sum(odds))
    return Allocation(rows, pt.stack(weight), shift, pt.zeros_like(shift), of_effects=True)


def _fixed_sign(basis: Array) -> Array:
    """Give each basis vector a positive largest entry, so that results do not hang on the library."""
    if not basis.size:
        return basis
    largest = np.argmax(np.abs(np.round(basis, 12)), axis=0)
    signs = np.sign(basis[largest, np.arange(basis.shape[1])])
    return np.asarray(basis * signs)


def _normal_or_flat(prior: Prior, what: str) -> None:
    if single(prior) is None:
        raise SpecError(f"{what} needs a normal or flat prior; found {type(prior).__name__}.")


def _slope(prior: Prior, name: str, values: Array) -> Contribution:
    import pymc as pm  # noqa: PLC0415

    slope: TensorVariable = prior.pymc(f"beta_{name}")
    return Contribution(slope * pm.Data(f"{name}_values", values), slope[None])
