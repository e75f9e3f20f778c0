"""The posterior of a bias mixture by quadrature: allocations are summed exactly, not sampled.

Given mu and tau the estimates are independent. Which of the n studies of a class are biased enters a
beta-binomial prior through their number alone, so the sum over 2^n allocations is a sum over numbers of
biased studies, each with an elementary symmetric polynomial of the likelihood ratios: n^2 operations
instead of 2^n. A group's mean bias and SD of biases are integrated inside, and mu and tau outside, by
`bayesrtw.engine.integrate`.
"""

import math
from dataclasses import dataclass, replace

import numpy as np
from numpy.polynomial import hermite_e, legendre
from numpy.typing import NDArray
from scipy import special

from bayesrtw.engine.axis import Axis, Positive, Real
from bayesrtw.engine.integrate import Integral, integrate
from bayesrtw.engine.kernel import LOG_2PI, Conditional
from bayesrtw.engine.marginal import Marginal, series
from bayesrtw.engine.problem import SHIFT
from bayesrtw.engine.quadrature import Nodes, rule
from bayesrtw.errors import ConvergenceError
from bayesrtw.evidence.table import Evidence
from bayesrtw.model.bias import orientation
from bayesrtw.model.bias_mixture import BiasMixture, RiskGroup
from bayesrtw.model.design import Design
from bayesrtw.model.heterogeneity import Common, Exchangeable
from bayesrtw.model.moderator import Intercept
from bayesrtw.model.prior import Normal, Prior
from bayesrtw.model.spec import Model
from bayesrtw.model.term import Noise

Array = NDArray[np.float64]

#: A normal prior of a mean bias is cut here, in SDs: 8e-11 of it lies outside.
CUT = 6.5
#: Step of the trapezoidal rule over a mean bias, in SDs of its narrowest possible posterior; the rule
#: is exact for a normal density to exp(-2 pi^2 / step^2) = 3e-11.
STEP = 0.9
#: Most nodes of that rule: estimates much more precise than the prior need sampling.
MOST = 512
#: Gauss-Legendre nodes over an SD of biases, and the share of its prior that is cut off.
SPREADS, TAIL = 20, 1e-12
#: Numbers in one intermediate array.
AT_ONCE = 100_000


def serves(model: Model, evidence: Evidence) -> str | None:
    """Say why a model with a bias mixture cannot be integrated, or None.

    Parameters
    ----------
    model, evidence
        What is to be fitted.

    Returns
    -------
    str or None
        A sentence.
    """
    mixtures = [term for term in model.terms if isinstance(term, BiasMixture)]
    if len(mixtures) > 1:
        return "it has two bias mixtures"
    for term in model.terms:
        if isinstance(term, BiasMixture | Intercept | Common):
            continue
        if isinstance(term, Exchangeable) and not term.by:
            continue
        part = term.gaussian(evidence)
        if isinstance(part, Noise) and part.common is None and not part.scatter and not part.shift:
            continue
        return (
            "a bias mixture is integrated beside a pooled mean, one heterogeneity SD and known biases "
            "only"
        )
    if not any(isinstance(term, Intercept) for term in model.terms) or model.likelihood.hyper():
        return "a bias mixture needs a pooled mean and independent estimates"
    if evidence.dependence:
        return "a bias mixture needs independent estimates"
    for group in mixtures[0].groups:
        if math.isfinite(group.spread.tail_power):
            return f"the SD of biases of {group.name!r} has a heavy-tailed prior"
        rows = evidence.matches(mixtures[0].column, group.values)
        se = evidence.data["se"].to_numpy()[rows]
        if len(se) and _count(group, se) > MOST:
            return f"the estimates of {group.name!r} are much more precise than the prior of their bias"
    return None


def _count(group: RiskGroup, se: Array) -> int:
    """How many nodes the mean bias needs: by the narrowest posterior that it can have."""
    assert isinstance(group.common, Normal)
    narrow = 1.0 / math.sqrt(group.common.sd**-2 + float(np.sum(se**-2.0)))
    return max(17, math.ceil(2.0 * CUT * group.common.sd / (STEP * narrow)) + 1)


