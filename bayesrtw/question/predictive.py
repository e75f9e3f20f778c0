"""Predictive checks: what the other studies, and what the priors alone, expect of every estimate.

Nothing is simulated: the tail beyond what was observed is read off the distribution of each prediction.
"""

import math
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from bayesrtw.dims import ESTIMATE
from bayesrtw.engine.fitted import Fitted, Mask
from bayesrtw.evidence.table import Evidence
from bayesrtw.model.translated import OneSaid
from bayesrtw.posterior.kernels import Kernels
from bayesrtw.posterior.marginal import Distribution
from bayesrtw.question.answer import Answer, answered
from bayesrtw.question.asked import Subject, asked
from bayesrtw.question.sensitivity import keys
from bayesrtw.question.table import quantiles, tails

if TYPE_CHECKING:
    import pandas as pd

Array = NDArray[np.float64]

#: Points over effects where a row tells no estimate, and how far they reach.
POINTS, FAR = 4001, 30.0
#: Figures of one prediction.
FIGURES = ("expected", "lower", "upper", "pit", "tail")


def predictive_check(
    model: Subject,
    evidence: Evidence | None = None,
    *,
    by: str = "study",
    ci_prob: float = 0.95,
) -> Answer:
    """Hold every estimate against its predictive distribution.

    An estimate is predicted from the studies that it does not belong to (leave-one-out), and from the
    priors alone: moderators, groups that it shares with other studies, biases, and its own sampling error
    count. A correlation of its sampling error with other studies' does not.

    Parameters
    ----------
    model, evidence
        What is checked, a model with rows or a synthesis.
    by
        Column whose equal values do not predict each other, e.g. ``study`` or ``trial_family``.
    ci_prob
        Probability of the central predictive intervals.

    Returns
    -------
    Answer
        A data frame with its words.
        One row an estimate, analysis scale: ``study, effect, se``; ``expected`` (median), ``lower, upper,
        pit`` (predictive distribution function at the estimate) and two-sided ``tail`` given the others;
        the same from the priors with ``prior_`` before each. NaN where a prediction is improper, e.g. under
        flat priors.

    Raises
    ------
    SpecError
        If there is no such column.
    EngineRefusal
        If the model gives no neighbours; the message says what stands in the way.

    References
    ----------
    .. [1] Marshall, E.C. and Spiegelhalter, D.J. (2007), Bayesian Analysis 2:409-444: conflict of a
       unit with the others, by cross-validation.
    .. [2] Evans, M. and Moshonov, H. (2006), Bayesian Analysis 1:893-914: conflict of prior and data.

    Examples
    --------
    >>> import bayesrtw as brw
    >>> analysis = brw.open_analysis("time-to-rtw")
    >>> rows = brw.run(analysis).evidence
    >>> found = brw.predictive_check(analysis.model, rows)
    >>> bool((found["tail"] > 0).all())
    True
    """
    import pandas as pd  # noqa: PLC0415

    whole = asked(model, evidence)
    rows = whole.evidence
    key = keys(rows, by)
    count = len(key)
    masks = [key == value for value in dict.fromkeys(key.tolist()) if value]
    masks += [np.arange(count) == row for row in np.flatnonzero(key == "")]
    effect, se = (rows.data[name].to_numpy().astype(float) for name in ("effect", "se"))
    found = {name: np.full(count, np.nan) for name in FIGURES}
    speaks = whole.model.likelihood.offers.speaks
    said = None if speaks is None else [own.whole for own in speaks.spoken(rows)]
    for mask, near in zip(masks, whole.without(masks), strict=True):
        if near is not None:
            for name, column in _held_against(near, mask, effect, ci_prob, said).items():
                found[name][mask] = column
    every = np.ones(count, dtype=bool)
    [before] = whole.without([every])
    priors = (
        dict.fromkeys(FIGURES, np.full(count, np.nan))
        if before is None
        else _held_against(before, every, effect, ci_prob, said)
    )
    columns = {"study": rows.data["study"].to_numpy(), "effect": effect, "se": se}
    columns |= found | {f"prior_{name}": column for name, column in priors.items()}
    frame = pd.DataFrame(columns, index=pd.Index(rows.data[ESTIMATE].to_numpy(), name="estimate"))
    caption = f"Every estimate against what the others expect of it, {100 * ci_prob:g} % intervals"
    return answered(frame, whole, caption, words=_said(frame, ci_prob))


def _said(frame: "pd.DataFrame", ci_prob: float) -> str:
    """Say how many estimates lie outside, and which the others foresee least."""
    known = frame.dropna(subset=["tail"])
    if not len(known):
        return "The others give no proper prediction of any estimate."
    outside = int((known["tail"] < 1.0 - ci_prob).sum())
    least = known["tail"].idxmin()
    chance = chance_of_smallest(known["tail"].to_numpy(dtype=np.float64))
    return (
        f"{outside} of {len(known)} lie outside. The smallest tail is {known['tail'].min():.2g} ({least}); "
        f"if the model holds, one as small among so many has probability {chance:.2g}."
    )


def chance_of_smallest(tails: Array) -> float:
    """Say how probable a smallest tail at least as small is if the model holds: `tails` (estimate,)."""
    known = tails[np.isfinite(tails)]
    if not len(known):
        return math.nan
    return -math.expm1(len(known) * math.log1p(-min(float(known.min()), 1.0 - 1e-16)))


def _held_against(
    near: Fitted, rows: Mask, effect: Array, ci_prob: float, said: list[OneSaid] | None
) -> dict[str, Array]:
    """Hold rows against what a fit without them predicts."""
    expected, places = near.expected(rows), np.array([0.5, 0.5 - ci_prob / 2, 0.5 + ci_prob / 2])
    ends = quantiles(expected, places)
    below, above = tails(expected, effect[rows])
    for place, row in enumerate(np.flatnonzero(rows).tolist()):
        if said is not None and not math.isfinite(effect[row]):
            [behind] = near.effect_of(np.arange(len(rows)) == row)
            below[place] = _conflict(behind, said[row])
            above[place] = 1.0 - below[place]
            for own, each in zip(ends, behind.quantile(places), strict=True):
                own[place] = each
    tail = np.minimum(2.0 * np.minimum(below, above), 1.0)
    return dict(zip(FIGURES, (*ends, below, tail), strict=True))


def _conflict(behind: Kernels | Distribution, said: OneSaid) -> float:
    """Probability that the effect which others expect is below that which a row tells alone, [1]_ there."""
    if said.supported(0.95) is None:
        return math.nan
    (low, high), (centre, width) = behind.quantile(np.array([1e-7, 1.0 - 1e-7])), said.near
    reach = width * np.sinh(np.linspace(-1.0, 1.0, POINTS) * math.asinh(FAR / width))
    theta = np.unique(np.concatenate([centre + reach, np.linspace(low, high, POINTS)]))
    log = np.asarray(said.log(theta))
    weight = np.exp(log - log.max()) * np.gradient(theta)
    below = behind.below(theta) if isinstance(behind, Kernels) else behind.cdf(theta)
    return float(weight @ below / weight.sum())
