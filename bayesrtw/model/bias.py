"""Bias terms: what separates the estimates of some studies from the effects behind them.

Every bias is written in the direction of benefit: positive exaggerates it, whichever way the measure
points. None is part of a study's effect `theta`, of the pooled mean or of a new setting.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from bayesrtw.dims import ESTIMATE
from bayesrtw.errors import Finding, SpecError
from bayesrtw.evidence.table import Evidence
from bayesrtw.model.contract import Prior, normal
from bayesrtw.model.grouped import Varying
from bayesrtw.model.homes import find, names
from bayesrtw.model.moderator import has_column
from bayesrtw.model.term import Carried, Contribution, Facts, Fixed, Hyper, Noise, Trust
from bayesrtw.printed import STATE_IT
from bayesrtw.registry import component

if TYPE_CHECKING:
    from pytensor.tensor import TensorVariable

Array = NDArray[np.float64]

#: Column of the shares that rows keep; no heading of a table, since tables may have one called "information".
SHARE = "share kept under discounts"


@dataclass(frozen=True, slots=True)
class Studies:
    """Which rows a bias concerns.

    Parameters
    ----------
    values
        Values of the column, e.g. ``["cohort", "non_randomised"]``.
    column
        A text column of the evidence.
    judged
        Only studies whose gravest overall judgement by a listed instrument is one of these words, e.g.
        ``["high"]``; empty for all.
    """

    values: tuple[str, ...]
    column: str = "design"
    judged: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not self.values:
            raise SpecError("values is empty; name at least one value that marks a row.")

    def among(self, evidence: Evidence) -> NDArray[np.bool_]:
        """Mark the rows: gives (estimate,)."""
        found = evidence.matches(self.column, self.values)
        if not self.judged:
            return found
        return found & np.isin(judgements(evidence), self.judged)

    def described(self, evidence: Evidence) -> str:
        """Say which rows these are.

        Parameters
        ----------
        evidence
            The rows to pool.

        Returns
        -------
        str
            A count and the rule.
        """
        count = int(self.among(evidence).sum())
        judged = f", judged {' or '.join(self.judged)}" if self.judged else ""
        return f"{count} of {evidence.size} estimates ({self.column} {' or '.join(self.values)}{judged})"


def judgements(evidence: Evidence) -> NDArray[np.str_]:
    """Give the gravest overall judgement behind each row: gives (estimate,)."""
    studies = [str(study) for study in evidence.data["study"].to_numpy()]
    words = {study: evidence.judgements.gravest(study) for study in set(studies)}
    return np.array([words[study] for study in studies], dtype=str)


def orientation(evidence: Evidence) -> float:
    """Give the sign of benefit on the analysis scale."""
    if not evidence.benefit:
        raise SpecError(
            f"{evidence.where}: a bias towards benefit needs its direction: {STATE_IT}."
        )
    return 1.0 if evidence.benefit == "higher" else -1.0


def _extent(where: Studies, evidence: Evidence, what: str) -> list[Finding]:
    """Say that a bias concerns no row, or all of them."""
    rows = where.among(evidence)
    if not rows.any():
        text = f"{what} concerns no row: {where.described(evidence)}. It changes nothing."
        return [Finding("bias-unused", "warning", text)]
    if rows.all():
        text = (
            f"{what} concerns every row: what is known of the pooled mean apart from it comes from "
            "the priors alone."
        )
        return [Finding("bias-everywhere", "warning", text)]
    return []


def _known(evidence: Evidence) -> Noise:
    """Start from no bias at all."""
    zero = np.zeros(evidence.size)
    return Noise(mean=zero, variance=zero, share=np.ones(evidence.size))


def _contribution(
    rows: Array,
    centre: Any,
    *,
    reported: "TensorVariable | None" = None,
    name: str = "",
    sd: Any = 0.0,
) -> Contribution:
    """Bias some rows: by `centre`, and each by itself with an SD where there is a name."""
    import pytensor.tensor as pt  # noqa: PLC0415

    group = np.arange(len(rows), dtype=np.intp)
    varying = (Varying(name, pt.as_tensor_variable(rows * sd), group),) if name else ()
    bias = pt.as_tensor_variable(rows * centre)
    return Contribution(pt.zeros(len(rows)), reported, bias=bias, varying=varying)


@component("term", "discount")
@dataclass(frozen=True, slots=True)
class Discount:
    """Some studies keep a share of their information: sampling variances are divided by it.

    Heterogeneity is not scaled, so that many discounted studies still cannot tell more than the
    spread of effects allows. It is the power prior with that power on the sampling density alone.

    Parameters
    ----------
    studies
        Which rows.
    share
        In (0, 1]; 1 changes nothing. To leave studies out, exclude them.

    References
    ----------
    .. [1] Efthimiou et al. (2017), Statistics in Medicine 36:1210-1226, doi:10.1002/sim.7223.
    """

    studies: Studies
    share: float

    def __post_init__(self) -> None:
        if not 0 < self.share <= 1:
            raise SpecError(
                f"share must lie in (0, 1]; found {self.share!r}. To leave studies out, exclude them."
            )

    @property
    def facts(self) -> Facts:
        return Facts(trust=Trust(self.studies.column))

    def faults(self, evidence: Evidence) -> list[str]:
        return has_column(evidence, self.studies.column)

    def findings(self, evidence: Evidence) -> list[Finding]:
        text = (
            f"Discounted: {self.studies.described(evidence)} keep {100 * self.share:g} % of their "
            "information. Their sampling variances are divided by that share; heterogeneity is not "
            "scaled."
        )
        return [
            Finding("discount", "note", text),
            *_extent(self.studies, evidence, "The discount"),
        ]

    def hyper(self) -> Mapping[str, Hyper]:
        return {}

    def gaussian(self, evidence: Evidence) -> Noise:
        bare = _known(evidence)
        share = np.where(self.studies.among(evidence), self.share, 1.0)
        return Noise(bare.mean, bare.variance, share)

    def pymc(self, evidence: Evidence) -> Contribution:
        import pytensor.tensor as pt  # noqa: PLC0415

        return Contribution(pt.zeros(evidence.size), None)


@component("term", "additive_bias")
@dataclass(frozen=True, slots=True)
class AdditiveBias:
    """Biases with stated mean and SD, independent between estimates.

    Parameters
    ----------
    studies
        Which rows.
    mean
        Mean bias on the analysis scale, positive where it exaggerates the benefit.
    sd
        SD of the biases, >= 0: what is not known of each.
    name
        What it is called in messages; different for every bias.

    References
    ----------
    .. [1] Turner et al. (2009), JRSS A 172:21-47, doi:10.1111/j.1467-985X.2008.00547.x.
    """

    studies: Studies
    mean: float
    sd: float
    name: str = "bias"

    def __post_init__(self) -> None:
        if not (np.isfinite(self.mean) and np.isfinite(self.sd) and self.sd >= 0):
            raise SpecError(
                f"mean must be finite and sd finite and >= 0; found {self.mean!r} and {self.sd!r}."
            )

    @property
    def facts(self) -> Facts:
        return Facts(trust=Trust(self.studies.column, self.name))

    def faults(self, evidence: Evidence) -> list[str]:
        return has_column(evidence, self.studies.column)

    def findings(self, evidence: Evidence) -> list[Finding]:
        text = (
            f"Additive bias: {self.studies.described(evidence)} are taken to exaggerate the benefit by "
            f"{self.mean:g} on the analysis scale, SD {self.sd:g}, each independently."
        )
        return [
            Finding("additive-bias", "note", text),
            *_extent(self.studies, evidence, f"The bias {self.name!r}"),
        ]

    def hyper(self) -> Mapping[str, Hyper]:
        return {}

    def gaussian(self, evidence: Evidence) -> Noise:
        rows = self.studies.among(evidence).astype(np.float64)
        return Noise(
            mean=orientation(evidence) * self.mean * rows,
            variance=self.sd**2 * rows,
            share=np.ones(evidence.size),
        )

    def pymc(self, evidence: Evidence) -> Contribution:
        rows = self.studies.among(evidence).astype(np.float64)
        return _contribution(rows, orientation(evidence) * self.mean, name=self.name, sd=self.sd)


@component("term", "bias_hierarchy")
@dataclass(frozen=True, slots=True)
class BiasHierarchy:
    """Biases exchangeable around a common one: b_i ~ N(b, kappa^2), b ~ N(b0, phi^2).

    However many such studies there are, together they cannot tell the pooled mean better than one
    unbiased study with standard error phi: the cap is printed with the result.

    Parameters
    ----------
    studies
        Which rows.
    common
        Prior of the common bias b, positive where it exaggerates the benefit; its SD is phi.
    spread
        Prior of kappa; None for one bias shared by all.
    name
        What b is called in results; kappa is ``<name>_spread``.

    References
    ----------
    .. [1] Welton et al. (2009), JRSS A 172:119-136, doi:10.1111/j.1467-985X.2008.00548.x.
    """

    studies: Studies
    common: Prior
    spread: Prior | None = None
    name: str = "bias"

    def __post_init__(self) -> None:
        if normal(self.common) is None:
            raise SpecError(
                f"common needs a normal prior; found {type(self.common).__name__}. A flat one would "
                "throw the biased studies away: leave them out instead."
            )
        if self.spread is not None and not (self.spread.positive and self.spread.proper):
            raise SpecError("spread is a standard deviation and needs a proper prior on [0, inf).")
        _named(self.name)

    @property
    def _common(self) -> tuple[float, float]:
        """Mean and SD of the common bias's prior."""
        return normal(self.common) or (0.0, 0.0)

    @property
    def facts(self) -> Facts:
        return Facts(trust=Trust(self.studies.column, self.name, free=True))

    def faults(self, evidence: Evidence) -> list[str]:
        return has_column(evidence, self.studies.column)

    def findings(self, evidence: Evidence) -> list[Finding]:
        mean, sd = self._common
        text = (
            f"Bias hierarchy {self.name!r}: {self.studies.described(evidence)} share a bias with mean "
            f"{mean:g} and SD {sd:g}. Information cap: together they tell the pooled mean no better "
            f"than one unbiased study with standard error {sd:g}."
        )
        return [
            Finding("bias-hierarchy", "note", text),
            *_extent(self.studies, evidence, f"The bias {self.name!r}"),
        ]

    def hyper(self) -> Mapping[str, Hyper]:
        if self.spread is None:
            return {}
        kappa = Hyper(self.spread, "sd of biases", among=self.name, setting="spread")
        return {f"{self.name}_spread": kappa}

    def gaussian(self, evidence: Evidence) -> Noise:
        mean, sd = self._common
        rows = self.studies.among(evidence).astype(np.float64)
        bare = _known(evidence)
        common = Fixed(
            columns=(orientation(evidence) * rows)[:, None],
            mean=np.array([mean]),
            precision=np.array([sd**-2.0]),
            labels=(self.name,),
            combine=np.ones((1, 1)),
        )
        scatter = tuple(Carried(name, rows) for name in self.hyper())
        return Noise(bare.mean, bare.variance, bare.share, common, scatter)

    def pymc(self, evidence: Evidence) -> Contribution:
        rows = self.studies.among(evidence).astype(np.float64)
        common = self.common.pymc(f"beta_{self.name}")
        centre, reported = orientation(evidence) * common, common[None]
        if self.spread is None:
            return _contribution(rows, centre, reported=reported)
        (name,) = self.hyper()
        return _contribution(rows, centre, reported=reported, name=name, sd=self.spread.pymc(name))


