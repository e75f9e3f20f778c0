"""What a report says, section by section: the one source of its HTML, Markdown and Word."""

import json
from typing import Any

from bayesrtw.printed import BENEFIT, event
from bayesrtw.report.alternatives import ladder, outlook, predictive, sensitivity, severity
from bayesrtw.report.behind import behind
from bayesrtw.report.block import (
    Block,
    Bracketed,
    Bullets,
    Chance,
    Controls,
    Folded,
    Head,
    Heading,
    Jump,
    Listing,
    Number,
    Outline,
    Paragraph,
    Pictures,
    Quoted,
    Section,
    Styled,
    Tabular,
    Terms,
    Text,
    joined,
    plain,
)
from bayesrtw.report.change import change
from bayesrtw.report.checklist import SOURCE, command_of, source_of
from bayesrtw.report.classical import classical_section
from bayesrtw.report.decided import decided
from bayesrtw.report.next_trial import next_trial
from bayesrtw.report.numbers import Printer, pointer
from bayesrtw.report.parts import parts
from bayesrtw.report.studies import effects, evidence, missing_levels, moderators
from bayesrtw.report.words import label, settings_in_words, term_in_words

#: Keeps a number and its unit on one line.
PER_CENT = "95\u00a0%"


def outline(content: dict[str, Any]) -> Outline:
    """Put a record into sections, in the order of the page."""
    n = Printer.of(content)
    sections = [
        _summary(content, n),
        *_change(content),
        Section("pictures", "Pictures", (Pictures(),)),
        Section("explore", "Explore", (Controls(effects(content, n)),)),
        *decided(content),
        *_people(content),
        evidence(content, n),
        *moderators(content, n),
        *missing_levels(content, n),
        *parts(content, n),
        *ladder(content, n),
        sensitivity(content, n),
        *severity(content, n),
        *predictive(content, n),
        *classical_section(content, n),
        *outlook(content),
        *next_trial(content),
        _checks(content),
        _model(content),
        _record(content, n),
    ]
    titles = {each.id: each.short or each.title for each in sections}
    return Outline(content["title"], _opening(content, n), (*sections, _checklist(content, titles)))


def _opening(content: dict[str, Any], n: Printer) -> tuple[Block, ...]:
    """Question, answer, caveat, and every check that failed."""
    known = all(each["check"] != "unregistered" for each in content["findings"])
    word = "registered" if known else "not in the register of this package; dated"
    when = (
        f"{word} {content['registered']}, revision {content['revision']}"
        if content["registered"]
        else "not registered"
    )
    blocks: list[Block] = [
        Paragraph((Quoted(content["id"]), f" · {when}"), "kicker"),
        Paragraph((Quoted(content["question"]),), "question"),
        *_answer(content, n),
        Bullets(
            tuple(
                (Styled((f"{name}:",), "strong"), " ", *said)
                for name, said in behind(content, n.measure)
            ),
            "behind",
        ),
    ]
    caveat = content["evidence"]["caveat"]
    warned = [("Read this with it.", caveat)] if caveat else []
    warned += [
        ("A check failed.", each["message"])
        for each in content["findings"]
        if each["severity"] == "failed"
    ]
    blocks += [
        Paragraph((Styled((what,), "strong"), " ", Quoted(text)), "caveat") for what, text in warned
    ]
    selected = content.get("severity")
    if selected:
        said = selected["said"] or f"Not worked out: {selected['missing']}"
        text = (Styled(("If results were selected.",), "strong"), " ", Quoted(said))
        blocks.append(Paragraph(text, "then"))
    return tuple(blocks)


