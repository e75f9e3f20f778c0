"""Inference by NUTS: a PyMC graph built from the terms, sampled by nutpie.

It shares the specification with the exact engine and none of its numerics, so their agreement is
evidence for both.
"""

import hashlib
import json
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import xarray as xr

from bayesrtw.dims import CHAIN, DRAW, ESTIMATE, LEVEL, MODERATOR
from bayesrtw.engine.arrays import drawn_like
from bayesrtw.engine.drawn import of_reported, together
from bayesrtw.engine.graph import DENSITY, EXPECTED, RISK, SD, THINNED, Graph, graph
from bayesrtw.engine.integrated import Risk, Sampled, Spread, condition
from bayesrtw.errors import ConvergenceError, SpecError
from bayesrtw.evidence.table import Evidence
from bayesrtw.model.design import Design, build
from bayesrtw.model.sampled import ALLOCATED, drawn_levels
from bayesrtw.model.spec import Model
from bayesrtw.model.term import Term, given
from bayesrtw.posterior.gates import failures
from bayesrtw.posterior.sampling import lacking
from bayesrtw.posterior.tree import assemble, attributes
from bayesrtw.registry import component, digest


@component("engine", "nuts")
@dataclass(frozen=True, slots=True, kw_only=True)
class Nuts:
    """The no-U-turn sampler.

    Effects of studies and independent biases are integrated out of the graph wherever estimates are normal
    given them, and drawn afterwards from their exact conditional distribution.

    Parameters
    ----------
    chains, draws, tune
        Chains, kept draws and warm-up draws of each.
    target_accept
        Step-size target in (0, 1).
    retries
        How often a fit whose diagnostics fail their gates is sampled again, each time with twice the draws
        and warm-up draws and a quarter of the distance of `target_accept` from 1; the tree says what was
        tried.
    allow_unconverged
        Return a fit whose diagnostics fail their gates even so, instead of refusing it.
    """

    chains: int = 4
    draws: int = 1000
    tune: int = 1000
    target_accept: float = 0.95
    retries: int = 2
    allow_unconverged: bool = False

    def __post_init__(self) -> None:
        for name in ("chains", "draws", "tune"):
            if getattr(self, name) < 1:
                raise SpecError(f"{name} must be at least 1; found {getattr(self, name)!r}.")
        if self.retries < 0:
            raise SpecError(f"retries must be at least 0; found {self.retries!r}.")
        if not 0 < self.target_accept < 1:
            raise SpecError(f"target_accept must lie in (0, 1); found {self.target_accept!r}.")

    @property
    def sampled(self) -> bool:
        return True

    @property
    def together(self) -> None:
        """See `Engine`."""

    def counting(self, ranks: int) -> "Nuts":
        """Let gates count instead of refuse; SpecError if chains are too short for so many ranks."""
        least = -(-ranks // self.chains)
        if self.draws < least:
            raise SpecError(
                f"draws is {self.draws}; ranks among {ranks} draws need at least {least} in each of "
                f"{self.chains} chains."
            )
        return replace(self, allow_unconverged=True)

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
            What is not installed. Every term and likelihood has a PyMC twin, or says itself that it has none.
        """
        return lacking()

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
            As `bayesrtw.posterior.tree` says, with the groups ``sample_stats`` and ``log_likelihood``.

        Raises
        ------
        ConvergenceError
            If a diagnostic fails its gate in every attempt and `allow_unconverged` is false.
        """
        design = build(model, evidence, partial=True)
        ready, built = compiled(model, evidence, design)
        tried: list[str] = []
        for attempt in range(self.retries + 1):
            engine = self._raised(attempt)
            sampled = _sample(ready, engine, seed)
            groups = conform(sampled, built, design, np.random.default_rng(seed))
            attrs = {**attributes(model, evidence, self, seed), "attempts": json.dumps(tried)}
            tree = assemble(groups, design, evidence, attrs)
            failed = failures(tree)
            if not failed:
                return tree
            tried.append(f"{engine._described()}: {'; '.join(failed)}")
        if self.allow_unconverged:
            return tree
        raise ConvergenceError(
            f"Nuts: {'. Then '.join(tried)}. Draw more (draws, tune), raise target_accept, or use "
            "Exact(); allow_unconverged=True returns the fit with these findings."
        )

    def _raised(self, attempt: int) -> "Nuts":
        """Give the settings of an attempt, from 0."""
        return replace(
            self,
            draws=self.draws * 2**attempt,
            tune=self.tune * 2**attempt,
            target_accept=1.0 - (1.0 - self.target_accept) / 4**attempt,
        )

    def _described(self) -> str:
        return (
            f"with {self.draws} draws after {self.tune} and target_accept {self.target_accept:.4g}"
        )


def _sample(ready: Any, engine: Nuts, seed: int) -> xr.DataTree:
    """Let nutpie sample."""
    import nutpie  # noqa: PLC0415

    with _strict():
        found: xr.DataTree = nutpie.sample(
            ready,
            draws=engine.draws,
            tune=engine.tune,
            chains=engine.chains,
            seed=seed,
            save_warmup=False,
            progress_bar=False,
            target_accept=engine.target_accept,
        )
    return found


@contextmanager
def _strict() -> Iterator[None]:
    """Compile arithmetic as it is written: under fastmath, draws depend on what a cache holds."""
    import pytensor  # noqa: PLC0415

    with warnings.catch_warnings(), pytensor.config.change_flags(numba__fastmath=False):
        # The compiler and the sampler warn about their own deprecations.
        warnings.simplefilter("ignore")
        yield


#: Compiled models by structure, the last used last; a compiled model takes some ten megabytes.
_COMPILED: dict[str, Any] = {}
MOST_COMPILED = 16


def compiled(model: Model, evidence: Evidence, design: Design) -> tuple[Any, Graph]:
    """Compile a model, or give one of the same structure and shape the new data."""
    import nutpie  # noqa: PLC0415

    built = graph(model, evidence)
    key = structure(model, evidence, design)
    if key not in _COMPILED:
        with _strict():
            _COMPILED[key] = nutpie.compile_pymc_model(built.model)
        while len(_COMPILED) > MOST_COMPILED:
            _COMPILED.pop(next(iter(_COMPILED)))
        return _COMPILED[key], built
    found = _COMPILED.pop(key)
    _COMPILED[key] = found
    data = {variable.name: variable.get_value() for variable in built.model.data_vars}
    return found.with_data(**data), built


def structure(model: Model, evidence: Evidence, design: Design) -> str:
    """Hash what a compiled model cannot change: its terms, groups, levels and shapes."""
    sha = hashlib.sha256(f"{digest(model)} {evidence.size}".encode())
    for term in model.terms:
        for name, array in _constants(term, evidence):
            sha.update(name.encode() + np.ascontiguousarray(array).tobytes())
    for part in design.grouped:
        sha.update(part.group.tobytes() + part.which.tobytes())
        sha.update(b"" if part.along is None else part.along.tobytes())
        sha.update(b"" if part.kin is None else part.kin.of.tobytes() + part.kin.kind.tobytes())
    for quantity in design.quantities.values():
        sha.update("\x1f".join(quantity.labels).encode())
    for block in design.blocks:
        sha.update(f"{block.rows.tolist()} {block.correlation}".encode())
    return sha.hexdigest()


def _constants(term: Term, evidence: Evidence) -> Iterator[tuple[str, np.ndarray]]:
    """Give what graphs take from the evidence as constants: which rows may be what, and how large."""
    part = given(term, evidence)
    for risk in part.risks or ():
        yield risk.name, risk.rows
        yield f"{risk.name} of", risk.of_class
        yield f"{risk.name} prior", np.array([risk.mean, risk.sd, *np.ravel(risk.chances)])
    if part.unreported is not None:
        yield from part.unreported.constants()
    if part.noise is None:
        return
    yield "mean", part.noise.mean
    yield "variance", part.noise.variance
    if part.noise.common is not None:
        yield "common", part.noise.common.columns
    for carried in (*part.noise.scatter, *part.noise.shift):
        yield carried.name, carried.factor


#: Reported variables and the dimension of their last axis.
_DIMS = {"mu": None, "beta": MODERATOR, "mu_level": LEVEL, "theta": ESTIMATE}


def conform(
    sampled: xr.DataTree, built: Graph, design: Design, rng: np.random.Generator
) -> dict[str, xr.Dataset]:
    """Bring nutpie's tree to the schema: names, labels, what was integrated out, the new-setting effect."""
    raw = sampled["posterior"].to_dataset()
    moved, density = _conditional(raw, built, rng)
    axes = {CHAIN: np.arange(raw.sizes[CHAIN]), DRAW: np.arange(raw.sizes[DRAW])}
    labels: dict[str, Any] = {ESTIMATE: design.labels}
    for quantity in design.quantities.values():
        if quantity.dim is not None:
            labels[quantity.dim] = np.array(quantity.labels, dtype=object)
    data: dict[str, Any] = {}
    coords: dict[str, Any] = dict(axes)
    for name, dim in {**_DIMS, **dict.fromkeys(design.hyper)}.items():
        if name not in raw:
            continue
        values = raw[name].to_numpy() + (moved if name == "theta" else 0.0)
        data[name] = ((CHAIN, DRAW) if dim is None else (CHAIN, DRAW, dim), values)
        if dim is not None:
            coords[dim] = labels[dim]
    if "mu" in data and any(part.of_new for part in design.grouped):
        at = {name: data[name][1].reshape(-1) for name in design.hyper}
        spread = np.sqrt(design.new_variance(at, data["mu"][1].size)).reshape(data["mu"][1].shape)
        new = data["mu"][1] + spread * rng.standard_normal(spread.shape)
        data["theta_new"] = ((CHAIN, DRAW), new)
    if design.mix is not None:
        weights = of_reported(design, design.mix.rows)
        told = [data[name][1] for name in ("mu", "beta") if name in data]
        expected = together(told) @ weights.T
        data["mu_studies"] = ((CHAIN, DRAW), expected @ design.mix.share)
        if "theta_new" in data:
            drawn = drawn_like(design, data, expected, rng)
            data["theta_new_studies"] = ((CHAIN, DRAW), drawn)
    stats = sampled["sample_stats"].to_dataset()
    plain = {
        name: ((CHAIN, DRAW), stats[name].to_numpy())
        for name in ("diverging", "energy", "depth", "n_steps")
        if name in stats and stats[name].dims == (CHAIN, DRAW)
    }
    groups = {
        "posterior": xr.Dataset(data, coords=coords),
        "sample_stats": xr.Dataset(plain, coords=axes),
    }
    if density is not None:
        groups["log_likelihood"] = xr.Dataset(
            {"effect": ((CHAIN, DRAW, ESTIMATE), density)}, coords={**axes, ESTIMATE: design.labels}
        )
    return groups


def _conditional(
    raw: xr.Dataset, built: Graph, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray | None]:
    """Draw what was integrated out of the effects; densities; both of shape (chain, draw, estimate)."""
    shape = raw["theta"].shape
    if built.at is None:
        moved = np.zeros(shape)
        if ALLOCATED in raw:
            [(rows, _)] = built.risks
            moved[..., rows] = drawn_levels(raw[ALLOCATED].to_numpy(), rng)
        return moved, raw[DENSITY].to_numpy() if DENSITY in raw else None
    draws = shape[0] * shape[1]

    def flat(name: str) -> np.ndarray:
        values = raw[name].to_numpy()
        return values.reshape(draws, *values.shape[2:])

    drawn = Sampled(
        at=built.at,
        residual=built.effect - flat(EXPECTED),
        sampling=built.sampling,
        hyper={
            name: flat(name)[:, None, None] for name in ("rho", "icc") if name in built.sampling
        },
        spreads=tuple(
            Spread(flat(f"{SD}{place}"), group, of_bias)
            for place, (group, of_bias) in enumerate(built.varying)
        ),
        risks=tuple(
            Risk(rows, of_effects, *np.moveaxis(flat(f"{RISK}{place}"), 1, 0))
            for place, (rows, of_effects) in enumerate(built.risks)
        ),
    )
    moved, density = condition(drawn, rng)
    if THINNED in raw:
        density = density + flat(THINNED)
    return moved.reshape(shape), density.reshape(shape)
