"""Analyses for evidence that nobody has registered one for: random effects, default priors."""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from bayesrtw.analysis.query import select
from bayesrtw.analysis.spec import Analysis, Estimand, Query, Variant, vary
from bayesrtw.doubt.shape import question
from bayesrtw.errors import EvidenceError, shown
from bayesrtw.evidence.dependence import shared_rows
from bayesrtw.evidence.table import Evidence
from bayesrtw.model.default_likelihood import EXACT, Chosen, default_likelihood
from bayesrtw.model.defaults import default_priors, default_terms, described

#: How the reason of an analysis begins that no file states.
UNREGISTERED = "Not registered: a random-effects model with default priors"

#: How the reason for a third level begins.
THREE_LEVELS = "Three levels"

#: The variant that stands beside an exact likelihood of counts: what was usual before it.
APPROXIMATE = Variant(
    "normal approximation, 0.5 in empty cells", {"likelihood": {"kind": "normal"}}
)

#: Seed of unregistered analyses.
SEED = 20260301


def default_analyses(evidence: Evidence, *, levels: int = 3) -> tuple[Analysis, ...]:
    """Propose one random-effects analysis for each outcome and measure.

    Parameters
    ----------
    evidence
        Every row of a data set.
    levels
        3, or 2 for one heterogeneity even where studies have several estimates.

    Returns
    -------
    tuple of Analysis
        Not registered; outcomes in order of appearance. Pairs without a single usable row are left
        out.

    Raises
    ------
    EvidenceError
        If no row of the evidence is usable, or the rows are ratios and nobody says so.
    """
    asked = question(evidence)
    if asked:
        raise EvidenceError(asked)
    columns = (evidence.data[name].to_numpy()[_usable(evidence)] for name in ("outcome", "measure"))
    pairs = dict.fromkeys(zip(*columns, strict=True))
    # Of many outcomes, each is looked for among its own rows.
    names = evidence.data["outcome"].to_numpy()
    every = {name: evidence.rows(names == name) for name in dict.fromkeys(key for key, _ in pairs)}
    found, stems = list[Analysis](), Counter[str]()
    for outcome, measure in pairs:
        own = every[outcome]
        rows = own.rows(_usable(own) & (own.data["measure"].to_numpy() == measure))
        query = Query(
            evidence.provenance.dataset,
            str(measure),
            {"outcome": (str(outcome),)},
            shared_groups=bool(shared_rows(rows)),
        )
        chosen = likelihood_for(query, own)
        name = f"{outcome}-{measure}" if len(pairs) > 1 else str(outcome)
        stem = re.sub(r"[^a-z0-9]+", "-", name.lower())[:80].strip("-") or "analysis"
        taken = stems[stem]
        stems[stem] += 1
        title = evidence.outcomes[str(outcome)].title
        found.append(
            Analysis(
                id=f"{stem}--{taken + 1}" if taken else stem,
                title=(
                    f"Pooled {rows.measure.title.lower()}"
                    if str(outcome) == "effect"
                    else f"{title[:1].upper()}{title[1:]}, {rows.measure.title.lower()}"
                ),
                question=(
                    "What is the pooled effect?"
                    if str(outcome) == "effect"
                    else f"What is the effect on {title}?"
                ),
                seed=SEED,
                evidence=query,
                term=default_terms(rows, levels=levels),
                likelihood=chosen.likelihood,
                variant=(APPROXIMATE,) if chosen.exact else (),
                estimand=_estimands(rows, levels),
                rationale=(*_reasons(rows, levels), *([chosen.why] if chosen.why else [])),
            )
        )
    return tuple(found)


def _usable(evidence: Evidence) -> NDArray[np.bool_]:
    """Which rows have an effect and a standard error."""
    effect, se = (evidence.data[name].to_numpy() for name in ("effect", "se"))
    return np.asarray(np.isfinite(effect) & np.isfinite(se))


def without_counts(analysis: Analysis) -> Analysis | None:
    """Give an analysis by default with normal estimates in place of counts; None of any other."""
    if analysis.registered is not None or APPROXIMATE not in analysis.variant:
        return None
    return replace(vary(analysis, APPROXIMATE), rationale=analysis.rationale[:-1])


def the_default(evidence: Evidence) -> Analysis:
    """Give the one analysis that evidence gets by default."""
    found = default_analyses(evidence)
    if len(found) > 1:
        raise EvidenceError(
            f"{evidence.where}: {len(found)} analyses would pool it: {shown(each.id for each in found)}; "
            "take the rows of one with evidence.select(outcome=..., measure=...)."
        )
    return found[0]


def likelihood_for(query: Query, evidence: Evidence) -> Chosen:
    """Choose the likelihood of the rows that a query takes."""
    exact = EXACT.get(query.measure)
    return default_likelihood(select(query, evidence, hears=exact and exact[0].hears).evidence)


def by_default(rationale: Sequence[str]) -> bool:
    """Say whether an analysis is one that this module made, by its reasons."""
    return bool(rationale) and rationale[0].startswith(UNREGISTERED)


def _several(rows: Evidence, levels: int) -> int:
    """Count the studies with several estimates that get a level of their own."""
    studies = [str(name) for name in rows.data["study"].to_numpy()]
    return sum(count > 1 for count in Counter(studies).values()) if levels > 2 else 0


def _estimands(rows: Evidence, levels: int) -> tuple[Estimand, ...]:
    spreads: tuple[Estimand, ...] = (Estimand("heterogeneity", "tau"),)
    if _several(rows, levels):
        spreads = (
            Estimand("heterogeneity between studies", "tau_study"),
            Estimand("heterogeneity within studies", "tau"),
        )
    return (Estimand("pooled", "mu"), Estimand("new setting", "theta_new"), *spreads)


def _reasons(rows: Evidence, levels: int) -> tuple[str, ...]:
    """Say which priors and levels, in a sentence each."""
    priors, several = default_priors(rows), _several(rows, levels)
    tau = "tau_study" if several else "tau"
    said = f"{UNREGISTERED}: {described(priors.mu)} for mu, {described(priors.tau)} for {tau} ({priors.why})."
    if not several:
        return (said,)
    have = "study has" if several == 1 else "studies have"
    return (
        said,
        f"{THREE_LEVELS}: {several} {have} several estimates, which differ within a study (tau) "
        "as studies do (tau_study); --levels 2 takes them for studies of their own.",
    )
