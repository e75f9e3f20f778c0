"""The posterior of a bias mixture by quadrature: allocations are summed exactly, not sampled.

Given mu, tau, a group's mean bias and the SD of its biases, the estimates of a class with probability pi of
bias have the density prod (1 - pi) f0 + pi f1, a polynomial in pi: a Gauss-Jacobi rule of half its degree
integrates it over the beta prior of pi without error, which is the sum over all 2^n allocations at the
cost of n^2. Mean bias and mu are summed on lattices of one step, so that their sum lies on a lattice too
and every density is computed once; for analytic densities such sums converge faster than any power. The SD
of biases has a Gauss-Legendre rule, and tau is left to `bayesrtw.engine.integrate`.
"""

import math
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.polynomial import hermite_e
from numpy.typing import NDArray
from scipy import special

from bayesrtw.engine.integrate import Integral, integrate, pruned
from bayesrtw.engine.kernel import LOG_2PI, Conditional
from bayesrtw.engine.lattice import CUT, AtRisk, Lattice
from bayesrtw.engine.problem import SHIFT
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
from bayesrtw.posterior.axis import Axis, Positive
from bayesrtw.posterior.marginal import Marginal, series
from bayesrtw.posterior.nodes import rule

Array = NDArray[np.float64]

#: The prior of mu is cut here, in SDs: 4e-16 of it lies outside.
CUT_MU = 8.2
#: Step of the lattices, in SDs of the narrowest posterior that mu can have. A lattice sum of a normal
#: density is exact to 2 exp(-2 pi^2 / step^2) = 5e-11.
STEP = 0.9
#: Most points of a mean bias: estimates much more precise than its prior need sampling.
MOST = 400
#: Nodes over an SD of biases, and the share of its prior that is cut off.
SPREADS, TAIL = 12, 1e-12
#: A point of mu with less than exp(-DROP) of the largest density is left out.
DROP = 37.0
#: Every so many lattice points are looked at before the others.
STRIDE = 4


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
    intercepts = [term for term in model.terms if isinstance(term, Intercept)]
    if not intercepts or not isinstance(intercepts[0].prior, Normal) or model.likelihood.hyper():
        return "a bias mixture needs a pooled mean with a normal prior and independent estimates"
    if evidence.dependence:
        return "a bias mixture needs independent estimates"
    for group in mixtures[0].groups:
        if math.isfinite(group.spread.tail_power):
            return f"the SD of biases of {group.name!r} has a heavy-tailed prior"
        rows = evidence.matches(mixtures[0].column, group.values)
        se = evidence.data["se"].to_numpy()[rows]
        assert isinstance(group.common, Normal)
        if len(se) and 2 * CUT * group.common.sd > MOST * STEP * _narrowest(se, math.inf):
            return f"the estimates of {group.name!r} are much more precise than the prior of their bias"
    return None


def _narrowest(se: Array, prior_sd: float, tau: float = 0.0) -> float:
    """SD of the pooled mean if no study were biased: nothing in the posterior is narrower."""
    return float(1.0 / math.sqrt(prior_sd**-2.0 + float(np.sum(1.0 / (se**2 + tau**2)))))


