"""What rows can tell of a model before it is fitted: what they cannot tell apart or do not bound."""

from collections.abc import Sequence
from dataclasses import replace
from itertools import combinations

import numpy as np
import scipy
from numpy.typing import NDArray
from scipy.linalg import null_space

from bayesrtw.errors import EngineRefusal, EvidenceError, Finding, SpecError, shown
from bayesrtw.evidence.table import Evidence
from bayesrtw.model.contract import Prior
from bayesrtw.model.design import Design, Quantity, build
from bayesrtw.model.levels import levels_of
from bayesrtw.model.observation import Sites, beyond_normal
from bayesrtw.model.spec import Model
from bayesrtw.model.term import Moderator
from bayesrtw.model.treatments import treatments_of

Array = NDArray[np.float64]

#: A share below this is rounding, in a combination of coefficients of size 1.
NOTHING = 1e-8
#: How far from where it points to a site is looked at to see whether its density falls there, in its SDs.
FAR = 30.0
#: A study with more than this share of what the rows say of a slope decides it.
DECIDES = 0.5
#: Coefficients of which the rows remove less than this share of the prior's variance lean on it.
LITTLE = 0.5
#: Treatments, and studies, that are named of each piece of a network.
SHOWN = 4


def identified(model: Model, evidence: Evidence) -> list[Finding]:
    """Say what the rows cannot tell of a model, whatever its priors."""
    columns = [each for each in model.moderators if each.shape == "levels"]
    found = []
    for first, second in combinations(columns, 2):
        found += _nested(evidence, first, second)
        found += _nested(evidence, second, first)
    try:
        design = build(model, evidence, partial=True)
    except (SpecError, EngineRefusal):
        return found  # The engine says it, as a fault.
    pieces = _in_pieces(model, evidence)
    found += pieces
    if not any(each.severity == "warning" for each in pieces):
        found += _aliased(_without_baselines(design, model, evidence))
    sites = beyond_normal(model.likelihood.observe(evidence))
    if sites is not None:
        found += _separated(design, sites, evidence.where)
    found += _one_study(model, design, _weight(model, evidence, design))
    return found + _together(design)


def dominated(model: Model, evidence: Evidence) -> list[Finding]:
    """Say before the fit on which coefficients the priors weigh more than the rows can."""
    design = build(model, evidence, partial=True)
    own = design.precision > 0
    if not own.all():
        return []
    before = np.diag(1.0 / design.precision)
    weight = _weight(model, evidence, design)
    after = np.linalg.inv(
        design.columns.T @ (weight[:, None] * design.columns) + np.diag(design.precision)
    )
    names = []
    for name, label, row in _reported(design, ("mu", "beta")):
        left = float(row @ after @ row) / float(row @ before @ row)
        if left > 1.0 - LITTLE:
            names.append(f"{label or name} ({int(100 * (1 - left))} %)")
    if not names:
        return []
    text = (
        f"Priors that dominate: of the prior variance these rows can remove less than {100 * LITTLE:.0f} % "
        f"for {', '.join(names)}, with the heterogeneity SDs at their priors' medians."
    )
    return [Finding("prior-dominates", "warning", text)]


def _weight(model: Model, evidence: Evidence, design: Design) -> Array:
    """Give about what each row tells, with SDs of effects at their priors' medians; shape (estimate,)."""
    sites = beyond_normal(model.likelihood.observe(evidence))
    se = design.se if sites is None else sites.near[1]
    priors: Sequence[Prior] = [model.hyper[name] for name in model.spreads]
    spread = sum(float(each.ppf(np.array([0.5]))[0]) ** 2 for each in priors if each.proper)
    return np.asarray(1.0 / (se**2 + spread))


def _reported(design: Design, names: Sequence[str]) -> list[tuple[str, str, Array]]:
    """Give the rows of reported quantities with their labels."""
    own: list[tuple[str, Quantity]] = [
        (name, design.quantities[name]) for name in names if name in design.quantities
    ]
    return [
        (name, label, row)
        for name, each in own
        for label, row in zip(each.labels, each.combine, strict=True)
        if np.any(row)
    ]


def _moved(design: Design, along: Array) -> list[str]:
    """Name what moves when coefficients move along some directions, shape (column, direction)."""
    return [
        label or name
        for name, label, row in _reported(design, ("mu", "beta"))
        if np.any(np.abs(row @ along) > NOTHING)
    ]