@component("term", "directed_bias")
@dataclass(frozen=True, slots=True)
class DirectedBias:
    """A common bias that can only exaggerate the benefit, e.g. of trials at high risk of bias.

    Its direction holds for risk of bias in randomised trials of an active programme against usual
    care. Non-randomised return-to-work studies may err in either direction: use `BiasHierarchy` there.

    Parameters
    ----------
    studies
        Which rows.
    size
        Prior of the common bias, on [0, inf), analysis scale.
    name
        What it is called in results.

    References
    ----------
    .. [1] Dias et al. (2010), JRSS A 173:613-629, doi:10.1111/j.1467-985X.2010.00639.x.
    """

    studies: Studies
    size: Prior
    name: str = "bias"

    def __post_init__(self) -> None:
        if not (self.size.positive and self.size.proper):
            raise SpecError(
                "size is a bias of known direction and needs a proper prior on [0, inf)."
            )
        _named(self.name)

    @property
    def facts(self) -> Facts:
        return Facts(trust=Trust(self.studies.column, free=True))

    def faults(self, evidence: Evidence) -> list[str]:
        return has_column(evidence, self.studies.column)

    def findings(self, evidence: Evidence) -> list[Finding]:
        text = (
            f"Directed bias {self.name!r}: {self.studies.described(evidence)} are taken to exaggerate "
            "the benefit, never to hide it."
        )
        return [
            Finding("directed-bias", "note", text),
            *_extent(self.studies, evidence, f"The bias {self.name!r}"),
        ]

    def hyper(self) -> Mapping[str, Hyper]:
        return {self.name: Hyper(self.size, "bias", setting="size")}

    def gaussian(self, evidence: Evidence) -> Noise:
        rows = self.studies.among(evidence).astype(np.float64)
        bare = _known(evidence)
        shift = (Carried(self.name, orientation(evidence) * rows),)
        return Noise(bare.mean, bare.variance, bare.share, shift=shift)

    def pymc(self, evidence: Evidence) -> Contribution:
        rows = self.studies.among(evidence).astype(np.float64)
        return _contribution(rows, orientation(evidence) * self.size.pymc(self.name))


