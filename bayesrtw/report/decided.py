"""What a report says for a decision: effects at the baseline that its analysis states, and their zones."""

from typing import Any

from bayesrtw.analysis.run import Synthesis
from bayesrtw.decision.absolute import OF
from bayesrtw.decision.certainty import Suggested
from bayesrtw.decision.certainty_file import Certainty
from bayesrtw.decision.findings import counted, line
from bayesrtw.errors import BayesrtwError
from bayesrtw.question.predict import expects
from bayesrtw.report.block import (
    Block,
    Bracketed,
    Head,
    Number,
    Paragraph,
    Quoted,
    Section,
    Tabular,
    Text,
)
from bayesrtw.report.document import number
from bayesrtw.report.numbers import pointer


def decided_of(synthesis: Synthesis) -> dict[str, Any] | None:
    """Write absolute effects and zones as plain data; None where the analysis states neither."""
    decision = synthesis.analysis.decision
    if decision.baseline is None and not decision.zones.scale:
        return None
    try:
        told = line(counted(expects(synthesis, None), decision), decision, _NOBODY)
    except BayesrtwError as error:
        return {"missing": str(error), "baseline": "", "rows": [], "zones": [], "thresholds": ""}
    rows = [
        {"of": of, "counted": what, **{str(key): number(value) for key, value in row.items()}}
        for of, each in told.absolute.items()
        for what, row in each.items()
    ]
    zones = [
        {"zone": zone, **{of: number(told.zones[of][zone]) for of in OF}}
        for zone in (told.zones[OF[0]] if told.zones else ())
    ]
    return {
        "missing": "",
        "baseline": told.baseline,
        "rows": rows,
        "zones": zones,
        "thresholds": told.thresholds,
    }


#: A report says nothing of certainty: that is for a summary of findings.
_NOBODY = Certainty(suggested=Suggested(start="high", why="", domains=()))


def decided(content: dict[str, Any]) -> list[Section]:
    """Say what the effects come to where the analysis states a baseline, and which zones they lie in."""
    found = content.get("decided")
    if not found:
        return []
    blocks: list[Block] = []
    if found["missing"]:
        blocks.append(Paragraph(("This could not be worked out: ", Quoted(found["missing"]))))
    if found["rows"]:
        head = (
            Head(("Effect",)), Head(("Counted",)), Head(("Without the programme",), "num"),
            Head(("Difference (95\u00a0%)",), "num"), Head(("P(more)",), "num"),
        )  # fmt: skip
        rows = tuple(_row(place, row) for place, row in enumerate(found["rows"]))
        blocks.append(Tabular("At the stated baseline", head, rows, cards=True))
    if found["baseline"]:
        wide = any(row["without_lower"] != row["without_upper"] for row in found["rows"])
        how = "with its uncertainty in every interval" if wide else "taken for certain"
        said: Text = ("Without the programme: ", Quoted(found["baseline"]), f", {how}.")
        blocks.append(Paragraph(said, "note"))
    if found["zones"]:
        heads = (Head(("Zone",)), *(Head((of.capitalize(),), "num") for of in OF))
        cells = tuple(
            (
                (row["zone"],),
                *((Number(pointer("decided", "zones", place, of), "probability"),) for of in OF),
            )
            for place, row in enumerate(found["zones"])
        )
        caption = f"Probability of each zone: {found['thresholds']}."
        blocks.append(Tabular("Zones", heads, cells, caption))
    return [Section("decision", "For a decision", tuple(blocks))]


def _row(place: int, row: dict[str, Any]) -> tuple[Text, ...]:
    at = pointer("decided", "rows", place)
    return (
        (row["of"],),
        (row["counted"],),
        (Number(f"{at}/without", "people"),),
        (Bracketed(at, "signed"),),
        (Number(f"{at}/more", "probability"),),
    )
