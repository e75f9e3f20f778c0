"""The living index page: every analysis, its answer, class, date and history, in one file of HTML.

Self-contained: no request leaves the page. It is made of a report's blocks, in a report's style, but without
a template engine or a numerical library, since a heartbeat writes it too.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

from markupsafe import Markup

from bayesrtw.living.store import Run
from bayesrtw.printed import NONE, figure, spell_probability, with_interval
from bayesrtw.report.block import (
    Block,
    FileLink,
    Folded,
    Head,
    Jump,
    Paragraph,
    Quoted,
    Styled,
    Tabular,
    Terms,
    Text,
    joined,
)
from bayesrtw.report.markup import blocks_as_html, text_as_html
from bayesrtw.report.numbers import Printer
from bayesrtw.report.shell import asset, head
from bayesrtw.report.svg import canvas, element, line

#: Size of a sparkline and its margin, in pixels.
WIDTH, HEIGHT, MARGIN = 220, 56, 5

#: Runs that the page shows of an analysis; earlier ones are in the store.
MOST_RUNS = 40

#: An analysis is stale when nobody has looked at it for this many times its schedule.
OVERDUE = 1.5

#: Characters of an error that the page shows; the journal has all of it.
MOST_WORDS = 600

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


_BODY: Final = Markup("""<body>
<header><h1>Living evidence</h1>
{many}
<p id="late" class="caveat" hidden></p>
{notes}
</header>
<main>
{articles}
</main>
<footer><p>A line shows the pooled effect of each run with its interval, oldest first; dashes mark no
effect, an open dot a draft. A class says how probable a benefit is, not how certain the evidence is. Made by
bayesrtw; this page asks nothing of any network.</p></footer>
<script>{script}</script>
</body>
</html>
""")

_ARTICLE: Final = Markup("""<article id="{id}"{due}>
<div class="top"><h2>{title}</h2>{word}</div>
{stale}{blocks}
</article>""")

_STALE: Final = Markup(
    '<div class="caveat stale" hidden><p><strong>Stale:</strong> nobody has looked at this for longer than '
    "its schedule; read the answer as of its date.</p></div>\n"
)

#: Columns of the table of runs.
_HEADS: Final = (
    Head(("Run",)),
    Head(("Date",)),
    Head(("Studies",), "num"),
    Head(("Pooled effect",), "num"),
    Head(("P(benefit)",), "num"),
    Head(("Class",)),
    Head(("Status",)),
    Head(("Why it was made",), "words"),
)

#: The page prints what manifests say, and no number of a record.
_PRINTED: Final = Printer.none()


@dataclass(frozen=True, slots=True)
class Shown:
    """One analysis on the page."""

    analysis: str  #: Id.
    history: tuple[Run, ...] = ()  #: Its runs, in order; on the page the last `MOST_RUNS`.
    #: Place among them of the run whose conclusion stands; None if none was published.
    standing: int | None = None
    count: int = 0  #: How many runs the store holds of it.
    checked: str = ""  #: When somebody last looked, ISO 8601.
    refused: str = ""  #: Why nothing came of the last look; empty if something did.
    fault: str = ""  #: Why it cannot be shown; empty if it can.
    #: Name of a draft that a person published, to who did.
    decided: Mapping[str, str] = field(default_factory=dict)

    def status_of(self, run: Run) -> str:
        """Say whether a run is a draft, or published, by itself or by a person."""
        return "published" if run.name in self.decided else str(run.manifest["status"])

    @property
    def waiting(self) -> tuple[Run, ...]:
        """Drafts since the run that stands."""
        return self.history[0 if self.standing is None else self.standing + 1 :]


def index_page(entries: Sequence[Shown], removed: Sequence[str] = ()) -> str:
    """Write the page."""
    shown = [entry for entry in entries if entry.history or entry.fault]
    shown.sort(key=lambda entry: not _needs(entry))
    caveats = dict.fromkeys(
        (str(result["dataset"]), str(result["caveat"]))
        for entry in shown
        for run in entry.history[-1:]
        if (result := run.manifest["result"])["caveat"]
    )
    notes: list[Block] = [
        Paragraph((Styled(("Evidence ", Quoted(name), "."), "strong"), " ", Quoted(text)), "caveat")
        for name, text in caveats
    ]
    css = asset("report.css") + asset("living.css")
    return str(
        Markup("{head}{body}").format(
            head=head("Living evidence", css, _SCRIPT),
            body=_BODY.format(
                many=_html(Paragraph(_summary(shown))),
                notes=_html(*notes),
                articles=Markup("\n").join(
                    _whole(entry, entry.analysis in removed) for entry in shown
                ),
                script=Markup(_SCRIPT),
            ),
        )
    )


def _html(*blocks: Block) -> Markup:
    return blocks_as_html(blocks, _PRINTED, lambda _: Markup())


def _needs(entry: Shown) -> bool:
    return bool(entry.fault or entry.refused or entry.waiting)


def _summary(shown: Sequence[Shown]) -> Text:
    """Say how many analyses there are, and which need somebody."""
    many = f"{len(shown)} {'analysis' if len(shown) == 1 else 'analyses'}"
    needed = [entry for entry in shown if _needs(entry)]
    if not needed:
        return (f"{many}; none waits for a person.",)
    links = joined(((Jump(entry.analysis, entry.analysis),) for entry in needed), ", ")
    verb = "needs" if len(needed) == 1 else "need"
    return (f"{many}. ", Styled((f"{len(needed)} {verb} a person:",), "strong"), " ", *links, ".")


def _whole(entry: Shown, removed: bool) -> Markup:
    """Show an analysis; one whose runs lack what is shown of them does not hide the others."""
    try:
        return _article(entry, removed)
    except (LookupError, TypeError, ValueError, AttributeError, OverflowError) as error:
        why = f"{type(error).__name__}: {error}"
        fault = f"runs/{entry.analysis}: what a run says cannot be shown ({why}); see `bayesrtw verify`."
        return _article(Shown(entry.analysis, count=entry.count, fault=fault), removed)


def _article(entry: Shown, removed: bool) -> Markup:
    """Write one analysis."""
    if entry.fault:
        said = Paragraph((Quoted(entry.fault),), "caveat")
        return _ARTICLE.format(
            id=entry.analysis, due="", title=entry.analysis, word="", stale="", blocks=_html(said)
        )
    run = entry.history[-1 if entry.standing is None else entry.standing]
    result: Mapping[str, Any] = run.manifest["result"]
    due = _due(entry)
    stands = entry.standing is not None
    word = (result["class"] or "no pooled mean") if stands else "not published"
    asked = Paragraph((Quoted(entry.analysis), ": ", Quoted(result["question"])), "note")
    course = Markup('<div class="course">{}<p class="quiet">{}</p></div>').format(
        sparkline(entry.history, entry.standing), _course(entry)
    )
    blocks = [_html(asked, *_banners(entry, removed)), course, _html(_runs(entry))]
    if stands:
        blocks.insert(1, _html(Paragraph((Quoted(result["headline"]),))))
        blocks.insert(3, _html(_facts(entry, run, due)))
    return _ARTICLE.format(
        id=entry.analysis,
        due=Markup(' data-due="{}"').format(due) if due else "",
        title=text_as_html(_linked(entry, run, "report.html", result["title"]), _PRINTED),
        word=Markup('<p class="class">{}</p>').format(word),
        stale=_STALE,
        blocks=Markup("\n").join(blocks),
    )


def _linked(entry: Shown, run: Run, file: str, text: str) -> Text:
    """Link to a file of a run where the run has it."""
    if file not in run.manifest["files"]:
        return (Quoted(text),)
    return (FileLink(f"runs/{entry.analysis}/{run.name}/{file}", text),)


def _banners(entry: Shown, removed: bool) -> Iterator[Block]:
    if entry.waiting:
        last = entry.waiting[-1]
        why = _why(last) or "it is the first run"
        waits = f"Run {last.sequence} of {_day(last)} is a draft and waits for a person:"
        yield Paragraph((Styled((waits,), "strong"), " ", Quoted(why), "."), "caveat")
        report = _linked(entry, last, "report.html", "its report")
        command = f"bayesrtw publish {entry.analysis}/{last.sequence} --by NAME"
        yield Paragraph(
            (
                "Read ",
                *((*report, ", ") if "report.html" in last.manifest["files"] else ()),
                *_linked(entry, last, "diff.md", "what changed"),
                "; ",
                Styled((command,), "code"),
                " lets it stand.",
            )
        )
    if entry.refused:
        words = entry.refused[:MOST_WORDS] + ("…" if len(entry.refused) > MOST_WORDS else "")
        said = f"Nothing came of the last look, {entry.checked[:10]}:"
        text = (Styled((said,), "strong"), " ", Quoted(words), " The last run stands.")
        yield Paragraph(text, "caveat")
    if removed:
        gone = "This analysis is not among the analyses any more; its runs stay."
        yield Paragraph((gone,), "caveat")


def _facts(entry: Shown, run: Run, due: str) -> Terms:
    """List what the answer rests on."""
    result = run.manifest["result"]
    concluded = result["conclusion"]
    pairs: list[tuple[str, Text]] = []
    if concluded:
        chance = spell_probability(concluded["benefit"])
        if concluded["opposite"] is not None:
            chance += f"; in a new setting {spell_probability(1.0 - concluded['opposite'])}"
        pairs.append(("P(benefit)", (chance,)))
        if concluded["sceptical"] is not None:
            said = spell_probability(concluded["sceptical"])
            pairs.append(("under a sceptical prior", (said,)))
        pairs.append(("Class", (_since(entry),)))
    evidence = result["dataset"] or "own file"
    evidence += f", version {result['version']}" if result["version"] else ""
    many = f"{result['studies']} studies, {result['estimates']} estimates; "
    made = f"{run.sequence} of {_day(run)}{_series(run)}; "
    pairs += [
        ("Evidence", (many, Quoted(evidence))),
        ("Run", (made, Styled((str(run.manifest["run_id"])[:8],), "code"))),
        ("Engine", (_engine(run),)),
        ("Last looked at", (entry.checked[:10],)),
    ]
    if due:
        pairs.append(("Stale from", (due[:10],)))
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
    pairs.append(("Files", joined(files, ", ")))
    return Terms(tuple(pairs))


def _since(entry: Shown) -> str:
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
    return f"since run {first.sequence} of {_day(first)}; before, {before}"


def _engine(run: Run) -> str:
    """Name the engine, and the largest numerical error of a mean."""
    kind = str(run.manifest["identity"]["engine"]["kind"])
    name = {"exact": "exact, by quadrature", "nuts": "sampled by NUTS"}.get(kind, kind)
    errors = [each["error"]["mean"] for each in run.manifest["result"]["figures"].values()]
    return f"{name}; means to {max(errors):.1g}" if errors else name


def _series(run: Run) -> str:
    series = run.manifest["series"]
    return f", series {series} (the method was revised)" if series > 1 else ""


def _day(run: Run) -> str:
    return str(run.manifest["created"])[:10]


def _why(run: Run) -> str:
    return "; ".join(str(each).rstrip(".") for each in run.manifest["reasons"])


def _effect(run: Run) -> str:
    """Print the pooled effect; a run says with how many decimals, and whether it is a ratio."""
    result = run.manifest["result"]
    back = result["back"]
    if not back:
        return NONE
    ends = (back[name] for name in ("median", "lower", "upper"))
    log, places = bool(result.get("log", False)), int(result.get("places", 2))
    which = f" ({result['which']})" if result.get("which") else ""
    return f"{with_interval(*ends, log=log, places=places)} {result['unit']}".strip() + which


def _course(entry: Shown) -> str:
    """Say in words what the line shows."""
    drawn = [run for run in entry.history if run.manifest["result"]["line"]]
    if not drawn:
        return "No pooled effect."
    if len(drawn) == 1:
        return f"One run: {_effect(drawn[0])}."
    first, last = (f"{_effect(run)} at run {run.sequence}" for run in (drawn[0], drawn[-1]))
    return f"From {first} to {last}."


def _runs(entry: Shown) -> Folded:
    """List the runs, newest first."""
    rows: list[tuple[Text, ...]] = []
    for place in range(len(entry.history) - 1, -1, -1):
        run = entry.history[place]
        result = run.manifest["result"]
        concluded = result["conclusion"]
        rows.append(
            (
                _linked(entry, run, "report.html", f"{run.sequence}"),
                (_day(run),),
                (str(result["studies"]),),
                (_effect(run),),
                (spell_probability(concluded["benefit"]) if concluded else NONE,),
                (result["class"] or NONE,),
                ("stands" if place == entry.standing else entry.status_of(run),),
                (Quoted(_why(run)),),
            )
        )
    earlier = entry.count - len(entry.history)
    more = f", the last {len(entry.history)} shown" if earlier > 0 else ""
    own = () if entry.standing is None else (len(entry.history) - 1 - entry.standing,)
    table = Tabular(
        f"Runs of {entry.analysis}", _HEADS, tuple(rows), own=frozenset(own), cards=True
    )
    return Folded(f"Runs of {entry.analysis} ({entry.count}{more})", (table,))


def _due(entry: Shown) -> str:
    """Day from which the page calls an analysis stale."""
    every = entry.history[-1].manifest.get("every_days")
    if not every:
        return ""
    try:
        return (datetime.fromisoformat(entry.checked) + timedelta(days=OVERDUE * every)).isoformat()
    except (ValueError, OverflowError):
        return ""


def sparkline(history: Sequence[Run], standing: int | None) -> Markup:
    """Draw the pooled effect of each run with its interval."""
    points = [
        (place, [float(value) for value in run.manifest["result"]["line"]])
        for place, run in enumerate(history)
        if run.manifest["result"]["line"]
    ]
    if not points:
        return Markup()
    values = [value for _, point in points for value in point] + [0.0]
    low, high = min(values), max(values)
    span = (high - low) or 1.0
    last = max(len(points) - 1, 1)

    def x(at: int) -> float:
        return round(MARGIN + (WIDTH - 2 * MARGIN) * (at / last if len(points) > 1 else 0.5), 1)

    def y(value: float) -> float:
        return round(MARGIN + (HEIGHT - 2 * MARGIN) * (1.0 - (value - low) / span), 1)

    def along(end: int) -> list[str]:
        return [f"{x(at)},{y(point[end])}" for at, (_, point) in enumerate(points)]

    lower, middle, upper = along(0), along(1), along(2)
    first = points[0][1]
    if len(points) == 1:
        parts = [line("whisker", (x(0), x(0)), (y(first[2]), y(first[0])))]
    else:
        around = " ".join([*upper, *reversed(lower)])
        parts = [
            element("polygon", {"class": "band", "points": around}),
            element("polyline", {"class": "line", "points": " ".join(middle)}),
        ]
    parts.append(line("null", (0, WIDTH), (y(0.0), y(0.0))))
    for at, (place, point) in enumerate(points):
        if place == standing or standing is None or place > standing:
            kind = "dot" if place == standing else "draft"
            parts.append(element("circle", {"class": kind, "cx": x(at), "cy": y(point[1]), "r": 3}))
    label = (
        f"Pooled effect of {len(points)} runs, analysis scale: first {figure(first[1], 3)}, last "
        f"{figure(points[-1][1][1], 3)}."
    )
    return canvas(WIDTH, HEIGHT, *parts, label=label)
