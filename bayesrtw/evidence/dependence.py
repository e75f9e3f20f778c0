"""Covariance of sampling errors: shared groups, the same people measured again, clusters.

Estimates that compare two programmes with one control group, or that measure the same people twice,
err together. The covariance follows from the shared group's counts or variances where these are
printed; otherwise a correlation has to be assumed, which is then said.
"""

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from bayesrtw.dims import ESTIMATE
from bayesrtw.errors import EvidenceError, Finding
from bayesrtw.evidence.covariance import Dependence
from bayesrtw.evidence.groups import CONTINUITY
from bayesrtw.evidence.table import Evidence
from bayesrtw.registry import suggestion

Array = NDArray[np.float64]

#: Correlation of two estimates that share a group of which nothing is known: with three groups of
#: equal size and variance it is one half (Gleser & Olkin 2009, *Handbook of Research Synthesis*).
SHARED: Final = 0.5

#: Eigenvalues of a repaired correlation matrix are at least this.
LEAST_EIGENVALUE: Final = 1e-8


def shared_groups(
    evidence: Evidence, *, column: str = "shared_control", rho: float = SHARED
) -> tuple[Evidence, tuple[Finding, ...]]:
    """Give estimates that share a group the covariance that it brings.

    Parameters
    ----------
    evidence
        The rows. Rows with one value in `column` share a group; the value ends in ``-treated`` where
        that is the programme's group, else it is the control group. A column ``control_parts`` says
        in how many parts a source has split the group: such parts are put together again where
        counts allow it, and otherwise left independent.
    column
        Column that names the shared group.
    rho
        Correlation assumed where neither counts nor variances of the shared group are known.

    Returns
    -------
    tuple
        The evidence with its `dependence`, and findings that say what was done.

    Raises
    ------
    EvidenceError
        If the column does not exist, or rho is not in [0, 1).

    References
    ----------
    .. [1] Gleser & Olkin (2009), Stochastically dependent effect sizes. *The Handbook of Research
       Synthesis and Meta-Analysis*, 2nd edition, chapter 19.
    """
    if column not in evidence.data:
        have = [str(name) for name in evidence.data.data_vars]
        raise EvidenceError(f"{evidence.where}: no column {column!r}; {suggestion(column, have)}")
    _check_correlation(rho)
    cells = _cells(evidence)
    se = cells["se"].copy()
    names = evidence.data[ESTIMATE].to_numpy()
    blocks, findings = [], []
    for key, rows in _groups(evidence, column).items():
        label = ", ".join(str(name) for name in names[rows])
        parts = cells["control_parts"][rows]
        if np.any(parts > 1):
            names_of = set(evidence.data["measure"].to_numpy()[rows])
            if names_of != {"log_risk_ratio"} or not _have_counts(cells, rows):
                text = (
                    f"{label}: the source split the control group in {int(np.max(parts))} parts and "
                    "prints no counts; the estimates stay independent."
                )
                findings.append(Finding("shared-group", "note", text))
                continue
            se[rows] = _joined_se(cells, rows, parts)
        shared = _shared_variance(evidence, cells, rows, parts, treated=key.endswith("-treated"))
        if shared is None:
            covariance = _compound(se[rows], rho)
            origin = f"correlation {rho:g} assumed: nothing is known of the shared group"
        else:
            covariance = np.full((len(rows), len(rows)), shared)
            np.fill_diagonal(covariance, se[rows] ** 2)
            origin = "variance of the shared group, from its counts or its standard error"
        covariance, moved = repaired(covariance)
        said = f" Not positive definite: repaired, moved by {moved:.1e}." if moved else ""
        findings.append(Finding("shared-group", "note", f"{label} share a group: {origin}.{said}"))
        blocks.append(Dependence(rows, covariance, origin))
    data = evidence.data.assign(se=(ESTIMATE, se))
    found = replace(evidence, data=data, dependence=(*evidence.dependence, *blocks))
    return found, tuple(findings)


def assumed_correlation(
    evidence: Evidence, *, by: str, rho: float, months: str = "", decay: float = 1.0
) -> Evidence:
    """Give estimates of the same people an assumed correlation of their sampling errors.

    Parameters
    ----------
    evidence
        The rows.
    by
        Column whose equal values mark the same people, e.g. ``study``.
    rho
        Correlation in [0, 1).
    months
        Column with the time of follow-up in months; with it the correlation is
        ``rho ** (|difference| / decay)``, closer for closer times.
    decay
        Months over which the correlation falls to rho; > 0.

    Returns
    -------
    Evidence
        With its `dependence`; covariance is correlation times both standard errors.

    Raises
    ------
    EvidenceError
        If a column does not exist, or rho is not in [0, 1).
    """
    _check_correlation(rho)
    for column in filter(None, (by, months)):
        if column not in evidence.data:
            have = [str(name) for name in evidence.data.data_vars]
            raise EvidenceError(
                f"{evidence.where}: no column {column!r}; {suggestion(column, have)}"
            )
    se = np.asarray(evidence.data["se"].to_numpy(), dtype=np.float64)
    taken = {int(row) for block in evidence.dependence for row in block.rows}
    blocks = []
    for rows in _groups(evidence, by).values():
        if taken & {int(row) for row in rows}:
            continue
        covariance = _compound(se[rows], rho)
        if months:
            times = np.asarray(evidence.data[months].to_numpy(), dtype=np.float64)[rows]
            gap = np.nan_to_num(np.abs(times[:, None] - times[None, :]), nan=decay)
            covariance = np.outer(se[rows], se[rows]) * rho ** (gap / decay)
            np.fill_diagonal(covariance, se[rows] ** 2)
        covariance, _ = repaired(covariance)
        blocks.append(Dependence(rows, covariance, f"correlation {rho:g} assumed, by {by}"))
    return replace(evidence, dependence=(*evidence.dependence, *blocks))


