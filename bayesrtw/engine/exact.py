"""Exact inference by quadrature: Gaussian given tau, integrated over tau.

Deterministic, no sampling and no compiler: the posterior is a finite mixture of normals over the
nodes, and its error is measured by doubling their number. Method: Roever (2020), *Journal of
Statistical Software* 93(6), doi:10.18637/jss.v093.i06, with nodes laid by `bayesrtw.engine.quadrature`
instead of a grid of bins.
"""

from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from bayesrtw.dims import CHAIN, DRAW, ESTIMATE, NODE
from bayesrtw.engine import allocated_tree, solve, states_tree
from bayesrtw.engine.allocated_fit import AllocatedFit, fit_allocated, silent
from bayesrtw.engine.allocation import allocated
from bayesrtw.engine.arrays import back_moments, improper, moments_of
from bayesrtw.engine.borrow import borrowing, predicted, robust, split
from bayesrtw.engine.curved_fit import CurvedFit
from bayesrtw.engine.curved_nodes import counts_of
from bayesrtw.engine.draw import draw_effects, draw_hyper, draw_near
from bayesrtw.engine.drawn_group import posterior_group
from bayesrtw.engine.integrate import Integral, integrate, pruned, tail_power
from bayesrtw.engine.kernel import log_densities
from bayesrtw.engine.normal import normal
from bayesrtw.engine.place import NodePlace, combined, of_parts
from bayesrtw.engine.problem import Problem, pose
from bayesrtw.engine.states import StatesFit, allocations_of, fit_states
from bayesrtw.errors import EngineRefusal, SpecError
from bayesrtw.evidence.table import Evidence
from bayesrtw.model.design import BOTH, build, build_curved, curved
from bayesrtw.model.spec import Model
from bayesrtw.posterior.axis import stored
from bayesrtw.posterior.kernels import Kernels
from bayesrtw.posterior.stored import kernel_variables
from bayesrtw.posterior.tree import assemble, attributes, shaped
from bayesrtw.registry import component

Array = NDArray[np.float64]

#: Hyperparameters that quadrature serves; the number of nodes grows with their power.
MOST_HYPER = 3

