"""The default bias mixture by its definition on a plain grid: nothing of the engine's algebra is used.

An estimate of a group is N(mu, s^2 + tau^2), or with the group's probability pi N(mu + b, s^2 + tau^2 +
kappa^2). Everything is summed over: mu and the mean bias b share one equidistant grid, so that mu + b lies on
it too; tau and kappa have Gauss-Legendre nodes, denser near zero; pi has Gauss-Jacobi nodes, whose sum is
exact because the density is a polynomial in pi. The engine lays
rules around the posterior (`bayesrtw.engine.curved`); this lays them everywhere.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.polynomial import legendre
from scipy.interpolate import CubicSpline
from scipy.special import roots_jacobi, roots_legendre

from bayesrtw.model.bias_mixture import default_mixture

#: Step of the grid over mu and b in SDs of the narrowest posterior mu can have: a sum over a normal density
#: is then exact to exp(-2 pi^2 / 1.69) = 8e-6.
STEP = 1.3
#: Where normal priors of b are cut, in SDs (3e-5 lies outside), and half-normal ones of tau and kappa.
CUT = 4.2
#: Nodes of tau and of kappa. With these settings no mean or end of an interval of 18 data sets moves by more
#: than 0.0005 of the width of the interval when all are made finer (28 and 14 nodes, step 0.8).
TAUS, KAPPAS = 15, 9
#: Share of the largest marginal density that may remain at an end of a range.
END = 1e-4
#: The product over estimates is taken in single precision: 1e-6 of a density is enough, in half the time.
SINGLE = np.float32
#: Points of a spline of the log density between two of the grid.
FINE = 40


@dataclass(frozen=True)
class Posterior:
    """Marginals of mu, density at points, and of tau, shares at the nodes of sqrt(tau / end)."""

    mu: np.ndarray
    cumulative: np.ndarray
    mean: float
    tau_share: np.ndarray
    tau_end: float

    def quantile(self, q):
        return np.interp(q, self.cumulative, self.mu)

    def below(self, mu):
        return float(np.interp(mu, self.mu, self.cumulative))

    def tau_below(self, tau):
        count = len(self.tau_share)
        x, _ = roots_legendre(count)
        series = (np.arange(count) + 0.5) * (self.tau_share @ legendre.legvander(x, count - 1))
        at = 2.0 * math.sqrt(min(tau / self.tau_end, 1.0)) - 1.0
        return float(np.clip(legendre.legval(at, legendre.legint(series, lbnd=-1)), 0.0, 1.0))


def squared(count, end):
    """Nodes end u^2 and weights on [0, end], u Gauss-Legendre."""
    x, w = roots_legendre(count)
    u = 0.5 * (x + 1.0)
    return end * u**2, w * end * u


def groups(trial):
    """Rows, mean and SD of the mean bias, scale of kappa, and beta parameters, of each design."""
    for group, rows in zip(default_mixture().groups, (trial, ~trial), strict=True):
        place = [each.judgement for each in group.classes].index("")
        prior = group.prior(place)
        yield rows, group.common.mean, group.common.sd, group.spread.scale, prior.a, prior.b


def likelihood(effect, se, mu, step, tau2, group):
    """Density of a group's estimates at every mu of the grid, given tau; se sqrt(2 pi) taken out."""
    centre, sd, scale, a, b = group
    reach = math.ceil(CUT * sd / step)
    bias = centre + step * np.arange(-reach, reach + 1)
    of_bias = np.exp(-0.5 * ((bias - centre) / sd) ** 2)
    of_bias /= of_bias.sum()
    kappa, of_kappa = squared(KAPPAS, CUT * scale)
    of_kappa = of_kappa * np.exp(-0.5 * (kappa / scale) ** 2)
    of_kappa /= of_kappa.sum()
    t, of_pi = roots_jacobi(len(effect) // 2 + 1, b - 1.0, a - 1.0)
    pi, of_pi = 0.5 * (t + 1.0), of_pi / of_pi.sum()
    sums = mu[0] + bias[0] + step * np.arange(len(mu) + len(bias) - 1)
    whole = np.ones((len(pi), KAPPAS, len(mu), len(bias)), dtype=SINGLE)
    room = np.empty_like(whole)
    for y, s in zip(effect, se, strict=True):
        v0 = s**2 + tau2
        f0 = s / math.sqrt(v0) * np.exp(-0.5 * (y - mu) ** 2 / v0)
        v1 = v0 + kappa[:, None] ** 2
        f1 = s / np.sqrt(v1) * np.exp(-0.5 * (y - sums) ** 2 / v1)
        biased = sliding_window_view((pi[:, None, None] * f1).astype(SINGLE), len(bias), axis=-1)
        unbiased = ((1.0 - pi)[:, None] * f0).astype(SINGLE)
        np.add(unbiased[:, None, :, None], biased, out=room)
        whole *= room
    return np.einsum(
        "pkm,p,k->m", (whole @ of_bias.astype(SINGLE)).astype(float), of_pi, of_kappa, optimize=True
    )


def posterior(effect, se, trial, low, high, end, *, mu_sd=0.5, tau_scale=0.25):
    """The posterior of mu and tau.

    `effect`, `se` and `trial` have the shape (estimate,); mu is looked for from `low` to `high` and tau up to
    `end`, which are widened until the density has fallen off. Priors: mu ~ N(0, mu_sd^2), tau half-normal.
    """
    limit = CUT * tau_scale
    step = STEP / math.sqrt(np.sum(se**-2.0) + mu_sd**-2)
    while True:
        mu = np.arange(low, high + step, step)
        taus, of_tau = squared(TAUS, min(end, limit))
        joint = np.empty((TAUS, len(mu)))
        for place, tau in enumerate(taus):
            joint[place] = of_tau[place] * np.exp(-0.5 * (tau / tau_scale) ** 2)
            for rows, *group in groups(trial):
                joint[place] *= likelihood(effect[rows], se[rows], mu, step, tau**2, group)
        joint *= np.exp(-0.5 * (mu / mu_sd) ** 2)
        density = joint.sum(axis=0)
        share = joint.sum(axis=1) / density.sum()
        widen = [density[place] > END * density.max() for place in (0, -1)]
        far = end < limit and share[-1] / of_tau[-1] > END * np.max(share / of_tau)
        if not (any(widen) or far):
            break
        low, high = low - widen[0] * 0.3 * (high - low), high + widen[1] * 0.3 * (high - low)
        end = limit if far else end
    keep = density > 0
    spline = CubicSpline(mu[keep], np.log(density[keep] / density.max()))
    point = np.linspace(mu[keep][0], mu[keep][-1], FINE * int(keep.sum()))
    fine = np.exp(spline(point))
    cumulative = np.concatenate([[0.0], np.cumsum(0.5 * (fine[1:] + fine[:-1]))])
    mean = float(np.sum(mu * density) / density.sum())
    return Posterior(point, cumulative / cumulative[-1], mean, share, min(end, limit))
