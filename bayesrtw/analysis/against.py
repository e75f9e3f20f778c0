"""Claims of a brief beside what rows say: each pooled in the studies that have its component.

The reading is fixed beforehand and has four words. It is about these rows alone: a claim is not wrong
because few studies are held, and not right because they agree.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from bayesrtw.analysis.conclusion import Rules, classify, conclude, sceptical_model, stated
from bayesrtw.analysis.query import selected
from bayesrtw.analysis.run import Synthesis, asked_of
from bayesrtw.analysis.spec import Analysis
from bayesrtw.engine import fit, solve
from bayesrtw.engine.exact import Exact
from bayesrtw.errors import SpecError
from bayesrtw.evidence.table import Evidence
from bayesrtw.model.components import split
from bayesrtw.posterior.summarise import probability_beyond, summarise
from bayesrtw.question.answer import Answer, answered
from bayesrtw.question.asked import About
from bayesrtw.question.predict import expected_at
from bayesrtw.reading.brief import Brief, Claim, Component

#: Readings. ``silent``: no row can speak about it. ``cannot say``: rows do, without an answer.
READINGS: Final = ("agrees", "points the other way", "cannot say", "silent")

#: Studies from which rows may answer: with four or fewer the result leans on the priors, which is what
#: `bayesrtw.model.checked.check` warns of.
FEWEST: Final = 5

#: Column of the evidence with health conditions.
CONDITION: Final = "condition"


def hold_against(
    brief: Brief, analysis: Analysis | Synthesis, evidence: Evidence | None = None
) -> Answer:
    """Hold each claim of a brief against the rows of an analysis that have its component.

    The analysis's own model is fitted, exactly, to those of its rows whose programme has the component
    and whose health condition is one that the claim is about. The rows agree if the effect is probably
    a benefit by the analysis's own rules, its sceptical prior included, in at least `FEWEST` studies;
    they point the other way if it is probably a harm; else they cannot say. They cannot say either
    where every row has the component and the analysis does not select by it. Only the direction is
    compared, never the size, and a programme with the component is compared with what its own study
    compared it with, not with the same programme without it.

    An analysis of the parts of programmes is asked otherwise: where a component is a part, the model is
    fitted to all rows of these conditions, and the answer is what the part adds, others alike. Studies are
    those whose arms differ in it; no sceptical prior is asked for, since parts have priors around no effect.
    What is no part, such as having several, it cannot say.

    Parameters
    ----------
    brief
        The claims.
    analysis
        Rows, model and rules, or a synthesis of it; the model must be one for the exact engine.
    evidence
        In place of the data set that it names.

    Returns
    -------
    Answer
        A data frame with its picture.
        One row a claim, index its id. Of the claim: ``kind, component, says, certainty, direction,
        conditions``. Of the rows: ``estimates, studies, designs`` (in words), ``elsewhere`` (studies
        with the component in other conditions), ``without`` (studies of these conditions without it:
        where there is none, nothing tells the component from the programme that it is part of). Of the
        fit: ``median, lower, upper`` of the pooled mean and ``new_median, new_lower, new_upper`` of a
        new setting (analysis scale; 95 %), ``probability`` of benefit on average, ``opposite``
        (probability of harm in a new setting); empty without rows. ``reading`` is one of `READINGS`,
        ``why`` says so in words.

    Raises
    ------
    EvidenceError
        If the analysis selects no row, or a component names a column that the rows do not have.
    EngineRefusal
        If the exact engine cannot fit the model.

    Examples
    --------
    >>> import bayesrtw as brw
    >>> table = brw.hold_against(brw.open_brief("evidence-brief"), brw.open_analysis("time-to-rtw"))
    >>> table.loc["b02", "reading"], int(table.loc["b02", "studies"])
    ('silent', 0)
    """
    import pandas as pd  # noqa: PLC0415

    analysis, source = asked_of(analysis, evidence)
    rows = selected(analysis, source).evidence
    fitted: dict[bytes, dict[str, Any]] = {}
    lines = [_line(brief, claim, analysis, rows, fitted) for claim in brief.claims]
    frame = pd.DataFrame(lines, index=pd.Index([c.name for c in brief.claims], name="claim"))
    caption = "Claims of a brief beside the rows that speak to each, 95 % intervals"
    return answered(frame, About(analysis.model, rows), caption, picture="claims")


def _line(
    brief: Brief,
    claim: Claim,
    analysis: Analysis,
    rows: Evidence,
    fitted: dict[bytes, dict[str, Any]],
) -> dict[str, Any]:
    """Make the row of one claim; the same studies are fitted once."""
    component = brief.components[claim.component]
    parts = component.parts if sets_of(analysis) else ()
    has, about = spoken_to(brief, claim, analysis, rows)
    keep = has & about
    studies = _studies(rows, keep)
    found: Mapping[str, Any] = _EMPTY
    other = bool(sets_of(analysis)) and not parts and not component.silent
    if keep.any() and not other:
        key = keep.tobytes() + " ".join(parts).encode()
        if key not in fitted:
            fitted[key] = (
                _added(analysis, rows.rows(about), parts)
                if parts
                else _fitted(analysis, rows.rows(keep))
            )
        found = fitted[key]
    rules = analysis.conclusion
    everywhere = bool(has.all()) and not parts and not _asked(analysis, component)
    reading, why = _reading(claim, component.silent, len(studies), everywhere, found, rules, other)
    return {
        "kind": claim.kind,
        "component": component.title,
        "says": claim.says,
        "certainty": claim.certainty,
        "direction": claim.direction,
        "conditions": ", ".join(claim.condition),
        "estimates": int(keep.sum()),
        "studies": len(studies),
        "designs": _designs(rows, keep),
        "elsewhere": len(_studies(rows, has) - studies),
        "without": len(_studies(rows, about & ~has)),
        **{name: value for name, value in found.items() if name != "class"},
        "reading": reading,
        "why": why,
    }


def spoken_to(
    brief: Brief, claim: Claim, analysis: Analysis, rows: Evidence
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Say which rows speak to a claim: gives (estimate,)."""
    component, meant = brief.components[claim.component], brief.meant(claim)
    parts = component.parts if sets_of(analysis) else ()
    has = np.ones(rows.size, dtype=bool)
    for column, values in () if parts else component.where.items():
        has &= rows.matches(column, list(values))
    has &= not component.silent
    if parts:
        has &= _differs(analysis, rows, parts)
    about = rows.matches(CONDITION, list(meant)) if meant else np.ones(rows.size, dtype=bool)
    return has, about


