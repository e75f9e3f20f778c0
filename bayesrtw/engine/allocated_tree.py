"""A fit with missing levels as groups of a tree: kernels, marginals, levels, and exact draws."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from bayesrtw.dims import ESTIMATE, NODE
from bayesrtw.engine.allocated_fit import AllocatedFit
from bayesrtw.engine.arrays import back_moments
from bayesrtw.engine.draw import draw_effects, draw_near
from bayesrtw.engine.drawn_group import posterior_group
from bayesrtw.engine.integrate import pruned, tail_power
from bayesrtw.model.design import BOTH
from bayesrtw.posterior.axis import stored
from bayesrtw.posterior.kernels import Kernels
from bayesrtw.posterior.stored import kernel_variables

Array = NDArray[np.float64]


def quadrature(fit: AllocatedFit, *, study_effects: bool) -> xr.Dataset:
    """Give the group ``quadrature``: every effect as kernels, every hyperparameter as a marginal."""
    design, learned, problem = fit.design, fit.posterior, fit.problem
    values, weight = pruned(fit.integral.nodes)
    missing = problem.unreported
    data: dict[str, Any] = {
        "log_evidence": learned.log_evidence,
        "error": learned.error,
        "weight": (NODE, weight),
        "level_probability": ((ESTIMATE, "missing_level"), fit.levels),
    }
    coords: dict[str, Any] = {
        ESTIMATE: design.labels,
        "missing_level": np.array(missing.names, dtype=object),
    }
    kernels: list[tuple[str, str | None, Sequence[Kernels]]] = []
    for name, quantity in design.quantities.items():
        keys = [f"{name}[{label}]" if quantity.dim else name for label in quantity.labels]
        kernels.append((name, quantity.dim, [learned.effects[key] for key in keys]))
        if quantity.dim:
            coords[quantity.dim] = np.array(quantity.labels, dtype=object)
    for name in ("theta_new", "theta_new_studies"):
        if name in learned.effects:
            kernels.append((name, None, [learned.effects[name]]))
    for name, axis, each in fit.margins:
        data[f"{name}_marginal"] = (f"{name}_point", each.weight)
        data[f"{name}_range"] = ("end", np.array([each.low, each.high, stored(axis)]))
    for name, value in zip(problem.names, values, strict=True):
        data[name] = (NODE, value)
    if study_effects:
        every = np.ones(len(design.labels), dtype=bool)
        kernels.append(("theta", ESTIMATE, fit.effect_of(every)))
        if "mu" in design.quantities:
            for pooled in BOTH[: 1 if design.mix is None else 2]:
                share = fit.shares_in(pooled)
                data[f"weight_in_{pooled}"] = (ESTIMATE, share[:-1])
                data[f"prior_weight_in_{pooled}"] = float(share[-1])
    degree = max(_degree(each) for _, _, found in kernels for each in found)
    for name, dim, found in kernels:
        data |= kernel_variables(name, dim, [_padded(each, degree) for each in found])
    attrs = {
        "tail_power": tail_power(design),
        "back_moments": back_moments(design),
        "grows_with_tau": "",
        "missing": missing.column,
    }
    return xr.Dataset(data, coords=coords, attrs=attrs)


def _degree(found: Kernels) -> int:
    """Count the coefficients of its series."""
    return 1 if found.series is None else found.series.shape[1]


def _padded(found: Kernels, degree: int) -> Kernels:
    """Give a series as many coefficients as the longest has."""
    series = np.ones((len(found.mean), 1)) if found.series is None else found.series
    return replace(found, series=np.pad(series, ((0, 0), (0, degree - series.shape[1]))))


def drawn_from(
    fit: AllocatedFit, chains: int, draws: int, seed: int, *, study_effects: bool
) -> xr.Dataset:
    """Give the group ``posterior``: hyperparameters, an allocation given them, and the rest given both."""
    design, problem, rng = fit.design, fit.problem, np.random.default_rng(seed)
    count = chains * draws
    values: tuple[Array, ...] = ()
    if problem.names:
        values = draw_near(fit.finest, fit.drawn_by.axes, count, rng)
    b, chosen = _coefficients(fit, values, count, rng)
    at = dict(zip(fit.drawn_by.names, values, strict=True))

    def theta() -> Array:
        """Draw effects as where every estimate reports its level: its shift is known like a coefficient."""
        shift = np.einsum("drc,dc->dr", problem.away(chosen), b)
        at_own = tuple(at[name] for name in problem.names)
        return draw_effects(problem.wide, at_own, np.hstack([b, shift]), rng)

    return posterior_group(design, at, b, theta if study_effects else None, (chains, draws), rng)


def _coefficients(
    fit: AllocatedFit, values: tuple[Array, ...], count: int, rng: np.random.Generator
) -> tuple[Array, NDArray[np.intp]]:
    """Draw coefficients and allocations given hyperparameters, shapes (draw, column) and (draw,)."""
    at = dict(zip(fit.drawn_by.names, values, strict=True))
    own, problem = tuple(at[name] for name in fit.problem.names), fit.problem
    width, step = fit.design.columns.shape[1], problem.together
    b, chosen = np.empty((count, width)), np.empty(count, dtype=np.intp)
    points = problem.points(own)
    for start in range(0, count, step):
        cut = slice(start, min(start + step, count))
        size = cut.stop - cut.start
        states = problem.states(points.cut(cut if own else slice(None)))
        upto = np.broadcast_to(np.cumsum(states.summed[1], axis=1), (size, states.log.shape[1]))
        place = np.minimum(np.sum(upto < rng.random((size, 1)), axis=1), upto.shape[1] - 1)
        point = np.arange(size) if own else np.zeros(size, dtype=np.intp)
        z = rng.standard_normal((size, len(problem.moving) + width))
        b[cut], chosen[cut] = states.draw(point, place, z) + problem.problem.pilot, place
    return b, chosen
