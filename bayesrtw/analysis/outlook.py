"""How probable it is that one more trial changes the conclusion, and how much it would narrow it."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from bayesrtw.analysis.conclusion import Rules, classify, sceptical_model, stated
from bayesrtw.decision.baseline import BaselinePoints, StatedBaseline
from bayesrtw.decision.voi_counts import Tables, counts_trials, tables
from bayesrtw.decision.voi_effects import elsewhere
from bayesrtw.engine.drawn import FromDraws
from bayesrtw.engine.fitted import Expects
from bayesrtw.errors import EngineRefusal, SpecError
from bayesrtw.evidence.table import Evidence
from bayesrtw.model.spec import Model
from bayesrtw.posterior.kernels import Kernels
from bayesrtw.question.answer import Answer, answered
from bayesrtw.question.asked import Subject
from bayesrtw.question.next_trial import After, OtherEffect, TrialSetting, setting_of
from bayesrtw.question.predict import doubted, draws_of, expected_at, expects

if TYPE_CHECKING:
    import pandas as pd

#: Equally probable results of the trial: a probability of change is exact to half of 1 / 1,000.
RESULTS = 1_000

#: The trial that an update speaks of.
USUAL = "of median precision"

#: Of these, every so many is used for the width, which varies little.
EVERY = 10

#: Where a table says how many draws stand for the posterior, 0 where none do; and what is said of them.
DRAWS, DRAWN = (
    "draws",
    "Draws stand for the posterior, {:,} of them: these probabilities hang on them.",
)

#: Trials of counts that are simulated: the error of a probability is 0.01.
TABLES = 2_500

#: People of trials between which the size that would change the class is looked for, and how finely.
LEAST_PEOPLE, MOST_PEOPLE, FINE = 20.0, 1e6, 1.02


def outlook(
    model: Subject,
    evidence: Evidence | None = None,
    rules: Rules | None = None,
    *,
    now: str = "",
    trials: Mapping[str, float] | None = None,
    at: Mapping[str, str | float] | None = None,
    n: Mapping[str, float] | None = None,
    baseline: StatedBaseline | None = None,
    ci_prob: float = 0.95,
) -> Answer:
    """Say what one more trial of the average programme, in a new setting, could change.

    Results of the trial are those that the present posterior expects, not those of an optimist.

    Parameters
    ----------
    model, evidence
        What is pooled, a model with rows or a synthesis; the model has a pooled mean.
    rules
        Classes of the conclusion, `Analysis.conclusion`; those of a synthesis are its own, else the default
        ones unless given. The class of now is kept until its bound is missed by ``rules.hold``.
    now
        The class that stands, one of ``rules.classes``; that of the present posterior unless given.
    trials
        Name to standard error, analysis scale; `usual_trials` unless given. Such a trial reports its effect
        with a normal error and without bias, whatever the likelihood of the rows and their biases are.
    at
        Column of a moderator to its value where the trial is; the average programme unless given.
    n
        The names of trials to people in both groups. Where the rows are events among people and `baseline` is
        a risk, these trials report counts: their class is that after tables, each with its exact posterior.
    baseline
        What happens without the programme where the trial is.
    ci_prob
        Probability of the interval of the pooled mean whose width is expected.

    Returns
    -------
    Answer
        A data frame with its words.
        One row a trial: ``se``; ``change``, the probability that the class is another one afterwards;
        ``then``, the most probable of the others (empty if none is possible); ``narrower``, by which share
        of its width the interval is expected to be narrower; and ``to <class>``, the probability of each.

    Raises
    ------
    SpecError
        If the model has no intercept, or nobody stated which effects are good.
    EngineRefusal
        If the exact engine cannot fit the model.

    References
    ----------
    .. [1] Sutton, A.J. et al. (2007), Statistics in Medicine 26:2479-2500: a trial is judged by the
       meta-analysis that it will enter.

    Examples
    --------
    >>> import bayesrtw as brw
    >>> analysis = brw.open_analysis("time-to-rtw")
    >>> rows = brw.run(analysis).evidence
    >>> found = brw.outlook(analysis.model, rows, analysis.conclusion)
    >>> bool(found.loc["without sampling error", "narrower"] < 0.1)
    True
    """
    whole = expects(model, evidence)
    points = None if baseline is None else baseline.points(whole.evidence)
    frame = look_out(
        whole,
        rules_of(model, rules),
        now=now,
        trials=trials,
        at=at,
        counted=(n or {}, points),
        drawn=draws_of(model),
        ci_prob=ci_prob,
    )
    said = " ".join(
        f"One more trial {name} changes the class with probability {row['change']:.2f}"
        f"{' (to ' + repr(row['then']) + ')' if row['then'] else ''} and narrows the interval by "
        f"{100 * row['narrower']:.0f} %."
        for name, row in frame.iterrows()
    )
    if frame.attrs[DRAWS]:
        said += f" {DRAWN.format(frame.attrs[DRAWS])}"
    return answered(frame, whole, "What one more trial could change", words=said)


def rules_of(what: Subject, rules: Rules | None) -> Rules:
    """Give the rules of a conclusion: those given, those of a synthesis, or the default ones."""
    if rules is not None:
        return rules
    found = getattr(getattr(what, "analysis", None), "conclusion", None)
    return found if found is not None else Rules()


def look_out(
    whole: Expects,
    rules: Rules | None = None,
    *,
    now: str = "",
    trials: Mapping[str, float] | None = None,
    at: Mapping[str, str | float] | None = None,
    counted: tuple[Mapping[str, float], BaselinePoints | None] = ({}, None),
    drawn: FromDraws | None = None,
    ci_prob: float = 0.95,
) -> "pd.DataFrame":
    """Say what one more trial could change of a fit, or of draws where it does not tell; see `outlook`."""
    import pandas as pd  # noqa: PLC0415

    look = _looked(whole, rules, now, at, drawn)
    width = float(_as_after(look.first.own).width(ci_prob)[0])
    found: dict[str, dict[str, object]] = {}
    for name, each in (usual_trials(whole.evidence) if trials is None else trials).items():
        n, points = counted[0].get(name, math.nan), counted[1]
        told = points is not None and points.of == "risk" and math.isfinite(n) and each > 0
        if told and counts_trials(whole.model):
            assert points is not None
            share = look.shares_counted(
                tables(whole.model, whole.evidence, look.first.setting, n, points, TABLES)
            )
        else:
            share = look.shares(each)
        others = {
            word: chance for word, chance in share.items() if word != look.judge.now and chance > 0
        }
        some = look.results(each)[EVERY // 2 :: EVERY]
        widths = look.first.after(each, some).width(ci_prob)
        found[name] = {
            "se": each,
            "change": 1.0 - share[look.judge.now],
            "then": max(others, key=others.__getitem__) if others else "",
            "narrower": 1.0 - float(np.mean(widths)) / width,
            **{f"to {word}": chance for word, chance in share.items()},
        }
    frame = pd.DataFrame.from_dict(found, orient="index").rename_axis("one more trial")
    frame.attrs[DRAWS] = look.draws
    return frame


def people_needed(
    whole: Expects,
    rules: Rules | None = None,
    *,
    chance: float,
    now: str = "",
    at: Mapping[str, str | float] | None = None,
    drawn: FromDraws | None = None,
) -> tuple[float, float]:
    """Give the size of the one trial that would change the class with some probability."""
    if not 0 < chance < 1:
        raise SpecError(f"chance must lie in (0, 1); found {chance!r}.")
    look = _looked(whole, rules, now, at, drawn)

    def change(se: float) -> float:
        return 1.0 - look.shares(se)[look.judge.now]

    unit = information_unit(whole.evidence)
    most = change(0.0)
    if change(unit / math.sqrt(MOST_PEOPLE)) < chance:
        return math.inf, most
    low, high = LEAST_PEOPLE, MOST_PEOPLE
    if change(unit / math.sqrt(low)) >= chance:
        return low, most
    while high > FINE * low:
        middle = math.sqrt(low * high)
        enough = change(unit / math.sqrt(middle)) >= chance
        low, high = (low, middle) if enough else (middle, high)
    return high, most


def _looked(
    whole: Any,
    rules: Rules | None,
    now: str,
    at: Mapping[str, str | float] | None,
    drawn: FromDraws | None,
) -> "_Look":
    """Prepare a fit, or its draws, and its sceptical neighbour for looking ahead."""
    rules, evidence = rules if rules is not None else Rules(), whole.evidence
    stated(evidence.direction.benefit)
    doubting = sceptical_model(whole.model, rules)
    try:
        first = _ahead(whole, at)
        doubts = None if doubting is None else _ahead(_doubted(whole, doubting), at)
    except EngineRefusal:
        if drawn is None or drawn is whole:
            raise
        return _looked(drawn, rules, now, at, drawn)
    judge = _Judge(rules, higher=evidence.benefit != "lower", now=now)
    if not now:
        today = _as_after(first.own), None if doubts is None else _as_after(doubts.own)
        judge = replace(judge, now=judge.classes(*today)[0])
    return _Look(first, doubts, judge, 0 if hasattr(whole, "beside") else len(first.own.weight))


def _doubted(whole: Any, doubting: Model) -> Expects:
    """Give the sceptical neighbour of a fit, or its draws weighed anew."""
    if hasattr(whole, "beside"):
        return whole.beside(doubting, whole.evidence)  # type: ignore[no-any-return] # a `Fitted`
    assert doubting.mean is not None  # which makes it sceptical
    return doubted(whole, doubting.mean)


@dataclass(frozen=True, slots=True, eq=False)
class _Ahead:
    """The pooled mean, and a setting where a trial would tell of it."""

    own: Kernels
    setting: TrialSetting
    line: OtherEffect | None

    def after(self, se: float, result: NDArray[np.float64]) -> After:
        """Give the pooled mean after results."""
        if self.line is None:
            return self.setting.after(se, result)
        return next(self.setting.beside(se, result, [self.line]))


def _ahead(whole: Any, at: Mapping[str, str | float] | None) -> _Ahead:
    """Put a trial into a setting like those of the pooled mean, or where moderators say."""
    if not at and hasattr(whole, "posterior"):
        return _Ahead(whole.posterior.pooled, setting_of(whole.posterior), None)
    pooled = expected_at(whole, whole.model.pooled, {})
    return _Ahead(pooled, *elsewhere(whole, at or {}))


@dataclass(frozen=True, eq=False)
class _Look:
    """A fit, its sceptical neighbour if there is one, and who names classes."""

    first: _Ahead
    doubts: _Ahead | None
    judge: "_Judge"
    draws: int

    @cached_property
    def _known(self) -> dict[float, NDArray[np.float64]]:
        return {}

    def results(self, se: float) -> NDArray[np.float64]:
        """Give equally probable results of a trial."""
        if se not in self._known:
            self._known[se] = self.first.setting.results(se, RESULTS)
        return self._known[se]

    def shares(self, se: float) -> dict[str, float]:
        """Give the probability of each class after a trial."""
        result = self.results(se)
        doubts = None if self.doubts is None else self.doubts.after(se, result)
        then = self.judge.classes(self.first.after(se, result), doubts)
        return {word: then.count(word) / RESULTS for word in self.judge.rules.classes}

    def shares_counted(self, found: Tables) -> dict[str, float]:
        """Give the probability of each class after a trial that reports counts."""
        chances = []
        for one in (self.first, self.doubts):
            if one is not None:
                known = self.judge.chances(one.after(0.0, found.effect))
                chances.append([found.weigh(one.setting) @ each for each in known])
        benefit, harm = chances[0]
        then = self.judge.named(benefit, harm, chances[1][0] if self.doubts is not None else None)
        share = dict.fromkeys(self.judge.rules.classes, 0.0)
        for word, own in zip(then, found.share.tolist(), strict=True):
            share[word] += own
        return share


def information_unit(evidence: Evidence) -> float:
    """Give what a standard error times the root of the number of people is in the rows."""
    data = evidence.data
    se = data["se"].to_numpy().astype(float)
    nothing = np.full(len(se), math.nan)
    n, *groups = (
        data[name].to_numpy().astype(float) if name in data else nothing
        for name in ("n", "n_t", "n_c")
    )
    each = se * np.sqrt(np.where(np.isfinite(sum(groups)), sum(groups), n))
    known = each[np.isfinite(each) & (each > 0)]
    if not len(known):
        raise SpecError(
            f"{evidence.where}: no row with a standard error says how many people it is of (n_t and n_c, or "
            "n), so that nothing says how precise a trial of some size would be: state standard errors."
        )
    return float(np.median(known))


def trials_of(evidence: Evidence, n: Mapping[str, float]) -> dict[str, float]:
    """Give the standard errors that trials of some sizes are expected to have."""
    odd = [name for name, size in n.items() if not (size > 0 and math.isfinite(size))]
    if odd:
        raise SpecError(f"a trial has people, above 0; found {n[odd[0]]!r}.")
    unit = information_unit(evidence)
    return {name: unit / math.sqrt(size) for name, size in n.items()}


def usual_trials(evidence: Evidence) -> dict[str, float]:
    """Give trials like those that there are, and the limit of large ones."""
    se = evidence.data["se"].to_numpy().astype(float)
    return {
        USUAL: float(np.nanmedian(se)),
        "as precise as the most precise": float(np.nanmin(se)),
        "without sampling error": 0.0,
    }


@dataclass(frozen=True, slots=True)
class _Judge:
    """Names the classes of posteriors, as `bayesrtw.analysis.conclusion.conclude` does."""

    rules: Rules
    higher: bool
    now: str

    def classes(self, posterior: After, doubts: After | None) -> list[str]:
        """Name the class after each result; `doubts` is the posterior under the sceptical prior."""
        return self.named(
            *self.chances(posterior), None if doubts is None else self.chances(doubts)[0]
        )

    def chances(self, posterior: After) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Give the probabilities of benefit and of harm after each result."""
        side = self.rules.threshold if self.higher else -self.rules.threshold
        benefit = posterior.beyond(side, above=self.higher)
        return benefit, posterior.beyond(-side, above=not self.higher) if side else 1.0 - benefit

    def named(
        self,
        benefit: NDArray[np.float64],
        harm: NDArray[np.float64],
        sceptical: NDArray[np.float64] | None,
    ) -> list[str]:
        """Name the class of each pair of probabilities, and of benefit under the sceptical prior."""
        doubted = (
            np.zeros(len(benefit), dtype=bool)
            if sceptical is None
            else sceptical < self.rules.sceptical
        )
        best, second = self.rules.classes[:2]
        found = []
        for chance, against, no in zip(benefit, harm, doubted, strict=True):
            word = classify(self.rules, float(chance), float(against), before=self.now)
            found.append(second if word == best and no else word)
        return found


def _as_after(mu: Kernels) -> After:
    """Take the pooled mean as it is for the one after no result."""
    series = None if mu.series is None else mu.series[:, None]
    return After(mu.weight[:, None], mu.mean[:, None], mu.sd[:, None], series)
