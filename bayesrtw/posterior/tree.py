"""The DataTree that every engine returns: its groups, its names, its attributes.

Groups
------
``posterior`` (dims chain, draw): ``mu``, each level of a moderator once, and ``mu_studies``, each study once
(the same without moderators, and then left out); ``beta`` (moderator): slopes, differences and the
deviations of levels from the mean over levels; ``mu_level`` (level): mean effect at a level; ``tau``;
``theta`` (estimate): the effect behind each estimate; ``theta_new``: the effect in a new setting around
``mu``, without differences between levels; ``theta_new_studies``: in one whose moderators are
those of a study drawn from the studies.

``quadrature`` (exact engine): ``weight`` and each hyperparameter (node), and for every Gaussian
quantity ``q`` its mean and SD given the node, ``q_mean`` and ``q_sd`` (node, ...); the marginal
posterior of a hyperparameter ``h`` on a Gauss-Legendre rule, ``h_marginal``, with the range of its
coordinate, ``h_range`` (low, high, shift); scalars ``log_evidence`` and ``error`` (largest relative
movement when the nodes were doubled; of distribution functions of several hyperparameters what their
series leave out).

``log_likelihood`` (where there are draws): ``effect`` (chain, draw, estimate), the log density of each
estimate given the other estimates and the draw of coefficients and hyperparameters, study effects
integrated out (Bürkner, Gabry & Vehtari 2021, doi:10.1007/s00180-020-01045-4), so that leaving one estimate
out is a matter of weights; of a likelihood that is not normal, given the study's effect (NUTS alone; the
exact engine gives those of models that are normal given their hyperparameters, where study effects are
kept).

``sample_stats`` (NUTS), ``observed_data`` (``effect``) and ``constant_data`` (``se``, ``study``,
levels of categorical moderators, prior precision and design of the mean).
"""

import json
from collections.abc import Mapping
from functools import cache
from importlib.metadata import version
from typing import Any

import numpy as np
import xarray as xr

from bayesrtw.dims import COLUMN, ESTIMATE, MODERATOR
from bayesrtw.errors import Faults, SpecError
from bayesrtw.evidence.measure import measure_named
from bayesrtw.evidence.table import Evidence
from bayesrtw.model.design import Design
from bayesrtw.model.spec import NEW, Model
from bayesrtw.model.term import Hyper
from bayesrtw.printed import Direction
from bayesrtw.registry import decode, digest, encode

#: Packages whose version can move a digit.
PACKAGES = {
    "exact": ("bayesrtw", "numpy", "scipy"),
    "nuts": ("bayesrtw", "numpy", "scipy", "pymc", "pytensor", "numba", "nutpie"),
}


@cache
def versions(kind: str) -> str:
    """Say which versions of which packages an engine computes with."""
    return json.dumps({name: version(name) for name in PACKAGES[kind]}, sort_keys=True)


def attributes(model: Model, evidence: Evidence, engine: object, seed: int) -> dict[str, Any]:
    """Say what a fit was: the root attributes of its tree."""
    settings = encode(engine)
    kind = str(settings["kind"])
    origin, direction = evidence.provenance, evidence.direction
    return {
        "engine": kind,
        "engine_settings": json.dumps(settings, sort_keys=True),
        "seed": seed,
        "model": json.dumps(encode(model), sort_keys=True, default=str),
        "model_digest": digest(model),
        "evidence_sha256": evidence.digest(),
        "dataset": origin.dataset,
        "dataset_version": origin.version,
        "caveat": origin.caveat,
        "hyper": " ".join(model.hyper),
        "pooled": model.pooled,
        "measure": evidence.measure.name,
        "benefit": direction.benefit,
        "below": direction.sides[0],
        "above": direction.sides[1],
        "programme": origin.programme,
        "unit": evidence.unit,
        "outcomes": ", ".join(evidence.outcome_names),
        "versions": versions(kind),
    }


