"""Run an analysis: select, check, fit, summarise; everything noticed comes along."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import xarray as xr

from bayesrtw.analysis.catalog import open_dataset, register
from bayesrtw.analysis.query import select
from bayesrtw.analysis.spec import Analysis, Estimand, vary
from bayesrtw.engine import choose, fit
from bayesrtw.engine.exact import Exact
from bayesrtw.errors import Finding, SpecError
from bayesrtw.evidence.table import Evidence
from bayesrtw.model.spec import check
from bayesrtw.posterior.diagnose import diagnose
from bayesrtw.posterior.summarise import IntervalKind, probability_beyond, summarise
from bayesrtw.registry import suggestion

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, slots=True, kw_only=True)
class Synthesis:
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
    """

    analysis: Analysis
    evidence: Evidence
    posterior: xr.DataTree
    estimates: "pd.DataFrame"
    quantities: "pd.DataFrame"
    findings: tuple[Finding, ...]
    variants: Mapping[str, "pd.DataFrame"]


def run(analysis: Analysis, evidence: Evidence | None = None) -> Synthesis:
    """Run an analysis.

    Parameters
    ----------
    analysis
        What to run.
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

    Examples
    --------
    >>> import bayesrtw as brw
    >>> synthesis = brw.run(brw.open_analysis("time-to-rtw"))
    >>> "pooled" in synthesis.estimates.index
    True
    """
    source = evidence if evidence is not None else open_dataset(analysis.evidence.dataset)
    chosen = select(analysis.evidence, source)
    model = analysis.model
    checked = check(model, chosen.evidence)
    tree = fit(model, chosen.evidence, engine=analysis.engine, seed=analysis.seed)
    quantities = summarise(tree)
    estimates = _answers(tree, analysis.estimand, analysis.id)
    variants = {}
    for variant in analysis.variant:
        changed = vary(analysis, variant)
        same = changed.evidence == analysis.evidence
        rows = chosen.evidence if same else select(changed.evidence, source).evidence
        engine = changed.engine or Exact(draws=0, study_effects=False)
        if engine.refuses(changed.model, rows):
            engine = choose(changed.model, rows)
        other = fit(changed.model, rows, engine=engine, seed=changed.seed)
        variants[variant.name] = _answers(other, changed.estimand, analysis.id)
    findings = (
        *_registration(analysis),
        *_origin(chosen.evidence),
        *chosen.findings,
        *checked,
        *diagnose(tree, model),
    )
    return Synthesis(
        analysis=analysis,
        evidence=chosen.evidence,
        posterior=tree,
        estimates=estimates,
        quantities=quantities,
        findings=findings,
        variants=variants,
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


def _answers(tree: xr.DataTree, questions: tuple[Estimand, ...], where: str) -> "pd.DataFrame":
    """Summarise each estimand with its own interval and threshold."""
    import pandas as pd  # noqa: PLC0415

    higher = tree.attrs["benefit"] == "higher"
    tables: dict[tuple[float, IntervalKind], pd.DataFrame] = {}
    rows = []
    for question in questions:
        asked = (question.ci_prob, question.ci_kind)
        if asked not in tables:
            tables[asked] = summarise(tree, ci_prob=asked[0], ci_kind=asked[1])
        table = tables[asked]
        if question.of not in table.index:
            hint = suggestion(question.of, [str(name) for name in table.index])
            raise SpecError(f"{where}: estimand {question.name!r} asks for {question.of!r}; {hint}")
        row = table.loc[question.of].to_dict()
        above = question.above is not None or (question.below is None and higher)
        given = question.above if question.above is not None else question.below
        threshold = 0.0 if given is None else given
        spread = row["variable"] in str(tree.attrs["hyper"]).split()
        if not spread or given is not None:
            row["probability"] = probability_beyond(
                tree, row["variable"], row["label"], threshold, above=above
            )
        rows.append({**row, "of": question.of, "threshold": threshold, "above": above})
    return pd.DataFrame(rows, index=pd.Index([q.name for q in questions], name="estimand"))
