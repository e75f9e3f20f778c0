"""The living index page: every analysis, its answer, class, date and history, in one file of HTML.

Self-contained: no request leaves the page. Everything from data sets and analyses is escaped.
"""

import html
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bayesrtw.errors import StoreError
from bayesrtw.living.durable import only_writer, replace_file
from bayesrtw.living.journal import decisions, journal
from bayesrtw.living.store import LOCK, WAIT, Run, Store, analyses, runs, said

#: Size of a sparkline in pixels.
WIDTH, HEIGHT, MARGIN = 150, 34, 4

#: Runs that a sparkline shows; earlier ones are in the store.
MOST_POINTS = 40

#: An analysis is stale when nobody has looked at it for this many times its schedule.
OVERDUE = 1.5

_STYLE = """
:root { color-scheme: light dark; }
body { font: 16px/1.45 system-ui, sans-serif; max-width: 72rem; margin: 2rem auto; padding: 0 1rem; }
table { border-collapse: collapse; width: 100%; }
th, td { text-align: left; vertical-align: top; padding: .55rem .7rem .55rem 0; }
th, td { border-bottom: 1px solid #8884; }
th { font-weight: 600; white-space: nowrap; }
td.when, td.k { white-space: nowrap; }
small { opacity: .75; }
.class { font-weight: 600; }
.banner { border-left: 4px solid #b45309; padding: .3rem .7rem; margin: .4rem 0; background: #f59e0b1f; }
.caveat { border-left: 4px solid #888; padding: .3rem .7rem; margin: .6rem 0; }
svg { display: block; overflow: visible; }
svg .band { fill: #0072b2; fill-opacity: .22; }
svg .line { fill: none; stroke: #0072b2; stroke-width: 1.5; }
svg .null { stroke: currentColor; stroke-opacity: .45; stroke-dasharray: 3 3; }
svg .last { fill: #0072b2; }
[hidden] { display: none; }
"""

#: Shows a row's banner when nobody has looked for too long; the page itself cannot know the day.
_SCRIPT = """
for (const row of document.querySelectorAll("tr[data-due]"))
  if (Date.now() > Date.parse(row.dataset.due)) row.querySelector(".stale").hidden = false;
"""


@dataclass(frozen=True, slots=True)
class Entry:
    """One analysis on the page.

    Attributes
    ----------
    analysis
        Id.
    history
        Its runs, in order.
    standing
        Place of the run whose conclusion stands; None if none was published.
    checked
        When somebody last looked, ISO 8601.
    fault
        Why it cannot be shown; empty if it can.
    """

    analysis: str
    history: tuple[Run, ...] = ()
    standing: int | None = None
    checked: str = ""
    fault: str = ""


def entry_of(store: Store, analysis: str) -> Entry:
    """Read what the page shows of an analysis.

    Parameters
    ----------
    store, analysis
        Which.

    Returns
    -------
    Entry
        With what is wrong, if it cannot be read.
    """
    try:
        history = runs(store, analysis)
        decided = decisions(store, analysis)
        entries = journal(store, analysis).entries
    except StoreError as error:
        return Entry(analysis, fault=str(error))
    standing = None
    for place, run in enumerate(history):
        if run.manifest["status"] == "published" or run.name in decided:
            standing = place
    checked = str(entries[-1]["at"]) if entries else ""
    created = str(history[-1].manifest["created"]) if history else ""
    return Entry(analysis, history, standing, max(checked, created))


def write_index(store: Store) -> None:
    """Write the index page of a store, in place of an earlier one.

    Parameters
    ----------
    store
        The store.

    Raises
    ------
    StoreError
        If it cannot be written.
    """
    path = store.folder / "index.html"
    try:
        if path.is_symlink():
            raise StoreError(f"{path}: is a symbolic link; nothing is written through it.")
        with only_writer(store.folder / LOCK, wait=WAIT, what=str(path)):
            page = index_page([entry_of(store, name) for name in analyses(store)])
            replace_file(path, page.encode())
    except OSError as error:
        raise StoreError(f"{path}: cannot be written ({said(error)}).") from None


def index_page(entries: Sequence[Entry]) -> str:
    """Write the page.

    Parameters
    ----------
    entries
        What it shows.

    Returns
    -------
    str
        HTML.
    """
    shown = [entry for entry in entries if entry.history or entry.fault]
    caveats = dict.fromkeys(
        str(run.manifest["result"]["caveat"])
        for entry in shown
        for run in entry.history[-1:]
        if run.manifest["result"]["caveat"]
    )
    rows = "\n".join(_row(entry) for entry in shown)
    notes = "\n".join(f'<p class="caveat">{_text(caveat)}</p>' for caveat in caveats)
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy"
 content="default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'">
