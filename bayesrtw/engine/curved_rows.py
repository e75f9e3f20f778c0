"""Single rows of a model that is not normal: effects behind them, predictions, shares in the mean.

Given the coefficients, a row's error is one of a few normals: those that make up its site, without bias or
with one of a given SD. Each of them makes the effect behind the row, and what it would report, a linear
function of the coefficients plus a normal deviation.
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import logsumexp

from bayesrtw.engine.at_risk import chances_of
from bayesrtw.engine.cubature import rule
from bayesrtw.engine.curved import AT_ONCE, Curved, Seen, Tilt, inner
from bayesrtw.model.term import AtRisk

Array = NDArray[np.float64]

#: A normal that has less than this share of a row nowhere is passed over.
NEGLIGIBLE = 1e-10


class Part(NamedTuple):
    """One of the normals that a row's error may be.

    Attributes
    ----------
    share
        Its probability at each node, shape (point, node).
    seen, behind
        What the site sees and the effect's mean, linear in the coefficients, shape (point, node).
    own, error
        Variances of the row's own effect and of its error, shape (point,).
    biased
        Whether it is that of a row that is biased.
    """

    share: Array
    seen: Array
    behind: Array
    own: Array
    error: Array
    biased: bool = False


def parts(curved: Curved, values: tuple[Array, ...], seen: Seen, row: int) -> Iterator[Part]:
    """Give the normals that a row's error may be, with their probabilities given the kept rows."""
    offset, own, noise = curved.reach(values)
    columns, effects = curved.design.columns[row], curved.design.of_effects[row]
    mean, behind = seen.b @ columns, seen.b @ effects
    plain, shift = _shared(curved, values, seen, row)
    mean, behind = (_spread(each, shift) for each in (mean, behind))
    mean = mean + offset[:, row, None]
    kept = bool(curved.keep[row])
    for which, risk in enumerate(curved.curved.risks):
        if row in risk.rows:
            free, biased, tilt = chances(curved, values, seen, which, row)
            yield from _normals(curved, row, kept, free, mean, behind, own, noise)
            few = curved.tilts[1]
            # Nodes of the mean bias are further nodes of what the site sees; each SD is a normal of its own.
            for node in range(few):
                shift = tilt.bias[:, node::few]
                share = biased[..., node::few].reshape(len(mean), -1)
                extra = noise + tilt.spread2[node]
                moved, rest = _spread(mean, shift), _spread(behind, np.zeros_like(shift))
                for part in _normals(curved, row, kept, share, moved, rest, own, extra):
                    yield part._replace(biased=True)
            return
    yield from _normals(curved, row, kept, plain, mean, behind, own, noise)


def _normals(
    curved: Curved,
    row: int,
    kept: bool,
    share: Array,
    mean: Array,
    behind: Array,
    own: Array,
    noise: Array,
) -> Iterator[Part]:
    """Divide a share of a row among the normals of its site."""
    (log_weight,), (variance,) = curved.curved.sites.parts(np.array([row]))
    error = noise[:, row, None] + variance
    log = np.broadcast_to(log_weight, (*mean.shape, len(variance)))
    if kept:
        total = (own[:, row, None] + error)[:, None, :]
        gap = curved.curved.sites.seen[row] - mean
        log = log - 0.5 * (gap[..., None] ** 2 / total + np.log(total))
    each = np.exp(log - logsumexp(log, axis=-1, keepdims=True))
    for place in range(len(variance)):
        part = share * each[..., place]
        if np.max(np.abs(part)) > NEGLIGIBLE:
            yield Part(part, mean, behind, own[:, row], error[:, place])


def _spread(values: Array, shift: Array) -> Array:
    """Add what nodes of a group's effect add, (point, node) to (point, node * inner)."""
    return (values[:, :, None] + shift[:, None, :]).reshape(len(values), -1)


def _shared(curved: Curved, values: tuple[Array, ...], seen: Seen, row: int) -> tuple[Array, Array]:
    """Nodes of the effect of a row's group: their probabilities given b, and what they add."""
    points, nodes = seen.b.shape[:2]
    if not curved.problem.nested:
        return np.ones((points, nodes)), np.zeros((points, 1))
    (part,) = curved.problem.nested
    offset, own, noise = curved.reach(values)
    at = dict(zip(curved.names, values, strict=True))
    group = int(part.group[row])
    sd = np.asarray(at[part.hyper[int(part.which[row])]])
    line = rule(1, inner(curved.size))
    share, ahead = seen.place.share[0][:, group], seen.place.ahead[0][:, group]
    t = ahead[:, None] + share[:, None] * line.node[:, 0]
    log = np.log(line.weight) + 0.5 * line.node[:, 0] ** 2 - 0.5 * t**2 + np.log(share)[:, None]
    rows = np.flatnonzero((part.group == group) & curved.keep)
    whole = np.broadcast_to(log[:, None, :], (points, nodes, len(line.weight))).copy()
    for node in range(len(line.weight)):
        mean = seen.b @ curved.design.columns[rows].T + offset[:, None, rows]
        mean = mean + (sd * t[:, node])[:, None, None]
        variance = (own + noise)[:, None, rows]
        whole[..., node] += curved.curved.sites.log_density(mean, variance, rows).sum(axis=-1)
    each = np.exp(whole - logsumexp(whole, axis=-1, keepdims=True))
    return each.reshape(points, -1), sd[:, None] * t


