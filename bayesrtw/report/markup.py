"""Blocks as HTML: words of data isolated and escaped, each number with its place in the record."""

import re
from collections.abc import Callable
from typing import Any, Final

from markupsafe import Markup, escape

from bayesrtw.printed import unbroken
from bayesrtw.report.block import (
    Block,
    Bracketed,
    Bullets,
    Chance,
    Controls,
    FileLink,
    Folded,
    Heading,
    Jump,
    Listing,
    Number,
    Paragraph,
    Part,
    Pictures,
    Quoted,
    Tabular,
    Terms,
    Text,
    plain,
)
from bayesrtw.report.numbers import Printer, clean, resolve

#: What a DOI looks like; links on a page lead to doi.org and nowhere else, whatever data say.
_DOI: Final = re.compile(r"\b10\.\d{4,9}/[-._;()/:A-Za-z0-9]*[A-Za-z0-9]")

#: Elements of looks that are no element of their own name.
_LOOKS: Final = {"quiet": '<span class="quiet">{}</span>', "code": "<code>{}</code>"}


def blocks_as_html(
    blocks: tuple[Block, ...], n: Printer, place: Callable[[Block], Markup]
) -> Markup:
    """Write blocks one after another."""
    return Markup("\n").join(_block(block, n, place) for block in blocks)


def _block(block: Block, n: Printer, place: Callable[[Block], Markup]) -> Markup:
    if isinstance(block, Tabular):
        return _table(block, n)
    if isinstance(block, Paragraph):
        return _paragraph(block, n)
    if isinstance(block, Heading):
        return Markup("<h3>{}</h3>").format(block.text)
    if isinstance(block, Bullets):
        kind = _class(block.kind)
        items = Markup("").join(
            Markup("<li>{}</li>").format(text_as_html(item, n)) for item in block.items
        )
        return Markup("<ul{}>{}</ul>").format(kind, items)
    if isinstance(block, Terms):
        pairs = (
            Markup("<dt>{}</dt><dd>{}</dd>").format(name, text_as_html(text, n))
            for name, text in block.pairs
        )
        return Markup("<dl>{}</dl>").format(Markup("").join(pairs))
    if isinstance(block, Listing):
        return Markup('<pre tabindex="0">{}</pre>').format(clean(block.text))
    if isinstance(block, Folded):
        inner = blocks_as_html(block.blocks, n, place)
        return Markup("<details><summary>{}</summary>{}</details>").format(block.title, inner)
    assert isinstance(block, Pictures | Controls)
    return place(block)


def _paragraph(block: Paragraph, n: Printer) -> Markup:
    text = text_as_html(block.text, n)
    if block.kind == "caveat":
        return Markup('<div class="caveat"><p>{}</p></div>').format(text)
    kind = _class("" if block.kind == "answer" else block.kind)
    return Markup("<p{}>{}</p>").format(kind, text)


def _table(block: Tabular, n: Printer) -> Markup:
    """Write a table that scrolls for itself, so that the page does not."""
    heads = Markup("").join(
        Markup('<th scope="col"{}>{}</th>').format(_class(head.style), text_as_html(head.text, n))
        for head in block.head
    )
    rows = Markup("\n").join(_row(block, place, cells, n) for place, cells in enumerate(block.rows))
    return Markup(
        '<div class="scroll" role="region" tabindex="0" aria-label="Table: {label}">\n<table{kind}>{caption}'
        "<thead><tr>{heads}</tr></thead><tbody>\n{rows}\n</tbody></table>\n</div>"
    ).format(
        label=clean(block.label),
        kind=_class("sortable" if block.sortable else "cards" if block.cards else ""),
        caption=Markup("<caption>{}</caption>").format(block.caption) if block.caption else "",
        heads=heads,
        rows=rows,
    )


def _row(block: Tabular, place: int, cells: tuple[Text, ...], n: Printer) -> Markup:
    written = []
    for position, (head, cell) in enumerate(zip(block.head, cells, strict=True)):
        form = '<th scope="row"{}{}>{}</th>' if position == 0 else "<td{}{}>{}</td>"
        key = Markup(' data-sort="{}"').format(_key(cell, n)) if block.sortable else ""
        if block.cards and (position or head.style == "num"):
            key = Markup(' data-head="{}"').format(clean(plain(head.text, n)))
        written.append(Markup(form).format(_class(head.style), key, text_as_html(cell, n)))
    own = _class("own" if place in block.own else "")
    return Markup("<tr{}>{}</tr>").format(own, Markup("").join(written))


def _class(name: str) -> Markup:
    return Markup(' class="{}"').format(name) if name else Markup("")


def _key(cell: Text, n: Printer) -> str:
    """Say by what a cell is sorted: its first number, else its words; empty cells come last."""
    if not cell:
        return ""
    first = cell[0]
    path = ""
    if isinstance(first, Number | Bracketed):
        path = first.path if isinstance(first, Number) else f"{first.path}/median"
    elif isinstance(first, Quoted):
        path = first.number
    if path:
        value: Any = resolve(n.content, path)
        return "" if value is None else repr(value)
    return clean(first.text) if isinstance(first, Quoted) else str(first)


def text_as_html(text: Text, n: Printer) -> Markup:
    """Write a text."""
    return Markup("").join(_part(part, n) for part in text)


def _part(part: Part, n: Printer) -> Markup:
    if isinstance(part, str):
        return escape(clean(part))
    if isinstance(part, Number):
        return n.show(part.path, part.style)
    if isinstance(part, Bracketed):
        return n.interval(part.path, part.style)
    if isinstance(part, Chance):
        equals = "=\u00a0" if n.text(part.path, "probability")[0].isdigit() else ""
        shown = n.show(part.path, "probability")
        return Markup("{}\u00a0{}{}").format(unbroken(part.event), equals, shown)
    if isinstance(part, Quoted):
        return linked(part.text) if part.linked else quoted(part.text)
    if isinstance(part, FileLink):
        return Markup('<a href="{}">{}</a>').format(part.file, clean(part.text))
    if isinstance(part, Jump):
        return Markup('<a href="#{}">{}</a>').format(part.id, part.title)
    inner = text_as_html(part.text, n)
    if part.look == "tag":
        return Markup('<span class="tag {0}">{0}</span>').format(inner)
    return Markup(_LOOKS.get(part.look, "<strong>{}</strong>")).format(inner)


def quoted(text: object) -> Markup:
    """Isolate words from data."""
    return Markup("<bdi>{}</bdi>").format(clean(text))


def linked(text: object) -> Markup:
    """Isolate words from data, and link the DOIs in them."""
    words, parts, end = clean(text), [], 0
    for found in _DOI.finditer(words):
        parts.append(escape(words[end : found.start()]))
        parts.append(
            Markup('<a href="https://doi.org/{0}" rel="noreferrer">{0}</a>').format(found.group())
        )
        end = found.end()
    parts.append(escape(words[end:]))
    return Markup("<bdi>{}</bdi>").format(Markup("").join(parts))