@dataclass(frozen=True, slots=True, eq=False)
class Allocated:
    """The integral over tau of a model with a bias mixture; see `bayesrtw.engine.integrate.Integrand`.

    Attributes
    ----------
    design
        Without the mixture; its one column is that of mu.
    names, axes, priors
        The heterogeneity SD, or nothing where there is none.
    prior
        Of mu.
    groups
        The estimates at risk.
    rows, labels
        Their rows and the groups' names, in the order of the groups.
    safe
        Rows that are not at risk.
    seen
        Posteriors of mu that were computed, by tau.
    """

    design: Design
    names: tuple[str, ...]
    axes: tuple[Axis, ...]
    priors: tuple[Prior, ...]
    prior: Normal
    groups: tuple[AtRisk, ...]
    rows: tuple[NDArray[np.intp], ...]
    labels: tuple[str, ...]
    safe: NDArray[np.intp]
    seen: dict[float, Lattice] = field(default_factory=dict)

    def given_tau(self, tau: float) -> Lattice:
        """Give the posterior of mu given tau.

        Parameters
        ----------
        tau
            Heterogeneity SD, >= 0.

        Returns
        -------
        Lattice
            Where its density is not negligible.
        """
        if tau in self.seen:
            return self.seen[tau]
        step = STEP * _narrowest(self.design.se, self.prior.sd, tau)
        reach = math.ceil(CUT_MU * self.prior.sd / step)
        mu = self.prior.mean + step * np.arange(-reach, reach + 1.0)
        if len(mu) > 8 * STRIDE:
            coarse = self._log(mu, step, tau, STRIDE)
            alive = np.flatnonzero(coarse > np.max(coarse) - DROP)
            first = max(STRIDE * (int(alive[0]) - 1), 0)
            mu = mu[first : STRIDE * (int(alive[-1]) + 1) + 1]
        log = self._log(mu, step, tau)
        peak = float(np.max(log))
        share = np.exp(log - peak)
        total = float(share.sum())
        found = Lattice(mu, step, share / total, peak + math.log(step * total))
        self.seen[tau] = found
        return found

    def between(self, tau: float) -> Lattice:
        """Give the posterior of mu given tau on twice as many points: a sum needs half of what a curve does.

        Parameters
        ----------
        tau
            Heterogeneity SD, >= 0.

        Returns
        -------
        Lattice
            With half the step.
        """
        at = self.given_tau(tau)
        mu = at.mu + 0.5 * at.step
        log = self._log(mu, at.step, tau)
        other = np.exp(log - at.log_total) * at.step
        both = np.column_stack([at.share, other]).reshape(-1)
        where = np.column_stack([at.mu, mu]).reshape(-1)
        return Lattice(where, 0.5 * at.step, both / both.sum(), at.log_total)

    def _log(self, mu: Array, step: float, tau: float, every: int = 1) -> Array:
        """Log of prior times density of the data, at every so many points of a lattice."""
        at = mu[::every]
        log = self.prior.logpdf(at)
        if len(self.safe):
            variance = self.design.se[self.safe] ** 2 + tau**2
            gap = self.design.effect[self.safe] - at[:, None]
            log = log - 0.5 * np.sum(LOG_2PI + np.log(variance) + gap**2 / variance, axis=-1)
        for group in self.groups:
            log = log + group.log_density(mu, step, tau, every)
        return np.asarray(log)

    def log_density(self, values: tuple[Array, ...]) -> Array:
        """Log posterior density of tau, not normalised.

        Parameters
        ----------
        values
            One array of shape (...,).

        Returns
        -------
        ndarray, shape (...,)
            Log of likelihood times prior.
        """
        (tau,) = values
        flat = [self.given_tau(float(one)).log_total for one in tau.reshape(-1)]
        return np.asarray(self.priors[0].logpdf(tau) + np.reshape(flat, tau.shape))

    def given(self, values: tuple[Array, ...]) -> Conditional:
        """Give moments of mu given tau.

        Parameters
        ----------
        values
            One array of shape (...,), or nothing.

        Returns
        -------
        Conditional
            Of one column.
        """
        tau = values[0] if values else np.zeros(1)
        flat = [self.given_tau(float(one)) for one in tau.reshape(-1)]
        shape = tau.shape
        return Conditional(
            np.reshape([each.log_total for each in flat], shape),
            np.reshape([each.mean for each in flat], (*shape, 1)),
            np.reshape([each.variance for each in flat], (*shape, 1, 1)),
        )

    def biased(self, taus: Array, weight: Array) -> tuple[Array, list[float]]:
        """Give each estimate's probability of being biased, and each group's mean bias.

        Parameters
        ----------
        taus, weight
            Nodes and their shares, shape (node,).

        Returns
        -------
        tuple
            Shape (estimate,), 0 for estimates that are not at risk; one number a group, on the
            analysis scale.
        """
        chance = np.zeros(len(self.design.se))
        means = np.zeros(len(self.groups))
        for tau, own in zip(taus.tolist(), weight.tolist(), strict=True):
            if own < 1e-10:
                continue
            at = self.given_tau(tau)
            for place, (group, rows) in enumerate(zip(self.groups, self.rows, strict=True)):
                inside, bias = group.biased(at.mu, at.step, tau)
                chance[rows] += own * (inside @ at.share)
                means[place] += own * float(bias @ at.share)
        return chance, means.tolist()


def allocate(model: Model, evidence: Evidence, design: Design, *, finer: int = 1) -> Allocated:
    """Prepare a model with a bias mixture for integration.

    Parameters
    ----------
    model, evidence
        What `serves` has accepted.
    design
        Its arrays.
    finer
        How many times as many nodes over SDs of biases as the default.

    Returns
    -------
    Allocated
        The integral.
    """
    term = next(term for term in model.terms if isinstance(term, BiasMixture))
    intercept = next(term for term in model.terms if isinstance(term, Intercept))
    assert isinstance(intercept.prior, Normal)
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
    axes: list[Axis] = []
    for prior in design.hyper.values():
        at_zero = bool(np.isfinite(prior.logpdf(np.zeros(1))[0]))
        axes.append(
            Positive(typical, SHIFT * typical * len(design.se) ** -0.25 if at_zero else 0.0)
        )
    return Allocated(
        design=design,
        names=tuple(design.hyper),
        axes=tuple(axes),
        priors=tuple(design.hyper.values()),
        prior=intercept.prior,
        groups=tuple(groups),
        rows=tuple(where),
        labels=tuple(by_group),
        safe=safe,
    )


