"""Effects as a tree keeps them: normals at the nodes, or kernels of their own where they are not normal.

A normal at every node is ``<name>_mean`` and ``<name>_sd`` over ``node``, weighed by ``weight``. What is not
normal is ``<name>_share``, ``<name>_centre``, ``<name>_scale`` and ``<name>_series`` over ``<name>_part``
(and ``<name>_degree``), so that nobody takes one for the other.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from bayesrtw.dims import NODE
from bayesrtw.posterior.kernels import Kernels
from bayesrtw.posterior.marginal import MARGIN

Array = NDArray[np.float64]


def kernel_variables(name: str, dim: str | None, found: Sequence[Kernels]) -> dict[str, Any]:
    """Give the variables of a quantity that is not normal."""
    count = max(len(each.weight) for each in found)
    degree = max(1 if each.series is None else each.series.shape[1] for each in found)
    arrays = {
        "share": np.zeros((len(found), count)),
        "centre": np.zeros((len(found), count)),
        "scale": np.ones((len(found), count)),
        "series": np.zeros((len(found), count, degree)),
    }
    for row, each in enumerate(found):
        size = len(each.weight)
        arrays["share"][row, :size] = each.weight
        arrays["centre"][row, :size] = each.mean
        arrays["scale"][row, :size] = each.sd
        terms = np.ones((size, 1)) if each.series is None else each.series
        arrays["series"][row, :size, : terms.shape[1]] = terms
    lead = () if dim is None else (dim,)
    return {
        f"{name}_{part}": (
            (*lead, f"{name}_part", *((f"{name}_degree",) if part == "series" else ())),
            values[0] if dim is None else values,
        )
        for part, values in arrays.items()
    } | {f"{name}_exist": ("moments", np.array([found[0].exist, found[0].exist_back]))}


def labels_in(quadrature: xr.Dataset, name: str) -> list[str] | None:
    """List the labels of an effect, one empty label for a scalar; None if it is not there."""
    for part in ("mean", "centre"):
        if f"{name}_{part}" in quadrature:
            own = quadrature[f"{name}_{part}"]
            dims = [dim for dim in own.dims if dim not in (NODE, f"{name}_part")]
            return [str(label) for label in own[dims[0]].to_numpy()] if dims else [""]
    return None


def shares_in(quadrature: xr.Dataset, pooled: str) -> tuple[Array, float] | None:
    """Give the share of each estimate, and that of the priors, in a pooled mean; None where none are kept.

    gives (estimate,).
    """
    if f"weight_in_{pooled}" not in quadrature:
        return None
    shares = np.asarray(quadrature[f"weight_in_{pooled}"].to_numpy(), dtype=np.float64)
    return shares, float(quadrature[f"prior_weight_in_{pooled}"])


def effect_in(quadrature: xr.Dataset, name: str, label: str = "") -> Kernels:
    """Read the posterior of an effect."""
    parts = (
        ("mean", "sd") if f"{name}_mean" in quadrature else ("share", "centre", "scale", "series")
    )
    found = {part: _picked(quadrature[f"{name}_{part}"], name, label) for part in parts}
    if "mean" in found:
        weight = quadrature["weight"].to_numpy()
        keep = weight > 0
        most, back = _moments(quadrature.attrs, name)
        return Kernels(weight[keep], found["mean"][keep], found["sd"][keep], None, most, back)
    keep = found["share"] != 0
    most, back = (int(value) for value in quadrature[f"{name}_exist"].to_numpy())
    share, centre, scale, terms = (found[part][keep] for part in parts)
    plain = terms.shape[1] == 1
    return Kernels(share, centre, scale, None if plain else terms, most, back)


def _picked(values: xr.DataArray, name: str, label: str) -> Array:
    """Take one label of a variable, without its other coordinates."""
    dims = [dim for dim in values.dims if dim not in (NODE, f"{name}_part", f"{name}_degree")]
    chosen = values.sel({dims[0]: label}) if dims else values
    return np.asarray(chosen.to_numpy(), dtype=np.float64)


def _moments(attrs: Mapping[Any, Any], name: str) -> tuple[int, int]:
    """Moments of an effect, and of its exponential, that exist by the tail of its SDs."""
    if name not in str(attrs["grows_with_tau"]).split():
        return 2, 2
    tail = float(attrs["tail_power"])
    return 2 if tail > 3 + MARGIN else 1 if tail > 2 + MARGIN else 0, int(attrs["back_moments"])
