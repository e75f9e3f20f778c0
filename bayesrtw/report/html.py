"""One self-contained page a synthesis, and an index over all: words and numbers of the record alone."""

import base64
import hashlib
import json
import re
from collections.abc import Sequence
from functools import cache
from importlib.resources import files
from typing import Any, Final

from jinja2 import Environment, FunctionLoader, StrictUndefined
from markupsafe import Markup, escape

from bayesrtw.report.absolute import per_thousand
from bayesrtw.report.numbers import Numbers, clean, pointer
from bayesrtw.report.picture import Picture
from bayesrtw.report.strip import WIDTH, Strip
from bayesrtw.report.words import settings_in_words, term_in_words

#: What a DOI looks like; links on a page lead to doi.org and nowhere else, whatever data say.
_DOI: Final = re.compile(r"\b10\.\d{4,9}/[-._;()/:A-Za-z0-9]*[A-Za-z0-9]")

#: Columns of a panel that have a style of their own; others are printed as words.
_STYLES: Final = {
    "probability": ("P(benefit)", "probability"),
    "tau": ("SD of a new setting", "spread"),
    "elpd": ("log predictive density", "two"),
    "estimates": ("Estimates", "count"),
}


def render_html(content: dict[str, Any], pictures: Sequence[Picture] = ()) -> str:
    """Write a report as one HTML page that asks nothing of any network.

    Parameters
    ----------
    content
        A record, as `bayesrtw.report.record.record` gives it.
    pictures
        What `bayesrtw.report.picture.picture` made of the figures.

    Returns
    -------
    str
        The page. The same record gives the same page.
    """
    css, js = _asset("report.css"), _asset("report.js")
    context = _context(content)
    view = {"log": context["measure"].log, "places": context["n"].places, "width": WIDTH}
    strip = context["mini"]
    view |= {
        "measure": content["measure"],
        "low": strip.low if strip else 0,
        "high": strip.high if strip else 1,
    }
    data = json.dumps({**content, "view": view}, ensure_ascii=False, allow_nan=False)
    return (
        _environment()
        .get_template("report.html")
        .render(
            **context,
            pictures=pictures,
            pictured=lambda section: [each for each in pictures if each.section == section],
            css=Markup(css),
            js=Markup(js),
            data=_in_script(data),
            policy=_policy(css, js),
            analysis_json=json.dumps(content["analysis"], indent=2, ensure_ascii=False),
        )
    )


def render_index(contents: Sequence[dict[str, Any]]) -> str:
    """Write the page over all analyses.

    Parameters
    ----------
    contents
        Records or documents, in the order of the page.

    Returns
    -------
    str
        The page; each analysis links to ``<id>/report.html``.
    """
    css = _asset("report.css")
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
            caveats=caveats,
            css=Markup(css),
            policy=_policy(css, None),
        )
    )


def _dataset(content: dict[str, Any]) -> str:
    return str(content["evidence"]["dataset"] or "your own")


def _line(content: dict[str, Any]) -> dict[str, Any]:
    n = Numbers.of(content)
    found = content["estimates"]
    unit = f" {content['unit']}" if content["unit"] else ""
    line = {
        "href": f"{content['id']}/report.html",
        "title": content["title"],
        "question": content["question"],
        "studies": content["evidence"]["studies"],
        "dataset": _dataset(content),
        "effect": "–",
        "probability": "–",
        "new": "–",
    }
    if "mu" in found:
        at = "/estimates/mu"
        ends = [n.text(f"{at}/back_transformed/{end}") for end in ("median", "lower", "upper")]
        line["effect"] = f"{n.measure.abbreviation} {ends[0]} ({ends[1]} to {ends[2]}){unit}"
        line["probability"] = n.text(f"{at}/probability", "probability")
    if "theta_new" in found:
        low, high = (
            n.text(f"/estimates/theta_new/back_transformed/{e}") for e in ("lower", "upper")
        )
        line["new"] = f"{low} to {high}"
    return line


