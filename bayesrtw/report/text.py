"""A synthesis as a table that a person reads in a terminal."""

import math
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from bayesrtw.analysis.run import Synthesis
from bayesrtw.analysis.sensitivity import Panel
from bayesrtw.analysis.spec import Analysis
from bayesrtw.decision.cost_stakes import spell_money
from bayesrtw.evidence.measure import Measure, measure_named
from bayesrtw.posterior.tree import direction_of
from bayesrtw.printed import (
    Direction,
    event,
    finer,
    numbered,
    signed,
    spell_chance,
    spell_change,
    spell_probability,
    with_interval,
)
from bayesrtw.question.answer import Answer
from bayesrtw.report.behind import behind
from bayesrtw.report.block import plain
from bayesrtw.report.held import held
from bayesrtw.report.numbers import Printer, places_of
from bayesrtw.report.terminal import INDENT, indented, opened, severe, table

#: More columns than any table needs: a measure that the terminal does not limit.
_UNBOUNDED = 10_000

#: Below this a figure is the rounding of quadrature around zero, e.g. a median of a symmetric prior.
_NOTHING = 1e-12


def show(
    synthesis: Synthesis, content: dict[str, Any], console: Console, *, notes: bool = False
) -> None:
    """Print a synthesis, with what its record says to stand behind the answer."""
    analysis = synthesis.analysis
    known = all(finding.check != "unregistered" for finding in synthesis.findings)
    registered = "not registered"
    if analysis.registered:
        word = "registered" if known else "not in the register; dated"
        registered = f"{word} {analysis.registered}, revision {analysis.revision}"
    console.print()
    console.print(Text(analysis.title, style="bold"))
    console.print(Text(f"{analysis.id} ({registered})  {analysis.question}", style="dim"))
    console.print(Text(headline(synthesis)))
    indented(console, _table(synthesis))
    n = Printer.of(content)
    beside = [(name, plain(said, n)) for name, said in behind(content, n.measure)]
    for name, words in beside:
        indented(console, Text(f"{name}: ", style="bold") + Text(words, style="not bold"))
    told = {words for _, words in beside}
    rest = [finding for finding in synthesis.findings if finding.message not in told]
    listed = [f for f in rest if notes or f.severity != "note"]
    for finding in listed:
        indented(console, severe(finding.severity, finding.message))
    hidden = len(rest) - len(listed)
    if hidden:
        text = f"{numbered(hidden, 'note')} in synthesis.json, or with --notes"
        indented(console, Text(text, style="dim"))


def headline(synthesis: Synthesis) -> str:
    """Say the answer in one sentence."""
    data = synthesis.evidence.data
    studies = len({str(name) for name in data["study"].to_numpy()})
    size = synthesis.evidence.size
    opening = (
        f"{size} estimate{'s' if size > 1 else ''} of {studies} "
        f"{'studies' if studies > 1 else 'study'}"
    )
    model = synthesis.analysis.model
    if model.pooled not in synthesis.quantities.index:
        return f"{opening}."
    row, which = synthesis.quantities.loc[model.pooled], model.which(model.pooled)
    mean = f"pooled ({which})" if which else "pooled"
    measure = measure_named(str(synthesis.posterior.attrs["measure"]))
    unit = f" {synthesis.posterior.attrs['unit']}" if synthesis.posterior.attrs["unit"] else ""
    said = interval(
        row,
        measure,
        places_of(zip(data["effect"].to_numpy(), data["se"].to_numpy(), strict=True), measure),
    )
    direction = direction_of(synthesis.posterior)
    chance = both_sides(float(row.to_dict()["probability"]), direction)
    return (
        f"{opening}: {mean} {measure.title.lower()} {said}{unit}{'; ' if chance else ''}{chance}."
    )


def both_sides(chance: float, direction: Direction) -> str:
    """Say how probable a benefit is, or both sides where nobody said what one is; nothing of one group."""
    if direction.benefit:
        return f"probability of benefit {spell_probability(chance)}"
    if not direction.event:
        return ""
    below = direction.event.replace("above", "below")
    return f"{spell_chance(below, 1.0 - chance)}, {spell_chance(direction.event, chance)}"


