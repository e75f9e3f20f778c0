"""Weights of a selection that the data tell, integrated out given coefficients and hyperparameters.

What rows reported hangs on the weights by powers of them alone, and how probable it was that they were seen
is linear in them in every row, so that one look at the intervals of a row serves all weights. The shares of
which weights are made live in a box that is found by looking, and are integrated by a product rule in it.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import product

import numpy as np
from numpy.typing import NDArray

from bayesrtw.engine.thinned import nodes_needed, normal_rule
from bayesrtw.errors import EngineRefusal
from bayesrtw.model.prior import Prior
from bayesrtw.model.selection import Thinning

Array = NDArray[np.float64]
Index = NDArray[np.intp]

#: Nodes of each share in a look, and in two rules that are held against each other, by the number of shares;
#: with a handful of points the weights may be all that is unknown, and there are twice as many.
LOOK, NODES = {1: 15, 2: 9, 3: 6}, {1: (27, 31), 2: (15, 17), 3: (9, 11)}
HANDFUL = 64
#: Fall of the log density at which the box ends: what is left out is 1e-9 of it.
DROP = 21.0
#: Shares are integrated in their square roots: where means are far from any significance, densities are steep
#: near a share of 0.
ROOT = 2.0
#: Largest log density of a prior at an end of (0, 1) that the rule follows.
STEEP = 10.0
#: Most numbers in one intermediate array, and factors that are multiplied before a logarithm is taken.
AT_ONCE, TOGETHER = 100_000, 24


@dataclass(frozen=True, eq=False)
class FreeWeights:
    """A rule for the shares of which weights are made, each that of a weight in the one before."""

    thinning: Thinning  #: The selection.
    priors: tuple[Prior, ...]  #: Of the shares.
    #: low, high: ends of the box, in roots of the shares, shape (share,).
    low: Array
    high: Array
    count: int  #: Nodes of each share.

    def refined(self, points: int) -> "tuple[FreeWeights, ...]":
        """Give the two rules in the same box that integrate at so many points."""
        more = 2 if points <= HANDFUL else 1
        return tuple(replace(self, count=more * each) for each in NODES[len(self.priors)])

    @cached_property
    def rule(self) -> tuple[Array, Array, Index]:
        """Shares (node, share), logs of their weights under the prior (node,), and places (node, share)."""
        x, w = np.polynomial.legendre.leggauss(self.count)
        places = np.array(list(product(range(self.count), repeat=len(self.priors))), dtype=np.intp)
        span = self.high - self.low
        root = self.low + span * 0.5 * (x[places] + 1.0)
        shares = root**ROOT
        log = np.sum(np.log(0.5 * w)[places] + np.log(ROOT * span * root ** (ROOT - 1.0)), axis=1)
        for place, prior in enumerate(self.priors):
            log = log + prior.logpdf(shares[:, place])
        return shares, log, places

    def over(
        self, mean: Array, variance: Array, rows: Index, group: Index, sd: Array, se: Array
    ) -> Array:
        """Log density of the evidence over that of whatever might have been, times the rule's weights.

        `mean`, `variance`, `sd` (point, row); `rows`, `group`, `se` (row,); gives (point, node).
        """
        shares, log_weight, _ = self.rule
        interval = self.thinning.interval[rows]
        beyond = np.array([np.sum(interval > place) for place in range(len(self.priors))])
        log = np.log(shares) @ beyond + log_weight
        weight = np.cumprod(np.concatenate([np.ones((len(shares), 1)), shares], axis=1), axis=1)
        _, group, size = np.unique(group, return_inverse=True, return_counts=True)
        single = np.flatnonzero(size[group] == 1)
        wide = (variance + sd**2)[:, single]
        chance = np.stack(self.thinning.in_intervals(mean[:, single], wide, rows[single]), axis=-1)
        found = np.broadcast_to(log, (len(mean), len(log))).copy()
        for start in range(0, len(single), TOGETHER):
            each = np.ones(found.shape)
            for row in range(start, min(start + TOGETHER, len(single))):
                each *= chance[:, row] @ weight.T
            found -= np.log(each)
        for place in np.flatnonzero(size > 1):
            own = np.flatnonzero(group == place)
            sharp = np.sum(sd[:, own] ** 2 / (variance[:, own] + se[own] ** 2), axis=1)
            total = np.zeros(found.shape)
            z, share = normal_rule(int(nodes_needed(np.max(sharp, keepdims=True))[0]))
            for node, much in zip(z, share, strict=True):
                moved = mean[:, own] + node * sd[:, own]
                parts = self.thinning.in_intervals(moved, variance[:, own], rows[own])
                chance = np.stack(parts, axis=-1)
                each = np.full(found.shape, much)
                for row in range(len(own)):
                    each *= chance[:, row] @ weight.T
                total += each
            found -= np.log(total)
        return found

    def integrated(
        self,
        mean: Array,
        variance: Array,
        rows: Index,
        group: Index,
        sd: Array,
        se: Array,
        ahead: Array,
    ) -> tuple[Array, Array]:
        """Integrate weights out at points, and look where they live: `ahead` (point,)."""
        log, reach = np.empty(len(mean)), np.full(len(self.rule[1]), -np.inf)
        step = max(1, AT_ONCE // len(reach))
        for start in range(0, len(mean), step):
            cut = slice(start, start + step)
            each = self.over(mean[cut], variance[cut], rows, group, sd[cut], se)
            top = each.max(axis=1)
            reach = np.maximum(reach, np.max(each + ahead[cut, None], axis=0))
            log[cut] = top + np.log(np.sum(np.exp(each - top[:, None]), axis=1))
        return log, reach - self.rule[1]

    def zoomed(self, reach: Array) -> "FreeWeights":
        """Take the box in which a look saw something, one node wider at every end that it has passed."""
        _, _, places = self.rule
        alive = reach > reach.max() - DROP
        x, _ = np.polynomial.legendre.leggauss(self.count)
        ends = np.concatenate([[0.0], 0.5 * (x + 1.0), [1.0]])
        first, last = places[alive].min(axis=0), places[alive].max(axis=0)
        span = self.high - self.low
        low, high = self.low + span * ends[first], self.low + span * ends[last + 2]
        return replace(self, low=low, high=high)


def free_weights(thinning: Thinning, priors: Sequence[Prior]) -> FreeWeights:
    """Prepare a look at all weights."""
    if len(priors) not in NODES:
        raise EngineRefusal(
            f"{len(priors)} weights of a selection have priors, and at most {max(NODES)} are integrated; "
            "give it fewer steps."
        )
    ends = np.array([1e-12, 1.0 - 1e-12])
    if any(np.max(prior.logpdf(ends)) > STEEP for prior in priors):
        raise EngineRefusal(
            "a share of weights has a prior whose density is not finite at 0 or 1; take a beta prior with "
            "both parameters at least 1."
        )
    width = len(priors)
    return FreeWeights(thinning, tuple(priors), np.zeros(width), np.ones(width), LOOK[width])
