"""Results that are seen with a probability that falls, in steps, with their P value."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr, ndtri

from bayesrtw.errors import Finding, SpecError
from bayesrtw.evidence.table import Evidence
from bayesrtw.model.contract import UNIT, Prior
from bayesrtw.model.selection import Thinning, sign_of, too_few, undirected
from bayesrtw.model.term import Hyper
from bayesrtw.registry import component

if TYPE_CHECKING:
    from pytensor.tensor import TensorVariable

Array = NDArray[np.float64]
Index = NDArray[np.intp]


@component("selection", "step_weights")
@dataclass(frozen=True, slots=True, kw_only=True)
class StepWeights:
    """Studies are seen with a probability that hangs on the P value of their result, in steps.

    ``P(seen | y_i) = omega_j`` for a P value in the j-th interval between steps, relative to the first
    interval, whose weight is 1. The density of what is seen is, with ``v_i = s_i^2 + tau^2`` and whatever
    biases of single studies add, [1]_

        f(y_i) = omega_{j(i)} N(y_i; m_i, v_i) / sum_j omega_j P(P value in interval j | m_i, v_i).

    The normalising sum is over the marginal density of the result, with its heterogeneity: studies are drawn
    first and selected afterwards. What a study reported is taken as it is; nothing is imputed. [2]_

    Parameters
    ----------
    steps
        P values at which weights change, ascending, in (0, 1).
    weights
        Known weights, one a step: of the interval above it, relative to results below the first. Positive.
    shares
        In place of known weights, a prior on (0, 1) for each step: the weight of the interval above it as a
        share of the weight below it, so that weights never rise. ``Beta(1, 1)`` is a uniform weight of one
        step; ``Beta(n - 1, 1), ..., Beta(2, 1), Beta(1, 1)`` for n - 1 steps are the cumulative unit
        Dirichlet prior of n weights. [3]_
    sides
        ``one``: P values of a one-sided test in the direction of the selection; ``two``: of two sides.
    towards
        Which results are favoured by one side, ``higher`` or ``lower`` on the analysis scale; empty takes
        the direction of benefit that the evidence states.

    References
    ----------
    .. [1] Hedges LV (1992), Statistical Science 7:246-255, doi:10.1214/ss/1177011364.
    .. [2] Vevea JL, Woods CM (2005), Psychological Methods 10:428-443, doi:10.1037/1082-989X.10.4.428: fixed
       weights of several severities.
    .. [3] Maier M, Bartos F, Wagenmakers E-J (2023), Psychological Methods 28:107-122,
       doi:10.1037/met0000405: priors of weights.

    Examples
    --------
    >>> from bayesrtw.model.prior import Beta
    >>> StepWeights(weights=(0.25,)).steps
    (0.025,)
    >>> sorted(StepWeights(steps=(0.025, 0.5), shares=(Beta(2, 1), Beta(1, 1))).hyper())
    ['omega_1', 'omega_2']
    """

    steps: tuple[float, ...] = (0.025,)
    weights: tuple[float, ...] = ()
    shares: tuple[Prior, ...] = ()
    sides: Literal["one", "two"] = "one"
    towards: Literal["", "higher", "lower"] = ""

    def __post_init__(self) -> None:
        steps = np.asarray(self.steps, dtype=np.float64)
        if not len(steps) or not np.all((steps > 0) & (steps < 1)) or np.any(np.diff(steps) <= 0):
            raise SpecError(
                f"steps must be P values in (0, 1), ascending; found {list(self.steps)!r}."
            )
        if bool(self.weights) == bool(self.shares):
            raise SpecError(
                "weights are known or have priors: give either weights or shares, one a step."
            )
        given = self.weights or self.shares
        if len(given) != len(steps):
            raise SpecError(
                f"{'weights' if self.weights else 'shares'} needs one entry for each of the {len(steps)} "
                f"steps; found {len(given)}. Results below the first step have weight 1."
            )
        if any(not (np.isfinite(weight) and weight > 0) for weight in self.weights):
            raise SpecError(
                f"weights must be positive; found {list(self.weights)!r}. A weight of 0 would make results "
                "that were seen impossible."
            )
        if any(prior.positive or prior.support != UNIT for prior in self.shares):
            raise SpecError("shares are in (0, 1) and need beta priors.")

    def faults(self, evidence: Evidence) -> list[str]:
        directed = self.sides == "two" or self.towards or evidence.benefit
        found = [] if directed else [undirected(evidence)]
        return [*found, *too_few(evidence)] if self.shares else found

    def findings(self, evidence: Evidence) -> list[Finding]:
        interval = self._thinned(evidence).interval
        counts = np.bincount(interval, minlength=len(self.steps) + 1)
        ends = [0.0, *self.steps, 1.0]
        told = ", ".join(
            f"{count} with {low:g} < P < {high:g}"
            for count, low, high in zip(counts, ends, ends[1:], strict=False)
        )
        sided = f"{self.sides}-sided P values"
        if self.weights:
            text = (
                f"Selection by {sided} with known weights {', '.join(f'{w:g}' for w in self.weights)} beyond "
                f"{', '.join(f'{step:g}' for step in self.steps)}: {told}."
            )
            return [Finding("selection", "note", text)]
        text = f"Selection by {sided} with weights that the data tell: {told}."
        found = [Finding("selection", "note", text)]
        if not counts.all():
            text = (
                "An interval of P values holds no study: its weight is told by the priors, and by how many "
                "studies are elsewhere."
            )
            found.append(Finding("selection-empty", "warning", text))
        return found

    def hyper(self) -> Mapping[str, Hyper]:
        names = (
            ["omega"]
            if len(self.shares) == 1
            else [f"omega_{place}" for place in range(1, len(self.shares) + 1)]
        )
        return {
            name: Hyper(prior, "weight", among=f"step {place + 1}", setting=f"shares.{place}")
            for place, (name, prior) in enumerate(zip(names, self.shares, strict=True))
        }

    def thin(self, evidence: Evidence) -> Thinning:
        return self._thinned(evidence)

    def _thinned(self, evidence: Evidence) -> "Stepped":
        """Say in which interval each row is."""
        sign = sign_of(self.towards, evidence) if self.sides == "one" else 1.0
        effect, se = (evidence.data[name].to_numpy().astype(float) for name in ("effect", "se"))
        steps = np.asarray(self.steps)
        two = self.sides == "two"
        cuts = -ndtri(0.5 * steps if two else steps)
        z = np.abs(effect / se) if two else sign * effect / se
        interval = np.sum(z[:, None] < cuts, axis=1)
        zero = np.zeros(len(se))
        return Stepped(self.weights, tuple(self.hyper()), cuts, sign, two, interval, se, se, zero)

    def pymc(
        self, mean: "TensorVariable", variance: "TensorVariable", evidence: Evidence, share: Array
    ) -> "TensorVariable":
        import pymc as pm  # noqa: PLC0415
        import pytensor.tensor as pt  # noqa: PLC0415

        held = self._thinned(evidence)
        if self.weights:
            weight: Any = pt.as_tensor_variable(np.array([1.0, *self.weights]))
        else:
            own = [each.prior.pymc(name) for name, each in self.hyper().items()]
            weight = pt.concatenate([pt.ones(1), pt.cumprod(pt.stack(own))])
        # Data, not constants: a compiled model takes new evidence of the same structure.
        se = pm.Data("selection_se_data", held.se)
        sd = pt.sqrt(variance + pm.Data("selection_variance_data", held.se**2 / share))
        interval = pm.Data("selection_interval_data", held.interval)
        sign = pm.Data("selection_sign_data", np.array(held.sign))

        def below(cut: float) -> Any:
            found = normal(((cut * se) - sign * mean) / sd)
            return found - normal((-cut * se - sign * mean) / sd) if held.two else found

        def normal(z: Any) -> Any:
            return 0.5 * pt.erfc(-z / np.sqrt(2.0))

        first = float(held.cuts[0])
        total = normal((sign * mean - first * se) / sd)
        if held.two:
            total = total + normal((-first * se - sign * mean) / sd)
        inside = [below(float(cut)) for cut in held.cuts]
        for place in range(1, len(inside)):
            total = total + weight[place] * pt.maximum(inside[place - 1] - inside[place], 0.0)
        total = total + weight[len(inside)] * inside[-1]
        return pt.log(weight[interval]) - pt.log(total)


@dataclass(frozen=True, slots=True, eq=False)
class Stepped:
    """Rows in intervals of their P values; see `bayesrtw.model.selection.Thinning`."""

    #: Known weights beyond the first interval; empty where they are hyperparameters.
    weights: tuple[float, ...]
    names: tuple[str, ...]  #: The hyperparameters, each the share of a weight in the one before.
    #: Quotients of estimate and standard error at the steps, descending, shape (step,).
    cuts: Array
    sign: float  #: The direction that is favoured.
    two: bool  #: Whether P values are two-sided.
    interval: Index  #: Of each row, 0 the most significant, shape (estimate,).
    #: se, spread: standard errors as reported and as the model has them, shape (estimate,).
    se: Array
    spread: Array
    by: Array  #: What was added to what was reported, shape (estimate,).

    def log_factor(
        self, mean: Array, variance: Array, rows: Index, at: Mapping[str, Array]
    ) -> Array:
        weight = self._weight(at)
        total: Array = np.zeros(())
        for place, chance in enumerate(self.in_intervals(mean, variance, rows)):
            total = total + weight[..., None, place] * chance
        own = np.take(np.log(weight), self.interval[rows], axis=-1)
        return np.asarray(own - np.log(total))

    def in_intervals(self, mean: Array, variance: Array, rows: Index) -> list[Array]:
        sd = np.sqrt(variance + self.spread[rows] ** 2)
        centre = self.sign * (mean - self.by[rows])
        se = self.se[rows]
        if len(self.cuts) == 1 and not self.two:
            # Both from the smaller one: a normal distribution function is what a selection costs.
            z = (centre - self.cuts[0] * se) / sd
            small = ndtr(-np.abs(z))
            large = 1.0 - small
            return [np.where(z > 0, large, small), np.where(z > 0, small, large)]
        # The first and the last from their own ends: nothing is lost where a chance is small.
        first = ndtr((centre - self.cuts[0] * se) / sd)
        found = [first + ndtr((-self.cuts[0] * se - centre) / sd) if self.two else first]
        outer = np.ones(())
        for place, cut in enumerate(self.cuts):
            inner = ndtr((cut * se - centre) / sd)
            if self.two:
                inner = inner - ndtr((-cut * se - centre) / sd)
            if place:
                found.append(np.maximum(outer - inner, 0.0))
            outer = inner
        return [*found, outer]

    def chance(self, effect: Array, error: Array, at: Mapping[str, Array]) -> Array:  # noqa: ARG002
        z = self.sign * effect / self.se
        interval = np.sum((np.abs(z) if self.two else z)[..., None] < self.cuts, axis=-1)
        weight = self._weight(at)
        weight = np.broadcast_to(weight, (*effect.shape[:-1], weight.shape[-1]))
        found = np.take_along_axis(weight, interval, axis=-1)
        return np.asarray(found / weight.max(axis=-1, keepdims=True))

    def pieces(self, row: int, at: Mapping[str, Array]) -> tuple[Array, Array]:
        weight = self._weight(at)
        weight = weight / weight[..., self.interval[row], None]
        ends = np.concatenate([[np.inf], self.cuts * self.se[row]])
        if self.two:
            ends = np.concatenate([-ends, ends[::-1]])
            weight = np.concatenate([weight, weight[..., -2::-1]], axis=-1)
            return ends + self.by[row], weight
        ends = np.append(ends, -np.inf)
        if self.sign > 0:
            return ends[::-1] + self.by[row], weight[..., ::-1]
        return -ends + self.by[row], weight

    def moved(self, by: Array) -> "Stepped":
        return replace(self, by=self.by + by)

    def weakened(self, share: Array) -> "Stepped":
        return replace(self, spread=self.spread / np.sqrt(share))

    def _weight(self, at: Mapping[str, Array]) -> Array:
        """Weights of the intervals, shape (..., interval)."""
        if self.weights:
            return np.array([1.0, *self.weights])
        shares = np.stack([np.asarray(at[name]) for name in self.names], axis=-1)
        return np.cumprod(np.concatenate([np.ones((*shares.shape[:-1], 1)), shares], axis=-1), -1)
