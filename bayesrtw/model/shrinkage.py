"""Many moderators at once, of which most matter little: shrinkage priors, sampled by NUTS."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from bayesrtw.dims import ESTIMATE
from bayesrtw.errors import Finding, SpecError, shown
from bayesrtw.evidence.table import Evidence
from bayesrtw.model.levels import cell_text
from bayesrtw.model.moderator import has_column
from bayesrtw.model.term import Contribution, Facts, Fixed, Hyper, Moderator
from bayesrtw.registry import component, suggestion

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class _Coefficient:
    """One coefficient: its label, its column, its level (None of numbers), and how it is standardised."""

    label: str
    column: str
    level: str | None
    centre: float
    scale: float

    def of(self, value: object) -> float:
        """Give the entry of a row of the design that a cell makes."""
        own: Any = value if self.level is None else cell_text(value) == self.level
        return (float(own) - self.centre) / self.scale


@dataclass(frozen=True, slots=True)
class _Standardised:
    """Columns of a design: numbers per SD and centred, text as one mark a level, each level once."""

    columns: tuple[str, ...]
    levels: tuple[str, ...]

    def stated(self) -> None:
        """Refuse columns that stand twice, and a single one."""
        every = [*self.columns, *self.levels]
        if len(set(every)) < max(2, len(every)):
            raise SpecError(
                f"columns and levels are {every}; name at least two, each once: a single moderator has a "
                "prior of its own."
            )

    def facts(self) -> Facts:
        """Say what they move."""
        numbers = [Moderator(name, name, "line", centred=True) for name in self.columns]
        return Facts(
            moderators=(*numbers, *(Moderator(name, name, "levels") for name in self.levels))
        )

    def faults(self, evidence: Evidence) -> list[str]:
        """Name columns that are missing, hold text in place of numbers, or have empty cells."""
        faults = []
        for name in (*self.columns, *self.levels):
            missing = has_column(evidence, name)
            faults += missing
            if missing:
                continue
            values = evidence.data[name].to_numpy()
            if name in self.columns and values.dtype == object:
                faults.append(f"{evidence.where}: column {name!r} holds text; name it in levels.")
                continue
            empty = [cell_text(value) in ("", "inf", "-inf") for value in values]
            if any(empty):
                rows = evidence.data[ESTIMATE].to_numpy()[empty]
                faults.append(
                    f"{evidence.where}: column {name!r} is empty in rows {shown(map(str, rows))}; select "
                    "rows that have it."
                )
        return faults

    def parts(self, evidence: Evidence) -> list[_Coefficient]:
        """Give the coefficients."""
        found = []
        for name in self.columns:
            numbers = evidence.data[name].to_numpy().astype(np.float64)
            scale = float(numbers.std()) or 1.0
            found.append(_Coefficient(f"{name} (per SD)", name, None, float(numbers.mean()), scale))
        for name in self.levels:
            known = sorted({cell_text(value) for value in evidence.data[name].to_numpy()})
            found += [
                _Coefficient(f"{name}[{level}]", name, level, 1 / len(known), 1.0)
                for level in known
            ]
        return found

    def design(self, evidence: Evidence) -> Array:
        """Give the columns, shape (estimate, coefficient)."""
        return np.column_stack(
            [
                [each.of(value) for value in evidence.data[each.column].to_numpy()]
                for each in self.parts(evidence)
            ]
        )

    def fixed(self, evidence: Evidence, sd: float) -> Fixed:
        """Give names and columns; the prior is only near, and marked as sampled."""
        parts = self.parts(evidence)
        count = len(parts)

        def setting(values: Mapping[str, object]) -> Array:
            for name in values.keys() & {*self.columns, *self.levels}:
                value, known = (
                    values[name],
                    [each.level or "" for each in parts if each.column == name],
                )
                if name in self.levels and cell_text(value) not in known:
                    raise SpecError(f"{name} is {value!r}; {suggestion(cell_text(value), known)}")
                number = isinstance(value, int | float | np.number) and np.isfinite(float(value))
                if name in self.columns and not number:
                    raise SpecError(
                        f"{name} is {value!r}; it is a numeric moderator: give a number."
                    )
            return np.array(
                [each.of(values[each.column]) if each.column in values else 0.0 for each in parts]
            )

        return Fixed(
            columns=self.design(evidence),
            mean=np.zeros(count),
            precision=np.full(count, sd**-2.0),
            labels=tuple(each.label for each in parts),
            combine=np.eye(count),
            setting=setting,
            sampled=True,
        )

    def seen(self, evidence: Evidence, name: str, coefficients: Any) -> Contribution:
        """Add what the coefficients move to a PyMC graph."""
        import pymc as pm  # noqa: PLC0415

        rows = pm.Data(f"{name}_columns", self.design(evidence))
        return Contribution(rows @ coefficients, coefficients)


def _half_cauchy(name: str, scale: float, count: int | None = None) -> Any:
    """Half-Cauchy as a half-normal over a root of a gamma: the sampler finds its tail so."""
    import pymc as pm  # noqa: PLC0415
    import pytensor.tensor as pt  # noqa: PLC0415

    above = pm.HalfNormal(f"horseshoe_{name}_above", 1.0, shape=count)
    below = pm.Gamma(f"horseshoe_{name}_below", 0.5, 0.5, shape=count)
    return scale * above / pt.sqrt(below)


def _positive(found: Mapping[str, float]) -> None:
    for name, value in found.items():
        if not (np.isfinite(value) and value > 0):
            raise SpecError(f"{name} must be a positive number; found {value!r}.")


class _Shrunk(Protocol):
    """Many moderators whose prior a sampler alone knows."""

    columns: tuple[str, ...]
    levels: tuple[str, ...]

    @property
    def facts(self) -> Facts:
        return _Standardised(self.columns, self.levels).facts()

    def faults(self, evidence: Evidence) -> list[str]:
        return _Standardised(self.columns, self.levels).faults(evidence)

    def findings(self, evidence: Evidence) -> list[Finding]:  # noqa: ARG002
        return []

    def hyper(self) -> Mapping[str, Hyper]:
        """See `Term`; scales and shares are sampled and not reported."""
        return {}


@component("term", "horseshoe")
@dataclass(frozen=True, slots=True)
class Horseshoe(_Shrunk):
    """Many moderators with a regularised horseshoe prior: most near zero, a few free.

    ``b_j ~ N(0, g^2 l_j^2 c^2 / (c^2 + g^2 l_j^2))`` with ``l_j ~ half-Cauchy(1)``,
    ``g ~ half-Cauchy(scale)`` and ``c^2 ~ inverse-gamma(slab_df / 2, slab_df slab^2 / 2)`` [1]_. Numbers are
    standardised: a coefficient is the effect of one SD of its column over the estimates. Every level of a
    text column has one. `mu` is the effect at the means of the numbers, with each level once. NUTS alone
    samples it.

    Parameters
    ----------
    columns
        Numeric columns of the evidence, without empty cells; with `levels` at least two in all.
    scale
        Of the global half-Cauchy, analysis scale: how large a coefficient of those near zero may be. For
        ``p0`` of ``p`` coefficients that matter, ``p0 / (p - p0)`` times the typical standard error over
        the root of the number of estimates [1]_.
    slab
        Scale of coefficients that matter, analysis scale.
    slab_df
        Degrees of freedom of the slab.
    levels
        Text columns of the evidence, without empty cells.

    Raises
    ------
    SpecError
        If columns are fewer than two or stand twice, or a scale is not positive.

    References
    ----------
    .. [1] Piironen J, Vehtari A (2017). Electronic Journal of Statistics 11:5018-5051.
       doi:10.1214/17-EJS1337SI

    Examples
    --------
    >>> Horseshoe(("year", "weeks"), scale=0.05, slab=0.5, levels=("design",)).slab_df
    4.0
    """

    columns: tuple[str, ...]
    scale: float
    slab: float
    slab_df: float = 4.0
    levels: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        _Standardised(self.columns, self.levels).stated()
        _positive({"scale": self.scale, "slab": self.slab, "slab_df": self.slab_df})

    def gaussian(self, evidence: Evidence) -> Fixed:
        return _Standardised(self.columns, self.levels).fixed(evidence, self.slab)

    def pymc(self, evidence: Evidence) -> Contribution:
        import pymc as pm  # noqa: PLC0415
        import pytensor.tensor as pt  # noqa: PLC0415

        own = _Standardised(self.columns, self.levels)
        count = len(own.parts(evidence))
        overall, local = _half_cauchy("global", self.scale), _half_cauchy("local", 1.0, count)
        slab2 = pm.InverseGamma(
            "horseshoe_slab2", self.slab_df / 2, self.slab_df * self.slab**2 / 2
        )
        free = (overall * local) ** 2
        z = pm.Normal("horseshoe_z", 0.0, 1.0, shape=count)
        return own.seen(evidence, "horseshoe", z * pt.sqrt(slab2 * free / (slab2 + free)))


@component("term", "r2d2")
@dataclass(frozen=True, slots=True)
class R2D2(_Shrunk):
    """Many moderators with a prior of the share of the differences that they explain together.

    ``b_j ~ N(0, spread^2 r / (1 - r) q_j)`` with ``r ~ beta(r2_mean * r2_precision, (1 - r2_mean) *
    r2_precision)`` and ``q ~ Dirichlet(concentration)`` [1]_. Columns are treated as those of
    `Horseshoe`. NUTS alone samples it.

    Parameters
    ----------
    columns
        Numeric columns of the evidence, without empty cells; with `levels` at least two in all.
    spread
        SD of the effects that moderators do not explain, analysis scale: what `r` is a share beside.
    r2_mean, r2_precision
        Mean and precision of the share of the variance of effects that they explain.
    concentration
        Below 1 few moderators share it, above 1 all of them.
    levels
        Text columns of the evidence, without empty cells.

    Raises
    ------
    SpecError
        If columns are fewer than two or stand twice, or a setting is out of its range.

    References
    ----------
    .. [1] Zhang YD, Naughton BP, Bondell HD, Reich BJ (2022). J Am Stat Assoc 117:862-874.
       doi:10.1080/01621459.2020.1825449

    Examples
    --------
    >>> R2D2(("year", "weeks"), spread=0.25).r2_mean
    0.5
    """

    columns: tuple[str, ...]
    spread: float
    r2_mean: float = 0.5
    r2_precision: float = 2.0
    concentration: float = 0.5
    levels: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        _Standardised(self.columns, self.levels).stated()
        _positive(
            {
                "spread": self.spread,
                "r2_precision": self.r2_precision,
                "concentration": self.concentration,
            }
        )
        if not 0 < self.r2_mean < 1:
            raise SpecError(f"r2_mean must lie in (0, 1); found {self.r2_mean!r}.")

    def gaussian(self, evidence: Evidence) -> Fixed:
        return _Standardised(self.columns, self.levels).fixed(evidence, self.spread)

    def pymc(self, evidence: Evidence) -> Contribution:
        import pymc as pm  # noqa: PLC0415
        import pytensor.tensor as pt  # noqa: PLC0415

        own = _Standardised(self.columns, self.levels)
        count = len(own.parts(evidence))
        r = pm.Beta(
            "r2d2_share",
            self.r2_mean * self.r2_precision,
            (1.0 - self.r2_mean) * self.r2_precision,
        )
        q = pm.Dirichlet("r2d2_parts", np.full(count, self.concentration))
        z = pm.Normal("r2d2_z", 0.0, 1.0, shape=count)
        return own.seen(evidence, "r2d2", z * self.spread * pt.sqrt(r / (1.0 - r) * q))