<title>Living evidence</title>
<style>{_STYLE}</style>
</head>
<body>
<h1>Living evidence</h1>
<p>{len(shown)} analyses. The line is the pooled effect of each run with its interval, oldest first;
the dashed line is no effect. A class says how probable benefit is, not how certain the evidence is.</p>
{notes}
<table>
<thead><tr><th scope="col">Analysis</th><th scope="col">Answer</th><th scope="col">Conclusion</th>
<th scope="col">History</th><th scope="col">Last looked at</th></tr></thead>
<tbody>
{rows}
</tbody>
</table>
<script>{_SCRIPT}</script>
</body>
</html>
"""


def _row(entry: Entry) -> str:
    if entry.fault or entry.standing is None:
        text = entry.fault or "No run was published yet: a draft waits for a person."
        return (
            f'<tr><th scope="row">{_text(entry.analysis)}</th><td colspan="4">'
            f'<p class="banner">{_text(text)}</p></td></tr>'
        )
    run = entry.history[entry.standing]
    result: Mapping[str, Any] = run.manifest["result"]
    waiting = entry.history[entry.standing + 1 :]
    banner = ""
    if waiting:
        last = waiting[-1]
        new = last.manifest["result"]["class"]
        text = f"Run {last.sequence} is a draft"
        text += f" with another conclusion ({new})" if new != result["class"] else ""
        banner = f'<p class="banner">{_text(text)}; a person decides whether it is published.</p>'
    link = f"runs/{entry.analysis}/{run.name}"
    due = _due(entry)
    series = f", series {run.manifest['series']}" if run.manifest["series"] > 1 else ""
    title = _text(result["title"])
    if "report.html" in run.manifest["files"]:
        title = f'<a href="{_text(link)}/report.html">{title}</a>'
    return f"""<tr{f' data-due="{_text(due)}"' if due else ""}>
<th scope="row">{title}<br>
<small>{_text(entry.analysis)}</small></th>
<td>{_text(result["headline"])}{banner}
<p class="banner stale" hidden>Stale: nobody has looked at this for longer than its schedule.</p></td>
<td class="class">{_text(result["class"] or "no pooled mean")}</td>
<td>{sparkline(entry.history, entry.standing)}</td>
<td class="when">{_text(entry.checked[:10])}<br>
<small>run {run.sequence} of {run.manifest["created"][:10]}{series}</small></td>
</tr>"""


def _due(entry: Entry) -> str:
    """Day from which the page calls an analysis stale."""
    from datetime import datetime, timedelta  # noqa: PLC0415

    every = entry.history[-1].manifest.get("every_days")
    if not every:
        return ""
    try:
        return (datetime.fromisoformat(entry.checked) + timedelta(days=OVERDUE * every)).isoformat()
    except (ValueError, OverflowError):
        return ""


def sparkline(history: Sequence[Run], standing: int) -> str:
    """Draw the pooled effect of each run with its interval.

    Parameters
    ----------
    history
        Runs, oldest first.
    standing
        Place of the published one; it is marked.

    Returns
    -------
    str
        SVG with a text for readers who do not see it; empty without a pooled effect.
    """
    start = max(0, len(history) - MOST_POINTS)
    points = [
        (place, run.manifest["result"]["line"])
        for place, run in enumerate(history[start:], start)
        if run.manifest["result"]["line"]
    ]
    if not points:
        return ""
    values = [float(value) for _, point in points for value in point] + [0.0]
    low, high = min(values), max(values)
    span = (high - low) or 1.0

    def x(place: int) -> float:
        count = max(len(points) - 1, 1)
        return MARGIN + (WIDTH - 2 * MARGIN) * (place / count if len(points) > 1 else 0.5)

    def y(value: float) -> float:
        return float(MARGIN + (HEIGHT - 2 * MARGIN) * (1.0 - (value - low) / span))

    upper = [f"{x(i):.1f},{y(point[2]):.1f}" for i, (_, point) in enumerate(points)]
    lower = [f"{x(i):.1f},{y(point[0]):.1f}" for i, (_, point) in enumerate(points)]
    middle = [f"{x(i):.1f},{y(point[1]):.1f}" for i, (_, point) in enumerate(points)]
    if len(points) == 1:
        upper, lower = (
            [f"{MARGIN},{upper[0].split(',')[1]}", f"{WIDTH - MARGIN},{upper[0].split(',')[1]}"],
            [
                f"{MARGIN},{lower[0].split(',')[1]}",
                f"{WIDTH - MARGIN},{lower[0].split(',')[1]}",
            ],
        )
    marked = next((i for i, (place, _) in enumerate(points) if place == standing), len(points) - 1)
    cx, cy = middle[marked].split(",")
    first, last = points[0][1][1], points[-1][1][1]
    label = (
        f"Pooled effect of {len(points)} runs, analysis scale: first {first:.3g}, last {last:.3g}."
    )
    assert math.isfinite(span)
    return (
        f'<svg role="img" aria-label="{label}" width="{WIDTH}" height="{HEIGHT}" '
        f'viewBox="0 0 {WIDTH} {HEIGHT}"><polygon class="band" points="{" ".join(upper)} '
        f'{" ".join(reversed(lower))}"/><line class="null" x1="0" x2="{WIDTH}" y1="{y(0.0):.1f}" '
        f'y2="{y(0.0):.1f}"/><polyline class="line" points="{" ".join(middle)}"/>'
        f'<circle class="last" cx="{cx}" cy="{cy}" r="2.5"/></svg>'
    )


def _text(value: object) -> str:
    return html.escape(str(value), quote=True)
