"""Single rows of a model that is not normal: effects behind them, predictions, shares in the mean.

Given the coefficients, the effect behind a row has the density of its site times a normal. Where the site
is a curve with one maximum, a short rule around that product's mean and SD follows it. Of a site that is made
of a few normals, and of a row that may be biased, the error is one of these, without bias or with one of a
given SD. Each of them makes the effect behind the row, and what it would report,
a linear function of the coefficients plus a normal deviation.
"""

import math
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import logsumexp, ndtr

from bayesrtw.engine.at_risk import chances_of
from bayesrtw.engine.condensed import condensed
from bayesrtw.engine.cubature import rule
from bayesrtw.engine.curved import AT_ONCE, Curved
from bayesrtw.engine.curved_biased import tilt as tilt_of
from bayesrtw.engine.curved_biased import tilts
from bayesrtw.engine.curved_groups import HERMITE, Look, line, nodes_in
from bayesrtw.engine.curved_place import Seen, Tilt
from bayesrtw.engine.surface import Surface, surface
from bayesrtw.model.observation import Sites
from bayesrtw.model.term import AtRisk
from bayesrtw.posterior.kernels import Kernels
from bayesrtw.posterior.pieces import Outcomes

Array = NDArray[np.float64]

#: Nodes of a row's own effect given the coefficients, and least nodes of what its group shares.
DEVIATIONS, INSIDE = 15, 15
#: Nodes of a value of a moderator that a row does not report: of a row that is kept, around where its value
#: lives, and of one that is not, whose density is a mixture over them.
VALUES, AHEAD = 15, 31
#: A normal that has less than this share of a row nowhere is passed over.
NEGLIGIBLE = 1e-10
#: Step of slopes of a selection, in SDs of what a row reports: central differences are right to 1e-8.
STEP = 1e-4
#: Least and most means of a row on which its reports are looked at, how far in SDs of what is known of it,
#: and how close in SDs of a report, so that they are no comb. Errors that would take more are normal, and
#: next to nothing beside what is not known of the mean.
OUTLOOKS, MOST, FURTHEST, CLOSE = 201, 501, 6.5, 0.7


class ErrorPart(NamedTuple):
    """One of the normals that a row's error may be.

    Attributes
    ----------
    share
        Its probability at each node, shape (point, node).
    seen, behind
        What the site sees and the effect's mean, linear in the coefficients, shape (point, node).
    centre
        Of the normal.
    own, error
        Variances of the row's own effect and of its error, shape (point,).
    biased
        Whether it is that of a row that is biased.
    """

    share: Array
    seen: Array
    behind: Array
    centre: float
    own: Array
    error: Array
    biased: bool = False


class Chances(NamedTuple):
    """What becomes of the rows of a group at risk.

    Attributes
    ----------
    biased
        Probability that a row is biased, at each node of what biases share, shape (point, node, shared, row).
    shared
        Probability of these nodes, shape (point, node, shared).
    tilt
        What they are.
    """

    biased: Array
    shared: Array
    tilt: Tilt


