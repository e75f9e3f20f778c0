"""Units of counts: two groups whose baseline is integrated, two groups given their sum, and single groups."""

import itertools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import numpy as np
import scipy
from numpy.typing import NDArray
from scipy.special import gammaln, logsumexp

from bayesrtw.errors import SpecError
from bayesrtw.model.contract import UNIT, normal
from bayesrtw.model.prior import Prior

Array = NDArray[np.float64]

#: Log probability of events among people, at a linear predictor; all of them broadcast.
Law = Callable[[Array, Array, Array], Array]

#: Points of each search for where a baseline lives, how often it is narrowed, nodes of each panel.
LOOKED, NARROWED, SIDE = 25, 4, 28
#: Ends of panels on each side, as shares of its reach: near the middle a curve may bend within a long reach.
PANELS = (0.0, 0.12, 1.0)
#: The same where the log of an integrand is not concave, as with outcomes that go together: it may have a
#: shoulder or a second maximum. How much steeper a slope must become to be no rounding.
BENT, FLAT = (0.0, 0.06, 0.12, 0.2, 0.3, 0.4, 0.5, 0.65, 0.8, 1.0), 1e-6
#: Log of the share of its maximum at which an integrand ends, and how often its reach is doubled.
END, DOUBLED = 36.0, 18
#: Effects that are looked at together.
TOGETHER = 256
#: Outcomes of two groups that say where their baseline lives.
FEW = 9
#: Outcomes of two groups between which the log of an integral is a cubic spline, and how far below its
#: maximum it is followed.
BETWEEN, NOTHING = 401, 1e3
#: Of many studies at once: nodes around a baseline's mode, even in the inverse hyperbolic sine of SDs; Newton
#: steps to the mode and the distance of their differences.
EVEN, STEP, STEPS, NEAR = 59, 0.15, 6, 1e-3
#: Log of what may be left out at the ends, SDs from where a log link ends, largest SD; how near half of the
#: nodes must come, of whose error that of all is some square; numbers in one array.
LEFT, CLEAR, WIDEST, SAME, AT_ONCE = 25.0, 5.0, 0.8, 3e-4, 100_000
#: Most outcomes of a single group around those that its effects make likely, in SDs.
WIDTH = 10.0


@dataclass(frozen=True, slots=True)
class Baseline:
    """Where the middle of two linear predictors lies before anything was seen."""

    prior: Prior  #: A normal prior of it, or a beta prior of the probability there.

    def __post_init__(self) -> None:
        if normal(self.prior) is None and self.prior.support != UNIT:
            raise SpecError(
                "baseline must have a normal prior (of the linear predictor) or a beta prior (of the "
                "probability)."
            )

    @property
    def normal(self) -> tuple[float, float] | None:
        """Mean and SD, if it is normal."""
        return normal(self.prior)

    @property
    def ends(self) -> tuple[float, float]:
        """Where it lives: beyond, its density is below exp(-40) of its maximum."""
        if self.normal is None:
            return -45.0, 45.0
        mean, sd = self.normal
        return mean - 9.0 * sd, mean + 9.0 * sd

    def log_density(self, a: Array) -> Array:
        """Log density of the linear predictor; a beta prior is of its logistic function."""
        if self.normal is not None:
            return np.asarray(self.prior.logpdf(a))
        log_p, log_q = -np.logaddexp(0.0, -a), -np.logaddexp(0.0, a)
        # The density of a logit is that of the probability times p (1 - p); p rounds to 0 or 1 far out.
        at = np.clip(np.exp(log_p), 1e-300, 1.0 - 1e-16)
        return np.asarray(self.prior.logpdf(at) + log_p + log_q)


