"""A summary of findings as GRADE lays it out: one record, written as Markdown, HTML, CSV, JSON and DOCX."""

import csv
import io
import math
from collections.abc import Mapping
from typing import Any, Final

from markupsafe import Markup

from bayesrtw.analysis.findings import Findings, Found
from bayesrtw.decision.absolute import OF
from bayesrtw.decision.findings import OutcomeLine
from bayesrtw.errors import OutputError
from bayesrtw.evidence.cells import guarded
from bayesrtw.printed import signed, spell_probability, with_interval
from bayesrtw.registry import suggestion
from bayesrtw.report.block import (
    Block,
    Bullets,
    Folded,
    Head,
    Paragraph,
    Quoted,
    Styled,
    Tabular,
    Text,
)
from bayesrtw.report.document import as_json, number
from bayesrtw.report.markdown import blocks_as_markdown
from bayesrtw.report.markup import blocks_as_html
from bayesrtw.report.numbers import Printer, clean
from bayesrtw.report.shell import asset, head

#: Formats that a summary is written in.
FORMATS: Final = ("md", "html", "csv", "json", "docx")

TITLE: Final = "Summary of findings"

#: The page, which asks nothing of any network.
_PAGE: Final = Markup(
    '{head}<body>\n<header><h1>{title}</h1>\n{first}</header>\n<main><section aria-label="{title}">\n{rest}\n'
    "</section></main>\n<footer><p>Made by bayesrtw.</p></footer>\n</body>\n</html>\n"
)

#: What is said once below every table.
READING: Final = (
    "Intervals are 95 % credible intervals. A new setting is one like those of the studies; its interval "
    "holds the differences between settings. Certainty follows GRADE; what is suggested comes from numbers "
    "alone, and a person decides."
)


def record_of(found: Findings) -> dict[str, Any]:
    """Give a summary of findings as plain data."""
    return {"title": TITLE, "rows": [_record(each) for each in found.rows]}


def _record(each: Found) -> dict[str, Any]:
    line, analysis = each.line, each.synthesis.analysis
    certainty, one = line.certainty, line.certainty.confirmed
    origin = each.synthesis.evidence.provenance
    return {
        "analysis": analysis.id,
        "revision": analysis.revision,
        "digest": analysis.digest,
        "question": analysis.question,
        "evidence": {"dataset": origin.dataset, "version": origin.version, "sha256": origin.sha256},
        "outcome": line.outcome,
        "follow_up": line.follow_up,
        "participants": line.people,
        "measure": line.measure.name,
        "unit": line.unit,
        "effect": _plain(line.effect),
        "absolute": _plain(line.absolute),
        "baseline": line.baseline,
        "thresholds": line.thresholds,
        "zones": _plain(line.zones),
        "certainty": {
            "level": certainty.level,
            "said": certainty.said,
            "suggested": certainty.suggested.level,
            "start": certainty.suggested.start,
            "why": certainty.suggested.why,
            "domains": [
                {"domain": own.domain, "down": own.down, "number": own.number, "reason": own.reason}
                for own in certainty.suggested.domains
            ],
            "confirmed": None
            if one is None
            else {"level": one.level, "by": one.by, "on": one.on.isoformat(), "why": one.why},
            "older_than_evidence": certainty.aged,
        },
        "sentence": line.sentence,
        "caveat": line.caveat,
    }


def _plain(found: Any) -> Any:
    """Turn figures into JSON numbers, None where one does not exist or is infinite."""
    if isinstance(found, Mapping):
        return {str(key): _plain(value) for key, value in found.items()}
    return number(found)


def render_findings(found: Findings, kind: str, *, brief: bool | None = None) -> bytes:
    """Write a summary of findings in a format; brief, as a Word document is, without each domain's reason."""
    short = kind == "docx" if brief is None else brief
    if kind == "json":
        return as_json(record_of(found)).encode()
    if kind == "csv":
        return _csv(found)
    if kind == "md":
        parts = (
            f"# {TITLE}",
            *blocks_as_markdown((*_caveats(found), *_blocks(found, brief=short)), Printer.none()),
        )
        return ("\n\n".join(parts) + "\n").encode()
    if kind == "html":
        return _html(found, brief=short).encode()
    if kind == "docx":
        from bayesrtw.report.word import blocks_as_docx  # noqa: PLC0415 - a library for this format alone

        return blocks_as_docx(TITLE, (*_caveats(found), *_blocks(found, brief=short)))
    raise OutputError(f"format is {kind!r}; {suggestion(kind, list(FORMATS))}")


