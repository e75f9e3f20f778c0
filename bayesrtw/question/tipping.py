"""How little would change the answer: shifted effects, a sceptical prior, studies left out.

Crossings are solved on exact values (`bayesrtw.question.altered`), and nodes are laid anew at the
solution until it stands still. Where there is no crossing, the row is empty and says so.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq

from bayesrtw.engine.integrate import Integral, pruned
from bayesrtw.engine.problem import pose
from bayesrtw.engine.shared import Common
from bayesrtw.errors import SpecError
from bayesrtw.evidence.table import Evidence
from bayesrtw.model.design import Design, build
from bayesrtw.model.spec import Model, check
from bayesrtw.posterior import mixture
from bayesrtw.posterior.nodes import Nodes
from bayesrtw.question.altered import Laid, Shifted, alter, lay_out, shifted
from bayesrtw.question.pool import TOLERANCE, Pooled, mean_of, pool_rows, shared_by
from bayesrtw.question.sensitivity import LeftOut

if TYPE_CHECKING:
    import pandas as pd

Array = NDArray[np.float64]

#: Puts the probabilities of benefit and harm into a class.
Classify = Callable[[float, float], str]

#: Probabilities of benefit whose crossing is looked for.
LEVELS = (0.9, 0.8, 0.5)

#: Largest shift that is tried, in standard errors of the widest estimate: beyond it no data are left.
FARTHEST = 10.0

#: Points at which a crossing is looked for before it is solved.
SCAN = 25

#: A solution is final when nodes laid anew find it this near: in probability, or relative to an SD.
SETTLED = 1e-8

#: Rounds of laying nodes anew; two or three do.
ROUNDS = 10

#: Prior SDs of the mean that are tried, as shares of the registered one.
NARROWEST, WIDEST = 1e-3, 1e2


@dataclass(frozen=True, slots=True)
class Sides:
    """What counts as benefit.

    Attributes
    ----------
    higher
        Whether a higher effect is the better one.
    threshold
        Size of an effect beyond which benefit and harm count.
    """

    higher: bool
    threshold: float = 0.0

    def chances(self, pooled: Pooled) -> tuple[float, float]:
        """Probabilities of benefit and of harm.

        Parameters
        ----------
        pooled
            A pooled mean.

        Returns
        -------
        tuple of float
            In [0, 1].
        """
        side = self.threshold if self.higher else -self.threshold
        return (
            pooled.probability(side, above=self.higher),
            pooled.probability(-side, above=not self.higher),
        )


@dataclass(frozen=True, slots=True, eq=False)
class _Shifts:
    """Effects of some rows that are shifted together."""

    design: Design
    along: Array
    sides: Sides
    base: Common | None = None

    def at(self, shift: float, *, every: bool = False) -> Shifted:
        """Lay nodes where the posterior lives after a shift; `every` keeps those that carry nothing yet."""
        moved = replace(self.design, effect=self.design.effect + shift * self.along)
        found = None if self.base is None else self.base.weigh(pose(moved))
        if found is None:
            return shifted(lay_out(moved, self.along))
        nodes = found.nodes
        kept = nodes if every else _carrying(nodes)
        return shifted(lay_out(moved, self.along, Integral(kept, nodes, (), TOLERANCE)))

    def chance(self, laid: Shifted, gone: float, shift: float) -> float:
        side = self.sides.threshold if self.sides.higher else -self.sides.threshold
        return laid.probability(shift - gone, side, above=self.sides.higher)


def _carrying(nodes: Nodes) -> Nodes:
    """Drop nodes that carry nothing."""
    values, weight = pruned(nodes)
    return Nodes(values, np.log(weight), nodes.log_total, nodes.ranges, ())


def shift_curve(
    model: Model,
    evidence: Evidence,
    rows: NDArray[np.bool_],
    shifts: Sequence[float],
    *,
    threshold: float = 0.0,
) -> Array:
    """Give the probability of benefit after adding a common shift to the effects of some rows.

    Parameters
    ----------
    model, evidence
        What is pooled; the model has an intercept.
    rows
        Whose effects are shifted, shape (estimate,).
    shifts
        On the analysis scale.
    threshold
        Size of an effect beyond which benefit counts.

    Returns
    -------
    ndarray, shape (shift,)
        Probability of benefit of the pooled mean; nodes are laid anew for every shift.
    """
    check(model, evidence)
    sides = Sides(evidence.benefit == "higher", threshold)
    design = build(model, evidence)
    problem = _Shifts(design, rows.astype(np.float64), sides, shared_by(design))
    return np.array([problem.chance(problem.at(shift), shift, shift) for shift in shifts])


def tipping_shift(
    model: Model,
    evidence: Evidence,
    groups: Mapping[str, NDArray[np.bool_]],
    *,
    levels: Sequence[float] = LEVELS,
    threshold: float = 0.0,
    base: Common | None = None,
) -> "pd.DataFrame":
    """Find the smallest common shift of a group's effects at which P(benefit) crosses a level.

    Parameters
    ----------
    model, evidence
        What is pooled; the model has an intercept.
    groups
        Name to the rows whose effects are shifted, shape (estimate,).
    levels
        Probabilities of benefit, in (0, 1).
    threshold
        Size of an effect beyond which benefit counts.
    base
        Nodes of the model and evidence, where they are laid already.

    Returns
    -------
    DataFrame
        One row a group and level: ``now``, P(benefit) without a shift; ``shift`` on the analysis
        scale, towards harm where `now` is above the level; ``probability`` there, nodes laid anew;
        ``note`` where no shift crosses the level.

    Raises
    ------
    SpecError
        If the model has no intercept.
    """
    import pandas as pd  # noqa: PLC0415

    check(model, evidence)
    design = build(model, evidence)
    sides = Sides(evidence.benefit == "higher", threshold)
    found = []
    base = shared_by(design) if base is None else base
    for name, rows in groups.items():
        problem = _Shifts(design, rows.astype(np.float64), sides, base)
        start = problem.at(0.0, every=True)
        now = problem.chance(start, 0.0, 0.0)
        scans: dict[float, tuple[Array, Array]] = {}
        for level in levels:
            towards = 1.0 if (now < level) == sides.higher else -1.0
            if towards not in scans:
                scans[towards] = _scan(problem, start, towards)
            shift, there = _tip(problem, start, scans[towards], level)
            note = "" if math.isfinite(shift) else "no shift within reach crosses it"
            row = {"now": now, "shift": shift, "probability": there, "note": note}
            found.append({"group": name, "level": level, **row})
    return pd.DataFrame(found).set_index(["group", "level"])


def _scan(problem: _Shifts, start: Shifted, towards: float) -> tuple[Array, Array]:
    """Probabilities on one side of no shift, denser near it."""
    unit = float(np.max(problem.design.se))
    grid = towards * FARTHEST * unit * np.linspace(0.0, 1.0, SCAN) ** 2
    return grid, np.array([problem.chance(start, 0.0, shift) for shift in grid])


def _tip(
    problem: _Shifts, start: Shifted, scan: tuple[Array, Array], level: float
) -> tuple[float, float]:
    """Solve one crossing; NaN without one."""
    unit = float(np.max(problem.design.se))
    grid, seen = scan
    above = seen > level
    crossed = np.flatnonzero(above != above[0])
    laid, gone = start, 0.0
    if len(crossed):
        low, high = float(grid[crossed[0] - 1]), float(grid[crossed[0]])
    else:
        # The nodes of no shift may not reach so far: ask where they are laid anew.
        low, high = 0.0, float(grid[-1])
        far = problem.chance(problem.at(high), high, high)
        if (far > level) == above[0]:
            return math.nan, math.nan
        gone = 0.5 * high
        laid = problem.at(gone)
    shift, there = math.nan, math.nan
    for _ in range(ROUNDS):

        def gap(shift: float, laid: Shifted = laid, gone: float = gone) -> float:
            return problem.chance(laid, gone, shift) - level

        low, high = _bracket(gap, low, high, unit)
        shift = float(brentq(gap, low, high, xtol=1e-10 * unit))
        laid, gone = problem.at(shift), shift
        there = problem.chance(laid, gone, shift)
        if abs(there - level) <= SETTLED:
            break
        low, high = shift - 1e-2 * unit, shift + 1e-2 * unit
    return shift, there


def _bracket(
    gap: Callable[[float], float], low: float, high: float, unit: float
) -> tuple[float, float]:
    """Widen an interval until the sign changes inside it."""
    while np.sign(gap(low)) == np.sign(gap(high)) and high - low < 2.0 * FARTHEST * unit:
        middle, half = 0.5 * (low + high), abs(high - low)
        low, high = middle - half, middle + half
    return low, high


def tipping_prior(
    model: Model, evidence: Evidence, classify: Classify, *, threshold: float = 0.0
) -> "pd.DataFrame":
    """Find the prior SDs of the pooled mean, centred at no effect, at which the class changes.

    Parameters
    ----------
    model, evidence
        What is pooled; the model has an intercept with a normal prior.
    classify
        Probabilities of benefit and harm to the class of the conclusion.
    threshold
        Size of an effect beyond which benefit and harm count.

    Returns
    -------
    DataFrame
        Rows ``registered``, ``narrower`` and ``wider``: ``prior_sd`` at which the class changes when the
        prior is narrowed or widened from the registered one (for ``registered`` that one), ``median``
        and ``probability`` (of benefit) there, ``conclusion``, which for the other two is the class
        beyond, and ``note`` where the class does not change.

    Raises
    ------
    SpecError
        If the model has no intercept, or a flat one.
    """
    check(model, evidence)
    return tipping_prior_of(lay_out(build(model, evidence)), evidence, classify, threshold)


def tipping_prior_of(
    start: Laid, evidence: Evidence, classify: Classify, threshold: float = 0.0
) -> "pd.DataFrame":
    """Find the tipping prior of a posterior that is laid out already.

    Parameters
    ----------
    start
        The posterior.
    evidence, classify, threshold
        See `tipping_prior`.

    Returns
    -------
    DataFrame
        See `tipping_prior`.

    Raises
    ------
    SpecError
        If the prior of the pooled mean is flat.
    """
    import pandas as pd  # noqa: PLC0415

    design = start.design
    place = int(np.argmax(mean_of(design)))
    if not design.precision[place] > 0:
        raise SpecError(
            "the prior of the pooled mean is flat: it has no SD to narrow; give the intercept a normal "
            "prior."
        )
    sides = Sides(evidence.benefit == "higher", threshold)
    own = float(design.precision[place] ** -0.5)
    registered = alter(start).pooled
    # Classes are compared under priors centred at no effect, whatever the registered centre.
    name = classify(*sides.chances(_under(start, place, own)))
    rows = {
        "registered": _prior_row(registered, own, sides, classify(*sides.chances(registered)), "")
    }
    for where, last in (("narrower", NARROWEST), ("wider", WIDEST)):
        sd, other = _tip_prior(start, place, (own, last * own), sides, classify, name)
        note = "" if other else f"the class is the same down to an SD of {last * own:g}"
        if where == "wider" and not other:
            note = f"the class is the same up to an SD of {last * own:g}"
        pooled = _under(start, place, sd) if other else registered
        rows[where] = _prior_row(pooled, sd if other else math.nan, sides, other or name, note)
    return (
        pd.DataFrame(rows)
        .T.rename_axis("prior")
        .astype({"prior_sd": float, "median": float, "probability": float})
    )


def _under(laid: Laid, place: int, sd: float) -> Pooled:
    mean, precision = laid.design.mean.copy(), laid.design.precision.copy()
    mean[place], precision[place] = 0.0, sd**-2
    return alter(laid, mean=mean, precision=precision).pooled


def _tip_prior(
    start: Laid,
    place: int,
    ends: tuple[float, float],
    sides: Sides,
    classify: Classify,
    name: str,
) -> tuple[float, str]:
    """Close in on the SD where the class changes; the class beyond, empty without a change."""
    laid = start
    grid = np.geomspace(*ends, SCAN)
    names = [classify(*sides.chances(_under(laid, place, sd))) for sd in grid]
    changed = next((i for i, other in enumerate(names) if other != name), None)
    if changed is None:
        return math.nan, ""
    same, differs, other = float(grid[changed - 1]), float(grid[changed]), names[changed]
    before = math.nan
    for _ in range(ROUNDS):
        # An interval that nodes laid anew have moved out of is widened first.
        for _ in range(ROUNDS):
            if classify(*sides.chances(_under(laid, place, same))) == name:
                break
            same *= (same / differs) ** 2.0
        while abs(differs / same - 1.0) > 1e-10:
            middle = math.sqrt(same * differs)
            found = classify(*sides.chances(_under(laid, place, middle)))
            same, differs = (middle, differs) if found == name else (same, middle)
            other = other if found == name else found
        if abs(differs / before - 1.0) <= SETTLED:
            break
        before = differs
        precision, mean = laid.design.precision.copy(), laid.design.mean.copy()
        precision[place], mean[place] = differs**-2, 0.0
        laid = lay_out(replace(laid.design, precision=precision, mean=mean))
        step = 1.001 if ends[1] > ends[0] else 1 / 1.001
        same, differs = differs / step, differs * step
        if classify(*sides.chances(_under(laid, place, differs))) == name:
            differs *= step**9
    return differs, other


def _prior_row(
    pooled: Pooled, sd: float, sides: Sides, name: str, note: str
) -> dict[str, float | str]:
    there = math.isfinite(sd)
    return {
        "prior_sd": sd,
        "median": float(mixture.quantile(0.5, *pooled.mixture)[0]) if there else math.nan,
        "probability": sides.chances(pooled)[0] if there else math.nan,
        "conclusion": name,
        "note": note,
    }


def fewest_removed(
    left: LeftOut, classify: Classify, sides: Sides, base: Common | None = None
) -> "pd.DataFrame":
    """Find which value, or which two, have to be left out for the class to change.

    Every single one is tried; if none changes the class, every second one beside the one that lowers
    and the one that raises the probability most (greedy: another pair may do it too).

    Parameters
    ----------
    left
        What `bayesrtw.question.sensitivity.leave_out` returned.
    classify
        Probabilities of benefit and harm to the class of the conclusion.
    sides
        What counts as benefit.
    base
        Nodes of the whole design, where they are laid already.

    Returns
    -------
    DataFrame
        One row for each way found, the furthest first, index ``removed`` (names joined by " + "):
        ``number``, ``probability`` of benefit and ``conclusion``; empty if one or two never do.
    """
    import pandas as pd  # noqa: PLC0415

    names = [str(name) for name in left.table.index]
    chances = [None if one is None else sides.chances(one) for one in left.pooled]
    if chances[0] is None:
        return pd.DataFrame(columns=["number", "probability", "conclusion"])
    now, whole = classify(*chances[0]), chances[0][0]
    rows = [
        (name, 1, own[0], classify(*own))
        for name, own in zip(names[1:], chances[1:], strict=True)
        if own is not None and classify(*own) != now
    ]
    usable = [place for place, own in enumerate(chances) if place and own is not None]
    if not rows and len(usable) > 1:
        by_chance = sorted(usable, key=lambda place: (chances[place] or (0.0, 0.0))[0])
        for first in dict.fromkeys((by_chance[0], by_chance[-1])):
            seconds = [place for place in usable if place != first]
            masks = np.array([left.masks[first] & left.masks[second] for second in seconds])
            seconds = [p for p, mask in zip(seconds, masks, strict=True) if mask.any()]
            masks = masks[masks.any(axis=1)]
            for second, pooled in zip(seconds, pool_rows(left.design, masks, base), strict=True):
                if pooled is None:
                    continue
                own = sides.chances(pooled)
                if classify(*own) != now:
                    pair = " + ".join(sorted((names[first], names[second])))
                    rows.append((pair, 2, own[0], classify(*own)))
    frame = pd.DataFrame(
        list(dict.fromkeys(rows)), columns=["removed", "number", "probability", "conclusion"]
    ).drop_duplicates("removed")
    frame = frame.iloc[np.argsort(-np.abs(frame["probability"].to_numpy() - whole), kind="stable")]
    return frame.set_index("removed")