def design_effect(size: Array, icc: Array) -> Array:
    """Factor by which clustering inflates a variance that ignores it.

    Parameters
    ----------
    size
        Mean cluster size, >= 1.
    icc
        Intracluster correlation in [0, 1], broadcast against `size`.

    Returns
    -------
    ndarray
        1 + (size - 1) icc; Cochrane Handbook 23.1.4.
    """
    return np.asarray(1.0 + (size - 1.0) * icc)


def repaired(covariance: Array) -> tuple[Array, float]:
    """Make a covariance matrix positive definite, leaving its variances as they are.

    Parameters
    ----------
    covariance
        Symmetric, shape (member, member), with a positive diagonal.

    Returns
    -------
    tuple
        The matrix with the eigenvalues of its correlation matrix clipped from below, and the size of
        the repair: the Frobenius norm of the change of the correlation matrix, 0 if none was needed.
    """
    sd = np.sqrt(np.diag(covariance))
    correlation = covariance / np.outer(sd, sd)
    values, vectors = np.linalg.eigh(correlation)
    if values[0] >= LEAST_EIGENVALUE:
        return covariance, 0.0
    clipped = vectors @ np.diag(np.maximum(values, LEAST_EIGENVALUE)) @ vectors.T
    scale = np.sqrt(np.diag(clipped))
    clipped = clipped / np.outer(scale, scale)
    return clipped * np.outer(sd, sd), float(np.linalg.norm(clipped - correlation))


def _check_correlation(rho: float) -> None:
    if not 0 <= rho < 1:
        raise EvidenceError(f"rho must be at least 0 and below 1; found {rho!r}.")


def _groups(evidence: Evidence, column: str) -> Mapping[str, NDArray[np.intp]]:
    """Rows of each value that several rows share."""
    rows: dict[str, list[int]] = {}
    for row, value in enumerate(evidence.data[column].to_numpy()):
        if str(value) not in ("", "nan"):
            rows.setdefault(str(value), []).append(row)
    return {key: np.array(own, dtype=np.intp) for key, own in rows.items() if len(own) > 1}


def _cells(evidence: Evidence) -> Mapping[str, Array]:
    """Numbers of the arms, NaN where a column is missing."""
    wanted: tuple[str, ...] = ("se", "control_parts", "n_t", "n_c", "events_t", "events_c")
    wanted += ("sd_t", "sd_c", "se_mean_t", "se_mean_c")
    found = {}
    for name in wanted:
        values = evidence.data[name].to_numpy() if name in evidence.data else None
        usable = values is not None and values.dtype != object
        found[name] = (
            np.asarray(values, dtype=np.float64) if usable else np.full(evidence.size, np.nan)
        )
    return found


def _have_counts(cells: Mapping[str, Array], rows: NDArray[np.intp]) -> bool:
    return all(
        bool(np.isfinite(cells[name][rows]).all())
        for name in ("events_t", "n_t", "events_c", "n_c")
    )


def _compound(se: Array, rho: float) -> Array:
    """Covariance of estimates with one correlation."""
    covariance = rho * np.outer(se, se)
    np.fill_diagonal(covariance, se**2)
    return covariance


def _joined_se(cells: Mapping[str, Array], rows: NDArray[np.intp], parts: Array) -> Array:
    """Give standard errors of log risk ratios against the whole control group."""
    a, n1 = cells["events_t"][rows], cells["n_t"][rows]
    c, n0 = cells["events_c"][rows] * parts, cells["n_c"][rows] * parts
    return np.sqrt(1 / a - 1 / n1 + 1 / c - 1 / n0)


def _shared_variance(
    evidence: Evidence,
    cells: Mapping[str, Array],
    rows: NDArray[np.intp],
    parts: Array,
    *,
    treated: bool,
) -> float | None:
    """Variance that the shared group contributes to each of its estimates, None if unknown."""
    arm = "t" if treated else "c"
    size = cells[f"n_{arm}"][rows] * np.where(parts > 1, parts, 1.0)
    events = cells[f"events_{arm}"][rows] * np.where(parts > 1, parts, 1.0)
    measure = {str(name) for name in evidence.data["measure"].to_numpy()[rows]}
    if len(measure) != 1:
        return None
    name = measure.pop()
    if (
        np.isfinite(events).all()
        and np.isfinite(size).all()
        and np.ptp(events) == np.ptp(size) == 0
    ):
        e, n = float(events[0]), float(size[0])
        if e in (0.0, n):
            e, n = e + CONTINUITY, n + 2 * CONTINUITY
        by_measure = {
            "log_risk_ratio": 1 / e - 1 / n,
            "log_odds_ratio": 1 / e + 1 / (n - e),
            "risk_difference": e * (n - e) / n**3,
        }
        return by_measure.get(name)
    if name == "mean_difference":
        own = cells[f"se_mean_{arm}"][rows]
        known = np.where(np.isfinite(own), own, cells[f"sd_{arm}"][rows] / np.sqrt(size))
        if np.isfinite(known).all() and math.isclose(float(np.ptp(known)), 0.0, abs_tol=1e-12):
            return float(known[0] ** 2)
    return None
