"""Whether a moderator does among some studies what it does among the others, e.g. trials and cohorts."""

from collections.abc import Sequence
from dataclasses import replace
from itertools import combinations
from typing import TYPE_CHECKING, Any

import numpy as np

from bayesrtw.engine.exact import Exact
from bayesrtw.errors import EngineRefusal, SpecError
from bayesrtw.evidence.table import Evidence
from bayesrtw.model.checked import hold
from bayesrtw.model.contract import normal
from bayesrtw.model.interaction import Interaction
from bayesrtw.model.moderator import Categorical
from bayesrtw.model.spec import Model
from bayesrtw.model.term import Term
from bayesrtw.posterior.summarise import summarise
from bayesrtw.question.answer import Answer, answered
from bayesrtw.question.asked import Subject, about

if TYPE_CHECKING:
    import pandas as pd

#: A difference of which the rows removed less than this share of the prior variance cannot be told: what
#: is said of it is mostly the prior. Half: below it the prior weighs more than the rows.
LEARNED = 0.5

#: A value that no row has, so that an interaction marks none.
NOBODY = "\x00"

#: Columns of the table, beside its index of ``levels`` and ``among``.
COLUMNS = (
    "rows_first",
    "rows_second",
    "mean",
    "sd",
    "lower",
    "upper",
    "probability",
    "learned",
    "alone_mean",
    "alone_lower",
    "alone_upper",
    "verdict",
)


def within_between(
    model: Subject,
    evidence: Evidence | None = None,
    split: Interaction | None = None,
    *,
    ci_prob: float = 0.95,
) -> Answer:
    """Compare a moderator's effect on both sides of a split of the studies.

    One exact fit holds both sides: they share heterogeneity as `model` says (`ByGroup` gives each its
    own), and what they have in common informs both. Beside it stands what each side says alone.

    Parameters
    ----------
    model, evidence
        What is pooled otherwise, a model with rows or a synthesis. Terms of the split's own
        column are replaced by `split`.
    split
        Needed: an interaction with `values` and `main`: the moderator, which rows are marked, and both
        priors.
    ci_prob
        Probability of the central interval.

    Returns
    -------
    Answer
        A data frame with its words.
        For each pair of levels three rows, `among` the others, the marked ones, and ``difference``
        (marked minus others): rows with the first and the second level; ``mean, sd, lower, upper`` of the
        first level minus the second on the analysis scale; ``probability`` that it is on the side of
        benefit; ``learned``, the share of its prior variance that the rows removed; ``alone_*``, the
        same contrast from that side's rows only, empty where the side lacks a level; and in the row
        ``difference`` a ``verdict``.

    Raises
    ------
    SpecError
        If `split` does not carry the main effect of its column.
    EngineRefusal
        If the model is not one that is integrated exactly.

    Examples
    --------
    >>> import pandas as pd
    >>> import bayesrtw as brw
    >>> frame = pd.DataFrame({"study": list("ABCD"), "effect": [0.4, 0.1, 0.5, 0.0], "se": [0.1] * 4})
    >>> frame["workplace"], frame["design"] = ["yes", "no"] * 2, ["rct", "rct", "cohort", "cohort"]
    >>> model = brw.Model(terms=(brw.Intercept(brw.prior.Normal(0, 0.5)), brw.Common()))
    >>> level = brw.prior.Normal(0, 0.25)
    >>> split = brw.Interaction("workplace", "design", values=("cohort",), name="cohort", main=level)
    >>> table = brw.within_between(model, brw.Evidence.from_frame(frame), split)
    >>> table["alone_mean"].dropna().round(2).to_dict()  # -0.3 and -0.5, times 0.125 / (0.125 + 0.02)
    {('no - yes', 'others'): -0.26, ('no - yes', 'cohort'): -0.43}
    """
    import pandas as pd  # noqa: PLC0415

    if split is None:
        raise SpecError(
            "split is not given; name the moderator and the rows that are marked, e.g. split=Interaction("
            '"programme", "design", values=("cohort",), name="cohort", main=Normal(0, 0.25)).'
        )
    if split.main is None:
        raise SpecError(
            f"split {split.label!r} has no main; give the prior of the level effects, so that both sides "
            "can be told."
        )
    found = about(model, evidence)
    model, evidence = found.model, found.evidence
    whole = _exact(_with(model, split), evidence, ci_prob)
    marked = evidence.matches(split.by, split.values)
    sides = ((split.rest, ~marked), (split.name, marked))
    level = Categorical(split.column, split.prior, split.groups, split.missing).gaussian(evidence)
    names = [label[len(split.column) + 1 : -1] for label in level.labels]
    where = level.levels if level.levels is not None else np.zeros(0, dtype=object)
    alone = {
        side: _exact(_alone(model, split), evidence.rows(keep), ci_prob)
        for side, keep in sides
        if len(set(where[keep])) > 1
    }
    rows: list[dict[str, Any]] = []
    for first, second in combinations(names, 2):
        pair = f"{first} - {second}"
        for side, keep in sides:
            counts = [int((where[keep] == name).sum()) for name in (first, second)]
            row = whole.loc[f"beta[{split.column} in {side}[{pair}]]"]
            other = _pair(alone.get(side), f"{split.column}[{pair}]", counts)
            rows.append(_row(pair, side, counts, row, _prior_sd(split, side), other))
        row = whole.loc[f"beta[{split.label}[{pair}]]"]
        counts = [
            min(rows[-2][f"rows_{end}"], rows[-1][f"rows_{end}"]) for end in ("first", "second")
        ]
        last = _row(pair, "difference", counts, row, _prior_sd(split, "difference"), {})
        rows.append({**last, "verdict": _verdict(last)})
    frame = pd.DataFrame(rows).set_index(["levels", "among"])[list(COLUMNS)]
    said = " ".join(f"{row['levels']}: {row['verdict']}." for row in rows if row["verdict"])
    caption = f"Effects of {split.column} among {split.rest} and {split.name}, {100 * ci_prob:g} % intervals"
    return answered(frame, found, caption, words=said)


