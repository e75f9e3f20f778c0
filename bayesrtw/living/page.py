"""The living index page: every analysis, its answer, class, date and history, in one file of HTML.

Self-contained: no request leaves the page. Everything from data sets and analyses is escaped. Written
without a template engine, since a heartbeat writes it too.
"""

import base64
import hashlib
import html
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from bayesrtw.living.store import Run

#: Size of a sparkline and its margin, in pixels.
WIDTH, HEIGHT, MARGIN = 220, 56, 5

#: Runs that the page shows of an analysis; earlier ones are in the store.
MOST_RUNS = 40

#: An analysis is stale when nobody has looked at it for this many times its schedule.
OVERDUE = 1.5

#: Characters of an error that the page shows; the journal has all of it.
MOST_WORDS = 600

_STYLE = """
:root { color-scheme: light dark;
  --paper: #fdfcfa; --raised: #fff; --ink: #1c1b19; --quiet: #5a5650; --line: #ddd8d0;
  --accent: #0b5c8f; --wash: #eef4f8; --care: #8a4b00; --care-wash: #fdf3e4; }
@media (prefers-color-scheme: dark) { :root {
  --paper: #17181a; --raised: #1e2023; --ink: #e9e6e1; --quiet: #aaa59d; --line: #3a3c40;
  --accent: #7fbfec; --wash: #1d2a33; --care: #f0bb74; --care-wash: #2c241a; } }
*, *::before, *::after { box-sizing: border-box; }
body { margin: 0; background: var(--paper); color: var(--ink); overflow-wrap: anywhere;
  font: 1rem/1.55 system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", "Liberation Sans", sans-serif; }
header, main, footer { max-width: 64rem; margin: 0 auto; padding: 0 1.25rem; }
header { padding-top: 2.5rem; }
h1 { font-size: clamp(1.6rem, 1.2rem + 2vw, 2.3rem); line-height: 1.2; margin: 0 0 .75rem;
  letter-spacing: -.01em; }
h2 { font-size: 1.2rem; line-height: 1.3; margin: 0; }
p { margin: .6rem 0; max-width: 46rem; }
a { color: var(--accent); text-underline-offset: .15em; }
:focus-visible { outline: 3px solid var(--accent); outline-offset: 2px; border-radius: 2px; }
article { background: var(--raised); border: 1px solid var(--line); border-radius: 8px;
  padding: 1.1rem 1.25rem; margin: 1.25rem 0; }
.top { display: flex; flex-wrap: wrap; gap: .4rem 1rem; justify-content: space-between;
  align-items: baseline; }
.class { margin: 0; font-weight: 600; padding: .1rem .65rem; border-radius: 1rem; background: var(--wash); }
.quiet { color: var(--quiet); font-size: .9rem; margin: .1rem 0; }
.caveat, .banner { background: var(--care-wash); border-left: 4px solid var(--care); padding: .55rem .9rem;
  margin: .75rem 0; max-width: 46rem; }
.banner p { margin: 0; } .banner p + p { margin-top: .35rem; }
.body { display: flex; flex-wrap: wrap; gap: .5rem 2.5rem; align-items: flex-start; margin-top: .75rem; }
figure { margin: 0; flex: 0 1 auto; max-width: 100%; }
figcaption { color: var(--quiet); font-size: .875rem; max-width: 16rem; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .2rem 1rem; margin: 0; flex: 1 1 20rem;
  font-size: .925rem; }
dt { color: var(--quiet); } dd { margin: 0; font-variant-numeric: tabular-nums; }
svg { display: block; overflow: visible; max-width: 100%; height: auto; }
.band { fill: var(--accent); fill-opacity: .2; }
.line { fill: none; stroke: var(--accent); stroke-width: 1.5; }
.null { stroke: var(--quiet); stroke-dasharray: 3 3; } .dot { fill: var(--accent); }
.draft { fill: var(--raised); stroke: var(--care); stroke-width: 1.5; }
.whisker { stroke: var(--accent); stroke-width: 1.5; stroke-opacity: .55; }
.scroll { overflow-x: auto; border: 1px solid var(--line); border-radius: 6px; margin: .5rem 0; }
table { border-collapse: collapse; width: 100%; font-size: .875rem; line-height: 1.4; overflow-wrap: normal; }
th, td { padding: .35rem .7rem; text-align: left; vertical-align: top; border-bottom: 1px solid var(--line); }
thead th { border-bottom-color: var(--quiet); white-space: nowrap; }
tbody tr:last-child > * { border-bottom: 0; } tbody th { font-weight: 500; white-space: nowrap; }
.n { white-space: nowrap; font-variant-numeric: tabular-nums; } td.why { min-width: 15rem; }
tr.stands > * { font-weight: 600; }
summary { cursor: pointer; padding: .35rem 0; font-size: .925rem; }
code { font: .875em ui-monospace, "Cascadia Mono", "Liberation Mono", Menlo, monospace; }
footer { color: var(--quiet); font-size: .875rem; padding-block: 1.5rem 3rem; }
[hidden] { display: none; }
@media (max-width: 34rem) { header { padding-top: 1.25rem; } article { padding: .9rem 1rem; }
  dl { grid-template-columns: 1fr; gap: 0; } dd { margin-bottom: .35rem; } }
@media print { body { background: #fff; } article { break-inside: avoid; } }
"""

