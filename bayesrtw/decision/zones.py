"""Zones of an effect, from large harm to large benefit, by thresholds that a person states before the fit."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

import numpy as np
import pandas as pd

from bayesrtw.decision.absolute import OF
from bayesrtw.decision.baseline import BaselinePoints, StatedBaseline
from bayesrtw.decision.change import Change, Scale, as_difference, as_ratio, of_1000, of_days
from bayesrtw.engine.fitted import Expects
from bayesrtw.errors import SpecError
from bayesrtw.evidence.table import Evidence
from bayesrtw.model.spec import NEW
from bayesrtw.printed import STATE_IT, spell_probability
from bayesrtw.question.answer import Answer, Told
from bayesrtw.question.asked import About, Subject
from bayesrtw.question.predict import Value, expected_at, expects, setting_in_words, settings_asked

#: What effects beyond each threshold are called, by how many thresholds there are.
SIZES: Final = {1: ("important",), 3: ("small", "moderate", "large")}

#: What an effect within the first thresholds is called.
TRIVIAL: Final = "trivial"


@dataclass(frozen=True, slots=True, kw_only=True)
class Zones:
    """Where effects begin to matter, on one scale that a person states, fixed before the fit.

    On the scale stand one number, from where an effect is important, or three: from where it is small,
    moderate and large. Below the first it is trivial.

    Parameters
    ----------
    per_1000
        More people of 1000 with a good event, or fewer with a bad one; rising, > 0.
    days
        Days regained; rising, > 0.
    above_ratio
        Ratios where larger ones are good; rising, > 1.
    below_ratio
        Ratios where smaller ones are good; falling, in (0, 1).
    difference
        Sizes of differences in their own unit; rising, > 0.
    harm
        Where harms begin on the same scale, sizes too; of ratios on the other side of 1. The same sizes, and
        the inverse ratios, unless given.
    """

    per_1000: float | tuple[float, ...] = ()
    days: float | tuple[float, ...] = ()
    above_ratio: float | tuple[float, ...] = ()
    below_ratio: float | tuple[float, ...] = ()
    difference: float | tuple[float, ...] = ()
    harm: float | tuple[float, ...] = ()

    def __post_init__(self) -> None:
        for name in (*SCALES, "harm"):  # a single number is a list of one
            value = getattr(self, name)
            each = value if isinstance(value, tuple | list) else (value,)
            object.__setattr__(self, name, tuple(map(float, each)))
        given = [name for name in SCALES if getattr(self, name)]
        if len(given) > 1:
            raise SpecError(f"zones are on one scale; found {', '.join(given)}: keep one.")
        if not given:
            if self.harm:
                raise SpecError(f"harm is given without a scale; give one of {', '.join(SCALES)}.")
            return
        [name] = given
        _check(name, self.benefit, name)
        if self.harm:
            other = {"above_ratio": "below_ratio", "below_ratio": "above_ratio"}.get(name, name)
            _check("harm", self.harms, other)
            if len(self.harms) != len(self.benefit):
                raise SpecError(
                    f"harm has {len(self.harms)} thresholds and {name} has {len(self.benefit)}; give as many."
                )

    @property
    def scale(self) -> str:
        """The scale they are on; empty where none are stated."""
        return next((name for name in SCALES if getattr(self, name)), "")

    @property
    def benefit(self) -> tuple[float, ...]:
        """Where benefits begin."""
        return tuple(getattr(self, self.scale)) if self.scale else ()

    @property
    def harms(self) -> tuple[float, ...]:
        """Where harms begin, if that is stated."""
        return self.harm if isinstance(self.harm, tuple) else (self.harm,)

    @property
    def names(self) -> tuple[str, ...]:
        """What the zones are called, from the largest harm to the largest benefit."""
        sizes = SIZES[len(self.benefit)]
        harms = tuple(f"{size} harm" for size in reversed(sizes))
        return (*harms, TRIVIAL, *(f"{size} benefit" for size in sizes))

    def edges(self, scale: Scale) -> tuple[float, ...]:
        """Give the ends of the zones, from those of the largest harm to those of the largest benefit.

        Parameters
        ----------
        scale
            On which changes are counted.

        Returns
        -------
        tuple of float
            Falling where smaller changes are good.
        """
        if scale.log:
            harms = self.harms or tuple(1.0 / each for each in self.benefit)
            return (*reversed(harms), *self.benefit)
        side = 1.0 if scale.good else -1.0
        harms = self.harms or self.benefit
        return (
            *(-side * each for each in reversed(harms)),
            *(side * each for each in self.benefit),
        )


#: Scales of zones.
SCALES: Final = ("per_1000", "days", "above_ratio", "below_ratio", "difference")


def _check(name: str, values: tuple[float, ...], scale: str) -> None:
    """Refuse thresholds that are out of order or off their scale."""
    if len(values) not in SIZES:
        raise SpecError(
            f"{name} has {len(values)} thresholds; give 1 (important) or 3 (small, moderate, large)."
        )
    if not all(math.isfinite(each) for each in values):
        raise SpecError(f"{name} is {list(values)!r}; thresholds are finite numbers.")
    falling = scale == "below_ratio"
    if any((one <= two) if falling else (one >= two) for one, two in pairwise(values)):
        way = "fall" if falling else "rise"
        raise SpecError(f"{name} is {list(values)!r}; thresholds must {way} from small to large.")
    low, high = {
        "above_ratio": (1.0, math.inf),
        "below_ratio": (0.0, 1.0),
        "per_1000": (0.0, 1000.0),
    }.get(scale, (0.0, math.inf))
    if not all(low < each < high for each in values):
        allowed = f"between {low:g} and {high:g}" if high < math.inf else f"above {low:g}"
        raise SpecError(f"{name} is {list(values)!r}; on this scale thresholds lie {allowed}.")


def scale_of(
    zones: Zones, rows: Evidence, points: BaselinePoints | None = None, horizon: float = 365.0
) -> Scale:
    """Give the scale of some zones for the effects of some rows."""
    if not zones.scale:
        raise SpecError(f"zones are not stated; give thresholds on one of {', '.join(SCALES)}.")
    measure, benefit = rows.measure, rows.benefit
    if not benefit:
        raise SpecError(f"zones need a direction of benefit; {STATE_IT}.")
    if zones.scale == "per_1000":
        if points is None:
            raise SpecError(
                "zones per_1000 hang on the baseline risk: state it, with its source, as [decision.baseline]."
            )
        return of_1000(measure, benefit, points)
    if zones.scale == "days":
        return of_days(measure, benefit, rows.unit, points, horizon)
    if zones.scale == "difference":
        return as_difference(measure, benefit, rows.unit)
    fits = "above_ratio" if benefit == "higher" else "below_ratio"
    found = as_ratio(measure, benefit)
    if zones.scale != fits:
        raise SpecError(
            f"{zones.scale} is for ratios where {'smaller' if benefit == 'higher' else 'larger'} ones are "
            f"good; here {benefit} is: use {fits}."
        )
    return found


def chances(change: Change, zones: Zones) -> dict[str, float]:
    """Give the probability of every zone."""
    beyond = [change.above(edge) for edge in zones.edges(change.scale)]
    better = beyond if change.scale.good else [1.0 - each for each in beyond]
    steps = -np.diff([1.0, *better, 0.0])
    return dict(zip(zones.names, np.clip(steps, 0.0, 1.0).tolist(), strict=True))


def zone_at(value: float, zones: Zones, scale: Scale) -> str:
    """Name the zone that a change lies in."""
    good = scale.good
    passed = sum((value > edge) if good else (value < edge) for edge in zones.edges(scale))
    # On the side of harm an edge belongs to the zone within it.
    for edge in zones.edges(scale)[: len(zones.benefit)]:
        passed += value == edge
    return zones.names[int(passed)]


def zone_probabilities(
    model: Subject | Expects,
    evidence: Evidence | None = None,
    *,
    zones: Zones,
    baseline: StatedBaseline | BaselinePoints | None = None,
    at: Mapping[str, Value] | None = None,
) -> Answer:
    """Give the probability of each zone, for the mean effect and a new setting.

    Parameters
    ----------
    model, evidence
        What is pooled, a model with rows or a synthesis; it has a pooled mean.
    zones
        Where effects begin to matter.
    baseline
        What happens without the programme, where zones are of 1000 or days.
    at
        Moderators and their values, as of `bayesrtw.predict`; every combination has its rows.

    Returns
    -------
    Answer
        A data frame; index ``at`` (in words, where values were asked for) and ``of`` (mean effect, new
        setting); a column a zone, from the largest harm to the largest benefit, which sum to one;
        ``matters``, the probability of a benefit beyond the smallest that matters; ``harms``, of a harm
        beyond it.

    Raises
    ------
    SpecError
        As of `scale_of`; or if the model has no pooled mean.

    Examples
    --------
    >>> import bayesrtw as brw
    >>> from bayesrtw.decision.zones import Zones, zone_probabilities
    >>> synthesis = brw.run(brw.open_analysis("sick-leave-days"))
    >>> found = zone_probabilities(synthesis, zones=Zones(days=(10, 20, 40)))
    >>> bool(0.5 < found.loc["mean effect", "matters"] < 1)
    True
    """
    whole = expects(model, evidence)
    if not whole.model.has_mean:
        raise SpecError("the model has no intercept, so there is no pooled mean; add one.")
    rows = whole.evidence
    points = baseline.points(rows) if isinstance(baseline, StatedBaseline) else baseline
    horizon = baseline.horizon if isinstance(baseline, StatedBaseline) else 365.0
    scale = scale_of(zones, rows, points, horizon)
    headline, size = whole.model.pooled, len(zones.benefit)
    found: dict[tuple[str, ...], dict[str, float]] = {}
    for values in settings_asked(whole.model, at or {}):
        where = (setting_in_words(values),) if at else ()
        for of, name in zip(OF, (headline, NEW[headline]), strict=True):
            own = chances(Change(expected_at(whole, name, values), scale), zones)
            each = list(own.values())
            found[(*where, of)] = own | {"matters": sum(each[-size:]), "harms": sum(each[:size])}
    index = (
        pd.MultiIndex.from_tuples(list(found), names=["at", "of"])
        if at
        else pd.Index([of for [of] in found], name="of")
    )
    frame = pd.DataFrame(list(found.values()), index)
    about = About(whole.model, rows)
    words = about.said(*(_said(key, row, zones) for key, row in found.items()))
    told = in_words(zones, scale)
    options = {"thresholds": told}
    return Answer(
        frame, Told(f"Zones of the effect, {told}.", about, "zones", options, words=words)
    )


def in_words(zones: Zones, scale: Scale) -> str:
    """Say where zones begin."""
    sizes = SIZES[len(zones.benefit)]
    told = ", ".join(
        f"{size} from {each:g}" for size, each in zip(sizes, zones.benefit, strict=True)
    )
    fewer = scale.name == "per_1000" and scale.good is False
    title = scale.title.replace("more", "fewer", 1) if fewer else scale.title
    harm = f"; harms from {', '.join(f'{each:g}' for each in zones.harms)}" if zones.harms else ""
    return f"{told} {title}{harm}"


def _said(key: tuple[str, ...], row: Mapping[str, float], zones: Zones) -> str:
    """Say the zones of one effect."""
    told = ", ".join(f"{name} {spell_probability(row[name])}" for name in zones.names)
    size = SIZES[len(zones.benefit)][0]
    least = "an important" if size == "important" else "at least a small"
    return (
        f"{', '.join(key).capitalize()}: {told}; P({least} benefit) {spell_probability(row['matters'])}, "
        f"P({least} harm) {spell_probability(row['harms'])}."
    )