@dataclass(frozen=True, slots=True, eq=False)
class _Group:
    """A group at risk: its rows by class, and nodes of its mean bias and SD of biases.

    Attributes
    ----------
    effect, variance
        Shape (row,).
    classes
        Rows of each class, and the log probability of each number of biased ones for one allocation.
    bias, spread2
        Nodes of the mean bias, shape (bias,), and of the squared SD of biases, shape (spread,).
    log_weight
        Log prior weight, shape (bias, spread).
    """

    effect: Array
    variance: Array
    classes: tuple[tuple[slice, Array], ...]
    bias: Array
    spread2: Array
    log_weight: Array

    def log_density(self, mu: Array, tau2: Array) -> Array:
        """Log density of the group's estimates, shape (point,)."""
        log, chance = self._ratios(mu, tau2)
        for rows, of_number in self.classes:
            log += np.log(np.tensordot(np.exp(of_number), _numbers(chance[rows]), axes=1))
        log = log.reshape(len(mu), -1)
        peak = np.max(log, axis=1)
        return np.asarray(peak + np.log(np.sum(np.exp(log - peak[:, None]), axis=1)))

    def biased(self, mu: Array, tau2: Array) -> tuple[Array, Array]:
        """Probability that each estimate is biased and the mean bias given mu and tau.

        Shapes (row, point) and (point,).
        """
        log, chance = self._ratios(mu, tau2)
        inside = np.zeros_like(chance)
        for rows, of_number in self.classes:
            own = np.exp(of_number)
            whole = np.tensordot(own, _numbers(chance[rows]), axes=1)
            log += np.log(whole)
            for row in range(rows.start, rows.stop):
                others = [other for other in range(rows.start, rows.stop) if other != row]
                rest = np.tensordot(own[1:], _numbers(chance[others]), axes=1)
                inside[row] = chance[row] * rest / whole
        log = log.reshape(len(mu), -1)
        share = np.exp(log - special.logsumexp(log, axis=1, keepdims=True))
        inside = inside.reshape(len(inside), len(mu), -1)
        return np.einsum("pn,rpn->rp", share, inside), share @ np.repeat(
            self.bias, len(self.spread2)
        )

    def _ratios(self, mu: Array, tau2: Array) -> tuple[Array, Array]:
        """Log weight of each inner node with both densities summed, and the biased one's part.

        Shapes (point, bias, spread) and (row, point, bias, spread). Only the squares depend on every
        axis; logarithms of variances do not on the mean bias.
        """
        v0 = self.variance[:, None] + tau2
        gap = self.effect[:, None] - mu
        log0 = np.log(v0) + gap**2 / v0
        v1 = v0[..., None] + self.spread2
        off = (gap[..., None] - self.bias) ** 2
        ratio = off[..., None] * (-0.5 / v1)[:, :, None, :]
        ratio += (0.5 * (log0[..., None] - np.log(v1)))[:, :, None, :]
        both = np.logaddexp(0.0, ratio)
        log = np.sum(both, axis=0) + self.log_weight
        log -= 0.5 * np.sum(LOG_2PI + log0, axis=0)[:, None, None]
        ratio -= both
        return log, np.exp(ratio, out=ratio)


def _numbers(chance: Array) -> Array:
    """Distribution of the number of successes of independent trials, (trial, ...) to (trial + 1, ...)."""
    count = len(chance)
    found = np.zeros((count + 1, *chance.shape[1:]))
    found[0] = 1.0
    for place, p in enumerate(chance):
        upper = found[: place + 1] * p
        found[: place + 1] -= upper
        found[1 : place + 2] += upper
    return found


