"""What a report is made of: sections of blocks, whose words and numbers no format has written yet."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from bayesrtw.printed import spell_chance, unbroken
from bayesrtw.report.numbers import Printer, resolve


@dataclass(frozen=True, slots=True)
class Number:
    """A number of the record.

    Attributes
    ----------
    path
        JSON pointer to it.
    style
        How it is printed, as for `bayesrtw.report.numbers.Printer.text`.
    """

    path: str
    style: str = "effect"


@dataclass(frozen=True, slots=True)
class Bracketed:
    """A median with its interval.

    Attributes
    ----------
    path
        JSON pointer to where ``median``, ``lower`` and ``upper`` stand.
    style
        As for a `Number`.
    """

    path: str
    style: str = "effect"


@dataclass(frozen=True, slots=True)
class Chance:
    """An event with its probability.

    Attributes
    ----------
    event
        As `bayesrtw.printed.event` names it.
    path
        JSON pointer to its probability.
    """

    event: str
    path: str


@dataclass(frozen=True, slots=True)
class Quoted:
    """Words from data, which a format escapes and whose direction it isolates.

    Attributes
    ----------
    text
        The words.
    linked
        Whether DOIs in them may become links.
    number
        JSON pointer to the number that they spell, by which they are sorted; empty where they are words.
    """

    text: str
    linked: bool = False
    number: str = ""


@dataclass(frozen=True, slots=True)
class Styled:
    """Words with a look.

    Attributes
    ----------
    text
        The words.
    look
        ``quiet`` (aside), ``strong``, ``code`` or ``tag`` (severity of a finding).
    """

    text: "Text"
    look: Literal["quiet", "strong", "code", "tag"]


@dataclass(frozen=True, slots=True)
class Jump:
    """A section of the same report.

    Attributes
    ----------
    id, title
        The section's.
    """

    id: str
    title: str


@dataclass(frozen=True, slots=True)
class FileLink:
    """A file beside the page.

    Attributes
    ----------
    file
        Its path from the page.
    text
        What is read.
    """

    file: str
    text: str


#: What stands in a line.
Part = str | Number | Bracketed | Chance | Quoted | Styled | Jump | FileLink
Text = tuple[Part, ...]


@dataclass(frozen=True, slots=True)
class Heading:
    """A heading within a section.

    Attributes
    ----------
    text
        Its words.
    """

    text: str


@dataclass(frozen=True, slots=True)
class Paragraph:
    """A paragraph.

    Attributes
    ----------
    text
        What it says.
    kind
        ``kicker``, ``question``, ``answer`` and ``then`` (more of the answer) stand in the opening;
        ``caveat`` must not be overlooked; ``note`` explains.
    """

    text: Text
    kind: Literal["", "kicker", "question", "answer", "then", "caveat", "note"] = ""


@dataclass(frozen=True, slots=True)
class Bullets:
    """A list.

    Attributes
    ----------
    items
        Its points.
    kind
        ``findings`` where each begins with its severity; ``behind`` for what stands behind the answer.
    """

    items: tuple[Text, ...]
    kind: Literal["", "findings", "behind"] = ""


@dataclass(frozen=True, slots=True)
class Terms:
    """Names, and what each stands for.

    Attributes
    ----------
    pairs
        Name and words.
    """

    pairs: tuple[tuple[str, Text], ...]


@dataclass(frozen=True, slots=True)
class Head:
    """Head of a column.

    Attributes
    ----------
    text
        Its words.
    style
        ``num`` for numbers, ``words`` for long text.
    aside
        Whether paper has the column in the supplement alone.
    """

    text: Text
    style: Literal["", "num", "words"] = ""
    aside: bool = False


@dataclass(frozen=True, slots=True)
class Tabular:
    """A table whose first column names its rows.

    Attributes
    ----------
    label
        What a screen reader calls it.
    head
        Heads of columns.
    rows
        Cells, one for each column.
    caption
        What must be known to read it, empty for none.
    own
        Positions of rows that stand out.
    sortable
        Whether a reader may want to sort it.
    cards
        Whether a narrow screen shows each row as a card, so that nobody must scroll sideways for it.
    aside
        Whether paper has it in the supplement alone.
    """

    label: str
    head: tuple[Head, ...]
    rows: tuple[tuple[Text, ...], ...]
    caption: str = ""
    own: frozenset[int] = frozenset()
    sortable: bool = False
    cards: bool = False
    aside: bool = False


@dataclass(frozen=True, slots=True)
class Listing:
    """Text of a machine, as it is.

    Attributes
    ----------
    text
        Lines.
    json
        Whether it is JSON, where any character may be written as an escape.
    """

    text: str
    json: bool = False


@dataclass(frozen=True, slots=True)
class Folded:
    """Blocks that a format may fold away.

    Attributes
    ----------
    title
        What is in them.
    blocks
        The blocks.
    """

    title: str
    blocks: "tuple[Block, ...]"


@dataclass(frozen=True, slots=True)
class Pictures:
    """Where the pictures of the section stand."""


@dataclass(frozen=True, slots=True)
class Controls:
    """Where a format with controls lets a reader choose.

    Attributes
    ----------
    still
        What a format without controls has in their place.
    of
        What is chosen: the cells of the grid, or sets of parts.
    """

    still: "tuple[Block, ...]"
    of: Literal["grid", "parts"] = "grid"


Block = Heading | Paragraph | Bullets | Terms | Tabular | Listing | Folded | Pictures | Controls


@dataclass(frozen=True, slots=True)
class Section:
    """A section of a report.

    Attributes
    ----------
    id
        Its name in links.
    title
        Its heading.
    blocks
        What it holds.
    short
        Its name in a list of contents, where the heading is long.
    """

    id: str
    title: str
    blocks: tuple[Block, ...]
    short: str = ""


@dataclass(frozen=True, slots=True)
class Outline:
    """A report before a format writes it.

    Attributes
    ----------
    title
        Its heading.
    opening
        Question, answer, and what must be read with them.
    sections
        The rest, in order.
    """

    title: str
    opening: tuple[Block, ...]
    sections: tuple[Section, ...]


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
