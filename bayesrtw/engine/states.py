"""Posteriors that are a sum over states: levels that nobody reports, values of a number of the likelihood.

In each state, an allocation of missing levels or a value of the number, the model is one that is integrated
by rules; what is asked of the whole is what each state says, weighed by its prior probability times its
evidence. Neighbours are those of every state, weighed anew.
"""

import math
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import logsumexp

from bayesrtw.engine.arrays import mean_of
from bayesrtw.engine.curved_fit import CurvedFit, fit_curved
from bayesrtw.engine.curved_told import means
from bayesrtw.engine.each_normal import EachNormal
from bayesrtw.engine.fitted import Each, EachMean, EachShift, Fitted, Lazily, Posterior
from bayesrtw.engine.integrate import TINY
from bayesrtw.engine.states_over import Allocations, Change, Over, Values
from bayesrtw.errors import ConvergenceError, EngineRefusal
from bayesrtw.evidence.table import Evidence
from bayesrtw.model.design import CurvedDesign, Design, build_curved
from bayesrtw.model.likelihood import Likelihood
from bayesrtw.model.open_parts import Untold
from bayesrtw.model.prior import Prior
from bayesrtw.model.spec import Model
from bayesrtw.model.unreported import combined
from bayesrtw.posterior.axis import Axis
from bayesrtw.posterior.kernels import Kernels
from bayesrtw.posterior.marginal import Distribution, Marginal, blended_marginal, series
from bayesrtw.posterior.pieces import Outcomes, Pieces, mixture

if TYPE_CHECKING:
    from typing_extensions import TypeIs

Array = NDArray[np.float64]
Index = NDArray[np.intp]
Mask = NDArray[np.bool_]

#: Most allocations, each of which is a fit; and where each of them is one at every value of a number.
MOST, MOST_TOGETHER = 128, 16
#: Probability of a state below which it is left out of answers.
NEGLIGIBLE = 1e-12
#: Movement between two ways to integrate over values, in posterior SDs, that is allowed.
TOLERANCE = 1e-3