def interval(row: Any, measure: Measure, places: int) -> str:
    """Print a median with its interval on the reported scale."""
    ends = [row[f"{name}_back"] for name in ("median", "lower", "upper")]
    if all(math.isfinite(end) for end in ends):
        if measure.link.name == "identity":
            places = finer(ends[1], ends[2], log=False, places=places)
        return with_interval(*ends, log=measure.ratio, places=places)
    # A standard deviation stays on the analysis scale.
    ends = [row[name] for name in ("median", "lower", "upper")]
    return with_interval(*ends, log=False, places=places if measure.link.name == "identity" else 2)


#: Kinds of interval, as a heading says them.
_KINDS = {"eti": "CrI", "hdi": "HDI"}


def _table(synthesis: Synthesis) -> Table:
    (first, *others), rows = answer_rows(synthesis)
    made = table(first, others)
    for name, said, chance in rows:
        made.add_row(Text(name), said, chance)
    return made


def answer_rows(synthesis: Synthesis) -> tuple[tuple[str, str, str], list[tuple[str, str, str]]]:
    """Print the answers: headings, and of each its name, its interval and its probability."""
    measure = measure_named(str(synthesis.posterior.attrs["measure"]))
    rows = []
    kinds = [
        f"{100 * prob:g} % {_KINDS[kind]}"
        for prob, kind in synthesis.estimates[["ci_prob", "ci_kind"]].itertuples(index=False)
    ]
    hypers = synthesis.analysis.model.hyperparameters
    benefit = str(synthesis.posterior.attrs["benefit"])
    places = places_of(
        zip(*(synthesis.evidence.data[name].to_numpy() for name in ("effect", "se")), strict=True),
        measure,
    )
    for kind, (name, row) in zip(kinds, synthesis.estimates.iterrows(), strict=True):
        if math.isnan(row["probability"]):
            hyper = hypers.get(str(row["variable"]))
            chance = "SD, analysis scale" if hyper and hyper.spread else ""
        else:
            threshold, above = float(measure.back(row["threshold"])), bool(row["above"])
            what = event(str(row["of"]), threshold, above=above, benefit=benefit, log=measure.log)
            chance = spell_chance(what, row["probability"])
        other = "" if kind == kinds[0] else f", {kind}"
        said = f"{name} ({row['which']})" if row["which"] else str(name)
        rows.append((said, f"{interval(row, measure, places)}{other}", chance))
    return ("", f"{measure.abbreviation} ({kinds[0]})", "probability"), rows


def show_predictions(predictions: Answer, synthesis: Synthesis, console: Console) -> None:
    """Print what is expected at values of moderators: mean effects and new settings."""
    measure = measure_named(str(synthesis.posterior.attrs["measure"]))
    direction = direction_of(synthesis.posterior)
    opened(console, synthesis.analysis.title, synthesis.evidence.provenance.caveat)
    chance = [direction.event] if direction.event else []
    means = (f"{what} {measure.abbreviation} (95 % CrI)" for what in ("mean", "new setting"))
    made = table(
        ", ".join(str(name) for name in predictions.index.names),
        (heading for mean in means for heading in (mean, *chance)),
    )
    places = measure.places(predictions["lower"], predictions["upper"])
    for name, row in predictions.iterrows():
        cells: list[str] = []
        for lead in ("", "new_"):
            ends = {
                f"{end}_back": float(measure.back(row[f"{lead}{end}"]))
                for end in ("median", "lower", "upper")
            }
            cells.append(interval(ends, measure, places))
            if direction.event:
                cells.append(spell_probability(row[f"{lead}probability"]))
        said = name if isinstance(name, tuple) else (name,)
        made.add_row(Text(", ".join(str(value) for value in said)), *cells)
    indented(console, made, above=True)
    indented(console, Text(predictions.describe(), style="dim"), above=True)


