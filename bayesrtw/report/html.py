"""One self-contained page a synthesis, and an index over all: words and numbers of the record alone."""

import json
from collections.abc import Sequence
from functools import cache
from typing import Any

from jinja2 import Environment, FunctionLoader, StrictUndefined
from markupsafe import Markup

from bayesrtw.decision.risks import per_thousand
from bayesrtw.printed import BENEFIT, NONE, arrows, spell_chance, spell_probability
from bayesrtw.report.block import Block, Bullets, Controls, Paragraph, Quoted, Section, Text
from bayesrtw.report.markup import blocks_as_html
from bayesrtw.report.numbers import Printer, clean
from bayesrtw.report.outline import outline, probability_of
from bayesrtw.report.picture import Picture
from bayesrtw.report.shell import asset, head
from bayesrtw.report.shorten import shortened
from bayesrtw.report.strip import WIDTH, Strip
from bayesrtw.report.words import label


def render_html(content: dict[str, Any], pictures: Sequence[Picture] = ()) -> str:
    """Write a report as one HTML page that asks nothing of any network."""
    css, js = asset("report.css"), asset("report.js")
    n, found = Printer.of(content), shortened(outline(content))
    explorer = _explorer(content, n)

    def written(section: Section) -> Markup:
        here = [each for each in pictures if each.section == section.id]
        return blocks_as_html(section.blocks, n, lambda block: place(block, here))

    def place(block: Block, here: Sequence[Picture]) -> Markup:
        if isinstance(block, Controls) and block.of == "parts":
            made = _environment().get_template("sets.html")
            return Markup(made.render(r=content, measure=n.measure))
        if isinstance(block, Controls):
            return explorer or _unexplored(block, content, n)
        return Markup(_environment().get_template("figures.html").render(pictures=here))

    def opening(kinds: Sequence[str]) -> Markup:
        chosen = (
            each
            for each in found.opening
            if isinstance(each, Paragraph | Bullets) and each.kind in kinds
        )
        return blocks_as_html(tuple(chosen), n, lambda block: place(block, ()))

    return (
        _environment()
        .get_template("report.html")
        .render(
            r=content,
            sections=found.sections,
            opening=opening,
            written=written,
            head=head(clean(content["title"]), css, js),
            js=Markup(js),
            data=_in_script(_data(content, n)),
        )
    )


def _data(content: dict[str, Any], n: Printer) -> str:
    """Write what of the record the page's script reads, with how to draw and print."""
    grid = content["explore"]
    strip = Strip.of(content, n.measure) if grid and grid["cells"][0][0][0] else None
    view = {
        "link": n.measure.link.name,
        "ratio": n.measure.ratio,
        "places": n.places,
        "width": WIDTH,
        "measure": content["measure"],
        "low": strip.low if strip else 0,
        "high": strip.high if strip else 1,
    }
    parts = content["parts"]
    shown = {
        "explore": grid if strip else None,
        "pooled": content["pooled"],
        "parts": {"sets": parts["sets"]} if parts else None,
        "view": view,
    }
    return json.dumps(shown, ensure_ascii=False, allow_nan=False)


def _unexplored(block: Controls, content: dict[str, Any], n: Printer) -> Markup:
    """Say why there are no controls, and what there is instead."""
    why: Text = ("No grid of other answers comes with this analysis: ",)
    said = Paragraph((*why, Quoted(content["explore_missing"])))
    return blocks_as_html((said, *block.still), n, lambda _: Markup())


def render_index(contents: Sequence[dict[str, Any]]) -> str:
    """Write the page over all analyses."""
    css = asset("report.css")
    seen = {
        (_dataset(content), content["evidence"]["caveat"]): None
        for content in contents
        if content["evidence"]["caveat"]
    }
    caveats = [{"dataset": dataset, "text": text} for dataset, text in seen]
    return (
        _environment()
        .get_template("index.html")
        .render(
            analyses=[_line(content) for content in contents],
            event=BENEFIT if all(each["benefit"] for each in contents) else "Probability",
            caveats=caveats,
            head=head("All analyses", css, None),
        )
    )