@dataclass(frozen=True, eq=False)
class StatesFit:
    """A posterior that is a sum over states; see `bayesrtw.engine.fitted.Fitted`."""

    #: model, evidence: what was fitted.
    model: Model
    evidence: Evidence
    over: Over  #: What the states are.
    fits: "tuple[CurvedFit | StatesFit, ...]"  #: The posterior in each, shape (state,).
    solve: Callable[[Model, Evidence], Fitted]  #: Fits other models.

    @property
    def kept(self) -> Mask:
        return self.fits[0].kept

    @property
    def near(self) -> Design:
        """Names, with the mix of the studies that inform the posterior, see `CurvedFit`."""
        return self.fits[0].near

    @cached_property
    def log_evidence(self) -> Array:
        """Log evidence of each state, shape (state,)."""
        return np.array([fit.posterior.log_evidence for fit in self.fits])

    @cached_property
    def _log(self) -> Array:
        return self.over.log_prior(self.kept) + self.log_evidence

    @cached_property
    def share(self) -> Array:
        """Probability of each state, shape (state,)."""
        return np.asarray(np.exp(self._log - logsumexp(self._log)))

    @cached_property
    def likely(self) -> "tuple[Array, list[CurvedFit | StatesFit]]":
        """Probabilities of states that are not negligible, which sum to one, and the fits there."""
        some = np.flatnonzero(self.share > NEGLIGIBLE)
        return self.share[some] / self.share[some].sum(), [self.fits[place] for place in some]

    def _mixed(self, ask: Callable[[Fitted], Sequence[Any]]) -> list[Any]:
        """Ask every state for several distributions, and mix them."""
        share, fits = self.likely
        each = zip(*(ask(fit) for fit in fits), strict=True)
        return [mixture(parts, share.tolist()) for parts in each]

    def _mean(self, ask: "Callable[[CurvedFit | StatesFit], Array | float]") -> Array:
        share, fits = self.likely
        return np.asarray(np.tensordot(share, np.array([ask(fit) for fit in fits]), axes=1))

    @cached_property
    def posterior(self) -> Posterior:
        """What was learned, see `Fitted`."""
        first = self.fits[0].posterior

        def effect(name: str) -> Kernels:
            [found] = self._mixed(lambda fit: [fit.posterior.effects[name]])
            return found  # type: ignore[no-any-return]

        def hyper() -> dict[str, Distribution]:
            made = self.margins.items()
            return {name: series(own.weight, axis, own.low, own.high) for name, (axis, own) in made}

        names = {*first.hyper, *self.over.own}
        return Posterior(
            Each({name: partial(effect, name) for name in first.effects}),
            Lazily([name for name in self.model.hyper if name in names], hyper),
            float(self._mean(lambda fit: fit.posterior.tau)),
            float(logsumexp(self._log)),
            max(*(fit.posterior.error for fit in self.likely[1]), self.off_by),
            first.headline,
        )

    @cached_property
    def margins(self) -> dict[str, tuple[Axis, Marginal]]:
        """Coordinate and marginal posterior of each hyperparameter."""
        share, fits = self.likely
        found = self.over.hyper(self.log_evidence)
        for name in fits[0].posterior.hyper:
            each = [fit.posterior.hyper[name] for fit in fits]
            found[name] = blended_marginal(each, share.tolist())
        return {name: found[name] for name in self.model.hyper if name in found}

    @property
    def hyper_nodes(self) -> tuple[Array, dict[str, Array]]:
        """Weights of the nodes of all states, shape (node,), and hyperparameters there."""
        each = [fit.hyper_nodes for fit in self.fits]
        own = [
            at | {name: np.full(len(weight), value) for name, value in self.over.at(place).items()}
            for place, (weight, at) in enumerate(each)
        ]
        weight = [share * weight for share, (weight, _) in zip(self.share, each, strict=True)]
        return np.concatenate(weight), {
            name: np.concatenate([at[name] for at in own]) for name in own[0]
        }

    def mean_at(
        self, columns: Array, *, new: bool = False, along: Array | None = None
    ) -> list[Kernels]:
        return self._mixed(lambda fit: fit.mean_at(columns, new=new, along=along))

    def effect_of(self, rows: Mask) -> list[Kernels]:
        return self._mixed(lambda fit: fit.effect_of(rows))

    def expected(self, rows: Mask) -> list[Kernels | Pieces | Outcomes]:
        return self._mixed(lambda fit: fit.expected(rows))

    # -- what rows tell

    @cached_property
    def scores(self) -> Array:
        """Mean slope of the log density of each row in what it reports, shape (1, estimate)."""
        share, fits = self.likely
        return np.array([share @ np.stack([fit.weight @ fit.scores for fit in fits])])

    @property
    def weight(self) -> Array:
        """Shares of the points of `scores`, shape (point,)."""
        return np.ones(1)

    @cached_property
    def shares(self) -> Array:
        """See `Fitted`: levels are integrated, which what rows report makes more or less likely."""
        found = self._mean(lambda fit: fit.shares[:-1])
        found = found + self._through_states(mean_of(self.near)[None]).sum(axis=0)[:, 0]
        return np.append(found, 1.0 - np.sum(found))

    def _through_states(self, combine: Array) -> Array:
        """Slopes of means in what rows report through levels, given the rest, (state, estimate, label)."""
        share, fits = self.likely
        if self.over.own:
            return np.zeros((len(fits), len(self.kept), len(combine)))
        curved = [fit for fit in fits if not summed(fit)]
        if len(curved) == len(fits) and all(fit.nodes is curved[0].nodes for fit in curved):
            # Of states on the same nodes, at each of these.
            each = share[:, None] * np.stack([fit.weight for fit in fits])
            mean = np.stack([means(fit, combine) for fit in curved])
            score = np.stack([fit.scores for fit in fits])
        else:
            each = share[:, None]
            mean = np.array([[[o.moments()[0] for o in fit.mean_at(combine)]] for fit in fits])
            score = np.stack([[fit.weight @ fit.scores] for fit in fits])
        weight = each / np.maximum(each.sum(axis=0), TINY)
        gap = mean - np.einsum("sj,sjl->jl", weight, mean)
        return np.asarray(np.einsum("sj,sjl,sjr->srl", each, gap, score))

    def each_normal(self, combine: Array) -> EachNormal:
        """Give combinations of coefficients (label, column) state by state, and what rows tell given it."""
        share, fits = self.likely
        each = [fit.each_normal(combine) for fit in fits]
        told = np.einsum("s,srl->rl", share, np.stack([own.told for own in each]))
        size = [len(own.weight) for own in each]
        mean, covariance, spread = (
            np.concatenate([getattr(own, name) for own in each])
            for name in ("mean", "covariance", "spread")
        )
        return EachNormal(
            np.concatenate([own.weight for own in each]) * np.repeat(share, size),
            mean,
            covariance,
            tuple(np.concatenate(own) for own in zip(*(own.values for own in each), strict=True)),
            spread,
            told,
            np.repeat(np.arange(len(each)), size),
        )

    # -- levels

    @property
    def levels(self) -> Array:
        """Probability of each level of each row, shape (estimate, level); one where it is reported."""
        return self.over.levels(self.share)

    def missing_information(self, names: Sequence[str]) -> Array:
        """Part of the variance of reported effects that levels are unknown, shape (name,); in [0, 1]."""
        share, fits = self.likely
        mean = np.array(
            [[fit.posterior.effects[name].moments()[0] for name in names] for fit in fits]
        )
        whole = np.array([self.posterior.effects[name].moments()[1] for name in names])
        return np.asarray(share @ (mean - share @ mean) ** 2 / whole**2)

    # -- neighbours

    def prior_of(self, name: str) -> Prior:
        return self.over.own.get(name) or self.fits[0].prior_of(name)

    def without(self, masks: Sequence[Mask]) -> "list[StatesFit | None]":
        """Leave rows out, see `Fitted`: levels that they report are no longer reported either."""
        each = zip(*(fit.without(masks) for fit in self.fits), strict=True)
        return [
            None
            if any(fit is None for fit in fits)
            else self._neighbour(fits, partial(_lacking, mask=mask))
            for mask, fits in zip(masks, each, strict=True)
        ]

    def under(self, priors: Sequence[Mapping[str, Prior]]) -> "list[StatesFit]":
        """Take other priors, see `Fitted`."""
        own = self.over.own
        rest = [{name: each[name] for name in each if name not in own} for each in priors]
        found = zip(*(fit.under(rest) for fit in self.fits), strict=True)
        return [
            self._neighbour(fits, partial(_under, priors=some), self.over.under(each))
            for each, some, fits in zip(priors, rest, found, strict=True)
        ]

    def shifted(self, along: Array, by: float) -> "StatesFit":
        """Add to effects, see `Fitted`."""
        return self._changed(lambda fit: fit.shifted(along, by))

    def powered(self, *, prior: float = 1.0, data: float = 1.0) -> "StatesFit":
        """Raise prior or data to a power, see `Fitted`; levels have no power, as random effects have none."""
        change = partial(_powered, prior=prior, data=data)
        return self._changed(change, self.over.powered(prior))

    def beside(self, model: Model, evidence: Evidence) -> Fitted:
        return self.solve(model, evidence)

    def shifts(self, along: Array) -> EachShift:
        return EachShift(self, along)

    def means(self) -> EachMean:
        return EachMean(self)

    def _changed(self, change: Change, over: Over | None = None) -> "StatesFit":
        return self._neighbour(tuple(change(fit) for fit in self.fits), change, over)

    def _neighbour(
        self, fits: Sequence[Any], change: Change, over: Over | None = None
    ) -> "StatesFit":
        """Weigh the states of a neighbour anew, or lay others where these do not serve it."""
        over = (over or self.over).changed(change)
        found = replace(self, fits=tuple(fits), over=over)
        return found if found.off_by <= TOLERANCE else found.laid(*over.anew())

    @cached_property
    def off_by(self) -> float:
        """What states leave out, in posterior SDs."""
        return self.over.error(self.log_evidence)

    def laid(self, over: Over, fits: Sequence[Any]) -> "StatesFit":
        """Take other states."""
        found = replace(self, fits=tuple(fits), over=over)
        if found.off_by <= TOLERANCE:
            return found
        raise ConvergenceError(
            f"Exact: the posterior of {', '.join(over.own)} is none that {len(fits)} of its values tell: "
            f"they leave out {found.off_by:.0e} SDs (at most {TOLERANCE:.0e}); give it a narrower prior, or "
            'use engine = { kind = "nuts" }.'
        )