def _context(content: dict[str, Any]) -> dict[str, Any]:
    n = Numbers.of(content)
    measure, analysis = n.measure, content["analysis"]
    higher = content["benefit"] == "higher"
    usable = content["explore"] and content["explore"]["cells"][0][0][0]
    strip = Strip.of(content, measure) if usable else None
    asked = _asked(content["explore"]["estimands"]) if usable else []
    shown = {**content, "explore": {**content["explore"], "estimands": asked} if usable else None}
    start = _start(content)
    unit = f" {content['unit']}" if content["unit"] else ""
    has = {
        name: any(row.get(name) not in (None, "") for row in content["rows"])
        for name in ("design", "year", "follow_up_months", "locator", "note")
    }
    sds = [term for term in analysis["term"] if term["kind"] == "exchangeable"]
    between = next((term for term in sds if term.get("by")), sds[0] if sds else {})
    environment = _environment()
    panel = environment.get_template("panel.html")

    def panel_table(heading: str, path: str, table: list[dict[str, Any]]) -> Markup:
        columns = _columns(table)
        intervals = any("back_transformed" in row for row in table)
        return Markup(
            panel.render(
                heading=heading,
                path=path,
                table=table,
                columns=columns,
                intervals=intervals,
                n=n,
                measure=measure,
            )
        )

    return {
        "change": content.get("change"),
        "r": shown,
        "n": n,
        "mini": strip,
        "measure": measure,
        "mu": "mu" in content["estimates"],
        "new": "theta_new" in content["estimates"],
        "unit": unit,
        "outcome": content["outcome"],
        "benefit_side": f"{measure.title.lower()} {'above' if higher else 'below'} {measure.null:g}",
        "kind_of_interval": "central (equal-tailed)",
        "probability_of": lambda question: _probability_of(question, n),
        "contents": _contents(content),
        "has": has,
        "moderators": list(content["rows"][0]["moderators"]) if content["rows"] else [],
        "levels": _levels(content),
        "judged": _judged(content),
        "likelihood": settings_in_words(analysis["likelihood"]),
        "terms": [term_in_words(term) for term in analysis["term"]],
        "many_sds": len(sds) > 1,
        "many_priors": bool(sds),
        "between": str(between.get("name") or "tau").replace("_", " "),
        "start_baseline": round(100 * start),
        "people": _people(content, start, n) if content["absolute"] else {},
        "formula": _FORMULAS.get(content["measure"], ""),
        "left_means": "← favours " + ("comparison" if higher else "programme"),
        "right_means": "favours " + ("programme" if higher else "comparison") + " →",
        "panel_table": panel_table,
    }


