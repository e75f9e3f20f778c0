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
from bayesrtw.errors import EvidenceError, Finding, shown
from bayesrtw.evidence.covariance import Dependence
from bayesrtw.evidence.groups import CONTINUITY, OF_GROUP, log_hazard_of_median
from bayesrtw.evidence.route import ROUTES, Numbers, filled
from bayesrtw.evidence.table import Evidence
from bayesrtw.registry import suggestion

Array = NDArray[np.float64]

#: Correlation of two estimates that share a group of which nothing is known: with three groups of
#: equal size and variance it is one half (Gleser & Olkin 2009, *Handbook of Research Synthesis*).
SHARED: Final = 0.5

#: Eigenvalues of a repaired correlation matrix are at least this.
LEAST_EIGENVALUE: Final = 1e-8


#: What tells two comparisons of one study apart from two results of one comparison.
_ALIKE: Final = ("study", "outcome", "measure", "stratum", "subgroup", "follow_up_months")

#: Columns of a group whose equality shows that two rows print one group.
_GROUP: Final = ("events", "n", "person_time", "mean", "sd", "se_mean", "median")


def shared_groups(
    evidence: Evidence, *, column: str = "shared_control", rho: float = SHARED
) -> tuple[Evidence, tuple[Finding, ...]]:
    """Give estimates that share a group the covariance that it brings.

    Notes
    -----
    The covariance is the variance that the shared group contributes, `OF_GROUP`; of standardised
    differences 1 / n0 + g_i g_j / (2 N), N the people of all groups (Gleser & Olkin 2009, equation
    19.19), of Peto's odds ratios 1 / (n0 p (1 - p)), as under no effect.

    References
    ----------
    .. [1] Gleser & Olkin (2009), Stochastically dependent effect sizes. *The Handbook of Research
       Synthesis and Meta-Analysis*, 2nd edition, chapter 19.
    """
    if column not in evidence.data and column != "shared_control":
        have = [str(name) for name in evidence.data.data_vars]
        raise EvidenceError(f"{evidence.where}: no column {column!r}; {suggestion(column, have)}")
    _check_correlation(rho)
    se = np.array(evidence.data["se"].to_numpy(), dtype=np.float64)
    names = evidence.data[ESTIMATE].to_numpy()
    blocks, findings = [], []
    for key, rows in shared_rows(evidence, column).items():
        label = ", ".join(str(name) for name in names[rows])
        block = _Block(evidence, rows, treated=key.endswith("-treated"))
        split = block.parts > 1
        if np.any(split):
            joined = block.joined()
            if joined is None:
                text = (
                    f"{label}: the source split the control group in {int(np.max(block.parts))} parts and "
                    "prints no counts; the estimates stay independent."
                )
                findings.append(Finding("shared-group", "note", text))
                continue
            se[rows] = np.where(split, joined, se[rows])
        covariance = block.covariance(se[rows])
        if covariance is None:
            covariance = _compound(se[rows], rho)
            origin = f"correlation {rho:g} assumed: nothing is known of the shared group"
        else:
            origin = "variance of the shared group, from its own numbers"
        covariance, moved = repaired(covariance)
        said = f" Not positive definite: repaired, moved by {moved:.1e}." if moved else ""
        findings.append(Finding("shared-group", "note", f"{label} share a group: {origin}.{said}"))
        blocks.append(Dependence(rows, covariance, origin))
    data = evidence.data.assign(se=(ESTIMATE, se))
    found = replace(evidence, data=data, dependence=(*evidence.dependence, *blocks))
    return found, tuple(findings)


