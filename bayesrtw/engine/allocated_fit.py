"""A fit of a model some of whose estimates do not report their level, and its neighbours.

Everything is a linear function of the coefficients plus a normal deviation given the hyperparameters and an
allocation of levels: at each node a mixture of normals, one an allocation, which is written as one kernel
with a Hermite series where they lie close enough together.
"""

from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from weakref import WeakValueDictionary

import numpy as np
from numpy.typing import NDArray
from scipy.special import logsumexp

from bayesrtw.engine.allocated_free import Free, of_mean, of_shift
from bayesrtw.engine.allocated_lines import FAINT_BETWEEN, AtNodes, Here, Known, Lines, fixed
from bayesrtw.engine.allocated_states import Line
from bayesrtw.engine.allocated_told import normals_of, slopes_of
from bayesrtw.engine.allocation import Allocated, allocated, blinded
from bayesrtw.engine.arrays import back_moments, improper, masked, moments_of
from bayesrtw.engine.between import Interpolated, between
from bayesrtw.engine.each_normal import EachNormal
from bayesrtw.engine.fitted import Lazily, Mask, Posterior
from bayesrtw.engine.integrate import NEGLIGIBLE, Integral, integrate, pruned
from bayesrtw.engine.kernel import smooth
from bayesrtw.engine.normal import CARRIED
from bayesrtw.engine.problem import Problem, pose, sampling_variance
from bayesrtw.engine.shared import SharedNodes, common
from bayesrtw.errors import EngineRefusal, SpecError
from bayesrtw.evidence.table import Evidence
from bayesrtw.model.checked import hold
from bayesrtw.model.coefficients import coefficient_priors, with_priors
from bayesrtw.model.design import Design, Mix, build
from bayesrtw.model.prior import Prior
from bayesrtw.model.spec import Model
from bayesrtw.model.term import given
from bayesrtw.posterior.axis import Axis
from bayesrtw.posterior.kernels import Kernels
from bayesrtw.posterior.marginal import Distribution, Marginal, marginals, series
from bayesrtw.posterior.nodes import Nodes
from bayesrtw.registry import suggestion

Array = NDArray[np.float64]

#: Nodes to begin with, and the movement that ends it: a node costs as much as some hundred of a model without
#: missing levels.
START, TOLERANCE = 32, 1e-6
#: The same for neighbours, and where there are more than so many allocations: of what two sets of nodes may
#: differ by, shared ones ask a tenth.
DEAR, MANY = 1e-4, 100


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
            return {name: fit.like_studies(design.mix)}
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
    held: "WeakValueDictionary[bytes, AllocatedFit]" = field(default_factory=WeakValueDictionary)

    @cached_property
    def nodes(self) -> SharedNodes | None:
        """Cheap to lay, and checked for every fit that weighs them."""
        return common(self._mean_rows, TOLERANCE)

    @cached_property
    def near(self) -> SharedNodes | None:
        """The same for neighbours, which are many."""
        return common(self._mean_rows, DEAR)

    @cached_property
    def _mean_rows(self) -> Problem:
        return pose(replace(self.whole, unreported=None))