def assemble(
    groups: Mapping[str, xr.Dataset], design: Design, evidence: Evidence, attrs: Mapping[str, Any]
) -> xr.DataTree:
    """Put an engine's groups and the data together."""
    constant: dict[str, Any] = {
        "se": (ESTIMATE, design.se),
        "study": (ESTIMATE, design.studies.astype(str).astype(object)),
        "columns": ((ESTIMATE, COLUMN), design.columns),
        "precision": (COLUMN, design.precision),
    }
    if "mu" in design.quantities:
        constant["mu_columns"] = (COLUMN, design.quantities["mu"].combine[0])
    if design.mix is not None:
        own = design.quantities["mu_studies"].combine[0]
        constant["mu_studies_columns"] = (COLUMN, own)
        if np.all(design.precision > 0):
            constant["mu_studies_prior"] = (
                "normal",
                np.array([own @ design.mean, np.sqrt(own**2 @ (1.0 / design.precision))]),
            )
    names: dict[str, Any] = {ESTIMATE: design.labels}
    if "beta" in design.quantities and np.all(design.precision > 0):
        beta = design.quantities["beta"]
        constant["beta_prior_mean"] = (MODERATOR, beta.combine @ design.mean)
        constant["beta_prior_sd"] = (MODERATOR, np.sqrt(beta.combine**2 @ (1.0 / design.precision)))
        names[MODERATOR] = np.array(beta.labels, dtype=object)
    for column, levels in design.levels.items():
        constant[f"level_{column}"] = (ESTIMATE, levels)
    for column in ("design", "outcome"):
        if column in evidence.data and f"level_{column}" not in constant:
            constant[column] = (
                ESTIMATE,
                evidence.data[column].to_numpy().astype(str).astype(object),
            )
    tree = {
        **groups,
        "observed_data": xr.Dataset(
            {"effect": (ESTIMATE, design.effect)}, coords={ESTIMATE: design.labels}
        ),
        "constant_data": xr.Dataset(constant, coords=names),
    }
    root = xr.DataTree.from_dict(tree)
    root.attrs.update(attrs)
    return root


def direction_of(tree: xr.DataTree) -> Direction:
    """Give which side of no effect is good in a tree, and what the two sides are called."""
    attrs = tree.attrs
    null = measure_named(str(attrs["measure"])).null
    return Direction(str(attrs["benefit"]), null, (str(attrs["below"]), str(attrs["above"])))


@cache
def _read(text: str) -> tuple[Model, ...]:
    """Read the models of a tree's root attribute."""
    table = json.loads(text)
    faults, found = Faults(SpecError), []
    for name, each in table.get("average_of", {"tree": table}).items():
        found.append(decode(Model, each, where=name, faults=faults))
    faults.raise_if_any()
    return tuple(model for model in found if model is not None)


def models_of(tree: xr.DataTree) -> tuple[Model, ...]:
    """Give the models behind a tree: one, or those that it is the average of."""
    return _read(str(tree.attrs["model"]))


def model_of(tree: xr.DataTree) -> Model:
    """Give the one model of a tree; raises SpecError of an average of several."""
    models = models_of(tree)
    if len(models) > 1:
        raise SpecError(
            f"the tree is the average of {len(models)} models, and this asks for one: give the tree "
            "of one of them."
        )
    return models[0]


def pooled_of(tree: xr.DataTree) -> str:
    """Name the pooled mean of a tree that is the headline: ``mu`` or ``mu_studies``."""
    return str(tree.attrs.get("pooled", "mu"))


def new_of(tree: xr.DataTree) -> str:
    """Name the effect in a new setting that goes with the headline of a tree."""
    return NEW[pooled_of(tree)]


def which_of(tree: xr.DataTree, quantity: str) -> str:
    """Say which of two means, or of two new settings, a quantity of a tree is; empty where there is one."""
    return next((said for model in models_of(tree) if (said := model.which(quantity))), "")


def hyper_of(tree: xr.DataTree) -> dict[str, Hyper]:
    """Give what the hyperparameters of a tree are, by name, in its order."""
    known = {
        name: each for model in models_of(tree) for name, each in model.hyperparameters.items()
    }
    return {name: known[name] for name in str(tree.attrs["hyper"]).split()}


def shaped(values: np.ndarray, chains: int, draws: int) -> np.ndarray:
    """Split draws along the first axis into chains.

    `values` (chains * draws, ...); gives (chain, draw, ...).
    """
    return values.reshape(chains, draws, *values.shape[1:])
