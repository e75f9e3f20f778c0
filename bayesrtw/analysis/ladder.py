"""The ladder of an analysis: every assumption about its cohorts beside the registered one."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import scipy
from numpy.polynomial import Chebyshev
from numpy.typing import NDArray
from scipy.special import ndtr, ndtri

from bayesrtw.analysis.conclusion import conclude
from bayesrtw.analysis.query import selected
from bayesrtw.analysis.run import Synthesis, asked_of
from bayesrtw.analysis.spec import Analysis
from bayesrtw.engine import fit, solve
from bayesrtw.engine.exact import Exact
from bayesrtw.engine.fitted import Fitted
from bayesrtw.errors import BayesrtwError, EngineRefusal, Finding, SpecError
from bayesrtw.evidence.measure import Measure
from bayesrtw.evidence.table import Evidence
from bayesrtw.model.bias import Discount, orientation
from bayesrtw.model.checked import check
from bayesrtw.model.judged import CRITICAL
from bayesrtw.model.spec import Model
from bayesrtw.pictured import Drawing, Pictured, as_html
from bayesrtw.posterior.stored import shares_in
from bayesrtw.posterior.tree import pooled_of
from bayesrtw.printed import BENEFIT
from bayesrtw.question.answer import table_as_html
from bayesrtw.question.ladder import (
    Conflict,
    Rungs,
    bare,
    climb,
    conflict,
    contributions,
    failed,
    row,
    rungs,
)
from bayesrtw.question.tipping import Sides
from bayesrtw.registry import suggestion

if TYPE_CHECKING:
    import pandas as pd

Array = NDArray[np.float64]

#: Mean biases of the curve, in the direction of benefit on the analysis scale as multiples of the
#: ladder's bias SD: ratios of ratios from 0.45 to 2.2 where that is 0.2.
BIASES = np.linspace(-4.0, 4.0, 33)
#: Where no crossing is found among them it is looked for this many times further out, in so many steps:
#: ratios of ratios up to 600 where that is 0.2.
FURTHER, STEPS = 8.0, 9
#: Points that the curve of the bias is worked out at before it is a polynomial, on the probit scale, whose
#: last three coefficients have fallen below this; and the least probability of one.
LAID, FALLEN, LEAST = 17, 1e-5, 1e-300
#: A smaller share of information than this is none.
NEGLIGIBLE = 1e-9
#: Shares of information of the curve; 0 is the trials alone.
SHARES = np.linspace(0.0, 1.0, 11)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ladder(Pictured):
    """What trials and cohorts say together, rung by rung.

    Attributes
    ----------
    rungs
        One row a rung: ``mean, sd, median, lower, upper, probability, new_lower, new_upper`` (analysis
        scale), ``estimates``, ``engine``, ``conclusion`` and ``registered``.
    curves
        ``bias``: P(benefit) of the naive pool if the cohorts exaggerate the benefit by ``x`` (analysis
        scale); ``share``: if they keep the share ``x`` of their information.
    tipping
        One row a probability of benefit: ``now``, the smallest mean ``bias`` and the ``share`` at which
        the naive pool crosses it, empty where none does; the bias was looked for from -``within`` to
        ``within`` (analysis scale), the share wherever there is one.
    conflict
        Trials against the adjusted cohorts; None with one kind only.
    contributions
        Weight of each design and of the prior in the registered rung, where it is exact.
    findings
        What a reader must know.
    evidence
        The rows of all designs.
    caveat
        What must stand beside every result of the evidence.
    """

    rungs: "pd.DataFrame"
    curves: "dict[str, pd.DataFrame]"
    tipping: "pd.DataFrame"
    conflict: Conflict | None
    contributions: "pd.DataFrame | None"
    findings: tuple[Finding, ...]
    evidence: Evidence
    caveat: str

    def _pictures(self) -> Mapping[str, Drawing | str]:
        """See `Pictured`: the rungs, and what the bias or the share of the cohorts would have to be."""
        found: dict[str, Drawing | str] = {
            "ladder": Drawing((self.rungs.reset_index(), self.evidence))
        }
        levels = tuple(float(level) for level in self.tipping.index)
        titles = axis_titles(self.evidence.measure)
        for name in ("bias", "share"):
            found[name] = "there are no trials and cohorts to hold against each other"
            if name in self.curves:
                options = {"x_title": titles[name], "thresholds": levels}
                given = (self.curves[name], self.evidence)
                found[name] = Drawing(given, options, drawn_by="tipping")
        return found

    def _repr_html_(self) -> str:
        """Give the rungs with what was noticed, for a notebook."""
        told = [f"{each.severity}: {each.message}" for each in self.findings]
        return as_html("Trials and cohorts", [self.caveat, *told], [table_as_html(self.rungs)])


def axis_titles(measure: Measure) -> dict[str, str]:
    """Name the axes of tipping curves."""
    scale = "log ratio of ratios" if measure.log else "analysis scale"
    return {
        "bias": f"Bias of the cohorts towards benefit ({scale})",
        "share": "Share of information that the cohorts keep",
    }


def ladder(
    analysis: Analysis | Synthesis, evidence: Evidence | None = None, *, sampled: bool = True
) -> Ladder:
    """Climb the ladder of an analysis.

    Parameters
    ----------
    analysis
        What is asked, or a synthesis of it; its model has a pooled mean.
    evidence
        In place of the data set that it names.
    sampled
        Whether rungs that the exact engine cannot fit are sampled, which takes seconds to a minute.

    Returns
    -------
    Ladder
        Rungs, curves and what follows from them.

    Raises
    ------
    SpecError
        If the model has no pooled mean, the registered rung does not exist, or nobody stated which
        effects are good, so that no bias can be towards benefit.

    Examples
    --------
    >>> import bayesrtw as brw
    >>> found = brw.ladder(brw.open_analysis("time-to-rtw-all-designs"), sampled=False)
    >>> str(found.rungs.index[0])
    'randomised'
    """
    import pandas as pd  # noqa: PLC0415

    analysis, source = asked_of(analysis, evidence)
    chosen = selected(analysis, source)
    rows = chosen.evidence
    orientation(rows)
    spec = analysis.ladder
    built, notes = rungs(analysis.model, rows, spec)
    names = [each.name for each in built]
    deciding = spec.registered
    if deciding == "registered" and deciding not in names:
        deciding = "naive" if "naive" in names else names[-1]
    if deciding not in names:
        raise SpecError(
            f"{analysis.id}: ladder.registered is {deciding!r}; {suggestion(deciding, names)}"
        )
    findings = [*(each for each in chosen.findings if each.check == CRITICAL), *notes]
    table: dict[str, dict[str, Any]] = {}
    for each in built:
        try:
            tree = climb(each, seed=analysis.seed, sampled=sampled)
        except BayesrtwError as error:
            findings.append(failed(each, error))
            continue
        if tree is None:
            text = f"The rung {each.name} must be sampled and was left out."
            findings.append(Finding("ladder", "note", text))
            continue
        table[each.name] = {
            **row(tree),
            "estimates": each.evidence.size,
            "engine": str(tree.attrs["engine"]),
            "conclusion": conclude(tree, analysis.conclusion).name,
            "registered": each.name == deciding,
        }
        if each.name == deciding:
            findings += [found for found in check(each.model, each.evidence) if _of_bias(found)]
        if each.name == "robust_map":
            share = float(tree["quadrature"].dataset["prior_part"].to_numpy()[-1])
            text = (
                f"Robust MAP: the vague part has {100 * share:.0f} % of the posterior weight "
                f"({100 * spec.weight:g} % before)."
            )
            findings.append(Finding("robust-map", "note", text))
    naive = bare(analysis.model, spec.studies)
    against = conflict(naive, rows, spec)
    if against is not None:
        findings.append(against.finding)
    curves, tipping = (
        _curves(naive, rows, analysis) if against is not None else ({}, pd.DataFrame())
    )
    own = next(each for each in built if each.name == deciding)
    frame = pd.DataFrame.from_dict(table, orient="index")
    frame.index.name = "rung"
    return Ladder(
        rungs=frame,
        curves=curves,
        tipping=tipping,
        conflict=against,
        contributions=_contributions(own.model, own.evidence, spec),
        findings=tuple(findings),
        evidence=rows,
        caveat=rows.provenance.caveat,
    )


def _of_bias(found: Finding) -> bool:
    names = ("bias", "discount", "directed-bias", "robust-map", "judg")
    return any(name in found.check for name in names)


def _contributions(model: Model, evidence: Evidence, spec: Rungs) -> "pd.DataFrame | None":
    """Weights in the registered rung, where it is exact and its rows are those of the evidence."""
    engine = Exact(draws=0)
    if engine.refuses(model, evidence) is not None:
        return None
    tree = fit(model, evidence, engine=engine)
    source = tree["quadrature"].dataset
    if source.sizes.get("estimate") != evidence.size or shares_in(source, pooled_of(tree)) is None:
        return None
    return contributions(tree, evidence, spec.studies)


@dataclass(frozen=True, slots=True, eq=False)
class _Naive:
    """The naive pool with the cohorts' bias or their share of information set."""

    whole: Fitted
    spec: Rungs

    @property
    def cohort(self) -> NDArray[np.bool_]:
        """Whose results are adjusted, shape (estimate,)."""
        return self.spec.studies.among(self.whole.evidence)

    def biased(self, bias: float) -> Fitted:
        """Give the pool after the cohorts' bias was taken off."""
        towards = np.asarray(-orientation(self.whole.evidence) * self.cohort, dtype=np.float64)
        return self.whole.shifted(towards, bias)

    def discounted(self, share: float) -> Fitted:
        """Give the pool with the cohorts at a share of their information; 0 leaves them out."""
        if share < NEGLIGIBLE:
            [trials] = self.whole.without([self.cohort])
            if trials is None:
                raise EngineRefusal(
                    "the trials alone do not bound the pooled mean; use proper priors."
                )
            return trials
        model = self.whole.model
        terms = (*model.terms, Discount(self.spec.studies, share))
        return self.whole.beside(replace(model, terms=terms), self.whole.evidence)


