"""A line of a summary of findings: one outcome with its people, effects, certainty, and a sentence."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from bayesrtw.decision.absolute import OF, absolute_effects
from bayesrtw.decision.baseline import BaselinePoints
from bayesrtw.decision.certainty import coarse
from bayesrtw.decision.certainty_file import Certainty
from bayesrtw.decision.change import Change, Scale, as_difference, as_ratio
from bayesrtw.decision.stated import Decision
from bayesrtw.decision.zones import Zones, chances, in_words, scale_of, zone_at
from bayesrtw.engine.fitted import Expects
from bayesrtw.errors import SpecError
from bayesrtw.evidence.measure import Measure
from bayesrtw.evidence.participants import number_in, participants
from bayesrtw.evidence.table import Evidence
from bayesrtw.model.spec import NEW
from bayesrtw.printed import STATE_IT
from bayesrtw.question.predict import expected_at, setting_in_words

#: What each level lets one say: GRADE guidelines 26, doi:10.1016/j.jclinepi.2019.10.014.
VERBS: Final = {"high": "{}", "moderate": "probably {}", "low": "may {}"}


@dataclass(frozen=True, slots=True, kw_only=True)
class OutcomeLine:
    """One outcome of a summary of findings."""

    outcome: str  #: What is measured, with the setting where values of moderators were asked for.
    follow_up: str  #: When, in words; empty where rows do not say.
    #: Studies and participants by design, as of `bayesrtw.evidence.participants.participants`: of the levels
    #: that were asked for, although all rows inform the effect there.
    people: Mapping[str, Any]
    measure: Measure  #: Of the effects.
    unit: str  #: Of differences.
    #: programme, comparison: what is held against what.
    programme: str
    comparison: str
    #: Mean effect and new setting to ``median, lower, upper`` on the reported scale.
    effect: Mapping[str, Mapping[str, float]]
    #: Mean effect and new setting to what is counted to its figures, as of `absolute_effects`; empty without
    #: a baseline.
    absolute: Mapping[str, Mapping[str, Mapping[str, float]]]
    baseline: str  #: Where the baseline is from; empty without one.
    #: Mean effect and new setting to the probability of each zone; empty where none are stated.
    zones: Mapping[str, Mapping[str, float]]
    thresholds: str  #: Where zones begin, in words.
    certainty: Certainty  #: Suggested, and confirmed if somebody did.
    sentence: str  #: The same in plain language.
    caveat: str  #: What must stand beside it.


@dataclass(frozen=True, slots=True, eq=False)
class EffectsCounted:
    """The two effects of a fit on the scale of a decision."""

    whole: Expects  #: What says which effects are expected where.
    at: Mapping[str, object]  #: Values of moderators.
    zones: Zones  #: Where effects begin to matter; may be none.
    #: mean, new: the mean effect, and that in a new setting.
    mean: Change
    new: Change
    points: BaselinePoints | None  #: The baseline; None without one.


def counted(
    whole: Expects, decision: Decision, at: Mapping[str, object] | None = None
) -> EffectsCounted:
    """Put the effects of a fit on the scale of a decision: that of its zones, or their own."""
    rows, model = whole.evidence, whole.model
    if not model.has_mean:
        raise SpecError("the model has no intercept, so there is no pooled mean; add one.")
    if not rows.benefit:
        raise SpecError(f"a finding needs a direction of benefit; {STATE_IT}.")
    points = decision.baseline.points(rows) if decision.baseline is not None else None
    horizon = decision.baseline.horizon if decision.baseline is not None else 365.0
    scale = (
        scale_of(decision.zones, rows, points, horizon) if decision.zones.scale else own_scale(rows)
    )
    mean, new = (
        Change(expected_at(whole, of, at or {}), scale) for of in (model.pooled, NEW[model.pooled])
    )
    return EffectsCounted(whole, dict(at or {}), decision.zones, mean, new, points)


def own_scale(rows: Evidence) -> Scale:
    """Give the scale that effects are reported on."""
    if rows.measure.ratio:
        return as_ratio(rows.measure, rows.benefit)
    return as_difference(rows.measure, rows.benefit, rows.unit)


def line(found: EffectsCounted, decision: Decision, certainty: Certainty) -> OutcomeLine:
    """Write one line of a summary of findings."""
    rows = found.whole.evidence
    levels = np.array([0.5, 0.025, 0.975])
    names = ("median", "lower", "upper")
    effect = {
        of: dict(
            zip(
                names,
                np.asarray(rows.measure.back(one.theta.quantile(levels))).tolist(),
                strict=True,
            )
        )
        for of, one in zip(OF, (found.mean, found.new), strict=True)
    }
    absolute: dict[str, dict[str, dict[str, float]]] = {}
    if found.points is not None or rows.unit == "days":
        table = absolute_effects(found.whole, baseline=decision.baseline, at=dict(found.at))  # type: ignore[arg-type] # values
        for key, row in zip(table.index.tolist(), table.to_dict("records"), strict=True):
            own = {str(name): float(value) for name, value in row.items()}
            absolute.setdefault(key[-2], {})[key[-1]] = own
    zones = {}
    if found.zones.scale:
        pairs = zip(OF, (found.mean, found.new), strict=True)
        zones = {of: chances(one, found.zones) for of, one in pairs}
    title = "; ".join(rows.outcomes[name].title for name in rows.outcome_names)
    where = setting_in_words(found.at)
    return OutcomeLine(
        outcome=f"{title} ({where})" if where else title,
        follow_up=_follow_up(rows),
        people=participants(_there(rows, found.at)),
        measure=rows.measure,
        unit=rows.unit,
        programme=rows.provenance.programme,
        comparison=rows.provenance.comparison,
        effect=effect,
        absolute=absolute,
        baseline=found.points.source if found.points is not None else "",
        zones=zones,
        thresholds=in_words(found.zones, found.mean.scale) if zones else "",
        certainty=certainty,
        sentence=sentence(found, certainty),
        caveat=rows.provenance.caveat,
    )


def sentence(found: EffectsCounted, certainty: Certainty) -> str:
    """Say in plain language what a certainty lets one say of an effect."""
    level, mean = certainty.level, found.mean
    who = f"The {found.whole.evidence.provenance.programme}"
    left = certainty.suggested.open
    listed = " and ".join(filter(None, (", ".join(left[:-1]), *left[-1:])))
    unsure = (
        f" Nobody has judged {listed}, so that this may say too much."
        if certainty.confirmed is None and left and level != "very low"
        else ""
    )
    if level == "very low":
        return f"{who} may or may not make a difference: the evidence is very uncertain."
    middle = mean.quantile(0.5)
    if not found.zones.scale:
        better = coarse(middle, found.zones, mean.scale) == "benefit"
        what = ("improve" if better else "worsen") + "s" * (level != "low")
        return (
            f"{who} {VERBS[level].format(what)} this outcome; nobody stated from where a difference matters."
            f"{unsure}"
        )
    zone = zone_at(middle, found.zones, mean.scale)
    what = (
        "make little or no difference"
        if zone == "trivial"
        else f"bring {'an' if zone.startswith('important') else 'a'} {zone}"
    )
    if level != "low":
        what = what.replace("make", "makes", 1).replace("bring", "brings", 1)
    return f"{who} {VERBS[level].format(what)}.{unsure}"


def _there(rows: Evidence, at: Mapping[str, object]) -> Evidence:
    """Give the rows that have the levels asked for; all where none has."""
    keep = np.ones(rows.size, dtype=bool)
    for name, value in at.items():
        if name in rows.data and not isinstance(value, float):
            keep &= rows.matches(name, [str(value)])
    return rows.rows(keep) if keep.any() and not keep.all() else rows


def _follow_up(rows: Evidence) -> str:
    """Say when outcomes were measured."""
    if "follow_up_months" not in rows.data:
        return ""
    cells = (number_in(each) for each in rows.data["follow_up_months"].to_numpy())
    known = sorted(each for each in cells if each is not None)
    if not known:
        return ""
    ends = f"{known[0]:g}" if known[0] == known[-1] else f"{known[0]:g} to {known[-1]:g}"
    return f"follow-up {ends} months"
