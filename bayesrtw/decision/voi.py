"""The value of information: what it would be worth to know more before a programme is adopted."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations_with_replacement
from typing import Any

import numpy as np
import pandas as pd
import scipy
from numpy.typing import NDArray

from bayesrtw.decision.baseline import StatedBaseline
from bayesrtw.decision.cost import Choice, assumed, choose
from bayesrtw.decision.cost_stakes import Stakes, spell_money
from bayesrtw.decision.voi_counts import counts_trials, tables
from bayesrtw.decision.voi_effects import apart_at
from bayesrtw.engine.fitted import Expects
from bayesrtw.errors import EngineRefusal, SpecError
from bayesrtw.evidence.table import Evidence
from bayesrtw.model.prior import LogNormal
from bayesrtw.question.answer import Answer, Told
from bayesrtw.question.asked import About, Subject
from bayesrtw.question.next_trial import TrialSetting, rule_for
from bayesrtw.question.predict import coefficients_of, row_at

Array = NDArray[np.float64]

#: Evenly spaced results of a trial, or values of one effect, that are summed over; draws of several effects.
RESULTS, DRAWS = 8_193, 2**12
#: The same where draws or series stand for the posterior, each of which costs more.
FEW = 2_049
#: Degree of polynomials that regress net benefits of draws.
DEGREE = 3
#: What may be known, in words.
EVERYTHING = "everything: baseline, prices and costs too"
EFFECTS = "the effects of all options"
MODERATOR = "what {} does"
BIAS = "the mean bias of studies"
SPREAD = "how far settings and biases differ"
SD = "the SD {}"
#: One SD known: levels of its posterior at which what is expected is worked out, and how narrow it is there.
LEVELS, KNOWN = (0.003, 0.05, 0.2, 0.4, 0.6, 0.8, 0.93, 0.99, 0.999), 0.02
#: What a trial reports.
COUNTS, ESTIMATE = "counts", "an estimate"


def worth_of(share: Array, expected: Array) -> float:
    """Give what it is worth to learn which of several things holds before an option is taken.

    Parameters
    ----------
    share
        Their probabilities, shape (thing,); they sum to one.
    expected
        Expected net benefit of each option under each, shape (thing, option).

    Returns
    -------
    float
        ``E max - max E``, at least 0; in the unit of net benefit.

    Examples
    --------
    >>> worth_of(np.array([0.5, 0.5]), np.array([[0.0, 2.0], [0.0, -1.0]]))
    0.5
    """
    return max(float(share @ expected.max(axis=1) - (share @ expected).max()), 0.0)


def value_of_knowing(
    model: Subject | Expects,
    evidence: Evidence | None = None,
    *,
    stakes: Stakes,
    baseline: StatedBaseline | None = None,
) -> Answer:
    """Say what perfect knowledge would be worth: of everything, and of parts of what is not known.

    The expected value of perfect information, ``E max NB - max E NB``, and that of parts of the parameters:
    with the part known the option with the highest expected net benefit is taken. [1]_ No study can be worth
    more than what it would tell without any error.

    Parameters
    ----------
    model, evidence, stakes, baseline
        As of `bayesrtw.decision.cost.net_benefit`.

    Returns
    -------
    Answer
        A data frame, one row what would be known: everything; the effects of all options; the effect of each;
        what each moderator does; the mean bias of studies that share one; every SD of effects and of biases,
        and each of them by itself where there are several.
        Columns ``person``, its value for each person the decision is about, and ``people``, for all of them
        where their number is stated; in the currency. Where effects are no mixtures of normals, draws of a
        synthesis answer for parts: net benefits are regressed on cubic polynomials of them. [2]_

    Raises
    ------
    SpecError
        As of `bayesrtw.decision.cost.net_benefit`.

    References
    ----------
    .. [1] Heath A, Kunst N, Jackson C (eds) (2024). Value of Information for Healthcare Decision-Making.
       doi:10.1201/9781003156109
    .. [2] Strong M, Oakley JE, Brennan A (2014). Med Decis Making 34:311-326.
       doi:10.1177/0272989X13505910

    Examples
    --------
    >>> import bayesrtw as brw
    >>> from bayesrtw.decision.cost_stakes import Amount, Option, Stakes
    >>> from bayesrtw.decision.voi import value_of_knowing
    >>> stakes = Stakes(currency="EUR", source="made up", day=Amount(mean=200), people=1000,
    ...                 option=(Option(name="programme", cost=Amount(mean=1000)),))
    >>> found = value_of_knowing(brw.run(brw.open_analysis("sick-leave-days")), stakes=stakes)
    >>> bool((found["person"] >= 0).all())
    True
    """
    choice = choose(model, evidence, stakes, baseline)
    draws = choice.drawn()
    found = {EVERYTHING: worth_of(_even(len(draws.u)), stakes.drawn(draws.days, draws.u))}
    found[EFFECTS] = of_effects(choice)
    # A sum over draws against an exact one: everything tells no less than a part of it.
    found[EVERYTHING] = max(found[EVERYTHING], found[EFFECTS])
    for place, option in enumerate(stakes.option if choice.count > 1 else ()):
        found[f"the effect of {option.name}"] = of_part(choice, [place])
    blocks, biases = coefficients_of(choice.whole)
    parts = {MODERATOR.format(name): rows for name, rows in blocks.items()}
    drawn, left = choice.effects.drawn_alone, []
    for name, rows in {**parts, BIAS: biases}.items():
        try:
            wider = choose(model, evidence, stakes, baseline, rows) if len(rows) else None
        except EngineRefusal:  # no joint posterior, and no draws
            left.append(name)
            continue
        if wider is not None:
            found[name] = of_part(wider, range(choice.count, choice.count + len(rows)))
            drawn = drawn or wider.effects.drawn_alone
    if choice.effects.joint:
        found[SPREAD] = of_spread(choice)
    every = choice.whole.model.hyperparameters
    for name, each in every.items() if len(every) > 1 else ():
        if each.what in ("sd of effects", "sd of biases"):
            found[SD.format(name)] = of_sd(choice, name)
    frame = pd.DataFrame({"person": found}).rename_axis("known")
    # Sums over draws and over even places differ in their last digits.
    frame["person"] = frame["person"].clip(upper=found[EVERYTHING])
    if stakes.people is not None:
        frame["people"] = stakes.people * frame["person"]
    said = [
        f"To know {name} would be worth {spell_money(value, stakes.currency)} a person."
        for name, value in frame["person"].items()
    ]
    if left:
        said.append(f"Not worked out, for want of a joint posterior: {', '.join(left)}.")
    if drawn:
        said.append("Draws stand for the posterior; worths of parts are regressions over them.")
    about = About(choice.whole.model, choice.whole.evidence)
    words = about.said(*said, *assumed(choice))
    return Answer(frame, Told("What it would be worth to know more.", about, words=words))


def next_trial(
    model: Subject | Expects,
    evidence: Evidence | None = None,
    *,
    stakes: Stakes,
    baseline: StatedBaseline | None = None,
    trials: Mapping[str, float],
    n: Mapping[str, float] | None = None,
    at: Mapping[str, str | float] | None = None,
) -> Answer:
    """Say what one more trial would be worth, for each person and for all of them, less what it costs.

    The expected value of sample information: results of the trial are those that the present posterior
    expects, after each of them the option with the highest expected net benefit is taken, and what that
    gains over deciding now is averaged. [1]_ The posterior after a result is exact. A trial reports its
    effect with a normal error and without bias, and is summed over; but where the rows are events among
    people, `n` says how many take part and the baseline is a risk, it reports counts: 20,000 trials are
    simulated.

    Parameters
    ----------
    model, evidence, stakes, baseline
        As of `bayesrtw.decision.cost.net_benefit`.
    trials
        Name to standard error of a trial, analysis scale; 0 is one without sampling error.
    n
        The same names to people in both groups, for what a trial costs.
    at
        Where the trial is: column of a moderator to its value; moderators that are not named are where the
        pooled mean has them. Its setting differs from the mean there by heterogeneity.

    Returns
    -------
    Answer
        A data frame, one row a trial: ``se``; ``reports``, counts or an estimate; ``person``, its value for
        each person the decision is about; ``people``, for all of them; ``cost`` of the trial; ``net``, the
        expected net benefit of sampling. NaN where what they need is not stated.

    Raises
    ------
    SpecError
        As of `bayesrtw.decision.cost.net_benefit`, and if a standard error is negative.

    References
    ----------
    .. [1] Ades AE, Lu G, Claxton K (2004). Med Decis Making 24:207-227. doi:10.1177/0272989X04263162

    Examples
    --------
    >>> import bayesrtw as brw
    >>> from bayesrtw.decision.cost_stakes import Amount, Option, Stakes
    >>> from bayesrtw.decision.voi import next_trial
    >>> stakes = Stakes(currency="EUR", source="made up", day=Amount(mean=200),
    ...                 option=(Option(name="programme", cost=Amount(mean=1000)),))
    >>> synthesis = brw.run(brw.open_analysis("sick-leave-days"))
    >>> found = next_trial(synthesis, stakes=stakes, trials={"large": 2.0, "small": 20.0})
    >>> bool(found.loc["large", "person"] > found.loc["small", "person"] > 0)
    True
    """
    odd = [name for name, se in trials.items() if not (se >= 0 and math.isfinite(se))]
    if odd or not trials:
        raise SpecError(
            f"trials gives {odd[0] if odd else 'none'!r}; give a standard error of at least 0 for each trial."
        )
    found = {}
    told = ahead(model, evidence, stakes, baseline, at)
    for name, se in trials.items():
        size = (n or {}).get(name, math.nan)
        counted = se > 0 and math.isfinite(size) and told.counts
        person = told.worth_counted(size) if counted else told.worth(se)
        people = math.nan if stakes.people is None else stakes.people * person
        cost = math.nan if stakes.trial is None else stakes.trial.of(size)
        found[name] = {
            "se": se,
            "reports": COUNTS if counted else ESTIMATE,
            "person": person,
            "people": people,
            "cost": cost,
            "net": people - cost,
        }
    frame = pd.DataFrame.from_dict(found, orient="index").rename_axis("one more trial")
    said = []
    for each, row in frame.iterrows():
        text = (
            f"One more trial {each} is worth {spell_money(row['person'], stakes.currency)} a person"
        )
        if math.isfinite(row["people"]):
            text += f" and {spell_money(row['people'], stakes.currency)} to all of them"
        if math.isfinite(row["net"]):
            text += f", {spell_money(row['net'], stakes.currency)} after its own cost"
        said.append(f"{text}.")
    if told.choice.effects.drawn_alone:
        said.append(
            f"Draws stand for the posterior, {len(told.choice.effects.weight):,} of them: the worth of a "
            "trial hangs on them."
        )
    about = About(told.choice.whole.model, told.choice.whole.evidence)
    words = about.said(*said, *assumed(told.choice))
    return Answer(frame, Told("What one more trial would be worth.", about, words=words))


@dataclass(frozen=True, slots=True, eq=False)
class Ahead:
    """A trial, or a parameter that may be known, as something that tells of the options' effects."""

    choice: Choice  #: The options.
    place: int  #: Of the mean effect where it is, among the effects.
    apart: Array  #: Variance of settings around it, shape (node,).

    @property
    def counts(self) -> bool:
        """Whether the trial reports counts, as the rows do."""
        points = self.choice.points
        return points is not None and points.of == "risk" and counts_trials(self.choice.whole.model)

    @property
    def setting(self) -> TrialSetting:
        """Where it is."""
        return self.choice.effects.setting(self.place, self.apart)

    def net(self, se: float, result: Array) -> Array:
        """Give expected net benefits after results, shape (result, 1 + option); exact for each.

        `result` (result,).
        """
        effects, count = self.choice.effects, self.choice.count
        if effects.series is None:
            lines = [effects.line(own, self.place) for own in range(count)]
            each = self.setting.beside(se, result, lines)
        else:  # every option hangs on the mean where the trial is
            each = iter([self.setting.after(se, result)] * count)
        days = [after.expected(self.choice.days) for after in each]
        return self.choice.stakes.net(np.stack(days, axis=1))

    def worth(self, se: float) -> float:
        """Give the expected value of its result for each person; in the currency."""
        result, share = self.setting.spread(se, RESULTS if self.choice.effects.joint else FEW)
        return worth_of(share, self.net(se, result))

    def worth_counted(self, n: float) -> float:
        """Give the same of a trial of n people that reports counts."""
        whole, points = self.choice.whole, self.choice.points
        assert points is not None
        found = tables(whole.model, whole.evidence, self.setting, n, points)
        net = found.weigh(self.setting) @ self.net(0.0, found.effect)
        return worth_of(found.share, net)