def _answer(content: dict[str, Any], n: Printer) -> list[Block]:
    """Say the answer with its probability of benefit."""
    pooled = content["pooled"]
    if not pooled:
        counts = (
            "This analysis pools ",
            Number("/evidence/estimates", "count"),
            " estimates of ",
            Number("/evidence/studies", "count"),
            " studies; it has no pooled mean. Its answers stand below.",
        )
        return [Paragraph(counts, "answer")]
    unit = f" {content['unit']}" if content["unit"] else ""
    effect: Text = (
        f"pooled {n.measure.title.lower()}{_which(pooled['which'])} ",
        Bracketed(f"/estimates/{pooled['of']}/back_transformed"),
        unit,
    )
    mean: Text = ("On average: ", *effect, *_chance(content, pooled["of"], "; "), ".")
    if content["benefit"]:
        chance = Number(f"/estimates/{pooled['of']}/probability", "probability")
        mean = ("On average the effect is a benefit with probability ", chance, ": ", *effect, ".")
    blocks: list[Block] = [Paragraph(mean, "answer")]
    named = (
        f"Class of this conclusion: {content['conclusion']}." if content.get("conclusion") else ""
    )
    if pooled["new"]:
        at = f"/estimates/{pooled['new']}"
        new: Text = (
            f"In a new setting{_which(pooled['new_which'])} the effect would lie between ",
            Number(f"{at}/back_transformed/lower"),
            " and ",
            Number(f"{at}/back_transformed/upper"),
            " with probability 0.95",
            *_chance(content, pooled["new"], ", and "),
            ".",
        )
        blocks.append(Paragraph((*new, f" {named}" if named else ""), "then"))
    elif named:
        blocks.append(Paragraph((named,), "then"))
    return blocks


def _chance(content: dict[str, Any], of: str, before: str) -> Text:
    """Say with which probability an effect is a benefit, or on which side where nobody said what one is."""
    number = Number(f"/estimates/{of}/probability", "probability")
    if content["benefit"]:
        return (f"{before}be a benefit with probability ", number)
    if not content["event"]:
        return ()
    return (before, Chance(content["event"], f"/estimates/{of}/probability"))


def _summary(content: dict[str, Any], n: Printer) -> Section:
    event_of = content["event"]
    dash: Text = ("–",)
    pooled = content["pooled"] or dict.fromkeys(("of", "which", "new", "new_which"), "")
    at = f"/estimates/{pooled['new']}/back_transformed"
    new: Text = (Number(f"{at}/lower"), " to ", Number(f"{at}/upper"))
    unit: Text = (" ", Styled((f"({content['unit']})",), "quiet")) if content["unit"] else ()
    row: tuple[Text, ...] = (
        (Quoted(content["outcome"]), *unit),
        joined((_design(content, name) for name in content["participants"]["designs"]), "; "),
        (Bracketed(f"/estimates/{pooled['of']}/back_transformed"),) if pooled["of"] else dash,
        *(
            (
                (Number(f"/estimates/{pooled['of']}/probability", "probability"),)
                if pooled["of"]
                else dash,
            )
            if event_of
            else ()
        ),
        new if pooled["new"] else dash,
    )
    head = (
        Head(("Outcome",)),
        Head(("Studies and participants",), "words"),
        Head((f"{n.measure.title}{_which(pooled['which'])} ({PER_CENT} CrI)",), "num"),
        *((Head((event_of,), "num"),) if event_of else ()),
        Head((f"New setting, {PER_CENT}",), "num"),
    )
    side = "above" if content["benefit"] == "higher" else "below"
    said = {
        "": "",
        BENEFIT: f" P(benefit): probability that the effect is on the side of benefit, "
        f"{n.measure.title.lower()} {side} {n.measure.null:g}.",
    }
    unstated = f" {event_of}: probability of an effect on that side; nobody stated which side is a benefit."
    note = (
        "CrI: central (equal-tailed) credible interval around the posterior median."
        f"{said.get(event_of, unstated)} New setting: interval of the effect in a setting like those "
        "studied, heterogeneity included."
    )
    if pooled["new_which"]:
        note += f" Pooled mean: {pooled['which']}. New setting: {pooled['new_which']}."
    asked = (Head(("Question",)), Head(("Answer",), "num"), Head(("Probability",)))
    answers = tuple(_question(content, name, n) for name in content["estimands"])
    return Section(
        "summary",
        "Summary",
        (
            Tabular("Summary table", head, (row,), cards=True),
            Paragraph((note,), "note"),
            Heading("Every question of the analysis"),
            Tabular("Answers to the questions of the analysis", asked, answers, cards=True),
        ),
    )


def _which(which: str) -> str:
    """Say which mean or new setting it is, where there are two."""
    return f" ({which})" if which else ""


