"""Results beside each other: subgroups pooled by themselves, and several syntheses in one table."""

import math
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from bayesrtw.errors import SpecError, shown
from bayesrtw.evidence.table import Evidence
from bayesrtw.model.spec import NEW
from bayesrtw.posterior.kernels import Kernels
from bayesrtw.question.answer import Answer, answered
from bayesrtw.question.asked import About, Ran, Subject, asked, size_of
from bayesrtw.question.scaling import spread_out
from bayesrtw.question.sensitivity import keys, refits

if TYPE_CHECKING:
    import pandas as pd

#: The row that pools all of them.
ALL = "all"

#: How far from its mean a difference is looked for, in SDs.
REACH = 12.0

#: Points of a distribution between which it is interpolated: 0.012 SDs apart, to 1e-10.
PLACES = 2001

Array = NDArray[np.float64]


class Answered(Ran, Protocol):
    """What was run, with its summaries."""

    @property
    def quantities(self) -> "pd.DataFrame":
        """Every quantity, as of `summarise`."""


def subgroups(
    model: Subject,
    evidence: Evidence | None = None,
    *,
    by: str,
    ci_prob: float = 0.95,
    threshold: float = 0.0,
    threshold_ratio: float | None = None,
) -> Answer:
    """Pool the rows of each value of a column by themselves, and say how the groups differ.

    Every group is pooled under the priors of the model with a heterogeneity of its own: nothing is learned
    from the other groups. Where groups should share heterogeneity, or lend each other strength, add a
    `Categorical` term and ask `predict`.

    Parameters
    ----------
    model, evidence
        What is pooled, a model with rows or a synthesis; the model has a pooled mean.
    by
        Column whose values are the groups; rows where it is empty are in ``all`` alone.
    ci_prob
        Probability of the central intervals.
    threshold
        Size of an effect beyond which benefit counts, analysis scale; 0 is no effect.
    threshold_ratio
        The same as a ratio, of either side: 0.8 and 1.25 are one size.

    Returns
    -------
    Answer
        A data frame with its picture. One row a group in order of appearance, then ``all``: the columns of
        `leave_one_out`, ``estimates`` and ``studies``, and of the group's mean minus the first group's
        ``difference``, ``difference_lower``, ``difference_upper`` (analysis scale) and
        ``difference_probability``, that it is on the side of benefit, or above 0 where nobody stated it.

    Raises
    ------
    SpecError
        If the model has no pooled mean, or the column does not exist or has one value.

    Examples
    --------
    >>> import bayesrtw as brw
    >>> found = subgroups(brw.run(brw.open_analysis("time-to-rtw")), by="programme_type")
    >>> int(found["estimates"].iloc[:-1].sum()) == int(found["estimates"].iloc[-1])
    True
    """
    whole = asked(model, evidence)
    key = keys(whole.evidence, by)
    groups = [value for value in dict.fromkeys(key.tolist()) if value]
    if len(groups) < 2:
        raise SpecError(
            f"by is {by!r}, which has {shown(groups)} alone; subgroups take a column of two values or more."
        )
    size = size_of(threshold, threshold_ratio, whole.evidence.measure)
    kept = [*(key == value for value in groups), np.ones(len(key), dtype=bool)]
    near = whole.without([~rows for rows in kept])
    frame = refits(whole, near, ci_prob, size)
    frame.index = _index([*groups, ALL], by)
    study = whole.evidence.data["study"].to_numpy().astype(str)
    frame["estimates"] = [int(rows.sum()) for rows in kept]
    frame["studies"] = [len(set(study[rows].tolist())) for rows in kept]
    first, *others = (None if one is None else one.posterior.pooled for one in near[:-1])
    higher = whole.evidence.benefit != "lower"
    unknown = (math.nan,) * 4
    against = [unknown] * len(groups)
    if first is not None:
        above = _above(first)
        against[1:] = [
            unknown if one is None else _differ(one, first, above, ci_prob, higher=higher)
            for one in others
        ]
    names = ("difference", "difference_lower", "difference_upper", "difference_probability")
    for name, values in zip(names, zip(*against, strict=True), strict=True):
        frame[name] = [*values, math.nan]
    caption = f"Pooled effect of each {by.replace('_', ' ')}, {100 * ci_prob:g} % intervals"
    options = {"ci_prob": ci_prob, "reference": ALL}
    return answered(frame, whole, caption, picture="beside", options=options)


