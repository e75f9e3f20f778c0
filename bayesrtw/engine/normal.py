"""A model that is Gaussian given its hyperparameters, fitted: its posterior and its neighbours.

Nodes are laid once where the fit lives and serve its neighbours wherever that is measured to be exact
(`bayesrtw.engine.shared`); leaving rows out is one batched call where the model allows it.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from weakref import WeakValueDictionary

import numpy as np
from numpy.typing import NDArray

from bayesrtw.engine.altered import OneMean, Shifted, alter, inform, shifted
from bayesrtw.engine.arrays import back_moments, improper, masked, moments_of
from bayesrtw.engine.batch import Solved, batch_of, prior_panel, settle
from bayesrtw.engine.blend import Blend, blends, mean_of_logs
from bayesrtw.engine.each_normal import EachNormal
from bayesrtw.engine.fitted import EachMean, EachShift, Lazily, Mask, Posterior
from bayesrtw.engine.integrate import Integral, carrying, integrate, moment_order, pruned
from bayesrtw.engine.kernel import Conditional, Conditioned
from bayesrtw.engine.place import NodePlace, Solution, of_parts
from bayesrtw.engine.problem import Normals, Problem, pose, sampling_variance
from bayesrtw.engine.rest import AllRows, all_rows
from bayesrtw.engine.shared import SharedNodes, common
from bayesrtw.errors import EngineRefusal, SpecError
from bayesrtw.evidence.table import Evidence
from bayesrtw.model.checked import hold
from bayesrtw.model.coefficients import coefficient_priors, with_priors
from bayesrtw.model.design import Design, build
from bayesrtw.model.observation import is_normal
from bayesrtw.model.prior import Prior
from bayesrtw.model.spec import Model
from bayesrtw.model.term import given
from bayesrtw.posterior.axis import Axis, Positive
from bayesrtw.posterior.kernels import Kernels
from bayesrtw.posterior.nodes import Nodes, Range
from bayesrtw.registry import kind_of, suggestion

Array = NDArray[np.float64]

#: Nodes to begin with, and the movement that ends it.
START, TOLERANCE = 64, 1e-8

#: Hyperparameters that quadrature serves; the number of nodes grows with their power.
MOST_HYPER = 3

#: Neighbours from which on it pays to lay nodes that they share.
LEAST = 4

#: Share of the nodes that must be left to carry a posterior that is altered in place.
CARRIED = 0.5

#: Nodes with less share than this under every one of several priors are dropped.
NEGLIGIBLE = 1e-12

#: Least evidence of a prior, against the mean of those that share nodes, for which they serve.
LIKELY = 1e-2


def refuses(model: Model, evidence: Evidence) -> str | None:
    """Say which part of a model is not Gaussian, or has too many hyperparameters; None if all is well."""
    if not is_normal(model.likelihood.observe(evidence)):
        return f"likelihood {kind_of(model.likelihood)!r} is not Gaussian"
    if model.selection is not None:
        return f"selection {kind_of(model.selection)!r} is not Gaussian"
    for term in model.terms:
        part = given(term, evidence)
        if not part.said or part.risks is not None:
            return f"term {kind_of(term)!r} is not Gaussian"
    if len(model.hyper) > MOST_HYPER:
        names = ", ".join(model.hyper)
        return f"it has {len(model.hyper)} hyperparameters ({names}), and {MOST_HYPER} can be integrated"
    return None


def normal(
    model: Model, evidence: Evidence, *, start: int = START, tolerance: float = TOLERANCE
) -> "NormalFitted":
    """Fit a model that is Gaussian given its hyperparameters; nothing is integrated before it is asked."""
    return _made(_Family(model, evidence, start, tolerance), {})


def _made(family: "_Family", priors: Mapping[str, Prior]) -> "NormalFitted":
    reason = refuses(family.model, family.evidence)
    if reason is not None:
        raise EngineRefusal(
            f"Exact cannot fit this model: {reason}. Use another term or likelihood, or engine = "
            '{ kind = "nuts" }.'
        )
    reason = improper(family.design)
    if reason is not None:
        raise EngineRefusal(reason)
    kept = np.ones(family.evidence.size, dtype=bool)
    return NormalFitted(family, family.design, kept, priors)


@dataclass(frozen=True, eq=False)
class _Family:
    """What neighbours share: model, rows, and nodes that are laid once."""

    model: Model
    evidence: Evidence
    start: int
    tolerance: float
    near: "_Family | None" = None
    laid: dict[object, SharedNodes | None] = field(default_factory=dict)
    held: "WeakValueDictionary[bytes, NormalFitted]" = field(default_factory=WeakValueDictionary)

    @cached_property
    def design(self) -> Design:
        """All rows under the first priors."""
        return build(self.model, self.evidence)

    @cached_property
    def known(self) -> Array:
        """Means of known biases, which a design's effects are without, shape (estimate,)."""
        return (
            np.asarray(self.evidence.data["effect"].to_numpy(), dtype=np.float64)
            - self.design.effect
        )

    @cached_property
    def every(self) -> AllRows:
        """All rows, for those that lack some."""
        return all_rows(self.design)

    def posed(self, whole: Design, kept: Mask) -> Problem:
        """Pose some rows of a design with these rows, effects and columns, or with shifted effects."""
        own = masked(whole, kept)
        same = whole.effect is self.design.effect and not kept.all()
        return self.every.without(own, kept) if same else pose(own)

    def common(self, *, lay: bool) -> SharedNodes | None:
        """Give nodes for neighbours; without `lay` only if they are laid."""
        if self.near is not None:
            return self.near.common(lay=lay)
        return self.under((), self.design, lay=lay)

    def under(self, key: object, whole: Design, *, lay: bool, share: int = 1) -> SharedNodes | None:
        """Give nodes for the neighbours of all rows under other priors, laid once for each key."""
        if lay and key not in self.laid:
            laid = None if improper(whole) else common(pose(whole), self.tolerance / share)
            self.laid[key] = laid
        return self.laid.get(key)


