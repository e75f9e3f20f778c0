"""Analyses for evidence that nobody has registered one for: random effects, default priors."""

import re

import numpy as np

from bayesrtw.analysis.spec import Analysis, Estimand, Query
from bayesrtw.errors import EvidenceError
from bayesrtw.evidence.table import Evidence
from bayesrtw.model.defaults import default_priors, default_terms

#: How the reason of an analysis begins that no file states.
UNREGISTERED = "Not registered: a random-effects model with default priors"

#: Seed of unregistered analyses.
SEED = 20260301


def default_analyses(evidence: Evidence) -> tuple[Analysis, ...]:
    """Propose one random-effects analysis for each outcome and measure.

    Parameters
    ----------
    evidence
        Every row of a data set.

    Returns
    -------
    tuple of Analysis
        Not registered; outcomes in order of appearance. Pairs without a single usable row are left
        out.

    Raises
    ------
    EvidenceError
        If no row of the evidence is usable.
    """
    effect, se = evidence.data["effect"].to_numpy(), evidence.data["se"].to_numpy()
    usable = evidence.rows(np.isfinite(effect) & np.isfinite(se))
    pairs = dict.fromkeys(
        zip(usable.data["outcome"].to_numpy(), usable.data["measure"].to_numpy(), strict=True)
    )
    found: list[Analysis] = []
    for outcome, measure in pairs:
        rows = usable.select(outcome=str(outcome), measure=str(measure))
        name = f"{outcome}-{measure}" if len(pairs) > 1 else str(outcome)
        stem = re.sub(r"[^a-z0-9]+", "-", name.lower())[:80].strip("-") or "analysis"
        taken = sum(other.id == stem or other.id.startswith(f"{stem}--") for other in found)
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
                evidence=Query(
                    evidence.provenance.dataset, str(measure), {"outcome": (str(outcome),)}
                ),
                term=default_terms(rows),
                estimand=(
                    Estimand("pooled", "mu"),
                    Estimand("new setting", "theta_new"),
                    Estimand("heterogeneity", "tau"),
                ),
                rationale=(f"{UNREGISTERED} ({default_priors(rows).why}).",),
            )
        )
    if not found:
        raise EvidenceError(
            f"{evidence.where}: no row has an effect and a standard error; give effect and se, or the "
            "numbers they follow from."
        )
    return tuple(found)