def discounted(evidence: Evidence, share: Array) -> Evidence:
    """Let estimates keep a share of their information: `share` (estimate,)."""
    if np.all(share == 1.0):
        return evidence
    wider = share**-0.5
    se = evidence.data["se"] * wider
    dependence = tuple(
        replace(each, covariance=each.covariance * np.outer(wider[each.rows], wider[each.rows]))
        for each in evidence.dependence
    )
    return replace(
        evidence,
        data=evidence.data.assign({"se": se, SHARE: (ESTIMATE, share)}),
        dependence=dependence,
    )


def share_of(evidence: Evidence) -> Array:
    """Give the share of its information that each row keeps, shape (estimate,)."""
    if SHARE not in evidence.data:
        return np.ones(evidence.size)
    return np.asarray(evidence.data[SHARE].to_numpy(), dtype=np.float64)


def as_reported(evidence: Evidence) -> Evidence:
    """Give the standard errors that rows reported, whatever share of their information they keep."""
    if SHARE not in evidence.data:
        return evidence
    return replace(
        evidence,
        data=evidence.data.assign(se=evidence.data["se"] * np.sqrt(evidence.data[SHARE])),
    )


def _named(name: str) -> None:
    if not name.isidentifier():
        raise SpecError(f"name is {name!r}; use letters, digits and underscores.")


def __dir__() -> list[str]:
    """Complete to biases, and to what says whose they are."""
    return names(__name__)


if not TYPE_CHECKING:  # so that a wrong name stays an error of types

    def __getattr__(name: str) -> type:
        return find(name, __name__)
