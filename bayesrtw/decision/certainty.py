"""Certainty of evidence, suggested: what each domain of GRADE would take off, with its number and reason.

A person decides; what is suggested here is what the numbers of a fit can say. The bounds below are reasoned
and no standard of GRADE, whose guidance leaves the judgement to people. [1]_ [2]_

References
----------
.. [1] Core GRADE: the target of certainty and imprecision. BMJ (2025). doi:10.1136/bmj-2024-081904
.. [2] GRADE Guidance 34. J Clin Epidemiol (2022). doi:10.1016/j.jclinepi.2022.07.014
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

from bayesrtw.decision.change import Change, Scale
from bayesrtw.decision.zones import Zones, chances, zone_at
from bayesrtw.errors import SpecError
from bayesrtw.evidence.table import Evidence
from bayesrtw.printed import spell_probability

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]

#: The levels, best first.
LEVELS: Final = ("high", "moderate", "low", "very low")

#: What may lower them, in GRADE's order.
DOMAINS: Final = (
    "risk of bias",
    "inconsistency",
    "indirectness",
    "imprecision",
    "publication bias",
)

#: Probability of an effect on the other side in a new setting from which settings are called inconsistent, as
#: conclusions are called heterogeneous from it on; and of another zone: an even chance.
OPPOSITE, ELSEWHERE = 0.20, 0.50
#: What of it differences between settings must add to what the mean's own uncertainty explains.
ADDED: Final = 0.10
#: Share of the information that decides: from studies at high risk, or about others; all but all of it.
MOST, NEARLY_ALL = 0.5, 0.9
#: Share of results that are not significant: if the class hangs on more of them being seen, it is suspect.
#: Vevea & Woods (2005) call a half a moderate selection.
SEEN: Final = 0.5
#: Errors of 5 % on two sides and 20 % of a trial that would be planned for the smallest important effect.
PLANNED: Final = float(ndtri(0.975) + ndtri(0.8))

#: Judgements that count as a high risk of bias.
HIGH_RISK: Final = ("high", "serious", "critical")

#: Designs of randomised studies.
RANDOMISED: Final = ("rct", "cluster_rct", "crossover_rct", "cluster_crossover_rct")


@dataclass(frozen=True, slots=True, kw_only=True)
class Suggestion:
    """What a domain would take off."""

    domain: str  #: One of `DOMAINS`.
    down: int | None  #: Levels, 0, 1 or 2; None where the evidence does not say.
    reason: str  #: Why, in a sentence with its number.
    number: float | None = None  #: The number that decided; None without one.


@dataclass(frozen=True, slots=True, kw_only=True)
class Suggested:
    """A suggested certainty."""

    start: str  #: The level that the designs begin at.
    why: str  #: Why.
    domains: tuple[Suggestion, ...]  #: One suggestion a domain, in GRADE's order.

    @property
    def level(self) -> str:
        """What is left of the level."""
        down = sum(each.down or 0 for each in self.domains)
        return LEVELS[min(LEVELS.index(self.start) + down, len(LEVELS) - 1)]

    @property
    def open(self) -> tuple[str, ...]:
        """Domains that nothing could be said of, so that the level may be lower."""
        return tuple(each.domain for each in self.domains if each.down is None)

    @property
    def lowered(self) -> str:
        """Which domains took how much off, in words; empty where none did."""
        words = {1: "one level", 2: "two levels"}
        told = (f"{words[each.down]} for {each.domain}" for each in self.domains if each.down)
        return ", ".join(told)


def starting(evidence: Evidence, shares: Array | None) -> tuple[str, str]:
    """Give the level that the designs of rows begin at: high of randomised studies, low of others.

    `shares` (estimate,).
    """
    if "design" not in evidence.data:
        return (
            "low",
            "No design is given: the evidence starts low, as that of studies not randomised.",
        )
    other = ~evidence.matches("design", list(RANDOMISED))
    if not other.any():
        return "high", "All studies are randomised: the evidence starts high."
    number = len({str(name) for name in evidence.data["study"].to_numpy()[other]})
    told = f"{number} {'study is' if number == 1 else 'studies are'} not randomised"
    if shares is not None:
        told += f" and {_is(number)} {100 * float(shares[other].sum()):.0f} % of the information"
    return "low", f"{told}: the evidence starts low."


def _is(number: int) -> str:
    return "holds" if number == 1 else "hold"


def imprecision(
    change: Change, zones: Zones, *, ci_prob: float = 0.95, null: float | None = None
) -> Suggestion:
    """Hold the interval against the smallest effects that matter, and the information against its size.

    An interval that crosses one threshold takes a level off, one that crosses both takes two off. One that
    crosses none takes a level off where the posterior is wider than one trial would leave it that is planned
    for the smallest important effect.
    """
    scale, size = change.scale, len(zones.benefit)
    low, high = (change.quantile(0.5 + side * ci_prob / 2) for side in (-1, 1))
    interval = f"the {100 * ci_prob:g} % interval, {_figure(low, scale)} to {_figure(high, scale)}"
    if not size:
        none = scale.null if null is None else null
        inside = low < none < high
        what = "includes no effect" if inside else "leaves out no effect"
        return Suggestion(
            domain="imprecision",
            down=int(inside),
            number=float(inside),
            reason=f"{interval.capitalize()} {scale.title}, {what}; no smallest important effect is stated, "
            "so it is held against none.",
        )
    edges = zones.edges(scale)
    thresholds = (edges[size - 1], edges[size])
    crossed = sum(low < each < high for each in thresholds)
    told = " and ".join(_figure(each, scale) for each in thresholds if low < each < high)
    if crossed:
        names = "threshold" if crossed == 1 else "thresholds"
        return Suggestion(
            domain="imprecision",
            down=crossed,
            number=float(crossed),
            reason=f"{interval.capitalize()} {scale.title}, crosses the {names} of importance at {told}.",
        )
    short = information(change, thresholds[1])
    if math.isinf(short):
        return Suggestion(
            domain="imprecision",
            down=0,
            reason=f"{interval.capitalize()} {scale.title}, crosses no threshold of importance; from this "
            f"baseline no effect goes as far as {_figure(thresholds[1], scale)}, so that no benefit can be "
            "important.",
        )
    enough = "no smaller" if short >= 1 else "smaller"
    return Suggestion(
        domain="imprecision",
        down=0 if short >= 1 else 1,
        number=short,
        reason=f"{interval.capitalize()} {scale.title}, crosses no threshold of importance; the information "
        f"is {enough} than that of a trial planned for the smallest important effect ({100 * short:.0f} % of "
        "it).",
    )


def information(change: Change, important: float) -> float:
    """Give the information of a posterior relative to that of a trial planned for an effect."""
    scale = change.scale
    middle = scale.level[int(np.searchsorted(np.cumsum(scale.weight), 0.5))]
    effect = float(np.ravel(scale.effect(np.asarray(important), np.asarray(middle)))[0])
    none = float(np.ravel(scale.effect(np.asarray(scale.null), np.asarray(middle)))[0])
    return float((abs(effect - none) / PLANNED / change.theta.spread) ** 2)


def inconsistency(mean: Change, new: Change, zones: Zones) -> Suggestion:
    """Ask whether a new setting may have the opposite sign or another zone, as settings differ.

    What the uncertainty of the mean explains by itself is imprecision and does not count again.
    """
    scale = mean.scale
    up = mean.quantile(0.5) > scale.null
    opposite, own = (
        (1.0 - each.above(scale.null)) if up else each.above(scale.null) for each in (new, mean)
    )
    said = (
        f"In a new setting the effect has the opposite sign with probability {spell_probability(opposite)}, "
        f"on average {spell_probability(own)}"
    )
    down, number = int(opposite >= OPPOSITE and opposite - own >= ADDED), opposite
    if zones.scale:
        other, other_own = (_elsewhere(each, mean, zones) for each in (new, mean))
        far, far_own = (_important(each, zones, up=up) for each in (new, mean))
        said += (
            f"; it lies in another zone (benefit, trivial, harm) with {spell_probability(other)}, on average "
            f"{spell_probability(other_own)}"
        )
        if not down and other >= ELSEWHERE and other - other_own >= ADDED:
            down, number = 1, other
        if far >= OPPOSITE and far - far_own >= ADDED:
            down, number = 2, far
            said += f"; an important effect of the opposite sign has {spell_probability(far)}"
    return Suggestion(domain="inconsistency", down=down, number=number, reason=f"{said}.")


def _three(change: Change, zones: Zones) -> dict[str, float]:
    """Give the probabilities of a harm, a trivial effect and a benefit."""
    each, size = list(chances(change, zones).values()), len(zones.benefit)
    return {"harm": sum(each[:size]), "trivial": each[size], "benefit": sum(each[size + 1 :])}


def coarse(value: float, zones: Zones, scale: Scale) -> str:
    """Say whether a change is a benefit, trivial or a harm."""
    if not zones.scale:
        return "benefit" if (value > scale.null) == (scale.good is not False) else "harm"
    return zone_at(value, zones, scale).rpartition(" ")[2]


def _elsewhere(change: Change, mean: Change, zones: Zones) -> float:
    return 1.0 - _three(change, zones)[coarse(mean.quantile(0.5), zones, mean.scale)]


def _important(change: Change, zones: Zones, *, up: bool) -> float:
    """Give the probability of an important effect on the other side of none."""
    good = up == (change.scale.good is not False)
    return _three(change, zones)["harm" if good else "benefit"]


def indirectness(
    evidence: Evidence, shares: Array | None, target: Mapping[str, tuple[str, ...]]
) -> Suggestion:
    """Ask how much of the information is about others than those whom the decision is about."""
    absent = [name for name in target if name not in evidence.data]
    if absent:
        raise SpecError(
            f"target names {absent[0]!r}, which is no column of the rows; name one of theirs or leave it out."
        )
    if not target:
        text = "Nobody stated whom the decision is about (target), so that directness was not assessed."
        return Suggestion(domain="indirectness", down=None, reason=text)
    own = np.ones(evidence.size, dtype=bool)
    for name, values in target.items():
        own &= evidence.matches(name, list(values))
    share = float(
        np.mean(~own) if shares is None else shares[~own].sum() / max(shares.sum(), 1e-300)
    )
    what = "; ".join(
        f"{name.replace('_', ' ')} {', '.join(values)}" for name, values in target.items()
    )
    of = "rows" if shares is None else "information"
    text = f"{100 * share:.0f} % of the {of} is about others than {what}, or does not say."
    for name, values in target.items():
        if lone := [each for each in values if not evidence.matches(name, [each]).any()]:
            text += f" No row says {name.replace('_', ' ')} {' or '.join(lone)}."
    down = 2 if share >= NEARLY_ALL else 1 if share >= MOST else 0
    return Suggestion(domain="indirectness", down=down, reason=text, number=share)


def risk_of_bias(
    evidence: Evidence,
    shares: Array | None,
    *,
    before: str,
    without: str | None,
    adjusted: "Suggestion | None" = None,
) -> Suggestion:
    """Ask how much of the information is at high risk, and whether leaving it out changes the answer."""
    if adjusted is not None and adjusted.down:
        return adjusted
    first = f"{adjusted.reason} " if adjusted is not None else ""
    study = [str(name) for name in evidence.data["study"].to_numpy()]
    words = np.array([evidence.judgements.gravest(name) for name in study], dtype=object)
    weight = (
        np.full(evidence.size, 1.0 / evidence.size) if shares is None else shares / shares.sum()
    )
    judged = float(weight[words != ""].sum())
    if judged < MOST:
        text = (
            f"{first}Studies that somebody judged hold {100 * judged:.0f} % of the information: too little "
            "to suggest anything of the others."
        )
        return Suggestion(domain="risk of bias", down=None, reason=text, number=judged)
    share = float(weight[np.isin(words, HIGH_RISK)].sum())
    text = (
        f"{first}Studies at high risk hold {100 * share:.0f} % of the information, {100 * judged:.0f} % is "
        "judged"
    )
    if share >= MOST:
        return Suggestion(domain="risk of bias", down=1, reason=f"{text}.", number=share)
    moved = without is not None and without != before
    then = f"; without them the mean effect is {without} in place of {before}" if moved else ""
    return Suggestion(domain="risk of bias", down=int(moved), reason=f"{text}{then}.", number=share)


def high_risk(evidence: Evidence) -> Mask:
    """Say which rows are of studies judged to be at high risk of bias: gives (estimate,)."""
    study = evidence.data["study"].to_numpy()
    return np.array([evidence.judgements.gravest(str(name)) in HIGH_RISK for name in study])


def publication_bias(sample: str, changes_at: float | None, said: str) -> Suggestion:
    """Ask how selected published results would have to be for another class."""
    domain = "publication bias"
    if sample != "published":
        text = "Nobody stated whether results are held because they were published."
        return Suggestion(domain=domain, down=None, reason=text)
    if changes_at is not None and math.isnan(changes_at):
        return Suggestion(domain=domain, down=None, reason=said)
    down = int(changes_at is not None and changes_at >= SEEN)
    return Suggestion(domain=domain, down=down, reason=said, number=changes_at)


def _figure(value: float, scale: Scale) -> str:
    """Print a change on its scale."""
    return f"{value:.2f}" if scale.log else f"{value:.3g}".replace("-", "−")
