"""A report as Markdown: the same words and numbers, for a repository or a mail."""

import re
from collections.abc import Sequence
from typing import Any, Final

from bayesrtw.report.numbers import clean
from bayesrtw.report.outline import Block, outline

#: Characters that Markdown or HTML would read as marks.
_MARKS: Final = re.compile(r"([\\`*_\[\]<>|~&]|^[#+=-]|^\d+(?=[.)])|(?<=:)/)")


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
    written = (_written(block) for block in outline(content) if block.kind != "pictures")
    return "\n\n".join(written) + "\n"


def _written(block: Block) -> str:
    if block.kind == "heading":
        return f"{'#' * block.level} {_escaped(block.text)}"
    if block.kind == "list":
        return "\n".join(f"- {_escaped(item)}" for item in block.items)
    if block.kind == "table":
        return "\n".join(
            [
                _row(block.head),
                _row(["---"] * len(block.head), escape=False),
                *map(_row, block.rows),
            ]
        )
    if block.kind == "caveat":
        return f"> **{_escaped(block.text)}**"
    return _escaped(block.text)


def _row(cells: Sequence[str], *, escape: bool = True) -> str:
    return f"| {' | '.join(_escaped(cell) if escape else cell for cell in cells)} |"


def _escaped(text: str) -> str:
    """Escape marks, keep to one line, and isolate the direction of words from data."""
    line = " ".join(clean(text).split())
    escaped = _MARKS.sub(r"\\\1", line)
    return f"\u2068{escaped}\u2069" if _TURNS.search(line) else escaped


#: Letters and marks that turn the direction of what follows them.
_TURNS: Final = re.compile(
    "[\u0590-\u08ff\u200e\u200f\u202a-\u202e\u2066-\u2069\ufb1d-\ufdff\ufe70-\ufeff]"
)
