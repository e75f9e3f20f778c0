"""Log likelihoods of a study at effects and shapes of its curve, integrated under laws of shapes."""

import math
from typing import NamedTuple

import numpy as np
import scipy
from numpy.typing import NDArray
from scipy.special import logsumexp

Array = NDArray[np.float64]


class LevelLaws(NamedTuple):
    """Log densities of levels given log shapes, shape (level, shape)."""

    level: Array
    log_shape: Array
    log: Array

    def under(self, law: tuple[float, float]) -> "scipy.interpolate.CubicSpline":
        """Integrate over log shapes that are normal."""
        return scipy.interpolate.CubicSpline(
            self.level, logsumexp(self.log + _weights(self.log_shape, law), axis=1)
        )


class Tabled(NamedTuple):
    """Log likelihoods at effects and log shapes or, where nothing else counts, at effects and levels.

    Attributes
    ----------
    theta
        Shape (effect,).
    at
        Log shapes, shape (shape,), or levels, shape (effect, level).
    log
        Shape (effect, shape) or (effect, level), with the steps of levels.
    levels
        Densities of levels; None for log shapes.
    """

    theta: Array
    at: Array
    log: Array
    levels: LevelLaws | None = None

    def under(self, law: tuple[float, float]) -> Array:
        """Integrate under log shapes that are normal, shape (effect,)."""
        weight = _weights(self.at, law) if self.levels is None else self.levels.under(law)(self.at)
        return np.asarray(logsumexp(self.log + weight, axis=1))

    def line(self, law: tuple[float, float]) -> tuple[Array, Array]:
        """Give effects and log likelihoods, each of shape (effect,)."""
        return self.theta, self.under(law)

    def woven(self, between: "Tabled") -> "Tabled":
        """Put effects that lie between these in their places."""
        at = self.at if self.levels is None else _woven(self.at, between.at)
        return Tabled(
            _woven(self.theta, between.theta), at, _woven(self.log, between.log), self.levels
        )


def _weights(log_shape: Array, law: tuple[float, float]) -> Array:
    """Give logs of weights of log shapes at even steps, normal with a mean and an SD."""
    mean, sd = law
    bare = -0.5 * ((log_shape - mean) / sd) ** 2
    return np.asarray(
        bare + math.log((log_shape[1] - log_shape[0]) / (sd * math.sqrt(2 * math.pi)))
    )


def _woven(one: Array, other: Array) -> Array:
    """Put rows of one array between those of another."""
    found = np.empty((len(one) + len(other), *one.shape[1:]))
    found[::2], found[1::2] = one, other
    return found
