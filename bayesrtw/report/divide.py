"""A report as paper has it: what can be sent, and a supplement with the rest."""

from dataclasses import replace
from typing import Final

from bayesrtw.printed import numbered
from bayesrtw.report.block import (
    Block,
    Bullets,
    Controls,
    Folded,
    Heading,
    Listing,
    Outline,
    Pictures,
    Styled,
    Tabular,
)

#: Sections that a reader of paper looks up and does not read.
ASIDE = ("explore", "predictive", "classical", "outlook", "record", "checklist")

#: How a finding begins that explains itself.
_NOTE: Final = Styled(("note",), "tag")


def divided(whole: Outline) -> tuple[Outline, Outline]:
    """Divide an outline into the report and its supplement; no table is lost, JSON is."""
    report, supplement = [], []
    for section in whole.sections:
        if section.id in ASIDE:
            first: tuple[Block, ...] = ()
            rest = tuple(block for each in section.blocks for block in _opened(each))
        else:
            first, rest = _divided(section.blocks)
        if first:
            report.append(replace(section, blocks=first))
        if rest:
            supplement.append(replace(section, blocks=rest))
    return (
        Outline(whole.title, whole.opening, tuple(report)),
        Outline(f"Supplement: {whole.title}", (), tuple(supplement)),
    )


def _divided(blocks: tuple[Block, ...]) -> tuple[tuple[Block, ...], tuple[Block, ...]]:
    """Divide the blocks of a section; a heading goes where what it heads goes."""
    first: list[Block] = []
    rest: list[Block] = []
    heading: list[Block] = []
    for block in blocks:
        if isinstance(block, Heading):
            heading = [block]
            continue
        here, there = _parted(block)
        if here:
            first += [*heading, here]
        if there:
            rest += [*heading, *there]
        heading = []
    return tuple(first), tuple(rest)


def _parted(block: Block) -> tuple[Block | None, tuple[Block, ...]]:
    """Give what the report keeps of a block, and what the supplement has of it."""
    if isinstance(block, Pictures):
        return block, (block,)
    if isinstance(block, Bullets) and block.kind == "findings":
        notes = tuple(item for item in block.items if item[0] == _NOTE)
        others = tuple(item for item in block.items if item[0] != _NOTE)
        if not notes:
            return block, ()
        others += ((f"{numbered(len(notes), 'note')} more in the supplement.",),)
        return replace(block, items=others), (replace(block, items=notes),)
    if isinstance(block, Folded | Listing | Controls):
        return None, _opened(block)
    if not isinstance(block, Tabular):
        return block, ()
    if block.aside:
        return None, (block,)
    kept = [place for place, head in enumerate(block.head) if not head.aside]
    if len(kept) == len(block.head):
        return block, ()
    narrow = replace(
        block,
        head=tuple(block.head[place] for place in kept),
        rows=tuple(tuple(row[place] for place in kept) for row in block.rows),
    )
    return narrow, (block,)


def _opened(block: Block) -> tuple[Block, ...]:
    """Open what is folded; leave JSON out, which is a file of its own."""
    if isinstance(block, Folded):
        inner = tuple(found for each in block.blocks for found in _opened(each))
        return (Heading(block.title), *inner) if inner else ()
    if isinstance(block, Controls):
        return block.still
    return () if isinstance(block, Listing) and block.json else (block,)
