"""How little would change the answer: shifted effects, a sceptical prior, studies left out.

Crossings are solved on exact values (`bayesrtw.engine.fitted`), and nodes are laid anew at the
solution until it stands still. Where there is no crossing, the row is empty and says so.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, partial
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
import scipy
from numpy.typing import NDArray
from scipy.special import ndtr, ndtri

from bayesrtw.engine.fitted import Fitted, Means, Shifts
from bayesrtw.errors import SpecError
from bayesrtw.evidence.table import Evidence
from bayesrtw.model.contract import normal
from bayesrtw.model.observation import beyond_normal
from bayesrtw.model.prior import Normal
from bayesrtw.posterior.kernels import Kernels
from bayesrtw.question.asked import Subject, asked, size_of
from bayesrtw.question.sensitivity import EachLeftOut

if TYPE_CHECKING:
    import pandas as pd

Array = NDArray[np.float64]

#: Puts the probabilities of benefit and harm into a class.
Classify = Callable[[float, float], str]

#: Probabilities of benefit whose crossing is looked for.
LEVELS = (0.9, 0.8, 0.5)

#: Largest shift that is tried, in standard errors of the widest estimate: beyond it no data are left.
FARTHEST = 10.0

#: Points at which a crossing is looked for before it is solved; and where each lays its own nodes.
SCAN, FEW = 25, 13

#: A probability turns back where it falls behind by more than this, and how near the turn is looked for.
TURN, STEP = 1e-6, 0.02

#: A solution is final when nodes laid anew find it this near: in probability, or relative to an SD.
SETTLED = 1e-8

#: A probability this near to a level is at it; and the least that is told from none.
NEAR, TRIFLE = 1e-10, 1e-16

#: Rounds of laying nodes anew; two or three do.
ROUNDS = 10

#: An SD of a prior is found to this, relative to itself: on nodes that are laid, and where each lays its own.
STILL, DEAR = 1e-10, 1e-6

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
        Size of an effect beyond which benefit and harm count, analysis scale.
    threshold_ratio
        The same as a ratio, of either side: 0.8 and 1.25 are one size.
    """

    higher: bool
    threshold: float = 0.0

    @property
    def side(self) -> float:
        """Effect beyond which benefit counts."""
        return self.threshold if self.higher else -self.threshold

    def chances(self, mean: Kernels) -> tuple[float, float]:
        """Probabilities of benefit and of harm of a pooled mean."""
        return (
            mean.beyond(self.side, above=self.higher),
            mean.beyond(-self.side, above=not self.higher),
        )


@dataclass(frozen=True, eq=False)
class _Shifted:
    """Effects of some rows that are shifted together."""

    whole: Fitted
    along: Array
    sides: Sides

    @property
    def unit(self) -> float:
        """The widest standard error; where no row has one, that of the normals near their likelihoods."""
        se, whole = self.whole.evidence.data["se"].to_numpy(), self.whole
        sites = beyond_normal(whole.model.likelihood.observe(whole.evidence))
        found = se if sites is None or np.isfinite(se).any() else sites.near[1]
        return float(np.nanmax(found))

    @cached_property
    def still(self) -> "_Laid":
        """Nodes that are laid for no shift."""
        return _Laid(self, self.whole.shifts(self.along), 0.0)

    def at(self, shift: float) -> "_Laid":
        """Lay nodes where the posterior lives after a shift; where each shift lays its own, these serve."""
        if not shift or self.still.shifts.anew:
            return self.still
        return _Laid(self, self.whole.shifted(self.along, shift).shifts(self.along), shift)


@dataclass(frozen=True, slots=True, eq=False)
class _Laid:
    """Probabilities of benefit after shifts, on nodes that were laid after one; each is worked out once."""

    problem: _Shifted
    shifts: Shifts
    after: float
    known: dict[float, float] = field(default_factory=dict)

    def chance(self, shift: float) -> float:
        """Give the probability."""
        if shift not in self.known:
            sides = self.problem.sides
            further = self.shifts.probability(shift - self.after, sides.side, above=sides.higher)
            self.known[shift] = further
        return self.known[shift]

    def gap(self, shift: float, level: float) -> float:
        """Say how far it is from a level, in probits, which are nearly linear; zero is zero."""
        gap = self.chance(shift) - level
        if abs(gap) <= NEAR:
            return 0.0
        return float(ndtri(min(max(level + gap, TRIFLE), 1.0 - TRIFLE)) - ndtri(level))


def shift_curve(
    model: Subject,
    evidence: Evidence | None,
    rows: NDArray[np.bool_],
    shifts: Sequence[float],
    *,
    threshold: float = 0.0,
    threshold_ratio: float | None = None,
) -> Array:
    """Give P(benefit) after adding each shift to the effects of some rows; see `tipping_shift`."""
    whole = asked(model, evidence)
    size = size_of(threshold, threshold_ratio, whole.evidence.measure)
    sides = Sides(whole.evidence.benefit != "lower", size)
    problem = _Shifted(whole, rows.astype(np.float64), sides)
    return np.array([problem.at(shift).chance(shift) for shift in shifts])