def _group(
    group: RiskGroup,
    classes: list[tuple[NDArray[np.intp], int]],
    design: Design,
    rows: NDArray[np.intp],
    sign: float,
    finer: int,
) -> AtRisk:
    """Lay the nodes of a group's probabilities and SD of biases."""
    assert isinstance(group.common, Normal)
    x, w = rule(finer * SPREADS)
    end = float(group.spread.ppf(np.array([1.0 - TAIL]))[0])
    spread = 0.5 * end * (x + 1.0)
    of_spread = 0.5 * end * w * np.exp(group.spread.logpdf(spread))
    parts, start = [], 0
    for own, place in classes:
        prior = group.prior(place)
        # Exact for polynomials of degree 2 count - 1; the integrand's degree is the number of rows.
        node, weight = special.roots_jacobi(len(own) // 2 + 1, prior.b - 1.0, prior.a - 1.0)
        parts.append((slice(start, start + len(own)), 0.5 * (node + 1.0), weight / weight.sum()))
        start += len(own)
    return AtRisk(
        effect=design.effect[rows],
        variance=design.se[rows] ** 2,
        classes=tuple(parts),
        mean=sign * group.common.mean,
        sd=group.common.sd,
        spread2=spread**2,
        of_spread=of_spread / of_spread.sum(),
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
        found = integrate(problem, start, tolerance, marginal=True)
        heavy = np.exp(found.nodes.log_weight) > HEAVY
        values = tuple(value[heavy] for value in found.nodes.values)
        before, after = (each.given(values).log_density for each in (problem, better))
        inner = float(np.max(np.abs(after - before)))
        if inner <= max(tolerance, INNER_TOLERANCE):
            return problem, replace(found, error=max(found.error, inner))
        finer, problem = 2 * finer, better
    raise ConvergenceError(
        f"Exact: the bias mixture still moves by {inner:.1e} under twice as many nodes; use Nuts()."
    )


#: Nodes of the rule for a normal deviation that is small, and how many steps of the lattice make it
#: large: beyond that the lattice resolves the deviation's own density.
DEVIATIONS, LARGE = 24, 2.0
#: Points on which effects are kept, and the log share at which their range ends.
POINTS, END = 512, 25.0


def marginal(problem: Allocated, found: Integral, *, new: bool) -> Marginal:
    """Give the posterior of mu, or of the effect in a new setting: mu plus a deviation with SD tau.

    Parameters
    ----------
    problem, found
        What `solve` returned.
    new
        Whether the deviation is added.

    Returns
    -------
    Marginal
        On the analysis scale itself.
    """
    values, weight = pruned(found.finest)
    taus = values[0] if values else np.zeros(1)
    each = [
        (own, problem.between(tau), tau if new else 0.0)
        for own, tau in zip(weight.tolist(), taus.tolist(), strict=True)
        if own > math.exp(-END)
    ]
    ends = [_reach(*part) for part in each]
    low, high = min(end[0] for end in ends), max(end[1] for end in ends)
    x, w = rule(POINTS)
    point = low + 0.5 * (high - low) * (x + 1.0)
    z, of_z = hermite_e.hermegauss(DEVIATIONS)
    density = np.zeros(POINTS)
    for own, at, tau in each:
        if tau > LARGE * at.step:
            gap = (point[:, None] - at.mu) / tau
            here = np.exp(-0.5 * gap**2) @ at.share / (tau * math.sqrt(2.0 * math.pi))
        elif tau > 0:
            here = at.density(point[:, None] - tau * z) @ (of_z / of_z.sum())
        else:
            here = at.density(point)
        density += own * here
    total = np.maximum(density, 0.0) * w
    return Marginal(total / total.sum(), low, high)


def _reach(own: float, at: Lattice, tau: float) -> tuple[float, float]:
    """Where a part of the posterior with a given share is not negligible."""
    apart = math.sqrt(2.0 * (END + math.log(own)) * (at.variance + tau**2))
    return at.mean - apart, at.mean + apart


def draw(
    problem: Allocated, found: Integral, count: int, rng: np.random.Generator
) -> tuple[Array, Array]:
    """Draw tau from its posterior, and mu given a neighbouring node of tau.

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
    tuple of ndarray, shape (count,)
        tau and mu.
    """
    tau, nodes = np.zeros(count), np.zeros(1)
    place = np.zeros(count, dtype=np.intp)
    if problem.names:
        first = found.marginals[0]
        outer = series(first.weight, problem.axes[0], first.low, first.high)
        tau, nodes = outer.quantile(rng.random(count)), found.finest.values[0]
        right = np.clip(np.searchsorted(nodes, tau), 1, len(nodes) - 1)
        share = np.clip((tau - nodes[right - 1]) / (nodes[right] - nodes[right - 1]), 0.0, 1.0)
        place = np.where(rng.random(count) < share, right, right - 1)
    q, mu = rng.random(count), np.zeros(count)
    for node in np.unique(place):
        at, here = problem.between(float(nodes[node])), place == node
        # The lattice's distribution function, by the integral of the interpolating kernel.
        x = np.linspace(at.mu[0], at.mu[-1], 16 * len(at.mu))
        sine = special.sici(np.pi * (x[:, None] - at.mu) / at.step)[0]
        below = np.maximum.accumulate((0.5 + sine / np.pi) @ at.share)
        mu[here] = np.interp(q[here], below, x)
    return tau, mu
