"""What one more trial could change: the posterior after every result that it may have.

Given the hyperparameters the pooled mean and the result of a trial in a new setting are jointly normal, so
that the posterior after a result is the present mixture with other weights, means and SDs: algebra, no refit.
Results are taken at equally probable points of their predictive distribution; nothing is simulated.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

from bayesrtw.engine.fitted import Posterior
from bayesrtw.errors import EngineRefusal
from bayesrtw.posterior import mixture

Array = NDArray[np.float64]

#: Nodes with less than this share of the largest are left out: a result that raises such a node a
#: thousandfold is itself less probable than one in a thousand.
NEGLIGIBLE = 1e-10


@dataclass(frozen=True, slots=True, eq=False)
class After:
    """The pooled mean after results of one more trial.

    Attributes
    ----------
    weight, mean, sd
        Mixture of normals after each result, shape (node, result); analysis scale.
    """

    weight: Array
    mean: Array
    sd: Array

    def beyond(self, threshold: float, *, above: bool) -> Array:
        """Give the probability that the pooled mean lies beyond a threshold.

        Parameters
        ----------
        threshold
            On the analysis scale.
        above
            Whether beyond means above.

        Returns
        -------
        ndarray, shape (result,)
            In [0, 1].
        """
        # Under a common effect a trial without sampling error leaves no doubt: SDs of zero.
        with np.errstate(divide="ignore"):
            z = (self.mean - threshold) / self.sd
        return np.asarray(np.sum(self.weight * ndtr(z if above else -z), axis=0))

    def width(self, ci_prob: float) -> Array:
        """Give the width of the central interval.

        Parameters
        ----------
        ci_prob
            Its probability.

        Returns
        -------
        ndarray, shape (result,)
            On the analysis scale.
        """
        ends = [
            mixture.quantile(level, self.weight, self.mean, self.sd)
            for level in (0.5 - ci_prob / 2, 0.5 + ci_prob / 2)
        ]
        return np.asarray(ends[1] - ends[0])


def results(known: Posterior, se: float, count: int) -> Array:
    """Give equally probable results of a trial in a new setting.

    Parameters
    ----------
    known
        What is known.
    se
        Standard error of the trial, analysis scale; 0 is a trial without sampling error.
    count
        How many.

    Returns
    -------
    ndarray, shape (result,)
        Quantiles of the predictive distribution at the middles of `count` equal shares, rising.
    """
    weight, mean, _, new = _kept(known)
    level = (np.arange(count) + 0.5) / count
    shape = (len(weight), count)
    sd = np.hypot(new, se)
    return mixture.quantile(
        level, weight, np.broadcast_to(mean[:, None], shape), np.broadcast_to(sd[:, None], shape)
    )


def after(known: Posterior, se: float, result: Array) -> After:
    """Give the posterior of the pooled mean after one more trial in a new setting.

    Parameters
    ----------
    known
        What is known before it.
    se
        Its standard error, analysis scale, >= 0.
    result
        What it may report, shape (result,); analysis scale.

    Returns
    -------
    After
        For every result.
    """
    weight, mean, sd, new = (part[:, None] for part in _kept(known))
    variance = new**2 + se**2
    gap = result - mean
    log = np.log(weight) - 0.5 * (gap**2 / variance + np.log(variance))
    share = np.exp(log - log.max(axis=0))
    gain = sd**2 / variance
    left = np.broadcast_to(sd * np.sqrt(np.maximum(1.0 - gain, 0.0)), share.shape)
    return After(share / share.sum(axis=0), mean + gain * gap, left)


def _kept(known: Posterior) -> tuple[Array, Array, Array, Array]:
    """Give weights, means, SDs, and SDs of a new setting of the nodes that carry something."""
    mu, level = known.pooled, known.effects["mu"]
    new = known.effects.get("theta_new", level)
    if mu.series is not None or len(new.weight) != len(mu.weight):
        raise EngineRefusal(
            "what one more trial would say is worked out for posteriors that are normal given the "
            "hyperparameters; this one is not: simulate a trial and fit the model with it."
        )
    keep = mu.weight > NEGLIGIBLE * mu.weight.max()
    weight = mu.weight[keep] / mu.weight[keep].sum()
    # A setting whose moderators are at the mean itself: it differs by heterogeneity alone.
    apart = np.sqrt(mu.sd**2 + np.maximum(new.sd**2 - level.sd**2, 0.0))
    return weight, mu.mean[keep], mu.sd[keep], apart[keep]
