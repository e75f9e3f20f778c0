"""What a report is made of: sections of blocks, whose words and numbers no format has written yet."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from bayesrtw.printed import spell_chance, unbroken
from bayesrtw.report.numbers import Printer, resolve


@dataclass(frozen=True, slots=True)
class Number:
    """A number of the record."""

    path: str  #: JSON pointer to it.
    style: str = "effect"  #: How it is printed, as for `bayesrtw.report.numbers.Printer.text`.


@dataclass(frozen=True, slots=True)
class Bracketed:
    """A median with its interval."""

    path: str  #: JSON pointer to where ``median``, ``lower`` and ``upper`` stand.
    style: str = "effect"  #: As for a `Number`.


@dataclass(frozen=True, slots=True)
class Chance:
    """An event with its probability."""

    event: str  #: As `bayesrtw.printed.event` names it.
    path: str  #: JSON pointer to its probability.


@dataclass(frozen=True, slots=True)
class Quoted:
    """Words from data, which a format escapes and whose direction it isolates."""

    text: str  #: The words.
    linked: bool = False  #: Whether DOIs in them may become links.
    #: JSON pointer to the number that they spell, by which they are sorted; empty where they are words.
    number: str = ""


@dataclass(frozen=True, slots=True)
class Styled:
    """Words with a look."""

    text: "Text"  #: The words.
    #: ``quiet`` (aside), ``strong``, ``code`` or ``tag`` (severity of a finding).
    look: Literal["quiet", "strong", "code", "tag"]


@dataclass(frozen=True, slots=True)
class Jump:
    """A section of the same report."""

    #: id, title: the section's.
    id: str
    title: str


@dataclass(frozen=True, slots=True)
class FileLink:
    """A file beside the page."""

    file: str  #: Its path from the page.
    text: str  #: What is read.


#: What stands in a line.
Part = str | Number | Bracketed | Chance | Quoted | Styled | Jump | FileLink
Text = tuple[Part, ...]


@dataclass(frozen=True, slots=True)
class Heading:
    """A heading within a section."""

    text: str  #: Its words.


@dataclass(frozen=True, slots=True)
class Paragraph:
    """A paragraph."""

    text: Text  #: What it says.
    #: ``kicker``, ``question``, ``answer`` and ``then`` (more of the answer) stand in the opening; ``caveat``
    #: must not be overlooked; ``note`` explains.
    kind: Literal["", "kicker", "question", "answer", "then", "caveat", "note"] = ""


@dataclass(frozen=True, slots=True)
class Bullets:
    """A list."""

    items: tuple[Text, ...]  #: Its points.
    #: ``findings`` where each begins with its severity; ``behind`` for what stands behind the answer.
    kind: Literal["", "findings", "behind"] = ""


@dataclass(frozen=True, slots=True)
class Terms:
    """Names, and what each stands for."""

    pairs: tuple[tuple[str, Text], ...]  #: Name and words.


@dataclass(frozen=True, slots=True)
class Head:
    """Head of a column."""

    text: Text  #: Its words.
    style: Literal["", "num", "words"] = ""  #: ``num`` for numbers, ``words`` for long text.
    aside: bool = False  #: Whether paper has the column in the supplement alone.


@dataclass(frozen=True, slots=True)
class Tabular:
    """A table whose first column names its rows."""

    label: str  #: What a screen reader calls it.
    head: tuple[Head, ...]  #: Heads of columns.
    rows: tuple[tuple[Text, ...], ...]  #: Cells, one for each column.
    caption: str = ""  #: What must be known to read it, empty for none.
    own: frozenset[int] = frozenset()  #: Positions of rows that stand out.
    sortable: bool = False  #: Whether a reader may want to sort it.
    #: Whether a narrow screen shows each row as a card, so that nobody must scroll sideways for it.
    cards: bool = False
    aside: bool = False  #: Whether paper has it in the supplement alone.


@dataclass(frozen=True, slots=True)
class Listing:
    """Text of a machine, as it is."""

    text: str  #: Lines.
    json: bool = False  #: Whether it is JSON, where any character may be written as an escape.


@dataclass(frozen=True, slots=True)
class Folded:
    """Blocks that a format may fold away."""

    title: str  #: What is in them.
    blocks: "tuple[Block, ...]"  #: The blocks.


@dataclass(frozen=True, slots=True)
class Pictures:
    """Where the pictures of the section stand."""


@dataclass(frozen=True, slots=True)
class Controls:
    """Where a format with controls lets a reader choose."""

    still: "tuple[Block, ...]"  #: What a format without controls has in their place.
    #: What is chosen: the cells of the grid, or sets of parts.
    of: Literal["grid", "parts"] = "grid"


Block = Heading | Paragraph | Bullets | Terms | Tabular | Listing | Folded | Pictures | Controls


@dataclass(frozen=True, slots=True)
class Section:
    """A section of a report."""

    id: str  #: Its name in links.
    title: str  #: Its heading.
    blocks: tuple[Block, ...]  #: What it holds.
    short: str = ""  #: Its name in a list of contents, where the heading is long.


@dataclass(frozen=True, slots=True)
class Outline:
    """A report before a format writes it."""

    title: str  #: Its heading.
    opening: tuple[Block, ...]  #: Question, answer, and what must be read with them.
    sections: tuple[Section, ...]  #: The rest, in order.


def plain(text: Text, n: Printer) -> str:
    """Write a text as words alone."""
    return "".join(_plain(part, n) for part in text)


def _plain(part: Part, n: Printer) -> str:
    if isinstance(part, str):
        return part
    if isinstance(part, Number):
        return n.text(part.path, part.style)
    if isinstance(part, Bracketed):
        style = n.style_of(part.path, part.style)
        middle, low, high = (
            n.text(f"{part.path}/{end}", style) for end in ("median", "lower", "upper")
        )
        return f"{middle} ({low} to {high})"
    if isinstance(part, Chance):
        return unbroken(spell_chance(part.event, resolve(n.content, part.path)))
    if isinstance(part, Styled):
        return plain(part.text, n) + (": " if part.look == "tag" else "")
    return part.title if isinstance(part, Jump) else part.text


def joined(texts: Iterable[Text], between: str) -> Text:
    """Put texts one after another."""
    found: Text = ()
    for text in texts:
        found = (*found, between, *text) if found else text
    return found