def tipping_shift(
    model: Subject,
    evidence: Evidence | None,
    groups: Mapping[str, NDArray[np.bool_]],
    *,
    levels: Sequence[float] = LEVELS,
    threshold: float = 0.0,
    threshold_ratio: float | None = None,
) -> "pd.DataFrame":
    """Find the smallest common shift of a group's effects at which P(benefit) crosses a level.

    `groups` (estimate,).
    """
    whole = asked(model, evidence)
    size = size_of(threshold, threshold_ratio, whole.evidence.measure)
    return tip_shifts(whole, groups, levels=levels, threshold=size)


def tip_shifts(
    whole: Fitted,
    groups: Mapping[str, NDArray[np.bool_]],
    *,
    levels: Sequence[float] = LEVELS,
    threshold: float = 0.0,
) -> "pd.DataFrame":
    """Find the tipping shifts of a fit; see `tipping_shift`."""
    import pandas as pd  # noqa: PLC0415

    sides = Sides(whole.evidence.benefit != "lower", threshold)
    found = []
    for name, rows in groups.items():
        problem = _Shifted(whole, rows.astype(np.float64), sides)
        now = problem.still.chance(0.0)
        scans: dict[float, tuple[Array, Array]] = {}
        way = {level: 1.0 if (now < level) == sides.higher else -1.0 for level in levels}
        for level in levels:
            towards = way[level]
            if towards not in scans:
                asked_for = [each for each in levels if way[each] == towards]
                scans[towards] = _scan(problem, towards, asked_for)
            shift, there = _tip(problem, scans[towards], level)
            note = "" if math.isfinite(shift) else "no shift within reach crosses it"
            row = {"now": now, "shift": shift, "probability": there, "note": note}
            found.append({"group": name, "level": level, **row})
    return pd.DataFrame(found).set_index(["group", "level"])


def _scan(problem: _Shifted, towards: float, levels: Sequence[float]) -> tuple[Array, Array]:
    """Probabilities on one side of no shift, denser near it, as far as the last of the levels is crossed.

    Where they turn back between two points, which shifts of outliers make them, the turn is looked for.
    """
    points, chance = FEW if problem.still.shifts.anew else SCAN, problem.still.chance
    grid = towards * FARTHEST * problem.unit * np.linspace(0.0, 1.0, points) ** 2
    seen: list[float] = []
    for shift in grid.tolist():
        seen.append(chance(shift))
        if all((seen[-1] > level) != (seen[0] > level) for level in levels):
            break
    sign = 1.0 if (towards > 0) == problem.sides.higher else -1.0
    gone = np.diff(sign * np.array(seen))
    shifts = set(grid[: len(seen)].tolist())
    for place in np.flatnonzero((gone[:-1] > TURN) & (gone[1:] < -TURN)).tolist():
        low, high = sorted((float(grid[place]), float(grid[place + 2])))
        fine = STEP * (high - low)
        turn = scipy.optimize.fminbound(lambda x: -sign * chance(float(x)), low, high, xtol=fine)
        shifts.add(float(turn))
    tried = sorted(shifts, key=abs)
    return np.array(tried), np.array([chance(shift) for shift in tried])


def _tip(problem: _Shifted, scan: tuple[Array, Array], level: float) -> tuple[float, float]:
    """Solve one crossing; NaN without one."""
    unit = problem.unit
    grid, seen = scan
    above = seen > level
    crossed = np.flatnonzero(above != above[0])
    laid = problem.still
    if len(crossed):
        low, high = float(grid[crossed[0] - 1]), float(grid[crossed[0]])
    else:
        # The nodes of no shift may not reach so far: ask where they are laid anew.
        low, high = 0.0, float(grid[-1])
        far = problem.at(high).chance(high)
        if (far > level) == above[0]:
            return math.nan, math.nan
        laid = problem.at(0.5 * high)
    shift, there = math.nan, math.nan
    for _ in range(ROUNDS):
        low, high = _bracket(partial(laid.gap, level=level), low, high, unit)
        shift = float(scipy.optimize.brentq(laid.gap, low, high, args=(level,), xtol=1e-10 * unit))
        laid = problem.at(shift)
        there = laid.chance(shift)
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
    model: Subject,
    evidence: Evidence | None,
    classify: Classify,
    *,
    threshold: float = 0.0,
    threshold_ratio: float | None = None,
) -> "pd.DataFrame":
    """Find the prior SDs of the pooled mean, centred at no effect, at which the class changes."""
    whole = asked(model, evidence)
    return tip_prior(whole, classify, size_of(threshold, threshold_ratio, whole.evidence.measure))


