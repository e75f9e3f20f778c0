"""Log likelihoods of a study at effects and shapes of its curve, integrated under the law of shapes."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import logsumexp

Array = NDArray[np.float64]


class Tabled(NamedTuple):
    """Log likelihoods at effects and log shapes or, where nothing else counts, at effects and levels."""

    theta: Array  #: Shape (effect,).
    at: Array  #: Log shapes, shape (shape,), or levels, shape (effect, level).
    log: Array  #: Shape (effect, shape) or (effect, level), with the steps of levels.
    law: Callable[[Array], Array]  #: Gives log weights of shapes or levels.

    @property
    def value(self) -> Array:
        """Log likelihoods under the law of shapes, shape (effect,)."""
        return np.asarray(logsumexp(self.log + self.law(self.at), axis=1))

    def woven(self, between: "Tabled") -> "Tabled":
        """Put effects that lie between these in their places."""
        at = self.at if self.at.ndim == 1 else _woven(self.at, between.at)
        return Tabled(
            _woven(self.theta, between.theta), at, _woven(self.log, between.log), self.law
        )


def _woven(one: Array, other: Array) -> Array:
    """Put rows of one array between those of another."""
    found = np.empty((len(one) + len(other), *one.shape[1:]))
    found[::2], found[1::2] = one, other
    return found