#: Shows an analysis's banner when nobody has looked for too long; a file cannot know the day.
_SCRIPT = """
let late = 0;
for (const each of document.querySelectorAll("[data-due]"))
  if (Date.now() > Date.parse(each.dataset.due)) {
    each.querySelector(".stale").hidden = false;
    late += 1;
  }
if (late) {
  const note = document.getElementById("late");
  note.textContent = late === 1 ? "1 analysis is stale." : `${late} analyses are stale.`;
  note.hidden = false;
}
"""


@dataclass(frozen=True, slots=True)
class Entry:
    """One analysis on the page.

    Attributes
    ----------
    analysis
        Id.
    history
        Its runs, in order; on the page the last `MOST_RUNS`.
    standing
        Place among them of the run whose conclusion stands; None if none was published.
    count
        How many runs the store holds of it.
    checked
        When somebody last looked, ISO 8601.
    refused
        Why nothing came of the last look; empty if something did.
    fault
        Why it cannot be shown; empty if it can.
    decided
        Name of a draft that a person published, to who did.
    """

    analysis: str
    history: tuple[Run, ...] = ()
    standing: int | None = None
    count: int = 0
    checked: str = ""
    refused: str = ""
    fault: str = ""
    decided: Mapping[str, str] = field(default_factory=dict)

    def status_of(self, run: Run) -> str:
        """Say whether a run is a draft, or published, by itself or by a person.

        Parameters
        ----------
        run
            One of the history.

        Returns
        -------
        str
            ``draft`` or ``published``.
        """
        return "published" if run.name in self.decided else str(run.manifest["status"])

    @property
    def waiting(self) -> tuple[Run, ...]:
        """Drafts since the run that stands."""
        return self.history[0 if self.standing is None else self.standing + 1 :]


def index_page(entries: Sequence[Entry], removed: Sequence[str] = ()) -> str:
    """Write the page.

    Parameters
    ----------
    entries
        What it shows; what needs a person comes first.
    removed
        Analyses that were not among those of the last update any more.

    Returns
    -------
    str
        HTML.
    """
    shown = [entry for entry in entries if entry.history or entry.fault]
    shown.sort(key=lambda entry: not _needs(entry))
    caveats = dict.fromkeys(
        (str(result["dataset"]), str(result["caveat"]))
        for entry in shown
        for run in entry.history[-1:]
        if (result := run.manifest["result"])["caveat"]
    )
    notes = "\n".join(
        f'<p class="caveat"><strong>Evidence {_text(name)}.</strong> {_text(caveat)}</p>'
        for name, caveat in caveats
    )
    articles = "\n".join(_article(entry, entry.analysis in removed) for entry in shown)
    policy = f"default-src 'none'; style-src '{_hash(_STYLE)}'; script-src '{_hash(_SCRIPT)}'"
    return f"""<!doctype html>
<html lang="en-GB">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>Living evidence</title>
<style>{_STYLE}</style>
</head>
<body>
<header><h1>Living evidence</h1>
{_summary(shown)}
{notes}
</header>
<main>
{articles}
</main>
<footer><p>A line shows the pooled effect of each run with its interval, oldest first; dashes mark no
effect, an open dot a draft. A class says how probable a benefit is, not how certain the evidence is. Made by
bayesrtw; this page asks nothing of any network.</p></footer>
<script>{_SCRIPT}</script>
</body>
</html>
"""