def _lacking(fit: Fitted, mask: Mask) -> Fitted:
    [found] = fit.without([mask])
    if found is None:
        raise EngineRefusal("a posterior would be improper without these rows.")
    return found


def _under(fit: Fitted, priors: Mapping[str, Prior]) -> Fitted:
    return fit.under([priors])[0]


def _powered(fit: Fitted, *, prior: float, data: float) -> Fitted:
    return fit.powered(prior=prior, data=data)


def summed(fit: "CurvedFit | StatesFit") -> "TypeIs[StatesFit]":
    """Say whether a fit is a sum over states."""
    return isinstance(fit, StatesFit)


#: The fits that were asked for last: a report asks for its own after those of variants.
_latest: deque[tuple[Model, Evidence, StatesFit]] = deque(maxlen=4)


def fit_states(
    model: Model,
    evidence: Evidence,
    solve: Callable[[Model, Evidence], Fitted],
    tolerance: float = 0.0,
) -> "CurvedFit | StatesFit":
    """Fit a model that is not normal, in every state that it may have; the last fits are remembered."""
    for mine, rows, known in _latest:
        if rows is evidence and mine == model:
            return known
    design = build_curved(model, evidence)
    missing = design.near.unreported
    if missing is None:
        found = _over_values(model, evidence, solve, tolerance)
    else:
        over, first = allocations_of(model, missing), None
        fits = list["CurvedFit | StatesFit"]()
        for own in over.each:
            # Nodes of one allocation serve the others.
            made = _over_values(model, evidence, solve, tolerance, partial(told, own=own), first)
            first = first or (None if summed(made) else made)
            fits.append(made)
        found = StatesFit(model, evidence, over, tuple(fits), solve)
    if summed(found):
        _latest.appendleft((model, evidence, found))
    return found


