"""A difference between two runs as Markdown, for an issue, a pull request or a report.

Texts from data sets are data: nothing in them is taken for markup, a mention or a link.
"""

import html
import re
from collections.abc import Mapping, Sequence
from typing import Any

#: Characters that mean something to Markdown or, at a mention or a number, to a forge.
_ACTIVE = re.compile(r"[\\`*_\[\]#|~]")

#: Characters that mean something to HTML, or begin a mention, which no backslash stops.
_ENTITIES = re.compile(r"[<>&@]")

#: Corrected fields that are listed of one row.
MOST_FIELDS = 20


def as_markdown(diff: Mapping[str, Any], *, headline: str = "", caveat: str = "") -> str:
    """Write a difference as Markdown.

    Parameters
    ----------
    diff
        As `bayesrtw.living.diff.difference` gave it.
    headline
        The answer in one sentence.
    caveat
        What must stand beside every result of the evidence.

    Returns
    -------
    str
        Text with a final line break.
    """
    lines = [f"# {safe(diff['title'])}", ""]
    if headline:
        lines += [safe(headline), ""]
    if caveat:
        lines += [f"> {safe(caveat)}", ""]
    lines += _class(diff)
    if diff["from"] is None:
        return "\n".join(
            [*lines, "This is the first run; there is nothing to compare it with.", ""]
        )
    lines += [f"Compared with run `{diff['from']}`: {safe(diff['label'])}.", ""]
    lines += _listed("Conflicts", diff["conflicts"])
    new = [entry["text"] for entry in diff["set_aside"] if entry["new"]]
    lines += _listed("Rows that were not used, new in this run", new)
    lines += _results(diff["results"])
    lines += _inputs(diff["inputs"])
    lines += _surprise(diff)
    lines += _attribution(diff)
    lines += _listed("Notes", diff["notes"])
    return "\n".join(lines).rstrip() + "\n"


def blocks(text: str) -> list[dict[str, Any]]:
    """Take the Markdown of `as_markdown` apart for a page.

    Parameters
    ----------
    text
        What `as_markdown` wrote, without its title.

    Returns
    -------
    list of dict
        Plain texts in order: ``heading``, ``text``, or ``name``, ``head`` and ``rows``.
    """
    found: list[dict[str, Any]] = []
    name = "What changed"
    for line in text.splitlines():
        if line.startswith("## "):
            name = _plain(line[3:])
            found.append({"heading": name})
        elif line.startswith("| ---") or not line or line.startswith(("# ", "> ", "|--", "| -")):
            continue
        elif line.startswith("|"):
            cells = [_plain(cell) for cell in re.split(r"(?<!\\)\|", line)[1:-1]]
            if found and found[-1].get("table"):
                found[-1]["rows"].append(cells)
            else:
                found.append({"table": True, "name": name, "head": cells, "rows": []})
        else:
            found.append({"text": _plain(line.removeprefix("- "))})
    return found


def _plain(text: str) -> str:
    """Undo `safe`, and drop what marks bold text and code."""
    bare = re.sub(r"(?<!\\)(\*\*|`)", "", text.strip())
    return html.unescape(re.sub(r"\\(.)", r"\1", bare))


def safe(value: object) -> str:
    """Write a text so that Markdown shows it as it is.

    Parameters
    ----------
    value
        Any text; line breaks become spaces.

    Returns
    -------
    str
        With active characters behind a backslash or as HTML entities.
    """
    text = _ACTIVE.sub(r"\\\g<0>", " ".join(str(value).split()))
    return _ENTITIES.sub(lambda found: f"&#{ord(found[0])};", text)


def _class(diff: Mapping[str, Any]) -> list[str]:
    found = diff["conclusion"]
    if not found["new"]:
        return []
    if found["changed"]:
        text = f"**The conclusion changed: {safe(found['old'])} to {safe(found['new'])}.**"
    else:
        text = f"Conclusion: **{safe(found['new'])}**" + (" (unchanged)." if found["old"] else ".")
    lines = [text]
    if "benefit" in found:
        chance = f"P(benefit) = {found['benefit']:.3f}, P(harm) = {found['harm']:.3f}"
        if found["sceptical"] is not None:
            chance += f", P(benefit) under the sceptical prior = {found['sceptical']:.3f}"
        if found["opposite"] is not None:
            chance += f"; in a new setting P(harm) = {found['opposite']:.3f}"
        lines += [f"{chance}.", *found["spread"]]
    robust = found.get("robustness")
    if robust:
        text = f"{robust['same']} of {robust['variants']} registered variants give the same class"
        others = (f"{safe(name)}: {safe(word)}" for name, word in robust["others"].items())
        lines.append(f"{text} ({'; '.join(others)})." if robust["others"] else f"{text}.")
    ahead = found.get("outlook")
    if ahead:
        then = f" (most probably to {safe(ahead['then'])})" if ahead["then"] else ""
        lines.append(
            f"One more trial of median precision (SE {ahead['se']:.3g}) would change the class with "
            f"probability {ahead['change']:.2f}{then}, and is expected to narrow the interval by "
            f"{100 * ahead['narrower']:.0f} %."
        )
    return [*lines, ""]


