"""Exact inference by quadrature: Gaussian given tau, integrated over tau.

Deterministic, no sampling and no compiler: the posterior is a finite mixture of normals over the
nodes, and its error is measured by doubling their number. Method: Roever (2020), *Journal of
Statistical Software* 93(6), doi:10.18637/jss.v093.i06, with nodes laid by `bayesrtw.engine.quadrature`
instead of a grid of bins.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from bayesrtw.dims import CHAIN, DRAW, ESTIMATE, NODE
from bayesrtw.engine.kernel import Conditional, conditional
from bayesrtw.engine.quadrature import Nodes, distribution, locate, nodes
from bayesrtw.engine.tree import assemble, attributes, shaped
from bayesrtw.errors import ConvergenceError, SpecError
from bayesrtw.evidence.table import Evidence
from bayesrtw.model.design import Design, build
from bayesrtw.model.spec import Model
from bayesrtw.model.term import Fixed, Grouped
from bayesrtw.registry import component, kind_of

Array = NDArray[np.float64]

#: Most nodes that doubling may reach. A posterior that 16,384 nodes do not resolve is not smooth.
MOST_NODES = 16_384

#: Shift of the map tau = exp(u) - shift, as a share of the typical standard error at k = 1. It
#: shrinks with k^(1/4), as the posterior of a small tau does.
SHIFT = 0.3

#: A moment whose integral converges more slowly than this power is not reported.
MARGIN = 0.2

#: Draws of study effects that a tree may hold (8 bytes each): 400 MB.
MOST_DRAWS = 50_000_000


@component("engine", "exact")
@dataclass(frozen=True, slots=True, kw_only=True)
class Exact:
    """Quadrature over the heterogeneity SD.

    Parameters
    ----------
    nodes
        Nodes to begin with; doubled until nothing reported moves by more than `tolerance`.
    tolerance
        Largest relative movement under doubling, of log evidence, means, SDs and probabilities.
    chains, draws
        Independent exact draws that come with the result, for whatever needs draws.
    study_effects
        Whether the effect behind each estimate is reported. Switch off for very many estimates.
    """

    nodes: int = 64
    tolerance: float = 1e-8
    chains: int = 4
    draws: int = 1000
    study_effects: bool = True

    def __post_init__(self) -> None:
        for name in ("nodes", "chains", "draws"):
            if getattr(self, name) < 1:
                raise SpecError(f"{name} must be at least 1; found {getattr(self, name)!r}.")
        if not 0 < self.tolerance < 1:
            raise SpecError(f"tolerance must lie in (0, 1); found {self.tolerance!r}.")

    def refuses(self, model: Model, evidence: Evidence) -> str | None:
        """See `Engine`.

        Parameters
        ----------
        model
            The model.
        evidence
            The rows to pool.

        Returns
        -------
        str or None
            Why this engine cannot fit the model, and which can; None if it can.
        """
        if not model.likelihood.gaussian:
            kind = kind_of(model.likelihood)
            return (
                f"Exact cannot fit this model: likelihood {kind!r} is not Gaussian. Use engine = "
                '{ kind = "nuts" }.'
            )
        parts = [(term, term.gaussian(evidence)) for term in model.terms]
        for term, part in parts:
            if part is None or (isinstance(part, Grouped) and not part.distinct):
                return (
                    f"Exact cannot fit this model: term {kind_of(term)!r} is not Gaussian with one "
                    'variance. Use engine = { kind = "nuts" }.'
                )
        if self.study_effects and evidence.size * self.chains * self.draws > MOST_DRAWS:
            return (
                f"Exact will not hold {evidence.size * self.chains * self.draws:.1e} draws of study "
                "effects; use Exact(study_effects=False), or fewer draws."
            )
        fixed = [part for _, part in parts if isinstance(part, Fixed)]
        flat = np.hstack(
            [part.columns[:, part.precision == 0] for part in fixed] or [np.zeros((1, 0))]
        )
        count, width = flat.shape
        if width and np.linalg.matrix_rank(flat) < width:
            return (
                "The posterior is improper: coefficients with flat priors cannot be told apart by "
                f"these {count} rows. Give them normal priors, or leave moderators out."
            )
        for name, prior in model.hyper.items():
            # The likelihood of tau falls as tau^-(k - p); the tail of the product must be integrable.
            if not prior.proper and count - width + prior.tail_power <= 1:
                return (
                    f"The posterior is improper: {name} has the improper prior {kind_of(prior)!r} and "
                    f"{count} rows with {width} flat coefficients do not bound it. Use a proper prior "
                    f"for {name}."
                )
        return None

    def fit(self, model: Model, evidence: Evidence, *, seed: int) -> xr.DataTree:
        """See `Engine`.

        Parameters
        ----------
        model
            The model.
        evidence
            The rows to pool.
        seed
            Seed of the draws; the quadrature itself has none.

        Returns
        -------
        DataTree
            As `bayesrtw.engine.tree` says, with the group ``quadrature``.

        Raises
        ------
        ConvergenceError
            If doubling the nodes up to 16,384 still moves the answer.
        """
        design = build(model, evidence)
        found, error = integrate(design, self.nodes, self.tolerance)
        quadrature = self._quadrature(design, found, error)
        posterior = self._draw(design, found, np.random.default_rng(seed))
        attrs = attributes(model, evidence, self, seed)
        return assemble({"posterior": posterior, "quadrature": quadrature}, design, evidence, attrs)

    def _quadrature(self, design: Design, found: Nodes, error: float) -> xr.Dataset:
        given = _given(design, found.tau)
        data: dict[str, Any] = {
            "weight": (NODE, np.exp(found.log_weight)),
            "log_evidence": float(found.log_total),
            "error": error,
        }
        coords: dict[str, Any] = {}
        if design.hyper:
            data["tau"] = (NODE, found.tau)
            data["tau_range"] = (
                "end",
                np.array([float(found.low), float(found.high), found.shift]),
            )
        grows = {}
        for name, quantity in design.quantities.items():
            mean, sd = _combined(given, quantity.combine)
            grows[name] = bool(np.any(quantity.combine[:, design.precision == 0] != 0))
            if quantity.dim is None:
                data[f"{name}_mean"], data[f"{name}_sd"] = (NODE, mean[:, 0]), (NODE, sd[:, 0])
            else:
                data[f"{name}_mean"] = ((NODE, quantity.dim), mean)
                data[f"{name}_sd"] = ((NODE, quantity.dim), sd)
                coords[quantity.dim] = np.array(quantity.labels, dtype=object)
        if "mu" in design.quantities and design.hyper:
            data["theta_new_mean"] = data["mu_mean"]
            data["theta_new_sd"] = (NODE, np.hypot(data["mu_sd"][1], found.tau))
            grows["theta_new"] = True
        if self.study_effects:
            mean, sd = _study_effects(design, given, found.tau)
            data["theta_mean"], data["theta_sd"] = ((NODE, ESTIMATE), mean), ((NODE, ESTIMATE), sd)
            coords[ESTIMATE] = design.labels
        if "mu" in design.quantities:
            share = _weights(design, given, found)
            data["weight_in_mu"] = (ESTIMATE, share[:-1])
            data["prior_weight_in_mu"] = float(share[-1])
            coords[ESTIMATE] = design.labels
        attrs = {
            "tail_power": tail_power(design),
            "grows_with_tau": " ".join(name for name, does in grows.items() if does),
        }
        return xr.Dataset(data, coords=coords, attrs=attrs)

    def _draw(self, design: Design, found: Nodes, rng: np.random.Generator) -> xr.Dataset:
        """Draw independently and exactly: tau by inversion, coefficients and effects given tau."""
        count = self.chains * self.draws
        tau = distribution(found).quantile(rng.random(count)) if design.hyper else np.zeros(count)
        given = _given(design, tau)
        width = design.columns.shape[1]
        factor = np.linalg.cholesky(given.covariance) if width else given.covariance
        b = given.mean + (factor @ rng.standard_normal((count, width, 1)))[..., 0]
        data: dict[str, Any] = {}
        coords: dict[str, Any] = {CHAIN: np.arange(self.chains), DRAW: np.arange(self.draws)}
        for name, quantity in design.quantities.items():
            values = shaped(b @ quantity.combine.T, self.chains, self.draws)
            if quantity.dim is None:
                data[name] = ((CHAIN, DRAW), values[..., 0])
            else:
                data[name] = ((CHAIN, DRAW, quantity.dim), values)
                coords[quantity.dim] = np.array(quantity.labels, dtype=object)
        if design.hyper:
            data["tau"] = ((CHAIN, DRAW), shaped(tau, self.chains, self.draws))
        if "mu" in design.quantities and design.hyper:
            new = data["mu"][1] + data["tau"][1] * rng.standard_normal((self.chains, self.draws))
            data["theta_new"] = ((CHAIN, DRAW), new)
        if self.study_effects:
            linear = b @ design.columns.T
            kept = tau[:, None] ** 2 / (tau[:, None] ** 2 + design.se**2)
            theta = linear + kept * (design.effect - linear)
            theta = theta + np.sqrt(kept) * design.se * rng.standard_normal(theta.shape)
            data["theta"] = ((CHAIN, DRAW, ESTIMATE), shaped(theta, self.chains, self.draws))
            coords[ESTIMATE] = design.labels
        return xr.Dataset(data, coords=coords)


def tail_power(design: Design) -> float:
    """Power with which the posterior of tau falls: p(tau | y) ~ tau^-power.

    Parameters
    ----------
    design
        The arrays.

    Returns
    -------
    float
        The prior's power plus one for each estimate that no flat coefficient uses up; inf where the
        tail is lighter than any power, or there is no tau.
    """
    if not design.hyper:
        return float("inf")
    return (
        float(design.hyper["tau"].tail_power) + len(design.se) - int(np.sum(design.precision == 0))
    )


def integrate(design: Design, start: int, tolerance: float) -> tuple[Nodes, float]:
    """Lay nodes over tau and double them until nothing reported moves.

    Parameters
    ----------
    design
        The arrays.
    start
        Nodes to begin with.
    tolerance
        Largest relative movement allowed.

    Returns
    -------
    tuple
        The nodes, and the largest relative movement at the last doubling.

    Raises
    ------
    ConvergenceError
        If `MOST_NODES` do not suffice, or the posterior does not fall off.
    """
    if not design.hyper:
        zero = np.zeros(1)
        total = _given(design, zero).log_density[0]
        return Nodes(zero, zero, total, np.zeros(()), np.zeros(()), 0.0), 0.0
    prior = design.hyper["tau"]

    def log_density(tau: Array) -> Array:
        return _given(design, tau).log_density + prior.logpdf(tau)

    count = len(design.se)
    typical = float(np.sqrt(count / np.sum(design.se**-2.0)))
    at_zero = np.isfinite(prior.logpdf(np.zeros(1))[0])
    shift = SHIFT * typical * count**-0.25 if at_zero else 0.0
    tail = tail_power(design)
    moment = 2 if tail > 3 + MARGIN else 1 if tail > 2 + MARGIN else 0
    try:
        where = locate(log_density, scale=typical, shift=shift, moment=moment)
    except ArithmeticError as error:
        raise ConvergenceError(
            f"Exact: {error}: it is improper, or its tail is beyond 1e150 standard errors. Use a "
            "proper prior for tau."
        ) from None
    size = start
    found = nodes(log_density, where, size)
    before = _answer(design, found)
    while size < MOST_NODES:
        size *= 2
        found = nodes(log_density, where, size)
        after = _answer(design, found)
        moved = float(np.max(np.abs(after - before)))
        if moved <= tolerance:
            return found, moved
        before = after
    raise ConvergenceError(
        f"Exact: {MOST_NODES} nodes still move the answer by {moved:.1e}; the prior of tau is not "
        "smooth enough for quadrature. Use a smooth prior, or Nuts()."
    )


def _answer(design: Design, found: Nodes) -> Array:
    """Everything that must stand still, each scaled so that movements are relative."""
    weight = np.exp(found.log_weight)
    given = _given(design, found.tau)
    mean = weight @ given.mean
    within = np.diagonal(given.covariance, axis1=-2, axis2=-1)
    sd = np.sqrt(weight @ (within + (given.mean - mean) ** 2))
    tau = weight @ found.tau
    spread = np.sqrt(weight @ (found.tau - tau) ** 2)
    places = found.low + (found.high - found.low) * np.array([0.2, 0.4, 0.5, 0.6, 0.8])
    below = distribution(found).cdf(np.exp(places) - found.shift)
    return np.concatenate(
        [
            [found.log_total, np.log(tau), np.log(spread)],
            below,
            np.log(sd),
            mean / np.where(sd > 0, sd, 1.0),
        ]
    )


def _given(design: Design, tau: Array) -> Conditional:
    """Condition on tau, shape (...,)."""
    variance = design.se**2 + tau[..., None] ** 2
    return conditional(design.effect, variance, design.columns, design.mean, design.precision)


def _combined(given: Conditional, combine: Array) -> tuple[Array, Array]:
    """Mean and SD of linear combinations given each node, shape (node, label)."""
    mean = given.mean @ combine.T
    variance = np.sum((combine @ given.covariance) * combine, axis=-1)
    return mean, np.sqrt(variance)


def _study_effects(design: Design, given: Conditional, tau: Array) -> tuple[Array, Array]:
    """Mean and SD of the effect behind each estimate given each node (shrinkage)."""
    linear, spread = _combined(given, design.columns)
    kept = tau[:, None] ** 2 / (tau[:, None] ** 2 + design.se**2)
    mean = linear + kept * (design.effect - linear)
    return mean, np.sqrt(kept * design.se**2 + (1.0 - kept) ** 2 * spread**2)


def _weights(design: Design, given: Conditional, found: Nodes) -> Array:
    """Share of each estimate, and last of the priors, in the pooled mean; sums to one.

    mu given tau is linear in the estimates and the prior means; its coefficients are averaged over
    the posterior of tau.
    """
    combine = design.quantities["mu"].combine
    weight = np.exp(found.log_weight)
    row = (combine @ given.covariance)[:, 0, :]
    variance = design.se**2 + found.tau[:, None] ** 2
    data = weight @ ((row @ design.columns.T) / variance)
    prior = weight @ (row @ (design.precision * combine[0]))
    return np.append(data, prior)
