"""From a data set to the rows of an analysis; everything left out is named."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from bayesrtw.analysis.spec import Analysis, Assumed, Query
from bayesrtw.dims import ESTIMATE
from bayesrtw.errors import EvidenceError, Finding, shown
from bayesrtw.evidence.dependence import assumed_correlation, shared_groups
from bayesrtw.evidence.route import FROM_COUNTS, SILENT
from bayesrtw.evidence.table import Evidence
from bayesrtw.model.judged import CRITICAL
from bayesrtw.printed import STATE_IT
from bayesrtw.question.one_scale import on_one_scale
from bayesrtw.registry import suggestion

#: Says of rows whether a likelihood takes them without an estimate.
Hears = Callable[[Evidence], NDArray[np.bool_]]

#: Rows named in one finding before the rest is only counted.
NAMED = 12


@dataclass(frozen=True, slots=True, eq=False)
class Selected:
    """The rows of an analysis, and what was left out."""

    evidence: Evidence  #: Rows with an effect and a standard error in the wanted measure.
    findings: tuple[Finding, ...]  #: One for each reason why rows were left out.


def select(query: Query, evidence: Evidence, *, hears: Hears | None = None) -> Selected:
    """Take the rows that an analysis pools.

    Parameters
    ----------
    query
        What it wants.
    evidence
        The data set.
    hears
        Which rows are kept that have no effect or no standard error, as those in which nobody has the event:
        a likelihood of counts hears them all the same. None of them unless given.

    Returns
    -------
    Selected
        The rows, and findings that name what was left out and why.

    Raises
    ------
    EvidenceError
        If a column or value is not in the data set, or no row remains; the message says at which
        step the last one went.
    """
    steps = [f"{evidence.size} rows"]
    findings: list[Finding] = []
    rows = evidence
    findings += _unmet(query, evidence)
    for column, wanted in query.where.items():
        keep = rows.matches(column, wanted)
        if not keep.any():
            present = sorted({str(value) for value in rows.data[column].to_numpy()})
            raise EvidenceError(
                f"{evidence.where}: no rows are selected: {column} is none of {shown(wanted)} in the "
                f"{rows.size} rows left ({'; '.join(steps)}); {column} is {shown(present, 8)} there."
            )
        rows = rows.rows(keep)
        steps.append(f"{column}: {rows.size}")
    for between in query.between:
        values = _numeric(rows, between.column)
        keep = (values >= between.low) & (values <= between.high)
        if between.empty:
            keep |= np.isnan(values)
        text = f"{between.column} is not between {between.low:g} and {between.high:g}"
        rows = _without(rows, ~keep, text, "out-of-range", "note", findings)
        steps.append(f"{between.column}: {rows.size}")
    for exclusion in query.exclude:
        drop = rows.matches(exclusion.column, exclusion.values)
        rows = _without(rows, drop, exclusion.reason, "left-out", "note", findings)
    rows = _unquarantined(rows, findings)
    if query.one_scale:
        rows = _translated(rows, findings)
        steps.append(f"comparisons on one scale: {rows.size}")
    rows = _without_silent(query, rows, findings)
    measures = rows.data["measure"].to_numpy()
    other = measures != query.measure
    if other.any():
        found = ", ".join(sorted({str(name) or "none" for name in measures[other]}))
        text = f"reported as {found}, not {query.measure}"
        if query.measure in FROM_COUNTS and _counted(rows)[other].any():
            text += f". Counts can be analysed so too: give their rows a column measure with {query.measure}"
        rows = _without(rows, other, text, "other-measure", "warning", findings)
    heard = np.zeros(rows.size, dtype=bool) if hears is None else hears(rows)
    silent = _silent(rows) & ~heard
    text = f"nobody, or everybody, {SILENT} of a ratio"
    rows = _without(rows, silent, text, "no-events", "warning", findings)
    effect, se = rows.data["effect"].to_numpy(), rows.data["se"].to_numpy()
    bare = ~(np.isfinite(effect) & np.isfinite(se)) & ~heard[~silent]
    text = "no standard error follows from what was printed"
    rows = _without(rows, bare, text, "no-standard-error", "warning", findings)
    if rows.size == 0:
        reasons = "; ".join(finding.message for finding in findings)
        raise EvidenceError(
            f"{evidence.where}: no rows are selected ({'; '.join(steps)}). {reasons} Widen the "
            "selection."
        )
    if query.shared_groups:
        rows, said = shared_groups(rows)
        findings += said
    if query.correlated is not None:
        rows, text = _assuming(query.correlated, rows)
        findings.append(Finding("assumed-correlation", "note", text))
    return Selected(rows, tuple(findings))


def selected(analysis: Analysis, evidence: Evidence) -> Selected:
    """Take the rows that an analysis pools: those of its query that its model does not leave out.

    Parameters
    ----------
    analysis
        What is asked, and of which model.
    evidence
        The data set.

    Returns
    -------
    Selected
        As from `select`; without studies that a critical judgement keeps out of a model with judged
        biases.

    Raises
    ------
    EvidenceError
        As `select`, and if no row remains without these studies, or the analysis has a threshold of
        benefit and nobody stated which effects are good.
    """
    inspects = analysis.model.likelihood.offers.inspects
    hears = None if inspects is None else inspects.hears
    found = select(analysis.evidence, evidence, hears=hears)
    rows, findings = found.evidence, list(found.findings)
    for term in analysis.model.terms:
        leaves_out = term.facts.leaves_out
        if leaves_out is not None:
            drop = leaves_out.left_out(rows)
            rows = _without(rows, drop, "a critical judgement", CRITICAL, "warning", findings)
    if rows.size == 0:
        raise EvidenceError(
            f"{evidence.where}: every row is left out by a critical judgement; nothing is left to pool."
        )
    if analysis.conclusion.threshold and not rows.direction.benefit:
        raise EvidenceError(
            f"{evidence.where}: conclusion.threshold of {analysis.id} is a benefit of "
            f"{analysis.conclusion.threshold:g}, and no direction of benefit is stated; {STATE_IT}."
        )
    return Selected(rows, tuple(findings))


def _unquarantined(rows: Evidence, findings: list[Finding]) -> Evidence:
    """Leave out rows that the data set keeps apart, and say why."""
    if "quarantined" in rows.data:
        causes = np.array(
            [str(cause) for cause in rows.data["quarantined"].to_numpy()], dtype=object
        )
        for cause in sorted(set(causes) - {"", "nan"}):
            current = rows.data["quarantined"].to_numpy().astype(str)
            rows = _without(rows, current == cause, cause, "quarantined", "warning", findings)
    return rows


def _translated(rows: Evidence, findings: list[Finding]) -> Evidence:
    """Give one row a study and comparison, and say which of them tell no hazard ratio."""
    found = on_one_scale(rows)
    untold = found.quarantined[len(rows.quarantined) :]
    if untold:
        text = f"{len(untold)} comparisons tell no hazard ratio: {'; '.join(untold)}."
        findings.append(Finding("not-translated", "warning", text))
    return replace(found, quarantined=rows.quarantined)


def _assuming(asked: Assumed, rows: Evidence) -> tuple[Evidence, str]:
    """Give sampling errors the correlation that is assumed, and say of how many studies."""
    found = assumed_correlation(
        rows, by=asked.by, rho=asked.rho, months=asked.months, decay=asked.decay
    )
    sets = sum(block.assumed for block in found.dependence)
    fading = f" per {asked.decay:g} months of {asked.months}" if asked.months else ""
    return found, (
        f"Sampling errors of estimates that share {asked.by} are given a correlation of {asked.rho:g}"
        f"{fading} ({sets} sets of estimates): {asked.reason.rstrip('.')}."
    )


def _unmet(query: Query, evidence: Evidence) -> list[Finding]:
    """Name wanted and excluded values that the data set does not have: misspelt, or gone."""
    asked = [(column, wanted, "wanted") for column, wanted in query.where.items()]
    asked += [(each.column, each.values, "left out") for each in query.exclude]
    found = []
    for column, values, what in asked:
        absent = [value for value in values if not evidence.matches(column, value).any()]
        if not absent:
            continue
        present = sorted({str(value) for value in evidence.data[column].to_numpy()})
        hint = suggestion(absent[0], present) if len(present) < NAMED else ""
        text = f"{column} {shown(absent)} is {what} and occurs in no row. {hint}".strip()
        found.append(Finding("unmet-value", "warning", text))
    return found


def _numeric(rows: Evidence, column: str) -> NDArray[np.float64]:
    if column not in rows.data:
        have = [str(name) for name in rows.data.data_vars]
        raise EvidenceError(f"{rows.where}: no column {column!r}; {suggestion(column, have)}")
    values = rows.data[column].to_numpy()
    if values.dtype == object:
        if all(str(value) == "" for value in values):
            return np.full(rows.size, np.nan)
        raise EvidenceError(f"{rows.where}: column {column!r} holds text; a range needs numbers.")
    return np.asarray(values, dtype=np.float64)


def _counted(rows: Evidence) -> NDArray[np.bool_]:
    """Mark the rows that were converted from the counts of two groups."""
    if "conversion" not in rows.data:
        return np.zeros(rows.size, dtype=bool)
    how = [str(each) for each in rows.data["conversion"].to_numpy()]
    return np.array([" from counts" in each for each in how], dtype=bool)


def _silent(rows: Evidence) -> NDArray[np.bool_]:
    """Mark the rows that have no ratio since nobody, or everybody, has the event."""
    if "conversion" not in rows.data:
        return np.zeros(rows.size, dtype=bool)
    how = rows.data["conversion"].to_numpy()
    return np.array([SILENT in str(each) for each in how], dtype=bool)


def _without_silent(query: Query, rows: Evidence, findings: list[Finding]) -> Evidence:
    """Leave out rows without a number, such as headings between studies, and say so."""
    unnamed = np.isin(rows.data["measure"].to_numpy(), ("generic", ""))
    nothing = unnamed & np.isnan(rows.data["effect"].to_numpy()) & (query.measure != "generic")
    text = "no result stands in the row"
    return _without(rows, nothing, text, "no-result", "warning", findings)


def _without(
    rows: Evidence,
    drop: NDArray[np.bool_],
    reason: str,
    check: str,
    severity: str,
    findings: list[Finding],
) -> Evidence:
    """Leave rows out and say so."""
    if not drop.any():
        return rows
    names = [str(name) for name in rows.data[ESTIMATE].to_numpy()[drop]]
    listed = ", ".join(names[:NAMED]) + (
        f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    )
    text = f"Left out ({len(names)}): {listed}. Reason: {reason.rstrip('.')}."
    findings.append(Finding(check, "warning" if severity == "warning" else "note", text))
    return rows.rows(~drop)