def _design(content: dict[str, Any], name: str) -> Text:
    """Say how many studies, estimates and people of a design there are."""
    at, row = pointer("participants", "designs", name), content["participants"]["designs"][name]
    known: Text = (
        "design not given: " if name == "not given" else Quoted(label(name)),
        "" if name == "not given" else ": ",
        Number(f"{at}/studies", "count"),
        " study, " if row["studies"] == 1 else " studies, ",
        Number(f"{at}/estimates", "count"),
        " estimate, " if row["estimates"] == 1 else " estimates, ",
        *((Number(f"{at}/known", "count"), " people") if row["known"] else ()),
    )
    if not row["known"]:
        return (*known, Styled(("number of people not given",), "quiet"))
    without: Text = (
        " (",
        Number(f"{at}/studies_without", "count"),
        " of the studies without a number)",
    )
    return (*known, Styled(without, "quiet")) if row["studies_without"] else known


def _question(content: dict[str, Any], name: str, n: Printer) -> tuple[Text, ...]:
    at, row = pointer("estimands", name), content["estimands"][name]
    known = row["back_transformed"]["median"] is not None
    spread: Text = (Bracketed(at, "spread"), " ", Styled(("SD, analysis scale",), "quiet"))
    chance = Chance(probability_of(row, n), f"{at}/probability")
    return (
        (Quoted(name[:1].upper() + name[1:]), *((_which(row["which"]),) if row["which"] else ())),
        (Bracketed(f"{at}/back_transformed"),) if known else spread,
        (chance,) if row["probability"] is not None else (),
    )


def probability_of(question: dict[str, Any], n: Printer) -> str:
    """Name the event whose probability a question asks for."""
    return event(
        question["of"],
        float(n.measure.back(question["threshold"])),
        above=question["side"] == "above",
        benefit=n.content["benefit"] or "",
        log=n.measure.log,
    )


def _change(content: dict[str, Any]) -> list[Section]:
    """Say what a living analysis found anew."""
    found = content.get("change")
    return [Section("change", "What changed", change(found))] if found else []


#: How a measure moves a baseline risk p0 to p1.
_FORMULAS = {
    "log_hazard_ratio": "From the hazard ratio, hazards proportional: p1 = 1 − (1 − p0)^HR.",
    "log_risk_ratio": "From the risk ratio: p1 = p0 · RR, at most 1.",
    "log_odds_ratio": "From the odds ratio: p1 / (1 − p1) = OR · p0 / (1 − p0).",
    "log_peto_odds_ratio": "From the Peto odds ratio, read as an odds ratio.",
    "risk_difference": "From the risk difference: p1 = p0 + RD.",
}


def _people(content: dict[str, Any]) -> list[Section]:
    """Say how many people of 1000 it would be."""
    absolute = content["absolute"]
    if not absolute:
        return []
    pooled = content["pooled"]
    new = pooled["new"]
    head = [
        Head(("Baseline risk, %",), "num"),
        Head(("With the ", Quoted(content["programme"]), ", of 1000"), "num"),
        Head((f"Difference{_which(pooled['which'])} ({PER_CENT})",), "num"),
    ]
    rows = []
    for place in range(len(absolute["rows"])):
        at = f"/absolute/rows/{place}"
        row: list[Text] = [
            (Number(f"{at}/baseline", "percent"),),
            (Number(f"{at}/{pooled['of']}/with", "people"),),
            (Bracketed(f"{at}/{pooled['of']}", "signed"),),
        ]
        rows.append((*row, (Bracketed(f"{at}/{new}", "signed"),)) if new else tuple(row))
    if new:
        said = f"In a new setting{_which(pooled['new_which'])} ({PER_CENT})"
        head.append(Head((said,), "num"))
    caption = (
        "How many of 1000 people more, or fewer (−), with the outcome by the date that the baseline risk "
        f"is for. {_FORMULAS.get(content['measure'], '')}"
    )
    blocks: list[Block] = [
        Tabular("Absolute effects", tuple(head), tuple(rows), caption.strip(), cards=True)
    ]
    if absolute["counted"] is not None:
        counted: Text = (
            "The middle baseline of the ",
            Number("/absolute/counted_rows", "count"),
            " rows that print counts is ",
            Number("/absolute/counted", "percent"),
            "\u00a0%.",
        )
        blocks.append(Paragraph(counted, "note"))
    return [Section("people", "In people", tuple(blocks))]


