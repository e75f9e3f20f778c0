"""What each study, or each family of studies, does to the pooled mean."""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from bayesrtw.engine.exact import Exact
from bayesrtw.evidence.table import Evidence
from bayesrtw.model.spec import Model
from bayesrtw.posterior import mixture
from bayesrtw.question.pool import Pooled
from bayesrtw.question.scaling import log_density
from bayesrtw.question.sensitivity import LeftOut, leave_out

if TYPE_CHECKING:
    import pandas as pd

Array = NDArray[np.float64]

#: Points of the integral of a divergence, and its half-width in posterior SDs.
POINTS, WIDTH = 801, 10.0


def influence(
    model: Model,
    evidence: Evidence,
    *,
    by: str = "study",
    ci_prob: float = 0.95,
    threshold: float = 0.0,
) -> "pd.DataFrame":
    """Measure what is changed by leaving out each value of a column.

    Parameters
    ----------
    model, evidence
        What is pooled; the model has an intercept.
    by
        Column whose equal values are left out together, e.g. ``study`` or ``trial_family``.
    ci_prob
        Probability of the central interval.
    threshold
        Size of an effect beyond which benefit counts; 0 is no effect.

    Returns
    -------
    DataFrame
        The columns of `bayesrtw.question.sensitivity.leave_one_out` for what remains, and:
        ``median_change``, ``sd_change``, ``probability_change`` (without minus with all);
        ``standardised``, the change of the mean in posterior SDs of what remains; ``divergence``, the
        Kullback-Leibler divergence in nats of the posterior without from the posterior with all;
        ``weight``, the share in the pooled mean. Sorted by divergence, the largest first; the row
        ``none left out`` comes first.

    Raises
    ------
    SpecError
        If the model has no intercept or the column does not exist.
    """
    return measured(
        leave_out(model, evidence, by=by, ci_prob=ci_prob, threshold=threshold), model, evidence
    )


def measured(
    left: LeftOut, model: Model, evidence: Evidence, share: Array | None = None
) -> "pd.DataFrame":
    """Add what has changed to a table of what is pooled without each value.

    Parameters
    ----------
    left
        What `bayesrtw.question.sensitivity.leave_out` returned.
    model, evidence
        What it was called with.
    share
        What `shares` gives for them, where it is known already.

    Returns
    -------
    DataFrame
        See `influence`.
    """
    frame = left.table.copy()
    whole = frame.iloc[0]
    frame["median_change"] = frame["median"] - whole["median"]
    frame["sd_change"] = frame["sd"] - whole["sd"]
    frame["probability_change"] = frame["probability"] - whole["probability"]
    frame["standardised"] = (frame["mean"] - whole["mean"]) / frame["sd"]
    frame["divergence"] = _divergences(left.pooled[0], left.pooled)
    share = shares(model, evidence) if share is None else share
    frame["weight"] = [float(share[~mask].sum()) if not mask.all() else 1.0 for mask in left.masks]
    frame.loc[frame.index[0], list(_CHANGES)] = math.nan
    order = [0, *(1 + np.argsort(-frame["divergence"].to_numpy()[1:], kind="stable"))]
    return frame.iloc[order]


#: Columns that say nothing in the row where nothing is left out.
_CHANGES = ("median_change", "sd_change", "probability_change", "standardised", "divergence")


def divergence(first: Pooled, second: Pooled) -> float:
    """Kullback-Leibler divergence of one pooled mean from another.

    Parameters
    ----------
    first, second
        Posteriors p and q.

    Returns
    -------
    float
        Integral of p log(p / q), in nats.
    """
    return _divergences(first, [second])[0]


def _divergences(first: Pooled | None, others: Sequence[Pooled | None]) -> list[float]:
    """Divergence of several pooled means from one; NaN where there is none."""
    if first is None:
        return [math.nan] * len(others)
    centre, sd = (float(part[0]) for part in mixture.moments(*first.mixture))
    x = centre + sd * np.linspace(-WIDTH, WIDTH, POINTS)
    p = log_density(x, first.weight, first.mean, first.sd)
    density = np.exp(p)
    found = []
    for other in others:
        if other is None:
            found.append(math.nan)
            continue
        q = p if other is first else log_density(x, other.weight, other.mean, other.sd)
        found.append(float(max(np.trapezoid(density * (p - q), x), 0.0)))
    return found


def shares(model: Model, evidence: Evidence) -> Array:
    """Share of each estimate in the pooled mean, averaged over the posterior.

    Parameters
    ----------
    model, evidence
        What is pooled; the model has an intercept.

    Returns
    -------
    ndarray, shape (estimate,)
        What is missing to one is the prior's.
    """
    tree = Exact(draws=0).fit(model, evidence, seed=0)
    return np.asarray(tree["quadrature"]["weight_in_mu"].to_numpy(), dtype=np.float64)