@dataclass(frozen=True, eq=False)
class NormalFitted:
    """A fit of a model that is Gaussian given its hyperparameters; made by `normal`.

    `whole` holds all rows under its priors and with its effects; `priors` are those that were changed.
    """

    family: _Family
    whole: Design
    kept: Mask
    priors: Mapping[str, Prior]
    solve: Callable[[], Solution] | None = None

    @property
    def model(self) -> Model:
        return self.family.model

    @property
    def evidence(self) -> Evidence:
        return self.family.evidence

    @cached_property
    def design(self) -> Design:
        """The rows that are kept."""
        return masked(self.whole, self.kept)

    @cached_property
    def solution(self) -> Solution:
        """The nodes, weighed."""
        return self.solve() if self.solve is not None else _integrated(self.design, self.family)

    @cached_property
    def posterior(self) -> Posterior:
        found, place = self.solution, self.solution.place
        most, back = moments_of(self.design), back_moments(self.design)
        effects = {
            name: Kernels(found.weight, mean, sd, None, most if grows else 2, back if grows else 2)
            for name, (mean, sd, grows) in place.effects.items()
        }
        drawn = place.like_studies
        if drawn is not None:
            share = of_parts(place.design, found.weight)
            effects["theta_new_studies"] = Kernels(share, *drawn, None, most, back)
        tau = float(found.weight @ np.sqrt(place.spread))
        return Posterior(
            effects=effects,
            hyper=Lazily(found.order, found.hyper),
            tau=tau if most else np.nan,
            log_evidence=float(found.nodes.log_total),
            error=found.error,
            headline=self.design.pooled,
        )

    @property
    def shares(self) -> Array:
        self.posterior.pooled  # noqa: B018 - refuses without a pooled mean
        found = np.zeros(len(self.kept) + 1)
        found[np.append(self.kept, True)] = self.solution.weight @ self.solution.place.shares
        return found

    def each_normal(self, combine: Array) -> EachNormal:
        """Give combinations of coefficients (label, column) node by node, with what each row tells."""
        place, weight = self.solution.place, self.solution.weight
        given, count = place.normals.given, len(combine)
        slopes = np.einsum("n,nel->el", weight, place.slopes(combine))
        return EachNormal(
            weight,
            np.broadcast_to(given.mean @ combine.T, (len(weight), count)),
            np.broadcast_to(combine @ given.covariance @ combine.T, (len(weight), count, count)),
            tuple(place.normals.hyper),
            place.spread,
            slopes * (self.design.columns @ combine.T),
            np.zeros(len(weight), dtype=np.intp),
        )

    def prior_of(self, name: str) -> Prior:
        have = {**coefficient_priors(self.model), **self.whole.hyper, **self.priors}
        if name not in have:
            raise SpecError(f"no prior is called {name!r}. {suggestion(name, list(have))}")
        return have[name]

    def without(self, masks: Sequence[Mask]) -> "Sequence[NormalFitted | None]":
        near = [replace(self, kept=self.kept & ~mask, solve=None) for mask in masks]
        usable = [improper(each.design) is None for each in near]
        places = np.flatnonzero(usable)
        solved = self._batched([near[place] for place in places])
        base = self.family.common(lay=solved is None and len(places) >= LEAST)
        served = {places[row]: each for row, each in (solved or {}).items()}
        found: list[NormalFitted | None] = []
        for place, (each, use) in enumerate(zip(near, usable, strict=True)):
            if not use:
                found.append(None)
            elif place in served:
                found.append(served[place])
            else:
                close = 2 * each.kept.sum() >= len(self.kept)
                found.append(self._known(each._on(base if close else None)))
        return found

    def _known(self, near: "NormalFitted") -> "NormalFitted":
        """Give a neighbour that lacks rows alone as somebody holds it who asked for it before."""
        if self.whole is not self.family.design:
            return near
        return self.family.held.setdefault(near.kept.tobytes(), near)

    def under(self, priors: Sequence[Mapping[str, Prior]]) -> "Sequence[NormalFitted]":
        near = [self._with(change) for change in priors]
        for each in near:
            reason = improper(each.design)
            if reason is not None:
                raise EngineRefusal(reason)
        found = self._batched(near) if len(near) >= LEAST else None
        if found is None:
            found = self._blended(priors, near)
        if self.kept.all() or len(near) < LEAST:
            base = self.family.common(lay=len(near) - len(found) >= LEAST)
            return [found.get(place) or each._on(base) for place, each in enumerate(near)]
        # Rows are left out one after another under these priors: all rows have nodes under each of them.
        return [
            found.get(place)
            or each._on(self.family.under(tuple(each.priors.items()), each.whole, lay=True))
            for place, each in enumerate(near)
        ]

    def shifted(self, along: Array, by: float) -> "NormalFitted":
        whole = replace(self.whole, effect=self.whole.effect + by * along)
        return replace(self, whole=whole, solve=None)._on(self.family.common(lay=True))

    def powered(self, *, prior: float = 1.0, data: float = 1.0) -> "NormalFitted":

        def solve() -> Solution:
            old = self.solution
            found = alter(inform(old.place.problem, old.nodes), prior=prior, data=data)
            left = 1.0 / np.sum(np.exp(2.0 * found.log_weight - old.nodes.log_weight))
            if not left >= CARRIED:
                raise EngineRefusal(
                    f"powers of {prior:g} (prior) and {data:g} (data) move the posterior off its nodes; "
                    "powers near one are served: take one nearer to 1."
                )
            given = Conditional(found.log_density, found.mean, found.covariance)
            total = old.nodes.log_total + found.gained
            nodes = replace(old.nodes, log_weight=found.log_weight, log_total=total)
            normals = _plain(old.place.design, nodes.values, np.exp(found.log_weight), given)
            place = NodePlace(old.place.design, old.place.names, normals)
            return replace(old, place=place, weight=normals.weight, nodes=nodes, finest=nodes)

        return replace(self, solve=solve)

    def beside(self, model: Model, evidence: Evidence) -> "NormalFitted":
        hold(model, evidence)
        own = self.family
        made = _made(_Family(model, evidence, own.start, own.tolerance, own), {})
        return made._on(own.common(lay=False))

    def expected(self, rows: Mask) -> Sequence[Kernels]:
        if np.any(rows & self.kept):
            raise SpecError("rows are predicted that the fit has seen; leave them out first.")
        mean, variance = self._ahead(rows, self.whole.columns)
        part, at = masked(self.whole, rows), self.solution.place.at
        variance = variance + np.atleast_2d(sampling_variance(part, at)).T
        mean = mean + self.family.known[rows][:, None]
        for carried in part.shift:
            mean = mean + carried.factor[:, None] * at[carried.name]
        return self._kernels(list(zip(mean, np.sqrt(variance), strict=True)))

    def effect_of(self, rows: Mask) -> Sequence[Kernels]:
        seen = self.kept[rows]
        ahead: Iterator[tuple[Array, Array]] = iter(())
        if not seen.all():
            mean, variance = self._ahead(rows & ~self.kept, self.whole.of_effects)
            ahead = zip(mean, np.sqrt(variance), strict=True)
        own: Iterator[tuple[Array, Array]] = iter(())
        if seen.any():
            chosen = np.flatnonzero(rows[self.kept])
            own = (self.solution.place.theta[row] for row in chosen)
        return self._kernels([next(own) if known else next(ahead) for known in seen])

    def mean_at(
        self, columns: Array, *, new: bool = False, along: Array | None = None
    ) -> Sequence[Kernels]:
        parts = self.solution.place.lines(columns, new=new, along=along)
        most, back = moments_of(self.design), back_moments(self.design)
        grows = np.any(columns[:, self.design.flat] != 0, axis=1) | new
        return [
            Kernels(self.solution.weight, *own, None, most if does else 2, back if does else 2)
            for own, does in zip(parts, grows, strict=True)
        ]

    def shifts(self, along: Array) -> "Shifted | EachShift":
        if self.whole.mixture is not None:
            return EachShift(self, along)
        found, nodes = self.solution, self.solution.nodes
        if self.whole.effect is not self.family.design.effect and len(nodes.values) > 1:
            values, weight = pruned(nodes)
            nodes = Nodes(values, np.log(weight), nodes.log_total, nodes.ranges, ())
        return shifted(inform(found.place.problem, nodes, along[self.kept]))

    def means(self) -> "OneMean | EachMean":
        if self.whole.mixture is not None:
            return EachMean(self)
        return OneMean(inform(self.solution.place.problem, self.solution.nodes))

    def _on(self, base: SharedNodes | None) -> "NormalFitted":
        """Use nodes that are laid where they serve; else lay own."""
        if base is None:
            return self

        def solve() -> Solution:
            problem = self.family.posed(self.whole, self.kept)
            found = base.weigh(problem)
            if found is None:
                return _integrated(self.design, self.family)
            names, axes = base.problem.names, base.problem.axes
            return _weighed(problem, found, (names, axes))

        return replace(self, solve=solve)

    def _with(self, change: Mapping[str, Prior]) -> "NormalFitted":
        """Put priors in the place of others, and leave everything else."""
        priors = {**self.priors, **change}
        hyper = {name: priors.get(name, own) for name, own in self.whole.hyper.items()}
        other = {name: prior for name, prior in priors.items() if name not in hyper}
        whole = replace(self.whole, hyper=hyper)
        if any(name not in hyper for name in change):
            built = build(with_priors(self.model, other), self.evidence)
            whole = replace(
                whole, mean=built.mean, precision=built.precision, mixture=built.mixture
            )
        return replace(self, whole=whole, priors=priors, solve=None)

    def _batched(self, near: "Sequence[NormalFitted]") -> "dict[int, NormalFitted] | None":
        """Solve neighbours that have rows, alike but for these and the prior of the one spread; else None."""
        if any(each.whole.mean is not self.whole.mean for each in near):
            return None
        kinds: dict[tuple[bool, float], list[int]] = {}
        try:
            batch = batch_of(self.whole)
            for place, each in enumerate(near):
                if each.kept.any():
                    own = batch if each.whole is self.whole else batch_of(each.whole)
                    kinds.setdefault((own.bounded, own.upper), []).append(place)
        except EngineRefusal:
            return None
        found = {}
        for (bounded, upper), places in kinds.items():
            alike = [near[place] for place in places]
            each_own = any(each.whole is not self.whole for each in alike)
            priors = [next(iter(each.whole.hyper.values())) for each in alike] if each_own else []
            together = replace(
                batch,
                bounded=bounded,
                upper=upper,
                mask=np.array([each.kept for each in alike]),
                moment=np.array([moment_order(each.design) for each in alike]),
                log_prior=prior_panel(priors) if each_own else batch.log_prior,
            )
            solved = settle(together, self.family.tolerance)
            for row, place in enumerate(places):
                solve = _batch_solution(solved, row, near[place])
                found[place] = replace(near[place], solve=solve)
        return found

    def _blended(
        self, priors: Sequence[Mapping[str, Prior]], near: "Sequence[NormalFitted]"
    ) -> "dict[int, NormalFitted]":
        """Serve smooth priors of one hyperparameter on the nodes of their equal mixture."""
        names = {name for change in priors for name in change}
        name = names.pop() if len(names) == 1 else ""
        if name not in self.whole.hyper:
            return {}
        places = [place for place, change in enumerate(priors) if blends(change.get(name))]
        parts = tuple(priors[place][name] for place in places)
        if len(parts) < LEAST:
            return {}
        blend = Blend(parts)
        whole = replace(self.whole, hyper={**self.whole.hyper, name: blend})
        problem = self.family.posed(whole, self.kept)
        key = (name, *parts, *self.priors.items())
        base = self.family.under(key, whole, lay=not self.kept.all(), share=len(parts))
        found = base.weigh(problem) if base is not None else None
        order = (problem.names, problem.axes)
        if found is not None and base is not None:
            order = (base.problem.names, base.problem.axes)
        else:
            found = integrate(problem, self.family.start, self.family.tolerance / len(parts))
        at = problem.names.index(name)
        served, ratios = _reweighed(found.nodes, at, blend)
        finer = ratios
        if found.finest is not found.nodes:
            finer = _reweighed(found.finest, at, blend)[1]
        kept = [i for i, log in enumerate(served) if log - found.nodes.log_total > np.log(LIKELY)]
        if not kept:
            return {}
        shares = np.exp(ratios[kept])
        matter = np.any(shares > NEGLIGIBLE, axis=0)
        values = tuple(value[matter] for value in found.nodes.values)
        normals = problem.normals(values, shares.max(axis=0)[matter], _kept(problem, found, matter))
        place = NodePlace(problem.design, problem.names, normals)
        done = {}
        for row, i in enumerate(kept):
            weight = shares[row][matter][normals.origin] * normals.part
            nodes = replace(found.nodes, log_weight=ratios[i], log_total=np.asarray(served[i]))
            finest = replace(found.finest, log_weight=finer[i])
            solution = Solution(
                place, weight / weight.sum(), nodes, finest, *order, found.error * len(parts)
            )
            done[places[i]] = replace(near[places[i]], solve=_given(solution))
        return done

    def _ahead(self, rows: Mask, columns: Array) -> tuple[Array, Array]:
        """Mean and variance of what rows that are not kept add up to, shape (row, node)."""
        return self.solution.place.ahead(self.whole, self.kept, rows, columns)

    def _kernels(self, parts: Sequence[tuple[Array, Array]]) -> list[Kernels]:
        """Make a posterior of each mean and SD at the nodes."""
        most, back, weight = (
            moments_of(self.design),
            back_moments(self.design),
            self.solution.weight,
        )
        return [Kernels(weight, mean, sd, None, most, back) for mean, sd in parts]


