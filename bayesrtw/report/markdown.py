"""A report as Markdown: the same words and numbers, for a repository or a mail."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from bayesrtw.report.block import (
    Block,
    Bullets,
    Controls,
    Folded,
    Heading,
    Listing,
    Paragraph,
    Quoted,
    Styled,
    Tabular,
    Terms,
    Text,
    plain,
)
from bayesrtw.report.change import change
from bayesrtw.report.numbers import Printer, clean
from bayesrtw.report.outline import outline
from bayesrtw.report.shorten import shortened

#: Characters that Markdown or HTML would read as marks; a forge takes ``#12`` for an issue.
_MARKS: Final = re.compile(r"([\\`*_\[\]<>|~&#]|^[+=-]|(?<=:)/)")

#: A number that would begin a numbered list; its point takes the backslash, a digit cannot.
_LISTED: Final = re.compile(r"^(\d{1,9})([.)])(?=\s|$)")

#: Said where a page has pictures.
_PICTURES: Final = (
    "Pictures stand in the HTML and the Word report; their numbers stand in the tables."
)


@dataclass(frozen=True, slots=True)
class Embedded:
    """A picture beside a report in Markdown."""

    file: str  #: Its path from the report.
    caption: str  #: What stands under it.
    description: str  #: What is read in its place.
    section: str  #: Id of the section that it stands in.


def render_markdown(content: dict[str, Any], pictures: Sequence[Embedded] = ()) -> str:
    """Write a report as Markdown (CommonMark with tables), with pictures where they are beside it."""
    n, found = Printer.of(content), shortened(outline(content))
    parts = [f"# {_escaped(found.title)}", *blocks_as_markdown(found.opening, n)]
    for section in found.sections:
        inner = list(blocks_as_markdown(section.blocks, n))
        shown = [
            f"![{_escaped(each.description)}](<{each.file}>)\n\n{_escaped(each.caption)}"
            for each in pictures
            if each.section == section.id
        ]
        parts += [f"## {_escaped(section.title)}", *inner, *shown]
        if not inner and not shown:
            parts.append(_PICTURES)
    return "\n\n".join(parts) + "\n"


def change_as_markdown(diff: Mapping[str, Any], *, headline: str = "", caveat: str = "") -> str:
    """Write a difference as Markdown, for an issue, a pull request or a reader."""
    opening: list[Block] = [Paragraph((Quoted(headline),))] if headline else []
    if caveat:
        opening.append(Paragraph((Quoted(caveat),), "caveat"))
    n = Printer.none()
    title = Heading(diff["title"])
    return (
        "\n\n".join(
            [
                *blocks_as_markdown((title,), n, level=1),
                *blocks_as_markdown((*opening, *change(diff)), n, level=2),
            ]
        )
        + "\n"
    )


def blocks_as_markdown(blocks: Sequence[Block], n: Printer, level: int = 3) -> Iterator[str]:
    """Write blocks one after another."""
    for block in blocks:
        if isinstance(block, Heading):
            yield f"{'#' * level} {_escaped(block.text)}"
        elif isinstance(block, Paragraph):
            caveat = block.kind == "caveat"
            yield f"> **{_escaped(plain(block.text, n))}**" if caveat else _line(block.text, n)
        elif isinstance(block, Bullets):
            yield "\n".join(f"- {_line(item, n)}" for item in block.items)
        elif isinstance(block, Terms):
            yield "\n".join(f"- {name}: {_escaped(plain(text, n))}" for name, text in block.pairs)
        elif isinstance(block, Tabular):
            yield _table(block, n)
        elif isinstance(block, Listing):
            text = _UNSAFE.sub(_as_escape, block.text) if block.json else block.text
            yield "\n".join(f"    {line}" for line in clean(text).splitlines())
        elif isinstance(block, Folded):
            yield f"{'#' * level} {_escaped(block.title)}"
            yield from blocks_as_markdown(block.blocks, n, level)
        elif isinstance(block, Controls):
            yield from blocks_as_markdown(block.still, n, level)


def _table(block: Tabular, n: Printer) -> str:
    heads = [_escaped(plain(head.text, n)) for head in block.head]
    sides = ["---:" if head.style == "num" else "---" for head in block.head]
    rows = [[_line(cell, n) for cell in row] for row in block.rows]
    lines = [_row(heads), _row(sides), *map(_row, rows)]
    return "\n".join([*([_escaped(block.caption), ""] if block.caption else []), *lines])


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _line(text: Text, n: Printer) -> str:
    """Write a text on one line; what is strong stays strong."""
    if not any(isinstance(part, Styled) and part.look == "strong" for part in text):
        return _escaped(plain(text, n))
    parts = []
    for part in text:
        words = plain((part,), n)
        if words.isspace():
            parts.append(" ")
            continue
        strong = isinstance(part, Styled) and part.look == "strong"
        before, after = (" " * (words[:1] == " "), " " * (words[-1:] == " "))
        parts.append(f"**{_escaped(words)}**" if strong else f"{before}{_escaped(words)}{after}")
    return "".join(parts).strip()


def _escaped(text: str) -> str:
    """Escape marks, keep to one line, and isolate the direction of words from data."""
    line = " ".join(clean(text).split())
    escaped = _LISTED.sub(r"\1\\\2", _MARKS.sub(r"\\\1", line)).replace("@", "&#64;")
    return f"\u2068{escaped}\u2069" if _TURNS.search(line) else escaped


def _as_escape(found: re.Match[str]) -> str:
    return f"\\u{ord(found.group()):04x}"


#: Letters and marks that turn the direction of what follows them.
_TURNS: Final = re.compile(
    "[\u0590-\u08ff\u200e\u200f\u202a-\u202e\u2066-\u2069\ufb1d-\ufdff\ufe70-\ufeff]"
)

#: What JSON writes as an escape, so that no reader of Markdown takes it for a tag or turns a line around.
_UNSAFE: Final = re.compile(f"[<>&\u2028\u2029]|{_TURNS.pattern}")