def _above(own: Kernels) -> Callable[[Array], Array]:
    """Interpolate P(effect > x) between points where it and its slope are exact."""
    from scipy import interpolate  # noqa: PLC0415 - not needed for a first answer

    x = own.centre + own.spread * np.linspace(-REACH, REACH, PLACES)
    spline = interpolate.CubicHermiteSpline(x, own.above(x), -np.exp(own.log_density(x)))
    return lambda at: np.asarray(spline(np.clip(at, x[0], x[-1])))


def _differ(
    one: Kernels,
    other: Kernels,
    above: Callable[[Array], Array],
    ci_prob: float,
    *,
    higher: bool,
) -> tuple[float, float, float, float]:
    """Give median, interval and probability of the difference of two independent effects."""
    from scipy import optimize  # noqa: PLC0415

    value, share = spread_out(one)
    middle, reach = one.centre - other.centre, REACH * math.hypot(one.spread, other.spread)

    def below(d: float) -> float:
        """Sum over the one: the other is at least that less d."""
        return float(share @ above(value - d))

    median, low, high = (
        optimize.brentq(
            lambda d, level=level: below(d) - level, middle - reach, middle + reach, xtol=1e-9
        )
        for level in (0.5, 0.5 - ci_prob / 2, 0.5 + ci_prob / 2)
    )
    chance = below(0.0)
    return median, low, high, 1.0 - chance if higher else chance


def beside(runs: Mapping[str, Answered], ci_prob: float) -> Answer:
    """Put the results of several syntheses into one table; see `bayesrtw.question.compare.compare`."""
    import pandas as pd  # noqa: PLC0415

    first = next(iter(runs.values()))
    stated = {
        (one.evidence.measure.name, one.evidence.benefit or "not stated") for one in runs.values()
    }
    if len(stated) > 1:
        said = [f"{name}, benefit {benefit}" for name, benefit in sorted(stated)]
        raise SpecError(
            f"syntheses are on different scales: {shown(said)}; what is beside each other has one."
        )
    rows = []
    for name, one in runs.items():
        pooled = one.analysis.model.pooled
        if pooled not in one.quantities.index:
            raise SpecError(f"synthesis {name!r} has no pooled mean; leave it out.")
        own, new = one.quantities.loc[pooled], one.quantities.reindex([NEW[pooled]]).iloc[0]
        if not math.isclose(float(own["ci_prob"]), ci_prob):
            raise SpecError(
                f"ci_prob is {ci_prob:g}; syntheses hold intervals of {float(own['ci_prob']):g}."
            )
        figures: dict[str, Any] = {
            each: own[each] for each in ("mean", "sd", "median", "lower", "upper", "probability")
        }
        figures |= {"new_lower": new["lower"], "new_upper": new["upper"]}
        figures["estimates"] = one.evidence.size
        figures["studies"] = len(set(one.evidence.data["study"].to_numpy().astype(str).tolist()))
        rows.append(figures)
    frame = pd.DataFrame(rows, index=_index(list(runs), "synthesis"))
    about = About(first.analysis.model, first.evidence)
    caption = f"Pooled effect of {len(runs)} syntheses, {100 * ci_prob:g} % intervals"
    return answered(frame, about, caption, picture="beside", options={"ci_prob": ci_prob})


def _index(names: list[str], name: str) -> Any:
    import pandas as pd  # noqa: PLC0415

    return pd.Index(names, name=name)