def shared_rows(
    evidence: Evidence, column: str = "shared_control"
) -> Mapping[str, NDArray[np.intp]]:
    """Find the rows that share a group, by the column that names it or by its printed numbers."""
    found = dict(_groups(evidence, column)) if column in evidence.data else {}
    taken = {int(row) for rows in found.values() for row in rows}
    taken |= {int(row) for block in evidence.dependence for row in block.rows}
    columns = {str(name): values.to_numpy() for name, values in evidence.data.data_vars.items()}
    alike = [columns[name] for name in _ALIKE if name in columns]
    for end, other, tail in (("_c", "_t", "-control"), ("_t", "_c", "-treated")):
        numbers = [columns[name + end] for name in _GROUP if name + end in columns]
        others = [columns[name + other] for name in _GROUP if name + other in columns]
        numbers = [values for values in numbers if values.dtype != object]
        together: dict[tuple[str, ...], list[int]] = {}
        for row in range(evidence.size if numbers else 0):
            known = [float(values[row]) for values in numbers]
            if row in taken or sum(not math.isnan(value) for value in known) < 2:
                continue
            key = (*(str(values[row]) for values in alike), *map(str, known))
            together.setdefault(key, []).append(row)
        for rows in together.values():
            differ = len({tuple(str(values[row]) for values in others) for row in rows})
            if len(rows) > 1 and differ == len(rows):
                study = str(columns["study"][rows[0]])
                found[f"{study}#{rows[0]}{tail}"] = np.array(rows, dtype=np.intp)
                taken |= set(rows)
    return found


def assumed_correlation(
    evidence: Evidence, *, by: str, rho: float, months: str = "", decay: float = 1.0
) -> Evidence:
    """Give estimates of the same people an assumed correlation of their sampling errors."""
    _check_correlation(rho)
    for column in filter(None, (by, months)):
        if column not in evidence.data:
            have = [str(name) for name in evidence.data.data_vars]
            raise EvidenceError(
                f"{evidence.where}: no column {column!r}; {suggestion(column, have)}"
            )
    se = np.asarray(evidence.data["se"].to_numpy(), dtype=np.float64)
    known = tuple(block for block in evidence.dependence if not block.assumed)
    taken = {int(row) for block in known for row in block.rows}
    blocks = []
    for rows in _groups(evidence, by).values():
        if taken & {int(row) for row in rows}:
            continue
        bare = rows[~np.isfinite(se[rows])]
        if bare.size:
            names = evidence.data[ESTIMATE].to_numpy()[bare].astype(str).tolist()
            raise EvidenceError(
                f"{evidence.where}: no standard errors of {shown(names)}, so that no correlation of errors "
                f"within a {by} can be assumed; give se, or leave such rows out."
            )
        covariance = _compound(se[rows], rho)
        if months:
            times = np.asarray(evidence.data[months].to_numpy(), dtype=np.float64)[rows]
            gap = np.nan_to_num(np.abs(times[:, None] - times[None, :]), nan=decay)
            covariance = np.outer(se[rows], se[rows]) * rho ** (gap / decay)
            np.fill_diagonal(covariance, se[rows] ** 2)
        covariance, _ = repaired(covariance)
        said = f"correlation {rho:g} assumed, by {by}"
        blocks.append(Dependence(rows, covariance, said, assumed=True))
    return replace(evidence, dependence=(*known, *blocks))


def design_effect(size: Array, icc: Array) -> Array:
    """Factor by which clustering inflates a variance that ignores it."""
    return np.asarray(1.0 + (size - 1.0) * icc)