def _listed(heading: str, texts: Sequence[str]) -> list[str]:
    if not texts:
        return []
    return [f"## {heading}", "", *(f"- {safe(text)}" for text in texts), ""]


def _results(results: Sequence[Mapping[str, Any]]) -> list[str]:
    changed = [entry for entry in results if entry["moved"]]
    if not changed:
        return ["## Results", "", "No number moved by more than its numerical error.", ""]
    rows = [
        (
            safe(entry["estimand"]),
            entry["number"],
            _figure(entry["old"]),
            _figure(entry["new"]),
            _figure(entry["change"], signed=True),
        )
        for entry in changed
    ]
    same = len(results) - len(changed)
    after = [f"{same} other number(s) moved by less than the numerical error or the tolerance.", ""]
    head = ("question", "number (analysis scale)", "before", "now", "change")
    return ["## Results", "", *_table(head, rows), "", *(after if same else [])]


def _inputs(inputs: Mapping[str, Any]) -> list[str]:
    lines = []
    for key, heading in (("added", "New results"), ("withdrawn", "Results that are gone")):
        rows = [
            (
                safe(entry["row"]),
                safe(entry["study"]),
                _figure(entry["effect"]),
                _figure(entry["se"]),
            )
            for entry in inputs[key]
        ]
        if rows:
            head = ("result", "study", "effect (analysis scale)", "standard error")
            lines += [f"## {heading}", "", *_table(head, rows), ""]
    fields = [
        (
            safe(entry["row"]),
            entry["how"],
            safe(field["field"]),
            _cell(field["old"]),
            _cell(field["new"]),
        )
        for entry in inputs["corrected"]
        for field in entry["fields"][:MOST_FIELDS]
    ]
    if fields:
        lines += [
            "## Corrections",
            "",
            *_table(("result", "how", "field", "before", "now"), fields),
            "",
        ]
    if inputs["versions"]:
        versions = [
            (safe(v["package"]), _cell(v["old"]), _cell(v["new"])) for v in inputs["versions"]
        ]
        lines += ["## Software", "", *_table(("package", "before", "now"), versions), ""]
    if inputs["method"]:
        revision = inputs["method"]["revision"]
        lines += ["## Method", "", f"Revision {revision['old']} to {revision['new']}.", ""]
    return lines


def _surprise(diff: Mapping[str, Any]) -> list[str]:
    lines = []
    if diff["surprise"]:
        rows = [
            (
                safe(entry["row"]),
                _figure(entry["effect"]),
                f"{_figure(entry['expected'])} ± {_figure(entry['sd'])}",
                f"{entry['z']:+.2f}",
                f"{entry['tail']:.3g}" + (" **surprising**" if entry["surprising"] else ""),
            )
            for entry in diff["surprise"]
        ]
        head = ("new result", "effect", "predicted", "z", "tail probability")
        lines += ["## What was predicted of the new results", "", *_table(head, rows), ""]
    if diff["drift"]:
        found = diff["drift"]
        word = "**Drift**" if found["drift"] else "No drift"
        lines += [
            f"{word} over the {found['results']} new results of all updates: Kolmogorov distance "
            f"{found['distance']:.2f}, P = {found['p']:.2g}.",
            "",
        ]
    return lines


def _attribution(diff: Mapping[str, Any]) -> list[str]:
    found = diff["attribution"]
    if not found:
        return []
    rows = [(name, *_shares(share)) for name, share in found["shares"].items()]
    rows.append(("in all", *_shares(found["total"])))
    head = ("due to", "mean", "width", "P(benefit)")
    lines = ["## Why the pooled mean changed", "", *_table(head, rows), ""]
    if found["note"]:
        lines += [safe(found["note"]), ""]
    if diff["left_out"]:
        rows = [(safe(entry["study"]), *_shares(entry)) for entry in diff["left_out"]]
        lines += [
            "What each new study did (with it less without it):",
            "",
            *_table(("study", "mean", "width", "P(benefit)"), rows),
            "",
        ]
    return lines


def _shares(entry: Mapping[str, Any]) -> tuple[str, str, str]:
    return (
        _figure(entry["mean"], signed=True),
        _figure(entry["width"], signed=True),
        _figure(entry["probability"], signed=True),
    )


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    return [
        f"| {' | '.join(head)} |",
        f"|{' --- |' * len(head)}",
        *(f"| {' | '.join(row)} |" for row in rows),
    ]


def _cell(value: Any) -> str:
    if value is None:
        return "(empty)"
    return _figure(value) if isinstance(value, float) else safe(value)


def _figure(value: float | None, *, signed: bool = False) -> str:
    if value is None:
        return "none"
    return f"{value:+.4g}" if signed else f"{value:.4g}"