def _dataset(content: dict[str, Any]) -> str:
    return str(content["evidence"]["dataset"] or "your own")


def _line(content: dict[str, Any]) -> dict[str, Any]:
    n = Printer.of(content)
    unit = f" {content['unit']}" if content["unit"] else ""
    line = {
        "href": f"{content['id']}/report.html",
        "title": content["title"],
        "question": content["question"],
        "studies": content["evidence"]["studies"],
        "dataset": _dataset(content),
        "effect": NONE,
        "which": "",
        "probability": NONE,
        "new": NONE,
    }
    pooled = content["pooled"]
    if pooled:
        at = f"/estimates/{pooled['of']}"
        ends = [n.text(f"{at}/back_transformed/{end}") for end in ("median", "lower", "upper")]
        line["effect"] = f"{n.measure.abbreviation} {ends[0]} ({ends[1]} to {ends[2]}){unit}"
        line["which"] = pooled["which"]
        chance = content["estimates"][pooled["of"]]["probability"]
        if content["benefit"]:
            line["probability"] = spell_probability(chance)
        elif content["event"]:
            line["probability"] = spell_chance(content["event"], chance)
    if pooled and pooled["new"]:
        low, high = (
            n.text(f"/estimates/{pooled['new']}/back_transformed/{e}") for e in ("lower", "upper")
        )
        line["new"] = f"{low} to {high}"
    return line


def _explorer(content: dict[str, Any], n: Printer) -> Markup | None:
    """Write the controls with the answer that they begin with; None where nothing was worked out."""
    grid = content["explore"]
    if not grid or not grid["cells"][0][0][0]:
        return None
    measure, start = n.measure, _start(content)
    return Markup(
        _environment()
        .get_template("explore.html")
        .render(
            r={**content, "explore": {**grid, "estimands": _asked(grid["estimands"])}},
            n=n,
            mini=Strip.of(content, measure),
            measure=measure,
            probability_of=lambda question: probability_of(question, n),
            many_sds=grid["spreads"] > 1,
            many_priors=grid["spreads"] > 0,
            between=grid["between"],
            start_baseline=round(100 * start),
            people=_people(content, start, n) if content["absolute"] else {},
            sides=" · ".join(arrows((clean(content["sides"][0]), clean(content["sides"][1])))),
        )
    )


def _asked(estimands: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Give the grid's questions their places, and mark the first of each quantity."""
    seen = [each["of"] for each in estimands]
    return [
        {**each, "place": place, "first": each["of"] not in seen[:place]}
        for place, each in enumerate(estimands)
    ]


def _start(content: dict[str, Any]) -> float:
    """Baseline risk that a page begins with: what the rows' own counts say, else one half."""
    absolute = content["absolute"]
    counted = absolute["counted"] if absolute else None
    return min(0.99, max(0.01, round(counted, 2))) if counted is not None else 0.5


def _people(content: dict[str, Any], start: float, n: Printer) -> dict[str, list[str]]:
    found = {}
    for name in (content["pooled"]["of"], content["pooled"]["new"]):
        if name:
            row = content["estimates"][name]
            found[name] = [
                n.spelt(float(per_thousand(content["measure"], row[end], start)), "signed")
                for end in ("median", "lower", "upper")
            ]
    return found


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


@cache
def _environment() -> Environment:
    made = Environment(
        loader=FunctionLoader(asset), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    made.filters |= {
        "clean": clean,
        "label": label,
        "capital": _capital,
    }
    return made


def _in_script(text: str) -> Markup:
    """Write JSON that no HTML parser takes for a tag."""
    safe = clean(text).replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e")
    safe = safe.replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")
    return Markup(safe)
