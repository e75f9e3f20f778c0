"""Nodes of the hyperparameters of a model that is not normal, what they cost, and whether they suffice."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from bayesrtw.engine.cubature import MOST_PRODUCT, rule, single
from bayesrtw.engine.cubature import nodes as count_of
from bayesrtw.engine.curved import Curved
from bayesrtw.engine.curved_biased import tilts
from bayesrtw.engine.curved_groups import HERMITE
from bayesrtw.engine.curved_place import Place, Seen, factor_of, log_rule_of, moments, weighed
from bayesrtw.engine.integrate import TINY, moment_order, tail_power
from bayesrtw.engine.quadrature import lay, log_rule, looks
from bayesrtw.errors import ConvergenceError, EngineRefusal
from bayesrtw.model.spec import Model
from bayesrtw.posterior.axis import Axis, Positive
from bayesrtw.posterior.marginal import last_terms, unresolved
from bayesrtw.posterior.nodes import Nodes
from bayesrtw.posterior.nodes import rule as line

Array = NDArray[np.float64]

#: Nodes for each hyperparameter, where there are none, one, two and three of them.
COUNTS = ((1,), (40, 56, 80, 120, 200, 320, 480), (16, 22, 30, 42, 60, 86), (10, 13, 17, 23))
#: The same of one hyperparameter where coefficients are integrated by a coarse rule.
COARSE = (20, 28, 40)
#: Movement of reported figures between two rules, in posterior SDs, that is allowed: up to three
#: coefficients, and beyond, where rules are sparse.
TOLERANCE, SPARSE = 1e-6, 1e-4
#: What series of many coefficients may leave out, in probability, where sites have groups: it is told as the
#: error, since finer rules leave out hardly less of posteriors of few events.
TOLD = 5e-4
#: The same for a neighbour on the nodes of the first fit; beyond it the neighbour gets its own.
NEIGHBOUR = 1e-5
#: Share of a node, and of what moments make of it, that no finer rule is laid for; and the share of other
#: nodes from which on all are laid.
TRIFLE, WORTH = 1e-10, 0.9
#: Nodes of two hyperparameters that a neighbour of the answer gets at most.
BESIDE = 6_000
#: How near to its own end a range must reach to end there.
EDGE = 1e-9
#: How many times the aim the series of a hyperparameter's density may leave out: its quantiles are right to a
#: twentieth of that.
SERVED = 20.0
#: Logs of a posterior that nodes reach down: where its tail falls by less than this over a node for each unit
#: of the log of an SD, none serve.
DIGITS = 36.0
#: What a density costs at most, in normals: series of the mean cost no more.
SERIES = 20
#: Densities of a row that series of its group take to lay, about, and to be asked at a node.
LAID, ASKED = 7_000, 4


@dataclass(frozen=True, slots=True, eq=False)
class Laid:
    """Nodes of the hyperparameters and a rule at each, with all factors seen.

    Attributes
    ----------
    curved
        The integral, with the rule's size.
    seen
        What was seen at the rule's nodes.
    alone
        For each group at risk, its density without each of its rows, kept once it was asked for.
    """

    curved: Curved
    seen: Seen
    alone: dict[int, Array] = field(default_factory=dict)


def refined(curved: Curved, values: tuple[Array, ...], laid: Laid, weight: Array) -> Laid:
    """Look with another rule where nodes of the hyperparameters matter.

    Elsewhere, by shares under the rule that was `laid`, a point is the normal of the mean and covariance that
    this rule saw: what it errs by is a trifle of next to nothing.
    """
    seen, (log, share) = laid.seen, weighed(laid.seen)
    mean, covariance = moments(seen.b, share)
    second = np.concatenate(
        [mean**2 + np.diagonal(covariance, axis1=-2, axis2=-1), *_squares(values)], 1
    )
    size = weight[:, None] * np.maximum(1.0, second / np.maximum(weight @ second, TINY))
    alive = np.max(size, axis=1, initial=0.0) > TRIFLE
    apart = bool(curved.curved.risks) or curved.curved.thinning is not None or curved.by_series
    if apart or np.mean(alive) > WORTH:
        return Laid(curved, curved.look(values, seen.place))
    own = curved.look([value[alive] for value in values], seen.place.at(alive))
    centre, factor = np.where(alive[:, None], seen.place.centre, mean), seen.place.factor.copy()
    factor[~alive] = factor_of(covariance[~alive])
    place, line = (
        seen.place._replace(centre=centre, factor=factor),
        rule(mean.shape[1], curved.size),
    )
    b = centre[:, None] + np.einsum("jcd,kd->jkc", factor, line.node)
    log_rule, log_prior = log_rule_of(place, line), curved.log_prior(b)
    factors = log[:, None] + np.log(np.abs(line.weight)) - log_rule - log_prior
    factors[alive] = own.factors[-1]
    whole = seen._replace(b=b, z=line.node, log_rule=log_rule, sign=np.sign(line.weight))
    whole = whole._replace(factors=(factors,), log_prior=log_prior, place=place, size=curved.size)
    return Laid(curved, whole)


def _squares(values: tuple[Array, ...]) -> list[Array]:
    return [value[:, None] ** 2 for value in values]


def allowed_of(curved: Curved) -> tuple[float, float]:
    """Give the movement between two rules that is allowed for a fit, and for its neighbours."""
    if curved.design.columns.shape[1] <= MOST_PRODUCT:
        return TOLERANCE, NEIGHBOUR
    return SPARSE, TOLD if curved.by_series else SPARSE


def counts_of(model: Model) -> tuple[int, ...]:
    """Give the numbers of nodes of each hyperparameter that are tried."""
    names, free = list(model.hyper), model.selection.hyper() if model.selection else {}
    if len(free) > 1 and len(names) > 2:
        raise EngineRefusal(
            f"{len(free)} weights of the selection have priors ({', '.join(free)}), beside other "
            "hyperparameters: give one weight a prior, or know them; hold models with free weights against "
            'each other by compare, which integrates them out; or use engine = { kind = "nuts" }.'
        )
    if len(names) >= len(COUNTS):
        raise EngineRefusal(
            f"at most {len(COUNTS) - 1} hyperparameters can be integrated; this model has {len(names)} "
            f'({", ".join(names)}): use engine = {{ kind = "nuts" }}.'
        )
    return COUNTS[len(names)]


def apart(one: tuple[Array, ...], other: tuple[Array, ...]) -> float:
    """Largest movement between two sets of figures, in SDs; inf where one is not finite."""
    (mean, sd, total), (second, second_sd, second_total) = one, other
    moved = np.concatenate(
        [np.abs(total - second_total), np.abs(mean - second) / sd, np.abs(second_sd / sd - 1.0)]
    )
    return float(np.max(np.where(np.isfinite(moved), moved, np.inf), initial=0.0))


def settled(moved: float, before: float, bound: float) -> float:
    """Tell what the last rule errs by from movements: the last of them is the error of the rule before.

    Errors fall geometrically in the number of nodes, which grows by 1.4 times, so that the next movement
    is a smaller share of the last than that of the one before; it is stated as at least `bound`.
    """
    if not bound < moved <= NEIGHBOUR or not moved < before < math.inf:
        return moved
    return max(moved * moved / before, bound)


@dataclass(frozen=True, slots=True, eq=False)
class Looks:
    """What a coarse rule has seen at values of the hyperparameters: each look is taken once.

    Attributes
    ----------
    rough
        The integral, with a coarse rule.
    known
        Logs of the integral by the bytes of the values.
    last
        Where coefficients live at the values of the latest look, by the same.
    """

    rough: Curved
    known: dict[bytes, Array] = field(default_factory=dict)
    last: dict[bytes, Place] = field(default_factory=dict)

    def log_density(self, values: tuple[Array, ...]) -> Array:
        """See `Curved.log_density`."""
        flat, shape = _flat(values)
        key = _key(flat)
        if key not in self.known:
            place = self.rough.place(flat)
            log = weighed(self.rough.look(flat, place))[0]
            for value, prior in zip(flat, self.rough.priors, strict=True):
                log = log + prior.logpdf(value)
            self.known[key] = log
            self.last.clear()
            self.last[key] = place
        return self.known[key].reshape(shape)

    def place(self, values: tuple[Array, ...]) -> Place | None:
        """Give where coefficients live at values, if that was the latest look: it serves every rule.

        One node lays no series, and serves no other.
        """
        if self.rough.size == single(self.rough.design.columns.shape[1]):
            return None
        return self.last.get(_key(_flat(values)[0]))


def _flat(values: tuple[Array, ...]) -> tuple[tuple[Array, ...], tuple[int, ...]]:
    """Give values as points, shape (point,), and the shape that they had."""
    shape = np.broadcast_shapes(*(np.shape(value) for value in values))
    return tuple(np.broadcast_to(value, shape).reshape(-1) for value in values), shape


def _key(flat: tuple[Array, ...]) -> bytes:
    return b"".join(np.ascontiguousarray(value).tobytes() for value in flat)


def rungs(seen: Looks, aim: float, most: float = math.inf) -> list[tuple[int, ...]]:
    """Say how many nodes two hyperparameters need, each by itself, by the density that places them.

    The coarser of two that are held against each other comes first, and one that is finer last. More than
    `most` are refused.
    """
    ladder, own = (*COARSE[:2], *COUNTS[1]), [1, 1]
    while True:
        nodes, _ = nodes_of(seen, tuple(ladder[each] for each in own))
        short = [unresolved(nodes, place) > SERVED * aim for place in range(2)]
        grown = [min(each + does, len(ladder) - 2) for each, does in zip(own, short, strict=True)]
        if math.prod(ladder[each] for each in grown) > most:
            raise ConvergenceError(
                f"Exact: under these priors {' and '.join(seen.rough.names)} need more nodes than a "
                "neighbour gets; fit a model that has them, or take priors with lighter tails."
            )
        if grown == own:
            return [tuple(ladder[each + step] for each in own) for step in (-1, 0, 1)]
        own = grown


def nodes_of(seen: Looks, counts: tuple[int, ...]) -> tuple[Nodes, Array]:
    """Lay nodes of the hyperparameters where a coarse rule sees their posterior; logs of bare weights."""
    rough = seen.rough
    if not rough.names:
        return Nodes((), np.zeros(1), np.zeros(()), (), ()), np.zeros(1)
    most = moment_order(rough.bounding)
    slope = tail_power(rough.bounding) - 1 - most
    if len(rough.names) > 1 and COUNTS[len(rough.names)][-1] * slope < DIGITS:
        raise ConvergenceError(
            f"Exact: the tail of an SD ({', '.join(rough.names)}) falls so slowly that nodes for its "
            "moments, beside other hyperparameters, are out of reach; give it a prior with a lighter tail, "
            'or use engine = { kind = "nuts" }.'
        )
    moments = [most if isinstance(axis, Positive) else 0 for axis in rough.axes]
    size = max(int(rough.keep.sum()), 1)
    try:
        at = looks(seen.log_density, rough.axes, moments)
        nodes = lay(seen.log_density, rough.axes, counts, at, size=size, moments=moments)
    except ArithmeticError as error:
        raise EngineRefusal(
            f"Exact: {error}: it is improper, or its tail is out of reach; use a proper prior of "
            f"{', '.join(rough.names)}, with a lighter tail."
        ) from error
    return nodes, log_rule(nodes, rough.axes)


def unserved(nodes: Nodes) -> float:
    """Bound what a series through nodes of one hyperparameter leaves out of its density."""
    return unresolved(nodes, 0) if nodes.counts else 0.0


def outside(nodes: Nodes, axes: Sequence[Axis], moment: int) -> float:
    """Bound what nodes leave out of a posterior that they were not laid for, and of its moments, as a share.

    Beyond an end the density is taken to stay as it is over a range as long as that of the nodes; between
    nodes of several hyperparameters, whose marginals need twice those of an integral, see `left_out`.
    """
    if not nodes.counts:
        return 0.0
    share = np.exp(nodes.log_weight)
    each = np.ones_like(share)
    for value in nodes.values:
        size = np.abs(value) ** min(moment, 2)
        each = np.maximum(each, size / max(float(share @ size), TINY))
    each, found = (share * each).reshape(nodes.counts), 0.0
    for place, (own, axis) in enumerate(zip(nodes.ranges, axes, strict=True)):
        # Where a hyperparameter itself ends, a density may end as well.
        for end, goes_on in (
            (0, own.low > axis.floor + EDGE),
            (-1, own.high < axis.ceiling - EDGE),
        ):
            last = each.take(end, axis=place).reshape(*nodes.counts[:place], -1).sum(axis=-1)
            density = 2.0 * last / line(nodes.counts[place])[1][end]
            found = max(found, float(np.sum(density * goes_on)))
    if len(nodes.counts) > 1:
        found = max(found, *(unresolved(nodes, place) ** 2 for place in range(len(nodes.counts))))
    return found


def left_out(nodes: Nodes, mean: Array, second: Array) -> float:
    """Estimate what nodes of one hyperparameter leave out of its moments and those of coefficients.

    Gauss-Legendre nodes integrate polynomials of twice their number: where coefficients of a series decay
    geometrically, the first that n nodes miss is about the square of the last that they tell.

    `mean`, `second` (point, column).
    """
    weight, value = np.exp(nodes.log_weight), nodes.values[0][:, None]
    first, second = np.hstack([mean, value]), np.hstack([second, value**2])
    centre = weight @ first
    variance = np.maximum(weight @ second - centre**2, 1e-300)
    square = second - 2.0 * first * centre + centre**2
    each = [np.ones_like(value), (first - centre) / np.sqrt(variance), square / variance]
    return last_terms(weight[:, None] * np.hstack(each)) ** 2


def cost(curved: Curved, points: int, place: Place | None = None) -> float:
    """How many densities a look at so many points takes."""
    width = curved.design.columns.shape[1]
    lone = float(np.sum(curved.keep & curved.lone))
    each, grouped = float(count_of(width, curved.size)), float(curved.keep.sum()) - lone
    if curved.by_series:
        # Groups are laid as series once, and asked at every node.
        missed = 0 if place is None or place.held is None else place.held.missed
        alone = count_of(width, curved.size) * HERMITE
        return float(points * (ASKED * each + LAID * curved.keep.sum() + missed * alone * SERIES))
    each *= lone + grouped * HERMITE
    if curved.curved.risks:
        each *= math.prod(tilts(curved))
    return float(points * each * min(float(np.mean(curved.curved.sites.sizes)), SERIES))
