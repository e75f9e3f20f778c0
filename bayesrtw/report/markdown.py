"""A report as Markdown: the same words and numbers, for a repository or a mail."""

import re
from collections.abc import Iterator, Sequence
from typing import Any, Final

from bayesrtw.report.block import (
    Block,
    Bullets,
    Controls,
    Folded,
    Heading,
    Listing,
    Paragraph,
    Table,
    Terms,
    plain,
)
from bayesrtw.report.numbers import Numbers, clean
from bayesrtw.report.outline import outline

#: Characters that Markdown or HTML would read as marks.
_MARKS: Final = re.compile(r"([\\`*_\[\]<>|~&]|^[#+=-]|(?<=:)/)")

#: A number that would begin a numbered list; its point takes the backslash, a digit cannot.
_LISTED: Final = re.compile(r"^(\d{1,9})([.)])(?=\s|$)")

#: Said where a page has pictures.
_PICTURES: Final = (
    "Pictures stand in the HTML and the Word report; their numbers stand in the tables."
)


def render_markdown(content: dict[str, Any]) -> str:
    """Write a report as Markdown (CommonMark with tables).

    Parameters
    ----------
    content
        A record, as `bayesrtw.report.record.record` gives it.

    Returns
    -------
    str
        The text; words from data are escaped, so they are words and nothing else.
    """
    n, found = Numbers.of(content), outline(content)
    parts = [f"# {_escaped(found.title)}", *_written(found.opening, n)]
    for section in found.sections:
        inner = list(_written(section.blocks, n))
        parts += [f"## {_escaped(section.title)}", *(inner or [_PICTURES])]
    return "\n\n".join(parts) + "\n"


def _written(blocks: Sequence[Block], n: Numbers) -> Iterator[str]:
    for block in blocks:
        if isinstance(block, Heading):
            yield f"### {_escaped(block.text)}"
        elif isinstance(block, Paragraph):
            text = _escaped(plain(block.text, n))
            yield f"> **{text}**" if block.kind == "caveat" else text
        elif isinstance(block, Bullets):
            yield "\n".join(f"- {_escaped(plain(item, n))}" for item in block.items)
        elif isinstance(block, Terms):
            yield "\n".join(f"- {name}: {_escaped(plain(text, n))}" for name, text in block.pairs)
        elif isinstance(block, Table):
            yield _table(block, n)
        elif isinstance(block, Listing):
            text = _UNSAFE.sub(_as_escape, block.text) if block.json else block.text
            yield "\n".join(f"    {line}" for line in clean(text).splitlines())
        elif isinstance(block, Folded):
            yield f"### {_escaped(block.title)}"
            yield from _written(block.blocks, n)
        elif isinstance(block, Controls):
            yield from _written(block.still, n)


def _table(block: Table, n: Numbers) -> str:
    heads = [_escaped(plain(head.text, n)) for head in block.head]
    sides = ["---:" if head.style == "num" else "---" for head in block.head]
    rows = [[_escaped(plain(cell, n)) for cell in row] for row in block.rows]
    lines = [_row(heads), _row(sides), *map(_row, rows)]
    return "\n".join([*([_escaped(block.caption), ""] if block.caption else []), *lines])


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _escaped(text: str) -> str:
    """Escape marks, keep to one line, and isolate the direction of words from data."""
    line = " ".join(clean(text).split())
    escaped = _LISTED.sub(r"\1\\\2", _MARKS.sub(r"\\\1", line))
    return f"\u2068{escaped}\u2069" if _TURNS.search(line) else escaped


def _as_escape(found: re.Match[str]) -> str:
    return f"\\u{ord(found.group()):04x}"


#: Letters and marks that turn the direction of what follows them.
_TURNS: Final = re.compile(
    "[\u0590-\u08ff\u200e\u200f\u202a-\u202e\u2066-\u2069\ufb1d-\ufdff\ufe70-\ufeff]"
)

#: What JSON writes as an escape, so that no reader of Markdown takes it for a tag or turns a line around.
_UNSAFE: Final = re.compile(f"[<>&\u2028\u2029]|{_TURNS.pattern}")
