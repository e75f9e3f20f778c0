"""Sections of a report on its studies: each number, its source, what the model makes of it; moderators."""

from typing import Any

from bayesrtw.evidence.coding import UNCLEAR_COLUMN
from bayesrtw.printed import event
from bayesrtw.question.missing import ABSENT
from bayesrtw.report.block import (
    Block,
    Bracketed,
    Chance,
    Folded,
    Head,
    Number,
    Paragraph,
    Pictures,
    Quoted,
    Section,
    Styled,
    Tabular,
    Text,
)
from bayesrtw.report.numbers import Printer, pointer
from bayesrtw.report.words import label, quantity


def effects(content: dict[str, Any], n: Printer) -> tuple[Block, ...]:
    """Hold what each study reports beside its shrunken effect: its own estimate and all others."""
    weights, found = content["weights"], content["estimates"]
    shrunken = [pointer("estimates", f"theta[{row['estimate']}]") for row in content["rows"]]
    has = any(f"theta[{row['estimate']}]" in found for row in content["rows"])
    head = [
        Head(("Estimate",)),
        Head((f"Own estimate, {n.measure.abbreviation} (95\u00a0% CI)",), "num"),
    ]
    if has:
        head.append(Head(("Shrunken, its own included (95\u00a0% CrI)",), "num"))
    if weights:
        head.append(Head(("Weight, %",), "num"))
    rows = []
    for place, row in enumerate(content["rows"]):
        cells: list[Text] = [(Quoted(row["estimate"]),), _own(place, row)]
        known = f"theta[{row['estimate']}]" in found
        if has:
            cells.append((Bracketed(f"{shrunken[place]}/back_transformed"),) if known else ("–",))
        if weights:
            at = pointer("weights", "estimates", row["estimate"])
            # A study that gives the prior speaks through it.
            own = row["estimate"] in weights["estimates"]
            cells.append((Number(at, "percent"),) if own else ("in the prior",))
        rows.append(tuple(cells))
    if weights:
        blank: list[Text] = [()] * (len(head) - 2)
        rows.append((("Prior of the pooled mean",), *blank, (Number("/weights/prior", "percent"),)))
    return (
        Tabular("Estimates, reported and shrunken towards the others", tuple(head), tuple(rows)),
    )


def evidence(content: dict[str, Any], n: Printer) -> Section:
    """List the numbers with the place where each was read and how it was converted."""
    rows = content["rows"]
    has = {
        name: any(row.get(name) not in (None, "") for row in rows)
        for name in ("design", "year", "follow_up_months", "locator", "note")
    }
    asked = list(rows[0]["moderators"]) if rows else []
    short = n.measure.abbreviation
    arms = any(each["check"] == "single-arms" for each in content["findings"])
    columns: list[tuple[Head, bool]] = [
        (Head(("Estimate",)), True),
        (Head(("Design",)), has["design"]),
        (Head(("Year",), "num"), has["year"]),
        (Head(("Months",), "num"), has["follow_up_months"]),
        (Head(("People",), "num"), True),
        (Head((f"{'Arm' if arms else short} (95\u00a0% CI)",), "num"), True),
        (Head((f"SE of log {short}" if n.measure.log else "SE",), "num", aside=True), True),
        (Head(("As printed",), "words", aside=True), True),
        (Head(("How converted",), "words", aside=True), True),
        (Head(("Read in",), "words", aside=True), has["locator"]),
        *(
            (Head((Quoted(label(name)),), aside=name.endswith(UNCLEAR_COLUMN)), True)
            for name in asked
        ),
        (Head(("Note",), "words", aside=True), has["note"]),
    ]
    cells = tuple(
        tuple(
            cell for cell, (_, shown) in zip(_row(place, row, asked), columns, strict=True) if shown
        )
        for place, row in enumerate(rows)
    )
    said = "Each number with the place where it was read and how it came to the scale of analysis."
    if arms:
        said += " Rows are single arms: their numbers hold the baseline of their study, and are no effects."
    table = Tabular(
        "Evidence table", tuple(head for head, shown in columns if shown), cells, sortable=True
    )
    blocks: list[Block] = [Paragraph((said,)), table, Pictures()]
    return Section("evidence", "Evidence", (*blocks, *_judged(content)))


def _own(place: int, row: dict[str, Any]) -> Text:
    """Write the own interval of a row as its study prints it, or as it is modelled."""
    own = f"/rows/{place}/own"
    printed = row["own_printed"]
    return (Quoted(printed, number=f"{own}/median") if printed else Bracketed(own),)


