"""Where mean biases live that rows may have, a coefficient of such rows, and sums over what biases share."""

import math
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from bayesrtw.engine.at_risk import FAINT, living, spreads_of
from bayesrtw.engine.cubature import sizes
from bayesrtw.engine.curved_place import Place, Tilt, moments
from bayesrtw.model.term import AtRisk

if TYPE_CHECKING:
    from bayesrtw.engine.curved import Curved

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]

#: Numbers in one intermediate array of sums over biases, which go over theirs many times.
CACHED = 16_384
#: Steps between nodes of a mean bias, in its narrowest SD given what else biases share, and nodes of an SD of
#: biases, for each size of the rule. A trapezoid of a normal leaves out exp(-2 pi^2 / step^2).
TILTS = ((1.3, 10), (1.25, 14), (1.2, 16), (1.2, 18), (1.15, 20), (1.1, 20), (1.0, 24))
#: The same where only a place is looked for, and the size of no rule, which says so.
COARSE, ROUGH = (2.0, 6), -1
#: How far a mean bias is looked for, in prior SDs; SDs of biases there; and SDs of a mean by which it moves.
FAR, SEARCHED, MOVED = 6.5, 6, 4.0
#: How much farther than what rows together may gain a prior lets a mean bias go.
SPARE = 1.5
#: Probability up to which an SD of biases is thought of; the power, one over it, of a posterior whose SD
#: tells how wide its tails are; and how many of these a rule has, which lies between them and the middle.
LARGE, HEAT, SHORT = 0.9, 4.0, 0.6
#: Sizes of rules of one coefficient whose rows may be biased: tails are heavy, and sums over biases dear.
HEAVY = (9, 31, 63, 95, 127, 191)
LOG_2PI = math.log(2.0 * math.pi)


def tilts(curved: "Curved") -> tuple[int, int]:
    """Nodes of a mean bias, about, and of an SD of biases."""
    step, few = _fine(curved)
    most = [
        2.0 * FAR * risk.sd / (step * float(_narrow(curved, risk))) for risk in curved.curved.risks
    ]
    return math.ceil(max(most, default=0.0)) + 1, few


def _fine(curved: "Curved") -> tuple[float, int]:
    """Step of a mean bias and nodes of an SD of biases."""
    if curved.size == ROUGH:
        return COARSE
    return TILTS[min(sizes(curved.design.columns.shape[1]).index(curved.size), len(TILTS) - 1)]


def _narrow(curved: "Curved", risk: AtRisk, variance: Array | float = 0.0) -> Array:
    """SD of a mean bias if all kept rows have one and their SD is 0, with further variances of them."""
    kept = curved.keep[risk.rows]
    own = curved.curved.sites.near[1][risk.rows] ** 2 + variance
    return np.asarray((risk.sd**-2 + np.sum(kept / own, axis=-1)) ** -0.5)


def tilt(curved: "Curved", place: Place, which: int, cut: slice) -> Tilt:
    """Lay nodes of what a group at risk shares, at some points."""
    risk, (step, few) = curved.curved.risks[which], _fine(curved)
    low, high, narrow = (part[cut] for part in place.bias[which])
    count = 1 + max(math.ceil(np.max((high - low) / narrow) / step), few)
    apart = ((high - low) / (count - 1))[:, None]
    bias = low[:, None] + apart * np.arange(count)
    log = np.log(apart / risk.sd) - 0.5 * ((bias - risk.mean) / risk.sd) ** 2 - 0.5 * LOG_2PI
    spread2, share = spreads_of(risk.spread, few)  # type: ignore[arg-type]
    return Tilt(
        np.repeat(bias, few, axis=1),
        np.tile(spread2, count),
        (log[:, :, None] + np.log(share)).reshape(len(bias), -1),
    )