def parts(
    curved: Curved, values: tuple[Array, ...], seen: Seen, row: int, known: Sequence[Chances]
) -> Iterator[ErrorPart]:
    """Give the normals that a row's error may be, with their probabilities given the kept rows.

    What is `known` are the chances of each group at risk.
    """
    offset, own, noise = curved.reach(values)
    if curved.curved.thinning is not None:
        # What was reported says of an effect what it says without a selection: its weight is known.
        plain, mean, behind, own_row, noise_row = alone(curved, values, seen, row)
        own[:, row], noise = own_row, noise_row[:, None] * np.ones(noise.shape[1])
        yield from _normals(curved, row, bool(curved.keep[row]), plain, mean, behind, own, noise)
        return
    columns, effects = curved.design.columns[row], curved.design.of_effects[row]
    mean, behind = seen.b @ columns, seen.b @ effects
    plain, shift = _shared(curved, values, seen, row)
    mean, behind = (_spread(each, shift) for each in (mean, behind))
    mean = mean + offset[:, row, None]
    kept = bool(curved.keep[row])
    for which, risk in enumerate(curved.curved.risks):
        if row in risk.rows:
            biased = known[which].biased[..., int(np.flatnonzero(risk.rows == row)[0])]
            free, tilt = 1.0 - np.sum(biased, axis=-1), known[which].tilt
            yield from _normals(curved, row, kept, free, mean, behind, own, noise)
            few = tilts(curved)[1]
            # Nodes of the mean bias are further nodes of what the site sees; each SD is a normal of its own.
            for node in range(few):
                shift = tilt.bias[:, None, node::few]
                share = biased[..., node::few].reshape(len(mean), -1)
                extra = noise + tilt.spread2[node]
                moved, rest = _spread(mean, shift), _spread(behind, np.zeros_like(shift))
                for part in _normals(curved, row, kept, share, moved, rest, own, extra):
                    yield part._replace(biased=True)
            return
    plain, mean, behind = _valued(curved, seen, row, (plain, mean, behind), (own + noise)[:, row])
    yield from _normals(curved, row, kept, plain, mean, behind, own, noise)


def _valued(
    curved: Curved, seen: Seen, row: int, each: tuple[Array, Array, Array], variance: Array
) -> tuple[Array, Array, Array]:
    """Lay nodes of a value of a moderator that the row does not report: shares, what is seen, and effects.

    Shapes (point, node) to (point, node * `VALUES`); given what the row reports, where it is kept.
    """
    uncertain = curved.design.uncertain
    if uncertain is None or not uncertain.sd[row]:
        return each
    kept, (centre, se) = bool(curved.keep[row]), curved.curved.sites.near
    line = rule(1, VALUES if kept else AHEAD)
    repeat = each[0].shape[1] // seen.b.shape[1]
    slope = np.repeat(seen.b[..., uncertain.column], repeat, axis=1) * uncertain.sd[row]
    # Where the value lives given a normal near the site; where it is not kept, as it was before.
    total = slope**2 + variance[:, None] + se[row] ** 2
    left = 1.0 - slope**2 / total if kept else np.ones(slope.shape)
    ahead = slope * (centre[row] - each[1]) / total if kept else np.zeros(slope.shape)
    t = line.node[:, 0]
    z = ahead[..., None] + np.sqrt(left)[..., None] * t
    mean, behind = (part[..., None] + slope[..., None] * z for part in each[1:])
    log = np.log(line.weight) + 0.5 * (t**2 - z**2)
    if kept:
        wide = np.broadcast_to(variance[:, None, None], mean.shape)[..., None]
        density = curved.curved.sites.log_density(mean[..., None], wide, np.array([row]))
        log = log + density[..., 0]
    share = each[0][..., None] * np.exp(log - logsumexp(log, axis=-1, keepdims=True))
    flat = len(mean), -1
    return share.reshape(flat), mean.reshape(flat), behind.reshape(flat)


def _normals(
    curved: Curved,
    row: int,
    kept: bool,
    share: Array,
    mean: Array,
    behind: Array,
    own: Array,
    noise: Array,
) -> Iterator[ErrorPart]:
    """Divide a share of a row among the normals of its site."""
    reach = 8.0 * float(np.sqrt(np.max(own[:, row] + noise[:, row])))
    low, high = float(np.min(mean)) - reach, float(np.max(mean)) + reach
    log_weight, centre, variance = curved.curved.sites.parts(row, low, high)
    error = noise[:, row, None] + variance

    def log(place: int) -> Array:
        if not kept:
            return np.full(mean.shape, log_weight[place])
        total = (own[:, row] + error[:, place])[:, None]
        return np.asarray(
            log_weight[place] - 0.5 * ((centre[place] - mean) ** 2 / total + np.log(total))
        )

    whole = log(0)
    for place in range(1, len(variance)):
        whole = np.logaddexp(whole, log(place))
    for place in range(len(variance)):
        part = share * np.exp(log(place) - whole)
        if np.max(np.abs(part)) > NEGLIGIBLE:
            yield ErrorPart(part, mean, behind, float(centre[place]), own[:, row], error[:, place])