#: Figures of a claim that no row speaks to.
_EMPTY: Final[Mapping[str, Any]] = {
    "median": np.nan,
    "lower": np.nan,
    "upper": np.nan,
    "probability": np.nan,
    "new_median": np.nan,
    "new_lower": np.nan,
    "new_upper": np.nan,
    "opposite": np.nan,
    "class": "",
}


def _studies(rows: Evidence, keep: Any) -> set[str]:
    return {str(study) for study in rows.data["study"].to_numpy()[keep]}


def _designs(rows: Evidence, keep: Any) -> str:
    """Count studies by design: ``rct 4, cluster_rct 1``."""
    pairs = dict(
        zip(
            rows.data["study"].to_numpy()[keep].astype(str),
            rows.data["design"].to_numpy()[keep].astype(str),
            strict=True,
        )
    )
    names = list(pairs.values())
    ordered = sorted(set(names), key=lambda name: (-names.count(name), name))
    return ", ".join(f"{name} {names.count(name)}" for name in ordered)


def _fitted(analysis: Analysis, rows: Evidence) -> dict[str, Any]:
    """Fit the analysis's model to some of its rows, and conclude by its rules."""
    stated(rows.direction.benefit)
    engine = Exact(draws=0, study_effects=False)
    tree = fit(analysis.model, rows, engine=engine, seed=analysis.seed)
    table = summarise(tree)
    pooled_mean, new_setting = analysis.model.pooled, analysis.model.new
    if new_setting not in table.index:
        raise SpecError(
            f"{analysis.id}: hold_against needs an effect in a new setting; the model has no "
            "heterogeneity; add an exchangeable term."
        )
    doubting = sceptical_model(analysis.model, analysis.conclusion)
    sceptical = None
    if doubting is not None:
        doubted = fit(doubting, rows, engine=engine, seed=analysis.seed)
        side = analysis.conclusion.threshold * (1 if rows.benefit != "lower" else -1)
        sceptical = probability_beyond(
            doubted, pooled_mean, "", side, above=rows.benefit != "lower"
        )
    conclusion = conclude(tree, analysis.conclusion, sceptical=sceptical)
    pooled = table.loc[pooled_mean, ["median", "lower", "upper", "probability"]]
    new = table.loc[new_setting, ["median", "lower", "upper"]].add_prefix("new_")
    return {
        **{str(name): value for name, value in (pooled.to_dict() | new.to_dict()).items()},
        "opposite": conclusion.opposite,
        "class": conclusion.name,
    }


