"""What is concluded from a posterior: classes by the probability of benefit, and their rules.

Reasoned defaults, not a standard of the literature; an analysis registers its own under
``[conclusion]``. A class is a statement about probability, not about the certainty of the evidence.
"""

from dataclasses import dataclass

import xarray as xr

from bayesrtw.errors import SpecError
from bayesrtw.evidence.measure import of_ratio
from bayesrtw.model.contract import normal
from bayesrtw.model.prior import Normal
from bayesrtw.model.spec import Model
from bayesrtw.posterior.summarise import probability_beyond, reports
from bayesrtw.posterior.tree import new_of, pooled_of
from bayesrtw.printed import STATE_IT

#: Classes, best first, with no threshold of importance.
CLASSES = (
    "probably a benefit",
    "benefit more likely than not",
    "unclear",
    "harm more likely than not",
    "probably a harm",
)

#: The same where an analysis registers the smallest important effect.
IMPORTANT = (
    "probably an important benefit",
    "important benefit more likely than not",
    "unclear",
    "important harm more likely than not",
    "probably an important harm",
)

#: The sceptical prior of the mean has this share of the registered SD: 0.2 where that is 0.5 on the
#: log scale, a ratio between 0.68 and 1.48 with 95 % probability.
SCEPTICAL_SHARE = 0.4


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """How probabilities become a conclusion, fixed before the fit.

    Parameters
    ----------
    threshold
        Size of the smallest important effect, on the analysis scale; 0 is no effect. Benefit is
        beyond it on the side of benefit, harm beyond it on the other.
    threshold_ratio
        The same as a ratio, of either side: 0.8 and 1.25 are one size.
    probable
        Probability from which a class is called probable.
    likely
        Probability from which it is called more likely than not.
    hold
        A class once published is left only when its bound is missed by this much, so that updates
        do not flap.
    sceptical
        The best class also needs this probability of benefit under the sceptical prior.
    sceptical_sd
        SD of that prior of the mean, analysis scale; `SCEPTICAL_SHARE` of the registered SD unless
        given.
    """

    threshold: float = 0.0
    threshold_ratio: float | None = None
    probable: float = 0.90
    likely: float = 0.65
    hold: float = 0.05
    sceptical: float = 0.80
    sceptical_sd: float | None = None

    def __post_init__(self) -> None:
        if self.threshold_ratio is not None:
            size = abs(of_ratio(self.threshold_ratio, "threshold_ratio"))
            if self.threshold not in (0.0, size):
                raise SpecError("threshold and threshold_ratio are both given; state one.")
            object.__setattr__(self, "threshold", size)
        if self.threshold < 0:
            raise SpecError(
                f"threshold is the size of an effect and cannot be negative; found {self.threshold!r}."
            )
        if not 0.5 < self.likely < self.probable < 1:
            raise SpecError(
                "likely and probable must rise between 0.5 and 1; found "
                f"{self.likely!r} and {self.probable!r}."
            )
        if not 0 <= self.hold < min(self.probable - self.likely, self.likely - 0.5):
            raise SpecError(
                "hold must be at least 0 and smaller than the gaps between 0.5, likely and probable; "
                f"found {self.hold!r}."
            )
        if not 0 < self.sceptical < 1:
            raise SpecError(f"sceptical must lie in (0, 1); found {self.sceptical!r}.")
        if self.sceptical_sd is not None and not self.sceptical_sd > 0:
            raise SpecError(f"sceptical_sd must be positive; found {self.sceptical_sd!r}.")

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the classes, best first."""
        return IMPORTANT if self.threshold else CLASSES


@dataclass(frozen=True, slots=True, kw_only=True)
class Conclusion:
    """A conclusion and what it rests on."""

    name: str  #: The class, one of ``Rules.classes``.
    #: benefit, harm: probability that the average effect is beyond the threshold on either side.
    benefit: float
    harm: float
    #: Probability of an effect on the side of harm in a new setting; None without a new setting.
    opposite: float | None
    #: Probability of benefit under the sceptical prior; None if it was not asked.
    sceptical: float | None


def classify(rules: Rules, benefit: float, harm: float | None = None, *, before: str = "") -> str:
    """Put probabilities into words."""
    against = 1.0 - benefit if harm is None else harm
    held = rules.classes.index(before) if before in rules.classes else None

    def reached(place: int, chance: float, bound: float) -> bool:
        outward = held is not None and (held <= place if place < 2 else held >= place)
        return chance >= bound - (rules.hold if outward else 0.0)

    order = (
        (0, benefit, rules.probable),
        (1, benefit, rules.likely),
        (4, against, rules.probable),
        (3, against, rules.likely),
    )
    found = next((place for place, *rest in order if reached(place, *rest)), 2)
    return rules.classes[found]


def stated(benefit: str) -> None:
    """Refuse to conclude where nobody stated which effects are good."""
    if not benefit:
        raise SpecError(
            f"no direction of benefit is stated, so there is no conclusion; {STATE_IT}."
        )


def conclude(
    tree: xr.DataTree,
    rules: Rules,
    *,
    sceptical: float | None = None,
    passed: bool = True,
    before: str = "",
) -> Conclusion:
    """Conclude from a fit."""
    stated(str(tree.attrs["benefit"]))
    higher = tree.attrs["benefit"] != "lower"
    side = rules.threshold if higher else -rules.threshold
    benefit = probability_beyond(tree, pooled_of(tree), "", side, above=higher)
    harm = probability_beyond(tree, pooled_of(tree), "", -side, above=not higher)
    opposite = None
    if reports(tree, new_of(tree)):
        opposite = probability_beyond(tree, new_of(tree), "", 0.0, above=not higher)
    name = classify(rules, benefit, harm, before=before)
    doubted = sceptical is not None and sceptical < rules.sceptical
    if name == rules.classes[0] and (doubted or not passed):
        name = rules.classes[1]
    return Conclusion(
        name=name,
        benefit=benefit,
        harm=harm,
        opposite=opposite,
        sceptical=sceptical,
    )


def sceptical_model(model: Model, rules: Rules) -> Model | None:
    """Give the model with a sceptical prior of the mean: centred at no effect, narrow."""
    if model.mean is None:
        return None
    sd, own = rules.sceptical_sd, normal(model.mean)
    if sd is None and own is not None:
        sd = SCEPTICAL_SHARE * own[1]
    return None if sd is None else model.under({"mu": Normal(0.0, sd)})