def _spread(values: Array, shift: Array) -> Array:
    """Add what nodes of a group's effect add, (point, node, inner): shape (point, node * inner)."""
    return (values[:, :, None] + shift).reshape(len(values), -1)


def _shared(curved: Curved, values: tuple[Array, ...], seen: Seen, row: int) -> tuple[Array, Array]:
    """Nodes of the effect of a row's group: their probabilities given b, and what they add."""
    points, nodes = seen.b.shape[:2]
    if curved.lone[row]:
        return np.ones((points, nodes)), np.zeros((points, 1, 1))
    (part,) = curved.problem.nested
    offset, own, noise = curved.reach(values)
    at = dict(zip(curved.names, values, strict=True))
    group = int(part.group[row])
    sd = np.broadcast_to(np.sqrt(part.variance(at, np.array([row])))[..., 0], points)
    rows = np.flatnonzero((part.group == group) & curved.keep)
    look = Look(curved, values, slice(None), seen.place, curved.keep)
    most = nodes_in(look, seen.b, group)
    share = seen.place.share[0][:, group]
    z, log_weight = line(max(most, INSIDE), share)
    ahead = seen.place.centre_of(seen.b, slice(None), np.array([group]))
    t = ahead + (share[:, None] * z)[:, None]
    whole = log_weight[:, None] - 0.5 * t**2 + np.log(share)[:, None, None]
    mean = seen.b @ curved.design.columns[rows].T + offset[:, None, rows]
    mean = mean[:, :, None] + (sd[:, None, None] * t)[..., None]
    wide = curved.spread(own + noise, seen.b)
    wide = wide if wide.shape[1] == 1 else np.repeat(wide, z.shape[1], axis=1)
    flat = mean.reshape(points, -1, len(rows))
    each = curved.alike(seen.place, slice(None), flat, wide, rows, rough=most <= HERMITE)
    whole = whole + each.sum(axis=-1).reshape(whole.shape)
    each = np.exp(whole - logsumexp(whole, axis=-1, keepdims=True))
    return each.reshape(points, -1), sd[:, None, None] * t


def _from_others(
    curved: Curved, values: tuple[Array, ...], seen: Seen, row: int
) -> tuple[Array, Array]:
    """Give what the others of its group say of the effect that a normal row shares with them, given b.

    Mean, shape (point, node), and variance, shape (point,).
    """
    points, nodes = seen.b.shape[:2]
    if curved.lone[row]:
        return np.zeros((points, nodes)), np.zeros(points)
    (part,) = curved.problem.nested
    offset, own, noise = curved.reach(values)
    at = dict(zip(curved.names, values, strict=True))
    sd = np.broadcast_to(np.sqrt(part.variance(at, np.array([row])))[..., 0], points)
    others = (part.group == part.group[row]) & curved.keep
    others[row] = False
    centre, se = curved.curved.sites.near
    weight = 1.0 / (own + noise + se**2)[:, others]
    left = centre[others] - seen.b @ curved.design.columns[others].T - offset[:, None, others]
    shrunk = sd**2 / (1.0 + sd**2 * np.sum(weight, axis=1))
    return shrunk[:, None] * np.einsum("jr,jkr->jk", weight, left), shrunk


class Alone(NamedTuple):
    """A row that is not at risk, given the coefficients.

    Attributes
    ----------
    share
        Probabilities of the nodes of its group's effect, shape (point, node * inner).
    seen, behind
        What its site sees, and the mean of its effect, linear in the coefficients, of the same shape.
    own, noise
        Variances of its own effect and of its biases, shape (point,).
    """

    share: Array
    seen: Array
    behind: Array
    own: Array
    noise: Array


class RowView(NamedTuple):
    """A posterior as a row sees it.

    Attributes
    ----------
    weight, share
        Shares of points (point,), and measures of nodes at each, (point, node) or (point, node, measure).
    values, seen
        Hyperparameters, each (point,), and the nodes, which are right in what the row's group asks about.
    inside
        What its group is, see `_shared`.
    point
        Which points these are, shape (point,).
    """

    weight: Array
    share: Array
    values: tuple[Array, ...]
    seen: Seen
    inside: tuple[Array, Array]
    point: NDArray[np.intp]


