"""Run an analysis: select, check, fit, summarise; everything noticed comes along."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from importlib import import_module
from typing import TYPE_CHECKING, Final

import numpy as np
import xarray as xr

from bayesrtw.analysis.answers import answers
from bayesrtw.analysis.approximated import approximated
from bayesrtw.analysis.catalog import evidence_of, register
from bayesrtw.analysis.default import the_default, without_counts
from bayesrtw.analysis.query import selected
from bayesrtw.analysis.spec import Analysis, vary
from bayesrtw.doubt.inspect import beside, readable
from bayesrtw.engine import choose, fit
from bayesrtw.engine.exact import Exact
from bayesrtw.errors import ConvergenceError, Finding, SpecError
from bayesrtw.evidence.measure import measure_named
from bayesrtw.evidence.table import Evidence
from bayesrtw.model.checked import check
from bayesrtw.model.contract import excludes_zero
from bayesrtw.model.defaults import described
from bayesrtw.pictured import Drawing, Pictured
from bayesrtw.posterior.diagnose import diagnose
from bayesrtw.posterior.summarise import summarise

if TYPE_CHECKING:
    import pandas as pd

#: Threshold on a log scale from which it is likely to be a ratio written by mistake: log 2 is 0.69, and
#: few ask for more than a doubling, while ratios from 0.7 up are what people ask for.
_RATIO: Final = 0.7


@dataclass(frozen=True, slots=True, kw_only=True)
class Synthesis(Pictured):
    """An analysis with its answer.

    Attributes
    ----------
    analysis
        What was asked, fixed before the fit.
    evidence
        The rows that were pooled.
    posterior
        The fitted tree.
    estimates
        One row an estimand: the columns of `summarise`, ``threshold`` (analysis scale) and
        ``side``; index the estimand's name.
    quantities
        One row a reported quantity, as `summarise` gives them.
    findings
        What was noticed: rows left out, few studies, aliased moderators, checks of the fit.
    variants
        Variant name to its table of estimands.
    source
        Every row that the analysis could select from; None where it is no longer held.
    """

    analysis: Analysis
    evidence: Evidence
    posterior: xr.DataTree
    estimates: "pd.DataFrame"
    quantities: "pd.DataFrame"
    findings: tuple[Finding, ...]
    variants: Mapping[str, "pd.DataFrame"]
    source: Evidence | None = None

    def _pictures(self) -> Mapping[str, Drawing | str]:
        model = self.analysis.model
        by_shape = {
            shape: tuple(each.column for each in model.moderators if each.shape == shape)
            for shape in ("line", "levels")
        }
        pooled = self.posterior.attrs["hyper"] != "" and "mu" in self.quantities.index
        drawn = Drawing((self,))
        # Numbers of single arms are no effects: beside a line of no effect they would be read as some.
        arms = "rows are single arms; ask brw.network for its pictures" * bool(
            self.evidence.single_arms.any()
        )
        found: dict[str, Drawing | str] = {
            "forest": arms or drawn,
            "funnel": arms
            or (drawn if model.mean else "the model has no pooled mean; add an intercept"),
            "bubble": Drawing((self,), choices={"moderator": by_shape["line"]})
            if by_shape["line"]
            else "the model has no numeric moderator; add a linear term",
            "new_setting": drawn
            if pooled
            else "the model has no heterogeneity around a pooled mean; a new setting has the pooled effect",
            "prior_posterior": drawn,
            "tau": drawn if model.spreads else "the model has no heterogeneity SD",
            "categories": Drawing((self,), choices={"moderator": by_shape["levels"]})
            if by_shape["levels"]
            else "the model has no moderator with levels; add a categorical term",
        }
        if any(each.shape == "sets" for each in model.moderators):
            found["components"] = drawn
        if model.likelihood.offers.speaks:
            curves = not np.isfinite(self.evidence.data["effect"].to_numpy()).all()
            no_curve = "every row reports a hazard ratio, so that none tells a curve of return"
            found |= {"currencies": drawn, "returns": drawn if curves else no_curve}
        return {**found, **self.evidence._pictures()}

    def __str__(self) -> str:
        """Give what `bayesrtw run` prints of it."""
        return str(import_module("bayesrtw.report.notebook").as_text(self))

    def _repr_html_(self) -> str:
        """Give its first screen for a notebook; found by name, as pictures are."""
        return str(import_module("bayesrtw.report.notebook").first_screen(self))

    def to_latex(self) -> str:
        r"""Write the answers as a table for a paper, with the digits that they need.

        Returns
        -------
        str
            A LaTeX table with the rules of the package booktabs; every table of a report is one of
            ``bayesrtw report --tables``.

        Examples
        --------
        >>> import bayesrtw as brw
        >>> found = brw.run(brw.open_analysis("sick-leave-days"))
        >>> print(found.to_latex().splitlines()[3])
        \begin{tabular}{lrl}
        """
        return str(import_module("bayesrtw.report.notebook").as_latex(self))


def asked_of(
    what: Analysis | Synthesis, evidence: Evidence | None = None
) -> tuple[Analysis, Evidence]:
    """Give an analysis and the rows that it selects from: those given, of its run, or of its data set."""
    if isinstance(what, Synthesis):
        evidence, what = evidence or what.source, what.analysis
    if not isinstance(what, Analysis):
        raise SpecError(
            f"found {type(what).__name__}; give an Analysis: open_analysis reads one from a TOML file; or a "
            "Synthesis: run returns one."
        )
    return what, evidence if evidence is not None else evidence_of(what)


def run(analysis: Analysis | Evidence, evidence: Evidence | None = None) -> Synthesis:
    """Run an analysis.

    Parameters
    ----------
    analysis
        What to run. Evidence in one outcome and measure is pooled by the analysis that it gets by default
        (`bayesrtw.analysis.default.default_analyses`).
    evidence
        In place of the data set that it names.

    Returns
    -------
    Synthesis
        The posterior, the answers, and everything that was noticed.

    Raises
    ------
    EvidenceError
        If the evidence cannot be read or used, or no row is selected.
    SpecError
        If an estimand or a variant names something that the model does not have.
    ConvergenceError
        If no more nodes or draws bring the fit to rest; analyses by default pool normal estimates in place of
        counts then, and say so.

    Examples
    --------
    >>> import bayesrtw as brw
    >>> synthesis = brw.run(brw.open_analysis("time-to-rtw"))
    >>> "pooled" in synthesis.estimates.index
    True
    """
    if isinstance(analysis, Evidence):
        if evidence is not None:
            raise SpecError(
                f"run is given evidence and {type(evidence).__name__}; give an Analysis and the evidence in "
                "place of its own, or evidence alone. fit takes a Model with evidence."
            )
        return run(the_default(analysis), analysis)
    if not isinstance(analysis, Analysis) or not isinstance(evidence, Evidence | None):
        given = " and ".join(
            type(each).__name__ for each in (analysis, evidence) if each is not None
        )
        raise SpecError(
            f"run is given {given or None}; give an Analysis, as open_analysis returns it, with Evidence in "
            "place of its own or without, or Evidence alone. fit takes a Model with evidence."
        )
    source = evidence if evidence is not None else evidence_of(analysis)
    try:
        return _run(analysis, source)
    except ConvergenceError as error:
        instead = without_counts(analysis)
        if instead is None:
            raise
        found = _run(instead, source)
        text = (
            "The exact likelihood of these counts did not converge, and normal estimates with 0.5 in empty "
            f"cells are pooled in its place. {error}"
        )
        said = Finding("counts-not-fitted", "warning", text)
        return replace(found, findings=(said, *found.findings))


def _run(analysis: Analysis, source: Evidence) -> Synthesis:
    """Run an analysis over the rows that it selects from."""
    chosen = selected(analysis, source)
    model = analysis.model
    checked = check(model, chosen.evidence)
    tree = fit(model, chosen.evidence, engine=analysis.engine, seed=analysis.seed)
    quantities = summarise(tree)
    estimates = answers(analysis, chosen.evidence, tree)
    variants = {}
    for variant in analysis.variant:
        changed = vary(analysis, variant)
        rows = selected(changed, source).evidence
        engine = changed.engine or Exact(draws=0, study_effects=False)
        if engine.refuses(changed.model, rows):
            engine = choose(changed.model, rows)
        other = fit(changed.model, rows, engine=engine, seed=changed.seed)
        variants[variant.name] = answers(changed, rows, other)
    findings = (
        *_registration(analysis),
        *_origin(chosen.evidence),
        *chosen.findings,
        *beside(
            chosen.evidence,
            counted=analysis.likelihood.offers.counted is not None,
            heard=analysis.likelihood.offers.speaks is not None,
        ),
        *_thresholds(analysis),
        *_unasked(analysis),
        *_designs(analysis, chosen.evidence),
        *_shy_of_zero(analysis),
        *approximated(analysis, estimates, variants, measure_named(str(tree.attrs["measure"]))),
        *checked,
        *diagnose(tree, model),
    )
    named = readable(chosen.evidence)
    findings = tuple(replace(each, message=named(each.message)) for each in findings)
    return Synthesis(
        analysis=analysis,
        evidence=chosen.evidence,
        posterior=tree,
        estimates=estimates,
        quantities=quantities,
        findings=findings,
        variants=variants,
        source=source,
    )


def _registration(analysis: Analysis) -> list[Finding]:
    """Say so if an analysis bears a date and is not the one in the register."""
    if analysis.registered is None:
        return []
    entry = register().get(analysis.id)
    if entry is not None and entry["digest"] == analysis.digest:
        return []
    text = (
        f"The analysis is dated {analysis.registered} and is not in the register of this package: nothing "
        "shows that it was fixed before the data were seen."
    )
    return [Finding("unregistered", "warning", text)]


def _origin(evidence: Evidence) -> list[Finding]:
    caveat = evidence.provenance.caveat
    found = [Finding("source", "warning", caveat)] if caveat else []
    if not evidence.provenance.dataset:
        found += [Finding("source", "note", text) for text in evidence.provenance.limits]
    for text in evidence.quarantined:
        message = f"Left out because of a fault: {text}"
        found.append(Finding("quarantined", "warning", message))
    return found


def _thresholds(analysis: Analysis) -> list[Finding]:
    """Say what a threshold means as a ratio where it looks like one."""
    measure = measure_named(analysis.evidence.measure)
    if not measure.log:
        return []
    rules = analysis.conclusion
    stated = [("conclusion.threshold", rules.threshold)] if rules.threshold_ratio is None else []
    for question in analysis.estimand:
        for side, given in (("above", question.above), ("below", question.below)):
            if given is not None and question.of not in analysis.model.hyper:
                stated.append((f"{side} of {question.name!r}", given))
    return [
        Finding(
            "threshold-scale",
            "warning",
            f"{name} = {given:g} is on the analysis scale: {measure.title.lower()} "
            f"{float(measure.back(given)):.3g}. If {measure.title.lower()} {given:g} is meant, state "
            f"{name.split()[0]}_ratio = {given:g}, or its logarithm, {np.log(given):.4g}.",
        )
        for name, given in stated
        if given >= _RATIO
    ]


def _unasked(analysis: Analysis) -> list[Finding]:
    """Say so if the conclusion is about one of two means and the questions ask for the other alone."""
    model, asked = analysis.model, {question.of for question in analysis.estimand}
    if model.pooled in asked or not asked & {"mu", "mu_studies"}:
        return []
    text = (
        f"The conclusion is about {model.pooled} ({model.which(model.pooled)}), and no estimand asks for it: "
        f'add one with of = "{model.pooled}".'
    )
    return [Finding("headline-not-asked", "warning", text)]


def _designs(analysis: Analysis, rows: Evidence) -> list[Finding]:
    """Say so if trials and cohorts are pooled as if a cohort were a trial."""
    studies = analysis.ladder.studies
    model = analysis.model
    told = any(term.facts.trust is not None for term in model.terms)
    told = told or any(each.column == studies.column for each in model.moderators)
    if studies.column not in rows.data or told:
        return []
    cohort = rows.matches(studies.column, studies.values)
    count = int(cohort.sum())
    if not 0 < count < rows.size:
        return []
    return [
        Finding(
            "designs-pooled",
            "warning",
            f"{count} of {rows.size} estimates {'is' if count == 1 else 'are'} not randomised and "
            f"{'counts as if it were' if count == 1 else 'count as if they were'}. "
            "`bayesrtw ladder` shows what that assumption is worth; an indicator term on design would "
            "tell them apart.",
        )
    ]


def _shy_of_zero(analysis: Analysis) -> list[Finding]:
    """Say which priors of a heterogeneity all but exclude that effects are alike."""
    said = [
        f"{name} ~ {described(each.prior)}"
        for term in analysis.model.terms
        for name, each in term.hyper().items()
        if each.what == "sd of effects" and excludes_zero(each.prior)
    ]
    return [Finding("prior-excludes-zero", "note", f"{each}.") for each in said]