def ahead(
    model: Subject | Expects,
    evidence: Evidence | None,
    stakes: Stakes,
    baseline: StatedBaseline | None,
    at: Mapping[str, str | float] | None = None,
) -> Ahead:
    """Put a trial into a new setting, with moderators there at some values."""
    choice = choose(model, evidence, stakes, baseline, at=at or {})
    row, along = row_at(choice.whole, choice.whole.model.pooled, at or {})
    apart = apart_at(choice.whole, row, along)[choice.effects.kept]
    return Ahead(choice, choice.count, apart)


def of_effects(choice: Choice) -> float:
    """Give the worth of knowing the mean effects of all options."""
    if not choice.alone:
        days = choice.drawn().averaged
        return worth_of(_even(len(days)), choice.stakes.net(days))
    one = choice.effects.along(0)
    effect, share = TrialSetting(one, np.zeros(len(one.weight))).spread(0.0, RESULTS)
    days = np.repeat(choice.days(effect)[:, None], choice.count, axis=1)
    return worth_of(share, choice.stakes.net(days))


def of_part(choice: Choice, places: Sequence[int]) -> float:
    """Give the worth of knowing some of the effects without error."""
    if choice.effects.drawn_alone:
        return _regressed(choice, choice.effects.mean[:, list(places)])
    if len(places) == 1:
        return Ahead(choice, places[0], np.zeros(len(choice.effects.weight))).worth(0.0)
    values, _ = choice.effects.drawn(places, DRAWS)
    days = [
        choice.effects.told(places, values, own).expected(choice.days)
        for own in range(choice.count)
    ]
    return worth_of(_even(DRAWS), choice.stakes.net(np.stack(days, axis=1)))