def about(
    curved: Curved,
    values: tuple[Array, ...],
    seen: Seen,
    shares: tuple[Array, Array],
    row: int,
) -> RowView:
    """Condense nodes to what a row and its group see.

    They have shares of points, and measures at each: the first of several is its share of the point.
    """
    weight, share = shares
    point = np.abs(weight) > NEGLIGIBLE
    near, of = curved.design, group_of(curved, row)
    lines = [near.columns[of], near.of_effects[of]]
    if near.uncertain is not None and np.any(near.uncertain.sd[of] > 0):
        lines.append(np.eye(near.columns.shape[1])[[near.uncertain.column]])
    some = seen._replace(b=seen.b[point], place=seen.place.at(point))
    weight, at = weight[point], tuple(value[point] for value in values)
    found, share = condensed(some, weight, share[point], np.concatenate(lines))
    inside = _shared(curved, at, found, row)
    return RowView(weight, share, at, found, inside, np.flatnonzero(point))


def group_of(curved: Curved, row: int) -> NDArray[np.intp]:
    """Give the rows that share an effect with one, itself among them, whether or not they are kept."""
    if curved.lone[row]:
        return np.array([row])
    (part,) = curved.problem.nested
    return np.flatnonzero(part.group == part.group[row])


def alone(
    curved: Curved,
    values: tuple[Array, ...],
    seen: Seen,
    row: int,
    inside: tuple[Array, Array] | None = None,
) -> Alone:
    """Give what a row that is not at risk looks like, given the coefficients; its group may be known."""
    offset, own, noise = curved.reach(values)
    if curved.curved.thinning is not None:
        ahead, left = _from_others(curved, values, seen, row)
        mean = seen.b @ curved.design.columns[row] + offset[:, row, None] + ahead
        behind = seen.b @ curved.design.of_effects[row] + ahead
        return Alone(np.ones(mean.shape), mean, behind, own[:, row] + left, noise[:, row])
    share, shift = _shared(curved, values, seen, row) if inside is None else inside
    mean = _spread(seen.b @ curved.design.columns[row], shift) + offset[:, row, None]
    behind = _spread(seen.b @ curved.design.of_effects[row], shift)
    every = _valued(curved, seen, row, (share, mean, behind), (own + noise)[:, row])
    return Alone(*every, own[:, row], noise[:, row])


class EachRow:
    """Single rows under a posterior; what is known of the latest group is kept: its rows go together."""

    def __init__(
        self,
        curved: Curved,
        values: tuple[Array, ...],
        seen: Seen,
        shares: tuple[Array, Array],
    ) -> None:
        """Take nodes with their shares, see `about`."""
        self._of, self._curved = (curved, values, seen, shares), curved
        self._first = -1
        self._known: RowView | None = None

    def __call__(self, row: int) -> tuple[RowView, Alone, Array]:
        """Give the posterior as a row sees it, what it looks like there, and shares of its nodes."""
        first = int(group_of(self._curved, row)[0])
        if self._known is None or first != self._first:
            self._first, self._known = first, about(*self._of, row)
        here = self._known
        found = alone(self._curved, here.values, here.seen, row, here.inside)
        repeat = found.share.shape[1] // here.share.shape[1]
        return here, found, np.repeat(here.share, repeat, axis=1) * found.share


def _laid(curved: Curved, row: int, at: Array, variance: Array) -> Surface:
    """Lay a row's density as a function of its mean, which takes the values `at`, shape (point, node)."""
    low, high = at.min(axis=1, keepdims=True), at.max(axis=1, keepdims=True)
    density = curved.curved.sites.log_density
    return surface(density, np.array([row]), variance[:, None], low, high)


