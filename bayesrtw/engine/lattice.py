"""Estimates that may be biased, on lattices of the pooled mean and of the mean bias.

Given mu, tau, a mean bias and the SD of biases, the estimates of a class with probability pi of bias have
the density prod (1 - pi) f0 + pi f1, a polynomial in pi: a Gauss-Jacobi rule of half its degree integrates
it over the beta prior of pi without error, which is the sum over all 2^n allocations at the cost of n^2.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from bayesrtw.engine.kernel import LOG_2PI

Array = NDArray[np.float64]

#: A normal prior of a mean bias is cut here, in SDs: 8e-11 of it lies outside.
CUT = 6.5
#: A point this near to one of the lattice, in steps times pi, is that one.
NEAR = 1e-6
#: Combinations of mu, mean bias and SD that are computed at once: two megabytes.
AT_ONCE = 250_000


@dataclass(frozen=True, slots=True, eq=False)
class AtRisk:
    """A group at risk: its estimates by class, and the priors of its biases.

    Attributes
    ----------
    effect, variance
        Shape (row,).
    classes
        Rows of each class, with nodes and weights of its probability of bias.
    mean, sd
        Prior of the mean bias, on the analysis scale.
    spread2, of_spread
        Nodes of the squared SD of biases and their prior weights, shape (spread,).
    """

    effect: Array
    variance: Array
    classes: tuple[tuple[slice, Array, Array], ...]
    mean: float
    sd: float
    spread2: Array
    of_spread: Array

    def biases(self, step: float) -> tuple[Array, Array]:
        """Lay the lattice of the mean bias around its prior mean.

        Parameters
        ----------
        step
            The step, analysis scale.

        Returns
        -------
        tuple of ndarray, shape (bias,)
            Points, and prior weights that sum to one.
        """
        reach = math.ceil(CUT * self.sd / step)
        apart = step * np.arange(-reach, reach + 1.0)
        weight = np.exp(-0.5 * (apart / self.sd) ** 2)
        return self.mean + apart, weight / weight.sum()

    def densities(self, mu: Array, step: float, tau: float) -> tuple[float, Array, Array, Array]:
        """Give the weights of the biases, and both densities of every row.

        Parameters
        ----------
        mu
            Points of a lattice, shape (mu,).
        step
            Its step.
        tau
            Heterogeneity SD.

        Returns
        -------
        tuple
            Log of a factor that both densities lack; weights (bias,); densities without bias
            (row, mu) and with it (row, mu, spread, bias), the last one a view of a table over mu + bias.
        """
        bias, weight = self.biases(step)
        v0 = self.variance + tau**2
        scaled = -0.5 * float(np.sum(LOG_2PI + np.log(v0)))
        f0 = np.exp(-0.5 * (self.effect[:, None] - mu) ** 2 / v0[:, None])
        at = mu[0] + bias[0] + step * np.arange(len(mu) + len(bias) - 1.0)
        v1 = v0[:, None] + self.spread2
        gap = (self.effect[:, None] - at) ** 2
        table = (
            np.exp(-0.5 * gap[:, None, :] / v1[..., None]) * np.sqrt(v0[:, None] / v1)[..., None]
        )
        windows = sliding_window_view(table, len(bias), axis=-1)
        return scaled, weight, f0, np.moveaxis(windows, 2, 1)

    def pieces(self, mu: Array, step: float) -> list[slice]:
        """Cut a lattice into ranges whose combinations fit into the cache.

        Parameters
        ----------
        mu
            Points, shape (mu,).
        step
            The step.

        Returns
        -------
        list of slice
            In order.
        """
        each = max(1, AT_ONCE // (len(self.biases(step)[1]) * len(self.spread2)))
        return [slice(start, start + each) for start in range(0, len(mu), each)]

    def log_density(self, mu: Array, step: float, tau: float, every: int = 1) -> Array:
        """Give the log density of the group's estimates given mu and tau.

        Parameters
        ----------
        mu
            Points of a lattice, shape (mu,).
        step
            Its step.
        tau
            Heterogeneity SD.
        every
            Only every so many points are computed.

        Returns
        -------
        ndarray, shape (mu // every,)
            Biases and probabilities integrated out.
        """
        scaled, weight, f0, f1 = self.densities(mu, step, tau)
        f0, f1 = f0[:, ::every], f1[:, ::every]
        found = np.zeros(f0.shape[1])
        for here in self.pieces(f0[0], step):
            whole = np.ones((1, 1, 1))
            for rows, chance, of_chance in self.classes:
                whole = whole * _summed(f0[rows, here], f1[rows, here], chance, of_chance)
            found[here] = (whole @ weight) @ self.of_spread
        with np.errstate(divide="ignore"):
            return np.asarray(scaled + np.log(found))

    def biased(self, mu: Array, step: float, tau: float) -> tuple[Array, Array]:
        """Say how probably each estimate is biased given mu and tau, and what the mean bias is.

        Parameters
        ----------
        mu
            Points of a lattice, shape (mu,).
        step
            Its step.
        tau
            Heterogeneity SD.

        Returns
        -------
        tuple of ndarray
            Shapes (row, mu) and (mu,).
        """
        _, weight, f0, f1 = self.densities(mu, step, tau)
        bias = self.biases(step)[0]
        chances, means = np.zeros((len(self.effect), len(mu))), np.zeros(len(mu))
        for here in self.pieces(mu, step):
            own = [
                _summed(f0[rows, here], f1[rows, here], chance, of_chance)
                for rows, chance, of_chance in self.classes
            ]
            joint = np.prod(own, axis=0) * self.of_spread[:, None] * weight
            total = joint.sum(axis=(1, 2))
            means[here] = (joint @ bias).sum(axis=1) / total
            for place, (rows, chance, of_chance) in enumerate(self.classes):
                others = np.divide(
                    joint, own[place], out=np.zeros_like(joint), where=own[place] > 0
                )
                for row in range(rows.start, rows.stop):
                    both = _summed(
                        f0[rows, here], f1[rows, here], chance, of_chance, row - rows.start
                    )
                    chances[row, here] = (others * both).sum(axis=(1, 2)) / total
        return chances, means


def _summed(
    f0: Array, f1: Array, chance: Array, of_chance: Array, biased: int | None = None
) -> Array:
    """Integrate prod (1 - pi) f0 + pi f1 over pi; with the biased part alone of one row if asked.

    Shapes (row, mu) and (row, mu, spread, bias) to (mu, spread, bias).
    """
    total = np.zeros(f1.shape[1:])
    for pi, weight in zip(chance, of_chance, strict=True):
        product = np.full(f1.shape[1:], weight)
        for row in range(len(f0)):
            if row == biased:
                product *= pi * f1[row]
            else:
                product *= (1.0 - pi) * f0[row][:, None, None] + pi * f1[row]
        total += product
    return total


@dataclass(frozen=True, slots=True, eq=False)
class Lattice:
    """The posterior of mu given tau, on a lattice.

    Attributes
    ----------
    mu
        Points, shape (point,), one step apart.
    step
        The step.
    share
        Posterior share of each point, shape (point,).
    log_total
        Log density of the data given tau.
    """

    mu: Array
    step: float
    share: Array
    log_total: float

    @property
    def mean(self) -> float:
        """Mean of mu given tau."""
        return float(self.share @ self.mu)

    @property
    def variance(self) -> float:
        """Variance of mu given tau."""
        return float(self.share @ (self.mu - self.mean) ** 2)

    def density(self, x: Array) -> Array:
        """Give the density of mu between the points, by the samples that determine it.

        Parameters
        ----------
        x
            Any shape, analysis scale.

        Returns
        -------
        ndarray
            Same shape.
        """
        first = (x - self.mu[0]) / self.step
        away = np.pi * (first[..., None] - np.arange(len(self.mu)))
        # The sine of every distance is that of the first one, with alternating signs.
        signed = self.share * (-1.0) ** np.arange(len(self.mu))
        near = np.abs(away) < NEAR
        parts = signed / np.where(near, 1.0, away)
        whole = np.sin(np.pi * first) * np.sum(np.where(near, 0.0, parts), axis=-1)
        return np.asarray((whole + np.where(near, self.share, 0.0).sum(axis=-1)) / self.step)