def _without_baselines(design: Design, model: Model, evidence: Evidence) -> Design:
    """Take what the arms of a study have in common off the columns, where their baseline is free."""
    arm = evidence.single_arms
    if not arm.any() or not any(term.facts.baselines for term in model.terms):
        return design
    columns = design.columns.copy()
    for study in set(design.studies[arm].tolist()):
        rows = arm & (design.studies == study)
        columns[rows] -= columns[rows].mean(axis=0)
    return replace(design, columns=columns)


def _in_pieces(model: Model, evidence: Evidence) -> list[Finding]:
    """Name treatments that no study connects, with the studies of each piece."""
    if not any(term.facts.arms for term in model.terms):
        return []
    try:
        network = treatments_of(model, evidence)
    except SpecError:
        return []  # One treatment alone is no network.
    first, *others = network.pieces
    told = network.within(list(network.of_studies))
    apart = [
        piece for piece in others if not network.tells(told, network.difference(piece[0], first[0]))
    ]
    if not others:
        return []
    said = []
    for piece in [first, *(apart or others)]:
        studies = [study for study, own in network.of_studies.items() if set(own) & set(piece)]
        names = shown([network.names[each] for each in piece], SHOWN)
        said.append(f"{names} (studies {shown(studies, SHOWN)})")
    if not apart:
        text = (
            f"The network is in {len(network.pieces)} pieces that share components and no treatment: "
            f"{'; '.join(said)}. Differences between pieces rest on the assumption that components add up."
        )
        return [Finding("joined-by-components", "note", text)]
    text = (
        f"The network is in {1 + len(apart)} pieces: {'; '.join(said)}. No study connects them, and "
        "differences between them are what the priors say. Bridge them by a study that has treatments of "
        "both, drop one by select, or, where they hold the same thing under two names, declare it: name "
        "components that they share, or what counts as none."
    )
    return [Finding("network-in-pieces", "warning", text)]


def _aliased(design: Design) -> list[Finding]:
    """Name coefficients of which some combination moves no row."""
    if not design.columns.shape[1]:
        return []
    # The triangle has the same null space, and no side as long as the rows are many.
    lost = null_space(np.linalg.qr(design.columns, mode="r"))
    if not lost.shape[1]:
        return []
    names = _moved(design, lost)
    own = np.any(design.columns[:, np.abs(lost).max(axis=1) > NOTHING] != 0, axis=1)
    studies = sorted(set(design.studies[own].astype(str)))
    where = (
        f" They stand in {shown(studies)}: add a study that tells them apart, or leave one out."
        if studies
        else ""
    )
    text = (
        f"{lost.shape[1]} combination(s) of the coefficients {shown(names, 12)} are fixed by the prior "
        f"alone: the rows do not identify them.{where}"
    )
    return [Finding("aliased", "warning", text)]


def bounded(model: Model, evidence: Evidence) -> None:
    """Raise EvidenceError where separated tables leave a coefficient with a flat prior without an end."""
    sites = beyond_normal(model.likelihood.observe(evidence))
    if sites is None:
        return
    try:
        design = build(model, evidence, partial=True)
    except (SpecError, EngineRefusal):
        return  # The engine says it, as a fault.
    if design.flat.any():
        _separated(design, sites, evidence.where)


def _nested(evidence: Evidence, first: Moderator, second: Moderator) -> list[Finding]:
    """Name levels of one column whose rows all have one level of another; missing ones are none."""
    inner, outer = first.column, second.column
    within, other = (
        levels_of(each.column, each.groups, evidence, each.missing).of_rows.astype(str)
        for each in (first, second)
    )
    told = (within != "") & (other != "")
    within, other = within[told], other[told]
    if len(set(other)) < 2:
        return []
    found = []
    for value in sorted(set(within)):
        rows = within == value
        met = sorted(set(other[rows]))
        if len(met) == 1 and rows.sum() > 1:
            text = (
                f"Aliased in part: all {rows.sum()} rows with {inner} {str(value)!r} have {outer} "
                f"{str(met[0])!r}; what belongs to which is decided by other rows and by the priors."
            )
            found.append(Finding("aliased", "warning", text))
    return found


