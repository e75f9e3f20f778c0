"""Claims of a brief beside the numbers that a panel decides by: people, days, zones, certainty, equity."""

from collections.abc import Mapping
from typing import Any, Final

import numpy as np
import pandas as pd

from bayesrtw.analysis.against import hold_against, sets_of, spoken_to
from bayesrtw.analysis.findings import suggest
from bayesrtw.analysis.query import selected
from bayesrtw.analysis.run import Synthesis, asked_of
from bayesrtw.analysis.spec import Analysis
from bayesrtw.decision.absolute import OF
from bayesrtw.decision.certainty import Suggested
from bayesrtw.decision.certainty_file import Certainty
from bayesrtw.decision.equity import equity
from bayesrtw.decision.findings import OutcomeLine, counted, line
from bayesrtw.engine import solve
from bayesrtw.evidence.table import Evidence
from bayesrtw.question.answer import Answer, answered
from bayesrtw.question.asked import About
from bayesrtw.reading.brief import Brief

#: What is taken over from `hold_against`.
OVER: Final = (
    "kind",
    "component",
    "says",
    "direction",
    "certainty",
    "studies",
    "designs",
    "reading",
    "why",
)


def decided_claims(
    brief: Brief, analysis: Analysis | Synthesis, evidence: Evidence | None = None
) -> Answer:
    """Give the numbers that a panel decides by for each claim of a brief, from the rows that speak to it.

    Each claim's rows are pooled by the analysis's own model, as `bayesrtw.hold_against` does; what the
    analysis states under ``[decision]`` gives people, days and zones. The brief's certainty stands beside the
    one that is suggested of these rows: the two are about different evidence, and neither corrects the other.

    Parameters
    ----------
    brief
        The claims.
    analysis
        Rows, model and what was stated, or a synthesis of it; the model is one for the exact engine. One of
        parts of programmes is asked what the claim's parts add, others alike, and no certainty is suggested.
    evidence
        In place of the data set that it names.

    Returns
    -------
    Answer
        A data frame, index the claim: ``kind, component, says, direction, certainty`` (the brief's),
        ``studies, designs, reading, why`` as of `hold_against`; ``counted``, what is counted, with ``median,
        lower, upper`` and ``new_lower, new_upper``, and ``days_median, days_lower, days_upper`` where a curve
        is stated; ``matters`` and ``harms``, probabilities of an important benefit and harm on average, and
        ``new_matters, new_harms``; ``suggested, lowered, not_assessed`` of certainty; ``equity``, what its
        studies say by the factors of PROGRESS-Plus, and where nothing. Empty without rows.

    Raises
    ------
    SpecError
        As of `bayesrtw.decision.findings.counted`.
    EngineRefusal
        If the exact engine cannot fit the model.
    """
    analysis, source = asked_of(analysis, evidence)
    rows = selected(analysis, source).evidence
    held = hold_against(brief, analysis, source)
    known: dict[tuple[bytes, tuple[str, ...]], dict[str, Any]] = {}
    lines, sets = [], sets_of(analysis)
    for claim in brief.claims:
        has, about = spoken_to(brief, claim, analysis, rows)
        keep, parts = has & about, brief.components[claim.component].parts if sets else ()
        key = keep.tobytes(), parts
        if not keep.any() or (sets and not parts):
            known[key] = _NOTHING
        elif key not in known:
            at = {sets[0]: " + ".join(parts)} if sets else {}
            known[key] = _figures(analysis, rows.rows(about if sets else keep), rows.rows(keep), at)
        lines.append(known[key])
    frame = pd.concat(
        [pd.DataFrame(held)[list(OVER)], pd.DataFrame(lines, index=held.index)], axis=1
    )
    caption = "Claims of a brief beside the numbers that a panel decides by, 95 % intervals"
    words = " ".join(_said(str(name), row) for name, row in frame.iterrows())
    return answered(frame, About(analysis.model, rows), caption, words=words)


#: Figures of a claim that no row speaks to.
_NOTHING: Final[dict[str, Any]] = {
    "counted": "",
    **dict.fromkeys(
        (
            "median", "lower", "upper", "new_lower", "new_upper", "days_median", "days_lower", "days_upper",
            "matters", "harms", "new_matters", "new_harms",
        ),
        np.nan,
    ),
    "suggested": "",
    "lowered": "",
    "not_assessed": "",
    "equity": "no row speaks to it",
}  # fmt: skip


def _figures(
    analysis: Analysis, rows: Evidence, spoken: Evidence, at: Mapping[str, object]
) -> dict[str, Any]:
    """Give the figures of rows: of their mean, or of what parts add; `spoken` are those that speak to it."""
    found = counted(solve(analysis.model, rows), analysis.decision, at)
    suggested = _UNASKED if at else suggest(analysis, rows, found)
    certainty = Certainty(suggested=suggested)
    told = line(found, analysis.decision, certainty)
    factors = equity(spoken)
    told_of = factors.table["told"][factors.table["studies"] > 0]
    says = [f"{name}: {each}" for name, each in told_of.items()]
    return {
        **_NOTHING,
        **_absolute(told),
        **_zones(told),
        "suggested": "" if at else certainty.level,
        "lowered": certainty.suggested.lowered,
        "not_assessed": ", ".join(certainty.suggested.open),
        "equity": "; ".join([*says, f"nothing of {', '.join(factors.silent)}"]),
    }


#: What a part adds is told by comparisons between programmes, whose certainty the domains here do not judge.
_UNASKED: Final = Suggested(start="very low", why="", domains=())


def _absolute(told: OutcomeLine) -> dict[str, Any]:
    """Give people, or days where nothing else is counted, and days beside people."""
    if not told.absolute:
        return {}
    own, new = (told.absolute[of] for of in OF)
    first, *rest = own
    found: dict[str, Any] = {"counted": first}
    found |= {end: own[first][end] for end in ("median", "lower", "upper")}
    found |= {f"new_{end}": new[first][end] for end in ("lower", "upper")}
    for what in rest:
        found |= {f"days_{end}": own[what][end] for end in ("median", "lower", "upper")}
    return found


def _zones(told: OutcomeLine) -> dict[str, float]:
    """Give the probabilities of effects that matter."""
    found = {}
    for of, before in zip(OF, ("", "new_"), strict=True):
        for end, name in (("benefit", "matters"), ("harm", "harms")):
            own = [value for zone, value in told.zones.get(of, {}).items() if zone.endswith(end)]
            if own:
                found[f"{before}{name}"] = sum(own)
    return found


def _said(name: str, row: "pd.Series[Any]") -> str:
    """Say one claim."""
    if not row["suggested"] and not row["counted"]:
        return f"{name}: {row['equity']}."
    figures = (
        f"{row['median']:.0f} ({row['lower']:.0f} to {row['upper']:.0f}) {row['counted']}; "
        if row["counted"]
        else ""
    )
    beside = row["certainty"] or "no certainty given"
    own = (
        f"{row['suggested']} suggested of these rows"
        if row["suggested"]
        else "not suggested of parts"
    )
    return f"{name}: {figures}certainty {own}, {beside} in the brief."