def _asked(estimands: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Give the grid's questions their places, and mark the first of each quantity."""
    seen = [each["of"] for each in estimands]
    return [
        {**each, "place": place, "first": each["of"] not in seen[:place]}
        for place, each in enumerate(estimands)
    ]


_FORMULAS: Final = {
    "log_hazard_ratio": "From the hazard ratio, hazards proportional: p1 = 1 − (1 − p0)^HR.",
    "log_risk_ratio": "From the risk ratio: p1 = p0 · RR, at most 1.",
    "log_odds_ratio": "From the odds ratio: p1 / (1 − p1) = OR · p0 / (1 − p0).",
    "log_peto_odds_ratio": "From the Peto odds ratio, read as an odds ratio.",
    "risk_difference": "From the risk difference: p1 = p0 + RD.",
}


def _start(content: dict[str, Any]) -> float:
    """Baseline risk that a page begins with: what the rows' own counts say, else one half."""
    absolute = content["absolute"]
    counted = absolute["counted"] if absolute else None
    return min(0.99, max(0.01, round(counted, 2))) if counted is not None else 0.5


def _people(content: dict[str, Any], start: float, n: Numbers) -> dict[str, list[str]]:
    found = {}
    for name in ("mu", "theta_new"):
        if name in content["estimates"]:
            row = content["estimates"][name]
            found[name] = [
                n.spelt(per_thousand(content["measure"], row[end], start), "signed")
                for end in ("median", "lower", "upper")
            ]
    return found


def _probability_of(question: dict[str, Any], n: Numbers) -> str:
    benefit = "above" if n.content["benefit"] == "higher" else "below"
    if question["threshold"] == 0 and question["side"] == benefit:
        return "P(benefit)"
    return f"P({question['side']} {n.spelt(question['threshold'], 'analysis')})"


def _columns(table: list[dict[str, Any]]) -> list[dict[str, str]]:
    """Choose the columns of a panel beside median and ends: known figures, then any words."""
    names = list(dict.fromkeys(name for row in table for name in row))
    found = []
    for name in names:
        values = [row.get(name) for row in table]
        if name in _STYLES and any(value is not None for value in values):
            title, style = _STYLES[name]
            found.append({"name": name, "title": title, "style": style})
        elif name != "name" and any(isinstance(value, str) and value for value in values):
            found.append({"name": name, "title": label(name), "style": ""})
    return found


def _levels(content: dict[str, Any]) -> list[dict[str, str]]:
    """List level means and coefficients of moderators."""
    found = []
    for name in content["estimates"]:
        kind, _, rest = name.partition("[")
        if kind not in ("mu_level", "beta") or (kind == "beta" and rest[:-1].endswith("]")):
            continue
        column, _, level = rest[:-1].partition("[")
        found.append({"name": name, "column": column, "level": level[:-1] if level else "per unit"})
    return found


def _judged(content: dict[str, Any]) -> list[tuple[str, dict[str, str]]]:
    """List the judgements, each study once."""
    seen: dict[str, tuple[str, list[dict[str, str]]]] = {}
    for row in content["rows"]:
        seen.setdefault(row["study"], (row["estimate"], row["bias"]))
    return [(name, each) for name, judgements in seen.values() for each in judgements]


def _contents(content: dict[str, Any]) -> list[tuple[str, str]]:
    found = [
        ("summary", "Summary"),
        ("pictures", "Pictures"),
        ("explore", "Explore"),
        ("evidence", "Evidence"),
    ]
    if _levels(content):
        found.append(("moderators", "Moderators"))
    if content.get("ladder"):
        found.append(("ladder", "Bias ladder"))
    return [
        *found,
        ("sensitivity", "Sensitivity"),
        ("checks", "Checks and findings"),
        ("model", "Model and reasons"),
        ("record", "Record"),
        ("checklist", "Checklist"),
    ]


def label(name: object) -> str:
    """Turn a name of the data into words.

    Parameters
    ----------
    name
        E.g. ``cluster_rct``.

    Returns
    -------
    str
        ``cluster RCT``.
    """
    words = clean("" if name is None else name).replace("_", " ")
    return re.sub(r"\brct\b", "RCT", words)


def linked(text: object) -> Markup:
    """Isolate words from data, and link the DOIs in them.

    Parameters
    ----------
    text
        Words from data.

    Returns
    -------
    Markup
        Escaped; links lead to doi.org alone.
    """
    words, parts, end = clean(text), [], 0
    for found in _DOI.finditer(words):
        parts.append(escape(words[end : found.start()]))
        parts.append(
            Markup('<a href="https://doi.org/{0}" rel="noreferrer">{0}</a>').format(found.group())
        )
        end = found.end()
    parts.append(escape(words[end:]))
    return Markup("<bdi>{}</bdi>").format(Markup("").join(parts))


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


@cache
def _environment() -> Environment:
    made = Environment(
        loader=FunctionLoader(_asset), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    made.filters |= {
        "clean": clean,
        "label": label,
        "linked": linked,
        "pointer": lambda key: pointer(key)[1:],
        "capital": _capital,
    }
    return made


def _asset(name: str) -> str:
    return (files("bayesrtw.report") / "templates" / name).read_text(encoding="utf-8")


def _in_script(text: str) -> Markup:
    """Write JSON that no HTML parser takes for a tag."""
    safe = clean(text).replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e")
    safe = safe.replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")
    return Markup(safe)


def _policy(css: str, js: str | None) -> str:
    """Allow this page's own style and script, by their hashes, and nothing else."""
    script = f"script-src '{_hash(js)}'; require-trusted-types-for 'script'; " if js else ""
    return (
        f"default-src 'none'; {script}style-src '{_hash(css)}'; base-uri 'none'; form-action 'none'"
    )


def _hash(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
