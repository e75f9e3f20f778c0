"""What every print in a terminal has: heading and caveat, findings, tables without rules, an indent."""

from collections.abc import Iterable
from typing import Literal

from rich.console import Console, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

#: Style of each severity of finding.
COLOUR = {"failed": "bold red", "warning": "yellow", "note": "dim"}

#: Columns of the terminal left of a table.
INDENT = 2


def opened(console: Console, title: str, caveat: str) -> None:
    """Print a heading, and what must be read with all that follows."""
    console.print()
    console.print(Text(title, style="bold"))
    if caveat:
        console.print(severe("warning", caveat))


def severe(severity: str, message: str) -> Text:
    """Write a finding with its severity in front."""
    return Text(f"{severity}: ", style=COLOUR[severity]) + Text(message, style="default")


def indented(console: Console, what: RenderableType, *, above: bool = False) -> None:
    """Print something with a margin on its left, and an empty line above it."""
    if above:
        console.print()
    console.print(Padding(what, (0, 0, 0, INDENT)))


def table(
    first: str, others: Iterable[str] = (), *, justify: Literal["left", "right"] = "right"
) -> Table:
    """Begin a table without rules: the first column names rows and is folded, the others are numbers."""
    made = Table(box=None, pad_edge=False, header_style="bold", show_edge=False)
    made.add_column(first, overflow="fold")
    for heading in others:
        made.add_column(heading, justify=justify)
    return made
