"""A model held against evidence before any fit: faults, and what limits the conclusions."""

import numpy as np

from bayesrtw.dims import ESTIMATE
from bayesrtw.errors import EvidenceError, Faults, Finding, SpecError, shown
from bayesrtw.evidence.table import Evidence
from bayesrtw.model.heterogeneity import dependence
from bayesrtw.model.identified import bounded, identified
from bayesrtw.model.likelihood import correlated
from bayesrtw.model.moderator import has_column
from bayesrtw.model.selection import obstacles
from bayesrtw.model.spec import Model
from bayesrtw.model.term import Moderator, given

#: Rows a numeric or categorical moderator should have before its coefficient is taken seriously
#: (Cochrane Handbook 10.11.5.1: ten studies for each characteristic).
ROWS_PER_MODERATOR = 10


def paired(model: object, evidence: object) -> None:
    """Raise SpecError where a question is not asked of a model and then evidence."""
    if not isinstance(model, Model):
        raise SpecError(f"found {type(model).__name__} in place of a model; give a bayesrtw.Model.")
    if not isinstance(evidence, Evidence):
        raise SpecError(
            f"found {type(evidence).__name__} in place of evidence; give the bayesrtw.Evidence that a model "
            "is asked with: Evidence.from_frame makes it of a table."
        )


def check(model: Model, evidence: Evidence) -> tuple[Finding, ...]:
    """Hold a model against evidence before fitting.

    Parameters
    ----------
    model
        The model.
    evidence
        The rows to pool.

    Returns
    -------
    tuple of Finding
        What limits the conclusions: few studies, aliased moderators, repeated studies.

    Raises
    ------
    SpecError
        If it is not a model with evidence.
    EvidenceError
        If there are no rows, if measures are mixed, if numbers that the likelihood reads are
        missing, or if a term's column cannot be used; every fault at once.
    """
    hold(model, evidence)
    found = [finding for term in model.terms for finding in term.findings(evidence)]
    inspects = model.likelihood.offers.inspects
    if inspects is not None:
        found += inspects.findings(evidence)
    if model.selection is not None:
        found += model.selection.findings(evidence)
    levels = (model.hyperparameters[name].level for name in model.spreads)
    found += dependence(evidence, tuple(level for level in levels if level))
    found += _within(model, evidence)
    found += _few(evidence)
    found += identified(model, evidence)
    found += _marginal(model)
    found += _per_moderator(model, evidence)
    return tuple(found)


def hold(model: Model, evidence: Evidence) -> None:
    """Raise what `check` raises, for those who do not read what limits the conclusions."""
    paired(model, evidence)
    faults = Faults(EvidenceError)
    if evidence.size == 0:
        faults.add(f"{evidence.where}: no rows are selected; widen the selection.")
        faults.stop()
    _one_scale(evidence, faults)
    names = evidence.data[ESTIMATE].to_numpy()
    inspects = model.likelihood.offers.inspects
    if inspects is not None:
        faults.extend(inspects.faults(evidence))
    for column in model.likelihood.columns():
        values = evidence.data[column].to_numpy()
        bad = ~np.isfinite(values) if column != "se" else ~(np.isfinite(values) & (values > 0))
        if bad.any():
            faults.add(
                f"{evidence.where}: {column} is missing or not usable in rows "
                f"{shown(str(name) for name in names[bad])}; leave them out or complete them."
            )
    for term in model.terms:
        faults.extend(term.faults(evidence))
    if evidence.single_arms.any() and not any(term.facts.baselines for term in model.terms):
        faults.add(
            f"{evidence.where}: rows are single arms, whose effects hold a baseline of their study; add "
            "the term `arms` with a baseline, or make contrasts of them."
        )
    correlation = model.likelihood.correlation
    if correlation is not None:
        faults.extend(has_column(evidence, correlation.by))
    clustering = model.likelihood.clustering
    if clustering is not None:
        faults.extend(has_column(evidence, clustering.size))
        if not faults.messages and evidence.data[clustering.size].dtype == object:
            faults.add(
                f"{evidence.where}: column {clustering.size!r} holds text; cluster sizes are numbers."
            )
    if model.selection is not None and not faults.messages:
        faults.extend(model.selection.faults(evidence))
        unknown = bool(evidence.dependence) or correlation is not None or clustering is not None
        observed = model.likelihood.observe(evidence)
        faults.extend(obstacles(model.terms, observed, unknown, evidence))
    if not faults.messages:
        together = [rows for rows, _ in correlated(correlation, evidence)]
        for term in model.terms:
            needs = term.facts.needs_independence
            faults.extend([] if needs is None else needs.entangled(evidence, together))
    faults.raise_if_any()
    bounded(model, evidence)