def _hash(text: str) -> str:
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"


def _needs(entry: Entry) -> bool:
    return bool(entry.fault or entry.refused or entry.waiting)


def _summary(shown: Sequence[Entry]) -> str:
    """Say how many analyses there are, and which need somebody."""
    many = f"{len(shown)} {'analysis' if len(shown) == 1 else 'analyses'}"
    late = '<p id="late" class="banner" hidden></p>'
    needed = [entry for entry in shown if _needs(entry)]
    if not needed:
        return f"<p>{many}; none waits for a person.</p>\n{late}"
    links = ", ".join(
        f'<a href="#{_text(entry.analysis)}">{_text(entry.analysis)}</a>' for entry in needed
    )
    verb = "needs" if len(needed) == 1 else "need"
    return f"<p>{many}. <strong>{len(needed)} {verb} a person:</strong> {links}.</p>\n{late}"


def _article(entry: Entry, removed: bool) -> str:
    """Write one analysis."""
    name = _text(entry.analysis)
    if entry.fault:
        return (
            f'<article id="{name}"><h2>{name}</h2>'
            f'<div class="banner"><p>{_text(entry.fault)}</p></div></article>'
        )
    run = entry.history[-1 if entry.standing is None else entry.standing]
    result: Mapping[str, Any] = run.manifest["result"]
    due = _due(entry)
    stands = entry.standing is not None
    title = _linked(entry, run, "report.html", _text(result["title"]))
    word = _text(result["class"] or "no pooled mean") if stands else "not published"
    answer = f"<p>{_text(result['headline'])}</p>" if stands else ""
    return f"""<article id="{name}"{f' data-due="{_text(due)}"' if due else ""}>
<div class="top"><h2>{title}</h2><p class="class">{word}</p></div>
<p class="quiet">{name}: {_text(result["question"])}</p>
{_banners(entry, removed)}{answer}
<div class="body"><figure>{sparkline(entry.history, entry.standing)}
<figcaption>{_course(entry)}</figcaption></figure>
{_facts(entry, run, due) if stands else ""}</div>
{_runs(entry)}
</article>"""


def _linked(entry: Entry, run: Run, file: str, text: str) -> str:
    """Link to a file of a run where the run has it."""
    if file not in run.manifest["files"]:
        return text
    return f'<a href="{_text(f"runs/{entry.analysis}/{run.name}/{file}")}">{text}</a>'


def _banners(entry: Entry, removed: bool) -> str:
    found = []
    if entry.waiting:
        last = entry.waiting[-1]
        why = "; ".join(str(each) for each in last.manifest["reasons"]) or "it is the first run"
        read = _linked(entry, last, "report.html", "its report") + ", "
        read = read if "report.html" in last.manifest["files"] else ""
        difference = _linked(entry, last, "diff.md", "what changed")
        found.append(
            f"<p><strong>Run {last.sequence} of {_day(last)} is a draft and waits for a person:</strong> "
            f"{_text(why)}.</p><p>Read {read}{difference}; "
            f"<code>bayesrtw publish {_text(entry.analysis)}/{last.sequence} --by NAME</code> "
            "lets it stand.</p>"
        )
    if entry.refused:
        words = entry.refused[:MOST_WORDS] + ("…" if len(entry.refused) > MOST_WORDS else "")
        found.append(
            f"<p><strong>Nothing came of the last look, {_text(entry.checked[:10])}:</strong> "
            f"{_text(words)}</p>"
            "<p>The last run stands.</p>"
        )
    if removed:
        found.append("<p>This analysis is not among the analyses any more; its runs stay.</p>")
    banners = [f'<div class="banner">{each}</div>\n' for each in found]
    banners.append(
        '<div class="banner stale" hidden><p><strong>Stale:</strong> nobody has looked at this for longer '
        "than its schedule; read the answer as of its date.</p></div>\n"
    )
    return "".join(banners)