#: Draws of study effects that a tree holds (8 bytes each): 40 MB, and as much for the densities of estimates.
MOST_DRAWS = 5_000_000


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
        Independent exact draws that come with the result, for whatever needs draws; with 0 draws
        the result has no group ``posterior``, and summaries lose nothing. Beyond five million draws of
        the effects behind estimates (1,250 of 4,000) they come without these, and a finding says so.
    study_effects
        Whether the effect behind each estimate is reported. Switch off for very many estimates.

    Examples
    --------
    >>> import pandas as pd
    >>> import bayesrtw as brw
    >>> frame = pd.DataFrame({"study": list("ABC"), "effect": [0.3, 0.1, 0.2], "se": [0.1] * 3})
    >>> model = brw.Model(terms=(brw.Intercept(brw.prior.Normal(0, 0.5)),
    ...                          brw.Exchangeable(brw.prior.HalfNormal(0.25))))
    >>> tree = brw.fit(model, brw.Evidence.from_frame(frame), engine=brw.Exact(draws=0))
    >>> float(tree["quadrature"]["error"]) < 1e-8
    True
    """

    nodes: int = 64
    tolerance: float = 1e-8
    chains: int = 4
    draws: int = 1000
    study_effects: bool = True

    def __post_init__(self) -> None:
        for name, least in (("nodes", 1), ("chains", 1), ("draws", 0)):
            if getattr(self, name) < least:
                raise SpecError(f"{name} must be at least {least}; found {getattr(self, name)!r}.")
        if not 0 < self.tolerance < 1:
            raise SpecError(f"tolerance must lie in (0, 1); found {self.tolerance!r}.")

    @property
    def sampled(self) -> bool:
        return False

    @property
    def together(self) -> float:
        return self.tolerance

    def counting(self, ranks: int) -> "Exact":  # noqa: ARG002
        """Leave out draws, which nobody reads."""
        return replace(self, draws=0, study_effects=True)

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
        try:
            halves = split(model, evidence)
        except EngineRefusal as reason:
            return f"Exact cannot fit this model: {reason}"
        if halves is not None:
            return self.refuses(*halves[:2]) or self.refuses(*halves[2:])
        if len(model.hyper) > MOST_HYPER:
            return (
                f"Exact integrates over at most {MOST_HYPER} hyperparameters; this model has "
                f'{len(model.hyper)} ({", ".join(model.hyper)}). Use engine = {{ kind = "nuts" }}.'
            )
        try:
            if curved(model, evidence):
                counts_of(model)
                design = build_curved(model, evidence).near
                if design.unreported is not None:
                    allocations_of(model, design.unreported)
            elif silent(model, evidence):
                design = allocated(build(model, evidence, levels=True)).design
            else:
                design = build(model, evidence)
        except EngineRefusal as reason:
            return f"Exact cannot fit this model: {reason}"
        return improper(design)

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
            As `bayesrtw.posterior.tree` says, with the group ``quadrature``.

        Raises
        ------
        ConvergenceError
            If more and more nodes still move the answer.
        """
        attrs = attributes(model, evidence, self, seed)
        model, evidence = self._borrowed(model, evidence)
        attrs["hyper"] = " ".join(model.hyper)
        if curved(model, evidence):
            fit = fit_states(model, evidence, solve, self.tolerance)
            near = build(model, evidence, partial=True)
            return assemble(self._curved(fit, seed), near, evidence, attrs)
        if silent(model, evidence):
            levelled = fit_allocated(model, evidence)
            near = build(model, evidence, levels=True)
            return assemble(self._allocated(levelled, seed), near, evidence, attrs)
        problem = pose(build(model, evidence))
        found = integrate(problem, self.nodes, self.tolerance, marginal=True)
        quadrature = self._quadrature(problem, found)
        if evidence.single_arms.any():
            # Baselines take up what arms have in common: rows and priors share no weight of one.
            shares = [name for name in quadrature if "weight_in_" in str(name)]
            quadrature = quadrature.drop_vars(shares)
        groups = {"quadrature": quadrature}
        if self.draws:
            groups = {**self._draw(problem, found, seed), **groups}
        return assemble(groups, problem.design, evidence, attrs)

    def _borrowed(self, model: Model, evidence: Evidence) -> tuple[Model, Evidence]:
        """Put a robust MAP prior in the place of the studies that give it."""
        term, halves = borrowing(model), split(model, evidence)
        if term is None or halves is None:
            return model, evidence
        external, source, others, target = halves
        first = (
            fit_states(external, source, solve, self.tolerance)
            if curved(external, source)
            else normal(external, source, start=self.nodes, tolerance=self.tolerance)
        )
        return others.under({"mu": robust(predicted(first), term)}), target

    def _curved(self, fit: CurvedFit | StatesFit, seed: int) -> dict[str, xr.Dataset]:
        """Give the groups of a model that is not normal."""
        groups = {"quadrature": states_tree.quadrature(fit, study_effects=self.study_effects)}
        if self.draws:
            every = self._holds(fit.evidence.size)
            drawn = states_tree.drawn_from(fit, self.chains, self.draws, seed, study_effects=every)
            groups = {"posterior": drawn, **groups}
        return groups

    def _allocated(self, fit: AllocatedFit, seed: int) -> dict[str, xr.Dataset]:
        """Give the groups of a model with missing levels."""
        found = allocated_tree.quadrature(fit, study_effects=self.study_effects)
        if not self.draws:
            return {"quadrature": found}
        drawn = allocated_tree.drawn_from(
            fit, self.chains, self.draws, seed, study_effects=self._holds(len(fit.design.se))
        )
        return {"posterior": drawn, "quadrature": found}

    def _quadrature(self, problem: Problem, found: Integral) -> xr.Dataset:
        design = problem.design
        data: dict[str, Any] = {
            "log_evidence": float(found.nodes.log_total),
            "error": found.error,
        }
        coords: dict[str, Any] = {}
        for name, axis, marginal in zip(problem.names, problem.axes, found.marginals, strict=True):
            data[f"{name}_marginal"] = (f"{name}_point", marginal.weight)
            data[f"{name}_range"] = ("end", np.array([marginal.low, marginal.high, stored(axis)]))
        normals = problem.normals(*pruned(found.nodes))
        values, weight = normals.hyper, normals.weight
        data["weight"] = (NODE, weight)
        if design.mixture is not None:
            data["prior_part"] = ("part", problem.parts(*pruned(found.nodes)))
        for name, value in zip(problem.names, values, strict=True):
            data[name] = (NODE, value)
        grows, place = {}, NodePlace(design, problem.names, normals)
        for name, quantity in design.quantities.items():
            mean, sd = combined(normals.given, quantity.combine)
            grows[name] = bool(np.any(quantity.combine[:, design.flat] != 0))
            if quantity.dim is None:
                data[f"{name}_mean"], data[f"{name}_sd"] = (NODE, mean[:, 0]), (NODE, sd[:, 0])
            else:
                data[f"{name}_mean"] = ((NODE, quantity.dim), mean)
                data[f"{name}_sd"] = ((NODE, quantity.dim), sd)
                coords[quantity.dim] = np.array(quantity.labels, dtype=object)
        if "mu" in design.quantities and design.hyper:
            data["theta_new_mean"] = data["mu_mean"]
            data["theta_new_sd"] = (NODE, np.sqrt(data["mu_sd"][1] ** 2 + place.spread))
            grows["theta_new"] = True
            if place.like_studies is not None:
                exist = moments_of(design), back_moments(design)
                own = Kernels(of_parts(design, weight), *place.like_studies, None, *exist)
                data |= kernel_variables("theta_new_studies", None, [own])
        if self.study_effects:
            for end, part in zip(("mean", "sd"), zip(*place.theta, strict=True), strict=True):
                data[f"theta_{end}"] = ((NODE, ESTIMATE), np.column_stack(part))
            coords[ESTIMATE] = design.labels
            if "mu" in design.quantities:
                for pooled in BOTH[: 1 if design.mix is None else 2]:
                    share = weight @ place.shares_in(pooled)
                    data[f"weight_in_{pooled}"] = (ESTIMATE, share[:-1])
                    data[f"prior_weight_in_{pooled}"] = float(share[-1])
        attrs = {
            "tail_power": tail_power(design),
            "back_moments": back_moments(design),
            "grows_with_tau": " ".join(name for name, does in grows.items() if does),
        }
        return xr.Dataset(data, coords=coords, attrs=attrs)

    def _holds(self, estimates: int) -> bool:
        """Whether draws of the effects behind so many estimates are held."""
        return self.study_effects and estimates * self.chains * self.draws <= MOST_DRAWS

    def _draw(self, problem: Problem, found: Integral, seed: int) -> dict[str, xr.Dataset]:
        """Draw independently and exactly: hyperparameters by inversion, the rest given them."""
        design, rng = problem.design, np.random.default_rng(seed)
        count = self.chains * self.draws
        values: tuple[Array, ...] = ()
        if len(problem.names) > 2 and problem.blocks:
            # A density of blocks costs too much to be asked a thousand times for every draw.
            values = draw_near(found.finest, problem.axes, count, rng)
        elif problem.names:
            values = draw_hyper(problem, found.nodes, found.marginals[0], count, rng)
        given = problem.drawn(values, rng, count)
        width = design.columns.shape[1]
        factor = np.linalg.cholesky(given.covariance) if width else given.covariance
        b = given.mean + (factor @ rng.standard_normal((count, width, 1)))[..., 0]
        every = self._holds(len(design.se))
        theta = partial(draw_effects, problem, values, b, rng) if every else None
        at = dict(zip(problem.names, values, strict=True))
        group = posterior_group(design, at, b, theta, (self.chains, self.draws), rng)
        groups = {"posterior": group}
        if every:
            density = log_densities(
                problem.system_at(values), problem.variances(values), b - problem.pilot
            )
            own = {"effect": ((CHAIN, DRAW, ESTIMATE), shaped(density, self.chains, self.draws))}
            axes = {name: group[name] for name in (CHAIN, DRAW, ESTIMATE)}
            groups["log_likelihood"] = xr.Dataset(own, coords=axes)
        return groups