def _with(model: Model, split: Interaction) -> Model:
    """Put the split in the place of the terms of its own column."""
    kept = [term for term in model.terms if not _same(term, split)]
    return replace(model, terms=(*kept, split))


def _same(term: Term, split: Interaction) -> bool:
    """Whether a term owns or modifies level effects of the split's column."""
    facts = term.facts
    levels = [each for each in facts.moderators if each.shape == "levels"]
    return any(each.column == split.column for each in (*levels, *facts.modifies))


def _alone(model: Model, split: Interaction) -> Model:
    """Give the model of one side: the moderator alone, nothing that tells the sides apart.

    The level effects come from an `Interaction` that marks no row, so that the differences between
    levels are reported under the same names.
    """
    nobody = replace(split, values=(NOBODY,), name="nobody", rest="alone")
    kept = [
        term
        for term in model.terms
        if not _same(term, split)
        and not any(
            each.shape == "rows" and each.column == split.by for each in term.facts.moderators
        )
        and not (term.facts.trust and term.facts.trust.free and term.facts.trust.column == split.by)
    ]
    return replace(model, terms=(*kept, nobody))


def _exact(model: Model, evidence: Evidence, ci_prob: float) -> "pd.DataFrame":
    engine = Exact(draws=0, study_effects=False)
    hold(model, evidence)
    refusal = engine.refuses(model, evidence)
    if refusal is not None:
        raise EngineRefusal(refusal)
    return summarise(engine.fit(model, evidence, seed=0), ci_prob=ci_prob)


def _pair(table: "pd.DataFrame | None", name: str, counts: Sequence[int]) -> dict[str, float]:
    """Figures of a contrast where its side has rows of both levels."""
    if table is None or not all(counts):
        return {}
    column, pair = name.split("[", 1)
    row = table.loc[f"beta[{column} in alone[{pair}]"].to_dict()
    return {f"alone_{end}": float(row[end]) for end in ("mean", "lower", "upper")}


def _prior_sd(split: Interaction, side: str) -> float:
    """Prior SD of a contrast: sqrt(2) times that of one effect, whatever the number of levels."""
    main, extra = (
        (normal(prior) if prior else None) or (0.0, 0.0) for prior in (split.main, split.prior)
    )
    parts = {split.rest: main[1] ** 2, "difference": extra[1] ** 2}
    parts[split.name] = main[1] ** 2 + extra[1] ** 2
    return float(np.sqrt(2 * parts[side]))


def _row(
    pair: str,
    side: str,
    counts: Sequence[int],
    found: Any,
    prior_sd: float,
    alone: dict[str, float],
) -> dict[str, Any]:
    blank = dict.fromkeys(("alone_mean", "alone_lower", "alone_upper"), np.nan)
    return {
        "levels": pair,
        "among": side,
        "rows_first": counts[0],
        "rows_second": counts[1],
        **{name: float(found[name]) for name in ("mean", "sd", "lower", "upper", "probability")},
        "learned": 1 - (float(found["sd"]) / prior_sd) ** 2,
        **blank,
        **alone,
        "verdict": "",
    }


def _verdict(row: dict[str, Any]) -> str:
    """Say in words what a difference of differences tells."""
    if not min(row["rows_first"], row["rows_second"]):
        return "cannot be told: one side lacks a level"
    if row["lower"] > 0 or row["upper"] < 0:
        return "they disagree"
    if row["learned"] < LEARNED:
        return f"cannot be told: the rows removed {row['learned']:.0%} of the prior variance"
    return "no sign that they disagree"