@dataclass(frozen=True, slots=True, eq=False)
class _Curve:
    """P(benefit) over one setting; a polynomial of probits in its domain, if there is one."""

    at: Callable[[float], Fitted]
    sides: Sides
    probits: Chebyshev | None = None

    def laid(self, low: float, high: float) -> "_Curve":
        """Work it out at few points, if these tell it everywhere between them."""
        # Chebyshev's extremes, whose polynomial is a cosine transform.
        x = np.cos(np.pi * np.arange(LAID) / (LAID - 1))
        seen = [self.probit(0.5 * (low + high) + 0.5 * (high - low) * float(each)) for each in x]
        found = scipy.fft.dct(seen, type=1) / (LAID - 1)
        found[[0, -1]] *= 0.5
        if not np.max(np.abs(found[-3:])) <= FALLEN:
            return self
        return replace(self, probits=Chebyshev(found, domain=(low, high)))

    def probit(self, x: float) -> float:
        """Quantile of the standard normal at the probability of benefit, by the smaller tail."""
        if self.probits is not None and self.probits.domain[0] <= x <= self.probits.domain[1]:
            return float(self.probits(x))
        pooled, higher = self.at(x).posterior.pooled, self.sides.higher
        below = pooled.beyond(self.sides.side, above=not higher)
        if below <= 0.5:
            return -float(ndtri(max(below, LEAST)))
        return float(ndtri(max(pooled.beyond(self.sides.side, above=higher), LEAST)))

    def chance(self, x: float) -> float:
        """Probability of benefit."""
        return float(ndtr(self.probit(x)))

    def crossing(self, level: float, grid: Array, seen: Array, start: float) -> float:
        """Solve for the crossing nearest to a point; NaN without one."""
        changes = _changes(level, seen)
        if not len(changes):
            return math.nan
        middle = (grid[changes] + grid[changes + 1]) / 2.0
        place, wanted = int(changes[np.argmin(np.abs(middle - start))]), float(ndtri(level))
        low, high = float(grid[place]), float(grid[place + 1])
        return float(scipy.optimize.brentq(lambda x: self.probit(x) - wanted, low, high, xtol=1e-9))

    def further(self, levels: list[float], grid: Array, seen: Array) -> tuple[Array, Array]:
        """Go out on both sides until every level is crossed, or the search ends."""
        first, last = float(grid[0]), float(grid[-1])
        for step in FURTHER ** (np.arange(1, STEPS + 1) / STEPS):
            if all(len(_changes(level, seen)) for level in levels):
                break
            grid = np.r_[first * step, grid, last * step]
            seen = np.r_[self.chance(first * step), seen, self.chance(last * step)]
        return grid, seen