def _html(found: Findings, *, brief: bool) -> str:
    """Write one page that asks nothing of any network."""
    css = asset("report.css")
    first, rest = (
        blocks_as_html(blocks, Printer.none(), lambda _: Markup())
        for blocks in (_caveats(found), _blocks(found, brief=brief))
    )
    return _PAGE.format(head=head(TITLE, css, None), title=TITLE, first=first, rest=rest)


def _caveats(found: Findings) -> tuple[Block, ...]:
    """Give what must stand beside every result, each once."""
    texts = dict.fromkeys(each.line.caveat for each in found.rows if each.line.caveat)
    return tuple(Paragraph((Quoted(text),), "caveat") for text in texts)


def _blocks(found: Findings, *, brief: bool = False) -> tuple[Block, ...]:
    """Give table and notes; a brief summary, for one page, leaves out domains that took nothing off."""
    notes = tuple(_note(each) for each in found.rows)
    reasons: tuple[Block, ...] = () if brief else tuple(_reasons(each.line) for each in found.rows)
    return (
        Tabular(TITLE, _HEADS, tuple(_cells(each.line) for each in found.rows), cards=True),
        Bullets(notes),
        Paragraph((READING,), "note"),
        *reasons,
    )


_HEADS: Final = (
    Head(("Outcome",)),
    Head(("Studies and participants",)),
    Head(("Relative effect",)),
    Head(("Without the programme",)),
    Head(("Difference with it",)),
    Head(("Certainty",)),
    Head(("What it means",)),
)


def _cells(line: OutcomeLine) -> tuple[Text, ...]:
    follow_up: Text = (f"; {line.follow_up}",) if line.follow_up else ()
    return (
        (Styled((Quoted(line.outcome),), "strong"), *follow_up),
        (_people(line),),
        (_relative(line),),
        (_without(line),),
        (_difference(line),),
        (_certainty(line),),
        (Quoted(line.sentence), f" {_importance(line)}")
        if line.zones
        else (Quoted(line.sentence),),
    )


#: Designs as readers know them, one and several.
_DESIGNS: Final = {
    "rct": ("randomised trial", "randomised trials"),
    "cluster_rct": ("cluster-randomised trial", "cluster-randomised trials"),
    "cohort": ("cohort", "cohorts"),
    "non_randomised": ("non-randomised study", "non-randomised studies"),
    "not given": ("study of unstated design", "studies of unstated design"),
}


def _people(line: OutcomeLine) -> str:
    """Say studies and participants by design."""
    said = []
    for design, own in line.people["designs"].items():
        count = own["studies"]
        names = _DESIGNS.get(design, (design.replace("_", " "),) * 2)
        said.append(f"{count} {names[count != 1]}{_known(own)}")
    return "; ".join(said)


def _known(own: Mapping[str, int]) -> str:
    """Say how many people there are, and of how many studies nobody knows."""
    if not own["known"]:
        return ", number of people not given"
    least = f" ({own['studies_without']} without a number)" if own["studies_without"] else ""
    return f", {own['known']:,} people{least}"


def _relative(line: OutcomeLine) -> str:
    if not line.measure.ratio:
        return "Not a ratio"
    own, new = (line.effect[of] for of in OF)
    ends = [own["lower"], own["upper"], own["median"]]
    logs = [math.log(each) for each in ends]
    places = line.measure.places(logs[0], logs[1])
    told = with_interval(own["median"], own["lower"], own["upper"], log=True, places=places)
    ahead = with_interval(new["median"], new["lower"], new["upper"], log=True, places=places)
    return f"{line.measure.abbreviation} {told}; in a new setting {ahead}"


def _without(line: OutcomeLine) -> str:
    """Say the baseline."""
    for what, row in line.absolute.get(OF[0], {}).items():
        if math.isfinite(row["without"]):
            certain = row["without_lower"] == row["without_upper"]
            told = (
                f"{row['without']:.0f}"
                if certain
                else with_interval(
                    row["without"], row["without_lower"], row["without_upper"], log=False, places=0
                )
            )
            return f"{told}{' ' + what.removeprefix('more ') if 'of 1000' in what else ' days'}"
    return "Not needed" if line.absolute else "Not stated"


def _difference(line: OutcomeLine) -> str:
    """Say the absolute effects of the mean and a new setting."""
    if not line.absolute and not line.measure.ratio:
        own, new = (line.effect[of] for of in OF)
        unit = f" {line.unit}" if line.unit else ""
        return f"{_signed(own)}{unit}; in a new setting {_signed(new)}"
    if not line.absolute:
        return "Needs a baseline, which nobody stated"
    mean, ahead = (line.absolute[of] for of in OF)
    return "; ".join(
        f"{_signed(mean[what])} {what}, in a new setting {_signed(ahead[what])}" for what in mean
    )


