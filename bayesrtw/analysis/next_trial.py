"""The next trial by its size: whether it would move the class, and what it would be worth."""

import math
from collections.abc import Mapping, Sequence

import pandas as pd

from bayesrtw.analysis.conclusion import Rules
from bayesrtw.analysis.outlook import DRAWN, DRAWS, look_out, people_needed, rules_of, trials_of
from bayesrtw.decision.baseline import StatedBaseline
from bayesrtw.decision.cost_stakes import Stakes
from bayesrtw.decision.voi import next_trial as worth_of_trials
from bayesrtw.engine.drawn import FromDraws
from bayesrtw.engine.fitted import Expects
from bayesrtw.evidence.table import Evidence
from bayesrtw.printed import spell_probability
from bayesrtw.question.answer import Answer, Told
from bayesrtw.question.asked import About, Subject
from bayesrtw.question.predict import draws_of, expects

#: What the value of a trial needs and nobody but who decides can say.
NEEDED = (
    "the value of a day of work, the cost of the programme, their currency and source ([decision.stakes]); "
    "for hazard ratios also how people return without it ([decision.baseline])"
)
#: The same for the value to all people, and after the trial's own cost.
MORE = "the number of people that the decision is about (people) and what a trial costs (trial)"


def next_trial(
    model: Subject,
    evidence: Evidence | None = None,
    *,
    n: Sequence[float],
    at: Mapping[str, str | float] | None = None,
    rules: Rules | None = None,
    stakes: Stakes | None = None,
    baseline: StatedBaseline | None = None,
    chance: float | None = None,
) -> Answer:
    """Say of trials of some sizes whether they would move the class, and what they would be worth.

    A trial is as precise for its size as the rows' median. Its value needs what only those who decide say:
    without it the other columns are given, and the words say what is needed.

    Parameters
    ----------
    model, evidence
        What is pooled, a model with rows or a synthesis; the model has a pooled mean.
    n
        People in both groups together, one size or several.
    at
        Column of a moderator to its value where the trial is; the average programme unless given.
    rules
        As of `bayesrtw.outlook`.
    stakes
        Options, costs and the value of a day; those of a synthesis's analysis unless given.
    baseline
        What happens without the programme; that of a synthesis's analysis unless given.
    chance
        Probability with which the class is to change: the size that would do is then said.

    Returns
    -------
    Answer
        A data frame, one row a size: the columns of `bayesrtw.outlook`, then ``person, people, cost, net`` of
        `bayesrtw.decision.voi.next_trial`, NaN where what they need is not stated.

    Raises
    ------
    SpecError
        If a size is not positive, no row says how many people it is of, nobody stated which effects are good,
        or what is stated cannot be used.
    EngineRefusal
        If the model gives no neighbours, or effects cannot be asked together.

    Examples
    --------
    >>> import bayesrtw as brw
    >>> from bayesrtw.analysis.next_trial import next_trial
    >>> synthesis = brw.run(brw.open_analysis("time-to-rtw"))
    >>> found = next_trial(synthesis, n=[200, 1000])
    >>> bool(found["person"].isna().all())
    True
    """
    whole, drawn = expects(model, evidence), draws_of(model)
    stated = getattr(getattr(model, "analysis", None), "decision", None)
    if stated is not None:
        stakes = stakes if stakes is not None else stated.stakes
        baseline = baseline if baseline is not None else stated.baseline
    sizes = {f"of {each:g} people": float(each) for each in n}
    trials, rules = trials_of(whole.evidence, sizes), rules_of(model, rules)
    points = None if baseline is None else baseline.points(whole.evidence)
    frame = look_out(whole, rules, trials=trials, at=at, counted=(sizes, points), drawn=drawn)
    frame.insert(0, "n", pd.Series(sizes))
    said = [_moved(str(name), row) for name, row in frame.iterrows()]
    if chance is not None:
        said.append(_enough(whole, rules, chance, at, drawn))
    if frame.attrs[DRAWS]:
        said.append(DRAWN.format(frame.attrs[DRAWS]))
    money = ["person", "people", "cost", "net"]
    if stakes is None:
        frame[money] = math.nan
        said.append(f"What a trial would be worth needs {NEEDED}.")
    else:
        subject = model if evidence is None else whole
        worth = worth_of_trials(
            subject, stakes=stakes, baseline=baseline, trials=trials, n=sizes, at=at
        )
        frame[money] = worth[money]
        said.append(worth.describe().partition(". ")[2])
        if frame["net"].isna().all():
            said.append(f"Its value to all people, less what it costs, needs {MORE}.")
    about = About(whole.model, whole.evidence)
    words = " ".join(said) if stakes is not None else about.said(*said)
    currency = "" if stakes is None else stakes.currency
    told = Told(
        "What the next trial would change, by its size.",
        about,
        "trial_sizes",
        {"currency": currency},
        words,
    )
    return Answer(frame, told)


def _moved(name: str, row: "pd.Series[float]") -> str:
    """Say what a trial does to the class."""
    then = f", most probably to {row['then']!r}" if row["then"] else ""
    return (
        f"A trial {name} (standard error {row['se']:.2g}) changes the class with probability "
        f"{spell_probability(row['change'])}{then}."
    )


def _enough(
    whole: Expects,
    rules: Rules,
    chance: float,
    at: Mapping[str, str | float] | None,
    drawn: FromDraws | None,
) -> str:
    """Say the size that would move the class with some probability."""
    size, most = people_needed(whole, rules, chance=chance, at=at, drawn=drawn)
    if math.isfinite(size):
        return (
            f"{size:,.0f} people would move it with probability {spell_probability(chance)}, as a trial that "
            "reports an estimate."
        )
    return (
        f"No trial of one setting, however large, moves it with probability {spell_probability(chance)}: "
        f"without sampling error it is {spell_probability(most)}."
    )
