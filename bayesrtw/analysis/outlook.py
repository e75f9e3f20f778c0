"""How probable it is that one more trial changes the conclusion, and how much it would narrow it."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from bayesrtw.analysis.conclusion import Rules, classify, sceptical_model, stated
from bayesrtw.engine.fitted import Fitted, Posterior
from bayesrtw.evidence.table import Evidence
from bayesrtw.question.answer import Answer, answered
from bayesrtw.question.asked import Subject, asked
from bayesrtw.question.next_trial import After, after, results

if TYPE_CHECKING:
    import pandas as pd

#: Equally probable results of the trial: a probability of change is exact to half of 1 / 1,000.
RESULTS = 1_000

#: The trial that an update speaks of.
USUAL = "of median precision"

#: Of these, every so many is used for the width, which varies little.
EVERY = 10


def outlook(
    model: Subject,
    evidence: Evidence | None = None,
    rules: Rules | None = None,
    *,
    now: str = "",
    trials: Mapping[str, float] | None = None,
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
    whole = asked(model, evidence)
    frame = look_out(whole, rules_of(model, rules), now=now, trials=trials, ci_prob=ci_prob)
    said = " ".join(
        f"One more trial {name} changes the class with probability {row['change']:.2f}"
        f"{' (to ' + repr(row['then']) + ')' if row['then'] else ''} and narrows the interval by "
        f"{100 * row['narrower']:.0f} %."
        for name, row in frame.iterrows()
    )
    return answered(frame, whole, "What one more trial could change", words=said)


def rules_of(what: Subject, rules: Rules | None) -> Rules:
    """Give the rules of a conclusion: those given, those of a synthesis, or the default ones."""
    if rules is not None:
        return rules
    found = getattr(getattr(what, "analysis", None), "conclusion", None)
    return found if found is not None else Rules()


def look_out(
    whole: Fitted,
    rules: Rules | None = None,
    *,
    now: str = "",
    trials: Mapping[str, float] | None = None,
    ci_prob: float = 0.95,
) -> "pd.DataFrame":
    """Say what one more trial could change of a fit; see `outlook`."""
    import pandas as pd  # noqa: PLC0415

    rules, evidence = rules if rules is not None else Rules(), whole.evidence
    stated(evidence.direction.benefit)
    posterior = whole.posterior
    doubting = sceptical_model(whole.model, rules)
    doubts = None if doubting is None else whole.beside(doubting, evidence).posterior
    judge = _Judge(rules, higher=evidence.benefit != "lower", now=now)
    if not now:
        judge = replace(
            judge,
            now=judge.classes(_as_after(posterior), None if doubts is None else _as_after(doubts))[
                0
            ],
        )
    width = float(_as_after(posterior).width(ci_prob)[0])
    found: dict[str, dict[str, object]] = {}
    for name, each in (usual_trials(evidence) if trials is None else trials).items():
        result = results(posterior, each, RESULTS)
        then = judge.classes(
            after(posterior, each, result), None if doubts is None else after(doubts, each, result)
        )
        share = {word: then.count(word) / RESULTS for word in rules.classes}
        others = {
            word: chance for word, chance in share.items() if word != judge.now and chance > 0
        }
        widths = after(posterior, each, result[EVERY // 2 :: EVERY]).width(ci_prob)
        found[name] = {
            "se": each,
            "change": 1.0 - share[judge.now],
            "then": max(others, key=others.__getitem__) if others else "",
            "narrower": 1.0 - float(np.mean(widths)) / width,
            **{f"to {word}": chance for word, chance in share.items()},
        }
    return pd.DataFrame.from_dict(found, orient="index").rename_axis("one more trial")


def usual_trials(evidence: Evidence) -> dict[str, float]:
    """Give trials like those that there are, and the limit of large ones.

    Parameters
    ----------
    evidence
        The rows.

    Returns
    -------
    dict
        Name to standard error, analysis scale: the rows' median, their smallest, and zero.
    """
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
        side = self.rules.threshold if self.higher else -self.rules.threshold
        benefit = posterior.beyond(side, above=self.higher)
        harm = posterior.beyond(-side, above=not self.higher) if side else 1.0 - benefit
        doubted = (
            np.zeros(len(benefit), dtype=bool)
            if doubts is None
            else doubts.beyond(side, above=self.higher) < self.rules.sceptical
        )
        best, second = self.rules.classes[:2]
        found = []
        for chance, against, no in zip(benefit, harm, doubted, strict=True):
            word = classify(self.rules, float(chance), float(against), before=self.now)
            found.append(second if word == best and no else word)
        return found


def _as_after(posterior: Posterior) -> After:
    """Take the posterior as it is for the one after no result."""
    mu = posterior.pooled
    series = None if mu.series is None else mu.series[:, None]
    return After(mu.weight[:, None], mu.mean[:, None], mu.sd[:, None], series)