def _signed(row: Mapping[str, float]) -> str:
    middle, low, high = (row[end] for end in ("median", "lower", "upper"))
    places = 0 if abs(high - low) >= 5 else 1
    told = [signed(f"{each:+.{places}f}") for each in (middle, low, high)]
    return f"{told[0]} ({told[1]} to {told[2]})"


def _certainty(line: OutcomeLine) -> str:
    lowered = line.certainty.suggested.lowered
    if line.certainty.confirmed is not None:
        return f"{line.certainty.said}: {line.certainty.confirmed.why}"
    return f"{line.certainty.said}: {lowered}" if lowered else line.certainty.said


def _importance(line: OutcomeLine) -> str:
    """Say the probability of an effect that matters, on average and in a new setting."""
    benefit, harm = (
        [name for name in line.zones[OF[0]] if name.endswith(end)] for end in ("benefit", "harm")
    )
    own, new = (
        [sum(line.zones[of][name] for name in names) for names in (benefit, harm)] for of in OF
    )
    return (
        f"An important benefit has probability {spell_probability(own[0])}, in a new setting "
        f"{spell_probability(new[0])}; an important harm {spell_probability(own[1])} and "
        f"{spell_probability(new[1])}."
    )


def _note(each: Found) -> Text:
    """Say what one line asks and assumes, and what took certainty off."""
    line, question = each.line, each.synthesis.analysis.question
    suggested = line.certainty.suggested
    baseline = f" Without the programme: {line.baseline}." if line.baseline else ""
    zones = f" Zones: {line.thresholds}." if line.thresholds else ""
    taken = " ".join(each.reason for each in suggested.domains if each.down)
    return (
        Styled((Quoted(line.outcome),), "strong"),
        Quoted(f". {question}{baseline}{zones} {suggested.why} {taken}".rstrip()),
    )  # fmt: skip


def _reasons(line: OutcomeLine) -> Block:
    """Give every domain with its reason."""
    words = {None: "not assessed", 0: "nothing off", 1: "one level", 2: "two levels"}
    rows = tuple(
        ((each.domain,), (words[each.down],), (Quoted(each.reason),))
        for each in line.certainty.suggested.domains
    )
    heads = (Head(("Domain",)), Head(("Suggested",)), Head(("Why",), "words"))
    title = f"Certainty of {line.outcome}"
    return Folded(title, (Tabular(title, heads, rows, line.certainty.suggested.why),))


def _csv(found: Findings) -> bytes:
    """Write one row an outcome, effect and scale, with numbers as numbers."""
    head = (
        "analysis", "outcome", "follow_up", "of", "counted", "studies", "participants", "measure", "effect",
        "effect_lower", "effect_upper", "without", "without_lower", "without_upper", "difference", "lower",
        "upper", "probability_of_benefit", "needed", "important_benefit", "important_harm", "certainty",
        "certainty_said", "sentence", "caveat",
    )  # fmt: skip
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(head)
    for each in found.rows:
        line = each.line
        for of in OF:
            rows = line.absolute.get(of) or {"": {}}
            zones = line.zones.get(of, {})
            matters = [
                sum(value for name, value in zones.items() if name.endswith(end))
                if zones
                else math.nan
                for end in ("benefit", "harm")
            ]
            for what, row in rows.items():
                figures = [
                    row.get(name, math.nan)
                    for name in ("without", "without_lower", "without_upper", "median", "lower", "upper",
                                 "benefit", "needed")
                ]  # fmt: skip
                own = line.effect[of]
                cells: list[Any] = [
                    each.synthesis.analysis.id, line.outcome, line.follow_up, of, what,
                    sum(design["studies"] for design in line.people["designs"].values()),
                    line.people["known"], line.measure.name, own["median"], own["lower"], own["upper"],
                    *figures, *matters, line.certainty.level, line.certainty.said, line.sentence, line.caveat,
                ]  # fmt: skip
                writer.writerow([_cell(value) for value in cells])
    return out.getvalue().encode()


def _cell(value: Any) -> str:
    """Write a cell: nothing for what does not exist, and words so that no spreadsheet runs them."""
    if isinstance(value, float):
        return "" if math.isnan(value) else f"{value:.10g}"
    return guarded(clean(str(value)))