def slope(curved: Curved, values: tuple[Array, ...], seen: Seen, row: int, found: Alone) -> Array:
    """Slope of the log density of a row's site in what it reports, shape (point, node * inner)."""
    variance = found.own + found.noise
    laid = _laid(curved, row, found.seen, variance)
    steep = -laid.slopes(found.seen[..., None])[0][..., 0]
    if curved.curved.thinning is None:
        return steep
    repeat = steep.shape[1] // seen.b.shape[1]
    # A result is selected as it was reported: moved by what may be a bias, it keeps its weight.
    together = group_of(curved, row)
    together = together[curved.keep[together]]
    mean = seen.b @ curved.design.columns[together].T
    offset, own, noise = curved.reach(values)
    mean = mean + offset[:, None, together]
    wide = (own + noise)[:, None, together]
    step = STEP * np.sqrt(variance + curved.design.se[row] ** 2)[:, None]
    moved = np.where(together == row, step[..., None], 0.0)
    up, down = (
        np.asarray(curved.thinned(values, slice(None), mean + sign * moved, wide, together))
        for sign in (1.0, -1.0)
    )
    return np.asarray(steep - np.repeat((up - down) / (2.0 * step), repeat, axis=1))


def effects(curved: Curved, row: int, found: Alone) -> tuple[Array, Array]:
    """Effects behind a kept row and their probabilities, shape (point, node, `DEVIATIONS`)."""
    line = rule(1, DEVIATIONS)
    own = found.own[:, None]
    laid = _laid(curved, row, found.seen, found.own + found.noise)
    first, second = (each[..., 0] for each in laid.slopes(found.seen[..., None]))
    # Mean and variance of the effect follow from derivatives of the integral (Tweedie's formula).
    centre = found.behind + own * first
    share = np.clip(1.0 + own * second, 0.01, 1.0)
    z = line.node[:, 0]
    theta = centre[..., None] + np.sqrt(own * share)[..., None] * z
    flat = theta.reshape(len(theta), -1)
    seen = (theta + (found.seen - found.behind)[..., None]).reshape(flat.shape)
    rows = np.array([row])
    if found.noise.any():
        log = _laid(curved, row, seen, found.noise).at(seen[..., None], slice(None), rows)
    else:
        log = curved.curved.sites.log_density(seen[..., None], np.zeros(1), rows)
    log = log.reshape(theta.shape) + np.log(line.weight) + 0.5 * z * z
    safe = np.maximum(own, 1e-300)[..., None]
    log = log - 0.5 * (theta - found.behind[..., None]) ** 2 / safe
    log -= np.max(log, axis=-1, keepdims=True)
    each = np.exp(log)
    return theta, each / each.sum(axis=-1, keepdims=True)