def chances(
    curved: Curved, values: tuple[Array, ...], seen: Seen, which: int, row: int
) -> tuple[Array, Array, Tilt]:
    """Probability that a row is not biased (point, node), and biased by each node of what biases share."""
    risk: AtRisk = curved.curved.risks[which]
    offset, own, noise = curved.reach(values)
    rows = curved.keep[risk.rows]
    tilt = curved.tilt(seen.place, which, slice(None))
    mine = int(np.flatnonzero(risk.rows == row)[0])
    own_class = int(risk.of_class[mine])
    a, c = risk.chances[own_class]
    points, nodes = seen.b.shape[:2]
    if not rows.any():
        chance = a / (a + c)
        of_node = np.exp(tilt.log_weight)[:, None, :]
        free = np.full((points, nodes), 1.0 - chance)
        return free, np.broadcast_to(chance * of_node, (points, nodes, of_node.shape[-1])), tilt
    inside = np.flatnonzero(risk.of_class[rows] == own_class)
    at = np.flatnonzero(np.flatnonzero(rows)[inside] == mine)
    biased = np.empty((points, nodes, tilt.bias.shape[1]))
    step = max(1, AT_ONCE // (2 * len(risk.rows) * tilt.bias.shape[1] * nodes))
    for start in range(0, points, step):
        cut = slice(start, start + step)
        mean = seen.b[cut] @ curved.design.columns.T + offset[cut, None, :]
        here = Tilt(tilt.bias[cut], tilt.spread2, tilt.log_weight[cut])
        log, made = curved.risked(risk, rows, mean, (own + noise)[cut], here)
        f0, f1 = made.f0[..., inside], made.f1[..., inside]
        whole, tilted = np.zeros(f0.shape[:-1]), np.zeros(f0.shape[:-1])
        # A row that is not kept takes the mean of the probability, a polynomial of one degree more.
        for pi, share in zip(*chances_of(len(inside) + 1, a, c), strict=True):
            each = f0 + pi * (f1 - f0)
            product = share * np.prod(each, axis=-1)
            whole += product
            ratio = f1[..., at[0]] / each[..., at[0]] if len(at) else 1.0
            tilted += pi * product * ratio
        biased[cut] = np.exp(made.log - log[..., None]) * tilted / whole
    return 1.0 - np.sum(biased, axis=-1), biased, tilt


def shared_by_risk(
    curved: Curved, values: tuple[Array, ...], seen: Seen, which: int
) -> tuple[Array, Tilt]:
    """Probabilities of the nodes of what a group at risk shares, shape (point, node, shared)."""
    risk, tilt = curved.curved.risks[which], curved.tilt(seen.place, which, slice(None))
    offset, own, noise = curved.reach(values)
    rows = curved.keep[risk.rows]
    found = np.empty((*seen.b.shape[:2], tilt.bias.shape[1]))
    for point in range(len(found)):
        cut = slice(point, point + 1)
        mean = seen.b[cut] @ curved.design.columns.T + offset[cut, None, :]
        here = Tilt(tilt.bias[cut], tilt.spread2, tilt.log_weight[cut])
        log, made = curved.risked(risk, rows, mean, (own + noise)[cut], here)
        found[cut] = np.exp(made.log - log[..., None])
    return found, tilt


def score(part: Part, seen: float) -> Array:
    """Slope of the log density of a row's site in what it reports, for one of its normals."""
    return np.asarray((part.seen - seen) / (part.own + part.error)[:, None])


def behind(part: Part, seen: float, *, kept: bool) -> tuple[Array, Array]:
    """Effect behind a row under one of its normals: its mean (point, node) and variance (point,)."""
    if not kept:
        return part.behind, part.own
    total = part.own + part.error
    gain = np.divide(part.own, total, out=np.zeros_like(total), where=total > 0)
    mean = part.behind + gain[:, None] * (seen - part.seen)
    return mean, gain * part.error


def reported(part: Part) -> tuple[Array, Array]:
    """Give what a row would report under one of its normals: mean (point, node) and variance (point,)."""
    return part.seen, part.own + part.error
