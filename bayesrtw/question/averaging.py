"""The posterior averaged over models, as a tree."""

import json
from collections.abc import Mapping
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from bayesrtw.dims import ESTIMATE, LEVEL, MODERATOR, NODE
from bayesrtw.evidence.table import Evidence
from bayesrtw.model.design import BOTH
from bayesrtw.model.spec import Model
from bayesrtw.posterior.kernels import Kernels, blended
from bayesrtw.posterior.stored import effect_in, kernel_variables, labels_in, shares_in
from bayesrtw.question.average import averaged_spread
from bayesrtw.registry import encode

Array = NDArray[np.float64]

#: Nodes with less weight than this are dropped from an averaged posterior.
NEGLIGIBLE = 1e-14

#: An effect of exactly zero is no benefit: it is put just on the other side of zero.
ALMOST_ZERO = 1e-300


def nothing(*, higher: bool) -> float:
    """Give the value of an effect that a model does not have."""
    return -ALMOST_ZERO if higher else ALMOST_ZERO


def point(value: float) -> Kernels:
    """Give a distribution that is one value."""
    return Kernels(np.ones(1), np.full(1, value), np.zeros(1))


def normal(source: xr.Dataset) -> bool:
    """Say whether effects of a model are normal at its nodes."""
    return "theta_mean" in source


def labels_of(sources: list[xr.Dataset], variable: str, dim: str) -> list[str]:
    """List the labels that a quantity has in any model."""
    return list(
        dict.fromkeys(
            str(label)
            for source in sources
            if labels_in(source, variable) is not None
            for label in source[dim].to_numpy()
        )
    )


def one_of(source: xr.Dataset, variable: str, dim: str, label: str) -> tuple[Array, ...] | None:
    """Weight, mean and SD of one labelled quantity at a model's nodes; None if it has none."""
    if f"{variable}_mean" not in source or label not in source[dim].to_numpy():
        return None
    weight = source["weight"].to_numpy()
    mean, sd = (
        source[f"{variable}_{part}"].sel({dim: label}).to_numpy() for part in ("mean", "sd")
    )
    return weight, mean, sd


def averaged(
    trees: Mapping[str, xr.DataTree],
    models: Mapping[str, Model],
    after: Array,
    total: float,
    evidence: Evidence,
) -> xr.DataTree:
    """Put the nodes of all models into one tree."""
    sources = [tree["quadrature"].to_dataset() for tree in trees.values()]
    weight = np.concatenate(
        [
            chance * source["weight"].to_numpy()
            for chance, source in zip(after, sources, strict=True)
        ]
    )
    keep = weight > NEGLIGIBLE * weight.max()
    error = float(after @ [float(source["error"]) for source in sources])
    data: dict[str, Any] = {
        "log_evidence": total,
        "error": error,
        "weight": (NODE, weight[keep] / weight[keep].sum()),
    }
    zero = nothing(higher=evidence.benefit != "lower")
    coords: dict[str, Any] = {ESTIMATE: evidence.data[ESTIMATE].to_numpy()}
    for name, dim in (("beta", MODERATOR), ("mu_level", LEVEL)):
        labels = labels_of(sources, name, dim)
        if labels:
            coords[dim] = np.array(labels, dtype=object)
    means = ["mu", "theta_new"]
    if any(labels_in(source, "mu_studies") is not None for source in sources):
        # Without moderators both means are one.
        means.append("mu_studies")
        data |= kernel_variables("theta_new_studies", None, [_like_studies(sources, after, zero)])
    at_nodes = all(normal(source) for source in sources)
    data |= (
        _at_nodes(sources, means, coords, keep, zero)
        if at_nodes
        else _of_kernels(sources, means, coords, after, zero)
    )
    shared = [name for name in _first(models).hyper if all(name in each for each in sources)]
    for name in shared:
        joined = np.concatenate([source[name].to_numpy() for source in sources])
        data[name] = (NODE, joined[keep])
        marginal, ends = averaged_spread(sources, after, name)
        data[f"{name}_marginal"] = (f"{name}_point", marginal)
        data[f"{name}_range"] = ("end", ends)
    for name in means:
        pairs = [shares_in(source, name) or shares_in(source, "mu") for source in sources]
        known = [pair for pair in pairs if pair is not None]
        if name in BOTH and len(known) == len(sources):
            data[f"weight_in_{name}"] = (ESTIMATE, after @ np.stack([own for own, _ in known]))
            data[f"prior_weight_in_{name}"] = float(after @ [prior for _, prior in known])
    return _tree(trees, models, sources, xr.Dataset(data, coords=coords), shared)


def _at_nodes(
    sources: list[xr.Dataset],
    means: list[str],
    coords: Mapping[str, Any],
    keep: NDArray[np.bool_],
    zero: float,
) -> dict[str, Any]:
    """Give effects that are normal at the nodes of every model."""
    data: dict[str, Any] = {}
    mu = [_scalar(source, "mu", None, zero) for source in sources]
    for name in means:
        parts = mu
        if name != "mu":
            parts = [
                _scalar(source, name, part, zero) for source, part in zip(sources, mu, strict=True)
            ]
        data[f"{name}_mean"] = (NODE, np.concatenate([part[0] for part in parts])[keep])
        data[f"{name}_sd"] = (NODE, np.concatenate([part[1] for part in parts])[keep])
    for name in ("theta_mean", "theta_sd"):
        joined = np.concatenate([source[name].to_numpy() for source in sources])
        data[name] = ((NODE, ESTIMATE), joined[keep])
    for name, dim in (("beta", MODERATOR), ("mu_level", LEVEL)):
        if dim in coords:
            columns = [_column(sources, mu, name, dim, label, zero) for label in coords[dim]]
            for place, part in enumerate(("mean", "sd")):
                stacked = np.stack([column[place] for column in columns], axis=1)
                data[f"{name}_{part}"] = ((NODE, dim), stacked[keep])
    return data