def _checks(content: dict[str, Any]) -> Section:
    engine = content["engine"]
    how: Text = (
        (
            "Integrated exactly on ",
            Number("/engine/nodes", "count"),
            " nodes; more nodes moved no reported figure by more than ",
            Number("/engine/error", "error"),
            " (relative).",
        )
        if engine["kind"] == "exact"
        else ("Sampled by ", Quoted(engine["kind"]), ".")
    )
    return Section(
        "checks",
        "Checks and findings",
        (Paragraph((*how, " Findings of the run:")), findings(content["findings"])),
    )


def findings(found: list[dict[str, str]]) -> Bullets:
    """List findings, each with its severity."""
    return Bullets(
        tuple((Styled((each["severity"],), "tag"), Quoted(each["message"])) for each in found),
        "findings",
    )


def _model(content: dict[str, Any]) -> Section:
    likelihood = settings_in_words(content["analysis"]["likelihood"])
    rows: list[tuple[Text, ...]] = [
        (("Likelihood: ", Quoted(likelihood)), ("standard errors taken as known",))
    ]
    chosen = content["analysis"].get("selection")
    if chosen is not None:
        words = ("Selection: ", Quoted(settings_in_words(chosen)))
        rows.append((words, ("results are seen by what they say",)))
    for term in content["analysis"]["term"]:
        what, prior = term_in_words(term)
        rows.append(((Quoted(what),), (Quoted(prior),)))
    blocks: list[Block] = [Tabular("Model", (Head(("Part",)), Head(("Priors",))), tuple(rows))]
    if content["rationale"]:
        blocks.append(Bullets(tuple((Quoted(reason),) for reason in content["rationale"])))
    return Section("model", "Model and reasons", tuple(blocks))


def _record(content: dict[str, Any], n: Printer) -> Section:
    origin = content["evidence"]
    versions = ", ".join(f"{name}\u00a0{version}" for name, version in content["versions"].items())
    pairs: tuple[tuple[str, Text], ...] = (
        (
            "Analysis",
            (
                Quoted(content["id"]),
                ", revision ",
                Number("/revision", "count"),
                ", digest ",
                Styled((content["digest"],), "code"),
            ),
        ),
        (
            "Evidence",
            (
                Quoted(source_of(content)),
                *(
                    (", version ", Number("/evidence/version", "count"))
                    if origin["dataset"]
                    else ()
                ),
                ", sha256 ",
                Styled((origin["sha256"] or origin["rows_sha256"],), "code"),
            ),
        ),
        ("Citation", (Quoted(origin["citation"], linked=True),)),
        ("Licence of the data", (Quoted(origin["licence"]),)),
        ("Seed", (Number("/seed", "plain"),)),
        ("Versions", (versions,)),
    )
    hashed = json.dumps(content["analysis"], indent=2, ensure_ascii=False)
    return Section(
        "record",
        "Record, and how to repeat it",
        (
            Terms(tuple((name, text) for name, text in pairs if plain(text, n))),
            Paragraph(
                (
                    "In a clone of the repository, on a machine with Python and pip"
                    f"{'' if content['shipped'] else ', with analysis and evidence at hand'}:",
                )
            ),
            Listing(f"pip install -q uv && uv run {command_of(content)}"),
            Folded("The analysis as it was hashed", (Listing(hashed, json=True),)),
        ),
        "Record",
    )


def _checklist(content: dict[str, Any], titles: dict[str, str]) -> Section:
    rows = tuple(
        (
            (f"{point['point']} {point['asks']}",),
            (point["status"],),
            (Quoted(point["text"]),),
            joined(
                ((Jump(each, titles[each]),) for each in point["where"] if each in titles), ", "
            ),
        )
        for point in content["checklist"]
    )
    head = (
        Head(("Point",)),
        Head(("Status",)),
        Head(("What",), "words"),
        Head(("Where",)),
    )
    said: Text = (
        "Points of the Bayesian Analysis Reporting Guidelines, ",
        Quoted(f"Kruschke 2021, {SOURCE}", linked=True),
        ", filled in from the record of this analysis.",
    )
    return Section(
        "checklist",
        "Bayesian reporting checklist (BARG)",
        (Paragraph(said), Tabular("Bayesian reporting checklist", head, rows, cards=True)),
        "Checklist",
    )