@dataclass(frozen=True, slots=True, eq=False)
class TwoArms:
    """Two groups whose linear predictors are ``a + theta / 2`` and ``a - theta / 2``; `a` is integrated."""

    name: str  #: How messages call it.
    #: events, size: of both groups, shape (2,).
    events: Array
    size: Array
    law: Law  #: Log probability of events among people.
    baseline: Baseline  #: Prior of `a`.
    #: What outcomes would be reported as, of (events, total).
    estimate: Callable[[Array, float], Array]
    #: Whether predictors end at 0, where a probability is 1: those of a log link.
    bounded: bool = False
    #: Whether the log of what is integrated may be convex somewhere, as no binomial law is.
    bends: bool = False

    def log(self, theta: Array) -> Array:
        found = np.empty(len(theta))
        for start in range(0, len(theta), TOGETHER):
            cut = slice(start, start + TOGETHER)
            found[cut] = _Cells.of([self], theta[cut]).searched()
        return found

    def _given(self, u: Array, total: float, a: Array, theta: float) -> Array:
        """Log density of outcomes and baseline at an effect, shape (baseline, outcome)."""
        with np.errstate(invalid="ignore"):
            both = self.law(u, self.size[0], a + 0.5 * theta)
            both = both + self.law(total - u, self.size[1], a - 0.5 * theta)
        found = both + self.baseline.log_density(a)
        return np.where(np.isnan(found), -np.inf, found)

    def deep(self, theta: Array) -> Array:
        """See `OneStudy`: `log` is right everywhere."""
        return self.log(theta)

    def reports(self, theta: Array) -> tuple[Array, Array]:
        """See `OneStudy`: given how many events both groups have."""
        total = float(self.events.sum())
        u = np.arange(max(0.0, total - self.size[1]), min(total, self.size[0]) + 1.0)
        if self.law is logit:  # how events are shared out then says nothing of the baseline
            ways = _ways(u, self.size[0]) + _ways(total - u, self.size[1])
            found = ways + theta[:, None] * u
        else:
            found = self._shared_out(u, total, theta)
        return self.estimate(u, total), found - logsumexp(found, axis=1, keepdims=True)

    def _shared_out(self, u: Array, total: float, theta: Array) -> Array:
        """Log of integrals over the baseline, shape (effect, outcome): of many outcomes between some."""
        ends = 0.5 * (u[0] + u[-1]) - 0.5 * (u[-1] - u[0]) * np.cos(
            np.linspace(0, math.pi, BETWEEN)
        )
        asked = u if len(u) <= BETWEEN else np.unique(np.round(ends))
        some = u[np.unique(np.linspace(0, len(u) - 1, FEW).astype(int))]
        a = np.linspace(*self.baseline.ends, 1001)[:, None]
        found = np.empty((len(theta), len(asked)))
        for place, each in enumerate(theta):
            log = np.max(self._given(some, total, a, each), axis=1)
            kept = np.flatnonzero(log > np.max(log) - END)
            if not len(kept):  # an effect that no baseline allows: nobody, or everybody
                found[place] = np.where(asked == asked[-1 if each > 0 else 0], 0.0, -np.inf)
                continue
            at = np.linspace(a[max(kept[0] - 1, 0), 0], a[min(kept[-1] + 1, 1000), 0], 201)
            found[place] = logsumexp(self._given(asked, total, at[:, None], each), axis=0)
        if asked is u:
            return found
        known = np.maximum(found, np.max(found, axis=1, keepdims=True) - NOTHING)
        return np.asarray(scipy.interpolate.CubicSpline(asked, known, axis=1)(u))


