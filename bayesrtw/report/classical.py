"""What journals ask for beside the posterior: the pooled effect as classical software prints it."""

from typing import Any

from bayesrtw.analysis.run import Synthesis
from bayesrtw.errors import BayesrtwError
from bayesrtw.evidence.measure import Measure
from bayesrtw.question.classical import classical
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
from bayesrtw.report.numbers import Printer

#: Rows that are no effects.
Q, TAU2, EGGER = "Q", "tau2 by REML", "Egger's test"


def classical_of(synthesis: Synthesis, measure: Measure) -> dict[str, Any] | None:
    """Write the table as plain data; None where one pooled mean of all rows would mean nothing."""
    evidence, model = synthesis.evidence, synthesis.analysis.model
    apart = len({str(name) for name in evidence.data["outcome"].to_numpy()}) > 1
    if apart or any(each.shape == "sets" for each in model.moderators):
        return None
    try:
        table = classical(model, evidence)
    except BayesrtwError:
        return None
    rows = []
    for name, row in table.iterrows():
        cells = {key: number(row[key]) for key in table.columns if key != "differs"}
        ends = {"median": row["estimate"], "lower": row["lower"], "upper": row["upper"]}
        known = name not in (Q, TAU2, EGGER)
        back = {end: number(measure.back(value)) for end, value in ends.items()} if known else None
        rows.append({"method": name, **cells, "differs": row["differs"], "back_transformed": back})
    return {"rows": rows, "said": table.describe()}


def classical_section(content: dict[str, Any], n: Printer) -> list[Section]:
    """Print effects by method, then heterogeneity and the test of small studies in sentences."""
    found = content.get("classical")
    if not found:
        return []
    place = {row["method"]: number_ for number_, row in enumerate(found["rows"])}
    head = (
        Head(("Method",)),
        Head((f"{n.measure.abbreviation} (95\u00a0% CI)",), "num"),
        Head(("p",), "num"),
        Head(("tau\u00b2",), "num"),
        Head(("I\u00b2, %",), "num"),
        Head(("How it differs",), "words"),
    )
    rows = tuple(
        (
            (Quoted(row["method"]),),
            (Bracketed(f"/classical/rows/{at}/back_transformed"),),
            (Number(f"/classical/rows/{at}/p_value", "p_value"),),
            (Number(f"/classical/rows/{at}/tau2", "se"),),
            (Number(f"/classical/rows/{at}/i2", "percent"),),
            (Quoted(row["differs"]),),
        )
        for at, row in enumerate(found["rows"])
        if row["back_transformed"]
    )
    caption = "Estimates count as independent and normal, whatever the model above says of them."
    blocks: tuple[Block, ...] = (
        Paragraph(
            (
                "For journals that ask for it: nothing here enters the posterior, and intervals are "
                "confidence intervals: how often the method is right, not where the effect is.",
            )
        ),
        Paragraph(_sentences(found["rows"], place)),
        Tabular("As classical software prints it", head, rows, caption, cards=True),
    )
    return [Section("classical", "As classical software prints it", blocks, "Classical")]


def _sentences(rows: list[dict[str, Any]], place: dict[str, int]) -> Text:
    """Say Q, the interval of tau squared, and Egger's test."""

    def at(method: str, key: str, style: str = "se") -> Number:
        return Number(f"/classical/rows/{place[method]}/{key}", style)

    said: list[Any] = ["Cochran's Q is ", at(Q, "statistic", "two"), " on ", at(Q, "df", "count")]
    said += [
        " degrees of freedom (p ",
        at(Q, "p_value", "p_value"),
        "); tau\u00b2 by REML is ",
        at(TAU2, "tau2"),
    ]
    said += [", Q-profile interval ", at(TAU2, "lower"), " to ", at(TAU2, "upper"), "; H\u00b2 is "]
    said += [at("REML", "h2", "two"), "."]
    if EGGER in place and rows[place[EGGER]]["statistic"] is not None:
        said += [" Egger's test of small studies: t = ", at(EGGER, "statistic", "two"), " on "]
        said += [
            at(EGGER, "df", "count"),
            " degrees of freedom (p ",
            at(EGGER, "p_value", "p_value"),
            ").",
        ]
    return tuple(said)