@dataclass(frozen=True, slots=True, eq=False)
class Allocated:
    """The integral over mu and tau of a model with a bias mixture.

    It offers what `bayesrtw.engine.problem.Problem` offers to `integrate`.

    Attributes
    ----------
    design
        Without the mixture.
    names, axes, priors
        ``tau``, where there is heterogeneity, and ``mu``.
    groups
        The estimates at risk.
    rows
        Their rows, in the order of the groups.
    safe
        Rows that are not at risk.
    labels
        Names of the groups.
    """

    design: Design
    names: tuple[str, ...]
    axes: tuple[Axis, ...]
    priors: tuple[Prior, ...]
    groups: tuple[_Group, ...]
    rows: tuple[NDArray[np.intp], ...]
    safe: NDArray[np.intp]
    labels: tuple[str, ...]

    def log_density(self, values: tuple[Array, ...]) -> Array:
        """Log posterior density, not normalised.

        Parameters
        ----------
        values
            Arrays of shape (...,), in the order of the names.

        Returns
        -------
        ndarray, shape (...,)
            Log of likelihood times priors.
        """
        shape = np.broadcast_shapes(*(value.shape for value in values))
        log = sum(prior.logpdf(value) for prior, value in zip(self.priors, values, strict=True))
        mu, tau2 = self._flat(values, shape)
        found = np.zeros(len(mu))
        if len(self.safe):
            variance = self.design.se[self.safe] ** 2 + tau2[:, None]
            gap = self.design.effect[self.safe] - mu[:, None]
            found += -0.5 * np.sum(LOG_2PI + np.log(variance) + gap**2 / variance, axis=-1)
        for group in self.groups:
            room = max(1, AT_ONCE // (group.log_weight.size * len(group.effect)))
            for start in range(0, len(mu), room):
                here = slice(start, start + room)
                found[here] += group.log_density(mu[here], tau2[here])
        return np.asarray(log + found.reshape(shape))

    def given(self, values: tuple[Array, ...]) -> Conditional:
        """Give the coefficients that are left given mu and tau: none.

        Parameters
        ----------
        values
            Arrays of shape (...,).

        Returns
        -------
        Conditional
            Of no columns.
        """
        shape = np.broadcast_shapes(*(value.shape for value in values))
        return Conditional(np.zeros(shape), np.zeros((*shape, 0)), np.zeros((*shape, 0, 0)))

    def biased(self, values: tuple[Array, ...], weight: Array) -> tuple[Array, list[float]]:
        """Give each estimate's probability of being biased, and each group's mean bias.

        Parameters
        ----------
        values
            Nodes, each of shape (node,).
        weight
            Their shares.

        Returns
        -------
        tuple
            Shape (estimate,), 0 for estimates that are not at risk; one number a group, in the
            direction of the analysis scale.
        """
        mu, tau2 = self._flat(values, weight.shape)
        chance = np.zeros(len(self.design.se))
        means = []
        for group, rows in zip(self.groups, self.rows, strict=True):
            room = max(1, AT_ONCE // (group.log_weight.size * len(group.effect)))
            mean = 0.0
            for start in range(0, len(mu), room):
                here = slice(start, start + room)
                inside, bias = group.biased(mu[here], tau2[here])
                chance[rows] += inside @ weight[here]
                mean += float(weight[here] @ bias)
            means.append(mean)
        return chance, means

    def _flat(self, values: tuple[Array, ...], shape: tuple[int, ...]) -> tuple[Array, Array]:
        each = dict(zip(self.names, values, strict=True))
        mu = np.broadcast_to(each["mu"], shape).reshape(-1)
        tau = np.broadcast_to(each.get("tau", np.zeros(1)), shape).reshape(-1)
        return mu, tau**2


def allocate(model: Model, evidence: Evidence, design: Design, *, finer: int = 1) -> Allocated:
    """Prepare a model with a bias mixture for integration.

    Parameters
    ----------
    model, evidence
        What `serves` has accepted.
    design
        Its arrays.
    finer
        How many times as many inner nodes as the default.

    Returns
    -------
    Allocated
        The integral.
    """
    term = next(term for term in model.terms if isinstance(term, BiasMixture))
    intercept = next(term for term in model.terms if isinstance(term, Intercept))
    sign = orientation(evidence)
    by_group: dict[str, tuple[RiskGroup, list[tuple[NDArray[np.intp], int]]]] = {}
    for rows, group, place in term.allotted(evidence):
        by_group.setdefault(group.name, (group, []))[1].append((rows, place))
    groups, where = [], []
    for group, classes in by_group.values():
        rows = np.concatenate([own for own, _ in classes])
        groups.append(_group(group, classes, design, rows, sign, finer))
        where.append(rows)
    safe = np.setdiff1d(np.arange(evidence.size), np.concatenate([*where, np.zeros(0, np.intp)]))
    typical = float(np.sqrt(len(design.se) / np.sum(design.se**-2.0)))
    centre = float(np.average(design.effect, weights=1.0 / (design.se**2 + np.var(design.effect))))
    names, axes, priors = ["mu"], [Real(centre, typical)], [intercept.prior]
    inner: list[Axis] = list(axes)
    if design.hyper:
        ((name, prior),) = design.hyper.items()
        at_zero = bool(np.isfinite(prior.logpdf(np.zeros(1))[0]))
        shift = SHIFT * typical * len(design.se) ** -0.25 if at_zero else 0.0
        names, priors = [name, *names], [prior, *priors]
        inner = [Positive(typical, shift), *inner]
    return Allocated(
        design,
        tuple(names),
        tuple(inner),
        tuple(priors),
        tuple(groups),
        tuple(where),
        safe,
        tuple(by_group),
    )


def _group(
    group: RiskGroup,
    classes: list[tuple[NDArray[np.intp], int]],
    design: Design,
    rows: NDArray[np.intp],
    sign: float,
    finer: int,
) -> _Group:
    """Lay the inner nodes of a group."""
    assert isinstance(group.common, Normal)
    count = finer * _count(group, design.se[rows])
    z = np.linspace(-CUT, CUT, count)
    log_bias = -0.5 * z**2 - special.logsumexp(-0.5 * z**2)
    x, w = rule(finer * SPREADS)
    end = float(group.spread.ppf(np.array([1.0 - TAIL]))[0])
    spread = 0.5 * end * (x + 1.0)
    log_spread = np.log(0.5 * end * w) + group.spread.logpdf(spread)
    bias = sign * (group.common.mean + group.common.sd * z)
    parts, start = [], 0
    for own, place in classes:
        number = np.arange(len(own) + 1.0)
        prior = group.prior(place)
        of_number = special.betaln(prior.a + number, prior.b + len(own) - number)
        parts.append((slice(start, start + len(own)), of_number - special.betaln(prior.a, prior.b)))
        start += len(own)
    return _Group(
        effect=design.effect[rows],
        variance=design.se[rows] ** 2,
        classes=tuple(parts),
        bias=bias,
        spread2=spread**2,
        log_weight=log_bias[:, None] + log_spread,
    )


#: Movement of the log density under twice as many inner nodes that is allowed where the posterior is,
#: and how often they may be doubled.
INNER_TOLERANCE, DOUBLINGS = 1e-8, 2
#: A node with less than this share is not looked at for it.
HEAVY = 1e-4


def solve(
    model: Model, evidence: Evidence, design: Design, start: int, tolerance: float
) -> tuple[Allocated, Integral]:
    """Integrate, with inner nodes doubled until they do not matter.

    Parameters
    ----------
    model, evidence, design
        What `serves` has accepted.
    start, tolerance
        As for `integrate`.

    Returns
    -------
    tuple
        The problem and its integral; the error is the larger of the outer and the inner one.

    Raises
    ------
    ConvergenceError
        If the nodes do not suffice.
    """
    finer, problem = 1, allocate(model, evidence, design)
    for _ in range(DOUBLINGS + 1):
        better = allocate(model, evidence, design, finer=2 * finer)
        found = integrate(problem, start, tolerance)
        heavy = np.exp(found.nodes.log_weight) > HEAVY
        values = tuple(value[heavy] for value in found.nodes.values)
        moved = better.log_density(values) - problem.log_density(values)
        inner = float(np.max(np.abs(moved)))
        if inner <= max(tolerance, INNER_TOLERANCE):
            return problem, replace(found, error=max(found.error, inner))
        finer, problem = 2 * finer, better
    raise ConvergenceError(
        f"Exact: the bias mixture still moves by {inner:.1e} under twice as many nodes; use Nuts()."
    )


#: Nodes of the rule for a small normal deviation, and the share of the range of mu below which the
#: deviation counts as small: a twentieth of the range is some two thirds of an SD.
DEVIATIONS, SMALL = 48, 1.0 / 20.0
#: Points on which the effect in a new setting is kept, and the log density at which its range ends.
POINTS, DROP = 512, 25.0


def new_setting(problem: Allocated, found: Nodes) -> Marginal:
    """Give the effect in a new setting: mu plus a normal deviation with SD tau.

    Parameters
    ----------
    problem
        With heterogeneity.
    found
        Its nodes: tau outside, mu inside.

    Returns
    -------
    Marginal
        On the analysis scale itself.
    """
    outer, inner = found.counts
    weight = np.exp(found.log_weight).reshape(outer, inner)
    tau = found.values[0].reshape(outer, inner)[:, 0]
    mu = found.values[1].reshape(outer, inner)
    axis = problem.axes[1]
    low, high = axis.value(found.ranges[1].low), axis.value(found.ranges[1].high)
    share = weight.sum(axis=1)
    kept = share > math.exp(-DROP)
    centre = np.sum(weight * mu, axis=1)[kept] / share[kept]
    spread = np.sum(weight[kept] * (mu[kept] - centre[:, None]) ** 2, axis=1) / share[kept]
    reach = np.sqrt(2.0 * (DROP + np.log(share[kept])) * (spread + tau[kept] ** 2))
    bottom, top = float(np.min(centre - reach)), float(np.max(centre + reach))
    x, w = rule(POINTS)
    point = bottom + 0.5 * (top - bottom) * (x + 1.0)
    z, of_z = hermite_e.hermegauss(DEVIATIONS)
    of_z = of_z / of_z.sum()
    nodes, _ = rule(inner)
    density = np.zeros(POINTS)
    for place in np.flatnonzero(kept):
        width = high[place] - low[place]
        if tau[place] > SMALL * width:
            gap = (point[:, None] - mu[place]) / tau[place]
            density += np.exp(-0.5 * gap**2) @ weight[place] / (tau[place] * math.sqrt(2 * math.pi))
            continue
        orders = np.arange(inner) + 0.5
        coefficients = orders * (weight[place] @ legendre.legvander(nodes, inner - 1))
        at = 2.0 * (point[:, None] - tau[place] * z - low[place]) / width - 1.0
        inside = np.abs(at) <= 1.0
        values = legendre.legval(np.where(inside, at, 0.0), coefficients) * 2.0 / width
        density += np.where(inside, np.maximum(values, 0.0), 0.0) @ of_z
    total = density * w
    return Marginal(total / total.sum(), bottom, top)


def draw(problem: Allocated, found: Integral, count: int, rng: np.random.Generator) -> list[Array]:
    """Draw the hyperparameters: tau from its posterior, mu given a neighbouring node of tau.

    Parameters
    ----------
    problem, found
        What `solve` returned.
    count
        Number of draws.
    rng
        Random generator.

    Returns
    -------
    list of ndarray, shape (count,)
        In the order of the names.
    """
    first = found.marginals[0]
    outer = series(first.weight, problem.axes[0], first.low, first.high)
    values = [outer.quantile(rng.random(count))]
    if len(problem.names) == 1:
        return values
    nodes = found.nodes
    size, inner = nodes.counts
    x, _ = rule(size)
    low, high = float(nodes.ranges[0].low), float(nodes.ranges[0].high)
    u = low + 0.5 * (high - low) * (x + 1.0)
    at = problem.axes[0].coordinate(values[0])
    right = np.clip(np.searchsorted(u, at), 1, size - 1)
    share = np.clip((at - u[right - 1]) / (u[right] - u[right - 1]), 0.0, 1.0)
    place = np.where(rng.random(count) < share, right, right - 1)
    weight = np.exp(nodes.log_weight).reshape(size, inner)
    q, mu = rng.random(count), np.zeros(count)
    for node in np.unique(place):
        here = place == node
        own = weight[node] / weight[node].sum()
        span = nodes.ranges[1]
        given = series(own, problem.axes[1], float(span.low[node]), float(span.high[node]))
        mu[here] = given.quantile(q[here])
    return [*values, mu]