def _integrated(design: Design, family: _Family) -> Solution:
    """Lay nodes where one posterior lives."""
    problem = pose(design)
    found = integrate(problem, family.start, family.tolerance)
    order = (problem.names, problem.axes)
    return _weighed(problem, found, order)


def _weighed(
    problem: Problem, found: Integral, order: tuple[tuple[str, ...], tuple[Axis, ...]]
) -> Solution:
    """Take nodes with their weights for a solution."""
    normals = problem.normals(*pruned(found.nodes), _kept(problem, found, carrying(found.nodes)))
    place = NodePlace(problem.design, problem.names, normals)
    return Solution(place, normals.weight, found.nodes, found.finest, *order, found.error)


def _kept(problem: Problem, found: Integral, keep: NDArray[np.bool_]) -> Conditioned | None:
    """Give what some nodes gave when weighed; None where nobody kept it, or a prior is a mixture."""
    if found.given is None or problem.design.mixture is not None:
        return None
    return found.given.at(keep)


def _given(solution: Solution) -> Callable[[], Solution]:
    """Give a solution that is known."""
    return lambda: solution


def _plain(design: Design, values: tuple[Array, ...], weight: Array, given: Conditional) -> Normals:
    """Take each node for one normal."""
    count = len(weight)
    return Normals(values, weight, given, design.precision, np.arange(count), np.ones(count))


