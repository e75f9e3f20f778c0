"""What a report says of the parts of programmes: what each adds, which studies tell it, and sets of them."""

from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.special import ndtr, ndtri

from bayesrtw.analysis.run import Synthesis
from bayesrtw.engine import solve
from bayesrtw.errors import BayesrtwError
from bayesrtw.evidence.measure import Measure
from bayesrtw.model.components import PAIR
from bayesrtw.question.parts import Material, material, pairs_in, told_by
from bayesrtw.report.block import (
    Block,
    Bracketed,
    Controls,
    Head,
    Heading,
    Number,
    Paragraph,
    Pictures,
    Quoted,
    Section,
    Tabular,
    Text,
)
from bayesrtw.report.document import number
from bayesrtw.report.numbers import Printer

if TYPE_CHECKING:
    import pandas as pd

#: Digits of what sets are added up from: a page prints three.
DIGITS = 6
#: SDs by which ends of intervals of sets may be off without a word.
NEAR = 0.02
#: Studies that are named beside a part.
NAMED = 3


def parts_of(synthesis: Synthesis, measure: Measure) -> dict[str, Any] | None:
    """Write what each part adds as plain data; None where the model is not one of components."""
    if not any(each.shape == "sets" for each in synthesis.analysis.model.moderators):
        return None
    evidence = synthesis.evidence
    try:
        whole: Any = solve(synthesis.analysis.model, evidence)
        told, stuff = told_by(whole), material(whole)
    except BayesrtwError as error:
        return {"rows": [], "sets": None, "missing": str(error)}
    titles = {part.name: part.title for part in evidence.coding.parts}
    rows = []
    for name, row in told.table.iterrows():
        ends = {end: float(row[end]) for end in ("median", "lower", "upper")}
        rows.append(
            {
                "name": str(name),
                "pair": PAIR in str(name),
                "title": titles.get(str(name), str(name).replace("_", " ")),
                **ends,
                "back_transformed": {end: number(measure.back(ends[end])) for end in ends},
                "probability": number(row["probability"]),
                "studies": int(row["studies"]),
                "prior": number(row["prior"]),
                "told": [
                    {"study": study, "share": share}
                    for study, share in told.first(str(name), NAMED)
                ],
            }
        )
    sets = _sets(stuff, evidence.benefit != "lower") | {"off": number(_off(stuff, told.table))}
    return {"rows": rows, "sets": sets, "missing": ""}


def _off(stuff: Material, table: "pd.DataFrame") -> float:
    """How far normals are from the posterior at ends of 95 % intervals of parts, in SDs, at most."""
    sd = np.sqrt(np.diagonal(stuff.covariance, axis1=1, axis2=2))
    wanted = np.array([ndtri(0.025), ndtri(0.975)])
    ends = table[["lower", "upper"]].to_numpy().T[:, None]
    below = np.einsum("n,enp->ep", stuff.weight, ndtr((ends - stuff.mean) / sd))
    return float(np.max(np.abs(ndtri(below) - wanted[:, None])))


def _sets(stuff: Material, higher: bool) -> dict[str, Any]:
    """Write the normals that sets of parts are added up from; covariances as lower triangles by rows."""
    i, j = np.tril_indices(len(stuff.names))
    return {
        "pairs": [list(each) for each in pairs_in(stuff.names)],
        "weight": _short(stuff.weight),
        "mean": [_short(each) for each in stuff.mean],
        "covariance": [_short(each[i, j]) for each in stuff.covariance],
        "spread": _short(stuff.spread),
        "higher": higher,
    }


def _short(values: Any) -> list[float]:
    return [float(f"{value:.{DIGITS}g}") for value in values.tolist()]


def parts(content: dict[str, Any], n: Printer) -> list[Section]:
    """Say what each part adds and which studies tell it, and let a reader choose sets."""
    found = content.get("parts")
    if not found:
        return []
    if found["missing"]:
        why: Text = ("Not worked out: ", Quoted(found["missing"]))
        return [Section("parts", "Parts of programmes", (Paragraph(why),), "Parts")]
    said = (
        "What each part adds to a programme, others alike. Shares say where that comes from, and add up to "
        "100\u00a0% with the prior's: what the answer would take over through each had the part more effect. "
        "Parts are compared across studies: what else differs with a part may stand behind it, and what one "
        "study alone tells is that study."
    )
    head = (
        Head(("Part",)),
        Head((f"{n.measure.abbreviation} (95\u00a0% CrI)",), "num"),
        Head((content["event"] or "P(above none)",), "num"),
        Head(("Studies",), "num"),
        Head(("Told by (share, %)",), "words"),
        Head(("Prior, %",), "num"),
    )
    rows = tuple(
        (
            (Quoted(row["title"]),),
            (Bracketed(f"/parts/rows/{place}/back_transformed"),),
            (Number(f"/parts/rows/{place}/probability", "probability"),),
            (Number(f"/parts/rows/{place}/studies", "count"),),
            _told(row["told"], f"/parts/rows/{place}/told"),
            (Number(f"/parts/rows/{place}/prior", "percent"),),
        )
        for place, row in enumerate(found["rows"])
    )
    blocks: tuple[Block, ...] = (
        Paragraph((said,)),
        Tabular("Parts of programmes", head, rows, cards=True),
        Pictures(),
        Heading("Sets of parts"),
        *_approximate(found["sets"]),
        Controls((Paragraph(("The HTML report adds up any set of parts.",)),), "parts"),
    )
    return [Section("parts", "Parts of programmes", blocks, "Parts")]


def _approximate(sets: dict[str, Any]) -> tuple[Block, ...]:
    """Say how near sets are where the posterior is skewed, which sums of few normals are not."""
    if sets["off"] <= NEAR:
        return ()
    off: Text = (
        "Sets are added up from normals, whose ends of 95\u00a0% intervals lie within ",
        Number("/parts/sets/off", "two"),
        " SDs of those of single parts; `predict` gives exact ones.",
    )
    return (Paragraph(off),)


def _told(first: list[dict[str, Any]], at: str) -> Text:
    found: list[Any] = []
    for place, each in enumerate(first):
        found += [", "] * bool(place)
        found += [Quoted(each["study"]), " ", Number(f"{at}/{place}/share", "percent")]
    return tuple(found)
