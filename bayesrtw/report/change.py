"""What changed between two runs, as blocks: the one source of a report's section and of ``diff.md``."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from bayesrtw.printed import figure, spell_chance, spell_probability
from bayesrtw.report.block import (
    Block,
    Bullets,
    Head,
    Heading,
    Paragraph,
    Quoted,
    Styled,
    Tabular,
    Text,
)

#: Corrected fields that are listed of one row.
MOST_FIELDS: Final = 20

#: Heads of what is attributed to a cause.
_SHARES: Final = ("Change of mean", "Change of width")


def change(diff: Mapping[str, Any]) -> tuple[Block, ...]:
    """Say what changed between two runs, and why."""
    blocks: list[Block] = [*_class(diff["conclusion"])]
    if diff["from"] is None:
        return (
            *blocks,
            Paragraph(("This is the first run; there is nothing to compare it with.",)),
        )
    compared: Text = (
        "Compared with run ",
        Styled((diff["from"],), "code"),
        ": ",
        diff["label"],
        ".",
    )
    new = [entry["text"] for entry in diff["set_aside"] if entry["new"]]
    return (
        *blocks,
        Paragraph(compared),
        *_listed("Conflicts", diff["conflicts"]),
        *_listed("Rows that were not used, new in this run", new),
        *_results(diff["results"]),
        *_inputs(diff["inputs"]),
        *_surprise(diff),
        *_attribution(diff),
        *_listed("Notes", diff["notes"]),
    )


def _class(found: Mapping[str, Any]) -> Iterable[Block]:
    if not found["new"]:
        return
    if found["changed"]:
        text: Text = (f"The conclusion changed: {found['old']} to {found['new']}.",)
        yield Paragraph((Styled(text, "strong"),))
    else:
        same = " (unchanged)." if found["old"] else "."
        yield Paragraph(("Conclusion: ", Styled((found["new"],), "strong"), same))
    if "benefit" in found:
        chances = [("P(benefit)", "benefit"), ("P(harm)", "harm")]
        if found["sceptical"] is not None:
            chances.append(("P(benefit) under the sceptical prior", "sceptical"))
        said = ", ".join(spell_chance(event, found[key]) for event, key in chances)
        if found["opposite"] is not None:
            said += f"; {spell_chance('in a new setting P(harm)', found['opposite'])}"
        yield Paragraph((f"{said}.",))
        yield from (Paragraph((text,)) for text in found["spread"])
    robust = found.get("robustness")
    if robust:
        others = "; ".join(f"{name}: {word}" for name, word in robust["others"].items())
        text = (
            f"{robust['same']} of {robust['variants']} registered variants give the same class",
        )
        yield Paragraph((*text, *((" (", Quoted(others), ")") if others else ()), "."))
    ahead = found.get("outlook")
    if ahead:
        then = f" (most probably to {ahead['then']})" if ahead["then"] else ""
        said = (
            f"One more trial of median precision (SE {figure(ahead['se'], 3)}) would change the class with "
            f"probability {spell_probability(ahead['change'])}{then}, and is expected to narrow the interval "
            f"by {100 * ahead['narrower']:.0f} %."
        )
        yield Paragraph((said,))


def _listed(heading: str, texts: Sequence[str]) -> Iterable[Block]:
    if texts:
        yield Heading(heading)
        yield Bullets(tuple((Quoted(text),) for text in texts))


def _results(results: Sequence[Mapping[str, Any]]) -> Iterable[Block]:
    yield Heading("Results")
    changed = [entry for entry in results if entry["moved"]]
    if not changed:
        yield Paragraph(("No number moved by more than its numerical error.",))
        return
    rows = [
        (
            entry["estimand"],
            entry["number"],
            *_figures(entry["old"], entry["new"]),
            _moved(entry["change"]),
        )
        for entry in changed
    ]
    head = ("Question", "Number (analysis scale)", "Before", "Now", "Change")
    yield _table("Results", head, rows, 2)
    same = len(results) - len(changed)
    if same:
        said = f"{same} other number(s) moved by less than the numerical error or the tolerance."
        yield Paragraph((said,))


def _inputs(inputs: Mapping[str, Any]) -> Iterable[Block]:
    for key, heading in (("added", "New results"), ("withdrawn", "Results that are gone")):
        rows: list[Sequence[object]] = [
            (entry["row"], entry["study"], *_figures(entry["effect"], entry["se"]))
            for entry in inputs[key]
        ]
        head = ("Result", "Study", "Effect (analysis scale)", "Standard error")
        yield from _headed(heading, head, rows, 2)
    fields = [
        (entry["row"], entry["how"], each["field"], *_cells(each["old"], each["new"]))
        for entry in inputs["corrected"]
        for each in entry["fields"][:MOST_FIELDS]
    ]
    yield from _headed("Corrections", ("Result", "How", "Field", "Before", "Now"), fields, 5)
    versions = [(each["package"], *_cells(each["old"], each["new"])) for each in inputs["versions"]]
    yield from _headed("Software", ("Package", "Before", "Now"), versions, 3)
    if inputs["method"]:
        revision = inputs["method"]["revision"]
        yield Heading("Method")
        yield Paragraph((f"Revision {revision['old']} to {revision['new']}.",))


def _surprise(diff: Mapping[str, Any]) -> Iterable[Block]:
    rows: list[tuple[Text, ...]] = [
        (
            (Quoted(entry["row"]),),
            (figure(entry["effect"]),),
            (f"{figure(entry['expected'])} ± {figure(entry['sd'])}",),
            (figure(entry["z"], 3, plus=True),),
            (
                figure(entry["tail"], 3),
                *((" ", _strong("surprising")) if entry["surprising"] else ()),
            ),
        )
        for entry in diff["surprise"]
    ]
    if rows:
        title = "What was predicted of the new results"
        heads = ("New result", "Effect", "Predicted", "z", "Tail probability")
        yield Heading(title)
        yield Tabular(
            title,
            tuple(Head((each,), "num" if at else "") for at, each in enumerate(heads)),
            tuple(rows),
            cards=True,
        )
    found = diff["drift"]
    if found:
        said = (
            f" over the {found['results']} new results of all updates: Kolmogorov distance "
            f"{found['distance']:.2f}, P = {figure(found['p'], 2)}."
        )
        yield Paragraph((_strong("Drift") if found["drift"] else "No drift", said))


def _attribution(diff: Mapping[str, Any]) -> Iterable[Block]:
    found = diff["attribution"]
    if not found:
        return
    rows = [(name, *_shares(share, diff)) for name, share in found["shares"].items()]
    yield from _headed(
        "Why the pooled mean changed",
        ("Due to", *_SHARES, *_event(diff)),
        [*rows, ("in all", *_shares(found["total"], diff))],
        1,
    )
    if found["note"]:
        yield Paragraph((Quoted(found["note"]),))
    if diff["left_out"]:
        yield Paragraph(("What each new study did (with it less without it):",))
        each = [(entry["study"], *_shares(entry, diff)) for entry in diff["left_out"]]
        yield _table("What each new study did", ("Study", *_SHARES, *_event(diff)), each, 1)


def _event(diff: Mapping[str, Any]) -> tuple[str, ...]:
    """Head of the column of probabilities; a measure of a single group has none."""
    return (f"Change of {diff['event']}",) if diff["event"] else ()


def _shares(entry: Mapping[str, Any], diff: Mapping[str, Any]) -> tuple[str, ...]:
    names = ("mean", "width", "probability") if diff["event"] else ("mean", "width")
    return tuple(_moved(entry[name]) for name in names)


def _strong(text: str) -> Styled:
    return Styled((text,), "strong")


def _headed(
    heading: str, head: Sequence[str], rows: Sequence[Sequence[object]], words: int
) -> Iterable[Block]:
    if rows:
        yield Heading(heading)
        yield _table(heading, head, rows, words)


def _table(
    label: str, head: Sequence[str], rows: Iterable[Sequence[object]], words: int
) -> Tabular:
    """Make a table whose first columns hold words, and the others numbers."""
    heads = (Head((each,), "" if at < words else "num") for at, each in enumerate(head))
    cells = tuple(tuple((Quoted(str(cell)),) for cell in row) for row in rows)
    return Tabular(label, tuple(heads), cells, cards=True)


def _cells(*values: Any) -> tuple[str, ...]:
    """Print what stood in a cell, or a version."""
    return tuple(
        "(empty)" if each is None else figure(each) if isinstance(each, float) else str(each)
        for each in values
    )


def _figures(*values: float | None) -> tuple[str, ...]:
    return tuple("none" if each is None else figure(each) for each in values)


def _moved(value: float | None) -> str:
    return "none" if value is None else figure(value, plus=True)
