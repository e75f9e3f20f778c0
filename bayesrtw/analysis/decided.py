"""Claims of a brief beside the numbers that a panel decides by: people, days, zones, certainty, equity."""

from typing import Any, Final

import numpy as np
import pandas as pd

from bayesrtw.analysis.against import hold_against, spoken_to
from bayesrtw.analysis.findings import suggest
from bayesrtw.analysis.query import selected
from bayesrtw.analysis.run import Synthesis, asked_of
from bayesrtw.analysis.spec import Analysis
from bayesrtw.decision.absolute import OF
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
        Rows, model and what was stated, or a synthesis of it; the model is one for the exact engine, and not
        of parts of programmes.
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
    known: dict[bytes, dict[str, Any]] = {}
    lines = []
    for claim in brief.claims:
        has, about = spoken_to(brief, claim, analysis, rows)
        keep = has & about
        key = keep.tobytes()
        if key not in known:
            known[key] = _figures(analysis, rows.rows(keep)) if keep.any() else _NOTHING
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


def _figures(analysis: Analysis, rows: Evidence) -> dict[str, Any]:
    """Give the figures of some rows."""
    whole = solve(analysis.model, rows)
    found = counted(whole, analysis.decision)
    certainty = Certainty(suggested=suggest(analysis, rows, found))
    told = line(found, analysis.decision, certainty)
    factors = equity(rows)
    told_of = factors.table["told"][factors.table["studies"] > 0]
    says = [f"{name}: {each}" for name, each in told_of.items()]
    return {
        **_NOTHING,
        **_absolute(told),
        **_zones(told),
        "suggested": certainty.level,
        "lowered": certainty.suggested.lowered,
        "not_assessed": ", ".join(certainty.suggested.open),
        "equity": "; ".join([*says, f"nothing of {', '.join(factors.silent)}"]),
    }


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
    if not row["suggested"]:
        return f"{name}: {row['equity']}."
    figures = (
        f"{row['median']:.0f} ({row['lower']:.0f} to {row['upper']:.0f}) {row['counted']}; "
        if row["counted"]
        else ""
    )
    beside = row["certainty"] or "no certainty given"
    return f"{name}: {figures}certainty {row['suggested']} suggested of these rows, {beside} in the brief."
