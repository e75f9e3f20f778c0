"""Inference by NUTS: a PyMC graph built from the terms, sampled by nutpie.

It shares the specification with the exact engine and none of its numerics, so their agreement is
evidence for both.
"""

import hashlib
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from bayesrtw.dims import CHAIN, DRAW, ESTIMATE, LEVEL, MODERATOR
from bayesrtw.errors import ConvergenceError, SpecError
from bayesrtw.evidence.table import Evidence
from bayesrtw.model.bias import discounted, orientation
from bayesrtw.model.bias_mixture import BiasMixture
from bayesrtw.model.design import Design, build
from bayesrtw.model.moderator import Intercept
from bayesrtw.model.spec import Model
from bayesrtw.model.term import Noise, Term
from bayesrtw.posterior.gates import failures
from bayesrtw.posterior.tree import assemble, attributes
from bayesrtw.registry import component, digest

if TYPE_CHECKING:
    import pymc as pm


@component("engine", "nuts")
@dataclass(frozen=True, slots=True, kw_only=True)
class Nuts:
    """The no-U-turn sampler.

    Parameters
    ----------
    chains, draws, tune
        Chains, kept draws and warm-up draws of each.
    target_accept
        Step-size target in (0, 1); raise it when divergences occur.
    allow_unconverged
        Return a fit whose diagnostics fail their gates instead of refusing it.
    """

    chains: int = 4
    draws: int = 1000
    tune: int = 1000
    target_accept: float = 0.95
    allow_unconverged: bool = False

    def __post_init__(self) -> None:
        for name in ("chains", "draws", "tune"):
            if getattr(self, name) < 1:
                raise SpecError(f"{name} must be at least 1; found {getattr(self, name)!r}.")
        if not 0 < self.target_accept < 1:
            raise SpecError(f"target_accept must lie in (0, 1); found {self.target_accept!r}.")

    def refuses(self, model: Model, evidence: Evidence) -> str | None:  # noqa: ARG002
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
            None: every term and likelihood has a PyMC twin, or says itself that it has none.
        """
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
            Seed of the sampler and of the new-setting draws.

        Returns
        -------
        DataTree
            As `bayesrtw.posterior.tree` says, with the group ``sample_stats``.

        Raises
        ------
        ConvergenceError
            If a diagnostic fails its gate and `allow_unconverged` is false.
        """
        import nutpie  # noqa: PLC0415

        design = build(model, evidence, partial=True)
        with warnings.catch_warnings():
            # The compiler and the sampler warn about their own deprecations.
            warnings.simplefilter("ignore")
            sampled = nutpie.sample(
                compiled(model, evidence, design),
                draws=self.draws,
                tune=self.tune,
                chains=self.chains,
                seed=seed,
                save_warmup=False,
                progress_bar=False,
                target_accept=self.target_accept,
            )
        groups = conform(sampled, design, np.random.default_rng(seed))
        attrs = attributes(model, evidence, self, seed)
        tree = assemble(groups, design, evidence, attrs)
        failed = failures(tree)
        if failed and not self.allow_unconverged:
            raise ConvergenceError(
                f"Nuts: {'; '.join(failed)}. Draw more (draws, tune), raise target_accept, or use "
                "Exact(); allow_unconverged=True returns the fit with these findings."
            )
        return tree


#: Compiled models by structure, the last used last; a compiled model takes some ten megabytes.
_COMPILED: dict[str, Any] = {}
MOST_COMPILED = 16


def compiled(model: Model, evidence: Evidence, design: Design) -> Any:
    """Compile a model, or give one of the same structure and shape the new data.

    Parameters
    ----------
    model, evidence, design
        What is to be sampled.

    Returns
    -------
    nutpie.CompiledModel
        Holding these data. Compiling takes seconds, new data milliseconds.
    """
    import nutpie  # noqa: PLC0415

    built = graph(model, evidence, design)
    key = structure(model, evidence, design)
    if key not in _COMPILED:
        _COMPILED[key] = nutpie.compile_pymc_model(built)
        while len(_COMPILED) > MOST_COMPILED:
            _COMPILED.pop(next(iter(_COMPILED)))
        return _COMPILED[key]
    found = _COMPILED.pop(key)
    _COMPILED[key] = found
    data = {variable.name: variable.get_value() for variable in built.data_vars}
    return found.with_data(**data)


def structure(model: Model, evidence: Evidence, design: Design) -> str:
    """Hash what a compiled model cannot change: its terms, groups, levels and shapes.

    Parameters
    ----------
    model, evidence, design
        What is to be sampled.

    Returns
    -------
    str
        Equal for evidence that differs only in numbers that enter as data.
    """
    sha = hashlib.sha256(f"{digest(model)} {evidence.size}".encode())
    for term in model.terms:
        for name, array in _constants(term, evidence):
            sha.update(name.encode() + np.ascontiguousarray(array).tobytes())
    for part in design.grouped:
        sha.update(part.group.tobytes() + part.which.tobytes())
    for quantity in design.quantities.values():
        sha.update("\x1f".join(quantity.labels).encode())
    for block in design.blocks:
        sha.update(f"{block.rows.tolist()} {block.correlation}".encode())
    return sha.hexdigest()


