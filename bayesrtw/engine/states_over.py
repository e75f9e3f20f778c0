"""What states of a posterior are, and how probable they are: missing levels, values of a number."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
import scipy
from numpy.typing import NDArray
from scipy.special import logsumexp

from bayesrtw.engine.by_setting import by_setting, followed
from bayesrtw.engine.fitted import Fitted
from bayesrtw.errors import EngineRefusal
from bayesrtw.model.contract import normal
from bayesrtw.model.open_parts import Untold
from bayesrtw.model.prior import Prior
from bayesrtw.posterior.axis import Axis, Real
from bayesrtw.posterior.marginal import Marginal
from bayesrtw.posterior.nodes import rule

Array = NDArray[np.float64]
Index = NDArray[np.intp]
Mask = NDArray[np.bool_]

#: Points of the density of a number.
POINTS = 256
#: How far the mean may lie from the middle of the nodes, in their outermost steps.
OFF = 1.0

#: What a neighbour makes of the fit in a state.
type Change = Callable[[Fitted], Fitted]


class Over(Protocol):
    """What states are, and how probable they are before."""

    @property
    def own(self) -> Mapping[str, Prior]:
        """The hyperparameter that has a value in each state, and its prior."""

    def at(self, place: int) -> dict[str, float]:
        """Give its value in a state."""

    def log_prior(self, kept: Mask) -> Array:
        """Log prior weight of each state, by the rows that are kept, shape (state,)."""

    def error(self, log_evidence: Array) -> float:
        """Bound what these states leave out, in posterior SDs; 0 where they are all that there are."""

    def hyper(self, log_evidence: Array) -> dict[str, tuple[Axis, Marginal]]:
        """Give its posterior."""

    def levels(self, share: Array) -> Array:
        """Probability of each level of each row, shape (estimate, level), by those of the states."""

    def under(self, priors: Mapping[str, Prior]) -> "Over":
        """Take another prior of it."""

    def powered(self, prior: float) -> "Over":
        """Raise its prior to a power."""

    def changed(self, change: Change) -> "Over":
        """Say how every state changes for a neighbour."""

    def anew(self) -> "tuple[Over, tuple[Fitted, ...]]":
        """Lay other states, where these do not serve a neighbour."""


@dataclass(frozen=True, eq=False)
class Allocations:
    """Missing levels: one state is what all silent estimates may be together; see `Over`."""

    missing: Untold  #: What is not told, by all rows.
    each: Index  #: What silent estimates are in each state, shape (state, row).

    @property
    def own(self) -> Mapping[str, Prior]:
        """See `Over`: shares of levels are integrated out."""
        return {}

    def at(self, place: int) -> dict[str, float]:  # noqa: ARG002
        """See `Over`."""
        return {}

    def log_prior(self, kept: Mask) -> Array:
        """See `Over`: rows that are left out do not say how often levels are."""
        return self.missing.heard(kept).log_weight(self.each)

    def error(self, log_evidence: Array) -> float:  # noqa: ARG002
        """See `Over`."""
        return 0.0

    def hyper(self, log_evidence: Array) -> dict[str, tuple[Axis, Marginal]]:  # noqa: ARG002
        """See `Over`."""
        return {}

    def under(self, priors: Mapping[str, Prior]) -> "Allocations":  # noqa: ARG002
        """See `Over`."""
        return self

    def powered(self, prior: float) -> "Allocations":  # noqa: ARG002
        """See `Over`: levels have probabilities as random effects have, and no power."""
        return self

    def changed(self, change: Change) -> "Allocations":  # noqa: ARG002
        """See `Over`."""
        return self

    def anew(self) -> "tuple[Over, tuple[Fitted, ...]]":
        """See `Over`: there are no others."""
        raise AssertionError

    def levels(self, share: Array) -> Array:
        """Probability of each level of each row, shape (estimate, level); one where it is reported."""
        chance = self.missing.shares()
        for row, own in zip(self.missing.silent, self.each.T, strict=True):
            chance[row] = np.bincount(own, share, chance.shape[1])
        return np.asarray(np.einsum("ea,ean->en", chance, self.missing.indicator))


@dataclass(frozen=True, eq=False)
class Values:
    """A number of the likelihood on the whole line: a state is a node of a Gauss-Hermite rule; see `Over`."""

    #: name, prior: the number.
    name: str
    prior: Prior
    power: float  #: Of its prior.
    refit: Callable[[float], Fitted]  #: Value to the fit there.
    #: nodes, weight: of the rule, with its weights for what is not multiplied by a normal, shape (state,).
    nodes: Array
    weight: Array

    @classmethod
    def of(
        cls, name: str, prior: Prior, power: float, refit: Callable[[float], Fitted]
    ) -> "tuple[Values, tuple[Fitted, ...]]":
        """Lay nodes where the number lives."""
        place = normal(prior)
        if place is None:
            raise EngineRefusal(f"{name} is integrated under normal priors only; give it one.")
        found = by_setting(refit, (place[0], place[1] / math.sqrt(power)))
        return cls(name, prior, power, refit, found.nodes, found.bare), tuple(found.fits)

    @property
    def own(self) -> Mapping[str, Prior]:
        """See `Over`."""
        return {self.name: self.prior}

    def at(self, place: int) -> dict[str, float]:
        """See `Over`."""
        return {self.name: float(self.nodes[place])}

    def log_prior(self, kept: Mask) -> Array:  # noqa: ARG002
        """See `Over`."""
        return np.asarray(np.log(self.weight) + self.power * self.prior.logpdf(self.nodes))

    def error(self, log_evidence: Array) -> float:
        """See `Over`: the rule is held against the series through its nodes."""
        share = self.log_prior(np.zeros(0, dtype=bool)) + log_evidence
        share = np.exp(share - logsumexp(share))
        mean = float(share @ self.nodes)
        sd = math.sqrt(float(share @ (self.nodes - mean) ** 2))
        axis, own = self.hyper(log_evidence)[self.name]
        x, _ = rule(POINTS)
        value = axis.value(own.low + 0.5 * (own.high - own.low) * (x + 1.0))
        middle = float(own.weight @ value)
        if abs(middle - 0.5 * (self.nodes[0] + self.nodes[-1])) > OFF * (
            self.nodes[1] - self.nodes[0]
        ):
            return math.inf
        wide = math.sqrt(float(own.weight @ (value - middle) ** 2))
        return max(abs(mean - middle) / wide, abs(sd / wide - 1.0))

    def hyper(self, log_evidence: Array) -> dict[str, tuple[Axis, Marginal]]:
        """See `Over`: a spline through log evidences, and parabolas beyond them."""
        line = scipy.interpolate.make_interp_spline(self.nodes, log_evidence, k=5)
        middle, reach = 0.5 * (self.nodes[0] + self.nodes[-1]), self.nodes[-1] - self.nodes[0]
        x, w = rule(POINTS)
        at = middle + reach * x
        log = followed(line, self.nodes, at) + self.power * self.prior.logpdf(at)
        weight = w * np.exp(log - log.max())
        own = Marginal(weight / weight.sum(), middle - reach, middle + reach)
        return {self.name: (Real(), own)}

    def levels(self, share: Array) -> Array:  # noqa: ARG002
        """See `Over`: every level is reported."""
        raise AssertionError

    def under(self, priors: Mapping[str, Prior]) -> "Values":
        """See `Over`."""
        return replace(self, prior=priors.get(self.name, self.prior))

    def powered(self, prior: float) -> "Values":
        """See `Over`."""
        return replace(self, power=self.power * prior)

    def changed(self, change: Change) -> "Values":
        """See `Over`."""
        refit = self.refit
        return replace(self, refit=lambda value: change(refit(value)))

    def anew(self) -> "tuple[Over, tuple[Fitted, ...]]":
        """See `Over`."""
        return Values.of(self.name, self.prior, self.power, self.refit)
