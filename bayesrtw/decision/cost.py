"""Net benefit of programmes, and how probable it is that each is worth most at a price of a day."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import scipy
from numpy.typing import NDArray

from bayesrtw.decision.baseline import BaselinePoints, StatedBaseline
from bayesrtw.decision.change import Scale, of_days
from bayesrtw.decision.cost_stakes import NOTHING, Stakes, spell_money
from bayesrtw.decision.voi_effects import Effects, effects_at
from bayesrtw.engine.fitted import Expects
from bayesrtw.errors import EngineRefusal, SpecError
from bayesrtw.evidence.table import Evidence
from bayesrtw.printed import spell_probability
from bayesrtw.question.answer import Answer, Told
from bayesrtw.question.asked import About, Subject
from bayesrtw.question.predict import draws_of, expects, row_at

Array = NDArray[np.float64]

#: Effects at which days are worked out, a spline lies between them; and how far they reach, in SDs.
PLACES, REACH = 4_097, 12.0
#: Draws of effects, prices and costs.
DRAWS = 2**14


@dataclass(frozen=True, slots=True, kw_only=True)
class Threshold:
    """Days from which on a programme is held to be worth its cost.

    Attributes
    ----------
    days
        Regained for each person who is offered it.
    horizon
        Over so many days.
    source
        Who says so.
    """

    days: float
    horizon: float
    source: str


def swedish_threshold() -> Threshold:
    """Give the threshold of the Swedish review of contact with the workplace: more than five days in a year.

    Returns
    -------
    Threshold
        More than five days less absence in a year for each person is what the review names where it speaks
        of cost-effectiveness, with low certainty. [1]_ An example of a threshold: Swedish costs of its time
        stand behind it, and other payers state their own.

    References
    ----------
    .. [1] SBU (2022), as claim b19 of the data set `evidence-brief`.

    Examples
    --------
    >>> swedish_threshold().days
    5.0
    """
    return Threshold(
        days=5.0, horizon=365.0, source="the Swedish review of 2022 (claim b19 of evidence-brief)"
    )


@dataclass(frozen=True, slots=True, eq=False)
class Choice:
    """Options with what a fit knows of their effects."""

    whole: Expects  #: The fit.
    stakes: Stakes  #: What is stated.
    effects: Effects  #: Of the options in their order, then whatever else was asked for.
    #: Effects of any shape to days regained for each person, on average over baselines.
    days: Callable[[Array], Array]
    points: BaselinePoints | None  #: Baselines behind them; None where none is needed.
    scale: Scale | None = None  #: Days at each baseline; None where there is one alone.

    @property
    def count(self) -> int:
        """How many options there are beside doing nothing."""
        return len(self.stakes.option)

    @property
    def alone(self) -> bool:
        """Whether all options hang on one effect, whose density is known."""
        own = self.effects
        same = np.ptp(own.mean[:, : self.count], axis=1).max(initial=0.0) == 0.0
        return same and bool(np.all(own.covariance[:, 0, : self.count] == own.covariance[:, :1, 0]))

    def drawn(self) -> "ChoiceDraws":
        """Draw effects, baselines, and independent uniform coordinates for prices and costs."""
        count = self.count
        if self.alone:
            # Evenly spread quantiles serve kernels that are not normal too.
            _, u = self.effects.drawn((), DRAWS, spare=3 + count)
            one, u = self.effects.along(0).quantile(u[:, 0]), u[:, 1:]
            effect = np.repeat(one[:, None], count, axis=1)
        else:
            effect, u = self.effects.drawn(range(count), DRAWS, spare=2 + count)
        averaged = days = self.days(effect)
        if self.scale is not None:
            upto = np.cumsum(self.scale.weight)
            place = np.minimum(np.searchsorted(upto, u[:, 0] * upto[-1]), len(upto) - 1)
            days = np.asarray(self.scale.change(effect, self.scale.level[place, None]))
        return ChoiceDraws(averaged, days, u[:, 1:])


@dataclass(frozen=True, slots=True, eq=False)
class ChoiceDraws:
    """Draws of what is not known of a choice."""

    #: averaged, days: days regained, on average over baselines and each at one of them, shape (draw, option).
    averaged: Array
    days: Array
    u: Array  #: Independent uniform coordinates, shape (draw, 1 + option).


def choose(
    model: Subject | Expects,
    evidence: Evidence | None,
    stakes: Stakes,
    baseline: StatedBaseline | None,
    more: Array | None = None,
    *,
    at: Mapping[str, str | float] | None = None,
) -> Choice:
    """Ask a fit for the effects of options: `more` (row, column)."""
    whole = expects(model, evidence)
    if not whole.model.has_mean:
        raise SpecError("the model has no intercept, so there is no pooled mean; add one.")
    rows = whole.evidence
    points = baseline.points(rows) if baseline is not None else None
    horizon = baseline.horizon if baseline is not None else 365.0
    scale = of_days(rows.measure, rows.benefit, rows.unit, points, horizon)
    headline = whole.model.pooled
    own = [row_at(whole, headline, option.at)[0] for option in stakes.option]
    other = [] if more is None else [*more]
    other += [] if at is None else [row_at(whole, headline, at)[0]]
    asked = np.vstack([*own, *other])
    try:
        effects = effects_at(whole, asked)
    except EngineRefusal:
        drawn = draws_of(model)
        if drawn is None:
            raise
        whole = drawn
        effects = effects_at(whole, asked)

    def days(effect: Array) -> Array:
        change = np.asarray(scale.change(effect[:, None], scale.level))
        return np.broadcast_to(change, (len(effect), len(scale.weight))) @ scale.weight

    several = scale if len(scale.weight) > 1 else None
    return Choice(whole, stakes, effects, _between(days, effects, len(own)), points, several)


def _between(
    days: Callable[[Array], Array], effects: Effects, count: int
) -> Callable[[Array], Array]:
    """Work out days at many effects, and lay a spline between them."""
    mean = effects.mean[:, :count]
    sd = np.sqrt(np.diagonal(effects.covariance, axis1=1, axis2=2)[:, :count])
    x = np.linspace(np.min(mean - REACH * sd), np.max(mean + REACH * sd), PLACES)
    return scipy.interpolate.CubicSpline(x, days(x))


def net_benefit(
    model: Subject | Expects,
    evidence: Evidence | None = None,
    *,
    stakes: Stakes,
    baseline: StatedBaseline | None = None,
    threshold: Threshold | None = None,
    ci_prob: float = 0.95,
) -> Answer:
    """Say what each programme is worth: the value of the days that it regains, less its cost.

    ``net benefit = value of a day x days regained - cost``, for each person who is offered it, at the mean
    effect of the programme. [1]_ Intervals and probabilities hold what is not known of effect, baseline,
    price and cost. Doing none of them has net benefit 0.

    Parameters
    ----------
    model, evidence
        What is pooled, a model with rows or a synthesis; effects tell days.
    stakes
        Options, costs and the value of a day.
    baseline
        What happens without any of them; differences of days need none.
    threshold
        Days from which on a programme is held to be worth its cost, e.g. ``swedish_threshold()``.
    ci_prob
        Probability of the central intervals.

    Returns
    -------
    Answer
        A data frame, one row an option: ``days, days_lower, days_upper`` (mean and interval of days
        regained), ``cost`` (its mean), ``net, net_lower, net_upper``, ``worth``, P(net benefit > 0),
        ``best``, the probability that no other option and not doing nothing has a higher one, and
        ``break_even``, the days that pay its mean cost; with a threshold ``beyond``, P(days > threshold).

    Raises
    ------
    SpecError
        If effects tell no days, there is no such moderator or level, or the threshold has another horizon.

    References
    ----------
    .. [1] Stinnett AA, Mullahy J (1998). Med Decis Making 18(2 Suppl):S68-S80.
       doi:10.1177/0272989X98018002S09

    Examples
    --------
    >>> import bayesrtw as brw
    >>> from bayesrtw.decision.cost import net_benefit, swedish_threshold
    >>> from bayesrtw.decision.cost_stakes import Amount, Option, Stakes
    >>> stakes = Stakes(currency="EUR", source="made up", day=Amount(mean=200),
    ...                 option=(Option(name="programme", cost=Amount(mean=1000)),))
    >>> synthesis = brw.run(brw.open_analysis("sick-leave-days"))
    >>> found = net_benefit(synthesis, stakes=stakes, threshold=swedish_threshold())
    >>> float(found.loc["programme", "break_even"])
    5.0
    """
    choice = choose(model, evidence, stakes, baseline)
    if threshold is not None and baseline is not None and baseline.horizon != threshold.horizon:
        raise SpecError(
            f"the threshold is of days within {threshold.horizon:g} days, and the baseline has horizon = "
            f"{baseline.horizon:g}; take the same."
        )
    drawn = choice.drawn()
    days, net = drawn.days, stakes.drawn(drawn.days, drawn.u)
    best, mean = _shares(net), stakes.net(drawn.averaged.mean(axis=0))
    ends = (0.5 - ci_prob / 2, 0.5 + ci_prob / 2)
    found = {}
    for place, option in enumerate(stakes.option):
        own, worth = days[:, place], net[:, 1 + place]
        row = {
            "days": drawn.averaged[:, place].mean(),
            "cost": option.cost.mean,
            "net": mean[1 + place],
        }
        row |= dict(zip(("days_lower", "days_upper"), np.quantile(own, ends), strict=True))
        row |= dict(zip(("net_lower", "net_upper"), np.quantile(worth, ends), strict=True))
        row |= {"worth": np.mean(worth > 0), "best": best[1 + place]}
        row["break_even"] = option.cost.mean / stakes.day.mean
        if threshold is not None:
            row["beyond"] = np.mean(own > threshold.days)
        found[option.name] = row
    order = [
        "days",
        "days_lower",
        "days_upper",
        "cost",
        "net",
        "net_lower",
        "net_upper",
        "worth",
        "best",
    ]
    order += ["break_even", *(["beyond"] if threshold is not None else [])]
    frame = (
        pd.DataFrame.from_dict(found, orient="index", columns=order)
        .rename_axis("option")
        .astype(float)
    )
    said = [
        f"{name}: {row['days']:.1f} days regained, net benefit {spell_money(row['net'])} "
        f"({spell_money(row['net_lower'])} to {spell_money(row['net_upper'], stakes.currency)}) a person, "
        f"above 0 with probability {spell_probability(row['worth'])}."
        for name, row in frame.iterrows()
    ]
    if threshold is not None:
        said.append(f"The threshold of {threshold.days:g} days is that of {threshold.source}.")
    return _told(choice, frame, "What each programme is worth", *said)


def cost_effectiveness(
    model: Subject | Expects,
    evidence: Evidence | None = None,
    *,
    stakes: Stakes,
    day: Sequence[float],
    baseline: StatedBaseline | None = None,
) -> Answer:
    """Give acceptability curves and their frontier: which option to take at each value of a day.

    An acceptability curve is the probability that an option has the highest net benefit; the frontier is
    that probability for the option whose expected net benefit is highest: it need not be the most probable
    one. [1]_

    Parameters
    ----------
    model, evidence, stakes, baseline
        As of `net_benefit`; the value of a day that `stakes` states is replaced by each of `day`.
    day
        Values of a day, >= 0, rising; in the currency.

    Returns
    -------
    Answer
        A data frame; index ``day`` and ``option``, doing none of them first; ``net`` (expected net benefit
        a person), ``best`` (the acceptability curve), ``frontier`` (whether its ``net`` is the highest).

    Raises
    ------
    SpecError
        As of `net_benefit`, and if values of a day do not rise from 0 or above.

    References
    ----------
    .. [1] Fenwick E, Claxton K, Sculpher M (2001). Health Econ 10:779-787. doi:10.1002/hec.635

    Examples
    --------
    >>> import bayesrtw as brw
    >>> from bayesrtw.decision.cost import cost_effectiveness
    >>> from bayesrtw.decision.cost_stakes import Amount, Option, Stakes
    >>> stakes = Stakes(currency="EUR", source="made up", day=Amount(mean=200),
    ...                 option=(Option(name="programme", cost=Amount(mean=1000, sd=200, law="gamma")),))
    >>> synthesis = brw.run(brw.open_analysis("sick-leave-days"))
    >>> found = cost_effectiveness(synthesis, stakes=stakes, day=[0, 100, 400])
    >>> float(found.loc[(0.0, "none of them"), "best"])
    1.0
    """
    prices = np.asarray(day, dtype=np.float64)
    if not (len(prices) and np.all(prices >= 0) and np.all(np.diff(prices) > 0)):
        raise SpecError(f"day must rise from 0 or above; found {list(day)!r}.")
    choice = choose(model, evidence, stakes, baseline)
    drawn, rows = choice.drawn(), {}
    for price in prices.tolist():
        net = stakes.drawn(drawn.days, drawn.u, price)
        mean, best = stakes.net(drawn.averaged.mean(axis=0), price), _shares(net)
        first = int(np.argmax(mean))
        for place, name in enumerate(stakes.names):
            rows[price, name] = (mean[place], best[place], place == first)
    index = pd.MultiIndex.from_tuples(list(rows), names=["day", "option"])
    frame = pd.DataFrame(list(rows.values()), index, ["net", "best", "frontier"])
    return _told(
        choice, frame, "Which programme to take at each value of a day", *_frontier(frame, stakes),
        picture="acceptability", currency=stakes.currency,
    )  # fmt: skip


def _frontier(frame: pd.DataFrame, stakes: Stakes) -> list[str]:
    """Say where the frontier changes hands."""
    on = frame[frame["frontier"]].reset_index()
    said, before = [], ""
    for _, row in on.iterrows():
        if row["option"] != before:
            said.append(
                f"from {spell_money(row['day'], stakes.currency)} a day {row['option']} (then with "
                f"probability {spell_probability(row['best'])})"
            )
        before = row["option"]
    return [f"The highest expected net benefit has, among the values asked for: {'; '.join(said)}."]


def _shares(net: Array) -> Array:
    """Give how often each option has the highest net benefit, (option,); doing nothing where all is equal."""
    return np.bincount(np.argmax(net, axis=1), minlength=net.shape[1]) / len(net)


def assumed(choice: Choice) -> list[str]:
    """Say what every result of a choice rests on."""
    stakes, said = choice.stakes, []
    said.append(
        f"A day is worth {spell_money(stakes.day.mean, stakes.currency)} on average; amounts are from "
        f"{stakes.source.strip()}."
    )
    if choice.points is not None:
        wide = "taken for certain" if choice.scale is None else "with its uncertainty"
        said.append(f"Without a programme it is as in {choice.points.source}, {wide}.")
    if choice.points is not None and choice.points.of == "risk":
        said.append("Hazards are proportional, and recurrent absence is not counted.")
    said.append(
        "Options are valued at their mean effect; people differ in neither effect nor cost, and only days of "
        f"work and the cost of the programme count. Doing {NOTHING} has net benefit 0."
    )
    return said


def _told(
    choice: Choice,
    frame: pd.DataFrame,
    caption: str,
    *said: str,
    picture: str = "",
    **options: Any,
) -> Answer:
    """Give a table with its words and its picture."""
    asked = About(choice.whole.model, choice.whole.evidence)
    words = asked.said(*said, *assumed(choice))
    return Answer(frame, Told(f"{caption}.", asked, picture, options, words))