def _one_scale(evidence: Evidence, faults: Faults) -> None:
    """Note mixed measures and mixed directions of benefit."""
    for ask in ("measure", "benefit"):
        try:
            getattr(evidence, ask)
        except EvidenceError as error:
            faults.add(str(error))


def _within(model: Model, evidence: Evidence) -> list[Finding]:
    """Name studies whose effects go together while their sampling errors are taken for independent."""
    known = {
        int(row) for rows, _ in correlated(model.likelihood.correlation, evidence) for row in rows
    }
    study, loose = evidence.data["study"].to_numpy().astype(str), list[str]()
    for part in (each for term in model.terms for each in given(term, evidence).grouped):
        if part.kin is not None:
            for first in np.flatnonzero(np.bincount(part.kin.of) > 1):
                rows = np.flatnonzero(part.kin.of == first)
                loose += [] if known & set(rows.tolist()) else [str(study[rows[0]])]
    if not loose:
        return []
    text = (
        f"Sampling errors of several outcomes of the same people are taken for independent in {len(loose)} "
        f"studies ({shown(loose)}): what they share by chance then counts as shared by effects. State a "
        "correlation, known (assumed_correlation) or with a prior (correlation of the likelihood), and look "
        "at its panel."
    )
    return [Finding("within-correlation", "warning", text)]


def _few(evidence: Evidence) -> list[Finding]:
    studies = len(set(evidence.data["study"].to_numpy()))
    if evidence.size == 1:
        text = (
            "One estimate only: the pooled mean is that study seen through the prior, and "
            "heterogeneity is the prior's alone."
        )
        return [Finding("one-estimate", "warning", text)]
    if studies <= 4:
        text = (
            f"Studies: {studies} only. The result leans on the priors; read the prior's weight and do "
            "not headline the new-study interval."
        )
        return [Finding("few-studies", "warning", text)]
    return []


def _marginal(model: Model) -> list[Finding]:
    """Name interactions without the main effects that they modify, or with other levels."""
    have = {_same(each) for each in model.moderators}
    found = []
    for term in model.terms:
        facts = term.facts
        loose = [each.column for each in facts.modifies if _same(each) not in have]
        if loose:
            text = (
                f"The interaction {facts.moderators[0].name!r} stands without a term of the same levels for "
                f"{shown(loose)}: it takes up that main effect too, which shifts what it says."
            )
            found.append(Finding("interaction-alone", "warning", text))
    return found


def _same(moderator: Moderator) -> tuple[object, ...]:
    """Give what moderators that tell the same rows apart have in common, whatever they are called."""
    values = frozenset(moderator.values)
    return moderator.column, moderator.shape, moderator.groups, values


def _per_moderator(model: Model, evidence: Evidence) -> list[Finding]:
    count = sum(
        part.columns.shape[1]
        for term in model.terms
        if (part := given(term, evidence).fixed) is not None and not part.intercept
    )
    if count and evidence.size < ROWS_PER_MODERATOR * count:
        text = (
            f"{evidence.size} rows for {count} moderator coefficient(s); fewer than "
            f"{ROWS_PER_MODERATOR} for each. Moderators of study results are ecological: they compare "
            "studies, not workers."
        )
        return [Finding("moderators", "warning", text)]
    if count:
        text = "Moderators of study results are ecological: they compare studies, not workers."
        return [Finding("moderators", "note", text)]
    return []