def _row(place: int, row: dict[str, Any], asked: list[str]) -> list[Text]:
    """Write every cell of an estimate, those of empty columns too."""
    at = f"/rows/{place}"

    def figure(name: str, style: str) -> Text:
        return (Number(f"{at}/{name}", style),) if row.get(name) is not None else ()

    doubts: Text = (
        (" ", Styled(("Doubt: ", Quoted(row["doubts"])), "quiet")) if row["doubts"] else ()
    )
    return [
        (Quoted(row["estimate"]),),
        (Quoted(label(row["design"])),),
        figure("year", "plain"),
        figure("follow_up_months", "plain"),
        figure("n", "count"),
        _own(place, row),
        (Number(f"{at}/se", "se"),),
        (Quoted(row["printed"]),),
        (Quoted(row["conversion"] or "given on the analysis scale"), *doubts),
        (Quoted(row["locator"], linked=True),),
        *((Quoted(label(row["moderators"][name])),) for name in asked),
        (Quoted(row["note"]),),
    ]


def _judged(content: dict[str, Any]) -> tuple[Block, ...]:
    """List the judgements of risk of bias, each study once."""
    seen: dict[str, tuple[str, list[dict[str, str]]]] = {}
    for row in content["rows"]:
        seen.setdefault(row["study"], (row["estimate"], row["bias"]))
    rows = tuple(
        (
            (Quoted(name),),
            (Quoted(each["instrument"]),),
            (Quoted(each["domain"]),),
            (Quoted(each["judgement"]),),
        )
        for name, judgements in seen.values()
        for each in judgements
    )
    if not rows:
        return ()
    title = "Judgements of risk of bias"
    names = ("Study", "Instrument", "Domain", "Judgement")
    return (Folded(title, (Tabular(title, tuple(Head((name,)) for name in names), rows),)),)


def moderators(content: dict[str, Any], n: Printer) -> list[Section]:
    """List level means and coefficients of moderators."""
    rows = []
    higher = content["benefit"] != "lower"
    for name in content["estimates"]:
        kind, _, rest = name.partition("[")
        if kind not in ("mu_level", "beta") or (kind == "beta" and rest[:-1].endswith("]")):
            continue
        column, _, level = rest[:-1].partition("[")
        at = pointer("estimates", name)
        said = event(
            name, n.measure.null, above=higher, benefit=content["benefit"] or "", log=n.measure.log
        )
        known = content["estimates"][name]["probability"] is not None
        rows.append(
            (
                (Quoted(label(column)),),
                (Quoted(label(level[:-1] if level else "per unit")),),
                (Bracketed(f"{at}/back_transformed"),),
                (Chance(said, f"{at}/probability"),) if known else (),
            )
        )
    if not rows:
        return []
    head = (
        Head(("Moderator",)),
        Head(("Level",)),
        Head((f"{n.measure.title} (95\u00a0% CrI)",), "num"),
        Head(("Probability",), "num"),
    )
    said = "Moderators of study results compare studies, not workers."
    table = Tabular("Moderators", head, tuple(rows), cards=True)
    return [Section("moderators", "Moderators", (Paragraph((said,)), table))]


def missing_levels(content: dict[str, Any], n: Printer) -> list[Section]:
    """Say what missing levels of a moderator cost, and what other ways to treat them would say."""
    found = content.get("missing_levels")
    if not found:
        return []
    title, short = "Levels that studies do not report", "Missing levels"
    if found["missing"]:
        why: Text = ("Not worked out: ", Quoted(found["missing"]))
        return [Section("missing", title, (Paragraph(why),), short)]
    ways = found["ways"]
    parts = ABSENT in (each["name"] for each in ways)
    which, what, instead = (
        ("a ", "arms", "what stands open taken for absent")
        if parts
        else ("", "levels", "silence taken for a level of its own")
    )
    said: Text = (
        f"Some studies do not report {which}",
        Quoted(label(found["column"])),
        f". The answer is a sum over the {what} that they may have. Missing information is the part of a "
        "result's variance that would be gone if somebody told; beside it stand the studies that do report "
        f"alone, and {instead}.",
    )
    head = (
        Head(("Result",)),
        *(
            Head((Quoted(f"{each['name'].capitalize()} ({each['rows']} rows)"),), "num")
            for each in ways
        ),
        Head(("Missing information, %",), "num"),
    )
    rows = tuple(
        (
            (Quoted(quantity(each["name"]) if "[" in each["name"] else "Pooled mean"),),
            *(
                (
                    Bracketed(
                        f"/missing_levels/quantities/{place}/ways{pointer(way['name'])}/back_transformed"
                    ),
                )
                if way["name"] in each["ways"]
                else ("–",)
                for way in ways
            ),
            (Number(f"/missing_levels/quantities/{place}/missing_information", "percent"),),
        )
        for place, each in enumerate(found["quantities"])
    )
    caption = f"{n.measure.title} with 95\u00a0% credible intervals."
    table = Tabular("Missing levels", head, rows, caption, own=frozenset({0}), cards=True)
    return [Section("missing", title, (Paragraph(said), table), short)]