@dataclass(frozen=True, slots=True, eq=False)
class _Cells:
    """Counts of studies of one law, each at an effect: what is integrated over baselines, one a cell."""

    #: events, size: of both groups, shape (2, cell, 1).
    events: Array
    size: Array
    theta: Array  #: Effects, shape (cell,).
    one: TwoArms  #: A study with the law and the prior of all.

    @classmethod
    def of(cls, units: Sequence[TwoArms], theta: Array) -> "_Cells":
        """Take every study at every effect."""
        events, size = (
            np.repeat(np.array(each).T, len(theta), axis=1)[..., None]
            for each in ([unit.events for unit in units], [unit.size for unit in units])
        )
        return cls(events, size, np.tile(theta, len(units)), units[0])

    def some(self, kept: NDArray[np.bool_]) -> "_Cells":
        """Keep some of them."""
        return replace(
            self, events=self.events[:, kept], size=self.size[:, kept], theta=self.theta[kept]
        )

    @property
    def edge(self) -> Array:
        """Largest baseline that effects allow, shape (cell,)."""
        return -0.5 * np.abs(self.theta) if self.one.bounded else np.full(len(self.theta), np.inf)

    def joint(self, a: Array) -> Array:
        """Log density of counts and baselines, shape (cell, node) as `a`."""
        half = 0.5 * self.theta[:, None]
        with np.errstate(invalid="ignore"):
            first = self.one.law(self.events[0], self.size[0], a + half)
            second = self.one.law(self.events[1], self.size[1], a - half)
        return np.asarray(first + second + self.one.baseline.log_density(a))

    def mode(self) -> tuple[Array, Array]:
        """Search for where baselines live: their most probable values, and how near these are, (cell,)."""
        low, high = (np.full(len(self.theta), end) for end in self.one.baseline.ends)
        share = np.linspace(0.0, 1.0, LOOKED)
        for _ in range(NARROWED):
            at = low[:, None] + (high - low)[:, None] * share
            best = np.argmax(self.joint(at), axis=1)
            gap = (high - low) / (LOOKED - 1)
            middle = at[np.arange(len(at)), best]
            low, high = middle - gap, middle + gap
        return middle, gap

    def searched(self) -> Array:
        """Give log likelihoods by panels over all that baselines reach, shape (cell,)."""
        middle, gap = self.mode()
        peak = self.joint(middle[:, None])[:, 0]
        if not np.isfinite(peak).any():
            return np.full(len(self.theta), -np.inf)
        found = np.full(len(self.theta), -np.inf)
        for side in (-1.0, 1.0):
            end = self._end(middle, gap, peak, side)
            # Where a log link allows no more, a panel ends: the integrand does not go on smoothly.
            if side > 0:
                end = np.clip(self.edge - middle, 1e-12, end)
            own, bent = self._panels(middle, side * end, PANELS)
            if bent.any():
                own[bent], _ = self.some(bent)._panels(middle[bent], side * end[bent], BENT)
            found = np.logaddexp(found, own)
        return found

    def _panels(
        self, middle: Array, end: Array, panels: tuple[float, ...]
    ) -> tuple[Array, NDArray[np.bool_]]:
        """Integrate a side by panels, shape (cell,), and say where the integrand has more than one bend."""
        x, weight = _panel()
        at, log = [], []
        for near, far in itertools.pairwise(panels):
            at.append(end[:, None] * (near + 0.5 * (far - near) * (x + 1.0)))
            log.append(self.joint(middle[:, None] + at[-1]))
            at[-1] = np.abs(at[-1])
        away, value = np.concatenate(at, axis=1), np.concatenate(log, axis=1)
        widths = np.repeat(0.5 * np.diff(panels), len(x)) * np.tile(weight, len(panels) - 1)
        total = np.asarray(logsumexp(value + np.log(widths * np.abs(end)[:, None]), axis=1))
        if not self.one.bends:
            return total, np.zeros(len(total), dtype=bool)
        with np.errstate(invalid="ignore"):
            slope = np.diff(value, axis=1) / np.diff(away, axis=1)
            near_peak = value[:, 2:] > value.max(axis=1, keepdims=True) - END
            bent = np.any(
                near_peak & (np.diff(slope, axis=1) > FLAT * np.abs(slope[:, 1:])), axis=1
            )
        return total, bent

    def _end(self, middle: Array, gap: Array, peak: Array, side: float) -> Array:
        """Find how far the integrand reaches on a side: between half of a doubling and it, four times."""
        reach = gap * 2.0 ** np.arange(-1, DOUBLED)[:, None]
        over = self.joint((middle + side * reach).T) < (peak - END)[:, None]
        first = np.where(over.any(axis=1), np.argmax(over, axis=1), len(reach) - 1)
        high = reach[first, np.arange(len(middle))]
        low = np.where(first > 0, 0.5 * high, 0.0)
        for _ in range(4):
            half = 0.5 * (low + high)
            beyond = self.joint((middle + side * half)[:, None])[:, 0] < peak - END
            low, high = np.where(beyond, low, half), np.where(beyond, half, high)
        return np.asarray(high)

    def evenly(self, mode: Array) -> Array:
        """Give the same from near the modes by even steps; NaN where baselines reach farther or end near."""
        mode = np.minimum(mode, self.edge + mode)
        for _ in range(STEPS):
            below, here, above = self.joint(mode[:, None] + NEAR * np.arange(-1, 2)).T
            bend = (2.0 * here - below - above) / NEAR**2
            step = np.clip((above - below) / (2.0 * NEAR) / bend, -1.0, 1.0)
            mode = np.minimum(mode + step, 0.5 * (mode + self.edge))
        sd, t = 1.0 / np.sqrt(bend), STEP * (np.arange(EVEN) - EVEN // 2)
        log = self.joint(mode[:, None] + sd[:, None] * np.sinh(t)) + np.log(STEP * np.cosh(t))
        peak = log.max(axis=1)
        gone = np.maximum(log[:, 0], log[:, -1]) < peak - LEFT
        near = (sd < WIDEST) & (mode + CLEAR * sd < self.edge)
        each = np.exp(log - peak[:, None])
        total = each.sum(axis=1)
        same = np.abs(2.0 * each[:, ::2].sum(axis=1) / total - 1.0) < SAME
        return np.where(gone & near & same, peak + np.log(total * sd), np.nan)


def densities(units: Sequence[TwoArms], theta: Array) -> Array:
    """Give the log likelihoods of studies of one law and baseline, (unit, point): `TwoArms.log` of each.

    Where the modes of baselines are near those at the effect in the middle, even steps around them do.
    """
    found = []
    chunk = max(1, AT_ONCE // (EVEN * len(theta)))
    for start in range(0, len(units), chunk):
        some = units[start : start + chunk]
        mode, _ = _Cells.of(some, theta[[len(theta) // 2]]).mode()
        cells = _Cells.of(some, theta)
        with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
            own = cells.evenly(np.repeat(mode, len(theta)))
        left = np.isnan(own)
        if left.any():
            own[left] = cells.some(left).searched()
        found.append(own.reshape(len(some), -1))
    return np.concatenate(found)


@dataclass(frozen=True, slots=True, eq=False)
class OneArm:
    """A single group whose linear predictor is its effect."""

    name: str  #: How messages call it.
    #: events, size: of the group.
    events: float
    size: float
    law: Law  #: Log probability of events among people or in person-time.
    most: float  #: Most events there may be.
    estimate: Callable[[Array], Array]  #: What outcomes would be reported as.

    def log(self, theta: Array) -> Array:
        return self.law(np.asarray(self.events), np.asarray(self.size), theta)

    def deep(self, theta: Array) -> Array:
        """See `OneStudy`: `log` is right everywhere."""
        return self.log(theta)

    def reports(self, theta: Array) -> tuple[Array, Array]:
        top = max(self.events, 1.0)
        while top < self.most and np.any(
            self.law(np.asarray(top), np.asarray(self.size), theta) > -END
        ):
            top *= 1.5
        u = np.arange(math.floor(min(top, self.most)) + 1.0)
        log = self.law(u, np.asarray(self.size), theta[:, None])
        return self.estimate(u), log - logsumexp(log, axis=1, keepdims=True)


@cache
def _panel() -> tuple[Array, Array]:
    """Nodes and weights of one panel."""
    return np.polynomial.legendre.leggauss(SIDE)


def _ways(events: Array, size: float) -> Array:
    """Log of how many ways there are to some events among people."""
    return np.asarray(gammaln(size + 1.0) - gammaln(events + 1.0) - gammaln(size - events + 1.0))


def _binomial(events: Array, size: Array, log_p: Array, log_q: Array) -> Array:
    """Log probability of events among people, where 0 times -inf is 0."""
    some = np.where(events > 0, events * np.where(events > 0, log_p, 0.0), 0.0)
    rest = size - events
    none = np.where(rest > 0, rest * np.where(rest > 0, log_q, 0.0), 0.0)
    return np.asarray(_ways(np.asarray(events), size) + some + none)  # type: ignore[arg-type]


def logit(events: Array, size: Array, eta: Array) -> Array:
    """Binomial probability where `eta` is the log odds."""
    # log(1 + exp(eta)), which logaddexp gives in five times the time.
    soft = np.maximum(eta, 0.0) + np.log1p(np.exp(-np.abs(eta)))
    return np.asarray(_ways(events, size) + events * eta - size * soft)  # type: ignore[arg-type]


def log(events: Array, size: Array, eta: Array) -> Array:
    """Binomial probability where `eta` is the log of the probability; none where that is above 1."""
    below = np.minimum(eta, -1e-300)
    found = _binomial(events, size, below, np.log(-np.expm1(below)))
    return np.where(eta < 0, found, -np.inf)


def cloglog(events: Array, size: Array, eta: Array) -> Array:
    """Binomial probability where `eta` is the log of the cumulative hazard."""
    hazard = np.exp(np.clip(eta, -700.0, 600.0))
    log_p = np.log(np.maximum(-np.expm1(-hazard), 1e-320))
    return _binomial(events, size, log_p, -hazard)


def beta_binomial(link: str, scale: float, events: Array, size: Array, eta: Array) -> Array:
    """Binomial probability whose own probability is beta with the mean that `eta` tells."""
    log_p, log_q = _log_chances(link, eta)
    found = _ways(events, size) + gammaln(scale) - gammaln(size + scale)  # type: ignore[arg-type]
    for some, log in ((events, log_p), (size - events, log_q)):
        own = scale * np.exp(log)
        # Of a beta whose parameter is next to nothing, the first factor is its logarithm.
        rising = log + math.log(scale) + gammaln(np.maximum(some, 1.0) + own) - gammaln(1.0 + own)
        found = found + np.where(some > 0, rising, 0.0)
    return np.where(np.isnan(found), -np.inf, found)


def _log_chances(link: str, eta: Array) -> tuple[Array, Array]:
    """Log p and log (1 - p) of a linear predictor; no p where a log link has none."""
    if link == "logit":
        return -np.logaddexp(0.0, -eta), -np.logaddexp(0.0, eta)
    if link == "log":
        below = np.minimum(eta, -1e-300)
        return np.where(eta < 0, below, -np.inf), np.log(-np.expm1(below))
    hazard = np.exp(np.clip(eta, -700.0, 600.0))
    return np.log(np.maximum(-np.expm1(-hazard), 1e-320)), -hazard


def poisson(events: Array, size: Array, eta: Array) -> Array:
    """Poisson probability of events in person-time where `eta` is the log rate."""
    mean = eta + np.log(size)
    return np.asarray(events * mean - np.exp(np.minimum(mean, 700.0)) - gammaln(events + 1.0))


LINKS: dict[str, Law] = {"logit": logit, "log": log, "cloglog": cloglog}


def log_probability(link: str, eta: Any) -> tuple[Any, Any]:
    """Give log p and log (1 - p) of a linear predictor inside a PyMC graph."""
    import pytensor.tensor as pt  # noqa: PLC0415

    if link == "logit":
        return -pt.softplus(-eta), -pt.softplus(eta)
    if link == "log":
        return eta, pt.switch(pt.lt(eta, 0.0), pt.log1mexp(pt.minimum(eta, -1e-12)), -np.inf)
    return pt.log1mexp(-pt.exp(eta)), -pt.exp(eta)