def chances(curved: Curved, values: tuple[Array, ...], seen: Seen, which: int) -> Chances:
    """Work out a group at risk for all of its rows, whose density is the same."""
    risk: AtRisk = curved.curved.risks[which]
    offset, own, noise = curved.reach(values)
    rows = curved.keep[risk.rows]
    tilt = tilt_of(curved, seen.place, which, slice(None))
    size = (*seen.b.shape[:2], tilt.bias.shape[1])
    biased, shared = np.empty((*size, len(rows))), np.empty(size)
    step = max(1, AT_ONCE // (2 * len(rows) * size[1] * size[2]))
    for start in range(0, size[0], step):
        cut = slice(start, start + step)
        mean = seen.b[cut] @ curved.design.columns.T + offset[cut, None, :]
        here = Tilt(tilt.bias[cut], tilt.spread2, tilt.log_weight[cut])
        log, made = curved.risked(risk, rows, mean, (own + noise)[cut], here)
        shared[cut] = np.exp(made.log - log[..., None])
        for place, (a, c) in enumerate(risk.chances):
            members = risk.of_class == place
            among = members[rows]
            told, ahead = _chances(made.f0[..., among], made.f1[..., among], a, c)
            biased[cut, ..., members & rows] = told
            biased[cut, ..., members & ~rows] = ahead[..., None]
        biased[cut] *= shared[cut, ..., None]
    return Chances(biased, shared, tilt)


def _chances(f0: Array, f1: Array, a: float, c: float) -> tuple[Array, Array]:
    """Probability that each row of a class is biased, shape (..., row), and that a further one is (...)."""
    whole, further, biased = np.zeros(f0.shape[:-1]), np.zeros(f0.shape[:-1]), np.zeros(f0.shape)
    # A row that is not kept takes the mean of the probability, a polynomial of one degree more.
    for pi, share in zip(*chances_of(f0.shape[-1] + 1, a, c), strict=True):
        each = f0 + pi * (f1 - f0)
        product = share * np.prod(each, axis=-1)
        whole += product
        further += pi * product
        biased += (pi * product)[..., None] * (f1 / each)
    return biased / whole[..., None], further / whole


def biases(
    curved: Curved, known: Sequence[Chances], weight: Array, share: Array
) -> tuple[Array, dict[str, float]]:
    """Probability that each row is biased (estimate,), and the mean of each group's mean bias.

    The posterior's shares are those of points, `weight`, and of nodes at each point, `share`.
    """
    chance, means = np.zeros(len(curved.keep)), {}
    every = weight[:, None] * share
    for risk, found in zip(curved.curved.risks, known, strict=True):
        chance[risk.rows] = np.einsum("jk,jksr->r", every, found.biased)
        means[risk.name] = float(np.einsum("jk,jks,js->", every, found.shared, found.tilt.bias))
    return chance, means


def score(part: ErrorPart) -> Array:
    """Slope of the log density of a row's site in what it reports, for one of its normals."""
    return np.asarray((part.seen - part.centre) / (part.own + part.error)[:, None])


def behind(part: ErrorPart, *, kept: bool) -> tuple[Array, Array]:
    """Effect behind a row under one of its normals: its mean (point, node) and variance (point,)."""
    if not kept:
        return part.behind, part.own
    total = part.own + part.error
    gain = np.divide(part.own, total, out=np.zeros_like(total), where=total > 0)
    mean = part.behind + gain[:, None] * (part.centre - part.seen)
    return mean, gain * part.error


def reported(part: ErrorPart) -> tuple[Array, Array]:
    """Give what a row would report under one of its normals: mean (point, node) and variance (point,)."""
    return part.seen, part.own + part.error


def told(sites: Sites, row: int, eta: Kernels) -> Outcomes:
    """Give what a row that sees a mean would report: one of its outcomes each."""
    width = float(sites.near[1][row])
    count = math.ceil(2.0 * FURTHEST * eta.spread / (CLOSE * width))
    if count > MOST:
        return _as_normal(sites, row, eta, width)
    z = np.linspace(-FURTHEST, FURTHEST, max(count, OUTLOOKS))
    density = np.exp(-0.5 * z * z)
    theta = np.asarray(eta.quantile(ndtr(z)))
    estimate = chance = np.zeros(0)
    # As many effects at once as memory allows; the outcomes of some are the first of those of others.
    at, step = 0, 1
    while at < len(theta):
        found = sites.reports(row, theta[at : at + step])
        assert found is not None
        some = density[at : at + step] @ np.exp(found[1])
        size = max(len(some), len(chance))
        estimate = max(found[0], estimate, key=len)
        chance = np.pad(chance, (0, size - len(chance))) + np.pad(some, (0, size - len(some)))
        at, step = at + step, max(1, AT_ONCE // size)
    order = np.argsort(estimate)
    return Outcomes(estimate[order], chance[order] / chance.sum())


def _as_normal(sites: Sites, row: int, eta: Kernels, width: float) -> Outcomes:
    """Give outcomes so many that they lie around the mean as a normal of a small error does."""
    z = np.linspace(-FURTHEST, FURTHEST, 2001)
    x = eta.widened(np.full(len(eta.weight), width**2)).quantile(ndtr(z))
    found = sites.reports(row, x[-1:])
    assert found is not None
    estimate = np.sort(found[0])
    between = ndtr(np.interp(0.5 * (estimate[1:] + estimate[:-1]), np.asarray(x), z))
    return Outcomes(estimate, np.diff(between, prepend=0.0, append=1.0))
