"""Sections of a report on what the answer hangs on: the bias ladder, and everything else that was tried."""

from typing import Any, Final

from bayesrtw.printed import BENEFIT
from bayesrtw.report.block import (
    Block,
    Bracketed,
    Bullets,
    Head,
    Heading,
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
from bayesrtw.report.words import label

#: Columns of a panel that have a style of their own; others are printed as words.
_STYLES: Final = {
    "probability": ("", "probability"),
    "tau": ("SD of a new setting", "spread"),
    "elpd": ("Log predictive density", "two"),
    "estimates": ("Estimates", "count"),
    "bayes_factor": ("Bayes factor against the registered model", "factor"),
}

#: Columns of words that have a head of their own.
_WORDS: Final = {"empty_levels": "Levels with no study left (their priors speak)"}

#: Rows of a panel that are the registered answer.
_OWN: Final = ("registered", "none left out")


def ladder(content: dict[str, Any], n: Printer) -> list[Section]:
    """Say what each assumption about the studies that are not randomised buys."""
    climbed = content.get("ladder")
    if not climbed:
        return []
    said = (
        "What each assumption about the studies that are not randomised buys: the same question, "
        "heterogeneity and priors, from the trials alone to every study at its word."
    )
    blocks: list[Block] = [Paragraph((said,)), _rungs(climbed, n), Pictures()]
    if climbed["tipping"]:
        blocks += [Heading("How strong a bias would have to be"), _tipping(climbed, n)]
    if climbed["contributions"]:
        blocks += [Heading("What each design weighs"), _contributions(climbed)]
    if climbed["conflict"]:
        against: Text = (
            "Trials against what the bias-adjusted cohorts predict for them: two-sided predictive p\u00a0= ",
            Number("/ladder/conflict/p", "two"),
            ", z\u00a0= ",
            Number("/ladder/conflict/z", "two"),
            ".",
        )
        blocks.append(Paragraph(against))
    if climbed["findings"]:
        listed = tuple(
            (Styled((each["severity"],), "tag"), Quoted(each["message"]))
            for each in climbed["findings"]
        )
        blocks += [Heading("Findings of the ladder"), Bullets(listed, "findings")]
    return [Section("ladder", "Bias ladder", tuple(blocks))]


def _rungs(climbed: dict[str, Any], n: Printer) -> Tabular:
    head = (
        Head(("Rung",)),
        Head(("Takes for granted",), "words"),
        Head((_effect(n),), "num"),
        Head((BENEFIT,), "num"),
        Head(("Estimates",), "num"),
        Head(("Conclusion",)),
    )
    rows = []
    for place, rung in enumerate(climbed["rungs"]):
        at, name = f"/ladder/rungs/{place}", label(rung["name"])
        mark: Text = (" ", Styled(("(decides)",), "quiet")) if rung["registered"] else ()
        rows.append(
            (
                (Quoted(name[:1].upper() + name[1:]), *mark),
                (Quoted(rung["meaning"]),),
                (Bracketed(f"{at}/back_transformed"),),
                (Number(f"{at}/probability", "probability"),),
                (Number(f"{at}/estimates", "count"),),
                (Quoted(str(rung["conclusion"] or "")),),
            )
        )
    own = frozenset(place for place, rung in enumerate(climbed["rungs"]) if rung["registered"])
    return Tabular("Rungs of the bias ladder", head, tuple(rows), own=own, cards=True)


def _effect(n: Printer) -> str:
    """Head the column of the pooled mean, and say which it is where there are two."""
    which = (n.content["pooled"] or {}).get("which", "")
    mean = f", {which}" if which else ""
    return f"{n.measure.abbreviation}{mean} (95\u00a0% CrI)"


def _tipping(climbed: dict[str, Any], n: Printer) -> Tabular:
    scale = f"ratio of {n.measure.abbreviation}s" if n.measure.log else "analysis scale"
    head = (
        Head((f"{BENEFIT} crosses",), "num"),
        Head(("Now",), "num"),
        Head((f"If cohorts exaggerate the benefit by ({scale})",), "num"),
        Head(("If cohorts keep, % of their information",), "num"),
    )
    far = f"not within {'×' if n.measure.log else '±'}"
    rows = tuple(
        (
            (Number(f"/ladder/tipping/{place}/level", "probability"),),
            (Number(f"/ladder/tipping/{place}/now", "probability"),),
            (far, Number(f"/ladder/tipping/{place}/within", "analysis"))
            if row["bias"] is None
            else (Number(f"/ladder/tipping/{place}/bias", "analysis"),),
            ("never",)
            if row["share"] is None
            else (Number(f"/ladder/tipping/{place}/share", "percent"),),
        )
        for place, row in enumerate(climbed["tipping"])
    )
    caption = "Where the probability of benefit, with every study at its word, crosses a level."
    return Tabular("Tipping points", head, rows, caption, cards=True)


def _contributions(climbed: dict[str, Any]) -> Tabular:
    head = (Head(("Design",)), Head(("Estimates",), "num"), Head(("Weight, %",), "num"))
    rows = []
    for name in climbed["contributions"]:
        at = pointer("ladder", "contributions", name)
        count: Text = ("–",) if name == "prior" else (Number(f"{at}/estimates", "count"),)
        rows.append(((Quoted(label(name)),), count, (Number(f"{at}/weight", "percent"),)))
    caption = "Share of the pooled mean of the rung that decides."
    return Tabular("Weights of designs", head, tuple(rows), caption)


def predictive(content: dict[str, Any], n: Printer) -> list[Section]:
    """Hold each estimate against what the other studies, and the priors alone, lead one to expect."""
    found = content.get("predictive")
    if not found:
        return []
    words = {"others": "the other studies and the priors", "prior": "the priors alone"}
    blocks: list[Block] = []
    for kind, known_from in words.items():
        if found[kind]["smallest"] is None:
            blocks.append(Paragraph((f"Nothing can be predicted from {known_from}: improper.",)))
            continue
        said: Text = (
            f"Given {known_from}, the least expected estimate is ",
            Quoted(found[kind]["smallest"]),
            ": two-sided predictive tail ",
            Number(f"/predictive/{kind}/smallest_tail", "probability"),
            ". If the model holds, a smallest tail like this or smaller has probability ",
            Number(f"/predictive/{kind}/chance", "probability"),
            ", with tails taken as independent.",
        )
        blocks.append(Paragraph(said))
    head = (
        Head(("Estimate",)),
        Head((f"Own estimate, {n.measure.abbreviation} (95\u00a0% CI)",), "num"),
        Head(("Given the others (95\u00a0% PI)",), "num"),
        Head(("Tail",), "num"),
        Head(("From the priors (95\u00a0% PI)",), "num"),
        Head(("Tail",), "num"),
    )
    rows = []
    for place, row in enumerate(content["rows"]):
        cells: list[Text] = [(Quoted(row["estimate"]),), (Bracketed(f"/rows/{place}/own"),)]
        for kind in words:
            known = found[kind]["intervals"][place] is not None
            cells.append((Bracketed(f"/predictive/{kind}/intervals/{place}"),) if known else ("–",))
            tail = f"/predictive/{kind}/tails/{place}"
            cells.append((Number(tail, "probability"),) if known else ("–",))
        rows.append(tuple(cells))
    caption = (
        "Each estimate beside what is expected of it without its study: median and predictive interval (PI), "
        "sampling error included. Tail: probability of a result at least as far out, on either side."
    )
    blocks.append(Tabular("Predictive check", head, tuple(rows), caption, cards=True))
    return [Section("predictive", "Predictive check", tuple(blocks))]


def severity(content: dict[str, Any], n: Printer) -> list[Section]:
    """Say what the answer would be if results that are not significant were seen less often."""
    found = content.get("severity")
    if not found:
        return []
    title, short = "If published results were selected", "Selection"
    if found["missing"]:
        why: Text = ("Not worked out: ", Quoted(found["missing"]))
        return [Section("severity", title, (Paragraph(why),), short)]
    said: Text = (
        Quoted(found["said"]),
        " Results with a one-sided P value above ",
        Number("/severity/step", "plain"),
        " in the direction of benefit are taken to be seen less often than others, by so much; everything "
        "else of the model stays. How they were selected is not estimated.",
    )
    head = (
        Head(("Seen, %",), "num"),
        Head((_effect(n),), "num"),
        Head((BENEFIT,), "num"),
        Head(("Class",)),
    )
    rows = tuple(
        (
            (f"{100 * float(row['name']):g}",),
            (Bracketed(f"/severity/rows/{place}/back_transformed"),),
            (Number(f"/severity/rows/{place}/probability", "probability"),),
            (Quoted(row["conclusion"]),),
        )
        for place, row in enumerate(found["rows"])
    )
    caption = (
        "How many of the results that are not significant are seen, for each hundred of the others."
    )
    table = Tabular("Severity of selection", head, rows, caption, own=frozenset({0}), cards=True)
    return [Section("severity", title, (Paragraph(said), table, Pictures()), short)]


def outlook(content: dict[str, Any]) -> list[Section]:
    """Say what one more trial could change."""
    found = content.get("outlook")
    if not found:
        return []
    said: Text = (
        "One more trial of the average ",
        Quoted(content["programme"]),
        ", in a setting like those studied, with the results that the present posterior expects. However "
        "large, it would be one setting among many: heterogeneity limits what any single trial can tell.",
    )
    head = (
        Head(("One more trial",)),
        Head(("Standard error",), "num"),
        Head(("P(class changes)",), "num"),
        Head(("Most probably to",), "words"),
        Head(("Interval narrower by, %",), "num"),
    )
    rows = tuple(
        (
            (Quoted(row["name"][:1].upper() + row["name"][1:]),),
            (Number(f"/outlook/{place}/se", "se"),),
            (Number(f"/outlook/{place}/change", "probability"),),
            (Quoted(row["then"]),),
            (Number(f"/outlook/{place}/narrower", "percent"),),
        )
        for place, row in enumerate(found)
    )
    caption = (
        "Expected narrowing of the 95\u00a0% interval of the pooled mean, on the analysis scale."
    )
    table = Tabular("What one more trial could change", head, rows, caption, cards=True)
    return [
        Section("outlook", "What one more trial could change", (Paragraph(said), table), "Outlook")
    ]


def sensitivity(content: dict[str, Any], n: Printer) -> Section:
    """Say what was tried beside the registered analysis, and what came of it."""
    panel = content["sensitivity"]
    if not panel:
        why: Text = ("No panel: ", Quoted(content["sensitivity_missing"]))
        return Section("sensitivity", "Sensitivity", (Paragraph(why),))
    blocks: list[Block] = [Paragraph((Quoted(panel["robustness"]),)), Pictures()]
    for heading, rows in panel["tables"].items():
        blocks += [Heading(heading), _panel(heading, rows, n)]
    return Section("sensitivity", "Sensitivity", tuple(blocks))


def _panel(heading: str, table: list[dict[str, Any]], n: Printer) -> Tabular:
    """Show a table of the panel: medians with ends, known figures, then any words."""
    intervals = any("median" in row["back_transformed"] for row in table)
    head = [Head((Quoted(heading),))]
    if intervals:
        head += [Head(("Change",), "num"), Head((_effect(n),), "num")]
    columns = _columns(table, n.content["event"])
    head += [
        Head((title if style else Quoted(title),), "num" if style else "words")
        for _, title, style in columns
    ]
    rows = []
    for place, row in enumerate(table):
        at = pointer("sensitivity", "tables", heading, place)
        cells: list[Text] = [(Quoted(row["known_as"]),)]
        if intervals:
            known = "median" in row["back_transformed"]
            cells.append((Number(f"{at}/change", "change"),))
            cells.append((Bracketed(f"{at}/back_transformed"),) if known else ("–",))
        for name, _, style in columns:
            cells.append(
                (Number(at + pointer(name), style),)
                if style
                else (Quoted(str(row[name]) if row.get(name) is not None else ""),)
            )
        rows.append(tuple(cells))
    own = frozenset(place for place, row in enumerate(table) if row["name"] in _OWN)
    return Tabular(heading, tuple(head), tuple(rows), own=own, aside=True)


def _columns(table: list[dict[str, Any]], event: str) -> list[tuple[str, str, str]]:
    """Choose the columns beside median and ends: name, head and style (empty for words)."""
    found = []
    for name in dict.fromkeys(name for row in table for name in row):
        values = [row.get(name) for row in table]
        if name in _STYLES and any(value is not None for value in values):
            title, style = _STYLES[name]
            found.append((name, title or event, style))
        elif name not in ("name", "known_as") and any(
            isinstance(value, str) and value for value in values
        ):
            found.append((name, _WORDS.get(name, label(name)), ""))
    return found