def _facts(entry: Entry, run: Run, due: str) -> str:
    """List what the answer rests on."""
    result = run.manifest["result"]
    concluded = result["conclusion"]
    pairs = []
    if concluded:
        chance = _chance(concluded["benefit"])
        if concluded["opposite"] is not None:
            chance += f"; in a new setting {_chance(1.0 - concluded['opposite'])}"
        pairs.append(("P(benefit)", chance))
        if concluded["sceptical"] is not None:
            pairs.append(("under a sceptical prior", _chance(concluded["sceptical"])))
        pairs.append(("Class", _since(entry)))
    evidence = result["dataset"] or "own file"
    evidence += f", version {result['version']}" if result["version"] else ""
    pairs += [
        (
            "Evidence",
            f"{result['studies']} studies, {result['estimates']} estimates; {_text(evidence)}",
        ),
        (
            "Run",
            f"{run.sequence} of {_day(run)}{_series(run)}; <code>{_text(run.name.split('-')[1][:8])}</code>",
        ),
        ("Engine", _engine(run)),
        ("Last looked at", _text(entry.checked[:10])),
    ]
    if due:
        pairs.append(("Stale from", _text(due[:10])))
    files = [
        _linked(entry, run, file, word)
        for file, word in (
            ("diff.md", "what changed"),
            ("forest.svg", "forest plot"),
            ("estimates.csv", "estimates"),
            ("checks.json", "checks"),
        )
        if file in run.manifest["files"]
    ]
    pairs.append(("Files", ", ".join(files)))
    rows = "".join(f"<dt>{term}</dt><dd>{text}</dd>" for term, text in pairs)
    return f"<dl>{rows}</dl>"


def _chance(value: float) -> str:
    """Print a probability; what rounds to 0 or 1 is not that."""
    return "&gt; 0.99" if value > 0.995 else "&lt; 0.01" if value < 0.005 else f"{value:.2f}"


def _since(entry: Entry) -> str:
    """Say for how many runs in a row the class has been what it is, and what it was before."""
    assert entry.standing is not None
    until = entry.history[: entry.standing + 1]
    name = until[-1].manifest["result"]["class"]
    same = 0
    for run in reversed(until):
        if run.manifest["result"]["class"] != name:
            break
        same += 1
    first = until[-same]
    if same == len(until):
        many = "the only run" if same == 1 else f"all {same} runs"
        more = " shown" if entry.count > len(entry.history) else ""
        return f"the same in {many}{more}" if same > 1 else many
    before = until[-same - 1].manifest["result"]["class"]
    return f"since run {first.sequence} of {_day(first)}; before, {_text(before)}"


def _engine(run: Run) -> str:
    """Name the engine, and the largest numerical error of a mean."""
    kind = str(run.manifest["identity"]["engine"]["kind"])
    name = {"exact": "exact, by quadrature", "nuts": "sampled by NUTS"}.get(kind, kind)
    errors = [each["error"]["mean"] for each in run.manifest["result"]["figures"].values()]
    return f"{_text(name)}; means to {max(errors):.1g}" if errors else _text(name)


def _series(run: Run) -> str:
    series = run.manifest["series"]
    return f", series {series} (the method was revised)" if series > 1 else ""


def _day(run: Run) -> str:
    return _text(str(run.manifest["created"])[:10])


def _effect(run: Run) -> str:
    back = run.manifest["result"]["back"]
    unit = run.manifest["result"]["unit"]
    if not back:
        return "–"
    text = f"{back['median']:.2f} ({back['lower']:.2f} to {back['upper']:.2f})"
    return _text(f"{text} {unit}".strip())


def _course(entry: Entry) -> str:
    """Say in words what the line shows."""
    drawn = [run for run in entry.history if run.manifest["result"]["line"]]
    if not drawn:
        return "No pooled effect."
    if len(drawn) == 1:
        return f"One run: {_effect(drawn[0])}."
    ends = (drawn[0], drawn[-1])
    first, last = (f"{_effect(run)} at run {run.sequence}" for run in ends)
    return f"From {first} to {last}."