def _of_kernels(
    sources: list[xr.Dataset],
    means: list[str],
    coords: Mapping[str, Any],
    after: Array,
    zero: float,
) -> dict[str, Any]:
    """Give effects that are not normal in every model; a model without one has zero, or its mean."""

    def over(name: str, label: str, *instead: str) -> Kernels:
        parts = []
        for source in sources:
            have = [each for each in (name, *instead) if _has(source, each, label)]
            own = effect_in(source, have[0], label if have[0] == name else "") if have else None
            parts.append(point(zero) if own is None else own)
        return blended(parts, after.tolist())

    data: dict[str, Any] = {}
    for name in means:
        instead = () if name == "mu" else ("mu",)
        data |= kernel_variables(name, None, [over(name, "", *instead)])
    studies = all(labels_in(source, "theta") is not None for source in sources)
    for name, dim in (("theta", ESTIMATE), ("beta", MODERATOR), ("mu_level", LEVEL)):
        if dim in coords and (studies or name != "theta"):
            instead = ("mu",) if name == "mu_level" else ()
            each = [over(name, str(label), *instead) for label in coords[dim]]
            data |= kernel_variables(name, dim, each)
    return data


def _has(source: xr.Dataset, name: str, label: str) -> bool:
    known = labels_in(source, name)
    return known is not None and (known == [""] or label in known)


def _first(models: Mapping[str, Model]) -> Model:
    return next(iter(models.values()))


def _scalar(
    source: xr.Dataset, name: str, instead: tuple[Array, Array] | None, zero: float
) -> tuple[Array, Array]:
    """Mean and SD at a model's nodes; without the quantity those of another one, or nothing."""
    if f"{name}_mean" in source:
        return source[f"{name}_mean"].to_numpy(), source[f"{name}_sd"].to_numpy()
    if instead is not None:
        return instead
    count = source.sizes[NODE]
    return np.full(count, zero), np.zeros(count)


def _like_studies(sources: list[xr.Dataset], after: Array, zero: float) -> Kernels:
    """Effect in a new setting that is drawn as the studies are, over all models."""
    names = ("theta_new_studies", "theta_new", "mu_studies", "mu")
    known = [[name for name in names if labels_in(source, name) is not None] for source in sources]
    none = Kernels(np.ones(1), np.full(1, zero), np.zeros(1))
    parts = [
        effect_in(source, own[0]) if own else none
        for source, own in zip(sources, known, strict=True)
    ]
    return blended(parts, after.tolist())


def _column(
    sources: list[xr.Dataset],
    mu: list[tuple[Array, Array]],
    name: str,
    dim: str,
    label: str,
    zero: float,
) -> tuple[Array, Array]:
    """One label over all models: without it a coefficient is zero, and a level's mean that of all."""
    mean, sd = [], []
    for source, pooled in zip(sources, mu, strict=True):
        part = one_of(source, name, dim, label)
        count = source.sizes[NODE]
        if part is not None:
            mean.append(part[1])
            sd.append(part[2])
        elif name == "mu_level":
            mean.append(pooled[0])
            sd.append(pooled[1])
        else:
            mean.append(np.full(count, zero))
            sd.append(np.zeros(count))
    return np.concatenate(mean), np.concatenate(sd)


def _tree(
    trees: Mapping[str, xr.DataTree],
    models: Mapping[str, Model],
    sources: list[xr.Dataset],
    quadrature: xr.Dataset,
    shared: list[str],
) -> xr.DataTree:
    quadrature.attrs.update(
        {
            "tail_power": min(float(source.attrs["tail_power"]) for source in sources),
            "back_moments": min(int(source.attrs["back_moments"]) for source in sources),
            "grows_with_tau": " ".join(
                dict.fromkeys(
                    name
                    for source in sources
                    for name in str(source.attrs["grows_with_tau"]).split()
                )
            ),
        }
    )
    widest = max(trees.values(), key=lambda tree: tree["constant_data"]["columns"].shape[1])
    # What belongs to one model's prior does not describe an average.
    constant = widest["constant_data"].to_dataset()
    constant = constant.drop_vars(["beta_prior_sd", "precision"], errors="ignore")
    root = xr.DataTree.from_dict(
        {
            "quadrature": quadrature,
            "observed_data": widest["observed_data"].to_dataset(),
            "constant_data": constant,
        }
    )
    root.attrs.update(widest.attrs)
    root.attrs["hyper"] = " ".join(shared)
    described = {name: encode(model) for name, model in models.items()}
    root.attrs["model"] = json.dumps({"average_of": described}, sort_keys=True, default=str)
    root.attrs["model_digest"] = ""
    return root
