"""Independent draws as the group ``posterior`` of a tree, whichever way they were drawn."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from bayesrtw.dims import CHAIN, DRAW, ESTIMATE
from bayesrtw.engine.arrays import drawn_like
from bayesrtw.model.design import Design
from bayesrtw.posterior.tree import shaped

Array = NDArray[np.float64]


def posterior_group(
    design: Design,
    at: Mapping[str, Array],
    b: Array,
    theta: Callable[[], Array] | None,
    size: tuple[int, int],
    rng: np.random.Generator,
) -> xr.Dataset:
    """Give the group: what is reported of coefficients, hyperparameters, new settings, effects of estimates.

    Hyperparameters have shape (draw,), coefficients (draw, column); `theta` draws the effects behind the
    estimates, (draw, estimate), after the new setting and before one like a study; None leaves them out.
    """
    chains, draws = size
    coords: dict[str, Any] = {CHAIN: np.arange(chains), DRAW: np.arange(draws)}
    data: dict[str, Any] = {}
    for name, quantity in design.quantities.items():
        drawn = shaped(b @ quantity.combine.T, chains, draws)
        if quantity.dim is None:
            data[name] = ((CHAIN, DRAW), drawn[..., 0])
        else:
            data[name] = ((CHAIN, DRAW, quantity.dim), drawn)
            coords[quantity.dim] = np.array(quantity.labels, dtype=object)
    for name, value in at.items():
        data[name] = ((CHAIN, DRAW), shaped(value, chains, draws))
    if "mu" in design.quantities and design.hyper:
        spread = shaped(np.sqrt(design.new_variance(at, chains * draws)), chains, draws)
        new = data["mu"][1] + spread * rng.standard_normal(size)
        data["theta_new"] = ((CHAIN, DRAW), new)
    if theta is not None:
        data["theta"] = ((CHAIN, DRAW, ESTIMATE), shaped(theta(), chains, draws))
        coords[ESTIMATE] = design.labels
    if design.mix is not None and "theta_new" in data:
        expected = shaped(b @ design.mix.rows.T, chains, draws)
        data["theta_new_studies"] = ((CHAIN, DRAW), drawn_like(design, data, expected, rng))
    return xr.Dataset(data, coords=coords)
