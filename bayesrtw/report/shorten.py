"""Long tables of a report, cut to what a person reads: the document and tables for papers have all rows."""

from dataclasses import replace
from typing import Final

from bayesrtw.report.block import Block, Controls, Folded, Outline, Tabular

#: Most rows of a table.
MOST_ROWS: Final = 150


def shortened(found: Outline) -> Outline:
    """Cut every table that is longer, and say so under it."""
    sections = (replace(each, blocks=tuple(map(_cut, each.blocks))) for each in found.sections)
    return replace(found, opening=tuple(map(_cut, found.opening)), sections=tuple(sections))


def _cut(block: Block) -> Block:
    if isinstance(block, Folded):
        return replace(block, blocks=tuple(map(_cut, block.blocks)))
    if isinstance(block, Controls):
        return replace(block, still=tuple(map(_cut, block.still)))
    if not isinstance(block, Tabular) or len(block.rows) <= MOST_ROWS:
        return block
    said = f"The first {MOST_ROWS} of {len(block.rows):,} rows; synthesis.json holds what is known of all."
    return replace(
        block,
        rows=block.rows[:MOST_ROWS],
        caption=f"{block.caption} {said}".strip(),
        own=frozenset(place for place in block.own if place < MOST_ROWS),
    )