def allocations_of(model: Model, missing: Untold) -> Allocations:
    """List what silent estimates may be together; EngineRefusal where that is too much."""
    many = math.prod(missing.sizes.tolist())
    most = MOST_TOGETHER if model.likelihood.offers.settled else MOST
    if many > most:
        raise EngineRefusal(
            f"{missing.described} = {float(many):.1e} allocations, at most {most} are summed over where "
            f"estimates are not normal. Collapse levels by groups, leave rows out, or use "
            'engine = { kind = "nuts" }.'
        )
    each = combined(missing.sizes)
    return Allocations(missing, each[np.isfinite(missing.log_weight(each))])


def told(design: CurvedDesign, own: Index) -> CurvedDesign:
    """Say what silent estimates are."""
    near = design.near
    assert near.unreported is not None
    columns, silent = near.columns.copy(), near.unreported.silent
    columns[silent] = near.unreported.alternatives[silent, own]
    return replace(design, near=replace(near, columns=columns))


def _over_values(
    model: Model,
    evidence: Evidence,
    solve: Callable[[Model, Evidence], Fitted],
    tolerance: float,
    arrange: Callable[[CurvedDesign], CurvedDesign] = lambda design: design,
    first: CurvedFit | None = None,
) -> "CurvedFit | StatesFit":
    """Fit a model at values of a number of its likelihood, if there is one."""
    settled = model.likelihood.offers.settled

    def at(likelihood: Likelihood) -> CurvedFit:
        own = replace(model, likelihood=likelihood)
        return fit_curved(own, evidence, arrange(build_curved(own, evidence)), tolerance=tolerance)

    if settled is None:
        return at(model.likelihood) if first is None else first.arranged(arrange(first.design))
    [(name, hyper)] = model.likelihood.hyper().items()
    over, fits = Values.of(name, hyper.prior, 1.0, lambda value: at(settled.at(value)))
    return StatesFit(model, evidence, over, (), solve).laid(over, fits)