def sets_of(analysis: Analysis) -> list[str]:
    """Name the columns that hold the parts of both arms, where the model is of parts."""
    return [each.column for each in analysis.model.moderators if each.shape == "sets"]


def _differs(analysis: Analysis, rows: Evidence, parts: Sequence[str]) -> NDArray[np.bool_]:
    """Say in which rows the arms differ in one of some parts."""
    sides = [
        [set(split(str(cell))) & set(parts) for cell in rows.data[column].to_numpy()]
        for column in sets_of(analysis)
    ]
    nothing: list[set[str]] = [set()] * rows.size
    first, second = (*sides, nothing)[:2]
    return np.array([one != other for one, other in zip(first, second, strict=True)], dtype=bool)


def _added(analysis: Analysis, rows: Evidence, parts: Sequence[str]) -> dict[str, Any]:
    """Fit a model of parts, and conclude on what some of them add by its rules, without a sceptical prior."""
    stated(rows.direction.benefit)
    rules, higher = analysis.conclusion, rows.benefit != "lower"
    fit_, at = solve(analysis.model, rows), {sets_of(analysis)[0]: " + ".join(parts)}
    mean, new = (expected_at(fit_, of, at) for of in ("mu", "theta_new"))
    side = rules.threshold if higher else -rules.threshold
    chance = mean.beyond(side, above=higher)
    names, levels = ("median", "lower", "upper"), [0.5, 0.025, 0.975]
    return {
        **dict(zip(names, mean.quantile(levels).tolist(), strict=True)),
        "probability": chance,
        **{
            f"new_{name}": value
            for name, value in zip(names, new.quantile(levels).tolist(), strict=True)
        },
        "opposite": new.beyond(0.0, above=not higher),
        "class": classify(rules, chance, mean.beyond(-side, above=not higher)),
    }


def _asked(analysis: Analysis, component: Component) -> bool:
    """Say whether the analysis is about the component: whether it selects its rows by it."""
    where = analysis.evidence.where
    return all(
        column in where and set(where[column]) <= set(values)
        for column, values in component.where.items()
    )


def _reading(
    claim: Claim,
    silent: str,
    studies: int,
    everywhere: bool,
    found: Mapping[str, Any],
    rules: Rules,
    other: bool,
) -> tuple[str, str]:
    """Read what the rows say of a claim, by the rule of `hold_against`."""
    if silent:
        return "silent", silent
    if not claim.direction:
        return "silent", "the claim is not about an effect"
    if not studies:
        return "silent", "no row of this outcome has the component in these conditions"
    if other:
        return "cannot say", "it is no part: an analysis of whole programmes can be asked"
    if studies < FEWEST:
        number = f"{studies} {'study' if studies == 1 else 'studies'}"
        return "cannot say", f"{number}: the answer leans on the priors"
    if everywhere:
        return "cannot say", "every row has it: nothing tells it from the programme it is part of"
    name = str(found["class"])
    why = f"{name}; harm in a new setting has probability {found['opposite']:.2f}"
    sides = {"benefit": (rules.classes[0], rules.classes[-1])}
    sides["harm"] = sides["benefit"][::-1]
    if claim.direction not in sides:
        return "cannot say", f"{why}; a pooled mean cannot show an effect that is {claim.direction}"
    with_it, against_it = sides[claim.direction]
    reading = {with_it: "agrees", against_it: "points the other way"}.get(name, "cannot say")
    return reading, why
