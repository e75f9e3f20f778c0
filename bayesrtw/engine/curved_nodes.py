"""Nodes of the hyperparameters of a model that is not normal, what they cost, and whether they suffice."""

import math

import numpy as np
from numpy.typing import NDArray

from bayesrtw.engine.cubature import rule
from bayesrtw.engine.curved import Curved, inner
from bayesrtw.engine.integrate import moment_order
from bayesrtw.engine.quadrature import lay, looks
from bayesrtw.errors import EngineRefusal
from bayesrtw.posterior.axis import Positive
from bayesrtw.posterior.nodes import Nodes

Array = NDArray[np.float64]

#: What a density costs at most, in normals: series of the mean cost no more.
SERIES = 20


def apart(one: tuple[Array, ...], other: tuple[Array, ...]) -> float:
    """Largest movement between two sets of figures, in SDs; inf where one is not finite."""
    (mean, sd, total), (second, second_sd, second_total) = one, other
    moved = np.concatenate(
        [np.abs(total - second_total), np.abs(mean - second) / sd, np.abs(second_sd / sd - 1.0)]
    )
    return float(np.max(np.where(np.isfinite(moved), moved, np.inf), initial=0.0))


def nodes_of(rough: Curved, count: int) -> tuple[Nodes, Array]:
    """Lay nodes of the hyperparameters where a coarse rule sees their posterior; logs of bare weights."""
    if not rough.names:
        return Nodes((), np.zeros(1), np.zeros(()), (), ()), np.zeros(1)
    most = moment_order(rough.bounding)
    moments = [most if isinstance(axis, Positive) else 0 for axis in rough.axes]
    counts = (count,) * len(rough.names)
    size = max(int(rough.keep.sum()), 1)
    try:
        at = looks(rough.log_density, rough.axes, moments)
        nodes = lay(rough.log_density, rough.axes, counts, at, size=size, moments=moments)
    except ArithmeticError as error:
        raise EngineRefusal(
            f"Exact: {error}: it is improper, or its tail is out of reach; use a proper prior of "
            f"{', '.join(rough.names)}, with a lighter tail."
        ) from error
    bare = nodes.log_weight + nodes.log_total - rough.log_density(nodes.on_axes()).reshape(-1)
    return nodes, bare


def cost(curved: Curved, points: int) -> float:
    """How many densities a look at so many points takes."""
    width = curved.design.columns.shape[1]
    each = len(rule(width, curved.size).weight) * float(curved.keep.sum())
    if curved.problem.nested:
        each *= len(rule(1, inner(curved.size)).weight)
    if curved.curved.risks:
        each *= math.prod(curved.tilts)
    return float(points * each * min(curved.curved.sites.size, SERIES))