def _runs(entry: Entry) -> str:
    """List the runs, newest first."""
    rows = []
    for place in range(len(entry.history) - 1, -1, -1):
        run = entry.history[place]
        manifest, result = run.manifest, run.manifest["result"]
        stands = place == entry.standing
        concluded = result["conclusion"]
        chance = _chance(concluded["benefit"]) if concluded else "–"
        label = _linked(entry, run, "report.html", f"{run.sequence}")
        state = "stands" if stands else entry.status_of(run)
        why = "; ".join(str(each) for each in manifest["reasons"])
        rows.append(
            f"<tr{' class="stands"' if stands else ''}><th scope='row'>{label}</th>"
            f'<td class="n">{_day(run)}</td><td class="n">{result["studies"]}</td>'
            f'<td class="n">{_effect(run)}</td><td class="n">{chance}</td>'
            f'<td>{_text(result["class"] or "–")}</td><td>{state}</td><td class="why">{_text(why)}</td></tr>'
        )
    earlier = entry.count - len(entry.history)
    more = f", the last {len(entry.history)} shown" if earlier > 0 else ""
    name = _text(entry.analysis)
    return (
        f"<details><summary>Runs of {name} ({entry.count}{more})</summary>"
        f'<div class="scroll" tabindex="0" role="region" aria-label="Runs of {name}"><table><thead><tr>'
        '<th scope="col">Run</th><th scope="col">Date</th><th scope="col">Studies</th>'
        '<th scope="col">Pooled effect</th><th scope="col">P(benefit)</th><th scope="col">Class</th>'
        '<th scope="col">Status</th><th scope="col">Why it was made</th></tr></thead><tbody>'
        f"{''.join(rows)}</tbody></table></div></details>"
    )


def _due(entry: Entry) -> str:
    """Day from which the page calls an analysis stale."""
    every = entry.history[-1].manifest.get("every_days")
    if not every:
        return ""
    try:
        return (datetime.fromisoformat(entry.checked) + timedelta(days=OVERDUE * every)).isoformat()
    except (ValueError, OverflowError):
        return ""


def sparkline(history: Sequence[Run], standing: int | None) -> str:
    """Draw the pooled effect of each run with its interval.

    Parameters
    ----------
    history
        Runs, oldest first.
    standing
        Place of the one that stands, which is marked; runs after it are drafts.

    Returns
    -------
    str
        SVG with a text for readers who do not see it; empty without a pooled effect.
    """
    points = [
        (place, run.manifest["result"]["line"])
        for place, run in enumerate(history)
        if run.manifest["result"]["line"]
    ]
    if not points:
        return ""
    values = [float(value) for _, point in points for value in point] + [0.0]
    low, high = min(values), max(values)
    span = (high - low) or 1.0
    last = max(len(points) - 1, 1)

    def x(at: int) -> float:
        return MARGIN + (WIDTH - 2 * MARGIN) * (at / last if len(points) > 1 else 0.5)

    def y(value: float) -> float:
        return float(MARGIN + (HEIGHT - 2 * MARGIN) * (1.0 - (value - low) / span))

    def along(end: int) -> list[str]:
        return [f"{x(at):.1f},{y(point[end]):.1f}" for at, (_, point) in enumerate(points)]

    lower, middle, upper = along(0), along(1), along(2)
    parts = []
    if len(points) == 1:
        (cx, top), (_, bottom) = upper[0].split(","), lower[0].split(",")
        parts.append(f'<line class="whisker" x1="{cx}" x2="{cx}" y1="{top}" y2="{bottom}"/>')
    else:
        parts.append(
            f'<polygon class="band" points="{" ".join(upper)} {" ".join(reversed(lower))}"/>'
            f'<polyline class="line" points="{" ".join(middle)}"/>'
        )
    parts.append(f'<line class="null" x1="0" x2="{WIDTH}" y1="{y(0.0):.1f}" y2="{y(0.0):.1f}"/>')
    for at, (place, _) in enumerate(points):
        if place == standing or standing is None or place > standing:
            cx, cy = middle[at].split(",")
            kind = "dot" if place == standing else "draft"
            parts.append(f'<circle class="{kind}" cx="{cx}" cy="{cy}" r="3"/>')
    label = (
        f"Pooled effect of {len(points)} runs, analysis scale: first {points[0][1][1]:.3g}, "
        f"last {points[-1][1][1]:.3g}."
    )
    return (
        f'<svg role="img" aria-label="{label}" width="{WIDTH}" height="{HEIGHT}" '
        f'viewBox="0 0 {WIDTH} {HEIGHT}">{"".join(parts)}</svg>'
    )


def _text(value: object) -> str:
    return html.escape(str(value), quote=True)
