"""A bias that a study has or has not: a mixture whose probabilities come from judgements.

Given the effect behind it, an estimate is N(theta, s^2), or with probability pi biased:
N(theta + b, s^2 + kappa^2). It is a mixture of densities, and variances are added; which study is biased is
never decided by how extreme its estimate is alone, since pi is shared by a class of studies.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bayesrtw.errors import Finding, SpecError, shown
from bayesrtw.evidence.table import Evidence
from bayesrtw.model.bias import judgements, orientation
from bayesrtw.model.contract import Prior, normal
from bayesrtw.model.moderator import has_column
from bayesrtw.model.prior import Beta, HalfNormal, Normal
from bayesrtw.model.term import Allocation, AtRisk, Contribution, Facts, Hyper, MaybeBiased, Trust
from bayesrtw.registry import checked, component


@checked
@dataclass(frozen=True, slots=True)
class RiskClass:
    """Studies of one design and one overall judgement, which share a probability of bias.

    Parameters
    ----------
    judgement
        A word of a listed instrument; empty for studies that no listed instrument judged.
    mean
        Mean of the probability's beta prior, in (0, 1).
    """

    judgement: str
    mean: float

    def __post_init__(self) -> None:
        if not 0 < self.mean < 1:
            raise SpecError(
                f"mean of a probability of bias must lie in (0, 1); found {self.mean!r}."
            )


@checked
@dataclass(frozen=True, slots=True)
class RiskGroup:
    """Studies whose biases, where they have one, share a mean and an SD.

    Parameters
    ----------
    name
        What the group is called in results.
    values
        Values of the term's column, e.g. ``["rct", "cluster_rct"]``.
    common
        Prior of the mean bias, positive where it exaggerates the benefit.
    spread
        Prior of the SD of biases around it.
    classes
        One for each judgement that its studies may have.
    size
        Sample size of the beta priors: how many studies' worth of knowledge they are.
    """

    name: str
    values: tuple[str, ...]
    common: Prior
    spread: Prior
    classes: tuple[RiskClass, ...]
    size: float = 10.0

    def __post_init__(self) -> None:
        if normal(self.common) is None:
            raise SpecError(f"common needs a normal prior; found {type(self.common).__name__}.")
        if not (self.spread.positive and self.spread.proper):
            raise SpecError("spread is a standard deviation and needs a proper prior on [0, inf).")
        if not self.classes or not self.values:
            raise SpecError(f"group {self.name!r} needs values and at least one class.")
        if not (self.size > 0 and math.isfinite(self.size)):
            raise SpecError(f"size must be positive and finite; found {self.size!r}.")
        words = [each.judgement for each in self.classes]
        if len(set(words)) < len(words):
            raise SpecError(f"group {self.name!r} has two classes of one judgement.")

    def prior(self, place: int) -> Beta:
        """Give the prior of a class's probability of bias."""
        mean = self.classes[place].mean
        return Beta(self.size * mean, self.size * (1.0 - mean))


