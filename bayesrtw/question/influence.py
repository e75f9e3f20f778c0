"""What each study, or each family of studies, does to the pooled mean."""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from bayesrtw.evidence.table import Evidence
from bayesrtw.posterior.kernels import Kernels
from bayesrtw.posterior.mixture import NEGLIGIBLE
from bayesrtw.question.answer import Answer, answered
from bayesrtw.question.asked import Subject, asked, size_of
from bayesrtw.question.scaling import log_density
from bayesrtw.question.sensitivity import EachLeftOut, leave_out

if TYPE_CHECKING:
    import pandas as pd

Array = NDArray[np.float64]

#: Half-width of the integral of a divergence in posterior SDs; its points; of mixtures of normals, how many
#: the SD of the narrowest has, up to the most: against 20,001 nothing moves by 1e-8.
WIDTH, POINTS, WITHIN, MOST_POINTS = 10.0, 801, 4.0, 8_001


def influence(
    model: Subject,
    evidence: Evidence | None = None,
    *,
    by: str = "study",
    ci_prob: float = 0.95,
    threshold: float = 0.0,
    threshold_ratio: float | None = None,
) -> Answer:
    """Measure what is changed by leaving out each value of a column.

    Parameters
    ----------
    model, evidence
        What is pooled, a model with rows or a synthesis; the model has a pooled mean.
    by
        Column whose equal values are left out together, e.g. ``study`` or ``trial_family``.
    ci_prob
        Probability of the central interval.
    threshold
        Size of an effect beyond which benefit counts, analysis scale; 0 is no effect.
    threshold_ratio
        The same as a ratio, of either side: 0.8 and 1.25 are one size.

    Returns
    -------
    Answer
        A data frame with its picture.
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

    Examples
    --------
    >>> import bayesrtw as brw
    >>> found = brw.influence(brw.run(brw.open_analysis("time-to-rtw")))
    >>> bool(found["divergence"].iloc[1:].is_monotonic_decreasing)
    True
    """
    whole = asked(model, evidence)
    size = size_of(threshold, threshold_ratio, whole.evidence.measure)
    frame = measured(leave_out(whole, by=by, ci_prob=ci_prob, threshold=size))
    return answered(
        frame,
        whole,
        f"What leaving out each {by.replace('_', ' ')} changes, {100 * ci_prob:g} % intervals",
        picture="leave_one_out",
        options={"ci_prob": ci_prob},
        words=_said(frame, whole.evidence.direction.event),
    )


def _said(frame: "pd.DataFrame", event: str) -> str:
    """Name what moves the pooled mean most."""
    known = frame.iloc[1:].dropna(subset=["divergence"])
    if not len(known):
        return "Nothing can be left out: the rest would not bound the pooled mean."
    most = known.iloc[0]
    chance = f", {event} by {most['probability_change']:+.3f}" if event else ""
    return (
        f"Without {known.index[0]} the pooled mean moves most: its median by "
        f"{most['median_change']:+.3g}{chance}; weight {most['weight']:.2f}."
    )


def measured(left: EachLeftOut) -> "pd.DataFrame":
    """Add what has changed to a table of what is pooled without each value; see `influence`."""
    frame = left.table.copy()
    whole = frame.iloc[0]
    frame["median_change"] = frame["median"] - whole["median"]
    frame["sd_change"] = frame["sd"] - whole["sd"]
    frame["probability_change"] = frame["probability"] - whole["probability"]
    frame["standardised"] = (frame["mean"] - whole["mean"]) / frame["sd"]
    means = [None if one is None else one.posterior.pooled for one in left.near]
    frame["divergence"] = _divergences(means[0], means)
    share = left.whole.shares[:-1]
    frame["weight"] = [float(share[mask].sum()) if mask.any() else 1.0 for mask in left.masks]
    frame.loc[frame.index[0], list(_CHANGES)] = math.nan
    order = [0, *(1 + np.argsort(-frame["divergence"].to_numpy()[1:], kind="stable"))]
    return frame.iloc[order]


#: Columns that say nothing in the row where nothing is left out.
_CHANGES = ("median_change", "sd_change", "probability_change", "standardised", "divergence")


def divergence(first: Kernels, second: Kernels) -> float:
    """Kullback-Leibler divergence of one distribution from another: integral of p log(p / q), in nats."""
    return _divergences(first, [second])[0]


def _divergences(first: Kernels | None, others: Sequence[Kernels | None]) -> list[float]:
    """Divergence of several pooled means from one; NaN where there is none."""
    if first is None:
        return [math.nan] * len(others)
    x = first.centre + first.spread * np.linspace(-WIDTH, WIDTH, _points(first, others))
    p = log_density(x, first)
    density = np.exp(p)
    found = []
    for other in others:
        if other is None:
            found.append(math.nan)
            continue
        q = p if other is first else log_density(x, other)
        found.append(float(max(np.trapezoid(density * (p - q), x), 0.0)))
    return found


def _points(first: Kernels, others: Sequence[Kernels | None]) -> int:
    """Count points that hold every density."""
    every = [first, *(other for other in others if other is not None)]
    if any(own.series is not None for own in every):
        return POINTS
    narrowest = min(float(np.min(own.sd[own.weight > NEGLIGIBLE])) for own in every)
    with np.errstate(divide="ignore"):
        wanted = 2.0 * WIDTH * WITHIN * np.float64(first.spread) / narrowest
    return int(min(wanted, MOST_POINTS - 1)) + 1