def _batch_solution(solved: Solved, place: int, near: NormalFitted) -> Callable[[], Solution]:
    """Take one problem of a batch."""

    def solve() -> Solution:
        design, weight = near.design, solved.weight[place]
        names, total = tuple(design.hyper), np.asarray(solved.log_evidence[place])
        given = Conditional(np.zeros(len(weight)), solved.mean[place], solved.covariance[place])
        values = (solved.tau[place],) if names else ()
        ranges: tuple[Range, ...] = ()
        axes: tuple[Axis, ...] = ()
        if names:
            ranges = (Range(solved.low[place], solved.high[place]),)
            axes = (Positive(1.0, float(solved.shift[place])),)
        with np.errstate(divide="ignore"):
            nodes = Nodes(values, np.log(weight), total, ranges, (len(weight),) * len(names))
        found = NodePlace(design, names, _plain(design, values, weight, given))
        return Solution(found, weight, nodes, nodes, names, axes, near.family.tolerance)

    return solve


def _reweighed(nodes: Nodes, at: int, blend: Blend) -> tuple[list[float], Array]:
    """Give each prior of a blend its log evidence and log weights, on its nodes."""
    parts = np.stack([part.logpdf(nodes.values[at]) for part in blend.parts])
    log = nodes.log_weight + parts - mean_of_logs(parts)
    peak = np.max(log, axis=1, keepdims=True)
    gained = peak + np.log(np.sum(np.exp(log - peak), axis=1, keepdims=True))
    return (float(nodes.log_total) + gained[:, 0]).tolist(), log - gained