def _changes(level: float, seen: Array) -> NDArray[np.intp]:
    """Find the intervals of a grid in which a level is crossed."""
    above = seen > level
    return np.flatnonzero(above[1:] != above[:-1])


def _curves(
    naive: Model, evidence: Evidence, analysis: Analysis
) -> "tuple[dict[str, pd.DataFrame], pd.DataFrame]":
    """P(benefit) over the cohorts' mean bias and over their share of information."""
    import pandas as pd  # noqa: PLC0415

    spec, rules = analysis.ladder, analysis.conclusion
    sides = Sides(evidence.benefit != "lower", rules.threshold)
    pools = _Naive(solve(naive, evidence), spec)
    levels = sorted({rules.probable, rules.likely, 0.5}, reverse=True)
    curves: dict[str, pd.DataFrame] = {}
    found: dict[float, dict[str, float]] = {level: {} for level in levels}
    for name, points, at, start in (
        ("bias", spec.bias_sd * BIASES, pools.biased, 0.0),
        ("share", SHARES, pools.discounted, 1.0),
    ):
        curve = _Curve(at, sides)
        if name == "bias":
            curve = curve.laid(float(points[0]), float(points[-1]))
        seen = np.array([curve.chance(float(x)) for x in points])
        now, shown = float(seen[np.argmin(np.abs(points - start))]), float(points[-1])
        grid, seen = curve.further(levels, points, seen) if name == "bias" else (points, seen)
        for level in levels:
            crossed = curve.crossing(level, grid, seen, start)
            found[level] |= {"now": now, name: crossed}
            if name == "bias":
                found[level]["within"] = float(grid[-1])
            if abs(crossed) > shown:
                shown = float(np.min(grid[grid >= abs(crossed)]))
        # The picture goes as far as there is something to see.
        drawn = np.abs(grid) <= shown
        curves[name] = pd.DataFrame({"x": grid[drawn], "probability": seen[drawn]})
    tipping = pd.DataFrame.from_dict(found, orient="index")
    tipping.index.name = BENEFIT
    return curves, tipping
