"""Mean effects of several options and what may be learned of them, jointly, as a fit knows them.

Given the hyperparameters they are normal. Their covariances follow from the variances of sums, so that any
fit that gives combinations of its coefficients can be asked.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

from bayesrtw.engine.drawn import POINT
from bayesrtw.engine.fitted import Expects
from bayesrtw.errors import EngineRefusal
from bayesrtw.posterior.kernels import Kernels
from bayesrtw.question.next_trial import After, OtherEffect, TrialSetting, carrying
from bayesrtw.question.predict import row_at

Array = NDArray[np.float64]

#: Draws along more than one direction: points of a scrambled Sobol sequence, and its seed.
DRAWS, SEED = 2**13, 20261130
#: Variances below this share of the largest are none.
NONE = 1e-12
#: Variance up to which a kernel is a draw.
DRAWN = (2.0 * POINT) ** 2

#: What is said where a joint posterior is asked for that is not there.
NOT_NORMAL = (
    "several options, or a trial elsewhere than where the option is, need a joint posterior, and that of "
    "this model is no mixture of normals: ask for one option with the trial where it is, or give a "
    "synthesis, whose draws say what several options are worth."
)


@dataclass(frozen=True, slots=True, eq=False)
class Effects:
    """Mean effects at several places, jointly normal given each node."""

    weight: Array  #: Shares of the nodes, shape (node,); they sum to one.
    mean: Array  #: Shape (node, place); analysis scale.
    covariance: Array  #: Shape (node, place, place).
    kept: NDArray[np.bool_]  #: Which nodes of the fit these are, shape (node of the fit,).
    #: Where kernels are not normal and every place is the same: their series, shape (node, degree + 1).
    series: Array | None = None

    @property
    def joint(self) -> bool:
        """Whether they are mixtures of normals, and neither draws nor series."""
        return self.series is None and bool(self.covariance.max() > DRAWN)

    @property
    def drawn_alone(self) -> bool:
        """Whether they are draws, of which nothing but the draws is known."""
        return self.series is None and not self.joint

    def along(self, place: int) -> Kernels:
        """Give one of them by itself."""
        sd = np.sqrt(self.covariance[:, place, place])
        return Kernels(self.weight, self.mean[:, place], sd, self.series)

    def setting(self, place: int, apart: Array) -> TrialSetting:
        """Take one of them for the mean of the settings where a trial may be; variances (node,)."""
        return TrialSetting(self.along(place), apart)

    def line(self, place: int, of: int) -> OtherEffect:
        """Give one of them beside another."""
        return OtherEffect(
            self.mean[:, place], self.covariance[:, place, place], self.covariance[:, place, of]
        )

    def drawn(
        self, places: Sequence[int], count: int = DRAWS, spare: int = 0
    ) -> tuple[Array, Array]:
        """Draw some of them evenly: values (draw, place), and what is left of the sequence, (draw, spare).

        The spare coordinates are uniform and independent: amounts of money are drawn from them.
        """
        from scipy.stats import qmc  # noqa: PLC0415 - half a second, which most commands do not need

        sobol = qmc.Sobol(1 + len(places) + spare, rng=np.random.default_rng(SEED))
        u = np.clip(sobol.random(count), 1e-12, 1.0 - 1e-12)
        if not len(places):
            return np.empty((count, 0)), u[:, 1:]
        if self.series is not None:
            raise EngineRefusal(NOT_NORMAL)
        upto = np.cumsum(self.weight)
        node = np.minimum(np.searchsorted(upto, u[:, 0] * upto[-1]), len(upto) - 1)
        part = np.ix_(np.arange(len(upto)), places, places)
        z = ndtri(u[:, 1 : 1 + len(places)])
        values = self.mean[node][:, places] + np.einsum(
            "dij,dj->di", _root(self.covariance[part])[node], z
        )
        return values, u[:, 1 + len(places) :]

    def told(self, known: Sequence[int], values: Array, place: int) -> After:
        """Give one of them once others are known, values of shape (draw, known)."""
        others = np.ix_(np.arange(len(self.weight)), known, known)
        root = np.linalg.inv(_root(self.covariance[others], floor=NONE))
        log, mean = np.empty((2, len(self.weight), len(values)))
        variance = self.covariance[:, place, place].copy()
        for node, inverse in enumerate(root):
            z = (values - self.mean[node, known]) @ inverse.T
            log[node] = np.log(self.weight[node]) - 0.5 * np.sum(z * z, axis=1)
            log[node] += np.log(np.diag(inverse)).sum()
            gain = inverse @ self.covariance[node, known, place]
            mean[node] = self.mean[node, place] + z @ gain
            variance[node] -= gain @ gain
        share = np.exp(log - log.max(axis=0))
        left = np.sqrt(np.maximum(variance, 0.0))[:, None]
        return After(share / share.sum(axis=0), mean, np.broadcast_to(left, mean.shape))


def effects_at(whole: Expects, rows: Array) -> Effects:
    """Ask a fit for mean effects at places, rows of its design, shape (place, column)."""
    # Options may be at one place, and a trial where an option is.
    distinct, place = np.unique(np.round(rows, 12), axis=0, return_inverse=True)
    count = len(distinct)
    pairs = [(a, b) for a in range(count) for b in range(a)]
    found = list(whole.mean_at(distinct))
    first = found[0]
    if count > 1:
        if any(each.series is not None for each in found):
            raise EngineRefusal(NOT_NORMAL)
        found += whole.mean_at(np.array([distinct[a] + distinct[b] for a, b in pairs]))
    if not all(np.array_equal(first.weight, each.weight) for each in found):
        raise EngineRefusal(
            "what effects say of each other is worked out where they have the same nodes; these do not."
        )
    keep = carrying(first.weight)
    weight = first.weight[keep] / first.weight[keep].sum()
    series = None if first.series is None else first.series[keep]
    mean = np.stack([each.mean[keep] for each in found[:count]], axis=1)
    variance = np.stack([each.sd[keep] ** 2 for each in found], axis=1)
    covariance = np.zeros((len(weight), count, count))
    if variance.max() > DRAWN:  # draws are points, and know every effect together
        covariance[:, range(count), range(count)] = variance[:, :count]
        for (a, b), both in zip(pairs, variance[:, count:].T, strict=True):
            own = 0.5 * (both - variance[:, a] - variance[:, b])
            covariance[:, a, b] = covariance[:, b, a] = own
    place = place.reshape(-1)
    return Effects(weight, mean[:, place], covariance[:, place[:, None], place], keep, series)


def elsewhere(whole: Expects, at: Mapping[str, str | float]) -> tuple[TrialSetting, OtherEffect]:
    """Put a trial where moderators have some values, with the pooled mean beside it."""
    headline = whole.model.pooled
    row, along = row_at(whole, headline, at)
    try:
        effects = effects_at(whole, np.stack([row_at(whole, headline, {})[0], row]))
    except EngineRefusal:
        raise EngineRefusal(
            "what a trial at values of moderators says of the pooled mean needs both together, and this "
            "posterior is no mixture of normals (missing levels, or another likelihood): give a "
            "synthesis, whose draws say it, or ask for a trial of the average programme, without `at`."
        ) from None
    return effects.setting(1, apart_at(whole, row, along)[effects.kept]), effects.line(0, 1)


def apart_at(whole: Expects, row: Array, along: Array) -> Array:
    """Give the variance of settings around a mean, shape (node,)."""
    [level] = whole.mean_at(row[None, :])
    [new] = whole.mean_at(row[None, :], new=True, along=along[None, :])
    return np.maximum(new.sd**2 - level.sd**2, 0.0)


def _root(covariance: Array, floor: float = 0.0) -> Array:
    """Give lower triangular roots, shape (node, place, place); some directions may have no variance."""
    count = covariance.shape[-1]
    size = np.maximum(np.trace(covariance, axis1=1, axis2=2) / count, 1e-300)
    # A common effect leaves differences without variance: rounding must not make it negative.
    spare = (max(floor, NONE) * size)[:, None, None] * np.eye(count)
    return np.asarray(np.linalg.cholesky(covariance + spare))