def _sides(sites: Sites) -> NDArray[np.int_]:
    """Say towards which side a site's density does not fall: 1, -1, or 0 where it falls or is flat."""
    centre, width = sites.near
    rows = np.arange(len(centre))
    ends = centre + FAR * np.array([[-1.0], [1.0]]) * width
    low, high = sites.log_density(ends, np.broadcast_to((0.01 * width) ** 2, ends.shape), rows)
    sides: NDArray[np.int_] = np.where(sites.falls, 0.0, np.sign(np.round(high - low, 6))).astype(
        int
    )
    return sides


def _separated(design: Design, sites: Sites, where: str) -> list[Finding]:
    """Name rows that leave coefficients without a bound on one side; flat priors do not bound them either."""
    sides = _sides(sites)
    if not np.any(sides) or not design.columns.shape[1]:
        return []
    flat = np.flatnonzero(design.flat)
    for own in (flat, np.arange(design.columns.shape[1])):
        along = np.zeros(design.columns.shape[1])
        along[own] = _unbounded(design.columns[:, own], sides, sites.falls)
        moved = np.abs(sides * (design.columns @ along)) > NOTHING
        if not moved.any():
            continue
        names = shown(sorted(set(design.studies[moved].astype(str))))
        what = shown(_moved(design, along[:, None]), 12)
        if own is flat:
            raise EvidenceError(
                f"{where}: the posterior is improper: in {names} events stand on one side alone, no other "
                f"row bounds {what} on that side, and a flat prior does not either; give a normal prior."
            )
        text = (
            f"Separation: in {names} events stand on one side alone, and no other row bounds {what} on that "
            "side: how far they go is decided by the prior."
        )
        return [Finding("separated", "warning", text)]
    return []


def _unbounded(columns: Array, sides: NDArray[np.int_], falls: NDArray[np.bool_]) -> Array:
    """Look for a direction along which no density falls and some rise, by a linear programme; else zeros."""
    rising, fixed = (sides[:, None] * columns)[sides != 0], columns[falls]
    none = np.zeros(columns.shape[1])
    if not len(none) or np.linalg.matrix_rank(fixed) == len(none):
        return none
    found = scipy.optimize.linprog(
        -rising.sum(axis=0),
        A_ub=-rising,
        b_ub=np.zeros(len(rising)),
        A_eq=fixed if len(fixed) else None,
        b_eq=np.zeros(len(fixed)) if len(fixed) else None,
        bounds=(-1.0, 1.0),
        method="highs",
    )
    if found.x is None or float(np.sum(rising @ found.x)) < NOTHING:
        return none
    return np.asarray(found.x)


def _one_study(model: Model, design: Design, weight: Array) -> list[Finding]:
    """Name slopes that one study decides: its share of the information that the other columns leave."""
    lines = {each.name: each.column for each in model.moderators if each.shape == "line"}
    root = np.sqrt(weight)
    names, place = np.unique(design.studies.astype(str), return_inverse=True)
    found = []
    for _, label, row in _reported(design, ("beta",)):
        if label not in lines or len(names) < 3:
            continue
        own = row != 0
        others, gap = root[:, None] * design.columns[:, ~own], root * (design.columns @ row)
        left = gap - others @ np.linalg.lstsq(others, gap, rcond=None)[0] if (~own).any() else gap
        total = float(left @ left)
        if total <= NOTHING * float(gap @ gap):
            continue
        share = np.bincount(place, weights=left**2) / total
        if share.max() > DECIDES:
            text = (
                f"One study decides the slope of {lines[label]!r}: {names[share.argmax()]} makes "
                f"{100 * share.max():.0f} % of what the rows say of it."
            )
            found.append(Finding("one-study-slope", "warning", text))
    return found


def _together(design: Design) -> list[Finding]:
    """Name SDs of effects of two levels that hardly any group tells apart."""
    parts = [part for part in design.grouped if part.hyper]
    found = []
    for one, other in combinations(parts, 2):
        if one.hyper == other.hyper:
            continue
        coarse, fine = (one, other) if one.count < other.count else (other, one)
        pairs = set(zip(coarse.group.tolist(), fine.group.tolist(), strict=True))
        held = np.bincount([pair[0] for pair in pairs])
        several = int((held > 1).sum())
        names = [name for part in (coarse, fine) for name in part.hyper]
        if several < 2:
            text = (
                f"{'One group has' if several else 'No group has'} more than one member at the level below: "
                f"{' and '.join(names)} are told apart by their priors."
            )
            found.append(Finding("spreads-together", "warning", text))
    return found
