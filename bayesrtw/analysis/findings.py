"""A summary of findings over several analyses, each with the certainty that its own numbers suggest."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from bayesrtw.analysis.conclusion import conclude
from bayesrtw.analysis.run import Synthesis
from bayesrtw.analysis.severity import severity
from bayesrtw.analysis.spec import Analysis
from bayesrtw.decision.certainty import (
    SEEN,
    Suggested,
    Suggestion,
    coarse,
    high_risk,
    imprecision,
    inconsistency,
    indirectness,
    publication_bias,
    risk_of_bias,
    starting,
)
from bayesrtw.decision.certainty_file import Confirmation, settled
from bayesrtw.decision.change import Change
from bayesrtw.decision.findings import EffectsCounted, OutcomeLine, counted, line
from bayesrtw.engine.fitted import Fitted
from bayesrtw.errors import BayesrtwError, EngineRefusal, SpecError
from bayesrtw.evidence.table import Evidence
from bayesrtw.pictured import Pictured, as_html
from bayesrtw.question.asked import asked
from bayesrtw.question.ladder import climb, rungs
from bayesrtw.question.predict import expected_at, expects

#: The rungs of a ladder that adjust for bias within a second, the first that there is is asked.
ADJUSTED = ("robust_map", "randomised")


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """One analysis in a summary of findings."""

    synthesis: Synthesis  #: The run.
    line: OutcomeLine  #: Its line.


@dataclass(frozen=True, slots=True, kw_only=True)
class Findings(Pictured):
    """A summary of findings.

    Attributes
    ----------
    rows
        One an outcome, in the order asked.
    """

    rows: tuple[Found, ...]

    def _words(self) -> str:
        told = [
            f"{each.line.outcome}: {each.line.sentence} Certainty: {each.line.certainty.said}."
            for each in self.rows
        ]
        caveats = dict.fromkeys(each.line.caveat for each in self.rows if each.line.caveat)
        return " ".join([*told, *(f"Caveat: {each}" for each in caveats)])

    def _repr_html_(self) -> str:
        """Give what it says, for a notebook."""
        return as_html("Summary of findings", [self._words()])


def findings(
    syntheses: Sequence[Synthesis],
    *,
    at: Mapping[str, object] | None = None,
    confirmed: Sequence[Confirmation] = (),
) -> Findings:
    """Summarise the findings of analyses, one line an outcome, in GRADE's layout.

    Parameters
    ----------
    syntheses
        Runs of analyses; what each states under ``[decision]`` gives its absolute effects and zones.
    at
        Values of moderators, of the analyses that have them; the pooled mean unless given.
    confirmed
        What people confirmed, of these analyses and others.

    Returns
    -------
    Findings
        In the order of the runs.

    Raises
    ------
    SpecError
        If there is no run, a model has no pooled mean, nobody stated which effects are good, zones are on
        another scale, or a certainty was confirmed for another revision; with the analysis's name.

    Examples
    --------
    >>> import bayesrtw as brw
    >>> from bayesrtw.analysis.findings import findings
    >>> found = findings([brw.run(brw.open_analysis("sick-leave-days"))])
    >>> found.rows[0].line.certainty.confirmed is None
    True
    """
    if not syntheses:
        raise SpecError("no analysis is given; a summary of findings needs one or more.")
    found = []
    for each in syntheses:
        try:
            found.append(_found(each, dict(at or {}), confirmed))
        except SpecError as error:
            raise SpecError(f"{each.analysis.id}: {error}") from None
    return Findings(rows=tuple(found))


def _found(synthesis: Synthesis, at: dict[str, object], confirmed: Sequence[Confirmation]) -> Found:
    """Write the line of one run."""
    analysis = synthesis.analysis
    own = {each.column for each in analysis.model.moderators}
    known = {name: value for name, value in at.items() if name in own}
    told = counted(expects(synthesis, None), analysis.decision, known)
    certainty = settled(
        suggest(analysis, synthesis.evidence, told),
        confirmed,
        analysis=analysis.id,
        revision=analysis.revision,
        provenance=synthesis.evidence.provenance,
        at=known,
    )
    return Found(synthesis=synthesis, line=line(told, analysis.decision, certainty))


def suggest(analysis: Analysis, rows: Evidence, found: EffectsCounted) -> Suggested:
    """Suggest a certainty from what a fit and its neighbours say."""
    zones = found.zones
    try:
        whole: Fitted | None = asked(analysis.model, rows)
    except EngineRefusal:
        whole = None
    shares = whole.shares[:-1] if whole is not None else None
    start, why = starting(rows, shares)
    before = coarse(found.mean.quantile(0.5), zones, found.mean.scale)
    without, adjusted = _without(found, whole), _adjusted(analysis, rows)
    domains = (
        risk_of_bias(rows, shares, before=before, without=without, adjusted=adjusted),
        inconsistency(found.mean, found.new, zones),
        indirectness(rows, shares, analysis.decision.target),
        imprecision(found.mean, zones),
        _published(analysis, rows),
    )
    return Suggested(start=start, why=why, domains=domains)


def _without(found: EffectsCounted, whole: Fitted | None) -> str | None:
    """Say what the mean effect is without studies at high risk; None where that is not known."""
    if whole is None:
        return None
    mask = high_risk(whole.evidence)
    if not mask.any() or mask.all():
        return None
    [rest] = whole.without([mask])
    if rest is None:
        return None
    theta = expected_at(rest, whole.model.pooled, found.at)
    return coarse(Change(theta, found.mean.scale).quantile(0.5), found.zones, found.mean.scale)


def _adjusted(analysis: Analysis, rows: Evidence) -> Suggestion | None:
    """Ask whether the rung that adjusts for bias has another class than the deciding one, if there is one."""
    spec, rules = analysis.ladder, analysis.conclusion
    if spec.studies.column not in rows.data:
        return None
    cohort = spec.studies.among(rows)
    if cohort.all() or not cohort.any():
        return None
    built = {each.name: each for each in rungs(analysis.model, rows, spec)[0]}
    deciding = next((name for name in (spec.registered, "naive") if name in built), "")
    rung = next((name for name in ADJUSTED if name in built), "")
    if not deciding or not rung:
        return None
    try:
        own, then = (
            climb(built[name], seed=analysis.seed, sampled=False) for name in (deciding, rung)
        )
    except BayesrtwError as error:
        text = f"The rung that adjusts for bias could not be fitted: {error}"
        return Suggestion(domain="risk of bias", down=None, reason=text)
    if own is None or then is None:
        return None
    first, second = (conclude(tree, rules) for tree in (own, then))
    same = first.name == second.name
    verb = "stays" if same else f"is {second.name!r} in place of"
    return Suggestion(
        domain="risk of bias",
        down=int(not same),
        number=second.benefit,
        reason=f"Adjusted for the bias of studies not randomised (rung {rung}) the class {verb} "
        f"{first.name!r}: P(benefit) {second.benefit:.2f}, as registered {first.benefit:.2f}.",
    )


def _published(analysis: Analysis, rows: Evidence) -> Suggestion:
    """Ask how selected results would have to be."""
    sample = rows.provenance.sample
    if sample != "published":
        return publication_bias(sample, None, "")
    try:
        found = severity(analysis.model, rows, analysis.conclusion, weights=(SEEN,))
    except BayesrtwError as error:
        return publication_bias(sample, math.nan, f"It could not be worked out: {error}")
    return publication_bias(sample, found.changes_at, found.said)