def ends_of(
    curved: "Curved", values: Sequence[Array], place: Place
) -> tuple[tuple[Array, ...], ...]:
    """Find where mean biases live given the centre, wider by the mean's own SD; ends and narrowest SD."""
    if not curved.curved.risks:
        return ()
    offset, own, noise = curved.reach(values)
    mean = place.centre @ curved.design.columns.T + offset
    covariance = place.factor @ np.swapaxes(place.factor, -1, -2)
    found = []
    for risk in curved.curved.risks:
        kept = curved.keep[risk.rows]
        columns = curved.design.columns[risk.rows]
        moved = np.einsum("rc,jcd,rd->jr", columns, covariance, columns).mean(axis=1)
        narrow = _narrow(curved, risk, (own + noise)[:, risk.rows])
        # No mean bias lies beyond both its prior and all that rows leave to it.
        left = (curved.curved.sites.near[0] - mean)[:, risk.rows[kept]]
        prior = np.full((len(mean), 2), risk.mean) + FAR * risk.sd * np.array([-1.0, 1.0])
        low = np.minimum(prior[:, 0], left.min(axis=1, initial=risk.mean) - FAR * narrow)
        high = np.maximum(prior[:, 1], left.max(axis=1, initial=risk.mean) + FAR * narrow)
        # Nor where its prior costs more than all rows together gain: a narrow prior bounds it alone.
        se = curved.curved.sites.near[1][risk.rows[kept]]
        gain = np.sum(
            ((np.abs(left - risk.mean) + MOVED * np.sqrt(moved)[:, None]) / se) ** 2, axis=1
        )
        most = SPARE * risk.sd * np.sqrt(gain + 2.0 * FAINT)
        low, high = np.maximum(low, risk.mean - most), np.minimum(high, risk.mean + most)
        look = partial(_biased, curved, risk, mean, own + noise)
        first, last = living(look, low, high, narrow)[0][:, [0, -1]].T
        reach = MOVED * np.sqrt(moved)
        found.append((np.maximum(first - reach, low), np.minimum(last + reach, high), narrow))
    return tuple(found)


def _biased(curved: "Curved", risk: AtRisk, mean: Array, variance: Array, bias: Array) -> Array:
    """Log density of mean biases (point, node), at means and variances of rows (point, estimate)."""
    log = -0.5 * ((bias - risk.mean) / risk.sd) ** 2
    rows = curved.keep[risk.rows]
    if rows.any():
        spread2, share = spreads_of(risk.spread, SEARCHED)  # type: ignore[arg-type]
        shares = np.broadcast_to(np.log(share), (len(mean), len(share)))
        for place, each in enumerate(bias.T):
            here = Tilt(np.repeat(each[:, None], len(share), axis=1), spread2, shares)
            log[:, place] += curved.risked(risk, rows, mean[:, None], variance, here)[0][:, 0]
    return log


def widely(curved: "Curved", values: Sequence[Array], here: Place) -> Place:
    """Find where one coefficient lives whose rows may be biased: its tails are wider than its middle.

    A rule with less than the tails' own scale never settles, as what it weighs grows outwards.
    """
    narrow = here.factor[:, 0, 0]
    more = [
        risk.sd**2 + risk.mean**2 + float(risk.spread.ppf(LARGE)) ** 2
        for risk in curved.curved.risks
    ]
    scale = np.sqrt(narrow**2 + sum(more))
    here = here._replace(factor=scale[:, None, None])
    here = here._replace(bias=ends_of(curved, values, here))
    rough = replace(curved, size=ROUGH)

    def look(b: Array) -> Array:
        every = rough.factors(values, b[..., None], here, curved.keep)
        return np.asarray(sum(every, curved.log_prior(b[..., None])))

    centre = here.centre[:, 0]
    b, log = living(look, centre - FAR * scale, centre + FAR * scale, narrow)
    share = np.exp((log - np.max(log, axis=1, keepdims=True)) / HEAT)
    share /= np.sum(share, axis=1, keepdims=True)
    mean, covariance = moments(b[..., None], share)
    here = here._replace(centre=mean, factor=np.sqrt(covariance / HEAT) * SHORT)
    here = curved.with_surface(values, here)
    return here._replace(bias=ends_of(curved, values, here))


def stretch(curved: "Curved") -> float:
    """How many times wider than the factors of places tails are, for draws that have to reach them."""
    return 1.0 / SHORT if curved.curved.risks and curved.design.columns.shape[1] == 1 else 1.0


def summed_over(
    curved: "Curved", place: Place, which: int, cut: slice, rows: Mask, mean: Array, variance: Array
) -> Array:
    """Log density of a group at risk, shape (point, node): few nodes at once stay in the cache."""
    risk, nodes = curved.curved.risks[which], mean.shape[1]
    found = np.empty(mean.shape[:2])
    one = math.prod(tilts(curved)) * int(rows.sum())
    points = max(1, CACHED // max(one * nodes, 1))
    step = max(1, CACHED // max(one, 1))
    for first in range(0, len(mean), points):
        some = slice(first, first + points)
        here = tilt(
            curved,
            place,
            which,
            slice(cut.start + first, min(cut.start + first + points, cut.stop)),
        )
        for start in range(0, nodes, step):
            each = some, slice(start, start + step)
            found[each] = curved.risked(risk, rows, mean[each], variance[some], here)[0]
    return found
