"""Answers worked out beforehand, so that a reader can turn knobs without an engine at hand.

A grid: every prior of the SD of effects that matters most, crossed with every study and family left out, and
where trials and cohorts are pooled with rungs of the bias ladder. Each cell is an exact posterior. Where the
studies are too many for a page, the grid has those that move the answer most, and their rows alone.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from bayesrtw.analysis.run import Synthesis
from bayesrtw.analysis.sensitivity import (
    FAMILIES,
    PRIORS,
    STUDIES,
    Panel,
    families,
    heterogeneity_panels,
    prior_choices,
)
from bayesrtw.analysis.spec import Estimand
from bayesrtw.engine import solve
from bayesrtw.engine.allocated_fit import silent
from bayesrtw.engine.exact import Exact
from bayesrtw.engine.fitted import Fitted
from bayesrtw.errors import EngineRefusal, EvidenceError, SpecError
from bayesrtw.evidence.table import Evidence
from bayesrtw.model.contract import Prior
from bayesrtw.model.design import curved
from bayesrtw.model.levels import empty_levels
from bayesrtw.model.spec import Model
from bayesrtw.posterior.kernels import Kernels
from bayesrtw.posterior.marginal import Distribution
from bayesrtw.question.ladder import Rung, discounted_to, rungs
from bayesrtw.question.predict import expected_at
from bayesrtw.question.table import quantiles

if TYPE_CHECKING:
    import pandas as pd

Array = NDArray[np.float64]

#: The registered answer and the grid's own may differ by this much, relative to the largest figure.
AGREES = 1e-4

#: Most effects behind estimates that are worked out one by one, where a model is not normal or levels are
#: missing: half a minute. Beyond, priors are crossed with nothing left out; studies left out have a table of
#: their own on the page.
MOST_EFFECTS, MOST_SUMMED = 4_000, 1_000

#: Most numbers of a grid: a page of 2 MB. Thirty rows have all of theirs, on five rungs, under seven priors.
MOST_NUMBERS = 160_000

#: Name of the prior that was registered, and of the rows when nothing is left out.
REGISTERED, EVERYTHING = "registered", "nothing left out"


@dataclass(frozen=True, slots=True)
class LeftOut:
    """Rows that are left out together."""

    kind: str  #: ``"nothing"``, ``"study"`` or ``"family"``.
    name: str  #: The study's or the family's id.
    label: str  #: How it is called on a page.
    rows: tuple[int, ...]  #: Which estimates, by position.
    #: Levels of moderators that have no study left without them; their means are the prior's.
    empty: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Cell:
    """One exact posterior."""

    #: For each estimand: median, lower, upper on the analysis scale, and its probability; None where the
    #: rung's model has no such quantity.
    answers: tuple[tuple[float, float, float, float] | None, ...]
    tau: float  #: Posterior mean of the SD of the effect in a new setting around the pooled one.
    #: For each estimate that is shown: median, lower and upper of the effect behind it; None if left out.
    effects: tuple[tuple[float, float, float] | None, ...]
    #: Share of each of these in the pooled mean, the prior's last; None if left out.
    weights: tuple[float | None, ...]


@dataclass(frozen=True, slots=True)
class Explored:
    """Every cell, and what its axes are."""

    #: The SD whose priors these are: the one that moves the answer most; empty without one.
    prior_of: str
    priors: tuple[tuple[str, Prior | None], ...]  #: Name to prior of that SD.
    left_out: tuple[LeftOut, ...]  #: What is left out, nothing first.
    shown: tuple[int, ...]  #: Positions of the estimates whose effects and weights the cells hold.
    estimands: tuple[Estimand, ...]  #: The questions answered in each cell.
    #: Of the bias ladder, ``registered`` first: the model as the analysis states it. Further ones only where
    #: trials and cohorts are pooled.
    rungs: tuple[str, ...]
    #: ``cells[rung][left_out][prior]``; None where the posterior would be improper.
    cells: tuple[tuple[tuple[Cell | None, ...], ...], ...]


def explore(synthesis: Synthesis, panel: Panel | None = None) -> Explored | None:
    """Work out the grid of a synthesis."""
    model, evidence = synthesis.analysis.model, synthesis.evidence
    if (
        "quadrature" not in synthesis.posterior.children
        or model.pooled not in synthesis.quantities.index
    ):
        return None
    try:
        registered = panel.left.whole if panel and panel.left else solve(model, evidence)
    except EngineRefusal:
        return None
    axis = _priors(registered, panel)
    asked = tuple(
        each
        for each in synthesis.analysis.estimand
        if each.of not in model.hyper and not each.of.startswith("theta[")
    )
    left = _left_out(evidence, model)
    many = evidence.size * len(left) * len(axis[1])
    if (curved(model, evidence) and many > MOST_EFFECTS) or (
        silent(model, evidence) and many > MOST_SUMMED
    ):
        left = left[:1]
    steps = [(Rung(REGISTERED, model, evidence), np.ones(evidence.size, dtype=bool))]
    steps += _further(synthesis)
    left, shown = _bounded(registered, left, len(steps) * len(axis[1]), len(asked), panel)
    names: list[str] = []
    cells: list[tuple[tuple[Cell | None, ...], ...]] = []
    for rung, rows in steps:
        try:
            whole = registered if rung.model is model else solve(rung.model, rung.evidence)
        except (SpecError, EvidenceError):
            # Trials alone may lack a level of a moderator; the ladder's findings say so.
            continue
        names.append(rung.name)
        cells.append(_climbed(whole, rows, left, shown, axis, asked))
    own = synthesis.estimates
    first = cells[0][0][0]
    if first is not None:
        same = tuple(_answered(dict(own.loc[each.name])) for each in asked)
        _hold_against([each for each in first.answers if each], same, synthesis.analysis.id)
        row = (replace(first, answers=same), *cells[0][0][1:])
        cells[0] = (row, *cells[0][1:])
    places = tuple(int(place) for place in np.flatnonzero(shown))
    return Explored(
        axis[0], tuple(axis[1].items()), left, places, asked, tuple(names), tuple(cells)
    )


def _bounded(
    whole: Fitted,
    left: tuple[LeftOut, ...],
    sheets: int,
    asked: int,
    panel: Panel | None,
) -> tuple[tuple[LeftOut, ...], NDArray[np.bool_]]:
    """Keep what moves the pooled mean most when it is left out, and its rows, as many as a page holds.

    `sheets` are pairs of a rung and a prior. Everything is kept where that is few enough.
    """
    count = whole.evidence.size

    def numbers(kept: int, rows: int) -> int:
        return sheets * kept * (4 * (rows + asked) + 2)

    shown = np.ones(count, dtype=bool)
    if numbers(len(left), count) <= MOST_NUMBERS:
        return left, shown
    order: list[int] = [0]
    if len(left) > 1:
        order = [0, *(1 + np.argsort(-_moved(whole, left[1:], panel), kind="stable"))]
    kept: list[int] = []
    shown[:] = False
    for place in order:
        more = shown.copy()
        more[list(left[place].rows)] = True
        if kept and numbers(len(kept) + 1, int(more.sum())) > MOST_NUMBERS:
            break
        kept, shown = [*kept, int(place)], more
    if len(left) == 1:
        share = whole.shares[:-1]
        room = max(1, MOST_NUMBERS // (4 * sheets) - asked - 1)
        shown[np.argsort(-np.abs(share), kind="stable")[:room]] = True
    return tuple(left[place] for place in sorted(kept)), shown


def _moved(whole: Fitted, left: Sequence[LeftOut], panel: Panel | None) -> Array:
    """By how much the pooled mean moves without each; without end where none would be left."""
    rows, here = np.arange(whole.evidence.size), whole.posterior.pooled.centre
    names = [(each.kind, each.name) for each in left]
    tables = panel.tables if panel else {}
    without = {
        (kind, str(name)): float(mean)
        for kind, heading in (("study", STUDIES), ("family", FAMILIES))
        if heading in tables
        for name, mean in tables[heading]["mean"].items()
    }
    if all(name in without for name in names):
        moved = np.abs(np.array([without[name] for name in names]) - here)
        return np.where(np.isfinite(moved), moved, np.inf)
    near = whole.without([np.isin(rows, each.rows) for each in left])
    return np.array(
        [np.inf if one is None else abs(one.posterior.pooled.centre - here) for one in near]
    )


def _further(synthesis: Synthesis) -> list[tuple[Rung, NDArray[np.bool_]]]:
    """List rungs that the grid has beside the registered one, and which estimates each has.

    They are the trials alone, the discounts and every study at its word: one normal posterior a node,
    as in the registered model. None where there is one kind of design only.
    """
    model, evidence = synthesis.analysis.model, synthesis.evidence
    spec = replace(synthesis.analysis.ladder, mixture=None)
    if spec.studies.column not in evidence.data:
        return []
    cohort = spec.studies.among(evidence)
    if cohort.all() or not cohort.any():
        return []
    found = []
    for each in rungs(model, evidence, spec)[0]:
        alone = each.name == "randomised"
        chosen = alone or each.name == "naive" or discounted_to(each.name) is not None
        if not chosen or (not alone and each.model == model):
            continue
        if Exact(draws=0).refuses(each.model, each.evidence) is None:
            found.append((each, ~cohort if alone else np.ones(evidence.size, dtype=bool)))
    return found


def _climbed(
    whole: Fitted,
    rows: NDArray[np.bool_],
    left: Sequence[LeftOut],
    shown: NDArray[np.bool_],
    axis: tuple[str, Mapping[str, Prior | None]],
    asked: tuple[Estimand, ...],
) -> tuple[tuple[Cell | None, ...], ...]:
    """Solve one rung without each of what is left out; what it never had changes nothing."""
    name, priors = axis
    gone = np.array([np.isin(np.arange(len(rows)), each.rows)[rows] for each in left])
    different, back = np.unique(gone, axis=0, return_inverse=True)
    higher = whole.evidence.benefit != "lower"
    cells: list[tuple[Cell | None, ...]] = []
    for mask, near in zip(different, whole.without(list(different)), strict=True):
        if near is None or mask.all():
            cells.append((None,) * len(priors))
            continue
        keep = rows.copy()
        keep[rows] = ~mask
        varied = near.under([{name: prior} for prior in priors.values() if prior is not None])
        cells.append(tuple(_Answers(keep, shown, shown[rows], asked, higher).of(varied or [near])))
    return tuple(cells[place] for place in back.reshape(-1))


def _hold_against(
    found: Sequence[Sequence[float]], registered: Sequence[Sequence[float]], where: str
) -> None:
    """Refuse a grid that does not give the registered answer: its model is more than it integrates."""
    moved = np.max(np.abs(np.array(found) - np.array(registered)), initial=0.0)
    scale = max(1.0, float(np.max(np.abs(np.array(registered)), initial=0.0)))
    if not moved <= AGREES * scale:
        raise EngineRefusal(
            f"{where}: the grid of other answers does not serve this model: its registered answer moves "
            f"by {moved:.1e}."
        )


def _answered(row: dict[Any, Any]) -> tuple[float, float, float, float]:
    """Take a registered answer from its row of the synthesis."""
    return float(row["median"]), float(row["lower"]), float(row["upper"]), float(row["probability"])


def _priors(whole: Fitted, panel: Panel | None) -> tuple[str, Mapping[str, Prior | None]]:
    """Give the SD whose priors move the answer most, and those that it is held against."""
    if not whole.model.spreads:
        return "", {REGISTERED: None}
    panels: Mapping[str, pd.DataFrame] = {}
    if len(whole.model.spreads) > 1:
        panels = heterogeneity_panels(whole) if panel is None else panel.tables
    first = panels.get(PRIORS)
    name = whole.model.spreads[0] if first is None else str(first.attrs["prior_of"])
    return name, prior_choices(whole.model, whole.evidence, name)


def _left_out(evidence: Evidence, model: Model) -> tuple[LeftOut, ...]:
    """List studies in the order of their names on the page, then families of several studies."""
    found = [LeftOut("nothing", EVERYTHING, EVERYTHING, ())]
    studies = evidence.data["study"].to_numpy().astype(str)
    labels = evidence.data["label"].to_numpy().astype(str) if "label" in evidence.data else studies
    groups: list[tuple[str, NDArray[np.str_], Sequence[str]]] = [
        ("study", studies, list(dict.fromkeys(studies.tolist())))
    ]
    several = families(evidence)
    if several:
        groups.append(("family", evidence.data["trial_family"].to_numpy().astype(str), several))
    for kind, column, names in groups:
        for name in names:
            rows = tuple(int(row) for row in np.flatnonzero(column == name))
            if len(rows) < evidence.size:
                label = labels[rows[0]] if kind == "study" else name
                empty = empty_levels(model.moderators, evidence, column != name)
                found.append(LeftOut(kind, name, str(label) or name, rows, empty))
    return tuple(found)


@dataclass(frozen=True, slots=True, eq=False)
class _Answers:
    """What is asked of every cell: `shown` among all estimates, `here` among those of the rung."""

    keep: NDArray[np.bool_]
    shown: NDArray[np.bool_]
    here: NDArray[np.bool_]
    asked: tuple[Estimand, ...]
    higher: bool

    def of(self, near: Sequence[Fitted]) -> list[Cell]:
        """Summarise neighbours of the same rows under several priors, one cell each."""
        kept = near[0].kept & self.here
        names = [each if _has(near[0], each) else None for each in self.asked]
        told = [[_effect(one, each) for each in names if each] for one in near]
        found: list[list[Kernels | Distribution]] = [
            [*own, *one.effect_of(kept)] for own, one in zip(told, near, strict=True)
        ]
        shares = [one.shares for one in near]
        levels = [each.ci_prob for each in names if each]
        levels += [0.95] * (len(found[0]) - len(levels))
        ends = _ends(found, np.array(levels))
        return [
            self._cell(one, ends[:, row], shares[row], names, told[row])
            for row, one in enumerate(near)
        ]

    def _cell(
        self,
        one: Fitted,
        ends: Array,
        share: Array,
        names: Sequence[Estimand | None],
        told: Sequence[Kernels],
    ) -> Cell:
        answers: list[tuple[float, float, float, float] | None] = []
        place = 0
        for each in names:
            if each is None:
                answers.append(None)
                continue
            middle, low, high = map(float, ends[:, place])
            answers.append((middle, low, high, self._chance(each, told[place])))
            place += 1
        effects = [(middle, low, high) for middle, low, high in ends[:, place:].T.tolist()]
        return Cell(
            answers=tuple(answers),
            tau=one.posterior.tau,
            effects=self._spread([*effects]),
            weights=(*self._spread(share[:-1][one.kept & self.here].tolist()), float(share[-1])),
        )

    def _chance(self, question: Estimand, found: Kernels) -> float:
        """Probability of what is asked."""
        above, threshold = question.beyond or (self.higher, 0.0)
        return found.beyond(threshold, above=above)

    def _spread[T](self, kept: list[T]) -> tuple[T | None, ...]:
        """Put figures of the kept estimates in the places of all that are shown."""
        rest = iter(kept)
        return tuple(next(rest) if stays else None for stays in self.keep[self.shown])


def _has(one: Fitted, question: Estimand) -> bool:
    """Whether a rung's model can be asked a question: it has the quantity, and the moderators."""
    columns = {each.column for each in one.model.moderators}
    return question.of in one.posterior.effects and question.at.keys() <= columns


def _effect(one: Fitted, question: Estimand) -> Kernels:
    """Answer a question about an effect."""
    if question.at:
        return expected_at(one, question.of, question.at)
    return one.posterior.effects[question.of]


def _ends(found: Sequence[Sequence[Kernels | Distribution]], ci_prob: Array) -> Array:
    """Median, lower and upper end, shape (3, prior, quantity); an interval's probability a quantity."""
    ends = np.empty((3, len(found), len(found[0])))
    for own in np.unique(ci_prob):
        levels = np.array([0.5, 0.5 - own / 2, 0.5 + own / 2])
        here = np.flatnonzero(ci_prob == own).tolist()
        flat = [row[place] for row in found for place in here]
        ends[..., here] = quantiles(flat, levels).reshape(3, len(found), len(here))
    return ends
