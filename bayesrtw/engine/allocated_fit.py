"""A fit of a model some of whose estimates do not report their level, and its neighbours.

Everything is a linear function of the coefficients plus a normal deviation given the hyperparameters and an
allocation of levels: at each node a mixture of normals, one an allocation, which is written as one kernel
with a Hermite series where they lie close enough together.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from bayesrtw.engine.allocation import Allocated, States, allocated
from bayesrtw.engine.arrays import (
    back_moments,
    improper,
    masked,
    moments_of,
)
from bayesrtw.engine.curved_series import ManyNormals
from bayesrtw.engine.fitted import EachMean, EachShift, Lazily, Mask, Posterior
from bayesrtw.engine.integrate import Integral, integrate, pruned
from bayesrtw.engine.problem import pose, sampling_variance
from bayesrtw.engine.shared import SharedNodes, common
from bayesrtw.errors import EngineRefusal, SpecError
from bayesrtw.evidence.table import Evidence
from bayesrtw.model.checked import check
from bayesrtw.model.coefficients import coefficient_priors, with_priors
from bayesrtw.model.design import Design, build
from bayesrtw.model.prior import Prior
from bayesrtw.model.spec import Model
from bayesrtw.model.term import Fixed
from bayesrtw.posterior.axis import Axis
from bayesrtw.posterior.kernels import Kernels, blended
from bayesrtw.posterior.marginal import Distribution, Marginal, marginals, series
from bayesrtw.posterior.nodes import Nodes
from bayesrtw.registry import suggestion

Array = NDArray[np.float64]

#: Nodes to begin with, and the movement that ends it: a node costs as much as some hundred of a model without
#: missing levels.
START, TOLERANCE = 32, 1e-6


class Projected(NamedTuple):
    """A linear function of the coefficients plus a normal deviation, at points and under allocations.

    Attributes
    ----------
    slope
        Shape (column,), or broadcast to (column, point, allocation).
    constant, variance
        Shape (), or broadcast to (point, allocation).
    share
        Part of each allocation that it holds for, or broadcast to (point, allocation).
    """

    slope: Array
    constant: Array | float = 0.0
    variance: Array | float = 0.0
    share: Array | float = 1.0


class Here(NamedTuple):
    """Some nodes of a posterior: their weights, hyperparameters, and coefficients under every allocation.

    With the inverse covariance of the estimates given the coefficients, and these less what is known of
    biases.
    """

    weight: Array
    values: tuple[Array, ...]
    at: Mapping[str, Array]
    states: States
    inverse: Array
    effect: Array


#: Gives lines at some nodes; several are a mixture.
Lines = Callable[[Here], Sequence[Projected]]


class _Effects(Mapping[str, Kernels]):
    """Effects by name, worked out when they are asked for, the headline by itself: few verbs ask for more."""

    __slots__ = ("_fit", "_found", "_rows")

    def __init__(self, fit: "AllocatedFit") -> None:
        self._fit, self._found = fit, dict[str, Kernels]()
        self._rows = {
            f"{name}[{label}]" if quantity.dim else name: row
            for name, quantity in fit.design.quantities.items()
            for label, row in zip(quantity.labels, quantity.combine, strict=True)
        }

    def __iter__(self) -> Iterator[str]:
        design = self._fit.design
        yield from self._rows
        if "mu" in self._rows and design.hyper:
            yield from ("theta_new",) if design.mix is None else ("theta_new", "theta_new_studies")

    def __contains__(self, name: object) -> bool:
        return any(name == own for own in self)

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def __getitem__(self, name: str) -> Kernels:
        if name not in self._found:
            self._found |= self._worked_out(name)
        return self._found[name]

    def _worked_out(self, name: str) -> dict[str, Kernels]:
        fit, design = self._fit, self._fit.design
        if name not in set(self):
            raise KeyError(name)
        if name == "theta_new":
            return {name: fit.mean_at(self._rows["mu"][None], new=True)[0]}
        if name == "theta_new_studies":
            assert design.mix is not None
            each = fit.mean_at(design.mix.rows, new=True, along=design.mix.along)
            return {name: blended(each, design.mix.share.tolist())}
        names = (
            [name]
            if name == design.pooled
            else [own for own in self._rows if own not in self._found]
        )
        found = fit.mean_at(np.array([self._rows[own] for own in names]))
        return dict(zip(names, found, strict=True))


@dataclass(frozen=True, eq=False)
class _Shared:
    """What neighbours share: nodes that are laid once, where the model of mean rows lives."""

    whole: Design

    @cached_property
    def nodes(self) -> SharedNodes | None:
        """Cheap to lay, and checked for every fit that weighs them."""
        return common(pose(replace(self.whole, unreported=None)), TOLERANCE)


@dataclass(frozen=True, eq=False)
class AllocatedFit:
    """The posterior of such a model; see `bayesrtw.engine.fitted.Fitted`.

    Attributes
    ----------
    model, evidence
        What was fitted.
    whole
        Arrays of all rows under its priors and with its effects.
    kept
        Which rows inform the posterior, shape (estimate,).
    priors
        Those that were changed.
    shared
        Nodes that it shares with its neighbours.
    """

    model: Model
    evidence: Evidence
    whole: Design
    kept: Mask
    priors: Mapping[str, Prior]
    shared: _Shared

    # -- what was learned

    @cached_property
    def design(self) -> Design:
        """The rows that are kept."""
        return masked(self.whole, self.kept)

    @cached_property
    def problem(self) -> Allocated:
        """Its integral."""
        return allocated(self.design)

    @cached_property
    def _weighed(self) -> tuple[Integral, bool]:
        """Nodes of the hyperparameters, weighed; and whether they are those that neighbours share."""
        base = self.shared.nodes
        found = None if base is None else base.weigh(self.problem)
        if found is None or base is None:
            return integrate(self.problem, START, TOLERANCE, marginal=True), False
        return found, True

    @property
    def integral(self) -> Integral:
        """Nodes of the hyperparameters, weighed."""
        return self._weighed[0]

    @property
    def on_shared(self) -> bool:
        """Whether its nodes are those that neighbours share."""
        return self._weighed[1]

    @cached_property
    def posterior(self) -> Posterior:
        """What was learned, see `Fitted`."""
        values, weight = pruned(self.integral.nodes)
        at = dict(zip(self.problem.names, values, strict=True))
        tau = float(weight @ np.sqrt(self.design.new_variance(at, len(weight))))
        return Posterior(
            _Effects(self),
            Lazily(self.problem.names, lambda: self.hyper),
            tau if moments_of(self.design) else np.nan,
            float(self.integral.nodes.log_total),
            self.integral.error,
            self.design.pooled,
        )

    @cached_property
    def drawn_by(self) -> Allocated:
        """The integral in the order and on the coordinates of the nodes that were laid."""
        base = self.shared.nodes
        if base is None or not self.on_shared:
            return self.problem
        problem = replace(self.problem.problem, names=base.problem.names, axes=base.problem.axes)
        hyper = self.design.hyper
        return replace(
            self.problem,
            problem=replace(problem, priors=tuple(hyper[name] for name in problem.names)),
        )

    @cached_property
    def finest(self) -> Nodes:
        """Nodes that marginals are read off, in the order of `drawn_by`."""
        base = self.shared.nodes
        if base is None or not self.on_shared:
            return self.integral.finest
        return base.resolved(self.problem, self.integral.finest)[0]

    @cached_property
    def margins(self) -> list[tuple[str, Axis, Marginal]]:
        """Name, coordinate and marginal posterior of each hyperparameter."""
        by = self.drawn_by
        if not by.names:
            return []
        found = self.integral.marginals or marginals(self.finest, by.axes)
        return list(zip(by.names, by.axes, found, strict=True))

    @cached_property
    def hyper(self) -> dict[str, Distribution]:
        """Marginal posteriors of the hyperparameters."""
        return {
            name: series(own.weight, axis, own.low, own.high) for name, axis, own in self.margins
        }

    def _here(self) -> Iterator[Here]:
        """Give the nodes, some at a time."""
        values, weight = pruned(self.integral.nodes)
        step = self.problem.together
        for start in range(0, len(weight), step):
            cut = slice(start, start + step)
            own = tuple(value[cut] for value in values)
            at = dict(zip(self.problem.names, own, strict=True))
            inverse, effect = self.problem.covariances(own).inverse, self.problem.effect(own)
            yield Here(weight[cut], own, at, self.problem.states(own), inverse, effect)

    def _kernels(self, lines: Sequence[Lines]) -> list[Kernels]:
        """Give linear functions as kernels."""
        found = [ManyNormals() for _ in lines]
        for here in self._here():
            mass = here.weight[:, None] * here.states.share
            for own, each in zip(found, lines, strict=True):
                for line in each(here):
                    mean, variance = here.states.along(line.slope)
                    own.add(mass * line.share, mean + line.constant, variance + line.variance)
        return [own.kernels() for own in found]

    def _grown(self, found: Kernels, grows: bool) -> Kernels:
        """Say which moments a quantity has: fewer where a heavy tail of an SD reaches it."""
        if not grows:
            return found
        return replace(found, exist=moments_of(self.design), exist_back=back_moments(self.design))

    def _new(self, row: Array, along: float) -> Lines:
        """Give the effect in a new setting around a combination of coefficients."""

        def lines(here: Here) -> Sequence[Projected]:
            spread = self.design.new_variance(here.at, len(here.weight), along)
            return [Projected(row, 0.0, spread[:, None])]

        return lines

    @cached_property
    def levels(self) -> Array:
        """Probability of each level of each row of `evidence`, shape (estimate, level).

        One where it is reported; of silent rows given their own effects, where they are kept.
        """
        missing = self.whole.unreported
        assert missing is not None
        found = missing.shares(self.kept)
        rows = np.flatnonzero(self.kept)[self.problem.unreported.silent]
        chosen = np.eye(len(missing.names))[self.problem.allocations]
        found[rows] = 0.0
        for here in self._here():
            found[rows] += np.einsum("a,arl->rl", here.weight @ here.states.share, chosen)
        return found

    def missing_information(self, names: Sequence[str]) -> Array:
        """Part of the variance of reported effects that levels are unknown, shape (name,); in [0, 1]."""
        rows = np.array([self._row_of(name) for name in names]).T
        weight = np.zeros(len(self.problem.allocations))
        first, second = np.zeros((len(weight), rows.shape[1])), np.zeros(rows.shape[1])
        for here in self._here():
            share = here.weight[:, None] * here.states.share
            weight += share.sum(axis=0)
            for place, row in enumerate(rows.T):
                mean, variance = here.states.along(row)
                first[:, place] += np.sum(share * mean, axis=0)
                second[place] += np.sum(share * (variance + mean**2))
        mean = first.sum(axis=0)
        own = np.divide(first, weight[:, None], out=np.zeros_like(first), where=weight[:, None] > 0)
        return np.asarray((weight @ (own - mean) ** 2) / (second - mean**2))

    def _row_of(self, name: str) -> Array:
        """Give a reported effect as a combination of coefficients."""
        variable, _, label = name.partition("[")
        quantity = self.design.quantities[variable]
        return np.asarray(quantity.combine[quantity.labels.index(label[:-1] if label else "")])

    # -- single rows

    def mean_at(
        self, columns: Array, *, new: bool = False, along: Array | None = None
    ) -> list[Kernels]:
        """See `Fitted`."""
        far = np.zeros(len(columns)) if along is None else along
        found = self._kernels(
            [
                self._new(row, float(own)) if new else _fixed(row)
                for row, own in zip(columns, far, strict=True)
            ]
        )
        grow = np.any(columns[:, self.design.flat] != 0, axis=1) | new
        return [self._grown(own, bool(does)) for own, does in zip(found, grow, strict=True)]

    def effect_of(self, rows: Mask) -> list[Kernels]:
        """See `Fitted`."""
        chosen = np.flatnonzero(rows).tolist()
        found = self._kernels([self._behind(row, effect=True) for row in chosen])
        return [self._grown(own, grows=True) for own in found]

    def expected(self, rows: Mask) -> list[Kernels]:
        """See `Fitted`."""
        if np.any(rows & self.kept):
            raise SpecError("rows are predicted that the fit has seen; leave them out first.")
        chosen = np.flatnonzero(rows).tolist()
        found = self._kernels([self._behind(row, effect=False) for row in chosen])
        known = self.evidence.data["effect"].to_numpy().astype(float) - _first(self).effect
        return [
            self._grown(own.moved(float(known[row])), grows=True)
            for own, row in zip(found, chosen, strict=True)
        ]

    def _behind(self, row: int, *, effect: bool) -> Lines:
        """Give the effect behind a row, or what it would report: a regression on the rows that are kept."""
        whole, kept = self.whole, np.flatnonzero(self.kept)
        one = np.zeros(len(self.kept), dtype=bool)
        one[row] = True
        missing = whole.unreported
        assert missing is not None
        plain = whole.of_effects if effect else whole.columns
        each = whole.of_levels if effect else missing.alternatives
        silent = self.problem.unreported.silent

        def lines(here: Here) -> Sequence[Projected]:
            shared, own = _shared(whole, here.at, row, len(here.weight))
            weight = np.einsum("nj,njk->nk", shared[:, kept], here.inverse)
            constant = np.einsum("nj,nj->n", weight, here.effect)
            variance = own - np.einsum("nj,nj->n", weight, shared[:, kept])
            if not effect:
                part = masked(whole, one)
                variance = variance + np.atleast_2d(sampling_variance(part, here.at))[..., 0]
                for carried in part.shift:
                    constant = constant + carried.factor[0] * here.at[carried.name]
            told = self.problem.unreported.index >= 0
            taken = (weight[:, told] @ self.design.columns[told]).T[:, :, None]
            near = np.flatnonzero(np.any(weight[:, silent] != 0, axis=0))
            if len(near):
                own_rows = self.problem.rows()[:, near]
                taken = taken + np.einsum("nr,arp->pna", weight[:, silent[near]], own_rows)
            rest = constant[:, None], variance[:, None]
            if missing.index[row] >= 0:
                return [Projected(plain[row][:, None, None] - taken, *rest)]
            if self.kept[row]:
                place = int(np.flatnonzero(kept[silent] == row)[0])
                own_level = each[row, self.problem.allocations[:, place]].T[:, None]
                return [Projected(own_level - taken, *rest)]
            return [
                Projected(each[row, level][:, None, None] - taken, *rest, share)
                for level, share in enumerate(self._next(int(missing.stratum[row])))
            ]

        return lines

    def _next(self, stratum: int) -> list[Array]:
        """Probability of each level of one more silent row under each allocation, each (allocation,)."""
        missing, problem = self.problem.unreported, self.problem
        return [
            np.exp(missing.log_weight(problem.allocations, (stratum, level)) - problem.log_prior)
            for level in range(len(missing.names))
        ]

    @cached_property
    def shares(self) -> Array:
        """See `Fitted`: slopes of the mean in what rows report, given the hyperparameters."""
        self.posterior.pooled  # noqa: B018 - refuses without a pooled mean
        return self.shares_in(self.design.pooled)

    def shares_in(self, pooled: str) -> Array:
        """Share of each row, and last of the priors, in a pooled mean, shape (estimate + 1,)."""
        problem, mu = self.problem, self.design.quantities[pooled].combine[0]
        silent, found = problem.unreported.silent, np.zeros(len(self.design.se))
        for here in self._here():
            states, share = here.states, here.states.share
            columns = np.broadcast_to(
                self.design.columns, (len(problem.allocations), *self.design.columns.shape)
            ).copy()
            columns[:, silent] = problem.rows()
            own = np.einsum("ajp,pna->naj", columns, states.gain(mu))
            mean = np.tensordot(mu, states.mean, 1)
            apart = mean - np.sum(share * mean, axis=1, keepdims=True)
            left = here.effect[:, None] - np.einsum("ajp,pna->naj", columns, states.mean)
            pull = np.einsum("na,naj->nj", share, own) - np.einsum(
                "na,naj->nj", share * apart, left
            )
            found += here.weight @ np.einsum("nj,njk->nk", pull, here.inverse)
        every = np.zeros(len(self.kept) + 1)
        every[:-1][self.kept] = found
        every[-1] = 1.0 - np.sum(found)
        return every

    # -- neighbours

    def prior_of(self, name: str) -> Prior:
        """See `Fitted`."""
        have = {**coefficient_priors(self.model), **self.whole.hyper, **self.priors}
        if name not in have:
            raise SpecError(f"no prior is called {name!r}. {suggestion(name, list(have))}")
        return have[name]

    def without(self, masks: Sequence[Mask]) -> "list[AllocatedFit | None]":
        """Leave rows out, see `Fitted`: levels that they report are no longer reported either."""
        found = [replace(self, kept=self.kept & ~mask) for mask in masks]
        return [each if improper(each.design) is None else None for each in found]

    def under(self, priors: Sequence[Mapping[str, Prior]]) -> "list[AllocatedFit]":
        """Take other priors, see `Fitted`."""
        return [self._under(each) for each in priors]

    def _under(self, change: Mapping[str, Prior]) -> "AllocatedFit":
        priors = {**self.priors, **change}
        hyper = {name: priors.get(name, own) for name, own in self.whole.hyper.items()}
        whole = replace(self.whole, hyper=hyper)
        other = {name: prior for name, prior in priors.items() if name not in hyper}
        if other:
            built = build(with_priors(self.model, other), self.evidence, levels=True)
            whole = replace(
                whole, mean=built.mean, precision=built.precision, mixture=built.mixture
            )
        found = replace(self, whole=whole, priors=priors)
        reason = improper(found.design)
        if reason is not None:
            raise EngineRefusal(reason)
        return found

    def shifted(self, along: Array, by: float) -> "AllocatedFit":
        """Add to effects, see `Fitted`."""
        whole = replace(self.whole, effect=self.whole.effect + by * along)
        return replace(self, whole=whole)

    def powered(self, *, prior: float = 1.0, data: float = 1.0) -> "AllocatedFit":
        """Refuse: a power of a sum over levels is no sum over levels."""
        missing = self.problem.unreported
        raise EngineRefusal(
            f"powers of prior ({prior:g}) and data ({data:g}) are not served where levels of "
            f"{missing.column!r} are missing: a power of a sum over levels is no sum over levels. Ask for "
            "priors instead (prior_sensitivity)."
        )

    def beside(self, model: Model, evidence: Evidence) -> "AllocatedFit":
        """See `Fitted`."""
        return fit_allocated(model, evidence)

    def shifts(self, along: Array) -> EachShift:
        """See `Fitted`."""
        return EachShift(self, along)

    def means(self) -> EachMean:
        """See `Fitted`."""
        return EachMean(self)


def _fixed(row: Array) -> Lines:
    """Give a combination of coefficients."""
    return lambda _: [Projected(row)]


def _first(fit: AllocatedFit) -> Design:
    """Give the arrays of the rows as they were reported."""
    return fit.shared.whole


def _shared(design: Design, at: Mapping[str, Array], row: int, count: int) -> tuple[Array, Array]:
    """Give what the effect of a row has in common with those of all (point, estimate), and with itself."""
    found = np.zeros((count, len(design.se)))
    for part in design.grouped:
        if part.hyper:
            sd = np.broadcast_to(np.sqrt(part.variance(at)), found.shape)
            found += sd * sd[:, row, None] * (part.group == part.group[row])
    return found, found[:, row]


def silent(model: Model, evidence: Evidence) -> bool:
    """Say whether levels of a moderator are missing in some rows."""
    parts = (term.gaussian(evidence) for term in model.terms)
    return any(isinstance(part, Fixed) and part.unreported is not None for part in parts)


def fit_allocated(model: Model, evidence: Evidence) -> AllocatedFit:
    """Fit a model some of whose rows do not report their level; nothing is integrated before it is asked for.

    Raises
    ------
    EngineRefusal
        If a part of the model is in the way, or the posterior is improper.
    """
    check(model, evidence)
    design = build(model, evidence, levels=True)
    reason = improper(design)
    if reason is not None:
        raise EngineRefusal(reason)
    allocated(design)
    kept = np.ones(evidence.size, dtype=bool)
    return AllocatedFit(model, evidence, design, kept, {}, _Shared(design))