def _regressed(choice: Choice, own: Array) -> float:
    """Give the worth of draws of a part, (draw, part): what it says of net benefits is a polynomial of it."""
    wide = own.std(axis=0)
    z = (own - own.mean(axis=0))[:, wide > 0] / wide[wide > 0]
    powers = [
        np.prod(z[:, list(each)], axis=1)
        for degree in range(DEGREE + 1)
        for each in combinations_with_replacement(range(z.shape[1]), degree)
    ]
    basis, root = np.stack(powers, axis=1), np.sqrt(choice.effects.weight)[:, None]
    days = choice.days(choice.effects.mean[:, : choice.count])
    fitted = basis @ np.linalg.lstsq(root * basis, root * days, rcond=None)[0]
    return worth_of(choice.effects.weight, choice.stakes.net(fitted))


def of_spread(choice: Choice) -> float:
    """Give the worth of knowing every hyperparameter: which node holds."""
    effects = choice.effects
    sd = np.sqrt(np.diagonal(effects.covariance, axis1=1, axis2=2))[:, : choice.count]
    mean, days = effects.mean[:, : choice.count], np.empty(sd.shape)
    for own in range(choice.count):
        z, rule = rule_for(choice.days, mean[:, own, None], sd[:, own])
        days[:, own] = choice.days(mean[:, own, None] + sd[:, own, None] * z) @ rule[:, 0]
    return worth_of(effects.weight, choice.stakes.net(days))


def of_sd(choice: Choice, name: str) -> float:
    """Give the worth of knowing one SD: expected days follow it along a curve through a few of its values."""
    whole: Any = choice.whole  # a fit, which has neighbours, or draws
    if not hasattr(whole, "under"):
        drawn = whole.tree["posterior"].dataset[name].to_numpy().reshape(-1, 1)
        return _regressed(choice, np.log(drawn))
    known, levels = whole.posterior.hyper[name], (np.arange(FEW) + 0.5) / FEW
    values = np.asarray(known.quantile(np.array(LEVELS)))
    rows = [row_at(whole, whole.model.pooled, option.at)[0] for option in choice.stakes.option]
    days = [
        [choice.days(each.quantile(levels)).mean() for each in near.mean_at(np.array(rows))]
        for own in values.tolist()
        for near in whole.under([{name: LogNormal(math.log(own), KNOWN)}])
    ]
    every = np.clip(known.quantile(levels), values[0], values[-1])
    between = scipy.interpolate.PchipInterpolator(values, np.array(days))(every)
    return worth_of(_even(FEW), choice.stakes.net(between))


def _even(count: int) -> Array:
    return np.full(count, 1.0 / count)