@component("term", "bias_mixture")
@dataclass(frozen=True, slots=True)
class BiasMixture:
    """Biases that studies have or have not, by design and judgement.

    Parameters
    ----------
    groups
        Which studies may be biased, how, and how probably; studies of no group are unbiased.
    column
        A text column of the evidence.

    References
    ----------
    .. [1] Verde (2021), Biometrical Journal 63:406-422, doi:10.1002/bimj.201900376.
    .. [2] Jung & Aloe (2026), doi:10.1017/rsm.2025.10050: the answer depends heavily on the prior of the
       probability of bias, so it is shown over its mean.
    """

    groups: tuple[RiskGroup, ...]
    column: str = "design"

    def __post_init__(self) -> None:
        names = [group.name for group in self.groups]
        members = [value for group in self.groups for value in group.values]
        for what in (names, members):
            twice = sorted({each for each in what if what.count(each) > 1})
            if twice:
                raise SpecError(f"{shown(twice)} stands in two groups of biases; choose one.")
        odd = sorted(name for name in names if not name.isidentifier())
        if odd or not names:
            raise SpecError(f"groups are called {shown(odd)}; use letters, digits and underscores.")

    @property
    def facts(self) -> Facts:
        return Facts(trust=Trust(self.column), needs_independence=self, disturbs=self)

    def faults(self, evidence: Evidence) -> list[str]:
        missing = has_column(evidence, self.column)
        if missing:
            return missing
        faults = []
        studies = evidence.data["study"].to_numpy().astype(str)
        words = judgements(evidence)
        for group in self.groups:
            rows = evidence.matches(self.column, group.values)
            known = [each.judgement for each in group.classes]
            loose = rows & ~np.isin(words, known)
            if loose.any():
                pairs = sorted(
                    {f"{studies[row]} ({words[row] or 'none'})" for row in np.flatnonzero(loose)}
                )
                faults.append(
                    f"{evidence.where}: group {group.name!r} has no class for the overall judgement of "
                    f"{shown(pairs)}; it has {shown(sorted(known))}. Add a class, or leave the studies "
                    "out: a study at critical risk of bias is not pooled."
                )
        return faults

    def entangled(self, evidence: Evidence, together: Sequence[NDArray[np.intp]]) -> list[str]:
        """Name estimates at risk among those with correlated sampling errors, as faults."""
        inside = {int(row) for rows in together for row in rows}
        at_risk = inside & {int(row) for rows, *_ in self.allotted(evidence) for row in rows}
        if not at_risk:
            return []
        studies = evidence.data["study"].to_numpy()
        names = sorted({str(studies[row]) for row in at_risk})
        return [
            f"{evidence.where}: estimates of {shown(names)} have correlated sampling errors and may "
            "be biased or not; a bias mixture needs independent estimates: pool one of each."
        ]

    def findings(self, evidence: Evidence) -> list[Finding]:
        found = []
        for rows, group, place in self.allotted(evidence):
            each = group.classes[place]
            judged = (
                f"judged {each.judgement}"
                if each.judgement
                else "without a judgement by a listed instrument"
            )
            text = (
                f"Bias mixture, {group.name}: {len(rows)} estimates {judged} are biased with a "
                f"probability of mean {each.mean:g} (beta prior of size {group.size:g})."
            )
            found.append(Finding("bias-mixture", "note" if each.judgement else "warning", text))
        if not found:
            text = "The bias mixture concerns no row. It changes nothing."
            found.append(Finding("bias-unused", "warning", text))
        return found

    def allotted(self, evidence: Evidence) -> list[tuple[NDArray[np.intp], RiskGroup, int]]:
        """Put the rows at risk into their classes."""
        words = judgements(evidence)
        found = []
        for group in self.groups:
            inside = evidence.matches(self.column, group.values)
            for place, each in enumerate(group.classes):
                rows = np.flatnonzero(inside & (words == each.judgement))
                if len(rows):
                    found.append((rows, group, place))
        return found

    def hyper(self) -> Mapping[str, Hyper]:
        """See `Term`: its own parameters are integrated out and not reported."""
        return {}

    def gaussian(self, evidence: Evidence) -> MaybeBiased:
        sign = orientation(evidence)
        own: dict[str, list[tuple[NDArray[np.intp], int]]] = {}
        for rows, group, place in self.allotted(evidence):
            own.setdefault(group.name, []).append((rows, place))
        found = []
        for group in self.groups:
            if group.name not in own:
                continue
            common = normal(group.common)
            assert common is not None
            classes = own[group.name]
            priors = [group.prior(place) for _, place in classes]
            found.append(
                AtRisk(
                    group.name,
                    np.concatenate([rows for rows, _ in classes]),
                    np.repeat(np.arange(len(classes)), [len(rows) for rows, _ in classes]),
                    tuple((prior.a, prior.b) for prior in priors),
                    sign * common[0],
                    common[1],
                    group.spread,
                )
            )
        return MaybeBiased(tuple(found))

    def draw(
        self, evidence: Evidence, replicates: int, rng: np.random.Generator
    ) -> NDArray[np.float64]:
        """Draw the biases of simulated data sets: gives (replicate, estimate)."""
        found = np.zeros((replicates, evidence.size))
        shared = {
            group.name: (
                orientation(evidence) * group.common.ppf(rng.random(replicates)),
                group.spread.ppf(rng.random(replicates)),
            )
            for group in self.groups
        }
        for rows, group, place in self.allotted(evidence):
            common, spread = (values[:, None] for values in shared[group.name])
            probability = group.prior(place).ppf(rng.random(replicates))[:, None]
            shape = replicates, len(rows)
            biased = rng.random(shape) < probability
            found[:, rows] = biased * (common + spread * rng.standard_normal(shape))
        return found

    def pymc(self, evidence: Evidence) -> Contribution:
        import pytensor.tensor as pt  # noqa: PLC0415

        sign = orientation(evidence)
        rows, probability, shift, spread = [], [], [], []
        shared: dict[str, tuple[Any, Any]] = {}
        for own, group, place in self.allotted(evidence):
            if group.name not in shared:
                common = group.common.pymc(f"{group.name}_bias")
                shared[group.name] = (common, group.spread.pymc(f"{group.name}_bias_spread"))
            common, kappa = shared[group.name]
            label = group.classes[place].judgement or "unjudged"
            pi = group.prior(place).pymc(f"{group.name}_{label}_probability")
            one = pt.ones(len(own))
            rows.append(own)
            probability.append(pi * one)
            shift.append(sign * common * one)
            spread.append(kappa * one)
        zero = pt.zeros(evidence.size)
        if not rows:
            return Contribution(zero, None)
        none, chance = pt.zeros(sum(map(len, rows))), pt.concatenate(probability)
        parts = (
            (1.0 - chance, chance),
            (none, pt.concatenate(shift)),
            (none, pt.concatenate(spread)),
        )
        at_risk = Allocation(np.concatenate(rows), *(pt.stack(part, axis=-1) for part in parts))
        return Contribution(zero, None, allocation=at_risk)


def default_mixture() -> BiasMixture:
    """Give the default mixture for randomised trials and non-randomised studies, on log ratio scales."""
    spread = HalfNormal(0.15)
    trials = (("low", 0.05), ("some_concerns", 0.25), ("high", 0.60), ("", 0.25))
    others = (
        ("low", 0.20),
        ("low_except_confounding", 0.20),
        ("moderate", 0.45),
        ("serious", 0.75),
        ("", 0.60),
    )
    return BiasMixture(
        groups=(
            RiskGroup(
                "randomised",
                ("rct", "cluster_rct"),
                Normal(math.log(1.15), 0.15),
                spread,
                tuple(RiskClass(*pair) for pair in trials),
            ),
            RiskGroup(
                "non_randomised",
                ("non_randomised", "cohort"),
                Normal(0.0, 0.2),
                spread,
                tuple(RiskClass(*pair) for pair in others),
            ),
        )
    )