def tip_prior(whole: Fitted, classify: Classify, threshold: float = 0.0) -> "pd.DataFrame":
    """Find the tipping prior of a fit; see `tipping_prior`."""
    import pandas as pd  # noqa: PLC0415

    prior = normal(whole.prior_of("mu"))
    if prior is None:
        raise SpecError(
            "the prior of the pooled mean has no SD to narrow: it is flat, or not normal; give the intercept "
            "a normal prior."
        )
    sides = Sides(whole.evidence.benefit != "lower", threshold)
    own, registered = prior[1], whole.posterior.pooled
    # Classes are compared under priors centred at no effect, whatever the registered centre.
    name = classify(*sides.chances(whole.means().under(0.0, own)))
    rows = {
        "registered": _prior_row(registered, own, sides, classify(*sides.chances(registered)), "")
    }
    for where, last in (("narrower", NARROWEST), ("wider", WIDEST)):
        sd, other = _tip_prior(whole, (own, last * own), sides, classify, name)
        note = "" if other else f"the class is the same down to an SD of {last * own:g}"
        if where == "wider" and not other:
            note = f"the class is the same up to an SD of {last * own:g}"
        mean = registered
        if other:
            mean = whole.under([{"mu": Normal(0.0, sd)}])[0].posterior.pooled
        rows[where] = _prior_row(mean, sd if other else math.nan, sides, other or name, note)
    return (
        pd.DataFrame(rows)
        .T.rename_axis("prior")
        .astype({"prior_sd": float, "median": float, "probability": float})
    )


def _tip_prior(
    whole: Fitted, ends: tuple[float, float], sides: Sides, classify: Classify, name: str
) -> tuple[float, str]:
    """Close in on the SD where the class changes; the class beyond, empty without a change."""
    laid = whole.means()

    def called(sd: float, laid: Means) -> str:
        return classify(*sides.chances(laid.under(0.0, sd)))

    grid = np.geomspace(*ends, SCAN).tolist()
    pairs = ((same, sd, called(sd, laid)) for same, sd in pairwise(grid))
    changed = next((each for each in pairs if each[2] != name), None)
    if changed is None:
        return math.nan, ""
    same, differs, other = changed
    before, still = math.nan, DEAR if laid.anew else STILL
    for _ in range(ROUNDS):
        # An interval that nodes laid anew have moved out of is widened first.
        for _ in range(ROUNDS):
            if called(same, laid) == name:
                break
            same *= (same / differs) ** 2.0
        while abs(differs / same - 1.0) > still:
            middle = math.sqrt(same * differs)
            found = called(middle, laid)
            same, differs = (middle, differs) if found == name else (same, middle)
            other = other if found == name else found
        if laid.anew or abs(differs / before - 1.0) <= SETTLED:
            break
        before = differs
        laid = whole.under([{"mu": Normal(0.0, differs)}])[0].means()
        step = 1.001 if ends[1] > ends[0] else 1 / 1.001
        same, differs = differs / step, differs * step
        if called(differs, laid) == name:
            differs *= step**9
    return differs, other


def _prior_row(
    mean: Kernels, sd: float, sides: Sides, name: str, note: str
) -> dict[str, float | str]:
    there = math.isfinite(sd)
    return {
        "prior_sd": sd,
        "median": float(mean.quantile(0.5)) if there else math.nan,
        "probability": sides.chances(mean)[0] if there else math.nan,
        "conclusion": name,
        "note": note,
    }


#: Second ones that are tried beside a first one: those that move the probability most by themselves.
SECONDS = 50


def fewest_removed(left: EachLeftOut, classify: Classify, sides: Sides) -> "pd.DataFrame":
    """Find which value, or which two, have to be left out for the class to change.

    Every single one is tried; if none changes the class, second ones beside the one that lowers and the
    one that raises the probability most: the 50 that move it furthest the same way, of which those are passed
    over that would not change it even if both did twice what they do alone, in probits (greedy: another pair
    may do it too).
    """
    import pandas as pd  # noqa: PLC0415

    names = [str(name) for name in left.table.index]
    chances = [None if one is None else sides.chances(one.posterior.pooled) for one in left.near]
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
            # The lists begin with what lowers it most; the other way round for what raises it.
            ranked = by_chance if first == by_chance[0] else by_chance[::-1]
            seconds = sorted(place for place in ranked[: SECONDS + 1] if place != first)
            both = {
                second: left.masks[first] | left.masks[second]
                for second in seconds
                if classify(*_twice(chances[0], chances[first], chances[second])) != now
            }
            both = {second: mask for second, mask in both.items() if not mask.all()}
            near = left.whole.without(list(both.values()))
            for second, one in zip(both, near, strict=True):
                if one is None:
                    continue
                own = sides.chances(one.posterior.pooled)
                if classify(*own) != now:
                    pair = " + ".join(sorted((names[first], names[second])))
                    rows.append((pair, 2, own[0], classify(*own)))
    frame = pd.DataFrame(
        list(dict.fromkeys(rows)), columns=["removed", "number", "probability", "conclusion"]
    ).drop_duplicates("removed")
    frame = frame.iloc[np.argsort(-np.abs(frame["probability"].to_numpy() - whole), kind="stable")]
    return frame.set_index("removed")


def _twice(whole: tuple[float, float], *each: tuple[float, float] | None) -> tuple[float, float]:
    """Probabilities of benefit and harm if all did twice what they do alone, in probits."""
    now, *moved = (ndtri(np.clip(one, TRIFLE, 1.0 - TRIFLE)) for one in (whole, *each) if one)
    benefit, harm = ndtr(now + 2.0 * sum(one - now for one in moved)).tolist()
    return benefit, harm