def show_next_trial(
    trials: Answer, knowing: Answer | None, synthesis: Synthesis, console: Console
) -> None:
    """Print what trials of some sizes would change, and what they would be worth where amounts are stated."""
    opened(console, synthesis.analysis.title, synthesis.evidence.provenance.caveat)
    made = Table(box=None, pad_edge=False, header_style="bold", show_edge=False)
    for heading in ("people", "SE", "P(class changes)"):
        made.add_column(heading, justify="right")
    money = {
        "person": "worth a person",
        "people": "worth to all",
        "cost": "its cost",
        "net": "what is left",
    }
    money = {name: title for name, title in money.items() if trials[name].notna().any()}
    if not money:
        made.add_column("most probably to", overflow="fold")
        made.add_column("interval narrower by", justify="right")
    for title in money.values():
        made.add_column(title, justify="right")
    for _, row in trials.iterrows():
        known = [spell_money(row[name]) for name in money]
        known = known or [row["then"] or "–", f"{100 * row['narrower']:.0f} %"]
        chance = spell_probability(row["change"])
        made.add_row(f"{row['n']:,.0f}", f"{row['se']:#.3g}", chance, *map(Text, known))
    indented(console, made, above=True)
    indented(console, Text(trials.describe(), style="dim"), above=True)
    if knowing is not None:
        headings = ({"person": "a person", "people": "to all"}[name] for name in knowing.columns)
        more = table("what it would be worth to know", headings)
        for known_as, row in knowing.iterrows():
            more.add_row(Text(str(known_as)), *(spell_money(value) for value in row))
        indented(console, more, above=True)


def show_panel(panel: Panel, analysis: Analysis, console: Console) -> None:
    """Print a sensitivity panel."""
    measure = measure_named(analysis.evidence.measure)
    console.print()
    console.print(Text(analysis.title, style="bold"))
    console.print(Text(panel.robustness))
    if panel.caveat:
        console.print(severe("warning", panel.caveat))
    first = next(iter(panel.tables.values()))
    places = measure.places(first["lower"], first["upper"])
    counted = analysis.model.which(analysis.model.pooled)
    which = f", {counted}" if counted else ""
    known = held(panel)
    for heading in panel.tables:
        frame = known[heading]
        means = f"{measure.abbreviation}{which} (95 % CrI)"
        made = table(heading, ("change", means, *([panel.event] if panel.event else [])))
        for name, row in frame.iterrows():
            cells = [spell_change(row["change"], log=measure.log, places=places)]
            ends = [float(row[end]) for end in ("median", "lower", "upper")]
            cells.append(with_interval(*ends, log=measure.ratio, places=places))
            empty = row.get("empty_levels", "")
            said = f"{name} (no study left of {empty})" if empty else str(name)
            cells += [spell_probability(row["probability"])] if panel.event else []
            made.add_row(Text(said), *cells)
        indented(console, made, above=True)
    for heading in panel.questions:
        console.print()
        for piece in _fitting(heading, known[heading], console):
            indented(console, piece)
    for note in panel.notes:
        indented(console, Text(f"note: {note}", style="dim"), above=True)


def _fitting(heading: str, frame: Any, console: Console) -> list[Table]:
    """Show a table in as many pieces as its columns need: a figure beyond the edge would be lost."""
    unbounded = console.options.update(max_width=_UNBOUNDED)
    pieces: list[Table] = []
    taken = 0
    while taken < len(frame.columns) or not pieces:
        until = len(frame.columns)
        piece = _any_table(heading, frame.iloc[:, taken:until])
        while (
            until > taken + 1
            and console.measure(piece, options=unbounded).maximum > console.width - INDENT
        ):
            until -= 1
            piece = _any_table(heading, frame.iloc[:, taken:until])
        pieces.append(piece)
        taken = max(until, taken + 1)
    return pieces


def _any_table(heading: str, frame: Any) -> Table:
    """Show a table of any shape: three significant digits, empty cells where nothing is."""
    made = Table(box=None, pad_edge=False, header_style="bold", show_edge=False)
    made.add_column(heading, overflow="fold", min_width=18)
    if frame.empty:
        made.add_row(Text("none found", style="dim"))
        return made
    for column in frame.columns:
        text = frame[column].map(lambda value: isinstance(value, str)).any()
        made.add_column(str(column).replace("_", " "), justify="left" if text else "right")
    for name, row in frame.iterrows():
        made.add_row(Text(str(name)), *(_any_cell(value) for value in row))
    return made


def _any_cell(value: Any) -> str:
    if isinstance(value, str):
        return value
    number = float(value)
    if abs(number) < _NOTHING:
        number = 0.0
    return "" if math.isnan(number) else signed(f"{number:.3g}")