def repaired(covariance: Array) -> tuple[Array, float]:
    """Make a covariance matrix positive definite, leaving its variances as they are.

    `covariance` (member, member).
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


def _compound(se: Array, rho: float) -> Array:
    """Covariance of estimates with one correlation."""
    covariance = rho * np.outer(se, se)
    np.fill_diagonal(covariance, se**2)
    return covariance


class _Block:
    """Rows that share a group, with what is printed of their groups."""

    def __init__(self, evidence: Evidence, rows: NDArray[np.intp], *, treated: bool) -> None:
        data = {str(name): v.to_numpy() for name, v in evidence.data.data_vars.items()}
        numeric = {name: values for name, values in data.items() if values.dtype != object}
        self.parts = np.asarray(data.get("control_parts", np.full(evidence.size, np.nan)))[rows]
        self.parts = np.array([float(str(part) or "nan") for part in self.parts])
        self.whole = [
            _whole(filled(Numbers({n: float(v[row]) for n, v in numeric.items()})), part)
            for row, part in zip(rows, self.parts, strict=True)
        ]
        sign = [-1.0 if str(v) == "yes" else 1.0 for v in data.get("reversed", data["study"])[rows]]
        self.factor = np.array([own("multiplier", 1.0) for own in self.whole]) * sign
        self.effect = np.asarray(data["effect"], dtype=np.float64)[rows]
        self.measures = {str(name) for name in data["measure"][rows]}
        self.end, self.other = ("_t", "_c") if treated else ("_c", "_t")

    def joined(self) -> Array | None:
        """Give standard errors against the whole control group; None where they do not follow."""
        found = []
        for own in self.whole:
            se = [_group_error(name, own, end) for name in self.measures for end in ("_t", "_c")]
            found.append(math.hypot(*se) if len(se) == 2 else math.nan)
        return np.array(found) if np.isfinite(found).all() else None

    def covariance(self, se: Array) -> Array | None:
        """Give the covariance that the shared group brings; None where its numbers are not known."""
        if len(self.measures) != 1:
            return None
        name = next(iter(self.measures))
        variances = np.array([_shared_variance(name, own, self.end) for own in self.whole])
        if name in ("standardised_mean_difference", "log_peto_odds_ratio"):
            own, other = (
                np.array([o(f"n{end}") for o in self.whole]) for end in (self.end, self.other)
            )
            total = own[0] + other.sum()
            if name == "standardised_mean_difference":
                g = self.effect / self.factor
                shared = 1 / own[0] + np.outer(g, g) / (2 * total)
            else:
                cells = [(o("events" + self.end), o("events" + self.other)) for o in self.whole]
                p = (cells[0][0] + sum(c[1] for c in cells)) / total
                shared = np.full(
                    (len(own), len(own)), 1 / (own[0] * p * (1 - p)) if p > 0 else np.nan
                )
            alike = np.ptp(own) == 0
        else:
            shared = np.full((len(se), len(se)), variances[0])
            alike = bool(np.allclose(variances, variances[0], rtol=1e-9, atol=0.0))
        shared = shared * np.outer(self.factor, self.factor)
        if not alike or not np.isfinite(shared).all():
            return None
        np.fill_diagonal(shared, se**2)
        return np.asarray(shared)


def _whole(get: Numbers, parts: float) -> Numbers:
    """Put the parts of a control group together again."""
    if not parts > 1:
        return get
    number = {name: parts * get(name) for name in ("n_c", "events_c", "person_time_c")}
    se = get("sd_c") / math.sqrt(number["n_c"]) if number["n_c"] > 0 else math.nan
    return get.having(**number, se_mean_c=se)


def _group_error(name: str, get: Numbers, end: str) -> float:
    """Give the standard error that a group brings to a measure; NaN where it is not known."""
    if name == "log_hazard_ratio" and get.has(f"median{end}", f"events{end}"):
        return float(log_hazard_of_median(get(f"median{end}"), get(f"events{end}")).se)
    for (_, measure), route in ROUTES.items():
        if measure != name or name not in OF_GROUP:
            continue
        values = [get(f"{need}{end}") for need in route.needs]
        if route.needs == ("events", "n") and values[0] in (0.0, values[1]):
            values = [values[0] + CONTINUITY, values[1] + 2 * CONTINUITY]
        elif route.needs[0] == "events" and values[0] == 0:
            values[0] = CONTINUITY
        se = float(OF_GROUP[name](*values).se)
        if se > 0:
            return se
    return math.nan


def _shared_variance(name: str, get: Numbers, end: str) -> float:
    return _group_error(name, get, end) ** 2
