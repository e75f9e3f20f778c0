"""What a report says of the next trial where its analysis states what it would be worth."""

from typing import Any

import pandas as pd

from bayesrtw.analysis.next_trial import next_trial as foresee
from bayesrtw.analysis.run import Synthesis
from bayesrtw.decision.voi import value_of_knowing
from bayesrtw.errors import BayesrtwError
from bayesrtw.report.block import (
    Block,
    Head,
    Number,
    Paragraph,
    Pictures,
    Quoted,
    Section,
    Tabular,
    Text,
)
from bayesrtw.report.document import number

#: Sizes that the curve goes through, people in both groups.
SIZES = (50, 100, 200, 350, 500, 1000, 2000)
#: Columns of a size that are numbers.
FIGURES = ("n", "se", "change", "person", "people", "cost", "net")


def next_trial_of(synthesis: Synthesis) -> dict[str, Any] | None:
    """Work out what trials would be worth; None where the analysis does not state what that needs."""
    decision = synthesis.analysis.decision
    if decision.stakes is None:
        return None
    try:
        trials = foresee(synthesis, n=SIZES)
        known = value_of_knowing(synthesis, stakes=decision.stakes, baseline=decision.baseline)
    except BayesrtwError as error:
        return {"rows": [], "knowing": [], "currency": "", "said": "", "missing": str(error)}
    rows = [
        {"name": str(name), "then": str(row["then"])}
        | {each: number(row[each]) for each in FIGURES}
        for name, row in trials.iterrows()
    ]
    knowing = [
        {"name": str(name), **{str(each): number(value) for each, value in row.items()}}
        for name, row in known.iterrows()
    ]
    return {
        "rows": rows,
        "knowing": knowing,
        "currency": decision.stakes.currency,
        "said": trials.describe("trial_sizes"),
        "source": decision.stakes.source,
        "missing": "",
    }


def table_of(found: dict[str, Any]) -> pd.DataFrame:
    """Make the table of sizes of its record again."""
    table = pd.DataFrame(found["rows"]).set_index("name")
    return table.astype(dict.fromkeys(FIGURES, float))


def next_trial(content: dict[str, Any]) -> list[Section]:
    """Say what the next trial would be worth, by its size."""
    found = content.get("next_trial")
    if not found:
        return []
    title = "What the next trial would be worth"
    if found["missing"]:
        why: Text = ("Not worked out: ", Quoted(found["missing"]))
        return [Section("next-trial", title, (Paragraph(why),), "Next trial")]
    money = f", {found['currency']}"
    said: Text = (
        "The worth of a trial is what deciding after its result gains on average over deciding now. A trial "
        "tells of one setting: heterogeneity limits its worth, however large it is. Prices, costs and people "
        "are stated by the analysis (",
        Quoted(found["source"]),
        ").",
    )
    every = [name for name in ("people", "cost", "net") if found["rows"][0][name] is not None]
    titles = {"people": "Worth to all", "cost": "Its cost", "net": "What is left"}
    head = (
        Head(("People in both groups",)),
        Head(("P(class changes)",), "num"),
        Head((f"Worth a person{money}",), "num"),
        *(Head((f"{titles[name]}{money}",), "num") for name in every),
    )
    rows = tuple(
        (
            (Number(f"/next_trial/rows/{place}/n", "count"),),
            (Number(f"/next_trial/rows/{place}/change", "probability"),),
            (Number(f"/next_trial/rows/{place}/person", "two"),),
            *((Number(f"/next_trial/rows/{place}/{name}", "count"),) for name in every),
        )
        for place in range(len(found["rows"]))
    )
    known = [name for name in ("person", "people") if name in found["knowing"][0]]
    names = {"person": "A person", "people": "To all"}
    heads = (
        Head(("What would be known without error",)),
        *(Head((f"{names[name]}{money}",), "num") for name in known),
    )
    blocks: list[Block] = [
        Paragraph(said),
        Pictures(),
        Tabular("What trials of some sizes would be worth", head, rows, cards=True),
        Tabular("What it would be worth to know", heads, _known(found, known), cards=True),
    ]
    return [Section("next-trial", title, tuple(blocks), "Next trial")]


def _known(found: dict[str, Any], columns: list[str]) -> tuple[tuple[Text, ...], ...]:
    """Write what it would be worth to know, one row a part."""
    styles = {"person": "two", "people": "count"}
    return tuple(
        (
            (Quoted(row["name"][:1].upper() + row["name"][1:]),),
            *((Number(f"/next_trial/knowing/{place}/{name}", styles[name]),) for name in columns),
        )
        for place, row in enumerate(found["knowing"])
    )
