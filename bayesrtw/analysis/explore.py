"""Answers worked out beforehand, so that a reader can turn knobs without an engine at hand.

A grid: every prior of heterogeneity of the panel, crossed with every study and family left out, and
where trials and cohorts are pooled with rungs of the bias ladder. Each cell is an exact posterior. The
nodes of one integral serve all smooth priors: they are laid under the equal mixture of the priors, from
which each prior's own weights follow by a ratio that is at most the number of priors, so nothing is
extrapolated.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import logsumexp

from bayesrtw.analysis.run import Synthesis
from bayesrtw.analysis.sensitivity import families, prior_choices
from bayesrtw.analysis.spec import Estimand
from bayesrtw.engine.exact import Exact, improper, new_variance, shares_in_mean, study_effects
from bayesrtw.engine.integrate import integrate
from bayesrtw.engine.kernel import smooth
from bayesrtw.engine.problem import Problem, pose
from bayesrtw.engine.shared import Common, common
from bayesrtw.errors import EngineRefusal, SpecError
from bayesrtw.evidence.table import Evidence
from bayesrtw.model.contract import HALF_LINE
from bayesrtw.model.design import Design, build
from bayesrtw.model.prior import Prior
from bayesrtw.model.spec import Model
from bayesrtw.posterior import mixture
from bayesrtw.question.ladder import Rung, rungs
from bayesrtw.question.pool import masked
from bayesrtw.question.sensitivity import between

Array = NDArray[np.float64]

#: Nodes to begin with, and the movement of log evidence, means and SDs that ends it: as in the panel, so
#: that the two agree in every digit that is printed.
START, TOLERANCE = 64, 1e-8

#: The registered answer and the grid's own may differ by this much, relative to the largest figure.
AGREES = 1e-4

#: Nodes with less weight than this under every prior are dropped.
NEGLIGIBLE = 1e-12

#: Name of the prior that was registered, and of the rows when nothing is left out.
REGISTERED, EVERYTHING = "registered", "nothing left out"


@dataclass(frozen=True, slots=True)
class LeftOut:
    """Rows that are left out together.

    Attributes
    ----------
    kind
        ``"nothing"``, ``"study"`` or ``"family"``.
    name
        The study's or the family's id.
    label
        How it is called on a page.
    rows
        Which estimates, by position.
    """

    kind: str
    name: str
    label: str
    rows: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Cell:
    """One exact posterior.

    Attributes
    ----------
    answers
        For each estimand: median, lower, upper on the analysis scale, and its probability; None where
        the rung's model has no such quantity.
    tau
        Posterior mean of the SD of the effect in a new setting around the pooled one.
    effects
        For each estimate: median, lower and upper of the effect behind it; None if left out.
    weights
        Share of each estimate in the pooled mean, the prior's last; None if left out.
    """

    answers: tuple[tuple[float, float, float, float] | None, ...]
    tau: float
    effects: tuple[tuple[float, float, float] | None, ...]
    weights: tuple[float | None, ...]


@dataclass(frozen=True, slots=True)
class Grid:
    """Every cell, and what its axes are.

    Attributes
    ----------
    priors
        Name to prior of the heterogeneity SD (of the one between groups, if there are several).
    left_out
        What is left out, nothing first.
    estimands
        The questions answered in each cell.
    rungs
        Of the bias ladder, ``registered`` first: the model as the analysis states it. Further ones only
        where trials and cohorts are pooled.
    cells
        ``cells[rung][left_out][prior]``; None where the posterior would be improper.
    """

    priors: tuple[tuple[str, Prior | None], ...]
    left_out: tuple[LeftOut, ...]
    estimands: tuple[Estimand, ...]
    rungs: tuple[str, ...]
    cells: tuple[tuple[tuple[Cell | None, ...], ...], ...]


def explore(synthesis: Synthesis) -> Grid | None:
    """Work out the grid of a synthesis.

    Parameters
    ----------
    synthesis
        What `run` returned.

    Returns
    -------
    Grid or None
        None where the exact engine does not serve, or the model has no pooled mean. The cell of the
        registered prior with nothing left out holds the synthesis's own answers.

    Raises
    ------
    EngineRefusal
        If the grid does not give the registered answer, so that it would not give the others either.
    """
    model, evidence = synthesis.analysis.model, synthesis.evidence
    if "quadrature" not in synthesis.posterior.children or "mu" not in synthesis.quantities.index:
        return None
    if Exact(draws=0).refuses(model, evidence) is not None:
        return None
    priors = _priors(model, evidence)
    asked = tuple(
        each
        for each in synthesis.analysis.estimand
        if each.of not in model.hyper and not each.of.startswith("theta[")
    )
    left = _left_out(evidence)
    steps = [(Rung(REGISTERED, model, evidence), np.ones(evidence.size, dtype=bool))]
    steps += _further(synthesis)
    names: list[str] = []
    cells: list[tuple[tuple[Cell | None, ...], ...]] = []
    for rung, rows in steps:
        try:
            whole = build(rung.model, rung.evidence)
        except SpecError:
            # Trials alone may lack a level of a moderator; the ladder's findings say so.
            continue
        names.append(rung.name)
        cells.append(_climbed(rung, whole, rows, left, priors, asked))
    own = synthesis.estimates
    first = cells[0][0][0]
    if first is not None:
        same = tuple(_answered(dict(own.loc[each.name])) for each in asked)
        _hold_against([each for each in first.answers if each], same, synthesis.analysis.id)
        row = (replace(first, answers=same), *cells[0][0][1:])
        cells[0] = (row, *cells[0][1:])
    return Grid(tuple(priors.items()), left, asked, tuple(names), tuple(cells))


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
        chosen = alone or each.name == "naive" or each.name.startswith("discount ")
        if not chosen or (not alone and each.model == model):
            continue
        if Exact(draws=0).refuses(each.model, each.evidence) is None:
            found.append((each, ~cohort if alone else np.ones(evidence.size, dtype=bool)))
    return found


def _climbed(
    rung: Rung,
    whole: Design,
    rows: NDArray[np.bool_],
    left: Sequence[LeftOut],
    priors: Mapping[str, Prior | None],
    asked: tuple[Estimand, ...],
) -> tuple[tuple[Cell | None, ...], ...]:
    """Solve one rung without each of what is left out; what it never had changes nothing."""
    seen: dict[bytes, tuple[Cell | None, ...]] = {}
    groups = _together(whole, rung.model, priors)
    answers = partial(_Answers, asked=asked, higher=rung.evidence.benefit == "higher")
    found = []
    for each in left:
        keep = rows.copy()
        keep[list(each.rows)] = False
        key = keep.tobytes()
        if key not in seen:
            part = masked(whole, keep[rows]) if keep.any() else None
            seen[key] = (
                (None,) * len(priors)
                if part is None
                else _cells(part, groups, priors, answers(keep))
            )
        found.append(seen[key])
    return tuple(found)


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


@dataclass(frozen=True, slots=True)
class _Blend:
    """The equal mixture of several priors of one SD: nodes laid under it serve them all."""

    parts: tuple[Prior, ...]

    support: ClassVar[tuple[float, float]] = HALF_LINE
    tail_rate: ClassVar[float] = 0.0
    normals: ClassVar[None] = None
    scales: ClassVar[tuple[str, ...]] = ()

    @property
    def proper(self) -> bool:
        """Whether all of them are."""
        return all(part.proper for part in self.parts)

    @property
    def positive(self) -> bool:
        """Whether the support is [0, inf)."""
        return True

    @property
    def tail_power(self) -> float:
        """Of the heaviest."""
        return min(part.tail_power for part in self.parts)

    def logpdf(self, x: ArrayLike) -> Array:
        """Log density of the mixture."""
        found = np.stack([part.logpdf(x) for part in self.parts])
        return np.asarray(logsumexp(found, axis=0) - math.log(len(self.parts)))

    def ppf(self, q: ArrayLike) -> Array:
        """Lower bound of the quantile function, and its limit at 1: what laying nodes asks for."""
        found = np.stack([part.ppf(q) for part in self.parts])
        ends = np.asarray(q, dtype=np.float64) >= 1.0
        return np.where(ends, found.max(axis=0), found.min(axis=0))

    def pymc(self, name: str) -> Any:
        """Refuse: the blend is a proposal, never a model."""
        raise EngineRefusal(f"{name}: a blend of priors lays nodes; it is never sampled.")


def _priors(model: Model, evidence: Evidence) -> Mapping[str, Prior | None]:
    if model.between is None:
        return {REGISTERED: None}
    return prior_choices(model, evidence)


def _left_out(evidence: Evidence) -> tuple[LeftOut, ...]:
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
                found.append(LeftOut(kind, name, str(label) or name, rows))
    return tuple(found)


@dataclass(frozen=True, slots=True, eq=False)
class _Together:
    """Priors that the same nodes serve.

    Attributes
    ----------
    names
        Of the priors.
    term
        Name of the SD that they are priors of; empty where there is none.
    proposal
        Under which the nodes are laid.
    base
        Nodes of the whole rung, for what is left out to share.
    """

    names: tuple[str, ...]
    term: str
    proposal: Prior | None
    base: Common | None

    def under(self, design: Design) -> Design:
        """Put the proposal in the place of the registered prior."""
        if self.proposal is None:
            return design
        return replace(design, hyper={**design.hyper, self.term: self.proposal})


def _together(
    whole: Design, model: Model, priors: Mapping[str, Prior | None]
) -> tuple[_Together, ...]:
    """Sort priors by the nodes that serve them, and lay those of the whole rung."""
    names = tuple(priors)
    found = []
    if priors[names[0]] is None:
        found.append(_Together(names[:1], "", None, None))
    else:
        term = between(model)
        smooth_ones = tuple(name for name in names if _blends(priors[name]))
        rough = [(name,) for name in names if name not in smooth_ones]
        for group in [*([smooth_ones] if smooth_ones else []), *rough]:
            parts = tuple(prior for prior in (priors[name] for name in group) if prior is not None)
            found.append(
                _Together(group, term, _Blend(parts) if len(parts) > 1 else parts[0], None)
            )
    return tuple(replace(each, base=_base(each.under(whole))) for each in found)


def _base(design: Design) -> Common | None:
    return common(pose(design), TOLERANCE) if improper(design) is None else None


def _cells(
    design: Design,
    groups: Sequence[_Together],
    priors: Mapping[str, Prior | None],
    answers: "_Answers",
) -> tuple[Cell | None, ...]:
    """Solve one set of rows under every prior."""
    found: dict[str, Cell | None] = dict.fromkeys(priors)
    for group in groups:
        under = group.under(design)
        if improper(under) is None:
            parts = [priors[name] for name in group.names]
            cells = _solve(pose(under), parts, group, answers)
            found.update(zip(group.names, cells, strict=True))
    return tuple(found.values())


def _blends(prior: Prior | None) -> bool:
    """Whether nodes of a mixture resolve a prior: proper, and without a jump."""
    return prior is not None and prior.proper and math.isinf(prior.support[1])


def _solve(
    problem: Problem, parts: Sequence[Prior | None], group: _Together, answers: "_Answers"
) -> list[Cell]:
    """Integrate once; give each prior its own weights on the same nodes."""
    name = group.term
    near = group.base.weigh(problem) if group.base is not None else None
    found = (near or integrate(problem, START, TOLERANCE)).nodes
    log = np.asarray(found.log_weight, dtype=np.float64).reshape(-1)
    values = found.values
    shares = np.exp(log)[None, :]
    if name:
        value = values[problem.names.index(name)]
        base = problem.priors[problem.names.index(name)].logpdf(value)
        logs = np.stack([log + part.logpdf(value) - base for part in parts if part is not None])
        shares = np.exp(logs - logsumexp(logs, axis=1, keepdims=True))
    matter = np.any(shares > NEGLIGIBLE, axis=0)
    values = tuple(each[matter] for each in values)
    shares = shares[:, matter] / shares[:, matter].sum(axis=1, keepdims=True)
    return answers.of(problem, values, shares)


@dataclass(frozen=True, slots=True, eq=False)
class _Answers:
    """What is asked of every cell."""

    keep: NDArray[np.bool_]
    asked: tuple[Estimand, ...]
    higher: bool

    def of(self, problem: Problem, values: tuple[Array, ...], shares: Array) -> list[Cell]:
        """Summarise the mixtures of one integral, one cell a row of weights, shape (prior, node)."""
        design = problem.design
        normals = problem.normals(values, shares.max(axis=0))
        values, given = normals.hyper, normals.given
        shares = shares[:, normals.origin] * normals.part
        spread = np.broadcast_to(new_variance(problem, values), shares.shape[1:])
        smoothed = smooth(problem.system_at(values), problem.variances(values))
        effect_mean, effect_sd = study_effects(problem, given, smoothed)
        weights = shares @ shares_in_mean(problem, normals, smoothed)
        there = [each if _has(each.of, design) else None for each in self.asked]
        normal = [_normal(each, design, given, spread) for each in there if each is not None]
        levels = [
            *(each.ci_prob for each in there if each is not None),
            *[0.95] * effect_mean.shape[1],
        ]
        ends = _ends(
            shares,
            np.column_stack([*(mean for mean, _ in normal), effect_mean]),
            np.column_stack([*(sd for _, sd in normal), effect_sd]),
            np.array(levels),
        )
        answered = iter(
            np.concatenate([own, self._chance(each, *parts, shares)[None]])
            for each, parts, own in zip(
                [each for each in there if each is not None],
                normal,
                np.moveaxis(ends, -1, 0)[: len(normal)],
                strict=True,
            )
        )
        questions = [None if each is None else next(answered) for each in there]
        effects = ends[..., len(normal) :]
        return [
            Cell(
                answers=tuple(_column(question, row) for question in questions),
                tau=float(shares[row] @ np.sqrt(spread)),
                effects=self._spread(list(map(tuple, effects[:, row].T.tolist()))),
                weights=(*self._spread(weights[row, :-1].tolist()), float(weights[row, -1])),
            )
            for row in range(len(shares))
        ]

    def _chance(self, question: Estimand, mean: Array, sd: Array, shares: Array) -> Array:
        """Probability under each row of weights, shape (prior,)."""
        above = question.above is not None or (question.below is None and self.higher)
        given_threshold = question.above if question.above is not None else question.below
        threshold = np.full(len(mean), 0.0 if given_threshold is None else given_threshold)
        side = mixture.sf if above else mixture.cdf
        return np.asarray(shares @ side(threshold, np.ones(1), mean[None], sd[None]))

    def _spread[T](self, kept: list[T]) -> tuple[T | None, ...]:
        """Put figures of the kept estimates in the places of all."""
        rest = iter(kept)
        return tuple(next(rest) if stays else None for stays in self.keep)


def _normal(question: Estimand, design: Design, given: Any, spread: Array) -> tuple[Array, Array]:
    """Mean and SD of what is asked given each node, shape (node,)."""
    combine = _combination(question.of, design)
    variance = np.einsum("nij,i,j->n", given.covariance, combine, combine)
    if question.of == "theta_new":
        variance = variance + spread
    return given.mean @ combine, np.sqrt(variance)


def _ends(shares: Array, mean: Array, sd: Array, ci_prob: Array) -> Array:
    """Median, lower and upper end, shape (3, prior, quantity); an interval's probability a quantity."""
    found = np.empty((3, len(shares), mean.shape[1]))
    for own in np.unique(ci_prob):
        levels = np.array([0.5, 0.5 - own / 2, 0.5 + own / 2])
        here = ci_prob == own
        found[..., here] = mixture.quantiles(levels, shares, mean[:, here], sd[:, here])
    return found


def _column(question: Array | None, row: int) -> tuple[float, float, float, float] | None:
    if question is None:
        return None
    middle, low, high, chance = map(float, question[:, row])
    return middle, low, high, chance


def _has(of: str, design: Design) -> bool:
    """Whether a rung's design has a quantity: the difference between designs is not in all of them."""
    name, _, label = of.partition("[")
    quantity = design.quantities.get("mu" if name == "theta_new" else name)
    return quantity is not None and (not label or label[:-1] in quantity.labels)


def _combination(of: str, design: Design) -> Array:
    """Coefficients of a quantity: ``mu``, ``theta_new``, ``beta[...]`` or ``mu_level[...]``."""
    name, _, label = of.partition("[")
    quantity = design.quantities["mu" if name == "theta_new" else name]
    place = quantity.labels.index(label[:-1]) if label else 0
    return np.asarray(quantity.combine[place])