@dataclass(frozen=True, eq=False)
class AllocatedFit:
    """The posterior of such a model; see `bayesrtw.engine.fitted.Fitted`."""

    #: model, evidence: what was fitted.
    model: Model
    evidence: Evidence
    whole: Design  #: Arrays of all rows under its priors and with its effects.
    kept: Mask  #: Which rows inform the posterior, shape (estimate,).
    priors: Mapping[str, Prior]  #: Those that were changed.
    shared: _Shared  #: Nodes that it shares with its neighbours.
    #: What it shares with those neighbours that differ in priors of hyperparameters alone.
    known: Known = field(default_factory=Known)
    powers: tuple[float, float] = (1.0, 1.0)  #: Of prior and data.
    near: "AllocatedFit | None" = None  #: The fit whose nodes serve where powers are not one.

    # -- what was learned

    @cached_property
    def design(self) -> Design:
        """The rows that are kept."""
        return masked(self.whole, self.kept)

    @cached_property
    def problem(self) -> Allocated:
        """Its integral."""
        return replace(allocated(self.design), known=self.known.given, powers=self.powers)

    @cached_property
    def _weighed(self) -> tuple[Integral, bool, Interpolated | None]:
        """Nodes, weighed; whether they are those that neighbours share; and what was interpolated there."""
        if self.near is not None:
            made = self.near.between
            made = None if made is None else replace(made, exact=self.problem)
            nodes = self._anew(self.near.integral.nodes, self.near.problem.names, made)
            left = np.exp(2.0 * nodes.log_weight - self.near.integral.nodes.log_weight)
            if not 1.0 / np.sum(left) >= CARRIED:
                raise EngineRefusal(
                    f"powers of {self.powers[0]:g} (prior) and {self.powers[1]:g} (data) move the posterior "
                    "off its nodes; powers near one are served: take one nearer to 1."
                )
            return replace(self.near.integral, nodes=nodes, marginals=()), self.near.on_shared, made
        base = self.laid
        if base is not None and self._dear:
            served = between(self.problem, base, self.known.gridded, DEAR)
            if served is not None:
                return served[1], True, served[0]
        found = None if base is None else base.weigh(self.problem)
        if found is None or base is None:
            tolerance = DEAR if self._dear else TOLERANCE
            return integrate(self.problem, START, tolerance, marginal=True), False, None
        return found, True, None

    def _anew(self, nodes: Nodes, names: Sequence[str], made: Interpolated | None) -> Nodes:
        """Weigh nodes of the fit that is near anew, whose values are in the order of the names."""
        assert self.near is not None
        at = dict(zip(names, nodes.values, strict=True))
        values, log = tuple(at[name] for name in self.problem.names), nodes.log_weight
        log = log + (made or self.problem).given(values).log_density
        log = log - (self.near.between or self.near.problem).given(values).log_density
        for value, prior in zip(values, self.problem.priors, strict=True):
            log = log + (self.powers[0] - 1.0) * prior.logpdf(value)
        gained = float(logsumexp(log))
        return replace(nodes, log_weight=log - gained, log_total=nodes.log_total + gained)

    @property
    def laid(self) -> SharedNodes | None:
        """Nodes that it shares: those of the first fit are finer."""
        first = bool(self.kept.all()) and not self.priors and self.whole is self.shared.whole
        return self.shared.nodes if first and not self._dear else self.shared.near

    @property
    def _dear(self) -> bool:
        """Whether a node costs as much as many of other models."""
        return len(self.problem.allocations) > MANY

    @property
    def integral(self) -> Integral:
        """Nodes of the hyperparameters, weighed."""
        return self._weighed[0]

    @property
    def on_shared(self) -> bool:
        """Whether its nodes are those that neighbours share."""
        return self._weighed[1]

    @property
    def between(self) -> Interpolated | None:
        """What the integral was interpolated by, where a node costs much."""
        return self._weighed[2]

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
        base = self.laid
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
        if self.near is not None:
            return self._anew(self.near.finest, self.near.drawn_by.names, self.between)
        base = self.laid
        if base is None or not self.on_shared:
            return self.integral.finest
        return base.resolved(self.between or self.problem, self.integral.finest)[0]

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

    @cached_property
    def at_nodes(self) -> AtNodes:
        """Its nodes, and what linear functions are there."""
        grid = None if self.between is None else self.between.sparse
        return AtNodes(self.problem, self.integral.nodes, self.known, grid)

    def _grown(self, found: Kernels, grows: bool) -> Kernels:
        """Say which moments a quantity has: fewer where a heavy tail of an SD reaches it."""
        if not grows:
            return found
        return replace(found, exist=moments_of(self.design), exist_back=back_moments(self.design))

    @cached_property
    def levels(self) -> Array:
        """Probability of each level of each row of `evidence`, shape (estimate, level).

        One where it is reported; of silent rows given their own effects, where they are kept.
        """
        missing = self.whole.unreported
        assert missing is not None
        chance, weight = missing.shares(self.kept), np.zeros(len(self.problem.allocations))
        for here in self.at_nodes.here():
            weight += here.weight @ here.share
        silent = np.flatnonzero(self.kept)[self.problem.unreported.silent]
        for row, own in zip(silent, self.problem.allocations.T, strict=True):
            chance[row] = np.bincount(own, weight, chance.shape[1])
        return np.asarray(np.einsum("ea,ean->en", chance, missing.indicator))

    def missing_information(self, names: Sequence[str]) -> Array:
        """Part of the variance of reported effects that levels are unknown, shape (name,); in [0, 1]."""
        rows = np.array([self._row_of(name) for name in names]).T
        weight = np.zeros(len(self.problem.allocations))
        first, second = np.zeros((len(weight), rows.shape[1])), np.zeros(rows.shape[1])
        for here in self.at_nodes.here():
            share = here.weight[:, None] * here.share
            weight += share.sum(axis=0)
            for place, row in enumerate(rows.T):
                mean, variance = here.states.along(self._line(row))
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

    def _line(self, row: Array) -> Line:
        """Give a combination of coefficients."""
        return Line(row, constant=float(row @ self.problem.problem.pilot))

    def _spread(self, along: Array | None) -> Array:
        """Variance of the random effects of a new setting at each node."""
        nodes = self.integral.nodes
        at = dict(zip(self.problem.names, nodes.values, strict=True))
        return self.design.new_variance(at, len(nodes.log_weight), along)

    def _lines(self, columns: Array) -> list[tuple[object, Lines]]:
        """Give combinations of coefficients under names of their own."""
        return [(row.tobytes(), fixed(self._line(row))) for row in columns]

    def mean_at(
        self, columns: Array, *, new: bool = False, along: Array | None = None
    ) -> list[Kernels]:
        far = [None] * len(columns) if along is None else along
        wider = [self._spread(own) if new else None for own in far]
        found = self.at_nodes.kernels(self._lines(columns), wider)
        grow = np.any(columns[:, self.design.flat] != 0, axis=1) | new
        return [self._grown(own, bool(does)) for own, does in zip(found, grow, strict=True)]

    def like_studies(self, mix: Mix) -> Kernels:
        """Give the effect in a new setting that is like one of the studies."""

        def wide(row: Array, along: Array) -> Lines:
            line, spread = self._line(row), self.design.new_variance

            def lines(here: Here) -> Sequence[Line]:
                return [line._replace(variance=spread(here.at, len(here.weight), along))]

            return lines

        wanted: list[tuple[object, Lines]] = [
            (("new", row.tobytes(), along.tobytes()), wide(row, along))
            for row, along in zip(mix.rows, mix.along, strict=True)
        ]
        found = self.at_nodes.blended(wanted, mix.share.tolist())
        return self._grown(found, grows=True)

    def effect_of(self, rows: Mask) -> list[Kernels]:
        return self._of_rows(np.flatnonzero(rows).tolist(), effect=True)

    def expected(self, rows: Mask) -> list[Kernels]:
        if np.any(rows & self.kept):
            raise SpecError("rows are predicted that the fit has seen; leave them out first.")
        chosen = np.flatnonzero(rows).tolist()
        found = self._of_rows(chosen, effect=False)
        known = self.evidence.data["effect"].to_numpy().astype(float) - self.shared.whole.effect
        return [own.moved(float(known[row])) for own, row in zip(found, chosen, strict=True)]

    def _of_rows(self, rows: Sequence[int], *, effect: bool) -> list[Kernels]:
        """Give what stands behind single rows, or what they would report."""
        wanted: list[tuple[object, Lines]] = [
            (("effect" if effect else "report", row), self._behind(row, effect=effect))
            for row in rows
        ]
        found = self.at_nodes.kernels(wanted, [None] * len(wanted))
        return [self._grown(own, grows=True) for own in found]

    def _behind(self, row: int, *, effect: bool) -> Lines:
        """Give the effect behind a row, or what it would report."""
        if self.kept[row]:
            return self._seen(int(np.sum(self.kept[:row])))
        whole, pilot = self.whole, self.problem.problem.pilot
        missing = whole.unreported
        assert missing is not None
        plain = whole.of_effects if effect else whole.columns
        each = whole.of_levels if effect else missing.alternatives
        silent = np.flatnonzero(self.kept)[self.problem.unreported.silent]
        blind, place = blinded(whole, self.kept, row, silent, pilot)
        one = np.arange(len(self.kept)) == row
        joined: list[Array] = []
        if missing.index[row] < 0:
            kept, allocations = self.problem.unreported, self.problem.allocations
            joined = missing.joining(kept, row, allocations)  # type: ignore[arg-type]

        def lines(here: Here) -> Sequence[Line]:
            values = tuple(here.at[name] for name in blind.names)
            found = smooth(blind.system_at(values), blind.variances(values))
            mean, width = found.mean[..., place, :], len(pilot)
            variance, constant = found.variance[..., place], mean[..., -1]
            if not effect:
                part = masked(whole, one)
                variance = variance + np.atleast_2d(sampling_variance(part, here.at))[..., 0]
                for carried in part.shift:
                    constant = constant + carried.factor[0] * here.at[carried.name]
            chances: list[Array | float] = [1.0]
            own = plain[row][None]
            if missing.index[row] < 0:
                own, chances = each[row], [*joined]
            return [
                Line(x - mean[..., :width], -mean[..., width:-1], constant + x @ pilot, variance, p)
                for x, p in zip(own, chances, strict=True)
            ]

        return lines

    def _seen(self, place: int) -> Lines:
        """Give the effect behind a row that is kept."""
        pilot = self.problem.problem.pilot
        own = self.design.of_effects[place]
        shift = (self.problem.unreported.silent == place).astype(float)

        def lines(here: Here) -> Sequence[Line]:
            mean, width = here.smoothed.mean[..., place, :], len(pilot)
            row, shifts = own - mean[..., :width], shift - mean[..., width:-1]
            constant = mean[..., -1] + own @ pilot
            return [Line(row, shifts, constant, here.smoothed.variance[..., place])]

        return lines

    @cached_property
    def shares(self) -> Array:
        """See `Fitted`: slopes of the mean in what rows report, given the hyperparameters."""
        self.posterior.pooled  # noqa: B018 - refuses without a pooled mean
        return self.shares_in(self.design.pooled)

    def shares_in(self, pooled: str) -> Array:
        """Share of each row, and last of the priors, in a pooled mean, shape (estimate + 1,)."""
        mu = self.design.quantities[pooled].combine[0]
        found = slopes_of(self.at_nodes, self.problem, mu)
        every = np.zeros(len(self.kept) + 1)
        every[:-1][self.kept] = found
        every[-1] = 1.0 - np.sum(found)
        return every

    def each_normal(self, combine: Array) -> EachNormal:
        """Give combinations of coefficients (label, column) node by node, with what each row tells."""
        return normals_of(self.at_nodes, self.problem, self.design, combine)

    # -- neighbours

    def prior_of(self, name: str) -> Prior:
        have = {**coefficient_priors(self.model), **self.whole.hyper, **self.priors}
        if name not in have:
            raise SpecError(f"no prior is called {name!r}. {suggestion(name, list(have))}")
        return have[name]

    def without(self, masks: Sequence[Mask]) -> "list[AllocatedFit | None]":
        """Leave rows out, see `Fitted`: levels that they report are no longer reported either."""
        found = [self._lacking(self.kept & ~mask) for mask in masks]
        return [each if improper(each.design) is None else None for each in found]

    def _lacking(self, kept: Mask) -> "AllocatedFit":
        """Keep some rows; as somebody holds it who asked for it before, where rows alone differ."""
        made = self._powered_as(replace(self, kept=kept, known=Known()))
        if self.near is not None or self.priors or self.whole is not self.shared.whole:
            return made
        return self.shared.held.setdefault(kept.tobytes(), made)

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
        known = self.known if set(change) <= set(hyper) else Known()
        found = self._powered_as(replace(self, whole=whole, priors=priors, known=known))
        reason = improper(found.design)
        if reason is not None:
            raise EngineRefusal(reason)
        return found

    def shifted(self, along: Array, by: float) -> "AllocatedFit":
        """Add to effects, see `Fitted`."""
        whole = replace(self.whole, effect=self.whole.effect + by * along)
        return self._powered_as(replace(self, whole=whole, known=Known()))

    def _powered_as(self, found: "AllocatedFit") -> "AllocatedFit":
        """Give a neighbour the powers of this fit, near nodes of its own."""
        if self.near is None:
            return found
        plain = replace(found, powers=(1.0, 1.0), near=None, known=Known())
        return plain.powered(prior=self.powers[0], data=self.powers[1])

    def powered(self, *, prior: float = 1.0, data: float = 1.0) -> "AllocatedFit":
        """Raise prior or data to a power, see `Fitted`: of the data given levels, which nobody reports.

        Levels and their shares have probabilities as random effects have, and no power.
        """
        powers = self.powers[0] * prior, self.powers[1] * data
        return replace(self, powers=powers, near=self.near or self, known=Known())

    def beside(self, model: Model, evidence: Evidence) -> "AllocatedFit":
        return _fitted(model, evidence)

    def shifts(self, along: Array) -> Free:
        return of_shift(self.problem, self.integral.nodes, self._least, along[self.kept])

    def means(self) -> Free:
        return of_mean(self.problem, self.integral.nodes, self._least, self.prior_of("mu"))

    @property
    def _least(self) -> float:
        """Weight of nodes that numbers which many are tried of leave out."""
        return NEGLIGIBLE if self.between is None else FAINT_BETWEEN


def silent(model: Model, evidence: Evidence) -> bool:
    """Say whether levels of a moderator are missing in some rows."""
    return any(given(term, evidence).unreported is not None for term in model.terms)


#: The fits of all rows that were asked for last: a report asks for its own after those of variants.
_latest: deque[AllocatedFit] = deque(maxlen=8)


def fit_allocated(model: Model, evidence: Evidence) -> AllocatedFit:
    """Fit a model some of whose rows do not report their level; nothing is integrated before it is asked for.

    The last fits are remembered: what was integrated for a run serves the questions after it.
    """
    same = (each for each in _latest if each.evidence is evidence and each.model == model)
    found = next(same, None) or _fitted(model, evidence)
    if found in _latest:
        _latest.remove(found)
    _latest.appendleft(found)
    return found


def _fitted(model: Model, evidence: Evidence) -> AllocatedFit:
    hold(model, evidence)
    design = build(model, evidence, levels=True)
    if (reason := improper(design)) is not None:
        raise EngineRefusal(reason)
    allocated(design)
    kept = np.ones(evidence.size, dtype=bool)
    return AllocatedFit(model, evidence, design, kept, {}, _Shared(design))