def _constants(term: Term, evidence: Evidence) -> Iterator[tuple[str, np.ndarray]]:
    """Give what graphs of biases take from the evidence as constants: which rows, and how large."""
    if isinstance(term, BiasMixture):
        yield "orientation", np.array(orientation(evidence))
        for rows, group, place in term.allotted(evidence):
            yield f"{group.name}[{place}]", rows
    part = term.gaussian(evidence)
    if not isinstance(part, Noise):
        return
    yield "mean", part.mean
    yield "variance", part.variance
    if part.common is not None:
        yield "common", part.common.columns
    for carried in (*part.scatter, *part.shift):
        yield carried.name, carried.factor


def graph(model: Model, evidence: Evidence, design: Design) -> "pm.Model":
    """Build the PyMC model: the sum of the terms, seen through the likelihood.

    Parameters
    ----------
    model
        The model.
    evidence
        The rows to pool.
    design
        Names of what is reported.

    Returns
    -------
    pymc.Model
        With the variables ``mu``, ``tau``, ``beta``, ``mu_level`` and ``theta`` where they apply.
    """
    import pymc as pm  # noqa: PLC0415
    import pytensor.tensor as pt  # noqa: PLC0415

    share = np.ones(evidence.size)
    for gaussian in (term.gaussian(evidence) for term in model.terms):
        if isinstance(gaussian, Noise):
            share = share * gaussian.share
    seen = discounted(evidence, share)
    with pm.Model() as built:
        eta: Any = 0.0
        bias: Any = 0.0
        mu: Any = None
        reported, biases, level, allocations = [], [], [], []
        for term in model.terms:
            part = term.pymc(evidence)
            eta = eta + part.eta
            if part.bias is not None:
                bias = bias + part.bias
                if part.reported is not None:
                    biases.append(part.reported)
                continue
            if part.allocation is not None:
                allocations.append(part.allocation)
            if isinstance(term, Intercept):
                mu = part.eta
            elif part.reported is not None:
                reported.append(part.reported)
                fixed = term.gaussian(evidence)
                if getattr(fixed, "levels", None) is not None:
                    level.append(part.reported)
        if reported or biases:
            # The design's order: coefficients of effects, then those of biases.
            pm.Deterministic("beta", pt.concatenate([*reported, *biases]))
        if level and mu is not None:
            pm.Deterministic("mu_level", mu + pt.concatenate(level))
        theta = pm.Deterministic("theta", eta + pt.zeros(len(design.se)))
        model.likelihood.pymc(theta + bias, seen, tuple(allocations))
    return built


#: Reported variables and the dimension of their last axis.
_DIMS = {"mu": None, "beta": MODERATOR, "mu_level": LEVEL, "theta": ESTIMATE}


def conform(
    sampled: xr.DataTree, design: Design, rng: np.random.Generator
) -> dict[str, xr.Dataset]:
    """Bring nutpie's tree to the schema: names, labels, the new-setting effect, no warm-up.

    Parameters
    ----------
    sampled
        What nutpie returned.
    design
        Names of what is reported.
    rng
        Generator of the new-setting draws.

    Returns
    -------
    dict
        The groups ``posterior`` and ``sample_stats``.
    """
    raw = sampled["posterior"].to_dataset()
    data: dict[str, Any] = {}
    coords: dict[str, Any] = {
        CHAIN: np.arange(raw.sizes[CHAIN]),
        DRAW: np.arange(raw.sizes[DRAW]),
    }
    labels: dict[str, Any] = {ESTIMATE: design.labels}
    for quantity in design.quantities.values():
        if quantity.dim is not None:
            labels[quantity.dim] = np.array(quantity.labels, dtype=object)
    for name, dim in {**_DIMS, **dict.fromkeys(design.hyper)}.items():
        if name not in raw:
            continue
        values = raw[name].to_numpy()
        if dim is None:
            data[name] = ((CHAIN, DRAW), values)
        else:
            data[name] = ((CHAIN, DRAW, dim), values)
            coords[dim] = labels[dim]
    spreads = [
        data[part.hyper[part.new]][1] ** 2
        for part in design.grouped
        if part.hyper and part.new is not None
    ]
    if "mu" in data and spreads:
        new = data["mu"][1] + np.sqrt(sum(spreads)) * rng.standard_normal(data["mu"][1].shape)
        data["theta_new"] = ((CHAIN, DRAW), new)
    stats = sampled["sample_stats"].to_dataset()
    kept = [name for name in ("diverging", "energy", "depth", "n_steps") if name in stats]
    plain = {
        str(name): ((CHAIN, DRAW), stats[name].to_numpy())
        for name in kept
        if stats[name].dims == (CHAIN, DRAW)
    }
    return {
        "posterior": xr.Dataset(data, coords=coords),
        "sample_stats": xr.Dataset(plain, coords={CHAIN: coords[CHAIN], DRAW: coords[DRAW]}),
    }
